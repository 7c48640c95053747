//! What is said of a person directly: grants and denials on everything, under a condition, or on single rows.

use super::given::{self, Given};
use super::proposal::Proposal;
use super::statement::{self, Single, Statement};
use crate::Store;
use crate::bus::control::{Revocation, RevocationKind};
use crate::change::Change;
use crate::kernel::ctx::Ctx;
use crate::kernel::error::{Error, Kind, Result};
use crate::kernel::event::{Event, Severity};
use crate::kernel::id::{RoleId, UserId};
use crate::kernel::permission::{PermissionSet, Reach, Resource, ResourceFacts, Rows};
use crate::users::rights::model::{Condition, Model, Person, Says};
use crate::users::rights::proof::Effect;
use crate::users::rights::{self, read, read::Roles};
use crate::users::{self, CHANNEL, User};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

/// Statements about single rows of one person at most: they stand in the person's set, on every node.
pub const SINGLE: usize = 500;

/// What is to be said of a person directly, no more and no less.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Direct {
    /// On everything, or under a condition.
    #[serde(default)]
    pub statements: Vec<Statement>,
    /// On single rows.
    #[serde(default)]
    pub single: Vec<Single>,
}

/// How far a permission reaches, to look at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Held {
    /// `<feature>:<verb>`.
    #[schema(example = "users:ban")]
    pub permission: String,
    /// On everything that is not denied below.
    pub everywhere: bool,
    /// On what belongs to the person.
    pub own: bool,
    /// On what belongs to their teams.
    pub team: bool,
    /// On these rows.
    pub single: BTreeSet<Resource>,
    /// Never on these rows.
    pub denied: BTreeSet<Resource>,
}

impl Held {
    /// `permission` with its reach.
    pub fn of(permission: &str, reach: &Reach) -> Self {
        let rows = reach.rows();
        Self {
            permission: permission.to_owned(),
            everywhere: rows.everywhere,
            own: rows.own,
            team: rows.team,
            single: rows.single,
            denied: rows.denied,
        }
    }
}

/// What a person may do, and what of it is said of them directly.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct OfUser {
    /// The person's version, for `If-Match`; it grows with each change of what they may do.
    pub version: i64,
    /// Said of the person.
    #[serde(flatten)]
    pub direct: Direct,
    /// Roles they hold themselves; those that their teams carry stand in `given`.
    pub roles: Vec<RoleId>,
    /// What comes of all of it.
    pub held: Vec<Held>,
    /// Who gave each role, and said each of these things, and when.
    pub given: Vec<Given>,
}

/// What `id` may do, and what of it is said of them directly.
pub async fn of_user(store: &Store, ctx: &Ctx, id: UserId) -> Result<OfUser> {
    ctx.require("roles:read")?;
    let mut tx = store.db.primary(ctx.organization).await?;
    let user = users::store::find(&mut tx, ctx.organization, id).await?;
    let user = user.filter(|user| user.is_permitted(ctx, "users:read") || ctx.is_oneself(id));
    let user = user.ok_or_else(|| Error::not_found("user"))?;
    let model = read::model(&mut tx, ctx.organization, &[id], Roles::These(&[])).await?;
    let given = given::to(&mut tx, ctx, id).await?;
    Ok(shown(&model, &user, given))
}

fn shown(model: &Model, user: &User, given: Vec<Given>) -> OfUser {
    let id = user.id;
    let person = model.people.get(&id).cloned().unwrap_or_default();
    let set = model.permissions_of(id, &person);
    OfUser {
        version: user.version,
        direct: direct(&person),
        roles: person.roles.into_iter().collect(),
        held: set.reaches().map(|(name, reach)| Held::of(name, reach)).collect(),
        given,
    }
}

fn direct(person: &Person) -> Direct {
    let statements = person.says.iter().map(|(name, says)| Statement::of(name, *says));
    let single = person.single.iter().flat_map(|(name, rows)| {
        rows.iter().map(|(resource, granted)| Single {
            permission: name.clone(),
            effect: if *granted { Effect::Grant } else { Effect::Deny },
            resource: resource.clone(),
        })
    });
    Direct {
        statements: statements.collect(),
        single: single.collect(),
    }
}

/// Makes `wanted` what is said of `id` directly. What they may do changes with the commit, on every open stream too. `if_match`: the
/// person's version that was seen.
pub async fn set_of_user(
    store: &Store,
    ctx: &Ctx,
    id: UserId,
    if_match: Option<i64>,
    wanted: &Direct,
) -> Result<OfUser> {
    ctx.require("roles:assign")?;
    if ctx.actor.user() == Some(id) {
        return Err(Error::new(
            Kind::Conflict,
            "permissions.own",
            "You cannot change your own permissions. Ask somebody else who may assign roles.",
        ));
    }
    if wanted.single.len() > SINGLE {
        let detail = format!("{SINGLE} single rows of one person at most. Make a team, and a role for it.");
        return Err(Error::field("single", "too_many", detail));
    }
    let mut change = Change::begin(store, ctx).await?;
    let user = users::store::lock(change.tx(), ctx.organization, id)
        .await?
        .filter(|user| user.is_permitted(ctx, "users:read"))
        .ok_or_else(|| Error::not_found("user"))?;
    rights::hold_still(change.tx(), ctx.organization).await?;
    statement::check(change.tx(), ctx.organization, &wanted.statements, &wanted.single).await?;
    let before = read::model(change.tx(), ctx.organization, &[id], Roles::These(&[])).await?;
    let proposal = Proposal::Permissions {
        user: id,
        statements: wanted.statements.clone(),
        single: wanted.single.clone(),
    };
    let after = proposal.applied_to(&before);
    let (had, has) = (before.permissions(id), after.permissions(id));
    ctx.require_over(&had)?;
    user.require_version(ctx, &had, if_match)?;
    let nobody = Person::default();
    let was = before.people.get(&id).unwrap_or(&nobody);
    let is = after.people.get(&id).unwrap_or(&nobody);
    if was == is {
        let given = given::to(change.tx(), ctx, id).await?;
        return Ok(shown(&before, &user, given));
    }
    require_holds_new(ctx, was, is)?;
    require_gain_held(&mut change, ctx, &had, &has).await?;
    rights::require_proof_of_gift(ctx, &had, &has, change.at())?;
    write(&mut change, id, was, is).await?;
    rights::require_owners_whole(change.tx(), ctx.organization).await?;
    let now = record(&mut change, &user, &direct(was), &direct(is)).await?;
    let given = given::to(change.tx(), ctx, id).await?;
    let answer = shown(&after, &now, given);
    change.answer(200, &answer).await?;
    change.commit().await?;
    Ok(answer)
}

/// Passes when the actor holds whatever `has` reaches and `had` did not: single rows are judged one by one, each with what is
/// known of it.
async fn require_gain_held(
    change: &mut Change,
    ctx: &Ctx,
    had: &PermissionSet,
    has: &PermissionSet,
) -> Result<()> {
    let mut beside = BTreeMap::new();
    for (permission, reach) in has.reaches() {
        let rows = reach.rows();
        let before = had.reach(permission).map(Reach::rows).unwrap_or_default();
        for row in &rows.single {
            let held = before.single.contains(row) || before.everywhere && !before.denied.contains(row);
            if !held {
                require_on(change, ctx, permission, row).await?;
            }
        }
        let single = BTreeSet::new();
        let rest = Reach::of(Rows { single, ..rows });
        beside.extend(rest.map(|reach| (permission.to_owned(), reach)));
    }
    let Some(subject) = has.subject() else {
        return Ok(());
    };
    rights::require_holds_gain(ctx, had, &PermissionSet::of(subject.clone(), beside))
}

/// Passes when the actor holds on everything whatever is granted anew beyond single rows, even where it has no effect yet.
fn require_holds_new(ctx: &Ctx, was: &Person, is: &Person) -> Result<()> {
    let everywhere = Says::Granted(Condition::Everywhere);
    let new = is.says.iter().filter(|(permission, says)| {
        let before = was.says.get(*permission);
        **says != Says::Denied && before != Some(*says) && before != Some(&everywhere)
    });
    match new.map(|(name, _)| name).find(|name| !ctx.permissions.has(name)) {
        None => Ok(()),
        Some(permission) => Err(rights::beyond(permission)),
    }
}

async fn require_on(change: &mut Change, ctx: &Ctx, permission: &str, row: &Resource) -> Result<()> {
    let teams = rights::teams_of(change.tx(), ctx.organization, row).await?;
    let facts = ResourceFacts {
        organization: ctx.organization,
        kind: &row.kind,
        id: row.id,
        owner: (row.kind == "user").then_some(row.id),
        teams: &teams,
    };
    if ctx.permissions.permits(permission, &facts) {
        return Ok(());
    }
    Err(rights::beyond(permission))
}

/// Writes the difference: what stays keeps who gave it and when.
async fn write(change: &mut Change, id: UserId, was: &Person, is: &Person) -> Result<()> {
    let (before, after) = (rows(was), rows(is));
    let (organization, at) = (change.ctx().organization, change.at());
    let by = change.ctx().actor.user().map(|user| user.0);
    for gone in before.difference(&after) {
        sqlx::query!(
            "DELETE FROM user_permissions WHERE organization_id = $1 AND user_id = $2 AND permission = $3
               AND resource_kind IS NOT DISTINCT FROM $4 AND resource_id IS NOT DISTINCT FROM $5",
            organization.0,
            id.0,
            gone.permission,
            gone.kind as Option<&str>,
            gone.id as Option<Uuid>,
        )
        .execute(change.tx())
        .await?;
    }
    for new in after.difference(&before) {
        sqlx::query!(
            "INSERT INTO user_permissions (organization_id, user_id, permission, granted, only_on, resource_kind,
               resource_id, granted_by, granted_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
            organization.0,
            id.0,
            new.permission,
            new.granted,
            new.only_on as Option<&str>,
            new.kind as Option<&str>,
            new.id as Option<Uuid>,
            by,
            at,
        )
        .execute(change.tx())
        .await?;
    }
    Ok(())
}

/// A row of `user_permissions`.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Row<'a> {
    permission: &'a str,
    granted: bool,
    only_on: Option<&'static str>,
    kind: Option<&'a str>,
    id: Option<Uuid>,
}

fn rows(person: &Person) -> BTreeSet<Row<'_>> {
    let all = person.says.iter().map(|(permission, says)| {
        let (granted, only_on) = says.columns();
        Row {
            permission,
            granted,
            only_on,
            kind: None,
            id: None,
        }
    });
    let single = person.single.iter().flat_map(|(permission, rows)| {
        rows.iter().map(|(resource, granted)| Row {
            permission,
            granted: *granted,
            only_on: None,
            kind: Some(&resource.kind),
            id: Some(resource.id),
        })
    });
    all.chain(single).collect()
}

async fn record(change: &mut Change, before: &User, was: &Direct, is: &Direct) -> Result<User> {
    let (organization, at) = (change.ctx().organization, change.at());
    let access_version = users::store::access_changed(change.tx(), organization, before.id, at).await?;
    let after = users::store::find(change.tx(), organization, before.id)
        .await?
        .ok_or_else(|| Error::not_found("user"))?;
    let event = Event::new(
        "user.permissions_changed",
        "users.set_permissions",
        after.subject(),
        CHANNEL,
        "{actor} changed what {subject} may do",
    )
    .also(format!("inbox:{}", after.id))
    .severity(Severity::Warn)
    .patch(after.patch()?, after.acts())
    .person(after.person())
    .scope(Some(before.scope()), Some(after.scope()))
    .changed(
        "statements",
        serde_json::to_value(&was.statements)?,
        serde_json::to_value(&is.statements)?,
    )
    .changed(
        "single",
        serde_json::to_value(&was.single)?,
        serde_json::to_value(&is.single)?,
    );
    change.record(event).await?;
    let looked_at = Revocation {
        organization,
        kind: RevocationKind::Access,
        subject: after.id.0,
        access_version: Some(access_version),
        reason: "permissions_changed".to_owned(),
    };
    change.revoke(looked_at).await?;
    Ok(after)
}
