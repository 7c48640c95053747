//! What is owed after the password: codes of an app, codes on paper, and what wrong ones cost.

use super::{alerts, begin_app, codes, login, now, post, show, signed_in, ticket, told, totp, with_app};
use crate::harness::{PASSWORD, hub, hub_with, problem, problem_in_full};
use futures::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use std::time::Instant;
use time::Duration;

#[tokio::test]
async fn a_password_gets_a_ticket_and_the_ticket_with_a_code_a_session_once() {
    let hub = hub().await;
    let who = hub.someone(&["viewer"]).await;
    let (secret, codes) = with_app(&hub, &who).await;
    assert_eq!(codes.len(), 10);
    let asked = ticket(&hub, &who.email).await;
    assert_eq!(asked["kinds"], json!(["totp", "recovery_code"]));
    assert_eq!(
        (&asked["expires_in"], &asked["enroll"]),
        (&json!(600), &json!(false))
    );
    let wrong = show(&hub, &asked, totp("000000")).await;
    assert_eq!(problem(wrong).await, (403, "factor.refused".into()));
    let code = now(&hub, &secret);
    let tokens = told(show(&hub, &asked, totp(&code)).await, 200).await;
    let session = signed_in(&who, &tokens);
    assert_eq!(hub.get(&session, "/me").await.status(), 200);
    let used = show(&hub, &asked, totp(&code)).await;
    assert_eq!(problem(used).await, (401, "auth.ticket_refused".into()));
    let again = show(&hub, &ticket(&hub, &who.email).await, totp(&code)).await;
    assert_eq!(
        problem(again).await,
        (403, "factor.refused".into()),
        "a code counts once"
    );
    let methods = hub
        .test
        .texts(format!(
            "SELECT array_to_string(methods, ' ') FROM user_sessions WHERE id = '{}'",
            session.session
        ))
        .await;
    assert_eq!(methods, ["pwd otp"]);
    let kept = hub
        .test
        .texts("SELECT user_factors::text || sign_in_tickets::text FROM user_factors, sign_in_tickets")
        .await
        .concat();
    let raw: String = hub
        .test
        .texts("SELECT recovery_codes::text || audit_logs::text FROM recovery_codes, audit_logs")
        .await
        .concat();
    assert!(
        !kept.contains(&secret)
            && !raw.contains(&codes[0])
            && !kept.contains(asked["ticket"].as_str().unwrap())
    );
}

#[tokio::test]
async fn of_many_who_show_the_same_code_at_once_one_gets_in() {
    let hub = hub().await;
    let who = hub.someone(&[]).await;
    let (secret, _) = with_app(&hub, &who).await;
    let mut tickets = Vec::new();
    for _ in 0..4 {
        tickets.push(ticket(&hub, &who.email).await);
    }
    let code = now(&hub, &secret);
    let answers = join_all(tickets.iter().map(|ticket| show(&hub, ticket, totp(&code)))).await;
    let let_in = answers.iter().filter(|answer| answer.status() == 200).count();
    assert_eq!(let_in, 1);
}

#[tokio::test]
async fn a_wrong_password_says_the_same_in_the_same_time_with_and_without_factors() {
    let hub = hub_with(&[("SIGNALBOX__AUTH__FAILURES_PER_ACCOUNT", "1000")]).await;
    let (with, without) = (hub.someone(&[]).await, hub.someone(&[]).await);
    with_app(&hub, &with).await;
    let mut took = [Vec::new(), Vec::new()];
    let mut said = Vec::new();
    for round in 0..6 {
        for (which, who) in [&with, &without].into_iter().enumerate() {
            let started = Instant::now();
            let body = json!({"email": who.email, "password": format!("wrong {round}")});
            let (_, _, mut body) = problem_in_full(post(&hub, None, "/auth/login", body).await).await;
            took[which].push(started.elapsed());
            body["trace_id"] = Value::Null;
            said.push(body);
        }
    }
    said.dedup();
    assert_eq!(said.len(), 1, "{said:?}");
    // both wait for the same instant, which hides what is done before
    let sooner = |time: &std::time::Duration| *time < std::time::Duration::from_millis(250);
    assert!(!took.iter().flatten().any(sooner), "{took:?}");
}

#[tokio::test]
async fn a_ticket_belongs_to_one_client_lasts_ten_minutes_and_ends_with_the_password() {
    let hub = hub().await;
    let who = hub.someone(&[]).await;
    let (secret, _) = with_app(&hub, &who).await;
    let asked = ticket(&hub, &who.email).await;
    let body = json!({"ticket": asked["ticket"], "proof": totp(&now(&hub, &secret))});
    let elsewhere = hub
        .ask(Method::POST, "/auth/factor")
        .header("user-agent", "another")
        .json(&body)
        .send()
        .await
        .unwrap();
    assert_eq!(problem(elsewhere).await, (401, "auth.ticket_refused".into()));
    hub.clock.advance(Duration::seconds(1));
    let new = json!({"current_password": PASSWORD, "new_password": "another long one"});
    assert_eq!(
        hub.send(&who, Method::POST, "/me/password", new).await.status(),
        204
    );
    let stale = show(&hub, &asked, totp(&now(&hub, &secret))).await;
    assert_eq!(problem(stale).await, (401, "auth.ticket_refused".into()));
    let body = json!({"email": who.email, "password": "another long one"});
    let asked = told(post(&hub, None, "/auth/login", body).await, 202).await["factor_needed"].clone();
    hub.clock.advance(Duration::minutes(10));
    let late = show(&hub, &asked, totp(&now(&hub, &secret))).await;
    assert_eq!(problem(late).await, (401, "auth.ticket_refused".into()));
}

#[tokio::test]
async fn failing_at_one_kind_of_factor_shuts_out_of_no_other_and_the_waits_grow() {
    let hub = hub().await;
    let who = hub.someone(&[]).await;
    let (secret, codes) = with_app(&hub, &who).await;
    let asked = ticket(&hub, &who.email).await;
    let wrong = join_all((0..12).map(|_| show(&hub, &asked, totp("12345x")))).await;
    let mut looked_at = 0;
    for answer in wrong {
        looked_at += usize::from(problem(answer).await.0 == 403);
    }
    assert_eq!(looked_at, 5, "however many come at once");
    let shut = show(&hub, &asked, totp(&now(&hub, &secret))).await;
    assert_eq!(shut.headers()["retry-after"], "61");
    assert_eq!(problem(shut).await, (429, "factor.too_many_attempts".into()));
    hub.clock.advance(Duration::seconds(61));
    let one_more = show(&hub, &asked, totp("12345x")).await;
    assert_eq!(problem(one_more).await.0, 403);
    let longer = show(&hub, &asked, totp(&now(&hub, &secret))).await;
    assert_eq!(longer.headers()["retry-after"], "121");
    let paper = json!({"kind": "recovery_code", "code": codes[0]});
    told(show(&hub, &asked, paper).await, 200).await;
    hub.clock.advance(Duration::seconds(121));
    let asked = ticket(&hub, &who.email).await;
    told(show(&hub, &asked, totp(&now(&hub, &secret))).await, 200).await;
    let told = alerts(&hub, &who).await;
    assert_eq!(told.iter().filter(|kind| *kind == "factor.failed").count(), 6);
    assert_eq!(
        told.iter().filter(|kind| *kind == "recovery_code.used").count(),
        1
    );
}

#[tokio::test]
async fn a_recovery_code_counts_once_and_new_ones_replace_the_old() {
    let hub = hub().await;
    let who = hub.someone(&[]).await;
    let (_, codes) = with_app(&hub, &who).await;
    let paper = |code: &str| json!({"kind": "recovery_code", "code": code.to_uppercase().replace('-', " ")});
    told(
        show(&hub, &ticket(&hub, &who.email).await, paper(&codes[0])).await,
        200,
    )
    .await;
    let twice = show(&hub, &ticket(&hub, &who.email).await, paper(&codes[0])).await;
    assert_eq!(problem(twice).await, (403, "factor.refused".into()));
    let list: Value = hub.get(&who, "/me/factors").await.json().await.unwrap();
    assert_eq!(
        (&list["recovery_codes"], &list["demanded"]),
        (&json!(9), &json!(false))
    );
    let fresh = told(post(&hub, Some(&who), "/me/recovery_codes", json!({})).await, 200).await;
    let fresh = self::codes(&fresh);
    let old = show(&hub, &ticket(&hub, &who.email).await, paper(&codes[1])).await;
    assert_eq!(problem(old).await.0, 403);
    told(
        show(&hub, &ticket(&hub, &who.email).await, paper(&fresh[9])).await,
        200,
    )
    .await;
}

#[tokio::test]
async fn an_app_counts_only_once_it_is_confirmed_and_no_second_time() {
    let hub = hub().await;
    let (who, other) = (hub.someone(&[]).await, hub.someone(&[]).await);
    let begun = begin_app(&hub, &who).await;
    assert_eq!(login(&hub, &who.email).await.status(), 200, "nothing counts yet");
    let secret = begun["secret"].as_str().unwrap();
    let with = |code: String| json!({"enrollment": begun["enrollment"], "name": "App", "code": code});
    let wrong = post(&hub, Some(&who), "/me/factors/confirm", with("000000".into())).await;
    assert_eq!(problem(wrong).await, (422, "factor.not_confirmed".into()));
    let stolen = post(&hub, Some(&other), "/me/factors/confirm", with(now(&hub, secret))).await;
    assert_eq!(problem(stolen).await, (422, "factor.not_confirmed".into()));
    told(
        post(&hub, Some(&who), "/me/factors/confirm", with(now(&hub, secret))).await,
        201,
    )
    .await;
    let twice = post(&hub, Some(&who), "/me/factors/confirm", with(now(&hub, secret))).await;
    assert_eq!(problem(twice).await, (409, "factor.already_there".into()));
    let shown = show(&hub, &ticket(&hub, &who.email).await, totp(&now(&hub, secret))).await;
    assert_eq!(
        problem(shown).await.0,
        403,
        "the code that confirmed it is used up"
    );
    hub.clock.advance(Duration::minutes(9));
    let begun = begin_app(&hub, &other).await;
    hub.clock.advance(Duration::minutes(11));
    let late = told(login(&hub, &other.email).await, 200).await;
    let other = signed_in(&other, &late);
    let code = now(&hub, begun["secret"].as_str().unwrap());
    let body = json!({"enrollment": begun["enrollment"], "name": "App", "code": code});
    let late = post(&hub, Some(&other), "/me/factors/confirm", body).await;
    assert_eq!(problem(late).await, (422, "factor.not_confirmed".into()));
}

#[tokio::test]
async fn a_ticket_ends_with_everybodys_sessions() {
    let hub = hub().await;
    let (owner, who) = (hub.owner().await, hub.someone(&["viewer"]).await);
    let (secret, _) = with_app(&hub, &who).await;
    let asked = ticket(&hub, &who.email).await;
    hub.clock.advance(Duration::seconds(1));
    let ended = hub
        .send(&owner, Method::POST, "/sessions/revoke", json!({}))
        .await;
    assert_eq!(ended.status(), 200);
    let stale = show(&hub, &asked, totp(&now(&hub, &secret))).await;
    assert_eq!(problem(stale).await, (401, "auth.ticket_refused".into()));
    let asked = ticket(&hub, &who.email).await;
    told(show(&hub, &asked, totp(&now(&hub, &secret))).await, 200).await;
}

#[tokio::test]
async fn a_ticket_is_worth_nothing_with_another_password_than_it_was_given_for() {
    let hub = hub().await;
    let who = hub.someone(&[]).await;
    let (secret, _) = with_app(&hub, &who).await;
    let asked = ticket(&hub, &who.email).await;
    // by a change that began before the ticket was given, and so has an earlier time
    hub.test
        .sql(format!(
            "UPDATE users SET password_hash = 'another' WHERE id = '{}'",
            who.id
        ))
        .await;
    let shown = show(&hub, &asked, totp(&now(&hub, &secret))).await;
    assert_eq!(problem(shown).await, (401, "auth.ticket_refused".into()));
}

#[tokio::test]
async fn of_factors_that_were_begun_together_no_more_are_kept_than_a_person_may_have() {
    let hub = hub().await;
    let who = hub.someone(&[]).await;
    let mut begun = Vec::new();
    for _ in 0..21 {
        begun.push(begin_app(&hub, &who).await);
    }
    let mut statuses = Vec::new();
    for one in &begun {
        let code = now(&hub, one["secret"].as_str().unwrap());
        let confirmation = json!({"enrollment": one["enrollment"], "name": "App", "code": code});
        let kept = post(&hub, Some(&who), "/me/factors/confirm", confirmation).await;
        statuses.push(kept.status().as_u16());
    }
    assert_eq!(statuses[..20], [201; 20]);
    assert_eq!(statuses[20], 409);
    assert_eq!(hub.test.count("SELECT count(*) FROM user_factors").await, 20);
}
