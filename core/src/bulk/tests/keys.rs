//! What a program with an API key began is done with what the key may use, and no more.

use super::*;
use crate::api_keys::{self, NewApiKey};
use crate::kernel::id::ApiKeyId;
use std::collections::BTreeSet;

/// A key of the owner, and what a program that uses it acts in.
async fn program(world: &World, scopes: &[&str]) -> (ApiKeyId, Ctx) {
    let owner = world.test.acting(world.owner).await;
    let new = NewApiKey {
        name: "Program".to_owned(),
        scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
        addresses: Vec::new(),
        requests_per_minute: None,
        resource_limits: std::collections::BTreeMap::new(),
        expires_at: None,
    };
    let made = api_keys::create(&world.test.store, &owner, "live", &new)
        .await
        .unwrap();
    let names: BTreeSet<String> = new.scopes.into_iter().collect();
    let mut ctx = owner;
    ctx.permissions = ctx.permissions.within(&names);
    ctx.credential = made.key.id.into();
    (made.key.id, ctx)
}

const BAN: &[&str] = &["users:read", "users:ban"];

#[tokio::test]
async fn a_job_that_a_key_began_reaches_nobody_whom_the_key_does_not_reach() {
    let world = World::new().await;
    let (_, ctx) = program(&world, BAN).await;
    let people = world.people("Ops", 2).await;
    world.test.hold(people[0], "admin").await;
    let new = json!({"action": "ban", "reason": "Spam", "filter": {"department": "Ops"}, "expected": 2});
    let begun = world.start(&ctx, new).await.unwrap();
    let run = world.claim(&begun).await.unwrap();
    let outcome = super::super::run(&world.test.store, &run).await;
    assert_eq!(world.settle(&run, &outcome).await, JobState::Succeeded);
    let owner = world.test.acting(world.owner).await;
    let lines = report(&world, &owner, &begun).await;
    assert_eq!((world.banned().await, lines.len()), (1, 1), "{lines:?}");
    assert!(lines[0].starts_with(&format!("{},permission.outranked,", people[0])));
}

#[tokio::test]
async fn a_job_that_a_key_began_stops_when_the_key_is_revoked_or_has_ended() {
    for gone in ["revoked_at = now()", "expires_at = now() - interval '1 hour'"] {
        let world = World::new().await;
        let (key, ctx) = program(&world, BAN).await;
        world.people("Ops", 2).await;
        let new = json!({"action": "ban", "reason": "Spam", "filter": {"department": "Ops"}, "expected": 2});
        let begun = world.start(&ctx, new).await.unwrap();
        let run = world.claim(&begun).await.unwrap();
        world
            .test
            .sql(format!("UPDATE api_keys SET {gone} WHERE id = '{key}'"))
            .await;
        let outcome = super::super::run(&world.test.store, &run).await;
        assert!(
            matches!(&outcome, Outcome::Fail(why) if why.contains("may no longer")),
            "{gone}: {outcome:?}"
        );
        assert_eq!(world.banned().await, 0, "{gone}");
    }
}
