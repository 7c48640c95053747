//! Everybody whom a filter finds: counted, confirmed, and done by a job.

use super::*;
use crate::jobs::Ending;
use std::time::Duration;

#[tokio::test]
async fn a_filter_is_counted_first_and_only_that_number_is_confirmed() {
    let world = World::new().await;
    let ctx = world.test.acting(world.owner).await;
    let people = world.people("Ops", 3).await;
    world.test.session(people[0]).await;
    world.test.session(people[0]).await;
    let ban = |more: Value| {
        let mut new = json!({"action": "ban", "reason": "Spam", "filter": {"department": "ops"}});
        new.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        new
    };
    let dry = world.start(&ctx, ban(json!({"dry_run": true}))).await.unwrap();
    assert_eq!((dry.count, dry.sessions, dry.job_id), (3, 2, None));
    for expected in [json!({}), json!({"expected": 2}), json!({"expected": 4})] {
        let refused = world.start(&ctx, ban(expected)).await.unwrap_err();
        assert_eq!(&*refused.code, "users.bulk_count_changed");
    }
    assert_eq!(world.banned().await, 0);
    let begun = world.start(&ctx, ban(json!({"expected": 3}))).await.unwrap();
    let run = world.claim(&begun).await.unwrap();
    let outcome = super::run(&world.test.store, &run).await;
    assert_eq!(world.settle(&run, &outcome).await, JobState::Succeeded);
    assert_eq!(world.banned().await, 3);
    let over = get(&world.test.store, &ctx, begun.bulk_id.unwrap())
        .await
        .unwrap();
    assert_eq!((over.total, over.done, over.failed, over.left), (3, 3, 0, 0));
    assert!(over.finished_at.is_some());
}

#[tokio::test]
async fn a_job_cut_off_anywhere_goes_on_and_nobody_is_changed_twice() {
    let world = World::new().await;
    let ctx = world.test.acting(world.owner).await;
    let people = world.people("Ops", 120).await;
    world.test.hold(people[7], "owner").await;
    let new = json!({"action": "assign_role", "role": world.roles["viewer"], "filter": {"department": "Ops"}, "expected": 120});
    let begun = world.start(&ctx, new).await.unwrap();
    let within = [20, 40].map(Duration::from_millis).into();
    let run = async |run: &Run| super::run(&world.test.store, run).await;
    let worker = world.test.worker();
    let cut = worker.killing_runs(begun.job_id.unwrap(), within, run).await;
    assert!(cut >= 1, "the job was never cut off");
    let given = world
        .test
        .count("SELECT count(*) FROM activity_logs WHERE action = 'roles.assign'")
        .await;
    let versions = world
        .test
        .count("SELECT count(*) FROM users WHERE version = 2")
        .await;
    assert_eq!((given, versions), (120, 120), "once each");
    assert!(report(&world, &ctx, &begun).await.is_empty());
    let ended = world
        .test
        .count("SELECT count(*) FROM audit_logs WHERE details ? 'not_reached'")
        .await;
    assert_eq!(ended, 1);
}

#[tokio::test]
async fn rights_are_looked_at_again_for_each_chunk_and_what_was_not_reached_is_told() {
    let world = World::new().await;
    let boss = world.test.person().await;
    world.test.hold(boss, "moderator").await;
    let ctx = world.test.acting(boss).await;
    world.people("Ops", 3).await;
    let new = json!({"action": "ban", "reason": "Spam", "filter": {"department": "Ops"}, "expected": 3});
    let begun = world.start(&ctx, new).await.unwrap();
    let run = world.claim(&begun).await.unwrap();
    world
        .test
        .sql(format!("DELETE FROM user_roles WHERE user_id = '{boss}'"))
        .await;
    let outcome = super::run(&world.test.store, &run).await;
    assert!(
        matches!(&outcome, Outcome::Fail(why) if why.contains("may no longer")),
        "{outcome:?}"
    );
    assert_eq!(world.settle(&run, &outcome).await, JobState::Failed);
    assert_eq!(world.banned().await, 0);
    let owner = world.test.acting(world.owner).await;
    let lines = report(&world, &owner, &begun).await;
    assert!(lines.len() == 3 && lines.iter().all(|line| line.contains(",not_reached,")));
    let by = world
        .test
        .texts("SELECT actor_kind || ' ' || on_behalf_of FROM audit_logs ORDER BY id DESC LIMIT 1")
        .await;
    assert_eq!(
        by,
        [format!("system {boss}")],
        "nobody acts with rights they no longer have"
    );
}

#[tokio::test]
async fn a_job_is_cancelled_between_chunks_and_says_whom_it_could_not_change() {
    let world = World::new().await;
    let ctx = world.test.acting(world.owner).await;
    let people = world.people("Ops", 2).await;
    world
        .test
        .sql(format!(
            "UPDATE users SET status = 'banned' WHERE id = '{}'",
            people[0]
        ))
        .await;
    let new = json!({"action": "ban", "reason": "Spam", "filter": {"department": "Ops"}, "expected": 2});
    let begun = world.start(&ctx, new.clone()).await.unwrap();
    let run = world.claim(&begun).await.unwrap();
    run.cancel.ask(Ending::Cancelled);
    let outcome = super::run(&world.test.store, &run).await;
    assert_eq!(outcome, Outcome::Cancelled);
    world.settle(&run, &outcome).await;
    assert_eq!(
        (world.banned().await, report(&world, &ctx, &begun).await.len()),
        (1, 2)
    );
    let begun = world.start(&ctx, new).await.unwrap();
    let run = world.claim(&begun).await.unwrap();
    let outcome = super::run(&world.test.store, &run).await;
    assert_eq!(world.settle(&run, &outcome).await, JobState::Succeeded);
    let lines = report(&world, &ctx, &begun).await;
    assert_eq!(lines.len(), 1);
    assert!(lines[0].starts_with(&format!("{},user.already_banned,", people[0])));
    let stranger = world.test.acting(people[1]).await;
    let refused = get(&world.test.store, &stranger, begun.bulk_id.unwrap())
        .await
        .unwrap_err();
    assert_eq!(refused.kind, Kind::Forbidden);
}

#[tokio::test]
async fn old_acts_are_forgotten_with_their_lists() {
    let world = World::new().await;
    let ctx = world.test.acting(world.owner).await;
    world.people("Ops", 1).await;
    let new = json!({"action": "delete", "filter": {"department": "Ops"}, "expected": 1});
    world.start(&ctx, new).await.unwrap();
    assert!(!sweep(&world.test.store).await.unwrap());
    world
        .test
        .sql("UPDATE user_bulks SET created_at = now() - interval '31 days'")
        .await;
    assert!(sweep(&world.test.store).await.unwrap());
    assert_eq!(world.test.count("SELECT count(*) FROM user_bulk_people").await, 0);
}
