//! The stages side by side, and jobs that an older version began.

use super::*;
use serde_json::json;

fn file(lines: std::ops::Range<i32>) -> String {
    let mut file = "email,name\n".to_owned();
    for n in lines {
        file += &format!("p{n}@x.example,Person {n}\n");
    }
    file
}

#[tokio::test]
async fn people_are_written_while_the_file_is_still_being_staged() {
    let hub = Hub::new().await;
    let held = hub.hold("import_rows", "NEW.line = 12000").await;
    let submitted = hub
        .submit(file(0..15_000).as_bytes(), Mode::Commit)
        .await
        .unwrap();
    let claimed = hub.claim(submitted.job_id).await.unwrap();
    let looking = async {
        testing::eventually("people of the first lines are written", async || {
            hub.look(submitted.id).await.counts.inserted > 0
        })
        .await;
        testing::eventually("staging waits", async || hub.waits().await).await;
        let last = hub.test.count("SELECT max(line)::bigint FROM import_rows").await;
        assert!(last < 12_000, "line {last} is staged already");
        assert_eq!(hub.look(submitted.id).await.phase, Phase::Apply);
        let (done, total, phase) = claimed.progress.read();
        assert!(done > 0 && done < 12_000, "{done}");
        assert_eq!((total, phase), (15_000, "apply"));
        drop(held);
    };
    let (outcome, ()) = tokio::join!(run(&hub.test.store, &claimed), looking);
    assert!(is_done(&outcome), "{outcome:?}");
    assert_eq!(hub.look(submitted.id).await.counts.inserted, 15_000);
    assert_eq!(claimed.progress.read(), (15_000, 15_000, "apply"));
}

#[tokio::test]
async fn of_lines_with_one_address_the_first_stays_however_many_chunks_lie_between() {
    let hub = Hub::new().await;
    // line 2 again in lines 3, 5,002 and 30,001; every other address once
    let mut file = file(0..30_000).replace("p1@", "p0@");
    file = file.replace("p5000@", "P0@").replace("p29999@", " p0@");
    let import = hub.import(file.as_bytes(), Mode::Commit).await;
    assert_eq!((import.counts.inserted, import.counts.rejected), (29_997, 3));
    let report = hub.report(&hub.ctx, import.id).await;
    let lines: Vec<&str> = report.iter().map(|row| row[0].as_str()).collect();
    assert_eq!(lines, ["3", "5002", "30001"]);
    for row in &report {
        assert_eq!(row[3], "Line 2 has the same address and comes first.");
    }
}

#[tokio::test]
async fn a_file_with_one_line_too_many_changes_nobody() {
    let hub = Hub::new().await;
    let mut file = b"email\n".to_vec();
    for n in 0..=MOST_ROWS {
        file.extend(format!("{n}@x.co\n").bytes());
    }
    let submitted = hub.submit(&file, Mode::Commit).await.unwrap();
    let import = hub.work(submitted).await;
    assert_eq!(import.state, JobState::Failed);
    assert!(import.error.unwrap().contains("1,000,000"));
    assert!(hub.people().await.is_empty());
}

/// Brings the job where the first version left it: lines up to `staged` are staged, and counted as it counted.
async fn begun_before(hub: &Hub, submitted: Submitted, staged: i32, checkpoint: serde_json::Value) {
    hub.test
        .sql(format!(
            "ALTER TABLE imports DROP CONSTRAINT sum;
             INSERT INTO import_rows (organization_id, import_id, line, user_id, email, name)
               SELECT '{organization}', '{import}', line, gen_random_uuid(), 'p' || line - 2 || '@x.example', 'Person ' || line - 2
               FROM generate_series(2, {staged}) AS line;
             UPDATE imports SET total = {staged} - 1, staged = true;
             UPDATE jobs SET checkpoint = '{checkpoint}'",
            organization = hub.test.organization,
            import = submitted.id,
        ))
        .await;
}

#[tokio::test]
async fn a_job_that_an_older_version_was_loading_goes_on_where_it_stood() {
    let hub = Hub::new().await;
    let file = file(0..3_000);
    let submitted = hub.submit(file.as_bytes(), Mode::Commit).await.unwrap();
    let offset = file.find("p1000@").unwrap();
    let place = json!({"offset": offset, "line": 1_002, "after_cr": false});
    begun_before(
        &hub,
        submitted,
        1_001,
        json!({"started": true, "load": place, "loaded": false}),
    )
    .await;
    let counts = hub.work(submitted).await.counts;
    assert_eq!((counts.total, counts.inserted), (3_000, 3_000));
    assert_eq!(hub.people().await.len(), 3_000);
    assert!(
        hub.events("import.started").await.is_empty(),
        "it had begun before"
    );
}

#[tokio::test]
async fn a_job_that_an_older_version_had_judged_is_applied_by_halves_to_its_end() {
    let hub = Hub::new().await;
    let submitted = hub
        .submit(file(0..30_000).as_bytes(), Mode::Commit)
        .await
        .unwrap();
    // its lanes had applied 1,000 lines each: the halves of lines 2 to 30,001 begin with 2 and 15,002
    let kept = json!({"started": true, "loaded": true, "judged": true, "lane0": 1_002, "lane1": 16_002,
        "load": {"offset": 1, "line": 30_002, "after_cr": false}});
    begun_before(&hub, submitted, 30_001, kept).await;
    hub.test
        .sql(
            "INSERT INTO users (id, organization_id, email, name, last_import_id)
               SELECT user_id, organization_id, email, name, import_id FROM import_rows
               WHERE line < 1002 OR line >= 15002 AND line < 16002;
             UPDATE imports SET inserted = 2000",
        )
        .await;
    let counts = hub.work(submitted).await.counts;
    assert_eq!(
        (counts.total, counts.inserted, counts.unchanged),
        (30_000, 30_000, 0)
    );
    let people = hub.people().await;
    assert_eq!(people.len(), 30_000);
    assert!(people.iter().all(|person| person.version == 1));
}

/// PostgreSQL chooses by what it knew when the table was empty until somebody tells it otherwise.
#[tokio::test]
async fn people_are_found_by_their_key_alone_while_an_import_goes_on_and_when_it_is_over() {
    let hub = Hub::new().await;
    let test = &hub.test;
    test.sql("ALTER TABLE users SET (autovacuum_enabled = off)").await;
    let by_key = async || {
        let plan = test.texts(format!(
            "EXPLAIN SELECT name FROM users WHERE organization_id = '{}' AND id = ANY('{{{}}}') AND deleted_at IS NULL",
            test.organization,
            UserId::new()
        ));
        plan.await.iter().any(|line| line.contains("users_pkey"))
    };
    assert!(!by_key().await, "a small table's plan is another");
    // The last line waits; by then most have come.
    let holder = hub
        .hold("users", "NEW.email LIKE 'p19999@%' AND NEW.name <> ''")
        .await;
    let submitted = hub
        .submit(file(0..20_000).as_bytes(), Mode::Commit)
        .await
        .unwrap();
    let (_, ()) = tokio::join!(hub.work(submitted), async {
        testing::eventually("people are found by their key", async || by_key().await).await;
        assert!(hub.look(submitted.id).await.counts.inserted < 20_000);
        drop(holder);
    });
    assert!(by_key().await);
    let known = test.count("SELECT reltuples::bigint FROM pg_class WHERE oid = 'users'::regclass");
    assert_eq!(known.await, 20_001);
}
