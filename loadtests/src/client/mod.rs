//! A subscriber that costs next to nothing: a bare TCP stream, frames read in place, every byte of a payload checked.
//!
//! Servers are compared on a machine that they share with their clients, so what a client costs is taken from the figure.
//! Nothing is allocated for a message, and a connection without traffic holds no buffer.

mod crowd;
mod ear;
mod frame;
pub mod payload;
mod socket;
mod watchers;

pub use crowd::{Crowd, Farm, PACED, WARM_UP, clock};
pub use ear::Dialect;
use ear::Ear;
pub use socket::{Socket, source};

use anyhow::{Context, ensure};
use frame::{CLOSE, PING};
use std::net::SocketAddr;
pub use watchers::{Event, Watchers};

/// Where a server's subscribers come in, and what they say.
#[derive(Clone)]
pub struct Door {
    pub address: SocketAddr,
    pub path: String,
    pub dialect: Dialect,
}

/// What came of reading once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line {
    Open,
    /// The server has said with this code that it is over.
    Closed(u16),
    /// The connection has ended without a word.
    Gone,
}

/// One subscriber that has been let in.
pub struct Subscriber {
    pub socket: Socket,
    ear: Ear,
}

impl Door {
    /// Connects the `n`-th subscriber and waits until its subscription is answered, where the server answers it.
    pub async fn enter(&self, n: usize) -> anyhow::Result<Subscriber> {
        let mut subscriber = Subscriber {
            socket: Socket::open(self.address, source(n), &self.path).await?,
            ear: Ear::new(self.dialect.clone()),
        };
        subscriber.answer().await?;
        while !subscriber.ear.greeted() {
            let Subscriber { socket, ear } = &mut subscriber;
            let open = socket.receive(|frame| ear.greet(&frame)).await?;
            ensure!(open, "closed while subscribing");
            subscriber.answer().await?;
        }
        Ok(subscriber)
    }
}

impl Subscriber {
    /// Reads once what has come; `heard` gets each publication's payload. False when the server has gone.
    pub async fn listen(
        &mut self,
        mut heard: impl FnMut(&[u8]) -> anyhow::Result<()>,
    ) -> anyhow::Result<bool> {
        let Self { socket, ear } = self;
        let open = socket.receive(|frame| ear.frame(&frame, &mut heard)).await?;
        self.answer().await?;
        Ok(open)
    }

    /// Reads once what has come; `look` gets each message as it is, and only pings are understood.
    pub async fn watch(&mut self, mut look: impl FnMut(&[u8])) -> anyhow::Result<Line> {
        let Self { socket, ear } = self;
        let mut closed = None;
        let open = socket.receive(|frame| {
            match frame.opcode {
                CLOSE => closed = frame.payload.first_chunk().map(|code| u16::from_be_bytes(*code)),
                PING => return ear.frame(&frame, &mut |_| Ok(())),
                _ => {
                    // a busy hub joins messages, one a line
                    frame.payload.split(|byte| *byte == b'\n').for_each(&mut look);
                    ear.pong_if_pinged(frame.payload);
                }
            }
            Ok(())
        });
        let open = open.await?;
        match closed {
            Some(code) => Ok(Line::Closed(code)),
            None if open => self.answer().await.map(|()| Line::Open),
            None => Ok(Line::Gone),
        }
    }

    async fn answer(&mut self) -> anyhow::Result<()> {
        while let Some((opcode, payload)) = self.ear.answer() {
            self.socket
                .send(opcode, &payload)
                .await
                .context("cannot answer")?;
        }
        Ok(())
    }
}
