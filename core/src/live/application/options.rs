//! What a namespace allows, under the option names of Centrifugo's channel namespaces.

use super::map_options::{MapOptions, SubscriptionType};
use super::shared_poll::SharedPollOptions;
use super::span;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Publications kept of one channel at most, so that one namespace cannot fill Redis by a slip of the keyboard.
pub const LONGEST_HISTORY: usize = 1_000_000;

/// What holds for every channel of a namespace. Nothing is on unless it is said, and nobody may do anything.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a setting of its own, named by the operator"
)]
pub struct Options {
    /// How channels are followed; one kind for all of a namespace.
    pub subscription_type: SubscriptionType,
    /// What holds for maps.
    pub map: MapOptions,
    /// What holds for channels that are polled.
    pub shared_poll: SharedPollOptions,
    /// Who is in a channel is a map as well, in the channel that has this before its name; empty: it is not.
    pub map_clients_presence_channel_prefix: String,
    /// The same by user.
    pub map_users_presence_channel_prefix: String,
    /// Publications kept; 0 keeps none. Needs `history_ttl`.
    pub history_size: usize,
    /// How long history is kept after the last publication. Needs `history_size`.
    #[serde(with = "span")]
    pub history_ttl: Duration,
    /// How long epoch and offset are kept after the last publication; zero is `live.history_meta_ttl`.
    #[serde(with = "span")]
    pub history_meta_ttl: Duration,
    /// Every subscriber may resume from where it was, and is told its position.
    pub force_recovery: bool,
    /// A subscriber that asks for it may resume.
    pub allow_recovery: bool,
    /// What resuming means.
    pub force_recovery_mode: RecoveryMode,
    /// The hub watches for gaps for every subscriber.
    pub force_positioning: bool,
    /// The hub watches for gaps for a subscriber that asks for it.
    pub allow_positioning: bool,
    /// Who is there is known.
    pub presence: bool,
    /// Who comes and goes is told.
    pub join_leave: bool,
    /// Coming and going is pushed to subscribers that did not ask for it.
    pub force_push_join_leave: bool,
    /// Forms of delta a subscriber may ask for.
    pub allowed_delta_types: Vec<DeltaType>,
    /// Every publication may be sent as a delta, without its publisher's asking.
    pub delta_publish: bool,
    /// A subscriber may name the tags it wants.
    pub allow_tags_filter: bool,
    /// What a publication's data must be.
    pub publication_data_format: Format,
    /// `namespace:name#user,user` is for those users.
    pub allow_user_limited_channels: bool,
    /// Users may subscribe without a subscription token.
    pub allow_subscribe_for_client: bool,
    /// Anonymous connections may subscribe.
    pub allow_subscribe_for_anonymous: bool,
    /// Subscribers may publish.
    pub allow_publish_for_subscriber: bool,
    /// Users may publish, subscribed or not.
    pub allow_publish_for_client: bool,
    /// What the two before give holds for anonymous connections too.
    pub allow_publish_for_anonymous: bool,
    /// Subscribers may ask who is there.
    pub allow_presence_for_subscriber: bool,
    /// Users may ask who is there, subscribed or not.
    pub allow_presence_for_client: bool,
    /// What the two before give holds for anonymous connections too.
    pub allow_presence_for_anonymous: bool,
    /// Subscribers may read history.
    pub allow_history_for_subscriber: bool,
    /// Users may read history, subscribed or not.
    pub allow_history_for_client: bool,
    /// What the two before give holds for anonymous connections too.
    pub allow_history_for_anonymous: bool,
}

/// What a subscriber that comes back is given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RecoveryMode {
    /// Every publication it has missed, or none at all.
    #[default]
    Stream,
    /// The newest publication, whenever it subscribes.
    Cache,
}

/// A way to send a publication as what differs from the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum DeltaType {
    /// Fossil's delta format.
    Fossil,
}

/// What the data of a publication must be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// Anything but nothing.
    #[default]
    #[serde(rename = "")]
    Any,
    /// Valid JSON.
    Json,
    /// A JSON object.
    JsonObject,
    /// Anything, nothing included.
    Binary,
}

impl Format {
    /// Whether `data` is such.
    pub fn takes(self, data: &[u8]) -> bool {
        use serde::de::IgnoredAny;
        match self {
            Self::Any => !data.is_empty(),
            Self::Json => serde_json::from_slice::<IgnoredAny>(data).is_ok(),
            Self::JsonObject => {
                data.trim_ascii_start().first() == Some(&b'{')
                    && serde_json::from_slice::<IgnoredAny>(data).is_ok()
            }
            Self::Binary => true,
        }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            subscription_type: SubscriptionType::Stream,
            map: MapOptions::default(),
            shared_poll: SharedPollOptions::default(),
            map_clients_presence_channel_prefix: String::new(),
            map_users_presence_channel_prefix: String::new(),
            history_size: 0,
            history_ttl: Duration::ZERO,
            history_meta_ttl: Duration::ZERO,
            force_recovery: false,
            allow_recovery: false,
            force_recovery_mode: RecoveryMode::Stream,
            force_positioning: false,
            allow_positioning: false,
            presence: false,
            join_leave: false,
            force_push_join_leave: false,
            allowed_delta_types: Vec::new(),
            delta_publish: false,
            allow_tags_filter: false,
            publication_data_format: Format::Any,
            allow_user_limited_channels: false,
            allow_subscribe_for_client: false,
            allow_subscribe_for_anonymous: false,
            allow_publish_for_subscriber: false,
            allow_publish_for_client: false,
            allow_publish_for_anonymous: false,
            allow_presence_for_subscriber: false,
            allow_presence_for_client: false,
            allow_presence_for_anonymous: false,
            allow_history_for_subscriber: false,
            allow_history_for_client: false,
            allow_history_for_anonymous: false,
        }
    }
}

impl Options {
    /// Whether publications are kept.
    pub fn has_history(&self) -> bool {
        self.history_size > 0 && !self.history_ttl.is_zero()
    }

    /// With everything filled in that follows from the rest: `meta_ttl` where no `history_meta_ttl` is set, and of a map the
    /// stream of its changes.
    pub(super) fn completed(mut self, meta_ttl: Duration) -> Self {
        if self.history_meta_ttl.is_zero() {
            self.history_meta_ttl = meta_ttl;
        }
        if self.subscription_type.is_map() {
            (self.history_size, self.history_ttl, self.history_meta_ttl) = self.map.stream(meta_ttl);
            self.force_recovery = self.map.resumes();
            self.force_positioning = true;
        }
        self
    }

    /// The maps in which it is told who is in `channel`.
    pub fn presence_maps(&self, channel: &str) -> impl Iterator<Item = String> {
        let prefixes = [
            &self.map_clients_presence_channel_prefix,
            &self.map_users_presence_channel_prefix,
        ];
        prefixes
            .into_iter()
            .filter(|prefix| !prefix.is_empty())
            .map(move |prefix| format!("{prefix}{channel}"))
    }

    fn complaints_of_poll(&self) -> Vec<(&'static str, &'static str)> {
        if self.subscription_type != SubscriptionType::SharedPoll {
            let unused = self.shared_poll != SharedPollOptions::default();
            let reason = ("shared_poll", "is set, but subscription_type is not shared_poll");
            return unused.then_some(reason).into_iter().collect();
        }
        let mut found = self.shared_poll.complaints();
        if self.keeps_as_a_stream() || self.lets_read_history() {
            found.push((
                "subscription_type",
                "is shared_poll: what is polled is not kept, so that history_*, force_* and allow_history_* mean nothing",
            ));
        }
        if self.lets_publish() || self.delta_publish || self.publication_data_format != Format::Any {
            found.push((
                "subscription_type",
                "is shared_poll: allow_publish_*, delta_publish and publication_data_format are for what clients publish",
            ));
        }
        if self.allow_tags_filter {
            found.push(("allow_tags_filter", "is set, but what is polled has no tags"));
        }
        found
    }

    fn keeps_as_a_stream(&self) -> bool {
        self.history_size > 0
            || !(self.history_ttl.is_zero() && self.history_meta_ttl.is_zero())
            || self.force_recovery
            || self.allow_recovery
            || self.force_positioning
            || self.allow_positioning
            || self.force_recovery_mode != RecoveryMode::Stream
    }

    fn lets_publish(&self) -> bool {
        self.allow_publish_for_client || self.allow_publish_for_subscriber || self.allow_publish_for_anonymous
    }

    fn lets_read_history(&self) -> bool {
        self.allow_history_for_client || self.allow_history_for_subscriber || self.allow_history_for_anonymous
    }

    fn complaints_of_map(&self) -> Vec<(&'static str, &'static str)> {
        let kind = self.subscription_type;
        if !kind.is_map() {
            let unused = self.map != MapOptions::default();
            let reason = ("map", "is set, but subscription_type is not a kind of map");
            return unused.then_some(reason).into_iter().collect();
        }
        let mut found = self.map.complaints(kind);
        if self.keeps_as_a_stream() {
            found.push((
                "subscription_type",
                "is a map: history_*, force_*, allow_recovery and allow_positioning are for streams, map.mode and map.stream_* \
                 for maps",
            ));
        }
        if self.lets_publish() {
            found.push((
                "subscription_type",
                "is a map: allow_publish_* are for streams, map.allow_publish_* for maps",
            ));
        }
        let present = self.presence || self.join_leave || self.map.remove_client_on_unsubscribe;
        if kind.is_presence() && present {
            found.push((
                "subscription_type",
                "is a map of who is in another channel, which keeps no presence of its own",
            ));
        }
        found
    }

    /// What cannot be meant, as option and reason. `meta_ttl` is `live.history_meta_ttl`.
    pub fn complaints(&self, meta_ttl: Duration) -> Vec<(&'static str, &'static str)> {
        let meta = if self.history_meta_ttl.is_zero() {
            meta_ttl
        } else {
            self.history_meta_ttl
        };
        let mut found = self.complaints_of_map();
        found.extend(self.complaints_of_poll());
        let (sized, timed) = (self.history_size > 0, !self.history_ttl.is_zero());
        if sized && !timed {
            found.push(("history_ttl", "must be set when history_size is"));
        }
        if timed && !sized {
            found.push(("history_size", "must be set when history_ttl is"));
        }
        if self.history_size > LONGEST_HISTORY {
            found.push(("history_size", "must be at most 1000000"));
        }
        if self.history_ttl > meta {
            found.push((
                "history_ttl",
                "is longer than history_meta_ttl, so that positions would be forgotten before what they count",
            ));
        }
        if self.force_recovery && !(sized && timed) {
            found.push((
                "force_recovery",
                "needs history_size and history_ttl: nothing could be resumed",
            ));
        }
        if self.force_push_join_leave && !self.join_leave {
            found.push((
                "force_push_join_leave",
                "needs join_leave: there would be nothing to push",
            ));
        }
        found
    }
}
