//! Maps of the operator's application, on real sockets: read in pages, followed, resumed, published to, and who is there.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use signalbox_core::live::application::Publication;
use signalbox_core::live::application::map::{self, Change, Condition, Extra};

use super::Node;
use super::application::token;
use super::websocket::Wire;

mod any_order;
mod deltas;
mod ordered;
mod reading;
mod rules;

const SETTINGS: &[(&str, &str)] = &[
    ("TOKEN__HMAC_SECRET", "a secret of the application"),
    ("ANONYMOUS__CONNECT", "true"),
    ("TRANSPORTS__UNI_SSE", "true"),
    ("NAMESPACES__BOARD__SUBSCRIPTION_TYPE", "map"),
    ("NAMESPACES__BOARD__ALLOW_SUBSCRIBE_FOR_CLIENT", "true"),
    ("NAMESPACES__BOARD__ALLOW_TAGS_FILTER", "true"),
    ("NAMESPACES__BOARD__MAP__MODE", "persistent"),
    ("NAMESPACES__BOARD__MAP__STREAM_SIZE", "300"),
    ("NAMESPACES__BOARD__MAP__ALLOW_PUBLISH_FOR_SUBSCRIBER", "true"),
    (
        "NAMESPACES__BOARD__MAP_CLIENTS_PRESENCE_CHANNEL_PREFIX",
        "clients:",
    ),
    ("NAMESPACES__BOARD__MAP_USERS_PRESENCE_CHANNEL_PREFIX", "users:"),
    ("NAMESPACES__NOTES__SUBSCRIPTION_TYPE", "map"),
    ("NAMESPACES__NOTES__ALLOW_SUBSCRIBE_FOR_CLIENT", "true"),
    ("NAMESPACES__NOTES__ALLOWED_DELTA_TYPES", "fossil"),
    ("NAMESPACES__NOTES__DELTA_PUBLISH", "true"),
    ("NAMESPACES__NOTES__MAP__MODE", "persistent"),
    ("NAMESPACES__RANKS__SUBSCRIPTION_TYPE", "map"),
    ("NAMESPACES__RANKS__ALLOW_SUBSCRIBE_FOR_CLIENT", "true"),
    ("NAMESPACES__RANKS__ALLOWED_DELTA_TYPES", "fossil"),
    ("NAMESPACES__RANKS__DELTA_PUBLISH", "true"),
    ("NAMESPACES__RANKS__MAP__MODE", "persistent"),
    ("NAMESPACES__RANKS__MAP__ORDERED", "true"),
    ("NAMESPACES__CURSORS__SUBSCRIPTION_TYPE", "map"),
    ("NAMESPACES__CURSORS__ALLOW_SUBSCRIBE_FOR_CLIENT", "true"),
    ("NAMESPACES__CURSORS__ALLOW_SUBSCRIBE_FOR_ANONYMOUS", "true"),
    ("NAMESPACES__CURSORS__MAP__MODE", "ephemeral"),
    ("NAMESPACES__CURSORS__MAP__KEY_TTL", "60s"),
    ("NAMESPACES__CURSORS__MAP__CLIENT_KEY", "user_id"),
    ("NAMESPACES__CURSORS__MAP__ALLOW_PUBLISH_FOR_CLIENT", "true"),
    ("NAMESPACES__CURSORS__MAP__ALLOW_PUBLISH_FOR_ANONYMOUS", "true"),
    ("NAMESPACES__CURSORS__MAP__ALLOW_REMOVE_FOR_CLIENT", "true"),
    ("NAMESPACES__BRIEF__SUBSCRIPTION_TYPE", "map"),
    ("NAMESPACES__BRIEF__ALLOW_SUBSCRIBE_FOR_CLIENT", "true"),
    ("NAMESPACES__BRIEF__MAP__MODE", "ephemeral"),
    ("NAMESPACES__BRIEF__MAP__KEY_TTL", "60s"),
    ("NAMESPACES__BRIEF__MAP__SUBSCRIBE_CATCH_UP_TIMEOUT", "1s"),
    ("NAMESPACES__HANDS__SUBSCRIPTION_TYPE", "map"),
    ("NAMESPACES__HANDS__ALLOW_SUBSCRIBE_FOR_CLIENT", "true"),
    ("NAMESPACES__HANDS__MAP__MODE", "recoverable"),
    ("NAMESPACES__HANDS__MAP__KEY_TTL", "1s"),
    ("NAMESPACES__HANDS__MAP__CLIENT_KEY", "client_id"),
    ("NAMESPACES__HANDS__MAP__REMOVE_CLIENT_ON_UNSUBSCRIBE", "true"),
    ("NAMESPACES__HANDS__MAP__ALLOW_PUBLISH_FOR_CLIENT", "true"),
    ("NAMESPACES__CLIENTS__SUBSCRIPTION_TYPE", "map_clients"),
    ("NAMESPACES__CLIENTS__ALLOW_SUBSCRIBE_FOR_CLIENT", "true"),
    ("NAMESPACES__CLIENTS__MAP__MODE", "recoverable"),
    ("NAMESPACES__USERS__SUBSCRIPTION_TYPE", "map_users"),
    ("NAMESPACES__USERS__ALLOW_SUBSCRIBE_FOR_CLIENT", "true"),
    ("NAMESPACES__USERS__MAP__MODE", "ephemeral"),
    ("NAMESPACES__CHAT__HISTORY_SIZE", "10"),
    ("NAMESPACES__CHAT__HISTORY_TTL", "300s"),
    ("NAMESPACES__CHAT__ALLOW_SUBSCRIBE_FOR_CLIENT", "true"),
];

async fn node() -> Node {
    Node::serving(SETTINGS).await
}

fn of(user: &str) -> String {
    token(json!({"sub": user}))
}

impl Node {
    /// An entry's score is what its data says under that name, and so is the kind among its tags.
    async fn change(&self, channel: &str, change: Change, key: &str, data: Value) {
        let namespaces = self.settings.live.namespaces();
        let publication = Publication {
            key: Some(key.to_owned()),
            score: data["score"].as_i64().unwrap_or_default(),
            tags: data["kind"]
                .as_str()
                .map(|kind| ("kind".to_owned(), kind.to_owned()))
                .into_iter()
                .collect(),
            data: data.to_string().into(),
            ..Publication::default()
        };
        let (bus, options) = (&self.test.store.bus, namespaces.of(channel).unwrap());
        map::change(bus, channel, options, change, publication, Extra::default())
            .await
            .unwrap();
    }

    async fn put(&self, channel: &str, key: &str, data: u64) {
        let always = Change::Put(Condition::Always);
        self.change(channel, always, key, json!(data)).await;
    }

    async fn remove(&self, channel: &str, key: &str) {
        self.change(channel, Change::Remove, key, json!(null)).await;
    }

    async fn fill(&self, channel: &str, entries: u64) {
        for n in 0..entries {
            self.put(channel, &format!("k{n:03}"), n).await;
        }
    }
}

type Values = BTreeMap<String, Value>;

/// Somebody who follows a map as an SDK does.
struct Follower {
    wire: Wire,
    channel: String,
    kind: i32,
    values: Values,
    place: Option<(u64, String)>,
    recoverable: bool,
    pages: Vec<i64>,
    /// What stands under each key, as text; only of one that takes patches.
    bases: Option<BTreeMap<String, String>>,
    /// The kind that it wants alone.
    wants: Option<&'static str>,
    /// Patches it was given.
    patches: usize,
    id: u32,
}

impl Follower {
    async fn connect(node: &Node, user: &str, channel: &str, kind: i32) -> Self {
        Self {
            wire: Wire::signed_in(node, &of(user)).await,
            channel: channel.to_owned(),
            kind,
            values: Values::new(),
            place: None,
            recoverable: false,
            pages: Vec::new(),
            bases: None,
            wants: None,
            patches: 0,
            id: 10,
        }
    }

    async fn live(node: &Node, user: &str, channel: &str, kind: i32) -> Self {
        let mut follower = Self::connect(node, user, channel, kind).await;
        follower.read(5).await;
        follower
    }

    async fn ask(&mut self, more: Value) -> Value {
        self.id += 1;
        let mut wish = json!({"channel": self.channel, "type": self.kind});
        if self.bases.is_some() {
            wish["delta"] = json!("fossil");
        }
        if let Some(kind) = self.wants {
            wish["tf"] = json!({"key": "kind", "cmp": "eq", "val": kind});
        }
        wish.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        self.wire.ask(json!({"id": self.id, "subscribe": wish})).await
    }

    fn take(&mut self, publications: &Value) {
        for publication in publications.as_array().into_iter().flatten() {
            let key = publication["key"].as_str().unwrap().to_owned();
            if publication["removed"] == true {
                self.bases.as_mut().map(|bases| bases.remove(&key));
                self.values.remove(&key);
                continue;
            }
            let data = match &mut self.bases {
                None => publication["data"].clone(),
                Some(bases) => {
                    self.patches += usize::from(publication["delta"] == true);
                    let whole = deltas::whole(bases.get(&key), publication);
                    let data = serde_json::from_str(&whole).unwrap();
                    bases.insert(key.clone(), whole);
                    data
                }
            };
            self.values.insert(key, data);
        }
    }

    /// Reads until the map is live.
    async fn read(&mut self, limit: u32) {
        let resumed = self.place.clone().filter(|_| self.recoverable);
        let mut next = if let Some((offset, epoch)) = &resumed {
            json!({"phase": 1, "recover": true, "offset": offset, "epoch": epoch, "limit": limit})
        } else {
            self.values.clear();
            self.bases.as_mut().map(BTreeMap::clear);
            json!({"phase": 2, "limit": limit})
        };
        loop {
            let reply = self.ask(next).await;
            if reply["error"]["code"] == 112 {
                self.place = None;
                return Box::pin(self.read(limit)).await;
            }
            let result = &reply["subscribe"];
            assert!(result.is_object(), "{reply}");
            self.take(&result["state"]);
            self.take(&result["publications"]);
            let phase = result["phase"].as_i64().unwrap_or(0);
            self.pages.push(phase);
            let (offset, epoch) = (result["offset"].as_u64().unwrap_or(0), result["epoch"].clone());
            if phase == 0 {
                assert_eq!(result["delta"] == true, self.bases.is_some(), "{result}");
                self.recoverable = result["recoverable"] == true;
                self.place = Some((offset, epoch.as_str().unwrap().to_owned()));
                return;
            }
            next = json!({"phase": phase, "offset": offset, "epoch": epoch, "limit": limit});
            if let Some(cursor) = result["cursor"].as_str() {
                next["cursor"] = json!(cursor);
            } else {
                next["phase"] = json!(1);
            }
        }
    }

    /// Takes what is pushed until the map is as it should be.
    async fn becomes(&mut self, expected: &Values) {
        while self.values != *expected {
            let push = self.wire.push().await;
            assert_eq!(push["channel"], self.channel.as_str(), "{push}");
            if push["unsubscribe"]["code"] == 2500 {
                self.read(5).await;
                continue;
            }
            let publication = &push["pub"];
            assert!(publication.is_object(), "{push}");
            if let (Some(offset), Some(place)) = (publication["offset"].as_u64(), &mut self.place) {
                let gap = self.wants.is_none() && offset != place.0 + 1;
                assert!(offset > place.0 && !gap, "in order, without a gap");
                place.0 = offset;
            }
            self.take(&json!([publication]));
        }
    }

    fn keys(&self) -> Vec<&str> {
        self.values.keys().map(String::as_str).collect()
    }

    /// Another connection of the same client, which knows what this one knew.
    async fn returns(self, node: &Node) -> Self {
        let wire = Wire::signed_in(node, &of("ada")).await;
        Self { wire, ..self }
    }
}

fn values(pairs: &[(&str, u64)]) -> Values {
    pairs
        .iter()
        .map(|(key, value)| ((*key).to_owned(), json!(value)))
        .collect()
}
