//! What one node asks of all: how they are, who is connected, which channels are followed.
//!
//! Invariant: an answer is bounded by [`MOST`] rows, and pages of all nodes put together are a page of the whole: each node
//! gives the first rows behind the cursor in one order that all share.

use crate::kernel::id::{OrganizationId, SessionId, UserId};
use crate::kernel::page::{MAX_LIMIT, micros};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use time::OffsetDateTime;

/// Rows in an answer at most: the longest page, and one to know whether there is another.
pub const MOST: u32 = MAX_LIMIT + 1;

/// Asked of every node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "about")]
pub enum Question {
    /// How it is.
    Node,
    /// Some of its connections.
    Connections(ConnectionsWanted),
    /// One connection, with its channels.
    Connection {
        /// Whose it may be.
        organizations: Vec<OrganizationId>,
        /// Its id.
        client: String,
    },
    /// Some of the channels its connections follow.
    Channels(ChannelsWanted),
    /// How many connections hang on each of its sessions.
    Sockets {
        /// Whose.
        organizations: Vec<OrganizationId>,
    },
}

/// One node's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "about")]
pub enum Answer {
    /// To [`Question::Node`].
    Node(NodeState),
    /// To [`Question::Connections`].
    Connections(Rows<ConnectionRow>),
    /// To [`Question::Connection`]; `None` when it is not here.
    Connection {
        /// It, and what it follows.
        found: Option<(ConnectionRow, Vec<String>)>,
    },
    /// To [`Question::Channels`].
    Channels(Rows<ChannelRow>),
    /// To [`Question::Sockets`].
    Sockets {
        /// Those that have any, [`MOST_SOCKETS`] at most.
        rows: Vec<SocketRow>,
    },
}

/// Sessions of one node that are told of at most; of those beyond it is not said how many connections they have.
pub const MOST_SOCKETS: usize = 5_000;

/// A session with live connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SocketRow {
    /// Whose data.
    pub organization: OrganizationId,
    /// Whose it is.
    pub user: UserId,
    /// Which.
    pub session: SessionId,
    /// How many on this node.
    pub sockets: u32,
}

/// The first rows behind a cursor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rows<T> {
    /// In the order asked for.
    pub items: Vec<T>,
    /// How many there are in all, before the cursor too.
    pub total: u64,
}

/// A node, as it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct NodeItem {
    /// Its name: that of this start of its process.
    pub node: String,
    /// How it is.
    #[serde(flatten)]
    pub state: NodeState,
}

/// How a node is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct NodeState {
    /// The hub's version.
    pub version: String,
    /// Since this start.
    pub uptime_seconds: u64,
    /// Open connections.
    pub connections: u64,
    /// Different users among them.
    pub users: u64,
    /// Different channels they follow.
    pub channels: u64,
    /// Subscriptions.
    pub subscriptions: u64,
    /// Bytes that wait to be written.
    pub queue_bytes: u64,
    /// Connections by what carries them.
    pub transports: BTreeMap<String, u64>,
    /// It takes nobody new, and moves whoever is connected to other nodes.
    pub draining: bool,
}

/// A connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectionRow {
    /// Its id.
    pub client: String,
    /// Whose; the nil id for a user of the operator's application.
    pub organization: OrganizationId,
    /// Who; empty for nobody by name.
    pub user: String,
    /// What carries it: `websocket`, `http_stream`, `sse`, `uni_websocket`, `uni_http_stream`, `uni_sse` or `event_stream`.
    pub transport: String,
    /// `json` or `protobuf`.
    pub protocol: String,
    /// The SDK's name and version, as it says.
    pub name: String,
    /// See `name`.
    pub version: String,
    /// Where it comes from.
    pub address: String,
    /// Since when.
    #[serde(with = "time::serde::rfc3339")]
    pub connected_at: OffsetDateTime,
    /// How many channels it follows.
    pub channels: u32,
    /// Bytes that wait to be written to it.
    pub queue_bytes: u64,
    /// From the last ping to its pong; `None` before the first.
    pub latency_ms: Option<u32>,
}

/// Which connections, in which order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectionsWanted {
    /// Whose.
    pub organizations: Vec<OrganizationId>,
    /// Text in id, user, SDK name or (where `addresses`) address, whatever its case.
    pub text: Option<String>,
    /// Or of one of these users, whose names the text was found in.
    pub users: Vec<String>,
    /// Only this user's.
    pub user: Option<String>,
    /// Only of this transport.
    pub transport: Option<String>,
    /// Order.
    pub sort: SortBy,
    /// The end of the page before.
    pub after: Option<(i64, String)>,
    /// Rows, [`MOST`] at most.
    pub limit: u32,
    /// Whoever asks may see addresses; where not, the rows have none.
    pub addresses: bool,
}

/// An order of connections. Equals stand by their ids.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub enum SortBy {
    /// Newest first.
    #[default]
    #[serde(rename = "-connected_at")]
    Newest,
    /// Oldest first.
    #[serde(rename = "connected_at")]
    Oldest,
    /// The longest queue first.
    #[serde(rename = "-queue_bytes")]
    LongestQueue,
    /// The slowest to answer a ping first; those not asked yet last.
    #[serde(rename = "-latency")]
    Slowest,
}

impl SortBy {
    /// Ascending in the order.
    fn key(self, row: &ConnectionRow) -> i64 {
        match self {
            Self::Newest => -micros(row.connected_at),
            Self::Oldest => micros(row.connected_at),
            Self::LongestQueue => -i64::try_from(row.queue_bytes).unwrap_or(i64::MAX),
            Self::Slowest => row.latency_ms.map_or(1, |latency| -i64::from(latency)),
        }
    }
}

impl ConnectionsWanted {
    /// The page of `rows`: of one node's, or of all nodes' pages with their totals.
    pub fn page(&self, rows: impl IntoIterator<Item = ConnectionRow>) -> Rows<ConnectionRow> {
        let mut total = 0;
        let found = rows.into_iter().filter(|row| self.admits(row));
        let mut items: Vec<_> = found
            .inspect(|_| total += 1)
            .map(|row| ((self.sort.key(&row), row.client.clone()), row))
            .filter(|(at, _)| self.after.as_ref().is_none_or(|after| at > after))
            .collect();
        items.sort_by(|(one, _), (other, _)| one.cmp(other));
        items.truncate(self.limit.min(MOST) as usize);
        let items = items.into_iter().map(|(_, row)| self.shown(row)).collect();
        Rows { items, total }
    }

    /// Where a page that ends with `row` ends.
    pub fn end(&self, row: &ConnectionRow) -> (i64, String) {
        (self.sort.key(row), row.client.clone())
    }

    fn shown(&self, row: ConnectionRow) -> ConnectionRow {
        let address = if self.addresses {
            row.address
        } else {
            String::new()
        };
        ConnectionRow { address, ..row }
    }

    fn admits(&self, row: &ConnectionRow) -> bool {
        self.organizations.contains(&row.organization)
            && self.user.as_ref().is_none_or(|user| *user == row.user)
            && self
                .transport
                .as_ref()
                .is_none_or(|transport| *transport == row.transport)
            && self.text.as_ref().is_none_or(|text| self.speaks_of(row, text))
    }

    fn speaks_of(&self, row: &ConnectionRow, text: &str) -> bool {
        let text = text.to_lowercase();
        let mut open = vec![&row.client, &row.user, &row.name];
        if self.addresses {
            open.push(&row.address);
        }
        self.users.contains(&row.user) || open.iter().any(|value| value.to_lowercase().contains(&text))
    }
}

/// A channel that somebody follows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChannelRow {
    /// Wire name.
    pub channel: String,
    /// Whose; the nil id for the operator's application.
    pub organization: OrganizationId,
    /// Its followers on this node.
    pub subscribers: u64,
    /// Publications a second of late. Every node hears all of them.
    pub rate: f64,
}

/// Which channels. They come by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelsWanted {
    /// Whose.
    pub organizations: Vec<OrganizationId>,
    /// Only the channel of this name.
    pub name: Option<String>,
    /// Only names that match this: `*` stands for any text, `?` for any one byte.
    pub pattern: Option<String>,
    /// Only names with this text in them, whatever its case.
    pub text: Option<String>,
    /// The end of the page before.
    pub after: Option<(String, OrganizationId)>,
    /// Rows, [`MOST`] at most.
    pub limit: u32,
}

impl ChannelsWanted {
    /// The page of `rows`: of one node's, or of all nodes' pages. Rows of one channel become one.
    pub fn page(&self, rows: impl IntoIterator<Item = ChannelRow>) -> Rows<ChannelRow> {
        let mut found: BTreeMap<(String, OrganizationId), ChannelRow> = BTreeMap::new();
        for row in rows.into_iter().filter(|row| self.admits(row)) {
            let at = (row.channel.clone(), row.organization);
            found
                .entry(at)
                .and_modify(|known| {
                    known.subscribers += row.subscribers;
                    known.rate = known.rate.max(row.rate);
                })
                .or_insert(row);
        }
        let total = found.len() as u64;
        let behind = found
            .into_iter()
            .filter(|(at, _)| self.after.as_ref().is_none_or(|after| at > after));
        let items = behind
            .take(self.limit.min(MOST) as usize)
            .map(|(_, row)| row)
            .collect();
        Rows { items, total }
    }

    fn admits(&self, row: &ChannelRow) -> bool {
        let name = &row.channel;
        self.organizations.contains(&row.organization)
            && self.name.as_ref().is_none_or(|wanted| wanted == name)
            && self
                .pattern
                .as_ref()
                .is_none_or(|pattern| matches(pattern.as_bytes(), name.as_bytes()))
            && self
                .text
                .as_ref()
                .is_none_or(|text| name.to_lowercase().contains(&text.to_lowercase()))
    }
}

/// Whether `name` matches a pattern of literal text, `*` (any text) and `?` (any one byte).
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    // where to go on from after the last `*` when what follows it does not fit here
    let (mut again, mut p, mut n) = (None, 0, 0);
    while n < name.len() {
        match pattern.get(p) {
            Some(b'*') => {
                again = Some((p, n));
                p += 1;
            }
            Some(wanted) if *wanted == b'?' || *wanted == name[n] => {
                p += 1;
                n += 1;
            }
            _ => {
                let Some((star, from)) = again else { return false };
                again = Some((star, from + 1));
                p = star + 1;
                n = from + 1;
            }
        }
    }
    pattern[p..].iter().all(|rest| *rest == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use uuid::Uuid;

    fn nobody() -> OrganizationId {
        OrganizationId(Uuid::nil())
    }

    fn connection(n: u64) -> ConnectionRow {
        ConnectionRow {
            client: format!("client-{n}"),
            organization: nobody(),
            user: format!("user-{}", n % 7),
            transport: "websocket".to_owned(),
            protocol: "json".to_owned(),
            name: "js".to_owned(),
            version: String::new(),
            address: format!("10.0.0.{n}"),
            connected_at: OffsetDateTime::from_unix_timestamp((n / 3) as i64).unwrap(),
            channels: 1,
            queue_bytes: n * 37 % 5,
            latency_ms: (!n.is_multiple_of(4)).then_some((n * 31 % 11) as u32),
        }
    }

    fn wanted(sort: SortBy, limit: u32) -> ConnectionsWanted {
        ConnectionsWanted {
            organizations: vec![nobody()],
            sort,
            limit,
            addresses: true,
            ..ConnectionsWanted::default()
        }
    }

    #[test]
    fn pages_of_many_nodes_put_together_give_every_connection_once_in_every_order() {
        let nodes: Vec<Vec<_>> = (0..3)
            .map(|node| (0..40).map(|n| connection(n * 3 + node)).collect())
            .collect();
        for sort in [
            SortBy::Newest,
            SortBy::Oldest,
            SortBy::LongestQueue,
            SortBy::Slowest,
        ] {
            let mut wanted = wanted(sort, 7);
            let mut seen = Vec::new();
            loop {
                let answers: Vec<_> = nodes.iter().map(|rows| wanted.page(rows.clone())).collect();
                assert!(answers.iter().all(|answer| answer.total == 40));
                let page = wanted.page(answers.into_iter().flat_map(|answer| answer.items));
                let Some(last) = page.items.last() else { break };
                wanted.after = Some(wanted.end(last));
                seen.extend(page.items);
            }
            let mut whole = wanted.clone();
            (whole.after, whole.limit) = (None, MOST);
            assert_eq!(seen, whole.page(nodes.concat()).items, "{sort:?}");
            assert_eq!(seen.len(), 120);
        }
    }

    #[test]
    fn who_may_not_see_addresses_neither_sees_them_nor_finds_by_them() {
        let mut wanted = wanted(SortBy::Newest, 10);
        wanted.text = Some("10.0.0.1".to_owned());
        assert_eq!(wanted.page([connection(1)]).total, 1);
        wanted.addresses = false;
        assert_eq!(wanted.page([connection(1)]).total, 0);
        wanted.text = Some("CLIENT".to_owned());
        let found = wanted.page([connection(1)]);
        assert_eq!((found.total, found.items[0].address.as_str()), (1, ""));
        wanted.text = Some("Somebody".to_owned());
        wanted.users = vec!["user-1".to_owned()];
        assert_eq!(wanted.page((0..7).map(connection)).total, 1);
    }

    #[test]
    fn a_connection_of_another_organization_is_not_there() {
        let mut wanted = wanted(SortBy::Newest, 10);
        wanted.organizations = vec![OrganizationId::new()];
        assert_eq!(wanted.page([connection(1)]).total, 0);
    }

    fn channel(name: &str, subscribers: u64) -> ChannelRow {
        ChannelRow {
            channel: name.to_owned(),
            organization: nobody(),
            subscribers,
            rate: subscribers as f64,
        }
    }

    #[test]
    fn a_channel_that_several_nodes_serve_is_one_row() {
        let mut wanted = ChannelsWanted {
            organizations: vec![nobody()],
            limit: 2,
            ..ChannelsWanted::default()
        };
        let nodes = [
            [channel("a", 1), channel("b", 2), channel("d", 3)],
            [channel("b", 5), channel("c", 1), channel("d", 1)],
        ];
        let mut seen = Vec::new();
        for _ in 0..2 {
            let page = wanted.page(nodes.iter().flat_map(|rows| wanted.page(rows.clone()).items));
            let last = page.items.last().unwrap();
            wanted.after = Some((last.channel.clone(), last.organization));
            seen.extend(page.items.into_iter().map(|row| (row.channel, row.subscribers)));
        }
        let expected = [("a", 1), ("b", 7), ("c", 1), ("d", 4)];
        assert_eq!(seen, expected.map(|(name, n)| (name.to_owned(), n)));
    }

    #[test]
    fn a_pattern_has_any_text_for_a_star() {
        for (pattern, name, fits) in [
            ("*", "", true),
            ("news:*", "news:a", true),
            ("news:*", "new", false),
            ("*:a*b", "x:aabab", true),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("", "a", false),
            ("a*b*c*", "aXbYcZ", true),
        ] {
            assert_eq!(
                matches(pattern.as_bytes(), name.as_bytes()),
                fits,
                "{pattern} {name}"
            );
        }
    }

    proptest! {
        #[test]
        fn any_name_matches_itself_with_pieces_replaced_by_stars(name in "[a-c:]{0,12}", cuts in prop::collection::vec(0usize..13, 0..4)) {
            let pattern: String = name.chars().enumerate().map(|(at, letter)| if cuts.contains(&at) { '*' } else { letter }).collect();
            prop_assert!(matches(pattern.as_bytes(), name.as_bytes()));
        }

        #[test]
        fn what_is_no_answer_is_refused_and_never_a_panic(text in ".{0,200}") {
            let _ = serde_json::from_str::<Answer>(&text);
            let _ = serde_json::from_str::<Question>(&text);
        }
    }
}
