//! The messages as they stand on the wire, once for both forms: `serde` writes JSON, `prost` Protobuf. Field numbers
//! and JSON names are the protocol's own (`client.proto` of the Centrifuge protocol, v0.21).
//!
//! Zero values are absent in both forms, so every field has a default. Unknown fields are ignored: newer SDKs offer what
//! older servers do not know. `bytes` fields hold one JSON value, which JSON messages carry as it is (see [`super::raw`]).

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::raw::{self, is_default, object};

/// One message of a client: an id, and the first of the methods that is present.
#[derive(Clone, PartialEq, prost::Message, Deserialize)]
#[serde(default)]
pub struct Command {
    #[prost(uint32, tag = "1")]
    pub id: u32,
    #[prost(message, optional, tag = "4")]
    #[serde(deserialize_with = "object")]
    pub connect: Option<ConnectRequest>,
    #[prost(message, optional, tag = "5")]
    #[serde(deserialize_with = "object")]
    pub subscribe: Option<SubscribeRequest>,
    #[prost(message, optional, tag = "6")]
    #[serde(deserialize_with = "object")]
    pub unsubscribe: Option<OnChannel>,
    #[prost(message, optional, tag = "7")]
    #[serde(deserialize_with = "object")]
    pub publish: Option<PublishRequest>,
    #[prost(message, optional, tag = "8")]
    #[serde(deserialize_with = "object")]
    pub presence: Option<OnChannel>,
    #[prost(message, optional, tag = "9")]
    #[serde(deserialize_with = "object")]
    pub presence_stats: Option<OnChannel>,
    #[prost(message, optional, tag = "10")]
    #[serde(deserialize_with = "object")]
    pub history: Option<HistoryRequest>,
    #[prost(message, optional, tag = "11")]
    #[serde(deserialize_with = "object")]
    pub ping: Option<Empty>,
    #[prost(message, optional, tag = "12")]
    #[serde(deserialize_with = "object")]
    pub send: Option<Empty>,
    #[prost(message, optional, tag = "13")]
    #[serde(deserialize_with = "object")]
    pub rpc: Option<Empty>,
    #[prost(message, optional, tag = "14")]
    #[serde(deserialize_with = "object")]
    pub refresh: Option<RefreshRequest>,
    #[prost(message, optional, tag = "15")]
    #[serde(deserialize_with = "object")]
    pub sub_refresh: Option<SubRefreshRequest>,
}

/// A message without fields that matter.
#[derive(Clone, Copy, PartialEq, prost::Message, Serialize, Deserialize)]
pub struct Empty {}

/// A message that names a channel and nothing else that matters.
#[derive(Clone, PartialEq, prost::Message, Deserialize)]
#[serde(default)]
pub struct OnChannel {
    #[prost(string, tag = "1")]
    pub channel: String,
}

/// Credentials, and the positions of server-side subscriptions that are to be resumed.
#[derive(Clone, PartialEq, prost::Message, Deserialize)]
#[serde(default)]
pub struct ConnectRequest {
    /// A JWT; empty when the request carried a session cookie, or from somebody without a name.
    #[prost(string, tag = "1")]
    pub token: String,
    #[prost(bytes = "bytes", tag = "2")]
    #[serde(with = "raw")]
    pub data: Bytes,
    #[prost(btree_map = "string, message", tag = "3")]
    pub subs: BTreeMap<String, SubscribeRequest>,
    /// The SDK's name, at most 16 characters.
    #[prost(string, tag = "4")]
    pub name: String,
    /// The application's version, at most 64 characters.
    #[prost(string, tag = "5")]
    pub version: String,
}

/// A wish to follow a channel, perhaps from a known position.
#[derive(Clone, PartialEq, prost::Message, Deserialize)]
#[serde(default)]
#[expect(clippy::struct_excessive_bools, reason = "the protocol's own fields")]
pub struct SubscribeRequest {
    #[prost(string, tag = "1")]
    pub channel: String,
    /// A subscription token, for channels that ask for one.
    #[prost(string, tag = "2")]
    pub token: String,
    /// Whether `epoch` and `offset` say where to resume.
    #[prost(bool, tag = "3")]
    pub recover: bool,
    /// The stream's generation; empty skips the comparison.
    #[prost(string, tag = "6")]
    pub epoch: String,
    /// The last offset the client has seen.
    #[prost(uint64, tag = "7")]
    pub offset: u64,
    #[prost(bytes = "bytes", tag = "8")]
    #[serde(with = "raw")]
    pub data: Bytes,
    #[prost(bool, tag = "9")]
    pub positioned: bool,
    #[prost(bool, tag = "10")]
    pub recoverable: bool,
    #[prost(bool, tag = "11")]
    pub join_leave: bool,
    /// `""` or `"fossil"`.
    #[prost(string, tag = "12")]
    pub delta: String,
    /// Only publications whose tags match.
    #[prost(message, optional, tag = "13")]
    #[serde(deserialize_with = "object")]
    pub tf: Option<FilterNode>,
    /// Bits: 1 the client can compact channel names, 2 refuse rather than start unrecovered.
    #[prost(int64, tag = "14")]
    pub flag: i64,
    /// 0 an ordinary stream, 1 a map, 2 and 3 presence as a map, 4 shared poll.
    #[prost(int32, tag = "15")]
    #[serde(rename = "type")]
    pub kind: i32,
    /// Of a map: 2 its state, 1 its stream, 0 live.
    #[prost(int32, tag = "16")]
    pub phase: i32,
    #[prost(string, tag = "17")]
    pub cursor: String,
    #[prost(int32, tag = "18")]
    pub limit: i32,
    /// Of an ordered map: the lowest score first.
    #[prost(bool, tag = "19")]
    pub asc: bool,
}

impl SubscribeRequest {
    /// Whether the client wants error 112 instead of a success that did not recover.
    pub fn rejects_unrecovered(&self) -> bool {
        self.flag & 2 != 0
    }
}

/// A test on the tags of a publication.
#[derive(Clone, PartialEq, prost::Message, Deserialize)]
#[serde(default)]
pub struct FilterNode {
    /// `""` a comparison, else `and`, `or`, `not` over `nodes`.
    #[prost(string, tag = "1")]
    pub op: String,
    #[prost(string, tag = "2")]
    pub key: String,
    #[prost(string, tag = "3")]
    pub cmp: String,
    #[prost(string, tag = "4")]
    pub val: String,
    #[prost(string, repeated, tag = "5")]
    pub vals: Vec<String>,
    #[prost(message, repeated, tag = "6")]
    pub nodes: Vec<FilterNode>,
}

/// Something said into a channel.
#[derive(Clone, PartialEq, prost::Message, Deserialize)]
#[serde(default)]
pub struct PublishRequest {
    #[prost(string, tag = "1")]
    pub channel: String,
    #[prost(bytes = "bytes", tag = "2")]
    #[serde(with = "raw")]
    pub data: Bytes,
    /// 1 publishes to a map.
    #[prost(int32, tag = "3")]
    #[serde(rename = "type")]
    pub kind: i32,
    #[prost(string, tag = "4")]
    pub key: String,
    #[prost(bool, tag = "5")]
    pub removed: bool,
}

/// A look into a channel's past.
#[derive(Clone, PartialEq, prost::Message, Deserialize)]
#[serde(default)]
pub struct HistoryRequest {
    #[prost(string, tag = "1")]
    pub channel: String,
    /// 0 only the position, -1 as many as there are up to the server's limit.
    #[prost(int32, tag = "7")]
    pub limit: i32,
    #[prost(message, optional, tag = "8")]
    #[serde(deserialize_with = "object")]
    pub since: Option<StreamPosition>,
    #[prost(bool, tag = "9")]
    pub reverse: bool,
}

/// A place in a stream, itself not included.
#[derive(Clone, PartialEq, prost::Message, Deserialize)]
#[serde(default)]
pub struct StreamPosition {
    #[prost(uint64, tag = "1")]
    pub offset: u64,
    #[prost(string, tag = "2")]
    pub epoch: String,
}

/// New credentials for a connection.
#[derive(Clone, PartialEq, prost::Message, Deserialize)]
#[serde(default)]
pub struct RefreshRequest {
    #[prost(string, tag = "1")]
    pub token: String,
}

/// New credentials for one subscription.
#[derive(Clone, PartialEq, prost::Message, Deserialize)]
#[serde(default)]
pub struct SubRefreshRequest {
    #[prost(string, tag = "1")]
    pub channel: String,
    #[prost(string, tag = "2")]
    pub token: String,
    /// 0 renews the token, 1 tracks keys, 2 ceases to.
    #[prost(int32, tag = "3")]
    #[serde(rename = "type")]
    pub kind: i32,
    #[prost(message, repeated, tag = "4")]
    pub track: Vec<TrackBatch>,
    #[prost(string, repeated, tag = "5")]
    pub untrack: Vec<String>,
}

/// Keys that one signature opens.
#[derive(Clone, PartialEq, prost::Message, Deserialize)]
#[serde(default)]
pub struct TrackBatch {
    #[prost(string, tag = "1")]
    pub signature: String,
    #[prost(message, repeated, tag = "2")]
    pub items: Vec<KeyedItem>,
}

/// A key, and what of it the client has.
#[derive(Clone, PartialEq, prost::Message, Deserialize)]
#[serde(default)]
pub struct KeyedItem {
    #[prost(string, tag = "1")]
    pub key: String,
    #[prost(uint64, tag = "2")]
    pub version: u64,
}

/// Commands of an `http_stream` or `sse` client, posted to whichever node.
#[derive(Clone, PartialEq, prost::Message, Deserialize)]
#[serde(default)]
pub struct EmulationRequest {
    /// The node that holds the stream.
    #[prost(string, tag = "1")]
    pub node: String,
    /// The stream's secret.
    #[prost(string, tag = "2")]
    pub session: String,
    /// In JSON a text, whatever is in it.
    #[prost(bytes = "bytes", tag = "3")]
    #[serde(deserialize_with = "raw::text")]
    pub data: Bytes,
}

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
