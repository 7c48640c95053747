//! The erasing itself: first the values in what is not the person's alone, last the person.

use super::erasure::require_erasable;
use super::held::HELD;
use super::model::ErasureState;
use super::{naming, search, store};
use crate::Store;
use crate::bus::control::{Revocation, RevocationKind};
use crate::change::{Change, idempotency};
use crate::kernel::error::{Error, Result};
use crate::kernel::event::{Event, Severity, Subject};
use crate::kernel::id::{ErasureId, UserId};
use crate::messages;
use crate::users::service::address_hash;
use crate::users::{CHANNEL, UserStatus};

/// Clears the person, and what hangs on them, in the change that ends the erasure.
pub(super) async fn clear(
    store: &Store,
    change: &mut Change,
    id: UserId,
    erasure: ErasureId,
) -> Result<Event> {
    let person = require_erasable(change, id).await?;
    let (organization, at) = (change.ctx().organization, change.at());
    let addresses = naming::addresses(store, change, id, &person).await?;
    naming::values(change.tx(), organization, id, &person, &addresses).await?;
    let theirs = [addresses.as_slice(), &[id.to_string()]].concat();
    idempotency::forget_naming(change.tx(), store, organization, |answer| {
        naming::names(answer, &theirs)
    })
    .await?;
    for address in &addresses {
        messages::forget_stranger(change, address).await?;
    }
    if store.settings(organization).await?.personal_data.bar_addresses {
        store::bar_address(
            change.tx(),
            organization,
            &address_hash(&store.sealer, &person.email),
            at,
        )
        .await?;
    }
    let ended = crate::users::store::end_sessions(change.tx(), organization, id, "erased", at).await?;
    cut_off(change, RevocationKind::User, id.0, Some(ended.access_version)).await?;
    for key in store::end_keys(change.tx(), organization, id, at).await? {
        cut_off(change, RevocationKind::Key, key, None).await?;
    }
    for held in HELD {
        search::erase(change.tx(), organization, id, held).await?;
    }
    let version = store::clear_person(change.tx(), organization, id, at).await?;
    store::set_erasure(change.tx(), organization, erasure, ErasureState::Done, (at, None)).await?;
    let subject = Subject {
        kind: "user".into(),
        id: id.0,
        version,
    };
    let event = Event::new(
        "user.erased",
        "users.erase",
        subject,
        CHANNEL,
        "{actor} erased {subject}",
    )
    .severity(Severity::Bad)
    .detail("erasure_id", erasure.to_string())
    .counts("sessions_active", -ended.sessions);
    counted(
        Event {
            scope_after: None,
            ..event
        },
        &person,
    )
}

/// Whoever was deleted already is in no count.
fn counted(event: Event, person: &store::Person) -> Result<Event> {
    if person.deleted {
        return Ok(event);
    }
    let status = UserStatus::parse(&person.status).ok_or_else(|| Error::internal("unknown user status"))?;
    let event = event.counts("users_total", -1);
    Ok(match status.counter() {
        Some(counter) => event.counts(counter, -1),
        None => event,
    })
}

async fn cut_off(
    change: &mut Change,
    kind: RevocationKind,
    subject: uuid::Uuid,
    version: Option<i64>,
) -> Result<()> {
    let organization = change.ctx().organization;
    change
        .revoke(Revocation {
            organization,
            kind,
            subject,
            access_version: version,
            reason: "erased".to_owned(),
        })
        .await
}
