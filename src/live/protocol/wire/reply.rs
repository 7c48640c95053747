//! What the hub says.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::Serialize;

use super::super::raw::{self, is_default};
use super::Empty;

/// One message to a client: an answer to the command with this id, or a push.
#[derive(Clone, PartialEq, prost::Message, Serialize)]
pub struct Reply {
    #[prost(uint32, tag = "1")]
    #[serde(skip_serializing_if = "is_default")]
    pub id: u32,
    #[prost(message, optional, tag = "2")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorBody>,
    #[prost(message, optional, tag = "4")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub push: Option<Push>,
    #[prost(message, optional, tag = "5")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connect: Option<ConnectResult>,
    #[prost(message, optional, tag = "6")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subscribe: Option<SubscribeResult>,
    #[prost(message, optional, tag = "7")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unsubscribe: Option<Empty>,
    #[prost(message, optional, tag = "8")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub publish: Option<Empty>,
    #[prost(message, optional, tag = "9")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub presence: Option<PresenceResult>,
    #[prost(message, optional, tag = "10")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub presence_stats: Option<PresenceStatsResult>,
    #[prost(message, optional, tag = "11")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub history: Option<HistoryResult>,
    #[prost(message, optional, tag = "14")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh: Option<RefreshResult>,
    #[prost(message, optional, tag = "15")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sub_refresh: Option<SubRefreshResult>,
}

/// Why a command was refused.
#[derive(Clone, PartialEq, prost::Message, Serialize)]
pub struct ErrorBody {
    #[prost(uint32, tag = "1")]
    pub code: u32,
    #[prost(string, tag = "2")]
    pub message: String,
    #[prost(bool, tag = "3")]
    #[serde(skip_serializing_if = "is_default")]
    pub temporary: bool,
}

/// What nobody asked for: something of a channel, or about the connection.
#[derive(Clone, PartialEq, prost::Message, Serialize)]
pub struct Push {
    #[prost(string, tag = "2")]
    #[serde(skip_serializing_if = "is_default")]
    pub channel: String,
    #[prost(message, optional, tag = "4")]
    #[serde(rename = "pub", skip_serializing_if = "Option::is_none")]
    pub publication: Option<Publication>,
    #[prost(message, optional, tag = "5")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub join: Option<Presence>,
    #[prost(message, optional, tag = "6")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub leave: Option<Presence>,
    #[prost(message, optional, tag = "7")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unsubscribe: Option<End>,
    #[prost(message, optional, tag = "9")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subscribe: Option<SubscribePush>,
    #[prost(message, optional, tag = "10")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connect: Option<ConnectResult>,
    #[prost(message, optional, tag = "11")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disconnect: Option<Disconnected>,
    #[prost(message, optional, tag = "12")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh: Option<RefreshPush>,
}

/// Somebody in a channel.
#[derive(Clone, PartialEq, Eq, prost::Message, Serialize)]
pub struct ClientInfo {
    #[prost(string, tag = "1")]
    #[serde(skip_serializing_if = "is_default")]
    pub user: String,
    #[prost(string, tag = "2")]
    #[serde(skip_serializing_if = "is_default")]
    pub client: String,
    #[prost(bytes = "bytes", tag = "3")]
    #[serde(with = "raw", skip_serializing_if = "is_default")]
    pub conn_info: Bytes,
    #[prost(bytes = "bytes", tag = "4")]
    #[serde(with = "raw", skip_serializing_if = "is_default")]
    pub chan_info: Bytes,
}

/// One event as a client gets it.
#[derive(Clone, PartialEq, prost::Message, Serialize)]
pub struct Publication {
    #[prost(bytes = "bytes", tag = "4")]
    #[serde(with = "raw")]
    pub data: Bytes,
    /// Of whoever published it, where that was a client.
    #[prost(message, optional, tag = "5")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub info: Option<ClientInfo>,
    /// 0 for what is not stored, such as progress.
    #[prost(uint64, tag = "6")]
    #[serde(skip_serializing_if = "is_default")]
    pub offset: u64,
    #[prost(btree_map = "string, string", tag = "7")]
    #[serde(skip_serializing_if = "is_default")]
    pub tags: BTreeMap<String, String>,
    /// `data` is a patch of the one before.
    #[prost(bool, tag = "8")]
    #[serde(skip_serializing_if = "is_default")]
    pub delta: bool,
    /// Milliseconds since 1970.
    #[prost(int64, tag = "9")]
    #[serde(skip_serializing_if = "is_default")]
    pub time: i64,
    /// Of a map.
    #[prost(string, tag = "11")]
    #[serde(skip_serializing_if = "is_default")]
    pub key: String,
    #[prost(bool, tag = "12")]
    #[serde(skip_serializing_if = "is_default")]
    pub removed: bool,
    /// Of an ordered map.
    #[prost(sint64, tag = "13")]
    #[serde(skip_serializing_if = "is_default")]
    pub score: i64,
    /// Of a key that is polled: the generation of its versions, where it has a name.
    #[prost(string, tag = "14")]
    #[serde(skip_serializing_if = "is_default")]
    pub epoch: String,
    /// Of a key that is polled.
    #[prost(uint64, tag = "16")]
    #[serde(skip_serializing_if = "is_default")]
    pub version: u64,
}

/// A join or a leave.
#[derive(Clone, PartialEq, prost::Message, Serialize)]
pub struct Presence {
    #[prost(message, optional, tag = "1")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub info: Option<ClientInfo>,
}

/// The end of a subscription.
#[derive(Clone, PartialEq, prost::Message, Serialize)]
pub struct End {
    #[prost(uint32, tag = "2")]
    pub code: u32,
    #[prost(string, tag = "3")]
    pub reason: String,
}

/// A subscription that the server made.
#[derive(Clone, PartialEq, prost::Message, Serialize)]
pub struct SubscribePush {
    #[prost(bool, tag = "1")]
    #[serde(skip_serializing_if = "is_default")]
    pub recoverable: bool,
    #[prost(string, tag = "4")]
    #[serde(skip_serializing_if = "is_default")]
    pub epoch: String,
    #[prost(uint64, tag = "5")]
    #[serde(skip_serializing_if = "is_default")]
    pub offset: u64,
    #[prost(bool, tag = "6")]
    #[serde(skip_serializing_if = "is_default")]
    pub positioned: bool,
    #[prost(bytes = "bytes", tag = "7")]
    #[serde(with = "raw", skip_serializing_if = "is_default")]
    pub data: Bytes,
}

/// The end of a connection, on transports without close frames.
#[derive(Clone, PartialEq, prost::Message, Serialize)]
pub struct Disconnected {
    #[prost(uint32, tag = "1")]
    pub code: u32,
    #[prost(string, tag = "2")]
    pub reason: String,
}

/// The server has moved the end of the connection's credentials.
#[derive(Clone, Copy, PartialEq, prost::Message, Serialize)]
pub struct RefreshPush {
    #[prost(bool, tag = "1")]
    #[serde(skip_serializing_if = "is_default")]
    pub expires: bool,
    #[prost(uint32, tag = "2")]
    #[serde(skip_serializing_if = "is_default")]
    pub ttl: u32,
}

/// The answer to a connect.
#[derive(Clone, PartialEq, prost::Message, Serialize)]
pub struct ConnectResult {
    /// This connection's id, known to others.
    #[prost(string, tag = "1")]
    pub client: String,
    #[prost(string, tag = "2")]
    pub version: String,
    /// Whether the client must renew its token within `ttl` seconds.
    #[prost(bool, tag = "3")]
    #[serde(skip_serializing_if = "is_default")]
    pub expires: bool,
    #[prost(uint32, tag = "4")]
    #[serde(skip_serializing_if = "is_default")]
    pub ttl: u32,
    #[prost(bytes = "bytes", tag = "5")]
    #[serde(with = "raw", skip_serializing_if = "is_default")]
    pub data: Bytes,
    /// Subscriptions that the server made.
    #[prost(btree_map = "string, message", tag = "6")]
    #[serde(skip_serializing_if = "is_default")]
    pub subs: BTreeMap<String, SubscribeResult>,
    /// Seconds between pings; never 0, which would switch the client's own check off.
    #[prost(uint32, tag = "7")]
    #[serde(skip_serializing_if = "is_default")]
    pub ping: u32,
    /// The client must answer pings.
    #[prost(bool, tag = "8")]
    #[serde(skip_serializing_if = "is_default")]
    pub pong: bool,
    /// The stream's secret, on transports that need one.
    #[prost(string, tag = "9")]
    #[serde(skip_serializing_if = "is_default")]
    pub session: String,
    /// The node that holds the stream, for emulation.
    #[prost(string, tag = "10")]
    #[serde(skip_serializing_if = "is_default")]
    pub node: String,
    /// Milliseconds since 1970.
    #[prost(int64, tag = "11")]
    #[serde(skip_serializing_if = "is_default")]
    pub time: i64,
}

/// The answer to a subscribe.
#[derive(Clone, PartialEq, prost::Message, Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "the protocol's own fields")]
pub struct SubscribeResult {
    #[prost(bool, tag = "1")]
    #[serde(skip_serializing_if = "is_default")]
    pub expires: bool,
    #[prost(uint32, tag = "2")]
    #[serde(skip_serializing_if = "is_default")]
    pub ttl: u32,
    /// The client may come back with its position.
    #[prost(bool, tag = "3")]
    #[serde(skip_serializing_if = "is_default")]
    pub recoverable: bool,
    /// The stream's generation.
    #[prost(string, tag = "6")]
    #[serde(skip_serializing_if = "is_default")]
    pub epoch: String,
    /// What was missed, oldest first.
    #[prost(message, repeated, tag = "7")]
    #[serde(skip_serializing_if = "is_default")]
    pub publications: Vec<Publication>,
    /// Nothing was missed that is not in `publications`.
    #[prost(bool, tag = "8")]
    #[serde(skip_serializing_if = "is_default")]
    pub recovered: bool,
    /// The position from which the client counts on.
    #[prost(uint64, tag = "9")]
    #[serde(skip_serializing_if = "is_default")]
    pub offset: u64,
    /// The hub watches this subscription for gaps.
    #[prost(bool, tag = "10")]
    #[serde(skip_serializing_if = "is_default")]
    pub positioned: bool,
    #[prost(bytes = "bytes", tag = "11")]
    #[serde(with = "raw", skip_serializing_if = "is_default")]
    pub data: Bytes,
    /// The client asked to recover.
    #[prost(bool, tag = "12")]
    #[serde(skip_serializing_if = "is_default")]
    pub was_recovering: bool,
    /// Publications of this subscription are in delta mode.
    #[prost(bool, tag = "13")]
    #[serde(skip_serializing_if = "is_default")]
    pub delta: bool,
    /// As the request has it.
    #[prost(int32, tag = "15")]
    #[serde(rename = "type", skip_serializing_if = "is_default")]
    pub kind: i32,
    /// Of a map: what the client asks for next, 0 when it is live.
    #[prost(int32, tag = "16")]
    #[serde(skip_serializing_if = "is_default")]
    pub phase: i32,
    /// Of a map: where its next page begins; empty behind the last.
    #[prost(string, tag = "17")]
    #[serde(skip_serializing_if = "is_default")]
    pub cursor: String,
    /// Of a map: what stands in it.
    #[prost(message, repeated, tag = "18")]
    #[serde(skip_serializing_if = "is_default")]
    pub state: Vec<Publication>,
}

/// Who is in a channel.
#[derive(Clone, PartialEq, prost::Message, Serialize)]
pub struct PresenceResult {
    #[prost(btree_map = "string, message", tag = "1")]
    pub presence: BTreeMap<String, ClientInfo>,
}

/// How many are in a channel.
#[derive(Clone, Copy, PartialEq, prost::Message, Serialize)]
pub struct PresenceStatsResult {
    #[prost(uint32, tag = "1")]
    pub num_clients: u32,
    #[prost(uint32, tag = "2")]
    pub num_users: u32,
}

/// A part of a channel's past.
#[derive(Clone, PartialEq, prost::Message, Serialize)]
pub struct HistoryResult {
    #[prost(message, repeated, tag = "1")]
    pub publications: Vec<Publication>,
    #[prost(string, tag = "2")]
    pub epoch: String,
    #[prost(uint64, tag = "3")]
    pub offset: u64,
}

/// The answer to a refresh.
#[derive(Clone, PartialEq, prost::Message, Serialize)]
pub struct RefreshResult {
    #[prost(string, tag = "1")]
    pub client: String,
    #[prost(string, tag = "2")]
    pub version: String,
    /// Whether there is a next refresh to make, within `ttl` seconds.
    #[prost(bool, tag = "3")]
    #[serde(skip_serializing_if = "is_default")]
    pub expires: bool,
    #[prost(uint32, tag = "4")]
    #[serde(skip_serializing_if = "is_default")]
    pub ttl: u32,
}

/// The answer to a `sub_refresh`.
#[derive(Clone, PartialEq, prost::Message, Serialize)]
pub struct SubRefreshResult {
    #[prost(bool, tag = "1")]
    #[serde(skip_serializing_if = "is_default")]
    pub expires: bool,
    #[prost(uint32, tag = "2")]
    #[serde(skip_serializing_if = "is_default")]
    pub ttl: u32,
    /// Of keys that are tracked now: what is known already.
    #[prost(message, repeated, tag = "3")]
    #[serde(skip_serializing_if = "is_default")]
    pub items: Vec<Publication>,
}
