//! How long after access is taken everything that hung on it is closed: thousands of sockets on several nodes, all
//! subscribed to `feed:users`, a hundred of each person or key. Access is taken in turn by each [`Way`].

use crate::client::{Event, Watchers};
use crate::cluster::Cluster;
use crate::machine::wall_clock;
use crate::peers::{member_door, version};
use crate::report::Report;
use anyhow::{Context, ensure};
use hdrhistogram::Histogram;
use reqwest::Method;
use serde_json::{Value, json};
use std::path::Path;

const PASSWORD: &str = "a password to be taken 42";
/// Sockets of one person.
const EACH: usize = 100;
/// Seconds, far beyond what is promised; a socket that outlives it is a failure and no figure.
const PATIENCE: u64 = 10;

/// How access is taken.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Ban,
    SignOut,
    /// An API key is revoked.
    Key,
    /// The only role of a person is let in from elsewhere only.
    Address,
    /// The only right of a person, on a single row, is taken.
    Row,
}

const WAYS: [(Way, &str); 5] = [
    (Way::Ban, "ban"),
    (Way::SignOut, "sign-out"),
    (Way::Key, "API key revoked"),
    (Way::Address, "IP rule of a role"),
    (Way::Row, "right of a single row taken"),
];

impl Way {
    /// What its sockets hear last: the code of a close, or of the unsubscribe of their only channel.
    fn code(self) -> u16 {
        match self {
            Self::Ban => 4501,
            Self::SignOut | Self::Key => 4500,
            Self::Address => 4502,
            Self::Row => LOST,
        }
    }
}

/// The channel is not theirs to see any more (docs/LIVE.md).
const LOST: u16 = 2103;

/// Whoever holds sockets.
struct Holder {
    way: Way,
    token: String,
    /// What is asked for to take it, and with what.
    take: (Method, String, Value),
}

/// The end of one socket: whose, how, and when by the wall clock.
struct End {
    holder: usize,
    code: u16,
    at: i64,
}

/// Runs it.
pub async fn run(binary: &Path, sockets: usize, nodes: usize) -> anyhow::Result<Report> {
    let mut report = Report::new("revocation");
    report.tell("hub", version(&binary.to_string_lossy(), "--version")?);
    let cluster = Cluster::start(binary, nodes, true).await?;
    let mut holders = Vec::new();
    for number in 0..sockets.div_ceil(EACH) {
        holders.push(holder(&cluster, number).await?);
    }
    let watchers = gather(&cluster, &holders, sockets).await?;
    report.add("sockets", sockets as f64, "");
    report.add("nodes", nodes as f64, "");
    report.add("people and keys", holders.len() as f64, "");
    for (way, what) in WAYS {
        let mut times = Times::new()?;
        for (number, holder) in holders.iter().enumerate() {
            if holder.way == way {
                let due = (number..sockets).step_by(holders.len()).count();
                end(&cluster, (number, holder), &watchers, due, &mut times).await?;
            }
        }
        if !times.asked.is_empty() {
            times.tell(&mut report, what)?;
        }
    }
    Ok(report)
}

/// Makes somebody whose access can be taken by the way that is this number's turn.
async fn holder(cluster: &Cluster, number: usize) -> anyhow::Result<Holder> {
    let (hub, (way, _)) = (cluster.any()?, WAYS[number % WAYS.len()]);
    if way == Way::Key {
        let new = json!({"name": format!("Key {number}"), "scopes": ["users:read"]});
        let made = hub.post("/api_keys", &new).await?;
        let path = format!("/api_keys/{}/revoke", text(&made["id"])?);
        return Ok(Holder {
            way,
            token: text(&made["secret"])?,
            take: (Method::POST, path, json!({"reason": "measured"})),
        });
    }
    let mut roles = Vec::new();
    if way != Way::Row {
        let role = json!({"name": format!("watchers {number}"), "inherits": [],
            "statements": [{"permission": "users:read", "effect": "grant"}]});
        roles.push(text(&hub.post("/roles", &role).await?["id"])?);
    }
    let email = format!("person{number}@example.com");
    let body = json!({"email": email, "name": "Person", "password": PASSWORD, "roles": roles});
    let id = text(&hub.post("/users", &body).await?["id"])?;
    let direct = format!("/users/{id}/permissions");
    if way == Way::Row {
        let single =
            json!({"permission": "users:read", "effect": "grant", "resource": {"kind": "user", "id": id}});
        hub.call(Method::PUT, &direct, &json!({"single": [single]}))
            .await?;
    }
    let login = json!({"email": email, "password": PASSWORD});
    let tokens = hub.post("/auth/login", &login).await?;
    let take = match way {
        Way::Ban => (
            Method::POST,
            format!("/users/{id}/ban"),
            json!({"reason": "measured"}),
        ),
        Way::Address => {
            let rule = json!({"cidr": "203.0.113.0/24", "role": roles.first()});
            (Method::POST, "/ip_rules".to_owned(), rule)
        }
        Way::Row => (Method::PUT, direct, json!({})),
        Way::SignOut | Way::Key => {
            let path = format!("/sessions/{}", text(&tokens["session_id"])?);
            (Method::DELETE, path, Value::Null)
        }
    };
    Ok(Holder {
        way,
        token: text(&tokens["access_token"])?,
        take,
    })
}

fn text(value: &Value) -> anyhow::Result<String> {
    Ok(value.as_str().context("no text")?.to_owned())
}

/// Opens the sockets: of every holder on every node.
async fn gather(cluster: &Cluster, holders: &[Holder], sockets: usize) -> anyhow::Result<Watchers<End>> {
    let doors: Vec<Vec<_>> = holders
        .iter()
        .map(|holder| {
            let nodes = cluster.nodes.iter();
            nodes
                .map(|node| member_door(node, &holder.token, "feed:users"))
                .collect()
        })
        .collect();
    let holders = holders.len();
    let door = move |n: usize| doors[n % holders][(n / holders) % doors[n % holders].len()].clone();
    let look = move |n: usize, event: Event<'_>| {
        let code = match event {
            Event::Message(message) => memchr::memmem::find(message, UNSUBSCRIBED).map(|_| LOST)?,
            Event::Closed(code) => code,
        };
        Some(End {
            holder: n % holders,
            code,
            at: wall_clock(),
        })
    };
    Watchers::gather(sockets, door, look).await
}

/// How a push begins that takes a channel away.
const UNSUBSCRIBED: &[u8] = b"\"unsubscribe\":{\"code\":2103";

/// Takes one holder's access away and waits until all their sockets, `due` of them, have heard so.
async fn end(
    cluster: &Cluster,
    (number, holder): (usize, &Holder),
    watchers: &Watchers<End>,
    due: usize,
    times: &mut Times,
) -> anyhow::Result<()> {
    let hub = &cluster.nodes[number % cluster.nodes.len()];
    let (method, path, body) = &holder.take;
    let sent = wall_clock();
    hub.call(method.clone(), path, body).await?;
    let answered = wall_clock();
    let of_them = |end: &&End| end.holder == number;
    watchers
        .until("all sockets of one holder have ended", PATIENCE, |ends| {
            ends.iter().filter(of_them).count() >= due
        })
        .await?;
    let committed = "SELECT (extract(epoch FROM pg_xact_commit_timestamp(xmin)) * 1000000)::bigint
        FROM revocations ORDER BY seq DESC LIMIT 1";
    let rows = cluster.servers.rows(committed)?;
    let committed: i64 = rows.first().context("no revocation")?.parse()?;
    for end in watchers.noted().iter().filter(of_them) {
        let code = holder.way.code();
        ensure!(
            end.code == code,
            "a socket ended with {} and not with {code}",
            end.code
        );
        times.asked.record((end.at - sent).max(0) as u64)?;
        times.committed.record((end.at - committed).max(0) as u64)?;
        times.answered.record((end.at - answered).max(0) as u64)?;
    }
    Ok(())
}

/// Microseconds to each socket's end: from the request, from the commit (PostgreSQL's own time of it), from the answer.
struct Times {
    asked: Histogram<u64>,
    committed: Histogram<u64>,
    answered: Histogram<u64>,
}

impl Times {
    fn new() -> anyhow::Result<Self> {
        let empty = Histogram::new(3)?;
        Ok(Self {
            asked: empty.clone(),
            committed: empty.clone(),
            answered: empty,
        })
    }

    fn tell(&self, report: &mut Report, what: &str) -> anyhow::Result<()> {
        ensure!(!self.asked.is_empty(), "nothing was measured of: {what}");
        for (from, times) in [
            ("asked for", &self.asked),
            ("committed", &self.committed),
            ("answered", &self.answered),
        ] {
            report.add_delays(&format!("{what} {from} to socket closed"), times);
        }
        Ok(())
    }
}
