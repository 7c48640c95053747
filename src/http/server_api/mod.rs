//! `POST /api/<method>`: what the servers of the operator's application do here, by API key. Method names, bodies, results
//! and error codes are Centrifugo's (v6), so that its server libraries work unchanged.
//!
//! HTTP 200 with `{"result": ..}` or `{"error": {"code", "message"}}`; with `X-Centrifugo-Error-Mode: transport` an error is an
//! HTTP status with the error as its body. Without a key that is known: 401, and 429 for an address that tries too many.
//!
//! Invariant: the hub's own channels are out of reach: every method that names a channel asks [`ServerApi::options`] first.

mod batch;
mod key;
mod lines;
mod look;
mod maps;
mod orders;
mod polls;
mod publish;
mod reply;

use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER};
use actix_web::{HttpRequest, HttpResponse, web};
use secrecy::SecretString;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use signalbox_actors::nodes::Nodes;
use signalbox_actors::presence::Presence;
use signalbox_core::Store;
use signalbox_core::live::application::namespaces::RESERVED;
use signalbox_core::live::application::{Name, Namespaces, Options};
use std::sync::Arc;

use super::limits::KeyLimit;
use super::origin::Origin;
use super::{Answer, Problem, json};
use crate::config::Settings;
use crate::live::protocol::raw::Object;
use reply::{ApiError, Reply};

/// Every method, as the last part of its path.
const METHODS: &[&str] = &[
    "publish",
    "broadcast",
    "subscribe",
    "unsubscribe",
    "disconnect",
    "refresh",
    "presence",
    "presence_stats",
    "history",
    "history_remove",
    "channels",
    "info",
    "rpc",
    "map_publish",
    "map_remove",
    "map_read_state",
    "map_read_stream",
    "map_stats",
    "map_clear",
    "shared_poll_publish",
    "batch",
];

/// What the methods reach.
pub struct ServerApi {
    keys: Vec<SecretString>,
    wrong_keys: KeyLimit,
    namespaces: Namespaces,
    body_max_bytes: usize,
    store: Store,
    nodes: Nodes,
    presence: Presence,
}

impl ServerApi {
    /// As `settings` have it.
    pub fn new(settings: &Settings, store: &Store, nodes: &Nodes, presence: &Presence) -> Self {
        Self {
            keys: settings.live.api.keys.clone(),
            wrong_keys: KeyLimit::of(&settings.auth),
            namespaces: settings.live.namespaces(),
            body_max_bytes: settings.server.body_max_bytes,
            store: store.clone(),
            nodes: nodes.clone(),
            presence: presence.clone(),
        }
    }

    /// Why whoever sent `request` is not let in, if they are not.
    fn refused(&self, request: &HttpRequest) -> Option<HttpResponse> {
        if key::opens(request, &self.keys) {
            return None;
        }
        let ip = Origin::noted(request).and_then(|origin| origin.ip);
        Some(match self.wrong_keys.count(ip) {
            Ok(()) => HttpResponse::Unauthorized().finish(),
            Err(seconds) => HttpResponse::TooManyRequests()
                .insert_header((RETRY_AFTER, seconds))
                .finish(),
        })
    }

    /// What holds for `channel`.
    fn options(&self, channel: &str) -> Result<&Arc<Options>, ApiError> {
        if channel.is_empty() {
            return Err(ApiError::bad("channel is required"));
        }
        let name = Name::parse(channel)
            .ok_or_else(|| ApiError::bad("a channel's name is printable, and has at most 255 bytes"))?;
        if RESERVED.contains(&name.namespace) {
            return Err(ApiError::unknown_channel(
                "it is one of the hub's own, which only the hub serves",
            ));
        }
        let unknown = || ApiError::unknown_channel("its namespace has no section in the configuration");
        self.namespaces.of_name(&name).ok_or_else(unknown)
    }

    /// Runs one method but `batch`. `None`: there is no such method.
    async fn run(&self, method: &str, body: &[u8]) -> Option<Reply> {
        Some(match method {
            "publish" => publish::publish(self, body).await,
            "broadcast" => publish::broadcast(self, body).await,
            "subscribe" => orders::subscribe(self, body).await,
            "unsubscribe" => orders::unsubscribe(self, body).await,
            "disconnect" => orders::disconnect(self, body).await,
            "refresh" => orders::refresh(self, body).await,
            "presence" => look::presence(self, body).await,
            "presence_stats" => look::presence_stats(self, body).await,
            "history" => look::history(self, body).await,
            "history_remove" => look::history_remove(self, body).await,
            "channels" => look::channels(self, body).await,
            "info" => look::info(self).await,
            "map_publish" => maps::publish(self, body).await,
            "map_remove" => maps::remove(self, body).await,
            "map_read_state" => maps::read_state(self, body).await,
            "map_read_stream" => maps::read_stream(self, body).await,
            "map_stats" => maps::stats(self, body).await,
            "map_clear" => maps::clear(self, body).await,
            "shared_poll_publish" => polls::publish(self, body).await,
            "rpc" => Err(ApiError::not_available("no method is offered")),
            _ => return None,
        })
    }
}

/// All of [`METHODS`], and `/api` itself for several commands; the application's data holds a [`ServerApi`].
pub fn routes(app: &mut web::ServiceConfig) {
    app.route("/api", web::post().to(answer_lines));
    for method in METHODS {
        let others = web::to(async || {
            HttpResponse::MethodNotAllowed()
                .insert_header((ALLOW, "POST"))
                .finish()
        });
        let resource = web::resource(format!("/api/{method}"));
        app.service(resource.route(web::post().to(answer)).default_service(others));
    }
}

async fn answer(
    request: HttpRequest,
    api: web::Data<ServerApi>,
    payload: web::Payload,
) -> Answer<HttpResponse> {
    if let Some(refused) = api.refused(&request) {
        return Ok(refused);
    }
    let method = request.path().rsplit('/').next().unwrap_or_default().to_owned();
    let body = json::read(payload.into_inner(), api.body_max_bytes).await?;
    let reply = match method.as_str() {
        "batch" => batch::batch(&api, &body).await,
        _ => api
            .run(&method, &body)
            .await
            .unwrap_or_else(|| Err(ApiError::no_method())),
    };
    let code = reply.as_ref().map_or_else(|error| error.code, |_| 0);
    metrics::counter!("signalbox_server_api_total", "method" => method.clone(), "code" => code.to_string())
        .increment(1);
    let by_status = request
        .headers()
        .get("X-Centrifugo-Error-Mode")
        .is_some_and(|mode| mode.as_bytes() == b"transport");
    written(reply, method == "batch", by_status)
}

async fn answer_lines(
    request: HttpRequest,
    api: web::Data<ServerApi>,
    payload: web::Payload,
) -> Answer<HttpResponse> {
    if let Some(refused) = api.refused(&request) {
        return Ok(refused);
    }
    let body = json::read(payload.into_inner(), api.body_max_bytes).await?;
    match lines::lines(&api, &body).await {
        Ok(lines) => Ok(HttpResponse::Ok()
            .insert_header((CONTENT_TYPE, "application/json"))
            .body(lines)),
        Err(error) => written(Err(error), false, false),
    }
}

fn written(reply: Reply, whole: bool, by_status: bool) -> Answer<HttpResponse> {
    let (status, body) = match &reply {
        Ok(result) if whole => (StatusCode::OK, serde_json::to_vec(result)),
        Err(error) if by_status => (error.status(), serde_json::to_vec(error)),
        // who sent no JSON has no reply to read
        Err(error) if error.malformed => (
            StatusCode::BAD_REQUEST,
            serde_json::to_vec(&reply::Whole::of(&reply)),
        ),
        _ => (StatusCode::OK, serde_json::to_vec(&reply::Whole::of(&reply))),
    };
    let body = body.map_err(|error| Problem::from(signalbox_core::kernel::error::Error::from(error)))?;
    Ok(HttpResponse::build(status)
        .insert_header((CONTENT_TYPE, "application/json"))
        .body(body))
}

/// Reads a body. Fields that are not known are passed over, as Centrifugo's are: a newer library may send them.
fn decoded<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    let body = if body.is_empty() { b"{}" } else { body };
    let read: Result<Object<T>, _> = serde_json::from_slice(body);
    read.map(|Object(read)| read)
        .map_err(|error| ApiError::malformed(&error.to_string()))
}

fn result<T: serde::Serialize>(result: &T) -> Reply {
    serde_json::value::to_raw_value(result).map_err(|error| ApiError::internal(&error))
}

/// `{}`: done, and there is nothing to say.
fn done() -> Reply {
    RawValue::from_string("{}".to_owned()).map_err(|error| ApiError::internal(&error))
}
