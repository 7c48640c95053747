//! `batch`: several methods in one request.

use super::publish::AT_ONCE;
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
    let at_once = if batch.parallel { AT_ONCE } else { 1 };
    let all: Vec<_> = batch
        .commands
        .into_iter()
        .map(|command| one(api, command))
        .collect();
    let replies: Vec<Replied> = futures::stream::iter(all).buffered(at_once).collect().await;
    result(&BTreeMap::from([("replies", replies)]))
}

async fn one(api: &ServerApi, command: Option<Command>) -> Replied {
    let Some((method, body)) = command.and_then(|mut command| command.pop_first()) else {
        return Replied::Error {
            error: ApiError::bad("a command names its method"),
        };
    };
    match api.run(&method, body.get().as_bytes()).await {
        Some(Ok(result)) => Replied::Result(BTreeMap::from([(method, result)])),
        Some(Err(error)) => Replied::Error { error },
        None => Replied::Error {
            error: ApiError::no_method(),
        },
    }
}
