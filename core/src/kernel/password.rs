//! Passwords: argon2id (RFC 9106), behind a bounded queue.
//!
//! Invariant: at most half of the cores hash at one time and at most [`WAITING`] wait, so that a flood of sign-ins costs
//! neither memory without bound nor everybody else's answers.
//! Invariant: what hashing fills is kept for the next one, so that it is there once for each turn: given back, it would stay
//! with every thread that ever hashed (285 MiB after a flood, `loadtests auth`).
//! Invariant: checking the password of nobody costs what checking somebody's does.

use super::error::{Error, Kind, Result};
use super::password_policy::Breached;
use super::seal::random;
use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use parking_lot::Mutex;
use secrecy::{ExposeSecret, SecretString};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How many may wait for their turn.
pub const WAITING: usize = 64;

/// Hashes and checks passwords. Cheap to clone; clones share one queue.
#[derive(Clone)]
pub struct Passwords(Arc<Inner>, Option<Breached>);

/// Bytes of a salt, and of a hash.
const SALT: usize = 16;
const HASH: usize = 32;

struct Inner {
    argon2: Argon2<'static>,
    /// What hashing fills, of those turns that nobody has now.
    memory: Mutex<Vec<Vec<Block>>>,
    turns: Arc<Semaphore>,
    waiting: AtomicUsize,
    /// Of a random password: what the password of nobody is checked against.
    nobody: String,
}

impl std::fmt::Debug for Passwords {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Passwords")
    }
}

/// The right to hash one password now; the next in the queue gets it when this is dropped.
#[derive(Debug)]
pub struct Turn(#[expect(dead_code, reason = "held, not read")] OwnedSemaphorePermit);

impl Passwords {
    /// `memory` in KiB and `passes` of argon2id with one lane.
    pub fn new(memory: u32, passes: u32) -> Result<Self> {
        let params = Params::new(memory, passes, 1, None).map_err(internal)?;
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let mut inner = Inner {
            argon2: Argon2::new(Algorithm::Argon2id, Version::V0x13, params),
            memory: Mutex::default(),
            turns: Arc::new(Semaphore::new((cores / 2).max(1))),
            waiting: AtomicUsize::new(0),
            nobody: String::new(),
        };
        let mut unguessable = [0; 32];
        random(&mut unguessable)?;
        inner.nobody = inner.hash(&unguessable)?;
        Ok(Self(Arc::new(inner), None))
    }

    /// Has none chosen that is in `breached`.
    pub fn with_breached(mut self, breached: Breached) -> Self {
        self.1 = Some(breached);
        self
    }

    /// The operator's file of breached passwords, where there is one.
    pub(super) fn breached(&self) -> Option<&Breached> {
        self.1.as_ref()
    }

    /// Waits for a turn; `auth.busy` when [`WAITING`] others wait already.
    pub async fn turn(&self) -> Result<Turn> {
        if let Ok(permit) = Arc::clone(&self.0.turns).try_acquire_owned() {
            return Ok(Turn(permit));
        }
        let _place = Place::take(&self.0.waiting)?;
        let permit = Arc::clone(&self.0.turns).acquire_owned().await;
        permit.map(Turn).map_err(Error::internal)
    }

    /// Hashes `password` for keeping, in PHC form.
    pub async fn hash(&self, turn: Turn, password: SecretString) -> Result<String> {
        let inner = Arc::clone(&self.0);
        off_the_loop(turn, move || inner.hash(password.expose_secret().as_bytes())).await
    }

    /// Whether `password` is the one that was hashed; without a hash it is not, after the same work.
    pub async fn verify(&self, turn: Turn, password: SecretString, hash: Option<String>) -> Result<bool> {
        let inner = Arc::clone(&self.0);
        off_the_loop(turn, move || {
            let (hash, somebody) = match &hash {
                Some(hash) => (hash.as_str(), true),
                None => (inner.nobody.as_str(), false),
            };
            Ok(inner.verify(password.expose_secret().as_bytes(), hash)? && somebody)
        })
        .await
    }
}

impl Inner {
    fn hash(&self, password: &[u8]) -> Result<String> {
        let mut salt = [0; SALT];
        random(&mut salt)?;
        let mut hash = [0; HASH];
        self.fill(&self.argon2, password, &salt, &mut hash)?;
        let written = PasswordHash {
            algorithm: Algorithm::Argon2id.ident(),
            version: Some(Version::V0x13.into()),
            params: ParamsString::try_from(self.argon2.params()).map_err(internal)?,
            salt: Some(Salt::new(&salt).map_err(internal)?),
            hash: Some(Output::new(&hash).map_err(internal)?),
        };
        Ok(written.to_string())
    }

    /// `hash` says itself how it was made: an older one with other parameters stays good.
    fn verify(&self, password: &[u8], hash: &str) -> Result<bool> {
        let known = PasswordHash::new(hash).map_err(internal)?;
        let (Some(salt), Some(expected)) = (known.salt, known.hash) else {
            return Err(internal("a stored hash has no salt"));
        };
        let algorithm = Algorithm::try_from(known.algorithm.as_str()).map_err(internal)?;
        let version = known.version.map_or(Ok(Version::V0x13), Version::try_from);
        let params = Params::try_from(&known).map_err(internal)?;
        let argon2 = Argon2::new(algorithm, version.map_err(internal)?, params);
        let mut hash = vec![0; expected.len()];
        self.fill(&argon2, password, &salt, &mut hash)?;
        // constant-time, as `Output` compares
        Ok(Output::new(&hash).map_err(internal)? == expected)
    }

    fn fill(&self, argon2: &Argon2<'_>, password: &[u8], salt: &[u8], hash: &mut [u8]) -> Result<()> {
        let mut memory = self.memory.lock().pop().unwrap_or_default();
        memory.resize(argon2.params().block_count(), Block::default());
        let filled = argon2.hash_password_into_with_memory(password, salt, hash, &mut memory[..]);
        self.memory.lock().push(memory);
        filled.map_err(internal)
    }
}

/// A password to be used once: 120 random bits.
pub fn one_time() -> Result<SecretString> {
    Ok(typeable::<24>()?.into())
}

/// `N` random letters and digits that are not mistaken for others, five bits each, in groups of four: what people type from paper.
pub fn typeable<const N: usize>() -> Result<String> {
    const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let mut bytes = [0; N];
    random(&mut bytes)?;
    let letters: Vec<char> = bytes
        .iter()
        .map(|byte| char::from(LETTERS[usize::from(byte % 32)]))
        .collect();
    let groups: Vec<String> = letters.chunks(4).map(|group| group.iter().collect()).collect();
    Ok(groups.join("-"))
}

async fn off_the_loop<T: Send + 'static>(
    turn: Turn,
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let worked = tokio::task::spawn_blocking(move || {
        let done = work();
        drop(turn);
        done
    });
    worked.await.map_err(Error::internal)?
}

fn internal(error: impl std::fmt::Display) -> Error {
    Error::internal(format!("argon2: {error}"))
}

/// A place in the queue, given back even when the caller goes away while waiting.
struct Place<'a>(&'a AtomicUsize);

impl<'a> Place<'a> {
    fn take(waiting: &'a AtomicUsize) -> Result<Self> {
        let place = Self(waiting);
        if waiting.fetch_add(1, Ordering::AcqRel) < WAITING {
            return Ok(place);
        }
        let mut error = Error::new(
            Kind::Unavailable,
            "auth.busy",
            "Too many people sign in at this moment. Try again in a few seconds.",
        );
        error.retry_after = Some(2);
        Err(error)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_right_password_is_right_and_nobody_has_one() {
        let passwords = Passwords::new(8, 1).unwrap();
        let hash = passwords
            .hash(passwords.turn().await.unwrap(), "correct horse".into())
            .await
            .unwrap();
        for (password, hash, right) in [
            ("correct horse", Some(hash.clone()), true),
            ("wrong horse", Some(hash), false),
            ("correct horse", None, false),
        ] {
            let turn = passwords.turn().await.unwrap();
            assert_eq!(
                passwords.verify(turn, password.into(), hash).await.unwrap(),
                right
            );
        }
    }

    #[tokio::test]
    async fn a_hash_that_was_made_with_other_parameters_stays_good_and_memory_is_kept_once_a_turn() {
        use argon2::password_hash::{PasswordHasher, PasswordVerifier};
        let older = Argon2::new(
            Algorithm::Argon2id,
            Version::V0x13,
            Params::new(64, 2, 1, None).unwrap(),
        );
        let hash = older.hash_password(b"correct horse").unwrap().to_string();
        let passwords = Passwords::new(16, 1).unwrap();
        for (password, right) in [("correct horse", true), ("wrong horse", false)] {
            let turn = passwords.turn().await.unwrap();
            let verified = passwords.verify(turn, password.into(), Some(hash.clone())).await;
            assert_eq!(verified.unwrap(), right);
        }
        let turn = passwords.turn().await.unwrap();
        let ours = passwords.hash(turn, "correct horse".into()).await.unwrap();
        older.verify_password(b"correct horse", ours.as_str()).unwrap();
        let turn = passwords.turn().await.unwrap();
        let damaged = passwords.verify(turn, "x".into(), Some("$argon2id$v=19$m=16,t=1,p=1".into()));
        damaged.await.unwrap_err();
        assert_eq!(passwords.0.memory.lock().len(), 1, "one after the other");
    }

    #[tokio::test]
    async fn the_queue_is_bounded_and_whoever_leaves_it_makes_room() {
        let passwords = Passwords::new(8, 1).unwrap();
        let mut held = Vec::new();
        while let Ok(permit) = Arc::clone(&passwords.0.turns).try_acquire_owned() {
            held.push(permit);
        }
        let mut waiting: Vec<_> = (0..WAITING).map(|_| Box::pin(passwords.turn())).collect();
        for turn in &mut waiting {
            assert!(futures::poll!(turn.as_mut()).is_pending());
        }
        let refused = passwords.turn().await.unwrap_err();
        assert_eq!(
            (refused.code.as_ref(), refused.retry_after),
            ("auth.busy", Some(2))
        );
        waiting.pop();
        let mut next = Box::pin(passwords.turn());
        assert!(futures::poll!(next.as_mut()).is_pending());
        held.clear();
        for turn in waiting {
            turn.await.unwrap();
        }
    }
}
