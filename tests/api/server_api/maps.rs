//! Maps: their entries, and what has changed.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn entries_of_a_map_are_published_removed_and_read() {
    let hub = hub().await;
    let put = json!({"channel": "board:1", "key": "a", "data": {"n": 1}, "tags": {"kind": "x"}});
    let first = hub.call("map_publish", put).await["result"].clone();
    assert_eq!(first["offset"], 1, "{first}");
    for (body, why) in [
        (json!({"key": "a", "data": 2, "key_mode": "if_new"}), "key_exists"),
        (
            json!({"key": "b", "data": 2, "key_mode": "if_exists"}),
            "key_not_found",
        ),
        (
            json!({"key": "b", "b64data": "AQI=", "idempotency_key": "once", "version": 3}),
            "",
        ),
        (
            json!({"key": "b", "data": 2, "idempotency_key": "once"}),
            "idempotency",
        ),
        (json!({"key": "b", "data": 2, "version": 3}), "version"),
    ] {
        let mut body = body;
        body["channel"] = json!("board:1");
        let result = hub.call("map_publish", body.clone()).await["result"].clone();
        let suppressed = (!why.is_empty()).then_some(json!(why)).unwrap_or_default();
        assert_eq!(result["suppress_reason"], suppressed, "{body}: {result}");
        assert_eq!(result["suppressed"] == true, !why.is_empty(), "{result}");
    }
    let state = json!({"channel": "board:1", "limit": 1});
    let page = hub.call("map_read_state", state).await["result"].clone();
    let entry = &page["entries"][0];
    assert_eq!(
        (&entry["key"], &entry["data"], &entry["tags"]["kind"]),
        (&json!("a"), &json!({"n": 1}), &json!("x"))
    );
    assert_eq!(
        (&page["cursor"], &page["offset"], &page["epoch"]),
        (&json!("a"), &json!(2), &first["epoch"])
    );
    let state = json!({"channel": "board:1", "cursor": "a", "revision_epoch": first["epoch"]});
    let page = hub.call("map_read_state", state).await["result"].clone();
    assert_eq!(
        (&page["entries"][0]["b64data"], &page["cursor"]),
        (&json!("AQI="), &json!(null))
    );
    let only = json!({"channel": "board:1", "key": "b"});
    assert_eq!(
        hub.call("map_read_state", only).await["result"]["entries"][0]["offset"],
        2
    );
    assert_eq!(
        hub.call("map_stats", json!({"channel": "board:1"})).await["result"],
        json!({"num_keys": 2})
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_removed_from_a_map_is_in_its_stream_until_it_is_cleared() {
    let hub = hub().await;
    let put = json!({"channel": "board:1", "key": "a", "data": 1});
    let first = hub.call("map_publish", put).await["result"].clone();
    hub.call(
        "map_publish",
        json!({"channel": "board:1", "key": "b", "data": 2}),
    )
    .await;
    let gone = json!({"channel": "board:1", "key": "a"});
    assert_eq!(hub.call("map_remove", gone.clone()).await["result"]["offset"], 3);
    assert_eq!(
        hub.call("map_remove", gone).await["result"]["suppress_reason"],
        "key_not_found"
    );
    let since = json!({"channel": "board:1", "since_offset": 1, "since_epoch": first["epoch"]});
    let stream = hub.call("map_read_stream", since).await["result"].clone();
    let offsets: Vec<_> = stream["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| &entry["offset"])
        .collect();
    assert_eq!(offsets, [2, 3]);
    assert_eq!(stream["entries"][1]["removed"], true);
    let newest = json!({"channel": "board:1", "limit": 1, "reverse": true});
    assert_eq!(
        hub.call("map_read_stream", newest).await["result"]["entries"][0]["offset"],
        3
    );

    hub.call("map_clear", json!({"channel": "board:1"})).await;
    let state = json!({"channel": "board:1", "revision_epoch": first["epoch"]});
    assert_eq!(hub.call("map_read_state", state).await["error"]["code"], 112);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_map_takes_what_its_namespace_lets_it_and_says_why_not() {
    let hub = hub().await;
    for n in 0..5 {
        hub.call(
            "map_publish",
            json!({"channel": "board:1", "key": n.to_string(), "data": n}),
        )
        .await;
    }
    for (method, body, code) in [
        (
            "map_publish",
            json!({"channel": "board:1", "key": "one more", "data": 1}),
            106,
        ),
        ("map_publish", json!({"channel": "board:1", "data": 1}), 107),
        ("map_publish", json!({"channel": "board:1", "key": "1"}), 107),
        (
            "map_publish",
            json!({"channel": "board:1", "key": "1", "data": 1, "key_mode": "perhaps"}),
            107,
        ),
        (
            "map_publish",
            json!({"channel": "nowhere:1", "key": "1", "data": 1}),
            102,
        ),
        (
            "map_publish",
            json!({"channel": "feed:users", "key": "1", "data": 1}),
            102,
        ),
        (
            "map_publish",
            json!({"channel": "chat:1", "key": "1", "data": 1}),
            108,
        ),
        (
            "map_publish",
            json!({"channel": "there:1", "key": "1", "data": 1}),
            108,
        ),
        ("map_clear", json!({"channel": "there:1"}), 108),
        ("map_stats", json!({"channel": "chat:1"}), 108),
        ("subscribe", json!({"user": "7", "channel": "board:1"}), 108),
        ("subscribe", json!({"user": "7", "channel": "price:1"}), 108),
        ("publish", json!({"channel": "board:1", "data": 1}), 108),
    ] {
        let reply = hub.call(method, body.clone()).await;
        assert_eq!(reply["error"]["code"], code, "{method} {body}: {reply}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_of_an_ordered_map_are_read_by_score_in_either_direction() {
    let hub = hub().await;
    for (key, score) in [("a", 5), ("b", -1), ("c", i64::MAX), ("d", 5)] {
        let put = json!({"channel": "ranks:1", "key": key, "data": {}, "score": score, "delta": true});
        hub.result("map_publish", put).await;
    }
    let entries = async |asc: bool| {
        let (mut found, mut cursor) = (Vec::new(), Value::Null);
        loop {
            let mut body = json!({"channel": "ranks:1", "limit": 3, "asc": asc});
            if let Some(cursor) = cursor.as_str() {
                body["cursor"] = json!(cursor);
            }
            let page = hub.result("map_read_state", body).await;
            for entry in page["entries"].as_array().unwrap() {
                found.push((entry["key"].clone(), entry["score"].clone()));
            }
            cursor = page["cursor"].clone();
            if cursor.is_null() {
                return found;
            }
        }
    };
    let mut expected: Vec<_> = [("c", i64::MAX), ("d", 5), ("a", 5), ("b", -1)]
        .map(|(key, score)| (json!(key), json!(score)))
        .into();
    assert_eq!(entries(false).await, expected);
    expected.reverse();
    assert_eq!(entries(true).await, expected);
    let stream = hub.result("map_read_stream", json!({"channel": "ranks:1"})).await;
    assert_eq!(stream["entries"][1]["score"], -1);
}
