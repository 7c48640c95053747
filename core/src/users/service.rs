//! What may be done with people. Every act: permission, lock, reach, write, record, cut off where it bites, commit.

use super::deeds::{self, Deed};
use super::input::{NewUser, UserChange};
use super::model::{User, UserItem, UserStatus};
use super::search::{self, Query, Total};
use super::store::{self, Profile};
use super::{CHANNEL, Whole, rights};
use crate::Store;
use crate::bus::control::{Revocation, RevocationKind};
use crate::change::Change;
use crate::db::PgConnection;
use crate::kernel::ctx::{Credential, Ctx};
use crate::kernel::error::{Error, Kind, Result};
use crate::kernel::event::{Event, Severity};
use crate::kernel::id::{OrganizationId, RoleId, UserId};
use crate::kernel::password::one_time;
use crate::kernel::password_policy;
use crate::kernel::permission::PermissionSet;
use crate::kernel::seal::Sealer;
use crate::live::position::Position;
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde_json::Value;
use std::collections::HashSet;

/// A page of people as one viewer sees them.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct UserList {
    /// People.
    pub items: Vec<UserItem>,
    /// For the next page; null on the last.
    pub next_cursor: Option<String>,
    /// Where `feed:users` stood when the first page was read.
    #[serde(flatten)]
    pub position: Position,
    /// How many there are in all.
    pub total: Total,
}

/// One person as one viewer sees them.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct OneUser {
    /// The person.
    #[serde(flatten)]
    pub user: UserItem,
    /// Where `feed:users` stood.
    #[serde(flatten)]
    pub position: Position,
}

/// A password that is good for one sign-in, shown once.
#[derive(Serialize, utoipa::ToSchema)]
pub struct OneTimePassword {
    /// Hand it over by another way than e-mail; its first use asks for a new password.
    pub one_time_password: String,
}

impl std::fmt::Debug for OneTimePassword {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("OneTimePassword")
    }
}

/// Reads one page of the list.
pub async fn list(store: &Store, ctx: &Ctx, query: &Query) -> Result<UserList> {
    ctx.require_some("users:read")?;
    let mut tx = store.db.read(ctx.organization).await?;
    let page = search::list(&mut tx, ctx, query).await?;
    let ids: Vec<UserId> = page.users.iter().map(|user| user.id).collect();
    let held = rights::of_many(&mut tx, ctx.organization, &ids).await?;
    let none = PermissionSet::default();
    Ok(UserList {
        items: page
            .users
            .iter()
            .map(|user| user.seen_by(ctx, held.get(&user.id).unwrap_or(&none)))
            .collect::<Result<_>>()?,
        next_cursor: page.next_cursor,
        position: page.position,
        total: page.total,
    })
}

/// Reads one person.
pub async fn get(store: &Store, ctx: &Ctx, id: UserId) -> Result<OneUser> {
    ctx.require_some("users:read")?;
    let one = Whole::read(store, ctx.organization, id).await?;
    one.filter(|one| one.shows_to(ctx))
        .ok_or_else(|| Error::not_found("user"))?
        .seen_by(ctx)
}

/// Adds a person.
pub async fn create(store: &Store, ctx: &Ctx, new: &NewUser) -> Result<UserItem> {
    ctx.require("users:create")?;
    // whoever chose the password has a way in that outlasts a key, and is bound to none of its limits
    if new.password.is_some() && ctx.credential != Credential::Internal {
        ctx.require_session()?;
    }
    let profile = new.profile()?;
    let hash = match &new.password {
        Some(password) => {
            let own = [new.email.as_str(), new.name.as_str()];
            password_policy::check(&store.passwords, password, "password", &own).await?;
            Some(hash(store, password).await?)
        }
        None => None,
    };
    let mut change = Change::begin(store, ctx).await?;
    rights::require_givable(change.tx(), ctx, &new.roles).await?;
    let status = UserStatus::Active;
    let user = add(&mut change, &profile, &new.roles, hash.as_deref(), status).await?;
    let held = rights::of(change.tx(), ctx.organization, user.id).await?;
    rights::require_proof_of_gift(ctx, &PermissionSet::default(), &held, change.at())?;
    rights::require_owners_whole(change.tx(), ctx.organization).await?;
    let item = user.seen_by(ctx, &held)?;
    change.answer(201, &item).await?;
    change.commit().await?;
    Ok(item)
}

/// What is kept of the address of somebody who was erased, where it may not be used again: it tells nobody the address.
pub fn address_hash(sealer: &Sealer, email: &str) -> Vec<u8> {
    sealer.mac("erased-address", email.as_bytes())
}

/// Passes for an address that was not that of somebody who was erased, where the organization keeps those from being used again.
pub(super) async fn require_not_barred(change: &mut Change, email: &str) -> Result<()> {
    let (organization, hash) = (change.ctx().organization, address_hash(change.sealer(), email));
    if !store::is_barred(change.tx(), organization, &hash).await? {
        return Ok(());
    }
    Err(Error::new(
        Kind::Conflict,
        "user.email_erased",
        "Whoever had this address was erased, and it may not be used again here. Use another.",
    ))
}

/// Those of `emails` that [`require_not_barred`] would refuse, by their places.
pub async fn barred(
    connection: &mut PgConnection,
    sealer: &Sealer,
    organization: OrganizationId,
    emails: &[&str],
) -> Result<HashSet<usize>> {
    if !store::bars_any(connection, organization).await? {
        return Ok(HashSet::new());
    }
    let hashes: Vec<Vec<u8>> = emails.iter().map(|email| address_hash(sealer, email)).collect();
    let barred = store::barred(connection, organization, &hashes).await?;
    let places = (0..emails.len()).filter(|place| barred.contains(&hashes[*place]));
    Ok(places.collect())
}

/// Adds somebody on the hub's own behalf: at the first start there is nobody yet who could be asked.
pub async fn found(change: &mut Change, new: &NewUser, password_hash: &str) -> Result<User> {
    let profile = new.profile()?;
    add(
        change,
        &profile,
        &new.roles,
        Some(password_hash),
        UserStatus::Active,
    )
    .await
}

/// Adds somebody whom a provider vouches for, without a password and without roles.
pub async fn provisioned(change: &mut Change, new: &NewUser) -> Result<User> {
    let profile = new.profile()?;
    add(change, &profile, &[], None, UserStatus::Active).await
}

pub(super) async fn add(
    change: &mut Change,
    profile: &Profile,
    roles: &[RoleId],
    password_hash: Option<&str>,
    status: UserStatus,
) -> Result<User> {
    let (id, at, organization) = (UserId::new(), change.at(), change.ctx().organization);
    let by = change.ctx().actor.user();
    require_not_barred(change, &profile.email).await?;
    store::insert(
        change.tx(),
        organization,
        id,
        profile,
        (status, password_hash),
        at,
    )
    .await?;
    store::give_roles(change.tx(), organization, id, roles, by, at).await?;
    let user = read(change, id).await?;
    let mut event = Event::new(
        "user.created",
        "users.create",
        user.subject(),
        CHANNEL,
        "{actor} added {subject}",
    )
    .scope(None, Some(user.scope()))
    .counts("users_total", 1);
    if let Some(counter) = status.counter() {
        event = event.counts(counter, 1);
    }
    for (field, value) in written(profile)? {
        // an empty object is what everybody has
        if value.as_object().is_some_and(serde_json::Map::is_empty) {
            continue;
        }
        event = event.changed(&field, Value::Null, value);
    }
    if !user.roles.is_empty() {
        event = event.changed("roles", Value::Null, serde_json::to_value(&user.roles)?);
    }
    change.record(with_row(event, &user)?).await?;
    Ok(user)
}

/// Changes a person's profile. Another address ends their sessions: whoever reads the old mailbox is shut out, and told. Nobody
/// gives themselves another so: both mailboxes are asked (`email_changes`).
pub async fn update(
    store: &Store,
    ctx: &Ctx,
    id: UserId,
    if_match: Option<i64>,
    wanted: &UserChange,
) -> Result<UserItem> {
    ctx.require_some("users:update")?;
    let mut change = Change::begin(store, ctx).await?;
    let mut act = Act::on(&mut change, id, "users:update").await?;
    act.require_version(if_match)?;
    let (before, at) = (Profile::of(&act.user), act.change.at());
    let after = wanted.applied_to(&act.user)?;
    let mut event = act.event("user.updated", "users.update", "{actor} changed {subject}");
    let (was, is) = (written(&before)?, written(&after)?);
    for ((field, was), (_, is)) in was.into_iter().zip(is) {
        event = event.changed(&field, was, is);
    }
    if event.changes.is_empty() {
        return act.user.seen_by(ctx, &act.held);
    }
    let moves = before.email != after.email;
    if moves {
        deeds::require_may_readdress(&mut act, &after.email).await?;
    }
    store::write_profile(act.change.tx(), id, &after, at).await?;
    if moves {
        deeds::tell_old_mailbox(&mut act).await?;
        event = act.cut_off(event, "email_changed").await?;
    }
    let item = act.finish(event).await?;
    change.commit().await?;
    Ok(item)
}

/// Marks a person as deleted.
pub async fn delete(store: &Store, ctx: &Ctx, id: UserId, if_match: Option<i64>) -> Result<()> {
    ctx.require_some("users:delete")?;
    ctx.require_recent_proof(store.clock.now())?;
    let mut change = Change::begin(store, ctx).await?;
    let mut act = Act::on(&mut change, id, "users:delete").await?;
    act.require_version(if_match)?;
    let event = deeds::deleted(&mut act).await?;
    change.record(event).await?;
    change.commit().await
}

/// Shuts a person out. `reason` is shown to operators.
pub async fn ban(store: &Store, ctx: &Ctx, id: UserId, reason: &str) -> Result<UserItem> {
    done(store, ctx, id, &Deed::Ban(reason.to_owned())).await
}

/// Lets a person in again; their sessions stay ended.
pub async fn unban(store: &Store, ctx: &Ctx, id: UserId) -> Result<UserItem> {
    done(store, ctx, id, &Deed::Unban).await
}

async fn done(store: &Store, ctx: &Ctx, id: UserId, deed: &Deed) -> Result<UserItem> {
    ctx.require_some(deed.permission())?;
    let mut change = Change::begin(store, ctx).await?;
    let mut act = Act::on(&mut change, id, deed.permission()).await?;
    let event = deeds::done(&mut act, deed).await?;
    let item = act.finish(event).await?;
    change.commit().await?;
    Ok(item)
}

/// Replaces a person's password by a one-time password and ends their sessions.
pub async fn reset_password(store: &Store, ctx: &Ctx, id: UserId) -> Result<OneTimePassword> {
    // asked twice: here, so that nobody makes us hash who may not; and under the lock
    ctx.require_some("users:reset_password")?;
    ctx.require_recent_proof(store.clock.now())?;
    let password = one_time()?;
    let hash = hash(store, &password).await?;
    let mut change = Change::begin(store, ctx).await?;
    let mut act = Act::on(&mut change, id, "users:reset_password").await?;
    act.require_not_oneself("user.own_password", "reset the password of")?;
    let at = act.change.at();
    store::reset_password(act.change.tx(), id, &hash, at).await?;
    let event = act
        .event(
            "user.password_reset",
            "users.reset_password",
            "{actor} reset the password of {subject}",
        )
        .severity(Severity::Warn);
    let event = act.cut_off(event, "password_reset").await?;
    let answer = OneTimePassword {
        one_time_password: password.expose_secret().to_owned(),
    };
    act.record(event).await?;
    change.answer(200, &answer).await?;
    change.commit().await?;
    Ok(answer)
}

/// One act on one person, who is locked.
pub(super) struct Act<'c> {
    pub change: &'c mut Change,
    pub user: User,
    held: PermissionSet,
}

impl<'c> Act<'c> {
    /// Locks the person, and asks whether the actor of `change` may.
    pub async fn on(change: &'c mut Change, id: UserId, permission: &str) -> Result<Self> {
        let ctx = change.ctx().clone();
        let user = store::lock(change.tx(), ctx.organization, id)
            .await?
            .ok_or_else(|| Error::not_found("user"))?;
        user.require(&ctx, permission)?;
        let held = rights::of(change.tx(), ctx.organization, id).await?;
        ctx.require_over(&held)?;
        Ok(Self { change, user, held })
    }

    /// `If-Match`: an older version is answered with the present one, as this viewer sees it.
    fn require_version(&self, if_match: Option<i64>) -> Result<()> {
        self.user.require_version(self.change.ctx(), &self.held, if_match)
    }

    pub fn require_not_oneself(&self, code: &'static str, verb: &str) -> Result<()> {
        if self.change.ctx().actor.user() != Some(self.user.id) {
            return Ok(());
        }
        Err(Error::new(
            Kind::Conflict,
            code,
            format!("You cannot {verb} yourself. Ask somebody else who may."),
        ))
    }

    /// Neither oneself nor the last owner.
    pub async fn require_another(&mut self, code: &'static str, verb: &str) -> Result<()> {
        self.require_not_oneself(code, verb)?;
        let organization = self.change.ctx().organization;
        rights::require_another_owner(self.change.tx(), organization, self.user.id).await
    }

    /// Ends what the person has open, the moment this commits.
    pub async fn cut_off(&mut self, event: Event, reason: &'static str) -> Result<Event> {
        let (organization, at) = (self.change.ctx().organization, self.change.at());
        let ended = store::end_sessions(self.change.tx(), organization, self.user.id, reason, at).await?;
        self.change
            .revoke(Revocation {
                organization,
                kind: RevocationKind::User,
                subject: self.user.id.0,
                access_version: Some(ended.access_version),
                reason: reason.to_owned(),
            })
            .await?;
        Ok(event
            .detail("sessions_ended", ended.sessions)
            .counts("sessions_active", -ended.sessions))
    }

    pub fn event(&self, kind: &'static str, action: &'static str, text: &'static str) -> Event {
        Event::new(kind, action, self.user.subject(), CHANNEL, text)
            .person(self.user.person())
            .scope(Some(self.user.scope()), Some(self.user.scope()))
    }

    /// The row as it is now.
    pub async fn reread(&mut self) -> Result<()> {
        self.user = read(self.change, self.user.id).await?;
        Ok(())
    }

    /// Records `event` with the row as it is now.
    async fn record(&mut self, mut event: Event) -> Result<()> {
        self.reread().await?;
        event.subject = self.user.subject();
        let event = with_row(event, &self.user)?;
        self.change.record(event).await?;
        Ok(())
    }

    /// Records `event` and keeps the answer; the caller commits.
    async fn finish(mut self, event: Event) -> Result<UserItem> {
        self.record(event).await?;
        let item = self.user.seen_by(self.change.ctx(), &self.held)?;
        self.change.answer(200, &item).await?;
        Ok(item)
    }
}

pub(super) async fn read(change: &mut Change, id: UserId) -> Result<User> {
    let organization = change.ctx().organization;
    store::find(change.tx(), organization, id)
        .await?
        .ok_or_else(|| Error::internal("a person vanished under a lock"))
}

/// The row's post-image and acts on an event about it.
pub(super) fn with_row(event: Event, user: &User) -> Result<Event> {
    Ok(event.patch(user.patch()?, user.acts()).person(user.person()))
}

/// Fields and values, always in the same order.
fn written(profile: &Profile) -> Result<Vec<(String, Value)>> {
    match serde_json::to_value(profile)? {
        Value::Object(map) => Ok(map.into_iter().collect()),
        _ => Err(Error::internal("a profile is an object")),
    }
}

async fn hash(store: &Store, password: &SecretString) -> Result<String> {
    let turn = store.passwords.turn().await?;
    store.passwords.hash(turn, password.clone()).await
}
