use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;
use signalbox_core::live::application::shared_poll::SharedPollOptions;
use signalbox_core::live::application::{Options, SubscriptionType};

use super::ask::{Answered, read};
use super::*;
use crate::live_hub::Frame;
use signalbox_core::live::application::ClientInfo;

#[derive(Debug)]
struct Plain;

impl Encoding for Plain {
    fn id(&self) -> u8 {
        200
    }

    fn is_json(&self) -> bool {
        true
    }

    fn publication(&self, _: &str, item: &Item) -> Frame {
        let removed = if item.removed { "-" } else { "" };
        let text = format!("{removed}{}={}", item.key, String::from_utf8_lossy(&item.data));
        Frame::new(text.into(), 0)
    }

    fn join(&self, _: &[Frame]) -> Option<Frame> {
        None
    }

    fn presence(&self, _: &str, _: bool, _: &ClientInfo) -> Option<Frame> {
        None
    }
}

fn polls(poll: SharedPollOptions) -> SharedPolls {
    let options = Options {
        subscription_type: SubscriptionType::SharedPoll,
        shared_poll: poll,
        ..Options::default()
    };
    let named = BTreeMap::from([("poll".to_owned(), options)]);
    let namespaces = Namespaces::new(None, named, Duration::from_hours(1));
    SharedPolls {
        board: Arc::new(Board::new(Arc::new(namespaces))),
        epoch: "e".into(),
    }
}

fn tracker(polls: &SharedPolls, outlet: &Arc<Outlet>, slot: u32) -> Tracker {
    polls.tracker(&"poll:1".into(), outlet, slot, &Plain)
}

fn want(key: &str, version: u64) -> Wanted {
    Wanted {
        key: key.to_owned(),
        version,
        until: None,
    }
}

fn answer(key: &str, data: &str, version: u64) -> Answered {
    Answered {
        key: key.to_owned(),
        data: data.to_owned().into(),
        version,
        removed: false,
    }
}

fn told(outlet: &Outlet) -> Vec<String> {
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    match outlet.poll_take(&mut cx, usize::MAX) {
        std::task::Poll::Ready(crate::live_hub::Taken::Batch(batch)) => batch
            .into_iter()
            .map(|queued| String::from_utf8(queued.frame.payload().to_vec()).unwrap())
            .collect(),
        _ => Vec::new(),
    }
}

fn keys(question: &keys::Question) -> Vec<&str> {
    let mut keys: Vec<_> = question.keys.iter().map(|(key, _)| &**key).collect();
    keys.sort_unstable();
    keys
}

#[test]
fn a_key_is_asked_for_once_for_all_who_want_it_and_only_what_is_new_is_pushed() {
    let polls = polls(SharedPollOptions::default());
    let (one, two) = (Outlet::new(10_000), Outlet::new(10_000));
    let (first, second) = (tracker(&polls, &one, 1), tracker(&polls, &two, 1));
    let now = Instant::now();
    assert_eq!(polls.board.questions(9, now), []);
    assert_eq!(first.track(&[want("a", 0), want("b", 0)]), Ok(vec![]));
    assert_eq!(second.track(&[want("a", 0)]), Ok(vec![]));
    let asked = polls.board.questions(9, now);
    assert_eq!((asked.len(), keys(&asked[0])), (1, vec!["a", "b"]));
    assert_eq!(polls.board.questions(9, now), [], "one is out");
    polls.board.answered(
        &asked[0],
        vec![answer("a", "1", 0), answer("b", "2", 0), answer("z", "3", 0)],
    );
    assert_eq!(
        (told(&one), told(&two)),
        (vec!["a=1".to_owned(), "b=2".to_owned()], vec!["a=1".to_owned()])
    );
    assert_eq!(polls.board.questions(9, now), [], "nothing is due");
    let later = now + Duration::from_secs(11);
    let asked = polls.board.questions(9, later);
    assert_eq!(keys(&asked[0]), ["a", "b"]);
    polls
        .board
        .answered(&asked[0], vec![answer("a", "1", 0), answer("b", "22", 0)]);
    assert_eq!((told(&one), told(&two)), (vec!["b=22".to_owned()], vec![]));
    // known already: answered at once to who comes, and not to who has it
    let items = second.track(&[want("b", 0)]).unwrap();
    assert_eq!((items.len(), &items[0].data[..]), (1, &b"22"[..]));
    assert_eq!(second.track(&[want("b", items[0].version)]), Ok(vec![]));
}

#[test]
fn what_nobody_tracks_any_more_is_not_asked_for_and_what_is_gone_is_told_once() {
    let polls = polls(SharedPollOptions::default());
    let outlet = Outlet::new(10_000);
    let only = tracker(&polls, &outlet, 1);
    only.track(&[want("a", 0), want("b", 0), want("c", 0)]).unwrap();
    only.untrack(&["a".to_owned(), "unknown".to_owned()]);
    let asked = polls.board.questions(9, Instant::now());
    assert_eq!(keys(&asked[0]), ["b", "c"]);
    let gone = Answered {
        removed: true,
        ..answer("b", "", 0)
    };
    polls.board.answered(&asked[0], vec![gone]);
    assert_eq!(told(&outlet), ["-b="]);
    let soon = Wanted {
        until: Some(Instant::now()),
        ..want("c", 0)
    };
    only.track(&[soon]).unwrap();
    polls.board.answered(&asked[0], vec![answer("c", "late", 0)]);
    assert_eq!(told(&outlet), Vec::<String>::new(), "its signature has ended");
    assert_eq!(
        polls.board.questions(9, Instant::now() + Duration::from_mins(1)),
        []
    );
    only.track(&[want("d", 0)]).unwrap();
    only.close();
    assert_eq!(only.track(&[want("d", 0)]), Err(TrackError::Over));
    assert_eq!(
        polls.board.questions(9, Instant::now() + Duration::from_mins(1)),
        []
    );
}

#[test]
fn versions_only_grow_and_a_connection_tracks_so_many_keys() {
    let polls = polls(SharedPollOptions {
        mode: PollMode::Versioned,
        max_keys_per_connection: 2,
        ..SharedPollOptions::default()
    });
    let outlet = Outlet::new(10_000);
    let only = tracker(&polls, &outlet, 1);
    only.track(&[want("a", 5), want("b", 0)]).unwrap();
    assert_eq!(only.track(&[want("c", 0)]), Err(TrackError::TooMany));
    only.track(&[want("a", 5)]).unwrap();
    let asked = polls.board.questions(9, Instant::now());
    polls
        .board
        .answered(&asked[0], vec![answer("a", "5", 5), answer("b", "3", 3)]);
    assert_eq!(told(&outlet), ["b=3"], "it has the fifth");
    let asked = polls.board.questions(9, Instant::now() + Duration::from_mins(1));
    assert_eq!(asked[0].keys.iter().map(|(_, version)| version).sum::<u64>(), 8);
    polls
        .board
        .answered(&asked[0], vec![answer("a", "4", 4), answer("b", "6", 6)]);
    assert_eq!(told(&outlet), ["b=6"]);
    assert_eq!((polls.epoch("poll:1"), polls.epoch("other:1")), ("", ""));
}

proptest! {
    #[test]
    fn any_answer_is_read_or_refused_and_never_panics(answer in "\\PC{0,60}|\\{\"result\":\\{\"items\":\\[\\{[a-z\":0-9,]{0,30}\\}\\]\\}\\}") {
        let _ = read(answer.as_bytes());
    }
}
