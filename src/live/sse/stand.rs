//! What an event stream asks of the rest of the hub: to judge its channels, and to register for one and read what was missed.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use futures::future::try_join_all;
use signalbox_actors::live_hub::{FollowError, Following, Outlet, Place, View, Wish, most_at_once};
use signalbox_core::live::application::ClientInfo;

use super::super::Live;
use super::super::client::{Refusal, SignInError};
use super::super::following::{Present, attend, presence_bytes};
use super::super::gate::{Act, Asked, Gatekeeper, Grant, Member, Viewer};
use super::super::protocol::{Disconnect, ReplyError, wire};
use super::super::wire::EventStream;

/// What is wanted of a channel, and by whom.
pub struct Wanted {
    pub slot: u32,
    /// The stream, as others see it.
    pub client: Box<str>,
    pub viewer: Viewer,
    pub outlet: Arc<Outlet>,
    pub grant: Grant,
    pub since: Option<Place>,
}

/// A channel that is followed and does not flow yet.
pub struct Stands {
    pub following: Following,
    /// Others see the stream while this is held.
    pub present: Option<Box<Present>>,
    /// Who is there, where that may be seen and who comes and goes is told.
    pub there: Option<BTreeMap<String, wire::ClientInfo>>,
}

/// Registers first and reads then, so that whoever comes meanwhile is told of.
pub async fn stand(live: &Live, wanted: Wanted) -> Result<Stands, FollowError> {
    let Wanted {
        slot,
        client,
        viewer,
        outlet,
        grant,
        since,
    } = wanted;
    let view = View::new(grant.sight.clone(), &EventStream);
    let wish = Wish {
        channel: grant.key.clone(),
        view: View {
            joins: grant.joins,
            ..view
        },
        since,
        keeps: grant.keeps,
    };
    let following = live.hub.follow(&outlet, slot, wish).await?;
    let present = attend(live, &viewer, &client, &grant).await?;
    let there = if grant.joins {
        there(live, &viewer, &grant).await?
    } else {
        None
    };
    Ok(Stands {
        following,
        present,
        there,
    })
}

/// Nothing where they are more than may be told at once: who comes and goes is told all the same.
async fn there(
    live: &Live,
    viewer: &Viewer,
    grant: &Grant,
) -> Result<Option<BTreeMap<String, wire::ClientInfo>>, FollowError> {
    let leave = live
        .gate
        .may(viewer, &grant.key.name, Act::SeePresence, true)
        .await;
    let Ok(leave) = leave else { return Ok(None) };
    let all: BTreeMap<String, ClientInfo> = live.presence.of(&leave.key).await?;
    let fits = presence_bytes(&all) <= most_at_once(live.limits.queue_bytes);
    let told = all.iter().map(|(client, info)| (client.clone(), info.into()));
    Ok(fits.then(|| told.collect()))
}

/// Who the viewer is by now, and what they may see of each channel; or why the stream ends.
pub type Judged = Result<(Member, Vec<(Rc<str>, Grant)>), Disconnect>;

/// Judges all channels side by side: one that is refused does not wait for another that is slow to be judged.
pub async fn judge_all(gate: Arc<dyn Gatekeeper>, before: Member, names: Vec<(Rc<str>, Asked)>) -> Judged {
    let member = gate.look_again(&before).await.map_err(|why| match why {
        SignInError::AccessEnded => Disconnect::AccessEnded,
        SignInError::Address => Disconnect::AddressRefused,
        SignInError::Unavailable => Disconnect::ForceReconnect,
        _ => Disconnect::SignedOut,
    })?;
    let viewer = Viewer::Member(member.clone());
    let all = names
        .into_iter()
        .map(async |(name, asked)| match gate.judge(&viewer, asked).await {
            Ok(grant) => Ok((name, grant)),
            // nobody can say just now
            Err(Refusal::Reply(ReplyError::Internal)) => Err(Disconnect::ForceReconnect),
            Err(_) => Err(Disconnect::PermissionDenied),
        });
    let grants = try_join_all(all).await?;
    Ok((member, grants))
}
