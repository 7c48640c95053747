//! Roles that inherit from each other, changed by many at once: whatever comes of it, none inherits from itself.

use std::collections::{BTreeMap, BTreeSet};

use futures::future::join_all;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::hub;

/// Whether somebody can go from a role to its parents and come back.
fn is_circular(parents: &BTreeMap<String, BTreeSet<String>>) -> bool {
    parents.keys().any(|start| {
        let (mut seen, mut waiting) = (BTreeSet::new(), vec![start]);
        while let Some(role) = waiting.pop() {
            for parent in parents.get(role).into_iter().flatten() {
                if parent == start {
                    return true;
                }
                if seen.insert(parent) {
                    waiting.push(parent);
                }
            }
        }
        false
    })
}

#[tokio::test]
async fn roles_changed_by_many_at_once_never_come_to_inherit_from_themselves() {
    let hub = hub().await;
    let owner = hub.owner().await;
    let mut roles = Vec::new();
    for n in 0..6 {
        let made: Value = hub
            .send(
                &owner,
                Method::POST,
                "/roles",
                json!({"name": format!("Role {n}")}),
            )
            .await
            .json()
            .await
            .unwrap();
        roles.push(made["id"].as_str().unwrap().to_owned());
    }
    let mut rng = StdRng::seed_from_u64(8);
    let (mut let_in, mut refused) = (0, 0);
    for _ in 0..12 {
        let changes: Vec<_> = (0..8)
            .map(|_| {
                let role = &roles[rng.random_range(0..roles.len())];
                let chosen = roles.iter().filter(|_| rng.random_bool(0.25));
                (
                    format!("/roles/{role}"),
                    json!({"inherits": chosen.collect::<Vec<_>>()}),
                )
            })
            .collect();
        let answers = changes.into_iter().map(async |(path, body)| {
            let answer = hub.send(&owner, Method::PATCH, &path, body).await;
            (answer.status().as_u16(), answer.text().await.unwrap())
        });
        for (status, text) in join_all(answers).await {
            match status {
                200 => let_in += 1,
                409 if text.contains("role.cycle") => refused += 1,
                _ => panic!("{status} {text}"),
            }
        }
        let kept = "SELECT role_id || ' ' || parent_id FROM role_parents";
        let mut parents: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for line in hub.test.texts(kept).await {
            let (role, parent) = line.split_once(' ').unwrap();
            parents
                .entry(role.to_owned())
                .or_default()
                .insert(parent.to_owned());
        }
        assert!(!is_circular(&parents), "{parents:?}");
    }
    assert!(
        let_in > 10 && refused > 10,
        "{let_in} were let in, {refused} refused"
    );
}

#[test]
fn a_circle_would_be_found() {
    let edge = |from: &str, to: &str| (from.to_owned(), BTreeSet::from([to.to_owned()]));
    assert!(is_circular(
        &[edge("a", "b"), edge("b", "c"), edge("c", "a")].into()
    ));
    assert!(!is_circular(&[edge("a", "b"), edge("b", "c")].into()));
}
