//! Handing out what is held on somebody.

use super::*;
use crate::jobs::Run;
use crate::kernel::error::Kind;
use time::Duration;

#[tokio::test]
async fn everything_held_on_somebody_is_handed_to_whoever_asked_and_to_nobody_else() {
    let world = World::new().await;
    let grace = world.grace().await;
    let theirs = world.test.acting(grace.id).await;
    let asked = request(&world.test.store, &theirs, grace.id).await.unwrap();
    assert_eq!(
        &*request(&world.test.store, &theirs, grace.id)
            .await
            .unwrap_err()
            .code,
        "job.already_queued"
    );
    assert_eq!(
        &*download(&world.test.store, &theirs, asked.id)
            .await
            .unwrap_err()
            .code,
        "personal_data.not_ready"
    );
    assert_eq!(world.work(asked.job_id, true).await, JobState::Succeeded);
    let lines = world.lines(&theirs, asked.id).await;
    assert_eq!(lines[0]["user_id"], json!(grace.id));
    let of = |table: &str| -> Vec<&Value> {
        lines
            .iter()
            .filter(|line| line["table"] == table)
            .map(|line| &line["row"])
            .collect()
    };
    assert_eq!(of("users")[0]["email"], "grace.canary@example.com");
    assert_eq!(of("user_sessions")[0]["user_agent"], "canary-agent");
    assert!(of("api_keys").iter().any(|key| key["name"] == "canary-key"));
    let whole = serde_json::to_string(&lines).unwrap();
    assert!(!whole.contains("password_hash") && !whole.contains("seal_salt") && !whole.contains("\"hash\""));
    let audited = of("audit_logs");
    let created = audited
        .iter()
        .find(|row| row["action"] == "users.create")
        .unwrap();
    assert_eq!(
        created["changes"]["email"]["after"], "grace.canary@example.com",
        "opened, for it is theirs"
    );
    assert!(
        !whole.contains("sealed:1:"),
        "nothing stays closed that is theirs"
    );
    for other in [
        world.owner.clone(),
        world.test.acting(world.test.person().await).await,
    ] {
        let refused = download(&world.test.store, &other, asked.id).await.err().unwrap();
        assert_eq!(refused.kind, Kind::NotFound);
    }
    assert_eq!(exports(&world.test.store, &theirs).await.unwrap().items.len(), 1);
    let fetched = world
        .test
        .count("SELECT count(*) FROM audit_logs WHERE action = 'personal_data.download'")
        .await;
    assert_eq!(fetched, 1);
}

#[tokio::test]
async fn what_stands_sealed_of_others_beside_ones_own_acts_stays_closed() {
    let world = World::new().await;
    world.grace().await;
    let owner = world.owner.actor.user().unwrap();
    let asked = request(&world.test.store, &world.owner, owner).await.unwrap();
    world.work(asked.job_id, true).await;
    let lines = world.lines(&world.owner, asked.id).await;
    let acts = lines.iter().filter(|line| line["table"] == "audit_logs").count();
    assert!(acts >= 3, "the owner's acts are there");
    let logs: Vec<&Value> = lines
        .iter()
        .filter(|line| {
            line["table"]
                .as_str()
                .is_some_and(|table| table.ends_with("_logs"))
        })
        .collect();
    let whole = serde_json::to_string(&logs).unwrap().to_lowercase();
    assert!(!whole.contains("grace") && !whole.contains("0199"), "{whole}");
}

#[tokio::test]
async fn another_is_handed_out_only_by_who_may_see_them_whole_reaches_over_them_and_has_proved_who_they_are()
{
    let world = World::new().await;
    let grace = world.grace().await;
    let plain = world.test.acting(world.test.person().await).await;
    assert_eq!(
        request(&world.test.store, &plain, grace.id)
            .await
            .unwrap_err()
            .kind,
        Kind::NotFound
    );
    let mut stale = world.owner.clone();
    stale.authenticated_at = Some(world.test.store.clock.now() - Duration::hours(1));
    assert_eq!(
        &*request(&world.test.store, &stale, grace.id)
            .await
            .unwrap_err()
            .code,
        "auth.step_up_needed"
    );
    let mut blind = world.owner.clone();
    blind.permissions = ["users:read", "users:export"].into_iter().collect();
    assert_eq!(
        &*request(&world.test.store, &blind, grace.id)
            .await
            .unwrap_err()
            .code,
        "permission.missing"
    );
    let admin = world.test.person().await;
    world.test.hold(admin, "admin").await;
    let admin = world.test.acting(admin).await;
    let owner = world.owner.actor.user().unwrap();
    assert_eq!(
        &*request(&world.test.store, &admin, owner).await.unwrap_err().code,
        "permission.outranked"
    );
    let asked = request(&world.test.store, &admin, grace.id).await.unwrap();
    world
        .test
        .sql(format!(
            "DELETE FROM user_roles WHERE user_id = '{}'",
            admin.actor.user().unwrap()
        ))
        .await;
    assert_eq!(
        world.work(asked.job_id, true).await,
        JobState::Failed,
        "rights are looked at again"
    );
    assert_eq!(
        world.test.count("SELECT count(*) FROM personal_data_parts").await,
        0
    );
}

#[tokio::test]
async fn an_export_cut_off_anywhere_goes_on_and_is_the_same() {
    let world = World::new().await;
    let grace = world.grace().await;
    world
        .test
        .sql(format!(
            "INSERT INTO activity_logs (id, organization_id, action, subject_kind, subject_id, text)
             SELECT gen_random_uuid(), '{}', 'tests.line' , 'user', '{}', 'n' FROM generate_series(1, 5300)",
            world.test.organization, grace.id
        ))
        .await;
    let theirs = world.test.acting(grace.id).await;
    let asked = request(&world.test.store, &theirs, grace.id).await.unwrap();
    let within = [15, 25].map(std::time::Duration::from_millis).into();
    let run = async |run: &Run| run_export(&world.test.store, run).await;
    let cut = world.test.worker().killing_runs(asked.job_id, within, run).await;
    assert!(cut >= 1, "the job was never cut off");
    let lines = world.lines(&theirs, asked.id).await;
    let ids: Vec<&Value> = lines
        .iter()
        .filter(|line| line["row"]["action"] == "tests.line")
        .map(|line| &line["row"]["id"])
        .collect();
    let once: BTreeSet<String> = ids.iter().map(ToString::to_string).collect();
    assert_eq!((ids.len(), once.len()), (5_300, 5_300), "each line once");
}

#[tokio::test]
async fn an_export_can_be_fetched_for_a_week_and_is_then_gone() {
    let world = World::new().await;
    let owner = world.owner.actor.user().unwrap();
    let asked = request(&world.test.store, &world.owner, owner).await.unwrap();
    world.work(asked.job_id, true).await;
    assert!(!sweep(&world.test.store).await.unwrap());
    world
        .test
        .sql("UPDATE personal_data_exports SET expires_at = now() - interval '1 second'")
        .await;
    assert_eq!(
        download(&world.test.store, &world.owner, asked.id)
            .await
            .err()
            .unwrap()
            .kind,
        Kind::NotFound
    );
    assert!(sweep(&world.test.store).await.unwrap());
    assert_eq!(
        world.test.count("SELECT count(*) FROM personal_data_parts").await,
        0
    );
}

#[tokio::test]
async fn an_export_of_another_is_fetched_only_while_whoever_asked_might_still_ask_for_it() {
    let world = World::new().await;
    let grace = world.grace().await;
    let admin = world.test.person().await;
    world.test.hold(admin, "admin").await;
    let before = world.test.acting(admin).await;
    let asked = request(&world.test.store, &before, grace.id).await.unwrap();
    assert_eq!(world.work(asked.job_id, true).await, JobState::Succeeded);
    let fetch = async || {
        let ctx = world.test.acting(admin).await;
        let fetched = download(&world.test.store, &ctx, asked.id).await;
        fetched.err().map(|error| error.code.into_owned())
    };
    assert_eq!(fetch().await, None);
    world.test.hold(grace.id, "owner").await;
    assert_eq!(fetch().await.as_deref(), Some("permission.outranked"));
    let take = |user| format!("DELETE FROM user_roles WHERE user_id = '{user}'");
    world.test.sql(take(grace.id)).await;
    world.test.sql(take(admin)).await;
    assert_eq!(fetch().await.as_deref(), Some("user.not_found"));
}

#[tokio::test]
async fn an_export_stops_once_its_person_may_do_more_than_whoever_asked_for_it() {
    let world = World::new().await;
    let grace = world.grace().await;
    let admin = world.test.person().await;
    world.test.hold(admin, "admin").await;
    let ctx = world.test.acting(admin).await;
    let asked = request(&world.test.store, &ctx, grace.id).await.unwrap();
    world.test.hold(grace.id, "owner").await;
    assert_eq!(world.work(asked.job_id, true).await, JobState::Failed);
}
