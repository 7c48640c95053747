//! What a channel keeps, and a publication by hand.

use super::channels::Whose;
use super::problem::Body;
use super::{Answer, Caller, Json, State};
use actix_web::{HttpResponse, get, post, web};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use signalbox_core::connections;
use signalbox_core::kernel::ctx::Credential;
use signalbox_core::kernel::error::{Error, Kind};
use signalbox_core::kernel::page;
use signalbox_core::live::application::{Message, Options, Publication, broker};
use signalbox_core::live::channel::Channel;
use signalbox_core::live::history::{self, Part};
use signalbox_core::live::published::Published;
use signalbox_core::live::scope::{self, Sight};
use std::collections::HashMap;

/// How much of the history.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Newest {
    /// Publications, 1 to 1000; 50 when absent.
    limit: Option<u32>,
}

/// The newest publications that a channel keeps.
#[derive(Serialize, utoipa::ToSchema)]
pub struct LiveHistory {
    /// Of the stream.
    epoch: String,
    /// Of its newest publication.
    offset: u64,
    /// Newest first: `{offset, data, user?, client?, tags?, time?}`, of the hub's own channels `{offset, data}` with the event
    /// as the viewer may see it. Data that is no JSON stands as base64 in `b64data`.
    #[schema(value_type = Vec<Object>)]
    items: Vec<Value>,
}

/// A channel's history
///
/// The hub's own channels only for whoever may follow them, and with what they may see.
#[utoipa::path(
    operation_id = "live.history", tag = "live", params(("channel" = String, Path, description = "Its name"), Newest),
    responses((status = 200, body = LiveHistory), (status = 403, body = Body), (status = 404, body = Body))
)]
#[get("/live/channels/{channel}/history")]
pub(super) async fn newest(
    state: web::Data<State>,
    caller: Caller,
    channel: web::Path<String>,
    asked: web::Query<Newest>,
) -> Answer<web::Json<LiveHistory>> {
    caller.require("live:read")?;
    let limit = page::limit(asked.limit)?;
    Ok(web::Json(match Whose::of(&state, &channel)? {
        Whose::Hub => of_hub(&state, &caller, &channel, limit).await?,
        Whose::Application(options) => of_application(&state, &channel, &options, limit).await?,
    }))
}

async fn of_hub(state: &State, caller: &Caller, channel: &str, limit: u32) -> Answer<LiveHistory> {
    let known = Channel::parse(channel).ok_or_else(|| Error::not_found("channel"))?;
    let admits = if matches!(caller.credential, Credential::ApiKey(_)) {
        known.admits_key(&caller.permissions)
    } else {
        let user = caller.actor.user();
        user.is_some_and(|user| known.admits(user, &caller.permissions, None))
    };
    if !admits {
        let opened_by = known
            .opened_by()
            .filter(|_| !matches!(known, Channel::Sessions(_)));
        return Err(opened_by
            .map_or_else(|| Error::not_found("channel"), Error::forbidden)
            .into());
    }
    let (store, organization) = (&state.store, caller.organization);
    let from_top = Part::Before(None);
    let read = history::read_part(&store.bus, organization, channel, from_top, limit as usize).await?;
    let (at, publications) = match read {
        Some(found) => (found.position, found.publications),
        None => (history::position(store, organization, channel).await?, Vec::new()),
    };
    let sight = Sight::of(&caller.permissions, channel);
    let read = publications.into_iter();
    let read = read.filter_map(|(offset, payload)| Some((offset, serde_json::from_slice(&payload).ok()?)));
    let read: Vec<(u64, Published)> = read.collect();
    let mut now = HashMap::new();
    if !sight.is_whole() {
        let people: Vec<_> = read
            .iter()
            .flat_map(|(_, published)| published.people())
            .collect();
        let mut tx = store.db.primary(organization).await?;
        now = scope::present(&mut tx, organization, &people).await?;
    }
    let seen = read.into_iter().filter_map(|(offset, published)| {
        if !published.is_in_sight_now(&sight, &now) {
            return None;
        }
        let seen = published.seen_by(&sight, channel, Some(offset))?;
        Some(json!({"offset": offset, "data": seen}))
    });
    Ok(LiveHistory {
        items: seen.collect(),
        epoch: sight.epoch_told(&at.epoch),
        offset: at.offset,
    })
}

async fn of_application(state: &State, channel: &str, options: &Options, limit: u32) -> Answer<LiveHistory> {
    let read = broker::history(
        &state.store.bus,
        channel,
        options,
        None,
        limit.cast_signed(),
        true,
    )
    .await;
    let read = read.map_err(|error| match error {
        broker::BrokerError::Bus(error) => error,
        other => Error::internal(other.to_string()),
    })?;
    let items = read.publications.iter().filter_map(|(offset, payload)| {
        let Some(Message::Publication(publication)) = Message::parse(payload) else {
            return None;
        };
        Some(shown(*offset, &publication))
    });
    Ok(LiveHistory {
        items: items.collect(),
        epoch: read.position.epoch,
        offset: read.position.offset,
    })
}

fn shown(offset: u64, publication: &Publication) -> Value {
    let mut item = if let Ok(data) = serde_json::from_slice::<Value>(&publication.data) {
        json!({"offset": offset, "data": data})
    } else {
        json!({"offset": offset, "b64data": STANDARD.encode(&publication.data)})
    };
    if let Some(info) = &publication.info {
        item["user"] = json!(info.user);
        item["client"] = json!(info.client);
    }
    if !publication.tags.is_empty() {
        item["tags"] = json!(publication.tags);
    }
    if publication.time_ms > 0 {
        item["time"] = json!(publication.time_ms);
    }
    item
}

/// What is published.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Publish {
    /// Any JSON.
    #[schema(value_type = Value)]
    data: Box<RawValue>,
}

/// Publish to a channel
///
/// To channels of the application only. Recorded in the audit log, without the data.
#[utoipa::path(
    operation_id = "live.publish", tag = "live", request_body = Publish,
    params(("channel" = String, Path, description = "Its name")),
    responses((status = 204), (status = 403, body = Body), (status = 404, body = Body), (status = 409, body = Body),
              (status = 422, body = Body), (status = 503, body = Body))
)]
#[post("/live/channels/{channel}/publish")]
pub(super) async fn publish(
    state: web::Data<State>,
    caller: Caller,
    channel: web::Path<String>,
    Json(publish): Json<Publish>,
) -> Answer<HttpResponse> {
    caller.require("live:publish")?;
    let Whose::Application(options) = Whose::of(&state, &channel)? else {
        let why = "The hub alone publishes to its own channels.";
        return Err(Error::new(Kind::Conflict, "live.not_an_application_channel", why).into());
    };
    let publication = Publication {
        data: Bytes::from(publish.data.get().to_owned()),
        time_ms: (state.store.clock.now().unix_timestamp_nanos() / 1_000_000) as i64,
        ..Publication::default()
    };
    connections::publish(&state.store, &caller, &channel, &options, publication).await?;
    Ok(HttpResponse::NoContent().finish())
}
