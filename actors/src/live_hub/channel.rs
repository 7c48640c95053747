//! One channel on one shard: who gets what, in which order, whatever gets lost or comes twice on the way.
//! Plain state without I/O; [`Need`] tells the shard what to read.
//!
//! Invariant: a member gets every position after the one it was released at, once, in order, or is lost and told so.
//! Invariant: `place` is how far all released members are, so one comparison finds a gap for all of them.
//! Invariant: what waits is bounded; beyond the bound members are lost rather than memory.

use std::collections::VecDeque;
use std::sync::Arc;

use signalbox_core::live::view::ViewClass;

use super::bases::Bases;
use super::census::Stats;
use super::outlet::{Frame, Subscriber};
use super::publication::{Place, Publication, View};

/// Publications kept for members whose history is being read.
const RECENT: usize = 2_000;

/// Publications that wait while a gap is filled.
const WAITING: usize = 5_000;

/// Publications joined into one frame at most.
const JOINED: usize = 16;

/// Bytes of such a frame at most: joining is for many small ones.
const JOINED_BYTES: usize = 64 * 1024;

#[derive(Debug, Default)]
pub(super) struct Channel {
    place: Option<Place>,
    members: Vec<Member>,
    /// What went by since the oldest joining member came: its history may have been read before.
    recent: VecDeque<Arc<Publication>>,
    /// The same of what has no position.
    passing: VecDeque<Arc<Publication>>,
    /// How much of that is forgotten.
    forgotten: u64,
    /// What arrived while history is read, or before anybody was released.
    waiting: VecDeque<Arc<Publication>>,
    /// A read is under way, begun at this offset.
    reading: Option<u64>,
    /// The newest publications, kept while somebody wants patches of them.
    bases: Bases,
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
    /// How much without a position had gone by when it came.
    came_after: u64,
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
        self.give_passing(at);
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

    /// Gives the member at `at` what has no position and went by while it was joining.
    fn give_passing(&mut self, at: usize) {
        let member = &mut self.members[at];
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

    /// Publications came over the bus, in this order. Those that simply follow each other are joined, so that a busy
    /// channel costs each follower one step for many of them.
    pub(super) fn arrive_together(&mut self, run: &[Arc<Publication>]) -> Need {
        if run.len() == 1 || !self.follows(run) {
            return self.arrive_all(run.iter().cloned().collect());
        }
        self.stats.published(run.len());
        for part in run.chunks(JOINED) {
            self.advance(part);
        }
        Need::Nothing
    }

    /// Whether these are just what comes next.
    fn follows(&self, run: &[Arc<Publication>]) -> bool {
        let Some(place) = self.place.as_ref().filter(|_| self.reading.is_none()) else {
            return false;
        };
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

    /// Delivers what has no position, and keeps it for who is joining.
    fn pass(&mut self, publication: Arc<Publication>) {
        let mut joining = false;
        for member in &mut self.members {
            match member.from {
                Some(_) => member.give(&publication, None),
                None => joining = true,
            }
        }
        if joining {
            self.passing.push_back(publication);
            if self.passing.len() > RECENT {
                self.passing.pop_front();
                self.forgotten += 1;
            }
        }
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
        let waiting = std::mem::take(&mut self.waiting);
        self.arrive_all(waiting)
    }

    fn waits_beyond(&self, place: &Place) -> bool {
        self.waiting.front().is_some_and(|publication| {
            publication.epoch != place.epoch || publication.offset > place.offset + 1
        })
    }

    /// Delivers the next positions, or what has none in a channel that keeps nothing.
    fn advance(&mut self, part: &[Arc<Publication>]) {
        let (Some(first), Some(last)) = (part.first(), part.last()) else {
            return;
        };
        if let Some(place) = self.place.as_mut().filter(|place| !place.is_nowhere()) {
            place.offset = last.offset;
        }
        let (mut joining, mut joined) = (false, Joined::default());
        // of each in the part, what it may be a patch of
        let mut bases: Option<Vec<Option<Arc<Publication>>>> = None;
        for member in &mut self.members {
            if member.view.delta && bases.is_none() {
                bases = Some(followed(&mut self.bases, part));
            }
            let from = member.from;
            match from {
                Some(from) if from < first.offset.max(1) && joined.give(member, part) => {}
                Some(from) => {
                    for (n, publication) in part.iter().enumerate() {
                        let base = bases.as_ref().and_then(|bases| bases[n].as_ref());
                        if publication.offset == 0 || publication.offset > from {
                            member.give(publication, base);
                        }
                    }
                }
                None => joining = true,
            }
        }
        if bases.is_none() {
            self.bases = Bases::default();
        }
        if joining && last.offset > 0 {
            self.recent.extend(part.iter().cloned());
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
            self.forgotten += self.passing.len() as u64;
            self.passing = VecDeque::new();
        }
    }

    /// The members who are given something last, `count` at most.
    pub(super) fn last(&self, count: usize) -> Vec<Arc<Subscriber>> {
        let members = self.members.iter().rev().take(count);
        members.map(|member| member.subscriber.clone()).collect()
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

/// Takes publications that follow each other, and gives what was before each of them.
fn followed(bases: &mut Bases, part: &[Arc<Publication>]) -> Vec<Option<Arc<Publication>>> {
    let each = part.iter().map(|publication| {
        let before = bases.before(publication).cloned();
        bases.take(publication);
        before
    });
    each.collect()
}

impl Member {
    /// Whether it was given this publication, and no other of the same key since.
    fn has(&self, publication: &Publication) -> bool {
        match publication.key() {
            // of a map it was given every change since it was released
            Some(_) => self.from.is_some_and(|from| from < publication.offset),
            None => self.base == Some(publication.offset),
        }
    }

    /// `before` is the publication before this one, if it is at hand.
    fn give(&mut self, publication: &Publication, before: Option<&Arc<Publication>>) {
        let base = before.filter(|before| self.view.delta && self.has(before));
        if let Some(frame) = publication.frame(&self.view, base.map(Arc::as_ref)) {
            self.subscriber.push(frame, publication.offset);
            self.base = (publication.offset > 0).then_some(publication.offset);
        }
    }
}

/// Publications that follow each other, as one frame for all members who see them alike.
#[derive(Default)]
struct Joined(Vec<(Alike, Made)>);

enum Made {
    /// All of them in one.
    One(Frame),
    /// The view gets none of them.
    Nothing,
    /// The encoding keeps frames apart, or they are too large.
    Apart,
}

/// Encoding, view class, and whether told who comes and leaves.
type Alike = (u8, ViewClass, bool);

impl Joined {
    /// Gives a member all of `part` at once. False when it must be given them one by one.
    fn give(&mut self, member: &Member, part: &[Arc<Publication>]) -> bool {
        let view = &member.view;
        let [_, .., last] = part else { return false };
        if view.delta || view.filter.is_some() {
            return false;
        }
        let alike = (view.encoding.id(), view.class, view.joins);
        let known = self.0.iter().position(|(made, _)| *made == alike);
        let at = known.unwrap_or_else(|| {
            self.0.push((alike, join(view, part)));
            self.0.len() - 1
        });
        match &self.0[at].1 {
            Made::Apart => false,
            Made::Nothing => true,
            Made::One(frame) => {
                member.subscriber.push(frame.clone(), last.offset);
                true
            }
        }
    }
}

fn join(view: &View, part: &[Arc<Publication>]) -> Made {
    let frames: Vec<_> = part
        .iter()
        .filter_map(|publication| publication.frame(view, None))
        .collect();
    let bytes: usize = frames.iter().map(|frame| frame.payload().len()).sum();
    match frames.as_slice() {
        [] => Made::Nothing,
        _ if bytes > JOINED_BYTES => Made::Apart,
        // each takes the place of an older one of its own
        frames if frames.iter().any(|frame| frame.state().is_some()) => Made::Apart,
        frames => view.encoding.join(frames).map_or(Made::Apart, Made::One),
    }
}

#[cfg(test)]
#[path = "channel_tests.rs"]
mod tests;
