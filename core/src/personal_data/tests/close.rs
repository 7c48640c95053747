//! Exports and erasures whose job ended without them.

use super::*;
use crate::change::Change;

impl World {
    async fn cancel(&self, job: JobId) {
        let mut change = Change::begin(&self.test.store, &self.owner).await.unwrap();
        change.cancel_job(job).await.unwrap();
        change.commit().await.unwrap();
    }

    async fn give_up(&self, job: JobId) {
        let sql = format!("UPDATE jobs SET state = 'failed', finished_at = now() WHERE id = '{job}'");
        self.test.sql(sql).await;
    }

    /// Whether `kind` was told of once, to the job's page and to the inbox of whoever asked.
    async fn told(&self, kind: &str, job: JobId) -> bool {
        let asked = self.owner.actor.user().unwrap();
        let events = format!(
            "SELECT count(*) FROM outbox WHERE type = '{kind}' AND channels @> '{{job:{job},inbox:{asked}}}'"
        );
        self.test.count(&events).await == 1
    }
}

#[tokio::test]
async fn an_erasure_whose_job_ended_without_it_is_closed_and_keeps_nobody_from_being_erased() {
    let world = World::new().await;
    let (store, grace) = (&world.test.store, world.grace().await.id);
    let ask = async || erase_later(store, &world.owner, grace, "They asked for it").await;
    let state = async || erasure(store, &world.owner, grace).await.unwrap().unwrap().state;
    let cancelled = ask().await.unwrap();
    assert!(!close_ended(store).await.unwrap(), "its job waits");
    world.cancel(cancelled.job_id).await;
    assert_eq!(&*ask().await.unwrap_err().code, "user.erasure_waiting");
    assert!(close_ended(store).await.unwrap());
    assert!(!close_ended(store).await.unwrap(), "once");
    assert_eq!(state().await, ErasureState::Cancelled);
    assert!(world.told("user.erasure_ended", cancelled.job_id).await);
    let given_up = ask().await.unwrap();
    world.give_up(given_up.job_id).await;
    assert!(close_ended(store).await.unwrap());
    assert_eq!(state().await, ErasureState::Failed);
    assert!(world.told("user.erasure_ended", given_up.job_id).await);
    // some of it is done, so nobody is told that it was taken back
    let begun = ask().await.unwrap();
    world
        .test
        .sql("UPDATE erasures SET state = 'running' WHERE state = 'waiting'")
        .await;
    world.cancel(begun.job_id).await;
    assert!(close_ended(store).await.unwrap());
    assert_eq!(state().await, ErasureState::Failed);
    let last = ask().await.unwrap();
    assert_eq!(world.work(last.job_id, false).await, JobState::Succeeded);
}

#[tokio::test]
async fn an_erasure_can_be_taken_back_after_its_job_has_ended() {
    let world = World::new().await;
    let (store, grace) = (&world.test.store, world.grace().await.id);
    for cancelled in [true, false] {
        let asked = erase_later(store, &world.owner, grace, "They asked for it")
            .await
            .unwrap();
        if cancelled {
            world.cancel(asked.job_id).await;
        } else {
            world.give_up(asked.job_id).await;
        }
        let back = cancel_erasure(store, &world.owner, grace).await.unwrap();
        assert_eq!(back.state, ErasureState::Cancelled);
        assert!(!close_ended(store).await.unwrap(), "nothing is left to close");
    }
}

#[tokio::test]
async fn an_erasure_taken_back_between_its_runs_look_and_its_first_step_does_not_begin() {
    let world = World::new().await;
    let (store, grace) = (&world.test.store, world.grace().await.id);
    let asked = erase_later(store, &world.owner, grace, "They asked for it")
        .await
        .unwrap();
    let organization = world.test.organization;
    let mut change = Change::begin(store, &world.owner).await.unwrap();
    let set = async |change: &mut Change, state| {
        let at = (change.at(), None);
        store::set_erasure(change.tx(), organization, asked.id, state, at)
            .await
            .unwrap()
    };
    assert!(set(&mut change, ErasureState::Cancelled).await);
    assert!(
        !set(&mut change, ErasureState::Running).await,
        "what is over stays over"
    );
}

#[tokio::test]
async fn an_export_whose_job_ended_without_it_has_failed_and_whoever_asked_hears_of_it() {
    let world = World::new().await;
    let (store, grace) = (&world.test.store, world.grace().await.id);
    for cancelled in [true, false] {
        let asked = request(store, &world.owner, grace).await.unwrap();
        assert!(!close_ended(store).await.unwrap(), "its job waits");
        if cancelled {
            world.cancel(asked.job_id).await;
        } else {
            world.give_up(asked.job_id).await;
        }
        assert!(close_ended(store).await.unwrap());
        let state = exports(store, &world.owner).await.unwrap().items[0].state;
        assert_eq!(state, ExportState::Failed);
        assert!(world.told("personal_data.exported", asked.job_id).await);
        assert!(!close_ended(store).await.unwrap(), "once");
    }
}
