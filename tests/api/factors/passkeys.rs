//! Passkeys, alone and as a second factor.

use super::{alerts, post, show, signed_in, ticket, told, with_passkey};
use crate::harness::{hub, problem};
use reqwest::Method;
use serde_json::{Value, json};
use signalbox_core::testing::authenticator::Authenticator;
use time::Duration;

#[tokio::test]
async fn a_passkey_signs_in_alone_and_is_a_second_factor_and_answers_each_ceremony_once() {
    let hub = hub().await;
    let who = hub.someone(&["viewer"]).await;
    let mut device = with_passkey(&hub, &who, "Laptop").await;
    let begun = told(post(&hub, None, "/auth/passkey/options", json!({})).await, 200).await;
    assert_eq!(begun["options"]["rpId"], "localhost");
    assert_eq!(begun["options"]["userVerification"], "required");
    let body = json!({"ceremony": begun["ceremony"], "credential": device.show(&begun["options"])});
    let tokens = told(post(&hub, None, "/auth/passkey", body.clone()).await, 200).await;
    let alone = signed_in(&who, &tokens);
    let me: Value = hub.get(&alone, "/me").await.json().await.unwrap();
    assert_eq!(me["user"]["email"], who.email);
    let replayed = post(&hub, None, "/auth/passkey", body).await;
    assert!([401, 403].contains(&problem(replayed).await.0));

    hub.clock.advance(Duration::seconds(1));
    let asked = ticket(&hub, &who.email).await;
    assert_eq!(asked["kinds"], json!(["passkey", "recovery_code"]));
    let begun = told(
        post(
            &hub,
            None,
            "/auth/passkey/options",
            json!({"ticket": asked["ticket"]}),
        )
        .await,
        200,
    )
    .await;
    assert_eq!(begun["options"]["allowCredentials"].as_array().unwrap().len(), 1);
    let mut answer = device.show(&begun["options"]);
    answer["response"]["userHandle"] = Value::Null;
    let proof = json!({"kind": "passkey", "ceremony": begun["ceremony"], "credential": answer});
    told(show(&hub, &asked, proof).await, 200).await;
    let list: Value = hub.get(&who, "/me/factors").await.json().await.unwrap();
    assert_eq!(
        (&list["items"][0]["name"], &list["items"][0]["site"]),
        (&json!("Laptop"), &json!("localhost"))
    );
    assert!(!list["items"][0]["last_used_at"].is_null());
}

#[tokio::test]
async fn a_passkey_of_another_site_person_or_time_opens_nothing() {
    let hub = hub().await;
    let (who, other) = (hub.someone(&[]).await, hub.someone(&[]).await);
    let (mut device, mut foreign) = (
        with_passkey(&hub, &who, "Laptop").await,
        with_passkey(&hub, &other, "Phone").await,
    );
    let enter = async |device: &mut Authenticator, spoil: &dyn Fn(&mut Value)| {
        let begun = told(post(&hub, None, "/auth/passkey/options", json!({})).await, 200).await;
        let mut body = json!({"ceremony": begun["ceremony"], "credential": device.show(&begun["options"])});
        spoil(&mut body);
        post(&hub, None, "/auth/passkey", body).await
    };
    let own = device.origin.clone();
    for origin in ["https://localhost", "http://evil.example", "http://localhost:1"] {
        device.origin = origin.to_owned();
        let phished = enter(&mut device, &|_| {}).await;
        assert_eq!(
            problem(phished).await,
            (401, "auth.passkey_refused".into()),
            "{origin}"
        );
    }
    device.origin = own;
    for spoil in [
        |body: &mut Value| body["credential"]["response"]["signature"] = json!("MEUCIQ"),
        |body: &mut Value| body["credential"] = json!({}),
        |body: &mut Value| body["ceremony"] = json!("AAAA"),
    ] {
        let spoiled = enter(&mut device, &spoil).await;
        assert_eq!(problem(spoiled).await.0, 401);
    }
    let begun = told(post(&hub, None, "/auth/passkey/options", json!({})).await, 200).await;
    hub.clock.advance(Duration::minutes(5) + Duration::seconds(1));
    let body = json!({"ceremony": begun["ceremony"], "credential": device.show(&begun["options"])});
    assert_eq!(
        problem(post(&hub, None, "/auth/passkey", body).await).await.0,
        401,
        "too late"
    );
    let asked = ticket(&hub, &who.email).await;
    let begun = told(
        post(
            &hub,
            None,
            "/auth/passkey/options",
            json!({"ticket": asked["ticket"]}),
        )
        .await,
        200,
    )
    .await;
    let proof = json!({"kind": "passkey", "ceremony": begun["ceremony"], "credential": foreign.show(&begun["options"])});
    assert_eq!(
        problem(show(&hub, &asked, proof).await).await,
        (403, "factor.refused".into()),
        "somebody else's"
    );
    assert_eq!(enter(&mut device, &|_| {}).await.status(), 200);
    let by_address = hub
        .ask(Method::POST, "/auth/passkey/options")
        .header("origin", &hub.url)
        .json(&json!({}))
        .send()
        .await
        .unwrap();
    assert_eq!(
        problem(by_address).await,
        (409, "factor.passkey_needs_name".into())
    );
}

#[tokio::test]
async fn a_passkey_whose_counter_goes_back_is_refused_and_its_person_told() {
    let hub = hub().await;
    let who = hub.someone(&[]).await;
    let mut device = with_passkey(&hub, &who, "Key").await;
    for (counter, status) in [(10, 200), (3, 401), (11, 200)] {
        device.counter = counter;
        hub.clock.advance(Duration::seconds(1));
        let begun = told(post(&hub, None, "/auth/passkey/options", json!({})).await, 200).await;
        let body = json!({"ceremony": begun["ceremony"], "credential": device.show(&begun["options"])});
        assert_eq!(
            post(&hub, None, "/auth/passkey", body).await.status(),
            status,
            "{counter}"
        );
    }
    assert!(alerts(&hub, &who).await.contains(&"factor.cloned".to_owned()));
}
