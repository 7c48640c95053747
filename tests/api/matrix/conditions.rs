//! `If-Match` with a version that nothing has: every operation that changes something refuses it, and nothing is changed.

use super::values::Ids;
use super::wire::{Answer, Asked};
use super::world::{World, none};

#[tokio::test(flavor = "multi_thread")]
async fn a_condition_that_does_not_hold_or_is_not_looked_at_has_nothing_done() {
    let world = World::start().await;
    let mut kept: Vec<(_, Ids)> = Vec::new();
    for operation in world
        .spec
        .operations
        .iter()
        .filter(|one| one.writes() && !one.open)
    {
        kept.push((operation, world.kept(&world.ours, operation, true).await));
    }
    assert!(kept.len() > 80, "only {}", kept.len());
    let before = world.digests(&world.ours).await;
    let mut faults = Vec::new();
    for (operation, ids) in &kept {
        let asked = Asked::of(&world.spec, operation, ids, false);
        let request = asked.request(&world.http, &world.url, operation);
        let request = request.header("if-match", "\"987654321\"");
        let answer = Answer::to(request.bearer_auth(world.ours.owner.token())).await;
        if answer.status != 412 {
            faults.push(format!("{}: {} {}", operation.id, answer.status, answer.text));
        }
    }
    none("What is not refused:", faults);
    assert_eq!(world.digests(&world.ours).await, before);
}
