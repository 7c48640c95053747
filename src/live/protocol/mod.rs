//! The Centrifuge client protocol, version 2, in its JSON form: what the words on the wire mean, and nothing else.
//! No sockets, no channels, no rights here.
//!
//! Invariant: decoding never panics, and whatever is not a command of the protocol is [`Disconnect::BadRequest`].
//! Invariant: an encoded message holds no raw newline, because newline is what separates messages in a frame.

mod code;
mod command;
mod frame;
mod message;
#[cfg(test)]
mod tests;

pub use code::{ReplyError, UnsubscribeCode};
pub use command::{Command, ConnectRequest, RefreshRequest, Request, SubscribeRequest, decode};
pub use frame::{MAX_FRAME_BYTES, lines};
pub use message::{
    ConnectResult, Message, Publication, RefreshResult, SubscribeResult, encode, publication_push,
};
pub use signalbox_actors::live_hub::Disconnect;

/// The longest channel name a client may send, in bytes.
pub const MAX_CHANNEL_BYTES: usize = 255;

/// How many channels one connection may hold.
pub const MAX_CHANNELS: usize = 128;
