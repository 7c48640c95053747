//! The judgement: what was delivered is what was committed, in order, once. Pure.

use super::{Committed, Line};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// Examples of one kind of fault shown at most.
const EXAMPLES: usize = 5;

/// Events missed that the hub recovers, as its documents promise.
const RECOVERABLE: u64 = 300;

/// What the referee found. A fault is named by channel, id and version, or channel and offset.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct Verdict {
    pub committed: usize,
    /// Events heard, of those judged.
    pub delivered: usize,
    /// Times a stream could not be resumed and the state was fetched instead.
    pub refetched: usize,
    /// Of these, how often the stream had got a new epoch. Right only when Redis was ahead of PostgreSQL.
    pub renamed: usize,
    /// Of these, those for nothing: the stream was the same, and few enough events had been missed.
    pub needless: Faults,
    pub missing: Faults,
    /// Delivered and never committed.
    pub invented: Faults,
    pub doubled: Faults,
    /// A row's version came after a later one.
    pub misordered: Faults,
    /// Offsets that did not follow each other.
    pub jumped: Faults,
    /// What this listener may not see and was sent.
    pub leaked: Faults,
}

/// Faults of one kind.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct Faults {
    pub count: usize,
    pub examples: Vec<String>,
}

impl Faults {
    fn add(&mut self, example: String) {
        self.count += 1;
        if self.examples.len() < EXAMPLES {
            self.examples.push(example);
        }
    }
}

impl Verdict {
    /// Nothing missing, invented, doubled, out of order or leaked, and nothing fetched again for nothing.
    pub fn holds(&self) -> bool {
        [
            &self.needless,
            &self.missing,
            &self.invented,
            &self.doubled,
            &self.misordered,
            &self.jumped,
            &self.leaked,
        ]
        .iter()
        .all(|faults| faults.count == 0)
    }
}

type Key = (String, String, i64);

/// Judges. Of events on other channels than `feed:audit` only those of type `kind` are compared with `committed`; the
/// offsets of all are followed. What a refetched state shows counts as known, up to its version.
pub fn judge(heard: &[Line], committed: &[Committed], kind: &str) -> Verdict {
    let mut verdict = Verdict::default();
    let mut seen: BTreeSet<Key> = BTreeSet::new();
    let mut newest: BTreeMap<(String, String), i64> = BTreeMap::new();
    let mut known: BTreeMap<(String, String), i64> = BTreeMap::new();
    let mut at: BTreeMap<String, u64> = BTreeMap::new();
    let mut epochs: BTreeMap<String, String> = BTreeMap::new();
    for line in heard {
        match line {
            Line::From {
                channel,
                epoch,
                offset,
            } => {
                let before = at.insert(channel.clone(), *offset);
                let old = epochs.insert(channel.clone(), epoch.clone());
                if old.as_ref().is_some_and(|old| old != epoch) {
                    verdict.renamed += 1;
                } else if let Some(before) = before
                    && offset.saturating_sub(before) <= RECOVERABLE
                {
                    verdict.needless.add(format!("{channel} {before} to {offset}"));
                }
            }
            Line::Refetched { .. } => verdict.refetched += 1,
            Line::State { channel, id, version } => {
                let known = known.entry((channel.clone(), id.clone())).or_insert(*version);
                *known = (*known).max(*version);
            }
            Line::Event {
                channel,
                offset,
                kind: of,
                id,
                version,
            } => {
                let before = at.insert(channel.clone(), *offset);
                if before.is_none_or(|before| before + 1 != *offset) {
                    verdict.jumped.add(format!("{channel} {offset} after {before:?}"));
                }
                if channel != "feed:audit" && of != kind {
                    continue;
                }
                verdict.delivered += 1;
                if !seen.insert((channel.clone(), id.clone(), *version)) {
                    verdict.doubled.add(format!("{channel} {id} {version}"));
                }
                let newest = newest.entry((channel.clone(), id.clone())).or_insert(*version);
                if *newest > *version {
                    verdict
                        .misordered
                        .add(format!("{channel} {id} {version} after {newest}"));
                }
                *newest = (*newest).max(*version);
            }
            Line::Lost { .. } => {}
            Line::Leaked { channel, what } => verdict.leaked.add(format!("{channel} {what}")),
        }
    }
    compare(&mut verdict, &seen, &known, committed);
    verdict
}

fn compare(
    verdict: &mut Verdict,
    seen: &BTreeSet<Key>,
    known: &BTreeMap<(String, String), i64>,
    committed: &[Committed],
) {
    let committed: BTreeSet<Key> = committed
        .iter()
        .map(|one| (one.channel.clone(), one.id.clone(), one.version))
        .collect();
    verdict.committed = committed.len();
    for (channel, id, version) in committed.difference(seen) {
        let fetched = known.get(&(channel.clone(), id.clone()));
        if fetched.is_none_or(|fetched| fetched < version) {
            verdict.missing.add(format!("{channel} {id} {version}"));
        }
    }
    for (channel, id, version) in seen.difference(&committed) {
        verdict.invented.add(format!("{channel} {id} {version}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FEED: &str = "feed:users";

    fn event(offset: u64, id: &str, version: i64) -> Line {
        Line::Event {
            channel: FEED.into(),
            offset,
            kind: "user.updated".into(),
            id: id.into(),
            version,
        }
    }

    fn from(offset: u64) -> Line {
        from_in("e", offset)
    }

    fn from_in(epoch: &str, offset: u64) -> Line {
        Line::From {
            channel: FEED.into(),
            epoch: epoch.into(),
            offset,
        }
    }

    fn committed() -> Vec<Committed> {
        [("a", 1), ("a", 2), ("b", 1)]
            .map(|(id, version)| Committed {
                channel: FEED.into(),
                id: id.into(),
                version,
            })
            .to_vec()
    }

    fn verdict(heard: &[Line]) -> Verdict {
        judge(heard, &committed(), "user.updated")
    }

    #[test]
    fn what_was_committed_delivered_once_and_in_order_holds() {
        let verdict = verdict(&[from(0), event(1, "a", 1), event(2, "b", 1), event(3, "a", 2)]);
        assert!(verdict.holds(), "{verdict:?}");
        assert_eq!((verdict.committed, verdict.delivered), (3, 3));
    }

    #[test]
    fn one_dropped_one_doubled_and_two_swapped_are_each_seen() {
        let dropped = verdict(&[from(0), event(1, "a", 1), event(2, "b", 1)]);
        assert_eq!((dropped.missing.count, dropped.holds()), (1, false));
        let skipped = verdict(&[from(0), event(1, "a", 1), event(3, "a", 2)]);
        assert_eq!((skipped.jumped.count, skipped.missing.count), (1, 1));
        let doubled = verdict(&[
            from(0),
            event(1, "a", 1),
            event(2, "a", 1),
            event(3, "b", 1),
            event(4, "a", 2),
        ]);
        assert_eq!((doubled.doubled.count, doubled.holds()), (1, false));
        let swapped = verdict(&[from(0), event(1, "a", 2), event(2, "a", 1), event(3, "b", 1)]);
        assert_eq!((swapped.misordered.count, swapped.holds()), (1, false));
        let invented = verdict(&[
            from(0),
            event(1, "a", 1),
            event(2, "a", 2),
            event(3, "b", 1),
            event(4, "b", 2),
        ]);
        assert_eq!((invented.invented.count, invented.holds()), (1, false));
    }

    #[test]
    fn one_forbidden_text_is_a_fault_whatever_else_is_right() {
        let leaked = Line::Leaked {
            channel: FEED.into(),
            what: "a@example.com".into(),
        };
        let found = verdict(&[
            from(0),
            event(1, "a", 1),
            leaked,
            event(2, "a", 2),
            event(3, "b", 1),
        ]);
        assert_eq!((found.leaked.count, found.holds()), (1, false));
        assert_eq!((found.missing.count, found.jumped.count), (0, 0));
    }

    #[test]
    fn a_fetched_state_stands_for_what_it_replaces_and_for_nothing_later() {
        let state = Line::State {
            channel: FEED.into(),
            id: "a".into(),
            version: 1,
        };
        let refetched = Line::Refetched { channel: FEED.into() };
        let heard = [from(0), refetched, state, from(2), event(3, "b", 1)];
        let found = verdict(&heard);
        assert_eq!(
            (found.missing.examples, found.refetched),
            (vec!["feed:users a 2".to_owned()], 1)
        );
        assert_eq!(found.jumped.count, 0);
    }

    #[test]
    fn fetching_again_is_right_after_a_new_epoch_or_much_missed_and_else_for_nothing() {
        let refetched = Line::Refetched { channel: FEED.into() };
        let found = |then: Line| verdict(&[from(0), event(1, "a", 1), refetched.clone(), then]);
        let for_nothing = found(from(301));
        assert_eq!((for_nothing.needless.count, for_nothing.renamed), (1, 0));
        let much_missed = found(from(302));
        assert_eq!((much_missed.needless.count, much_missed.renamed), (0, 0));
        let renamed = found(from_in("other", 1));
        assert_eq!((renamed.needless.count, renamed.renamed), (0, 1));
    }
}
