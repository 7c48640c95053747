//! What operators do to live connections and channels. Both acts are recorded before they happen, so that none is without
//! its record; the bus is asked first whether it is there at all.

use crate::Store;
use crate::bus::control::Control;
use crate::bus::orders::{Order, Whom};
use crate::change::Change;
use crate::kernel::ctx::Ctx;
use crate::kernel::error::{Error, Result};
use crate::kernel::event::{Event, Subject};
use crate::kernel::id::{OrganizationId, UserId};
use crate::live::application::{APPLICATION, Options, Publication, broker};
use crate::people;
use crate::users::rights;
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// Longest reason in bytes: what a close frame holds (RFC 6455 §5.5).
pub const LONGEST_REASON: usize = 123;

/// "force reconnect" and "force disconnect" of the protocol.
const COME_BACK: u16 = 3011;
const STAY_AWAY: u16 = 3503;

/// Whose connection is ended.
#[derive(Clone, Debug)]
pub struct Connection {
    /// Its id.
    pub client: String,
    /// Whose; [`APPLICATION`] for a user of the operator's application.
    pub organization: OrganizationId,
    /// Who; empty for nobody by name.
    pub user: String,
}

/// Ends a connection, on whichever node it is. A member must hold no more than whoever ends theirs. `reason` is shown at the
/// other end; with `reconnect` the client comes back by itself.
pub async fn disconnect(
    store: &Store,
    ctx: &Ctx,
    connection: &Connection,
    reason: &str,
    reconnect: bool,
) -> Result<()> {
    ctx.require("live:disconnect")?;
    if reason.trim().is_empty() || reason.len() > LONGEST_REASON {
        let why = format!("Give a reason of 1 to {LONGEST_REASON} bytes: whoever is cut off is shown it.");
        return Err(Error::field("reason", "length", why));
    }
    store.bus.ping().await?;
    let mut change = Change::begin(store, ctx).await?;
    let member = (connection.organization != APPLICATION).then(|| connection.user.parse::<UserId>().ok());
    if let Some(user) = member.flatten()
        && ctx.actor.user() != Some(user)
    {
        let held = rights::of(change.tx(), ctx.organization, user).await?;
        ctx.require_over(&held)?;
    }
    let subject = match member.flatten() {
        Some(user) => subject("user", user.0),
        None => subject("connection", id_of(&connection.client)),
    };
    let mut event = event(
        "live.disconnected",
        "live.disconnect",
        subject,
        "{actor} disconnected {subject}",
    )
    .reason(reason)
    .detail("client", connection.client.as_str())
    .detail("reconnect", reconnect);
    // the reason is sealed with the key of whom it is about; of the application's users the hub keeps none, and the words are the actor's
    if let Some(person) = member.flatten().or(ctx.actor.user()) {
        event = event.person(people::person(change.tx(), person).await?);
    }
    change.record(event).await?;
    change.commit().await?;
    let order = Order::Disconnect {
        whom: Whom {
            client: Some(connection.client.clone()),
            ..Whom::of(connection.organization)
        },
        code: if reconnect { COME_BACK } else { STAY_AWAY },
        reason: reason.to_owned(),
    };
    store.bus.tell(&Control::Order(order)).await
}

/// Publishes to a channel of the operator's application, as its publishers do.
pub async fn publish(
    store: &Store,
    ctx: &Ctx,
    channel: &str,
    options: &Options,
    publication: Publication,
) -> Result<()> {
    ctx.require("live:publish")?;
    store.bus.ping().await?;
    let mut change = Change::begin(store, ctx).await?;
    let event = event(
        "live.published",
        "live.publish",
        subject("channel", id_of(channel)),
        "{actor} published to a channel",
    )
    .detail("channel", channel)
    .detail("bytes", publication.data.len());
    change.record(event).await?;
    change.commit().await?;
    broker::publish(
        &store.bus,
        channel,
        options,
        publication,
        broker::Extra::default(),
    )
    .await
    .map(|_| ())
    .map_err(|error| match error {
        broker::BrokerError::Bus(error) => error,
        other => Error::field("data", "format", other.to_string()),
    })
}

/// Told to the audit log alone.
fn event(kind: &'static str, action: &'static str, subject: Subject, text: &'static str) -> Event {
    let mut event = Event::new(kind, action, subject, "", text);
    event.channels.clear();
    event
}

fn subject(kind: &'static str, id: Uuid) -> Subject {
    Subject {
        kind: kind.into(),
        id,
        version: 1,
    }
}

/// The id of what has a name instead: the same for the same name, so that the audit log finds it.
fn id_of(name: &str) -> Uuid {
    let digest: [u8; 32] = Sha256::digest(name).into();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    name.parse()
        .unwrap_or(uuid::Builder::from_custom_bytes(bytes).into_uuid())
}
