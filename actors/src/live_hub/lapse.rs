//! Takes keys of maps away whose time is over: every node does, and each key goes once.

use std::sync::Arc;
use std::time::Duration;

use actix::fut::ActorFutureExt;
use actix::{Actor, AsyncContext, WrapFuture};
use signalbox_core::Store;
use signalbox_core::live::application::{Namespaces, map};

use crate::supervision::{Context, Supervised};

/// How often is looked; what lapses is removed at most so much later.
const LOOK: Duration = Duration::from_secs(1);

pub(super) struct Lapse {
    store: Store,
    namespaces: Arc<Namespaces>,
    sweeping: bool,
}

impl Lapse {
    pub(super) fn new(store: Store, namespaces: Arc<Namespaces>) -> Self {
        Self {
            store,
            namespaces,
            sweeping: false,
        }
    }

    fn sweep(&mut self, ctx: &mut Context<Self>) {
        if std::mem::replace(&mut self.sweeping, true) {
            return;
        }
        let (store, namespaces) = (self.store.clone(), self.namespaces.clone());
        let sweep = async move { map::sweep(&store.bus, &namespaces).await };
        ctx.spawn(sweep.into_actor(self).map(|swept, lapse, _| {
            lapse.sweeping = false;
            match swept {
                Ok(keys) => metrics::counter!("signalbox_map_keys_lapsed_total").increment(keys as u64),
                Err(error) => tracing::debug!(%error, "keys of maps could not be looked at; trying again"),
            }
        }));
    }
}

impl Actor for Lapse {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.run_interval(LOOK, Self::sweep);
    }
}

impl Supervised for Lapse {
    fn restarting(&mut self, ctx: &mut Self::Context) {
        *self = ctx.rebuild();
    }
}
