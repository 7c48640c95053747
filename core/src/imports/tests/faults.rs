//! Files that turn out broken, runs that are cut off, and people who belong elsewhere.

use super::*;
use crate::jobs::Ending;
use crate::kernel::id::OrganizationId;
use std::time::Duration;

#[tokio::test]
async fn a_file_that_proves_broken_in_its_last_line_has_changed_nobody() {
    let hub = Hub::new().await;
    let mut file = b"email,name\n".to_vec();
    for n in 0..15_000 {
        file.extend(format!("p{n}@x.example,Person {n}\n").bytes());
    }
    file.extend(b"last@x.example,\"never closed");
    file.extend(vec![b'x'; 2 << 20]);
    let submitted = hub.submit(&file, Mode::Commit).await.unwrap();
    let import = hub.work(submitted).await;
    assert_eq!(import.state, JobState::Failed);
    assert!(import.error.unwrap().contains("line 15002"));
    assert_eq!(import.counts, Counts::default());
    assert!(hub.people().await.is_empty());
    assert_eq!(hub.test.count("SELECT count(*) FROM import_rows").await, 0);
    let job = hub.job(submitted.job_id).await;
    assert_eq!((job.state, job.attempt), (JobState::Failed, 1));
    assert_eq!(hub.events("import.finished").await.len(), 1);
}

#[tokio::test]
async fn a_run_cut_off_anywhere_goes_on_and_the_end_is_the_same() {
    let hub = Hub::new().await;
    let mut file = "email,name\n".to_owned();
    for n in 0..12_000 {
        file += &format!("p{}@x.example,Person {n}\n", n % 11_500);
    }
    let submitted = hub.submit(file.as_bytes(), Mode::Commit).await.unwrap();
    let (mut cut, mut runs) = (0, 0);
    let import = loop {
        let Some(claimed) = hub.claim(submitted.job_id).await else {
            assert_eq!(hub.job(submitted.job_id).await.state, JobState::Succeeded);
            break hub.look(submitted.id).await;
        };
        runs += 1;
        // short, so that the fastest machine is cut off too; growing, so that the slowest gets on
        let most = Duration::from_millis(40 * runs);
        if let Ok(outcome) = tokio::time::timeout(most, run(&hub.test.store, &claimed)).await {
            assert!(is_done(&outcome), "{outcome:?}");
            ledger::settle(&hub.test.store, &claimed, &outcome).await.unwrap();
            continue;
        }
        cut += 1;
        // like a killed program's, the server's processes finish their statement before they roll back
        testing::eventually("the cut off run's transactions are over", async || {
            hub.idle().await
        })
        .await;
        let mut tx = hub.test.store.db.bookkeeping().await.unwrap();
        sqlx::query!("UPDATE job_leases SET until = '-infinity'")
            .execute(&mut *tx)
            .await
            .unwrap();
        sqlx::query!("UPDATE jobs SET crashes_in_a_row = 0")
            .execute(&mut *tx)
            .await
            .unwrap();
        tx.commit().await.unwrap();
        assert_eq!(ledger::take_lapsed(&hub.test.store).await.unwrap(), 1);
    };
    assert!(cut >= 2, "the import was never cut off");
    let counts = import.counts;
    assert_eq!(
        (counts.total, counts.inserted, counts.rejected),
        (12_000, 11_500, 500)
    );
    let people = hub.people().await;
    assert_eq!(people.len(), 11_500);
    assert!(people.iter().all(|person| person.version == 1));
    let chunks = hub.events("users.imported").await;
    let told: i64 = chunks
        .iter()
        .map(|(_, event, _)| event["data"]["inserted"].as_i64().unwrap())
        .sum();
    assert_eq!(told, 11_500, "a chunk was told twice or not at all");
    assert_eq!(hub.events("import.started").await.len(), 1);
    assert_eq!(hub.events("import.finished").await.len(), 1);
}

#[tokio::test]
async fn a_stop_gives_the_job_back_and_a_cancelling_ends_it_with_what_was_done() {
    let hub = Hub::new().await;
    let submitted = hub
        .submit(b"email\na@x.example\nb@x.example\n", Mode::Commit)
        .await
        .unwrap();
    let claimed = hub.claim(submitted.job_id).await.unwrap();
    claimed.cancel.ask(Ending::Stopping);
    let outcome = run(&hub.test.store, &claimed).await;
    assert_eq!(outcome, Outcome::Released);
    ledger::settle(&hub.test.store, &claimed, &outcome).await.unwrap();
    assert_eq!(hub.job(submitted.job_id).await.state, JobState::Waiting);
    let claimed = hub.claim(submitted.job_id).await.unwrap();
    claimed.cancel.ask(Ending::Cancelled);
    let outcome = run(&hub.test.store, &claimed).await;
    assert_eq!(outcome, Outcome::Cancelled);
    ledger::settle(&hub.test.store, &claimed, &outcome).await.unwrap();
    let import = hub.look(submitted.id).await;
    assert_eq!((import.state, import.counts.inserted), (JobState::Cancelled, 0));
    assert!(import.finished_at.is_some());
}

#[tokio::test]
async fn the_sweep_closes_what_was_cancelled_while_it_waited_and_deletes_staged_lines() {
    let hub = Hub::new().await;
    let done = hub.import(b"email\na@x.example\nnobody\n", Mode::Commit).await;
    let waiting = hub.submit(b"email\nb@x.example\n", Mode::Commit).await.unwrap();
    let mut change = crate::change::Change::begin(&hub.test.store, &hub.ctx)
        .await
        .unwrap();
    change.cancel_job(waiting.job_id.unwrap()).await.unwrap();
    change.commit().await.unwrap();
    while sweep(&hub.test.store).await.unwrap() {}
    assert_eq!(hub.look(waiting.id).await.state, JobState::Cancelled);
    assert_eq!(hub.events("import.finished").await.len(), 2);
    let mut tx = hub.test.store.db.bookkeeping().await.unwrap();
    let left = sqlx::query_scalar!(r#"SELECT count(*) AS "n!" FROM import_rows"#)
        .fetch_one(&mut *tx)
        .await
        .unwrap();
    assert_eq!(left, 0);
    assert_eq!(hub.report(&hub.ctx, done.id).await.len(), 1, "the report stays");
}

#[tokio::test]
async fn somebody_of_another_organization_is_neither_changed_nor_shown() {
    let hub = Hub::new().await;
    let other = OrganizationId::new();
    let mut tx = hub.test.store.db.bookkeeping().await.unwrap();
    sqlx::query!(
        "INSERT INTO organizations (id, name) VALUES ($1, 'Other')",
        other.0
    )
    .execute(&mut *tx)
    .await
    .unwrap();
    sqlx::query!(
        "INSERT INTO users (id, organization_id, email, name) VALUES ($1, $2, 'far@x.example', 'Far')",
        UserId::new().0,
        other.0
    )
    .execute(&mut *tx)
    .await
    .unwrap();
    tx.commit().await.unwrap();
    let file = b"email,name\nfar@x.example,Near\nnear@x.example,Near\n";
    for mode in [Mode::DryRun, Mode::Commit] {
        let counts = hub.import(file, mode).await.counts;
        assert_eq!(
            (counts.inserted, counts.updated, counts.rejected),
            (1, 0, 1),
            "{mode:?}"
        );
    }
    assert_eq!(hub.people().await[0].name, "Far");
}

#[tokio::test]
async fn a_file_that_cannot_be_imported_leaves_nothing_behind() {
    let hub = Hub::new().await;
    for (bytes, code) in [
        (&b""[..], "import.empty_file"),
        (b"PK\x03\x04\x00\x00", "import.binary_file"),
        (b"name,phone\nA,1\n", "import.no_email_column"),
    ] {
        assert_eq!(hub.submit(bytes, Mode::Commit).await.unwrap_err().code, code);
    }
    let mut tx = hub.test.store.db.bookkeeping().await.unwrap();
    let left = sqlx::query_scalar!(
        r#"SELECT (SELECT count(*) FROM files) + (SELECT count(*) FROM imports) + (SELECT count(*) FROM jobs) AS "n!""#
    );
    assert_eq!(left.fetch_one(&mut *tx).await.unwrap(), 0);
}
