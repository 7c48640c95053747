//! In which order people are listed. Each order has its index.

use serde::{Deserialize, Serialize};

/// The order of a list. `-` means falling.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub enum Sort {
    /// Oldest first.
    #[serde(rename = "created_at")]
    CreatedAt,
    /// Newest first.
    #[default]
    #[serde(rename = "-created_at")]
    CreatedAtFalling,
    /// By name.
    #[serde(rename = "name")]
    Name,
    /// By name, falling.
    #[serde(rename = "-name")]
    NameFalling,
    /// By address.
    #[serde(rename = "email")]
    Email,
    /// By address, falling.
    #[serde(rename = "-email")]
    EmailFalling,
    /// Never signed in first, then the longest ago.
    #[serde(rename = "last_login_at")]
    LastLoginAt,
    /// Latest sign-in first.
    #[serde(rename = "-last_login_at")]
    LastLoginAtFalling,
}

impl Sort {
    /// Expressions equal to those of the indexes.
    pub(super) fn expression(self) -> &'static str {
        match self {
            Self::CreatedAt | Self::CreatedAtFalling => "created_at",
            Self::Name | Self::NameFalling => "lower(name) COLLATE \"C\"",
            Self::Email | Self::EmailFalling => "email",
            Self::LastLoginAt | Self::LastLoginAtFalling => "coalesce(last_login_at, 'epoch'::timestamptz)",
        }
    }

    pub(super) fn is_text(self) -> bool {
        matches!(
            self,
            Self::Name | Self::NameFalling | Self::Email | Self::EmailFalling
        )
    }

    pub(super) fn falls(self) -> bool {
        matches!(
            self,
            Self::CreatedAtFalling | Self::NameFalling | Self::EmailFalling | Self::LastLoginAtFalling
        )
    }
}
