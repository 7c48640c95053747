//! `signalbox openapi`: the document of which `docs/openapi.json` is the committed copy.

use super::say;
use crate::http;

pub(super) fn run() -> anyhow::Result<()> {
    say(serde_json::to_string_pretty(&http::document())?);
    Ok(())
}
