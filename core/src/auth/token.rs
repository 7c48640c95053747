//! Access tokens: JWTs by EdDSA (RFC 9068), for one audience, of one type, from one issuer.

use super::unauthenticated;
use crate::kernel::ctx::Credential;
use crate::kernel::error::{Error, Kind};
use crate::kernel::id::{ApiKeyId, OrganizationId, SessionId, UserId};
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
    /// REST, streams and live connections of somebody who acts as somebody else. Of a type of its own, so that a node that
    /// knows nothing of that takes none.
    Acting,
    /// Opening live connections, nothing else, for whoever acts as somebody else.
    ActingLive,
}

/// Who really acts (RFC 8693 §4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Act {
    /// The operator.
    pub sub: Uuid,
}

impl Use {
    /// The `aud` claim.
    pub fn audience(self) -> &'static str {
        match self {
            Self::Access => "signalbox:api",
            Self::Live => "signalbox:live",
            Self::Acting => "signalbox:acting",
            Self::ActingLive => "signalbox:acting-live",
        }
    }

    /// The `typ` header: a token of one type is never taken for another (RFC 8725 §3.11).
    pub fn kind(self) -> &'static str {
        match self {
            Self::Access => "at+jwt",
            Self::Live => "live+jwt",
            Self::Acting => "act+jwt",
            Self::ActingLive => "act-live+jwt",
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
    /// The session; or the API key, where [`Claims::key`] stands beside it. An older node looks for a session of that id, and
    /// finds none.
    pub sid: Uuid,
    /// Which of the API key's secrets was shown, counted from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<i32>,
    /// Who acts as the person, where somebody does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub act: Option<Act>,
    /// The organization.
    pub org: Uuid,
    /// Issued, seconds since 1970.
    pub iat: i64,
    /// Expires, seconds since 1970.
    pub exp: i64,
}

/// The session or API key a token is made for.
#[derive(Clone, Copy, Debug)]
pub struct Holder {
    /// The session or key.
    pub credential: Credential,
    /// Which of the key's secrets was shown.
    pub generation: Option<i32>,
    /// Its person.
    pub user: UserId,
    /// Its organization.
    pub organization: OrganizationId,
    /// Its absolute end.
    pub expires_at: OffsetDateTime,
}

impl Holder {
    /// Whoever stands so, and showed that secret of a key.
    pub fn of(standing: &Standing, generation: Option<i32>, now: OffsetDateTime) -> Self {
        Self {
            credential: standing.credential,
            generation,
            user: standing.user,
            organization: standing.organization,
            expires_at: standing.ends(generation, now),
        }
    }
}

impl Claims {
    /// Of `holder`, good from `now` for `life`, and never past the holder's own end.
    pub fn new(r#use: Use, holder: &Holder, now: OffsetDateTime, life: Duration) -> Self {
        let end = (now + life).min(holder.expires_at);
        Self {
            iss: ISSUER.to_owned(),
            aud: r#use.audience().to_owned(),
            sub: holder.user.0,
            sid: holder.credential.id().unwrap_or_default(),
            key: holder.generation,
            act: None,
            org: holder.organization.0,
            iat: now.unix_timestamp(),
            exp: end.unix_timestamp(),
        }
    }

    /// The person.
    pub fn user(&self) -> UserId {
        UserId(self.sub)
    }

    /// The session or API key.
    pub fn credential(&self) -> Credential {
        match self.key {
            None => Credential::Session(self.session()),
            Some(_) => Credential::ApiKey(ApiKeyId(self.sid)),
        }
    }

    /// The session, where it is one.
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
