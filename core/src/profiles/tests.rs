use super::*;
use crate::kernel::ctx::{Actor, Credential, Ctx};
use crate::kernel::error::Kind;
use crate::kernel::id::{SessionId, UserId};
use crate::testing::{self, TestStore};
use crate::users::rights;
use serde_json::json;

/// `user` signed in, with what the database says they may do.
async fn acting(test: &TestStore, user: UserId) -> Ctx {
    let mut ctx = Ctx::system(test.organization, "test");
    let mut tx = test.store.db.read(test.organization).await.unwrap();
    ctx.permissions = rights::of(&mut tx, test.organization, user).await.unwrap();
    ctx.actor = Actor::User(user);
    ctx.credential = Credential::Session(SessionId::new());
    ctx
}

async fn somebody(test: &TestStore, permissions: &[&str]) -> UserId {
    let (user, organization) = (test.person().await, test.organization);
    for permission in permissions {
        test.sql(format!(
            "INSERT INTO user_permissions (organization_id, user_id, permission) VALUES ('{organization}', '{user}', '{permission}')"
        ))
        .await;
    }
    user
}

async fn into_team(test: &TestStore, people: &[UserId]) {
    let organization = test.organization;
    let team = uuid::Uuid::new_v4();
    test.sql(format!(
        "INSERT INTO teams (id, organization_id, name) VALUES ('{team}', '{organization}', '{team}')"
    ))
    .await;
    for user in people {
        test.sql(format!(
            "INSERT INTO team_members (organization_id, team_id, user_id) VALUES ('{organization}', '{team}', '{user}')"
        ))
        .await;
    }
}

fn change(value: serde_json::Value) -> ProfileChange {
    serde_json::from_value(value).unwrap()
}

const WALLET: &str = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed";

fn wallet(address: &str) -> NewWallet {
    NewWallet {
        chain: Chain::Ethereum,
        address: address.to_owned(),
        label: "Mine".to_owned(),
    }
}

/// Somebody with a profile of which the title is their team's and the words nobody's business.
async fn ada(test: &TestStore) -> (UserId, Ctx) {
    let ada = test.person().await;
    let ctx = acting(test, ada).await;
    let said = change(
        json!({"display_name": "Ada", "title": "Engineer", "bio": "Private", "time_zone": "Europe/Berlin"}),
    );
    update(&test.store, &ctx, ada, Some(0), &said).await.unwrap();
    link(&test.store, &ctx, ada, &wallet(WALLET)).await.unwrap();
    let wanted = [
        ("title", Audience::Team),
        ("wallets", Audience::Team),
        ("bio", Audience::Nobody),
    ];
    let wanted = wanted
        .map(|(field, audience)| (field.to_owned(), audience))
        .into();
    set_privacy(&test.store, &ctx, &wanted).await.unwrap();
    (ada, ctx)
}

#[tokio::test]
async fn each_viewer_sees_the_fields_that_the_person_shows_them_and_is_told_which_are_hidden() {
    let test = testing::store().await;
    let (ada, own) = ada(&test).await;
    let (stranger, mate) = (
        somebody(&test, &["profiles:read"]).await,
        somebody(&test, &["profiles:read"]).await,
    );
    let operator = somebody(&test, &["profiles:read", "users:read_pii"]).await;
    into_team(&test, &[ada, mate]).await;
    let seen = async |user| get(&test.store, &acting(&test, user).await, ada).await.unwrap();
    let by_stranger = seen(stranger).await;
    assert_eq!(by_stranger.display_name.as_deref(), Some("Ada"));
    assert_eq!(
        (by_stranger.title, by_stranger.bio, by_stranger.wallets),
        (None, None, None)
    );
    assert_eq!(by_stranger.masked, ["title", "bio", "wallets"]);
    assert_eq!(
        by_stranger.privacy, None,
        "to whom it is shown is not everybody's to know"
    );
    let by_mate = seen(mate).await;
    assert_eq!((by_mate.title.as_deref(), by_mate.bio), (Some("Engineer"), None));
    assert_eq!(
        (by_mate.wallets.unwrap().len(), by_mate.masked),
        (1, vec!["bio".to_owned()])
    );
    let by_operator = seen(operator).await;
    assert!(by_operator.masked.is_empty());
    assert_eq!(by_operator.privacy.unwrap().bio, Audience::Nobody);
    let by_oneself = get(&test.store, &own, ada).await.unwrap();
    assert_eq!(
        (by_oneself.bio.as_deref(), by_oneself.masked.len()),
        (Some("Private"), 0)
    );
    let nobody = acting(&test, somebody(&test, &[]).await).await;
    assert_eq!(
        get(&test.store, &nobody, ada).await.unwrap_err().kind,
        Kind::Forbidden
    );
}

#[tokio::test]
async fn no_event_and_no_log_holds_what_a_profile_says() {
    let test = testing::store().await;
    let (ada, ctx) = ada(&test).await;
    remove(&test.store, &ctx, ada, None).await.unwrap();
    for table in ["outbox", "audit_logs", "activity_logs"] {
        let rows = test
            .texts(format!("SELECT row_to_json({table})::text FROM {table}"))
            .await;
        for word in ["Engineer", "Private", "Berlin", "5aAeb6"] {
            assert!(
                !rows.iter().any(|row| row.contains(word)),
                "{word} stands in {table}: {rows:?}"
            );
        }
    }
    let told = test.texts("SELECT type FROM outbox ORDER BY seq").await;
    assert_eq!(
        told,
        [
            "profile.updated",
            "profile.updated",
            "profile.updated",
            "profile.deleted"
        ]
    );
}

#[tokio::test]
async fn whoever_wipes_a_profile_or_is_deleted_leaves_nothing_and_a_wallet_is_free_again() {
    let test = testing::store().await;
    let (ada, ctx) = ada(&test).await;
    let left = "SELECT (SELECT count(*) FROM profiles) + (SELECT count(*) FROM privacy_settings) + (SELECT count(*) FROM wallet_links)";
    assert_eq!(test.count(left).await, 3);
    let other = acting(&test, test.person().await).await;
    let taken = link(
        &test.store,
        &other,
        other.actor.user().unwrap(),
        &wallet(&WALLET.to_lowercase()),
    )
    .await;
    assert_eq!(taken.unwrap_err().code, "wallet.taken");
    remove(&test.store, &ctx, ada, None).await.unwrap();
    remove(&test.store, &ctx, ada, None).await.unwrap();
    assert_eq!(test.count(left).await, 0);
    let other_id = other.actor.user().unwrap();
    link(&test.store, &other, other_id, &wallet(WALLET))
        .await
        .unwrap();
    let mut hands = Ctx::system(test.organization, "test");
    hands.permissions = ["users:read", "users:delete"].into_iter().collect();
    crate::users::service::delete(&test.store, &hands, other_id, None)
        .await
        .unwrap();
    assert_eq!(test.count(left).await, 0);
}

#[tokio::test]
async fn another_s_profile_is_changed_with_the_permission_by_whoever_may_do_no_less() {
    let test = testing::store().await;
    let (ada, own) = ada(&test).await;
    let said = change(json!({"title": "Lead"}));
    let reader = acting(&test, somebody(&test, &["users:read", "profiles:read"]).await).await;
    let refused = update(&test.store, &reader, ada, None, &said).await.unwrap_err();
    assert_eq!(refused.code, "permission.missing");
    let editor = acting(
        &test,
        somebody(&test, &["users:read", "profiles:read", "profiles:update"]).await,
    )
    .await;
    let changed = update(&test.store, &editor, ada, None, &said).await.unwrap();
    assert_eq!((changed.title.as_deref(), changed.version), (Some("Lead"), 2));
    let stale = update(&test.store, &own, ada, Some(1), &said).await.unwrap_err();
    assert_eq!(
        (stale.kind, stale.current.unwrap()["version"].as_i64()),
        (Kind::Stale, Some(2))
    );
    let powerful = somebody(&test, &["users:delete"]).await;
    let refused = update(&test.store, &editor, powerful, None, &said)
        .await
        .unwrap_err();
    assert_eq!(refused.code, "permission.outranked");
    // a program is nobody's self
    let key = Ctx {
        credential: Credential::ApiKey(crate::kernel::id::ApiKeyId::new()),
        ..own.clone()
    };
    assert_eq!(
        update(&test.store, &key, ada, None, &said)
            .await
            .unwrap_err()
            .kind,
        Kind::Forbidden
    );
    assert!(
        set_privacy(&test.store, &key, &PrivacyChange::new())
            .await
            .is_err()
    );
}

#[tokio::test]
async fn wallets_are_checked_counted_and_unlinked_by_their_owner_alone() {
    let test = testing::store().await;
    let (ada, ctx) = ada(&test).await;
    let wrong = link(
        &test.store,
        &ctx,
        ada,
        &wallet("0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAeD"),
    )
    .await;
    assert_eq!(wrong.unwrap_err().errors[0].code, "wrong_checksum");
    let kept = get(&test.store, &ctx, ada).await.unwrap().wallets.unwrap();
    assert_eq!(kept[0].address, WALLET);
    let other = test.person().await;
    let others = acting(&test, other).await;
    assert_eq!(
        unlink(&test.store, &others, other, kept[0].id)
            .await
            .unwrap_err()
            .code,
        "wallet.not_found"
    );
    unlink(&test.store, &ctx, ada, kept[0].id).await.unwrap();
    for n in 0..20 {
        let new = wallet(&format!("0x{n:040x}"));
        link(&test.store, &ctx, ada, &new).await.unwrap();
    }
    let many = link(&test.store, &ctx, ada, &wallet(WALLET)).await.unwrap_err();
    assert_eq!(many.code, "wallet.too_many");
}

#[tokio::test]
async fn privacy_has_only_the_fields_that_there_are_and_what_is_absent_stays() {
    let test = testing::store().await;
    let (_, ctx) = ada(&test).await;
    let wanted = [("time_zone".to_owned(), Audience::Nobody)].into();
    let after = set_privacy(&test.store, &ctx, &wanted).await.unwrap();
    assert_eq!(
        (after.bio, after.time_zone, after.locale),
        (Audience::Nobody, Audience::Nobody, Audience::Organization)
    );
    assert_eq!(privacy(&test.store, &ctx).await.unwrap(), after);
    let wrong = [("email".to_owned(), Audience::Nobody)].into();
    assert_eq!(
        set_privacy(&test.store, &ctx, &wrong).await.unwrap_err().errors[0].field,
        "email"
    );
}

#[tokio::test]
async fn nobody_reaches_into_another_organization() {
    let test = testing::store().await;
    let (ada, ctx) = ada(&test).await;
    let other = test.another_organization().await;
    let mut foreign = Ctx {
        organization: other,
        actor: Actor::User(test.person().await),
        ..ctx.clone()
    };
    foreign.permissions = ["profiles:read", "profiles:update", "users:read"]
        .into_iter()
        .collect();
    assert_eq!(
        get(&test.store, &foreign, ada).await.unwrap_err().kind,
        Kind::NotFound
    );
    assert_eq!(
        remove(&test.store, &foreign, ada, None).await.unwrap_err().kind,
        Kind::NotFound
    );
}
