use crate::harness::{Hub, SignedIn, comes_to, hub, hub_with, problem};
use reqwest::{Method, Response};
use serde_json::{Value, json};
use std::collections::BTreeMap;

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

/// The status, and the code of a refusal.
async fn outcome(answer: Response) -> (u16, String) {
    if answer.status().is_success() {
        return (answer.status().as_u16(), String::new());
    }
    problem(answer).await
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
    let expected = [vec![200; 3], vec![200, 200, 429, 429], vec![429], vec![200]];
    comes_to(expected, async || {
        let who = hub.someone(&["owner"]).await;
        let within = [
            ask(&hub, &who, 3).await,
            ask(&another, &who, 4).await,
            ask(&hub, &who, 1).await,
        ];
        hub.clock.advance(time::Duration::minutes(1));
        let [first, second, third] = within;
        [first, second, third, ask(&another, &who, 1).await]
    })
    .await;
}

/// A number that a header of `answer` says behind `mark`, if it does.
fn said(answer: &Response, name: &str, mark: &str) -> Option<u64> {
    let (_, rest) = header(answer, name).split_once(mark)?;
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

#[tokio::test]
async fn what_headers_say_of_time_is_true_on_every_node() {
    let hub = hub_with(&LIST).await;
    let another = hub.another_node(&LIST).await;
    // one that the other has counted itself, but all five are free again with the end of the minute alone
    let told = (Some(1), Some(60));
    // each of the two says when, and no limit is said to be free before
    let refused = (429, Some(60), true);
    let expected = (vec![200; 3], told, vec![200], [refused; 2], vec![200]);
    comes_to(expected, async || {
        let who = hub.someone(&["owner"]).await;
        // the beginning of a minute, so that what is told lies a minute ahead
        let into = hub.clock.now().unix_timestamp().rem_euclid(60);
        hub.clock.advance(time::Duration::seconds(60 - into));
        let first = ask(&hub, &who, 3).await;
        let answer = another.get(&who, "/teams").await;
        let told = (said(&answer, "ratelimit", "r="), said(&answer, "ratelimit", "t="));
        let last = ask(&another, &who, 1).await;
        let refused = async |node: &Hub| {
            let refused = node.get(&who, "/teams").await;
            let wait = said(&refused, "retry-after", "");
            let free = said(&refused, "ratelimit", "t=");
            (refused.status().as_u16(), wait, free >= wait)
        };
        let refused = [refused(&hub).await, refused(&another).await];
        hub.clock.advance(time::Duration::seconds(60));
        (first, told, last, refused, ask(&another, &who, 1).await)
    })
    .await;
}

#[tokio::test]
async fn whoever_has_used_up_a_limit_on_one_node_alone_is_told_when_they_are_let_in() {
    let hub = hub_with(&LIST).await;
    let owner = hub.owner().await;
    let into = hub.clock.now().unix_timestamp().rem_euclid(60);
    hub.clock.advance(time::Duration::seconds(60 - into));
    assert_eq!(ask(&hub, &owner, 5).await, [200; 5]);
    let refused = hub.get(&owner, "/teams").await;
    assert_eq!(refused.status(), 429);
    assert_eq!(said(&refused, "retry-after", ""), Some(60));
    assert!(said(&refused, "ratelimit", "t=") >= Some(60));
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
    let policy = "\"key\";q=2;w=60".to_owned();
    let expected = (policy, Some(1), 200, 429, "api_key.too_many_requests".to_owned());
    comes_to(expected, async || {
        let limited = make(Some(2)).await;
        let first = ask(&limited).await;
        let policy = header(&first, "ratelimit-policy").to_owned();
        let left = said(&first, "ratelimit", "\"key\";r=");
        let second = ask(&limited).await.status().as_u16();
        let (third, code) = outcome(ask(&limited).await).await;
        (policy, left, second, third, code)
    })
    .await;
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

const COSTLY: [(&str, &str); 1] = [("SIGNALBOX__LIMITS__DEFAULT__COSTLY__USER", "64")];

/// Something costly is asked: how it is answered, and how many of it may be asked in a minute as things are.
async fn costly(hub: &Hub, who: &SignedIn) -> (u16, u32) {
    let dry = json!({"kind": "roles", "user": who.id, "roles": []});
    let answer = hub.send(who, Method::POST, "/roles/what_if", dry).await;
    let policy = header(&answer, "ratelimit-policy");
    let number = policy.strip_prefix("\"costly:user\";q=").unwrap();
    let number = number.split(';').next().unwrap().parse().unwrap();
    (answer.status().as_u16(), number)
}

/// Has the next request be the first of another second, in which the one before is judged.
async fn next_second(hub: &Hub, who: &SignedIn) {
    // the second itself is what is waited for: nothing tells of its end but the next request
    tokio::time::sleep(std::time::Duration::from_millis(1_200)).await;
    assert_eq!(hub.get(who, "/me").await.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn while_answers_are_slow_what_is_costly_is_let_in_half_as_often_and_as_before_once_they_are_not() {
    let hub = hub_with(&COSTLY).await;
    let owner = hub.owner().await;
    assert_eq!(costly(&hub, &owner).await, (200, 64));
    let (mut number, mut statuses, http) = (64, Vec::new(), crate::harness::client());
    // a second on a busy machine may last so long that nobody can tell how the one before was: then once more
    for _ in 0..10 {
        // a part is spent before, so that half of all is soon too much, and all is not
        let who = hub.someone(&["owner"]).await;
        for _ in 0..20 {
            costly(&hub, &who).await;
        }
        // nobody reads teams for a while, as when the database is at its end
        let held = "DO $$ BEGIN LOCK TABLE teams IN ACCESS EXCLUSIVE MODE; PERFORM pg_sleep(0.5); END $$";
        let url = format!("{}/api/v1/teams", hub.url);
        let slow = (0..40).map(|_| http.get(&url).bearer_auth(&owner.token).send());
        let ((), answers) = tokio::join!(hub.test.sql(held), futures::future::join_all(slow));
        assert!(
            answers
                .iter()
                .all(|answer| answer.as_ref().unwrap().status() == 200)
        );
        next_second(&hub, &owner).await;
        number = costly(&hub, &who).await.1;
        if number < 64 {
            // all at once: it is a second that this number holds for
            let pressed = futures::future::join_all((0..33).map(|_| costly(&hub, &who))).await;
            statuses = pressed.into_iter().map(|(status, _)| status).collect();
        }
        if statuses.contains(&429) {
            break;
        }
    }
    assert!(number < 64, "halved, and told so");
    assert!(statuses.contains(&429), "the smaller number holds: {statuses:?}");
    assert_eq!(
        hub.get(&owner, "/teams").await.status(),
        200,
        "only for what is costly"
    );
    for _ in 0..20 {
        if number == 64 {
            break;
        }
        next_second(&hub, &owner).await;
        number = costly(&hub, &owner).await.1;
    }
    assert_eq!(number, 64, "and back");
    hub.clock.advance(time::Duration::minutes(1));
    assert_eq!(costly(&hub, &owner).await.0, 200);
}

#[tokio::test]
async fn every_operation_of_the_document_is_counted_under_a_named_default() {
    let hub = hub_with(&[("SIGNALBOX__SERVER__TRUSTED_PROXIES", "127.0.0.0/8")]).await;
    let document: Value = crate::harness::client()
        .get(format!("{}/api/openapi.json", hub.url))
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let mut sorts = BTreeMap::<String, Vec<String>>::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let Ok(method) = method.to_uppercase().parse::<Method>() else {
                continue;
            };
            let id = operation["operationId"].as_str().unwrap();
            let place = with_ids(path);
            let asked = crate::harness::client().request(method, format!("{}{place}", hub.url));
            let asked = asked
                .header("x-forwarded-for", "192.0.2.7")
                .header("x-forwarded-proto", "https")
                .json(&json!({}));
            let answer = asked.send().await.unwrap();
            let policy = header(&answer, "ratelimit-policy").to_owned();
            let name = policy.split('"').nth(1).unwrap_or_default();
            let sort = name.strip_suffix(":address").unwrap_or_default().to_owned();
            sorts.entry(sort).or_default().push(id.to_owned());
        }
    }
    let named: Vec<_> = sorts.keys().map(String::as_str).collect();
    assert_eq!(
        named,
        ["costly", "read", "sign_in", "write"],
        "{:?}",
        sorts.get("")
    );
    for id in [
        "auth.passkey",
        "auth.provider_start",
        "auth.provider_finish",
        "auth.provider_logout",
    ] {
        assert!(sorts["sign_in"].contains(&id.to_owned()), "{id}");
    }
}

/// The path with an id in the place of each name.
fn with_ids(path: &str) -> String {
    let parts = path.split('/').map(|part| {
        if part.starts_with('{') {
            "0193b1a4-0000-7000-8000-000000000000"
        } else {
            part
        }
    });
    parts.collect::<Vec<_>>().join("/")
}

#[tokio::test]
async fn ways_in_without_a_password_are_counted_by_address_as_their_own_row_says() {
    let settings = [
        ("SIGNALBOX__SERVER__TRUSTED_PROXIES", "127.0.0.0/8"),
        ("SIGNALBOX__LIMITS__AUTH__PASSKEY__ADDRESS", "2"),
        ("SIGNALBOX__LIMITS__AUTH__PROVIDER_START__ADDRESS", "2"),
        ("SIGNALBOX__LIMITS__AUTH__PROVIDER_FINISH__ADDRESS", "2"),
        ("SIGNALBOX__LIMITS__AUTH__PROVIDER_LOGOUT__ADDRESS", "2"),
    ];
    let hub = hub_with(&settings).await;
    let provider = "/auth/providers/0193b1a4-0000-7000-8000-000000000000";
    for (id, path) in [
        ("auth.passkey", "/auth/passkey".to_owned()),
        ("auth.provider_start", format!("{provider}/start")),
        ("auth.provider_finish", "/auth/providers/finish".to_owned()),
        ("auth.provider_logout", format!("{provider}/logout")),
    ] {
        let ask = async |from: &str| {
            let asked = hub
                .ask(Method::POST, &path)
                .header("x-forwarded-for", from)
                .header("x-forwarded-proto", "https");
            asked.json(&json!({})).send().await.unwrap()
        };
        for _ in 0..2 {
            let answer = ask("192.0.2.1").await;
            assert_ne!(answer.status(), 429, "{id}");
            let policy = format!("\"{id}:address\";q=2;w=60");
            assert_eq!(header(&answer, "ratelimit-policy"), policy);
        }
        assert_eq!(ask("192.0.2.1").await.status(), 429, "{id}");
        assert_ne!(ask("192.0.2.2").await.status(), 429, "{id}: somebody else");
    }
}

#[tokio::test]
async fn a_key_has_limits_of_single_resources_that_leave_the_others_alone_on_all_nodes() {
    let hub = hub().await;
    let another = hub.another_node(&[]).await;
    let owner = hub.owner().await;
    let first = ("\"key:teams\";q=2;w=60".to_owned(), Some(1));
    let refused = (true, 429, "api_key.too_many_requests".to_owned());
    let elsewhere = (200, "\"key\";q=100;w=60".to_owned());
    let expected = (first, 200, refused, elsewhere, 200);
    comes_to(expected, async || {
        let body = json!({"name": "Key", "scopes": ["teams:read", "users:read"], "requests_per_minute": 100,
            "resource_limits": {"teams": 2}});
        let made = hub.send(&owner, Method::POST, "/api_keys", body).await;
        assert_eq!(made.status(), 201);
        let made: Value = made.json().await.unwrap();
        assert_eq!(made["resource_limits"], json!({"teams": 2}));
        let secret = made["secret"].as_str().unwrap();
        let ask = async |node: &Hub, path: &str| {
            node.ask(Method::GET, path)
                .bearer_auth(secret)
                .send()
                .await
                .unwrap()
        };
        let policy = |answer: &Response| header(answer, "ratelimit-policy").to_owned();
        let first = ask(&hub, "/teams").await;
        let first = (policy(&first), said(&first, "ratelimit", "r="));
        let second = ask(&another, "/teams").await.status().as_u16();
        let refused = ask(&hub, "/teams").await;
        let soon = said(&refused, "retry-after", "").is_some_and(|wait| (1..=60).contains(&wait));
        let (status, code) = outcome(refused).await;
        // another resource
        let elsewhere = ask(&another, "/users").await;
        let elsewhere = (elsewhere.status().as_u16(), policy(&elsewhere));
        hub.clock.advance(time::Duration::minutes(1));
        let next_minute = ask(&hub, "/teams").await.status().as_u16();
        (first, second, (soon, status, code), elsewhere, next_minute)
    })
    .await;
}
