//! Any sequence of acts on one channel, in Redis and on a plain list.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::super::*;
use super::{kept, of, texts};
use crate::testing;

const SIZE: usize = 4;

#[derive(Clone, Debug)]
enum Act {
    Publish {
        key: Option<u8>,
        skip: bool,
        version: u64,
        version_epoch: u8,
    },
    Read {
        since: Option<(u64, Of)>,
        limit: i32,
        reverse: bool,
    },
    Remove,
}

#[derive(Clone, Copy, Debug)]
enum Of {
    This,
    Any,
    Another,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let publish = (
        proptest::option::weighted(0.3, 0..3_u8),
        proptest::bool::weighted(0.1),
        0..4_u64,
        0..2_u8,
    )
        .prop_map(|(key, skip, version, version_epoch)| Act::Publish {
            key,
            skip,
            version,
            version_epoch,
        });
    let of = prop_oneof![4 => Just(Of::This), 4 => Just(Of::Any), 1 => Just(Of::Another)];
    let read = (proptest::option::of((0..16_u64, of)), -1..7_i32, any::<bool>()).prop_map(
        |(since, limit, reverse)| Act::Read {
            since,
            limit,
            reverse,
        },
    );
    proptest::collection::vec(
        prop_oneof![6 => publish, 6 => read, 1 => Just(Act::Remove)],
        1..40,
    )
}

/// The same, without Redis.
#[derive(Default)]
struct Model {
    top: u64,
    kept: Vec<(u64, String)>,
    version: Option<(u64, u8)>,
    results: BTreeMap<u8, u64>,
}

impl Model {
    fn publish(&mut self, text: String, act: &Act) -> u64 {
        let Act::Publish {
            key,
            skip,
            version,
            version_epoch,
        } = act
        else {
            unreachable!()
        };
        if let Some(before) = key.and_then(|key| self.results.get(&key)) {
            return *before;
        }
        let old = self.version.is_some_and(|(last, epoch)| {
            *version > 0 && (*version_epoch == 0 || *version_epoch == epoch) && last >= *version
        });
        let offset = if *skip {
            0
        } else if old {
            self.top
        } else {
            self.top += 1;
            self.kept.push((self.top, text));
            let surplus = self.kept.len().saturating_sub(SIZE);
            self.kept.drain(..surplus);
            if *version > 0 {
                self.version = Some((*version, *version_epoch));
            }
            self.top
        };
        if let Some(key) = key {
            self.results.insert(*key, offset);
        }
        offset
    }

    fn read(&self, since: Option<u64>, limit: i32, reverse: bool) -> Vec<(u64, String)> {
        let mut found = self.kept.clone();
        if reverse {
            found.reverse();
        }
        found.retain(|(at, _)| since.is_none_or(|since| if reverse { *at < since } else { *at > since }));
        found.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        found
    }
}

#[test]
fn any_sequence_of_publications_reads_and_removals_agrees_with_a_plain_list() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let test = runtime.block_on(testing::store());
    let case = std::cell::Cell::new(0);
    proptest!(ProptestConfig::with_cases(64), |(acts in acts())| {
        case.set(case.get() + 1);
        runtime.block_on(agrees(&test.store.bus, &format!("c{}", case.get()), acts))?;
    });
}

async fn agrees(bus: &Bus, channel: &str, acts: Vec<Act>) -> std::result::Result<(), TestCaseError> {
    let (options, mut model) = (kept(SIZE), Model::default());
    let epoch = position(bus, channel, &options).await.unwrap().epoch;
    for (n, act) in acts.into_iter().enumerate() {
        match &act {
            Act::Publish {
                key,
                skip,
                version,
                version_epoch,
            } => {
                let extra = Extra {
                    idempotency_key: key.map(|key| key.to_string()),
                    skip_history: *skip,
                    version: *version,
                    version_epoch: if *version_epoch == 0 {
                        String::new()
                    } else {
                        version_epoch.to_string()
                    },
                };
                let at = publish(bus, channel, &options, of(&n.to_string()), extra)
                    .await
                    .unwrap();
                prop_assert_eq!(at.offset, model.publish(n.to_string(), &act));
            }
            Act::Read {
                since,
                limit,
                reverse,
            } => {
                let place = since.map(|(offset, of)| Position {
                    offset,
                    epoch: match of {
                        Of::This => epoch.clone(),
                        Of::Any => String::new(),
                        Of::Another => "another".to_owned(),
                    },
                });
                let read = history(bus, channel, &options, place, *limit, *reverse).await;
                if matches!(since, Some((_, Of::Another))) {
                    prop_assert!(matches!(read, Err(BrokerError::Unrecoverable)));
                } else {
                    let read = read.unwrap();
                    prop_assert_eq!(
                        &read.position,
                        &Position {
                            epoch: epoch.clone(),
                            offset: model.top
                        }
                    );
                    prop_assert_eq!(
                        texts(&read),
                        model.read(since.map(|(offset, _)| offset), *limit, *reverse)
                    );
                }
            }
            Act::Remove => {
                remove_history(bus, channel).await.unwrap();
                model.kept.clear();
            }
        }
    }
    Ok(())
}
