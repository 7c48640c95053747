//! Who may act as somebody else.

use super::{at_present, of};
use crate::db::PgConnection;
use crate::kernel::error::Result;
use crate::kernel::id::{OrganizationId, UserId};
use crate::kernel::permission::PermissionSet;
use crate::users::store;

/// What it takes, on the person.
pub const IMPERSONATE: &str = "users:impersonate";

/// Whether whoever holds `mine` may act as a person with these facts who holds `theirs`: strictly more than the person does, so
/// neither as an equal nor as anybody above.
pub fn is_strictly_over(mine: &PermissionSet, theirs: &PermissionSet) -> bool {
    mine.outranks(theirs) && !theirs.outranks(mine)
}

/// Whether `by`, who may do something at this moment, may act as `subject` now.
pub async fn may_still(
    connection: &mut PgConnection,
    organization: OrganizationId,
    by: UserId,
    subject: UserId,
) -> Result<bool> {
    let mine = at_present(connection, organization, by).await?;
    let theirs = of(connection, organization, subject).await?;
    let Some(person) = store::find(connection, organization, subject).await? else {
        return Ok(false);
    };
    let scope = person.scope();
    let facts = scope.facts(organization, "user", subject.0);
    Ok(mine.permits(IMPERSONATE, &facts) && is_strictly_over(&mine, &theirs))
}
