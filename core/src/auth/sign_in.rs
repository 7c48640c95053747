//! The common end of every way to sign in.
//!
//! Invariant: nobody gets a session but here. Whoever proved who they are, whatever the way, is asked the same: is the
//! account open, is the address let in, is a second factor owed.

use super::Auth;
use super::account::{self, Account};
use super::login::{Client, SignedIn};
use super::opening::Opening;
use super::owing::{self, Proved, Ticket};
use crate::change::Change;
use crate::factors::{
    self, Ceremony, Confirmation, Enrolled, Enrollment, FactorKind, Owed, Owner, Proof, Site, Wanted, passkey,
};
use crate::kernel::error::{Error, Kind, Result};
use crate::kernel::id::{SessionId, UserId};
use crate::sessions;
use secrecy::SecretString;
use serde_json::Value;
use time::OffsetDateTime;
use uuid::Uuid;

/// How somebody proved who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    /// A password.
    Password,
    /// A code of an authenticator app.
    Totp,
    /// A passkey, whose device knows its owner by a PIN, a finger or a face: two factors in one.
    Passkey,
    /// A code sent to their phone.
    Sms,
    /// A recovery code.
    RecoveryCode,
    /// Another provider's word.
    Provider,
    /// Another provider's word that two factors were shown there, where the provider's setting says to believe it.
    ProviderFactors,
    /// A link sent to their mailbox.
    Mail,
}

impl Method {
    /// True where no second factor is owed beside it.
    fn is_whole(self) -> bool {
        matches!(self, Self::Passkey | Self::ProviderFactors)
    }

    /// Name of the method (RFC 8176 §2 where there is one).
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Password => "pwd",
            Self::Totp => "otp",
            Self::Passkey => "hwk",
            Self::Sms => "sms",
            Self::RecoveryCode => "rc",
            Self::Provider => "fed",
            Self::ProviderFactors => "mfa",
            Self::Mail => "mail",
        }
    }
}

/// What comes of a proof.
#[derive(Debug)]
pub enum Outcome {
    /// A session.
    SignedIn(SignedIn),
    /// One more proof is owed.
    FactorNeeded(FactorNeeded),
}

/// What is still owed.
#[derive(Debug)]
pub struct FactorNeeded {
    /// Stands for the proof that was given: opaque, of one client, good for one session.
    pub ticket: SecretString,
    /// Until when.
    pub expires_at: OffsetDateTime,
    /// What may be shown; where `enroll` is true, what may be set up.
    pub kinds: Vec<FactorKind>,
    /// True where a role demands a factor and there is none yet: one must be set up first.
    pub enroll: bool,
}

/// What a provider says of a sign-in through it.
#[derive(Clone, Copy, Debug)]
pub struct Through {
    /// The sign-in, as it is noted.
    pub sign_in: Uuid,
    /// When they proved who they are, if that was not now.
    pub since: Option<OffsetDateTime>,
}

/// Opens a session for `user`, who proved by `methods` who they are, or answers what is still owed. Every way to sign in
/// ends here. `through`: where a provider says it.
///
/// # Errors
/// `auth.banned`, `auth.suspended`, `auth.not_active`, `ip_rule.refused`; `auth.unauthenticated` where the person is gone.
pub async fn proven(
    auth: &Auth,
    user: UserId,
    methods: &[Method],
    through: Option<Through>,
    client: &Client,
) -> Result<Outcome> {
    let account = account::by_id(auth, user).await?;
    admit(
        auth,
        &account.ok_or_else(super::unauthenticated)?,
        methods,
        through,
        client,
    )
    .await
}

/// As [`proven`], for whoever has read the account already.
pub(super) async fn admit(
    auth: &Auth,
    account: &Account,
    methods: &[Method],
    through: Option<Through>,
    client: &Client,
) -> Result<Outcome> {
    account::require_open(auth, account, client).await?;
    let owed = factors::owed(&auth.store.db, account.owner()).await?;
    let whole = methods.iter().any(|method| method.is_whole());
    if !whole && owed.any() {
        let needed = ask(auth, account, methods, through, owed, client).await?;
        return Ok(Outcome::FactorNeeded(needed));
    }
    let by_password = methods.contains(&Method::Password);
    let mut opening = Opening::begin(auth, account, by_password, client).await?;
    if let Some(through) = through {
        opening.since = through.since;
        opening.provider_sign_in = Some(through.sign_in);
    }
    let signed_in = opening.finish(&names(methods)).await?;
    Ok(Outcome::SignedIn(signed_in))
}

fn names(methods: &[Method]) -> Vec<String> {
    methods.iter().map(|method| method.as_str().to_owned()).collect()
}

async fn ask(
    auth: &Auth,
    account: &Account,
    methods: &[Method],
    through: Option<Through>,
    owed: Owed,
    client: &Client,
) -> Result<FactorNeeded> {
    let mut change = Change::begin(&auth.store, &client.ctx(account.organization)).await?;
    let by_password = methods.contains(&Method::Password);
    let proved = Proved {
        methods: names(methods),
        password: by_password.then(|| owing::password(auth, account)),
        provider_sign_in: through.map(|through| through.sign_in),
    };
    let needed = owing::issue(auth, &mut change, account.owner(), &proved, owed, client).await?;
    let said = "{subject} was asked for a second factor";
    change
        .record(account.event("auth.factor_asked", "auth.login", said))
        .await?;
    change.commit().await?;
    Ok(needed)
}

/// Opens the session that `ticket` stands for, to whoever shows a factor of theirs.
///
/// # Errors
/// `auth.ticket_refused`; what [`factors::verify`] and [`proven`] say.
pub async fn complete(
    auth: &Auth,
    ticket: &SecretString,
    proof: &Proof,
    site: Option<&Site>,
    client: &Client,
) -> Result<SignedIn> {
    let (ticket, account) = held(auth, ticket, false, client).await?;
    let ctx = client.ctx(account.organization);
    let used = factors::verify(&auth.store, &ctx, account.owner(), proof, ticket.request(), site).await?;
    let by_password = ticket.proved.password.is_some();
    let mut opening = Opening::begin(auth, &account, by_password, client).await?;
    owing::take(&mut opening.change, &ticket).await?;
    factors::note(&mut opening.change, account.owner(), &used).await?;
    opening.provider_sign_in = ticket.proved.provider_sign_in;
    let mut methods = ticket.proved.methods;
    methods.push(used.kind.method().to_owned());
    opening.finish(&methods).await
}

/// Begins a ceremony for a passkey: one of the person's whom `ticket` belongs to; without one, of whoever has one.
pub async fn ask_for_passkey(
    auth: &Auth,
    ticket: Option<&SecretString>,
    site: &Site,
    client: &Client,
) -> Result<Ceremony> {
    let owner = match ticket {
        Some(ticket) => Some(held(auth, ticket, false, client).await?.0.owner),
        None => None,
    };
    passkey::begin_showing(&auth.store, site, owner).await
}

/// Signs in whoever's passkey has answered, without a password.
///
/// # Errors
/// `auth.passkey_refused`; what [`proven`] says.
pub async fn by_passkey(
    auth: &Auth,
    ceremony: &str,
    credential: &Value,
    site: &Site,
    client: &Client,
) -> Result<SignedIn> {
    let who = passkey::who(&auth.store, site, ceremony, credential).await?;
    let (owner, used) = who.ok_or_else(passkey_refused)?;
    let account = account::by_id(auth, owner.user)
        .await?
        .ok_or_else(passkey_refused)?;
    account::require_open(auth, &account, client).await?;
    let mut opening = Opening::begin(auth, &account, false, client).await?;
    factors::note(&mut opening.change, owner, &used).await?;
    opening.finish(&names(&[Method::Passkey])).await
}

/// Sends a code to the phone of whoever holds `ticket`.
pub async fn send_code(auth: &Auth, ticket: &SecretString, client: &Client) -> Result<()> {
    let (ticket, account) = held(auth, ticket, false, client).await?;
    let ctx = client.ctx(account.organization);
    factors::send_code(&auth.store, &ctx, ticket.owner, ticket.request()).await
}

/// Begins to set up the factor that a role demands, for whoever has none.
pub async fn begin_enrollment(
    auth: &Auth,
    ticket: &SecretString,
    wanted: &Wanted,
    site: Option<&Site>,
    client: &Client,
) -> Result<Enrollment> {
    let (ticket, account) = held(auth, ticket, true, client).await?;
    let ctx = client.ctx(account.organization);
    factors::begin(&auth.store, &ctx, ticket.owner, wanted, site).await
}

/// Keeps that factor and opens the session.
///
/// # Errors
/// `auth.ticket_refused`, also where a factor was set up meanwhile; what [`factors::confirm`] and [`proven`] say.
pub async fn finish_enrollment(
    auth: &Auth,
    ticket: &SecretString,
    confirmation: &Confirmation,
    site: Option<&Site>,
    client: &Client,
) -> Result<(SignedIn, Enrolled)> {
    let (ticket, account) = held(auth, ticket, true, client).await?;
    factors::count(&auth.store, ticket.owner, confirmation).await?;
    let by_password = ticket.proved.password.is_some();
    let mut opening = Opening::begin(auth, &account, by_password, client).await?;
    owing::take(&mut opening.change, &ticket).await?;
    let enrolled =
        factors::confirm(&auth.store, &mut opening.change, ticket.owner, confirmation, site).await?;
    if enrolled.recovery_codes.is_none() {
        // not the first: whoever has one shows it
        return Err(owing::refused());
    }
    opening.provider_sign_in = ticket.proved.provider_sign_in;
    let mut methods = ticket.proved.methods;
    methods.push(enrolled.factor.kind.method().to_owned());
    Ok((opening.finish(&methods).await?, enrolled))
}

/// The ticket, where it is of this purpose, and its account, which is open.
async fn held(
    auth: &Auth,
    ticket: &SecretString,
    enroll: bool,
    client: &Client,
) -> Result<(Ticket, Account)> {
    let ticket = owing::find(auth, ticket, client).await?;
    if ticket.enroll != enroll {
        return Err(owing::refused());
    }
    let account = account::by_id(auth, ticket.owner.user)
        .await?
        .ok_or_else(owing::refused)?;
    // another password since, by a change that began before the ticket was given and ended after
    if matches!(&ticket.proved.password, Some(password) if *password != owing::password(auth, &account)) {
        return Err(owing::refused());
    }
    account::require_open(auth, &account, client).await?;
    Ok((ticket, account))
}

/// Ends `session` where a role has come to demand a factor since, and it was opened without one. Asked at each
/// refresh, so that nobody goes on without for longer than an access token lives.
pub(super) async fn require_enough(
    auth: &Auth,
    session: SessionId,
    owner: Owner,
    client: &Client,
) -> Result<()> {
    let mut tx = auth.store.db.primary(owner.organization).await?;
    let shown = sqlx::query_scalar!(
        r#"SELECT methods && ARRAY['otp', 'hwk', 'sms', 'rc', 'mfa'] AS "shown!" FROM user_sessions WHERE id = $1"#,
        session.0,
    )
    .fetch_optional(&mut *tx)
    .await?;
    drop(tx);
    if shown == Some(true) || !factors::owed(&auth.store.db, owner).await?.demanded {
        return Ok(());
    }
    let why = "A role of yours now demands a second factor. Sign in again.";
    let mut change = Change::begin(&auth.store, &client.ctx(owner.organization)).await?;
    if sessions::end(&mut change, session, owner.user, "auth.factor_demanded", why).await? {
        change.commit().await?;
    }
    Err(Error::new(Kind::Unauthenticated, "auth.factor_demanded", why))
}

fn passkey_refused() -> Error {
    Error::new(
        Kind::Unauthenticated,
        "auth.passkey_refused",
        "This passkey is not known here, or it answered too late. Try again, or sign in with your password.",
    )
}
