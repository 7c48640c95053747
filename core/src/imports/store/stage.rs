//! SQL of the first stage: the file's records become staged lines and rejects.

use super::super::model::{Counts, Phase};
use super::super::row::{Reject, Staged};
use super::count;
use crate::db::PgConnection;
use crate::kernel::error::Result;
use crate::kernel::id::{ImportId, OrganizationId};

/// Stages lines and notes rejects, and adds to the counts.
pub(in crate::imports) async fn stage(
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
        let more = Counts {
            rejected: rejects.len() as i64,
            ..Counts::default()
        };
        count(connection, import, more, Phase::Load).await?;
    }
    sqlx::query!(
        "UPDATE imports SET staged = true WHERE id = $1 AND NOT staged",
        import.0
    )
    .execute(connection)
    .await?;
    Ok(())
}
