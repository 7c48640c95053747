//! The hidden command `signalbox __child`: a process that gives up its rights and becomes a server.
//!
//! It starts as root, because the hub's program may lie where an unprivileged user cannot go, and it does what
//! elsewhere is done by unsafe code between fork and exec.
//!
//! The order matters: the kernel forgets the death signal when the user changes, so the signal is asked for
//! after that; and the parent may have died before, so it is looked for after that.

use std::ffi::{OsStr, OsString};
use std::fs::{File, OpenOptions};
use std::os::unix::process::{CommandExt, parent_id};
use std::path::Path;
use std::process::{Command, Stdio};
use std::str::FromStr;
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, FdFlag, Flock, FlockArg, fcntl};
use nix::sys::signal::Signal;
use nix::sys::stat::{Mode, umask};
use nix::unistd::{Gid, Uid, setgid, setuid};

use super::identity::Identity;

/// The hidden command's name.
pub const COMMAND: &str = "__child";
/// How long the last process of an earlier hub may take to let go of its data.
const RELEASED_WITHIN: Duration = Duration::from_secs(10);
const NONE: &str = "-";

/// Builds the command that becomes `program`. `death` reaches it when the calling thread ends; `lock` is held
/// as long as it or a process it started lives.
pub(super) fn command(
    hub: &Path,
    identity: Identity,
    death: Signal,
    lock: Option<&Path>,
    program: &Path,
) -> Command {
    let user = match identity {
        Identity::Same => NONE.to_owned(),
        Identity::Other { uid, gid } => format!("{uid}:{gid}"),
    };
    let mut command = Command::new(hub);
    command
        .arg0("signalbox")
        .args([COMMAND, &std::process::id().to_string(), &user, death.as_str()])
        .arg(lock.map_or(OsStr::new(NONE), Path::as_os_str))
        .arg(program)
        // The servers must not see the hub's environment, which may hold secrets.
        .env_clear()
        .envs([("PATH", "/usr/bin:/bin"), ("LC_ALL", "C.UTF-8"), ("TZ", "UTC")])
        .stdin(Stdio::null())
        // Ctrl-C in a terminal reaches the hub alone, which stops the servers last.
        .process_group(0);
    command
}

/// Runs the hidden command with the arguments behind its name. Returns only when it could not become the server.
pub fn run(arguments: impl Iterator<Item = OsString>) -> anyhow::Error {
    match become_server(arguments) {
        Ok(never) => match never {},
        Err(error) => error,
    }
}

fn become_server(arguments: impl Iterator<Item = OsString>) -> anyhow::Result<std::convert::Infallible> {
    let mut arguments = arguments;
    let mut next = || {
        arguments
            .next()
            .ok_or_else(|| anyhow::anyhow!("this command is the hub's own"))
    };
    let parent: u32 = next()?.to_string_lossy().parse()?;
    let user = next()?.to_string_lossy().into_owned();
    let death = Signal::from_str(&next()?.to_string_lossy())?;
    let lock = next()?;
    let program = next()?;
    if let Some((uid, gid)) = user.split_once(':') {
        give_up_rights(Uid::from_raw(uid.parse()?), Gid::from_raw(gid.parse()?))?;
    }
    die_with_parent(death)?;
    anyhow::ensure!(parent_id() == parent, "the hub ended before its server started");
    umask(Mode::from_bits_truncate(0o077));
    // Kept open on purpose: the server inherits it, and with it the lock.
    let _held = if lock == NONE {
        None
    } else {
        Some(hold(Path::new(&lock))?)
    };
    Err(Command::new(&program).args(arguments).exec().into())
}

fn give_up_rights(uid: Uid, gid: Gid) -> nix::Result<()> {
    #[cfg(not(target_vendor = "apple"))]
    nix::unistd::setgroups(&[gid])?;
    setgid(gid)?;
    setuid(uid)
}

#[cfg(target_os = "linux")]
fn die_with_parent(signal: Signal) -> nix::Result<()> {
    nix::sys::prctl::set_pdeathsig(signal)
}

/// Elsewhere the kernel has no such signal: after `kill -9` of the hub its servers stay, and the next hub
/// says so when it cannot take their lock.
#[cfg(not(target_os = "linux"))]
fn die_with_parent(_: Signal) -> nix::Result<()> {
    Ok(())
}

/// Waits until no process of an earlier server holds the lock, then holds it across `exec`.
fn hold(path: &Path) -> anyhow::Result<Flock<File>> {
    let mut file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)?;
    let until = Instant::now() + RELEASED_WITHIN;
    loop {
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(held) => {
                fcntl(&*held, FcntlArg::F_SETFD(FdFlag::empty()))?;
                return Ok(held);
            }
            Err((back, _)) if Instant::now() < until => file = back,
            Err((_, error)) => anyhow::bail!("an earlier server still holds {}: {error}", path.display()),
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}
