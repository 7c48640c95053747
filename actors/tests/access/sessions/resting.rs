//! Sessions that nobody uses any more, and those that somebody does: idle ends, absolute ends, and when one was last seen.

use signalbox_actors::session_keeper::{Options, SIGNED_OUT};
use signalbox_core::bus::control::RevocationKind::Organization;
use signalbox_core::kernel::clock::Clock;
use signalbox_core::sessions::standing::Refused;
use signalbox_core::testing::TestStore;
use time::OffsetDateTime;

use super::patient;
use crate::stage::*;

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
    let lock = test.lock("organizations").await;
    clock.advance(time::Duration::minutes(50));
    // the sweep looks, and this look, which is no use, waits for the same read: it finds the use of which this node knew nothing
    until_blocked(&test, 1).await;
    let mut asked = Box::pin(node.keeper.look(session.into(), person));
    assert!(futures::poll!(&mut asked).is_pending());
    drop(lock);
    assert!(asked.await.is_ok());
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
