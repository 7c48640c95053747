//! Whom the servers run as: PostgreSQL refuses to run as root, and neither server needs it.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::unistd::{Uid, User};

use super::ServicesError;

/// Users to run the servers as when the hub is root, best first.
const CANDIDATES: [&str; 3] = ["signalbox", "postgres", "nobody"];

/// Whom the servers run as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Identity {
    /// As the hub itself, an ordinary user.
    Same,
    /// As this user and group, since the hub is root.
    Other { uid: u32, gid: u32 },
}

impl Identity {
    /// Chooses; existing data decides, since its owner must go on owning it.
    pub(super) fn choose(existing: &Path) -> Result<Self, ServicesError> {
        if !Uid::effective().is_root() {
            return Ok(Self::Same);
        }
        if let Ok(owner) = std::fs::metadata(existing)
            && owner.uid() != 0
        {
            return Ok(Self::Other {
                uid: owner.uid(),
                gid: owner.gid(),
            });
        }
        for name in CANDIDATES {
            let user = User::from_name(name).map_err(|e| ServicesError::io("read the list of users", e))?;
            if let Some(user) = user.filter(|user| !user.uid.is_root()) {
                return Ok(Self::Other {
                    uid: user.uid.as_raw(),
                    gid: user.gid.as_raw(),
                });
            }
        }
        Err(ServicesError::Folder {
            path: existing.to_owned(),
            reason: "the servers do not run as root and there is no user signalbox, postgres or nobody to run them; \
                     make one with `useradd --system signalbox`"
                .into(),
        })
    }

    /// The user id the servers' files must have.
    pub(super) fn uid(self) -> u32 {
        match self {
            Self::Same => Uid::effective().as_raw(),
            Self::Other { uid, .. } => uid,
        }
    }

    /// Gives `path` to the servers' user.
    pub(super) fn own(self, path: &Path) -> Result<(), ServicesError> {
        let Self::Other { uid, gid } = self else {
            return Ok(());
        };
        std::os::unix::fs::chown(path, Some(uid), Some(gid))
            .map_err(|e| ServicesError::io(format!("give {} to user {uid}", path.display()), e))
    }
}
