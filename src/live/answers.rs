//! Questions about a channel, and what is said into it, answered.

use std::sync::Arc;

use signalbox_actors::live_hub::{Past, Place, View, most_at_once};
use signalbox_actors::shared_poll::Tracker;
use signalbox_core::live::application::broker::{self, BrokerError, Extra};
use signalbox_core::live::application::map::{self, Change, Condition};
use signalbox_core::live::application::{ClientInfo, ClientKey, Options, Publication};

use super::Live;
use super::client::{Answer, Refusal};
use super::following::presence_bytes;
use super::gate::{Act, Leave, Viewer};
use super::protocol::wire::{HistoryResult, PresenceStatsResult};
use super::protocol::{Ask, HistoryRequest, PublishRequest, ReplyError};
use super::tracking::track;
use super::wire::Dialect;

/// The kind of a publication that goes to a map.
const MAP: i32 = 1;

/// Finds the answer. `following`: the connection holds a subscription to the channel; `info` is how others see it there, `tracker`
/// what has keys polled for it.
pub async fn answer(
    live: &Live,
    viewer: &Viewer,
    info: ClientInfo,
    ask: &Ask,
    following: bool,
    dialect: Dialect,
    tracker: Option<Arc<Tracker>>,
) -> Result<Answer, Refusal> {
    let may = |act| live.gate.may(viewer, ask.channel(), act, following);
    match ask {
        Ask::Publish(request) => {
            let act = match (request.kind == MAP, request.removed) {
                (false, _) => Act::Publish,
                (true, false) => Act::Put,
                (true, true) => Act::Remove,
            };
            let leave = may(act).await?;
            let options = leave.options.as_ref().ok_or(ReplyError::PermissionDenied)?;
            if request.kind == MAP {
                change(live, &leave.key.name, options, request, info).await?;
            } else {
                publish(live, &leave.key.name, options, request, info).await?;
            }
            Ok(Answer::Published)
        }
        Ask::Presence(_) => {
            let leave = may(Act::SeePresence).await?;
            let all = live.presence.of(&leave.key).await.map_err(interrupted)?;
            if presence_bytes(&all) > most_at_once(live.limits.queue_bytes) {
                return Err(ReplyError::LimitExceeded.into());
            }
            let all = all.iter().map(|(client, info)| (client.clone(), info.into()));
            Ok(Answer::Presence(all.collect()))
        }
        Ask::PresenceStats(_) => {
            let leave = may(Act::SeePresence).await?;
            let (clients, users) = live.presence.stats(&leave.key).await.map_err(interrupted)?;
            let stats = PresenceStatsResult {
                num_clients: clients as u32,
                num_users: users as u32,
            };
            Ok(Answer::PresenceStats(stats))
        }
        Ask::History(request) => {
            let leave = may(Act::ReadHistory).await?;
            history(live, &leave, request, dialect).await
        }
        Ask::Refresh(request) if request.kind != 0 => {
            may(Act::Track).await?;
            let tracker = tracker.ok_or(ReplyError::PermissionDenied)?;
            track(live, &viewer.user(), &tracker, request)
        }
        Ask::Refresh(request) => {
            let renewed = live.gate.renew(viewer, &info.client, request.clone()).await?;
            Ok(Answer::Renewed(renewed))
        }
    }
}

async fn publish(
    live: &Live,
    channel: &str,
    options: &Options,
    request: &PublishRequest,
    info: ClientInfo,
) -> Result<(), Refusal> {
    if request.kind != 0 {
        return Err(ReplyError::NotAvailable.into());
    }
    let (bus, publication) = (&live.store.bus, said(live, request, info));
    let published = broker::publish(bus, channel, options, publication, Extra::default()).await;
    published.map(|_| ()).map_err(refused)
}

/// Publishes or removes an entry of a map.
async fn change(
    live: &Live,
    channel: &str,
    options: &Options,
    request: &PublishRequest,
    info: ClientInfo,
) -> Result<(), Refusal> {
    let key = options.map.key(&request.key, &info.client, &info.user);
    let key = key.ok_or(match options.map.client_key {
        ClientKey::Any => ReplyError::BadRequest,
        ClientKey::ClientId | ClientKey::UserId => ReplyError::PermissionDenied,
    })?;
    let publication = Publication {
        key: Some(key),
        ..said(live, request, info)
    };
    let change = if request.removed {
        Change::Remove
    } else {
        Change::Put(Condition::Always)
    };
    let (bus, extra) = (&live.store.bus, map::Extra::default());
    let changed = map::change(bus, channel, options, change, publication, extra).await;
    changed.map(|_| ()).map_err(refused)
}

fn said(live: &Live, request: &PublishRequest, info: ClientInfo) -> Publication {
    Publication {
        data: request.data.clone(),
        info: Some(info),
        time_ms: super::milliseconds(&live.clock),
        ..Publication::default()
    }
}

fn refused(error: BrokerError) -> Refusal {
    match error {
        BrokerError::Format | BrokerError::Key => ReplyError::BadRequest.into(),
        BrokerError::Kind => ReplyError::NotAvailable.into(),
        BrokerError::Full => ReplyError::LimitExceeded.into(),
        BrokerError::Unrecoverable => ReplyError::Unrecoverable.into(),
        BrokerError::Bus(error) => interrupted(error),
    }
}

async fn history(
    live: &Live,
    leave: &Leave,
    request: &HistoryRequest,
    dialect: Dialect,
) -> Result<Answer, Refusal> {
    let view = View::new(leave.sight.clone(), dialect.encoding());
    let most = live.limits.history;
    let limit = usize::try_from(request.limit).map_or(most, |limit| limit.min(most));
    let since = request.since.as_ref().map(|since| Place {
        epoch: leave.sight.epoch_meant(&since.epoch).into(),
        offset: since.offset,
    });
    let past = Past {
        since,
        limit,
        bytes: most_at_once(live.limits.queue_bytes),
        reverse: request.reverse,
    };
    let read = live
        .hub
        .history(&leave.key, &view, past)
        .await
        .map_err(interrupted)?;
    let (place, items) = read.ok_or(ReplyError::Unrecoverable)?;
    Ok(Answer::History(HistoryResult {
        publications: items.iter().map(Into::into).collect(),
        epoch: leave.sight.epoch_told(&place.epoch),
        offset: place.offset,
    }))
}

fn interrupted(error: impl std::fmt::Display) -> Refusal {
    tracing::debug!(%error, "a question about a channel could not be answered");
    ReplyError::Internal.into()
}
