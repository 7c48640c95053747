//! Why somebody may do something, or may not: every statement about the permission that reaches them, by which way, and
//! which of them decided.

use super::carrier::Carrier;
use super::model::{Condition, Model, Person, Says};
use crate::kernel::id::{RoleId, TeamId, UserId};
use crate::kernel::permission::{Resource, ResourceFacts};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use uuid::Uuid;

/// What decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// A denial: it beats every grant.
    Denial,
    /// A grant for this one row.
    SingleGrant,
    /// What is granted to the person directly: it decides over what their roles give.
    DirectGrant,
    /// What their roles give.
    Roles,
    /// Nothing grants it.
    Nothing,
    /// They are not active, and may do nothing, whatever is granted.
    NotActive,
}

/// Grant or denial.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, serde::Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// May.
    Grant,
    /// May not.
    Deny,
}

/// A role on the way to a statement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Via {
    /// The role.
    pub id: RoleId,
    /// Its name.
    #[schema(example = "moderator")]
    pub name: String,
}

/// One statement that reaches the person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Line {
    /// Grant or denial.
    pub effect: Effect,
    /// On which rows it counts.
    pub on: Condition,
    /// The single row that it is about; null for all.
    pub resource: Option<Resource>,
    /// From the role that the person holds, through its parents, to the role that says it. Empty: said of the person.
    pub via: Vec<Via>,
    /// The team that carries the first of these roles; null where the person holds it themselves. Of several teams one is named.
    pub team: Option<Carrier>,
    /// Whether it is what decided. Others are beaten, overridden, or about other rows.
    pub decides: bool,
}

/// Why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Proof {
    /// Whether the permission is held: on the row that was asked about, or on everything where none was.
    pub allowed: bool,
    /// What decided.
    pub decision: Decision,
    /// Every statement about the permission that reaches the person.
    pub lines: Vec<Line>,
}

impl Proof {
    /// The same of somebody who is not active: what is granted to them decides nothing.
    #[must_use]
    pub fn of_nobody_active(mut self) -> Self {
        self.allowed = false;
        self.decision = Decision::NotActive;
        for line in &mut self.lines {
            line.decides = false;
        }
        self
    }
}

/// Why `user` may use `permission` on the row of `facts`, or on everything, or why not.
pub fn prove(model: &Model, user: UserId, permission: &str, facts: Option<&ResourceFacts<'_>>) -> Proof {
    let nobody = Person::default();
    let person = model.people.get(&user).unwrap_or(&nobody);
    let mut lines = from_person(person, permission);
    let direct = lines.iter().any(|line| line.resource.is_none());
    let first = lines.len();
    lines.extend(from_roles(model, person, permission));
    let nearest = nearest(model, person, permission);
    let counts: Vec<bool> = lines
        .iter()
        .enumerate()
        .map(|(at, line)| {
            at < first || !direct && line.via.last().is_some_and(|via| nearest.contains(&via.id))
        })
        .collect();
    let reaches = |line: &Line| reaches(line, user, person, facts);
    let decision = decide(&lines, &counts, reaches);
    for (at, line) in lines.iter_mut().enumerate() {
        line.decides = decision_of(line) == decision && counts_for(line, counts[at]) && reaches(line);
    }
    let set = model.permissions(user);
    let allowed = facts.map_or_else(|| set.has(permission), |facts| set.permits(permission, facts));
    Proof {
        allowed,
        decision,
        lines,
    }
}

/// A denial counts from wherever it is said; a grant only where nothing nearer is said.
fn counts_for(line: &Line, counts: bool) -> bool {
    counts || line.effect == Effect::Deny
}

fn decision_of(line: &Line) -> Decision {
    match (line.effect, &line.resource, line.via.is_empty()) {
        (Effect::Deny, ..) => Decision::Denial,
        (_, Some(_), _) => Decision::SingleGrant,
        (_, None, true) => Decision::DirectGrant,
        (_, None, false) => Decision::Roles,
    }
}

fn decide(lines: &[Line], counts: &[bool], reaches: impl Fn(&Line) -> bool) -> Decision {
    let order = [
        Decision::Denial,
        Decision::SingleGrant,
        Decision::DirectGrant,
        Decision::Roles,
    ];
    let is = |decision: &Decision| {
        lines.iter().zip(counts).any(|(line, counts)| {
            decision_of(line) == *decision && counts_for(line, *counts) && reaches(line)
        })
    };
    order.into_iter().find(is).unwrap_or(Decision::Nothing)
}

/// Whether a statement is about what was asked: the row of `facts`, or everything.
fn reaches(line: &Line, user: UserId, person: &Person, facts: Option<&ResourceFacts<'_>>) -> bool {
    let Some(facts) = facts else {
        // whoever is denied a single row does not hold it on everything
        return match line.effect {
            Effect::Deny => true,
            Effect::Grant => line.resource.is_none() && line.on == Condition::Everywhere,
        };
    };
    if let Some(row) = &line.resource {
        return row.kind == facts.kind && row.id == facts.id;
    }
    let own = facts.owner == Some(user.0);
    let team = facts.teams.iter().any(|team| person.teams.contains(team));
    match line.on {
        Condition::Everywhere => true,
        Condition::Own => own,
        Condition::Team => team,
        Condition::OwnOrTeam => own || team,
    }
}

fn line(says: Says, resource: Option<Resource>, via: Vec<Via>) -> Line {
    let (effect, on) = match says {
        Says::Denied => (Effect::Deny, Condition::Everywhere),
        Says::Granted(condition) => (Effect::Grant, condition),
    };
    Line {
        effect,
        on,
        resource,
        via,
        team: None,
        decides: false,
    }
}

fn from_person(person: &Person, permission: &str) -> Vec<Line> {
    let own = person
        .says
        .get(permission)
        .map(|says| line(*says, None, Vec::new()));
    let single = person.single.get(permission).into_iter().flatten();
    let single = single.map(|(resource, granted)| {
        let says = if *granted {
            Says::Granted(Condition::Everywhere)
        } else {
            Says::Denied
        };
        line(says, Some(resource.clone()), Vec::new())
    });
    own.into_iter().chain(single).collect()
}

/// What every role that the person holds, or inherits from, says; each by a shortest way.
fn from_roles(model: &Model, person: &Person, permission: &str) -> Vec<Line> {
    // what they hold themselves first: a way without a team is the shorter one
    let mut waiting: VecDeque<RoleId> = person.roles.iter().copied().collect();
    waiting.extend(model.held(person).difference(&person.roles));
    let mut came: BTreeMap<RoleId, Option<RoleId>> = waiting.iter().map(|role| (*role, None)).collect();
    let mut lines = Vec::new();
    while let Some(id) = waiting.pop_front() {
        let Some(role) = model.roles.get(&id) else {
            continue;
        };
        if let Some(says) = role.says.get(permission) {
            let via = way(model, &came, id);
            let team = via.first().and_then(|first| model.carrier(person, first.id));
            let mut line = line(*says, None, via);
            line.team = team.map(|id| carrier(model, id));
            lines.push(line);
        }
        for parent in &role.parents {
            if !came.contains_key(parent) {
                came.insert(*parent, Some(id));
                waiting.push_back(*parent);
            }
        }
    }
    lines
}

fn carrier(model: &Model, id: Uuid) -> Carrier {
    Carrier {
        id: TeamId(id),
        name: model.teams.get(&id).map(|team| team.name.clone()),
    }
}

fn way(model: &Model, came: &BTreeMap<RoleId, Option<RoleId>>, to: RoleId) -> Vec<Via> {
    let ids = std::iter::successors(Some(to), |id| came.get(id).copied().flatten());
    let mut via: Vec<Via> = ids
        .map(|id| Via {
            id,
            name: model
                .roles
                .get(&id)
                .map(|role| role.name.clone())
                .unwrap_or_default(),
        })
        .collect();
    via.reverse();
    via
}

/// Roles whose own statement is met before any other on some way from the person.
fn nearest(model: &Model, person: &Person, permission: &str) -> BTreeSet<RoleId> {
    let mut seen = model.held(person);
    let mut waiting: Vec<RoleId> = seen.iter().copied().collect();
    let mut nearest = BTreeSet::new();
    while let Some(id) = waiting.pop() {
        let Some(role) = model.roles.get(&id) else {
            continue;
        };
        if role.says.contains_key(permission) {
            nearest.insert(id);
        } else {
            waiting.extend(role.parents.iter().filter(|parent| seen.insert(**parent)));
        }
    }
    nearest
}
