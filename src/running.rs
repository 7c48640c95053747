//! Which hub runs on a data folder, for commands that speak to it: a file that the hub holds locked while it lives, with
//! its process and the address it listens at.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};
use nix::unistd::Pid;

/// A hub that runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Running {
    /// Its process.
    pub process: Pid,
    /// Where it listens.
    pub address: SocketAddr,
}

/// Says that this hub runs, until it is dropped or the process ends.
#[derive(Debug)]
pub struct Notice {
    _locked: Flock<File>,
}

fn path(dir: &Path) -> PathBuf {
    dir.join("running")
}

impl Running {
    /// Says that this process runs on `dir` and listens at `address`. `None` where another hub has said so already: both
    /// run, and commands find the first.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn notice(dir: &Path, address: SocketAddr) -> std::io::Result<Option<Notice>> {
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(path(dir))?;
        let Ok(mut locked) = Flock::lock(file, FlockArg::LockExclusiveNonblock) else {
            return Ok(None);
        };
        locked.set_len(0)?;
        writeln!(locked, "{} {address}", Pid::this())?;
        Ok(Some(Notice { _locked: locked }))
    }

    /// The hub that runs on `dir`; `None` when none does, whatever the file says.
    pub fn find(dir: &Path) -> Option<Self> {
        let file = File::open(path(dir)).ok()?;
        let mut file = match Flock::lock(file, FlockArg::LockSharedNonblock) {
            Ok(_nobody_holds_it) => return None,
            Err((file, _)) => file,
        };
        let mut text = String::new();
        file.read_to_string(&mut text).ok()?;
        let (process, address) = text.trim().split_once(' ')?;
        Some(Self {
            process: Pid::from_raw(process.parse().ok()?),
            address: address.parse().ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hub_is_found_while_it_lives_and_not_by_what_a_dead_one_left() {
        let dir = std::env::temp_dir().join(format!("sb-running-{}", Pid::this()));
        std::fs::create_dir(&dir).unwrap();
        assert_eq!(Running::find(&dir), None);
        let address = "127.0.0.1:7700".parse().unwrap();
        let notice = Running::notice(&dir, address).unwrap().unwrap();
        let running = Running {
            process: Pid::this(),
            address,
        };
        assert_eq!(Running::find(&dir), Some(running));
        assert!(Running::notice(&dir, address).unwrap().is_none(), "a second one");
        assert_eq!(Running::find(&dir), Some(running));
        drop(notice);
        assert_eq!(Running::find(&dir), None);
        std::fs::remove_dir_all(dir).unwrap();
    }
}
