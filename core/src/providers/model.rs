//! A provider as it is kept, and as people see it.

use crate::kernel::ctx::Ctx;
use crate::kernel::error::{Error, Result};
use crate::kernel::event::Subject;
use crate::kernel::id::{OrganizationId, ProviderId, RoleId, UserId};
use crate::live::position::Position;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// What kind of provider it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProviderKind {
    /// People are sent there to sign in (OpenID Connect, authorization code with PKCE).
    Oidc,
    /// Its tokens are taken as they are, with each request.
    ExternalJwt,
}

impl ProviderKind {
    /// As it stands in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Oidc => "oidc",
            Self::ExternalJwt => "external_jwt",
        }
    }

    pub(super) fn parse(text: &str) -> Result<Self> {
        match text {
            "oidc" => Ok(Self::Oidc),
            "external_jwt" => Ok(Self::ExternalJwt),
            _ => Err(Error::internal("unknown kind of provider")),
        }
    }
}

/// Which claims say what. Each is the name of a claim, or, where it begins with a slash, a JSON Pointer (RFC 6901).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ClaimNames {
    /// Who it is; never changed afterwards.
    #[schema(example = "sub")]
    pub subject: String,
    /// Their e-mail address.
    #[schema(example = "email")]
    pub email: String,
    /// Whether the provider has verified that address: true, or the text "true".
    #[schema(example = "email_verified")]
    pub email_verified: String,
    /// Their name.
    #[schema(example = "name")]
    pub name: String,
}

impl Default for ClaimNames {
    fn default() -> Self {
        Self {
            subject: "sub".to_owned(),
            email: "email".to_owned(),
            email_verified: "email_verified".to_owned(),
            name: "name".to_owned(),
        }
    }
}

/// A role that a claim gives.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = RoleMapping)]
pub struct Mapping {
    /// The claim, or a JSON Pointer to it.
    #[schema(example = "/realm_access/roles")]
    pub claim: String,
    /// What it must be, or hold where it is a list.
    #[schema(example = "hub-moderators")]
    pub value: String,
    /// The role.
    pub role: RoleId,
}

/// A row of `identity_providers` with its mappings; the client's secret stays sealed.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub struct Provider {
    pub(super) id: ProviderId,
    pub(super) organization: OrganizationId,
    pub(super) kind: ProviderKind,
    pub(super) name: String,
    pub(super) issuer: String,
    pub(super) client_id: Option<String>,
    pub(super) client_secret: Option<Vec<u8>>,
    pub(super) scopes: Vec<String>,
    pub(super) jwks_url: Option<String>,
    pub(super) audience: Option<String>,
    pub(super) algorithms: Vec<String>,
    pub(super) claims: ClaimNames,
    pub(super) enabled: bool,
    pub(super) listed: bool,
    pub(super) provision: bool,
    pub(super) email_domains: Vec<String>,
    pub(super) link_by_email: bool,
    pub(super) second_factor: bool,
    pub(super) vouched_by: Option<UserId>,
    pub(super) created_at: OffsetDateTime,
    pub(super) updated_at: OffsetDateTime,
    pub(super) version: i64,
    pub(super) mappings: Vec<Mapping>,
}

/// A provider as one viewer sees it.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = Provider)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub struct ProviderItem {
    /// Id.
    pub id: ProviderId,
    /// What kind it is.
    pub kind: ProviderKind,
    /// As people know it: what stands on its button.
    pub name: String,
    /// Its issuer, exactly as it writes it.
    #[schema(example = "https://id.example.com")]
    pub issuer: String,
    /// As whom the hub comes to it; null for an external issuer.
    pub client_id: Option<String>,
    /// Whether the hub has a secret of that client. It is never shown.
    pub has_client_secret: bool,
    /// What is asked of it.
    pub scopes: Vec<String>,
    /// Where an external issuer's keys are.
    pub jwks_url: Option<String>,
    /// What an external issuer's tokens must be for.
    pub audience: Option<String>,
    /// Algorithms that its signatures may have.
    #[schema(example = json!(["RS256"]))]
    pub algorithms: Vec<String>,
    /// Which claims say what.
    pub claims: ClaimNames,
    /// False: nobody comes in through it.
    pub enabled: bool,
    /// Whether it stands on the sign-in page.
    pub listed: bool,
    /// Whether whoever it vouches for and nobody knows is added as a person.
    pub provision: bool,
    /// Of which domains a verified address must be to be added or linked; empty: of any.
    pub email_domains: Vec<String>,
    /// Whether a verified address links to the person who has it.
    pub link_by_email: bool,
    /// Whether it is believed where it says that two factors were shown (`amr`): none is asked for here then.
    pub second_factor: bool,
    /// Roles that its claims give.
    pub mappings: Vec<Mapping>,
    /// Where it sends people back to, to be registered there; null where `server.public_url` is not set.
    #[serde(default)]
    pub redirect_uri: Option<String>,
    /// Where it says that somebody has signed out there (OpenID Connect Back-Channel Logout 1.0).
    #[serde(default)]
    pub backchannel_logout_uri: Option<String>,
    /// Made.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// Last changed.
    #[serde(with = "time::serde::rfc3339")]
    pub updated_at: OffsetDateTime,
    /// For `If-Match`; grows by one with each change.
    pub version: i64,
    /// What this viewer may do to it: `providers.update`, `providers.delete`, `providers.test`.
    #[serde(default)]
    pub can: Vec<String>,
}

/// All providers.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct ProviderList {
    /// Providers, oldest first; there are 50 at most.
    pub items: Vec<ProviderItem>,
    /// Where `feed:providers` stood.
    #[serde(flatten)]
    pub position: Position,
}

/// One provider.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct OneProvider {
    /// The provider.
    #[serde(flatten)]
    pub provider: ProviderItem,
    /// Where `feed:providers` stood.
    #[serde(flatten)]
    pub position: Position,
}

/// A provider on the sign-in page.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = ProviderChoice)]
pub struct Listed {
    /// Id.
    pub id: ProviderId,
    /// What stands on its button.
    pub name: String,
}

/// What came of a test.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = ProviderTest)]
pub struct Tested {
    /// True: it answered as it should.
    pub works: bool,
    /// What it answered, or what is wrong.
    pub detail: String,
    /// Keys that it has now and the hub can use.
    pub keys: usize,
}

/// Where providers send people back to: a page of the console.
pub(super) fn redirect_uri(public_url: &str) -> String {
    format!("{public_url}/sign-in/callback")
}

impl Provider {
    /// The post-image that events carry: without secrets.
    pub(super) fn patch(&self) -> Result<Value> {
        let text = |at: OffsetDateTime| at.format(&Rfc3339).map_err(Error::internal);
        Ok(json!({
            "id": self.id,
            "kind": self.kind,
            "name": self.name,
            "issuer": self.issuer,
            "client_id": self.client_id,
            "has_client_secret": self.client_secret.is_some(),
            "scopes": self.scopes,
            "jwks_url": self.jwks_url,
            "audience": self.audience,
            "algorithms": self.algorithms,
            "claims": self.claims,
            "enabled": self.enabled,
            "listed": self.listed,
            "provision": self.provision,
            "email_domains": self.email_domains,
            "link_by_email": self.link_by_email,
            "second_factor": self.second_factor,
            "mappings": self.mappings,
            "created_at": text(self.created_at)?,
            "updated_at": text(self.updated_at)?,
            "version": self.version,
        }))
    }

    /// What its state allows.
    pub(super) fn acts() -> Vec<&'static str> {
        vec!["providers.update", "providers.delete", "providers.test"]
    }

    /// As the actor of `ctx` sees it; `public_url` is the hub's own address.
    pub(super) fn seen_by(&self, ctx: &Ctx, public_url: Option<&str>) -> Result<ProviderItem> {
        let mut item: ProviderItem = serde_json::from_value(self.patch()?)?;
        if self.kind == ProviderKind::Oidc {
            item.redirect_uri = public_url.map(redirect_uri);
            item.backchannel_logout_uri =
                public_url.map(|url| format!("{url}/api/v1/auth/providers/{}/logout", self.id));
        }
        let manages = ctx.permissions.has("providers:manage") && ctx.require_session().is_ok();
        if manages {
            item.can = Self::acts().into_iter().map(str::to_owned).collect();
        }
        Ok(item)
    }

    /// For events.
    pub(super) fn subject(&self) -> Subject {
        Subject {
            kind: "provider".into(),
            id: self.id.0,
            version: self.version,
        }
    }

    /// Roles that its claims may give.
    pub(super) fn roles(&self) -> Vec<RoleId> {
        let mut roles: Vec<RoleId> = self.mappings.iter().map(|mapping| mapping.role).collect();
        roles.sort_unstable();
        roles.dedup();
        roles
    }
}
