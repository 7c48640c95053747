//! Reading `revocations`, and with it `users_touched`, so that none is missed.
//!
//! A row's `seq` is taken when it is written, and seen when its transaction commits, which may be long after higher
//! ones. So reading goes by transaction id: everything from the oldest transaction that was still running at the last
//! read. Rows then come more than once; a revocation is a state, and a repeat is harmless.

use crate::bus::control::{Revocation, RevocationKind, Touched};
use crate::db::Db;
use crate::kernel::error::Result;
use crate::kernel::id::{OrganizationId, UserId};
use std::collections::HashSet;

/// A reader's place in the table. It survives whatever reads; two readers have two.
#[derive(Debug, Default)]
pub struct Reader {
    /// Transactions older than this had all ended when it was last read. `None` before the first read.
    oldest: Option<String>,
    /// The rows of the last read, which may come again.
    seen: HashSet<(bool, i64)>,
}

/// What a read found.
#[derive(Debug, Default)]
pub struct News {
    /// Committed since the last read, in the order they were written.
    pub revocations: Vec<Revocation>,
    /// Whose rows were written.
    pub touched: Vec<Touched>,
}

impl Reader {
    /// Reads what was committed since the last call. The first call finds nothing and sets the place: whoever starts
    /// with an empty cache has nothing to take back.
    pub async fn read(&mut self, db: &Db) -> Result<News> {
        let mut tx = db.snapshot_kept_free().await?;
        // One statement, one snapshot: what it does not show is at least as new as the xmin it returns.
        let rows = sqlx::query!(
            r#"SELECT pg_snapshot_xmin(pg_current_snapshot())::text AS "oldest!", r.seq AS "seq?",
                 r.organization_id AS "organization_id?", r.kind AS "kind?", r.subject AS "subject?",
                 r.access_version AS "access_version?", r.reason AS "reason?"
               FROM (SELECT 1) AS one LEFT JOIN (
                 SELECT seq, organization_id, kind, subject, access_version, reason FROM revocations
                 WHERE xid >= ($1::text)::xid8
                 UNION ALL
                 SELECT seq, organization_id, NULL, user_id, NULL, NULL FROM users_touched
                 WHERE xid >= ($1::text)::xid8) r ON true
               ORDER BY r.seq"#,
            self.oldest,
        )
        .fetch_all(&mut *tx)
        .await?;
        let mut news = News::default();
        let mut seen = HashSet::new();
        for row in rows {
            if self.oldest.as_ref() != Some(&row.oldest) {
                self.oldest = Some(row.oldest);
            }
            let (Some(seq), Some(organization)) = (row.seq, row.organization_id) else {
                continue;
            };
            let place = (row.kind.is_some(), seq);
            seen.insert(place);
            if self.seen.contains(&place) {
                continue;
            }
            let organization = OrganizationId(organization);
            let Some(kind) = row.kind else {
                let user = row.subject.map(UserId);
                news.touched.push(Touched { organization, user });
                continue;
            };
            // A kind of a newer node: everybody of the organization is looked at again.
            let known = RevocationKind::parse(&kind);
            news.revocations.push(Revocation {
                organization,
                kind: known.unwrap_or(RevocationKind::Organization),
                subject: row.subject.filter(|_| known.is_some()).unwrap_or(organization.0),
                access_version: known.and(row.access_version),
                reason: row.reason.unwrap_or_default(),
            });
        }
        self.seen = seen;
        Ok(news)
    }
}
