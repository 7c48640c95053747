//! Reading the stored stream: for a follower that comes, and for a channel that lost something on the bus.

use std::sync::Arc;
use std::time::Duration;

use signalbox_core::Store;
use signalbox_core::kernel::error::Result;
use signalbox_core::live::history::{self as stored, History};
use signalbox_core::live::position::{self, Position};
use signalbox_core::live::view::ViewClass;
use tokio::sync::Semaphore;

use super::channel::Page;
use super::publication::{ChannelKey, Place, Publication};

/// How many publications a coming follower gets at most; beyond it, it fetches the present state instead.
const RECOVERY_LIMIT: usize = 300;

/// Publications read at once.
const PAGE: usize = 500;

/// Publications looked through at most for one follower, seen or not by it.
const LOOKED_THROUGH: usize = 5_000;

/// Reads of one node under way at once, so that a thousand followers coming back leave Redis room for the rest.
static READS: Semaphore = Semaphore::const_new(64);

/// Tries to read, and the pause between them: together as long as the node stands an outage of the bus.
const TRIES: usize = 16;
const PAUSE: Duration = Duration::from_millis(250);

/// Where a follower begins, and what it missed.
#[derive(Debug)]
pub(super) struct Beginning {
    pub(super) place: Place,
    pub(super) recovered: bool,
    pub(super) missed: Vec<(String, u64)>,
}

/// What was stored after `since`, for a channel whose followers may have missed some of it.
pub(super) async fn page(store: &Store, key: &ChannelKey, since: u64) -> Page {
    for _ in 0..TRIES {
        match look(store, key, since).await {
            Ok((Some(history), place)) => {
                let publications = publications(key, &place, history);
                return Page::History {
                    top: place,
                    publications,
                };
            }
            Ok((None, place)) => return Page::Unpublished { epoch: place.epoch },
            Err(error) => {
                tracing::debug!(channel = %key.name, %error, "live history could not be read; trying again");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
    Page::Unreachable
}

/// Where a follower begins that was last at `since`. Without `since` it begins at the top.
///
/// Not recovered when the stream is of another generation, when something it has not seen is no longer stored, or when
/// more than [`RECOVERY_LIMIT`] events it may see were missed. Events it may not see do not count. Redis may also be
/// behind `since`: a list was read the moment its newest change was committed, or Redis was emptied or brought back
/// older. What is missing there comes over the bus, so nothing was missed.
pub(super) async fn begin(
    store: &Store,
    key: &ChannelKey,
    since: Option<&Place>,
    class: ViewClass,
) -> Result<Beginning> {
    let Some(since) = since else {
        let (_, place) = look(store, key, u64::MAX - 1).await?;
        return Ok(Beginning::afresh(place));
    };
    let mut at = since.offset;
    let mut looked = 0;
    let mut missed = Vec::new();
    loop {
        let (history, place) = look(store, key, at).await?;
        let same_stream = since.epoch.is_empty() || since.epoch == place.epoch;
        let behind = !same_stream || at > place.offset || (history.is_none() && at < place.offset);
        if behind && looked == 0 && will_follow(store, key, since).await? {
            let epoch = if same_stream {
                place.epoch
            } else {
                since.epoch.clone()
            };
            let place = Place { epoch, offset: at };
            return Ok(Beginning::recovered(place, missed));
        }
        if !same_stream || at > place.offset {
            return Ok(Beginning::afresh(place));
        }
        for publication in history.map_or_else(Vec::new, |history| publications(key, &place, history)) {
            if publication.offset != at + 1 {
                return Ok(Beginning::afresh(place));
            }
            at = publication.offset;
            looked += 1;
            missed.extend(publication.event(class).map(|event| (event, at)));
        }
        if missed.len() > RECOVERY_LIMIT {
            return Ok(Beginning::afresh(place));
        }
        if at >= place.offset {
            return Ok(Beginning::recovered(Place { offset: at, ..place }, missed));
        }
        // an empty page below the top: what is missing is gone
        let stuck = looked == 0 || looked % PAGE != 0;
        if stuck || looked >= LOOKED_THROUGH {
            return Ok(Beginning::afresh(place));
        }
    }
}

/// Whether PostgreSQL vouches for what comes after `since`, whatever Redis has.
async fn will_follow(store: &Store, key: &ChannelKey, since: &Place) -> Result<bool> {
    let since = Position {
        epoch: since.epoch.to_string(),
        offset: since.offset,
    };
    let mut tx = store.db.primary(key.organization).await?;
    position::continues(&mut tx, key.organization, &key.name, &since).await
}

impl Beginning {
    /// The follower fetches the present state instead.
    fn afresh(place: Place) -> Self {
        Self {
            place,
            recovered: false,
            missed: Vec::new(),
        }
    }

    fn recovered(place: Place, missed: Vec<(String, u64)>) -> Self {
        Self {
            place,
            recovered: true,
            missed,
        }
    }
}

async fn look(store: &Store, key: &ChannelKey, since: u64) -> Result<(Option<History>, Place)> {
    // never closed, so never an error
    let _turn = READS.acquire().await;
    let history = stored::read(&store.bus, key.organization, &key.name, since, PAGE).await?;
    let position = if let Some(history) = &history {
        history.position.clone()
    } else {
        let mut tx = store.db.primary(key.organization).await?;
        position::read(&mut tx, key.organization, &key.name).await?
    };
    Ok((
        history,
        Place {
            epoch: position.epoch.into(),
            offset: position.offset,
        },
    ))
}

fn publications(key: &ChannelKey, place: &Place, history: History) -> Vec<Arc<Publication>> {
    let all = history.publications.into_iter();
    all.map(|(offset, payload)| Publication::new(key.clone(), place.epoch.clone(), offset, payload))
        .collect()
}
