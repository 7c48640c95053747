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

/// What the hub's importer reaches, a file about them, and what is left of it where they may do as `said`.
async fn import_over(said: &str, mode: Mode) -> (Hub, Import) {
    let hub = Hub::new().await;
    for (email, department) in [("above", "Board"), ("below", "Ops"), ("same", "Ops")] {
        hub.add(&Person {
            department: Some(department.into()),
            ..Person::new(&format!("{email}@x.example"), "Name")
        })
        .await;
    }
    let (organization, importer) = (hub.test.organization, hub.ctx.actor.user().unwrap());
    hub.test
        .sql(format!(
            "INSERT INTO user_permissions (organization_id, user_id, permission)
               SELECT organization_id, id, 'roles:manage' FROM users WHERE email IN ('above@x.example', 'same@x.example');
             DELETE FROM user_permissions WHERE user_id = '{importer}' AND permission = 'users:update';
             {}",
            said.replace('$', &format!("'{organization}', '{importer}'"))
        ))
        .await;
    let file = b"email,name,department\nabove@x.example,Name,Cellar\nbelow@x.example,Name,Sales\nsame@x.example,Name,Ops\nnew@x.example,New,Ops\n";
    let import = hub.import(file, mode).await;
    (hub, import)
}

/// Departments of everybody who has one, in the order of addresses.
async fn departments(hub: &Hub) -> Vec<String> {
    let people = hub.people().await.into_iter();
    people.filter_map(|person| person.department).collect()
}

const UPDATE: &str =
    "INSERT INTO user_permissions (organization_id, user_id, permission) VALUES ($, 'users:update')";

#[tokio::test]
async fn an_import_changes_nobody_who_may_do_more_than_the_importer_and_says_which_lines() {
    for mode in [Mode::DryRun, Mode::Commit] {
        let (hub, import) = import_over(UPDATE, mode).await;
        let counts = import.counts;
        assert_eq!(
            (counts.inserted, counts.updated, counts.unchanged, counts.rejected),
            (1, 1, 1, 1),
            "{mode:?}"
        );
        let report = hub.report(&hub.ctx, import.id).await;
        assert_eq!((report[0][0].as_str(), report[0][1].as_str()), ("2", "E-mail"));
        assert!(report[0][3].contains("may not change"), "{report:?}");
        let expected: &[&str] = match mode {
            Mode::Commit => &["Board", "Sales", "Ops", "Ops"],
            _ => &["Board", "Ops", "Ops"],
        };
        assert_eq!(departments(&hub).await, expected, "{mode:?}");
        if mode == Mode::Commit {
            let told = hub.events("users.imported").await;
            assert_eq!(
                (&told[0].1["data"]["inserted"], &told[0].1["data"]["updated"]),
                (&json!(1), &json!(1))
            );
        }
    }
}

#[tokio::test]
async fn whoever_may_import_but_not_change_people_adds_and_changes_nobody() {
    let (hub, import) = import_over("", Mode::Commit).await;
    let counts = import.counts;
    assert_eq!(
        (counts.inserted, counts.updated, counts.unchanged, counts.rejected),
        (1, 0, 1, 2)
    );
    assert_eq!(departments(&hub).await, ["Board", "Ops", "Ops", "Ops"]);
}

#[tokio::test]
async fn an_import_changes_whom_the_importer_may_change_and_whoever_may_do_everything_changes_everybody() {
    let own = "INSERT INTO user_permissions (organization_id, user_id, permission, granted, only_on) VALUES ($, 'users:update', false, 'team');
        WITH team AS (INSERT INTO teams (id, organization_id, name) SELECT gen_random_uuid(), organization_id, 'T' FROM users
          WHERE email = 'below@x.example' RETURNING id, organization_id)
        INSERT INTO team_members (organization_id, team_id, user_id) SELECT team.organization_id, team.id, users.id FROM team, users
          WHERE email IN ('below@x.example', 'importer@hub.example')";
    let (hub, import) = import_over(own, Mode::Commit).await;
    assert_eq!((import.counts.updated, import.counts.rejected), (1, 1));
    assert_eq!(departments(&hub).await, ["Board", "Sales", "Ops", "Ops"]);
    let all = "INSERT INTO user_permissions (organization_id, user_id, permission)
        SELECT u.organization_id, u.id, p.name FROM users u, permissions p WHERE u.email = 'importer@hub.example'
        ON CONFLICT DO NOTHING";
    let (hub, import) = import_over(all, Mode::Commit).await;
    assert_eq!((import.counts.updated, import.counts.rejected), (2, 0));
    assert_eq!(departments(&hub).await, ["Cellar", "Sales", "Ops", "Ops"]);
}
