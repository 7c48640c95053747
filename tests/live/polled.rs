//! The application's server as shared poll meets it: what it would answer, what it was asked, and what it signs.

use std::collections::BTreeMap;
use std::sync::Arc;

use actix_web::{App, HttpResponse, HttpServer, web};
use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};
use jsonwebtoken::{Algorithm, EncodingKey, crypto};
use parking_lot::Mutex;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// Answers by key, whatever the channel, always in version 1. A key that is null is gone.
#[derive(Default)]
pub struct Backend {
    values: Mutex<BTreeMap<String, Value>>,
    asked: Mutex<Vec<Value>>,
}

impl Backend {
    /// The server, and where it is asked.
    pub fn start() -> (Arc<Self>, String) {
        let backend = Arc::new(Self::default());
        let shared = web::Data::from(backend.clone());
        let app = move || {
            App::new()
                .app_data(shared.clone())
                .route("/poll", web::post().to(answer))
        };
        let server = HttpServer::new(app).workers(1).disable_signals();
        let server = server.bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/poll", server.addrs()[0]);
        tokio::spawn(server.run());
        (backend, url)
    }

    /// What a key is from now on.
    pub fn set(&self, key: &str, data: Value) {
        self.values.lock().insert(key.to_owned(), data);
    }

    /// All questions so far.
    pub fn asked(&self) -> Vec<Value> {
        self.asked.lock().clone()
    }
}

async fn answer(backend: web::Data<Backend>, body: web::Json<Value>) -> HttpResponse {
    backend.asked.lock().push(body.0.clone());
    let values = backend.values.lock();
    let items = body["items"].as_array().unwrap().iter().filter_map(|item| {
        let key = item["key"].as_str()?;
        let data = values.get(key)?;
        Some(json!({"key": key, "data": data, "removed": data.is_null(), "version": 1}))
    });
    HttpResponse::Ok().json(json!({"result": {"items": items.collect::<Vec<_>>()}}))
}

/// What lets `user` track `keys` of `channel` until `exp`, signed with `secret`.
pub fn signature(secret: &str, user: &str, channel: &str, keys: &[&str], exp: u64) -> String {
    let digest = hex::encode(Sha256::digest(keys.join("\0")));
    let exp = exp.to_string();
    let message = ["100", &exp, user, channel, &digest].join("\0");
    let key = EncodingKey::from_secret(secret.as_bytes());
    let mac = crypto::sign(message.as_bytes(), &key, Algorithm::HS256).unwrap();
    let mac = BASE64_URL_SAFE_NO_PAD.decode(mac).unwrap();
    format!("100:{exp}:{}", hex::encode(mac))
}
