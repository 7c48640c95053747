//! Many at once, and what would come of a change.

use super::{change, deny, give, grant, held, made, role_named};
use crate::harness::{hub, problem};
use reqwest::Method;
use serde_json::{Value, json};
use signalbox_core::kernel::id::UserId;

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
