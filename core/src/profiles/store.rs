//! SQL of profiles. Every statement names the organization; row-level security is the second line.

use super::address::Chain;
use super::model::{Profile, WalletItem};
use super::privacy::Privacy;
use crate::db::PgConnection;
use crate::kernel::error::{Error, Kind, Result};
use crate::kernel::id::{OrganizationId, UserId, WalletId};
use time::OffsetDateTime;

/// What is kept of a person's profile; of one that was never written, nothing.
pub(super) async fn profile(
    connection: &mut PgConnection,
    organization: OrganizationId,
    user: UserId,
) -> Result<Profile> {
    let row = sqlx::query!(
        "SELECT display_name, title, bio, time_zone, locale, avatar_url, version, updated_at
         FROM profiles WHERE organization_id = $1 AND user_id = $2",
        organization.0,
        user.0,
    )
    .fetch_optional(connection)
    .await?;
    Ok(row.map_or_else(Profile::default, |row| Profile {
        display_name: row.display_name,
        title: row.title,
        bio: row.bio,
        time_zone: row.time_zone,
        locale: row.locale,
        avatar_url: row.avatar_url,
        version: row.version,
        updated_at: Some(row.updated_at),
    }))
}

pub(super) async fn write(
    connection: &mut PgConnection,
    organization: OrganizationId,
    user: UserId,
    profile: &Profile,
    at: OffsetDateTime,
) -> Result<()> {
    sqlx::query!(
        "INSERT INTO profiles (user_id, organization_id, display_name, title, bio, time_zone, locale, avatar_url, version, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
         ON CONFLICT (user_id) DO UPDATE SET display_name = excluded.display_name, title = excluded.title, bio = excluded.bio,
           time_zone = excluded.time_zone, locale = excluded.locale, avatar_url = excluded.avatar_url,
           version = excluded.version, updated_at = excluded.updated_at",
        user.0,
        organization.0,
        profile.display_name,
        profile.title,
        profile.bio,
        profile.time_zone,
        profile.locale,
        profile.avatar_url,
        profile.version + 1,
        at,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Takes away all that somebody said of themselves, and their wallets. False where there was nothing.
pub(super) async fn wipe(
    connection: &mut PgConnection,
    organization: OrganizationId,
    user: UserId,
) -> Result<bool> {
    let gone = sqlx::query_scalar!(
        r#"WITH p AS (DELETE FROM profiles WHERE organization_id = $1 AND user_id = $2 RETURNING 1),
             s AS (DELETE FROM privacy_settings WHERE organization_id = $1 AND user_id = $2 RETURNING 1),
             w AS (DELETE FROM wallet_links WHERE organization_id = $1 AND user_id = $2 RETURNING 1)
           SELECT (SELECT count(*) FROM p) + (SELECT count(*) FROM s) + (SELECT count(*) FROM w) AS "gone!""#,
        organization.0,
        user.0,
    )
    .fetch_one(connection)
    .await?;
    Ok(gone > 0)
}

/// Who sees what; as by default where nothing was said.
pub(super) async fn privacy(
    connection: &mut PgConnection,
    organization: OrganizationId,
    user: UserId,
) -> Result<Privacy> {
    let kept = sqlx::query_scalar!(
        "SELECT audiences FROM privacy_settings WHERE organization_id = $1 AND user_id = $2",
        organization.0,
        user.0,
    )
    .fetch_optional(connection)
    .await?;
    Ok(match kept {
        Some(kept) => serde_json::from_value(kept)?,
        None => Privacy::default(),
    })
}

pub(super) async fn write_privacy(
    connection: &mut PgConnection,
    organization: OrganizationId,
    user: UserId,
    privacy: &Privacy,
    at: OffsetDateTime,
) -> Result<()> {
    sqlx::query!(
        "INSERT INTO privacy_settings (user_id, organization_id, audiences, updated_at) VALUES ($1, $2, $3, $4)
         ON CONFLICT (user_id) DO UPDATE SET audiences = privacy_settings.audiences || excluded.audiences,
           updated_at = excluded.updated_at",
        user.0,
        organization.0,
        serde_json::to_value(privacy)?,
        at,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Somebody's wallets, oldest first.
pub(super) async fn wallets(
    connection: &mut PgConnection,
    organization: OrganizationId,
    user: UserId,
) -> Result<Vec<WalletItem>> {
    let rows = sqlx::query!(
        "SELECT id, chain, address, label, created_at FROM wallet_links
         WHERE organization_id = $1 AND user_id = $2 ORDER BY created_at, id",
        organization.0,
        user.0,
    )
    .fetch_all(connection)
    .await?;
    let wallets = rows.into_iter().map(|row| {
        Ok(WalletItem {
            id: WalletId(row.id),
            chain: Chain::parse(&row.chain).ok_or_else(|| Error::internal("unknown chain"))?,
            address: row.address,
            label: row.label,
            created_at: row.created_at,
        })
    });
    wallets.collect()
}

pub(super) async fn link(
    connection: &mut PgConnection,
    organization: OrganizationId,
    user: UserId,
    wallet: &WalletItem,
) -> Result<()> {
    sqlx::query!(
        "INSERT INTO wallet_links (id, organization_id, user_id, chain, address, label, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
        wallet.id.0,
        organization.0,
        user.0,
        wallet.chain.as_str(),
        wallet.address,
        wallet.label,
        wallet.created_at,
    )
    .execute(connection)
    .await
    .map_err(taken)?;
    Ok(())
}

/// The chain of the wallet that is not somebody's any more; `None` where it was not.
pub(super) async fn unlink(
    connection: &mut PgConnection,
    organization: OrganizationId,
    user: UserId,
    wallet: WalletId,
) -> Result<Option<String>> {
    Ok(sqlx::query_scalar!(
        "DELETE FROM wallet_links WHERE organization_id = $1 AND user_id = $2 AND id = $3 RETURNING chain",
        organization.0,
        user.0,
        wallet.0,
    )
    .fetch_optional(connection)
    .await?)
}

/// A wallet that is somebody's already: `wallet.taken`. Whose is not said.
fn taken(error: sqlx::Error) -> Error {
    let constraint = error.as_database_error().and_then(|error| error.constraint());
    if constraint != Some("wallet_links_address") {
        return error.into();
    }
    Error::new(
        Kind::Conflict,
        "wallet.taken",
        "This wallet is linked to a person already. Unlink it there first.",
    )
}
