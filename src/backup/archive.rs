//! The tar file: packing, unpacking, and knowing a damaged one.

use std::ffi::OsStr;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use nix::fcntl::{Flock, FlockArg};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use time::OffsetDateTime;

/// Raised when a reader of this version could no longer read it.
const FORMAT: u32 = 1;
const DUMP: &str = "database.dump";
const MANIFEST: &str = "manifest.json";
const SECRET: &str = "secrets.hex";
/// The archive while it is being packed.
const UNFINISHED: &str = "archive";

/// What a backup says of itself.
#[derive(Debug, Serialize, Deserialize)]
pub struct Manifest {
    /// Layout of the archive.
    pub format: u32,
    /// Version of Signalbox that made it.
    pub signalbox: String,
    /// Version of the PostgreSQL it was taken from.
    pub postgres: String,
    /// When, RFC 3339.
    #[serde(with = "time::serde::rfc3339")]
    pub made_at: OffsetDateTime,
    /// SHA-256 of the dump, hexadecimal.
    pub dump_sha256: String,
    /// SHA-256 of the secret as it stands in the archive, hexadecimal; older archives have none.
    #[serde(default)]
    pub secret_sha256: Option<String>,
}

impl Manifest {
    pub(super) fn of(
        scratch: &Scratch,
        secret: &[u8],
        made_at: OffsetDateTime,
        postgres: String,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            format: FORMAT,
            signalbox: env!("CARGO_PKG_VERSION").to_owned(),
            postgres,
            made_at,
            dump_sha256: sha256(&scratch.path().join(DUMP))?,
            secret_sha256: Some(hex::encode(Sha256::digest(secret))),
        })
    }
}

/// A folder for the parts, closed to others and gone afterwards. It is held locked, so that what a killed process left is told from
/// what another one is at work on.
pub(super) struct Scratch {
    path: PathBuf,
    _locked: Flock<File>,
}

impl Scratch {
    /// Beside `file`, where there must be room anyway. What was left there goes first: it takes the room.
    pub(super) fn beside(file: &Path) -> anyhow::Result<Self> {
        let file = std::path::absolute(file)?;
        let mut name = file
            .file_name()
            .context("the name of a file is needed")?
            .to_owned();
        name.push(format!(".parts-{}", std::process::id()));
        let path = file.with_file_name(name);
        if let Some(place) = path.parent() {
            take_away_left(place);
        }
        DirBuilder::new()
            .mode(0o700)
            .create(&path)
            .with_context(|| format!("cannot write to {}", path.parent().unwrap_or(&path).display()))?;
        let locked = Flock::lock(File::open(&path)?, FlockArg::LockExclusiveNonblock);
        Ok(Self {
            _locked: locked.map_err(|(_, error)| error)?,
            path,
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

/// Removes the folders of parts in `place` whose backup or restore was killed.
fn take_away_left(place: &Path) {
    let entries = std::fs::read_dir(place).into_iter().flatten().flatten();
    for path in entries.map(|entry| entry.path()).filter(|path| is_left(path)) {
        let _ = std::fs::remove_dir_all(path);
    }
}

/// A folder named like ours, of a process that is gone, that nobody holds locked and that holds nothing but parts.
fn is_left(path: &Path) -> bool {
    let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
    let process = name.rsplit_once(".parts-").map(|(_, process)| process.parse());
    let Some(Ok(process)) = process else { return false };
    let lives =
        |process: u32| process != std::process::id() && Path::new("/proc").join(process.to_string()).exists();
    let is_folder = path.symlink_metadata().is_ok_and(|found| found.is_dir());
    if !is_folder || lives(process) {
        return false;
    }
    let is_part = |name: &OsStr| name == DUMP || name == UNFINISHED;
    let only_parts = std::fs::read_dir(path)
        .is_ok_and(|mut parts| parts.all(|part| part.is_ok_and(|part| is_part(&part.file_name()))));
    let open = only_parts.then(|| File::open(path).ok()).flatten();
    open.is_some_and(|folder| Flock::lock(folder, FlockArg::LockExclusiveNonblock).is_ok())
}

/// Writes the archive under its final name only when it is complete; returns its size in bytes.
pub(super) fn pack(
    scratch: &Scratch,
    manifest: &Manifest,
    secret: &[u8],
    file: &Path,
) -> anyhow::Result<u64> {
    let unfinished = scratch.path().join(UNFINISHED);
    let doing = || format!("cannot write {}", file.display());
    let out = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&unfinished)
        .with_context(doing)?;
    let mut archive = tar::Builder::new(out);
    let seconds = manifest.made_at.unix_timestamp().max(0) as u64;
    let mut add = |name: &str, size: u64, content: &mut dyn Read| {
        let mut header = tar::Header::new_gnu();
        header.set_size(size);
        header.set_mode(0o600);
        header.set_mtime(seconds);
        archive.append_data(&mut header, name, content)
    };
    let text = serde_json::to_vec_pretty(manifest)?;
    add(MANIFEST, text.len() as u64, &mut text.as_slice()).with_context(doing)?;
    add(SECRET, secret.len() as u64, &mut &*secret).with_context(doing)?;
    let mut dump = File::open(scratch.path().join(DUMP)).with_context(doing)?;
    add(DUMP, dump.metadata()?.len(), &mut dump).with_context(doing)?;
    let mut out = archive.into_inner().with_context(doing)?;
    out.flush().and_then(|()| out.sync_all()).with_context(doing)?;
    // A link, not a rename: it fails when somebody made a file of that name meanwhile.
    std::fs::hard_link(&unfinished, file).with_context(doing)?;
    Ok(out.metadata()?.len())
}

/// Unpacks into `scratch` and checks every part; returns the manifest and the secret.
pub(super) fn unpack(file: &Path, scratch: &Scratch) -> anyhow::Result<(Manifest, Vec<u8>)> {
    let not_one = || format!("{} is not a complete Signalbox backup", file.display());
    let open = File::open(file).with_context(|| format!("cannot read {}", file.display()))?;
    let (mut manifest, mut secret) = (None, None);
    for entry in tar::Archive::new(open).entries().with_context(not_one)? {
        let mut entry = entry.with_context(not_one)?;
        // Only names we know, so an archive cannot write anywhere else.
        match entry.path().with_context(not_one)?.to_str() {
            Some(MANIFEST) => {
                manifest =
                    Some(serde_json::from_slice::<Manifest>(&read(&mut entry)?).with_context(not_one)?);
            }
            Some(SECRET) => secret = Some(read(&mut entry)?),
            Some(DUMP) => {
                let mut out = File::create(scratch.path().join(DUMP))?;
                std::io::copy(&mut entry, &mut out).with_context(not_one)?;
            }
            _ => bail!("{}", not_one()),
        }
    }
    let (Some(manifest), Some(secret)) = (manifest, secret) else {
        bail!("{}", not_one())
    };
    ensure!(
        manifest.format <= FORMAT,
        "{} was made by Signalbox {}, whose backups this version cannot read; restore with that version",
        file.display(),
        manifest.signalbox
    );
    let dump = scratch.path().join(DUMP);
    ensure!(
        dump.exists() && sha256(&dump)? == manifest.dump_sha256,
        "{} is damaged: its dump has another hash",
        file.display()
    );
    let told = manifest.secret_sha256.as_ref();
    ensure!(
        told.is_none_or(|told| *told == hex::encode(Sha256::digest(&secret))),
        "{} is damaged: its secret has another hash",
        file.display()
    );
    Ok((manifest, secret))
}

/// The small parts; a large one under their name is not one of ours.
fn read(entry: &mut impl Read) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    entry.take(64 * 1024).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn sha256(file: &Path) -> anyhow::Result<String> {
    let mut hash = Sha256::new();
    let mut file = File::open(file)?;
    let mut piece = vec![0; 1 << 20];
    loop {
        match file.read(&mut piece)? {
            0 => return Ok(hex::encode(hash.finalize())),
            size => hash.update(&piece[..size]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_killed_backup_left_is_taken_away_by_the_next_one_and_nothing_else_is() {
        let place = std::env::temp_dir().join(format!("sb-parts-{}", std::process::id()));
        std::fs::create_dir(&place).unwrap();
        let mut ended = std::process::Command::new("true").spawn().unwrap();
        let gone = ended.id();
        ended.wait().unwrap();
        let folder = |name: String, part: &str| {
            let path = place.join(name);
            std::fs::create_dir(&path).unwrap();
            std::fs::write(path.join(part), "x").unwrap();
            path
        };
        let left = folder(format!("old.tar.parts-{gone}"), DUMP);
        // of a process with our own id, before this machine was started again
        let same = folder(format!("older.tar.parts-{}", std::process::id()), UNFINISHED);
        let others = [
            folder(format!("mine.parts-{gone}"), "thesis.txt"),
            folder("old.tar.parts-1".to_owned(), DUMP),
            folder("old.tar".to_owned(), DUMP),
        ];
        let at_work = Scratch::beside(&place.join("a.tar")).unwrap();
        assert!(!left.exists() && !same.exists());
        let second = Scratch::beside(&place.join("b.tar")).unwrap();
        assert!(
            at_work.path().exists() && second.path().exists(),
            "one that is at work stays"
        );
        assert!(others.iter().all(|other| other.exists()));
        drop((at_work, second));
        assert_eq!(std::fs::read_dir(&place).unwrap().count(), others.len());
        std::fs::remove_dir_all(place).unwrap();
    }
}
