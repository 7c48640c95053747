//! What stands where: which crate and floor may name which, where a package is named, and where SQL stands.

use std::collections::{BTreeMap, BTreeSet};

use super::{code, files, is_test, names, refuse};

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
                "{path}: {home} stands on no floor; add it to FLOORS in tests/tidy/layout.rs"
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
