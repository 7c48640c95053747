//! Whom the importer may change: an import is no way around what stands before every other change of a person.

use super::super::service::require_still;
use super::super::store::{self, Lines};
use crate::db::PgConnection;
use crate::kernel::ctx::Ctx;
use crate::kernel::error::Result;
use crate::kernel::id::UserId;
use crate::kernel::permission::{PermissionSet, ResourceFacts};
use crate::users::rights;
use time::OffsetDateTime;

/// See the module.
pub(super) enum Reach {
    /// Everybody: an owner, or the hub itself.
    Everybody,
    /// Whom these permissions reach.
    Of(PermissionSet),
}

impl Reach {
    /// As it is at `now`; refused where the importer may no longer import at all.
    pub(super) async fn of(connection: &mut PgConnection, ctx: &Ctx, now: OffsetDateTime) -> Result<Self> {
        let Some(held) = require_still(connection, ctx, now).await? else {
            return Ok(Self::Everybody);
        };
        if rights::is_everything(connection, &held).await? {
            return Ok(Self::Everybody);
        }
        Ok(Self::Of(held))
    }

    pub(super) fn is_everybody(&self) -> bool {
        matches!(self, Self::Everybody)
    }

    /// Rejects lines that would change somebody out of reach, by the rules of `users::service::update`. Answers how many.
    pub(super) async fn reject_beyond(&self, connection: &mut PgConnection, lines: Lines) -> Result<i64> {
        let Self::Of(held) = self else { return Ok(0) };
        let organization = lines.organization;
        let matched = store::would_change(connection, lines).await?;
        if matched.is_empty() {
            return Ok(0);
        }
        let ids: Vec<UserId> = matched.iter().map(|one| one.user).collect();
        let theirs = rights::of_many(connection, organization, &ids).await?;
        let reaches = |one: &store::Matched| {
            let facts = ResourceFacts {
                organization,
                kind: "user",
                id: one.user.0,
                owner: Some(one.user.0),
                teams: &one.teams,
            };
            held.permits("users:update", &facts) && theirs.get(&one.user).is_none_or(|set| held.outranks(set))
        };
        let beyond = matched.iter().filter(|one| !reaches(one));
        let beyond: Vec<i32> = beyond.map(|one| one.line).collect();
        store::reject_beyond(connection, lines, &beyond).await
    }
}
