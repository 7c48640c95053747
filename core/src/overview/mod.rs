//! Table `counters`: the numbers of the Overview.
//!
//! Invariant: nothing is counted here. Events carry deltas, and the relay adds them in the transaction that gives them
//! their order, so a number is what the feed has told and is read in one lookup however many rows there are.

use crate::Store;
use crate::kernel::ctx::Ctx;
use crate::kernel::error::Result;
use crate::live::position::{self, Position};
use serde::Serialize;

/// Wire channel on which changed counters appear, as state without a position.
pub const CHANNEL: &str = "feed:overview";

/// The numbers. None is below zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Counters {
    /// People who are not deleted.
    pub users_total: i64,
    /// Of them, active.
    pub users_active: i64,
    /// Of them, banned.
    pub users_banned: i64,
    /// Sessions nobody has ended.
    pub sessions_active: i64,
    /// Jobs that wait.
    pub jobs_waiting: i64,
    /// Jobs at work.
    pub jobs_running: i64,
    /// Jobs given up or set aside.
    pub jobs_failed: i64,
    /// Imports at work.
    pub imports_running: i64,
}

/// What the Overview shows first.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Overview {
    /// The numbers.
    pub counters: Counters,
    /// Where `feed:overview` stood.
    #[serde(flatten)]
    pub position: Position,
}

impl Counters {
    fn slot(&mut self, name: &str) -> Option<&mut i64> {
        Some(match name {
            "users_total" => &mut self.users_total,
            "users_active" => &mut self.users_active,
            "users_banned" => &mut self.users_banned,
            "sessions_active" => &mut self.sessions_active,
            "jobs_waiting" => &mut self.jobs_waiting,
            "jobs_running" => &mut self.jobs_running,
            "jobs_failed" => &mut self.jobs_failed,
            "imports_running" => &mut self.imports_running,
            _ => return None,
        })
    }
}

/// Reads it.
pub async fn read(store: &Store, ctx: &Ctx) -> Result<Overview> {
    ctx.require("overview:read")?;
    let mut tx = store.db.read(ctx.organization).await?;
    let position = position::told(&mut tx, ctx, CHANNEL).await?;
    let rows = sqlx::query!(
        "SELECT name, value FROM counters WHERE organization_id = $1",
        ctx.organization.0
    )
    .fetch_all(&mut *tx)
    .await?;
    let mut counters = Counters::default();
    for row in rows {
        if let Some(slot) = counters.slot(&row.name) {
            *slot = row.value.max(0);
        }
    }
    Ok(Overview { counters, position })
}
