use crate::harness::{PASSWORD, hub, problem};
use crate::services::hub::{Folder, Hub, signalbox};
use reqwest::{Method, Response};
use serde_json::{Value, json};
use signalbox_core::kernel::id::{RoleId, UserId};

/// Everything that needs nobody's name.
const OPEN: &[&str] = &[
    "auth.ask_passkey",
    "auth.confirm_email",
    "auth.confirm_enrollment",
    "auth.confirm_sign_up",
    "auth.enroll",
    "auth.factor",
    "auth.forgot_password",
    "auth.login",
    "auth.passkey",
    "auth.provider_finish",
    "auth.provider_logout",
    "auth.provider_start",
    "auth.providers",
    "auth.refresh",
    "auth.reset_password",
    "auth.send_code",
    "auth.sign_up",
    "auth.sign_up_open",
    "invitations.accept",
    "invitations.look",
];

/// The real program, which remembers whom it has checked.
struct Real {
    hub: Hub,
    _folder: Folder,
}

impl Real {
    fn start() -> Self {
        let folder = Folder::new();
        let mut command = signalbox();
        command
            .env("SIGNALBOX__BOOTSTRAP__EMAIL", "owner@example.com")
            .env("SIGNALBOX__BOOTSTRAP__PASSWORD", PASSWORD);
        let mut hub = Hub::launch(command, folder.path());
        hub.wait_until_ready();
        Self { hub, _folder: folder }
    }

    async fn ask(&self, token: Option<&str>, method: Method, path: &str, body: Option<Value>) -> Response {
        let mut request =
            crate::harness::client().request(method, format!("http://{}/api/v1{path}", self.hub.address));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        request.send().await.unwrap()
    }

    async fn sign_in(&self, email: &str, password: &str) -> String {
        let body = json!({"email": email, "password": password});
        let answer = self.ask(None, Method::POST, "/auth/login", Some(body)).await;
        assert_eq!(answer.status(), 200);
        let tokens: Value = answer.json().await.unwrap();
        tokens["access_token"].as_str().unwrap().to_owned()
    }
}

#[tokio::test]
async fn every_operation_but_sign_in_refuses_nobody_and_a_session_that_has_ended() {
    let real = Real::start();
    let token = real.sign_in("owner@example.com", PASSWORD).await;
    let out = real.ask(Some(&token), Method::POST, "/auth/logout", None).await;
    assert_eq!(out.status(), 204);
    let document = signalbox::http::document();
    let mut asked = 0;
    for (path, item) in &document.paths.paths {
        for (method, operation) in signalbox::http::operations::methods(item) {
            if OPEN.contains(&operation.operation_id.as_deref().unwrap()) {
                continue;
            }
            let id = UserId::new().to_string();
            let mut path = path
                .strip_prefix("/api/v1")
                .unwrap()
                .replace("{id}", &id)
                .replace("{user}", &id)
                .replace("{wallet}", &id);
            if path == "/stream" {
                path += "?channel=feed:users";
            }
            let method: Method = method.parse().unwrap();
            for token in [None, Some(token.as_str())] {
                let refused = real.ask(token, method.clone(), &path, None).await;
                assert_eq!(problem(refused).await.0, 401, "{method} {path}");
            }
            asked += 1;
        }
    }
    assert!(asked >= 20, "{asked}");
}

#[tokio::test]
async fn what_a_hub_remembers_of_a_person_follows_every_change_of_their_rights() {
    let real = Real::start();
    let owner = real.sign_in("owner@example.com", PASSWORD).await;
    let owner = Some(owner.as_str());
    let roles: Value = real
        .ask(owner, Method::GET, "/roles", None)
        .await
        .json()
        .await
        .unwrap();
    let viewer = roles["items"]
        .as_array()
        .unwrap()
        .iter()
        .find(|role| role["name"] == "viewer")
        .unwrap()["id"]
        .clone();
    let new = json!({"email": "v@example.com", "name": "V", "password": PASSWORD, "roles": [viewer]});
    let made = real.ask(owner, Method::POST, "/users", Some(new)).await;
    assert_eq!(made.status(), 201);
    let made: Value = made.json().await.unwrap();
    let path = format!("/users/{}", made["id"].as_str().unwrap());
    let token = real.sign_in("v@example.com", PASSWORD).await;
    let seen = async |token: &str| real.ask(Some(token), Method::GET, "/roles", None).await;
    assert_eq!(seen(&token).await.status(), 200);
    let assign = async |roles: Value| {
        let body = json!({"roles": roles});
        let answer = real
            .ask(owner, Method::PUT, &format!("{path}/roles"), Some(body))
            .await;
        assert_eq!(answer.status(), 200);
    };
    assign(json!([])).await;
    assert_eq!(
        problem(seen(&token).await).await,
        (403, "permission.missing".into())
    );
    assign(json!([viewer])).await;
    assert_eq!(seen(&token).await.status(), 200);
    let reset = real
        .ask(
            owner,
            Method::POST,
            &format!("{path}/reset_password"),
            Some(json!({})),
        )
        .await;
    let reset: Value = reset.json().await.unwrap();
    let once = reset["one_time_password"].as_str().unwrap();
    assert_eq!(problem(seen(&token).await).await.0, 401);
    let token = real.sign_in("v@example.com", once).await;
    assert_eq!(
        problem(seen(&token).await).await.1,
        "auth.password_change_required"
    );
    let change = json!({"current_password": once, "new_password": "a password of my own"});
    let changed = real
        .ask(Some(&token), Method::POST, "/me/password", Some(change))
        .await;
    assert_eq!(changed.status(), 204);
    assert_eq!(seen(&token).await.status(), 200);
    let ban = real
        .ask(
            owner,
            Method::POST,
            &format!("{path}/ban"),
            Some(json!({"reason": "a test"})),
        )
        .await;
    assert_eq!(ban.status(), 200);
    assert_eq!(problem(seen(&token).await).await.0, 401);
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
        all - 3
    );
    for path in ["/roles", "/permissions"] {
        assert_eq!(
            problem(hub.get(&user, path).await).await,
            (403, "permission.missing".into())
        );
    }
}
