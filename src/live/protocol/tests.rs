use bytes::Bytes;
use proptest::prelude::*;
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

/// Messages as a Protobuf client sends them.
fn protobuf(messages: &[wire::Command]) -> Vec<u8> {
    messages
        .iter()
        .flat_map(prost::Message::encode_length_delimited_to_vec)
        .collect()
}

#[test]
fn protobuf_messages_behind_their_lengths_mean_what_json_lines_mean() {
    let connect = ConnectRequest {
        token: "t".into(),
        ..ConnectRequest::default()
    };
    let subscribe = SubscribeRequest {
        channel: "c".into(),
        recover: true,
        offset: u64::MAX,
        epoch: "e".into(),
        ..SubscribeRequest::default()
    };
    let frame = protobuf(&[
        wire::Command {
            id: 1,
            connect: Some(connect.clone()),
            ..wire::Command::default()
        },
        wire::Command {
            id: u32::MAX,
            subscribe: Some(subscribe.clone()),
            ..wire::Command::default()
        },
        wire::Command::default(),
    ]);
    let read: Result<Vec<_>, _> = Codec::Protobuf.commands(&frame).unwrap().collect();
    let expected = vec![
        call(1, Request::Connect(Box::new(connect))),
        call(u32::MAX, Request::Subscribe(Box::new(subscribe))),
        Command::Pong,
    ];
    assert_eq!(read, Ok(expected));
}

#[test]
fn numbers_of_fields_are_those_of_the_protocol() {
    // id 1 (field 1), subscribe (field 5) of channel "c" (field 1) with recover (3), epoch "e" (6), offset 7 (7), flag 1 (14),
    // asc (19)
    let frame = b"\x14\x08\x01\x2a\x0f\x0a\x01c\x18\x01\x32\x01e\x38\x07\x70\x01\x98\x01\x01";
    let frame = [&[frame.len() as u8 - 1][..], &frame[1..]].concat();
    let Some(Ok(Command::Call { id: 1, request })) = Codec::Protobuf.commands(&frame).unwrap().next() else {
        panic!("not read");
    };
    let Request::Subscribe(wish) = request else {
        panic!("not a subscribe")
    };
    assert_eq!(
        (wish.channel.as_str(), wish.epoch.as_str(), wish.offset, wish.flag),
        ("c", "e", 7, 1)
    );
    assert!(wish.asc);
    // a push (4) on channel "c" (2) of a publication (4) with data "x" (4), offset 8 (6), delta (8)
    let publication = Publication {
        data: "x".into(),
        offset: 8,
        delta: true,
        ..Publication::default()
    };
    let reply = Reply::push(Push::publication("c", publication));
    let expected = b"\x0e\x22\x0c\x12\x01c\x22\x07\x22\x01x\x30\x08\x40\x01";
    assert_eq!(&Codec::Protobuf.reply(&reply)[..], expected);
    // a reply of id 1 to a subscribe (6) of a map: type (15), phase (16), cursor (17), state (18) of an entry "k" (11), removed (12),
    // score (13, zigzag), epoch (14)
    let entry = Publication {
        key: "k".into(),
        removed: true,
        score: -2,
        epoch: "e".into(),
        ..Publication::default()
    };
    let page = wire::SubscribeResult {
        kind: 1,
        phase: 2,
        cursor: "c".into(),
        state: vec![entry],
        ..wire::SubscribeResult::default()
    };
    let reply = Reply {
        subscribe: Some(page),
        ..Reply::to(1)
    };
    let expected = b"\x1a\x08\x01\x32\x16\x78\x01\x80\x01\x02\x8a\x01\x01c\x92\x01\x0a\x5a\x01k\x60\x01\x68\x03\x72\x01e";
    assert_eq!(&Codec::Protobuf.reply(&reply)[..], expected);
    // a ping is a message of no bytes
    assert_eq!(&Codec::Protobuf.reply(&Reply::default())[..], b"\x00");
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

fn protocol_like_text() -> impl Strategy<Value = String> {
    let word = prop::sample::select(vec![
        "{",
        "}",
        "[",
        "]",
        ":",
        ",",
        "\n",
        " ",
        "\"id\"",
        "1",
        "0",
        "-1",
        "1e9",
        "4294967295",
        "null",
        "true",
        "\"connect\"",
        "\"subscribe\"",
        "\"channel\"",
        "\"feed:users\"",
        "\"token\"",
        "\"\"",
        "\"\\u0000\"",
        "\"send\"",
        "\"ping\"",
        "{}",
        "\"offset\"",
        "\\",
        "\u{1F600}",
    ]);
    prop::collection::vec(word, 0..40).prop_map(|words| words.concat())
}

proptest! {
    #[test]
    fn decoding_any_bytes_gives_a_command_or_a_bad_request(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        if let Err(close) = all(&bytes) {
            prop_assert_eq!(close, Disconnect::BadRequest);
        }
    }

    #[test]
    fn decoding_shuffled_protocol_words_gives_a_command_or_a_bad_request(text in protocol_like_text()) {
        if let Err(close) = all(text.as_bytes()) {
            prop_assert_eq!(close, Disconnect::BadRequest);
        }
    }

    #[test]
    fn a_subscribe_is_read_back_as_it_was_written(
        id in 1..=u32::MAX, channel in "[ -~]{1,255}", epoch in "\\PC{0,20}", offset: u64, recover: bool, flag in 0..4i64,
        kind: i32, phase: i32, cursor in "\\PC{0,20}", limit: i32,
    ) {
        let line = json!({"id": id, "subscribe": {
            "channel": channel, "epoch": epoch, "offset": offset, "recover": recover, "flag": flag,
            "type": kind, "phase": phase, "cursor": cursor, "limit": limit,
        }});
        let expected = SubscribeRequest {
            channel, recover, epoch, offset, flag, kind, phase, cursor, limit, ..SubscribeRequest::default()
        };
        prop_assert_eq!(decode(line.to_string().as_bytes()), Ok(call(id, Request::Subscribe(Box::new(expected)))));
    }

    #[test]
    fn a_frame_cut_anywhere_is_never_taken_for_another_frame(cut in 0..74usize) {
        let frame = br#"{"id":12,"subscribe":{"channel":"feed:users","recover":true,"offset":345}}"#;
        prop_assert_eq!(all(&frame[..cut]), Err(Disconnect::BadRequest));
    }

    #[test]
    fn any_bytes_are_read_as_protobuf_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        if let Ok(commands) = Codec::Protobuf.commands(&bytes)
            && let Err(close) = commands.collect::<Result<Vec<_>, _>>()
        {
            prop_assert_eq!(close, Disconnect::BadRequest);
        }
    }

    #[test]
    fn protobuf_commands_with_bytes_changed_or_cut_are_read_without_harm(
        at in 0..200usize, to: u8, cut in 0..200usize, which in 0..4usize,
    ) {
        let message = wire::Command {
            id: 7,
            publish: (which == 0).then(|| PublishRequest { channel: "c".into(), data: "{}".into(), ..Default::default() }),
            subscribe: (which == 1).then(|| SubscribeRequest { channel: "c".into(), tf: Some(deep(20)), ..Default::default() }),
            history: (which == 2).then(|| HistoryRequest { channel: "c".into(), since: Some(StreamPosition::default()), ..Default::default() }),
            connect: (which == 3).then(|| ConnectRequest { subs: [("c".to_owned(), SubscribeRequest::default())].into(), ..Default::default() }),
            ..wire::Command::default()
        };
        let mut frame = protobuf(&[message]);
        let length = frame.len();
        frame[at % length] = to;
        frame.truncate(cut.max(1));
        if let Ok(commands) = Codec::Protobuf.commands(&frame) {
            for command in commands {
                prop_assert!(!matches!(command, Err(close) if close != Disconnect::BadRequest));
            }
        }
    }

    #[test]
    fn an_encoded_message_holds_no_newline(channel in "\\PC{0,40}|\\s{0,9}", version in "(?s).{0,30}") {
        let push = Push::unsubscribe(&channel, &Unsubscribed::PERMISSION_LOST);
        prop_assert!(!text(&Reply::push(push)).contains('\n'));
        let connect = wire::ConnectResult { client: channel, version, ..Default::default() };
        let reply = Reply { connect: Some(connect), ..Reply::to(1) };
        prop_assert!(!text(&reply).contains('\n'));
    }
}

/// A filter of so many nodes inside each other.
fn deep(depth: usize) -> wire::FilterNode {
    (0..depth).fold(wire::FilterNode::default(), |inner, _| wire::FilterNode {
        op: "not".to_owned(),
        nodes: vec![inner],
        ..wire::FilterNode::default()
    })
}
