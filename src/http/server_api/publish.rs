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
use signalbox_core::live::position::Position;
use std::collections::BTreeMap;

/// Channels of one broadcast at most.
const CHANNELS: usize = 10_000;
/// Publications of one broadcast, and commands of a parallel batch, on their way at the same time.
pub(super) const AT_ONCE: usize = 64;

/// Bytes of the bodies of what is published together at most: it is one message between nodes.
const RUN_BYTES: usize = 256 * 1024;

/// What is published, wherever to.
#[derive(Deserialize)]
pub(super) struct What {
    #[serde(default)]
    channel: String,
    #[serde(default)]
    channels: Vec<String>,
    #[serde(default, deserialize_with = "present")]
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

/// A value that is there; null is one as well.
fn present<'de, D: serde::Deserializer<'de>>(value: D) -> Result<Option<Box<RawValue>>, D::Error> {
    Box::deserialize(value).map(Some)
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

/// How many of `bodies` say to publish plainly to one and the same channel, [`broker::RUN`] at most, and what.
pub(super) fn run<'a>(api: &ServerApi, bodies: impl Iterator<Item = &'a [u8]>) -> Vec<What> {
    let (mut run, mut bytes) = (Vec::<What>::new(), 0);
    for body in bodies.take(broker::RUN) {
        bytes += body.len();
        let Some(what) = plain(body).filter(|_| bytes <= RUN_BYTES) else {
            break;
        };
        let is_same = run.first().is_none_or(|first| first.channel == what.channel);
        if !is_same || api.options(&what.channel).is_err() {
            break;
        }
        run.push(what);
    }
    run
}

/// A publication of which nothing depends on those before it but its place.
fn plain(body: &[u8]) -> Option<What> {
    let what: What = decoded(body).ok()?;
    let plain = !what.skip_history && what.idempotency_key.is_empty() && what.version == 0;
    (plain && data(what.data.as_deref(), &what.b64data).is_ok()).then_some(what)
}

/// Publishes a [`run`] in one step.
pub(super) async fn together(api: &ServerApi, run: Vec<What>) -> Vec<Reply> {
    let count = run.len();
    all_of(api, run)
        .await
        .unwrap_or_else(|error| vec![Err(error); count])
}

async fn all_of(api: &ServerApi, run: Vec<What>) -> Result<Vec<Reply>, ApiError> {
    let channel = run
        .first()
        .map_or_else(String::new, |first| first.channel.clone());
    let options = api.options(&channel)?;
    let publications = run.iter().map(|what| {
        let data = data(what.data.as_deref(), &what.b64data)?;
        Ok(publication(api, what, data))
    });
    let publications = publications.collect::<Result<_, ApiError>>()?;
    let places = broker::publish_run(&api.store.bus, &channel, options, publications).await?;
    let replies = places.into_iter().map(|place| {
        let Position { offset, epoch } = place?;
        result(&Published { offset, epoch })
    });
    Ok(replies.collect())
}

fn publication(api: &ServerApi, what: &What, data: Bytes) -> Publication {
    Publication {
        data,
        tags: what.tags.clone().unwrap_or_default(),
        time_ms: (api.store.clock.now().unix_timestamp_nanos() / 1_000_000) as i64,
        delta: what.delta,
        ..Publication::default()
    }
}

async fn to(api: &ServerApi, what: &What, channel: &str, data: Bytes) -> Reply {
    let options = api.options(channel)?;
    let publication = publication(api, what, data);
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
