//! What may be named: no word that hides what a thing does, no path that does not exist, no place that only some have.

use std::path::Path;

use super::{code, files, refuse, root};

#[test]
fn no_name_hides_what_a_thing_does() {
    let forbidden = ["utils", "util", "helpers", "helper", "common", "misc", "manager"];
    let mut offenders = Vec::new();
    for dir in [
        "src",
        "core/src",
        "actors/src",
        "jobs/src",
        "loadtests/src",
        "console/src",
    ] {
        for (path, text) in files(dir, &[".rs", ".ts", ".tsx"]) {
            let stem = Path::new(&path)
                .file_stem()
                .unwrap()
                .to_string_lossy()
                .into_owned();
            let folders = path
                .split('/')
                .map(str::to_lowercase)
                .chain([stem.to_lowercase()]);
            if folders.clone().any(|part| forbidden.contains(&part.as_str()))
                || stem.starts_with("new_")
                || stem.ends_with("_v2")
            {
                offenders.push(path.clone());
            }
            let rust = Path::new(&path).extension().is_some_and(|ending| ending == "rs");
            for line in code(&text)
                .lines()
                .filter(|line| rust && line.contains("struct "))
            {
                if line.contains("Manager ") || line.contains("Helper ") || line.contains("Utils ") {
                    offenders.push(format!("{path}: {}", line.trim()));
                }
            }
        }
    }
    refuse("Name it by what it does (DESIGN: names).", offenders);
}

#[test]
fn every_path_named_in_the_docs_exists() {
    let mut offenders = Vec::new();
    let mut pages = files("docs", &[".md"]);
    for name in [
        "README.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
        "loadtests/RESULTS.md",
    ] {
        if let Ok(text) = std::fs::read_to_string(root().join(name)) {
            pages.push((name.to_owned(), text));
        }
    }
    let roots = [
        "src/",
        "core/",
        "actors/",
        "jobs/",
        "migrations/",
        "static/",
        "loadtests/",
        "tests/",
        "docs/",
        "bin/",
        "console/",
        ".ci/",
        "deploy/",
        "proto/",
    ];
    for (page, text) in pages {
        for quoted in text.split('`').skip(1).step_by(2) {
            let path = quoted.split([' ', ':', '#']).next().unwrap_or_default();
            if roots.iter().any(|start| path.starts_with(start))
                && !path.contains(['*', '<', '{', '…'])
                && !root().join(path.trim_end_matches('/')).exists()
            {
                offenders.push(format!("{page} names {path}"));
            }
        }
    }
    refuse("Documents name only what exists.", offenders);
}

#[test]
fn nothing_names_a_registry_host_or_a_place_on_somebodys_machine() {
    let words = [
        ["crates", ".io/"].concat(),
        ["registry.", "npmjs"].concat(),
        ["/work", "/main"].concat(),
        ["/root", "/."].concat(),
    ];
    let mut offenders = Vec::new();
    for (path, text) in files(
        ".",
        &[
            ".rs", ".md", ".toml", ".json", ".ts", ".tsx", ".sh", ".mjs", ".yml", ".npmrc",
        ],
    ) {
        if path.ends_with("tests/tidy.rs") {
            continue;
        }
        offenders.extend(
            words
                .iter()
                .filter(|word| text.contains(*word))
                .map(|word| format!("{path} names {word}")),
        );
    }
    refuse("A project that names a place works only there.", offenders);
}
