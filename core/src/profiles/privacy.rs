//! Who sees which field of a profile.

use super::store;
use crate::Store;
use crate::change::Change;
use crate::kernel::ctx::Ctx;
use crate::kernel::error::{Error, Result};
use crate::kernel::event::Event;
use crate::kernel::id::UserId;
use crate::users::{self, User};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeMap;

/// To whom a field is shown, of those who may see profiles.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Audience {
    /// To all of them.
    #[default]
    Organization,
    /// To those who share a team with the person.
    Team,
    /// To nobody but the person.
    Nobody,
}

/// Who looks at a profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Viewer {
    /// Whose profile it is.
    pub oneself: bool,
    /// May see what is personal of this person (`users:read_pii`), or change the profile: answers for the organization.
    pub answers: bool,
    /// Is in a team with them.
    pub shares_team: bool,
}

impl Viewer {
    pub(super) fn of(ctx: &Ctx, user: &User) -> Self {
        let subject = ctx.permissions.subject();
        let shares = |team| subject.is_some_and(|subject| subject.teams.contains(&team));
        Self {
            oneself: ctx.is_oneself(user.id),
            answers: user.is_permitted(ctx, "users:read_pii") || user.is_permitted(ctx, "profiles:update"),
            shares_team: user.teams.iter().any(|team| shares(team.id.0)),
        }
    }
}

impl Audience {
    /// The one rule: whether a field for this audience is shown to `viewer`, who may see profiles.
    pub(super) fn admits(self, viewer: Viewer) -> bool {
        viewer.oneself
            || viewer.answers
            || match self {
                Self::Organization => true,
                Self::Team => viewer.shares_team,
                Self::Nobody => false,
            }
    }
}

/// What a person decides on, field by field.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default)]
pub struct Privacy {
    /// Name to be called by.
    pub display_name: Audience,
    /// Title.
    pub title: Audience,
    /// What they say of themselves.
    pub bio: Audience,
    /// Time zone.
    pub time_zone: Audience,
    /// Language and region.
    pub locale: Audience,
    /// Picture.
    pub avatar_url: Audience,
    /// Wallets.
    pub wallets: Audience,
}

/// What is to change; what is absent stays.
pub type PrivacyChange = BTreeMap<String, Audience>;

impl Privacy {
    /// Every field with its audience.
    pub(super) fn fields(&self) -> [(&'static str, Audience); 7] {
        [
            ("display_name", self.display_name),
            ("title", self.title),
            ("bio", self.bio),
            ("time_zone", self.time_zone),
            ("locale", self.locale),
            ("avatar_url", self.avatar_url),
            ("wallets", self.wallets),
        ]
    }

    fn changed(&self, change: &PrivacyChange) -> Result<Self> {
        let known: Vec<&str> = self.fields().iter().map(|(field, _)| *field).collect();
        if let Some(unknown) = change.keys().find(|field| !known.contains(&field.as_str())) {
            let detail = format!("There is no such field; there are {}.", known.join(", "));
            return Err(Error::field(unknown.clone(), "unknown_field", detail));
        }
        let mut all = serde_json::to_value(self)?;
        for (field, audience) in change {
            all[field] = json!(audience);
        }
        Ok(serde_json::from_value(all)?)
    }
}

/// One's own privacy.
pub async fn privacy(store: &Store, ctx: &Ctx) -> Result<Privacy> {
    let user = oneself(ctx)?;
    let mut tx = store.db.primary(ctx.organization).await?;
    store::privacy(&mut tx, ctx.organization, user).await
}

/// Changes one's own privacy. It holds for the next answer.
pub async fn set_privacy(store: &Store, ctx: &Ctx, wanted: &PrivacyChange) -> Result<Privacy> {
    let user = oneself(ctx)?;
    let mut change = Change::begin(store, ctx).await?;
    let user = users::store::lock(change.tx(), ctx.organization, user).await?;
    let user = user.ok_or_else(|| Error::not_found("user"))?;
    let before = store::privacy(change.tx(), ctx.organization, user.id).await?;
    let after = before.changed(wanted)?;
    if after == before {
        return Ok(before);
    }
    let at = change.at();
    store::write_privacy(change.tx(), ctx.organization, user.id, &after, at).await?;
    let mut event = Event::new(
        "profile.updated",
        "me.set_privacy",
        user.subject(),
        users::CHANNEL,
        "{actor} changed who sees their profile",
    )
    .also(format!("inbox:{}", user.id))
    .data("fields", json!(["privacy"]))
    .scope(Some(user.scope()), Some(user.scope()));
    for ((field, was), (_, is)) in before.fields().into_iter().zip(after.fields()) {
        event = event.changed(&format!("privacy.{field}"), json!(was), json!(is));
    }
    change.record(event).await?;
    change.answer(200, &after).await?;
    change.commit().await?;
    Ok(after)
}

/// Who asks, for what is their own: a program asks with a permission, elsewhere.
pub(super) fn oneself(ctx: &Ctx) -> Result<UserId> {
    ctx.require_session()?;
    ctx.actor
        .user()
        .ok_or_else(|| Error::internal("a session without a person"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_one_rule_as_a_table() {
        let viewer = |oneself, answers, shares_team| Viewer {
            oneself,
            answers,
            shares_team,
        };
        for (audience, who, sees) in [
            (Audience::Organization, viewer(false, false, false), true),
            (Audience::Team, viewer(false, false, false), false),
            (Audience::Team, viewer(false, false, true), true),
            (Audience::Nobody, viewer(false, false, true), false),
            (Audience::Nobody, viewer(true, false, false), true),
            (Audience::Nobody, viewer(false, true, false), true),
        ] {
            assert_eq!(audience.admits(who), sees, "{audience:?} {who:?}");
        }
    }
}
