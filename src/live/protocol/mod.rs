//! The Centrifuge client protocol, version 2, in JSON and in Protobuf: what the words on the wire mean, and nothing else.
//! No sockets, no channels, no rights here.
//!
//! Invariant: decoding never panics, and whatever is not a command of the protocol is [`Disconnect::BadRequest`].
//! Invariant: an encoded JSON message holds no raw newline, because newline is what separates messages in a frame.

mod code;
mod codec;
mod command;
mod message;
pub mod raw;
#[cfg(test)]
mod tests;
pub mod wire;

pub use code::{ReplyError, Unsubscribed};
pub use codec::{Codec, Commands, MAX_FRAME_BYTES};
pub use command::{Ask, Command, Request};
pub use signalbox_actors::live_hub::Disconnect;
pub use wire::{
    ConnectRequest, HistoryRequest, PublishRequest, Push, Reply, SubRefreshRequest, SubscribeRequest,
};

/// The longest channel name a client may send, in bytes.
pub const MAX_CHANNEL_BYTES: usize = 255;
