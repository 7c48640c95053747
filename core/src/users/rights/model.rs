//! Who may do what, as said by roles and people, and what comes of it. Pure: no database.
//!
//! The rules, for one person and one permission:
//! 1. A denial beats everything: said of the person, of a role they hold, or of any parent of one.
//!    They hold the roles that were given to them, and those that a team carries which they are in; all alike.
//! 2. Else what is granted to the person directly decides alone, with its condition.
//! 3. Else each role they hold gives what it grants itself, or, where it says nothing, what its parents give; the union.
//! 4. Grants for single rows come on top, denials of single rows are taken off last.

use crate::kernel::id::{OrganizationId, RoleId, UserId};
use crate::kernel::permission::{PermissionSet, Reach, Resource, Rows, Subject};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use uuid::Uuid;

/// On which rows a grant counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// All of the organization.
    Everywhere,
    /// Those that belong to whoever holds it.
    Own,
    /// Those of a team that they are in.
    Team,
    /// Both.
    OwnOrTeam,
}

impl Condition {
    /// As it stands in `only_on`; `None` for everywhere.
    pub fn only_on(self) -> Option<&'static str> {
        match self {
            Self::Everywhere => None,
            Self::Own => Some("own"),
            Self::Team => Some("team"),
            Self::OwnOrTeam => Some("own_or_team"),
        }
    }

    fn parse(only_on: &str) -> Option<Self> {
        match only_on {
            "own" => Some(Self::Own),
            "team" => Some(Self::Team),
            "own_or_team" => Some(Self::OwnOrTeam),
            _ => None,
        }
    }
}

/// What a role or a person is told about one permission.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Says {
    /// Never.
    Denied,
    /// Granted, on these rows.
    Granted(Condition),
}

impl Says {
    /// From the columns. A grant with a condition is written as "not everywhere, only on": a node that knows no conditions
    /// reads a denial. A condition that this node does not know is a denial here.
    pub fn from_columns(granted: bool, only_on: Option<&str>) -> Self {
        match only_on {
            None if granted => Self::Granted(Condition::Everywhere),
            None => Self::Denied,
            Some(condition) => Condition::parse(condition).map_or(Self::Denied, Self::Granted),
        }
    }

    /// For the columns `granted` and `only_on`.
    pub fn columns(self) -> (bool, Option<&'static str>) {
        match self {
            Self::Denied => (false, None),
            Self::Granted(condition) => (condition == Condition::Everywhere, condition.only_on()),
        }
    }
}

/// A union of conditions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Union {
    /// All rows.
    pub everywhere: bool,
    /// Own rows.
    pub own: bool,
    /// Rows of the same team.
    pub team: bool,
}

impl Union {
    /// With one more condition.
    #[must_use]
    pub fn with(self, condition: Condition) -> Self {
        let everywhere = self.everywhere || condition == Condition::Everywhere;
        let own = self.own || matches!(condition, Condition::Own | Condition::OwnOrTeam);
        let team = self.team || matches!(condition, Condition::Team | Condition::OwnOrTeam);
        Self {
            everywhere,
            own: own && !everywhere,
            team: team && !everywhere,
        }
    }

    /// True when whatever `other` reaches is reached by this too.
    pub fn covers(self, other: Self) -> bool {
        self.everywhere || !other.everywhere && (self.own || !other.own) && (self.team || !other.team)
    }

    /// True when no row is reached.
    pub fn is_nothing(self) -> bool {
        self == Self::default()
    }
}

/// A role as far as rights hang on it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Role {
    /// Its name.
    pub name: String,
    /// From which it inherits.
    pub parents: BTreeSet<RoleId>,
    /// What it says itself.
    pub says: BTreeMap<String, Says>,
}

/// A team as far as rights hang on it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Team {
    /// Its name.
    pub name: String,
    /// Roles that it carries: whoever is in it holds them.
    pub roles: BTreeSet<RoleId>,
}

/// A person as far as rights hang on them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Person {
    /// Teams they are in.
    pub teams: BTreeSet<Uuid>,
    /// Roles they hold themselves; with those of their teams: [`Model::held`].
    pub roles: BTreeSet<RoleId>,
    /// What is said of them directly.
    pub says: BTreeMap<String, Says>,
    /// What is said of them about single rows: granted, or denied.
    pub single: BTreeMap<String, BTreeMap<Resource, bool>>,
}

/// What a role alone gives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gives {
    /// Permissions and on which rows, but for the denied.
    pub granted: BTreeMap<String, Union>,
    /// Denied to whoever holds the role, whatever else they hold.
    pub denied: BTreeSet<String>,
}

/// The roles and people of one organization, or those of them that matter for a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Model {
    /// Which.
    pub organization: OrganizationId,
    /// Roles, with all that they inherit from.
    pub roles: BTreeMap<RoleId, Role>,
    /// Teams; those that carry nothing may be absent.
    pub teams: BTreeMap<Uuid, Team>,
    /// People.
    pub people: BTreeMap<UserId, Person>,
}

impl Model {
    /// Nobody and nothing yet.
    pub fn new(organization: OrganizationId) -> Self {
        Self {
            organization,
            roles: BTreeMap::new(),
            teams: BTreeMap::new(),
            people: BTreeMap::new(),
        }
    }

    /// What `user` may do.
    pub fn permissions(&self, user: UserId) -> PermissionSet {
        let Some(person) = self.people.get(&user) else {
            return PermissionSet::default();
        };
        self.permissions_of(user, person)
    }

    /// The roles that `person` holds, themselves or through a team.
    pub fn held(&self, person: &Person) -> BTreeSet<RoleId> {
        let carried = person.teams.iter().filter_map(|team| self.teams.get(team));
        let carried = carried.flat_map(|team| &team.roles);
        person.roles.iter().chain(carried).copied().collect()
    }

    /// The team through which `person` holds `role`, the first of several; `None` where they hold it themselves, or not.
    pub fn carrier(&self, person: &Person, role: RoleId) -> Option<Uuid> {
        let mut teams = person.teams.iter().copied();
        let carries = |team: &Uuid| {
            self.teams
                .get(team)
                .is_some_and(|team| team.roles.contains(&role))
        };
        teams.find(carries).filter(|_| !person.roles.contains(&role))
    }

    /// What `user` would do, were they `person`.
    pub fn permissions_of(&self, user: UserId, person: &Person) -> PermissionSet {
        let held = self.held(person);
        let all = self.with_ancestors(&held);
        let mut names: BTreeSet<&String> = person.says.keys().chain(person.single.keys()).collect();
        names.extend(all.iter().flat_map(|role| role.says.keys()));
        let reaches: BTreeMap<String, Reach> = names
            .into_iter()
            .filter_map(|name| Some((name.clone(), self.reach(person, &held, &all, name)?)))
            .collect();
        if reaches.is_empty() {
            return PermissionSet::default();
        }
        let subject = Subject {
            organization: self.organization,
            user,
            teams: person.teams.iter().copied().collect(),
        };
        PermissionSet::of(subject, reaches)
    }

    fn reach(
        &self,
        person: &Person,
        held: &BTreeSet<RoleId>,
        all: &[&Role],
        permission: &str,
    ) -> Option<Reach> {
        let own = person.says.get(permission);
        let denied = |says: Option<&Says>| says == Some(&Says::Denied);
        if denied(own) || all.iter().any(|role| denied(role.says.get(permission))) {
            return None;
        }
        let union = match own {
            Some(Says::Granted(condition)) => Union::default().with(*condition),
            _ => self.granted_by(held, permission),
        };
        let mut rows = Rows {
            everywhere: union.everywhere,
            own: union.own,
            team: union.team && !person.teams.is_empty(),
            ..Rows::default()
        };
        for (resource, granted) in person.single.get(permission).into_iter().flatten() {
            let of = if *granted {
                &mut rows.single
            } else {
                &mut rows.denied
            };
            of.insert(resource.clone());
        }
        Reach::of(rows)
    }

    /// What `roles` give of `permission`: each what it grants itself, or else what its parents give.
    fn granted_by(&self, roles: &BTreeSet<RoleId>, permission: &str) -> Union {
        let mut union = Union::default();
        let mut seen = roles.clone();
        let mut waiting: VecDeque<RoleId> = roles.iter().copied().collect();
        while let Some(id) = waiting.pop_front() {
            let Some(role) = self.roles.get(&id) else { continue };
            if let Some(Says::Granted(condition)) = role.says.get(permission) {
                union = union.with(*condition);
                continue;
            }
            waiting.extend(role.parents.iter().filter(|parent| seen.insert(**parent)));
        }
        union
    }

    /// What `role` alone gives.
    pub fn gives(&self, role: RoleId) -> Gives {
        let starts = BTreeSet::from([role]);
        let all = self.with_ancestors(&starts);
        let mut gives = Gives::default();
        let said = || all.iter().flat_map(|role| &role.says);
        for (name, says) in said() {
            if *says == Says::Denied {
                gives.denied.insert(name.clone());
            }
        }
        for (name, _) in said().filter(|(name, _)| !gives.denied.contains(*name)) {
            let union = self.granted_by(&starts, name);
            if !union.is_nothing() {
                gives.granted.insert(name.clone(), union);
            }
        }
        gives
    }

    /// `role` and everything that inherits from it.
    pub fn heirs(&self, role: RoleId) -> BTreeSet<RoleId> {
        let mut heirs = BTreeSet::from([role]);
        loop {
            let more = self.roles.iter().filter(|(id, heir)| {
                !heirs.contains(*id) && heir.parents.iter().any(|parent| heirs.contains(parent))
            });
            let more: Vec<RoleId> = more.map(|(id, _)| *id).collect();
            if more.is_empty() {
                return heirs;
            }
            heirs.extend(more);
        }
    }

    /// True when some role inherits from itself.
    pub fn is_cyclic(&self) -> bool {
        self.roles
            .iter()
            .any(|(id, role)| self.ids_with_ancestors(&role.parents).contains(id))
    }

    fn with_ancestors(&self, roles: &BTreeSet<RoleId>) -> Vec<&Role> {
        let ids = self.ids_with_ancestors(roles);
        ids.iter().filter_map(|id| self.roles.get(id)).collect()
    }

    /// `roles` and all that they inherit from, however the data is linked.
    pub fn ids_with_ancestors(&self, roles: &BTreeSet<RoleId>) -> BTreeSet<RoleId> {
        let mut seen = roles.clone();
        let mut waiting: Vec<RoleId> = roles.iter().copied().collect();
        while let Some(id) = waiting.pop() {
            let parents = self.roles.get(&id).map(|role| &role.parents);
            waiting.extend(
                parents
                    .into_iter()
                    .flatten()
                    .filter(|parent| seen.insert(**parent)),
            );
        }
        seen
    }
}
