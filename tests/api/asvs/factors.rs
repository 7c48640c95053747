//! V6.3, V6.4 and V6.7, second factors: who must show one, what is told of them, and how a lost one is replaced.

use super::super::factors::{
    alerts, demand, login, post, show, signed_in, ticket, told, with_app, with_passkey,
};
use super::choose;
use super::codes::{paper, with_phone};
use crate::harness::{PASSWORD, SignedIn, hub, problem};
use reqwest::Method;
use serde_json::{Value, json};
use signalbox_core::testing::mailed;
use std::collections::BTreeSet;
use time::Duration;

#[tokio::test]
async fn v5_0_0_6_3_3_where_a_role_demands_a_second_factor_no_way_in_goes_round_it() {
    let hub = hub().await;
    let (owner, who) = (hub.owner().await, hub.someone(&["viewer"]).await);
    let roles: Value = hub.get(&owner, "/roles").await.json().await.unwrap();
    let mut roles = roles["items"].as_array().unwrap().iter();
    let viewer = roles.find(|role| role["name"] == "viewer").unwrap()["id"].clone();
    let invited = json!({"email": "ada@example.com", "name": "Ada", "roles": [viewer]});
    assert_eq!(
        hub.send(&owner, Method::POST, "/invitations", invited)
            .await
            .status(),
        201
    );
    let invitation = mailed(&hub.test).await[0].token();
    demand(&hub, &owner, "viewer", true).await;
    hub.post("/auth/password/forgot", json!({"email": who.email}))
        .await;
    let link = mailed(&hub.test).await[0].token();
    let answers = [
        login(&hub, &who.email).await,
        hub.post(
            "/auth/password/reset",
            json!({"token": link, "password": "another of my own"}),
        )
        .await,
        hub.post(
            "/invitations/accept",
            json!({"token": invitation, "password": "one of my own"}),
        )
        .await,
    ];
    for answer in answers {
        let owed = told(answer, 202).await;
        assert!(owed.get("access_token").is_none(), "{owed}");
        assert_eq!(owed["factor_needed"]["enroll"], true);
        // what somebody holds meanwhile opens nothing
        let ticket = owed["factor_needed"]["ticket"].as_str().unwrap();
        let asked = hub
            .ask(Method::GET, "/me")
            .bearer_auth(ticket)
            .send()
            .await
            .unwrap();
        assert_eq!(problem(asked).await.0, 401);
    }
}

#[tokio::test]
async fn v5_0_0_6_4_4_a_lost_factor_is_replaced_by_somebody_above_or_by_a_proof_as_strong_and_by_no_password()
{
    let hub = hub().await;
    let (owner, who) = (hub.owner().await, hub.someone(&["viewer"]).await);
    let (_, paper_codes) = with_app(&hub, &who).await;
    hub.clock.advance(Duration::minutes(11));
    let list: Value = hub.get(&who, "/me/factors").await.json().await.unwrap();
    let factor = format!("/me/factors/{}", list["items"][0]["id"].as_str().unwrap());
    let password = json!({"kind": "password", "password": PASSWORD});
    let proved = post(&hub, Some(&who), "/me/prove", password).await;
    assert_eq!(
        problem(proved).await,
        (403, "auth.factor_needed".into()),
        "the password is not enough"
    );
    for (method, path) in [(Method::DELETE, factor.as_str()), (Method::POST, "/me/factors")] {
        let refused = hub.send(&who, method, path, json!({"kind": "totp"})).await;
        assert_eq!(
            problem(refused).await,
            (403, "auth.step_up_needed".into()),
            "{path}"
        );
    }
    // whoever answers for them: with the permission, over them, and by a proof of these minutes
    let manager = hub.someone(&["manager"]).await;
    let reset = format!("/users/{}/factors", who.id);
    let refused = hub.send(&manager, Method::DELETE, &reset, json!({})).await;
    assert_eq!(problem(refused).await, (403, "permission.missing".into()));
    let refused = hub.send(&owner, Method::DELETE, &reset, json!({})).await;
    assert_eq!(problem(refused).await, (403, "auth.step_up_needed".into()));
    // or the paper that was made when the factor was set up
    let tokens = told(
        show(&hub, &ticket(&hub, &who.email).await, paper(&paper_codes[0])).await,
        200,
    )
    .await;
    let who = signed_in(&who, &tokens);
    assert_eq!(
        hub.send(&who, Method::DELETE, &factor, json!({})).await.status(),
        204
    );
}

#[tokio::test]
async fn v5_0_0_7_4_3_a_new_password_ends_every_other_session_and_so_may_whoever_changes_a_factor() {
    let hub = hub().await;
    let lives = async |who: &SignedIn| {
        let access = hub.get(who, "/me").await.status() == 200;
        let body = json!({"refresh_token": who.refresh});
        access || hub.post("/auth/refresh", body).await.status() == 200
    };
    let (here, elsewhere) = (hub.owner().await, hub.owner().await);
    assert_eq!(
        choose(&hub, &here, PASSWORD, "another of my own").await.status(),
        204
    );
    assert!(!lives(&elsewhere).await);
    let here = hub.someone(&[]).await;
    let elsewhere = hub.sign_in(&here.email).await;
    with_passkey(&hub, &here, "Key").await;
    assert_eq!(
        hub.send(&here, Method::DELETE, "/me/sessions", json!({}))
            .await
            .status(),
        200
    );
    assert!(!lives(&elsewhere).await);
    assert_eq!(hub.get(&here, "/me").await.status(), 200);
}

#[tokio::test]
async fn v5_0_0_6_3_7_people_are_told_when_what_they_sign_in_with_is_changed() {
    let hub = hub().await;
    let (owner, who) = (hub.owner().await, hub.someone(&[]).await);
    with_app(&hub, &who).await;
    let reset = format!("/users/{}/factors", who.id);
    let owner = signed_in(&owner, &told(login(&hub, &owner.email).await, 200).await);
    assert_eq!(
        hub.send(&owner, Method::DELETE, &reset, json!({})).await.status(),
        204
    );
    let inbox = alerts(&hub, &who).await;
    for kind in ["factor.added", "recovery_codes.made", "factors.reset"] {
        assert!(inbox.iter().any(|told| told == kind), "{kind}: {inbox:?}");
    }
    let mails = mailed(&hub.test).await;
    let told_by_mail = mails.iter().filter(|mail| mail.to == who.email).count();
    assert_eq!(told_by_mail, 2, "set up, and taken away: {mails:?}");
    // and of what was changed by mail
    hub.post("/auth/password/forgot", json!({"email": who.email}))
        .await;
    let link = mailed(&hub.test).await[0].token();
    let body = json!({"token": link, "password": "another of my own"});
    told(hub.post("/auth/password/reset", body).await, 200).await;
    let mails = mailed(&hub.test).await;
    assert!(
        mails
            .iter()
            .any(|mail| mail.to == who.email && !mail.text.contains('#')),
        "{mails:?}"
    );
}

#[tokio::test]
async fn v5_0_0_6_3_8_nobody_learns_who_has_an_account_by_failing_to_come_in() {
    let hub = hub().await;
    let owner = hub.owner().await;
    let (with, without) = (hub.someone(&[]).await, hub.someone(&[]).await);
    with_app(&hub, &with).await;
    let open = json!({"sign_up": {"open": true}});
    assert_eq!(
        hub.send(&owner, Method::PATCH, "/settings", open).await.status(),
        200
    );
    let mut said = BTreeSet::new();
    for email in [with.email.as_str(), &without.email, "nobody@example.com"] {
        let mut all = Vec::new();
        for (path, body) in [
            (
                "/auth/login",
                json!({"email": email, "password": "a guess of mine"}),
            ),
            ("/auth/password/forgot", json!({"email": email})),
            ("/auth/sign_up", json!({"email": email})),
        ] {
            let began = std::time::Instant::now();
            let answer = hub.post(path, body).await;
            assert!(
                began.elapsed() >= std::time::Duration::from_millis(240),
                "{path}: as long as for everybody"
            );
            let (status, text) = (answer.status().as_u16(), answer.text().await.unwrap());
            let mut body: Value = serde_json::from_str(&text).unwrap_or_default();
            body["trace_id"] = Value::Null;
            all.push(format!("{status} {body}"));
        }
        said.insert(all);
    }
    assert_eq!(said.len(), 1, "{said:?}");
}

#[tokio::test]
async fn v5_0_0_6_4_6_an_administrator_has_a_password_replaced_and_does_not_choose_it() {
    let hub = hub().await;
    let (owner, who) = (hub.owner().await, hub.someone(&[]).await);
    let path = format!("/users/{}/reset_password", who.id);
    let chosen = json!({"password": "one of the administrators"});
    assert_eq!(
        problem(hub.send(&owner, Method::POST, &path, chosen).await)
            .await
            .0,
        422
    );
    let made = told(hub.send(&owner, Method::POST, &path, json!({})).await, 200).await;
    let once = json!({"email": who.email, "password": made["one_time_password"]});
    let tokens = told(post(&hub, None, "/auth/login", once).await, 200).await;
    let entered = signed_in(&who, &tokens);
    let refused = hub.get(&entered, "/me/sessions").await;
    assert_eq!(
        problem(refused).await,
        (403, "auth.password_change_required".into()),
        "good for choosing alone"
    );
}

#[tokio::test]
async fn v5_0_0_6_5_6_any_factor_can_be_taken_away() {
    let hub = hub().await;
    let (owner, who) = (hub.owner().await, hub.someone(&[]).await);
    with_app(&hub, &who).await;
    with_passkey(&hub, &who, "Key").await;
    with_phone(&hub, &owner, &who).await;
    let list: Value = hub.get(&who, "/me/factors").await.json().await.unwrap();
    let items = list["items"].as_array().unwrap();
    assert_eq!(items.len(), 3);
    for factor in items {
        let path = format!("/me/factors/{}", factor["id"].as_str().unwrap());
        assert_eq!(
            hub.send(&who, Method::DELETE, &path, json!({})).await.status(),
            204,
            "{factor}"
        );
    }
    told(login(&hub, &who.email).await, 200).await;
    assert_eq!(hub.test.count("SELECT count(*) FROM recovery_codes").await, 0);
}

#[tokio::test]
async fn v5_0_0_6_7_2_each_ceremony_of_a_passkey_has_a_challenge_of_its_own() {
    let hub = hub().await;
    let mut seen = BTreeSet::new();
    for _ in 0..8 {
        let begun = told(post(&hub, None, "/auth/passkey/options", json!({})).await, 200).await;
        let challenge = begun["options"]["challenge"].as_str().unwrap().to_owned();
        // 64 bits in base 64 are 11 characters
        assert!(challenge.len() >= 22 && seen.insert(challenge), "{begun}");
    }
}
