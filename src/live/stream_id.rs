//! `id:` of the event stream: where a client stands in every channel it reads. `Last-Event-ID` brings it back.
//!
//! Written `channel@epoch:offset`, joined by commas. `%`, `,` and `@` of a channel's name are percent-encoded; an epoch has none of
//! these characters.

use std::collections::HashMap;
use std::fmt::Write;
use std::rc::Rc;
use std::sync::Arc;

use bytes::BufMut;
use signalbox_actors::live_hub::Place;

/// The channels of one stream and how far each is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StreamId(Vec<(String, Place)>);

impl StreamId {
    /// Reads what a client sent. What cannot be read is left out: its channel is then told to be fetched anew.
    pub fn parse(text: &str) -> Self {
        let parts = text.split(',').filter_map(|part| {
            let (channel, place) = part.rsplit_once('@')?;
            let (epoch, offset) = place.rsplit_once(':')?;
            Some((
                decoded(channel),
                Place {
                    epoch: epoch.into(),
                    offset: offset.parse().ok()?,
                },
            ))
        });
        Self(parts.collect())
    }

    /// How far `channel` is.
    pub fn place(&self, channel: &str) -> Option<&Place> {
        self.0
            .iter()
            .find(|(name, _)| name == channel)
            .map(|(_, place)| place)
    }

    /// All channels and how far each is.
    pub fn places(&self) -> impl Iterator<Item = (&str, &Place)> {
        self.0.iter().map(|(channel, place)| (channel.as_str(), place))
    }

    /// Moves `channel` to `place`.
    pub fn set(&mut self, channel: &str, place: Place) {
        match self.0.iter_mut().find(|(name, _)| name == channel) {
            Some((_, held)) => *held = place,
            None => self.0.push((channel.to_owned(), place)),
        }
    }
}

impl std::fmt::Display for StreamId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (n, (channel, place)) in self.0.iter().enumerate() {
            let comma = if n == 0 { "" } else { "," };
            write!(f, "{comma}{}@{}:{}", Encoded(channel), place.epoch, place.offset)?;
        }
        Ok(())
    }
}

/// A channel's name as it stands in an id.
struct Encoded<'a>(&'a str);

impl std::fmt::Display for Encoded<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut rest = self.0;
        while let Some(at) = rest.find(['%', ',', '@']) {
            f.write_str(&rest[..at])?;
            f.write_str(match rest.as_bytes()[at] {
                b'%' => "%25",
                b',' => "%2C",
                _ => "%40",
            })?;
            rest = &rest[at + 1..];
        }
        f.write_str(rest)
    }
}

fn decoded(name: &str) -> String {
    name.replace("%2C", ",").replace("%40", "@").replace("%25", "%")
}

/// What the writing half of a stream knows of it: the driving half adds to it.
#[derive(Debug, Default)]
pub struct Track {
    /// Which channel, and in which epoch, a slot of the outlet stands for.
    slots: HashMap<u32, (Rc<str>, Arc<str>)>,
    /// How far the client is, by what was given to its socket.
    id: StreamId,
    /// The id has moved since it was last told.
    moved: bool,
}

impl Track {
    /// A slot of the outlet stands for this channel from now on.
    pub fn begins(&mut self, slot: u32, channel: Rc<str>, epoch: Arc<str>) {
        // nothing is written any more of a subscription that this one follows
        self.slots.retain(|_, (of, _)| *of != channel);
        self.slots.insert(slot, (channel, epoch));
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
        let mut id = StreamId::default();
        id.set(
            "feed:users",
            Place {
                epoch: "ab12".into(),
                offset: 9,
            },
        );
        id.set(
            "job:018f",
            Place {
                epoch: "cd34".into(),
                offset: 0,
            },
        );
        assert_eq!(id.to_string(), "feed:users@ab12:9,job:018f@cd34:0");
        assert_eq!(StreamId::parse(&id.to_string()), id);
    }

    #[test]
    fn a_name_with_the_ids_own_characters_is_read_as_it_was() {
        let names = ["chat:pl#a,b", "odd@name", "100%", "%2C", "a,b@c:9%25"];
        let mut id = StreamId::default();
        for name in names {
            let (epoch, offset) = ("ab12".into(), 9);
            id.set(name, Place { epoch, offset });
        }
        let read = StreamId::parse(&id.to_string());
        assert_eq!(read, id);
        assert_eq!(read.places().map(|(name, _)| name).collect::<Vec<_>>(), names);
    }

    #[test]
    fn what_cannot_be_read_is_left_out() {
        let id = StreamId::parse("feed:users@ab12:9,nonsense,feed:jobs@x:-1,,feed:audit@:");
        assert!(id.place("feed:users").is_some());
        assert_eq!((id.place("feed:jobs"), id.place("feed:audit")), (None, None));
    }

    fn text(items: &[(u32, u64, &str)]) -> String {
        let mut track = Track::default();
        track.begins(1, "feed:users".into(), "e".into());
        track.begins(2, "job:1".into(), "f".into());
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
