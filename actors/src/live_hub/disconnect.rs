//! The numbers a client acts upon. A close code's range decides what an SDK does: 3000 to 3499 and 4000 to 4499
//! reconnect, 3500 to 3999 and 4500 to 4999 are final. Below 3000 belongs to the transport.

/// Why the server ends a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Disconnect {
    /// A frame longer than the limit. A code of the transport, and the only one below 3000 that is final.
    TooLarge,
    /// The node stops; the client finds another.
    Shutdown,
    /// The hub failed; trying again may help.
    Internal,
    /// The credentials ran out and were not renewed in time.
    Expired,
    /// The client reads slower than events come.
    Slow,
    /// A hole that history could not fill.
    InsufficientState,
    /// The hub cannot vouch for what it would send: its link to the other nodes is cut.
    ForceReconnect,
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
    /// The rights that carried the connection are gone.
    PermissionDenied,
    /// The operation exists and this hub does not offer it.
    NotAvailable,
    /// The session was ended by its owner or by an administrator.
    SignedOut,
    /// The account was banned, suspended or deleted.
    AccessEnded,
}

impl Disconnect {
    /// The WebSocket close code.
    pub fn code(self) -> u16 {
        match self {
            Self::TooLarge => 1009,
            Self::Shutdown => 3001,
            Self::Internal => 3004,
            Self::Expired => 3005,
            Self::Slow => 3008,
            Self::InsufficientState => 3010,
            Self::ForceReconnect => 3011,
            Self::NoPong => 3012,
            Self::TooManyRequests => 3013,
            Self::InvalidToken => 3500,
            Self::BadRequest => 3501,
            Self::Stale => 3502,
            Self::PermissionDenied => 3507,
            Self::NotAvailable => 3508,
            Self::SignedOut => 4500,
            Self::AccessEnded => 4501,
        }
    }

    /// The reason beside the code: at most 123 bytes, and never JSON, which an SDK would read as advice of protocol version 1.
    pub fn reason(self) -> &'static str {
        match self {
            Self::TooLarge => "message size limit exceeded",
            Self::Shutdown => "shutdown",
            Self::Internal => "internal server error",
            Self::Expired => "connection expired",
            Self::Slow => "slow",
            Self::InsufficientState => "insufficient state",
            Self::ForceReconnect => "force reconnect",
            Self::NoPong => "no pong",
            Self::TooManyRequests => "too many requests",
            Self::InvalidToken => "invalid token",
            Self::BadRequest => "bad request",
            Self::Stale => "stale",
            Self::PermissionDenied => "permission denied",
            Self::NotAvailable => "not available",
            Self::SignedOut => "signed out",
            Self::AccessEnded => "access ended",
        }
    }

    /// Whether coming back is of no use: by the code's range, and 1009 alone of the transport's.
    pub fn is_final(self) -> bool {
        matches!(self.code(), 1009 | 3500..4000 | 4500..5000)
    }

    /// Every code this hub sends.
    pub const ALL: [Self; 16] = [
        Self::TooLarge,
        Self::Shutdown,
        Self::Internal,
        Self::Expired,
        Self::Slow,
        Self::InsufficientState,
        Self::ForceReconnect,
        Self::NoPong,
        Self::TooManyRequests,
        Self::InvalidToken,
        Self::BadRequest,
        Self::Stale,
        Self::PermissionDenied,
        Self::NotAvailable,
        Self::SignedOut,
        Self::AccessEnded,
    ];
}
