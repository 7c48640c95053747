//! Reading maps for a follower: what stands under their keys, and what has changed. What happens from then on is followed as
//! any stream.

use signalbox_core::kernel::error::Result;
use signalbox_core::live::application::Options;
use signalbox_core::live::application::map::{self, After, PAGE_BYTES};

use super::bases::Bases;
use super::history::{READS, Stored, publications};
use super::hub::LiveHub;
use super::publication::{ChannelKey, Item, Place, Publication, View};

/// Some of what stands in a map.
#[derive(Debug)]
pub struct MapPage {
    /// Where the map's stream stood when it was read.
    pub place: Place,
    /// Entries by key, as the view may see them.
    pub items: Vec<Item>,
    /// Where the next page begins, where there is one.
    pub next: Option<String>,
}

/// Some of what has changed in a map.
#[derive(Debug)]
pub struct MapChanges {
    /// How far they reach: the view may not be given all of them.
    pub place: Place,
    /// Changes, oldest first.
    pub items: Vec<Item>,
    /// There are no more.
    pub is_all: bool,
}

impl LiveHub {
    /// What stands in the map behind `after`, at most `limit` entries.
    ///
    /// # Errors
    /// Redis did not answer.
    pub async fn map_page(
        &self,
        channel: &ChannelKey,
        view: &View,
        after: After<'_>,
        limit: usize,
    ) -> Result<MapPage> {
        self.stored().map_page(channel, view, after, limit).await
    }

    /// What has changed in the map since a place, at most `limit` changes. `None` when that cannot be told any more: the place is
    /// of another generation, or what followed it is gone.
    ///
    /// # Errors
    /// Redis did not answer.
    pub async fn map_changes(
        &self,
        channel: &ChannelKey,
        view: &View,
        since: &Place,
        limit: usize,
    ) -> Result<Option<MapChanges>> {
        self.stored().map_changes(channel, view, since, limit).await
    }
}

impl Stored {
    async fn map_page(
        &self,
        key: &ChannelKey,
        view: &View,
        after: After<'_>,
        limit: usize,
    ) -> Result<MapPage> {
        // never closed, so never an error
        let _turn = READS.acquire().await;
        let unknown = Options::default();
        let options = self.namespaces.of(&key.name).map_or(&unknown, AsRef::as_ref);
        let page = map::page(&self.store.bus, &key.name, options, after, limit).await?;
        let place = Place {
            epoch: page.epoch.into(),
            offset: page.offset,
        };
        let entries = page
            .entries
            .into_iter()
            .map(|(offset, payload)| Publication::new(key.clone(), place.epoch.clone(), offset, payload));
        Ok(MapPage {
            items: entries.filter_map(|entry| entry.entry(view)).collect(),
            next: page.next,
            place,
        })
    }

    async fn map_changes(
        &self,
        key: &ChannelKey,
        view: &View,
        since: &Place,
        limit: usize,
    ) -> Result<Option<MapChanges>> {
        let (history, top) = self.look(key, since.offset, limit, PAGE_BYTES).await?;
        let all = history.map_or_else(Vec::new, |history| publications(key, &top, history));
        let cut_off = all.first().map_or(since.offset != top.offset, |first| {
            first.offset != since.offset + 1
        });
        if since.epoch != top.epoch || cut_off {
            return Ok(None);
        }
        let (mut at, mut bytes, mut items) = (since.offset, 0, Vec::new());
        let mut bases = Bases::default();
        for change in all {
            bytes += change.size();
            if at > since.offset && bytes > PAGE_BYTES {
                break;
            }
            at = change.offset;
            // pages are whole: a change before is asked for its tags alone
            let before = bases.before(&change).filter(|_| view.filter.is_some());
            items.extend(change.item(view, before.map(AsRef::as_ref)));
            bases.take(&change);
        }
        Ok(Some(MapChanges {
            items,
            is_all: at == top.offset,
            place: Place { offset: at, ..top },
        }))
    }
}
