//! Which keys are tracked by whom, and what is known of them: plain state, that outlives the actor.
//!
//! Invariant: who tracks which key is written down twice, with the key and with the subscription, so that neither what one
//! subscription may track nor its end asks for the keys of all others.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use parking_lot::Mutex;
use signalbox_core::live::application::shared_poll::PollMode;
use signalbox_core::live::application::{Namespaces, Options, SubscriptionType};

use super::ask::Answer;
use super::value::{Follower, Key, Known};
use super::{TrackError, Wanted};
use crate::live_hub::{Item, Subscriber, View};

/// How long is remembered which epoch a channel has that nobody tracks any more: whoever lost it comes back for it within that.
const LINGERS: Duration = Duration::from_mins(1);

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
    /// What each subscription tracks, by the address of its subscriber.
    tracked: HashMap<usize, HashSet<Arc<str>>>,
    /// Keys that somebody waits for who has nothing of them, or something older than anybody here.
    wanted: HashSet<Arc<str>>,
    /// When all keys are asked for again.
    due: Instant,
    /// When it was asked last, or came to be.
    asked: Instant,
    /// A question is out.
    asking: bool,
    /// The generation of the versions, where the application has a name for it.
    epoch: Arc<str>,
    /// When somebody last began or ceased to track a key, or had to.
    used: Instant,
}

/// What is asked: keys with the versions that are known.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Question {
    pub(super) channel: Arc<str>,
    pub(super) endpoint: String,
    pub(super) versioned: bool,
    /// Of the versions, when it was asked.
    pub(super) epoch: Arc<str>,
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
        view: &View,
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
            tracked: HashMap::new(),
            wanted: HashSet::new(),
            due: Instant::now() + options.shared_poll.interval(),
            asked: Instant::now(),
            asking: false,
            epoch: Arc::default(),
            used: Instant::now(),
        });
        let mine = known.tracked.get(&id);
        let has = mine.map_or(0, HashSet::len);
        let is_new = |one: &&Wanted| mine.is_none_or(|mine| !mine.contains(one.key.as_str()));
        let more = wanted.iter().filter(is_new).count();
        if has + more > options.shared_poll.keys() {
            if known.is_forgotten(Instant::now()) {
                state.channels.remove(channel);
            }
            return Err(TrackError::TooMany);
        }
        let mut items = Vec::new();
        for one in wanted {
            let name: Arc<str> = one.key.as_str().into();
            let key = known.keys.entry(name.clone()).or_default();
            if key.known.version > one.version {
                items.push(key.known.answer(&one.key, view));
            }
            if key.known.version == 0 {
                known.wanted.insert(name.clone());
            }
            known.tracked.entry(id).or_default().insert(name);
            let follower = Follower {
                subscriber: subscriber.clone(),
                view: view.clone(),
                version: key.known.version.max(one.version),
                was_pushed: false,
                until: one.until,
            };
            key.followers.insert(id, follower);
        }
        known.used = Instant::now();
        Ok(items)
    }

    /// See [`super::SharedPolls::epoch`].
    pub(super) fn epoch(&self, channel: &str) -> Arc<str> {
        let state = self.state.lock();
        let known = state.channels.get(channel);
        known.map(|known| known.epoch.clone()).unwrap_or_default()
    }

    /// Without keys: all of them.
    pub(super) fn untrack(&self, channel: &str, subscriber: &Arc<Subscriber>, keys: Option<&[String]>) {
        let mut state = self.state.lock();
        let id = Arc::as_ptr(subscriber) as usize;
        let Some(known) = state.channels.get_mut(channel) else {
            return;
        };
        if let Some(names) = keys {
            for name in names {
                known.untrack(name, id);
            }
        } else {
            for name in known.tracked.remove(&id).unwrap_or_default() {
                known.untrack(&name, id);
            }
        }
        known.used = Instant::now();
        if known.is_forgotten(Instant::now()) {
            state.channels.remove(channel);
        }
    }

    /// What is to be asked now, at most so many questions; each must be answered with [`Board::answered`].
    pub(super) fn questions(&self, most: usize, now: Instant) -> Vec<Question> {
        let mut state = self.state.lock();
        let waiting = state.channels.iter().filter(|(_, channel)| channel.waits(now));
        let mut waiting: Vec<_> = waiting
            .map(|(name, channel)| (channel.asked, name.clone()))
            .collect();
        // who was asked longest ago comes first: otherwise those that are slow to answer would keep the others out for ever
        waiting.sort_unstable();
        let mut questions = Vec::new();
        for (_, name) in waiting {
            if questions.len() < most
                && let Some(channel) = state.channels.get_mut(&name)
            {
                questions.extend(channel.question(&name, now));
            }
        }
        state.channels.retain(|_, channel| !channel.is_forgotten(now));
        questions
    }

    /// Questions that were out are lost.
    pub(super) fn ask_again(&self) {
        for channel in self.state.lock().channels.values_mut() {
            channel.asking = false;
        }
    }

    /// What was answered, or nothing where nobody did. Values that are new are pushed.
    pub(super) fn answered(&self, question: &Question, answer: Option<Answer>) {
        let mut state = self.state.lock();
        let State { channels, made } = &mut *state;
        let Some(channel) = channels.get_mut(&question.channel) else {
            return;
        };
        channel.asking = false;
        let Some(answer) = answer else { return };
        let versioned = channel.options.shared_poll.mode == PollMode::Versioned;
        // of an epoch that ended while it was on its way
        let outdated = question.epoch != channel.epoch && *question.epoch == *answer.epoch;
        if versioned && (outdated || !channel.goes_on_in(&answer.epoch)) {
            return;
        }
        for item in answer.items {
            let Some(key) = channel.keys.get(&*item.key) else {
                continue;
            };
            if item.removed {
                key.end(&question.channel, &item.key);
                channel.end(&item.key);
                continue;
            }
            let version = if versioned {
                item.version
            } else if key.known.version > 0 && key.known.data == item.data {
                key.known.version
            } else {
                *made += 1;
                *made
            };
            channel.set(&question.channel, &item.key, version, item.data);
        }
    }

    /// The application says by itself what a key is. Nothing is kept of it where nobody tracks that.
    pub(super) fn published(&self, channel: &str, key: &str, version: u64, epoch: &str, data: Bytes) {
        let mut state = self.state.lock();
        let Some(known) = state.channels.get_mut(channel) else {
            return;
        };
        if known.options.shared_poll.publish_enabled && known.goes_on_in(epoch) {
            known.set(channel, key, version, data);
        }
    }
}

impl Channel {
    /// One follower is told no more of a key.
    fn untrack(&mut self, name: &str, follower: usize) {
        let Some(key) = self.keys.get_mut(name) else {
            return;
        };
        key.followers.remove(&follower);
        if key.followers.is_empty() {
            self.keys.remove(name);
            self.wanted.remove(name);
        }
        self.strike_out(name, follower);
    }

    /// Nobody is told any more of a key.
    fn end(&mut self, name: &str) {
        let followers = self.keys.remove(name).map(|key| key.followers);
        for follower in followers.into_iter().flatten() {
            self.strike_out(name, follower.0);
        }
    }

    /// The key is none of those that a follower tracks.
    fn strike_out(&mut self, name: &str, follower: usize) {
        if let Some(keys) = self.tracked.get_mut(&follower) {
            keys.remove(name);
            if keys.is_empty() {
                self.tracked.remove(&follower);
            }
        }
    }

    /// Whether nothing is to be remembered of it.
    fn is_forgotten(&self, now: Instant) -> bool {
        let lingers = !self.epoch.is_empty() && now.saturating_duration_since(self.used) < LINGERS;
        self.keys.is_empty() && !lingers
    }

    /// Whether its versions are of this epoch; empty is any. Where they are not, they are from here on: nothing that anybody has
    /// can be compared with them, so all lose their place, and are told the epoch when they come back.
    fn goes_on_in(&mut self, epoch: &str) -> bool {
        if epoch.is_empty() || *self.epoch == *epoch {
            return true;
        }
        self.epoch = epoch.into();
        self.used = Instant::now();
        let followers = self.keys.values().flat_map(|key| key.followers.values());
        followers.for_each(|follower| follower.subscriber.lose());
        self.keys.clear();
        self.tracked.clear();
        self.wanted.clear();
        false
    }

    /// `key` is now this, unless it is not newer.
    fn set(&mut self, channel: &str, key: &str, version: u64, data: Bytes) {
        let epoch = self.epoch.clone();
        let Some(known) = self.keys.get_mut(key) else {
            return;
        };
        if version > known.known.version {
            let new = Known { version, data, epoch };
            known.becomes(new, channel, key);
        }
    }

    fn forget_expired(&mut self, now: Instant) {
        let mut over = Vec::new();
        for (name, key) in &self.keys {
            let ended = key.followers.iter().filter(|(_, follower)| follower.is_over(now));
            over.extend(ended.map(|(id, _)| (name.clone(), *id)));
        }
        for (name, follower) in over {
            self.untrack(&name, follower);
        }
    }

    /// Whether something of it is to be asked.
    fn waits(&self, now: Instant) -> bool {
        !self.asking && (now >= self.due || !self.wanted.is_empty())
    }

    /// All keys when they are due, else those that somebody waits for. Only then all of them are looked at: this is asked often.
    fn question(&mut self, name: &Arc<str>, now: Instant) -> Option<Question> {
        let wanted = std::mem::take(&mut self.wanted);
        let keys: Vec<_> = if now >= self.due {
            self.due = now + self.options.shared_poll.interval();
            self.forget_expired(now);
            let all = self.keys.iter();
            all.map(|(name, key)| (name.clone(), key.known.version)).collect()
        } else {
            let still = wanted.into_iter();
            still
                .filter_map(|name| Some((name.clone(), self.keys.get(&name)?.known.version)))
                .collect()
        };
        let poll = &self.options.shared_poll;
        if keys.is_empty() {
            return None;
        }
        self.asking = true;
        self.asked = now;
        Some(Question {
            channel: name.clone(),
            endpoint: poll.endpoint.clone(),
            versioned: poll.mode == PollMode::Versioned,
            epoch: self.epoch.clone(),
            batch: poll.batch(),
            keys,
        })
    }
}

#[cfg(test)]
impl Board {
    /// Whether both say the same of who tracks which key.
    pub(super) fn is_told_alike(&self) -> bool {
        self.state.lock().channels.values().all(|channel| {
            let by_key = channel.keys.iter().flat_map(|(name, key)| {
                let followers = key.followers.keys();
                followers.map(move |id| (*id, name.clone()))
            });
            let by_follower = channel
                .tracked
                .iter()
                .flat_map(|(id, names)| names.iter().map(|name| (*id, name.clone())));
            let empty = channel.tracked.values().any(HashSet::is_empty);
            !empty && by_key.collect::<HashSet<_>>() == by_follower.collect()
        })
    }
}
