//! What a revocation does to open connections and to the next request, from this node and from another, whatever else is broken.

use std::sync::Arc;
use std::time::{Duration, Instant};

use signalbox_actors::session_keeper::{ACCESS_ENDED, Options, SIGNED_OUT};
use signalbox_actors::supervision::Poison;
use signalbox_core::bus::control::RevocationKind::{Access, Organization, Session, Sessions, User};
use signalbox_core::kernel::clock::Clock;
use signalbox_core::sessions::standing::Refused;
use signalbox_core::testing::Stalls;
use time::OffsetDateTime;

use super::patient;
use crate::stage::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_ban_on_this_node_closes_at_once_and_refuses_the_next_request() {
    let test = test().await;
    let node = Node::on(&test, patient()).await;
    let person = test.person().await;
    let sessions = [test.session(person).await, test.session(person).await];
    let stranger = test.session(test.person().await).await;
    let wires = [wire(), wire(), wire()];
    let mut held = Vec::new();
    for (session, wire) in sessions.into_iter().chain([stranger]).zip(&wires) {
        held.push(node.keeper.attach(session, wire.clone()).await.unwrap());
    }
    test.sql(format!(
        "UPDATE users SET status = 'banned' WHERE id = '{person}'"
    ))
    .await;
    // What `Change::commit` does in the committing task.
    node.store
        .signals
        .revoked(&revocation(&test, User, person.0, None));
    for wire in &wires[..2] {
        assert_eq!(wire.ended(), Some((ACCESS_ENDED, "signed out: test".to_owned())));
    }
    assert_eq!(wires[2].ended(), None, "nobody else");
    assert_eq!(node.keeper.connections(), 1);
    for session in sessions {
        assert_eq!(node.keeper.known(session).await, Err(Refused::Banned.into()));
        assert!(node.keeper.attach(session, wire()).await.is_err());
    }
    drop(held);
    assert_eq!(node.keeper.connections(), 0);
    node.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ban_that_is_heard_once_more_ends_nothing_of_whoever_was_let_in_again_meanwhile() {
    let test = test().await;
    let node = Node::on(&test, patient()).await;
    let person = test.person().await;
    let ban = |version| revocation(&test, User, person.0, Some(version));
    let access = |version| {
        test.sql(format!(
            "UPDATE users SET access_version = {version} WHERE id = '{person}'"
        ))
    };
    access(1).await;
    let before = wire();
    let session = test.session(person).await;
    let _held = node.keeper.attach(session, before.clone()).await.unwrap();
    // banned with version 2, let in again with 3
    access(3).await;
    node.store.signals.revoked(&ban(2));
    assert_eq!(before.ended().unwrap().0, ACCESS_ENDED);
    let since = wire();
    let session = test.session(person).await;
    let _held = node.keeper.attach(session, since.clone()).await.unwrap();
    node.store.signals.revoked(&ban(2));
    assert_eq!(since.ended(), None);
    node.store.signals.revoked(&ban(4));
    assert_eq!(since.ended().unwrap().0, ACCESS_ENDED);
    node.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revocation_of_another_node_bites_within_250_ms_without_any_bus() {
    let test = test().await;
    let node = Node::on(&test, patient()).await;
    let mut times = Vec::new();
    for round in 0..20 {
        let person = test.person().await;
        let session = test.session(person).await;
        let wire = wire();
        let _held = node.keeper.attach(session, wire.clone()).await.unwrap();
        let (kind, subject, also, code) = if round % 2 == 0 {
            (User, person.0, "UPDATE users SET status = 'banned'", ACCESS_ENDED)
        } else {
            (
                Session,
                session.0,
                "UPDATE user_sessions SET revoked_at = now()",
                SIGNED_OUT,
            )
        };
        revoke_elsewhere(&test, kind, subject, None, also).await;
        let committed = Instant::now();
        until("the connection was closed", || wire.ended().is_some()).await;
        assert_eq!(wire.ended().unwrap().0, code);
        let closed = wire.closed.lock().as_ref().unwrap().2;
        times.push(closed.saturating_duration_since(committed));
        assert!(node.keeper.known(session).await.is_err());
        test.sql("UPDATE users SET status = 'active'").await;
    }
    times.sort();
    // of the slowest ones the machine has its share
    assert!(times[times.len() / 2] < BITE, "{times:?}");
    node.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_sessions_of_a_person_or_of_everybody_that_began_before_an_instant_end_at_once() {
    let test = test().await;
    let node = Node::on(&test, patient()).await;
    let [one, other] = [test.person().await, test.person().await];
    let owners = [one, one, other];
    let mut sessions = Vec::new();
    let wires = [wire(), wire(), wire()];
    let mut held = Vec::new();
    for (owner, wire) in owners.iter().zip(&wires) {
        let session = test.session(*owner).await;
        held.push(node.keeper.attach(session, wire.clone()).await.unwrap());
        sessions.push(session);
    }
    test.sql(format!(
        "UPDATE user_sessions SET created_at = now() + interval '1 hour' WHERE id = '{}'",
        sessions[1]
    ))
    .await;
    node.store
        .signals
        .revoked(&revocation(&test, Access, one.0, None));
    assert!(node.keeper.known(sessions[1]).await.is_ok());
    let now = Clock::system().now();
    let before = |subject, at: OffsetDateTime| {
        let micros = (at.unix_timestamp_nanos() / 1_000) as i64;
        node.store
            .signals
            .revoked(&revocation(&test, Sessions, subject, Some(micros)));
    };
    before(one.0, now + time::Duration::minutes(1));
    assert_eq!(
        wires[0].ended(),
        Some((SIGNED_OUT, "signed out: test".to_owned()))
    );
    assert_eq!(wires[1].ended(), None, "it began after the instant");
    assert_eq!(wires[2].ended(), None, "somebody else's");
    before(test.organization.0, now + time::Duration::hours(2));
    assert!(wires[1].ended().is_some() && wires[2].ended().is_some());
    assert_eq!(node.keeper.connections(), 0);
    // told by the table alone, as of another node's commit
    let session = test.session(one).await;
    let wire = wire();
    let _held = node.keeper.attach(session, wire.clone()).await.unwrap();
    let later = (now + time::Duration::hours(3)).unix_timestamp() * 1_000_000;
    let also =
        format!("UPDATE users SET sessions_not_before = now() + interval '3 hours' WHERE id = '{one}'");
    revoke_elsewhere(&test, Sessions, one.0, Some(later), &also).await;
    until("it was closed", || wire.ended().is_some()).await;
    assert!(node.keeper.known(session).await.is_err());
    node.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panicking_connection_does_not_save_the_others() {
    struct Bad;
    impl signalbox_actors::session_keeper::Connection for Bad {
        fn close(&self, _: u16, _: &str) {
            panic!("a connection's own fault")
        }
        fn rights_changed(&self) {}
    }
    let test = test().await;
    let node = Node::on(&test, patient()).await;
    let session = test.session(test.person().await).await;
    let wire = wire();
    let _bad = node.keeper.attach(session, Arc::new(Bad)).await.unwrap();
    let _good = node.keeper.attach(session, wire.clone()).await.unwrap();
    node.store
        .signals
        .revoked(&revocation(&test, Session, session.0, None));
    assert!(wire.ended().is_some());
    node.end().await;
}

/// The promise with the actor broken: own commits still bite at once; what only the table tells is not overlooked
/// for longer than what is kept is trusted.
#[tokio::test(flavor = "multi_thread")]
async fn with_its_actor_panicked_frozen_or_hung_the_keeper_lets_nobody_in_who_was_revoked() {
    let test = test().await;
    let node = Node::on(
        &test,
        Options {
            trust: Duration::from_millis(500),
            ..Options::default()
        },
    )
    .await;
    for poison in [Poison::Panic, Poison::Freeze, Poison::Hang] {
        let person = test.person().await;
        let [here, there] = [test.session(person).await, test.session(person).await];
        let wires = [wire(), wire()];
        let _held = node.keeper.attach(here, wires[0].clone()).await.unwrap();
        let _held = node.keeper.attach(there, wires[1].clone()).await.unwrap();
        node.tree.poison("session_keeper", poison).unwrap();
        node.store
            .signals
            .revoked(&revocation(&test, Session, here.0, None));
        assert!(wires[0].ended().is_some(), "{poison:?}");
        revoke_elsewhere(
            &test,
            Session,
            there.0,
            None,
            &format!("UPDATE user_sessions SET revoked_at = now() WHERE id = '{there}'"),
        )
        .await;
        let (revoked, stalls) = (Instant::now(), Stalls::watch());
        signalbox_core::testing::eventually("it is refused", async || {
            node.keeper.known(there).await.is_err()
        })
        .await;
        let took = revoked.elapsed();
        let most = Duration::from_secs(2) + stalls.allowance();
        assert!(took < most, "{poison:?}: {took:?}");
        until("the connection was closed", || wires[1].ended().is_some()).await;
        until("the actor is back", || node.tree.ready().is_ok()).await;
    }
    node.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_acts_as_somebody_is_cut_off_with_their_own_session_account_or_permission() {
    for kind in [Session, User, Access, Organization] {
        let test = test().await;
        let node = Node::on(&test, patient()).await;
        let (operator, person) = (test.person().await, test.person().await);
        let own = test.session(operator).await;
        let acting = test.session(person).await;
        let organization = test.organization;
        test.sql(format!(
            "UPDATE user_sessions SET impersonated_by = '{operator}', impersonator_session = '{own}', impersonation_reason = 'test' WHERE id = '{acting}';
             INSERT INTO user_permissions (organization_id, user_id, permission) VALUES ('{organization}', '{operator}', 'users:impersonate')"
        ))
        .await;
        let wire = wire();
        let _held = node.keeper.attach(acting, wire.clone()).await.unwrap();
        let (subject, sql) = match kind {
            Session => (
                own.0,
                format!("UPDATE user_sessions SET revoked_at = now() WHERE id = '{own}'"),
            ),
            User => (
                operator.0,
                format!("UPDATE users SET status = 'banned' WHERE id = '{operator}'"),
            ),
            // by a change of the person, and of a role
            Access => (
                operator.0,
                format!("DELETE FROM user_permissions WHERE user_id = '{operator}'"),
            ),
            _ => (
                organization.0,
                format!(
                    "DELETE FROM user_permissions WHERE user_id = '{operator}';
                     UPDATE organizations SET access_epoch = 5 WHERE id = '{organization}'"
                ),
            ),
        };
        // as another node's commit leaves it
        let version = (kind == Organization).then_some(5);
        revoke_elsewhere(&test, kind, subject, version, &sql).await;
        if kind == Access || kind == Organization {
            until("its rights are looked at again", || {
                *wire.rights_changed.lock() == 1
            })
            .await;
        } else {
            until("it is cut off", || wire.ended().is_some()).await;
        }
        assert!(node.keeper.known(acting).await.is_err(), "{kind:?}");
        node.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_acts_as_somebody_is_looked_at_again_when_sessions_from_before_an_instant_end() {
    for everybody in [false, true] {
        let test = test().await;
        let node = Node::on(&test, patient()).await;
        let (operator, person) = (test.person().await, test.person().await);
        let (own, acting) = (test.session(operator).await, test.session(person).await);
        let organization = test.organization;
        test.sql(format!(
            "UPDATE user_sessions SET created_at = now() - interval '1 hour' WHERE id = '{own}';
             UPDATE user_sessions SET impersonated_by = '{operator}', impersonator_session = '{own}', impersonation_reason = 'test' WHERE id = '{acting}';
             INSERT INTO user_permissions (organization_id, user_id, permission) VALUES ('{organization}', '{operator}', 'users:impersonate')"
        ))
        .await;
        let wire = wire();
        let _held = node.keeper.attach(acting, wire.clone()).await.unwrap();
        let (subject, table) = if everybody {
            (organization.0, "organizations")
        } else {
            (operator.0, "users")
        };
        let instant = Clock::system().now() - time::Duration::minutes(30);
        let sql = format!(
            "UPDATE {table} SET sessions_not_before = now() - interval '30 minutes' WHERE id = '{subject}'"
        );
        let micros = (instant.unix_timestamp_nanos() / 1_000) as i64;
        revoke_elsewhere(&test, Sessions, subject, Some(micros), &sql).await;
        until("it is looked at again", || *wire.rights_changed.lock() == 1).await;
        assert!(node.keeper.known(acting).await.is_err());
        node.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn changed_rights_are_told_to_connections_and_known_at_the_next_request() {
    let test = test().await;
    let node = Node::on(&test, patient()).await;
    let person = test.person().await;
    let session = test.session(person).await;
    let wire = wire();
    let (before, _held) = node.keeper.attach(session, wire.clone()).await.unwrap();
    let also =
        format!("UPDATE users SET access_version = 7, must_change_password = true WHERE id = '{person}'");
    revoke_elsewhere(&test, Access, person.0, Some(7), &also).await;
    until("the connection was told", || *wire.rights_changed.lock() == 1).await;
    let after = node.keeper.known(session).await.unwrap();
    assert_eq!((before.version.access, after.version.access), (1, 7));
    assert!(after.must_change_password);

    let also = format!(
        "UPDATE organizations SET access_epoch = 3 WHERE id = '{}'",
        test.organization
    );
    revoke_elsewhere(&test, Organization, test.organization.0, Some(3), &also).await;
    until("the connection was told", || *wire.rights_changed.lock() == 2).await;
    assert_eq!(node.keeper.known(session).await.unwrap().version.epoch, 3);
    assert_eq!(wire.ended(), None, "changed rights end nothing by themselves");
    node.end().await;
}
