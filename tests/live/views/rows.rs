//! Whoever may see some people is shown those and no others, while people move between teams, change and go, and while the
//! viewers themselves come into teams, leave them and are given other roles. The id of somebody who was never in sight is in
//! no byte, and in the end each client holds what a fresh fetch would give it.

mod company;
mod viewers;
mod world;

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use company::Company;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use reqwest::Method;
use serde_json::json;
use viewers::Viewer;
use world::{STATICS, Sees, TEAMS};

use super::office::Office;
use super::record::Standing;
use super::{CHEAP, Order};
use crate::faults::relay::cluster::{Cluster, until};

/// Changes of what viewers see, comings and goings, and questions.
const STEPS: usize = 120;

impl Company<'_> {
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
