//! Permissions are `<feature>:<verb>`. A check is a look into a set that was resolved before; nothing is fetched here.

use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::sync::Arc;

/// What one subject may do, resolved. Empty knows nothing and allows nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PermissionSet(Arc<BTreeSet<String>>);

impl PermissionSet {
    /// True when `permission` is held.
    pub fn has(&self, permission: &str) -> bool {
        self.0.contains(permission)
    }

    /// True when everything in `other` is held here too.
    pub fn covers(&self, other: &Self) -> bool {
        other.0.is_subset(&self.0)
    }

    /// The names, sorted.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// How many are held.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True when nothing is held.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<S: Into<String>> FromIterator<S> for PermissionSet {
    fn from_iter<I: IntoIterator<Item = S>>(names: I) -> Self {
        Self(Arc::new(names.into_iter().map(Into::into).collect()))
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
