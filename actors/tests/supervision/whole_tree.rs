//! Over every actor in a tree: each is broken in each way, in turn, under load, and the promise holds.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use signalbox_actors::supervision::{ActorState, CallError, Handle, Poison};

use crate::subject::*;

/// Calls an actor without pause until told to end; counts answers of each kind.
#[derive(Default)]
struct Load {
    answered: AtomicU64,
    lost: AtomicU64,
    refused: AtomicU64,
    late: AtomicU64,
}

fn press(handle: Handle<Subject>, end: Arc<AtomicBool>) -> (Arc<Load>, tokio::task::JoinHandle<()>) {
    let load = Arc::new(Load::default());
    let counts = Arc::clone(&load);
    let task = tokio::spawn(async move {
        while !end.load(SeqCst) {
            match handle.ask(Add(1)).await {
                Ok(_) => counts.answered.fetch_add(1, SeqCst),
                Err(CallError::Lost) => counts.lost.fetch_add(1, SeqCst),
                Err(CallError::Late) => counts.late.fetch_add(1, SeqCst),
                Err(CallError::Busy | CallError::Down) => {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                    counts.refused.fetch_add(1, SeqCst)
                }
            };
        }
    });
    (load, task)
}

#[tokio::test(flavor = "multi_thread")]
async fn each_actor_is_panicked_frozen_hung_and_poisoned_at_its_start_in_turn_and_only_it_is_hurt() {
    let tree = tree();
    let end = Arc::new(AtomicBool::new(false));
    let mut loads = Vec::new();
    for (name, order) in [
        ("relay", 50),
        ("cache", 20),
        ("keeper", 30),
        ("hub/0", 40),
        ("hub/1", 40),
    ] {
        let world = World::named(name);
        let handle = tree
            .child(hasty(name).order(order), move || world.make())
            .unwrap();
        loads.push((name, press(handle, Arc::clone(&end))));
    }
    tree.start_all().await;
    for victim in tree.snapshot() {
        for poison in [Poison::Panic, Poison::Freeze, Poison::Hang, Poison::Start] {
            let falls = if poison == Poison::Start { 2 } else { 1 };
            let before: Vec<_> = tree.snapshot().iter().map(|actor| actor.restarts).collect();
            tree.poison(&victim.name, poison).unwrap();
            until("the victim was restarted and runs", || {
                let now = status(&tree, &victim.name);
                let index = tree
                    .snapshot()
                    .iter()
                    .position(|actor| actor.name == victim.name)
                    .unwrap();
                now.restarts >= before[index] + falls && now.state == ActorState::Running
            })
            .await;
            for (actor, before) in tree.snapshot().iter().zip(before) {
                let expected = before + if actor.name == victim.name { falls } else { 0 };
                assert_eq!(
                    actor.restarts, expected,
                    "{} after {poison:?} of {}",
                    actor.name, victim.name
                );
            }
            // The promise, for victim and neighbours alike: calls are answered again.
            let answered: Vec<_> = loads
                .iter()
                .map(|(_, (load, _))| load.answered.load(SeqCst))
                .collect();
            until("everybody answers", || {
                loads
                    .iter()
                    .zip(&answered)
                    .all(|((_, (load, _)), before)| load.answered.load(SeqCst) > *before)
            })
            .await;
            assert_eq!(tree.ready(), Ok(()));
        }
    }
    end.store(true, SeqCst);
    for (name, (load, task)) in loads {
        task.await.unwrap();
        // One caller at a time: at most the call in flight is lost to each of the four faults; a poisoned start loses
        // nothing more.
        assert!(
            load.lost.load(SeqCst) <= 4,
            "{name} lost {}",
            load.lost.load(SeqCst)
        );
        assert_eq!(load.late.load(SeqCst), 0, "{name} kept callers waiting");
    }
    finish(tree).await;
}
