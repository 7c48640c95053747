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
#[path = "tidy/security.rs"]
mod security;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
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
fn crates_point_downwards_only() {
    let allowed: &[(&str, &[&str])] = &[
        ("core", &[]),
        ("actors", &["signalbox_core"]),
        ("jobs", &["signalbox_core"]),
    ];
    let mut offenders = Vec::new();
    for (floor, may) in allowed {
        for (path, text) in files(&format!("{floor}/src"), &[".rs"]) {
            for other in [
                "signalbox",
                "signalbox_core",
                "signalbox_actors",
                "signalbox_jobs",
            ] {
                if names(&code(&text), other) && !may.contains(&other) {
                    offenders.push(format!("{path} names {other}"));
                }
            }
        }
    }
    refuse(
        "src -> actors, jobs, core; actors -> core; jobs -> core; nothing else (DESIGN: layout).",
        offenders,
    );
}

#[test]
fn each_package_is_named_only_where_it_belongs() {
    // package, path prefixes that may name it
    let owners: &[(&str, &[&str])] = &[
        ("sqlx", &["core/src/"]),
        // private_services has a module of that name: it starts the server and speaks no Redis
        ("redis", &["core/src/", "actors/src/private_services/"]),
        ("bb8_redis", &["core/src/bus/"]),
        ("apalis", &["jobs/src/"]),
        ("apalis_core", &["jobs/src/"]),
        ("actix", &["actors/src/", "src/live/"]),
        ("actix_web", &["src/"]),
        ("actix_web_actors", &["src/live/socket.rs"]),
        ("actix_http", &["src/live/", "src/listener.rs"]),
        ("actix_codec", &["src/listener.rs"]),
        ("actix_service", &["src/listener.rs"]),
        ("reqwest", &["core/src/outbound/"]),
        ("governor", &["src/http/", "actors/src/courier"]),
    ];
    let mut offenders = Vec::new();
    for floor in ["src", "core/src", "actors/src", "jobs/src"] {
        for (path, text) in files(floor, &[".rs"]) {
            if is_test(&path) {
                continue;
            }
            let code = code(&text);
            for (package, places) in owners {
                if names(&code, package) && !places.iter().any(|place| path.starts_with(place)) {
                    offenders.push(format!(
                        "{path} names {package}, which belongs to {}",
                        places.join(", ")
                    ));
                }
            }
        }
    }
    refuse(
        "A package has one home, so that replacing it is work in one place.",
        offenders,
    );
}

/// Core's floors, lowest first; peers on one floor do not name each other.
const FLOORS: &[&[&str]] = &[
    &["kernel", "fault"],
    &["outbound"],
    &["db"],
    &["bus"],
    &["settings"],
    &["store"],
    &["people"],
    &[
        "outbox", "audit", "activity", "jobs", "files", "live", "leaders", "limits", "overview",
    ],
    &["change", "outbox_relay"],
    &["messages"],
    &["users", "ip_rules"],
    &["teams", "sessions", "roles", "connections", "profiles"],
    &["api_keys", "factors"],
    &["auth", "analytics", "organizations"],
    &["recovery"],
    &["invitations", "email_changes", "sign_ups"],
    &[
        "imports",
        "providers",
        "bulk",
        "saved_filters",
        "impersonation",
        "personal_data",
    ],
    &["demo"],
];

#[test]
fn cores_floors_are_acyclic() {
    let floor = |name: &str| FLOORS.iter().position(|floor| floor.contains(&name));
    let mut offenders = Vec::new();
    for (path, text) in files("core/src", &[".rs"]) {
        let Some(home) = path
            .strip_prefix("core/src/")
            .and_then(|rest| rest.split(['/', '.']).next())
        else {
            continue;
        };
        if is_test(&path) || home == "lib" {
            continue;
        }
        let Some(mine) = floor(home) else {
            offenders.push(format!(
                "{path}: {home} stands on no floor; add it to FLOORS in tests/tidy.rs"
            ));
            continue;
        };
        let code = code(&text);
        for (at, _) in code.match_indices("crate::") {
            let named: String = code[at + 7..]
                .chars()
                .take_while(|c| c.is_alphanumeric() || *c == '_')
                .collect();
            if named != home && floor(&named).is_some_and(|other| other > mine) {
                offenders.push(format!("{path} looks up to {named}"));
            }
        }
    }
    offenders.dedup();
    refuse(
        "Inside core a floor names only floors below; peers talk by events (DESIGN: layout).",
        offenders,
    );
}

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
fn sql_stands_in_core_only() {
    let verbs = ["SELECT ", "INSERT INTO ", "UPDATE ", "DELETE FROM "];
    let mut offenders = Vec::new();
    for dir in ["src", "actors/src", "jobs/src"] {
        for (path, text) in files(dir, &[".rs"]) {
            if is_test(&path) || path.starts_with("actors/src/private_services/") {
                // the private servers' own cluster is made before core can reach it
                continue;
            }
            for line in code(&text).lines() {
                let quoted = line.trim_start().trim_start_matches("r#").trim_start_matches('"');
                if line.contains('"') && verbs.iter().any(|verb| quoted.starts_with(verb)) {
                    offenders.push(format!("{path}: {}", line.trim()));
                }
            }
        }
    }
    refuse(
        "SQL stands in core, where it is checked at compile time.",
        offenders,
    );
}

#[test]
fn built_queries_stand_in_a_features_search_and_copy_in_one_file() {
    // path, why it may hold a query that the compiler cannot check
    let allowed: BTreeMap<&str, &str> = BTreeMap::from([
        ("core/src/db/mod.rs", "BEGIN with the organization"),
        (
            "core/src/db/migrate.rs",
            "sqlx's own table, absent before the first run",
        ),
        (
            "core/src/kernel/permission/filter.rs",
            "the one definition of which rows a permission reaches, added to the searches' statements",
        ),
    ]);
    let mut offenders = Vec::new();
    let mut copies = BTreeSet::new();
    for (path, text) in files("core/src", &[".rs"]) {
        if is_test(&path) {
            continue;
        }
        let code = code(&text);
        let built = [
            "AssertSqlSafe",
            "QueryBuilder",
            "sqlx::query(",
            "sqlx::query_scalar(",
            "sqlx::query_as(",
            "sqlx::raw_sql(",
        ];
        if built.iter().any(|word| code.contains(word))
            && !path.ends_with("/search.rs")
            && !path.ends_with("/copy.rs")
            && !allowed.contains_key(path.as_str())
        {
            offenders.push(path.clone());
        }
        if code.contains("COPY ") && code.contains("copy_in") {
            copies.insert(path);
        }
    }
    refuse(
        "Checked macros everywhere; a query built at run time stands in <feature>/search.rs, COPY in one copy.rs.",
        offenders,
    );
    assert!(copies.len() <= 1, "COPY stands in more than one file: {copies:?}");
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
    for (_, text) in files("jobs/src", &[".rs"]) {
        for rest in code(&text).split("Registered::new(").skip(1) {
            *kinds
                .entry(
                    rest.split([',', ')'])
                        .next()
                        .unwrap_or_default()
                        .trim()
                        .to_owned(),
                )
                .or_default() += 1;
        }
    }
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
