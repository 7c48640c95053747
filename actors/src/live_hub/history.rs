//! Reading the stored stream: for a follower that comes, and for a channel that lost something on the bus.

use std::sync::Arc;
use std::time::Duration;

use signalbox_core::Store;
use signalbox_core::kernel::error::Result;
use signalbox_core::live::history::{self as stored, History};
use signalbox_core::live::position;
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
/// more than [`RECOVERY_LIMIT`] events it may see were missed. Events it may not see do not count.
pub(super) async fn begin(
    store: &Store,
    key: &ChannelKey,
    since: Option<&Place>,
    class: ViewClass,
) -> Result<Beginning> {
    let mut at = since.map_or(u64::MAX - 1, |place| place.offset);
    let mut looked = 0;
    let mut missed = Vec::new();
    loop {
        let (history, place) = look(store, key, at).await?;
        let afresh = |place| {
            Ok(Beginning {
                place,
                recovered: false,
                missed: Vec::new(),
            })
        };
        let Some(since) = since else { return afresh(place) };
        let same_stream = since.epoch.is_empty() || since.epoch == place.epoch;
        if !same_stream || at > place.offset {
            return afresh(place);
        }
        for publication in history.map_or_else(Vec::new, |history| publications(key, &place, history)) {
            if publication.offset != at + 1 {
                return afresh(place);
            }
            at = publication.offset;
            looked += 1;
            missed.extend(publication.event(class).map(|event| (event, at)));
        }
        if at >= place.offset {
            let place = Place { offset: at, ..place };
            return Ok(Beginning {
                place,
                recovered: missed.len() <= RECOVERY_LIMIT,
                missed,
            }
            .or_afresh());
        }
        // an empty page below the top: what is missing is gone
        let stuck = looked == 0 || looked % PAGE != 0;
        if stuck || missed.len() > RECOVERY_LIMIT || looked >= LOOKED_THROUGH {
            return afresh(place);
        }
    }
}

impl Beginning {
    fn or_afresh(self) -> Self {
        let missed = if self.recovered { self.missed } else { Vec::new() };
        Self { missed, ..self }
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
