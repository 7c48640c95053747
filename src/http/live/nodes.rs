//! The nodes.

use super::problem::Body;
use super::{Answer, Caller};
use actix_web::{get, web};
use serde::Serialize;
use signalbox_actors::nodes::Nodes;
use signalbox_core::bus::questions::{NodeItem, Question};

/// The nodes of this installation.
#[derive(Serialize, utoipa::ToSchema)]
pub struct LiveNodes {
    /// By name.
    items: Vec<NodeItem>,
    /// Nodes that live and did not answer within a second.
    missing: Vec<String>,
}

/// Nodes
///
/// Changes come as `live.nodes` on `feed:live`, once a second.
#[utoipa::path(
    operation_id = "live.nodes", tag = "live",
    responses((status = 200, body = LiveNodes), (status = 403, body = Body))
)]
#[get("/live/nodes")]
pub(super) async fn list(nodes: web::Data<Nodes>, caller: Caller) -> Answer<web::Json<LiveNodes>> {
    caller.require("live:read")?;
    let mut answers = nodes.ask(Question::Node).await;
    Ok(web::Json(LiveNodes {
        missing: std::mem::take(&mut answers.missing),
        items: answers.nodes(),
    }))
}
