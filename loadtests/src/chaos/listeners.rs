//! Who listens, and what is made of it.

use super::writers::{Desk, Top};
use super::{ADDRESS, CHANNELS, NUMBER, channel};
use crate::cluster::Cluster;
use crate::peers::application_token;
use crate::referee::{Committed, Hearing, Line, Mischief, Transport, Verdict, judge, lines};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A fault that a listener is fed with, and one message in how many.
pub type Proof = (Mischief, u64);

/// Every transport and dialect, and what it is called here.
const TRANSPORTS: [(Transport, &str); 8] = [
    (Transport::WebSocket, "WebSocket"),
    (Transport::HttpStream, "HTTP stream"),
    (Transport::Sse, "SSE"),
    (Transport::EventStream, "event stream"),
    (Transport::ProtobufWebSocket, "Protobuf WebSocket"),
    (Transport::UniWebSocket, "listening WebSocket"),
    (Transport::UniSse, "listening SSE"),
    (Transport::UniHttpStream, "listening HTTP stream"),
];

pub struct Listener {
    pub name: String,
    /// Whether it follows an application's channels.
    pub application: bool,
    /// Set where it must be found out.
    pub proof: Option<Proof>,
    pub heard: PathBuf,
    transport: Transport,
    nodes: Vec<String>,
    token: String,
    channels: Vec<String>,
    forbidden: Vec<String>,
    database: PathBuf,
}

/// Those whose judgement must hold, and those who must be found out.
pub fn all(
    cluster: &Cluster,
    viewer: &str,
    desk: &Desk,
    folder: &Path,
    every: u64,
) -> anyhow::Result<Vec<Listener>> {
    let owner = cluster.any()?.token.clone();
    let feeds = || ["feed:users", "feed:audit"].map(str::to_owned).to_vec();
    let personal = || [ADDRESS, NUMBER].map(str::to_owned).to_vec();
    let mut listeners = Vec::new();
    let mut add =
        |name: String, transport, token: &str, channels: Vec<String>, forbidden: Vec<String>, proof| {
            let mut nodes: Vec<String> = cluster.nodes.iter().map(|node| node.url.clone()).collect();
            let turn = listeners.len() % nodes.len();
            nodes.rotate_left(turn);
            listeners.push(Listener {
                name,
                application: channels.iter().all(|channel| !channel.starts_with("feed:")),
                proof,
                heard: folder.join(format!("heard{}", listeners.len())),
                transport,
                nodes,
                token: token.to_owned(),
                channels,
                forbidden,
                database: desk.database.clone(),
            });
        };
    for (n, (transport, by)) in TRANSPORTS.into_iter().enumerate() {
        add(
            format!("owner, {by}"),
            transport,
            &owner,
            feeds(),
            Vec::new(),
            None,
        );
        add(
            format!("viewer without personal values, {by}"),
            transport,
            viewer,
            feeds(),
            personal(),
            None,
        );
        if transport != Transport::EventStream {
            let (mine, others): (Vec<usize>, Vec<usize>) =
                (0..CHANNELS).partition(|channel| channel % 2 == n % 2);
            let channels = mine.into_iter().map(channel).collect();
            let forbidden = others.into_iter().map(secret).collect();
            let token = application_token(&format!("user{n}"))?;
            add(
                format!("application user, {by}"),
                transport,
                &token,
                channels,
                forbidden,
                None,
            );
        }
    }
    for (what, mischief, transport) in [
        ("dropped", Mischief::Drop, Transport::WebSocket),
        ("doubled", Mischief::Double, Transport::ProtobufWebSocket),
        ("swapped", Mischief::Swap, Transport::UniWebSocket),
        ("leaked", Mischief::Leak, Transport::UniSse),
    ] {
        let (name, proof) = (format!("one in {every} {what}"), Some((mischief, every)));
        if mischief != Mischief::Leak {
            let all = (0..CHANNELS).map(channel).collect();
            let token = application_token("proof")?;
            add(
                format!("{name}, application"),
                transport,
                &token,
                all,
                Vec::new(),
                proof,
            );
        }
        add(name, transport, viewer, feeds(), personal(), proof);
    }
    Ok(listeners)
}

/// What stands in the messages of the channel of that number, and in no other's.
pub fn secret(n: usize) -> String {
    format!("for {} only", channel(n))
}

/// Whether the judge has found a fault, and what it is.
pub fn found_out(proof: Proof, verdict: &Verdict) -> bool {
    let faults = match proof.0 {
        // a state that is fetched after a later flush covers what was missing, and not the hole
        Mischief::Drop | Mischief::Swap => verdict.jumped.count,
        Mischief::Double => verdict.doubled.count,
        Mischief::Leak => verdict.leaked.count,
    };
    faults > 0 && !verdict.holds()
}

impl Listener {
    pub fn hearing(&self) -> Hearing {
        Hearing {
            transport: self.transport,
            nodes: self.nodes.clone(),
            token: self.token.clone(),
            channels: self.channels.clone(),
            database: Some(self.database.clone()),
            forbidden: self.forbidden.clone(),
            mischief: self.proof,
            out: self.heard.clone(),
        }
    }

    fn lines(&self) -> Vec<Line> {
        lines(&self.heard).unwrap_or_default()
    }

    /// Epoch and offset at which it stands in each channel.
    fn at(&self) -> BTreeMap<String, (String, u64)> {
        let mut at: BTreeMap<String, (String, u64)> = BTreeMap::new();
        for line in self.lines() {
            match line {
                Line::From {
                    channel,
                    epoch,
                    offset,
                } => {
                    at.insert(channel, (epoch, offset));
                }
                Line::Event { channel, offset, .. } => {
                    at.entry(channel).or_default().1 = offset;
                }
                _ => {}
            }
        }
        at
    }

    /// Whether it follows all of its channels.
    pub fn follows(&self) -> bool {
        let at = self.at();
        self.channels.iter().all(|channel| at.contains_key(channel))
    }

    /// Whether it has come to the top of each of its channels.
    pub fn has_heard(&self, tops: &BTreeMap<String, Top>) -> bool {
        let at = self.at();
        self.channels.iter().all(|channel| {
            let Some((epoch, top)) = tops.get(channel) else {
                return true;
            };
            at.get(channel).is_some_and(|(at_epoch, at)| {
                at >= top && epoch.as_ref().is_none_or(|epoch| epoch == at_epoch)
            })
        })
    }

    pub fn judge(&self, committed: &[Committed]) -> anyhow::Result<Verdict> {
        let of_mine = |one: &&Committed| self.channels.contains(&one.channel);
        let committed: Vec<Committed> = committed.iter().filter(of_mine).cloned().collect();
        let kind = if self.application {
            super::writers::KIND
        } else {
            "user.updated"
        };
        Ok(judge(&lines(&self.heard)?, &committed, kind))
    }
}
