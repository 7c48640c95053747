//! The protocol as Protobuf: the same meaning as JSON, with the numbers that its clients know.

use proptest::prelude::*;

use super::call;
use crate::live::protocol::wire::{Publication, StreamPosition};
use crate::live::protocol::*;

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

proptest! {
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
}

/// A filter of so many nodes inside each other.
fn deep(depth: usize) -> wire::FilterNode {
    (0..depth).fold(wire::FilterNode::default(), |inner, _| wire::FilterNode {
        op: "not".to_owned(),
        nodes: vec![inner],
        ..wire::FilterNode::default()
    })
}
