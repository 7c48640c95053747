//! What the actor is asked.

use actix::{AsyncContext, Handler, Message, MessageResult, WrapFuture};
use signalbox_core::bus::questions::{Answer, Question};

use super::Keeper;
use super::direct::Direct;
use crate::supervision::Context;

/// Answer for this node.
#[derive(Message)]
#[rtype(result = "Answer")]
pub(super) struct Mine(pub(super) Question);

impl Handler<Mine> for Keeper {
    type Result = MessageResult<Mine>;

    fn handle(&mut self, mine: Mine, _: &mut Context<Self>) -> Self::Result {
        MessageResult(self.shared.answer(&mine.0))
    }
}

/// Answer another node.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Asked {
    pub(super) id: u64,
    pub(super) node: String,
    pub(super) question: Question,
}

impl Handler<Asked> for Keeper {
    type Result = ();

    fn handle(&mut self, asked: Asked, ctx: &mut Context<Self>) {
        let answer = self.shared.answer(&asked.question);
        let Ok(answer) = serde_json::to_vec(&answer) else {
            return;
        };
        let bus = self.shared.store.bus.clone();
        let direct = Direct::Answer {
            id: asked.id,
            node: self.shared.node.clone(),
            answer: answer.into(),
        };
        // what cannot be said is missing at the asker's
        let say = async move {
            if let Ok(message) = direct.encode() {
                bus.publish(&bus.keys().node(&asked.node), &message).await.ok();
            }
        };
        ctx.spawn(say.into_actor(self));
    }
}
