//! The ends of exports and erasures, also of those whose job ended without them.

use super::model::{ErasureState, ExportState};
use super::{export, store};
use crate::Store;
use crate::change::Change;
use crate::jobs::{self, Job, JobState};
use crate::kernel::ctx::{Actor, Credential, Ctx};
use crate::kernel::error::{Error, Result};
use crate::kernel::event::Event;
use crate::kernel::id::{ErasureId, ExportId, UserId};

/// Closes one export and one erasure whose job ended without them: cancelled while it waited, given up, or set aside. An
/// erasure that stays open would keep the person from being erased. Answers whether there was one; call it again then.
pub async fn close_ended(store: &Store) -> Result<bool> {
    let mut tx = store.db.snapshot().await?;
    let export = store::export_to_close(&mut tx).await?;
    let erasure = store::erasure_to_close(&mut tx).await?;
    let ids = [export.map(|(.., job)| job.0), erasure.map(|(.., job)| job.0)];
    let ids: Vec<_> = ids.into_iter().flatten().collect();
    let jobs = jobs::store::load(&mut tx, &ids).await?;
    drop(tx);
    let job = |id| {
        let job = jobs.iter().find(|job| job.id == id);
        job.ok_or_else(|| Error::not_found("job"))
    };
    if let Some((id, user, its)) = export {
        close_export(store, job(its)?, (id, user)).await?;
    }
    if let Some((id, user, its)) = erasure {
        close_erasure(store, job(its)?, (id, user)).await?;
    }
    Ok(export.is_some() || erasure.is_some())
}

async fn close_export(store: &Store, job: &Job, (id, user): (ExportId, UserId)) -> Result<()> {
    let mut change = Change::begin(store, &in_the_hubs_name(&job.ctx)).await?;
    let at = change.at();
    let organization = job.organization;
    let open = store::lock_export(change.tx(), organization, id).await?;
    if open != Some(ExportState::Making) {
        return Ok(());
    }
    store::finish_export(change.tx(), organization, id, false, (at, at + export::KEPT)).await?;
    change.record(exported(job, (id, user), false)).await?;
    change.commit().await
}

async fn close_erasure(store: &Store, job: &Job, (id, user): (ErasureId, UserId)) -> Result<()> {
    let mut change = Change::begin(store, &in_the_hubs_name(&job.ctx)).await?;
    let at = change.at();
    // one that had begun was not taken back, whoever ended its job: some of it is done
    let untouched = store::lock_erasure(change.tx(), id).await? == Some(ErasureState::Waiting);
    let state = if untouched && job.state == JobState::Cancelled {
        ErasureState::Cancelled
    } else {
        ErasureState::Failed
    };
    if store::set_erasure(change.tx(), job.organization, id, state, (at, None)).await? {
        change.record(erasure_ended(job, user)).await?;
        change.commit().await?;
    }
    Ok(())
}

/// An export is over.
pub(super) fn exported(job: &Job, (id, user): (ExportId, UserId), ready: bool) -> Event {
    let text = if ready {
        "Everything that is held on {subject} was gathered"
    } else {
        "What is held on {subject} was not gathered"
    };
    let event = export::event("personal_data.exported", "personal_data.export", user, 0, text)
        .detail("export_id", id.to_string())
        .data("export_id", id.to_string())
        .data("ready", ready);
    tell(event, job, user)
}

/// An erasure is over without having been done.
pub(super) fn erasure_ended(job: &Job, user: UserId) -> Event {
    let text = "The erasure of {subject} was not done";
    tell(
        export::event("user.erasure_ended", "users.erase", user, 0, text),
        job,
        user,
    )
}

/// Also to whoever looks at the job, and to whoever asked.
fn tell(event: Event, job: &Job, user: UserId) -> Event {
    let event = event.also(jobs::channel(job.id));
    match job.requested_by.filter(|asked| *asked != user) {
        Some(asked) => event.also(format!("inbox:{asked}")),
        None => event,
    }
}

/// Nobody acts with rights they no longer have.
pub(super) fn in_the_hubs_name(ctx: &Ctx) -> Ctx {
    Ctx {
        actor: Actor::System("personal_data".to_owned()),
        credential: Credential::Internal,
        on_behalf_of: ctx.actor.user(),
        ..ctx.clone()
    }
}
