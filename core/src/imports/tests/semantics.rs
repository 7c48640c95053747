//! What an import does with each kind of line, as a table.

use super::*;

#[tokio::test]
async fn every_line_becomes_what_the_rules_say() {
    let hub = Hub::new().await;
    let ann = Person {
        phone: Some("+49 1".into()),
        department: Some("Ops".into()),
        status: "banned".into(),
        version: 7,
        ..Person::new("ann@x.example", "Ann")
    };
    let gone = Person {
        deleted: true,
        ..Person::new("gone@x.example", "Gone")
    };
    let same = Person {
        department: Some("Ops".into()),
        ..Person::new("same@x.example", "Same")
    };
    for person in [&ann, &gone, &same] {
        hub.add(person).await;
    }
    let file = "\u{feff}Full name;E-mail;Phone;Department;Shoe size\r\n\
        Ann Two; ANN@x.example ;;Sales;1\r\n\
        New;new@x.example;+49 2;;2\r\n\
        Again;New@X.Example;+49 3;Sales;3\r\n\
        Back;gone@x.example;;;4\r\n\
        ;same@x.example;;Ops;5\r\n\
        \r\n\
        \"Two\nlines\";quoted@x.example;;;6\r\n\
        Short;short@x.example\r\n\
        Nobody;not an address;;;7\r\n\
        Empty;;;;8\r\n\
        =cmd();formula@;;;9\r\n\
        Last;last@x.example;;\"a;b\";10";
    let import = hub.import(file.as_bytes(), Mode::Commit).await;
    let counts = import.counts;
    assert_eq!(
        (
            counts.total,
            counts.inserted,
            counts.updated,
            counts.unchanged,
            counts.rejected
        ),
        (11, 2, 1, 1, 7)
    );
    let report = hub.report(&hub.ctx, import.id).await;
    let lines: Vec<(&str, &str)> = report
        .iter()
        .map(|row| (row[0].as_str(), row[1].as_str()))
        .collect();
    assert_eq!(
        lines,
        [
            ("4", "E-mail"),
            ("5", "E-mail"),
            ("8", "Name"),
            ("10", ""),
            ("11", "E-mail"),
            ("12", "E-mail"),
            ("13", "E-mail")
        ]
    );
    assert_eq!(report[0][3], "Line 3 has the same address and comes first.");
    assert!(report[1][3].contains("deleted"));
    assert_eq!(
        report[3][3],
        "This line has 2 fields, but the header has 5 columns."
    );

    let id = Some(import.id.0);
    let people = hub.people().await;
    let expected = [
        Person {
            name: "Ann Two".into(),
            department: Some("Sales".into()),
            version: 8,
            last_import_id: id,
            ..ann
        },
        gone,
        Person {
            department: Some("a;b".into()),
            last_import_id: id,
            ..Person::new("last@x.example", "Last")
        },
        Person {
            phone: Some("+49 2".into()),
            last_import_id: id,
            ..Person::new("new@x.example", "New")
        },
        same,
    ];
    assert_eq!(people, expected);
}

#[tokio::test]
async fn a_dry_run_counts_the_same_and_writes_nobody_and_its_file_can_be_committed() {
    let hub = Hub::new().await;
    hub.add(&Person::new("a@x.example", "A")).await;
    hub.add(&Person {
        deleted: true,
        ..Person::new("d@x.example", "D")
    })
    .await;
    let before = hub.people().await;
    let file =
        b"name\temail\nAA\ta@x.example\nB\tb@x.example\nB2\tb@x.example\nD\td@x.example\n\xff\tc@x.example\n";
    let tried = hub.import(file, Mode::DryRun).await;
    assert_eq!(hub.people().await, before);
    assert!(hub.events("users.imported").await.is_empty());
    let done = again(&hub.test.store, &hub.ctx, tried.id, Mode::Commit, None)
        .await
        .unwrap();
    let done = hub.work(done).await;
    assert_eq!(done.counts, tried.counts);
    assert_eq!(
        (done.counts.inserted, done.counts.updated, done.counts.rejected),
        (1, 1, 3)
    );
    assert_eq!(done.source_import_id, Some(tried.id));
    assert_eq!(
        hub.report(&hub.ctx, done.id).await,
        hub.report(&hub.ctx, tried.id).await
    );
    let repeated = again(&hub.test.store, &hub.ctx, tried.id, Mode::Commit, None)
        .await
        .unwrap();
    let counts = hub.work(repeated).await.counts;
    assert_eq!((counts.inserted, counts.updated, counts.unchanged), (0, 0, 2));
}

#[tokio::test]
async fn one_act_is_audited_at_its_start_and_its_end_and_each_chunk_is_an_event_with_few_people() {
    let hub = Hub::new().await;
    let mut file = "email,name\n".to_owned();
    for n in 0..2_500 {
        file += &format!("p{n}@x.example,Person {n}\n");
    }
    let import = hub.import(file.as_bytes(), Mode::Commit).await;
    let mut tx = hub.test.store.db.read(hub.test.organization).await.unwrap();
    let audit = sqlx::query!("SELECT action, actor_id, details FROM audit_logs ORDER BY at, id")
        .fetch_all(&mut *tx)
        .await
        .unwrap();
    let actions: Vec<&str> = audit.iter().map(|entry| entry.action.as_str()).collect();
    assert_eq!(actions, ["imports.start", "imports.finish"]);
    for entry in &audit {
        assert_eq!(entry.actor_id, hub.ctx.actor.user().map(|user| user.0));
        assert_eq!(entry.details["file_sha256"], import.file.sha256);
        assert_eq!(entry.details["job_id"], serde_json::json!(import.job_id));
    }
    assert_eq!(audit[1].details["counts"]["inserted"], 2_500);
    let chunks = hub.events("users.imported").await;
    assert!(chunks.len() > 1);
    let sum = |name: &str| {
        chunks
            .iter()
            .map(|(_, event, _)| event["data"][name].as_i64().unwrap())
            .sum::<i64>()
    };
    assert_eq!((sum("inserted"), sum("updated")), (2_500, 0));
    for (_, event, channels) in &chunks {
        let rows = event["rows"].as_array().unwrap();
        assert!(!rows.is_empty() && rows.len() <= 50);
        assert!(rows[0]["email"].as_str().unwrap().starts_with("sealed:1:"));
        assert_eq!(rows[0]["version"], 1);
        assert_eq!(channels, &["feed:users"]);
    }
    let counted: i64 = sqlx::query_scalar!(
        r#"SELECT sum((counters ->> 'users_total')::bigint)::bigint AS "n!" FROM outbox WHERE counters ? 'users_total'"#
    )
    .fetch_one(&mut *tx)
    .await
    .unwrap();
    assert_eq!(counted, 2_500);
}

#[tokio::test]
async fn what_a_viewer_may_not_see_is_hidden_in_report_and_preview() {
    let hub = Hub::new().await;
    let file = b"Mail,Full name,Secret,Department\nnot-an-address,Ann,x,Ops\nb@x.example,Bob,y,Ops\n";
    let import = hub.import(file, Mode::Commit).await;
    let blind = hub.without("users:read_pii");
    assert_eq!(hub.report(&hub.ctx, import.id).await[0][2], "not-an-address");
    assert_eq!(hub.report(&blind, import.id).await[0][2], "(hidden)");
    let shown = preview(&hub.test.store, &hub.ctx, import.id).await.unwrap();
    assert_eq!(shown.rows[1], ["b@x.example", "Bob", "y", "Ops"]);
    assert_eq!(shown.mapping["email"], "Mail");
    let shown = preview(&hub.test.store, &blind, import.id).await.unwrap();
    assert_eq!(shown.rows[1], ["", "Bob", "", "Ops"]);
}

#[tokio::test]
async fn an_import_needs_both_permissions_and_keeps_no_file_without_them() {
    let hub = Hub::new().await;
    for missing in ["imports:create", "users:import"] {
        let file = hub.upload(b"email\na@x.example\n").await;
        let refused = submit(&hub.test.store, &hub.without(missing), &file, Mode::Commit, None)
            .await
            .unwrap_err();
        assert_eq!(refused.code, "permission.missing");
        let left = crate::files::chunk(&hub.test.store, hub.test.organization, file.id, 0)
            .await
            .unwrap();
        assert!(left.is_none());
    }
    let refused = get(&hub.test.store, &hub.without("imports:read"), ImportId::new())
        .await
        .unwrap_err();
    assert_eq!(refused.code, "permission.missing");
}

#[tokio::test]
async fn a_mapping_of_ones_own_counts_and_the_list_shows_who_asked() {
    let hub = Hub::new().await;
    let file = hub.upload(b"email,login,title\nx,a@x.example,Ann\n").await;
    let mapping = Mapping::from([("email".into(), "login".into()), ("name".into(), "title".into())]);
    let submitted = submit(
        &hub.test.store,
        &hub.ctx,
        &file,
        Mode::Commit,
        Some(mapping.clone()),
    )
    .await
    .unwrap();
    hub.work(submitted).await;
    assert_eq!(
        (
            hub.people().await[0].email.as_str(),
            hub.people().await[0].name.as_str()
        ),
        ("a@x.example", "Ann")
    );
    let shown = hub
        .submit(b"no,such\ncolumn,here\n", Mode::Preview)
        .await
        .unwrap();
    assert_eq!(shown.job_id, None);
    let first = list(&hub.test.store, &hub.ctx, Some(1), None).await.unwrap();
    assert_eq!(
        (first.items[0].id, first.items[0].state),
        (shown.id, JobState::Succeeded)
    );
    let second = list(&hub.test.store, &hub.ctx, Some(1), first.next_cursor.as_deref())
        .await
        .unwrap();
    assert_eq!(
        (second.items[0].id, &second.items[0].mapping),
        (submitted.id, &mapping)
    );
    assert_eq!(second.items[0].created_by.name.as_deref(), Some("Ida"));
    assert_eq!(second.items[0].can, ["imports.create"]);
    let refused = again(&hub.test.store, &hub.ctx, shown.id, Mode::Commit, None)
        .await
        .unwrap_err();
    assert_eq!(refused.code, "import.no_email_column");
}

#[tokio::test]
async fn an_old_file_does_not_bring_back_who_was_erased_where_their_address_is_barred() {
    let hub = Hub::new().await;
    let hash = crate::users::service::address_hash(&hub.test.store.sealer, "grace@x.example");
    hub.test
        .sql(format!(
            "INSERT INTO erased_addresses (organization_id, hash, erased_at) VALUES ('{}', decode('{}', 'hex'), now())",
            hub.test.organization,
            hex::encode(hash),
        ))
        .await;
    let file = b"email,name\nada@x.example,Ada\nGrace@X.Example,Grace\nbob@x.example,Bob\n";
    let import = hub.import(file, Mode::Commit).await;
    assert_eq!((import.counts.inserted, import.counts.rejected), (2, 1));
    let emails: Vec<String> = hub
        .people()
        .await
        .into_iter()
        .map(|person| person.email)
        .collect();
    assert_eq!(emails, ["ada@x.example", "bob@x.example"]);
    let report = hub.report(&hub.ctx, import.id).await;
    assert_eq!(report[0][..3], ["3", "E-mail", ""]);
    assert!(report[0][3].contains("was erased"), "{report:?}");
}
