//! `publish` to one channel, `broadcast` to many.

use super::reply::{ApiError, Reply, Whole};
use super::{ServerApi, decoded, result};
use base64::prelude::{BASE64_STANDARD, Engine};
use bytes::Bytes;
use futures::StreamExt;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use signalbox_core::live::application::Publication;
use signalbox_core::live::application::broker::{self, Extra};
use std::collections::BTreeMap;

/// Channels of one broadcast at most.
const CHANNELS: usize = 10_000;
/// Publications of one broadcast, and commands of a parallel batch, on their way at the same time.
pub(super) const AT_ONCE: usize = 64;

/// What is published, wherever to.
#[derive(Deserialize)]
struct What {
    #[serde(default)]
    channel: String,
    #[serde(default)]
    channels: Vec<String>,
    data: Option<Box<RawValue>>,
    #[serde(default)]
    b64data: String,
    #[serde(default)]
    skip_history: bool,
    #[serde(default)]
    tags: Option<BTreeMap<String, String>>,
    #[serde(default)]
    idempotency_key: String,
    #[serde(default)]
    delta: bool,
    #[serde(default)]
    version: u64,
    #[serde(default)]
    version_epoch: String,
}

/// Where it stands; nothing where it is not kept.
#[derive(Serialize)]
pub(super) struct Published {
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) offset: u64,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) epoch: String,
}

pub(super) fn is_zero<N: Default + PartialEq>(number: &N) -> bool {
    *number == N::default()
}

pub(super) async fn publish(api: &ServerApi, body: &[u8]) -> Reply {
    let what: What = decoded(body)?;
    let data = data(what.data.as_deref(), &what.b64data)?;
    to(api, &what, &what.channel, data).await
}

pub(super) async fn broadcast(api: &ServerApi, body: &[u8]) -> Reply {
    let what: What = decoded(body)?;
    if what.channels.is_empty() || what.channels.len() > CHANNELS {
        return Err(ApiError::bad("channels must name 1 to 10000"));
    }
    let data = data(what.data.as_deref(), &what.b64data)?;
    // owned by each: the compiler cannot see that borrowing them would do
    let all = what
        .channels
        .iter()
        .map(|channel| to(api, &what, channel, data.clone()));
    let all: Vec<_> = all.collect();
    let replies: Vec<Reply> = futures::stream::iter(all).buffered(AT_ONCE).collect().await;
    let responses: Vec<_> = replies.iter().map(Whole::of).collect();
    result(&BTreeMap::from([("responses", responses)]))
}

async fn to(api: &ServerApi, what: &What, channel: &str, data: Bytes) -> Reply {
    let options = api.options(channel)?;
    let publication = Publication {
        data,
        tags: what.tags.clone().unwrap_or_default(),
        time_ms: (api.store.clock.now().unix_timestamp_nanos() / 1_000_000) as i64,
        delta: what.delta,
        ..Publication::default()
    };
    let extra = Extra {
        idempotency_key: Some(what.idempotency_key.clone()).filter(|key| !key.is_empty()),
        skip_history: what.skip_history,
        version: what.version,
        version_epoch: what.version_epoch.clone(),
    };
    let at = broker::publish(&api.store.bus, channel, options, publication, extra).await?;
    result(&Published {
        offset: at.offset,
        epoch: at.epoch,
    })
}

/// What is published, as JSON or base64.
pub(super) fn data(json: Option<&RawValue>, base64: &str) -> Result<Bytes, ApiError> {
    if !base64.is_empty() {
        let decoded = BASE64_STANDARD.decode(base64);
        return decoded
            .map(Bytes::from)
            .map_err(|_| ApiError::bad("b64data is not base64"));
    }
    let json = json.map(|json| Bytes::copy_from_slice(json.get().as_bytes()));
    Ok(json.unwrap_or_default())
}
