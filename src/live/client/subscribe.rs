//! Following channels, and ceasing to.

use std::collections::VecDeque;

use serde_json::value::RawValue;

use super::{Client, Effect};
use crate::live::protocol::{
    Disconnect, MAX_CHANNEL_BYTES, MAX_CHANNELS, Message, Publication, ReplyError, Request, SubscribeRequest,
    SubscribeResult, UnsubscribeCode,
};

/// A subscription that stands, and what was missed before it.
#[derive(Debug, Default)]
pub struct Followed {
    /// The stream's generation.
    pub epoch: String,
    /// The top of the stream as far as `missed` reaches.
    pub offset: u64,
    /// Whether everything since the position asked for is in `missed`.
    pub recovered: bool,
    /// What this viewer may see of it, masked, with its offsets.
    pub missed: Vec<(Box<RawValue>, u64)>,
}

/// What the connection knows of one channel.
#[derive(Debug)]
pub(super) struct Channel {
    slot: u32,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Being judged and read; what the client asked of this channel since waits.
    Busy {
        reply_to: u32,
        wish: Wish,
        lost: bool,
        waiting: VecDeque<(u32, Request)>,
    },
    /// Publications flow.
    Held,
}

#[derive(Debug, Clone, Copy)]
struct Wish {
    recover: bool,
    offset: u64,
    rejects_unrecovered: bool,
}

impl Client {
    pub(super) fn subscribe(&mut self, id: u32, wish: Box<SubscribeRequest>) {
        if let Some(Channel {
            state: State::Busy { waiting, .. },
            ..
        }) = self.channels.get_mut(&wish.channel)
        {
            waiting.push_back((id, Request::Subscribe(wish)));
            return self.count_waiting();
        }
        if !matches!(wish.delta.as_str(), "" | "fossil") {
            return self.close(Disconnect::BadRequest);
        }
        if let Some(error) = self.objection(&wish) {
            return self.refuse(id, error);
        }
        self.last_slot += 1;
        let slot = self.last_slot;
        let terms = Wish {
            recover: wish.recover,
            offset: wish.offset,
            rejects_unrecovered: wish.rejects_unrecovered(),
        };
        let state = State::Busy {
            reply_to: id,
            wish: terms,
            lost: false,
            waiting: VecDeque::new(),
        };
        self.channels
            .insert(wish.channel.clone(), Channel { slot, state });
        self.effects.push(Effect::Follow { slot, wish });
    }

    /// What speaks against a wish whoever asks.
    fn objection(&self, wish: &SubscribeRequest) -> Option<ReplyError> {
        if wish.channel.len() > MAX_CHANNEL_BYTES || !wish.channel.is_ascii() {
            Some(ReplyError::BadRequest)
        } else if self.channels.contains_key(&wish.channel) {
            Some(ReplyError::AlreadySubscribed)
        } else if self.channels.len() >= MAX_CHANNELS {
            Some(ReplyError::LimitExceeded)
        } else if wish.kind != 0 {
            Some(ReplyError::PermissionDenied)
        } else {
            None
        }
    }

    /// Never an error: an SDK answers one by reconnecting.
    pub(super) fn unsubscribe(&mut self, id: u32, channel: String) {
        match self.channels.get_mut(&channel) {
            Some(Channel {
                state: State::Busy { waiting, .. },
                ..
            }) => {
                waiting.push_back((id, Request::Unsubscribe(channel)));
                return self.count_waiting();
            }
            Some(Channel {
                slot,
                state: State::Held,
            }) => {
                let slot = *slot;
                self.channels.remove(&channel);
                self.effects.push(Effect::Unfollow(slot));
            }
            None => {}
        }
        self.write(&Message::Unsubscribe(id));
    }

    /// A wish has been judged and, if granted, read for.
    pub fn followed(&mut self, slot: u32, result: Result<Followed, ReplyError>) {
        let Some(name) = self.name_of(slot) else {
            // closed meanwhile, and with it every slot
            return;
        };
        let Some(Channel {
            state:
                State::Busy {
                    reply_to,
                    wish,
                    lost,
                    waiting,
                },
            ..
        }) = self.channels.remove(&name)
        else {
            return;
        };
        self.waiting = self.waiting.saturating_sub(waiting.len());
        match result {
            Err(error) => self.refuse(reply_to, error),
            Ok(followed) if wish.recover && !followed.recovered && wish.rejects_unrecovered => {
                self.effects.push(Effect::Unfollow(slot));
                self.refuse(reply_to, ReplyError::Unrecoverable);
            }
            Ok(followed) => {
                self.channels.insert(
                    name.clone(),
                    Channel {
                        slot,
                        state: State::Held,
                    },
                );
                self.answer_subscribe(reply_to, wish, &followed);
                self.effects.push(Effect::Release(slot));
                if lost {
                    self.lost(slot);
                }
            }
        }
        for (id, request) in waiting {
            self.call(id, request);
        }
    }

    fn answer_subscribe(&mut self, id: u32, wish: Wish, followed: &Followed) {
        let publications: Vec<_> = followed
            .missed
            .iter()
            .map(|(data, offset)| Publication {
                data,
                offset: *offset,
            })
            .collect();
        let recovered = wish.recover && followed.recovered;
        // a recovering client counts on from where it was, by the publications it is given. Those it may not see
        // are not among them, so with none left it moves to the top at once.
        let offset = if recovered && !publications.is_empty() {
            wish.offset
        } else {
            followed.offset
        };
        let result = SubscribeResult {
            recoverable: true,
            positioned: true,
            epoch: &followed.epoch,
            offset,
            recovered,
            was_recovering: wish.recover,
            publications: if recovered { &publications } else { &[] },
        };
        self.write(&Message::Subscribe(id, result));
    }

    /// The hub has dropped this subscription because its place in the stream is lost; the client comes back for it.
    pub fn lost(&mut self, slot: u32) {
        self.drop_subscription(slot, UnsubscribeCode::InsufficientState);
    }

    /// The viewer may no longer see this channel. The driver has dropped the subscription.
    pub fn forbidden(&mut self, slot: u32) {
        self.drop_subscription(slot, UnsubscribeCode::PermissionLost);
    }

    fn drop_subscription(&mut self, slot: u32, code: UnsubscribeCode) {
        let Some(name) = self.name_of(slot) else { return };
        match self.channels.get_mut(&name) {
            // the reply is still to come, and the push may not overtake it
            Some(Channel {
                state: State::Busy { lost, .. },
                ..
            }) => *lost = true,
            Some(_) => {
                self.channels.remove(&name);
                self.effects.push(Effect::Unfollow(slot));
                self.write(&Message::UnsubscribePush(&name, code));
            }
            None => {}
        }
    }

    /// At most [`MAX_CHANNELS`] are searched, and only when a subscription changes.
    fn name_of(&self, slot: u32) -> Option<String> {
        self.channels
            .iter()
            .find(|(_, channel)| channel.slot == slot)
            .map(|(name, _)| name.clone())
    }
}
