//! A hub of one's own: the real binary on a temporary folder, with its private servers.

use anyhow::{Context, bail};
use reqwest::Client;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const EMAIL: &str = "owner@example.com";
const PASSWORD: &str = "load tests are patient 42";

/// A running hub, stopped when dropped.
pub struct Hub {
    child: Child,
    data: PathBuf,
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
        let data = std::env::temp_dir().join(format!("signalbox-load-{}", std::process::id()));
        std::fs::create_dir_all(&data)?;
        let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let log = std::fs::File::create(data.join("hub.out"))?;
        let child = Command::new(binary)
            .args(["serve", "--listen", &format!("127.0.0.1:{port}"), "--data"])
            .arg(&data)
            .env("SIGNALBOX__BOOTSTRAP__EMAIL", EMAIL)
            .env("SIGNALBOX__BOOTSTRAP__PASSWORD", PASSWORD)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("cannot start {}: cargo build --release first", binary.display()))?;
        let url = format!("http://127.0.0.1:{port}");
        let mut hub = Self {
            child,
            data,
            url,
            http: Client::new(),
            token: String::new(),
        };
        hub.ready().await?;
        hub.sign_in().await?;
        Ok(hub)
    }

    /// Waits until `/readyz` is 200, 60 s at most.
    async fn ready(&mut self) -> anyhow::Result<()> {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let answer = self.http.get(format!("{}/readyz", self.url)).send().await;
            if answer.is_ok_and(|answer| answer.status().is_success()) {
                return Ok(());
            }
            if Instant::now() > deadline || self.child.try_wait()?.is_some() {
                bail!(
                    "the hub did not become ready: {}",
                    std::fs::read_to_string(self.data.join("hub.out"))?
                );
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn sign_in(&mut self) -> anyhow::Result<()> {
        let answer: Value = self
            .http
            .post(format!("{}/api/v1/auth/login", self.url))
            .json(&json!({"email": EMAIL, "password": PASSWORD}))
            .send()
            .await?
            .error_for_status()?
            .json()
            .await?;
        answer["access_token"]
            .as_str()
            .context("no access_token")?
            .clone_into(&mut self.token);
        Ok(())
    }

    /// GET below `/api/v1`.
    pub async fn get(&self, path: &str) -> anyhow::Result<Value> {
        let request = self
            .http
            .get(format!("{}/api/v1{path}", self.url))
            .bearer_auth(&self.token);
        Ok(request.send().await?.error_for_status()?.json().await?)
    }

    /// The folder of the private servers' sockets.
    pub fn sockets(&self) -> PathBuf {
        self.data.join("servers/run")
    }

    /// Resident memory of the hub's own process, MiB: now, and at its highest.
    pub fn memory(&self) -> anyhow::Result<(f64, f64)> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
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
        // SIGTERM, so that the servers stop with it; the folder goes only when they have
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.data);
    }
}
