//! An import as it is asked for and shown.

use super::columns::{Field, Mapping};
use crate::jobs::JobState;
use crate::kernel::id::{FileId, ImportId, JobId};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

/// What is done with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Kept and shown, nothing more.
    Preview,
    /// Every line is judged, nobody is written.
    DryRun,
    /// Every acceptable line becomes a person.
    Commit,
}

impl Mode {
    /// As it stands in the database and on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Preview => "preview",
            Self::DryRun => "dry_run",
            Self::Commit => "commit",
        }
    }

    /// From the database or a form; `None` for what is no mode.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Preview, Self::DryRun, Self::Commit]
            .into_iter()
            .find(|mode| mode.as_str() == text)
    }
}

/// How far an import is: the furthest stage that has begun, as the stages overlap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Checking and reading the file.
    Load,
    /// Comparing its lines with each other.
    Judge,
    /// Writing people, or in a dry run counting.
    Apply,
    /// Over.
    Done,
}

impl Phase {
    /// As it stands in the database and on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Load => "load",
            Self::Judge => "judge",
            Self::Apply => "apply",
            Self::Done => "done",
        }
    }

    /// From the database.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Load, Self::Judge, Self::Apply, Self::Done]
            .into_iter()
            .find(|phase| phase.as_str() == text)
    }
}

/// What became of the lines so far. `total` is always the sum of the others; the job's progress has the lines in all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Counts {
    /// Lines whose fate is known; once the import succeeded, all of the file, the header not counted.
    pub total: i64,
    /// New people.
    pub inserted: i64,
    /// People changed.
    pub updated: i64,
    /// People who were so already.
    pub unchanged: i64,
    /// Lines refused; the report says why.
    pub rejected: i64,
}

impl Counts {
    /// Lines whose fate is known.
    pub(super) fn settled(self) -> i64 {
        self.inserted + self.updated + self.unchanged + self.rejected
    }
}

/// The file of an import.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct ImportFile {
    /// As it was called.
    pub name: String,
    /// Bytes.
    pub size: i64,
    /// In hex.
    pub sha256: String,
    #[serde(skip)]
    pub(super) id: FileId,
}

/// Whoever asked for an import.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct ImportAuthor {
    /// The person; null for the hub itself.
    pub id: Option<uuid::Uuid>,
    /// Looked up when shown.
    pub name: Option<String>,
}

/// One import, as lists and events show it.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct Import {
    /// Id.
    pub id: ImportId,
    /// Its job; null for a preview.
    pub job_id: Option<JobId>,
    /// Always `users` so far.
    pub kind: String,
    /// What is done with the file.
    pub mode: Mode,
    /// State of its job.
    pub state: JobState,
    /// How far it is.
    pub phase: Phase,
    /// What became of the lines so far.
    pub counts: Counts,
    /// The file.
    pub file: ImportFile,
    /// Field to column.
    pub mapping: Mapping,
    /// Between columns: `,`, `;` or a tab.
    pub delimiter: String,
    /// Who asked.
    pub created_by: ImportAuthor,
    /// When it was asked for.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// When it was over.
    #[serde(with = "time::serde::rfc3339::option")]
    pub finished_at: Option<OffsetDateTime>,
    /// Why it failed.
    pub error: Option<String>,
    /// The import whose file this one uses.
    pub source_import_id: Option<ImportId>,
    /// Grows with each change.
    pub version: i64,
    /// What this viewer may do with it: `imports.dry_run`, `imports.commit`, `jobs.cancel`.
    pub can: Vec<String>,
}

/// A page of imports, newest first.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct ImportList {
    /// The imports.
    pub items: Vec<Import>,
    /// For the page after.
    pub next_cursor: Option<String>,
    /// Of `feed:imports`.
    pub epoch: String,
    /// Of `feed:imports`.
    pub offset: u64,
}

/// The beginning of a file, to check the columns by.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct Preview {
    /// The header.
    pub columns: Vec<String>,
    /// The first 20 records; what a viewer may not see is empty.
    pub rows: Vec<Vec<String>>,
    /// Field to column: as asked for, else as the header reads.
    pub mapping: Mapping,
    /// Everything a column can fill.
    pub fields: &'static [Field],
    /// Between columns.
    pub delimiter: String,
    /// Always `utf-8`.
    pub encoding: &'static str,
}

/// An import that was taken on.
#[derive(Clone, Copy, Debug, Serialize, utoipa::ToSchema)]
pub struct Submitted {
    /// The import.
    pub id: ImportId,
    /// Its job; null for a preview.
    pub job_id: Option<JobId>,
}
