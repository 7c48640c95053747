//! The jobs `SendMail` and `SendSms`.

use super::development;
use super::sealed::Sealed;
use crate::Store;
use crate::change::ledger;
use crate::fault;
use crate::jobs::{Ending, Outcome, Run};
use crate::kernel::error::{Error, Kind, Result};
use crate::kernel::page;
use crate::outbound::Refusal;
use crate::outbound::mail::Mail;
use serde_json::{Value, json};

/// The one step of these jobs that reaches outside; part of the key that goes with it.
const STEP: &str = "send";

/// Runs a job of queue [`super::MAIL`].
pub async fn send_mail(store: &Store, run: &Run) -> Outcome {
    outcome(deliver(store, run, "mail").await)
}

/// Runs a job of queue [`super::SMS`].
pub async fn send_sms(store: &Store, run: &Run) -> Outcome {
    outcome(deliver(store, run, "sms").await)
}

fn outcome(delivered: Result<Outcome>) -> Outcome {
    delivered.unwrap_or_else(|error| match error.kind {
        Kind::Unavailable => Outcome::RetryAfter(error.detail, std::time::Duration::from_secs(1)),
        _ => Outcome::Retry(error.detail),
    })
}

async fn deliver(store: &Store, run: &Run, kind: &'static str) -> Result<Outcome> {
    if let Some(done) = done_before(run) {
        return Ok(done);
    }
    match run.cancel.asked() {
        Some(Ending::Cancelled) => return Ok(Outcome::Cancelled),
        Some(Ending::Stopping) => return Ok(Outcome::Released),
        None => {}
    }
    let until = run.payload["until"].as_i64().map(page::instant);
    if until.is_some_and(|until| until <= store.clock.now()) {
        return Ok(Outcome::Fail(
            "The message has lost its sense before it could be sent.".to_owned(),
        ));
    }
    let kept = run.payload["message"].as_str().unwrap_or_default().to_owned();
    let Some(message) = open(store, run, kept.clone()).await? else {
        return Ok(Outcome::Fail(
            "Whoever the message was to has been erased.".to_owned(),
        ));
    };
    let key = format!("{}:{STEP}", run.job.id);
    match attempt(store, run, kind, &key, &message).await {
        None => {
            let tx = development::keep(store, run, (kind, &key), &kept).await?;
            ledger::checkpoint(tx, run.lease, &sent("development_outbox")).await?;
            Ok(Outcome::Done(json!({"sent_to": "development_outbox"})))
        }
        Some(Ok(())) => {
            fault::point("messages.sent").await;
            ledger::checkpoint(store.db.bookkeeping().await?, run.lease, &sent("provider")).await?;
            Ok(Outcome::Done(json!({"sent_to": "provider"})))
        }
        Some(Err(refusal)) => Ok(refused(refusal)),
    }
}

fn sent(to: &str) -> Value {
    json!({"sent_to": to})
}

/// A run before this one sent it, and went away before it could say so.
fn done_before(run: &Run) -> Option<Outcome> {
    let to = run.checkpoint["sent_to"].as_str()?;
    Some(Outcome::Done(json!({"sent_to": to})))
}

async fn open(store: &Store, run: &Run, kept: String) -> Result<Option<Sealed>> {
    let mut tx = store.db.primary(run.job.organization).await?;
    let mut opened = Sealed::open(&mut tx, &store.sealer, vec![kept]).await?;
    opened
        .pop()
        .ok_or_else(|| Error::internal("a message was lost while it was opened"))
}

/// Hands the message to its provider; `None` where there is none.
async fn attempt(
    store: &Store,
    run: &Run,
    kind: &str,
    key: &str,
    message: &Sealed,
) -> Option<Result<(), Refusal>> {
    if kind == "sms" {
        let texter = store.outside.sms.as_ref()?;
        return Some(texter.send(key, &message.to, &message.text).await);
    }
    let mail = Mail {
        key,
        to: &message.to,
        name: &message.name,
        subject: &message.subject,
        text: &message.text,
        at: run.job.created_at,
    };
    Some(store.outside.mail.as_ref()?.send(&mail).await)
}

fn refused(refusal: Refusal) -> Outcome {
    match refusal {
        Refusal::Never(why) => Outcome::Fail(why),
        Refusal::Later { why, after: None } => Outcome::Retry(why),
        Refusal::Later {
            why,
            after: Some(pause),
        } => Outcome::RetryAfter(why, pause),
    }
}
