//! The logs' months: one partition each, made before the month begins.

use super::Db;
use crate::kernel::error::Result;

/// Months that are made ahead. A node that runs has this called every hour.
const AHEAD: i32 = 3;

impl Db {
    /// Makes the partitions of the audit and activity logs for this month and the next ones, where they are missing. A month of which
    /// entries stand in the default partition already is left out. How many were made.
    pub async fn make_partitions(&self) -> Result<i32> {
        let mut tx = self.bookkeeping().await?;
        let made = sqlx::query_scalar!("SELECT signalbox_make_partitions($1)", AHEAD)
            .fetch_one(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(made.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use crate::testing;

    #[tokio::test]
    async fn a_month_is_made_before_it_begins_and_one_whose_entries_came_first_stops_nobody() {
        let test = testing::store().await;
        let name = |months: i32| {
            format!(
                "'audit_logs_' || to_char((now() AT TIME ZONE 'UTC') + interval '{months} months', 'YYYY_MM')"
            )
        };
        for months in [2, 3] {
            let gone = format!("DO $$ BEGIN EXECUTE 'DROP TABLE ' || {}; END $$", name(months));
            test.sql(gone).await;
        }
        let entry = "INSERT INTO audit_logs (id, organization_id, at, actor_kind, action, subject_kind)
             SELECT gen_random_uuid(), id, date_trunc('month', now()) + interval '2 months 10 days', 'system', 'x.y', 'x'
             FROM organizations LIMIT 1";
        test.sql(entry.to_owned()).await;
        assert_eq!(test.store.db.make_partitions().await.unwrap(), 1);
        let there = format!(
            "SELECT (to_regclass({}) IS NOT NULL)::text || (to_regclass({}) IS NOT NULL)::text",
            name(2),
            name(3)
        );
        assert_eq!(test.texts(&there).await, ["falsetrue"]);
        assert_eq!(test.store.db.make_partitions().await.unwrap(), 0);
    }
}
