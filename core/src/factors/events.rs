//! What is recorded about factors, and told to whoever they belong to.

use super::{FactorKind, Owner};
use crate::change::Change;
use crate::kernel::error::Result;
use crate::kernel::event::{Event, Severity, Subject};
use crate::messages::{self, Address, Alert};
use crate::users;
use serde_json::json;

/// Says `kind` of the person, on their own inbox: everything about factors is worth a look by whoever they belong to.
pub(super) async fn tell(
    change: &mut Change,
    owner: Owner,
    (kind, action, text): (&'static str, &'static str, &'static str),
    factor: Option<FactorKind>,
) -> Result<()> {
    let event = of(change, owner, (kind, action, text)).await?;
    let event = match factor {
        Some(factor) => event
            .data("factor", json!(factor))
            .detail("factor", json!(factor)),
        None => event,
    };
    change.record(event).await?;
    Ok(())
}

/// As [`tell`], by mail: it reaches whoever has lost the session that they would read their inbox in.
pub(super) async fn warn(change: &mut Change, owner: Owner, alert: Alert) -> Result<()> {
    let Some(user) = users::store::find(change.tx(), owner.organization, owner.user).await? else {
        return Ok(());
    };
    let address = Address::of(user.person(), user.email, user.name);
    messages::alert(change, &address, alert).await
}

/// As [`tell`], to be said more of.
pub(super) async fn of(
    change: &mut Change,
    owner: Owner,
    (kind, action, text): (&'static str, &'static str, &'static str),
) -> Result<Event> {
    let version = sqlx::query_scalar!(
        "SELECT version FROM users WHERE organization_id = $1 AND id = $2",
        owner.organization.0,
        owner.user.0
    )
    .fetch_one(change.tx())
    .await?;
    let subject = Subject {
        kind: "user".into(),
        id: owner.user.0,
        version,
    };
    let event = Event::new(kind, action, subject, format!("inbox:{}", owner.user), text);
    Ok(event.severity(Severity::Warn))
}
