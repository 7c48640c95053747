//! Rules of the design that no compiler holds. Plain std: it reads files and, for licences, asks cargo.
//!
//! Each test names a rule; its message names the file, the rule's reason and what to do. It also prints, without
//! failing, which files grow past 500 lines.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a checker fails by panicking"
)]

#[path = "tidy/bookkeeping.rs"]
mod bookkeeping;
#[path = "tidy/layout.rs"]
mod layout;
#[path = "tidy/naming.rs"]
mod naming;
#[path = "tidy/security.rs"]
mod security;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::Command;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Every file below `dir` whose name ends with one of `endings`, with its path from the root, in order.
fn files(dir: &str, endings: &[&str]) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut waiting = vec![root().join(dir)];
    while let Some(at) = waiting.pop() {
        for entry in std::fs::read_dir(&at).into_iter().flatten().flatten() {
            let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
            if path.is_dir() {
                if !["target", "node_modules", ".git"].contains(&name.as_str()) {
                    waiting.push(path);
                }
            } else if endings.iter().any(|ending| name.ends_with(ending)) {
                let from_root = path.strip_prefix(root()).unwrap().display().to_string();
                found.push((from_root, std::fs::read_to_string(&path).unwrap_or_default()));
            }
        }
    }
    found.sort();
    found
}

/// The code of a Rust file: without comments and without its `#[cfg(test)]` tail.
fn code(text: &str) -> String {
    let product = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or(text);
    product
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect::<Vec<_>>()
        .join("\n")
}

fn is_test(path: &str) -> bool {
    path.starts_with("tests/")
        || path.contains("/tests/")
        || path.ends_with("tests.rs")
        || path.ends_with("testing.rs")
        || path.contains("/testing/")
}

/// Whether `code` names crate or module `name` as a path: `name::`, `use name;`.
fn names(code: &str, name: &str) -> bool {
    let needle = format!("{name}::");
    code.match_indices(&needle).any(|(at, _)| {
        !code[..at].ends_with(|before: char| before.is_alphanumeric() || before == '_' || before == ':')
    })
}

fn refuse(rule: &str, offenders: Vec<String>) {
    assert!(offenders.is_empty(), "{rule}\n  {}", offenders.join("\n  "));
}

#[test]
fn every_actor_is_in_the_tree_and_every_job_in_the_registry_once() {
    let tree: String = files("src", &[".rs"])
        .into_iter()
        .chain(files("actors/src", &[".rs"]))
        .map(|(_, text)| code(&text))
        .collect();
    let mut offenders = Vec::new();
    for (path, text) in files("actors/src", &[".rs"]) {
        if path.contains("/supervision/") || is_test(&path) {
            continue;
        }
        for line in code(&text).lines() {
            if let Some(name) = line
                .trim()
                .strip_prefix("impl Actor for ")
                .and_then(|rest| rest.split([' ', '<', '{']).next())
                && !tree.contains(&format!("{name}::spec"))
                && tree.matches(&format!("{name} {{")).count() + tree.matches(&format!("{name}::")).count()
                    < 2
            {
                offenders.push(format!("{path}: {name} is started nowhere"));
            }
        }
    }
    refuse(
        "An actor outside the supervision tree is healed by nobody.",
        offenders,
    );
    let mut kinds = BTreeMap::<String, usize>::new();
    let registry = std::fs::read_to_string(root().join("jobs/src/registry.rs")).unwrap();
    for rest in code(&registry).split(" queue: ").skip(2) {
        let queue = rest.split(',').next().unwrap_or_default();
        *kinds.entry(queue.to_owned()).or_default() += 1;
    }
    assert!(
        kinds.len() > 4,
        "the registry is written in another way: {kinds:?}"
    );
    refuse(
        "A job kind is registered once.",
        kinds
            .into_iter()
            .filter(|(_, times)| *times > 1)
            .map(|(kind, times)| format!("{kind}: {times} times"))
            .collect(),
    );
}

#[test]
fn every_route_is_named_by_a_test() {
    let tests: String = files("tests", &[".rs", ".mjs", ".js"])
        .into_iter()
        .chain(files("console/e2e", &[".mjs"]))
        .map(|(_, text)| text)
        .collect();
    let spec = std::fs::read_to_string(root().join("docs/openapi.json")).unwrap_or_default();
    let mut offenders = Vec::new();
    for line in spec.lines() {
        let Some(path) = line
            .trim()
            .strip_prefix("\"/")
            .and_then(|rest| rest.split('"').next())
        else {
            continue;
        };
        if !path.starts_with("api/") {
            continue;
        }
        // the fixed part before the first parameter, and the verb after the last
        let fixed = path.split('{').next().unwrap_or_default().trim_end_matches('/');
        let last = path.rsplit('/').next().unwrap_or_default();
        let short = fixed.trim_start_matches("api/v1");
        let named = tests.contains(short) && (last.starts_with('{') || tests.contains(last));
        if !named {
            offenders.push(format!("/{path}"));
        }
    }
    refuse("Each route has its test.", offenders);
}

#[test]
fn no_profile_aborts_on_panic() {
    let manifest = std::fs::read_to_string(root().join("Cargo.toml")).unwrap();
    assert!(
        !manifest.contains("panic = \"abort\""),
        "supervision relies on unwinding"
    );
}

#[test]
fn every_dependency_has_a_licence_of_the_list() {
    let deny = std::fs::read_to_string(root().join("deny.toml")).unwrap();
    let list = deny.split("allow = [").nth(1).unwrap().split(']').next().unwrap();
    let allowed: BTreeSet<&str> = list.split('"').skip(1).step_by(2).collect();
    let output = Command::new(env!("CARGO"))
        .args([
            "tree",
            "--workspace",
            "--edges",
            "normal,build",
            "--prefix",
            "none",
            "--format",
            "{p}|{l}",
        ])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let mut offenders = BTreeSet::new();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let Some((package, licence)) = line.rsplit_once('|') else {
            continue;
        };
        if licence.is_empty() && line.contains(" (*)") {
            continue;
        }
        let licence = licence.trim_end_matches(" (*)").replace('/', " OR ");
        // "A OR B" needs one of them, "A AND B" both; an exception (WITH) only ever adds rights
        let fits = licence.replace(['(', ')'], "").split(" OR ").any(|choice| {
            choice
                .split(" AND ")
                .all(|one| allowed.contains(one.split(" WITH ").next().unwrap_or_default().trim()))
        });
        if !fits {
            offenders.insert(format!("{package}: {licence}"));
        }
    }
    refuse(
        "A dependency's licence is permissive and on the list in deny.toml.",
        offenders.into_iter().collect(),
    );
}

#[test]
fn long_files_are_told() {
    for dir in [
        "src",
        "core/src",
        "actors/src",
        "actors/tests",
        "jobs/src",
        "loadtests/src",
        "tests",
        "console/src",
    ] {
        for (path, text) in files(dir, &[".rs", ".ts", ".tsx"]) {
            let lines = text.lines().count();
            if lines > 500 && !path.contains(".gen.") {
                println!("{path} has {lines} lines: look whether it holds two things");
            }
        }
    }
}
