//! Each viewer sees what they may see and nothing else, while people change and rights come and go: every byte that every
//! client got is looked through, and in the end each holds what a fresh fetch would give it.

mod office;
mod record;
mod rows;
mod socket;
mod stream;

use std::sync::atomic::{AtomicBool, Ordering};

use office::{Office, life};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use record::{PERSONAL, ROW, Seat, Standing};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use crate::faults::relay::cluster::{Cluster, until};

const PEOPLE: &str = "feed:users";
const AUDIT: &str = "feed:audit";
const PASSWORD: &str = "a password of a viewer 42";

/// Passwords are not what this is about.
const CHEAP: &[(&str, &str)] = &[
    ("SIGNALBOX__AUTH__ARGON2_MEMORY_KIB", "8"),
    ("SIGNALBOX__AUTH__ARGON2_PASSES", "1"),
];

/// What a client is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    /// Follow: its viewer may again.
    Open,
    /// Read the channels' history.
    Ask,
    /// Go away.
    Leave,
    /// Come back.
    Return,
}

/// A role, and whether whoever has it sees people, and their personal values.
type Role = (&'static str, bool, bool);

const ROLES: [Role; 5] = [
    ("manager", true, true),
    ("moderator", true, true),
    ("finance", true, true),
    ("viewer", true, false),
    ("user", false, false),
];

struct Client {
    seat: Seat,
    orders: UnboundedSender<Order>,
}

struct Viewer {
    id: String,
    role: Role,
    clients: Vec<Client>,
}

impl Viewer {
    /// With two sockets and a stream, on two nodes.
    async fn enter(cluster: &Cluster, name: &'static str, id: String, token: &str, role: Role) -> Self {
        let [a, b] = [0, 1].map(|node| cluster.nodes[node].url.as_str());
        let seat = |kind: &str, url: &str| Seat::new(&format!("{name} by {kind}"), url, token);
        let seats = [seat("socket", a), seat("another socket", b), seat("stream", b)];
        let mut clients = Vec::new();
        for (n, seat) in seats.into_iter().enumerate() {
            let (orders, theirs) = unbounded_channel();
            seat.record().may(role.2, role.1);
            if n == 2 {
                tokio::spawn(stream::run(seat.clone(), theirs));
            } else {
                tokio::spawn(socket::run(seat.clone(), theirs));
            }
            clients.push(Client { seat, orders });
        }
        let viewer = Self { id, role, clients };
        viewer.settled().await;
        viewer
    }

    /// None of its clients is under way.
    async fn settled(&self) {
        for client in &self.clients {
            let what = format!("{} has settled", client.seat.name);
            until(&what, async || client.stands() != Standing::Busy).await;
        }
    }

    /// Gives it another role, and waits until that has taken effect everywhere. What it loses is not shown behind the frame
    /// that says so.
    async fn becomes(&mut self, office: &Office<'_>, node: usize, role: Role) {
        self.settled().await;
        let ((_, rows_before, personal_before), (name, rows, personal)) = (self.role, role);
        let before: Vec<_> = self.clients.iter().map(|client| client.begins(role)).collect();
        office.assign(node, &self.id, name).await;
        self.role = role;
        let another = (rows, personal) != (rows_before, personal_before);
        for (client, (standing, told)) in self.clients.iter().zip(before) {
            let mut behind = None;
            if another && standing == Standing::Following {
                let what = format!("{} is told that it is {name} now", client.seat.name);
                until(&what, async || client.seat.record().told.len() > told).await;
                behind = Some(client.seat.record().told[told]);
            }
            // a node that did not make the change hears of it a moment later
            let what = format!("{} asks as {name}", client.seat.name);
            until(&what, async || client.seat.sees().await == (rows, personal)).await;
            let mut record = client.seat.record();
            let behind = behind.unwrap_or(record.frames.len());
            record.may_not(personal, rows, behind);
            record.note(format!("is {name} behind {behind}"));
            drop(record);
            if rows && client.stands() == Standing::Shut {
                client.seat.stands(Standing::Busy);
                client.tell(Order::Open);
            }
        }
    }
}

impl Client {
    fn stands(&self) -> Standing {
        self.seat.record().standing
    }

    fn tell(&self, order: Order) {
        self.orders.send(order).unwrap();
    }

    /// From now on it may be shown what `role` may see. How it stands, and how often it was told of rights.
    fn begins(&self, (name, rows, personal): Role) -> (Standing, usize) {
        let mut record = self.seat.record();
        record.may(personal, rows);
        let standing = record.standing;
        record.note(format!("{standing:?}, becomes {name}"));
        (record.standing, record.told.len())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_byte_shows_a_viewer_what_it_may_not_see_and_each_ends_with_what_a_fresh_fetch_has() {
    let seed = std::env::var("SIGNALBOX_TEST_SEED").map_or(1, |seed| seed.parse().unwrap());
    println!("SIGNALBOX_TEST_SEED={seed}");
    let mut rng = StdRng::seed_from_u64(seed);
    let cluster = Cluster::start_with(2, CHEAP).await;
    let office = Office::open(&cluster).await;
    let owner = Viewer::enter(
        &cluster,
        "owner",
        String::new(),
        &office.token,
        ("owner", true, true),
    )
    .await;
    // these two never change
    let still = office.hire("still", ROLES[3]).await;
    let nobody = office.hire("nobody", ROLES[4]).await;
    let mut changing = Vec::new();
    for (name, role) in [
        ("manager", ROLES[0]),
        ("moderator", ROLES[1]),
        ("viewer", ROLES[3]),
    ] {
        changing.push(office.hire(name, role).await);
    }
    let enough = AtomicBool::new(false);
    let living = StdRng::seed_from_u64(seed ^ 0xFEED);
    let rights = async {
        for _ in 0..STEPS {
            step(&office, &mut rng, &mut changing, &still).await;
        }
        enough.store(true, Ordering::Relaxed);
    };
    tokio::join!(life(&office, living, &enough), rights);
    cluster.settled().await;

    let everybody: Vec<_> = [&owner, &still, &nobody].into_iter().chain(&changing).collect();
    let mut recoveries = 0;
    for viewer in &everybody {
        for client in &viewer.clients {
            if client.stands() == Standing::Away {
                client.seat.stands(Standing::Busy);
                client.tell(Order::Return);
            }
        }
        viewer.settled().await;
        for client in &viewer.clients {
            holds_what_a_fresh_fetch_has(&client.seat).await;
            let record = client.seat.record();
            let leaks = record.leaks();
            if let Some((at, _)) = leaks.first() {
                let shown = String::from_utf8_lossy(&record.frames[*at]);
                let notes: Vec<_> = record
                    .notes
                    .iter()
                    .filter(|(when, _)| when.abs_diff(*at) < 20)
                    .collect();
                panic!(
                    "seed {seed}: {} was shown {leaks:?}: {shown:.300}: {notes:#?}",
                    client.seat.name
                );
            }
            recoveries += record.recoveries;
        }
    }
    assert!(recoveries > 0, "nobody ever resumed");
    the_scanner_would_have_found_it(&owner, &still, &nobody);
    the_comparison_would_have_found_it(&owner, &still);
}

/// Changes of rights, comings and goings, and questions.
const STEPS: usize = 200;

async fn step(office: &Office<'_>, rng: &mut StdRng, changing: &mut [Viewer], still: &Viewer) {
    let at = rng.random_range(0..changing.len());
    match rng.random_range(0..10) {
        0..5 => {
            let (node, role) = (rng.random_range(0..2), ROLES[rng.random_range(0..ROLES.len())]);
            changing[at].becomes(office, node, role).await;
        }
        5..8 => {
            let viewer = if rng.random_range(0..4) == 0 {
                still
            } else {
                &changing[at]
            };
            viewer.settled().await;
            // the first socket stays
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
            for client in &changing[at].clients[..2] {
                if client.stands() == Standing::Following {
                    client.tell(Order::Ask);
                }
            }
        }
    }
}

async fn holds_what_a_fresh_fetch_has(seat: &Seat) {
    let Some((rows, top)) = seat.fresh().await else {
        return assert!(seat.record().rows.is_empty(), "{} may not see them", seat.name);
    };
    let what = format!("{} is where the channel is", seat.name);
    until(&what, async || {
        seat.record()
            .place
            .as_ref()
            .is_some_and(|(_, offset)| *offset >= top)
    })
    .await;
    let held = seat.record().rows.clone();
    let stale = record::stale(&held, &rows);
    assert!(stale.is_empty(), "{}: {stale:#?}", seat.name);
}

/// What the owner was shown, shown to others, is found.
fn the_scanner_would_have_found_it(owner: &Viewer, still: &Viewer, nobody: &Viewer) {
    for client in &owner.clients {
        let frames = client.seat.record().frames.clone();
        for (other, needles) in [(still, &PERSONAL[..]), (nobody, &ROW[..])] {
            for needle in needles {
                let holds = |frame: &&Vec<u8>| String::from_utf8_lossy(frame).contains(needle);
                let frame = frames
                    .iter()
                    .find(holds)
                    .unwrap_or_else(|| panic!("{}: no {needle}", client.seat.name));
                let mut record = other.clients[0].seat.record();
                record.frame(frame);
                assert!(record.leaks().iter().any(|(_, found)| found == needle));
                record.frames.pop();
            }
        }
    }
}

/// What was held before rights changed, a row that went, and one that did not come, are found.
fn the_comparison_would_have_found_it(owner: &Viewer, still: &Viewer) {
    let of = |viewer: &Viewer| viewer.clients[0].seat.record().rows.clone();
    let (full, masked) = (of(owner), of(still));
    for (held, fresh) in [(&full, &masked), (&masked, &full)] {
        let stale = record::stale(held, fresh);
        assert!(stale.iter().any(|found| found.contains("email")), "{stale:?}");
    }
    let mut fewer = masked.clone();
    let (gone, _) = fewer.pop_first().unwrap();
    for (held, fresh) in [(&fewer, &masked), (&masked, &fewer)] {
        let stale = record::stale(held, fresh);
        assert!(stale.len() == 1 && stale[0].contains(&gone), "{stale:?}");
    }
}
