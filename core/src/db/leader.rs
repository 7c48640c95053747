//! Table `leaders`: which node does what only one in the cluster may do.
//!
//! A leader may freeze (SIGSTOP, a stalled disk, a suspended machine) at any instruction and wake after another has
//! taken over, believing that it still leads. So no step trusts its belief: [`Lease::commit`] asks the database as the
//! last thing before COMMIT, and holds the answer true until the commit is done.
//!
//! Invariant: of the transactions committed by [`Lease::commit`] for one role, all of one epoch come before all of the
//! next. Invariant: the only clock is the database's. Invariant: a frozen leader's transaction holds others up for 2 s
//! at most: then the server ends it, and with it its locks.

use super::{Db, PgConnection, Tx};
use crate::kernel::error::{Error, Kind, Result};
use std::time::Duration;

/// A lease not renewed for so long is anybody's (3 s; in SQL below).
pub const TERM: Duration = Duration::from_secs(3);
/// How often to renew, and how often others try to take it.
pub const RENEW: Duration = Duration::from_secs(1);

/// Leadership of one role, as it was when it was taken.
#[derive(Clone, Debug)]
pub struct Lease {
    role: &'static str,
    epoch: i64,
}

impl Lease {
    /// Takes the lead when nobody has it. `holder` is for people's eyes: node and start.
    pub async fn take(db: &Db, role: &'static str, holder: &str) -> Result<Option<Self>> {
        let mut tx = db.brief().await?;
        let epoch = sqlx::query_scalar!(
            "INSERT INTO leaders (role, holder, epoch, until) VALUES ($1, $2, 1, clock_timestamp() + interval '3 seconds')
             ON CONFLICT (role) DO UPDATE SET holder = excluded.holder, epoch = leaders.epoch + 1, until = excluded.until
               WHERE leaders.until < clock_timestamp()
             RETURNING epoch",
            role,
            holder,
        )
        .fetch_optional(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(epoch.map(|epoch| Self { role, epoch }))
    }

    /// Grows with every change of the lead.
    pub fn epoch(&self) -> i64 {
        self.epoch
    }

    /// Leads for another [`TERM`]. False when the lead was lost.
    pub async fn renew(&self, db: &Db) -> Result<bool> {
        let mut tx = db.brief().await?;
        let renewed = sqlx::query!(
            "UPDATE leaders SET until = clock_timestamp() + interval '3 seconds'
             WHERE role = $1 AND epoch = $2 AND until > clock_timestamp()",
            self.role,
            self.epoch,
        )
        .execute(&mut *tx)
        .await?
        .rows_affected();
        tx.commit().await?;
        Ok(renewed == 1)
    }

    /// Lets another take over at once, as at a stop.
    pub async fn give_back(&self, db: &Db) -> Result<()> {
        let mut tx = db.brief().await?;
        sqlx::query!(
            "UPDATE leaders SET until = clock_timestamp() WHERE role = $1 AND epoch = $2",
            self.role,
            self.epoch,
        )
        .execute(&mut *tx)
        .await?;
        Ok(tx.commit().await?)
    }

    /// Opens a transaction of this leader.
    pub async fn begin(&self, db: &Db) -> Result<Tx> {
        db.brief().await
    }

    /// Commits if this leader still leads; else rolls back and fails with [`LOST`].
    pub async fn commit(&self, mut tx: Tx) -> Result<()> {
        self.hold(&mut tx).await?;
        Ok(tx.commit().await?)
    }

    /// FOR SHARE: whoever would take over waits until this transaction is over.
    async fn hold(&self, connection: &mut PgConnection) -> Result<()> {
        sqlx::query!(
            "SELECT epoch FROM leaders WHERE role = $1 AND epoch = $2 AND until > clock_timestamp() FOR SHARE",
            self.role,
            self.epoch,
        )
        .fetch_optional(connection)
        .await?
        .map(drop)
        .ok_or_else(|| Error::new(Kind::Unavailable, LOST, "Another node leads now."))
    }
}

/// Code of the error of a leader that leads no more.
pub const LOST: &str = "leader.lost";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    async fn expire(test: &testing::TestStore) {
        let mut tx = test.store.db.bookkeeping().await.unwrap();
        sqlx::query("UPDATE leaders SET until = clock_timestamp() - interval '1 ms'")
            .execute(&mut *tx)
            .await
            .unwrap();
        tx.commit().await.unwrap();
    }

    #[tokio::test]
    async fn one_leads_until_its_term_is_over_and_then_can_neither_renew_nor_commit() {
        let test = testing::store().await;
        let db = &test.store.db;
        let first = Lease::take(db, "test", "a").await.unwrap().unwrap();
        assert!(Lease::take(db, "test", "b").await.unwrap().is_none());
        assert!(first.renew(db).await.unwrap());
        let open = first.begin(db).await.unwrap();
        first.commit(open).await.unwrap();
        expire(&test).await;
        assert!(!first.renew(db).await.unwrap(), "a lapsed lease was renewed");
        let second = Lease::take(db, "test", "b").await.unwrap().unwrap();
        let open = first.begin(db).await.unwrap();
        assert_eq!(first.commit(open).await.unwrap_err().code, LOST);
        second.give_back(db).await.unwrap();
        assert!(Lease::take(db, "test", "a").await.unwrap().is_some());
    }

    #[tokio::test]
    async fn a_leader_that_freezes_in_a_transaction_is_ended_by_the_server() {
        let test = testing::store().await;
        let db = &test.store.db;
        let frozen = Lease::take(db, "test", "a").await.unwrap().unwrap();
        let mut held = frozen.begin(db).await.unwrap();
        frozen.hold(&mut held).await.unwrap();
        expire_by_clock().await;
        let next = Lease::take(db, "test", "b").await.unwrap();
        assert!(next.is_some(), "the frozen leader's lock held up the next");
        assert!(held.commit().await.is_err());
    }

    /// Nothing tells when a lease lapses: it is time itself that is waited for.
    async fn expire_by_clock() {
        tokio::time::sleep(TERM + Duration::from_millis(50)).await;
    }
}
