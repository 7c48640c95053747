//! A job outlives the request that asked for it, not the rights of whoever asked.

use super::*;
use serde_json::json;

/// What takes the importer's rights away.
fn taken(hub: &Hub) -> [String; 4] {
    let of = format!("WHERE id = '{}'", hub.ctx.actor.user().unwrap());
    [
        format!("UPDATE users SET status = 'banned', banned_at = now() {of}"),
        format!("UPDATE users SET status = 'suspended' {of}"),
        format!("UPDATE users SET deleted_at = now() {of}"),
        "DELETE FROM user_permissions WHERE permission = 'users:import'".to_owned(),
    ]
}

#[tokio::test]
async fn an_import_whose_requester_may_no_longer_import_fails_before_it_writes_and_says_what_to_do() {
    for n in 0..4 {
        let hub = Hub::new().await;
        let submitted = hub.submit(b"email\na@x.example\n", Mode::Commit).await.unwrap();
        hub.test.sql(taken(&hub)[n].clone()).await;
        let import = hub.work(submitted).await;
        assert_eq!(
            (import.state, import.counts),
            (JobState::Failed, Counts::default())
        );
        let error = import.error.unwrap();
        assert!(error.contains("may no longer import people"), "{error}");
        assert!(error.contains("import the same file again"), "{error}");
        assert!(hub.people().await.is_empty());
        let job = hub.job(submitted.job_id).await;
        assert_eq!(
            (job.state, job.attempt, job.error),
            (JobState::Failed, 1, Some(error))
        );
        let mut tx = hub.test.store.db.read(hub.test.organization).await.unwrap();
        let audit = sqlx::query!("SELECT action, actor_kind, on_behalf_of, details FROM audit_logs")
            .fetch_all(&mut *tx)
            .await
            .unwrap();
        assert_eq!(audit.len(), 1);
        assert_eq!(audit[0].action, "imports.finish");
        assert_eq!(audit[0].actor_kind, "system");
        assert_eq!(audit[0].on_behalf_of, hub.ctx.actor.user().map(|user| user.0));
        assert_eq!(audit[0].details["state"], json!("failed"));
    }
}

#[tokio::test]
async fn rights_taken_while_a_chunk_is_written_stop_that_chunk_too() {
    let hub = Hub::new().await;
    let file: Vec<String> = (0..900).map(|n| format!("p{n}@x.example")).collect();
    let submitted = hub
        .submit(format!("email\n{}\n", file.join("\n")).as_bytes(), Mode::Commit)
        .await
        .unwrap();
    let held = hub.hold("users", "NEW.email = 'p700@x.example'").await;
    let claimed = hub.claim(submitted.job_id).await.unwrap();
    let banning = async {
        testing::eventually("the second chunk is being written", async || hub.waits().await).await;
        hub.test.sql(taken(&hub)[0].clone()).await;
        drop(held);
    };
    let (outcome, ()) = tokio::join!(run(&hub.test.store, &claimed), banning);
    assert!(matches!(outcome, Outcome::Fail(_)), "{outcome:?}");
    let import = hub.look(submitted.id).await;
    assert_eq!(import.state, JobState::Failed);
    let written = hub.people().await.len() as i64;
    assert!(
        written > 0 && written < 700,
        "the chunk before stays, this one does not: {written}"
    );
    assert_eq!((import.counts.total, import.counts.inserted), (written, written));
}
