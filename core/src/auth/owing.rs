//! Tickets: whoever proved one thing and owes another holds one in between. Opaque, kept as a hash, of one client, good for
//! one session.

use super::Auth;
use super::account::Account;
use super::login::Client;
use super::sign_in::FactorNeeded;
use crate::change::Change;
use crate::factors::{FactorKind, Owed, Owner, Request};
use crate::kernel::error::{Error, Kind, Result};
use crate::kernel::id::{OrganizationId, UserId};
use crate::kernel::seal::random;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use time::Duration;
use uuid::Uuid;

/// Life of a ticket.
pub const LIFE: Duration = Duration::minutes(10);
/// Tickets of one person at a time; an older one makes room.
const MOST: i64 = 20;

/// What was proved, and for what.
pub(super) struct Proved {
    pub(super) methods: Vec<String>,
    /// With which password, where it was one ([`password`]).
    pub(super) password: Option<Vec<u8>>,
    /// The sign-in through a provider that it was, which the session is tied to.
    pub(super) provider_sign_in: Option<Uuid>,
}

/// A ticket that is good.
pub(super) struct Ticket {
    pub(super) owner: Owner,
    pub(super) proved: Proved,
    pub(super) enroll: bool,
    hash: Vec<u8>,
}

impl Ticket {
    /// What a code is sent and shown for.
    pub(super) fn request(&self) -> Request<'_> {
        Request::SignIn(&self.hash)
    }
}

/// Makes one within `change`, for whoever proved `proved` and owes what `owed` says.
pub(super) async fn issue(
    auth: &Auth,
    change: &mut Change,
    owner: Owner,
    proved: &Proved,
    owed: Owed,
    client: &Client,
) -> Result<FactorNeeded> {
    let mut bytes = [0; 32];
    random(&mut bytes)?;
    let ticket = SecretString::from(URL_SAFE_NO_PAD.encode(bytes));
    let (at, enroll) = (change.at(), owed.kinds.is_empty());
    make_room(change, owner).await?;
    sqlx::query!(
        "INSERT INTO sign_in_tickets (hash, organization_id, user_id, methods, client, enroll, created_at, expires_at,
           provider_sign_in, password)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        hash(&ticket),
        owner.organization.0,
        owner.user.0,
        &proved.methods,
        seen(auth, client),
        enroll,
        at,
        at + LIFE,
        proved.provider_sign_in,
        proved.password,
    )
    .execute(change.tx())
    .await?;
    let kinds = if enroll {
        vec![FactorKind::Passkey, FactorKind::Totp, FactorKind::Sms]
    } else {
        owed.kinds
    };
    Ok(FactorNeeded {
        ticket,
        expires_at: at + LIFE,
        kinds,
        enroll,
    })
}

/// What has run out goes, and the oldest of whoever has too many.
async fn make_room(change: &mut Change, owner: Owner) -> Result<()> {
    let at = change.at();
    sqlx::query!(
        "DELETE FROM sign_in_tickets WHERE hash IN (
           (SELECT hash FROM sign_in_tickets WHERE organization_id = $1 AND expires_at <= $3 LIMIT 100)
           UNION ALL
           (SELECT hash FROM sign_in_tickets WHERE organization_id = $1 AND user_id = $2
            ORDER BY created_at DESC OFFSET $4 LIMIT 100))",
        owner.organization.0,
        owner.user.0,
        at,
        MOST - 1,
    )
    .execute(change.tx())
    .await?;
    Ok(())
}

/// The ticket, where it is good for `client`. Whoever's password was changed, or whose sessions were all ended, theirs or
/// everybody's, since it was made begins again.
///
/// # Errors
/// `auth.ticket_refused`, whatever is wrong with it.
pub(super) async fn find(auth: &Auth, ticket: &SecretString, client: &Client) -> Result<Ticket> {
    let hash = hash(ticket);
    let mut tx = auth.store.db.snapshot().await?;
    let row = sqlx::query!(
        "SELECT t.organization_id, t.user_id, t.methods, t.client, t.enroll, t.provider_sign_in, t.password
         FROM sign_in_tickets t JOIN users u ON u.id = t.user_id JOIN organizations o ON o.id = t.organization_id
         WHERE t.hash = $1 AND t.expires_at > $2 AND t.created_at >= coalesce(
           greatest(u.password_changed_at, u.sessions_not_before, o.sessions_not_before), '-infinity')",
        hash,
        auth.store.clock.now(),
    )
    .fetch_optional(&mut *tx)
    .await?
    .ok_or_else(refused)?;
    if !bool::from(row.client.ct_eq(&seen(auth, client))) {
        return Err(refused());
    }
    Ok(Ticket {
        owner: Owner {
            user: UserId(row.user_id),
            organization: OrganizationId(row.organization_id),
        },
        proved: Proved {
            methods: row.methods,
            password: row.password,
            provider_sign_in: row.provider_sign_in,
        },
        enroll: row.enroll,
        hash,
    })
}

/// Uses the ticket up within `change`: of two that hold it one gets in.
pub(super) async fn take(change: &mut Change, ticket: &Ticket) -> Result<()> {
    let taken = sqlx::query!(
        "DELETE FROM sign_in_tickets WHERE organization_id = $1 AND hash = $2",
        ticket.owner.organization.0,
        ticket.hash
    )
    .execute(change.tx())
    .await?;
    if taken.rows_affected() == 1 {
        Ok(())
    } else {
        Err(refused())
    }
}

/// The account's password as a ticket knows it again.
pub(super) fn password(auth: &Auth, account: &Account) -> Vec<u8> {
    let hash = account.password_hash.as_deref().unwrap_or_default();
    auth.store
        .sealer
        .mac("sign-in ticket's password", hash.as_bytes())
}

/// A client as it is known again: its address and program.
fn seen(auth: &Auth, client: &Client) -> Vec<u8> {
    let address = client
        .ip
        .map(|ip| ip.to_canonical().to_string())
        .unwrap_or_default();
    let program = client.user_agent.as_deref().unwrap_or_default();
    auth.store
        .sealer
        .mac("sign-in ticket", format!("{address}\n{program}").as_bytes())
}

fn hash(ticket: &SecretString) -> Vec<u8> {
    Sha256::digest(ticket.expose_secret().as_bytes()).to_vec()
}

pub(super) fn refused() -> Error {
    Error::new(
        Kind::Unauthenticated,
        "auth.ticket_refused",
        "This took too long, or began somewhere else. Sign in again from the beginning.",
    )
}
