//! Finds PostgreSQL and Redis: the folder of `SIGNALBOX_PG_BIN`, PATH, then the places of the distributions.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::ServicesError;

/// No MERGE, no security-invoker views and another public schema before 15.
const POSTGRES_NEEDED: u32 = 15;
/// Functions and the append-only file in parts came with 7.0.
const REDIS_NEEDED: u32 = 7;

/// Both servers' programs.
#[derive(Debug, Clone)]
pub struct Binaries {
    pub postgres: PostgresBinaries,
    pub redis: RedisBinary,
}

/// One installed PostgreSQL.
#[derive(Debug, Clone)]
pub struct PostgresBinaries {
    /// Folder of `postgres`, `initdb`, `pg_dump` and the others.
    pub folder: PathBuf,
    pub major: u32,
}

/// One installed Redis or Valkey.
#[derive(Debug, Clone)]
pub struct RedisBinary {
    pub program: PathBuf,
    pub major: u32,
}

impl PostgresBinaries {
    /// The PostgreSQL to use: the one that wrote the data, else the newest.
    ///
    /// # Errors
    /// None is installed, or only one that is too old.
    pub fn find(data_major: Option<u32>) -> Result<Self, ServicesError> {
        let mut found: Vec<Self> = postgres_folders().into_iter().filter_map(Self::at).collect();
        found.sort_by_key(|one| std::cmp::Reverse(one.major));
        let same = found.iter().find(|one| Some(one.major) == data_major);
        let Some(chosen) = same.or(found.first()) else {
            return Err(ServicesError::Missing {
                program: "PostgreSQL (postgres)",
                package: "postgresql",
            });
        };
        if chosen.major < POSTGRES_NEEDED {
            let program = chosen.folder.join("postgres").display().to_string();
            return Err(ServicesError::TooOld {
                program,
                found: chosen.major,
                needed: POSTGRES_NEEDED,
            });
        }
        Ok(chosen.clone())
    }

    fn at(folder: PathBuf) -> Option<Self> {
        // The programs look for each other beside their real place, so links are followed first.
        let program = folder.join("postgres").canonicalize().ok()?;
        let folder = program.parent()?.to_owned();
        let major = version(&program, ") ")?;
        folder.join("initdb").is_file().then_some(Self { folder, major })
    }

    /// The path of one of its programs.
    pub fn program(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

impl RedisBinary {
    /// The Redis or Valkey to use.
    ///
    /// # Errors
    /// None is installed, or only one that is too old.
    pub fn find() -> Result<Self, ServicesError> {
        let folders = search_path();
        let program = ["redis-server", "valkey-server"]
            .iter()
            .flat_map(|name| folders.iter().map(move |folder| folder.join(name)))
            .find(|program| program.is_file())
            .ok_or(ServicesError::Missing {
                program: "Redis (redis-server)",
                package: "redis-server",
            })?;
        let major = version(&program, "v=").unwrap_or_default();
        if major < REDIS_NEEDED {
            let program = program.display().to_string();
            return Err(ServicesError::TooOld {
                program,
                found: major,
                needed: REDIS_NEEDED,
            });
        }
        Ok(Self { program, major })
    }
}

fn postgres_folders() -> Vec<PathBuf> {
    if let Some(folder) = std::env::var_os("SIGNALBOX_PG_BIN") {
        return vec![PathBuf::from(folder)];
    }
    let mut folders = search_path();
    // Debian and Ubuntu; Fedora's own; the PostgreSQL project's packages; Homebrew on both processors.
    folders.extend(below("/usr/lib/postgresql", "", "bin"));
    folders.extend(below("/usr", "pgsql-", "bin"));
    folders.extend(below("/opt/homebrew/opt", "postgresql", "bin"));
    folders.extend(below("/usr/local/opt", "postgresql", "bin"));
    folders
}

fn below(parent: &str, prefix: &str, leaf: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(parent).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(prefix))
        .map(|entry| entry.path().join(leaf))
        .collect()
}

fn search_path() -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let usual = ["/usr/bin", "/usr/sbin", "/usr/local/bin", "/opt/homebrew/bin"].map(PathBuf::from);
    std::env::split_paths(&path).chain(usual).collect()
}

/// The number after `marker` in what `program --version` prints.
fn version(program: &Path, marker: &str) -> Option<u32> {
    let output = Command::new(program)
        .arg("--version")
        .stdin(Stdio::null())
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let rest = &text[text.find(marker)? + marker.len()..];
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}
