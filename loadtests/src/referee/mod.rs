//! The referee: a process of its own that listens as a client does, writes down what it hears, and judges it against
//! what was committed. It knows nothing of the hub but its published protocol, and survives everything the hub does not.

mod judge;
mod listen;
mod mischief;
mod protobuf;
mod stream;
mod wire;

pub use judge::{Verdict, judge};
pub use listen::{Hearing, listen};
pub use mischief::Mischief;
pub use wire::Transport;

use serde::{Deserialize, Serialize};
use std::path::Path;

/// One line of what was heard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "heard")]
pub enum Line {
    /// The channel is followed from here: events come with offsets from `offset` + 1 on, until the next such line.
    From {
        channel: String,
        epoch: String,
        offset: u64,
    },
    /// The stream could not be resumed; the present state follows as [`Line::State`], then [`Line::From`].
    Refetched { channel: String },
    /// The state of a row, or an entry of the log, as REST shows it.
    State {
        channel: String,
        id: String,
        version: i64,
    },
    /// An event.
    Event {
        channel: String,
        offset: u64,
        /// Event type.
        kind: String,
        /// Of the subject; on the audit feed the entry's.
        id: String,
        version: i64,
    },
    /// The connection was lost; another follows. For whoever reads along.
    Lost { node: String, why: String },
    /// Something that this listener may not see was among the bytes it was sent.
    Leaked {
        /// Empty where no channel was named.
        channel: String,
        what: String,
    },
}

/// One line of what was committed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Committed {
    pub channel: String,
    /// Of the subject, or of the audit entry.
    pub id: String,
    pub version: i64,
}

/// Reads lines of JSON; a last line that is still being written is left out.
pub fn lines<T: for<'de> Deserialize<'de>>(path: &Path) -> anyhow::Result<Vec<T>> {
    let text = std::fs::read_to_string(path)?;
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    whole
        .lines()
        .map(|line| Ok(serde_json::from_str(line)?))
        .collect()
}
