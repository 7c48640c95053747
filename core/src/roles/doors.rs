//! Nobody rises by a side door: what stands before every change of who may do what.

use crate::db::PgConnection;
use crate::kernel::ctx::Ctx;
use crate::kernel::error::{Error, Kind, Result};
use crate::kernel::id::RoleId;
use crate::users::rights::beyond;
use crate::users::rights::model::{Model, Union};
use std::collections::BTreeSet;
use uuid::Uuid;

/// Passes when the change of `role` from `before` to `after` gives nobody what the actor does not hold on everything: not by
/// the role, not by what inherits from it, not by a denial that is lifted.
pub fn require_no_rise(ctx: &Ctx, before: &Model, after: &Model, role: RoleId) -> Result<()> {
    let mut heirs = before.heirs(role);
    heirs.extend(after.heirs(role));
    for heir in heirs {
        let (was, is) = (before.gives(heir), after.gives(heir));
        let wider = |permission: &String, union: &Union| {
            let had = was.granted.get(permission).copied().unwrap_or_default();
            !had.covers(*union)
        };
        let gained = is.granted.iter().filter(|(name, union)| wider(name, union));
        let mut gained = gained
            .map(|(name, _)| name)
            .chain(was.denied.difference(&is.denied));
        if let Some(permission) = gained.find(|permission| !ctx.permissions.has(permission)) {
            return Err(beyond(permission));
        }
    }
    let Some(actor) = ctx.actor.user() else {
        return Ok(());
    };
    if before.permissions(actor).covers(&after.permissions(actor)) {
        return Ok(());
    }
    Err(Error::new(
        Kind::Forbidden,
        "roles.own_gain",
        "You hold this role, and would gain by this change. Ask somebody else who may change roles.",
    ))
}

/// Passes when `role` gives nothing that the actor lacks: nobody changes a role that stands above them.
pub fn require_within_reach(ctx: &Ctx, model: &Model, role: RoleId) -> Result<()> {
    let gives = model.gives(role);
    match gives.granted.keys().find(|name| !ctx.permissions.has(name)) {
        None => Ok(()),
        Some(permission) => Err(beyond(permission)),
    }
}

/// Passes when nobody who holds one of `roles` holds anything that the actor lacks: who stands above is not changed by way
/// of a role. Looks at what their roles and direct grants could give, not at each person.
pub async fn require_over_holders(
    connection: &mut PgConnection,
    ctx: &Ctx,
    model: &Model,
    roles: &BTreeSet<RoleId>,
) -> Result<()> {
    let ids: Vec<Uuid> = roles.iter().map(|role| role.0).collect();
    let held = sqlx::query!(
        r#"WITH holders AS (SELECT DISTINCT user_id FROM held_roles WHERE organization_id = $1 AND role_id = ANY($2))
           SELECT h.role_id AS "role_id?", NULL::text AS "permission?"
           FROM holders JOIN held_roles h USING (user_id) WHERE h.organization_id = $1 GROUP BY h.role_id
           UNION ALL
           SELECT NULL, up.permission
           FROM holders JOIN user_permissions up USING (user_id)
           WHERE up.organization_id = $1 AND (up.granted OR up.only_on IS NOT NULL) GROUP BY up.permission"#,
        ctx.organization.0,
        &ids,
    )
    .fetch_all(connection)
    .await?;
    let own = Union {
        own: true,
        ..Union::default()
    };
    let above = held.into_iter().any(|row| match (row.role_id, row.permission) {
        (Some(role), _) => {
            let gives = model.gives(RoleId(role)).granted;
            gives
                .iter()
                .any(|(name, union)| *union != own && !ctx.permissions.has(name))
        }
        (None, permission) => permission.is_some_and(|name| !ctx.permissions.has(&name)),
    });
    if !above {
        return Ok(());
    }
    Err(Error::new(
        Kind::Forbidden,
        "permission.outranked",
        "Somebody who holds this role may do things that you may not, so you cannot take anything from it. Ask an owner.",
    ))
}
