//! What is held on a person: handed out as a file, and erased.
//!
//! Tables: `personal_data_exports`, `personal_data_parts`, `erasures`, `erased_addresses`; and every table that [`held`] lists.
//! Events: `personal_data.export_started`, `personal_data.exported`, `personal_data.downloaded`, `user.erasure_requested`,
//! `user.erasure_cancelled`, `user.erasure_ended`, `user.erased`.
//!
//! Both are jobs. An export is staged part by part, each with the run's checkpoint, and becomes visible as a whole. An erasure
//! first takes the person's values out of what is not theirs alone (uploaded files, kept answers, reports), by every address that
//! they have had, and
//! last, in one transaction, clears the person's row, deletes what hangs on it and replaces the salt: what stands sealed in audit,
//! activity and outbox can then be opened by nobody, and their hashes still hold.
//!
//! Invariant: [`held`] names every column of the schema that points at a person, or says why it is left out; a test compares it
//! with the schema.
//! Invariant: what is handed out of records that are about others too shows only the person's own sealed values.

mod close;
mod erase;
mod erasure;
mod export;
pub mod held;
mod model;
mod naming;
mod run;
mod search;
mod store;
#[cfg(test)]
mod tests;

pub use close::close_ended;
pub use erasure::{cancel_erasure, erase_later, erasure};
pub use export::{Download, download, exports, request, sweep};
pub use model::{Erasure, ErasureState, Export, ExportList, ExportState, Requested};
pub use run::{run_erasure, run_export};

/// Queue of exports.
pub const EXPORTS: &str = "personal_data.export";
/// Queue of erasures.
pub const ERASURES: &str = "users.erase";
/// What it takes to hand out what is held on somebody else.
const EXPORT: &str = "users:export";
/// What it takes to erase somebody.
const ERASE: &str = "users:erase";
