use super::{BACK, PUBLIC, Stage};
use crate::harness::{hub, problem, problem_in_full};
use crate::live::identity::SECRET;
use reqwest::Method;
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_is_shown_with_where_it_sends_people_and_never_with_its_secret() {
    let stage = Stage::set(json!({})).await;
    let path = format!("/providers/{}", stage.id);
    let shown: Value = stage.hub.get(&stage.owner, &path).await.json().await.unwrap();
    assert_eq!(shown["has_client_secret"], true);
    assert_eq!(shown["redirect_uri"], BACK);
    let logout = format!("{PUBLIC}/api/v1/auth/providers/{}/logout", stage.id);
    assert_eq!(shown["backchannel_logout_uri"], logout);
    assert_eq!(
        shown["can"],
        json!(["providers.update", "providers.delete", "providers.test"])
    );
    let listed = stage
        .hub
        .get(&stage.owner, "/providers")
        .await
        .text()
        .await
        .unwrap();
    let kept = stage
        .hub
        .test
        .texts("SELECT p::text || a::text || o::text FROM identity_providers p, audit_logs a, outbox o")
        .await;
    let in_hex = hex::encode(SECRET);
    for text in kept.iter().chain([&listed, &shown.to_string()]) {
        assert!(!text.contains(SECRET) && !text.contains(&in_hex), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_says_whether_a_provider_answers_as_it_is_set_up() {
    let stage = Stage::set(json!({})).await;
    let tested = async |id: &str| -> Value {
        let path = format!("/providers/{id}/test");
        stage
            .hub
            .send(&stage.owner, Method::POST, &path, json!({}))
            .await
            .json()
            .await
            .unwrap()
    };
    let good = tested(&stage.id).await;
    assert_eq!(
        (&good["works"], &good["keys"]),
        (&json!(true), &json!(2)),
        "{good}"
    );
    let slash = format!("{}/", stage.identity.issuer);
    let other = stage.add(json!({"name": "Misspelt", "issuer": slash})).await;
    let bad = tested(other["id"].as_str().unwrap()).await;
    assert_eq!(bad["works"], false);
    assert!(bad["detail"].as_str().unwrap().contains("exactly"), "{bad}");
    let nobody = stage
        .add(json!({"name": "Nobody", "issuer": "http://127.0.0.1:9"}))
        .await;
    let bad = tested(nobody["id"].as_str().unwrap()).await;
    assert!(
        bad["detail"]
            .as_str()
            .unwrap()
            .starts_with("It cannot be reached"),
        "{bad}"
    );
    let path = format!("/auth/providers/{}/start", nobody["id"].as_str().unwrap());
    let refused = problem(stage.hub.post(&path, json!({})).await).await;
    assert_eq!(refused, (503, "providers.unreachable".into()));
}

#[tokio::test]
async fn each_field_of_a_provider_is_checked() {
    let hub = hub().await;
    let owner = hub.owner().await;
    let oidc = json!({"kind": "oidc", "name": "A", "issuer": "https://id.example.com", "client_id": "c"});
    let external = json!({
        "kind": "external_jwt", "name": "B", "issuer": "https://id.example.com",
        "jwks_url": "https://id.example.com/keys", "audience": "hub",
    });
    for (base, field, value) in [
        (&oidc, "issuer", json!("http://id.example.com")),
        (&oidc, "issuer", json!("https://id.example.com?a=b")),
        (&oidc, "issuer", json!("https://user:password@id.example.com")),
        (&oidc, "name", json!(" ")),
        (&oidc, "client_id", Value::Null),
        (&oidc, "jwks_url", json!("https://id.example.com/keys")),
        (&oidc, "algorithms", json!(["HS256"])),
        (&oidc, "algorithms", json!(["none"])),
        (&oidc, "algorithms", json!([])),
        (&oidc, "scopes", json!(["open id"])),
        (&oidc, "email_domains", json!(["a@b"])),
        (&external, "jwks_url", json!("http://id.example.com/keys")),
        (&external, "audience", Value::Null),
        (&external, "client_secret", json!("x")),
    ] {
        let mut body = base.clone();
        body[field] = value;
        let answer = hub.send(&owner, Method::POST, "/providers", body).await;
        let (status, _, told) = problem_in_full(answer).await;
        assert_eq!(
            (status, &told["errors"][0]["field"]),
            (422, &json!(field)),
            "{told}"
        );
    }
    for base in [oidc, external] {
        let made = hub.send(&owner, Method::POST, "/providers", base).await;
        assert_eq!(made.status(), 201);
    }
}

#[tokio::test]
async fn who_its_people_are_is_never_changed_and_an_older_version_is_refused() {
    let hub = hub().await;
    let owner = hub.owner().await;
    let body = json!({"kind": "oidc", "name": "A", "issuer": "https://id.example.com", "client_id": "c"});
    let made: Value = hub
        .send(&owner, Method::POST, "/providers", body)
        .await
        .json()
        .await
        .unwrap();
    let path = format!("/providers/{}", made["id"].as_str().unwrap());
    for field in ["issuer", "kind", "jwks_url", "audience"] {
        let refused = hub.send(&owner, Method::PATCH, &path, json!({field: "x"})).await;
        assert_eq!(problem(refused).await.0, 422, "{field}");
    }
    let claims = json!({"claims": {"subject": "nickname"}});
    assert_eq!(
        problem(hub.send(&owner, Method::PATCH, &path, claims).await)
            .await
            .0,
        422
    );
    let changed = hub.send(&owner, Method::PATCH, &path, json!({"name": "B"})).await;
    assert_eq!(changed.headers()["etag"], "\"2\"");
    let stale = hub.patch(&owner, &path, "\"1\"", json!({"name": "C"})).await;
    let (status, code, told) = problem_in_full(stale).await;
    assert_eq!(
        (status, code.as_str(), &told["current"]["name"]),
        (412, "provider.stale", &json!("B"))
    );
    let deleted = hub
        .ask(Method::DELETE, &path)
        .bearer_auth(&owner.token)
        .send()
        .await
        .unwrap();
    assert_eq!(deleted.status(), 204);
    assert_eq!(
        problem(hub.get(&owner, &path).await).await,
        (404, "provider.not_found".into())
    );
}

#[tokio::test]
async fn an_admin_manages_providers_but_maps_to_no_role_above_and_changes_none_that_does() {
    let hub = hub().await;
    let (owner, admin, viewer) = (
        hub.owner().await,
        hub.someone(&["admin"]).await,
        hub.someone(&["viewer"]).await,
    );
    let roles: Value = hub.get(&owner, "/roles").await.json().await.unwrap();
    let role = |name: &str| {
        let mut roles = roles["items"].as_array().unwrap().iter();
        roles.find(|role| role["name"] == name).unwrap()["id"].clone()
    };
    let body = |role: Value| {
        json!({
            "kind": "oidc", "name": "A", "issuer": "https://id.example.com", "client_id": "c",
            "mappings": [{"claim": "groups", "value": "x", "role": role}],
        })
    };
    assert_eq!(
        problem(
            hub.send(&viewer, Method::POST, "/providers", body(role("viewer")))
                .await
        )
        .await,
        (403, "permission.missing".into())
    );
    assert_eq!(problem(hub.get(&viewer, "/providers").await).await.0, 403);
    let above = hub
        .send(&admin, Method::POST, "/providers", body(role("owner")))
        .await;
    assert_eq!(problem(above).await, (403, "roles.out_of_reach".into()));
    let made = hub
        .send(&admin, Method::POST, "/providers", body(role("viewer")))
        .await;
    assert_eq!(made.status(), 201);
    let owners: Value = hub
        .send(&owner, Method::POST, "/providers", body(role("owner")))
        .await
        .json()
        .await
        .unwrap();
    let path = format!("/providers/{}", owners["id"].as_str().unwrap());
    for change in [
        json!({"name": "mine"}),
        json!({"mappings": []}),
        json!({"client_id": "mine"}),
    ] {
        let refused = hub.send(&admin, Method::PATCH, &path, change).await;
        assert_eq!(problem(refused).await, (403, "roles.out_of_reach".into()));
    }
    let deleted = hub
        .ask(Method::DELETE, &path)
        .bearer_auth(&admin.token)
        .send()
        .await
        .unwrap();
    assert_eq!(problem(deleted).await, (403, "roles.out_of_reach".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_is_no_way_to_become_somebody_who_may_do_more_than_whoever_trusts_the_provider() {
    let stage = Stage::set(json!({})).await;
    let admin = stage.hub.someone(&["admin"]).await;
    stage
        .hub
        .test
        .sql(format!(
            "UPDATE users SET email = 'ada@example.com' WHERE id = '{}'",
            stage.owner.id
        ))
        .await;
    let path = format!("/providers/{}", stage.id);
    let trusted = stage
        .hub
        .send(&admin, Method::PATCH, &path, json!({"link_by_email": true}))
        .await;
    assert_eq!(trusted.status(), 200);
    assert_eq!(
        problem(stage.sign_in("ada").await).await,
        (403, "providers.not_linked".into())
    );
    let trusted = stage
        .hub
        .send(&stage.owner, Method::PATCH, &path, json!({"link_by_email": true}))
        .await;
    assert_eq!(trusted.status(), 200);
    let answer = stage.sign_in("ada").await;
    assert_eq!(
        answer.status(),
        403,
        "the owner changed nothing, so the admin still answers for it"
    );
    for on in [false, true] {
        stage
            .hub
            .send(&stage.owner, Method::PATCH, &path, json!({"link_by_email": on}))
            .await;
    }
    assert_eq!(
        stage.me(stage.sign_in("ada").await).await["user"]["id"],
        stage.owner.id.to_string()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn providers_are_changed_by_a_person_who_has_just_proved_who_they_are_and_by_no_key() {
    let stage = Stage::set(json!({})).await;
    let key = json!({"name": "k", "scopes": ["providers:read", "providers:manage"]});
    let key: Value = stage
        .hub
        .send(&stage.owner, Method::POST, "/api_keys", key)
        .await
        .json()
        .await
        .unwrap();
    let body = json!({"kind": "oidc", "name": "A", "issuer": "https://id.example.com", "client_id": "c"});
    let by_key = stage
        .hub
        .ask(Method::POST, "/providers")
        .bearer_auth(key["secret"].as_str().unwrap());
    let refused = problem(by_key.json(&body).send().await.unwrap()).await;
    assert_eq!(refused, (403, "auth.session_required".into()));
    stage.hub.clock.advance(time::Duration::minutes(11));
    let refused = problem(
        stage
            .hub
            .send(&stage.owner, Method::POST, "/providers", body)
            .await,
    )
    .await;
    assert_eq!(refused, (403, "auth.step_up_needed".into()));
    let path = format!("/providers/{}", stage.id);
    let refused = stage
        .hub
        .send(&stage.owner, Method::PATCH, &path, json!({"name": "x"}))
        .await;
    assert_eq!(problem(refused).await, (403, "auth.step_up_needed".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_is_deleted_takes_the_roles_along_that_came_from_it() {
    let stage = Stage::set(json!({"provision": true})).await;
    let moderator = stage.role("moderator").await;
    let mapping = json!({"mappings": [{"claim": "groups", "value": "hub-moderators", "role": moderator}]});
    let path = format!("/providers/{}", stage.id);
    stage.hub.send(&stage.owner, Method::PATCH, &path, mapping).await;
    let answer = stage.sign_in("ada").await;
    let tokens: Value = answer.json().await.unwrap();
    let deleted = stage
        .hub
        .ask(Method::DELETE, &path)
        .bearer_auth(&stage.owner.token)
        .send()
        .await
        .unwrap();
    assert_eq!(deleted.status(), 204);
    let me = stage
        .hub
        .ask(Method::GET, "/me")
        .bearer_auth(tokens["access_token"].as_str().unwrap());
    let me: Value = me.send().await.unwrap().json().await.unwrap();
    assert_eq!(me["roles"], json!([]));
    assert_eq!(
        stage.hub.test.count("SELECT count(*) FROM linked_accounts").await,
        0
    );
}

#[tokio::test]
async fn only_who_may_do_what_an_owner_may_has_a_provider_believed_on_a_second_factor() {
    let hub = hub().await;
    let (owner, admin) = (hub.owner().await, hub.someone(&["admin"]).await);
    let body = json!({"kind": "oidc", "name": "A", "issuer": "https://id.example.com", "client_id": "c"});
    let mut believed = body.clone();
    believed["second_factor"] = json!(true);
    let refused = hub.send(&admin, Method::POST, "/providers", believed).await;
    assert_eq!(problem(refused).await, (403, "permission.outranked".into()));
    let made = hub.send(&admin, Method::POST, "/providers", body).await;
    let made: Value = made.json().await.unwrap();
    let path = format!("/providers/{}", made["id"].as_str().unwrap());
    let believe = |on: bool| json!({"second_factor": on});
    let refused = hub.send(&admin, Method::PATCH, &path, believe(true)).await;
    assert_eq!(problem(refused).await, (403, "permission.outranked".into()));
    for (who, change) in [
        (&owner, believe(true)),
        (&admin, json!({"name": "B", "second_factor": true})),
        (&admin, believe(false)),
    ] {
        let changed = hub.send(who, Method::PATCH, &path, change).await;
        assert_eq!(changed.status(), 200);
    }
}
