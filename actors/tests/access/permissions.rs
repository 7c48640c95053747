use std::time::Duration;

use signalbox_actors::permission_cache::{Question, Unavailable};
use signalbox_actors::session_keeper::Options;
use signalbox_actors::supervision::Poison;
use signalbox_core::bus::control::RevocationKind::Access;
use signalbox_core::kernel::id::UserId;
use signalbox_core::kernel::permission::{Rights, RightsVersion};
use signalbox_core::testing::{Stalls, TestStore};

use crate::stage::*;

async fn may(test: &TestStore, user: UserId, permission: &str) {
    test.sql(format!(
        "DELETE FROM user_permissions WHERE user_id = '{user}';
         INSERT INTO user_permissions (organization_id, user_id, permission) VALUES ('{}', '{user}', '{permission}');
         UPDATE users SET access_version = access_version + 1 WHERE id = '{user}'",
        test.organization
    ))
    .await;
}

fn question(test: &TestStore, user: UserId, access: i64) -> Question {
    Question {
        organization: test.organization,
        user,
        at_least: RightsVersion { access, epoch: 1 },
    }
}

async fn permissions(node: &Node, question: Question) -> Result<Vec<String>, Unavailable> {
    let rights = node.cache.rights(question).await?;
    Ok(rights.permissions.iter().map(str::to_owned).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_never_older_than_asked_for_on_any_level() {
    let test = test().await;
    let node = Node::on(&test, Options::default()).await;
    let user = test.person().await;
    may(&test, user, "users:read").await;
    assert_eq!(
        permissions(&node, question(&test, user, 2)).await.unwrap(),
        ["users:read"]
    );
    may(&test, user, "jobs:read").await;
    // The shelf and Redis hold the older set: it will do for who asks for no newer one.
    assert_eq!(
        permissions(&node, question(&test, user, 2)).await.unwrap(),
        ["users:read"]
    );
    assert_eq!(
        permissions(&node, question(&test, user, 3)).await.unwrap(),
        ["jobs:read"]
    );
    assert_eq!(
        permissions(&node, question(&test, user, 2)).await.unwrap(),
        ["jobs:read"],
        "never back again"
    );
    assert_eq!(
        node.cache.rights(question(&test, user, 4)).await,
        Err(Unavailable),
        "the future cannot be read"
    );
    node.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_node_finds_the_set_in_redis() {
    let test = test().await;
    let user = test.person().await;
    let version = RightsVersion { access: 1, epoch: 1 };
    let marked = Rights {
        version,
        permissions: ["from:redis"].into_iter().collect(),
    };
    test.store.bus.keep_rights(user, &marked).await.unwrap();
    let node = Node::on(&test, Options::default()).await;
    assert_eq!(
        permissions(&node, question(&test, user, 1)).await.unwrap(),
        ["from:redis"]
    );
    let other = Node::on(&test, Options::default()).await;
    may(&test, user, "users:read").await;
    assert_eq!(
        permissions(&other, question(&test, user, 2)).await.unwrap(),
        ["users:read"]
    );
    assert_eq!(
        test.store
            .bus
            .kept_rights(user)
            .await
            .unwrap()
            .unwrap()
            .version
            .access,
        2
    );
    other.end().await;
    node.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_askers_are_one_read() {
    let test = test().await;
    let node = Node::on(&test, Options::default()).await;
    let user = test.person().await;
    let lock = test.lock("user_permissions").await;
    let calls: Vec<_> = (0..1000)
        .map(|_| {
            let (cache, question) = (node.cache.clone(), question(&test, user, 1));
            tokio::spawn(async move { cache.rights(question).await })
        })
        .collect();
    until_blocked(&test, 1).await;
    drop(lock);
    assert!(
        futures::future::join_all(calls)
            .await
            .into_iter()
            .all(|answer| answer.unwrap().is_ok())
    );
    node.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn changed_rights_are_read_before_they_are_asked_for() {
    let test = test().await;
    let node = Node::on(&test, Options::default()).await;
    let user = test.person().await;
    assert!(
        permissions(&node, question(&test, user, 1))
            .await
            .unwrap()
            .is_empty()
    );
    may(&test, user, "users:read").await;
    node.store
        .signals
        .revoked(&revocation(&test, Access, user.0, Some(2)));
    // Without the warm read the shelf would now be empty, and with the database gone nothing could be told.
    signalbox_core::testing::eventually("it was read", async || {
        test.store
            .bus
            .kept_rights(user)
            .await
            .unwrap()
            .is_some_and(|kept| kept.version.access == 2)
    })
    .await;
    node.store.db.close().await;
    assert_eq!(
        permissions(&node, question(&test, user, 2)).await.unwrap(),
        ["users:read"]
    );
    node.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_its_actor_panicked_frozen_or_hung_the_answers_stay_right() {
    let test = test().await;
    let node = Node::on(&test, Options::default()).await;
    let user = test.person().await;
    for (round, poison) in [Poison::Panic, Poison::Freeze, Poison::Hang]
        .into_iter()
        .enumerate()
    {
        may(
            &test,
            user,
            if round % 2 == 0 { "users:read" } else { "jobs:read" },
        )
        .await;
        node.tree.poison("permission_cache", poison).unwrap();
        let (asked, stalls) = (std::time::Instant::now(), Stalls::watch());
        let expected = if round % 2 == 0 { "users:read" } else { "jobs:read" };
        assert_eq!(
            permissions(&node, question(&test, user, round as i64 + 2))
                .await
                .unwrap(),
            [expected]
        );
        let took = asked.elapsed();
        let most = Duration::from_secs(3) + stalls.allowance();
        assert!(took < most, "{poison:?}: {took:?}");
        until("the actor is back", || {
            let status = node.tree.snapshot().remove(0);
            status.restarts > round as u64 && status.state.word() == "running"
        })
        .await;
    }
    node.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn those_who_used_a_session_of_late_are_known_before_they_ask_and_so_is_whoever_comes_in() {
    let test = test().await;
    let [there, gone, newcomer] = [test.person().await, test.person().await, test.person().await];
    may(&test, there, "users:read").await;
    test.session(there).await;
    test.session(gone).await;
    test.sql(format!(
        "UPDATE user_sessions SET revoked_at = now() WHERE user_id = '{gone}'"
    ))
    .await;
    let node = Node::on(&test, Options::default()).await;
    until("the start has read", || node.cache.keeps(there)).await;
    assert!(!node.cache.keeps(gone) && !node.cache.keeps(newcomer));
    may(&test, newcomer, "jobs:read").await;
    node.store.signals.came_in(test.organization, newcomer);
    until("the newcomer was read", || node.cache.keeps(newcomer)).await;
    // with the database gone both are answered, and nobody else
    node.store.db.close().await;
    assert_eq!(
        permissions(&node, question(&test, there, 2)).await.unwrap(),
        ["users:read"]
    );
    assert_eq!(
        permissions(&node, question(&test, newcomer, 2)).await.unwrap(),
        ["jobs:read"]
    );
    assert_eq!(
        node.cache.rights(question(&test, gone, 1)).await,
        Err(Unavailable)
    );
    node.end().await;
}
