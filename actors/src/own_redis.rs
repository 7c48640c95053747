//! A Redis of its own for a test that flushes, stops or kills one.
#![expect(clippy::disallowed_methods, reason = "tests make ids as they like")]

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use uuid::Uuid;

pub(crate) struct OwnRedis {
    folder: PathBuf,
    child: Option<Child>,
}

impl OwnRedis {
    pub(crate) fn start() -> Self {
        let folder = std::env::temp_dir().join(format!("signalbox-{}", Uuid::new_v4().simple()));
        std::fs::create_dir_all(&folder).unwrap();
        let mut redis = Self { folder, child: None };
        redis.run();
        redis
    }

    pub(crate) fn run(&mut self) {
        let server = Command::new("redis-server")
            .args(["--port", "0", "--unixsocket"])
            .arg(self.folder.join("s"))
            .arg("--dir")
            .arg(&self.folder)
            .args(["--appendonly", "yes", "--appendfsync", "always", "--save", ""])
            .stdout(Stdio::null())
            .spawn();
        self.child = Some(server.expect("redis-server is needed"));
    }

    pub(crate) fn url(&self) -> String {
        format!("redis+unix://{}", self.folder.join("s").display())
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = self.child.as_ref().map(|child| child.id() as i32).unwrap();
        kill(Pid::from_raw(pid), signal).unwrap();
    }

    pub(crate) fn kill(&mut self) {
        self.signal(Signal::SIGKILL);
        self.child.take().unwrap().wait().unwrap();
    }
}

impl Drop for OwnRedis {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
