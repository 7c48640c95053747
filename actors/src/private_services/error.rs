//! What can be in the way of the private servers, each with how to mend it.

use std::path::PathBuf;

/// Why the private servers cannot run. Every message says what to do next.
#[derive(Debug, thiserror::Error)]
pub enum ServicesError {
    /// A server program is not installed.
    #[error(
        "{program} was not found. Install it (Debian, Ubuntu: apt-get install {package}; Fedora: dnf install \
         {package}; or run bin/run, which does so without starting a system service), or set database.url and \
         redis.url to servers of your own"
    )]
    Missing {
        program: &'static str,
        package: &'static str,
    },
    /// A server program is older than what the hub needs.
    #[error("{program} is version {found}; Signalbox needs {needed} or newer. Install a newer one beside it")]
    TooOld {
        program: String,
        found: u32,
        needed: u32,
    },
    /// The data was written by another major version of PostgreSQL than the installed one.
    #[error(
        "{folder} holds data of PostgreSQL {data}, but only version {installed} is installed, which cannot read it. \
         Way out: install PostgreSQL {data} beside it (Debian, Ubuntu: postgresql-{data}; the hub then finds and \
         uses it), run `signalbox backup FILE`, start on a new folder with --data, and run `signalbox restore FILE` there"
    )]
    OtherMajor {
        folder: PathBuf,
        data: u32,
        installed: u32,
    },
    /// Another hub holds the folder.
    #[error(
        "another hub{holder} is running on {folder}. Stop it first, or give this one a folder of its own with --data"
    )]
    InUse { folder: PathBuf, holder: String },
    /// A folder or file cannot be made, read or given away.
    #[error(
        "cannot {doing}: {source}. Check who owns the folder and whether the disk is full, or choose another with --data"
    )]
    Io { doing: String, source: std::io::Error },
    /// A folder that others prepared, or that the servers' user cannot enter any more.
    #[error("{path} cannot be used: {reason}")]
    Folder { path: PathBuf, reason: String },
    /// A server or its preparation failed.
    #[error("{what} failed: {reason}\nIts log is {log}")]
    Server {
        what: String,
        reason: String,
        log: PathBuf,
    },
    /// The thread that keeps the servers is gone: a defect.
    #[error("the thread of the private servers ended unexpectedly. Start the hub again, and report this")]
    Ended,
}

impl ServicesError {
    /// An error of the system while `doing` ("create /x").
    pub(super) fn io(doing: impl Into<String>, source: impl Into<std::io::Error>) -> Self {
        Self::Io {
            doing: doing.into(),
            source: source.into(),
        }
    }
}
