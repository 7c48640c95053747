//! docs/SECURITY.md and the tests that it names are equal: each requirement of ASVS in its tables has a test with its id in
//! the name, or a reason why not; each such test stands in a table; no requirement of levels 1 and 2 is missing; and the
//! numbers at its head are what the tables come to.

use std::collections::{BTreeMap, BTreeSet};

use super::{files, refuse, root};

/// Sections of ASVS 5.0.0, and how many requirements of levels 1 and 2 each has: its first ones, those of level 3 come after.
const SECTIONS: &[(&str, u32)] = &[
    ("1.1", 2),
    ("1.2", 9),
    ("1.3", 11),
    ("1.4", 3),
    ("1.5", 2),
    ("2.1", 3),
    ("2.2", 3),
    ("2.3", 4),
    ("2.4", 1),
    ("3.2", 2),
    ("3.3", 4),
    ("3.4", 6),
    ("3.5", 5),
    ("3.7", 2),
    ("4.1", 3),
    ("4.2", 1),
    ("4.3", 2),
    ("4.4", 4),
    ("5.1", 1),
    ("5.2", 3),
    ("5.3", 2),
    ("5.4", 3),
    ("6.1", 3),
    ("6.2", 12),
    ("6.3", 4),
    ("6.4", 4),
    ("6.5", 5),
    ("6.6", 3),
    ("6.8", 4),
    ("7.1", 3),
    ("7.2", 4),
    ("7.3", 2),
    ("7.4", 5),
    ("7.5", 2),
    ("7.6", 2),
    ("8.1", 2),
    ("8.2", 3),
    ("8.3", 1),
    ("8.4", 1),
    ("9.1", 3),
    ("9.2", 4),
    ("10.1", 2),
    ("10.2", 2),
    ("10.3", 4),
    ("10.4", 11),
    ("10.5", 5),
    ("10.6", 2),
    ("10.7", 3),
    ("11.1", 2),
    ("11.2", 3),
    ("11.3", 3),
    ("11.4", 4),
    ("11.5", 1),
    ("11.6", 1),
    ("12.1", 3),
    ("12.2", 2),
    ("12.3", 4),
    ("13.1", 1),
    ("13.2", 5),
    ("13.3", 2),
    ("13.4", 5),
    ("14.1", 2),
    ("14.2", 4),
    ("14.3", 3),
    ("15.1", 3),
    ("15.2", 3),
    ("15.3", 7),
    ("16.1", 1),
    ("16.2", 5),
    ("16.3", 4),
    ("16.4", 3),
    ("16.5", 3),
    ("17.1", 1),
    ("17.2", 4),
    ("17.3", 2),
];

/// Every requirement of levels 1 and 2.
fn required() -> BTreeSet<String> {
    let all = SECTIONS.iter();
    all.flat_map(|(section, count)| (1..=*count).map(move |number| format!("v5.0.0-{section}.{number}")))
        .collect()
}

/// `v5.0.0-6.2.1` as it begins a test's name: `v5_0_0_6_2_1_`.
fn beginning(id: &str) -> String {
    format!("{}_", id.replace(['.', '-'], "_"))
}

/// The names of tests of requirements.
fn tests() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (_, text) in files("tests", &[".rs"]) {
        for line in text.lines() {
            let name = line
                .trim()
                .trim_start_matches("async ")
                .strip_prefix("fn v5_0_0_");
            found.extend(name.map(|rest| format!("v5_0_0_{}", rest.split('(').next().unwrap_or_default())));
        }
    }
    found
}

/// How far a requirement is covered.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Covered {
    Whole,
    InPart,
    Not,
    NeverApplies,
}

/// A row of the tables.
struct Row {
    ids: Vec<String>,
    covered: Covered,
    /// The test, where there is one.
    test: Option<String>,
}

/// What stands in the tables.
fn rows(page: &str) -> Vec<Row> {
    let rows = page.lines().filter(|line| line.starts_with("| v5.0.0-"));
    rows.map(|row| {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let shown = *cells.last().unwrap();
        let covered = match shown.split(": ").next() {
            Some("not covered") => Covered::Not,
            Some("does not apply") => Covered::NeverApplies,
            Some("in part") => Covered::InPart,
            _ => Covered::Whole,
        };
        let named = matches!(covered, Covered::Whole | Covered::InPart);
        let test = named.then(|| shown.split('`').nth(1).unwrap_or_default().to_owned());
        Row {
            ids: cells[0].split(", ").map(str::to_owned).collect(),
            covered,
            test,
        }
    })
    .collect()
}

/// The table at the head, as it has to be: requirements of each chapter, of all, and of level 3.
fn counts(rows: &[Row]) -> BTreeMap<String, [usize; 5]> {
    let required = required();
    let mut counts = BTreeMap::<String, [usize; 5]>::new();
    for row in rows {
        for id in &row.ids {
            let chapter = id
                .trim_start_matches("v5.0.0-")
                .split('.')
                .next()
                .unwrap_or_default();
            let lines = if required.contains(id) {
                vec![format!("V{chapter}"), "all".to_owned()]
            } else {
                vec!["level 3".to_owned()]
            };
            for line in lines {
                let numbers = counts.entry(line).or_default();
                numbers[0] += 1;
                numbers[1 + row.covered as usize] += 1;
            }
        }
    }
    counts
}

#[test]
fn each_requirement_in_the_security_page_has_its_test_or_a_reason_and_each_such_test_stands_there() {
    let page = std::fs::read_to_string(root().join("docs/SECURITY.md")).unwrap();
    let (tests, rows) = (tests(), rows(&page));
    let (mut offenders, mut named, mut seen) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
    for row in &rows {
        let ids = &row.ids;
        for id in ids {
            if !id.starts_with("v5.0.0-") || !seen.insert(id.clone()) {
                offenders.push(format!("{id} is no id of a requirement, or stands there twice"));
            }
        }
        let Some(test) = &row.test else {
            let tested = ids
                .iter()
                .find(|id| tests.iter().any(|test| test.starts_with(&beginning(id))));
            offenders.extend(tested.map(|id| format!("{id} is said to be without a test, and has one")));
            continue;
        };
        if ids.len() != 1 || !test.starts_with(&beginning(&ids[0])) || !tests.contains(test) {
            offenders.push(format!("{ids:?}: there is no test `{test}`, named by its id"));
        }
        named.insert(test.clone());
    }
    let unlisted = tests.difference(&named);
    offenders.extend(unlisted.map(|test| format!("{test} stands in no table of docs/SECURITY.md")));
    let missing = required().difference(&seen).cloned().collect::<Vec<_>>();
    offenders.extend(missing.iter().map(|id| format!("{id} stands in no table")));
    refuse("A requirement is adopted with a test, and listed.", offenders);
    assert!(named.len() >= 50, "only {} requirements have tests", named.len());
}

#[test]
fn the_numbers_at_the_head_of_the_security_page_are_what_its_tables_come_to() {
    let page = std::fs::read_to_string(root().join("docs/SECURITY.md")).unwrap();
    let mut told = BTreeMap::new();
    for line in page.lines().filter(|line| line.starts_with("| ")) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let numbers: Vec<usize> = cells[1..].iter().filter_map(|cell| cell.parse().ok()).collect();
        if let Ok(numbers) = <[usize; 5]>::try_from(numbers) {
            told.insert(cells[0].split(',').next().unwrap_or_default().to_owned(), numbers);
        }
    }
    let lines = |counts: &BTreeMap<String, [usize; 5]>| {
        let lines = counts.iter();
        lines
            .map(|(name, numbers)| format!("{name}: {numbers:?}"))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        lines(&told),
        lines(&counts(&rows(&page))),
        "left: the page, right: its tables"
    );
}
