//! Subscribing, recovering, losing and leaving; and what is refused.

use super::*;
use crate::live::protocol::wire::Publication;

#[test]
fn a_subscribe_is_answered_before_its_publications_flow() {
    let mut desk = Desk::up();
    let effects = desk.says(json!({"id": 2, "subscribe": {"channel": "feed:users", "flag": 1}}));
    assert_eq!(told(&effects), [json!({"follow": 1, "channel": "feed:users"})]);
    let followed = Followed {
        epoch: "e".into(),
        offset: 7,
        ..stream()
    };
    assert_eq!(
        told(&desk.followed(1, Ok(followed))),
        [
            json!({"id": 2, "subscribe": {"recoverable": true, "positioned": true, "epoch": "e", "offset": 7}}),
            json!({"release": 1, "has_base": false}),
        ]
    );
}

fn missed(offset: u64) -> Publication {
    Publication {
        data: json!({"n": offset}).to_string().into(),
        offset,
        ..Publication::default()
    }
}

fn recovering(flag: i64, followed: Followed) -> Vec<Value> {
    let mut desk = Desk::up();
    desk.says(json!({"id": 2, "subscribe":
        {"channel": "feed:users", "recover": true, "epoch": "e", "offset": 5, "flag": flag}}));
    told(&desk.followed(1, Ok(followed)))
}

#[test]
fn a_recovered_subscribe_counts_on_from_where_the_client_was() {
    let followed = Followed {
        epoch: "e".into(),
        offset: 7,
        recovered: true,
        missed: vec![missed(6), missed(7)],
        ..stream()
    };
    assert_eq!(
        recovering(0, followed)[0],
        json!({"id": 2, "subscribe": {
            "recoverable": true, "positioned": true, "was_recovering": true, "recovered": true, "epoch": "e", "offset": 5,
            "publications": [{"data": {"n": 6}, "offset": 6}, {"data": {"n": 7}, "offset": 7}],
        }})
    );
}

#[test]
fn what_a_viewer_may_not_see_still_moves_its_position() {
    let followed = Followed {
        epoch: "e".into(),
        offset: 7,
        recovered: true,
        missed: vec![],
        ..stream()
    };
    assert_eq!(recovering(0, followed)[0]["subscribe"]["offset"], 7);
}

#[test]
fn a_position_out_of_reach_is_told_or_refused_as_the_client_wants() {
    let lost = || Followed {
        epoch: "new".into(),
        offset: 9,
        ..stream()
    };
    assert_eq!(
        recovering(0, lost()),
        [
            json!({"id": 2, "subscribe": {
                "recoverable": true, "positioned": true, "was_recovering": true, "epoch": "new", "offset": 9,
            }}),
            json!({"release": 1, "has_base": false}),
        ]
    );
    assert_eq!(
        recovering(2, lost()),
        [json!({"unfollow": 1}), error(2, ReplyError::Unrecoverable)]
    );
}

#[test]
fn a_refused_subscribe_may_be_tried_again() {
    let mut desk = Desk::up();
    let wish = json!({"id": 2, "subscribe": {"channel": "feed:users"}});
    desk.says(wish.clone());
    assert_eq!(
        told(&desk.followed(1, Err(ReplyError::PermissionDenied))),
        [error(2, ReplyError::PermissionDenied)]
    );
    assert_eq!(
        told(&desk.says(wish)),
        [json!({"follow": 2, "channel": "feed:users"})]
    );
}

#[test]
fn a_wish_that_cannot_be_granted_to_anybody_is_refused_at_once() {
    let mut desk = Desk::holding();
    let long = "x".repeat(256);
    let cases = [
        (json!({"channel": long}), ReplyError::BadRequest),
        (json!({"channel": "användare"}), ReplyError::BadRequest),
        (json!({"channel": "feed:users"}), ReplyError::AlreadySubscribed),
        (
            json!({"channel": "feed:jobs", "type": 1}),
            ReplyError::PermissionDenied,
        ),
    ];
    for (wish, expected) in cases {
        assert_eq!(
            told(&desk.says(json!({"id": 3, "subscribe": wish}))),
            [error(3, expected)]
        );
    }
    let odd_delta = json!({"id": 3, "subscribe": {"channel": "feed:jobs", "delta": "xdelta"}});
    assert_eq!(told(&desk.says(odd_delta)), [json!({"close": 3501})]);
}

#[test]
fn a_connection_holds_at_most_128_channels() {
    let mut desk = Desk::up();
    for n in 1..=128 {
        desk.says(json!({"id": n, "subscribe": {"channel": format!("job:{n}")}}));
    }
    let effects = desk.says(json!({"id": 500, "subscribe": {"channel": "feed:users"}}));
    assert_eq!(told(&effects), [error(500, ReplyError::LimitExceeded)]);
}

#[test]
fn an_unsubscribe_drops_first_and_answers_then() {
    let mut desk = Desk::holding();
    assert_eq!(
        told(&desk.says(json!({"id": 3, "unsubscribe": {"channel": "feed:users"}}))),
        [json!({"unfollow": 1}), json!({"id": 3, "unsubscribe": {}})]
    );
    assert_eq!(
        told(&desk.says(json!({"id": 4, "unsubscribe": {"channel": "feed:users"}}))),
        [json!({"id": 4, "unsubscribe": {}})],
        "a channel not held is left without complaint"
    );
}

#[test]
fn commands_on_a_busy_channel_wait_for_it_and_others_do_not() {
    let mut desk = Desk::up();
    desk.says(json!({"id": 2, "subscribe": {"channel": "feed:users"}}));
    assert_eq!(
        told(&desk.says(json!({"id": 3, "unsubscribe": {"channel": "feed:users"}}))),
        [] as [Value; 0]
    );
    assert_eq!(
        told(&desk.says(json!({"id": 4, "subscribe": {"channel": "feed:users"}}))),
        [] as [Value; 0]
    );
    assert_eq!(
        told(&desk.says(json!({"id": 5, "subscribe": {"channel": "feed:jobs"}}))),
        [json!({"follow": 2, "channel": "feed:jobs"})]
    );
    let effects = told(&desk.followed(1, Ok(stream())));
    assert_eq!(effects[0]["id"], 2);
    assert_eq!(
        effects[1..],
        [
            json!({"release": 1, "has_base": false}),
            json!({"unfollow": 1}),
            json!({"id": 3, "unsubscribe": {}}),
            json!({"follow": 3, "channel": "feed:users"}),
        ]
    );
}

#[test]
fn a_lost_subscription_is_dropped_and_the_client_told_to_come_back() {
    let mut desk = Desk::holding();
    desk.client.lost(1);
    assert_eq!(
        told(&desk.client.take_effects()),
        [
            json!({"unfollow": 1}),
            json!({"push": {"channel": "feed:users", "unsubscribe": {"code": 2500, "reason": "insufficient state"}}}),
        ]
    );
    let effects = desk.says(json!({"id": 3, "subscribe": {"channel": "feed:users", "recover": true}}));
    assert_eq!(told(&effects), [json!({"follow": 2, "channel": "feed:users"})]);
}

#[test]
fn a_loss_during_the_subscribe_is_told_behind_its_reply() {
    let mut desk = Desk::up();
    desk.says(json!({"id": 2, "subscribe": {"channel": "feed:users"}}));
    desk.client.lost(1);
    assert_eq!(told(&desk.client.take_effects()), [] as [Value; 0]);
    let effects = told(&desk.followed(1, Ok(stream())));
    assert_eq!(effects[0]["id"], 2);
    assert_eq!(effects[3]["push"]["unsubscribe"]["code"], 2500);
}

#[test]
fn a_lost_permission_ends_the_subscription_for_good() {
    let mut desk = Desk::holding();
    desk.client.forbidden(1);
    assert_eq!(
        told(&desk.client.take_effects()),
        [
            json!({"unfollow": 1}),
            json!({"push": {"channel": "feed:users", "unsubscribe": {"code": 2103, "reason": "permission lost"}}}),
        ]
    );
}

#[test]
fn what_this_hub_does_not_offer_is_said() {
    let mut desk = Desk::holding();
    let cases = [
        (json!({"rpc": {"method": "m"}}), ReplyError::NotAvailable),
        (json!({"ping": {}}), ReplyError::NotAvailable),
    ];
    for (mut command, expected) in cases {
        command["id"] = json!(7);
        assert_eq!(told(&desk.says(command)), [error(7, expected)]);
    }
    assert_eq!(
        told(&desk.says(json!({"send": {"data": 1}}))),
        [json!({"close": 3508})]
    );
}

#[test]
fn a_flood_of_commands_that_would_have_to_wait_ends_the_connection() {
    let mut desk = Desk::new();
    desk.says(json!({"id": 1, "connect": {"token": "t"}}));
    let unsubscribe = |n| json!({"id": 2 + n, "unsubscribe": {"channel": "c"}});
    for n in 0..=LISTENS_BELOW {
        assert!(desk.says(unsubscribe(n)).is_empty());
    }
    // whoever drives it does not give it more, but where nobody can be held up
    assert!(!desk.client.listens());
    assert_eq!(
        told(&desk.says(json!({"id": 9999, "unsubscribe": {"channel": "c"}}))),
        [json!({"close": 3013})]
    );
}

#[test]
fn nothing_follows_a_close() {
    let mut desk = Desk::up();
    let effects = desk.says(json!([]));
    assert_eq!(told(&effects), [json!({"close": 3501})]);
    assert!(desk.says(json!({"id": 2, "rpc": {}})).is_empty());
    assert!(desk.sign_in().is_empty());
    assert!(desk.followed(1, Ok(stream())).is_empty());
    assert!(desk.later(1000.0).is_empty());
}
