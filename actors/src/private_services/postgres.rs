//! The private PostgreSQL: making its data, its settings, and when it is ready.

use std::ffi::OsStr;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use nix::sys::signal::Signal;

use super::folder::{Folder, private_folder};
use super::keeper::{Server, log_end};
use super::{PostgresBinaries, ServicesError, child};

pub(super) const DATA: &str = "pg";
pub(super) const SOCKET: &str = ".s.PGSQL.5432";
pub(super) const SUPERUSER: &str = "signalbox";
pub(super) const DATABASE: &str = "signalbox";
/// Made beside its place and renamed, so that half a data set is never mistaken for one. A number follows.
const UNFINISHED: &str = "pg.unfinished.";

/// Roles and database, as commands of the single-user server: one a line.
const FIRST_COMMANDS: &str = "\
CREATE ROLE signalbox_owner LOGIN CREATEROLE\n\
CREATE ROLE signalbox_app LOGIN\n\
CREATE DATABASE signalbox OWNER signalbox_owner\n";

/// The major version that wrote the data below `servers`, if there is data.
pub(super) fn data_major(servers: &Path) -> Option<u32> {
    std::fs::read_to_string(servers.join(DATA).join("PG_VERSION"))
        .ok()?
        .trim()
        .parse()
        .ok()
}

/// Makes the data when there is none, and refuses data of another major version.
pub(super) fn prepare(folder: &Folder, hub: &Path) -> Result<PostgresBinaries, ServicesError> {
    let existing = data_major(&folder.servers);
    let binaries = PostgresBinaries::find(existing)?;
    let data = folder.servers.join(DATA);
    match existing {
        Some(major) if major != binaries.major => Err(ServicesError::OtherMajor {
            folder: data,
            data: major,
            installed: binaries.major,
        }),
        Some(_) => Ok(binaries),
        None => {
            make_data(folder, hub, &binaries)?;
            Ok(binaries)
        }
    }
}

fn make_data(folder: &Folder, hub: &Path, binaries: &PostgresBinaries) -> Result<(), ServicesError> {
    let (unfinished, data) = (next_unfinished(&folder.servers), folder.servers.join(DATA));
    private_folder(&unfinished, folder.identity)?;
    let place = unfinished.as_os_str();
    // Nothing is safe on disk until the last step, which writes it all at once instead of file by file.
    let initdb = [
        "-A",
        "trust",
        "-U",
        SUPERUSER,
        "-E",
        "UTF8",
        "--locale=C.UTF-8",
        "--no-sync",
        "-D",
    ];
    // Without a socket there is nothing to wait for, and nobody can come in between.
    let single = ["--single", "-c", "exit_on_error=on", "-c", "fsync=off", "-D"];
    tool(
        folder,
        hub,
        &binaries.program("initdb"),
        &[&words(&initdb)[..], &[place]].concat(),
        "",
    )?;
    let single = [&words(&single)[..], &[place, "postgres".as_ref()]].concat();
    tool(
        folder,
        hub,
        &binaries.program("postgres"),
        &single,
        FIRST_COMMANDS,
    )?;
    let sync = [&words(&["--sync-only", "-D"])[..], &[place]].concat();
    tool(folder, hub, &binaries.program("initdb"), &sync, "")?;
    std::fs::rename(&unfinished, &data)
        .map_err(|e| ServicesError::io(format!("rename to {}", data.display()), e))?;
    for (_, leftover) in leftovers(&folder.servers) {
        // in vain where an earlier start's initdb is still dying; it only costs room
        let _ = std::fs::remove_dir_all(leftover);
    }
    Ok(())
}

/// A folder that no earlier start has used: the initdb of a hub that was killed empties its own as it dies, and may do so
/// after the next start has begun.
fn next_unfinished(servers: &Path) -> PathBuf {
    let last = leftovers(servers).into_iter().map(|(number, _)| number).max();
    servers.join(format!("{UNFINISHED}{}", last.map_or(0, |last| last + 1)))
}

fn leftovers(servers: &Path) -> Vec<(u32, PathBuf)> {
    let entries = std::fs::read_dir(servers).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            Some((name.strip_prefix(UNFINISHED)?.parse().ok()?, entry.path()))
        })
        .collect()
}

fn words<'a>(words: &[&'a str]) -> Vec<&'a OsStr> {
    words.iter().map(|word| OsStr::new(*word)).collect()
}

/// Runs one of PostgreSQL's programs to its end, with `input` on its standard input.
fn tool(
    folder: &Folder,
    hub: &Path,
    program: &Path,
    arguments: &[&OsStr],
    input: &str,
) -> Result<(), ServicesError> {
    let path = folder.log("setup");
    let doing = || format!("run {}", program.display());
    let open = OpenOptions::new().create(true).append(true).open(&path);
    let log = open.map_err(|e| ServicesError::io(format!("open {}", path.display()), e))?;
    let errors = log.try_clone().map_err(|e| ServicesError::io(doing(), e))?;
    let mut running = child::command(hub, folder.identity, Signal::SIGTERM, None, program)
        .args(arguments)
        .current_dir(&folder.servers)
        .stdin(Stdio::piped())
        .stdout(log)
        .stderr(errors)
        .spawn()
        .map_err(|e| ServicesError::io(doing(), e))?;
    if let Some(mut stdin) = running.stdin.take() {
        // A program that ends early says why in its log; the broken pipe adds nothing.
        let _ = stdin.write_all(input.as_bytes());
    }
    let status = running.wait().map_err(|e| ServicesError::io(doing(), e))?;
    if status.success() {
        return Ok(());
    }
    Err(ServicesError::Server {
        what: doing(),
        reason: format!("{status}\n{}", log_end(&path)),
        log: path,
    })
}

/// The server as the keeper runs it.
pub(super) fn server(folder: &Folder, hub: &Path, binaries: &PostgresBinaries) -> Server {
    let data = folder.servers.join(DATA);
    let lock = folder.servers.join("log").join("postgres.lock");
    let log = folder.log("postgres");
    let (hub, identity, program) = (hub.to_owned(), folder.identity, binaries.program("postgres"));
    let (servers, sockets, ready_file) = (
        folder.servers.clone(),
        folder.sockets.clone(),
        data.join("postmaster.pid"),
    );
    Server::new(
        "postgres",
        log,
        // Fast shutdown: sessions are ended, a checkpoint is written.
        Signal::SIGINT,
        Box::new(move || {
            let mut command = child::command(&hub, identity, Signal::SIGINT, Some(&lock), &program);
            command
                .arg("-D")
                .arg(&data)
                .arg("-k")
                .arg(&sockets)
                .args(settings())
                .current_dir(&servers);
            command
        }),
        Box::new(move |pid| is_ready(&ready_file, pid)),
    )
}

/// Line 1 is the process, line 8 the state: what `pg_ctl --wait` reads as well. The process is compared, since
/// a killed server leaves its file behind.
fn is_ready(file: &Path, pid: u32) -> bool {
    let Ok(text) = std::fs::read_to_string(file) else {
        return false;
    };
    let mut lines = text.lines();
    lines.next().and_then(|line| line.trim().parse().ok()) == Some(pid)
        && lines.nth(6).is_some_and(|state| state.trim() == "ready")
}

/// Settings for one hub on one machine. Durability (fsync, full_page_writes, synchronous_commit) stays on.
fn settings() -> Vec<String> {
    let memory_mb = memory_mb();
    let chosen = [
        ("listen_addresses", String::new()),
        ("port", "5432".into()),
        ("unix_socket_permissions", "0700".into()),
        ("fsync", "on".into()),
        ("full_page_writes", "on".into()),
        ("synchronous_commit", "on".into()),
        ("max_connections", "100".into()),
        ("shared_buffers", format!("{}MB", (memory_mb / 8).clamp(64, 512))),
        ("effective_cache_size", format!("{}MB", (memory_mb / 2).max(256))),
        ("work_mem", "16MB".into()),
        ("maintenance_work_mem", "128MB".into()),
        // An import of a million rows writes a few GB of WAL: with the defaults it would checkpoint every few
        // seconds and write each touched page in full again after every one.
        ("max_wal_size", "4GB".into()),
        ("min_wal_size", "256MB".into()),
        ("checkpoint_timeout", "15min".into()),
        ("wal_compression", "on".into()),
        ("wal_buffers", "16MB".into()),
        ("random_page_cost", "1.1".into()),
        // Short queries: compiling one costs more than running it.
        ("jit", "off".into()),
        ("timezone", "UTC".into()),
        ("log_timezone", "UTC".into()),
        // Errors and their details quote values, and values may be personal: the log keeps the server's own
        // life, and every statement's error reaches the hub anyway.
        ("log_min_messages", "log".into()),
        ("log_min_error_statement", "panic".into()),
        ("log_error_verbosity", "terse".into()),
    ];
    chosen
        .into_iter()
        .flat_map(|(name, value)| ["-c".to_owned(), format!("{name}={value}")])
        .collect()
}

/// The machine's memory in MB; 1024 where the kernel does not say.
fn memory_mb() -> u64 {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse::<u64>().ok());
    kib.map_or(1024, |kib| kib / 1024)
}
