//! Reading what stands in a map.

use super::{CHANGE, Error, Message, Options, Position, Publication, Script, bind};
use crate::bus::Bus;
use crate::live::application::APPLICATION;
use bytes::Bytes;
use redis::RedisError;
use std::sync::LazyLock;

/// Bytes of one page at most, unless its first entry alone is longer: a page goes out in one message.
pub const PAGE_BYTES: usize = 256 * 1024;

/// Some entries of a map: by key, or in an ordered map by score and key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// Epoch and offset at the moment the page was read.
    pub epoch: String,
    /// See `epoch`.
    pub offset: u64,
    /// Each with the offset of its last change and its payload, as it stands in the stream.
    pub entries: Vec<(u64, Bytes)>,
    /// Where the next page begins, if there is more: for [`page`] alone to read.
    pub next: Option<String>,
}

// KEYS those of `bound`. ARGV those of `bound`, then what the page before ended with (empty: from the first), entries at most,
// bytes at most, order (desc: from the last), the only key (empty: all). An entry that was published while the map was not
// ordered, or no longer is, stands among the others by the other kind of place.
static PAGE: LazyLock<Script> = LazyLock::new(|| {
    let body = r"
local m = bound(1, 1)
local epoch, top = epoch_of(m)
redis.call('EXPIRE', m.meta, m.meta_s)
local after, most, bytes = ARGV[7], tonumber(ARGV[8]), tonumber(ARGV[9])
if ARGV[11] ~= '' then
  return {epoch, top, '', {redis.call('HGET', m.state, ARGV[11]) or nil}}
end
local places
if ARGV[10] == 'desc' then
  places = redis.call('ZREVRANGEBYLEX', m.index, after == '' and '+' or '(' .. after, '-', 'LIMIT', 0, most + 1)
else
  places = redis.call('ZRANGEBYLEX', m.index, after == '' and '-' or '(' .. after, '+', 'LIMIT', 0, most + 1)
end
local function at(found)
  for _, key in ipairs({found, string.sub(found, 17)}) do
    local value = redis.call('HGET', m.state, key)
    if value and place(value, key) == found then return value end
  end
end
local found, size, last, more = {}, 0, '', ''
for _, where in ipairs(places) do
  local value = at(where)
  if value then
    if #found >= most or (size > 0 and size + #value > bytes) then
      more = last
      break
    end
    size = size + #value
    found[#found + 1] = value
    last = where
  end
end
return {epoch, top, more, found}";
    Script::new(&format!("{CHANGE}{body}"))
});

/// Behind what one reads on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct After<'a> {
    /// [`Page::next`] of the page before; empty for the first.
    pub place: &'a str,
    /// Of an ordered map: from the lowest score instead of the highest. All pages want the same.
    pub ascending: bool,
}

/// Reads what stands behind another page, at most `limit` entries and [`PAGE_BYTES`].
///
/// Every entry that is not changed while pages are read is on one of them, and on no other.
///
/// # Errors
/// Redis does not answer.
pub async fn page(
    bus: &Bus,
    channel: &str,
    options: &Options,
    after: After<'_>,
    limit: usize,
) -> Result<Page, Error> {
    read(bus, channel, options, after, limit, "").await
}

/// Reads what stands under `key`: one entry, or none.
///
/// # Errors
/// Redis does not answer.
pub async fn value(bus: &Bus, channel: &str, options: &Options, key: &str) -> Result<Page, Error> {
    read(bus, channel, options, After::default(), 1, key).await
}

async fn read(
    bus: &Bus,
    channel: &str,
    options: &Options,
    after: After<'_>,
    limit: usize,
    only: &str,
) -> Result<Page, Error> {
    let downwards = options.map.ordered && !after.ascending;
    let mut call = PAGE.prepare_invoke();
    bind(&mut call, bus, channel, options);
    call.arg(after.place)
        .arg(limit)
        .arg(PAGE_BYTES)
        .arg(if downwards { "desc" } else { "asc" })
        .arg(only);
    let (epoch, offset, next, found): (String, u64, String, Vec<Vec<u8>>) =
        call.invoke_async(&mut bus.shared()).await?;
    let entries = found.into_iter().filter_map(|value| parse(value.into()));
    Ok(Page {
        epoch,
        offset,
        entries: entries.collect(),
        next: (!next.is_empty()).then_some(next),
    })
}

/// Offset and payload of an entry; `None` when it is none of ours.
fn parse(value: Bytes) -> Option<(u64, Bytes)> {
    let mut parts = value.splitn(4, |byte| *byte == b'\n');
    let offset = std::str::from_utf8(parts.next()?).ok()?.parse().ok()?;
    let payload = parts.nth(2)?;
    Some((offset, value.slice_ref(payload)))
}

impl Page {
    /// The entries as publications; what cannot be read is left out.
    pub fn publications(&self) -> impl Iterator<Item = (u64, Publication)> {
        self.entries
            .iter()
            .filter_map(|(offset, payload)| match Message::parse(payload)? {
                Message::Publication(publication) => Some((*offset, publication)),
                Message::Join(_) | Message::Leave(_) => None,
            })
    }

    /// Where the map stood.
    pub fn position(&self) -> Position {
        Position {
            epoch: self.epoch.clone(),
            offset: self.offset,
        }
    }
}

/// How many entries stand in a map.
///
/// # Errors
/// Redis does not answer.
pub async fn stats(bus: &Bus, channel: &str) -> Result<u64, Error> {
    let [state, ..] = bus.keys().live_map(APPLICATION, channel);
    let count: Result<u64, RedisError> = redis::cmd("HLEN").arg(state).query_async(&mut bus.shared()).await;
    Ok(count?)
}

// KEYS those of `bound`. ARGV those of `bound`. A batch of nothing tells every node to look at what is stored.
static CLEAR: LazyLock<Script> = LazyLock::new(|| {
    let body = r"
local m = bound(1, 1)
redis.call('DEL', m.meta, m.history, m.state, m.index, m.lapse)
local epoch = epoch_of(m)
redis.call('EXPIRE', m.meta, m.meta_s)
redis.call(m.command, m.fan, m.header .. '\n' .. epoch .. '\n1')
return 1";
    Script::new(&format!("{CHANGE}{body}"))
});

/// Forgets everything that stands in a map and its stream. Another epoch begins: whoever follows it reads it again.
///
/// # Errors
/// Redis does not answer.
pub async fn clear(bus: &Bus, channel: &str, options: &Options) -> Result<(), Error> {
    let mut call = CLEAR.prepare_invoke();
    bind(&mut call, bus, channel, options);
    call.invoke_async::<()>(&mut bus.shared()).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_bytes_are_read_as_an_entry_or_refused_and_never_panic(
            bytes in prop_oneof![
                prop::collection::vec(any::<u8>(), 0..80),
                "[0-9]{0,21}\n[0-9]{0,20}\n[0-9a-f]{0,32}( [0-9a-f]{16})?\n.{0,20}".prop_map(String::into_bytes),
            ],
        ) {
            let value = Bytes::from(bytes);
            if let Some((offset, payload)) = parse(value.clone()) {
                prop_assert!(value.starts_with(offset.to_string().as_bytes()) || value.starts_with(b"0") || value.starts_with(b"+"));
                prop_assert!(value.ends_with(&payload));
            }
        }
    }
}
