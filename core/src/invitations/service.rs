//! Inviting, sending again, taking back.

use super::model::{Invitation, InvitationItem, NewInvitation};
use super::{CHANNEL, list, store};
use crate::Store;
use crate::change::Change;
use crate::kernel::ctx::Ctx;
use crate::kernel::error::{Error, Kind, Result};
use crate::kernel::event::{Event, Severity};
use crate::kernel::id::{InvitationId, UserId};
use crate::kernel::link_token;
use crate::kernel::permission::PermissionSet;
use crate::messages::{self, Address, Message};
use crate::users::{self, User, UserStatus, rights};
use secrecy::SecretString;
use serde_json::json;
use time::{Duration, OffsetDateTime};

/// Invites somebody: from then on they are a person of the organization, who has yet to come.
pub async fn create(store: &Store, ctx: &Ctx, new: &NewInvitation) -> Result<InvitationItem> {
    ctx.require("invitations:manage")?;
    ctx.require("users:create")?;
    let mut change = Change::begin(store, ctx).await?;
    rights::require_givable(change.tx(), ctx, &new.roles).await?;
    let user = users::joining::invite(&mut change, &new.email, &new.name, &new.roles).await?;
    let held = rights::of(change.tx(), ctx.organization, user.id).await?;
    rights::require_proof_of_gift(ctx, &PermissionSet::default(), &held, change.at())?;
    rights::require_owners_whole(change.tx(), ctx.organization).await?;
    let id = InvitationId::new();
    let (token, link) = link(&mut change).await?;
    let by = ctx.actor.user();
    store::insert(change.tx(), ctx.organization, (id, user.id), by, as_link(&link)).await?;
    send(&mut change, &user, token).await?;
    let invitation = read(&mut change, id).await?;
    let event = event(
        "invitation.created",
        "invitations.create",
        &invitation,
        "{actor} invited somebody",
    )
    .scope(None, Some(crate::kernel::event::Scope::default()))
    .detail("roles", json!(user.roles));
    finish(change, event, &invitation, &user, 201).await
}

/// Sends an invitation again, with another link; the one of before is of no use any more.
pub async fn resend(store: &Store, ctx: &Ctx, id: InvitationId) -> Result<InvitationItem> {
    let (mut change, invitation, user) = begin(store, ctx, id).await?;
    let (token, link) = link(&mut change).await?;
    store::renew(change.tx(), ctx.organization, invitation.id, as_link(&link)).await?;
    send(&mut change, &user, token).await?;
    let invitation = read(&mut change, id).await?;
    let text = "{actor} sent an invitation again";
    let event = event("invitation.resent", "invitations.resend", &invitation, text);
    finish(change, event, &invitation, &user, 200).await
}

/// Takes an invitation back: its link is of no use any more, and whoever was invited is no person of the organization. Their
/// address is free for another invitation.
pub async fn withdraw(store: &Store, ctx: &Ctx, id: InvitationId) -> Result<InvitationItem> {
    let (mut change, _, user) = begin(store, ctx, id).await?;
    let at = change.at();
    store::withdraw(change.tx(), ctx.organization, id, at).await?;
    let invitation = read(&mut change, id).await?;
    users::joining::uninvite(&mut change, &user).await?;
    let text = "{actor} took an invitation back";
    let event =
        event("invitation.withdrawn", "invitations.withdraw", &invitation, text).severity(Severity::Warn);
    finish(change, event, &invitation, &user, 200).await
}

/// The invitation and the person, locked: open, and of somebody who may do no more than the actor.
async fn begin(store: &Store, ctx: &Ctx, id: InvitationId) -> Result<(Change, Invitation, User)> {
    ctx.require("invitations:manage")?;
    let mut change = Change::begin(store, ctx).await?;
    let invitation = store::lock(change.tx(), ctx.organization, id).await?;
    let invitation = invitation.ok_or_else(|| Error::not_found("invitation"))?;
    let user = users::store::lock(change.tx(), ctx.organization, invitation.user).await?;
    let waits = !invitation.acts().is_empty();
    let Some(user) = user.filter(|user| waits && user.status == UserStatus::Invited) else {
        return Err(Error::new(
            Kind::Conflict,
            "invitation.closed",
            "Whoever was invited has come, or the invitation was taken back. Look at it as it is now.",
        ));
    };
    let held = rights::of(change.tx(), ctx.organization, user.id).await?;
    ctx.require_over(&held)?;
    Ok((change, invitation, user))
}

/// A new token, and what is kept of it: hash, now, and its end by the organization's settings.
async fn link(change: &mut Change) -> Result<(SecretString, ([u8; 32], OffsetDateTime, OffsetDateTime))> {
    let (token, hash) = link_token::generate()?;
    let days = days(change).await?;
    let at = change.at();
    Ok((token, (hash, at, at + Duration::days(i64::from(days)))))
}

fn as_link((hash, at, end): &([u8; 32], OffsetDateTime, OffsetDateTime)) -> store::Link<'_> {
    (hash, *at, *end)
}

async fn days(change: &Change) -> Result<u32> {
    let settings = change.store().settings(change.ctx().organization).await?;
    Ok(settings.invitations.days)
}

async fn send(change: &mut Change, user: &User, token: SecretString) -> Result<()> {
    let days = days(change).await?;
    let by = match change.ctx().actor.user() {
        Some(by) => name(change, by).await?,
        None => None,
    };
    let to = Address::of(user.person(), user.email.as_str(), user.name.as_str());
    messages::mail(change, &to, Message::Invitation { token, by, days }).await
}

async fn name(change: &mut Change, user: UserId) -> Result<Option<String>> {
    let organization = change.ctx().organization;
    let user = users::store::find(change.tx(), organization, user).await?;
    Ok(user.map(|user| user.name))
}

async fn read(change: &mut Change, id: InvitationId) -> Result<Invitation> {
    let organization = change.ctx().organization;
    let mut found = store::select(change.tx(), organization, Some(id), None, 1).await?;
    found
        .pop()
        .ok_or_else(|| Error::internal("an invitation vanished under a lock"))
}

pub(super) fn event(
    kind: &'static str,
    action: &'static str,
    invitation: &Invitation,
    text: &'static str,
) -> Event {
    Event::new(kind, action, invitation.subject(), CHANNEL, text).detail("user_id", json!(invitation.user))
}

async fn finish(
    mut change: Change,
    event: Event,
    invitation: &Invitation,
    user: &User,
    status: u16,
) -> Result<InvitationItem> {
    let (ctx, at) = (change.ctx().clone(), change.at());
    let event = event
        .patch(invitation.patch(at)?, invitation.acts())
        .person(user.person());
    change.record(event).await?;
    let sealer = change.store().sealer.clone();
    let mut items = list::shown(&sealer, change.tx(), &ctx, std::slice::from_ref(invitation), at).await?;
    let item = items
        .pop()
        .ok_or_else(|| Error::internal("an invitation was lost while it was shown"))?;
    change.answer(status, &item).await?;
    change.commit().await?;
    Ok(item)
}
