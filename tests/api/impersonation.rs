//! Acting as somebody else, over HTTP.

use crate::harness::{Hub, PASSWORD, SignedIn, hub, problem};
use reqwest::{Method, Response};
use serde_json::{Value, json};
use time::format_description::well_known::Rfc3339;

async fn begin(hub: &Hub, who: &SignedIn, whom: &SignedIn) -> SignedIn {
    let body = json!({"reason": "They report an error"});
    let answer = hub
        .send(
            who,
            Method::POST,
            &format!("/users/{}/impersonate", whom.id),
            body,
        )
        .await;
    assert_eq!(answer.status(), 200);
    let begun: Value = answer.json().await.unwrap();
    SignedIn {
        token: begun["access_token"].as_str().unwrap().to_owned(),
        session: begun["session_id"].as_str().unwrap().to_owned(),
        ..whom.clone()
    }
}

async fn elevate(hub: &Hub, acting: &SignedIn, reason: &str) -> Response {
    hub.send(acting, Method::POST, "/me/elevate", json!({"reason": reason}))
        .await
}

#[tokio::test]
async fn an_operator_sees_what_the_person_sees_and_changes_nothing_until_elevated() {
    let hub = hub().await;
    let (owner, manager) = (hub.owner().await, hub.someone(&["manager"]).await);
    let acting = begin(&hub, &owner, &manager).await;
    let me: Value = hub.get(&acting, "/me").await.json().await.unwrap();
    assert_eq!(me["user"]["id"], json!(manager.id));
    assert_eq!(me["impersonation"]["by"]["id"], json!(owner.id));
    assert_eq!(me["impersonation"]["reason"], "They report an error");
    assert_eq!(me["must_change_password"], false);
    assert!(
        !me["permissions"]
            .as_array()
            .unwrap()
            .contains(&json!("users:erase")),
        "with the person's rights"
    );
    assert_eq!(hub.get(&acting, "/users").await.status(), 200);
    let new = json!({"email": "new@example.com", "name": "New"});
    let refused = hub.send(&acting, Method::POST, "/users", new.clone()).await;
    assert_eq!(problem(refused).await, (403, "impersonation.read_only".into()));
    let dry = json!({"kind": "roles", "user": manager.id, "roles": []});
    let computed = hub.send(&acting, Method::POST, "/roles/what_if", dry).await;
    assert_eq!(computed.status(), 200, "what changes nothing is looking");
    let looks = hub.send(&acting, Method::POST, "/live/token", json!({})).await;
    assert_eq!(looks.status(), 200, "a page that only looks is live too");
    let made: Value = looks.json().await.unwrap();
    let live = SignedIn {
        token: made["token"].as_str().unwrap().to_owned(),
        ..acting.clone()
    };
    assert_eq!(
        hub.get(&live, "/me").await.status(),
        401,
        "and by that does nothing else"
    );
    let elevated = elevate(&hub, &acting, "They asked me to").await;
    assert_eq!(elevated.status(), 200);
    assert_eq!(hub.send(&acting, Method::POST, "/users", new).await.status(), 201);
    hub.clock.advance(time::Duration::minutes(10));
    let later = json!({"email": "later@example.com", "name": "Later"});
    let refused = hub.send(&acting, Method::POST, "/users", later).await;
    assert_eq!(problem(refused).await, (403, "impersonation.read_only".into()));
    let stale = elevate(&hub, &acting, "They asked me again").await;
    assert_eq!(problem(stale).await, (403, "impersonation.proof_needed".into()));
}

#[tokio::test]
async fn what_is_the_persons_own_stays_theirs_even_when_elevated() {
    let hub = hub().await;
    let (owner, admin) = (hub.owner().await, hub.someone(&["admin"]).await);
    let acting = begin(&hub, &owner, &admin).await;
    let elevated = elevate(&hub, &acting, "They asked me to").await;
    assert_eq!(elevated.status(), 200);
    let password = json!({"current_password": PASSWORD, "new_password": "another good one 77"});
    let key = json!({"name": "k", "scopes": ["users:read"]});
    let other = format!("/users/{}/impersonate", hub.someone(&["viewer"]).await.id);
    for (method, path, body) in [
        (Method::POST, "/me/password", password),
        (Method::POST, "/api_keys", key),
        (
            Method::DELETE,
            &*format!("/sessions/{}", admin.session),
            json!({}),
        ),
        (Method::POST, &other, json!({"reason": "One further down"})),
    ] {
        let refused = hub.send(&acting, method, path, body).await;
        assert_eq!(
            problem(refused).await,
            (403, "impersonation.never".into()),
            "{path}"
        );
    }
}

#[tokio::test]
async fn it_ends_when_asked_with_the_operators_session_and_after_an_hour() {
    let hub = hub().await;
    let (owner, viewer) = (hub.owner().await, hub.someone(&["viewer"]).await);
    let acting = begin(&hub, &owner, &viewer).await;
    let ended = hub
        .send(&acting, Method::POST, "/me/impersonation/end", json!({}))
        .await;
    assert_eq!(ended.status(), 204);
    assert_eq!(
        problem(hub.get(&acting, "/me").await).await,
        (401, "auth.session_ended".into())
    );
    assert_eq!(hub.get(&owner, "/me").await.status(), 200);
    let none = hub
        .send(&owner, Method::POST, "/me/impersonation/end", json!({}))
        .await;
    assert_eq!(problem(none).await, (409, "impersonation.none".into()));
    let acting = begin(&hub, &owner, &viewer).await;
    let signed_out = hub.send(&acting, Method::POST, "/auth/logout", json!({})).await;
    assert_eq!(signed_out.status(), 204);
    assert_eq!(
        hub.get(&owner, "/me").await.status(),
        200,
        "the operator's own session stays"
    );
    let acting = begin(&hub, &owner, &viewer).await;
    hub.clock.advance(time::Duration::hours(1));
    assert_eq!(hub.get(&acting, "/me").await.status(), 401);
    let owner = hub.owner().await;
    let acting = begin(&hub, &owner, &viewer).await;
    assert_eq!(
        hub.send(&owner, Method::POST, "/auth/logout", json!({}))
            .await
            .status(),
        204
    );
    assert_eq!(hub.get(&acting, "/me").await.status(), 401);
}

#[tokio::test]
async fn in_a_browser_the_operators_refresh_cookie_leads_back() {
    let hub = hub().await;
    let viewer = hub.someone(&["viewer"]).await;
    let console = |method: Method, path: &str, cookies: &str, csrf: &str| {
        hub.ask(method, path)
            .header("x-signalbox-client", "console")
            .header("origin", &hub.url)
            .header("cookie", cookies)
            .header("x-csrf-token", csrf)
    };
    let pairs = |answer: &Response| -> Vec<String> {
        let set = answer.headers().get_all("set-cookie").iter();
        set.map(|cookie| cookie.to_str().unwrap().split(';').next().unwrap().to_owned())
            .collect()
    };
    let login = json!({"email": "owner@example.com", "password": PASSWORD});
    let answer = console(Method::POST, "/auth/login", "", "")
        .json(&login)
        .send()
        .await
        .unwrap();
    let own = pairs(&answer);
    let csrf = answer.json::<Value>().await.unwrap()["csrf_token"]
        .as_str()
        .unwrap()
        .to_owned();
    let path = format!("/users/{}/impersonate", viewer.id);
    let answer = console(Method::POST, &path, &own.join("; "), &csrf)
        .json(&json!({"reason": "They report an error"}))
        .send()
        .await
        .unwrap();
    let set = pairs(&answer);
    assert!(
        set.len() == 1 && set[0].starts_with("__Host-signalbox_access="),
        "the refresh cookie stays the operator's"
    );
    let body: Value = answer.json().await.unwrap();
    assert!(body.get("access_token").is_none());
    let refresh = own.iter().find(|pair| pair.contains("refresh")).unwrap();
    let both = format!("{}; {refresh}", set[0]);
    let me: Value = console(Method::GET, "/me", &both, "")
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(me["user"]["id"], json!(viewer.id));
    let csrf = body["csrf_token"].as_str().unwrap();
    let ended = console(Method::POST, "/me/impersonation/end", &both, csrf)
        .send()
        .await
        .unwrap();
    assert_eq!(
        (ended.status().as_u16(), pairs(&ended)),
        (204, vec!["__Host-signalbox_access=".to_owned()])
    );
    let back = console(Method::POST, "/auth/refresh", refresh, "")
        .json(&json!({}))
        .send()
        .await
        .unwrap();
    let cookies = pairs(&back).join("; ");
    let me: Value = console(Method::GET, "/me", &cookies, "")
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(
        (&me["user"]["email"], &me["impersonation"]),
        (&json!("owner@example.com"), &Value::Null)
    );
}

#[tokio::test]
async fn it_ends_with_a_new_proof_of_the_operator_and_signing_out_ends_what_the_proof_replaced() {
    let hub = hub().await;
    let (owner, viewer) = (hub.owner().await, hub.someone(&["viewer"]).await);
    let acting = begin(&hub, &owner, &viewer).await;
    let proof = json!({"kind": "password", "password": PASSWORD});
    let proved: Value = hub
        .send(&owner, Method::POST, "/me/prove", proof)
        .await
        .json()
        .await
        .unwrap();
    assert_eq!(
        problem(hub.get(&acting, "/me").await).await,
        (401, "auth.session_ended".into())
    );
    let open = hub
        .test
        .count("SELECT count(*) FROM user_sessions WHERE impersonated_by IS NOT NULL AND revoked_at IS NULL")
        .await;
    assert_eq!(open, 0, "in lists too");
    let proved = SignedIn {
        token: proved["access_token"].as_str().unwrap().to_owned(),
        ..owner.clone()
    };
    assert_eq!(
        hub.get(&owner, "/me").await.status(),
        200,
        "what is under way comes to its end"
    );
    let acting = begin(&hub, &proved, &viewer).await;
    let signed_out = hub.send(&proved, Method::POST, "/auth/logout", json!({})).await;
    assert_eq!(signed_out.status(), 204);
    for over in [&proved, &owner, &acting] {
        assert_eq!(
            problem(hub.get(over, "/me").await).await,
            (401, "auth.session_ended".into())
        );
    }
}

#[tokio::test]
async fn it_ends_with_the_sessions_of_the_operator_that_end_together_although_it_began_after_them() {
    let hub = hub().await;
    let (owner, viewer) = (hub.owner().await, hub.someone(&["viewer"]).await);
    let email = hub.person(&["admin"]).await;
    for others in [false, true] {
        let operator = hub.sign_in(&email).await;
        hub.clock.advance(time::Duration::seconds(2));
        let instant = hub.clock.now().format(&Rfc3339).unwrap();
        hub.clock.advance(time::Duration::seconds(2));
        let acting = begin(&hub, &operator, &viewer).await;
        assert_eq!(hub.get(&acting, "/me").await.status(), 200);
        let ended = if others {
            let another = hub.sign_in(&email).await;
            hub.send(&another, Method::DELETE, "/me/sessions", json!({}))
                .await
        } else {
            let path = format!("/users/{}/sessions/revoke", operator.id);
            hub.send(&owner, Method::POST, &path, json!({"not_before": instant}))
                .await
        };
        assert!(ended.status().is_success());
        for over in [&operator, &acting] {
            assert_eq!(hub.get(over, "/me").await.status(), 401, "others: {others}");
        }
        let open = hub
            .test
            .count(
                "SELECT count(*) FROM user_sessions WHERE impersonated_by IS NOT NULL AND revoked_at IS NULL",
            )
            .await;
        assert_eq!(open, 0, "in lists too; others: {others}");
        assert_eq!(hub.get(&viewer, "/me").await.status(), 200);
    }
}
