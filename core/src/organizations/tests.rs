use super::*;
use crate::Store;
use crate::change::Change;
use crate::kernel::ctx::{Actor, Credential, Ctx};
use crate::kernel::error::Kind;
use crate::kernel::id::{SessionId, UserId};
use crate::kernel::seal::Person;
use crate::messages::{self, Address, Message};
use crate::roles;
use crate::testing::{self, TestStore};
use serde_json::{Map, Value, json};

/// Somebody signed in with these permissions.
async fn acting(test: &TestStore, permissions: &[&str]) -> Ctx {
    let mut ctx = Ctx::system(test.organization, "test");
    ctx.actor = Actor::User(test.person().await);
    ctx.credential = Credential::Session(SessionId::new());
    ctx.authenticated_at = Some(test.store.clock.now());
    ctx.permissions = permissions.iter().copied().collect();
    ctx
}

fn patch(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

const SETTING: &[&str] = &["settings:read", "settings:update"];

#[tokio::test]
async fn a_change_is_told_recorded_and_holds_at_once_for_whoever_kept_what_was_before() {
    let test = testing::store().await;
    let ctx = acting(&test, SETTING).await;
    assert!(!test.store.settings(test.organization).await.unwrap().sign_up.open);
    let wanted = patch(json!({"sign_up": {"open": true}, "invitations": {"days": 3}}));
    let now = update_settings(&test.store, &ctx, None, &wanted).await.unwrap();
    assert!(now.settings.sign_up.open);
    let kept = test.store.settings(test.organization).await.unwrap();
    assert_eq!((kept.sign_up.open, kept.invitations.days), (true, 3));
    assert_eq!(
        test.texts("SELECT kind FROM revocations").await,
        ["settings"],
        "other nodes hear of it"
    );
    let changes = test
        .texts("SELECT changes::text FROM audit_logs WHERE action = 'settings.update'")
        .await;
    let changes: Value = serde_json::from_str(&changes[0]).unwrap();
    assert_eq!(changes["invitations.days"], json!({"before": 7, "after": 3}));
    // the same again changes nothing and tells nothing
    let same = update_settings(&test.store, &ctx, Some(now.version), &wanted)
        .await
        .unwrap();
    assert_eq!(same.version, now.version);
    assert_eq!(test.count("SELECT count(*) FROM outbox").await, 1);
    let stale = update_settings(&test.store, &ctx, Some(99), &wanted)
        .await
        .unwrap_err();
    assert_eq!((stale.kind, stale.current.is_some()), (Kind::Stale, true));
}

#[tokio::test]
async fn a_reading_that_a_change_overtook_is_not_kept() {
    let test = testing::store().await;
    let ctx = acting(&test, SETTING).await;
    let lock = test.lock("organization_settings").await;
    let (store, organization) = (test.store.clone(), test.organization);
    let reading = tokio::spawn(async move { store.settings(organization).await });
    let name = test.prefix.clone();
    testing::eventually("the reading waits", async || {
        test.count(&format!(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = '{name}' AND wait_event_type = 'Lock'"
        ))
        .await
            == 1
    })
    .await;
    // heard before the reading arrives: what it brings may be of before
    test.store.signals.revoked(&crate::bus::control::Revocation {
        organization,
        kind: crate::bus::control::RevocationKind::Settings,
        subject: organization.0,
        access_version: None,
        reason: String::new(),
    });
    drop(lock);
    reading.await.unwrap().unwrap();
    let wanted = patch(json!({"sign_up": {"open": true}}));
    update_settings(&test.store, &ctx, None, &wanted).await.unwrap();
    assert!(test.store.settings(organization).await.unwrap().sign_up.open);
}

#[tokio::test]
async fn who_may_not_is_refused_and_a_program_is_never_let() {
    let test = testing::store().await;
    let wanted = patch(json!({"sign_up": {"open": true}}));
    let reader = acting(&test, &["settings:read"]).await;
    let refused = update_settings(&test.store, &reader, None, &wanted)
        .await
        .unwrap_err();
    assert_eq!(refused.code, "permission.missing");
    let mut program = acting(&test, SETTING).await;
    program.credential = Credential::ApiKey(crate::kernel::id::ApiKeyId::new());
    let refused = update_settings(&test.store, &program, None, &wanted)
        .await
        .unwrap_err();
    assert_eq!(refused.code, "auth.session_required");
    let nobody = acting(&test, &[]).await;
    assert_eq!(
        settings(&test.store, &nobody).await.unwrap_err().kind,
        Kind::Forbidden
    );
}

#[tokio::test]
async fn newcomers_get_no_role_that_whoever_sets_it_could_not_give() {
    let test = testing::store().await;
    let mut tx = test.store.db.bookkeeping().await.unwrap();
    let at = test.store.clock.now();
    let owner = roles::predefine(&mut tx, test.organization, at).await.unwrap();
    tx.commit().await.unwrap();
    let ctx = acting(&test, &[SETTING, &["roles:assign"]].concat()).await;
    let wanted = patch(json!({"sign_up": {"open": true, "role": owner}}));
    let refused = update_settings(&test.store, &ctx, None, &wanted)
        .await
        .unwrap_err();
    assert_eq!(refused.code, "roles.out_of_reach");
    // nor in two steps, the first of which somebody above took
    let closed = patch(json!({"sign_up": {"role": owner}}));
    let refused = update_settings(&test.store, &ctx, None, &closed)
        .await
        .unwrap_err();
    assert_eq!(refused.code, "roles.out_of_reach");
    let mut above = ctx.clone();
    above.permissions = test
        .texts("SELECT name FROM permissions")
        .await
        .into_iter()
        .collect();
    update_settings(&test.store, &above, None, &closed).await.unwrap();
    let opened = patch(json!({"sign_up": {"open": true}}));
    let refused = update_settings(&test.store, &ctx, None, &opened)
        .await
        .unwrap_err();
    assert_eq!(refused.code, "roles.out_of_reach");
}

#[tokio::test]
async fn a_role_of_nobody_or_of_another_organization_is_not_kept_while_sign_up_is_closed_and_closing_asks_nobody()
 {
    let test = testing::store().await;
    let other = test.another_organization().await;
    let mut tx = test.store.db.bookkeeping().await.unwrap();
    let at = test.store.clock.now();
    let foreign = roles::predefine(&mut tx, other, at).await.unwrap();
    tx.commit().await.unwrap();
    let ctx = acting(&test, &[SETTING, &["roles:assign"]].concat()).await;
    for role in [foreign, crate::kernel::id::RoleId::new()] {
        let wanted = patch(json!({"sign_up": {"role": role}}));
        let refused = update_settings(&test.store, &ctx, None, &wanted)
            .await
            .unwrap_err();
        assert_eq!(refused.errors[0].code, "unknown");
    }
    let kept = test.store.settings(test.organization).await.unwrap();
    assert_eq!(kept.sign_up.role, None);
    // a role that is gone since keeps nobody from closing the door
    let gone = json!({"open": true, "role": foreign});
    test.sql(format!(
        "INSERT INTO organization_settings (organization_id, key, value) VALUES ('{}', 'sign_up', '{gone}')",
        test.organization
    ))
    .await;
    let closing = patch(json!({"sign_up": {"open": false}}));
    let closed = update_settings(&test.store, &ctx, None, &closing).await.unwrap();
    assert!(!closed.settings.sign_up.open);
}

#[tokio::test]
async fn what_lets_strangers_in_is_changed_after_a_recent_proof_only() {
    let test = testing::store().await;
    let mut ctx = acting(&test, SETTING).await;
    ctx.authenticated_at = Some(test.store.clock.now() - time::Duration::minutes(10));
    let opening = patch(json!({"sign_up": {"open": true}}));
    let refused = update_settings(&test.store, &ctx, None, &opening)
        .await
        .unwrap_err();
    assert_eq!(refused.code, "auth.step_up_needed");
    let other = patch(json!({"invitations": {"days": 3}}));
    update_settings(&test.store, &ctx, None, &other).await.unwrap();
}

#[tokio::test]
async fn an_organization_is_renamed_once_for_whoever_saw_its_present_version() {
    let test = testing::store().await;
    let ctx = acting(&test, SETTING).await;
    let rename = |name: &str| OrganizationChange {
        name: Some(name.to_owned()),
    };
    let renamed = update(&test.store, &ctx, Some(1), &rename(" Acme "))
        .await
        .unwrap();
    assert_eq!((renamed.name.as_str(), renamed.version), ("Acme", 2));
    let stale = update(&test.store, &ctx, Some(1), &rename("Other"))
        .await
        .unwrap_err();
    assert_eq!(stale.current.unwrap()["name"], "Acme");
    for name in ["", " ", "a\nb", &"x".repeat(201)] {
        let refused = update(&test.store, &ctx, None, &rename(name)).await.unwrap_err();
        assert_eq!(refused.kind, Kind::Invalid, "{name:?}");
    }
    let reader = acting(&test, &["settings:read"]).await;
    assert_eq!(get(&test.store, &reader).await.unwrap().name, "Acme");
    assert_eq!(
        update(&test.store, &reader, None, &rename("x"))
            .await
            .unwrap_err()
            .kind,
        Kind::Forbidden
    );
}

#[tokio::test]
async fn one_organization_neither_sees_nor_changes_the_settings_of_another() {
    let test = testing::store().await;
    let ctx = acting(&test, SETTING).await;
    let other = test.another_organization().await;
    let foreign = Ctx {
        organization: other,
        ..ctx.clone()
    };
    let wanted = patch(json!({"invitations": {"days": 1}}));
    update_settings(&test.store, &foreign, None, &wanted)
        .await
        .unwrap();
    let store: &Store = &test.store;
    assert_eq!(
        store.settings(test.organization).await.unwrap().invitations.days,
        7
    );
    assert_eq!(settings(store, &ctx).await.unwrap().settings.invitations.days, 7);
    assert_eq!(store.settings(other).await.unwrap().invitations.days, 1);
}

/// The predefined roles, an owner and an owner's hands.
async fn owned(test: &TestStore) -> (UserId, Ctx) {
    let mut tx = test.store.db.bookkeeping().await.unwrap();
    let at = test.store.clock.now();
    let role = roles::predefine(&mut tx, test.organization, at).await.unwrap();
    tx.commit().await.unwrap();
    let owner = test.person().await;
    let organization = test.organization;
    test.sql(format!(
        "INSERT INTO user_roles (organization_id, user_id, role_id) VALUES ('{organization}', '{owner}', '{}')",
        role.0
    ))
    .await;
    let mut ctx = acting(test, &[]).await;
    ctx.actor = Actor::User(owner);
    ctx.permissions = test
        .texts("SELECT name FROM permissions")
        .await
        .into_iter()
        .collect();
    (owner, ctx)
}

#[tokio::test]
async fn where_links_in_mail_lead_is_said_only_by_whoever_may_do_all_that_an_owner_may() {
    let test = testing::store().await;
    let (_, owner) = owned(&test).await;
    let wanted =
        patch(json!({"general": {"public_address": "https://evil.example"}, "invitations": {"days": 3}}));
    let setting = acting(&test, &[SETTING, &["roles:assign", "users:read"]].concat()).await;
    let refused = update_settings(&test.store, &setting, None, &wanted)
        .await
        .unwrap_err();
    assert_eq!(refused.code, "permission.outranked");
    let kept = test.store.settings(test.organization).await.unwrap();
    assert_eq!(
        (kept.general.public_address.clone(), kept.invitations.days),
        (None, 7),
        "nothing of it"
    );
    let rest = patch(json!({"invitations": {"days": 3}}));
    update_settings(&test.store, &setting, None, &rest).await.unwrap();
    update_settings(&test.store, &owner, None, &wanted).await.unwrap();
    // nor does anybody below take it back
    let back = patch(json!({"general": {"public_address": null}}));
    let refused = update_settings(&test.store, &setting, None, &back)
        .await
        .unwrap_err();
    assert_eq!(refused.code, "permission.outranked");
}

#[tokio::test]
async fn nobody_reads_a_message_to_somebody_who_may_do_more_than_they() {
    let test = testing::store().await;
    let (owner, above) = owned(&test).await;
    let below = test.person().await;
    for user in [owner, below] {
        recover(&test, user).await;
    }
    let read = async |ctx: &Ctx| {
        let items = development_outbox(&test.store, ctx, None, None)
            .await
            .unwrap()
            .items;
        let read = items.iter().filter_map(|item| {
            item.text.as_ref()?;
            item.to.clone()
        });
        (items.len(), read.collect::<std::collections::BTreeSet<_>>())
    };
    let address = |user: UserId| format!("{user}@example.com");
    let setting = acting(&test, SETTING).await;
    assert_eq!(read(&setting).await, (2, [address(below)].into()));
    assert_eq!(read(&above).await, (2, [address(below), address(owner)].into()));
}

/// A link to a new password goes to `user`, and into the outbox.
async fn recover(test: &TestStore, user: UserId) {
    let salt = test
        .texts(format!("SELECT seal_salt::text FROM users WHERE id = '{user}'"))
        .await;
    let person = Person {
        id: user,
        salt: salt[0].parse().unwrap(),
    };
    let to = Address::of(person, format!("{user}@example.com"), "Somebody");
    let mut change = Change::begin(&test.store, &Ctx::system(test.organization, "test"))
        .await
        .unwrap();
    let message = Message::PasswordReset {
        token: "the-token".into(),
        minutes: 30,
    };
    messages::mail(&mut change, &to, message).await.unwrap();
    change.commit().await.unwrap();
    let run = testing::claim(test, messages::MAIL).await;
    messages::send_mail(&test.store, &run).await;
}
