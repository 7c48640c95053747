//! A real OpenID provider (npm `oidc-provider`) in a process of its own, and a browser that goes there, signs in and consents.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Client, Response, Url};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

/// As whom the hub comes to it, and with what.
pub const CLIENT: &str = "signalbox";
pub const SECRET: &str = "a secret: with %, + and / in it";

/// The provider.
pub struct Identity {
    _process: Child,
    orders: ChildStdin,
    told: Lines<BufReader<ChildStdout>>,
    /// Its issuer.
    pub issuer: String,
}

impl Identity {
    pub async fn start() -> Self {
        let mut process = Command::new("node")
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/live/provider.mjs"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("Node.js is needed: bin/test says where to get it");
        let orders = process.stdin.take().unwrap();
        let told = BufReader::new(process.stdout.take().unwrap()).lines();
        let mut identity = Self {
            _process: process,
            orders,
            told,
            issuer: String::new(),
        };
        identity.issuer = identity.next().await["issuer"].as_str().unwrap().to_owned();
        identity
    }

    async fn next(&mut self) -> Value {
        loop {
            let line = tokio::time::timeout(Duration::from_mins(1), self.told.next_line());
            let line = line.await.expect("the provider tells nothing").unwrap();
            let line = line.expect("the provider's process ended: bin/test installs its package");
            // what the package itself says is not of ours
            if let Ok(told) = serde_json::from_str(&line) {
                return told;
            }
        }
    }

    async fn order(&mut self, order: Value) -> Value {
        self.orders
            .write_all(format!("{order}\n").as_bytes())
            .await
            .unwrap();
        let told = self.next().await;
        assert_eq!(told["done"], true, "{told}");
        told
    }

    /// Makes it anew with one client, whose people come back to `redirect_uri`, and who is told of logouts at `logout`.
    pub async fn configure(&mut self, redirect_uri: &str, logout: Option<&str>, people: Value) {
        let mut client = json!({
            "client_id": CLIENT, "client_secret": SECRET, "redirect_uris": [redirect_uri],
            "response_types": ["code"], "grant_types": ["authorization_code"], "id_token_signed_response_alg": "ES256",
        });
        if let Some(logout) = logout {
            client["backchannel_logout_uri"] = json!(logout);
            client["backchannel_logout_session_required"] = json!(true);
        }
        self.order(json!({"client": client, "people": people})).await;
    }

    /// Its people are others from now on.
    pub async fn people(&mut self, people: Value) {
        self.order(json!({"people": people})).await;
    }

    /// As [`Self::configure`], with other keys.
    pub async fn rotate(&mut self, redirect_uri: &str, people: Value) {
        self.order(json!({"rotate": true})).await;
        self.configure(redirect_uri, None, people).await;
    }

    /// A token as an application with hosted identity gets it, or as `by` says (`provider.mjs` lists the ways).
    pub async fn token(&mut self, claims: Value, header: Value, by: &str) -> String {
        let told = self
            .order(json!({"sign": {"claims": claims, "header": header, "by": by}}))
            .await;
        told["token"].as_str().unwrap().to_owned()
    }

    /// Its next ID token says `claims` beside its own, null for those that it leaves out, below `header`, signed as `by` says;
    /// empty: by the provider, as it should be.
    pub async fn spoil(&mut self, claims: Value, header: Value, by: &str) {
        self.order(json!({"spoil": {"claims": claims, "header": header, "by": by}}))
            .await;
    }

    /// Where its keys for such tokens are.
    pub fn hosted_keys(&self) -> String {
        format!("{}/hosted/keys", self.issuer)
    }
}

/// A browser without a screen: it keeps cookies and follows redirects, up to an address of the hub.
pub struct Browser {
    client: Client,
    cookies: BTreeMap<String, String>,
}

impl Browser {
    pub fn new() -> Self {
        let client = crate::harness::client_with().redirect(Policy::none());
        Self {
            client: client.build().unwrap(),
            cookies: BTreeMap::new(),
        }
    }

    async fn send(&mut self, url: &Url, form: Option<&[(&str, &str)]>) -> Response {
        let cookies: Vec<String> = self
            .cookies
            .iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let request = match form {
            None => self.client.get(url.clone()),
            Some(form) => {
                let mut body = Url::parse("http://form.invalid").unwrap();
                body.query_pairs_mut().extend_pairs(form);
                self.client
                    .post(url.clone())
                    .header("content-type", "application/x-www-form-urlencoded")
                    .body(body.query().unwrap().to_owned())
            }
        };
        let answer = request.header("cookie", cookies.join("; ")).send().await.unwrap();
        for set in answer.headers().get_all("set-cookie") {
            let pair = set.to_str().unwrap().split(';').next().unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
        answer
    }

    /// Goes to a provider's page and does there what it asks, until it is sent to an address that begins with `back`: that
    /// address.
    pub async fn go(&mut self, url: &str, login: &str, back: &str) -> Url {
        let mut at = Url::parse(url).unwrap();
        let mut answer = self.send(&at, None).await;
        for _ in 0..20 {
            if answer.status().is_redirection() {
                let location = answer.headers()["location"].to_str().unwrap().to_owned();
                at = at.join(&location).unwrap();
                if at.as_str().starts_with(back) {
                    return at;
                }
                answer = self.send(&at, None).await;
                continue;
            }
            let status = answer.status();
            let page = answer.text().await.unwrap();
            assert!(status.is_success(), "{at}: {status} {page}");
            answer = if page.contains(r#"value="login""#) {
                let form = [("prompt", "login"), ("login", login), ("password", "any")];
                self.send(&at, Some(&form)).await
            } else if page.contains(r#"value="consent""#) {
                self.send(&at, Some(&[("prompt", "consent")])).await
            } else {
                panic!("{at} asks for something else: {page}");
            };
        }
        panic!("the provider sends nobody back");
    }

    /// Signs out at the provider.
    pub async fn sign_out(&mut self, issuer: &str) {
        let at = Url::parse(&format!("{issuer}/session/end")).unwrap();
        let page = self.send(&at, None).await.text().await.unwrap();
        let xsrf = page
            .split(r#"name="xsrf" value=""#)
            .nth(1)
            .expect("a form to sign out");
        let xsrf = xsrf.split('"').next().unwrap().to_owned();
        let at = Url::parse(&format!("{issuer}/session/end/confirm")).unwrap();
        let answer = self.send(&at, Some(&[("xsrf", &xsrf), ("logout", "yes")])).await;
        assert!(answer.status().is_redirection() || answer.status().is_success());
    }
}

/// What stands in an address's query, as a page of the console sends it on.
pub fn returned(url: &Url) -> Value {
    let known = ["state", "code", "iss", "error"];
    let pairs = url.query_pairs().filter(|(name, _)| known.contains(&&**name));
    Value::Object(
        pairs
            .map(|(name, value)| (name.into_owned(), json!(value)))
            .collect(),
    )
}
