//! What nodes tell each other at once. States, not commands: a repeat is harmless, a loss is made good by a poll.

use super::Bus;
use super::orders::Order;
use super::questions::Question;
use crate::kernel::error::Result;
use crate::kernel::id::{OrganizationId, UserId};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// What a revocation is about (`revocations.kind`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RevocationKind {
    /// Everything a person has open ends.
    User,
    /// One session ends.
    Session,
    /// All sessions of a person or of the organization end that began before an instant: the version beside it, in
    /// microseconds since 1970.
    Sessions,
    /// A person's rights changed: look again.
    Access,
    /// The rights of all in the organization changed: look again.
    Organization,
    /// An API key: it ends, or, where a version stands beside it, its terms changed: look again.
    Key,
    /// The addresses that the organization lets in changed: look again where everybody comes from.
    IpRule,
    /// What the organization has set changed: read it again.
    Settings,
}

impl RevocationKind {
    /// As it stands in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Session => "session",
            Self::Sessions => "sessions",
            Self::Access => "access",
            Self::Organization => "organization",
            Self::Key => "key",
            Self::IpRule => "ip_rule",
            Self::Settings => "settings",
        }
    }

    /// From the database; unknown kinds are of a newer node and treated by the caller as "look again".
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "user" => Some(Self::User),
            "session" => Some(Self::Session),
            "sessions" => Some(Self::Sessions),
            "access" => Some(Self::Access),
            "organization" => Some(Self::Organization),
            "key" => Some(Self::Key),
            "ip_rule" => Some(Self::IpRule),
            "settings" => Some(Self::Settings),
            _ => None,
        }
    }
}

/// Somebody is cut off, or must be looked at again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revocation {
    /// Whose data.
    pub organization: OrganizationId,
    /// What about.
    pub kind: RevocationKind,
    /// The person, session, key or organization.
    pub subject: Uuid,
    /// The subject's access version (person), epoch (organization) or version (key) after the change, where one was bumped. Of
    /// sessions see [`RevocationKind`].
    pub access_version: Option<i64>,
    /// Shown to whoever was cut off; never personal.
    pub reason: String,
}

/// What is kept of somebody's row is not true any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Touched {
    /// Of which organization.
    pub organization: OrganizationId,
    /// Whose; `None`: everybody's.
    pub user: Option<UserId>,
}

/// A message on the control channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Control {
    /// Cut off, now.
    Revoked {
        /// Whom.
        revocation: Revocation,
        /// When it was committed, in microseconds since 1970 by the clock of the node that did.
        committed: i64,
    },
    /// People's rows were changed.
    Touched {
        /// Whose.
        touched: Vec<Touched>,
    },
    /// The outbox has rows to order.
    OutboxHint,
    /// The ledger has due jobs.
    JobsHint,
    /// The end of a running job was asked for. Whoever renews its lease learns of it too.
    JobCancel {
        /// The job.
        job: Uuid,
    },
    /// Every node does this with its own connections.
    Order(Order),
    /// Every node answers on the asker's own channel.
    Ask {
        /// The asker's number for it.
        id: u64,
        /// Who asks.
        node: String,
        /// What.
        question: Question,
    },
    /// A node's own heartbeat through the bus.
    Beat {
        /// Which node.
        node: String,
        /// Counts up.
        n: u64,
    },
}

impl Bus {
    /// Tells every node.
    pub async fn tell(&self, message: &Control) -> Result<()> {
        self.publish(&self.keys().control(), &serde_json::to_vec(message)?)
            .await
    }
}
