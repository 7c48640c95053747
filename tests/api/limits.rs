use crate::harness::{Hub, SignedIn, hub, hub_with, problem};
use reqwest::{Method, Response};
use serde_json::json;

const LIST: [(&str, &str); 2] = [
    ("SIGNALBOX__LIMITS__TEAMS__LIST__USER", "5"),
    ("SIGNALBOX__LIMITS__TEAMS__LIST__KEY", "3"),
];

fn header<'a>(answer: &'a Response, name: &str) -> &'a str {
    answer
        .headers()
        .get(name)
        .map_or("", |value| value.to_str().unwrap())
}

/// The statuses of so many requests, one after the other.
async fn ask(hub: &Hub, who: &SignedIn, times: usize) -> Vec<u16> {
    let mut statuses = Vec::new();
    for _ in 0..times {
        statuses.push(hub.get(who, "/teams").await.status().as_u16());
    }
    statuses
}

#[tokio::test]
async fn each_person_has_a_limit_of_their_own_and_every_answer_tells_how_they_stand_to_it() {
    let hub = hub_with(&LIST).await;
    let (owner, other) = (hub.owner().await, hub.someone(&["owner"]).await);
    for left in ["4", "3", "2", "1", "0"] {
        let answer = hub.get(&owner, "/teams").await;
        assert_eq!(answer.status(), 200);
        assert_eq!(
            header(&answer, "ratelimit-policy"),
            "\"teams.list:user\";q=5;w=60"
        );
        let (name, rest) = header(&answer, "ratelimit").split_once(';').unwrap();
        assert_eq!(name, "\"teams.list:user\"");
        assert!(rest.starts_with(&format!("r={left};t=")), "{rest}");
        assert_eq!(header(&answer, "retry-after"), "");
    }
    let refused = hub.get(&owner, "/teams").await;
    assert!(header(&refused, "ratelimit").starts_with("\"teams.list:user\";r=0;t="));
    let wait: u64 = header(&refused, "retry-after").parse().unwrap();
    assert!((1..=61).contains(&wait), "{wait}");
    assert_eq!(problem(refused).await, (429, "request.too_many".into()));
    assert_eq!(hub.get(&other, "/teams").await.status(), 200, "somebody else");
    let elsewhere = hub.get(&owner, "/me").await;
    assert_eq!(elsewhere.status(), 200, "another operation");
    assert_eq!(
        header(&elsewhere, "ratelimit-policy"),
        "\"read:user\";q=6000;w=60"
    );
    let missing = hub
        .get(&owner, "/teams/0193b1a4-0000-7000-8000-000000000000")
        .await;
    assert_eq!(missing.status(), 404);
    assert!(!header(&missing, "ratelimit").is_empty(), "errors tell it too");
}

#[tokio::test]
async fn nodes_share_one_limit() {
    let hub = hub_with(&LIST).await;
    let another = hub.another_node(&LIST).await;
    let owner = hub.owner().await;
    assert_eq!(ask(&hub, &owner, 3).await, [200; 3]);
    assert_eq!(ask(&another, &owner, 4).await, [200, 200, 429, 429]);
    assert_eq!(ask(&hub, &owner, 1).await, [429]);
    hub.clock.advance(time::Duration::minutes(1));
    assert_eq!(ask(&another, &owner, 1).await, [200], "the next minute");
}

#[tokio::test]
async fn a_key_is_counted_for_itself_and_its_own_limit_is_told_before_the_operations() {
    let hub = hub_with(&LIST).await;
    let owner = hub.owner().await;
    let make = async |most: Option<u32>| {
        let body = json!({"name": "Key", "scopes": ["teams:read"], "requests_per_minute": most});
        let made = hub.send(&owner, Method::POST, "/api_keys", body).await;
        assert_eq!(made.status(), 201);
        let made: serde_json::Value = made.json().await.unwrap();
        made["secret"].as_str().unwrap().to_owned()
    };
    let ask = async |secret: &str| {
        let asked = hub.ask(Method::GET, "/teams").bearer_auth(secret);
        asked.send().await.unwrap()
    };
    let plain = make(None).await;
    for _ in 0..3 {
        let answer = ask(&plain).await;
        assert_eq!(answer.status(), 200);
        assert_eq!(header(&answer, "ratelimit-policy"), "\"teams.list:key\";q=3;w=60");
    }
    assert_eq!(ask(&plain).await.status(), 429);
    let limited = make(Some(2)).await;
    let answer = ask(&limited).await;
    assert_eq!(header(&answer, "ratelimit-policy"), "\"key\";q=2;w=60");
    assert!(header(&answer, "ratelimit").starts_with("\"key\";r=1;t="));
    assert_eq!(ask(&limited).await.status(), 200);
    assert_eq!(
        problem(ask(&limited).await).await,
        (429, "api_key.too_many_requests".into())
    );
    assert_eq!(
        hub.get(&owner, "/teams").await.status(),
        200,
        "its owner is another"
    );
}

#[tokio::test]
async fn an_address_is_counted_before_anybody_is_known_and_this_machines_own_is_not() {
    let settings = [
        ("SIGNALBOX__SERVER__TRUSTED_PROXIES", "127.0.0.0/8"),
        ("SIGNALBOX__LIMITS__AUTH__REFRESH__ADDRESS", "3"),
    ];
    let hub = hub_with(&settings).await;
    let refresh = async |from: Option<&str>| {
        let mut asked = hub
            .ask(Method::POST, "/auth/refresh")
            .json(&json!({"refresh_token": "none"}));
        if let Some(from) = from {
            asked = asked
                .header("x-forwarded-for", from)
                .header("x-forwarded-proto", "https");
        }
        asked.send().await.unwrap()
    };
    for from in ["2001:db8::1", "2001:db8::2", "2001:db8::3"] {
        let answer = refresh(Some(from)).await;
        assert_eq!(answer.status(), 401);
        assert_eq!(
            header(&answer, "ratelimit-policy"),
            "\"auth.refresh:address\";q=3;w=60"
        );
    }
    let refused = refresh(Some("2001:db8::4")).await;
    assert!(!header(&refused, "retry-after").is_empty());
    assert_eq!(problem(refused).await, (429, "request.too_many".into()));
    assert_eq!(refresh(Some("192.0.2.1")).await.status(), 401, "another network");
    for _ in 0..10 {
        assert_eq!(refresh(None).await.status(), 401);
    }
}

#[tokio::test]
async fn an_operations_path_written_with_escapes_is_the_same_operation() {
    let hub = hub_with(&LIST).await;
    let owner = hub.owner().await;
    let mut statuses = Vec::new();
    for n in 0..8 {
        let path = if n % 2 == 0 { "/teams" } else { "/te%61ms" };
        statuses.push(hub.get(&owner, path).await.status().as_u16());
    }
    assert!(statuses[..5].iter().all(|status| *status == 200), "{statuses:?}");
    assert!(statuses[5..].iter().all(|status| *status == 429), "{statuses:?}");
}

#[tokio::test]
async fn every_answer_of_the_default_hub_has_the_headers() {
    let hub = hub().await;
    let owner = hub.owner().await;
    for path in ["/users", "/roles", "/audit", "/jobs", "/me", "/users?limit=0"] {
        let answer = hub.get(&owner, path).await;
        assert_eq!(
            header(&answer, "ratelimit-policy"),
            "\"read:user\";q=6000;w=60",
            "{path}"
        );
        assert!(
            header(&answer, "ratelimit").starts_with("\"read:user\";r=59"),
            "{path}"
        );
    }
}
