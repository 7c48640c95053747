//! Two nodes on one PostgreSQL and a Redis of their own, all to be killed, stopped and robbed of their data.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use signalbox_core::Store;
use signalbox_core::auth::create_owner;
use signalbox_core::bus::Bus;
use signalbox_core::db::{Db, Options};
use signalbox_core::testing::{SECRET, TestStore, store, store_on};

use super::postgres::Postgres;

/// Generous: two cores run everything.
const PATIENCE: Duration = Duration::from_mins(2);
/// A word for SIGNALBOX_FAULTS: a node or a Redis that is kept from its turn for some seconds ends nothing that is open. Not for
/// tests of what ends when the bus is cut.
pub const PATIENT: &str = "silence=30";
const EMAIL: &str = "referee@example.com";
const PASSWORD: &str = "a referee is patient 42";

/// A process that does not outlive the test.
pub struct Process(pub Child);

impl Process {
    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.0.id() as i32), signal).unwrap();
    }

    pub fn end(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}

/// Waits for a condition, and says what was awaited when it does not come.
pub async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    assert!(
        tokio::time::timeout(PATIENCE, waiting).await.is_ok(),
        "waited {PATIENCE:?} in vain until {what}"
    );
}

pub struct Node {
    process: Option<Process>,
    pub url: String,
    listen: String,
    data: PathBuf,
}

impl Node {
    /// The relay of this node waits at `point` from now on.
    pub fn arm(&self, point: &str) {
        std::fs::write(self.data.join(format!("{point}.stop")), "").unwrap();
    }

    pub fn disarm(&self, point: &str) {
        let _ = std::fs::remove_file(self.data.join(format!("{point}.stop")));
        let _ = std::fs::remove_file(self.data.join(format!("{point}.here")));
    }

    /// Its data folder.
    pub fn data(&self) -> PathBuf {
        self.data.clone()
    }

    pub fn is_at(&self, point: &str) -> bool {
        self.data.join(format!("{point}.here")).exists()
    }

    pub fn signal(&self, signal: Signal) {
        self.process.as_ref().unwrap().signal(signal);
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.process.as_ref().unwrap().0.id()
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<std::process::ExitStatus> {
        self.process.as_mut().unwrap().0.try_wait().unwrap()
    }
}

pub struct Cluster {
    pub test: TestStore,
    /// Its own PostgreSQL, where the shared one has too few connections. Ends after the nodes.
    postgres: Option<Postgres>,
    /// As a node has it: on the cluster's Redis, with more connections.
    pub store: Store,
    pub nodes: Vec<Node>,
    pub folder: PathBuf,
    redis: Option<Process>,
    in_slots: bool,
    http: reqwest::Client,
    faults: String,
    settings: &'static [(&'static str, &'static str)],
}

impl Cluster {
    /// Starts `nodes` nodes, all with `faults` in SIGNALBOX_FAULTS.
    pub async fn start(nodes: usize, faults: &str) -> Self {
        Self::start_on(store().await, None, nodes, faults, 80, false).await
    }

    /// As [`Cluster::start`], on a Redis in cluster mode, which refuses whatever touches keys of two slots at once.
    pub async fn start_in_slots(nodes: usize) -> Self {
        Self::start_on(store().await, None, nodes, "", 80, true).await
    }

    /// As [`Cluster::start_in_slots`], with settings in the nodes' environment, and [`PATIENT`].
    pub async fn start_with(nodes: usize, settings: &'static [(&'static str, &'static str)]) -> Self {
        let mut cluster = Self::start_on(store().await, None, 0, PATIENT, 80, true).await;
        cluster.settings = settings;
        for number in 0..nodes {
            cluster.add(number);
            cluster.run(number).await;
        }
        cluster
    }

    /// As [`Cluster::start`], with a PostgreSQL of its own, on which `open` changes may stand open at once.
    pub async fn start_for(open: usize, nodes: usize) -> Self {
        let postgres = Postgres::start(open + 200);
        let test = store_on(&postgres.url).await;
        Self::start_on(test, Some(postgres), nodes, "", open as u32 + 20, false).await
    }

    async fn start_on(
        test: TestStore,
        postgres: Option<Postgres>,
        nodes: usize,
        faults: &str,
        max_connections: u32,
        in_slots: bool,
    ) -> Self {
        let folder = std::env::temp_dir().join(&test.prefix);
        std::fs::create_dir(&folder).unwrap();
        let redis = Some(start_redis(&folder, in_slots).await);
        let options = Options {
            url: test.app_url.clone(),
            replica_url: None,
            max_connections,
        };
        let store = Store {
            db: Db::connect(&options).await.unwrap(),
            bus: Bus::connect(&redis_url(&folder), "signalbox").await.unwrap(),
            ..test.store.clone()
        };
        create_owner(&store, EMAIL, Some(PASSWORD.to_owned().into()))
            .await
            .unwrap();
        let mut cluster = Self {
            test,
            postgres,
            store,
            nodes: Vec::new(),
            folder,
            redis,
            in_slots,
            http: crate::harness::client_with()
                .timeout(Duration::from_secs(2))
                .build()
                .unwrap(),
            faults: faults.to_owned(),
            settings: &[],
        };
        for number in 0..nodes {
            cluster.add(number);
            cluster.run(number).await;
        }
        cluster
    }

    fn add(&mut self, number: usize) {
        let data = self.folder.join(format!("node{number}"));
        std::fs::create_dir(&data).unwrap();
        // nodes of one installation share its secret
        std::fs::write(data.join("secrets.hex"), hex::encode(SECRET)).unwrap();
        let listen = format!("127.0.0.1:{}", free_port());
        self.nodes.push(Node {
            process: None,
            url: format!("http://{listen}"),
            listen,
            data,
        });
    }

    /// Starts the node of that number and waits until it is ready.
    pub async fn run(&mut self, number: usize) {
        let node = &self.nodes[number];
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.folder.join(format!("node{number}.log")))
            .unwrap();
        let process = Command::new(env!("CARGO_BIN_EXE_signalbox"))
            .args(["serve", "--listen", &node.listen, "--data"])
            .arg(&node.data)
            .env("SIGNALBOX__DATABASE__URL", &self.test.app_url)
            .env(
                "SIGNALBOX__DATABASE__OWNER_URL",
                self.test.app_url.replace("signalbox_app@", "signalbox_owner@"),
            )
            .env("SIGNALBOX__REDIS__URL", redis_url(&self.folder))
            .env(
                "SIGNALBOX_FAULTS",
                format!("points={},{}", node.data.display(), self.faults),
            )
            // whoever is kept from its turn may answer a ping late
            .env("SIGNALBOX__LIVE__PONG_SECONDS", "24")
            .envs(self.settings.iter().copied())
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        self.nodes[number].process = Some(Process(process));
        let url = format!("{}/readyz", self.nodes[number].url);
        until("the node is ready", async || {
            self.http
                .get(&url)
                .send()
                .await
                .is_ok_and(|answer| answer.status().is_success())
        })
        .await;
    }

    /// Which node's relay leads, as it says itself.
    pub async fn leader(&self) -> Option<usize> {
        for (number, node) in self.nodes.iter().enumerate() {
            if let Ok(answer) = self.http.get(format!("{}/metrics", node.url)).send().await
                && let Ok(text) = answer.text().await
                && text
                    .lines()
                    .any(|line| line.starts_with("signalbox_leader{role=\"outbox_relay\"} 1"))
            {
                return Some(number);
            }
        }
        None
    }

    /// The relay of which node has come to `point`.
    pub async fn arrival(&self, point: &str) -> usize {
        let mut arrived = None;
        until(&format!("a relay comes to {point}"), async || {
            arrived = self.nodes.iter().position(|node| node.is_at(point));
            arrived.is_some()
        })
        .await;
        arrived.unwrap()
    }

    /// What the nodes' gauges of that name come to together.
    pub async fn gauge(&self, name: &str) -> f64 {
        let mut sum = 0.0;
        for number in 0..self.nodes.len() {
            sum += self.gauge_of(number, name).await;
        }
        sum
    }

    /// What the gauges of that name of one node come to, once it answers; 0 where it was killed.
    pub async fn gauge_of(&self, number: usize, name: &str) -> f64 {
        if self.nodes[number].process.is_none() {
            return 0.0;
        }
        let url = format!("{}/metrics", self.nodes[number].url);
        let mut text = String::new();
        until("the node tells its gauges", async || {
            let Ok(answer) = self.http.get(&url).send().await else {
                return false;
            };
            text = answer.text().await.unwrap_or_default();
            !text.is_empty()
        })
        .await;
        let lines = text.lines().filter(|line| line.starts_with(name));
        lines
            .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
            .sum()
    }

    /// All that the node of that number has logged, whichever of its lives.
    pub fn log(&self, number: usize) -> String {
        std::fs::read_to_string(self.folder.join(format!("node{number}.log"))).unwrap()
    }

    /// The owner's access token.
    pub async fn sign_in(&self) -> String {
        self.sign_in_as(EMAIL, PASSWORD).await
    }

    /// An access token.
    pub async fn sign_in_as(&self, email: &str, password: &str) -> String {
        let body = serde_json::json!({"email": email, "password": password});
        let answer = self.post(0, "", "/auth/login", body).await;
        answer["access_token"].as_str().unwrap().to_owned()
    }

    /// What the node answers to a request that must succeed.
    pub async fn post(
        &self,
        number: usize,
        token: &str,
        path: &str,
        body: serde_json::Value,
    ) -> serde_json::Value {
        let url = format!("{}/api/v1{path}", self.nodes[number].url);
        let request = crate::harness::client().post(url).bearer_auth(token).json(&body);
        let answer = request.send().await.unwrap();
        let (status, text) = (answer.status(), answer.text().await.unwrap());
        assert!(status.is_success(), "{path}: {status} {text}");
        serde_json::from_str(&text).unwrap_or_default()
    }

    pub fn redis(&self, command: &str) {
        let answer = ask_redis(&self.folder.join("redis.sock"), command);
        assert!(answer.is_some(), "Redis did not take {command}");
    }

    /// SIGKILL.
    pub fn kill_redis(&mut self) {
        self.redis = None;
    }

    /// Starts it with what lies in its folder.
    pub async fn start_redis(&mut self) {
        self.redis = Some(start_redis(&self.folder, self.in_slots).await);
    }

    /// Everything that is committed is ordered and published.
    pub async fn settled(&self) {
        until("nothing is pending", async || {
            signalbox_core::outbox_relay::pending(&self.store)
                .await
                .is_ok_and(|pending| pending == 0)
        })
        .await;
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.nodes.clear();
        self.redis = None;
        self.postgres = None;
        if std::thread::panicking() {
            eprintln!("the nodes' logs are kept in {}", self.folder.display());
        } else {
            let _ = std::fs::remove_dir_all(&self.folder);
        }
    }
}

fn redis_url(folder: &Path) -> String {
    format!("redis+unix://{}/redis.sock", folder.display())
}

async fn start_redis(folder: &Path, in_slots: bool) -> Process {
    let socket = folder.join("redis.sock");
    let mut command = Command::new("redis-server");
    command
        .args(["--save", "", "--appendonly", "no", "--dir"])
        .arg(folder)
        .arg("--unixsocket")
        .arg(&socket);
    if in_slots {
        let free = [free_port(), free_port()].map(|port| port.to_string());
        let [port, bus] = &free;
        command.args(["--cluster-enabled", "yes", "--port", port, "--cluster-port", bus]);
    } else {
        command.args(["--port", "0"]);
    }
    let redis = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn();
    let redis = Process(redis.expect("redis-server"));
    until("Redis answers", async || ask_redis(&socket, "PING").is_some()).await;
    if in_slots {
        // refused where it knows from its file that it has them
        ask_redis(&socket, "CLUSTER ADDSLOTSRANGE 0 16383");
        until("it serves its slots", async || {
            ask_redis(&socket, "SET its:slots here").is_some()
        })
        .await;
    }
    redis
}

fn free_port() -> u16 {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    free.local_addr().unwrap().port()
}

fn ask_redis(socket: &Path, command: &str) -> Option<String> {
    let mut stream = UnixStream::connect(socket).ok()?;
    stream.write_all(format!("{command}\r\n").as_bytes()).ok()?;
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer).ok()?;
    answer.starts_with(['+', ':']).then_some(answer)
}
