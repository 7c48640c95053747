//! What a change of roles would give to a person, and who may give that.

use crate::db::PgConnection;
use crate::kernel::ctx::Ctx;
use crate::kernel::error::{Error, FieldError, Kind, Result};
use crate::kernel::id::UserId;
use crate::kernel::permission::{PermissionSet, ResourceFacts};

/// Passes when `after` gives the person nothing new that the actor does not hold.
pub fn require_holds_gain(ctx: &Ctx, before: &PermissionSet, after: &PermissionSet) -> Result<()> {
    for (permission, _) in after.reaches() {
        let one = |name: &str| name == permission;
        let gained = after.only(one);
        if !before.only(one).covers(&gained) && !ctx.permissions.only(one).covers(&gained) {
            return Err(beyond(permission));
        }
    }
    Ok(())
}

/// Passes when the actor may do nothing to somebody of whom `after` will hold that they may not do now, while `before` holds.
pub async fn require_no_new_reach(
    connection: &mut PgConnection,
    ctx: &Ctx,
    before: &ResourceFacts<'_>,
    after: &ResourceFacts<'_>,
) -> Result<()> {
    let of_people = sqlx::query_scalar!("SELECT name FROM permissions WHERE row_kind = 'user' ORDER BY name")
        .fetch_all(connection)
        .await?;
    let may = |permission: &str, facts: &ResourceFacts<'_>| ctx.permissions.permits(permission, facts);
    let gained = of_people
        .iter()
        .find(|permission| may(permission, after) && !may(permission, before));
    gained.map_or(Ok(()), |permission| Err(beyond(permission)))
}

/// The refusal of whoever would give `permission` without holding it as far as they give it.
pub fn beyond(permission: &str) -> Error {
    let mut error = Error::new(
        Kind::Forbidden,
        "permission.beyond",
        format!("This would give {permission} further than you hold it yourself. Ask an owner."),
    );
    error.errors = vec![FieldError {
        field: "permission".to_owned(),
        code: "beyond".into(),
        detail: format!("You do not hold {permission} that far."),
    }];
    error
}

/// Passes unless the roles that would change are the actor's own.
pub fn require_not_oneself(ctx: &Ctx, people: &[UserId]) -> Result<()> {
    if ctx.actor.user().is_none_or(|actor| !people.contains(&actor)) {
        return Ok(());
    }
    Err(Error::new(
        Kind::Conflict,
        "roles.own",
        "You cannot change your own roles. Ask somebody else who may assign roles.",
    ))
}
