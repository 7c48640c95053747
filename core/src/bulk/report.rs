//! Whom an act on many could not change, as CSV, a piece at a time.

use super::store;
use crate::Store;
use crate::kernel::ctx::Ctx;
use crate::kernel::error::Result;
use crate::kernel::id::{BulkId, OrganizationId, UserId};
use std::fmt::Write;
use uuid::Uuid;

/// Lines of a piece.
const PIECE: i64 = 1_000;

/// The report, as far as it is read.
#[derive(Debug)]
pub struct Failures {
    store: Store,
    organization: OrganizationId,
    bulk: BulkId,
    after: Option<UserId>,
    over: bool,
}

impl Failures {
    pub(super) fn of(store: &Store, organization: OrganizationId, bulk: BulkId) -> Self {
        Self {
            store: store.clone(),
            organization,
            bulk,
            after: None,
            over: false,
        }
    }

    /// Passes where somebody with the rights of `ctx` would be given it too.
    pub async fn may_go_on(&self, ctx: &Ctx) -> Result<()> {
        super::service::failures(&self.store, ctx, self.bulk)
            .await
            .map(drop)
    }

    /// The next piece; `None` after the last.
    pub async fn next(&mut self) -> Result<Option<String>> {
        if self.over {
            return Ok(None);
        }
        let after = self.after.unwrap_or(UserId(Uuid::nil()));
        let mut tx = self.store.db.read(self.organization).await?;
        let left = store::left(&mut tx, self.organization, self.bulk, after, PIECE).await?;
        let mut piece = String::new();
        if self.after.is_none() {
            piece.push_str("user_id,code,detail\r\n");
        }
        for (user, code, detail) in &left {
            let code = code.as_deref().unwrap_or("not_reached");
            let detail = detail.as_deref().unwrap_or_default().replace('"', "\"\"");
            // writing to a text cannot fail
            let _ = write!(piece, "{user},{code},\"{detail}\"\r\n");
        }
        self.over = (left.len() as i64) < PIECE;
        self.after = left.last().map(|(user, ..)| *user).or(self.after);
        Ok(Some(piece))
    }
}
