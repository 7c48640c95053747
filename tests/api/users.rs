use crate::harness::{Hub, PASSWORD, SignedIn, hub, problem, problem_in_full};
use reqwest::{Method, Response};
use serde_json::{Value, json};
use std::collections::BTreeSet;

async fn created(hub: &Hub, who: &SignedIn, name: &str) -> Value {
    let email = format!("{name}@example.com");
    let body =
        json!({"email": email, "name": name, "phone": "+49 30 1", "employment_equity": {"group": "x"}});
    let answer = hub.send(who, Method::POST, "/users", body).await;
    assert_eq!(answer.status(), 201);
    answer.json().await.unwrap()
}

fn path(user: &Value) -> String {
    format!("/users/{}", user["id"].as_str().unwrap())
}

async fn patch(hub: &Hub, who: &SignedIn, user: &Value, version: &str, body: Value) -> Response {
    hub.patch(who, &path(user), version, body).await
}

#[tokio::test]
async fn a_person_is_added_seen_changed_and_deleted_and_each_answer_says_which_version_it_is() {
    let hub = hub().await;
    let owner = hub.owner().await;
    let answer = hub
        .send(
            &owner,
            Method::POST,
            "/users",
            json!({"email": " Ada@Example.com ", "name": "Ada"}),
        )
        .await;
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["etag"] == "\"1\""),
        (201, true)
    );
    let location = answer.headers()["location"].to_str().unwrap().to_owned();
    let ada: Value = answer.json().await.unwrap();
    assert_eq!(location, format!("/api/v1{}", path(&ada)));
    assert_eq!(
        (&ada["email"], &ada["status"]),
        (&json!("ada@example.com"), &json!("active"))
    );
    let seen = hub.get(&owner, &path(&ada)).await;
    assert_eq!(seen.headers()["etag"], "\"1\"");
    let seen: Value = seen.json().await.unwrap();
    assert!(seen["epoch"].is_string() && seen["offset"].is_u64(), "{seen}");
    let changed = patch(
        &hub,
        &owner,
        &ada,
        "\"1\"",
        json!({"department": "Ops", "metadata": {"k": 1}}),
    )
    .await;
    assert_eq!(changed.headers()["etag"], "\"2\"");
    let stale = patch(&hub, &owner, &ada, "\"1\"", json!({"department": "Sales"})).await;
    let (status, code, body) = problem_in_full(stale).await;
    assert_eq!((status, code.as_str()), (412, "user.stale"));
    assert_eq!(
        (&body["current"]["department"], &body["current"]["version"]),
        (&json!("Ops"), &json!(2))
    );
    let delete = |version: &'static str| {
        hub.ask(Method::DELETE, &path(&ada))
            .bearer_auth(&owner.token)
            .header("if-match", version)
    };
    assert_eq!(
        problem(delete("\"1\"").send().await.unwrap()).await,
        (412, "user.stale".into())
    );
    assert_eq!(
        problem(delete("two").send().await.unwrap()).await,
        (400, "request.if_match".into())
    );
    assert_eq!(delete("\"2\"").send().await.unwrap().status(), 204);
    assert_eq!(
        problem(hub.get(&owner, &path(&ada)).await).await,
        (404, "user.not_found".into())
    );
}

#[tokio::test]
async fn ban_reset_and_a_new_address_end_the_session_and_what_follows_is_refused() {
    let hub = hub().await;
    let owner = hub.owner().await;
    let bob = hub.someone(&["viewer"]).await;
    let users = format!("/users/{}", bob.id);
    let act = async |act: &str, body: Value| {
        hub.send(&owner, Method::POST, &format!("{users}/{act}"), body)
            .await
    };
    assert_eq!(hub.get(&bob, "/users").await.status(), 200);
    let banned = act("ban", json!({"reason": "spam"})).await;
    assert_eq!(banned.status(), 200);
    assert_eq!(hub.get(&bob, "/users").await.status(), 401);
    let sign_in = json!({"email": bob.email, "password": PASSWORD});
    let refused = problem(hub.post("/auth/login", sign_in.clone()).await).await;
    assert_eq!(refused.1, "auth.banned");
    let again = act("ban", json!({"reason": "spam"})).await;
    assert_eq!(problem(again).await, (409, "user.already_banned".into()));
    assert_eq!(act("unban", json!({})).await.status(), 200);
    assert_eq!(
        problem(act("unban", json!({})).await).await,
        (409, "user.not_banned".into())
    );
    let bob = hub.sign_in(&bob.email).await;
    assert_eq!(hub.get(&bob, "/users").await.status(), 200);
    let reset: Value = act("reset_password", json!({})).await.json().await.unwrap();
    assert_eq!(hub.get(&bob, "/users").await.status(), 401);
    assert_eq!(hub.post("/auth/login", sign_in).await.status(), 401);
    let once = json!({"email": bob.email, "password": reset["one_time_password"]});
    let signed_in: Value = hub.post("/auth/login", once).await.json().await.unwrap();
    let mut bob = bob;
    signed_in["access_token"]
        .as_str()
        .unwrap()
        .clone_into(&mut bob.token);
    let refused = problem(hub.get(&bob, "/users").await).await;
    assert_eq!(refused, (403, "auth.password_change_required".into()));
    let moved = json!({"email": format!("moved-{}", bob.email)});
    assert_eq!(hub.send(&owner, Method::PATCH, &users, moved).await.status(), 200);
    assert_eq!(hub.get(&bob, "/me").await.status(), 401);
}

#[tokio::test]
async fn a_viewer_without_read_pii_gets_no_address_by_any_door() {
    let hub = hub().await;
    let (owner, viewer) = (hub.owner().await, hub.someone(&["viewer"]).await);
    let ada = created(&hub, &owner, "secretlocalpart").await;
    let full: Value = hub.get(&owner, &path(&ada)).await.json().await.unwrap();
    assert_eq!(
        (&full["email"], &full["masked"]),
        (&json!("secretlocalpart@example.com"), &json!([]))
    );
    let one: Value = hub.get(&viewer, &path(&ada)).await.json().await.unwrap();
    assert_eq!(one["masked"], json!(["email", "phone", "employment_equity"]));
    assert_eq!(one["can"], json!([]));
    for door in [
        path(&ada),
        "/users".into(),
        "/audit".into(),
        format!("{}/activity", path(&ada)),
        "/activity".into(),
    ] {
        let text = hub.get(&viewer, &door).await.text().await.unwrap();
        assert!(
            !text.contains("@example.com") && !text.contains("+49 30 1"),
            "{door}: {text}"
        );
        assert!(hub.get(&owner, &door).await.status() == 200, "{door}");
    }
    for (door, finds) in [
        ("/users?q=secretlocalpart@ex", false),
        ("/users?q=secretlocalpart", true),
        ("/users?q=se", true),
    ] {
        let list: Value = hub.get(&viewer, door).await.json().await.unwrap();
        let found = !list["items"].as_array().unwrap().is_empty();
        // by the name, which is the same word, but not by the address
        assert_eq!(found, finds, "{door}");
    }
    let find = async |who: &SignedIn| -> Value {
        hub.get(who, "/find?q=secretlocalpart@example.com")
            .await
            .json()
            .await
            .unwrap()
    };
    assert_eq!(find(&viewer).await["items"], json!([]));
    assert_eq!(find(&owner).await["items"][0]["label"], "secretlocalpart");
    let by_id = format!("/find?q={}", ada["id"].as_str().unwrap());
    let by_id: Value = hub.get(&viewer, &by_id).await.json().await.unwrap();
    assert_eq!(by_id["items"][0]["kind"], "user");
    assert_eq!(
        problem(hub.get(&viewer, "/users?sort=email").await).await,
        (422, "request.invalid".into())
    );
    let stale = patch(&hub, &viewer, &ada, "\"9\"", json!({"name": "x"})).await;
    assert_eq!(problem(stale).await, (403, "permission.missing".into()));
}

#[tokio::test]
async fn each_bad_input_gets_its_clear_error_and_nothing_is_written() {
    let hub = hub().await;
    let owner = hub.owner().await;
    let before = hub.audited().await.len();
    for (body, field) in [
        (json!({"email": "x@example.com"}), "name"),
        (json!({"email": 1, "name": "x"}), "email"),
        (json!({"email": "nobody", "name": "x"}), "email"),
        (
            json!({"email": "x@example.com", "name": "x", "nickname": "y"}),
            "nickname",
        ),
        (json!({"email": "x@example.com", "name": "x\u{0}"}), "name"),
        (json!({"email": "x@example.com", "name": "x".repeat(201)}), "name"),
        (
            json!({"email": "x@example.com", "name": "x", "password": "short"}),
            "password",
        ),
        (
            json!({"email": "x@example.com", "name": "x", "roles": ["nope"]}),
            "roles.0",
        ),
        (
            json!({"email": "x@example.com", "name": "x", "metadata": {"k": "\u{0}"}}),
            "metadata",
        ),
        (json!({"email": "owner@example.com", "name": "x"}), "email"),
    ] {
        let answer = hub.send(&owner, Method::POST, "/users", body.clone()).await;
        let (status, _, said) = problem_in_full(answer).await;
        assert!(status == 422 || status == 409, "{body}: {said}");
        assert_eq!(said["errors"][0]["field"], field, "{body}: {said}");
    }
    for query in [
        "limit=0",
        "limit=1001",
        "limit=x",
        "cursor=nonsense",
        "status=gone",
        "sort=phone",
        "role=x",
        "q=%00ab",
        "colour=red",
    ] {
        let (status, _, said) = problem_in_full(hub.get(&owner, &format!("/users?{query}")).await).await;
        assert_eq!(status, 422, "{query}: {said}");
    }
    for query in ["limit=-1", "actor=x", "cursor=abc", "since=1"] {
        let (status, ..) = problem_in_full(hub.get(&owner, &format!("/audit?{query}")).await).await;
        assert_eq!(status, 422, "{query}");
    }
    let reasonless = hub
        .send(
            &owner,
            Method::POST,
            &format!("/users/{}/ban", owner.id),
            json!({"reason": " "}),
        )
        .await;
    assert_eq!(problem(reasonless).await.0, 422);
    let own = hub
        .send(
            &owner,
            Method::POST,
            &format!("/users/{}/ban", owner.id),
            json!({"reason": "x"}),
        )
        .await;
    assert_eq!(problem(own).await, (409, "user.not_oneself".into()));
    assert_eq!(hub.audited().await.len(), before);
}

#[tokio::test]
async fn a_repeated_post_under_one_key_adds_one_person_and_answers_the_same() {
    let hub = hub().await;
    let owner = hub.owner().await;
    let ask = async || {
        let request = hub
            .ask(Method::POST, "/users")
            .bearer_auth(&owner.token)
            .header("idempotency-key", "k-1");
        let body = json!({"email": "once@example.com", "name": "Once"});
        let answer = request.json(&body).send().await.unwrap();
        assert_eq!(answer.status(), 201);
        answer.json::<Value>().await.unwrap()
    };
    assert_eq!(ask().await, ask().await);
    let causes = hub
        .test
        .texts("SELECT event->>'cause' FROM outbox WHERE type = 'user.created' AND event ? 'cause'")
        .await;
    assert_eq!(causes, ["k-1"]);
}

#[tokio::test]
async fn the_pages_of_a_list_hold_every_person_once() {
    let hub = hub().await;
    let owner = hub.owner().await;
    let mut names = BTreeSet::from(["Owner".to_owned()]);
    for n in 0..7 {
        let name = format!("person{n}");
        created(&hub, &owner, &name).await;
        names.insert(name);
    }
    let (mut seen, mut next) = (Vec::new(), String::new());
    loop {
        let page: Value = hub
            .get(&owner, &format!("/users?limit=3&sort=name{next}"))
            .await
            .json()
            .await
            .unwrap();
        let total = &page["total"];
        assert_eq!((&total["value"], &total["estimate"]), (&json!(8), &json!(false)));
        assert!(page["epoch"].is_string() && page["offset"].is_u64());
        seen.extend(
            page["items"]
                .as_array()
                .unwrap()
                .iter()
                .map(|item| item["name"].as_str().unwrap().to_owned()),
        );
        match page["next_cursor"].as_str() {
            Some(cursor) => next = format!("&cursor={cursor}"),
            None => break,
        }
    }
    assert_eq!(seen.len(), 8);
    assert_eq!(seen.into_iter().collect::<BTreeSet<_>>(), names);
}

#[tokio::test]
async fn the_overview_shows_the_counters_as_the_relay_keeps_them() {
    let hub = hub().await;
    let (owner, nobody) = (hub.owner().await, hub.someone(&["user"]).await);
    hub.test
        .sql(format!(
            "INSERT INTO counters (organization_id, name, value) VALUES
             ('{0}', 'users_total', 41), ('{0}', 'jobs_running', -1), ('{0}', 'something_else', 5)",
            hub.test.organization
        ))
        .await;
    let overview: Value = hub.get(&owner, "/overview").await.json().await.unwrap();
    assert_eq!(
        (
            &overview["counters"]["users_total"],
            &overview["counters"]["jobs_running"]
        ),
        (&json!(41), &json!(0))
    );
    assert_eq!(overview["counters"].as_object().unwrap().len(), 8);
    assert!(overview["epoch"].is_string());
    for closed in ["/overview", "/activity", "/audit", "/users"] {
        assert_eq!(
            problem(hub.get(&nobody, closed).await).await,
            (403, "permission.missing".into()),
            "{closed}"
        );
    }
    let found: Value = hub
        .get(&nobody, &format!("/find?q={}", owner.id))
        .await
        .json()
        .await
        .unwrap();
    assert_eq!(found["items"], json!([]));
}
