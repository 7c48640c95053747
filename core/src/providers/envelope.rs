//! What a browser keeps between leaving for a provider and coming back: sealed, so that it can neither be read nor made, in a
//! cookie of this host alone. State and nonce are so bound to the browser that asked.

use crate::kernel::error::Result;
use crate::kernel::id::{ProviderId, SessionId, UserId};
use crate::kernel::seal::{Sealer, random};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

const PURPOSE: &[u8] = b"provider sign-in";
/// The longest that is opened, in bytes.
const LONGEST: usize = 4_000;

/// Why somebody goes to a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub(super) enum Purpose {
    /// To sign in.
    SignIn,
    /// To link their account there to themselves, in this session.
    Link {
        /// Who.
        user: UserId,
        /// In which session.
        session: SessionId,
    },
}

impl Purpose {
    /// By what a page knows whom to give the answer to.
    fn letter(self) -> char {
        match self {
            Self::SignIn => 's',
            Self::Link { .. } => 'l',
        }
    }
}

/// What is kept.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Envelope {
    pub provider: ProviderId,
    pub purpose: Purpose,
    pub state: String,
    pub nonce: String,
    /// PKCE's (RFC 7636).
    pub verifier: String,
    /// Where in the console to go on.
    pub next: Option<String>,
    /// Seconds since 1970.
    pub until: i64,
}

impl Envelope {
    /// With new secrets.
    pub fn new(provider: ProviderId, purpose: Purpose, next: Option<String>, until: i64) -> Result<Self> {
        Ok(Self {
            provider,
            purpose,
            state: format!("{}.{}", purpose.letter(), secret()?),
            nonce: secret()?,
            verifier: secret()?,
            next,
            until,
        })
    }

    /// PKCE's challenge by S256.
    pub fn challenge(&self) -> String {
        URL_SAFE_NO_PAD.encode(Sha256::digest(&self.verifier))
    }

    /// As a cookie's value.
    pub fn seal(&self, sealer: &Sealer) -> Result<String> {
        let bytes = sealer.seal_bytes(PURPOSE, &serde_json::to_vec(self)?)?;
        Ok(URL_SAFE_NO_PAD.encode(bytes))
    }

    /// From a cookie's value; `None` where it is not one of ours, or too old.
    pub fn open(sealer: &Sealer, cookie: &str, now: i64) -> Option<Self> {
        let cookie = Some(cookie).filter(|cookie| cookie.len() <= LONGEST)?;
        let bytes = URL_SAFE_NO_PAD.decode(cookie).ok()?;
        let envelope: Self = serde_json::from_slice(&sealer.open_bytes(PURPOSE, &bytes)?).ok()?;
        (now < envelope.until).then_some(envelope)
    }
}

/// 256 random bits.
fn secret() -> Result<String> {
    let mut bytes = [0; 32];
    random(&mut bytes)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}
