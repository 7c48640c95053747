//! What a client may say. Zero values are absent on the wire, so every field has a default; unknown fields are
//! ignored, because newer SDKs offer what older servers do not know.

use std::fmt::Formatter;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::Disconnect;

/// One message of a client.
#[derive(Debug, PartialEq)]
pub enum Command {
    /// `{}`: the answer to a ping.
    Pong,
    /// A request that expects the reply with this id. Only `send` may come with id 0, and is never answered.
    Call {
        /// Chosen by the client; the whole range of u32 but 0.
        id: u32,
        /// What is asked.
        request: Request,
    },
}

/// What a command asks for.
#[derive(Debug, PartialEq)]
pub enum Request {
    /// Sign this connection in.
    Connect(Box<ConnectRequest>),
    /// Follow a channel.
    Subscribe(Box<SubscribeRequest>),
    /// Stop following.
    Unsubscribe(String),
    /// Renew the connection's credentials.
    Refresh(RefreshRequest),
    /// Say something into a channel.
    Publish(String),
    /// Renew the credentials of one subscription.
    SubRefresh(String),
    /// Read a channel's past, or who is there.
    Look(String),
    /// `ping` and `rpc` commands.
    Unsupported,
    /// An asynchronous message that nobody here listens to.
    Send,
}

/// Credentials and, for reconnecting clients, nothing else that this hub needs.
#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct ConnectRequest {
    /// A JWT; empty when the upgrade request carried a session cookie.
    pub token: String,
    /// The SDK's name, at most 16 characters.
    pub name: String,
    /// The application's version, at most 64 characters.
    pub version: String,
}

/// A wish to follow a channel, perhaps from a known position.
#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct SubscribeRequest {
    /// The channel's name on the wire.
    pub channel: String,
    /// Whether `epoch` and `offset` say where to resume.
    pub recover: bool,
    /// The stream's generation; empty skips the comparison.
    pub epoch: String,
    /// The last offset the client has seen.
    pub offset: u64,
    /// A delta format; this hub knows none, and is then right to answer without.
    pub delta: String,
    /// Bit set: 1 the client can compact channel names, 2 refuse rather than start unrecovered.
    pub flag: i64,
    /// 0 is an ordinary stream subscription.
    #[serde(rename = "type")]
    pub kind: i32,
}

impl SubscribeRequest {
    /// Whether the client wants error 112 instead of a success that did not recover.
    pub fn rejects_unrecovered(&self) -> bool {
        self.flag & 2 != 0
    }
}

/// New credentials for a connection.
#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct RefreshRequest {
    /// A JWT of the same user.
    pub token: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct OnChannel {
    channel: String,
}

#[derive(Deserialize)]
struct Anything {}

/// serde reads a struct from a JSON array too; the protocol knows only objects.
struct Object<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Fields<T> {
            type Value = Object<T>;

            fn expecting(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Object<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(Object)
            }
        }
        deserializer.deserialize_map(Fields(PhantomData))
    }
}

/// Fields in the order in which the protocol looks at them: the first that is present counts.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Envelope {
    id: u32,
    connect: Option<Object<ConnectRequest>>,
    subscribe: Option<Object<SubscribeRequest>>,
    unsubscribe: Option<Object<OnChannel>>,
    publish: Option<Object<OnChannel>>,
    presence: Option<Object<OnChannel>>,
    presence_stats: Option<Object<OnChannel>>,
    history: Option<Object<OnChannel>>,
    ping: Option<Object<Anything>>,
    send: Option<Object<Anything>>,
    rpc: Option<Object<Anything>>,
    refresh: Option<Object<RefreshRequest>>,
    sub_refresh: Option<Object<OnChannel>>,
}

impl Envelope {
    fn request(self) -> Option<Request> {
        if let Some(request) = self.connect {
            return Some(Request::Connect(Box::new(request.0)));
        }
        if let Some(request) = self.subscribe {
            return Some(Request::Subscribe(Box::new(request.0)));
        }
        if let Some(request) = self.unsubscribe {
            return Some(Request::Unsubscribe(request.0.channel));
        }
        if let Some(request) = self.publish {
            return Some(Request::Publish(request.0.channel));
        }
        if let Some(request) = self.presence.or(self.presence_stats).or(self.history) {
            return Some(Request::Look(request.0.channel));
        }
        if self.ping.is_some() {
            return Some(Request::Unsupported);
        }
        if self.send.is_some() {
            return Some(Request::Send);
        }
        if self.rpc.is_some() {
            return Some(Request::Unsupported);
        }
        if let Some(request) = self.refresh {
            return Some(Request::Refresh(request.0));
        }
        self.sub_refresh
            .map(|request| Request::SubRefresh(request.0.channel))
    }
}

impl Request {
    fn names_a_channel(&self) -> bool {
        match self {
            Self::Subscribe(request) => !request.channel.is_empty(),
            Self::Unsubscribe(channel)
            | Self::Publish(channel)
            | Self::SubRefresh(channel)
            | Self::Look(channel) => !channel.is_empty(),
            Self::Connect(_) | Self::Refresh(_) | Self::Unsupported | Self::Send => true,
        }
    }
}

/// Reads one line of a frame. Whatever is not a command ends the connection, since a client that has lost the
/// protocol cannot be told anything within it.
pub fn decode(line: &[u8]) -> Result<Command, Disconnect> {
    let Object(envelope): Object<Envelope> =
        serde_json::from_slice(line).map_err(|_| Disconnect::BadRequest)?;
    let id = envelope.id;
    match envelope.request() {
        Some(Request::Send) => Ok(Command::Call {
            id,
            request: Request::Send,
        }),
        Some(request) if id != 0 && request.names_a_channel() => Ok(Command::Call { id, request }),
        None if is_empty_object(line) => Ok(Command::Pong),
        _ => Err(Disconnect::BadRequest),
    }
}

/// A pong has no fields at all; a message whose only fields are unknown is no pong.
fn is_empty_object(line: &[u8]) -> bool {
    line.iter().filter(|byte| !byte.is_ascii_whitespace()).eq(b"{}")
}
