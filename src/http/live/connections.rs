//! Connections: which there are, one with its channels, the end of one.

use super::problem::Body;
use super::{Answer, Caller, Json, State, people, seen_by};
use actix_web::{HttpResponse, get, post, web};
use serde::{Deserialize, Serialize};
use signalbox_actors::nodes::Nodes;
use signalbox_core::bus::questions::{ConnectionRow, ConnectionsWanted, Question, SortBy};
use signalbox_core::connections::{self, Connection};
use signalbox_core::kernel::error::Error;
use signalbox_core::kernel::page;
use signalbox_core::live::application::APPLICATION;
use std::collections::HashMap;
use time::OffsetDateTime;

/// Which connections, in which order.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    /// Rows of a page, 1 to 1000; 50 when absent.
    limit: Option<u32>,
    /// `next_cursor` of the page before, with the same filters and sort.
    cursor: Option<String>,
    /// Text in the connection's id, user id or SDK name, in the user's name, or in the address.
    q: Option<String>,
    /// Only this user's.
    user: Option<String>,
    /// Only those of this node.
    node: Option<String>,
    /// Only this transport.
    transport: Option<String>,
    /// Order; newest first when absent.
    #[serde(default)]
    #[param(inline)]
    sort: SortBy,
}

/// A live connection.
#[derive(Serialize, utoipa::ToSchema)]
pub struct LiveConnection {
    /// Its id.
    client: String,
    /// The node that holds it.
    node: String,
    /// Who; empty for nobody by name.
    user: String,
    /// The member's name, where the viewer may see people.
    user_name: Option<String>,
    /// A user of the operator's application, not a member.
    application: bool,
    /// `websocket`, `http_stream`, `sse`, `uni_websocket`, `uni_http_stream`, `uni_sse` or `event_stream`.
    transport: String,
    /// `json` or `protobuf`.
    protocol: String,
    /// The SDK's name, as it says.
    name: String,
    /// The SDK's version, as it says.
    version: String,
    /// Where it comes from; null for viewers without `sessions:read`.
    address: Option<String>,
    /// Since when.
    #[serde(with = "time::serde::rfc3339")]
    connected_at: OffsetDateTime,
    /// How many channels it follows.
    channels: u32,
    /// Bytes that wait to be written to it.
    queue_bytes: u64,
    /// From the last ping to its pong; null before the first.
    latency_ms: Option<u32>,
}

/// A page of connections.
#[derive(Serialize, utoipa::ToSchema)]
pub struct LiveConnections {
    items: Vec<LiveConnection>,
    /// On all nodes, with these filters.
    total: u64,
    /// Absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
    /// Nodes that live and did not answer within a second: theirs are not here.
    missing: Vec<String>,
}

/// A live connection with its channels.
#[derive(Serialize, utoipa::ToSchema)]
pub struct OneLiveConnection {
    #[serde(flatten)]
    connection: LiveConnection,
    /// The channels it follows, by name.
    subscriptions: Vec<String>,
}

impl LiveConnection {
    fn of(node: String, row: ConnectionRow, names: &HashMap<String, String>) -> Self {
        let application = row.organization == APPLICATION;
        Self {
            node,
            user_name: names.get(&row.user).filter(|_| !application).cloned(),
            client: row.client,
            user: row.user,
            application,
            transport: row.transport,
            protocol: row.protocol,
            name: row.name,
            version: row.version,
            address: Some(row.address).filter(|address| !address.is_empty()),
            connected_at: row.connected_at,
            channels: row.channels,
            queue_bytes: row.queue_bytes,
            latency_ms: row.latency_ms,
        }
    }
}

/// Connections
///
/// Of the organization's members and of the application's users, on all nodes.
#[utoipa::path(
    operation_id = "live.connections", tag = "live", params(Asked),
    responses((status = 200, body = LiveConnections), (status = 403, body = Body), (status = 422, body = Body))
)]
#[get("/live/connections")]
pub(super) async fn list(
    state: web::Data<State>,
    nodes: web::Data<Nodes>,
    caller: Caller,
    asked: web::Query<Asked>,
) -> Answer<web::Json<LiveConnections>> {
    caller.require("live:read")?;
    let wanted = wanted(&state, &caller, &asked).await?;
    let mut answers = nodes.ask(Question::Connections(wanted.clone())).await;
    let missing = std::mem::take(&mut answers.missing);
    if let Some(node) = &asked.node {
        answers.given.retain(|(answered, _)| answered == node);
    }
    let mut found = answers.connections(&wanted);
    let limit = wanted.limit as usize - 1;
    let next_cursor = page::cut(&mut found.items, limit, |(_, row)| wanted.end(row))?;
    let members = found
        .items
        .iter()
        .filter(|(_, row)| row.organization != APPLICATION);
    let names = people::names(&state.store, &caller, members.map(|(_, row)| row.user.as_str())).await?;
    let items = found.items.into_iter();
    Ok(web::Json(LiveConnections {
        items: items
            .map(|(node, row)| LiveConnection::of(node, row, &names))
            .collect(),
        total: found.total,
        next_cursor,
        missing,
    }))
}

/// One more row than the page has, so that it is known whether there is another.
async fn wanted(state: &State, caller: &Caller, asked: &Asked) -> Answer<ConnectionsWanted> {
    let text = asked.q.as_deref().map(str::trim).filter(|text| !text.is_empty());
    let users = match text {
        Some(text) => people::called(&state.store, caller, text).await?,
        None => Vec::new(),
    };
    Ok(ConnectionsWanted {
        organizations: seen_by(caller),
        text: text.map(str::to_owned),
        users,
        user: asked.user.clone(),
        transport: asked.transport.clone(),
        sort: asked.sort,
        after: asked.cursor.as_deref().map(page::decode_cursor).transpose()?,
        limit: page::limit(asked.limit)? + 1,
        addresses: caller.permissions.has("sessions:read"),
    })
}

/// A connection
#[utoipa::path(
    operation_id = "live.connection", tag = "live", params(("client" = String, Path, description = "Its id")),
    responses((status = 200, body = OneLiveConnection), (status = 403, body = Body), (status = 404, body = Body),
              (status = 503, body = Body))
)]
#[get("/live/connections/{client}")]
pub(super) async fn get(
    state: web::Data<State>,
    nodes: web::Data<Nodes>,
    caller: Caller,
    client: web::Path<String>,
) -> Answer<web::Json<OneLiveConnection>> {
    caller.require("live:read")?;
    let (node, mut row, mut subscriptions) = find(&nodes, &caller, &client).await?;
    if !caller.permissions.has("sessions:read") {
        row.address.clear();
    }
    subscriptions.sort_unstable();
    let names = people::names(&state.store, &caller, std::iter::once(row.user.as_str())).await?;
    Ok(web::Json(OneLiveConnection {
        connection: LiveConnection::of(node, row, &names),
        subscriptions,
    }))
}

async fn find(nodes: &Nodes, caller: &Caller, client: &str) -> Answer<(String, ConnectionRow, Vec<String>)> {
    let question = Question::Connection {
        organizations: seen_by(caller),
        client: client.to_owned(),
    };
    let answers = nodes.ask(question).await;
    let silent = answers.missing.clone();
    match answers.connection() {
        Some(found) => Ok(found),
        None if silent.is_empty() => Err(Error::not_found("connection").into()),
        None => {
            let silent = format!("no answer of {}", silent.join(", "));
            Err(Error::unavailable("live.node", silent).into())
        }
    }
}

/// Why, and what comes after.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Disconnect {
    /// Shown at the other end and kept in the audit log, 1 to 123 bytes.
    reason: String,
    /// The client comes back by itself. Without, it stays away until its user does something.
    #[serde(default)]
    reconnect: bool,
}

/// End a connection
///
/// Recorded in the audit log. Whoever is cut off may sign in again; to keep somebody out, ban them or end their session.
#[utoipa::path(
    operation_id = "live.disconnect", tag = "live", request_body = Disconnect,
    params(("client" = String, Path, description = "Its id")),
    responses((status = 204), (status = 403, body = Body), (status = 404, body = Body), (status = 422, body = Body),
              (status = 503, body = Body))
)]
#[post("/live/connections/{client}/disconnect")]
pub(super) async fn disconnect(
    state: web::Data<State>,
    nodes: web::Data<Nodes>,
    caller: Caller,
    client: web::Path<String>,
    Json(ask): Json<Disconnect>,
) -> Answer<HttpResponse> {
    caller.require("live:disconnect")?;
    let (_, row, _) = find(&nodes, &caller, &client).await?;
    let connection = Connection {
        client: row.client,
        organization: row.organization,
        user: row.user,
    };
    connections::disconnect(&state.store, &caller, &connection, &ask.reason, ask.reconnect).await?;
    Ok(HttpResponse::NoContent().finish())
}
