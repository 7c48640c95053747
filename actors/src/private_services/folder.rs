//! The data folder: who may use it, where the servers' data and their sockets lie.
//!
//! ```text
//! DIR/lock          held by the hub that runs on it
//! DIR/servers/      or a link to a folder that the servers' user can reach
//!   pg/  redis/     their data          log/  what they say
//!   run/            the sockets, or a link to a folder with a shorter name
//! ```

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use nix::fcntl::{Flock, FlockArg};
use nix::sys::signal::Signal;
use signalbox_core::kernel::clock::Clock;

use super::identity::Identity;
use super::{ServicesError, child, postgres};

pub(super) const SERVERS: &str = "servers";
const LOCK: &str = "lock";
const SOCKETS: &str = "run";
/// Where the servers' data goes when their user cannot reach the data folder.
const ELSEWHERE: &str = "/var/lib/signalbox/elsewhere";
/// `sun_path` holds 108 bytes, the last of them 0.
const SOCKET_PATH_MAX: usize = 107;

/// A data folder that is ours until this is dropped.
pub(super) struct Folder {
    pub servers: PathBuf,
    pub sockets: PathBuf,
    pub identity: Identity,
    /// Set when the servers' data lies outside the data folder.
    pub notice: Option<String>,
    _locks: [Flock<File>; 2],
}

impl Folder {
    /// Takes the folder and makes what is missing in it.
    pub(super) fn prepare(dir: &Path, hub: &Path) -> Result<Self, ServicesError> {
        let held = lock(dir)?;
        let identity = Identity::choose(&dir.join(SERVERS).join(postgres::DATA))?;
        let link = dir.join(SERVERS);
        place_servers(dir, hub, identity)?;
        let servers = link
            .canonicalize()
            .map_err(|e| ServicesError::io(format!("find {}", link.display()), e))?;
        // A copied data folder may name the same servers: their folder is locked as well.
        let held_servers = lock(&servers)?;
        for name in ["redis", "log"] {
            private_folder(&servers.join(name), identity)?;
        }
        let sockets = place_sockets(dir, &servers, identity)?;
        let elsewhere = std::fs::symlink_metadata(&link).is_ok_and(|m| m.is_symlink());
        let notice = elsewhere.then(|| {
            format!(
                "the servers' user cannot enter {}, so the servers' data is in {} (named by {})",
                dir.display(),
                servers.display(),
                link.display()
            )
        });
        Ok(Self {
            servers,
            sockets,
            identity,
            notice,
            _locks: [held, held_servers],
        })
    }

    pub(super) fn log(&self, name: &str) -> PathBuf {
        self.servers.join("log").join(format!("{name}.log"))
    }
}

/// Takes the lock of `dir`, making the folder when it is missing.
pub(super) fn lock(dir: &Path) -> Result<Flock<File>, ServicesError> {
    make_folder(dir, 0o700)?;
    let path = dir.join(LOCK);
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .map_err(|e| ServicesError::io(format!("open {}", path.display()), e))?;
    let mut holder = String::new();
    let _ = file.read_to_string(&mut holder);
    let mut held = Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|_| ServicesError::InUse {
        folder: dir.to_owned(),
        holder: if holder.is_empty() {
            holder
        } else {
            format!(" (process {})", holder.trim())
        },
    })?;
    // Only for the message of the next one who asks, so a failure to write it does not matter.
    let _ = held.set_len(0).and_then(|()| {
        use std::io::Seek;
        held.rewind()?;
        writeln!(held, "{}", std::process::id())
    });
    Ok(held)
}

/// Whether a hub is running on `dir`.
pub(super) fn is_locked(dir: &Path) -> bool {
    File::open(dir.join(LOCK)).is_ok_and(|file| Flock::lock(file, FlockArg::LockSharedNonblock).is_err())
}

/// Where the sockets of `dir` are, if it ever had servers.
pub(super) fn sockets_of(dir: &Path) -> Option<PathBuf> {
    dir.join(SERVERS).join(SOCKETS).canonicalize().ok()
}

/// Makes sure that `dir/servers` exists and can be entered by the servers' user.
fn place_servers(dir: &Path, hub: &Path, identity: Identity) -> Result<(), ServicesError> {
    let servers = dir.join(SERVERS);
    let exists = servers.exists();
    if let (Ok(target), false) = (std::fs::read_link(&servers), exists) {
        return Err(ServicesError::Folder {
            path: servers,
            reason: format!(
                "it names {}, which is gone; bring that folder back, or remove this link",
                target.display()
            ),
        });
    }
    if identity == Identity::Same {
        return make_folder(&servers, 0o700);
    }
    if !exists {
        let_pass(dir, identity)?;
    }
    if !exists && !can_enter(dir, hub, identity)? {
        return place_elsewhere(dir, &servers);
    }
    make_folder(&servers, 0o711)?;
    // Behind a link the way to the link does not matter.
    let real = servers
        .canonicalize()
        .map_err(|e| ServicesError::io(format!("find {}", servers.display()), e))?;
    if can_enter(&real, hub, identity)? {
        return Ok(());
    }
    Err(ServicesError::Folder {
        path: servers,
        reason: format!(
            "the servers' user (id {}) can no longer enter it; give its parent folders the x permission for others, \
             or move the data folder to where that user can go",
            identity.uid()
        ),
    })
}

fn place_elsewhere(dir: &Path, link: &Path) -> Result<(), ServicesError> {
    let name = dir
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    let name: String = name
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .take(20)
        .collect();
    // The time makes it new: a data folder that was deleted and made again must not find its old data.
    let stamp = Clock::system().now().unix_timestamp_nanos();
    let target = Path::new(ELSEWHERE).join(format!("{name}-{stamp:x}"));
    make_folder(&target, 0o711)?;
    for part in target.ancestors().take(3) {
        open_way(part)?;
    }
    let note = target.join("data-folder");
    std::fs::write(&note, dir.as_os_str().as_bytes())
        .map_err(|e| ServicesError::io(format!("write {}", note.display()), e))?;
    symlink(&target, link).map_err(|e| ServicesError::io(format!("link {}", link.display()), e))
}

/// Lets the servers' user pass through the data folder, where that is ours to decide. To pass is not to look, and
/// the files in it keep their own modes.
fn let_pass(dir: &Path, identity: Identity) -> Result<(), ServicesError> {
    let Identity::Other { gid, .. } = identity else {
        return Ok(());
    };
    let doing = || format!("let the servers' user pass through {}", dir.display());
    let found = std::fs::metadata(dir).map_err(|e| ServicesError::io(doing(), e))?;
    let is_home = nix::unistd::User::from_uid(nix::unistd::Uid::from_raw(0))
        .ok()
        .flatten()
        .is_some_and(|root| root.dir.canonicalize().ok() == dir.canonicalize().ok());
    if found.uid() != 0 || is_home {
        return Ok(());
    }
    if found.mode() & 0o070 == 0 {
        // Nobody relies on its group, so the group can be the servers'.
        return std::os::unix::fs::chown(dir, None, Some(gid))
            .and_then(|()| {
                std::fs::set_permissions(dir, Permissions::from_mode(found.mode() & 0o7777 | 0o010))
            })
            .map_err(|e| ServicesError::io(doing(), e));
    }
    if holds_nothing_else(dir) {
        open_way(dir)
    } else {
        Ok(())
    }
}

/// True for a folder that is new or was only ever ours.
fn holds_nothing_else(dir: &Path) -> bool {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.file_name())
        .all(|name| name == LOCK || name.to_string_lossy().starts_with("secrets"))
}

/// Adds the permission to pass through, and none to look.
fn open_way(path: &Path) -> Result<(), ServicesError> {
    let doing = || format!("let the servers' user pass through {}", path.display());
    let mode = std::fs::metadata(path)
        .map_err(|e| ServicesError::io(doing(), e))?
        .mode();
    if mode & 0o011 == 0o011 {
        return Ok(());
    }
    std::fs::set_permissions(path, Permissions::from_mode(mode & 0o7777 | 0o011))
        .map_err(|e| ServicesError::io(doing(), e))
}

/// Asks the kernel, not the mode bits: access lists, mount options and every parent count.
fn can_enter(dir: &Path, hub: &Path, identity: Identity) -> Result<bool, ServicesError> {
    let mut probe = child::command(hub, identity, Signal::SIGKILL, None, Path::new("/bin/sh"));
    let status = probe
        .args(["-c", "cd \"$1\"", "sh"])
        .arg(dir)
        .current_dir("/")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    status
        .map(|status| status.success())
        .map_err(|e| ServicesError::io("start a process of the hub", e))
}

/// The folder of the sockets; a link to a short one when its own path is too long, or has characters that
/// would have to be escaped in an address.
fn place_sockets(dir: &Path, servers: &Path, identity: Identity) -> Result<PathBuf, ServicesError> {
    let own = servers.join(SOCKETS);
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
    let longest = own.join(postgres::SOCKET).as_os_str().len();
    if longest <= SOCKET_PATH_MAX && own.to_str().is_some_and(|path| path.chars().all(plain)) {
        if std::fs::symlink_metadata(&own).is_ok_and(|m| m.is_symlink()) {
            std::fs::remove_file(&own)
                .map_err(|e| ServicesError::io(format!("remove {}", own.display()), e))?;
        }
        private_folder(&own, identity)?;
        return Ok(own);
    }
    let short = std::fs::read_link(&own).unwrap_or_else(|_| short_folder(dir));
    private_folder(&short, identity)?;
    match symlink(&short, &own) {
        Err(e) if e.kind() != ErrorKind::AlreadyExists => {
            Err(ServicesError::io(format!("link {}", own.display()), e))
        }
        _ => Ok(short),
    }
}

fn short_folder(dir: &Path) -> PathBuf {
    let mut hasher = DefaultHasher::new();
    dir.hash(&mut hasher);
    let runtime = std::env::var_os("XDG_RUNTIME_DIR")
        .map(PathBuf::from)
        .filter(|path| path.as_os_str().len() < 40);
    let root = nix::unistd::Uid::effective().is_root();
    let base = if root {
        Some(PathBuf::from("/run"))
    } else {
        runtime
    };
    let base = base
        .filter(|base| base.is_dir())
        .unwrap_or_else(std::env::temp_dir);
    base.join(format!("signalbox-{:016x}", hasher.finish()))
}

/// A folder that only the servers' user can enter; one that somebody else put there is refused.
pub(super) fn private_folder(path: &Path, identity: Identity) -> Result<(), ServicesError> {
    let made = match DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => true,
        Err(e) if e.kind() == ErrorKind::AlreadyExists => false,
        Err(e) => return Err(ServicesError::io(format!("create {}", path.display()), e)),
    };
    if made {
        return identity.own(path);
    }
    let found = std::fs::symlink_metadata(path)
        .map_err(|e| ServicesError::io(format!("look at {}", path.display()), e))?;
    if !found.is_dir() || found.uid() != identity.uid() {
        return Err(ServicesError::Folder {
            path: path.to_owned(),
            reason: format!(
                "it should be a folder of user {}, but belongs to user {}; remove it, or choose another data folder with --data",
                identity.uid(),
                found.uid()
            ),
        });
    }
    std::fs::set_permissions(path, Permissions::from_mode(0o700))
        .map_err(|e| ServicesError::io(format!("close {}", path.display()), e))
}

fn make_folder(path: &Path, mode: u32) -> Result<(), ServicesError> {
    DirBuilder::new()
        .recursive(true)
        .mode(mode)
        .create(path)
        .map_err(|e| ServicesError::io(format!("create {}", path.display()), e))
}
