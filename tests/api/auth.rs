use crate::harness::{PASSWORD, hub, hub_with, problem, problem_in_full};
use base64::Engine;
use reqwest::Method;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

#[tokio::test]
async fn signing_in_gives_tokens_for_an_hour_and_me_says_who_one_is() {
    let hub = hub().await;
    let answer = hub
        .post(
            "/auth/login",
            json!({"email": " OWNER@example.com", "password": PASSWORD}),
        )
        .await;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["cache-control"], "no-store");
    assert!(answer.headers().get("set-cookie").is_none());
    let tokens: Value = answer.json().await.unwrap();
    assert_eq!(tokens["expires_in"], 3600);
    let me: Value = hub
        .ask(Method::GET, "/me")
        .bearer_auth(tokens["access_token"].as_str().unwrap())
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(me["user"]["email"], "owner@example.com");
    assert_eq!(me["organization"]["name"], "Test");
    assert_eq!(me["roles"][0]["name"], "owner");
    assert_eq!(me["session_id"], tokens["session_id"]);
    assert_eq!(me["must_change_password"], false);
    assert!(!me["user"]["last_login_at"].is_null());
    assert!(
        me["permissions"]
            .as_array()
            .unwrap()
            .contains(&json!("users:read_pii"))
    );
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_account_are_told_apart_neither_by_text_nor_by_time() {
    let hub = hub_with(&[("SIGNALBOX__AUTH__FAILURES_PER_ACCOUNT", "1000")]).await;
    let email = hub.person(&["viewer"]).await;
    let mut took = [Vec::new(), Vec::new()];
    let mut said = Vec::new();
    for round in 0..8 {
        for (which, email) in [email.as_str(), "nobody@example.com"].iter().enumerate() {
            let started = Instant::now();
            let answer = hub
                .post(
                    "/auth/login",
                    json!({"email": email, "password": format!("wrong {round}")}),
                )
                .await;
            took[which].push(started.elapsed());
            let (status, _, mut body) = problem_in_full(answer).await;
            assert_eq!(status, 401);
            body["trace_id"] = Value::Null;
            said.push(body);
        }
    }
    said.dedup();
    assert_eq!(said.len(), 1, "{said:?}");
    // both wait for the same instant, which hides what is done before; how near they are to each other is the machine's load
    let sooner = |time: &Duration| *time < Duration::from_millis(250);
    assert!(!took.iter().flatten().any(sooner), "{took:?}");
}

#[tokio::test]
async fn sign_in_is_recorded_and_a_failed_one_only_where_there_is_an_account_without_anything_typed() {
    let hub = hub().await;
    let owner = hub.owner().await;
    for email in ["owner@example.com", "nobody@example.com"] {
        let wrong = json!({"email": email, "password": "canary-password"});
        assert_eq!(problem(hub.post("/auth/login", wrong).await).await.0, 401);
    }
    hub.send(&owner, Method::POST, "/auth/logout", json!({})).await;
    assert_eq!(
        hub.audited().await,
        ["users.create", "auth.login", "auth.login_failed", "auth.logout"]
    );
    let written = hub
        .test
        .texts("SELECT audit_logs::text || outbox::text FROM audit_logs, outbox")
        .await;
    assert!(
        !written
            .iter()
            .any(|row| row.contains("canary") || row.contains("owner@"))
    );
}

#[tokio::test]
async fn signing_out_ends_the_session_at_once_and_its_tokens_with_it() {
    let hub = hub().await;
    let (one, other) = (hub.owner().await, hub.owner().await);
    let out = hub.send(&one, Method::POST, "/auth/logout", json!({})).await;
    assert_eq!(out.status(), 204);
    assert_eq!(
        problem(hub.get(&one, "/me").await).await,
        (401, "auth.session_ended".into())
    );
    let refreshed = hub
        .post("/auth/refresh", json!({"refresh_token": one.refresh}))
        .await;
    assert_eq!(problem(refreshed).await, (401, "auth.session_ended".into()));
    assert_eq!(hub.get(&other, "/me").await.status(), 200);
    let revoked = hub
        .test
        .texts("SELECT kind || ' ' || subject FROM revocations")
        .await;
    assert_eq!(revoked, [format!("session {}", one.session)]);
}

#[tokio::test]
async fn whoever_knows_the_password_of_a_closed_account_is_told_why_and_gets_no_session() {
    let hub = hub().await;
    let email = hub.person(&[]).await;
    for (status, code) in [("banned", "auth.banned"), ("suspended", "auth.suspended")] {
        hub.test
            .sql(format!(
                "UPDATE users SET status = '{status}' WHERE email = '{email}'"
            ))
            .await;
        let answer = hub
            .post("/auth/login", json!({"email": email, "password": PASSWORD}))
            .await;
        assert_eq!(problem(answer).await, (403, code.into()));
    }
    assert!(
        hub.test
            .texts("SELECT id::text FROM user_sessions")
            .await
            .is_empty()
    );
}

#[tokio::test]
async fn a_ban_ends_the_session_for_the_next_request() {
    let hub = hub().await;
    let who = hub.someone(&["viewer"]).await;
    assert_eq!(hub.get(&who, "/roles").await.status(), 200);
    hub.test
        .sql(format!(
            "UPDATE users SET status = 'banned' WHERE id = '{}'",
            who.id
        ))
        .await;
    assert_eq!(
        problem(hub.get(&who, "/roles").await).await,
        (401, "auth.session_ended".into())
    );
}

#[tokio::test]
async fn an_access_token_expires_after_an_hour_and_a_session_after_seven_days_without_use() {
    let hub = hub().await;
    let who = hub.owner().await;
    hub.clock.advance(time::Duration::minutes(59));
    assert_eq!(hub.get(&who, "/me").await.status(), 200);
    hub.clock.advance(time::Duration::minutes(2));
    assert_eq!(
        problem(hub.get(&who, "/me").await).await,
        (401, "auth.token_expired".into())
    );
    hub.clock.advance(time::Duration::days(7));
    let late = hub
        .post("/auth/refresh", json!({"refresh_token": who.refresh}))
        .await;
    assert_eq!(problem(late).await.0, 401);
}

#[tokio::test]
async fn a_token_that_was_tampered_with_or_made_for_something_else_opens_nothing() {
    let hub = hub().await;
    let who = hub.owner().await;
    let parts: Vec<&str> = who.token.split('.').collect();
    let coder = base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let header: Value = serde_json::from_slice(&coder.decode(parts[0]).unwrap()).unwrap();
    assert_eq!(
        (&header["alg"], &header["typ"]),
        (&json!("EdDSA"), &json!("at+jwt"))
    );
    let with = |field: &str, value: &str| {
        let mut changed = header.clone();
        changed[field] = json!(value);
        format!("{}.{}.{}", coder.encode(changed.to_string()), parts[1], parts[2])
    };
    let live: Value = hub
        .send(&who, Method::POST, "/live/token", json!({}))
        .await
        .json()
        .await
        .unwrap();
    for token in [
        format!("{}.{}.", with("alg", "none").split('.').next().unwrap(), parts[1]),
        with("alg", "HS256"),
        with("kid", "another"),
        with("typ", "JWT"),
        format!(
            "{}.{}.{}",
            parts[0],
            parts[1],
            parts[2].replace(&parts[2][..4], "AAAA")
        ),
        who.refresh.clone(),
        live["token"].as_str().unwrap().to_owned(),
        String::from("x"),
    ] {
        let answer = hub
            .ask(Method::GET, "/me")
            .bearer_auth(&token)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.headers()["www-authenticate"], "Bearer realm=\"signalbox\"");
        assert_eq!(
            problem(answer).await,
            (401, "auth.unauthenticated".into()),
            "{token}"
        );
    }
}

#[tokio::test]
async fn a_one_time_password_lets_nobody_do_anything_but_choose_another() {
    let hub = hub().await;
    let who = hub.someone(&["owner"]).await;
    let elsewhere = hub.sign_in(&who.email).await;
    hub.test
        .sql(format!(
            "UPDATE users SET must_change_password = true WHERE id = '{}'",
            who.id
        ))
        .await;
    let refused = problem(hub.get(&who, "/roles").await).await;
    assert_eq!(refused, (403, "auth.password_change_required".into()));
    let me: Value = hub.get(&who, "/me").await.json().await.unwrap();
    assert_eq!(me["must_change_password"], true);
    let change = async |current: &str, new: &str| {
        let body = json!({"current_password": current, "new_password": new});
        hub.send(&who, Method::POST, "/me/password", body).await
    };
    let wrong = change("not it", "another long one").await;
    assert_eq!(problem(wrong).await, (403, "auth.wrong_password".into()));
    for new in ["short", PASSWORD, &"x".repeat(2000)] {
        assert_eq!(problem(change(PASSWORD, new).await).await.0, 422, "{new}");
    }
    assert_eq!(change(PASSWORD, "another long one").await.status(), 204);
    assert_eq!(hub.get(&who, "/roles").await.status(), 200);
    let out = problem(hub.get(&elsewhere, "/me").await).await;
    assert_eq!(out, (401, "auth.session_ended".into()));
    let old = json!({"email": who.email, "password": PASSWORD});
    assert_eq!(problem(hub.post("/auth/login", old).await).await.0, 401);
}

#[tokio::test]
async fn a_person_sees_and_ends_their_own_sessions_and_others_only_with_permission_and_over_them() {
    let hub = hub().await;
    let (owner, moderator, viewer) = (
        hub.owner().await,
        hub.someone(&["moderator"]).await,
        hub.someone(&["user"]).await,
    );
    let second = hub.sign_in(&viewer.email).await;
    let mine: Value = hub
        .get(&viewer, &format!("/users/{}/sessions", viewer.id))
        .await
        .json()
        .await
        .unwrap();
    let current: Vec<bool> = mine["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|session| session["current"].as_bool().unwrap())
        .collect();
    assert_eq!(current, [false, true]);
    let of_owner = format!("/users/{}/sessions", owner.id);
    assert_eq!(problem(hub.get(&viewer, &of_owner).await).await.0, 403);
    let end = async |who, session: &str| {
        hub.send(who, Method::DELETE, &format!("/sessions/{session}"), json!({}))
            .await
    };
    assert_eq!(problem(end(&viewer, &owner.session).await).await.0, 403);
    let outranked = problem(end(&moderator, &owner.session).await).await;
    assert_eq!(outranked, (403, "permission.outranked".into()));
    assert_eq!(end(&viewer, &second.session).await.status(), 204);
    assert_eq!(problem(hub.get(&second, "/me").await).await.0, 401);
    assert_eq!(end(&moderator, &viewer.session).await.status(), 204);
    assert_eq!(problem(hub.get(&viewer, "/me").await).await.0, 401);
}

#[tokio::test]
async fn a_session_keeps_how_and_when_somebody_proved_who_they_are() {
    let hub = hub().await;
    hub.owner().await;
    let kept = hub
        .test
        .texts("SELECT array_to_string(methods, ' ') || ' ' || (authenticated_at = created_at) FROM user_sessions")
        .await;
    assert_eq!(kept, ["pwd true"]);
}
