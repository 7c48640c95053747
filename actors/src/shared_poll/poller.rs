//! The actor: asks what is to be asked.

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::fut::ActorFutureExt;
use actix::{Actor, AsyncContext, WrapFuture};
use signalbox_core::outbound::Outbound;

use super::QUESTIONS;
use super::ask::ask;
use super::keys::Board;
use crate::supervision::{Context, Supervised};

/// How often is looked what is due. Whoever tracks a key of which nothing is known waits so long.
const LOOK: Duration = Duration::from_millis(50);

pub(super) struct Poller {
    board: Arc<Board>,
    outbound: Option<Outbound>,
    out: usize,
}

impl Poller {
    pub(super) fn new(board: Arc<Board>) -> Self {
        let outbound = Outbound::new();
        if let Err(error) = &outbound {
            tracing::error!(%error, "nothing can be polled");
        }
        Self {
            board,
            outbound: outbound.ok(),
            out: 0,
        }
    }

    fn look(&mut self, ctx: &mut Context<Self>) {
        let Some(outbound) = &self.outbound else { return };
        for question in self
            .board
            .questions(QUESTIONS.saturating_sub(self.out), Instant::now())
        {
            self.out += 1;
            let outbound = outbound.clone();
            let asked = async move {
                let answer = ask(&outbound, &question).await;
                (question, answer)
            };
            ctx.spawn(asked.into_actor(self).map(|(question, answer), poller, _| {
                poller.out -= 1;
                let outcome = if answer.is_ok() { "answered" } else { "failed" };
                metrics::counter!("signalbox_shared_polls_total", "outcome" => outcome).increment(1);
                if let Err(error) = &answer {
                    tracing::warn!(channel = %question.channel, %error, "a shared poll was not answered");
                }
                poller.board.answered(&question, answer.ok());
            }));
        }
    }
}

impl Actor for Poller {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        // whatever the one before this had asked is answered to nobody
        self.board.ask_again();
        ctx.run_interval(LOOK, Self::look);
    }
}

impl Supervised for Poller {
    fn restarting(&mut self, ctx: &mut Self::Context) {
        *self = ctx.rebuild();
    }
}
