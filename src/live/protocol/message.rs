//! What the hub says. Zero values are left out, as the protocol wants.

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use serde_json::value::RawValue;

use super::{ReplyError, UnsubscribeCode};

/// One message to a client.
#[derive(Debug)]
pub enum Message<'a> {
    /// `{}`, to which the client answers `{}`.
    Ping,
    /// A refusal of the command with this id.
    Error(u32, ReplyError),
    /// Signed in.
    Connect(u32, ConnectResult<'a>),
    /// Following; nothing of the channel may be written before this.
    Subscribe(u32, SubscribeResult<'a>),
    /// No longer following.
    Unsubscribe(u32),
    /// Credentials renewed.
    Refresh(u32, RefreshResult<'a>),
    /// The server ended a subscription.
    UnsubscribePush(&'a str, UnsubscribeCode),
}

/// The answer to a connect.
#[derive(Debug, Serialize)]
pub struct ConnectResult<'a> {
    /// This connection's id, known to others.
    pub client: &'a str,
    /// The hub's version.
    pub version: &'a str,
    /// Whether the client must renew its token within `ttl`.
    #[serde(skip_serializing_if = "is_false")]
    pub expires: bool,
    /// Seconds until the token runs out.
    #[serde(skip_serializing_if = "is_zero_u32")]
    pub ttl: u32,
    /// Seconds between pings; never 0, which would switch the client's own check off.
    pub ping: u32,
    /// The client must answer pings.
    pub pong: bool,
}

/// The answer to a refresh.
#[derive(Debug, Serialize)]
pub struct RefreshResult<'a> {
    /// This connection's id.
    pub client: &'a str,
    /// The hub's version.
    pub version: &'a str,
    /// Whether there is a next refresh to make.
    #[serde(skip_serializing_if = "is_false")]
    pub expires: bool,
    /// Seconds until then.
    #[serde(skip_serializing_if = "is_zero_u32")]
    pub ttl: u32,
}

/// The answer to a subscribe.
#[derive(Debug, Default, Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "the protocol's own fields")]
pub struct SubscribeResult<'a> {
    /// The client may come back with its position.
    #[serde(skip_serializing_if = "is_false")]
    pub recoverable: bool,
    /// The stream's generation.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub epoch: &'a str,
    /// What was missed, oldest first.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub publications: &'a [Publication<'a>],
    /// Nothing was missed that is not in `publications`.
    #[serde(skip_serializing_if = "is_false")]
    pub recovered: bool,
    /// The position from which the client counts on.
    #[serde(skip_serializing_if = "is_zero_u64")]
    pub offset: u64,
    /// The hub watches this subscription for gaps.
    #[serde(skip_serializing_if = "is_false")]
    pub positioned: bool,
    /// The client asked to recover.
    #[serde(skip_serializing_if = "is_false")]
    pub was_recovering: bool,
}

/// One event as a client gets it.
#[derive(Debug, Serialize)]
pub struct Publication<'a> {
    /// The event, one JSON value.
    pub data: &'a RawValue,
    /// 0 for what is not stored, such as progress.
    #[serde(skip_serializing_if = "is_zero_u64")]
    pub offset: u64,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes fields by reference"
)]
fn is_false(value: &bool) -> bool {
    !*value
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes fields by reference"
)]
fn is_zero_u32(value: &u32) -> bool {
    *value == 0
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes fields by reference"
)]
fn is_zero_u64(value: &u64) -> bool {
    *value == 0
}

#[derive(Serialize)]
struct ErrorBody {
    code: u32,
    message: &'static str,
    #[serde(skip_serializing_if = "is_false")]
    temporary: bool,
}

#[derive(Serialize)]
struct UnsubscribeBody {
    code: u32,
    reason: &'static str,
}

#[derive(Serialize)]
struct Push<'a> {
    channel: &'a str,
    #[serde(rename = "pub", skip_serializing_if = "Option::is_none")]
    publication: Option<Publication<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unsubscribe: Option<UnsubscribeBody>,
}

#[derive(Serialize)]
struct Empty {}

impl Serialize for Message<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        match self {
            Self::Ping => {}
            Self::Error(id, error) => {
                map.serialize_entry("id", id)?;
                let (code, message, temporary) = (error.code(), error.message(), error.temporary());
                map.serialize_entry(
                    "error",
                    &ErrorBody {
                        code,
                        message,
                        temporary,
                    },
                )?;
            }
            Self::Connect(id, result) => {
                map.serialize_entry("id", id)?;
                map.serialize_entry("connect", result)?;
            }
            Self::Subscribe(id, result) => {
                map.serialize_entry("id", id)?;
                map.serialize_entry("subscribe", result)?;
            }
            Self::Unsubscribe(id) => {
                map.serialize_entry("id", id)?;
                map.serialize_entry("unsubscribe", &Empty {})?;
            }
            Self::Refresh(id, result) => {
                map.serialize_entry("id", id)?;
                map.serialize_entry("refresh", result)?;
            }
            Self::UnsubscribePush(channel, code) => {
                let (code, reason) = (code.code(), code.reason());
                let unsubscribe = Some(UnsubscribeBody { code, reason });
                map.serialize_entry(
                    "push",
                    &Push {
                        channel,
                        publication: None,
                        unsubscribe,
                    },
                )?;
            }
        }
        map.end()
    }
}

/// The message as one line of JSON. `RawValue`s are trusted to hold no newline: events are written compact.
pub fn encode(message: &Message<'_>) -> Vec<u8> {
    write(message)
}

/// One event for a channel. Called once per event, class of viewers and encoding, not once per client.
pub fn publication_push(channel: &str, data: &RawValue, offset: u64) -> Vec<u8> {
    #[derive(Serialize)]
    struct Outer<'a> {
        push: Push<'a>,
    }
    let publication = Some(Publication { data, offset });
    write(&Outer {
        push: Push {
            channel,
            publication,
            unsubscribe: None,
        },
    })
}

fn write(value: &impl Serialize) -> Vec<u8> {
    // writing plain structs with string keys into memory has no way to fail; an empty line would be seen as an
    // empty frame by the client, which reconnects
    serde_json::to_vec(value).unwrap_or_default()
}
