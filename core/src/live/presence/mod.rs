//! Who is in a channel, as Redis knows it. What a node writes is leased to the node: entries of one whose lease has lapsed
//! are nobody's, are not read, and are cleared away by whoever notices ([`burial`]).
//!
//! Per channel one hash, in the channel's slot: client -> `node\ngeneration\nstamp\nflags\ninfo`. Flags: `l` is listed, `a`
//! its coming was announced. Per node one index: channels it has entries in, each with the generation of the lease under
//! which it wrote them. A node whose lease was found gone begins another generation, so that whoever clears away what it left
//! cannot take what it has written since.
//!
//! Invariant: an entry's leave is told in the step that removes it, so once, whoever removes it and however often it tries.
//! Invariant: every step can be done twice, so that whoever does not know whether it was done does it again.

pub mod burial;
mod steps;
#[cfg(test)]
mod tests;

pub use steps::{Act, Step, apply};

use crate::bus::Bus;
use crate::kernel::error::Result;
use crate::kernel::id::OrganizationId;
use crate::live::application::ClientInfo;
use bytes::Bytes;
use redis::FromRedisValue;
use std::collections::{BTreeMap, BTreeSet};

/// Entries read at a time, so that a full channel holds Redis up for no longer.
const PAGE: usize = 1_000;

/// An entry as it stands in the hash.
#[derive(Debug, PartialEq, Eq)]
struct Entry<'a> {
    node: &'a str,
    generation: u64,
    flags: &'a str,
    info: &'a [u8],
}

impl<'a> Entry<'a> {
    /// `None` when it is none of ours.
    fn parse(value: &'a [u8]) -> Option<Self> {
        let mut parts = value.splitn(5, |byte| *byte == b'\n');
        let mut text = || std::str::from_utf8(parts.next()?).ok();
        let (node, generation, _stamp, flags) = (text()?, text()?.parse().ok()?, text()?, text()?);
        Some(Self {
            node,
            generation,
            flags,
            info: parts.next()?,
        })
    }
}

/// Who is in a channel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Members {
    /// Listed clients of living nodes, by id.
    pub present: BTreeMap<String, ClientInfo>,
    /// Nodes that are gone and have left entries here, which are not in `present`.
    pub strays: BTreeSet<String>,
}

impl Members {
    /// How many clients, and how many different users among them.
    pub fn count(&self) -> (usize, usize) {
        let users: BTreeSet<&str> = self.present.values().map(|info| info.user.as_str()).collect();
        (self.present.len(), users.len())
    }
}

/// About `most` fields of a hash with their values, and the cursor of those that follow: 0 begins, and ends.
async fn scan<V: FromRedisValue>(
    bus: &Bus,
    hash: &str,
    cursor: u64,
    most: usize,
) -> Result<(u64, Vec<(String, V)>)> {
    let mut call = redis::cmd("HSCAN");
    call.arg(hash).arg(cursor).arg("COUNT").arg(most);
    Ok(call.query_async(&mut bus.shared()).await?)
}

/// Reads who is in a channel. Leases are read after the entries: a node has its lease before it writes.
///
/// # Errors
/// Redis does not answer.
pub async fn members(bus: &Bus, organization: OrganizationId, channel: &str) -> Result<Members> {
    let key = bus.keys().live_presence(organization, channel);
    let (mut cursor, mut entries) = (0_u64, BTreeMap::<String, Vec<u8>>::new());
    loop {
        let (next, page): (u64, Vec<(String, Vec<u8>)>) = scan(bus, &key, cursor, PAGE).await?;
        entries.extend(page);
        cursor = next;
        if cursor == 0 {
            break;
        }
    }
    if entries.is_empty() {
        return Ok(Members::default());
    }
    let living = living(bus).await?;
    let mut members = Members::default();
    for (client, value) in entries {
        let Some(entry) = Entry::parse(&value) else {
            continue;
        };
        if !living.contains(entry.node) {
            members.strays.insert(entry.node.to_owned());
        } else if entry.flags.contains('l')
            && let Some(info) = ClientInfo::parse(&Bytes::copy_from_slice(entry.info))
        {
            members.present.insert(client, info);
        }
    }
    Ok(members)
}

/// Nodes whose lease stands, by Redis' clock.
async fn living(bus: &Bus) -> Result<BTreeSet<String>> {
    let mut pipe = redis::pipe();
    pipe.cmd("TIME").cmd("ZRANGE").arg(bus.keys().live_nodes());
    pipe.arg(0).arg(-1).arg("WITHSCORES");
    let ((seconds, micros), nodes): ((u64, u64), Vec<(String, f64)>) =
        pipe.query_async(&mut bus.shared()).await?;
    let now = (seconds * 1_000 + micros / 1_000) as f64;
    let living = nodes.into_iter().filter(|(_, until)| *until > now);
    Ok(living.map(|(node, _)| node).collect())
}
