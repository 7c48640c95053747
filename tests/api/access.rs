use crate::harness::{hub, problem};
use reqwest::Method;
use serde_json::Value;
use signalbox_core::kernel::id::{RoleId, UserId};

/// Everything that needs nobody's name.
const OPEN: &[&str] = &["auth.login", "auth.refresh"];

#[tokio::test]
async fn every_operation_but_sign_in_refuses_nobody_and_a_session_that_has_ended() {
    let hub = hub().await;
    let gone = hub.owner().await;
    hub.test.sql("UPDATE user_sessions SET revoked_at = now()").await;
    let document = signalbox::http::document();
    let mut asked = 0;
    for (path, item) in &document.paths.paths {
        for (method, operation) in signalbox::http::operations::methods(item) {
            if OPEN.contains(&operation.operation_id.as_deref().unwrap()) {
                continue;
            }
            let path = path
                .strip_prefix("/api/v1")
                .unwrap()
                .replace("{id}", &UserId::new().to_string());
            let method: Method = method.parse().unwrap();
            let anonymous = hub.ask(method.clone(), &path).send().await.unwrap();
            assert_eq!(problem(anonymous).await.0, 401, "{method} {path}");
            let ended = hub
                .ask(method.clone(), &path)
                .bearer_auth(&gone.token)
                .send()
                .await
                .unwrap();
            assert_eq!(problem(ended).await.0, 401, "{method} {path}");
            asked += 1;
        }
    }
    assert!(asked >= 9, "{asked}");
}

#[tokio::test]
async fn roles_and_permissions_are_listed_for_whoever_may_see_them() {
    let hub = hub().await;
    let (viewer, user) = (hub.someone(&["viewer"]).await, hub.someone(&["user"]).await);
    let roles: Value = hub.get(&viewer, "/roles").await.json().await.unwrap();
    let names: Vec<&str> = roles["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|role| role["name"].as_str().unwrap())
        .collect();
    assert_eq!(
        names,
        [
            "owner",
            "admin",
            "manager",
            "moderator",
            "finance",
            "user",
            "viewer"
        ]
    );
    for role in roles["items"].as_array().unwrap() {
        role["id"].as_str().unwrap().parse::<RoleId>().unwrap();
    }
    let permissions: Value = hub.get(&viewer, "/permissions").await.json().await.unwrap();
    let all = permissions["items"].as_array().unwrap().len();
    assert_eq!(roles["items"][0]["permissions"].as_array().unwrap().len(), all);
    assert_eq!(
        roles["items"][1]["permissions"].as_array().unwrap().len(),
        all - 2
    );
    for path in ["/roles", "/permissions"] {
        assert_eq!(
            problem(hub.get(&user, path).await).await,
            (403, "permission.missing".into())
        );
    }
}
