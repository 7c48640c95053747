//! Maps: what stands under each key of an application's channel, and the stream of what changes. The stream is the
//! channel's history, with its epoch and offsets, so that whoever follows a map follows it as any other channel.
//!
//! Keys of a map in Redis, beside those of its history, all in the channel's slot: a hash key -> entry
//! (`offset\nversion\ndigest of the version's epoch\npayload`), a sorted set of the keys by which it is read in pages, and one of
//! the keys that lapse by when. Beside them, for all channels of one part of the fan, which channel's keys lapse first.
//!
//! In an ordered map an entry has its [`rank`] behind the digest, after a blank, and is found in the sorted set by rank and key: all
//! of them have the score 0 there and so stand in the order of their bytes, since Redis' own scores hold no more than 53 bits.
//!
//! Invariant: state and stream change together, in one script: a page of the state and the changes after the position it was
//! read at are the map.
//! Invariant: a key that lapses is removed as one that somebody removes, once, whichever node notices ([`sweep`]).
//! A stream that Redis has lost begins anew over the state that is left, and counts on behind the newest of it: what stands is
//! true, and not of an offset that is still to come.

mod presence;
mod read;
#[cfg(test)]
mod tests;

pub(in crate::live) use presence::SHOW;
pub use presence::{Kind, Presences};
pub use read::{After, PAGE_BYTES, Page, clear, page, stats, value};

use super::broker::{self, BrokerError, REPEAT_WINDOW};
use super::{APPLICATION, Message, Namespaces, Options, Publication};
use crate::bus::Bus;
use crate::kernel::error::Error;
use crate::live::position::Position;
use redis::{Script, ScriptInvocation};
use std::sync::LazyLock;

/// Bytes of a key at most.
pub const MAX_KEY: usize = 255;
/// Channels, and keys of each, that [`sweep`] looks at in one step.
const SWEPT: usize = 100;

/// What is done to an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// It is published anew.
    Put(Condition),
    /// It is removed.
    Remove,
}

/// When an entry is published.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Condition {
    /// In any case.
    #[default]
    Always,
    /// If nothing stands under its key.
    IfNew,
    /// If something does.
    IfExists,
}

/// What a publisher may say beside the entry.
#[derive(Clone, Debug, Default)]
pub struct Extra {
    /// Changes under the same key are one, for [`REPEAT_WINDOW`].
    pub idempotency_key: Option<String>,
    /// Of what the entry tells, above 0: one that is not above the version of the entry that stands is dropped.
    pub version: u64,
    /// Versions of another version epoch begin again; empty compares whatever the epoch.
    pub version_epoch: String,
}

/// What became of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// Of the change, or where the map stands.
    pub position: Position,
    /// Why nothing was changed, by Centrifugo's names: `idempotency`, `version`, `key_exists`, `key_not_found`; else empty.
    pub suppressed: String,
}

/// How a script changes a map, whoever runs it: `m` names its keys and bounds.
pub(in crate::live) const CHANGE: &str = r"
local function newest(state)
  local top, cursor = 0, '0'
  repeat
    local some = redis.call('HSCAN', state, cursor, 'COUNT', 500)
    cursor = some[1]
    for i = 2, #some[2], 2 do top = math.max(top, tonumber(string.match(some[2][i], '^%d+')) or 0) end
  until cursor == '0'
  return string.format('%.0f', top)
end
local function epoch_of(m)
  local at = redis.call('HMGET', m.meta, 'epoch', 'top')
  if at[1] then return at[1], at[2] end
  redis.call('DEL', m.history)
  local top = newest(m.state)
  redis.call('HSET', m.meta, 'epoch', m.fresh, 'top', top)
  return m.fresh, top
end
local function place(value, key)
  return string.match(value, '^%d+\n%d+\n%x* ?(%x*)\n') .. key
end
local function change(m, key, payload, head)
  local epoch = epoch_of(m)
  local offset = redis.call('HINCRBY', m.meta, 'top', 1)
  local old = redis.call('HGET', m.state, key)
  if old then redis.call('ZREM', m.index, place(old, key)) end
  if head then
    local value = offset .. '\n' .. head .. '\n' .. payload
    redis.call('HSET', m.state, key, value)
    redis.call('ZADD', m.index, 0, place(value, key))
  else
    redis.call('HDEL', m.state, key)
    redis.call('ZREM', m.lapse, key)
  end
  redis.call('XADD', m.history, 'MAXLEN', m.length, offset .. '-0', 'p', payload)
  redis.call('EXPIRE', m.history, m.history_s)
  redis.call('EXPIRE', m.meta, m.meta_s)
  redis.call(m.command, m.fan, m.header .. '\n' .. epoch .. '\n' .. offset .. '\n' .. payload)
  return epoch, tostring(offset)
end
local function now()
  local t = redis.call('TIME')
  return t[1] * 1000 + math.floor(t[2] / 1000)
end
local function entry(key, rest)
  return '{\34p\34:{\34d\34:null,\34m\34:' .. string.format('%.0f', now()) .. ',\34k\34:' .. cjson.encode(key) .. rest .. '}}'
end
local function bound(keys, args)
  return {meta = KEYS[keys], history = KEYS[keys + 1], fan = KEYS[keys + 2], state = KEYS[keys + 3], index = KEYS[keys + 4],
    lapse = KEYS[keys + 5], users = KEYS[keys + 6], command = ARGV[args], header = ARGV[args + 1], length = ARGV[args + 2],
    history_s = ARGV[args + 3], meta_s = ARGV[args + 4], fresh = ARGV[args + 5]}
end
";
/// Adds what `bound` of [`CHANGE`] takes, in its order.
pub(in crate::live) fn bind(call: &mut ScriptInvocation<'_>, bus: &Bus, channel: &str, options: &Options) {
    let keys = bus.keys();
    let fan = keys.fan(APPLICATION, channel);
    call.key(keys.live_meta(APPLICATION, channel))
        .key(keys.live_history(APPLICATION, channel))
        .key(&fan);
    for key in keys.live_map(APPLICATION, channel) {
        call.key(key);
    }
    call.arg(bus.publish_command(&fan))
        .arg(format!("{APPLICATION}\n{channel}"))
        .arg(options.history_size)
        .arg(options.history_ttl.as_secs())
        .arg(broker::meta_seconds(options))
        .arg(broker::fresh_epoch());
}

// KEYS those of `bound`, lapse of all, result. ARGV those of `bound`, then channel, ms until the key lapses (0: never), act, key,
// payload, repeat window s (0: no key), version as 20 digits, digest of its epoch, condition, most keys, a blank and the rank
// (empty: not ordered).
static WRITE: LazyLock<Script> = LazyLock::new(|| {
    let body = r"
local m = bound(1, 1)
local channel, lasts, act, key, payload = ARGV[7], tonumber(ARGV[8]), ARGV[9], ARGV[10], ARGV[11]
local window, version, version_epoch, condition = ARGV[12], ARGV[13], ARGV[14], ARGV[15]
if window ~= '0' then
  local before = redis.call('HMGET', KEYS[9], 'epoch', 'offset')
  if before[1] then return {before[1], before[2], 'idempotency'} end
end
local epoch, offset = epoch_of(m)
local old = redis.call('HGET', m.state, key)
local due = old and redis.call('ZSCORE', m.lapse, key)
local stands = old and not (due and tonumber(due) <= now())
local why = ''
if act == 'remove' or condition == 'if_exists' then
  if not stands then why = 'key_not_found' end
elseif condition == 'if_new' and stands then
  why = 'key_exists'
end
if why == '' and act == 'put' then
  if stands and version ~= '00000000000000000000' then
    local at, of = string.match(old, '^%d+\n(%d+)\n(%x*)')
    if at >= version and (version_epoch == '' or version_epoch == of) then why = 'version' end
  end
  if not old and redis.call('HLEN', m.state) >= tonumber(ARGV[16]) then return {epoch, offset, 'full'} end
end
if why == '' then
  epoch, offset = change(m, key, payload, act == 'put' and version .. '\n' .. version_epoch .. ARGV[17])
  if act == 'put' and lasts > 0 then
    local at = string.format('%.0f', now() + lasts)
    redis.call('ZADD', m.lapse, at, key)
    redis.call('ZADD', KEYS[8], 'LT', at, channel)
  elseif act == 'put' then
    redis.call('ZREM', m.lapse, key)
  end
end
if window ~= '0' then
  redis.call('HSET', KEYS[9], 'epoch', epoch, 'offset', offset)
  redis.call('EXPIRE', KEYS[9], window)
end
return {epoch, offset, why}";
    Script::new(&format!("{CHANGE}{body}"))
});

/// Changes what stands under `publication.key` in the map `channel`.
///
/// # Errors
/// [`BrokerError::Key`] for a key that is missing or too long, [`BrokerError::Format`], [`BrokerError::Full`], [`BrokerError::Kind`]
/// for a channel that is no map or is written by the hub, [`BrokerError::Bus`].
pub async fn change(
    bus: &Bus,
    channel: &str,
    options: &Options,
    change: Change,
    mut publication: Publication,
    extra: Extra,
) -> Result<Changed, BrokerError> {
    let kind = options.subscription_type;
    if !kind.is_map() || kind.is_presence() {
        return Err(BrokerError::Kind);
    }
    let key = publication.key.clone().unwrap_or_default();
    if key.is_empty() || key.len() > MAX_KEY {
        return Err(BrokerError::Key);
    }
    publication.removed = change == Change::Remove;
    if publication.removed {
        publication.data = "null".into();
        publication.score = 0;
    } else {
        broker::check(&mut publication, options)?;
        publication.delta |= options.delta_publish;
    }
    let rank = if options.map.ordered {
        format!(" {}", rank(publication.score))
    } else {
        String::new()
    };
    let window = extra
        .idempotency_key
        .as_ref()
        .map_or(0, |_| REPEAT_WINDOW.as_secs());
    let (act, condition) = match change {
        Change::Remove => ("remove", Condition::Always),
        Change::Put(condition) => ("put", condition),
    };
    let mut call = WRITE.prepare_invoke();
    bind(&mut call, bus, channel, options);
    call.key(bus.keys().live_lapse(APPLICATION, channel))
        .key(bus.keys().live_result(
            APPLICATION,
            channel,
            &broker::digest(extra.idempotency_key.as_deref()),
        ))
        .arg(channel)
        .arg(options.map.key_ttl.as_millis() as u64)
        .arg(act)
        .arg(key)
        .arg(Message::Publication(publication).encode())
        .arg(window)
        .arg(format!("{:020}", extra.version))
        .arg(version_epoch(&extra.version_epoch))
        .arg(match condition {
            Condition::Always => "",
            Condition::IfNew => "if_new",
            Condition::IfExists => "if_exists",
        })
        .arg(options.map.most_keys())
        .arg(rank);
    let (epoch, offset, suppressed): (String, u64, String) =
        call.invoke_async(&mut bus.shared()).await.map_err(Error::from)?;
    if suppressed == "full" {
        return Err(BrokerError::Full);
    }
    Ok(Changed {
        position: Position { epoch, offset },
        suppressed,
    })
}

/// Texts of one length that stand in the order of the scores, whichever they are.
fn rank(score: i64) -> String {
    format!("{:016x}", score.cast_unsigned() ^ (1 << 63))
}

/// Of one length and without line breaks, whatever a publisher calls it.
fn version_epoch(epoch: &str) -> String {
    if epoch.is_empty() {
        String::new()
    } else {
        broker::digest(Some(epoch))
    }
}

// KEYS those of `bound`, lapse of all. ARGV those of `bound`, then channel, keys at most.
static LAPSE: LazyLock<Script> = LazyLock::new(|| {
    let body = r"
local m = bound(1, 1)
local due = redis.call('ZRANGEBYSCORE', m.lapse, '-inf', string.format('%.0f', now()), 'LIMIT', 0, ARGV[8])
for _, key in ipairs(due) do change(m, key, entry(key, ',\34r\34:true')) end
local first = redis.call('ZRANGE', m.lapse, 0, 0, 'WITHSCORES')
if first[2] then redis.call('ZADD', KEYS[8], first[2], ARGV[7]) else redis.call('ZREM', KEYS[8], ARGV[7]) end
return #due";
    Script::new(&format!("{CHANGE}{body}"))
});

/// Removes keys whose time is over, from all maps; how many. Any node may do it, at any time.
///
/// # Errors
/// Redis does not answer; some may be removed.
pub async fn sweep(bus: &Bus, namespaces: &Namespaces) -> Result<usize, Error> {
    let mut removed = 0;
    for all in bus.keys().live_lapses() {
        loop {
            let channels: Vec<String> = DUE.key(&all).arg(SWEPT).invoke_async(&mut bus.shared()).await?;
            let mut gone = 0;
            for channel in &channels {
                gone += lapse(bus, namespaces, &all, channel).await?;
            }
            removed += gone;
            if channels.len() < SWEPT || gone == 0 {
                break;
            }
        }
    }
    Ok(removed)
}

/// Removes the keys of one map whose time is over, some at a time, so that Redis is never held up.
async fn lapse(bus: &Bus, namespaces: &Namespaces, all: &str, channel: &str) -> Result<usize, Error> {
    // of a namespace that is no more, keys lapse as they were meant to
    let unknown = Options::default();
    let options = namespaces.of(channel).map_or(&unknown, AsRef::as_ref);
    let mut removed = 0;
    loop {
        let mut call = LAPSE.prepare_invoke();
        bind(&mut call, bus, channel, options);
        call.key(all).arg(channel).arg(SWEPT);
        let gone = call.invoke_async::<usize>(&mut bus.shared()).await?;
        removed += gone;
        if gone < SWEPT {
            return Ok(removed);
        }
    }
}

// KEYS lapse of all. ARGV channels at most. By Redis' clock, which all nodes share.
static DUE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
local t = redis.call('TIME')
local now = string.format('%.0f', t[1] * 1000 + math.floor(t[2] / 1000))
return redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, ARGV[1])",
    )
});
