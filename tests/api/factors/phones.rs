//! Codes sent to a phone.

use super::{post, sent, show, ticket, told};
use crate::harness::{hub, problem};
use serde_json::json;
use time::Duration;

#[tokio::test]
async fn a_code_sent_to_a_phone_is_good_for_five_minutes_and_once_and_not_sent_at_will() {
    let hub = hub().await;
    let (owner, who) = (hub.owner().await, hub.someone(&[]).await);
    let wanted = json!({"kind": "sms", "phone": "+49 151 2345 6789"});
    let begun = told(post(&hub, Some(&who), "/me/factors", wanted.clone()).await, 200).await;
    let again = post(&hub, Some(&who), "/me/factors", wanted).await;
    assert_eq!(again.headers()["retry-after"], "31");
    assert_eq!(problem(again).await, (429, "factor.sent_lately".into()));
    let with = |code: &str| json!({"enrollment": begun["enrollment"], "name": "Phone", "code": code});
    let wrong = post(&hub, Some(&who), "/me/factors/confirm", with("x")).await;
    assert_eq!(problem(wrong).await, (422, "factor.not_confirmed".into()));
    let code = sent(&hub, &owner).await;
    told(
        post(&hub, Some(&who), "/me/factors/confirm", with(&code)).await,
        201,
    )
    .await;
    let kept = hub
        .test
        .texts("SELECT user_factors::text || factor_attempts::text FROM user_factors, factor_attempts")
        .await;
    assert!(!kept.concat().contains("2345") && !kept.concat().contains(&code));

    hub.clock.advance(Duration::seconds(31));
    let asked = ticket(&hub, &who.email).await;
    assert_eq!(asked["kinds"], json!(["sms", "recovery_code"]));
    let by_phone = |code: &str| json!({"kind": "sms", "code": code});
    let used = show(&hub, &asked, by_phone(&code)).await;
    assert_eq!(
        problem(used).await,
        (403, "factor.refused".into()),
        "it confirmed the phone"
    );
    let send = json!({"ticket": asked["ticket"]});
    assert_eq!(
        post(&hub, None, "/auth/factor/code", send.clone()).await.status(),
        204
    );
    let code = sent(&hub, &owner).await;
    told(show(&hub, &asked, by_phone(&code)).await, 200).await;
    let asked = ticket(&hub, &who.email).await;
    assert_eq!(problem(show(&hub, &asked, by_phone(&code)).await).await.0, 403);

    hub.clock.advance(Duration::minutes(1));
    let send = json!({"ticket": asked["ticket"]});
    assert_eq!(
        post(&hub, None, "/auth/factor/code", send.clone()).await.status(),
        204
    );
    let late = sent(&hub, &owner).await;
    hub.clock.advance(Duration::minutes(5));
    assert_eq!(
        problem(show(&hub, &asked, by_phone(&late)).await).await.0,
        403,
        "five minutes"
    );
    for _ in 0..2 {
        assert_eq!(
            post(&hub, Some(&who), "/me/prove/code", json!({})).await.status(),
            204
        );
        hub.clock.advance(Duration::seconds(31));
    }
    let full = post(&hub, Some(&who), "/me/prove/code", json!({})).await;
    assert_eq!(
        problem(full).await,
        (429, "factor.sent_lately".into()),
        "five in an hour"
    );
}

#[tokio::test]
async fn a_code_sent_to_a_phone_survives_four_wrong_answers_and_no_fifth() {
    let hub = hub().await;
    let (owner, who) = (hub.owner().await, hub.someone(&[]).await);
    let begun = json!({"kind": "sms", "phone": "+49 151 2345 6789"});
    let begun = told(post(&hub, Some(&who), "/me/factors", begun).await, 200).await;
    let code = sent(&hub, &owner).await;
    let with = |code: &str| json!({"enrollment": begun["enrollment"], "name": "Phone", "code": code});
    for _ in 0..5 {
        let wrong = post(&hub, Some(&who), "/me/factors/confirm", with("x")).await;
        assert_eq!(problem(wrong).await.0, 422);
    }
    assert_eq!(
        problem(post(&hub, Some(&who), "/me/factors/confirm", with(&code)).await)
            .await
            .0,
        429
    );
    hub.clock.advance(Duration::seconds(61));
    let sixth = post(&hub, Some(&who), "/me/factors/confirm", with(&code)).await;
    assert_eq!(problem(sixth).await, (422, "factor.not_confirmed".into()));
    let nowhere = json!({"kind": "sms", "phone": "123"});
    assert_eq!(
        problem(post(&hub, Some(&who), "/me/factors", nowhere).await)
            .await
            .0,
        422
    );
}
