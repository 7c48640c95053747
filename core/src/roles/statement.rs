//! What a role or a person is told about a permission, as requests and answers write it.

use crate::db::PgConnection;
use crate::kernel::error::{Error, FieldError, Result};
use crate::kernel::id::OrganizationId;
use crate::kernel::permission::Resource;
use crate::users::rights::model::{Condition, Says};
use crate::users::rights::proof::Effect;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use uuid::Uuid;

/// Granted or denied, and on which rows.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Statement {
    /// `<feature>:<verb>`.
    #[schema(example = "users:ban")]
    pub permission: String,
    /// Granted, or denied: a denial beats every grant.
    pub effect: Effect,
    /// On which rows a grant counts; everywhere when absent. A denial counts everywhere.
    #[serde(default = "everywhere")]
    pub on: Condition,
}

/// Granted or denied on one row.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Single {
    /// `<feature>:<verb>`.
    #[schema(example = "users:ban")]
    pub permission: String,
    /// Granted, or denied.
    pub effect: Effect,
    /// The row.
    pub resource: Resource,
}

fn everywhere() -> Condition {
    Condition::Everywhere
}

impl Statement {
    /// As the engine says it.
    pub fn of(permission: &str, says: Says) -> Self {
        let (effect, on) = match says {
            Says::Denied => (Effect::Deny, Condition::Everywhere),
            Says::Granted(condition) => (Effect::Grant, condition),
        };
        Self {
            permission: permission.to_owned(),
            effect,
            on,
        }
    }

    /// For the engine.
    pub fn says(&self) -> Says {
        match self.effect {
            Effect::Deny => Says::Denied,
            Effect::Grant => Says::Granted(self.on),
        }
    }
}

/// Statements as the engine keeps them.
pub fn says(statements: &[Statement]) -> BTreeMap<String, Says> {
    let each = statements.iter();
    each.map(|said| (said.permission.clone(), said.says())).collect()
}

/// Statements about single rows as the engine keeps them.
pub fn single(single: &[Single]) -> BTreeMap<String, BTreeMap<Resource, bool>> {
    let mut kept: BTreeMap<String, BTreeMap<Resource, bool>> = BTreeMap::new();
    for said in single {
        let of = kept.entry(said.permission.clone()).or_default();
        of.insert(said.resource.clone(), said.effect == Effect::Grant);
    }
    kept
}

/// Passes when these statements can be written: each permission exists and is said once, a denial has no condition, what
/// knows no rows is not limited to some, and each single row is one of this organization.
pub async fn check(
    connection: &mut PgConnection,
    organization: OrganizationId,
    statements: &[Statement],
    single: &[Single],
) -> Result<()> {
    let known = sqlx::query!("SELECT name, row_kind FROM permissions")
        .fetch_all(&mut *connection)
        .await?;
    let known: HashMap<String, Option<String>> =
        known.into_iter().map(|row| (row.name, row.row_kind)).collect();
    let mut faults = Vec::new();
    let mut seen = BTreeSet::new();
    for (at, said) in statements.iter().enumerate() {
        let limited = said.on != Condition::Everywhere;
        let fault = match known.get(&said.permission) {
            None => Some(UNKNOWN),
            _ if !seen.insert(&said.permission) => Some(TWICE),
            _ if limited && said.effect == Effect::Deny => Some(DENIED_ON_SOME),
            Some(None) if limited => Some(WHOLE),
            _ => None,
        };
        faults.extend(fault.map(|fault| at_field(format!("statements.{at}"), fault)));
    }
    let mut seen = BTreeSet::new();
    for (at, said) in single.iter().enumerate() {
        let fault = match known.get(&said.permission) {
            None => Some(UNKNOWN),
            Some(None) => Some(WHOLE),
            Some(Some(kind)) if *kind != said.resource.kind => Some(OTHER_KIND),
            _ if !seen.insert((&said.permission, &said.resource)) => Some(TWICE),
            _ => None,
        };
        faults.extend(fault.map(|fault| at_field(format!("single.{at}"), fault)));
    }
    if !faults.is_empty() {
        return Err(Error::invalid(faults));
    }
    require_there(connection, organization, single).await
}

/// A row of another organization is none.
async fn require_there(
    connection: &mut PgConnection,
    organization: OrganizationId,
    single: &[Single],
) -> Result<()> {
    if single.is_empty() {
        return Ok(());
    }
    let rows = single.iter().map(|said| &said.resource);
    let there = there(connection, organization, rows).await?;
    let missing = single
        .iter()
        .enumerate()
        .filter(|(_, said)| !there.contains(&said.resource));
    let faults: Vec<FieldError> = missing
        .map(|(at, _)| at_field(format!("single.{at}"), NO_ROW))
        .collect();
    if faults.is_empty() {
        Ok(())
    } else {
        Err(Error::invalid(faults))
    }
}

/// Which of `rows` the organization has.
pub(super) async fn there(
    connection: &mut PgConnection,
    organization: OrganizationId,
    rows: impl Iterator<Item = &Resource>,
) -> Result<BTreeSet<Resource>> {
    let ids: Vec<Uuid> = rows.map(|row| row.id).collect();
    let there = sqlx::query!(
        r#"SELECT 'user' AS "kind!", id AS "id!" FROM users WHERE organization_id = $1 AND id = ANY($2) AND deleted_at IS NULL
           UNION ALL SELECT 'team', id FROM teams WHERE organization_id = $1 AND id = ANY($2)"#,
        organization.0,
        &ids,
    )
    .fetch_all(connection)
    .await?;
    let there = there.into_iter().map(|row| Resource {
        kind: row.kind,
        id: row.id,
    });
    Ok(there.collect())
}

type Fault = (&'static str, &'static str);

const UNKNOWN: Fault = (
    "unknown",
    "There is no such permission; choose from GET /api/v1/permissions.",
);
const TWICE: Fault = ("twice", "Something is said about this already; say it once.");
const DENIED_ON_SOME: Fault = ("denied_on_some", "A denial counts everywhere. Leave out \"on\".");
const WHOLE: Fault = (
    "not_by_row",
    "This permission is held on everything or not at all; it knows no rows.",
);
const OTHER_KIND: Fault = (
    "other_kind",
    "This permission is about rows of another kind; see row_kind of GET /api/v1/permissions.",
);
const NO_ROW: Fault = ("no_such_row", "There is no such row.");

fn at_field(field: String, (code, detail): Fault) -> FieldError {
    FieldError {
        field,
        code: code.into(),
        detail: detail.to_owned(),
    }
}
