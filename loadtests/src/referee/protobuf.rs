//! The protocol's Protobuf form, as far as a listener needs it, to and from the JSON form that the referee judges. Written
//! from the published protocol, and not from what the hub does.

use anyhow::{Context, ensure};
use prost::Message;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default)]
struct Command {
    #[prost(uint32, tag = "1")]
    id: u32,
    #[prost(message, optional, tag = "4")]
    connect: Option<Connect>,
    #[prost(message, optional, tag = "5")]
    subscribe: Option<Subscribe>,
}

#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default)]
struct Connect {
    #[prost(string, tag = "1")]
    token: String,
}

#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default)]
struct Subscribe {
    #[prost(string, tag = "1")]
    channel: String,
    #[prost(bool, tag = "3")]
    recover: bool,
    #[prost(string, tag = "6")]
    epoch: String,
    #[prost(uint64, tag = "7")]
    offset: u64,
}

#[derive(Clone, PartialEq, Message)]
struct Reply {
    #[prost(uint32, tag = "1")]
    id: u32,
    #[prost(message, optional, tag = "2")]
    error: Option<End>,
    #[prost(message, optional, tag = "4")]
    push: Option<Push>,
    #[prost(message, optional, tag = "5")]
    connect: Option<Connected>,
    #[prost(message, optional, tag = "6")]
    subscribe: Option<Subscribed>,
}

/// A code and what it means: of an error, an unsubscribe, a disconnect, each with numbers of its own.
#[derive(Clone, PartialEq, Message)]
struct End {
    #[prost(uint32, tag = "1")]
    code: u32,
    #[prost(string, tag = "2")]
    message: String,
}

#[derive(Clone, PartialEq, Message)]
struct Connected {
    #[prost(string, tag = "1")]
    client: String,
}

#[derive(Clone, PartialEq, Message)]
struct Subscribed {
    #[prost(string, tag = "6")]
    epoch: String,
    #[prost(message, repeated, tag = "7")]
    publications: Vec<Publication>,
    #[prost(bool, tag = "8")]
    recovered: bool,
    #[prost(uint64, tag = "9")]
    offset: u64,
}

#[derive(Clone, PartialEq, Message)]
struct Publication {
    #[prost(bytes = "vec", tag = "4")]
    data: Vec<u8>,
    #[prost(uint64, tag = "6")]
    offset: u64,
}

#[derive(Clone, PartialEq, Message)]
struct Push {
    #[prost(string, tag = "2")]
    channel: String,
    #[prost(message, optional, tag = "4")]
    publication: Option<Publication>,
    #[prost(message, optional, tag = "7")]
    unsubscribe: Option<Unsubscribe>,
    #[prost(message, optional, tag = "11")]
    disconnect: Option<End>,
}

#[derive(Clone, PartialEq, Message)]
struct Unsubscribe {
    #[prost(uint32, tag = "2")]
    code: u32,
    #[prost(string, tag = "3")]
    reason: String,
}

/// Commands, a line each, as one frame.
pub(super) fn frame(commands: &str) -> anyhow::Result<Vec<u8>> {
    let mut frame = Vec::new();
    for line in commands.lines() {
        serde_json::from_str::<Command>(line)?.encode_length_delimited(&mut frame)?;
    }
    Ok(frame)
}

/// The replies of a frame as lines of JSON.
pub(super) fn lines(mut frame: &[u8]) -> anyhow::Result<Vec<String>> {
    let mut lines = Vec::new();
    while !frame.is_empty() {
        let length = prost::decode_length_delimiter(&mut frame).context("no length")?;
        ensure!(length <= frame.len(), "a reply is cut off");
        let (reply, rest) = frame.split_at(length);
        lines.push(line(Reply::decode(reply)?)?);
        frame = rest;
    }
    Ok(lines)
}

fn line(reply: Reply) -> anyhow::Result<String> {
    let mut line = Map::new();
    let mut put = |name: &str, value| line.insert(name.to_owned(), value);
    if reply.id > 0 {
        put("id", reply.id.into());
    }
    if let Some(error) = reply.error {
        put("error", end(&error));
    }
    if let Some(connected) = reply.connect {
        put("connect", json!({"client": connected.client}));
    }
    if let Some(subscribed) = reply.subscribe {
        let publications = subscribed.publications.into_iter().map(publication);
        let publications = publications.collect::<anyhow::Result<Vec<_>>>()?;
        put(
            "subscribe",
            json!({
                "epoch": subscribed.epoch,
                "offset": subscribed.offset,
                "recovered": subscribed.recovered,
                "publications": publications,
            }),
        );
    }
    if let Some(pushed) = reply.push {
        put("push", push(pushed)?);
    }
    Ok(Value::Object(line).to_string())
}

fn push(push: Push) -> anyhow::Result<Value> {
    let mut parts: BTreeMap<&str, Value> = BTreeMap::new();
    if !push.channel.is_empty() {
        parts.insert("channel", push.channel.into());
    }
    if let Some(published) = push.publication {
        parts.insert("pub", publication(published)?);
    }
    if let Some(ended) = push.unsubscribe {
        parts.insert("unsubscribe", json!({"code": ended.code, "reason": ended.reason}));
    }
    if let Some(ended) = push.disconnect {
        parts.insert("disconnect", end(&ended));
    }
    Ok(json!(parts))
}

fn end(end: &End) -> Value {
    json!({"code": end.code, "message": end.message})
}

fn publication(publication: Publication) -> anyhow::Result<Value> {
    let mut json = json!({"data": serde_json::from_slice::<Value>(&publication.data)?});
    if publication.offset > 0 {
        json["offset"] = publication.offset.into();
    }
    Ok(json)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn commands_are_what_the_protocol_says_byte_for_byte() {
        let commands = [
            r#"{"id":1,"connect":{"token":"t"}}"#,
            r#"{"id":2,"subscribe":{"channel":"c","recover":true,"epoch":"e","offset":3}}"#,
            "{}",
        ];
        assert_eq!(
            frame(&commands.join("\n")).unwrap(),
            b"\x07\x08\x01\x22\x03\x0a\x01t\x0e\x08\x02\x2a\x0a\x0a\x01c\x18\x01\x32\x01e\x38\x03\x00"
        );
    }

    #[test]
    fn replies_are_lines_and_what_no_listener_needs_is_passed_over() {
        let subscribe =
            b"\x08\x02\x32\x13\x18\x01\x32\x01e\x3a\x08\x22\x02{}\x30\x03\x38\x00\x40\x01\x48\x03";
        let mut frame = vec![subscribe.len() as u8];
        frame.extend_from_slice(subscribe);
        frame.push(0);
        let lines = lines(&frame).unwrap();
        assert_eq!(
            lines,
            [
                r#"{"id":2,"subscribe":{"epoch":"e","offset":3,"publications":[{"data":{},"offset":3}],"recovered":true}}"#,
                "{}"
            ]
        );
    }

    #[test]
    fn a_publication_and_the_end_of_a_subscription_are_pushes() {
        let of = |push| {
            let reply = Reply {
                push: Some(push),
                ..Reply::default()
            };
            lines(&reply.encode_length_delimited_to_vec()).unwrap().concat()
        };
        let published = Publication {
            data: br#"{"a":1}"#.to_vec(),
            offset: 4,
        };
        assert_eq!(
            of(Push {
                channel: "c".to_owned(),
                publication: Some(published),
                ..Push::default()
            }),
            r#"{"push":{"channel":"c","pub":{"data":{"a":1},"offset":4}}}"#
        );
        let ended = Unsubscribe {
            code: 2500,
            reason: "gap".to_owned(),
        };
        assert_eq!(
            of(Push {
                channel: "c".to_owned(),
                unsubscribe: Some(ended),
                ..Push::default()
            }),
            r#"{"push":{"channel":"c","unsubscribe":{"code":2500,"reason":"gap"}}}"#
        );
    }

    proptest! {
        #[test]
        fn any_frame_is_read_without_harm(frame in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = lines(&frame);
        }
    }
}
