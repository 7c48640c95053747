//! Tables `imports`, `import_rows`, `import_rejects`. People from a CSV file, as one act.
//!
//! First the file is **checked**: decoded as a whole, nothing written, so that one that proves broken in its last line has
//! changed nobody. Then three stages follow each other through it, at work at once, each with a checkpoint that commits
//! with its data:
//!
//! 1. **load**: the file's records, decoded and checked one by one, are staged in `import_rows`, the unacceptable ones
//!    noted in `import_rejects`;
//! 2. **judge**: of several lines with one address the first stays, the later are rejected and name it;
//! 3. **apply**: judged lines become people, in chunks of about a second, by two lanes that take turns of 256 lines: among
//!    judged lines no address occurs twice, so lanes never meet. A dry run only counts what they would do.
//!
//! Events: `import.started`, `import.finished` (audited: who, which file by its hash, how many), `import.progressed`
//! on `feed:imports` and the job's channel, and per committed chunk one `users.imported` on `feed:users`.
//!
//! Invariant: total = inserted + updated + unchanged + rejected, in every committed state.
//! Invariant: an import changes name, phone, department and picture; never an address, a status or a role.

mod columns;
mod decode;
mod events;
mod head;
mod model;
mod rejects;
mod row;
mod run;
mod service;
mod store;
#[cfg(test)]
mod tests;

pub use columns::{FIELDS, Field, Mapping};
pub use model::{Counts, Import, ImportFile, ImportList, Mode, Phase, Preview, Submitted};
pub use rejects::RejectReport;
pub use run::{run, sweep};
pub use service::{again, get, list, preview, rejects, submit};

/// Queue of import jobs.
pub const QUEUE: &str = "users.import";
/// Wire channel of imports.
pub const CHANNEL: &str = "feed:imports";
/// Rows of a file at most, the header not counted.
pub const MOST_ROWS: i64 = 1_000_000;
