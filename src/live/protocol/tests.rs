mod protobuf;
mod strange;

use bytes::Bytes;
use serde_json::{Value, json};

use super::wire::{Publication, RefreshRequest, StreamPosition};
use super::*;

fn text(reply: &Reply) -> String {
    String::from_utf8(Codec::Json.reply(reply).to_vec()).unwrap()
}

fn all(frame: &[u8]) -> Result<Vec<Command>, Disconnect> {
    Codec::Json.commands(frame)?.collect()
}

fn decode(line: &[u8]) -> Result<Command, Disconnect> {
    all(line)?.pop().ok_or(Disconnect::BadRequest)
}

fn call(id: u32, request: Request) -> Command {
    Command::Call { id, request }
}

#[test]
fn a_first_frame_with_connect_and_subscribes_is_read_in_order() {
    let frame = br#"{"id":1,"connect":{"token":"t","name":"js"}}
{"id":2,"subscribe":{"channel":"feed:users","recover":true,"epoch":"e","offset":7,"flag":1}}"#;
    let connect = ConnectRequest {
        token: "t".into(),
        name: "js".into(),
        ..ConnectRequest::default()
    };
    let subscribe = SubscribeRequest {
        channel: "feed:users".into(),
        recover: true,
        epoch: "e".into(),
        offset: 7,
        flag: 1,
        ..SubscribeRequest::default()
    };
    assert_eq!(
        all(frame),
        Ok(vec![
            call(1, Request::Connect(Box::new(connect))),
            call(2, Request::Subscribe(Box::new(subscribe))),
        ])
    );
}

#[test]
fn a_newline_at_the_end_of_a_frame_is_no_command() {
    assert_eq!(all(b"{}\n"), Ok(vec![Command::Pong]));
}

#[test]
fn the_greatest_command_id_works() {
    let line = br#"{"id":4294967295,"unsubscribe":{"channel":"c"}}"#;
    assert_eq!(decode(line), Ok(call(u32::MAX, Request::Unsubscribe("c".into()))));
}

#[test]
fn what_is_not_the_protocol_is_a_bad_request() {
    let bad: &[&[u8]] = &[
        b"",
        b"\n",
        b"{}\n\n",
        b"null",
        b"[]",
        b"[{}]",
        b"1",
        b"\"{}\"",
        b"{",
        b"{}{}",
        b"\xff\xfe",
        br#"{"id":1}"#,
        br#"{"id":1,"dance":{}}"#,
        br#"{"dance":{}}"#,
        br#"{"id":0,"connect":{}}"#,
        br#"{"connect":{}}"#,
        br#"{"id":-1,"connect":{}}"#,
        br#"{"id":"1","connect":{}}"#,
        br#"{"id":4294967296,"connect":{}}"#,
        br#"{"id":1,"connect":[]}"#,
        br#"{"id":1,"connect":{"token":5}}"#,
        br#"{"id":1,"subscribe":{}}"#,
        br#"{"id":1,"subscribe":{"channel":""}}"#,
        br#"{"id":1,"unsubscribe":{}}"#,
        br#"{"id":1,"subscribe":{"channel":"c","offset":-4}}"#,
    ];
    for frame in bad {
        assert_eq!(
            all(frame),
            Err(Disconnect::BadRequest),
            "{}",
            String::from_utf8_lossy(frame)
        );
    }
}

#[test]
fn a_frame_over_the_limit_is_refused_before_it_is_read() {
    let frame = vec![b' '; MAX_FRAME_BYTES + 1];
    for codec in [Codec::Json, Codec::Protobuf] {
        assert!(matches!(codec.commands(&frame), Err(Disconnect::TooLarge)));
    }
}

#[test]
fn deep_nesting_does_not_exhaust_the_stack() {
    let mut line = br#"{"id":1,"rpc":{"data":"#.to_vec();
    line.extend(std::iter::repeat_n(b'[', 30_000));
    assert_eq!(decode(&line), Err(Disconnect::BadRequest));
}

/// Every command but connect and subscribe, as JSON and as it is meant.
fn commands() -> Vec<(Value, Request)> {
    let ask = |ask| Request::Ask(Box::new(ask));
    let (channel, data) = ("c".to_owned(), Bytes::from_static(br#"{"a":1}"#));
    let publish = PublishRequest {
        channel: channel.clone(),
        data,
        ..PublishRequest::default()
    };
    let history = HistoryRequest {
        channel: channel.clone(),
        limit: -1,
        since: Some(StreamPosition {
            offset: 1,
            epoch: "e".to_owned(),
        }),
        reverse: true,
    };
    let sub_refresh = SubRefreshRequest {
        channel: channel.clone(),
        token: "t".to_owned(),
        kind: 1,
        track: vec![wire::TrackBatch {
            signature: "s".to_owned(),
            items: vec![wire::KeyedItem {
                key: "k".to_owned(),
                version: 7,
            }],
        }],
        untrack: vec!["u".to_owned()],
    };
    vec![
        (
            json!({"publish": {"channel": "c", "data": {"a": 1}}}),
            ask(Ask::Publish(publish)),
        ),
        (
            json!({"presence": {"channel": "c"}}),
            ask(Ask::Presence(channel.clone())),
        ),
        (
            json!({"presence_stats": {"channel": "c"}}),
            ask(Ask::PresenceStats(channel.clone())),
        ),
        (
            json!({"history": {"channel": "c", "limit": -1, "since": {"offset": 1, "epoch": "e"}, "reverse": true}}),
            ask(Ask::History(history)),
        ),
        (
            json!({"sub_refresh": {"channel": "c", "token": "t", "type": 1, "untrack": ["u"],
                "track": [{"signature": "s", "items": [{"key": "k", "version": 7}]}]}}),
            ask(Ask::Refresh(sub_refresh)),
        ),
        (json!({"ping": {}}), Request::Unsupported),
        (
            json!({"rpc": {"method": "m", "data": null}}),
            Request::Unsupported,
        ),
        (json!({"send": {"data": 1}}), Request::Send),
        (
            json!({"refresh": {"token": "t"}}),
            Request::Refresh(RefreshRequest { token: "t".into() }),
        ),
        (
            json!({"unsubscribe": {"channel": "c"}}),
            Request::Unsubscribe(channel),
        ),
    ]
}

#[test]
fn every_command_of_the_protocol_is_known() {
    for (mut line, request) in commands() {
        line["id"] = json!(3);
        assert_eq!(
            decode(line.to_string().as_bytes()),
            Ok(call(3, request)),
            "{line}"
        );
    }
    assert_eq!(decode(br#"{"send":{"data":1}}"#), Ok(call(0, Request::Send)));
}

#[test]
fn a_renewal_that_names_no_channel_is_answered_and_does_not_end_the_connection() {
    assert!(matches!(
        decode(br#"{"id":1,"sub_refresh":{"token":"t"}}"#),
        Ok(Command::Call { .. })
    ));
}

#[test]
fn data_with_line_breaks_between_its_tokens_travels_on_one_line() {
    let line = b"{\"id\":1,\"publish\":{\"channel\":\"c\",\"data\":{\"a\":\r\t[1]}}}";
    let Ok(Command::Call { request, .. }) = decode(line) else {
        panic!("not read");
    };
    let Request::Ask(ask) = request else {
        panic!("not a question")
    };
    let Ask::Publish(publish) = *ask else {
        panic!("not a publish")
    };
    assert_eq!(publish.data, &b"{\"a\": \t[1]}"[..]);
}

#[test]
fn of_several_methods_the_first_counts() {
    let line = br#"{"id":1,"unsubscribe":{"channel":"b"},"subscribe":{"channel":"a"},"connect":null}"#;
    let Ok(Command::Call {
        request: Request::Subscribe(request),
        ..
    }) = decode(line)
    else {
        panic!("not a subscribe");
    };
    assert_eq!(request.channel, "a");
}

#[test]
fn fields_of_newer_clients_are_ignored() {
    let line = br#"{"id":1,"connect":{"flag":3,"dict":"x","headers":{"a":"b"},"subs":{}},"later":{}}"#;
    assert_eq!(decode(line), Ok(call(1, Request::Connect(Box::default()))));
}

#[test]
fn messages_leave_zero_values_out_but_keep_their_key() {
    assert_eq!(text(&Reply::default()), "{}");
    assert_eq!(text(&Reply::unsubscribed(4)), r#"{"id":4,"unsubscribe":{}}"#);
    let subscribed = Reply {
        subscribe: Some(wire::SubscribeResult::default()),
        ..Reply::to(5)
    };
    assert_eq!(text(&subscribed), r#"{"id":5,"subscribe":{}}"#);
    assert_eq!(
        text(&Reply::error(6, ReplyError::Internal)),
        r#"{"id":6,"error":{"code":100,"message":"internal server error","temporary":true}}"#
    );
    let end = Push::unsubscribe("feed:users", &Unsubscribed::INSUFFICIENT_STATE);
    assert_eq!(
        text(&Reply::push(end)),
        r#"{"push":{"channel":"feed:users","unsubscribe":{"code":2500,"reason":"insufficient state"}}}"#
    );
}

#[test]
fn a_publication_carries_its_event_as_it_is() {
    let publication = |data: &'static [u8], offset| Publication {
        data: Bytes::from_static(data),
        offset,
        ..Publication::default()
    };
    let event = publication(br#"{"b":1,"a":[true,"x\ny"]}"#, 8);
    assert_eq!(
        text(&Reply::push(Push::publication("job:1", event.clone()))),
        r#"{"push":{"channel":"job:1","pub":{"data":{"b":1,"a":[true,"x\ny"]},"offset":8}}}"#
    );
    let ephemeral = Publication { offset: 0, ..event };
    assert!(!text(&Reply::push(Push::publication("job:1", ephemeral))).contains("offset"));
    // what only a Protobuf client can have published
    let binary = Reply::push(Push::publication("c", publication(b"\xff\n", 1)));
    assert_eq!(
        text(&binary),
        r#"{"push":{"channel":"c","pub":{"data":"/wo=","offset":1}}}"#
    );
}

#[test]
fn every_close_reason_fits_its_frame_and_is_not_json() {
    for close in Disconnect::ALL {
        assert!(close.reason().len() <= 123);
        assert!(serde_json::from_str::<serde_json::Value>(close.reason()).is_err());
        assert!(close == Disconnect::TooLarge || (3000..5000).contains(&close.code()));
    }
}

#[test]
fn null_is_as_good_as_absent() {
    let with_nulls = br#"{"id":1,"connect":{"token":null,"subs":null,"name":null,"version":null}}"#;
    assert_eq!(
        decode(with_nulls).unwrap(),
        decode(br#"{"id":1,"connect":{}}"#).unwrap()
    );
    let with_nulls = br#"{"id":2,"subscribe":{"channel":"c","token":null,"recover":null,"offset":null,"epoch":null,"flag":null,"tf":null}}"#;
    assert_eq!(
        decode(with_nulls).unwrap(),
        decode(br#"{"id":2,"subscribe":{"channel":"c"}}"#).unwrap()
    );
}
