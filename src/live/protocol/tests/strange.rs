//! Whatever comes as JSON is a command or a bad request, and whatever goes is one line.

use proptest::prelude::*;
use serde_json::json;

use super::{all, call, decode, text};
use crate::live::protocol::*;

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
    fn an_encoded_message_holds_no_newline(channel in "\\PC{0,40}|\\s{0,9}", version in "(?s).{0,30}") {
        let push = Push::unsubscribe(&channel, &Unsubscribed::PERMISSION_LOST);
        prop_assert!(!text(&Reply::push(push)).contains('\n'));
        let connect = wire::ConnectResult { client: channel, version, ..Default::default() };
        let reply = Reply { connect: Some(connect), ..Reply::to(1) };
        prop_assert!(!text(&reply).contains('\n'));
    }
}
