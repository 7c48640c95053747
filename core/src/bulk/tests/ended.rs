//! Acts whose job ended without them.

use super::*;

#[tokio::test]
async fn an_act_whose_job_ended_without_it_is_closed_once_and_whoever_asked_hears_of_it() {
    let world = World::new().await;
    let (store, ctx) = (&world.test.store, world.test.acting(world.owner).await);
    world.people("Ops", 2).await;
    let new = json!({"action": "ban", "reason": "Spam", "filter": {"department": "Ops"}, "expected": 2});
    let finished = "SELECT count(*) FROM audit_logs WHERE action = 'users.bulk' AND details ? 'not_reached'";
    for (n, state) in ["cancelled", "failed"].into_iter().enumerate() {
        let begun = world.start(&ctx, new.clone()).await.unwrap();
        assert!(!close_ended(store).await.unwrap(), "its job waits");
        let job = begun.job_id.unwrap();
        world
            .test
            .sql(format!(
                "UPDATE jobs SET state = '{state}', finished_at = now() WHERE id = '{job}'"
            ))
            .await;
        assert!(close_ended(store).await.unwrap());
        assert!(!close_ended(store).await.unwrap(), "once");
        let run = get(store, &ctx, begun.bulk_id.unwrap()).await.unwrap();
        assert!(run.finished_at.is_some());
        assert_eq!(run.left, 2);
        assert_eq!(world.test.count(finished).await, n as i64 + 1);
        let told = format!(
            "SELECT count(*) FROM outbox WHERE type = 'users.bulk_finished' AND channels @> '{{job:{job},inbox:{}}}'",
            world.owner
        );
        assert_eq!(world.test.count(&told).await, 1);
    }
    assert_eq!(world.banned().await, 0);
}
