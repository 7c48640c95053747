//! V7, session management.

use super::super::matrix::tokens::claims;
use super::{json_of, login};
use crate::harness::{Hub, PASSWORD, SignedIn, hub, problem};
use reqwest::Method;
use serde_json::json;
use std::collections::BTreeSet;

/// Whether a session still is one: by its access token and by its refresh token.
async fn lives(hub: &Hub, who: &SignedIn) -> (bool, bool) {
    let access = hub.get(who, "/me").await.status() == 200;
    let refresh = hub
        .post("/auth/refresh", json!({"refresh_token": who.refresh}))
        .await;
    (access, refresh.status() == 200)
}

#[tokio::test]
async fn v5_0_0_7_2_1_a_session_is_looked_up_at_the_hub_at_every_request() {
    let hub = hub().await;
    let who = hub.owner().await;
    assert_eq!(hub.get(&who, "/me").await.status(), 200);
    let session = &who.session;
    hub.test
        .sql(format!(
            "UPDATE user_sessions SET revoked_at = now() WHERE id = '{session}'"
        ))
        .await;
    // the token itself is as good as before
    assert_eq!(problem(hub.get(&who, "/me").await).await.0, 401);
}

#[tokio::test]
async fn v5_0_0_7_2_2_each_sign_in_makes_tokens_of_its_own() {
    let hub = hub().await;
    let (one, other) = (hub.owner().await, hub.owner().await);
    assert_ne!(
        (&one.token, &one.refresh, &one.session),
        (&other.token, &other.refresh, &other.session)
    );
}

#[tokio::test]
async fn v5_0_0_7_2_3_a_refresh_token_cannot_be_guessed() {
    let hub = hub().await;
    let mut seen = BTreeSet::new();
    for _ in 0..8 {
        let refresh = hub.owner().await.refresh;
        assert!(
            refresh.len() >= 43,
            "256 bits in base 64 are 43 characters: {}",
            refresh.len()
        );
        assert!(seen.insert(refresh), "one came twice");
    }
    let shared = |at: usize| {
        seen.iter()
            .map(|token| token.as_bytes()[at])
            .collect::<BTreeSet<_>>()
            .len()
            == 1
    };
    let fixed = (0..43).filter(|at| shared(*at)).count();
    assert!(fixed < 22, "{fixed} characters are always the same");
}

#[tokio::test]
async fn v5_0_0_7_2_4_signing_in_again_makes_a_new_session_in_place_of_the_browsers_own_and_so_does_a_proof()
{
    let hub = hub().await;
    let (before, after) = (hub.owner().await, hub.owner().await);
    assert_ne!(before.session, after.session);
    let refreshed = json_of(
        hub.post("/auth/refresh", json!({"refresh_token": after.refresh}))
            .await,
    )
    .await;
    assert_ne!(refreshed["refresh_token"], json!(after.refresh));
    hub.clock.advance(time::Duration::minutes(5));
    assert_eq!(
        hub.post("/auth/refresh", json!({"refresh_token": after.refresh}))
            .await
            .status(),
        401
    );
    // a browser that signs in again keeps one session: by the cookie it has, whoever comes
    let http = crate::harness::client();
    let signs_in = async |cookie: &str| {
        let body = json!({"email": "owner@example.com", "password": PASSWORD});
        let asked = http.post(format!("{}/api/v1/auth/login", hub.url)).json(&body);
        let asked = asked
            .header("X-Signalbox-Client", "console")
            .header("Origin", &hub.url)
            .header("Cookie", cookie.to_owned());
        let answer = asked.send().await.unwrap();
        assert_eq!(answer.status(), 200);
        let cookies: Vec<_> = answer
            .headers()
            .get_all("set-cookie")
            .iter()
            .map(|set| {
                let (pair, _) = set.to_str().unwrap().split_once(';').unwrap();
                pair.to_owned()
            })
            .collect();
        cookies.join("; ")
    };
    let first = signs_in("").await;
    let me = async |cookies: &str| {
        let asked = http
            .get(format!("{}/api/v1/me", hub.url))
            .header("Cookie", cookies.to_owned());
        asked.send().await.unwrap().status().as_u16()
    };
    assert_eq!(me(&first).await, 200);
    let second = signs_in(&first).await;
    assert_eq!((me(&first).await, me(&second).await), (401, 200));
    // proving again who one is ends the session before, too
    let who = hub.owner().await;
    let proof = json!({"kind": "password", "password": PASSWORD});
    let proved = json_of(hub.send(&who, Method::POST, "/me/prove", proof).await).await;
    assert_ne!(proved["session_id"], json!(who.session));
    hub.clock.advance(time::Duration::seconds(31));
    assert_eq!(lives(&hub, &who).await, (false, false));
    let now = hub
        .ask(Method::GET, "/me")
        .bearer_auth(proved["access_token"].as_str().unwrap());
    assert_eq!(now.send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn v5_0_0_7_3_1_a_session_that_nobody_uses_ends() {
    let hub = hub().await;
    let who = hub.owner().await;
    hub.clock.advance(time::Duration::days(8));
    assert_eq!(lives(&hub, &who).await, (false, false));
}

#[tokio::test]
async fn v5_0_0_7_3_2_a_session_ends_however_much_it_is_used() {
    let hub = hub().await;
    let mut who = hub.owner().await;
    for _ in 0..100 {
        hub.clock.advance(time::Duration::days(5));
        let answer = hub
            .post("/auth/refresh", json!({"refresh_token": who.refresh}))
            .await;
        if answer.status() == 401 {
            return;
        }
        let tokens = json_of(answer).await;
        tokens["refresh_token"]
            .as_str()
            .unwrap()
            .clone_into(&mut who.refresh);
    }
    panic!("a session was kept alive for more than a year");
}

#[tokio::test]
async fn v5_0_0_7_4_1_after_signing_out_nothing_of_a_session_works() {
    let hub = hub().await;
    let who = hub.owner().await;
    let live = json_of(hub.send(&who, Method::POST, "/live/token", json!({})).await).await;
    assert_eq!(
        hub.send(&who, Method::POST, "/auth/logout", json!({}))
            .await
            .status(),
        204
    );
    assert_eq!(lives(&hub, &who).await, (false, false));
    let claims = claims(live["token"].as_str().unwrap());
    assert_eq!(
        claims["sid"],
        json!(who.session),
        "a live token is of the session that has ended"
    );
}

#[tokio::test]
async fn v5_0_0_7_4_2_whoever_is_banned_or_deleted_has_no_session_left() {
    let hub = hub().await;
    let owner = hub.owner().await;
    let (banned, deleted) = (hub.someone(&[]).await, hub.someone(&[]).await);
    let elsewhere = hub.sign_in(&banned.email).await;
    let ban = format!("/users/{}/ban", banned.id);
    assert_eq!(
        hub.send(&owner, Method::POST, &ban, json!({"reason": "left"}))
            .await
            .status(),
        200
    );
    let gone = hub
        .send(
            &owner,
            Method::DELETE,
            &format!("/users/{}", deleted.id),
            json!({}),
        )
        .await;
    assert_eq!(gone.status(), 204);
    for who in [&banned, &elsewhere, &deleted] {
        assert_eq!(lives(&hub, who).await, (false, false));
    }
}

#[tokio::test]
async fn v5_0_0_7_4_5_an_administrator_ends_the_session_of_another_and_those_of_all() {
    let hub = hub().await;
    let (owner, who) = (hub.owner().await, hub.someone(&[]).await);
    let listed = json_of(hub.get(&owner, &format!("/users/{}/sessions", who.id)).await).await;
    let session = listed["items"][0]["id"].as_str().unwrap();
    let ended = hub
        .send(&owner, Method::DELETE, &format!("/sessions/{session}"), json!({}))
        .await;
    assert_eq!(ended.status(), 204);
    assert_eq!(lives(&hub, &who).await, (false, false));
    let (one, other) = (hub.someone(&["viewer"]).await, hub.someone(&[]).await);
    for whose in [&one, &other] {
        let refused = hub.send(whose, Method::POST, "/sessions/revoke", json!({})).await;
        assert_eq!(problem(refused).await.0, 403);
    }
    hub.clock.advance(time::Duration::seconds(1));
    let all = hub
        .send(&owner, Method::POST, "/sessions/revoke", json!({}))
        .await;
    assert_eq!(all.status(), 200);
    for whose in [&owner, &one, &other] {
        assert_eq!(lives(&hub, whose).await, (false, false));
    }
}

#[tokio::test]
async fn v5_0_0_7_5_1_what_decides_over_signing_in_is_changed_after_a_proof_of_the_last_minutes_only() {
    let hub = hub().await;
    let who = hub.someone(&[]).await;
    let acts = [
        ("/me/email", json!({"new_email": "another@example.com"})),
        ("/me/factors", json!({"kind": "totp"})),
        (
            "/me/factors",
            json!({"kind": "sms", "phone": "+49 151 2345 6789"}),
        ),
        ("/me/recovery_codes", json!({})),
        (
            "/me/password",
            json!({"current_password": PASSWORD, "new_password": "another of my own"}),
        ),
    ];
    for (path, body) in acts.clone() {
        // codes for paper are for whoever has a factor, a new password ends what comes after
        if path != "/me/password" {
            let now = hub.send(&who, Method::POST, path, body).await.status().as_u16();
            assert!(
                [200, 202, 409].contains(&now),
                "{path}: {now}: they have just signed in"
            );
        }
    }
    hub.clock.advance(time::Duration::minutes(11));
    for (path, body) in acts {
        let late = hub.send(&who, Method::POST, path, body).await;
        assert_eq!(problem(late).await, (403, "auth.step_up_needed".into()), "{path}");
    }
    assert_eq!(login(&hub, &who.email, PASSWORD).await.status(), 200);
}

#[tokio::test]
async fn v5_0_0_7_5_2_people_see_their_sessions_and_end_any_of_them() {
    let hub = hub().await;
    let here = hub.someone(&[]).await;
    let elsewhere = hub.sign_in(&here.email).await;
    let listed = json_of(hub.get(&here, &format!("/users/{}/sessions", here.id)).await).await;
    assert_eq!(listed["items"].as_array().unwrap().len(), 2);
    let ended = hub
        .send(
            &here,
            Method::DELETE,
            &format!("/sessions/{}", elsewhere.session),
            json!({}),
        )
        .await;
    assert_eq!(ended.status(), 204);
    assert_eq!(lives(&hub, &elsewhere).await, (false, false));
}

#[tokio::test]
async fn v5_0_0_7_6_2_no_session_begins_without_an_act_of_its_person() {
    let hub = hub().await;
    let (owner, who) = (hub.owner().await, hub.person(&[]).await);
    let people = hub.get(&owner, "/users").await;
    assert_eq!(people.status(), 200);
    let sessions = "SELECT user_id::text FROM user_sessions";
    assert_eq!(hub.test.texts(sessions).await.len(), 1, "the owner's own");
    // looking at a page that nobody has signed in to begins none
    let page = crate::harness::client()
        .get(format!("{}/", hub.url))
        .send()
        .await
        .unwrap();
    assert!(page.headers().get("set-cookie").is_none());
    assert_eq!(login(&hub, &who, PASSWORD).await.status(), 200);
    assert_eq!(hub.test.texts(sessions).await.len(), 2);
}
