mod any_order;
mod ordered;
mod presence;

use super::*;
use crate::live::application::{MapMode, MapOptions, SubscriptionType};
use crate::live::history::History;
use crate::testing::{self, TestStore, eventually};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::time::Duration;

const CHANNEL: &str = "board:1";

fn of(kind: SubscriptionType, map: MapOptions) -> Namespaces {
    let options = Options {
        subscription_type: kind,
        map,
        ..Options::default()
    };
    let named = BTreeMap::from([("board".to_owned(), options)]);
    Namespaces::new(None, named, Duration::from_hours(1))
}

fn persistent() -> MapOptions {
    MapOptions {
        mode: Some(MapMode::Persistent),
        ..MapOptions::default()
    }
}

fn board() -> Options {
    let all = of(SubscriptionType::Map, persistent());
    all.of(CHANNEL).unwrap().as_ref().clone()
}

fn entry_of(key: &str, value: u32) -> Publication {
    Publication {
        key: Some(key.to_owned()),
        data: value.to_string().into(),
        ..Publication::default()
    }
}

async fn put(test: &TestStore, options: &Options, key: &str, value: u32) -> Changed {
    let (bus, always) = (&test.store.bus, Change::Put(Condition::Always));
    change(
        bus,
        CHANNEL,
        options,
        always,
        entry_of(key, value),
        Extra::default(),
    )
    .await
    .unwrap()
}

async fn remove(test: &TestStore, options: &Options, key: &str) -> Changed {
    let bus = &test.store.bus;
    change(
        bus,
        CHANNEL,
        options,
        Change::Remove,
        entry_of(key, 0),
        Extra::default(),
    )
    .await
    .unwrap()
}

type Values = BTreeMap<String, String>;

fn apply_to(values: &mut Values, publication: Publication) {
    let key = publication.key.unwrap();
    if publication.removed {
        values.remove(&key);
    } else {
        values.insert(key, String::from_utf8(publication.data.to_vec()).unwrap());
    }
}

fn behind(place: &str) -> After<'_> {
    After {
        place,
        ascending: false,
    }
}

/// The whole state, page by page, and where it stood at the first one.
async fn state(test: &TestStore, options: &Options, limit: usize) -> (Values, Position) {
    let (mut values, mut after, mut from) = (Values::new(), String::new(), None);
    loop {
        let page = page(&test.store.bus, CHANNEL, options, behind(&after), limit)
            .await
            .unwrap();
        assert!(page.entries.len() <= limit);
        from.get_or_insert(page.position());
        for (_, publication) in page.publications() {
            apply_to(&mut values, publication);
        }
        match page.next {
            Some(next) => after = next,
            None => return (values, from.unwrap()),
        }
    }
}

async fn changes(test: &TestStore, options: &Options, since: Position) -> Result<History, BrokerError> {
    broker::history(&test.store.bus, CHANNEL, options, Some(since), 10_000, false).await
}

fn said(payload: &Bytes) -> Publication {
    match Message::parse(payload) {
        Some(Message::Publication(publication)) => publication,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_stands_is_read_in_pages_by_key_and_every_change_is_in_the_stream() {
    let (test, options) = (testing::store().await, board());
    for n in 0..7_u32 {
        let changed = put(&test, &options, &format!("k{n}"), n).await;
        assert_eq!(
            (changed.position.offset, changed.suppressed.as_str()),
            (u64::from(n) + 1, "")
        );
    }
    assert_eq!(put(&test, &options, "k3", 33).await.position.offset, 8);
    assert_eq!(remove(&test, &options, "k5").await.position.offset, 9);
    let bus = &test.store.bus;
    let first = page(bus, CHANNEL, &options, behind(""), 4).await.unwrap();
    assert_eq!((first.next.as_deref(), first.offset), (Some("k3"), 9));
    let offsets: Vec<_> = first.entries.iter().map(|(offset, _)| *offset).collect();
    assert_eq!(offsets, [1, 2, 3, 8]);
    let last = page(bus, CHANNEL, &options, behind("k3"), 4).await.unwrap();
    assert_eq!((last.next, last.entries.len()), (None, 2));
    let only = value(bus, CHANNEL, &options, "k3").await.unwrap();
    assert_eq!(said(&only.entries[0].1).data, "33");
    let gone = value(bus, CHANNEL, &options, "k5").await.unwrap();
    assert!(gone.entries.is_empty());
    let since = Position {
        offset: 7,
        ..first.position()
    };
    let later = changes(&test, &options, since).await.unwrap();
    let told: Vec<_> = later
        .publications
        .iter()
        .map(|(_, payload)| said(payload))
        .collect();
    assert_eq!(told[0].key.as_deref(), Some("k3"));
    assert_eq!((told[1].key.as_deref(), told[1].removed), (Some("k5"), true));
    assert_eq!(stats(bus, CHANNEL).await.unwrap(), 6);
}

#[tokio::test]
async fn a_page_ends_before_it_is_too_long_for_one_message() {
    let (test, options) = (testing::store().await, board());
    let long = Bytes::from(format!("\"{}\"", "x".repeat(PAGE_BYTES / 2)));
    for key in ["a", "b", "c"] {
        let publication = Publication {
            data: long.clone(),
            ..entry_of(key, 0)
        };
        let always = Change::Put(Condition::Always);
        change(
            &test.store.bus,
            CHANNEL,
            &options,
            always,
            publication,
            Extra::default(),
        )
        .await
        .unwrap();
    }
    let first = page(&test.store.bus, CHANNEL, &options, After::default(), 100)
        .await
        .unwrap();
    assert_eq!((first.entries.len(), first.next.as_deref()), (1, Some("a")));
}

#[tokio::test]
async fn what_stands_is_never_of_an_offset_to_come_whoever_begins_a_stream_that_is_lost() {
    let (test, options) = (testing::store().await, board());
    let bus = &test.store.bus;
    for (key, value) in [("a", 1), ("b", 1), ("a", 2)] {
        put(&test, &options, key, value).await;
    }
    for by_history in [false, true] {
        let (_, before) = state(&test, &options, 10).await;
        redis::cmd("DEL")
            .arg(bus.keys().live_meta(APPLICATION, CHANNEL))
            .query_async::<()>(&mut bus.shared())
            .await
            .unwrap();
        if by_history {
            broker::position(bus, CHANNEL, &options).await.unwrap();
        }
        let page = page(bus, CHANNEL, &options, After::default(), 10).await.unwrap();
        assert_eq!((page.entries.len(), page.offset), (2, before.offset));
        assert_ne!(page.epoch, before.epoch);
        assert!(page.entries.iter().all(|(offset, _)| *offset <= page.offset));
        let next = put(&test, &options, "a", 3).await.position;
        let missed = changes(&test, &options, page.position()).await.unwrap();
        assert_eq!(missed.position, next);
        assert_eq!(missed.publications.len(), 1);
    }
}

#[tokio::test]
async fn what_may_not_be_changed_is_not_and_says_why() {
    let (test, mut options) = (testing::store().await, board());
    options.map.max_keys = 2;
    let bus = &test.store.bus;
    let attempt = async |what: Change, key: &str, extra: Extra| {
        let done = change(bus, CHANNEL, &options, what, entry_of(key, 1), extra).await;
        done.map(|changed| changed.suppressed)
    };
    let versioned = |version, epoch: &str| Extra {
        version,
        version_epoch: epoch.to_owned(),
        ..Extra::default()
    };
    let (always, plain) = (Change::Put(Condition::Always), Extra::default());
    let (new, old) = (Change::Put(Condition::IfNew), Change::Put(Condition::IfExists));
    let cases = [
        (Change::Remove, "a", plain.clone(), "key_not_found"),
        (old.clone(), "a", plain.clone(), "key_not_found"),
        (new.clone(), "a", versioned(5, "e"), ""),
        (new, "a", plain.clone(), "key_exists"),
        (old, "a", versioned(5, "e"), "version"),
        (always.clone(), "a", versioned(4, ""), "version"),
        (always.clone(), "a", versioned(1, "another"), ""),
        (always.clone(), "a", versioned(2, "another"), ""),
    ];
    for (n, (what, key, extra, why)) in cases.into_iter().enumerate() {
        assert_eq!(attempt(what, key, extra).await.unwrap(), why, "case {n}");
    }
    let once = Extra {
        idempotency_key: Some("once".into()),
        ..Extra::default()
    };
    assert_eq!(attempt(always.clone(), "b", once.clone()).await.unwrap(), "");
    assert_eq!(attempt(always.clone(), "b", once).await.unwrap(), "idempotency");
    assert!(matches!(
        attempt(always.clone(), "c", plain.clone()).await,
        Err(BrokerError::Full)
    ));
    assert_eq!(
        attempt(always.clone(), "b", plain.clone()).await.unwrap(),
        "",
        "one that stands"
    );
    for key in ["", &"k".repeat(MAX_KEY + 1)] {
        let refused = attempt(always.clone(), key, plain.clone()).await;
        assert!(matches!(refused, Err(BrokerError::Key)));
    }
    let stream = broker::publish(bus, CHANNEL, &options, entry_of("a", 1), broker::Extra::default()).await;
    assert!(matches!(stream, Err(BrokerError::Kind)));
    let presence = of(SubscriptionType::MapUsers, persistent());
    let written = change(
        bus,
        CHANNEL,
        presence.of(CHANNEL).unwrap(),
        always,
        entry_of("a", 1),
        plain,
    )
    .await;
    assert!(matches!(written, Err(BrokerError::Kind)));
}

#[tokio::test]
async fn keys_that_lapse_together_go_together_however_many_they_are() {
    let test = testing::store().await;
    let lapsing = MapOptions {
        mode: Some(MapMode::Recoverable),
        key_ttl: Duration::from_secs(2),
        ..MapOptions::default()
    };
    let namespaces = of(SubscriptionType::Map, lapsing);
    let options = namespaces.of(CHANNEL).unwrap().as_ref().clone();
    for n in 0..250 {
        put(&test, &options, &n.to_string(), n).await;
    }
    let put = std::time::Instant::now();
    eventually("the time of all is over", async || {
        put.elapsed() > Duration::from_millis(2_100)
    })
    .await;
    assert_eq!(sweep(&test.store.bus, &namespaces).await.unwrap(), 250);
}

#[tokio::test]
async fn a_key_that_is_not_published_again_lapses_and_is_removed_once() {
    let test = testing::store().await;
    let lapsing = MapOptions {
        mode: Some(MapMode::Recoverable),
        key_ttl: Duration::from_millis(40),
        ..MapOptions::default()
    };
    let namespaces = of(SubscriptionType::Map, lapsing);
    let options = namespaces.of(CHANNEL).unwrap().as_ref().clone();
    let bus = &test.store.bus;
    let key = "with \"quotes\" and é";
    put(&test, &options, key, 1).await;
    eventually("the key has lapsed", async || {
        sweep(bus, &namespaces).await.unwrap() == 1
    })
    .await;
    assert_eq!(sweep(bus, &namespaces).await.unwrap(), 0);
    let (values, position) = state(&test, &options, 10).await;
    assert!(values.is_empty());
    let since = Position {
        offset: 1,
        ..position
    };
    let told = changes(&test, &options, since).await.unwrap();
    let removal = said(&told.publications[0].1);
    assert_eq!((removal.key.as_deref(), removal.removed), (Some(key), true));
    // one whose time is over stands for nobody, swept or not
    put(&test, &options, "a", 1).await;
    let new = || {
        change(
            bus,
            CHANNEL,
            &options,
            Change::Put(Condition::IfNew),
            entry_of("a", 2),
            Extra::default(),
        )
    };
    eventually("it is new again", async || {
        new().await.unwrap().suppressed.is_empty()
    })
    .await;
}

#[tokio::test]
async fn a_map_that_is_cleared_begins_another_epoch() {
    let (test, options) = (testing::store().await, board());
    put(&test, &options, "a", 1).await;
    let (_, before) = state(&test, &options, 10).await;
    clear(&test.store.bus, CHANNEL, &options).await.unwrap();
    let (values, after) = state(&test, &options, 10).await;
    assert!(values.is_empty() && after.epoch != before.epoch);
    let lost = changes(&test, &options, before).await;
    assert!(matches!(lost, Err(BrokerError::Unrecoverable)));
}
