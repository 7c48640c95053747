//! The table: an entry for every operation, its own or the default of its sort.
//!
//! | sort | operations |
//! |---|---|
//! | `read` | GET |
//! | `write` | everything else |
//! | `costly` | [`COSTLY`]: what keeps the database or the workers busy for long |
//! | `sign_in` | whatever needs nobody to be signed in |

use crate::config;
use std::collections::HashMap;
use std::sync::LazyLock;
use utoipa::openapi::OpenApi;

/// What keeps the database or the workers busy for long.
const COSTLY: &[&str] = &[
    "imports.create",
    "imports.commit",
    "imports.dry_run",
    "roles.what_if",
    "roles.assign_many",
    "roles.update_many",
    "permissions.holders",
];
/// The sorts, in the order of their entries.
const SORTS: [&str; 4] = ["read", "write", "costly", "sign_in"];
const COSTLY_SORT: usize = 2;
const SIGN_IN_SORT: usize = 3;
/// Beyond it a window is no protection.
const LONGEST: u64 = 86_400;

/// Who is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Whom {
    User,
    Key,
    Address,
}

impl Whom {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Key => "key",
            Self::Address => "address",
        }
    }
}

/// One line of the table.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// `<feature>.<verb>`, or the sort.
    pub(super) name: String,
    /// Of a user, a key and an address, in [`Whom`]'s order; 0 is no limit.
    pub(super) most: [u32; 3],
    pub(super) seconds: u64,
    /// Let in less while the node is slow.
    pub(super) costly: bool,
}

/// See the module.
pub(super) struct Table {
    entries: Vec<Entry>,
    by_operation: HashMap<String, usize>,
}

/// What cannot be used of the settings, each naming its key.
pub fn complaints(settings: &config::Limits, found: &mut Vec<String>) {
    for (feature, verbs) in settings {
        for (verb, quotas) in verbs {
            let name = format!("{feature}.{verb}");
            let is_default = feature == "default" && SORTS.contains(&verb.as_str());
            if !is_default && !OPERATIONS.iter().any(|(id, _)| *id == name) {
                found.push(format!(
                    "`limits.{name}`: there is no such operation; docs/openapi.json names them all"
                ));
            }
            if quotas
                .seconds
                .is_some_and(|seconds| !(1..=LONGEST).contains(&seconds))
            {
                found.push(format!("`limits.{name}.seconds`: must be 1 to {LONGEST}"));
            }
        }
    }
}

/// Every operation with the place of its sort.
static OPERATIONS: LazyLock<Vec<(String, usize)>> = LazyLock::new(|| operations(&crate::http::document()));

fn operations(document: &OpenApi) -> Vec<(String, usize)> {
    let mut all = Vec::new();
    for item in document.paths.paths.values() {
        for (method, operation) in super::super::operations::methods(item) {
            let id = operation.operation_id.clone().unwrap_or_default();
            // an empty requirement: nobody need be signed in
            let open = operation.security.as_ref().is_some_and(|needs| {
                serde_json::to_value(needs).is_ok_and(|needs| needs == serde_json::json!([{}]))
            });
            let sort = match method {
                _ if open => SIGN_IN_SORT,
                _ if COSTLY.contains(&id.as_str()) => COSTLY_SORT,
                "GET" => 0,
                _ => 1,
            };
            all.push((id, sort));
        }
    }
    all
}

impl Table {
    pub(super) fn of(settings: &config::Limits) -> Self {
        let set =
            |feature: &str, verb: &str| settings.get(feature).and_then(|verbs| verbs.get(verb)).copied();
        let mut entries: Vec<Entry> = SORTS
            .iter()
            .enumerate()
            .map(|(sort, name)| Entry {
                name: (*name).to_owned(),
                most: [0; 3],
                seconds: 60,
                costly: sort == COSTLY_SORT,
            })
            .map(|entry| entry.with(&set("default", &entry.name).unwrap_or_default()))
            .collect();
        let mut by_operation = HashMap::new();
        for (id, sort) in OPERATIONS.iter().cloned() {
            let own = id.split_once('.').and_then(|(feature, verb)| set(feature, verb));
            let at = own.map_or(sort, |own| {
                let mut entry = entries[sort].with(&own);
                entry.name.clone_from(&id);
                entries.push(entry);
                entries.len() - 1
            });
            by_operation.insert(id, at);
        }
        Self {
            entries,
            by_operation,
        }
    }

    pub(super) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    pub(super) fn entry(&self, at: usize) -> &Entry {
        &self.entries[at]
    }

    pub(super) fn entry_of(&self, operation: &str) -> Option<usize> {
        self.by_operation.get(operation).copied()
    }

    /// Whether the time that this operation takes tells how busy the node is: an upload takes as long as its sender likes, and a
    /// sign-in waits for its turn.
    pub(super) fn is_telling(&self, operation: &str) -> bool {
        self.entry_of(operation)
            .is_some_and(|at| !self.entries[at].costly && self.entries[at].name != SORTS[SIGN_IN_SORT])
    }
}

impl Entry {
    fn with(&self, set: &config::Quotas) -> Self {
        let [user, key, address] = self.most;
        Self {
            most: [
                set.user.unwrap_or(user),
                set.key.unwrap_or(key),
                set.address.unwrap_or(address),
            ],
            seconds: set.seconds.unwrap_or(self.seconds),
            ..self.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Flags, Quotas, load_from};

    fn settings() -> config::Limits {
        load_from(&Flags::default(), std::iter::empty()).unwrap().limits
    }

    #[test]
    fn every_operation_has_an_entry_that_limits_whoever_may_ask() {
        let table = Table::of(&settings());
        assert!(OPERATIONS.len() > 50, "{}", OPERATIONS.len());
        for (id, sort) in &*OPERATIONS {
            let entry = table.entry(table.entry_of(id).unwrap());
            assert!(entry.most[2] > 0, "{id}: addresses are not limited");
            assert!(
                *sort == SIGN_IN_SORT || (entry.most[0] > 0 && entry.most[1] > 0),
                "{id}: {entry:?}"
            );
        }
        for (sort, ids) in [
            (
                "sign_in",
                &["auth.login", "auth.passkey", "auth.ask_passkey", "auth.factor"][..],
            ),
            (
                "sign_in",
                &[
                    "auth.provider_start",
                    "auth.provider_finish",
                    "auth.provider_logout",
                ],
            ),
            ("write", &["me.link_start", "me.link_finish", "me.unlink"]),
        ] {
            for id in ids {
                assert_eq!(table.entry(table.entry_of(id).unwrap()).name, sort, "{id}");
            }
        }
        assert_eq!(table.entry(table.entry_of("users.get").unwrap()).name, "read");
        for costly in COSTLY {
            let entry = table.entry(table.entry_of(costly).unwrap());
            assert!(entry.costly, "{costly} is no operation");
        }
    }

    #[test]
    fn an_operations_own_entry_goes_before_the_default_and_takes_the_rest_from_it() {
        let mut settings = settings();
        let own = Quotas {
            user: Some(7),
            ..Quotas::default()
        };
        settings.insert("users".into(), [("list".to_owned(), own)].into());
        let table = Table::of(&settings);
        let entry = table.entry(table.entry_of("users.list").unwrap());
        let default = table.entry(0);
        assert_eq!((entry.name.as_str(), entry.most[0]), ("users.list", 7));
        assert_eq!((entry.most[2], entry.seconds), (default.most[2], default.seconds));
        assert_eq!(table.entry(table.entry_of("teams.list").unwrap()).name, "read");
    }

    #[test]
    fn an_entry_for_what_is_no_operation_is_refused() {
        let mut settings = settings();
        settings.insert("users".into(), [("lits".to_owned(), Quotas::default())].into());
        let long = Quotas {
            seconds: Some(0),
            ..Quotas::default()
        };
        settings.insert("teams".into(), [("list".to_owned(), long)].into());
        let mut found = Vec::new();
        complaints(&settings, &mut found);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(
            found[0].contains("teams.list.seconds") && found[1].contains("users.lits"),
            "{found:?}"
        );
    }
}
