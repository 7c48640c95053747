//! Choosing a new password of one's own.

use super::Auth;
use crate::bus::control::{Revocation, RevocationKind};
use crate::change::Change;
use crate::kernel::ctx::{Credential, Ctx};
use crate::kernel::error::{Error, Kind, Result};
use crate::kernel::event::{Event, Subject};
use crate::kernel::id::{SessionId, UserId};
use crate::kernel::password::Turn;
use crate::kernel::password_policy;
use crate::sessions;
use secrecy::{ExposeSecret, SecretString};

/// Replaces the caller's password, which they must know. Every other session of theirs ends: whoever knew the old
/// password is out.
pub async fn change_password(
    auth: &Auth,
    ctx: &Ctx,
    turn: Turn,
    current: SecretString,
    new: SecretString,
) -> Result<()> {
    ctx.require_recent_proof(auth.store.clock.now())?;
    let user = ctx.actor.user().ok_or_else(super::unauthenticated)?;
    let (hash, own) = known(auth, ctx, user).await?;
    let own: Vec<&str> = own.iter().map(String::as_str).collect();
    password_policy::check(&auth.store.passwords, &new, "new_password", &own).await?;
    if !auth.store.passwords.verify(turn, current.clone(), hash).await? {
        super::account::record_failed_proof(auth, ctx, user).await?;
        return Err(wrong());
    }
    if new.expose_secret() == current.expose_secret() {
        return Err(Error::field(
            "new_password",
            "unchanged",
            "Choose another password than the present one.",
        ));
    }
    let turn = auth.store.passwords.turn().await?;
    let hash = auth.store.passwords.hash(turn, new).await?;
    let mut change = Change::begin(&auth.store, ctx).await?;
    let (version, access_version) = write(&mut change, user, &hash).await?;
    let subject = Subject {
        kind: "user".into(),
        id: user.0,
        version,
    };
    let event = Event::new(
        "user.password_changed",
        "me.change_password",
        subject,
        format!("inbox:{user}"),
        "{actor} chose a new password",
    );
    change.record(event).await?;
    let looked_at = Revocation {
        organization: ctx.organization,
        kind: RevocationKind::Access,
        subject: user.0,
        access_version: Some(access_version),
        reason: "password_changed".to_owned(),
    };
    change.revoke(looked_at).await?;
    for session in others(&mut change, user).await? {
        let why = "The password was changed. Sign in with the new one.";
        sessions::end(&mut change, session, user, "me.change_password", why).await?;
    }
    change.commit().await
}

pub(super) fn wrong() -> Error {
    Error::new(
        Kind::Forbidden,
        "auth.wrong_password",
        "The present password is wrong.",
    )
}

/// What the person's password is checked against.
pub(super) async fn hash_of(auth: &Auth, ctx: &Ctx, user: UserId) -> Result<Option<String>> {
    Ok(known(auth, ctx, user).await?.0)
}

/// The hash of the present password, and the words that a new one may not be made of.
async fn known(auth: &Auth, ctx: &Ctx, user: UserId) -> Result<(Option<String>, Vec<String>)> {
    let mut tx = auth.store.db.primary(ctx.organization).await?;
    let row = sqlx::query!(
        "SELECT password_hash, email, name FROM users WHERE organization_id = $1 AND id = $2",
        ctx.organization.0,
        user.0
    )
    .fetch_optional(&mut *tx)
    .await?;
    Ok(row.map_or_else(Default::default, |row| {
        (row.password_hash, vec![row.email, row.name])
    }))
}

/// The row keeps its version: nothing that others see of the person has changed. The access version moves, because a
/// session that could only change the password can do more now. Links to a new password that were sent are of no use any more.
async fn write(change: &mut Change, user: UserId, hash: &str) -> Result<(i64, i64)> {
    let (organization, at) = (change.ctx().organization, change.at());
    let row = sqlx::query!(
        "WITH links AS (DELETE FROM password_resets WHERE organization_id = $1 AND user_id = $2)
         UPDATE users SET password_hash = $3, must_change_password = false, password_changed_at = $4,
           access_version = access_version + 1
         WHERE organization_id = $1 AND id = $2 RETURNING version, access_version",
        organization.0,
        user.0,
        hash,
        at,
    )
    .fetch_one(change.tx())
    .await?;
    Ok((row.version, row.access_version))
}

/// Open sessions of the person apart from the one that asks.
async fn others(change: &mut Change, user: UserId) -> Result<Vec<SessionId>> {
    let organization = change.ctx().organization;
    let mine = match change.ctx().credential {
        Credential::Session(session) => Some(session.0),
        Credential::ApiKey(_) | Credential::External(_) | Credential::Internal => None,
    };
    let ids = sqlx::query_scalar!(
        "SELECT id FROM user_sessions
         WHERE organization_id = $1 AND user_id = $2 AND revoked_at IS NULL AND id IS DISTINCT FROM $3 ORDER BY id",
        organization.0,
        user.0,
        mine,
    )
    .fetch_all(change.tx())
    .await?;
    Ok(ids.into_iter().map(SessionId).collect())
}
