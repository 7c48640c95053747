//! Owners: somebody who may do everything always remains, and can sign in.

use super::read::{self, Roles};
use crate::db::PgConnection;
use crate::kernel::ctx::Ctx;
use crate::kernel::error::{Error, Kind, Result};
use crate::kernel::id::{OrganizationId, RoleId, UserId};
use crate::kernel::permission::PermissionSet;
use uuid::Uuid;

/// Name of the predefined role of which somebody always remains.
pub const OWNER: &str = "owner";

/// Owners that are looked at; far more than an organization has.
const OWNERS: i64 = 1_000;

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

/// Passes when none of `roles` is the owner role: a team carries it for nobody, so that owners are those alone to whom it was given,
/// and the last one is easily told.
pub async fn require_not_the_owners(
    connection: &mut PgConnection,
    organization: OrganizationId,
    roles: &[RoleId],
) -> Result<()> {
    let roles: Vec<Uuid> = roles.iter().map(|role| role.0).collect();
    let owners = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM roles WHERE organization_id = $1 AND id = ANY($2) AND name = $3 AND predefined) AS "owners!""#,
        organization.0,
        &roles,
        OWNER,
    )
    .fetch_one(connection)
    .await?;
    if !owners {
        return Ok(());
    }
    Err(Error::new(
        Kind::Conflict,
        "team.owner_role",
        "A team cannot carry the owner role: owners are made one by one. Give it to each person, or give the team another role.",
    ))
}

/// Of `given`, the roles that limit nothing for `user` as an owner, where they are one with them, without `taken`: what a provider
/// says hollows out no owner.
pub async fn harmless_to_owner(
    connection: &mut PgConnection,
    organization: OrganizationId,
    user: UserId,
    given: Vec<RoleId>,
    taken: &[RoleId],
) -> Result<Vec<RoleId>> {
    if given.is_empty() {
        return Ok(given);
    }
    let model = read::model(connection, organization, &[user], Roles::These(&given)).await?;
    let owner = model.roles.iter().find(|(_, role)| role.name == OWNER);
    let Some(owner) = owner.map(|(id, _)| *id) else {
        return Ok(given);
    };
    let all: PermissionSet = model.gives(owner).granted.into_keys().collect();
    let mut person = model.people.get(&user).cloned().unwrap_or_default();
    person.roles.retain(|role| !taken.contains(role));
    let mut harmless = Vec::new();
    for role in given {
        person.roles.insert(role);
        if person.roles.contains(&owner) && !model.permissions_of(user, &person).covers(&all) {
            person.roles.remove(&role);
        } else {
            harmless.push(role);
        }
    }
    Ok(harmless)
}

/// Passes when the actor may do whatever an owner may: of what could let somebody in as anybody.
pub async fn require_over_owners(connection: &mut PgConnection, ctx: &Ctx) -> Result<()> {
    let owners = owners(&mut *connection, ctx.organization).await?;
    let Some((_, role)) = owners.first() else {
        return Ok(());
    };
    ctx.require_over(&super::given_by(connection, ctx.organization, *role).await?)
}

/// Passes when every owner holds all that the owner role gives: owners can be taken the role, but not be hollowed out, so that
/// the last one who can sign in can also repair everything. Called after the statements of a change were written.
pub async fn require_owners_whole(connection: &mut PgConnection, organization: OrganizationId) -> Result<()> {
    let owners = owners(&mut *connection, organization).await?;
    let Some((_, role)) = owners.first().copied() else {
        return Ok(());
    };
    let ids: Vec<UserId> = owners.into_iter().map(|(owner, _)| owner).collect();
    let model = read::model(connection, organization, &ids, Roles::These(&[role])).await?;
    let all: PermissionSet = model.gives(role).granted.into_keys().collect();
    if ids.iter().all(|owner| model.permissions(*owner).covers(&all)) {
        return Ok(());
    }
    Err(Error::new(
        Kind::Conflict,
        "roles.owner_limited",
        "This would deny or limit something to an owner, who may do everything. Take the owner role first.",
    ))
}

/// The owners, and the role that makes them so.
async fn owners(
    connection: &mut PgConnection,
    organization: OrganizationId,
) -> Result<Vec<(UserId, RoleId)>> {
    let rows = sqlx::query!(
        "SELECT ur.user_id, ur.role_id FROM roles r JOIN user_roles ur ON ur.role_id = r.id
           JOIN users u ON u.id = ur.user_id AND u.deleted_at IS NULL
         WHERE r.organization_id = $1 AND r.name = $2 AND r.predefined ORDER BY ur.user_id LIMIT $3",
        organization.0,
        OWNER,
        OWNERS,
    )
    .fetch_all(connection)
    .await?;
    let each = rows
        .into_iter()
        .map(|row| (UserId(row.user_id), RoleId(row.role_id)));
    Ok(each.collect())
}
