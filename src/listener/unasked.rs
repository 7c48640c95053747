//! Connections that ask nothing. actix-http bounds the head of a connection's first request, and the time in which nothing
//! comes; with the first byte of a further head it takes its timer off, so that one that trickles would stay for ever.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::os::fd::{AsRawFd, RawFd};
use std::rc::Rc;
use std::time::{Duration, Instant};

use actix_web::rt::net::TcpStream;
use nix::sys::socket::{Shutdown, shutdown};

/// How often that is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// The HTTP connections of one thread.
#[derive(Clone, Default)]
pub struct Connections(Rc<RefCell<HashMap<RawFd, Rc<Conduct>>>>);

struct Conduct {
    /// Requests that are not answered to the end.
    under_way: Cell<u32>,
    /// When there last was one.
    since: Cell<Instant>,
}

/// A connection's place among them, until it is dropped. The HTTP dispatcher drops it with its socket, on the same thread, so a
/// number here never means another socket.
pub struct Place {
    number: RawFd,
    conduct: Rc<Conduct>,
    all: Connections,
}

/// A request of a connection, until it is answered to the end.
pub struct UnderWay(Rc<Conduct>);

impl Connections {
    /// A connection has been accepted.
    pub fn accept(&self, stream: &TcpStream) -> Place {
        let number = stream.as_raw_fd();
        let conduct = Rc::new(Conduct {
            under_way: Cell::new(0),
            since: Cell::new(Instant::now()),
        });
        self.0.borrow_mut().insert(number, conduct.clone());
        Place {
            number,
            conduct,
            all: self.clone(),
        }
    }

    /// Its socket is HTTP's no longer.
    pub fn forget(&self, stream: &TcpStream) {
        self.0.borrow_mut().remove(&stream.as_raw_fd());
    }

    /// Ends those that have asked nothing for so long, for ever.
    pub async fn watch(self, most: Duration) {
        loop {
            actix_web::rt::time::sleep(LOOK).await;
            self.end_unasked(Instant::now(), most);
        }
    }

    fn end_unasked(&self, now: Instant, most: Duration) {
        for (number, conduct) in self.0.borrow().iter() {
            let asked_nothing = conduct.under_way.get() == 0;
            if asked_nothing && now.saturating_duration_since(conduct.since.get()) > most {
                // a socket that is no longer connected says so; that is what was wanted
                let _ = shutdown(*number, Shutdown::Both);
            }
        }
    }
}

impl Place {
    /// A request has come.
    pub fn asked(&self) -> UnderWay {
        self.conduct.under_way.set(self.conduct.under_way.get() + 1);
        UnderWay(self.conduct.clone())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut all = self.all.0.borrow_mut();
        if all
            .get(&self.number)
            .is_some_and(|held| Rc::ptr_eq(held, &self.conduct))
        {
            all.remove(&self.number);
        }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.under_way.set(self.0.under_way.get() - 1);
        self.0.since.set(Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;
    use tokio::net::TcpListener;

    use super::*;

    #[test]
    fn only_a_connection_without_a_request_is_ended_and_a_socket_that_was_taken_is_not() {
        actix_web::rt::System::new().block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let all = Connections::default();
            let mut pairs = Vec::new();
            for _ in 0..4 {
                let peer = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
                let (stream, _) = listener.accept().await.unwrap();
                let place = all.accept(&stream);
                pairs.push((peer, stream, place));
            }
            let (busy, was_busy) = (pairs[1].2.asked(), pairs[2].2.asked());
            all.forget(&pairs[3].1);
            let most = Duration::from_secs(15);
            let later = Instant::now() + most;
            drop(was_busy);
            all.end_unasked(Instant::now(), most);
            all.end_unasked(later, most);
            // the first had none; the third has had one since
            assert_eq!(pairs[0].0.read(&mut [0]).await.unwrap(), 0);
            for (peer, stream, _) in &mut pairs[1..] {
                stream.try_write(b"x").unwrap();
                assert_eq!(peer.read(&mut [0]).await.unwrap(), 1);
            }
            drop(busy);
            drop(pairs);
            assert!(all.0.borrow().is_empty());
        });
    }
}
