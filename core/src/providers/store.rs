//! SQL of providers and of who is linked to them. Every statement names the organization, but for those that come before
//! anybody is known: what a sign-in page shows, where a token's issuer is looked up.

use super::model::{ClaimNames, Mapping, Provider, ProviderKind};
use crate::db::PgConnection;
use crate::kernel::error::Result;
use crate::kernel::id::{LinkedAccountId, OrganizationId, ProviderId, RoleId, UserId};
use serde_json::Value;
use std::collections::HashMap;
use time::OffsetDateTime;
use uuid::Uuid;

#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
struct Row {
    id: Uuid,
    organization_id: Uuid,
    kind: String,
    name: String,
    issuer: String,
    client_id: Option<String>,
    client_secret: Option<Vec<u8>>,
    scopes: Vec<String>,
    jwks_url: Option<String>,
    audience: Option<String>,
    algorithms: Vec<String>,
    claims: Value,
    enabled: bool,
    listed: bool,
    provision: bool,
    email_domains: Vec<String>,
    link_by_email: bool,
    second_factor: bool,
    vouched_by: Option<Uuid>,
    created_at: OffsetDateTime,
    updated_at: OffsetDateTime,
    version: i64,
}

impl Row {
    fn into_provider(self, mappings: Vec<Mapping>) -> Result<Provider> {
        let claims: ClaimNames = serde_json::from_value(self.claims)?;
        Ok(Provider {
            id: ProviderId(self.id),
            organization: OrganizationId(self.organization_id),
            kind: ProviderKind::parse(&self.kind)?,
            name: self.name,
            issuer: self.issuer,
            client_id: self.client_id,
            client_secret: self.client_secret,
            scopes: self.scopes,
            jwks_url: self.jwks_url,
            audience: self.audience,
            algorithms: self.algorithms,
            claims,
            enabled: self.enabled,
            listed: self.listed,
            provision: self.provision,
            email_domains: self.email_domains,
            link_by_email: self.link_by_email,
            second_factor: self.second_factor,
            vouched_by: self.vouched_by.map(UserId),
            created_at: self.created_at,
            updated_at: self.updated_at,
            version: self.version,
            mappings,
        })
    }
}

/// Which providers; of all organizations where none is named.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Which<'a> {
    pub organization: Option<OrganizationId>,
    pub id: Option<ProviderId>,
    /// External issuers of this name that are enabled.
    pub issuer: Option<&'a str>,
    /// Those on the sign-in page.
    pub listed: bool,
    pub most: i64,
}

/// Reads providers, oldest first.
pub(super) async fn select(connection: &mut PgConnection, which: Which<'_>) -> Result<Vec<Provider>> {
    let rows = sqlx::query_as!(
        Row,
        "SELECT id, organization_id, kind, name, issuer, client_id, client_secret, scopes, jwks_url, audience, algorithms,
           claims, enabled, listed, provision, email_domains, link_by_email, second_factor, vouched_by, created_at,
           updated_at, version
         FROM identity_providers
         WHERE ($1::uuid IS NULL OR organization_id = $1) AND ($2::uuid IS NULL OR id = $2)
           AND ($3::text IS NULL OR (issuer = $3 AND kind = 'external_jwt' AND enabled))
           AND (NOT $4 OR (listed AND enabled AND kind = 'oidc'))
         ORDER BY created_at, id LIMIT $5",
        which.organization.map(|organization| organization.0),
        which.id.map(|id| id.0),
        which.issuer,
        which.listed,
        which.most,
    )
    .fetch_all(&mut *connection)
    .await?;
    let ids: Vec<Uuid> = rows.iter().map(|row| row.id).collect();
    let mut mapped = mappings(connection, &ids).await?;
    rows.into_iter()
        .map(|row| {
            let mappings = mapped.remove(&row.id).unwrap_or_default();
            row.into_provider(mappings)
        })
        .collect()
}

async fn mappings(connection: &mut PgConnection, ids: &[Uuid]) -> Result<HashMap<Uuid, Vec<Mapping>>> {
    let rows = sqlx::query!(
        "SELECT provider_id, claim, value, role_id FROM provider_role_mappings WHERE provider_id = ANY($1)
         ORDER BY claim, value, role_id",
        ids
    )
    .fetch_all(connection)
    .await?;
    let mut mapped: HashMap<Uuid, Vec<Mapping>> = HashMap::new();
    for row in rows {
        mapped.entry(row.provider_id).or_default().push(Mapping {
            claim: row.claim,
            value: row.value,
            role: RoleId(row.role_id),
        });
    }
    Ok(mapped)
}

/// Reads one provider of an organization.
pub(super) async fn one(
    connection: &mut PgConnection,
    organization: OrganizationId,
    id: ProviderId,
) -> Result<Option<Provider>> {
    let which = Which {
        organization: Some(organization),
        id: Some(id),
        most: 1,
        ..Which::default()
    };
    Ok(select(connection, which).await?.pop())
}

/// Reads one provider, whosever it is: of a visitor no organization is known.
pub(super) async fn find(connection: &mut PgConnection, id: ProviderId) -> Result<Option<Provider>> {
    let which = Which {
        id: Some(id),
        most: 1,
        ..Which::default()
    };
    Ok(select(connection, which).await?.pop())
}

/// Takes a provider's row for this transaction, so that its events stand in the order of its changes.
pub(super) async fn lock(
    connection: &mut PgConnection,
    organization: OrganizationId,
    id: ProviderId,
) -> Result<Option<Provider>> {
    sqlx::query!(
        "SELECT id FROM identity_providers WHERE organization_id = $1 AND id = $2 FOR UPDATE",
        organization.0,
        id.0
    )
    .fetch_optional(&mut *connection)
    .await?;
    one(connection, organization, id).await
}

/// Adds a provider, unless there are `most`; false where there are.
pub(super) async fn insert(connection: &mut PgConnection, it: &Provider, most: i64) -> Result<bool> {
    let made = sqlx::query!(
        "INSERT INTO identity_providers (id, organization_id, kind, name, issuer, client_id, client_secret, scopes, jwks_url,
           audience, algorithms, claims, enabled, listed, provision, email_domains, link_by_email, second_factor, vouched_by,
           created_at, updated_at)
         SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $20
         WHERE (SELECT count(*) FROM identity_providers WHERE organization_id = $2) < $21",
        it.id.0,
        it.organization.0,
        it.kind.as_str(),
        it.name,
        it.issuer,
        it.client_id,
        it.client_secret,
        &it.scopes,
        it.jwks_url,
        it.audience,
        &it.algorithms,
        serde_json::to_value(&it.claims)?,
        it.enabled,
        it.listed,
        it.provision,
        &it.email_domains,
        it.link_by_email,
        it.second_factor,
        it.vouched_by.map(|user| user.0),
        it.created_at,
        most,
    )
    .execute(&mut *connection)
    .await?
    .rows_affected()
        == 1;
    if made {
        write_mappings(connection, it).await?;
    }
    Ok(made)
}

/// Writes what may change of a provider.
pub(super) async fn write(connection: &mut PgConnection, it: &Provider, at: OffsetDateTime) -> Result<()> {
    sqlx::query!(
        "UPDATE identity_providers SET name = $3, client_id = $4, client_secret = $5, scopes = $6, algorithms = $7, claims = $8,
           enabled = $9, listed = $10, provision = $11, email_domains = $12, link_by_email = $13, second_factor = $14,
           vouched_by = $15, updated_at = $16, version = version + 1
         WHERE organization_id = $1 AND id = $2",
        it.organization.0,
        it.id.0,
        it.name,
        it.client_id,
        it.client_secret,
        &it.scopes,
        &it.algorithms,
        serde_json::to_value(&it.claims)?,
        it.enabled,
        it.listed,
        it.provision,
        &it.email_domains,
        it.link_by_email,
        it.second_factor,
        it.vouched_by.map(|user| user.0),
        at,
    )
    .execute(&mut *connection)
    .await?;
    write_mappings(connection, it).await
}

async fn write_mappings(connection: &mut PgConnection, it: &Provider) -> Result<()> {
    sqlx::query!(
        "DELETE FROM provider_role_mappings WHERE organization_id = $1 AND provider_id = $2",
        it.organization.0,
        it.id.0
    )
    .execute(&mut *connection)
    .await?;
    let claims: Vec<String> = it.mappings.iter().map(|mapping| mapping.claim.clone()).collect();
    let values: Vec<String> = it.mappings.iter().map(|mapping| mapping.value.clone()).collect();
    let roles: Vec<Uuid> = it.mappings.iter().map(|mapping| mapping.role.0).collect();
    sqlx::query!(
        "INSERT INTO provider_role_mappings (organization_id, provider_id, claim, value, role_id)
         SELECT $1, $2, claim, value, role FROM unnest($3::text[], $4::text[], $5::uuid[]) AS m (claim, value, role)",
        it.organization.0,
        it.id.0,
        &claims,
        &values,
        &roles,
    )
    .execute(connection)
    .await?;
    Ok(())
}

pub(super) async fn delete(
    connection: &mut PgConnection,
    organization: OrganizationId,
    id: ProviderId,
) -> Result<()> {
    sqlx::query!(
        "DELETE FROM identity_providers WHERE organization_id = $1 AND id = $2",
        organization.0,
        id.0
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Who somebody is at a provider, as it is kept.
#[derive(Clone, Debug)]
pub(super) struct Link {
    pub id: LinkedAccountId,
    pub provider: ProviderId,
    pub user: UserId,
    pub given: Vec<RoleId>,
}

/// The link of a subject at a provider.
pub(super) async fn link_of_subject(
    connection: &mut PgConnection,
    provider: &Provider,
    subject: &str,
) -> Result<Option<Link>> {
    let row = sqlx::query!(
        "SELECT id, user_id, given_roles FROM linked_accounts
         WHERE organization_id = $1 AND provider_id = $2 AND subject = $3",
        provider.organization.0,
        provider.id.0,
        subject,
    )
    .fetch_optional(connection)
    .await?;
    Ok(row.map(|row| Link {
        id: LinkedAccountId(row.id),
        provider: provider.id,
        user: UserId(row.user_id),
        given: row.given_roles.into_iter().map(RoleId).collect(),
    }))
}

/// Links of a provider through which roles were given, `most` of them.
pub(super) async fn links_with_roles(
    connection: &mut PgConnection,
    organization: OrganizationId,
    provider: ProviderId,
    most: i64,
) -> Result<Vec<Link>> {
    let rows = sqlx::query!(
        "SELECT id, user_id, given_roles FROM linked_accounts
         WHERE organization_id = $1 AND provider_id = $2 AND given_roles <> '{}' ORDER BY user_id LIMIT $3",
        organization.0,
        provider.0,
        most,
    )
    .fetch_all(connection)
    .await?;
    let links = rows.into_iter().map(|row| Link {
        id: LinkedAccountId(row.id),
        provider,
        user: UserId(row.user_id),
        given: row.given_roles.into_iter().map(RoleId).collect(),
    });
    Ok(links.collect())
}

/// Links a subject to a person, unless either is linked at this provider already; false where it is.
pub(super) async fn insert_link(
    connection: &mut PgConnection,
    organization: OrganizationId,
    link: &Link,
    subject: &str,
    at: OffsetDateTime,
) -> Result<bool> {
    let made = sqlx::query!(
        "INSERT INTO linked_accounts (id, organization_id, provider_id, user_id, subject, linked_at)
         VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING",
        link.id.0,
        organization.0,
        link.provider.0,
        link.user.0,
        subject,
        at,
    )
    .execute(connection)
    .await?;
    Ok(made.rows_affected() == 1)
}

/// Notes which roles came from the provider.
pub(super) async fn write_given(
    connection: &mut PgConnection,
    organization: OrganizationId,
    link: LinkedAccountId,
    given: &[RoleId],
) -> Result<()> {
    let given: Vec<Uuid> = given.iter().map(|role| role.0).collect();
    sqlx::query!(
        "UPDATE linked_accounts SET given_roles = $3 WHERE organization_id = $1 AND id = $2",
        organization.0,
        link.0,
        &given,
    )
    .execute(connection)
    .await?;
    Ok(())
}
