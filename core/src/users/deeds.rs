//! What is done to a person, alone or as one of many: the same checks and the same statements.

use super::model::User;
use super::service::{Act, require_not_barred};
use super::{UserStatus, check, store};
use crate::change::Change;
use crate::kernel::error::{Error, Kind, Result};
use crate::kernel::event::{Event, Severity, Subject};
use crate::kernel::id::UserId;
use crate::kernel::seal::Person;
use crate::messages::{self, Address, Alert};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;

/// Wire channel of invitations, which stand above people.
const INVITATIONS: &str = "feed:invitations";

/// An act on one person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deed {
    /// Shuts them out, for a reason that operators read.
    Ban(String),
    /// Lets a banned person in again.
    Unban,
    /// Holds them back for a while, for a reason.
    Suspend(String),
    /// Ends a suspension.
    Reinstate,
    /// Marks them as deleted.
    Delete,
}

impl Deed {
    /// What it takes, on the person.
    pub fn permission(&self) -> &'static str {
        match self {
            Self::Delete => "users:delete",
            Self::Ban(_) | Self::Unban | Self::Suspend(_) | Self::Reinstate => "users:ban",
        }
    }
}

/// What an act as one of many left behind, for the event that tells of them together.
#[derive(Clone, Debug, Default)]
pub struct Applied {
    /// The row as it is now, and whose key seals it; `None` where nothing changed, or nothing is left to show.
    pub row: Option<(Value, Person)>,
    /// What it adds to the Overview's counters.
    pub counters: BTreeMap<&'static str, i64>,
}

impl Applied {
    /// Of an event about `user`.
    pub fn of(event: Event, user: Option<&User>) -> Result<Self> {
        let row = user.map(|user| Ok::<_, Error>((user.patch()?, user.person())));
        Ok(Self {
            row: row.transpose()?,
            counters: event.counters,
        })
    }
}

/// Does `deed` to one of many, within the change that tells of all of them. The person's activity shows it; audit and event are
/// the whole act's. Who is deleted is told of at once, because a row that is gone stands in no list of rows.
pub async fn apply(change: &mut Change, id: UserId, deed: &Deed) -> Result<Applied> {
    let mut act = Act::on(change, id, deed.permission()).await?;
    if *deed == Deed::Delete {
        let event = deleted(&mut act).await?.unaudited();
        change.line(&event).await?;
        let counters = event.counters.clone();
        change
            .record(Event {
                counters: BTreeMap::new(),
                ..event
            })
            .await?;
        return Ok(Applied { row: None, counters });
    }
    let event = done(&mut act, deed).await?;
    act.reread().await?;
    let applied = Applied::of(event.clone(), Some(&act.user))?;
    change.line(&event).await?;
    Ok(applied)
}

/// Everything but deleting.
pub(super) async fn done(act: &mut Act<'_>, deed: &Deed) -> Result<Event> {
    match deed {
        Deed::Ban(reason) => banned(act, reason).await,
        Deed::Unban => returned(act, &UNBAN).await,
        Deed::Suspend(reason) => suspended(act, reason).await,
        Deed::Reinstate => returned(act, &REINSTATE).await,
        Deed::Delete => deleted(act).await,
    }
}

async fn banned(act: &mut Act<'_>, reason: &str) -> Result<Event> {
    let reason = check::reason(reason).map_err(|fault| Error::invalid(vec![fault.at("reason")]))?;
    act.require_another("user.not_oneself", "ban").await?;
    if act.user.status == UserStatus::Banned {
        return Err(conflict("user.already_banned", "This person is banned already."));
    }
    let at = act.change.at();
    store::ban(act.change.tx(), act.user.id, &reason, at).await?;
    let event = act
        .event("user.banned", "users.ban", "{actor} banned {subject}")
        .severity(Severity::Warn)
        .changed("status", act.user.status.as_str(), "banned")
        .reason(reason)
        .counts("users_banned", 1);
    let event = leaving(event, act);
    act.cut_off(event, "banned").await
}

async fn suspended(act: &mut Act<'_>, reason: &str) -> Result<Event> {
    let reason = check::reason(reason).map_err(|fault| Error::invalid(vec![fault.at("reason")]))?;
    act.require_another("user.not_oneself", "suspend").await?;
    if !matches!(act.user.status, UserStatus::Active | UserStatus::Invited) {
        let detail = "Only who is active or invited can be suspended.";
        return Err(conflict("user.not_active", detail));
    }
    let (id, at) = (act.user.id, act.change.at());
    store::set_status(act.change.tx(), id, UserStatus::Suspended, at).await?;
    let event = act
        .event("user.suspended", "users.suspend", "{actor} suspended {subject}")
        .severity(Severity::Warn)
        .changed("status", act.user.status.as_str(), "suspended")
        .reason(reason);
    let event = leaving(event, act);
    act.cut_off(event, "suspended").await
}

/// A way back in.
struct Return {
    from: UserStatus,
    kind: &'static str,
    action: &'static str,
    text: &'static str,
    refused: (&'static str, &'static str),
    verb: &'static str,
}

const UNBAN: Return = Return {
    from: UserStatus::Banned,
    kind: "user.unbanned",
    action: "users.unban",
    text: "{actor} unbanned {subject}",
    refused: ("user.not_banned", "This person is not banned."),
    verb: "unban",
};
const REINSTATE: Return = Return {
    from: UserStatus::Suspended,
    kind: "user.reinstated",
    action: "users.reinstate",
    text: "{actor} let {subject} in again",
    refused: ("user.not_suspended", "This person is not suspended."),
    verb: "reinstate",
};

async fn returned(act: &mut Act<'_>, back: &Return) -> Result<Event> {
    act.require_not_oneself("user.not_oneself", back.verb)?;
    if act.user.status != back.from {
        return Err(conflict(back.refused.0, back.refused.1));
    }
    let at = act.change.at();
    // who was invited and has not come yet is invited again
    let status = store::unban(act.change.tx(), act.user.id, at).await?;
    let mut event =
        act.event(back.kind, back.action, back.text)
            .changed("status", back.from.as_str(), status.as_str());
    if let Some(counter) = status.counter() {
        event = event.counts(counter, 1);
    }
    Ok(leaving(event, act))
}

/// Passes when the person may be given the address `email`: whoever reads the mailbox can choose a new password. So it is done by
/// somebody who proved lately who they are, and never to oneself.
pub(super) async fn require_may_readdress(act: &mut Act<'_>, email: &str) -> Result<()> {
    let ctx = act.change.ctx().clone();
    if ctx.actor.user() == Some(act.user.id) {
        return Err(conflict(
            "user.own_email",
            "You cannot give yourself another address here. Ask for it with POST /api/v1/me/email: both mailboxes confirm it.",
        ));
    }
    ctx.require_recent_proof(act.change.at())?;
    require_not_barred(act.change, email).await
}

/// Tells whoever reads the mailbox of before that another counts from now on. Where an invitation went astray that is nobody of ours.
pub(super) async fn tell_old_mailbox(act: &mut Act<'_>) -> Result<()> {
    if act.user.status == UserStatus::Invited {
        return Ok(());
    }
    let (email, name) = (act.user.email.as_str(), act.user.name.as_str());
    let old = Address::of(act.user.person(), email, name);
    messages::alert(act.change, &old, Alert::AddressReplaced).await
}

/// Marks as deleted. The event tells of the row as it was: it is in nobody's sight any more.
pub(super) async fn deleted(act: &mut Act<'_>) -> Result<Event> {
    act.require_another("user.not_oneself", "delete").await?;
    let at = act.change.at();
    let event = act
        .event("user.deleted", "users.delete", "{actor} deleted {subject}")
        .severity(Severity::Warn)
        .counts("users_total", -1);
    let event = leaving(event, act);
    let mut event = act.cut_off(event, "deleted").await?;
    for invitation in store::delete(act.change.tx(), act.user.id, at).await? {
        tell_withdrawn(act, invitation, at).await?;
    }
    event.subject.version += 1;
    if act.user.status == UserStatus::Invited {
        let organization = act.change.ctx().organization;
        store::free_address(act.change.tx(), organization, act.user.id, at).await?;
        event.subject.version += 1;
    }
    event.scope_after = None;
    Ok(event)
}

/// Tells whoever looks at invitations that one ended with its person. The audit log knows by the act on the person.
async fn tell_withdrawn(act: &mut Act<'_>, (id, version): (Uuid, i64), at: OffsetDateTime) -> Result<()> {
    let subject = Subject {
        kind: "invitation".into(),
        id,
        version,
    };
    let patch = json!({
        "id": id,
        "user_id": act.user.id,
        "state": "withdrawn",
        "withdrawn_at": at.format(&Rfc3339).map_err(Error::internal)?,
        "version": version,
    });
    let text = "{actor} took an invitation back";
    let event = Event::new(
        "invitation.withdrawn",
        "invitations.withdraw",
        subject,
        INVITATIONS,
        text,
    )
    .severity(Severity::Warn)
    .patch(patch, Vec::new())
    .unaudited();
    act.change.record(event).await?;
    Ok(())
}

/// Takes the person out of the count of the state they were in.
fn leaving(event: Event, act: &Act<'_>) -> Event {
    match act.user.status.counter() {
        Some(counter) => event.counts(counter, -1),
        None => event,
    }
}

fn conflict(code: &'static str, detail: &'static str) -> Error {
    Error::new(Kind::Conflict, code, detail)
}
