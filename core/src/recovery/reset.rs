//! Using a link.

use crate::Store;
use crate::auth::Client;
use crate::bus::control::{Revocation, RevocationKind};
use crate::change::Change;
use crate::kernel::ctx::Actor;
use crate::kernel::error::{Error, Kind, Result};
use crate::kernel::event::{Event, Severity};
use crate::kernel::id::{OrganizationId, UserId};
use crate::kernel::link_token;
use crate::kernel::password::Turn;
use crate::kernel::password_policy;
use crate::messages::{self, Address, Message};
use crate::users::{self, User, UserStatus};
use secrecy::{ExposeSecret, SecretString};

/// Gives the person whose link this is the password they chose, and ends every session of theirs. That they hold the link
/// proves that they read the mail: answers who it is. `turn` is their place at the hasher.
pub async fn reset(
    store: &Store,
    turn: Turn,
    token: &SecretString,
    password: SecretString,
    client: &Client,
) -> Result<UserId> {
    let hash = link_token::hash(token.expose_secret()).ok_or_else(gone)?;
    let (user, organization) = find(store, &hash).await?.ok_or_else(gone)?;
    let whose = whose(store, organization, user).await?;
    let own = [whose.email.as_str(), whose.name.as_str()];
    password_policy::check(&store.passwords, &password, "password", &own).await?;
    let password = store.passwords.hash(turn, password).await?;
    let mut ctx = client.ctx(organization);
    ctx.actor = Actor::User(user);
    let mut change = Change::begin(store, &ctx).await?;
    let user = users::store::lock(change.tx(), organization, user).await?;
    let user = user
        .filter(|user| user.status == UserStatus::Active)
        .ok_or_else(gone)?;
    if !use_up(&mut change, &hash, user.id).await? {
        return Err(gone());
    }
    write(&mut change, &user, &password).await?;
    let to = Address::of(user.person(), user.email.as_str(), user.name.as_str());
    messages::mail(&mut change, &to, Message::PasswordWasReset).await?;
    change.commit().await?;
    Ok(user.id)
}

async fn find(store: &Store, hash: &[u8; 32]) -> Result<Option<(UserId, OrganizationId)>> {
    let mut tx = store.db.snapshot().await?;
    let row = sqlx::query!(
        "SELECT user_id, organization_id FROM password_resets WHERE token_hash = $1 AND expires_at > $2",
        hash.as_slice(),
        store.clock.now(),
    )
    .fetch_optional(&mut *tx)
    .await?;
    Ok(row.map(|row| (UserId(row.user_id), OrganizationId(row.organization_id))))
}

/// Whose link it is, as they are now.
async fn whose(store: &Store, organization: OrganizationId, user: UserId) -> Result<User> {
    let mut tx = store.db.primary(organization).await?;
    users::store::find(&mut tx, organization, user)
        .await?
        .ok_or_else(gone)
}

/// Uses the link up; the other links of the person go with their sessions. False where somebody was first.
async fn use_up(change: &mut Change, hash: &[u8; 32], user: UserId) -> Result<bool> {
    let (organization, at) = (change.ctx().organization, change.at());
    let taken = sqlx::query!(
        "DELETE FROM password_resets WHERE token_hash = $1 AND organization_id = $2 AND user_id = $3 AND expires_at > $4",
        hash.as_slice(),
        organization.0,
        user.0,
        at,
    )
    .execute(change.tx())
    .await?;
    Ok(taken.rows_affected() == 1)
}

async fn write(change: &mut Change, user: &User, password_hash: &str) -> Result<()> {
    let (organization, at) = (change.ctx().organization, change.at());
    sqlx::query!(
        "UPDATE users SET password_hash = $3, must_change_password = false, password_changed_at = $4
         WHERE organization_id = $1 AND id = $2",
        organization.0,
        user.id.0,
        password_hash,
        at,
    )
    .execute(change.tx())
    .await?;
    let reason = "password_reset";
    let ended = users::store::end_sessions(change.tx(), organization, user.id, reason, at).await?;
    let inbox = format!("inbox:{}", user.id);
    let text = "{actor} chose a new password by way of a mail";
    let event = Event::new(
        "user.password_changed",
        "auth.reset_password",
        user.subject(),
        inbox,
        text,
    )
    .severity(Severity::Warn)
    .detail("sessions_ended", ended.sessions)
    .counts("sessions_active", -ended.sessions);
    change.record(event).await?;
    change
        .revoke(Revocation {
            organization,
            kind: RevocationKind::User,
            subject: user.id.0,
            access_version: Some(ended.access_version),
            reason: reason.to_owned(),
        })
        .await
}

/// The same whatever is wrong with a link.
fn gone() -> Error {
    Error::new(
        Kind::Gone,
        "auth.reset_link_gone",
        "This link is not good any more. Ask for another.",
    )
}
