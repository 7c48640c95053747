//! What all nodes said, put together.

use std::collections::HashMap;

use signalbox_core::bus::questions::{
    Answer, ChannelRow, ChannelsWanted, ConnectionRow, ConnectionsWanted, NodeItem, Rows, SocketRow,
};
use signalbox_core::kernel::id::SessionId;

/// What came back to a question.
#[derive(Debug, Default)]
pub struct Answers {
    /// Node, and what it said; the asking node first.
    pub given: Vec<(String, Answer)>,
    /// Living nodes that said nothing in time.
    pub missing: Vec<String>,
}

impl Answers {
    pub(super) fn of(given: Vec<(String, Answer)>, mut asked: Vec<String>) -> Self {
        asked.retain(|node| !given.iter().any(|(answered, _)| answered == node));
        Self {
            given,
            missing: asked,
        }
    }

    /// How each node is.
    pub fn nodes(self) -> Vec<NodeItem> {
        let states = self.given.into_iter().filter_map(|(node, answer)| match answer {
            Answer::Node(state) => Some(NodeItem { node, state }),
            _ => None,
        });
        let mut nodes: Vec<_> = states.collect();
        nodes.sort_by(|one, other| one.node.cmp(&other.node));
        nodes
    }

    /// The page of all nodes' connections, each with its node.
    pub fn connections(self, wanted: &ConnectionsWanted) -> Rows<(String, ConnectionRow)> {
        let (mut rows, mut total) = (Vec::new(), 0);
        for (node, answer) in self.given {
            if let Answer::Connections(page) = answer {
                total += page.total;
                rows.extend(page.items.into_iter().map(|row| (node.clone(), row)));
            }
        }
        rows.sort_by_cached_key(|(_, row)| wanted.end(row));
        rows.truncate(wanted.limit as usize);
        Rows { items: rows, total }
    }

    /// The connection that was asked for, its node and its channels.
    pub fn connection(self) -> Option<(String, ConnectionRow, Vec<String>)> {
        self.given.into_iter().find_map(|(node, answer)| match answer {
            Answer::Connection {
                found: Some((row, channels)),
            } => Some((node, row, channels)),
            _ => None,
        })
    }

    /// How many connections hang on each session, on all nodes together.
    pub fn sockets(self) -> HashMap<SessionId, (SocketRow, u32)> {
        let mut all: HashMap<SessionId, (SocketRow, u32)> = HashMap::new();
        for (_, answer) in self.given {
            if let Answer::Sockets { rows } = answer {
                for row in rows {
                    all.entry(row.session).or_insert((row, 0)).1 += row.sockets;
                }
            }
        }
        all
    }

    /// The page of all nodes' channels.
    pub fn channels(self, wanted: &ChannelsWanted) -> Rows<ChannelRow> {
        wanted.page(
            self.given
                .into_iter()
                .filter_map(|(_, answer)| match answer {
                    Answer::Channels(page) => Some(page.items),
                    _ => None,
                })
                .flatten(),
        )
    }
}
