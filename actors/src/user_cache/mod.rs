//! UserCache: people's rows, without asking the database for each request.
//!
//! A row is kept as it is ([`Whole`]), and shown to each viewer with their present rights; what shows alike to many is encoded
//! once. It needs no actor: nothing happens by itself here, and time is looked at when a row is asked for.
//!
//! What is kept is true because of whoever writes: a trigger notes each person whose row a statement changes
//! (`users_touched`), and [`KeepsRows`] hears of it. This node's own writes are heard *before* their commit and end after it,
//! and nothing that was read meanwhile is kept; so whoever has seen a version of a row, by any way, sees none older here.
//! Other nodes' are heard over the bus, and read from the table every 100 ms. While that reading fails
//! ([`SessionKeeper::is_current`]) nothing is served from memory.
//!
//! Invariant: a row read before a write was heard of is not kept after it.
//! Invariant: memory is bounded: by the number of rows, by the bytes of each, and by time.

mod shelf;

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bytes::Bytes;
use metrics::Counter;
use parking_lot::Mutex;
use signalbox_core::Store;
use signalbox_core::bus::control::{Revocation, RevocationKind, Touched};
use signalbox_core::kernel::ctx::Ctx;
use signalbox_core::kernel::error::{Error, Result};
use signalbox_core::kernel::id::UserId;
use signalbox_core::kernel::permission::PermissionSet;
use signalbox_core::users::{Alike, Whole};

use crate::session_keeper::SessionKeeper;
use shelf::Shelf;

/// People kept on this node, at most.
const PEOPLE: usize = 20_000;
/// How long a row is kept.
const KEEP: Duration = Duration::from_mins(10);
/// Writes of others' rows, each with its event, after which a row is read again: it is shown with the place of `feed:users` that
/// was read with it, from where whoever follows the channel is given all that came since. A write of this node is heard of three
/// times (its commit, the bus, the table), one of another node twice.
const LAG: u64 = 3_000;
/// Encodings kept of one row: for so many sorts of viewers.
const ENCODINGS: usize = 8;
/// A larger answer is not kept.
const LARGEST: usize = 16 << 10;

/// Somebody as one viewer sees them.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The row's version.
    pub version: i64,
    /// A `users::service::OneUser` in JSON.
    pub body: Bytes,
}

/// A person, and what was written of them for those who are shown the same.
#[derive(Debug)]
struct Kept {
    whole: Whole,
    written: Mutex<Vec<Written>>,
}

/// What was written for those who are shown the same, and for whom of them last: whoever asks again with the same rights needs not
/// be compared.
#[derive(Debug)]
struct Written {
    alike: Alike,
    body: Bytes,
    rights: PermissionSet,
    viewer: Option<UserId>,
}

/// Asks for people. Cheap to clone.
#[derive(Clone)]
pub struct UserCache {
    shelf: Arc<Shelf<Kept>>,
    store: Store,
    sessions: SessionKeeper,
}

impl std::fmt::Debug for UserCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("UserCache")
    }
}

impl UserCache {
    /// Has it hear of every write. `sessions` knows whether this node hears of other nodes' at all.
    pub fn start(store: &Store, sessions: &SessionKeeper) -> Self {
        let shelf = Arc::new(Shelf::new(PEOPLE, KEEP, LAG));
        store.signals.on_touched(shelf.clone());
        let heard = Arc::clone(&shelf);
        // what somebody may do decides what may be done to them
        store
            .signals
            .on_revoked(move |revocation| heard.touch(&touched(revocation)));
        Self {
            shelf,
            store: store.clone(),
            sessions: sessions.clone(),
        }
    }

    /// The person, as the actor of `ctx` sees them.
    ///
    /// # Errors
    /// A permission is missing, or there is nobody of that id whom they may see.
    pub async fn get(&self, ctx: &Ctx, id: UserId) -> Result<Seen> {
        ctx.require_some("users:read")?;
        let kept = match self.kept(ctx, id) {
            Some(kept) => kept,
            None => self.read(ctx, id).await?,
        };
        if !kept.whole.shows_to(ctx) {
            return Err(Error::not_found("user"));
        }
        Ok(Seen {
            version: kept.whole.version(),
            body: kept.body(ctx)?,
        })
    }

    fn kept(&self, ctx: &Ctx, id: UserId) -> Option<Arc<Kept>> {
        let kept = self
            .shelf
            .get(ctx.organization, id)
            .filter(|_| self.sessions.is_current())?;
        ANSWERS.shelf.increment(1);
        Some(kept)
    }

    async fn read(&self, ctx: &Ctx, id: UserId) -> Result<Arc<Kept>> {
        ANSWERS.primary.increment(1);
        let place = self.shelf.place(id).filter(|_| self.sessions.is_current());
        let whole = Whole::read(&self.store, ctx.organization, id).await?;
        let whole = whole.ok_or_else(|| Error::not_found("user"))?;
        let kept = Arc::new(Kept {
            whole,
            written: Mutex::default(),
        });
        if let Some(place) = place {
            self.shelf.keep(ctx.organization, id, place, &kept);
        }
        Ok(kept)
    }
}

impl Kept {
    fn body(&self, ctx: &Ctx) -> Result<Bytes> {
        let viewer = ctx.actor.user();
        let same = |one: &&Written| one.viewer == viewer && one.rights.is(&ctx.permissions);
        if let Some(again) = self.written.lock().iter().find(same) {
            return Ok(again.body.clone());
        }
        let alike = self.whole.alike(ctx);
        if let Some(alike) = alike {
            let mut written = self.written.lock();
            if let Some(one) = written.iter_mut().find(|one| one.alike == alike) {
                (one.rights, one.viewer) = (ctx.permissions.clone(), viewer);
                return Ok(one.body.clone());
            }
        }
        let body = Bytes::from(serde_json::to_vec(&self.whole.seen_by(ctx)?)?);
        if let Some(alike) = alike.filter(|_| body.len() <= LARGEST) {
            let mut written = self.written.lock();
            if written.len() < ENCODINGS {
                written.push(Written {
                    alike,
                    body: body.clone(),
                    rights: ctx.permissions.clone(),
                    viewer,
                });
            }
        }
        Ok(body)
    }
}

/// Whose rights a revocation is about.
fn touched(revocation: &Revocation) -> Vec<Touched> {
    let organization = revocation.organization;
    let user = match revocation.kind {
        RevocationKind::User | RevocationKind::Access => Some(UserId(revocation.subject)),
        RevocationKind::Organization => None,
        RevocationKind::Session
        | RevocationKind::Sessions
        | RevocationKind::Key
        | RevocationKind::IpRule
        | RevocationKind::Settings => return Vec::new(),
    };
    vec![Touched { organization, user }]
}

/// Where answers come from. Looked up once, as in `permission_cache`.
struct Answers {
    shelf: Counter,
    primary: Counter,
}

static ANSWERS: LazyLock<Answers> = LazyLock::new(|| {
    let from = |from: &'static str| metrics::counter!("signalbox_user_answers_total", "from" => from);
    Answers {
        shelf: from("shelf"),
        primary: from("primary"),
    }
});
