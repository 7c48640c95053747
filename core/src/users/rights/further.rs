//! Who may give rights further is made so by somebody who has just proved who they are.

use crate::kernel::ctx::Ctx;
use crate::kernel::error::Result;
use crate::kernel::permission::PermissionSet;
use time::OffsetDateTime;

/// With these somebody lets others in, or up: an owner holds them, and whoever stands beside one.
const FURTHER: [&str; 3] = ["roles:manage", "roles:assign", "providers:manage"];

/// Passes unless somebody who held `before` and holds `after` now may give rights further than before, and the actor has not
/// proved lately ([`Ctx::require_recent_proof`]) who they are: such a gift outlasts the session that it was made in, whatever
/// way it was made.
///
/// # Errors
/// `auth.step_up_needed`; `auth.session_required` for a program.
pub fn require_proof_of_gift(
    ctx: &Ctx,
    before: &PermissionSet,
    after: &PermissionSet,
    now: OffsetDateTime,
) -> Result<()> {
    let further = |name: &str| FURTHER.contains(&name);
    if before.only(further).covers(&after.only(further)) {
        return Ok(());
    }
    ctx.require_recent_proof(now)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::ctx::{Actor, Credential, RECENT};
    use crate::kernel::id::{ApiKeyId, OrganizationId, SessionId, UserId};

    fn set(names: &[&str]) -> PermissionSet {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_gift_that_can_be_given_further_needs_a_proof_and_any_other_none() {
        let at = OffsetDateTime::UNIX_EPOCH;
        let mut ctx = Ctx::system(OrganizationId::new(), "test");
        ctx.actor = Actor::User(UserId::new());
        ctx.credential = Credential::Session(SessionId::new());
        ctx.authenticated_at = Some(at);
        let (nothing, reader) = (set(&[]), set(&["users:read", "users:ban"]));
        let giver = set(&["users:read", "roles:assign"]);
        let code = |ctx: &Ctx, before, after, now| {
            let passed = require_proof_of_gift(ctx, before, after, now);
            passed.err().map(|error| error.code.into_owned())
        };
        assert_eq!(code(&ctx, &nothing, &giver, at), None, "just proved");
        let late = at + RECENT;
        assert_eq!(code(&ctx, &nothing, &reader, late), None);
        assert_eq!(code(&ctx, &giver, &giver, late), None, "they held it before");
        assert_eq!(code(&ctx, &giver, &nothing, late), None, "taking needs none");
        let refused = Some("auth.step_up_needed".to_owned());
        assert_eq!(code(&ctx, &nothing, &giver, late), refused);
        assert_eq!(code(&ctx, &reader, &giver, late), refused);
        ctx.credential = Credential::ApiKey(ApiKeyId::new());
        let refused = Some("auth.session_required".to_owned());
        assert_eq!(code(&ctx, &nothing, &giver, at), refused);
    }
}
