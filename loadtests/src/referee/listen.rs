//! Listening: the Centrifuge protocol in any of its forms, resuming after each loss of the connection.
//!
//! The state of one of the hub's own channels is what REST shows. That of an application's channel is in the application's
//! database, which writes before it publishes: here a file of [`Committed`] lines.

use super::mischief::Culprit;
use super::wire::{Came, ID, Transport, Wire};
use super::{Committed, Line, Mischief};
use anyhow::{Context, bail};
use reqwest::Client;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

/// A hub that is frozen accepts connections and answers nothing.
pub(super) const PATIENCE: Duration = Duration::from_secs(3);
/// A subscribe without an answer for so long is answered by a new connection, as the SDKs do it.
const ANSWER: Duration = Duration::from_secs(5);
/// Without a frame for so long (pings included) the connection is given up.
const SILENCE: Duration = Duration::from_secs(12);
/// Before the next attempt.
const PAUSE: Duration = Duration::from_millis(100);

/// What to listen to, and where to write.
pub struct Hearing {
    pub transport: Transport,
    /// `http://` addresses of the nodes, tried in turn.
    pub nodes: Vec<String>,
    /// Access token.
    pub token: String,
    /// Wire channels: `feed:users`, `feed:audit`, or an application's.
    pub channels: Vec<String>,
    /// The application's database.
    pub database: Option<PathBuf>,
    /// Texts that this listener may never be sent.
    pub forbidden: Vec<String>,
    /// Does this to one publication in so many on its way here; what it leaks is the first forbidden text.
    pub mischief: Option<(Mischief, u64)>,
    /// Lines of JSON, see [`Line`].
    pub out: PathBuf,
}

pub(super) struct Position {
    pub(super) epoch: String,
    pub(super) offset: u64,
}

pub(super) struct Listener {
    pub(super) hearing: Hearing,
    http: Client,
    out: File,
    pub(super) at: BTreeMap<String, Position>,
    commands: u64,
    /// The channel that each subscribe command was about.
    asked: BTreeMap<u64, String>,
    culprit: Option<Culprit>,
    /// Of what comes next.
    next_id: Option<String>,
    /// Of what came last: an EventSource brings it back.
    last_id: Option<String>,
}

/// Listens until it is ended from outside.
pub async fn listen(hearing: Hearing) -> anyhow::Result<()> {
    let mut listener = Listener {
        http: Client::builder().timeout(PATIENCE).build()?,
        out: File::create(&hearing.out)?,
        culprit: hearing.mischief.map(|(what, every)| {
            let secret = hearing.forbidden.first().cloned().unwrap_or_default();
            Culprit::new(what, every, secret)
        }),
        hearing,
        at: BTreeMap::new(),
        commands: 0,
        asked: BTreeMap::new(),
        next_id: None,
        last_id: None,
    };
    for attempt in 0.. {
        let node = listener.hearing.nodes[attempt % listener.hearing.nodes.len()].clone();
        // whatever ends a connection is answered by the next one; what it costs is in the lines
        let ended = match listener.hearing.transport {
            Transport::EventStream => listener.stream(&node).await,
            transport if transport.only_listens() => listener.attend(&node).await,
            _ => listener.follow(&node).await,
        };
        if let Err(ended) = ended {
            let why = format!("{ended:#}");
            listener.write(&Line::Lost { node, why })?;
        }
        tokio::time::sleep(PAUSE).await;
    }
    Ok(())
}

impl Listener {
    async fn follow(&mut self, node: &str) -> anyhow::Result<()> {
        self.commands += 1;
        let connect = json!({"id": self.commands, "connect": {"token": self.hearing.token}}).to_string();
        let Hearing { transport, nodes, .. } = &self.hearing;
        let mut wire = Wire::open(*transport, nodes, node, &connect, None).await?;
        // commands of an emulated transport go up only when its session is known
        let connected = self.commands;
        while !self.hear(&mut wire, PATIENCE * 2).await?.contains(&connected) {}
        for channel in self.hearing.channels.clone() {
            self.subscribe(&mut wire, node, &channel).await?;
        }
        loop {
            self.hear(&mut wire, SILENCE).await?;
        }
    }

    /// Says once who it is and what it wants, from where it stands, and listens.
    async fn attend(&mut self, node: &str) -> anyhow::Result<()> {
        let mut subs = BTreeMap::new();
        for channel in self.hearing.channels.clone() {
            if channel.starts_with("feed:") && !self.at.contains_key(&channel) {
                self.fetch(node, &channel).await?;
            }
            // where there is an id, it alone says where
            let place = self.at.get(&channel).filter(|_| self.last_id.is_none());
            let wish = place.map_or(
                json!({}),
                |at| json!({"recover": true, "epoch": at.epoch, "offset": at.offset}),
            );
            subs.insert(channel, wish);
        }
        let connect = json!({"token": self.hearing.token, "subs": subs}).to_string();
        let Hearing { transport, nodes, .. } = &self.hearing;
        let mut wire = Wire::open(*transport, nodes, node, &connect, self.last_id.as_deref()).await?;
        self.next_id = None;
        loop {
            self.hear(&mut wire, SILENCE).await?;
        }
    }

    /// Subscribes from where the channel was left; from a fetched state where it was never followed.
    async fn subscribe(&mut self, wire: &mut Wire, node: &str, channel: &str) -> anyhow::Result<()> {
        if channel.starts_with("feed:") && !self.at.contains_key(channel) {
            self.fetch(node, channel).await?;
        }
        self.commands += 1;
        let wish = match self.at.get(channel) {
            Some(at) => json!({"channel": channel, "recover": true, "epoch": at.epoch, "offset": at.offset}),
            // the state is read when the subscription stands, so that nothing falls between
            None => json!({"channel": channel}),
        };
        let command = json!({"id": self.commands, "subscribe": wish});
        wire.send(&command.to_string()).await?;
        let id = self.commands;
        self.asked.insert(id, channel.to_owned());
        // other channels go on meanwhile, so that silence alone would not tell that the command was lost on its way
        let answered = async {
            while !self.hear(wire, PATIENCE * 2).await?.contains(&id) {}
            anyhow::Ok(())
        };
        tokio::time::timeout(ANSWER, answered)
            .await
            .with_context(|| format!("the subscribe to {channel} was not answered"))?
    }

    /// Handles what comes next; answers the ids of the commands it replied to.
    async fn hear(&mut self, wire: &mut Wire, within: Duration) -> anyhow::Result<Vec<u64>> {
        let Came { mut lines, raw } = wire.next(within).await?;
        self.scan("", &raw)?;
        if let Some(culprit) = &mut self.culprit {
            lines = lines.iter().flat_map(|line| culprit.tamper(line)).collect();
        }
        let mut replied = Vec::new();
        for line in &lines {
            if let Some(id) = line.strip_prefix(ID) {
                self.next_id = Some(id.to_owned());
                continue;
            }
            let reply: Value = serde_json::from_str(line)?;
            self.scan(reply["push"]["channel"].as_str().unwrap_or_default(), line)?;
            if line == "{}" {
                if !self.hearing.transport.only_listens() {
                    wire.send("{}").await?;
                }
            } else if let Some(connected) = reply["push"].get("connect") {
                for (channel, subscribed) in connected["subs"].as_object().into_iter().flatten() {
                    self.subscribed(channel, subscribed)?;
                }
            } else if let Some(id) = reply["id"].as_u64() {
                replied.push(id);
                self.reply(&reply)?;
            } else if let Some(channel) = reply["push"]["channel"].as_str() {
                if reply["push"].get("unsubscribe").is_some() {
                    // insufficient state or lost rights: a new connection asks again, from the position reached
                    bail!("{line}");
                }
                self.publication(channel, &reply["push"]["pub"])?;
            } else {
                bail!("{line}");
            }
            if let Some(id) = self.next_id.take() {
                self.last_id = Some(id);
            }
        }
        Ok(replied)
    }

    fn reply(&mut self, reply: &Value) -> anyhow::Result<()> {
        if let Some(error) = reply.get("error") {
            bail!("refused: {error}");
        }
        let asked = reply["id"].as_u64().and_then(|id| self.asked.remove(&id));
        match (reply.get("subscribe"), asked) {
            (Some(subscribed), Some(channel)) => self.subscribed(&channel, subscribed),
            _ => Ok(()),
        }
    }

    /// A subscription stands: from where it was left, or from now on where it was never followed.
    fn subscribed(&mut self, channel: &str, subscribed: &Value) -> anyhow::Result<()> {
        if !self.at.contains_key(channel) {
            let offset = subscribed["offset"].as_u64().unwrap_or_default();
            return self.begin(channel, text(&subscribed["epoch"]), offset);
        }
        if subscribed["recovered"].as_bool() != Some(true) {
            self.at.remove(channel);
            // what a new EventSource begins with
            self.last_id = None;
            self.write(&Line::Refetched {
                channel: channel.to_owned(),
            })?;
            bail!("{channel} was not recovered");
        }
        for publication in subscribed["publications"].as_array().into_iter().flatten() {
            self.publication(channel, publication)?;
        }
        Ok(())
    }

    pub(super) fn publication(&mut self, channel: &str, publication: &Value) -> anyhow::Result<()> {
        let Some(offset) = publication["offset"].as_u64() else {
            return Ok(());
        };
        let data = &publication["data"];
        if !self.hearing.channels.iter().any(|one| one == channel) {
            let what = "a channel that nobody asked for".to_owned();
            let channel = channel.to_owned();
            return self.write(&Line::Leaked { channel, what });
        }
        if let Some(at) = self.at.get_mut(channel) {
            at.offset = offset;
        }
        self.write(&Line::Event {
            channel: channel.to_owned(),
            offset,
            kind: text(&data["type"]),
            id: text(&data["subject"]["id"]),
            version: data["subject"]["version"].as_i64().unwrap_or_default(),
        })
    }

    /// Fetches the state that `channel` is about, and follows the channel from where the state was read.
    pub(super) async fn fetch(&mut self, node: &str, channel: &str) -> anyhow::Result<()> {
        let resource = channel.trim_start_matches("feed:");
        let mut cursor: Option<String> = None;
        let mut position = None;
        loop {
            let mut request = self
                .http
                .get(format!("{node}/api/v1/{resource}"))
                .query(&[("limit", "500")])
                .bearer_auth(&self.hearing.token);
            if let Some(cursor) = &cursor {
                request = request.query(&[("cursor", cursor)]);
            }
            let page = request.send().await?.error_for_status()?.text().await?;
            self.scan(channel, &page)?;
            let page: Value = serde_json::from_str(&page)?;
            for item in page["items"].as_array().into_iter().flatten() {
                self.write(&Line::State {
                    channel: channel.to_owned(),
                    id: item["id"].as_str().unwrap_or_default().to_owned(),
                    version: item["version"].as_i64().unwrap_or(1),
                })?;
            }
            // of the first page: what changed while the others were read comes again as events
            position.get_or_insert((page["epoch"].clone(), page["offset"].clone()));
            cursor = page["next_cursor"].as_str().map(str::to_owned);
            if cursor.is_none() {
                break;
            }
        }
        let (epoch, offset) = position.context("no page")?;
        let (epoch, offset) = (
            epoch.as_str().context("no epoch")?.to_owned(),
            offset.as_u64().context("no offset")?,
        );
        self.follow_from(channel, epoch, offset)
    }

    /// An application's channel is subscribed to; its state is read now.
    fn begin(&mut self, channel: &str, epoch: String, offset: u64) -> anyhow::Result<()> {
        self.follow_from(channel, epoch, offset)?;
        let database = self.hearing.database.as_ref().context("no database")?;
        let mut newest: BTreeMap<String, i64> = BTreeMap::new();
        for row in super::lines::<Committed>(database)?
            .into_iter()
            .filter(|row| row.channel == channel)
        {
            let version = newest.entry(row.id).or_insert(row.version);
            *version = (*version).max(row.version);
        }
        newest.into_iter().try_for_each(|(id, version)| {
            self.write(&Line::State {
                channel: channel.to_owned(),
                id,
                version,
            })
        })
    }

    fn follow_from(&mut self, channel: &str, epoch: String, offset: u64) -> anyhow::Result<()> {
        self.write(&Line::From {
            channel: channel.to_owned(),
            epoch: epoch.clone(),
            offset,
        })?;
        self.at.insert(channel.to_owned(), Position { epoch, offset });
        Ok(())
    }

    /// Looks for what may not be there, byte by byte.
    pub(super) fn scan(&mut self, channel: &str, bytes: &str) -> anyhow::Result<()> {
        let forbidden = self.hearing.forbidden.iter();
        let found: Vec<String> = forbidden.filter(|text| bytes.contains(*text)).cloned().collect();
        found.into_iter().try_for_each(|what| {
            self.write(&Line::Leaked {
                channel: channel.to_owned(),
                what,
            })
        })
    }

    /// One line at once: who reads along sees whole lines.
    pub(super) fn write(&mut self, line: &Line) -> anyhow::Result<()> {
        let mut text = serde_json::to_string(line)?;
        text.push('\n');
        Ok(self.out.write_all(text.as_bytes())?)
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
