//! Those who look on: what each is allowed and not, what becomes of it, and what it was shown and holds.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::json;
use tokio::sync::mpsc::unbounded_channel;

use super::company::Company;
use super::world::{STATICS, Sees};
use crate::faults::relay::cluster::until;
use crate::live::views::record::{Seat, Standing, stale};
use crate::live::views::{Client, Order, PASSWORD, socket, stream};

pub(super) struct Viewer {
    pub(super) id: String,
    pub(super) sees: Sees,
    pub(super) clients: Vec<Client>,
}

impl Viewer {
    pub(super) async fn settled(&self) {
        for client in &self.clients {
            let what = format!("{} has settled", client.seat.name);
            until(&what, async || client.stands() != Standing::Busy).await;
        }
    }
}

impl Company<'_> {
    /// A viewer with two sockets and a stream, on two nodes.
    pub(super) async fn hire(&self, name: &str, sees: Sees) -> Viewer {
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
    pub(super) async fn changes(
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

    /// What the viewer holds is what it would fetch, once it has seen the last change of somebody it sees.
    pub(super) async fn check(&self, viewer: &Viewer, statics: &[String], n: usize) {
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
