//! What a person does with their own factors, and whoever may with those of others.

use super::model::{Factors, RecoveryCodes};
use super::{Factor, FactorKind, Owner, Request, events, owed, recovery, sms, store};
use crate::Store;
use crate::change::Change;
use crate::kernel::ctx::Ctx;
use crate::kernel::error::{Error, Kind, Result};
use crate::kernel::id::{FactorId, UserId};
use crate::kernel::name;
use crate::messages::Alert;
use crate::users;
use crate::users::rights;
use serde_json::json;

/// The person who asks, who has signed in.
pub(super) fn oneself(ctx: &Ctx) -> Result<Owner> {
    ctx.require_session()?;
    let user = ctx
        .actor
        .user()
        .ok_or_else(|| Error::internal("a session without a person"))?;
    Ok(Owner {
        user,
        organization: ctx.organization,
    })
}

/// One's own factors.
pub async fn list(store: &Store, ctx: &Ctx) -> Result<Factors> {
    let owner = oneself(ctx)?;
    let demanded = owed(&store.db, owner).await?.demanded;
    let mut tx = store.db.primary(owner.organization).await?;
    Ok(Factors {
        items: store::all(&mut tx, owner).await?,
        recovery_codes: store::codes_left(&mut tx, owner).await?,
        demanded,
    })
}

/// Calls one's own factor something else.
pub async fn rename(store: &Store, ctx: &Ctx, id: FactorId, name: &str) -> Result<Factor> {
    let owner = oneself(ctx)?;
    let name = checked_name(name)?;
    let mut change = Change::begin(store, ctx).await?;
    let mut factor = of_id(&mut change, owner, id).await?;
    sqlx::query!(
        "UPDATE user_factors SET name = $3, version = version + 1 WHERE organization_id = $1 AND id = $2",
        owner.organization.0,
        id.0,
        name,
    )
    .execute(change.tx())
    .await?;
    let said = (
        "factor.renamed",
        "me.rename_factor",
        "{actor} renamed a second factor",
    );
    events::tell(&mut change, owner, said, Some(factor.kind)).await?;
    change.commit().await?;
    factor.name = name;
    Ok(factor)
}

/// Removes one's own factor. With the last one the recovery codes go.
///
/// # Errors
/// `auth.step_up_needed`; `factor.demanded` for the last one where a role demands one.
pub async fn remove(store: &Store, ctx: &Ctx, id: FactorId) -> Result<()> {
    let owner = oneself(ctx)?;
    ctx.require_recent_proof(store.clock.now())?;
    let demanded = owed(&store.db, owner).await?.demanded;
    let mut change = Change::begin(store, ctx).await?;
    let factor = of_id(&mut change, owner, id).await?;
    let last = store::all(change.tx(), owner).await?.len() == 1;
    if last && demanded {
        return Err(Error::new(
            Kind::Conflict,
            "factor.demanded",
            "A role of yours demands a second factor, and this is your last. Set up another one first.",
        ));
    }
    sqlx::query!(
        "DELETE FROM user_factors WHERE organization_id = $1 AND id = $2",
        owner.organization.0,
        id.0
    )
    .execute(change.tx())
    .await?;
    if last {
        recovery::forget(&mut change, owner).await?;
    }
    let said = (
        "factor.removed",
        "me.remove_factor",
        "{actor} removed a second factor",
    );
    events::tell(&mut change, owner, said, Some(factor.kind)).await?;
    events::warn(&mut change, owner, Alert::FactorRemoved(factor.kind.said())).await?;
    change.commit().await
}

/// Makes new recovery codes; the old are good no more.
///
/// # Errors
/// `auth.step_up_needed`; `factor.none` where there is nothing they could stand for.
pub async fn make_recovery_codes(store: &Store, ctx: &Ctx) -> Result<RecoveryCodes> {
    let owner = oneself(ctx)?;
    ctx.require_recent_proof(store.clock.now())?;
    let mut change = Change::begin(store, ctx).await?;
    store::take(change.tx(), owner).await?;
    if store::all(change.tx(), owner).await?.is_empty() {
        return Err(Error::new(
            Kind::Conflict,
            "factor.none",
            "Recovery codes stand for a factor that is lost, and you have none. Set one up first.",
        ));
    }
    let answer = RecoveryCodes {
        recovery_codes: recovery::make(&mut change, owner).await?,
    };
    events::warn(&mut change, owner, Alert::RecoveryCodesMade).await?;
    change.answer(200, &answer).await?;
    change.commit().await?;
    Ok(answer)
}

/// Takes all factors of somebody else away, who is told. They sign in with what is left, and set up new ones where a role
/// demands it.
///
/// # Errors
/// `permission.missing`, `permission.outranked`, `auth.step_up_needed`; `user.own_factors` for oneself.
pub async fn reset(store: &Store, ctx: &Ctx, user: UserId) -> Result<()> {
    ctx.require_some("users:reset_factors")?;
    ctx.require_recent_proof(store.clock.now())?;
    let mut change = Change::begin(store, ctx).await?;
    let person = users::store::lock(change.tx(), ctx.organization, user).await?;
    let person = person.ok_or_else(|| Error::not_found("user"))?;
    person.require(ctx, "users:reset_factors")?;
    let held = rights::of(change.tx(), ctx.organization, user).await?;
    ctx.require_over(&held)?;
    if ctx.is_oneself(user) {
        return Err(Error::new(
            Kind::Conflict,
            "user.own_factors",
            "Remove your own factors on the page of your account.",
        ));
    }
    let owner = Owner {
        user,
        organization: ctx.organization,
    };
    let gone = sqlx::query!(
        "DELETE FROM user_factors WHERE organization_id = $1 AND user_id = $2",
        owner.organization.0,
        user.0
    )
    .execute(change.tx())
    .await?
    .rows_affected();
    recovery::forget(&mut change, owner).await?;
    let said = (
        "factors.reset",
        "users.reset_factors",
        "{actor} took the second factors of {subject} away",
    );
    let event = events::of(&mut change, owner, said).await?;
    change.record(event.detail("factors", json!(gone))).await?;
    events::warn(&mut change, owner, Alert::FactorsTaken).await?;
    change.commit().await
}

/// Sends a code for `request` to the phone of `owner`.
///
/// # Errors
/// `factor.not_found` where there is none; `factor.sent_lately`; `factor.too_many_attempts`.
pub async fn send_code(store: &Store, ctx: &Ctx, owner: Owner, request: Request<'_>) -> Result<()> {
    let phone = store::phone(store, owner).await?;
    let phone = phone.ok_or_else(|| Error::not_found("factor"))?;
    let mut change = Change::begin(store, ctx).await?;
    sms::send(store, &mut change, owner, &phone.number, request).await?;
    let said = (
        "factor.code_sent",
        "auth.send_code",
        "A code was sent to the phone of {subject}",
    );
    events::tell(&mut change, owner, said, Some(FactorKind::Sms)).await?;
    change.commit().await
}

/// One's own, with the person's row taken.
async fn of_id(change: &mut Change, owner: Owner, id: FactorId) -> Result<Factor> {
    store::take(change.tx(), owner).await?;
    let all = store::all(change.tx(), owner).await?;
    let found = all.into_iter().find(|factor| factor.id == id);
    found.ok_or_else(|| Error::not_found("factor"))
}

pub(super) fn checked_name(raw: &str) -> Result<String> {
    name::checked(raw, "A factor's name")
}
