//! Second factors: what somebody proves beside a password, or instead of it.
//!
//! Tables: `user_factors`, `recovery_codes`, `factor_attempts`.
//!
//! Events, on the person's own inbox: `factor.added`, `factor.renamed`, `factor.removed`, `factor.failed`, `factor.cloned`, `factor.code_sent`,
//! `recovery_codes.made`, `recovery_code.used`, `factors.reset`.
//!
//! Invariant: a code, or a passkey's answer, counts once, on whichever node it is shown: what it was used up to stands in the
//! factor's row and only ever grows, in the transaction of what it was shown for.
//! Invariant: an attempt is counted before it is looked at, so that many at once are no more than many. Each kind of factor
//! counts its own: failing at one shuts nobody out of another.
//! Invariant: secrets and numbers stand sealed, codes as hashes.

mod attempts;
mod enroll;
mod events;
mod kind;
mod model;
mod owed;
pub mod passkey;
mod proof;
mod recovery;
mod request;
mod service;
mod sms;
mod store;
mod totp;

pub use enroll::{Confirmation, Enrolled, Enrollment, Wanted, begin, begin_own, confirm, confirm_own, count};
pub use kind::FactorKind;
pub use model::{Factor, Factors, NewName, RecoveryCodes};
pub use owed::{Owed, owed};
pub use passkey::{Ceremony, Site};
pub use proof::{Proof, Used, note, verify};
pub use request::Request;
pub use service::{list, make_recovery_codes, remove, rename, reset, send_code};

use crate::kernel::id::{OrganizationId, UserId};

/// Whose factors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The person.
    pub user: UserId,
    /// Where they belong.
    pub organization: OrganizationId,
}

/// Factors of one person at most.
pub const MOST: i64 = 20;
