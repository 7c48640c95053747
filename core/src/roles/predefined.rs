//! The roles every organization begins with, and what each may do.

use crate::db::PgConnection;
use crate::kernel::error::Result;
use crate::kernel::id::{OrganizationId, RoleId};
use crate::users::rights::OWNER;
use time::OffsetDateTime;

/// What a predefined role may do.
#[derive(Clone, Copy, Debug)]
pub enum May {
    /// Everything there is.
    All,
    /// Everything but these.
    AllBut(&'static [&'static str]),
    /// These.
    Only(&'static [&'static str]),
}

/// Name, description, permissions.
pub const PREDEFINED: &[(&str, &str, May)] = &[
    (OWNER, "Answers for this hub and may do everything", May::All),
    (
        "admin",
        "Runs this hub from day to day",
        May::AllBut(&["settings:update", "roles:manage", "signing_keys:rotate"]),
    ),
    (
        "manager",
        "Looks after people, imports and jobs",
        May::Only(&[
            "users:read",
            "users:read_pii",
            "users:create",
            "users:update",
            "users:reset_password",
            "users:import",
            "invitations:read",
            "invitations:manage",
            "profiles:read",
            "profiles:update",
            "roles:read",
            "roles:assign",
            "teams:read",
            "teams:manage",
            "sessions:read",
            "audit:read",
            "jobs:read",
            "jobs:cancel",
            "imports:read",
            "imports:create",
            "overview:read",
            "system:read",
            "settings:read",
            "live:read",
            "saved_filters:share",
        ]),
    ),
    (
        "moderator",
        "Shuts people out and lets them in again",
        May::Only(&[
            "users:read",
            "users:read_pii",
            "users:ban",
            "profiles:read",
            "roles:read",
            "teams:read",
            "sessions:read",
            "sessions:revoke",
            "audit:read",
            "overview:read",
            "live:read",
            "live:disconnect",
        ]),
    ),
    (
        "finance",
        "Sees people and the record of what was done",
        May::Only(&[
            "users:read",
            "users:read_pii",
            "profiles:read",
            "roles:read",
            "teams:read",
            "audit:read",
            "overview:read",
        ]),
    ),
    ("user", "Sees what is their own", May::Only(&[])),
    (
        "viewer",
        "Sees everything but personal values, changes nothing",
        May::Only(&[
            "users:read",
            "invitations:read",
            "profiles:read",
            "roles:read",
            "teams:read",
            "sessions:read",
            "audit:read",
            "jobs:read",
            "imports:read",
            "overview:read",
            "system:read",
            "settings:read",
            "live:read",
        ]),
    ),
];

/// Gives `organization` those of the predefined roles that it lacks. Answers the owner's.
pub async fn predefine(
    connection: &mut PgConnection,
    organization: OrganizationId,
    at: OffsetDateTime,
) -> Result<RoleId> {
    for (name, description, may) in PREDEFINED {
        let id = RoleId::new();
        let made = sqlx::query!(
            "INSERT INTO roles (id, organization_id, name, description, predefined, created_at, updated_at)
             VALUES ($1, $2, $3, $4, true, $5, $5) ON CONFLICT (organization_id, name) DO NOTHING",
            id.0,
            organization.0,
            name,
            description,
            at,
        )
        .execute(&mut *connection)
        .await?;
        if made.rows_affected() == 1 {
            grant(connection, organization, id, *may).await?;
        }
    }
    let owner = sqlx::query_scalar!(
        "SELECT id FROM roles WHERE organization_id = $1 AND name = $2",
        organization.0,
        OWNER,
    )
    .fetch_one(connection)
    .await?;
    Ok(RoleId(owner))
}

async fn grant(
    connection: &mut PgConnection,
    organization: OrganizationId,
    role: RoleId,
    may: May,
) -> Result<()> {
    let (names, but) = match may {
        May::All => (&[][..], true),
        May::AllBut(names) => (names, true),
        May::Only(names) => (names, false),
    };
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    sqlx::query!(
        "INSERT INTO role_permissions (organization_id, role_id, permission)
         SELECT $1, $2, name FROM permissions WHERE (name = ANY($3)) <> $4",
        organization.0,
        role.0,
        &names,
        but,
    )
    .execute(connection)
    .await?;
    Ok(())
}
