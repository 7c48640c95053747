//! What was asked of the hub and has been answered.

use std::time::Instant;

use bytes::Bytes;
use futures::future::try_join_all;
use signalbox_actors::live_hub::Arrival;
use signalbox_core::live::application::ServerSubscription;

use super::super::client::{Expiry, Refusal, ServerFollowed, SignInError, SignedIn, nonsense};
use super::super::following::Subscription;
use super::super::gate::{Admission, Viewer};
use super::super::map::Step;
use super::super::protocol::{Ask, ConnectRequest, Disconnect, ReplyError, SubscribeRequest};
use super::super::wire::Dialect;
use super::{Again, Connection, Done, Judged, follow_for_server};

impl Connection {
    pub(super) fn settle(&mut self, done: Done) {
        let now = Instant::now();
        match done {
            Done::Admitted(result, request) => self.admitted(result, *request, now),
            Done::Attended(rights, result) => {
                let fresh = if rights == self.rights {
                    result
                } else {
                    Err(Refusal::Close(Disconnect::ForceReconnect))
                };
                self.attended(fresh, now);
            }
            Done::Refreshed(id, result) => self.refreshed(id, result, now),
            Done::Followed(slot, wish, rights, _) if rights != self.rights => {
                self.again.push(Again::Follow(slot, Box::new(wish)));
                self.read_again();
            }
            Done::Followed(slot, _, _, result) => {
                let followed = result.map(|(followed, step)| {
                    match step {
                        Step::Stands(subscription) => self.keep(*subscription),
                        Step::Reads(reading) => self.readings.push(reading),
                    }
                    followed
                });
                self.client.followed(slot, followed, now);
            }
            Done::FollowedForServer(order, rights, result) => {
                let channel = order.channel().unwrap_or_default();
                self.following.retain(|following| following != channel);
                match result {
                    _ if rights != self.rights => self.orders.push_front(order),
                    Ok((followed, subscription)) => {
                        self.keep(subscription);
                        self.client.subscribed_by_server(followed, now);
                    }
                    // the server API has answered: a client that comes back is seen to lack the channel, one that stays is not
                    Err(Refusal::Reply(ReplyError::Internal)) => {
                        self.client.close(Disconnect::ForceReconnect);
                    }
                    Err(refusal) => {
                        tracing::debug!(?refusal, "a channel could not be followed on the server's behalf");
                    }
                }
            }
            // what was said is said
            Done::Answered(question, rights, _)
                if rights != self.rights && !matches!(*question.ask, Ask::Publish(_)) =>
            {
                self.again.push(Again::Ask(question));
                self.read_again();
            }
            Done::Answered(question, _, result) => {
                self.client.answered(question.id, question.slot, result, now);
            }
            Done::LookedAgain(rights, result) if rights == self.rights => {
                self.judged = rights;
                self.judge_again(result);
                self.read_again();
            }
            Done::LookedAgain(..) => {}
        }
    }

    /// The credentials are good: everything that comes with them is followed before the connect is answered.
    fn admitted(&mut self, result: Result<Admission, SignInError>, request: ConnectRequest, now: Instant) {
        let admission = match result {
            Ok(admission) => admission,
            Err(error) => return self.client.signed_in(Err(error), now, 0.0),
        };
        let arrival = Arrival {
            client: self.client.id().to_owned(),
            organization: admission.viewer.organization(),
            user: admission.viewer.user(),
            session: self.client.line().session.clone(),
            transport: self.way.transport,
            protobuf: self.way.dialect == Dialect::Protobuf,
            name: shortened(&request.name, 16),
            version: shortened(&request.version, 64),
            address: std::mem::take(&mut self.way.address),
            connected_at: self.live.clock.now(),
        };
        let Some(entry) = self
            .live
            .hub
            .enter(arrival, &self.outlet, self.live.limits.connections)
        else {
            let error = SignInError::Close(Disconnect::ConnectionLimit);
            return self.client.signed_in(Err(error), now, 0.0);
        };
        self.entry = Some(entry);
        let wishes = self.wishes(&admission, request);
        self.admission = Some(admission);
        if self.rights != self.judged {
            // they changed while it signed in
            self.look_again();
        }
        if wishes.len() > self.live.timing.channels {
            let error = SignInError::Close(Disconnect::ChannelLimit);
            return self.client.signed_in(Err(error), now, 0.0);
        }
        if let Some(refusal) = wishes.iter().find_map(|(wish, _)| nonsense(wish)) {
            return self.attended(Err(refusal), now);
        }
        let wanted: Vec<_> = wishes
            .into_iter()
            .filter_map(|(wish, terms)| {
                let slot = self.client.next_slot();
                self.wanted(slot, wish, terms)
            })
            .collect();
        if wanted.is_empty() {
            return self.attended(Ok(Vec::new()), now);
        }
        let (live, rights) = (self.live.clone(), self.judged);
        self.pending.push(Box::pin(async move {
            let all = wanted.into_iter().map(|wanted| follow_for_server(&live, wanted));
            Done::Attended(rights, try_join_all(all).await)
        }));
    }

    /// The channels that are followed with the connect: those of the credentials, from where the client says; and of a
    /// client that only listens, those it asks for itself.
    fn wishes(
        &mut self,
        admission: &Admission,
        mut request: ConnectRequest,
    ) -> Vec<(SubscribeRequest, Option<ServerSubscription>)> {
        // where the client stands is told by its browser, and is newer than what its address says; what it does not ask for again
        // comes with its credentials or not at all
        if let Some(known) = self.known.take() {
            let given = admission.subscriptions.iter().map(|(name, _)| name.clone());
            let comes: Vec<_> = given.chain(request.subs.keys().cloned()).collect();
            for channel in comes {
                if let Some(place) = known.place(&channel) {
                    let wish = request.subs.entry(channel).or_default();
                    wish.recover = true;
                    wish.epoch = place.epoch.to_string();
                    wish.offset = place.offset;
                }
            }
        }
        let mut wishes: Vec<_> = admission
            .subscriptions
            .iter()
            .map(|(channel, terms)| {
                let mut wish = request.subs.remove(channel).unwrap_or_default();
                wish.channel.clone_from(channel);
                (wish, Some(terms.clone()))
            })
            .collect();
        if self.way.dialect == Dialect::Pushes {
            wishes.extend(request.subs.into_iter().map(|(channel, mut wish)| {
                wish.channel = channel;
                (wish, None)
            }));
        }
        if self.track.is_some() {
            // it is given ids, by which it comes back wherever that is allowed
            for (wish, _) in &mut wishes {
                wish.recoverable = true;
                wish.positioned = true;
            }
        }
        wishes
    }

    fn attended(&mut self, result: Result<Vec<(ServerFollowed, Subscription)>, Refusal>, now: Instant) {
        let signed_in = match result {
            Ok(all) => {
                let (followed, subscriptions): (Vec<_>, Vec<_>) = all.into_iter().unzip();
                for subscription in subscriptions {
                    self.keep(subscription);
                }
                Ok(SignedIn {
                    expires: self.expiry(now),
                    data: self.told_at_connect(),
                    time: super::super::milliseconds(&self.live.clock),
                    subscriptions: followed,
                })
            }
            Err(Refusal::Reply(error)) => Err(SignInError::Channel(error)),
            Err(Refusal::Close(why)) => Err(SignInError::Close(why)),
        };
        self.client.signed_in(signed_in, now, rand::random());
    }

    /// A member's console shows which node serves it. An application is not told how the hub is built.
    fn told_at_connect(&self) -> Bytes {
        match self.admission.as_ref().map(|admission| &admission.viewer) {
            Some(Viewer::Member(_)) => {
                let told = serde_json::json!({ "node": self.live.nodes.name() });
                Bytes::from(told.to_string())
            }
            _ => Bytes::new(),
        }
    }

    fn expiry(&self, now: Instant) -> Expiry {
        let lasts = self.admission.as_ref().and_then(|admission| admission.expires_in);
        Expiry::at(lasts.map(|lasts| now + lasts))
    }

    fn refreshed(&mut self, id: u32, result: Result<Admission, SignInError>, now: Instant) {
        let before = self.admission.as_ref().map(|admission| admission.viewer.clone());
        let new = match (result, before) {
            (Ok(new), Some(before)) if before.is_same(&new.viewer) => new,
            (Ok(_), _) => return self.client.refreshed(id, Err(SignInError::Invalid), now),
            (Err(error), _) => return self.client.refreshed(id, Err(error), now),
        };
        let mut channels: Vec<_> = new
            .subscriptions
            .iter()
            .map(|(channel, _)| channel.clone())
            .collect();
        channels.sort_unstable();
        let before: Option<Vec<_>> = self.admission.as_ref().map(|admission| {
            let mut names: Vec<_> = admission
                .subscriptions
                .iter()
                .map(|(channel, _)| channel.clone())
                .collect();
            names.sort_unstable();
            names
        });
        if before.is_some_and(|before| before != channels) {
            // what comes with the token is made at a connect
            return self.client.close(Disconnect::InsufficientState);
        }
        self.admission = Some(new);
        self.show_info();
        let expiry = self.expiry(now);
        // perhaps another session, with other rights
        self.look_again();
        self.client.refreshed(id, Ok(expiry), now);
    }

    fn judge_again(&mut self, result: Judged) {
        let (member, sights) = match result {
            Ok(judged) => judged,
            // cut, not closed: what waits to be written is not for them any more
            Err(SignInError::AccessEnded) => return self.outlet.cut(Disconnect::AccessEnded),
            Err(SignInError::Address) => return self.outlet.cut(Disconnect::AddressRefused),
            Err(SignInError::Unavailable) => return self.outlet.cut(Disconnect::ForceReconnect),
            Err(_) => return self.outlet.cut(Disconnect::SignedOut),
        };
        if let Some(admission) = &mut self.admission {
            let before = admission.viewer.member();
            let is_other = before.is_none_or(|before| before.permissions != member.permissions);
            if is_other && self.outlet.holds_content() {
                // an answer of before that is not read yet would be read behind the word that it is not for them
                return self.outlet.cut(Disconnect::ForceReconnect);
            }
            admission.viewer = Viewer::Member(member);
        }
        for (slot, sight) in sights {
            let held = self.subscriptions.iter().find(|held| held.slot == slot);
            match held.map(|held| sight.map(|sight| sight == held.sight)) {
                None | Some(Some(true)) => {}
                Some(None) => {
                    self.unfollow(slot);
                    self.client.forbidden(slot);
                }
                // what it has was seen with other rights: it comes back without a position, and reads again
                Some(Some(false)) => {
                    self.unfollow(slot);
                    self.client.invalidated(slot);
                }
            }
        }
    }
}

/// At most `most` characters of what a client says about itself.
fn shortened(text: &str, most: usize) -> String {
    text.chars().take(most).collect()
}
