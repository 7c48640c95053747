use crate::harness::{Hub, PASSWORD, SignedIn, hub, hub_with, problem};
use futures::future::join_all;
use reqwest::{Method, Response};
use serde_json::json;

async fn fail(hub: &Hub, email: &str) -> Response {
    hub.post(
        "/auth/login",
        json!({"email": email, "password": "wrong password"}),
    )
    .await
}

#[tokio::test]
async fn after_ten_failures_even_the_right_password_waits_and_other_accounts_do_not() {
    let hub = hub().await;
    let other = hub.person(&[]).await;
    let statuses = join_all((0..25).map(|_| fail(&hub, "owner@example.com"))).await;
    let failed = statuses.iter().filter(|answer| answer.status() == 401).count();
    let refused: Vec<_> = statuses.iter().filter(|answer| answer.status() == 429).collect();
    assert_eq!((failed, refused.len()), (10, 15), "however many come at once");
    let wait: u64 = refused[0].headers()["retry-after"]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!((1..=91).contains(&wait), "{wait}");
    let right = hub
        .post(
            "/auth/login",
            json!({"email": "owner@example.com", "password": PASSWORD}),
        )
        .await;
    assert_eq!(problem(right).await, (429, "auth.too_many_attempts".into()));
    hub.sign_in(&other).await;
}

#[tokio::test]
async fn successes_do_not_count() {
    let hub = hub_with(&[
        ("SIGNALBOX__AUTH__FAILURES_PER_ACCOUNT", "3"),
        ("SIGNALBOX__AUTH__FAILURES_PER_ADDRESS_PER_MINUTE", "4"),
    ])
    .await;
    for _ in 0..12 {
        hub.owner().await;
    }
    let failed = fail(&hub, "owner@example.com").await;
    assert_eq!(failed.status(), 401);
    assert_eq!(failed.headers()["ratelimit-policy"], "\"account\";q=3;w=900");
    assert!(
        failed.headers()["ratelimit"]
            .to_str()
            .unwrap()
            .starts_with("\"account\";r=2;t=")
    );
}

#[tokio::test]
async fn an_address_that_tries_many_accounts_is_refused_before_anything_is_hashed() {
    let hub = hub_with(&[("SIGNALBOX__AUTH__FAILURES_PER_ADDRESS_PER_MINUTE", "5")]).await;
    let emails: Vec<String> = (0..8).map(|n| format!("{n}@example.com")).collect();
    let answers = join_all(emails.iter().map(|email| fail(&hub, email))).await;
    assert_eq!(answers.iter().filter(|answer| answer.status() == 401).count(), 5);
    let hashing = hub.test.store.passwords.turn().await.unwrap();
    assert_eq!(
        fail(&hub, "new@example.com").await.status(),
        429,
        "though no hash could be made"
    );
    drop(hashing);
}

#[tokio::test]
async fn forwarded_addresses_are_believed_of_trusted_proxies_alone() {
    let attempt = async |hub: &Hub, from: &str| {
        hub.ask(Method::POST, "/auth/login")
            .header("x-forwarded-for", from)
            .header("x-forwarded-proto", "https")
            .json(&json!({"email": "owner@example.com", "password": "wrong password"}))
            .send()
            .await
            .unwrap()
            .status()
            .as_u16()
    };
    let one = [("SIGNALBOX__AUTH__FAILURES_PER_ACCOUNT", "1")];
    let direct = hub_with(&one).await;
    assert_eq!(attempt(&direct, "192.0.2.1").await, 401);
    assert_eq!(
        attempt(&direct, "192.0.2.2").await,
        429,
        "a client's own claim changes nothing"
    );
    let proxied = hub_with(&[one[0], ("SIGNALBOX__SERVER__TRUSTED_PROXIES", "127.0.0.0/8")]).await;
    assert_eq!(attempt(&proxied, "192.0.2.1").await, 401);
    assert_eq!(attempt(&proxied, "192.0.2.2").await, 401);
    assert_eq!(
        attempt(&proxied, "192.0.2.99, 192.0.2.2").await,
        429,
        "the nearest address counts"
    );
}

#[tokio::test]
async fn plain_http_from_another_machine_is_told_to_come_over_tls() {
    let hub = hub_with(&[("SIGNALBOX__SERVER__TRUSTED_PROXIES", "127.0.0.0/8")]).await;
    let sign_in = async |proto: &str| {
        hub.ask(Method::POST, "/auth/login")
            .header("x-forwarded-for", "192.0.2.1")
            .header("x-forwarded-proto", proto)
            .json(&json!({"email": "owner@example.com", "password": PASSWORD}))
            .send()
            .await
            .unwrap()
    };
    assert_eq!(
        problem(sign_in("http").await).await,
        (403, "auth.https_required".into())
    );
    let over_tls = sign_in("https").await;
    assert_eq!(over_tls.status(), 200);
    assert!(over_tls.headers().contains_key("strict-transport-security"));
}

/// An attempt to sign in to the owner's account from an address, with a device's cookie or none.
async fn attempt(hub: &Hub, password: &str, from: &str, device: Option<&str>) -> Response {
    let mut asked = hub
        .ask(Method::POST, "/auth/login")
        .header("x-forwarded-for", from)
        .header("x-forwarded-proto", "https")
        .header("x-signalbox-client", "console");
    if let Some(device) = device {
        asked = asked.header("cookie", device);
    }
    let body = json!({"email": "owner@example.com", "password": password});
    asked.json(&body).send().await.unwrap()
}

const BEHIND_PROXY: [(&str, &str); 3] = [
    ("SIGNALBOX__SERVER__TRUSTED_PROXIES", "127.0.0.0/8"),
    ("SIGNALBOX__AUTH__FAILURES_PER_ACCOUNT", "3"),
    ("SIGNALBOX__AUTH__FAILURES_OF_STRANGERS", "6"),
];

#[tokio::test]
async fn strangers_on_all_nodes_lock_nobody_out_who_has_signed_in_before() {
    let hub = hub_with(&BEHIND_PROXY).await;
    let another = hub.another_node(&BEHIND_PROXY).await;
    let home = attempt(&hub, PASSWORD, "192.0.2.1", None).await;
    assert_eq!(home.status(), 200);
    let set = home.headers().get_all("set-cookie").iter();
    let device = set
        .map(|cookie| cookie.to_str().unwrap())
        .find(|cookie| cookie.contains("_device="));
    let device = device.unwrap().split(';').next().unwrap().to_owned();
    for n in 0..3 {
        for (node, at) in [(&hub, 10), (&another, 20)] {
            let failed = attempt(node, "wrong password", &format!("10.0.{at}.{n}"), None).await;
            assert_eq!(failed.status(), 401);
        }
    }
    for node in [&hub, &another] {
        let stranger = attempt(node, PASSWORD, "10.0.30.1", None).await;
        assert!(stranger.headers().contains_key("retry-after"));
        assert_eq!(problem(stranger).await, (429, "auth.too_many_attempts".into()));
        let travelling = attempt(node, PASSWORD, "10.0.31.1", Some(&device)).await;
        assert_eq!(travelling.status(), 200, "by the browser's cookie");
        let home = attempt(node, PASSWORD, "192.0.2.1", None).await;
        assert_eq!(home.status(), 200, "from where the account was used before");
    }
    let forged = format!("__Host-signalbox_device={}.{}", "0".repeat(32), "0".repeat(64));
    assert_eq!(
        attempt(&hub, PASSWORD, "10.0.30.2", Some(&forged)).await.status(),
        429
    );
}

#[tokio::test]
async fn failures_on_one_node_count_on_the_other() {
    let hub = hub_with(&BEHIND_PROXY).await;
    let another = hub.another_node(&BEHIND_PROXY).await;
    for node in [&hub, &another, &hub] {
        let failed = attempt(node, "wrong password", "192.0.2.1", None).await;
        assert_eq!(failed.status(), 401);
    }
    for node in [&another, &hub] {
        assert_eq!(attempt(node, PASSWORD, "192.0.2.1", None).await.status(), 429);
        assert_eq!(attempt(node, PASSWORD, "192.0.2.2", None).await.status(), 200);
    }
}

#[tokio::test]
async fn nobody_is_kept_from_proving_who_they_are_by_strangers_who_type_their_id() {
    let hub = hub().await;
    let who = hub.someone(&[]).await;
    for _ in 0..11 {
        fail(&hub, &who.id.to_string()).await;
    }
    assert_eq!(fail(&hub, &who.id.to_string()).await.status(), 429);
    let prove = async |who: &SignedIn, password: &str| {
        let proof = json!({"kind": "password", "password": password});
        hub.send(who, Method::POST, "/me/prove", proof).await
    };
    for _ in 0..10 {
        assert_eq!(prove(&who, "wrong password").await.status(), 403);
    }
    let shut = prove(&who, PASSWORD).await;
    assert_eq!(problem(shut).await, (429, "auth.too_many_attempts".into()));
    // what is used up in one session is not in another
    let again = hub.sign_in(&who.email).await;
    assert_eq!(prove(&again, PASSWORD).await.status(), 200);
}

#[tokio::test]
async fn strangers_who_ask_for_links_from_everywhere_keep_nobody_from_asking() {
    let hub = hub_with(&BEHIND_PROXY).await;
    let ask = async |from: &str| {
        let asked = hub.ask(Method::POST, "/auth/password/forgot");
        let asked = asked
            .header("x-forwarded-for", from)
            .header("x-forwarded-proto", "https");
        let body = json!({"email": "owner@example.com"});
        asked.json(&body).send().await.unwrap().status()
    };
    for n in 0..8 {
        assert_eq!(ask(&format!("10.0.0.{n}")).await, 202);
    }
    for _ in 0..5 {
        assert_eq!(ask("192.0.2.1").await, 202);
    }
    assert_eq!(ask("192.0.2.1").await, 429, "one place asks a few times");
}
