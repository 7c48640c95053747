//! A PostgreSQL of a test's own, for more connections than the shared one allows. It need not survive a power cut.

use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::Signal;
use nix::unistd::{Uid, User};

use super::cluster::Process;

pub struct Postgres {
    process: Process,
    folder: PathBuf,
    /// As its superuser.
    pub url: String,
}

impl Postgres {
    /// Starts one that takes `connections`, and lets this process have as many files.
    pub fn start(connections: usize) -> Self {
        static NEXT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        if let Ok((_, most)) = getrlimit(Resource::RLIMIT_NOFILE) {
            let _ = setrlimit(Resource::RLIMIT_NOFILE, most, most);
        }
        let number = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("sb-pg-{}-{number}", std::process::id()));
        std::fs::create_dir(&folder).unwrap();
        std::fs::set_permissions(&folder, PermissionsExt::from_mode(0o700)).unwrap();
        let somebody = unprivileged();
        if let Some(user) = &somebody {
            chown(&folder, Some(user.uid.as_raw()), Some(user.gid.as_raw())).unwrap();
        }
        let data = folder.join("data");
        let made = command("initdb", somebody.as_ref(), &folder)
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
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let settings = [
            format!("max_connections={connections}"),
            format!("unix_socket_directories={}", folder.display()),
            "listen_addresses=".to_owned(),
            "fsync=off".to_owned(),
            "full_page_writes=off".to_owned(),
            "shared_buffers=64MB".to_owned(),
            "work_mem=1MB".to_owned(),
            "jit=off".to_owned(),
            // for measuring from a commit on
            "track_commit_timestamp=on".to_owned(),
        ];
        let log = std::fs::File::create(folder.join("log")).unwrap();
        let process = command("postgres", somebody.as_ref(), &folder)
            .arg("-D")
            .arg(&data)
            .args(settings.iter().flat_map(|setting| ["-c", setting]))
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let postgres = Self {
            process: Process(process),
            url: format!("postgres://postgres@localhost/postgres?host={}", folder.display()),
            folder,
        };
        postgres.wait();
        postgres
    }

    fn wait(&self) {
        let deadline = Instant::now() + Duration::from_mins(1);
        let answers = || {
            let asked = command("psql", None, Path::new("/"))
                .args([&self.url, "-c", "SELECT 1"])
                .output();
            asked.unwrap().status.success()
        };
        while !answers() {
            let log = || std::fs::read_to_string(self.folder.join("log")).unwrap_or_default();
            assert!(Instant::now() < deadline, "PostgreSQL did not start:\n{}", log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // ends its children too, which a SIGKILL of the first process would not
        self.process.signal(Signal::SIGQUIT);
        let _ = self.process.0.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// PostgreSQL does not run as root.
fn unprivileged() -> Option<User> {
    if !Uid::effective().is_root() {
        return None;
    }
    ["signalbox", "postgres", "nobody"]
        .iter()
        .find_map(|name| User::from_name(name).unwrap())
}

fn command(program: &str, user: Option<&User>, folder: &Path) -> Command {
    let mut command = Command::new(place_of(program));
    command.stdin(Stdio::null()).current_dir(folder);
    if let Some(user) = user {
        command.uid(user.uid.as_raw()).gid(user.gid.as_raw());
    }
    command
}

/// On PATH, else where Debian keeps what is not for everybody, the newest version.
fn place_of(program: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut versions: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .map(|version| version.path().join("bin"))
        .collect();
    versions.sort();
    let places = std::env::split_paths(&path).chain(versions.into_iter().rev());
    let mut found = places.map(|place| place.join(program)).filter(|at| at.exists());
    found.next().unwrap_or_else(|| program.into())
}
