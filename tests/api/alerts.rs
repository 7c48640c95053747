//! What people hear of their account by mail, whatever happens to their sessions.

use crate::harness::{Hub, PASSWORD, SignedIn, hub, problem};
use reqwest::{Method, Response};
use serde_json::{Value, json};
use signalbox_core::testing::{code, mailed};
use time::Duration;

/// Subjects of what was sent, without the organization's name; all of it to `who`.
async fn heard(hub: &Hub, who: &SignedIn) -> Vec<String> {
    let mails = mailed(&hub.test).await;
    let subject = |mail: &signalbox_core::testing::Mailed| {
        assert_eq!(mail.to, who.email);
        assert!(mail.text.contains("/account"), "{}", mail.text);
        mail.subject.split_once(": ").unwrap().1.to_owned()
    };
    mails.iter().map(subject).collect()
}

async fn told(answer: Response) -> Value {
    let (status, text) = (answer.status(), answer.text().await.unwrap());
    assert!(status.is_success(), "{status} {text}");
    serde_json::from_str(&text).unwrap_or_default()
}

async fn post(hub: &Hub, who: &SignedIn, path: &str, body: Value) -> Value {
    told(hub.send(who, Method::POST, path, body).await).await
}

#[tokio::test]
async fn whoever_sets_up_loses_or_replaces_a_factor_or_uses_a_recovery_code_hears_of_it_by_mail() {
    let hub = hub().await;
    let (owner, who) = (hub.owner().await, hub.someone(&[]).await);
    let begun = post(&hub, &who, "/me/factors", json!({"kind": "totp"})).await;
    let shown = code(begun["secret"].as_str().unwrap(), hub.clock.now());
    let confirmation = json!({"enrollment": begun["enrollment"], "name": "App", "code": shown});
    assert!(heard(&hub, &who).await.is_empty(), "nothing is set up yet");
    let added = post(&hub, &who, "/me/factors/confirm", confirmation).await;
    assert_eq!(heard(&hub, &who).await, ["A second factor was set up"]);

    let login = hub
        .post("/auth/login", json!({"email": who.email, "password": PASSWORD}))
        .await;
    let ticket = told(login).await["factor_needed"]["ticket"].clone();
    let paper = json!({"kind": "recovery_code", "code": added["recovery_codes"][0]});
    let wrong = json!({"kind": "recovery_code", "code": "aaaa-aaaa-aaaa-aaaa"});
    let refused = hub
        .post("/auth/factor", json!({"ticket": ticket, "proof": wrong}))
        .await;
    assert_eq!(problem(refused).await.0, 403);
    assert!(
        heard(&hub, &who).await.is_empty(),
        "a wrong one is told in the inbox alone"
    );
    told(
        hub.post("/auth/factor", json!({"ticket": ticket, "proof": paper}))
            .await,
    )
    .await;
    assert_eq!(heard(&hub, &who).await, ["A recovery code was used"]);

    post(&hub, &who, "/me/recovery_codes", json!({})).await;
    assert_eq!(heard(&hub, &who).await, ["New recovery codes were made"]);
    let path = format!("/me/factors/{}", added["factor"]["id"].as_str().unwrap());
    told(hub.send(&who, Method::DELETE, &path, json!({})).await).await;
    assert_eq!(heard(&hub, &who).await, ["A second factor was removed"]);
    let path = format!("/users/{}/factors", who.id);
    told(hub.send(&owner, Method::DELETE, &path, json!({})).await).await;
    assert_eq!(heard(&hub, &who).await, ["Your second factors were taken away"]);
}

#[tokio::test]
async fn a_sign_in_with_a_device_that_was_not_seen_before_is_told_by_mail_and_no_other() {
    let hub = hub().await;
    let who = hub.someone(&[]).await;
    assert!(heard(&hub, &who).await.is_empty(), "the first tells nothing");
    let firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0";
    let newer = "Mozilla/5.0 (X11; Linux x86_64; rv:146.0) Gecko/20100101 Firefox/146.0";
    let mut times = Vec::new();
    for agent in [firefox, firefox, newer, "curl/8.14.1", newer] {
        hub.clock.advance(Duration::seconds(1));
        let asked = hub
            .ask(Method::POST, "/auth/login")
            .header("user-agent", agent)
            .json(&json!({"email": who.email, "password": PASSWORD}));
        told(asked.send().await.unwrap()).await;
        let mails = mailed(&hub.test).await;
        times.push(mails.len());
        if let Some(mail) = mails.first() {
            let device = if agent == firefox {
                "with Firefox on Linux"
            } else {
                "with curl"
            };
            assert!(
                mail.to == who.email && mail.text.contains(device),
                "{}",
                mail.text
            );
        }
    }
    assert_eq!(times, [1, 0, 0, 1, 0], "another version is no other device");
    let said = "SELECT count(*) FROM outbox WHERE type = 'session.created' AND event->'data'->>'new_device' = 'true'";
    assert_eq!(hub.test.count(said).await, 2, "the inbox knows as well");
}
