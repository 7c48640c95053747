//! Whatever is changed while it is read.

use super::ordered::{boards, put_at};
use super::*;
use proptest::prelude::*;
use std::collections::BTreeSet;

#[derive(Clone, Debug)]
enum Turn {
    /// The entry's score is its value as well.
    Put(u8, i64),
    Remove(u8),
    Clear,
    /// Reads one page, or what follows the last one.
    Read,
    /// Forgets the pages read so far, and may turn around.
    Restart(bool),
}

fn turn() -> impl Strategy<Value = Turn> {
    let score = prop_oneof![4 => -3..3_i64, 1 => any::<i64>()];
    prop_oneof![
        6 => (0..12_u8, score).prop_map(|(key, score)| Turn::Put(key, score)),
        3 => (0..12_u8).prop_map(Turn::Remove),
        1 => Just(Turn::Clear),
        8 => Just(Turn::Read),
        1 => any::<bool>().prop_map(Turn::Restart),
    ]
}

/// Somebody who reads a map as the protocol wants it: pages of the state, and what changed since the first.
#[derive(Default)]
struct Reader {
    values: Values,
    on_pages: BTreeSet<String>,
    ascending: bool,
    after: Option<String>,
    from: Option<Position>,
}

impl Reader {
    fn new(ascending: bool) -> Self {
        Self {
            ascending,
            ..Self::default()
        }
    }

    async fn read(&mut self, test: &TestStore, options: &Options) {
        match (&self.from, &self.after) {
            (Some(from), None) => match changes(test, options, from.clone()).await {
                Ok(later) => {
                    for (_, payload) in &later.publications {
                        apply_to(&mut self.values, said(payload));
                    }
                    self.from = Some(later.position);
                }
                Err(BrokerError::Unrecoverable) => *self = Self::new(self.ascending),
                Err(error) => panic!("{error}"),
            },
            (from, after) => {
                let after = After {
                    place: after.as_deref().unwrap_or_default(),
                    ascending: self.ascending,
                };
                let page = page(&test.store.bus, CHANNEL, options, after, 3).await.unwrap();
                if from.as_ref().is_some_and(|from| from.epoch != page.epoch) {
                    *self = Self::new(self.ascending);
                    return;
                }
                let from = self.from.get_or_insert(page.position()).offset;
                // what is newer than the first page comes in the stream
                for (_, publication) in page.publications().filter(|(offset, _)| *offset <= from) {
                    let key = publication.key.clone().unwrap();
                    assert!(self.on_pages.insert(key), "an entry is on two pages");
                    apply_to(&mut self.values, publication);
                }
                self.after.clone_from(&page.next);
            }
        }
    }
}

#[test]
fn whoever_reads_pages_and_then_what_changed_has_the_map_whatever_moves_meanwhile() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let test = runtime.block_on(testing::store());
    proptest!(ProptestConfig::with_cases(48), |(turns in prop::collection::vec(turn(), 1..60), ordered: bool)| {
        runtime.block_on(async {
            let options = boards(ordered);
            clear(&test.store.bus, CHANNEL, &options).await.unwrap();
            let (mut model, mut reader) = (Values::new(), Reader::default());
            for turn in turns {
                match turn {
                    Turn::Put(key, score) => {
                        put_at(&test, &options, &format!("k{key}"), score).await;
                        model.insert(format!("k{key}"), score.to_string());
                    }
                    Turn::Remove(key) => {
                        remove(&test, &options, &format!("k{key}")).await;
                        model.remove(&format!("k{key}"));
                    }
                    Turn::Clear => {
                        clear(&test.store.bus, CHANNEL, &options).await.unwrap();
                        model.clear();
                    }
                    Turn::Read => reader.read(&test, &options).await,
                    Turn::Restart(ascending) => reader = Reader::new(ascending),
                }
            }
            // at most so many pages, and one reading of what changed
            for _ in 0..8 {
                reader.read(&test, &options).await;
            }
            assert_eq!(reader.values, model);
        });
    });
}
