//! How long after a ban, or the end of a session, everything that hung on it is closed: thousands of sockets on several
//! nodes, all subscribed to `feed:users`, a hundred of each person.

use crate::client::{Event, Watchers};
use crate::cluster::Cluster;
use crate::machine::wall_clock;
use crate::peers::{member_door, version};
use crate::report::Report;
use anyhow::{Context, ensure};
use hdrhistogram::Histogram;
use reqwest::Method;
use serde_json::{Value, json};
use std::path::Path;

const PASSWORD: &str = "a password to be taken 42";
/// Sockets of one person.
const EACH: usize = 100;
/// Seconds, far beyond what is promised; a socket that outlives it is a failure and no figure.
const PATIENCE: u64 = 10;

struct Person {
    id: String,
    session: String,
    token: String,
}

/// The end of one socket: whose, how, and when by the wall clock.
struct End {
    person: usize,
    code: u16,
    at: i64,
}

/// Runs it. Every second person is banned, the others are signed out.
pub async fn run(binary: &Path, sockets: usize, nodes: usize) -> anyhow::Result<Report> {
    let mut report = Report::new("revocation");
    report.tell("hub", version(&binary.to_string_lossy(), "--version")?);
    let cluster = Cluster::start(binary, nodes, true).await?;
    let people = people(&cluster, sockets.div_ceil(EACH)).await?;
    let watchers = gather(&cluster, &people, sockets).await?;
    report.add("sockets", sockets as f64, "");
    report.add("nodes", nodes as f64, "");
    report.add("people", people.len() as f64, "");
    let (mut banned, mut signed_out) = (Times::new()?, Times::new()?);
    for (number, person) in people.iter().enumerate() {
        let (times, code) = if number.is_multiple_of(2) {
            (&mut banned, 4501)
        } else {
            (&mut signed_out, 4500)
        };
        let due = (number..sockets).step_by(people.len()).count();
        end(&cluster, (number, person), &watchers, due, (code, times)).await?;
    }
    banned.tell(&mut report, "ban")?;
    if !signed_out.asked.is_empty() {
        signed_out.tell(&mut report, "sign-out")?;
    }
    Ok(report)
}

async fn people(cluster: &Cluster, count: usize) -> anyhow::Result<Vec<Person>> {
    let hub = cluster.any()?;
    let roles = hub.get("/roles").await?;
    let viewer = roles["items"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|role| role["name"] == "viewer")
        .context("no role called viewer")?;
    let mut people = Vec::new();
    for number in 0..count {
        let email = format!("person{number}@example.com");
        let body = json!({"email": email, "name": "Person", "password": PASSWORD, "roles": [viewer["id"]]});
        let made = hub.post("/users", &body).await?;
        let login = json!({"email": email, "password": PASSWORD});
        let tokens = hub.post("/auth/login", &login).await?;
        let text = |value: &Value| Ok::<_, anyhow::Error>(value.as_str().context("no text")?.to_owned());
        people.push(Person {
            id: text(&made["id"])?,
            session: text(&tokens["session_id"])?,
            token: text(&tokens["access_token"])?,
        });
    }
    Ok(people)
}

/// Opens the sockets: of every person on every node.
async fn gather(cluster: &Cluster, people: &[Person], sockets: usize) -> anyhow::Result<Watchers<End>> {
    let doors: Vec<Vec<_>> = people
        .iter()
        .map(|person| {
            let nodes = cluster.nodes.iter();
            nodes
                .map(|node| member_door(node, &person.token, "feed:users"))
                .collect()
        })
        .collect();
    let people = people.len();
    let door = move |n: usize| doors[n % people][(n / people) % doors[n % people].len()].clone();
    let look = move |n: usize, event: Event<'_>| match event {
        Event::Message(_) => None,
        Event::Closed(code) => Some(End {
            person: n % people,
            code,
            at: wall_clock(),
        }),
    };
    Watchers::gather(sockets, door, look).await
}

/// Takes one person's access away and waits until all their sockets, `due` of them, have ended with `code`.
async fn end(
    cluster: &Cluster,
    (number, person): (usize, &Person),
    watchers: &Watchers<End>,
    due: usize,
    (code, times): (u16, &mut Times),
) -> anyhow::Result<()> {
    let hub = &cluster.nodes[number % cluster.nodes.len()];
    let sent = wall_clock();
    if code == 4501 {
        let path = format!("/users/{}/ban", person.id);
        hub.post(&path, &json!({"reason": "measured"})).await?;
    } else {
        let path = format!("/sessions/{}", person.session);
        hub.call(Method::DELETE, &path, &Value::Null).await?;
    }
    let answered = wall_clock();
    let of_them = |end: &&End| end.person == number;
    watchers
        .until("all sockets of a person have ended", PATIENCE, |ends| {
            ends.iter().filter(of_them).count() >= due
        })
        .await?;
    let committed = "SELECT (extract(epoch FROM pg_xact_commit_timestamp(xmin)) * 1000000)::bigint
        FROM revocations ORDER BY seq DESC LIMIT 1";
    let rows = cluster.servers.rows(committed)?;
    let committed: i64 = rows.first().context("no revocation")?.parse()?;
    for end in watchers.noted().iter().filter(of_them) {
        ensure!(
            end.code == code,
            "a socket ended with {} and not with {code}",
            end.code
        );
        times.asked.record((end.at - sent).max(0) as u64)?;
        times.committed.record((end.at - committed).max(0) as u64)?;
        times.answered.record((end.at - answered).max(0) as u64)?;
    }
    Ok(())
}

/// Microseconds to each socket's end: from the request, from the commit (PostgreSQL's own time of it), from the answer.
struct Times {
    asked: Histogram<u64>,
    committed: Histogram<u64>,
    answered: Histogram<u64>,
}

impl Times {
    fn new() -> anyhow::Result<Self> {
        let empty = Histogram::new(3)?;
        Ok(Self {
            asked: empty.clone(),
            committed: empty.clone(),
            answered: empty,
        })
    }

    fn tell(&self, report: &mut Report, what: &str) -> anyhow::Result<()> {
        ensure!(!self.asked.is_empty(), "nothing was measured of: {what}");
        for (from, times) in [
            ("asked for", &self.asked),
            ("committed", &self.committed),
            ("answered", &self.answered),
        ] {
            report.add_delays(&format!("{what} {from} to socket closed"), times);
        }
        Ok(())
    }
}
