//! Entries that stand in no place of the chain: written past the hub, for whatever was never chained no hash speaks of.

use super::Broken;
use crate::Store;
use crate::kernel::error::{Error, Result};
use crate::kernel::id::OrganizationId;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;

/// Entries looked at in one transaction.
const LOOKED_AT: i64 = 5_000;

/// The oldest entry of `organization` that has no link and waits for none.
pub(super) async fn first(store: &Store, organization: OrganizationId) -> Result<Option<Broken>> {
    let mut after: Option<(OffsetDateTime, Uuid)> = None;
    loop {
        let mut tx = store.db.primary(organization).await?;
        let (at, id) = after.unzip();
        // an entry is on the work list or in the chain in every snapshot: one transaction moves it
        let page = sqlx::query!(
            r#"SELECT e.id, e.at,
                 NOT EXISTS (SELECT FROM audit_chain c WHERE c.audit_id = e.id AND c.audit_at = e.at AND c.organization_id = $1)
                 AND NOT EXISTS (SELECT FROM audit_unchained w WHERE w.audit_id = e.id AND w.audit_at = e.at) AS "outside!"
               FROM (SELECT id, at FROM audit_logs
                     WHERE organization_id = $1 AND ($2::timestamptz IS NULL OR (at, id) > ($2, $3::uuid))
                     ORDER BY at, id LIMIT $4) e
               ORDER BY e.at, e.id"#,
            organization.0,
            at,
            id,
            LOOKED_AT,
        )
        .fetch_all(&mut *tx)
        .await?;
        if let Some(found) = page.iter().find(|entry| entry.outside) {
            let at = found.at.format(&Rfc3339).map_err(Error::internal)?;
            return Ok(Some(Broken {
                position: 0,
                what: format!("the entry {} of {at} stands in no place of the chain", found.id),
            }));
        }
        let Some(last) = page.last().filter(|_| page.len() as i64 == LOOKED_AT) else {
            return Ok(None);
        };
        after = Some((last.at, last.id));
    }
}
