//! Reading a map step by step until it is live.

use super::*;
use crate::live::protocol::wire::Publication;

fn page(phase: i32, cursor: &str, followed: Followed) -> Followed {
    let part = MapPart {
        kind: 1,
        phase,
        cursor: cursor.to_owned(),
        state: Vec::new(),
    };
    Followed {
        map: Some(Box::new(part)),
        ..followed
    }
}

fn at(offset: u64) -> Followed {
    Followed {
        epoch: "e".into(),
        offset,
        ..stream()
    }
}

fn entry(key: &str, n: u64) -> Publication {
    Publication {
        data: n.to_string().into(),
        key: key.to_owned(),
        offset: n,
        ..Publication::default()
    }
}

fn subscribe(id: u32, more: Value) -> Value {
    let mut wish = json!({"channel": "board:1", "type": 1});
    wish.as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    json!({"id": id, "subscribe": wish})
}

/// A client that has read the first page of a map, as slot 1.
fn reading() -> Desk {
    let mut desk = Desk::up();
    desk.says(subscribe(2, json!({"phase": 2})));
    desk.followed(1, Ok(page(STATE, "k9", at(7))));
    desk
}

#[test]
fn pages_are_read_under_one_slot_until_the_map_is_live_and_only_then_it_flows() {
    let mut desk = Desk::up();
    let first = desk.says(subscribe(2, json!({"phase": 2, "limit": 10})));
    assert_eq!(told(&first), [json!({"follow": 1, "channel": "board:1"})]);
    let mut followed = page(STATE, "k9", at(7));
    followed.map.as_mut().unwrap().state = vec![entry("k9", 3)];
    assert_eq!(
        told(&desk.followed(1, Ok(followed))),
        [
            json!({"id": 2, "subscribe": {"epoch": "e", "offset": 7, "type": 1, "phase": 2, "cursor": "k9",
            "state": [{"data": 3, "offset": 3, "key": "k9"}]}})
        ]
    );
    let second = desk.says(subscribe(
        3,
        json!({"phase": 2, "cursor": "k9", "epoch": "e", "offset": 7}),
    ));
    assert_eq!(told(&second), [json!({"follow": 1, "channel": "board:1"})]);
    desk.followed(1, Ok(page(STREAM, "", at(7))));
    desk.says(subscribe(4, json!({"phase": 1, "epoch": "e", "offset": 7})));
    let live = Followed {
        missed: vec![entry("k1", 8)],
        lasts: Some(Duration::from_secs(60)),
        ..page(LIVE, "", at(8))
    };
    assert_eq!(
        told(&desk.followed(1, Ok(live))),
        [
            json!({"id": 4, "subscribe": {"expires": true, "ttl": 60, "recoverable": true, "positioned": true, "epoch": "e",
                "offset": 8, "type": 1, "publications": [{"data": 8, "offset": 8, "key": "k1"}]}}),
            json!({"release": 1, "has_base": false}),
        ]
    );
    let again = desk.says(subscribe(5, json!({"phase": 2})));
    assert_eq!(told(&again), [error(5, ReplyError::AlreadySubscribed)]);
}

#[test]
fn a_map_that_is_resumed_tells_all_that_was_missed_and_stands_at_its_top() {
    let mut desk = Desk::up();
    desk.says(subscribe(
        2,
        json!({"phase": 1, "recover": true, "epoch": "e", "offset": 6}),
    ));
    let live = Followed {
        missed: (7..400).map(|n| entry("k", n)).collect(),
        recovered: true,
        ..page(LIVE, "", at(399))
    };
    let answer = told(&desk.followed(1, Ok(live)));
    let result = &answer[0]["subscribe"];
    assert_eq!(result["publications"].as_array().unwrap().len(), 393);
    assert_eq!(
        (&result["recovered"], &result["was_recovering"]),
        (&json!(true), &json!(true))
    );
    assert_eq!(
        (&result["offset"], &answer[1]["release"]),
        (&json!(399), &json!(1))
    );
}

#[test]
fn nobody_goes_on_with_a_map_that_they_have_not_begun() {
    let mut desk = Desk::up();
    for (id, more) in [
        (2, json!({"phase": 2, "cursor": "k"})),
        (3, json!({"phase": 1, "epoch": "e", "offset": 1})),
        (4, json!({"phase": 0, "epoch": "e", "offset": 1})),
    ] {
        assert_eq!(
            told(&desk.says(subscribe(id, more))),
            [error(id, ReplyError::PermissionDenied)]
        );
    }
    for (id, more, why) in [
        (5, json!({"phase": 3}), ReplyError::BadRequest),
        (6, json!({"phase": -1}), ReplyError::BadRequest),
        (7, json!({"type": 5}), ReplyError::PermissionDenied),
        (8, json!({"type": -1}), ReplyError::PermissionDenied),
    ] {
        assert_eq!(told(&desk.says(subscribe(id, more))), [error(id, why)]);
    }
}

#[test]
fn whoever_begins_to_read_a_map_and_does_not_go_on_in_time_is_closed_and_whoever_is_read_for_is_not() {
    let in_time = |phase| Followed {
        lasts: Some(Duration::from_secs(5)),
        ..page(phase, "k9", at(7))
    };
    let mut desk = Desk::up();
    desk.says(subscribe(2, json!({"phase": 2})));
    desk.followed(1, Ok(in_time(STATE)));
    let until = desk.client.deadline().unwrap();
    assert_eq!(until, desk.now + Duration::from_secs(5), "it is looked at then");
    assert_eq!(desk.later(4.9), []);
    // a page is on its way: how long that may take is seen to where it is read
    desk.says(subscribe(3, json!({"phase": 2, "cursor": "k9"})));
    assert_eq!(desk.later(0.2), []);
    desk.followed(1, Ok(in_time(STREAM)));
    assert_eq!(desk.later(4.9), []);
    assert_eq!(told(&desk.later(0.1)), [json!({"close": 3008})]);

    // what became live lasts as long as it was said to
    let mut desk = Desk::up();
    desk.says(subscribe(2, json!({"phase": 2})));
    desk.followed(1, Ok(in_time(STATE)));
    desk.says(subscribe(3, json!({"phase": 2, "cursor": "k9"})));
    desk.followed(1, Ok(page(LIVE, "", at(7))));
    assert_eq!(desk.later(6.0), []);
}

#[test]
fn a_second_page_asked_for_while_one_is_read_is_refused_and_the_first_goes_on() {
    let mut desk = reading();
    desk.says(subscribe(3, json!({"phase": 2, "cursor": "k9"})));
    let second = desk.says(subscribe(4, json!({"phase": 2, "cursor": "k9"})));
    assert_eq!(told(&second), [error(4, ReplyError::ConcurrentPagination)]);
    let answer = told(&desk.followed(1, Ok(page(LIVE, "", at(7)))));
    assert_eq!((&answer[0]["id"], &answer[1]["release"]), (&json!(3), &json!(1)));
}

#[test]
fn a_map_begun_anew_is_another_subscription_and_a_stream_of_the_same_channel_is_none() {
    let mut desk = reading();
    let stream = desk.says(json!({"id": 3, "subscribe": {"channel": "board:1"}}));
    assert_eq!(told(&stream), [error(3, ReplyError::AlreadySubscribed)]);
    let anew = desk.says(subscribe(4, json!({"phase": 2})));
    assert_eq!(
        told(&anew),
        [json!({"unfollow": 1}), json!({"follow": 2, "channel": "board:1"})]
    );
    assert_eq!(
        desk.followed(1, Ok(page(LIVE, "", at(7)))),
        [],
        "of the one before"
    );
    assert_eq!(
        told(&desk.followed(2, Ok(page(LIVE, "", at(7)))))[1]["release"],
        2
    );
}

#[test]
fn what_cannot_be_gone_on_with_is_forgotten_and_so_is_what_is_left_or_taken() {
    let mut desk = reading();
    desk.says(subscribe(3, json!({"phase": 2, "cursor": "k9"})));
    let refused = desk.followed(1, Err(ReplyError::Unrecoverable));
    assert_eq!(told(&refused), [error(3, ReplyError::Unrecoverable)]);
    let on = desk.says(subscribe(4, json!({"phase": 2, "cursor": "k9"})));
    assert_eq!(told(&on), [error(4, ReplyError::PermissionDenied)]);

    let mut desk = reading();
    let left = desk.says(json!({"id": 3, "unsubscribe": {"channel": "board:1"}}));
    assert_eq!(
        told(&left),
        [json!({"unfollow": 1}), json!({"id": 3, "unsubscribe": {}})]
    );

    let mut desk = reading();
    desk.client
        .unsubscribed_by_server("board:1", Unsubscribed::BY_SERVER);
    let taken = told(&desk.client.take_effects());
    assert_eq!(taken[0], json!({"unfollow": 1}));
    assert_eq!(taken[1]["push"]["unsubscribe"]["code"], 2000);
}

#[test]
fn a_map_that_is_read_counts_among_a_connections_channels_and_goes_on_at_the_limit() {
    let mut desk = reading();
    for n in 0..127 {
        desk.says(json!({"id": 10 + n, "subscribe": {"channel": format!("job:{n}")}}));
    }
    let more = desk.says(json!({"id": 900, "subscribe": {"channel": "job:more"}}));
    assert_eq!(told(&more), [error(900, ReplyError::LimitExceeded)]);
    let on = desk.says(subscribe(901, json!({"phase": 2, "cursor": "k9"})));
    assert_eq!(told(&on), [json!({"follow": 1, "channel": "board:1"})]);
}

#[test]
fn a_renewal_gives_no_time_to_a_map_that_is_still_read() {
    let minute = Some(Duration::from_secs(60));
    let renewal = json!({"id": 8, "sub_refresh": {"channel": "board:1", "token": "new"}});
    let first = || Followed {
        lasts: minute,
        ..page(STATE, "k9", at(7))
    };
    let mut desk = Desk::up();
    desk.says(subscribe(2, json!({"phase": 2})));
    desk.followed(1, Ok(first()));
    // there is nothing to renew yet, and what was asked of a page before is not of this one
    let refused = [error(8, ReplyError::PermissionDenied)];
    assert_eq!(told(&desk.says(renewal)), refused);
    let hour = Ok(Answer::Renewed(Some(Duration::from_secs(3600))));
    assert_eq!(desk.answered(8, Some(1), hour), refused);
    assert!(!desk.client.is_closed());
    desk.later(61.0);
    assert!(desk.client.is_closed(), "its time to go on is over");
}
