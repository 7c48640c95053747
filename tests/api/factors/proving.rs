//! Proving again who one is, and taking factors away.

use super::{alerts, login, named, post, signed_in, told, with_app, with_passkey};
use crate::harness::{PASSWORD, SignedIn, hub, problem};
use reqwest::Method;
use serde_json::{Value, json};
use time::Duration;

#[tokio::test]
async fn what_lasts_asks_for_a_proof_of_ten_minutes_and_the_session_goes_on_under_a_new_id() {
    let hub = hub().await;
    let who = hub.owner().await;
    let victim = hub.someone(&[]).await;
    hub.clock.advance(Duration::minutes(11));
    let role = json!({"name": "Night"});
    let key = json!({"name": "Key", "scopes": ["users:update"]});
    let new = json!({"current_password": PASSWORD, "new_password": "another long one"});
    let user = format!("/users/{}", victim.id);
    for (method, path, body) in [
        (Method::POST, "/me/factors", json!({"kind": "totp"})),
        (Method::POST, "/me/recovery_codes", json!({})),
        (Method::POST, "/me/password", new),
        (Method::POST, "/roles", role.clone()),
        (Method::POST, "/api_keys", key.clone()),
        (Method::DELETE, user.as_str(), json!({})),
        (Method::DELETE, &format!("{user}/factors"), json!({})),
    ] {
        let refused = hub.send(&who, method, path, body).await;
        assert_eq!(
            problem(refused).await,
            (403, "auth.step_up_needed".into()),
            "{path}"
        );
    }
    let reading = json!({"name": "Reader", "scopes": ["users:read"]});
    assert_eq!(
        hub.send(&who, Method::POST, "/api_keys", reading).await.status(),
        201
    );
    let wrong = post(
        &hub,
        Some(&who),
        "/me/prove",
        json!({"kind": "password", "password": "wrong"}),
    )
    .await;
    assert_eq!(problem(wrong).await, (403, "auth.wrong_password".into()));
    let proof = json!({"kind": "password", "password": PASSWORD});
    let tokens = told(post(&hub, Some(&who), "/me/prove", proof).await, 200).await;
    let proved = signed_in(&who, &tokens);
    assert_ne!(proved.session, who.session);
    assert_eq!(
        hub.send(&proved, Method::POST, "/roles", role).await.status(),
        201
    );
    assert_eq!(
        hub.send(&proved, Method::POST, "/api_keys", key).await.status(),
        201
    );
    assert_eq!(
        hub.get(&who, "/me").await.status(),
        200,
        "what is under way comes to its end"
    );
    let old = hub
        .post("/auth/refresh", json!({"refresh_token": who.refresh}))
        .await;
    assert_eq!(problem(old).await.0, 401);
    hub.clock.advance(Duration::seconds(31));
    assert_eq!(
        problem(hub.get(&who, "/me").await).await,
        (401, "auth.session_expired".into())
    );
    assert_eq!(hub.get(&proved, "/me").await.status(), 200);
    let new = hub
        .post("/auth/refresh", json!({"refresh_token": proved.refresh}))
        .await;
    assert_eq!(new.status(), 200);
    assert!(hub.audited().await.contains(&"me.prove".to_owned()));
}

#[tokio::test]
async fn whoever_has_a_factor_proves_with_it_and_not_with_the_password() {
    let hub = hub().await;
    let who = hub.someone(&[]).await;
    let mut device = with_passkey(&hub, &who, "Key").await;
    hub.clock.advance(Duration::minutes(11));
    let what: Value = hub.get(&who, "/me/prove").await.json().await.unwrap();
    assert_eq!(
        (&what["kinds"], &what["counts_for"]),
        (&json!(["passkey", "recovery_code"]), &json!(600))
    );
    let password = json!({"kind": "password", "password": PASSWORD});
    let refused = post(&hub, Some(&who), "/me/prove", password).await;
    assert_eq!(problem(refused).await, (403, "auth.factor_needed".into()));
    let begun = told(post(&hub, Some(&who), "/me/prove/passkey", json!({})).await, 200).await;
    let credential = device.show(&begun["options"]);
    let proof = json!({"kind": "passkey", "ceremony": begun["ceremony"], "credential": credential});
    let tokens = told(post(&hub, Some(&who), "/me/prove", proof).await, 200).await;
    let proved = signed_in(&who, &tokens);
    let list: Value = hub.get(&proved, "/me/factors").await.json().await.unwrap();
    let path = format!("/me/factors/{}", list["items"][0]["id"].as_str().unwrap());
    let renamed = hub
        .send(&proved, Method::PATCH, &path, json!({"name": " Desk key "}))
        .await;
    assert_eq!(told(renamed, 200).await["name"], "Desk key");
    let foreign = hub.someone(&[]).await;
    let theirs = hub.send(&foreign, Method::DELETE, &path, json!({})).await;
    assert_eq!(problem(theirs).await, (404, "factor.not_found".into()));
    assert_eq!(
        hub.send(&proved, Method::DELETE, &path, json!({})).await.status(),
        204
    );
    assert_eq!(
        login(&hub, &who.email).await.status(),
        200,
        "without a factor the password is enough"
    );
    assert_eq!(hub.test.count("SELECT count(*) FROM recovery_codes").await, 0);
}

#[tokio::test]
async fn an_admin_takes_the_factors_of_somebody_below_away_who_is_told() {
    let hub = hub().await;
    let (owner, admin) = (hub.owner().await, hub.someone(&["admin"]).await);
    let (who, manager) = (hub.someone(&["viewer"]).await, hub.someone(&["manager"]).await);
    with_app(&hub, &who).await;
    let of = |who: &SignedIn| format!("/users/{}/factors", who.id);
    let take =
        async |by: &SignedIn, from: &SignedIn| hub.send(by, Method::DELETE, &of(from), json!({})).await;
    assert_eq!(
        problem(take(&manager, &who).await).await,
        (403, "permission.missing".into())
    );
    assert_eq!(
        problem(take(&admin, &owner).await).await,
        (403, "permission.outranked".into())
    );
    assert_eq!(
        problem(take(&admin, &admin).await).await,
        (409, "user.own_factors".into())
    );
    assert_eq!(take(&admin, &who).await.status(), 204);
    assert_eq!(login(&hub, &who.email).await.status(), 200);
    assert!(alerts(&hub, &who).await.contains(&"factors.reset".to_owned()));
    assert!(hub.audited().await.contains(&"users.reset_factors".to_owned()));
}

#[tokio::test]
async fn a_program_with_a_key_neither_has_factors_nor_proves_anything() {
    let hub = hub().await;
    let owner = hub.owner().await;
    let key = json!({"name": "Key", "scopes": ["users:read", "users:delete", "roles:manage"]});
    let made = told(hub.send(&owner, Method::POST, "/api_keys", key).await, 201).await;
    let program = SignedIn {
        token: made["secret"].as_str().unwrap().to_owned(),
        ..owner.clone()
    };
    let victim = hub.someone(&[]).await;
    for (method, path) in [
        (Method::GET, "/me/factors".to_owned()),
        (Method::GET, "/me/prove".to_owned()),
        (Method::POST, "/me/prove/passkey".to_owned()),
        (Method::DELETE, format!("/users/{}", victim.id)),
    ] {
        let answer = hub
            .ask(method, &path)
            .bearer_auth(&program.token)
            .header("origin", named(&hub))
            .header("host", named(&hub).replace("http://", ""))
            .send()
            .await
            .unwrap();
        assert_eq!(
            problem(answer).await,
            (403, "auth.session_required".into()),
            "{path}"
        );
    }
}

#[tokio::test]
async fn who_ends_a_session_that_has_just_gone_on_under_another_id_ends_that_too() {
    let hub = hub().await;
    let (owner, who) = (hub.owner().await, hub.someone(&[]).await);
    let mut proved = who.clone();
    for _ in 0..2 {
        let proof = json!({"kind": "password", "password": PASSWORD});
        let tokens = told(post(&hub, Some(&proved), "/me/prove", proof).await, 200).await;
        proved = signed_in(&who, &tokens);
    }
    let path = format!("/sessions/{}", who.session);
    let ended = hub.send(&owner, Method::DELETE, &path, json!({})).await;
    assert_eq!(ended.status(), 204);
    for session in [&who, &proved] {
        assert_eq!(
            problem(hub.get(session, "/me").await).await,
            (401, "auth.session_ended".into())
        );
    }
}
