//! Live delivery to clients: the Centrifuge protocol over WebSocket, HTTP streams and EventSource, and plain event streams.
//!
//! `protocol` is what the words on the wire mean, `client` what a connection may do next; neither knows a socket. `wire` is
//! bytes, `socket` and `plug` the WebSocket's two halves and its end from outside, `body` the writing half of the other
//! transports, `connection` carries out what `client` wants with `following`, `map` and `answers`, `sse` and `stream_id` are the plain
//! event stream. Who may come in and see what is asked of `gate`, which `door` answers: for the hub's own people by their
//! sessions and permissions, for users of the operator's application by `application`.

mod answers;
mod application;
mod body;
pub mod client;
mod connection;
mod door;
mod following;
pub mod gate;
mod map;
mod pending;
mod plug;
pub mod protocol;
mod routes;
mod session;
mod socket;
mod sse;
mod stream_id;
mod streams;
#[cfg(test)]
mod tests;
mod tracking;
mod visit;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use signalbox_actors::live_hub::{LiveHub, Most};
use signalbox_actors::nodes::Nodes;
use signalbox_actors::presence::Presence;
use signalbox_actors::shared_poll::SharedPolls;
use signalbox_core::Store;
use signalbox_core::kernel::clock::Clock;
use signalbox_core::live::application::shared_poll::Signatures;

use crate::config::Settings;
use crate::http::limits::Posts;
use client::Timing;
use gate::Gatekeeper;

pub use application::Application;
pub use door::Door;
pub use plug::on_connect;
pub use routes::{api_routes, routes};

/// What live transports need of the rest of the hub.
#[derive(Clone)]
pub struct Live {
    /// Delivery on this node.
    pub hub: LiveHub,
    /// Who is in which channel.
    pub presence: Presence,
    /// What is polled for clients.
    pub polls: SharedPolls,
    /// Which keys a client may have polled.
    pub signatures: Arc<Signatures>,
    /// How fast commands are carried to streams.
    pub posts: Arc<Posts>,
    /// The other nodes.
    pub nodes: Nodes,
    /// Who may see what.
    pub gate: Arc<dyn Gatekeeper>,
    /// PostgreSQL and Redis.
    pub store: Store,
    /// Tells the time.
    pub clock: Clock,
    /// The protocol's times.
    pub timing: Arc<Timing>,
    /// Bounds of one connection.
    pub limits: Limits,
    /// Which of the transports that are off by default are on.
    pub transports: Transports,
    /// Pages of other hosts that may open connections: `*`, or an origin with `*` in it.
    pub allowed_origins: Arc<[String]>,
}

/// Bounds of one connection.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes that may wait for it.
    pub queue_bytes: usize,
    /// Connections of one user, and from one address, on this node.
    pub connections: Most,
    /// Publications in one answer to `history`.
    pub history: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            queue_bytes: 1024 * 1024,
            connections: Most::default(),
            history: 300,
        }
    }
}

/// Transports that an operator must switch on.
#[derive(Debug, Clone, Copy, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a setting of its own")]
pub struct Transports {
    /// `/connection/http_stream`
    pub http_stream: bool,
    /// `/connection/sse`
    pub sse: bool,
    /// `/connection/uni_sse`
    pub uni_sse: bool,
    /// `/connection/uni_http_stream`
    pub uni_http_stream: bool,
    /// `/connection/uni_websocket`
    pub uni_websocket: bool,
}

impl Live {
    /// As `settings` have it.
    pub fn new(
        settings: &Settings,
        store: Store,
        hub: LiveHub,
        presence: Presence,
        polls: SharedPolls,
        nodes: Nodes,
        gate: Arc<dyn Gatekeeper>,
    ) -> Self {
        let live = &settings.live;
        let seconds = Duration::from_secs;
        Self {
            hub,
            presence,
            polls,
            signatures: Arc::new(live.signatures()),
            posts: Arc::default(),
            nodes,
            gate,
            clock: store.clock.clone(),
            store,
            timing: Arc::new(Timing {
                ping: seconds(live.ping_seconds),
                pong: seconds(live.pong_seconds),
                stale: seconds(live.stale_seconds),
                grace: seconds(live.expired_close_seconds),
                channels: live.client_channel_limit,
            }),
            limits: Limits {
                queue_bytes: live.queue_bytes,
                connections: Most {
                    of_user: live.user_connection_limit,
                    of_address: live.address_connection_limit,
                },
                history: live.history_limit,
            },
            transports: Transports {
                http_stream: live.transports.http_stream,
                sse: live.transports.sse,
                uni_sse: live.transports.uni_sse,
                uni_http_stream: live.transports.uni_http_stream,
                uni_websocket: live.transports.uni_websocket,
            },
            allowed_origins: live.allowed_origins.clone().into(),
        }
    }
}

/// Milliseconds since 1970.
fn milliseconds(clock: &Clock) -> i64 {
    (clock.now().unix_timestamp_nanos() / 1_000_000) as i64
}
