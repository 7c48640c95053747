//! V6, authentication.

use super::{choose, login};
use crate::harness::{PASSWORD, hub, hub_with, problem};
use crate::services::hub::{Folder, Hub, signalbox};
use reqwest::Method;
use serde_json::{Value, json};

#[tokio::test]
async fn v5_0_0_6_2_1_a_password_has_eight_characters_at_least() {
    let hub = hub().await;
    let owner = hub.owner().await;
    assert_eq!(
        problem(choose(&hub, &owner, PASSWORD, "7 chars").await).await.0,
        422
    );
    assert_eq!(choose(&hub, &owner, PASSWORD, "8 wörter").await.status(), 204);
}

#[tokio::test]
async fn v5_0_0_6_2_2_people_change_their_own_password() {
    let hub = hub().await;
    let who = hub.someone(&[]).await;
    assert_eq!(
        choose(&hub, &who, PASSWORD, "another of my own").await.status(),
        204
    );
    assert_eq!(problem(login(&hub, &who.email, PASSWORD).await).await.0, 401);
    assert_eq!(login(&hub, &who.email, "another of my own").await.status(), 200);
}

#[tokio::test]
async fn v5_0_0_6_2_3_whoever_changes_a_password_must_know_the_present_one() {
    let hub = hub().await;
    let who = hub.someone(&[]).await;
    let status = choose(&hub, &who, "not the present one", "another of my own")
        .await
        .status();
    assert!(status.is_client_error(), "{status}");
    let without = hub
        .send(
            &who,
            Method::POST,
            "/me/password",
            json!({"new_password": "another of my own"}),
        )
        .await;
    assert_eq!(problem(without).await.0, 422);
    assert_eq!(login(&hub, &who.email, PASSWORD).await.status(), 200);
}

#[tokio::test]
async fn v5_0_0_6_2_5_a_password_may_be_of_any_characters() {
    let hub = hub().await;
    let owner = hub.owner().await;
    for (n, password) in [
        "qzwxecrvtb",
        "83924710564",
        "        .",
        "ゆっくり走る電車が好き",
        "🦆🦆🦢🦢🦩🦩🐧🐧🐔",
    ]
    .iter()
    .enumerate()
    {
        let person = json!({"email": format!("any-{n}@example.com"), "name": "Any", "password": password});
        let made = hub.send(&owner, Method::POST, "/users", person).await;
        assert_eq!(made.status(), 201, "{password}: {}", made.text().await.unwrap());
    }
}

#[tokio::test]
async fn v5_0_0_6_2_8_a_password_is_checked_as_it_was_typed() {
    let hub = hub().await;
    let who = hub.someone(&[]).await;
    for typed in [
        PASSWORD.to_uppercase(),
        format!("{PASSWORD} "),
        format!(" {PASSWORD}"),
        PASSWORD.replace(' ', ""),
    ] {
        assert_eq!(
            problem(login(&hub, &who.email, &typed).await).await.0,
            401,
            "{typed:?}"
        );
    }
    let long = "a long row of words ".repeat(6);
    assert_eq!(choose(&hub, &who, PASSWORD, &long).await.status(), 204);
    assert_eq!(
        problem(login(&hub, &who.email, &long[..119]).await).await.0,
        401,
        "nothing is cut off"
    );
    assert_eq!(login(&hub, &who.email, &long).await.status(), 200);
}

#[tokio::test]
async fn v5_0_0_6_2_9_a_password_may_be_long() {
    let hub = hub().await;
    let who = hub.someone(&[]).await;
    let long = "four words and more, ".repeat(6);
    assert_eq!(choose(&hub, &who, PASSWORD, &long).await.status(), 204);
    assert_eq!(login(&hub, &who.email, &long).await.status(), 200);
}

#[tokio::test]
async fn v5_0_0_6_2_10_no_password_runs_out() {
    let hub = hub().await;
    let who = hub.person(&[]).await;
    hub.clock.advance(time::Duration::days(3 * 365));
    assert_eq!(login(&hub, &who, PASSWORD).await.status(), 200);
}

#[tokio::test]
async fn v5_0_0_6_3_1_guessing_passwords_is_slowed_down() {
    let hub = hub_with(&[("SIGNALBOX__AUTH__FAILURES_PER_ACCOUNT", "3")]).await;
    let who = hub.person(&[]).await;
    for _ in 0..3 {
        assert_eq!(login(&hub, &who, "a guess").await.status(), 401);
    }
    let refused = login(&hub, &who, PASSWORD).await;
    assert!(refused.headers().contains_key("retry-after"));
    assert_eq!(problem(refused).await.0, 429);
}

#[test]
fn v5_0_0_6_3_2_the_first_owner_has_a_password_of_their_own_and_there_is_nobody_else() {
    let passwords: Vec<String> = (0..2)
        .map(|_| {
            let folder = Folder::new();
            let mut hub = Hub::launch(signalbox(), folder.path());
            hub.wait_until_ready();
            let told = hub
                .said()
                .lines()
                .find(|line| line.starts_with("Sign in as "))
                .unwrap()
                .to_owned();
            let people = crate::services::hub::sql(folder.path(), "SELECT count(*) FROM users");
            assert_eq!(people, "1");
            told
        })
        .collect();
    assert_ne!(passwords[0], passwords[1]);
}

#[tokio::test]
async fn v5_0_0_6_3_4_there_is_no_way_in_that_is_not_documented() {
    let document = serde_json::to_value(signalbox::http::document()).unwrap();
    let page = include_str!("../../../docs/SECURITY.md");
    for (path, item) in document["paths"].as_object().unwrap() {
        for operation in item.as_object().unwrap().values() {
            let open = operation["security"]
                .as_array()
                .is_some_and(|any| any.contains(&json!({})));
            let id = operation["operationId"].as_str().unwrap();
            assert!(
                !open || page.contains(&format!("`{id}`")),
                "{path}: {id} is open, and not in docs/SECURITY.md"
            );
        }
    }
}

#[tokio::test]
async fn v5_0_0_6_4_1_a_password_that_the_hub_made_is_random_and_good_for_choosing_another_only() {
    let hub = hub().await;
    let (owner, who) = (hub.owner().await, hub.someone(&["viewer"]).await);
    let path = format!("/users/{}/reset_password", who.id);
    let mut made = Vec::new();
    for _ in 0..2 {
        let answer: Value = hub
            .send(&owner, Method::POST, &path, json!({}))
            .await
            .json()
            .await
            .unwrap();
        made.push(answer["one_time_password"].as_str().unwrap().to_owned());
    }
    assert!(
        made[0] != made[1] && made[0].len() >= 16,
        "{} characters",
        made[0].len()
    );
    assert_eq!(
        problem(login(&hub, &who.email, &made[0]).await).await.0,
        401,
        "the later one counts"
    );
    let who = {
        let tokens: Value = login(&hub, &who.email, &made[1]).await.json().await.unwrap();
        crate::harness::SignedIn {
            token: tokens["access_token"].as_str().unwrap().to_owned(),
            ..who
        }
    };
    assert_eq!(
        problem(hub.get(&who, "/users").await).await.1,
        "auth.password_change_required"
    );
    assert_eq!(
        problem(choose(&hub, &who, &made[1], &made[1]).await).await.0,
        422,
        "it must not stay"
    );
    assert_eq!(choose(&hub, &who, &made[1], "one of my own").await.status(), 204);
    assert_eq!(problem(login(&hub, &who.email, &made[1]).await).await.0, 401);
}

#[tokio::test]
async fn v5_0_0_6_4_2_nothing_is_asked_for_but_what_somebody_knows_or_has() {
    let document = serde_json::to_value(signalbox::http::document()).unwrap();
    let schemas = document["components"]["schemas"].as_object().unwrap().values();
    let fields: Vec<&String> = schemas
        .filter_map(|schema| schema["properties"].as_object())
        .flat_map(|properties| properties.keys())
        .collect();
    assert!(fields.len() > 100);
    for word in ["password_hint", "question", "answer", "mother", "birthday"] {
        assert!(!fields.iter().any(|field| field.contains(word)), "{word}");
    }
}
