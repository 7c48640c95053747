//! Members take turns, and what waits for one comes in one frame.

use super::*;

/// Writes offsets, and several of them as one frame.
#[derive(Debug)]
struct Lists;

impl Encoding for Lists {
    fn id(&self) -> u8 {
        252
    }

    fn is_json(&self) -> bool {
        true
    }

    fn publication(&self, _: &str, item: &Item) -> Frame {
        Frame::new(Bytes::from(item.offset.to_string()), 0)
    }

    fn join(&self, frames: &[Frame]) -> Option<Frame> {
        let all: Vec<_> = frames
            .iter()
            .map(|frame| String::from_utf8_lossy(frame.payload()).into_owned())
            .collect();
        Some(Frame::joined(all.join(" ").into(), 0, frames.len() as u8))
    }

    fn presence(&self, _: &str, _: bool, _: &ClientInfo) -> Option<Frame> {
        None
    }
}

/// The frames that wait for a follower, as text.
fn frames(subscriber: &Arc<Subscriber>) -> Vec<String> {
    let mut cx = Context::from_waker(Waker::noop());
    match subscriber.outlet().poll_take(&mut cx, usize::MAX) {
        Poll::Ready(Taken::Batch(batch)) => {
            let texts = batch
                .iter()
                .map(|item| String::from_utf8_lossy(item.frame.payload()).into_owned());
            texts.collect()
        }
        _ => vec![],
    }
}

#[test]
fn publications_that_follow_each_other_are_one_frame_for_all_who_see_them_alike() {
    let mut channel = Prompt::default();
    let [one, two, late] = [1, 2, 3].map(|slot| Subscriber::new(Outlet::new(usize::MAX), slot));
    for subscriber in [&one, &two, &late] {
        channel.join(
            subscriber.clone(),
            View::new(Sight::whole(ViewClass::of(&PermissionSet::default())), &Lists),
        );
    }
    channel.release(&one, place("e", 0), false);
    channel.release(&two, place("e", 3), false);
    let run: Vec<_> = (1..=20).map(|offset| publication("e", offset)).collect();
    assert_eq!(channel.arrive_together(&run), Need::Nothing);
    let all = |from: u64, to: u64| (from..=to).map(|n| n.to_string()).collect::<Vec<_>>().join(" ");
    assert_eq!(frames(&one), [all(1, 16), all(17, 20)]);
    // who is ahead of them gets what it does not have
    let mut second: Vec<_> = (4..=16).map(|n| n.to_string()).collect();
    second.push(all(17, 20));
    assert_eq!(frames(&two), second);
    // who still joins gets what went by
    channel.release(&late, place("e", 18), false);
    assert_eq!(frames(&late), ["19", "20"]);
}

#[test]
fn who_is_served_later_gets_what_came_meanwhile_in_the_same_turn() {
    let mut channel = Channel::default();
    let members = [1, 2, 3].map(|slot| Subscriber::new(Outlet::new(usize::MAX), slot));
    for member in &members {
        let view = View::new(Sight::whole(ViewClass::of(&PermissionSet::default())), &Lists);
        channel.join(member.clone(), view);
        channel.release(member, place("e", 0), false);
    }
    channel.arrive_together(&[1, 2].map(|offset| publication("e", offset)));
    assert_eq!(channel.serve(1, &Turn::default(), Instant::now()), 1);
    channel.arrive_together(&[3, 4].map(|offset| publication("e", offset)));
    assert_eq!(
        channel.serve(9, &Turn::default(), Instant::now()),
        2,
        "the others of the first lap"
    );
    assert!(channel.is_due());
    assert_eq!(
        channel.serve(9, &Turn::default(), Instant::now()),
        1,
        "only the first lacks something"
    );
    assert!(!channel.is_due() && channel.due.bytes() == 0);
    assert_eq!(
        members.each_ref().map(frames),
        [vec!["1 2", "3 4"], vec!["1 2 3 4"], vec!["1 2 3 4"]]
    );
}

#[test]
fn what_comes_first_is_given_at_once_and_what_comes_soon_after_when_it_is_much_or_late() {
    let mut channel = Channel::default();
    let _followers: Vec<_> = (0..100)
        .map(|_| Follower::released(&mut channel, place("e", 0)))
        .collect();
    let began = Instant::now();
    channel.arrive(publication("e", 1));
    assert!(channel.rest(began).is_zero());
    channel.serve(60, &Turn::default(), began);
    let soon = began + Duration::from_micros(500);
    assert!(channel.rest(soon).is_zero(), "the others of the same lap");
    channel.serve(60, &Turn::default(), soon);
    channel.arrive(publication("e", 2));
    assert!(!channel.rest(soon).is_zero());
    assert!(channel.rest(began + Duration::from_millis(2)).is_zero(), "late");
    for offset in 3..=25 {
        channel.arrive(publication("e", offset));
    }
    assert!(channel.rest(soon).is_zero(), "much");
}

#[test]
fn what_is_kept_back_is_bounded() {
    let mut channel = Channel::default();
    let _follower = Follower::released(&mut channel, place("e", 0));
    let mut offset = 0;
    while !channel.is_overdue() {
        offset += 1;
        channel.arrive(publication("e", offset));
    }
    let one = publication("e", 1).size() as u64;
    assert!(offset * one <= OVERDUE as u64 + one);
}

#[test]
fn a_run_with_a_hole_is_given_up_to_the_hole() {
    let mut channel = Prompt::default();
    let one = Subscriber::new(Outlet::new(usize::MAX), 1);
    channel.join(
        one.clone(),
        View::new(Sight::whole(ViewClass::of(&PermissionSet::default())), &Lists),
    );
    channel.release(&one, place("e", 0), false);
    let run = [1, 2, 4].map(|offset| publication("e", offset));
    assert_eq!(channel.arrive_together(&run), Need::Read(2));
    assert_eq!(frames(&one), ["1 2"]);
}

#[test]
fn whoever_leaves_is_forgotten_without_a_look_at_the_others_and_takes_nobodys_turn() {
    let mut channel = Channel::default();
    let mut members: Vec<_> = (0..6)
        .map(|_| Follower::released(&mut channel, place("e", 0)))
        .collect();
    channel.arrive(publication("e", 1));
    assert_eq!(channel.serve(3, &Turn::default(), Instant::now()), 3);
    // one that had its turn, and one that had not; the second of the row has gone unheard
    for gone in [0, 4] {
        members[gone].subscriber.close();
        assert!(!channel.leave(&members[gone].subscriber));
        assert!(!channel.leave(&members[gone].subscriber), "once more");
    }
    members[1].subscriber.close();
    assert_eq!(channel.members.len(), 4, "nobody else was looked at");
    assert_eq!(
        channel.serve(9, &Turn::default(), Instant::now()),
        2,
        "each of those who had not had it has their turn in this lap"
    );
    assert!(!channel.is_due());
    for at in [2, 3, 5] {
        assert_eq!(members[at].look(), [1], "{at}");
    }
    assert!(!channel.sweep());
    assert_eq!(channel.members.len(), 3);
    channel.arrive(publication("e", 2));
    channel.serve(9, &Turn::default(), Instant::now());
    for (at, is_last) in [(5, false), (2, false), (3, true)] {
        assert_eq!(members[at].look(), [1, 2], "{at}");
        members[at].subscriber.close();
        assert_eq!(channel.leave(&members[at].subscriber), is_last);
    }
}

#[test]
fn who_leaves_before_it_was_released_is_waited_for_no_longer() {
    let mut channel = Prompt::default();
    let mut first = Follower::released(&mut channel, place("e", 0));
    let joining = [Follower::joined(&mut channel), Follower::joined(&mut channel)];
    channel.arrive(publication("e", 1));
    channel.leave(&joining[0].subscriber);
    assert_eq!(channel.recent.iter().count(), 1, "the other may need it");
    channel.leave(&joining[1].subscriber);
    assert_eq!(channel.recent.iter().count(), 0);
    assert_eq!(first.look(), [1]);
}
