//! Listening on pub/sub: one RESP3 connection that subscribes again by itself after an outage, and says that there was one.

use super::link::{Address, Link};
use crate::kernel::error::Result;
use bytes::Bytes;
use futures::FutureExt;
use futures::future::{BoxFuture, OptionFuture};
use redis::{PushInfo, PushKind, Value};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::{Notify, mpsc};

/// Messages waiting for the listener at most, and their bytes; beyond it they are dropped and [`Signal::Lost`] is told, so
/// that the listener compares positions as after an outage.
const WAITING: usize = 65_536;
const WAITING_BYTES: usize = 64 * 1024 * 1024;

/// The pause before a subscription that failed is tried again.
const PAUSE: Duration = Duration::from_millis(100);

/// What a listener hears.
#[derive(Clone, Debug)]
pub enum Signal {
    /// A message on a pub/sub channel.
    Message {
        /// The pub/sub channel's full name.
        channel: String,
        /// As published.
        payload: Bytes,
    },
    /// The connection was lost, or the listener too slow: messages may be missing.
    Lost,
    /// Subscribed (again).
    Subscribed,
}

impl Signal {
    /// Bytes of what was said.
    fn size(&self) -> usize {
        match self {
            Self::Message { channel, payload } => channel.len() + payload.len(),
            Self::Lost | Self::Subscribed => 0,
        }
    }
}

/// An open subscription.
pub struct Subscription {
    signals: mpsc::Receiver<Signal>,
    // beside the queue, for the queue is full when it is needed
    dropped: Arc<Notify>,
    // of the messages in the queue
    bytes: Arc<AtomicUsize>,
    connection: Link,
    wanted: Arc<Wanted>,
    // runs on while the listener is told what comes meanwhile
    again: Option<BoxFuture<'static, ()>>,
}

/// What is listened to.
struct Wanted {
    sharded: Vec<String>,
    plain: Vec<String>,
}

impl Wanted {
    /// Sharded channels one by one: in a Redis Cluster each is in a slot of its own, and one command speaks of one slot.
    /// The driver's own resubscription does not know that. Plain ones last: whoever hears them hears all.
    async fn subscribe(&self, mut connection: Link) -> redis::RedisResult<()> {
        for channel in &self.sharded {
            connection.subscribe_sharded(channel).await?;
        }
        if !self.plain.is_empty() {
            connection.subscribe(&self.plain).await?;
        }
        Ok(())
    }

    async fn subscribe_again(self: Arc<Self>, connection: Link) {
        while let Err(error) = self.subscribe(connection.clone()).await {
            tracing::debug!(%error, "not subscribed again yet");
            tokio::time::sleep(PAUSE).await;
        }
    }
}

impl std::fmt::Debug for Subscription {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Subscription")
    }
}

impl Subscription {
    pub(super) async fn open(address: &Address, sharded: Vec<String>, plain: Vec<String>) -> Result<Self> {
        let (sender, signals) = mpsc::channel(WAITING);
        let dropped = Arc::new(Notify::new());
        let bytes = Arc::new(AtomicUsize::new(0));
        let (drop_one, waiting) = (Arc::clone(&dropped), Arc::clone(&bytes));
        let heard = move |push: PushInfo| {
            if let Some(signal) = signal(push) {
                let size = signal.size();
                let room = waiting.load(Ordering::Relaxed) + size <= WAITING_BYTES;
                // counted before the listener can have taken it
                let counted = if room { size } else { 0 };
                waiting.fetch_add(counted, Ordering::Relaxed);
                if !room || sender.try_send(signal).is_err() {
                    waiting.fetch_sub(counted, Ordering::Relaxed);
                    drop_one.notify_one();
                }
            }
            Ok::<_, redis::aio::SendError>(())
        };
        let connection = address.listen(heard).await?;
        let wanted = Arc::new(Wanted { sharded, plain });
        wanted.subscribe(connection.clone()).await?;
        Ok(Self {
            signals,
            dropped,
            bytes,
            connection,
            wanted,
            again: None,
        })
    }

    /// The next thing heard; `None` when the connection was given up for good. That something was dropped is told
    /// before what still waits: whoever compares positions then finds it, for it was stored before it was sent.
    pub async fn next(&mut self) -> Option<Signal> {
        loop {
            tokio::select! {
                biased;
                () = self.dropped.notified() => {
                    // among what was dropped may be the word that the connection was lost
                    self.subscribe_again();
                    return Some(Signal::Lost);
                }
                signal = self.signals.recv() => {
                    let size = signal.as_ref().map_or(0, Signal::size);
                    self.bytes.fetch_sub(size, Ordering::Relaxed);
                    if matches!(signal, Some(Signal::Lost)) {
                        self.subscribe_again();
                    }
                    return signal;
                }
                _ = OptionFuture::from(self.again.as_mut()), if self.again.is_some() => self.again = None,
            }
        }
    }

    fn subscribe_again(&mut self) {
        let again = Arc::clone(&self.wanted).subscribe_again(self.connection.clone());
        self.again = Some(again.boxed());
    }
}

fn signal(push: PushInfo) -> Option<Signal> {
    match push.kind {
        PushKind::Message | PushKind::SMessage => {
            let mut data = push.data.into_iter();
            let (Some(Value::BulkString(channel)), Some(Value::BulkString(payload))) =
                (data.next(), data.next())
            else {
                return None;
            };
            Some(Signal::Message {
                channel: String::from_utf8(channel).ok()?,
                payload: payload.into(),
            })
        }
        // a slot that moves to another server of a cluster ends its subscriptions
        PushKind::Disconnection | PushKind::SUnsubscribe => Some(Signal::Lost),
        PushKind::Subscribe | PushKind::SSubscribe => Some(Signal::Subscribed),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    #[tokio::test]
    async fn a_listener_too_slow_for_its_queue_is_told_that_something_was_dropped() {
        let test = testing::store().await;
        let (bus, channel) = (&test.store.bus, format!("{}:slow", test.prefix));
        let mut heard = bus.subscribe(std::slice::from_ref(&channel)).await.unwrap();
        for _ in 0..=WAITING / 1_000 {
            let mut flood = redis::pipe();
            for _ in 0..1_000 {
                flood.cmd("PUBLISH").arg(&channel).arg("x").ignore();
            }
            flood.query_async::<()>(&mut bus.shared()).await.unwrap();
        }
        // of the queue's messages none is read before something had to be dropped
        testing::eventually("the queue is full", async || heard.signals.len() == WAITING).await;
        bus.publish(&channel, b"the last").await.unwrap();
        let told = async { while !matches!(heard.next().await, Some(Signal::Lost)) {} };
        let told = tokio::time::timeout(Duration::from_secs(10), told).await;
        assert!(told.is_ok(), "nobody said that messages are missing");
    }

    #[tokio::test]
    async fn a_listener_too_slow_for_few_large_messages_is_told_too_and_hears_what_comes_once_it_has_read() {
        let test = testing::store().await;
        let (bus, channel) = (&test.store.bus, format!("{}:large", test.prefix));
        let mut heard = bus.subscribe(std::slice::from_ref(&channel)).await.unwrap();
        let large = vec![b'x'; 4 * 1024 * 1024];
        // one after the other: Redis itself cuts off whoever does not take them
        for n in 1..16 {
            bus.publish(&channel, &large).await.unwrap();
            testing::eventually("it waits", async || {
                heard.bytes.load(Ordering::Relaxed) > n * large.len()
            })
            .await;
        }
        // there is no room for one more, but for a word behind it
        bus.publish(&channel, &large).await.unwrap();
        let full = heard.bytes.load(Ordering::Relaxed);
        bus.publish(&channel, b"a word").await.unwrap();
        testing::eventually("the word waits", async || {
            heard.bytes.load(Ordering::Relaxed) > full
        })
        .await;
        let (mut told, mut read) = (false, 0);
        while !told || heard.bytes.load(Ordering::Relaxed) > 0 {
            match tokio::time::timeout(Duration::from_secs(10), heard.next()).await {
                Ok(Some(Signal::Lost)) => told = true,
                Ok(Some(Signal::Message { payload, .. })) => read += payload.len(),
                other => assert!(matches!(other, Ok(Some(Signal::Subscribed))), "{other:?}"),
            }
        }
        assert!(read <= WAITING_BYTES, "{read}");
        bus.publish(&channel, b"the next").await.unwrap();
        let next = async {
            loop {
                if let Some(Signal::Message { payload, .. }) = heard.next().await
                    && payload == b"the next"[..]
                {
                    return;
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(10), next).await.unwrap();
    }
}
