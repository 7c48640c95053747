//! Changing the rules.

use super::list::{self, IpRule, SubjectKind};
use super::rules::admits_within;
use super::{CHANNEL, MOST};
use crate::bus::control::{Revocation, RevocationKind};
use crate::change::Change;
use crate::kernel::ctx::Ctx;
use crate::kernel::error::{Error, Kind, Result};
use crate::kernel::event::{Event, Scope, Severity, Subject};
use crate::kernel::id::{IpRuleId, OrganizationId, RoleId};
use crate::kernel::network;
use crate::{Store, people};
use serde::Deserialize;
use serde_json::Value;
use std::net::IpAddr;
use uuid::Uuid;

/// A rule to be made.
#[derive(Clone, Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewIpRule {
    /// The role it is for; absent: everybody in the organization.
    pub role: Option<RoleId>,
    /// An IPv4 or IPv6 address, or a network as CIDR.
    #[schema(example = "192.0.2.0/24")]
    pub cidr: String,
    /// What network that is, at most 200 characters.
    #[serde(default)]
    pub note: String,
}

/// Nobody is let in from there.
pub fn refused(from: Option<IpAddr>) -> Error {
    let address = from.map_or_else(
        || "an address that the hub cannot tell".to_owned(),
        |from| from.to_canonical().to_string(),
    );
    Error::new(
        Kind::Forbidden,
        "auth.address_refused",
        format!(
            "You come from {address}, which is not let in. Come from an allowed network, or ask an owner to allow this one."
        ),
    )
}

/// Allows a network. What is open from elsewhere ends with the commit.
pub async fn create(store: &Store, ctx: &Ctx, new: &NewIpRule) -> Result<IpRule> {
    ctx.require("ip_rules:manage")?;
    ctx.require_recent_proof(store.clock.now())?;
    let allowed =
        network::parse(&new.cidr).map_err(|error| Error::field("cidr", "unreadable", format!("{error}.")))?;
    let note = new.note.trim();
    if note.chars().count() > 200 {
        return Err(Error::field("note", "too_long", "At most 200 characters."));
    }
    let mut change = begin(store, ctx).await?;
    let (id, organization, at) = (IpRuleId::new(), ctx.organization, change.at());
    let (kind, subject) = subject(&mut change, new.role).await?;
    let made = sqlx::query!(
        "INSERT INTO ip_rules (id, organization_id, subject_kind, subject_id, cidr, note, created_by, created_at)
         SELECT $1, $2, $3, $4, $5::text::cidr, $6, $7, $8
         WHERE (SELECT count(*) FROM ip_rules WHERE organization_id = $2) < $9
         ON CONFLICT (organization_id, subject_kind, subject_id, cidr) DO NOTHING",
        id.0,
        organization.0,
        kind.as_str(),
        subject,
        allowed.to_string(),
        note,
        ctx.actor.user().map(|user| user.0),
        at,
        MOST as i64,
    )
    .execute(change.tx())
    .await?;
    if made.rows_affected() == 0 {
        return Err(Error::new(
            Kind::Conflict,
            "ip_rules.exists",
            format!("This network is allowed already, or there are {MOST} rules, which is the most."),
        ));
    }
    let row = one(&mut change, id).await?;
    let event = event(
        "ip_rule.created",
        "ip_rules.create",
        id,
        "{actor} allowed a network",
    );
    let event = event.patch(row.clone(), vec!["ip_rules.delete"]);
    let event = event.changed("rule", Value::Null, row.clone());
    let event = event.scope(None, Some(Scope::default()));
    finish(&mut change, event).await?;
    let mut named = [row];
    people::open(change.tx(), &store.sealer, &mut named).await?;
    let [row] = named;
    let item: IpRule = serde_json::from_value(row)?;
    change.answer(201, &item).await?;
    change.commit().await?;
    Ok(item)
}

/// Takes a rule away. With the last one of a subject everything is let in again.
pub async fn delete(store: &Store, ctx: &Ctx, id: IpRuleId) -> Result<()> {
    ctx.require("ip_rules:manage")?;
    ctx.require_recent_proof(store.clock.now())?;
    let mut change = begin(store, ctx).await?;
    let row = one(&mut change, id).await?;
    sqlx::query!(
        "DELETE FROM ip_rules WHERE organization_id = $1 AND id = $2",
        ctx.organization.0,
        id.0
    )
    .execute(change.tx())
    .await?;
    let event = event(
        "ip_rule.deleted",
        "ip_rules.delete",
        id,
        "{actor} took an allowed network away",
    );
    let event = event.changed("rule", row, Value::Null);
    let event = event.scope(Some(Scope::default()), None);
    finish(&mut change, event).await?;
    change.commit().await
}

/// Takes all rules away, from the command line: how somebody gets back in who is shut out. Answers how many there were.
pub async fn clear(store: &Store, organization: OrganizationId) -> Result<u64> {
    let ctx = Ctx::system(organization, "admin");
    let mut change = begin(store, &ctx).await?;
    let gone = sqlx::query!("DELETE FROM ip_rules WHERE organization_id = $1", organization.0)
        .execute(change.tx())
        .await?
        .rows_affected();
    let subject = Subject {
        kind: "organization".into(),
        id: organization.0,
        version: 1,
    };
    let text = "{actor} took all IP rules away";
    let event = Event::new("ip_rule.all_deleted", "ip_rules.clear", subject, CHANNEL, text)
        .severity(Severity::Bad)
        .detail("rules", gone);
    finish(&mut change, event).await?;
    change.commit().await?;
    Ok(gone)
}

/// Opens a change of the rules. One after the other, so that two people cannot shut each other out.
async fn begin(store: &Store, ctx: &Ctx) -> Result<Change> {
    let mut change = Change::begin(store, ctx).await?;
    sqlx::query!(
        "SELECT id FROM organizations WHERE id = $1 FOR NO KEY UPDATE",
        ctx.organization.0
    )
    .fetch_one(change.tx())
    .await?;
    Ok(change)
}

async fn subject(change: &mut Change, role: Option<RoleId>) -> Result<(SubjectKind, Uuid)> {
    let organization = change.ctx().organization;
    let Some(role) = role else {
        return Ok((SubjectKind::Organization, organization.0));
    };
    let there = sqlx::query!(
        "SELECT id FROM roles WHERE organization_id = $1 AND id = $2 FOR KEY SHARE",
        organization.0,
        role.0
    )
    .fetch_optional(change.tx())
    .await?;
    if there.is_none() {
        return Err(Error::field(
            "role",
            "unknown",
            "There is no such role; choose from GET /api/v1/roles.",
        ));
    }
    Ok((SubjectKind::Role, role.0))
}

async fn one(change: &mut Change, id: IpRuleId) -> Result<Value> {
    let organization = change.ctx().organization;
    let mut rows = list::rows(change.tx(), organization, Some(id)).await?;
    rows.pop().ok_or_else(|| Error::not_found("ip_rule"))
}

fn event(kind: &'static str, action: &'static str, id: IpRuleId, text: &'static str) -> Event {
    let subject = Subject {
        kind: "ip_rule".into(),
        id: id.0,
        version: 1,
    };
    Event::new(kind, action, subject, CHANNEL, text).severity(Severity::Warn)
}

/// Records what was written, unless it shuts out whoever did it, and has everything that is open looked at again.
async fn finish(change: &mut Change, event: Event) -> Result<()> {
    let ctx = change.ctx().clone();
    if let Some(user) = ctx.actor.user()
        && !admits_within(change.tx(), ctx.organization, user, ctx.ip).await?
    {
        let address = ctx
            .ip
            .map_or_else(String::new, |ip| format!(" ({})", ip.to_canonical()));
        return Err(Error::new(
            Kind::Conflict,
            "ip_rules.would_shut_you_out",
            format!("This would shut out the address you come from{address}. Allow that one first."),
        ));
    }
    change.record(event).await?;
    change
        .revoke(Revocation {
            organization: ctx.organization,
            kind: RevocationKind::IpRule,
            subject: ctx.organization.0,
            access_version: None,
            reason: "ip_rules_changed".to_owned(),
        })
        .await
}
