//! Whose rows a change has touched, as the database itself says (`users_touched`, written by triggers).
//!
//! What nodes keep of people's rows is kept true by this: the node that commits drops them before the commit and keeps none of
//! them until after it, the others hear of it over the bus, and read the table every 100 ms (`sessions::revocations`).

use crate::bus::control::Touched;
use crate::db::PgConnection;
use crate::kernel::error::Result;
use crate::kernel::id::{OrganizationId, UserId};

/// Of the transaction under way.
pub(super) async fn by_now(connection: &mut PgConnection) -> Result<Vec<Touched>> {
    let rows =
        sqlx::query!("SELECT organization_id, user_id FROM users_touched WHERE xid = pg_current_xact_id()")
            .fetch_all(connection)
            .await?;
    let touched = rows.into_iter().map(|row| Touched {
        organization: OrganizationId(row.organization_id),
        user: row.user_id.map(UserId),
    });
    Ok(touched.collect())
}
