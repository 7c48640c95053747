//! What follows from another time that sessions of an organization may last (`settings::Sessions`; `standing` reads the same row):
//! what is open already is held to it.

use super::CHANNEL;
use crate::bus::control::{Revocation, RevocationKind};
use crate::change::Change;
use crate::kernel::error::Result;
use crate::kernel::event::{Event, Severity, Subject};

/// Has every node look again at every session of the organization that it knows, and tells whoever looks at sessions. The
/// audit log knows by the change of settings.
pub async fn timeouts_changed(change: &mut Change) -> Result<()> {
    let organization = change.ctx().organization;
    let subject = Subject {
        kind: "organization".into(),
        id: organization.0,
        version: 0,
    };
    let event = Event::new(
        "session.timeouts_changed",
        "settings.update",
        subject,
        CHANNEL,
        "{actor} changed how long sessions last",
    )
    .severity(Severity::Warn)
    .unaudited();
    change.record(event).await?;
    change
        .revoke(Revocation {
            organization,
            kind: RevocationKind::Organization,
            subject: organization.0,
            access_version: None,
            reason: "session_timeouts_changed".to_owned(),
        })
        .await
}
