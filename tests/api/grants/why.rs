//! Why somebody may or may not, and who may.

use super::{deny, give, grant, made, say};
use crate::harness::{SignedIn, hub, problem, problem_in_full};
use reqwest::Method;
use serde_json::{Value, json};
use signalbox_core::kernel::id::UserId;

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
async fn a_refusal_to_a_key_says_that_its_scopes_lack_what_its_owner_may() {
    let hub = hub().await;
    let (owner, viewer) = (hub.owner().await, hub.someone(&["viewer"]).await);
    let key = json!({"name": "Reader", "scopes": ["users:read"]});
    let key: Value = hub
        .send(&owner, Method::POST, "/api_keys", key)
        .await
        .json()
        .await
        .unwrap();
    let by_key = SignedIn {
        token: key["secret"].as_str().unwrap().to_owned(),
        ..owner.clone()
    };
    for (who, beyond_scopes) in [(&by_key, true), (&viewer, false)] {
        let path = format!("/users/{}/ban", viewer.id);
        let refused = hub
            .send(who, Method::POST, &path, json!({"reason": "test"}))
            .await;
        let (status, code, refused) = problem_in_full(refused).await;
        assert_eq!((status, &*code), (403, "permission.missing"));
        let path = format!("/explanations/{}", refused["explain_id"].as_str().unwrap());
        let told: Value = hub.get(&owner, &path).await.json().await.unwrap();
        assert_eq!(
            (&told["beyond_scopes"], &told["explanation"]["allowed"]),
            (&json!(beyond_scopes), &json!(beyond_scopes))
        );
    }
}

#[tokio::test]
async fn a_person_whom_one_may_not_see_is_nobody_to_ask_about_and_nobody_to_change() {
    let hub = hub().await;
    let (owner, other) = (hub.owner().await, hub.someone(&[]).await);
    let who = hub.someone(&[]).await;
    let own = json!({"permission": "users:read", "effect": "grant", "on": "own"});
    let said = json!({"statements": [grant("roles:assign"), grant("roles:read"), own]});
    assert_eq!(say(&hub, &owner, who.id, said).await.status(), 200);
    let nobody = (404, "user.not_found".to_owned());
    for (method, path, body) in [
        (Method::PUT, "roles", json!({"roles": []})),
        (Method::GET, "permissions", json!({})),
        (Method::PUT, "permissions", json!({})),
        (Method::GET, "explain?permission=users:read", json!({})),
    ] {
        let asked = format!("/users/{}/{path}", other.id);
        let answer = hub.send(&who, method, &asked, body).await;
        assert_eq!(problem(answer).await, nobody, "{path}");
    }
    for path in ["permissions", "explain?permission=users:read"] {
        let oneself = hub.get(&who, &format!("/users/{}/{path}", who.id)).await;
        assert_eq!(oneself.status(), 200, "{path}");
    }
}

#[tokio::test]
async fn of_a_row_that_is_not_there_or_of_another_kind_nothing_is_said() {
    let hub = hub().await;
    let (owner, who) = (hub.owner().await, hub.someone(&[]).await);
    let team = hub
        .send(&owner, Method::POST, "/teams", json!({"name": "Team"}))
        .await;
    let team: Value = team.json().await.unwrap();
    let team = team["id"].as_str().unwrap().to_owned();
    let none = UserId::new().to_string();
    for (id, status) in [(&team, 200), (&none, 422)] {
        let on =
            json!({"permission": "teams:read", "effect": "grant", "resource": {"kind": "team", "id": id}});
        let said = say(&hub, &owner, who.id, json!({"single": [on]})).await;
        assert_eq!(said.status(), status, "{id}");
    }
    for (permission, kind, id, status) in [
        ("teams:read", "team", &team, 200),
        ("teams:read", "team", &none, 404),
        ("teams:read", "user", &none, 422),
        ("teams:read", "banana", &team, 422),
        ("users:ban", "team", &team, 422),
        ("jobs:read", "user", &none, 422),
    ] {
        let on = format!("permission={permission}&resource_kind={kind}&resource_id={id}");
        for path in [
            format!("/users/{}/explain?{on}", who.id),
            format!("/permissions/holders?{on}"),
        ] {
            assert_eq!(hub.get(&owner, &path).await.status(), status, "{path}");
        }
    }
}

#[tokio::test]
async fn whoever_is_not_active_holds_nothing_whatever_is_granted() {
    let hub = hub().await;
    let (owner, banned) = (hub.owner().await, hub.someone(&["moderator"]).await);
    let ban = format!("/users/{}/ban", banned.id);
    let done = hub
        .send(&owner, Method::POST, &ban, json!({"reason": "Spam"}))
        .await;
    assert_eq!(done.status(), 200);
    let holders = hub.get(&owner, "/permissions/holders?permission=users:ban").await;
    let holders: Value = holders.json().await.unwrap();
    let holders: Vec<&Value> = holders["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| &item["user"])
        .collect();
    assert_eq!(holders, [&json!(owner.id)]);
    let path = format!("/users/{}/explain?permission=users:ban", banned.id);
    let why: Value = hub.get(&owner, &path).await.json().await.unwrap();
    assert_eq!(
        (&why["allowed"], &why["decision"]),
        (&json!(false), &json!("not_active"))
    );
    let lines = why["lines"].as_array().unwrap();
    assert!(!lines.is_empty() && lines.iter().all(|line| line["decides"] == false));
}

#[tokio::test]
async fn a_refusal_is_opened_when_the_person_is_gone_too_and_rows_that_one_may_not_see_are_not_there() {
    let hub = hub().await;
    let owner = hub.owner().await;
    let (viewer, refused, other) = (
        hub.someone(&["viewer"]).await,
        hub.someone(&["viewer"]).await,
        hub.someone(&["user"]).await,
    );
    let own =
        json!({"statements": [{"permission": "users:update", "effect": "grant", "on": "own"}], "single": []});
    assert_eq!(say(&hub, &owner, refused.id, own).await.status(), 200);
    let path = format!("/users/{}", other.id);
    let act = hub
        .send(&refused, Method::PATCH, &path, json!({"department": "x"}))
        .await;
    let (status, code, problem_told) = problem_in_full(act).await;
    assert_eq!((status, &*code), (403, "permission.missing"));
    let id = problem_told["explain_id"].as_str().unwrap().to_owned();
    let opened = async || -> Value {
        let answer = hub.get(&viewer, &format!("/explanations/{id}")).await;
        assert_eq!(answer.status(), 200);
        answer.json().await.unwrap()
    };
    assert_eq!(opened().await["explanation"]["allowed"], false);
    let path = format!("/users/{}", refused.id);
    let deleted = hub.send(&owner, Method::DELETE, &path, Value::Null).await;
    assert_eq!(deleted.status(), 204);
    let told = opened().await;
    assert_eq!(
        (&told["code"], &told["user"], &told["explanation"]),
        (&json!("permission.missing"), &json!(refused.id), &Value::Null)
    );
    // of their own rights somebody may ask, but not about people who are not there for them
    let one = hub.someone(&["user"]).await;
    say(
        &hub,
        &owner,
        one.id,
        json!({"statements": [grant("roles:read")], "single": []}),
    )
    .await;
    let ask = |row: UserId| {
        format!(
            "/users/{}/explain?permission=users:ban&resource_kind=user&resource_id={row}",
            one.id
        )
    };
    assert_eq!(hub.get(&one, &ask(one.id)).await.status(), 200);
    assert_eq!(
        problem(hub.get(&one, &ask(viewer.id)).await).await,
        (404, "resource.not_found".into())
    );
}

#[tokio::test]
async fn a_refusal_about_a_person_is_explained_for_this_person() {
    let hub = hub().await;
    let (owner, viewer, banned) = (
        hub.owner().await,
        hub.someone(&["viewer"]).await,
        hub.someone(&[]).await,
    );
    let on_another =
        json!({"permission": "users:ban", "effect": "grant", "resource": {"kind": "user", "id": banned.id}});
    let said = json!({"statements": [grant("users:read")], "single": [on_another]});
    assert_eq!(say(&hub, &owner, viewer.id, said).await.status(), 200);
    let path = format!("/users/{}/ban", owner.id);
    let refused = hub
        .send(&viewer, Method::POST, &path, json!({"reason": "test"}))
        .await;
    let (status, code, refused) = problem_in_full(refused).await;
    assert_eq!((status, &*code), (403, "permission.missing"));
    let path = format!("/explanations/{}", refused["explain_id"].as_str().unwrap());
    let told: Value = hub.get(&owner, &path).await.json().await.unwrap();
    let why = &told["explanation"];
    assert_eq!(
        (&why["allowed"], &why["resource"]),
        (&json!(false), &json!({"kind": "user", "id": owner.id})),
        "{told}"
    );
}
