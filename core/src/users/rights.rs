//! What people may do, resolved from their roles, the roles these inherit from, and their own grants and denials.
//!
//! Stands below `roles`, because nobody may be changed without asking what they hold ([`Ctx::require_over`]).
//!
//! Invariant: a denial beats every grant, wherever either comes from. Grants for one resource count for nothing here.
//!
//! [`Ctx::require_over`]: crate::kernel::ctx::Ctx::require_over

use crate::db::PgConnection;
use crate::kernel::ctx::Ctx;
use crate::kernel::error::{Error, FieldError, Kind, Result};
use crate::kernel::id::{OrganizationId, RoleId, UserId};
use crate::kernel::permission::PermissionSet;
use std::collections::{BTreeSet, HashMap};
use uuid::Uuid;

/// Name of the predefined role of which somebody always remains.
pub const OWNER: &str = "owner";

/// What `user` may do.
pub async fn of(
    connection: &mut PgConnection,
    organization: OrganizationId,
    user: UserId,
) -> Result<PermissionSet> {
    let mut all = of_many(connection, organization, &[user]).await?;
    Ok(all.remove(&user).unwrap_or_default())
}

/// What `user` may do at this moment, asked for work that goes on after they signed out: nothing once they are banned,
/// suspended or deleted.
pub async fn at_present(
    connection: &mut PgConnection,
    organization: OrganizationId,
    user: UserId,
) -> Result<PermissionSet> {
    let stands = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM users
             WHERE id = $1 AND deleted_at IS NULL AND status NOT IN ('banned', 'suspended')) AS "stands!""#,
        user.0
    )
    .fetch_one(&mut *connection)
    .await?;
    if stands {
        of(connection, organization, user).await
    } else {
        Ok(PermissionSet::default())
    }
}

/// What each of `users` may do, in one statement; whoever may do nothing is absent.
pub async fn of_many(
    connection: &mut PgConnection,
    organization: OrganizationId,
    users: &[UserId],
) -> Result<HashMap<UserId, PermissionSet>> {
    let ids: Vec<Uuid> = users.iter().map(|user| user.0).collect();
    let rows = sqlx::query!(
        r#"WITH RECURSIVE held (user_id, role_id) AS (
             SELECT user_id, role_id FROM user_roles WHERE organization_id = $1 AND user_id = ANY($2)
             UNION
             SELECT held.user_id, p.parent_id FROM held JOIN role_parents p ON p.role_id = held.role_id AND p.organization_id = $1),
           said (user_id, permission, granted) AS (
             SELECT held.user_id, rp.permission, rp.granted
             FROM held JOIN role_permissions rp ON rp.role_id = held.role_id AND rp.organization_id = $1
             UNION ALL
             SELECT user_id, permission, granted FROM user_permissions
             WHERE organization_id = $1 AND user_id = ANY($2) AND resource_kind IS NULL),
           may (user_id, permission) AS (
             SELECT user_id, permission FROM said GROUP BY user_id, permission HAVING bool_and(granted))
           SELECT user_id AS "user_id!", array_agg(permission) AS "permissions!" FROM may GROUP BY user_id"#,
        organization.0,
        &ids,
    )
    .fetch_all(connection)
    .await?;
    let set = |names: Vec<String>| names.into_iter().collect();
    Ok(rows
        .into_iter()
        .map(|row| (UserId(row.user_id), set(row.permissions)))
        .collect())
}

/// Passes when the actor may give every one of `roles`: nobody gives a role holding a permission they lack. A role that
/// is not there is a mistake in field `roles`.
pub async fn require_givable(connection: &mut PgConnection, ctx: &Ctx, roles: &[RoleId]) -> Result<()> {
    if roles.is_empty() {
        return Ok(());
    }
    ctx.require("roles:assign")?;
    let ids: Vec<Uuid> = roles.iter().map(|role| role.0).collect();
    let rows = sqlx::query!(
        r#"WITH RECURSIVE held (given, role_id) AS (
             SELECT id, id FROM roles WHERE organization_id = $1 AND id = ANY($2)
             UNION
             SELECT held.given, p.parent_id FROM held JOIN role_parents p ON p.role_id = held.role_id AND p.organization_id = $1),
           may (given, permission) AS (
             SELECT held.given, rp.permission
             FROM held JOIN role_permissions rp ON rp.role_id = held.role_id AND rp.organization_id = $1
             GROUP BY held.given, rp.permission HAVING bool_and(rp.granted))
           SELECT r.id, r.name, array_remove(array_agg(may.permission), NULL) AS "permissions!"
           FROM roles r LEFT JOIN may ON may.given = r.id
           WHERE r.organization_id = $1 AND r.id = ANY($2) GROUP BY r.id, r.name"#,
        ctx.organization.0,
        &ids,
    )
    .fetch_all(connection)
    .await?;
    if rows.len() < ids.iter().collect::<BTreeSet<_>>().len() {
        return Err(Error::field(
            "roles",
            "unknown",
            "One of these roles does not exist; choose from GET /api/v1/roles.",
        ));
    }
    for row in rows {
        if !ctx.permissions.covers(&row.permissions.into_iter().collect()) {
            return Err(out_of_reach(&row.name));
        }
    }
    Ok(())
}

fn out_of_reach(role: &str) -> Error {
    let mut error = Error::new(
        Kind::Forbidden,
        "roles.out_of_reach",
        format!("The role {role} may do things that you may not, so you cannot give it. Ask an owner."),
    );
    error.errors = vec![FieldError {
        field: "roles".to_owned(),
        code: "out_of_reach".into(),
        detail: format!("You may not give the role {role}."),
    }];
    error
}

/// Passes when `user` is not an owner, or an owner who can still sign in remains without them. Holds the owner role's row
/// until the transaction ends, so that two owners cannot remove each other at once.
pub async fn require_another_owner(
    connection: &mut PgConnection,
    organization: OrganizationId,
    user: UserId,
) -> Result<()> {
    let role = sqlx::query_scalar!(
        "SELECT r.id FROM roles r JOIN user_roles ur ON ur.role_id = r.id
         WHERE r.organization_id = $1 AND r.name = $2 AND r.predefined AND ur.user_id = $3",
        organization.0,
        OWNER,
        user.0
    )
    .fetch_optional(&mut *connection)
    .await?;
    let Some(role) = role else { return Ok(()) };
    sqlx::query_scalar!("SELECT id FROM roles WHERE id = $1 FOR NO KEY UPDATE", role)
        .fetch_one(&mut *connection)
        .await?;
    let another = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM user_roles ur JOIN users u ON u.id = ur.user_id
             WHERE ur.organization_id = $1 AND ur.role_id = $2 AND ur.user_id <> $3
               AND u.deleted_at IS NULL AND u.status = 'active') AS "another!""#,
        organization.0,
        role,
        user.0,
    )
    .fetch_one(connection)
    .await?;
    if another {
        return Ok(());
    }
    Err(Error::new(
        Kind::Conflict,
        "user.last_owner",
        "This is the last owner. Make somebody else an owner first.",
    ))
}
