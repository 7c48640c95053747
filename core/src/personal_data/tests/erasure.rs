//! Erasing somebody.

use super::*;
use crate::change::Change;
use crate::jobs::Run;
use crate::messages::{self, Address, Message};
use time::Duration;

const CANARIES: &[&str] = &[
    "grace.canary",
    "Grace Canary",
    "555 0199",
    "canary.png",
    "canary-",
    "192.0.2.99",
];

#[tokio::test]
async fn after_an_erasure_no_table_holds_a_value_of_the_person_and_the_proofs_still_hold() {
    let world = World::new().await;
    let grace = world.grace().await;
    let holding = world.holding("grace.canary").await;
    for column in [
        "users.email",
        "idempotency.answer",
        "import_rejects.value",
        "saved_filters.query",
    ] {
        assert!(
            holding.contains(&column.to_owned()),
            "the search finds what is there: {holding:?}"
        );
    }
    let hashes = "SELECT md5(string_agg(a::text, '' ORDER BY id)) FROM audit_logs a";
    let before = world.test.texts(hashes).await;
    let erasure = erase_later(&world.test.store, &world.owner, grace.id, "They asked for it")
        .await
        .unwrap();
    assert!(
        erasure.due_at > erasure.created_at + Duration::days(1),
        "there is time to think again"
    );
    let audited_then = world.test.count("SELECT count(*) FROM audit_logs").await;
    assert_eq!(world.work(erasure.job_id, false).await, JobState::Succeeded);
    for canary in CANARIES {
        assert_eq!(world.holding(canary).await, [] as [&str; 0], "{canary}");
    }
    let after = world.test.texts(format!("SELECT md5(string_agg(a::text, '' ORDER BY id)) FROM (SELECT * FROM audit_logs ORDER BY id LIMIT {}) a", audited_then - 1)).await;
    assert_eq!(before, after, "no entry was touched");
    let kept = world
        .test
        .count(
            "SELECT count(*) FROM file_chunks c JOIN files f ON f.id = c.file_id WHERE f.name = 'others.csv'",
        )
        .await;
    assert_eq!(kept, 1, "files that name others only stay");
    let last = world
        .test
        .texts("SELECT action || ' ' || actor_id FROM audit_logs ORDER BY id DESC LIMIT 1")
        .await;
    assert_eq!(
        last,
        [format!("users.erase {}", world.owner.actor.user().unwrap())]
    );
    let query = crate::audit::search::Query {
        subject: Some(grace.id.0),
        ..Default::default()
    };
    let read = crate::audit::search::list(&world.test.store, &world.owner, &query)
        .await
        .unwrap();
    let created = read
        .items
        .iter()
        .find(|entry| entry.action == "users.create")
        .unwrap();
    assert_eq!(
        created.changes["email"]["after"],
        Value::Null,
        "nobody can open it any more"
    );
    let free: NewUser =
        serde_json::from_value(json!({"email": "grace.canary@example.com", "name": "Another"})).unwrap();
    service::create(&world.test.store, &world.owner, &free)
        .await
        .unwrap();
    let done = super::erasure(&world.test.store, &world.owner, grace.id)
        .await
        .unwrap()
        .unwrap();
    assert_eq!((done.state, done.reason.as_str()), (ErasureState::Done, ""));
}

#[tokio::test]
async fn an_address_is_barred_where_the_organization_says_so_and_only_as_a_hash() {
    let world = World::new().await;
    let grace = world.grace().await;
    world
        .test
        .sql(format!(
            "INSERT INTO organization_settings (organization_id, key, value) VALUES ('{}', 'personal_data', '{{\"bar_addresses\": true, \"cooling_days\": 0}}')",
            world.test.organization
        ))
        .await;
    let erasure = erase_later(&world.test.store, &world.owner, grace.id, "They asked for it")
        .await
        .unwrap();
    assert_eq!(erasure.due_at, erasure.created_at);
    world.work(erasure.job_id, false).await;
    assert_eq!(world.holding("grace.canary").await, [] as [&str; 0]);
    let barred: NewUser =
        serde_json::from_value(json!({"email": "Grace.Canary@example.com", "name": "Another"})).unwrap();
    let refused = service::create(&world.test.store, &world.owner, &barred)
        .await
        .unwrap_err();
    assert_eq!(&*refused.code, "user.email_erased");
}

#[tokio::test]
async fn an_erasure_is_for_who_may_reaches_over_them_and_has_proved_who_they_are_and_the_last_owner_stays() {
    let world = World::new().await;
    let owner = world.owner.actor.user().unwrap();
    assert_eq!(
        &*erase_later(&world.test.store, &world.owner, owner, "x")
            .await
            .unwrap_err()
            .code,
        "user.not_oneself"
    );
    let second = world.test.person().await;
    world.test.hold(second, "owner").await;
    let ctx = world.test.acting(second).await;
    let erasure = erase_later(&world.test.store, &ctx, owner, "Left").await.unwrap();
    let waiting = erase_later(&world.test.store, &ctx, owner, "Left")
        .await
        .unwrap_err();
    assert_eq!(&*waiting.code, "user.erasure_waiting");
    // by the time it is due, nobody else is an owner
    world
        .test
        .sql(format!(
            "UPDATE users SET status = 'suspended' WHERE id = '{second}'"
        ))
        .await;
    assert_eq!(world.work(erasure.job_id, false).await, JobState::Failed);
    assert_eq!(
        world
            .test
            .count(&format!(
                "SELECT count(*) FROM users WHERE id = '{owner}' AND deleted_at IS NULL"
            ))
            .await,
        1
    );
    let admin = world.test.person().await;
    world.test.hold(admin, "admin").await;
    let admin = world.test.acting(admin).await;
    assert_eq!(
        &*erase_later(&world.test.store, &admin, owner, "x")
            .await
            .unwrap_err()
            .code,
        "permission.outranked"
    );
    let grace = world.grace().await;
    let mut stale = admin.clone();
    stale.authenticated_at = None;
    assert_eq!(
        &*erase_later(&world.test.store, &stale, grace.id, "x")
            .await
            .unwrap_err()
            .code,
        "auth.step_up_needed"
    );
    let manager = world.test.person().await;
    world.test.hold(manager, "manager").await;
    let manager = world.test.acting(manager).await;
    assert_eq!(
        &*erase_later(&world.test.store, &manager, grace.id, "x")
            .await
            .unwrap_err()
            .code,
        "permission.missing"
    );
}

#[tokio::test]
async fn while_it_waits_an_erasure_can_be_taken_back_and_nothing_was_touched() {
    let world = World::new().await;
    let grace = world.grace().await;
    let erasure = erase_later(&world.test.store, &world.owner, grace.id, "They asked for it")
        .await
        .unwrap();
    let run_at = world
        .test
        .count("SELECT count(*) FROM jobs WHERE queue = 'users.erase' AND run_at > now() + interval '1 day'")
        .await;
    assert_eq!(run_at, 1);
    let back = cancel_erasure(&world.test.store, &world.owner, grace.id)
        .await
        .unwrap();
    assert_eq!(back.state, ErasureState::Cancelled);
    assert!(world.test.worker().claim(erasure.job_id).await.is_none());
    let again = cancel_erasure(&world.test.store, &world.owner, grace.id)
        .await
        .unwrap_err();
    assert_eq!(&*again.code, "user.no_erasure_waiting");
    assert!(
        world
            .holding("grace.canary")
            .await
            .contains(&"users.email".to_owned())
    );
}

#[tokio::test]
async fn an_erasure_cut_off_anywhere_goes_on_to_the_end() {
    let world = World::new().await;
    let grace = world.grace().await;
    let erasure = erase_later(&world.test.store, &world.owner, grace.id, "They asked for it")
        .await
        .unwrap();
    let within = [10, 20].map(std::time::Duration::from_millis).into();
    let run = async |run: &Run| run_erasure(&world.test.store, run).await;
    let cut = world
        .test
        .worker()
        .killing_runs(erasure.job_id, within, run)
        .await;
    assert!(cut >= 1, "the job was never cut off");
    for canary in CANARIES {
        assert_eq!(world.holding(canary).await, [] as [&str; 0], "{canary}");
    }
    let told = world
        .test
        .count("SELECT count(*) FROM audit_logs WHERE action = 'users.erase' AND details ? 'erasure_id'")
        .await;
    assert_eq!(told, 1, "once");
}

#[tokio::test]
async fn an_erasure_takes_away_what_was_written_to_the_address_before_it_was_a_persons() {
    let world = World::new().await;
    let grace = world.grace().await;
    for sent in [true, false] {
        for email in ["grace.canary@example.com", "other@example.com"] {
            let mut change = Change::begin(&world.test.store, &world.owner).await.unwrap();
            messages::mail(&mut change, &Address::of_stranger(email), Message::SignUpKnown)
                .await
                .unwrap();
            testing::hold_open(&mut change).await.unwrap();
            change.commit().await.unwrap();
            if sent {
                let run = testing::claim(&world.test, messages::MAIL).await;
                let outcome = messages::send_mail(&world.test.store, &run).await;
                world.test.worker().settle(&run, &outcome).await;
            }
        }
    }
    let erasure = erase_later(&world.test.store, &world.owner, grace.id, "They asked for it")
        .await
        .unwrap();
    assert_eq!(world.work(erasure.job_id, false).await, JobState::Succeeded);
    let kept = messages::list(&world.test.store, &world.owner, None, None)
        .await
        .unwrap();
    let to: Vec<_> = kept.items.iter().map(|kept| kept.to.as_deref()).collect();
    assert_eq!(to, [Some("other@example.com")]);
    let jobs = "SELECT count(*) FROM jobs WHERE queue = 'messages.mail' AND payload ? 'message'";
    assert_eq!(world.test.count(jobs).await, 2, "what was sent and what waits");
}

async fn rename(world: &World, user: &UserItem, email: &str) {
    let changed = serde_json::from_value(json!({"email": email})).unwrap();
    service::update(&world.test.store, &world.owner, user.id, None, &changed)
        .await
        .unwrap();
}

#[tokio::test]
async fn an_erasure_finds_every_address_of_the_person_in_files_views_and_kept_answers_however_it_is_written()
{
    let world = World::new().await;
    let (store, owner) = (&world.test.store, &world.owner);
    let person = |email: &str| -> NewUser {
        serde_json::from_value(json!({"email": email, "name": "Jörg Müller"})).unwrap()
    };
    let mut asked = owner.clone();
    asked.idempotency = Some(crate::kernel::ctx::Idempotency {
        key: "create".to_owned(),
        operation: "POST /users".to_owned(),
        request_hash: [7; 32],
    });
    let joerg = service::create(store, &asked, &person("jörg@before.example"))
        .await
        .unwrap();
    rename(&world, &joerg, "jörg.müller@now.example").await;
    asked.idempotency.as_mut().unwrap().key = "other".to_owned();
    service::create(store, &asked, &person("third@example.com"))
        .await
        .unwrap();
    let border = "x".repeat((1 << 20) - 7);
    for (name, text) in [
        ("now", format!("{border}\n\"JÖRG.MÜLLER@Now.Example\",x\n")),
        ("before", "email\nJÖRG@before.example\n".to_owned()),
        ("nobody", "email\nmüller@elsewhere.example\n".to_owned()),
    ] {
        let mut upload = Upload::begin(store, owner, name, 1 << 24).await.unwrap();
        upload.write(text.as_bytes()).await.unwrap();
        upload.finish().await.unwrap();
    }
    for query in [
        "q=j%C3%B6rg.m%c3%bcller%40now.example",
        "q=J%C3%96RG@before.example",
        "q=m%C3%BCller%40",
    ] {
        world
            .test
            .sql(format!(
                "INSERT INTO saved_filters (id, organization_id, page, name, query, owner_id, audience)
                 VALUES (gen_random_uuid(), '{}', 'users', '{query}', '{query}', '{}', 'me')",
                world.test.organization,
                owner.actor.user().unwrap(),
            ))
            .await;
    }
    let erasure = erase_later(store, owner, joerg.id, "They asked for it")
        .await
        .unwrap();
    assert_eq!(world.work(erasure.job_id, false).await, JobState::Succeeded);
    let files = "SELECT f.name FROM files f WHERE EXISTS (SELECT FROM file_chunks WHERE file_id = f.id)";
    assert_eq!(world.test.texts(files).await, ["nobody"]);
    assert_eq!(
        world.test.texts("SELECT query FROM saved_filters").await,
        ["q=m%C3%BCller%40"]
    );
    let answers = "SELECT key FROM idempotency";
    assert_eq!(world.test.texts(answers).await, ["other"]);
}

#[tokio::test]
async fn an_erasure_leaves_alone_what_names_an_address_that_somebody_else_has_by_now() {
    let world = World::new().await;
    let (store, owner) = (&world.test.store, &world.owner);
    let person =
        |email: &str| -> NewUser { serde_json::from_value(json!({"email": email, "name": "Ada"})).unwrap() };
    let first = service::create(store, owner, &person("ada@example.com"))
        .await
        .unwrap();
    rename(&world, &first, "ada@left.example").await;
    service::create(store, owner, &person("ada@example.com"))
        .await
        .unwrap();
    let mut upload = Upload::begin(store, owner, "people.csv", 1 << 20).await.unwrap();
    upload.write(b"email\nada@example.com\n").await.unwrap();
    upload.finish().await.unwrap();
    let erasure = erase_later(store, owner, first.id, "They asked for it")
        .await
        .unwrap();
    assert_eq!(world.work(erasure.job_id, false).await, JobState::Succeeded);
    assert_eq!(world.test.count("SELECT count(*) FROM file_chunks").await, 1);
}

#[tokio::test]
async fn a_reason_that_is_about_nobody_in_particular_is_read_until_whoever_gave_it_is_erased() {
    let world = World::new().await;
    let (store, organization) = (&world.test.store, world.test.organization);
    let operator = world.test.person().await;
    world.test.hold(operator, "owner").await;
    let ctx = world.test.acting(operator).await;
    let role = world
        .test
        .texts("SELECT id::text FROM roles WHERE name = 'viewer'")
        .await[0]
        .parse()
        .unwrap();
    let wanted = sessions::NotBefore {
        not_before: None,
        reason: Some("canary-role".to_owned()),
    };
    sessions::end_all(store, &ctx, Whose::Role(role), &wanted)
        .await
        .unwrap();
    let wanted = sessions::NotBefore {
        not_before: Some(time::OffsetDateTime::UNIX_EPOCH),
        reason: Some("canary-organization".to_owned()),
    };
    sessions::end_all(store, &ctx, Whose::Organization, &wanted)
        .await
        .unwrap();
    let connection = Connection {
        client: "c".to_owned(),
        organization: crate::live::application::APPLICATION,
        user: "somebody of the application".to_owned(),
    };
    connections::disconnect(store, &ctx, &connection, "canary-application", false)
        .await
        .unwrap();
    assert_eq!(world.holding("canary-").await, [] as [&str; 0]);
    let reasons = async || {
        let query = crate::audit::search::Query {
            actor: Some(operator.0),
            ..Default::default()
        };
        let read = crate::audit::search::list(store, &world.owner, &query)
            .await
            .unwrap();
        let reasons: BTreeSet<Option<String>> = read.items.into_iter().map(|entry| entry.reason).collect();
        reasons
    };
    let told = ["canary-application", "canary-organization", "canary-role"].map(|why| Some(why.to_owned()));
    assert_eq!(reasons().await, BTreeSet::from(told));
    world
        .test
        .sql(format!(
            "UPDATE users SET seal_salt = gen_random_uuid() WHERE organization_id = '{organization}' AND id = '{operator}'"
        ))
        .await;
    assert_eq!(reasons().await, BTreeSet::from([None]));
}
