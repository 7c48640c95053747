//! Coming in by an invitation's link.

use super::model::Invitation;
use super::service::event;
use super::store;
use crate::Store;
use crate::auth::Client;
use crate::change::Change;
use crate::kernel::ctx::{Actor, Ctx};
use crate::kernel::error::{Error, Kind, Result};
use crate::kernel::id::{InvitationId, OrganizationId, UserId};
use crate::kernel::link_token;
use crate::kernel::password::Turn;
use crate::kernel::password_policy;
use crate::users;
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use time::OffsetDateTime;

/// What whoever holds a link is shown before they come in.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = InvitationLook)]
pub struct Look {
    /// The organization's name.
    pub organization: String,
    /// The address that was invited.
    pub email: String,
    /// The name that was said.
    pub name: String,
    /// Until when the link is good.
    #[serde(with = "time::serde::rfc3339")]
    pub expires_at: OffsetDateTime,
}

/// Somebody has come.
#[derive(Clone, Copy, Debug)]
pub struct Accepted {
    /// Who.
    pub user: UserId,
}

/// What the link with this token leads to.
pub async fn look(store: &Store, token: &SecretString) -> Result<Look> {
    let (_, id, organization) = find(store, token).await?;
    let mut tx = store.db.primary(organization).await?;
    let mut found = store::select(&mut tx, organization, Some(id), None, 1).await?;
    let invitation = found.pop().ok_or_else(gone)?;
    let name = sqlx::query_scalar!("SELECT name FROM organizations WHERE id = $1", organization.0)
        .fetch_one(&mut *tx)
        .await?;
    Ok(Look {
        organization: name,
        email: invitation.email.unwrap_or_default(),
        name: invitation.name,
        expires_at: invitation.expires_at,
    })
}

/// Gives whoever was invited the password they chose, and makes them one who may sign in. That they hold the link proves
/// that they read the mail. `turn` is their place at the hasher.
pub async fn accept(
    store: &Store,
    turn: Turn,
    token: &SecretString,
    password: SecretString,
    client: &Client,
) -> Result<Accepted> {
    let (hash, id, organization) = find(store, token).await?;
    let mut ctx = client.ctx(organization);
    let invited = invited(store, &ctx, id).await?;
    let own = [
        invited.email.as_deref().unwrap_or_default(),
        invited.name.as_str(),
    ];
    password_policy::check(&store.passwords, &password, "password", &own).await?;
    let password = store.passwords.hash(turn, password).await?;
    ctx.actor = Actor::User(invited.user);
    let mut change = Change::begin(store, &ctx).await?;
    let at = change.at();
    // the row is locked from here on: of two who come at once the second finds it used
    if !store::use_up(change.tx(), organization, &hash, at).await? {
        return Err(gone());
    }
    let mut found = store::select(change.tx(), organization, Some(id), None, 1).await?;
    let invitation = found.pop().ok_or_else(gone)?;
    let user = users::joining::join(&mut change, invitation.user, &password).await?;
    let user = user.ok_or_else(gone)?;
    let text = "{actor} accepted an invitation";
    let event = event("invitation.accepted", "invitations.accept", &invitation, text)
        .patch(invitation.patch(at)?, invitation.acts())
        .person(user.person());
    change.record(event).await?;
    change.commit().await?;
    Ok(Accepted { user: user.id })
}

async fn find(store: &Store, token: &SecretString) -> Result<([u8; 32], InvitationId, OrganizationId)> {
    let hash = link_token::hash(token.expose_secret()).ok_or_else(gone)?;
    let mut tx = store.db.snapshot().await?;
    let found = store::find_by_link(&mut tx, &hash, store.clock.now()).await?;
    let (id, organization) = found.ok_or_else(gone)?;
    Ok((hash, id, organization))
}

async fn invited(store: &Store, ctx: &Ctx, id: InvitationId) -> Result<Invitation> {
    let mut tx = store.db.primary(ctx.organization).await?;
    let mut found = store::select(&mut tx, ctx.organization, Some(id), None, 1).await?;
    found.pop().ok_or_else(gone)
}

/// The same whatever is wrong with a link.
fn gone() -> Error {
    Error::new(
        Kind::Gone,
        "invitation.gone",
        "This invitation is not good any more. Ask whoever invited you to send another.",
    )
}
