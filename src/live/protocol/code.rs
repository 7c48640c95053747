//! The numbers a client acts upon, but for the close codes, which the live hub gives too.

/// Why a command was answered with an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ReplyError {
    /// The hub failed, or cannot answer truthfully now.
    Internal,
    /// No such channel.
    UnknownChannel,
    /// The channel exists and this viewer may not see it.
    PermissionDenied,
    /// The channel is already held by this connection.
    AlreadySubscribed,
    /// One connection may hold [`super::MAX_CHANNELS`] channels.
    LimitExceeded,
    /// A channel name that is too long or not ASCII, or a parameter out of range.
    BadRequest,
    /// The operation exists and is not offered here.
    NotAvailable,
    /// The token has run out; the client fetches another.
    TokenExpired,
    /// The position asked for can no longer be reached and the client asked not to be given less.
    Unrecoverable,
}

impl ReplyError {
    /// The error code of the protocol.
    pub fn code(self) -> u32 {
        match self {
            Self::Internal => 100,
            Self::UnknownChannel => 102,
            Self::PermissionDenied => 103,
            Self::AlreadySubscribed => 105,
            Self::LimitExceeded => 106,
            Self::BadRequest => 107,
            Self::NotAvailable => 108,
            Self::TokenExpired => 109,
            Self::Unrecoverable => 112,
        }
    }

    /// The text beside the code.
    pub fn message(self) -> &'static str {
        match self {
            Self::Internal => "internal server error",
            Self::UnknownChannel => "unknown channel",
            Self::PermissionDenied => "permission denied",
            Self::AlreadySubscribed => "already subscribed",
            Self::LimitExceeded => "limit exceeded",
            Self::BadRequest => "bad request",
            Self::NotAvailable => "not available",
            Self::TokenExpired => "token expired",
            Self::Unrecoverable => "unrecoverable position",
        }
    }

    /// Whether the same command may succeed later, so that the client tries again by itself.
    pub fn temporary(self) -> bool {
        self == Self::Internal
    }
}

/// Why the server ended one subscription. 2500 and above make the client subscribe again by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UnsubscribeCode {
    /// The viewer may no longer see the channel.
    PermissionLost,
    /// The live feed lost its place; the client comes back with its position.
    InsufficientState,
}

impl UnsubscribeCode {
    /// The code of the protocol; 2100 to 2499 are custom and final.
    pub fn code(self) -> u32 {
        match self {
            Self::PermissionLost => 2103,
            Self::InsufficientState => 2500,
        }
    }

    /// The text beside the code.
    pub fn reason(self) -> &'static str {
        match self {
            Self::PermissionLost => "permission lost",
            Self::InsufficientState => "insufficient state",
        }
    }
}
