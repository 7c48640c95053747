use crate::harness::{hub, problem, problem_in_full};
use reqwest::Method;
use serde_json::{Value, json};

const WALLET: &str = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed";

#[tokio::test]
async fn somebody_says_who_they_are_and_decides_who_sees_it() {
    let hub = hub().await;
    let (ada, viewer) = (hub.someone(&["user"]).await, hub.someone(&["viewer"]).await);
    let said = json!({"display_name": "Ada", "bio": "Private", "time_zone": "Europe/Berlin"});
    let written = hub.send(&ada, Method::PATCH, "/me/profile", said).await;
    assert_eq!(written.headers()["etag"], "\"1\"");
    let hidden = hub
        .send(&ada, Method::PATCH, "/me/privacy", json!({"bio": "nobody"}))
        .await;
    assert_eq!(hidden.json::<Value>().await.unwrap()["bio"], "nobody");
    let path = format!("/users/{}/profile", ada.id);
    let seen: Value = hub.get(&viewer, &path).await.json().await.unwrap();
    assert_eq!(
        (&seen["display_name"], &seen["bio"], &seen["masked"]),
        (&json!("Ada"), &Value::Null, &json!(["bio"]))
    );
    assert_eq!((&seen["version"], &seen["can"]), (&json!(1), &json!([])));
    let own: Value = hub.get(&ada, "/me/profile").await.json().await.unwrap();
    assert_eq!(
        (&own["bio"], &own["can"]),
        (&json!("Private"), &json!(["profiles.update"]))
    );
    let stale = hub
        .patch(&ada, "/me/profile", "\"0\"", json!({"title": "x"}))
        .await;
    assert_eq!(problem(stale).await, (412, "profile.stale".into()));
    let wrong = hub
        .send(&ada, Method::PATCH, "/me/privacy", json!({"email": "nobody"}))
        .await;
    assert_eq!(problem(wrong).await.0, 422);
    let privacy: Value = hub.get(&ada, "/me/privacy").await.json().await.unwrap();
    assert_eq!(privacy["title"], "organization");
}

#[tokio::test]
async fn a_profile_of_another_needs_the_permission_and_a_program_has_none_of_its_own() {
    let hub = hub().await;
    let (owner, ada, viewer) = (
        hub.owner().await,
        hub.someone(&["user"]).await,
        hub.someone(&["viewer"]).await,
    );
    let path = format!("/users/{}/profile", ada.id);
    assert_eq!(
        problem(hub.get(&ada, &format!("/users/{}/profile", viewer.id)).await)
            .await
            .0,
        403
    );
    for (method, body) in [
        (Method::PATCH, json!({"title": "x"})),
        (Method::DELETE, json!({})),
    ] {
        let refused = hub.send(&viewer, method, &path, body).await;
        assert_eq!(problem(refused).await, (403, "permission.missing".into()));
    }
    let changed = hub
        .send(&owner, Method::PATCH, &path, json!({"title": "Engineer"}))
        .await;
    assert_eq!(changed.json::<Value>().await.unwrap()["title"], "Engineer");
    assert_eq!(
        hub.send(&owner, Method::DELETE, &path, json!({})).await.status(),
        204
    );
    let gone: Value = hub.get(&ada, "/me/profile").await.json().await.unwrap();
    assert_eq!((&gone["title"], &gone["version"]), (&Value::Null, &json!(0)));
    assert_eq!(
        hub.send(&ada, Method::DELETE, "/me/profile", json!({}))
            .await
            .status(),
        204
    );
}

#[tokio::test]
async fn wallets_are_checked_and_are_one_persons() {
    let hub = hub().await;
    let (owner, ada, bob) = (
        hub.owner().await,
        hub.someone(&["user"]).await,
        hub.someone(&["user"]).await,
    );
    let wallet = |address: &str| json!({"chain": "ethereum", "address": address, "label": "Mine"});
    let wrong = hub
        .send(
            &ada,
            Method::POST,
            "/me/wallets",
            wallet("0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAeD"),
        )
        .await;
    let (status, _, body) = problem_in_full(wrong).await;
    assert_eq!(
        (status, &body["errors"][0]["code"]),
        (422, &json!("wrong_checksum"))
    );
    let linked = hub
        .send(&ada, Method::POST, "/me/wallets", wallet(&WALLET.to_lowercase()))
        .await;
    assert_eq!(linked.status(), 201);
    let linked: Value = linked.json().await.unwrap();
    assert_eq!(linked["wallets"][0]["address"], WALLET);
    let taken = hub.send(&bob, Method::POST, "/me/wallets", wallet(WALLET)).await;
    assert_eq!(problem(taken).await, (409, "wallet.taken".into()));
    let of_bob = format!("/users/{}/wallets", bob.id);
    let solana = json!({"chain": "solana", "address": "11111111111111111111111111111111"});
    let linked_by_owner = hub.send(&owner, Method::POST, &of_bob, solana).await;
    let linked_by_owner: Value = linked_by_owner.json().await.unwrap();
    let id = linked["wallets"][0]["id"].as_str().unwrap();
    let others = hub
        .send(&bob, Method::DELETE, &format!("/me/wallets/{id}"), json!({}))
        .await;
    assert_eq!(problem(others).await, (404, "wallet.not_found".into()));
    assert_eq!(
        hub.send(&ada, Method::DELETE, &format!("/me/wallets/{id}"), json!({}))
            .await
            .status(),
        204
    );
    let id = linked_by_owner["wallets"][0]["id"].as_str().unwrap();
    assert_eq!(
        hub.send(&owner, Method::DELETE, &format!("{of_bob}/{id}"), json!({}))
            .await
            .status(),
        204
    );
}
