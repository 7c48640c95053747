//! What passes while a follower joins.

use super::*;

/// Writes whether it is a patch.
#[derive(Debug)]
struct Patches;

impl Encoding for Patches {
    fn id(&self) -> u8 {
        254
    }

    fn is_json(&self) -> bool {
        false
    }

    fn publication(&self, _: &str, item: &Item) -> Frame {
        let form: &'static [u8] = if item.delta { b"patch" } else { b"whole" };
        Frame::new(Bytes::from_static(form), 0)
    }

    fn join(&self, _: &[Frame]) -> Option<Frame> {
        None
    }

    fn presence(&self, _: &str, _: bool, _: &ClientInfo) -> Option<Frame> {
        None
    }
}

#[test]
fn nothing_is_a_patch_of_what_has_no_position_and_passed_while_a_follower_joined() {
    let said = |offset| {
        let channel = ChannelKey {
            organization: APPLICATION,
            name: "chat:1".into(),
        };
        let said = SaidByAnApplication {
            data: format!("{{\"text\":\"{}\",\"n\":{offset}}}", "word ".repeat(50)).into(),
            delta: true,
            ..said()
        };
        let payload = Message::Publication(said).encode();
        Publication::new(channel, "e".into(), offset, payload.into())
    };
    let view = || View {
        delta: true,
        encoding: &Patches,
        ..view()
    };
    let forms = |with_passing: bool| {
        let mut channel = Prompt::default();
        let (first, second) = (Follower::new(), Follower::new());
        channel.join(first.subscriber.clone(), view());
        channel.release(&first.subscriber, place("e", 0), false);
        channel.join(second.subscriber.clone(), view());
        channel.arrive(said(1));
        if with_passing {
            channel.arrive(said(0));
        }
        // it read the first of them, and has it
        channel.release(&second.subscriber, place("e", 1), true);
        channel.arrive(said(2));
        channel.arrive(said(3));
        let mut forms = Vec::new();
        let mut cx = Context::from_waker(Waker::noop());
        while let Poll::Ready(Taken::Batch(batch)) = second.subscriber.outlet().poll_take(&mut cx, usize::MAX)
        {
            forms.extend(
                batch
                    .iter()
                    .map(|item| String::from_utf8_lossy(item.frame.payload()).into_owned()),
            );
        }
        forms
    };
    assert_eq!(forms(false), ["patch", "patch"]);
    assert_eq!(forms(true), ["whole", "whole", "patch"]);
}

#[test]
fn what_is_kept_for_followers_that_join_is_bounded_in_bytes_too() {
    let long = |offset| {
        let channel = publication("e", 1).channel.clone();
        let payload = format!(
            "{{\"event\":{{\"pad\":\"{}\"}},\"row\":\"user\"}}",
            "x".repeat(1 << 20)
        );
        Publication::new(channel, "e".into(), offset, payload.into())
    };
    let mut channel = Prompt::default();
    let _first = Follower::released(&mut channel, place("e", 0));
    let mut second = Follower::joined(&mut channel);
    for _ in 0..40 {
        channel.arrive(long(0));
    }
    assert!(channel.passing.len() < 17, "{}", channel.passing.len());
    for offset in 1..=40 {
        channel.arrive(long(offset));
    }
    // it reads again, which is less than to keep all of it
    assert!(second.is_lost());
    assert_eq!(channel.recent.len(), 0);
}

#[test]
fn a_burst_that_passes_in_a_channel_that_keeps_nothing_reaches_who_is_joining_once() {
    let mut channel = Prompt::default();
    let mut first = Follower::released(&mut channel, place("", 0));
    let mut second = Follower::joined(&mut channel);
    channel.arrive_together(&[publication("", 0), publication("", 0), publication("", 0)]);
    channel.release(&second.subscriber, place("", 0), false);
    channel.arrive_together(&[publication("", 0), publication("", 0)]);
    assert_eq!((first.look().len(), second.look().len()), (5, 5));
}
