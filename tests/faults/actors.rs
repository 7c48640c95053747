//! Every actor of the real tree is panicked and frozen in turn, under load, and what the hub promises still holds.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::{Duration, Instant};

use futures::StreamExt;
use parking_lot::Mutex;
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};

use crate::services::hub::{Folder, Hub, signalbox};
use signalbox_actors::private_services::Urls;

const OWNER: (&str, &str) = ("owner@example.com", "an owner who is patient 42");
const MEMBER_PASSWORD: &str = "another long enough password";

/// A signed-in client.
#[derive(Clone)]
struct Api {
    client: Client,
    base: String,
    token: String,
}

impl Api {
    async fn sign_in(base: &str, email: &str, password: &str) -> Self {
        let client = crate::harness::client();
        let url = format!("{base}/api/v1/auth/login");
        let body = json!({"email": email, "password": password});
        let answer = client.post(url).json(&body).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "sign-in of {email}");
        let answer: Value = answer.json().await.unwrap();
        let token = answer["access_token"].as_str().unwrap().to_owned();
        Self {
            client,
            base: base.to_owned(),
            token,
        }
    }

    async fn call(&self, method: Method, path: &str, body: Option<Value>) -> (StatusCode, Value) {
        let mut request = self
            .client
            .request(method, format!("{}{path}", self.base))
            .bearer_auth(&self.token);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await.unwrap();
        let status = answer.status();
        (status, answer.json().await.unwrap_or(Value::Null))
    }

    async fn get(&self, path: &str) -> (StatusCode, Value) {
        self.call(Method::GET, path, None).await
    }

    async fn actors(&self) -> Vec<Value> {
        let (status, body) = self.get("/api/v1/system/actors").await;
        assert_eq!(
            status,
            StatusCode::OK,
            "the System page must answer whatever is broken: {body}"
        );
        body["items"].as_array().unwrap().clone()
    }

    async fn actor(&self, name: &str) -> Value {
        self.actors()
            .await
            .into_iter()
            .find(|actor| actor["name"] == name)
            .unwrap()
    }
}

async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !holds().await {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Everything an event stream has brought, across its interruptions.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<String>>);

impl Heard {
    /// Listens to `feed:users` until `end`; comes back where it stopped, as a browser does.
    fn listen(&self, api: Api, end: Arc<AtomicBool>) -> tokio::task::JoinHandle<()> {
        let heard = self.clone();
        tokio::spawn(async move {
            while !end.load(SeqCst) {
                let last = heard.last_id();
                let url = format!("{}/api/v1/stream?channel=feed:users", api.base);
                let mut request = api.client.get(url).bearer_auth(&api.token);
                if let Some(last) = last {
                    request = request.header("Last-Event-ID", last);
                }
                if let Ok(answer) = request.send().await
                    && answer.status() == StatusCode::OK
                {
                    let mut chunks = answer.bytes_stream();
                    while let Some(Ok(chunk)) = chunks.next().await {
                        *heard.0.lock() += &String::from_utf8_lossy(&chunk);
                    }
                }
                // as long as a browser waits before it comes back, in short
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        })
    }

    fn last_id(&self) -> Option<String> {
        let text = self.0.lock();
        // Only of events that arrived whole.
        let whole = &text[..text.rfind("\n\n")?];
        whole
            .lines()
            .rev()
            .find_map(|line| line.strip_prefix("id:"))
            .map(|id| id.trim().to_owned())
    }

    /// How often `user.created` of `id` arrived.
    fn created(&self, id: &str) -> usize {
        let text = self.0.lock();
        let events = text.lines().filter_map(|line| line.strip_prefix("data:"));
        events
            .filter_map(|data| serde_json::from_str::<Value>(data).ok())
            .filter(|event| event["type"] == "user.created" && event["subject"]["id"] == id)
            .count()
    }
}

/// Asks without pause, and counts what was not answered 200.
fn press(api: Api, end: Arc<AtomicBool>) -> (Arc<AtomicU64>, Arc<Mutex<Vec<String>>>) {
    let (answered, bad) = (Arc::new(AtomicU64::new(0)), Arc::new(Mutex::new(Vec::new())));
    let counts = (Arc::clone(&answered), Arc::clone(&bad));
    tokio::spawn(async move {
        while !end.load(SeqCst) {
            let (status, body) = api.get("/api/v1/users?limit=20").await;
            if status == StatusCode::OK {
                counts.0.fetch_add(1, SeqCst);
            } else {
                counts.1.lock().push(format!("{status} {body}"));
            }
        }
    });
    (answered, bad)
}

/// A hub whose actors can be broken, and its owner.
async fn breakable(folder: &Folder) -> (Hub, Api) {
    let mut command = signalbox();
    command
        .env("SIGNALBOX_FAULTS", "1")
        // the load asks without pause
        .env("SIGNALBOX__LIMITS__DEFAULT__READ__USER", "0")
        .env("SIGNALBOX__BOOTSTRAP__EMAIL", OWNER.0)
        .env("SIGNALBOX__BOOTSTRAP__PASSWORD", OWNER.1);
    let mut hub = Hub::launch(command, folder.path());
    hub.wait_until_ready();
    let owner = Api::sign_in(&format!("http://{}", hub.address), OWNER.0, OWNER.1).await;
    (hub, owner)
}

/// Commit means delivered, and a ban bites: with a person made for this.
async fn promises_hold(owner: &Api, heard: &Heard, role: &str, round: usize, after: &str) {
    let email = format!("member{round}@example.com");
    let member = json!({"email": email, "name": "Member", "password": MEMBER_PASSWORD, "roles": [role]});
    let (status, created) = owner.call(Method::POST, "/api/v1/users", Some(member)).await;
    assert_eq!(status, StatusCode::CREATED, "after {after}: {created}");
    let id = created["id"].as_str().unwrap().to_owned();
    delivered(heard, &id, &format!("{email} after {after}")).await;
    ban_bites(owner, &email, &id, after).await;
}

async fn delivered(heard: &Heard, id: &str, what: &str) {
    until(&format!("the stream brought {what}"), async || {
        heard.created(id) > 0
    })
    .await;
    assert_eq!(heard.created(id), 1, "once: {what}");
}

async fn ban_bites(owner: &Api, email: &str, id: &str, after: &str) {
    let them = Api::sign_in(&owner.base, email, MEMBER_PASSWORD).await;
    assert_eq!(them.get("/api/v1/me").await.0, StatusCode::OK);
    let ban = Some(json!({"reason": "test"}));
    let (status, answer) = owner
        .call(Method::POST, &format!("/api/v1/users/{id}/ban"), ban)
        .await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    let banned = Instant::now();
    let (status, _) = them.get("/api/v1/me").await;
    assert_eq!(
        status,
        StatusCode::UNAUTHORIZED,
        "{:?} after the ban, after {after}",
        banned.elapsed()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn each_actor_is_panicked_frozen_and_poisoned_at_its_start_in_turn_under_load_and_every_promise_holds()
{
    let folder = Folder::new();
    let (hub, owner) = breakable(&folder).await;
    let (_, roles) = owner.get("/api/v1/roles").await;
    let viewer = roles["items"]
        .as_array()
        .unwrap()
        .iter()
        .find(|role| role["name"] == "viewer")
        .unwrap();
    let viewer = viewer["id"].as_str().unwrap().to_owned();

    let end = Arc::new(AtomicBool::new(false));
    let heard = Heard::default();
    let listening = heard.listen(owner.clone(), Arc::clone(&end));
    until("the stream is open", async || !heard.0.lock().is_empty()).await;
    let (answered, bad) = press(owner.clone(), Arc::clone(&end));
    promises_hold(&owner, &heard, &viewer, 0, "nothing").await;

    let tree = owner.actors().await;
    assert!(tree.len() >= 8, "{tree:?}");
    let mut round = 0;
    for actor in &tree {
        let name = actor["name"].as_str().unwrap();
        for (poison, falls) in [("panic", 1), ("freeze", 1), ("start", 2)] {
            round += 1;
            let before = owner.actor(name).await["restarts"].as_u64().unwrap();
            let pressed = answered.load(SeqCst);
            let fault = Some(json!({"actor": name, "poison": poison}));
            let (status, answer) = owner.call(Method::POST, "/faults/actors", fault).await;
            assert_eq!(status, StatusCode::NO_CONTENT, "{answer}");
            // At once, while it is still broken.
            promises_hold(&owner, &heard, &viewer, round, &format!("{poison} of {name}")).await;
            until(&format!("{name} is back after {poison}"), async || {
                let now = owner.actor(name).await;
                now["restarts"].as_u64().unwrap() == before + falls && now["state"] == "running"
            })
            .await;
            until("readiness is green", async || hub.get("/readyz") == 200).await;
            until("the load goes on", async || answered.load(SeqCst) > pressed).await;
        }
    }
    for actor in owner.actors().await {
        assert_eq!(actor["restarts"], 4, "only its own faults: {actor}");
    }
    end.store(true, SeqCst);
    assert_eq!(
        *bad.lock(),
        Vec::<String>::new(),
        "requests that were not answered 200"
    );
    listening.abort();
    hub.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_storm_of_each_actor_turns_readiness_red_for_it_alone_and_the_hub_mends_itself() {
    let folder = Folder::new();
    let (hub, owner) = breakable(&folder).await;
    let (end, heard) = (Arc::new(AtomicBool::new(false)), Heard::default());
    let listening = heard.listen(owner.clone(), Arc::clone(&end));
    until("the stream is open", async || !heard.0.lock().is_empty()).await;
    let red = async || -> Vec<String> {
        let (_, report) = owner.get("/readyz?verbose").await;
        let checks = report["checks"].as_array().unwrap().iter();
        checks
            .filter(|check| check["ready"] == false)
            .map(|check| check["detail"].as_str().unwrap().to_owned())
            .collect()
    };
    let mut names: Vec<_> = owner
        .actors()
        .await
        .iter()
        .map(|actor| actor["name"].as_str().unwrap().to_owned())
        .collect();
    // Breaking an actor takes a signed-in caller, so those who tell who that is are the last.
    names.sort_by_key(|name| (name == "session_keeper", name == "permission_cache"));
    for (index, name) in names.iter().enumerate() {
        until(&format!("{name} has failed"), async || {
            let fault = Some(json!({"actor": name, "poison": "panic"}));
            owner.call(Method::POST, "/faults/actors", fault).await;
            red()
                .await
                .iter()
                .any(|why| why.contains(&format!("{name} failed")))
        })
        .await;
        assert_eq!(hub.get("/readyz"), 503);
        assert_eq!(
            hub.get("/livez"),
            200,
            "a failed {name} is no reason to kill the hub"
        );
        let why = red().await.join("; ");
        for other in &names[index + 1..] {
            assert!(
                !why.contains(&format!("{other} failed")),
                "{other} is well: {why}"
            );
        }
    }
    // With all state of this node gone PostgreSQL is asked itself: work goes on, and a ban still bites.
    let (_, roles) = owner.get("/api/v1/roles").await;
    let mut roles = roles["items"].as_array().unwrap().iter();
    let viewer = roles.find(|role| role["name"] == "viewer").unwrap()["id"].clone();
    let email = "meanwhile@example.com";
    let member = json!({"email": email, "name": "Member", "password": MEMBER_PASSWORD, "roles": [viewer]});
    let (status, created) = owner.call(Method::POST, "/api/v1/users", Some(member)).await;
    assert_eq!(status, StatusCode::CREATED, "{created}");
    let meanwhile = created["id"].as_str().unwrap();
    ban_bites(&owner, email, meanwhile, "every actor failed").await;

    // Each is tried again after 30 s and believed after 10 more.
    let deadline = Instant::now() + Duration::from_mins(3);
    while hub.get("/readyz") != 200 {
        assert!(Instant::now() < deadline, "still red: {:?}", red().await);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    delivered(&heard, meanwhile, "what was done meanwhile").await;
    promises_hold(&owner, &heard, viewer.as_str().unwrap(), 1, "the storms").await;
    end.store(true, SeqCst);
    listening.abort();
    hub.stop();
}

/// Whether they are let in. Whoever is away lets nobody in.
async fn let_in(them: &Api) -> bool {
    let url = format!("{}/api/v1/me", them.base);
    let asked = them.client.get(url).bearer_auth(&them.token).send().await;
    asked.is_ok_and(|answer| answer.status().is_success())
}

/// They ask again and again for as long as `meanwhile` lasts, and a few times behind it, and are never let in.
async fn stays_out_of<T>(them: &Api, what: &str, meanwhile: impl Future<Output = T>) -> T {
    let asking = async {
        while !let_in(them).await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let after = tokio::select! {
        () = asking => panic!("let in: {what}"),
        after = meanwhile => after,
    };
    for _ in 0..20 {
        assert!(!let_in(them).await, "let in afterwards: {what}");
    }
    after
}

/// What the private Redis answers: one line.
fn redis(socket: &str, command: &str) -> String {
    use std::io::{BufRead, BufReader, Write};
    let mut stream = std::os::unix::net::UnixStream::connect(socket).unwrap();
    stream.write_all(format!("{command}\r\n").as_bytes()).unwrap();
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer).unwrap();
    answer.trim_end().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ban_outlives_whatever_remembers_it() {
    let folder = Folder::new();
    let (hub, owner) = breakable(&folder).await;
    let member = json!({"email": "member@example.com", "name": "Member", "password": MEMBER_PASSWORD});
    let (_, created) = owner.call(Method::POST, "/api/v1/users", Some(member)).await;
    let path = format!("/api/v1/users/{}", created["id"].as_str().unwrap());
    let ban = async || {
        owner
            .call(Method::POST, &format!("{path}/unban"), Some(json!({})))
            .await;
        let them = Api::sign_in(&owner.base, "member@example.com", MEMBER_PASSWORD).await;
        assert_eq!(them.get("/api/v1/me").await.0, StatusCode::OK);
        let body = Some(json!({"reason": "a test"}));
        assert_eq!(
            owner.call(Method::POST, &format!("{path}/ban"), body).await.0,
            StatusCode::OK
        );
        them
    };
    stays_out(&folder, hub, &owner, ban).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_an_api_key_outlives_whatever_remembers_it() {
    let folder = Folder::new();
    let (hub, owner) = breakable(&folder).await;
    let revoke = async || {
        let new = json!({"name": "Test", "scopes": ["users:read"]});
        let (_, made) = owner.call(Method::POST, "/api/v1/api_keys", Some(new)).await;
        let them = Api {
            token: made["secret"].as_str().unwrap().to_owned(),
            ..owner.clone()
        };
        assert_eq!(them.get("/api/v1/me").await.0, StatusCode::OK);
        let path = format!("/api/v1/api_keys/{}/revoke", made["id"].as_str().unwrap());
        let (status, answer) = owner.call(Method::POST, &path, Some(json!({}))).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        them
    };
    stays_out(&folder, hub, &owner, revoke).await;
}

/// Whoever has just been shut out stays out: of an actor that forgets all, of a Redis that is emptied, of a node that is
/// killed and comes back.
async fn stays_out(folder: &Folder, mut hub: Hub, owner: &Api, shut_out: impl AsyncFn() -> Api) {
    for actor in ["session_keeper", "permission_cache"] {
        let them = shut_out().await;
        let before = owner.actor(actor).await["restarts"].as_u64().unwrap();
        let fall = async {
            let fault = Some(json!({"actor": actor, "poison": "panic"}));
            owner.call(Method::POST, "/faults/actors", fault).await;
            until("it has begun anew", async || {
                owner.actor(actor).await["restarts"].as_u64().unwrap() > before
            })
            .await;
        };
        stays_out_of(&them, actor, fall).await;
    }
    let url = Urls::of_running(folder.path()).unwrap().redis;
    let socket = url
        .strip_prefix("redis+unix://")
        .unwrap()
        .split('?')
        .next()
        .unwrap()
        .to_owned();
    let them = shut_out().await;
    let flush = async {
        assert_eq!(redis(&socket, "FLUSHALL"), "+OK");
        until("the hub writes to it again", async || {
            redis(&socket, "DBSIZE") != ":0"
        })
        .await;
    };
    stays_out_of(&them, "Redis emptied", flush).await;
    let address = hub.address.clone();
    hub.signal(nix::sys::signal::Signal::SIGKILL);
    hub.ended();
    let again = async {
        let mut hub = Hub::launch_at(&address, signalbox(), folder.path());
        tokio::task::block_in_place(|| hub.wait_until_ready());
        until("it answers", async || hub.get("/readyz") == 200).await;
        hub
    };
    stays_out_of(&them, "the node killed", again).await.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_are_not_to_be_had_on_a_hub_that_was_not_started_for_them() {
    let folder = Folder::new();
    let mut command = signalbox();
    command
        .env_remove("SIGNALBOX_FAULTS")
        .env("SIGNALBOX__BOOTSTRAP__EMAIL", OWNER.0)
        .env("SIGNALBOX__BOOTSTRAP__PASSWORD", OWNER.1);
    let mut hub = Hub::launch(command, folder.path());
    hub.wait_until_ready();
    let owner = Api::sign_in(&format!("http://{}", hub.address), OWNER.0, OWNER.1).await;
    let fault = Some(json!({"actor": "session_keeper", "poison": "panic"}));
    assert_eq!(
        owner.call(Method::POST, "/faults/actors", fault).await.0,
        StatusCode::NOT_FOUND
    );
    let (_, info) = owner.get("/api/v1/system/info").await;
    assert!(
        info["postgres"]["version"].is_string() && info["redis"]["version"].is_string(),
        "{info}"
    );
    assert_eq!(info["roles"], json!(["api", "actors", "jobs"]));
    let nobody = Api {
        token: String::from("none"),
        ..owner
    };
    for path in ["/api/v1/system/actors", "/api/v1/system/info"] {
        assert_eq!(nobody.get(path).await.0, StatusCode::UNAUTHORIZED);
    }
    hub.stop();
}
