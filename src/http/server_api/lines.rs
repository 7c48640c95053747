//! `POST /api`: commands one after another, as older server libraries send them and as `pipeline` of newer ones does.

use super::ServerApi;
use super::batch::{COMMANDS, in_order};
use super::reply::{ApiError, Reply, Whole};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

#[derive(Deserialize)]
struct Command {
    #[serde(default)]
    id: u32,
    #[serde(default)]
    method: String,
    params: Option<Box<RawValue>>,
}

#[derive(Serialize)]
struct Line<'a> {
    #[serde(skip_serializing_if = "is_absent")]
    id: u32,
    #[serde(flatten)]
    whole: Whole<'a>,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the signature that serde asks for"
)]
fn is_absent(id: &u32) -> bool {
    *id == 0
}

/// `{"id", "method", "params"}` each, in order; a line each comes back, without one at the end.
///
/// # Errors
/// The body is not a row of commands, or has more than [`COMMANDS`].
pub(super) async fn lines(api: &ServerApi, body: &[u8]) -> Result<Vec<u8>, ApiError> {
    let commands = serde_json::Deserializer::from_slice(body).into_iter::<Command>();
    let commands: Vec<Command> = commands
        .take(COMMANDS + 1)
        .collect::<Result<_, _>>()
        .map_err(|error| ApiError::malformed(&error.to_string()))?;
    if commands.is_empty() || commands.len() > COMMANDS {
        return Err(ApiError::malformed("1 to 1000 commands are expected"));
    }
    let bodies: Vec<_> = commands
        .iter()
        .map(|command| {
            let params = command.params.as_ref().map_or("{}", |params| params.get());
            (command.method.as_str(), params.as_bytes())
        })
        .collect();
    let replies = in_order(api, &bodies).await;
    let lines = commands.iter().zip(&replies);
    let written: Vec<_> = lines.map(|(command, reply)| line(command.id, reply)).collect();
    Ok(written.join(&b'\n'))
}

fn line(id: u32, reply: &Reply) -> Vec<u8> {
    let whole = Whole::of(reply);
    serde_json::to_vec(&Line { id, whole }).unwrap_or_default()
}
