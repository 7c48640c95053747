//! Those who make things happen: the owner, who gives and takes roles, and people who come, change and go.

use std::sync::atomic::{AtomicBool, Ordering};

use rand::RngExt;
use rand::rngs::StdRng;
use reqwest::Method;
use serde_json::{Value, json};

use super::{PASSWORD, Role, Viewer};
use crate::faults::relay::cluster::Cluster;

/// The owner, at work on any node.
pub struct Office<'a> {
    cluster: &'a Cluster,
    pub token: String,
    http: reqwest::Client,
    /// Ids by name.
    roles: Vec<(String, Value)>,
}

impl<'a> Office<'a> {
    pub async fn open(cluster: &'a Cluster) -> Self {
        let mut office = Self {
            cluster,
            token: cluster.sign_in().await,
            http: crate::harness::client(),
            roles: Vec::new(),
        };
        let known = office.ask(0, Method::GET, "/roles", json!({})).await;
        let known = known["items"].as_array().unwrap().iter();
        office.roles = known
            .map(|role| (role["name"].as_str().unwrap().to_owned(), role["id"].clone()))
            .collect();
        office
    }

    pub async fn ask(&self, node: usize, method: Method, path: &str, body: Value) -> Value {
        let url = format!("{}/api/v1{path}", self.cluster.nodes[node].url);
        let asked = self.http.request(method, url).bearer_auth(&self.token);
        let answer = asked.json(&body).send().await.unwrap();
        let (status, text) = (answer.status(), answer.text().await.unwrap());
        assert!(status.is_success(), "{path}: {status} {text}");
        serde_json::from_str(&text).unwrap_or_default()
    }

    pub fn role(&self, name: &str) -> &Value {
        &self.roles.iter().find(|(known, _)| known == name).unwrap().1
    }

    pub async fn assign(&self, node: usize, person: &str, role: &str) {
        let path = format!("/users/{person}/roles");
        self.ask(node, Method::PUT, &path, json!({"roles": [self.role(role)]}))
            .await;
    }

    pub async fn hire(&self, name: &'static str, role: Role) -> Viewer {
        let email = format!("{name}@example.com");
        let body = json!({"email": email, "name": name, "password": PASSWORD, "roles": [self.role(role.0)]});
        let made = self.ask(0, Method::POST, "/users", body).await;
        let token = self.cluster.sign_in_as(&email, PASSWORD).await;
        let id = made["id"].as_str().unwrap().to_owned();
        Viewer::enter(self.cluster, name, id, &token, role).await
    }
}

/// People come, change and go, every value with its number, until it is enough.
pub async fn life(office: &Office<'_>, mut rng: StdRng, enough: &AtomicBool) {
    let mut people: Vec<String> = Vec::new();
    for n in 0.. {
        if enough.load(Ordering::Relaxed) {
            return;
        }
        let values = json!({
            "name": format!("Person-{n}"),
            "email": format!("p{n}@personal.example"),
            "phone": format!("+27 555 0199 {n}"),
            "employment_equity": {"group": format!("equity-of-{n}")},
        });
        let node = rng.random_range(0..2);
        let at = rng.random_range(0..people.len().max(1));
        match rng.random_range(0..10) {
            0..4 => {
                let made = office.ask(node, Method::POST, "/users", values).await;
                people.push(made["id"].as_str().unwrap().to_owned());
            }
            4..8 if at < people.len() => {
                let path = format!("/users/{}", people[at]);
                office.ask(node, Method::PATCH, &path, values).await;
            }
            8 if at < people.len() => {
                let path = format!("/users/{}", people.swap_remove(at));
                office.ask(node, Method::DELETE, &path, json!({})).await;
            }
            9 if at < people.len() => {
                let path = format!("/users/{}/ban", people.swap_remove(at));
                office
                    .ask(
                        node,
                        Method::POST,
                        &path,
                        json!({"reason": format!("Person-{n}")}),
                    )
                    .await;
            }
            _ => {}
        }
    }
}
