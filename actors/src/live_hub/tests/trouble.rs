//! A shard that fails, a node that cannot vouch for itself, a reader that stalls.

use signalbox_core::live::application::{
    APPLICATION, Namespaces, Options as ChannelOptions, Publication as Said, broker,
};

use super::*;

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
    hub.vouch_until(Instant::now() + Duration::from_secs(3));
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
    // it comes back for what it missed, which is more than may wait for it
    let following = desk.hub.follow(&slow, 2, desk.wish(&[], place(1))).await.unwrap();
    assert_eq!((following.recovered, following.place.offset), (false, 100));
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

#[tokio::test(flavor = "multi_thread")]
async fn followers_who_all_go_while_something_is_kept_back_for_them_leave_the_shards_as_they_were() {
    let desk = Desk::open().await;
    desk.append(1..=1).await;
    let restarts = || -> u64 {
        let all = desk.tree.snapshot().into_iter();
        all.filter(|actor| actor.name.starts_with("live_hub/"))
            .map(|actor| actor.restarts)
            .sum()
    };
    // none of it is stored: a comparison would read it before it is carried
    for first in (2..102).step_by(2) {
        let mut members = Vec::new();
        for slot in 1..=60 {
            let outlet = Outlet::new(1 << 20);
            let wish = desk.wish(&[], None);
            let following = desk.hub.follow(&outlet, slot, wish).await.unwrap();
            let place = Place {
                offset: first - 1,
                ..following.place
            };
            following.membership.release(place, false);
            members.push((outlet, following.membership));
        }
        desk.carry(first..=first);
        for (outlet, _) in &members {
            events(outlet, 1).await;
        }
        // kept back until what went before has gone round
        desk.carry(first + 1..=first + 1);
        drop(members);
    }
    let outlet = Outlet::new(1 << 20);
    let following = desk.hub.follow(&outlet, 1, desk.wish(&[], None)).await.unwrap();
    let place = Place {
        offset: 101,
        ..following.place
    };
    following.membership.release(place, false);
    desk.carry(102..=102);
    assert_eq!(numbers(&events(&outlet, 1).await), [102]);
    assert_eq!(restarts(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_while_a_mailbox_is_full_of_leaves_or_joins_is_given_by_the_next_of_them() {
    let test = store().await;
    let tree = Tree::start(Options::default()).unwrap();
    let hub = LiveHub::supervise(&tree, &test.store, Arc::default(), 1).unwrap();
    tree.start_all().await;
    hub.vouch_until(Instant::now() + Duration::from_secs(600));
    let wish = || Wish {
        channel: channel(test.organization),
        view: View::new(Sight::whole(ViewClass::of(&PermissionSet::default())), &Plain),
        since: None,
        keeps: Keeps::Nothing,
    };
    let outlet = Outlet::new(1 << 20);
    let first = hub.follow(&outlet, 1, wish()).await.unwrap();
    first.membership.release(first.place, false);
    let other = Outlet::new(1 << 20);
    let said = |n: u64| Publication::new(channel(test.organization), "".into(), 0, payload(n).into());
    let begun = Instant::now();
    let second = hub.follow(&other, 1, wish()).await.unwrap();
    hub.publish_unheard(&[said(1)]);
    drop(second);
    assert_eq!(numbers(&events(&outlet, 1).await), [1]);
    hub.publish_unheard(&[said(2)]);
    let _third = hub.follow(&other, 2, wish()).await.unwrap();
    assert_eq!(numbers(&events(&outlet, 1).await), [2]);
    // else they are found when all is compared, every 10 s
    assert!(begun.elapsed() < Duration::from_secs(9), "{:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_bus_lost_of_an_applications_channels_is_found_by_comparing_them_together() {
    let test = store().await;
    let kept = ChannelOptions {
        history_size: 10,
        history_ttl: Duration::from_mins(5),
        ..ChannelOptions::default()
    };
    let named = [("chat".to_owned(), kept.clone())].into();
    let namespaces = Arc::new(Namespaces::new(None, named, Duration::from_hours(1)));
    let tree = Tree::start(Options::default()).unwrap();
    let hub = LiveHub::supervise(&tree, &test.store, namespaces, 1).unwrap();
    tree.start_all().await;
    hub.vouch_until(Instant::now() + Duration::from_secs(600));
    let mut followers = Vec::new();
    for n in 0..20 {
        let wish = Wish {
            channel: ChannelKey {
                organization: APPLICATION,
                name: format!("chat:{n}").into(),
            },
            view: View::new(Sight::whole(ViewClass::of(&PermissionSet::default())), &Plain),
            since: None,
            keeps: Keeps::Stream,
        };
        let outlet = Outlet::new(1 << 20);
        let following = hub.follow(&outlet, 1, wish).await.unwrap();
        following.membership.release(following.place, false);
        followers.push((outlet, following.membership));
    }
    // nobody carries it to this node
    for n in 0..20 {
        let publication = Said {
            data: json!({"n": n}).to_string().into(),
            ..Said::default()
        };
        let (bus, channel) = (&test.store.bus, format!("chat:{n}"));
        broker::publish(bus, &channel, &kept, publication, broker::Extra::default())
            .await
            .unwrap();
    }
    for (n, (outlet, _)) in (0..).zip(&followers) {
        assert_eq!(numbers(&events(outlet, 1).await), [n]);
    }
}
