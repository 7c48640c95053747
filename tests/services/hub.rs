//! A real hub in a process of its own, on a folder that is removed with it.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use nix::fcntl::{Flock, FlockArg};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, Uid};

/// Generous: CI has two cores, and the disk may be busy with another test's first start.
const PATIENCE: Duration = Duration::from_mins(1);

/// Waits for a condition, and says what was awaited when it does not come.
pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < until, "waited {PATIENCE:?} in vain until {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A folder as `mktemp -d` makes it, gone after the test.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Self {
        Self::below(&std::env::temp_dir())
    }

    pub fn below(parent: &Path) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = parent.join(format!("sb-{}-{number}", std::process::id()));
        std::fs::create_dir(&path).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o700)).unwrap();
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Servers' data outside belongs to the test as well.
        for link in [self.0.join("servers"), self.0.join("servers/run")] {
            if let Ok(target) = std::fs::read_link(link) {
                let _ = std::fs::remove_dir_all(target);
            }
        }
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// How the program is called in a test.
pub fn signalbox() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_signalbox"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("SIGNALBOX__"))
    {
        command.env_remove(name);
    }
    command.stdin(Stdio::null());
    command
}

/// Runs a command to its end.
pub fn run<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Output {
    signalbox().args(arguments).output().unwrap()
}

/// All a command said.
pub fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned()
}

pub struct Hub {
    process: Child,
    lines: Receiver<String>,
    said: String,
    /// `127.0.0.1:port`, once it is ready.
    pub address: String,
}

impl Hub {
    /// Starts a hub on the folder and waits until it says that it is ready.
    pub fn start(data: &Path) -> Self {
        let mut hub = Self::launch(signalbox(), data);
        hub.wait_until_ready();
        hub
    }

    /// Starts a hub with a prepared command and waits for nothing.
    pub fn launch(command: Command, data: &Path) -> Self {
        Self::launch_at("127.0.0.1:0", command, data)
    }

    /// As [`Hub::launch`], at an address: where an earlier one was, for clients that come back.
    pub fn launch_at(address: &str, mut command: Command, data: &Path) -> Self {
        command.args(["serve", "--listen", address, "--data"]).arg(data);
        let mut process = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (send, lines) = channel();
        let streams: [Box<dyn Read + Send>; 2] = [
            Box::new(process.stdout.take().unwrap()),
            Box::new(process.stderr.take().unwrap()),
        ];
        for stream in streams {
            let send = send.clone();
            std::thread::spawn(move || {
                BufReader::new(stream)
                    .lines()
                    .map_while(Result::ok)
                    .for_each(|line| drop(send.send(line)));
            });
        }
        Self {
            process,
            lines,
            said: String::new(),
            address: String::new(),
        }
    }

    pub fn wait_until_ready(&mut self) {
        let until = Instant::now() + PATIENCE;
        while self.address.is_empty() {
            match self
                .lines
                .recv_timeout(until.saturating_duration_since(Instant::now()))
            {
                Ok(line) => {
                    if let Some(at) = line.strip_prefix("Signalbox is ready: http://") {
                        at.clone_into(&mut self.address);
                    }
                    self.said += &line;
                    self.said.push('\n');
                }
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    panic!("the hub did not become ready; it said:\n{}", self.said)
                }
            }
        }
    }

    /// All it has said so far.
    pub fn said(&mut self) -> &str {
        while let Ok(line) = self.lines.try_recv() {
            self.said += &line;
            self.said.push('\n');
        }
        &self.said
    }

    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.process.id() as i32), signal).unwrap();
    }

    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Waits for its end.
    pub fn ended(&mut self) -> ExitStatus {
        let mut status = None;
        eventually("the hub ends", || {
            status = self.process.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap()
    }

    /// Stops it as a service manager would.
    pub fn stop(mut self) {
        self.signal(Signal::SIGTERM);
        let status = self.ended();
        assert!(
            status.success(),
            "a stop must succeed, but: {status} {:?}\n{}",
            status.signal(),
            self.said()
        );
    }

    /// The status code of a GET request.
    pub fn get(&self, path: &str) -> u16 {
        let ask = || -> std::io::Result<u16> {
            let mut stream = TcpStream::connect(&self.address)?;
            write!(
                stream,
                "GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n",
                self.address
            )?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer)?;
            Ok(answer
                .split(' ')
                .nth(1)
                .and_then(|code| code.parse().ok())
                .unwrap_or_default())
        };
        ask().unwrap_or_default()
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        if let Ok(None) = self.process.try_wait() {
            self.signal(Signal::SIGKILL);
            let _ = self.process.wait();
        }
    }
}

/// The server process of that name on the folder.
pub fn server(data: &Path, name: &str) -> Option<u32> {
    let servers = data.join("servers").canonicalize().ok()?;
    let argument = if name == "postgres" {
        servers.join("pg")
    } else {
        servers.join("redis")
    };
    let argument = argument.to_str()?.to_owned();
    std::fs::read_dir("/proc").unwrap().flatten().find_map(|entry| {
        let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
        let line = std::fs::read_to_string(entry.path().join("cmdline")).ok()?;
        let mut words = line.split('\0');
        let program = words.next()?.to_owned();
        // Redis writes its own title, in which spaces separate the words.
        let is = program.contains(name)
            && (words.any(|word| word == argument) || (name == "redis" && is_working_in(pid, &argument)));
        is.then_some(pid)
    })
}

fn is_working_in(pid: u32, folder: &str) -> bool {
    std::fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd == Path::new(folder))
}

/// Whether every process of both servers is gone: each holds a lock until its last process has ended.
pub fn servers_are_gone(data: &Path) -> bool {
    let free = |path: PathBuf| {
        std::fs::File::open(path).is_ok_and(|file| Flock::lock(file, FlockArg::LockSharedNonblock).is_ok())
    };
    let servers = data.join("servers");
    free(servers.join("log/postgres.lock")) && free(servers.join("redis/lock"))
}

/// Runs one SQL command on the private PostgreSQL and returns its answer.
pub fn sql(data: &Path, command: &str) -> String {
    sql_in("signalbox", data, command)
}

/// The same in another database of the server.
pub fn sql_in(database: &str, data: &Path, command: &str) -> String {
    let sockets = data.join("servers/run").canonicalize().unwrap();
    let output = Command::new("psql")
        .args([
            "-XAtq",
            "-v",
            "ON_ERROR_STOP=1",
            "-U",
            "signalbox",
            "-d",
            database,
            "-h",
        ])
        .arg(sockets)
        .args(["-c", command])
        .output()
        .unwrap();
    assert!(output.status.success(), "{command}: {}", said(&output));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// True when the test may become other users; what needs that runs in CI, which is root.
pub fn is_root() -> bool {
    Uid::effective().is_root()
}

/// The program called as an ordinary user, from a place that user can reach.
pub fn signalbox_as_nobody(place: &Path) -> Command {
    let program = place.join("signalbox");
    std::fs::copy(env!("CARGO_BIN_EXE_signalbox"), &program).unwrap();
    std::fs::set_permissions(place, PermissionsExt::from_mode(0o711)).unwrap();
    let mut command = Command::new("setpriv");
    command
        .args(["--reuid", "nobody", "--regid", "nogroup", "--clear-groups"])
        .arg(program);
    command.current_dir("/").env("HOME", "/nonexistent");
    command
}
