//! What a connection is told to do from outside.

use bytes::Bytes;
use signalbox_core::live::application::ServerSubscription;

/// What a connection is told to do from outside.
#[derive(Debug, Clone, PartialEq)]
pub enum ConnectionOrder {
    /// Follow a channel on the server's behalf.
    Subscribe {
        /// Which.
        channel: String,
        /// How.
        terms: Box<ServerSubscription>,
    },
    /// Stop following.
    Unsubscribe {
        /// Which.
        channel: String,
        /// What the client is told; from 2500 on it comes back.
        code: u32,
        /// The text beside it.
        reason: String,
    },
    /// Move the end of the credentials.
    Refresh {
        /// They have ended now.
        expired: bool,
        /// Seconds since 1970; `None` never.
        expire_at: Option<i64>,
        /// JSON that others see beside the user from now on; `None`: what they saw before.
        info: Option<Bytes>,
    },
    /// Commands of a client that cannot send on its stream.
    Commands(Bytes),
}

impl ConnectionOrder {
    /// The channel that it is about.
    pub fn channel(&self) -> Option<&str> {
        match self {
            Self::Subscribe { channel, .. } | Self::Unsubscribe { channel, .. } => Some(channel),
            Self::Refresh { .. } | Self::Commands(_) => None,
        }
    }

    /// Bytes of a client's commands.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Commands(commands) => commands.len(),
            _ => 0,
        }
    }
}
