//! A panic ends neither the address nor what waits behind it.

use std::sync::atomic::Ordering::SeqCst;

use signalbox_actors::supervision::{ActorState, CallError, Poison};

use crate::subject::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_in_a_handler_loses_only_that_message_and_the_state() {
    let (tree, handle, world) = one(spec("subject")).await;
    assert_eq!(handle.ask(Add(5)).await, Ok(5));
    assert_eq!(handle.ask(Panic).await, Err(CallError::Lost));
    assert_eq!(
        handle.ask(Add(1)).await,
        Ok(1),
        "the state comes from the factory"
    );
    assert_eq!(world.made.load(SeqCst), 2);
    until("it runs", || {
        status(&tree, "subject").state == ActorState::Running
    })
    .await;
    let status = status(&tree, "subject");
    assert_eq!(
        (status.restarts, status.last_reason.as_deref()),
        (1, Some("panicked: handler"))
    );
    assert_eq!(tree.ready(), Ok(()));
    finish(tree).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_queued_behind_a_panic_are_answered_in_order() {
    let (tree, handle, _) = one(spec("subject")).await;
    let (go, held) = tokio::sync::oneshot::channel();
    handle.try_send(Hold(held)).unwrap();
    handle.try_send(Panic).unwrap();
    let behind: Vec<_> = (1..=50)
        .map(|_| {
            let mut call = Box::pin({
                let handle = handle.clone();
                async move { handle.ask(Add(1)).await }
            });
            // Polled once, so that it stands in the mailbox before the panic happens.
            assert!(futures::FutureExt::now_or_never(&mut call).is_none());
            call
        })
        .collect();
    go.send(()).unwrap();
    let answers = futures::future::join_all(behind).await;
    assert_eq!(answers, (1..=50).map(Ok).collect::<Vec<_>>());
    assert_eq!(status(&tree, "subject").restarts, 1);
    finish(tree).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn panics_in_atomic_responses_timers_and_streams_restart_the_actor() {
    for fall in [Fall::Atomic, Fall::Timer, Fall::Stream] {
        let (tree, handle, world) = one(spec("subject")).await;
        handle.ask(Add(5)).await.unwrap();
        handle.try_send(fall).unwrap();
        until("it was rebuilt", || world.made.load(SeqCst) == 2).await;
        assert_eq!(handle.ask(Add(1)).await, Ok(1), "after {fall:?}");
        finish(tree).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_in_a_response_future_costs_only_its_answer() {
    let (tree, handle, world) = one(spec("subject")).await;
    handle.ask(Add(5)).await.unwrap();
    assert_eq!(handle.ask(PanicBeside).await, Err(CallError::Lost));
    assert_eq!(handle.ask(Add(1)).await, Ok(6), "the actor was not touched");
    assert_eq!(world.made.load(SeqCst), 1);
    finish(tree).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_actor_that_ends_itself_is_brought_back_with_its_mailbox() {
    let (tree, handle, _) = one(spec("subject")).await;
    let (go, held) = tokio::sync::oneshot::channel();
    handle.try_send(Hold(held)).unwrap();
    handle.try_send(Fall::StopItself).unwrap();
    let behind = tokio::spawn({
        let handle = handle.clone();
        async move { handle.ask(Add(3)).await }
    });
    until("the call waits", || handle.mailbox().0 == 2).await;
    go.send(()).unwrap();
    assert_eq!(behind.await.unwrap(), Ok(3));
    assert_eq!(
        status(&tree, "subject").last_reason.as_deref(),
        Some("ended itself")
    );
    finish(tree).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_neighbour_on_the_same_thread_is_not_hurt_by_a_panic() {
    let tree = tree();
    let (bad, good) = (World::named("bad"), World::named("good"));
    let bad_handle = tree
        .child(spec("bad").thread("shared"), move || bad.make())
        .unwrap();
    let made = good.clone();
    let good_handle = tree
        .child(spec("good").thread("shared"), move || made.make())
        .unwrap();
    tree.start_all().await;
    for sum in 1..=5 {
        assert_eq!(bad_handle.ask(Panic).await, Err(CallError::Lost));
        assert_eq!(
            good_handle.ask(Add(1)).await,
            Ok(sum),
            "the neighbour keeps its state"
        );
    }
    assert_eq!((good.made.load(SeqCst), status(&tree, "good").restarts), (1, 0));
    finish(tree).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_actor_that_would_keep_its_state_over_a_restart_is_replaced_with_its_mailbox() {
    struct Keeper(u64);
    impl actix::Actor for Keeper {
        type Context = signalbox_actors::supervision::Context<Self>;
    }
    impl actix::Supervised for Keeper {}
    impl actix::Handler<Add> for Keeper {
        type Result = u64;
        fn handle(&mut self, add: Add, _: &mut Self::Context) -> u64 {
            self.0 += add.0;
            self.0
        }
    }
    let tree = tree();
    let handle = tree.child(spec("keeper"), || Keeper(0)).unwrap();
    tree.start_all().await;
    assert_eq!(handle.ask(Add(7)).await, Ok(7));
    tree.poison("keeper", Poison::Panic).unwrap();
    until("it was replaced", || {
        let status = status(&tree, "keeper");
        status.restarts >= 1 && status.state == ActorState::Running
    })
    .await;
    assert_eq!(handle.ask(Add(1)).await, Ok(1), "no old state");
    assert!(
        status(&tree, "keeper")
            .last_reason
            .unwrap()
            .starts_with("kept its state over a restart")
    );
    finish(tree).await;
}
