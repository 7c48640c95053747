//! Confirming or refusing by a link.

use super::service::{refused, remove};
use crate::Store;
use crate::auth::Client;
use crate::change::Change;
use crate::kernel::ctx::Actor;
use crate::kernel::error::{Error, Kind, Result};
use crate::kernel::event::{Event, Severity};
use crate::kernel::id::{OrganizationId, UserId};
use crate::kernel::link_token;
use crate::users::{self, User, UserStatus};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[schema(as = EmailConfirmed)]
#[serde(rename_all = "snake_case")]
pub enum Confirmed {
    /// The other mailbox has yet to confirm.
    Waiting,
    /// Both have: the address is another now.
    Changed,
    /// Nothing is left of it.
    Refused,
}

struct Waiting {
    user: UserId,
    organization: OrganizationId,
}

/// Confirms the change whose link this is, or refuses it. When both have confirmed, the address is another: sessions stay,
/// since whoever has them asked for it, and links that went to the old mailbox are of no use any more.
pub async fn confirm(store: &Store, token: &SecretString, yes: bool, client: &Client) -> Result<Confirmed> {
    let hash = link_token::hash(token.expose_secret()).ok_or_else(gone)?;
    let waiting = find(store, &hash).await?.ok_or_else(gone)?;
    let mut ctx = client.ctx(waiting.organization);
    ctx.actor = Actor::User(waiting.user);
    let mut change = Change::begin(store, &ctx).await?;
    let user = users::store::lock(change.tx(), waiting.organization, waiting.user).await?;
    let user = user
        .filter(|user| user.status == UserStatus::Active)
        .ok_or_else(gone)?;
    if !yes {
        // the row is looked for again: it may have been used, replaced or taken back while we waited for the lock
        still(&mut change, &hash, user.id).await?;
        remove(&mut change, user.id).await?;
        refused(&mut change, &user, "auth.confirm_email").await?;
        change.commit().await?;
        return Ok(Confirmed::Refused);
    }
    let wanted = mark(&mut change, &hash, user.id).await?;
    let done = if let Some(new) = wanted {
        change_to(&mut change, user, &new).await?
    } else {
        let inbox = format!("inbox:{}", user.id);
        let text = "One of two mailboxes confirmed the other e-mail address of {subject}";
        let (kind, action) = ("user.email_change_confirmed", "auth.confirm_email");
        change
            .record(Event::new(kind, action, user.subject(), inbox, text))
            .await?;
        Confirmed::Waiting
    };
    change.commit().await?;
    Ok(done)
}

async fn find(store: &Store, hash: &[u8; 32]) -> Result<Option<Waiting>> {
    let mut tx = store.db.snapshot().await?;
    let row = sqlx::query!(
        "SELECT user_id, organization_id FROM email_changes WHERE (old_hash = $1 OR new_hash = $1) AND expires_at > $2",
        hash.as_slice(),
        store.clock.now(),
    )
    .fetch_optional(&mut *tx)
    .await?;
    Ok(row.map(|row| Waiting {
        user: UserId(row.user_id),
        organization: OrganizationId(row.organization_id),
    }))
}

async fn still(change: &mut Change, hash: &[u8; 32], user: UserId) -> Result<()> {
    let (organization, at) = (change.ctx().organization, change.at());
    sqlx::query!(
        "SELECT user_id FROM email_changes
         WHERE organization_id = $1 AND user_id = $2 AND (old_hash = $3 OR new_hash = $3) AND expires_at > $4",
        organization.0,
        user.0,
        hash.as_slice(),
        at,
    )
    .fetch_optional(change.tx())
    .await?
    .map(drop)
    .ok_or_else(gone)
}

/// Notes that the mailbox of this link confirmed. The address that is wanted, once both have.
async fn mark(change: &mut Change, hash: &[u8; 32], user: UserId) -> Result<Option<String>> {
    let (organization, at) = (change.ctx().organization, change.at());
    let row = sqlx::query!(
        r#"UPDATE email_changes
           SET old_confirmed_at = CASE WHEN old_hash = $3 THEN coalesce(old_confirmed_at, $4) ELSE old_confirmed_at END,
             new_confirmed_at = CASE WHEN new_hash = $3 THEN coalesce(new_confirmed_at, $4) ELSE new_confirmed_at END
           WHERE organization_id = $1 AND user_id = $2 AND (old_hash = $3 OR new_hash = $3) AND expires_at > $4
           RETURNING new_email, (old_confirmed_at IS NOT NULL AND new_confirmed_at IS NOT NULL) AS "both!""#,
        organization.0,
        user.0,
        hash.as_slice(),
        at,
    )
    .fetch_optional(change.tx())
    .await?;
    let row = row.ok_or_else(gone)?;
    Ok(row.both.then_some(row.new_email))
}

async fn change_to(change: &mut Change, user: User, new: &str) -> Result<Confirmed> {
    remove(change, user.id).await?;
    let (after, person) = users::joining::readdress(change, &user, new).await?;
    let event = Event::new(
        "user.updated",
        "me.change_email",
        after.subject(),
        users::CHANNEL,
        "{actor} has another e-mail address",
    )
    .also(format!("inbox:{}", user.id))
    .severity(Severity::Warn)
    .patch(after.patch()?, after.acts())
    .person(person)
    .scope(Some(user.scope()), Some(after.scope()))
    .changed("email", user.email.as_str(), after.email.as_str());
    change.record(event).await?;
    Ok(Confirmed::Changed)
}

/// The same whatever is wrong with a link.
fn gone() -> Error {
    Error::new(
        Kind::Gone,
        "auth.email_link_gone",
        "This link is not good any more. Ask for the change again.",
    )
}
