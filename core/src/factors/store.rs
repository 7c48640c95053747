//! Statements about factors.

use super::model::Factor;
use super::{FactorKind, Owner};
use crate::Store;
use crate::db::PgConnection;
use crate::kernel::error::{Error, Kind, Result};
use crate::kernel::id::{FactorId, OrganizationId, UserId};
use time::OffsetDateTime;

const SECRET: &[u8] = b"factor secret";

/// An authenticator app.
pub(super) struct App {
    pub(super) id: FactorId,
    pub(super) secret: Vec<u8>,
    pub(super) used_up_to: Option<i64>,
}

/// The authenticator apps of `owner`.
pub(super) async fn apps(store: &Store, owner: Owner) -> Result<Vec<App>> {
    let mut tx = store.db.primary(owner.organization).await?;
    let rows = sqlx::query!(
        "SELECT id, sealed, used_up_to FROM user_factors
         WHERE organization_id = $1 AND user_id = $2 AND kind = 'totp' ORDER BY id",
        owner.organization.0,
        owner.user.0,
    )
    .fetch_all(&mut *tx)
    .await?;
    let opened = rows.into_iter().map(|row| {
        let secret = row
            .sealed
            .and_then(|sealed| store.sealer.open_bytes(SECRET, &sealed));
        Ok(App {
            id: FactorId(row.id),
            secret: secret.ok_or_else(|| Error::internal("a factor's secret cannot be opened"))?,
            used_up_to: row.used_up_to,
        })
    });
    opened.collect()
}

/// A phone.
pub(super) struct Phone {
    pub(super) id: FactorId,
    pub(super) number: String,
}

/// The phone of `owner`, of whom there is one.
pub(super) async fn phone(store: &Store, owner: Owner) -> Result<Option<Phone>> {
    let mut tx = store.db.primary(owner.organization).await?;
    let row = sqlx::query!(
        "SELECT id, sealed FROM user_factors WHERE organization_id = $1 AND user_id = $2 AND kind = 'sms' ORDER BY id LIMIT 1",
        owner.organization.0,
        owner.user.0,
    )
    .fetch_optional(&mut *tx)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let opened = row
        .sealed
        .and_then(|sealed| store.sealer.open_bytes(SECRET, &sealed));
    let number = opened.and_then(|number| String::from_utf8(number).ok());
    Ok(Some(Phone {
        id: FactorId(row.id),
        number: number.ok_or_else(|| Error::internal("a factor's number cannot be opened"))?,
    }))
}

/// A passkey.
pub(super) struct Passkey {
    pub(super) id: FactorId,
    pub(super) owner: Owner,
    pub(super) public_key: Vec<u8>,
    pub(super) state: Vec<u8>,
}

/// The passkey with this credential id, whosever it is.
pub(super) async fn passkey(store: &Store, credential: &[u8], site: &str) -> Result<Option<Passkey>> {
    let mut tx = store.db.snapshot().await?;
    let row = sqlx::query!(
        r#"SELECT id, user_id, organization_id, public_key AS "public_key!", state AS "state!" FROM user_factors
           WHERE kind = 'passkey' AND fingerprint = $1 AND site = $2"#,
        credential,
        site,
    )
    .fetch_optional(&mut *tx)
    .await?;
    Ok(row.map(|row| Passkey {
        id: FactorId(row.id),
        owner: Owner {
            user: UserId(row.user_id),
            organization: OrganizationId(row.organization_id),
        },
        public_key: row.public_key,
        state: row.state,
    }))
}

/// Credential ids and transports of the passkeys of `owner` at `site`.
pub(super) async fn credentials(
    connection: &mut PgConnection,
    owner: Owner,
    site: &str,
) -> Result<Vec<(Vec<u8>, u8)>> {
    let rows = sqlx::query!(
        r#"SELECT fingerprint, coalesce(transports, 0) AS "transports!" FROM user_factors
           WHERE organization_id = $1 AND user_id = $2 AND kind = 'passkey' AND site = $3 ORDER BY id"#,
        owner.organization.0,
        owner.user.0,
        site,
    )
    .fetch_all(connection)
    .await?;
    let each = rows.into_iter();
    Ok(each
        .map(|row| (row.fingerprint, u8::try_from(row.transports).unwrap_or_default()))
        .collect())
}

/// A factor to be kept.
pub(super) struct NewFactor<'a> {
    pub(super) kind: FactorKind,
    pub(super) name: &'a str,
    pub(super) fingerprint: Vec<u8>,
    pub(super) secret: Option<&'a [u8]>,
    pub(super) passkey: Option<&'a super::passkey::Added>,
    pub(super) used_up_to: Option<i64>,
}

/// Keeps it. The same one twice: `factor.already_there`.
pub(super) async fn insert(
    store: &Store,
    connection: &mut PgConnection,
    owner: Owner,
    new: &NewFactor<'_>,
    at: OffsetDateTime,
) -> Result<Factor> {
    let id = FactorId::new();
    let sealed = new
        .secret
        .map(|secret| store.sealer.seal_bytes(SECRET, secret))
        .transpose()?;
    let passkey = new.passkey;
    sqlx::query!(
        "INSERT INTO user_factors (id, organization_id, user_id, kind, name, fingerprint, sealed, public_key, state, transports,
           site, used_up_to, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
        id.0,
        owner.organization.0,
        owner.user.0,
        new.kind.as_str(),
        new.name,
        new.fingerprint,
        sealed,
        passkey.map(|passkey| passkey.public_key.as_slice()),
        passkey.map(|passkey| passkey.state.as_slice()),
        passkey.map(|passkey| i16::from(passkey.transports)),
        passkey.map(|passkey| passkey.site.as_str()),
        new.used_up_to,
        at,
    )
    .execute(connection)
    .await
    .map_err(there_already)?;
    Ok(Factor {
        id,
        kind: new.kind,
        name: new.name.to_owned(),
        site: passkey.map(|passkey| passkey.site.clone()),
        created_at: at,
        last_used_at: None,
    })
}

fn there_already(error: sqlx::Error) -> Error {
    let unique = error
        .as_database_error()
        .is_some_and(sqlx::error::DatabaseError::is_unique_violation);
    if !unique {
        return error.into();
    }
    Error::new(
        Kind::Conflict,
        "factor.already_there",
        "This one has been set up already.",
    )
}

/// All factors of `owner`, in the order they were set up.
pub(super) async fn all(connection: &mut PgConnection, owner: Owner) -> Result<Vec<Factor>> {
    let rows = sqlx::query!(
        "SELECT id, kind, name, site, created_at, last_used_at FROM user_factors
         WHERE organization_id = $1 AND user_id = $2 ORDER BY created_at, id",
        owner.organization.0,
        owner.user.0,
    )
    .fetch_all(connection)
    .await?;
    let known = rows.into_iter().filter_map(|row| {
        Some(Factor {
            id: FactorId(row.id),
            // of a kind that a newer node knows: it can neither be shown nor changed here
            kind: FactorKind::parse(&row.kind)?,
            name: row.name,
            site: row.site,
            created_at: row.created_at,
            last_used_at: row.last_used_at,
        })
    });
    Ok(known.collect())
}

/// How many recovery codes are left.
pub(super) async fn codes_left(connection: &mut PgConnection, owner: Owner) -> Result<i64> {
    Ok(sqlx::query_scalar!(
        r#"SELECT count(*) AS "left!" FROM recovery_codes WHERE organization_id = $1 AND user_id = $2 AND used_at IS NULL"#,
        owner.organization.0,
        owner.user.0,
    )
    .fetch_one(connection)
    .await?)
}

/// Takes the person's row, so that what happens to their factors happens in order.
pub(super) async fn take(connection: &mut PgConnection, owner: Owner) -> Result<()> {
    sqlx::query_scalar!(
        "SELECT id FROM users WHERE organization_id = $1 AND id = $2 AND deleted_at IS NULL FOR UPDATE",
        owner.organization.0,
        owner.user.0,
    )
    .fetch_optional(connection)
    .await?
    .map(drop)
    .ok_or_else(|| Error::not_found("user"))
}
