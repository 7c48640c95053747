use crate::harness::{Hub, hub, problem};
use futures::future::join_all;
use serde_json::{Value, json};
use std::collections::HashSet;

async fn refresh(hub: &Hub, token: &str) -> reqwest::Response {
    hub.post("/auth/refresh", json!({"refresh_token": token})).await
}

async fn successor(hub: &Hub, token: &str) -> String {
    let answer = refresh(hub, token).await;
    assert_eq!(answer.status(), 200);
    let tokens: Value = answer.json().await.unwrap();
    tokens["refresh_token"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn many_tabs_that_refresh_at_once_all_get_the_same_successor() {
    let hub = hub().await;
    let who = hub.owner().await;
    let successors: HashSet<String> = join_all((0..20).map(|_| successor(&hub, &who.refresh)))
        .await
        .into_iter()
        .collect();
    assert_eq!(successors.len(), 1);
    assert!(!successors.contains(&who.refresh));
    hub.clock.advance(time::Duration::seconds(10));
    assert!(successors.contains(&successor(&hub, &who.refresh).await));
}

#[tokio::test]
async fn a_refresh_token_used_again_later_ends_its_session_and_is_recorded() {
    let hub = hub().await;
    let who = hub.owner().await;
    let next = successor(&hub, &who.refresh).await;
    hub.clock.advance(time::Duration::seconds(11));
    let reused = problem(refresh(&hub, &who.refresh).await).await;
    assert_eq!(reused, (401, "auth.refresh_reused".into()));
    assert_eq!(
        problem(refresh(&hub, &next).await).await,
        (401, "auth.session_ended".into())
    );
    assert_eq!(
        problem(hub.get(&who, "/me").await).await,
        (401, "auth.session_ended".into())
    );
    assert_eq!(hub.audited().await.last().unwrap(), "auth.refresh_reused");
}

#[tokio::test]
async fn refreshing_keeps_a_session_alive_week_after_week_until_its_absolute_end() {
    let hub = hub().await;
    let who = hub.owner().await;
    let mut token = who.refresh.clone();
    let mut days = 0;
    loop {
        hub.clock.advance(time::Duration::days(6));
        days += 6;
        let answer = refresh(&hub, &token).await;
        if answer.status() != 200 {
            assert_eq!(problem(answer).await.0, 401);
            break;
        }
        let tokens: Value = answer.json().await.unwrap();
        token = tokens["refresh_token"].as_str().unwrap().to_owned();
        assert_eq!(tokens["session_id"], who.session);
    }
    assert_eq!(days, 30);
}

#[tokio::test]
async fn a_token_that_was_never_given_is_refused_and_only_hashes_are_kept() {
    let hub = hub().await;
    let who = hub.owner().await;
    assert_eq!(
        problem(refresh(&hub, "made up").await).await,
        (401, "auth.refresh_refused".into())
    );
    successor(&hub, &who.refresh).await;
    let kept = hub
        .test
        .texts("SELECT auth_tokens::text FROM auth_tokens")
        .await
        .join(" ");
    assert!(!kept.contains(&who.refresh) && !kept.contains(&hex::encode(&who.refresh)));
}
