//! What the machine writes about itself, past `Change`: a list of tables and columns, and a walk through the code that
//! finds what is really written so. The two are equal, so a new write of this kind is seen by whoever reads the list.

use std::collections::{BTreeMap, BTreeSet};

use super::{code, files, is_test, refuse};

/// Table, and the columns that may be updated; `+` may be inserted, `-` deleted.
const WRITTEN: &[(&str, &str)] = &[
    ("api_keys", "first_used_at last_used_at last_used_ip"),
    ("audit_chain", "+"),
    ("audit_checkpoints", "+"),
    ("audit_unchained", "-"),
    ("auth_tickets", "+ -"),
    ("auth_tokens", "+ - binding successor used_at"),
    ("counters", "+ updated_at value"),
    ("development_outbox", "+ -"),
    ("email_changes", "-"),
    // and, by ON CONFLICT, blocked_until code_tries failed_at failures
    ("factor_attempts", "+"),
    ("file_chunks", "+"),
    ("files", "+ - complete sha256 size"),
    ("idempotency", "-"),
    ("import_rejects", "+"),
    ("import_rows", "+ -"),
    (
        "imports",
        "inserted phase rejected staged total unchanged updated version",
    ),
    ("job_events", "+ -"),
    ("job_leases", "+ - boot epoch node until"),
    (
        "jobs",
        "- attempt checkpoint crashes crashes_in_a_row dispatched_at epoch errors failures finished_at progress_done progress_phase progress_total result run_at started_at state version",
    ),
    ("leaders", "+ epoch holder until"),
    ("linked_accounts", "last_used_at"),
    ("live_channels", "+ - epoch top updated_at"),
    ("outbox", "+ - ordered_at published_at"),
    ("outbox_positions", "+"),
    ("password_resets", "-"),
    ("personal_data_exports", "-"),
    ("personal_data_parts", "+"),
    ("provider_sign_ins", "+ -"),
    ("revocations", "-"),
    ("sign_ups", "-"),
    ("signing_keys", "+ -"),
    ("user_bulks", "-"),
    ("user_sessions", "last_seen_at"),
    ("users_touched", "-"),
];

/// How a transaction comes about that is no `Change`.
const OPENED: &[&str] = &[".bookkeeping()", ".brief()", "lease.begin("];

/// One function of the product.
struct Function {
    file: String,
    parameters: String,
    body: String,
}

#[test]
fn what_is_written_past_a_change_is_on_the_list() {
    let functions = functions();
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut waiting: Vec<(&Function, String)> = Vec::new();
    for function in functions.values().flatten() {
        if OPENED.iter().any(|opened| function.body.contains(opened)) {
            waiting.push((function, "tx".to_owned()));
        }
    }
    let mut seen = BTreeSet::new();
    while let Some((function, connection)) = waiting.pop() {
        if !seen.insert((std::ptr::from_ref(function), connection.clone())) {
            continue;
        }
        for (table, what) in writes(&function.body) {
            found.entry(table).or_default().insert(what);
        }
        for (path, arguments) in calls(&function.body) {
            if !has_word(&arguments, &connection) {
                continue;
            }
            for callee in resolve(&functions, &path, &function.file) {
                if let Some(name) = connection_of(&callee.parameters) {
                    waiting.push((callee, name));
                }
            }
        }
    }
    assert!(found.len() > 10, "the walk has found next to nothing: {found:?}");
    let found: BTreeMap<String, String> = found
        .into_iter()
        .map(|(table, what)| (table, Vec::from_iter(what).join(" ")))
        .collect();
    let listed: BTreeMap<String, String> = WRITTEN
        .iter()
        .map(|(table, what)| ((*table).to_owned(), (*what).to_owned()))
        .collect();
    let mut offenders = Vec::new();
    for table in found.keys().chain(listed.keys()).collect::<BTreeSet<_>>() {
        let (code, list) = (found.get(table), listed.get(table));
        if code != list {
            offenders.push(format!(
                "{table}: the code writes {code:?}, the list in tests/tidy/bookkeeping.rs says {list:?}"
            ));
        }
    }
    refuse(
        "What a person or program changes goes through Change; what the machine notes about itself is on the list.",
        offenders,
    );
}

/// Every function of the product by its name.
fn functions() -> BTreeMap<String, Vec<Function>> {
    let mut functions: BTreeMap<String, Vec<Function>> = BTreeMap::new();
    for dir in ["core/src", "actors/src", "jobs/src"] {
        for (file, text) in files(dir, &[".rs"]) {
            if is_test(&file) {
                continue;
            }
            let text = code(&text);
            let starts: Vec<usize> = text.match_indices("fn ").map(|(at, _)| at).collect();
            for (index, start) in starts.iter().enumerate() {
                let end = starts.get(index + 1).copied().unwrap_or(text.len());
                let whole = &text[start + 3..end];
                let Some(open) = whole.find('(') else { continue };
                let name = whole[..open].split('<').next().unwrap_or_default().to_owned();
                let parameters = inside(&whole[open..]).to_owned();
                let function = Function {
                    file: file.clone(),
                    body: whole[open + parameters.len()..].to_owned(),
                    parameters,
                };
                functions.entry(name).or_default().push(function);
            }
        }
    }
    functions
}

/// What stands in the bracket that `text` begins with.
fn inside(text: &str) -> &str {
    let mut depth = 0;
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' if depth == 1 => return &text[1..at],
            ')' => depth -= 1,
            _ => {}
        }
    }
    ""
}

/// Calls in a body: the path before the bracket, and what stands in it.
fn calls(body: &str) -> Vec<(String, String)> {
    let word = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    body.match_indices('(')
        .map(|(at, _)| {
            let path = body[..at].rsplit(|c| !word(c)).next().unwrap_or_default();
            (path.to_owned(), inside(&body[at..]).to_owned())
        })
        .filter(|(path, _)| path.starts_with(|c: char| c.is_lowercase()))
        .collect()
}

fn has_word(text: &str, word: &str) -> bool {
    text.split(|c: char| !c.is_alphanumeric() && c != '_')
        .any(|part| part == word)
}

/// The functions a path can mean: those of the module it names, else of the feature it is called in.
fn resolve<'a>(functions: &'a BTreeMap<String, Vec<Function>>, path: &str, from: &str) -> Vec<&'a Function> {
    let mut parts: Vec<&str> = path.split("::").collect();
    let name = parts.pop().unwrap_or_default();
    let feature = |file: &str| file.split('/').nth(2).unwrap_or_default().replace(".rs", "");
    let home = parts
        .iter()
        .find(|part| {
            let folder = format!("core/src/{part}/");
            functions
                .values()
                .flatten()
                .any(|function| function.file.starts_with(&folder))
        })
        .map_or_else(|| feature(from), |part| (*part).to_owned());
    let module = parts
        .last()
        .filter(|module| **module != home && **module != "super" && **module != "self");
    let meant: Vec<&Function> = functions
        .get(name)
        .into_iter()
        .flatten()
        .filter(|function| {
            module.is_none_or(|module| {
                function.file.contains(&format!("/{module}.rs"))
                    || function.file.contains(&format!("/{module}/"))
            })
        })
        .collect();
    let (own, others): (Vec<_>, Vec<_>) = meant
        .into_iter()
        .partition(|function| feature(&function.file) == home);
    // a module brought in by `use` is another feature's
    if own.is_empty() && module.is_some() {
        others
    } else {
        own
    }
}

/// The parameter that is a connection.
fn connection_of(parameters: &str) -> Option<String> {
    parameters.split(',').find_map(|parameter| {
        let (name, kind) = parameter.split_once(':')?;
        let kind = kind.trim();
        let connects = kind.ends_with("PgConnection") || kind.trim_start_matches("&mut ") == "Tx";
        connects.then(|| name.trim().trim_start_matches("mut ").to_owned())
    })
}

/// The tables that the SQL in a body writes, and what: `+`, `-`, or a column.
fn writes(body: &str) -> Vec<(String, String)> {
    let mut written = Vec::new();
    let words: Vec<&str> = body
        .split(|c: char| c.is_whitespace() || matches!(c, '"' | '(' | ')' | ';'))
        .filter(|word| !word.is_empty())
        .collect();
    for pair in words.windows(3) {
        match pair {
            ["INSERT", "INTO", table] => written.push(((*table).to_owned(), "+".to_owned())),
            ["DELETE", "FROM", table] => written.push(((*table).to_owned(), "-".to_owned())),
            _ => {}
        }
    }
    for (at, _) in body.match_indices("UPDATE ") {
        let rest = &body[at + 7..];
        let table = rest.split_whitespace().next().unwrap_or_default();
        // `FOR UPDATE` and `DO UPDATE SET` name no table
        let Some(set) = rest
            .find("SET ")
            .filter(|set| rest[..*set].split_whitespace().count() <= 2)
        else {
            continue;
        };
        let table = if table == "SET" {
            inserted_before(&body[..at])
        } else {
            table
        };
        written.extend(
            columns(&rest[set + 4..])
                .into_iter()
                .map(|column| (table.to_owned(), column)),
        );
    }
    written
}

fn inserted_before(body: &str) -> &str {
    body.rsplit("INSERT INTO ")
        .next()
        .and_then(|rest| rest.split_whitespace().next())
        .unwrap_or_default()
}

/// The columns a SET list assigns.
fn columns(list: &str) -> Vec<String> {
    let (mut depth, mut end) = (0, list.len());
    let mut cuts = vec![0];
    for (at, c) in list.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => cuts.push(at + 1),
            '"' => end = at,
            _ => {}
        }
        let here = &list[at..];
        if depth < 0
            || end == at
            || (depth == 0
                && ["FROM ", "WHERE ", "RETURNING "]
                    .iter()
                    .any(|word| here.starts_with(word)))
        {
            end = at;
            break;
        }
    }
    cuts.retain(|cut| *cut <= end);
    cuts.push(end + 1);
    cuts.windows(2)
        .filter_map(|cut| {
            let (column, _) = list[cut[0]..(cut[1] - 1).max(cut[0])].split_once('=')?;
            Some(column.trim().to_owned())
        })
        .filter(|column| column.chars().all(|c| c.is_alphanumeric() || c == '_'))
        .collect()
}
