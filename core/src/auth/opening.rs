//! Opening a session, with whatever it hangs on, in one change.

use super::account::Account;
use super::login::{Client, SignedIn, signed_in, wrong_credentials};
use super::token::Holder;
use super::{Auth, refresh};
use crate::change::Change;
use crate::kernel::ctx::{Actor, Credential};
use crate::kernel::error::{Error, Kind, Result};
use crate::kernel::id::SessionId;
use crate::messages::{self, Address, Alert};
use crate::sessions::{self, device::Device};
use crate::settings;
use crate::users;
use ipnet::IpNet;
use time::OffsetDateTime;
use uuid::Uuid;

/// Sessions of a person, the latest, that tell with which devices they come.
const LOOKED_AT: i64 = 500;

/// A session that is being opened.
pub(super) struct Opening<'a> {
    /// For what must be true together with the session.
    pub(super) change: Change,
    /// When they proved who they are, if that was not now.
    pub(super) since: Option<OffsetDateTime>,
    /// The sign-in through a provider that it comes of.
    pub(super) provider_sign_in: Option<Uuid>,
    auth: &'a Auth,
    account: &'a Account,
    client: &'a Client,
    session: SessionId,
}

impl<'a> Opening<'a> {
    /// Begins, and notes the sign-in on the person's row, if they may still come in: a ban that committed meanwhile wins, and, of
    /// a sign-in `by_password`, another password than the account was read with.
    pub(super) async fn begin(
        auth: &'a Auth,
        account: &'a Account,
        by_password: bool,
        client: &'a Client,
    ) -> Result<Self> {
        let session = SessionId::new();
        let mut ctx = client.ctx(account.organization);
        ctx.actor = Actor::User(account.id);
        ctx.credential = Credential::Session(session);
        let mut change = Change::begin(&auth.store, &ctx).await?;
        still_active(&mut change, account, by_password).await?;
        Ok(Self {
            change,
            since: None,
            provider_sign_in: None,
            auth,
            account,
            client,
            session,
        })
    }

    /// Opens it, proved by `methods`, with all else that stands in the change; the one that the browser had before ends.
    pub(super) async fn finish(mut self, methods: &[String]) -> Result<SignedIn> {
        let (organization, session, at) = (self.account.organization, self.session, self.change.at());
        let unseen = new_device(&mut self).await?;
        let settings = settings::read(self.change.tx(), organization).await?;
        let expires_at = at + settings.sessions.life();
        sqlx::query!(
            "INSERT INTO user_sessions (id, organization_id, user_id, ip, user_agent, created_at, last_seen_at, expires_at,
               methods, authenticated_at)
             VALUES ($1, $2, $3, $4, $5, $6, $6, $7, $8, $9)",
            session.0,
            organization.0,
            self.account.id.0,
            self.client.ip.map(IpNet::from) as Option<IpNet>,
            self.client.user_agent,
            at,
            expires_at,
            methods,
            self.since.map_or(at, |since| since.min(at)),
        )
        .execute(self.change.tx())
        .await?;
        tie(&mut self).await?;
        let life = self.auth.lives.refresh;
        let token = refresh::issue(self.change.tx(), organization, session, self.client, at, life).await?;
        let mut created = sessions::created(session, self.account.id);
        if let Some(device) = unseen {
            created = created.data("new_device", true);
            warn(&mut self, device).await?;
        }
        self.change.record(created).await?;
        self.change.commit().await?;
        refresh::end_replaced(self.auth, self.client).await?;
        let holder = Holder {
            credential: Credential::Session(session),
            generation: None,
            user: self.account.id,
            organization,
            expires_at,
        };
        signed_in(self.auth, session, &holder, token, at).await
    }
}

/// Ties the session to the sign-in through a provider that it comes of, so that what the provider ends, or the end of the link,
/// ends it too; unless that came first.
async fn tie(opening: &mut Opening<'_>) -> Result<()> {
    let Some(sign_in) = opening.provider_sign_in else {
        return Ok(());
    };
    let tied = sqlx::query!(
        "UPDATE provider_sign_ins SET session_id = $3 WHERE organization_id = $1 AND id = $2 AND ended_at IS NULL",
        opening.account.organization.0,
        sign_in,
        opening.session.0,
    )
    .execute(opening.change.tx())
    .await?;
    if tied.rows_affected() == 1 {
        return Ok(());
    }
    Err(Error::new(
        Kind::Unauthenticated,
        "auth.session_ended",
        "You have signed out at the provider, or its account is no longer linked. Sign in again.",
    ))
}

/// What they came with, where they have signed in before and never with that. Acting as them is not signing in.
async fn new_device(opening: &mut Opening<'_>) -> Result<Option<Device>> {
    let agents = sqlx::query_scalar!(
        "SELECT DISTINCT user_agent FROM (
           SELECT user_agent FROM user_sessions
           WHERE organization_id = $1 AND user_id = $2 AND impersonated_by IS NULL ORDER BY created_at DESC LIMIT $3) AS late",
        opening.account.organization.0,
        opening.account.id.0,
        LOOKED_AT,
    )
    .fetch_all(opening.change.tx())
    .await?;
    let device = Device::of(opening.client.user_agent.as_deref());
    let known = agents.iter().any(|agent| Device::of(agent.as_deref()) == device);
    Ok((!agents.is_empty() && !known).then_some(device))
}

/// Whoever signed in with a device that was not seen before hears of it by mail: it may not have been them.
async fn warn(opening: &mut Opening<'_>, device: Device) -> Result<()> {
    let (organization, user) = (opening.account.organization, opening.account.id);
    let Some(user) = users::store::find(opening.change.tx(), organization, user).await? else {
        return Ok(());
    };
    let address = Address::of(user.person(), user.email, user.name);
    messages::alert(
        &mut opening.change,
        &address,
        Alert::NewDevice(device.to_string()),
    )
    .await
}

async fn still_active(change: &mut Change, account: &Account, by_password: bool) -> Result<()> {
    let at = change.at();
    let noted = sqlx::query_scalar!(
        "UPDATE users SET last_login_at = $3
         WHERE organization_id = $1 AND id = $2 AND status = 'active' AND deleted_at IS NULL
         RETURNING password_hash",
        account.organization.0,
        account.id.0,
        at,
    )
    .fetch_optional(change.tx())
    .await?;
    match noted {
        // the row is held from here on: who changes the password finds the session and ends it
        Some(hash) if !by_password || hash == account.password_hash => Ok(()),
        Some(_) => Err(wrong_credentials()),
        None => Err(Error::new(
            Kind::Forbidden,
            "auth.not_active",
            "This account has just been closed. Ask whoever runs this hub.",
        )),
    }
}
