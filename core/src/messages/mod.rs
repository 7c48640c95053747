//! Messages to people, by mail and SMS.
//!
//! A message is a job in the transaction of whoever causes it: it goes out if that commits, and not otherwise. The job's
//! payload holds the finished text, sealed: with the person's key where it is to a person, so that erasing them makes it
//! unreadable. Where nobody is configured to send it, it lands in the table `development_outbox`, which the console shows.
//!
//! A part of the hub that has something to say adds a variant to [`Message`] and its words in `texts`.
//!
//! Invariant: a message goes out once. A worker that dies between sending and noting so sends it once more, under the same
//! Message-ID and idempotency key (`job:step`).
//! Invariant: no error of a job and no line of the log names whom a message was to, or what was in it.

mod address;
mod alerts;
mod deliver;
mod development;
mod sealed;
mod texts;

pub use address::{Address, number};
pub use alerts::{Alert, Noted, alert};
pub use deliver::{send_mail, send_sms};
pub use development::{DevelopmentOutbox, Waiting, forget_stranger, list};
pub use texts::Message;

use crate::change::Change;
use crate::jobs::NewJob;
use crate::kernel::error::Result;
use crate::kernel::page::micros;
use crate::kernel::seal::Person;
use sealed::Sealed;
use serde_json::json;

/// Queue of mail.
pub const MAIL: &str = "messages.mail";
/// Queue of SMS.
pub const SMS: &str = "messages.sms";

/// Tries, a few minutes apart at last: what is not out when a message has lost its sense is given up sooner.
const ATTEMPTS: i32 = 300;

/// Sends `message` by mail, once `change` has committed.
///
/// # Errors
/// The message cannot be written.
pub async fn mail(change: &mut Change, to: &Address, message: Message) -> Result<()> {
    let (organization, console) = known(change).await?;
    let text = texts::written(&message, &organization, &console);
    let sealed = Sealed {
        to: to.email().to_owned(),
        name: to.name().to_owned(),
        subject: text.subject,
        text: text.body,
    };
    enqueue(change, MAIL, "SendMail", to.person(), &sealed, &message).await
}

/// Sends `message` by SMS to the number `to` (E.164) of `person`, once `change` has committed.
///
/// # Errors
/// `to` is no such number: invalid, in field `phone`.
pub async fn sms(change: &mut Change, to: &str, person: Option<Person>, message: Message) -> Result<()> {
    let (organization, console) = known(change).await?;
    let text = texts::written(&message, &organization, &console);
    let sealed = Sealed {
        to: number(to)?,
        name: String::new(),
        subject: String::new(),
        text: text.short,
    };
    enqueue(change, SMS, "SendSms", person, &sealed, &message).await
}

async fn enqueue(
    change: &mut Change,
    queue: &'static str,
    kind: &'static str,
    person: Option<Person>,
    sealed: &Sealed,
    message: &Message,
) -> Result<()> {
    let payload = json!({
        "message": sealed.seal(&change.store().sealer, person)?,
        "until": micros(change.at() + message.lasts()),
    });
    let mut job = NewJob::new(queue, kind, payload);
    job.max_attempts = ATTEMPTS;
    job.priority = message.priority();
    change.enqueue(job).await?;
    Ok(())
}

/// The organization's name, and where its people find the console.
async fn known(change: &mut Change) -> Result<(String, String)> {
    let organization = change.ctx().organization;
    let settings = change.store().settings(organization).await?;
    let console = match &settings.general.public_address {
        Some(address) => address.clone(),
        None => change.store().outside.console().to_owned(),
    };
    let name = sqlx::query_scalar!("SELECT name FROM organizations WHERE id = $1", organization.0)
        .fetch_one(change.tx())
        .await?;
    Ok((name, console))
}

#[cfg(test)]
mod tests;
