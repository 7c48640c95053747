//! `Change`: the only way a person or program writes.
//!
//! It owns the transaction and the [`Ctx`]. [`Change::record`] writes the audit entry, the activity line and the outbox
//! row; [`Change::revoke`] cuts somebody off; and all of it is there after [`Change::commit`], or none of it.
//!
//! Invariant: a commit without a recorded event is a mistake of ours: a panic in tests, an error in the product.
//! Invariant: what must happen after the commit is a row as well (outbox, revocations, jobs); what is done here right
//! after it only makes it happen sooner.

use crate::bus::control::{Control, Revocation};
use crate::db::{PgConnection, Tx};
use crate::kernel::ctx::{Actor, Ctx};
use crate::kernel::error::{Error, Result};
use crate::kernel::event::Event;
use crate::kernel::id::{EventId, JobId};
use crate::kernel::page::micros;
use crate::kernel::permission::PermissionSet;
use crate::kernel::seal::Sealer;
use crate::outbox::{StoredActor, StoredEvent};
use crate::{Store, activity, audit, outbox};
use serde_json::{Map, Value};
use std::time::Duration;
use time::OffsetDateTime;

mod enqueue;
pub mod idempotency;
pub mod ledger;
mod touched;
mod whole;

pub use whole::Whole;

/// Telling other nodes must not hold up the answer: their poll finds the row within 100 ms anyway.
const TELL_TIMEOUT: Duration = Duration::from_millis(50);

/// One act being written.
#[derive(Debug)]
pub struct Change {
    store: Store,
    tx: Tx,
    ctx: Ctx,
    at: OffsetDateTime,
    recorded: usize,
    revocations: Vec<Revocation>,
    jobs: bool,
    cancelled: Option<JobId>,
    answered: bool,
}

/// See [`Change::mark`].
#[derive(Debug)]
pub struct Mark {
    recorded: usize,
    revocations: usize,
}

impl Change {
    /// Opens the transaction. With an `Idempotency-Key`, fails with `idempotency.running` while another request under
    /// the same key is at work.
    pub async fn begin(store: &Store, ctx: &Ctx) -> Result<Self> {
        let mut tx = store.db.begin(ctx.organization).await?;
        idempotency::claim(&mut tx, ctx, store.clock.now()).await?;
        Ok(Self::within(tx, store, ctx))
    }

    fn within(tx: Tx, store: &Store, ctx: &Ctx) -> Self {
        Self {
            tx,
            at: store.clock.now(),
            store: store.clone(),
            ctx: ctx.clone(),
            recorded: 0,
            revocations: Vec::new(),
            jobs: false,
            cancelled: None,
            answered: false,
        }
    }

    /// Keeps what the request is about to be answered, so that a repeat under the same `Idempotency-Key` gets it again
    /// and nothing is done twice. Every POST calls this before its commit; without a key it does nothing.
    pub async fn answer(&mut self, status: u16, body: &impl serde::Serialize) -> Result<()> {
        let body = serde_json::to_value(body)?;
        idempotency::keep(&mut self.tx, &self.store, &self.ctx, self.at, status, Some(&body)).await?;
        self.answered = true;
        Ok(())
    }

    /// For a feature's own statements.
    pub fn tx(&mut self) -> &mut PgConnection {
        &mut self.tx
    }

    /// What the change is written through.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Seals what is personal, and hashes what must be compared and never read.
    pub fn sealer(&self) -> &Sealer {
        &self.store.sealer
    }

    /// Who acts.
    pub fn ctx(&self) -> &Ctx {
        &self.ctx
    }

    /// Goes on with what the actor may do now: for work that outlives the request it was asked in.
    pub fn act_with(&mut self, permissions: PermissionSet) {
        self.ctx.permissions = permissions;
    }

    /// True as long as nothing is recorded: there is nothing to commit.
    pub fn is_empty(&self) -> bool {
        self.recorded == 0
    }

    /// The instant of this change, the same in all it writes.
    pub fn at(&self) -> OffsetDateTime {
        self.at
    }

    /// Records what happened. Call it after the subject's row is locked, so that events of a row stand in the order of
    /// its changes.
    pub async fn record(&mut self, mut event: Event) -> Result<EventId> {
        seal(&self.store, &mut event)?;
        let mut channels = std::mem::take(&mut event.channels);
        let entry = if event.audited {
            activity::append(&mut self.tx, &self.ctx, &event, self.at).await?;
            channels.push(audit::CHANNEL.to_owned());
            Some(audit::append(&mut self.tx, &self.ctx, &event, self.at).await?)
        } else {
            None
        };
        let stored = stored(&self.ctx, self.at, &event, entry);
        outbox::append(&mut self.tx, self.ctx.organization, &event, &stored, &channels).await?;
        self.recorded += 1;
        Ok(stored.id)
    }

    /// Writes only the line of `event` into its subject's activity: of an act on many, audit and event are the whole's. The reason
    /// goes into it, sealed with the person's key: what is told of many has none to seal it with.
    pub async fn line(&mut self, event: &Event) -> Result<()> {
        let mut line = event.clone();
        if let Some((person, reason)) = line.person.zip(line.reason.take()) {
            let sealed = self.store.sealer.seal(person, &Value::String(reason))?;
            line = line.detail("reason", sealed);
        }
        activity::append(&mut self.tx, &self.ctx, &line, self.at).await
    }

    /// A place to come back to, when one of many cannot be changed and the others can.
    pub async fn mark(&mut self) -> Result<Mark> {
        sqlx::query!("SAVEPOINT one_of_many")
            .execute(&mut *self.tx)
            .await?;
        Ok(Mark {
            recorded: self.recorded,
            revocations: self.revocations.len(),
        })
    }

    /// Keeps what was done since the mark.
    pub async fn keep(&mut self, _: Mark) -> Result<()> {
        sqlx::query!("RELEASE SAVEPOINT one_of_many")
            .execute(&mut *self.tx)
            .await?;
        Ok(())
    }

    /// Undoes what was done since the mark.
    pub async fn back_to(&mut self, mark: Mark) -> Result<()> {
        sqlx::query!("ROLLBACK TO SAVEPOINT one_of_many")
            .execute(&mut *self.tx)
            .await?;
        self.recorded = mark.recorded;
        self.revocations.truncate(mark.revocations);
        self.keep(mark).await
    }

    /// Cuts somebody off, or has their rights looked at again, the moment this commits.
    pub async fn revoke(&mut self, revocation: Revocation) -> Result<()> {
        sqlx::query!(
            "INSERT INTO revocations (organization_id, kind, subject, access_version, reason) VALUES ($1, $2, $3, $4, $5)",
            revocation.organization.0,
            revocation.kind.as_str(),
            revocation.subject,
            revocation.access_version,
            revocation.reason,
        )
        .execute(&mut *self.tx)
        .await?;
        self.revocations.push(revocation);
        Ok(())
    }

    /// Notes that this change put a job into the ledger, so that the feeder is woken.
    pub fn wake_jobs(&mut self) {
        self.jobs = true;
    }

    /// Makes it true, then makes it known.
    pub async fn commit(mut self) -> Result<()> {
        if self.recorded == 0 {
            debug_assert!(false, "a change was committed without a recorded event");
            return Err(Error::internal("a change was committed without a recorded event"));
        }
        if !self.answered {
            idempotency::keep(&mut self.tx, &self.store, &self.ctx, self.at, 204, None).await?;
        }
        let touched = touched::by_now(&mut self.tx).await?;
        let touching = self.store.signals.touching(touched.clone());
        self.tx.commit().await?;
        drop(touching);
        let committed = micros(self.store.clock.now());
        for revocation in &self.revocations {
            self.store.signals.revoked(revocation);
        }
        self.store.signals.outbox.notify_one();
        if self.jobs {
            self.store.signals.jobs.notify_one();
        }
        let revoked = self.revocations.into_iter().map(|revocation| Control::Revoked {
            revocation,
            committed,
        });
        let mut messages: Vec<Control> = revoked.collect();
        messages.extend(self.cancelled.map(|job| Control::JobCancel { job: job.0 }));
        if !touched.is_empty() {
            messages.push(Control::Touched { touched });
        }
        messages.push(Control::OutboxHint);
        if self.jobs {
            messages.push(Control::JobsHint);
        }
        let telling = async {
            for message in &messages {
                self.store.bus.tell(message).await?;
            }
            Ok::<(), Error>(())
        };
        if !matches!(tokio::time::timeout(TELL_TIMEOUT, telling).await, Ok(Ok(()))) {
            metrics::counter!("signalbox_change_untold_total").increment(1);
        }
        Ok(())
    }
}

/// The event as the outbox keeps it.
fn stored(ctx: &Ctx, at: OffsetDateTime, event: &Event, audit: Option<Value>) -> StoredEvent {
    StoredEvent {
        specversion: "1.0".to_owned(),
        id: EventId::new(),
        source: "/signalbox".to_owned(),
        kind: event.kind.to_owned(),
        time: at,
        schema: outbox::SCHEMA,
        action: event.action.to_owned(),
        actor: StoredActor::from(&ctx.actor),
        on_behalf_of: ctx.on_behalf_of.map(|user| StoredActor::from(&Actor::User(user))),
        subject: event.subject.clone(),
        patch: event.patch.clone(),
        acts: event.acts.iter().map(|act| (*act).to_owned()).collect(),
        data: event.data.clone(),
        rows: event.rows.iter().map(|(row, _)| row.clone()).collect(),
        cause: ctx.cause.clone(),
        severity: event.severity,
        text: event.text.to_owned(),
        audit,
    }
}

/// Seals every personal value of the event in place, before anything is written.
fn seal(store: &Store, event: &mut Event) -> Result<()> {
    for (row, person) in &mut event.rows {
        if let Some(person) = person {
            store.sealer.seal_row(*person, row)?;
        }
    }
    let Some(person) = event.person else { return Ok(()) };
    if let Some(patch) = &mut event.patch {
        store.sealer.seal_row(person, patch)?;
    }
    // a reason says what somebody thinks of them
    if let Some(reason) = event.reason.take() {
        event.reason = Some(store.sealer.seal(person, &Value::String(reason))?);
    }
    let changes = std::mem::take(&mut event.changes);
    event.changes = changes
        .into_iter()
        .map(|(field, mut change)| {
            if crate::kernel::seal::PERSONAL.contains(&field.as_str())
                && let Some(sides) = change.as_object_mut()
            {
                for value in sides.values_mut().filter(|value| !value.is_null()) {
                    *value = Value::String(store.sealer.seal(person, value)?);
                }
            }
            Ok((field, change))
        })
        .collect::<Result<Map<_, _>>>()?;
    Ok(())
}

#[cfg(test)]
mod tests;
