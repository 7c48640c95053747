use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;
use signalbox_core::live::application::shared_poll::SharedPollOptions;
use signalbox_core::live::application::{Options, SubscriptionType};

use super::ask::{Answer as Answers, Answered, read};
use super::*;
use crate::live_hub::{Encoding, Frame, Signal};
use signalbox_core::kernel::permission::PermissionSet;
use signalbox_core::live::application::ClientInfo;
use signalbox_core::live::scope::Sight;
use signalbox_core::live::view::ViewClass;

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
        let sign = match item {
            Item { removed: true, .. } => "-",
            Item { delta: true, .. } => "~",
            _ => "",
        };
        let text = format!("{sign}{}={}", item.key, String::from_utf8_lossy(&item.data));
        Frame::new(text.into(), 0)
    }

    fn join(&self, _: &[Frame]) -> Option<Frame> {
        None
    }

    fn presence(&self, _: &str, _: bool, _: &ClientInfo) -> Option<Frame> {
        None
    }
}

pub fn polls(poll: SharedPollOptions) -> SharedPolls {
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
    polls.tracker(&"poll:1".into(), outlet, slot, view())
}

fn view() -> View {
    View::new(Sight::whole(ViewClass::of(&PermissionSet::default())), &Plain)
}

impl SharedPolls {
    /// The question is answered, in an epoch without a name.
    fn answered(&self, question: &keys::Question, items: Vec<Answered>) {
        self.answered_in("", question, items);
    }

    fn answered_in(&self, epoch: &str, question: &keys::Question, items: Vec<Answered>) {
        let epoch = epoch.to_owned();
        self.board.answered(question, Some(Answers { items, epoch }));
    }
}

fn is_lost(outlet: &Outlet) -> bool {
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    matches!(
        outlet.poll_signal(&mut cx),
        std::task::Poll::Ready(Signal::Lost(_))
    )
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
    polls.answered(
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
    polls.answered(&asked[0], vec![answer("a", "1", 0), answer("b", "22", 0)]);
    assert_eq!((told(&one), told(&two)), (vec!["b=22".to_owned()], vec![]));
    // known already: answered at once to who comes, and not to who has it
    let items = second.track(&[want("b", 0)]).unwrap();
    assert_eq!((items.len(), &items[0].data[..]), (1, &b"22"[..]));
    assert_eq!(second.track(&[want("b", items[0].version)]), Ok(vec![]));
}

#[test]
fn where_more_channels_are_due_than_may_be_asked_each_has_its_turn() {
    let polls = polls(SharedPollOptions::default());
    let outlet = Outlet::new(10_000);
    let trackers: Vec<_> = (0..5)
        .map(|n| polls.tracker(&format!("poll:{n}").into(), &outlet, n + 1, view()))
        .collect();
    for tracker in &trackers {
        tracker.track(&[want("a", 0)]).unwrap();
    }
    let mut now = Instant::now();
    let mut asked = Vec::new();
    for _ in 0..3 {
        // all are due again before the next two are asked
        now += Duration::from_mins(1);
        let questions = polls.board.questions(2, now);
        for question in &questions {
            polls.answered(question, vec![answer("a", "1", 0)]);
        }
        asked.extend(questions.into_iter().map(|question| question.channel.to_string()));
    }
    asked.sort();
    asked.dedup();
    assert_eq!(asked, (0..5).map(|n| format!("poll:{n}")).collect::<Vec<_>>());
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
    polls.answered(&asked[0], vec![gone]);
    assert_eq!(told(&outlet), ["-b="]);
    let soon = Wanted {
        until: Some(Instant::now()),
        ..want("c", 0)
    };
    only.track(&[soon]).unwrap();
    polls.answered(&asked[0], vec![answer("c", "late", 0)]);
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
    polls.answered(&asked[0], vec![answer("a", "5", 5), answer("b", "3", 3)]);
    assert_eq!(told(&outlet), ["b=3"], "it has the fifth");
    let asked = polls.board.questions(9, Instant::now() + Duration::from_mins(1));
    assert_eq!(asked[0].keys.iter().map(|(_, version)| version).sum::<u64>(), 8);
    polls.answered(&asked[0], vec![answer("a", "4", 4), answer("b", "6", 6)]);
    assert_eq!(told(&outlet), ["b=6"]);
    assert_eq!((&*polls.epoch("poll:1"), &*polls.epoch("other:1")), ("", ""));
}

#[test]
fn what_one_subscription_tracks_is_counted_and_ended_without_asking_for_the_keys_of_others() {
    let polls = polls(SharedPollOptions {
        max_keys_per_connection: 1_000,
        ..SharedPollOptions::default()
    });
    let outlet = Outlet::new(10_000);
    let many = |from: usize| {
        (from..from + 1_000)
            .map(|n| want(&format!("k{n}"), 0))
            .collect::<Vec<_>>()
    };
    let others: Vec<_> = (0..40)
        .map(|n| {
            let other = tracker(&polls, &outlet, n + 1);
            other.track(&many(n as usize * 1_000)).unwrap();
            other
        })
        .collect();
    let begun = Instant::now();
    for n in 0..2_000 {
        let brief = tracker(&polls, &outlet, 100 + n);
        brief.track(&[want("k5", 0)]).unwrap();
        brief.track(&[want("mine", 0)]).unwrap();
    }
    // looking through the keys of all for each of them takes a hundred times as long
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    assert_eq!(others[0].track(&[want("k1000", 0)]), Err(TrackError::TooMany));
    others[0].untrack(&["k0".to_owned()]);
    others[0].track(&[want("k1000", 0)]).unwrap();
    assert!(polls.board.is_told_alike());
}

/// Long enough that a patch of it is shorter, with characters of several bytes.
fn text(word: &str) -> String {
    format!("\"{} {word} {}\"", "Привет".repeat(9), "мир".repeat(9))
}

#[test]
fn a_patch_is_made_of_what_a_client_was_pushed_and_of_nothing_else() {
    let polls = polls(SharedPollOptions::default());
    let (one, two, plain) = (Outlet::new(100_000), Outlet::new(100_000), Outlet::new(100_000));
    let patched = |outlet| {
        let view = View {
            delta: true,
            ..view()
        };
        polls.tracker(&"poll:1".into(), outlet, 1, view)
    };
    let (first, second) = (patched(&one), patched(&two));
    let third = tracker(&polls, &plain, 1);
    first.track(&[want("a", 0), want("b", 0)]).unwrap();
    third.track(&[want("a", 0)]).unwrap();
    let now = Instant::now();
    let asked = polls.board.questions(9, now);
    let becomes = |a: &str| polls.answered(&asked[0], vec![answer("a", &text(a), 0)]);
    becomes("one");
    let whole = |word: &str| format!("a={}", serde_json::to_string(&text(word)).unwrap());
    assert_eq!(
        told(&one),
        [whole("one")],
        "a text, as everything is where patches are"
    );
    // known, and answered in full as a text; the push behind it is no patch, for it might overtake the answer
    let items = second.track(&[want("a", 0)]).unwrap();
    assert_eq!(&items[0].data[..], &whole("one").as_bytes()[2..]);
    becomes("two");
    let patch = told(&one);
    assert!(patch[0].starts_with("~a=\"") && patch[0].len() < 60, "{patch:?}");
    assert_eq!(told(&two), [whole("two")]);
    becomes("three");
    assert_eq!(told(&one), told(&two));
    assert_eq!(told(&plain), [format!("a={}", text("three"))], "the newest alone");
    // whoever tracks it anew may have let go of what it had
    second.track(&[want("a", 3)]).unwrap();
    becomes("four");
    assert_eq!((told(&one).len(), told(&two)), (1, vec![whole("four")]));
    let gone = Answered {
        removed: true,
        ..answer("a", "", 0)
    };
    polls.answered(&asked[0], vec![gone, answer("b", "1", 0)]);
    assert_eq!(told(&one), ["-a=", "b=\"1\""]);
}

fn versioned() -> SharedPolls {
    polls(SharedPollOptions {
        mode: PollMode::Versioned,
        publish_enabled: true,
        ..SharedPollOptions::default()
    })
}

#[test]
fn what_the_application_says_by_itself_is_pushed_unless_something_newer_is_known() {
    let polls = versioned();
    let outlet = Outlet::new(10_000);
    let only = tracker(&polls, &outlet, 1);
    let say = |key: &str, version: u64, data: &'static str| {
        polls.board.published("poll:1", key, version, "", data.into());
    };
    say("a", 1, "to nobody");
    only.track(&[want("a", 0)]).unwrap();
    say("a", 5, "5");
    say("a", 4, "4");
    say("b", 9, "of a key that nobody tracks");
    assert_eq!(told(&outlet), ["a=5"]);
    let asked = polls.board.questions(9, Instant::now());
    polls.answered(&asked[0], vec![answer("a", "an older one", 3)]);
    assert_eq!(told(&outlet), Vec::<String>::new());
    let closed = self::polls(SharedPollOptions {
        mode: PollMode::Versioned,
        ..SharedPollOptions::default()
    });
    let only = tracker(&closed, &outlet, 1);
    only.track(&[want("a", 0)]).unwrap();
    closed.board.published("poll:1", "a", 1, "", "1".into());
    assert_eq!(told(&outlet), Vec::<String>::new(), "it is not enabled");
}

#[test]
fn versions_of_another_epoch_begin_again_and_whoever_had_some_comes_back_for_them() {
    let polls = versioned();
    let outlet = Outlet::new(10_000);
    let only = tracker(&polls, &outlet, 1);
    only.track(&[want("a", 7)]).unwrap();
    let asked = polls.board.questions(9, Instant::now() + Duration::from_mins(1));
    polls.answered_in("e1", &asked[0], vec![answer("a", "1", 1)]);
    assert!(is_lost(&outlet));
    drop(only);
    assert_eq!(&*polls.epoch("poll:1"), "e1", "for whoever comes back");
    let again = tracker(&polls, &outlet, 2);
    again.track(&[want("a", 0)]).unwrap();
    let asked = polls.board.questions(9, Instant::now());
    polls.answered_in("e1", &asked[0], vec![answer("a", "1", 1)]);
    assert_eq!(told(&outlet), ["a=1"]);
    polls.board.published("poll:1", "a", 2, "", "of any epoch".into());
    assert_eq!(told(&outlet), ["a=of any epoch"]);
    // an answer that was on its way when the epoch ended changes nothing
    let asked = polls.board.questions(9, Instant::now() + Duration::from_mins(2));
    polls.board.published("poll:1", "a", 1, "e2", "1".into());
    assert!(is_lost(&outlet));
    polls.answered_in("e1", &asked[0], vec![answer("a", "9", 9)]);
    assert_eq!(&*polls.epoch("poll:1"), "e2");
    let third = tracker(&polls, &outlet, 3);
    third.track(&[want("a", 0)]).unwrap();
    polls.board.published("poll:1", "a", 1, "e2", "1".into());
    assert_eq!(told(&outlet), ["a=1"]);
    // forgotten once nobody has come back for long
    drop(third);
    polls.board.questions(9, Instant::now() + Duration::from_mins(2));
    assert_eq!(&*polls.epoch("poll:1"), "");
}

#[test]
fn an_answer_has_an_epoch_and_items_and_what_is_none_is_refused() {
    let all =
        read(br#"{"result":{"epoch":"e","items":[{"key":"a","data":[1, 2],"version":3},{"key":"b"}]}}"#)
            .unwrap();
    assert_eq!(all.epoch, "e");
    assert_eq!(all.items, [answer("a", "[1, 2]", 3), answer("b", "null", 0)]);
    for refused in [&b"{}"[..], b"", br#"{"error":{"code":1}}"#] {
        assert!(read(refused).is_err());
    }
}

proptest! {
    #[test]
    fn any_answer_is_read_or_refused_and_never_panics(answer in "\\PC{0,60}|\\{\"result\":\\{\"items\":\\[\\{[a-z\":0-9,]{0,30}\\}\\]\\}\\}") {
        let _ = read(answer.as_bytes());
    }
}
