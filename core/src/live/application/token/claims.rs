//! What the two kinds of token say.

use super::super::subscription::{Overrides, ServerSubscription, bytes, json};
use super::Refused;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// What a connection token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionClaims {
    /// The user's id; empty for an anonymous connection.
    pub user: String,
    /// When the connection ends unless it is refreshed, seconds since 1970; `None`: never.
    pub expire_at: Option<i64>,
    /// JSON that others see beside the client in every channel.
    pub info: Option<Bytes>,
    /// Channels the client is subscribed to; empty where `subs` names them.
    pub channels: Vec<String>,
    /// Channels the client is subscribed to, with what holds for each.
    pub subs: BTreeMap<String, ServerSubscription>,
    /// JSON for the hub alone.
    pub meta: Option<Bytes>,
}

/// What a subscription token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscriptionClaims {
    /// Must be the connection's user.
    pub user: String,
    /// Which channel it opens.
    pub channel: String,
    /// The one connection it is for, if it is for one.
    pub client: Option<String>,
    /// JSON that others see beside the client in this channel.
    pub info: Option<Bytes>,
    /// What the client gets with the subscription; any bytes.
    pub data: Option<Bytes>,
    /// When the subscription ends unless it is refreshed, seconds since 1970; `None`: never.
    pub expire_at: Option<i64>,
    /// What of the namespace's options holds otherwise.
    pub overrides: Overrides,
}

type Read<T> = Result<T, (Refused, &'static str)>;

/// The claims of RFC 7519 that both have.
pub(super) trait Registered: serde::de::DeserializeOwned {
    /// `aud`.
    fn audience(&self) -> &[String];
    /// `iss`.
    fn issuer(&self) -> &str;
}

/// One text or several.
#[derive(Default, Deserialize)]
#[serde(from = "OneOrMany")]
struct Texts(Vec<String>);

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl From<OneOrMany> for Texts {
    fn from(texts: OneOrMany) -> Self {
        match texts {
            OneOrMany::One(text) => Self(vec![text]),
            OneOrMany::Many(texts) => Self(texts),
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Connection {
    sub: String,
    aud: Texts,
    iss: String,
    exp: Option<f64>,
    nbf: Option<f64>,
    expire_at: Option<i64>,
    info: Option<Box<RawValue>>,
    b64info: String,
    channels: Option<Vec<String>>,
    subs: Option<BTreeMap<String, ServerSubscription>>,
    meta: Option<Box<RawValue>>,
    /// Makes it a token of the other kind.
    channel: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Subscription {
    sub: String,
    aud: Texts,
    iss: String,
    exp: Option<f64>,
    nbf: Option<f64>,
    expire_at: Option<i64>,
    channel: String,
    client: String,
    info: Option<Box<RawValue>>,
    b64info: String,
    data: Option<Box<RawValue>>,
    b64data: String,
    #[serde(rename = "override")]
    overrides: Option<Overrides>,
}

impl Registered for Connection {
    fn audience(&self) -> &[String] {
        &self.aud.0
    }

    fn issuer(&self) -> &str {
        &self.iss
    }
}

impl Registered for Subscription {
    fn audience(&self) -> &[String] {
        &self.aud.0
    }

    fn issuer(&self) -> &str {
        &self.iss
    }
}

impl Connection {
    pub(super) fn read(self, now: i64) -> Read<ConnectionClaims> {
        if !self.channel.is_empty() {
            return Err((Refused::Invalid, "a token for one channel opens no connection"));
        }
        in_time(self.exp, self.nbf, now)?;
        let subs = self.subs.unwrap_or_default();
        let info = json(self.info.as_deref(), &self.b64info);
        Ok(ConnectionClaims {
            user: self.sub,
            expire_at: ends(self.expire_at, self.exp),
            info: info.map_err(invalid)?,
            channels: self.channels.filter(|_| subs.is_empty()).unwrap_or_default(),
            subs,
            meta: self
                .meta
                .map(|meta| Bytes::copy_from_slice(meta.get().as_bytes())),
        })
    }
}

impl Subscription {
    pub(super) fn read(self, now: i64) -> Read<SubscriptionClaims> {
        in_time(self.exp, self.nbf, now)?;
        if self.channel.is_empty() {
            return Err((Refused::Invalid, "a token for a connection opens no channel"));
        }
        let info = json(self.info.as_deref(), &self.b64info);
        let data = bytes(self.data.as_deref(), &self.b64data);
        Ok(SubscriptionClaims {
            user: self.sub,
            channel: self.channel,
            client: Some(self.client).filter(|client| !client.is_empty()),
            info: info.map_err(invalid)?,
            data: data.map_err(invalid)?,
            expire_at: ends(self.expire_at, self.exp),
            overrides: self.overrides.unwrap_or_default(),
        })
    }
}

fn invalid(reason: &'static str) -> (Refused, &'static str) {
    (Refused::Invalid, reason)
}

/// Both ends, by the second: at `exp` it is over. Not yet valid counts as expired, for the cure is the same.
fn in_time(exp: Option<f64>, nbf: Option<f64>, now: i64) -> Read<()> {
    let now = now as f64;
    if exp.is_none_or(|exp| now < exp) && nbf.is_none_or(|nbf| nbf <= now) {
        Ok(())
    } else {
        Err((Refused::Expired, "it has expired or is not yet valid"))
    }
}

/// `expire_at` says it apart from the token's own end; 0 is never, and what is before 1970 has ended.
fn ends(expire_at: Option<i64>, exp: Option<f64>) -> Option<i64> {
    expire_at.map_or_else(|| exp.map(|exp| exp as i64), |at| (at != 0).then_some(at))
}
