//! The numbers a client acts upon, but for the close codes, which the live hub gives too.

use std::borrow::Cow;

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
    /// One connection may hold so many channels (`live.client_channel_limit`).
    LimitExceeded,
    /// A channel name that is too long or not ASCII, or a parameter out of range.
    BadRequest,
    /// The operation exists and is not offered here, or not on this channel.
    NotAvailable,
    /// The token has run out; the client fetches another.
    TokenExpired,
    /// More than may be asked at once; the client tries again.
    TooManyRequests,
    /// The position asked for can no longer be reached and the client asked not to be given less.
    Unrecoverable,
    /// A page of a map is asked for while another one is read.
    ConcurrentPagination,
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
            Self::TooManyRequests => 111,
            Self::Unrecoverable => 112,
            Self::ConcurrentPagination => 113,
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
            Self::TooManyRequests => "too many requests",
            Self::Unrecoverable => "unrecoverable position",
            Self::ConcurrentPagination => "concurrent pagination",
        }
    }

    /// Whether the same command may succeed later, so that the client tries again by itself.
    pub fn temporary(self) -> bool {
        matches!(
            self,
            Self::Internal | Self::TooManyRequests | Self::ConcurrentPagination
        )
    }
}

/// Why the server ended one subscription. A client comes back by itself from 2500 on, and with nothing it remembers
/// from 2502.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Unsubscribed {
    /// Below 2500 final; 2100 to 2499 and 2600 to 2999 are free for the application.
    pub code: u32,
    /// The text beside it.
    pub reason: Cow<'static, str>,
}

impl Unsubscribed {
    /// The server API ended it.
    pub const BY_SERVER: Self = Self::new(2000, "server unsubscribe");
    /// The viewer may no longer see the channel.
    pub const PERMISSION_LOST: Self = Self::new(2103, "permission lost");
    /// The live feed lost its place; the client comes back with its position.
    pub const INSUFFICIENT_STATE: Self = Self::new(2500, "insufficient state");
    /// The subscription's token ran out and was not renewed in time.
    pub const EXPIRED: Self = Self::new(2501, "subscription expired");
    /// What the client has was seen with other rights: it comes back without its position, and reads again.
    pub const STATE_INVALIDATED: Self = Self::new(2502, "state invalidated");

    const fn new(code: u32, reason: &'static str) -> Self {
        Self {
            code,
            reason: Cow::Borrowed(reason),
        }
    }
}
