//! Random files against a model that knows nothing of the code: plain maps, line by line.

use super::*;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use std::collections::BTreeMap;

/// One line of a file: address, name, phone, and whether it has one field too few.
type Line = (String, String, String, bool);

fn lines() -> impl Strategy<Value = Vec<Line>> {
    let email = prop_oneof![
        8 => (0..12_u8).prop_map(|n| format!("p{n}@x.example")),
        2 => (0..12_u8).prop_map(|n| format!(" P{n}@X.example ")),
        1 => Just("nobody".to_owned()),
        1 => Just(String::new()),
    ];
    let name = prop_oneof![4 => "[A-C]", 1 => Just("  ".to_owned()), 1 => Just(String::new()), 1 => Just("a\n\"b\", c;".to_owned())];
    let phone = prop_oneof![2 => "[0-2]", 2 => Just(String::new()), 1 => Just("9".repeat(65))];
    prop::collection::vec((email, name, phone, prop::bool::weighted(0.1)), 1..40)
}

fn existing() -> impl Strategy<Value = BTreeMap<u8, (String, bool)>> {
    prop::collection::btree_map(0..12_u8, ("[A-C]", prop::bool::weighted(0.3)), 0..8)
}

fn file(lines: &[Line], delimiter: u8, terminator: csv::Terminator) -> Vec<u8> {
    let mut writer = csv::WriterBuilder::new()
        .flexible(true)
        .delimiter(delimiter)
        .terminator(terminator)
        .from_writer(Vec::new());
    writer.write_record(["Phone", "E-mail", "Name"]).unwrap();
    for (email, name, phone, short) in lines {
        if *short {
            writer.write_record([phone, email]).unwrap();
        } else {
            writer.write_record([phone, email, name]).unwrap();
        }
    }
    writer.into_inner().unwrap()
}

#[derive(Debug, Default, PartialEq)]
struct Model {
    people: BTreeMap<String, (String, Option<String>, i64, bool)>,
    counts: Counts,
    rejected: Vec<usize>,
}

impl Model {
    fn import(&mut self, lines: &[Line]) {
        let mut seen = Vec::new();
        for (n, (email, name, phone, short)) in lines.iter().enumerate() {
            self.counts.total += 1;
            let email = email.trim().to_lowercase();
            let acceptable = !short && email.contains('@') && phone.len() <= 64 && !name.contains('\n');
            let deleted = self.people.get(&email).is_some_and(|person| person.3);
            if !acceptable || deleted || seen.contains(&email) {
                self.counts.rejected += 1;
                self.rejected.push(n);
                continue;
            }
            seen.push(email.clone());
            let (name, phone) = (
                name.trim().to_owned(),
                Some(phone.clone()).filter(|phone| !phone.is_empty()),
            );
            match self.people.get_mut(&email) {
                None => {
                    self.people.insert(email, (name, phone, 1, false));
                    self.counts.inserted += 1;
                }
                Some(person) => {
                    let before = person.clone();
                    if !name.is_empty() {
                        person.0 = name;
                    }
                    person.1 = phone.or(person.1.take());
                    if *person == before {
                        self.counts.unchanged += 1;
                    } else {
                        person.2 += 1;
                        self.counts.updated += 1;
                    }
                }
            }
        }
    }
}

#[tokio::test]
async fn random_files_end_as_an_independent_model_says() {
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let hub = Hub::new().await;
    for round in 0..24 {
        let existing = existing().new_tree(&mut runner).unwrap().current();
        let lines = lines().new_tree(&mut runner).unwrap().current();
        let mut tx = hub.test.store.db.bookkeeping().await.unwrap();
        sqlx::query!("DELETE FROM users WHERE email <> 'importer@hub.example'")
            .execute(&mut *tx)
            .await
            .unwrap();
        tx.commit().await.unwrap();
        let mut model = Model::default();
        for (n, (name, deleted)) in existing {
            let person = Person {
                deleted,
                ..Person::new(&format!("p{n}@x.example"), &name)
            };
            hub.add(&person).await;
            model.people.insert(person.email, (name, None, 1, deleted));
        }
        model.import(&lines);
        let delimiter = b",;\t"[round % 3];
        let terminator = if round % 2 == 0 {
            csv::Terminator::CRLF
        } else {
            csv::Terminator::Any(b'\n')
        };
        let bytes = file(&lines, delimiter, terminator);
        let tried = hub.import(&bytes, Mode::DryRun).await;
        let import = hub.import(&bytes, Mode::Commit).await;
        assert_eq!(import.counts, model.counts, "round {round}: {lines:?}");
        assert_eq!(tried.counts, model.counts, "dry, round {round}: {lines:?}");
        let people: BTreeMap<_, _> = hub
            .people()
            .await
            .into_iter()
            .map(|person| {
                (
                    person.email,
                    (person.name, person.phone, person.version, person.deleted),
                )
            })
            .collect();
        assert_eq!(people, model.people, "round {round}: {lines:?}");
        assert_eq!(hub.report(&hub.ctx, import.id).await.len(), model.rejected.len());
    }
}
