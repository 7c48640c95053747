//! SQL of imports. What stages lines runs in `db.bookkeeping()`, with the run's checkpoint; what a person sees changes
//! through `Change`.

mod apply;
mod judge;
mod report;
mod stage;
mod sweep;

pub(super) use apply::{
    Lines, Matched, SOME, Written, analyze_people, foresee, has_others, join_by_hash, reject_beyond,
    reject_taken, span, would_change, write_people,
};
pub(super) use judge::{prepare_to_judge, reject_repeated};
pub(super) use report::rejects;
pub(super) use stage::stage;
pub(super) use sweep::{swept, to_close, to_sweep, unstage};

use super::columns::Mapping;
use super::model::{Counts, Import, ImportAuthor, ImportFile, Mode, Phase};
use crate::db::PgConnection;
use crate::jobs::JobState;
use crate::kernel::error::{Error, Result};
use crate::kernel::id::{FileId, ImportId, JobId, OrganizationId, UserId};
use serde_json::Value;
use time::OffsetDateTime;
use uuid::Uuid;

/// A new import.
pub(super) struct NewImport<'a> {
    pub id: ImportId,
    pub mode: Mode,
    pub file: FileId,
    pub job: Option<JobId>,
    pub source: Option<ImportId>,
    pub mapping: &'a Mapping,
    pub delimiter: u8,
    pub by: Option<UserId>,
}

pub(super) async fn insert(
    connection: &mut PgConnection,
    organization: OrganizationId,
    import: &NewImport<'_>,
) -> Result<()> {
    let preview = import.mode == Mode::Preview;
    sqlx::query!(
        "INSERT INTO imports (id, organization_id, kind, mode, state, phase, file_id, job_id, source_import_id, mapping,
           delimiter, created_by, finished_at)
         VALUES ($1, $2, 'users', $3, CASE WHEN $9 THEN 'succeeded' ELSE 'waiting' END,
           CASE WHEN $9 THEN 'done' ELSE 'load' END, $4, $5, $6, $7, $8, $10, CASE WHEN $9 THEN now() END)",
        import.id.0,
        organization.0,
        import.mode.as_str(),
        import.file.0,
        import.job.map(|job| job.0),
        import.source.map(|source| source.0),
        serde_json::to_value(import.mapping)?,
        char::from(import.delimiter).to_string(),
        preview,
        import.by.map(|by| by.0),
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Imports of `organization`: the one of `only`, or those after `after`, newest first. The state is the job's until the
/// import has ended.
pub(super) async fn read(
    connection: &mut PgConnection,
    organization: OrganizationId,
    only: Option<ImportId>,
    after: Option<(OffsetDateTime, Uuid)>,
    limit: i64,
) -> Result<Vec<Import>> {
    let (at, id) = after.unzip();
    let rows = sqlx::query!(
        r#"SELECT i.id, i.job_id, i.kind, i.mode, i.phase, i.total, i.inserted, i.updated, i.unchanged, i.rejected,
             i.mapping, i.delimiter, i.created_by, i.created_at, i.source_import_id, i.version,
             CASE WHEN i.finished_at IS NULL THEN coalesce(j.state, i.state) ELSE i.state END AS "state!",
             coalesce(i.finished_at, j.finished_at) AS finished_at,
             coalesce(i.error, CASE WHEN j.state IN ('failed', 'quarantined') THEN j.errors -> -1 ->> 'message' END) AS error,
             f.id AS file_id, f.name AS file_name, f.size, encode(f.sha256, 'hex') AS sha256
           FROM imports i JOIN files f ON f.id = i.file_id LEFT JOIN jobs j ON j.id = i.job_id
           WHERE i.organization_id = $1 AND ($2::uuid IS NULL OR i.id = $2)
             AND ($3::timestamptz IS NULL OR (i.created_at, i.id) < ($3, $4::uuid))
           ORDER BY i.created_at DESC, i.id DESC LIMIT $5"#,
        organization.0,
        only.map(|only| only.0),
        at,
        id,
        limit,
    )
    .fetch_all(connection)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Import {
                id: ImportId(row.id),
                job_id: row.job_id.map(JobId),
                kind: row.kind,
                mode: known(Mode::parse(&row.mode))?,
                state: known(JobState::parse(&row.state))?,
                phase: known(Phase::parse(&row.phase))?,
                counts: Counts {
                    total: row.total,
                    inserted: row.inserted,
                    updated: row.updated,
                    unchanged: row.unchanged,
                    rejected: row.rejected,
                },
                file: ImportFile {
                    name: row.file_name,
                    size: row.size,
                    sha256: row.sha256.unwrap_or_default(),
                    id: FileId(row.file_id),
                },
                mapping: serde_json::from_value(row.mapping)?,
                delimiter: row.delimiter,
                created_by: ImportAuthor {
                    id: row.created_by,
                    name: None,
                },
                created_at: row.created_at,
                finished_at: row.finished_at,
                error: row.error,
                source_import_id: row.source_import_id.map(ImportId),
                version: row.version,
                can: Vec::new(),
            })
        })
        .collect()
}

fn known<T>(value: Option<T>) -> Result<T> {
    value.ok_or_else(|| Error::internal("an import holds an unknown word"))
}

/// Adds to the counts, of which `total` is always the sum, and moves the import on to `phase`, never back: the stages
/// overlap. Locks its row.
pub(super) async fn count(
    connection: &mut PgConnection,
    import: ImportId,
    more: Counts,
    phase: Phase,
) -> Result<()> {
    sqlx::query!(
        "UPDATE imports SET inserted = inserted + $2, updated = updated + $3, unchanged = unchanged + $4,
           rejected = rejected + $5, total = inserted + updated + unchanged + rejected + $2 + $3 + $4 + $5,
           phase = CASE WHEN array_position('{load,judge,apply,done}'::text[], phase) < array_position('{load,judge,apply,done}'::text[], $6)
             THEN $6 ELSE phase END,
           version = version + 1
         WHERE id = $1",
        import.0,
        more.inserted,
        more.updated,
        more.unchanged,
        more.rejected,
        phase.as_str(),
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Closes an import.
pub(super) async fn finish(
    connection: &mut PgConnection,
    import: ImportId,
    state: JobState,
    error: Option<&str>,
    at: OffsetDateTime,
) -> Result<()> {
    sqlx::query!(
        "UPDATE imports SET state = $2, phase = CASE WHEN $2 = 'succeeded' THEN 'done' ELSE phase END, error = $3,
           finished_at = $4, version = version + 1 WHERE id = $1",
        import.0,
        state.as_str(),
        error,
        at,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// As JSON, for events.
pub(super) fn item(import: &Import) -> Result<Value> {
    let mut item = serde_json::to_value(import)?;
    if let Some(members) = item.as_object_mut() {
        members.remove("can");
    }
    Ok(item)
}
