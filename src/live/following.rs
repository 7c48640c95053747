//! One subscription of one connection: from the wish to its end.

use std::sync::Arc;

use signalbox_actors::live_hub::{Membership, Outlet, Place, View, Wish};
use signalbox_actors::presence::Attendance;
use signalbox_core::live::application::ClientInfo;
use signalbox_core::live::view::ViewClass;

use super::Live;
use super::client::{Followed, Refusal};
use super::gate::{Asked, Viewer};
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
    pub class: ViewClass,
    place: Place,
    membership: Membership,
    // boxed: most channels know nobody's presence
    presence: Option<Box<Present>>,
}

struct Present {
    info: ClientInfo,
    announced: bool,
    attendance: Attendance,
}

impl Subscription {
    /// The channel's name on the wire.
    pub fn channel(&self) -> &Arc<str> {
        &self.membership.channel().name
    }

    /// The generation of its stream, as its viewer is told it; empty where nothing is kept.
    pub fn epoch(&self) -> String {
        self.class.epoch_told(&self.place.epoch)
    }

    /// As others in the channel see it, where they do.
    pub fn info(&self) -> Option<&ClientInfo> {
        self.presence.as_ref().map(|present| &present.info)
    }

    /// Lets publications flow, and tells the others that somebody came.
    pub fn release(&mut self, has_base: bool) {
        self.membership.release(self.place.clone(), has_base);
        if let Some(present) = &mut self.presence
            && present.announced
        {
            present.attendance.announce();
        }
    }
}

/// Judges a wish, registers for the channel and reads what was missed.
pub async fn follow(live: &Live, wanted: Wanted) -> Result<(Followed, Subscription), Refusal> {
    let Wanted {
        slot,
        viewer,
        dialect,
        outlet,
        asked,
    } = wanted;
    let (client, request) = (asked.client.clone(), asked.wish.clone());
    let grant = live.gate.judge(&viewer, asked).await?;
    let view = View {
        class: grant.class,
        encoding: dialect.encoding(),
        delta: grant.delta,
        joins: grant.joins,
        filter: grant.filter,
    };
    let since = (request.recover && grant.recoverable).then(|| Place {
        epoch: grant.class.epoch_meant(&request.epoch).into(),
        offset: request.offset,
    });
    let wish = Wish {
        channel: grant.key.clone(),
        view,
        since,
        keeps: grant.keeps,
    };
    let interrupted = |error: &dyn std::fmt::Display| {
        tracing::debug!(channel = %grant.key.name, %error, "a channel could not be followed");
        ReplyError::Internal
    };
    let following = live
        .hub
        .follow(&outlet, slot, wish)
        .await
        .map_err(|error| interrupted(&error))?;
    let presence = if grant.present || grant.announced {
        let info = viewer.info(&client, grant.info);
        // written before the reply, so that whoever asks at once finds themselves
        let attendance = live
            .presence
            .enter(&grant.key, info.clone(), grant.present)
            .await
            .map_err(|error| interrupted(&error))?;
        let announced = grant.announced;
        Some(Box::new(Present {
            info,
            announced,
            attendance,
        }))
    } else {
        None
    };
    let followed = Followed {
        epoch: grant.class.epoch_told(&following.place.epoch),
        offset: following.place.offset,
        recoverable: grant.recoverable,
        positioned: grant.positioned,
        delta: grant.delta,
        recovered: following.recovered,
        missed: following.missed.iter().map(Into::into).collect(),
        data: grant.data.unwrap_or_default(),
        lasts: grant.lasts,
    };
    let subscription = Subscription {
        slot,
        class: grant.class,
        place: following.place,
        membership: following.membership,
        presence,
    };
    Ok((followed, subscription))
}
