//! One channel on one shard: who gets what, in which order, whatever gets lost or comes twice on the way.
//! Plain state without I/O; [`Need`] tells the shard what to read.
//!
//! Invariant: a member gets every position after the one it was released at, once, in order, or is lost and told so.
//! Invariant: `place` is how far all released members are, so one comparison finds a gap for all of them.
//! Invariant: what waits is bounded; beyond the bound members are lost rather than memory.

use std::collections::VecDeque;
use std::sync::Arc;

use super::census::Stats;
use super::outlet::Subscriber;
use super::publication::{Place, Publication, View};

/// Publications kept for members whose history is being read.
const RECENT: usize = 2_000;

/// Publications that wait while a gap is filled.
const WAITING: usize = 5_000;

#[derive(Debug, Default)]
pub(super) struct Channel {
    place: Option<Place>,
    members: Vec<Member>,
    /// What went by since the oldest joining member came: its history may have been read before.
    recent: VecDeque<Arc<Publication>>,
    /// What arrived while history is read, or before anybody was released.
    waiting: VecDeque<Arc<Publication>>,
    /// A read is under way, begun at this offset.
    reading: Option<u64>,
    /// The newest publication, kept while somebody wants patches of it.
    previous: Option<Arc<Publication>>,
    stats: Arc<Stats>,
}

#[derive(Debug)]
struct Member {
    subscriber: Arc<Subscriber>,
    view: View,
    /// Gets what comes after this. `None`: still joining, gets nothing yet.
    from: Option<u64>,
    /// The position of the last publication it was given, against which the next may be patched.
    base: Option<u64>,
}

/// What the shard is to do next for a channel.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Need {
    Nothing,
    /// Read history after this offset, and report with [`Channel::read`].
    Read(u64),
}

/// What a read brought.
#[derive(Debug)]
pub(super) enum Page {
    /// Some history, oldest first, and where the stream stands.
    History {
        top: Place,
        publications: Vec<Arc<Publication>>,
    },
    /// No history is known, but the stream is still of this generation: what is missing will be published again.
    Unpublished { epoch: Arc<str> },
    /// Nobody could be asked.
    Unreachable,
}

impl Channel {
    /// A member that will read its history after this and then be released.
    pub(super) fn join(&mut self, subscriber: Arc<Subscriber>, view: View) {
        self.members.push(Member {
            subscriber,
            view,
            from: None,
            base: None,
        });
        self.stats.followed_by(self.members.len());
    }

    /// The member has everything up to `place`, and was given the publication there if it `has_base`.
    pub(super) fn release(&mut self, subscriber: &Arc<Subscriber>, place: Place, has_base: bool) -> Need {
        let Some(at) = self
            .members
            .iter()
            .position(|member| Arc::ptr_eq(&member.subscriber, subscriber))
        else {
            return Need::Nothing;
        };
        self.members[at].base = has_base.then_some(place.offset);
        let Some(now) = &self.place else {
            self.members[at].from = Some(place.offset);
            let waiting = std::mem::take(&mut self.waiting);
            // others that are still joining may have read an earlier place than this one
            let before = waiting
                .iter()
                .filter(|one| one.epoch == place.epoch && one.offset <= place.offset);
            self.recent.extend(before.cloned());
            self.place = Some(place);
            self.forget_recent();
            return self.arrive_all(waiting);
        };
        if now.epoch != place.epoch {
            // one of the two is of the past; the reading tells which
            self.members.swap_remove(at).subscriber.lose();
            return self.check();
        }
        if self.hand_over(at, place.offset) {
            self.forget_recent();
        } else {
            self.members.swap_remove(at).subscriber.lose();
        }
        Need::Nothing
    }

    /// Gives the member at `at` what went by between its own place and the channel's. False when some of it is gone.
    fn hand_over(&mut self, at: usize, from: u64) -> bool {
        let top = self.place.as_ref().map_or(0, |place| place.offset);
        let missed = self.recent.iter().filter(|publication| publication.offset > from);
        if missed.clone().count() as u64 != top.saturating_sub(from) {
            return false;
        }
        let member = &mut self.members[at];
        let mut base = None;
        for publication in missed {
            member.give(publication, base);
            base = Some(publication);
        }
        // a member ahead of the channel skips what it already has
        member.from = Some(from.max(top));
        true
    }

    /// A publication came over the bus.
    pub(super) fn arrive(&mut self, publication: Arc<Publication>) -> Need {
        self.stats.published();
        let unstored = publication.offset == 0 || self.place.as_ref().is_some_and(Place::is_nowhere);
        if unstored {
            self.members
                .iter_mut()
                .filter(|member| member.from.is_some())
                .for_each(|member| member.give(&publication, None));
            return Need::Nothing;
        }
        let Some(place) = &self.place else {
            return self.wait(publication);
        };
        if self.reading.is_some() {
            return self.wait(publication);
        }
        if publication.epoch == place.epoch && publication.offset <= place.offset {
            return Need::Nothing;
        }
        if publication.epoch != place.epoch || publication.offset > place.offset + 1 {
            let need = self.check();
            return if self.wait(publication) == Need::Nothing {
                need
            } else {
                Need::Nothing
            };
        }
        self.advance(&publication);
        Need::Nothing
    }

    fn arrive_all(&mut self, publications: VecDeque<Arc<Publication>>) -> Need {
        let mut need = Need::Nothing;
        for publication in publications {
            let next = self.arrive(publication);
            if next != Need::Nothing {
                need = next;
            }
        }
        need
    }

    /// Asks for a comparison with the stored stream, unless one is under way.
    pub(super) fn check(&mut self) -> Need {
        match &self.place {
            Some(place) if self.reading.is_none() && !place.is_nowhere() => {
                self.reading = Some(place.offset);
                Need::Read(place.offset)
            }
            _ => Need::Nothing,
        }
    }

    /// The answer to [`Need::Read`].
    pub(super) fn read(&mut self, page: Page) -> Need {
        let (Some(begun), Some(place)) = (self.reading, self.place.clone()) else {
            self.reading = None;
            return Need::Nothing;
        };
        match page {
            Page::Unpublished { epoch } if epoch == place.epoch => {}
            Page::History { top, publications } if top.epoch == place.epoch => {
                let empty = publications.is_empty();
                for publication in publications {
                    match self.place.as_ref().map_or(0, |place| place.offset) {
                        at if publication.offset <= at => {}
                        at if publication.offset == at + 1 => self.advance(&publication),
                        _ => return self.lose_all(),
                    }
                }
                let at = self.place.as_ref().map_or(0, |place| place.offset);
                if at < top.offset {
                    return if empty { self.lose_all() } else { Need::Read(at) };
                }
            }
            _ => return self.lose_all(),
        }
        self.reading = None;
        let stuck = self
            .place
            .as_ref()
            .is_some_and(|place| place.offset == begun && self.waits_beyond(place));
        if stuck {
            // what was published is not in history: a second reading would say the same
            return self.lose_all();
        }
        let waiting = std::mem::take(&mut self.waiting);
        self.arrive_all(waiting)
    }

    fn waits_beyond(&self, place: &Place) -> bool {
        self.waiting.front().is_some_and(|publication| {
            publication.epoch != place.epoch || publication.offset > place.offset + 1
        })
    }

    /// Delivers the next position.
    fn advance(&mut self, publication: &Arc<Publication>) {
        if let Some(place) = &mut self.place {
            place.offset = publication.offset;
        }
        let previous = self.previous.take();
        let (mut joining, mut patched) = (false, false);
        for member in &mut self.members {
            patched |= member.view.delta;
            match member.from {
                Some(from) if publication.offset > from => member.give(publication, previous.as_ref()),
                Some(_) => {}
                None => joining = true,
            }
        }
        if patched {
            self.previous = Some(publication.clone());
        }
        if joining {
            self.recent.push_back(publication.clone());
            if self.recent.len() > RECENT {
                self.lose(|member| member.from.is_none());
                self.forget_recent();
            }
        }
    }

    fn wait(&mut self, publication: Arc<Publication>) -> Need {
        self.waiting.push_back(publication);
        if self.waiting.len() > WAITING {
            return self.lose_all();
        }
        Need::Nothing
    }

    /// The stream cannot be continued for anybody here.
    pub(super) fn lose_all(&mut self) -> Need {
        self.lose(|_| true);
        *self = Self {
            stats: self.stats.clone(),
            ..Self::default()
        };
        Need::Nothing
    }

    fn lose(&mut self, which: impl Fn(&Member) -> bool) {
        self.members.retain(|member| {
            let lost = which(member);
            if lost {
                member.subscriber.lose();
            }
            !lost
        });
    }

    fn forget_recent(&mut self) {
        if self.members.iter().all(|member| member.from.is_some()) {
            self.recent = VecDeque::new();
        }
    }

    /// Forgets members that have left. True when nobody is left.
    pub(super) fn sweep(&mut self) -> bool {
        self.members.retain(|member| member.subscriber.is_open());
        self.stats.followed_by(self.members.len());
        self.forget_recent();
        self.members.is_empty()
    }

    /// What others may know of it.
    pub(super) fn stats(&self) -> &Arc<Stats> {
        &self.stats
    }

    #[cfg(test)]
    fn offset(&self) -> Option<u64> {
        self.place.as_ref().map(|place| place.offset)
    }
}

impl Member {
    /// `before` is the publication before this one, if it is at hand.
    fn give(&mut self, publication: &Publication, before: Option<&Arc<Publication>>) {
        let base = before.filter(|before| self.view.delta && self.base == Some(before.offset));
        if let Some(frame) = publication.frame(&self.view, base.map(Arc::as_ref)) {
            self.subscriber.push(frame, publication.offset);
            self.base = (publication.offset > 0).then_some(publication.offset);
        }
    }
}

#[cfg(test)]
#[path = "channel_tests.rs"]
mod tests;
