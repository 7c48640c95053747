use super::*;
use crate::auth::{Auth, Lives};
use crate::change::Change;
use crate::jobs::NewJob;
use crate::kernel::clock::Clock;
use crate::kernel::ctx::{Actor, Credential, Ctx};
use crate::kernel::error::Kind;
use crate::kernel::id::{ApiKeyId, SessionId, UserId};
use crate::sessions;
use crate::sessions::standing::{self, Refused, Standing};
use crate::testing::{self, TestStore};
use crate::users::{rights, service};
use serde_json::json;
use time::Duration;

struct World {
    test: TestStore,
    auth: Auth,
    clock: Clock,
}

impl World {
    async fn new() -> Self {
        let mut test = testing::store().await;
        let clock = Clock::manual(Clock::system().now());
        test.store.clock = clock.clone();
        let mut tx = test.store.db.bookkeeping().await.unwrap();
        crate::roles::predefine(&mut tx, test.organization, clock.now())
            .await
            .unwrap();
        tx.commit().await.unwrap();
        let lives = Lives {
            access: Duration::minutes(15),
            refresh: Duration::days(7),
        };
        Self {
            auth: Auth::start(&test.store, lives).await.unwrap(),
            clock,
            test,
        }
    }

    /// Somebody with a role and a session, who has just proved who they are.
    async fn person(&self, role: &str) -> (UserId, Ctx) {
        let user = self.test.person().await;
        let organization = self.test.organization;
        self.test
            .sql(format!(
                "INSERT INTO user_roles (organization_id, user_id, role_id)
                 SELECT '{organization}', '{user}', id FROM roles WHERE name = '{role}'"
            ))
            .await;
        let session = self.test.session(user).await;
        (user, self.acting(user, session).await)
    }

    async fn acting(&self, user: UserId, session: SessionId) -> Ctx {
        let mut ctx = Ctx::system(self.test.organization, "test");
        let mut tx = self.test.store.db.read(self.test.organization).await.unwrap();
        ctx.permissions = rights::of(&mut tx, self.test.organization, user).await.unwrap();
        ctx.actor = Actor::User(user);
        ctx.credential = Credential::Session(session);
        ctx.authenticated_at = Some(self.clock.now());
        ctx
    }

    /// An admin who acts as a viewer: the admin, the viewer, and the context of what is done so.
    async fn impersonating(&self) -> (UserId, UserId, SessionId, Ctx, Ctx) {
        let (admin, own) = self.person("admin").await;
        let (viewer, _) = self.person("viewer").await;
        let begun = begin(&self.auth, &own, viewer, "To see what they see")
            .await
            .unwrap();
        let mut acting = self.acting(viewer, begun.session).await;
        acting.on_behalf_of = Some(admin);
        (admin, viewer, begun.session, own, acting)
    }

    async fn standing(&self, session: SessionId) -> Result<Standing, Refused> {
        standing::find(&self.test.store.db, session).await.unwrap()
    }
}

const WHY: &str = "To see what they see";

#[tokio::test]
async fn an_operator_acts_as_somebody_below_for_an_hour_and_the_person_can_read_who_and_why() {
    let world = World::new().await;
    let (admin, own) = world.person("admin").await;
    let (viewer, _) = world.person("viewer").await;
    let begun = begin(&world.auth, &own, viewer, "  To see what they see ")
        .await
        .unwrap();
    let stood = world.standing(begun.session).await.unwrap();
    let terms = stood.impersonation.clone().unwrap();
    assert_eq!(
        (stood.user, terms.by, terms.reason.as_str()),
        (viewer, admin, WHY)
    );
    assert!(stood.expires_at <= world.clock.now() + LONGEST && !terms.is_elevated(world.clock.now()));
    let claims = world.auth.verify(&begun.access_token).await.unwrap();
    assert_eq!(
        (claims.sub, claims.act.map(|act| act.sub)),
        (viewer.0, Some(admin.0))
    );
    let shown = acting(&world.test.store, &stood).await.unwrap().unwrap();
    assert_eq!((shown.by.id, shown.reason.as_str()), (admin, WHY));
    let told = world
        .test
        .texts("SELECT type || ' ' || channels[1] FROM outbox")
        .await;
    assert_eq!(told, [format!("user.impersonated inbox:{viewer}")]);
    let line = world
        .test
        .texts(format!(
            "SELECT action FROM activity_logs WHERE subject_id = '{viewer}' AND actor_id = '{admin}'"
        ))
        .await;
    assert_eq!(line, ["users.impersonate"]);
    let tokens = world.test.count("SELECT count(*) FROM auth_tokens").await;
    assert_eq!(tokens, 0, "it cannot be refreshed");
}

#[tokio::test]
async fn nobody_acts_as_themselves_as_an_equal_or_as_somebody_above() {
    let world = World::new().await;
    let (owner, _) = world.person("owner").await;
    let (admin, ctx) = world.person("admin").await;
    let (peer, _) = world.person("admin").await;
    for (whom, code) in [
        (admin, "user.not_oneself"),
        (peer, "impersonation.not_above"),
        (owner, "impersonation.not_above"),
        (UserId::new(), "user.not_found"),
    ] {
        let refused = begin(&world.auth, &ctx, whom, WHY).await.unwrap_err();
        assert_eq!(&*refused.code, code);
    }
    let (viewer, of_viewer) = world.person("viewer").await;
    let (user, _) = world.person("user").await;
    let refused = begin(&world.auth, &of_viewer, user, WHY).await.unwrap_err();
    assert_eq!(&*refused.code, "permission.missing");
    world
        .test
        .sql(format!(
            "UPDATE users SET status = 'suspended' WHERE id = '{viewer}'"
        ))
        .await;
    let refused = begin(&world.auth, &ctx, viewer, WHY).await.unwrap_err();
    assert_eq!(&*refused.code, "user.not_active");
    assert_eq!(
        world
            .test
            .count("SELECT count(*) FROM user_sessions WHERE impersonated_by IS NOT NULL")
            .await,
        0
    );
}

#[tokio::test]
async fn it_takes_a_reason_a_fresh_proof_and_ones_own_hands() {
    let world = World::new().await;
    let (_, viewer, _, own, acting) = world.impersonating().await;
    let short = begin(&world.auth, &own, viewer, "because").await.unwrap_err();
    assert_eq!((short.kind, &*short.errors[0].field), (Kind::Invalid, "reason"));
    let mut stale = own.clone();
    stale.authenticated_at = Some(world.clock.now() - Duration::minutes(11));
    assert_eq!(
        &*begin(&world.auth, &stale, viewer, WHY).await.unwrap_err().code,
        "auth.step_up_needed"
    );
    let mut key = own.clone();
    key.credential = Credential::ApiKey(ApiKeyId::new());
    assert_eq!(
        &*begin(&world.auth, &key, viewer, WHY).await.unwrap_err().code,
        "auth.session_required"
    );
    let (user, _) = world.person("user").await;
    let mut above = acting.clone();
    above.permissions = own.permissions.clone();
    assert_eq!(
        &*begin(&world.auth, &above, user, WHY).await.unwrap_err().code,
        "impersonation.never"
    );
    assert_eq!(
        &*acting.require_session().unwrap_err().code,
        "impersonation.never"
    );
    assert_eq!(
        &*end(&world.test.store, &own).await.unwrap_err().code,
        "impersonation.none"
    );
}

#[tokio::test]
async fn it_ends_with_the_operators_session_account_or_permission_and_with_the_persons_account() {
    for (what, sql) in [
        (
            "session",
            "UPDATE user_sessions SET revoked_at = now() WHERE user_id = 'ADMIN'",
        ),
        (
            "sessions",
            "UPDATE users SET sessions_not_before = now() + interval '1 second' WHERE id = 'ADMIN'",
        ),
        ("banned", "UPDATE users SET status = 'banned' WHERE id = 'ADMIN'"),
        (
            "deleted",
            "UPDATE users SET deleted_at = now() WHERE id = 'ADMIN'",
        ),
        ("permission", "DELETE FROM user_roles WHERE user_id = 'ADMIN'"),
        (
            "equal",
            "INSERT INTO user_roles (organization_id, user_id, role_id) SELECT organization_id, 'VIEWER', id FROM roles WHERE name = 'admin'",
        ),
        (
            "subject",
            "UPDATE users SET status = 'banned' WHERE id = 'VIEWER'",
        ),
    ] {
        let world = World::new().await;
        let (admin, viewer, session, ..) = world.impersonating().await;
        assert!(world.standing(session).await.is_ok(), "{what}");
        let sql = sql
            .replace("ADMIN", &admin.to_string())
            .replace("VIEWER", &viewer.to_string());
        world.test.sql(sql).await;
        assert!(world.standing(session).await.is_err(), "{what}");
    }
}

#[tokio::test]
async fn the_end_of_the_operators_session_closes_the_other_and_ones_own_end_leaves_the_operators() {
    let world = World::new().await;
    let (_, viewer, session, own, acting) = world.impersonating().await;
    end(&world.test.store, &acting).await.unwrap();
    assert!(matches!(world.standing(session).await, Err(Refused::Revoked(_))));
    let Credential::Session(operators) = own.credential else {
        panic!()
    };
    assert!(world.standing(operators).await.is_ok());
    let again = begin(&world.auth, &own, viewer, WHY).await.unwrap();
    let mut change = Change::begin(&world.test.store, &own).await.unwrap();
    let user = own.actor.user().unwrap();
    sessions::end(&mut change, operators, user, "auth.logout", "Signed out.")
        .await
        .unwrap();
    change.commit().await.unwrap();
    let open = world
        .test
        .count("SELECT count(*) FROM user_sessions WHERE impersonated_by IS NOT NULL AND revoked_at IS NULL")
        .await;
    assert_eq!(open, 0);
    let cut = world
        .test
        .count(&format!(
            "SELECT count(*) FROM revocations WHERE kind = 'session' AND subject = '{}'",
            again.session
        ))
        .await;
    assert_eq!(cut, 1);
}

#[tokio::test]
async fn things_may_be_changed_for_ten_minutes_once_that_is_asked_for_with_a_fresh_proof() {
    let world = World::new().await;
    let (_, viewer, session, own, acting) = world.impersonating().await;
    assert_eq!(
        &*elevate(&world.test.store, &own, WHY).await.unwrap_err().code,
        "impersonation.none"
    );
    let short = elevate(&world.test.store, &acting, "so").await.unwrap_err();
    assert_eq!(short.kind, Kind::Invalid);
    let mut stale = acting.clone();
    stale.authenticated_at = Some(world.clock.now() - Duration::minutes(10));
    let refused = elevate(&world.test.store, &stale, WHY).await.unwrap_err();
    assert_eq!(&*refused.code, "impersonation.proof_needed");
    let until = elevate(&world.test.store, &acting, WHY).await.unwrap();
    assert_eq!(until, world.clock.now() + ELEVATED);
    let terms = world.standing(session).await.unwrap().impersonation.unwrap();
    assert!(terms.is_elevated(world.clock.now()) && !terms.is_elevated(until));
    let heard = world
        .test
        .count(&format!(
            "SELECT count(*) FROM revocations WHERE kind = 'access' AND subject = '{viewer}'"
        ))
        .await;
    assert_eq!(heard, 1, "every node reads the session anew");
    let told = world
        .test
        .texts("SELECT action FROM activity_logs WHERE action = 'me.elevate'")
        .await;
    assert_eq!(told.len(), 1);
}

#[tokio::test]
async fn what_is_done_so_is_recorded_as_the_persons_act_with_the_operator_beside_it() {
    let world = World::new().await;
    let (admin, viewer, _, _, mut acting) = world.impersonating().await;
    acting.permissions = ["users:read", "users:update", "users:read_pii"]
        .into_iter()
        .collect();
    let (other, _) = world.person("user").await;
    let wanted = serde_json::from_value(json!({"name": "Ada"})).unwrap();
    service::update(&world.test.store, &acting, other, None, &wanted)
        .await
        .unwrap();
    let audited = world
        .test
        .texts("SELECT actor_id || ' ' || on_behalf_of FROM audit_logs WHERE action = 'users.update'")
        .await;
    assert_eq!(audited, [format!("{viewer} {admin}")]);
    let told = world
        .test
        .texts("SELECT (event->'on_behalf_of'->>'id') || ' ' || (event->'audit'->'on_behalf_of'->>'id') FROM outbox WHERE type = 'user.updated'")
        .await;
    assert_eq!(told, [format!("{admin} {admin}")]);
    let mut change = Change::begin(&world.test.store, &acting).await.unwrap();
    change
        .enqueue(NewJob::new("tests.nothing", "Nothing", json!({})))
        .await
        .unwrap();
    change.commit().await.unwrap();
    let asked = world.test.texts("SELECT ctx->>'on_behalf_of' FROM jobs").await;
    assert_eq!(asked, [admin.to_string()]);
    let mut reader = world.acting(admin, SessionId::new()).await;
    reader.permissions = ["audit:read"].into_iter().collect();
    let query = crate::audit::search::Query {
        action: Some("users.update".to_owned()),
        ..Default::default()
    };
    let listed = crate::audit::search::list(&world.test.store, &reader, &query)
        .await
        .unwrap();
    let beside = listed.items[0].on_behalf_of.clone().unwrap();
    assert_eq!(
        (beside.id, beside.name.as_deref()),
        (admin.0, Some("Test Person"))
    );
}

#[tokio::test]
async fn nobody_changes_the_persons_own_address_while_acting_as_them() {
    let world = World::new().await;
    let (_, viewer, _, _, mut acting) = world.impersonating().await;
    acting.permissions = [
        "users:read",
        "users:update",
        "users:read_pii",
        "users:impersonate",
    ]
    .into_iter()
    .chain(acting.permissions.clone().iter())
    .collect();
    let wanted = serde_json::from_value(json!({"email": "taken.over@example.com"})).unwrap();
    let refused = service::update(&world.test.store, &acting, viewer, None, &wanted)
        .await
        .unwrap_err();
    // nobody does so here; and where people do it themselves, nobody does while acting as them
    assert_eq!(&*refused.code, "user.own_email");
}
