//! Signing in through a provider.

use super::admit;
use super::directory::Directory;
use super::envelope::Purpose;
use super::flow::{self, Proof, Returned, Started};
use super::store::Link;
use crate::Store;
use crate::auth::sign_in::{Method, Outcome, Through, proven};
use crate::auth::{Auth, Client};
use crate::kernel::error::{Error, Kind, Result};
use crate::kernel::id::{EventId, ProviderId};
use time::Duration;
use uuid::Uuid;

/// A sign-in that led to no session by then never will.
const UNFINISHED: Duration = Duration::days(1);

/// Somebody leaves for a provider to sign in. `next` is a path of the console; `again`: the provider is to ask them anew, so that it
/// counts as a proof of who they are.
pub async fn start(
    directory: &Directory,
    id: ProviderId,
    public_url: Option<&str>,
    next: Option<&str>,
    again: bool,
) -> Result<Started> {
    flow::leave(directory, id, public_url, next, Purpose::SignIn, again).await
}

/// Somebody comes back: signed in, or with a second factor still owed; and where in the console they go on.
pub async fn finish(
    directory: &Directory,
    auth: &Auth,
    public_url: Option<&str>,
    cookie: Option<&str>,
    returned: &Returned,
    client: &Client,
) -> Result<(Outcome, Option<String>)> {
    let proof = flow::come_back(directory, public_url, cookie, returned).await?;
    if proof.purpose != Purpose::SignIn {
        return Err(other_purpose());
    }
    let store = &directory.store;
    let link = admit::person(store, &proof.provider, &proof.told, client).await?;
    let noted = note(store, &proof, &link).await?;
    let method = if proof.provider.second_factor && proof.two_factors {
        Method::ProviderFactors
    } else {
        Method::Provider
    };
    let through = Through {
        sign_in: noted,
        since: proof.authenticated_at,
    };
    let outcome = proven(auth, link.user, &[method], Some(through), client).await?;
    Ok((outcome, proof.next))
}

pub(super) fn other_purpose() -> Error {
    Error::new(
        Kind::Unauthenticated,
        "providers.begin_anew",
        "This answer was asked for something else. Begin again.",
    )
}

/// Notes the sign-in before there is a session, so that a logout at the provider that comes in between finds it.
async fn note(store: &Store, proof: &Proof, link: &Link) -> Result<Uuid> {
    let (id, at) = (EventId::new().0, store.clock.now());
    let mut tx = store.db.bookkeeping().await?;
    sqlx::query!(
        "INSERT INTO provider_sign_ins (id, organization_id, provider_id, linked_account_id, user_id, sid, at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
        id,
        proof.provider.organization.0,
        proof.provider.id.0,
        link.id.0,
        link.user.0,
        proof.sid,
        at,
    )
    .execute(&mut *tx)
    .await?;
    sqlx::query!(
        "UPDATE linked_accounts SET last_used_at = $2 WHERE id = $1",
        link.id.0,
        at
    )
    .execute(&mut *tx)
    .await?;
    sqlx::query!(
        "DELETE FROM provider_sign_ins WHERE session_id IS NULL AND at < $1",
        at - UNFINISHED
    )
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(id)
}
