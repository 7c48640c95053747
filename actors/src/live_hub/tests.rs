//! The hub on a real Redis and PostgreSQL.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use signalbox_core::kernel::id::{OrganizationId, UserId};
use signalbox_core::kernel::permission::{PermissionSet, Reach, Rows, Subject};
use signalbox_core::live::application::ClientInfo;
use signalbox_core::live::history::{Appended, Batch, Begin, append, read};
use signalbox_core::live::scope::Sight;
use signalbox_core::live::view::ViewClass;
use signalbox_core::testing::{TestStore, eventually, store};
use uuid::Uuid;

use super::*;
use crate::supervision::{Options, Poison, Tree};

/// Writes the event as it is.
#[derive(Debug)]
struct Plain;

impl Encoding for Plain {
    fn id(&self) -> u8 {
        254
    }

    fn is_json(&self) -> bool {
        true
    }

    fn publication(&self, _: &str, item: &Item) -> Frame {
        Frame::new(item.data.clone(), 0)
    }

    fn join(&self, _: &[Frame]) -> Option<Frame> {
        None
    }

    fn presence(&self, _: &str, came: bool, info: &ClientInfo) -> Option<Frame> {
        Some(Frame::new(format!("{came} {}", info.client).into(), 0))
    }
}

struct Desk {
    test: TestStore,
    tree: Tree,
    hub: LiveHub,
}

impl Desk {
    async fn open() -> Self {
        let test = store().await;
        let options = Options {
            faults: true,
            ..Options::default()
        };
        let tree = Tree::start(options).unwrap();
        let hub = LiveHub::supervise(&tree, &test.store, Arc::default(), 2).unwrap();
        tree.start_all().await;
        hub.vouch_until(Instant::now() + Duration::from_secs(600));
        Self { test, tree, hub }
    }

    fn channel(&self) -> ChannelKey {
        channel(self.test.organization)
    }

    fn wish(&self, permissions: &[&str], since: Option<Place>) -> Wish {
        let class = ViewClass::of(&permissions.iter().copied().collect::<PermissionSet>());
        Wish {
            channel: self.channel(),
            view: View::new(Sight::whole(class), &Plain),
            since,
            keeps: Keeps::Stream,
        }
    }

    /// Stores events of the positions, as the relay does.
    async fn append(&self, positions: std::ops::RangeInclusive<u64>) {
        self.append_in("e1", positions).await;
    }

    async fn append_in(&self, epoch: &str, positions: std::ops::RangeInclusive<u64>) {
        for batch in positions.collect::<Vec<_>>().chunks(100) {
            let payloads: Vec<_> = batch.iter().map(|position| payload(*position)).collect();
            let (bus, key) = (&self.test.store.bus, self.channel());
            let stands = read(bus, key.organization, &key.name, 0, 1).await.unwrap();
            let begin = Begin::Over(stands.map(|history| history.position));
            let done = append(
                bus,
                key.organization,
                &key.name,
                epoch,
                &begin,
                batch[0],
                &payloads,
            )
            .await
            .unwrap();
            assert_eq!(done, Appended::UpTo(*batch.last().unwrap()));
        }
    }

    /// Hands the hub what the bus would carry.
    fn carry(&self, positions: std::ops::RangeInclusive<u64>) {
        let key = self.channel();
        let batch = Batch {
            organization: key.organization,
            channel: key.name.to_string(),
            epoch: "e1".into(),
            first: *positions.start(),
            payloads: positions.map(|position| payload(position).into()).collect(),
        };
        self.hub.publish(&Publication::of_batch(batch));
    }
}

fn channel(organization: OrganizationId) -> ChannelKey {
    ChannelKey {
        organization,
        name: "feed:users".into(),
    }
}

fn payload(position: u64) -> Vec<u8> {
    let patch = json!({"name": "Ada", "email": "ada@example.com", "phone": "555"});
    json!({"event": {"n": position, "type": "user.updated", "patch": patch}, "row": "user"})
        .to_string()
        .into_bytes()
}

#[expect(clippy::unnecessary_wraps, reason = "what a wish takes")]
fn place(offset: u64) -> Option<Place> {
    Some(Place {
        epoch: "e1".into(),
        offset,
    })
}

/// The next `count` events of a connection.
async fn events(outlet: &Arc<Outlet>, count: usize) -> Vec<Value> {
    let mut events = Vec::new();
    let read = async {
        while events.len() < count {
            let Taken::Batch(batch) = poll_fn(|cx| outlet.poll_take(cx, 1_000_000)).await else {
                panic!("ended: {:?}", outlet.ended());
            };
            let values = batch
                .iter()
                .map(|item| serde_json::from_slice::<Value>(item.frame.payload()).unwrap());
            events.extend(values);
        }
    };
    tokio::time::timeout(Duration::from_secs(20), read)
        .await
        .expect("events never came");
    events
}

fn numbers(events: &[Value]) -> Vec<u64> {
    events.iter().map(|event| event["n"].as_u64().unwrap()).collect()
}

async fn signal(outlet: &Arc<Outlet>) -> Signal {
    let signal = poll_fn(|cx| outlet.poll_signal(cx));
    tokio::time::timeout(Duration::from_secs(20), signal)
        .await
        .expect("no signal came")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_gets_what_it_missed_and_then_what_comes_once_and_in_order() {
    let desk = Desk::open().await;
    desk.append(1..=5).await;
    let outlet = Outlet::new(1 << 20);
    let following = desk
        .hub
        .follow(&outlet, 1, desk.wish(&[], place(2)))
        .await
        .unwrap();
    assert!(following.recovered);
    assert_eq!(
        following
            .missed
            .iter()
            .map(|item| item.offset)
            .collect::<Vec<_>>(),
        [3, 4, 5]
    );
    // the bus is late: it repeats what history had
    desk.append(6..=7).await;
    desk.carry(4..=7);
    following.membership.release(following.place, false);
    desk.carry(7..=7);
    let got = events(&outlet, 2).await;
    assert_eq!(numbers(&got), [6, 7]);
    assert_eq!(got[0]["offset"], 6);
    assert_eq!(got[0]["channel"], "feed:users");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_class_of_viewers_gets_its_own_frame_live_and_recovered() {
    let desk = Desk::open().await;
    desk.append(1..=1).await;
    let (full, masked) = (Outlet::new(1 << 20), Outlet::new(1 << 20));
    let mut members = vec![];
    for (outlet, permissions) in [(&full, &["users:read_pii"][..]), (&masked, &[])] {
        let following = desk
            .hub
            .follow(outlet, 1, desk.wish(permissions, place(0)))
            .await
            .unwrap();
        let missed: Value = serde_json::from_slice(&following.missed[0].data).unwrap();
        let seen = !permissions.is_empty();
        assert_eq!(missed["patch"]["email"].is_string(), seen);
        following.membership.release(following.place, false);
        members.push(following.membership);
    }
    desk.append(2..=2).await;
    desk.carry(2..=2);
    assert_eq!(events(&full, 1).await[0]["patch"]["email"], "ada@example.com");
    let event = events(&masked, 1).await.remove(0);
    assert_eq!(event["patch"]["masked"], json!(["email", "phone"]));
    assert!(!event.to_string().contains("example.com") && !event.to_string().contains("555"));
}

#[tokio::test(flavor = "multi_thread")]
async fn followers_that_do_not_read_hold_up_nobody_and_lose_nothing() {
    let desk = Desk::open().await;
    desk.append(1..=1).await;
    let mut members = vec![];
    for slot in 1..=200 {
        let outlet = Outlet::new(1 << 20);
        let following = desk
            .hub
            .follow(&outlet, slot, desk.wish(&[], place(1)))
            .await
            .unwrap();
        following.membership.release(following.place, false);
        members.push((outlet, following.membership));
    }
    let (reader, _reading) = members.pop().unwrap();
    for position in 2..=60 {
        desk.append(position..=position).await;
        desk.carry(position..=position);
        assert_eq!(numbers(&events(&reader, 1).await), [position]);
    }
    for (outlet, _) in &members {
        assert_eq!(numbers(&events(outlet, 59).await), (2..=60).collect::<Vec<_>>());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_that_cannot_be_reached_is_not_called_recovered() {
    let desk = Desk::open().await;
    desk.append(1..=301).await;
    let outlet = Outlet::new(1 << 20);
    let mut recovered = vec![];
    let other = Some(Place {
        epoch: "other".into(),
        offset: 300,
    });
    let unnamed = Some(Place {
        epoch: "".into(),
        offset: 300,
    });
    for since in [place(0), place(1), place(301), place(302), other, unnamed, None] {
        let following = desk.hub.follow(&outlet, 1, desk.wish(&[], since)).await.unwrap();
        assert_eq!(following.place.offset, 301);
        recovered.push((following.recovered, following.missed.len()));
    }
    let no = (false, 0);
    assert_eq!(
        recovered,
        [(true, 301), (true, 300), (true, 0), no, no, (true, 1), no]
    );
    // what is missed beyond what may wait for one connection is fetched instead
    desk.append(302..=4_000).await;
    let following = desk
        .hub
        .follow(&outlet, 1, desk.wish(&[], place(0)))
        .await
        .unwrap();
    assert!(!following.recovered && following.missed.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_that_redis_has_not_reached_is_recovered_when_postgresql_vouches_for_what_follows() {
    let desk = Desk::open().await;
    let organization = desk.test.organization;
    // of 5 events the first two are pruned, and Redis has none
    desk.test
        .sql(format!(
            "INSERT INTO live_channels (organization_id, channel, epoch, top) VALUES ('{organization}', 'feed:users', 'e1', 5);
             INSERT INTO outbox (id, organization_id, type, schema, at, subject_kind, channels, event, ordered_at)
               SELECT gen_random_uuid(), '{organization}', 'user.updated', 1, now(), 'user', '{{feed:users}}', '{{}}', now()
               FROM generate_series(3, 5);
             INSERT INTO outbox_positions (organization_id, channel, position, seq)
               SELECT '{organization}', 'feed:users', row_number() OVER (ORDER BY seq) + 2, seq FROM outbox"
        ))
        .await;
    let outlet = Outlet::new(1 << 20);
    let follow = async |since| desk.hub.follow(&outlet, 1, desk.wish(&[], since)).await.unwrap();
    for (offset, recovered) in [(1, false), (2, true), (5, true), (6, false)] {
        let following = follow(place(offset)).await;
        assert_eq!(
            following.recovered, recovered,
            "at {offset} while Redis has nothing"
        );
        assert!(following.missed.is_empty());
    }
    // brought back older than what the follower knows: what it knows does not come again, what follows does
    desk.append(1..=3).await;
    let following = follow(place(4)).await;
    assert_eq!((following.recovered, following.place.offset), (true, 4));
    following.membership.release(following.place, false);
    desk.append(4..=5).await;
    desk.carry(4..=5);
    assert_eq!(numbers(&events(&outlet, 1).await), [5]);
    assert!(!follow(place(6)).await.recovered, "nobody vouches for that");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_bus_lost_is_read_from_history_before_what_follows() {
    let desk = Desk::open().await;
    desk.append(1..=1).await;
    let outlet = Outlet::new(4 << 20);
    let following = desk.hub.follow(&outlet, 1, desk.wish(&[], None)).await.unwrap();
    following.membership.release(following.place, false);
    desk.append(2..=1200).await;
    desk.carry(1200..=1200);
    desk.append(1201..=1201).await;
    desk.carry(1201..=1201);
    assert_eq!(
        numbers(&events(&outlet, 1200).await),
        (2..=1201).collect::<Vec<_>>()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_loss_that_nothing_announces_is_found_by_comparing() {
    let desk = Desk::open().await;
    desk.append(1..=1).await;
    let outlet = Outlet::new(1 << 20);
    let following = desk.hub.follow(&outlet, 1, desk.wish(&[], None)).await.unwrap();
    following.membership.release(following.place, false);
    desk.append(2..=3).await;
    desk.hub.compare();
    assert_eq!(numbers(&events(&outlet, 2).await), [2, 3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_generation_of_the_stream_sends_followers_back_for_their_place() {
    let desk = Desk::open().await;
    desk.append(1..=3).await;
    let outlet = Outlet::new(1 << 20);
    let following = desk.hub.follow(&outlet, 9, desk.wish(&[], None)).await.unwrap();
    following.membership.release(following.place, false);
    desk.append_in("e2", 1..=1).await;
    desk.hub.compare();
    assert_eq!(signal(&outlet).await, Signal::Lost(9));
    let again = desk
        .hub
        .follow(&outlet, 10, desk.wish(&[], place(3)))
        .await
        .unwrap();
    assert!(!again.recovered);
    assert_eq!(
        again.place,
        Place {
            epoch: "e2".into(),
            offset: 1
        }
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shard_that_panics_or_freezes_loses_nobody_without_telling() {
    let desk = Desk::open().await;
    desk.append(1..=1).await;
    for poison in [Poison::Panic, Poison::Freeze, Poison::Hang] {
        let outlet = Outlet::new(1 << 20);
        let following = desk.hub.follow(&outlet, 1, desk.wish(&[], None)).await.unwrap();
        following.membership.release(following.place.clone(), false);
        for shard in ["live_hub/0", "live_hub/1"] {
            desk.tree.poison(shard, poison).unwrap();
        }
        assert_eq!(signal(&outlet).await, Signal::Lost(1), "{poison:?}");
        let since = Some(following.place);
        eventually("the shard takes followers again", async || {
            desk.hub
                .follow(&outlet, 2, desk.wish(&[], since.clone()))
                .await
                .is_ok_and(|again| again.recovered)
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_followed_while_the_node_cannot_vouch_for_itself() {
    let test = store().await;
    let tree = Tree::start(Options::default()).unwrap();
    let hub = LiveHub::supervise(&tree, &test.store, Arc::default(), 1).unwrap();
    tree.start_all().await;
    let class = ViewClass::of(&PermissionSet::default());
    let wish = || Wish {
        channel: channel(test.organization),
        view: View::new(Sight::whole(class), &Plain),
        since: None,
        keeps: Keeps::Stream,
    };
    let outlet = Outlet::new(1000);
    assert!(matches!(
        hub.follow(&outlet, 1, wish()).await,
        Err(FollowError::Closed)
    ));
    hub.vouch_until(Instant::now() + Duration::from_millis(300));
    let _counted = hub.connected(&outlet, Transport::Sse);
    assert!(hub.follow(&outlet, 2, wish()).await.is_ok());
    assert_eq!(signal(&outlet).await, Signal::Ended(Disconnect::ForceReconnect));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_slow_reader_is_told_of_its_gap_then_ended_and_the_others_get_everything() {
    let desk = Desk::open().await;
    desk.append(1..=1).await;
    let (slow, quick) = (Outlet::new(2_000), Outlet::new(16 << 20));
    let mut members = vec![];
    for outlet in [&slow, &quick] {
        let following = desk.hub.follow(outlet, 1, desk.wish(&[], None)).await.unwrap();
        following.membership.release(following.place, false);
        members.push(following.membership);
    }
    desk.append(2..=100).await;
    desk.carry(2..=100);
    assert_eq!(numbers(&events(&quick, 99).await), (2..=100).collect::<Vec<_>>());
    assert_eq!(signal(&slow).await, Signal::Lost(1));
    assert_eq!((slow.bytes(), slow.ended()), (0, None));
    drop(members.swap_remove(0));
    // it comes back for what it missed
    let following = desk.hub.follow(&slow, 2, desk.wish(&[], place(1))).await.unwrap();
    assert_eq!((following.recovered, following.missed.len()), (true, 99));
    following.membership.release(following.place, false);
    // and still takes nothing
    desk.append(101..=200).await;
    desk.carry(101..=200);
    assert_eq!(
        numbers(&events(&quick, 100).await),
        (101..=200).collect::<Vec<_>>()
    );
    assert_eq!(signal(&slow).await, Signal::Ended(Disconnect::Slow));
    assert_eq!(slow.bytes(), 0);
}

/// Of the person's row, with the facts that decide who sees it.
fn of_person(position: u64, person: u128) -> Vec<u8> {
    let id = Uuid::from_u128(person);
    let event = json!({"n": position, "type": "user.updated", "actor": {"kind": "system"}, "patch": {"id": id, "name": "Ada"},
        "subject": {"kind": "user", "id": id, "version": position}});
    let facts = json!({"owner": id});
    json!({"event": event, "row": "user", "before": facts, "after": facts})
        .to_string()
        .into_bytes()
}

/// What person 1 sees, who sees themselves.
fn own_sight(organization: OrganizationId) -> Sight {
    let subject = Subject {
        organization,
        user: UserId(Uuid::from_u128(1)),
        teams: Vec::new(),
    };
    let own = Rows {
        own: true,
        ..Rows::default()
    };
    let reaches = [("users:read".to_owned(), Reach::of(own).unwrap())].into();
    Sight::of(&PermissionSet::of(subject, reaches), "feed:users")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_follower_may_not_see_moves_it_and_does_not_count_against_what_it_is_given() {
    let desk = Desk::open().await;
    let organization = desk.test.organization;
    desk.test
        .sql(format!(
            "INSERT INTO users (id, organization_id, email) VALUES ('{}', '{organization}', 'one@example.com')",
            Uuid::from_u128(1)
        ))
        .await;
    let person = |position: u64| if position.is_multiple_of(2_000) { 1 } else { 2 };
    let store = async |positions: std::ops::RangeInclusive<u64>| {
        for batch in positions.collect::<Vec<_>>().chunks(100) {
            let payloads: Vec<_> = batch.iter().map(|at| of_person(*at, person(*at))).collect();
            let (bus, key) = (&desk.test.store.bus, desk.channel());
            let stands = read(bus, key.organization, &key.name, 0, 1).await.unwrap();
            let begin = Begin::Over(stands.map(|history| history.position));
            let done = append(
                bus,
                key.organization,
                &key.name,
                "e1",
                &begin,
                batch[0],
                &payloads,
            );
            assert_eq!(done.await.unwrap(), Appended::UpTo(*batch.last().unwrap()));
        }
    };
    store(1..=7_000).await;
    let sight = own_sight(desk.test.organization);
    let mut wish = desk.wish(&[], place(0));
    wish.view = View::new(sight.clone(), &Plain);
    let (some, all) = (Outlet::new(1 << 20), Outlet::new(1 << 20));
    let following = desk.hub.follow(&some, 1, wish).await.unwrap();
    let offsets = following.missed.iter().map(|item| item.offset);
    assert_eq!(offsets.collect::<Vec<_>>(), [2_000, 4_000, 6_000]);
    assert_eq!((following.recovered, following.place.offset), (true, 7_000));
    let whole = desk
        .hub
        .follow(&all, 1, desk.wish(&[], place(6_999)))
        .await
        .unwrap();
    assert_eq!(whole.missed.len(), 1);
    for one in [&following, &whole] {
        one.membership.release(one.place.clone(), false);
    }
    // live, one by one and many at once, and the past
    store(7_001..=8_001).await;
    let key = desk.channel();
    for part in [7_001..=7_001, 7_002..=8_001] {
        let batch = Batch {
            organization: key.organization,
            channel: key.name.to_string(),
            epoch: "e1".into(),
            first: *part.start(),
            payloads: part.map(|at| of_person(at, person(at)).into()).collect(),
        };
        desk.hub.publish(&Publication::of_batch(batch));
    }
    assert_eq!(
        numbers(&events(&all, 1_001).await),
        (7_001..=8_001).collect::<Vec<_>>()
    );
    assert_eq!(numbers(&events(&some, 1).await), [8_000]);
    let past = Past {
        since: None,
        limit: 1_000,
        reverse: true,
    };
    let view = View::new(sight, &Plain);
    let (top, items) = desk.hub.history(&key, &view, past).await.unwrap().unwrap();
    assert_eq!((top.offset, items.len()), (8_001, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_who_came_and_left_meanwhile_nothing_is_told_and_of_who_left_that_alone() {
    let desk = Desk::open().await;
    let organization = desk.test.organization;
    let team = Uuid::from_u128(10);
    let moves = |n: u64, person: u128, before: bool, after: bool| {
        let mut payload: Value = serde_json::from_slice(&of_person(n, person)).unwrap();
        for (name, is_in) in [("before", before), ("after", after)] {
            payload[name]["teams"] = if is_in { json!([team]) } else { json!([]) };
        }
        payload.to_string().into_bytes()
    };
    // 2 was there and stays, 3 was there and leaves, 4 comes and leaves, 5 comes and stays, 6 leaves and comes back
    let payloads = [
        moves(1, 2, true, true),
        moves(2, 3, true, true),
        moves(3, 4, false, true),
        moves(4, 4, true, true),
        moves(5, 3, true, false),
        moves(6, 5, false, true),
        moves(7, 6, true, false),
        moves(8, 4, true, false),
        moves(9, 6, false, true),
    ];
    let (bus, key) = (&desk.test.store.bus, desk.channel());
    let done = append(
        bus,
        organization,
        &key.name,
        "e1",
        &Begin::Over(None),
        1,
        &payloads,
    )
    .await;
    assert_eq!(done.unwrap(), Appended::UpTo(9));
    let subject = Subject {
        organization,
        user: UserId(Uuid::from_u128(1)),
        teams: vec![team],
    };
    let rows = Rows {
        team: true,
        ..Rows::default()
    };
    let reaches = [("users:read".to_owned(), Reach::of(rows).unwrap())].into();
    let sight = Sight::of(&PermissionSet::of(subject, reaches), "feed:users");
    let mut wish = desk.wish(&[], place(0));
    wish.view = View::new(sight.clone(), &Plain);
    let outlet = Outlet::new(1 << 20);
    let following = desk.hub.follow(&outlet, 1, wish).await.unwrap();
    let given = following
        .missed
        .iter()
        .map(|item| item.offset)
        .collect::<Vec<_>>();
    assert_eq!(given, [1, 5, 6, 7, 9]);
    let five: Value = serde_json::from_slice(&following.missed[1].data).unwrap();
    assert_eq!((&five["type"], five.get("patch")), (&json!("user.removed"), None));
    // the people are gone by now: whoever knows a place is told who left, nobody anything else
    let view = View::new(sight, &Plain);
    for (since, offsets) in [(place(0), &[5, 7, 8][..]), (None, &[])] {
        let past = Past {
            since,
            limit: 100,
            reverse: false,
        };
        let (_, items) = desk.hub.history(&key, &view, past).await.unwrap().unwrap();
        assert_eq!(items.iter().map(|item| item.offset).collect::<Vec<_>>(), offsets);
    }
}
