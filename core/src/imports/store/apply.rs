//! SQL of the last stage: staged lines become people.

use crate::db::PgConnection;
use crate::kernel::error::Result;
use crate::kernel::id::{ImportId, OrganizationId, UserId};
use time::OffsetDateTime;
use uuid::Uuid;

/// Some lines of an import that one lane applies.
#[derive(Clone, Copy, Debug)]
pub(in crate::imports) struct Lines {
    pub organization: OrganizationId,
    pub import: ImportId,
    pub first: i32,
    /// The first that is not among them.
    pub end: i32,
    /// Lines go to `lanes` lanes in turn, 256 at a time; these are of this one.
    pub lane: i32,
    pub lanes: i32,
}

/// People of a chunk that its event tells of.
pub(in crate::imports) const SOME: usize = 50;

/// What a chunk did.
#[derive(Debug, Default)]
pub(in crate::imports) struct Written {
    /// Lines that were not rejected before.
    pub acceptable: i64,
    pub inserted: i64,
    pub updated: i64,
    /// Of people written, [`SOME`] at most.
    pub some: Vec<UserId>,
}

/// Makes people of lines that were not rejected. Whoever has the address already is locked, and changed only with `changes`, and
/// where a value differs. The statement locks as it goes, so what it decides on cannot change before the commit.
pub(in crate::imports) async fn write_people(
    connection: &mut PgConnection,
    lines: Lines,
    changes: bool,
    at: OffsetDateTime,
) -> Result<Written> {
    let row = sqlx::query!(
        r#"WITH lines AS MATERIALIZED (
             SELECT * FROM import_lines
             WHERE organization_id = $1 AND import_id = $2 AND line >= $3 AND line < $4 AND line / 256 % $5 = $6),
           written AS (
             INSERT INTO users AS u (id, organization_id, email, name, phone, department, profile_image, last_import_id,
               created_at, updated_at)
             SELECT user_id, organization_id, email, coalesce(name, ''), phone, department, profile_image, import_id, $7, $7
             FROM lines ORDER BY line
             ON CONFLICT (email) DO UPDATE SET
               name = coalesce(nullif(excluded.name, ''), u.name), phone = coalesce(excluded.phone, u.phone),
               department = coalesce(excluded.department, u.department),
               profile_image = coalesce(excluded.profile_image, u.profile_image),
               version = u.version + 1, updated_at = excluded.updated_at, last_import_id = excluded.last_import_id
             WHERE $8 AND u.deleted_at IS NULL AND (u.name, u.phone, u.department, u.profile_image) IS DISTINCT FROM
               (coalesce(nullif(excluded.name, ''), u.name), coalesce(excluded.phone, u.phone),
                coalesce(excluded.department, u.department), coalesce(excluded.profile_image, u.profile_image))
             RETURNING u.id, u.version)
           SELECT (SELECT count(*) FROM lines) AS "acceptable!", count(*) FILTER (WHERE version = 1) AS "inserted!",
             count(*) FILTER (WHERE version > 1) AS "updated!", (array_agg(id))[1:50] AS some FROM written"#,
        lines.organization.0,
        lines.import.0,
        lines.first,
        lines.end,
        lines.lanes,
        lines.lane,
        at,
        changes,
    )
    .fetch_one(connection)
    .await?;
    Ok(Written {
        acceptable: row.acceptable,
        inserted: row.inserted,
        updated: row.updated,
        some: row.some.unwrap_or_default().into_iter().map(UserId).collect(),
    })
}

/// What [`write_people`] would do.
pub(in crate::imports) async fn foresee(connection: &mut PgConnection, lines: Lines) -> Result<Written> {
    let row = sqlx::query!(
        r#"SELECT count(*) AS "acceptable!", count(*) FILTER (WHERE u.id IS NULL) AS "inserted!",
             count(*) FILTER (WHERE u.id IS NOT NULL AND u.deleted_at IS NULL AND (u.name, u.phone, u.department, u.profile_image) IS DISTINCT FROM
               (coalesce(r.name, u.name), coalesce(r.phone, u.phone), coalesce(r.department, u.department),
                coalesce(r.profile_image, u.profile_image))) AS "changed!"
           FROM import_lines r LEFT JOIN users u ON u.email = r.email COLLATE "C"
           WHERE r.organization_id = $1 AND r.import_id = $2 AND r.line >= $3 AND r.line < $4 AND r.line / 256 % $5 = $6"#,
        lines.organization.0,
        lines.import.0,
        lines.first,
        lines.end,
        lines.lanes,
        lines.lane,
    )
    .fetch_one(connection)
    .await?;
    Ok(Written {
        acceptable: row.acceptable,
        inserted: row.inserted,
        updated: row.changed,
        some: Vec::new(),
    })
}

/// A line, and whom it would change.
#[derive(Debug)]
pub(in crate::imports) struct Matched {
    pub line: i32,
    pub user: UserId,
    /// Their teams.
    pub teams: Vec<Uuid>,
}

/// Lines that were not rejected and would change somebody who is there already.
pub(in crate::imports) async fn would_change(
    connection: &mut PgConnection,
    lines: Lines,
) -> Result<Vec<Matched>> {
    let rows = sqlx::query!(
        r#"SELECT r.line AS "line!", u.id, ARRAY(SELECT team_id FROM team_members m WHERE m.user_id = u.id) AS "teams!"
           FROM import_lines r JOIN users u ON u.email = r.email COLLATE "C"
           WHERE r.organization_id = $1 AND r.import_id = $2 AND r.line >= $3 AND r.line < $4 AND r.line / 256 % $5 = $6
             AND u.organization_id = $1 AND u.deleted_at IS NULL AND (u.name, u.phone, u.department, u.profile_image) IS DISTINCT FROM
               (coalesce(r.name, u.name), coalesce(r.phone, u.phone), coalesce(r.department, u.department),
                coalesce(r.profile_image, u.profile_image))"#,
        lines.organization.0,
        lines.import.0,
        lines.first,
        lines.end,
        lines.lanes,
        lines.lane,
    )
    .fetch_all(connection)
    .await?;
    let matched = rows.into_iter().map(|row| Matched {
        line: row.line,
        user: UserId(row.id),
        teams: row.teams,
    });
    Ok(matched.collect())
}

/// Rejects `beyond`, of `lines`: the importer may not change whom they are about. Answers how many.
pub(in crate::imports) async fn reject_beyond(
    connection: &mut PgConnection,
    lines: Lines,
    beyond: &[i32],
) -> Result<i64> {
    let rejected = sqlx::query!(
        "INSERT INTO import_rejects (organization_id, import_id, line, field, value, reason)
         SELECT organization_id, import_id, line, 'email', left(email, 200),
           'Somebody has this address whom whoever imports may not change. Ask an owner to import this line.'
         FROM import_rows WHERE organization_id = $1 AND import_id = $2 AND line = ANY($3)",
        lines.organization.0,
        lines.import.0,
        beyond,
    )
    .execute(connection)
    .await?;
    Ok(rejected.rows_affected() as i64)
}

/// Rejects lines whose address belongs to somebody deleted, who is not revived, or to another organization of this
/// installation; people of those are seen in `db.bookkeeping()` only. Answers how many.
pub(in crate::imports) async fn reject_taken(connection: &mut PgConnection, lines: Lines) -> Result<i64> {
    let rejected = sqlx::query!(
        r#"INSERT INTO import_rejects (organization_id, import_id, line, field, value, reason)
           SELECT r.organization_id, r.import_id, r.line, 'email', left(r.email, 200),
             CASE WHEN u.organization_id = $1 THEN 'Somebody with this address was deleted, and an import does not bring them back.'
               ELSE 'This address is in use elsewhere in this installation.' END
           FROM import_lines r JOIN users u ON u.email = r.email COLLATE "C"
           WHERE r.organization_id = $1 AND r.import_id = $2 AND r.line >= $3 AND r.line < $4 AND r.line / 256 % $5 = $6
             AND (u.organization_id <> $1 OR u.deleted_at IS NOT NULL)"#,
        lines.organization.0,
        lines.import.0,
        lines.first,
        lines.end,
        lines.lanes,
        lines.lane,
    )
    .execute(connection)
    .await?;
    Ok(rejected.rows_affected() as i64)
}

/// First and last staged line.
pub(in crate::imports) async fn span(
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

/// Whether the installation has organizations besides this one.
pub(in crate::imports) async fn has_others(
    connection: &mut PgConnection,
    organization: OrganizationId,
) -> Result<bool> {
    Ok(sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM organizations WHERE id <> $1) AS "there!""#,
        organization.0
    )
    .fetch_one(connection)
    .await?)
}

/// Has the statements that follow in this transaction join by hash. The staged tables were written a moment ago and nobody
/// has counted them yet: the planner takes them for tiny and compares every line with every reject (measured: 40,000
/// lines with 2,000 rejects took 30 s, and 2 s so).
pub(in crate::imports) async fn join_by_hash(connection: &mut PgConnection, on: bool) -> Result<()> {
    let nested = if on { "off" } else { "on" };
    sqlx::query!("SELECT set_config('enable_nestloop', $1, true) AS done", nested)
        .fetch_one(connection)
        .await?;
    Ok(())
}

/// Has PostgreSQL look at how many people there are now.
pub(in crate::imports) async fn analyze_people(connection: &mut PgConnection) -> Result<()> {
    sqlx::query!("SELECT signalbox_analyze_people()")
        .execute(connection)
        .await?;
    Ok(())
}
