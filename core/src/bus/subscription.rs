//! Listening on pub/sub: one RESP3 connection that subscribes again by itself after an outage, and says that there was one.

use crate::kernel::error::Result;
use bytes::Bytes;
use futures::FutureExt;
use futures::future::{BoxFuture, OptionFuture};
use redis::aio::ConnectionManager;
use redis::{IntoConnectionInfo, ProtocolVersion, PushInfo, PushKind, Value};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, mpsc};

/// Messages waiting for the listener at most; beyond it they are dropped and [`Signal::Lost`] is told, so that the
/// listener compares positions as after an outage.
const WAITING: usize = 65_536;

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

/// An open subscription.
pub struct Subscription {
    signals: mpsc::Receiver<Signal>,
    // beside the queue, for the queue is full when it is needed
    dropped: Arc<Notify>,
    connection: ConnectionManager,
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
    async fn subscribe(&self, mut connection: ConnectionManager) -> redis::RedisResult<()> {
        for channel in &self.sharded {
            let mut command = redis::cmd("SSUBSCRIBE");
            command.arg(channel).query_async::<()>(&mut connection).await?;
        }
        if !self.plain.is_empty() {
            connection.subscribe(&self.plain).await?;
        }
        Ok(())
    }

    async fn subscribe_again(self: Arc<Self>, connection: ConnectionManager) {
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
    pub(super) async fn open(
        client: &redis::Client,
        sharded: Vec<String>,
        plain: Vec<String>,
    ) -> Result<Self> {
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
            });
        let connection = client.get_connection_manager_with_config(config).await?;
        let wanted = Arc::new(Wanted { sharded, plain });
        wanted.subscribe(connection.clone()).await?;
        Ok(Self {
            signals,
            dropped,
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
    use crate::bus::Bus;
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

    /// A Redis in cluster mode of this test's own, all slots on one server.
    struct InSlots {
        folder: std::path::PathBuf,
        server: std::process::Child,
        url: String,
    }

    impl InSlots {
        async fn start() -> Self {
            let folder = std::env::temp_dir().join(format!("signalbox-{}", uuid::Uuid::new_v4().simple()));
            std::fs::create_dir(&folder).unwrap();
            let free = || std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            let ports = [free(), free()].map(|free| free.local_addr().unwrap().port().to_string());
            let server = std::process::Command::new("redis-server")
                .args([
                    "--cluster-enabled",
                    "yes",
                    "--port",
                    &ports[0],
                    "--cluster-port",
                    &ports[1],
                ])
                .args(["--save", "", "--dir"])
                .arg(&folder)
                .stdout(std::process::Stdio::null())
                .spawn();
            let url = format!("redis://127.0.0.1:{}/", ports[0]);
            let in_slots = Self {
                folder,
                server: server.expect("redis-server is needed"),
                url,
            };
            testing::eventually("it serves all slots", async || in_slots.serves().await).await;
            in_slots
        }

        async fn serves(&self) -> bool {
            let Ok(bus) = Bus::connect(&self.url, "t").await else {
                return false;
            };
            let all = redis::cmd("CLUSTER")
                .arg("ADDSLOTSRANGE")
                .arg(0)
                .arg(16_383)
                .to_owned();
            // refused the second time
            let _ = all.query_async::<()>(&mut bus.shared()).await;
            bus.renew_lease("n").await.is_ok()
        }
    }

    impl Drop for InSlots {
        fn drop(&mut self) {
            let _ = self.server.kill();
            let _ = self.server.wait();
            let _ = std::fs::remove_dir_all(&self.folder);
        }
    }

    #[tokio::test]
    async fn in_a_redis_cluster_every_fan_is_heard_and_again_after_its_connection_was_lost() {
        let redis = InSlots::start().await;
        let bus = Bus::connect(&redis.url, "t").await.unwrap();
        let channels: Vec<_> = bus
            .keys()
            .fans()
            .into_iter()
            .chain([bus.keys().control()])
            .collect();
        let mut heard = bus.subscribe(&channels).await.unwrap();
        for round in 0..3 {
            let mut missing: std::collections::BTreeSet<_> = channels.iter().cloned().collect();
            let hear = async {
                while !missing.is_empty() {
                    for channel in &missing {
                        bus.publish(channel, b"x").await.unwrap();
                    }
                    // what is said before the subscription stands again is said again
                    let more = async {
                        while let Some(signal) = heard.next().await {
                            if let Signal::Message { channel, .. } = signal {
                                missing.remove(&channel);
                            }
                        }
                    };
                    let _ = tokio::time::timeout(Duration::from_millis(200), more).await;
                }
            };
            let all = tokio::time::timeout(Duration::from_secs(20), hear).await;
            assert!(all.is_ok(), "round {round}: never heard {missing:?}");
            let kill = redis::cmd("CLIENT")
                .arg("KILL")
                .arg("TYPE")
                .arg("pubsub")
                .to_owned();
            let killed: usize = kill.query_async(&mut bus.shared()).await.unwrap();
            assert_eq!(killed, 1);
        }
    }
}
