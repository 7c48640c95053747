//! V10, OpenID Connect: the way to a provider and back, and what it says of somebody.

use super::super::providers::{BACK, Stage, people};
use super::json_of;
use crate::harness::problem;
use crate::live::identity::{Browser, CLIENT, returned};
use reqwest::{Method, Response};
use serde_json::{Value, json};

pub(super) async fn refused(answer: Response) -> String {
    let (status, code) = problem(answer).await;
    assert_eq!(status, 401, "{code}");
    code
}

/// Somebody leaves, signs in at the provider as Ada, and is about to come back: the cookie, and what they bring.
pub(super) async fn on_the_way_back(stage: &Stage) -> (String, Value) {
    let (url, cookie) = stage.leave().await;
    let back = Browser::new().go(&url, "ada", BACK).await;
    (cookie, returned(&back))
}

#[tokio::test(flavor = "multi_thread")]
async fn v5_0_0_10_1_1_a_providers_tokens_stay_at_the_hub_and_the_hubs_own_in_cookies() {
    let stage = Stage::set(json!({"provision": true})).await;
    let (cookie, brought) = on_the_way_back(&stage).await;
    let finish = stage
        .hub
        .ask(Method::POST, "/auth/providers/finish")
        .header("cookie", cookie);
    let finish = finish
        .header("x-signalbox-client", "console")
        .header("origin", &stage.hub.url);
    let answer = finish.json(&brought).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let set = answer.headers().get_all("set-cookie").iter();
    let set: Vec<String> = set.map(|set| set.to_str().unwrap().to_owned()).collect();
    assert!(
        set.len() >= 2 && set.iter().all(|set| set.contains("HttpOnly")),
        "{set:?}"
    );
    // no token of whomever: each JWT begins so, and the hub's refresh token would stand under its name
    let told = answer.text().await.unwrap();
    assert!(!told.contains("eyJ") && !told.contains("refresh_token"), "{told}");
    for table in [
        "linked_accounts",
        "provider_sign_ins",
        "user_sessions",
        "audit_logs",
        "outbox",
    ] {
        let rows = stage
            .hub
            .test
            .texts(format!("SELECT t::text FROM {table} t"))
            .await;
        assert!(
            !rows.is_empty() && rows.iter().all(|row| !row.contains("eyJ")),
            "{table}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn v5_0_0_10_1_2_a_code_is_taken_in_the_sign_in_and_the_browser_that_it_was_given_to_alone() {
    let stage = Stage::set(json!({"provision": true})).await;
    let (mine, good) = on_the_way_back(&stage).await;
    let (theirs, stolen) = on_the_way_back(&stage).await;
    let another = stage.come_back(&theirs, good.clone()).await;
    assert_eq!(refused(another).await, "providers.begin_anew", "another browser");
    // a code of another sign-in under the state of this one: its PKCE and its nonce are another's
    let mut injected = good.clone();
    injected["code"] = stolen["code"].clone();
    assert_eq!(
        refused(stage.come_back(&mine, injected).await).await,
        "providers.sign_in_failed"
    );
    assert_eq!(stage.come_back(&mine, good).await.status(), 200);
    let secrets = stage.leave().await.0;
    let secrets = reqwest::Url::parse(&secrets).unwrap();
    for name in ["state", "nonce", "code_challenge"] {
        let (_, value) = secrets.query_pairs().find(|(key, _)| key == name).unwrap();
        assert!(value.len() >= 43, "256 bits: {name}={value}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn v5_0_0_10_2_1_another_site_has_nobody_signed_in_with_its_own_code() {
    let stage = Stage::set(json!({"provision": true})).await;
    let (_, of_attacker) = on_the_way_back(&stage).await;
    for cookie in ["", "__Host-signalbox_away=AAAA"] {
        let forced = stage.come_back(cookie, of_attacker.clone()).await;
        assert_eq!(refused(forced).await, "providers.begin_anew", "{cookie}");
    }
    let (victims, _) = on_the_way_back(&stage).await;
    let forced = stage.come_back(&victims, of_attacker).await;
    assert_eq!(
        refused(forced).await,
        "providers.begin_anew",
        "in the middle of a sign-in of their own"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn v5_0_0_10_2_2_an_answer_of_another_provider_is_none_of_this_one() {
    let stage = Stage::set(json!({"provision": true})).await;
    let (cookie, good) = on_the_way_back(&stage).await;
    for issuer in [
        json!("https://evil.example.com"),
        json!(format!("{}/", stage.identity.issuer)),
        Value::Null,
    ] {
        let mut mixed_up = good.clone();
        mixed_up["iss"] = issuer.clone();
        assert_eq!(
            refused(stage.come_back(&cookie, mixed_up).await).await,
            "providers.begin_anew",
            "{issuer}"
        );
    }
    assert_eq!(stage.come_back(&cookie, good).await.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn v5_0_0_10_5_1_an_id_token_of_another_sign_in_is_not_taken_again() {
    let mut stage = Stage::set(json!({"provision": true})).await;
    for nonce in [json!("of another sign-in"), json!(""), Value::Null] {
        stage.identity.spoil(json!({"nonce": nonce}), json!({}), "").await;
        assert_eq!(
            refused(stage.sign_in("ada").await).await,
            "providers.sign_in_failed",
            "{nonce}"
        );
    }
    let long_ago = stage.hub.clock.now().unix_timestamp() - 700;
    stage
        .identity
        .spoil(json!({"iat": long_ago}), json!({}), "")
        .await;
    assert_eq!(
        refused(stage.sign_in("ada").await).await,
        "providers.sign_in_failed"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn v5_0_0_10_5_2_people_of_a_provider_are_known_by_its_subject_and_not_by_what_may_be_given_again() {
    let mut stage = Stage::set(json!({"provision": true})).await;
    let ada = stage.me(stage.sign_in("ada").await).await;
    let mut others = people();
    // the provider gives her address to somebody else, and another to her
    others["eve"]["email"] = json!("ada@example.com");
    others["ada"]["email"] = json!("countess@example.com");
    stage.identity.people(others).await;
    let told = problem(stage.sign_in("eve").await).await;
    assert_eq!(told, (403, "providers.not_linked".into()));
    let again = stage.me(stage.sign_in("ada").await).await;
    assert_eq!(again["user"]["id"], ada["user"]["id"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn v5_0_0_10_5_3_a_configuration_that_names_another_issuer_is_not_believed() {
    let stage = Stage::set(json!({})).await;
    // at the same place, and not of this issuer: its own name has no slash at the end
    let slash = format!("{}/", stage.identity.issuer);
    let other = stage.add(json!({"name": "Misspelt", "issuer": slash})).await;
    let id = other["id"].as_str().unwrap();
    let start = stage
        .hub
        .post(&format!("/auth/providers/{id}/start"), json!({}))
        .await;
    assert!(start.headers().get("set-cookie").is_none());
    assert_eq!(problem(start).await.0, 503);
    let path = format!("/providers/{id}/test");
    let tested = json_of(stage.hub.send(&stage.owner, Method::POST, &path, json!({})).await).await;
    assert_eq!(tested["works"], false, "{tested}");
}

#[tokio::test(flavor = "multi_thread")]
async fn v5_0_0_10_5_4_an_id_token_for_another_client_is_not_taken() {
    let mut stage = Stage::set(json!({"provision": true})).await;
    for claims in [
        json!({"aud": "another"}),
        json!({"aud": ["another"]}),
        json!({"aud": [CLIENT, "another"]}),
        json!({"aud": CLIENT, "azp": "another"}),
        json!({"aud": Value::Null}),
    ] {
        stage.identity.spoil(claims.clone(), json!({}), "").await;
        assert_eq!(
            refused(stage.sign_in("ada").await).await,
            "providers.sign_in_failed",
            "{claims}"
        );
    }
    let several = json!({"aud": [CLIENT, "another"], "azp": CLIENT});
    stage.identity.spoil(several, json!({}), "").await;
    stage.me(stage.sign_in("ada").await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn v5_0_0_10_5_5_a_logout_token_is_typed_as_one_tells_of_a_logout_and_holds_no_nonce() {
    let mut stage = Stage::set(json!({"provision": true})).await;
    let session = stage.signed_in("ada").await;
    let base = stage.logout("j");
    let with = |field: &str, value: Value| {
        let mut changed = base.clone();
        changed[field] = value;
        changed
    };
    let typed = || json!({"typ": "logout+jwt"});
    for (claims, header) in [
        (base.clone(), json!({})),
        (base.clone(), json!({"typ": "JWT"})),
        (with("events", json!({})), typed()),
        (
            with("events", json!({"http://schemas.openid.net/event/another": {}})),
            typed(),
        ),
        (with("nonce", json!("n")), typed()),
    ] {
        let token = stage.identity.token(claims.clone(), header, "provider").await;
        let told = problem(stage.tell(&token).await).await;
        assert_eq!(told, (400, "providers.logout_refused".into()), "{claims}");
    }
    assert_eq!(stage.status(&session).await, 200);
    let token = stage.identity.token(base, typed(), "provider").await;
    assert_eq!(stage.tell(&token).await.status(), 200);
    assert_eq!(stage.status(&session).await, 401);
}
