//! An invitation as it is kept, and as people see it.

use crate::kernel::ctx::Ctx;
use crate::kernel::error::{Error, Result};
use crate::kernel::event::Subject;
use crate::kernel::id::{InvitationId, RoleId, UserId};
use crate::live::view::ViewClass;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// How an invitation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum InvitationState {
    /// Waits.
    Open,
    /// Its time is over; it can be sent again.
    Expired,
    /// Whoever was invited came.
    Accepted,
    /// Was taken back.
    Withdrawn,
}

/// A row of `invitations`, with whom it is for.
#[derive(Clone, Debug)]
pub struct Invitation {
    /// Id.
    pub id: InvitationId,
    /// The person who is invited.
    pub user: UserId,
    /// Their address; `None` once the invitation was taken back, and the address is free.
    pub email: Option<String>,
    /// Their name.
    pub name: String,
    /// Who invited them; `None` for the hub itself.
    pub invited_by: Option<UserId>,
    /// Made.
    pub created_at: OffsetDateTime,
    /// Sent last.
    pub sent_at: OffsetDateTime,
    /// End of the link that was sent last.
    pub expires_at: OffsetDateTime,
    /// They came.
    pub accepted_at: Option<OffsetDateTime>,
    /// Taken back.
    pub withdrawn_at: Option<OffsetDateTime>,
    /// Grows by one with each change.
    pub version: i64,
}

/// Somebody to be invited.
#[derive(Clone, Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewInvitation {
    /// Address, to which the link goes.
    pub email: String,
    /// Name as it is shown, 1 to 200 characters.
    pub name: String,
    /// Roles; none may hold a permission that you lack.
    #[serde(default)]
    pub roles: Vec<RoleId>,
}

/// Who invited somebody.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct InvitedBy {
    /// The person; null for the hub itself.
    pub id: Option<UserId>,
    /// Looked up when shown.
    pub name: Option<String>,
}

/// An invitation as one viewer sees it.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = Invitation)]
pub struct InvitationItem {
    /// Id.
    pub id: InvitationId,
    /// The person who is invited.
    pub user_id: UserId,
    /// Their address; null for viewers without `users:read_pii`.
    pub email: Option<String>,
    /// Their name.
    pub name: Option<String>,
    /// How it stands.
    pub state: InvitationState,
    /// Who invited them.
    pub created_by: InvitedBy,
    /// Made.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// Sent last.
    #[serde(with = "time::serde::rfc3339")]
    pub sent_at: OffsetDateTime,
    /// End of the link that was sent last.
    #[serde(with = "time::serde::rfc3339")]
    pub expires_at: OffsetDateTime,
    /// They came.
    #[serde(with = "time::serde::rfc3339::option")]
    pub accepted_at: Option<OffsetDateTime>,
    /// Taken back.
    #[serde(with = "time::serde::rfc3339::option")]
    pub withdrawn_at: Option<OffsetDateTime>,
    /// Grows by one with each change.
    pub version: i64,
    /// What this viewer may do with it: `invitations.resend`, `invitations.withdraw`.
    #[serde(default)]
    pub can: Vec<String>,
    /// Fields that are null because this viewer may not see them.
    #[serde(default)]
    pub masked: Vec<String>,
}

impl Invitation {
    /// How it stands at `now`.
    pub fn state(&self, now: OffsetDateTime) -> InvitationState {
        if self.accepted_at.is_some() {
            InvitationState::Accepted
        } else if self.withdrawn_at.is_some() {
            InvitationState::Withdrawn
        } else if self.expires_at <= now {
            InvitationState::Expired
        } else {
            InvitationState::Open
        }
    }

    /// What the row's state allows.
    pub(super) fn acts(&self) -> Vec<&'static str> {
        if self.accepted_at.is_some() || self.withdrawn_at.is_some() {
            Vec::new()
        } else {
            vec!["invitations.resend", "invitations.withdraw"]
        }
    }

    /// The post-image that events carry; nobody but the invited is named yet.
    pub(super) fn patch(&self, now: OffsetDateTime) -> Result<Value> {
        let text = |at: Option<OffsetDateTime>| {
            let text = at.map(|at| at.format(&Rfc3339)).transpose();
            text.map_err(Error::internal)
        };
        Ok(json!({
            "id": self.id,
            "user_id": self.user,
            "email": self.email,
            "name": self.name,
            "state": self.state(now),
            "created_by": {"id": self.invited_by, "name": null},
            "created_at": text(Some(self.created_at))?,
            "sent_at": text(Some(self.sent_at))?,
            "expires_at": text(Some(self.expires_at))?,
            "accepted_at": text(self.accepted_at)?,
            "withdrawn_at": text(self.withdrawn_at)?,
            "version": self.version,
        }))
    }

    /// As the actor of `ctx` sees it: masked by the one rule of `live::view`.
    pub(super) fn row(&self, ctx: &Ctx, now: OffsetDateTime) -> Result<Value> {
        let mut row = self.patch(now)?;
        ViewClass::of(&ctx.permissions).mask("invitation", &mut row);
        let manages = ctx.permissions.has("invitations:manage");
        row["can"] = if manages { json!(self.acts()) } else { json!([]) };
        Ok(row)
    }

    /// For events.
    pub(super) fn subject(&self) -> Subject {
        Subject {
            kind: "invitation".into(),
            id: self.id.0,
            version: self.version,
        }
    }
}
