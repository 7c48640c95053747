//! Asking for a link.

use super::{ANSWERED_AFTER, MINUTES, MOST};
use crate::Store;
use crate::auth::Client;
use crate::change::Change;
use crate::kernel::error::Result;
use crate::kernel::event::{Event, Severity};
use crate::kernel::id::{OrganizationId, UserId};
use crate::kernel::link_token;
use crate::messages::{self, Address, Message};
use crate::users::{self, UserStatus, check};
use time::Duration;
use tokio::time::Instant;

/// Sends a link to whoever has this address, if they may sign in with a password. The answer is the same in any case.
pub async fn forgot(store: &Store, email: &str, client: &Client) -> Result<()> {
    let started = Instant::now();
    let sent = send(store, email, client).await;
    tokio::time::sleep_until(started + ANSWERED_AFTER).await;
    sent
}

async fn send(store: &Store, email: &str, client: &Client) -> Result<()> {
    let Ok(email) = check::email(email) else {
        return Ok(());
    };
    let Some((user, organization)) = find(store, &email).await? else {
        return Ok(());
    };
    let mut change = Change::begin(store, &client.ctx(organization)).await?;
    let at = change.at();
    // locked, so that of many who ask at once no more than MOST get a link
    let user = users::store::lock(change.tx(), organization, user).await?;
    let Some(user) = user.filter(|user| user.status == UserStatus::Active && user.email == email) else {
        return Ok(());
    };
    let open = sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM password_resets WHERE organization_id = $1 AND user_id = $2 AND expires_at > $3"#,
        organization.0,
        user.id.0,
        at,
    )
    .fetch_one(change.tx())
    .await?;
    if open >= MOST {
        return Ok(());
    }
    let (token, hash) = link_token::generate()?;
    sqlx::query!(
        "INSERT INTO password_resets (token_hash, organization_id, user_id, created_at, expires_at) VALUES ($1, $2, $3, $4, $5)",
        hash.as_slice(),
        organization.0,
        user.id.0,
        at,
        at + Duration::minutes(i64::from(MINUTES)),
    )
    .execute(change.tx())
    .await?;
    let to = Address::of(user.person(), user.email.as_str(), user.name.as_str());
    let message = Message::PasswordReset {
        token,
        minutes: MINUTES,
    };
    messages::mail(&mut change, &to, message).await?;
    let text = "Somebody asked for a new password of {subject}";
    let inbox = format!("inbox:{}", user.id);
    let event = Event::new(
        "user.reset_asked",
        "auth.forgot_password",
        user.subject(),
        inbox,
        text,
    );
    change.record(event.severity(Severity::Warn)).await?;
    change.commit().await
}

/// Whoever has this address and a password. Whoever comes in by another provider gets no password by the way.
async fn find(store: &Store, email: &str) -> Result<Option<(UserId, OrganizationId)>> {
    let mut tx = store.db.snapshot().await?;
    let row = sqlx::query!(
        "SELECT id, organization_id FROM users
         WHERE email = $1 AND deleted_at IS NULL AND status = 'active' AND password_hash IS NOT NULL",
        email,
    )
    .fetch_optional(&mut *tx)
    .await?;
    Ok(row.map(|row| (UserId(row.id), OrganizationId(row.organization_id))))
}
