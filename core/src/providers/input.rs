//! What somebody sends about a provider.

use super::check;
use super::model::{ClaimNames, Mapping, Provider, ProviderKind};
use crate::kernel::error::{Error, Result};
use crate::kernel::id::{OrganizationId, ProviderId, UserId};
use crate::kernel::seal::Sealer;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer};
use time::OffsetDateTime;

/// A provider to be added.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub struct NewProvider {
    /// What kind it is; never changed.
    pub kind: ProviderKind,
    /// As people know it, 1 to 100 characters.
    pub name: String,
    /// Its issuer, exactly as it writes it; never changed.
    #[schema(example = "https://id.example.com")]
    pub issuer: String,
    /// As whom the hub comes to it. Only for `oidc`, which needs it.
    pub client_id: Option<String>,
    /// That client's secret; absent for a public client. Kept sealed and never shown.
    #[schema(value_type = Option<String>, format = "password")]
    pub client_secret: Option<SecretString>,
    /// What is asked of an `oidc` provider; `openid email profile` when absent.
    pub scopes: Option<Vec<String>>,
    /// Where an external issuer's keys are; never changed. Only for `external_jwt`, which needs it.
    pub jwks_url: Option<String>,
    /// What an external issuer's tokens must be for (`aud`); never changed. Only for `external_jwt`, which needs it.
    pub audience: Option<String>,
    /// Algorithms its signatures may have; RS256, PS256, ES256 and EdDSA when absent.
    pub algorithms: Option<Vec<String>>,
    /// Which claims say what; the usual names when absent.
    #[serde(default)]
    pub claims: ClaimNames,
    /// Nobody comes in through it while false; true when absent.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Whether it stands on the sign-in page; true when absent.
    #[serde(default = "yes")]
    pub listed: bool,
    /// Whether whoever it vouches for and nobody knows is added as a person: with a verified address only.
    #[serde(default)]
    pub provision: bool,
    /// Of which domains such an address must be; empty: of any.
    #[serde(default)]
    pub email_domains: Vec<String>,
    /// Whether a verified address links to the person who has it. Never to somebody who may do more than you.
    #[serde(default)]
    pub link_by_email: bool,
    /// Whether it is believed where it says that two factors were shown (`amr`, RFC 8176): none is asked for here then.
    #[serde(default)]
    pub second_factor: bool,
    /// Roles that its claims give; none may hold a permission that you lack.
    #[serde(default)]
    pub mappings: Vec<Mapping>,
}

/// What is to change: absent stays.
#[derive(Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProviderChange {
    /// As people know it.
    pub name: Option<String>,
    /// As whom the hub comes to it.
    pub client_id: Option<String>,
    /// That client's secret; null takes it away.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>, format = "password")]
    pub client_secret: Option<Option<SecretString>>,
    /// What is asked of it.
    pub scopes: Option<Vec<String>>,
    /// Algorithms its signatures may have.
    pub algorithms: Option<Vec<String>>,
    /// Which claims say what; the subject's stays as it is.
    pub claims: Option<ClaimNames>,
    /// Nobody comes in through it while false. Tokens of an external issuer stop being taken at once.
    pub enabled: Option<bool>,
    /// Whether it stands on the sign-in page.
    pub listed: Option<bool>,
    /// Whether whoever it vouches for and nobody knows is added as a person.
    pub provision: Option<bool>,
    /// Of which domains a verified address must be.
    pub email_domains: Option<Vec<String>>,
    /// Whether a verified address links to the person who has it.
    pub link_by_email: Option<bool>,
    /// Whether it is believed where it says that two factors were shown (`amr`, RFC 8176): none is asked for here then.
    pub second_factor: Option<bool>,
    /// Roles that its claims give.
    pub mappings: Option<Vec<Mapping>>,
}

fn yes() -> bool {
    true
}

/// Keeps apart what is absent and what is null.
#[expect(clippy::option_option, reason = "absent, null and a value are three things")]
fn present<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Option<SecretString>>, D::Error> {
    Option::deserialize(from).map(Some)
}

/// What the client's secret is sealed for.
pub(super) fn purpose(id: ProviderId) -> Vec<u8> {
    [b"client secret".as_slice(), id.0.as_bytes()].concat()
}

fn seal(sealer: &Sealer, id: ProviderId, secret: &SecretString) -> Result<Vec<u8>> {
    let plain = secret.expose_secret();
    if plain.is_empty() || plain.len() > 2_000 {
        return Err(Error::field(
            "client_secret",
            "out_of_range",
            "1 to 2000 characters.",
        ));
    }
    sealer.seal_bytes(&purpose(id), plain.as_bytes())
}

fn texts(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

impl NewProvider {
    /// The row it becomes.
    pub(super) fn provider(
        &self,
        sealer: &Sealer,
        organization: OrganizationId,
        by: Option<UserId>,
        at: OffsetDateTime,
    ) -> Result<Provider> {
        self.require_fitting()?;
        let id = ProviderId::new();
        let is_oidc = self.kind == ProviderKind::Oidc;
        let optional = |field: &str, raw: &Option<String>| {
            raw.as_deref().map(|raw| check::text(field, raw, 500)).transpose()
        };
        let secret = self.client_secret.as_ref().map(|secret| seal(sealer, id, secret));
        let usual = || texts(&["RS256", "PS256", "ES256", "EdDSA"]);
        let scopes = self
            .scopes
            .clone()
            .unwrap_or_else(|| texts(&["openid", "email", "profile"]));
        Ok(Provider {
            id,
            organization,
            kind: self.kind,
            name: check::name(&self.name)?,
            issuer: check::issuer(&self.issuer)?,
            client_id: optional("client_id", &self.client_id)?,
            client_secret: secret.transpose()?,
            scopes: if is_oidc {
                check::scopes(scopes)?
            } else {
                Vec::new()
            },
            jwks_url: self
                .jwks_url
                .as_deref()
                .map(|raw| check::url("jwks_url", raw))
                .transpose()?,
            audience: optional("audience", &self.audience)?,
            algorithms: check::algorithms(self.algorithms.clone().unwrap_or_else(usual))?,
            claims: check::claims(self.claims.clone())?,
            enabled: self.enabled,
            listed: self.listed && is_oidc,
            provision: self.provision,
            email_domains: check::domains(self.email_domains.clone())?,
            link_by_email: self.link_by_email,
            second_factor: self.second_factor,
            vouched_by: by,
            created_at: at,
            updated_at: at,
            version: 1,
            mappings: check::mappings(self.mappings.clone())?,
        })
    }

    /// Each kind has fields of its own.
    fn require_fitting(&self) -> Result<()> {
        let is_oidc = self.kind == ProviderKind::Oidc;
        let fields = [
            ("client_id", self.client_id.is_some(), is_oidc, is_oidc),
            ("client_secret", self.client_secret.is_some(), is_oidc, false),
            ("scopes", self.scopes.is_some(), is_oidc, false),
            ("jwks_url", self.jwks_url.is_some(), !is_oidc, !is_oidc),
            ("audience", self.audience.is_some(), !is_oidc, !is_oidc),
        ];
        for (field, given, allowed, needed) in fields {
            if given && !allowed {
                return Err(Error::field(
                    field,
                    "not_of_this_kind",
                    "A provider of the other kind has this.",
                ));
            }
            if needed && !given {
                return Err(Error::field(
                    field,
                    "missing",
                    "A provider of this kind needs it.",
                ));
            }
        }
        Ok(())
    }
}

impl ProviderChange {
    /// Whether it bears on whom a verified address links.
    fn bears_on_links(&self) -> bool {
        self.client_id.is_some()
            || self.client_secret.is_some()
            || self.algorithms.is_some()
            || self.claims.is_some()
            || self.email_domains.is_some()
            || self.link_by_email.is_some()
    }

    /// Changes `provider`. Where that bears on whom it links, `by` answers for it from now on.
    pub(super) fn apply(&self, provider: &mut Provider, sealer: &Sealer, by: Option<UserId>) -> Result<()> {
        let is_oidc = provider.kind == ProviderKind::Oidc;
        let of_oidc = self.client_id.is_some() || self.client_secret.is_some() || self.scopes.is_some();
        if of_oidc && !is_oidc {
            return Err(Error::field(
                "client_id",
                "not_of_this_kind",
                "An external issuer has no client.",
            ));
        }
        if let Some(name) = &self.name {
            provider.name = check::name(name)?;
        }
        if let Some(client) = &self.client_id {
            provider.client_id = Some(check::text("client_id", client, 500)?);
        }
        if let Some(secret) = &self.client_secret {
            let kept = secret.as_ref().map(|secret| seal(sealer, provider.id, secret));
            provider.client_secret = kept.transpose()?;
        }
        if let Some(scopes) = &self.scopes {
            provider.scopes = check::scopes(scopes.clone())?;
        }
        if let Some(algorithms) = &self.algorithms {
            provider.algorithms = check::algorithms(algorithms.clone())?;
        }
        if let Some(claims) = &self.claims {
            if claims.subject != provider.claims.subject {
                return Err(Error::field(
                    "claims.subject",
                    "fixed",
                    "Everybody's link hangs on this claim. For another one, add another provider.",
                ));
            }
            provider.claims = check::claims(claims.clone())?;
        }
        if let Some(domains) = &self.email_domains {
            provider.email_domains = check::domains(domains.clone())?;
        }
        if let Some(mappings) = &self.mappings {
            provider.mappings = check::mappings(mappings.clone())?;
        }
        provider.enabled = self.enabled.unwrap_or(provider.enabled);
        provider.listed = self.listed.unwrap_or(provider.listed) && is_oidc;
        provider.provision = self.provision.unwrap_or(provider.provision);
        provider.link_by_email = self.link_by_email.unwrap_or(provider.link_by_email);
        provider.second_factor = self.second_factor.unwrap_or(provider.second_factor);
        if self.bears_on_links() {
            provider.vouched_by = by;
        }
        Ok(())
    }
}
