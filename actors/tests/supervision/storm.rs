//! Too many restarts: the child is failed, the node says so, the others go on, and it can heal.

use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use signalbox_actors::supervision::{ActorState, CallError, Poison, Policy};

use crate::subject::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_storm_fails_the_child_and_readiness_names_it() {
    let (tree, handle, _) = one(spec("subject")).await;
    for _ in 0..5 {
        assert_eq!(handle.ask(Panic).await, Err(CallError::Lost));
        assert_eq!(handle.ask(Add(1)).await, Ok(1), "five restarts are granted");
    }
    assert_eq!(handle.ask(Panic).await, Err(CallError::Lost));
    until("it failed", || {
        status(&tree, "subject").state == ActorState::Failed
    })
    .await;
    assert_eq!(handle.try_send(Add(1)), Err(CallError::Down));
    assert_eq!(handle.ask(Add(1)).await, Err(CallError::Down));
    let red = tree.ready().unwrap_err();
    assert_eq!(red.len(), 1);
    assert!(
        red[0].starts_with("subject failed") && red[0].contains("panicked: handler"),
        "{red:?}"
    );
    finish(tree).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn freezes_count_as_well_as_panics() {
    let policy = Policy {
        restarts: 2,
        ..quick()
    };
    let (tree, handle, _) = one(hasty("subject").policy(policy)).await;
    for (round, poison) in [Poison::Freeze, Poison::Panic, Poison::Hang]
        .into_iter()
        .enumerate()
    {
        until("it runs", || {
            status(&tree, "subject").state == ActorState::Running
        })
        .await;
        tree.poison("subject", poison).unwrap();
        until("the fault struck", || {
            let status = status(&tree, "subject");
            status.restarts > round as u64 || status.state == ActorState::Failed
        })
        .await;
    }
    assert_eq!(status(&tree, "subject").state, ActorState::Failed);
    assert_eq!(handle.try_send(Add(1)), Err(CallError::Down));
    finish(tree).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_child_is_tried_again_and_believed_only_after_a_whole_window() {
    let policy = Policy {
        restarts: 1,
        window: Duration::from_secs(3),
        retry_failed: Duration::from_millis(50),
        ..quick()
    };
    let (tree, handle, world) = one(spec("subject").policy(policy)).await;
    // The first two retries fall at once: one attempt each, no burst.
    world.bad_starts.store(3, SeqCst);
    tree.poison("subject", Poison::Panic).unwrap();
    until("it failed", || {
        status(&tree, "subject").state == ActorState::Failed
    })
    .await;
    until("a retry serves", || {
        world.bad_starts.load(SeqCst) == 0 && handle.try_send(Add(1)).is_ok()
    })
    .await;
    assert_eq!(
        status(&tree, "subject").state,
        ActorState::Failed,
        "serving, but not yet believed"
    );
    assert!(tree.ready().is_err());
    until("it is believed", || tree.ready().is_ok()).await;
    assert_eq!(status(&tree, "subject").state, ActorState::Running);
    assert_eq!(world.made.load(SeqCst), 5, "first, restart, and three attempts");
    finish(tree).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_can_have_a_failed_child_tried_at_once() {
    let policy = Policy {
        restarts: 0,
        window: Duration::from_millis(50),
        ..quick()
    };
    let (tree, handle, _) = one(spec("subject").policy(policy)).await;
    assert!(!tree.revive("subject"), "nothing to revive while it runs");
    assert_eq!(handle.ask(Panic).await, Err(CallError::Lost));
    until("it failed", || {
        status(&tree, "subject").state == ActorState::Failed
    })
    .await;
    assert!(tree.revive("subject"));
    until("it is ready", || tree.ready().is_ok()).await;
    assert_eq!(handle.ask(Add(1)).await, Ok(1));
    finish(tree).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poisoned_start_keeps_its_messages_and_the_others_start() {
    let tree = tree();
    let (bad, good, hopeless) = (
        World::named("bad"),
        World::named("good"),
        World::named("hopeless"),
    );
    bad.bad_makes.store(2, SeqCst);
    bad.bad_starts.store(2, SeqCst);
    hopeless.bad_makes.store(u64::MAX, SeqCst);
    let made = bad.clone();
    tree.child(spec("hopeless").order(1), move || hopeless.make())
        .unwrap();
    let handle = tree.child(spec("bad").order(2), move || made.make()).unwrap();
    let good = tree.child(spec("good").order(3), move || good.make()).unwrap();
    tree.start_all().await;
    assert_eq!(
        handle.ask(Add(1)).await,
        Ok(1),
        "two bad factories and two bad starts are within the budget"
    );
    assert_eq!(bad.made.load(SeqCst), 5);
    assert_eq!(good.ask(Add(1)).await, Ok(1));
    let red = tree.ready().unwrap_err();
    assert_eq!(red.len(), 1, "{red:?}");
    assert!(
        red[0].starts_with("hopeless failed") && red[0].contains("while starting: bad factory"),
        "{red:?}"
    );
    finish(tree).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_sent_while_the_start_is_still_poisoned_waits_and_is_answered() {
    let (tree, handle, world) = one(spec("subject").policy(Policy {
        first_pause: Duration::from_secs(2),
        longest_pause: Duration::from_secs(2),
        ..Policy::default()
    }))
    .await;
    world.bad_makes.store(1, SeqCst);
    handle.try_send(Panic).unwrap();
    until("the factory failed once", || world.bad_makes.load(SeqCst) == 0).await;
    assert_eq!(status(&tree, "subject").state, ActorState::Restarting);
    assert_eq!(handle.ask(Add(4)).await, Ok(4));
    finish(tree).await;
}
