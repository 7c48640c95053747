//! What is done to one of many, and a chunk of them.

use super::events;
use super::model::{BulkAction, BulkItem};
use crate::change::Change;
use crate::kernel::error::{Error, Kind, Result};
use crate::kernel::id::{BulkId, RoleId, UserId};
use crate::roles;
use crate::users::check;
use crate::users::deeds::{self, Applied, Deed};

/// One person's part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Deed(Deed),
    Give(RoleId),
    Take(RoleId),
    Reset,
}

impl Step {
    /// What is asked for, checked.
    pub fn of(action: BulkAction, reason: Option<&str>, role: Option<RoleId>) -> Result<Self> {
        let why = || {
            let reason = check::reason(reason.unwrap_or_default());
            reason.map_err(|fault| Error::invalid(vec![fault.at("reason")]))
        };
        let which = || role.ok_or_else(|| Error::field("role", "missing", "Say which role."));
        Ok(match action {
            BulkAction::Ban => Self::Deed(Deed::Ban(why()?)),
            BulkAction::Suspend => Self::Deed(Deed::Suspend(why()?)),
            BulkAction::Unban => Self::Deed(Deed::Unban),
            BulkAction::Reinstate => Self::Deed(Deed::Reinstate),
            BulkAction::Delete => Self::Deed(Deed::Delete),
            BulkAction::AssignRole => Self::Give(which()?),
            BulkAction::RevokeRole => Self::Take(which()?),
            BulkAction::ResetPassword => Self::Reset,
        })
    }

    async fn apply(&self, change: &mut Change, id: UserId) -> Result<Applied> {
        match self {
            Self::Deed(deed) => deeds::apply(change, id, deed).await,
            Self::Give(role) => roles::apply(change, id, &[*role], &[]).await,
            Self::Take(role) => roles::apply(change, id, &[], &[*role]).await,
            Self::Reset => Err(Error::internal("a password is reset in a transaction of its own")),
        }
    }
}

/// Does `step` to each of `ids` within `change` and records what is told of them together. They are locked in the order of
/// their ids, so that two acts on the same people wait for each other and never in a circle.
pub(super) async fn chunk(
    change: &mut Change,
    step: &Step,
    ids: &[UserId],
    told: &events::Told<'_>,
) -> Result<Vec<BulkItem>> {
    let mut ordered = ids.to_vec();
    ordered.sort_unstable();
    let mut items = Vec::with_capacity(ids.len());
    let mut together = Vec::new();
    for id in ordered {
        let mark = change.mark().await?;
        match step.apply(change, id).await {
            Ok(applied) => {
                change.keep(mark).await?;
                together.push(applied);
                items.push(done(id));
            }
            Err(error) if is_ours(&error) => return Err(error),
            Err(error) => {
                change.back_to(mark).await?;
                items.push(failed(id, &error));
            }
        }
    }
    change.record(events::changed(told, together)).await?;
    Ok(items)
}

/// Nobody's fault but the hub's: the chunk is tried again, or given up as a whole.
pub(super) fn is_ours(error: &Error) -> bool {
    matches!(error.kind, Kind::Internal | Kind::Unavailable | Kind::Timeout)
}

pub(super) fn done(user: UserId) -> BulkItem {
    BulkItem {
        user,
        done: true,
        code: None,
        detail: None,
        one_time_password: None,
    }
}

pub(super) fn failed(user: UserId, error: &Error) -> BulkItem {
    BulkItem {
        done: false,
        code: Some(error.code.to_string()),
        detail: Some(error.detail.clone()),
        ..done(user)
    }
}

/// What the events of one act have in common.
pub(super) fn told(bulk: BulkId, action: BulkAction, channel: Option<String>) -> events::Told<'static> {
    events::Told {
        bulk,
        action: action.as_str(),
        channel,
    }
}
