//! What is queued for a connection.

use std::sync::Arc;

use bytes::Bytes;

use super::turn::Token;

/// A message ready for the wire, shared by all who get it.
#[derive(Debug, Clone)]
pub struct Frame {
    whole: Bytes,
    header: u8,
    /// Messages in it; 0 when it may not be joined with others.
    messages: u8,
    /// See [`Frame::with_content`].
    content: bool,
    /// What it is the present state of, where it is state and not an event.
    state: Option<Arc<str>>,
}

impl Frame {
    /// `whole` begins with `header` bytes of transport framing. They serve when the message travels alone; a
    /// batch gets one header of its own.
    pub fn new(whole: Bytes, header: u8) -> Self {
        debug_assert!(usize::from(header) <= whole.len());
        Self {
            whole,
            header,
            messages: 1,
            content: false,
            state: None,
        }
    }

    /// As [`Frame::new`], of so many messages.
    pub fn joined(whole: Bytes, header: u8, messages: u8) -> Self {
        Self {
            messages,
            ..Self::new(whole, header)
        }
    }

    /// A frame that may not be joined with others: transport control.
    pub fn alone(whole: Bytes) -> Self {
        Self {
            messages: 0,
            ..Self::new(whole, 0)
        }
    }

    /// As state of `key`: while it waits, a newer one of the same key and subscription takes its place.
    pub fn with_state(self, key: Arc<str>) -> Self {
        Self {
            state: Some(key),
            ..self
        }
    }

    /// As a message of the connection itself that shows what its viewer may see, as it was when it was made.
    pub fn with_content(self) -> Self {
        Self {
            content: true,
            ..self
        }
    }

    /// Whether it is one of those.
    pub(super) fn has_content(&self) -> bool {
        self.content
    }

    /// What it is the present state of; `None` for an event, of which each must be delivered.
    pub fn state(&self) -> Option<&Arc<str>> {
        self.state.as_ref()
    }

    /// Whether it must stay a frame of its own.
    pub fn is_alone(&self) -> bool {
        self.messages == 0
    }

    /// How many messages it holds.
    pub fn messages(&self) -> usize {
        self.messages.into()
    }

    /// Header and message.
    pub fn whole(&self) -> Bytes {
        self.whole.clone()
    }

    /// The message without header.
    pub fn payload(&self) -> &[u8] {
        &self.whole[usize::from(self.header)..]
    }
}

/// One item on its way to the wire.
#[derive(Debug)]
pub struct Queued {
    /// What to write.
    pub frame: Frame,
    /// The subscription it belongs to; 0 is the connection itself.
    pub slot: u32,
    /// The position it moves the subscription to; 0 moves nothing.
    pub offset: u64,
    /// Kept until it is written.
    pub(super) turn: Token,
}

/// What one item costs beside its bytes: a queue that grows doubles its room.
pub(in crate::live_hub) const ITEM_OVERHEAD: usize = 2 * size_of::<Queued>();

/// What a state costs beside that: its place in the index.
pub(super) const STATE_OVERHEAD: usize = 64;

impl Queued {
    /// An item that no turn waits for.
    pub fn new(frame: Frame, slot: u32, offset: u64) -> Self {
        Self {
            frame,
            slot,
            offset,
            turn: Token::default(),
        }
    }

    /// Bytes of memory it holds at most while it waits. Its frame is shared with others, and counted for each.
    pub(super) fn cost(&self) -> usize {
        let state = self.frame.state.as_ref();
        self.frame.whole.len() + ITEM_OVERHEAD + state.map_or(0, |key| key.len() + STATE_OVERHEAD)
    }

    /// Where something stood that a newer state has replaced.
    pub(super) fn hole() -> Self {
        Self::new(Frame::alone(Bytes::new()), 0, 0)
    }

    pub(super) fn is_hole(&self) -> bool {
        self.frame.is_alone() && self.frame.whole.is_empty()
    }
}
