//! Proving again who one is, in the middle of a session (step-up): it goes on under a new id ([`sessions::succeed`]).

use super::login::{Client, SignedIn, signed_in};
use super::token::Holder;
use super::{Auth, refresh};
use crate::change::Change;
use crate::factors::{self, Ceremony, Owed, Owner, Proof, Request, Site, passkey};
use crate::kernel::ctx::{Credential, Ctx};
use crate::kernel::error::{Error, Kind, Result};
use crate::kernel::id::SessionId;
use crate::sessions;
use secrecy::SecretString;

/// What may be shown to prove who one is, and whether one has a password.
pub async fn what_proves(auth: &Auth, ctx: &Ctx) -> Result<(Owed, bool)> {
    let (_, owner) = own(ctx)?;
    let password = super::password::hash_of(auth, ctx, owner.user).await?.is_some();
    Ok((factors::owed(&auth.store.db, owner).await?, password))
}

/// Begins a ceremony for a passkey of one's own.
pub async fn ask_for_own_passkey(auth: &Auth, ctx: &Ctx, site: &Site) -> Result<Ceremony> {
    let (_, owner) = own(ctx)?;
    passkey::begin_showing(&auth.store, site, Some(owner)).await
}

/// Sends a code to one's own phone, to prove in this session who one is.
///
/// # Errors
/// What [`factors::send_code`] says; `auth.on_behalf`.
pub async fn send_own_code(auth: &Auth, ctx: &Ctx) -> Result<()> {
    let (session, owner) = own(ctx)?;
    factors::send_code(&auth.store, ctx, owner, Request::Session(session)).await
}

/// The session that asks goes on under a new id, as one in which its person has just proved who they are. Whoever has a
/// factor shows it; their password alone is not enough.
///
/// # Errors
/// `auth.wrong_password`, `auth.factor_needed`, what [`factors::verify`] says; `auth.on_behalf` for whoever acts as somebody
/// else.
pub async fn prove_again(
    auth: &Auth,
    ctx: &Ctx,
    proof: &Proof,
    site: Option<&Site>,
    client: &Client,
) -> Result<SignedIn> {
    let (session, owner) = own(ctx)?;
    let used = match proof {
        Proof::Password { password } => {
            require_password(auth, ctx, owner, password).await?;
            None
        }
        factor => {
            let request = Request::Session(session);
            Some(factors::verify(&auth.store, ctx, owner, factor, request, site).await?)
        }
    };
    let method = used.as_ref().map_or("pwd", |used| used.kind.method());
    let mut ctx = ctx.clone();
    // tokens are kept nowhere, for a repeat neither
    ctx.idempotency = None;
    let mut change = Change::begin(&auth.store, &ctx).await?;
    if let Some(used) = &used {
        factors::note(&mut change, owner, used).await?;
    }
    succeed(auth, change, session, owner, method, client).await
}

fn own(ctx: &Ctx) -> Result<(SessionId, Owner)> {
    ctx.require_session()?;
    if ctx.on_behalf_of.is_some() {
        return Err(Error::new(
            Kind::Forbidden,
            "auth.on_behalf",
            "You act as somebody else, whose proof you cannot give. Go back to being yourself first.",
        ));
    }
    match (ctx.credential, ctx.actor.user()) {
        (Credential::Session(session), Some(user)) => Ok((
            session,
            Owner {
                user,
                organization: ctx.organization,
            },
        )),
        _ => Err(super::unauthenticated()),
    }
}

async fn require_password(auth: &Auth, ctx: &Ctx, owner: Owner, password: &SecretString) -> Result<()> {
    if !factors::owed(&auth.store.db, owner).await?.kinds.is_empty() {
        return Err(Error::new(
            Kind::Forbidden,
            "auth.factor_needed",
            "You have a second factor: show that one.",
        ));
    }
    let hash = super::password::hash_of(auth, ctx, owner.user).await?;
    let turn = auth.store.passwords.turn().await?;
    if auth.store.passwords.verify(turn, password.clone(), hash).await? {
        return Ok(());
    }
    super::account::record_failed_proof(auth, ctx, owner.user).await?;
    Err(super::password::wrong())
}

/// Opens the successor of `old`, and gives whoever proved it tokens of it.
async fn succeed(
    auth: &Auth,
    mut change: Change,
    old: SessionId,
    owner: Owner,
    method: &str,
    client: &Client,
) -> Result<SignedIn> {
    let at = change.at();
    let next = sessions::succeed(&mut change, old, owner.user, method).await?;
    let token = refresh::issue(
        change.tx(),
        owner.organization,
        next.id,
        client,
        at,
        auth.lives.refresh,
    )
    .await?;
    change.commit().await?;
    let holder = Holder {
        credential: Credential::Session(next.id),
        generation: None,
        user: owner.user,
        organization: owner.organization,
        expires_at: next.expires_at,
    };
    signed_in(auth, next.id, &holder, token, at).await
}
