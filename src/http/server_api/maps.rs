//! Maps: publishing and removing entries, and looking at what stands in them.

use super::look::{Shown, publications};
use super::publish::{Published, data, is_zero};
use super::reply::{ApiError, Reply};
use super::{ServerApi, decoded, done, result};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use signalbox_core::live::application::map::{self, After, Change, Changed, Condition, Extra};
use signalbox_core::live::application::{Options, Publication, broker};
use signalbox_core::live::position::Position;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Entries, and changes, of one answer at most and where a request does not say.
const MOST: usize = 1_000;
const PAGE: usize = 100;

/// Every field of every method; each takes its own.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Asked {
    channel: String,
    key: String,
    data: Option<Box<RawValue>>,
    b64data: String,
    tags: Option<BTreeMap<String, String>>,
    idempotency_key: String,
    delta: bool,
    version: u64,
    version_epoch: String,
    score: i64,
    key_mode: String,
    cursor: String,
    limit: i32,
    asc: bool,
    revision_offset: u64,
    revision_epoch: String,
    since_offset: u64,
    since_epoch: String,
    reverse: bool,
}

#[derive(Serialize)]
struct Done<'a> {
    #[serde(flatten)]
    at: Published,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    suppressed: bool,
    #[serde(skip_serializing_if = "str::is_empty")]
    suppress_reason: &'a str,
}

#[derive(Serialize)]
struct Entry<'a> {
    key: &'a str,
    #[serde(flatten)]
    shown: Shown<'a>,
    #[serde(skip_serializing_if = "is_zero")]
    score: i64,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    removed: bool,
}

#[derive(Serialize)]
struct Listing<'a> {
    entries: Vec<Entry<'a>>,
    offset: u64,
    epoch: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<&'a str>,
}

/// What is asked, of a channel that is a map.
fn asked<'a>(api: &'a ServerApi, body: &[u8]) -> Result<(Asked, &'a Arc<Options>), ApiError> {
    let asked: Asked = decoded(body)?;
    let options = api.options(&asked.channel)?;
    if !options.subscription_type.is_map() {
        return Err(ApiError::not_available("the channel is no map"));
    }
    Ok((asked, options))
}

pub(super) async fn publish(api: &ServerApi, body: &[u8]) -> Reply {
    let (asked, options) = asked(api, body)?;
    let condition = match asked.key_mode.as_str() {
        "" => Condition::Always,
        "if_new" => Condition::IfNew,
        "if_exists" => Condition::IfExists,
        _ => return Err(ApiError::bad("key_mode is if_new, if_exists or nothing")),
    };
    let publication = Publication {
        data: data(asked.data.as_deref(), &asked.b64data)?,
        tags: asked.tags.clone().unwrap_or_default(),
        delta: asked.delta,
        score: asked.score,
        ..Publication::default()
    };
    change(api, &asked, options, Change::Put(condition), publication).await
}

pub(super) async fn remove(api: &ServerApi, body: &[u8]) -> Reply {
    let (asked, options) = asked(api, body)?;
    change(api, &asked, options, Change::Remove, Publication::default()).await
}

async fn change(
    api: &ServerApi,
    asked: &Asked,
    options: &Options,
    change: Change,
    publication: Publication,
) -> Reply {
    let publication = Publication {
        key: Some(asked.key.clone()),
        time_ms: (api.store.clock.now().unix_timestamp_nanos() / 1_000_000) as i64,
        ..publication
    };
    let extra = Extra {
        idempotency_key: Some(asked.idempotency_key.clone()).filter(|key| !key.is_empty()),
        version: asked.version,
        version_epoch: asked.version_epoch.clone(),
    };
    let Changed { position, suppressed } = map::change(
        &api.store.bus,
        &asked.channel,
        options,
        change,
        publication,
        extra,
    )
    .await?;
    result(&Done {
        at: Published {
            offset: position.offset,
            epoch: position.epoch,
        },
        suppressed: !suppressed.is_empty(),
        suppress_reason: &suppressed,
    })
}

/// A page of what stands, or what stands under one key.
pub(super) async fn read_state(api: &ServerApi, body: &[u8]) -> Reply {
    let (asked, options) = asked(api, body)?;
    let (bus, channel) = (&api.store.bus, &asked.channel);
    let page = if asked.key.is_empty() {
        let after = After {
            place: &asked.cursor,
            ascending: asked.asc,
        };
        map::page(bus, channel, options, after, limit(asked.limit)).await?
    } else {
        map::value(bus, channel, options, &asked.key).await?
    };
    if !asked.revision_epoch.is_empty() && asked.revision_epoch != page.epoch {
        return Err(broker::BrokerError::Unrecoverable.into());
    }
    let publications: Vec<_> = page.publications().collect();
    result(&Listing {
        entries: publications.iter().map(Entry::of).collect(),
        offset: page.offset,
        epoch: &page.epoch,
        cursor: page.next.as_deref(),
    })
}

/// What has changed.
pub(super) async fn read_stream(api: &ServerApi, body: &[u8]) -> Reply {
    let (asked, options) = asked(api, body)?;
    let since = Position {
        offset: asked.since_offset,
        epoch: asked.since_epoch.clone(),
    };
    let given = since.offset > 0 || !since.epoch.is_empty();
    let since = (given || !asked.reverse).then_some(since);
    let limit = i32::try_from(limit(asked.limit)).unwrap_or(i32::MAX);
    let (bus, channel) = (&api.store.bus, &asked.channel);
    let read = broker::history(bus, channel, options, since, limit, asked.reverse).await?;
    let publications = publications(&read);
    result(&Listing {
        entries: publications.iter().map(Entry::of).collect(),
        offset: read.position.offset,
        epoch: &read.position.epoch,
        cursor: None,
    })
}

pub(super) async fn stats(api: &ServerApi, body: &[u8]) -> Reply {
    let (asked, _) = asked(api, body)?;
    let keys = map::stats(&api.store.bus, &asked.channel).await?;
    result(&BTreeMap::from([("num_keys", keys)]))
}

/// Not of the maps that the hub writes: who is there stays there.
pub(super) async fn clear(api: &ServerApi, body: &[u8]) -> Reply {
    let (asked, options) = asked(api, body)?;
    if options.subscription_type.is_presence() {
        return Err(ApiError::not_available("the hub alone writes this map"));
    }
    map::clear(&api.store.bus, &asked.channel, options).await?;
    done()
}

fn limit(asked: i32) -> usize {
    match usize::try_from(asked) {
        Ok(0) => PAGE,
        Ok(asked) => asked.min(MOST),
        Err(_) => MOST,
    }
}

impl<'a> Entry<'a> {
    fn of(placed: &'a (u64, Publication)) -> Self {
        let (_, publication) = placed;
        let mut shown = Shown::of(placed);
        if publication.removed {
            shown.data = None;
        }
        Self {
            key: publication.key.as_deref().unwrap_or_default(),
            shown,
            score: publication.score,
            removed: publication.removed,
        }
    }
}
