//! V1, encoding and sanitization.

use super::super::providers::{BACK, Stage};
use super::json_of;
use crate::harness::{client, hub, problem};
use reqwest::Method;
use serde_json::json;
use signalbox_core::testing::mailed;

#[tokio::test]
async fn v5_0_0_1_1_1_what_comes_in_is_decoded_once_and_then_judged() {
    let hub = hub().await;
    let owner = hub.owner().await;
    let person = json!({"email": "ann@example.com", "name": "Ann a%2Fb"});
    assert_eq!(
        hub.send(&owner, Method::POST, "/users", person).await.status(),
        201
    );
    for (q, found) in [("a%252Fb", 1), ("a%2Fb", 0), ("a%25252Fb", 0)] {
        let list = json_of(hub.get(&owner, &format!("/users?q={q}")).await).await;
        assert_eq!(list["items"].as_array().unwrap().len(), found, "{q}");
    }
    for path in ["/users/..%2Fme", "/users/%252e%252e%252fme", "/users/%2e%2e%2fme"] {
        let answer = hub.get(&owner, path).await;
        assert!(answer.status().is_client_error(), "{path}: {}", answer.status());
    }
    // a token is what it is, and not another coding of it
    let token = format!("%{:02x}{}", owner.token.as_bytes()[0], &owner.token[1..]);
    let asked = hub
        .ask(Method::GET, "/me")
        .bearer_auth(token)
        .send()
        .await
        .unwrap();
    assert_eq!(problem(asked).await.0, 401);
}

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

#[tokio::test(flavor = "multi_thread")]
async fn v5_0_0_1_2_2_what_somebody_wrote_is_one_part_of_an_address_and_leads_to_no_other_kind_of_one() {
    let stage = Stage::set(json!({})).await;
    let client_id = "hub&redirect_uri=https://evil.example.com#?a=b c";
    let other = json!({"name": "Nasty", "client_id": client_id});
    let id = stage.add(other).await["id"].as_str().unwrap().to_owned();
    let answer = stage
        .hub
        .post(&format!("/auth/providers/{id}/start"), json!({}))
        .await;
    let url = json_of(answer).await["authorization_url"]
        .as_str()
        .unwrap()
        .to_owned();
    let url = reqwest::Url::parse(&url).unwrap();
    let all = |name: &str| -> Vec<String> {
        let pairs = url.query_pairs().filter(|(key, _)| key == name);
        pairs.map(|(_, value)| value.into_owned()).collect()
    };
    assert_eq!(
        (all("client_id"), all("redirect_uri")),
        (vec![client_id.to_owned()], vec![BACK.to_owned()])
    );
    assert_eq!(url.fragment(), None);
    for next in [
        "javascript:alert(1)",
        "data:text/html,a",
        "//evil.example.com",
        "https://evil.example.com",
    ] {
        let path = format!("/auth/providers/{}/start", stage.id);
        assert_eq!(
            problem(stage.hub.post(&path, json!({"next": next})).await)
                .await
                .0,
            422,
            "{next}"
        );
    }
    for issuer in ["javascript:alert(1)", "data:text/html,a", "file:///etc/passwd"] {
        let body = json!({"kind": "oidc", "name": "A", "issuer": issuer, "client_id": "c"});
        let refused = stage
            .hub
            .send(&stage.owner, Method::POST, "/providers", body)
            .await;
        assert_eq!(problem(refused).await.0, 422, "{issuer}");
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
async fn v5_0_0_1_3_6_the_hub_asks_at_no_address_that_is_not_of_an_allowed_kind() {
    let hub = hub().await;
    let owner = hub.owner().await;
    for address in [
        "http://169.254.169.254/latest/meta-data",
        "http://10.0.0.1/",
        "http://id.example.com",
        "http://localhost.evil.example/",
        "http://127.0.0.1.evil.example/",
        "https://user:password@id.example.com",
        "https://id.example.com/#fragment",
        "ftp://id.example.com",
        "gopher://id.example.com",
        "file:///etc/passwd",
        "redis://127.0.0.1:6379",
        "//id.example.com",
        "",
    ] {
        let issuer = json!({"kind": "oidc", "name": "A", "issuer": address, "client_id": "c"});
        let keys = json!({"kind": "external_jwt", "name": "B", "issuer": "https://id.example.com", "jwks_url": address, "audience": "a"});
        for body in [issuer, keys] {
            assert_eq!(
                problem(hub.send(&owner, Method::POST, "/providers", body).await)
                    .await
                    .0,
                422,
                "{address}"
            );
        }
    }
}

#[tokio::test]
async fn v5_0_0_1_3_11_nothing_that_somebody_entered_ends_a_header_of_a_mail() {
    let hub = hub().await;
    let owner = hub.owner().await;
    let nasty = "\r\nBcc: everybody@evil.example\r\n\r\nAnother text";
    for body in [
        json!({"email": format!("ada@example.com{nasty}"), "name": "Ada"}),
        json!({"email": "ada@example.com, everybody@evil.example", "name": "Ada"}),
        json!({"email": "<ada@example.com>", "name": "Ada"}),
    ] {
        assert_eq!(
            problem(hub.send(&owner, Method::POST, "/invitations", body.clone()).await)
                .await
                .0,
            422,
            "{body}"
        );
    }
    // a name is asked too, and whatever is let in of it ends nothing
    let named = json!({"email": "ada@example.com", "name": format!("Ada{nasty}")});
    hub.send(&owner, Method::POST, "/invitations", named).await;
    let renamed = json!({"name": format!("Hub{nasty}")});
    hub.send(&owner, Method::PATCH, "/organization", renamed).await;
    let forgot = hub
        .post("/auth/password/forgot", json!({"email": "owner@example.com"}))
        .await;
    assert_eq!(forgot.status(), 202);
    let mails = mailed(&hub.test).await;
    assert!(mails.iter().any(|mail| mail.to == "owner@example.com"));
    for mail in &mails {
        assert!(
            !mail.subject.contains(['\r', '\n']) && !mail.to.contains(char::is_whitespace),
            "{mail:?}"
        );
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
