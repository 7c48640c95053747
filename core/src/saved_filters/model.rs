//! A view as it is kept and shown.

use crate::kernel::id::{SavedFilterId, UserId};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use uuid::Uuid;

/// Who sees a view.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = SavedFilterAudienceKind)]
pub enum AudienceKind {
    /// Its owner.
    #[default]
    Me,
    /// A team.
    Team,
    /// Holders of a role.
    Role,
    /// Everybody in the organization.
    Everyone,
}

impl AudienceKind {
    /// As it stands in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Me => "me",
            Self::Team => "team",
            Self::Role => "role",
            Self::Everyone => "everyone",
        }
    }

    /// From the database; `None` for what is none.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Me, Self::Team, Self::Role, Self::Everyone]
            .into_iter()
            .find(|kind| kind.as_str() == text)
    }
}

/// Who sees a view, by name.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
#[schema(as = SavedFilterAudience)]
pub struct Audience {
    /// Whom.
    pub kind: AudienceKind,
    /// The team or role.
    pub id: Option<Uuid>,
    /// Its name.
    pub name: Option<String>,
}

/// A view.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct SavedFilter {
    /// Id.
    pub id: SavedFilterId,
    /// The page: `users`, `jobs`, `audit`, ...
    pub page: String,
    /// Name.
    pub name: String,
    /// The page's query, without `?`.
    pub query: String,
    /// Whose.
    pub owner_id: UserId,
    /// The owner's name.
    pub owner_name: String,
    /// Who sees it.
    pub audience: Audience,
    /// Whether the page opens with it, for whoever asks.
    pub is_default: bool,
    /// For `If-Match`; grows by one with each change.
    pub version: i64,
    /// Made.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// Last changed.
    #[serde(with = "time::serde::rfc3339")]
    pub updated_at: OffsetDateTime,
    /// What whoever asks may do: `saved_filters.update`, `saved_filters.delete`.
    pub can: Vec<String>,
}

/// Views of a page that somebody sees.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct SavedFilterList {
    /// One's own first, then by name.
    pub items: Vec<SavedFilter>,
}
