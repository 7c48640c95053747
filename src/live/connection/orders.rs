//! What a connection is told to do from outside: by the server API, and by requests that carry its client's commands.
//!
//! Invariant: orders about one channel are carried out in the order in which they came, and none before the client has the answer
//! to its connect.

use std::time::{Duration, Instant};

use signalbox_actors::live_hub::{ConnectionOrder, ORDERED_BYTES};
use signalbox_core::live::position::Position;

use super::super::gate::Viewer;
use super::super::protocol::{Disconnect, SubscribeRequest, Unsubscribed};
use super::{Connection, Done, follow_for_server};

/// Orders that may wait.
const WAITING: usize = 512;

impl Connection {
    pub(super) fn take_orders(&mut self) {
        for order in self.outlet.take_orders() {
            if matches!(order, ConnectionOrder::Refresh { expired: true, .. }) {
                return self.client.close(Disconnect::Expired);
            }
            self.orders.push_back(order);
        }
        let bytes: usize = self.orders.iter().map(ConnectionOrder::bytes).sum();
        if self.orders.len() > WAITING || bytes > ORDERED_BYTES {
            self.outlet.cut(Disconnect::TooManyRequests);
        }
    }

    /// Goes on with what waited, if something may now.
    pub(super) fn go_on(&mut self) -> bool {
        if self.client.go_on(Instant::now()) {
            self.note_latency();
            return true;
        }
        let first = (0..self.orders.len()).find(|at| self.is_next(*at));
        let Some(order) = first.and_then(|at| self.orders.remove(at)) else {
            return false;
        };
        if self.orders.is_empty() {
            self.orders = std::collections::VecDeque::new();
        }
        self.obey(order);
        true
    }

    fn is_next(&self, at: usize) -> bool {
        let order = &self.orders[at];
        let about = order.channel();
        let waits = |earlier: &ConnectionOrder| about.is_some() && earlier.channel() == about;
        self.may_obey(order) && !self.orders.iter().take(at).any(waits)
    }

    fn may_obey(&self, order: &ConnectionOrder) -> bool {
        match order {
            ConnectionOrder::Commands(_) => self.client.listens(),
            // what would be read with rights that have changed would be read in vain
            ConnectionOrder::Subscribe { .. } if self.judged != self.rights => false,
            ConnectionOrder::Subscribe { channel, .. } | ConnectionOrder::Unsubscribe { channel, .. } => {
                self.client.is_up() && !self.following.contains(channel)
            }
            ConnectionOrder::Refresh { .. } => self.client.is_up(),
        }
    }

    fn obey(&mut self, order: ConnectionOrder) {
        let now = Instant::now();
        match order {
            ConnectionOrder::Subscribe { channel, terms } => {
                if self.client.channels() + self.following.len() >= self.live.timing.channels {
                    // told nobody: the server API has answered, and the client has not asked
                    tracing::warn!(
                        "a connection has as many channels as live.client_channel_limit allows; one more is not followed"
                    );
                    return;
                }
                let since = terms.recover_since.clone();
                let wish = recovering(channel.clone(), since);
                let slot = self.client.next_slot();
                if let Some(wanted) = self.wanted(slot, wish, Some((*terms).clone())) {
                    let (live, rights) = (self.live.clone(), self.judged);
                    self.following.push(channel.clone());
                    let order = ConnectionOrder::Subscribe { channel, terms };
                    self.pending.push(Box::pin(async move {
                        Done::FollowedForServer(order, rights, follow_for_server(&live, wanted).await)
                    }));
                }
            }
            ConnectionOrder::Unsubscribe {
                channel,
                code,
                reason,
            } => {
                let reason = reason.into();
                self.client
                    .unsubscribed_by_server(&channel, Unsubscribed { code, reason });
            }
            ConnectionOrder::Refresh { expired: true, .. } => self.client.close(Disconnect::Expired),
            ConnectionOrder::Refresh { expire_at, info, .. } => {
                let viewer = self.admission.as_mut().map(|admission| &mut admission.viewer);
                if let (Some(Viewer::Guest(guest)), Some(info)) = (viewer, info) {
                    guest.info = Some(info);
                    self.show_info();
                }
                let left = expire_at.map(|at| at - self.live.clock.now().unix_timestamp());
                if left.is_some_and(|left| left <= 0) {
                    return self.client.close(Disconnect::Expired);
                }
                let at = left.map(|left| now + Duration::from_secs(u64::try_from(left).unwrap_or_default()));
                self.client.moved(at, now);
            }
            ConnectionOrder::Commands(frame) => self.hear(&frame),
        }
    }
}

fn recovering(channel: String, since: Option<Position>) -> SubscribeRequest {
    let mut wish = SubscribeRequest {
        channel,
        ..SubscribeRequest::default()
    };
    if let Some(place) = since {
        wish.recover = true;
        wish.epoch = place.epoch;
        wish.offset = place.offset;
    }
    wish
}
