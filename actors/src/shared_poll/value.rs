//! One key: what is known of it, and who is told.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;

use crate::live_hub::{Frame, Item, Subscriber, View};

/// What is known of a key.
#[derive(Debug, Default, Clone)]
pub(super) struct Known {
    /// 0: not yet known.
    pub(super) version: u64,
    pub(super) data: Bytes,
    /// The generation of its version, where it has a name.
    pub(super) epoch: Arc<str>,
}

#[derive(Default)]
pub(super) struct Key {
    pub(super) known: Known,
    /// By the address of their subscriber.
    pub(super) followers: HashMap<usize, Follower>,
}

/// Somebody who tracks it.
pub(super) struct Follower {
    pub(super) subscriber: Arc<Subscriber>,
    pub(super) view: View,
    /// What they have, or say that they have.
    pub(super) version: u64,
    /// They were pushed just that, so that a patch can be made of it. What is in an answer to them does not count: a push may
    /// overtake it.
    pub(super) was_pushed: bool,
    pub(super) until: Option<Instant>,
}

/// What frames of one value differ by: the encoding, whether publications are patches, and whether this is one.
type Form = (u8, bool, bool);

impl Known {
    fn item(&self, key: &str) -> Item {
        Item {
            data: self.data.clone(),
            key: key.to_owned(),
            version: self.version,
            epoch: self.epoch.clone(),
            ..Item::default()
        }
    }

    /// As it stands in an answer.
    pub(super) fn answer(&self, key: &str, view: &View) -> Item {
        let item = self.item(key);
        if view.delta {
            item.patched(None, view.encoding.is_json())
        } else {
            item
        }
    }

    fn frame(&self, channel: &str, key: &str, view: &View, base: Option<&Bytes>) -> Frame {
        let item = self.item(key);
        if view.delta {
            // patches count on each other
            let item = item.patched(base.map(AsRef::as_ref), view.encoding.is_json());
            return view.encoding.publication(channel, &item);
        }
        let frame = view.encoding.publication(channel, &item);
        // a slow client reads the newest alone
        frame.with_state(state(key))
    }
}

fn state(key: &str) -> Arc<str> {
    format!("key {key}").into()
}

impl Key {
    /// It has become `new`: pushed to those who do not have it.
    pub(super) fn becomes(&mut self, new: Known, channel: &str, name: &str) {
        let before = std::mem::replace(&mut self.known, new);
        let (known, now) = (&self.known, Instant::now());
        let mut made: Vec<(Form, Frame)> = Vec::new();
        for follower in self.followers.values_mut() {
            if follower.is_over(now) || follower.version >= known.version {
                continue;
            }
            let view = &follower.view;
            let patches = view.delta && follower.was_pushed && follower.version == before.version;
            let form = (view.encoding.id(), view.delta, patches);
            let at = made.iter().position(|(known, _)| *known == form);
            let at = at.unwrap_or_else(|| {
                let base = patches.then_some(&before.data);
                made.push((form, known.frame(channel, name, view, base)));
                made.len() - 1
            });
            follower.version = known.version;
            follower.was_pushed = true;
            follower.subscriber.push(made[at].1.clone(), 0);
        }
    }

    /// It is gone: told to all who track it.
    pub(super) fn end(&self, channel: &str, name: &str) {
        let now = Instant::now();
        let item = Item {
            key: name.to_owned(),
            version: self.known.version,
            removed: true,
            epoch: self.known.epoch.clone(),
            ..Item::default()
        };
        for follower in self.followers.values().filter(|follower| !follower.is_over(now)) {
            let frame = follower.view.encoding.publication(channel, &item);
            let frame = if follower.view.delta {
                frame
            } else {
                frame.with_state(state(name))
            };
            follower.subscriber.push(frame, 0);
        }
    }
}

impl Follower {
    /// Whether its signature has ended.
    pub(super) fn is_over(&self, now: Instant) -> bool {
        self.until.is_some_and(|until| now >= until)
    }
}
