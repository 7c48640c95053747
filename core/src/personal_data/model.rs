//! What people see of exports and erasures.

use crate::kernel::id::{ErasureId, ExportId, JobId, UserId};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

/// Where an export stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = PersonalDataExportState)]
pub enum ExportState {
    /// It is being made.
    Making,
    /// It can be fetched.
    Ready,
    /// It could not be made.
    Failed,
}

/// An export that was asked for.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct Requested {
    /// Its id.
    pub id: ExportId,
    /// The job that makes it.
    pub job_id: JobId,
}

/// An export.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
#[schema(as = PersonalDataExport)]
pub struct Export {
    /// Id.
    pub id: ExportId,
    /// About whom.
    pub user_id: UserId,
    /// Their name.
    pub user_name: String,
    /// The job that makes it.
    pub job_id: JobId,
    /// Where it stands.
    pub state: ExportState,
    /// Bytes.
    pub size: i64,
    /// Asked for.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// Until when it can be fetched.
    #[serde(with = "time::serde::rfc3339")]
    pub expires_at: OffsetDateTime,
}

/// Exports that one person asked for, newest first.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct ExportList {
    /// 50 at most.
    pub items: Vec<Export>,
}

/// Where an erasure stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ErasureState {
    /// It waits, and can be cancelled.
    Waiting,
    /// It is at work.
    Running,
    /// Nothing is left.
    Done,
    /// It could not be done.
    Failed,
    /// Somebody cancelled it.
    Cancelled,
}

/// An erasure.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct Erasure {
    /// Id.
    pub id: ErasureId,
    /// Of whom.
    pub user_id: UserId,
    /// Who asked for it.
    pub requested_by: Option<UserId>,
    /// Why; empty once it is done.
    pub reason: String,
    /// The job that does it.
    pub job_id: JobId,
    /// Where it stands.
    pub state: ErasureState,
    /// Not before.
    #[serde(with = "time::serde::rfc3339")]
    pub due_at: OffsetDateTime,
    /// Asked for.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// Over.
    #[serde(with = "time::serde::rfc3339::option")]
    pub finished_at: Option<OffsetDateTime>,
}
