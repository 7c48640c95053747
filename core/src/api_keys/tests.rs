mod ends;

use super::*;
use crate::bus::{Signal, Subscription};
use crate::kernel::ctx::{Actor, Credential, Ctx};
use crate::kernel::id::{SessionId, UserId};
use crate::live::history::Batch;
use crate::live::published::Published;
use crate::organizations::{SettingsNow, update_settings};
use crate::sessions::standing::Refused;
use crate::testing::{self, TestStore};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::IpAddr;
use time::Duration;

/// A person who has signed in and holds `permissions`.
async fn person(test: &TestStore, permissions: &[&str]) -> (UserId, Ctx) {
    let user = test.person().await;
    let mut ctx = Ctx::system(test.organization, "test");
    ctx.actor = Actor::User(user);
    ctx.credential = Credential::Session(SessionId::new());
    // whatever time a test makes it, they have just proved who they are
    ctx.authenticated_at = Some(test.store.clock.now() + Duration::days(3_650));
    ctx.permissions = permissions.iter().copied().collect();
    (user, ctx)
}

const ALL: &[&str] = &[
    "api_keys:read",
    "api_keys:manage",
    "users:read",
    "settings:update",
];

fn new(scopes: &[&str]) -> NewApiKey {
    NewApiKey {
        name: "Export".to_owned(),
        scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
        addresses: vec!["10.0.0.0/8".to_owned(), "2001:db8::1".to_owned()],
        requests_per_minute: Some(60),
        resource_limits: BTreeMap::new(),
        expires_at: None,
    }
}

fn text(error: crate::kernel::error::Error) -> String {
    error.code.into_owned()
}

async fn set_longest(
    store: &crate::Store,
    ctx: &Ctx,
    days: u32,
) -> crate::kernel::error::Result<SettingsNow> {
    let wanted = serde_json::json!({"api_keys": {"max_days": days}});
    update_settings(store, ctx, None, wanted.as_object().unwrap()).await
}

#[tokio::test]
async fn a_secret_is_shown_once_and_stands_nowhere() {
    let test = testing::store().await;
    let (_, ctx) = person(&test, ALL).await;
    let made = create(&test.store, &ctx, "live", &new(&["users:read"]))
        .await
        .unwrap();
    assert!(!format!("{made:?}").contains(&made.secret));
    assert_eq!(made.key.created_by.name.as_deref(), Some("Test Person"));
    assert_eq!(made.key.addresses, ["10.0.0.0/8", "2001:db8::1/128"]);
    assert!(made.secret.starts_with(&made.key.hint));
    for table in ["api_keys", "audit_logs", "activity_logs", "outbox", "idempotency"] {
        let rows = test.texts(format!("SELECT t::text FROM {table} t")).await;
        assert!(rows.iter().all(|row| !row.contains(&made.secret)), "{table}");
    }
    let hash = secret::read(&made.secret, "live").unwrap();
    assert_eq!(
        find_by_hash(&test.store.db, &hash).await.unwrap(),
        Some(made.key.id)
    );
    let standing = find(&test.store.db, made.key.id).await.unwrap().unwrap();
    let terms = standing.key.clone().unwrap();
    let now = test.store.clock.now();
    assert_eq!(terms.generation_of(&hash, now), Some(1));
    assert_eq!(terms.generation_of(&[0; 32], now), None);
    let inside: IpAddr = "::ffff:10.1.2.3".parse().unwrap();
    assert!(standing.check_address(Some(inside)).is_ok());
    assert_eq!(standing.check_address(None), Err(Refused::Address));
}

#[tokio::test]
async fn a_key_gets_no_right_that_its_maker_lacks_and_makes_no_other() {
    let test = testing::store().await;
    let (_, ctx) = person(&test, ALL).await;
    let refused = create(&test.store, &ctx, "live", &new(&["users:ban"]))
        .await
        .unwrap_err();
    assert_eq!(
        (refused.errors[0].code.as_ref(), refused.errors[0].field.as_str()),
        ("not_held", "scopes")
    );
    let none = create(&test.store, &ctx, "live", &new(&[])).await.unwrap_err();
    assert_eq!(none.errors[0].code, "required");
    let made = create(&test.store, &ctx, "live", &new(ALL)).await.unwrap();
    let mut by_key = ctx.clone();
    by_key.credential = Credential::ApiKey(made.key.id);
    let store = &test.store;
    let id = made.key.id;
    let codes = [
        text(
            create(store, &by_key, "live", &new(&["users:read"]))
                .await
                .unwrap_err(),
        ),
        text(
            rotate(store, &by_key, "live", id, Rotation::default())
                .await
                .unwrap_err(),
        ),
        text(
            update(store, &by_key, id, None, &ApiKeyChange::default())
                .await
                .unwrap_err(),
        ),
        text(revoke(store, &by_key, id, "").await.unwrap_err()),
        text(set_longest(store, &by_key, 30).await.unwrap_err()),
    ];
    assert_eq!(codes, ["auth.session_required"; 5]);
    assert!(get(store, &by_key, id).await.unwrap().key.can.is_empty());
}

#[tokio::test]
async fn only_its_owner_gets_another_secret_and_only_who_holds_as_much_revokes() {
    let test = testing::store().await;
    let (_, ctx) = person(&test, ALL).await;
    let (owner, theirs) = person(&test, ALL).await;
    let made = create(&test.store, &theirs, "live", &new(&["users:read"]))
        .await
        .unwrap();
    let (store, id) = (&test.store, made.key.id);
    let not_yours = rotate(store, &ctx, "live", id, Rotation::default())
        .await
        .unwrap_err();
    assert_eq!(not_yours.code, "api_key.not_yours");
    test.sql(format!(
        "INSERT INTO user_permissions (organization_id, user_id, permission) VALUES ('{}', '{owner}', 'users:ban')",
        test.organization
    ))
    .await;
    assert_eq!(
        revoke(store, &ctx, id, "").await.unwrap_err().code,
        "permission.outranked"
    );
    let (_, nobody) = person(&test, &[]).await;
    assert_eq!(
        revoke(store, &nobody, id, "").await.unwrap_err().code,
        "api_key.not_found"
    );
    let mut owner_without = theirs.clone();
    owner_without.permissions = [""; 0].into_iter().collect();
    let revoked = revoke(store, &owner_without, id, "not needed").await.unwrap();
    assert_eq!((revoked.state, revoked.version), (KeyState::Revoked, 2));
    assert_eq!(
        revoke(store, &theirs, id, "again").await.unwrap().version,
        2,
        "it stays revoked"
    );
    let changed = ApiKeyChange::default();
    assert_eq!(
        update(store, &theirs, id, None, &changed).await.unwrap_err().code,
        "api_key.revoked"
    );
    assert_eq!(
        find(&store.db, id).await.unwrap(),
        Err(Refused::Revoked("key revoked".to_owned()))
    );
    let told = test
        .texts("SELECT kind || ' ' || coalesce(access_version::text, '-') FROM revocations")
        .await;
    assert_eq!(told, ["key -"]);
}

/// The next that is told on the keys' channel, as a viewer gets it.
async fn told(heard: &mut Subscription) -> Value {
    loop {
        let signal = tokio::time::timeout(std::time::Duration::from_secs(10), heard.next()).await;
        if let Signal::Message { payload, .. } = signal.expect("something is told in time").unwrap()
            && let Some(batch) = Batch::parse(&payload).filter(|batch| batch.channel == CHANNEL)
        {
            let published: Published = serde_json::from_slice(&batch.payloads[0]).unwrap();
            return published.event;
        }
    }
}

#[tokio::test]
async fn when_and_from_where_a_key_was_used_is_noted_told_and_never_moved_back() {
    let test = testing::store().await;
    let (_, ctx) = person(&test, ALL).await;
    let store = &test.store;
    let made = create(store, &ctx, "live", &new(&["users:read"])).await.unwrap();
    let fan = store.bus.keys().fan(test.organization, CHANNEL);
    let mut heard = store.bus.subscribe(&[fan]).await.unwrap();
    let now = store.clock.now();
    let used = |at, from: &str| Use {
        key: made.key.id,
        at,
        from: from.parse().ok(),
    };
    note_used(store, &[used(now, "::ffff:192.0.2.7")]).await.unwrap();
    note_used(store, &[used(now - Duration::minutes(1), "192.0.2.8")])
        .await
        .unwrap();
    let key = get(store, &ctx, made.key.id).await.unwrap().key;
    assert_eq!(
        (key.last_used_at, key.last_used_ip.as_deref()),
        (Some(now), Some("192.0.2.7"))
    );
    let event = told(&mut heard).await;
    assert_eq!(
        (&event["type"], &event["subject"]["id"]),
        (&json!("api_key.used"), &json!(made.key.id))
    );
    let item = serde_json::to_value(&key).unwrap();
    for field in ["first_used_at", "last_used_at", "last_used_ip"] {
        assert_eq!(event["data"][field], item[field], "{field} as a reading has it");
    }
    let later = now + Duration::minutes(5);
    note_used(store, &[used(later, "192.0.2.9")]).await.unwrap();
    let key = get(store, &ctx, made.key.id).await.unwrap().key;
    assert_eq!((key.first_used_at, key.last_used_at), (Some(now), Some(later)));
    assert_eq!(key.version, 1, "the machine's own notes are no change");
    let event = told(&mut heard).await;
    assert_eq!(
        event["data"]["last_used_ip"], "192.0.2.9",
        "nothing is told of a use that was noted already"
    );
}

#[tokio::test]
async fn a_key_has_limits_of_the_resources_that_its_scopes_are_about_and_of_no_others() {
    let test = testing::store().await;
    let (_, ctx) = person(&test, ALL).await;
    let store = &test.store;
    let limited = |limits: &[(&str, i32)]| NewApiKey {
        resource_limits: limits
            .iter()
            .map(|(name, most)| ((*name).to_owned(), *most))
            .collect(),
        ..new(&["users:read", "api_keys:read"])
    };
    for (limits, code) in [
        (&[("jobs", 5)][..], "not_in_scopes"),
        (&[("users:read", 5)], "not_in_scopes"),
        (&[("users", 0)], "out_of_range"),
        (&[("users", i32::MAX)], "out_of_range"),
    ] {
        let refused = create(store, &ctx, "live", &limited(limits)).await.unwrap_err();
        assert_eq!(&*refused.errors[0].code, code, "{limits:?}");
    }
    let limits = limited(&[("users", 5), ("api_keys", 7)]);
    let made = create(store, &ctx, "live", &limits).await.unwrap();
    assert_eq!(made.key.resource_limits, limits.resource_limits);
    let standing = find(&test.store.db, made.key.id).await.unwrap().unwrap();
    assert_eq!(standing.key.unwrap().resource_limits["users"], 5);
    // with the scope goes its limit
    let fewer = ApiKeyChange {
        scopes: Some(vec!["users:read".to_owned()]),
        ..ApiKeyChange::default()
    };
    let after = update(store, &ctx, made.key.id, None, &fewer).await.unwrap();
    assert_eq!(after.resource_limits, [("users".to_owned(), 5)].into());
    let none = ApiKeyChange {
        resource_limits: Some(BTreeMap::new()),
        ..ApiKeyChange::default()
    };
    let after = update(store, &ctx, made.key.id, None, &none).await.unwrap();
    assert!(after.resource_limits.is_empty());
    let changes = test
        .texts("SELECT changes::text FROM audit_logs WHERE action = 'api_keys.update' ORDER BY at")
        .await;
    assert!(
        changes.iter().all(|told| told.contains("resource_limits")),
        "{changes:?}"
    );
}

#[tokio::test]
async fn nobody_has_more_keys_than_a_hundred_that_are_not_revoked() {
    let test = testing::store().await;
    let (user, ctx) = person(&test, ALL).await;
    let (_, other) = person(&test, ALL).await;
    test.sql(format!(
        "INSERT INTO api_keys (id, organization_id, name, owner_id, hint, hash, scopes)
         SELECT gen_random_uuid(), '{}', 'Key', '{user}', 'sbx', n::text::bytea, '{{users:read}}' FROM generate_series(1, 99) AS n",
        test.organization
    ))
    .await;
    let make = async |ctx: &Ctx| create(&test.store, ctx, "live", &new(&["users:read"])).await;
    let last = make(&ctx).await.unwrap();
    assert_eq!(text(make(&ctx).await.unwrap_err()), "api_key.too_many");
    make(&other).await.unwrap();
    revoke(&test.store, &ctx, last.key.id, "").await.unwrap();
    make(&ctx).await.unwrap();
}
