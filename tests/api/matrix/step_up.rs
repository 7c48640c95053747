//! Sensitive acts: which operations refuse whoever proved more than ten minutes ago who they are.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::{Value, json};

use super::special;
use super::wire::Asked;
use super::world::{Person, World};

impl World {
    /// An owner who proved eleven minutes ago who they are.
    async fn long_signed_in(&self, owner_role: &str) -> Person {
        let person = self.person(&self.ours, &[]).await;
        let aged = format!(
            "UPDATE user_sessions SET authenticated_at = now() - interval '11 minutes' WHERE user_id = '{}'",
            person.id
        );
        self.cluster.test.sql(aged).await;
        // which has every node look at the session anew
        let path = format!("/users/{}/roles", person.id);
        let body = json!({"roles": [owner_role]});
        self.act(&self.ours.owner, Method::PUT, &path, body).await;
        person
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sensitive_act_wants_a_recent_proof_and_the_list_names_every_one() {
    let world = World::start().await;
    let roles = world
        .act(&world.ours.owner, Method::GET, "/roles", json!({}))
        .await;
    let mut roles = roles["items"].as_array().unwrap().iter();
    let owner: &Value = roles.find(|role| role["name"] == "owner").unwrap();
    let mut found = BTreeSet::new();
    for operation in &world.spec.operations {
        if operation.open || !operation.writes() {
            continue;
        }
        let who = world.long_signed_in(owner["id"].as_str().unwrap()).await;
        let ids = world.fresh(&world.ours, operation, false).await;
        let asked = Asked::of(&world.spec, operation, &ids, false);
        let answer = world.ask(operation, &asked, &who.token()).await;
        if answer.code() == "auth.step_up_needed" {
            found.insert(operation.id.as_str());
        }
    }
    let listed: BTreeSet<&str> = special::STEP_UP.iter().copied().collect();
    let (more, fewer): (Vec<_>, Vec<_>) = (
        found.difference(&listed).collect(),
        listed.difference(&found).collect(),
    );
    assert!(
        more.is_empty() && fewer.is_empty(),
        "These want a proof and are not in STEP_UP (tests/api/matrix/special.rs) and docs/SIGN_IN.md: {more:?}. \
         These are there and want none: {fewer:?}"
    );
}
