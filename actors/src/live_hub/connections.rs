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
    /// WebSocket with pushes alone.
    UniWebSocket,
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
    pub const ALL: [Self; 7] = [
        Self::WebSocket,
        Self::UniWebSocket,
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
            Self::UniWebSocket => "uni_websocket",
            Self::HttpStream => "http_stream",
            Self::Sse => "sse",
            Self::UniSse => "uni_sse",
            Self::UniHttpStream => "uni_http_stream",
            Self::EventStream => "event_stream",
        }
    }
}

/// Between two batches of a drain; whoever is not in them goes on being served.
const DRAIN_PAUSE: Duration = Duration::from_millis(50);

/// Between two looks for connections that have stalled.
const LOOK_EVERY: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
pub(super) struct Connections {
    open: Mutex<HashMap<usize, (Arc<Outlet>, Transport)>>,
    vouched_until: Mutex<Option<Instant>>,
    looked_at: Mutex<Option<Instant>>,
    draining: AtomicBool,
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
        self.vouched_until.lock().is_some_and(|until| now < until)
    }

    pub(super) fn was_vouched_for(&self) -> bool {
        self.vouched_until.lock().is_some()
    }

    pub(super) fn vouch_until(&self, until: Instant) {
        let mut vouched = self.vouched_until.lock();
        *vouched = (*vouched).max(Some(until));
    }

    /// Ends everything when the lease has run out, and what has stalled.
    pub(super) fn enforce(&self, now: Instant) {
        if !self.may_show(now) {
            self.outlets()
                .iter()
                .for_each(|outlet| outlet.cut(Disconnect::ForceReconnect));
        }
        if self.is_time_to_look(now) {
            self.stalled(now).iter().for_each(|outlet| outlet.too_slow());
        }
    }

    /// Every shard asks, and one of them is told to.
    fn is_time_to_look(&self, now: Instant) -> bool {
        let mut looked_at = self.looked_at.lock();
        let due = looked_at.is_none_or(|at| now.saturating_duration_since(at) >= LOOK_EVERY);
        if due {
            *looked_at = Some(now);
        }
        due
    }

    /// Whether everybody is being moved to other nodes, or was.
    pub(super) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    /// Ends everything in paced batches: `per_second` of them, and as many more as it takes to be done `within`. Whoever
    /// waits for their turn is served as before. Returns when everybody was told, those included who were about to come in.
    pub(super) async fn drain(&self, per_second: u32, within: Option<Duration>) {
        self.draining.store(true, Ordering::Release);
        let until = within.map(|within| Instant::now() + within);
        loop {
            let mut left = self.outlets();
            left.retain(|outlet| outlet.ended().is_none());
            if left.is_empty() {
                return;
            }
            let time = until.map(|until| until.saturating_duration_since(Instant::now()));
            for outlet in left.iter().take(batch(left.len(), per_second, time)) {
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

    fn stalled(&self, now: Instant) -> Vec<Arc<Outlet>> {
        let open = self.open.lock();
        let stalled = open.values().filter(|(outlet, _)| outlet.is_stalled(now));
        stalled.map(|(outlet, _)| outlet.clone()).collect()
    }

    fn outlets(&self) -> Vec<Arc<Outlet>> {
        self.open
            .lock()
            .values()
            .map(|(outlet, _)| outlet.clone())
            .collect()
    }
}

/// How many of `left` are ended before the next pause, when `time` is left for all.
fn batch(left: usize, per_second: u32, time: Option<Duration>) -> usize {
    let share = |of: f64| (of * DRAIN_PAUSE.as_secs_f64()).ceil() as usize;
    let asked = share(f64::from(per_second)).max(1);
    // one pause less than there are, so that the last batch is not late
    let needed = time.map_or(0, |time| {
        let pauses = (time.as_secs_f64() / DRAIN_PAUSE.as_secs_f64()).floor() - 1.0;
        (left as f64 / pauses.max(1.0)).ceil() as usize
    });
    asked.max(needed)
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
    use crate::live_hub::{Frame, Subscriber};

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
    fn a_client_that_took_nothing_since_it_was_told_of_a_gap_is_ended_as_slow_and_nobody_else() {
        let connections = Arc::new(Connections::default());
        let now = Instant::now();
        connections.vouch_until(now + Duration::from_secs(600));
        let (stuck, quick) = (Outlet::new(300), Outlet::new(300));
        let _counted = [&stuck, &quick].map(|outlet| connections.add(outlet, Transport::WebSocket));
        let subscriber = Subscriber::new(stuck.clone(), 1);
        for n in 0..10 {
            subscriber.push(Frame::new("event".into(), 0), n + 1);
        }
        assert!(stuck.has_dropped(1));
        connections.enforce(now);
        connections.enforce(now + Duration::from_secs(5));
        assert_eq!(stuck.ended(), None);
        connections.enforce(now + Duration::from_secs(12));
        assert_eq!((stuck.ended(), quick.ended()), (Some(Disconnect::Slow), None));
    }

    #[test]
    fn an_older_proof_does_not_shorten_the_lease() {
        let connections = Connections::default();
        let now = Instant::now();
        connections.vouch_until(now + Duration::from_secs(4));
        connections.vouch_until(now + Duration::from_secs(2));
        assert!(connections.may_show(now + Duration::from_secs(3)));
    }

    #[test]
    fn a_drain_is_paced_and_done_in_the_time_it_has() {
        for (per_second, within, least, most) in [
            (500, None, 1_900, 2_100),
            (500, Some(1_000), 800, 1_000),
            (500, Some(10_000), 1_900, 2_100),
            (1_000_000, None, 0, 60),
            (0, Some(100), 0, 100),
        ] {
            let (mut left, mut took) = (1_000_usize, Duration::ZERO);
            while left > 0 {
                let time = within.map(|within| Duration::from_millis(within).saturating_sub(took));
                left = left.saturating_sub(batch(left, per_second, time));
                took += DRAIN_PAUSE;
            }
            assert!(
                (least..=most).contains(&took.as_millis()),
                "{per_second} a second within {within:?} took {took:?}"
            );
        }
    }

    #[tokio::test]
    async fn a_draining_node_tells_everybody_to_go_elsewhere_and_serves_whoever_waits_for_their_turn() {
        let connections = Arc::new(Connections::default());
        let outlets: Vec<_> = (0..20).map(|_| Outlet::new(1000)).collect();
        let counted: Vec<_> = outlets
            .iter()
            .map(|outlet| connections.add(outlet, Transport::WebSocket))
            .collect();
        let now = Instant::now();
        connections.vouch_until(now + Duration::from_secs(60));
        connections.drain(100, None).await;
        let told = outlets.iter().map(|outlet| outlet.ended());
        assert!(told.eq(std::iter::repeat_n(Some(Disconnect::Shutdown), 20)));
        assert!(connections.is_draining() && connections.may_show(now));
        drop(counted);
        assert_eq!(connections.count(), [0; Transport::ALL.len()]);
    }

    #[tokio::test]
    async fn whoever_came_in_while_others_were_told_to_leave_is_told_too() {
        let connections = Arc::new(Connections::default());
        let first = Outlet::new(1000);
        let _first = connections.add(&first, Transport::WebSocket);
        let late = Outlet::new(1000);
        let come = async {
            while first.ended().is_none() {
                tokio::task::yield_now().await;
            }
            connections.add(&late, Transport::Sse)
        };
        let ((), _late) = tokio::join!(connections.drain(1, None), come);
        assert_eq!(late.ended(), Some(Disconnect::Shutdown));
    }
}
