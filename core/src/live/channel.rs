//! The hub's own channels: what each is called on the wire, and who may listen.

use super::scope;
use crate::kernel::id::{JobId, UserId};
use crate::kernel::permission::PermissionSet;
use uuid::Uuid;

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
    /// `sessions:<user id>`: how many live connections hang on each of a person's sessions, and nothing else.
    Sessions(UserId),
    /// `page:<path>`: who looks at a page of the console, and nothing else. With the permission that the page needs.
    Page(&'static str),
}

/// Pages by the first part of their path, and the permission each needs: nobody learns who looks at what they may not see.
const PAGES: &[(&str, &str)] = &[
    ("users", "users:read"),
    ("jobs", "jobs:read"),
    ("imports", "imports:read"),
    ("audit", "audit:read"),
    ("system", "system:read"),
    ("connections", "live:read"),
    ("keys", "api_keys:read"),
    ("settings", "settings:read"),
    ("invitations", "invitations:read"),
    ("sessions", "sessions:read"),
    ("channels", "live:read"),
];

/// Feeds of state, not of events: nothing is kept of them, and nothing can be resumed.
const STATE: &[&str] = &["feed:overview", "feed:system", "feed:live"];

/// Feeds, and the permission each needs.
pub const FEEDS: &[(&str, &str)] = &[
    ("feed:users", "users:read"),
    ("feed:roles", "roles:read"),
    ("feed:teams", "teams:read"),
    ("feed:audit", "audit:read"),
    ("feed:jobs", "jobs:read"),
    ("feed:imports", "imports:read"),
    ("feed:overview", "overview:read"),
    ("feed:system", "system:read"),
    ("feed:live", "live:read"),
    ("feed:api_keys", "api_keys:read"),
    ("feed:ip_rules", "ip_rules:read"),
    ("feed:settings", "settings:read"),
    ("feed:invitations", "invitations:read"),
    ("feed:sessions", "sessions:read"),
    ("feed:providers", "providers:read"),
    // which pages' shared views have changed, and nothing of them
    ("feed:saved_filters", OPEN),
];

/// Stands for a permission that all people of the organization hold.
pub const OPEN: &str = "";

impl Channel {
    /// Reads a wire name; `None` for a channel that is not ours.
    pub fn parse(name: &str) -> Option<Self> {
        if let Some((feed, permission)) = FEEDS.iter().find(|(feed, _)| *feed == name) {
            return Some(Self::Feed(feed, permission));
        }
        if let Some(id) = name.strip_prefix("job:") {
            return id.parse().ok().map(Self::Job);
        }
        if let Some(path) = name.strip_prefix("page:/") {
            let first = path.split('/').next().unwrap_or_default();
            let page = PAGES.iter().find(|(page, _)| *page == first);
            return page.map(|(_, permission)| Self::Page(permission));
        }
        if let Some(user) = name.strip_prefix("sessions:") {
            return user.parse().ok().map(Self::Sessions);
        }
        name.strip_prefix("inbox:")?.parse().ok().map(Self::Inbox)
    }

    /// Whether its events are kept, so that whoever comes back is given what it missed.
    pub fn keeps_events(&self) -> bool {
        match self {
            Self::Feed(name, _) => !STATE.contains(name),
            Self::Job(_) | Self::Inbox(_) => true,
            Self::Page(_) | Self::Sessions(_) => false,
        }
    }

    /// The permission that opens it to whom it is not open anyway; `None` for what no permission opens.
    pub fn opened_by(&self) -> Option<&'static str> {
        match self {
            Self::Feed(_, permission) | Self::Page(permission) => {
                Some(*permission).filter(|name| *name != OPEN)
            }
            Self::Job(_) => Some("jobs:read"),
            Self::Sessions(_) => Some("sessions:read"),
            Self::Inbox(_) => None,
        }
    }

    /// Whether `user` with `permissions` may listen. For a job, `requested_by` is who asked for it.
    pub fn admits(&self, user: UserId, permissions: &PermissionSet, requested_by: Option<UserId>) -> bool {
        match self {
            Self::Feed(name, permission) if scope::has_rows(name) => permissions.has_some(permission),
            Self::Feed(_, permission) if *permission == OPEN => true,
            Self::Feed(_, permission) | Self::Page(permission) => permissions.has(permission),
            Self::Job(_) => permissions.has("jobs:read") || requested_by == Some(user),
            Self::Inbox(owner) => *owner == user,
            Self::Sessions(owner) => *owner == user || permissions.has("sessions:read"),
        }
    }

    /// As [`Channel::admits`] for an API key with `permissions`. What is a person's own needs no permission; a program needs one
    /// for everything.
    pub fn admits_key(&self, permissions: &PermissionSet) -> bool {
        // nobody's: nothing is open for being somebody's own
        self.opened_by().is_some() && self.admits(UserId(Uuid::nil()), permissions, None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_not_ours_is_no_channel() {
        for name in [
            "",
            "feed:",
            "feed:nope",
            "job:",
            "job:1",
            "inbox:x",
            "sessions:x",
            "users",
            "page:",
            "page:users",
            "page:/",
            "page:/x",
        ] {
            assert_eq!(Channel::parse(name), None, "{name}");
        }
    }

    #[test]
    fn who_looks_at_a_page_is_told_only_to_who_may_see_it() {
        let page = Channel::parse("page:/users/018f").unwrap();
        let may = |permission: &str| page.admits(UserId::new(), &[permission].into_iter().collect(), None);
        assert!(may("users:read") && !may("jobs:read") && !page.keeps_events());
    }

    #[test]
    fn what_hangs_on_somebodys_sessions_is_told_to_them_and_to_who_may_see_sessions() {
        let owner = UserId::new();
        let channel = Channel::parse(&format!("sessions:{owner}")).unwrap();
        let none = PermissionSet::default();
        assert!(channel.admits(owner, &none, None) && !channel.keeps_events());
        assert!(!channel.admits(UserId::new(), &none, None));
        assert!(channel.admits(UserId::new(), &["sessions:read"].into_iter().collect(), None));
    }

    #[test]
    fn an_inbox_is_its_owners_alone_whatever_another_holds() {
        let (owner, other) = (UserId::new(), UserId::new());
        let all: PermissionSet = FEEDS.iter().map(|(_, permission)| *permission).collect();
        let inbox = Channel::parse(&format!("inbox:{owner}")).unwrap();
        assert!(inbox.admits(owner, &PermissionSet::default(), None));
        assert!(!inbox.admits(other, &all, None));
    }

    #[test]
    fn a_key_sees_nothing_for_being_its_owners_but_what_a_permission_of_its_own_opens() {
        let all: PermissionSet = FEEDS.iter().map(|(_, permission)| *permission).collect();
        let (none, owner) = (PermissionSet::default(), UserId::new());
        for (name, with_all) in [
            ("feed:users", true),
            ("page:/jobs", true),
            (format!("job:{owner}").as_str(), true),
            (format!("sessions:{owner}").as_str(), true),
            (format!("inbox:{owner}").as_str(), false),
            ("feed:saved_filters", false),
        ] {
            let channel = Channel::parse(name).unwrap();
            assert_eq!(
                (channel.admits_key(&none), channel.admits_key(&all)),
                (false, with_all),
                "{name}"
            );
        }
    }
}
