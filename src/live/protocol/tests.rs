use proptest::prelude::*;
use serde_json::json;
use serde_json::value::RawValue;

use super::*;

fn text(message: &Message<'_>) -> String {
    String::from_utf8(encode(message)).unwrap()
}

fn all(frame: &[u8]) -> Result<Vec<Command>, Disconnect> {
    lines(frame)?.map(decode).collect()
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
        version: String::new(),
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
        br#"{"id":1,"sub_refresh":{}}"#,
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
    assert!(matches!(lines(&frame), Err(Disconnect::TooLarge)));
}

#[test]
fn deep_nesting_does_not_exhaust_the_stack() {
    let mut line = br#"{"id":1,"rpc":{"data":"#.to_vec();
    line.extend(std::iter::repeat_n(b'[', 30_000));
    assert_eq!(decode(&line), Err(Disconnect::BadRequest));
}

#[test]
fn every_command_of_the_protocol_is_known() {
    let look = Request::Look;
    let cases = [
        (
            r#"{"id":3,"publish":{"channel":"c","data":{"a":1}}}"#,
            Request::Publish("c".into()),
        ),
        (r#"{"id":3,"presence":{"channel":"c"}}"#, look("c".into())),
        (r#"{"id":3,"presence_stats":{"channel":"c"}}"#, look("c".into())),
        (
            r#"{"id":3,"history":{"channel":"c","since":{"offset":1}}}"#,
            look("c".into()),
        ),
        (
            r#"{"id":3,"sub_refresh":{"channel":"c","token":"t"}}"#,
            Request::SubRefresh("c".into()),
        ),
        (r#"{"id":3,"ping":{}}"#, Request::Unsupported),
        (
            r#"{"id":3,"rpc":{"method":"m","data":null}}"#,
            Request::Unsupported,
        ),
        (r#"{"id":3,"send":{"data":1}}"#, Request::Send),
        (
            r#"{"id":3,"refresh":{"token":"t"}}"#,
            Request::Refresh(RefreshRequest { token: "t".into() }),
        ),
    ];
    for (line, request) in cases {
        assert_eq!(decode(line.as_bytes()), Ok(call(3, request)), "{line}");
    }
    assert_eq!(decode(br#"{"send":{"data":1}}"#), Ok(call(0, Request::Send)));
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
    let line = br#"{"id":1,"connect":{"flag":3,"dict":"x","headers":{"a":"b"},"subs":{"c":{}}},"later":{}}"#;
    assert_eq!(decode(line), Ok(call(1, Request::Connect(Box::default()))));
}

#[test]
fn messages_leave_zero_values_out_but_keep_their_key() {
    assert_eq!(text(&Message::Ping), "{}");
    assert_eq!(text(&Message::Unsubscribe(4)), r#"{"id":4,"unsubscribe":{}}"#);
    assert_eq!(
        text(&Message::Subscribe(5, SubscribeResult::default())),
        r#"{"id":5,"subscribe":{}}"#
    );
    assert_eq!(
        text(&Message::Error(6, ReplyError::Internal)),
        r#"{"id":6,"error":{"code":100,"message":"internal server error","temporary":true}}"#
    );
    assert_eq!(
        text(&Message::UnsubscribePush(
            "feed:users",
            UnsubscribeCode::InsufficientState
        )),
        r#"{"push":{"channel":"feed:users","unsubscribe":{"code":2500,"reason":"insufficient state"}}}"#
    );
}

#[test]
fn a_publication_carries_its_event_as_it_is() {
    let data = RawValue::from_string(r#"{"b":1,"a":[true,"x\ny"]}"#.into()).unwrap();
    let line = publication_push("job:1", &data, 8);
    assert_eq!(
        String::from_utf8(line).unwrap(),
        r#"{"push":{"channel":"job:1","pub":{"data":{"b":1,"a":[true,"x\ny"]},"offset":8}}}"#
    );
    let ephemeral = publication_push("job:1", &data, 0);
    assert!(!String::from_utf8(ephemeral).unwrap().contains("offset"));
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
    ) {
        let line = json!({"id": id, "subscribe": {
            "channel": channel, "epoch": epoch, "offset": offset, "recover": recover, "flag": flag,
        }});
        let expected = SubscribeRequest {
            channel, recover, epoch, offset, flag, ..SubscribeRequest::default()
        };
        prop_assert_eq!(decode(line.to_string().as_bytes()), Ok(call(id, Request::Subscribe(Box::new(expected)))));
    }

    #[test]
    fn a_frame_cut_anywhere_is_never_taken_for_another_frame(cut in 0..74usize) {
        let frame = br#"{"id":12,"subscribe":{"channel":"feed:users","recover":true,"offset":345}}"#;
        prop_assert_eq!(decode(&frame[..cut]), Err(Disconnect::BadRequest));
    }

    #[test]
    fn an_encoded_message_holds_no_newline(channel in "\\PC{0,40}|\\s{0,9}", version in "(?s).{0,30}") {
        let push = Message::UnsubscribePush(&channel, UnsubscribeCode::PermissionLost);
        prop_assert!(!encode(&push).contains(&b'\n'));
        let result = ConnectResult { client: &channel, version: &version, expires: true, ttl: 1, ping: 25, pong: true };
        prop_assert!(!encode(&Message::Connect(1, result)).contains(&b'\n'));
    }
}
