//! Listening as a plain EventSource does: `GET /api/v1/stream`, resumed with `Last-Event-ID`. For the hub's own feeds.

use super::Line;
use super::listen::{Listener, PATIENCE};
use anyhow::{Context, bail};
use futures::StreamExt;
use reqwest::Client;
use serde_json::{Value, json};
use std::time::Duration;

/// A comment comes every 15 s; without one the stream is given up.
const SILENCE: Duration = Duration::from_secs(20);

/// One event of a stream.
#[derive(Debug, Default, PartialEq, Eq)]
struct Event {
    name: String,
    data: String,
}

impl Listener {
    /// Follows until the stream ends.
    pub(super) async fn stream(&mut self, node: &str) -> anyhow::Result<()> {
        let channels = self.hearing.channels.clone();
        for channel in &channels {
            if !self.at.contains_key(channel) {
                self.fetch(node, channel).await?;
            }
        }
        let places: Vec<String> = self
            .at
            .iter()
            .map(|(channel, at)| format!("{channel}@{}:{}", at.epoch, at.offset))
            .collect();
        let query: Vec<(&str, &String)> = channels.iter().map(|channel| ("channel", channel)).collect();
        // without a limit of time for the whole answer, which never ends
        let request = Client::builder()
            .connect_timeout(PATIENCE)
            .build()?
            .get(format!("{node}/api/v1/stream"))
            .query(&query)
            .header("Last-Event-ID", places.join(","))
            .bearer_auth(&self.hearing.token);
        let answer = tokio::time::timeout(PATIENCE, request.send()).await??;
        let mut chunks = answer.error_for_status()?.bytes_stream();
        let mut waiting = Vec::new();
        loop {
            let chunk = tokio::time::timeout(SILENCE, chunks.next())
                .await
                .context("silence")?;
            waiting.extend_from_slice(&chunk.context("the stream has ended")??);
            while let Some(end) = waiting.windows(2).position(|two| two == b"\n\n") {
                let block = String::from_utf8(waiting.drain(..end + 2).collect())?;
                self.block(&block)?;
            }
        }
    }

    fn block(&mut self, block: &str) -> anyhow::Result<()> {
        let event = parse(block);
        if event.data.is_empty() {
            return self.scan("", block);
        }
        let data: Value = serde_json::from_str(&event.data)?;
        self.scan(data["channel"].as_str().unwrap_or_default(), block)?;
        match event.name.as_str() {
            "" => {
                let channel = data["channel"]
                    .as_str()
                    .context("an event of no channel")?
                    .to_owned();
                let publication = json!({"offset": data["offset"], "data": data});
                self.publication(&channel, &publication)
            }
            "reset" => {
                for channel in data["channels"].as_array().into_iter().flatten() {
                    let channel = channel.as_str().unwrap_or_default().to_owned();
                    self.at.remove(&channel);
                    self.write(&Line::Refetched { channel })?;
                }
                bail!("{}", event.data)
            }
            _ => bail!("{}: {}", event.name, event.data),
        }
    }
}

/// The fields of a block; comments and ids are left out.
fn parse(block: &str) -> Event {
    let mut event = Event::default();
    for line in block.lines() {
        if let Some(name) = line.strip_prefix("event: ") {
            name.clone_into(&mut event.name);
        } else if let Some(data) = line.strip_prefix("data: ") {
            event.data.push_str(data);
        }
    }
    event
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_has_a_name_and_data_and_a_comment_has_neither() {
        let event = |name: &str, data: &str| Event {
            name: name.into(),
            data: data.into(),
        };
        assert_eq!(
            parse("id: feed:users@e:4\ndata: {\"a\":1}\n\n"),
            event("", "{\"a\":1}")
        );
        assert_eq!(parse("event: reset\ndata: {}\n\n"), event("reset", "{}"));
        assert_eq!(parse(":\n\n"), event("", ""));
        assert_eq!(parse("retry: 1416\n\n"), event("", ""));
    }
}
