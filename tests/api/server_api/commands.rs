//! Several methods in one request, and requests that are none.

use proptest::prelude::*;

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_done_in_order_and_answered_in_order_in_parallel_too() {
    let hub = hub().await;
    for parallel in [false, true] {
        let channel = format!("chat:{parallel}");
        let commands = json!([
            {"publish": {"channel": channel, "data": 1}},
            {"history": {"channel": channel, "limit": -1}},
            {"nonsense": {}},
            null,
            {"batch": {"commands": []}},
            {"publish": {"channel": "feed:users", "data": 1}},
            {"info": {}},
        ]);
        let body = json!({"commands": commands, "parallel": parallel});
        let replies = hub.call("batch", body).await["replies"].clone();
        assert_eq!(replies[0]["publish"]["offset"], 1);
        if !parallel {
            assert_eq!(replies[1]["history"]["publications"][0]["data"], 1);
        }
        let codes = [2, 3, 4, 5].map(|n| replies[n]["error"]["code"].as_u64().unwrap());
        assert_eq!(codes, [104, 107, 104, 102]);
        assert!(replies[6]["info"]["nodes"].is_array());
    }
    let none = hub.call("batch", json!({"commands": []})).await;
    assert_eq!(none, json!({"replies": []}), "no result around it");
    let long = json!({"commands": vec![json!({"info": {}}); 1_001]});
    assert_eq!(hub.code("batch", long).await, 107);
}

#[tokio::test(flavor = "multi_thread")]
async fn publications_in_a_row_are_kept_in_their_order_each_with_its_own_answer() {
    let hub = hub().await;
    let publish = |channel: &str, data: u32| json!({"publish": {"channel": channel, "data": data, "tags": {"n": data.to_string()}}});
    let commands = json!([
        publish("chat:1", 1),
        publish("chat:1", 2),
        {"publish": {"channel": "chat:1", "data": 3, "idempotency_key": "once"}},
        publish("chat:1", 4),
        {"publish": {"channel": "chat:1"}},
        publish("chat:2", 5),
        {"publish": {"channel": "feed:users", "data": 6}},
        publish("chat:1", 7),
        {"publish": {"channel": "chat:1", "b64data": "not base64!"}},
        publish("chat:1", 8),
    ]);
    let replies = hub.call("batch", json!({"commands": commands})).await["replies"].clone();
    let places: Vec<_> = replies
        .as_array()
        .unwrap()
        .iter()
        .map(|reply| {
            reply["publish"]["offset"]
                .as_u64()
                .ok_or_else(|| reply["error"]["code"].as_u64().unwrap())
        })
        .collect();
    assert_eq!(
        places,
        [
            Ok(1),
            Ok(2),
            Ok(3),
            Ok(4),
            Err(107),
            Ok(1),
            Err(102),
            Ok(5),
            Err(107),
            Ok(6)
        ]
    );
    let kept = hub
        .result("history", json!({"channel": "chat:1", "limit": -1}))
        .await;
    let data: Vec<_> = kept["publications"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["data"].clone())
        .collect();
    assert_eq!(data, [json!(1), json!(2), json!(3), json!(4), json!(7), json!(8)]);
    assert_eq!(kept["publications"][1]["tags"]["n"], "2");
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_one_after_another_are_answered_line_by_line() {
    let hub = hub().await;
    let send = async |body: &str| {
        let request = client()
            .post(format!("{}/api", hub.url))
            .header("Authorization", "apikey another");
        let answer = request.body(body.to_owned()).send().await.unwrap();
        (answer.status(), answer.text().await.unwrap())
    };
    let commands = [
        r#"{"id": 1, "method": "publish", "params": {"channel": "chat:1", "data": 1}}"#,
        r#"{"method": "history", "params": {"channel": "chat:1"}}"#,
        r#"{"method": "info"}"#,
        r#"{"method": "nonsense", "params": {}}"#,
        r#"{"method": "publish", "params": {"channel": 1}}"#,
    ];
    let (status, text) = send(&commands.join("\n")).await;
    let replies: Vec<Value> = text
        .split('\n')
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!((status, replies.len()), (StatusCode::OK, 5));
    assert_eq!(
        (&replies[0]["id"], &replies[0]["result"]["offset"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(
        (replies[1].get("id"), &replies[1]["result"]["offset"]),
        (None, &json!(1))
    );
    assert!(replies[2]["result"]["nodes"].is_array());
    assert_eq!(
        [&replies[3]["error"]["code"], &replies[4]["error"]["code"]],
        [104, 107]
    );
    for wrong in ["", "nope", "[]", r#"{"method": "info"} x"#, &"{}".repeat(1_001)] {
        assert_eq!(send(wrong).await.0, StatusCode::BAD_REQUEST);
    }
    let nobody = client()
        .post(format!("{}/api", hub.url))
        .body(commands[2])
        .send()
        .await
        .unwrap();
    assert_eq!(nobody.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test(flavor = "multi_thread")]
async fn in_transport_mode_an_error_is_a_status() {
    let hub = hub().await;
    let cases = [
        ("publish", json!({"channel": "other:1", "data": 1}), 404, 102),
        ("publish", json!({"data": 1}), 400, 107),
        ("history", json!({"channel": "state:1"}), 400, 108),
        (
            "history",
            json!({"channel": "chat:1", "limit": 1, "since": {"offset": 1, "epoch": "x"}}),
            416,
            112,
        ),
    ];
    for (method, body, status, code) in cases {
        let request = client()
            .post(format!("{}/api/{method}", hub.url))
            .header("X-API-Key", KEY);
        let answer = request
            .header("X-Centrifugo-Error-Mode", "transport")
            .json(&body)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), status, "{method} {body}");
        let error: Value = answer.json().await.unwrap();
        assert_eq!(error["code"], code);
    }
    let good = client()
        .post(format!("{}/api/info", hub.url))
        .header("X-API-Key", KEY);
    let good = good
        .header("X-Centrifugo-Error-Mode", "transport")
        .send()
        .await
        .unwrap();
    assert_eq!(good.status(), StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_too_long_or_no_json_is_refused() {
    let hub = hub().await;
    let send = async |body: Vec<u8>| {
        let request = client()
            .post(format!("{}/api/publish", hub.url))
            .header("X-API-Key", KEY);
        request.body(body).send().await.unwrap().status()
    };
    assert_eq!(
        send(vec![b' '; (1 << 20) + 1]).await,
        StatusCode::PAYLOAD_TOO_LARGE
    );
    for body in ["{", "[]", "nope", "{\"channel\": 1}", "\u{0}"] {
        assert_eq!(send(body.into()).await, StatusCode::BAD_REQUEST, "{body}");
    }
    assert_eq!(hub.get_path("/api/publish").await, StatusCode::METHOD_NOT_ALLOWED);
}

impl Hub {
    async fn get_path(&self, path: &str) -> StatusCode {
        let request = client()
            .get(format!("{}{path}", self.url))
            .header("X-API-Key", KEY);
        request.send().await.unwrap().status()
    }
}

#[test]
fn any_body_is_answered_and_the_hub_goes_on() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let hub = runtime.block_on(hub());
    let mut methods: Vec<_> = all().into_iter().map(|(method, _)| method).collect();
    methods.extend([
        "batch",
        "map_publish",
        "map_remove",
        "map_read_state",
        "map_read_stream",
        "map_stats",
        "map_clear",
    ]);
    let value = prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
        Just(json!("chat:1")),
        Just(json!("ranks:1")),
        Just(json!("price:1")),
        Just(json!({})),
        Just(json!([])),
        Just(json!(["chat:1"])),
    ];
    let field = prop::sample::select(vec![
        "channel",
        "channels",
        "data",
        "b64data",
        "tags",
        "user",
        "client",
        "limit",
        "since",
        "reverse",
        "disconnect",
        "whitelist",
        "commands",
        "parallel",
        "version",
        "override",
        "info",
        "pattern",
        "cursor",
        "expire_at",
        "key",
        "score",
        "delta",
        "asc",
        "epoch",
        "since_offset",
    ]);
    let body = prop::collection::btree_map(field, value, 0..6);
    proptest!(ProptestConfig::with_cases(150), |(method in prop::sample::select(methods), body in body)| {
        let status = runtime.block_on(async { hub.ask_by_key(method, &json!(body)).await.status() });
        prop_assert!(matches!(status.as_u16(), 200 | 400), "{} {:?}: {}", method, body, status);
    });
    runtime.block_on(async { assert!(hub.result("info", json!({})).await.is_object()) });
    // its server ends with the runtime it was started on
    let _inside = runtime.enter();
    drop(hub);
}
