//! The rules as people see them.

use super::CHANNEL;
use crate::Store;
use crate::db::PgConnection;
use crate::kernel::ctx::Ctx;
use crate::kernel::error::Result;
use crate::kernel::id::{IpRuleId, OrganizationId, UserId};
use crate::live::position::{self, Position};
use crate::people;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::net::IpAddr;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;

/// Whom a rule is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SubjectKind {
    /// Everybody in the organization.
    Organization,
    /// Whoever holds a role.
    Role,
}

impl SubjectKind {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Organization => "organization",
            Self::Role => "role",
        }
    }
}

/// Whom a rule is for, by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct RuleSubject {
    /// Everybody, or a role.
    pub kind: SubjectKind,
    /// The organization or the role.
    pub id: Uuid,
    /// Its name.
    pub name: Option<String>,
}

/// Who made something.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct RuleAuthor {
    /// The person; null for the hub itself.
    pub id: Option<UserId>,
    /// Their name.
    pub name: Option<String>,
}

/// One allowed network.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct IpRule {
    /// Id.
    pub id: IpRuleId,
    /// Whom it is for.
    pub applies_to: RuleSubject,
    /// The network.
    #[schema(example = "192.0.2.0/24")]
    pub cidr: String,
    /// What network that is, in the words of whoever made the rule.
    pub note: String,
    /// Who made it.
    pub created_by: RuleAuthor,
    /// When.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// What this viewer may do to it.
    #[serde(default)]
    pub can: Vec<String>,
}

/// All rules, in the order in which they were made.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct IpRuleList {
    /// Rules.
    pub items: Vec<IpRule>,
    /// The address that this request comes from, as rules see it.
    #[schema(value_type = Option<String>)]
    pub your_address: Option<IpAddr>,
    /// Where `feed:ip_rules` stood.
    #[serde(flatten)]
    pub position: Position,
}

/// Reads all rules.
pub async fn list(store: &Store, ctx: &Ctx) -> Result<IpRuleList> {
    ctx.require("ip_rules:read")?;
    let mut tx = store.db.primary(ctx.organization).await?;
    let position = position::told(&mut tx, ctx, CHANNEL).await?;
    let mut values = rows(&mut tx, ctx.organization, None).await?;
    people::open(&mut tx, &store.sealer, &mut values).await?;
    let can = if ctx.permissions.has("ip_rules:manage") {
        vec!["ip_rules.delete".to_owned()]
    } else {
        Vec::new()
    };
    let items = values.into_iter().map(|value| {
        let mut item: IpRule = serde_json::from_value(value)?;
        item.can.clone_from(&can);
        Ok(item)
    });
    Ok(IpRuleList {
        items: items.collect::<Result<_>>()?,
        your_address: ctx.ip.map(|ip| ip.to_canonical()),
        position,
    })
}

/// Rules as events have them: nobody is named yet.
pub(super) async fn rows(
    connection: &mut PgConnection,
    organization: OrganizationId,
    only: Option<IpRuleId>,
) -> Result<Vec<Value>> {
    let rows = sqlx::query!(
        r#"SELECT i.id, i.subject_kind, i.subject_id, coalesce(r.name, o.name) AS name, i.cidr::text AS "cidr!", i.note,
             i.created_by, i.created_at
           FROM ip_rules i LEFT JOIN roles r ON i.subject_kind = 'role' AND r.id = i.subject_id
             LEFT JOIN organizations o ON o.id = i.subject_id
           WHERE i.organization_id = $1 AND ($2::uuid IS NULL OR i.id = $2) ORDER BY i.id"#,
        organization.0,
        only.map(|id| id.0),
    )
    .fetch_all(connection)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(json!({
                "id": row.id,
                "applies_to": {"kind": row.subject_kind, "id": row.subject_id, "name": row.name},
                "cidr": row.cidr,
                "note": row.note,
                "created_by": {"id": row.created_by, "name": null},
                "created_at": row.created_at.format(&Rfc3339).map_err(crate::kernel::error::Error::internal)?,
            }))
        })
        .collect()
}
