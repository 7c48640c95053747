//! V1, encoding and sanitization.

use super::json_of;
use crate::harness::{client, hub, problem};
use reqwest::Method;
use serde_json::json;

#[tokio::test]
async fn v5_0_0_1_2_1_what_somebody_wrote_ends_no_header_and_no_element() {
    let hub = hub().await;
    let nasty = "%3C/script%3E%3Cscript%3Ealert(1)%3C/script%3E%0d%0aX-Injected:%20yes";
    for path in [
        format!("/{nasty}"),
        format!("/users?q={nasty}"),
        format!("/api/v1/{nasty}"),
    ] {
        let answer = client().get(format!("{}{path}", hub.url)).send().await.unwrap();
        assert!(answer.headers().get("x-injected").is_none());
        assert!(
            !answer.text().await.unwrap().contains("<script>alert(1)"),
            "{path}"
        );
    }
}

#[tokio::test]
async fn v5_0_0_1_2_3_what_somebody_wrote_comes_back_in_json_as_what_it_was() {
    let hub = hub().await;
    let owner = hub.owner().await;
    let name = "\"}, {\"admin\": true} </script>\u{2028}\\";
    let made = json_of(
        hub.send(&owner, Method::POST, "/teams", json!({"name": name}))
            .await,
    )
    .await;
    assert_eq!((&made["name"], made.get("admin")), (&json!(name), None));
}

#[tokio::test]
async fn v5_0_0_1_2_4_sql_in_a_filter_is_a_text_to_look_for() {
    let hub = hub().await;
    let owner = hub.owner().await;
    for q in ["' OR '1'='1", "'; DROP TABLE users; --", "%' OR '%'='", "\\"] {
        let asked = hub
            .ask(Method::GET, "/users")
            .query(&[("q", q)])
            .bearer_auth(&owner.token);
        let found = json_of(asked.send().await.unwrap()).await;
        assert_eq!(found["items"], json!([]), "{q}");
    }
    let sorted = hub.get(&owner, "/users?sort=name;DROP%20TABLE%20users").await;
    assert_eq!(problem(sorted).await.0, 422);
    assert_eq!(hub.test.count("SELECT count(*) FROM users").await, 1);
}

#[tokio::test]
async fn v5_0_0_1_2_9_a_text_to_look_for_is_no_pattern() {
    let hub = hub().await;
    let owner = hub.owner().await;
    for q in ["%", "_____", "O%r", ".*", "[A-Z]+", "(a+)+$"] {
        let asked = hub
            .ask(Method::GET, "/users")
            .query(&[("q", q)])
            .bearer_auth(&owner.token);
        let found = json_of(asked.send().await.unwrap()).await;
        assert_eq!(found["items"], json!([]), "{q}");
    }
}

#[tokio::test]
async fn v5_0_0_1_4_2_numbers_out_of_range_are_refused_and_do_not_wrap() {
    let hub = hub().await;
    let owner = hub.owner().await;
    for limit in ["0", "-1", "1001", "4294967297", "18446744073709551617", "1e3"] {
        assert_eq!(
            problem(hub.get(&owner, &format!("/users?limit={limit}")).await)
                .await
                .0,
            422,
            "{limit}"
        );
    }
    for pace in [json!(-1), json!(0), json!(i64::MAX), json!(1e20)] {
        let key = json!({"name": "Key", "scopes": ["users:read"], "requests_per_minute": pace});
        assert_eq!(
            problem(hub.send(&owner, Method::POST, "/api_keys", key).await)
                .await
                .0,
            422,
            "{pace}"
        );
    }
}

#[tokio::test]
async fn v5_0_0_1_5_2_a_body_holds_what_is_expected_and_nothing_more() {
    let hub = hub().await;
    let owner = hub.owner().await;
    for body in [
        json!({"name": "Team", "__proto__": {"admin": true}}),
        json!({"name": {"$gt": ""}}),
        json!([{"name": "Team"}]),
    ] {
        assert_eq!(
            problem(hub.send(&owner, Method::POST, "/teams", body.clone()).await)
                .await
                .0,
            422,
            "{body}"
        );
    }
    let deep = format!("{{\"name\": {}1{}}}", "[".repeat(50_000), "]".repeat(50_000));
    let asked = hub
        .ask(Method::POST, "/teams")
        .bearer_auth(&owner.token)
        .header("content-type", "application/json");
    let status = asked.body(deep).send().await.unwrap().status();
    assert!(status.is_client_error(), "{status}");
    assert_eq!(hub.get(&owner, "/me").await.status(), 200);
}
