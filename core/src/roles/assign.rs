//! Giving and taking roles, of one person and of many.

use crate::Store;
use crate::bus::control::{Revocation, RevocationKind};
use crate::change::{Change, Whole};
use crate::kernel::ctx::Ctx;
use crate::kernel::error::{Error, FieldError, Kind, Result};
use crate::kernel::event::{Event, Severity};
use crate::kernel::id::{RoleId, UserId};
use crate::kernel::permission::PermissionSet;
use crate::users::deeds::Applied;
use crate::users::{self, CHANNEL, User, UserItem, rights};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeSet;
use uuid::Uuid;

/// People of one bulk act at most: each is a transaction of its own.
pub const MANY: usize = 200;

/// Makes `roles` the ones that `id` holds, no more and no fewer. What the person may do changes with the commit, on every
/// open stream of theirs too. `if_match`: the person's version that was seen.
pub async fn assign(
    store: &Store,
    ctx: &Ctx,
    id: UserId,
    if_match: Option<i64>,
    roles: &[RoleId],
) -> Result<UserItem> {
    let wanted: BTreeSet<RoleId> = roles.iter().copied().collect();
    change(store, ctx, id, if_match, |_| wanted).await
}

/// Roles of many people at once.
#[derive(Clone, Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Bulk {
    /// Whose, 1 to 200.
    pub users: Vec<UserId>,
    /// Roles that all of them are given.
    #[serde(default)]
    pub give: Vec<RoleId>,
    /// Roles that are taken from all of them.
    #[serde(default)]
    pub take: Vec<RoleId>,
}

/// What came of it for one person.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct BulkItem {
    /// Whose.
    pub user: UserId,
    /// True: they hold now what was asked for.
    pub done: bool,
    /// Why not; the same code as for one person alone.
    pub code: Option<String>,
    /// What to do about it.
    pub detail: Option<String>,
}

/// Gives and takes roles of many, one after another, each on its own: whoever cannot be changed keeps what they have and the
/// others are changed. To ask again under the same `Idempotency-Key` changes nobody a second time, who may have been given or
/// lost something else by then.
pub async fn assign_many(store: &Store, ctx: &Ctx, bulk: &Bulk) -> Result<Vec<BulkItem>> {
    ctx.require("roles:assign")?;
    if bulk.users.is_empty() || bulk.users.len() > MANY {
        return Err(Error::field(
            "users",
            "out_of_range",
            format!("Name 1 to {MANY} people."),
        ));
    }
    if bulk.give.iter().any(|role| bulk.take.contains(role)) {
        let faults = ["give", "take"].map(|field| FieldError {
            field: field.to_owned(),
            code: "both".into(),
            detail: "A role is given or taken, not both.".to_owned(),
        });
        return Err(Error::invalid(faults.into()));
    }
    let (whole, each) = (Whole::begin(store, ctx).await?, Whole::part(ctx));
    let mut items = Vec::with_capacity(bulk.users.len());
    for user in &bulk.users {
        let wanted = |present: &BTreeSet<RoleId>| {
            let mut wanted = present.clone();
            wanted.extend(&bulk.give);
            wanted.retain(|role| !bulk.take.contains(role));
            wanted
        };
        let refused = change(store, &each, *user, None, wanted).await.err();
        if let Some(error) = refused
            .as_ref()
            .filter(|error| matches!(error.kind, Kind::Internal | Kind::Unavailable))
        {
            tracing::warn!(%error, "a person's roles could not be changed");
        }
        items.push(BulkItem {
            user: *user,
            done: refused.is_none(),
            code: refused.as_ref().map(|error| error.code.to_string()),
            detail: refused.map(|error| error.detail),
        });
    }
    whole.answer(store, ctx, 200, &json!({"items": items})).await?;
    Ok(items)
}

/// Gives `id` the roles that `wanted` makes of those they hold.
async fn change(
    store: &Store,
    ctx: &Ctx,
    id: UserId,
    if_match: Option<i64>,
    wanted: impl FnOnce(&BTreeSet<RoleId>) -> BTreeSet<RoleId>,
) -> Result<UserItem> {
    ctx.require("roles:assign")?;
    rights::require_not_oneself(ctx, &[id])?;
    let mut change = Change::begin(store, ctx).await?;
    let Changed {
        event,
        after,
        held,
        holds,
    } = match changed(&mut change, id, if_match, wanted).await? {
        Ok(changed) => changed,
        Err(item) => return Ok(*item),
    };
    rights::require_proof_of_gift(ctx, &held, &holds, change.at())?;
    change.record(event).await?;
    let item = after.seen_by(ctx, &holds)?;
    change.answer(200, &item).await?;
    change.commit().await?;
    Ok(item)
}

/// Gives and takes roles of one of many, within the change that tells of all of them. Whoever asked for it all has proved who
/// they are where something is given; a role that is taken may have denied something that can be given further, which wants the
/// proof, too. In a job nobody can show one.
pub async fn apply(change: &mut Change, id: UserId, give: &[RoleId], take: &[RoleId]) -> Result<Applied> {
    let ctx = change.ctx().clone();
    ctx.require("roles:assign")?;
    rights::require_not_oneself(&ctx, &[id])?;
    let wanted = |present: &BTreeSet<RoleId>| {
        let mut wanted = present.clone();
        wanted.extend(give);
        wanted.retain(|role| !take.contains(role));
        wanted
    };
    match changed(change, id, None, wanted).await? {
        Ok(Changed {
            event,
            after,
            held,
            holds,
        }) => {
            if give.is_empty() {
                rights::require_proof_of_gift(&ctx, &held, &holds, change.at())?;
            }
            change.line(&event).await?;
            Applied::of(event, Some(&after))
        }
        Err(_) => Ok(Applied::default()),
    }
}

/// What a change of roles came to.
struct Changed {
    event: Event,
    after: User,
    held: PermissionSet,
    holds: PermissionSet,
}

/// Writes the roles that `wanted` makes of those that `id` holds. The person as they were, where these are the same.
async fn changed(
    change: &mut Change,
    id: UserId,
    if_match: Option<i64>,
    wanted: impl FnOnce(&BTreeSet<RoleId>) -> BTreeSet<RoleId>,
) -> Result<Result<Changed, Box<UserItem>>> {
    let ctx = change.ctx().clone();
    let before = users::store::lock(change.tx(), ctx.organization, id)
        .await?
        .filter(|user| user.is_permitted(&ctx, "users:read"))
        .ok_or_else(|| Error::not_found("user"))?;
    let held = rights::of(change.tx(), ctx.organization, id).await?;
    ctx.require_over(&held)?;
    before.require_version(&ctx, &held, if_match)?;
    rights::hold_still(change.tx(), ctx.organization).await?;
    let present: BTreeSet<RoleId> = before.roles.iter().map(|role| role.id).collect();
    let wanted = wanted(&present);
    let given: Vec<RoleId> = wanted.difference(&present).copied().collect();
    let taken: Vec<RoleId> = present.difference(&wanted).copied().collect();
    if given.is_empty() && taken.is_empty() {
        return Ok(Err(Box::new(before.seen_by(&ctx, &held)?)));
    }
    rights::require_givable(change.tx(), &ctx, &given).await?;
    let was_owner = |id| {
        before
            .roles
            .iter()
            .any(|role| role.id == id && role.name == rights::OWNER)
    };
    if taken.iter().any(|id| was_owner(*id)) {
        rights::require_another_owner(change.tx(), ctx.organization, id).await?;
    }
    let access_version = write(change, id, &given, &taken).await?;
    let after = users::store::find(change.tx(), ctx.organization, id)
        .await?
        .ok_or_else(|| Error::not_found("user"))?;
    let holds = rights::of(change.tx(), ctx.organization, id).await?;
    // a role that is taken may have denied something
    rights::require_holds_gain(&ctx, &held, &holds)?;
    rights::require_owners_whole(change.tx(), ctx.organization).await?;
    let event = told(change, &before, &after, access_version).await?;
    Ok(Ok(Changed {
        event,
        after,
        held,
        holds,
    }))
}

/// Gives and takes roles on the word of a provider, within its change. Whether that is allowed was asked when its mappings were
/// set. A role that is held already is not given, one that is not held is not taken; the last owner stays one, and no owner is
/// given what would limit them. Whether anything was recorded.
pub async fn adjust(change: &mut Change, id: UserId, give: &[RoleId], take: &[RoleId]) -> Result<bool> {
    let organization = change.ctx().organization;
    let Some(before) = users::store::lock(change.tx(), organization, id).await? else {
        return Ok(false);
    };
    let holds = |role: &RoleId| before.roles.iter().any(|held| held.id == *role);
    let give: Vec<RoleId> = give.iter().copied().filter(|role| !holds(role)).collect();
    let mut take: Vec<RoleId> = take.iter().copied().filter(holds).collect();
    if rights::require_another_owner(change.tx(), organization, id)
        .await
        .is_err()
    {
        let is_owner = |role: &RoleId| {
            before
                .roles
                .iter()
                .any(|held| held.id == *role && held.name == rights::OWNER)
        };
        take.retain(|role| !is_owner(role));
    }
    rights::hold_still(change.tx(), organization).await?;
    let give = rights::harmless_to_owner(change.tx(), organization, id, give, &take).await?;
    if give.is_empty() && take.is_empty() {
        return Ok(false);
    }
    let access_version = write(change, id, &give, &take).await?;
    let after = users::store::find(change.tx(), organization, id).await?;
    let after = after.ok_or_else(|| Error::not_found("user"))?;
    let event = told(change, &before, &after, access_version).await?;
    change.record(event).await?;
    Ok(true)
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
    users::store::access_changed(change.tx(), organization, id, at).await
}

/// The event, and that what the person has open is looked at again.
async fn told(change: &mut Change, before: &User, after: &User, access_version: i64) -> Result<Event> {
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
    let looked_at = Revocation {
        organization,
        kind: RevocationKind::Access,
        subject: after.id.0,
        access_version: Some(access_version),
        reason: "roles_changed".to_owned(),
    };
    change.revoke(looked_at).await?;
    Ok(event)
}
