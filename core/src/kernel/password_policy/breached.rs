//! Passwords that have been in a breach, from a file that the operator has: SHA-1 in hex, one a line and in order, as "Have I
//! Been Pwned" gives them (`0000..:12`, from its downloader). Shorter beginnings of hashes do as well, all of one length.
//!
//! The file has some 40 GB, so it is never read: a look is a binary search, about 36 pieces of it.
//!
//! Invariant: memory is one piece, however large the file is.

use crate::kernel::error::{Error, Result};
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use secrecy::{ExposeSecret, SecretString};
use std::cmp::Ordering;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

/// A piece: holds a whole line behind the rest of another.
const PIECE: usize = 256;
/// Fewest hex digits of a line. With less, one password in a few hundred would be refused for nothing.
const FEWEST_DIGITS: usize = 10;

/// The file, open. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Breached(Arc<Open>);

#[derive(Debug)]
struct Open {
    file: File,
    bytes: u64,
}

impl Breached {
    /// Opens it, and looks whether it is such a file.
    ///
    /// # Errors
    /// It cannot be read, or its first line is no hash; with what it should be.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let open = Open {
            bytes: file.metadata()?.len(),
            file,
        };
        match open.line_at(0)? {
            Some(line) if is_hash(&line) => Ok(Self(Arc::new(open))),
            _ => Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "its first line is not a SHA-1 in hex; it must be as the Have I Been Pwned downloader writes it, in one file and in order",
            )),
        }
    }

    /// Whether `password` is in it.
    pub(super) async fn has(&self, password: SecretString) -> Result<bool> {
        let open = Arc::clone(&self.0);
        let looked = tokio::task::spawn_blocking(move || {
            let hash = digest(&SHA1_FOR_LEGACY_USE_ONLY, password.expose_secret().as_bytes());
            open.finds(hex::encode_upper(hash).as_bytes())
        });
        looked
            .await
            .map_err(Error::internal)?
            .map_err(|error| Error::unavailable("breached_passwords", error))
    }
}

impl Open {
    /// Whether a line begins `hash`.
    fn finds(&self, hash: &[u8]) -> io::Result<bool> {
        let (mut low, mut high) = (0, self.bytes);
        // the line that is looked for begins in low..high, or there is none
        while low < high {
            let middle = low + (high - low) / 2;
            let Some((begins, line)) = self.line_from(middle)?.filter(|(begins, _)| *begins < high) else {
                high = middle;
                continue;
            };
            match compared(&line, hash) {
                Ordering::Equal => return Ok(true),
                Ordering::Less => low = begins + line.len() as u64 + 1,
                Ordering::Greater => high = middle,
            }
        }
        Ok(false)
    }

    /// The first line that begins at `at` or behind it, and where.
    fn line_from(&self, at: u64) -> io::Result<Option<(u64, Vec<u8>)>> {
        if at == 0 {
            return Ok(self.line_at(0)?.map(|line| (0, line)));
        }
        // one byte before: a line may begin at `at` itself
        let piece = self.piece(at - 1)?;
        let Some(end) = piece.iter().position(|byte| *byte == b'\n') else {
            return Ok(None);
        };
        let begins = at + end as u64;
        Ok(self.line_at(begins)?.map(|line| (begins, line)))
    }

    /// What stands from `at` to the end of its line, which has at most [`PIECE`] bytes.
    fn line_at(&self, at: u64) -> io::Result<Option<Vec<u8>>> {
        let mut piece = self.piece(at)?;
        if let Some(end) = piece.iter().position(|byte| *byte == b'\n') {
            piece.truncate(end);
        }
        Ok((!piece.is_empty()).then_some(piece))
    }

    fn piece(&self, at: u64) -> io::Result<Vec<u8>> {
        let mut piece = vec![0; PIECE];
        let mut read = 0;
        while read < PIECE {
            match self.file.read_at(&mut piece[read..], at + read as u64)? {
                0 => break,
                more => read += more,
            }
        }
        piece.truncate(read);
        Ok(piece)
    }
}

/// The hex digits that a line begins with.
fn digits(line: &[u8]) -> &[u8] {
    let length = line.iter().position(|byte| !byte.is_ascii_hexdigit());
    &line[..length.unwrap_or(line.len()).min(40)]
}

fn is_hash(line: &[u8]) -> bool {
    digits(line).len() >= FEWEST_DIGITS
}

/// How a line stands to a hash of which it may be the beginning.
fn compared(line: &[u8], hash: &[u8]) -> Ordering {
    let line = digits(line);
    if line.len() < FEWEST_DIGITS {
        return Ordering::Less;
    }
    let upper = line.iter().map(u8::to_ascii_uppercase);
    upper.cmp(hash.iter().take(line.len()).copied())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Write;

    fn hash(password: &str) -> String {
        hex::encode_upper(digest(&SHA1_FOR_LEGACY_USE_ONLY, password.as_bytes()))
    }

    fn file(text: &[u8]) -> Open {
        let path = std::env::temp_dir().join(format!("breached-{}", uuid::Uuid::new_v4()));
        File::create(&path).unwrap().write_all(text).unwrap();
        let file = File::open(&path).unwrap();
        std::fs::remove_file(path).unwrap();
        Open {
            file,
            bytes: text.len() as u64,
        }
    }

    #[test]
    fn every_password_of_a_file_is_found_and_no_other() {
        for (end, cut) in [("\r\n", 40), ("\n", 40), ("\n", 12)] {
            let mut lines: Vec<String> = (0..1_000)
                .map(|n| format!("{}:{}", &hash(&format!("breached {n}"))[..cut], n * n))
                .collect();
            lines.sort_unstable();
            let open = file((lines.join(end) + end).as_bytes());
            for n in 0..1_000 {
                assert!(
                    open.finds(hash(&format!("breached {n}")).as_bytes()).unwrap(),
                    "{n}"
                );
                assert!(
                    !open.finds(hash(&format!("fresh {n}")).as_bytes()).unwrap(),
                    "{n}"
                );
            }
        }
    }

    #[test]
    fn a_file_of_something_else_is_refused_with_what_it_should_be() {
        let path = std::env::temp_dir().join(format!("not-breached-{}", uuid::Uuid::new_v4()));
        std::fs::write(&path, "hunter2\n").unwrap();
        let refused = Breached::open(&path).unwrap_err();
        assert!(refused.to_string().contains("SHA-1"), "{refused}");
        std::fs::remove_file(path).unwrap();
    }

    proptest! {
        #[test]
        fn whatever_a_file_holds_a_search_ends(bytes in proptest::collection::vec(any::<u8>(), 0..2_000)) {
            let _ = file(&bytes).finds(hash("anything").as_bytes());
        }
    }
}
