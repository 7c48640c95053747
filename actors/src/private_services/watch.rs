//! The servers' place in the supervision tree: says what became of them, in the log and in metrics.
//!
//! It only looks. Restarting is the keeper's, because a server must come back also while actors are being
//! restarted, and because only the keeper's thread may start one.

use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, AsyncContext, Handler, Message, Supervised};

use super::{PrivateServices, ServerState, ServerStatus};
use crate::supervision::{CallError, Context, Handle, Spec, StartError, Tree};

/// Starts before and stops after every actor that needs a server.
const ORDER: u32 = 1;
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Asks what the private servers do.
#[derive(Clone)]
pub struct ServerWatch(Handle<Watch>);

impl ServerWatch {
    /// Adds the watch to the tree.
    ///
    /// # Errors
    /// When the tree has one already.
    pub fn add(tree: &Tree, servers: &Arc<PrivateServices>) -> Result<Self, StartError> {
        let servers = Arc::clone(servers);
        let spec = Spec::named("private_services").order(ORDER).capacity(16);
        tree.child(spec, move || Watch {
            servers: Arc::clone(&servers),
            seen: Vec::new(),
        })
        .map(Self)
    }

    /// Each server as it is now.
    ///
    /// # Errors
    /// When the watch itself is down or busy.
    pub async fn status(&self) -> Result<Vec<ServerStatus>, CallError> {
        self.0.ask(Look).await
    }
}

struct Watch {
    servers: Arc<PrivateServices>,
    seen: Vec<ServerStatus>,
}

impl Actor for Watch {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        self.look();
        ctx.run_interval(LOOK_EVERY, |watch, _| watch.look());
    }
}

impl Supervised for Watch {
    fn restarting(&mut self, ctx: &mut Context<Self>) {
        *self = ctx.rebuild();
    }
}

#[derive(Message)]
#[rtype(result = "Vec<ServerStatus>")]
struct Look;

impl Handler<Look> for Watch {
    type Result = Vec<ServerStatus>;

    fn handle(&mut self, _: Look, _: &mut Context<Self>) -> Vec<ServerStatus> {
        self.look();
        self.seen.clone()
    }
}

impl Watch {
    fn look(&mut self) {
        let now = self.servers.status();
        for server in &now {
            let up = if server.state == ServerState::Running {
                1.0
            } else {
                0.0
            };
            metrics::gauge!("signalbox_private_server_up", "server" => server.name).set(up);
            metrics::counter!("signalbox_private_server_restarts_total", "server" => server.name)
                .absolute(server.restarts.into());
            let before = self.seen.iter().find(|seen| seen.name == server.name);
            if before.is_some_and(|before| before.restarts < server.restarts && up > 0.0) {
                tracing::info!(
                    server = server.name,
                    restarts = server.restarts,
                    "a private server is back"
                );
            }
        }
        self.seen = now;
    }
}
