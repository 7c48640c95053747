//! The numbers a client acts upon. A close code's range decides what an SDK does: 3000 to 3499 and 4000 to 4499
//! reconnect, 3500 to 3999 and 4500 to 4999 are final. Below 3000 belongs to the transport.

use std::sync::Arc;

/// Why the server ends a connection.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Disconnect {
    /// A frame longer than the limit. A code of the transport, and the only one below 3000 that is final.
    TooLarge,
    /// The node stops; the client finds another.
    Shutdown,
    /// The hub failed; trying again may help.
    Internal,
    /// The credentials ran out and were not renewed in time.
    Expired,
    /// A subscription that the server made ran out, or one was renewed with an expired token.
    SubscriptionExpired,
    /// The client reads slower than events come.
    Slow,
    /// A hole that history could not fill.
    InsufficientState,
    /// The hub cannot vouch for what it would send: its link to the other nodes is cut.
    ForceReconnect,
    /// The publisher's side ended it and wants it back.
    Invalidated,
    /// A ping was not answered.
    NoPong,
    /// More commands than one connection may queue.
    TooManyRequests,
    /// The token is not one of ours, or not this user's.
    InvalidToken,
    /// What came is not the protocol.
    BadRequest,
    /// Nobody signed in on this connection in time.
    Stale,
    /// The publisher's side ended it for good.
    ForceDisconnect,
    /// The user has as many connections as one may have.
    ConnectionLimit,
    /// More server-side channels than one connection may hold.
    ChannelLimit,
    /// The rights that carried the connection are gone.
    PermissionDenied,
    /// The operation exists and this hub does not offer it.
    NotAvailable,
    /// The session was ended by its owner or by an administrator.
    SignedOut,
    /// The account was banned, suspended or deleted.
    AccessEnded,
    /// Nobody is let in from where the client is.
    AddressRefused,
    /// As an operator or the publisher's side has it: a code of 3000 to 4999 and a reason of at most 123 bytes.
    Custom(Arc<(u16, String)>),
}

impl Disconnect {
    /// What an order asks for: a known code with its own text, or the reason given with it. A code out of range is
    /// [`Disconnect::ForceDisconnect`], a reason too long or one that reads as JSON is left out.
    pub fn ordered(code: u16, reason: &str) -> Self {
        let known = Self::ALL
            .iter()
            .find(|known| known.code() == code && (reason.is_empty() || known.reason() == reason));
        if let Some(known) = known {
            return known.clone();
        }
        if !(3000..5000).contains(&code) {
            return Self::ForceDisconnect;
        }
        let sayable = reason.len() <= 123 && serde_json::from_str::<serde_json::Value>(reason).is_err();
        let reason = if sayable { reason } else { "ended by an operator" };
        Self::Custom(Arc::new((code, reason.to_owned())))
    }

    /// The WebSocket close code.
    pub fn code(&self) -> u16 {
        match self {
            Self::TooLarge => 1009,
            Self::Shutdown => 3001,
            Self::Internal => 3004,
            Self::Expired => 3005,
            Self::SubscriptionExpired => 3006,
            Self::Slow => 3008,
            Self::InsufficientState => 3010,
            Self::ForceReconnect => 3011,
            Self::NoPong => 3012,
            Self::Invalidated => 3014,
            Self::TooManyRequests => 3013,
            Self::InvalidToken => 3500,
            Self::BadRequest => 3501,
            Self::Stale => 3502,
            Self::ForceDisconnect => 3503,
            Self::ConnectionLimit => 3504,
            Self::ChannelLimit => 3505,
            Self::PermissionDenied => 3507,
            Self::NotAvailable => 3508,
            Self::SignedOut => 4500,
            Self::AccessEnded => 4501,
            Self::AddressRefused => 4502,
            Self::Custom(why) => why.0,
        }
    }

    /// The reason beside the code: at most 123 bytes, and never JSON, which an SDK would read as advice of protocol version 1.
    pub fn reason(&self) -> &str {
        match self {
            Self::TooLarge => "message size limit exceeded",
            Self::Shutdown => "shutdown",
            Self::Internal => "internal server error",
            Self::Expired => "connection expired",
            Self::SubscriptionExpired => "subscription expired",
            Self::Slow => "slow",
            Self::InsufficientState => "insufficient state",
            Self::ForceReconnect => "force reconnect",
            Self::NoPong => "no pong",
            Self::Invalidated => "state invalidated",
            Self::TooManyRequests => "too many requests",
            Self::InvalidToken => "invalid token",
            Self::BadRequest => "bad request",
            Self::Stale => "stale",
            Self::ForceDisconnect => "force disconnect",
            Self::ConnectionLimit => "connection limit",
            Self::ChannelLimit => "channel limit",
            Self::PermissionDenied => "permission denied",
            Self::NotAvailable => "not available",
            Self::SignedOut => "signed out",
            Self::AccessEnded => "access ended",
            Self::AddressRefused => "address refused",
            Self::Custom(why) => &why.1,
        }
    }

    /// Whether coming back is of no use: by the code's range, and 1009 alone of the transport's.
    pub fn is_final(&self) -> bool {
        matches!(self.code(), 1009 | 3500..4000 | 4500..5000)
    }

    /// Every code this hub sends by itself.
    pub const ALL: [Self; 22] = [
        Self::TooLarge,
        Self::Shutdown,
        Self::Internal,
        Self::Expired,
        Self::SubscriptionExpired,
        Self::Slow,
        Self::InsufficientState,
        Self::ForceReconnect,
        Self::NoPong,
        Self::Invalidated,
        Self::TooManyRequests,
        Self::InvalidToken,
        Self::BadRequest,
        Self::Stale,
        Self::ForceDisconnect,
        Self::ConnectionLimit,
        Self::ChannelLimit,
        Self::PermissionDenied,
        Self::NotAvailable,
        Self::SignedOut,
        Self::AccessEnded,
        Self::AddressRefused,
    ];
}
