//! Whether a credential is good: the one question that stands before every request and every open stream. Here for
//! sessions; for API keys, which stand in the same way, in `api_keys::standing`.
//!
//! Read from the primary only. A replica that lags would let in whoever was just banned.

use super::impersonation::{self, Impersonation};
use crate::db::Db;
use crate::kernel::ctx::Credential;
use crate::kernel::error::Result;
use crate::kernel::id::{OrganizationId, RoleId, SessionId, UserId};
use crate::kernel::network;
use crate::kernel::permission::{PermissionSet, Rights, RightsVersion};
use crate::users::rights;
use ipnet::IpNet;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use subtle::ConstantTimeEq;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

/// A session or an API key that is good, as of when it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The session or key.
    pub credential: Credential,
    /// Whose it is.
    pub user: UserId,
    /// In which organization.
    pub organization: OrganizationId,
    /// When they signed in.
    pub created_at: OffsetDateTime,
    /// When they last proved who they are; for a key, when it was made.
    pub authenticated_at: OffsetDateTime,
    /// When it was last used, as far as that is written.
    pub last_seen_at: OffsetDateTime,
    /// Its end, whatever is refreshed.
    pub expires_at: OffsetDateTime,
    /// How long it may go unused, where its organization says so; `None` for a key.
    pub idle: Option<Duration>,
    /// How new the person's rights are at least.
    pub version: RightsVersion,
    /// The person may only change their password.
    pub must_change_password: bool,
    /// Roles the person holds, with those that these inherit from, and where an operator acts as them the operator's too: addresses
    /// may be let in by role, and both must be let in.
    pub roles: Arc<[RoleId]>,
    /// On which terms an operator acts as the person; `None` where nobody does.
    pub impersonation: Option<Arc<Impersonation>>,
    /// What holds for an API key; `None` for a session.
    pub key: Option<Arc<KeyTerms>>,
    /// Of an account at an external issuer: tokens that were issued before are good no more. `None` for a session, which is
    /// over by then.
    pub not_before: Option<OffsetDateTime>,
    /// Of an account at an external issuer: its tokens must show two factors. False for a session, which was asked when it began,
    /// and for a key.
    pub owes_factor: bool,
}

/// By what somebody showed that a credential is theirs, where it can be shown in more than one way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// A session is shown by its own tokens, all alike.
    Session,
    /// Which of a key's secrets it was, counted from 1.
    Secret(i32),
    /// A token of an external issuer.
    Issued {
        /// When it says it was issued, in seconds since 1970.
        at: Option<i64>,
        /// Whether its word counts for two factors.
        two_factors: bool,
    },
}

impl Evidence {
    /// Of a token of ours, which names a key's secret where it was made for one.
    pub fn of_claims(secret: Option<i32>) -> Self {
        secret.map_or(Self::Session, Self::Secret)
    }

    /// Which of a key's secrets, if it is one.
    pub fn secret(self) -> Option<i32> {
        match self {
            Self::Secret(generation) => Some(generation),
            Self::Session | Self::Issued { .. } => None,
        }
    }
}

/// What holds for an API key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyTerms {
    /// What of its owner's rights it may use.
    pub scopes: BTreeSet<String>,
    /// Networks it may be used from; empty: any.
    pub addresses: Vec<IpNet>,
    /// Requests in a minute; `None`: as many as it likes.
    pub requests_per_minute: Option<u32>,
    /// Requests in a minute to one resource, such as `users`.
    pub resource_limits: BTreeMap<String, u32>,
    /// Which of its secrets is the present one, counted from 1.
    pub generation: i32,
    /// SHA-256 of that.
    pub hash: [u8; 32],
    /// SHA-256 of the one before, and until when that works.
    pub previous: Option<([u8; 32], OffsetDateTime)>,
}

impl KeyTerms {
    /// Which of the key's secrets has this hash, if it works at `now`. In constant time: it tells nobody how near they are.
    pub fn generation_of(&self, hash: &[u8; 32], now: OffsetDateTime) -> Option<i32> {
        let present = bool::from(self.hash.ct_eq(hash));
        // looked at whatever the time is: how long it takes tells nothing
        let (before, until) = self.previous.unwrap_or(([0; 32], OffsetDateTime::UNIX_EPOCH));
        let before = bool::from(before.ct_eq(hash)) && now < until;
        match (present, before) {
            (true, _) => Some(self.generation),
            (_, true) => Some(self.generation - 1),
            _ => None,
        }
    }

    /// Until when the secret of `generation` works: `Some(None)` as long as the key, `None` not any more.
    pub fn lasts(&self, generation: i32, now: OffsetDateTime) -> Option<Option<OffsetDateTime>> {
        if generation == self.generation {
            return Some(None);
        }
        let (_, until) = self.previous?;
        (generation == self.generation - 1 && now < until).then_some(Some(until))
    }
}

/// Why a session is not good. The words are shown to whoever is signed out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// There is no such session, or it is somebody else's.
    #[error("session not found")]
    Unknown,
    /// It was ended, with the reason given then.
    #[error("{0}")]
    Revoked(String),
    /// It reached its end.
    #[error("session expired")]
    Expired,
    /// Nobody used it for too long.
    #[error("session idle for too long")]
    Idle,
    /// The person was banned.
    #[error("account banned")]
    Banned,
    /// The person was suspended.
    #[error("account suspended")]
    Suspended,
    /// The person was deleted.
    #[error("account deleted")]
    Deleted,
    /// Another secret has taken this one's place.
    #[error("secret replaced")]
    Replaced,
    /// A second factor is owed, and the token shows none.
    #[error("its token shows no second factor, and one is owed")]
    Factor,
    /// Nobody is let in from where they come from.
    #[error("not let in from this address")]
    Address,
}

/// What is told to whoever shows a token from before all were signed out.
const OUTDATED: &str = "issued before all were signed out";

impl Standing {
    /// Whose end is its end: the person, and where an operator acts as them, the operator and the operator's own session.
    pub fn hangs_on(&self) -> impl Iterator<Item = Uuid> {
        let terms = self
            .impersonation
            .iter()
            .flat_map(|terms| [terms.by.0, terms.session.0]);
        std::iter::once(self.user.0).chain(terms)
    }

    /// Refuses what time has ended. `idle` is how long a session of this installation may go unused; its organization may
    /// say less. Anything else may rest as long as it likes.
    pub fn check_time(&self, now: OffsetDateTime, idle: Duration) -> Result<(), Refused> {
        if now >= self.expires_at {
            return Err(Refused::Expired);
        }
        let idle = self.idle.map_or(idle, |own| own.min(idle));
        let is_session = matches!(self.credential, Credential::Session(_));
        if is_session && now >= self.last_seen_at + idle {
            return Err(Refused::Idle);
        }
        Ok(())
    }

    /// Refuses a key that comes from where it may not be used. What holds for its organization is another question.
    pub fn check_address(&self, from: Option<IpAddr>) -> Result<(), Refused> {
        match &self.key {
            Some(key) if !key.addresses.is_empty() => from
                .filter(|from| network::contains(&key.addresses, *from))
                .map(drop)
                .ok_or(Refused::Address),
            _ => Ok(()),
        }
    }

    /// Refuses a secret that has been replaced; and a token that was issued before all were signed out, or does not say when it
    /// was, or shows one factor where two are owed. A token names whole seconds: one of the very second is refused.
    pub fn check_evidence(&self, evidence: Evidence, now: OffsetDateTime) -> Result<(), Refused> {
        let good = match (self.credential, &self.key, evidence) {
            (Credential::ApiKey(_), Some(key), Evidence::Secret(generation)) => {
                key.lasts(generation, now).is_some()
            }
            (Credential::External(_), _, Evidence::Issued { at, two_factors }) => {
                let before = |not_before: OffsetDateTime| {
                    at.is_none_or(|at| i128::from(at) * 1_000_000_000 < not_before.unix_timestamp_nanos())
                };
                if self.not_before.is_some_and(before) {
                    return Err(Refused::Revoked(OUTDATED.to_owned()));
                }
                if self.owes_factor && !two_factors {
                    return Err(Refused::Factor);
                }
                true
            }
            (Credential::Session(_), None, Evidence::Session) => true,
            _ => false,
        };
        if good { Ok(()) } else { Err(Refused::Replaced) }
    }

    /// The end of what was shown: of the session or key, or of the replaced secret that still works.
    pub fn ends(&self, generation: Option<i32>, now: OffsetDateTime) -> OffsetDateTime {
        let shown = self.key.as_ref().zip(generation);
        let until = shown.and_then(|(key, generation)| key.lasts(generation, now)?);
        until.map_or(self.expires_at, |until| until.min(self.expires_at))
    }

    /// What of `rights`, its person's, this credential may use.
    pub fn permissions(&self, rights: &Rights) -> PermissionSet {
        match &self.key {
            Some(key) => rights.permissions.within(&key.scopes),
            None => rights.permissions.clone(),
        }
    }
}

/// Reads how `session` of `user` stands; somebody else's is unknown.
pub async fn read(db: &Db, session: SessionId, user: UserId) -> Result<Result<Standing, Refused>> {
    let standing = find(db, session).await?;
    Ok(standing.and_then(|found| {
        if found.user == user {
            Ok(found)
        } else {
            Err(Refused::Unknown)
        }
    }))
}

/// Reads how `session` stands, whosever it is. Time is judged by [`Standing::check_time`].
pub async fn find(db: &Db, session: SessionId) -> Result<Result<Standing, Refused>> {
    let mut tx = db.snapshot().await?;
    let row = sqlx::query!(
        r#"SELECT s.user_id, s.organization_id, s.created_at, s.last_seen_at,
             least(s.expires_at, s.created_at + make_interval(secs => (t.value ->> 'absolute_seconds')::float8)) AS "expires_at!",
             coalesce(s.authenticated_at, s.created_at) AS "authenticated_at!",
             (t.value ->> 'idle_seconds')::bigint AS idle_seconds,
             s.revoked_at IS NOT NULL AS "revoked!", s.revoked_reason,
             u.status, u.deleted_at IS NOT NULL AS "deleted!",
             coalesce(s.created_at < greatest(u.sessions_not_before, o.sessions_not_before), false) AS "outdated!",
             s.impersonated_by IS NOT NULL AS "impersonated!", u.must_change_password, u.access_version, o.access_epoch,
             ARRAY(WITH RECURSIVE held (role_id) AS (
                     SELECT role_id FROM held_roles
                     WHERE organization_id = s.organization_id AND user_id IN (s.user_id, s.impersonated_by)
                     UNION
                     SELECT p.parent_id FROM held JOIN role_parents p ON p.role_id = held.role_id)
                   SELECT role_id FROM held) AS "roles!"
           FROM user_sessions s JOIN users u ON u.id = s.user_id JOIN organizations o ON o.id = s.organization_id
           LEFT JOIN organization_settings t ON t.organization_id = s.organization_id AND t.key = 'sessions'
           WHERE s.id = $1"#,
        session.0,
    )
    .fetch_optional(&mut *tx)
    .await?;
    let Some(row) = row else {
        return Ok(Err(Refused::Unknown));
    };
    let mut impersonation = None;
    // The person before the session: "banned" says more than the "revoked" that follows from it.
    let refused = match row.status.as_str() {
        _ if row.deleted => Some(Refused::Deleted),
        "banned" => Some(Refused::Banned),
        "suspended" => Some(Refused::Suspended),
        _ if row.revoked || row.outdated => {
            let reason = row
                .revoked_reason
                .unwrap_or_else(|| String::from("session ended"));
            Some(Refused::Revoked(reason))
        }
        _ => None,
    };
    if refused.is_none() && row.impersonated {
        match impersonation::read(
            &mut tx,
            OrganizationId(row.organization_id),
            session,
            UserId(row.user_id),
        )
        .await?
        {
            Ok(terms) => impersonation = Some(Arc::new(terms)),
            Err(why) => return Ok(Err(why)),
        }
    }
    Ok(refused.map_or_else(
        || {
            Ok(Standing {
                credential: Credential::Session(session),
                user: UserId(row.user_id),
                organization: OrganizationId(row.organization_id),
                created_at: row.created_at,
                authenticated_at: row.authenticated_at,
                last_seen_at: row.last_seen_at,
                expires_at: row.expires_at,
                idle: row.idle_seconds.map(Duration::seconds),
                version: RightsVersion {
                    access: row.access_version,
                    epoch: row.access_epoch,
                },
                // the operator is not asked to choose the person's password
                must_change_password: row.must_change_password && impersonation.is_none(),
                roles: row.roles.into_iter().map(RoleId).collect(),
                impersonation,
                key: None,
                not_before: None,
                owes_factor: false,
            })
        },
        Err,
    ))
}

/// What `user` may do, and how new that is, from one snapshot of the primary. Nobody of that name may do nothing.
pub async fn read_rights(db: &Db, organization: OrganizationId, user: UserId) -> Result<Rights> {
    let mut tx = db.primary(organization).await?;
    let row = sqlx::query!(
        "SELECT u.access_version, o.access_epoch FROM users u JOIN organizations o ON o.id = $1 WHERE u.id = $2",
        organization.0,
        user.0,
    )
    .fetch_optional(&mut *tx)
    .await?;
    let Some(row) = row else {
        return Ok(Rights::default());
    };
    let version = RightsVersion {
        access: row.access_version,
        epoch: row.access_epoch,
    };
    let permissions = rights::of(&mut tx, organization, user).await?;
    Ok(Rights { version, permissions })
}

/// Notes when sessions were last used, many in one statement. Never moves one back.
pub async fn note_seen(db: &Db, seen: &[(SessionId, OffsetDateTime)]) -> Result<()> {
    let (ids, at): (Vec<_>, Vec<_>) = seen.iter().map(|(session, at)| (session.0, *at)).unzip();
    let mut tx = db.bookkeeping().await?;
    sqlx::query!(
        "UPDATE user_sessions s SET last_seen_at = n.at FROM unnest($1::uuid[], $2::timestamptz[]) AS n (id, at)
         WHERE s.id = n.id AND s.last_seen_at < n.at",
        &ids,
        &at,
    )
    .execute(&mut *tx)
    .await?;
    Ok(tx.commit().await?)
}
