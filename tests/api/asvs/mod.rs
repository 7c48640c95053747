//! The requirements of the OWASP Application Security Verification Standard 5.0 that the hub adopts, one test each, named by
//! its id. `docs/SECURITY.md` lists them, with those that are not covered and why; `tests/tidy/security.rs` holds both equal.
//!
//! Most are shown in depth elsewhere, over every operation by `matrix`; here each stands by itself.

mod authentication;
mod authorization;
mod codes;
mod coding;
mod cryptography;
mod encoding;
mod exposure;
mod factors;
mod files;
mod frontend;
mod logging;
mod messages;
mod openid;
mod passwords;
mod providers;
mod sessions;
mod tokens;
mod transport;
mod validation;

use reqwest::{Method, RequestBuilder, Response};
use serde_json::{Value, json};

use crate::harness::{Hub, SignedIn};

/// A sign-in of whoever has this address and password.
async fn login(hub: &Hub, email: &str, password: &str) -> Response {
    hub.post("/auth/login", json!({"email": email, "password": password}))
        .await
}

/// Chooses another password.
async fn choose(hub: &Hub, who: &SignedIn, current: &str, new: &str) -> Response {
    let body = json!({"current_password": current, "new_password": new});
    hub.send(who, Method::POST, "/me/password", body).await
}

async fn json_of(answer: Response) -> Value {
    let (status, text) = (answer.status(), answer.text().await.unwrap());
    assert!(status.is_success(), "{status} {text}");
    serde_json::from_str(&text).unwrap()
}

/// A browser that has signed in: its cookies as it sends them, as they were set, and its CSRF token.
struct Browser {
    cookies: String,
    set: Vec<String>,
    csrf: String,
}

impl Browser {
    async fn of_owner(hub: &Hub) -> Self {
        let answer = hub.sign_in_at_the_console().await;
        let set = answer.headers().get_all("set-cookie").iter();
        let set: Vec<String> = set.map(|cookie| cookie.to_str().unwrap().to_owned()).collect();
        let pairs: Vec<&str> = set
            .iter()
            .map(|cookie| cookie.split(';').next().unwrap())
            .collect();
        Self {
            cookies: pairs.join("; "),
            csrf: json_of(answer).await["csrf_token"].as_str().unwrap().to_owned(),
            set,
        }
    }

    fn ask(&self, hub: &Hub, method: Method, path: &str) -> RequestBuilder {
        hub.ask(method, path).header("cookie", &self.cookies)
    }
}

async fn status(request: RequestBuilder) -> u16 {
    request.send().await.unwrap().status().as_u16()
}

/// The console's sources, but for their tests: paths below `console/src`, and what is in them.
fn console_sources() -> Vec<(String, String)> {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/console/src");
    let (mut found, mut waiting) = (Vec::new(), vec![std::path::PathBuf::from(root)]);
    while let Some(at) = waiting.pop() {
        for entry in std::fs::read_dir(&at).unwrap().flatten() {
            let path = entry.path();
            let name = path.strip_prefix(root).unwrap().display().to_string();
            if path.is_dir() {
                waiting.push(path);
            } else if path
                .extension()
                .is_some_and(|ending| ending == "ts" || ending == "tsx")
                && !name.contains(".test.")
            {
                found.push((name, std::fs::read_to_string(&path).unwrap()));
            }
        }
    }
    assert!(found.len() > 100, "the console's sources stand elsewhere now");
    found
}
