//! Giving and taking roles.

use crate::Store;
use crate::bus::control::{Revocation, RevocationKind};
use crate::change::Change;
use crate::kernel::ctx::Ctx;
use crate::kernel::error::{Error, Kind, Result};
use crate::kernel::event::{Event, Severity};
use crate::kernel::id::{RoleId, UserId};
use crate::users::{self, CHANNEL, User, UserItem, rights};
use std::collections::BTreeSet;
use uuid::Uuid;

/// Makes `roles` the ones that `id` holds, no more and no fewer. What the person may do changes with the commit, on every
/// open stream of theirs too.
pub async fn assign(store: &Store, ctx: &Ctx, id: UserId, roles: &[RoleId]) -> Result<UserItem> {
    ctx.require("roles:assign")?;
    require_not_oneself(ctx, id)?;
    let wanted: BTreeSet<RoleId> = roles.iter().copied().collect();
    let mut change = Change::begin(store, ctx).await?;
    let before = users::store::lock(change.tx(), ctx.organization, id)
        .await?
        .ok_or_else(|| Error::not_found("user"))?;
    let held = rights::of(change.tx(), ctx.organization, id).await?;
    ctx.require_over(&held)?;
    let present: BTreeSet<RoleId> = before.roles.iter().map(|role| role.id).collect();
    let given: Vec<RoleId> = wanted.difference(&present).copied().collect();
    let taken: Vec<RoleId> = present.difference(&wanted).copied().collect();
    if given.is_empty() && taken.is_empty() {
        return before.seen_by(ctx, &held);
    }
    rights::require_givable(change.tx(), ctx, &given).await?;
    let was_owner = |id| {
        before
            .roles
            .iter()
            .any(|role| role.id == id && role.name == rights::OWNER)
    };
    if taken.iter().any(|id| was_owner(*id)) {
        rights::require_another_owner(change.tx(), ctx.organization, id).await?;
    }
    let access_version = write(&mut change, id, &given, &taken).await?;
    let after = users::store::find(change.tx(), ctx.organization, id)
        .await?
        .ok_or_else(|| Error::not_found("user"))?;
    record(&mut change, &before, &after, access_version).await?;
    let held = rights::of(change.tx(), ctx.organization, id).await?;
    let item = after.seen_by(ctx, &held)?;
    change.answer(200, &item).await?;
    change.commit().await?;
    Ok(item)
}

fn require_not_oneself(ctx: &Ctx, id: UserId) -> Result<()> {
    if ctx.actor.user() != Some(id) {
        return Ok(());
    }
    Err(Error::new(
        Kind::Conflict,
        "roles.own",
        "You cannot change your own roles. Ask somebody else who may assign roles.",
    ))
}

async fn write(change: &mut Change, id: UserId, given: &[RoleId], taken: &[RoleId]) -> Result<i64> {
    let (organization, at) = (change.ctx().organization, change.at());
    let by = change.ctx().actor.user().map(|user| user.0);
    let taken: Vec<Uuid> = taken.iter().map(|role| role.0).collect();
    let given: Vec<Uuid> = given.iter().map(|role| role.0).collect();
    sqlx::query!(
        "DELETE FROM user_roles WHERE organization_id = $1 AND user_id = $2 AND role_id = ANY($3)",
        organization.0,
        id.0,
        &taken,
    )
    .execute(change.tx())
    .await?;
    sqlx::query!(
        "INSERT INTO user_roles (organization_id, user_id, role_id, granted_by, granted_at)
         SELECT $1, $2, role, $4, $5 FROM unnest($3::uuid[]) AS role",
        organization.0,
        id.0,
        &given,
        by,
        at,
    )
    .execute(change.tx())
    .await?;
    Ok(sqlx::query_scalar!(
        "UPDATE users SET access_version = access_version + 1, version = version + 1, updated_at = $3
         WHERE organization_id = $1 AND id = $2 RETURNING access_version",
        organization.0,
        id.0,
        at,
    )
    .fetch_one(change.tx())
    .await?)
}

async fn record(change: &mut Change, before: &User, after: &User, access_version: i64) -> Result<()> {
    let organization = change.ctx().organization;
    let event = Event::new(
        "user.roles_changed",
        "roles.assign",
        after.subject(),
        CHANNEL,
        "{actor} changed the roles of {subject}",
    )
    .also(format!("inbox:{}", after.id))
    .severity(Severity::Warn)
    .patch(after.patch()?, after.acts())
    .person(after.person())
    .scope(Some(before.scope()), Some(after.scope()))
    .changed(
        "roles",
        serde_json::to_value(&before.roles)?,
        serde_json::to_value(&after.roles)?,
    );
    change.record(event).await?;
    let looked_at = Revocation {
        organization,
        kind: RevocationKind::Access,
        subject: after.id.0,
        access_version: Some(access_version),
        reason: "roles_changed".to_owned(),
    };
    change.revoke(looked_at).await
}
