//! People who hold predefined roles and act, and jobs that are worked off by hand.

use super::TestStore;
use crate::change::ledger;
use crate::jobs::{JobState, Node, Outcome, Run};
use crate::kernel::ctx::{Actor, Credential, Ctx};
use crate::kernel::id::{BootId, JobId, OrganizationId, SessionId, UserId};
use crate::roles;
use crate::users::rights;
use std::time::Duration;

impl TestStore {
    /// The predefined roles, and an owner.
    pub async fn with_owner(&self) -> UserId {
        let mut tx = self.store.db.bookkeeping().await.unwrap();
        let at = self.store.clock.now();
        roles::predefine(&mut tx, self.organization, at).await.unwrap();
        tx.commit().await.unwrap();
        let owner = self.person().await;
        self.hold(owner, "owner").await;
        owner
    }

    /// Another organization, in which nobody is.
    pub async fn another_organization(&self) -> OrganizationId {
        let other = OrganizationId::new();
        self.sql(format!(
            "INSERT INTO organizations (id, name) VALUES ('{other}', 'Other')"
        ))
        .await;
        other
    }

    /// Gives `user` the role of that name.
    pub async fn hold(&self, user: UserId, role: &str) {
        let organization = self.organization;
        self.sql(format!(
            "INSERT INTO user_roles (organization_id, user_id, role_id)
             SELECT '{organization}', '{user}', id FROM roles WHERE name = '{role}'"
        ))
        .await;
    }

    /// `user`, who has just signed in, with the rights that they have.
    pub async fn acting(&self, user: UserId) -> Ctx {
        let mut ctx = Ctx::system(self.organization, "test");
        let mut tx = self.store.db.read(self.organization).await.unwrap();
        ctx.permissions = rights::of(&mut tx, self.organization, user).await.unwrap();
        ctx.actor = Actor::User(user);
        ctx.credential = Credential::Session(SessionId::new());
        ctx.authenticated_at = Some(self.store.clock.now());
        ctx
    }

    /// A worker of this store.
    pub fn worker(&self) -> Worker<'_> {
        Worker {
            test: self,
            node: Node {
                name: "test".to_owned(),
                boot: BootId::new(),
            },
        }
    }
}

/// See [`TestStore::worker`].
#[derive(Debug)]
pub struct Worker<'a> {
    test: &'a TestStore,
    node: Node,
}

impl Worker<'_> {
    /// Takes the job, whenever it is due; `None` where nobody may.
    pub async fn claim(&self, job: JobId) -> Option<Run> {
        self.test
            .sql("UPDATE jobs SET run_at = now() - interval '1 second' WHERE state = 'waiting'")
            .await;
        let mut claimed = ledger::claim(&self.test.store, &self.node, 6.0, &[job.0])
            .await
            .unwrap();
        claimed.pop()
    }

    /// Works at a job by `run` until nobody may claim it any more, and kills each run that takes longer than `first`, and
    /// after each kill `more`: so the fastest machine kills some, and the slowest gets on. Answers how many.
    pub async fn killing_runs(
        &self,
        job: JobId,
        (first, more): (Duration, Duration),
        run: impl AsyncFn(&Run) -> Outcome,
    ) -> u32 {
        let mut killed = 0;
        while let Some(claimed) = self.claim(job).await {
            if let Ok(outcome) = tokio::time::timeout(first + more * killed, run(&claimed)).await {
                self.settle(&claimed, &outcome).await;
                continue;
            }
            killed += 1;
            let lapsed = "UPDATE job_leases SET until = '-infinity'; UPDATE jobs SET crashes_in_a_row = 0";
            self.test.sql(lapsed).await;
            super::eventually("the lapsed run is taken over", async || {
                ledger::take_lapsed(&self.test.store).await.unwrap() == 1
            })
            .await;
        }
        killed
    }

    /// Ends a run as its outcome says.
    pub async fn settle(&self, run: &Run, outcome: &Outcome) -> JobState {
        ledger::settle(&self.test.store, run, outcome).await.unwrap()
    }
}
