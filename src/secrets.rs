//! The installation's secret: 32 bytes from which every key of the hub is derived (personal values, tokens).
//!
//! It is made at the first start and lies in the data folder, readable by the hub's user alone. Nodes that share
//! a database must share it: copy the file. A backup contains it.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::Context;
use signalbox_core::kernel::seal;

/// Where the secret of a data folder is.
pub fn path(dir: &Path) -> PathBuf {
    dir.join("secrets.hex")
}

/// Reads the secret, making it first when there is none.
///
/// # Errors
/// The file cannot be read, or does not hold 64 hexadecimal digits.
pub fn load_or_create(dir: &Path) -> anyhow::Result<[u8; 32]> {
    let path = path(dir);
    if !path.exists() {
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(dir)
            .with_context(|| {
                format!(
                    "cannot create {}; choose another folder with --data",
                    dir.display()
                )
            })?;
        let mut secret = [0; 32];
        seal::random(&mut secret)?;
        write(&path, hex::encode(secret).as_bytes())?;
    }
    let text = std::fs::read_to_string(&path).with_context(|| {
        format!(
            "cannot read {}; it must be readable by the hub's user",
            path.display()
        )
    })?;
    let mut secret = [0; 32];
    hex::decode_to_slice(text.trim(), &mut secret).map_err(|_| {
        anyhow::anyhow!(
            "{} does not hold a secret of 64 hexadecimal digits. Bring back the original from a backup: without it \
             personal values in the audit log cannot be read",
            path.display()
        )
    })?;
    Ok(secret)
}

/// Writes a secret as a whole or not at all, and never over another.
pub(crate) fn write(path: &Path, content: &[u8]) -> anyhow::Result<()> {
    let doing = || format!("cannot write {}", path.display());
    let unfinished = path.with_extension("unfinished");
    match std::fs::remove_file(&unfinished) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error).with_context(doing),
        _ => {}
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&unfinished)
        .with_context(doing)?;
    file.write_all(content)
        .and_then(|()| file.sync_all())
        .with_context(doing)?;
    std::fs::hard_link(&unfinished, path).with_context(doing)?;
    std::fs::remove_file(&unfinished).with_context(doing)
}

#[cfg(test)]
mod tests {
    use super::{load_or_create, path};
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn the_secret_is_made_once_and_only_its_user_can_read_it() {
        let dir = std::env::temp_dir().join(format!("signalbox-secret-{}", std::process::id()));
        let first = load_or_create(&dir).unwrap();
        assert_eq!(load_or_create(&dir).unwrap(), first);
        assert_ne!(first, [0; 32]);
        assert_eq!(
            std::fs::metadata(path(&dir)).unwrap().permissions().mode() & 0o777,
            0o600
        );
        std::fs::write(path(&dir), "short").unwrap();
        assert!(
            load_or_create(&dir).is_err(),
            "a damaged secret must not be replaced by a new one"
        );
        std::fs::remove_dir_all(dir).unwrap();
    }
}
