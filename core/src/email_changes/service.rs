//! Asking for another address, and taking that back.

use crate::Store;
use crate::change::Change;
use crate::kernel::ctx::Ctx;
use crate::kernel::error::{Error, Kind, Result};
use crate::kernel::event::{Event, Severity};
use crate::kernel::id::UserId;
use crate::kernel::link_token;
use crate::messages::{self, Address, Message};
use crate::users::{self, User, check};
use serde::Serialize;
use time::{Duration, OffsetDateTime};

/// For how long it may be confirmed.
const LASTS: Duration = Duration::DAY;

/// A change that waits.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = EmailChange)]
pub struct Pending {
    /// The address that is wanted.
    pub new_email: String,
    /// Whoever reads the address of now has confirmed.
    pub old_confirmed: bool,
    /// Whoever reads the new one has.
    pub new_confirmed: bool,
    /// Until when it may be.
    #[serde(with = "time::serde::rfc3339")]
    pub expires_at: OffsetDateTime,
}

/// Asks for the address `new` for oneself, who has signed in and has just proved again who they are. A link goes to both
/// addresses; one that waits already is replaced.
pub async fn ask(store: &Store, ctx: &Ctx, new: &str) -> Result<Pending> {
    let user = oneself(ctx)?;
    ctx.require_recent_proof(store.clock.now())?;
    let new = check::email(new).map_err(|fault| Error::invalid(vec![fault.at("new_email")]))?;
    let mut change = Change::begin(store, ctx).await?;
    let user = users::store::lock(change.tx(), ctx.organization, user).await?;
    let user = user.ok_or_else(|| Error::not_found("user"))?;
    if user.email == new {
        return Err(Error::field(
            "new_email",
            "unchanged",
            "This is your address already.",
        ));
    }
    let pending = write(&mut change, &user, &new).await?;
    let inbox = format!("inbox:{}", user.id);
    let text = "{actor} asked for another e-mail address";
    let event = Event::new(
        "user.email_change_asked",
        "me.change_email",
        user.subject(),
        inbox,
        text,
    );
    change.record(event.severity(Severity::Warn)).await?;
    change.answer(202, &pending).await?;
    change.commit().await?;
    Ok(pending)
}

async fn write(change: &mut Change, user: &User, new: &str) -> Result<Pending> {
    let (organization, at) = (change.ctx().organization, change.at());
    let (for_old, old_hash) = link_token::generate()?;
    let (for_new, new_hash) = link_token::generate()?;
    let expires_at = at + LASTS;
    sqlx::query!(
        "INSERT INTO email_changes (user_id, organization_id, new_email, old_hash, new_hash, created_at, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (user_id) DO UPDATE SET new_email = excluded.new_email, old_hash = excluded.old_hash,
           new_hash = excluded.new_hash, old_confirmed_at = NULL, new_confirmed_at = NULL,
           created_at = excluded.created_at, expires_at = excluded.expires_at",
        user.id.0,
        organization.0,
        new,
        old_hash.as_slice(),
        new_hash.as_slice(),
        at,
        expires_at,
    )
    .execute(change.tx())
    .await?;
    let name = user.name.as_str();
    let message = Message::EmailChangeFrom {
        token: for_old,
        new: new.to_owned(),
    };
    messages::mail(
        change,
        &Address::of(user.person(), user.email.as_str(), name),
        message,
    )
    .await?;
    // somebody else's mailbox is left alone: it will never confirm, and nobody can tell why
    if !is_taken(change, new).await? {
        let message = Message::EmailChangeTo { token: for_new };
        messages::mail(change, &Address::of(user.person(), new, name), message).await?;
    }
    Ok(Pending {
        new_email: new.to_owned(),
        old_confirmed: false,
        new_confirmed: false,
        expires_at,
    })
}

/// Addresses are one person's in all of the installation, which this organization's eyes do not reach.
async fn is_taken(change: &Change, email: &str) -> Result<bool> {
    let mut tx = change.store().db.snapshot().await?;
    let taken = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM users WHERE email = $1) AS "taken!""#,
        email
    )
    .fetch_one(&mut *tx)
    .await?;
    Ok(taken)
}

/// What waits of one's own.
pub async fn pending(store: &Store, ctx: &Ctx) -> Result<Option<Pending>> {
    let user = oneself(ctx)?;
    let mut tx = store.db.primary(ctx.organization).await?;
    let row = sqlx::query!(
        r#"SELECT new_email, old_confirmed_at IS NOT NULL AS "old!", new_confirmed_at IS NOT NULL AS "new!", expires_at
           FROM email_changes WHERE organization_id = $1 AND user_id = $2 AND expires_at > $3"#,
        ctx.organization.0,
        user.0,
        store.clock.now(),
    )
    .fetch_optional(&mut *tx)
    .await?;
    Ok(row.map(|row| Pending {
        new_email: row.new_email,
        old_confirmed: row.old,
        new_confirmed: row.new,
        expires_at: row.expires_at,
    }))
}

/// Takes back what waits of one's own; nothing waiting is no error.
pub async fn take_back(store: &Store, ctx: &Ctx) -> Result<()> {
    let user = oneself(ctx)?;
    let mut change = Change::begin(store, ctx).await?;
    let user = users::store::lock(change.tx(), ctx.organization, user).await?;
    let user = user.ok_or_else(|| Error::not_found("user"))?;
    if !remove(&mut change, user.id).await? {
        return Ok(());
    }
    refused(&mut change, &user, "me.keep_email").await?;
    change.commit().await
}

pub(super) async fn remove(change: &mut Change, user: UserId) -> Result<bool> {
    let organization = change.ctx().organization;
    let gone = sqlx::query!(
        "DELETE FROM email_changes WHERE organization_id = $1 AND user_id = $2",
        organization.0,
        user.0,
    )
    .execute(change.tx())
    .await?;
    Ok(gone.rows_affected() == 1)
}

pub(super) async fn refused(change: &mut Change, user: &User, action: &'static str) -> Result<()> {
    let inbox = format!("inbox:{}", user.id);
    let text = "The other e-mail address of {subject} was refused";
    let event = Event::new("user.email_change_refused", action, user.subject(), inbox, text);
    change.record(event.severity(Severity::Warn)).await?;
    Ok(())
}

fn oneself(ctx: &Ctx) -> Result<UserId> {
    ctx.require_session()?;
    ctx.actor
        .user()
        .ok_or_else(|| Error::new(Kind::Forbidden, "auth.session_required", "Sign in first."))
}
