//! A hub of one's own: the real binary on a temporary folder, with its private servers or as a node of a [`Cluster`].
//!
//! [`Cluster`]: crate::cluster::Cluster

use crate::peers::{Process, Scratch, free_port};
use anyhow::{Context, bail, ensure};
use reqwest::{Client, Method};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

pub const EMAIL: &str = "owner@example.com";
pub const PASSWORD: &str = "load tests are patient 42";

/// A running hub, stopped when dropped.
pub struct Hub {
    /// `None` while it is dead.
    process: Option<Process>,
    binary: PathBuf,
    data: PathBuf,
    /// Its own; goes after the process, which writes there until it has stopped.
    folder: Option<Scratch>,
    pub address: SocketAddr,
    /// `http://127.0.0.1:PORT`.
    pub url: String,
    /// For every call.
    pub http: Client,
    /// The owner's access token.
    pub token: String,
}

impl Hub {
    /// Starts it and signs the owner in.
    pub async fn start(binary: &Path) -> anyhow::Result<Self> {
        Self::start_with(binary, "").await
    }

    /// As [`Hub::start`], with a configuration file of that text.
    pub async fn start_with(binary: &Path, configuration: &str) -> anyhow::Result<Self> {
        let folder = Scratch::new("hub")?;
        let mut hub = Self::at(binary, folder.path(), configuration)?;
        hub.folder = Some(folder);
        hub.run().await?;
        hub.sign_in().await?;
        Ok(hub)
    }

    /// A hub whose data is in `folder`, not yet running.
    pub fn at(binary: &Path, folder: &Path, configuration: &str) -> anyhow::Result<Self> {
        std::fs::write(folder.join("hub.toml"), configuration)?;
        let address = free_port()?;
        Ok(Self {
            process: None,
            binary: binary.to_owned(),
            data: folder.to_owned(),
            folder: None,
            address,
            url: format!("http://{address}"),
            http: Client::builder().timeout(Duration::from_secs(60)).build()?,
            token: String::new(),
        })
    }

    /// Starts it, again or for the first time, and waits until it is ready, 60 s at most.
    pub async fn run(&mut self) -> anyhow::Result<()> {
        let mut command = Command::new(&self.binary);
        command
            .args(["serve", "--listen", &self.address.to_string(), "--config"])
            .arg(self.data.join("hub.toml"))
            .arg("--data")
            .arg(&self.data)
            .env("SIGNALBOX__BOOTSTRAP__EMAIL", EMAIL)
            .env("SIGNALBOX__BOOTSTRAP__PASSWORD", PASSWORD);
        let process = Process::start(command, self.data.join("hub.out"))
            .with_context(|| format!("{}: build it first", self.binary.display()))?;
        let process = self.process.insert(process);
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            process.check()?;
            let asked = self.http.get(format!("{}/readyz", self.url)).send().await;
            if asked.is_ok_and(|answer| answer.status().is_success()) {
                return Ok(());
            }
            if Instant::now() > deadline {
                bail!("the hub did not become ready: {}", self.log());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// All it has said so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.data.join("hub.out")).unwrap_or_default()
    }

    /// Stops it as an operator does, and waits until it has. Blocks.
    pub fn stop(&mut self) {
        self.process = None;
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill();
        }
    }

    /// Signs the owner in.
    pub async fn sign_in(&mut self) -> anyhow::Result<()> {
        self.token = self.token_of(EMAIL, PASSWORD).await?;
        Ok(())
    }

    /// An access token of somebody.
    pub async fn token_of(&self, email: &str, password: &str) -> anyhow::Result<String> {
        let body = json!({"email": email, "password": password});
        let answer = self.call(Method::POST, "/auth/login", &body).await?;
        Ok(answer["access_token"]
            .as_str()
            .context("no access_token")?
            .to_owned())
    }

    /// GET below `/api/v1`.
    pub async fn get(&self, path: &str) -> anyhow::Result<Value> {
        self.call(Method::GET, path, &Value::Null).await
    }

    /// POST below `/api/v1`.
    pub async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        self.call(Method::POST, path, body).await
    }

    /// What is answered to the owner; null where the answer is empty. An error where it is refused.
    pub async fn call(&self, method: Method, path: &str, body: &Value) -> anyhow::Result<Value> {
        let mut request = self
            .http
            .request(method, format!("{}/api/v1{path}", self.url))
            .bearer_auth(&self.token);
        if !body.is_null() {
            request = request.json(body);
        }
        let answer = request.send().await?;
        let (status, text) = (answer.status(), answer.text().await?);
        ensure!(status.is_success(), "{path}: {status} {text}");
        if text.is_empty() {
            return Ok(Value::Null);
        }
        Ok(serde_json::from_str(&text)?)
    }

    /// Its version, as the binary says it.
    pub fn version(&self) -> String {
        crate::peers::version(&self.binary.to_string_lossy(), "--version").unwrap_or_default()
    }

    /// Its process; 0 while it is dead.
    pub fn pid(&self) -> u32 {
        self.process.as_ref().map_or(0, Process::pid)
    }

    /// The folder of the private servers' sockets.
    pub fn sockets(&self) -> PathBuf {
        self.data.join("servers/run")
    }

    /// Resident memory of the hub's own process, MiB: now, and at its highest.
    pub fn memory(&self) -> anyhow::Result<(f64, f64)> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid()))?;
        let read = |name: &str| -> Option<f64> {
            let line = status.lines().find(|line| line.starts_with(name))?;
            Some(line.split_whitespace().nth(1)?.parse::<f64>().ok()? / 1024.0)
        };
        Ok((
            read("VmRSS:").context("no VmRSS")?,
            read("VmHWM:").context("no VmHWM")?,
        ))
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        self.process = None;
        self.folder = None;
    }
}
