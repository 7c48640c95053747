//! What people do with imports.

use super::columns::{self, FIELDS, Mapping};
use super::head::{self, Head};
use super::model::{Import, ImportList, Mode, Preview, Submitted};
use super::store::{self, NewImport};
use super::{CHANNEL, QUEUE, RejectReport, events};
use crate::change::Change;
use crate::files::{self, CHUNK_BYTES, StoredFile};
use crate::jobs::NewJob;
use crate::kernel::ctx::Ctx;
use crate::kernel::error::{Error, Kind, Result};
use crate::kernel::id::{FileId, ImportId};
use crate::kernel::page;
use crate::kernel::permission::PermissionSet;
use crate::live::position;
use crate::live::view::ViewClass;
use crate::users::rights;
use crate::{Store, people};
use serde_json::json;
use time::OffsetDateTime;
use uuid::Uuid;

/// What it takes to import people, from the asking to the last line.
pub(super) const NEEDED: [&str; 2] = ["imports:create", "users:import"];

/// Takes a stored file on. A file that cannot be imported is refused with the reason, and not kept.
pub async fn submit(
    store: &Store,
    ctx: &Ctx,
    file: &StoredFile,
    mode: Mode,
    mapping: Option<Mapping>,
) -> Result<Submitted> {
    let submitted = async {
        require(ctx)?;
        begin(store, ctx, file.id, file.size, mode, mapping, None).await
    }
    .await;
    if submitted.is_err() {
        files::delete(store, file.id).await?;
    }
    submitted
}

/// Takes the file of an earlier import on once more, most often of a preview or a dry run.
pub async fn again(
    store: &Store,
    ctx: &Ctx,
    source: ImportId,
    mode: Mode,
    mapping: Option<Mapping>,
) -> Result<Submitted> {
    require(ctx)?;
    let mut tx = store.db.primary(ctx.organization).await?;
    let import = one(&mut tx, ctx, source).await?;
    drop(tx);
    let mapping = mapping.or_else(|| (!import.mapping.is_empty()).then(|| import.mapping.clone()));
    let size = import.file.size as u64;
    begin(store, ctx, import.file.id, size, mode, mapping, Some(source)).await
}

fn require(ctx: &Ctx) -> Result<()> {
    NEEDED.iter().try_for_each(|permission| ctx.require(permission))
}

/// Passes while whoever asked for an import may still do so, and answers what they may do; `None` for the hub itself. A job
/// outlives the request and the session it came from, not the rights it was begun with.
pub(super) async fn require_still(
    connection: &mut crate::db::PgConnection,
    ctx: &Ctx,
    now: OffsetDateTime,
) -> Result<Option<PermissionSet>> {
    let Some(user) = ctx.actor.user() else {
        return Ok(None);
    };
    let held = rights::at_present_through(connection, ctx, user, now).await?;
    if NEEDED.iter().all(|permission| held.has(permission)) {
        return Ok(Some(held));
    }
    Err(Error::new(
        Kind::Forbidden,
        "import.no_longer_allowed",
        "Whoever asked for this import may no longer import people, so it was stopped. What was written before stays. \
         Somebody who may can import the same file again; whoever is in it already counts as unchanged.",
    ))
}

async fn begin(
    store: &Store,
    ctx: &Ctx,
    file: FileId,
    size: u64,
    mode: Mode,
    mapping: Option<Mapping>,
    source: Option<ImportId>,
) -> Result<Submitted> {
    let head = read_head(store, ctx, file, size).await?;
    let mapping = mapping.unwrap_or_else(|| columns::guess(&head.columns));
    if mode != Mode::Preview {
        columns::places(&head.columns, &mapping)?;
    }
    let id = ImportId::new();
    let job = (mode != Mode::Preview).then(|| {
        let mut job = NewJob::new(QUEUE, "ImportUsers", json!({"import_id": id}));
        job.subject = Some(("import", id.0));
        job
    });
    let new = NewImport {
        id,
        mode,
        file,
        job: job.as_ref().map(|job| job.id),
        source,
        mapping: &mapping,
        delimiter: head.delimiter,
        by: ctx.actor.user(),
    };
    let submitted = Submitted { id, job_id: new.job };
    let mut change = Change::begin(store, ctx).await?;
    store::insert(change.tx(), ctx.organization, &new).await?;
    let import = one(change.tx(), ctx, id).await?;
    let mut event = events::submitted(&import)?;
    // a run is audited at its start and its end; a preview has neither
    event.audited = mode == Mode::Preview;
    change.record(event).await?;
    if let Some(job) = job {
        change.enqueue(job).await?;
    }
    change.answer(202, &submitted).await?;
    change.commit().await?;
    Ok(submitted)
}

async fn read_head(store: &Store, ctx: &Ctx, file: FileId, size: u64) -> Result<Head> {
    let first = files::chunk(store, ctx.organization, file, 0).await?;
    head::read(&first.unwrap_or_default(), size <= CHUNK_BYTES as u64)
}

/// One import.
pub async fn get(store: &Store, ctx: &Ctx, id: ImportId) -> Result<Import> {
    ctx.require("imports:read")?;
    let mut tx = store.db.read(ctx.organization).await?;
    let mut import = one(&mut tx, ctx, id).await?;
    show(&mut tx, store, ctx, std::slice::from_mut(&mut import)).await?;
    Ok(import)
}

/// A page of imports, newest first, with the channel's position in the same snapshot.
pub async fn list(store: &Store, ctx: &Ctx, limit: Option<u32>, cursor: Option<&str>) -> Result<ImportList> {
    ctx.require("imports:read")?;
    let limit = page::limit(limit)? as usize;
    let after: Option<(i64, Uuid)> = cursor.map(page::decode_cursor).transpose()?;
    let after = after.map(|(at, id)| (page::instant(at), id));
    let mut tx = store.db.read(ctx.organization).await?;
    let at = position::told(&mut tx, ctx, CHANNEL).await?;
    let mut items = store::read(&mut tx, ctx.organization, None, after, limit as i64 + 1).await?;
    let next_cursor = page::cut(&mut items, limit, |last| {
        (page::micros(last.created_at), last.id.0)
    })?;
    show(&mut tx, store, ctx, &mut items).await?;
    Ok(ImportList {
        next_cursor,
        items,
        epoch: at.epoch,
        offset: at.offset,
    })
}

/// The beginning of an import's file. Whoever may not see addresses and numbers sees only columns known to hold others.
pub async fn preview(store: &Store, ctx: &Ctx, id: ImportId) -> Result<Preview> {
    let import = get(store, ctx, id).await?;
    let head = read_head(store, ctx, import.file.id, import.file.size as u64).await?;
    let class = ViewClass::of(&ctx.permissions);
    let known = columns::guess(&head.columns);
    let mapping = if import.mapping.is_empty() {
        known.clone()
    } else {
        import.mapping
    };
    let sees = |column: &String| {
        let holds = |mapping: &Mapping| {
            mapping
                .iter()
                .find(|(_, name)| *name == column)
                .map(|(field, _)| field.clone())
        };
        class.sees("user", "email")
            || holds(&known)
                .or_else(|| holds(&mapping))
                .is_some_and(|field| class.sees("user", &field))
    };
    let shown: Vec<bool> = head.columns.iter().map(sees).collect();
    let rows = head.rows.into_iter().map(|row| {
        let cells = row.into_iter().enumerate();
        cells
            .map(|(n, cell)| {
                if shown.get(n).copied().unwrap_or(false) || class.sees("user", "email") {
                    cell
                } else {
                    String::new()
                }
            })
            .collect()
    });
    Ok(Preview {
        rows: rows.collect(),
        columns: head.columns,
        mapping,
        fields: FIELDS,
        delimiter: char::from(head.delimiter).to_string(),
        encoding: "utf-8",
    })
}

/// The report of an import's rejected lines.
pub async fn rejects(store: &Store, ctx: &Ctx, id: ImportId) -> Result<RejectReport> {
    get(store, ctx, id).await?;
    Ok(RejectReport::new(store, ctx, id))
}

pub(super) async fn one(connection: &mut crate::db::PgConnection, ctx: &Ctx, id: ImportId) -> Result<Import> {
    let found = store::read(connection, ctx.organization, Some(id), None, 1)
        .await?
        .pop();
    found.ok_or_else(|| Error::not_found("import"))
}

/// Puts a name to whoever asked, and says what the viewer may do.
async fn show(
    connection: &mut crate::db::PgConnection,
    store: &Store,
    ctx: &Ctx,
    imports: &mut [Import],
) -> Result<()> {
    let mut names: Vec<_> = imports
        .iter()
        .map(|import| json!({"created_by": import.created_by}))
        .collect();
    people::open(connection, &store.sealer, &mut names).await?;
    for (import, name) in imports.iter_mut().zip(names) {
        import.created_by.name = name["created_by"]["name"].as_str().map(str::to_owned);
        let acts = events::acts(import).into_iter().filter(|act| match *act {
            "imports.create" => require(ctx).is_ok(),
            _ => ctx.require("jobs:cancel").is_ok(),
        });
        import.can = acts.map(str::to_owned).collect();
    }
    Ok(())
}
