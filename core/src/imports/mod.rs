//! Tables `imports`, `import_rows`, `import_rejects`. People from a CSV file, as one act.
//!
//! Three phases, each with a checkpoint that commits with its data:
//!
//! 1. **load**: the file's records, decoded and checked one by one, are staged in `import_rows`, the unacceptable ones
//!    noted in `import_rejects`;
//! 2. **judge**: of several lines with one address the first stays, the later are rejected and name it;
//! 3. **apply**: staged lines become people, in chunks of about a second, by two lanes that each take half of the
//!    file: no address occurs twice any more, so lanes never meet. A dry run only counts what they would do.
//!
//! Decoding the next records overlaps with staging the last ones, and the lanes overlap with each other. Applying does
//! not begin before the whole file was judged, so a file that proves broken in its last line has changed nobody.
//!
//! Events: `import.started`, `import.finished` (audited: who, which file by its hash, how many), `import.progressed`
//! on `feed:imports` and the job's channel, and per committed chunk one `users.imported` on `feed:users`.
//!
//! Invariant: total = inserted + updated + unchanged + rejected, in every committed state after the load.
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
pub use service::{commit, dry_run, get, list, preview, rejects, submit};

/// Queue of import jobs.
pub const QUEUE: &str = "users.import";
/// Wire channel of imports.
pub const CHANNEL: &str = "feed:imports";
/// Rows of a file at most, the header not counted.
pub const MOST_ROWS: i64 = 1_000_000;
