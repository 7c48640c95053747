//! An act of several changes under one `Idempotency-Key`.
//!
//! Each of its parts is a transaction of its own, and the key is of the whole: it is held from before the first of them until the
//! answer is kept, by a transaction that does nothing else. Its lock ends with its connection, so a request that dies leaves
//! the key free, and what its parts did.

use super::{Change, idempotency};
use crate::Store;
use crate::db::Tx;
use crate::kernel::ctx::Ctx;
use crate::kernel::error::Result;

/// The key of such an act, where it came with one.
#[derive(Debug)]
pub struct Whole(Option<Tx>);

impl Whole {
    /// Takes the key; `idempotency.running` while another request has it.
    pub async fn begin(store: &Store, ctx: &Ctx) -> Result<Self> {
        if ctx.idempotency.is_none() {
            return Ok(Self(None));
        }
        let mut tx = store.db.begin_beside(ctx.organization).await?;
        idempotency::claim(&mut tx, ctx, store.clock.now()).await?;
        Ok(Self(Some(tx)))
    }

    /// Who does the parts: as `ctx`, and without the key.
    pub fn part(ctx: &Ctx) -> Ctx {
        Ctx {
            idempotency: None,
            ..ctx.clone()
        }
    }

    /// The change that ends the act, and keeps its answer.
    pub async fn end(self, store: &Store, ctx: &Ctx) -> Result<Change> {
        match self.0 {
            Some(tx) => Ok(Change::within(tx, store, ctx)),
            None => Change::begin(store, ctx).await,
        }
    }

    /// Ends an act of which its parts have told everything: only the answer is kept.
    pub async fn answer(
        self,
        store: &Store,
        ctx: &Ctx,
        status: u16,
        body: &impl serde::Serialize,
    ) -> Result<()> {
        let Some(mut tx) = self.0 else { return Ok(()) };
        let body = serde_json::to_value(body)?;
        idempotency::keep(&mut tx, store, ctx, store.clock.now(), status, Some(&body)).await?;
        Ok(tx.commit().await?)
    }
}
