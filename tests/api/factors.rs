//! Second factors, passkeys, and proving again who one is.

use crate::harness::{Hub, PASSWORD, SignedIn, client, hub, hub_with, problem, problem_in_full};
use futures::future::join_all;
use reqwest::{Method, Response};
use serde_json::{Value, json};
use signalbox_core::change::ledger;
use signalbox_core::jobs::Node;
use signalbox_core::kernel::id::BootId;
use signalbox_core::messages;
use signalbox_core::testing::authenticator::Authenticator;
use signalbox_core::testing::code;
use std::time::Instant;
use time::Duration;

/// The hub by its name, since passkeys need one.
fn named(hub: &Hub) -> String {
    hub.url.replace("127.0.0.1", "localhost")
}

/// A POST of a page at the hub's own address.
async fn post(hub: &Hub, who: Option<&SignedIn>, path: &str, body: Value) -> Response {
    let url = format!("{}/api/v1{path}", named(hub));
    let mut request = client().post(url).header("origin", named(hub)).json(&body);
    if let Some(who) = who {
        request = request.bearer_auth(&who.token);
    }
    request.send().await.unwrap()
}

async fn told(answer: Response, status: u16) -> Value {
    let (is, text) = (answer.status(), answer.text().await.unwrap());
    assert_eq!(is, status, "{text}");
    serde_json::from_str(&text).unwrap_or_default()
}

/// Sets an authenticator app up; its secret and the recovery codes, where it is the first factor.
async fn with_app(hub: &Hub, who: &SignedIn) -> (String, Vec<String>) {
    let begun = told(
        post(hub, Some(who), "/me/factors", json!({"kind": "totp"})).await,
        200,
    )
    .await;
    let secret = begun["secret"].as_str().unwrap().to_owned();
    assert!(begun["url"].as_str().unwrap().contains(&secret), "{begun}");
    let confirmation = json!({"enrollment": begun["enrollment"], "name": "App", "code": now(hub, &secret)});
    let done = told(
        post(hub, Some(who), "/me/factors/confirm", confirmation).await,
        201,
    )
    .await;
    assert_eq!(done["factor"]["kind"], "totp");
    hub.clock.advance(Duration::seconds(60));
    (secret, codes(&done))
}

fn codes(answer: &Value) -> Vec<String> {
    let codes = answer["recovery_codes"].as_array().into_iter().flatten();
    codes.map(|code| code.as_str().unwrap().to_owned()).collect()
}

fn now(hub: &Hub, secret: &str) -> String {
    code(secret, hub.clock.now())
}

async fn with_passkey(hub: &Hub, who: &SignedIn, name: &str) -> Authenticator {
    let begun = told(
        post(hub, Some(who), "/me/factors", json!({"kind": "passkey"})).await,
        200,
    )
    .await;
    let mut device = Authenticator::new(&named(hub));
    let made = device.make(&begun["options"]);
    let confirmation = json!({"enrollment": begun["enrollment"], "name": name, "credential": made});
    told(
        post(hub, Some(who), "/me/factors/confirm", confirmation).await,
        201,
    )
    .await;
    hub.clock.advance(Duration::seconds(1));
    device
}

async fn login(hub: &Hub, email: &str) -> Response {
    post(
        hub,
        None,
        "/auth/login",
        json!({"email": email, "password": PASSWORD}),
    )
    .await
}

/// What the password alone gets.
async fn ticket(hub: &Hub, email: &str) -> Value {
    told(login(hub, email).await, 202).await["factor_needed"].clone()
}

async fn show(hub: &Hub, ticket: &Value, proof: Value) -> Response {
    post(
        hub,
        None,
        "/auth/factor",
        json!({"ticket": ticket["ticket"], "proof": proof}),
    )
    .await
}

fn totp(code: &str) -> Value {
    json!({"kind": "totp", "code": code})
}

fn signed_in(who: &SignedIn, tokens: &Value) -> SignedIn {
    SignedIn {
        token: tokens["access_token"].as_str().unwrap().to_owned(),
        refresh: tokens["refresh_token"].as_str().unwrap().to_owned(),
        session: tokens["session_id"].as_str().unwrap().to_owned(),
        ..who.clone()
    }
}

/// Kinds of what was said to the person, oldest first.
async fn alerts(hub: &Hub, who: &SignedIn) -> Vec<String> {
    let sql = "SELECT type FROM outbox WHERE array_to_string(channels, ' ') LIKE";
    hub.test
        .texts(format!("{sql} '%inbox:{}%' ORDER BY seq", who.id))
        .await
}

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
    let begun = told(
        post(&hub, Some(&who), "/me/factors", json!({"kind": "totp"})).await,
        200,
    )
    .await;
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
    let begun = told(
        post(&hub, Some(&other), "/me/factors", json!({"kind": "totp"})).await,
        200,
    )
    .await;
    hub.clock.advance(Duration::minutes(11));
    let late = told(login(&hub, &other.email).await, 200).await;
    let other = signed_in(&other, &late);
    let code = now(&hub, begun["secret"].as_str().unwrap());
    let body = json!({"enrollment": begun["enrollment"], "name": "App", "code": code});
    let late = post(&hub, Some(&other), "/me/factors/confirm", body).await;
    assert_eq!(problem(late).await, (422, "factor.not_confirmed".into()));
}

#[tokio::test]
async fn a_passkey_signs_in_alone_and_is_a_second_factor_and_answers_each_ceremony_once() {
    let hub = hub().await;
    let who = hub.someone(&["viewer"]).await;
    let mut device = with_passkey(&hub, &who, "Laptop").await;
    let begun = told(post(&hub, None, "/auth/passkey/options", json!({})).await, 200).await;
    assert_eq!(begun["options"]["rpId"], "localhost");
    assert_eq!(begun["options"]["userVerification"], "required");
    let body = json!({"ceremony": begun["ceremony"], "credential": device.show(&begun["options"])});
    let tokens = told(post(&hub, None, "/auth/passkey", body.clone()).await, 200).await;
    let alone = signed_in(&who, &tokens);
    let me: Value = hub.get(&alone, "/me").await.json().await.unwrap();
    assert_eq!(me["user"]["email"], who.email);
    let replayed = post(&hub, None, "/auth/passkey", body).await;
    assert!([401, 403].contains(&problem(replayed).await.0));

    hub.clock.advance(Duration::seconds(1));
    let asked = ticket(&hub, &who.email).await;
    assert_eq!(asked["kinds"], json!(["passkey", "recovery_code"]));
    let begun = told(
        post(
            &hub,
            None,
            "/auth/passkey/options",
            json!({"ticket": asked["ticket"]}),
        )
        .await,
        200,
    )
    .await;
    assert_eq!(begun["options"]["allowCredentials"].as_array().unwrap().len(), 1);
    let mut answer = device.show(&begun["options"]);
    answer["response"]["userHandle"] = Value::Null;
    let proof = json!({"kind": "passkey", "ceremony": begun["ceremony"], "credential": answer});
    told(show(&hub, &asked, proof).await, 200).await;
    let list: Value = hub.get(&who, "/me/factors").await.json().await.unwrap();
    assert_eq!(
        (&list["items"][0]["name"], &list["items"][0]["site"]),
        (&json!("Laptop"), &json!("localhost"))
    );
    assert!(!list["items"][0]["last_used_at"].is_null());
}

#[tokio::test]
async fn a_passkey_of_another_site_person_or_time_opens_nothing() {
    let hub = hub().await;
    let (who, other) = (hub.someone(&[]).await, hub.someone(&[]).await);
    let (mut device, mut foreign) = (
        with_passkey(&hub, &who, "Laptop").await,
        with_passkey(&hub, &other, "Phone").await,
    );
    let enter = async |device: &mut Authenticator, spoil: &dyn Fn(&mut Value)| {
        let begun = told(post(&hub, None, "/auth/passkey/options", json!({})).await, 200).await;
        let mut body = json!({"ceremony": begun["ceremony"], "credential": device.show(&begun["options"])});
        spoil(&mut body);
        post(&hub, None, "/auth/passkey", body).await
    };
    let own = device.origin.clone();
    for origin in ["https://localhost", "http://evil.example", "http://localhost:1"] {
        device.origin = origin.to_owned();
        let phished = enter(&mut device, &|_| {}).await;
        assert_eq!(
            problem(phished).await,
            (401, "auth.passkey_refused".into()),
            "{origin}"
        );
    }
    device.origin = own;
    for spoil in [
        |body: &mut Value| body["credential"]["response"]["signature"] = json!("MEUCIQ"),
        |body: &mut Value| body["credential"] = json!({}),
        |body: &mut Value| body["ceremony"] = json!("AAAA"),
    ] {
        let spoiled = enter(&mut device, &spoil).await;
        assert_eq!(problem(spoiled).await.0, 401);
    }
    let begun = told(post(&hub, None, "/auth/passkey/options", json!({})).await, 200).await;
    hub.clock.advance(Duration::minutes(5) + Duration::seconds(1));
    let body = json!({"ceremony": begun["ceremony"], "credential": device.show(&begun["options"])});
    assert_eq!(
        problem(post(&hub, None, "/auth/passkey", body).await).await.0,
        401,
        "too late"
    );
    let asked = ticket(&hub, &who.email).await;
    let begun = told(
        post(
            &hub,
            None,
            "/auth/passkey/options",
            json!({"ticket": asked["ticket"]}),
        )
        .await,
        200,
    )
    .await;
    let proof = json!({"kind": "passkey", "ceremony": begun["ceremony"], "credential": foreign.show(&begun["options"])});
    assert_eq!(
        problem(show(&hub, &asked, proof).await).await,
        (403, "factor.refused".into()),
        "somebody else's"
    );
    assert_eq!(enter(&mut device, &|_| {}).await.status(), 200);
    let by_address = hub
        .ask(Method::POST, "/auth/passkey/options")
        .header("origin", &hub.url)
        .json(&json!({}))
        .send()
        .await
        .unwrap();
    assert_eq!(
        problem(by_address).await,
        (409, "factor.passkey_needs_name".into())
    );
}

#[tokio::test]
async fn a_passkey_whose_counter_goes_back_is_refused_and_its_person_told() {
    let hub = hub().await;
    let who = hub.someone(&[]).await;
    let mut device = with_passkey(&hub, &who, "Key").await;
    for (counter, status) in [(10, 200), (3, 401), (11, 200)] {
        device.counter = counter;
        hub.clock.advance(Duration::seconds(1));
        let begun = told(post(&hub, None, "/auth/passkey/options", json!({})).await, 200).await;
        let body = json!({"ceremony": begun["ceremony"], "credential": device.show(&begun["options"])});
        assert_eq!(
            post(&hub, None, "/auth/passkey", body).await.status(),
            status,
            "{counter}"
        );
    }
    assert!(alerts(&hub, &who).await.contains(&"factor.cloned".to_owned()));
}

/// Sets whether holders of `role` need a second factor.
async fn demand(hub: &Hub, owner: &SignedIn, role: &str, demanded: bool) {
    let roles: Value = hub.get(owner, "/roles").await.json().await.unwrap();
    let role = roles["items"]
        .as_array()
        .unwrap()
        .iter()
        .find(|item| item["name"] == role)
        .unwrap();
    let path = format!("/roles/{}", role["id"].as_str().unwrap());
    let set = hub
        .send(owner, Method::PATCH, &path, json!({"requires_factor": demanded}))
        .await;
    assert_eq!(told(set, 200).await["requires_factor"], demanded);
}

#[tokio::test]
async fn whoever_holds_a_role_that_demands_a_factor_sets_one_up_before_anything_else() {
    let hub = hub().await;
    let (owner, who) = (hub.owner().await, hub.someone(&["viewer"]).await);
    demand(&hub, &owner, "viewer", true).await;
    assert_eq!(
        hub.get(&who, "/roles").await.status(),
        200,
        "an open session goes on until its next refresh"
    );
    let asked = ticket(&hub, &who.email).await;
    assert_eq!(
        (&asked["enroll"], &asked["kinds"]),
        (&json!(true), &json!(["passkey", "totp", "sms"]))
    );
    let shown = show(&hub, &asked, totp("000000")).await;
    assert_eq!(problem(shown).await, (401, "auth.ticket_refused".into()));
    let begin = json!({"ticket": asked["ticket"], "factor": {"kind": "totp"}});
    let started = told(post(&hub, None, "/auth/enroll", begin).await, 200).await;
    let confirmation = json!({
        "enrollment": started["enrollment"], "name": "App", "code": now(&hub, started["secret"].as_str().unwrap()),
    });
    let done = json!({"ticket": asked["ticket"], "confirmation": confirmation});
    let entered = told(post(&hub, None, "/auth/enroll/confirm", done.clone()).await, 200).await;
    assert_eq!(codes(&entered).len(), 10);
    let enrolled = signed_in(&who, &entered);
    assert_eq!(hub.get(&enrolled, "/roles").await.status(), 200);
    let twice = post(&hub, None, "/auth/enroll/confirm", done).await;
    assert_eq!(problem(twice).await, (401, "auth.ticket_refused".into()));
    let list: Value = hub.get(&enrolled, "/me/factors").await.json().await.unwrap();
    let newest = format!("/me/factors/{}", list["items"][0]["id"].as_str().unwrap());
    let kept = hub.send(&enrolled, Method::DELETE, &newest, json!({})).await;
    assert_eq!(problem(kept).await, (409, "factor.demanded".into()));
    let old = hub
        .post("/auth/refresh", json!({"refresh_token": who.refresh}))
        .await;
    assert_eq!(problem(old).await, (401, "auth.factor_demanded".into()));
    assert_eq!(
        hub.get(&who, "/me").await.status(),
        401,
        "the session without a factor has ended"
    );
    let new = hub
        .post("/auth/refresh", json!({"refresh_token": enrolled.refresh}))
        .await;
    assert_eq!(new.status(), 200);
    demand(&hub, &owner, "viewer", false).await;
    assert_eq!(
        hub.send(&enrolled, Method::DELETE, &newest, json!({}))
            .await
            .status(),
        204
    );
}

#[tokio::test]
async fn an_open_session_may_set_the_demanded_factor_up_and_then_goes_on() {
    let hub = hub().await;
    let (owner, who) = (hub.owner().await, hub.someone(&["viewer"]).await);
    demand(&hub, &owner, "viewer", true).await;
    with_app(&hub, &who).await;
    let refreshed = hub
        .post("/auth/refresh", json!({"refresh_token": who.refresh}))
        .await;
    assert_eq!(refreshed.status(), 200);
}

#[tokio::test]
async fn what_lasts_asks_for_a_proof_of_ten_minutes_and_the_session_goes_on_under_a_new_id() {
    let hub = hub().await;
    let who = hub.owner().await;
    let victim = hub.someone(&[]).await;
    hub.clock.advance(Duration::minutes(11));
    let role = json!({"name": "Night"});
    let key = json!({"name": "Key", "scopes": ["users:update"]});
    let new = json!({"current_password": PASSWORD, "new_password": "another long one"});
    let user = format!("/users/{}", victim.id);
    for (method, path, body) in [
        (Method::POST, "/me/factors", json!({"kind": "totp"})),
        (Method::POST, "/me/recovery_codes", json!({})),
        (Method::POST, "/me/password", new),
        (Method::POST, "/roles", role.clone()),
        (Method::POST, "/api_keys", key.clone()),
        (Method::DELETE, user.as_str(), json!({})),
        (Method::DELETE, &format!("{user}/factors"), json!({})),
    ] {
        let refused = hub.send(&who, method, path, body).await;
        assert_eq!(
            problem(refused).await,
            (403, "auth.step_up_needed".into()),
            "{path}"
        );
    }
    let reading = json!({"name": "Reader", "scopes": ["users:read"]});
    assert_eq!(
        hub.send(&who, Method::POST, "/api_keys", reading).await.status(),
        201
    );
    let wrong = post(
        &hub,
        Some(&who),
        "/me/prove",
        json!({"kind": "password", "password": "wrong"}),
    )
    .await;
    assert_eq!(problem(wrong).await, (403, "auth.wrong_password".into()));
    let proof = json!({"kind": "password", "password": PASSWORD});
    let tokens = told(post(&hub, Some(&who), "/me/prove", proof).await, 200).await;
    let proved = signed_in(&who, &tokens);
    assert_ne!(proved.session, who.session);
    assert_eq!(
        hub.send(&proved, Method::POST, "/roles", role).await.status(),
        201
    );
    assert_eq!(
        hub.send(&proved, Method::POST, "/api_keys", key).await.status(),
        201
    );
    assert_eq!(
        hub.get(&who, "/me").await.status(),
        200,
        "what is under way comes to its end"
    );
    let old = hub
        .post("/auth/refresh", json!({"refresh_token": who.refresh}))
        .await;
    assert_eq!(problem(old).await.0, 401);
    hub.clock.advance(Duration::seconds(31));
    assert_eq!(
        problem(hub.get(&who, "/me").await).await,
        (401, "auth.session_expired".into())
    );
    assert_eq!(hub.get(&proved, "/me").await.status(), 200);
    let new = hub
        .post("/auth/refresh", json!({"refresh_token": proved.refresh}))
        .await;
    assert_eq!(new.status(), 200);
    assert!(hub.audited().await.contains(&"me.prove".to_owned()));
}

#[tokio::test]
async fn whoever_has_a_factor_proves_with_it_and_not_with_the_password() {
    let hub = hub().await;
    let who = hub.someone(&[]).await;
    let mut device = with_passkey(&hub, &who, "Key").await;
    hub.clock.advance(Duration::minutes(11));
    let what: Value = hub.get(&who, "/me/prove").await.json().await.unwrap();
    assert_eq!(
        (&what["kinds"], &what["counts_for"]),
        (&json!(["passkey", "recovery_code"]), &json!(600))
    );
    let password = json!({"kind": "password", "password": PASSWORD});
    let refused = post(&hub, Some(&who), "/me/prove", password).await;
    assert_eq!(problem(refused).await, (403, "auth.factor_needed".into()));
    let begun = told(post(&hub, Some(&who), "/me/prove/passkey", json!({})).await, 200).await;
    let credential = device.show(&begun["options"]);
    let proof = json!({"kind": "passkey", "ceremony": begun["ceremony"], "credential": credential});
    let tokens = told(post(&hub, Some(&who), "/me/prove", proof).await, 200).await;
    let proved = signed_in(&who, &tokens);
    let list: Value = hub.get(&proved, "/me/factors").await.json().await.unwrap();
    let path = format!("/me/factors/{}", list["items"][0]["id"].as_str().unwrap());
    let renamed = hub
        .send(&proved, Method::PATCH, &path, json!({"name": " Desk key "}))
        .await;
    assert_eq!(told(renamed, 200).await["name"], "Desk key");
    let foreign = hub.someone(&[]).await;
    let theirs = hub.send(&foreign, Method::DELETE, &path, json!({})).await;
    assert_eq!(problem(theirs).await, (404, "factor.not_found".into()));
    assert_eq!(
        hub.send(&proved, Method::DELETE, &path, json!({})).await.status(),
        204
    );
    assert_eq!(
        login(&hub, &who.email).await.status(),
        200,
        "without a factor the password is enough"
    );
    assert_eq!(hub.test.count("SELECT count(*) FROM recovery_codes").await, 0);
}

#[tokio::test]
async fn an_admin_takes_the_factors_of_somebody_below_away_who_is_told() {
    let hub = hub().await;
    let (owner, admin) = (hub.owner().await, hub.someone(&["admin"]).await);
    let (who, manager) = (hub.someone(&["viewer"]).await, hub.someone(&["manager"]).await);
    with_app(&hub, &who).await;
    let of = |who: &SignedIn| format!("/users/{}/factors", who.id);
    let take =
        async |by: &SignedIn, from: &SignedIn| hub.send(by, Method::DELETE, &of(from), json!({})).await;
    assert_eq!(
        problem(take(&manager, &who).await).await,
        (403, "permission.missing".into())
    );
    assert_eq!(
        problem(take(&admin, &owner).await).await,
        (403, "permission.outranked".into())
    );
    assert_eq!(
        problem(take(&admin, &admin).await).await,
        (409, "user.own_factors".into())
    );
    assert_eq!(take(&admin, &who).await.status(), 204);
    assert_eq!(login(&hub, &who.email).await.status(), 200);
    assert!(alerts(&hub, &who).await.contains(&"factors.reset".to_owned()));
    assert!(hub.audited().await.contains(&"users.reset_factors".to_owned()));
}

#[tokio::test]
async fn a_program_with_a_key_neither_has_factors_nor_proves_anything() {
    let hub = hub().await;
    let owner = hub.owner().await;
    let key = json!({"name": "Key", "scopes": ["users:read", "users:delete", "roles:manage"]});
    let made = told(hub.send(&owner, Method::POST, "/api_keys", key).await, 201).await;
    let program = SignedIn {
        token: made["secret"].as_str().unwrap().to_owned(),
        ..owner.clone()
    };
    let victim = hub.someone(&[]).await;
    for (method, path) in [
        (Method::GET, "/me/factors".to_owned()),
        (Method::GET, "/me/prove".to_owned()),
        (Method::POST, "/me/prove/passkey".to_owned()),
        (Method::DELETE, format!("/users/{}", victim.id)),
    ] {
        let answer = hub
            .ask(method, &path)
            .bearer_auth(&program.token)
            .header("origin", named(&hub))
            .header("host", named(&hub).replace("http://", ""))
            .send()
            .await
            .unwrap();
        assert_eq!(
            problem(answer).await,
            (403, "auth.session_required".into()),
            "{path}"
        );
    }
}

/// The last code that was sent, from the development outbox: no provider is configured.
async fn sent(hub: &Hub, owner: &SignedIn) -> String {
    // due by the database's clock, whatever the test's says
    let due = "UPDATE jobs SET run_at = now() - interval '1 minute' WHERE queue = 'messages.sms' AND state = 'waiting'
               RETURNING id::text";
    let ids = hub.test.texts(due).await;
    let ids: Vec<_> = ids.iter().map(|id| id.parse().unwrap()).collect();
    let node = Node {
        name: "test".to_owned(),
        boot: BootId::new(),
    };
    for run in ledger::claim(&hub.test.store, &node, 60.0, &ids).await.unwrap() {
        let outcome = messages::send_sms(&hub.test.store, &run).await;
        ledger::settle(&hub.test.store, &run, &outcome).await.unwrap();
    }
    let seen: Value = hub.get(owner, "/development_outbox").await.json().await.unwrap();
    let text = seen["items"][0]["text"].as_str().unwrap().to_owned();
    let words = text.split(|c: char| !c.is_ascii_digit());
    words.into_iter().find(|word| word.len() == 6).unwrap().to_owned()
}

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
