//! Start in order, stop in reverse; stop drains, kill does not.

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use signalbox_actors::supervision::{
    ActorState, CallError, Handle, Options, Poison, StartError, StopReport, Tree,
};

use crate::subject::*;

#[tokio::test(flavor = "multi_thread")]
async fn children_start_in_their_order_and_stop_in_reverse() {
    let tree = tree();
    let ended = Arc::new(Mutex::new(Vec::new()));
    let started = Arc::new(Mutex::new(Vec::new()));
    for (name, order) in [("c", 30), ("a", 10), ("d", 30), ("b", 20)] {
        let world = World {
            ended: Arc::clone(&ended),
            ..World::named(name)
        };
        let started = Arc::clone(&started);
        tree.child(spec(name).order(order), move || {
            started.lock().push(name);
            world.make()
        })
        .unwrap();
    }
    tree.start_all().await;
    assert_eq!(*started.lock(), ["a", "b", "c", "d"]);
    let names: Vec<_> = tree.snapshot().into_iter().map(|status| status.name).collect();
    assert_eq!(names, ["a", "b", "c", "d"]);
    let report = tree.stop(Duration::from_secs(5)).await;
    assert_eq!(report.stopped, ["d", "c", "b", "a"]);
    assert!(report.killed.is_empty());
    assert_eq!(*ended.lock(), ["d", "c", "b", "a"]);
    assert!(
        tree.snapshot()
            .iter()
            .all(|status| status.state == ActorState::Stopped)
    );
    assert_eq!(tree.ready().unwrap_err().len(), 4);
}

/// Has the tree stop; `handle` takes nothing new any more.
async fn stopping(tree: &Tree, handle: &Handle<Subject>) -> tokio::task::JoinHandle<StopReport> {
    let stopping = tokio::spawn({
        let tree = tree.clone();
        async move { tree.stop(Duration::from_secs(5)).await }
    });
    until("it takes nothing new", || {
        handle.try_send(Add(1)) == Err(CallError::Down)
    })
    .await;
    stopping
}

#[tokio::test(flavor = "multi_thread")]
async fn stop_handles_what_waits_and_takes_nothing_new() {
    let (tree, handle, world) = one(spec("subject")).await;
    let (go, held) = tokio::sync::oneshot::channel();
    handle.try_send(Hold(held)).unwrap();
    for _ in 0..100 {
        handle.try_send(Add(1)).unwrap();
    }
    let stopping = stopping(&tree, &handle).await;
    go.send(()).unwrap();
    assert_eq!(stopping.await.unwrap().stopped, ["subject"]);
    // A few more may have been taken before the stop arrived; all taken are handled.
    assert!(world.handled.load(SeqCst) >= 100);
    assert_eq!(handle.mailbox().0, 0);
    assert_eq!(*world.ended.lock(), ["subject"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn stop_waits_for_the_answer_that_is_being_worked_on() {
    let (tree, handle, _) = one(spec("subject")).await;
    let (go, held) = tokio::sync::oneshot::channel();
    let mut call = Box::pin(handle.ask(Hold(held)));
    assert!(futures::FutureExt::now_or_never(&mut call).is_none());
    until("it was taken", || handle.mailbox().0 == 0).await;
    let stopping = stopping(&tree, &handle).await;
    go.send(()).unwrap();
    assert_eq!(call.await, Ok(()));
    assert_eq!(stopping.await.unwrap().stopped, ["subject"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_message_taken_before_a_stop_is_handled_however_close_they_race() {
    for _ in 0..20 {
        let (tree, handle, world) = one(spec("subject").capacity(1 << 20)).await;
        let senders: Vec<_> = (0..3)
            .map(|_| {
                let handle = handle.clone();
                std::thread::spawn(move || {
                    let mut taken = 0;
                    while handle.try_send(Add(1)) != Err(CallError::Down) {
                        taken += 1;
                    }
                    taken
                })
            })
            .collect();
        until("they send", || world.handled.load(SeqCst) > 0).await;
        assert_eq!(tree.stop(Duration::from_secs(5)).await.stopped, ["subject"]);
        let taken: u64 = senders.into_iter().map(|sender| sender.join().unwrap()).sum();
        assert_eq!(world.handled.load(SeqCst), taken);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_stop_in_time_is_killed_and_the_next_one_still_stops() {
    let tree = tree();
    let (first, second) = (World::named("first"), World::named("second"));
    let (ended, made) = (first.clone(), second.clone());
    tree.child(spec("first").order(1), move || first.make()).unwrap();
    let slow = spec("second").order(2).stop_within(Duration::from_millis(50));
    let handle = tree.child(slow, move || made.make()).unwrap();
    tree.start_all().await;
    let (_go, held) = tokio::sync::oneshot::channel();
    handle.try_send(Hold(held)).unwrap();
    handle.try_send(Add(1)).unwrap();
    let report = tree.stop(Duration::from_secs(5)).await;
    assert_eq!(
        (report.stopped, report.killed),
        (vec!["first".to_owned()], vec!["second".to_owned()])
    );
    assert_eq!(second.handled.load(SeqCst), 0);
    assert_eq!(*ended.ended.lock(), ["first"]);
    assert_eq!(handle.try_send(Add(1)), Err(CallError::Down));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_child_does_not_hold_the_stop_beyond_its_time() {
    let (tree, _, _) = one(spec("subject").stop_within(Duration::from_millis(100))).await;
    tree.poison("subject", Poison::Freeze).unwrap();
    let from = Instant::now();
    let report = tree.stop(Duration::from_secs(30)).await;
    assert_eq!(report.killed, ["subject"]);
    assert!(from.elapsed() < Duration::from_secs(5));
}

#[tokio::test(flavor = "multi_thread")]
async fn kill_drops_what_waits_and_does_not_call_stopped() {
    let (tree, handle, world) = one(spec("subject")).await;
    let (_go, held) = tokio::sync::oneshot::channel();
    handle.try_send(Hold(held)).unwrap();
    until("it holds", || handle.mailbox().0 == 0).await;
    let mut waiting = Box::pin(handle.ask(Add(1)));
    assert!(futures::FutureExt::now_or_never(&mut waiting).is_none());
    assert_eq!(tree.kill().await.killed, ["subject"]);
    assert_eq!(waiting.await, Err(CallError::Lost));
    assert_eq!(world.handled.load(SeqCst), 0);
    assert!(world.ended.lock().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_while_stopping_is_the_end() {
    let (tree, handle, world) = one(spec("subject")).await;
    let (go, held) = tokio::sync::oneshot::channel();
    handle.try_send(Hold(held)).unwrap();
    handle.try_send(Panic).unwrap();
    let stopping = tokio::spawn({
        let tree = tree.clone();
        async move { tree.stop(Duration::from_secs(5)).await }
    });
    until("it stops", || handle.try_send(Add(1)) == Err(CallError::Down)).await;
    go.send(()).unwrap();
    assert_eq!(stopping.await.unwrap().killed, ["subject"]);
    assert_eq!(world.made.load(SeqCst), 1, "nothing restarts any more");
}

#[tokio::test(flavor = "multi_thread")]
async fn dropping_the_last_tree_ends_its_actors() {
    let (tree, handle, world) = one(spec("subject")).await;
    let watched = Arc::downgrade(&world.made);
    drop(world);
    drop(tree);
    assert_eq!(handle.try_send(Add(1)), Err(CallError::Down));
    drop(handle);
    until("the actor and its factory are gone", || {
        watched.strong_count() == 0
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_children_cannot_share_a_name() {
    let tree = tree();
    tree.child(spec("subject"), || World::default().make()).unwrap();
    let second = tree.child(spec("subject"), || World::default().make());
    assert!(matches!(second, Err(StartError::NameTaken(name)) if name == "subject"));
}

#[tokio::test]
async fn a_current_thread_runtime_is_refused() {
    assert!(matches!(
        Tree::start(Options::default()),
        Err(StartError::NeedsMultiThreadRuntime)
    ));
}
