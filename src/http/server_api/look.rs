//! What can be looked at: who is there, what was published, which channels are followed, how the nodes are.

use super::reply::{ApiError, Reply};
use super::{ServerApi, decoded, done, result};
use base64::prelude::{BASE64_STANDARD, Engine};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use signalbox_actors::live_hub::ChannelKey;
use signalbox_core::bus::questions::{ChannelsWanted, MOST, NodeItem, Question};
use signalbox_core::kernel::id::OrganizationId;
use signalbox_core::kernel::page;
use signalbox_core::live::application::{APPLICATION, ClientInfo, Message, Publication, broker};
use signalbox_core::live::history::History as Stored;
use signalbox_core::live::position::Position;
use std::collections::BTreeMap;

/// Channels in one answer at most; where there are more, `next_cursor` tells.
const CHANNELS: usize = 10_000;

#[derive(Deserialize)]
struct OfChannel {
    #[serde(default)]
    channel: String,
}

#[derive(Serialize)]
struct Person<'a> {
    user: &'a str,
    client: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    conn_info: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    chan_info: Option<Box<RawValue>>,
}

impl<'a> Person<'a> {
    fn of(info: &'a ClientInfo) -> Self {
        let raw = |json: &Option<Bytes>| json.as_ref().and_then(|json| serde_json::from_slice(json).ok());
        Self {
            user: &info.user,
            client: &info.client,
            conn_info: raw(&info.conn_info),
            chan_info: raw(&info.chan_info),
        }
    }
}

/// The channel that is asked about, if its presence is known.
fn with_presence(api: &ServerApi, body: &[u8]) -> Result<ChannelKey, ApiError> {
    let of: OfChannel = decoded(body)?;
    if !api.options(&of.channel)?.presence {
        return Err(ApiError::not_available("presence is off for this channel"));
    }
    Ok(ChannelKey {
        organization: APPLICATION,
        name: of.channel.into(),
    })
}

pub(super) async fn presence(api: &ServerApi, body: &[u8]) -> Reply {
    let all = api.presence.of(&with_presence(api, body)?).await?;
    let shown: BTreeMap<_, _> = all
        .iter()
        .map(|(client, info)| (client, Person::of(info)))
        .collect();
    result(&BTreeMap::from([("presence", shown)]))
}

pub(super) async fn presence_stats(api: &ServerApi, body: &[u8]) -> Reply {
    let (clients, users) = api.presence.stats(&with_presence(api, body)?).await?;
    result(&BTreeMap::from([("num_clients", clients), ("num_users", users)]))
}

#[derive(Deserialize)]
struct OfHistory {
    #[serde(default)]
    limit: i32,
    since: Option<Since>,
    #[serde(default)]
    reverse: bool,
}

#[derive(Deserialize)]
struct Since {
    #[serde(default)]
    offset: u64,
    #[serde(default)]
    epoch: String,
}

/// A publication as it is shown.
#[derive(Serialize)]
pub(super) struct Shown<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) data: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    b64data: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    info: Option<Person<'a>>,
    offset: u64,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    tags: &'a BTreeMap<String, String>,
    time: i64,
}

#[derive(Serialize)]
struct History<'a> {
    publications: Vec<Shown<'a>>,
    epoch: &'a str,
    offset: u64,
}

pub(super) async fn history(api: &ServerApi, body: &[u8]) -> Reply {
    let (of, how): (OfChannel, OfHistory) = (decoded(body)?, decoded(body)?);
    let options = api.options(&of.channel)?;
    if !options.has_history() {
        return Err(ApiError::not_available("history is off for this channel"));
    }
    let since = how.since.map(|since| Position {
        offset: since.offset,
        epoch: since.epoch,
    });
    // -1 asks for all there is, which is bounded further down
    let limit = if how.limit < 0 { i32::MAX } else { how.limit };
    let read = broker::history(&api.store.bus, &of.channel, options, since, limit, how.reverse).await?;
    let publications = publications(&read);
    result(&History {
        publications: publications.iter().map(Shown::of).collect(),
        epoch: &read.position.epoch,
        offset: read.position.offset,
    })
}

/// The publications of a stream, each with its offset.
pub(super) fn publications(read: &Stored) -> Vec<(u64, Publication)> {
    let all = read.publications.iter();
    let said = all.filter_map(|(offset, payload)| match Message::parse(payload)? {
        Message::Publication(publication) => Some((*offset, publication)),
        Message::Join(_) | Message::Leave(_) => None,
    });
    said.collect()
}

impl<'a> Shown<'a> {
    pub(super) fn of((offset, publication): &'a (u64, Publication)) -> Self {
        let data: Option<Box<RawValue>> = serde_json::from_slice(&publication.data).ok();
        Self {
            b64data: data.is_none().then(|| BASE64_STANDARD.encode(&publication.data)),
            data,
            info: publication.info.as_ref().map(Person::of),
            offset: *offset,
            tags: &publication.tags,
            time: publication.time_ms,
        }
    }
}

pub(super) async fn history_remove(api: &ServerApi, body: &[u8]) -> Reply {
    let of: OfChannel = decoded(body)?;
    if !api.options(&of.channel)?.has_history() {
        return Err(ApiError::not_available("history is off for this channel"));
    }
    broker::remove_history(&api.store.bus, &of.channel).await?;
    done()
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Which {
    pattern: String,
    limit: usize,
    cursor: String,
}

#[derive(Serialize)]
struct Channel {
    num_clients: u64,
}

#[derive(Serialize)]
struct Followed {
    channels: BTreeMap<String, Channel>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
    /// Nodes that did not answer: theirs are not counted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    missing: Vec<String>,
}

/// Channels that somebody follows, by name: all of them up to [`CHANNELS`], or pages of `limit`.
pub(super) async fn channels(api: &ServerApi, body: &[u8]) -> Reply {
    let which: Which = decoded(body)?;
    let most = if which.limit == 0 {
        CHANNELS
    } else {
        which.limit.min(CHANNELS)
    };
    let mut wanted = ChannelsWanted {
        organizations: vec![APPLICATION],
        pattern: Some(which.pattern).filter(|pattern| !pattern.is_empty()),
        after: read_cursor(&which.cursor)?,
        limit: MOST,
        ..ChannelsWanted::default()
    };
    let mut found = Followed {
        channels: BTreeMap::new(),
        next_cursor: None,
        missing: Vec::new(),
    };
    loop {
        let mut answers = api.nodes.ask(Question::Channels(wanted.clone())).await;
        note(&mut found.missing, std::mem::take(&mut answers.missing));
        let rows = answers.channels(&wanted).items;
        let last = rows.len() < MOST as usize;
        for row in rows {
            if found.channels.len() == most {
                found.next_cursor = wanted.after.as_ref().map(page::encode_cursor).transpose()?;
                return result(&found);
            }
            wanted.after = Some((row.channel.clone(), row.organization));
            found.channels.insert(
                row.channel,
                Channel {
                    num_clients: row.subscribers,
                },
            );
        }
        if last {
            return result(&found);
        }
    }
}

/// A node that did not answer of one page of many is missing, whatever it answers of the next.
fn note(missing: &mut Vec<String>, more: Vec<String>) {
    for node in more {
        if !missing.contains(&node) {
            missing.push(node);
        }
    }
}

fn read_cursor(cursor: &str) -> Result<Option<(String, OrganizationId)>, ApiError> {
    if cursor.is_empty() {
        return Ok(None);
    }
    page::decode_cursor(cursor)
        .map(Some)
        .map_err(|_| ApiError::bad("cursor is none of ours"))
}

#[derive(Serialize)]
struct Node {
    uid: String,
    name: String,
    version: String,
    num_clients: u64,
    num_users: u64,
    num_channels: u64,
    num_subs: u64,
    uptime: u64,
}

/// The nodes that live and answer.
pub(super) async fn info(api: &ServerApi) -> Reply {
    let nodes = api.nodes.ask(Question::Node).await.nodes().into_iter();
    let nodes: Vec<_> = nodes
        .map(|NodeItem { node, state }| Node {
            uid: node.clone(),
            name: node,
            version: state.version,
            num_clients: state.connections,
            num_users: state.users,
            num_channels: state.channels,
            num_subs: state.subscriptions,
            uptime: state.uptime_seconds,
        })
        .collect();
    result(&BTreeMap::from([("nodes", nodes)]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_that_did_not_answer_of_one_page_stays_missing_and_is_named_once() {
        let mut missing = Vec::new();
        for page in [vec!["b"], vec![], vec!["a", "b"]] {
            note(&mut missing, page.into_iter().map(str::to_owned).collect());
        }
        assert_eq!(missing, ["b", "a"]);
    }
}
