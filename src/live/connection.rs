//! One WebSocket connection: carries out what the state machine wants, and tells it what happened.
//!
//! Invariant: nothing is asked of the rest of the hub on behalf of a viewer whose rights have changed since; an answer
//! given for older rights is thrown away.

use std::collections::HashMap;
use std::future::poll_fn;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt;
use futures::future::LocalBoxFuture;
use futures::stream::FuturesUnordered;
use signalbox_actors::live_hub::{
    ChannelKey, Connected, LiveHub, Membership, Outlet, Place, Signal, Transport, View, Wish,
};
use signalbox_core::live::view::ViewClass;
use tokio::sync::oneshot;
use tokio::time::{sleep_until, timeout};

use super::client::{Client, Effect, Followed, SignInError, SignedIn, Timing};
use super::gate::{Admission, Credentials, Gatekeeper, Viewer};
use super::plug::Plug;
use super::protocol::{Disconnect, ReplyError, SubscribeRequest};
use super::socket::{Incoming, Reader};
use super::wire::{JsonOverWebSocket, pong_frame, text_frame};

/// Bytes that may wait for one connection: a slow reader then has missed too much to catch up.
const QUEUE_BYTES: usize = 1024 * 1024;

/// How long a peer may take to answer a close, or to read what was written before it.
const CLOSING: Duration = Duration::from_secs(5);

/// What live transports need of the rest of the hub.
#[derive(Clone)]
pub struct Live {
    /// Delivery on this node.
    pub hub: LiveHub,
    /// Who may see what.
    pub gate: Arc<dyn Gatekeeper>,
    /// The protocol's times.
    pub timing: Timing,
    /// Bytes that may wait for one connection.
    pub queue_bytes: usize,
}

impl Live {
    /// With the protocol's own times and bounds.
    pub fn new(hub: LiveHub, gate: Arc<dyn Gatekeeper>) -> Self {
        Self {
            hub,
            gate,
            timing: Timing::default(),
            queue_bytes: QUEUE_BYTES,
        }
    }
}

/// What one connection owns besides its socket.
pub struct Connection {
    live: Live,
    client: Client,
    outlet: Arc<Outlet>,
    cookie: Option<String>,
    admission: Option<Admission>,
    subscriptions: HashMap<u32, Subscription>,
    /// Counts how often rights have changed.
    rights: u64,
    pending: FuturesUnordered<LocalBoxFuture<'static, Done>>,
    _counted: Connected,
}

struct Subscription {
    channel: String,
    class: ViewClass,
    place: Place,
    membership: Membership,
}

/// The viewer as of now, and what that means for each subscription: its class, or nothing any more.
type Judged = Result<(Viewer, Vec<(u32, Option<ViewClass>)>), SignInError>;

/// What was asked of the hub has been answered.
enum Done {
    Admitted(Result<Admission, SignInError>),
    Refreshed(u32, Result<Admission, SignInError>),
    Followed(u32, u64, Result<(Followed, Subscription), ReplyError>),
    LookedAgain(u64, Judged),
}

impl Connection {
    /// A connection whose socket has just been opened. `cookie` is the session cookie of the upgrade request, if it came
    /// from our own pages.
    pub fn new(live: Live, outlet: Arc<Outlet>, cookie: Option<String>, id: String) -> Self {
        let client = Client::new(id, live.timing, Instant::now());
        let counted = live.hub.connected(&outlet, Transport::WebSocket);
        Self {
            live,
            client,
            outlet,
            cookie,
            admission: None,
            subscriptions: HashMap::new(),
            rights: 0,
            pending: FuturesUnordered::new(),
            _counted: counted,
        }
    }

    /// Serves the connection until it ends. `done` lets the writing half end.
    pub async fn run(mut self, mut reader: Reader, plug: Plug, done: oneshot::Sender<()>) {
        let peer_is_there = self.serve(&mut reader).await;
        // the subscriptions and the session go first: they need nobody who reads
        self.subscriptions.clear();
        self.pending.clear();
        self.admission = None;
        if peer_is_there {
            // a peer that does not even read the close is not waited for any longer
            let _ = timeout(CLOSING, reader.drain()).await;
        }
        drop(done);
        plug.pull();
    }

    /// False when the peer is gone.
    async fn serve(&mut self, reader: &mut Reader) -> bool {
        let timer = sleep_until(Instant::now().into());
        tokio::pin!(timer);
        loop {
            self.carry_out();
            let Some(deadline) = self.client.deadline() else {
                return true;
            };
            if timer.deadline() != deadline.into() {
                timer.as_mut().reset(deadline.into());
            }
            let outlet = self.outlet.clone();
            tokio::select! {
                biased;
                signal = poll_fn(|cx| outlet.poll_signal(cx)) => match signal {
                    Signal::Ended(_) => return true,
                    Signal::Lost(slot) => self.client.lost(slot),
                    Signal::RightsChanged => self.look_again(),
                },
                Some(done) = self.pending.next(), if !self.pending.is_empty() => self.settle(done),
                incoming = reader.next() => match incoming {
                    Incoming::Message(message) => self.client.frame(&message),
                    Incoming::Ping(payload) => self.outlet.push(pong_frame(&payload)),
                    Incoming::Closed => {
                        self.outlet.cut(Disconnect::ForceReconnect);
                        return false;
                    }
                    Incoming::Bad(why) => self.client.close(why),
                },
                () = timer.as_mut() => self.client.tick(Instant::now()),
            }
        }
    }

    /// Carrying out one effect may have further ones.
    fn carry_out(&mut self) {
        loop {
            let effects = self.client.take_effects();
            if effects.is_empty() {
                return;
            }
            for effect in effects {
                self.carry(effect);
            }
        }
    }

    fn carry(&mut self, effect: Effect) {
        match effect {
            Effect::Write(message) => self.outlet.push(text_frame(&message)),
            Effect::SignIn(token) => self.sign_in(token),
            Effect::Refresh(id, token) => {
                let asked = self
                    .live
                    .gate
                    .admit(Credentials::Token(token), self.outlet.clone());
                self.pending
                    .push(Box::pin(async move { Done::Refreshed(id, asked.await) }));
            }
            Effect::Follow { slot, wish } => self.follow(slot, *wish),
            Effect::Release(slot) => {
                if let Some(subscription) = self.subscriptions.get(&slot) {
                    subscription.membership.release(subscription.place.clone());
                }
            }
            Effect::Unfollow(slot) => drop(self.subscriptions.remove(&slot)),
            Effect::Close(why) => {
                self.subscriptions.clear();
                self.outlet.end(why);
            }
        }
    }

    fn sign_in(&mut self, token: String) {
        let credentials = match (token.is_empty(), self.cookie.take()) {
            (false, _) => Credentials::Token(token),
            (true, Some(cookie)) => Credentials::Cookie(cookie),
            (true, None) => {
                return self
                    .client
                    .signed_in(Err(SignInError::Missing), Instant::now(), 0.0);
            }
        };
        if !self.live.hub.is_open() {
            return self
                .client
                .signed_in(Err(SignInError::Unavailable), Instant::now(), 0.0);
        }
        let asked = self.live.gate.admit(credentials, self.outlet.clone());
        self.pending
            .push(Box::pin(async move { Done::Admitted(asked.await) }));
    }

    fn follow(&self, slot: u32, wish: SubscribeRequest) {
        let Some(viewer) = self.admission.as_ref().map(|admission| admission.viewer.clone()) else {
            return;
        };
        let (live, outlet, rights) = (self.live.clone(), self.outlet.clone(), self.rights);
        self.pending.push(Box::pin(async move {
            Done::Followed(slot, rights, follow(&live, &outlet, &viewer, slot, wish).await)
        }));
    }

    /// Rights may have changed: whoever the viewer is now decides about every subscription anew.
    fn look_again(&mut self) {
        self.rights += 1;
        let Some(viewer) = self.admission.as_ref().map(|admission| admission.viewer.clone()) else {
            return;
        };
        let held: Vec<_> = self
            .subscriptions
            .iter()
            .map(|(slot, held)| (*slot, held.channel.clone()))
            .collect();
        let (gate, rights) = (self.live.gate.clone(), self.rights);
        self.pending.push(Box::pin(async move {
            let judged = async {
                let viewer = gate.look_again(&viewer).await?;
                let mut classes = Vec::with_capacity(held.len());
                for (slot, channel) in held {
                    classes.push((slot, gate.judge(&viewer, &channel).await.ok()));
                }
                Ok((viewer, classes))
            };
            Done::LookedAgain(rights, judged.await)
        }));
    }

    fn settle(&mut self, done: Done) {
        let now = Instant::now();
        match done {
            Done::Admitted(result) => {
                let result = self.admit(result, now);
                self.client.signed_in(result, now, rand::random());
            }
            Done::Refreshed(id, result) => {
                let before = self.admission.as_ref().map(|admission| admission.viewer.user);
                let same = result.and_then(|new| match before {
                    Some(user) if user == new.viewer.user => Ok(new),
                    _ => Err(SignInError::Invalid),
                });
                let refreshed = self.admit(same, now);
                if refreshed.is_ok() {
                    // perhaps another session, with other rights
                    self.look_again();
                }
                self.client.refreshed(id, refreshed, now);
            }
            Done::Followed(slot, rights, result) => {
                let fresh = if rights == self.rights {
                    result
                } else {
                    Err(ReplyError::Internal)
                };
                let followed = fresh.map(|(followed, subscription)| {
                    self.subscriptions.insert(slot, subscription);
                    followed
                });
                self.client.followed(slot, followed);
            }
            Done::LookedAgain(rights, result) if rights == self.rights => self.judge_again(result),
            Done::LookedAgain(..) => {}
        }
    }

    fn admit(
        &mut self,
        result: Result<Admission, SignInError>,
        now: Instant,
    ) -> Result<SignedIn, SignInError> {
        let admission = result?;
        let expires_at = admission.expires_in.map(|lasts| now + lasts);
        self.admission = Some(admission);
        Ok(SignedIn { expires_at })
    }

    fn judge_again(&mut self, result: Judged) {
        let (viewer, classes) = match result {
            Ok(judged) => judged,
            Err(SignInError::AccessEnded) => return self.client.close(Disconnect::AccessEnded),
            Err(SignInError::Unavailable) => return self.client.close(Disconnect::ForceReconnect),
            Err(_) => return self.client.close(Disconnect::SignedOut),
        };
        if let Some(admission) = &mut self.admission {
            admission.viewer = viewer;
        }
        for (slot, class) in classes {
            match (class, self.subscriptions.get(&slot).map(|held| held.class)) {
                (None, Some(_)) => {
                    self.subscriptions.remove(&slot);
                    self.client.forbidden(slot);
                }
                // comes back with its position and is then given what the new class may see
                (Some(new), Some(old)) if new != old => {
                    self.subscriptions.remove(&slot);
                    self.client.lost(slot);
                }
                _ => {}
            }
        }
    }
}

async fn follow(
    live: &Live,
    outlet: &Arc<Outlet>,
    viewer: &Viewer,
    slot: u32,
    request: SubscribeRequest,
) -> Result<(Followed, Subscription), ReplyError> {
    let class = live.gate.judge(viewer, &request.channel).await?;
    let key = ChannelKey {
        organization: viewer.organization,
        name: request.channel.as_str().into(),
    };
    let since = request.recover.then(|| Place {
        epoch: request.epoch.into(),
        offset: request.offset,
    });
    let wish = Wish {
        channel: key,
        view: View {
            class,
            encoding: &JsonOverWebSocket,
        },
        since,
    };
    let following = live.hub.follow(outlet, slot, wish).await.map_err(|error| {
        tracing::debug!(channel = %request.channel, %error, "a channel could not be followed");
        ReplyError::Internal
    })?;
    let missed = following
        .missed
        .into_iter()
        .filter_map(|(event, offset)| Some((serde_json::value::RawValue::from_string(event).ok()?, offset)));
    let followed = Followed {
        epoch: following.place.epoch.to_string(),
        offset: following.place.offset,
        recovered: following.recovered,
        missed: missed.collect(),
    };
    let (place, membership) = (following.place, following.membership);
    Ok((
        followed,
        Subscription {
            channel: request.channel,
            class,
            place,
            membership,
        },
    ))
}
