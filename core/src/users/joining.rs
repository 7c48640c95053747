//! How people come to be: invited, joined, signed up; and how their address changes with the consent of both mailboxes. The
//! hub does these on its own behalf or that of whoever they are about; who may ask for them stands above.

use super::input::NewUser;
use super::model::{User, UserStatus};
use super::service::{add, read, require_not_barred, with_row};
use super::{CHANNEL, store};
use crate::change::Change;
use crate::kernel::error::Result;
use crate::kernel::event::{Event, Severity};
use crate::kernel::id::{RoleId, UserId};
use crate::kernel::seal::Person;

fn newcomer(email: &str, name: &str, roles: Vec<RoleId>) -> NewUser {
    NewUser {
        roles,
        ..NewUser::named(email, name)
    }
}

/// Adds somebody who has yet to come: nobody signs in as them before.
pub async fn invite(change: &mut Change, email: &str, name: &str, roles: &[RoleId]) -> Result<User> {
    let new = newcomer(email, name, roles.to_vec());
    let profile = new.profile()?;
    add(change, &profile, roles, None, UserStatus::Invited).await
}

/// Makes whoever was invited one who may sign in, with the password they chose. `None` where they are not invited (any more).
pub async fn join(change: &mut Change, id: UserId, password_hash: &str) -> Result<Option<User>> {
    let organization = change.ctx().organization;
    let user = store::lock(change.tx(), organization, id).await?;
    let Some(user) = user.filter(|user| user.status == UserStatus::Invited) else {
        return Ok(None);
    };
    let at = change.at();
    store::activate(change.tx(), id, password_hash, at).await?;
    let after = read(change, id).await?;
    let event = Event::new(
        "user.joined",
        "invitations.accept",
        after.subject(),
        CHANNEL,
        "{actor} joined",
    )
    .scope(Some(user.scope()), Some(after.scope()))
    .changed("status", user.status.as_str(), after.status.as_str())
    .counts("users_active", 1);
    change.record(with_row(event, &after)?).await?;
    Ok(Some(after))
}

/// Takes away whoever was invited and did not come, who is locked. The row stays, and tells who that was; the address does
/// not, so that they can be invited again.
pub async fn uninvite(change: &mut Change, user: &User) -> Result<()> {
    let (organization, at) = (change.ctx().organization, change.at());
    store::end_sessions(change.tx(), organization, user.id, "invitation_withdrawn", at).await?;
    store::delete(change.tx(), user.id, at).await?;
    store::free_address(change.tx(), organization, user.id, at).await?;
    let mut event = Event::new(
        "user.deleted",
        "invitations.withdraw",
        user.subject(),
        CHANNEL,
        "{actor} took the invitation of {subject} back",
    )
    .severity(Severity::Warn)
    .scope(Some(user.scope()), None)
    .counts("users_total", -1);
    event.subject.version += 2;
    change.record(event).await?;
    Ok(())
}

/// Adds somebody who has shown that the address is theirs. A role that is gone meanwhile is not given.
pub async fn sign_up(
    change: &mut Change,
    email: &str,
    name: &str,
    role: Option<RoleId>,
    password_hash: &str,
) -> Result<User> {
    let organization = change.ctx().organization;
    let mut roles: Vec<RoleId> = role.into_iter().collect();
    if let Some(role) = role
        && !store::is_role(change.tx(), organization, role).await?
    {
        roles.clear();
    }
    let new = newcomer(email, name, roles.clone());
    let profile = new.profile()?;
    add(change, &profile, &roles, Some(password_hash), UserStatus::Active).await
}

/// Gives `user`, who is locked, another address. What was sent to the old mailbox is of no use any more. The caller records it.
pub async fn readdress(change: &mut Change, user: &User, email: &str) -> Result<(User, Person)> {
    let (organization, at) = (change.ctx().organization, change.at());
    require_not_barred(change, email).await?;
    store::readdress(change.tx(), organization, user.id, email, at).await?;
    let after = read(change, user.id).await?;
    let person = after.person();
    Ok((after, person))
}
