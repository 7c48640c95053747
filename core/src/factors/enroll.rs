//! Setting a factor up. What must be remembered until it is confirmed goes to the person and back, sealed: only what was
//! confirmed counts, and what was not leaves nothing behind.

use super::model::Factor;
use super::passkey::{self, Site};
use super::{FactorKind, MOST, Owner, Request, attempts, events, recovery, sms, store, totp};
use crate::Store;
use crate::change::Change;
use crate::kernel::ctx::Ctx;
use crate::kernel::error::{Error, Kind, Result};
use crate::kernel::id::UserId;
use crate::kernel::page::micros;
use crate::messages::{self, Alert};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use time::Duration;

/// How long somebody may take.
pub const PATIENCE: Duration = Duration::minutes(10);
const PURPOSE: &[u8] = b"factor enrollment";

/// What is to be set up.
#[derive(Clone, Debug, Deserialize, utoipa::ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Wanted {
    /// An authenticator app.
    Totp,
    /// A passkey.
    Passkey,
    /// A phone, to which a code is sent at once. A person has one.
    Sms {
        /// With its country: `+49 30 123456`.
        phone: String,
    },
}

/// What a person needs to go on.
#[derive(Serialize, utoipa::ToSchema)]
pub struct Enrollment {
    /// To be given back with the confirmation. Of a passkey it is good for 5 minutes, else for 10.
    pub enrollment: String,
    /// Of an app: the secret, to be typed. Shown once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
    /// Of an app: the same as a URL, to be drawn as a picture.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Of a passkey: for `navigator.credentials.create` (`PublicKeyCredentialCreationOptionsJSON`).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub options: Option<Value>,
}

/// That it works.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Confirmation {
    /// As it was given.
    pub enrollment: String,
    /// What to call it, 1 to 100 characters.
    pub name: String,
    /// A code of the app, or the one that was sent to the phone.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub code: Option<SecretString>,
    /// What the browser made (`RegistrationResponseJSON` of WebAuthn).
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    pub credential: Option<Value>,
}

/// What was set up.
#[derive(Serialize, utoipa::ToSchema)]
pub struct Enrolled {
    /// The factor.
    pub factor: Factor,
    /// With the first factor: ten recovery codes, shown once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recovery_codes: Option<Vec<String>>,
}

#[derive(Serialize, Deserialize)]
struct Begun {
    whose: UserId,
    /// Microseconds since 1970.
    at: i64,
    kind: FactorKind,
    /// Of an app its secret, of a phone its number.
    secret: Vec<u8>,
}

/// Begins. No factor is written yet.
///
/// # Errors
/// `factor.too_many`; `factor.passkey_needs_name`; what sending a code says.
pub async fn begin(
    store: &Store,
    ctx: &Ctx,
    owner: Owner,
    wanted: &Wanted,
    site: Option<&Site>,
) -> Result<Enrollment> {
    let mut tx = store.db.primary(owner.organization).await?;
    let known = sqlx::query!(
        r#"SELECT u.email, u.name, o.name AS organization, (SELECT count(*) FROM user_factors WHERE user_id = u.id) AS "factors!"
           FROM users u JOIN organizations o ON o.id = u.organization_id WHERE u.organization_id = $1 AND u.id = $2"#,
        owner.organization.0,
        owner.user.0,
    )
    .fetch_optional(&mut *tx)
    .await?
    .ok_or_else(|| Error::not_found("user"))?;
    drop(tx);
    require_room(known.factors)?;
    match wanted {
        Wanted::Totp => begin_app(store, owner, &known.organization, &known.email),
        Wanted::Passkey => {
            let site = site.ok_or_else(passkey::needs_name)?;
            let begun = passkey::begin_adding(store, site, owner, (&known.email, &known.name)).await?;
            Ok(Enrollment {
                enrollment: begun.ceremony,
                secret: None,
                url: None,
                options: Some(begun.options),
            })
        }
        Wanted::Sms { phone } => begin_phone(store, ctx, owner, phone).await,
    }
}

fn require_room(factors: i64) -> Result<()> {
    if factors < MOST {
        return Ok(());
    }
    let detail = format!("A person has {MOST} factors at most. Remove one first.");
    Err(Error::new(Kind::Conflict, "factor.too_many", detail))
}

async fn begin_phone(store: &Store, ctx: &Ctx, owner: Owner, phone: &str) -> Result<Enrollment> {
    let number = messages::number(phone)?;
    if store::phone(store, owner).await?.is_some() {
        return Err(Error::new(
            Kind::Conflict,
            "factor.phone_there",
            "You have a phone already. Remove it first.",
        ));
    }
    let mut ctx = ctx.clone();
    // asked again it is another code
    ctx.idempotency = None;
    let mut change = Change::begin(store, &ctx).await?;
    sms::send(store, &mut change, owner, &number, Request::Enrollment).await?;
    let said = (
        "factor.code_sent",
        "me.begin_factor",
        "A code was sent to a phone that {subject} wants to use",
    );
    events::tell(&mut change, owner, said, Some(FactorKind::Sms)).await?;
    change.commit().await?;
    Ok(Enrollment {
        enrollment: seal(store, owner, FactorKind::Sms, number.into_bytes())?,
        secret: None,
        url: None,
        options: None,
    })
}

fn seal(store: &Store, owner: Owner, kind: FactorKind, secret: Vec<u8>) -> Result<String> {
    let begun = Begun {
        whose: owner.user,
        at: micros(store.clock.now()),
        kind,
        secret,
    };
    let sealed = store.sealer.seal_bytes(PURPOSE, &serde_json::to_vec(&begun)?)?;
    Ok(URL_SAFE_NO_PAD.encode(sealed))
}

/// Counts an attempt at a code that was sent: before anything is opened, as all attempts are.
pub async fn count(store: &Store, owner: Owner, confirmation: &Confirmation) -> Result<()> {
    match open(store, owner, &confirmation.enrollment) {
        Some(begun) if begun.kind == FactorKind::Sms => attempts::begin(store, owner, FactorKind::Sms).await,
        _ => Ok(()),
    }
}

fn begin_app(store: &Store, owner: Owner, issuer: &str, account: &str) -> Result<Enrollment> {
    let secret = totp::secret()?;
    let (url, typed) = totp::shown(&secret, issuer, account)?;
    Ok(Enrollment {
        enrollment: seal(store, owner, FactorKind::Totp, secret)?,
        secret: Some(typed),
        url: Some(url),
        options: None,
    })
}

/// Keeps the factor within `change`, if the person showed that it works; and with the first one makes recovery codes.
///
/// # Errors
/// `factor.not_confirmed`; `factor.already_there`; `factor.too_many`; a field that is not acceptable.
pub async fn confirm(
    store: &Store,
    change: &mut Change,
    owner: Owner,
    confirmation: &Confirmation,
    site: Option<&Site>,
) -> Result<Enrolled> {
    let name = super::service::checked_name(&confirmation.name)?;
    store::take(change.tx(), owner).await?;
    let there = store::all(change.tx(), owner).await?.len();
    // many may have been begun together
    require_room(there as i64)?;
    let first = there == 0;
    let factor = match (&confirmation.code, &confirmation.credential) {
        (Some(code), None) => {
            let begun = open(store, owner, &confirmation.enrollment).ok_or_else(not_confirmed)?;
            match begun.kind {
                FactorKind::Sms => keep_phone(store, change, owner, &name, &begun, code).await?,
                _ => keep_app(store, change, owner, &name, &begun, code).await?,
            }
        }
        (None, Some(credential)) => {
            let site = site.ok_or_else(passkey::needs_name)?;
            let added = passkey::added(store, site, owner, &confirmation.enrollment, credential)?;
            keep_passkey(store, change, owner, &name, &added.ok_or_else(not_confirmed)?).await?
        }
        _ => return Err(Error::field("code", "missing", "Give either code or credential.")),
    };
    let said = ("factor.added", "me.add_factor", "{actor} set up a second factor");
    events::tell(change, owner, said, Some(factor.kind)).await?;
    events::warn(change, owner, Alert::FactorAdded(factor.kind.said())).await?;
    let recovery_codes = if first {
        Some(recovery::make(change, owner).await?)
    } else {
        None
    };
    Ok(Enrolled {
        factor,
        recovery_codes,
    })
}

/// The code that confirms counts as used: nobody who saw it signs in with it.
async fn keep_app(
    store: &Store,
    change: &mut Change,
    owner: Owner,
    name: &str,
    begun: &Begun,
    code: &SecretString,
) -> Result<Factor> {
    let now = change.at();
    let step = totp::step(&begun.secret, code, None, now)?.ok_or_else(not_confirmed)?;
    let new = store::NewFactor {
        kind: FactorKind::Totp,
        name,
        fingerprint: store.sealer.mac("factor", &begun.secret),
        secret: Some(&begun.secret),
        passkey: None,
        used_up_to: Some(step),
    };
    store::insert(store, change.tx(), owner, &new, now).await
}

async fn keep_phone(
    store: &Store,
    change: &mut Change,
    owner: Owner,
    name: &str,
    begun: &Begun,
    code: &SecretString,
) -> Result<Factor> {
    let now = change.at();
    let number = std::str::from_utf8(&begun.secret).map_err(Error::internal)?;
    let hash = sms::check(store, owner, number, Request::Enrollment, code)
        .await?
        .ok_or_else(not_confirmed)?;
    sms::take(change, owner, None, &hash).await?;
    let new = store::NewFactor {
        kind: FactorKind::Sms,
        name,
        fingerprint: store.sealer.mac("factor", &begun.secret),
        secret: Some(&begun.secret),
        passkey: None,
        used_up_to: None,
    };
    store::insert(store, change.tx(), owner, &new, now).await
}

async fn keep_passkey(
    store: &Store,
    change: &mut Change,
    owner: Owner,
    name: &str,
    added: &passkey::Added,
) -> Result<Factor> {
    let new = store::NewFactor {
        kind: FactorKind::Passkey,
        name,
        fingerprint: added.credential.clone(),
        secret: None,
        passkey: Some(added),
        used_up_to: None,
    };
    let now = change.at();
    store::insert(store, change.tx(), owner, &new, now).await
}

fn open(store: &Store, owner: Owner, enrollment: &str) -> Option<Begun> {
    let sealed = URL_SAFE_NO_PAD.decode(enrollment).ok()?;
    let begun: Begun = serde_json::from_slice(&store.sealer.open_bytes(PURPOSE, &sealed)?).ok()?;
    let age = micros(store.clock.now()) - begun.at;
    (begun.whose == owner.user && age <= PATIENCE.whole_microseconds() as i64).then_some(begun)
}

fn not_confirmed() -> Error {
    Error::new(
        Kind::Invalid,
        "factor.not_confirmed",
        "That did not work. Check the code and the clock of your device, or begin again.",
    )
}

/// As [`begin`], by whoever has signed in and proved it anew.
pub async fn begin_own(store: &Store, ctx: &Ctx, wanted: &Wanted, site: Option<&Site>) -> Result<Enrollment> {
    let owner = super::service::oneself(ctx)?;
    ctx.require_recent_proof(store.clock.now())?;
    begin(store, ctx, owner, wanted, site).await
}

/// As [`confirm`], by whoever has signed in. The session counts from now on as signed in with the factor, too.
pub async fn confirm_own(
    store: &Store,
    ctx: &Ctx,
    confirmation: &Confirmation,
    site: Option<&Site>,
) -> Result<Enrolled> {
    let owner = super::service::oneself(ctx)?;
    ctx.require_recent_proof(store.clock.now())?;
    count(store, owner, confirmation).await?;
    let mut change = Change::begin(store, ctx).await?;
    let enrolled = confirm(store, &mut change, owner, confirmation, site).await?;
    sqlx::query!(
        "UPDATE user_sessions SET methods = methods || $3::text, version = version + 1
         WHERE organization_id = $1 AND id = $2 AND NOT $3 = ANY(methods)",
        owner.organization.0,
        ctx.credential.id(),
        enrolled.factor.kind.method(),
    )
    .execute(change.tx())
    .await?;
    change.answer(201, &enrolled).await?;
    change.commit().await?;
    Ok(enrolled)
}
