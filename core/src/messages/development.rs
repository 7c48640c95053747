//! Messages that nobody is configured to send: kept for whoever sets the hub up, and shown in the console.
//!
//! Invariant: written only where there is no provider; of each organization the newest [`MOST`] are kept.
//! Invariant: what is in a message may let somebody in as another (the link to a new password), so it is shown only to
//! whoever may change what decides over the organization (`settings:update`), signed in and not by a key, and of people who may do
//! no more than they (`organizations::development_outbox`). Others who may see settings see that there was one.

use super::sealed::{STRANGER, Sealed};
use crate::Store;
use crate::change::Change;
use crate::db::Tx;
use crate::jobs::Run;
use crate::kernel::ctx::Ctx;
use crate::kernel::error::Result;
use crate::kernel::id::UserId;
use crate::kernel::{page, seal};
use futures::TryStreamExt;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use time::OffsetDateTime;
use uuid::Uuid;

/// Messages of one organization that are kept.
const MOST: i64 = 500;

/// A page of messages that were not sent.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct DevelopmentOutbox {
    /// Newest first.
    pub items: Vec<Waiting>,
    /// For the next page; null on the last.
    pub next_cursor: Option<String>,
    /// Mail goes out: none lands here any more.
    pub mail_configured: bool,
    /// SMS go out: none lands here any more.
    pub sms_configured: bool,
}

/// A message that was not sent.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Waiting {
    /// Id.
    pub id: Uuid,
    /// When it would have been sent.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// `mail` or `sms`.
    pub kind: String,
    /// Address or number; null for viewers without `settings:update`, of a person who may do more than the viewer, and where the person
    /// was erased.
    pub to: Option<String>,
    /// Subject; likewise. Empty for an SMS.
    pub subject: Option<String>,
    /// Text; likewise.
    pub text: Option<String>,
    /// Whom it was to; `None` for nobody of the hub.
    #[serde(skip)]
    person: Option<UserId>,
}

impl DevelopmentOutbox {
    /// Whom the messages were to.
    pub fn people(&self) -> BTreeSet<UserId> {
        self.items.iter().filter_map(|item| item.person).collect()
    }

    /// Keeps what is said to whomever `outranks` says of back.
    pub fn withhold(&mut self, outranks: impl Fn(UserId) -> bool) {
        for item in self
            .items
            .iter_mut()
            .filter(|item| item.person.is_some_and(&outranks))
        {
            (item.to, item.subject, item.text) = (None, None, None);
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Cursor {
    micros: i64,
    id: Uuid,
}

/// Reads one page. Who of the people in it is out of the viewer's reach is asked above.
pub async fn list(
    store: &Store,
    ctx: &Ctx,
    limit: Option<u32>,
    cursor: Option<&str>,
) -> Result<DevelopmentOutbox> {
    ctx.require("settings:read")?;
    let limit = page::limit(limit)? as usize;
    let after: Option<Cursor> = cursor.map(page::decode_cursor).transpose()?;
    let (before, id) = after.map(|end| (page::instant(end.micros), end.id)).unzip();
    let mut tx = store.db.read(ctx.organization).await?;
    let mut rows = sqlx::query!(
        "SELECT id, at, kind, message FROM development_outbox
         WHERE organization_id = $1 AND ($2::timestamptz IS NULL OR (at, id) < ($2, $3))
         ORDER BY at DESC, id DESC LIMIT $4",
        ctx.organization.0,
        before,
        id,
        limit as i64 + 1,
    )
    .fetch_all(&mut *tx)
    .await?;
    let next_cursor = page::cut(&mut rows, limit, |end| Cursor {
        micros: page::micros(end.at),
        id: end.id,
    })?;
    let open = ctx.permissions.has("settings:update") && ctx.require_session().is_ok();
    let kept: Vec<String> = rows.iter().map(|row| row.message.clone()).collect();
    let people: Vec<Option<UserId>> = kept.iter().map(|message| seal::owner(message)).collect();
    let opened = Sealed::open(&mut tx, &store.sealer, kept).await?;
    let items = rows
        .into_iter()
        .zip(opened)
        .zip(people)
        .map(|((row, message), person)| {
            let message = message.filter(|_| open);
            let (to, subject, text) = message
                .map(|message| (Some(message.to), Some(message.subject), Some(message.text)))
                .unwrap_or_default();
            Waiting {
                id: row.id,
                at: row.at,
                kind: row.kind,
                to,
                subject,
                text,
                person,
            }
        });
    Ok(DevelopmentOutbox {
        items: items.collect(),
        next_cursor,
        mail_configured: store.outside.mail.is_some(),
        sms_configured: store.outside.sms.is_some(),
    })
}

/// Takes away what is kept of messages to `email` that were to nobody of the hub, and so do not become unreadable with a person's
/// erasure. What still waits to be sent has lost its sense.
pub async fn forget_stranger(change: &mut Change, email: &str) -> Result<()> {
    let (organization, sealer) = (change.ctx().organization.0, change.store().sealer.clone());
    let mut theirs = Vec::new();
    let mut rows = sqlx::query!(
        r#"SELECT id AS "id!", message AS "message!" FROM development_outbox
           WHERE organization_id = $1 AND starts_with(message, $3)
           UNION ALL
           SELECT id, payload ->> 'message' FROM jobs
           WHERE organization_id = $1 AND queue = $2 AND starts_with(payload ->> 'message', $3)"#,
        organization,
        super::MAIL,
        STRANGER,
    )
    .fetch(change.tx());
    while let Some(row) = rows.try_next().await? {
        if Sealed::to_stranger(&sealer, &row.message).is_some_and(|message| message.to == email) {
            theirs.push(row.id);
        }
    }
    drop(rows);
    sqlx::query!(
        r#"WITH kept AS (DELETE FROM development_outbox WHERE organization_id = $1 AND id = ANY($2))
           UPDATE jobs SET payload = '{"until": 0}' WHERE organization_id = $1 AND id = ANY($2)"#,
        organization,
        &theirs,
    )
    .execute(change.tx())
    .await?;
    Ok(())
}

/// Keeps `message`, sealed as it is; the caller commits it together with the run's checkpoint.
pub(super) async fn keep(store: &Store, run: &Run, (kind, key): (&str, &str), message: &str) -> Result<Tx> {
    let organization = run.job.organization.0;
    let mut tx = store.db.bookkeeping().await?;
    sqlx::query!(
        "INSERT INTO development_outbox (id, organization_id, at, kind, key, message) VALUES ($1, $2, $3, $4, $5, $6)",
        run.job.id.0,
        organization,
        store.clock.now(),
        kind,
        key,
        message,
    )
    .execute(&mut *tx)
    .await?;
    sqlx::query!(
        "DELETE FROM development_outbox WHERE organization_id = $1 AND id IN (
           SELECT id FROM development_outbox WHERE organization_id = $1 ORDER BY at DESC, id DESC OFFSET $2)",
        organization,
        MOST,
    )
    .execute(&mut *tx)
    .await?;
    Ok(tx)
}
