//! Bounded mailboxes, and what a caller is told.

use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use proptest::prelude::*;
use signalbox_actors::supervision::CallError;

use crate::subject::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_full_mailbox_answers_busy_at_exactly_its_capacity() {
    let (tree, handle, world) = one(spec("subject").capacity(10)).await;
    let (go, held) = tokio::sync::oneshot::channel();
    handle.try_send(Hold(held)).unwrap();
    until("it holds", || handle.mailbox().0 == 0).await;
    let taken = (0..100).filter(|_| handle.try_send(Add(1)).is_ok()).count();
    assert_eq!(taken, 10);
    assert_eq!(handle.ask(Add(1)).await, Err(CallError::Busy));
    assert_eq!(
        handle.clone().try_send(Add(1)),
        Err(CallError::Busy),
        "a clone gets no place of its own"
    );
    assert_eq!(status(&tree, "subject").mailbox.depth, 10);
    go.send(()).unwrap();
    until("all were handled", || world.handled.load(SeqCst) == 10).await;
    assert_eq!(handle.ask(Add(1)).await, Ok(11));
    finish(tree).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_message_is_handled_although_its_caller_stopped_waiting() {
    let (tree, handle, world) = one(spec("subject")).await;
    let (go, held) = tokio::sync::oneshot::channel();
    handle.try_send(Hold(held)).unwrap();
    assert!(futures::FutureExt::now_or_never(handle.ask(Add(1))).is_none());
    go.send(()).unwrap();
    until("it was handled", || world.handled.load(SeqCst) == 1).await;
    finish(tree).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_does_not_come_in_time_is_late() {
    let spec = spec("subject").answer_within(Duration::from_millis(20));
    let (tree, handle, _) = one(spec).await;
    let (go, held) = tokio::sync::oneshot::channel::<()>();
    handle.try_send(Hold(held)).unwrap();
    assert_eq!(handle.ask(Add(1)).await, Err(CallError::Late));
    drop(go);
    finish(tree).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_taken_before_the_start() {
    let tree = tree();
    let handle = tree.child(spec("subject"), || World::default().make()).unwrap();
    assert_eq!(handle.try_send(Add(1)), Err(CallError::Down));
    assert_eq!(tree.ready(), Err(vec!["subject is starting".to_owned()]));
    finish(tree).await;
}

/// What one caller does in the property below.
#[derive(Clone, Copy, Debug)]
enum Act {
    Add,
    Panic,
    Atomic,
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Whatever panics in between: each call gets exactly one answer, an `Add` answered `Ok` was handled,
    /// one that was refused was not, and the mailbox is empty in the end.
    #[test]
    fn every_taken_message_is_handled_once_whatever_panics_between(
        acts in prop::collection::vec(prop_oneof![8 => Just(Act::Add), 1 => Just(Act::Panic), 1 => Just(Act::Atomic)], 1..60),
        capacity in 1usize..40,
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(async {
            let policy = signalbox_actors::supervision::Policy { restarts: 1000, ..quick() };
            let (tree, handle, world) = one(spec("subject").capacity(capacity).policy(policy)).await;
            let calls: Vec<_> = acts.iter().map(|act| {
                let (handle, act) = (handle.clone(), *act);
                tokio::spawn(async move {
                    match act {
                        Act::Add => handle.ask(Add(1)).await.map(|_| ()),
                        Act::Panic => handle.ask(Panic).await.map(|_| ()),
                        Act::Atomic => handle.ask(Fall::Atomic).await,
                    }
                })
            }).collect();
            let mut handled = 0;
            for (call, act) in calls.into_iter().zip(&acts) {
                match (call.await.unwrap(), act) {
                    (Ok(()), Act::Add) => handled += 1,
                    (Err(CallError::Busy), _) | (Err(CallError::Lost), Act::Panic | Act::Atomic) => {}
                    (answer, act) => panic!("{act:?} was answered {answer:?}"),
                }
            }
            assert_eq!(world.handled.load(SeqCst), handled);
            assert_eq!(handle.mailbox().0, 0);
            finish(tree).await;
        });
    }
}
