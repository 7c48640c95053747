//! What inheritance may and may not do, on random graphs of roles.

use super::*;
use proptest::prelude::*;
use rand::seq::SliceRandom;
use std::collections::BTreeMap;

/// All from which `role` inherits, near and far.
fn ancestors(model: &Model, role: RoleId) -> BTreeSet<RoleId> {
    let (mut found, mut waiting) = (BTreeSet::new(), vec![role]);
    while let Some(next) = waiting.pop() {
        for parent in &model.roles[&next].parents {
            if found.insert(*parent) {
                waiting.push(*parent);
            }
        }
    }
    found
}

fn denies(model: &Model, role: RoleId, permission: &str) -> bool {
    let above = ancestors(model, role);
    let mut all = above.iter().chain([&role]);
    all.any(|role| model.roles[role].says.get(permission) == Some(&Says::Denied))
}

/// All roles that `user` holds: given to them, or to a team that they are in.
fn held(model: &Model, user: UserId) -> BTreeSet<RoleId> {
    let person = &model.people[&user];
    let mut held = person.roles.clone();
    for team in &person.teams {
        held.extend(&model.teams[team].roles);
    }
    held
}

/// Every answer there is: person, permission and row.
fn answers(world: &World, model: &Model, rows: &[Row]) -> Vec<(UserId, &'static str, bool)> {
    let mut all = Vec::new();
    for user in &world.people {
        let set = model.permissions(*user);
        for permission in PERMISSIONS {
            for row in rows {
                all.push((*user, permission, set.permits(permission, &row.facts())));
            }
        }
    }
    all
}

/// A world with some roles, and rows to ask about.
fn made(seed: u64) -> (StdRng, World, Vec<Row>) {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut world = world(&mut rng);
    while world.model.roles.len() < 2 {
        world = super::world(&mut rng);
    }
    let rows = (0..8).map(|_| Row::random(&mut rng, &world)).collect();
    (rng, world, rows)
}

/// The same, with another parent for one role: which, and whose.
fn with_a_parent(rng: &mut StdRng, world: &World) -> Option<(Model, RoleId, RoleId)> {
    let roles: Vec<RoleId> = world.model.roles.keys().copied().collect();
    let (child, parent) = (pick(rng, &roles), pick(rng, &roles));
    let circular = child == parent || ancestors(&world.model, parent).contains(&child);
    if circular || world.model.roles[&child].parents.contains(&parent) {
        return None;
    }
    let mut model = world.model.clone();
    model.roles.get_mut(&child)?.parents.insert(parent);
    Some((model, child, parent))
}

/// The same graph under other ids, so that everything is looked at in another order.
fn renamed(rng: &mut StdRng, model: &Model) -> Model {
    let old: Vec<RoleId> = model.roles.keys().copied().collect();
    let mut new: Vec<RoleId> = ids(900, old.len()).into_iter().map(RoleId).collect();
    new.shuffle(rng);
    let names: BTreeMap<RoleId, RoleId> = old.into_iter().zip(new).collect();
    let all = |roles: &BTreeSet<RoleId>| roles.iter().map(|role| names[role]).collect();
    let mut renamed = Model::new(model.organization);
    for (id, role) in &model.roles {
        let role = Role {
            parents: all(&role.parents),
            ..role.clone()
        };
        renamed.roles.insert(names[id], role);
    }
    for (id, team) in &model.teams {
        let team = Team {
            roles: all(&team.roles),
            ..team.clone()
        };
        renamed.teams.insert(*id, team);
    }
    for (user, person) in &model.people {
        let person = Person {
            roles: all(&person.roles),
            ..person.clone()
        };
        renamed.people.insert(*user, person);
    }
    renamed
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn another_parent_takes_nothing_away_but_what_it_or_one_above_it_denies(seed: u64) {
        let (mut rng, world, rows) = made(seed);
        if let Some((model, child, parent)) = with_a_parent(&mut rng, &world) {
            let after = answers(&world, &model, &rows);
            for (before, after) in answers(&world, &world.model, &rows).into_iter().zip(after) {
                let (user, permission, _) = before;
                if before.2 && !after.2 {
                    prop_assert!(denies(&model, parent, permission), "{permission} was lost: {model:?}");
                }
                if before.2 != after.2 {
                    let held = held(&model, user);
                    let concerned = held.iter().any(|role| *role == child || ancestors(&model, *role).contains(&child));
                    prop_assert!(concerned, "it changed for somebody who has nothing to do with it: {model:?}");
                }
            }
        }
    }

    #[test]
    fn a_denial_anywhere_above_a_role_binds_whoever_holds_it_whatever_else_is_granted(seed: u64) {
        let (_, world, rows) = made(seed);
        for (user, permission, may) in answers(&world, &world.model, &rows) {
            let held = held(&world.model, user);
            if held.iter().any(|role| denies(&world.model, *role, permission)) {
                prop_assert!(!may, "{permission} is denied: {:?}", world.model);
                prop_assert!(!world.model.permissions(user).has_some(permission));
            }
        }
    }

    #[test]
    fn a_denial_lifted_gives_no_more_than_is_granted_without_it(seed: u64) {
        let (mut rng, world, rows) = made(seed);
        let roles: Vec<RoleId> = world.model.roles.keys().copied().collect();
        let (role, permission) = (pick(&mut rng, &roles), pick(&mut rng, &PERMISSIONS));
        let mut denied = world.model.clone();
        denied.roles.get_mut(&role).unwrap().says.insert(permission.to_owned(), Says::Denied);
        let before = answers(&world, &world.model, &rows);
        for (before, after) in before.into_iter().zip(answers(&world, &denied, &rows)) {
            prop_assert!(before.2 || !after.2, "a denial gave {}: {denied:?}", before.1);
            prop_assert!(before.1 == permission || before == after, "a denial of {permission} changed {}", before.1);
        }
    }

    #[test]
    fn the_order_in_which_roles_and_parents_stand_decides_nothing(seed: u64) {
        let (mut rng, world, rows) = made(seed);
        let other = renamed(&mut rng, &world.model);
        prop_assert_eq!(answers(&world, &world.model, &rows), answers(&world, &other, &rows));
    }

    #[test]
    fn to_hold_a_parent_as_well_as_its_child_takes_nothing_away(seed: u64) {
        let (mut rng, world, rows) = made(seed);
        let user = pick(&mut rng, &world.people);
        let mut model = world.model.clone();
        let held = held(&world.model, user);
        let above = held.iter().flat_map(|role| ancestors(&world.model, *role));
        model.people.get_mut(&user).unwrap().roles.extend(above);
        let before = answers(&world, &world.model, &rows);
        for (before, after) in before.into_iter().zip(answers(&world, &model, &rows)) {
            prop_assert!(!before.2 || after.2, "{} was lost: {:?}", before.1, world.model);
        }
    }
    #[test]
    fn a_role_that_a_team_carries_counts_as_one_that_was_given_to_each_of_its_members(seed: u64) {
        let (_, world, rows) = made(seed);
        let mut model = world.model.clone();
        for (user, person) in &mut model.people {
            person.roles = held(&world.model, *user);
        }
        model.teams.clear();
        prop_assert_eq!(answers(&world, &world.model, &rows), answers(&world, &model, &rows));
    }

    #[test]
    fn what_a_team_carries_changes_nothing_for_whoever_is_not_in_it(seed: u64) {
        let (mut rng, world, rows) = made(seed);
        let team = pick(&mut rng, &world.teams);
        let mut model = world.model.clone();
        model.teams.get_mut(&team).unwrap().roles = world.model.roles.keys().copied().collect();
        let before = answers(&world, &world.model, &rows);
        for (before, after) in before.into_iter().zip(answers(&world, &model, &rows)) {
            let is_in_it = world.model.people[&before.0].teams.contains(&team);
            prop_assert!(before == after || is_in_it, "{} changed: {:?}", before.1, world.model);
        }
    }

    #[test]
    fn whoever_leaves_a_team_keeps_what_they_hold_in_another_way(seed: u64) {
        let (mut rng, world, rows) = made(seed);
        let (user, team) = (pick(&mut rng, &world.people), pick(&mut rng, &world.teams));
        // by row conditions a team matters for itself; here only what it carries
        let mut without = world.model.clone();
        without.teams.get_mut(&team).unwrap().roles.clear();
        let others = held(&without, user);
        if others == held(&world.model, user) {
            let of = |all: Vec<(UserId, &'static str, bool)>| all.into_iter().filter(|(whose, ..)| *whose == user).collect::<Vec<_>>();
            prop_assert_eq!(of(answers(&world, &world.model, &rows)), of(answers(&world, &without, &rows)));
        }
    }
}
