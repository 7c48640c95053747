//! One channel on one shard: who gets what, in which order, whatever gets lost or comes twice on the way.
//! Plain state without I/O; [`Need`] tells the shard what to read.
//!
//! Invariant: a member gets every position after the one it was released at, once, in order, or is lost and told so.
//! Invariant: `place` is how far all released members are, or will be with what is due, so one comparison finds a gap for
//! all of them.
//! Invariant: what waits is bounded; beyond the bound members are lost rather than memory.

mod kept;
mod member;
mod members;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use self::kept::Kept;
use self::member::{Joined, Member};
use self::members::Members;
use super::bases::Bases;
use super::census::Stats;
use super::due::Due;
use super::outlet::{Subscriber, Turn};
use super::publication::{Place, Publication, View};

/// Publications kept for members whose history is being read.
const RECENT: usize = 2_000;

/// Publications that wait while a gap is filled.
const WAITING: usize = 5_000;

/// Bytes that may be kept back while members take turns.
const OVERDUE: usize = 1024 * 1024;

#[derive(Debug, Default)]
pub(super) struct Channel {
    place: Option<Place>,
    /// To whom it is given: they take turns, see [`Channel::serve`].
    members: Members,
    /// What went by since the oldest joining member came: its history may have been read before.
    recent: Kept,
    /// The same of what has no position.
    passing: Kept,
    /// How much of that is forgotten.
    forgotten: u64,
    /// What arrived while history is read, or before anybody was released.
    waiting: Kept,
    /// A read is under way, begun at this offset.
    reading: Option<u64>,
    /// The newest publications, kept while somebody wants patches of them, or those of a map that pass a filter.
    bases: Bases,
    /// What is to be given to the released members.
    due: Due,
    stats: Arc<Stats>,
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
            came_after: self.forgotten + self.passing.len() as u64,
            given: self.due.end(),
        });
        self.stats.followed_by(self.members.len());
    }

    /// The member has everything up to `place`, and was given the publication there if it `has_base`.
    pub(super) fn release(&mut self, subscriber: &Arc<Subscriber>, place: Place, has_base: bool) -> Need {
        let Some(at) = self.members.find(subscriber) else {
            return Need::Nothing;
        };
        self.members.all[at].base = has_base.then_some(place.offset);
        // what it is given now has no position: nothing is a patch of it
        self.give_passing(at);
        self.members.all[at].given = self.due.end();
        let Some(now) = &self.place else {
            self.members.release(at, place.offset);
            let waiting = self.waiting.take();
            // others that are still joining may have read an earlier place than this one
            let before = waiting
                .iter()
                .filter(|one| one.epoch == place.epoch && one.offset <= place.offset);
            before.cloned().for_each(|one| self.recent.push(one));
            self.place = Some(place);
            self.forget_recent();
            return self.arrive_all(waiting);
        };
        if now.epoch != place.epoch {
            // one of the two is of the past; the reading tells which
            self.members.remove(at).subscriber.lose();
            return self.check();
        }
        if self.hand_over(at, place.offset) {
            self.forget_recent();
        } else {
            self.members.remove(at).subscriber.lose();
        }
        Need::Nothing
    }

    /// Gives the member at `at` what has no position and went by while it was joining.
    fn give_passing(&mut self, at: usize) {
        let member = &mut self.members.all[at];
        let before = member.came_after.saturating_sub(self.forgotten) as usize;
        for publication in self.passing.iter().skip(before) {
            member.give(publication, None);
        }
    }

    /// Gives the member at `at` what went by between its own place and the channel's. False when some of it is gone.
    fn hand_over(&mut self, at: usize, from: u64) -> bool {
        let top = self.place.as_ref().map_or(0, |place| place.offset);
        let missed = self.recent.iter().filter(|publication| publication.offset > from);
        if missed.clone().count() as u64 != top.saturating_sub(from) {
            return false;
        }
        // a member ahead of the channel skips what it already has
        self.members.release(at, from);
        let member = &mut self.members.all[at];
        let mut bases = Bases::default();
        for publication in missed {
            member.give(publication, bases.before(publication));
            if member.view.delta || member.view.filter.is_some() {
                bases.take(publication);
            }
        }
        true
    }

    /// Publications came over the bus, in this order. Those that simply follow each other are joined, so that a busy
    /// channel costs each follower one step for many of them.
    pub(super) fn arrive_together(&mut self, run: &[Arc<Publication>]) -> Need {
        if run.len() == 1 || !self.follows(run) {
            return self.arrive_all(run.iter().cloned().collect());
        }
        self.stats.published(run.len());
        self.advance(run);
        Need::Nothing
    }

    /// Whether these are just what comes next.
    fn follows(&self, run: &[Arc<Publication>]) -> bool {
        let Some(place) = self.place.as_ref().filter(|_| self.reading.is_none()) else {
            return false;
        };
        if place.is_nowhere() && self.members.are_joined() {
            // each is kept for who is joining
            return false;
        }
        let mut next = place.offset;
        run.iter().all(|publication| {
            if place.is_nowhere() {
                return publication.offset == 0;
            }
            next += 1;
            publication.epoch == place.epoch && publication.offset == next
        })
    }

    /// A publication came over the bus.
    pub(super) fn arrive(&mut self, publication: Arc<Publication>) -> Need {
        self.stats.published(1);
        let unstored = publication.offset == 0 || self.place.as_ref().is_some_and(Place::is_nowhere);
        if unstored {
            self.pass(publication);
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
        self.advance(&[publication]);
        Need::Nothing
    }

    /// Takes in what has no position, and keeps it for who is joining.
    fn pass(&mut self, publication: Arc<Publication>) {
        if self.members.are_joined() {
            self.passing.push(publication.clone());
            while self.passing.exceeds(RECENT) {
                self.passing.drop_first();
                self.forgotten += 1;
            }
        }
        self.due.add(publication, None);
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

    /// As [`Channel::check`], where the stream is known to stand at `place`: there is something to read only if it has gone on, or
    /// is another one.
    pub(super) fn compare(&mut self, place: Option<&Place>) -> Need {
        let (Some(stored), Some(here)) = (place, &self.place) else {
            return Need::Nothing;
        };
        if stored.epoch == here.epoch && stored.offset <= here.offset {
            return Need::Nothing;
        }
        self.check()
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
                        at if publication.offset == at + 1 => self.advance(&[publication]),
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
        let waiting = self.waiting.take();
        self.arrive_all(waiting)
    }

    fn waits_beyond(&self, place: &Place) -> bool {
        self.waiting.first().is_some_and(|publication| {
            publication.epoch != place.epoch || publication.offset > place.offset + 1
        })
    }

    /// Takes in the next positions, or what has none in a channel that keeps nothing.
    fn advance(&mut self, part: &[Arc<Publication>]) {
        let Some(last) = part.last() else { return };
        if let Some(place) = self.place.as_mut().filter(|place| !place.is_nowhere()) {
            place.offset = last.offset;
        }
        let is_keyed = last.key().is_some();
        let patched = |member: &Member| member.view.delta || (member.view.filter.is_some() && is_keyed);
        let patched = self.members.all.iter().any(patched);
        if !patched {
            self.bases = Bases::default();
        }
        for publication in part {
            let mut base = None;
            if patched {
                base = self.bases.before(publication).cloned();
                self.bases.take(publication);
            }
            self.due.add(publication.clone(), base);
        }
        if self.members.are_joined() && last.offset > 0 {
            part.iter().cloned().for_each(|one| self.recent.push(one));
            if self.recent.exceeds(RECENT) {
                self.lose(|member| member.from.is_none());
                self.forget_recent();
            }
        }
    }

    /// Whether something is to be given to somebody.
    pub(super) fn is_due(&self) -> bool {
        !self.due.is_empty()
    }

    /// How long what is due is kept back, so that more comes and is given together. Never within a lap of turns.
    pub(super) fn rest(&self, now: Instant) -> Duration {
        if self.members.next > 0 {
            return Duration::ZERO;
        }
        self.due.rest(self.members.len(), now)
    }

    /// Whether more is due than should be kept back.
    pub(super) fn is_overdue(&self) -> bool {
        self.due.bytes() > OVERDUE
    }

    /// Gives everything that is due to the next members, to `count` of them at most and to each at most once. How many got
    /// something: fewer only when all have had their turn.
    pub(super) fn serve(&mut self, count: usize, turn: &Turn, now: Instant) -> usize {
        let (mut served, mut joined) = (0, Joined::default());
        let Members { all, next, .. } = &mut self.members;
        if *next == 0 {
            self.due.lap_begins(now);
        }
        let waiting = all.iter_mut().skip(*next);
        for member in waiting {
            if served == count {
                return served;
            }
            *next += 1;
            if member.from.is_some() {
                served += usize::from(member.catch_up(&self.due, &mut joined, turn));
            }
        }
        *next = 0;
        let released = all.iter().filter(|member| member.from.is_some());
        let behind = released.map(|member| member.given).min();
        self.due.forget(behind.unwrap_or(self.due.end()));
        served
    }

    fn wait(&mut self, publication: Arc<Publication>) -> Need {
        self.waiting.push(publication);
        if self.waiting.exceeds(WAITING) {
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
        if !self.members.are_joined() {
            self.recent = Kept::default();
            self.forgotten += self.passing.len() as u64;
            self.passing = Kept::default();
        }
    }

    /// Forgets members that have left unheard. True when nobody is left.
    pub(super) fn sweep(&mut self) -> bool {
        self.members.retain(|member| member.subscriber.is_open());
        self.stats.followed_by(self.members.len());
        self.forget_recent();
        self.members.len() == 0
    }

    /// Forgets one that has left, whoever else is there. True when nobody is.
    pub(super) fn leave(&mut self, subscriber: &Arc<Subscriber>) -> bool {
        if let Some(at) = self.members.find(subscriber) {
            self.members.remove(at);
            self.stats.followed_by(self.members.len());
            self.forget_recent();
        }
        self.members.len() == 0
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

#[cfg(test)]
mod tests;
