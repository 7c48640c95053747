//! Browsers that are known: by a cookie, which is good for one account and signs nobody in.

use super::account;
use signalbox_core::kernel::error::Error;
use signalbox_core::kernel::seal::{Sealer, random};
use subtle::ConstantTimeEq;

/// A browser that somebody has signed in with before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Device(pub(super) [u8; 16]);

impl Device {
    /// A new one.
    ///
    /// # Errors
    /// The system has no randomness.
    pub fn new() -> Result<Self, Error> {
        let mut id = [0; 16];
        random(&mut id)?;
        Ok(Self(id))
    }

    /// What the browser keeps: good for this account alone.
    pub fn shown(self, sealer: &Sealer, email: &str) -> String {
        format!(
            "{}.{}",
            hex::encode(self.0),
            hex::encode(mac(sealer, email, self.0))
        )
    }

    /// The device that a browser shows, if it is one of this account.
    pub fn read(sealer: &Sealer, email: &str, shown: &str) -> Option<Self> {
        let (id, proof) = shown.split_once('.')?;
        let id: [u8; 16] = hex::decode(id).ok()?.try_into().ok()?;
        let proof = hex::decode(proof).ok()?;
        bool::from(mac(sealer, email, id).ct_eq(&proof)).then_some(Self(id))
    }
}

fn mac(sealer: &Sealer, email: &str, id: [u8; 16]) -> Vec<u8> {
    sealer.mac("device", &[account(email).as_slice(), &id].concat())
}
