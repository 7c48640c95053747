//! A stop while the relay has something on its way.

use nix::sys::signal::Signal;
use signalbox_core::change::Change;
use signalbox_core::kernel::ctx::Ctx;
use signalbox_core::testing::touch;

use super::relay::cluster::{Cluster, until};

const POINT: &str = "relay.order.read";

/// A node whose relay stands at its first step with a committed change, and whose stop has come as far as the relay.
async fn stopping_with_a_change_on_its_way() -> Cluster {
    let cluster = Cluster::start(1, "").await;
    cluster.settled().await;
    cluster.nodes[0].arm(POINT);
    let person = cluster.test.person().await;
    let ctx = Ctx::system(cluster.test.organization, "test");
    let mut change = Change::begin(&cluster.store, &ctx).await.unwrap();
    touch(&mut change, person).await.unwrap();
    change.commit().await.unwrap();
    cluster.arrival(POINT).await;
    cluster.nodes[0].signal(Signal::SIGTERM);
    until("everything above the relay has stopped", async || {
        cluster.log(0).contains("stopping: jobs are given back")
    })
    .await;
    cluster
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_committed_just_before_a_stop_is_published_before_the_hub_ends() {
    let mut cluster = stopping_with_a_change_on_its_way().await;
    let unpublished = "SELECT count(*) FROM outbox WHERE published_at IS NULL";
    assert!(cluster.test.count(unpublished).await > 0);
    assert!(
        cluster.nodes[0].ended().is_none(),
        "it does not wait for the relay"
    );
    cluster.nodes[0].disarm(POINT);
    let mut status = None;
    until("the hub ends", async || {
        status = cluster.nodes[0].ended();
        status.is_some()
    })
    .await;
    assert!(status.unwrap().success());
    assert_eq!(cluster.test.count(unpublished).await, 0);
    let led = "SELECT count(*) FROM leaders WHERE until > clock_timestamp()";
    assert_eq!(
        cluster.test.count(led).await,
        0,
        "the next node would have to wait"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_ends_at_once_what_a_stop_still_waits_for() {
    let mut cluster = stopping_with_a_change_on_its_way().await;
    assert!(
        cluster.nodes[0].ended().is_none(),
        "it does not wait for the relay"
    );
    cluster.nodes[0].signal(Signal::SIGINT);
    let mut status = None;
    until("the hub ends", async || {
        status = cluster.nodes[0].ended();
        status.is_some()
    })
    .await;
    assert_eq!(status.unwrap().code(), Some(130), "it ended by itself");
    assert!(!cluster.log(0).contains("stopping: the actors have stopped"));
}
