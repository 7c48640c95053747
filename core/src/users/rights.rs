//! What people may do, resolved from their roles, the roles these inherit from, and their own grants and denials.
//!
//! Stands below `roles`, because nobody may be changed without asking what they hold ([`Ctx::require_over`]).
//!
//! [`model`] says by which rules, and [`read`] loads what it needs in one statement.
//!
//! Invariant: a denial beats every grant, wherever either comes from. Nothing said in one organization counts in another.
//!
//! [`Ctx::require_over`]: crate::kernel::ctx::Ctx::require_over

use crate::db::PgConnection;
use crate::kernel::ctx::{Credential, Ctx};
use crate::kernel::error::{Error, FieldError, Kind, Result};
use crate::kernel::id::{OrganizationId, RoleId, UserId};
use crate::kernel::permission::PermissionSet;
use std::collections::HashMap;
use time::OffsetDateTime;

pub mod acting;
pub mod carrier;
mod further;
mod gain;
pub mod model;
mod owners;
pub mod proof;
pub mod read;
#[cfg(test)]
mod tests;

pub use further::require_proof_of_gift;
pub use gain::{beyond, require_holds_gain, require_no_new_reach, require_not_oneself};
pub use owners::{
    OWNER, harmless_to_owner, require_another_owner, require_not_the_owners, require_over_owners,
    require_owners_whole,
};
use read::Roles;
pub use read::teams_of;

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

/// As [`at_present`], through the credential of `ctx`: an API key uses no more of it than its scopes, and nothing once it was
/// revoked or has ended by `now`; and an operator who asked for it as `user` has nothing once they may not act as them.
pub async fn at_present_through(
    connection: &mut PgConnection,
    ctx: &Ctx,
    user: UserId,
    now: OffsetDateTime,
) -> Result<PermissionSet> {
    let held = at_present(connection, ctx.organization, user).await?;
    if let Some(operator) = ctx.on_behalf_of
        && !acting::may_still(connection, ctx.organization, operator, user).await?
    {
        return Ok(PermissionSet::default());
    }
    let Credential::ApiKey(key) = ctx.credential else {
        return Ok(held);
    };
    let scopes = sqlx::query_scalar!(
        "SELECT scopes FROM api_keys WHERE organization_id = $1 AND id = $2 AND owner_id = $3
           AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $4)",
        ctx.organization.0,
        key.0,
        user.0,
        now,
    )
    .fetch_optional(connection)
    .await?;
    Ok(held.within(&scopes.unwrap_or_default().into_iter().collect()))
}

/// True for `set` of somebody who may do all that can be said here: nobody is out of their reach.
pub async fn is_everything(connection: &mut PgConnection, set: &PermissionSet) -> Result<bool> {
    let all = sqlx::query_scalar!("SELECT name FROM permissions")
        .fetch_all(connection)
        .await?;
    Ok(all.iter().all(|permission| set.has(permission)))
}

/// What each of `users` may do, in one statement; whoever may do nothing is absent.
pub async fn of_many(
    connection: &mut PgConnection,
    organization: OrganizationId,
    users: &[UserId],
) -> Result<HashMap<UserId, PermissionSet>> {
    let model = read::model(connection, organization, users, Roles::These(&[])).await?;
    let sets = model
        .people
        .iter()
        .map(|(user, person)| (*user, model.permissions_of(*user, person)));
    Ok(sets.filter(|(_, set)| !set.is_empty()).collect())
}

/// The names of what `role` alone gives, on some rows at least.
pub async fn given_by(
    connection: &mut PgConnection,
    organization: OrganizationId,
    role: RoleId,
) -> Result<PermissionSet> {
    let model = read::model(connection, organization, &[], Roles::These(&[role])).await?;
    Ok(model.gives(role).granted.into_keys().collect())
}

/// Passes when the actor may give every one of `roles`: nobody gives a role holding a permission they lack. What a role
/// gives on some rows only is given to whoever will hold it, on rows that nobody knows yet: so the actor must hold it on
/// everything. A role that is not there is a mistake in field `roles`.
pub async fn require_givable(connection: &mut PgConnection, ctx: &Ctx, roles: &[RoleId]) -> Result<()> {
    if roles.is_empty() {
        return Ok(());
    }
    ctx.require("roles:assign")?;
    hold_still(connection, ctx.organization).await?;
    let model = read::model(connection, ctx.organization, &[], Roles::These(roles)).await?;
    if roles.iter().any(|role| !model.roles.contains_key(role)) {
        return Err(Error::field(
            "roles",
            "unknown",
            "One of these roles does not exist; choose from GET /api/v1/roles.",
        ));
    }
    for role in roles {
        let given = model.gives(*role).granted;
        if !given.keys().all(|permission| ctx.permissions.has(permission)) {
            return Err(out_of_reach(&model.roles[role].name));
        }
    }
    Ok(())
}

/// Keeps every role of the organization as it is until the transaction ends; others may hold it still beside.
pub async fn hold_still(connection: &mut PgConnection, organization: OrganizationId) -> Result<()> {
    sqlx::query_scalar!(
        "SELECT access_epoch FROM organizations WHERE id = $1 FOR SHARE",
        organization.0
    )
    .fetch_one(connection)
    .await?;
    Ok(())
}

/// Takes the organization's roles for a change of what they may do: one at a time, so that two changes cannot make together
/// what each alone may not (a cycle). Bumps the epoch, which is returned: every kept set is too old with the commit.
pub async fn take_roles(connection: &mut PgConnection, organization: OrganizationId) -> Result<i64> {
    Ok(sqlx::query_scalar!(
        "UPDATE organizations SET access_epoch = access_epoch + 1 WHERE id = $1 RETURNING access_epoch",
        organization.0
    )
    .fetch_one(connection)
    .await?)
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
