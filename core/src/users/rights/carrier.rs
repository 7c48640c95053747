//! The team by which somebody holds a role, as it is shown.

use crate::kernel::ctx::Ctx;
use crate::kernel::event::Scope;
use crate::kernel::id::TeamId;
use serde::Serialize;

/// The team through which somebody holds a role.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Carrier {
    /// The team.
    pub id: TeamId,
    /// Its name; null for viewers who may not see the team.
    #[schema(example = "Support")]
    pub name: Option<String>,
}

impl Carrier {
    /// As the actor of `ctx` sees it.
    #[must_use]
    pub fn seen_by(mut self, ctx: &Ctx) -> Self {
        let scope = Scope {
            teams: vec![self.id.0],
            owner: None,
        };
        let facts = scope.facts(ctx.organization, "team", self.id.0);
        self.name = self
            .name
            .filter(|_| ctx.permissions.permits("teams:read", &facts));
        self
    }
}
