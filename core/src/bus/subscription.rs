//! Listening on pub/sub: one RESP3 connection that subscribes again by itself after an outage, and says that there was one.

use crate::kernel::error::Result;
use bytes::Bytes;
use redis::aio::ConnectionManager;
use redis::{IntoConnectionInfo, ProtocolVersion, PushInfo, PushKind, Value};
use std::sync::Arc;
use tokio::sync::{Notify, mpsc};

/// Messages waiting for the listener at most; beyond it they are dropped and [`Signal::Lost`] is told, so that the
/// listener compares positions as after an outage.
const WAITING: usize = 65_536;

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

/// An open subscription.
pub struct Subscription {
    signals: mpsc::Receiver<Signal>,
    // beside the queue, for the queue is full when it is needed
    dropped: Arc<Notify>,
    // keeps the connection, and with it the subscription, alive
    _connection: ConnectionManager,
}

impl std::fmt::Debug for Subscription {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Subscription")
    }
}

impl Subscription {
    pub(super) async fn open(client: &redis::Client, channels: &[String]) -> Result<Self> {
        let info = client.get_connection_info().clone();
        let settings = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
        let client = redis::Client::open(info.set_redis_settings(settings).into_connection_info()?)?;
        let (sender, signals) = mpsc::channel(WAITING);
        let dropped = Arc::new(Notify::new());
        let drop_one = Arc::clone(&dropped);
        let config = super::manager_config()
            .set_number_of_retries(usize::MAX)
            .set_push_sender(move |push: PushInfo| {
                if let Some(signal) = signal(push)
                    && sender.try_send(signal).is_err()
                {
                    drop_one.notify_one();
                }
                Ok::<_, redis::aio::SendError>(())
            })
            .set_automatic_resubscription();
        let mut connection = client.get_connection_manager_with_config(config).await?;
        connection.subscribe(channels).await?;
        Ok(Self {
            signals,
            dropped,
            _connection: connection,
        })
    }

    /// The next thing heard; `None` when the connection was given up for good. That something was dropped is told
    /// before what still waits: whoever compares positions then finds it, for it was stored before it was sent.
    pub async fn next(&mut self) -> Option<Signal> {
        tokio::select! {
            biased;
            () = self.dropped.notified() => Some(Signal::Lost),
            signal = self.signals.recv() => signal,
        }
    }
}

fn signal(push: PushInfo) -> Option<Signal> {
    match push.kind {
        PushKind::Message => {
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
        PushKind::Disconnection => Some(Signal::Lost),
        PushKind::Subscribe => Some(Signal::Subscribed),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;
    use std::time::Duration;

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
}
