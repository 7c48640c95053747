//! The keeper of sessions: what it answers from memory, what it reads, and how much it keeps.

mod resting;
mod revoked;

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use signalbox_actors::session_keeper::{Denied, Options};
use signalbox_core::bus::control::RevocationKind::{Session, User};
use signalbox_core::kernel::id::{OrganizationId, SessionId, UserId};
use signalbox_core::sessions::standing::Refused;

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
