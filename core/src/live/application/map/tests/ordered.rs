//! Maps whose entries have scores.

use super::*;
use proptest::prelude::*;

pub fn boards(ordered: bool) -> Options {
    let map = MapOptions {
        ordered,
        ..persistent()
    };
    let all = of(SubscriptionType::Map, map);
    all.of(CHANNEL).unwrap().as_ref().clone()
}

/// An entry whose value is its score.
pub async fn put_at(test: &TestStore, options: &Options, key: &str, score: i64) -> Changed {
    let publication = Publication {
        key: Some(key.to_owned()),
        data: score.to_string().into(),
        score,
        ..Publication::default()
    };
    let (bus, always) = (&test.store.bus, Change::Put(Condition::Always));
    change(bus, CHANNEL, options, always, publication, Extra::default())
        .await
        .unwrap()
}

/// Scores and keys of all entries, in the order in which pages of so many have them.
async fn read(test: &TestStore, options: &Options, ascending: bool, limit: usize) -> Vec<(i64, String)> {
    let (mut found, mut place) = (Vec::new(), String::new());
    loop {
        let after = After {
            place: &place,
            ascending,
        };
        let page = page(&test.store.bus, CHANNEL, options, after, limit)
            .await
            .unwrap();
        assert!(page.entries.len() <= limit);
        found.extend(
            page.publications()
                .map(|(_, entry)| (entry.score, entry.key.unwrap())),
        );
        match page.next {
            Some(next) => place = next,
            None => return found,
        }
    }
}

#[tokio::test]
async fn entries_of_an_ordered_map_are_read_by_score_the_highest_first_and_move_with_it() {
    let (test, options) = (testing::store().await, boards(true));
    for (key, score) in [
        ("ada", 5),
        ("bob", -7),
        ("eve", 5),
        ("joe", 0),
        ("zoe", i64::MAX),
        ("min", i64::MIN),
    ] {
        put_at(&test, &options, key, score).await;
    }
    let keys = async |ascending, limit| {
        let found = read(&test, &options, ascending, limit).await;
        found.into_iter().map(|(_, key)| key).collect::<Vec<_>>()
    };
    let highest_first = ["zoe", "eve", "ada", "joe", "bob", "min"];
    assert_eq!(keys(false, 100).await, highest_first);
    for limit in 1..4 {
        assert_eq!(keys(false, limit).await, highest_first);
        assert_eq!(
            keys(true, limit).await,
            ["min", "bob", "joe", "ada", "eve", "zoe"]
        );
    }
    put_at(&test, &options, "bob", 6).await;
    put_at(&test, &options, "zoe", 6).await;
    remove(&test, &options, "ada").await;
    assert_eq!(keys(false, 2).await, ["zoe", "bob", "eve", "joe", "min"]);
    let only = value(&test.store.bus, CHANNEL, &options, "bob").await.unwrap();
    assert_eq!(said(&only.entries[0].1).score, 6);
}

#[tokio::test]
async fn an_entry_of_an_ordered_map_lapses_as_any() {
    let test = testing::store().await;
    let map = MapOptions {
        mode: Some(MapMode::Recoverable),
        key_ttl: Duration::from_millis(40),
        ordered: true,
        ..MapOptions::default()
    };
    let namespaces = of(SubscriptionType::Map, map);
    let options = namespaces.of(CHANNEL).unwrap().as_ref().clone();
    put_at(&test, &options, "a", -1).await;
    eventually("the entry has lapsed", async || {
        sweep(&test.store.bus, &namespaces).await.unwrap() == 1
    })
    .await;
    assert_eq!(read(&test, &options, false, 5).await, []);
}

#[tokio::test]
async fn a_version_that_is_not_new_is_dropped_in_an_ordered_map_too() {
    let (test, options) = (testing::store().await, boards(true));
    for (version, why) in [(5, ""), (4, "version"), (5, "version"), (6, "")] {
        let extra = Extra {
            version,
            version_epoch: "e".into(),
            ..Extra::default()
        };
        let (bus, always) = (&test.store.bus, Change::Put(Condition::Always));
        let done = change(bus, CHANNEL, &options, always, entry_of("a", 1), extra).await;
        assert_eq!(done.unwrap().suppressed, why, "{version}");
    }
}

#[tokio::test]
async fn a_map_that_becomes_ordered_or_ceases_to_be_loses_no_entry() {
    let (test, plain, ordered) = (testing::store().await, boards(false), boards(true));
    for key in ["a", "b", "c"] {
        put_at(&test, &plain, key, 1).await;
    }
    put_at(&test, &ordered, "b", 9).await;
    put_at(&test, &ordered, "d", 2).await;
    for options in [&plain, &ordered] {
        for limit in [1, 2, 100] {
            let mut found = read(&test, options, false, limit).await;
            found.sort_by(|(_, one), (_, other)| one.cmp(other));
            let expected = [(1, "a"), (9, "b"), (1, "c"), (2, "d")];
            assert_eq!(found, expected.map(|(score, key)| (score, key.to_owned())));
        }
    }
    remove(&test, &plain, "b").await;
    remove(&test, &ordered, "a").await;
    for key in ["c", "d"] {
        put_at(&test, &ordered, key, 0).await;
    }
    let expected = [(0, "d".to_owned()), (0, "c".to_owned())];
    assert_eq!(read(&test, &ordered, false, 1).await, expected);
}

#[test]
fn whatever_the_scores_and_keys_are_pages_of_any_size_have_every_entry_once_in_order() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let test = runtime.block_on(testing::store());
    let score = prop_oneof![2 => -2..2_i64, 1 => any::<i64>()];
    let entries = prop::collection::btree_map("[a-c0-9é ]{1,4}", score, 0..20);
    proptest!(ProptestConfig::with_cases(24), |(entries in entries, limit in 1..6_usize, ascending: bool)| {
        runtime.block_on(async {
            let options = boards(true);
            clear(&test.store.bus, CHANNEL, &options).await.unwrap();
            for (key, score) in &entries {
                put_at(&test, &options, key, *score).await;
            }
            let mut expected: Vec<_> = entries.into_iter().map(|(key, score)| (score, key)).collect();
            expected.sort();
            if !ascending {
                expected.reverse();
            }
            assert_eq!(read(&test, &options, ascending, limit).await, expected);
        });
    });
}
