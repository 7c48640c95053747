//! SQL of imports. What stages lines runs in `db.bookkeeping()`, with the run's checkpoint; what a person sees changes
//! through `Change`.

use super::columns::Mapping;
use super::model::{Counts, Import, ImportAuthor, ImportFile, Mode, Phase};
use super::row::{Reject, Staged};
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

/// Stages lines and notes rejects, and adds to the counts.
pub(super) async fn stage(
    connection: &mut PgConnection,
    organization: OrganizationId,
    import: ImportId,
    staged: &[Staged],
    rejects: &[Reject],
) -> Result<()> {
    let text = |n: usize| -> Vec<Option<String>> { staged.iter().map(|row| row.rest[n].clone()).collect() };
    sqlx::query!(
        "INSERT INTO import_rows (organization_id, import_id, line, user_id, email, name, phone, department, profile_image)
         SELECT $1, $2, * FROM unnest($3::int[], $4::uuid[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[])",
        organization.0,
        import.0,
        &staged.iter().map(|row| row.line as i32).collect::<Vec<_>>(),
        &staged.iter().map(|row| row.id.0).collect::<Vec<_>>(),
        &staged.iter().map(|row| row.email.clone()).collect::<Vec<_>>(),
        &text(0) as &[Option<String>],
        &text(1) as &[Option<String>],
        &text(2) as &[Option<String>],
        &text(3) as &[Option<String>],
    )
    .execute(&mut *connection)
    .await?;
    if !rejects.is_empty() {
        sqlx::query!(
            "INSERT INTO import_rejects (organization_id, import_id, line, field, value, reason)
             SELECT $1, $2, * FROM unnest($3::int[], $4::text[], $5::text[], $6::text[])",
            organization.0,
            import.0,
            &rejects.iter().map(|row| row.line as i32).collect::<Vec<_>>(),
            &rejects.iter().map(|row| row.field.to_owned()).collect::<Vec<_>>(),
            &rejects.iter().map(|row| row.value.clone()).collect::<Vec<_>>(),
            &rejects.iter().map(|row| row.reason.clone()).collect::<Vec<_>>(),
        )
        .execute(&mut *connection)
        .await?;
    }
    let counts = Counts {
        total: (staged.len() + rejects.len()) as i64,
        rejected: rejects.len() as i64,
        ..Counts::default()
    };
    count(connection, import, counts, Phase::Load).await?;
    sqlx::query!(
        "UPDATE imports SET staged = true WHERE id = $1 AND NOT staged",
        import.0
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Adds to the counts and moves the import to `phase`. Locks its row. Answers its version now.
pub(super) async fn count(
    connection: &mut PgConnection,
    import: ImportId,
    more: Counts,
    phase: Phase,
) -> Result<i64> {
    Ok(sqlx::query_scalar!(
        "UPDATE imports SET total = total + $2, inserted = inserted + $3, updated = updated + $4,
           unchanged = unchanged + $5, rejected = rejected + $6, phase = $7, version = version + 1
         WHERE id = $1 RETURNING version",
        import.0,
        more.total,
        more.inserted,
        more.updated,
        more.unchanged,
        more.rejected,
        phase.as_str(),
    )
    .fetch_one(connection)
    .await?)
}

/// Rejects, of the lines with one address, all but the first. Answers how many. One sort, whatever the planner knows of a
/// table that was just filled: a join with the first lines became a nested loop over all of them.
pub(super) async fn reject_repeated(
    connection: &mut PgConnection,
    organization: OrganizationId,
    import: ImportId,
) -> Result<i64> {
    let rejected = sqlx::query!(
        r#"INSERT INTO import_rejects (organization_id, import_id, line, field, value, reason)
           SELECT $1, $2, line, 'email', left(email, 200), 'Line ' || first || ' has the same address and comes first.'
           FROM (SELECT line, email, min(line) OVER (PARTITION BY email COLLATE "C") AS first
                 FROM import_rows WHERE organization_id = $1 AND import_id = $2) lines
           WHERE line > first"#,
        organization.0,
        import.0,
    )
    .execute(connection)
    .await?;
    Ok(rejected.rows_affected() as i64)
}

/// First and last staged line, and how many there are.
pub(super) async fn span(
    connection: &mut PgConnection,
    organization: OrganizationId,
    import: ImportId,
) -> Result<Option<(i32, i32)>> {
    let span = sqlx::query!(
        "SELECT min(line) AS first, max(line) AS last FROM import_rows WHERE organization_id = $1 AND import_id = $2",
        organization.0,
        import.0
    )
    .fetch_one(connection)
    .await?;
    Ok(span.first.zip(span.last))
}

/// Some lines of an import, first and last included.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lines {
    pub organization: OrganizationId,
    pub import: ImportId,
    pub first: i32,
    pub last: i32,
}

/// What a chunk did.
#[derive(Debug, Default)]
pub(super) struct Written {
    pub inserted: i64,
    pub updated: i64,
    /// Of people written, 50 at most.
    pub some: Vec<UserId>,
}

/// Makes people of lines that were not rejected. Whoever has the address already is locked, and changed only where a
/// value differs. The statement locks as it goes, so what it decides on cannot change before the commit.
pub(super) async fn write_people(
    connection: &mut PgConnection,
    lines: Lines,
    at: OffsetDateTime,
) -> Result<Written> {
    let row = sqlx::query!(
        r#"WITH written AS (
             INSERT INTO users AS u (id, organization_id, email, name, phone, department, profile_image, last_import_id,
               created_at, updated_at)
             SELECT r.user_id, r.organization_id, r.email, coalesce(r.name, ''), r.phone, r.department, r.profile_image,
               r.import_id, $5, $5
             FROM import_rows r
             WHERE r.organization_id = $1 AND r.import_id = $2 AND r.line BETWEEN $3 AND $4
               AND NOT EXISTS (SELECT FROM import_rejects x WHERE x.organization_id = $1 AND x.import_id = $2 AND x.line = r.line)
             ORDER BY r.line
             ON CONFLICT (email) DO UPDATE SET
               name = coalesce(nullif(excluded.name, ''), u.name), phone = coalesce(excluded.phone, u.phone),
               department = coalesce(excluded.department, u.department),
               profile_image = coalesce(excluded.profile_image, u.profile_image),
               version = u.version + 1, updated_at = excluded.updated_at, last_import_id = excluded.last_import_id
             WHERE u.deleted_at IS NULL AND (u.name, u.phone, u.department, u.profile_image) IS DISTINCT FROM
               (coalesce(nullif(excluded.name, ''), u.name), coalesce(excluded.phone, u.phone),
                coalesce(excluded.department, u.department), coalesce(excluded.profile_image, u.profile_image))
             RETURNING u.id, u.version)
           SELECT count(*) FILTER (WHERE version = 1) AS "inserted!", count(*) FILTER (WHERE version > 1) AS "updated!",
             (array_agg(id))[1:50] AS some FROM written"#,
        lines.organization.0,
        lines.import.0,
        lines.first,
        lines.last,
        at,
    )
    .fetch_one(connection)
    .await?;
    Ok(Written {
        inserted: row.inserted,
        updated: row.updated,
        some: row.some.unwrap_or_default().into_iter().map(UserId).collect(),
    })
}

/// What [`write_people`] would do.
pub(super) async fn foresee(connection: &mut PgConnection, lines: Lines) -> Result<Written> {
    let row = sqlx::query!(
        r#"SELECT count(*) FILTER (WHERE u.id IS NULL) AS "inserted!",
             count(*) FILTER (WHERE u.id IS NOT NULL AND u.deleted_at IS NULL AND (u.name, u.phone, u.department, u.profile_image) IS DISTINCT FROM
               (coalesce(r.name, u.name), coalesce(r.phone, u.phone), coalesce(r.department, u.department),
                coalesce(r.profile_image, u.profile_image))) AS "changed!"
           FROM import_rows r LEFT JOIN users u ON u.email = r.email COLLATE "C"
           WHERE r.organization_id = $1 AND r.import_id = $2 AND r.line BETWEEN $3 AND $4
             AND NOT EXISTS (SELECT FROM import_rejects x WHERE x.organization_id = $1 AND x.import_id = $2 AND x.line = r.line)"#,
        lines.organization.0,
        lines.import.0,
        lines.first,
        lines.last,
    )
    .fetch_one(connection)
    .await?;
    Ok(Written {
        inserted: row.inserted,
        updated: row.changed,
        some: Vec::new(),
    })
}

/// How many of the lines are not rejected.
pub(super) async fn acceptable(connection: &mut PgConnection, lines: Lines) -> Result<i64> {
    Ok(sqlx::query_scalar!(
        r#"SELECT count(*) AS "n!" FROM import_rows r
           WHERE r.organization_id = $1 AND r.import_id = $2 AND r.line BETWEEN $3 AND $4
             AND NOT EXISTS (SELECT FROM import_rejects x WHERE x.organization_id = $1 AND x.import_id = $2 AND x.line = r.line)"#,
        lines.organization.0,
        lines.import.0,
        lines.first,
        lines.last,
    )
    .fetch_one(connection)
    .await?)
}

/// Rejects lines whose address belongs to somebody deleted, who is not revived.
pub(super) async fn reject_deleted(connection: &mut PgConnection, lines: Lines) -> Result<i64> {
    let rejected = sqlx::query!(
        r#"INSERT INTO import_rejects (organization_id, import_id, line, field, value, reason)
           SELECT r.organization_id, r.import_id, r.line, 'email', left(r.email, 200),
             'Somebody with this address was deleted, and an import does not bring them back.'
           FROM import_rows r JOIN users u ON u.email = r.email COLLATE "C" AND u.organization_id = $1
           WHERE r.organization_id = $1 AND r.import_id = $2 AND r.line BETWEEN $3 AND $4 AND u.deleted_at IS NOT NULL
             AND NOT EXISTS (SELECT FROM import_rejects x WHERE x.organization_id = $1 AND x.import_id = $2 AND x.line = r.line)"#,
        lines.organization.0,
        lines.import.0,
        lines.first,
        lines.last,
    )
    .execute(connection)
    .await?;
    Ok(rejected.rows_affected() as i64)
}

/// Rejects lines whose address belongs to another organization of this installation; needs `db.bookkeeping()`, which sees
/// them all.
pub(super) async fn reject_foreign(connection: &mut PgConnection, lines: Lines) -> Result<i64> {
    let rejected = sqlx::query!(
        r#"INSERT INTO import_rejects (organization_id, import_id, line, field, value, reason)
           SELECT r.organization_id, r.import_id, r.line, 'email', left(r.email, 200),
             'This address is in use elsewhere in this installation.'
           FROM import_rows r JOIN users u ON u.email = r.email COLLATE "C" AND u.organization_id <> $1
           WHERE r.organization_id = $1 AND r.import_id = $2 AND r.line BETWEEN $3 AND $4
             AND NOT EXISTS (SELECT FROM import_rejects x WHERE x.organization_id = $1 AND x.import_id = $2 AND x.line = r.line)"#,
        lines.organization.0,
        lines.import.0,
        lines.first,
        lines.last,
    )
    .execute(connection)
    .await?;
    Ok(rejected.rows_affected() as i64)
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

/// A page of the report, by line.
pub(super) async fn rejects(
    connection: &mut PgConnection,
    organization: OrganizationId,
    import: ImportId,
    after: i32,
    limit: i64,
) -> Result<Vec<(i32, String, String, String)>> {
    let rows = sqlx::query!(
        "SELECT line, field, value, reason FROM import_rejects
         WHERE organization_id = $1 AND import_id = $2 AND line > $3 ORDER BY line LIMIT $4",
        organization.0,
        import.0,
        after,
        limit
    )
    .fetch_all(connection)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| (row.line, row.field, row.value, row.reason))
        .collect())
}

/// An import whose job is over and whose lines are still staged.
pub(super) async fn to_sweep(connection: &mut PgConnection) -> Result<Option<(OrganizationId, ImportId)>> {
    let row = sqlx::query!(
        "SELECT i.organization_id, i.id FROM imports i JOIN jobs j ON j.id = i.job_id
         WHERE i.staged AND j.state IN ('succeeded', 'failed', 'cancelled', 'quarantined') LIMIT 1"
    )
    .fetch_optional(connection)
    .await?;
    Ok(row.map(|row| (OrganizationId(row.organization_id), ImportId(row.id))))
}

/// Deletes staged lines up to the `most`th after `after`; answers the last one deleted.
pub(super) async fn unstage(
    connection: &mut PgConnection,
    organization: OrganizationId,
    import: ImportId,
    after: i32,
    most: i64,
) -> Result<Option<i32>> {
    Ok(sqlx::query_scalar!(
        "WITH gone AS (
           DELETE FROM import_rows WHERE organization_id = $1 AND import_id = $2 AND line > $3 AND line <= coalesce(
             (SELECT line FROM import_rows WHERE organization_id = $1 AND import_id = $2 AND line > $3
              ORDER BY line OFFSET $4 LIMIT 1), 2147483647)
           RETURNING line)
         SELECT max(line) FROM gone",
        organization.0,
        import.0,
        after,
        most - 1,
    )
    .fetch_one(connection)
    .await?)
}

/// Notes that nothing is staged any more.
pub(super) async fn swept(connection: &mut PgConnection, import: ImportId) -> Result<()> {
    sqlx::query!("UPDATE imports SET staged = false WHERE id = $1", import.0)
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

/// An import whose job ended without closing it: cancelled while it waited, given up, or set aside.
pub(super) async fn to_close(
    connection: &mut PgConnection,
) -> Result<Option<(OrganizationId, ImportId, JobId)>> {
    let row = sqlx::query!(
        "SELECT i.organization_id, i.id, j.id AS job_id FROM imports i JOIN jobs j ON j.id = i.job_id
         WHERE i.finished_at IS NULL AND j.state IN ('succeeded', 'failed', 'cancelled', 'quarantined') LIMIT 1"
    )
    .fetch_optional(connection)
    .await?;
    Ok(row.map(|row| {
        (
            OrganizationId(row.organization_id),
            ImportId(row.id),
            JobId(row.job_id),
        )
    }))
}

/// Whether the installation has organizations besides this one.
pub(super) async fn has_others(connection: &mut PgConnection, organization: OrganizationId) -> Result<bool> {
    Ok(sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM organizations WHERE id <> $1) AS "there!""#,
        organization.0
    )
    .fetch_one(connection)
    .await?)
}

/// Gives one statement of this transaction the memory to group a million addresses without a temporary file.
pub(super) async fn allow_memory(connection: &mut PgConnection) -> Result<()> {
    sqlx::query!("SELECT set_config('work_mem', '128MB', true) AS done")
        .fetch_one(connection)
        .await?;
    Ok(())
}

/// Has the statements that follow in this transaction join by hash. The staged tables were written a moment ago and nobody
/// has counted them yet: the planner takes them for tiny and compares every line with every reject (measured: 40,000
/// lines with 2,000 rejects took 30 s, and 2 s so).
pub(super) async fn join_by_hash(connection: &mut PgConnection, on: bool) -> Result<()> {
    let nested = if on { "off" } else { "on" };
    sqlx::query!("SELECT set_config('enable_nestloop', $1, true) AS done", nested)
        .fetch_one(connection)
        .await?;
    Ok(())
}
