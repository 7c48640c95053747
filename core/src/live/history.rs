//! A channel's history in Redis, and the one script that appends to it.
//!
//! Offsets are born in PostgreSQL; Redis only accepts the next one. So a relay that repeats itself, or one that was
//! frozen and wakes, can neither double nor reorder anything.

use super::position::Position;
use crate::Store;
use crate::bus::Bus;
use crate::kernel::error::Result;
use crate::kernel::id::OrganizationId;
use bytes::Bytes;
use redis::Script;
use std::sync::LazyLock;

/// Publications kept of a feed, and of a job's channel.
const FEED_LENGTH: usize = 10_000;
const JOB_LENGTH: usize = 1_000;
/// History is kept this long after the last publication, the position longer.
const HISTORY_SECONDS: u64 = 24 * 3_600;
const META_SECONDS: u64 = 720 * 3_600;
/// Publications in one call of the script at most, so that it never holds Redis up.
pub const BATCH: usize = 100;

// KEYS meta, history, fan. ARGV publish command, header, epoch, begin over, length, history s, meta s, first position, payloads...
// `begin over` is '' (never), '-' (when nothing is known) or the epoch:top that a stream of another epoch must still have.
static APPEND: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
local at = redis.call('HMGET', KEYS[1], 'epoch', 'top')
local first, top, began = tonumber(ARGV[8]), nil, false
if at[1] == ARGV[3] then
  top = tonumber(at[2])
elseif ARGV[4] == (at[1] and (at[1] .. ':' .. at[2]) or '-') then
  redis.call('DEL', KEYS[2])
  top, began = first - 1, true
else
  return {at[1] or '', tonumber(at[2] or -1), 0}
end
local new = {}
for i = 9, #ARGV do
  local position = first + i - 9
  if position == top + 1 then
    redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[5], position .. '-0', 'p', ARGV[i])
    new[#new + 1] = ARGV[i]
    top = position
  elseif position > top + 1 then
    return {ARGV[3], top, 0}
  end
end
redis.call('HSET', KEYS[1], 'epoch', ARGV[3], 'top', top)
redis.call('EXPIRE', KEYS[1], ARGV[7])
redis.call('EXPIRE', KEYS[2], ARGV[6])
if #new > 0 or began then
  table.insert(new, 1, ARGV[2] .. '\n' .. ARGV[3] .. '\n' .. (top - #new + 1))
  redis.call(ARGV[1], KEYS[3], table.concat(new, '\n'))
end
return {ARGV[3], top, 1}",
    )
});

/// Publications kept of `channel`.
pub fn length(channel: &str) -> usize {
    if channel.starts_with("job:") {
        JOB_LENGTH
    } else {
        FEED_LENGTH
    }
}

/// What Redis said to an append.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Appended {
    /// Everything up to this position is there.
    UpTo(u64),
    /// Redis stands elsewhere: at `None` it knows nothing of the channel.
    Behind(Option<Position>),
}

/// Whether a stream may begin where Redis does not have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Begin {
    /// No: say [`Appended::Behind`] instead.
    Never,
    /// Yes, if Redis still stands where it was seen: nowhere, or in another epoch. So a leader that froze after it
    /// looked cannot undo what the next one has begun.
    Over(Option<Position>),
}

/// Appends `payloads` (each one line of JSON, a [`super::published::Published`]) from position `first` on, and publishes
/// those that were new. A stream that begins is told to its listeners even without payloads, as a batch of none.
pub async fn append(
    bus: &Bus,
    organization: OrganizationId,
    channel: &str,
    epoch: &str,
    begin: &Begin,
    first: u64,
    payloads: &[Vec<u8>],
) -> Result<Appended> {
    let over = match begin {
        Begin::Never => String::new(),
        Begin::Over(None) => "-".to_owned(),
        Begin::Over(Some(at)) => format!("{}:{}", at.epoch, at.offset),
    };
    let fan = bus.keys().fan(organization, channel);
    let mut call = APPEND.key(bus.keys().live_meta(organization, channel));
    call.key(bus.keys().live_history(organization, channel))
        .key(&fan)
        .arg(bus.publish_command(&fan))
        .arg(format!("{organization}\n{channel}"))
        .arg(epoch)
        .arg(over)
        .arg(length(channel))
        .arg(HISTORY_SECONDS)
        .arg(META_SECONDS)
        .arg(first);
    for payload in payloads.iter().take(BATCH) {
        call.arg(payload.as_slice());
    }
    let (at, top, ok): (String, i64, i64) = call.invoke_async(&mut bus.shared()).await?;
    Ok(match (ok, u64::try_from(top)) {
        (1, Ok(top)) => Appended::UpTo(top),
        (_, Ok(offset)) if !at.is_empty() => Appended::Behind(Some(Position { epoch: at, offset })),
        _ => Appended::Behind(None),
    })
}

/// Leaves the mark of the relay that leads; false when the mark it left before is gone, and with it perhaps history: a
/// flush ends no connection, so nothing else would tell.
pub async fn leave_mark(bus: &Bus, epoch: i64) -> Result<bool> {
    let before: Option<i64> = redis::cmd("SET")
        .arg(bus.keys().relay_mark())
        .arg(epoch)
        .arg("GET")
        .query_async(&mut bus.shared())
        .await?;
    Ok(before == Some(epoch))
}

/// Publishes state without a position: progress, counters, the supervision tree. Nothing is kept of it.
pub async fn publish_state(
    bus: &Bus,
    organization: OrganizationId,
    channel: &str,
    payload: &[u8],
) -> Result<()> {
    let message = [format!("{organization}\n{channel}\n\n0\n").as_bytes(), payload].concat();
    bus.publish(&bus.keys().fan(organization, channel), &message)
        .await
}

/// A batch as it comes over pub/sub.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Whose channel.
    pub organization: OrganizationId,
    /// Wire name.
    pub channel: String,
    /// Epoch, empty for state without a position.
    pub epoch: String,
    /// Position of the first payload, 0 for state without a position.
    pub first: u64,
    /// One line of JSON each.
    pub payloads: Vec<Bytes>,
}

impl Batch {
    /// Reads a pub/sub message; `None` when it is not one of ours.
    pub fn parse(message: &Bytes) -> Option<Self> {
        let mut lines = message.split(|byte| *byte == b'\n');
        let mut text = || std::str::from_utf8(lines.next()?).ok();
        let (organization, channel, epoch, first) = (
            text()?.parse().ok()?,
            text()?.to_owned(),
            text()?.to_owned(),
            text()?.parse().ok()?,
        );
        let payloads = lines.map(|line| message.slice_ref(line)).collect();
        Some(Self {
            organization,
            channel,
            epoch,
            first,
            payloads,
        })
    }
}

/// Some of a channel's history, oldest first.
#[derive(Clone, Debug)]
pub struct History {
    /// Where the channel stands.
    pub position: Position,
    /// Position and payload.
    pub publications: Vec<(u64, Bytes)>,
}

/// As a range of a stream comes from Redis.
pub(super) type Entries = Vec<(String, (String, Vec<u8>))>;

/// Position and payload of each.
pub(super) fn publications(entries: Entries) -> Vec<(u64, Bytes)> {
    entries
        .into_iter()
        .filter_map(|(id, (_, payload))| Some((id.strip_suffix("-0")?.parse().ok()?, Bytes::from(payload))))
        .collect()
}

/// A part of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// What came after this position, oldest first.
    After(u64),
    /// What came before this position, newest first; `None` begins at the top.
    Before(Option<u64>),
}

/// Reads what came after `since`, at most `limit`, together with the position, in one step. `None` when Redis does not
/// know the channel; PostgreSQL's position then tells whether anything was missed.
pub async fn read(
    bus: &Bus,
    organization: OrganizationId,
    channel: &str,
    since: u64,
    limit: usize,
) -> Result<Option<History>> {
    read_part(bus, organization, channel, Part::After(since), limit).await
}

/// As [`read`], of any part.
pub async fn read_part(
    bus: &Bus,
    organization: OrganizationId,
    channel: &str,
    part: Part,
    limit: usize,
) -> Result<Option<History>> {
    let (meta, history) = (
        bus.keys().live_meta(organization, channel),
        bus.keys().live_history(organization, channel),
    );
    let (command, from, to) = match part {
        Part::After(since) => ("XRANGE", format!("({since}-0"), "+"),
        Part::Before(None) => ("XREVRANGE", "+".to_owned(), "-"),
        // there is nothing before the first, and Redis knows no such range
        Part::Before(Some(end)) => ("XREVRANGE", format!("({}-0", end.max(1)), "-"),
    };
    let mut pipe = redis::pipe();
    pipe.atomic().cmd("HMGET").arg(&meta).arg("epoch").arg("top");
    pipe.cmd(command)
        .arg(&history)
        .arg(from)
        .arg(to)
        .arg("COUNT")
        .arg(limit.max(1));
    let ((epoch, top), entries): ((Option<String>, Option<u64>), Entries) =
        pipe.query_async(&mut bus.shared()).await?;
    let (Some(epoch), Some(offset)) = (epoch, top) else {
        return Ok(None);
    };
    let mut publications = publications(entries);
    publications.truncate(limit);
    Ok(Some(History {
        position: Position { epoch, offset },
        publications,
    }))
}

/// Where each of `channels` stands in Redis, in one round trip; `None` for one it does not know.
pub async fn positions<'a>(
    bus: &Bus,
    channels: impl Iterator<Item = (OrganizationId, &'a str)>,
) -> Result<Vec<Option<Position>>> {
    let mut pipe = redis::pipe();
    for (organization, channel) in channels {
        let meta = bus.keys().live_meta(organization, channel);
        pipe.cmd("HMGET").arg(meta).arg("epoch").arg("top");
    }
    // the driver sends no empty pipeline
    if pipe.is_empty() {
        return Ok(Vec::new());
    }
    let found: Vec<(Option<String>, Option<u64>)> = pipe.query_async(&mut bus.shared()).await?;
    let found = found.into_iter().map(|at| match at {
        (Some(epoch), Some(offset)) => Some(Position { epoch, offset }),
        _ => None,
    });
    Ok(found.collect())
}

/// Where a channel stands: as Redis knows it, else as PostgreSQL does.
pub async fn position(store: &Store, organization: OrganizationId, channel: &str) -> Result<Position> {
    if let Some(history) = read(&store.bus, organization, channel, u64::MAX - 1, 1).await? {
        return Ok(history.position);
    }
    let mut tx = store.db.primary(organization).await?;
    super::position::read(&mut tx, organization, channel).await
}
