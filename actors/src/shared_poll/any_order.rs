//! Whatever becomes of keys, and whoever comes and goes: in the end all have what the application has.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Value, json};
use signalbox_core::kernel::permission::PermissionSet;
use signalbox_core::live::application::ClientInfo;
use signalbox_core::live::application::shared_poll::SharedPollOptions;
use signalbox_core::live::scope::Sight;
use signalbox_core::live::view::ViewClass;

use super::ask::{Answer as Answers, Answered};
use super::tests::polls;
use super::*;
use crate::live_hub::{Encoding, Frame, Taken, apply};

/// Writes everything that a client goes by.
#[derive(Debug)]
struct Whole;

impl Encoding for Whole {
    fn id(&self) -> u8 {
        201
    }

    fn is_json(&self) -> bool {
        true
    }

    fn publication(&self, _: &str, item: &Item) -> Frame {
        Frame::new(written(item).to_string().into(), 0)
    }

    fn join(&self, _: &[Frame]) -> Option<Frame> {
        None
    }

    fn presence(&self, _: &str, _: bool, _: &ClientInfo) -> Option<Frame> {
        None
    }
}

fn written(item: &Item) -> Value {
    let data: Value = serde_json::from_slice(&item.data).unwrap_or_default();
    json!({"key": item.key, "version": item.version, "delta": item.delta, "removed": item.removed, "data": data})
}

#[derive(Clone, Debug)]
enum Turn {
    Change(usize, u16),
    Remove(usize),
    /// All that is due is asked for, and answered.
    Poll,
    /// The application says by itself what a key is, where it may.
    Publish(usize),
    Track(usize, usize),
    Untrack(usize, usize),
    /// A client comes back, with what it has.
    Return(usize),
    Hear(usize),
}

const KEYS: [&str; 4] = ["a", "b", "c", "d"];

fn turn() -> impl Strategy<Value = Turn> {
    let (key, client) = (0..KEYS.len(), 0..3_usize);
    prop_oneof![
        8 => (key.clone(), any::<u16>()).prop_map(|(key, word)| Turn::Change(key, word)),
        1 => key.clone().prop_map(Turn::Remove),
        8 => Just(Turn::Poll),
        6 => key.clone().prop_map(Turn::Publish),
        6 => (client.clone(), key.clone()).prop_map(|(client, key)| Turn::Track(client, key)),
        2 => (client.clone(), key).prop_map(|(client, key)| Turn::Untrack(client, key)),
        2 => client.clone().prop_map(Turn::Return),
        4 => client.prop_map(Turn::Hear),
    ]
}

/// The application's server: what keys are, in which version.
#[derive(Default)]
struct Backend {
    values: BTreeMap<&'static str, (u64, String)>,
    made: u64,
}

impl Backend {
    fn change(&mut self, key: &'static str, word: u16) {
        self.made += 1;
        let text = format!("\"{} {word} {}\"", "Привет, мир".repeat(6), "😀".repeat(12));
        self.values.insert(key, (self.made, text));
    }

    fn answer(&self, question: &keys::Question) -> Answers {
        let items = question.keys.iter().map(|(key, _)| {
            let value = self.values.get(&**key);
            Answered {
                key: key.to_string(),
                data: value.map(|(_, text)| text.clone().into()).unwrap_or_default(),
                version: value.map_or(0, |(version, _)| *version),
                removed: value.is_none(),
            }
        });
        Answers {
            items: items.collect(),
            epoch: String::new(),
        }
    }
}

/// A client that tracks keys as an SDK does.
struct Client {
    takes_patches: bool,
    outlet: Arc<Outlet>,
    tracker: Tracker,
    slot: u32,
    tracked: BTreeSet<&'static str>,
    /// Version and text of what it has.
    values: BTreeMap<String, (u64, String)>,
    /// Answered, and overtaken by what is pushed meanwhile.
    answered: Vec<Value>,
}

impl Client {
    fn new(polls: &SharedPolls, takes_patches: bool) -> Self {
        let outlet = Outlet::new(10_000_000);
        Self {
            takes_patches,
            tracker: Self::tracker(polls, &outlet, 1, takes_patches),
            outlet,
            slot: 1,
            tracked: BTreeSet::new(),
            values: BTreeMap::new(),
            answered: Vec::new(),
        }
    }

    fn tracker(polls: &SharedPolls, outlet: &Arc<Outlet>, slot: u32, delta: bool) -> Tracker {
        let view = View::new(Sight::whole(ViewClass::of(&PermissionSet::default())), &Whole);
        polls.tracker(&"poll:1".into(), outlet, slot, View { delta, ..view })
    }

    /// What was pushed before it was asked is there before the answer.
    fn track(&mut self, keys: &[&'static str]) {
        self.hear();
        let wanted = keys.iter().map(|key| Wanted {
            key: (*key).to_owned(),
            version: self.values.get(*key).map_or(0, |(version, _)| *version),
            until: None,
        });
        let items = self.tracker.track(&wanted.collect::<Vec<_>>()).unwrap();
        self.tracked.extend(keys);
        self.answered.extend(items.iter().map(written));
    }

    fn untrack(&mut self, key: &'static str) {
        self.hear();
        self.tracker.untrack(&[key.to_owned()]);
        self.tracked.remove(key);
        self.values.remove(key);
    }

    /// What it was sent and has not heard is lost.
    fn come_back(&mut self, polls: &SharedPolls) {
        self.slot += 1;
        self.outlet = Outlet::new(10_000_000);
        self.answered.clear();
        self.tracker = Self::tracker(polls, &self.outlet, self.slot, self.takes_patches);
        let keys: Vec<_> = self.tracked.iter().copied().collect();
        if !keys.is_empty() {
            self.track(&keys);
        }
    }

    fn hear(&mut self) {
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        while let std::task::Poll::Ready(Taken::Batch(batch)) = self.outlet.poll_take(&mut cx, usize::MAX) {
            for queued in batch {
                // holes are where a newer state has replaced an older one
                if let Ok(push) = serde_json::from_slice(queued.frame.payload()) {
                    self.take(&push);
                }
            }
        }
        for item in std::mem::take(&mut self.answered) {
            self.take(&item);
        }
    }

    fn take(&mut self, push: &Value) {
        let key = push["key"].as_str().unwrap();
        if push["removed"] == true {
            self.values.remove(key);
            self.tracked.retain(|tracked| *tracked != key);
            return;
        }
        let version = push["version"].as_u64().unwrap();
        let known = self.values.get(key);
        // as an SDK does: what is not newer is not even read
        if !self.tracked.contains(key) || known.is_some_and(|(known, _)| *known >= version) {
            return;
        }
        let data = &push["data"];
        let text = match (self.takes_patches, push["delta"] == true) {
            (false, _) => data.to_string(),
            (true, false) => data.as_str().unwrap().to_owned(),
            (true, true) => {
                let (_, base) = known.expect("a patch of nothing");
                let whole = apply(base.as_bytes(), data.as_str().unwrap().as_bytes());
                String::from_utf8(whole.expect("a patch of something else")).unwrap()
            }
        };
        self.values.insert(key.to_owned(), (version, text));
    }
}

fn run(turns: &[Turn], versioned: bool) {
    let polls = polls(SharedPollOptions {
        mode: if versioned {
            PollMode::Versioned
        } else {
            PollMode::Versionless
        },
        publish_enabled: versioned,
        ..SharedPollOptions::default()
    });
    let (mut backend, mut now) = (Backend::default(), Instant::now());
    let mut clients = [true, true, false].map(|takes_patches| Client::new(&polls, takes_patches));
    let poll = |backend: &Backend, now: &mut Instant| {
        *now += Duration::from_secs(15);
        for question in polls.board.questions(9, *now) {
            polls.board.answered(&question, Some(backend.answer(&question)));
        }
    };
    for turn in turns {
        match *turn {
            Turn::Change(key, word) => backend.change(KEYS[key], word),
            Turn::Remove(key) => _ = backend.values.remove(KEYS[key]),
            Turn::Poll => poll(&backend, &mut now),
            Turn::Publish(key) => {
                if let Some((version, text)) = backend.values.get(KEYS[key]) {
                    let text = text.clone().into();
                    polls.board.published("poll:1", KEYS[key], *version, "", text);
                }
            }
            Turn::Track(client, key) => clients[client].track(&[KEYS[key]]),
            Turn::Untrack(client, key) => clients[client].untrack(KEYS[key]),
            Turn::Return(client) => clients[client].come_back(&polls),
            Turn::Hear(client) => clients[client].hear(),
        }
        assert!(polls.board.is_told_alike());
    }
    poll(&backend, &mut now);
    for client in &mut clients {
        client.hear();
        for key in &client.tracked {
            let text = client.values.get(*key).map(|(_, text)| text);
            assert_eq!(text, backend.values.get(key).map(|(_, text)| text), "{key}");
        }
    }
}

proptest! {
    #[test]
    fn whatever_is_asked_said_tracked_and_resumed_clients_end_with_what_the_application_has(
        turns in prop::collection::vec(turn(), 0..80), versioned: bool,
    ) {
        run(&turns, versioned);
    }
}
