//! A member of a channel: what it is given of what is due, alone or in one frame with all who see it alike.

use std::sync::Arc;

use signalbox_core::live::view::ViewClass;

use super::super::due::{Due, Item};
use super::super::outlet::{Frame, Subscriber, Turn};
use super::super::publication::{Publication, View};

/// Publications joined into one frame at most.
const JOINED: usize = 16;

/// Bytes of such a frame at most: joining is for many small ones.
const JOINED_BYTES: usize = 64 * 1024;

#[derive(Debug)]
pub(super) struct Member {
    pub(super) subscriber: Arc<Subscriber>,
    pub(super) view: View,
    /// Gets what comes after this. `None`: still joining, gets nothing yet.
    pub(super) from: Option<u64>,
    /// The position of the last publication it was given, against which the next may be patched.
    pub(super) base: Option<u64>,
    /// How much without a position had gone by when it came.
    pub(super) came_after: u64,
    /// How far it has come in what is due.
    pub(super) given: u64,
}

impl Member {
    /// Gives it what is due to it. Whether that was anything.
    pub(super) fn catch_up(&mut self, due: &Due, joined: &mut Joined, turn: &Turn) -> bool {
        let part = due.since(self.given);
        let start = std::mem::replace(&mut self.given, due.end());
        let mut given = Given { turn, any: false };
        for (n, chunk) in part.chunks(JOINED).enumerate() {
            match joined.get(self, start + (n * JOINED) as u64, chunk) {
                Made::One(frame, offset) => given.give(&self.subscriber, frame.clone(), *offset),
                Made::Nothing => {}
                Made::Apart => self.give_each(chunk, &mut given),
            }
        }
        given.any
    }

    fn give_each(&mut self, part: &[Item], given: &mut Given<'_>) {
        for Item { publication, base } in part {
            let offset = publication.offset;
            if (offset == 0 || self.from.is_some_and(|from| offset > from))
                && let Some(frame) = self.frame(publication, base.as_ref())
            {
                given.give(&self.subscriber, frame, offset);
            }
        }
    }

    /// Whether it was given this publication, and no other of the same key since.
    fn has(&self, publication: &Publication) -> bool {
        match publication.key() {
            // of a map it was given every change since it was released
            Some(_) => self.from.is_some_and(|from| from < publication.offset),
            None => self.base == Some(publication.offset),
        }
    }

    /// `before` is the publication before this one, if it is at hand.
    pub(super) fn give(&mut self, publication: &Publication, before: Option<&Arc<Publication>>) {
        if let Some(frame) = self.frame(publication, before) {
            self.subscriber.push(frame, publication.offset);
        }
    }

    /// What it is to be given of a publication.
    fn frame(&mut self, publication: &Publication, before: Option<&Arc<Publication>>) -> Option<Frame> {
        // a filter asks for what stood there before; of a map each change was seen to, one way or the other
        let of_use =
            |before: &&Arc<Publication>| self.view.filter.is_some() || (self.view.delta && self.has(before));
        let frame = publication.frame(&self.view, before.filter(of_use).map(Arc::as_ref))?;
        self.base = (publication.offset > 0).then_some(publication.offset);
        Some(frame)
    }
}

/// What one member is given in a turn.
struct Given<'a> {
    turn: &'a Turn,
    any: bool,
}

impl Given<'_> {
    fn give(&mut self, to: &Subscriber, frame: Frame, offset: u64) {
        if std::mem::replace(&mut self.any, true) {
            to.push(frame, offset);
        } else {
            to.push_in_turn(frame, offset, self.turn);
        }
    }
}

/// Publications that follow each other, as one frame for all members who see them alike.
#[derive(Default)]
pub(super) struct Joined(Vec<((u64, Alike), Made)>);

enum Made {
    /// All of them in one, and how far that reaches.
    One(Frame, u64),
    /// The view gets none of them.
    Nothing,
    /// The encoding keeps frames apart, or they are too large.
    Apart,
}

/// Encoding, view class, and whether told who comes and leaves.
type Alike = (u8, ViewClass, bool);

impl Joined {
    /// What a member is given of `part`, which begins at the `start`-th of what is due.
    fn get(&mut self, member: &Member, start: u64, part: &[Item]) -> &Made {
        let (view, first) = (
            &member.view,
            part.first().map_or(0, |first| first.publication.offset),
        );
        let had = member.from.is_none_or(|from| from >= first.max(1));
        if part.len() < 2 || had || view.delta || view.filter.is_some() || !view.sight.is_whole() {
            return &Made::Apart;
        }
        let alike = (start, (view.encoding.id(), view.sight.fields(), view.joins));
        let known = self.0.iter().position(|(made, _)| *made == alike);
        let at = known.unwrap_or_else(|| {
            self.0.push((alike, join(view, part)));
            self.0.len() - 1
        });
        &self.0[at].1
    }
}

fn join(view: &View, part: &[Item]) -> Made {
    let frames: Vec<_> = part
        .iter()
        .filter_map(|item| item.publication.frame(view, None))
        .collect();
    let bytes: usize = frames.iter().map(|frame| frame.payload().len()).sum();
    match frames.as_slice() {
        [] => Made::Nothing,
        _ if bytes > JOINED_BYTES => Made::Apart,
        // each takes the place of an older one of its own
        frames if frames.iter().any(|frame| frame.state().is_some()) => Made::Apart,
        frames => {
            let reaches = part.iter().map(|item| item.publication.offset).max();
            let one = view.encoding.join(frames);
            one.map_or(Made::Apart, |one| Made::One(one, reaches.unwrap_or(0)))
        }
    }
}
