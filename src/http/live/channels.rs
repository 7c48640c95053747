//! Channels: which are followed, and one with what is configured for it.

use super::problem::Body;
use super::{Answer, Caller, State, seen_by};
use actix_web::{get, web};
use serde::{Deserialize, Serialize};
use signalbox_actors::live_hub::ChannelKey;
use signalbox_actors::nodes::Nodes;
use signalbox_actors::presence::Presence;
use signalbox_core::bus::questions::{ChannelRow, ChannelsWanted, Question};
use signalbox_core::kernel::error::Error;
use signalbox_core::kernel::id::OrganizationId;
use signalbox_core::kernel::page;
use signalbox_core::live::application::namespaces::{Name, RESERVED};
use signalbox_core::live::application::{APPLICATION, Options};
use signalbox_core::live::history;
use signalbox_core::live::position::Position;
use signalbox_core::live::scope::Sight;
use std::sync::Arc;

/// People shown of a channel's presence.
const PRESENT: usize = 100;

/// Which channels.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    /// Rows of a page, 1 to 1000; 50 when absent.
    limit: Option<u32>,
    /// `next_cursor` of the page before, with the same filter.
    cursor: Option<String>,
    /// Text in the name, whatever its case.
    q: Option<String>,
}

/// A channel that somebody follows.
#[derive(Serialize, utoipa::ToSchema)]
pub struct LiveChannel {
    /// Its name.
    channel: String,
    /// One of the operator's application, not of the hub.
    application: bool,
    /// Its followers on all nodes.
    subscribers: u64,
    /// Publications a second of late.
    rate: f64,
    /// Of its stream; null where it has none.
    epoch: Option<String>,
    /// Of the newest publication in its stream; null where it has none.
    offset: Option<u64>,
}

/// A page of channels.
#[derive(Serialize, utoipa::ToSchema)]
pub struct LiveChannels {
    /// By name.
    items: Vec<LiveChannel>,
    /// Absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
    /// Nodes that live and did not answer within a second: theirs are not counted.
    missing: Vec<String>,
}

/// Channels
///
/// Those that somebody follows on some node, of the organization and of the application.
#[utoipa::path(
    operation_id = "live.channels", tag = "live", params(Asked),
    responses((status = 200, body = LiveChannels), (status = 403, body = Body), (status = 422, body = Body))
)]
#[get("/live/channels")]
pub(super) async fn list(
    state: web::Data<State>,
    nodes: web::Data<Nodes>,
    caller: Caller,
    asked: web::Query<Asked>,
) -> Answer<web::Json<LiveChannels>> {
    caller.require("live:read")?;
    let limit = page::limit(asked.limit)?;
    let wanted = ChannelsWanted {
        organizations: seen_by(&caller),
        text: asked.q.clone().filter(|text| !text.is_empty()),
        after: asked.cursor.as_deref().map(page::decode_cursor).transpose()?,
        limit: limit + 1,
        ..ChannelsWanted::default()
    };
    let mut answers = nodes.ask(Question::Channels(wanted.clone())).await;
    let missing = std::mem::take(&mut answers.missing);
    let mut rows = answers.channels(&wanted).items;
    let next_cursor = page::cut(&mut rows, limit as usize, |row| {
        (row.channel.clone(), row.organization)
    })?;
    let names = rows.iter().map(|row| (row.organization, row.channel.as_str()));
    let positions = history::positions(&state.store.bus, names).await?;
    let items = rows.into_iter().zip(positions);
    Ok(web::Json(LiveChannels {
        items: items.map(|(row, at)| LiveChannel::of(row, at, &caller)).collect(),
        next_cursor,
        missing,
    }))
}

impl LiveChannel {
    fn of(row: ChannelRow, at: Option<Position>, caller: &Caller) -> Self {
        let application = row.organization == APPLICATION;
        let sight = Sight::of(&caller.permissions, &row.channel);
        let at = at.map(|at| if application { at } else { sight.position_told(at) });
        let (epoch, offset) = at.map(|at| (at.epoch, at.offset)).unzip();
        Self {
            application,
            channel: row.channel,
            subscribers: row.subscribers,
            rate: row.rate,
            epoch,
            offset,
        }
    }
}

/// A channel, and what is configured for it.
#[derive(Serialize, utoipa::ToSchema)]
pub struct OneLiveChannel {
    #[serde(flatten)]
    channel: LiveChannel,
    /// The options of its namespace, as `live.namespaces` has them; null for the hub's own channels.
    #[schema(value_type = Option<Object>)]
    options: Option<Options>,
    /// Who is there, the first hundred by connection; null where the channel keeps no presence.
    presence: Option<Vec<LivePresence>>,
}

/// Somebody who is present in a channel.
#[derive(Serialize, utoipa::ToSchema)]
pub struct LivePresence {
    /// The connection.
    client: String,
    /// Who; empty for nobody by name.
    user: String,
}

/// One of the hub's own channels, or one of the application's with its options.
pub(super) enum Whose {
    Hub,
    Application(Arc<Options>),
}

impl Whose {
    pub(super) fn of(state: &State, channel: &str) -> Answer<Self> {
        let unknown = || Error::not_found("channel");
        let name = Name::parse(channel).ok_or_else(unknown)?;
        if RESERVED.contains(&name.namespace) {
            return Ok(Self::Hub);
        }
        let namespaces = state.settings.live.namespaces();
        let options = namespaces.of_name(&name).ok_or_else(unknown)?;
        Ok(Self::Application(options.clone()))
    }

    fn organization(&self, caller: &Caller) -> OrganizationId {
        match self {
            Self::Hub => caller.organization,
            Self::Application(_) => APPLICATION,
        }
    }
}

/// A channel
#[utoipa::path(
    operation_id = "live.channel", tag = "live", params(("channel" = String, Path, description = "Its name")),
    responses((status = 200, body = OneLiveChannel), (status = 403, body = Body), (status = 404, body = Body))
)]
#[get("/live/channels/{channel}")]
pub(super) async fn get(
    state: web::Data<State>,
    nodes: web::Data<Nodes>,
    presence: web::Data<Presence>,
    caller: Caller,
    channel: web::Path<String>,
) -> Answer<web::Json<OneLiveChannel>> {
    caller.require("live:read")?;
    let channel = channel.into_inner();
    let whose = Whose::of(&state, &channel)?;
    let organization = whose.organization(&caller);
    let wanted = ChannelsWanted {
        organizations: vec![organization],
        name: Some(channel.clone()),
        limit: 1,
        ..ChannelsWanted::default()
    };
    let answers = nodes.ask(Question::Channels(wanted.clone())).await;
    let row = answers.channels(&wanted).items.pop();
    let at = history::positions(
        &state.store.bus,
        std::iter::once((organization, channel.as_str())),
    )
    .await?;
    let present = who_is_there(&presence, &whose, organization, &channel).await?;
    let row = row.unwrap_or(ChannelRow {
        channel,
        organization,
        subscribers: 0,
        rate: 0.0,
    });
    Ok(web::Json(OneLiveChannel {
        channel: LiveChannel::of(row, at.into_iter().flatten().next(), &caller),
        options: match whose {
            Whose::Hub => None,
            Whose::Application(options) => Some(options.as_ref().clone()),
        },
        presence: present,
    }))
}

/// The first of them by connection, where the channel keeps presence.
async fn who_is_there(
    presence: &Presence,
    whose: &Whose,
    organization: OrganizationId,
    channel: &str,
) -> Answer<Option<Vec<LivePresence>>> {
    let kept = match whose {
        Whose::Hub => channel.starts_with("page:"),
        Whose::Application(options) => options.presence,
    };
    if !kept {
        return Ok(None);
    }
    let key = ChannelKey {
        organization,
        name: channel.into(),
    };
    let all = presence.of(&key).await?.into_values().take(PRESENT);
    let all = all.map(|info| LivePresence {
        client: info.client,
        user: info.user,
    });
    Ok(Some(all.collect()))
}
