//! Keyset pages: `limit`, an opaque `cursor`, `next_cursor`; never OFFSET.

use super::error::{Error, Result};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Serialize, de::DeserializeOwned};
use time::OffsetDateTime;

/// Rows of a page when nothing is asked.
pub const DEFAULT_LIMIT: u32 = 50;
/// Rows of a page at most.
pub const MAX_LIMIT: u32 = 1_000;

/// Checks a page size: 1 to [`MAX_LIMIT`], [`DEFAULT_LIMIT`] when absent.
pub fn limit(asked: Option<u32>) -> Result<u32> {
    match asked {
        None => Ok(DEFAULT_LIMIT),
        Some(n @ 1..=MAX_LIMIT) => Ok(n),
        Some(_) => Err(Error::field(
            "limit",
            "out_of_range",
            format!("limit is between 1 and {MAX_LIMIT}."),
        )),
    }
}

/// Cuts rows, of which one more than a page was read, to the page, and writes where it ended if there is a next one.
pub fn cut<T, C: Serialize>(
    rows: &mut Vec<T>,
    limit: usize,
    end: impl FnOnce(&T) -> C,
) -> Result<Option<String>> {
    let more = rows.len() > limit;
    rows.truncate(limit);
    rows.last()
        .filter(|_| more)
        .map(|last| encode_cursor(&end(last)))
        .transpose()
}

/// Writes where a page ended, so that the next begins there.
pub fn encode_cursor<T: Serialize>(end: &T) -> Result<String> {
    Ok(URL_SAFE_NO_PAD.encode(serde_json::to_vec(end)?))
}

/// The instant a cursor names in microseconds since 1970.
pub fn instant(micros: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(micros) * 1_000)
        .unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

/// An instant as a cursor names it.
pub fn micros(at: OffsetDateTime) -> i64 {
    (at.unix_timestamp_nanos() / 1_000) as i64
}

/// Reads what [`encode_cursor`] wrote; anything else is the caller's mistake.
pub fn decode_cursor<T: DeserializeOwned>(cursor: &str) -> Result<T> {
    URL_SAFE_NO_PAD
        .decode(cursor)
        .ok()
        .and_then(|bytes| serde_json::from_slice(&bytes).ok())
        .ok_or_else(|| {
            Error::field(
                "cursor",
                "unreadable",
                "Use next_cursor of the page before, unchanged, with the same filters and sort.",
            )
        })
}
