//! Finding by what somebody pasted: a person by their id, or their e-mail address in full. What has sessions and keys found by theirs
//! stands with those.

use super::{check, store};
use crate::Store;
use crate::kernel::ctx::Ctx;
use crate::kernel::error::Result;
use crate::kernel::id::UserId;
use crate::live::view::ViewClass;
use serde::Serialize;
use uuid::Uuid;

/// Of one kind so many are found at most, the newest.
pub const MOST_FOUND: u32 = 20;

/// Something that has what was asked for.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Found {
    /// `user`, `session` or `api_key`.
    pub kind: &'static str,
    /// Its id.
    pub id: Uuid,
    /// The person: who it is, or whose.
    pub user: UserId,
    /// Its name; of a session its person's, empty where the viewer may not see it.
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
            user: user.id,
            label: user.name,
        })
        .into_iter()
        .collect())
}
