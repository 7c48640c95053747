//! A provider says that somebody has signed out there (OpenID Connect Back-Channel Logout 1.0): what was opened through it ends
//! here too, with every stream.

use super::CHANNEL;
use super::admit::hands;
use super::directory::Directory;
use super::flow::usable;
use super::id_token::{self, Logout};
use super::jwt;
use super::model::Provider;
use crate::auth::Client;
use crate::change::Change;
use crate::kernel::error::{Error, Kind, Result};
use crate::kernel::event::{Event, Severity};
use crate::kernel::id::{ProviderId, SessionId, UserId};
use crate::sessions;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

/// A sign-in whose second factor was still owed led to its session within this time, where an older node opened it.
const FINISHED_WITHIN: Duration = Duration::minutes(15);

/// What ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoggedOut {
    /// Sessions.
    pub sessions: usize,
}

/// Takes a logout token of a provider, once. What it ends has ended with the answer.
pub async fn log_out(
    directory: &Directory,
    id: ProviderId,
    token: &str,
    client: &Client,
) -> Result<LoggedOut> {
    let provider = usable(directory, id).await?;
    let logout = read(directory, &provider, token).await?;
    let mut change = Change::begin(&directory.store, &hands(provider.organization, client)).await?;
    require_first(&mut change, &provider, &logout).await?;
    let ended = sign_ins(&mut change, &provider, &logout).await?;
    let mut sessions = 0;
    for (session, user) in ended {
        let why = "You have signed out at the provider.";
        if sessions::end(&mut change, session, user, "auth.provider_logout", why).await? {
            sessions += 1;
        }
    }
    let text = "A provider signed somebody out";
    let event = Event::new(
        "provider.signed_out",
        "auth.provider_logout",
        provider.subject(),
        CHANNEL,
        text,
    )
    .severity(Severity::Info)
    .detail("sessions", sessions as u64);
    change.record(event).await?;
    change.commit().await?;
    Ok(LoggedOut { sessions })
}

async fn read(directory: &Directory, provider: &Provider, token: &str) -> Result<Logout> {
    let metadata = directory.metadata(provider).await?;
    let keys = directory.keys(&metadata.jwks_uri);
    let now = directory.store.clock.now().unix_timestamp();
    let client = provider.client_id.as_deref().unwrap_or_default();
    // what is typed otherwise could be any token of the provider's (§4.1; ASVS 5.0, 10.5.5)
    let signed = jwt::read(token, &keys, &provider.algorithms, &["logout+jwt"]).await;
    let read = signed.and_then(|signed| id_token::logout(&signed.claims, &provider.issuer, client, now));
    read.map_err(|wrong| {
        tracing::warn!(provider = %provider.id, ?wrong, "a logout token is refused");
        match wrong {
            jwt::Wrong::Unavailable => super::directory::unreachable_now(),
            _ => refused(),
        }
    })
}

fn refused() -> Error {
    Error::new(
        Kind::Malformed,
        "providers.logout_refused",
        "This is no good logout token of this provider, or it was taken before.",
    )
}

async fn require_first(change: &mut Change, provider: &Provider, logout: &Logout) -> Result<()> {
    let at = change.at();
    sqlx::query!(
        "DELETE FROM provider_logout_tokens WHERE organization_id = $1 AND expires_at < $2",
        provider.organization.0,
        at,
    )
    .execute(change.tx())
    .await?;
    let expires = OffsetDateTime::from_unix_timestamp(logout.expires).map_err(|_| refused())?;
    let first = sqlx::query!(
        "INSERT INTO provider_logout_tokens (organization_id, provider_id, jti, expires_at) VALUES ($1, $2, $3, $4)
         ON CONFLICT DO NOTHING",
        provider.organization.0,
        provider.id.0,
        logout.jti,
        expires,
    )
    .execute(change.tx())
    .await?;
    if first.rows_affected() == 1 {
        return Ok(());
    }
    Err(refused())
}

/// Sessions that the named sign-ins led to. Where an older node asked for a second factor in between, the session is known
/// only by its person, its method and its time: then every such session of the person's counts.
async fn sign_ins(
    change: &mut Change,
    provider: &Provider,
    logout: &Logout,
) -> Result<Vec<(SessionId, UserId)>> {
    let at = change.at();
    let over = sqlx::query!(
        "UPDATE provider_sign_ins s SET ended_at = $5
         FROM linked_accounts l
         WHERE s.organization_id = $1 AND s.provider_id = $2 AND l.id = s.linked_account_id AND s.ended_at IS NULL
           AND ($3::text IS NULL OR s.sid = $3) AND ($4::text IS NULL OR l.subject = $4)
         RETURNING s.user_id, s.session_id, s.at",
        provider.organization.0,
        provider.id.0,
        logout.sid,
        logout.subject,
        at,
    )
    .fetch_all(change.tx())
    .await?;
    let mut ended = Vec::new();
    for sign_in in over {
        let user = UserId(sign_in.user_id);
        match sign_in.session_id {
            Some(session) => ended.push((SessionId(session), user)),
            None => ended.extend(unnamed(change, user, sign_in.at).await?),
        }
    }
    Ok(ended)
}

async fn unnamed(
    change: &mut Change,
    user: UserId,
    since: OffsetDateTime,
) -> Result<Vec<(SessionId, UserId)>> {
    let organization = change.ctx().organization;
    let sessions: Vec<Uuid> = sqlx::query_scalar!(
        "SELECT s.id FROM user_sessions s
         WHERE s.organization_id = $1 AND s.user_id = $2 AND s.revoked_at IS NULL AND s.methods && '{fed,mfa}'
           AND s.created_at BETWEEN $3 AND $4
           AND NOT EXISTS (SELECT FROM provider_sign_ins other WHERE other.session_id = s.id)",
        organization.0,
        user.0,
        since,
        since + FINISHED_WITHIN,
    )
    .fetch_all(change.tx())
    .await?;
    Ok(sessions.into_iter().map(|id| (SessionId(id), user)).collect())
}
