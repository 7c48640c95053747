//! Refresh tokens: opaque, kept as hashes, used once (RFC 9700 §4.14.2).
//!
//! All tokens of a session are one family. A refresh repeated within [`GRACE`] by the same client gets the same successor, so
//! that many tabs refreshing at once sign nobody out. Any other reuse means that somebody else holds the token: the session
//! ends, whoever of the two asks, and its person is told.
//!
//! A token is bound to how its client carries it (a cookie, or itself) and to the program that it says it is. The first
//! binds for good: what was given as a cookie is never taken from elsewhere. The second is only compared within [`GRACE`],
//! for a browser renews itself.

use super::login::{Client, SignedIn, signed_in};
use super::token::Holder;
use super::{Auth, csrf_matches, sign_in};
use crate::change::Change;
use crate::db::PgConnection;
use crate::factors::Owner;
use crate::ip_rules;
use crate::kernel::error::{Error, Kind, Result};
use crate::kernel::event::{Event, Severity, Subject};
use crate::kernel::id::{OrganizationId, SessionId, UserId};
use crate::kernel::seal::random;
use crate::messages::{self, Address, Message};
use crate::sessions::{self, standing};
use crate::users;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use time::{Duration, OffsetDateTime};

/// How long a used token still gets its successor.
pub const GRACE: Duration = Duration::seconds(10);

/// Whose a token is.
struct Token {
    organization: OrganizationId,
    session: SessionId,
    user: UserId,
    expires_at: OffsetDateTime,
    binding: Option<Vec<u8>>,
}

impl Token {
    /// Whether it was given to somebody who carries it as `client` does. One of an older node was bound to nothing.
    fn carried_by(&self, client: &Client) -> bool {
        let carried = self.binding.as_ref().and_then(|binding| binding.first());
        carried.is_none_or(|carried| *carried == u8::from(client.by_cookie))
    }
}

/// How the client carries its tokens, and SHA-256 of what program it says it is.
fn binding(client: &Client) -> Vec<u8> {
    let agent = client.user_agent.as_deref().unwrap_or_default();
    let mut binding = vec![u8::from(client.by_cookie)];
    binding.extend_from_slice(&Sha256::digest(agent.as_bytes()));
    binding
}

/// New tokens for `token`. `csrf` is what a browser repeated; `None` where no cookie is involved.
pub async fn refresh(
    auth: &Auth,
    token: &SecretString,
    csrf: Option<Option<&[u8]>>,
    client: &Client,
) -> Result<SignedIn> {
    let (now, hash) = (auth.store.clock.now(), hash(token));
    let token = find(auth, &hash).await?.ok_or_else(refused)?;
    if let Some(sent) = csrf {
        require_csrf(auth, token.session, sent)?;
    }
    let standing = standing::read(&auth.store.db, token.session, token.user).await?;
    let standing = standing.map_err(|why| sessions::ended(&why))?;
    standing
        .check_time(now, auth.lives.refresh)
        .map_err(|why| sessions::ended(&why))?;
    let holder = Holder::of(&standing, None, now);
    if holder.expires_at <= now || token.expires_at <= now {
        return Err(refused());
    }
    let rules = ip_rules::read(&auth.store.db, standing.organization).await?;
    if !rules.admit(&standing.roles, client.ip) {
        return Err(ip_rules::refused(client.ip));
    }
    if !token.carried_by(client) {
        return Err(end_family(auth, &token, client).await?);
    }
    let owner = Owner {
        user: token.user,
        organization: token.organization,
    };
    sign_in::require_enough(auth, token.session, owner, client).await?;
    match rotate(auth, &token, &hash, client, now).await? {
        Some(next) => signed_in(auth, token.session, &holder, next, now).await,
        None => Err(end_family(auth, &token, client).await?),
    }
}

fn require_csrf(auth: &Auth, session: SessionId, sent: Option<&[u8]>) -> Result<()> {
    if sent.is_some_and(|sent| csrf_matches(&auth.store.sealer, session, sent)) {
        return Ok(());
    }
    Err(Error::new(
        Kind::Forbidden,
        "auth.csrf",
        "Repeat the csrf_token of sign-in in the header X-CSRF-Token.",
    ))
}

/// The token's successor: a new one at its first use, the same one again within [`GRACE`] for the same client, none later. The
/// row is locked, so that of two at once the second finds the first one's successor.
async fn rotate(
    auth: &Auth,
    token: &Token,
    hash: &[u8],
    client: &Client,
    now: OffsetDateTime,
) -> Result<Option<SecretString>> {
    let mut tx = auth.store.db.bookkeeping().await?;
    let row = sqlx::query!(
        "SELECT used_at, successor, binding FROM auth_tokens WHERE hash = $1 FOR UPDATE",
        hash
    )
    .fetch_optional(&mut *tx)
    .await?
    .ok_or_else(refused)?;
    let same = row.binding.is_none_or(|bound| bound == binding(client));
    match (row.used_at, row.successor) {
        (None, _) => {
            let life = auth.lives.refresh;
            let next = issue(&mut tx, token.organization, token.session, client, now, life).await?;
            mark_used(auth, &mut tx, hash, &next, client, now).await?;
            note_seen(&mut tx, token.session, now).await?;
            tx.commit().await?;
            Ok(Some(next))
        }
        (Some(used), Some(sealed)) if same && now - used <= GRACE => {
            let bytes = auth.store.sealer.open_bytes(hash, &sealed).ok_or_else(refused)?;
            Ok(Some(String::from_utf8(bytes).map_err(Error::internal)?.into()))
        }
        _ => Ok(None),
    }
}

/// Makes a refresh token of `session` for `client`, good from `now` for `life`.
pub(super) async fn issue(
    connection: &mut PgConnection,
    organization: OrganizationId,
    session: SessionId,
    client: &Client,
    now: OffsetDateTime,
    life: Duration,
) -> Result<SecretString> {
    let mut bytes = [0; 32];
    random(&mut bytes)?;
    let token = SecretString::from(URL_SAFE_NO_PAD.encode(bytes));
    sqlx::query!(
        "INSERT INTO auth_tokens (hash, organization_id, session_id, created_at, expires_at, binding)
         VALUES ($1, $2, $3, $4, $5, $6)",
        hash(&token),
        organization.0,
        session.0,
        now,
        now + life,
        binding(client),
    )
    .execute(connection)
    .await?;
    Ok(token)
}

async fn find(auth: &Auth, hash: &[u8]) -> Result<Option<Token>> {
    let mut tx = auth.store.db.snapshot().await?;
    let row = sqlx::query!(
        "SELECT t.organization_id, t.session_id, s.user_id, t.expires_at, t.binding
         FROM auth_tokens t JOIN user_sessions s ON s.id = t.session_id WHERE t.hash = $1",
        hash
    )
    .fetch_optional(&mut *tx)
    .await?;
    Ok(row.map(|row| Token {
        organization: OrganizationId(row.organization_id),
        session: SessionId(row.session_id),
        user: UserId(row.user_id),
        expires_at: row.expires_at,
        binding: row.binding,
    }))
}

/// Refreshing is using: a page that only listens is not idle.
async fn note_seen(connection: &mut PgConnection, session: SessionId, now: OffsetDateTime) -> Result<()> {
    sqlx::query!(
        "UPDATE user_sessions SET last_seen_at = $2 WHERE id = $1 AND last_seen_at < $2",
        session.0,
        now
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// The successor stands sealed for the token that it followed: whoever reads the table has neither.
async fn mark_used(
    auth: &Auth,
    connection: &mut PgConnection,
    hash: &[u8],
    next: &SecretString,
    client: &Client,
    now: OffsetDateTime,
) -> Result<()> {
    let sealed = auth
        .store
        .sealer
        .seal_bytes(hash, next.expose_secret().as_bytes())?;
    sqlx::query!(
        "UPDATE auth_tokens SET used_at = $2, successor = $3, binding = $4 WHERE hash = $1",
        hash,
        now,
        sealed,
        binding(client),
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Ends the session that the browser of `client` had until it signed in again (ASVS 5.0 7.2.4): its tokens are overwritten there, so
/// that nobody but a thief could still use them.
pub(super) async fn end_replaced(auth: &Auth, client: &Client) -> Result<()> {
    let Some(token) = &client.replaces else {
        return Ok(());
    };
    let Some(before) = find(auth, &hash(token)).await? else {
        return Ok(());
    };
    let mut change = Change::begin(&auth.store, &client.ctx(before.organization)).await?;
    let why = "Somebody signed in again with the same browser.";
    if sessions::end(&mut change, before.session, before.user, "auth.login", why).await? {
        change.commit().await?;
    }
    Ok(())
}

/// Ends the session of a token that was used twice, alerts its person, and answers what whoever used it is told.
async fn end_family(auth: &Auth, session: &Token, client: &Client) -> Result<Error> {
    let ctx = client.ctx(session.organization);
    let mut change = Change::begin(&auth.store, &ctx).await?;
    let why = "A refresh token of this session was used twice, so somebody else may hold it.";
    if sessions::end(
        &mut change,
        session.session,
        session.user,
        "auth.refresh_reused",
        why,
    )
    .await?
    {
        change.record(alert(session)).await?;
        if let Some(user) = users::store::find(change.tx(), session.organization, session.user).await? {
            let address = Address::of(user.person(), user.email, user.name);
            messages::mail(&mut change, &address, Message::SessionDoubted).await?;
        }
        change.commit().await?;
    }
    Ok(Error::new(
        Kind::Unauthenticated,
        "auth.refresh_reused",
        "This refresh token was used before, so its session has been ended for safety. Sign in again.",
    ))
}

/// What the person is told on every page they have open, and on the next one they open. The act is audited as the end of the
/// session is.
fn alert(token: &Token) -> Event {
    let subject = Subject {
        kind: "user".into(),
        id: token.user.0,
        version: 0,
    };
    Event::new(
        "auth.refresh_reused",
        "auth.refresh_reused",
        subject,
        format!("inbox:{}", token.user),
        "A token of one of your sessions was used twice, so somebody else may have held it. The session was ended",
    )
    .severity(Severity::Bad)
    .data("session_id", serde_json::json!(token.session))
    .unaudited()
}

fn hash(token: &SecretString) -> Vec<u8> {
    Sha256::digest(token.expose_secret().as_bytes()).to_vec()
}

fn refused() -> Error {
    Error::new(
        Kind::Unauthenticated,
        "auth.refresh_refused",
        "This refresh token is not good, or not any more. Sign in again.",
    )
}
