//! What the state machine wants: written to the peer, or asked of the hub.

use std::time::Instant;

use bytes::Bytes;
use signalbox_actors::live_hub::Frame;
use signalbox_core::live::application::ServerSubscription;

use super::super::answers::answer;
use super::super::client::{Effect, Refusal, SignInError, is_map};
use super::super::following::{Subscription, Wanted, follow};
use super::super::gate::{Asked, Credentials, Viewer};
use super::super::map::{Step, read};
use super::super::protocol::wire::{ConnectResult, SubscribeResult};
use super::super::protocol::{ConnectRequest, Disconnect, Reply, ReplyError, SubscribeRequest};
use super::super::wire::{Dialect, ping_frame};
use super::{Again, Connection, Done, Question};

impl Connection {
    /// Carrying out one effect may have further ones.
    pub(super) fn carry_out(&mut self) {
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
            Effect::Write(reply) => self.write(*reply),
            Effect::Deliver { slot, push } => {
                let offset = push
                    .publication
                    .as_ref()
                    .map_or(0, |publication| publication.offset);
                let frame = self.way.dialect.frame(Reply::push(*push));
                self.outlet.push_at(frame, slot, offset);
            }
            Effect::Ping => self.outlet.push(ping_frame()),
            Effect::SignIn(request) => self.sign_in(request),
            Effect::Refresh(id, token) => {
                let asked = self
                    .live
                    .gate
                    .admit(Credentials::Token(token), self.way.ip, self.outlet.clone());
                self.pending
                    .push(Box::pin(async move { Done::Refreshed(id, asked.await) }));
            }
            Effect::Follow { slot, wish } => self.follow(slot, *wish),
            Effect::Ask { id, ask, slot } => self.ask(Question { id, ask, slot }),
            Effect::Release { slot, has_base } => {
                if let Some(held) = self.subscriptions.iter_mut().find(|held| held.slot == slot) {
                    held.release(has_base);
                    if let Some(entry) = &self.entry {
                        entry.present.follows(held.channel());
                    }
                }
            }
            Effect::Unfollow(slot) => self.unfollow(slot),
            Effect::Close(why) => {
                self.subscriptions.clear();
                self.outlet.end(why);
            }
        }
    }

    fn write(&mut self, reply: Reply) {
        // a client that only listens cannot be answered: what it is told is the end
        if self.way.dialect == Dialect::Pushes
            && let Some(error) = &reply.error
        {
            return self.outlet.end(match error.code {
                109 => Disconnect::Expired,
                111 => Disconnect::TooManyRequests,
                103 => Disconnect::PermissionDenied,
                _ => Disconnect::Internal,
            });
        }
        if let (Some(_), Some(connect)) = (&self.track, &reply.connect) {
            self.move_to(connect);
        }
        let shows = shows(&reply);
        let frame = self.way.dialect.frame(reply);
        self.outlet.push(if shows { frame.with_content() } else { frame });
    }

    /// Whoever has the answer to the connect has what stands in it. An item without bytes only moves its channel.
    fn move_to(&self, connect: &ConnectResult) {
        for held in &self.subscriptions {
            if let Some(result) = connect.subs.get(&**held.channel())
                && !result.epoch.is_empty()
            {
                let last = result.publications.last();
                let offset = last.map_or(result.offset, |publication| publication.offset);
                self.outlet
                    .push_at(Frame::new(Bytes::new(), 0), held.slot, offset);
            }
        }
    }

    /// A subscription stands: the writing half may count its positions.
    pub(super) fn keep(&mut self, subscription: Subscription) {
        if let Some(track) = &self.track {
            let (channel, epoch) = (subscription.channel(), subscription.epoch());
            track
                .borrow_mut()
                .begins(subscription.slot, channel, epoch.into());
        }
        self.subscriptions.reserve_exact(1);
        self.subscriptions.push(subscription);
        // it was wished for before
        self.show_info();
    }

    /// What is told of a user of the application may have changed: others see it.
    pub(super) fn show_info(&mut self) {
        if let Some(Viewer::Guest(guest)) = self.admission.as_ref().map(|admission| &admission.viewer) {
            for held in &mut self.subscriptions {
                held.show(guest.info.as_ref());
            }
        }
    }

    pub(super) fn unfollow(&mut self, slot: u32) {
        self.readings.retain(|reading| reading.slot != slot);
        self.again
            .retain(|again| !matches!(again, Again::Follow(again, _) if *again == slot));
        for again in &mut self.again {
            if let Again::Ask(question) = again {
                question.slot = question.slot.filter(|held| *held != slot);
            }
        }
        if let Some(at) = self.subscriptions.iter().position(|held| held.slot == slot) {
            let held = self.subscriptions.swap_remove(at);
            if let Some(entry) = &self.entry {
                entry.present.leaves(held.channel());
            }
        }
    }

    fn sign_in(&mut self, request: Box<ConnectRequest>) {
        let shown = std::mem::replace(&mut self.way.shown, Credentials::Nothing);
        let credentials = if request.token.is_empty() {
            shown
        } else {
            Credentials::Token(request.token.clone())
        };
        if !self.live.hub.is_open() {
            return self
                .client
                .signed_in(Err(SignInError::Unavailable), Instant::now(), 0.0);
        }
        let asked = self
            .live
            .gate
            .admit(credentials, self.way.ip, self.outlet.clone());
        self.pending
            .push(Box::pin(async move { Done::Admitted(asked.await, request) }));
    }

    /// What is wanted of a channel, by whoever signed in. `None` before that.
    pub(super) fn wanted(
        &self,
        slot: u32,
        wish: SubscribeRequest,
        by_server: Option<ServerSubscription>,
    ) -> Option<Wanted> {
        let viewer = self.admission.as_ref()?.viewer.clone();
        Some(Wanted {
            slot,
            viewer,
            dialect: self.way.dialect,
            outlet: self.outlet.clone(),
            asked: Asked {
                client: self.client.id().into(),
                wish,
                by_server,
            },
        })
    }

    fn follow(&mut self, slot: u32, wish: SubscribeRequest) {
        let before = self.readings.iter().position(|reading| reading.slot == slot);
        let reading = before.map(|at| self.readings.swap_remove(at));
        let is_map = is_map(&wish);
        let Some(wanted) = self.wanted(slot, wish.clone(), None) else {
            return;
        };
        let (live, rights) = (self.live.clone(), self.judged);
        self.pending.push(Box::pin(async move {
            let step = if is_map {
                read(&live, wanted, reading).await
            } else {
                let stands = |(followed, held)| (followed, Step::Stands(Box::new(held)));
                follow(&live, wanted).await.map(stands)
            };
            Done::Followed(slot, wish, rights, step)
        }));
    }

    /// What was read under rights that have changed since is read once more, when it is known what they are now: a client that
    /// asks at the wrong moment is not sent away with an error.
    pub(super) fn read_again(&mut self) {
        if self.judged == self.rights {
            for again in std::mem::take(&mut self.again) {
                match again {
                    Again::Follow(slot, wish) => self.follow(slot, *wish),
                    Again::Ask(question) => self.ask(question),
                }
            }
        }
    }

    fn ask(&mut self, question: Question) {
        let Some(viewer) = self.admission.as_ref().map(|admission| admission.viewer.clone()) else {
            return;
        };
        let slot = question.slot;
        let held = slot.and_then(|slot| self.subscriptions.iter().find(|held| held.slot == slot));
        let info = held.and_then(|held| held.info().cloned());
        let told = held.and_then(|held| held.told().cloned());
        let info = info.unwrap_or_else(|| viewer.info(self.client.id(), told));
        let tracker = held.and_then(|held| held.tracker.clone());
        let (live, following, dialect) = (self.live.clone(), slot.is_some(), self.way.dialect);
        let rights = self.judged;
        self.pending.push(Box::pin(async move {
            let answer = answer(&live, &viewer, info, &question.ask, following, dialect, tracker).await;
            Done::Answered(question, rights, answer)
        }));
    }

    /// Rights may have changed: whoever the viewer is now decides about every subscription anew.
    pub(super) fn look_again(&mut self) {
        self.rights += 1;
        let member = match self.admission.as_ref().map(|admission| &admission.viewer) {
            Some(Viewer::Member(member)) => {
                let member = member.clone();
                // what goes on being read was granted with the rights of before
                self.readings = Vec::new();
                member
            }
            Some(Viewer::Guest(_)) => {
                self.judged = self.rights;
                return;
            }
            // looked at once it has signed in
            None => return,
        };
        let client: Box<str> = self.client.id().into();
        let held: Vec<_> = self
            .subscriptions
            .iter()
            .map(|held| (held.slot, held.channel().to_string()))
            .collect();
        let (gate, rights) = (self.live.gate.clone(), self.rights);
        self.pending.push(Box::pin(async move {
            let judged = async {
                let member = gate.look_again(&member).await?;
                let viewer = Viewer::Member(member.clone());
                let mut sights = Vec::with_capacity(held.len());
                for (slot, channel) in held {
                    let wish = SubscribeRequest {
                        channel,
                        ..SubscribeRequest::default()
                    };
                    let asked = Asked {
                        client: client.clone(),
                        wish,
                        by_server: None,
                    };
                    let sight = match gate.judge(&viewer, asked).await {
                        Ok(grant) => Some(grant.sight),
                        Err(Refusal::Reply(ReplyError::Internal)) => return Err(SignInError::Unavailable),
                        Err(_) => None,
                    };
                    sights.push((slot, sight));
                }
                Ok((member, sights))
            };
            Done::LookedAgain(rights, judged.await)
        }));
    }
}

/// Whether a reply shows what its viewer may see of a channel.
fn shows(reply: &Reply) -> bool {
    let has = |result: &SubscribeResult| !(result.publications.is_empty() && result.state.is_empty());
    reply.history.is_some()
        || reply.presence.is_some()
        || reply
            .sub_refresh
            .as_ref()
            .is_some_and(|told| !told.items.is_empty())
        || reply.subscribe.as_ref().is_some_and(has)
        || reply
            .connect
            .as_ref()
            .is_some_and(|connect| connect.subs.values().any(has))
}
