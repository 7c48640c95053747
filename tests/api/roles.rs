use crate::harness::{Hub, SignedIn, hub, problem};
use reqwest::{Method, Response};
use serde_json::{Value, json};
use signalbox_core::kernel::id::RoleId;
use signalbox_core::roles::PREDEFINED;
use std::collections::{BTreeSet, HashMap};

struct Roles(HashMap<String, (RoleId, BTreeSet<String>)>);

impl Roles {
    async fn of(hub: &Hub, who: &SignedIn) -> Self {
        let list: Value = hub.get(who, "/roles").await.json().await.unwrap();
        let role = |role: &Value| {
            let held: Vec<String> = serde_json::from_value(role["permissions"].clone()).unwrap();
            let id = role["id"].as_str().unwrap().parse().unwrap();
            (
                role["name"].as_str().unwrap().to_owned(),
                (id, held.into_iter().collect()),
            )
        };
        Self(list["items"].as_array().unwrap().iter().map(role).collect())
    }

    fn id(&self, name: &str) -> RoleId {
        self.0[name].0
    }

    fn covers(&self, one: &str, other: &str) -> bool {
        self.0[one].1.is_superset(&self.0[other].1)
    }
}

async fn assign(hub: &Hub, who: &SignedIn, whom: &SignedIn, roles: &[RoleId]) -> Response {
    let path = format!("/users/{}/roles", whom.id);
    hub.send(who, Method::PUT, &path, json!({"roles": roles})).await
}

#[tokio::test]
async fn over_every_pair_of_predefined_roles_nobody_gives_takes_or_reaches_more_than_they_hold() {
    let hub = hub().await;
    let owner = hub.owner().await;
    let roles = Roles::of(&hub, &owner).await;
    for (actor, _, _) in PREDEFINED {
        let who = hub.someone(&[actor]).await;
        let may_assign = roles.0[*actor].1.contains("roles:assign");
        for (role, _, _) in PREDEFINED {
            let nobody = hub.someone(&[]).await;
            let given = assign(&hub, &who, &nobody, &[roles.id(role)]).await.status();
            let allowed = may_assign && roles.covers(actor, role);
            assert_eq!(given == 200, allowed, "{actor} gives {role}: {given}");
            let holder = hub.someone(&[role]).await;
            let taken = assign(&hub, &who, &holder, &[]).await.status();
            assert_eq!(taken == 200, allowed, "{actor} takes {role}: {taken}");
        }
    }
}

#[tokio::test]
async fn changed_roles_are_recorded_bite_at_once_and_answer_with_the_person() {
    let hub = hub().await;
    let (owner, who) = (hub.owner().await, hub.someone(&["viewer"]).await);
    let roles = Roles::of(&hub, &owner).await;
    assert_eq!(hub.get(&who, "/roles").await.status(), 200);
    let answer = assign(&hub, &owner, &who, &[roles.id("user"), roles.id("user")]).await;
    assert_eq!(answer.headers()["etag"], "\"2\"");
    let item: Value = answer.json().await.unwrap();
    assert_eq!(
        (&item["roles"][0]["name"], item["roles"].as_array().unwrap().len()),
        (&json!("user"), 1)
    );
    assert_eq!(problem(hub.get(&who, "/roles").await).await.0, 403);
    let told = hub
        .test
        .texts("SELECT type || ' ' || array_to_string(channels, ' ') FROM outbox WHERE type = 'user.roles_changed'")
        .await;
    assert_eq!(
        told,
        [format!(
            "user.roles_changed feed:users inbox:{} feed:audit",
            who.id
        )]
    );
    let revoked = hub
        .test
        .texts("SELECT kind || ' ' || subject || ' ' || access_version FROM revocations")
        .await;
    assert_eq!(revoked, [format!("access {} 2", who.id)]);
    assert_eq!(
        assign(&hub, &owner, &who, &[roles.id("user")]).await.status(),
        200
    );
    assert_eq!(
        hub.audited()
            .await
            .iter()
            .filter(|action| *action == "roles.assign")
            .count(),
        1,
        "nothing changed"
    );
}

#[tokio::test]
async fn the_list_says_how_many_hold_each_role_and_where_its_channel_stood() {
    let hub = hub().await;
    let owner = hub.owner().await;
    for _ in 0..2 {
        hub.someone(&["viewer"]).await;
    }
    let list: Value = hub.get(&owner, "/roles").await.json().await.unwrap();
    let members = |name: &str| {
        let roles = list["items"].as_array().unwrap();
        roles.iter().find(|role| role["name"] == name).unwrap()["members"].clone()
    };
    assert_eq!(
        (members("viewer"), members("owner"), members("finance")),
        (json!(2), json!(1), json!(0))
    );
    assert!(list["epoch"].is_string() && list["offset"].is_number());
}

#[tokio::test]
async fn what_somebody_holds_says_who_gave_it_and_when() {
    let hub = hub().await;
    let (owner, who, other) = (hub.owner().await, hub.someone(&[]).await, hub.someone(&[]).await);
    let roles = Roles::of(&hub, &owner).await;
    assert_eq!(
        assign(&hub, &owner, &who, &[roles.id("viewer")]).await.status(),
        200
    );
    let said = json!({"statements": [{"permission": "users:ban", "effect": "grant", "on": "own"}],
                      "single": [{"permission": "users:update", "effect": "deny", "resource": {"kind": "user", "id": other.id}}]});
    let path = format!("/users/{}/permissions", who.id);
    let answer: Value = hub
        .send(&owner, Method::PUT, &path, said)
        .await
        .json()
        .await
        .unwrap();
    let given = answer["given"].as_array().unwrap();
    assert_eq!(given.len(), 3);
    assert!(
        given
            .iter()
            .all(|one| one["by"]["id"] == json!(owner.id) && one["at"].is_string())
    );
    assert!(given.iter().all(|one| one["by"]["name"].is_string()));
    let one = |test: &dyn Fn(&Value) -> bool| given.iter().filter(|one| test(one)).count();
    assert_eq!(one(&|one| one["role"] == json!(roles.id("viewer"))), 1);
    assert_eq!(
        one(&|one| one["permission"] == "users:ban" && one["resource"].is_null()),
        1
    );
    assert_eq!(one(&|one| one["resource"]["id"] == json!(other.id)), 1);
    let read: Value = hub.get(&owner, &path).await.json().await.unwrap();
    assert_eq!(read["given"], answer["given"]);
}

#[tokio::test]
async fn the_last_owner_stays_and_nobody_changes_their_own_roles() {
    let hub = hub().await;
    let (first, second) = (hub.owner().await, hub.someone(&["owner"]).await);
    let own = assign(&hub, &first, &first, &[]).await;
    assert_eq!(problem(own).await, (409, "roles.own".into()));
    let (a, b) = tokio::join!(
        assign(&hub, &first, &second, &[]),
        assign(&hub, &second, &first, &[])
    );
    let mut statuses = [a.status().as_u16(), b.status().as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses[0], 200, "{statuses:?}");
    assert_ne!(statuses[1], 200, "two owners removed each other");
    let owners = hub
        .test
        .texts("SELECT user_id::text FROM user_roles ur JOIN roles r ON r.id = ur.role_id WHERE r.name = 'owner'")
        .await;
    assert_eq!(owners.len(), 1);
}

#[tokio::test]
async fn an_unknown_role_and_an_unknown_person_are_said_to_be_unknown() {
    let hub = hub().await;
    let (owner, who) = (hub.owner().await, hub.someone(&[]).await);
    let unknown = assign(&hub, &owner, &who, &[RoleId::new()]).await;
    assert_eq!(problem(unknown).await.0, 422);
    let path = format!("/users/{}/roles", RoleId::new());
    let nobody = hub.send(&owner, Method::PUT, &path, json!({"roles": []})).await;
    assert_eq!(problem(nobody).await, (404, "user.not_found".into()));
}
