//! What a namespace of maps allows, under the option names of Centrifugo's `map` section.

use super::access::is_given;
use super::span;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Entries of one map at most, unless the namespace says otherwise.
const MOST_KEYS: usize = 100_000;
/// Changes kept of one map, and for how long after the last one, unless the namespace says otherwise.
const STREAM_SIZE: usize = 1_000;
const STREAM_TTL: Duration = Duration::from_mins(1);
/// Entries in one page, unless the client or the namespace says otherwise, and at most (the protocol's figures).
const PAGE: usize = 100;
const LONGEST_PAGE: usize = 1_000;
/// How long a client may read pages before it must be live (the protocol's figure).
const CATCH_UP: Duration = Duration::from_secs(5);

/// How the channels of a namespace are followed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SubscriptionType {
    /// As streams of publications.
    #[default]
    Stream,
    /// As maps: what stands under each key, and then what changes.
    Map,
    /// As maps of who is in another channel, by client id, which the hub writes.
    MapClients,
    /// The same by user id.
    MapUsers,
    /// By keys that the operator's server is asked for.
    SharedPoll,
}

impl SubscriptionType {
    /// Its number in the protocol.
    pub fn number(self) -> i32 {
        match self {
            Self::Stream => 0,
            Self::Map => 1,
            Self::MapClients => 2,
            Self::MapUsers => 3,
            Self::SharedPoll => 4,
        }
    }

    /// Whether its channels hold entries by key.
    pub fn is_map(self) -> bool {
        matches!(self, Self::Map | Self::MapClients | Self::MapUsers)
    }

    /// Whether the hub alone writes them.
    pub fn is_presence(self) -> bool {
        matches!(self, Self::MapClients | Self::MapUsers)
    }
}

/// What holds for the maps of a namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a setting of its own, named by the operator"
)]
pub struct MapOptions {
    /// What is kept, and whether subscribers resume.
    pub mode: Option<MapMode>,
    /// How long an entry lasts after it was last published.
    #[serde(with = "span")]
    pub key_ttl: Duration,
    /// Changes kept for those who come back; 0 is [`STREAM_SIZE`].
    pub stream_size: usize,
    /// How long they are kept after the last one; zero is [`STREAM_TTL`].
    #[serde(with = "span")]
    pub stream_ttl: Duration,
    /// How long epoch and offset are kept after the last change; zero is ten times the stream's, or as long as an entry, and
    /// `live.history_meta_ttl` for maps whose entries last.
    #[serde(with = "span")]
    pub meta_ttl: Duration,
    /// Entries of one map at most; 0 is [`MOST_KEYS`].
    pub max_keys: usize,
    /// Entries have scores and are read by them, the highest first or, for whoever asks, the lowest; of one score by key.
    pub ordered: bool,
    /// The key is the publishing client's own, whatever it says.
    pub client_key: ClientKey,
    /// The entry under a client's id goes with its subscription.
    pub remove_client_on_unsubscribe: bool,
    /// Users may publish entries, subscribed or not.
    pub allow_publish_for_client: bool,
    /// Subscribers may.
    pub allow_publish_for_subscriber: bool,
    /// What the two before give holds for anonymous connections too.
    pub allow_publish_for_anonymous: bool,
    /// Users may remove entries, subscribed or not.
    pub allow_remove_for_client: bool,
    /// Subscribers may.
    pub allow_remove_for_subscriber: bool,
    /// What the two before give holds for anonymous connections too.
    pub allow_remove_for_anonymous: bool,
    /// Entries of a page for clients that do not say; 0 is [`PAGE`].
    pub default_page_size: usize,
    /// Entries of a page at least, whatever a client says.
    pub min_page_size: usize,
    /// Entries of a page at most; 0 is [`LONGEST_PAGE`].
    pub max_page_size: usize,
    /// How long a client may take from its first page to being live; zero is [`CATCH_UP`].
    #[serde(with = "span")]
    pub subscribe_catch_up_timeout: Duration,
}

/// What becomes of a map's entries and of those who were away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum MapMode {
    /// Entries lapse; whoever comes back reads the map again.
    Ephemeral,
    /// Entries lapse; whoever comes back is given what changed.
    Recoverable,
    /// Entries last; whoever comes back is given what changed.
    Persistent,
}

/// Which key a client's publication goes under.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientKey {
    /// The one it names.
    #[default]
    #[serde(rename = "")]
    Any,
    /// Its connection's id.
    ClientId,
    /// Its user's id; anonymous connections have none and may not publish.
    UserId,
}

impl MapOptions {
    /// Whether `user` may publish an entry. `subscribed`: the asking connection is subscribed to the channel.
    pub fn may_publish(&self, user: &str, subscribed: bool) -> bool {
        let given = [
            self.allow_publish_for_client,
            self.allow_publish_for_subscriber,
            self.allow_publish_for_anonymous,
        ];
        is_given(given, user, subscribed)
    }

    /// Whether `user` may remove one.
    pub fn may_remove(&self, user: &str, subscribed: bool) -> bool {
        let given = [
            self.allow_remove_for_client,
            self.allow_remove_for_subscriber,
            self.allow_remove_for_anonymous,
        ];
        is_given(given, user, subscribed)
    }

    /// The key under which a client publishes that asks for `asked`; `None` when it has none.
    pub fn key(&self, asked: &str, client: &str, user: &str) -> Option<String> {
        let key = match self.client_key {
            ClientKey::Any => asked,
            ClientKey::ClientId => client,
            ClientKey::UserId => user,
        };
        (!key.is_empty()).then(|| key.to_owned())
    }

    /// Entries of a page for a client that asks for `asked`, 0 or less where it does not say.
    pub fn page(&self, asked: i32) -> usize {
        let or = |value: usize, default| if value == 0 { default } else { value };
        let most = or(self.max_page_size, LONGEST_PAGE);
        let asked = usize::try_from(asked).unwrap_or_default();
        or(asked, or(self.default_page_size, PAGE))
            .max(self.min_page_size.max(1))
            .min(most)
    }

    /// Entries of one map at most.
    pub fn most_keys(&self) -> usize {
        if self.max_keys == 0 {
            MOST_KEYS
        } else {
            self.max_keys
        }
    }

    /// How long a client may take to be live.
    pub fn catch_up(&self) -> Duration {
        or(self.subscribe_catch_up_timeout, CATCH_UP)
    }

    /// Whether those who were away are given what changed.
    pub fn resumes(&self) -> bool {
        self.mode != Some(MapMode::Ephemeral)
    }

    /// Size, time to live and meta time to live of the stream of changes. A map that is not resumed has one as well, for the
    /// hub's own use: by it a node finds what the bus has lost.
    pub(super) fn stream(&self, meta_ttl: Duration) -> (usize, Duration, Duration) {
        let size = if self.stream_size == 0 {
            STREAM_SIZE
        } else {
            self.stream_size
        };
        let ttl = or(self.stream_ttl, STREAM_TTL);
        let own = if self.mode == Some(MapMode::Persistent) {
            meta_ttl
        } else {
            (ttl * 10).max(self.key_ttl)
        };
        (size, ttl, or(self.meta_ttl, own))
    }

    /// What cannot be meant in a namespace of `kind`, as option and reason.
    pub(super) fn complaints(&self, kind: SubscriptionType) -> Vec<(&'static str, &'static str)> {
        let mut found = Vec::new();
        let Some(mode) = self.mode else {
            return vec![("map.mode", "must be ephemeral, recoverable or persistent")];
        };
        let lapses = mode != MapMode::Persistent;
        match (lapses, self.key_ttl.is_zero()) {
            (true, true) if !kind.is_presence() => {
                found.push(("map.key_ttl", "must be set unless map.mode is persistent"));
            }
            (false, false) => found.push(("map.key_ttl", "must not be set when map.mode is persistent")),
            _ => {}
        }
        if kind.is_presence() && !lapses {
            found.push((
                "map.mode",
                "must be ephemeral or recoverable: who is there does not last",
            ));
        }
        let streams = self.stream_size > 0 || !self.stream_ttl.is_zero() || !self.meta_ttl.is_zero();
        if kind.is_presence() && self.ordered {
            found.push((
                "map.ordered",
                "is for maps that are published to: who is there has no score",
            ));
        }
        let published_to = self.max_keys > 0
            || self.client_key != ClientKey::Any
            || self.allow_publish_for_client
            || self.allow_publish_for_subscriber
            || self.allow_publish_for_anonymous
            || self.allow_remove_for_client
            || self.allow_remove_for_subscriber
            || self.allow_remove_for_anonymous;
        if kind.is_presence() && published_to {
            found.push((
                "map",
                "max_keys, client_key, allow_publish_* and allow_remove_* are for maps that are published to: the hub alone \
                 writes who is there",
            ));
        }
        if mode == MapMode::Ephemeral && streams {
            found.push((
                "map.stream_size",
                "stream_size, stream_ttl and meta_ttl must not be set when map.mode is ephemeral",
            ));
        }
        if self.stream_size > super::options::LONGEST_HISTORY {
            found.push(("map.stream_size", "must be at most 1000000"));
        }
        if !self.meta_ttl.is_zero() && self.meta_ttl < or(self.stream_ttl, STREAM_TTL) {
            found.push(("map.meta_ttl", "must be at least map.stream_ttl"));
        }
        let most = self.page(i32::MAX);
        if self.default_page_size.max(self.min_page_size) > most {
            found.push((
                "map.max_page_size",
                "must be at least map.default_page_size and map.min_page_size",
            ));
        }
        if most > LONGEST_PAGE {
            found.push(("map.max_page_size", "must be at most 1000"));
        }
        found
    }
}

fn or(span: Duration, default: Duration) -> Duration {
    if span.is_zero() { default } else { span }
}
