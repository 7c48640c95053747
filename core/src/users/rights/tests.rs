//! The engine against an oracle: the rules once more, written plainly and apart from it.

mod inheritance;

use super::model::{Condition, Model, Person, Role, Says, Team};
use super::proof::{Decision, prove};
use super::read::{self, Roles};
use crate::kernel::id::{OrganizationId, RoleId, UserId};
use crate::kernel::permission::{Resource, ResourceFacts};
use crate::testing::{self, TestStore};
use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};
use std::collections::BTreeSet;
use uuid::Uuid;

const PERMISSIONS: [&str; 3] = ["users:ban", "users:update", "jobs:read"];
const CONDITIONS: [Condition; 4] = [
    Condition::Everywhere,
    Condition::Own,
    Condition::Team,
    Condition::OwnOrTeam,
];

fn pick<T: Clone>(rng: &mut impl Rng, of: &[T]) -> T {
    of[rng.random_range(0..of.len())].clone()
}

fn says(rng: &mut impl Rng) -> Says {
    if rng.random_bool(0.15) {
        Says::Denied
    } else {
        Says::Granted(pick(rng, &CONDITIONS))
    }
}

/// Ids that sort as they were made and meet often.
fn ids(from: u128, count: usize) -> Vec<Uuid> {
    (0..count as u128).map(|n| Uuid::from_u128(from + n)).collect()
}

struct World {
    model: Model,
    people: Vec<UserId>,
    teams: Vec<Uuid>,
}

impl World {
    /// Up to six roles, of which each may inherit from those before it, teams that carry some of them, and three people.
    fn random(
        rng: &mut impl Rng,
        organization: OrganizationId,
        people: &[UserId],
        roles: &[RoleId],
        teams: &[Uuid],
    ) -> Self {
        let mut model = Model::new(organization);
        let roles = &roles[..rng.random_range(0..=roles.len())];
        for (nth, id) in roles.iter().enumerate() {
            let mut role = Role {
                name: format!("role {nth}"),
                ..Role::default()
            };
            role.parents = roles[..nth]
                .iter()
                .copied()
                .filter(|_| rng.random_bool(0.4))
                .collect();
            for permission in PERMISSIONS {
                if rng.random_bool(0.3) {
                    role.says.insert(permission.to_owned(), says(rng));
                }
            }
            model.roles.insert(*id, role);
        }
        for team in teams {
            let carried = Team {
                name: team.to_string(),
                roles: roles.iter().copied().filter(|_| rng.random_bool(0.2)).collect(),
            };
            model.teams.insert(*team, carried);
        }
        for user in people {
            let mut person = Person {
                teams: teams.iter().copied().filter(|_| rng.random_bool(0.4)).collect(),
                roles: roles.iter().copied().filter(|_| rng.random_bool(0.25)).collect(),
                ..Person::default()
            };
            for permission in PERMISSIONS {
                if rng.random_bool(0.2) {
                    person.says.insert(permission.to_owned(), says(rng));
                }
                for other in people {
                    if rng.random_bool(0.15) {
                        let row = Resource {
                            kind: "user".to_owned(),
                            id: other.0,
                        };
                        person
                            .single
                            .entry(permission.to_owned())
                            .or_default()
                            .insert(row, rng.random_bool(0.6));
                    }
                }
            }
            model.people.insert(*user, person);
        }
        Self {
            model,
            people: people.to_vec(),
            teams: teams.to_vec(),
        }
    }
}

/// A row: whose organization it is of, its id, its owner, its teams.
struct Row(OrganizationId, Uuid, Option<Uuid>, Vec<Uuid>);

impl Row {
    fn random(rng: &mut impl Rng, world: &World) -> Self {
        let here = rng.random_bool(0.95);
        let organization = if here {
            world.model.organization
        } else {
            OrganizationId(Uuid::from_u128(99))
        };
        let owner = rng.random_bool(0.8).then(|| pick(rng, &world.people).0);
        let teams = world
            .teams
            .iter()
            .copied()
            .filter(|_| rng.random_bool(0.4))
            .collect();
        Self(organization, pick(rng, &world.people).0, owner, teams)
    }

    fn facts(&self) -> ResourceFacts<'_> {
        ResourceFacts {
            organization: self.0,
            kind: "user",
            id: self.1,
            owner: self.2,
            teams: &self.3,
        }
    }
}

/// The oracle.
mod naive {
    use super::*;

    /// Given to the person, or to a team that they are in.
    fn holds(world: &Model, person: &Person, role: RoleId) -> bool {
        let mut teams = world.teams.iter();
        person.roles.contains(&role)
            || teams.any(|(id, team)| team.roles.contains(&role) && person.teams.contains(id))
    }

    fn all_roles(world: &Model, role: RoleId, all: &mut BTreeSet<RoleId>) {
        all.insert(role);
        for parent in &world.roles[&role].parents {
            all_roles(world, *parent, all);
        }
    }

    fn meets(condition: Condition, user: UserId, person: &Person, row: &Row) -> bool {
        let own = row.2 == Some(user.0);
        let team = row.3.iter().any(|team| person.teams.contains(team));
        match condition {
            Condition::Everywhere => true,
            Condition::Own => own,
            Condition::Team => team,
            Condition::OwnOrTeam => own || team,
        }
    }

    fn role_gives(world: &Model, role: RoleId, permission: &str, meets: &dyn Fn(Condition) -> bool) -> bool {
        match world.roles[&role].says.get(permission) {
            Some(Says::Granted(condition)) => meets(*condition),
            Some(Says::Denied) => false,
            None => {
                let mut parents = world.roles[&role].parents.iter();
                parents.any(|parent| role_gives(world, *parent, permission, meets))
            }
        }
    }

    pub fn may(world: &Model, user: UserId, permission: &str, row: &Row) -> bool {
        let person = &world.people[&user];
        let held: Vec<RoleId> = world
            .roles
            .keys()
            .copied()
            .filter(|role| holds(world, person, *role))
            .collect();
        let mut all = BTreeSet::new();
        for role in &held {
            all_roles(world, *role, &mut all);
        }
        let single: Vec<bool> = person
            .single
            .get(permission)
            .into_iter()
            .flatten()
            .filter(|(resource, _)| resource.id == row.1)
            .map(|(_, granted)| *granted)
            .collect();
        let denied_by_role = all
            .iter()
            .any(|role| world.roles[role].says.get(permission) == Some(&Says::Denied));
        if row.0 != world.organization || denied_by_role || single.contains(&false) {
            return false;
        }
        let meets = |condition| meets(condition, user, person, row);
        match person.says.get(permission) {
            Some(Says::Denied) => false,
            Some(Says::Granted(condition)) => meets(*condition) || single.contains(&true),
            None => {
                single.contains(&true)
                    || held
                        .iter()
                        .any(|role| role_gives(world, *role, permission, &meets))
            }
        }
    }
}

fn world(rng: &mut StdRng) -> World {
    let people: Vec<UserId> = ids(100, 3).into_iter().map(UserId).collect();
    let roles: Vec<RoleId> = ids(200, 6).into_iter().map(RoleId).collect();
    World::random(
        rng,
        OrganizationId(Uuid::from_u128(1)),
        &people,
        &roles,
        &ids(300, 3),
    )
}

#[test]
fn a_hundred_thousand_random_questions_are_answered_as_a_naive_evaluator_answers_them() {
    let mut rng = StdRng::seed_from_u64(4);
    let (mut asked, mut allowed) = (0, 0);
    while asked < 100_000 {
        let world = world(&mut rng);
        for user in &world.people {
            let set = world.model.permissions(*user);
            for permission in PERMISSIONS {
                for _ in 0..4 {
                    let row = Row::random(&mut rng, &world);
                    let told = set.permits(permission, &row.facts());
                    assert_eq!(
                        told,
                        naive::may(&world.model, *user, permission, &row),
                        "{:?}",
                        world.model
                    );
                    assert!(!set.has(permission) || told || row.0 != world.model.organization);
                    assert!(set.has_some(permission) || !told);
                    asked += 1;
                    allowed += usize::from(told);
                }
            }
        }
    }
    assert!(
        allowed > 20_000 && allowed < 80_000,
        "{allowed} of {asked}: both answers must be common"
    );
}

#[test]
fn a_proof_says_what_is_so_and_names_a_statement_that_decided() {
    let mut rng = StdRng::seed_from_u64(5);
    let (mut decisions, mut through_teams) = (BTreeSet::new(), 0);
    for _ in 0..3_000 {
        let world = world(&mut rng);
        for user in &world.people {
            for permission in PERMISSIONS {
                let row = Row::random(&mut rng, &world);
                let row = Row(world.model.organization, row.1, row.2, row.3);
                let facts = row.facts();
                for facts in [Some(&facts), None] {
                    let proof = prove(&world.model, *user, permission, facts);
                    let grants = !matches!(proof.decision, Decision::Denial | Decision::Nothing);
                    assert_eq!(proof.allowed, grants, "{proof:?} {:?}", world.model);
                    let decided = proof.lines.iter().filter(|line| line.decides).count();
                    assert_eq!(decided == 0, proof.decision == Decision::Nothing, "{proof:?}");
                    let person = &world.model.people[user];
                    for line in &proof.lines {
                        let first = line.via.first().map(|via| via.id);
                        let held = first.is_some_and(|role| person.roles.contains(&role));
                        assert_eq!(line.team.is_none(), held || first.is_none(), "{line:?}");
                        if let Some(team) = &line.team {
                            let carried = &world.model.teams[&team.id.0];
                            assert!(
                                person.teams.contains(&team.id.0) && carried.roles.contains(&first.unwrap())
                            );
                            assert_eq!(team.name.as_deref(), Some(&*carried.name));
                            through_teams += usize::from(line.decides);
                        }
                        for pair in line.via.windows(2) {
                            assert!(world.model.roles[&pair[0].id].parents.contains(&pair[1].id));
                        }
                    }
                    decisions.insert(format!("{:?}", proof.decision));
                }
            }
        }
    }
    assert_eq!(decisions.len(), 5, "{decisions:?}");
    assert!(through_teams > 1_000, "{through_teams}");
}

/// Writes a world into the database, as the hub does.
async fn written(test: &TestStore, world: &World) {
    let organization = test.organization;
    let mut sql = String::from(
        "TRUNCATE teams, team_members, team_roles, role_parents, role_permissions, user_roles, user_permissions, roles CASCADE;",
    );
    let mut add = |text: String| sql += &(text + ";");
    let columns = |says: Says| {
        let (granted, only_on) = says.columns();
        format!(
            "{granted}, {}",
            only_on.map_or("NULL".to_owned(), |on| format!("'{on}'"))
        )
    };
    for (id, role) in &world.model.roles {
        add(format!(
            "INSERT INTO roles (id, organization_id, name) VALUES ('{id}', '{organization}', '{}')",
            role.name
        ));
        for (permission, says) in &role.says {
            add(format!(
                "INSERT INTO role_permissions (organization_id, role_id, permission, granted, only_on)
                 VALUES ('{organization}', '{id}', '{permission}', {})",
                columns(*says)
            ));
        }
        for parent in &role.parents {
            add(format!(
                "INSERT INTO role_parents (organization_id, role_id, parent_id) VALUES ('{organization}', '{id}', '{parent}')"
            ));
        }
    }
    for (user, person) in &world.model.people {
        for role in &person.roles {
            add(format!(
                "INSERT INTO user_roles (organization_id, user_id, role_id) VALUES ('{organization}', '{user}', '{role}')"
            ));
        }
        for (permission, says) in &person.says {
            add(format!(
                "INSERT INTO user_permissions (organization_id, user_id, permission, granted, only_on)
                 VALUES ('{organization}', '{user}', '{permission}', {})",
                columns(*says)
            ));
        }
        for (permission, rows) in &person.single {
            for (row, granted) in rows {
                add(format!(
                    "INSERT INTO user_permissions (organization_id, user_id, permission, granted, resource_kind, resource_id)
                     VALUES ('{organization}', '{user}', '{permission}', {granted}, '{}', '{}')",
                    row.kind, row.id
                ));
            }
        }
    }
    for team in &world.teams {
        add(format!(
            "INSERT INTO teams (id, organization_id, name) VALUES ('{team}', '{organization}', '{team}')"
        ));
        for role in &world.model.teams[team].roles {
            add(format!(
                "INSERT INTO team_roles (organization_id, team_id, role_id) VALUES ('{organization}', '{team}', '{role}')"
            ));
        }
    }
    for (user, person) in &world.model.people {
        for team in &person.teams {
            add(format!(
                "INSERT INTO team_members (organization_id, team_id, user_id) VALUES ('{organization}', '{team}', '{user}')"
            ));
        }
    }
    test.sql(sql).await;
}

#[tokio::test]
async fn what_is_read_from_the_database_answers_as_what_was_written_there() {
    let test = testing::store().await;
    let mut people = Vec::new();
    for _ in 0..3 {
        people.push(test.person().await);
    }
    let mut rng = StdRng::seed_from_u64(6);
    let (mut asked, mut allowed) = (0, 0);
    for _ in 0..60 {
        let roles: Vec<RoleId> = (0..6).map(|_| RoleId::new()).collect();
        let world = World::random(&mut rng, test.organization, &people, &roles, &ids(300, 3));
        written(&test, &world).await;
        let mut tx = test.store.db.primary(test.organization).await.unwrap();
        let sets = super::of_many(&mut tx, test.organization, &people).await.unwrap();
        for user in &people {
            let set = sets.get(user).cloned().unwrap_or_default();
            assert_eq!(set, world.model.permissions(*user));
            assert_eq!(set, super::of(&mut tx, test.organization, *user).await.unwrap());
            for permission in PERMISSIONS {
                for _ in 0..5 {
                    let row = Row::random(&mut rng, &world);
                    let told = set.permits(permission, &row.facts());
                    assert_eq!(
                        told,
                        naive::may(&world.model, *user, permission, &row),
                        "{:?}",
                        world.model
                    );
                    asked += 1;
                    allowed += usize::from(told);
                }
            }
        }
        let whole = read::model(&mut tx, test.organization, &people, Roles::All)
            .await
            .unwrap();
        assert_eq!(whole.roles, world.model.roles);
        assert_eq!(whole.teams, world.model.teams);
        // of another organization nothing is seen, whatever is asked
        let elsewhere = OrganizationId::new();
        let mut tx = test.store.db.primary(elsewhere).await.unwrap();
        assert!(
            super::of_many(&mut tx, elsewhere, &people)
                .await
                .unwrap()
                .is_empty()
        );
        assert!(
            super::of_many(&mut tx, test.organization, &people)
                .await
                .unwrap()
                .is_empty()
        );
    }
    assert!(asked > 2_000 && allowed > 200, "{allowed} of {asked}");
}
