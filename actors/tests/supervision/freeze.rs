//! A frozen actor is replaced, and the callers' handles lead to the new one.

use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use signalbox_actors::supervision::{ActorState, CallError, Poison};

use crate::subject::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_or_hanging_actor_is_replaced_and_the_same_handle_works() {
    for poison in [Poison::Freeze, Poison::Hang] {
        let (tree, handle, _) = one(hasty("subject")).await;
        assert_eq!(handle.ask(Add(5)).await, Ok(5));
        tree.poison("subject", poison).unwrap();
        until("it was replaced", || status(&tree, "subject").restarts == 1).await;
        assert_eq!(handle.ask(Add(1)).await, Ok(1), "after {poison:?}");
        let reason = status(&tree, "subject").last_reason.unwrap();
        assert!(reason.starts_with("frozen: no heartbeat for "), "{reason}");
        finish(tree).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_waiting_for_a_frozen_actor_are_told_and_what_it_had_is_never_handled() {
    let (tree, handle, world) = one(hasty("subject")).await;
    // Hang holds the mailbox before the thread freezes, so that the messages surely stand behind it.
    let (go, held) = tokio::sync::oneshot::channel();
    handle.try_send(Hold(held)).unwrap();
    until("it holds", || handle.mailbox().0 == 0).await;
    let waiting: Vec<_> = (0..10)
        .map(|_| {
            let handle = handle.clone();
            tokio::spawn(async move { handle.ask(Add(1)).await })
        })
        .collect();
    until("ten wait", || handle.mailbox().0 == 10).await;
    for call in waiting {
        assert_eq!(call.await.unwrap(), Err(CallError::Lost));
    }
    until("another took its place", || {
        status(&tree, "subject").restarts == 1
    })
    .await;
    // Now the old one wakes; its ten messages must stay unhandled.
    let _ = go.send(());
    assert_eq!(handle.ask(Add(1)).await, Ok(1));
    assert_eq!(world.handled.load(SeqCst), 1);
    finish(tree).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thread_that_wakes_after_its_actor_was_replaced_handles_nothing_more() {
    let (tree, handle, world) = one(hasty("subject")).await;
    tree.poison("subject", Poison::Freeze).unwrap();
    // Taken by the frozen one's mailbox, unless the poison had not struck yet; then it is answered.
    let calls = futures::future::join_all((0..20).map(|_| handle.ask(Add(1)))).await;
    until("another took its place", || {
        status(&tree, "subject").restarts == 1
    })
    .await;
    let answered = calls.iter().filter(|call| call.is_ok()).count() as u64;
    assert_eq!(handle.ask(Add(1)).await, Ok(1));
    assert_eq!(world.handled.load(SeqCst), answered + 1);
    finish(tree).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_neighbour_of_a_hanging_actor_keeps_its_state_and_of_a_frozen_one_is_replaced_with_it() {
    for (poison, sum) in [(Poison::Hang, 6), (Poison::Freeze, 1)] {
        let tree = tree();
        let (bad, good) = (World::named("bad"), World::named("good"));
        let bad = tree
            .child(hasty("bad").thread("shared"), move || bad.make())
            .unwrap();
        let good = tree
            .child(hasty("good").thread("shared"), move || good.make())
            .unwrap();
        tree.start_all().await;
        good.ask(Add(5)).await.unwrap();
        tree.poison("bad", poison).unwrap();
        let expected = u64::from(poison == Poison::Freeze);
        until("all that froze was replaced", || {
            status(&tree, "bad").restarts == 1 && status(&tree, "good").restarts == expected
        })
        .await;
        assert_eq!(bad.ask(Add(1)).await, Ok(1), "after {poison:?}");
        assert_eq!(good.ask(Add(1)).await, Ok(sum), "after {poison:?}");
        finish(tree).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_actor_and_a_busy_one_are_not_taken_for_frozen() {
    let (tree, handle, _) = one(hasty("subject")).await;
    let mut sum = 0;
    let end = std::time::Instant::now() + Duration::from_secs(5);
    while std::time::Instant::now() < end {
        for _ in 0..200 {
            sum += 1;
            assert_eq!(handle.ask(Add(1)).await, Ok(sum));
        }
        // Idle for a third of the freeze limit.
        until("idle", {
            let from = std::time::Instant::now();
            move || from.elapsed() > Duration::from_millis(170)
        })
        .await;
    }
    assert_eq!(status(&tree, "subject").restarts, 0);
    finish(tree).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_actor_whose_start_never_ends_is_replaced() {
    struct Slow(std::sync::Arc<std::sync::atomic::AtomicU64>);
    impl actix::Actor for Slow {
        type Context = signalbox_actors::supervision::Context<Self>;
        fn started(&mut self, context: &mut Self::Context) {
            if take_one(&self.0) {
                let never = actix::fut::wrap_future(std::future::pending::<()>());
                actix::AsyncContext::wait(context, never);
            }
        }
    }
    impl actix::Supervised for Slow {
        fn restarting(&mut self, context: &mut Self::Context) {
            *self = context.rebuild();
        }
    }
    let tree = tree();
    let left = std::sync::Arc::new(std::sync::atomic::AtomicU64::new(1));
    tree.child(hasty("slow"), move || Slow(left.clone())).unwrap();
    tree.start_all().await;
    assert_eq!(status(&tree, "slow").state, ActorState::Running);
    assert_eq!(status(&tree, "slow").restarts, 1);
    finish(tree).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_are_refused_unless_the_tree_was_started_for_them() {
    use signalbox_actors::supervision::{FaultError, Options, Tree};
    let tree = Tree::start(Options::default()).unwrap();
    tree.child(spec("subject"), || World::default().make()).unwrap();
    tree.start_all().await;
    assert_eq!(tree.poison("subject", Poison::Panic), Err(FaultError::Off));
    finish(tree).await;
}
