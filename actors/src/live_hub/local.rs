//! What this node's connections are asked, and told to do, by other nodes.

use signalbox_core::bus::orders::Order;
use signalbox_core::bus::questions::{Answer, Question, Rows};

use super::LiveHub;
use crate::nodes::Local;

impl Local for LiveHub {
    /// Orders are about connections by name, and here nobody is known by name.
    fn carry_out(&self, order: Order) {
        tracing::debug!(?order, "nobody here is known by name");
    }

    fn answer(&self, question: &Question) -> Answer {
        let (items, total) = (Vec::new(), 0);
        match question {
            Question::Node => Answer::Node(self.state()),
            Question::Connections(_) => Answer::Connections(Rows { items, total }),
            Question::Connection { .. } => Answer::Connection { found: None },
            Question::Channels(_) => Answer::Channels(Rows {
                items: Vec::new(),
                total,
            }),
        }
    }
}
