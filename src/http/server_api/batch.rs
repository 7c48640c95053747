//! `batch`: several methods in one request.

use super::publish::{self, AT_ONCE};
use super::reply::{ApiError, Reply};
use super::{ServerApi, decoded, result};
use futures::StreamExt;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// Commands of one request at most.
pub(super) const COMMANDS: usize = 1_000;

#[derive(Deserialize)]
struct Batch {
    #[serde(default)]
    commands: Vec<Option<Command>>,
    #[serde(default)]
    parallel: bool,
}

/// `{"<method>": <its body>}`.
type Command = BTreeMap<String, Box<RawValue>>;

/// `{"<method>": <its result>}`, or an error.
#[derive(Serialize)]
#[serde(untagged)]
enum Replied {
    Result(BTreeMap<String, Box<RawValue>>),
    Error { error: ApiError },
}

/// In order, or several at the same time where `parallel` says so; replies always in the order of the commands.
pub(super) async fn batch(api: &ServerApi, body: &[u8]) -> Reply {
    let batch: Batch = decoded(body)?;
    if batch.commands.len() > COMMANDS {
        return Err(ApiError::bad("commands must be 1000 at most"));
    }
    let commands: Vec<(String, Box<RawValue>)> = batch
        .commands
        .into_iter()
        .map(|command| command.and_then(|mut command| command.pop_first()))
        .map(|command| command.unwrap_or_else(|| (String::new(), RawValue::NULL.to_owned())))
        .collect();
    let commands: Vec<_> = commands
        .iter()
        .map(|(method, body)| (method.as_str(), body.get().as_bytes()))
        .collect();
    let replies = if batch.parallel {
        let all: Vec<_> = commands
            .iter()
            .map(|(method, body)| one(api, method, body))
            .collect();
        futures::stream::iter(all).buffered(AT_ONCE).collect().await
    } else {
        in_order(api, &commands).await
    };
    let replies = commands
        .iter()
        .zip(replies)
        .map(|((method, _), reply)| match reply {
            Ok(result) => Replied::Result(BTreeMap::from([((*method).to_owned(), result)])),
            Err(error) => Replied::Error { error },
        });
    let replies: Vec<_> = replies.collect();
    result(&BTreeMap::from([("replies", replies)]))
}

/// Runs methods with their bodies one after the other. What is plainly published to one channel in a row goes in one step.
pub(super) async fn in_order(api: &ServerApi, commands: &[(&str, &[u8])]) -> Vec<Reply> {
    let mut replies = Vec::with_capacity(commands.len());
    while let [(method, body), ..] = commands[replies.len()..] {
        let published = commands[replies.len()..]
            .iter()
            .map_while(|(method, body)| (*method == "publish").then_some(*body));
        let run = publish::run(api, published);
        if run.len() > 1 {
            replies.extend(publish::together(api, run).await);
        } else {
            replies.push(one(api, method, body).await);
        }
    }
    replies
}

async fn one(api: &ServerApi, method: &str, body: &[u8]) -> Reply {
    match api.run(method, body).await {
        Some(reply) => reply,
        None if method.is_empty() => Err(ApiError::bad("a command names its method")),
        None => Err(ApiError::no_method()),
    }
}
