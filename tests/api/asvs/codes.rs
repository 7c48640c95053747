//! V6.5 and V6.6, codes that are looked up, sent, or made by an app.

use super::super::factors::{codes, demand, login, now, post, sent, show, ticket, told, totp, with_app};
use crate::harness::{Hub, SignedIn, hub, problem};
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use time::Duration;

const PHONE: &str = "+49 151 2345 6789";

pub(super) fn paper(code: &str) -> Value {
    json!({"kind": "recovery_code", "code": code})
}

fn by_phone(code: &str) -> Value {
    json!({"kind": "sms", "code": code})
}

/// Has a phone confirmed; the code that confirmed it, and the recovery codes.
pub(super) async fn with_phone(hub: &Hub, owner: &SignedIn, who: &SignedIn) -> (String, Vec<String>) {
    let begun = json!({"kind": "sms", "phone": PHONE});
    let begun = told(post(hub, Some(who), "/me/factors", begun).await, 200).await;
    let code = sent(hub, owner).await;
    let body = json!({"enrollment": begun["enrollment"], "name": "Phone", "code": code});
    let done = told(post(hub, Some(who), "/me/factors/confirm", body).await, 201).await;
    hub.clock.advance(Duration::seconds(31));
    (code, codes(&done))
}

/// Has a code sent for the sign-in that `ticket` stands for; the code.
async fn sent_for(hub: &Hub, owner: &SignedIn, ticket: &Value) -> String {
    let body = json!({"ticket": ticket["ticket"]});
    told(post(hub, None, "/auth/factor/code", body).await, 204).await;
    sent(hub, owner).await
}

#[tokio::test]
async fn v5_0_0_6_5_1_a_code_counts_once() {
    let hub = hub().await;
    let (owner, who, caller) = (hub.owner().await, hub.someone(&[]).await, hub.someone(&[]).await);
    let (secret, codes) = with_app(&hub, &who).await;
    for proof in [totp(&now(&hub, &secret)), paper(&codes[0])] {
        for status in [200, 403] {
            let asked = ticket(&hub, &who.email).await;
            told(show(&hub, &asked, proof.clone()).await, status).await;
        }
    }
    with_phone(&hub, &owner, &caller).await;
    let asked = ticket(&hub, &caller.email).await;
    let code = sent_for(&hub, &owner, &asked).await;
    told(show(&hub, &asked, by_phone(&code)).await, 200).await;
    told(show(&hub, &asked, by_phone(&code)).await, 401).await;
    let next = ticket(&hub, &caller.email).await;
    told(show(&hub, &next, by_phone(&code)).await, 403).await;
}

#[tokio::test]
async fn v5_0_0_6_5_2_codes_on_paper_are_kept_as_hashes_and_have_enough_bits_for_a_plain_one() {
    let hub = hub().await;
    let who = hub.someone(&[]).await;
    let (_, codes) = with_app(&hub, &who).await;
    let kept = hub
        .test
        .texts("SELECT recovery_codes::text FROM recovery_codes")
        .await;
    assert_eq!((kept.len(), codes.len()), (10, 10));
    for code in &codes {
        // of 32 letters, so five bits each
        let letters: String = code.chars().filter(char::is_ascii_alphanumeric).collect();
        assert!(letters.len() * 5 >= 112, "{} letters", letters.len());
        let hex = hex::encode(&letters);
        assert!(
            kept.iter()
                .all(|row| !row.contains(&letters) && !row.contains(code) && !row.contains(&hex))
        );
    }
}

#[tokio::test]
async fn v5_0_0_6_5_3_codes_and_seeds_are_random() {
    let hub = hub().await;
    let (mut seeds, mut papers) = (BTreeSet::new(), BTreeSet::new());
    for _ in 0..3 {
        let (secret, codes) = with_app(&hub, &hub.someone(&[]).await).await;
        // 160 bits in base 32 (RFC 4226 §4)
        assert!(secret.len() >= 32 && seeds.insert(secret));
        papers.extend(codes);
    }
    assert_eq!(papers.len(), 30, "none came twice");
    // each place has most of the letters that it may have, as thirty throws of 32 dice have
    for place in 0..4 {
        let letters: BTreeSet<u8> = papers.iter().map(|code| code.as_bytes()[place]).collect();
        assert!(letters.len() > 10, "place {place} has {} letters", letters.len());
    }
}

#[tokio::test]
async fn v5_0_0_6_5_4_codes_have_twenty_bits_at_least() {
    let hub = hub().await;
    let (owner, who, other) = (hub.owner().await, hub.someone(&[]).await, hub.someone(&[]).await);
    let (_, codes) = with_app(&hub, &who).await;
    assert!(codes.iter().all(|code| code.len() >= 24));
    let (confirmed, _) = with_phone(&hub, &owner, &other).await;
    let asked = ticket(&hub, &other.email).await;
    let next = sent_for(&hub, &owner, &asked).await;
    // six digits are 19.9 bits, which the standard names as enough
    for code in [&confirmed, &next] {
        assert!(
            code.len() == 6 && code.bytes().all(|byte| byte.is_ascii_digit()),
            "{code}"
        );
    }
    // and fewer are not looked at
    told(show(&hub, &asked, by_phone(&next[..5])).await, 403).await;
    told(show(&hub, &asked, by_phone(&next)).await, 200).await;
}

#[tokio::test]
async fn v5_0_0_6_5_5_codes_run_out() {
    let hub = hub().await;
    let (owner, who, caller) = (hub.owner().await, hub.someone(&[]).await, hub.someone(&[]).await);
    let (secret, _) = with_app(&hub, &who).await;
    let old = now(&hub, &secret);
    hub.clock.advance(Duration::seconds(60));
    told(show(&hub, &ticket(&hub, &who.email).await, totp(&old)).await, 403).await;
    with_phone(&hub, &owner, &caller).await;
    let asked = ticket(&hub, &caller.email).await;
    let code = sent_for(&hub, &owner, &asked).await;
    hub.clock.advance(Duration::minutes(5));
    told(show(&hub, &asked, by_phone(&code)).await, 403).await;
    // and with the sign-in that it was asked for
    hub.clock.advance(Duration::minutes(5));
    told(
        post(
            &hub,
            None,
            "/auth/factor/code",
            json!({"ticket": asked["ticket"]}),
        )
        .await,
        401,
    )
    .await;
}

#[tokio::test]
async fn v5_0_0_6_6_1_codes_go_to_a_confirmed_phone_alone_beside_stronger_factors_and_their_risk_is_told() {
    let hub = hub().await;
    let (owner, who) = (hub.owner().await, hub.someone(&["viewer"]).await);
    let begun = json!({"kind": "sms", "phone": PHONE});
    told(post(&hub, Some(&who), "/me/factors", begun).await, 200).await;
    sent(&hub, &owner).await;
    hub.clock.advance(Duration::seconds(31));
    told(login(&hub, &who.email).await, 200).await;
    let nowhere = post(&hub, Some(&who), "/me/prove/code", json!({})).await;
    assert_eq!(
        problem(nowhere).await,
        (404, "factor.not_found".into()),
        "it was not confirmed"
    );
    demand(&hub, &owner, "viewer", true).await;
    let asked = ticket(&hub, &who.email).await;
    assert_eq!(
        asked["kinds"],
        json!(["passkey", "totp", "sms"]),
        "the strongest first"
    );
    let texts = include_str!("../../../console/src/i18n/factors.en.texts.json");
    let texts: Value = serde_json::from_str(texts).unwrap();
    assert!(
        texts["factors.about.sms"].as_str().unwrap().contains("Weaker"),
        "{texts}"
    );
}

#[tokio::test]
async fn v5_0_0_6_6_2_a_sent_code_is_good_for_the_request_it_was_sent_for_and_no_other() {
    let hub = hub().await;
    let (owner, who) = (hub.owner().await, hub.someone(&[]).await);
    with_phone(&hub, &owner, &who).await;
    let (first, second) = (ticket(&hub, &who.email).await, ticket(&hub, &who.email).await);
    let code = sent_for(&hub, &owner, &first).await;
    let other = show(&hub, &second, by_phone(&code)).await;
    assert_eq!(
        problem(other).await,
        (403, "factor.refused".into()),
        "another sign-in"
    );
    let proof = post(&hub, Some(&who), "/me/prove", by_phone(&code)).await;
    assert_eq!(problem(proof).await, (403, "factor.refused".into()), "a session");
    told(show(&hub, &first, by_phone(&code)).await, 200).await;
    hub.clock.advance(Duration::seconds(31));
    told(post(&hub, Some(&who), "/me/prove/code", json!({})).await, 204).await;
    let code = sent(&hub, &owner).await;
    told(show(&hub, &second, by_phone(&code)).await, 403).await;
    told(post(&hub, Some(&who), "/me/prove", by_phone(&code)).await, 200).await;
}

#[tokio::test]
async fn v5_0_0_6_6_3_guessing_a_sent_code_is_slowed_down_and_ends_it() {
    let hub = hub().await;
    let (owner, who) = (hub.owner().await, hub.someone(&[]).await);
    with_phone(&hub, &owner, &who).await;
    let asked = ticket(&hub, &who.email).await;
    let code = sent_for(&hub, &owner, &asked).await;
    for _ in 0..5 {
        told(show(&hub, &asked, by_phone("guess!")).await, 403).await;
    }
    let shut = show(&hub, &asked, by_phone(&code)).await;
    assert!(shut.headers().contains_key("retry-after"));
    assert_eq!(problem(shut).await, (429, "factor.too_many_attempts".into()));
    hub.clock.advance(Duration::seconds(61));
    told(show(&hub, &asked, by_phone(&code)).await, 403).await;
    // nor does another code come before the wait is over
    let another = post(
        &hub,
        None,
        "/auth/factor/code",
        json!({"ticket": asked["ticket"]}),
    )
    .await;
    assert_eq!(problem(another).await.0, 429);
}

#[tokio::test]
async fn v5_0_0_6_5_8_the_time_of_a_code_is_the_hubs_and_not_what_a_request_says() {
    let hub = hub().await;
    let who = hub.someone(&[]).await;
    let (secret, _) = with_app(&hub, &who).await;
    let asked = ticket(&hub, &who.email).await;
    let ahead = signalbox_core::testing::code(&secret, hub.clock.now() + Duration::minutes(10));
    let body = json!({"ticket": asked["ticket"], "proof": {"kind": "totp", "code": ahead}});
    let early = hub
        .ask(Method::POST, "/auth/factor")
        .header("date", "Fri, 31 Dec 2100 23:59:59 GMT")
        .header("x-timestamp", "4133980799")
        .json(&body)
        .send()
        .await
        .unwrap();
    assert_eq!(problem(early).await, (403, "factor.refused".into()));
    hub.clock.advance(Duration::minutes(9));
    let asked = ticket(&hub, &who.email).await;
    hub.clock.advance(Duration::minutes(1));
    told(show(&hub, &asked, totp(&ahead)).await, 200).await;
}
