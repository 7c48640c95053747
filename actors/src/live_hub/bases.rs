//! What came before a publication: the newest one of a stream, and of each key of a map. A patch is made of it, and it tells
//! whether an entry did pass a filter that it does not pass any more.
//!
//! Invariant: at most [`KEYS`] and [`BYTES`] are kept; a key that falls out, the one that was published longest ago, is sent in
//! full once more, or told as removed once more.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::publication::Publication;

/// Keys of a map.
const KEYS: usize = 1_000;

/// Bytes of what is kept of one channel, beside the newest.
const BYTES: usize = 4 * 1024 * 1024;

/// Of one channel.
#[derive(Debug, Default)]
pub(super) struct Bases {
    /// A stream has one, under no name.
    newest: HashMap<String, Arc<Publication>>,
    /// By offset, of which a channel has each once.
    by_age: BTreeMap<u64, String>,
    bytes: usize,
}

impl Bases {
    /// The publication before `publication`, of the same key, if it is at hand.
    pub(super) fn before(&self, publication: &Publication) -> Option<&Arc<Publication>> {
        self.newest.get(publication.key().unwrap_or_default())
    }

    /// `publication` has come, behind all others.
    pub(super) fn take(&mut self, publication: &Arc<Publication>) {
        if publication.offset == 0 {
            return;
        }
        let key = publication.key().unwrap_or_default();
        self.forget(key);
        if publication.is_removal() {
            return;
        }
        self.bytes += publication.size();
        self.by_age.insert(publication.offset, key.to_owned());
        self.newest.insert(key.to_owned(), publication.clone());
        while self.newest.len() > 1 && (self.newest.len() > KEYS || self.bytes > BYTES) {
            let Some(oldest) = self.by_age.first_key_value().map(|(_, key)| key.clone()) else {
                return;
            };
            self.forget(&oldest);
        }
    }

    fn forget(&mut self, key: &str) {
        if let Some(before) = self.newest.remove(key) {
            self.by_age.remove(&before.offset);
            self.bytes -= before.size();
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use signalbox_core::live::application::{APPLICATION, Message, Publication as Said};

    use super::*;
    use crate::live_hub::ChannelKey;

    fn said(offset: u64, key: Option<&str>, data: &str, removed: bool) -> Arc<Publication> {
        let said = Said {
            data: Bytes::from(format!("\"{data}\"")),
            key: key.map(ToOwned::to_owned),
            removed,
            ..Said::default()
        };
        let channel = ChannelKey {
            organization: APPLICATION,
            name: "board:1".into(),
        };
        let payload = Message::Publication(said).encode();
        Publication::new(channel, "e".into(), offset, payload.into())
    }

    fn before(bases: &Bases, key: Option<&str>) -> Option<u64> {
        let next = said(1_000_000, key, "", false);
        bases.before(&next).map(|before| before.offset)
    }

    #[test]
    fn each_key_has_the_publication_before_of_its_own_and_none_behind_a_removal() {
        let mut bases = Bases::default();
        for (offset, key) in [
            (1, Some("a")),
            (2, Some("b")),
            (3, Some("a")),
            (4, None),
            (5, None),
        ] {
            bases.take(&said(offset, key, "x", false));
        }
        bases.take(&said(0, Some("b"), "of no place", false));
        assert_eq!(
            [Some("a"), Some("b"), Some("c"), None].map(|key| before(&bases, key)),
            [Some(3), Some(2), None, Some(5)]
        );
        bases.take(&said(6, Some("a"), "", true));
        assert_eq!(
            [Some("a"), Some("b")].map(|key| before(&bases, key)),
            [None, Some(2)]
        );
    }

    #[test]
    fn what_was_published_longest_ago_falls_out_and_the_newest_stays_however_long_it_is() {
        let mut bases = Bases::default();
        let keys: Vec<_> = (0..=KEYS).map(|n| format!("k{n}")).collect();
        for (n, key) in keys.iter().enumerate() {
            bases.take(&said(n as u64 + 1, Some(key), "x", false));
        }
        assert_eq!(
            (before(&bases, Some("k0")), before(&bases, Some("k1"))),
            (None, Some(2))
        );
        bases.take(&said(5_000, Some("long"), &"x".repeat(BYTES), false));
        assert_eq!(before(&bases, Some("long")), Some(5_000));
        assert_eq!((bases.newest.len(), bases.by_age.len()), (1, 1));
        bases.take(&said(5_001, Some("long"), "", true));
        assert_eq!((bases.bytes, bases.by_age.len()), (0, 0));
    }
}
