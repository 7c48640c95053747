//! A hub's HTTP floor in this process, on a free port, with a database of its own: what most tests of the API need.
//! What stops, starts or kills a hub uses the real program instead (`services::hub`).

use actix_web::{HttpServer, web};
use reqwest::{Client, ClientBuilder, Method, RequestBuilder, Response};
use serde_json::{Value, json};
use signalbox::config::{Flags, Settings, load_from};
use signalbox::http::server_api::{self, ServerApi};
use signalbox::http::{self, State};
use signalbox_actors::nodes::{Local, Nodes};
use signalbox_actors::presence::Presence;
use signalbox_actors::supervision::{Options, Tree};
use signalbox_core::auth;
use signalbox_core::kernel::clock::Clock;
use signalbox_core::kernel::id::UserId;
use signalbox_core::kernel::password_policy::Breached;
use signalbox_core::testing::{self, TestStore};
use std::fmt::Debug;
use std::sync::Arc;

/// Everybody's password.
pub const PASSWORD: &str = "correct horse battery";

/// An HTTP client. In one build with the hub, reqwest speaks TLS too and wants to be told by what.
pub fn client() -> Client {
    client_with().build().unwrap()
}

/// As [`client`], to be told more.
pub fn client_with() -> ClientBuilder {
    // fails where it was installed already, which is as good
    let _ = rustls::crypto::ring::default_provider().install_default();
    // sooner than the hub ends an idle connection (5 s): a request sent in that instant would be lost
    Client::builder().pool_idle_timeout(std::time::Duration::from_secs(3))
}

/// One running hub.
pub struct Hub {
    /// Its store.
    pub test: TestStore,
    /// `http://127.0.0.1:PORT`.
    pub url: String,
    /// Moves only when it is told to.
    pub clock: Clock,
    /// Who is in which channel, on a node.
    pub presence: Option<Presence>,
    server: actix_web::dev::ServerHandle,
    _tree: Option<Tree>,
}

/// Somebody who has signed in.
#[derive(Clone, Debug)]
pub struct SignedIn {
    /// Who.
    pub id: UserId,
    /// Their address.
    pub email: String,
    /// Their access token.
    pub token: String,
    /// Their refresh token.
    pub refresh: String,
    /// Their session.
    pub session: String,
}

/// A hub with the default settings.
pub async fn hub() -> Hub {
    hub_with(&[]).await
}

/// A hub with `settings` as the environment sets them: `("SIGNALBOX__AUTH__...", "...")`.
pub async fn hub_with(settings: &[(&str, &str)]) -> Hub {
    start(settings, None).await
}

/// As [`hub_with`], a node named `here` whose live connections are `local`.
pub async fn hub_as_node(settings: &[(&str, &str)], local: Arc<dyn Local>) -> Hub {
    start(settings, Some(local)).await
}

async fn start(settings: &[(&str, &str)], local: Option<Arc<dyn Local>>) -> Hub {
    let clock = Clock::manual(Clock::system().now());
    let hub = serve(testing::store().await, clock, settings, local).await;
    auth::create_owner(&hub.test.store, "owner@example.com", Some(PASSWORD.into()))
        .await
        .unwrap();
    hub
}

#[expect(
    clippy::disallowed_methods,
    reason = "the server ends with the test's runtime"
)]
async fn serve(
    mut test: TestStore,
    clock: Clock,
    settings: &[(&str, &str)],
    local: Option<Arc<dyn Local>>,
) -> Hub {
    test.store.clock = clock.clone();
    let settings = settings_of(settings);
    if let Some(path) = &settings.auth.breached_passwords {
        let passwords = test.store.passwords.clone();
        test.store.passwords = passwords.with_breached(Breached::open(path).unwrap());
    }
    let state = State::start(test.store.clone(), Arc::new(settings.clone()))
        .await
        .unwrap();
    let state = web::Data::new(state);
    let tree = local.as_ref().map(|_| Tree::start(Options::default()).unwrap());
    let node = tree.as_ref().zip(local).map(|(tree, local)| {
        let nodes = Nodes::supervise(tree, &test.store, "here", local).unwrap();
        let presence = Presence::supervise(tree, &test.store, &nodes, Arc::default()).unwrap();
        let api = ServerApi::new(&settings, &test.store, &nodes, &presence);
        (web::Data::new(nodes), web::Data::new(api), presence)
    });
    let presence = node.as_ref().map(|(_, _, presence)| presence.clone());
    if let Some(tree) = &tree {
        tree.start_all().await;
    }
    let app = move || {
        let app = http::app(state.clone());
        match &node {
            Some((nodes, api, presence)) => app
                .app_data(nodes.clone())
                .app_data(web::Data::new(presence.clone()))
                .app_data(api.clone())
                .configure(server_api::routes),
            None => app,
        }
    };
    let server = HttpServer::new(app)
        .workers(1)
        .disable_signals()
        .bind("127.0.0.1:0")
        .unwrap();
    let url = format!("http://{}", server.addrs()[0]);
    let server = server.run();
    let handle = server.handle();
    tokio::spawn(server);
    Hub {
        test,
        url,
        clock,
        presence,
        server: handle,
        _tree: tree,
    }
}

impl Hub {
    /// Another node on the same servers, by the same clock.
    pub async fn another_node(&self, settings: &[(&str, &str)]) -> Self {
        let test = TestStore {
            store: self.test.store.clone(),
            organization: self.test.organization,
            app_url: self.test.app_url.clone(),
            admin_url: self.test.admin_url.clone(),
            redis_url: self.test.redis_url.clone(),
            prefix: self.test.prefix.clone(),
        };
        serve(test, self.clock.clone(), settings, None).await
    }
}

fn settings_of(settings: &[(&str, &str)]) -> Settings {
    let environment = settings
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    load_from(&Flags::default(), environment).unwrap()
}

impl Drop for Hub {
    fn drop(&mut self) {
        // the message is sent at once; nobody waits for the end
        drop(self.server.stop(false));
    }
}

impl Hub {
    /// A request to `/api/v1{path}` of nobody.
    pub fn ask(&self, method: Method, path: &str) -> RequestBuilder {
        client().request(method, format!("{}/api/v1{path}", self.url))
    }

    /// A GET of `who`.
    pub async fn get(&self, who: &SignedIn, path: &str) -> Response {
        self.ask(Method::GET, path)
            .bearer_auth(&who.token)
            .send()
            .await
            .unwrap()
    }

    /// A request of `who` with a JSON body.
    pub async fn send(&self, who: &SignedIn, method: Method, path: &str, body: Value) -> Response {
        self.ask(method, path)
            .bearer_auth(&who.token)
            .json(&body)
            .send()
            .await
            .unwrap()
    }

    /// What `who` changes at `path`, if it still is the version that they saw: an `ETag`.
    pub async fn patch(&self, who: &SignedIn, path: &str, version: &str, body: Value) -> Response {
        let asked = self.ask(Method::PATCH, path).bearer_auth(&who.token);
        let asked = asked.header("if-match", version).json(&body);
        asked.send().await.unwrap()
    }

    /// The owner's sign-in at the console, in a browser.
    pub async fn sign_in_at_the_console(&self) -> Response {
        let asked = self
            .ask(Method::POST, "/auth/login")
            .header("x-signalbox-client", "console")
            .header("origin", &self.url);
        let body = json!({"email": "owner@example.com", "password": PASSWORD});
        asked.json(&body).send().await.unwrap()
    }

    /// A POST of nobody.
    pub async fn post(&self, path: &str, body: Value) -> Response {
        self.ask(Method::POST, path).json(&body).send().await.unwrap()
    }

    /// The first owner, signed in.
    pub async fn owner(&self) -> SignedIn {
        self.sign_in("owner@example.com").await
    }

    /// Somebody new with the predefined roles `roles`, signed in.
    pub async fn someone(&self, roles: &[&str]) -> SignedIn {
        let email = self.person(roles).await;
        self.sign_in(&email).await
    }

    /// Somebody new with the predefined roles `roles`; their address.
    pub async fn person(&self, roles: &[&str]) -> String {
        let (id, passwords) = (UserId::new(), &self.test.store.passwords);
        let turn = passwords.turn().await.unwrap();
        let hash = passwords.hash(turn, PASSWORD.into()).await.unwrap();
        let organization = self.test.organization;
        let names: Vec<String> = roles.iter().map(|role| format!("'{role}'")).collect();
        let names = if names.is_empty() {
            "NULL".to_owned()
        } else {
            names.join(",")
        };
        let email = format!("{id}@example.com");
        self.test
            .sql(format!(
                "INSERT INTO users (id, organization_id, email, name, password_hash)
                 VALUES ('{id}', '{organization}', '{email}', 'Person', '{hash}');
                 INSERT INTO user_roles (organization_id, user_id, role_id)
                 SELECT '{organization}', '{id}', r.id FROM roles r WHERE r.name IN ({names})"
            ))
            .await;
        email
    }

    /// Signs in whoever has this address.
    pub async fn sign_in(&self, email: &str) -> SignedIn {
        let answer = self
            .post("/auth/login", json!({"email": email, "password": PASSWORD}))
            .await;
        assert_eq!(answer.status(), 200);
        let tokens: Value = answer.json().await.unwrap();
        let text = |name: &str| tokens[name].as_str().unwrap().to_owned();
        let mut who = SignedIn {
            id: UserId::new(),
            email: email.to_owned(),
            token: text("access_token"),
            refresh: text("refresh_token"),
            session: text("session_id"),
        };
        let me: Value = self.get(&who, "/me").await.json().await.unwrap();
        who.id = me["user"]["id"].as_str().unwrap().parse().unwrap();
        who
    }

    /// Actions in the audit log, oldest first.
    pub async fn audited(&self) -> Vec<String> {
        self.test.texts("SELECT action FROM audit_logs ORDER BY id").await
    }
}

/// Looks at a scenario until it comes to `expected`, five times at most, each time with somebody new in it: a node whose Redis
/// takes longer than a request waits for it counts alone, and so lets in more.
pub async fn comes_to<T: PartialEq + Debug>(expected: T, scenario: impl AsyncFn() -> T) {
    let mut seen = Vec::new();
    while !seen.contains(&expected) {
        assert!(seen.len() < 5, "never {expected:?}, but {seen:?}");
        seen.push(scenario().await);
    }
}

/// Status and `code` of a problem, whose shape is checked.
pub async fn problem(answer: Response) -> (u16, String) {
    let (status, code, _) = problem_in_full(answer).await;
    (status, code)
}

/// Status, `code` and body of a problem, whose shape is checked.
pub async fn problem_in_full(answer: Response) -> (u16, String, Value) {
    let status = answer.status().as_u16();
    let kind = answer.headers().get("content-type").cloned();
    let text = answer.text().await.unwrap();
    assert_eq!(kind.unwrap(), "application/problem+json", "{status} {text}");
    let body: Value = serde_json::from_str(&text).unwrap();
    let code = body["code"].as_str().unwrap().to_owned();
    assert_eq!(body["type"], format!("urn:signalbox:problem:{code}"));
    assert_eq!(body["status"], status);
    assert_eq!(body["trace_id"].as_str().unwrap().len(), 32, "{body}");
    assert!(!body["detail"].as_str().unwrap().is_empty() && body["errors"].is_array());
    (status, code, body)
}
