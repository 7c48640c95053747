//! Which keys are tracked by whom, and what is known of them: plain state, that outlives the actor.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use parking_lot::Mutex;
use signalbox_core::live::application::shared_poll::PollMode;
use signalbox_core::live::application::{Namespaces, Options, SubscriptionType};

use super::ask::Answered;
use super::{TrackError, Wanted};
use crate::live_hub::{Encoding, Frame, Item, Subscriber};

pub(super) struct Board {
    namespaces: Arc<Namespaces>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    channels: HashMap<Arc<str>, Channel>,
    /// Versions that this node has made.
    made: u64,
}

struct Channel {
    options: Arc<Options>,
    keys: HashMap<Arc<str>, Key>,
    /// Keys that somebody waits for who has nothing of them, or something older than anybody here.
    wanted: HashSet<Arc<str>>,
    /// When all keys are asked for again.
    due: Instant,
    /// A question is out.
    asking: bool,
}

#[derive(Default)]
struct Key {
    /// 0: not yet known.
    version: u64,
    data: Bytes,
    followers: HashMap<usize, Follower>,
}

struct Follower {
    subscriber: Arc<Subscriber>,
    encoding: &'static dyn Encoding,
    version: u64,
    until: Option<Instant>,
}

/// What is asked: keys with the versions that are known.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Question {
    pub(super) channel: Arc<str>,
    pub(super) endpoint: String,
    pub(super) versioned: bool,
    pub(super) batch: usize,
    pub(super) keys: Vec<(Arc<str>, u64)>,
}

impl Board {
    pub(super) fn new(namespaces: Arc<Namespaces>) -> Self {
        Self {
            namespaces,
            state: Mutex::default(),
        }
    }

    pub(super) fn has_any(&self) -> bool {
        self.namespaces.have_polls()
    }

    pub(super) fn options(&self, channel: &str) -> Option<&Arc<Options>> {
        let options = self.namespaces.of(channel)?;
        (options.subscription_type == SubscriptionType::SharedPoll).then_some(options)
    }

    pub(super) fn track(
        &self,
        channel: &Arc<str>,
        subscriber: &Arc<Subscriber>,
        encoding: &'static dyn Encoding,
        wanted: &[Wanted],
    ) -> Result<Vec<Item>, TrackError> {
        let options = self.options(channel).ok_or(TrackError::Over)?;
        let mut state = self.state.lock();
        // closed under the same lock, or before it
        if !subscriber.is_open() {
            return Err(TrackError::Over);
        }
        let id = Arc::as_ptr(subscriber) as usize;
        let known = state.channels.entry(channel.clone()).or_insert_with(|| Channel {
            options: options.clone(),
            keys: HashMap::new(),
            wanted: HashSet::new(),
            due: Instant::now() + options.shared_poll.interval(),
            asking: false,
        });
        let has = known
            .keys
            .values()
            .filter(|key| key.followers.contains_key(&id))
            .count();
        let is_new = |one: &&Wanted| {
            let key = known.keys.get(one.key.as_str());
            key.is_none_or(|key| !key.followers.contains_key(&id))
        };
        let more = wanted.iter().filter(is_new).count();
        if has + more > options.shared_poll.keys() {
            if known.keys.is_empty() {
                state.channels.remove(channel);
            }
            return Err(TrackError::TooMany);
        }
        let mut items = Vec::new();
        for one in wanted {
            let name: Arc<str> = one.key.as_str().into();
            let key = known.keys.entry(name.clone()).or_default();
            let newer = key.version > one.version;
            if newer {
                items.push(key.item(&one.key));
            }
            if key.version == 0 {
                known.wanted.insert(name);
            }
            let follower = Follower {
                subscriber: subscriber.clone(),
                encoding,
                version: key.version.max(one.version),
                until: one.until,
            };
            key.followers.insert(id, follower);
        }
        Ok(items)
    }

    /// Without keys: all of them.
    pub(super) fn untrack(&self, channel: &str, subscriber: &Arc<Subscriber>, keys: Option<&[String]>) {
        let mut state = self.state.lock();
        let id = Arc::as_ptr(subscriber) as usize;
        let Some(known) = state.channels.get_mut(channel) else {
            return;
        };
        known.keys.retain(|name, key| {
            if keys.is_none_or(|keys| keys.iter().any(|key| **key == **name)) {
                key.followers.remove(&id);
            }
            let tracked = !key.followers.is_empty();
            if !tracked {
                known.wanted.remove(name);
            }
            tracked
        });
        if known.keys.is_empty() {
            state.channels.remove(channel);
        }
    }

    /// What is to be asked now, at most so many questions; each must be answered with [`Board::answered`].
    pub(super) fn questions(&self, most: usize, now: Instant) -> Vec<Question> {
        let mut state = self.state.lock();
        let mut questions = Vec::new();
        state.channels.retain(|name, channel| {
            if !channel.asking && questions.len() < most {
                questions.extend(channel.question(name, now));
            }
            !channel.keys.is_empty()
        });
        questions
    }

    /// Questions that were out are lost.
    pub(super) fn ask_again(&self) {
        for channel in self.state.lock().channels.values_mut() {
            channel.asking = false;
        }
    }

    /// What was answered, or nothing where nobody did. Values that are new are pushed.
    pub(super) fn answered(&self, question: &Question, answered: Vec<Answered>) {
        let mut state = self.state.lock();
        let State { channels, made } = &mut *state;
        let Some(channel) = channels.get_mut(&question.channel) else {
            return;
        };
        channel.asking = false;
        let versioned = channel.options.shared_poll.mode == PollMode::Versioned;
        for answer in answered {
            let Some(key) = channel.keys.get_mut(&*answer.key) else {
                continue;
            };
            if answer.removed {
                key.push(&question.channel, &answer.key, true);
                channel.keys.remove(&*answer.key);
                continue;
            }
            let version = if versioned {
                answer.version
            } else if key.version > 0 && key.data == answer.data {
                key.version
            } else {
                *made += 1;
                *made
            };
            if version > key.version {
                key.version = version;
                key.data = answer.data;
                key.push(&question.channel, &answer.key, false);
            }
        }
    }
}

impl Channel {
    fn forget_expired(&mut self, now: Instant) {
        self.keys.retain(|_, key| {
            key.followers
                .retain(|_, follower| follower.until.is_none_or(|until| now < until));
            !key.followers.is_empty()
        });
    }

    /// All keys when they are due, else those that somebody waits for. Only then all of them are looked at: this is asked often.
    fn question(&mut self, name: &Arc<str>, now: Instant) -> Option<Question> {
        let wanted = std::mem::take(&mut self.wanted);
        let keys: Vec<_> = if now >= self.due {
            self.due = now + self.options.shared_poll.interval();
            self.forget_expired(now);
            let all = self.keys.iter();
            all.map(|(name, key)| (name.clone(), key.version)).collect()
        } else {
            let still = wanted.into_iter();
            still
                .filter_map(|name| Some((name.clone(), self.keys.get(&name)?.version)))
                .collect()
        };
        let poll = &self.options.shared_poll;
        if keys.is_empty() {
            return None;
        }
        self.asking = true;
        Some(Question {
            channel: name.clone(),
            endpoint: poll.endpoint.clone(),
            versioned: poll.mode == PollMode::Versioned,
            batch: poll.batch(),
            keys,
        })
    }
}

impl Key {
    fn item(&self, name: &str) -> Item {
        Item {
            data: self.data.clone(),
            key: name.to_owned(),
            version: self.version,
            ..Item::default()
        }
    }

    /// Gives the value, or that it is gone, to those who do not have it.
    fn push(&mut self, channel: &str, name: &str, removed: bool) {
        let mut made: Vec<(u8, Frame)> = Vec::new();
        let (version, data, now) = (self.version, self.data.clone(), Instant::now());
        for follower in self.followers.values_mut() {
            let is_over = follower.until.is_some_and(|until| now >= until);
            if is_over || (!removed && follower.version >= version) {
                continue;
            }
            follower.version = version;
            let encoding = follower.encoding;
            let at = made.iter().position(|(id, _)| *id == encoding.id());
            let at = at.unwrap_or_else(|| {
                let item = Item {
                    data: if removed { Bytes::new() } else { data.clone() },
                    key: name.to_owned(),
                    version,
                    removed,
                    ..Item::default()
                };
                // a slow client reads the newest alone
                let state = format!("key {name}").into();
                let frame = encoding.publication(channel, &item).with_state(state);
                made.push((encoding.id(), frame));
                made.len() - 1
            });
            follower.subscriber.push(made[at].1.clone(), 0);
        }
    }
}
