//! Permissions are `<feature>:<verb>`. A check is a look into a set that was resolved before; nothing is fetched here.
//!
//! A permission is held with a [`Reach`]: on everything, or on some rows. Which check means what:
//!
//! | check | passes when the permission is held | for |
//! |---|---|---|
//! | [`PermissionSet::has`], `Ctx::require` | on everything, without exception | acts without a row, lists that show all |
//! | [`PermissionSet::has_some`], `Ctx::require_some` | on some row at least | the door before a check of the row, lists that are filtered |
//! | [`PermissionSet::permits`], `Ctx::require_on` | on this row | acts on one row, delivery of one row |
//! | [`PermissionSet::rows`] | (the filter itself) | statements of lists, subscriptions |
//!
//! Invariant: code that knows nothing of rows asks `has` and is never let in by less than everything.
//! Invariant: which rows a permission reaches is said once, by [`RowFilter`]; its SQL and its test agree (a property test).

mod filter;
mod reach;

pub use filter::{Columns, RowFilter};
pub use reach::{Missing, Reach, Resource, ResourceFacts, Rows, Subject};

use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What one subject may do, resolved. Empty knows nothing and allows nothing.
///
/// Its JSON is an object; nodes before conditions wrote a list of names, and each refuses what the other wrote, as if
/// nothing were kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PermissionSet(Arc<Held>);

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Held {
    /// Whose own, and whose teams'. A set of bare names has nobody, and reaches nothing by a condition.
    subject: Option<Subject>,
    reaches: BTreeMap<String, Reach>,
}

impl PermissionSet {
    /// True where `other` is this very set: an answer for one holds for the other. Sets that are merely equal are told apart.
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// What `subject` may do.
    pub fn of(subject: Subject, reaches: BTreeMap<String, Reach>) -> Self {
        Self(Arc::new(Held {
            subject: Some(subject),
            reaches,
        }))
    }

    /// True when `permission` is held on everything in the organization, without exception.
    pub fn has(&self, permission: &str) -> bool {
        matches!(self.0.reaches.get(permission), Some(Reach::Everything))
    }

    /// True when `permission` is held on some rows at least. Says nothing about a row: ask [`Self::permits`] or filter by
    /// [`Self::rows`].
    pub fn has_some(&self, permission: &str) -> bool {
        self.0.reaches.contains_key(permission)
    }

    /// True when `permission` is held on the row that `facts` are about.
    pub fn permits(&self, permission: &str, facts: &ResourceFacts<'_>) -> bool {
        let held = &*self.0;
        if held
            .subject
            .as_ref()
            .is_some_and(|subject| subject.organization != facts.organization)
        {
            return false;
        }
        match held.reaches.get(permission) {
            None => false,
            Some(Reach::Everything) => true,
            Some(Reach::Rows(_)) => self.rows(permission, facts.kind).admits(facts),
        }
    }

    /// Which rows of `kind` this permission reaches: for a list's statement and for delivery alike.
    pub fn rows(&self, permission: &str, kind: &str) -> RowFilter {
        let reach = self.0.reaches.get(permission);
        RowFilter::of(self.0.subject.as_ref(), reach, kind)
    }

    /// How far `permission` reaches; `None` when it is not held at all.
    pub fn reach(&self, permission: &str) -> Option<&Reach> {
        self.0.reaches.get(permission)
    }

    /// Whose set it is; nobody's for a set of bare names.
    pub fn subject(&self) -> Option<&Subject> {
        self.0.subject.as_ref()
    }

    /// True when whatever `other` reaches is reached here too: nobody gives what this would not cover.
    pub fn covers(&self, other: &Self) -> bool {
        other.0.reaches.iter().all(|(permission, theirs)| {
            self.reach(permission)
                .is_some_and(|ours| ours.covers(self.subject(), theirs, other.subject()))
        })
    }

    /// As [`Self::covers`], but what somebody may do with what is their own puts them above nobody.
    pub fn outranks(&self, other: &Self) -> bool {
        other.0.reaches.iter().all(|(permission, theirs)| {
            let Some(theirs) = theirs.beyond_own() else {
                return true;
            };
            self.reach(permission)
                .is_some_and(|ours| ours.covers(self.subject(), &theirs, other.subject()))
        })
    }

    /// What of it `names` allow, and no more: for whoever acts with less than they hold.
    #[must_use]
    pub fn within(&self, names: &BTreeSet<String>) -> Self {
        self.only(|name| names.contains(name))
    }

    /// The same set with only those permissions that `keep` says.
    #[must_use]
    pub fn only(&self, keep: impl Fn(&str) -> bool) -> Self {
        let held = self.0.reaches.iter().filter(|(name, _)| keep(name));
        Self(Arc::new(Held {
            subject: self.0.subject.clone(),
            reaches: held.map(|(name, reach)| (name.clone(), reach.clone())).collect(),
        }))
    }

    /// The names of what is held on everything, sorted.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.reaches()
            .filter(|(_, reach)| matches!(reach, Reach::Everything))
            .map(|(name, _)| name)
    }

    /// Every name held on some rows at least, sorted, with its reach.
    pub fn reaches(&self) -> impl Iterator<Item = (&str, &Reach)> {
        self.0.reaches.iter().map(|(name, reach)| (name.as_str(), reach))
    }

    /// How many are held, on some rows at least.
    pub fn len(&self) -> usize {
        self.0.reaches.len()
    }

    /// True when nothing is held.
    pub fn is_empty(&self) -> bool {
        self.0.reaches.is_empty()
    }
}

/// Bare names, each held on everything.
impl<S: Into<String>> FromIterator<S> for PermissionSet {
    fn from_iter<I: IntoIterator<Item = S>>(names: I) -> Self {
        Self(Arc::new(Held {
            subject: None,
            reaches: names
                .into_iter()
                .map(|name| (name.into(), Reach::Everything))
                .collect(),
        }))
    }
}

/// How new somebody's rights are: the person's `access_version` and their organization's `access_epoch`. Both only grow,
/// in the transaction that changes the rights.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RightsVersion {
    /// `users.access_version`.
    pub access: i64,
    /// `organizations.access_epoch`.
    pub epoch: i64,
}

impl RightsVersion {
    /// True when whoever read this version saw everything that `other` saw.
    pub fn covers(self, other: Self) -> bool {
        self.access >= other.access && self.epoch >= other.epoch
    }

    /// The least version that covers both.
    pub fn join(self, other: Self) -> Self {
        Self {
            access: self.access.max(other.access),
            epoch: self.epoch.max(other.epoch),
        }
    }
}

/// What somebody may do, with the version it was read at, both from one snapshot.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rights {
    /// How new it is.
    pub version: RightsVersion,
    /// What they may do.
    pub permissions: PermissionSet,
}

#[cfg(test)]
mod tests;
