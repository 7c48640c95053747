//! One subscription of one connection: from the wish to its end.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use signalbox_actors::live_hub::{Membership, Outlet, Place, View, Wish};
use signalbox_actors::presence::Attendance;
use signalbox_actors::shared_poll::Tracker;
use signalbox_core::kernel::error::Error;
use signalbox_core::live::application::{ClientInfo, Options};
use signalbox_core::live::scope::Sight;

use super::Live;
use super::client::{Followed, MapPart, POLL, Refusal, is_map};
use super::gate::{Asked, Grant, Viewer};
use super::protocol::ReplyError;
use super::wire::Dialect;

/// What is wanted of a channel, and by whom.
pub struct Wanted {
    /// The subscription's number within the connection.
    pub slot: u32,
    /// Who wants it.
    pub viewer: Viewer,
    /// How it is written.
    pub dialect: Dialect,
    /// Where to.
    pub outlet: Arc<Outlet>,
    /// What.
    pub asked: Asked,
}

/// A subscription that stands. Dropped, it ends: nothing of it is written any more, and others no longer see it.
pub struct Subscription {
    /// Its number within the connection.
    pub slot: u32,
    /// What may be seen.
    pub sight: Sight,
    /// Keys that are polled for it.
    pub tracker: Option<Arc<Tracker>>,
    /// What others are told beside this client here.
    info: Option<Bytes>,
    place: Place,
    membership: Membership,
    // boxed: most channels know nobody's presence
    presence: Option<Box<Present>>,
}

/// Others see a client in a channel while this is held.
pub struct Present {
    info: ClientInfo,
    announced: bool,
    /// In the channel itself, and then in the maps that show who is in it.
    attendances: Vec<Attendance>,
}

impl Present {
    /// What others see beside a user of the application has become `info`.
    pub fn show(&mut self, info: Option<&Bytes>) {
        if self.info.conn_info.as_ref() != info {
            self.info.conn_info = info.cloned();
            for attendance in &self.attendances {
                attendance.show(&self.info);
            }
        }
    }

    /// Tells the others that somebody came, where that is told.
    pub fn announce(&self) {
        if let Some(attendance) = self.attendances.first().filter(|_| self.announced) {
            attendance.announce();
        }
    }
}

impl Subscription {
    /// The channel's name on the wire.
    pub fn channel(&self) -> &Arc<str> {
        &self.membership.channel().name
    }

    /// The generation of its stream, as its viewer is told it; empty where nothing is kept.
    pub fn epoch(&self) -> String {
        self.sight.epoch_told(&self.place.epoch)
    }

    /// What others are told of this client here, beside who it is.
    pub fn told(&self) -> Option<&Bytes> {
        self.info.as_ref()
    }

    /// As others in the channel see it, where they do.
    pub fn info(&self) -> Option<&ClientInfo> {
        self.presence.as_ref().map(|present| &present.info)
    }

    /// What others see beside a user of the application has become `info`.
    pub fn show(&mut self, info: Option<&Bytes>) {
        if let Some(present) = &mut self.presence {
            present.show(info);
        }
    }

    /// Lets publications flow, and tells the others that somebody came.
    pub fn release(&mut self, has_base: bool) {
        self.membership.release(self.place.clone(), has_base);
        if let Some(present) = &self.presence {
            present.announce();
        }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        // a question that is being answered may still hold it
        if let Some(tracker) = &self.tracker {
            tracker.close();
        }
    }
}

/// Judges a wish, registers for the channel and reads what was missed.
pub async fn follow(live: &Live, wanted: Wanted) -> Result<(Followed, Subscription), Refusal> {
    let request = &wanted.asked.wish;
    let polls = request.kind == POLL;
    // a map is read before it is followed, and keys are asked for, which only a client can do
    if request.kind != 0 && !(polls && wanted.asked.by_server.is_none() && wanted.dialect != Dialect::Pushes)
    {
        return Err(ReplyError::PermissionDenied.into());
    }
    let grant = live.gate.judge(&wanted.viewer, wanted.asked.clone()).await?;
    let since = (request.recover && grant.recoverable).then(|| Place {
        epoch: grant.sight.epoch_meant(&request.epoch).into(),
        offset: request.offset,
    });
    let (mut followed, mut subscription) = stand(live, &wanted, &grant, since).await?;
    if polls {
        let (name, view) = (&grant.key.name, view(&wanted, &grant));
        let tracker = live.polls.tracker(name, &wanted.outlet, wanted.slot, view);
        subscription.tracker = Some(Arc::new(tracker));
        followed.epoch = live.polls.epoch(name).to_string();
        let part = MapPart {
            kind: POLL,
            ..MapPart::default()
        };
        followed.map = Some(Box::new(part));
    }
    Ok((followed, subscription))
}

/// How what was granted is seen.
pub fn view(wanted: &Wanted, grant: &Grant) -> View {
    View {
        sight: grant.sight.clone(),
        encoding: wanted.dialect.encoding(),
        delta: grant.delta,
        joins: grant.joins,
        filter: grant.filter.clone(),
    }
}

/// Registers for the channel as was granted, and reads what was missed since a place. A map must be resumed there.
pub async fn stand(
    live: &Live,
    wanted: &Wanted,
    grant: &Grant,
    since: Option<Place>,
) -> Result<(Followed, Subscription), Refusal> {
    let wish = Wish {
        channel: grant.key.clone(),
        view: view(wanted, grant),
        since,
        keeps: grant.keeps,
    };
    let following = live
        .hub
        .follow(&wanted.outlet, wanted.slot, wish)
        .await
        .map_err(|error| interrupted(grant, &error))?;
    if is_map(&wanted.asked.wish) && !following.recovered {
        return Err(ReplyError::Unrecoverable.into());
    }
    let presence = attend(live, &wanted.viewer, &wanted.asked.client, grant)
        .await
        .map_err(|error| interrupted(grant, &error))?;
    let followed = Followed {
        epoch: grant.sight.epoch_told(&following.place.epoch),
        offset: following.place.offset,
        recoverable: grant.recoverable,
        positioned: grant.positioned,
        delta: grant.delta,
        recovered: following.recovered,
        missed: following.missed.iter().map(Into::into).collect(),
        data: grant.data.clone().unwrap_or_default(),
        lasts: grant.lasts,
        map: None,
    };
    let subscription = Subscription {
        slot: wanted.slot,
        sight: grant.sight.clone(),
        tracker: None,
        info: grant.info.clone(),
        place: following.place,
        membership: following.membership,
        presence,
    };
    Ok((followed, subscription))
}

/// Enters the viewer wherever it is seen, before the reply, so that whoever asks at once finds themselves.
///
/// # Errors
/// Redis does not answer, or too many wait.
pub async fn attend(
    live: &Live,
    viewer: &Viewer,
    client: &str,
    grant: &Grant,
) -> Result<Option<Box<Present>>, Error> {
    let leaves_its_key = |options: &Options| options.map.remove_client_on_unsubscribe;
    let leaves_its_key = viewer.member().is_none() && grant.map.as_deref().is_some_and(leaves_its_key);
    let here = grant.present || grant.announced || leaves_its_key;
    if !here && grant.shown_in.is_empty() {
        return Ok(None);
    }
    let info = viewer.info(client, grant.info.clone());
    let mut attendances = Vec::with_capacity(1);
    let channel = here.then_some((&grant.key, grant.present));
    let maps = grant.shown_in.iter().map(|map| (map, true));
    for (key, listed) in channel.into_iter().chain(maps) {
        attendances.push(live.presence.enter(key, info.clone(), listed).await?);
    }
    Ok(Some(Box::new(Present {
        info,
        announced: grant.announced,
        attendances,
    })))
}

/// What one client takes in an answer about presence beside its own texts: names of fields, and its id once more.
const ENTRY: usize = 96;

/// Bytes that an answer takes which says that these are there.
pub fn presence_bytes(all: &BTreeMap<String, ClientInfo>) -> usize {
    all.values().map(|info| info.bytes() + ENTRY).sum()
}

fn interrupted(grant: &Grant, error: &dyn std::fmt::Display) -> ReplyError {
    tracing::debug!(channel = %grant.key.name, %error, "a channel could not be followed");
    ReplyError::Internal
}
