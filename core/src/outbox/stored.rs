//! The event as it stands in the outbox: a CloudEvents 1.0 envelope with the hub's own members, personal values sealed.

use crate::kernel::ctx::Actor;
use crate::kernel::event::{Severity, Subject};
use crate::kernel::id::EventId;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use time::OffsetDateTime;
use uuid::Uuid;

/// Grows when a reader must know; an older node skips what is newer and counts it.
pub const SCHEMA: i32 = 1;

/// Who acted, without a name: names are personal and looked up when shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredActor {
    /// `user` or `system`.
    pub kind: String,
    /// The person.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub id: Option<Uuid>,
    /// The hub's part, for `system`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub name: Option<String>,
}

impl From<&Actor> for StoredActor {
    fn from(actor: &Actor) -> Self {
        let name = match actor {
            Actor::User(_) => None,
            Actor::System(part) => Some(part.clone()),
        };
        Self {
            kind: actor.kind().to_owned(),
            id: actor.user().map(|id| id.0),
            name,
        }
    }
}

/// One stored event.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StoredEvent {
    /// CloudEvents: always `1.0`.
    pub specversion: String,
    /// CloudEvents id.
    pub id: EventId,
    /// CloudEvents source: always `/signalbox`.
    pub source: String,
    /// CloudEvents type: `user.banned`.
    #[serde(rename = "type")]
    pub kind: String,
    /// CloudEvents time.
    #[serde(with = "time::serde::rfc3339")]
    pub time: OffsetDateTime,
    /// See [`SCHEMA`].
    pub schema: i32,
    /// The act: `users.ban`.
    pub action: String,
    /// Who acted.
    pub actor: StoredActor,
    /// The other person of the act: an operator who acted as the actor, or for whom the hub acted.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub on_behalf_of: Option<StoredActor>,
    /// What it is about.
    pub subject: Subject,
    /// The full visible post-image.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub patch: Option<Value>,
    /// What the row's state allows.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub acts: Vec<String>,
    /// Members of the event's own.
    #[serde(skip_serializing_if = "Map::is_empty", default)]
    pub data: Map<String, Value>,
    /// Post-images of a bulk act's rows.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub rows: Vec<Value>,
    /// The `Idempotency-Key` that caused it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub cause: Option<String>,
    /// How loudly.
    pub severity: Severity,
    /// Template with field references.
    pub text: String,
    /// The audit entry as the audit list shows it, for `feed:audit`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub audit: Option<Value>,
}
