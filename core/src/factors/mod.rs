//! Second factors: what somebody proves beside a password, or instead of it.

mod kind;

pub use kind::FactorKind;
