//! `id:` of the event stream: where a client stands in every channel it reads. `Last-Event-ID` brings it back.
//!
//! Written `channel@epoch:offset`, joined by commas; none of these characters stands in a channel's name or an epoch.

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
                channel.to_owned(),
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
            write!(f, "{comma}{channel}@{}:{}", place.epoch, place.offset)?;
        }
        Ok(())
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
    fn what_cannot_be_read_is_left_out() {
        let id = StreamId::parse("feed:users@ab12:9,nonsense,feed:jobs@x:-1,,feed:audit@:");
        assert!(id.place("feed:users").is_some());
        assert_eq!((id.place("feed:jobs"), id.place("feed:audit")), (None, None));
    }

    proptest! {
        #[test]
        fn any_header_is_read_without_harm(text in "\\PC{0,200}") {
            let id = StreamId::parse(&text);
            prop_assert_eq!(StreamId::parse(&id.to_string()), id);
        }
    }
}
