//! The tar file: packing, unpacking, and knowing a damaged one.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use time::OffsetDateTime;

/// Raised when a reader of this version could no longer read it.
const FORMAT: u32 = 1;
const DUMP: &str = "database.dump";
const MANIFEST: &str = "manifest.json";
const SECRET: &str = "secrets.hex";

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

/// A folder for the parts, closed to others and gone afterwards.
pub(super) struct Scratch(PathBuf);

impl Scratch {
    /// Beside `file`, where there must be room anyway.
    pub(super) fn beside(file: &Path) -> anyhow::Result<Self> {
        let file = std::path::absolute(file)?;
        let mut name = file
            .file_name()
            .context("the name of a file is needed")?
            .to_owned();
        name.push(format!(".parts-{}", std::process::id()));
        let path = file.with_file_name(name);
        DirBuilder::new()
            .mode(0o700)
            .create(&path)
            .with_context(|| format!("cannot write to {}", path.parent().unwrap_or(&path).display()))?;
        Ok(Self(path))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Writes the archive under its final name only when it is complete; returns its size in bytes.
pub(super) fn pack(
    scratch: &Scratch,
    manifest: &Manifest,
    secret: &[u8],
    file: &Path,
) -> anyhow::Result<u64> {
    let unfinished = scratch.path().join("archive");
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
