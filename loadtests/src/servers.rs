//! PostgreSQL and Redis of a run's own, for nodes that share them and for what no private server lets one do: ask for the
//! instant of a commit, restart, flush.

use crate::peers::{Process, Scratch};
use anyhow::{Context, bail, ensure};
use nix::sys::signal::Signal;
use nix::unistd::{Uid, User, chown};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

const ROLES: &str = "CREATE ROLE signalbox_owner LOGIN CREATEROLE; CREATE ROLE signalbox_app LOGIN";
const DATABASE: &str = "CREATE DATABASE signalbox OWNER signalbox_owner";

/// Both servers, on sockets in a folder. They end when dropped.
pub struct Servers {
    postgres: Process,
    /// `None` while it is dead.
    redis: Option<Process>,
    folder: Scratch,
}

impl Servers {
    /// Starts both. `durable` as an operator has it; otherwise nothing is synced.
    pub fn start(durable: bool) -> anyhow::Result<Self> {
        let folder = Scratch::new("db")?;
        let user = unprivileged()?;
        std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o711))?;
        for part in ["s", "pg", "redis"] {
            let path = folder.path().join(part);
            std::fs::create_dir(&path)?;
            std::fs::set_permissions(&path, PermissionsExt::from_mode(0o700))?;
            if let Some(user) = &user {
                chown(&path, Some(user.uid), Some(user.gid))?;
            }
        }
        let postgres = start_postgres(folder.path(), user.as_ref(), durable)?;
        let mut servers = Self {
            postgres,
            redis: None,
            folder,
        };
        let deadline = Instant::now() + Duration::from_secs(60);
        while let Err(why) = servers.psql("postgres", "SELECT 1") {
            servers.postgres.check()?;
            ensure!(Instant::now() < deadline, "PostgreSQL did not start: {why}");
            std::thread::sleep(Duration::from_millis(50));
        }
        servers.psql("postgres", ROLES)?;
        servers.psql("postgres", DATABASE)?;
        servers.start_redis()?;
        Ok(servers)
    }

    /// What a node's configuration says of them.
    pub fn configuration(&self) -> String {
        format!(
            "[database]\nurl = \"{}\"\nowner_url = \"{}\"\n[redis]\nurl = \"{}\"\n",
            self.database_url("signalbox_app"),
            self.database_url("signalbox_owner"),
            self.redis_url()
        )
    }

    /// The hub's database, for `role`.
    pub fn database_url(&self, role: &str) -> String {
        let place = self.folder.path().join("s");
        format!("postgres://{role}@localhost/signalbox?host={}", place.display())
    }

    pub fn redis_url(&self) -> String {
        format!("redis+unix://{}", self.redis_socket().display())
    }

    /// The rows of a query, as its superuser.
    pub fn rows(&self, sql: &str) -> anyhow::Result<Vec<String>> {
        let text = self.psql("signalbox", sql)?;
        Ok(text.lines().map(str::to_owned).collect())
    }

    fn psql(&self, database: &str, sql: &str) -> anyhow::Result<String> {
        let output = Command::new(place_of("psql"))
            .args([
                "-XqAt",
                "-v",
                "ON_ERROR_STOP=1",
                "-U",
                "postgres",
                "-d",
                database,
                "-c",
                sql,
                "-h",
            ])
            .arg(self.folder.path().join("s"))
            .output()
            .context("psql is needed: install the PostgreSQL client")?;
        if !output.status.success() {
            bail!("psql: {}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(String::from_utf8(output.stdout)?)
    }

    fn redis_socket(&self) -> PathBuf {
        self.folder.path().join("redis/redis.sock")
    }

    /// Starts Redis with what its log of writes has. A killed one loses nothing that it has answered.
    pub fn start_redis(&mut self) -> anyhow::Result<()> {
        let folder = self.folder.path();
        let program = ["redis-server", "valkey-server"].map(place_of);
        let program = program.iter().find(|program| program.is_absolute());
        let mut command = Command::new(program.context("redis-server is not installed")?);
        command
            .args([
                "--port",
                "0",
                "--save",
                "",
                "--appendonly",
                "yes",
                "--appendfsync",
                "everysec",
            ])
            .arg("--unixsocket")
            .arg(self.redis_socket())
            .arg("--dir")
            .arg(folder.join("redis"));
        let redis = self
            .redis
            .insert(Process::start(command, folder.join("redis.log"))?);
        let deadline = Instant::now() + Duration::from_secs(30);
        while ask_redis(&folder.join("redis/redis.sock"), "PING").is_err() {
            redis.check()?;
            ensure!(Instant::now() < deadline, "Redis did not start");
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    /// SIGKILL.
    pub fn kill_redis(&mut self) {
        if let Some(mut redis) = self.redis.take() {
            redis.kill();
        }
    }

    /// Has Redis carry out `command`.
    pub fn redis(&self, command: &str) -> anyhow::Result<()> {
        ask_redis(&self.redis_socket(), command)
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        // a fast shutdown: PostgreSQL else waits for whoever is still connected
        self.postgres.signal(Signal::SIGINT);
    }
}

fn ask_redis(socket: &Path, command: &str) -> anyhow::Result<()> {
    let mut stream = UnixStream::connect(socket)?;
    stream.write_all(format!("{command}\r\n").as_bytes())?;
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer)?;
    ensure!(
        answer.starts_with(['+', ':']),
        "Redis did not take {command}: {answer}"
    );
    Ok(())
}

fn start_postgres(folder: &Path, user: Option<&User>, durable: bool) -> anyhow::Result<Process> {
    let (data, sockets) = (folder.join("pg/data"), folder.join("s"));
    let command = |program: &str| {
        let mut command = Command::new(place_of(program));
        command.current_dir(folder);
        if let Some(user) = user {
            command.uid(user.uid.as_raw()).gid(user.gid.as_raw());
        }
        command
    };
    let made = command("initdb")
        .args([
            "--no-sync",
            "-A",
            "trust",
            "-U",
            "postgres",
            "-E",
            "UTF8",
            "--locale=C.UTF-8",
            "-D",
        ])
        .arg(&data)
        .output()
        .context("PostgreSQL is not installed")?;
    ensure!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let sync = if durable { "on" } else { "off" };
    let settings = [
        format!("unix_socket_directories={}", sockets.display()),
        "listen_addresses=".to_owned(),
        "max_connections=200".to_owned(),
        "shared_buffers=128MB".to_owned(),
        format!("fsync={sync}"),
        format!("full_page_writes={sync}"),
        // for measuring from a commit on
        "track_commit_timestamp=on".to_owned(),
        "jit=off".to_owned(),
    ];
    let mut server = command("postgres");
    server
        .arg("-D")
        .arg(&data)
        .args(settings.iter().flat_map(|setting| ["-c", setting]));
    Process::start(server, folder.join("postgres.log"))
}

/// PostgreSQL does not run as root.
fn unprivileged() -> anyhow::Result<Option<User>> {
    if !Uid::effective().is_root() {
        return Ok(None);
    }
    for name in ["signalbox", "postgres", "nobody"] {
        if let Some(user) = User::from_name(name)? {
            return Ok(Some(user));
        }
    }
    bail!("no user that PostgreSQL could run as")
}

/// Where Debian keeps what is not for everybody, newest version first, else on PATH; its bare name where it is nowhere.
fn place_of(program: &str) -> PathBuf {
    let mut versions: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .map(|version| version.path().join("bin"))
        .collect();
    versions.sort();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let places = versions.into_iter().rev().chain(std::env::split_paths(&path));
    let mut found = places.map(|place| place.join(program)).filter(|at| at.exists());
    found.next().unwrap_or_else(|| program.into())
}
