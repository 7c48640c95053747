use crate::harness::{Hub, PASSWORD, hub_with, problem};
use reqwest::{Method, RequestBuilder, Response};
use serde_json::{Value, json};

const OFFICE: &str = "198.51.100.7";
const ELSEWHERE: &str = "192.0.2.1";

/// A hub behind a proxy, which says for whom it asks in this header.
async fn behind_a_proxy(forwarded_by: &str) -> Hub {
    hub_with(&[
        ("SIGNALBOX__SERVER__TRUSTED_PROXIES", "127.0.0.0/8"),
        ("SIGNALBOX__SERVER__FORWARDED_BY", forwarded_by),
    ])
    .await
}

fn from(request: RequestBuilder, address: &str) -> RequestBuilder {
    request
        .header("x-forwarded-for", address)
        .header("x-forwarded-proto", "https")
}

async fn sign_in(hub: &Hub, email: &str, address: &str) -> Response {
    let body = json!({"email": email, "password": PASSWORD});
    from(hub.ask(Method::POST, "/auth/login").json(&body), address)
        .send()
        .await
        .unwrap()
}

#[tokio::test]
async fn a_list_is_asked_at_sign_in_at_refresh_and_at_every_request() {
    let hub = behind_a_proxy("x-forwarded-for").await;
    let tokens: Value = sign_in(&hub, "owner@example.com", OFFICE)
        .await
        .json()
        .await
        .unwrap();
    let token = tokens["access_token"].as_str().unwrap();
    let get = |address| from(hub.ask(Method::GET, "/me").bearer_auth(token), address).send();
    assert_eq!(get(ELSEWHERE).await.unwrap().status(), 200);
    let allow = |cidr: &str| {
        let body = json!({"cidr": cidr, "note": "office"});
        from(
            hub.ask(Method::POST, "/ip_rules").bearer_auth(token).json(&body),
            OFFICE,
        )
        .send()
    };
    assert_eq!(
        problem(allow("203.0.113.0/24").await.unwrap()).await,
        (409, "ip_rules.would_shut_you_out".into())
    );
    assert_eq!(allow("198.51.100.0/24").await.unwrap().status(), 201);
    assert_eq!(
        problem(get(ELSEWHERE).await.unwrap()).await,
        (403, "auth.address_refused".into())
    );
    assert_eq!(get(OFFICE).await.unwrap().status(), 200);
    assert_eq!(
        get("::ffff:198.51.100.9").await.unwrap().status(),
        200,
        "mapped is IPv4"
    );
    assert_eq!(get("2001:db8::1").await.unwrap().status(), 403);
    // what the client claims stands left of what the proxy saw
    assert_eq!(get("198.51.100.7, 192.0.2.1").await.unwrap().status(), 403);
    assert_eq!(
        get("unknown").await.unwrap().status(),
        403,
        "an unknown address is none that is allowed"
    );
    assert_eq!(
        problem(sign_in(&hub, "owner@example.com", ELSEWHERE).await).await,
        (403, "auth.address_refused".into())
    );
    let body = json!({"refresh_token": tokens["refresh_token"]});
    let refresh = |address| from(hub.ask(Method::POST, "/auth/refresh").json(&body), address).send();
    assert_eq!(
        problem(refresh(ELSEWHERE).await.unwrap()).await,
        (403, "auth.address_refused".into())
    );
    assert_eq!(refresh(OFFICE).await.unwrap().status(), 200);
    let listed: Value = from(hub.ask(Method::GET, "/ip_rules").bearer_auth(token), OFFICE)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(
        (&listed["items"][0]["cidr"], &listed["your_address"]),
        (&json!("198.51.100.0/24"), &json!(OFFICE))
    );
    assert!(hub.audited().await.contains(&"auth.login_failed".to_owned()));
}

#[tokio::test]
async fn a_roles_list_is_for_its_holders_and_taking_the_role_takes_the_list() {
    let hub = behind_a_proxy("x-forwarded-for").await;
    let owner = hub.owner().await;
    let (manager, viewer) = (hub.someone(&["manager"]).await, hub.someone(&["viewer"]).await);
    let roles: Value = hub.get(&owner, "/roles").await.json().await.unwrap();
    let role = roles["items"]
        .as_array()
        .unwrap()
        .iter()
        .find(|role| role["name"] == "manager")
        .unwrap()["id"]
        .clone();
    let allowed = json!({"role": role, "cidr": "198.51.100.0/24"});
    assert_eq!(
        hub.send(&owner, Method::POST, "/ip_rules", allowed)
            .await
            .status(),
        201
    );
    // these come from the proxy's own machine
    assert_eq!(
        problem(hub.get(&manager, "/me").await).await,
        (403, "auth.address_refused".into())
    );
    assert_eq!(hub.get(&viewer, "/me").await.status(), 200);
    let there = from(hub.ask(Method::GET, "/me").bearer_auth(&manager.token), OFFICE);
    assert_eq!(there.send().await.unwrap().status(), 200);
    let path = format!("/users/{}/roles", manager.id);
    assert_eq!(
        hub.send(&owner, Method::PUT, &path, json!({"roles": []}))
            .await
            .status(),
        200
    );
    assert_eq!(hub.get(&manager, "/me").await.status(), 200);
    assert_eq!(
        problem(hub.get(&viewer, "/ip_rules").await).await,
        (403, "permission.missing".into())
    );
}

#[tokio::test]
async fn only_the_header_that_the_operator_names_is_believed() {
    for (by, seen) in [("x-forwarded-for", "192.0.2.1"), ("forwarded", "198.51.100.7")] {
        let hub = behind_a_proxy(by).await;
        let owner = hub.owner().await;
        let request = hub
            .ask(Method::GET, "/ip_rules")
            .bearer_auth(&owner.token)
            .header("x-forwarded-for", "192.0.2.1")
            .header("forwarded", "for=\"198.51.100.7:4711\";proto=https");
        let listed: Value = request.send().await.unwrap().json().await.unwrap();
        assert_eq!(listed["your_address"], seen, "{by}");
    }
    let alone = hub_with(&[]).await;
    let owner = alone.owner().await;
    let request = from(
        alone.ask(Method::GET, "/ip_rules").bearer_auth(&owner.token),
        OFFICE,
    );
    let listed: Value = request.send().await.unwrap().json().await.unwrap();
    assert_eq!(
        listed["your_address"], "127.0.0.1",
        "nobody's word counts without a trusted proxy"
    );
}

#[tokio::test]
async fn whoever_acts_as_somebody_is_let_in_only_from_where_both_of_them_are() {
    let hub = behind_a_proxy("x-forwarded-for").await;
    let owner = hub.owner().await;
    let (admin, viewer) = (hub.someone(&["admin"]).await, hub.someone(&["viewer"]).await);
    let path = format!("/users/{}/impersonate", viewer.id);
    let begun = hub
        .send(
            &admin,
            Method::POST,
            &path,
            json!({"reason": "They report an error"}),
        )
        .await;
    let begun: Value = begun.json().await.unwrap();
    let acting = begun["access_token"].as_str().unwrap();
    let ask = async |token: &str, address: &str| {
        let asked = from(hub.ask(Method::GET, "/me").bearer_auth(token), address).send();
        asked.await.unwrap().status().as_u16()
    };
    assert_eq!(ask(acting, ELSEWHERE).await, 200);
    let roles: Value = hub.get(&owner, "/roles").await.json().await.unwrap();
    let mut roles = roles["items"].as_array().unwrap().iter();
    let role = roles.find(|role| role["name"] == "admin").unwrap()["id"].clone();
    let list = json!({"cidr": "198.51.100.0/24", "role": role});
    let made = hub.send(&owner, Method::POST, "/ip_rules", list).await;
    assert_eq!(made.status(), 201);
    assert_eq!(
        (ask(acting, ELSEWHERE).await, ask(acting, OFFICE).await),
        (403, 200)
    );
    assert_eq!(ask(&viewer.token, ELSEWHERE).await, 200, "the person themselves");
}
