//! Asking for an export, and fetching it.

use super::model::{ExportList, ExportState, Requested};
use super::{EXPORT, EXPORTS, store};
use crate::Store;
use crate::change::Change;
use crate::db::PgConnection;
use crate::jobs::NewJob;
use crate::kernel::ctx::Ctx;
use crate::kernel::error::{Error, Kind, Result};
use crate::kernel::event::{Event, Subject};
use crate::kernel::id::{ExportId, OrganizationId, UserId};
use crate::users::{self, User, rights};
use serde_json::json;
use time::{Duration, OffsetDateTime};

/// An export can be fetched for so long.
pub(super) const KEPT: Duration = Duration::days(7);

/// Has everything gathered that is held on `id`: oneself, or somebody whom the caller may hand out and see whole.
pub async fn request(store: &Store, ctx: &Ctx, id: UserId) -> Result<Requested> {
    ctx.require_session()?;
    let by = ctx.require_person()?;
    let (export, mut change) = (ExportId::new(), Change::begin(store, ctx).await?);
    let person = users::store::lock(change.tx(), ctx.organization, id)
        .await?
        .ok_or_else(|| Error::not_found("user"))?;
    require_reach(change.tx(), ctx, &person).await?;
    // of oneself too: a session left open on a desk hands out no copy of all that is held on its person
    ctx.require_recent_proof(store.clock.now())?;
    let mut job = NewJob::new(EXPORTS, "ExportPersonalData", json!({"export_id": export}));
    job.subject = Some(("personal_data_export", export.0));
    // one of a person and an asker at a time
    job.unique_key = Some(format!("{id}:{by}"));
    let at = change.at();
    let row = (export, id, by, job.id);
    store::insert_export(change.tx(), ctx.organization, row, at, at + KEPT).await?;
    let requested = Requested {
        id: export,
        job_id: job.id,
    };
    let text = "{actor} asked for everything that is held on {subject}";
    let event = event(
        "personal_data.export_started",
        "personal_data.export",
        id,
        person.version,
        text,
    );
    change
        .record(event.detail("export_id", export.to_string()))
        .await?;
    change.enqueue(job).await?;
    change.answer(202, &requested).await?;
    change.commit().await?;
    Ok(requested)
}

/// Passes where what is held on `person` may be handed to the actor: of themselves, or of whom they may hand out and see whole.
pub(super) async fn require_reach(connection: &mut PgConnection, ctx: &Ctx, person: &User) -> Result<()> {
    if ctx.is_oneself(person.id) {
        return Ok(());
    }
    person.require(ctx, EXPORT)?;
    person.require(ctx, "users:read_pii")?;
    let held = rights::of(connection, ctx.organization, person.id).await?;
    ctx.require_over(&held)
}

/// Exports that the caller asked for and may still fetch.
pub async fn exports(store: &Store, ctx: &Ctx) -> Result<ExportList> {
    let by = ctx.require_person()?;
    let mut tx = store.db.primary(ctx.organization).await?;
    let items = store::exports(&mut tx, ctx.organization, by, None, store.clock.now()).await?;
    Ok(ExportList { items })
}

/// An export on its way out, a part at a time.
#[derive(Debug)]
pub struct Download {
    store: Store,
    organization: OrganizationId,
    id: ExportId,
    n: i32,
}

impl Download {
    /// Passes where somebody with the rights of `ctx` would be given it too.
    pub async fn may_go_on(&self, ctx: &Ctx) -> Result<()> {
        let mut tx = self.store.db.primary(self.organization).await?;
        let now = self.store.clock.now();
        fetchable(&mut tx, ctx, self.id, now).await.map(drop)
    }

    /// The next part; `None` after the last.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>> {
        let mut tx = self.store.db.primary(self.organization).await?;
        let part = store::part(&mut tx, self.organization, self.id, self.n).await?;
        self.n += 1;
        Ok(part)
    }
}

/// Hands an export to whoever asked for it and still might, and to nobody else; each time is recorded.
pub async fn download(store: &Store, ctx: &Ctx, id: ExportId) -> Result<Download> {
    ctx.require_session()?;
    let mut change = Change::begin(store, ctx).await?;
    let at = change.at();
    let person = fetchable(change.tx(), ctx, id, at).await?;
    let text = "{actor} fetched everything that is held on {subject}";
    let event = event(
        "personal_data.downloaded",
        "personal_data.download",
        person.id,
        person.version,
        text,
    );
    change.record(event.detail("export_id", id.to_string())).await?;
    change.commit().await?;
    Ok(Download {
        store: store.clone(),
        organization: ctx.organization,
        id,
        n: 0,
    })
}

/// The person whose export it is, where the actor asked for it and still might.
async fn fetchable(
    connection: &mut PgConnection,
    ctx: &Ctx,
    id: ExportId,
    now: OffsetDateTime,
) -> Result<User> {
    let by = ctx.require_person()?;
    let found = store::exports(connection, ctx.organization, by, Some(id), now)
        .await?
        .pop();
    let export = found.ok_or_else(|| Error::not_found("personal_data_export"))?;
    if export.state != ExportState::Ready {
        return Err(Error::new(
            Kind::Conflict,
            "personal_data.not_ready",
            "This export is not ready. Look at its job.",
        ));
    }
    let person = users::store::find(connection, ctx.organization, export.user_id)
        .await?
        .ok_or_else(|| Error::not_found("personal_data_export"))?;
    require_reach(connection, ctx, &person).await?;
    Ok(person)
}

/// About a person, on their inbox: they see who asked for what is held on them.
pub(super) fn event(
    kind: &'static str,
    action: &'static str,
    user: UserId,
    version: i64,
    text: &'static str,
) -> Event {
    let subject = Subject {
        kind: "user".into(),
        id: user.0,
        version,
    };
    Event::new(kind, action, subject, format!("inbox:{user}"), text)
}

/// Deletes one export that can be fetched no longer, with its parts; false when there is none.
pub async fn sweep(store: &Store) -> Result<bool> {
    let mut tx = store.db.bookkeeping().await?;
    let swept = sqlx::query!(
        "DELETE FROM personal_data_exports WHERE id = (SELECT id FROM personal_data_exports WHERE expires_at <= $1 LIMIT 1)",
        store.clock.now(),
    )
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(swept.rows_affected() > 0)
}
