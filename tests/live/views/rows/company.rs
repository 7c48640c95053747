//! Those who make things happen: people come, move between teams, change and go.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use rand::RngExt;
use rand::rngs::StdRng;
use reqwest::Method;
use serde_json::{Value, json};

use super::world::{TEAMS, World, values};
use crate::faults::relay::cluster::{Cluster, until};
use crate::live::views::office::Office;

/// Those who make things happen.
pub(super) struct Company<'a> {
    pub(super) office: &'a Office<'a>,
    pub(super) cluster: &'a Cluster,
    pub(super) teams: Vec<String>,
    pub(super) world: Mutex<World>,
}

impl Company<'_> {
    /// Roles that reach some people only, before anybody asks what roles there are.
    pub(super) async fn roles(cluster: &Cluster) {
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

    pub(super) async fn ask(&self, node: usize, method: Method, path: &str, body: Value) -> Value {
        self.office.ask(node, method, path, body).await
    }

    /// Somebody new, in no team.
    pub(super) async fn person(&self, node: usize, body: Value, names: Vec<String>) -> String {
        let made = self.ask(node, Method::POST, "/users", body).await;
        let id = made["id"].as_str().unwrap().to_owned();
        let mut world = self.world.lock().unwrap();
        world.is_called(&id, names);
        world.enters(&id, None);
        id
    }

    pub(super) async fn put(&self, node: usize, person: &str, team: usize) {
        self.world.lock().unwrap().enters(person, Some(team));
        let path = format!("/teams/{}/members/{person}", self.teams[team]);
        self.ask(node, Method::PUT, &path, json!({})).await;
    }

    pub(super) async fn take(&self, node: usize, person: &str, team: usize) {
        let path = format!("/teams/{}/members/{person}", self.teams[team]);
        self.ask(node, Method::DELETE, &path, json!({})).await;
    }

    /// Everybody knows that they have left.
    pub(super) fn has_left(&self, person: &str, team: usize) {
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

    /// People come, move, change and go until it is enough.
    pub(super) async fn life(&self, mut rng: StdRng, statics: &[String], enough: &AtomicBool) {
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
}
