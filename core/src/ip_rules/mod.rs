//! IP rules: which addresses an organization lets in, everybody or the holders of a role.
//!
//! Table: `ip_rules`. Events: `ip_rule.created`, `ip_rule.deleted`, on `feed:ip_rules`. An API key's own list stands with the
//! key (`api_keys`).
//!
//! Invariant: where there is a rule, whoever it is for comes in from an allowed network or not at all; an address that is
//! not known is not allowed. Who holds several roles with rules must satisfy each of them.
//! Invariant: nobody shuts themselves out: a change that would refuse the address it comes from is refused.

mod list;
mod rules;
mod service;

pub use list::{IpRule, IpRuleList, RuleSubject, SubjectKind, list};
pub use rules::{Rules, admits, read};
pub use service::{NewIpRule, clear, create, delete, refused};

/// Wire channel of the rules.
pub const CHANNEL: &str = "feed:ip_rules";
/// Rules of one organization at most: they are kept in memory, and looked through for each request.
pub const MOST: usize = 500;

#[cfg(test)]
mod tests;
