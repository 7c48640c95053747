//! The hub's own channels: what each is called on the wire, and who may listen.

use crate::kernel::id::{JobId, UserId};
use crate::kernel::permission::PermissionSet;

/// Longest channel name, in bytes (Centrifuge protocol).
pub const MAX_NAME: usize = 255;

/// One of the hub's own channels.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Channel {
    /// `feed:<resource>`, with the permission it needs.
    Feed(&'static str, &'static str),
    /// `job:<id>`.
    Job(JobId),
    /// `inbox:<user id>`.
    Inbox(UserId),
}

/// Feeds, and the permission each needs.
pub const FEEDS: &[(&str, &str)] = &[
    ("feed:users", "users:read"),
    ("feed:audit", "audit:read"),
    ("feed:jobs", "jobs:read"),
    ("feed:imports", "imports:read"),
    ("feed:overview", "overview:read"),
    ("feed:system", "system:read"),
    ("feed:live", "live:read"),
];

impl Channel {
    /// Reads a wire name; `None` for a channel that is not ours.
    pub fn parse(name: &str) -> Option<Self> {
        if let Some((feed, permission)) = FEEDS.iter().find(|(feed, _)| *feed == name) {
            return Some(Self::Feed(feed, permission));
        }
        if let Some(id) = name.strip_prefix("job:") {
            return id.parse().ok().map(Self::Job);
        }
        name.strip_prefix("inbox:")?.parse().ok().map(Self::Inbox)
    }

    /// Whether `user` with `permissions` may listen. For a job, `requested_by` is who asked for it.
    pub fn admits(&self, user: UserId, permissions: &PermissionSet, requested_by: Option<UserId>) -> bool {
        match self {
            Self::Feed(_, permission) => permissions.has(permission),
            Self::Job(_) => permissions.has("jobs:read") || requested_by == Some(user),
            Self::Inbox(owner) => *owner == user,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_not_ours_is_no_channel() {
        for name in ["", "feed:", "feed:nope", "job:", "job:1", "inbox:x", "users"] {
            assert_eq!(Channel::parse(name), None, "{name}");
        }
    }

    #[test]
    fn an_inbox_is_its_owners_alone_whatever_another_holds() {
        let (owner, other) = (UserId::new(), UserId::new());
        let all: PermissionSet = FEEDS.iter().map(|(_, permission)| *permission).collect();
        let inbox = Channel::parse(&format!("inbox:{owner}")).unwrap();
        assert!(inbox.admits(owner, &PermissionSet::default(), None));
        assert!(!inbox.admits(other, &all, None));
    }
}
