use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use proptest::prelude::*;
use signalbox_core::kernel::id::OrganizationId;
use signalbox_core::kernel::permission::PermissionSet;
use signalbox_core::live::application::{
    APPLICATION, ClientInfo, Message, Publication as SaidByAnApplication,
};
use signalbox_core::live::scope::Sight;
use signalbox_core::live::view::ViewClass;
use uuid::Uuid;

use super::*;
use crate::live_hub::publication::{ChannelKey, Encoding, Item};
use crate::live_hub::{Frame, Outlet, Signal, Taken};

/// Writes nothing but the offset: order is what these tests look at.
#[derive(Debug)]
struct Offsets;

impl Encoding for Offsets {
    fn id(&self) -> u8 {
        255
    }

    fn is_json(&self) -> bool {
        true
    }

    fn publication(&self, _: &str, item: &Item) -> Frame {
        Frame::new(Bytes::from(item.offset.to_string()), 0)
    }

    fn join(&self, _: &[Frame]) -> Option<Frame> {
        None
    }

    fn presence(&self, _: &str, came: bool, info: &ClientInfo) -> Option<Frame> {
        let sign = if came { '+' } else { '-' };
        Some(Frame::new(Bytes::from(format!("{sign}{}", info.user)), 0))
    }
}

fn view() -> View {
    View::new(Sight::whole(ViewClass::of(&PermissionSet::default())), &Offsets)
}

fn publication(epoch: &str, offset: u64) -> Arc<Publication> {
    let channel = ChannelKey {
        organization: OrganizationId(Uuid::from_u128(1)),
        name: "feed:users".into(),
    };
    Publication::new(
        channel,
        epoch.into(),
        offset,
        Bytes::from_static(br#"{"event":{},"row":"user"}"#),
    )
}

fn place(epoch: &str, offset: u64) -> Place {
    Place {
        epoch: epoch.into(),
        offset,
    }
}

#[test]
fn who_comes_and_goes_is_told_in_the_hubs_own_channels_too_to_whoever_asked() {
    let channel = ChannelKey {
        organization: OrganizationId(Uuid::from_u128(1)),
        name: "page:/users/1".into(),
    };
    let told = |message: &Message, joins: bool| {
        let payload = Bytes::from(message.encode());
        let view = View { joins, ..view() };
        let publication = Publication::new(channel.clone(), "".into(), 0, payload);
        publication
            .frame(&view, None)
            .map(|frame| String::from_utf8_lossy(frame.payload()).into_owned())
    };
    let ann = || ClientInfo {
        user: "ann".to_owned(),
        ..ClientInfo::default()
    };
    assert_eq!(told(&Message::Join(ann()), true).unwrap(), "+ann");
    assert_eq!(told(&Message::Leave(ann()), true).unwrap(), "-ann");
    assert_eq!(told(&Message::Join(ann()), false), None);
    // nobody writes into them but the hub, and it writes events
    assert_eq!(told(&Message::Publication(said()), true), None);
}

#[test]
fn what_has_no_position_is_state_of_what_it_is_about_and_everything_else_an_event() {
    let state = |organization: OrganizationId, offset: u64, payload: Vec<u8>| {
        let channel = ChannelKey {
            organization,
            name: "feed:jobs".into(),
        };
        let view = View {
            joins: true,
            ..view()
        };
        let publication = Publication::new(channel, "e".into(), offset, payload.into());
        let frame = publication.frame(&view, None).unwrap();
        frame.state().map(ToString::to_string)
    };
    let ours = OrganizationId(Uuid::from_u128(1));
    let event = |offset: u64, event: &str| {
        let payload = format!(r#"{{"event":{event},"row":"job"}}"#);
        state(ours, offset, payload.into_bytes())
    };
    let progress = r#"{"type":"job.progress","subject":{"kind":"job","id":"7"},"progress":{"done":1}}"#;
    assert_eq!(event(0, progress).unwrap(), "job.progress job 7 ");
    assert_ne!(event(0, progress), event(0, &progress.replace('7', "8")));
    assert_ne!(
        event(0, progress),
        event(0, &progress.replace("progress", "other"))
    );
    let actors = |node: &str| event(0, &format!(r#"{{"type":"system.actors","node":"{node}"}}"#));
    assert_ne!(actors("a"), actors("b"));
    assert_eq!((event(9, progress), event(0, "{}")), (None, None));

    let ann = ClientInfo {
        client: "1".to_owned(),
        ..ClientInfo::default()
    };
    let (came, left) = (Message::Join(ann.clone()), Message::Leave(ann));
    let here = |message: &Message| state(ours, 0, message.encode());
    assert_eq!(here(&came).unwrap(), "presence 1");
    assert_eq!(here(&came), here(&left));
    // what an application publishes is its own affair, unless it says what it is the state of
    let there = |message: &Message| state(APPLICATION, 0, message.encode());
    let of_key = SaidByAnApplication {
        data: Bytes::from_static(b"1"),
        key: Some("k".to_owned()),
        ..said()
    };
    let of_none = SaidByAnApplication {
        key: None,
        ..of_key.clone()
    };
    assert_eq!(
        (there(&came), there(&Message::Publication(of_none))),
        (None, None)
    );
    assert_eq!(there(&Message::Publication(of_key)).unwrap(), "key k");
}

fn said() -> SaidByAnApplication {
    SaidByAnApplication::default()
}

/// A channel whose members get at once what is due.
#[derive(Default)]
struct Prompt(Channel);

impl Prompt {
    fn arrive(&mut self, publication: Arc<Publication>) -> Need {
        let need = self.0.arrive(publication);
        self.then(need)
    }

    fn arrive_together(&mut self, run: &[Arc<Publication>]) -> Need {
        let need = self.0.arrive_together(run);
        self.then(need)
    }

    fn release(&mut self, subscriber: &Arc<Subscriber>, place: Place, has_base: bool) -> Need {
        let need = self.0.release(subscriber, place, has_base);
        self.then(need)
    }

    fn read(&mut self, page: Page) -> Need {
        let need = self.0.read(page);
        self.then(need)
    }

    fn then(&mut self, need: Need) -> Need {
        self.0.serve(usize::MAX, &Turn::default(), Instant::now());
        assert!(!self.0.is_due(), "everybody has had their turn");
        need
    }
}

impl std::ops::Deref for Prompt {
    type Target = Channel;
    fn deref(&self) -> &Channel {
        &self.0
    }
}

impl std::ops::DerefMut for Prompt {
    fn deref_mut(&mut self) -> &mut Channel {
        &mut self.0
    }
}

/// One follower as its own connection.
struct Follower {
    subscriber: Arc<Subscriber>,
    got: Vec<u64>,
    lost: bool,
}

impl Follower {
    fn new() -> Self {
        let subscriber = Subscriber::new(Outlet::new(usize::MAX), 1);
        Self {
            subscriber,
            got: vec![],
            lost: false,
        }
    }

    fn joined(channel: &mut Channel) -> Self {
        let follower = Self::new();
        channel.join(follower.subscriber.clone(), view());
        follower
    }

    fn released(channel: &mut Channel, at: Place) -> Self {
        let follower = Self::joined(channel);
        channel.release(&follower.subscriber, at, false);
        follower
    }

    fn look(&mut self) -> &[u64] {
        let mut cx = Context::from_waker(Waker::noop());
        let outlet = self.subscriber.outlet();
        while let Poll::Ready(Taken::Batch(batch)) = outlet.poll_take(&mut cx, usize::MAX) {
            self.got.extend(batch.iter().map(|item| item.offset));
        }
        self.lost |= matches!(outlet.poll_signal(&mut cx), Poll::Ready(Signal::Lost(1)));
        &self.got
    }

    fn is_lost(&mut self) -> bool {
        self.look();
        self.lost
    }
}

fn history(top: u64, offsets: std::ops::RangeInclusive<u64>) -> Page {
    Page::History {
        top: place("e", top),
        publications: offsets.map(|offset| publication("e", offset)).collect(),
    }
}

#[test]
fn what_passes_while_a_follower_joins_comes_right_after_its_release() {
    let mut channel = Prompt::default();
    let mut first = Follower::released(&mut channel, place("e", 5));
    let mut second = Follower::joined(&mut channel);
    channel.arrive(publication("e", 6));
    channel.arrive(publication("e", 7));
    assert!(second.look().is_empty(), "nothing before the release");
    channel.release(&second.subscriber, place("e", 6), false);
    channel.arrive(publication("e", 8));
    assert_eq!(first.look(), [6, 7, 8]);
    assert_eq!(second.look(), [7, 8]);
}

#[test]
fn what_has_no_position_and_passes_while_a_follower_joins_comes_after_its_release_and_memory_is_bounded() {
    for stored in [true, false] {
        let mut channel = Prompt::default();
        let begin = || if stored { place("e", 5) } else { Place::nowhere() };
        let mut first = Follower::joined(&mut channel);
        channel.arrive(publication("", 0));
        let mut second = Follower::joined(&mut channel);
        channel.arrive(publication("", 0));
        channel.release(&first.subscriber, begin(), false);
        assert_eq!(first.look(), [0, 0]);
        channel.arrive(publication("", 0));
        assert!(second.look().is_empty(), "nothing before the release");
        channel.release(&second.subscriber, begin(), false);
        assert_eq!((first.look().len(), second.look().len()), (3, 2));
        assert!(channel.passing.is_empty());
        let mut third = Follower::joined(&mut channel);
        for _ in 0..RECENT + 10 {
            channel.arrive(publication("", 0));
        }
        assert_eq!(channel.passing.len(), RECENT);
        channel.release(&third.subscriber, begin(), false);
        assert_eq!(third.look().len(), RECENT, "the oldest are forgotten");
    }
}

#[test]
fn the_first_followers_of_a_channel_may_have_read_different_places() {
    let mut channel = Prompt::default();
    let (mut one, mut two) = (Follower::joined(&mut channel), Follower::joined(&mut channel));
    for offset in 6..=9 {
        channel.arrive(publication("e", offset));
    }
    channel.release(&one.subscriber, place("e", 8), false);
    channel.release(&two.subscriber, place("e", 6), false);
    assert_eq!(one.look(), [9]);
    assert_eq!(two.look(), [7, 8, 9]);
}

#[test]
fn a_follower_whose_history_is_ahead_of_the_bus_gets_nothing_twice() {
    let mut channel = Prompt::default();
    let _first = Follower::released(&mut channel, place("e", 5));
    let mut ahead = Follower::released(&mut channel, place("e", 7));
    for offset in 6..=8 {
        channel.arrive(publication("e", offset));
    }
    assert_eq!(ahead.look(), [8]);
}

#[test]
fn a_gap_is_filled_from_history_before_anything_behind_it_is_delivered() {
    let mut channel = Prompt::default();
    let mut follower = Follower::released(&mut channel, place("e", 5));
    assert_eq!(channel.arrive(publication("e", 8)), Need::Read(5));
    assert_eq!(
        channel.arrive(publication("e", 9)),
        Need::Nothing,
        "one read at a time"
    );
    assert!(follower.look().is_empty());
    assert_eq!(channel.read(history(9, 6..=7)), Need::Read(7), "another page");
    assert_eq!(channel.read(history(9, 8..=9)), Need::Nothing);
    channel.arrive(publication("e", 10));
    assert_eq!(follower.look(), [6, 7, 8, 9, 10]);
}

#[test]
fn a_gap_that_history_cannot_fill_loses_the_followers() {
    let lost: [fn() -> Page; 5] = [
        || history(9, 8..=9),
        || Page::History {
            top: place("e", 9),
            publications: vec![],
        },
        || Page::History {
            top: place("other", 1),
            publications: vec![publication("other", 1)],
        },
        || Page::Unpublished {
            epoch: "other".into(),
        },
        || Page::Unreachable,
    ];
    for page in lost {
        let mut channel = Prompt::default();
        let mut follower = Follower::released(&mut channel, place("e", 5));
        channel.arrive(publication("e", 8));
        assert_eq!(channel.read(page()), Need::Nothing);
        assert!(follower.is_lost(), "{:?}", page());
        assert!(follower.look().is_empty());
        assert!(channel.sweep(), "nobody is left");
    }
}

#[test]
fn a_new_generation_of_the_stream_loses_the_followers() {
    let mut channel = Prompt::default();
    let mut follower = Follower::released(&mut channel, place("e", 5));
    assert_eq!(channel.arrive(publication("next", 1)), Need::Read(5));
    let page = Page::History {
        top: place("next", 1),
        publications: vec![publication("next", 1)],
    };
    channel.read(page);
    assert!(follower.is_lost());
}

#[test]
fn repeats_and_state_without_a_position_change_nothing() {
    let mut channel = Prompt::default();
    let mut follower = Follower::released(&mut channel, place("e", 5));
    channel.arrive(publication("e", 5));
    channel.arrive(publication("", 0));
    channel.arrive(publication("e", 6));
    channel.arrive(publication("e", 6));
    assert_eq!(follower.look(), [0, 6]);
    assert_eq!(channel.offset(), Some(6));
}

#[test]
fn a_comparison_that_finds_nothing_missing_disturbs_nobody() {
    let mut channel = Prompt::default();
    let mut follower = Follower::released(&mut channel, place("e", 5));
    assert_eq!(channel.check(), Need::Read(5));
    channel.arrive(publication("e", 6));
    assert_eq!(
        channel.read(Page::Unpublished { epoch: "e".into() }),
        Need::Nothing
    );
    assert_eq!(follower.look(), [6]);
}

#[test]
fn followers_that_nobody_releases_do_not_pile_up_memory() {
    let mut channel = Prompt::default();
    let mut healthy = Follower::released(&mut channel, place("e", 0));
    let mut stuck = Follower::joined(&mut channel);
    for offset in 1..=RECENT as u64 + 1 {
        channel.arrive(publication("e", offset));
    }
    assert!(stuck.is_lost());
    assert!(channel.recent.is_empty());
    assert_eq!(healthy.look().len(), RECENT + 1);
}

#[derive(Debug, Clone)]
enum Step {
    /// Append to the stream; the bus carries it, or loses it.
    Publish {
        carried: bool,
    },
    /// The oldest message on the bus arrives.
    Carry,
    Join,
    /// The oldest joining follower reads the stream.
    Look,
    /// The oldest follower that has read is released.
    Release,
    /// The read under way ends, with a page of at most this many.
    Read(usize),
    /// Somebody wants the stream compared.
    Check,
    Leave(usize),
    /// So many followers have their turn.
    Serve(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => prop::bool::weighted(0.9).prop_map(|carried| Step::Publish { carried }),
        6 => Just(Step::Carry),
        2 => Just(Step::Join),
        3 => Just(Step::Look),
        3 => Just(Step::Release),
        3 => (1..4usize).prop_map(Step::Read),
        1 => Just(Step::Check),
        1 => (0..6usize).prop_map(Step::Leave),
        6 => (1..4usize).prop_map(Step::Serve),
    ]
}

#[derive(Default)]
struct World {
    channel: Channel,
    top: u64,
    bus: std::collections::VecDeque<u64>,
    followers: Vec<(Follower, Option<u64>, bool)>,
    need: Option<u64>,
}

impl World {
    fn take(&mut self, need: Need) {
        if let Need::Read(since) = need {
            self.need = Some(since);
        }
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Publish { carried } => {
                self.top += 1;
                self.bus.extend(carried.then_some(self.top));
            }
            Step::Carry => {
                if let Some(offset) = self.bus.pop_front() {
                    let need = self.channel.arrive(publication("e", offset));
                    self.take(need);
                }
            }
            Step::Join => {
                let follower = Follower::joined(&mut self.channel);
                self.followers.push((follower, None, false));
            }
            Step::Look => {
                if let Some((_, read, _)) = self.followers.iter_mut().find(|(_, read, _)| read.is_none()) {
                    *read = Some(self.top);
                }
            }
            Step::Release => {
                let next = self
                    .followers
                    .iter_mut()
                    .find(|(_, read, released)| read.is_some() && !released);
                if let Some((follower, Some(read), released)) = next {
                    *released = true;
                    let need = self
                        .channel
                        .release(&follower.subscriber, place("e", *read), false);
                    self.take(need);
                }
            }
            Step::Read(limit) => {
                if let Some(since) = self.need.take() {
                    let last = self.top.min(since + *limit as u64);
                    let need = self.channel.read(history(self.top, since + 1..=last));
                    self.take(need);
                }
            }
            Step::Check => {
                let need = self.channel.check();
                self.take(need);
            }
            Step::Serve(count) => {
                self.channel.serve(*count, &Turn::default(), Instant::now());
            }
            Step::Leave(which) => {
                if let Some((follower, ..)) = self.followers.get(*which) {
                    follower.subscriber.close();
                    self.channel.sweep();
                }
            }
        }
    }
}

proptest! {
    /// Messages are lost, late and read twice; followers come, read and leave whenever they like. In the end every
    /// one that is still there and was not told that it is lost has everything after the place it read, once, in order.
    #[test]
    fn nobody_misses_or_doubles_anything_without_being_told(steps in prop::collection::vec(step(), 0..120)) {
        let mut world = World::default();
        for step in &steps {
            world.step(step);
        }
        for _ in 0..200 {
            for step in [Step::Carry, Step::Look, Step::Release, Step::Read(3)] {
                world.step(&step);
            }
        }
        world.step(&Step::Check);
        for _ in 0..200 {
            world.step(&Step::Read(3));
        }
        while world.channel.is_due() {
            world.step(&Step::Serve(2));
        }
        let top = world.top;
        for (follower, read, _) in &mut world.followers {
            let from = read.unwrap_or(top);
            if follower.is_lost() || !follower.subscriber.is_open() {
                let got = follower.look();
                let expected: Vec<u64> = (from + 1..).take(got.len()).collect();
                prop_assert_eq!(got, expected);
            } else {
                prop_assert_eq!(follower.look(), (from + 1..=top).collect::<Vec<_>>());
            }
        }
    }
}

/// Writes offsets, and several of them as one frame.
#[derive(Debug)]
struct Lists;

impl Encoding for Lists {
    fn id(&self) -> u8 {
        252
    }

    fn is_json(&self) -> bool {
        true
    }

    fn publication(&self, _: &str, item: &Item) -> Frame {
        Frame::new(Bytes::from(item.offset.to_string()), 0)
    }

    fn join(&self, frames: &[Frame]) -> Option<Frame> {
        let all: Vec<_> = frames
            .iter()
            .map(|frame| String::from_utf8_lossy(frame.payload()).into_owned())
            .collect();
        Some(Frame::joined(all.join(" ").into(), 0, frames.len() as u8))
    }

    fn presence(&self, _: &str, _: bool, _: &ClientInfo) -> Option<Frame> {
        None
    }
}

/// The frames that wait for a follower, as text.
fn frames(subscriber: &Arc<Subscriber>) -> Vec<String> {
    let mut cx = Context::from_waker(Waker::noop());
    match subscriber.outlet().poll_take(&mut cx, usize::MAX) {
        Poll::Ready(Taken::Batch(batch)) => {
            let texts = batch
                .iter()
                .map(|item| String::from_utf8_lossy(item.frame.payload()).into_owned());
            texts.collect()
        }
        _ => vec![],
    }
}

#[test]
fn publications_that_follow_each_other_are_one_frame_for_all_who_see_them_alike() {
    let mut channel = Prompt::default();
    let [one, two, late] = [1, 2, 3].map(|slot| Subscriber::new(Outlet::new(usize::MAX), slot));
    for subscriber in [&one, &two, &late] {
        channel.join(
            subscriber.clone(),
            View::new(Sight::whole(ViewClass::of(&PermissionSet::default())), &Lists),
        );
    }
    channel.release(&one, place("e", 0), false);
    channel.release(&two, place("e", 3), false);
    let run: Vec<_> = (1..=20).map(|offset| publication("e", offset)).collect();
    assert_eq!(channel.arrive_together(&run), Need::Nothing);
    let all = |from: u64, to: u64| (from..=to).map(|n| n.to_string()).collect::<Vec<_>>().join(" ");
    assert_eq!(frames(&one), [all(1, 16), all(17, 20)]);
    // who is ahead of them gets what it does not have
    let mut second: Vec<_> = (4..=16).map(|n| n.to_string()).collect();
    second.push(all(17, 20));
    assert_eq!(frames(&two), second);
    // who still joins gets what went by
    channel.release(&late, place("e", 18), false);
    assert_eq!(frames(&late), ["19", "20"]);
}

#[test]
fn who_is_served_later_gets_what_came_meanwhile_in_the_same_turn() {
    let mut channel = Channel::default();
    let members = [1, 2, 3].map(|slot| Subscriber::new(Outlet::new(usize::MAX), slot));
    for member in &members {
        let view = View::new(Sight::whole(ViewClass::of(&PermissionSet::default())), &Lists);
        channel.join(member.clone(), view);
        channel.release(member, place("e", 0), false);
    }
    channel.arrive_together(&[1, 2].map(|offset| publication("e", offset)));
    assert_eq!(channel.serve(1, &Turn::default(), Instant::now()), 1);
    channel.arrive_together(&[3, 4].map(|offset| publication("e", offset)));
    assert_eq!(
        channel.serve(9, &Turn::default(), Instant::now()),
        2,
        "the others of the first lap"
    );
    assert!(channel.is_due());
    assert_eq!(
        channel.serve(9, &Turn::default(), Instant::now()),
        1,
        "only the first lacks something"
    );
    assert!(!channel.is_due() && channel.due.bytes() == 0);
    assert_eq!(
        members.each_ref().map(frames),
        [vec!["1 2", "3 4"], vec!["1 2 3 4"], vec!["1 2 3 4"]]
    );
}

#[test]
fn what_comes_first_is_given_at_once_and_what_comes_soon_after_when_it_is_much_or_late() {
    let mut channel = Channel::default();
    let _followers: Vec<_> = (0..100)
        .map(|_| Follower::released(&mut channel, place("e", 0)))
        .collect();
    let began = Instant::now();
    channel.arrive(publication("e", 1));
    assert!(channel.rest(began).is_zero());
    channel.serve(60, &Turn::default(), began);
    let soon = began + Duration::from_micros(500);
    assert!(channel.rest(soon).is_zero(), "the others of the same lap");
    channel.serve(60, &Turn::default(), soon);
    channel.arrive(publication("e", 2));
    assert!(!channel.rest(soon).is_zero());
    assert!(channel.rest(began + Duration::from_millis(2)).is_zero(), "late");
    for offset in 3..=25 {
        channel.arrive(publication("e", offset));
    }
    assert!(channel.rest(soon).is_zero(), "much");
}

#[test]
fn what_is_kept_back_is_bounded() {
    let mut channel = Channel::default();
    let _follower = Follower::released(&mut channel, place("e", 0));
    let mut offset = 0;
    while !channel.is_overdue() {
        offset += 1;
        channel.arrive(publication("e", offset));
    }
    let one = publication("e", 1).size() as u64;
    assert!(offset * one <= OVERDUE as u64 + one);
}

#[test]
fn a_run_with_a_hole_is_given_up_to_the_hole() {
    let mut channel = Prompt::default();
    let one = Subscriber::new(Outlet::new(usize::MAX), 1);
    channel.join(
        one.clone(),
        View::new(Sight::whole(ViewClass::of(&PermissionSet::default())), &Lists),
    );
    channel.release(&one, place("e", 0), false);
    let run = [1, 2, 4].map(|offset| publication("e", offset));
    assert_eq!(channel.arrive_together(&run), Need::Read(2));
    assert_eq!(frames(&one), ["1 2"]);
}
