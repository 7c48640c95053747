mod any_order;
mod joining;
mod turns;

use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
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
        assert_eq!(channel.passing.len(), 0);
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
    assert_eq!(channel.recent.len(), 0);
    assert_eq!(healthy.look().len(), RECENT + 1);
}

#[test]
fn a_comparison_reads_nothing_where_the_stream_stands_where_the_channel_is() {
    let mut channel = Prompt::default();
    assert_eq!(
        channel.compare(Some(&place("e", 9))),
        Need::Nothing,
        "nobody is there"
    );
    let mut follower = Follower::released(&mut channel, place("e", 5));
    for stands in [None, Some(place("e", 5)), Some(place("e", 4))] {
        assert_eq!(channel.compare(stands.as_ref()), Need::Nothing, "{stands:?}");
    }
    assert_eq!(channel.compare(Some(&place("e", 6))), Need::Read(5));
    assert_eq!(
        channel.compare(Some(&place("e", 6))),
        Need::Nothing,
        "it is being read"
    );
    let page = Page::History {
        top: place("e", 6),
        publications: vec![publication("e", 6)],
    };
    assert_eq!(channel.read(page), Need::Nothing);
    assert_eq!(follower.look(), [6]);
    assert_eq!(channel.compare(Some(&place("another", 1))), Need::Read(6));
}
