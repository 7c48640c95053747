//! Whose account it is that somebody signs in to.

use super::Auth;
use super::login::Client;
use crate::change::Change;
use crate::factors::Owner;
use crate::ip_rules;
use crate::kernel::ctx::Ctx;
use crate::kernel::error::{Error, Kind, Result};
use crate::kernel::event::{Event, Severity, Subject};
use crate::kernel::id::{OrganizationId, UserId};

/// Who signs in.
pub(super) struct Account {
    pub(super) id: UserId,
    pub(super) organization: OrganizationId,
    pub(super) password_hash: Option<String>,
    pub(super) status: String,
    pub(super) version: i64,
}

impl Account {
    pub(super) fn owner(&self) -> Owner {
        Owner {
            user: self.id,
            organization: self.organization,
        }
    }

    /// What is said of the person on their own inbox.
    pub(super) fn event(&self, kind: &'static str, action: &'static str, text: &'static str) -> Event {
        let subject = Subject {
            kind: "user".into(),
            id: self.id.0,
            version: self.version,
        };
        Event::new(kind, action, subject, format!("inbox:{}", self.id), text)
    }
}

/// Reads it from the primary; `None` where the person is gone.
pub(super) async fn by_id(auth: &Auth, user: UserId) -> Result<Option<Account>> {
    let mut tx = auth.store.db.snapshot().await?;
    let row = sqlx::query!(
        "SELECT organization_id, password_hash, status, version FROM users WHERE id = $1 AND deleted_at IS NULL",
        user.0
    )
    .fetch_optional(&mut *tx)
    .await?;
    Ok(row.map(|row| Account {
        id: user,
        organization: OrganizationId(row.organization_id),
        password_hash: row.password_hash,
        status: row.status,
        version: row.version,
    }))
}

/// As [`by_id`], by the address somebody typed.
pub(super) async fn by_email(auth: &Auth, email: &str) -> Result<Option<Account>> {
    let mut tx = auth.store.db.snapshot().await?;
    let row = sqlx::query!(
        "SELECT id, organization_id, password_hash, status, version FROM users WHERE email = $1 AND deleted_at IS NULL",
        email.trim().to_lowercase()
    )
    .fetch_optional(&mut *tx)
    .await?;
    Ok(row.map(|row| Account {
        id: UserId(row.id),
        organization: OrganizationId(row.organization_id),
        password_hash: row.password_hash,
        status: row.status,
        version: row.version,
    }))
}

/// Passes where the account is open and the address let in. Only whoever proved who they are learns either; and that
/// somebody did from a wrong place is noted.
pub(super) async fn require_open(auth: &Auth, account: &Account, client: &Client) -> Result<()> {
    require_active(account)?;
    let (db, organization) = (&auth.store.db, account.organization);
    if ip_rules::admits(db, organization, account.id, client.ip).await? {
        return Ok(());
    }
    record_failure(auth, account, client).await?;
    Err(ip_rules::refused(client.ip))
}

fn require_active(account: &Account) -> Result<()> {
    let (code, detail) = match account.status.as_str() {
        "active" => return Ok(()),
        "banned" => (
            "auth.banned",
            "This account is banned. Ask whoever runs this hub.",
        ),
        "suspended" => (
            "auth.suspended",
            "This account is suspended. Ask whoever runs this hub.",
        ),
        _ => (
            "auth.not_active",
            "This account is not active yet. Follow the invitation, or ask for a new one.",
        ),
    };
    Err(Error::new(Kind::Forbidden, code, detail))
}

/// Somebody failed to sign in as `account`; which is told to whoever it belongs to.
pub(super) async fn record_failure(auth: &Auth, account: &Account, client: &Client) -> Result<()> {
    let mut change = Change::begin(&auth.store, &client.ctx(account.organization)).await?;
    let said = "Somebody failed to sign in as {subject}";
    let event = account.event("auth.login_failed", "auth.login_failed", said);
    change.record(event.severity(Severity::Warn)).await?;
    change.commit().await
}

/// Somebody failed to show the password of `user` within a session of theirs; which is told to whoever it belongs to.
pub(super) async fn record_failed_proof(auth: &Auth, ctx: &Ctx, user: UserId) -> Result<()> {
    let Some(account) = by_id(auth, user).await? else {
        return Ok(());
    };
    let mut ctx = ctx.clone();
    // what failed is no answer that is kept for a repeat
    ctx.idempotency = None;
    let mut change = Change::begin(&auth.store, &ctx).await?;
    let said = "Somebody failed to show the password of {subject} in a session of theirs";
    let event = account.event("auth.proof_failed", "auth.proof_failed", said);
    change.record(event.severity(Severity::Warn)).await?;
    change.commit().await
}
