//! What an installation can set, and the one place that reads it.
//!
//! `default.toml` is the reference: commented, complete, embedded. A file, the environment and the flags
//! lie over it, in that order.
//!
//! Invariant: a key nobody knows, or a combination that cannot work, stops the start; it is never ignored.
//! Invariant: no error and no output of this module contains the value of a secret.

mod check;
mod layers;
mod limits;
pub mod live;
mod secret;
mod settings;
#[cfg(test)]
mod tests;

pub use layers::{ConfigError, Flags, load, load_from};
pub use limits::{Limits, Quotas};
pub use live::Live;
pub use settings::{
    Auth, Bootstrap, Data, Database, ForwardedBy, Imports, Jobs, Log, LogFormat, Redis, Role, Server,
    Settings,
};
