//! Channels of the operator's application, on real sockets: tokens, namespaces, presence, history, patches, filters, and
//! the transports that are off until they are switched on.

mod channels;
mod tokens;
mod transports;

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac_sha256::sign;
use serde_json::{Value, json};
use signalbox_core::bus::orders::Order;
use signalbox_core::live::application::Publication;
use signalbox_core::live::application::broker::{self, Extra};

use super::Node;
use super::websocket::Wire;

const SECRET: &str = "a secret of the application";

/// What the tests' application has configured.
const SETTINGS: &[(&str, &str)] = &[
    ("TOKEN__HMAC_SECRET", SECRET),
    ("PERSONAL_CHANNEL__ENABLED", "true"),
    ("PERSONAL_CHANNEL__NAMESPACE", "me"),
    ("TRANSPORTS__HTTP_STREAM", "true"),
    ("TRANSPORTS__SSE", "true"),
    ("TRANSPORTS__UNI_SSE", "true"),
    ("TRANSPORTS__UNI_WEBSOCKET", "true"),
    ("NAMESPACES__ME__ALLOW_USER_LIMITED_CHANNELS", "true"),
    ("NAMESPACES__CHAT__HISTORY_SIZE", "100"),
    ("NAMESPACES__CHAT__HISTORY_TTL", "300s"),
    ("NAMESPACES__CHAT__FORCE_RECOVERY", "true"),
    ("NAMESPACES__CHAT__PRESENCE", "true"),
    ("NAMESPACES__CHAT__JOIN_LEAVE", "true"),
    ("NAMESPACES__CHAT__ALLOW_SUBSCRIBE_FOR_CLIENT", "true"),
    ("NAMESPACES__CHAT__ALLOW_PUBLISH_FOR_SUBSCRIBER", "true"),
    ("NAMESPACES__CHAT__ALLOW_PRESENCE_FOR_SUBSCRIBER", "true"),
    ("NAMESPACES__CHAT__ALLOW_HISTORY_FOR_SUBSCRIBER", "true"),
    ("NAMESPACES__CHAT__ALLOWED_DELTA_TYPES", "fossil"),
    ("NAMESPACES__CHAT__DELTA_PUBLISH", "true"),
    ("NAMESPACES__CHAT__ALLOW_TAGS_FILTER", "true"),
    ("NAMESPACES__LAST__HISTORY_SIZE", "1"),
    ("NAMESPACES__LAST__HISTORY_TTL", "300s"),
    ("NAMESPACES__LAST__FORCE_RECOVERY", "true"),
    ("NAMESPACES__LAST__FORCE_RECOVERY_MODE", "cache"),
    ("NAMESPACES__LAST__ALLOW_SUBSCRIBE_FOR_CLIENT", "true"),
    ("NAMESPACES__OFFERED__HISTORY_SIZE", "10"),
    ("NAMESPACES__OFFERED__HISTORY_TTL", "300s"),
    ("NAMESPACES__OFFERED__ALLOW_RECOVERY", "true"),
    ("NAMESPACES__OFFERED__ALLOW_SUBSCRIBE_FOR_CLIENT", "true"),
    ("NAMESPACES__SHUT__HISTORY_SIZE", "0"),
    ("NAMESPACES__SAID__ALLOW_PUBLISH_FOR_SUBSCRIBER", "true"),
    ("NAMESPACES__KEPT__HISTORY_SIZE", "10"),
    ("NAMESPACES__KEPT__HISTORY_TTL", "300s"),
    ("NAMESPACES__KEPT__ALLOW_SUBSCRIBE_FOR_CLIENT", "true"),
];

mod hmac_sha256 {
    use sha2::{Digest, Sha256};

    /// HMAC by RFC 2104, for keys of at most 64 bytes.
    pub fn sign(key: &[u8], message: &[u8]) -> Vec<u8> {
        let pad = |byte: u8| {
            let mut pad = [byte; 64];
            pad.iter_mut().zip(key).for_each(|(pad, key)| *pad ^= key);
            pad
        };
        let inner = Sha256::new()
            .chain_update(pad(0x36))
            .chain_update(message)
            .finalize();
        Sha256::new()
            .chain_update(pad(0x5c))
            .chain_update(inner)
            .finalize()
            .to_vec()
    }
}

pub(super) fn token(claims: Value) -> String {
    let part = |json: Value| URL_SAFE_NO_PAD.encode(json.to_string());
    let body = format!("{}.{}", part(json!({"alg": "HS256", "typ": "JWT"})), part(claims));
    let signature = URL_SAFE_NO_PAD.encode(sign(SECRET.as_bytes(), body.as_bytes()));
    format!("{body}.{signature}")
}

fn of(user: &str) -> String {
    token(json!({"sub": user, "info": {"name": user}}))
}

async fn node() -> Node {
    Node::serving(SETTINGS).await
}

impl Node {
    /// Publishes as the application's server does.
    async fn publish(&self, channel: &str, data: Value, tags: &[(&str, &str)]) -> u64 {
        let namespaces = self.settings.live.namespaces();
        let tags: BTreeMap<_, _> = tags
            .iter()
            .map(|(key, value)| ((*key).into(), (*value).into()))
            .collect();
        let publication = Publication {
            data: data.to_string().into(),
            tags,
            ..Publication::default()
        };
        let options = namespaces.of(channel).unwrap();
        let bus = &self.test.store.bus;
        broker::publish(bus, channel, options, publication, Extra::default())
            .await
            .unwrap()
            .offset
    }

    async fn tell(&self, order: Order) {
        self.nodes.tell(order).await.unwrap();
    }
}

impl Wire {
    async fn subscribed(node: &Node, user: &str, wish: Value) -> (Self, Value) {
        let mut wire = Self::signed_in(node, &of(user)).await;
        let reply = wire.ask(json!({"id": 2, "subscribe": wish})).await;
        (wire, reply["subscribe"].clone())
    }

    /// The next push, with pings answered.
    pub(super) async fn push(&mut self) -> Value {
        loop {
            let next = self.next().await.unwrap();
            if next != json!({}) {
                return next["push"].clone();
            }
            self.say("{}").await;
        }
    }
}
