//! Table `idempotency`: what was answered to a request that may be sent again.
//!
//! Invariant: the answer is a row in the transaction of the change it speaks of: both are there, or neither.
//! Invariant: answers hold personal values and one-time passwords, so they stand sealed.

use crate::Store;
use crate::db::PgConnection;
use crate::kernel::ctx::{Credential, Ctx, Idempotency};
use crate::kernel::error::{Error, Kind, Result};
use crate::kernel::id::OrganizationId;
use serde_json::Value;
use time::{Duration, OffsetDateTime};

/// How long an answer is kept.
pub const KEPT: Duration = Duration::hours(24);

/// Answers read at once by [`forget_naming`].
const READ: i64 = 1_000;

const PURPOSE: &[u8] = b"idempotency";

/// An answer given before.
#[derive(Debug)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Its body, if it had one.
    pub body: Option<Value>,
}

/// The answer already given to this request, if there is one. The same key with another body or for another operation is
/// the sender's mistake: `idempotency.key_reused`.
pub async fn find(store: &Store, ctx: &Ctx) -> Result<Option<Answer>> {
    let Some((asked, actor)) = asked(ctx) else {
        return Ok(None);
    };
    let mut tx = store.db.primary(ctx.organization).await?;
    let row = sqlx::query!(
        "SELECT operation, request_hash, status, answer FROM idempotency
         WHERE organization_id = $1 AND actor_id = $2 AND key = $3 AND created_at > $4",
        ctx.organization.0,
        actor,
        asked.key,
        store.clock.now() - KEPT,
    )
    .fetch_optional(&mut *tx)
    .await?;
    let Some(row) = row else { return Ok(None) };
    if row.operation != asked.operation || row.request_hash != asked.request_hash {
        return Err(Error::new(
            Kind::Invalid,
            "idempotency.key_reused",
            "This Idempotency-Key was used for another request within 24 hours. Use a new key for a new request.",
        ));
    }
    let body = match row.answer {
        Some(Value::String(sealed)) => Some(open(store, &sealed)?),
        _ => None,
    };
    Ok(Some(Answer {
        status: row.status.map_or(204, |status| status as u16),
        body,
    }))
}

/// Takes the key for this transaction, or says that another request holds it, or had it until a moment ago: then its answer is
/// there for whoever asks again. The lock ends with the transaction, so a request that dies leaves nothing behind.
pub(super) async fn claim(connection: &mut PgConnection, ctx: &Ctx, now: OffsetDateTime) -> Result<()> {
    let Some((asked, actor)) = asked(ctx) else {
        return Ok(());
    };
    let name = format!("idempotency/{}/{actor}/{}", ctx.organization, asked.key);
    let free = sqlx::query_scalar!(
        r#"SELECT pg_try_advisory_xact_lock(hashtextextended($1, 0)) AS "free!""#,
        name
    )
    .fetch_one(&mut *connection)
    .await?;
    if !free {
        return Err(running());
    }
    // a statement of its own: one that began before the other request's end would not see what that left
    let answered = sqlx::query_scalar!(
        r#"SELECT EXISTS (
             SELECT FROM idempotency WHERE organization_id = $1 AND actor_id = $2 AND key = $3 AND created_at > $4) AS "answered!""#,
        ctx.organization.0,
        actor,
        asked.key,
        now - KEPT,
    )
    .fetch_one(connection)
    .await?;
    if answered { Err(running()) } else { Ok(()) }
}

/// Writes the answer; one that another request gave meanwhile is not replaced.
pub(super) async fn keep(
    connection: &mut PgConnection,
    store: &Store,
    ctx: &Ctx,
    at: OffsetDateTime,
    status: u16,
    body: Option<&Value>,
) -> Result<()> {
    let Some((asked, actor)) = asked(ctx) else {
        return Ok(());
    };
    let sealed = body.map(|body| seal(store, body)).transpose()?;
    let kept = sqlx::query!(
        "INSERT INTO idempotency AS old (organization_id, actor_id, key, operation, request_hash, status, answer, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
         ON CONFLICT (organization_id, actor_id, key) DO UPDATE
         SET operation = excluded.operation, request_hash = excluded.request_hash, status = excluded.status,
             answer = excluded.answer, created_at = excluded.created_at
         WHERE old.created_at <= $9",
        ctx.organization.0,
        actor,
        asked.key,
        asked.operation,
        asked.request_hash.as_slice(),
        i32::from(status),
        sealed,
        at,
        at - KEPT,
    )
    .execute(connection)
    .await?;
    if kept.rows_affected() == 1 {
        Ok(())
    } else {
        Err(running())
    }
}

/// Forgets answers older than [`KEPT`]; the machine's own housekeeping, a few thousand rows a call.
pub async fn forget_old(store: &Store) -> Result<u64> {
    let mut tx = store.db.bookkeeping().await?;
    let gone = sqlx::query!(
        "DELETE FROM idempotency WHERE ctid IN (SELECT ctid FROM idempotency WHERE created_at <= $1 LIMIT 5000)",
        store.clock.now() - KEPT,
    )
    .execute(&mut *tx)
    .await?
    .rows_affected();
    tx.commit().await?;
    Ok(gone)
}

/// Forgets every answer of the organization whose body `names` somebody, and those that cannot be opened any more: they stand
/// sealed, so each is opened and read, [`READ`] at a time.
pub async fn forget_naming(
    connection: &mut PgConnection,
    store: &Store,
    organization: OrganizationId,
    names: impl Fn(&[u8]) -> bool,
) -> Result<()> {
    let mut after = (uuid::Uuid::nil(), String::new());
    loop {
        let rows = sqlx::query!(
            r#"SELECT actor_id, key, answer AS "answer!" FROM idempotency
               WHERE organization_id = $1 AND answer IS NOT NULL AND (actor_id, key) > ($2, $3)
               ORDER BY actor_id, key LIMIT $4"#,
            organization.0,
            after.0,
            after.1,
            READ,
        )
        .fetch_all(&mut *connection)
        .await?;
        let Some(last) = rows.last() else { return Ok(()) };
        after = (last.actor_id, last.key.clone());
        let naming = |answer: &Value| match answer {
            Value::String(sealed) => opened(store, sealed).is_none_or(|plain| names(&plain)),
            _ => true,
        };
        let (actors, keys): (Vec<_>, Vec<_>) = rows
            .into_iter()
            .filter(|row| naming(&row.answer))
            .map(|row| (row.actor_id, row.key))
            .unzip();
        sqlx::query!(
            "DELETE FROM idempotency i USING unnest($2::uuid[], $3::text[]) AS gone (actor_id, key)
             WHERE i.organization_id = $1 AND i.actor_id = gone.actor_id AND i.key = gone.key",
            organization.0,
            &actors,
            &keys,
        )
        .execute(&mut *connection)
        .await?;
    }
}

/// The `Idempotency-Key` and whose it is. An API key is not told what its owner was answered.
fn asked(ctx: &Ctx) -> Option<(&Idempotency, uuid::Uuid)> {
    let who = match ctx.credential {
        Credential::ApiKey(key) => key.0,
        _ => ctx.actor.user()?.0,
    };
    Some((ctx.idempotency.as_ref()?, who))
}

fn running() -> Error {
    let mut error = Error::new(
        Kind::Conflict,
        "idempotency.running",
        "A request with this Idempotency-Key is still running. Send it again in a moment to get its answer.",
    );
    error.retry_after = Some(1);
    error
}

fn seal(store: &Store, body: &Value) -> Result<Value> {
    let sealed = store.sealer.seal_bytes(PURPOSE, &serde_json::to_vec(body)?)?;
    Ok(Value::String(hex::encode(sealed)))
}

fn open(store: &Store, sealed: &str) -> Result<Value> {
    let plain = opened(store, sealed).ok_or_else(|| {
        Error::internal("a kept answer cannot be opened: the installation's secret has changed")
    })?;
    Ok(serde_json::from_slice(&plain)?)
}

fn opened(store: &Store, sealed: &str) -> Option<Vec<u8>> {
    store.sealer.open_bytes(PURPOSE, &hex::decode(sealed).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::change::{Change, Whole};
    use crate::kernel::ctx::Actor;
    use crate::kernel::event::{Event, Subject};
    use crate::testing::{self, TestStore};
    use serde_json::json;

    async fn ctx(test: &TestStore, key: &str) -> Ctx {
        let mut ctx = Ctx::system(test.organization, "test");
        ctx.actor = Actor::User(test.person().await);
        ctx.idempotency = Some(Idempotency {
            key: key.to_owned(),
            operation: "POST /x".to_owned(),
            request_hash: [1; 32],
        });
        ctx
    }

    async fn act(change: &mut Change) {
        let id = change.ctx().actor.user().unwrap().0;
        let subject = Subject {
            kind: "user".into(),
            id,
            version: 1,
        };
        change
            .record(Event::new(
                "user.updated",
                "users.update",
                subject,
                "feed:users",
                "x",
            ))
            .await
            .unwrap();
    }

    #[tokio::test]
    async fn while_a_request_runs_another_under_its_key_is_told_so_and_one_that_died_leaves_the_key_free() {
        let test = testing::store().await;
        let ctx = ctx(&test, "k").await;
        let first = Change::begin(&test.store, &ctx).await.unwrap();
        let second = Change::begin(&test.store, &ctx).await.unwrap_err();
        assert_eq!(
            (second.kind, second.code.as_ref()),
            (Kind::Conflict, "idempotency.running")
        );
        drop(first);
        let mut third = Change::begin(&test.store, &ctx).await;
        testing::eventually("the dropped transaction has ended", async || {
            if third.is_err() {
                third = Change::begin(&test.store, &ctx).await;
            }
            third.is_ok()
        })
        .await;
        assert!(find(&test.store, &ctx).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn what_another_request_did_between_the_look_and_the_act_is_not_done_again() {
        let test = testing::store().await;
        let ctx = ctx(&test, "k").await;
        // both have looked, and neither has found an answer
        assert!(find(&test.store, &ctx).await.unwrap().is_none());
        let mut first = Change::begin(&test.store, &ctx).await.unwrap();
        act(&mut first).await;
        first.commit().await.unwrap();
        let second = Change::begin(&test.store, &ctx).await.unwrap_err();
        assert_eq!(second.code, "idempotency.running");
        let kept = find(&test.store, &ctx).await.unwrap().unwrap();
        assert_eq!((kept.status, kept.body), (204, None));
    }

    #[tokio::test]
    async fn an_act_of_several_changes_holds_its_key_through_all_of_them_and_not_longer_than_its_connection()
    {
        let test = testing::store().await;
        let ctx = ctx(&test, "k").await;
        let whole = Whole::begin(&test.store, &ctx).await.unwrap();
        let mut part = Change::begin(&test.store, &Whole::part(&ctx)).await.unwrap();
        act(&mut part).await;
        part.commit().await.unwrap();
        let second = Whole::begin(&test.store, &ctx).await.unwrap_err();
        assert_eq!(second.code, "idempotency.running");
        // as if the first one's machine had died
        test.sql(
            "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND mode = 'ExclusiveLock'
               AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
        )
        .await;
        let mut again = Whole::begin(&test.store, &ctx).await;
        testing::eventually("the key is free", async || {
            if again.is_err() {
                again = Whole::begin(&test.store, &ctx).await;
            }
            again.is_ok()
        })
        .await;
        drop(whole);
        let mut end = again.unwrap().end(&test.store, &ctx).await.unwrap();
        act(&mut end).await;
        end.answer(200, &json!({"done": 1})).await.unwrap();
        end.commit().await.unwrap();
        let kept = find(&test.store, &ctx).await.unwrap().unwrap();
        assert_eq!((kept.status, kept.body), (200, Some(json!({"done": 1}))));
    }

    #[tokio::test]
    async fn an_answer_is_kept_sealed_with_its_change_and_only_for_whom_it_was_given() {
        let test = testing::store().await;
        let ctx = ctx(&test, "k").await;
        let mut change = Change::begin(&test.store, &ctx).await.unwrap();
        act(&mut change).await;
        change.answer(201, &json!({"secret": "canary"})).await.unwrap();
        assert!(find(&test.store, &ctx).await.unwrap().is_none());
        change.commit().await.unwrap();
        let kept = find(&test.store, &ctx).await.unwrap().unwrap();
        assert_eq!((kept.status, kept.body), (201, Some(json!({"secret": "canary"}))));
        let rows = test.texts("SELECT idempotency::text FROM idempotency").await;
        assert!(rows.len() == 1 && !rows[0].contains("canary"));
        let mut other = ctx.clone();
        other.actor = Actor::User(test.person().await);
        assert!(find(&test.store, &other).await.unwrap().is_none());
        test.sql("UPDATE idempotency SET created_at = now() - interval '25 hours'")
            .await;
        assert_eq!(forget_old(&test.store).await.unwrap(), 1);
    }
}
