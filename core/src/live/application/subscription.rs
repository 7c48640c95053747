//! A subscription that the hub makes for a client: by its connection token, by its own, or by the server API.

use super::message::one_line;
use crate::live::position::Position;
use base64::prelude::{BASE64_STANDARD, Engine};
use bytes::Bytes;
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

/// What it says about a subscription, beside the channel. On the wire it has the names of the protocol: `info` or `b64info`,
/// `data` or `b64data`, `expire_at`, `recover_since`, `override`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Wire", into = "Wire")]
pub struct ServerSubscription {
    /// JSON that others see beside the client in this channel.
    pub info: Option<Bytes>,
    /// What the client gets with the subscription; any bytes.
    pub data: Option<Bytes>,
    /// When it ends, seconds since 1970.
    pub expire_at: Option<i64>,
    /// Where to begin.
    pub recover_since: Option<Position>,
    /// What of the namespace's options holds otherwise for this one.
    pub overrides: Overrides,
}

/// What of a namespace's options holds otherwise for one subscription; `None`: as the namespace says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overrides {
    /// Is seen by others.
    #[serde(default, with = "value", skip_serializing_if = "Option::is_none")]
    pub presence: Option<bool>,
    /// Its coming and leaving is told.
    #[serde(default, with = "value", skip_serializing_if = "Option::is_none")]
    pub join_leave: Option<bool>,
    /// Is told of others' coming and leaving.
    #[serde(default, with = "value", skip_serializing_if = "Option::is_none")]
    pub force_push_join_leave: Option<bool>,
    /// May come back with its position.
    #[serde(default, with = "value", skip_serializing_if = "Option::is_none")]
    pub force_recovery: Option<bool>,
    /// Is told its position.
    #[serde(default, with = "value", skip_serializing_if = "Option::is_none")]
    pub force_positioning: Option<bool>,
}

/// The protocol writes an override as `{"value": true}`; a missing value is false.
mod value {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    struct Value {
        #[serde(default)]
        value: bool,
    }

    #[expect(
        clippy::ref_option,
        clippy::trivially_copy_pass_by_ref,
        reason = "the signature that serde asks for"
    )]
    pub fn serialize<S: Serializer>(option: &Option<bool>, to: S) -> Result<S::Ok, S::Error> {
        option.map(|value| Value { value }).serialize(to)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<bool>, D::Error> {
        Ok(Option::<Value>::deserialize(from)?.map(|option| option.value))
    }
}

#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct Wire {
    #[serde(skip_serializing_if = "Option::is_none")]
    info: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "String::is_empty", deserialize_with = "text")]
    b64info: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "String::is_empty", deserialize_with = "text")]
    b64data: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    expire_at: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    recover_since: Option<Since>,
    #[serde(rename = "override", skip_serializing_if = "Option::is_none")]
    overrides: Option<Overrides>,
}

#[derive(Serialize, Deserialize)]
struct Since {
    #[serde(default)]
    offset: u64,
    #[serde(default)]
    epoch: String,
}

/// `null` is what is not there, as in the protocol's own form.
fn text<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    Ok(Option::<String>::deserialize(from)?.unwrap_or_default())
}

/// What JSON or base64 says; base64 first, for it is there on purpose.
///
/// # Errors
/// It is not base64.
pub(super) fn bytes(json: Option<&RawValue>, base64: &str) -> Result<Option<Bytes>, &'static str> {
    if base64.is_empty() {
        return Ok(json.map(|json| one_line(&Bytes::copy_from_slice(json.get().as_bytes()))));
    }
    let decoded = BASE64_STANDARD.decode(base64);
    decoded
        .map(|bytes| Some(bytes.into()))
        .map_err(|_| "what should be base64 is not")
}

/// As [`bytes`], and it must be JSON: what others see beside a client stands among JSON.
///
/// # Errors
/// It is not.
pub(super) fn json(json: Option<&RawValue>, base64: &str) -> Result<Option<Bytes>, &'static str> {
    match bytes(json, base64)? {
        Some(read) if serde_json::from_slice::<IgnoredAny>(&read).is_err() => Err("b64info is not JSON"),
        read => Ok(read.map(|read| one_line(&read))),
    }
}

impl TryFrom<Wire> for ServerSubscription {
    type Error = &'static str;

    fn try_from(wire: Wire) -> Result<Self, Self::Error> {
        Ok(Self {
            info: json(wire.info.as_deref(), &wire.b64info)?,
            data: bytes(wire.data.as_deref(), &wire.b64data)?,
            // 0 is "never", as in a token
            expire_at: wire.expire_at.filter(|at| *at > 0),
            recover_since: wire.recover_since.map(|since| Position {
                offset: since.offset,
                epoch: since.epoch,
            }),
            overrides: wire.overrides.unwrap_or_default(),
        })
    }
}

impl From<ServerSubscription> for Wire {
    fn from(subscription: ServerSubscription) -> Self {
        let json = |bytes: &Bytes| serde_json::from_slice::<Box<RawValue>>(bytes).ok();
        let (data, b64data) = match &subscription.data {
            None => (None, String::new()),
            Some(data) => match json(data) {
                Some(data) => (Some(data), String::new()),
                None => (None, BASE64_STANDARD.encode(data)),
            },
        };
        Self {
            info: subscription.info.as_ref().and_then(json),
            b64info: String::new(),
            data,
            b64data,
            expire_at: subscription.expire_at,
            recover_since: subscription.recover_since.map(|since| Since {
                offset: since.offset,
                epoch: since.epoch,
            }),
            overrides: Some(subscription.overrides).filter(|overrides| *overrides != Overrides::default()),
        }
    }
}
