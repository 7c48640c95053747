//! The members of a channel, in a row that fan-out walks in turns. Who comes, is released or leaves is found by the seat that its
//! subscriber keeps, so that it costs the same however many there are: thousands may leave together.
//!
//! Invariant: the member at a place has that place as its subscriber's seat.
//! Invariant: nobody misses a turn because somebody else leaves.

use std::sync::Arc;

use super::super::outlet::Subscriber;
use super::member::Member;

#[derive(Debug, Default)]
pub(super) struct Members {
    pub(super) all: Vec<Member>,
    /// The member whose turn is next.
    pub(super) next: usize,
    /// How many are still joining.
    joining: usize,
}

impl Members {
    pub(super) fn push(&mut self, member: Member) {
        member.subscriber.sit(self.all.len());
        self.joining += usize::from(member.from.is_none());
        self.all.push(member);
    }

    /// Where this subscriber's member is.
    pub(super) fn find(&self, subscriber: &Arc<Subscriber>) -> Option<usize> {
        let at = subscriber.seat();
        let member = self.all.get(at)?;
        Arc::ptr_eq(&member.subscriber, subscriber).then_some(at)
    }

    /// The member at `at` gets what comes after `from`.
    pub(super) fn release(&mut self, at: usize, from: u64) {
        let before = self.all[at].from.replace(from);
        self.joining -= usize::from(before.is_none());
    }

    pub(super) fn remove(&mut self, at: usize) -> Member {
        let mut at = at;
        if at < self.next {
            // the last of those who had their turn takes the place, and the last of all theirs
            self.next -= 1;
            self.all.swap(at, self.next);
            self.all[at].subscriber.sit(at);
            at = self.next;
        }
        let gone = self.all.swap_remove(at);
        if let Some(moved) = self.all.get(at) {
            moved.subscriber.sit(at);
        }
        self.joining -= usize::from(gone.from.is_none());
        gone
    }

    pub(super) fn retain(&mut self, mut keep: impl FnMut(&Member) -> bool) {
        let (mut at, mut served, mut left) = (0, 0, 0);
        self.all.retain(|member| {
            let kept = keep(member);
            if kept {
                member.subscriber.sit(left);
                left += 1;
                served += usize::from(at < self.next);
            } else {
                self.joining -= usize::from(member.from.is_none());
            }
            at += 1;
            kept
        });
        self.next = served;
    }

    /// Whether somebody is joining.
    pub(super) fn are_joined(&self) -> bool {
        self.joining > 0
    }

    pub(super) fn len(&self) -> usize {
        self.all.len()
    }
}
