//! Who may do what on a channel, as its namespace's options say. A subscription token comes before these and is not asked
//! about here. `user` is empty for an anonymous connection.

use super::{Name, Options};

impl Options {
    /// Whether `user` may subscribe to the channel called `name` without a subscription token. A private channel always
    /// needs one; one that names users is for those, whatever else is allowed.
    pub fn may_subscribe(&self, name: &Name<'_>, user: &str) -> bool {
        if name.private {
            return false;
        }
        match name.users() {
            Some(mut users) if self.allow_user_limited_channels => {
                !user.is_empty() && users.any(|allowed| allowed == user)
            }
            _ if user.is_empty() => self.allow_subscribe_for_anonymous,
            _ => self.allow_subscribe_for_client,
        }
    }

    /// Whether `user` may publish. `subscribed`: the asking connection is subscribed to the channel.
    pub fn may_publish(&self, user: &str, subscribed: bool) -> bool {
        let given = [
            self.allow_publish_for_client,
            self.allow_publish_for_subscriber,
            self.allow_publish_for_anonymous,
        ];
        is_given(given, user, subscribed)
    }

    /// Whether `user` may ask who is there; that anybody knows is [`Options::presence`].
    pub fn may_see_presence(&self, user: &str, subscribed: bool) -> bool {
        let given = [
            self.allow_presence_for_client,
            self.allow_presence_for_subscriber,
            self.allow_presence_for_anonymous,
        ];
        is_given(given, user, subscribed)
    }

    /// Whether `user` may read history; that there is any is [`Options::has_history`].
    pub fn may_read_history(&self, user: &str, subscribed: bool) -> bool {
        let given = [
            self.allow_history_for_client,
            self.allow_history_for_subscriber,
            self.allow_history_for_anonymous,
        ];
        is_given(given, user, subscribed)
    }

    /// Whether a subscriber that asks for recovery gets it: whoever may read history could collect it anyway.
    pub fn may_recover(&self, user: &str) -> bool {
        self.force_recovery || self.allow_recovery || self.may_read_history(user, true)
    }

    /// Whether a subscriber that asks for positioning gets it.
    pub fn may_be_positioned(&self, user: &str) -> bool {
        self.force_positioning || self.allow_positioning || self.may_read_history(user, true)
    }

    /// Whether comings and goings are pushed to a subscriber. `asked`: it asked for them.
    pub fn pushes_join_leave(&self, user: &str, asked: bool) -> bool {
        self.join_leave && (self.force_push_join_leave || (asked && self.may_see_presence(user, true)))
    }
}

/// Whether one act, given or not to users, to subscribers and to the anonymous, is given to `user`.
///
/// What is given to users or to subscribers holds for anonymous connections where that is said. Said alone, where nothing is given
/// to anybody else, it gives to the anonymous what it names: it would mean nothing otherwise.
pub(super) fn is_given(
    [to_users, to_subscribers, to_anonymous]: [bool; 3],
    user: &str,
    subscribed: bool,
) -> bool {
    let given = to_users || (to_subscribers && subscribed);
    if user.is_empty() {
        to_anonymous && (given || !(to_users || to_subscribers))
    } else {
        given
    }
}
