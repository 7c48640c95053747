//! Clearing away what a node has left that is gone.

use super::steps::PARSE;
use super::{Entry, scan};
use crate::bus::Bus;
use crate::kernel::error::Result;
use crate::kernel::id::OrganizationId;
use crate::live::application::map::{self, Presences};
use redis::Script;
use std::sync::LazyLock;
use std::time::Duration;

/// Whoever clears away after a node does so alone for this long, unless it says that it goes on.
const CLAIM: Duration = Duration::from_secs(5);
/// Channels and entries looked at, and entries removed in one script, at most.
const PAGE: usize = 500;
const CHUNK: usize = 100;
/// How long a channel remembers that leaves of a node were told, for the node's return.
const REMEMBER: Duration = Duration::from_mins(1);

// KEYS presence, fan, tombstone. ARGV publish command, header, node, generation at most, seconds to remember, how it shows in a map
// (empty: not at all), clients... Where it does, what the map's script takes comes behind the keys and before the clients.
static PURGE: LazyLock<Script> = LazyLock::new(|| {
    let body = r"
local removed, told = 0, false
local kind, m, first = ARGV[6], nil, 7
if kind ~= '' then
  m, first = bound(4, 7), 13
end
for i = first, #ARGV do
  local value = redis.call('HGET', KEYS[1], ARGV[i])
  if value then
    local of, generation, _, flags, info = parse(value)
    if of == ARGV[3] and tonumber(generation) <= tonumber(ARGV[4]) then
      redis.call('HDEL', KEYS[1], ARGV[i])
      removed = removed + 1
      if string.find(flags, 'a') then
        tell('l', info)
        told = true
      end
      if m then hidden(m, kind, ARGV[i], info) end
    end
  end
end
if told then redis.call('SET', KEYS[3], 1, 'EX', ARGV[5]) end
return removed";
    Script::new(&format!("{PARSE}{}{}{body}", map::CHANGE, map::SHOW))
});

// KEYS index. ARGV channel, generation.
static UNNOTE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
if redis.call('HGET', KEYS[1], ARGV[1]) == ARGV[2] then return redis.call('HDEL', KEYS[1], ARGV[1]) end
return 0",
    )
});

/// What a burial came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Burial {
    /// Everything is cleared away: so many entries.
    Done(usize),
    /// Another node does it.
    Claimed,
    /// The node lives again.
    Lives,
}

/// Clears away everything that `node` left, tells the leaves of those whose coming was told, and takes it off the list of
/// nodes; `maps` tells which channels' presence shows in maps. `by` is whoever does it: a claim is its own to renew. Stops as soon as the node is back.
///
/// # Errors
/// Redis does not answer; whoever tries again goes on where this ended.
pub async fn bury(bus: &Bus, maps: &Presences, node: &str, by: &str) -> Result<Burial> {
    let index = bus.keys().live_present(node);
    let (mut cursor, mut removed) = (0_u64, 0);
    loop {
        if !claim(bus, node, by).await? {
            return Ok(Burial::Claimed);
        }
        let (next, channels): (u64, Vec<(String, u64)>) = scan(bus, &index, cursor, PAGE).await?;
        // asked after the generations were read: one that comes back from here on writes under a higher one
        if !is_gone(bus, node).await? {
            return Ok(Burial::Lives);
        }
        for (field, generation) in channels {
            if let Some((organization, channel)) = field.split_once('/')
                && let Ok(organization) = organization.parse()
            {
                removed += purge(bus, maps, organization, channel, node, generation).await?;
            }
            let mut call = UNNOTE.key(&index);
            call.arg(field).arg(generation);
            call.invoke_async::<()>(&mut bus.shared()).await?;
        }
        cursor = next;
        if cursor == 0 {
            break;
        }
    }
    bus.bury(node).await?;
    Ok(Burial::Done(removed))
}

/// Removes `node`'s entries of one channel, up to `generation`, and tells their leaves. For a node that is gone.
///
/// # Errors
/// Redis does not answer.
pub async fn purge(
    bus: &Bus,
    maps: &Presences,
    organization: OrganizationId,
    channel: &str,
    node: &str,
    generation: u64,
) -> Result<usize> {
    let (key, fan) = (
        bus.keys().live_presence(organization, channel),
        bus.keys().fan(organization, channel),
    );
    let (mut cursor, mut removed) = (0_u64, 0);
    loop {
        let (next, page): (u64, Vec<(String, Vec<u8>)>) = scan(bus, &key, cursor, PAGE).await?;
        let left = page.into_iter().filter_map(|(client, value)| {
            let entry = Entry::parse(&value)?;
            (entry.node == node && entry.generation <= generation).then_some(client)
        });
        for clients in left.collect::<Vec<_>>().chunks(CHUNK) {
            let mut call = PURGE.key(&key);
            call.key(&fan)
                .key(bus.keys().live_buried(organization, channel, node))
                .arg(bus.publish_command(&fan))
                .arg(format!("{organization}\n{channel}"))
                .arg(node)
                .arg(generation)
                .arg(REMEMBER.as_secs());
            let shows = maps.of(organization, channel);
            call.arg(shows.map_or("", |(kind, _)| kind.name()));
            if let Some((_, options)) = shows {
                map::bind(&mut call, bus, channel, options);
            }
            call.arg(clients);
            removed += call.invoke_async::<usize>(&mut bus.shared()).await?;
        }
        cursor = next;
        if cursor == 0 {
            return Ok(removed);
        }
    }
}

/// Removes what a node that is gone has left in one channel without noting it: written in the moment before its lease was
/// found gone. Does nothing when it lives.
///
/// # Errors
/// Redis does not answer.
pub async fn clear_stray(
    bus: &Bus,
    maps: &Presences,
    organization: OrganizationId,
    channel: &str,
    node: &str,
) -> Result<usize> {
    // a node that comes back from here on notes the channel, and enters all of its clients again
    if is_gone(bus, node).await? {
        purge(bus, maps, organization, channel, node, u64::MAX).await
    } else {
        Ok(0)
    }
}

/// Whether `node` has no lease, or one that has lapsed.
async fn is_gone(bus: &Bus, node: &str) -> Result<bool> {
    Ok(!super::living(bus).await?.contains(node))
}

async fn claim(bus: &Bus, node: &str, by: &str) -> Result<bool> {
    static CLAIM_OR_RENEW: LazyLock<Script> = LazyLock::new(|| {
        Script::new(
            r"
local by = redis.call('GET', KEYS[1])
if by and by ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
return 1",
        )
    });
    let mut call = CLAIM_OR_RENEW.key(bus.keys().live_burial(node));
    call.arg(by).arg(CLAIM.as_secs());
    Ok(call.invoke_async(&mut bus.shared()).await?)
}
