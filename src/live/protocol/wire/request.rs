//! What a client says.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::Deserialize;

use super::super::raw::{self, object, or_default};
use super::Empty;

/// One message of a client: an id, and the first of the methods that is present.
#[derive(Clone, PartialEq, prost::Message, Deserialize)]
#[serde(default)]
pub struct Command {
    #[prost(uint32, tag = "1")]
    #[serde(deserialize_with = "or_default")]
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

/// A message that names a channel and nothing else that matters.
#[derive(Clone, PartialEq, prost::Message, Deserialize)]
#[serde(default)]
pub struct OnChannel {
    #[prost(string, tag = "1")]
    #[serde(deserialize_with = "or_default")]
    pub channel: String,
}

/// Credentials, and the positions of server-side subscriptions that are to be resumed.
#[derive(Clone, PartialEq, prost::Message, Deserialize)]
#[serde(default)]
pub struct ConnectRequest {
    /// A JWT; empty when the request carried a session cookie, or from somebody without a name.
    #[prost(string, tag = "1")]
    #[serde(deserialize_with = "or_default")]
    pub token: String,
    #[prost(bytes = "bytes", tag = "2")]
    #[serde(with = "raw")]
    pub data: Bytes,
    #[prost(btree_map = "string, message", tag = "3")]
    #[serde(deserialize_with = "or_default")]
    pub subs: BTreeMap<String, SubscribeRequest>,
    /// The SDK's name, at most 16 characters.
    #[prost(string, tag = "4")]
    #[serde(deserialize_with = "or_default")]
    pub name: String,
    /// The application's version, at most 64 characters.
    #[prost(string, tag = "5")]
    #[serde(deserialize_with = "or_default")]
    pub version: String,
}

/// A wish to follow a channel, perhaps from a known position.
#[derive(Clone, PartialEq, prost::Message, Deserialize)]
#[serde(default)]
#[expect(clippy::struct_excessive_bools, reason = "the protocol's own fields")]
pub struct SubscribeRequest {
    #[prost(string, tag = "1")]
    #[serde(deserialize_with = "or_default")]
    pub channel: String,
    /// A subscription token, for channels that ask for one.
    #[prost(string, tag = "2")]
    #[serde(deserialize_with = "or_default")]
    pub token: String,
    /// Whether `epoch` and `offset` say where to resume.
    #[prost(bool, tag = "3")]
    #[serde(deserialize_with = "or_default")]
    pub recover: bool,
    /// The stream's generation; empty skips the comparison.
    #[prost(string, tag = "6")]
    #[serde(deserialize_with = "or_default")]
    pub epoch: String,
    /// The last offset the client has seen.
    #[prost(uint64, tag = "7")]
    #[serde(deserialize_with = "or_default")]
    pub offset: u64,
    #[prost(bytes = "bytes", tag = "8")]
    #[serde(with = "raw")]
    pub data: Bytes,
    #[prost(bool, tag = "9")]
    #[serde(deserialize_with = "or_default")]
    pub positioned: bool,
    #[prost(bool, tag = "10")]
    #[serde(deserialize_with = "or_default")]
    pub recoverable: bool,
    #[prost(bool, tag = "11")]
    #[serde(deserialize_with = "or_default")]
    pub join_leave: bool,
    /// `""` or `"fossil"`.
    #[prost(string, tag = "12")]
    #[serde(deserialize_with = "or_default")]
    pub delta: String,
    /// Only publications whose tags match.
    #[prost(message, optional, tag = "13")]
    #[serde(deserialize_with = "object")]
    pub tf: Option<FilterNode>,
    /// Bits: 1 the client can compact channel names, 2 refuse rather than start unrecovered.
    #[prost(int64, tag = "14")]
    #[serde(deserialize_with = "or_default")]
    pub flag: i64,
    /// 0 an ordinary stream, 1 a map, 2 and 3 presence as a map, 4 shared poll.
    #[prost(int32, tag = "15")]
    #[serde(rename = "type")]
    #[serde(deserialize_with = "or_default")]
    pub kind: i32,
    /// Of a map: 2 its state, 1 its stream, 0 live.
    #[prost(int32, tag = "16")]
    #[serde(deserialize_with = "or_default")]
    pub phase: i32,
    #[prost(string, tag = "17")]
    #[serde(deserialize_with = "or_default")]
    pub cursor: String,
    #[prost(int32, tag = "18")]
    #[serde(deserialize_with = "or_default")]
    pub limit: i32,
    /// Of an ordered map: the lowest score first.
    #[prost(bool, tag = "19")]
    #[serde(deserialize_with = "or_default")]
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
    #[serde(deserialize_with = "or_default")]
    pub op: String,
    #[prost(string, tag = "2")]
    #[serde(deserialize_with = "or_default")]
    pub key: String,
    #[prost(string, tag = "3")]
    #[serde(deserialize_with = "or_default")]
    pub cmp: String,
    #[prost(string, tag = "4")]
    #[serde(deserialize_with = "or_default")]
    pub val: String,
    #[prost(string, repeated, tag = "5")]
    #[serde(deserialize_with = "or_default")]
    pub vals: Vec<String>,
    #[prost(message, repeated, tag = "6")]
    #[serde(deserialize_with = "or_default")]
    pub nodes: Vec<FilterNode>,
}

/// Something said into a channel.
#[derive(Clone, PartialEq, prost::Message, Deserialize)]
#[serde(default)]
pub struct PublishRequest {
    #[prost(string, tag = "1")]
    #[serde(deserialize_with = "or_default")]
    pub channel: String,
    #[prost(bytes = "bytes", tag = "2")]
    #[serde(with = "raw")]
    pub data: Bytes,
    /// 1 publishes to a map.
    #[prost(int32, tag = "3")]
    #[serde(rename = "type")]
    #[serde(deserialize_with = "or_default")]
    pub kind: i32,
    #[prost(string, tag = "4")]
    #[serde(deserialize_with = "or_default")]
    pub key: String,
    #[prost(bool, tag = "5")]
    #[serde(deserialize_with = "or_default")]
    pub removed: bool,
}

/// A look into a channel's past.
#[derive(Clone, PartialEq, prost::Message, Deserialize)]
#[serde(default)]
pub struct HistoryRequest {
    #[prost(string, tag = "1")]
    #[serde(deserialize_with = "or_default")]
    pub channel: String,
    /// 0 only the position, -1 as many as there are up to the server's limit.
    #[prost(int32, tag = "7")]
    #[serde(deserialize_with = "or_default")]
    pub limit: i32,
    #[prost(message, optional, tag = "8")]
    #[serde(deserialize_with = "object")]
    pub since: Option<StreamPosition>,
    #[prost(bool, tag = "9")]
    #[serde(deserialize_with = "or_default")]
    pub reverse: bool,
}

/// A place in a stream, itself not included.
#[derive(Clone, PartialEq, prost::Message, Deserialize)]
#[serde(default)]
pub struct StreamPosition {
    #[prost(uint64, tag = "1")]
    #[serde(deserialize_with = "or_default")]
    pub offset: u64,
    #[prost(string, tag = "2")]
    #[serde(deserialize_with = "or_default")]
    pub epoch: String,
}

/// New credentials for a connection.
#[derive(Clone, PartialEq, prost::Message, Deserialize)]
#[serde(default)]
pub struct RefreshRequest {
    #[prost(string, tag = "1")]
    #[serde(deserialize_with = "or_default")]
    pub token: String,
}

/// New credentials for one subscription.
#[derive(Clone, PartialEq, prost::Message, Deserialize)]
#[serde(default)]
pub struct SubRefreshRequest {
    #[prost(string, tag = "1")]
    #[serde(deserialize_with = "or_default")]
    pub channel: String,
    #[prost(string, tag = "2")]
    #[serde(deserialize_with = "or_default")]
    pub token: String,
    /// 0 renews the token, 1 tracks keys, 2 ceases to.
    #[prost(int32, tag = "3")]
    #[serde(rename = "type")]
    #[serde(deserialize_with = "or_default")]
    pub kind: i32,
    #[prost(message, repeated, tag = "4")]
    #[serde(deserialize_with = "or_default")]
    pub track: Vec<TrackBatch>,
    #[prost(string, repeated, tag = "5")]
    #[serde(deserialize_with = "or_default")]
    pub untrack: Vec<String>,
}

/// Keys that one signature opens.
#[derive(Clone, PartialEq, prost::Message, Deserialize)]
#[serde(default)]
pub struct TrackBatch {
    #[prost(string, tag = "1")]
    #[serde(deserialize_with = "or_default")]
    pub signature: String,
    #[prost(message, repeated, tag = "2")]
    #[serde(deserialize_with = "or_default")]
    pub items: Vec<KeyedItem>,
}

/// A key, and what of it the client has.
#[derive(Clone, PartialEq, prost::Message, Deserialize)]
#[serde(default)]
pub struct KeyedItem {
    #[prost(string, tag = "1")]
    #[serde(deserialize_with = "or_default")]
    pub key: String,
    #[prost(uint64, tag = "2")]
    #[serde(deserialize_with = "or_default")]
    pub version: u64,
}

/// Commands of an `http_stream` or `sse` client, posted to whichever node.
#[derive(Clone, PartialEq, prost::Message, Deserialize)]
#[serde(default)]
pub struct EmulationRequest {
    /// The node that holds the stream.
    #[prost(string, tag = "1")]
    #[serde(deserialize_with = "or_default")]
    pub node: String,
    /// The stream's secret.
    #[prost(string, tag = "2")]
    #[serde(deserialize_with = "or_default")]
    pub session: String,
    /// In JSON a text, whatever is in it.
    #[prost(bytes = "bytes", tag = "3")]
    #[serde(deserialize_with = "raw::text")]
    pub data: Bytes,
}
