//! Every connection of this node, and until when the node may show them anything.
//!
//! Invariant: without a fresh proof that the bus is heard, every connection ends. The proof is a lease, so that a
//! listener that died or hangs closes delivery as surely as one that says so.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::Disconnect;
use super::outlet::Outlet;

/// What carries a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Transport {
    /// WebSocket with the Centrifuge protocol.
    WebSocket,
    /// An HTTP answer of lines, with the Centrifuge protocol; commands come in other requests.
    HttpStream,
    /// An event stream, with the Centrifuge protocol; commands come in other requests.
    Sse,
    /// An event stream of pushes.
    UniSse,
    /// An HTTP answer of pushes.
    UniHttpStream,
    /// A plain event stream of the hub's own channels (`GET /api/v1/stream`).
    EventStream,
}

impl Transport {
    /// Every one.
    pub const ALL: [Self; 6] = [
        Self::WebSocket,
        Self::HttpStream,
        Self::Sse,
        Self::UniSse,
        Self::UniHttpStream,
        Self::EventStream,
    ];

    /// As metrics and pages call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::WebSocket => "websocket",
            Self::HttpStream => "http_stream",
            Self::Sse => "sse",
            Self::UniSse => "uni_sse",
            Self::UniHttpStream => "uni_http_stream",
            Self::EventStream => "event_stream",
        }
    }
}

/// Connections closed at once when the node stops; between batches the others go on being served.
const DRAIN_BATCH: usize = 200;
const DRAIN_PAUSE: Duration = Duration::from_millis(50);

#[derive(Debug, Default)]
pub(super) struct Connections {
    open: Mutex<HashMap<usize, (Arc<Outlet>, Transport)>>,
    vouched_until: Mutex<Option<Instant>>,
    stopping: AtomicBool,
}

impl Connections {
    pub(super) fn add(self: &Arc<Self>, outlet: &Arc<Outlet>, transport: Transport) -> Connected {
        let key = Arc::as_ptr(outlet) as usize;
        self.open.lock().insert(key, (outlet.clone(), transport));
        Connected {
            connections: self.clone(),
            key,
        }
    }

    /// Whether anything may be shown now.
    pub(super) fn may_show(&self, now: Instant) -> bool {
        !self.stopping.load(Ordering::Acquire) && self.vouched_until.lock().is_some_and(|until| now < until)
    }

    pub(super) fn was_vouched_for(&self) -> bool {
        self.vouched_until.lock().is_some()
    }

    pub(super) fn vouch_until(&self, until: Instant) {
        let mut vouched = self.vouched_until.lock();
        *vouched = (*vouched).max(Some(until));
    }

    /// Ends everything when the lease has run out.
    pub(super) fn enforce(&self, now: Instant) {
        if !self.stopping.load(Ordering::Acquire) && !self.may_show(now) {
            self.outlets()
                .iter()
                .for_each(|outlet| outlet.cut(Disconnect::ForceReconnect));
        }
    }

    /// Ends everything in paced batches, and lets nothing new begin.
    pub(super) async fn drain(&self) {
        self.stopping.store(true, Ordering::Release);
        for batch in self.outlets().chunks(DRAIN_BATCH) {
            for outlet in batch {
                outlet.end(Disconnect::Shutdown);
            }
            tokio::time::sleep(DRAIN_PAUSE).await;
        }
    }

    /// How many there are of each transport, in the order of [`Transport::ALL`].
    pub(super) fn count(&self) -> [usize; Transport::ALL.len()] {
        let open = self.open.lock();
        let mut counts = [0; Transport::ALL.len()];
        for (_, transport) in open.values() {
            counts[*transport as usize] += 1;
        }
        counts
    }

    /// Bytes that wait to be written, to all of them.
    pub(super) fn queued_bytes(&self) -> usize {
        let open = self.open.lock();
        open.values().map(|(outlet, _)| outlet.bytes()).sum()
    }

    fn outlets(&self) -> Vec<Arc<Outlet>> {
        self.open
            .lock()
            .values()
            .map(|(outlet, _)| outlet.clone())
            .collect()
    }
}

/// A connection that is counted until this is dropped.
#[derive(Debug)]
pub struct Connected {
    connections: Arc<Connections>,
    key: usize,
}

impl Drop for Connected {
    fn drop(&mut self) {
        self.connections.open.lock().remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_that_is_not_renewed_ends_every_connection() {
        let connections = Arc::new(Connections::default());
        let outlet = Outlet::new(1000);
        let _counted = connections.add(&outlet, Transport::Sse);
        let now = Instant::now();
        assert!(
            !connections.may_show(now),
            "nothing is shown before the first proof"
        );
        connections.vouch_until(now + Duration::from_secs(4));
        connections.enforce(now);
        assert_eq!(outlet.ended(), None);
        connections.enforce(now + Duration::from_secs(4));
        assert_eq!(outlet.ended(), Some(Disconnect::ForceReconnect));
    }

    #[test]
    fn an_older_proof_does_not_shorten_the_lease() {
        let connections = Connections::default();
        let now = Instant::now();
        connections.vouch_until(now + Duration::from_secs(4));
        connections.vouch_until(now + Duration::from_secs(2));
        assert!(connections.may_show(now + Duration::from_secs(3)));
    }

    #[tokio::test]
    async fn a_stopping_node_tells_everybody_to_go_elsewhere_and_takes_nobody() {
        let connections = Arc::new(Connections::default());
        let outlet = Outlet::new(1000);
        let counted = connections.add(&outlet, Transport::WebSocket);
        let now = Instant::now();
        connections.vouch_until(now + Duration::from_secs(60));
        connections.drain().await;
        assert_eq!(outlet.ended(), Some(Disconnect::Shutdown));
        assert!(!connections.may_show(now));
        drop(counted);
        assert_eq!(connections.count(), [0; Transport::ALL.len()]);
    }
}
