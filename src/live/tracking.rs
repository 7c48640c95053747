//! Keys that a client has polled: which it may, and until when.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use signalbox_actors::shared_poll::{TrackError, Tracker, Wanted};
use signalbox_core::live::application::map::MAX_KEY;
use signalbox_core::live::application::shared_poll::Unsigned;

use super::Live;
use super::client::{Answer, Refusal, UNTRACK};
use super::protocol::wire::SubRefreshResult;
use super::protocol::{ReplyError, SubRefreshRequest};

/// Tracks keys whose signatures are good, or ceases to.
///
/// # Errors
/// One signature that is not good refuses them all.
pub fn track(
    live: &Live,
    user: &str,
    tracker: &Tracker,
    request: &SubRefreshRequest,
) -> Result<Answer, Refusal> {
    if request.kind == UNTRACK {
        tracker.untrack(&request.untrack);
        return Ok(Answer::Tracked(SubRefreshResult::default()));
    }
    let now = live.clock.now().unix_timestamp();
    let (mut wanted, mut first_end) = (Vec::new(), None::<i64>);
    for batch in &request.track {
        let keys: Vec<_> = batch.items.iter().map(|item| item.key.as_str()).collect();
        let end = live
            .signatures
            .check(&batch.signature, &keys, user, &request.channel, now)
            .map_err(|unsigned| match unsigned {
                Unsigned::Expired => ReplyError::TokenExpired,
                Unsigned::Invalid => ReplyError::PermissionDenied,
            })?;
        let left = end.map(|end| Duration::from_secs(u64::try_from(end - now).unwrap_or_default()));
        first_end = [first_end, end].into_iter().flatten().min();
        wanted.extend(batch.items.iter().map(|item| Wanted {
            key: item.key.clone(),
            version: item.version,
            until: left.map(|left| Instant::now() + left + GRACE),
        }));
    }
    if wanted.is_empty()
        || wanted
            .iter()
            .any(|one| one.key.is_empty() || one.key.len() > MAX_KEY)
    {
        return Err(ReplyError::BadRequest.into());
    }
    // of a key that comes twice the last counts, and those that were given up since it was signed do not
    wanted.reverse();
    wanted.sort_by(|one, other| one.key.cmp(&other.key));
    wanted.dedup_by(|later, first| later.key == first.key);
    let given_up: HashSet<&String> = request.untrack.iter().collect();
    wanted.retain(|one| !given_up.contains(&one.key));
    if !given_up.is_empty() {
        tracker.untrack(&request.untrack);
    }
    let items = tracker.track(&wanted).map_err(|error| match error {
        TrackError::TooMany => ReplyError::LimitExceeded,
        // lost while this was asked: whoever is still subscribed asks again
        TrackError::Over => ReplyError::Internal,
    })?;
    let ttl = first_end.map(|end| u32::try_from((end - now).max(1)).unwrap_or(u32::MAX));
    Ok(Answer::Tracked(SubRefreshResult {
        expires: ttl.is_some(),
        ttl: ttl.unwrap_or_default(),
        items: items.iter().map(Into::into).collect(),
    }))
}

/// How long a signature that has ended is still served, for a client that is late with the next.
const GRACE: Duration = Duration::from_secs(5);
