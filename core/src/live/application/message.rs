//! What travels on an application's channel and stands in its history: one line of JSON.
//!
//! Data that is JSON stands in it as it is, so that it is found without being decoded; anything else as base64.

use base64::prelude::{BASE64_STANDARD, Engine};
use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// One payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// Somebody published.
    Publication(Publication),
    /// A client subscribed.
    Join(ClientInfo),
    /// A client left.
    Leave(ClientInfo),
}

/// What was published.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Publication {
    /// Any bytes. JSON has no raw line break in it.
    pub data: Bytes,
    /// Who published, when it was a client.
    pub info: Option<ClientInfo>,
    /// What a subscriber's filter looks at.
    pub tags: BTreeMap<String, String>,
    /// When, in milliseconds of Unix time.
    pub time_ms: i64,
    /// The publisher wants it sent as a delta where that can be.
    pub delta: bool,
    /// Of a map's channel: which entry.
    pub key: Option<String>,
    /// Of a map's channel: the entry is gone.
    pub removed: bool,
    /// Of a map's channel: where the entry stands among the others, if the map is ordered.
    pub score: i64,
}

/// A client as others see it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientInfo {
    /// The user's id; empty for an anonymous connection.
    pub user: String,
    /// The connection's id.
    pub client: String,
    /// What its connection token says about it; JSON.
    pub conn_info: Option<Bytes>,
    /// What its subscription token says about it; JSON.
    pub chan_info: Option<Bytes>,
}

impl ClientInfo {
    /// Bytes of its texts.
    pub fn bytes(&self) -> usize {
        let said = [&self.conn_info, &self.chan_info].into_iter().flatten();
        self.user.len() + self.client.len() + said.map(Bytes::len).sum::<usize>()
    }
}

#[derive(Serialize, Deserialize)]
enum Wire<'a> {
    #[serde(rename = "p", borrow)]
    Publication(WirePublication<'a>),
    #[serde(rename = "j", borrow)]
    Join(WireInfo<'a>),
    #[serde(rename = "l", borrow)]
    Leave(WireInfo<'a>),
}

#[derive(Serialize, Deserialize)]
struct WirePublication<'a> {
    #[serde(
        rename = "d",
        borrow,
        default,
        deserialize_with = "some_raw",
        skip_serializing_if = "Option::is_none"
    )]
    json: Option<&'a RawValue>,
    #[serde(rename = "b", borrow, default, skip_serializing_if = "Option::is_none")]
    base64: Option<Cow<'a, str>>,
    #[serde(rename = "i", borrow, default, skip_serializing_if = "Option::is_none")]
    info: Option<WireInfo<'a>>,
    #[serde(rename = "t", default, skip_serializing_if = "BTreeMap::is_empty")]
    tags: BTreeMap<String, String>,
    #[serde(rename = "m", default, skip_serializing_if = "is_default")]
    time_ms: i64,
    #[serde(rename = "x", default, skip_serializing_if = "is_default")]
    delta: bool,
    #[serde(rename = "k", default, skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    #[serde(rename = "r", default, skip_serializing_if = "is_default")]
    removed: bool,
    #[serde(rename = "s", default, skip_serializing_if = "is_default")]
    score: i64,
}

#[derive(Serialize, Deserialize)]
struct WireInfo<'a> {
    #[serde(rename = "u", borrow, default, skip_serializing_if = "str::is_empty")]
    user: Cow<'a, str>,
    #[serde(rename = "c", borrow, default, skip_serializing_if = "str::is_empty")]
    client: Cow<'a, str>,
    #[serde(
        rename = "n",
        borrow,
        default,
        deserialize_with = "some_raw",
        skip_serializing_if = "Option::is_none"
    )]
    conn_info: Option<&'a RawValue>,
    #[serde(
        rename = "h",
        borrow,
        default,
        deserialize_with = "some_raw",
        skip_serializing_if = "Option::is_none"
    )]
    chan_info: Option<&'a RawValue>,
}

/// `null` is JSON too: what is there is something.
fn some_raw<'de, D: Deserializer<'de>>(from: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(from).map(Some)
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// `json` without raw line breaks, which would end the line it travels on, and without white space around it; the very
/// same bytes where there are none. Between tokens a line break is white space, and inside a string JSON does not have one.
pub fn one_line(json: &Bytes) -> Bytes {
    let json = json.slice_ref(json.trim_ascii());
    let breaks = |byte: &u8| matches!(byte, b'\n' | b'\r');
    if json.iter().any(breaks) {
        json.iter().copied().filter(|byte| !breaks(byte)).collect()
    } else {
        json
    }
}

/// `json` as it can stand in a line: nothing else, for nothing may be lost that [`one_line`] was not asked to drop.
fn raw(json: &[u8]) -> Option<&RawValue> {
    let raw: &RawValue = serde_json::from_slice(json).ok()?;
    (raw.get().len() == json.len() && !json.contains(&b'\n') && !json.contains(&b'\r')).then_some(raw)
}

impl Message {
    /// As one line of JSON.
    ///
    /// Infos that are not JSON are left out; whoever makes them has read them from JSON.
    pub fn encode(&self) -> Vec<u8> {
        let wire = match self {
            Self::Publication(publication) => Wire::Publication(WirePublication::of(publication)),
            Self::Join(info) => Wire::Join(WireInfo::of(info)),
            Self::Leave(info) => Wire::Leave(WireInfo::of(info)),
        };
        serde_json::to_vec(&wire).unwrap_or_default()
    }

    /// Reads one; `None` when it is none of ours. Data that is JSON shares `payload`'s memory.
    pub fn parse(payload: &Bytes) -> Option<Self> {
        Some(match serde_json::from_slice(payload).ok()? {
            Wire::Publication(publication) => Self::Publication(publication.read(payload)?),
            Wire::Join(info) => Self::Join(info.read(payload)),
            Wire::Leave(info) => Self::Leave(info.read(payload)),
        })
    }
}

impl<'a> WirePublication<'a> {
    fn of(publication: &'a Publication) -> Self {
        let json = raw(&publication.data);
        Self {
            json,
            base64: json
                .is_none()
                .then(|| BASE64_STANDARD.encode(&publication.data).into()),
            info: publication.info.as_ref().map(WireInfo::of),
            tags: publication.tags.clone(),
            time_ms: publication.time_ms,
            delta: publication.delta,
            key: publication.key.clone(),
            removed: publication.removed,
            score: publication.score,
        }
    }

    fn read(self, payload: &Bytes) -> Option<Publication> {
        let data = match (self.json, self.base64) {
            (Some(json), _) => payload.slice_ref(json.get().as_bytes()),
            (None, Some(base64)) => BASE64_STANDARD.decode(base64.as_bytes()).ok()?.into(),
            (None, None) => return None,
        };
        Some(Publication {
            data,
            info: self.info.map(|info| info.read(payload)),
            tags: self.tags,
            time_ms: self.time_ms,
            delta: self.delta,
            key: self.key,
            removed: self.removed,
            score: self.score,
        })
    }
}

impl<'a> WireInfo<'a> {
    fn of(info: &'a ClientInfo) -> Self {
        Self {
            user: info.user.as_str().into(),
            client: info.client.as_str().into(),
            conn_info: info.conn_info.as_deref().and_then(raw),
            chan_info: info.chan_info.as_deref().and_then(raw),
        }
    }

    fn read(self, payload: &Bytes) -> ClientInfo {
        let share = |json: Option<&RawValue>| json.map(|json| payload.slice_ref(json.get().as_bytes()));
        ClientInfo {
            user: self.user.into_owned(),
            client: self.client.into_owned(),
            conn_info: share(self.conn_info),
            chan_info: share(self.chan_info),
        }
    }
}

impl ClientInfo {
    /// As one line of JSON, as it stands in a presence hash.
    pub fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(&WireInfo::of(self)).unwrap_or_default()
    }

    /// Reads what [`ClientInfo::encode`] wrote; `None` when it is none of ours.
    pub fn parse(payload: &Bytes) -> Option<Self> {
        Some(
            serde_json::from_slice::<WireInfo<'_>>(payload)
                .ok()?
                .read(payload),
        )
    }
}
