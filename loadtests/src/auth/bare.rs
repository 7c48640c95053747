//! The handler that the hub is measured against: actix-web as it comes, one route with an id in it, and bytes that were there
//! before.

use super::drive::Target;
use crate::peers::{Process, Scratch, free_port};
use actix_web::http::header::ContentType;
use actix_web::{App, HttpResponse, HttpServer, web};
use bytes::Bytes;
use std::net::SocketAddr;
use std::process::Command;

/// Starts it in a process of its own; it answers with `bytes` bytes.
pub fn start(bytes: usize) -> anyhow::Result<(Target, impl Sized)> {
    let (scratch, address) = (Scratch::new("bare-http")?, free_port()?);
    let mut command = Command::new(std::env::current_exe()?);
    command.args([
        "bare-http",
        "--listen",
        &address.to_string(),
        "--bytes",
        &bytes.to_string(),
    ]);
    let mut process = Process::start(command, scratch.path().join("log"))?;
    process.accepts(address)?;
    let request = format!(
        "GET /api/v1/users/{} HTTP/1.1\r\nHost: {address}\r\n\r\n",
        uuid::Uuid::nil()
    );
    Ok((
        Target::of(address, vec![request.into_bytes()]),
        (process, scratch),
    ))
}

/// Serves until it is ended from outside.
pub async fn serve(listen: SocketAddr, bytes: usize) -> anyhow::Result<()> {
    let body = Bytes::from(vec![b'x'; bytes]);
    let app = move || {
        let body = body.clone();
        App::new().route(
            "/api/v1/users/{id}",
            web::get().to(move |_id: web::Path<uuid::Uuid>| {
                let body = body.clone();
                async move { HttpResponse::Ok().content_type(ContentType::json()).body(body) }
            }),
        )
    };
    Ok(HttpServer::new(app).bind(listen)?.run().await?)
}
