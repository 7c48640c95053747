//! Several roles changed together: all of them, or none.

use super::{change, deny, give, grant, held, made, role_named};
use crate::harness::{Hub, SignedIn, hub, problem, problem_in_full};
use reqwest::{Method, Response};
use serde_json::{Value, json};
use signalbox_core::kernel::id::RoleId;

async fn together(hub: &Hub, who: &SignedIn, changes: Value) -> Response {
    hub.send(who, Method::PATCH, "/roles", json!({"changes": changes}))
        .await
}

async fn preview(hub: &Hub, who: &SignedIn, changes: Value) -> Response {
    let asked = json!({"kind": "several_roles", "changes": changes});
    hub.send(who, Method::POST, "/roles/what_if", asked).await
}

/// Of what a preview tells, person, sign and permission.
fn told(preview: &Value) -> Vec<(String, String)> {
    let pairs = preview["items"].as_array().unwrap().iter();
    let mut told: Vec<(String, String)> = pairs
        .map(|pair| {
            let sign = if pair["gained"] == true { "+" } else { "-" };
            let change = format!("{sign}{}", pair["permission"].as_str().unwrap());
            (pair["user"].as_str().unwrap().to_owned(), change)
        })
        .collect();
    told.sort();
    told
}

async fn versions(hub: &Hub) -> Vec<String> {
    let all = "SELECT name || ' ' || version FROM roles WHERE NOT predefined ORDER BY name";
    hub.test.texts(all).await
}

#[tokio::test]
async fn several_roles_are_changed_at_once_as_it_was_previewed_with_a_record_and_an_event_of_each() {
    let hub = hub().await;
    let owner = hub.owner().await;
    let moved = [grant("jobs:read"), grant("audit:read")];
    let from = made(&hub, &owner, json!({"name": "from", "statements": moved})).await;
    let to = made(&hub, &owner, json!({"name": "to"})).await;
    let heir = made(&hub, &owner, json!({"name": "heir", "inherits": [from]})).await;
    let (both, one, below) = (
        hub.someone(&[]).await,
        hub.someone(&[]).await,
        hub.someone(&[]).await,
    );
    give(&hub, &owner, &both, &[&from, &to]).await;
    give(&hub, &owner, &one, &[&to]).await;
    give(&hub, &owner, &below, &[&heir]).await;
    let count = "SELECT count(*)::text FROM revocations WHERE kind = 'organization'";
    let revoked = hub.test.texts(count).await;

    let changes = json!([
        {"role": from, "version": 1, "statements": [grant("audit:read")]},
        {"role": to, "version": 1, "statements": [grant("jobs:read"), grant("imports:read")]},
    ]);
    let preview: Value = preview(&hub, &owner, changes.clone()).await.json().await.unwrap();
    let pair = |who: &SignedIn, change: &str| (who.id.to_string(), change.to_owned());
    let mut wanted = [
        pair(&both, "+imports:read"),
        pair(&one, "+imports:read"),
        pair(&one, "+jobs:read"),
        pair(&below, "-jobs:read"),
    ];
    wanted.sort();
    assert_eq!(
        told(&preview),
        wanted,
        "whoever holds both does not lose what goes from one to the other"
    );
    assert_eq!(
        (&preview["people"], &preview["complete"]),
        (&json!(3), &json!(true))
    );
    assert_eq!(versions(&hub).await, ["from 1", "heir 1", "to 1"]);

    let answer = together(&hub, &owner, changes).await;
    assert_eq!(answer.status(), 200);
    let answer: Value = answer.json().await.unwrap();
    let items = answer["items"].as_array().unwrap();
    let now: Vec<(&Value, &Value)> = items.iter().map(|role| (&role["id"], &role["version"])).collect();
    assert_eq!(now, [(&json!(from), &json!(2)), (&json!(to), &json!(2))]);
    assert_eq!(
        held(&hub, &owner, both.id).await,
        ["audit:read", "imports:read", "jobs:read"]
    );
    assert_eq!(held(&hub, &owner, one.id).await, ["imports:read", "jobs:read"]);
    assert_eq!(held(&hub, &owner, below.id).await, ["audit:read"]);

    for role in [&from, &to] {
        let history = hub.get(&owner, &format!("/roles/{role}/history")).await;
        let history: Value = history.json().await.unwrap();
        assert_eq!(history["items"][0]["action"], "roles.update");
        assert!(history["items"][0]["changes"]["statements"]["before"].is_array());
    }
    let events = "SELECT subject_id::text FROM outbox WHERE type = 'role.changed' ORDER BY seq";
    assert_eq!(hub.test.texts(events).await, [from, to]);
    let more: Vec<i64> = [revoked, hub.test.texts(count).await]
        .iter()
        .map(|texts| texts[0].parse().unwrap())
        .collect();
    assert_eq!(more[1], more[0] + 1, "everybody is looked at again, once");
}

#[tokio::test]
async fn where_one_of_several_is_refused_all_stay_as_they_are_and_the_answer_says_which() {
    let hub = hub().await;
    let owner = hub.owner().await;
    let (a, b) = (
        made(&hub, &owner, json!({"name": "Helpers"})).await,
        made(&hub, &owner, json!({"name": "Night shift"})).await,
    );
    let viewer = role_named(&hub, &owner, "viewer").await;
    let good = json!({"role": a, "statements": [grant("jobs:read")]});
    let refused = async |other: Value| {
        let answer = together(&hub, &owner, json!([good, other])).await;
        problem_in_full(answer).await
    };
    let (status, code, body) =
        refused(json!({"role": viewer["id"], "statements": [grant("jobs:read")]})).await;
    assert_eq!((status, &*code), (409, "role.predefined"));
    assert!(body["detail"].as_str().unwrap().starts_with("viewer: "), "{body}");
    let (status, code, _) = refused(json!({"role": RoleId::new(), "statements": []})).await;
    assert_eq!((status, &*code), (404, "role.not_found"));
    let (status, _, body) = refused(json!({"role": b, "statements": [grant("users:fly")]})).await;
    assert_eq!(
        (status, &body["errors"][0]["field"]),
        (422, &json!("changes.1.statements.0"))
    );
    let (status, _, body) = refused(json!({"role": b, "inherits": [RoleId::new()]})).await;
    assert_eq!(
        (status, &body["errors"][0]["field"]),
        (422, &json!("changes.1.inherits"))
    );
    assert_eq!(refused(json!({"role": a, "statements": []})).await.0, 422);
    assert_eq!(problem(together(&hub, &owner, json!([])).await).await.0, 422);
    let round = json!([{"role": a, "inherits": [b]}, {"role": b, "inherits": [a]}]);
    assert_eq!(
        problem(together(&hub, &owner, round).await).await,
        (409, "role.cycle".into())
    );
    assert_eq!(versions(&hub).await, ["Helpers 1", "Night shift 1"]);

    // somebody else is faster with one of them
    assert_eq!(
        change(&hub, &owner, &b, json!({"statements": [grant("audit:read")]}))
            .await
            .status(),
        200
    );
    let (status, code, body) = problem_in_full(
        together(
            &hub,
            &owner,
            json!([
                {"role": a, "version": 1, "statements": [grant("jobs:read")]},
                {"role": b, "version": 1, "statements": [deny("audit:read")]},
            ]),
        )
        .await,
    )
    .await;
    assert_eq!((status, &*code), (412, "role.stale"));
    let current = body["current"]["items"].as_array().unwrap();
    assert_eq!(current.len(), 1);
    assert_eq!(
        (&current[0]["id"], &current[0]["version"]),
        (&json!(b), &json!(2))
    );
    assert!(body["detail"].as_str().unwrap().contains("Night shift"), "{body}");
    assert_eq!(versions(&hub).await, ["Helpers 1", "Night shift 2"]);
}

#[tokio::test]
async fn nobody_rises_by_changes_that_are_made_together() {
    let hub = hub().await;
    let owner = hub.owner().await;
    let keys = ["roles:read", "roles:manage", "users:read"].map(grant);
    let keeper = made(&hub, &owner, json!({"name": "keeper", "statements": keys})).await;
    let who = hub.someone(&[]).await;
    give(&hub, &owner, &who, &[&keeper]).await;
    let plain = made(&hub, &owner, json!({"name": "plain"})).await;
    let other = made(&hub, &owner, json!({"name": "other"})).await;
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
    let (above, bare) = (hub.someone(&["manager"]).await, hub.someone(&[]).await);
    let manager = role_named(&hub, &owner, "manager").await;
    give(&hub, &owner, &above, &[manager["id"].as_str().unwrap(), &other]).await;
    give(&hub, &owner, &bare, &[&plain]).await;
    let before = versions(&hub).await;
    let harmless = json!({"role": plain, "statements": [grant("users:read")]});
    for (forbidden, code) in [
        (
            json!({"role": other, "statements": [grant("jobs:read")]}),
            "permission.beyond",
        ),
        // what it does is harmless; whom it does it to stands above
        (
            json!({"role": other, "statements": [deny("users:read")]}),
            "permission.outranked",
        ),
        // a role above them is not even made less
        (json!({"role": loud, "statements": []}), "permission.beyond"),
        // nor is a denial lifted
        (json!({"role": mute, "statements": []}), "permission.beyond"),
        // nor does one come to inherit from it
        (json!({"role": other, "inherits": [loud]}), "permission.beyond"),
    ] {
        let answer = together(&hub, &who, json!([harmless, forbidden])).await;
        assert_eq!(problem(answer).await, (403, code.into()), "{forbidden}");
    }
    let answer = together(
        &hub,
        &who,
        json!([harmless, {"role": keeper, "inherits": [plain]}]),
    )
    .await;
    assert_eq!(answer.status(), 200, "they hold it already");
    assert_eq!(
        problem(together(&hub, &bare, json!([harmless])).await).await,
        (403, "permission.missing".into())
    );
    let after = versions(&hub).await;
    let changed: Vec<&String> = after.iter().filter(|role| !before.contains(role)).collect();
    assert_eq!(changed, ["keeper 2", "plain 2"]);
}

#[tokio::test]
async fn of_several_what_is_so_already_is_left_alone() {
    let hub = hub().await;
    let owner = hub.owner().await;
    let said = json!([grant("jobs:read")]);
    let (a, b) = (
        made(&hub, &owner, json!({"name": "a", "statements": said})).await,
        made(&hub, &owner, json!({"name": "b"})).await,
    );
    let answer = together(
        &hub,
        &owner,
        json!([{"role": a, "statements": said}, {"role": b, "statements": said}]),
    )
    .await;
    assert_eq!(answer.status(), 200);
    assert_eq!(versions(&hub).await, ["a 1", "b 2"]);
    let answer = together(
        &hub,
        &owner,
        json!([{"role": a, "statements": said}, {"role": b, "inherits": []}]),
    )
    .await;
    assert_eq!(answer.status(), 200);
    assert_eq!(versions(&hub).await, ["a 1", "b 2"]);
}

#[tokio::test]
async fn what_several_changes_would_do_is_refused_where_they_could_not_be_made() {
    let hub = hub().await;
    let owner = hub.owner().await;
    let (a, b) = (
        made(&hub, &owner, json!({"name": "a"})).await,
        made(&hub, &owner, json!({"name": "b"})).await,
    );
    for (changes, field) in [
        (json!([]), "changes"),
        (json!([{"role": a}, {"role": a}]), "changes"),
        (
            json!([{"role": a}, {"role": b, "statements": [grant("users:fly")]}]),
            "changes.1.statements.0",
        ),
        (json!([{"role": a}, {"role": RoleId::new()}]), "roles"),
        (
            json!([{"role": a, "inherits": [b]}, {"role": b, "inherits": [a]}]),
            "inherits",
        ),
    ] {
        let (status, _, body) = problem_in_full(preview(&hub, &owner, changes.clone()).await).await;
        assert_eq!(
            (status, &body["errors"][0]["field"]),
            (422, &json!(field)),
            "{changes}"
        );
    }
}
