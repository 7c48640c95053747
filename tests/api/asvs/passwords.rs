//! V6.2, passwords: which of them nobody may choose, and V6.4, how a forgotten one is replaced.

use super::super::factors::{now, show, told, totp, with_app};
use super::{choose, login};
use crate::harness::{Hub, PASSWORD, SignedIn, hub, hub_with, problem_in_full};
use crate::services::hub::Folder;
use reqwest::{Method, Response};
use serde_json::{Value, json};
use signalbox_core::testing::mailed;

/// What is wrong with the password, as the hub says of its field.
async fn wrong(answer: Response) -> String {
    let (status, _, body) = problem_in_full(answer).await;
    assert_eq!(status, 422, "{body}");
    body["errors"][0]["code"].as_str().unwrap().to_owned()
}

/// A link to somebody who is invited, whose password nobody has chosen yet.
async fn invited(hub: &Hub, owner: &SignedIn, name: &str) -> String {
    let body = json!({"email": "lovelace@example.com", "name": name});
    let made = hub.send(owner, Method::POST, "/invitations", body).await;
    assert_eq!(made.status(), 201);
    mailed(&hub.test).await[0].token()
}

/// Every way in which somebody's password comes to be another one.
async fn ways(hub: &Hub, password: &str) -> Vec<Response> {
    let (owner, who) = (hub.owner().await, hub.someone(&[]).await);
    let new = json!({"email": "new@example.com", "name": "New", "password": password});
    let forgot = hub
        .post("/auth/password/forgot", json!({"email": who.email}))
        .await;
    assert_eq!(forgot.status(), 202);
    let token = mailed(&hub.test).await[0].token();
    let reset = json!({"token": token, "password": password});
    let open = json!({"sign_up": {"open": true}});
    assert_eq!(
        hub.send(&owner, Method::PATCH, "/settings", open).await.status(),
        200
    );
    hub.post("/auth/sign_up", json!({"email": "up@example.com"}))
        .await;
    let up = mailed(&hub.test).await[0].token();
    let up = json!({"token": up, "name": "Up", "password": password});
    let accept = json!({"token": invited(hub, &owner, "Ada").await, "password": password});
    vec![
        choose(hub, &who, PASSWORD, password).await,
        hub.send(&owner, Method::POST, "/users", new).await,
        hub.post("/auth/password/reset", reset).await,
        hub.post("/auth/sign_up/confirm", up).await,
        hub.post("/invitations/accept", accept).await,
    ]
}

#[tokio::test]
async fn v5_0_0_6_2_4_common_passwords_are_refused_wherever_one_is_chosen() {
    let list = include_str!("../../../core/src/kernel/password_policy/common.txt");
    assert!(list.lines().filter(|line| line.chars().count() >= 8).count() >= 3_000);
    let hub = hub().await;
    for refused in ways(&hub, "Password1").await {
        assert_eq!(wrong(refused).await, "common");
    }
    let who = hub.someone(&[]).await;
    for guess in [
        "qwertyuiop",
        "iloveyou1",
        "12345678",
        "Sunshine",
        "trustno1",
        "aaaaaaaaaa",
    ] {
        assert_eq!(
            wrong(choose(&hub, &who, PASSWORD, guess).await).await,
            "common",
            "{guess}"
        );
    }
}

#[tokio::test]
async fn v5_0_0_6_2_11_no_password_is_made_of_the_hubs_name_or_the_persons_own() {
    let hub = hub().await;
    let owner = hub.owner().await;
    let token = invited(&hub, &owner, "Augusta Byron").await;
    for guess in ["Signalbox: 42", "Augusta-Byron", "lovelace42", "byron+signalbox"] {
        let body = json!({"token": token, "password": guess});
        assert_eq!(
            wrong(hub.post("/invitations/accept", body).await).await,
            "own",
            "{guess}"
        );
    }
    let body = json!({"token": token, "password": "signalbox of seven herons"});
    assert_eq!(
        hub.post("/invitations/accept", body).await.status(),
        200,
        "a word among others is none"
    );
}

#[tokio::test]
async fn v5_0_0_6_2_12_breached_passwords_are_refused_wherever_one_is_chosen() {
    const BREACHED: &str = "a heron stands in the reeds";
    let folder = Folder::new();
    let file = folder.path().join("breached.txt");
    // the second line is its SHA-1
    let lines = "00000000A8DAE4228F821FB418F59826079BF368:4\n6F857A77A5D9F521769056CB52F4810724B8B018:17\nFFFFFFFEE791CBAC0F6305CAF0CEE06BBE131160:2\n";
    std::fs::write(&file, lines).unwrap();
    let hub = hub_with(&[("SIGNALBOX__AUTH__BREACHED_PASSWORDS", file.to_str().unwrap())]).await;
    for refused in ways(&hub, BREACHED).await {
        assert_eq!(wrong(refused).await, "breached");
    }
    let who = hub.someone(&[]).await;
    assert_eq!(
        choose(&hub, &who, PASSWORD, "two herons stand there")
            .await
            .status(),
        204
    );
}

#[tokio::test]
async fn v5_0_0_6_4_3_a_link_to_a_new_password_goes_round_no_second_factor() {
    let hub = hub().await;
    let who = hub.someone(&["viewer"]).await;
    let (secret, _) = with_app(&hub, &who).await;
    // that there is a factor now was told
    mailed(&hub.test).await;
    hub.post("/auth/password/forgot", json!({"email": who.email}))
        .await;
    let mails = mailed(&hub.test).await;
    assert_eq!(mails[0].to, who.email);
    let reset = json!({"token": mails[0].token(), "password": "another of my own"});
    let owed: Value = told(hub.post("/auth/password/reset", reset.clone()).await, 202).await;
    assert!(
        owed.get("access_token").is_none() && owed.get("refresh_token").is_none(),
        "{owed}"
    );
    assert_eq!(
        hub.post("/auth/password/reset", reset).await.status(),
        410,
        "a link is good once"
    );
    let asked = &owed["factor_needed"];
    assert_eq!(asked["kinds"], json!(["totp", "recovery_code"]));
    told(show(&hub, asked, totp("000000")).await, 403).await;
    told(show(&hub, asked, totp(&now(&hub, &secret))).await, 200).await;
    // and the new password is no way round it either
    assert_eq!(login(&hub, &who.email, "another of my own").await.status(), 202);
    assert_eq!(login(&hub, &who.email, PASSWORD).await.status(), 401);
}
