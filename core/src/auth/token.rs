//! Access tokens: JWTs by EdDSA (RFC 9068), for one audience, of one type, from one issuer.

use super::unauthenticated;
use crate::kernel::error::{Error, Kind};
use crate::kernel::id::{OrganizationId, SessionId, UserId};
use crate::sessions::standing::Standing;
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

/// Who issues tokens.
pub const ISSUER: &str = "signalbox";

/// What a token is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// REST, streams and live connections.
    Access,
    /// Opening live connections, nothing else.
    Live,
}

impl Use {
    /// The `aud` claim.
    pub fn audience(self) -> &'static str {
        match self {
            Self::Access => "signalbox:api",
            Self::Live => "signalbox:live",
        }
    }

    /// The `typ` header: a token of one type is never taken for another (RFC 8725 §3.11).
    pub fn kind(self) -> &'static str {
        match self {
            Self::Access => "at+jwt",
            Self::Live => "live+jwt",
        }
    }
}

/// What a token says. Permissions are not among it: they are read when they are used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// [`ISSUER`].
    pub iss: String,
    /// [`Use::audience`].
    pub aud: String,
    /// The person.
    pub sub: Uuid,
    /// The session.
    pub sid: Uuid,
    /// The organization.
    pub org: Uuid,
    /// Issued, seconds since 1970.
    pub iat: i64,
    /// Expires, seconds since 1970.
    pub exp: i64,
}

/// The session a token is made for.
#[derive(Clone, Copy, Debug)]
pub struct Holder {
    /// The session.
    pub session: SessionId,
    /// Its person.
    pub user: UserId,
    /// Its organization.
    pub organization: OrganizationId,
    /// Its absolute end.
    pub expires_at: OffsetDateTime,
}

impl From<&Standing> for Holder {
    fn from(standing: &Standing) -> Self {
        Self {
            session: standing.session,
            user: standing.user,
            organization: standing.organization,
            expires_at: standing.expires_at,
        }
    }
}

impl Claims {
    /// Of `session`, good from `now` for `life`, and never past the session's own end.
    pub fn new(r#use: Use, session: &Holder, now: OffsetDateTime, life: Duration) -> Self {
        let end = (now + life).min(session.expires_at);
        Self {
            iss: ISSUER.to_owned(),
            aud: r#use.audience().to_owned(),
            sub: session.user.0,
            sid: session.session.0,
            org: session.organization.0,
            iat: now.unix_timestamp(),
            exp: end.unix_timestamp(),
        }
    }

    /// The person.
    pub fn user(&self) -> UserId {
        UserId(self.sub)
    }

    /// The session.
    pub fn session(&self) -> SessionId {
        SessionId(self.sid)
    }

    /// The organization.
    pub fn organization(&self) -> OrganizationId {
        OrganizationId(self.org)
    }
}

/// Why a token is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// Signed with a key this node does not know yet.
    UnknownKey,
    /// Was good once.
    Expired,
    /// Anything else; which is nobody's business.
    Wrong,
}

impl From<Refused> for Error {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Expired => Self::new(
                Kind::Unauthenticated,
                "auth.token_expired",
                "The access token has expired. Get another with POST /api/v1/auth/refresh.",
            ),
            Refused::UnknownKey | Refused::Wrong => unauthenticated(),
        }
    }
}
