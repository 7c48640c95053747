use super::*;
use crate::kernel::ctx::{Actor, Credential, Ctx};
use crate::kernel::error::{Error, Kind};
use crate::kernel::id::{RoleId, SessionId, UserId};
use crate::testing::{self, TestStore, client, mailed};
use crate::{roles, users};
use secrecy::SecretString;
use time::Duration;

const MANAGING: &[&str] = &[
    "invitations:read",
    "invitations:manage",
    "users:create",
    "users:read",
    "users:read_pii",
];

async fn acting(test: &TestStore, permissions: &[&str]) -> Ctx {
    let mut ctx = Ctx::system(test.organization, "test");
    ctx.actor = Actor::User(test.person().await);
    ctx.credential = Credential::Session(SessionId::new());
    ctx.authenticated_at = Some(test.store.clock.now());
    ctx.permissions = permissions.iter().copied().collect();
    ctx
}

fn ada(roles: &[RoleId]) -> NewInvitation {
    NewInvitation {
        email: " Ada@Example.com ".to_owned(),
        name: "Ada".to_owned(),
        roles: roles.to_vec(),
    }
}

async fn come(test: &TestStore, token: &str, password: &str) -> Result<Accepted, Error> {
    let turn = test.store.passwords.turn().await.unwrap();
    let (token, password) = (SecretString::from(token), SecretString::from(password));
    accept(&test.store, turn, &token, password, &client()).await
}

async fn status(test: &TestStore, user: UserId) -> String {
    let found = test
        .texts(format!("SELECT status FROM users WHERE id = '{user}'"))
        .await;
    found[0].clone()
}

#[tokio::test]
async fn whoever_is_invited_comes_in_once_by_the_link_with_the_password_they_choose() {
    let test = testing::store().await;
    let ctx = acting(&test, MANAGING).await;
    let made = create(&test.store, &ctx, &ada(&[])).await.unwrap();
    assert_eq!(
        (made.state, made.email.as_deref()),
        (InvitationState::Open, Some("ada@example.com"))
    );
    assert_eq!(status(&test, made.user_id).await, "invited");
    let mails = mailed(&test).await;
    assert_eq!(mails[0].to, "ada@example.com");
    let token = mails[0].token();
    let shown = look(&test.store, &SecretString::from(token.as_str()))
        .await
        .unwrap();
    assert_eq!(
        (shown.organization.as_str(), shown.name.as_str()),
        ("Test", "Ada")
    );
    let short = come(&test, &token, "short").await.unwrap_err();
    assert_eq!(short.kind, Kind::Invalid, "and the link is still good");
    let accepted = come(&test, &token, "correct horse").await.unwrap();
    assert_eq!(accepted.user, made.user_id);
    assert_eq!(status(&test, made.user_id).await, "active");
    let hashes = test
        .count("SELECT count(*) FROM invitations WHERE token_hash IS NOT NULL")
        .await;
    assert_eq!(hashes, 0);
    assert_eq!(
        come(&test, &token, "correct horse").await.unwrap_err().code,
        "invitation.gone"
    );
    let told = test
        .texts("SELECT type FROM outbox WHERE type LIKE 'invitation.%' OR type LIKE 'user.%' ORDER BY seq")
        .await;
    assert_eq!(
        told,
        [
            "user.created",
            "invitation.created",
            "user.joined",
            "invitation.accepted"
        ]
    );
    let actor = test
        .texts("SELECT actor_id::text FROM audit_logs WHERE action = 'invitations.accept'")
        .await;
    assert!(
        actor.iter().all(|actor| *actor == made.user_id.to_string()),
        "{actor:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_use_a_link_at_once_one_comes_in() {
    let test = testing::store().await;
    let ctx = acting(&test, MANAGING).await;
    create(&test.store, &ctx, &ada(&[])).await.unwrap();
    let token = mailed(&test).await[0].token();
    let coming = (0..8).map(|n| {
        let (store, token) = (test.store.clone(), SecretString::from(token.as_str()));
        tokio::spawn(async move {
            let turn = store.passwords.turn().await.unwrap();
            let password = SecretString::from(format!("correct horse {n}"));
            accept(&store, turn, &token, password, &client()).await.is_ok()
        })
    });
    let came = futures::future::join_all(coming).await;
    assert_eq!(came.into_iter().filter(|came| *came.as_ref().unwrap()).count(), 1);
    assert_eq!(
        test.count("SELECT count(*) FROM audit_logs WHERE action = 'invitations.accept'")
            .await,
        2
    );
}

#[tokio::test]
async fn a_link_is_dead_once_another_was_sent_time_is_over_or_it_was_taken_back_and_all_sound_alike() {
    let mut test = testing::store().await;
    test.store.clock = crate::kernel::clock::Clock::manual(test.store.clock.now());
    let ctx = acting(&test, MANAGING).await;
    let made = create(&test.store, &ctx, &ada(&[])).await.unwrap();
    let first = mailed(&test).await[0].token();
    resend(&test.store, &ctx, made.id).await.unwrap();
    let second = mailed(&test).await[0].token();
    assert_ne!(first, second);
    let mut refusals = vec![come(&test, &first, "correct horse").await.unwrap_err()];
    test.store.clock.advance(Duration::days(7));
    refusals.push(come(&test, &second, "correct horse").await.unwrap_err());
    let seen = list(&test.store, &ctx, None, None).await.unwrap();
    assert_eq!(seen.items[0].state, InvitationState::Expired);
    resend(&test.store, &ctx, made.id).await.unwrap();
    let third = mailed(&test).await[0].token();
    let withdrawn = withdraw(&test.store, &ctx, made.id).await.unwrap();
    assert_eq!(
        (withdrawn.state, withdrawn.can.len()),
        (InvitationState::Withdrawn, 0)
    );
    refusals.push(come(&test, &third, "correct horse").await.unwrap_err());
    refusals.push(come(&test, &"x".repeat(43), "correct horse").await.unwrap_err());
    refusals.push(come(&test, "no token", "correct horse").await.unwrap_err());
    for refused in &refusals {
        assert_eq!((refused.kind, &*refused.code), (Kind::Gone, "invitation.gone"));
        assert_eq!(refused.detail, refusals[0].detail);
    }
    let closed = resend(&test.store, &ctx, made.id).await.unwrap_err();
    assert_eq!(closed.code, "invitation.closed");
    // the address is free again
    let again = create(&test.store, &ctx, &ada(&[])).await.unwrap();
    assert_ne!(again.user_id, made.user_id);
    let seen = list(&test.store, &ctx, None, None).await.unwrap();
    assert_eq!((seen.items.len(), seen.items[1].email.as_deref()), (2, None));
}

#[tokio::test]
async fn whoever_is_banned_does_not_come_in_unbanned_is_invited_again_and_deleted_is_not_any_more() {
    let test = testing::store().await;
    let mut ctx = acting(&test, &[MANAGING, &["users:ban", "users:delete"]].concat()).await;
    ctx.authenticated_at = Some(test.store.clock.now());
    let made = create(&test.store, &ctx, &ada(&[])).await.unwrap();
    let token = mailed(&test).await[0].token();
    users::service::ban(&test.store, &ctx, made.user_id, "no")
        .await
        .unwrap();
    assert_eq!(
        come(&test, &token, "correct horse").await.unwrap_err().code,
        "invitation.gone"
    );
    assert_eq!(status(&test, made.user_id).await, "banned");
    let unbanned = users::service::unban(&test.store, &ctx, made.user_id)
        .await
        .unwrap();
    assert_eq!(
        unbanned.status,
        users::UserStatus::Invited,
        "nobody becomes active without having come"
    );
    let counted = "SELECT coalesce(sum((counters->>'users_active')::bigint), 0)::bigint FROM outbox";
    assert_eq!(test.count(counted).await, 0);
    users::service::delete(&test.store, &ctx, made.user_id, None)
        .await
        .unwrap();
    assert_eq!(
        come(&test, &token, "correct horse").await.unwrap_err().code,
        "invitation.gone"
    );
    let seen = list(&test.store, &ctx, None, None).await.unwrap();
    assert_eq!(
        (seen.items[0].state, seen.items[0].can.len()),
        (InvitationState::Withdrawn, 0)
    );
    let told = test
        .texts(
            "SELECT concat_ws(' ', type, channels[1], event->'patch'->>'state', event->'patch'->>'version') FROM outbox
             WHERE subject_kind = 'invitation' ORDER BY seq",
        )
        .await;
    let version = seen.items[0].version;
    assert_eq!(
        told,
        [
            "invitation.created feed:invitations open 1".to_owned(),
            format!("invitation.withdrawn feed:invitations withdrawn {version}"),
        ],
        "whoever looks at the list is told"
    );
}

#[tokio::test]
async fn nobody_invites_without_the_permissions_or_to_more_than_they_may() {
    let test = testing::store().await;
    let mut tx = test.store.db.bookkeeping().await.unwrap();
    let at = test.store.clock.now();
    let owner = roles::predefine(&mut tx, test.organization, at).await.unwrap();
    tx.commit().await.unwrap();
    for lacking in ["invitations:manage", "users:create"] {
        let held: Vec<&str> = MANAGING.iter().copied().filter(|held| *held != lacking).collect();
        let ctx = acting(&test, &held).await;
        let refused = create(&test.store, &ctx, &ada(&[])).await.unwrap_err();
        assert_eq!(refused.code, "permission.missing", "without {lacking}");
    }
    let ctx = acting(&test, MANAGING).await;
    let refused = create(&test.store, &ctx, &ada(&[owner])).await.unwrap_err();
    assert_eq!(refused.code, "permission.missing", "roles need roles:assign");
    let ctx = acting(&test, &[MANAGING, &["roles:assign"]].concat()).await;
    let refused = create(&test.store, &ctx, &ada(&[owner])).await.unwrap_err();
    assert_eq!(refused.code, "roles.out_of_reach");
    assert_eq!(test.count("SELECT count(*) FROM invitations").await, 0);
    // nor does anybody touch an invitation to more
    let everything: Vec<String> = test.texts("SELECT name FROM permissions").await;
    let everything: Vec<&str> = everything.iter().map(String::as_str).collect();
    let able = acting(&test, &everything).await;
    let made = create(&test.store, &able, &ada(&[owner])).await.unwrap();
    assert_eq!(
        withdraw(&test.store, &ctx, made.id).await.unwrap_err().code,
        "permission.outranked"
    );
    assert_eq!(
        resend(&test.store, &ctx, made.id).await.unwrap_err().code,
        "permission.outranked"
    );
    let reader = acting(&test, &["invitations:read"]).await;
    let seen = list(&test.store, &reader, None, None).await.unwrap();
    assert_eq!(
        (seen.items[0].email.as_deref(), seen.items[0].can.len()),
        (None, 0)
    );
    assert_eq!(seen.items[0].masked, ["email"]);
}

#[tokio::test]
async fn an_address_that_somebody_has_is_not_invited_and_one_organization_sees_nothing_of_another() {
    let test = testing::store().await;
    let ctx = acting(&test, MANAGING).await;
    let made = create(&test.store, &ctx, &ada(&[])).await.unwrap();
    assert_eq!(
        create(&test.store, &ctx, &ada(&[])).await.unwrap_err().code,
        "user.email_taken"
    );
    let other = test.another_organization().await;
    let foreign = Ctx {
        organization: other,
        ..ctx.clone()
    };
    assert!(
        list(&test.store, &foreign, None, None)
            .await
            .unwrap()
            .items
            .is_empty()
    );
    assert_eq!(
        withdraw(&test.store, &foreign, made.id).await.unwrap_err().kind,
        Kind::NotFound
    );
}

#[tokio::test]
async fn a_link_that_went_to_another_address_is_of_no_use_and_the_next_goes_to_the_right_one() {
    let test = testing::store().await;
    let ctx = acting(&test, &[MANAGING, &["users:update"]].concat()).await;
    let made = create(&test.store, &ctx, &ada(&[])).await.unwrap();
    let first = mailed(&test).await[0].token();
    let change = |change: serde_json::Value| {
        let wanted = serde_json::from_value(change).unwrap();
        let (store, ctx) = (&test.store, &ctx);
        async move { users::service::update(store, ctx, made.user_id, None, &wanted).await }
    };
    let state = async || {
        let seen = list(&test.store, &ctx, None, None).await.unwrap();
        seen.items[0].state
    };
    change(serde_json::json!({"name": "Ada L."})).await.unwrap();
    assert_eq!(state().await, InvitationState::Open);
    change(serde_json::json!({"email": "right@example.com"}))
        .await
        .unwrap();
    assert_eq!(
        come(&test, &first, "correct horse").await.unwrap_err().code,
        "invitation.gone"
    );
    assert_eq!(state().await, InvitationState::Expired);
    resend(&test.store, &ctx, made.id).await.unwrap();
    let mails = mailed(&test).await;
    let mail = mails.iter().find(|mail| mail.to == "right@example.com").unwrap();
    come(&test, &mail.token(), "correct horse").await.unwrap();
}

#[tokio::test]
async fn the_address_of_an_invited_person_who_is_deleted_is_free_to_be_invited_again() {
    let test = testing::store().await;
    let ctx = acting(&test, &[MANAGING, &["users:delete"]].concat()).await;
    let made = create(&test.store, &ctx, &ada(&[])).await.unwrap();
    users::service::delete(&test.store, &ctx, made.user_id, None)
        .await
        .unwrap();
    let told = test
        .count("SELECT (event -> 'subject' ->> 'version')::bigint FROM outbox WHERE type = 'user.deleted'")
        .await;
    let version = format!("SELECT version FROM users WHERE id = '{}'", made.user_id);
    assert_eq!(test.count(&version).await, told);
    let again = create(&test.store, &ctx, &ada(&[])).await.unwrap();
    assert_ne!(again.user_id, made.user_id);
}
