//! Whoever is in a team holds what it carries, wherever that is asked for.

use reqwest::Method;
use serde_json::Value;
use signalbox_core::kernel::id::UserId;

use super::{give, ids, join, json, leave, made, read, role, take, team};
use crate::harness::{Hub, PASSWORD, SignedIn, hub, problem};

#[tokio::test]
async fn whoever_is_in_a_team_holds_what_it_carries_for_as_long_as_they_are_in_it() {
    let hub = hub().await;
    let (owner, who, other) = (hub.owner().await, hub.someone(&[]).await, hub.someone(&[]).await);
    let (team, role) = (
        team(&hub, &owner, "Support").await,
        role(&hub, &owner, "Reader", &["users:read"]).await,
    );
    let may = async |who: &SignedIn| hub.get(who, "/users").await.status().as_u16();
    assert_eq!(join(&hub, &owner, &team, who.id).await.status(), 200);
    assert_eq!(may(&who).await, 403);
    let given = give(&hub, &owner, &team, &role).await;
    assert_eq!(given.headers()["etag"], "\"2\"");
    let given = json(given).await;
    assert_eq!(
        (&given["roles"], &given["members"]),
        (&json!([{"id": role, "name": "Reader"}]), &json!(1))
    );
    assert_eq!(may(&who).await, 200, "who is in it");
    // to ask again changes nothing
    assert_eq!(give(&hub, &owner, &team, &role).await.headers()["etag"], "\"2\"");
    assert_eq!(may(&other).await, 403);
    assert_eq!(join(&hub, &owner, &team, other.id).await.status(), 200);
    assert_eq!(may(&other).await, 200, "who comes into it");
    assert_eq!(leave(&hub, &owner, &team, other.id).await.status(), 204);
    assert_eq!(may(&other).await, 403, "who left it");
    assert_eq!(
        read(&hub, &owner, "/teams").await["items"][0]["roles"],
        given["roles"]
    );
    assert_eq!(take(&hub, &owner, &team, &role).await.status(), 204);
    assert_eq!(take(&hub, &owner, &team, &role).await.status(), 204);
    assert_eq!(may(&who).await, 403, "it was taken");
    assert_eq!(
        read(&hub, &owner, &format!("/teams/{team}")).await["roles"],
        json!([])
    );
    // a team that goes takes with it what it carried
    give(&hub, &owner, &team, &role).await;
    assert_eq!(may(&who).await, 200);
    let gone = hub
        .send(&owner, Method::DELETE, &format!("/teams/{team}"), Value::Null)
        .await;
    assert_eq!((gone.status().as_u16(), may(&who).await), (204, 403));
    let acts: Vec<String> = hub
        .audited()
        .await
        .into_iter()
        .filter(|act| act.contains("_role"))
        .collect();
    assert_eq!(acts, ["teams.give_role", "teams.take_role", "teams.give_role"]);
    let told = "SELECT (event->>'type') || ' ' || array_to_string(channels, ' ') FROM outbox
                WHERE event->>'type' = 'team.roles_changed' ORDER BY seq";
    let told = hub.test.texts(told).await;
    assert_eq!(
        told[..2],
        [
            "team.roles_changed feed:teams feed:audit".to_owned(),
            format!("team.roles_changed inbox:{}", who.id)
        ],
        "the team is told to those who may see it, the members that something changed"
    );
}

/// A team with `user` in it that carries a role which inherits `users:ban`; both.
async fn support(hub: &Hub, owner: &SignedIn, user: UserId) -> (String, String) {
    let (team, role) = (
        team(hub, owner, "Support").await,
        role(hub, owner, "Banner", &["users:ban"]).await,
    );
    let heir = json!({"name": "Heir", "inherits": [role]});
    let heir = made(hub, owner, "/roles", heir).await;
    json(join(hub, owner, &team, user).await).await;
    json(give(hub, owner, &team, &heir).await).await;
    (team, heir)
}

#[tokio::test]
async fn wherever_holders_of_a_role_are_asked_for_those_of_a_team_are_among_them() {
    let hub = hub().await;
    let (owner, who) = (hub.owner().await, hub.someone(&[]).await);
    let (team, heir) = support(&hub, &owner, who.id).await;
    let id = who.id.to_string();
    let carrier = json!({"id": team, "name": "Support"});

    let people = read(&hub, &owner, &format!("/users?role={heir}")).await;
    assert_eq!(
        (ids(&people, "id"), &people["total"]["value"]),
        (vec![id.clone()], &json!(1))
    );
    let sessions = read(&hub, &owner, &format!("/sessions?role={heir}")).await;
    assert_eq!(ids(&sessions, "id"), std::slice::from_ref(&who.session));
    let roles = read(&hub, &owner, "/roles").await;
    let items = roles["items"].as_array().unwrap();
    let counted = items.iter().find(|item| item["id"] == *heir).unwrap();
    assert_eq!(counted["members"], 1);
    let members = read(&hub, &owner, &format!("/roles/{heir}/members")).await;
    let member = &members["items"][0];
    assert_eq!(
        (&member["user"], &member["direct"]),
        (&json!(who.id), &json!(false))
    );
    assert_eq!(
        (&member["teams"], &member["granted_by"]),
        (&json!([carrier]), &json!(owner.id))
    );
    let holders = read(&hub, &owner, "/permissions/holders?permission=users:ban").await;
    assert!(ids(&holders, "user").contains(&id), "{holders}");

    let access = read(&hub, &owner, &format!("/users/{id}/permissions")).await;
    assert_eq!(access["roles"], json!([]), "given to the team, not to the person");
    assert_eq!(access["held"][0]["permission"], "users:ban");
    assert_eq!(
        (&access["given"][0]["role"], &access["given"][0]["team"]),
        (&json!(heir), &carrier)
    );
    let why = read(&hub, &owner, &format!("/users/{id}/explain?permission=users:ban")).await;
    assert_eq!(
        (&why["allowed"], &why["decision"]),
        (&json!(true), &json!("roles"))
    );
    let line = &why["lines"][0];
    assert_eq!(
        (&line["team"], &line["via"][0]["name"], &line["via"][1]["name"]),
        (&carrier, &json!("Heir"), &json!("Banner"))
    );
}

#[tokio::test]
async fn what_is_held_in_two_ways_counts_once_and_a_team_is_named_to_those_who_may_see_it() {
    let hub = hub().await;
    let (owner, who) = (hub.owner().await, hub.someone(&[]).await);
    let (team, heir) = support(&hub, &owner, who.id).await;
    let id = who.id.to_string();
    let carrier = json!({"id": team, "name": "Support"});

    // both ways at once: counted once, and the own way is the one that is told
    let own = json!({"roles": [heir]});
    json(
        hub.send(&owner, Method::PUT, &format!("/users/{id}/roles"), own)
            .await,
    )
    .await;
    let members = read(&hub, &owner, &format!("/roles/{heir}/members")).await;
    assert_eq!(members["items"].as_array().unwrap().len(), 1);
    let member = &members["items"][0];
    assert_eq!(
        (&member["direct"], &member["teams"]),
        (&json!(true), &json!([carrier]))
    );
    let why = read(&hub, &owner, &format!("/users/{id}/explain?permission=users:ban")).await;
    assert_eq!(why["lines"][0]["team"], Value::Null);
    let nothing = json!({"roles": []});
    json(
        hub.send(&owner, Method::PUT, &format!("/users/{id}/roles"), nothing)
            .await,
    )
    .await;
    assert_eq!(
        read(&hub, &owner, &format!("/users/{id}/permissions")).await["held"][0]["permission"],
        "users:ban",
        "what the team carries stays"
    );

    // whoever may not see the team is not told its name
    let looking = role_to_look(&hub, &owner).await;
    let why = read(
        &hub,
        &looking,
        &format!("/users/{id}/explain?permission=users:ban"),
    )
    .await;
    assert_eq!(why["lines"][0]["team"], json!({"id": team, "name": null}));
    let members = read(&hub, &looking, &format!("/roles/{heir}/members")).await;
    assert_eq!(members["items"][0]["teams"], json!([{"id": team, "name": null}]));

    hub.clock.advance(time::Duration::seconds(1));
    let ended = hub
        .send(
            &owner,
            Method::POST,
            &format!("/roles/{heir}/sessions/revoke"),
            json!({}),
        )
        .await;
    json(ended).await;
    assert_eq!(
        hub.get(&who, "/me").await.status(),
        401,
        "all of a role are signed out"
    );
}

/// Somebody who sees roles and people, and no teams.
async fn role_to_look(hub: &Hub, owner: &SignedIn) -> SignedIn {
    role(hub, owner, "Looking", &["roles:read", "users:read"]).await;
    hub.someone(&["Looking"]).await
}

#[tokio::test]
async fn what_a_role_demands_it_demands_of_a_teams_members_too() {
    let hub = hub().await;
    let (owner, who) = (hub.owner().await, hub.someone(&[]).await);
    let team = team(&hub, &owner, "Support").await;
    let strict = json!({"name": "Strict", "requires_factor": true});
    let strict = made(&hub, &owner, "/roles", strict).await;
    let near = role(&hub, &owner, "Near", &[]).await;
    let elsewhere = json!({"role": near, "cidr": "198.51.100.0/24"});
    let elsewhere = made(&hub, &owner, "/ip_rules", elsewhere).await;
    let view = json!({"page": "users", "name": "Theirs", "query": "status=active", "audience": "role", "audience_id": near});
    made(&hub, &owner, "/saved_filters", view).await;
    json(join(&hub, &owner, &team, who.id).await).await;
    let login = async || {
        let body = json!({"email": who.email, "password": PASSWORD});
        hub.post("/auth/login", body).await
    };
    assert_eq!(login().await.status(), 200);
    json(give(&hub, &owner, &team, &strict).await).await;
    assert_eq!(login().await.status(), 202, "a second factor is owed");
    assert_eq!(take(&hub, &owner, &team, &strict).await.status(), 204);

    let views = async || read(&hub, &who, "/saved_filters?page=users").await["items"].clone();
    assert_eq!(views().await, json!([]));
    json(give(&hub, &owner, &team, &near).await).await;
    assert_eq!(
        problem(hub.get(&who, "/me").await).await,
        (403, "auth.address_refused".into()),
        "the role's addresses are asked at once"
    );
    assert_eq!(problem(login().await).await, (403, "auth.address_refused".into()));
    let path = format!("/ip_rules/{elsewhere}");
    let gone = hub.send(&owner, Method::DELETE, &path, Value::Null).await;
    assert_eq!(gone.status(), 204);
    assert_eq!(views().await[0]["name"], "Theirs");
}
