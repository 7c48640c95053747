//! Who is invited.

use super::model::{Invitation, InvitationItem};
use super::{CHANNEL, store};
use crate::Store;
use crate::db::PgConnection;
use crate::kernel::ctx::Ctx;
use crate::kernel::error::Result;
use crate::kernel::page;
use crate::kernel::seal::Sealer;
use crate::live::position::{self, Cursor, Position};
use crate::people;
use serde::Serialize;
use time::OffsetDateTime;

/// A page of invitations.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct InvitationList {
    /// Newest first.
    pub items: Vec<InvitationItem>,
    /// For the next page; null on the last.
    pub next_cursor: Option<String>,
    /// Where `feed:invitations` stood when the first page was read.
    #[serde(flatten)]
    pub position: Position,
}

/// Reads one page of the list.
pub async fn list(
    store: &Store,
    ctx: &Ctx,
    limit: Option<u32>,
    cursor: Option<&str>,
) -> Result<InvitationList> {
    ctx.require("invitations:read")?;
    let limit = page::limit(limit)? as usize;
    let after: Option<Cursor> = cursor.map(page::decode_cursor).transpose()?;
    let mut tx = store.db.read(ctx.organization).await?;
    let position = match &after {
        Some(after) => after.position.clone(),
        None => position::told(&mut tx, ctx, CHANNEL).await?,
    };
    let before = after.map(|end| (page::instant(end.micros), end.id));
    let mut found = store::select(&mut tx, ctx.organization, None, before, limit as i64 + 1).await?;
    let next_cursor = page::cut(&mut found, limit, |end| Cursor {
        micros: page::micros(end.created_at),
        id: end.id.0,
        position: position.clone(),
    })?;
    Ok(InvitationList {
        items: shown(&store.sealer, &mut tx, ctx, &found, store.clock.now()).await?,
        next_cursor,
        position,
    })
}

/// Invitations as the actor of `ctx` sees them, with the names of who invited.
pub(super) async fn shown(
    sealer: &Sealer,
    connection: &mut PgConnection,
    ctx: &Ctx,
    invitations: &[Invitation],
    now: OffsetDateTime,
) -> Result<Vec<InvitationItem>> {
    let rows = invitations.iter().map(|invitation| invitation.row(ctx, now));
    let mut rows = rows.collect::<Result<Vec<_>>>()?;
    people::open(connection, sealer, &mut rows).await?;
    rows.into_iter()
        .map(|row| Ok(serde_json::from_value(row)?))
        .collect()
}
