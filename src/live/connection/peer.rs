//! Whom a connection is with: by what it comes, and by what its peer sends.

use std::net::IpAddr;

use signalbox_actors::live_hub::Transport;
use tokio::sync::oneshot;

use super::super::gate::Credentials;
use super::super::socket::{Incoming, Reader};
use super::super::wire::Dialect;

/// What a connection comes by.
#[derive(Debug, Clone)]
pub struct Way {
    /// What carries it.
    pub transport: Transport,
    /// How it is written to.
    pub dialect: Dialect,
    /// What the request that opened it shows: the session cookie, if it came from our own pages, or a ticket.
    pub shown: Credentials,
    /// Where it comes from.
    pub address: String,
    /// The same, for rules about it.
    pub ip: Option<IpAddr>,
}

/// What a peer sends by.
pub enum Input {
    /// The connection's own socket.
    Socket(Reader),
    /// Other requests, or none; the receiver hears when the response body is gone.
    Elsewhere(oneshot::Receiver<()>),
}

impl Input {
    pub(super) async fn next(&mut self) -> Incoming {
        match self {
            Self::Socket(reader) => reader.next().await,
            Self::Elsewhere(gone) => {
                // an error is the other side's end, which is what is waited for
                let _ = gone.await;
                Incoming::Closed
            }
        }
    }

    /// Lets a peer read what was written last.
    pub(super) async fn drain(&mut self) {
        match self {
            Self::Socket(reader) => reader.drain().await,
            Self::Elsewhere(gone) => {
                let _ = gone.await;
            }
        }
    }
}
