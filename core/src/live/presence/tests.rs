use super::burial::{Burial, bury, clear_stray, purge};
use super::*;
use crate::bus::{Signal, Subscription};
use crate::live::application::map::Presences;
use crate::live::application::{APPLICATION, Message};
use crate::live::history::Batch;
use crate::testing::{self, TestStore};
use proptest::prelude::*;

const CHANNEL: &str = "chat:1";

fn info(client: &str) -> ClientInfo {
    ClientInfo {
        user: format!("user of {client}"),
        client: client.to_owned(),
        conn_info: Some(Bytes::from_static(b"{\"n\":1}")),
        chan_info: None,
    }
}

fn step(act: Act) -> Step {
    Step {
        organization: APPLICATION,
        channel: CHANNEL.into(),
        act,
    }
}

fn enter(client: &str, stamp: u64) -> Step {
    again(client, stamp, false)
}

fn again(client: &str, stamp: u64, announced: bool) -> Step {
    step(Act::Enter {
        client: client.to_owned(),
        stamp,
        listed: true,
        announced,
        info: info(client).encode().into(),
    })
}

fn announce(client: &str, stamp: u64) -> Step {
    step(Act::Announce {
        client: client.to_owned(),
        stamp,
    })
}

fn leave(client: &str, stamp: u64) -> Step {
    step(Act::Leave {
        client: client.to_owned(),
        stamp,
    })
}

/// Node `n1` lives, and `a` and `b` have come by it and were announced.
async fn a_and_b_come(bus: &Bus) {
    bus.renew_lease("n1").await.unwrap();
    let steps = [
        step(Act::Note),
        enter("a", 1),
        announce("a", 1),
        enter("b", 2),
        announce("b", 2),
    ];
    apply(bus, &Presences::default(), "n1", 1, &steps).await.unwrap();
}

async fn present(test: &TestStore) -> Vec<String> {
    let members = members(&test.store.bus, APPLICATION, CHANNEL).await.unwrap();
    members.present.into_keys().collect()
}

async fn listening(test: &TestStore) -> Subscription {
    let bus = &test.store.bus;
    bus.subscribe(&[bus.keys().fan(APPLICATION, CHANNEL)])
        .await
        .unwrap()
}

/// What was told until now: `+client` and `-client`.
async fn told(test: &TestStore, listening: &mut Subscription) -> Vec<String> {
    let bus = &test.store.bus;
    bus.publish(&bus.keys().fan(APPLICATION, CHANNEL), b"end")
        .await
        .unwrap();
    let mut heard = Vec::new();
    loop {
        let Some(Signal::Message { payload, .. }) = listening.next().await else {
            continue;
        };
        if &payload[..] == b"end" {
            return heard;
        }
        let batch = Batch::parse(&payload).unwrap();
        assert_eq!((batch.first, batch.channel.as_str()), (0, CHANNEL));
        heard.push(match Message::parse(&batch.payloads[0]).unwrap() {
            Message::Join(info) => format!("+{}", info.client),
            Message::Leave(info) => format!("-{}", info.client),
            Message::Publication(_) => panic!("nobody published"),
        });
    }
}

async fn lapse(test: &TestStore, node: &str) {
    let bus = &test.store.bus;
    let mut lapsed = redis::cmd("ZADD");
    lapsed.arg(bus.keys().live_nodes()).arg(1).arg(node);
    lapsed.query_async::<()>(&mut bus.shared()).await.unwrap();
}

#[tokio::test]
async fn whoever_enters_is_seen_as_they_are_and_whoever_leaves_is_not() {
    let test = testing::store().await;
    let bus = &test.store.bus;
    for node in ["n1", "n2"] {
        bus.renew_lease(node).await.unwrap();
    }
    apply(
        bus,
        &Presences::default(),
        "n1",
        1,
        &[enter("a", 1), enter("b", 2)],
    )
    .await
    .unwrap();
    apply(bus, &Presences::default(), "n2", 1, &[enter("c", 1)])
        .await
        .unwrap();
    let all = members(bus, APPLICATION, CHANNEL).await.unwrap();
    assert_eq!(all.present["a"], info("a"));
    assert_eq!((all.present.len(), all.count()), (3, (3, 3)));
    apply(
        bus,
        &Presences::default(),
        "n1",
        1,
        &[leave("a", 1), leave("b", 1), leave("c", 1)],
    )
    .await
    .unwrap();
    assert_eq!(
        present(&test).await,
        ["b", "c"],
        "another coming, and another node's"
    );
}

#[tokio::test]
async fn coming_and_leaving_are_told_once_and_only_of_those_announced() {
    let test = testing::store().await;
    let (bus, mut heard) = (&test.store.bus, listening(&test).await);
    bus.renew_lease("n1").await.unwrap();
    let steps = [
        enter("a", 1),
        enter("quiet", 2),
        announce("a", 1),
        leave("quiet", 2),
        leave("a", 1),
    ];
    for step in steps {
        for _ in 0..2 {
            apply(bus, &Presences::default(), "n1", 1, std::slice::from_ref(&step))
                .await
                .unwrap();
        }
    }
    assert_eq!(told(&test, &mut heard).await, ["+a", "-a"]);
    assert!(present(&test).await.is_empty());
}

#[tokio::test]
async fn a_client_that_enters_anew_has_left_before() {
    let test = testing::store().await;
    let (bus, mut heard) = (&test.store.bus, listening(&test).await);
    bus.renew_lease("n1").await.unwrap();
    let steps = [
        enter("a", 1),
        announce("a", 1),
        enter("a", 2),
        announce("a", 2),
        leave("a", 1),
    ];
    apply(bus, &Presences::default(), "n1", 1, &steps).await.unwrap();
    assert_eq!(told(&test, &mut heard).await, ["+a", "-a", "+a"]);
    assert_eq!(
        present(&test).await,
        ["a"],
        "the late word of the first coming changes nothing"
    );
}

#[tokio::test]
async fn clients_of_a_node_whose_lease_lapsed_are_not_there_and_are_cleared_away_once() {
    let test = testing::store().await;
    let (bus, mut heard) = (&test.store.bus, listening(&test).await);
    for node in ["n1", "n2"] {
        bus.renew_lease(node).await.unwrap();
    }
    let steps = [
        step(Act::Note),
        enter("a", 1),
        announce("a", 1),
        enter("quiet", 2),
    ];
    apply(bus, &Presences::default(), "n1", 1, &steps).await.unwrap();
    apply(bus, &Presences::default(), "n2", 1, &[enter("b", 1)])
        .await
        .unwrap();
    assert_eq!(
        bury(bus, &Presences::default(), "n1", "n2").await.unwrap(),
        Burial::Lives
    );
    lapse(&test, "n1").await;
    assert_eq!(present(&test).await, ["b"], "before anybody has cleared away");
    // whoever is not first may be told so, and may come after everything is done
    let maps = Presences::default();
    let all = futures::future::try_join_all(["n2", "n3", "n4"].map(|by| bury(bus, &maps, "n1", by)));
    let done = all.await.unwrap();
    let removed: usize = done
        .iter()
        .map(|burial| if let Burial::Done(n) = burial { *n } else { 0 })
        .sum();
    assert_eq!(removed, 2, "{done:?}");
    assert_eq!(told(&test, &mut heard).await, ["+a", "-a"]);
    assert_eq!(bus.renew_lease("n2").await.unwrap().lapsed, Vec::<String>::new());
}

#[tokio::test]
async fn whoever_takes_over_a_burial_goes_on_where_it_ended() {
    let test = testing::store().await;
    let (bus, mut heard) = (&test.store.bus, listening(&test).await);
    a_and_b_come(bus).await;
    lapse(&test, "n1").await;
    // the first died after one entry
    let mut call = redis::cmd("SET");
    call.arg(bus.keys().live_burial("n1"))
        .arg("n2")
        .arg("PX")
        .arg(5_000);
    call.query_async::<()>(&mut bus.shared()).await.unwrap();
    apply(bus, &Presences::default(), "n1", 1, &[leave("a", 1)])
        .await
        .unwrap();
    assert_eq!(
        bury(bus, &Presences::default(), "n1", "n3").await.unwrap(),
        Burial::Claimed
    );
    testing::eventually("the claim has run out", async || {
        bury(bus, &Presences::default(), "n1", "n3").await.unwrap() == Burial::Done(1)
    })
    .await;
    assert_eq!(told(&test, &mut heard).await, ["+a", "+b", "-a", "-b"]);
}

#[tokio::test]
async fn a_node_that_comes_back_keeps_what_it_has_written_since() {
    let test = testing::store().await;
    let (bus, mut heard) = (&test.store.bus, listening(&test).await);
    a_and_b_come(bus).await;
    // seen lapsed, then back, and one client written again before the other's entry is cleared away
    apply(
        bus,
        &Presences::default(),
        "n1",
        2,
        &[step(Act::Note), again("a", 1, true)],
    )
    .await
    .unwrap();
    assert_eq!(
        purge(bus, &Presences::default(), APPLICATION, CHANNEL, "n1", 1)
            .await
            .unwrap(),
        1
    );
    apply(bus, &Presences::default(), "n1", 2, &[again("b", 2, true)])
        .await
        .unwrap();
    assert_eq!(
        told(&test, &mut heard).await,
        ["+a", "+b", "-b", "+b"],
        "who was said to have left has come again"
    );
    assert_eq!(present(&test).await, ["a", "b"]);
    assert_eq!(
        purge(bus, &Presences::default(), APPLICATION, CHANNEL, "n1", 1)
            .await
            .unwrap(),
        0
    );
}

#[tokio::test]
async fn after_a_flush_everybody_is_written_again_and_nobody_is_said_to_have_come() {
    let test = testing::store().await;
    let (bus, mut heard) = (&test.store.bus, listening(&test).await);
    bus.renew_lease("n1").await.unwrap();
    apply(
        bus,
        &Presences::default(),
        "n1",
        1,
        &[step(Act::Note), enter("a", 1), announce("a", 1)],
    )
    .await
    .unwrap();
    let mut flush = redis::cmd("DEL");
    flush
        .arg(bus.keys().live_presence(APPLICATION, CHANNEL))
        .arg(bus.keys().live_present("n1"));
    flush.query_async::<()>(&mut bus.shared()).await.unwrap();
    apply(
        bus,
        &Presences::default(),
        "n1",
        2,
        &[step(Act::Note), again("a", 1, true), leave("a", 1)],
    )
    .await
    .unwrap();
    assert_eq!(told(&test, &mut heard).await, ["+a", "-a"]);
}

#[tokio::test]
async fn what_a_node_wrote_that_is_gone_from_the_list_is_no_more_than_a_stray() {
    let test = testing::store().await;
    let bus = &test.store.bus;
    apply(bus, &Presences::default(), "n1", 1, &[enter("a", 1)])
        .await
        .unwrap();
    let seen = members(bus, APPLICATION, CHANNEL).await.unwrap();
    assert!(seen.present.is_empty() && seen.strays == BTreeSet::from(["n1".to_owned()]));
    assert_eq!(
        clear_stray(bus, &Presences::default(), APPLICATION, CHANNEL, "n1")
            .await
            .unwrap(),
        1
    );
    assert_eq!(
        members(bus, APPLICATION, CHANNEL).await.unwrap(),
        Members::default()
    );
    bus.renew_lease("n1").await.unwrap();
    apply(bus, &Presences::default(), "n1", 1, &[enter("a", 1)])
        .await
        .unwrap();
    assert_eq!(
        clear_stray(bus, &Presences::default(), APPLICATION, CHANNEL, "n1")
            .await
            .unwrap(),
        0,
        "it lives"
    );
}

#[tokio::test]
async fn a_channel_with_more_clients_than_a_page_is_read_and_cleared_away_in_full() {
    let test = testing::store().await;
    let bus = &test.store.bus;
    bus.renew_lease("n1").await.unwrap();
    let mut steps = vec![step(Act::Note)];
    steps.extend((0..2_500).map(|n| enter(&format!("c{n}"), n)));
    apply(bus, &Presences::default(), "n1", 1, &steps).await.unwrap();
    assert_eq!(present(&test).await.len(), 2_500);
    lapse(&test, "n1").await;
    assert_eq!(
        bury(bus, &Presences::default(), "n1", "n2").await.unwrap(),
        Burial::Done(2_500)
    );
    let key = bus.keys().live_presence(APPLICATION, CHANNEL);
    let there: bool = redis::cmd("EXISTS")
        .arg(key)
        .query_async(&mut bus.shared())
        .await
        .unwrap();
    assert!(!there);
}

proptest! {
    #[test]
    fn any_bytes_are_read_as_an_entry_or_refused_and_never_panic(bytes: Vec<u8>, text in "[a-z0-9\n]{0,40}") {
        let _ = (Entry::parse(&bytes), Entry::parse(text.as_bytes()));
    }
}
