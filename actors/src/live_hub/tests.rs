//! The hub on a real Redis and PostgreSQL.

mod room;
mod sight;
mod trouble;

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
        self.append_in("e1", positions, payload).await;
    }

    async fn append_in(
        &self,
        epoch: &str,
        positions: std::ops::RangeInclusive<u64>,
        payload: impl Fn(u64) -> Vec<u8>,
    ) {
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
    desk.append_in("e2", 1..=1, payload).await;
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
