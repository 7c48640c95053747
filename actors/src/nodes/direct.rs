//! What one node says to another alone: a line that says what it is, then JSON. An answer's JSON is left to whoever
//! asked, so that reading it holds nothing else up.

use bytes::Bytes;
use signalbox_core::bus::orders::Order;
use signalbox_core::kernel::error::Result;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Direct {
    /// To the question of that number.
    Answer { id: u64, node: String, answer: Bytes },
    /// For the connections of the node that hears it.
    Order(Order),
}

impl Direct {
    pub(super) fn encode(&self) -> Result<Vec<u8>> {
        Ok(match self {
            Self::Answer { id, node, answer } => {
                [format!("answer {id} {node}\n").as_bytes(), answer].concat()
            }
            Self::Order(order) => [&b"order\n"[..], &serde_json::to_vec(order)?].concat(),
        })
    }

    /// `None` when it is not one of ours.
    pub(super) fn decode(message: &Bytes) -> Option<Self> {
        let end = message.iter().position(|byte| *byte == b'\n')?;
        let head = std::str::from_utf8(&message[..end]).ok()?;
        let body = message.slice(end + 1..);
        if head == "order" {
            return serde_json::from_slice(&body).ok().map(Self::Order);
        }
        let (id, node) = head.strip_prefix("answer ")?.split_once(' ')?;
        Some(Self::Answer {
            id: id.parse().ok()?,
            node: node.to_owned(),
            answer: body,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_said_is_what_is_heard(id: u64, node in "[a-z0-9-]{1,40}", answer in ".{0,100}", data: Vec<u8>) {
            let order = Order::Emulate { node: node.clone(), session: answer.clone(), data };
            let said = [Direct::Answer { id, node, answer: answer.into() }, Direct::Order(order)];
            for direct in said {
                let heard = Direct::decode(&direct.encode().unwrap().into());
                prop_assert_eq!(heard, Some(direct));
            }
        }

        #[test]
        fn what_nobody_said_is_never_a_panic(message: Vec<u8>, tail in ".{0,60}") {
            for bytes in [message, format!("answer {tail}").into(), format!("order\n{tail}").into()] {
                let _ = Direct::decode(&bytes.into());
            }
        }
    }
}
