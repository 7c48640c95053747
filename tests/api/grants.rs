//! Custom roles, direct grants and denials, and why: over HTTP.

use crate::harness::{Hub, SignedIn, hub, problem, problem_in_full};
use reqwest::{Method, Response};
use serde_json::{Value, json};
use signalbox_core::kernel::id::{OrganizationId, RoleId, UserId};

/// `users:ban` and the like, granted.
fn grant(permission: &str) -> Value {
    json!({"permission": permission, "effect": "grant"})
}

fn deny(permission: &str) -> Value {
    json!({"permission": permission, "effect": "deny"})
}

async fn role_named(hub: &Hub, who: &SignedIn, name: &str) -> Value {
    let list: Value = hub.get(who, "/roles").await.json().await.unwrap();
    let roles = list["items"].as_array().unwrap();
    roles.iter().find(|role| role["name"] == name).unwrap().clone()
}

async fn make(hub: &Hub, who: &SignedIn, role: Value) -> Response {
    hub.send(who, Method::POST, "/roles", role).await
}

/// A role made by the owner; its id.
async fn made(hub: &Hub, owner: &SignedIn, role: Value) -> String {
    let answer = make(hub, owner, role).await;
    assert_eq!(answer.status(), 201, "{}", answer.text().await.unwrap());
    let role: Value = answer.json().await.unwrap();
    role["id"].as_str().unwrap().to_owned()
}

async fn change(hub: &Hub, who: &SignedIn, role: &str, change: Value) -> Response {
    hub.send(who, Method::PATCH, &format!("/roles/{role}"), change)
        .await
}

async fn give(hub: &Hub, owner: &SignedIn, whom: &SignedIn, roles: &[&str]) {
    let path = format!("/users/{}/roles", whom.id);
    let answer = hub.send(owner, Method::PUT, &path, json!({"roles": roles})).await;
    assert_eq!(answer.status(), 200, "{}", answer.text().await.unwrap());
}

async fn say(hub: &Hub, who: &SignedIn, of: UserId, direct: Value) -> Response {
    hub.send(who, Method::PUT, &format!("/users/{of}/permissions"), direct)
        .await
}

/// Names of what somebody holds on everything.
async fn held(hub: &Hub, who: &SignedIn, of: UserId) -> Vec<String> {
    let answer: Value = hub
        .get(who, &format!("/users/{of}/permissions"))
        .await
        .json()
        .await
        .unwrap();
    let held = answer["held"].as_array().unwrap();
    let everywhere = held
        .iter()
        .filter(|held| held["everywhere"] == true && held["denied"] == json!([]));
    everywhere
        .map(|held| held["permission"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn a_role_is_made_changed_and_deleted_with_a_record_and_an_event_of_each() {
    let hub = hub().await;
    let (owner, who) = (hub.owner().await, hub.someone(&[]).await);
    let viewer = role_named(&hub, &owner, "viewer").await;
    let new = json!({"name": " Night shift ", "description": "Bans at night", "inherits": [viewer["id"]],
                     "statements": [grant("users:ban"), deny("audit:read")]});
    let answer = make(&hub, &owner, new.clone()).await;
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["etag"]),
        (201, &"\"1\"".parse().unwrap())
    );
    let role: Value = answer.json().await.unwrap();
    assert_eq!(
        (&role["name"], &role["permissions"]),
        (&json!("Night shift"), &json!(["users:ban"]))
    );
    let id = role["id"].as_str().unwrap();
    assert_eq!(
        problem(make(&hub, &owner, new).await).await,
        (409, "role.name_taken".into())
    );

    give(&hub, &owner, &who, &[id]).await;
    let may = held(&hub, &owner, who.id).await;
    assert!(may.contains(&"users:ban".to_owned()) && may.contains(&"users:read".to_owned()));
    assert!(
        !may.contains(&"audit:read".to_owned()),
        "a denial beats what is inherited"
    );

    let answer = change(&hub, &owner, id, json!({"statements": [grant("audit:read")]})).await;
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["etag"]),
        (200, &"\"2\"".parse().unwrap())
    );
    assert_eq!(hub.get(&who, "/audit").await.status(), 200);
    let stale = hub
        .ask(Method::PATCH, &format!("/roles/{id}"))
        .bearer_auth(&owner.token);
    let stale = stale
        .header("if-match", "\"1\"")
        .json(&json!({"name": "x"}))
        .send()
        .await
        .unwrap();
    let (status, code, body) = problem_in_full(stale).await;
    assert_eq!(
        (status, &*code, &body["current"]["version"]),
        (412, "role.stale", &json!(2))
    );

    let members: Value = hub
        .get(&owner, &format!("/roles/{id}/members?limit=1"))
        .await
        .json()
        .await
        .unwrap();
    assert_eq!(
        (&members["items"][0]["user"], &members["next_cursor"]),
        (&json!(who.id), &Value::Null)
    );
    let delete = async || {
        hub.send(&owner, Method::DELETE, &format!("/roles/{id}"), json!({}))
            .await
    };
    assert_eq!(problem(delete().await).await, (409, "role.in_use".into()));
    give(&hub, &owner, &who, &[]).await;
    assert_eq!(delete().await.status(), 204);
    assert_eq!(problem(delete().await).await, (404, "role.not_found".into()));

    let history: Value = hub
        .get(&owner, &format!("/roles/{id}/history"))
        .await
        .json()
        .await
        .unwrap();
    let actions: Vec<&str> = history["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["action"].as_str().unwrap())
        .collect();
    assert_eq!(actions, ["roles.delete", "roles.update", "roles.create"]);
    assert_eq!(
        history["items"][1]["changes"]["statements"]["after"][0]["permission"],
        "audit:read"
    );
    let told = hub.test.texts("SELECT type || ' ' || array_to_string(channels, ' ') FROM outbox WHERE subject_kind = 'role' ORDER BY seq").await;
    assert_eq!(
        told,
        [
            "role.created feed:roles feed:audit",
            "role.changed feed:roles feed:audit",
            "role.deleted feed:roles feed:audit"
        ]
    );
    let revoked = hub
        .test
        .texts("SELECT reason || ' ' || access_version FROM revocations WHERE kind = 'organization'")
        .await;
    assert_eq!(
        revoked.len(),
        1,
        "nobody held it when it was made and deleted: {revoked:?}"
    );
}

#[tokio::test]
async fn the_hubs_own_roles_and_whoever_may_not_manage_are_refused_and_statements_are_checked() {
    let hub = hub().await;
    let (owner, admin) = (hub.owner().await, hub.someone(&["admin"]).await);
    let viewer = role_named(&hub, &owner, "viewer").await;
    let viewer = viewer["id"].as_str().unwrap();
    let own = change(&hub, &owner, viewer, json!({"name": "x"})).await;
    assert_eq!(problem(own).await, (409, "role.predefined".into()));
    let own = hub
        .send(&owner, Method::DELETE, &format!("/roles/{viewer}"), json!({}))
        .await;
    assert_eq!(problem(own).await, (409, "role.predefined".into()));
    let refused = make(&hub, &admin, json!({"name": "x"})).await;
    assert_eq!(problem(refused).await, (403, "permission.missing".into()));
    for (statement, code) in [
        (grant("users:fly"), "unknown"),
        (
            json!({"permission": "users:ban", "effect": "deny", "on": "own"}),
            "denied_on_some",
        ),
        (
            json!({"permission": "jobs:read", "effect": "grant", "on": "own"}),
            "not_by_row",
        ),
    ] {
        let answer = make(&hub, &owner, json!({"name": "x", "statements": [statement]})).await;
        let (status, _, body) = problem_in_full(answer).await;
        assert_eq!((status, &body["errors"][0]["code"]), (422, &json!(code)));
    }
    let twice = make(
        &hub,
        &owner,
        json!({"name": "x", "statements": [grant("users:ban"), deny("users:ban")]}),
    )
    .await;
    assert_eq!(problem(twice).await.0, 422);
    for inherits in [json!([RoleId::new()]), json!([viewer, viewer])] {
        let answer = make(&hub, &owner, json!({"name": "x", "inherits": inherits})).await;
        assert_eq!(problem(answer).await.0, 422);
    }
    for name in ["", "  ", "a\nb"] {
        assert_eq!(
            problem(make(&hub, &owner, json!({"name": name})).await).await.0,
            422
        );
    }
}

#[tokio::test]
async fn no_role_comes_to_inherit_from_itself_not_even_by_two_changes_at_once() {
    let hub = hub().await;
    let owner = hub.owner().await;
    let mut ids = Vec::new();
    for name in ["a", "b", "c"] {
        ids.push(made(&hub, &owner, json!({"name": name})).await);
    }
    let inherit = async |role: usize, parent: usize| {
        let answer = change(&hub, &owner, &ids[role], json!({"inherits": [ids[parent]]})).await;
        answer.status().as_u16()
    };
    assert_eq!(inherit(0, 0).await, 409);
    assert_eq!(
        (inherit(0, 1).await, inherit(1, 2).await, inherit(2, 0).await),
        (200, 200, 409)
    );
    for _ in 0..5 {
        for id in &ids {
            assert_eq!(
                change(&hub, &owner, id, json!({"inherits": []})).await.status(),
                200
            );
        }
        let both = tokio::join!(inherit(0, 1), inherit(1, 0));
        assert!(both == (200, 409) || both == (409, 200), "{both:?}");
    }
}

#[tokio::test]
async fn nobody_gives_by_any_door_what_they_do_not_hold() {
    let hub = hub().await;
    let owner = hub.owner().await;
    let keys = ["roles:read", "roles:manage", "roles:assign", "users:read"];
    let keeper = made(
        &hub,
        &owner,
        json!({"name": "keeper", "statements": keys.map(grant)}),
    )
    .await;
    let (who, other) = (hub.someone(&[]).await, hub.someone(&["viewer"]).await);
    give(&hub, &owner, &who, &[&keeper]).await;
    let manager = role_named(&hub, &owner, "manager").await;
    let loud = made(
        &hub,
        &owner,
        json!({"name": "loud", "statements": [grant("jobs:read")]}),
    )
    .await;
    let mute = made(
        &hub,
        &owner,
        json!({"name": "mute", "statements": [deny("jobs:read")]}),
    )
    .await;
    let plain = made(
        &hub,
        &owner,
        json!({"name": "plain", "statements": [grant("users:read")]}),
    )
    .await;
    let own = json!({"permission": "users:ban", "effect": "grant", "on": "own"});
    let on_one =
        json!({"permission": "users:ban", "effect": "grant", "resource": {"kind": "user", "id": other.id}});
    let refused = async |answer: Response| {
        let (status, code) = problem(answer).await;
        assert!(
            status == 403 && ["permission.beyond", "permission.outranked"].contains(&&*code),
            "{status} {code}"
        );
    };
    refused(
        make(
            &hub,
            &who,
            json!({"name": "x", "statements": [grant("jobs:read")]}),
        )
        .await,
    )
    .await;
    refused(make(&hub, &who, json!({"name": "x", "statements": [own]})).await).await;
    refused(make(&hub, &who, json!({"name": "x", "inherits": [manager["id"]]})).await).await;
    refused(change(&hub, &who, &plain, json!({"statements": [grant("jobs:read")]})).await).await;
    refused(change(&hub, &who, &plain, json!({"inherits": [loud]})).await).await;
    refused(change(&hub, &who, &keeper, json!({"statements": keys.map(grant).into_iter().chain([grant("jobs:read")]).collect::<Vec<_>>()})).await).await;
    refused(change(&hub, &who, &loud, json!({"name": "quiet"})).await).await;
    refused(change(&hub, &who, &mute, json!({"statements": []})).await).await;
    let bare = hub.someone(&[]).await;
    refused(say(&hub, &who, bare.id, json!({"statements": [grant("jobs:read")]})).await).await;
    refused(say(&hub, &who, bare.id, json!({"single": [on_one]})).await).await;
    // who holds more is not changed, and what was denied is not given back
    refused(say(&hub, &who, other.id, json!({})).await).await;
    let denied = hub.someone(&[]).await;
    give(&hub, &owner, &denied, &[&loud, &mute]).await;
    let took = hub
        .send(
            &who,
            Method::PUT,
            &format!("/users/{}/roles", denied.id),
            json!({"roles": [loud]}),
        )
        .await;
    refused(took).await;
    assert!(
        !held(&hub, &owner, denied.id)
            .await
            .contains(&"jobs:read".to_owned())
    );
    // what they do hold, they may give
    assert_eq!(
        say(&hub, &who, bare.id, json!({"statements": [grant("users:read")]}))
            .await
            .status(),
        200
    );
    assert_eq!(
        make(
            &hub,
            &who,
            json!({"name": "x", "statements": [grant("users:read")], "inherits": [plain]})
        )
        .await
        .status(),
        201
    );
    // and nobody their own
    assert_eq!(
        problem(say(&hub, &who, who.id, json!({})).await).await,
        (409, "permissions.own".into())
    );
}

#[tokio::test]
async fn an_owner_is_denied_nothing_by_whatever_way() {
    let hub = hub().await;
    let (owner, second) = (hub.owner().await, hub.someone(&["owner"]).await);
    let owners = role_named(&hub, &owner, "owner").await;
    let owners = owners["id"].as_str().unwrap();
    let mute = made(
        &hub,
        &owner,
        json!({"name": "mute", "statements": [deny("jobs:read")]}),
    )
    .await;
    let limited = (409, "roles.owner_limited".to_owned());
    let direct = say(
        &hub,
        &owner,
        second.id,
        json!({"statements": [deny("roles:manage")]}),
    )
    .await;
    assert_eq!(problem(direct).await, limited);
    let role = hub
        .send(
            &owner,
            Method::PUT,
            &format!("/users/{}/roles", second.id),
            json!({"roles": [owners, mute]}),
        )
        .await;
    assert_eq!(problem(role).await, limited);
    let quiet = made(&hub, &owner, json!({"name": "quiet"})).await;
    give(&hub, &owner, &second, &[owners, &quiet]).await;
    for change_of in [
        json!({"statements": [deny("jobs:read")]}),
        json!({"inherits": [mute]}),
    ] {
        assert_eq!(
            problem(change(&hub, &owner, &quiet, change_of).await).await,
            limited
        );
    }
    let new = json!({"email": "third@example.com", "name": "Third", "roles": [owners, mute]});
    assert_eq!(
        problem(hub.send(&owner, Method::POST, "/users", new).await).await,
        limited
    );
    assert!(
        held(&hub, &owner, second.id)
            .await
            .contains(&"jobs:read".to_owned())
    );
}

#[tokio::test]
async fn many_are_changed_one_by_one_and_each_is_told_what_came_of_it() {
    let hub = hub().await;
    let (owner, manager) = (hub.owner().await, hub.someone(&["manager"]).await);
    let (bare, holder) = (hub.someone(&[]).await, hub.someone(&["viewer"]).await);
    let (viewer, user) = (
        role_named(&hub, &owner, "viewer").await,
        role_named(&hub, &owner, "user").await,
    );
    let nobody = UserId::new();
    let body = json!({"users": [bare.id, owner.id, nobody, manager.id, holder.id], "give": [user["id"]], "take": [viewer["id"]]});
    let answer = hub
        .send(&manager, Method::POST, "/roles/assign", body.clone())
        .await;
    assert_eq!(answer.status(), 200);
    let items: Value = answer.json().await.unwrap();
    let told: Vec<(bool, &str)> = items["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| {
            (
                item["done"].as_bool().unwrap(),
                item["code"].as_str().unwrap_or(""),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            (true, ""),
            (false, "permission.outranked"),
            (false, "user.not_found"),
            (false, "roles.own"),
            (true, "")
        ]
    );
    for person in [&bare, &holder] {
        assert_eq!(held(&hub, &owner, person.id).await, Vec::<String>::new());
        let rows = format!(
            "SELECT r.name FROM user_roles ur JOIN roles r ON r.id = ur.role_id WHERE user_id = '{}'",
            person.id
        );
        assert_eq!(hub.test.texts(rows).await, ["user"]);
    }
    let both = json!({"users": [bare.id], "give": [user["id"]], "take": [user["id"]]});
    assert_eq!(
        problem(hub.send(&manager, Method::POST, "/roles/assign", both).await)
            .await
            .0,
        422
    );
    let none = json!({"users": [], "give": []});
    assert_eq!(
        problem(hub.send(&manager, Method::POST, "/roles/assign", none).await)
            .await
            .0,
        422
    );
    assert_eq!(
        problem(hub.send(&bare, Method::POST, "/roles/assign", body).await)
            .await
            .0,
        403
    );
}

#[tokio::test]
async fn a_preview_says_what_then_happens_and_writes_nothing() {
    let hub = hub().await;
    let owner = hub.owner().await;
    let base = made(
        &hub,
        &owner,
        json!({"name": "base", "statements": [grant("jobs:read"), grant("audit:read")]}),
    )
    .await;
    let heir = made(&hub, &owner, json!({"name": "heir", "inherits": [base]})).await;
    let (one, two) = (hub.someone(&["finance"]).await, hub.someone(&[]).await);
    let finance = role_named(&hub, &owner, "finance").await;
    give(&hub, &owner, &one, &[finance["id"].as_str().unwrap(), &heir]).await;
    give(&hub, &owner, &two, &[&base]).await;
    let statements = json!([grant("imports:read"), deny("audit:read")]);
    let asked = json!({"kind": "role", "role": base, "statements": statements});
    let versions = "SELECT string_agg(version::text, ' ' ORDER BY id) FROM roles";
    let before = hub.test.texts(versions).await;
    let preview: Value = hub
        .send(&owner, Method::POST, "/roles/what_if", asked)
        .await
        .json()
        .await
        .unwrap();
    assert_eq!(hub.test.texts(versions).await, before);
    let mut told = Vec::new();
    for pair in preview["items"].as_array().unwrap() {
        let sign = if pair["gained"] == true { "+" } else { "-" };
        assert_ne!(pair["gained"], pair["lost"]);
        assert!(!pair["name"].as_str().unwrap().is_empty(), "{pair}");
        told.push((
            pair["user"].as_str().unwrap().to_owned(),
            format!("{sign}{}", pair["permission"].as_str().unwrap()),
        ));
    }
    let mut happened = Vec::new();
    let mut was = Vec::new();
    for person in [&one, &two] {
        was.push(held(&hub, &owner, person.id).await);
    }
    assert_eq!(
        change(&hub, &owner, &base, json!({"statements": statements}))
            .await
            .status(),
        200
    );
    for (person, was) in [&one, &two].into_iter().zip(was) {
        let is = held(&hub, &owner, person.id).await;
        let lost = was
            .iter()
            .filter(|name| !is.contains(name))
            .map(|name| format!("-{name}"));
        let gained = is
            .iter()
            .filter(|name| !was.contains(name))
            .map(|name| format!("+{name}"));
        happened.extend(lost.chain(gained).map(|change| (person.id.to_string(), change)));
    }
    told.sort();
    happened.sort();
    assert_eq!(told, happened);
    assert_eq!(
        (&preview["people"], &preview["complete"], told.len()),
        (&json!(2), &json!(true), 6)
    );
}

#[tokio::test]
async fn a_refusal_is_explained_to_whoever_may_see_roles_and_to_nobody_else() {
    let hub = hub().await;
    let (owner, viewer, user) = (
        hub.owner().await,
        hub.someone(&["viewer"]).await,
        hub.someone(&["user"]).await,
    );
    let (_, _, refused) = problem_in_full(hub.get(&user, "/jobs").await).await;
    let path = format!("/explanations/{}", refused["explain_id"].as_str().unwrap());
    let told: Value = hub.get(&viewer, &path).await.json().await.unwrap();
    assert_eq!(
        (&told["code"], &told["user"], &told["trace_id"]),
        (
            &json!("permission.missing"),
            &json!(user.id),
            &refused["trace_id"]
        )
    );
    let why = &told["explanation"];
    assert_eq!(
        (&why["permission"], &why["allowed"], &why["decision"]),
        (&json!("jobs:read"), &json!(false), &json!("nothing"))
    );

    let base = made(
        &hub,
        &owner,
        json!({"name": "base", "statements": [deny("jobs:read")]}),
    )
    .await;
    let heir = made(
        &hub,
        &owner,
        json!({"name": "heir", "inherits": [base], "statements": [grant("jobs:read")]}),
    )
    .await;
    give(&hub, &owner, &user, &[&heir]).await;
    let told: Value = hub.get(&viewer, &path).await.json().await.unwrap();
    assert_eq!(told["explanation"]["decision"], "denial");
    let line = told["explanation"]["lines"]
        .as_array()
        .unwrap()
        .iter()
        .find(|line| line["decides"] == true)
        .unwrap();
    let via: Vec<&str> = line["via"]
        .as_array()
        .unwrap()
        .iter()
        .map(|via| via["name"].as_str().unwrap())
        .collect();
    assert_eq!((&line["effect"], via), (&json!("deny"), vec!["heir", "base"]));

    let (status, _, again) = problem_in_full(hub.get(&user, &path).await).await;
    assert!(
        status == 403 && again["explain_id"].is_string(),
        "the refusal to explain has an id as well"
    );
    assert_eq!(
        problem(hub.get(&viewer, "/explanations/none").await).await,
        (404, "explanation.not_found".into())
    );
    hub.clock.advance(time::Duration::days(31));
    let later = hub.sign_in(&viewer.email).await;
    assert_eq!(problem(hub.get(&later, &path).await).await.0, 404);
    assert!(
        problem_in_full(hub.get(&later, "/roles/x").await).await.2["explain_id"].is_null(),
        "only a 403 has one"
    );
}

#[tokio::test]
async fn who_may_and_why_are_told_with_the_way_it_came() {
    let hub = hub().await;
    let (owner, viewer) = (hub.owner().await, hub.someone(&["viewer"]).await);
    let (direct, denied) = (hub.someone(&[]).await, hub.someone(&["moderator"]).await);
    let on_viewer =
        json!({"permission": "users:ban", "effect": "grant", "resource": {"kind": "user", "id": viewer.id}});
    assert_eq!(
        say(&hub, &owner, direct.id, json!({"single": [on_viewer]}))
            .await
            .status(),
        200
    );
    assert_eq!(
        say(
            &hub,
            &owner,
            denied.id,
            json!({"statements": [deny("users:ban")]})
        )
        .await
        .status(),
        200
    );
    let moderator = hub.someone(&["moderator"]).await;
    let holders = async |query: &str| {
        let (mut all, mut path) = (
            Vec::new(),
            format!("/permissions/holders?permission=users:ban{query}&limit=1"),
        );
        loop {
            let page: Value = hub.get(&viewer, &path).await.json().await.unwrap();
            all.extend(
                page["items"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|item| item["user"].as_str().unwrap().to_owned()),
            );
            let Some(cursor) = page["next_cursor"].as_str() else {
                break;
            };
            path = format!("/permissions/holders?permission=users:ban{query}&limit=1&cursor={cursor}");
        }
        all.sort();
        all
    };
    let sorted = |mut ids: Vec<UserId>| {
        ids.sort();
        ids.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(holders("").await, sorted(vec![owner.id, moderator.id, direct.id]));
    let on = |id: UserId| format!("&resource_kind=user&resource_id={id}");
    assert_eq!(
        holders(&on(viewer.id)).await,
        sorted(vec![owner.id, moderator.id, direct.id])
    );
    assert_eq!(holders(&on(owner.id)).await, sorted(vec![owner.id, moderator.id]));
    let explain = async |of: &SignedIn, on: &str| {
        let path = format!("/users/{}/explain?permission=users:ban{on}", of.id);
        let told: Value = hub.get(&viewer, &path).await.json().await.unwrap();
        (
            told["allowed"].as_bool().unwrap(),
            told["decision"].as_str().unwrap().to_owned(),
        )
    };
    assert_eq!(
        explain(&direct, &on(viewer.id)).await,
        (true, "single_grant".into())
    );
    assert_eq!(explain(&direct, "").await, (false, "nothing".into()));
    assert_eq!(explain(&denied, &on(viewer.id)).await, (false, "denial".into()));
    assert_eq!(explain(&moderator, "").await, (true, "roles".into()));
    let unknown = hub
        .get(
            &viewer,
            &format!("/users/{}/explain?permission=users:fly", viewer.id),
        )
        .await;
    assert_eq!(problem(unknown).await.0, 422);
    let half = hub
        .get(
            &viewer,
            &format!(
                "/users/{}/explain?permission=users:ban&resource_kind=user",
                viewer.id
            ),
        )
        .await;
    assert_eq!(problem(half).await.0, 422);
}

#[tokio::test]
async fn nothing_of_another_organization_is_found_named_or_granted() {
    let hub = hub().await;
    let owner = hub.owner().await;
    let (elsewhere, role, stranger) = (OrganizationId::new(), RoleId::new(), UserId::new());
    hub.test
        .sql(format!(
            "INSERT INTO organizations (id, name) VALUES ('{elsewhere}', 'Elsewhere');
             INSERT INTO roles (id, organization_id, name) VALUES ('{role}', '{elsewhere}', 'theirs');
             INSERT INTO role_permissions (organization_id, role_id, permission) VALUES ('{elsewhere}', '{role}', 'users:read');
             INSERT INTO users (id, organization_id, email, name) VALUES ('{stranger}', '{elsewhere}', 's@example.org', 'S')"
        ))
        .await;
    for path in [
        format!("/roles/{role}"),
        format!("/roles/{role}/members"),
        format!("/users/{stranger}/permissions"),
        format!("/users/{stranger}/explain?permission=users:read"),
        format!(
            "/users/{}/explain?permission=users:read&resource_kind=user&resource_id={stranger}",
            owner.id
        ),
        format!("/permissions/holders?permission=users:read&resource_kind=user&resource_id={stranger}"),
    ] {
        assert_eq!(problem(hub.get(&owner, &path).await).await.0, 404, "{path}");
    }
    assert_eq!(
        problem(change(&hub, &owner, &role.to_string(), json!({"name": "ours"})).await)
            .await
            .0,
        404
    );
    let deleted = hub
        .send(&owner, Method::DELETE, &format!("/roles/{role}"), json!({}))
        .await;
    assert_eq!(problem(deleted).await.0, 404);
    assert_eq!(problem(say(&hub, &owner, stranger, json!({})).await).await.0, 404);
    let who = hub.someone(&[]).await;
    let single =
        json!({"permission": "users:ban", "effect": "grant", "resource": {"kind": "user", "id": stranger}});
    assert_eq!(
        problem(say(&hub, &owner, who.id, json!({"single": [single]})).await)
            .await
            .0,
        422
    );
    assert_eq!(
        problem(make(&hub, &owner, json!({"name": "x", "inherits": [role]})).await)
            .await
            .0,
        422
    );
    let history: Value = hub
        .get(&owner, &format!("/roles/{role}/history"))
        .await
        .json()
        .await
        .unwrap();
    assert_eq!(history["items"], json!([]));
    for asked in [
        json!({"kind": "role", "role": role, "statements": []}),
        json!({"kind": "roles", "user": stranger, "roles": []}),
        json!({"kind": "roles", "user": who.id, "roles": [role]}),
        json!({"kind": "permissions", "user": stranger, "statements": []}),
    ] {
        let answer = hub.send(&owner, Method::POST, "/roles/what_if", asked).await;
        assert!([404, 422].contains(&problem(answer).await.0));
    }
}
