//! Nobody rises by a side door.

use super::{World, new_user};
use crate::kernel::ctx::Ctx;
use crate::kernel::error::{Kind, Result};
use crate::kernel::id::UserId;
use crate::kernel::permission::PermissionSet;
use crate::users::{NewUser, UserChange, service};
use serde_json::json;

const ROLES: [&str; 7] = [
    "owner",
    "admin",
    "manager",
    "moderator",
    "finance",
    "user",
    "viewer",
];

#[derive(Clone, Copy, Debug)]
enum Act {
    Ban,
    Delete,
    Reset,
    Email,
    Create,
    Assign,
}

const ACTS: [(Act, &str); 6] = [
    (Act::Ban, "users:ban"),
    (Act::Delete, "users:delete"),
    (Act::Reset, "users:reset_password"),
    (Act::Email, "users:update"),
    (Act::Create, "users:create"),
    (Act::Assign, "roles:assign"),
];

async fn attempt(world: &World, ctx: &Ctx, act: Act, subject: UserId, role: &str) -> Result<()> {
    let store = &world.test.store;
    match act {
        Act::Ban => service::ban(store, ctx, subject, "spam").await.map(drop),
        Act::Delete => service::delete(store, ctx, subject, None).await,
        Act::Reset => service::reset_password(store, ctx, subject).await.map(drop),
        Act::Email => {
            let change: UserChange =
                serde_json::from_value(json!({"email": format!("{subject}@example.org")})).unwrap();
            service::update(store, ctx, subject, None, &change)
                .await
                .map(drop)
        }
        Act::Create => {
            let new = NewUser {
                roles: vec![world.roles[role]],
                ..new_user(&UserId::new().to_string())
            };
            service::create(store, ctx, &new).await.map(drop)
        }
        // nobody with a role is given a role: only what is given can be out of reach
        Act::Assign => crate::roles::assign(store, ctx, subject, None, &[world.roles[role]])
            .await
            .map(drop),
    }
}

#[tokio::test]
async fn over_every_pair_of_roles_an_act_passes_only_with_its_permission_and_over_nobody_who_holds_more() {
    let world = World::new().await;
    // somebody else stays an owner whatever happens below
    world.person("owner", "Remaining Owner").await;
    let mut refused = 0;
    for actor in ROLES {
        let held = world.permissions_of(actor).await;
        let (_, ctx) = world.person(actor, &format!("Actor {actor}")).await;
        for subject in ROLES {
            let wanted: PermissionSet = world.permissions_of(subject).await;
            for (act, permission) in ACTS {
                let bare = matches!(act, Act::Assign);
                let name = format!("{actor} {act:?} {subject}");
                let (person, _) = world.person(if bare { "" } else { subject }, &name).await;
                let gives = bare || matches!(act, Act::Create);
                let may = held.has(permission)
                    && wanted.iter().all(|permission| held.has(permission))
                    && (!gives || held.has("roles:assign"));
                let done = attempt(&world, &ctx, act, person.id, subject).await;
                match done {
                    Ok(()) => assert!(may, "{name} went through"),
                    Err(error) => {
                        assert!(!may, "{name} was refused: {error}");
                        assert_eq!(error.kind, Kind::Forbidden, "{name}: {error}");
                        refused += 1;
                    }
                }
            }
        }
    }
    // the owner alone reaches everybody: were the rules gone, nothing would be refused
    assert!(refused > 100, "only {refused} refusals");
}

#[tokio::test]
async fn a_list_shows_each_viewer_exactly_what_they_may_do_to_each_person() {
    let world = World::new().await;
    for role in ROLES {
        world.person(role, &format!("Person {role}")).await;
    }
    for actor in ROLES {
        let (_, ctx) = world.person(actor, &format!("Viewer {actor}")).await;
        if !ctx.permissions.has("users:read") {
            continue;
        }
        let list = service::list(&world.test.store, &ctx, &super::super::search::Query::default())
            .await
            .unwrap();
        for item in list.items {
            let oneself = ctx.actor.user() == Some(item.id);
            let theirs = match item.roles.first() {
                Some(role) => world.permissions_of(&role.name).await,
                None => PermissionSet::default(),
            };
            let reach = theirs.iter().all(|permission| ctx.permissions.has(permission));
            let may_ban = reach && !oneself && ctx.permissions.has("users:ban");
            let may_update = reach && ctx.permissions.has("users:update");
            assert_eq!(
                item.can.contains(&"users.ban".to_owned()),
                may_ban,
                "{actor}: {item:?}"
            );
            assert_eq!(
                item.can.contains(&"users.update".to_owned()),
                may_update,
                "{actor}: {item:?}"
            );
        }
    }
}

#[tokio::test]
async fn what_is_held_on_some_people_only_is_shown_on_those_alone() {
    let world = World::new().await;
    let store = &world.test.store;
    let (mate, _) = world.person("", "Mate").await;
    let (stranger, _) = world.person("", "Stranger").await;
    let (me, _) = world.person("viewer", "Me").await;
    let hub = world.hub().await;
    let team = serde_json::from_value(json!({"name": "Team"})).unwrap();
    let team = crate::teams::create(store, &hub, &team).await.unwrap().id;
    for id in [me.id, mate.id] {
        crate::teams::add_member(store, &hub, team, id, crate::users::TeamRole::Member)
            .await
            .unwrap();
    }
    let said = json!({"statements": [{"permission": "users:update", "effect": "grant", "on": "own"},
                                     {"permission": "users:ban", "effect": "grant", "on": "team"}],
                      "single": [{"permission": "users:delete", "effect": "grant", "resource": {"kind": "user", "id": stranger.id}}]});
    let said: crate::roles::Direct = serde_json::from_value(said).unwrap();
    crate::roles::set_of_user(store, &hub, me.id, None, &said)
        .await
        .unwrap();
    let ctx = world.acting(me.id).await;
    for (id, can) in [
        (me.id, vec!["users.update"]),
        (mate.id, vec!["users.ban"]),
        (stranger.id, vec!["users.delete"]),
    ] {
        assert_eq!(service::get(store, &ctx, id).await.unwrap().user.can, can);
    }
}

#[tokio::test]
async fn nobody_bans_deletes_or_resets_themselves() {
    let world = World::new().await;
    world.person("owner", "Another Owner").await;
    let (owner, ctx) = world.person("owner", "Owner").await;
    for act in [Act::Ban, Act::Delete, Act::Reset] {
        let refused = attempt(&world, &ctx, act, owner.id, "owner").await.unwrap_err();
        assert_eq!(refused.kind, Kind::Conflict, "{act:?}: {refused}");
    }
}

#[tokio::test]
async fn the_last_owner_stays_also_when_two_owners_ban_each_other_at_once() {
    let world = World::new().await;
    let (ada, as_ada) = world.person("owner", "Ada").await;
    let (bob, as_bob) = world.person("owner", "Bob").await;
    let store = &world.test.store;
    let (one, two) = tokio::join!(
        service::ban(store, &as_ada, bob.id, "power"),
        service::ban(store, &as_bob, ada.id, "power"),
    );
    let refused = match (one, two) {
        (Ok(_), Err(error)) | (Err(error), Ok(_)) => error,
        both => panic!("one of them stays an owner: {both:?}"),
    };
    assert_eq!(refused.code, "user.last_owner");
}

#[tokio::test]
async fn a_denial_beats_every_grant_and_a_parents_permissions_count() {
    let world = World::new().await;
    let (person, _) = world.person("user", "Heir").await;
    let mut tx = world.test.store.db.bookkeeping().await.unwrap();
    for sql in [
        "INSERT INTO role_parents (organization_id, role_id, parent_id) VALUES ($1, $2, $3)",
        "INSERT INTO user_permissions (organization_id, user_id, permission, granted) SELECT $1, $4, 'users:ban', false WHERE $2 <> $3",
        "INSERT INTO user_permissions (organization_id, user_id, permission, granted, resource_kind, resource_id) SELECT $1, $4, 'settings:update', true, 'team', $2 WHERE $2 <> $3",
    ] {
        sqlx::query(sql)
            .bind(world.test.organization)
            .bind(world.roles["user"])
            .bind(world.roles["moderator"])
            .bind(person.id)
            .execute(&mut *tx)
            .await
            .unwrap();
    }
    tx.commit().await.unwrap();
    let held = world.acting(person.id).await.permissions;
    let moderator = world.permissions_of("moderator").await;
    let expected: PermissionSet = moderator.iter().filter(|name| *name != "users:ban").collect();
    assert!(held.iter().eq(expected.iter()), "{held:?}");
    // on one team, and so nowhere where everything is asked for
    assert!(held.has_some("settings:update") && !held.has("settings:update"));
}
