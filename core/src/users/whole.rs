//! One person as they are, before anybody looks at them: what a node may keep in memory and show to many viewers.
//!
//! Nothing here is anybody's view: each viewer is shown it by [`Whole::seen_by`], with their present rights.

use super::model::User;
use super::service::OneUser;
use super::{CHANNEL, rights, store};
use crate::Store;
use crate::kernel::ctx::Ctx;
use crate::kernel::error::Result;
use crate::kernel::id::{OrganizationId, UserId};
use crate::kernel::permission::PermissionSet;
use crate::live::position::{self, Position};
use crate::live::scope::Sight;
use crate::live::view::ViewClass;

/// See the module.
#[derive(Debug)]
pub struct Whole {
    user: User,
    /// What they may do: it decides what may be done to them.
    held: PermissionSet,
    /// Where `feed:users` stood when they were read.
    position: Position,
}

/// Whom a row shows to in the very same bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Alike {
    fields: ViewClass,
    acts: u16,
}

impl Whole {
    /// Reads somebody from the primary, all of one snapshot; `None` for nobody of this organization.
    pub async fn read(store: &Store, organization: OrganizationId, id: UserId) -> Result<Option<Self>> {
        let mut tx = store.db.primary(organization).await?;
        let position = position::read(&mut tx, organization, CHANNEL).await?;
        let Some(user) = store::find(&mut tx, organization, id).await? else {
            return Ok(None);
        };
        let held = rights::of(&mut tx, organization, id).await?;
        Ok(Some(Self { user, held, position }))
    }

    /// The row's version.
    pub fn version(&self) -> i64 {
        self.user.version
    }

    /// Whether the actor of `ctx` may see this person at all.
    pub fn shows_to(&self, ctx: &Ctx) -> bool {
        ctx.permissions.has("users:read") || self.user.is_permitted(ctx, "users:read")
    }

    /// Which viewers are shown the same bytes as the actor of `ctx`; `None` for whoever sees some rows or fields only, who is
    /// told the place of the channel in a way of their own.
    pub fn alike(&self, ctx: &Ctx) -> Option<Alike> {
        let sight = Sight::of(&ctx.permissions, CHANNEL);
        sight.is_whole().then(|| Alike {
            fields: sight.fields(),
            acts: self.user.acts_by(ctx, &self.held),
        })
    }

    /// As the actor of `ctx` sees it.
    pub fn seen_by(&self, ctx: &Ctx) -> Result<OneUser> {
        Ok(OneUser {
            user: self.user.seen_by(ctx, &self.held)?,
            position: Sight::of(&ctx.permissions, CHANNEL).position_told(self.position.clone()),
        })
    }
}
