//! Live delivery to clients: the Centrifuge protocol over WebSocket, and plain EventSource.

pub mod client;
pub mod protocol;
