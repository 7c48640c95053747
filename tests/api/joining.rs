//! How people come in by links: invited, by a new password, signed up; and how they change their address.

use crate::harness::{Hub, PASSWORD, SignedIn, hub, hub_with, problem};
use reqwest::{Method, Response};
use serde_json::{Value, json};
use signalbox_core::testing::{Mailed, mailed};

const CHOSEN: &str = "battery staple horse";

async fn invited(hub: &Hub, who: &SignedIn, email: &str) -> (Value, String) {
    let body = json!({"email": email, "name": "Ada"});
    let answer = hub.send(who, Method::POST, "/invitations", body).await;
    assert_eq!(answer.status(), 201);
    let made = answer.json().await.unwrap();
    (made, mails(hub, email).await[0].token())
}

/// What went out to `email` since the last call, and to nobody else.
async fn mails(hub: &Hub, email: &str) -> Vec<Mailed> {
    let mails = mailed(&hub.test).await;
    assert!(mails.iter().all(|mail| mail.to == email), "{mails:?}");
    mails
}

async fn accept(hub: &Hub, token: &str) -> Response {
    hub.post("/invitations/accept", json!({"token": token, "password": CHOSEN}))
        .await
}

async fn sign_in(hub: &Hub, email: &str, password: &str) -> u16 {
    let answer = hub
        .post("/auth/login", json!({"email": email, "password": password}))
        .await;
    answer.status().as_u16()
}

#[tokio::test]
async fn whoever_is_invited_looks_chooses_a_password_and_is_signed_in() {
    let hub = hub().await;
    let owner = hub.owner().await;
    let (made, token) = invited(&hub, &owner, "ada@example.com").await;
    assert_eq!(
        (&made["state"], &made["created_by"]["id"]),
        (&json!("open"), &json!(owner.id))
    );
    assert_eq!(sign_in(&hub, "ada@example.com", CHOSEN).await, 401);
    let shown: Value = hub
        .post("/invitations/look", json!({"token": token}))
        .await
        .json()
        .await
        .unwrap();
    assert_eq!(
        (&shown["email"], &shown["name"]),
        (&json!("ada@example.com"), &json!("Ada"))
    );
    let weak = hub
        .post(
            "/invitations/accept",
            json!({"token": token, "password": "short"}),
        )
        .await;
    assert_eq!(problem(weak).await.0, 422);
    let tokens: Value = accept(&hub, &token).await.json().await.unwrap();
    let me = hub
        .ask(Method::GET, "/me")
        .bearer_auth(tokens["access_token"].as_str().unwrap());
    let me: Value = me.send().await.unwrap().json().await.unwrap();
    assert_eq!(me["user"]["id"], made["user_id"]);
    assert_eq!(sign_in(&hub, "ada@example.com", CHOSEN).await, 200);
    assert_eq!(
        problem(accept(&hub, &token).await).await,
        (410, "invitation.gone".into())
    );
    let listed: Value = hub.get(&owner, "/invitations").await.json().await.unwrap();
    assert_eq!(listed["items"][0]["state"], "accepted");
    let methods = hub
        .test
        .texts("SELECT array_to_string(methods, ' ') FROM user_sessions ORDER BY created_at")
        .await;
    assert!(methods.contains(&"mail pwd".to_owned()), "{methods:?}");
}

#[tokio::test]
async fn an_invitation_is_sent_again_and_taken_back() {
    let hub = hub().await;
    let owner = hub.owner().await;
    let (made, first) = invited(&hub, &owner, "ada@example.com").await;
    let path = format!("/invitations/{}", made["id"].as_str().unwrap());
    let again = hub
        .send(&owner, Method::POST, &format!("{path}/resend"), json!({}))
        .await;
    assert_eq!(again.status(), 200);
    let second = mails(&hub, "ada@example.com").await[0].token();
    assert_eq!(problem(accept(&hub, &first).await).await.0, 410);
    let back = hub
        .send(&owner, Method::POST, &format!("{path}/withdraw"), json!({}))
        .await;
    assert_eq!(back.json::<Value>().await.unwrap()["state"], "withdrawn");
    assert_eq!(problem(accept(&hub, &second).await).await.0, 410);
    let viewer = hub.someone(&["viewer"]).await;
    let refused = hub
        .send(
            &viewer,
            Method::POST,
            "/invitations",
            json!({"email": "b@example.com", "name": "B"}),
        )
        .await;
    assert_eq!(problem(refused).await, (403, "permission.missing".into()));
    let seen: Value = hub.get(&viewer, "/invitations").await.json().await.unwrap();
    assert_eq!(
        (&seen["items"][0]["email"], &seen["items"][0]["can"]),
        (&Value::Null, &json!([]))
    );
}

#[tokio::test]
async fn a_forgotten_password_is_replaced_by_mail_and_every_session_ends() {
    let hub = hub().await;
    let ada = hub.someone(&["viewer"]).await;
    for email in [ada.email.as_str(), "nobody@example.com", "not an address"] {
        let asked = hub.post("/auth/password/forgot", json!({"email": email})).await;
        assert_eq!(
            (asked.status().as_u16(), asked.text().await.unwrap()),
            (202, String::new()),
            "{email}"
        );
    }
    let token = mails(&hub, &ada.email).await[0].token();
    let reset = json!({"token": token, "password": CHOSEN});
    let answer = hub.post("/auth/password/reset", reset.clone()).await;
    assert_eq!(answer.status(), 200);
    assert!(answer.json::<Value>().await.unwrap()["access_token"].is_string());
    assert_eq!(
        problem(hub.get(&ada, "/me").await).await.0,
        401,
        "the session of before"
    );
    assert_eq!(sign_in(&hub, &ada.email, PASSWORD).await, 401);
    assert_eq!(sign_in(&hub, &ada.email, CHOSEN).await, 200);
    let again = hub.post("/auth/password/reset", reset).await;
    assert_eq!(problem(again).await, (410, "auth.reset_link_gone".into()));
    assert!(hub.audited().await.contains(&"auth.reset_password".to_owned()));
}

#[tokio::test]
async fn whoever_asks_for_many_links_or_tries_many_tokens_is_slowed_down() {
    let hub = hub_with(&[("SIGNALBOX__AUTH__FAILURES_PER_ADDRESS_PER_MINUTE", "8")]).await;
    let ask = async |email: &str| {
        let answer = hub.post("/auth/password/forgot", json!({"email": email})).await;
        answer.status().as_u16()
    };
    let mut answers = Vec::new();
    for _ in 0..6 {
        answers.push(ask("ada@example.com").await);
    }
    assert_eq!(
        answers,
        [202, 202, 202, 202, 202, 429],
        "of one mailbox, whether anybody has it or not"
    );
    // of one address: what was asked for is forgotten bit by bit, and on a machine that takes its time one more or two are let in
    let mut others = Vec::new();
    while others.len() < 12 && !others.contains(&429) {
        others.push(ask(&format!("other-{}@example.com", others.len())).await);
    }
    assert_eq!(others.pop(), Some(429), "of one address, after {others:?}");
    assert!(
        others.len() >= 3 && others.iter().all(|status| *status == 202),
        "{others:?}"
    );
    let mut tried = Vec::new();
    while tried.len() < 20 && !tried.contains(&429) {
        let token = format!("{:043}", tried.len());
        tried.push(problem(accept(&hub, &token).await).await.0);
    }
    assert_eq!((tried[0], tried.last()), (410, Some(&429)), "{tried:?}");
}

#[tokio::test]
async fn an_address_changes_when_both_mailboxes_say_so() {
    let hub = hub().await;
    let ada = hub.someone(&["viewer"]).await;
    let wanted = json!({"new_email": "new@example.com"});
    let asked = hub.send(&ada, Method::POST, "/me/email", wanted.clone()).await;
    assert_eq!(asked.status(), 202);
    let waiting: Value = hub.get(&ada, "/me/email").await.json().await.unwrap();
    assert_eq!(waiting["waiting"]["new_email"], "new@example.com");
    for (n, mail) in mailed(&hub.test).await.into_iter().enumerate() {
        let body = json!({"token": mail.token(), "confirm": true});
        let done: Value = hub.post("/auth/email/confirm", body).await.json().await.unwrap();
        assert_eq!(done["state"], ["waiting", "changed"][n]);
    }
    let me: Value = hub.get(&ada, "/me").await.json().await.unwrap();
    assert_eq!(me["user"]["email"], "new@example.com", "and the session stays");
    let back = hub
        .send(
            &ada,
            Method::POST,
            "/me/email",
            json!({"new_email": "other@example.com"}),
        )
        .await;
    assert_eq!(back.status(), 202);
    let kept = hub.send(&ada, Method::DELETE, "/me/email", json!({})).await;
    assert_eq!(kept.status(), 204);
    let token = mailed(&hub.test).await[0].token();
    let refused = hub
        .post("/auth/email/confirm", json!({"token": token, "confirm": true}))
        .await;
    assert_eq!(problem(refused).await, (410, "auth.email_link_gone".into()));
    hub.clock.advance(time::Duration::minutes(11));
    let late = hub.send(&ada, Method::POST, "/me/email", wanted).await;
    assert_eq!(problem(late).await, (403, "auth.step_up_needed".into()));
}

#[tokio::test]
async fn people_sign_up_where_the_organization_lets_them() {
    let hub = hub().await;
    let owner = hub.owner().await;
    let sign_up = async |email: &str| hub.post("/auth/sign_up", json!({"email": email})).await;
    assert_eq!(
        problem(sign_up("ada@example.com").await).await,
        (403, "sign_up.closed".into())
    );
    let open = json!({"sign_up": {"open": true, "domains": ["example.com"]}});
    assert_eq!(
        hub.send(&owner, Method::PATCH, "/settings", open).await.status(),
        200
    );
    let shown: Value = hub
        .ask(Method::GET, "/auth/sign_up")
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(shown, json!({"open": true, "domains": ["example.com"]}));
    assert_eq!(problem(sign_up("ada@evil.example").await).await.0, 422);
    for email in ["owner@example.com", "ada@example.com"] {
        let asked = sign_up(email).await;
        assert_eq!(
            (asked.status().as_u16(), asked.text().await.unwrap()),
            (202, String::new()),
            "{email}"
        );
    }
    let mails = mailed(&hub.test).await;
    assert!(!mails[0].text.contains('#') && mails[1].to == "ada@example.com");
    let come = json!({"token": mails[1].token(), "name": "Ada", "password": CHOSEN});
    assert_eq!(
        hub.post("/auth/sign_up/confirm", come.clone()).await.status(),
        200
    );
    assert_eq!(
        problem(hub.post("/auth/sign_up/confirm", come).await).await.0,
        410
    );
    assert_eq!(sign_in(&hub, "ada@example.com", CHOSEN).await, 200);
}

#[tokio::test]
async fn a_link_to_a_new_password_is_over_once_somebody_has_chosen_one_themselves() {
    let hub = hub().await;
    let ada = hub.someone(&["viewer"]).await;
    hub.post("/auth/password/forgot", json!({"email": ada.email}))
        .await;
    let token = mails(&hub, &ada.email).await[0].token();
    let own = json!({"current_password": PASSWORD, "new_password": CHOSEN});
    let chosen = hub.send(&ada, Method::POST, "/me/password", own).await;
    assert_eq!(chosen.status(), 204);
    let reset = json!({"token": token, "password": "staple battery horse"});
    let refused = hub.post("/auth/password/reset", reset).await;
    assert_eq!(problem(refused).await, (410, "auth.reset_link_gone".into()));
    assert_eq!(sign_in(&hub, &ada.email, CHOSEN).await, 200);
}

#[tokio::test]
async fn another_address_is_asked_for_a_few_times_whichever_it_is_and_however_often_it_is_taken_back() {
    let hub = hub().await;
    let (ada, bob) = (hub.someone(&[]).await, hub.someone(&[]).await);
    let ask = async |who: &SignedIn, n: usize| {
        let wanted = json!({"new_email": format!("stranger{n}@example.com")});
        hub.send(who, Method::POST, "/me/email", wanted).await
    };
    for n in 0..5 {
        assert_eq!(ask(&ada, n).await.status(), 202);
        let kept = hub.send(&ada, Method::DELETE, "/me/email", json!({})).await;
        assert_eq!(kept.status(), 204);
    }
    let refused = problem(ask(&ada, 5).await).await;
    assert_eq!(refused, (429, "auth.too_many_attempts".into()));
    assert_eq!(ask(&bob, 6).await.status(), 202);
}
