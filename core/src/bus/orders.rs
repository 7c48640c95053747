//! What one node has all of them do with the connections they hold.

use crate::kernel::id::OrganizationId;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Which connections an order is about: those of `organization` that everything else given here is true of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Whom {
    /// Whose; the nil id for users of the operator's application.
    pub organization: OrganizationId,
    /// Only this user's; `Some("")` those of nobody by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Only this connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// Only the connection whose secret this is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// Connections left alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub spare: Vec<String>,
}

impl Whom {
    /// Every connection of `organization`, to be narrowed.
    pub fn of(organization: OrganizationId) -> Self {
        Self {
            organization,
            user: None,
            client: None,
            session: None,
            spare: Vec::new(),
        }
    }
}

/// Carried out by every node on its own connections; one that has none of them does nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "order")]
pub enum Order {
    /// Ends connections.
    Disconnect {
        /// Which.
        whom: Whom,
        /// 3000 to 4999; its range tells the client whether to come back.
        code: u16,
        /// Shown to whoever is cut off; never personal.
        reason: String,
    },
    /// Takes a channel from connections.
    Unsubscribe {
        /// Which.
        whom: Whom,
        /// Wire name.
        channel: String,
        /// 2000 to 2499 are final, 2500 to 2999 let the client subscribe again.
        code: u32,
        /// Told with it.
        reason: String,
    },
    /// Gives a channel to connections.
    Subscribe {
        /// Which.
        whom: Whom,
        /// Wire name.
        channel: String,
        /// A server-side subscription as the live floor has it.
        terms: serde_json::Value,
    },
    /// Says until when connections may stay.
    Refresh {
        /// Which.
        whom: Whom,
        /// They end now.
        expired: bool,
        /// In seconds since 1970; absent: for ever.
        expire_at: Option<i64>,
        /// JSON that others see beside the user from now on; absent: as it was.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        info: Option<String>,
    },
    /// Commands of a client whose stream another node holds. Goes to that node alone.
    Emulate {
        /// Which.
        node: String,
        /// The stream's secret.
        session: String,
        /// As the client sent them.
        #[serde(with = "base64_text")]
        data: Vec<u8>,
    },
    /// What a key of a polled channel is now, for the connections that track it.
    Poll {
        /// Wire name.
        channel: String,
        /// Which key.
        key: String,
        /// Above 0, and above that of what the key was before.
        version: u64,
        /// Of the version; empty: it has no name.
        epoch: String,
        /// One line of JSON.
        #[serde(with = "base64_text")]
        data: Vec<u8>,
    },
}

mod base64_text {
    use super::{Deserialize, Deserializer, Engine, STANDARD, Serializer};

    pub fn serialize<S: Serializer>(data: &[u8], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&STANDARD.encode(data))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(from)?;
        STANDARD.decode(text).map_err(serde::de::Error::custom)
    }
}
