mod model;

use super::*;
use crate::bus::Signal;
use crate::live::application::Format;
use crate::live::history::Batch;
use crate::testing;

fn kept(history_size: usize) -> Options {
    Options {
        history_size,
        history_ttl: Duration::from_mins(5),
        history_meta_ttl: Duration::from_hours(1),
        ..Options::default()
    }
}

fn of(text: &str) -> Publication {
    Publication {
        data: Bytes::from(serde_json::to_vec(text).unwrap()),
        ..Publication::default()
    }
}

fn keyed(key: &str) -> Extra {
    Extra {
        idempotency_key: Some(key.to_owned()),
        ..Extra::default()
    }
}

fn texts(history: &History) -> Vec<(u64, String)> {
    let text = |payload: &Bytes| match Message::parse(payload) {
        Some(Message::Publication(publication)) => serde_json::from_slice(&publication.data).unwrap(),
        other => panic!("{other:?}"),
    };
    history
        .publications
        .iter()
        .map(|(at, payload)| (*at, text(payload)))
        .collect()
}

#[tokio::test]
async fn a_part_of_history_ends_where_its_bytes_do_and_is_one_publication_at_least() {
    let test = testing::store().await;
    let bus = &test.store.bus;
    let options = kept(100);
    for n in 1..=40 {
        let long = of(&format!("{n} {}", "x".repeat(1_000)));
        publish(bus, "chat:1", &options, long, Extra::default())
            .await
            .unwrap();
    }
    let offsets = async |from, limit, reverse, bytes| {
        let since = Position {
            epoch: String::new(),
            offset: from,
        };
        let read = history_within(bus, "chat:1", &options, Some(since), limit, reverse, bytes);
        let read = read.await.unwrap();
        assert_eq!(read.position.offset, 40);
        read.publications
            .into_iter()
            .map(|(offset, _)| offset)
            .collect::<Vec<_>>()
    };
    assert_eq!(offsets(3, 100, false, 5_500).await, [4, 5, 6, 7, 8]);
    assert_eq!(offsets(3, 100, false, 1).await, [4]);
    assert_eq!(offsets(35, 100, true, 3_300).await, [34, 33, 32]);
    assert_eq!(
        offsets(0, 100, false, usize::MAX).await,
        (1..=40).collect::<Vec<_>>()
    );
    assert_eq!(
        offsets(0, 17, false, usize::MAX).await,
        (1..=17).collect::<Vec<_>>()
    );
    assert_eq!(
        offsets(41, 33, true, usize::MAX).await,
        (8..=40).rev().collect::<Vec<_>>()
    );
    assert_eq!(offsets(40, 100, false, usize::MAX).await, [] as [u64; 0]);
}

#[tokio::test]
async fn what_is_published_is_kept_counted_and_heard_by_every_node_in_one_step() {
    let test = testing::store().await;
    let bus = &test.store.bus;
    let mut listening = bus.subscribe(&bus.keys().fans()).await.unwrap();
    let options = kept(10);
    let first = publish(bus, "chat:1", &options, of("a"), Extra::default())
        .await
        .unwrap();
    let second = publish(bus, "chat:1", &options, of("b"), Extra::default())
        .await
        .unwrap();
    assert_eq!((first.offset, second.offset), (1, 2));
    assert!(!first.epoch.is_empty() && first.epoch == second.epoch);
    let mut heard = Vec::new();
    while heard.len() < 2 {
        if let Some(Signal::Message { payload, .. }) = listening.next().await {
            let batch = Batch::parse(&payload).unwrap();
            assert_eq!(
                (batch.organization, batch.channel.as_str()),
                (APPLICATION, "chat:1")
            );
            assert_eq!((&batch.epoch, batch.payloads.len()), (&first.epoch, 1));
            heard.push((batch.first, batch.payloads[0].clone()));
        }
    }
    let history = history(bus, "chat:1", &options, None, -1, false).await.unwrap();
    assert_eq!(
        (history.publications.clone(), history.position),
        (heard, second.clone())
    );
    let read = history::read(bus, APPLICATION, "chat:1", 1, 10)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (read.position, read.publications.len()),
        (second, 1),
        "the hub's own reader finds it too"
    );
}

#[tokio::test]
async fn a_run_is_kept_and_counted_as_if_published_one_by_one_and_heard_as_one() {
    let test = testing::store().await;
    let bus = &test.store.bus;
    let mut listening = bus.subscribe(&bus.keys().fans()).await.unwrap();
    let options = Options {
        publication_data_format: Format::Json,
        ..kept(3)
    };
    let first = publish(bus, "chat:1", &options, of("a"), Extra::default())
        .await
        .unwrap();
    let bad = Publication {
        data: Bytes::from_static(b"no json"),
        ..Publication::default()
    };
    let run = vec![of("b"), bad.clone(), of("c"), of("d")];
    let places = publish_run(bus, "chat:1", &options, run).await.unwrap();
    let offsets: Vec<_> = places
        .iter()
        .map(|place| place.as_ref().ok().map(|at| at.offset))
        .collect();
    assert_eq!(offsets, [Some(2), None, Some(3), Some(4)]);
    assert!(matches!(places[1], Err(BrokerError::Format)));
    assert!(places.iter().flatten().all(|place| place.epoch == first.epoch));
    let none = publish_run(bus, "chat:1", &options, vec![bad]).await.unwrap();
    assert!(matches!(none[..], [Err(BrokerError::Format)]));
    let history = history(bus, "chat:1", &options, None, -1, false).await.unwrap();
    let kept = [(2, "b"), (3, "c"), (4, "d")].map(|(at, text)| (at, text.to_owned()));
    assert_eq!((texts(&history), history.position.offset), (kept.to_vec(), 4));
    let unkept = publish_run(bus, "c", &Options::default(), vec![of("a"), of("b")])
        .await
        .unwrap();
    assert!(unkept.into_iter().all(|place| place.unwrap().offset == 0));
    let mut heard = Vec::new();
    while heard.len() < 3 {
        if let Some(Signal::Message { payload, .. }) = listening.next().await {
            let batch = Batch::parse(&payload).unwrap();
            heard.push((batch.channel, batch.first, batch.payloads.len()));
        }
    }
    let expected = [("chat:1", 1, 1), ("chat:1", 2, 3), ("c", 0, 2)];
    assert_eq!(
        heard,
        expected.map(|(channel, first, count)| (channel.to_owned(), first, count))
    );
}

#[tokio::test]
async fn what_is_not_kept_is_heard_without_a_place() {
    let test = testing::store().await;
    let bus = &test.store.bus;
    let mut listening = bus.subscribe(&bus.keys().fans()).await.unwrap();
    let nowhere = Position {
        epoch: String::new(),
        offset: 0,
    };
    let closed = Options::default();
    assert_eq!(
        publish(bus, "c", &closed, of("a"), Extra::default())
            .await
            .unwrap(),
        nowhere
    );
    let skipping = Extra {
        skip_history: true,
        ..Extra::default()
    };
    assert_eq!(
        publish(bus, "c", &kept(10), of("b"), skipping).await.unwrap(),
        nowhere
    );
    tell(bus, "c", &Message::Join(super::super::ClientInfo::default()))
        .await
        .unwrap();
    let mut heard = 0;
    while heard < 3 {
        if let Some(Signal::Message { payload, .. }) = listening.next().await {
            let batch = Batch::parse(&payload).unwrap();
            assert_eq!((batch.first, batch.epoch.as_str()), (0, ""));
            assert!(Message::parse(&batch.payloads[0]).is_some());
            heard += 1;
        }
    }
    assert_eq!(
        history(bus, "c", &closed, None, -1, false)
            .await
            .unwrap()
            .position,
        nowhere
    );
    let stands = position(bus, "c", &kept(10)).await.unwrap();
    assert_eq!(stands.offset, 0);
    let elsewhere = history(bus, "c", &closed, Some(stands), -1, false).await;
    assert!(matches!(elsewhere, Err(BrokerError::Unrecoverable)));
}

#[tokio::test]
async fn a_repeat_under_one_key_is_one_publication_kept_or_not() {
    let test = testing::store().await;
    let bus = &test.store.bus;
    for options in [kept(10), Options::default()] {
        let channel = format!("c{}", options.history_size);
        let mut listening = bus
            .subscribe(&[bus.keys().fan(APPLICATION, &channel)])
            .await
            .unwrap();
        let first = publish(bus, &channel, &options, of("a"), keyed("k"))
            .await
            .unwrap();
        for _ in 0..2 {
            let again = publish(bus, &channel, &options, of("other"), keyed("k"))
                .await
                .unwrap();
            assert_eq!(again, first);
        }
        publish(bus, &channel, &options, of("z"), keyed("l"))
            .await
            .unwrap();
        let mut heard = 0;
        loop {
            if let Some(Signal::Message { payload, .. }) = listening.next().await {
                heard += 1;
                if Batch::parse(&payload).unwrap().payloads[0] == Message::Publication(of("z")).encode() {
                    break;
                }
            }
        }
        assert_eq!(heard, 2, "a repeat was told");
        let key = bus.keys().live_result(APPLICATION, &channel, &digest(Some("k")));
        let left: u64 = redis::cmd("TTL")
            .arg(key)
            .query_async(&mut bus.shared())
            .await
            .unwrap();
        assert!((290..=300).contains(&left), "{left} s");
    }
}

#[tokio::test]
async fn a_publisher_that_races_itself_under_one_key_publishes_once() {
    let test = testing::store().await;
    let (bus, options) = (&test.store.bus, kept(10));
    let all = (0..16).map(|_| publish(bus, "c", &options, of("a"), keyed("k")));
    let offsets: Vec<u64> = futures::future::try_join_all(all)
        .await
        .unwrap()
        .into_iter()
        .map(|at| at.offset)
        .collect();
    assert_eq!(offsets, [1; 16]);
}

#[tokio::test]
async fn an_idle_channel_keeps_its_epoch_and_one_whose_history_was_removed_its_offset() {
    let test = testing::store().await;
    let (bus, options) = (&test.store.bus, kept(10));
    let begun = position(bus, "c", &options).await.unwrap();
    assert_eq!(position(bus, "c", &options).await.unwrap(), begun);
    let first = publish(bus, "c", &options, of("a"), Extra::default())
        .await
        .unwrap();
    assert_eq!((first.offset, &first.epoch), (1, &begun.epoch));
    remove_history(bus, "c").await.unwrap();
    let emptied = history(bus, "c", &options, Some(begun), -1, false).await.unwrap();
    assert_eq!((emptied.position, emptied.publications.len()), (first, 0));
    assert_eq!(
        publish(bus, "c", &options, of("b"), Extra::default())
            .await
            .unwrap()
            .offset,
        2
    );
    let meta = bus.keys().live_meta(APPLICATION, "c");
    let left: u64 = redis::cmd("TTL")
        .arg(meta)
        .query_async(&mut bus.shared())
        .await
        .unwrap();
    assert!((3_590..=3_600).contains(&left), "{left} s");
}

#[tokio::test]
async fn where_many_channels_stand_is_told_together_begins_none_and_makes_those_last_that_are_looked_at() {
    let test = testing::store().await;
    let (bus, options) = (&test.store.bus, Arc::new(kept(10)));
    let mut stand = Vec::new();
    for (channel, text) in [("a", "1"), ("b", "2"), ("a", "3")] {
        let published = publish(bus, channel, &options, of(text), Extra::default());
        stand.push(published.await.unwrap());
    }
    let meta = bus.keys().live_meta(APPLICATION, "a");
    let seconds = async |command: &mut redis::Cmd| -> i64 {
        command.arg(&meta).query_async(&mut bus.shared()).await.unwrap()
    };
    redis::cmd("EXPIRE")
        .arg(&meta)
        .arg(60)
        .query_async::<()>(&mut bus.shared())
        .await
        .unwrap();
    let unkept = Arc::new(Options::default());
    let asked = ["a", "nobody's", "b"].map(|channel| (channel, options.clone()));
    let all = [("kept nowhere", unkept.clone())].into_iter().chain(asked);
    let told = positions(bus, all).await.unwrap();
    assert_eq!(told, [None, Some(stand[2].clone()), None, Some(stand[1].clone())]);
    assert!(seconds(&mut redis::cmd("TTL")).await > 3_000, "it lasts again");
    let again = positions(bus, [("nobody's", options)].into_iter()).await;
    assert_eq!(again.unwrap(), [None], "being asked for begins nothing");
    let nothing = positions(bus, [("kept nowhere", unkept)].into_iter()).await;
    assert_eq!(nothing.unwrap(), [None]);
}

#[tokio::test]
async fn a_stream_that_redis_lost_begins_again_under_another_epoch_and_without_old_entries() {
    let test = testing::store().await;
    let (bus, options) = (&test.store.bus, kept(10));
    let before = publish(bus, "c", &options, of("a"), Extra::default())
        .await
        .unwrap();
    let meta = bus.keys().live_meta(APPLICATION, "c");
    redis::cmd("DEL")
        .arg(&meta)
        .query_async::<()>(&mut bus.shared())
        .await
        .unwrap();
    let lost = history(bus, "c", &options, Some(before.clone()), -1, false).await;
    assert!(matches!(lost, Err(BrokerError::Unrecoverable)));
    let after = history(bus, "c", &options, None, -1, false).await.unwrap();
    assert!(
        after.position.epoch != before.epoch && after.publications.is_empty() && after.position.offset == 0
    );
}

#[tokio::test]
async fn data_of_another_form_than_the_namespace_wants_is_refused() {
    let test = testing::store().await;
    let objects = Options {
        publication_data_format: Format::JsonObject,
        ..kept(10)
    };
    let refused = publish(&test.store.bus, "c", &objects, of("text"), Extra::default()).await;
    assert!(matches!(refused, Err(BrokerError::Format)));
}

#[tokio::test]
async fn json_over_many_lines_is_kept_on_one_and_bytes_stay_as_they_are() {
    let test = testing::store().await;
    let (bus, options) = (&test.store.bus, kept(10));
    for data in [b" {\n\"a\":\r\n1}\n".as_slice(), b"\x00\n\xff"] {
        let publication = Publication {
            data: Bytes::from_static(data),
            ..Publication::default()
        };
        publish(bus, "c", &options, publication, Extra::default())
            .await
            .unwrap();
    }
    let read = history(bus, "c", &options, None, -1, false).await.unwrap();
    let data = |n: usize| match Message::parse(&read.publications[n].1) {
        Some(Message::Publication(publication)) => publication.data,
        other => panic!("{other:?}"),
    };
    assert_eq!(
        (data(0), data(1)),
        (
            Bytes::from_static(b"{\"a\":1}"),
            Bytes::from_static(b"\x00\n\xff")
        )
    );
}
