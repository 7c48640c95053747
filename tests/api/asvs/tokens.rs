//! V9, self-contained tokens, and what of V10, OAuth, holds for the hub's own.

use super::super::matrix::tokens::{Mint, claims, header};
use super::json_of;
use crate::harness::{Hub, hub, problem};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey};
use reqwest::Method;
use serde_json::{Value, json};

fn body(header: &Value, claims: &Value) -> String {
    let part = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
    format!("{}.{}", part(header), part(claims))
}

async fn says(hub: &Hub, token: &str) -> (u16, String) {
    problem(
        hub.ask(Method::GET, "/me")
            .bearer_auth(token)
            .send()
            .await
            .unwrap(),
    )
    .await
}

fn refused() -> (u16, String) {
    (401, "auth.unauthenticated".to_owned())
}

#[tokio::test]
async fn v5_0_0_9_1_1_a_token_whose_content_was_changed_is_refused() {
    let hub = hub().await;
    let (who, other) = (hub.someone(&[]).await, hub.owner().await);
    let mut changed = claims(&who.token);
    changed["sub"] = claims(&other.token)["sub"].clone();
    let signature = who.token.rsplit('.').next().unwrap();
    assert_eq!(
        says(
            &hub,
            &format!("{}.{signature}", body(&header(&who.token), &changed))
        )
        .await,
        refused()
    );
}

#[tokio::test]
async fn v5_0_0_9_1_2_the_algorithm_is_the_hubs_choice_and_not_the_tokens() {
    let hub = hub().await;
    let who = hub.owner().await;
    let mut head = header(&who.token);
    for (alg, signature) in [("none", ""), ("HS256", "x"), ("RS256", "x"), ("ES256", "x")] {
        head["alg"] = json!(alg);
        let token = format!("{}.{signature}", body(&head, &claims(&who.token)));
        assert_eq!(says(&hub, &token).await, refused(), "{alg}");
    }
    let public = hub.test.texts("SELECT public_jwk->>'x' FROM signing_keys").await;
    head["alg"] = json!("HS256");
    let forged = body(&head, &claims(&who.token));
    let key = EncodingKey::from_secret(&URL_SAFE_NO_PAD.decode(&public[0]).unwrap());
    let mac = jsonwebtoken::crypto::sign(forged.as_bytes(), &key, Algorithm::HS256).unwrap();
    assert_eq!(says(&hub, &format!("{forged}.{mac}")).await, refused());
}

#[tokio::test]
async fn v5_0_0_9_1_3_a_token_does_not_say_by_which_key_it_is_to_be_checked() {
    let hub = hub().await;
    let who = hub.owner().await;
    let mut der = hex::decode("302e020100300506032b657004220420").unwrap();
    der.extend_from_slice(&[7; 32]);
    let mut head = header(&who.token);
    head["jwk"] = json!({"kty": "OKP", "crv": "Ed25519", "x": URL_SAFE_NO_PAD.encode([7; 32])});
    head["jku"] = json!("https://evil.example/jwks.json");
    head["x5u"] = json!("https://evil.example/chain.pem");
    let forged = body(&head, &claims(&who.token));
    let key = EncodingKey::from_ed_der(&der);
    let signature = jsonwebtoken::crypto::sign(forged.as_bytes(), &key, Algorithm::EdDSA).unwrap();
    assert_eq!(says(&hub, &format!("{forged}.{signature}")).await, refused());
}

#[tokio::test]
async fn v5_0_0_9_2_1_a_token_is_good_until_its_end_and_no_longer() {
    let hub = hub().await;
    let who = hub.owner().await;
    let left = claims(&who.token)["exp"].as_i64().unwrap() - hub.clock.now().unix_timestamp();
    hub.clock.advance(time::Duration::seconds(left - 1));
    assert_eq!(hub.get(&who, "/me").await.status(), 200);
    hub.clock.advance(time::Duration::seconds(1));
    assert_eq!(
        problem(hub.get(&who, "/me").await).await,
        (401, "auth.token_expired".into())
    );
}

#[tokio::test]
async fn v5_0_0_9_2_2_a_token_for_one_use_is_refused_for_another() {
    let hub = hub().await;
    let who = hub.owner().await;
    let live = json_of(hub.send(&who, Method::POST, "/live/token", json!({})).await).await;
    let live = live["token"].as_str().unwrap();
    assert_ne!(header(live)["typ"], header(&who.token)["typ"]);
    assert_eq!(says(&hub, live).await, refused());
    assert_eq!(says(&hub, &who.refresh).await, refused());
}

#[tokio::test]
async fn v5_0_0_9_2_3_a_token_for_another_audience_is_refused() {
    let hub = hub().await;
    let who = hub.owner().await;
    let mint = Mint::of(&hub.test, &who.token).await;
    let forged = mint.claiming("aud", json!("another"));
    assert_eq!(says(&hub, &forged).await, refused());
    let same = mint.claiming("aud", claims(&who.token)["aud"].clone());
    assert_eq!(
        hub.ask(Method::GET, "/me")
            .bearer_auth(same)
            .send()
            .await
            .unwrap()
            .status(),
        200
    );
}

#[tokio::test]
async fn v5_0_0_9_2_4_tokens_of_one_key_say_for_whom_they_are() {
    let hub = hub().await;
    let who = hub.owner().await;
    let live = json_of(hub.send(&who, Method::POST, "/live/token", json!({})).await).await;
    let live = live["token"].as_str().unwrap();
    assert_eq!(header(live)["kid"], header(&who.token)["kid"]);
    let audiences =
        [&claims(live)["aud"], &claims(&who.token)["aud"]].map(|aud| aud.as_str().unwrap().to_owned());
    assert_ne!(audiences[0], audiences[1]);
}

#[tokio::test]
async fn v5_0_0_10_3_3_a_token_names_its_person_by_an_id_that_is_never_given_again() {
    let hub = hub().await;
    let who = hub.owner().await;
    let says = claims(&who.token);
    assert_eq!(says["sub"], json!(who.id));
    assert!(says["iss"].is_string() && says.get("email").is_none(), "{says}");
}

#[tokio::test]
async fn v5_0_0_10_4_5_a_refresh_token_used_twice_ends_its_whole_family() {
    let hub = hub().await;
    let who = hub.owner().await;
    let next = json_of(
        hub.post("/auth/refresh", json!({"refresh_token": who.refresh}))
            .await,
    )
    .await;
    hub.clock.advance(time::Duration::minutes(1));
    assert_eq!(
        hub.post("/auth/refresh", json!({"refresh_token": who.refresh}))
            .await
            .status(),
        401
    );
    let successor = hub
        .post("/auth/refresh", json!({"refresh_token": next["refresh_token"]}))
        .await;
    assert_eq!(successor.status(), 401, "the thief's and the owner's both");
    assert_eq!(problem(hub.get(&who, "/me").await).await.0, 401);
}

#[tokio::test]
async fn v5_0_0_10_4_8_refreshing_does_not_move_the_end_of_a_session() {
    let hub = hub().await;
    let who = hub.owner().await;
    let ends = "SELECT expires_at::text FROM user_sessions";
    let before = hub.test.texts(ends).await;
    hub.clock.advance(time::Duration::days(2));
    json_of(
        hub.post("/auth/refresh", json!({"refresh_token": who.refresh}))
            .await,
    )
    .await;
    assert_eq!(hub.test.texts(ends).await, before);
}

#[tokio::test]
async fn v5_0_0_10_4_9_people_take_refresh_tokens_back_by_ending_the_session() {
    let hub = hub().await;
    let (here, lost) = (hub.owner().await, hub.owner().await);
    let ended = hub
        .send(
            &here,
            Method::DELETE,
            &format!("/sessions/{}", lost.session),
            json!({}),
        )
        .await;
    assert_eq!(ended.status(), 204);
    assert_eq!(
        hub.post("/auth/refresh", json!({"refresh_token": lost.refresh}))
            .await
            .status(),
        401
    );
}
