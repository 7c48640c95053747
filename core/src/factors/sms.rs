//! Codes sent to a phone: six digits, good for five minutes, five tries, once, and for nothing but the request that they were
//! sent for. A person has one at a time.

use super::proof::refused;
use super::{FactorKind, Owner, Request, attempts};
use crate::Store;
use crate::change::Change;
use crate::kernel::error::{Error, Kind, Result};
use crate::kernel::id::FactorId;
use crate::kernel::seal::{Person, random};
use crate::messages::{self, Message};
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;
use time::Duration;

/// Life of a code.
const LIFE: Duration = Duration::minutes(5);
/// Wrong answers that a code survives, and one right.
const TRIES: i32 = 5;
/// Between two codes.
const PAUSE: Duration = Duration::seconds(30);
/// Codes of one person in [`WINDOW`] at most: each costs money.
const MOST: i32 = 5;
const WINDOW: Duration = Duration::hours(1);

/// Sends a code for `request` to `number` of `owner`, once `change` commits. The one before is good no more.
///
/// # Errors
/// `factor.sent_lately`, with the seconds to wait; `factor.too_many_attempts`; field `phone`, where `number` is none.
pub(super) async fn send(
    store: &Store,
    change: &mut Change,
    owner: Owner,
    number: &str,
    request: Request<'_>,
) -> Result<()> {
    let number = messages::number(number)?;
    let (code, at) = (digits()?, change.at());
    let sent = sqlx::query!(
        "INSERT INTO factor_attempts AS had (organization_id, user_id, kind, code, code_expires_at, sent, sent_since, sent_at)
         VALUES ($1, $2, 'sms', $3, $4, 1, $5, $5)
         ON CONFLICT (user_id, kind) DO UPDATE SET code = $3, code_expires_at = $4, code_tries = 0, sent_at = $5,
           sent = CASE WHEN had.sent_since > $6 THEN had.sent + 1 ELSE 1 END,
           sent_since = CASE WHEN had.sent_since > $6 THEN had.sent_since ELSE $5 END
         WHERE (had.sent_at IS NULL OR had.sent_at <= $7)
           AND (had.sent_since IS NULL OR had.sent_since <= $6 OR had.sent < $8)
           AND (had.blocked_until IS NULL OR had.blocked_until <= $5)",
        owner.organization.0,
        owner.user.0,
        hash(store, owner, &number, request, &code),
        at + LIFE,
        at,
        at - WINDOW,
        at - PAUSE,
        MOST,
    )
    .execute(change.tx())
    .await?;
    if sent.rows_affected() == 0 {
        return Err(wait(change, owner).await?);
    }
    let salt = sqlx::query_scalar!("SELECT seal_salt FROM users WHERE id = $1", owner.user.0)
        .fetch_one(change.tx())
        .await?;
    let person = Person { id: owner.user, salt };
    let minutes = LIFE.whole_minutes().unsigned_abs() as u32;
    messages::sms(change, &number, Some(person), Message::SmsCode { code, minutes }).await
}

/// Why no code is sent now.
async fn wait(change: &mut Change, owner: Owner) -> Result<Error> {
    let at = change.at();
    let row = sqlx::query!(
        "SELECT blocked_until, sent, sent_since, sent_at FROM factor_attempts WHERE user_id = $1 AND kind = 'sms'",
        owner.user.0
    )
    .fetch_one(change.tx())
    .await?;
    if let Some(until) = row.blocked_until.filter(|until| *until > at) {
        return Ok(attempts::too_many(until, at));
    }
    let full = row
        .sent_since
        .filter(|_| row.sent >= MOST)
        .map(|since| since + WINDOW);
    let until = full
        .filter(|until| *until > at)
        .or(row.sent_at.map(|sent| sent + PAUSE))
        .unwrap_or(at);
    let seconds = (until - at).whole_seconds().max(0).unsigned_abs() + 1;
    let mut error = Error::new(
        Kind::TooMany,
        "factor.sent_lately",
        format!("A code was sent a moment ago. Wait {seconds} s before you ask for another."),
    );
    error.retry_after = Some(seconds);
    Ok(error)
}

/// The hash of the code, where `typed` is the one that was sent to `number` for `request`.
pub(super) async fn check(
    store: &Store,
    owner: Owner,
    number: &str,
    request: Request<'_>,
    typed: &SecretString,
) -> Result<Option<Vec<u8>>> {
    let now = store.clock.now();
    let digits: String = typed
        .expose_secret()
        .chars()
        .filter(|c| !c.is_whitespace())
        .collect();
    let mut tx = store.db.primary(owner.organization).await?;
    let row = sqlx::query!(
        "SELECT code, code_expires_at, code_tries FROM factor_attempts WHERE user_id = $1 AND kind = 'sms'",
        owner.user.0
    )
    .fetch_optional(&mut *tx)
    .await?;
    let typed = hash(store, owner, number, request, &digits.into());
    Ok(row.and_then(|row| {
        let good = row.code_tries <= TRIES && row.code_expires_at.is_some_and(|end| now < end);
        row.code.filter(|code| good && bool::from(code.ct_eq(&typed)))
    }))
}

/// Uses the code up, and notes the use of `factor`.
pub(super) async fn take(
    change: &mut Change,
    owner: Owner,
    factor: Option<FactorId>,
    code: &[u8],
) -> Result<()> {
    let taken = sqlx::query!(
        "UPDATE factor_attempts SET code = NULL WHERE user_id = $1 AND kind = 'sms' AND code = $2",
        owner.user.0,
        code
    )
    .execute(change.tx())
    .await?;
    if taken.rows_affected() == 0 {
        return Err(refused());
    }
    let at = change.at();
    sqlx::query!(
        "UPDATE user_factors SET last_used_at = $3 WHERE organization_id = $1 AND id = $2",
        owner.organization.0,
        factor.map(|factor| factor.0),
        at,
    )
    .execute(change.tx())
    .await?;
    attempts::right(change.tx(), owner, FactorKind::Sms).await
}

fn digits() -> Result<SecretString> {
    let mut bytes = [0; 8];
    random(&mut bytes)?;
    Ok(format!("{:06}", u64::from_be_bytes(bytes) % 1_000_000).into())
}

/// A million codes are soon tried, so the hash needs the installation's secret.
fn hash(store: &Store, owner: Owner, number: &str, request: Request<'_>, code: &SecretString) -> Vec<u8> {
    let request = request.name();
    let said = format!("{}\n{number}\n{request}\n{}", owner.user, code.expose_secret());
    store.sealer.mac("sms code", said.as_bytes())
}
