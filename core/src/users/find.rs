//! Finding one person by what somebody pasted: an id, or an e-mail address in full.

use super::{check, store};
use crate::Store;
use crate::kernel::ctx::Ctx;
use crate::kernel::error::Result;
use crate::live::view::ViewClass;
use serde::Serialize;
use uuid::Uuid;

/// Something with that id or address.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Found {
    /// `user`.
    pub kind: &'static str,
    /// Its id.
    pub id: Uuid,
    /// Its name.
    pub label: String,
}

/// What is exactly `q`, and visible to the actor: who may not see addresses finds nobody by one.
pub async fn exactly(store: &Store, ctx: &Ctx, q: &str) -> Result<Vec<Found>> {
    if !ctx.permissions.has_some("users:read") {
        return Ok(Vec::new());
    }
    let mut tx = store.db.read(ctx.organization).await?;
    let id = match q.trim().parse() {
        Ok(id) => Some(id),
        Err(_) => match check::email(q) {
            Ok(email) if ViewClass::of(&ctx.permissions).sees("user", "email") => {
                store::find_by_email(&mut tx, ctx.organization, &email).await?
            }
            _ => None,
        },
    };
    let Some(id) = id else { return Ok(Vec::new()) };
    let user = store::find(&mut tx, ctx.organization, id).await?;
    let user = user.filter(|user| user.is_permitted(ctx, "users:read"));
    Ok(user
        .map(|user| Found {
            kind: "user",
            id: user.id.0,
            label: user.name,
        })
        .into_iter()
        .collect())
}
