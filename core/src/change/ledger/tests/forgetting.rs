//! Jobs that are over for long.

use super::*;

const KEPT: KeptDays = KeptDays {
    succeeded: 10,
    cancelled: 20,
    failed: 30,
};

async fn ended(test: &TestStore, state: &str, days: i32) -> JobId {
    let id = enqueue(test, |_| {}).await;
    let sql = format!(
        "UPDATE jobs SET state = '{state}', finished_at = now() - interval '{days} days' WHERE id = '{id}'"
    );
    test.sql(sql).await;
    id
}

async fn left(test: &TestStore) -> Vec<String> {
    while forget(&test.store, KEPT).await.unwrap() {}
    test.texts("SELECT id::text FROM jobs ORDER BY 1").await
}

#[tokio::test]
async fn ended_jobs_are_deleted_after_the_days_of_their_end_with_their_history_and_no_other() {
    let test = testing::store().await;
    let mut kept = vec![enqueue(&test, |_| {}).await.to_string()];
    for (state, days) in [
        ("succeeded", 10),
        ("cancelled", 20),
        ("failed", 30),
        ("quarantined", 30),
    ] {
        ended(&test, state, days + 1).await;
        kept.push(ended(&test, state, days - 1).await.to_string());
    }
    kept.sort();
    assert_eq!(left(&test).await, kept);
    let histories = test
        .texts("SELECT DISTINCT job_id::text FROM job_events ORDER BY 1")
        .await;
    assert_eq!(histories, kept);
    // what was counted as failed is counted no longer, and leaves the lists
    let told = test
        .texts(
            "SELECT counters ->> 'jobs_failed' FROM outbox
             WHERE type = 'job.removed' AND channels = '{feed:jobs}' AND scope_before IS NOT NULL AND scope_after IS NULL",
        )
        .await;
    assert_eq!(told, ["-1", "-1"]);
}

#[tokio::test]
async fn a_job_is_kept_for_as_long_as_something_shows_it() {
    let test = testing::store().await;
    let (person, organization) = (test.person().await, test.organization);
    let mut kept = Vec::new();
    for _ in 0..4 {
        kept.push(ended(&test, "succeeded", 400).await.to_string());
    }
    test.sql(
        format!(
            "INSERT INTO files (id, organization_id, name) VALUES ('{0}', '{organization}', 'x');
             INSERT INTO imports (id, organization_id, kind, mode, file_id, job_id)
               VALUES ('{0}', '{organization}', 'users', 'commit', '{0}', '{0}');
             INSERT INTO user_bulks (id, organization_id, job_id, action, total) VALUES ('{1}', '{organization}', '{1}', 'ban', 1);
             INSERT INTO personal_data_exports (id, organization_id, user_id, requested_by, job_id, expires_at)
               VALUES ('{2}', '{organization}', '{person}', '{person}', '{2}', now());
             INSERT INTO erasures (id, organization_id, user_id, reason, job_id, due_at)
               VALUES ('{3}', '{organization}', '{person}', 'x', '{3}', now())",
            kept[0], kept[1], kept[2], kept[3]
        ),
    )
    .await;
    kept.sort();
    assert_eq!(left(&test).await, kept);
    for table in ["imports", "user_bulks", "personal_data_exports", "erasures"] {
        test.sql(format!("DELETE FROM {table}")).await;
    }
    assert_eq!(left(&test).await, [""; 0]);
}

#[tokio::test]
async fn a_jobs_history_is_not_deleted_while_the_job_is_there() {
    let test = testing::store().await;
    enqueue(&test, |_| {}).await;
    let mut tx = test.store.db.bookkeeping().await.unwrap();
    let refused = sqlx::query("DELETE FROM job_events").execute(&mut *tx).await;
    assert!(refused.unwrap_err().to_string().contains("append-only"));
}
