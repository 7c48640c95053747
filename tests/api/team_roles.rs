//! Roles that a team carries for its members, over HTTP.

use crate::harness::{Hub, SignedIn, hub, problem};
use reqwest::{Method, Response};
use serde_json::{Value, json};
use signalbox_core::kernel::id::{OrganizationId, RoleId, TeamId, UserId};

async fn json(answer: Response) -> Value {
    let (status, text) = (answer.status(), answer.text().await.unwrap());
    assert!(status.is_success(), "{status} {text}");
    serde_json::from_str(&text).unwrap_or_default()
}

async fn read(hub: &Hub, who: &SignedIn, path: &str) -> Value {
    json(hub.get(who, path).await).await
}

async fn made(hub: &Hub, who: &SignedIn, path: &str, body: Value) -> String {
    let made = json(hub.send(who, Method::POST, path, body).await).await;
    made["id"].as_str().unwrap().to_owned()
}

async fn team(hub: &Hub, who: &SignedIn, name: &str) -> String {
    made(hub, who, "/teams", json!({"name": name})).await
}

/// A role that grants these on everything.
async fn role(hub: &Hub, who: &SignedIn, name: &str, grants: &[&str]) -> String {
    let grant = |permission: &&str| json!({"permission": permission, "effect": "grant"});
    let statements: Vec<Value> = grants.iter().map(grant).collect();
    made(
        hub,
        who,
        "/roles",
        json!({"name": name, "statements": statements}),
    )
    .await
}

async fn predefined(hub: &Hub, who: &SignedIn, name: &str) -> Value {
    let roles = read(hub, who, "/roles").await;
    let mut roles = roles["items"].as_array().unwrap().iter();
    roles.find(|role| role["name"] == name).unwrap().clone()
}

async fn give(hub: &Hub, who: &SignedIn, team: &str, role: &str) -> Response {
    hub.send(
        who,
        Method::PUT,
        &format!("/teams/{team}/roles/{role}"),
        json!({}),
    )
    .await
}

async fn take(hub: &Hub, who: &SignedIn, team: &str, role: &str) -> Response {
    hub.send(
        who,
        Method::DELETE,
        &format!("/teams/{team}/roles/{role}"),
        Value::Null,
    )
    .await
}

async fn join(hub: &Hub, who: &SignedIn, team: &str, whom: UserId) -> Response {
    hub.send(
        who,
        Method::PUT,
        &format!("/teams/{team}/members/{whom}"),
        json!({}),
    )
    .await
}

async fn leave(hub: &Hub, who: &SignedIn, team: &str, whom: UserId) -> Response {
    hub.send(
        who,
        Method::DELETE,
        &format!("/teams/{team}/members/{whom}"),
        Value::Null,
    )
    .await
}

/// Ids in a list's items, under `name`.
fn ids(list: &Value, name: &str) -> Vec<String> {
    let items = list["items"].as_array().unwrap().iter();
    items
        .map(|item| item[name].as_str().unwrap().to_owned())
        .collect()
}

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
        let body = json!({"email": who.email, "password": crate::harness::PASSWORD});
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

#[tokio::test]
async fn a_preview_tells_what_giving_a_role_to_a_team_and_coming_into_it_would_do_and_writes_nothing() {
    let hub = hub().await;
    let (owner, who, other) = (hub.owner().await, hub.someone(&[]).await, hub.someone(&[]).await);
    let (team, role) = (
        team(&hub, &owner, "Support").await,
        role(&hub, &owner, "Banner", &["users:ban"]).await,
    );
    json(join(&hub, &owner, &team, who.id).await).await;
    let what_if = async |asked: Value| {
        let preview = json(hub.send(&owner, Method::POST, "/roles/what_if", asked).await).await;
        let told = |pair: &Value| {
            let sign = if pair["gained"] == true { "+" } else { "-" };
            format!(
                "{sign}{} {}",
                pair["permission"].as_str().unwrap(),
                pair["user"].as_str().unwrap()
            )
        };
        let pairs = preview["items"].as_array().unwrap().iter();
        (pairs.map(told).collect::<Vec<_>>(), preview["people"].clone())
    };
    let carrying = |roles: Value| json!({"kind": "team_roles", "team": team, "roles": roles});
    let in_teams = |teams: Value| json!({"kind": "teams", "user": other.id, "teams": teams});
    let gain = |whom: &SignedIn| vec![format!("+users:ban {}", whom.id)];
    assert_eq!(what_if(carrying(json!([role]))).await, (gain(&who), json!(1)));
    assert_eq!(what_if(in_teams(json!([team]))).await.0, Vec::<String>::new());
    assert_eq!(
        read(&hub, &owner, &format!("/teams/{team}")).await["roles"],
        json!([])
    );
    json(give(&hub, &owner, &team, &role).await).await;
    let loss = vec![format!("-users:ban {}", who.id)];
    assert_eq!(what_if(carrying(json!([]))).await, (loss.clone(), json!(1)));
    assert_eq!(what_if(in_teams(json!([team]))).await.0, gain(&other));
    // a change of the role itself is one for whoever holds it through a team
    let emptied = json!({"kind": "role", "role": role, "statements": []});
    assert_eq!(what_if(emptied).await, (loss, json!(1)));

    let refused =
        async |asked: Value| problem(hub.send(&owner, Method::POST, "/roles/what_if", asked).await).await;
    let owners = predefined(&hub, &owner, "owner").await["id"].clone();
    assert_eq!(
        refused(carrying(json!([owners]))).await,
        (409, "team.owner_role".into())
    );
    assert_eq!(
        refused(carrying(json!([RoleId::new()]))).await,
        (422, "request.invalid".into())
    );
    assert_eq!(
        refused(in_teams(json!([TeamId::new()]))).await,
        (404, "team.not_found".into())
    );
    let strange = json!({"kind": "teams", "user": UserId::new(), "teams": []});
    assert_eq!(refused(strange).await, (404, "user.not_found".into()));
}

#[tokio::test]
async fn giving_a_team_a_role_and_coming_into_one_that_carries_roles_ask_for_what_giving_it_to_a_person_does()
{
    let hub = hub().await;
    let owner = hub.owner().await;
    // may assign roles and manage teams, but bans nobody; manages teams and may assign nothing; sees teams
    let (manager, viewer) = (hub.someone(&["manager"]).await, hub.someone(&["viewer"]).await);
    role(
        &hub,
        &owner,
        "Keeper",
        &["teams:manage", "teams:read", "users:read"],
    )
    .await;
    let keeper = hub.someone(&["Keeper"]).await;
    let (who, plain) = (hub.someone(&[]).await, hub.someone(&[]).await);
    let (bans, reads) = (
        role(&hub, &owner, "Banner", &["users:ban"]).await,
        role(&hub, &owner, "Reader", &["users:read"]).await,
    );
    let one = team(&hub, &owner, "One").await;
    let missing = (403, "permission.missing".to_owned());
    for somebody in [&viewer, &keeper] {
        assert_eq!(problem(give(&hub, somebody, &one, &reads).await).await, missing);
        assert_eq!(problem(take(&hub, somebody, &one, &reads).await).await, missing);
    }
    let out_of_reach = (403, "roles.out_of_reach".to_owned());
    assert_eq!(
        problem(give(&hub, &manager, &one, &bans).await).await,
        out_of_reach
    );
    json(give(&hub, &owner, &one, &bans).await).await;
    // by way of the team neither
    assert_eq!(
        problem(join(&hub, &manager, &one, who.id).await).await,
        out_of_reach
    );
    assert_eq!(problem(join(&hub, &keeper, &one, who.id).await).await, missing);
    assert_eq!(
        problem(take(&hub, &manager, &one, &bans).await).await,
        out_of_reach
    );
    let own = (409, "roles.own".to_owned());
    assert_eq!(problem(join(&hub, &owner, &one, owner.id).await).await, own);
    json(join(&hub, &owner, &one, who.id).await).await;
    // whoever holds more through a team stands above
    let outranked = (403, "permission.outranked".to_owned());
    let path = format!("/users/{}/roles", who.id);
    let refused = hub
        .send(&manager, Method::PUT, &path, json!({"roles": [reads]}))
        .await;
    assert_eq!(problem(refused).await, outranked);
    assert_eq!(
        problem(leave(&hub, &manager, &one, who.id).await).await,
        outranked
    );
    assert_eq!(problem(give(&hub, &manager, &one, &reads).await).await, outranked);
    let deleted = hub
        .send(&manager, Method::DELETE, &format!("/teams/{one}"), Value::Null)
        .await;
    assert_eq!(problem(deleted).await, outranked);
    assert_eq!(
        problem(leave(&hub, &keeper, &one, who.id).await).await.0,
        403,
        "who may assign nothing takes nothing"
    );

    // a team within the manager's reach
    let two = team(&hub, &owner, "Two").await;
    json(give(&hub, &manager, &two, &reads).await).await;
    json(join(&hub, &manager, &two, plain.id).await).await;
    assert_eq!(problem(leave(&hub, &keeper, &two, plain.id).await).await, missing);
    let refused = hub
        .send(&keeper, Method::DELETE, &format!("/teams/{two}"), Value::Null)
        .await;
    assert_eq!(problem(refused).await, missing);
    assert_eq!(leave(&hub, &manager, &two, plain.id).await.status(), 204);
    // one's own: neither what the team one is in carries, nor oneself out of it
    json(join(&hub, &owner, &two, manager.id).await).await;
    assert_eq!(problem(take(&hub, &manager, &two, &reads).await).await, own);
    assert_eq!(problem(leave(&hub, &manager, &two, manager.id).await).await, own);
    let refused = hub
        .send(&manager, Method::DELETE, &format!("/teams/{two}"), Value::Null)
        .await;
    assert_eq!(problem(refused).await, own);
}

#[tokio::test]
async fn a_team_carries_no_owner_role_denies_nothing_to_an_owner_and_keeps_its_roles_from_being_deleted() {
    let hub = hub().await;
    let owner = hub.owner().await;
    let second = hub.someone(&["owner"]).await;
    let who = hub.someone(&["manager"]).await;
    let one = team(&hub, &owner, "One").await;
    let owners = predefined(&hub, &owner, "owner").await;
    let refused = give(&hub, &owner, &one, owners["id"].as_str().unwrap()).await;
    assert_eq!(problem(refused).await, (409, "team.owner_role".into()));
    let deny = json!({"permission": "audit:read", "effect": "deny"});
    let blind = made(
        &hub,
        &owner,
        "/roles",
        json!({"name": "Blind", "statements": [deny]}),
    )
    .await;
    json(give(&hub, &owner, &one, &blind).await).await;
    let limited = (409, "roles.owner_limited".to_owned());
    assert_eq!(problem(join(&hub, &owner, &one, second.id).await).await, limited);
    assert_eq!(hub.get(&who, "/audit").await.status(), 200);
    json(join(&hub, &owner, &one, who.id).await).await;
    assert_eq!(
        hub.get(&who, "/audit").await.status(),
        403,
        "a denial counts through a team"
    );
    let two = team(&hub, &owner, "Two").await;
    json(join(&hub, &owner, &two, second.id).await).await;
    assert_eq!(problem(give(&hub, &owner, &two, &blind).await).await, limited);

    let delete = async || {
        hub.send(&owner, Method::DELETE, &format!("/roles/{blind}"), Value::Null)
            .await
    };
    assert_eq!(problem(delete().await).await, (409, "role.in_use".into()));
    // to lift the denial is to give what it denied: who does not hold that does not
    let looking = json!({"name": "Assigning", "statements": [
        {"permission": "roles:assign", "effect": "grant"}, {"permission": "teams:manage", "effect": "grant"},
        {"permission": "teams:read", "effect": "grant"}, {"permission": "users:read", "effect": "grant"}]});
    made(&hub, &owner, "/roles", looking).await;
    let assigning = hub.someone(&["Assigning"]).await;
    let nobody = hub.someone(&[]).await;
    hub.test
        .sql(format!(
            "INSERT INTO user_permissions (organization_id, user_id, permission) VALUES ('{}', '{}', 'audit:read')",
            hub.test.organization, nobody.id
        ))
        .await;
    let three = team(&hub, &owner, "Three").await;
    json(give(&hub, &owner, &three, &blind).await).await;
    json(join(&hub, &owner, &three, nobody.id).await).await;
    assert_eq!(
        problem(take(&hub, &assigning, &three, &blind).await).await,
        (403, "permission.beyond".into())
    );
    assert_eq!(
        problem(leave(&hub, &assigning, &three, nobody.id).await).await.0,
        403
    );
    for team in [&one, &three] {
        assert_eq!(take(&hub, &owner, team, &blind).await.status(), 204);
    }
    assert_eq!(delete().await.status(), 204);
}

#[tokio::test]
async fn nothing_of_another_organization_is_carried_and_a_team_carries_no_more_than_it_may() {
    let hub = hub().await;
    let owner = hub.owner().await;
    let one = team(&hub, &owner, "One").await;
    let own = role(&hub, &owner, "Own", &[]).await;
    let (another, role, team) = (OrganizationId::new(), RoleId::new(), TeamId::new());
    hub.test
        .sql(format!(
            "INSERT INTO organizations (id, name) VALUES ('{another}', 'Another');
             INSERT INTO roles (id, organization_id, name) VALUES ('{role}', '{another}', 'Theirs');
             INSERT INTO role_permissions (organization_id, role_id, permission) VALUES ('{another}', '{role}', 'audit:read');
             INSERT INTO teams (id, organization_id, name) VALUES ('{team}', '{another}', 'Theirs')"
        ))
        .await;
    let not_found = |what: &str| (404, format!("{what}.not_found"));
    for (team, role, what) in [
        (one.clone(), role.to_string(), "role"),
        (one.clone(), RoleId::new().to_string(), "role"),
        (team.to_string(), own.clone(), "team"),
        (TeamId::new().to_string(), own.clone(), "team"),
    ] {
        let answers = [
            problem(give(&hub, &owner, &team, &role).await).await,
            problem(take(&hub, &owner, &team, &role).await).await,
        ];
        assert_eq!(answers, [not_found(what), not_found(what)]);
    }
    // were it in the database all the same, it would not count
    let who = hub.someone(&[]).await;
    json(join(&hub, &owner, &one, who.id).await).await;
    hub.test
        .sql(format!(
            "INSERT INTO team_roles (organization_id, team_id, role_id) VALUES ('{another}', '{one}', '{role}'),
               ('{}', '{team}', '{own}');
             INSERT INTO team_members (organization_id, team_id, user_id) VALUES ('{another}', '{team}', '{}');
             UPDATE users SET access_version = access_version + 1",
            hub.test.organization, who.id
        ))
        .await;
    let access = read(&hub, &owner, &format!("/users/{}/permissions", who.id)).await;
    assert_eq!((&access["held"], &access["given"]), (&json!([]), &json!([])));

    let organization = hub.test.organization;
    hub.test
        .sql(format!(
            "WITH made AS (INSERT INTO roles (id, organization_id, name)
               SELECT gen_random_uuid(), '{organization}', 'Role ' || n FROM generate_series(1, 20) n RETURNING id)
             INSERT INTO team_roles (organization_id, team_id, role_id) SELECT '{organization}', '{one}', id FROM made"
        ))
        .await;
    assert_eq!(
        problem(give(&hub, &owner, &one, &own).await).await,
        (409, "team.too_many_roles".into())
    );
}

/// What docs/ACCESS.md says of Helpdesk and Trainees.
#[tokio::test]
async fn the_example_of_the_documentation_is_true() {
    let hub = hub().await;
    let owner = hub.owner().await;
    let on_team = json!({"permission": "users:update", "effect": "grant", "on": "team"});
    let read_all = json!({"permission": "users:read", "effect": "grant"});
    let support = json!({"name": "support", "statements": [read_all, on_team]});
    let support = made(&hub, &owner, "/roles", support).await;
    let deny = json!({"permission": "users:ban", "effect": "deny"});
    let calm = made(
        &hub,
        &owner,
        "/roles",
        json!({"name": "calm", "statements": [deny]}),
    )
    .await;
    let helpdesk = team(&hub, &owner, "Helpdesk").await;
    let trainees = team(&hub, &owner, "Trainees").await;
    json(give(&hub, &owner, &helpdesk, &support).await).await;
    json(give(&hub, &owner, &trainees, &calm).await).await;
    let (ada, bob, tom) = (
        hub.someone(&[]).await,
        hub.someone(&[]).await,
        hub.someone(&[]).await,
    );
    let (eve, max) = (hub.someone(&[]).await, hub.someone(&["manager"]).await);
    let direct = json!({"statements": [{"permission": "users:ban", "effect": "grant"}]});
    let path = format!("/users/{}/permissions", tom.id);
    json(hub.send(&owner, Method::PUT, &path, direct).await).await;
    for (team, whom) in [(&helpdesk, &ada), (&helpdesk, &bob), (&trainees, &tom)] {
        json(join(&hub, &owner, team, whom.id).await).await;
    }
    let update = async |whom: &SignedIn| {
        let path = format!("/users/{}", whom.id);
        let change = json!({"department": "Desk"});
        hub.send(&ada, Method::PATCH, &path, change)
            .await
            .status()
            .as_u16()
    };
    assert_eq!((update(&bob).await, update(&tom).await), (200, 403));
    let why = read(
        &hub,
        &owner,
        &format!("/users/{}/explain?permission=users:ban", tom.id),
    )
    .await;
    assert_eq!(
        (&why["allowed"], &why["decision"]),
        (&json!(false), &json!("denial"))
    );
    let denied = why["lines"]
        .as_array()
        .unwrap()
        .iter()
        .find(|line| line["effect"] == "deny");
    assert_eq!(denied.unwrap()["team"]["name"], "Trainees");
    json(join(&hub, &max, &helpdesk, eve.id).await).await;
    let moderator = predefined(&hub, &owner, "moderator").await["id"].clone();
    let refused = give(&hub, &max, &helpdesk, moderator.as_str().unwrap()).await;
    assert_eq!(problem(refused).await, (403, "roles.out_of_reach".into()));
    let refused = leave(&hub, &max, &trainees, tom.id).await;
    assert_eq!(problem(refused).await, (403, "permission.outranked".into()));
    json(join(&hub, &owner, &helpdesk, max.id).await).await;
    assert_eq!(
        problem(leave(&hub, &max, &helpdesk, max.id).await).await,
        (409, "roles.own".into())
    );
    let second = hub.someone(&["owner"]).await;
    assert_eq!(
        problem(join(&hub, &owner, &trainees, second.id).await).await,
        (409, "roles.owner_limited".into())
    );
    assert_eq!(leave(&hub, &owner, &helpdesk, ada.id).await.status(), 204);
    assert_eq!(update(&bob).await, 403);
}

#[tokio::test]
async fn whoever_has_somebody_give_rights_further_by_way_of_a_team_proves_who_they_are() {
    let hub = hub().await;
    let (owner, who) = (hub.owner().await, hub.someone(&[]).await);
    let (giver, reader) = (
        role(&hub, &owner, "Giver", &["roles:assign"]).await,
        role(&hub, &owner, "Reader", &["users:read"]).await,
    );
    let (one, two) = (team(&hub, &owner, "One").await, team(&hub, &owner, "Two").await);
    json(give(&hub, &owner, &one, &giver).await).await;
    hub.clock.advance(time::Duration::minutes(11));
    let wanted = (403, "auth.step_up_needed".to_owned());
    assert_eq!(
        problem(give(&hub, &owner, &two, &giver).await).await,
        wanted,
        "of a team that nobody is in yet, too"
    );
    assert_eq!(problem(join(&hub, &owner, &one, who.id).await).await, wanted);
    json(give(&hub, &owner, &two, &reader).await).await;
    json(join(&hub, &owner, &two, who.id).await).await;
    let proved = hub.owner().await;
    json(join(&hub, &proved, &one, who.id).await).await;
    json(give(&hub, &proved, &two, &giver).await).await;
    hub.clock.advance(time::Duration::minutes(11));
    // taking waits for nothing
    assert_eq!(leave(&hub, &proved, &one, who.id).await.status(), 204);
    assert_eq!(take(&hub, &proved, &two, &giver).await.status(), 204);
}
