//! The rules of one organization as every request asks them.

use crate::db::{Db, PgConnection};
use crate::kernel::error::Result;
use crate::kernel::id::{OrganizationId, RoleId, UserId};
use crate::kernel::network;
use ipnet::IpNet;
use std::collections::HashMap;
use std::net::IpAddr;
use uuid::Uuid;

/// What one organization lets in. Without any rule: everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    organization: Vec<IpNet>,
    roles: HashMap<RoleId, Vec<IpNet>>,
}

impl Rules {
    /// Whether somebody who holds `roles` is let in from `from`. An address that is not known passes no rule.
    pub fn admit(&self, roles: &[RoleId], from: Option<IpAddr>) -> bool {
        let organization = (!self.organization.is_empty()).then_some(&self.organization);
        let roles = roles.iter().filter_map(|role| self.roles.get(role));
        organization
            .into_iter()
            .chain(roles)
            .all(|allowed| from.is_some_and(|from| network::contains(allowed, from)))
    }

    /// Whether some rule is for a role: then it matters which roles somebody holds.
    pub fn by_role(&self) -> bool {
        !self.roles.is_empty()
    }
}

/// Reads the rules of `organization` from the primary.
pub async fn read(db: &Db, organization: OrganizationId) -> Result<Rules> {
    let mut tx = db.primary(organization).await?;
    within(&mut tx, organization).await
}

/// Whether `user` is let in from `from` now, asked of the primary: for a sign-in, of which nothing is kept yet.
pub async fn admits(
    db: &Db,
    organization: OrganizationId,
    user: UserId,
    from: Option<IpAddr>,
) -> Result<bool> {
    let mut tx = db.primary(organization).await?;
    admits_within(&mut tx, organization, user, from).await
}

pub(super) async fn admits_within(
    connection: &mut PgConnection,
    organization: OrganizationId,
    user: UserId,
    from: Option<IpAddr>,
) -> Result<bool> {
    let rules = within(connection, organization).await?;
    let held = sqlx::query_scalar!(
        r#"WITH RECURSIVE held (role_id) AS (
             SELECT role_id FROM held_roles WHERE organization_id = $1 AND user_id = $2
             UNION
             SELECT p.parent_id FROM held JOIN role_parents p ON p.role_id = held.role_id)
           SELECT role_id AS "role_id!" FROM held"#,
        organization.0,
        user.0,
    )
    .fetch_all(connection)
    .await?;
    let held: Vec<RoleId> = held.into_iter().map(RoleId).collect();
    Ok(rules.admit(&held, from))
}

async fn within(connection: &mut PgConnection, organization: OrganizationId) -> Result<Rules> {
    let rows = sqlx::query!(
        r#"SELECT subject_kind, subject_id, cidr AS "cidr: IpNet" FROM ip_rules WHERE organization_id = $1"#,
        organization.0,
    )
    .fetch_all(connection)
    .await?;
    let mut rules = Rules::default();
    for row in rows {
        rules.add(&row.subject_kind, row.subject_id, row.cidr);
    }
    Ok(rules)
}

impl Rules {
    pub(super) fn add(&mut self, kind: &str, id: Uuid, allowed: IpNet) {
        match kind {
            "role" => self.roles.entry(RoleId(id)).or_default().push(allowed),
            // a kind of a newer node is for everybody here: rather too strict than open
            _ => self.organization.push(allowed),
        }
    }
}
