//! The common end of every way to sign in.
//!
//! Invariant: nobody gets a session but here. Whoever proved who they are, whatever the way, is asked the same: is the
//! account open, is the address let in, is a second factor owed.

use super::Auth;
use super::account::{self, Account};
use super::login::{Client, SignedIn};
use super::opening::Opening;
use crate::factors::FactorKind;
use crate::kernel::error::Result;
use crate::kernel::id::UserId;
use secrecy::SecretString;
use time::OffsetDateTime;

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
    /// Another provider's word that it asked for two factors, where the provider's setting says to believe it.
    ProviderFactors,
    /// A link sent to their mailbox.
    Mail,
}

impl Method {
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

/// Opens a session for `user`, who proved by `methods` who they are, or answers what is still owed. Every way to sign in
/// ends here.
///
/// # Errors
/// `auth.banned`, `auth.suspended`, `auth.not_active`, `ip_rule.refused`; `auth.unauthenticated` where the person is gone.
pub async fn proven(auth: &Auth, user: UserId, methods: &[Method], client: &Client) -> Result<Outcome> {
    let account = account::by_id(auth, user).await?;
    admit(
        auth,
        &account.ok_or_else(super::unauthenticated)?,
        methods,
        client,
    )
    .await
}

/// As [`proven`], for whoever has read the account already.
pub(super) async fn admit(
    auth: &Auth,
    account: &Account,
    methods: &[Method],
    client: &Client,
) -> Result<Outcome> {
    account::require_open(auth, account, client).await?;
    let opening = Opening::begin(auth, account, client).await?;
    let signed_in = opening.finish(&names(methods)).await?;
    Ok(Outcome::SignedIn(signed_in))
}

fn names(methods: &[Method]) -> Vec<String> {
    methods.iter().map(|method| method.as_str().to_owned()).collect()
}
