//! The actor: one read per person at a time.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::fut::ActorFutureExt;
use actix::{Actor, AsyncContext, Handler, Message, ResponseFuture, WrapFuture};
use signalbox_core::Store;
use signalbox_core::fault;
use signalbox_core::kernel::error::Error;
use signalbox_core::kernel::id::{OrganizationId, UserId};
use signalbox_core::kernel::permission::{Rights, RightsVersion};
use signalbox_core::sessions::warm;
use tokio::sync::oneshot;

use super::figures::{FIGURES, Figures};
use super::{Question, Shelf, Unavailable, primary};
use crate::supervision::{Context, Supervised};

/// Redis is a shortcut: one that takes longer than the way round is none.
const REDIS_WITHIN: Duration = Duration::from_millis(100);

/// How long a set stays on the shelf, whoever reads it; a sweep later at most.
const KEEP: Duration = Duration::from_mins(2);
/// Between sweeps.
const SWEEP: Duration = Duration::from_secs(30);
/// Between two writings of the figures.
const EXPORT: Duration = Duration::from_secs(5);

/// People whose sets are read at the start at most, and in one statement.
const WARM: usize = 5_000;
const WARM_AT_ONCE: usize = 250;
/// The start's reading is given up after this long: it is only a head start.
const WARM_WITHIN: Duration = Duration::from_secs(30);

type Answer = Result<Arc<Rights>, Unavailable>;

/// Answer this question, from Redis or the primary.
#[derive(Message)]
#[rtype(result = "Answer")]
pub(super) struct Load(pub(super) Question);

/// Somebody will ask this soon.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Warm {
    pub(super) question: Question,
    /// When it was heard that the set had changed, if that is why.
    pub(super) heard: Option<Instant>,
}

/// A read under way.
struct Reading {
    /// What it will satisfy.
    at_least: RightsVersion,
    waiting: Vec<oneshot::Sender<Answer>>,
    /// Since when it is known that what was kept is too old.
    heard: Option<Instant>,
    /// Who came later and wants something newer than it may bring.
    later: Vec<(Question, oneshot::Sender<Answer>)>,
}

/// See the module. What it has read is on the shelf, which outlives it and is safe to: a set is used by its version.
pub(super) struct Keeper {
    shelf: Shelf,
    store: Store,
    readings: HashMap<UserId, Reading>,
}

impl Keeper {
    pub(super) fn new(shelf: Shelf, store: Store) -> Self {
        Self {
            shelf,
            store,
            readings: HashMap::new(),
        }
    }

    /// Has the question answered to `waiting`, by the read under way where that will do.
    fn answer(&mut self, question: Question, waiting: oneshot::Sender<Answer>, ctx: &mut Context<Self>) {
        self.ask(question, waiting, None, ctx);
    }

    fn ask(
        &mut self,
        question: Question,
        waiting: oneshot::Sender<Answer>,
        heard: Option<Instant>,
        ctx: &mut Context<Self>,
    ) {
        if let Some(reading) = self.readings.get_mut(&question.user) {
            if reading.at_least.covers(question.at_least) {
                reading.waiting.push(waiting);
            } else {
                reading.later.push((question, waiting));
            }
            return;
        }
        let reading = Reading {
            at_least: question.at_least,
            waiting: vec![waiting],
            heard,
            later: Vec::new(),
        };
        self.readings.insert(question.user, reading);
        let store = self.store.clone();
        let read = async move { read(&store, question).await };
        ctx.spawn(
            read.into_actor(self)
                .map(move |answer, keeper, ctx| keeper.finish(question.user, &answer, ctx)),
        );
    }

    fn finish(&mut self, user: UserId, answer: &Answer, ctx: &mut Context<Self>) {
        if let Ok(rights) = answer {
            let older = self
                .shelf
                .get(user)
                .is_none_or(|kept| rights.version.covers(kept.version));
            if older {
                self.shelf.insert(user, Arc::clone(rights));
            }
        }
        let Some(reading) = self.readings.remove(&user) else {
            return;
        };
        if let (Ok(_), Some(heard)) = (answer, reading.heard) {
            Figures::renewed(heard.elapsed());
        }
        for waiting in reading.waiting {
            // Whoever went away needs no answer.
            let _ = waiting.send(answer.clone());
        }
        for (question, waiting) in reading.later {
            self.answer(question, waiting, ctx);
        }
    }
}

/// From Redis if that is new enough, else from the primary, which Redis is then told.
async fn read(store: &Store, question: Question) -> Answer {
    let kept = tokio::time::timeout(REDIS_WITHIN, store.bus.kept_rights(question.user)).await;
    if let Ok(Ok(Some(rights))) = kept {
        if rights.version.covers(question.at_least) {
            FIGURES.redis();
            return Ok(Arc::new(rights));
        }
        FIGURES.too_old_in_redis();
    }
    let rights = primary(store, question).await?;
    fault::point("rights_read").await;
    // Without Redis the next node reads the primary; nothing else is lost.
    let _ = tokio::time::timeout(REDIS_WITHIN, store.bus.keep_rights(question.user, &rights)).await;
    Ok(rights)
}

impl Actor for Keeper {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.run_interval(SWEEP, |keeper, _| {
            keeper.shelf.sweep(KEEP);
        });
        ctx.run_interval(EXPORT, |keeper, _| {
            let (sets, oldest) = keeper.shelf.measure();
            FIGURES.export(sets, oldest);
        });
        let (from, to) = (self.store.clone(), self.shelf.clone());
        let warm = async move { tokio::time::timeout(WARM_WITHIN, warm_up(&from, &to)).await };
        ctx.spawn(warm.into_actor(self).map(|warmed, _, _| {
            if !matches!(warmed, Ok(Ok(()))) {
                tracing::info!(
                    "permissions were not all read before anybody asked; they are when somebody does"
                );
            }
        }));
    }
}

impl Supervised for Keeper {
    fn restarting(&mut self, ctx: &mut Self::Context) {
        *self = ctx.rebuild();
    }
}

impl Handler<Load> for Keeper {
    type Result = ResponseFuture<Answer>;

    fn handle(&mut self, load: Load, ctx: &mut Self::Context) -> Self::Result {
        let (waiting, answer) = oneshot::channel();
        self.answer(load.0, waiting, ctx);
        Box::pin(async move { answer.await.unwrap_or(Err(Unavailable)) })
    }
}

impl Handler<Warm> for Keeper {
    type Result = ();

    fn handle(&mut self, warm: Warm, ctx: &mut Self::Context) {
        let (waiting, _) = oneshot::channel();
        FIGURES.warmed(1);
        self.ask(warm.question, waiting, warm.heard, ctx);
    }
}

/// Puts the sets of those on the shelf who used a session of late. One that changes meanwhile is too old by its version, as
/// any other would be.
async fn warm_up(store: &Store, shelf: &Shelf) -> Result<(), Error> {
    let mut by_organization: HashMap<OrganizationId, Vec<UserId>> = HashMap::new();
    for (organization, user) in warm::lately(&store.db, WARM).await? {
        by_organization.entry(organization).or_default().push(user);
    }
    for (organization, people) in by_organization {
        for people in people.chunks(WARM_AT_ONCE) {
            let sets = warm::read_rights_of(&store.db, organization, people).await?;
            FIGURES.warmed(sets.len() as u64);
            for (user, rights) in sets {
                if shelf
                    .get(user)
                    .is_none_or(|kept| rights.version.covers(kept.version))
                {
                    shelf.insert(user, Arc::new(rights));
                }
            }
        }
    }
    Ok(())
}
