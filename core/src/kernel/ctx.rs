//! Who asks, through what, on whose behalf, from where: carried by every change into audit, outbox and jobs.

use super::error::{Error, Result};
use super::id::{ApiKeyId, LinkedAccountId, OrganizationId, SessionId, UserId};
use super::permission::{Missing, PermissionSet, ResourceFacts};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

/// A proof of who somebody is counts for so long where more is asked than a session (step-up).
pub const RECENT: Duration = Duration::minutes(10);

/// Who acts. Names are not kept here: they are personal, and looked up when shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind", content = "id")]
pub enum Actor {
    /// A person.
    User(UserId),
    /// The hub itself, naming its part (`bootstrap`, `jobs`).
    System(String),
}

impl Actor {
    /// `user` or `system`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::User(_) => "user",
            Self::System(_) => "system",
        }
    }

    /// The person's id, if it is one.
    pub fn user(&self) -> Option<UserId> {
        match self {
            Self::User(id) => Some(*id),
            Self::System(_) => None,
        }
    }
}

/// Through which credential somebody acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind", content = "id")]
pub enum Credential {
    /// A signed-in session.
    Session(SessionId),
    /// A program with a person's API key. It acts as that person, within the key's scopes.
    ApiKey(ApiKeyId),
    /// A token of an outside issuer that the organization trusts, by whose account there it is.
    External(LinkedAccountId),
    /// The hub's own hands.
    Internal,
}

impl From<SessionId> for Credential {
    fn from(session: SessionId) -> Self {
        Self::Session(session)
    }
}

impl From<ApiKeyId> for Credential {
    fn from(key: ApiKeyId) -> Self {
        Self::ApiKey(key)
    }
}

impl Credential {
    /// `session`, `api_key`, `external` or `internal`.
    pub fn kind(self) -> &'static str {
        match self {
            Self::Session(_) => "session",
            Self::ApiKey(_) => "api_key",
            Self::External(_) => "external",
            Self::Internal => "internal",
        }
    }

    /// The session's, key's or outside account's id.
    pub fn id(self) -> Option<Uuid> {
        match self {
            Self::Session(session) => Some(session.0),
            Self::ApiKey(key) => Some(key.0),
            Self::External(account) => Some(account.0),
            Self::Internal => None,
        }
    }
}

/// A request that its sender may repeat without doing it twice (`Idempotency-Key`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Idempotency {
    /// The sender's key, 1 to 255 characters.
    pub key: String,
    /// Method and path: a key belongs to one operation.
    pub operation: String,
    /// SHA-256 of the body: a key belongs to one content.
    pub request_hash: [u8; 32],
}

/// Everything about a request that outlives it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Ctx {
    /// Whose data this is about.
    pub organization: OrganizationId,
    /// Who acts.
    pub actor: Actor,
    /// Through which credential.
    pub credential: Credential,
    /// The other person of an act: an operator who acts as the actor; of the hub's own acts, for whom it acts.
    pub on_behalf_of: Option<UserId>,
    /// From which address.
    pub ip: Option<IpAddr>,
    /// With which program, at most 400 characters.
    pub user_agent: Option<String>,
    /// This request.
    pub request_id: Uuid,
    /// W3C trace id, 32 hex digits.
    pub trace_id: String,
    /// The `Idempotency-Key`: comes back as the event's `cause`.
    pub cause: Option<String>,
    /// Set where the request carries an `Idempotency-Key`; `Change` keeps the answer under it.
    #[serde(skip)]
    pub idempotency: Option<Idempotency>,
    /// What the actor may do; not stored, because rights are read when they are used.
    #[serde(skip)]
    pub permissions: PermissionSet,
    /// When the actor last proved in this session who they are; `None` outside of one. Not stored either.
    #[serde(skip)]
    pub authenticated_at: Option<OffsetDateTime>,
}

impl Ctx {
    /// The hub's own context for `part`, with no permission at all: the hub calls what needs none.
    pub fn system(organization: OrganizationId, part: &str) -> Self {
        let request = super::id::EventId::new().0;
        let actor = Actor::System(part.to_owned());
        Self::by(organization, actor, request, request.simple().to_string())
    }

    /// What `actor` does in the request of this id and trace, with no permission yet.
    pub fn by(organization: OrganizationId, actor: Actor, request_id: Uuid, trace_id: String) -> Self {
        Self {
            organization,
            actor,
            credential: Credential::Internal,
            on_behalf_of: None,
            ip: None,
            user_agent: None,
            request_id,
            trace_id,
            cause: None,
            idempotency: None,
            permissions: PermissionSet::default(),
            authenticated_at: None,
        }
    }

    /// Passes when `permission` is held on everything, else says which one is missing.
    pub fn require(&self, permission: &str) -> Result<()> {
        pass(self.permissions.has(permission), permission, None)
    }

    /// Passes when `permission` is held on some row at least: the door before a check of the row or a filtered list.
    pub fn require_some(&self, permission: &str) -> Result<()> {
        pass(self.permissions.has_some(permission), permission, None)
    }

    /// Passes when `permission` is held on the row that `facts` are about, in this organization.
    pub fn require_on(&self, permission: &str, facts: &ResourceFacts<'_>) -> Result<()> {
        let held = facts.organization == self.organization && self.permissions.permits(permission, facts);
        pass(held, permission, Some(facts))
    }

    /// Whether an operator acts as the person: then `on_behalf_of` is the operator.
    pub fn is_impersonated(&self) -> bool {
        self.on_behalf_of.is_some()
            && matches!(
                (&self.actor, self.credential),
                (Actor::User(_), Credential::Session(_))
            )
    }

    /// Passes unless an operator acts as the person.
    pub fn require_own_hands(&self) -> Result<()> {
        if !self.is_impersonated() {
            return Ok(());
        }
        Err(Error::new(
            super::error::Kind::Forbidden,
            "impersonation.never",
            "Nobody does this as somebody else: it is the person's own. End this to do it as yourself.",
        ))
    }

    /// Passes for a person who has signed in themselves. Neither a program with a key nor an operator who acts as them does
    /// what decides over ways in: make or change keys, choose passwords, say which addresses are let in.
    pub fn require_session(&self) -> Result<()> {
        self.require_own_hands()?;
        if matches!(self.credential, Credential::Session(_)) {
            return Ok(());
        }
        Err(session_required())
    }

    /// The person whose own things are asked for: whoever is signed in. A program has none of its own.
    pub fn require_person(&self) -> Result<UserId> {
        let signed_in = matches!(self.credential, Credential::Session(_));
        let person = self.actor.user().filter(|_| signed_in);
        person.ok_or_else(session_required)
    }

    /// Passes for a person who proved less than [`RECENT`] before `now` who they are, and for the hub's own hands: a session
    /// left open on a desk is not enough for what lasts longer than it. A program cannot prove anything anew.
    pub fn require_recent_proof(&self, now: OffsetDateTime) -> Result<()> {
        if matches!(self.credential, Credential::Internal) {
            return Ok(());
        }
        self.require_session()?;
        if self.authenticated_at.is_some_and(|at| now < at + RECENT) {
            return Ok(());
        }
        Err(Error::new(
            super::error::Kind::Forbidden,
            "auth.step_up_needed",
            "Prove again who you are, with POST /api/v1/me/prove, and then repeat this.",
        ))
    }

    /// True for what is somebody's own: they need no permission for it. A program needs one for everything.
    pub fn is_oneself(&self, user: UserId) -> bool {
        self.actor.user() == Some(user) && !matches!(self.credential, Credential::ApiKey(_))
    }

    /// Nobody rises by a side door (DESIGN §8): whoever holds more than the actor is out of the actor's reach. What people
    /// may do with what is their own does not count.
    pub fn require_over(&self, subject: &PermissionSet) -> Result<()> {
        if self.permissions.outranks(subject) {
            return Ok(());
        }
        Err(Error::new(
            super::error::Kind::Forbidden,
            "permission.outranked",
            "This person may do things that you may not, so you cannot change them. Ask an owner.",
        ))
    }
}

fn session_required() -> Error {
    Error::new(
        super::error::Kind::Forbidden,
        "auth.session_required",
        "An API key cannot do this. Sign in and do it as yourself.",
    )
}

fn pass(held: bool, permission: &str, on: Option<&ResourceFacts<'_>>) -> Result<()> {
    if held {
        return Ok(());
    }
    Err(Error::missing(Missing {
        permission: permission.to_owned(),
        resource: on.map(ResourceFacts::resource),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signed_in(at: OffsetDateTime) -> Ctx {
        let mut ctx = Ctx::system(OrganizationId::new(), "test");
        ctx.actor = Actor::User(UserId::new());
        ctx.credential = Credential::Session(SessionId::new());
        ctx.authenticated_at = Some(at);
        ctx
    }

    #[test]
    fn a_proof_counts_for_ten_minutes_and_a_program_has_none() {
        let at = OffsetDateTime::UNIX_EPOCH + Duration::days(20_000);
        let mut ctx = signed_in(at);
        ctx.require_recent_proof(at + RECENT - Duration::seconds(1))
            .unwrap();
        let late = ctx.require_recent_proof(at + RECENT).unwrap_err();
        assert_eq!(late.code, "auth.step_up_needed");
        ctx.authenticated_at = None;
        let never = ctx.require_recent_proof(at).unwrap_err();
        assert_eq!(never.code, "auth.step_up_needed");
        ctx = signed_in(at);
        ctx.credential = Credential::ApiKey(ApiKeyId::new());
        let program = ctx.require_recent_proof(at).unwrap_err();
        assert_eq!(program.code, "auth.session_required");
        Ctx::system(OrganizationId::new(), "test")
            .require_recent_proof(at)
            .unwrap();
    }
}
