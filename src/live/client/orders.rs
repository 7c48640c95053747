//! What happens to a client without its asking: subscriptions that the server makes and ends.

use std::time::Instant;

use super::subscribe::{Channel, Followed, Later, Recovering, State, answer};
use super::{Client, Effect};
use crate::live::protocol::wire::{SubscribePush, SubscribeResult};
use crate::live::protocol::{Push, Unsubscribed};

/// A subscription made by the server, which stands.
#[derive(Debug, Default, PartialEq)]
pub struct ServerFollowed {
    /// From [`Client::next_slot`].
    pub slot: u32,
    /// Its channel.
    pub channel: String,
    /// What the client brought of it.
    pub recovering: Recovering,
    /// Where it begins.
    pub followed: Followed,
}

impl ServerFollowed {
    pub(super) fn slot(&self) -> u32 {
        self.slot
    }
}

impl Client {
    /// Holds a subscription that comes with the credentials. What it answers belongs into the reply to the connect.
    pub(super) fn hold_for_server(
        &mut self,
        subscription: ServerFollowed,
        now: Instant,
    ) -> (String, SubscribeResult, Later) {
        let ServerFollowed {
            slot,
            channel,
            recovering,
            followed,
        } = subscription;
        self.channels.reserve_exact(1);
        self.channels.push(Channel {
            name: channel.as_str().into(),
            slot,
            state: State::Held,
            by_server: true,
            expires_at: followed.lasts.map(|lasts| now + lasts),
        });
        let (result, later) = answer(recovering, followed, now);
        (channel, result, later)
    }

    /// Holds a subscription that the server makes now, and tells the client. One that it has already stays as it is.
    pub fn subscribed_by_server(&mut self, subscription: ServerFollowed, now: Instant) {
        let slot = subscription.slot;
        if self.is_closed() {
            return;
        }
        if self.position(&subscription.channel).is_some() {
            self.effects.push(Effect::Unfollow(slot));
            return;
        }
        let (channel, result, later) = self.hold_for_server(subscription, now);
        let subscribe = SubscribePush {
            recoverable: result.recoverable,
            epoch: result.epoch,
            offset: result.offset,
            positioned: result.positioned,
            data: result.data,
        };
        self.push(Push {
            subscribe: Some(subscribe),
            ..Push::on(&channel)
        });
        for publication in result.publications {
            let push = Box::new(Push::publication(&channel, publication));
            self.effects.push(Effect::Deliver { slot, push });
        }
        self.flow(slot, later);
    }

    /// Ends a subscription, whoever made it, and tells the client.
    pub fn unsubscribed_by_server(&mut self, channel: &str, why: Unsubscribed) {
        if let Some(slot) = self.slot_of(channel) {
            self.drop_subscription(slot, why);
        }
    }

    /// The names of subscriptions that the server made, sorted.
    pub fn server_channels(&self) -> Vec<String> {
        let mut names: Vec<_> = self
            .channels
            .iter()
            .filter(|channel| channel.by_server)
            .map(|channel| channel.name.to_string())
            .collect();
        names.sort_unstable();
        names
    }
}
