//! docs/SECURITY.md and the tests that it names are equal: each requirement of ASVS in its tables has a test with its id in
//! the name, or a reason why not; and each such test stands in a table.

use std::collections::BTreeSet;

use super::{files, refuse, root};

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

/// What stands in the tables: ids, and what shows them.
fn rows(page: &str) -> Vec<(Vec<String>, String)> {
    let rows = page.lines().filter(|line| line.starts_with("| v5.0.0-"));
    rows.map(|row| {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let ids = cells[0].split(", ").map(str::to_owned);
        (ids.collect(), (*cells.last().unwrap()).to_owned())
    })
    .collect()
}

#[test]
fn each_requirement_in_the_security_page_has_its_test_or_a_reason_and_each_such_test_stands_there() {
    let page = std::fs::read_to_string(root().join("docs/SECURITY.md")).unwrap();
    let (tests, rows) = (tests(), rows(&page));
    let (mut offenders, mut named, mut seen) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
    for (ids, shown) in &rows {
        for id in ids {
            if !id.starts_with("v5.0.0-") || !seen.insert(id.clone()) {
                offenders.push(format!("{id} is no id of a requirement, or stands there twice"));
            }
        }
        if shown.starts_with("not covered: ") || shown.starts_with("does not apply: ") {
            let tested = ids
                .iter()
                .find(|id| tests.iter().any(|test| test.starts_with(&beginning(id))));
            offenders.extend(tested.map(|id| format!("{id} is said to be without a test, and has one")));
            continue;
        }
        let test = shown.trim_matches('`').to_owned();
        if ids.len() != 1 || !test.starts_with(&beginning(&ids[0])) || !tests.contains(&test) {
            offenders.push(format!("{ids:?}: there is no test `{test}`, named by its id"));
        }
        named.insert(test);
    }
    offenders.extend(
        tests
            .difference(&named)
            .map(|test| format!("{test} stands in no table of docs/SECURITY.md")),
    );
    refuse("A requirement is adopted with a test, and listed.", offenders);
    assert!(named.len() >= 50, "only {} requirements have tests", named.len());
}
