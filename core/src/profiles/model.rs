//! A profile as it is kept, and as one viewer sees it.

use super::address::Chain;
use super::privacy::{Privacy, Viewer};
use crate::kernel::id::{UserId, WalletId};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

/// What somebody says of themselves; checked before it is written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Profile {
    pub display_name: Option<String>,
    pub title: Option<String>,
    pub bio: Option<String>,
    pub time_zone: Option<String>,
    pub locale: Option<String>,
    pub avatar_url: Option<String>,
    /// 0 where nothing was ever said.
    #[serde(skip)]
    pub version: i64,
    #[serde(skip)]
    pub updated_at: Option<OffsetDateTime>,
}

/// A wallet that is somebody's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = Wallet)]
pub struct WalletItem {
    /// Id.
    pub id: WalletId,
    /// On which chain.
    pub chain: Chain,
    /// As its checksum writes it.
    pub address: String,
    /// What its owner calls it; may be empty.
    pub label: String,
    /// Linked.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
}

/// A profile as one viewer sees it.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Profile)]
pub struct ProfileItem {
    /// Whose.
    pub user_id: UserId,
    /// Name to be called by.
    pub display_name: Option<String>,
    /// Title.
    pub title: Option<String>,
    /// What they say of themselves.
    pub bio: Option<String>,
    /// Time zone, by its IANA name.
    #[schema(example = "Europe/Berlin")]
    pub time_zone: Option<String>,
    /// Language and region (BCP 47).
    #[schema(example = "de-DE")]
    pub locale: Option<String>,
    /// Picture.
    pub avatar_url: Option<String>,
    /// Wallets; null where they are not shown.
    pub wallets: Option<Vec<WalletItem>>,
    /// For `If-Match`; grows with each change, 0 where nothing was ever said.
    pub version: i64,
    /// Last changed.
    #[serde(with = "time::serde::rfc3339::option")]
    pub updated_at: Option<OffsetDateTime>,
    /// What this viewer may do: `profiles.update`.
    pub can: Vec<String>,
    /// Fields that are null because they are not shown to this viewer.
    pub masked: Vec<String>,
    /// To whom they show each field; null for whoever sees only what is shown to them.
    pub privacy: Option<Privacy>,
}

/// The profile as `viewer` sees it: the one place where a value leaves.
pub(super) fn seen(
    user: UserId,
    profile: Profile,
    wallets: Vec<WalletItem>,
    privacy: &Privacy,
    viewer: Viewer,
    can: bool,
) -> ProfileItem {
    let mut item = ProfileItem {
        user_id: user,
        display_name: profile.display_name,
        title: profile.title,
        bio: profile.bio,
        time_zone: profile.time_zone,
        locale: profile.locale,
        avatar_url: profile.avatar_url,
        wallets: Some(wallets),
        version: profile.version,
        updated_at: profile.updated_at,
        can: if can {
            vec!["profiles.update".to_owned()]
        } else {
            Vec::new()
        },
        masked: Vec::new(),
        privacy: (viewer.oneself || viewer.answers).then(|| privacy.clone()),
    };
    for (field, audience) in privacy.fields() {
        if audience.admits(viewer) {
            continue;
        }
        match field {
            "display_name" => item.display_name = None,
            "title" => item.title = None,
            "bio" => item.bio = None,
            "time_zone" => item.time_zone = None,
            "locale" => item.locale = None,
            "avatar_url" => item.avatar_url = None,
            _ => item.wallets = None,
        }
        item.masked.push(field.to_owned());
    }
    item
}
