//! The development outbox, as far as its viewer may read it.

use crate::Store;
use crate::kernel::ctx::Ctx;
use crate::kernel::error::Result;
use crate::kernel::id::UserId;
use crate::messages::{self, DevelopmentOutbox};
use crate::users::rights;

/// Reads one page. A link to a new password lets whoever has it in as the person, so nobody reads what was to somebody who may do
/// more than they.
pub async fn development_outbox(
    store: &Store,
    ctx: &Ctx,
    limit: Option<u32>,
    cursor: Option<&str>,
) -> Result<DevelopmentOutbox> {
    let mut outbox = messages::list(store, ctx, limit, cursor).await?;
    let people: Vec<UserId> = outbox.people().into_iter().collect();
    let mut tx = store.db.primary(ctx.organization).await?;
    let held = rights::of_many(&mut tx, ctx.organization, &people).await?;
    let outranks = |person| {
        held.get(&person)
            .is_some_and(|held| !ctx.permissions.outranks(held))
    };
    outbox.withhold(outranks);
    Ok(outbox)
}
