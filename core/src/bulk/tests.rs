mod acting;
mod ended;
mod keys;
mod queued;

use super::*;
use crate::change::Change;
use crate::jobs::{JobState, Outcome, Run};
use crate::kernel::ctx::Ctx;
use crate::kernel::error::{Error, Kind};
use crate::kernel::id::{RoleId, UserId};
use crate::testing::{self, TestStore};
use serde_json::{Value, json};
use std::collections::HashMap;

/// An organization with an owner, who acts, and some people.
struct World {
    test: TestStore,
    roles: HashMap<String, RoleId>,
    owner: UserId,
}

impl World {
    async fn new() -> Self {
        let test = testing::store().await;
        let owner = test.with_owner().await;
        let named = test.texts("SELECT name || ' ' || id FROM roles").await;
        let roles = named.iter().filter_map(|text| {
            let (name, id) = text.split_once(' ')?;
            Some((name.to_owned(), id.parse().ok()?))
        });
        Self {
            roles: roles.collect(),
            owner,
            test,
        }
    }

    async fn people(&self, department: &str, count: usize) -> Vec<UserId> {
        let people = self.test.people(count).await;
        let ids: Vec<String> = people.iter().map(|id| format!("'{id}'")).collect();
        let ids = ids.join(",");
        self.test
            .sql(format!(
                "UPDATE users SET department = '{department}' WHERE id IN ({ids})"
            ))
            .await;
        people
    }

    async fn start(&self, ctx: &Ctx, new: Value) -> Result<BulkOutcome, Error> {
        start(&self.test.store, ctx, &serde_json::from_value(new).unwrap()).await
    }

    async fn claim(&self, outcome: &BulkOutcome) -> Option<Run> {
        self.test.worker().claim(outcome.job_id.unwrap()).await
    }

    async fn settle(&self, run: &Run, outcome: &Outcome) -> JobState {
        self.test.worker().settle(run, outcome).await
    }

    async fn banned(&self) -> i64 {
        self.test
            .count("SELECT count(*) FROM users WHERE status = 'banned'")
            .await
    }
}

/// The failures as lines without their head.
async fn report(world: &World, ctx: &Ctx, outcome: &BulkOutcome) -> Vec<String> {
    let mut report = failures(&world.test.store, ctx, outcome.bulk_id.unwrap())
        .await
        .unwrap();
    let mut text = String::new();
    while let Some(piece) = report.next().await.unwrap() {
        text += &piece;
    }
    let mut lines = text.lines().map(str::to_owned);
    assert_eq!(lines.next().as_deref(), Some("user_id,code,detail"));
    lines.collect()
}

fn codes(outcome: &BulkOutcome) -> Vec<Option<&str>> {
    outcome.items.iter().map(|item| item.code.as_deref()).collect()
}

#[tokio::test]
async fn each_of_the_named_gets_a_result_of_their_own_and_one_failure_stops_no_other() {
    let world = World::new().await;
    let ctx = world.test.acting(world.owner).await;
    let people = world.people("Ops", 3).await;
    world.test.session(people[0]).await;
    world
        .test
        .sql(format!(
            "UPDATE users SET status = 'banned' WHERE id = '{}'",
            people[1]
        ))
        .await;
    let nobody = UserId::new();
    let ids = json!([people[2], world.owner, people[1], nobody, people[0], people[2]]);
    let outcome = world
        .start(&ctx, json!({"action": "ban", "reason": "Spam", "ids": ids}))
        .await
        .unwrap();
    assert_eq!(
        codes(&outcome),
        [
            None,
            Some("user.not_oneself"),
            Some("user.already_banned"),
            Some("user.not_found"),
            None
        ],
        "in the order asked, each once"
    );
    assert_eq!((outcome.count, outcome.done, outcome.failed), (5, 2, 3));
    assert_eq!(world.banned().await, 3);
    assert_eq!(
        world
            .test
            .count("SELECT count(*) FROM user_sessions WHERE revoked_at IS NULL")
            .await,
        0
    );
    assert_eq!(
        world
            .test
            .count("SELECT count(*) FROM revocations WHERE kind = 'user'")
            .await,
        2
    );
}

#[tokio::test]
async fn it_is_one_act_in_the_audit_and_one_line_in_each_persons_activity() {
    let world = World::new().await;
    let ctx = world.test.acting(world.owner).await;
    let people = world.people("Ops", 30).await;
    world
        .start(
            &ctx,
            json!({"action": "suspend", "reason": "Leave", "ids": people}),
        )
        .await
        .unwrap();
    let audited = world
        .test
        .texts("SELECT action || ' ' || coalesce(details->>'count', details->>'done') FROM audit_logs ORDER BY id")
        .await;
    assert_eq!(audited, ["users.bulk 30", "users.bulk 30"]);
    assert_eq!(world.test.count("SELECT jsonb_array_length(details->'people')::bigint FROM audit_logs WHERE details ? 'people'").await, 30);
    assert_eq!(
        world
            .test
            .count("SELECT count(*) FROM activity_logs WHERE action = 'users.suspend'")
            .await,
        30
    );
    let told = world
        .test
        .texts("SELECT type || ' ' || jsonb_array_length(event->'rows') || ' ' || (event->'data'->>'updated') FROM outbox WHERE type = 'users.bulk_changed' ORDER BY seq")
        .await;
    assert_eq!(told, ["users.bulk_changed 25 25", "users.bulk_changed 5 5"]);
    let counted = world
        .test
        .count("SELECT sum((counters->>'users_active')::bigint)::bigint FROM outbox")
        .await;
    assert_eq!(counted, -30);
    let leaked = world
        .test
        .count("SELECT count(*) FROM outbox WHERE event::text LIKE '%@example.com%'")
        .await;
    assert_eq!(leaked, 0, "a personal value stands in the clear");
}

#[tokio::test]
async fn nobody_reaches_over_themselves_by_way_of_many() {
    let world = World::new().await;
    let [admin, other, moderator] = [
        world.test.person().await,
        world.test.person().await,
        world.test.person().await,
    ];
    world.test.hold(admin, "admin").await;
    world.test.hold(other, "user").await;
    world.test.hold(moderator, "moderator").await;
    let ctx = world.test.acting(moderator).await;
    let outcome = world
        .start(
            &ctx,
            json!({"action": "ban", "reason": "No", "ids": [admin, world.owner, other]}),
        )
        .await
        .unwrap();
    assert_eq!(
        codes(&outcome),
        [Some("permission.outranked"), Some("permission.outranked"), None]
    );
    let refused = world
        .start(&ctx, json!({"action": "delete", "ids": [other]}))
        .await
        .unwrap_err();
    assert_eq!(
        (refused.kind, &*refused.code),
        (Kind::Forbidden, "permission.missing")
    );
    let manager = world.test.person().await;
    world.test.hold(manager, "manager").await;
    let ctx = world.test.acting(manager).await;
    let outcome = world
        .start(
            &ctx,
            json!({"action": "assign_role", "role": world.roles["owner"], "ids": [other]}),
        )
        .await
        .unwrap();
    assert_eq!(codes(&outcome), [Some("roles.out_of_reach")]);
    assert_eq!(
        world.test.count("SELECT count(*) FROM user_roles").await,
        5,
        "nothing of it was written"
    );
}

#[tokio::test]
async fn roles_are_given_and_taken_and_the_last_owner_stays() {
    let world = World::new().await;
    let ctx = world.test.acting(world.owner).await;
    let second = world.test.person().await;
    world.test.hold(second, "owner").await;
    let people = world.people("Ops", 2).await;
    let role = world.roles["viewer"];
    let given = world
        .start(
            &ctx,
            json!({"action": "assign_role", "role": role, "ids": people}),
        )
        .await
        .unwrap();
    let again = world
        .start(
            &ctx,
            json!({"action": "assign_role", "role": role, "ids": people}),
        )
        .await
        .unwrap();
    assert_eq!((given.done, again.done), (2, 2), "to ask again does no harm");
    let acting = world.test.acting(second).await;
    let owner = world.roles["owner"];
    let taken = world
        .start(
            &acting,
            json!({"action": "revoke_role", "role": owner, "ids": [world.owner, second]}),
        )
        .await
        .unwrap();
    assert_eq!(codes(&taken), [None, Some("roles.own")]);
    let deleted = world
        .start(&acting, json!({"action": "delete", "ids": people}))
        .await
        .unwrap();
    assert_eq!(deleted.done, 2);
    let gone = world
        .test
        .count("SELECT count(*) FROM outbox WHERE type = 'user.deleted' AND scope_after IS NULL")
        .await;
    assert_eq!(gone, 2, "whoever is gone leaves every list");
}

#[tokio::test]
async fn taking_a_role_that_denied_giving_roles_wants_a_proof_which_a_job_cannot_show() {
    let world = World::new().await;
    let people = world.people("Ops", 2).await;
    let (limited, organization) = (RoleId::new(), world.test.organization);
    world
        .test
        .sql(format!(
            "INSERT INTO roles (id, organization_id, name) VALUES ('{limited}', '{organization}', 'limited');
             INSERT INTO role_permissions (organization_id, role_id, permission, granted)
             VALUES ('{organization}', '{limited}', 'roles:assign', false)"
        ))
        .await;
    world.test.hold(people[0], "admin").await;
    for person in &people {
        world.test.hold(*person, "limited").await;
    }
    let mut ctx = world.test.acting(world.owner).await;
    ctx.authenticated_at = Some(world.test.store.clock.now() - time::Duration::minutes(11));
    let take = json!({"action": "revoke_role", "role": limited, "ids": people});
    let taken = world.start(&ctx, take.clone()).await.unwrap();
    // the second gains nothing that can be given further
    assert_eq!(codes(&taken), [Some("auth.step_up_needed"), None]);

    ctx.authenticated_at = Some(world.test.store.clock.now());
    let all =
        json!({"action": "revoke_role", "role": limited, "filter": {"department": "Ops"}, "expected": 2});
    let begun = world.start(&ctx, all).await.unwrap();
    let run = world.claim(&begun).await.unwrap();
    let outcome = super::run(&world.test.store, &run).await;
    assert_eq!(world.settle(&run, &outcome).await, JobState::Succeeded);
    let lines = report(&world, &ctx, &begun).await;
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].starts_with(&format!("{},auth.step_up_needed,", people[0])));
    let taken = world.start(&ctx, take).await.unwrap();
    assert_eq!(codes(&taken), [None, None]);
}

#[tokio::test]
async fn what_is_asked_for_is_checked_before_anybody_is_touched() {
    let world = World::new().await;
    let ctx = world.test.acting(world.owner).await;
    let id = world.test.person().await;
    let many: Vec<UserId> = (0..=MOST_NAMED).map(|_| UserId::new()).collect();
    let fifty_one: Vec<UserId> = (0..=MOST_RESET).map(|_| UserId::new()).collect();
    for (new, field) in [
        (json!({"action": "ban", "ids": [id]}), "reason"),
        (json!({"action": "assign_role", "ids": [id]}), "role"),
        (json!({"action": "unban", "ids": []}), "ids"),
        (json!({"action": "unban", "ids": many}), "ids"),
        (json!({"action": "reset_password", "ids": fifty_one}), "ids"),
        (json!({"action": "unban"}), "ids"),
        (json!({"action": "unban", "ids": [id], "filter": {}}), "ids"),
        (json!({"action": "reset_password", "filter": {}}), "action"),
    ] {
        let refused = world.start(&ctx, new.clone()).await.unwrap_err();
        assert_eq!(
            (refused.kind, &*refused.errors[0].field),
            (Kind::Invalid, field),
            "{new}"
        );
    }
    assert_eq!(world.test.count("SELECT count(*) FROM audit_logs").await, 0);
}

#[tokio::test]
async fn each_password_that_is_reset_is_told_once() {
    let world = World::new().await;
    let ctx = world.test.acting(world.owner).await;
    let people = world.people("Ops", 2).await;
    let outcome = world
        .start(&ctx, json!({"action": "reset_password", "ids": people}))
        .await
        .unwrap();
    let told: Vec<&String> = outcome
        .items
        .iter()
        .filter_map(|item| item.one_time_password.as_ref())
        .collect();
    assert!(told.len() == 2 && told[0] != told[1]);
    let kept = world
        .test
        .count(&format!(
            "SELECT count(*) FROM outbox WHERE event::text LIKE '%{}%'",
            told[0]
        ))
        .await;
    assert_eq!(kept, 0);
}

#[tokio::test]
async fn a_change_goes_back_to_its_mark_and_keeps_what_came_before() {
    let world = World::new().await;
    let ctx = world.test.acting(world.owner).await;
    let [first, second] = [world.test.person().await, world.test.person().await];
    let mut change = Change::begin(&world.test.store, &ctx).await.unwrap();
    testing::touch(&mut change, first).await.unwrap();
    let mark = change.mark().await.unwrap();
    testing::touch(&mut change, second).await.unwrap();
    change.back_to(mark).await.unwrap();
    change.commit().await.unwrap();
    let touched = world
        .test
        .texts("SELECT id::text FROM users WHERE version = 2")
        .await;
    assert_eq!(touched, [first.to_string()]);
    assert_eq!(world.test.count("SELECT count(*) FROM outbox").await, 1);
}
