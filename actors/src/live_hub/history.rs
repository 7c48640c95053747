//! Reading the stored stream: for a follower that comes, and for a channel that lost something on the bus.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use signalbox_core::Store;
use signalbox_core::fault;
use signalbox_core::kernel::error::{Error, Result};
use signalbox_core::live::application::broker::{self, BrokerError};
use signalbox_core::live::application::{Namespaces, Options};
use signalbox_core::live::history::{self as stored, History, Part};
use signalbox_core::live::position::{self, Position};
use signalbox_core::live::published::Published;
use signalbox_core::live::scope;
use tokio::sync::Semaphore;
use uuid::Uuid;

use super::bases::Bases;
use super::channel::Page;
use super::publication::{ChannelKey, Item, Place, Publication, View};

/// Publications read at once, and of an application's channel their bytes: it publishes what it likes, and many may come back
/// together.
const PAGE: usize = 500;
const PAGE_BYTES: usize = 1024 * 1024;

/// Publications that one follower is given of what it missed at most.
const RECOVERED: usize = 5_000;

/// Publications looked through at most for one follower, seen or not by it: twice what the hub's own channels keep.
const LOOKED_THROUGH: usize = 20_000;

/// Reads of one node under way at once, so that a thousand followers coming back leave Redis room for the rest.
pub(super) static READS: Semaphore = Semaphore::const_new(64);

/// Tries to read, and the pause between them: together as long as the node stands an outage of the bus.
const TRIES: usize = 16;
const PAUSE: Duration = Duration::from_millis(250);

/// What a channel keeps, as far as its followers are concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Keeps {
    /// Nothing: what is missed is gone.
    Nothing,
    /// A stream: whoever comes back is given what it missed.
    #[default]
    Stream,
    /// The newest publication, given to whoever comes.
    Newest,
}

/// Where a follower begins, and what it missed.
#[derive(Debug)]
pub(super) struct Beginning {
    pub(super) place: Place,
    pub(super) recovered: bool,
    pub(super) missed: Vec<Item>,
}

/// What somebody wants of a channel's past.
#[derive(Debug, Clone)]
pub struct Past {
    /// From here on, itself not included; else from one end.
    pub since: Option<Place>,
    /// At most so many; 0 asks for the position alone.
    pub limit: usize,
    /// And no more than take so many bytes, but one at least.
    pub bytes: usize,
    /// Newest first, and before `since`.
    pub reverse: bool,
}

/// Where streams are stored: the hub's own by its relay, the application's by who publishes.
#[derive(Clone)]
pub(super) struct Stored {
    pub(super) store: Store,
    pub(super) namespaces: Arc<Namespaces>,
}

impl Stored {
    /// What was stored after `since`, for a channel whose followers may have missed some of it.
    pub(super) async fn page(&self, key: &ChannelKey, since: u64) -> Page {
        for _ in 0..TRIES {
            match self.look(key, since, PAGE, PAGE_BYTES).await {
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
    /// more than `most_bytes` or [`RECOVERED`] of what it may see were missed. Events it may not see do not count. Redis may also be
    /// behind `since`: a list was read the moment its newest change was committed, or Redis was emptied or brought back
    /// older. What is missing there comes over the bus, so nothing was missed.
    pub(super) async fn begin(
        &self,
        key: &ChannelKey,
        since: Option<&Place>,
        view: &View,
        keeps: Keeps,
        most_bytes: usize,
    ) -> Result<Beginning> {
        fault::point("live.begin").await;
        match (keeps, since) {
            (Keeps::Nothing, _) => Ok(Beginning::afresh(Place::nowhere())),
            (Keeps::Newest, _) => self.newest(key, since, view).await,
            (Keeps::Stream, None) => Ok(Beginning::afresh(self.top(key).await?)),
            (Keeps::Stream, Some(since)) => self.resume(key, since, view, most_bytes).await,
        }
    }

    async fn resume(
        &self,
        key: &ChannelKey,
        since: &Place,
        view: &View,
        most_bytes: usize,
    ) -> Result<Beginning> {
        let mut at = since.offset;
        let mut looked = 0;
        let mut missed = Missed::new(view);
        loop {
            let (history, place) = self.look(key, at, PAGE, PAGE_BYTES).await?;
            let same_stream = since.epoch.is_empty() || since.epoch == place.epoch;
            let behind = !same_stream || at > place.offset || (history.is_none() && at < place.offset);
            if behind && looked == 0 && self.will_follow(key, since).await? {
                let epoch = if same_stream {
                    place.epoch
                } else {
                    since.epoch.clone()
                };
                let place = Place { epoch, offset: at };
                return Ok(Beginning::recovered(place, missed.finish()));
            }
            if !same_stream || at > place.offset {
                return Ok(Beginning::afresh(place));
            }
            let page = history.map_or_else(Vec::new, |history| publications(key, &place, history));
            let is_empty = page.is_empty();
            for publication in page {
                if publication.offset != at + 1 {
                    return Ok(Beginning::afresh(place));
                }
                at = publication.offset;
                looked += 1;
                missed.add(&publication);
            }
            if missed.bytes > most_bytes || missed.items.len() > RECOVERED {
                return Ok(Beginning::afresh(place));
            }
            if at >= place.offset {
                return Ok(Beginning::recovered(
                    Place { offset: at, ..place },
                    missed.finish(),
                ));
            }
            // an empty page below the top: what is missing is gone
            if is_empty || looked >= LOOKED_THROUGH {
                return Ok(Beginning::afresh(place));
            }
        }
    }

    /// The newest publication alone, unless the follower has it.
    async fn newest(&self, key: &ChannelKey, since: Option<&Place>, view: &View) -> Result<Beginning> {
        let place = self.top(key).await?;
        if place.offset == 0 {
            return Ok(Beginning::afresh(place));
        }
        let mut missed = Missed::new(view);
        if since != Some(&place) {
            let (history, _) = self.look(key, place.offset - 1, 1, usize::MAX).await?;
            let stored = history.map_or_else(Vec::new, |history| publications(key, &place, history));
            let newest = stored
                .into_iter()
                .find(|publication| publication.offset == place.offset);
            let Some(newest) = newest else {
                return Ok(Beginning::afresh(place));
            };
            missed.add(&newest);
        }
        Ok(Beginning::recovered(place, missed.finish()))
    }

    /// A part of the past as `view` may see it, and where the stream stands. `None` when `since` is of another generation.
    pub(super) async fn past(
        &self,
        key: &ChannelKey,
        view: &View,
        past: Past,
    ) -> Result<Option<(Place, Vec<Item>)>> {
        let since = past.since.as_ref();
        let stretch = match (since, past.reverse) {
            (since, false) => Part::After(since.map_or(0, |since| since.offset)),
            (since, true) => Part::Before(since.map(|since| since.offset)),
        };
        // place and publications of one instant: none is beyond the place
        let (history, place) = self.look_at(key, stretch, past.limit, usize::MAX).await?;
        if since.is_some_and(|since| !since.epoch.is_empty() && since.epoch != place.epoch) {
            return Ok(None);
        }
        let mut all = history.map_or_else(Vec::new, |history| publications(key, &place, history));
        if !view.sight.is_whole() {
            self.forget_unseen(key, view, since.is_some(), &mut all).await?;
        }
        let mut bytes = 0;
        let items = all
            .into_iter()
            .filter_map(|publication| publication.item(view, None))
            .take_while(|item| {
                let first = bytes == 0;
                bytes += item.cost();
                first || bytes <= past.bytes
            })
            .collect();
        Ok(Some((place, items)))
    }

    /// Takes out what is of people who are out of sight by now. Whoever knows a place may hold their rows: to them is told
    /// who left.
    async fn forget_unseen(
        &self,
        key: &ChannelKey,
        view: &View,
        knows_a_place: bool,
        all: &mut Vec<Arc<Publication>>,
    ) -> Result<()> {
        let events = all.iter().filter_map(|publication| publication.event());
        let people: Vec<_> = events.flat_map(Published::people).collect();
        let mut tx = self.store.db.primary(key.organization).await?;
        let now = scope::present(&mut tx, key.organization, &people).await?;
        all.retain(|publication| {
            publication.event().is_some_and(|event| {
                let left = matches!(event.moves(&view.sight), Some((_, true, false)));
                (left && knows_a_place) || event.is_in_sight_now(&view.sight, &now)
            })
        });
        Ok(())
    }

    /// Where each channel stands in Redis, in one round trip; `None` for one of which it knows nothing, and for one that keeps
    /// nothing.
    pub(super) async fn places(&self, keys: &[ChannelKey]) -> Result<Vec<Option<Place>>> {
        // never closed, so never an error
        let _turn = READS.acquire().await;
        let (of_applications, own): (Vec<_>, Vec<_>) = keys.iter().partition(|key| key.is_of_application());
        let own = own.into_iter().map(|key| (key.organization, &*key.name));
        let mut own = stored::positions(&self.store.bus, own).await?.into_iter();
        let of_applications = of_applications
            .into_iter()
            .map(|key| (&*key.name, self.options(&key.name)));
        let mut theirs = broker::positions(&self.store.bus, of_applications)
            .await?
            .into_iter();
        let found = keys.iter().map(|key| {
            let all = if key.is_of_application() {
                &mut theirs
            } else {
                &mut own
            };
            all.next().flatten().map(placed)
        });
        Ok(found.collect())
    }

    async fn top(&self, key: &ChannelKey) -> Result<Place> {
        Ok(self.look(key, u64::MAX - 1, 1, usize::MAX).await?.1)
    }

    /// Whether PostgreSQL vouches for what comes after `since`, whatever Redis has.
    async fn will_follow(&self, key: &ChannelKey, since: &Place) -> Result<bool> {
        if key.is_of_application() {
            return Ok(false);
        }
        let since = Position {
            epoch: since.epoch.to_string(),
            offset: since.offset,
        };
        let mut tx = self.store.db.primary(key.organization).await?;
        position::continues(&mut tx, key.organization, &key.name, &since).await
    }

    pub(super) async fn look(
        &self,
        key: &ChannelKey,
        since: u64,
        limit: usize,
        bytes: usize,
    ) -> Result<(Option<History>, Place)> {
        self.look_at(key, Part::After(since), limit, bytes).await
    }

    async fn look_at(
        &self,
        key: &ChannelKey,
        part: Part,
        limit: usize,
        bytes: usize,
    ) -> Result<(Option<History>, Place)> {
        // never closed, so never an error
        let _turn = READS.acquire().await;
        let (history, position) = if key.is_of_application() {
            let history = self.look_at_application(&key.name, part, limit, bytes).await?;
            let position = history.position.clone();
            (Some(history), position)
        } else {
            let (bus, organization) = (&self.store.bus, key.organization);
            let history = stored::read_part(bus, organization, &key.name, part, limit).await?;
            let position = if let Some(history) = &history {
                history.position.clone()
            } else {
                let mut tx = self.store.db.primary(organization).await?;
                position::read(&mut tx, organization, &key.name).await?
            };
            (history, position)
        };
        Ok((history, placed(position)))
    }

    /// The application's streams begin when they are first looked at.
    async fn look_at_application(
        &self,
        channel: &str,
        part: Part,
        limit: usize,
        bytes: usize,
    ) -> Result<History> {
        let options = self.options(channel);
        let (since, reverse) = match part {
            Part::After(since) => (Some(since), false),
            Part::Before(end) => (end, true),
        };
        let since = since.map(|offset| Position {
            epoch: String::new(),
            offset,
        });
        let limit = i32::try_from(limit).unwrap_or(i32::MAX);
        let bus = &self.store.bus;
        match broker::history_within(bus, channel, &options, since, limit, reverse, bytes).await {
            Ok(history) => Ok(history),
            Err(BrokerError::Bus(error)) => Err(error),
            // an empty epoch is any, and nothing is published here
            Err(error) => Err(Error::unavailable("bus", error)),
        }
    }

    /// What holds for a channel of the application.
    fn options(&self, channel: &str) -> Arc<Options> {
        self.namespaces.of(channel).cloned().unwrap_or_default()
    }
}

fn placed(at: Position) -> Place {
    Place {
        epoch: at.epoch.into(),
        offset: at.offset,
    }
}

/// What a view gets of a part of the stream, each patched against the one before of the same key where it wants that.
struct Missed<'a> {
    view: &'a View,
    bases: Bases,
    items: Vec<Item>,
    bytes: usize,
    /// For whoever sees some rows: of each row, whether it was in sight at the beginning, and whether it is at the end.
    rows: HashMap<Uuid, (bool, bool)>,
    /// And whose row each item is of.
    of: Vec<Option<Uuid>>,
}

impl<'a> Missed<'a> {
    fn new(view: &'a View) -> Self {
        Self {
            view,
            bases: Bases::default(),
            items: Vec::new(),
            bytes: 0,
            rows: HashMap::new(),
            of: Vec::new(),
        }
    }

    fn add(&mut self, publication: &Arc<Publication>) {
        let moves = publication
            .event()
            .and_then(|event| event.moves(&self.view.sight));
        if let Some((row, before, after)) = moves {
            self.rows.entry(row).or_insert((before, after)).1 = after;
        }
        let base = self.bases.before(publication).map(AsRef::as_ref);
        if let Some(item) = publication.item(self.view, base) {
            self.bytes += item.cost();
            self.items.push(item);
            self.of.push(moves.map(|(row, _, _)| row));
            if self.view.delta {
                self.bases.take(publication);
            }
        }
        if self.view.filter.is_some() && publication.key().is_some() {
            self.bases.take(publication);
        }
    }

    /// What is given. Of a row that is out of sight at the end nothing but that it left, and not even that where it came
    /// only in between.
    fn finish(self) -> Vec<Item> {
        if self.rows.is_empty() {
            return self.items;
        }
        let mut told = HashSet::new();
        let kept = self.items.into_iter().zip(self.of).rev().filter(|(_, of)| {
            let Some(row) = of else { return true };
            match self.rows.get(row) {
                Some((was, false)) => *was && told.insert(*row),
                _ => true,
            }
        });
        let mut kept: Vec<Item> = kept.map(|(item, _)| item).collect();
        kept.reverse();
        kept
    }
}

impl Beginning {
    /// The follower fetches the present state instead.
    pub(super) fn afresh(place: Place) -> Self {
        Self {
            place,
            recovered: false,
            missed: Vec::new(),
        }
    }

    fn recovered(place: Place, missed: Vec<Item>) -> Self {
        Self {
            place,
            recovered: true,
            missed,
        }
    }
}

pub(super) fn publications(key: &ChannelKey, place: &Place, history: History) -> Vec<Arc<Publication>> {
    let all = history.publications.into_iter();
    all.map(|(offset, payload)| Publication::new(key.clone(), place.epoch.clone(), offset, payload))
        .collect()
}
