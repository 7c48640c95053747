//! Publishing to an application's channel, and its history. Everything of one channel stands in one slot of Redis, so that
//! each act is one script: stored, counted and sent, or nothing of it.
//!
//! Invariant: what is told to subscribers with an offset is stored; a repeat under one idempotency key within
//! [`REPEAT_WINDOW`] is neither stored nor told, and answers as the first did.
//! Invariant: an epoch lasts as long as Redis keeps it (`history_meta_ttl` after the last act), whatever becomes of the
//! history: offsets of an epoch never begin again.

use super::message::one_line;
use super::{APPLICATION, Message, Options, Publication, SubscriptionType, map};
use crate::bus::Bus;
use crate::kernel::error::Error;
use crate::kernel::id::EventId;
use crate::live::history::{self, History};
use crate::live::position::Position;
use bytes::Bytes;
use redis::Script;
use serde::de::IgnoredAny;
use sha2::{Digest, Sha256};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

/// How long the result of a publication is remembered under its idempotency key (Centrifugo's window).
pub const REPEAT_WINDOW: Duration = Duration::from_mins(5);
/// Publications of [`publish_run`] at most, so that one script never holds Redis up.
pub const RUN: usize = 100;
/// Publications that a request without a limit of its own (-1) is given.
pub const PAGE: i32 = 300;
/// Publications of one answer at most, whatever was asked for.
pub const LONGEST_PAGE: i32 = 10_000;

/// More bytes than any history has, and a number that Redis' scripts can hold.
const WHATEVER_SIZE: usize = 1 << 50;

/// Why a channel did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// The position is of another epoch (error 112).
    #[error("the position is of an epoch that has ended")]
    Unrecoverable,
    /// The data is not what the namespace's `publication_data_format` wants (error 107).
    #[error("the data does not have the form that publication_data_format asks for")]
    Format,
    /// It is published to a map as to a stream, to a stream as to a map, or to a map that the hub alone writes (error 108).
    #[error("this is not how the channel is published to: maps have keys, streams have none")]
    Kind,
    /// An entry of a map has no key, or one of more than [`super::map::MAX_KEY`] bytes (error 107).
    #[error("a key has 1 to 255 bytes")]
    Key,
    /// The map has as many entries as it may (error 106).
    #[error("the map holds as many entries as its namespace allows")]
    Full,
    /// Redis does not answer (error 100).
    #[error(transparent)]
    Bus(#[from] Error),
}

type Result<T> = std::result::Result<T, BrokerError>;

/// What a publisher may say beside the publication.
#[derive(Clone, Debug, Default)]
pub struct Extra {
    /// Publications under the same key are one, for [`REPEAT_WINDOW`].
    pub idempotency_key: Option<String>,
    /// Tell it and do not keep it.
    pub skip_history: bool,
    /// Of what the publication tells, above 0: one that is not above the version of the last one kept is dropped. Only in
    /// channels with history.
    pub version: u64,
    /// Versions of another version epoch begin again; empty compares whatever the epoch.
    pub version_epoch: String,
}

// KEYS meta, history, fan, result. ARGV publish command, header, payload, repeat window s (0: no key), length (0: not
// kept), history s, meta s, epoch if there is none, version as 20 digits, version epoch.
static PUBLISH: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
if ARGV[4] ~= '0' then
  local before = redis.call('HMGET', KEYS[4], 'epoch', 'offset')
  if before[1] then return {before[1], before[2]} end
end
local epoch, offset, told = '', 0, true
if ARGV[5] ~= '0' then
  local at = redis.call('HMGET', KEYS[1], 'epoch', 'top', 'version', 'version_epoch')
  epoch = at[1]
  if not epoch then
    epoch = ARGV[8]
    redis.call('DEL', KEYS[2])
    redis.call('HSET', KEYS[1], 'epoch', epoch, 'top', 0)
  end
  local versioned = ARGV[9] ~= '00000000000000000000'
  if versioned and at[3] and (ARGV[10] == '' or ARGV[10] == at[4]) and at[3] >= ARGV[9] then
    told, offset = false, at[2]
  else
    offset = redis.call('HINCRBY', KEYS[1], 'top', 1)
    if versioned then redis.call('HSET', KEYS[1], 'version', ARGV[9], 'version_epoch', ARGV[10]) end
    redis.call('XADD', KEYS[2], 'MAXLEN', ARGV[5], offset .. '-0', 'p', ARGV[3])
    redis.call('EXPIRE', KEYS[2], ARGV[6])
  end
  redis.call('EXPIRE', KEYS[1], ARGV[7])
end
if told then redis.call(ARGV[1], KEYS[3], ARGV[2] .. '\n' .. epoch .. '\n' .. offset .. '\n' .. ARGV[3]) end
if ARGV[4] ~= '0' then
  redis.call('HSET', KEYS[4], 'epoch', epoch, 'offset', offset)
  redis.call('EXPIRE', KEYS[4], ARGV[4])
end
return {epoch, tostring(offset)}",
    )
});

// KEYS meta, history, fan. ARGV publish command, header, length (0: not kept), history s, meta s, epoch if there is none,
// payloads... Answers the epoch and the first offset.
static PUBLISH_RUN: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
local epoch, first = '', 0
if ARGV[3] ~= '0' then
  epoch = redis.call('HGET', KEYS[1], 'epoch')
  if not epoch then
    epoch = ARGV[6]
    redis.call('DEL', KEYS[2])
    redis.call('HSET', KEYS[1], 'epoch', epoch, 'top', 0)
  end
  first = redis.call('HINCRBY', KEYS[1], 'top', #ARGV - 6) - (#ARGV - 7)
  for i = 7, #ARGV do
    redis.call('XADD', KEYS[2], 'MAXLEN', ARGV[3], (first + i - 7) .. '-0', 'p', ARGV[i])
  end
  redis.call('EXPIRE', KEYS[2], ARGV[4])
  redis.call('EXPIRE', KEYS[1], ARGV[5])
end
local told = {ARGV[2] .. '\n' .. epoch .. '\n' .. first}
for i = 7, #ARGV do told[#told + 1] = ARGV[i] end
redis.call(ARGV[1], KEYS[3], table.concat(told, '\n'))
return {epoch, first}",
    )
});

// KEYS meta, history, state of a map. ARGV meta s, epoch if there is none, from (empty: no publications), to, count, 1 for newest
// first, bytes at most, unless the first publication alone is longer.
static READ: LazyLock<Script> = LazyLock::new(|| {
    let body = r"
local epoch, top = epoch_of({meta = KEYS[1], history = KEYS[2], state = KEYS[3], fresh = ARGV[2]})
redis.call('EXPIRE', KEYS[1], ARGV[1])
if ARGV[3] == '' then return {epoch, top, {}} end
local range = ARGV[6] == '1' and 'XREVRANGE' or 'XRANGE'
local found, size, from, left = {}, 0, ARGV[3], tonumber(ARGV[5])
while left > 0 do
  local asked = math.min(left, 16)
  local some = redis.call(range, KEYS[2], from, ARGV[4], 'COUNT', asked)
  for _, one in ipairs(some) do
    size = size + #one[2][2]
    if #found > 0 and size > tonumber(ARGV[7]) then return {epoch, top, found} end
    found[#found + 1] = one
  end
  if #some < asked then break end
  left = left - asked
  from = '(' .. some[asked][1]
end
return {epoch, top, found}";
    Script::new(&format!("{}{body}", map::CHANGE))
});

/// Publishes to `channel`. Answers its place; offset 0 where it is not kept. A repeat answers as the first did, a version
/// that is not new the place of the newest.
///
/// # Errors
/// [`BrokerError::Format`], [`BrokerError::Kind`], [`BrokerError::Bus`].
pub async fn publish(
    bus: &Bus,
    channel: &str,
    options: &Options,
    mut publication: Publication,
    extra: Extra,
) -> Result<Position> {
    if options.subscription_type != SubscriptionType::Stream {
        return Err(BrokerError::Kind);
    }
    check(&mut publication, options)?;
    publication.delta |= options.delta_publish;
    let keeps = options.has_history() && !extra.skip_history;
    let (keys, fan) = (bus.keys(), bus.keys().fan(APPLICATION, channel));
    let window = extra
        .idempotency_key
        .as_ref()
        .map_or(0, |_| REPEAT_WINDOW.as_secs());
    let mut call = PUBLISH.key(keys.live_meta(APPLICATION, channel));
    call.key(keys.live_history(APPLICATION, channel))
        .key(&fan)
        .key(keys.live_result(APPLICATION, channel, &digest(extra.idempotency_key.as_deref())))
        .arg(bus.publish_command(&fan))
        .arg(format!("{APPLICATION}\n{channel}"))
        .arg(Message::Publication(publication).encode())
        .arg(window)
        .arg(if keeps { options.history_size } else { 0 })
        .arg(options.history_ttl.as_secs())
        .arg(meta_seconds(options))
        .arg(fresh_epoch())
        .arg(format!("{:020}", extra.version))
        .arg(extra.version_epoch);
    let (epoch, offset): (String, u64) = call.invoke_async(&mut bus.shared()).await.map_err(Error::from)?;
    Ok(Position { epoch, offset })
}

/// Publishes several to `channel`, one behind the other, with nothing between them and in one step: a burst costs Redis and
/// every node little more than one publication. [`RUN`] at most. Answers for each as [`publish`] does.
///
/// # Errors
/// Of each [`BrokerError::Format`]; of all [`BrokerError::Kind`], [`BrokerError::Bus`].
pub async fn publish_run(
    bus: &Bus,
    channel: &str,
    options: &Options,
    publications: Vec<Publication>,
) -> Result<Vec<Result<Position>>> {
    if options.subscription_type != SubscriptionType::Stream {
        return Err(BrokerError::Kind);
    }
    let fan = bus.keys().fan(APPLICATION, channel);
    let mut call = PUBLISH_RUN.key(bus.keys().live_meta(APPLICATION, channel));
    call.key(bus.keys().live_history(APPLICATION, channel))
        .key(&fan)
        .arg(bus.publish_command(&fan))
        .arg(format!("{APPLICATION}\n{channel}"))
        .arg(if options.has_history() {
            options.history_size
        } else {
            0
        })
        .arg(options.history_ttl.as_secs())
        .arg(meta_seconds(options))
        .arg(fresh_epoch());
    let mut checked = Vec::with_capacity(publications.len().min(RUN));
    for mut publication in publications.into_iter().take(RUN) {
        let good = check(&mut publication, options);
        if good.is_ok() {
            publication.delta |= options.delta_publish;
            call.arg(Message::Publication(publication).encode());
        }
        checked.push(good);
    }
    let mut at = Position {
        epoch: String::new(),
        offset: 0,
    };
    if checked.iter().any(Result::is_ok) {
        (at.epoch, at.offset) = call.invoke_async(&mut bus.shared()).await.map_err(Error::from)?;
    }
    let step = u64::from(at.offset > 0);
    let places = checked.into_iter().map(|good| {
        good?;
        let place = at.clone();
        at.offset += step;
        Ok(place)
    });
    Ok(places.collect())
}

/// Where `channel` stands. Begins its stream if there is none yet; where none is kept, nowhere: an empty epoch.
///
/// # Errors
/// [`BrokerError::Bus`].
pub async fn position(bus: &Bus, channel: &str, options: &Options) -> Result<Position> {
    Ok(history(bus, channel, options, None, 0, false).await?.position)
}

/// Where each of `channels` stands, in one round trip; `None` for one whose stream has not begun, or has ended. What stands lasts
/// from now on, as if it had been looked at alone ([`position`]).
///
/// # Errors
/// [`BrokerError::Bus`].
pub async fn positions<'a>(
    bus: &Bus,
    channels: impl Iterator<Item = (&'a str, Arc<Options>)>,
) -> std::result::Result<Vec<Option<Position>>, Error> {
    let mut pipe = redis::pipe();
    let mut all = Vec::new();
    for (channel, options) in channels {
        let meta = bus.keys().live_meta(APPLICATION, channel);
        all.push(options.has_history());
        if options.has_history() {
            pipe.cmd("HMGET").arg(&meta).arg("epoch").arg("top");
            pipe.cmd("EXPIRE").arg(&meta).arg(meta_seconds(&options)).ignore();
        }
    }
    let mut found = Vec::new();
    // the driver sends no empty pipeline
    if !pipe.is_empty() {
        found = pipe
            .query_async::<Vec<(Option<String>, Option<u64>)>>(&mut bus.shared())
            .await?;
    }
    let mut found = found.into_iter();
    let places = all.into_iter().map(|kept| match kept.then(|| found.next()) {
        Some(Some((Some(epoch), Some(offset)))) => Some(Position { epoch, offset }),
        _ => None,
    });
    Ok(places.collect())
}

/// Reads `channel`'s history: after `since` oldest first, or before it newest first when `reverse`; from the oldest or the
/// newest on without `since`. `limit` 0 is the position only, below 0 [`PAGE`], and never more than [`LONGEST_PAGE`]. The
/// position is that of the same instant.
///
/// # Errors
/// [`BrokerError::Unrecoverable`] when `since` is of another epoch; an empty one is any.
pub async fn history(
    bus: &Bus,
    channel: &str,
    options: &Options,
    since: Option<Position>,
    limit: i32,
    reverse: bool,
) -> Result<History> {
    history_within(bus, channel, options, since, limit, reverse, WHATEVER_SIZE).await
}

/// As [`history`], and no more publications than take `bytes`, but one at least.
///
/// # Errors
/// As [`history`].
pub async fn history_within(
    bus: &Bus,
    channel: &str,
    options: &Options,
    since: Option<Position>,
    limit: i32,
    reverse: bool,
    bytes: usize,
) -> Result<History> {
    if !options.has_history() {
        return nothing_kept(since.as_ref());
    }
    let (from, to) = match (since.as_ref().map(|since| since.offset), reverse) {
        (None, false) => ("-".to_owned(), "+"),
        (None, true) => ("+".to_owned(), "-"),
        (Some(after), false) => (format!("({after}-0"), "+"),
        (Some(before), true) => (format!("({before}-0"), "-"),
    };
    let count = match limit {
        // before the first there is nothing, and Redis knows no such range
        _ if reverse && since.as_ref().is_some_and(|since| since.offset == 0) => 0,
        ..0 => PAGE,
        _ => limit.min(LONGEST_PAGE),
    };
    let [state, ..] = bus.keys().live_map(APPLICATION, channel);
    let mut call = READ.key(bus.keys().live_meta(APPLICATION, channel));
    call.key(bus.keys().live_history(APPLICATION, channel))
        .key(state)
        .arg(meta_seconds(options))
        .arg(fresh_epoch())
        .arg(if count == 0 { "" } else { &from })
        .arg(to)
        .arg(count)
        .arg(i32::from(reverse))
        .arg(bytes.min(WHATEVER_SIZE));
    let (epoch, offset, entries): (String, u64, history::Entries) =
        call.invoke_async(&mut bus.shared()).await.map_err(Error::from)?;
    if since.is_some_and(|since| !since.epoch.is_empty() && since.epoch != epoch) {
        return Err(BrokerError::Unrecoverable);
    }
    Ok(History {
        position: Position { epoch, offset },
        publications: history::publications(entries),
    })
}

/// Forgets what was published on `channel`. Epoch and offset stay, so that nobody takes an old place for a new one.
///
/// # Errors
/// [`BrokerError::Bus`].
pub async fn remove_history(bus: &Bus, channel: &str) -> Result<()> {
    redis::cmd("DEL")
        .arg(bus.keys().live_history(APPLICATION, channel))
        .query_async::<()>(&mut bus.shared())
        .await
        .map_err(Error::from)?;
    Ok(())
}

/// Tells who listens to `channel` now, and keeps nothing: comings and goings.
///
/// # Errors
/// [`BrokerError::Bus`].
pub async fn tell(bus: &Bus, channel: &str, message: &Message) -> Result<()> {
    Ok(history::publish_state(bus, APPLICATION, channel, &message.encode()).await?)
}

/// Data is what the namespace wants, and stands on one line.
pub(super) fn check(publication: &mut Publication, options: &Options) -> Result<()> {
    if !options.publication_data_format.takes(&publication.data) {
        return Err(BrokerError::Format);
    }
    if serde_json::from_slice::<IgnoredAny>(&publication.data).is_ok() {
        publication.data = one_line(&publication.data);
    }
    Ok(())
}

/// A stream that is not kept has no epoch, so that a place in one is of another.
fn nothing_kept(since: Option<&Position>) -> Result<History> {
    if since.is_some_and(|since| !since.epoch.is_empty()) {
        return Err(BrokerError::Unrecoverable);
    }
    Ok(History {
        position: Position {
            epoch: String::new(),
            offset: 0,
        },
        publications: Vec::<(u64, Bytes)>::new(),
    })
}

/// Never 0, which Redis would take for "at once".
pub(super) fn meta_seconds(options: &Options) -> u64 {
    options.history_meta_ttl.max(options.history_ttl).as_secs().max(1)
}

/// Six random bytes: another one for every stream that ever begins on a channel.
pub(super) fn fresh_epoch() -> String {
    hex::encode(&EventId::new().0.as_bytes()[10..])
}

/// Keys are as long as publishers like; names in Redis are not.
pub(super) fn digest(key: Option<&str>) -> String {
    hex::encode(&Sha256::digest(key.unwrap_or_default())[..16])
}

#[cfg(test)]
mod tests;
