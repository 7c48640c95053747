//! How long keys and their secrets live.

use super::*;
use crate::kernel::clock::Clock;
use crate::sessions::standing::Evidence;

#[tokio::test]
async fn a_replaced_secret_works_for_as_long_as_was_asked_and_not_for_longer() {
    let test = testing::store().await;
    let (_, ctx) = person(&test, ALL).await;
    let store = &test.store;
    let made = create(store, &ctx, "live", &new(&["users:read"])).await.unwrap();
    let first = secret::read(&made.secret, "live").unwrap();
    let grace = Rotation { grace_seconds: 60 };
    let next = rotate(store, &ctx, "live", made.key.id, grace).await.unwrap();
    let second = secret::read(&next.secret, "live").unwrap();
    let standing = find(&store.db, made.key.id).await.unwrap().unwrap();
    let (terms, now) = (standing.key.clone().unwrap(), store.clock.now());
    assert_eq!(
        (
            terms.generation_of(&first, now),
            terms.generation_of(&second, now)
        ),
        (Some(1), Some(2))
    );
    let later = now + Duration::seconds(61);
    assert_eq!(
        (
            terms.generation_of(&first, later),
            terms.generation_of(&second, later)
        ),
        (None, Some(2))
    );
    assert!(
        standing.check_evidence(Evidence::Secret(1), now).is_ok() && standing.ends(Some(1), now) <= later
    );
    assert_eq!(
        standing.check_evidence(Evidence::Secret(1), later),
        Err(Refused::Replaced)
    );
    assert_eq!(
        standing.check_evidence(Evidence::Session, now),
        Err(Refused::Replaced)
    );
    let last = rotate(store, &ctx, "live", made.key.id, Rotation::default())
        .await
        .unwrap();
    let terms = find(&store.db, made.key.id).await.unwrap().unwrap().key.unwrap();
    let third = secret::read(&last.secret, "live").unwrap();
    let good = [first, second, third].map(|hash| terms.generation_of(&hash, now));
    assert_eq!(good, [None, None, Some(3)]);
    let too_long = Rotation {
        grace_seconds: 604_801,
    };
    let refused = rotate(store, &ctx, "live", made.key.id, too_long)
        .await
        .unwrap_err();
    assert_eq!(refused.errors[0].field, "grace_seconds");
}

#[tokio::test]
async fn an_organization_sets_the_longest_life_and_keys_of_before_are_shortened_to_it() {
    let test = testing::store().await;
    let (_, ctx) = person(&test, ALL).await;
    let store = &test.store;
    let before = create(store, &ctx, "live", &new(&["users:read"])).await.unwrap();
    assert_eq!(before.key.expires_at, None);
    set_longest(store, &ctx, 30).await.unwrap();
    assert_eq!(policy(store, &ctx).await.unwrap().max_days, Some(30));
    let now = store.clock.now();
    let in_a_month = |end: Option<time::OffsetDateTime>| {
        (end.unwrap() - now - Duration::days(30)).abs() < Duration::minutes(1)
    };
    let shortened = get(store, &ctx, before.key.id).await.unwrap().key;
    assert!(in_a_month(shortened.expires_at) && shortened.version == 2);
    let made = create(store, &ctx, "live", &new(&["users:read"])).await.unwrap();
    assert!(
        in_a_month(made.key.expires_at),
        "without an end it gets the longest"
    );
    let longer = NewApiKey {
        expires_at: Some(now + Duration::days(31)),
        ..new(&["users:read"])
    };
    let refused = create(store, &ctx, "live", &longer).await.unwrap_err();
    assert_eq!(refused.errors[0].code, "too_late");
    let longer = ApiKeyChange {
        expires_at: Some(Some(now + Duration::days(31))),
        ..ApiKeyChange::default()
    };
    let refused = update(store, &ctx, made.key.id, None, &longer).await.unwrap_err();
    assert_eq!(refused.errors[0].code, "too_late");
    let none = set_longest(store, &ctx, 0).await.unwrap_err();
    assert_eq!(
        (none.errors[0].field.as_str(), &*none.errors[0].code),
        ("api_keys.max_days", "out_of_range")
    );
}

#[tokio::test]
async fn no_change_lets_a_secret_live_longer_than_the_organization_allows_and_another_secret_begins_anew() {
    let mut test = testing::store().await;
    let clock = Clock::manual(Clock::system().now());
    test.store.clock = clock.clone();
    let (_, ctx) = person(&test, ALL).await;
    let store = &test.store;
    let (old, made) = (
        create(store, &ctx, "live", &new(&["users:read"])).await.unwrap(),
        create(store, &ctx, "live", &new(&["users:read"])).await.unwrap(),
    );
    let begun = clock.now();
    clock.advance(Duration::days(8));
    set_longest(store, &ctx, 10).await.unwrap();
    let end = async |id| {
        let end = get(store, &ctx, id).await.unwrap().key.expires_at.unwrap();
        (end - begun).whole_minutes()
    };
    let day = 24 * 60;
    assert_eq!(end(old.key.id).await, 10 * day, "as old as it was already");
    let none = ApiKeyChange {
        expires_at: Some(None),
        ..ApiKeyChange::default()
    };
    update(store, &ctx, old.key.id, None, &none).await.unwrap();
    assert_eq!(end(old.key.id).await, 10 * day, "moved by nothing");
    clock.advance(Duration::days(3));
    let refused = update(store, &ctx, old.key.id, None, &none).await.unwrap_err();
    assert_eq!(refused.errors[0].code, "too_late");
    rotate(store, &ctx, "live", made.key.id, Rotation::default())
        .await
        .unwrap();
    update(store, &ctx, made.key.id, None, &none).await.unwrap();
    assert_eq!(end(made.key.id).await, 21 * day);
}

#[tokio::test]
async fn a_coming_end_is_announced_once_and_again_after_the_end_has_moved() {
    let mut test = testing::store().await;
    let clock = Clock::manual(Clock::system().now());
    test.store.clock = clock.clone();
    let (_, ctx) = person(&test, ALL).await;
    let store = &test.store;
    let at = |days| Some(clock.now() + Duration::days(days));
    let ending = NewApiKey {
        expires_at: at(10),
        ..new(&["users:read"])
    };
    let made = create(store, &ctx, "live", &ending).await.unwrap();
    assert!(!tend(store).await.unwrap());
    clock.advance(Duration::days(4));
    let said = async || {
        let mut said = 0;
        while tend(store).await.unwrap() {
            said += 1;
        }
        said
    };
    assert_eq!((said().await, said().await), (1, 0));
    assert_eq!(
        get(store, &ctx, made.key.id).await.unwrap().key.state,
        KeyState::Expiring
    );
    let moved = ApiKeyChange {
        expires_at: Some(at(5)),
        ..ApiKeyChange::default()
    };
    update(store, &ctx, made.key.id, None, &moved).await.unwrap();
    assert_eq!(said().await, 1);
    let channels = test
        .texts("SELECT channels::text FROM outbox WHERE type = 'api_key.expiring'")
        .await;
    assert!(
        channels.len() == 2
            && channels
                .iter()
                .all(|of| of.contains("feed:api_keys") && of.contains("inbox:"))
    );
}

#[tokio::test]
async fn a_secret_that_was_replaced_works_no_longer_than_it_would_have_lived() {
    let mut test = testing::store().await;
    let clock = Clock::manual(Clock::system().now());
    test.store.clock = clock.clone();
    let (_, ctx) = person(&test, ALL).await;
    let store = &test.store;
    set_longest(store, &ctx, 2).await.unwrap();
    let made = create(store, &ctx, "live", &new(&["users:read"])).await.unwrap();
    let begun = clock.now();
    clock.advance(Duration::days(1));
    let grace = |days: u32| Rotation {
        grace_seconds: days * 24 * 3_600,
    };
    let until = async |days| {
        let given = rotate(store, &ctx, "live", made.key.id, grace(days))
            .await
            .unwrap();
        given
            .key
            .previous_until
            .map(|until| (until - begun).whole_hours())
    };
    assert_eq!(until(7).await, Some(48), "two days of life in all");
    assert_eq!(until(1).await, Some(48), "the next has lived for no time yet");
    clock.advance(Duration::days(2));
    assert_eq!(until(1).await, None, "its life is over");
}
