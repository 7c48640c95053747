//! Opening a session, with whatever it hangs on, in one change.

use super::account::Account;
use super::login::{Client, SignedIn, signed_in};
use super::token::Holder;
use super::{Auth, refresh};
use crate::change::Change;
use crate::kernel::ctx::{Actor, Credential};
use crate::kernel::error::{Error, Kind, Result};
use crate::kernel::id::SessionId;
use crate::sessions;
use ipnet::IpNet;

/// A session that is being opened.
pub(super) struct Opening<'a> {
    /// For what must be true together with the session.
    pub(super) change: Change,
    auth: &'a Auth,
    account: &'a Account,
    client: &'a Client,
    session: SessionId,
}

impl<'a> Opening<'a> {
    /// Begins, and notes the sign-in on the person's row, if they may still come in: a ban that committed meanwhile wins.
    pub(super) async fn begin(auth: &'a Auth, account: &'a Account, client: &'a Client) -> Result<Self> {
        let session = SessionId::new();
        let mut ctx = client.ctx(account.organization);
        ctx.actor = Actor::User(account.id);
        ctx.credential = Credential::Session(session);
        let mut change = Change::begin(&auth.store, &ctx).await?;
        still_active(&mut change, account).await?;
        Ok(Self {
            change,
            auth,
            account,
            client,
            session,
        })
    }

    /// Opens it, proved by `methods`, with all else that stands in the change.
    pub(super) async fn finish(mut self, methods: &[String]) -> Result<SignedIn> {
        let (organization, session, at) = (self.account.organization, self.session, self.change.at());
        let timeouts = sessions::read_timeouts(self.change.tx(), organization).await?;
        let expires_at = at + timeouts.life();
        sqlx::query!(
            "INSERT INTO user_sessions (id, organization_id, user_id, ip, user_agent, created_at, last_seen_at, expires_at,
               methods, authenticated_at)
             VALUES ($1, $2, $3, $4, $5, $6, $6, $7, $8, $6)",
            session.0,
            organization.0,
            self.account.id.0,
            self.client.ip.map(IpNet::from) as Option<IpNet>,
            self.client.user_agent,
            at,
            expires_at,
            methods,
        )
        .execute(self.change.tx())
        .await?;
        let life = self.auth.lives.refresh;
        let token = refresh::issue(self.change.tx(), organization, session, self.client, at, life).await?;
        self.change
            .record(sessions::created(session, self.account.id))
            .await?;
        self.change.commit().await?;
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

async fn still_active(change: &mut Change, account: &Account) -> Result<()> {
    let at = change.at();
    let noted = sqlx::query!(
        "UPDATE users SET last_login_at = $3
         WHERE organization_id = $1 AND id = $2 AND status = 'active' AND deleted_at IS NULL",
        account.organization.0,
        account.id.0,
        at,
    )
    .execute(change.tx())
    .await?;
    if noted.rows_affected() == 1 {
        return Ok(());
    }
    Err(Error::new(
        Kind::Forbidden,
        "auth.not_active",
        "This account has just been closed. Ask whoever runs this hub.",
    ))
}
