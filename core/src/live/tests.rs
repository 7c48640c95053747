use super::history::{self, Appended, Batch, Begin};
use super::position::Position;
use crate::bus::Signal;
use crate::testing;
use std::time::Duration;

fn payloads(range: std::ops::Range<u64>) -> Vec<Vec<u8>> {
    range.map(|n| format!("{{\"n\":{n}}}").into_bytes()).collect()
}

#[tokio::test]
async fn history_takes_only_the_next_position_and_ignores_a_repeat() {
    let test = testing::store().await;
    let (bus, organization) = (&test.store.bus, test.organization);
    let [three, four] = [3, 4].map(|offset| Position {
        epoch: "e1".to_owned(),
        offset,
    });
    let append = async |epoch: &str, begin: &Begin, first, range| {
        history::append(
            bus,
            organization,
            "feed:users",
            epoch,
            begin,
            first,
            &payloads(range),
        )
        .await
        .unwrap()
    };
    assert_eq!(append("e1", &Begin::Never, 1, 1..3).await, Appended::Behind(None));
    assert_eq!(append("e1", &Begin::Over(None), 1, 1..3).await, Appended::UpTo(2));
    assert_eq!(append("e1", &Begin::Over(None), 1, 1..3).await, Appended::UpTo(2));
    assert!(
        matches!(append("e1", &Begin::Over(None), 4, 4..5).await, Appended::Behind(Some(at)) if at.offset == 2)
    );
    assert_eq!(append("e1", &Begin::Over(None), 2, 2..5).await, Appended::UpTo(4));
    let read = history::read(bus, organization, "feed:users", 1, 10)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(read.position.offset, 4);
    assert_eq!(
        read.publications.iter().map(|(at, _)| *at).collect::<Vec<_>>(),
        [2, 3, 4]
    );
    assert!(
        matches!(append("e2", &Begin::Never, 5, 5..6).await, Appended::Behind(Some(at)) if at.epoch == "e1")
    );
    let stale = append("e2", &Begin::Over(Some(three)), 5, 5..6).await;
    assert_eq!(
        stale,
        Appended::Behind(Some(four.clone())),
        "begun over what was not seen"
    );
    assert_eq!(
        append("e2", &Begin::Over(Some(four)), 5, 5..6).await,
        Appended::UpTo(5)
    );
}

#[tokio::test]
async fn a_listener_hears_each_new_publication_once_in_order() {
    let test = testing::store().await;
    let bus = &test.store.bus;
    let mut listening = bus.subscribe(&bus.keys().fans()).await.unwrap();
    for first in [1, 1, 3] {
        history::append(
            bus,
            test.organization,
            "feed:users",
            "e",
            &Begin::Over(None),
            first,
            &payloads(first..first + 2),
        )
        .await
        .unwrap();
    }
    let mut heard = Vec::new();
    while heard.len() < 4 {
        let signal = tokio::time::timeout(Duration::from_secs(5), listening.next())
            .await
            .unwrap()
            .unwrap();
        if let Signal::Message { payload, .. } = signal {
            let batch = Batch::parse(&payload).unwrap();
            assert_eq!(
                (batch.organization, batch.channel.as_str()),
                (test.organization, "feed:users")
            );
            heard.extend(
                (batch.first..).zip(
                    batch
                        .payloads
                        .iter()
                        .map(|p| String::from_utf8(p.to_vec()).unwrap()),
                ),
            );
        }
    }
    let expected: Vec<_> = (1..5).map(|n| (n, format!("{{\"n\":{n}}}"))).collect();
    assert_eq!(heard, expected);
}
