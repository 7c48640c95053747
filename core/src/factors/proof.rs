//! Showing a factor: checking it changes nothing, noting it uses it up.

use super::passkey::{self, Site};
use super::{FactorKind, Owner, Request, attempts, events, recovery, sms, store, totp};
use crate::Store;
use crate::change::Change;
use crate::kernel::ctx::Ctx;
use crate::kernel::error::{Error, Kind, Result};
use crate::kernel::id::FactorId;
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::Value;

/// What is shown.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[schema(as = FactorProof)]
pub enum Proof {
    /// A password. Nothing beside another proof; good for proving again who one is, for whoever has no factor.
    Password {
        /// The present one.
        #[schema(value_type = String, format = "password")]
        password: SecretString,
    },
    /// A code of an authenticator app.
    Totp {
        /// Six digits.
        #[schema(value_type = String)]
        code: SecretString,
    },
    /// A passkey's answer to a ceremony of the hub's.
    Passkey {
        /// As the hub gave it with the options.
        ceremony: String,
        /// What the browser answered (`AuthenticationResponseJSON` of WebAuthn).
        #[schema(value_type = Object)]
        credential: Value,
    },
    /// A code that was sent to a phone.
    Sms {
        /// Six digits.
        #[schema(value_type = String)]
        code: SecretString,
    },
    /// A recovery code.
    RecoveryCode {
        /// Letters and digits; case, spaces and dashes do not matter.
        #[schema(value_type = String)]
        code: SecretString,
    },
}

impl Proof {
    /// Of which kind of factor; `None` for a password, which is none.
    pub fn kind(&self) -> Option<FactorKind> {
        match self {
            Self::Password { .. } => None,
            Self::Totp { .. } => Some(FactorKind::Totp),
            Self::Passkey { .. } => Some(FactorKind::Passkey),
            Self::Sms { .. } => Some(FactorKind::Sms),
            Self::RecoveryCode { .. } => Some(FactorKind::RecoveryCode),
        }
    }
}

/// What was shown and is right, and not used up yet.
#[derive(Clone, Debug)]
pub struct Used {
    /// Of which kind.
    pub kind: FactorKind,
    pub(super) what: What,
}

/// What is used up.
#[derive(Clone, Debug)]
pub(super) enum What {
    /// A factor, up to there; and what a passkey's state is now.
    Factor(FactorId, i64, Option<Vec<u8>>),
    /// A recovery code, by its hash.
    Code(Vec<u8>),
    /// A code sent to this phone, by its hash.
    Sent(FactorId, Vec<u8>),
}

/// Whether `proof` is right for `owner`, who shows it for `request`. Counts as an attempt; [`note`] uses it up.
///
/// # Errors
/// `factor.refused`, whatever is wrong with it; `factor.too_many_attempts`; `factor.passkey_needs_name`.
pub async fn verify(
    store: &Store,
    ctx: &Ctx,
    owner: Owner,
    proof: &Proof,
    request: Request<'_>,
    site: Option<&Site>,
) -> Result<Used> {
    let kind = proof.kind().ok_or_else(refused)?;
    attempts::begin(store, owner, kind).await?;
    let found = match proof {
        Proof::Password { .. } => None,
        Proof::Totp { code } => check_code(store, owner, code).await?,
        Proof::Passkey { ceremony, credential } => {
            let site = site.ok_or_else(passkey::needs_name)?;
            let shown = passkey::shown(store, site, ceremony, credential, Some(owner)).await?;
            shown.map(|shown| shown.used)
        }
        Proof::Sms { code } => check_sent(store, owner, request, code).await?,
        Proof::RecoveryCode { code } => recovery::check(store, owner, code).await?.map(What::Code),
    };
    match found {
        Some(what) => Ok(Used { kind, what }),
        None => Err(note_failure(store, ctx, owner, kind).await?),
    }
}

async fn check_code(store: &Store, owner: Owner, code: &SecretString) -> Result<Option<What>> {
    let now = store.clock.now();
    for app in store::apps(store, owner).await? {
        if let Some(step) = totp::step(&app.secret, code, app.used_up_to, now)? {
            return Ok(Some(What::Factor(app.id, step, None)));
        }
    }
    Ok(None)
}

async fn check_sent(
    store: &Store,
    owner: Owner,
    request: Request<'_>,
    code: &SecretString,
) -> Result<Option<What>> {
    let Some(phone) = store::phone(store, owner).await? else {
        return Ok(None);
    };
    let hash = sms::check(store, owner, &phone.number, request, code).await?;
    Ok(hash.map(|hash| What::Sent(phone.id, hash)))
}

/// Uses a proof up within `change`: of two that show the same, on whichever nodes, one gets in.
pub async fn note(change: &mut Change, owner: Owner, used: &Used) -> Result<()> {
    let (factor, up_to, state) = match &used.what {
        What::Code(hash) => return recovery::take(change, owner, hash).await,
        What::Sent(factor, hash) => return sms::take(change, owner, Some(*factor), hash).await,
        What::Factor(factor, up_to, state) => (factor, up_to, state),
    };
    let at = change.at();
    let noted = sqlx::query!(
        "UPDATE user_factors SET used_up_to = $3, last_used_at = $4, state = coalesce($5, state)
         WHERE organization_id = $1 AND id = $2 AND (used_up_to IS NULL OR used_up_to < $3)",
        owner.organization.0,
        factor.0,
        up_to,
        at,
        state.as_deref(),
    )
    .execute(change.tx())
    .await?;
    if noted.rows_affected() == 0 {
        return Err(refused());
    }
    attempts::right(change.tx(), owner, used.kind).await
}

/// Whoever comes so far knows the password or has the session: the person should know of it.
async fn note_failure(store: &Store, ctx: &Ctx, owner: Owner, kind: FactorKind) -> Result<Error> {
    let mut ctx = ctx.clone();
    ctx.idempotency = None;
    let mut change = Change::begin(store, &ctx).await?;
    let said = (
        "factor.failed",
        "auth.factor",
        "Somebody failed to show a second factor of {subject}",
    );
    events::tell(&mut change, owner, said, Some(kind)).await?;
    change.commit().await?;
    Ok(refused())
}

/// One sentence for all that can be wrong: whoever guesses learns nothing.
pub(super) fn refused() -> Error {
    Error::new(
        Kind::Forbidden,
        "factor.refused",
        "This is not right, or was used before. A code counts once: wait for the next one.",
    )
}
