//! The servers that are compared: each in processes of its own, started here on loopback and ended here.

mod bare;
mod centrifugo;
mod hub;
mod nats;
mod nchan;
mod process;
mod socket_io;

pub use bare::{serve as serve_bare, start as start_bare};
pub use hub::{
    KEY, PLAIN, application_token, configuration as hub_configuration, door as hub_door, member_door,
};
pub use process::{Process, Scratch, free_port, version};

use crate::client::Door;
use crate::publish::Route;
use std::path::PathBuf;

/// A running server.
pub struct Server {
    /// With its version.
    pub name: String,
    /// Its process; what it has started counts as its own.
    pub pid: u32,
    pub door: Door,
    pub route: Route,
    /// Ends it when dropped.
    _running: Box<dyn Send>,
}

/// What can be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Peer {
    /// The hub, a channel without history.
    Hub,
    /// The hub, a channel with history: subscribers can resume.
    HubHistory,
    /// Bare tokio: the floor of what the machine can do.
    Bare,
    Nchan,
    SocketIo,
    Nats,
    Centrifugo,
}

/// Where their programs are.
#[derive(Clone)]
pub struct Programs {
    /// The hub's binary.
    pub hub: PathBuf,
    /// A folder in which `npm install socket.io` was run.
    pub socket_io: PathBuf,
    /// Centrifugo's binary, where there is one.
    pub centrifugo: Option<PathBuf>,
}

impl Peer {
    pub const ALL: [Self; 7] = [
        Self::Hub,
        Self::HubHistory,
        Self::Bare,
        Self::Nchan,
        Self::SocketIo,
        Self::Nats,
        Self::Centrifugo,
    ];

    /// In tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hub => "hub",
            Self::HubHistory => "hub with history",
            Self::Bare => "bare loop",
            Self::Nchan => "nchan",
            Self::SocketIo => "socket.io",
            Self::Nats => "nats",
            Self::Centrifugo => "centrifugo",
        }
    }

    /// Starts it. An error says what is missing.
    pub async fn start(self, programs: &Programs) -> anyhow::Result<Server> {
        match self {
            Self::Hub => hub::start(&programs.hub, hub::PLAIN).await,
            Self::HubHistory => hub::start(&programs.hub, hub::HISTORY).await,
            Self::Bare => bare::start(),
            Self::Nchan => nchan::start(),
            Self::SocketIo => socket_io::start(&programs.socket_io),
            Self::Nats => nats::start(),
            Self::Centrifugo => centrifugo::start(programs.centrifugo.as_deref()),
        }
    }
}
