use super::FactorKind;
use crate::kernel::id::FactorId;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

/// A factor as its person sees it.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct Factor {
    /// Id.
    pub id: FactorId,
    /// What it is.
    pub kind: FactorKind,
    /// What its person calls it.
    pub name: String,
    /// Of a passkey: the name of the site it belongs to. It cannot be shown at another.
    pub site: Option<String>,
    /// When it was set up.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// When it was last shown.
    #[serde(with = "time::serde::rfc3339::option")]
    pub last_used_at: Option<OffsetDateTime>,
}

/// Somebody's factors.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Factors {
    /// All of them, in the order they were set up.
    pub items: Vec<Factor>,
    /// How many recovery codes are left.
    pub recovery_codes: i64,
    /// True where a role demands a second factor: the last one cannot be removed.
    pub demanded: bool,
}

/// Codes that are shown once.
#[derive(Serialize, utoipa::ToSchema)]
pub struct RecoveryCodes {
    /// Ten codes, each good once. Those made before are good no more.
    pub recovery_codes: Vec<String>,
}

/// What a factor is called from now on.
#[derive(Clone, Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewName {
    /// 1 to 100 characters.
    pub name: String,
}
