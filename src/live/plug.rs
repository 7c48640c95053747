//! Ending a socket from outside. A peer that does not read keeps the HTTP dispatcher waiting for room, and with it
//! everything that is polled from there; the socket itself can still be shut down.

use std::any::Any;
use std::cell::Cell;
use std::os::fd::{AsRawFd, RawFd};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::dev::Extensions;
use actix_web::rt::net::TcpStream;
use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, Shutdown, recv, shutdown};
use signalbox_actors::live_hub::Outlet;
use socket2::SockRef;

use crate::listener::Unwritten;

/// How long sent bytes may stay unacknowledged, or the peer's window closed, before the kernel ends the connection.
const UNACKNOWLEDGED: Duration = Duration::from_secs(20);

/// How often it is looked whether the peer of an endless answer has hung up. The HTTP dispatcher takes the end of what a client
/// says for no reason to stop answering, and notices that nobody reads when it has written twice: half a minute, on a stream on
/// which nothing happens.
const LOOK: Duration = Duration::from_secs(1);

/// The socket under an HTTP connection, by number: a duplicate would cost every connection a second descriptor.
#[derive(Debug, Clone, Copy)]
struct Socket(RawFd);

/// To be called by the HTTP server for each connection it accepts.
pub fn on_connect(connection: &dyn Any, extensions: &mut Extensions) {
    if let Some(stream) = connection.downcast_ref::<TcpStream>() {
        let socket = SockRef::from(stream);
        // both only make things faster; a socket that refuses them works all the same
        let _ = socket.set_tcp_nodelay(true);
        let _ = socket.set_tcp_user_timeout(Some(UNACKNOWLEDGED));
        extensions.insert(Socket(stream.as_raw_fd()));
    }
}

/// Pulls the plug of one connection while it lives.
#[derive(Debug)]
pub enum Plug {
    /// The HTTP dispatcher has the socket.
    Dispatched(Rc<Dispatched>),
    /// The socket has been taken.
    Taken(Rc<TcpStream>),
}

/// A socket that the HTTP dispatcher has, while its response body lives.
///
/// Neither half is `Send`: body, dispatcher and driver share one thread, and the dispatcher closes the socket only after it
/// has dropped the body. So between the look at `alive` and the shutdown the number cannot come to mean another socket.
#[derive(Debug)]
pub struct Dispatched {
    socket: Option<Socket>,
    unwritten: Unwritten,
    alive: Cell<bool>,
}

/// The other half, to be kept in the response body.
#[derive(Debug)]
pub struct Alive(Rc<Dispatched>);

impl Plug {
    /// Both halves for the connection that `request` came on.
    pub fn of(request: &HttpRequest) -> (Self, Alive) {
        let socket = Rc::new(Dispatched {
            socket: request.conn_data::<Socket>().copied(),
            unwritten: unwritten(request),
            alive: Cell::new(true),
        });
        (Self::Dispatched(socket.clone()), Alive(socket))
    }

    /// Waits until the peer has said that it says nothing more, or its connection is gone. To be asked where others see the
    /// client; never, of a socket that has a reader of its own.
    pub async fn hung_up(&self) {
        while !self.is_hung_up() {
            tokio::time::sleep(LOOK).await;
        }
    }

    fn is_hung_up(&self) -> bool {
        let Self::Dispatched(dispatched) = self else {
            return false;
        };
        let look = MsgFlags::MSG_PEEK | MsgFlags::MSG_DONTWAIT;
        dispatched
            .number()
            .is_some_and(|number| match recv(number, &mut [0], look) {
                Ok(said) => said == 0,
                Err(error) => !matches!(error, Errno::EAGAIN | Errno::EINTR),
            })
    }

    /// Ends the connection whatever the peer does.
    pub fn pull(&self) {
        match self {
            Self::Dispatched(dispatched) => dispatched.pull(),
            Self::Taken(stream) => {
                // a socket that is no longer connected says so; that is what was wanted
                let _ = SockRef::from(&**stream).shutdown(std::net::Shutdown::Both);
            }
        }
    }
}

impl Dispatched {
    /// The socket's number, while it is its own.
    fn number(&self) -> Option<RawFd> {
        self.socket
            .filter(|_| self.alive.get())
            .map(|Socket(number)| number)
    }

    fn pull(&self) {
        if let Some(number) = self.number() {
            // as above
            let _ = shutdown(number, Shutdown::Both);
        }
    }
}

impl Alive {
    /// Something is given to the dispatcher.
    pub fn gives(&self) {
        self.0.unwritten.add();
    }

    /// Ends the connection whatever the dispatcher has still to write.
    pub fn pull(&self) {
        self.0.pull();
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.alive.set(false);
    }
}

/// What waits for a client whose stream is the answer to `request`.
pub fn outlet(request: &HttpRequest, limit: usize) -> Arc<Outlet> {
    Outlet::written_by(limit, unwritten(request).0)
}

fn unwritten(request: &HttpRequest) -> Unwritten {
    request.conn_data::<Unwritten>().cloned().unwrap_or_default()
}
