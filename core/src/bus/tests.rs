use super::{Bus, Signal, offers_sharded};
use crate::kernel::id::OrganizationId;
use crate::live::application::map::{self, After, Change, Condition, Extra};
use crate::live::application::{MapMode, MapOptions, Namespaces, Options, Publication, SubscriptionType};
use crate::live::history::{self, Begin};
use crate::testing;
use std::collections::{BTreeMap, BTreeSet};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

#[test]
fn sharded_publishing_is_for_servers_that_have_it() {
    for (version, offered) in [
        ("7.0.15", true),
        ("8.2.1", true),
        ("10.0", true),
        ("6.2.14", false),
        ("unknown", false),
    ] {
        assert_eq!(offers_sharded(version), offered, "{version}");
    }
}

/// Redis servers in cluster mode of a test's own, the slots shared among them.
struct InSlots {
    folder: PathBuf,
    servers: Vec<Child>,
    ports: Vec<u16>,
}

impl InSlots {
    async fn start(count: usize) -> Self {
        let folder = std::env::temp_dir().join(format!("signalbox-{}", uuid::Uuid::new_v4().simple()));
        let mut in_slots = Self {
            folder,
            servers: Vec::new(),
            ports: Vec::new(),
        };
        // held until all are known, so that each is another
        let free: Vec<_> = (0..2 * count)
            .map(|_| TcpListener::bind("127.0.0.1:0").unwrap())
            .collect();
        let ports: Vec<_> = free
            .iter()
            .map(|free| free.local_addr().unwrap().port())
            .collect();
        drop(free);
        for pair in ports.chunks(2) {
            in_slots.run(pair[0], pair[1]);
        }
        for (number, port) in in_slots.ports.iter().enumerate() {
            testing::eventually("a server answers", async || {
                Bus::connect(&url(*port), "t").await.is_ok()
            })
            .await;
            let (from, to) = (16_384 * number / count, 16_384 * (number + 1) / count - 1);
            in_slots
                .tell(
                    number,
                    &["CLUSTER", "ADDSLOTSRANGE", &from.to_string(), &to.to_string()],
                )
                .await;
        }
        for pair in ports.chunks(2).skip(1) {
            let [port, bus] = [pair[0], pair[1]].map(|port| port.to_string());
            in_slots
                .tell(0, &["CLUSTER", "MEET", "127.0.0.1", &port, &bus])
                .await;
        }
        testing::eventually("every server serves", async || {
            let mut all = true;
            for number in 0..count {
                all &= in_slots
                    .tell(number, &["CLUSTER", "INFO"])
                    .await
                    .contains("cluster_state:ok");
            }
            all
        })
        .await;
        in_slots
    }

    fn run(&mut self, port: u16, bus: u16) {
        let folder = self.folder.join(port.to_string());
        std::fs::create_dir_all(&folder).unwrap();
        let server = Command::new("redis-server")
            .args([
                "--cluster-enabled",
                "yes",
                "--save",
                "",
                "--port",
                &port.to_string(),
            ])
            .args(["--cluster-port", &bus.to_string(), "--dir"])
            .arg(&folder)
            .stdout(Stdio::null())
            .spawn();
        self.servers.push(server.expect("redis-server is needed"));
        self.ports.push(port);
    }

    async fn tell(&self, number: usize, words: &[&str]) -> String {
        let client = redis::Client::open(url(self.ports[number])).unwrap();
        let mut connection = client.get_multiplexed_async_connection().await.unwrap();
        let command = redis::cmd(words[0]).arg(&words[1..]).to_owned();
        let said: redis::Value = command.query_async(&mut connection).await.unwrap();
        redis::from_redis_value(said).unwrap_or_default()
    }

    async fn bus(&self) -> Bus {
        let address = match &self.ports[..] {
            [port] => url(*port),
            [first, .., last] => format!("redis+cluster://127.0.0.1:{first},127.0.0.1:{last}"),
            [] => unreachable!("there is a server"),
        };
        Bus::connect(&address, "t").await.unwrap()
    }
}

impl Drop for InSlots {
    fn drop(&mut self) {
        for server in &mut self.servers {
            let _ = server.kill();
            let _ = server.wait();
        }
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn url(port: u16) -> String {
    format!("redis://127.0.0.1:{port}/")
}

#[tokio::test]
async fn in_a_redis_cluster_every_fan_is_heard_and_again_after_connections_were_lost() {
    for count in [1, 3] {
        let redis = InSlots::start(count).await;
        let bus = redis.bus().await;
        let channels: Vec<_> = bus
            .keys()
            .fans()
            .into_iter()
            .chain([bus.keys().control()])
            .collect();
        let mut heard = bus.subscribe(&channels).await.unwrap();
        for round in 0..3 {
            let mut missing: BTreeSet<_> = channels.iter().cloned().collect();
            let hear = async {
                while !missing.is_empty() {
                    // what is said before the subscription stands again is said again
                    for channel in &missing {
                        bus.publish(channel, b"x").await.unwrap();
                    }
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
            assert!(
                all.is_ok(),
                "{count} servers, round {round}: never heard {missing:?}"
            );
            for number in 0..count {
                redis.tell(number, &["CLIENT", "KILL", "TYPE", "pubsub"]).await;
            }
        }
    }
}

#[tokio::test]
async fn over_the_shards_of_a_redis_cluster_channels_are_written_read_and_compared_as_on_one_server() {
    let redis = InSlots::start(3).await;
    let (bus, organization) = (redis.bus().await, OrganizationId::new());
    let names: Vec<_> = (0..40).map(|n| format!("feed:{n}")).collect();
    for name in &names {
        let payload = [b"{}".to_vec(), b"{}".to_vec()];
        let appended = history::append(&bus, organization, name, "e", &Begin::Over(None), 1, &payload);
        assert_eq!(appended.await.unwrap(), history::Appended::UpTo(2));
        let read = history::read(&bus, organization, name, 0, 10)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(read.publications.len(), 2);
    }
    let all = names.iter().map(|name| (organization, name.as_str()));
    let positions = history::positions(&bus, all).await.unwrap();
    assert!(
        positions.len() == 40
            && positions
                .iter()
                .all(|at| at.as_ref().is_some_and(|at| at.offset == 2))
    );
    assert_eq!(bus.renew_lease("a").await.unwrap().living, ["a"]);
    bus.ping().await.unwrap();
    assert!(bus.server_version().await.unwrap().starts_with(char::is_numeric));
}

#[tokio::test]
async fn over_the_shards_of_a_redis_cluster_maps_are_written_read_cleared_and_lapse() {
    let redis = InSlots::start(3).await;
    let bus = redis.bus().await;
    let options = Options {
        subscription_type: SubscriptionType::Map,
        map: MapOptions {
            mode: Some(MapMode::Recoverable),
            key_ttl: Duration::from_millis(1),
            ..MapOptions::default()
        },
        ..Options::default()
    };
    let named = BTreeMap::from([("board".to_owned(), options)]);
    let namespaces = Namespaces::new(None, named, Duration::from_hours(1));
    for n in 0..40 {
        let channel = format!("board:{n}");
        let options = namespaces.of(&channel).unwrap();
        for key in ["a", "b"] {
            let entry = Publication {
                key: Some(key.to_owned()),
                data: "1".into(),
                ..Publication::default()
            };
            let put = Change::Put(Condition::Always);
            map::change(&bus, &channel, options, put, entry, Extra::default())
                .await
                .unwrap();
        }
        let after = After {
            place: "a",
            ..After::default()
        };
        let page = map::page(&bus, &channel, options, after, 5).await.unwrap();
        assert_eq!((page.entries.len(), page.offset), (1, 2));
    }
    let mut lapsed = 0;
    testing::eventually("all keys have lapsed", async || {
        lapsed += map::sweep(&bus, &namespaces).await.unwrap();
        lapsed == 80
    })
    .await;
    for n in 0..40 {
        let channel = format!("board:{n}");
        assert_eq!(map::stats(&bus, &channel).await.unwrap(), 0);
        map::clear(&bus, &channel, namespaces.of(&channel).unwrap())
            .await
            .unwrap();
    }
}
