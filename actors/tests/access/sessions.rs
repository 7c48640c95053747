use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::FutureExt;
use signalbox_actors::session_keeper::{ACCESS_ENDED, Denied, Options, SIGNED_OUT};
use signalbox_actors::supervision::Poison;
use signalbox_core::bus::control::RevocationKind::{Access, Organization, Session, Sessions, User};
use signalbox_core::kernel::clock::Clock;
use signalbox_core::kernel::id::{OrganizationId, SessionId, UserId};
use signalbox_core::sessions::standing::Refused;
use signalbox_core::testing::TestStore;
use time::OffsetDateTime;

use crate::stage::*;

/// Nothing but hearing and the table: what is kept is kept until then.
fn patient() -> Options {
    Options {
        trust: Duration::from_mins(10),
        refresh: Duration::from_mins(10),
        ..Options::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_good_session_is_answered_from_memory_and_an_unknown_one_never() {
    let test = test().await;
    let node = Node::on(&test, patient()).await;
    let person = test.person().await;
    let session = test.session(person).await;
    let known = node.keeper.authenticate(session, person).await.unwrap();
    assert_eq!(
        (known.user, known.credential, known.organization),
        (person, session.into(), test.organization)
    );
    assert_eq!(
        node.keeper.authenticate(session, UserId::new()).await,
        Err(Refused::Unknown.into())
    );
    assert_eq!(
        node.keeper.known(SessionId::new()).await,
        Err(Refused::Unknown.into())
    );
    // Nothing is kept before revocations have been read once.
    signalbox_core::testing::eventually("it is kept", async || {
        node.keeper.known(session).await.is_ok() && node.keeper.sessions() == 1
    })
    .await;
    // With the database gone: what is known is answered, and nothing else is allowed.
    let another = test.session(person).await;
    node.store.db.close().await;
    assert_eq!(
        node.keeper.authenticate(session, person).await.unwrap().version,
        known.version
    );
    assert_eq!(
        node.keeper.authenticate(another, person).await,
        Err(Denied::Unavailable)
    );
    node.end().await;
}

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
async fn a_revocation_of_another_node_bites_within_250_ms_without_any_bus() {
    let test = test().await;
    let node = Node::on(&test, patient()).await;
    let mut slowest = Duration::ZERO;
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
        slowest = slowest.max(closed.saturating_duration_since(committed));
        assert!(node.keeper.known(session).await.is_err());
        test.sql("UPDATE users SET status = 'active'").await;
    }
    assert!(slowest < BITE, "{slowest:?}");
    node.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_read_before_a_revocation_that_was_heard_is_read_again() {
    let test = test().await;
    let node = Node::on(&test, patient()).await;
    let person = test.person().await;
    let session = test.session(person).await;
    for kind in [User, Session] {
        // The read has its snapshot, and waits for the table.
        let lock = test.lock("organizations").await;
        let reading = tokio::spawn({
            let keeper = node.keeper.clone();
            async move { keeper.known(session).await }
        });
        until_blocked(&test, 1).await;
        test.sql("UPDATE users SET status = 'banned'").await;
        let subject = if kind == User { person.0 } else { session.0 };
        node.store
            .signals
            .revoked(&revocation(&test, kind, subject, None));
        drop(lock);
        assert_eq!(reading.await.unwrap(), Err(Refused::Banned.into()), "{kind:?}");
        assert_eq!(node.keeper.sessions(), 0);
        test.sql("UPDATE users SET status = 'active'").await;
    }
    node.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_requests_of_one_session_read_it_once() {
    let test = test().await;
    let node = Node::on(&test, patient()).await;
    let session = test.session(test.person().await).await;
    let lock = test.lock("organizations").await;
    let mut calls: Vec<_> = (0..50).map(|_| Box::pin(node.keeper.known(session))).collect();
    for call in &mut calls {
        assert!(call.now_or_never().is_none());
    }
    let ((), answers) = tokio::join!(
        async {
            until_blocked(&test, 1).await;
            drop(lock);
        },
        futures::future::join_all(calls)
    );
    assert!(answers.into_iter().all(|answer| answer.is_ok()));
    node.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_request_that_reads_goes_away_another_reads_on() {
    let test = test().await;
    let node = Node::on(&test, patient()).await;
    let session = test.session(test.person().await).await;
    let lock = test.lock("organizations").await;
    let keeper = node.keeper.clone();
    let mut calls = [(); 2].map(|()| Box::pin(keeper.known(session)));
    for call in &mut calls {
        assert!(call.now_or_never().is_none());
    }
    let [reads, waits] = calls;
    drop(reads);
    drop(lock);
    assert!(waits.await.is_ok());
    node.end().await;
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

/// A node whose time is the test's, with an hour of rest, and all sessions as of its beginning.
async fn resting(test: &TestStore) -> (Node, Clock) {
    let clock = Clock::manual(OffsetDateTime::from_unix_timestamp(4_000_000_000).unwrap());
    let options = Options {
        idle: time::Duration::HOUR,
        ..patient()
    };
    test.sql(
        "UPDATE user_sessions SET created_at = to_timestamp(4000000000), last_seen_at = to_timestamp(4000000000),
           expires_at = to_timestamp(4000000000) + interval '3 hours'",
    )
    .await;
    (Node::with_clock(test, options, clock.clone()).await, clock)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_connection_does_not_keep_a_session_alive_that_nobody_uses() {
    let test = test().await;
    let person = test.person().await;
    let [quiet, used] = [test.session(person).await, test.session(person).await];
    let (node, clock) = resting(&test).await;
    let wires = [wire(), wire()];
    let _quiet = node.keeper.attach(quiet, wires[0].clone()).await.unwrap();
    let _used = node.keeper.attach(used, wires[1].clone()).await.unwrap();
    clock.advance(time::Duration::minutes(50));
    assert!(node.keeper.known(used).await.is_ok());
    // what listens is judged again, which is no use
    assert!(node.keeper.look(quiet.into(), person).await.is_ok());
    clock.advance(time::Duration::minutes(50));
    until("the quiet one was closed", || wires[0].ended().is_some()).await;
    let why = "signed out: session idle for too long".to_owned();
    assert_eq!(wires[0].ended(), Some((SIGNED_OUT, why)));
    assert_eq!(node.keeper.known(quiet).await, Err(Refused::Idle.into()));
    assert_eq!(wires[1].ended(), None, "the used one rested for 50 minutes");
    assert!(node.keeper.known(used).await.is_ok());
    clock.advance(time::Duration::minutes(50));
    assert!(node.keeper.known(used).await.is_ok());
    clock.advance(time::Duration::minutes(50));
    until("the used one was closed", || wires[1].ended().is_some()).await;
    let why = "signed out: session expired".to_owned();
    assert_eq!(
        wires[1].ended(),
        Some((SIGNED_OUT, why)),
        "at its absolute end, used or not"
    );
    node.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_is_used_on_another_node_stays_open_here() {
    let test = test().await;
    let person = test.person().await;
    let session = test.session(person).await;
    let (node, clock) = resting(&test).await;
    let wire = wire();
    let _held = node.keeper.attach(session, wire.clone()).await.unwrap();
    clock.advance(time::Duration::minutes(50));
    test.sql("UPDATE user_sessions SET last_seen_at = to_timestamp(4000000000) + interval '49 minutes'")
        .await;
    clock.advance(time::Duration::minutes(50));
    // the sweep looks, and finds the use of which this node knew nothing
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    assert_eq!(wire.ended(), None);
    assert!(node.keeper.known(session).await.is_ok());
    node.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shortened_time_ends_what_is_open_on_every_node() {
    let test = test().await;
    let person = test.person().await;
    let session = test.session(person).await;
    let (node, clock) = resting(&test).await;
    let wire = wire();
    let _held = node.keeper.attach(session, wire.clone()).await.unwrap();
    clock.advance(time::Duration::minutes(20));
    let also = format!(
        "INSERT INTO organization_settings (organization_id, key, value) VALUES ('{}', 'sessions', '{{\"idle_seconds\": 600}}')",
        test.organization
    );
    revoke_elsewhere(&test, Organization, test.organization.0, None, &also).await;
    until("the connection was told to look again", || {
        *wire.rights_changed.lock() == 1
    })
    .await;
    // what a live connection does when it is told
    assert_eq!(
        node.keeper.look(session.into(), person).await,
        Err(Refused::Idle.into())
    );
    until("it was closed", || wire.ended().is_some()).await;
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
async fn how_many_connections_hang_on_each_session_is_counted_by_organization() {
    let test = test().await;
    let node = Node::on(&test, patient()).await;
    let person = test.person().await;
    let [busy, idle] = [test.session(person).await, test.session(person).await];
    let first = node.keeper.attach(busy, wire()).await.unwrap();
    let _second = node.keeper.attach(busy, wire()).await.unwrap();
    assert!(node.keeper.known(idle).await.is_ok());
    let counted = || {
        let rows = node.keeper.sockets(&[test.organization]);
        rows.iter()
            .map(|row| (row.session, row.user, row.sockets))
            .collect::<Vec<_>>()
    };
    assert_eq!(counted(), [(busy, person, 2)]);
    drop(first);
    assert_eq!(counted(), [(busy, person, 1)]);
    assert!(node.keeper.sockets(&[OrganizationId::new()]).is_empty());
    node.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn last_seen_is_written_behind_and_at_the_end() {
    let test = test().await;
    let node = Node::on(&test, patient()).await;
    let session = test.session(test.person().await).await;
    test.sql("UPDATE user_sessions SET last_seen_at = now() - interval '5 minutes'")
        .await;
    let age = async || {
        test.count("SELECT extract(epoch FROM now() - last_seen_at)::bigint FROM user_sessions")
            .await
    };
    assert!(age().await >= 300);
    node.keeper.known(session).await.unwrap();
    signalbox_core::testing::eventually("it was written", async || age().await < 60).await;
    // A use that is too young to be written yet is written by the flush.
    test.sql("UPDATE user_sessions SET last_seen_at = now() - interval '5 minutes'")
        .await;
    node.keeper.known(session).await.unwrap();
    node.keeper.flush().await;
    assert!(age().await < 60);
    node.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_is_bounded_and_those_with_connections_stay() {
    let test = test().await;
    let node = Node::on(
        &test,
        Options {
            sessions: 10,
            ..patient()
        },
    )
    .await;
    let person = test.person().await;
    let wire = wire();
    let kept = test.session(person).await;
    let _held = node.keeper.attach(kept, wire.clone()).await.unwrap();
    for _ in 0..40 {
        let session = test.session(person).await;
        assert!(node.keeper.known(session).await.is_ok());
        assert!(node.keeper.sessions() <= 10);
    }
    // Full: the next connection finds room, and the one that was there can still be closed.
    let _second = node
        .keeper
        .attach(test.session(person).await, Arc::new(Wire::default()))
        .await
        .unwrap();
    node.store
        .signals
        .revoked(&revocation(&test, Session, kept.0, None));
    assert!(wire.ended().is_some());
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
        let revoked = Instant::now();
        signalbox_core::testing::eventually("it is refused", async || {
            node.keeper.known(there).await.is_err()
        })
        .await;
        assert!(
            revoked.elapsed() < Duration::from_secs(2),
            "{poison:?}: {:?}",
            revoked.elapsed()
        );
        until("the connection was closed", || wires[1].ended().is_some()).await;
        until("the actor is back", || node.tree.ready().is_ok()).await;
    }
    node.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_acts_as_somebody_is_cut_off_with_their_own_session_account_or_permission() {
    for kind in [Session, User, Access] {
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
            _ => (
                operator.0,
                format!("DELETE FROM user_permissions WHERE user_id = '{operator}'"),
            ),
        };
        // as another node's commit leaves it
        revoke_elsewhere(&test, kind, subject, None, &sql).await;
        if kind == Access {
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
