//! `id:` of the event stream: where a client stands in every channel it reads. `Last-Event-ID` brings it back.
//!
//! Written `channel@epoch:offset`, joined by commas. `%`, `,` and `@` of a channel's name are percent-encoded; an epoch has none of
//! these characters. The id stands before every event that moves one of the channels, since a browser keeps nothing but the last
//! one: so a name that is long, or not ASCII, is written as its digest, and whoever brings it back says which channels they are.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt::Write;
use std::rc::Rc;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::BufMut;
use sha2::{Digest, Sha256};
use signalbox_actors::live_hub::Place;

/// A name that is longer is written as its digest, and so is one that a header cannot carry.
const LONGEST: usize = 16;

/// Begins a digest, and no name that stands for itself.
const MARK: char = '~';

/// The channels of one stream, as their names are written, and how far each is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StreamId(Vec<(Rc<str>, Place)>);

impl StreamId {
    /// Reads what a client sent. What cannot be read is left out: its channel is then told to be fetched anew.
    pub fn parse(text: &str) -> Self {
        let parts = text.split(',').filter_map(|part| {
            let (channel, place) = part.rsplit_once('@')?;
            let (epoch, offset) = place.rsplit_once(':')?;
            Some((
                channel.into(),
                Place {
                    epoch: epoch.into(),
                    offset: offset.parse().ok()?,
                },
            ))
        });
        Self(parts.collect())
    }

    /// How far `channel` is, whether it is named by its digest or in full.
    pub fn place(&self, channel: &str) -> Option<&Place> {
        let (full, short) = (encoded(channel), written(channel));
        let found = self
            .0
            .iter()
            .find(|(name, _)| **name == *short || **name == *full);
        found.map(|(_, place)| place)
    }

    /// Moves the channel that is `written` so to `place`.
    fn set(&mut self, written: &Rc<str>, place: Place) {
        match self.0.iter_mut().find(|(name, _)| name == written) {
            Some((_, held)) => *held = place,
            None => self.0.push((written.clone(), place)),
        }
    }
}

impl std::fmt::Display for StreamId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (n, (channel, place)) in self.0.iter().enumerate() {
            let comma = if n == 0 { "" } else { "," };
            write!(f, "{comma}{channel}@{}:{}", place.epoch, place.offset)?;
        }
        Ok(())
    }
}

/// A channel's name in full.
fn encoded(name: &str) -> Cow<'_, str> {
    if name.contains(['%', ',', '@']) {
        let escaped = name.replace('%', "%25").replace(',', "%2C").replace('@', "%40");
        return escaped.into();
    }
    name.into()
}

/// A channel's name as it stands in an id.
fn written(name: &str) -> Cow<'_, str> {
    let full = encoded(name);
    // a header carries nothing but ASCII back
    if full.len() <= LONGEST && full.is_ascii() && !full.starts_with(MARK) {
        return full;
    }
    let digest = Sha256::digest(name);
    format!("{MARK}{}", URL_SAFE_NO_PAD.encode(&digest[..9])).into()
}

/// What an item takes at least while it waits.
const ITEM: usize = 128;

/// What the writing half of a stream knows of it: the driving half adds to it.
#[derive(Debug, Default)]
pub struct Track {
    /// Which channel, as it is written, and in which epoch, a slot of the outlet stands for.
    slots: HashMap<u32, (Rc<str>, Arc<str>)>,
    /// How far the client is, by what was given to its socket.
    id: StreamId,
    /// The id has moved since it was last told.
    moved: bool,
    /// Bytes of the id when it was last told.
    told: usize,
}

impl Track {
    /// A slot of the outlet stands for this channel from now on.
    pub fn begins(&mut self, slot: u32, channel: &str, epoch: Arc<str>) {
        let channel: Rc<str> = written(channel).into();
        // nothing is written any more of a subscription that this one follows
        self.slots.retain(|_, (of, _)| *of != channel);
        self.slots.insert(slot, (channel, epoch));
    }

    /// Of `most` bytes that are written at once, how many are to be taken of what waits: each of it may bring the id.
    pub fn room(&self, most: usize) -> usize {
        most / (1 + self.told / ITEM)
    }

    /// How far the client is in a channel, by what was given to its socket.
    pub fn place(&self, channel: &str) -> Option<Place> {
        self.id.place(channel).cloned()
    }

    /// Writes one item, with the id in front where it has moved. An item without bytes only moves its channel.
    pub fn write(&mut self, slot: u32, offset: u64, bytes: &[u8], out: &mut impl BufMut) {
        if let Some((channel, epoch)) = self.slots.get(&slot) {
            // state such as progress has no position and moves nothing
            if offset > 0 || bytes.is_empty() {
                self.id.set(
                    channel,
                    Place {
                        epoch: epoch.clone(),
                        offset,
                    },
                );
                self.moved = true;
            }
        }
        if bytes.is_empty() {
            return;
        }
        if std::mem::take(&mut self.moved) {
            let mut line = String::new();
            // writing into a string has no way to fail
            let _ = writeln!(line, "id: {}", self.id);
            self.told = line.len();
            out.put_slice(line.as_bytes());
        }
        out.put_slice(bytes);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_id_names_every_channel_with_its_place() {
        let id = at(&[("feed:users", "ab12", 9), ("job:018f", "cd34", 0)]);
        assert_eq!(id.to_string(), "feed:users@ab12:9,job:018f@cd34:0");
        assert_eq!(StreamId::parse(&id.to_string()), id);
    }

    #[test]
    fn a_name_with_the_ids_own_characters_is_read_as_it_was() {
        let names = [
            "chat:pl#a,b",
            "odd@name",
            "100%",
            "%2C",
            "a,b@c:9%25",
            "~",
            "~abc",
        ];
        let places = names
            .iter()
            .zip(1..)
            .map(|(name, offset)| (*name, "ab12", offset));
        let read = StreamId::parse(&at(&places.collect::<Vec<_>>()).to_string());
        for (name, offset) in names.iter().zip(1..) {
            assert_eq!(read.place(name).map(|place| place.offset), Some(offset), "{name}");
        }
        assert_eq!(read.place("100"), None);
    }

    #[test]
    fn an_id_can_be_brought_back_in_a_header_whatever_users_are_called() {
        let id = at(&[("me:#zoë", "ab12", 7), ("me:#zoe", "ab12", 9)]);
        assert!(id.to_string().is_ascii(), "{id}");
        let read = StreamId::parse(&id.to_string());
        let offset = |name| read.place(name).map(|place| place.offset);
        assert_eq!((offset("me:#zoë"), offset("me:#zoe")), (Some(7), Some(9)));
    }

    #[test]
    fn an_id_stays_short_whatever_channels_are_called_and_names_in_full_are_read_too() {
        let names: Vec<_> = (0..128)
            .map(|n| format!("chat:{n}{}", "@,%".repeat(80)))
            .collect();
        let places = names
            .iter()
            .zip(1..)
            .map(|(name, n)| (name.as_str(), "0123456789ab", 10_000_000 + n));
        let id = at(&places.collect::<Vec<_>>());
        assert!(id.to_string().len() < 5 * 1024, "{}", id.to_string().len());
        let read = StreamId::parse(&id.to_string());
        for (name, n) in names.iter().zip(1..) {
            assert_eq!(read.place(name).map(|place| place.offset), Some(10_000_000 + n));
        }
        // as a list over REST has channel, epoch and offset
        let by_hand = StreamId::parse("job:018f4c5e-0000-7000-8000-000000000001@ab12:9");
        assert!(
            by_hand
                .place("job:018f4c5e-0000-7000-8000-000000000001")
                .is_some()
        );
    }

    #[test]
    fn what_is_written_at_once_stays_within_bounds_however_many_channels_there_are() {
        let mut track = Track::default();
        for slot in 1..=128 {
            track.begins(
                slot,
                &format!("a channel with a long name {slot}"),
                "0123456789ab".into(),
            );
            track.write(slot, 1_000_000, b"", &mut Vec::new());
        }
        assert_eq!(track.room(32 * 1024), 32 * 1024, "nothing was told yet");
        let mut first = Vec::new();
        track.write(1, 1_000_001, b"data: 1\n\n", &mut first);
        let items = track.room(32 * 1024) / ITEM;
        assert!(
            (1..32).contains(&items) && items * first.len() <= 64 * 1024,
            "{items} of {}",
            first.len()
        );
    }

    #[test]
    fn what_cannot_be_read_is_left_out() {
        let id = StreamId::parse("feed:users@ab12:9,nonsense,feed:jobs@x:-1,,feed:audit@:");
        assert!(id.place("feed:users").is_some());
        assert_eq!((id.place("feed:jobs"), id.place("feed:audit")), (None, None));
    }

    fn at(places: &[(&str, &str, u64)]) -> StreamId {
        let mut id = StreamId::default();
        for (channel, epoch, offset) in places {
            let (epoch, offset) = ((*epoch).into(), *offset);
            id.set(&written(channel).into(), Place { epoch, offset });
        }
        id
    }

    fn text(items: &[(u32, u64, &str)]) -> String {
        let mut track = Track::default();
        track.begins(1, "feed:users", "e".into());
        track.begins(2, "job:1", "f".into());
        let mut out = Vec::new();
        for (slot, offset, bytes) in items {
            track.write(*slot, *offset, bytes.as_bytes(), &mut out);
        }
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn every_event_carries_the_places_of_all_channels() {
        let items = [
            (1, 5, ""),
            (2, 0, ""),
            (1, 6, "data: a\n\n"),
            (2, 1, "data: b\n\n"),
        ];
        assert_eq!(
            text(&items),
            "id: feed:users@e:6,job:1@f:0\ndata: a\n\nid: feed:users@e:6,job:1@f:1\ndata: b\n\n"
        );
    }

    #[test]
    fn progress_has_no_place_and_moves_nothing() {
        let items = [(2, 4, ""), (2, 0, "data: p\n\n"), (0, 0, ":\n\n")];
        assert_eq!(text(&items), "id: job:1@f:4\ndata: p\n\n:\n\n");
    }

    proptest! {
        #[test]
        fn any_header_is_read_without_harm(text in "\\PC{0,200}") {
            let id = StreamId::parse(&text);
            prop_assert_eq!(StreamId::parse(&id.to_string()), id);
        }
    }
}
