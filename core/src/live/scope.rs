//! Each viewer sees the rows they may see, from the same rule as a list's statement: [`RowFilter`].
//!
//! Whoever reaches every row has a [`Sight`] that is a view class and nothing else: no row is looked at for them. Of the
//! others each publication is asked by its facts before and after the change ([`Showing`]); those to whom it shows alike share
//! its bytes.
//!
//! Invariant: what is not known to be in reach is not shown.

use super::position::Position;
use super::view::ViewClass;
use crate::db::PgConnection;
use crate::kernel::error::Result;
use crate::kernel::event::Scope;
use crate::kernel::id::OrganizationId;
use crate::kernel::permission::{PermissionSet, ResourceFacts, RowFilter};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::sync::Arc;
use uuid::Uuid;

/// Channels whose rows are asked one by one: the permission, and the kind of the rows.
const ROWS: &[(&str, &str, &str)] = &[("feed:users", "users:read", "user")];

/// Whether a channel may be followed with a permission for some of its rows.
pub fn has_rows(channel: &str) -> bool {
    ROWS.iter().any(|(name, _, _)| *name == channel)
}

/// What one viewer sees of one channel: which fields, and of which rows. Cheap to clone. Equal where every publication
/// shows alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sight {
    fields: ViewClass,
    // absent for whoever sees every row with the same fields
    narrow: Option<Arc<Narrow>>,
}

/// Of whom each row is asked.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Narrow {
    organization: OrganizationId,
    kind: &'static str,
    /// Rows that are seen.
    pub(super) rows: RowFilter,
    /// Rows of which each group of guarded fields is seen.
    fields: Vec<RowFilter>,
    /// Tells reaches apart: the same on every node.
    mark: u64,
}

impl Sight {
    /// Of every row.
    pub fn whole(fields: ViewClass) -> Self {
        Self { fields, narrow: None }
    }

    /// What whoever holds `permissions` sees of `channel`. That they may follow it at all is another question.
    pub fn of(permissions: &PermissionSet, channel: &str) -> Self {
        let fields = ViewClass::of(permissions);
        let Some((_, permission, kind)) = ROWS.iter().find(|(name, _, _)| *name == channel) else {
            return Self::whole(fields);
        };
        let some_fields =
            ViewClass::groups().any(|group| permissions.has_some(group) && !permissions.has(group));
        if permissions.has(permission) && !some_fields {
            return Self::whole(fields);
        }
        let rows = permissions.rows(permission, kind);
        let groups: Vec<_> = ViewClass::groups()
            .map(|group| permissions.rows(group, kind))
            .collect();
        let subject = permissions.subject();
        Self {
            fields,
            narrow: Some(Arc::new(Narrow {
                organization: subject.map_or(OrganizationId(Uuid::nil()), |subject| subject.organization),
                kind,
                mark: mark(&rows, &groups),
                rows,
                fields: groups,
            })),
        }
    }

    /// Whether no row need be looked at: publications show as they do to everybody of this class.
    pub fn is_whole(&self) -> bool {
        self.narrow.is_none()
    }

    /// The fields that are seen of every row that is seen.
    pub fn fields(&self) -> ViewClass {
        self.fields
    }

    pub(super) fn narrow(&self) -> Option<&Narrow> {
        self.narrow.as_deref()
    }

    /// An epoch as it is told to whoever sees this. A client that comes back with what was shown to another sight is given
    /// the present state: to go on from there would leave it with fields or rows that are hidden now, or without those that
    /// it may see.
    pub fn epoch_told(&self, epoch: &str) -> String {
        match self.suffix() {
            Some(suffix) if !epoch.is_empty() => format!("{epoch}{suffix}"),
            _ => epoch.to_owned(),
        }
    }

    /// The epoch that whoever sees this was told as `told`; for one that another sight was told, one that no stream has.
    pub fn epoch_meant<'a>(&self, told: &'a str) -> &'a str {
        match self.suffix() {
            Some(suffix) if !told.is_empty() => told.strip_suffix(suffix.as_str()).unwrap_or("?"),
            _ => told,
        }
    }

    /// A position as it is told to whoever sees this.
    pub fn position_told(&self, at: Position) -> Position {
        Position {
            epoch: self.epoch_told(&at.epoch),
            ..at
        }
    }

    /// What an epoch is told with; nothing where that is plain, which every other is told apart from by having something.
    fn suffix(&self) -> Option<String> {
        match &self.narrow {
            Some(narrow) => Some(format!(".{:x}.{:016x}", self.fields.bits(), narrow.mark)),
            None if self.fields.bits() == 0 => None,
            None => Some(format!(".{:x}", self.fields.bits())),
        }
    }
}

impl Narrow {
    /// What stands in bulk is shown apart to each reach.
    pub(super) fn mark(&self) -> u64 {
        self.mark
    }

    /// Whether a row with these facts is seen.
    pub(super) fn admits(&self, id: Uuid, scope: Option<&Scope>) -> bool {
        scope.is_some_and(|scope| self.rows.admits(&self.facts(id, scope)))
    }

    /// Which fields are seen of a row with these facts.
    pub(super) fn fields_of(&self, id: Uuid, scope: &Scope) -> ViewClass {
        let facts = self.facts(id, scope);
        ViewClass::holding(self.fields.iter().map(|group| group.admits(&facts)))
    }

    /// Whether somebody is known to be seen of whom no teams are known: whoever did something.
    pub(super) fn knows(&self, person: Uuid) -> bool {
        let scope = Scope {
            owner: Some(person),
            teams: Vec::new(),
        };
        self.admits(person, Some(&scope))
    }

    fn facts<'a>(&self, id: Uuid, scope: &'a Scope) -> ResourceFacts<'a> {
        scope.facts(self.organization, self.kind, id)
    }
}

/// The facts of people as they are now; whoever is deleted has none.
pub async fn present(
    connection: &mut PgConnection,
    organization: OrganizationId,
    people: &[Uuid],
) -> Result<HashMap<Uuid, Scope>> {
    let rows = sqlx::query!(
        r#"SELECT id, ARRAY(SELECT team_id FROM team_members m WHERE m.organization_id = $1 AND m.user_id = u.id ORDER BY team_id) AS "teams!"
           FROM users u WHERE organization_id = $1 AND id = ANY($2) AND deleted_at IS NULL"#,
        organization.0,
        people,
    )
    .fetch_all(connection)
    .await?;
    let facts = rows.into_iter().map(|row| {
        let scope = Scope {
            teams: row.teams,
            owner: Some(row.id),
        };
        (row.id, scope)
    });
    Ok(facts.collect())
}

/// As one publication shows to one viewer. Whoever it shows alike to gets the same bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Showing {
    pub(super) fields: ViewClass,
    pub(super) what: What,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// The event. `came`: its row was there, and not seen before. `named`: with whoever did it.
    Event { came: bool, named: bool },
    /// That the row is gone, and nothing of it.
    Removal,
    /// Those of many rows that a reach has, by its mark.
    Some(u64),
}

impl Showing {
    /// As it shows to whoever sees every row.
    pub fn whole(fields: ViewClass) -> Self {
        Self {
            fields,
            what: What::Event {
                came: false,
                named: true,
            },
        }
    }
}

/// A digest of what is reached, made of plain values in a fixed order.
fn mark(rows: &RowFilter, fields: &[RowFilter]) -> u64 {
    let mut hash = Sha256::new();
    for filter in std::iter::once(rows).chain(fields) {
        hash.update([u8::from(filter.everywhere), u8::from(filter.owner.is_some())]);
        hash.update(filter.owner.unwrap_or_default().as_bytes());
        for ids in [&filter.teams, &filter.single, &filter.denied] {
            let mut ids = ids.clone();
            ids.sort_unstable();
            hash.update((ids.len() as u64).to_be_bytes());
            for id in ids {
                hash.update(id.as_bytes());
            }
        }
    }
    let digest: [u8; 32] = hash.finalize().into();
    u64::from_be_bytes([
        digest[0], digest[1], digest[2], digest[3], digest[4], digest[5], digest[6], digest[7],
    ])
}

#[cfg(test)]
#[path = "scope_tests.rs"]
mod tests;
