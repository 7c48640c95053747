//! Rights that change while something is read for a stream.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_right_that_is_taken_away_ends_a_stream_whatever_is_being_asked_for_it() {
    let node = Node::start().await;
    node.person("someone", &["users:read", "jobs:read"]);
    let query = "channel=feed:users&channel=feed:jobs";
    let mut source = Source::open(&node, "someone", query, None).await;
    let asking = node.door.slow.lock().await;
    let before = node.door.asked_slow.load(Ordering::SeqCst);
    node.door
        .grant("someone", &["users:read", "users:read_pii", "jobs:read"]);
    eventually("it is asked", async || {
        node.door.asked_slow.load(Ordering::SeqCst) > before
    })
    .await;
    node.door.grant("someone", &["jobs:read"]);
    let end = source.next().await.unwrap();
    assert_eq!((end.name.as_str(), &end.data["code"]), ("end", &json!(3507)));
    assert_eq!(source.next().await, None);
    drop(asking);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_sees_less_while_a_channel_is_judged_is_shown_nothing_of_before() {
    let node = Node::start().await;
    node.person("someone", &["users:read", "users:read_pii", "jobs:read"]);
    let query = "channel=feed:users&channel=feed:jobs";
    let mut source = Source::open(&node, "someone", query, None).await;
    let asking = node.door.slow.lock().await;
    let before = node.door.asked_slow.load(Ordering::SeqCst);
    for (n, rights) in [
        &["users:read", "jobs:read"][..],
        &["users:read", "jobs:read", "audit:read"],
    ]
    .into_iter()
    .enumerate()
    {
        node.door.grant("someone", rights);
        eventually("it is asked", async || {
            node.door.asked_slow.load(Ordering::SeqCst) > before + n as u64
        })
        .await;
    }
    drop(asking);
    // both channels are seen with other rights, each told once; nothing that is shown is of those of before
    let mut told = Vec::new();
    for _ in 0..2 {
        let reset = source.next().await.unwrap();
        assert_eq!(reset.name, "reset");
        told.push(reset.data["channels"][0].as_str().unwrap().to_owned());
    }
    told.sort();
    assert_eq!(told, ["feed:jobs", "feed:users"]);
    node.happen(1).await;
    let event = source.next().await.unwrap();
    assert_eq!(
        (&event.data["n"], &event.data["patch"]["email"]),
        (&json!(1), &Value::Null)
    );
}
