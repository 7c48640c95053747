//! Requests somebody may make: the numbers; what they mean stands in `http::limits`.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// `[limits.<feature>.<verb>]` of single operations, and `[limits.default.<sort>]` of all the others.
pub type Limits = BTreeMap<String, BTreeMap<String, Quotas>>;

/// What of an entry is set. An operation's entry takes the rest from the default of its sort. 0 is no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Quotas {
    /// Requests of one person, over all of their sessions.
    pub user: Option<u32>,
    /// Requests by one API key.
    pub key: Option<u32>,
    /// Requests from one address, or one IPv6 network of 64 bits.
    pub address: Option<u32>,
    /// In so many seconds.
    pub seconds: Option<u64>,
}
