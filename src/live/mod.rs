//! Live delivery to clients: the Centrifuge protocol over WebSocket, and plain EventSource.
//!
//! `protocol` is what the words on the wire mean, `client` what a connection may do next; neither knows a socket. `wire` is
//! bytes, `socket` and `plug` the WebSocket's two halves and its end from outside, `connection` carries out what `client`
//! wants, `sse` and `stream_id` are the event stream. Who may come in and see what is asked of `gate`, which `door` answers.

pub mod client;
mod connection;
mod door;
pub mod gate;
mod plug;
pub mod protocol;
mod routes;
mod socket;
mod sse;
mod stream_id;
#[cfg(test)]
mod tests;
mod wire;

pub use connection::Live;
pub use door::Door;
pub use plug::on_connect;
pub use routes::{api_routes, routes};
