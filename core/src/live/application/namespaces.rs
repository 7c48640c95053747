//! What a channel's name means, and which options hold for it.

use super::{Options, SubscriptionType};
use crate::live::channel::MAX_NAME;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Namespaces of the hub's own channels: nobody may configure them.
pub const RESERVED: &[&str] = &["feed", "job", "case", "inbox", "page", "sessions"];

/// A channel's name, taken apart: `$namespace:rest#user,user`, everything but `rest` optional.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Name<'a> {
    /// Began with `$`: a subscription token is needed, whatever the options say.
    pub private: bool,
    /// Empty without one.
    pub namespace: &'a str,
    /// What follows the namespace.
    pub rest: &'a str,
}

impl<'a> Name<'a> {
    /// Takes `channel` apart; `None` for what no channel can be called (error 107): nothing, more than 255 bytes, anything
    /// with control characters. A colon behind `#` belongs to a user's id and not to a namespace. Users are called as they like:
    /// what clients ask for themselves is ASCII all the same, as the protocol has it, and is judged elsewhere.
    pub fn parse(channel: &'a str) -> Option<Self> {
        if channel.is_empty() || channel.len() > MAX_NAME || channel.contains(char::is_control) {
            return None;
        }
        let bare = channel.strip_prefix('$');
        let (private, bare) = (bare.is_some(), bare.unwrap_or(channel));
        let boundary = bare
            .find(':')
            .filter(|colon| bare.find('#').is_none_or(|users| *colon < users));
        let (namespace, rest) = boundary.map_or(("", bare), |at| (&bare[..at], &bare[at + 1..]));
        Some(Self {
            private,
            namespace,
            rest,
        })
    }

    /// The users a channel names for whom it is, if it names any.
    pub fn users(&self) -> Option<impl Iterator<Item = &'a str>> {
        let (_, users) = self.rest.rsplit_once('#')?;
        Some(users.split(','))
    }
}

/// All namespaces of this installation, as configured.
#[derive(Clone, Debug, Default)]
pub struct Namespaces {
    without: Option<Arc<Options>>,
    named: BTreeMap<String, Arc<Options>>,
    personal: Option<String>,
}

impl Namespaces {
    /// Of channels without a namespace (`None`: there are none such) and of the named ones. Where options name no
    /// `history_meta_ttl`, `meta_ttl` holds.
    pub fn new(without: Option<Options>, named: BTreeMap<String, Options>, meta_ttl: Duration) -> Self {
        let complete = |options: Options| Arc::new(options.completed(meta_ttl));
        Self {
            without: without.map(complete),
            named: named
                .into_iter()
                .filter(|(name, _)| !RESERVED.contains(&name.as_str()))
                .map(|(name, options)| (name, complete(options)))
                .collect(),
            personal: None,
        }
    }

    /// With a personal channel for each user, `namespace:#user`, or `#user` when `namespace` is empty.
    pub fn with_personal_channels(mut self, namespace: &str) -> Self {
        self.personal = Some(if namespace.is_empty() {
            String::new()
        } else {
            format!("{namespace}:")
        });
        self
    }

    /// What holds for `channel`; `None` when it cannot be a channel's name, or its namespace is not configured (error 102).
    /// [`Name::parse`] tells the two apart.
    pub fn of(&self, channel: &str) -> Option<&Arc<Options>> {
        self.of_name(&Name::parse(channel)?)
    }

    /// As [`Namespaces::of`], for a name that was taken apart already.
    pub fn of_name(&self, name: &Name<'_>) -> Option<&Arc<Options>> {
        if name.namespace.is_empty() && !name.rest.is_empty() {
            return self.without.as_ref();
        }
        self.named.get(name.namespace)
    }

    /// The personal channel of `user`, to which its connections are subscribed by the hub. `None` when there are none, for
    /// the anonymous, and for ids that a channel's name would read as something else: with `#` or `,` in them a channel
    /// would belong to others too.
    pub fn personal_channel(&self, user: &str) -> Option<String> {
        let before = self.personal.as_deref()?;
        if user.is_empty() || user.contains(['#', ',']) {
            return None;
        }
        let channel = format!("{before}#{user}");
        self.of(&channel).is_some().then_some(channel)
    }

    /// Whether some channels are maps.
    pub fn have_maps(&self) -> bool {
        let mut all = self.named.values().chain(&self.without);
        all.any(|options| options.subscription_type.is_map())
    }

    /// Whether entries of some map lapse.
    pub fn have_lapsing_maps(&self) -> bool {
        let mut all = self.named.values().chain(&self.without);
        all.any(|options| options.subscription_type.is_map() && !options.map.key_ttl.is_zero())
    }

    /// Whether some channels are polled.
    pub fn have_polls(&self) -> bool {
        let mut all = self.named.values().chain(&self.without);
        all.any(|options| options.subscription_type == SubscriptionType::SharedPoll)
    }

    /// Whether nothing is configured, so that no application can use this hub.
    pub fn is_empty(&self) -> bool {
        self.without.is_none() && self.named.is_empty()
    }
}

/// Whether a namespace may be called `name`: letters, digits, `-`, `_` and `.`, at most 64.
pub fn is_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}
