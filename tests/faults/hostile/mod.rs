//! Clients that mean harm, against the real program: each ends with the right code within its bound, what the hub holds of
//! them stays bounded, and somebody who means none gets every publication meanwhile.

mod hijack;
mod raw;
mod tickets;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures::future::join_all;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinHandle;

use super::application::{Client, SECRET, api};
use super::relay::cluster::{Cluster, until};
use raw::{BINARY, PING, Raw, announced, masked, upgrade};

/// Within this the hub must be done with whoever breaks a rule, beside the bound of the rule itself: two cores run everything.
const PROMPTLY: Duration = Duration::from_secs(8);

const CHAT: [(&str, &str); 6] = [
    ("SIGNALBOX__LIVE__TOKEN__HMAC_SECRET", SECRET),
    ("SIGNALBOX__LIVE__API__KEYS", "a key"),
    ("SIGNALBOX__LIVE__NAMESPACES__CHAT__HISTORY_SIZE", "100"),
    ("SIGNALBOX__LIVE__NAMESPACES__CHAT__HISTORY_TTL", "5m"),
    ("SIGNALBOX__LIVE__NAMESPACES__CHAT__FORCE_RECOVERY", "true"),
    (
        "SIGNALBOX__LIVE__NAMESPACES__CHAT__ALLOW_SUBSCRIBE_FOR_CLIENT",
        "true",
    ),
];
const SLOW: &[(&str, &str)] = &[
    CHAT[0],
    CHAT[1],
    CHAT[2],
    CHAT[3],
    CHAT[4],
    CHAT[5],
    ("SIGNALBOX__LIVE__QUEUE_BYTES", "65536"),
];
const STRICT: &[(&str, &str)] = &[
    CHAT[0],
    CHAT[1],
    CHAT[2],
    CHAT[3],
    CHAT[4],
    CHAT[5],
    (
        "SIGNALBOX__LIVE__NAMESPACES__CHAT__ALLOW_HISTORY_FOR_CLIENT",
        "true",
    ),
    ("SIGNALBOX__SERVER__TRUSTED_PROXIES", "127.0.0.0/8"),
    ("SIGNALBOX__LIVE__PING_SECONDS", "6"),
    ("SIGNALBOX__LIVE__PONG_SECONDS", "5"),
    ("SIGNALBOX__LIVE__STALE_SECONDS", "10"),
    ("SIGNALBOX__LIVE__USER_CONNECTION_LIMIT", "3"),
    ("SIGNALBOX__LIVE__ADDRESS_CONNECTION_LIMIT", "5"),
];

/// Somebody who means no harm: what is published reaches them, each once and in order, and soon.
struct Healthy {
    enough: Arc<AtomicBool>,
    task: JoinHandle<(u64, Duration)>,
}

impl Healthy {
    /// Listens to what is published on `chat:1`, with so many bytes in each publication.
    async fn beside(cluster: &Cluster, bytes: usize) -> Self {
        let url = cluster.nodes[0].url.clone();
        let mut client = Client::connect(&url, "healthy").await;
        let enough = Arc::new(AtomicBool::new(false));
        let until = enough.clone();
        let task = tokio::spawn(async move {
            let (http, pad) = (crate::harness::client(), "x".repeat(bytes));
            let (mut n, mut longest) = (0, Duration::ZERO);
            while !until.load(Ordering::Relaxed) {
                n += 1;
                let began = Instant::now();
                let said = json!({"channel": "chat:1", "data": {"n": n, "pad": pad}});
                api(&http, &url, "publish", said).await;
                assert_eq!(client.publication().await["data"]["n"], n);
                longest = longest.max(began.elapsed());
                // the pace at which they listen
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            (n, longest)
        });
        Self { enough, task }
    }

    /// How many publications reached them.
    async fn end(self) -> u64 {
        self.enough.store(true, Ordering::Relaxed);
        let (publications, longest) = self.task.await.expect("the healthy one was disturbed");
        assert!(longest < Duration::from_secs(20), "one took {longest:?}");
        publications
    }
}

/// Resident memory of the hub's process, in MiB.
fn memory(cluster: &Cluster) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", cluster.nodes[0].id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.unwrap()
        .trim()
        .trim_end_matches(" kB")
        .parse::<u64>()
        .unwrap()
        / 1024
}

async fn closed_as_slow(cluster: &Cluster) -> f64 {
    let name = r#"signalbox_live_slow_total{what="closed"}"#;
    cluster.gauge_of(0, name).await
}

#[tokio::test(flavor = "multi_thread")]
async fn handshakes_that_are_never_finished_are_closed_in_time_and_others_come_in_meanwhile() {
    let cluster = Cluster::start_with(1, &CHAT).await;
    let url = &cluster.nodes[0].url;
    let healthy = Healthy::beside(&cluster, 10).await;
    let before = memory(&cluster);
    let silent = (0..300).map(|_| async {
        let mut raw = Raw::dial(url).await;
        let began = Instant::now();
        raw.rest().await;
        began.elapsed()
    });
    let dribbling = (0..50).map(|_| async {
        // after the last byte a header that does not end
        let (answer, took) = dribble(url, b"", upgrade("10.0.0.1").trim_end()).await;
        assert!(
            answer.is_empty() || answer.starts_with("HTTP/1.1 408 "),
            "{answer}"
        );
        took
    });
    let bodies = (0..20).map(|n| async move {
        let path = ["/api/v1/auth/login", "/api/publish", "/emulation"][n % 3];
        let head = format!("POST {path} HTTP/1.1\r\nhost: x\r\nx-api-key: a key\r\n");
        let head = format!("{head}content-type: application/json\r\ncontent-length: 5000\r\n\r\n");
        let (answer, took) = dribble(url, head.as_bytes(), "{").await;
        assert!(answer.starts_with("HTTP/1.1 4"), "{path}: {answer}");
        took
    });
    let newcomers = async {
        for n in 0..10 {
            Client::connect(url, &format!("newcomer {n}"))
                .await
                .publication()
                .await;
            // spread over the time that the others are held for
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    let (silent, dribbled, bodies, ()) =
        tokio::join!(join_all(silent), join_all(dribbling), join_all(bodies), newcomers);
    for took in silent.into_iter().chain(dribbled) {
        assert!(took < Duration::from_secs(5) + PROMPTLY, "{took:?}");
    }
    for took in bodies {
        assert!(took < Duration::from_secs(10) + PROMPTLY, "{took:?}");
    }
    let grown = memory(&cluster).saturating_sub(before);
    assert!(grown < 48, "the hub grew by {grown} MiB");
    assert!(healthy.end().await > 50);
}

/// Sends `first` at once, then a byte of `text` at a time, then the same letter for ever: what is answered until the end, and
/// after how long.
async fn dribble(url: &str, first: &[u8], text: &str) -> (String, Duration) {
    let mut raw = Raw::dial(url).await;
    let began = Instant::now();
    raw.send(first).await;
    for byte in text.bytes().chain(std::iter::repeat(b'x')) {
        let pause = tokio::time::timeout(Duration::from_millis(100), raw.stream.readable());
        if pause.await.is_ok() {
            break;
        }
        raw.send(&[byte]).await;
    }
    let answer = String::from_utf8_lossy(&raw.rest().await).into_owned();
    (answer, began.elapsed())
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_do_not_read_are_told_of_a_gap_and_closed_and_the_hub_keeps_little_for_them() {
    let cluster = Cluster::start_with(1, SLOW).await;
    let url = &cluster.nodes[0].url;
    let mut stuck = Vec::new();
    for n in 0..8 {
        stuck.push(Raw::following(url, "10.0.0.1", &format!("stuck {n}")).await);
    }
    let mut crawling = Raw::following(url, "10.0.0.1", "crawling").await;
    let before = memory(&cluster);
    let healthy = Healthy::beside(&cluster, 20_000).await;
    let crawl = async {
        // a byte at a time
        while crawling.stream.read_u8().await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let ended = until("those who do not read are closed", async || {
        closed_as_slow(&cluster).await >= 9.0
    });
    tokio::select! {
        () = crawl => {}
        () = ended => {}
    }
    let gaps = r#"signalbox_live_slow_total{what="gap"}"#;
    assert!(
        cluster.gauge_of(0, gaps).await >= 9.0,
        "somebody was not told before"
    );
    // they read at last, and find out why
    let codes = join_all(stuck.iter_mut().map(Raw::code)).await;
    assert_eq!(codes, [Some(3008); 8]);
    let grown = memory(&cluster).saturating_sub(before);
    assert!(grown < 48, "the hub grew by {grown} MiB");
    assert!(healthy.end().await > 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_breaks_a_rule_is_closed_with_its_code_and_nobody_else_is() {
    let cluster = Cluster::start_with(1, STRICT).await;
    let url = &cluster.nodes[0].url;
    let healthy = Healthy::beside(&cluster, 10).await;
    let before = memory(&cluster);
    let began = Instant::now();
    tokio::join!(
        garbage(url),
        huge_frames(url),
        floods(url),
        too_many(url),
        silence(url)
    );
    assert!(began.elapsed() < Duration::from_mins(1), "{:?}", began.elapsed());
    assert!(
        closed_as_slow(&cluster).await >= 1.0,
        "the flood of pings was not too much"
    );
    let grown = memory(&cluster).saturating_sub(before);
    assert!(grown < 64, "the hub grew by {grown} MiB");
    assert!(healthy.end().await > 50);
}

/// What the hub says to whoever sends this after the handshake.
async fn answer_to(url: &str, from: &str, bytes: &[u8]) -> Option<u16> {
    let mut raw = Raw::open(url, from).await;
    raw.send(bytes).await;
    let began = Instant::now();
    let code = raw.code().await;
    assert!(began.elapsed() < PROMPTLY, "{:?}", began.elapsed());
    code
}

async fn garbage(url: &str) {
    let mut unmasked = masked(raw::TEXT, b"{}");
    unmasked[1] &= 0x7F;
    for bytes in [
        &[0xFF; 100][..],
        b"GET / HTTP/1.1\r\n\r\n",
        &unmasked,
        &masked(BINARY, b"\0\x01"),
        &masked(raw::TEXT, b"{not json"),
        &masked(raw::TEXT, b"[1,2,3]"),
        &masked(raw::TEXT, br#"{"id":1,"subscribe":{"channel":"chat:1"}}"#),
    ] {
        let code = answer_to(url, "10.0.1.1", bytes).await;
        assert_eq!(code, Some(3501), "{}", String::from_utf8_lossy(bytes));
    }
}

async fn huge_frames(url: &str) {
    for bytes in [1 << 17, 8 << 20, 1 << 40, u64::MAX] {
        let mut sent = announced(bytes);
        sent.resize((8 << 20).min(bytes as usize), b'x');
        assert_eq!(answer_to(url, "10.0.2.1", &sent).await, Some(1009), "{bytes}");
    }
    assert_eq!(
        answer_to(url, "10.0.2.1", &masked(raw::TEXT, &vec![b' '; 70_000])).await,
        Some(1009)
    );
    // one that is only announced is held for nothing: whoever sends no more of it is silent
    let mut raw = Raw::open(url, "10.0.2.1").await;
    raw.send(&announced(1 << 40)).await;
    assert!(matches!(raw.code().await, Some(1009 | 3502)));
    // the parts of one message together
    let part = |first: u8| masked(first, &vec![b' '; 60_000]);
    let parts = [part(0x01), part(0x00), part(0x00)].concat();
    assert_eq!(answer_to(url, "10.0.2.1", &parts).await, Some(1009));
}

async fn floods(url: &str) {
    let ask = |n: u32, command: &str| masked(raw::TEXT, format!(r#"{{"id":{n},{command}}}"#).as_bytes());
    // more channels than one may have
    let mut raw = Raw::signed_in(url, "10.0.3.1", "subscriber").await;
    let wishes = (2..1_002).flat_map(|n| ask(n, &format!(r#""subscribe":{{"channel":"chat:{n}"}}"#)));
    raw.send(&wishes.collect::<Vec<_>>()).await;
    let (mut granted, mut refused) = (0, 0);
    while granted + refused < 1_000 {
        let (_, frame) = raw.frame().await.expect("it was closed");
        for reply in frame.split(|byte| *byte == b'\n') {
            if reply == b"{}" {
                raw.say("{}").await;
                continue;
            }
            let reply: Value = serde_json::from_slice(reply).unwrap();
            granted += u32::from(reply["subscribe"].is_object());
            refused += u32::from(reply["error"]["code"] == 106);
        }
    }
    assert_eq!((granted, refused), (128, 872));
    // more questions than may wait: they are heard when those before are answered
    let mut raw = Raw::signed_in(url, "10.0.3.2", "asker").await;
    let questions = (2..2_002).flat_map(|n| ask(n, r#""history":{"channel":"chat:1","limit":1}"#));
    raw.send(&questions.collect::<Vec<_>>()).await;
    let mut answered = 0;
    while answered < 2_000 {
        let (_, frame) = raw.frame().await.expect("it was closed");
        for reply in frame.split(|byte| *byte == b'\n') {
            if reply == b"{}" {
                raw.send(&masked(raw::TEXT, b"{}")).await;
                continue;
            }
            let reply: Value = serde_json::from_slice(reply).unwrap();
            assert!(reply["id"].is_u64(), "{reply}");
            answered += 1;
        }
    }
    // answers that nobody reads: the close too stands behind what the client does not take
    let mut raw = Raw::signed_in(url, "10.0.3.3", "pinger").await;
    let pings = std::iter::repeat_n(masked(PING, &[b'x'; 125]), 100);
    let pings = pings.flatten().collect::<Vec<_>>();
    let began = Instant::now();
    while raw.stream.write_all(&pings).await.is_ok() {
        assert!(began.elapsed() < Duration::from_secs(5) + PROMPTLY, "it goes on");
    }
    assert!(matches!(raw.code().await, None | Some(3008)));
}

/// A connection that stays until this is dropped: its pings are answered.
struct Held(JoinHandle<()>);

impl Held {
    fn on(mut raw: Raw) -> Self {
        Self(tokio::spawn(async move {
            while let Some((_, frame)) = raw.frame().await {
                if frame == b"{}" {
                    raw.say("{}").await;
                }
            }
        }))
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn too_many(url: &str) {
    let mut held = Vec::new();
    for n in 0..3 {
        held.push(Held::on(
            Raw::signed_in(url, &format!("10.0.4.{n}"), "many").await,
        ));
    }
    let sign_in = |user: &str| {
        let text = format!(
            r#"{{"id":1,"connect":{{"token":"{}"}}}}"#,
            super::application::token(user)
        );
        masked(raw::TEXT, text.as_bytes())
    };
    assert_eq!(answer_to(url, "10.0.4.9", &sign_in("many")).await, Some(3504));
    let mut neighbours = Vec::new();
    for n in 0..5 {
        neighbours.push(Held::on(
            Raw::signed_in(url, "10.0.5.1", &format!("neighbour {n}")).await,
        ));
    }
    assert_eq!(answer_to(url, "10.0.5.1", &sign_in("one more")).await, Some(3504));
    // who leaves makes room
    drop(held.pop());
    until("there is room again", async || {
        let mut raw = Raw::open(url, "10.0.4.9").await;
        raw.send(&sign_in("many")).await;
        raw.frame().await.is_some_and(|(first, _)| first == raw::TEXT)
    })
    .await;
}

/// Who says nothing, and who answers no ping: as one that has vanished without a word.
async fn silence(url: &str) {
    let nameless = async {
        let mut raw = Raw::open(url, "10.0.6.1").await;
        let began = Instant::now();
        assert_eq!(raw.code().await, Some(3502));
        assert!(began.elapsed() < Duration::from_secs(10) + PROMPTLY);
    };
    let vanished = (0..3).map(|n| async move {
        let mut raw = Raw::following(url, "10.0.6.2", &format!("vanished {n}")).await;
        let began = Instant::now();
        assert_eq!(raw.code().await, Some(3012));
        assert!(began.elapsed() < Duration::from_secs(11) + PROMPTLY);
    });
    let eager = async {
        let mut raw = Raw::signed_in(url, "10.0.6.3", "eager").await;
        raw.say("{}").await;
        assert_eq!(raw.code().await, Some(3501), "a pong that nobody asked for");
    };
    tokio::join!(nameless, join_all(vanished), eager);
}
