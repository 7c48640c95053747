//! Asking, and coming in by the link.

use crate::Store;
use crate::auth::{self, Client};
use crate::change::Change;
use crate::kernel::error::{Error, Kind, Result};
use crate::kernel::id::{OrganizationId, UserId};
use crate::kernel::link_token;
use crate::kernel::password::Turn;
use crate::kernel::password_policy;
use crate::messages::{self, Address, Message};
use crate::recovery::ANSWERED_AFTER;
use crate::users::{self, check};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use time::Duration;
use tokio::time::Instant;

/// For how long a link is good.
const LASTS: Duration = Duration::DAY;
/// One mailbox gets no more than one mail in this time, whoever asks.
const PAUSE: Duration = Duration::minutes(5);

/// Who may sign up; for the sign-in page.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = SignUpOpenTo)]
pub struct OpenTo {
    /// Somebody may.
    pub open: bool,
    /// Whose addresses: their domains; empty: everybody's.
    pub domains: Vec<String>,
}

/// Who may sign up at this hub.
pub async fn open_to(store: &Store) -> Result<OpenTo> {
    let sign_up = match auth::organization(store).await? {
        Some(organization) => store.settings(organization).await?.sign_up.clone(),
        None => crate::settings::SignUp::default(),
    };
    Ok(OpenTo {
        open: sign_up.open,
        domains: if sign_up.open { sign_up.domains } else { Vec::new() },
    })
}

/// Sends a link to `email`, or, where somebody with it is here already, says so to them. The answer is the same.
pub async fn ask(store: &Store, email: &str, client: &Client) -> Result<()> {
    let started = Instant::now();
    let email = check::email(email).map_err(|fault| Error::invalid(vec![fault.at("email")]))?;
    let organization = admitted(store, &email).await?;
    let sent = send(store, organization, &email, client).await;
    tokio::time::sleep_until(started + ANSWERED_AFTER).await;
    sent
}

/// The organization that lets somebody with this address sign up.
async fn admitted(store: &Store, email: &str) -> Result<OrganizationId> {
    let organization = auth::organization(store).await?.ok_or_else(closed)?;
    let settings = store.settings(organization).await?;
    if !settings.sign_up.open {
        return Err(closed());
    }
    if !settings.sign_up.admits(email) {
        let domains = settings.sign_up.domains.join(", ");
        return Err(Error::field(
            "email",
            "domain_not_admitted",
            format!("Only addresses of {domains} may sign up here."),
        ));
    }
    Ok(organization)
}

/// The same is written whether or not the address is known; the link that goes out is another.
async fn send(store: &Store, organization: OrganizationId, email: &str, client: &Client) -> Result<()> {
    let known = known(store, email).await?;
    let mut change = Change::begin(store, &client.ctx(organization)).await?;
    let at = change.at();
    let (token, hash) = link_token::generate()?;
    let asked = sqlx::query!(
        "INSERT INTO sign_ups AS old (email, organization_id, token_hash, created_at, expires_at) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (email) DO UPDATE SET organization_id = excluded.organization_id, token_hash = excluded.token_hash,
           created_at = excluded.created_at, expires_at = excluded.expires_at
         WHERE old.created_at <= $6",
        email,
        organization.0,
        hash.as_slice(),
        at,
        at + LASTS,
        at - PAUSE,
    )
    .execute(change.tx())
    .await?;
    if asked.rows_affected() == 0 {
        return Ok(());
    }
    let message = if known {
        Message::SignUpKnown
    } else {
        Message::SignUp { token }
    };
    messages::mail(&mut change, &Address::of_stranger(email), message).await?;
    change.commit().await
}

async fn known(store: &Store, email: &str) -> Result<bool> {
    let mut tx = store.db.snapshot().await?;
    let known = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM users WHERE email = $1) AS "known!""#,
        email
    )
    .fetch_one(&mut *tx)
    .await?;
    Ok(known)
}

/// Makes whoever holds the link a person of the organization, with the name and password they chose and the role that the
/// organization gives newcomers. Answers who it is. `turn` is their place at the hasher.
pub async fn confirm(
    store: &Store,
    turn: Turn,
    token: &SecretString,
    (name, password): (&str, SecretString),
    client: &Client,
) -> Result<UserId> {
    let hash = link_token::hash(token.expose_secret()).ok_or_else(gone)?;
    let (email, organization) = find(store, &hash).await?.ok_or_else(gone)?;
    password_policy::check(&store.passwords, &password, "password", &[email.as_str(), name]).await?;
    let password = store.passwords.hash(turn, password).await?;
    let mut change = Change::begin(store, &client.ctx(organization)).await?;
    let at = change.at();
    let removed = sqlx::query!(
        "DELETE FROM sign_ups WHERE organization_id = $1 AND token_hash = $2 AND expires_at > $3",
        organization.0,
        hash.as_slice(),
        at,
    )
    .execute(change.tx())
    .await?;
    let settings = store.settings(organization).await?;
    if removed.rows_affected() == 0 || !settings.sign_up.admits(&email) {
        return Err(gone());
    }
    let user = users::joining::sign_up(&mut change, &email, name, settings.sign_up.role, &password).await?;
    change.commit().await?;
    Ok(user.id)
}

async fn find(store: &Store, hash: &[u8; 32]) -> Result<Option<(String, OrganizationId)>> {
    let mut tx = store.db.snapshot().await?;
    let row = sqlx::query!(
        "SELECT email, organization_id FROM sign_ups WHERE token_hash = $1 AND expires_at > $2",
        hash.as_slice(),
        store.clock.now(),
    )
    .fetch_optional(&mut *tx)
    .await?;
    Ok(row.map(|row| (row.email, OrganizationId(row.organization_id))))
}

fn closed() -> Error {
    Error::new(
        Kind::Forbidden,
        "sign_up.closed",
        "Nobody signs up here by themselves. Ask whoever runs this hub to invite you.",
    )
}

/// The same whatever is wrong with a link.
fn gone() -> Error {
    Error::new(
        Kind::Gone,
        "sign_up.link_gone",
        "This link is not good any more. Sign up again.",
    )
}
