//! What names a person in what is not theirs alone: by which addresses they are looked for, and how what is found goes.

use super::store::Person;
use crate::Store;
use crate::change::Change;
use crate::db::PgConnection;
use crate::kernel::error::Result;
use crate::kernel::id::{OrganizationId, UserId};
use crate::kernel::percent;
use futures::TryStreamExt;
use serde_json::Value;
use std::collections::HashMap;
use uuid::Uuid;

/// All addresses that the person has had, in lower case: what they were called by before names them as well.
pub(super) async fn addresses(
    store: &Store,
    change: &mut Change,
    id: UserId,
    person: &Person,
) -> Result<Vec<String>> {
    let organization = change.ctx().organization;
    let mut former = Value::Array(former_addresses(change.tx(), organization, id).await?);
    let salt = super::store::salt(change.tx(), id).await?;
    let salts: HashMap<UserId, Uuid> = salt.map(|salt| (id, salt)).into_iter().collect();
    store.sealer.open(&salts, &mut former);
    let former = former.as_array().into_iter().flatten().filter_map(Value::as_str);
    let mut all: Vec<String> = former.map(str::to_lowercase).collect();
    // an address that was given up may be somebody else's by now
    let taken = taken(change.tx(), id, &all).await?;
    all.retain(|address| *address != person.email && !taken.contains(address));
    all.push(person.email.clone());
    Ok(all)
}

/// The addresses that `id` has had until now, as the audit tells them; sealed as they stand there.
pub(super) async fn former_addresses(
    connection: &mut PgConnection,
    organization: OrganizationId,
    id: UserId,
) -> Result<Vec<Value>> {
    Ok(sqlx::query_scalar!(
        r#"SELECT DISTINCT changes #> '{email,before}' AS "sealed!" FROM audit_logs
           WHERE organization_id = $1 AND subject_id = $2 AND changes #>> '{email,before}' IS NOT NULL"#,
        organization.0,
        id.0,
    )
    .fetch_all(connection)
    .await?)
}

/// Those of `addresses` that somebody other than `id` has now.
pub(super) async fn taken(
    connection: &mut PgConnection,
    id: UserId,
    addresses: &[String],
) -> Result<Vec<String>> {
    Ok(sqlx::query_scalar!(
        "SELECT email FROM users WHERE email = ANY($1) AND id <> $2",
        addresses,
        id.0
    )
    .fetch_all(connection)
    .await?)
}

/// Takes the person's values out of what is kept for a while: answers that may be asked for again, reports of imports, staged lines,
/// other people's views. `addresses` are all that they have had, in lower case.
pub(super) async fn values(
    connection: &mut PgConnection,
    organization: OrganizationId,
    id: UserId,
    person: &Person,
    addresses: &[String],
) -> Result<()> {
    sqlx::query!(
        "UPDATE import_rejects SET value = '' WHERE organization_id = $1
           AND (lower(value) = ANY($2) OR (value = $3 AND $3 <> '') OR value = $4)",
        organization.0,
        addresses,
        person.name,
        person.phone,
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query!(
        "DELETE FROM import_rows WHERE organization_id = $1 AND (lower(email) = ANY($2) OR user_id = $3)",
        organization.0,
        addresses,
        id.0,
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query!(
        "DELETE FROM sign_ups WHERE organization_id = $1 AND email = ANY($2)",
        organization.0,
        addresses,
    )
    .execute(&mut *connection)
    .await?;
    forget_views(connection, organization, addresses).await
}

/// Deletes saved views that look for one of `addresses`.
async fn forget_views(
    connection: &mut PgConnection,
    organization: OrganizationId,
    addresses: &[String],
) -> Result<()> {
    let mut naming = Vec::new();
    let mut views = sqlx::query!(
        "SELECT id, query FROM saved_filters WHERE organization_id = $1
           AND (strpos(query, '@') > 0 OR strpos(query, '%40') > 0)",
        organization.0
    )
    .fetch(&mut *connection);
    while let Some(view) = views.try_next().await? {
        if names(percent::decoded(&view.query).as_bytes(), addresses) {
            naming.push(view.id);
        }
    }
    drop(views);
    sqlx::query!(
        "DELETE FROM saved_filters WHERE organization_id = $1 AND id = ANY($2)",
        organization.0,
        &naming,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Deletes the contents of an uploaded file that names one of `addresses`: a file of many people cannot be taken apart.
pub(super) async fn empty_file_naming(
    connection: &mut PgConnection,
    organization: OrganizationId,
    file: Uuid,
    addresses: &[String],
) -> Result<()> {
    let (mut n, mut window) = (0, Vec::new());
    while let Some(bytes) = chunk(connection, organization, file, n).await? {
        window.extend(bytes);
        if names(&window, addresses) {
            sqlx::query!(
                "DELETE FROM file_chunks WHERE organization_id = $1 AND file_id = $2",
                organization.0,
                file,
            )
            .execute(connection)
            .await?;
            return Ok(());
        }
        // an address may stand across the border of two chunks
        window.drain(..window.len().saturating_sub(LONGEST_ADDRESS));
        n += 1;
    }
    Ok(())
}

/// Bytes of the longest address: 320 characters of up to 4 bytes.
const LONGEST_ADDRESS: usize = 1_280;

/// Whether `bytes` hold one of `addresses`, in whatever case. In Rust, because PostgreSQL refuses text that is not UTF-8, and its
/// lower case of bytes knows ASCII only.
pub(super) fn names(bytes: &[u8], addresses: &[String]) -> bool {
    let text = String::from_utf8_lossy(bytes).to_lowercase();
    addresses.iter().any(|address| text.contains(address.as_str()))
}

async fn chunk(
    connection: &mut PgConnection,
    organization: OrganizationId,
    file: Uuid,
    n: i32,
) -> Result<Option<Vec<u8>>> {
    Ok(sqlx::query_scalar!(
        "SELECT bytes FROM file_chunks WHERE organization_id = $1 AND file_id = $2 AND n = $3",
        organization.0,
        file,
        n,
    )
    .fetch_optional(connection)
    .await?)
}
