//! Whoever may see some people is shown those and no others, while people move between teams, change and go, and while the
//! viewers themselves come into teams, leave them and are given other roles. The id of somebody who was never in sight is in
//! no byte, and in the end each client holds what a fresh fetch would give it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::sync::mpsc::unbounded_channel;

use super::office::Office;
use super::record::{Seat, Standing, stale};
use super::{CHEAP, Client, Order, PASSWORD, socket, stream};
use crate::faults::relay::cluster::{Cluster, until};

/// Teams, each with somebody who never leaves it, and in whose row this stands.
const TEAMS: usize = 3;
const STATICS: [&str; TEAMS] = ["Static-0-", "Static-1-", "Static-2-"];
/// Changes of what viewers see, comings and goings, and questions.
const STEPS: usize = 120;

/// On which people somebody sees, and whether with their personal values.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Sees {
    Nobody,
    Themselves,
    /// And their teams', with everything.
    Teams,
    /// Nobody else.
    One(String),
    AllBut(String),
}

impl Sees {
    /// A role that says so.
    fn role(&self) -> &'static str {
        match self {
            Self::Nobody | Self::One(_) => "user",
            Self::Themselves => "self",
            Self::Teams => "team",
            Self::AllBut(_) => "reader",
        }
    }
}

struct Viewer {
    id: String,
    sees: Sees,
    clients: Vec<Client>,
}

/// Who is where, as somebody who asks for changes knows it: a place is entered before it is asked for, and left once everybody
/// has been told of it.
#[derive(Default)]
struct World {
    /// Teams of each person.
    people: BTreeMap<String, BTreeSet<usize>>,
    /// What has stood in each person's row and in no other.
    names: BTreeMap<String, Vec<String>>,
    /// By viewer: what they see, or see as long as they are not told otherwise, and whom they may ever have seen.
    viewers: BTreeMap<String, (Vec<Sees>, BTreeSet<String>)>,
}

impl World {
    fn note(&mut self) {
        for (viewer, (sees, ever)) in &mut self.viewers {
            let mine = self.people.get(viewer).cloned().unwrap_or_default();
            let sees_one = |sees: &Sees, id: &String, teams: &BTreeSet<usize>| match sees {
                Sees::Nobody => false,
                Sees::Themselves => id == viewer,
                Sees::Teams => id == viewer || !teams.is_disjoint(&mine),
                Sees::One(one) => id == one,
                Sees::AllBut(but) => id != but,
            };
            let seen = self
                .people
                .iter()
                .filter(|(id, teams)| sees.iter().any(|sees| sees_one(sees, id, teams)));
            ever.extend(seen.map(|(id, _)| id.clone()));
        }
    }

    fn enters(&mut self, person: &str, team: Option<usize>) {
        self.people.entry(person.to_owned()).or_default().extend(team);
        self.note();
    }

    fn is_called(&mut self, person: &str, names: Vec<String>) {
        self.names.entry(person.to_owned()).or_default().extend(names);
    }
}

/// Those who make things happen.
struct Company<'a> {
    office: &'a Office<'a>,
    cluster: &'a Cluster,
    teams: Vec<String>,
    world: Mutex<World>,
}

/// Values with a number that is nobody else's.
fn values(n: usize) -> (Value, Vec<String>) {
    let body = json!({
        "name": format!("Person-{n}-"),
        "email": format!("p{n}@personal.example"),
        "phone": format!("+27 555 0199 {n}-"),
    });
    let names = vec![
        format!("Person-{n}-"),
        format!("\"p{n}@personal"),
        format!("0199 {n}-"),
    ];
    (body, names)
}

impl Company<'_> {
    /// Roles that reach some people only, before anybody asks what roles there are.
    async fn roles(cluster: &Cluster) {
        let organization = cluster.test.organization;
        for (name, permission, only_on) in [
            ("self", "users:read", "'own'"),
            ("team", "users:read", "'own_or_team'"),
            ("team", "users:read_pii", "'own_or_team'"),
            ("reader", "users:read", "NULL"),
        ] {
            cluster
                .test
                .sql(format!(
                    "INSERT INTO roles (id, organization_id, name) VALUES (gen_random_uuid(), '{organization}', '{name}')
                     ON CONFLICT DO NOTHING;
                     INSERT INTO role_permissions (organization_id, role_id, permission, granted, only_on)
                     SELECT organization_id, id, '{permission}', {only_on} IS NULL, {only_on} FROM roles WHERE name = '{name}'"
                ))
                .await;
        }
    }

    async fn ask(&self, node: usize, method: Method, path: &str, body: Value) -> Value {
        self.office.ask(node, method, path, body).await
    }

    /// Somebody new, in no team.
    async fn person(&self, node: usize, body: Value, names: Vec<String>) -> String {
        let made = self.ask(node, Method::POST, "/users", body).await;
        let id = made["id"].as_str().unwrap().to_owned();
        let mut world = self.world.lock().unwrap();
        world.is_called(&id, names);
        world.enters(&id, None);
        id
    }

    async fn put(&self, node: usize, person: &str, team: usize) {
        self.world.lock().unwrap().enters(person, Some(team));
        let path = format!("/teams/{}/members/{person}", self.teams[team]);
        self.ask(node, Method::PUT, &path, json!({})).await;
    }

    async fn take(&self, node: usize, person: &str, team: usize) {
        let path = format!("/teams/{}/members/{person}", self.teams[team]);
        self.ask(node, Method::DELETE, &path, json!({})).await;
    }

    /// Everybody knows that they have left.
    fn has_left(&self, person: &str, team: usize) {
        let mut world = self.world.lock().unwrap();
        world.people.get_mut(person).unwrap().remove(&team);
    }

    /// What was done to somebody is published: whoever follows from now on begins behind it.
    async fn published(&self, person: &str) {
        let waiting =
            format!("SELECT count(*) FROM outbox WHERE published_at IS NULL AND subject_id = '{person}'");
        until("it is published", async || {
            self.cluster.test.count(&waiting).await == 0
        })
        .await;
    }

    /// A viewer with two sockets and a stream, on two nodes.
    async fn hire(&self, name: &str, sees: Sees) -> Viewer {
        let email = format!("{name}@example.com");
        let roles = [self.office.role(sees.role())];
        let body = json!({"email": email, "name": name, "password": PASSWORD, "roles": roles});
        let id = self.person(0, body, Vec::new()).await;
        if let Sees::One(row) | Sees::AllBut(row) = &sees {
            let granted = matches!(sees, Sees::One(_));
            let organization = self.cluster.test.organization;
            self.cluster
                .test
                .sql(format!(
                    "INSERT INTO user_permissions (organization_id, user_id, permission, granted, resource_kind, resource_id)
                     VALUES ('{organization}', '{id}', 'users:read', {granted}, 'user', '{row}')"
                ))
                .await;
        }
        {
            let mut world = self.world.lock().unwrap();
            world
                .viewers
                .insert(id.clone(), (vec![sees.clone()], BTreeSet::new()));
            world.note();
        }
        let token = self.cluster.sign_in_as(&email, PASSWORD).await;
        let [a, b] = [0, 1].map(|node| self.cluster.nodes[node].url.as_str());
        let mut clients = Vec::new();
        for (kind, url) in [("socket", a), ("another socket", b), ("stream", b)] {
            let mut seat = Seat::new(&format!("{name} by {kind}"), url, &token);
            seat.audit = false;
            let (orders, theirs) = unbounded_channel();
            self.allow(&seat, &id, &sees);
            if kind == "stream" {
                tokio::spawn(stream::run(seat.clone(), theirs));
            } else {
                tokio::spawn(socket::run(seat.clone(), theirs));
            }
            clients.push(Client { seat, orders });
        }
        let viewer = Viewer { id, sees, clients };
        viewer.settled().await;
        viewer
    }

    /// Whose rows the viewer may be shown from now on, of those who never move.
    fn statics(&self, id: &str, sees: &Sees) -> Vec<&'static str> {
        let world = self.world.lock().unwrap();
        let called = |row: &String| {
            let names = &world.names[row];
            STATICS
                .into_iter()
                .find(|name| names.contains(&(*name).to_owned()))
        };
        match sees {
            Sees::Teams => world.people[id].iter().map(|team| STATICS[*team]).collect(),
            Sees::One(row) => called(row).into_iter().collect(),
            Sees::AllBut(row) => STATICS
                .into_iter()
                .filter(|name| called(row) != Some(*name))
                .collect(),
            Sees::Nobody | Sees::Themselves => Vec::new(),
        }
    }

    fn allow(&self, seat: &Seat, id: &str, sees: &Sees) {
        let statics = self.statics(id, sees);
        let mut record = seat.record();
        for needle in statics {
            record.may_see(needle);
        }
        record.may(
            *sees == Sees::Teams,
            matches!(sees, Sees::Teams | Sees::AllBut(_)),
        );
    }

    /// Something becomes of what the viewer sees; nothing of what it loses is shown behind the frame that says so.
    async fn changes(
        &self,
        viewer: &mut Viewer,
        (sees, leaves): (Sees, Option<usize>),
        another: bool,
        act: impl AsyncFnOnce(),
    ) {
        viewer.settled().await;
        let (id, lost) = (viewer.id.clone(), self.statics(&viewer.id, &viewer.sees));
        {
            let mut world = self.world.lock().unwrap();
            world.viewers.get_mut(&id).unwrap().0.push(sees.clone());
            world.note();
        }
        let mut before = Vec::new();
        for client in &viewer.clients {
            let mark = client.seat.mark().await;
            self.allow(&client.seat, &id, &sees);
            let record = client.seat.record();
            before.push((record.standing, record.told.len(), mark));
        }
        act().await;
        viewer.sees = sees;
        let mut kept = self.statics(&id, &viewer.sees);
        kept.retain(|name| leaves.is_none_or(|team| *name != STATICS[team]));
        for (client, (standing, told, mark)) in viewer.clients.iter().zip(before) {
            let name = &client.seat.name;
            let mut behind = None;
            if another && standing == Standing::Following {
                until(&format!("{name} is told"), async || {
                    client.seat.record().told.len() > told
                })
                .await;
                behind = Some(client.seat.record().told[told]);
            }
            if another {
                // a node that did not make the change hears of it a moment later
                until(&format!("{name} asks anew"), async || {
                    client.seat.mark().await != mark
                })
                .await;
            }
            let mut record = client.seat.record();
            let behind = behind.unwrap_or(record.frames.len());
            for needle in lost.iter().filter(|needle| !kept.contains(needle)) {
                record.may_not_see(needle, behind);
            }
            let (personal, rows) = (
                viewer.sees == Sees::Teams,
                matches!(viewer.sees, Sees::Teams | Sees::AllBut(_)),
            );
            record.may_not(personal, rows, behind);
            record.note(format!("{:?} behind {behind}", viewer.sees));
            drop(record);
            if viewer.sees != Sees::Nobody && client.stands() == Standing::Shut {
                client.seat.stands(Standing::Busy);
                client.tell(Order::Open);
            }
        }
        if let Some(team) = leaves {
            self.has_left(&id, team);
        }
        let mut world = self.world.lock().unwrap();
        world.viewers.get_mut(&id).unwrap().0 = vec![viewer.sees.clone()];
    }

    /// People come, move, change and go until it is enough.
    async fn life(&self, mut rng: StdRng, statics: &[String], enough: &AtomicBool) {
        let mut people: Vec<String> = Vec::new();
        for n in 0.. {
            if enough.load(Ordering::Relaxed) {
                return;
            }
            let (body, names) = values(n);
            let (node, team, kind) = (
                rng.random_range(0..2),
                rng.random_range(0..TEAMS),
                rng.random_range(0..14),
            );
            let at = rng.random_range(0..people.len().max(1));
            match (kind, people.get(at).cloned()) {
                (0..3, _) | (_, None) => people.push(self.person(node, body, names).await),
                (3..6, Some(person)) => {
                    self.world.lock().unwrap().is_called(&person, names);
                    self.ask(node, Method::PATCH, &format!("/users/{person}"), body)
                        .await;
                }
                (6, Some(person)) => {
                    self.ask(node, Method::DELETE, &format!("/users/{person}"), json!({}))
                        .await;
                    people.swap_remove(at);
                }
                (7, Some(person)) => {
                    let path = format!("/users/{person}/ban");
                    self.ask(node, Method::POST, &path, json!({"reason": "a test"}))
                        .await;
                    people.swap_remove(at);
                }
                (8, _) => {
                    let path = format!("/users/{}", statics[team]);
                    self.ask(
                        node,
                        Method::PATCH,
                        &path,
                        json!({"department": format!("Ops {n}")}),
                    )
                    .await;
                }
                (_, Some(person)) => {
                    let is_in = self.world.lock().unwrap().people[&person].contains(&team);
                    if is_in {
                        self.take(node, &person, team).await;
                        self.published(&person).await;
                        self.has_left(&person, team);
                    } else {
                        self.put(node, &person, team).await;
                    }
                }
            }
        }
    }

    async fn step(&self, rng: &mut StdRng, changing: &mut [Viewer], others: &[Viewer]) {
        let (at, node, team) = (
            rng.random_range(0..changing.len()),
            rng.random_range(0..2),
            rng.random_range(0..TEAMS),
        );
        match rng.random_range(0..10) {
            0..2 => {
                let sees = [Sees::Nobody, Sees::Themselves, Sees::Teams][rng.random_range(0..3)].clone();
                let viewer = &mut changing[at];
                let (id, role, another) = (viewer.id.clone(), sees.role(), viewer.sees != sees);
                let act = async || self.office.assign(node, &id, role).await;
                self.changes(viewer, (sees, None), another, act).await;
            }
            2..6 => {
                let viewer = &mut changing[at];
                let (id, sees) = (viewer.id.clone(), viewer.sees.clone());
                let another = sees == Sees::Teams;
                if self.world.lock().unwrap().people[&id].contains(&team) {
                    let act = async || self.take(node, &id, team).await;
                    self.changes(viewer, (sees, Some(team)), another, act).await;
                } else {
                    // allowed before it is asked for
                    self.world.lock().unwrap().enters(&id, Some(team));
                    let act = async || self.put(node, &id, team).await;
                    self.changes(viewer, (sees, None), another, act).await;
                }
            }
            6..9 => {
                let all: Vec<&Viewer> = changing.iter().chain(others).collect();
                let viewer = all[rng.random_range(0..all.len())];
                viewer.settled().await;
                let client = &viewer.clients[rng.random_range(1..3)];
                if client.stands() == Standing::Away {
                    client.seat.stands(Standing::Busy);
                    client.tell(Order::Return);
                } else {
                    client.tell(Order::Leave);
                    until("it has left", async || client.stands() == Standing::Away).await;
                }
            }
            _ => {
                for client in changing
                    .iter()
                    .chain(others)
                    .flat_map(|viewer| &viewer.clients[..2])
                {
                    if client.stands() == Standing::Following {
                        client.tell(Order::Ask);
                    }
                }
            }
        }
    }

    /// What the viewer holds is what it would fetch, once it has seen the last change of somebody it sees.
    async fn check(&self, viewer: &Viewer, statics: &[String], n: usize) {
        for client in &viewer.clients {
            if client.stands() == Standing::Away {
                client.seat.stands(Standing::Busy);
                client.tell(Order::Return);
            }
        }
        viewer.settled().await;
        let last = match &viewer.sees {
            Sees::Nobody | Sees::Themselves | Sees::Teams => viewer.id.clone(),
            Sees::One(row) => row.clone(),
            Sees::AllBut(row) => statics.iter().find(|id| *id != row).unwrap().clone(),
        };
        let department = json!(format!("Last {n}"));
        self.ask(
            0,
            Method::PATCH,
            &format!("/users/{last}"),
            json!({"department": department}),
        )
        .await;
        for client in &viewer.clients {
            let seat = &client.seat;
            if let Some((fresh, _)) = seat.fresh().await {
                until(&format!("{} has seen the last change", seat.name), async || {
                    seat.record()
                        .rows
                        .get(&last)
                        .is_some_and(|row| row["department"] == department)
                })
                .await;
                let held = seat.record().rows.clone();
                let stale = stale(&held, &fresh);
                assert!(stale.is_empty(), "{}: {stale:#?}", seat.name);
            } else {
                assert!(seat.record().rows.is_empty(), "{} may not see them", seat.name);
            }
            self.is_clean(viewer, seat);
        }
    }

    fn is_clean(&self, viewer: &Viewer, seat: &Seat) {
        let world = self.world.lock().unwrap();
        let ever = &world.viewers[&viewer.id].1;
        let never = world.people.keys().filter(|id| !ever.contains(*id));
        let needles = never.flat_map(|id| {
            let names = world.names.get(id).into_iter().flatten();
            std::iter::once(id.as_str()).chain(names.map(String::as_str))
        });
        let record = seat.record();
        let mut leaks = record.leaks_of(needles.chain(STATICS));
        leaks.extend(record.leaks());
        if let Some((at, _)) = leaks.first() {
            let shown = String::from_utf8_lossy(&record.frames[*at]);
            panic!(
                "{} was shown {leaks:?}: {shown:.600}: {:#?}",
                seat.name, record.notes
            );
        }
        assert!(
            record.surprises.is_empty(),
            "{}: {:#?}",
            seat.name,
            record.surprises
        );
    }
}

impl Viewer {
    async fn settled(&self) {
        for client in &self.clients {
            let what = format!("{} has settled", client.seat.name);
            until(&what, async || client.stands() != Standing::Busy).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_byte_shows_somebody_who_was_never_in_sight_and_each_ends_with_what_a_fresh_fetch_has() {
    let seed = std::env::var("SIGNALBOX_TEST_SEED").map_or(1, |seed| seed.parse().unwrap());
    println!("SIGNALBOX_TEST_SEED={seed}");
    let mut rng = StdRng::seed_from_u64(seed);
    let cluster = Cluster::start_with(2, CHEAP).await;
    Company::roles(&cluster).await;
    let office = Office::open(&cluster).await;
    let mut company = Company {
        office: &office,
        cluster: &cluster,
        teams: Vec::new(),
        world: Mutex::default(),
    };
    let owner = company.ask(0, Method::GET, "/me", json!({})).await;
    let owner = owner["user"]["id"].as_str().unwrap();
    company.world.lock().unwrap().enters(owner, None);
    let mut statics = Vec::new();
    for (team, name) in STATICS.into_iter().enumerate() {
        let made = company
            .ask(0, Method::POST, "/teams", json!({"name": format!("Team {team}")}))
            .await;
        company.teams.push(made["id"].as_str().unwrap().to_owned());
        let body = json!({"name": name, "email": format!("static{team}@personal.example")});
        statics.push(company.person(0, body, vec![name.to_owned()]).await);
        company.put(0, &statics[team], team).await;
    }
    let others = [
        company.hire("one", Sees::One(statics[0].clone())).await,
        company.hire("most", Sees::AllBut(statics[1].clone())).await,
        company.hire("alone", Sees::Themselves).await,
    ];
    let mut changing = [
        company.hire("near", Sees::Teams).await,
        company.hire("far", Sees::Themselves).await,
    ];
    let enough = AtomicBool::new(false);
    let living = StdRng::seed_from_u64(seed ^ 0xFEED);
    let rights = async {
        for _ in 0..STEPS {
            company.step(&mut rng, &mut changing, &others).await;
        }
        enough.store(true, Ordering::Relaxed);
    };
    tokio::join!(company.life(living, &statics, &enough), rights);
    cluster.settled().await;
    for (n, viewer) in others.iter().chain(&changing).enumerate() {
        company.check(viewer, &statics, n).await;
    }
    let all = others.iter().chain(&changing).flat_map(|viewer| &viewer.clients);
    let (mut recoveries, mut removals) = (0, 0);
    for client in all {
        let record = client.seat.record();
        recoveries += record.recoveries;
        let removed = |frame: &&Vec<u8>| String::from_utf8_lossy(frame).contains("user.removed");
        removals += record.frames.iter().filter(removed).count();
    }
    assert!(
        recoveries > 0 && removals > 0,
        "{recoveries} resumed, {removals} rows left"
    );
    // and what one was shown would have been found at another
    let frame = changing[0].clients[0]
        .seat
        .record()
        .frames
        .iter()
        .find(|frame| {
            let text = String::from_utf8_lossy(frame);
            STATICS.iter().any(|name| text.contains(name))
        })
        .cloned()
        .unwrap();
    let seat = &others[2].clients[0].seat;
    seat.record().frame(&frame);
    assert!(!seat.record().leaks_of(STATICS).is_empty());
}
