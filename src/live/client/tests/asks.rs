//! Questions about channels, what is said into them, and subscriptions that last as long as their tokens.

use super::*;
use crate::live::protocol::wire::PresenceStatsResult;

const MINUTE: Duration = Duration::from_mins(1);

fn publish(id: u32) -> Value {
    json!({"id": id, "publish": {"channel": "feed:users", "data": {}}})
}

impl Desk {
    pub(super) fn answered(
        &mut self,
        id: u32,
        slot: Option<u32>,
        result: Result<Answer, Refusal>,
    ) -> Vec<Value> {
        self.client.answered(id, slot, result, self.now);
        told(&self.client.take_effects())
    }

    /// Holding slot 1, which lasts a minute.
    fn holding_for_a_minute() -> Self {
        let mut desk = Self::up();
        Arc::make_mut(&mut desk.client.timing).ping = HOUR;
        desk.says(json!({"id": 2, "subscribe": {"channel": "feed:users", "token": "t"}}));
        let followed = Followed {
            lasts: Some(MINUTE),
            ..stream()
        };
        let reply = told(&desk.followed(1, Ok(followed)));
        assert_eq!(reply[0]["subscribe"]["ttl"], 60, "{reply:?}");
        desk.client.tick(desk.now + Duration::from_secs(26));
        desk.client.frame(b"{}", desk.now);
        desk.client.take_effects();
        desk
    }
}

#[test]
fn what_a_client_publishes_is_published_one_after_another() {
    let mut desk = Desk::holding();
    let asked = |id: u32| json!({"ask": id, "channel": "feed:users", "slot": 1});
    assert_eq!(told(&desk.says(publish(3))), [asked(3)]);
    assert_eq!(told(&desk.says(publish(4))), [json!(null); 0]);
    let published = desk.answered(3, Some(1), Ok(Answer::Published));
    assert_eq!(published, [json!({"id": 3, "publish": {}}), asked(4)]);
    let refused = desk.answered(4, Some(1), Err(ReplyError::PermissionDenied.into()));
    assert_eq!(refused, [error(4, ReplyError::PermissionDenied)]);
}

#[test]
fn a_question_about_a_channel_that_is_being_joined_waits_for_it() {
    let mut desk = Desk::up();
    desk.says(json!({"id": 2, "subscribe": {"channel": "feed:users"}}));
    let asked = json!({"id": 3, "presence_stats": {"channel": "feed:users"}});
    assert_eq!(told(&desk.says(asked)), [json!(null); 0]);
    let effects = told(&desk.followed(1, Ok(stream())));
    assert_eq!(effects[2], json!({"ask": 3, "channel": "feed:users", "slot": 1}));
    let stats = PresenceStatsResult {
        num_clients: 2,
        num_users: 1,
    };
    let answer = desk.answered(3, Some(1), Ok(Answer::PresenceStats(stats)));
    assert_eq!(
        answer,
        [json!({"id": 3, "presence_stats": {"num_clients": 2, "num_users": 1}})]
    );
}

#[test]
fn of_more_commands_than_may_wait_the_rest_is_read_when_those_before_are_done() {
    let mut desk = Desk::holding();
    let frame: Vec<_> = (10..1_010).map(|id| publish(id).to_string()).collect();
    desk.client.frame(frame.join("\n").as_bytes(), desk.now);
    let mut answered = Vec::new();
    let mut effects = desk.client.take_effects();
    loop {
        assert!(desk.client.waiting <= LISTENS_BELOW);
        let Some(asked) = told(&effects).iter().find_map(|told| told["ask"].as_u64()) else {
            break;
        };
        answered.push(asked);
        desk.client
            .answered(asked as u32, Some(1), Ok(Answer::Published), desk.now);
        effects = desk.client.take_effects();
        desk.client.go_on(desk.now);
        effects.extend(desk.client.take_effects());
    }
    assert_eq!(answered, (10..1_010).collect::<Vec<_>>());
    assert!(desk.client.listens() && !desk.client.is_closed());
}

#[test]
fn what_was_said_before_an_unsubscribe_is_said_as_a_follower_but_not_once_the_server_has_ended_it() {
    let unsubscribe = json!({"id": 5, "unsubscribe": {"channel": "feed:users"}});
    let asked = |id: u32, slot: Option<u32>| match slot {
        Some(slot) => json!({"ask": id, "channel": "feed:users", "slot": slot}),
        None => json!({"ask": id, "channel": "feed:users", "slot": null}),
    };
    let mut desk = Desk::holding();
    desk.says(publish(3));
    desk.says(publish(4));
    desk.says(unsubscribe);
    let next = desk.answered(3, Some(1), Ok(Answer::Published));
    assert_eq!(next[1], asked(4, Some(1)));
    let mut desk = Desk::holding();
    desk.says(publish(3));
    desk.says(publish(4));
    desk.client.forbidden(1);
    let next = desk.answered(3, Some(1), Ok(Answer::Published));
    assert_eq!(next.last(), Some(&asked(4, None)));
}

#[test]
fn a_client_that_asks_more_than_may_wait_is_cut_off() {
    let mut desk = Desk::holding();
    for id in 0..=MAX_WAITING as u32 + 1 {
        desk.says(publish(id + 10));
    }
    assert!(desk.client.is_closed());
}

#[test]
fn a_renewal_moves_the_end_of_a_subscription() {
    let mut desk = Desk::holding_for_a_minute();
    let renewal = json!({"id": 5, "sub_refresh": {"channel": "feed:users", "token": "new"}});
    desk.says(renewal);
    let renewed = desk.answered(5, Some(1), Ok(Answer::Renewed(Some(2 * MINUTE))));
    assert_eq!(
        renewed,
        [json!({"id": 5, "sub_refresh": {"expires": true, "ttl": 120}})]
    );
    assert_eq!(told(&desk.later(86.0)), [json!(null); 0]);
}

#[test]
fn a_subscription_that_runs_out_ends_after_the_grace_and_its_client_comes_back() {
    let mut desk = Desk::holding_for_a_minute();
    assert_eq!(told(&desk.later(84.0)), [json!(null); 0]);
    assert_eq!(
        told(&desk.later(2.0)),
        [
            json!({"unfollow": 1}),
            json!({"push": {"channel": "feed:users", "unsubscribe": {"code": 2501, "reason": "subscription expired"}}}),
        ]
    );
}

#[test]
fn a_renewal_of_nothing_is_answered_and_never_ends_the_connection() {
    let mut desk = Desk::holding();
    let cases = [
        (
            json!({"channel": "other", "token": "t"}),
            ReplyError::PermissionDenied,
        ),
        (
            json!({"channel": "other", "type": 1}),
            ReplyError::PermissionDenied,
        ),
        (json!({"token": "t"}), ReplyError::BadRequest),
        (
            json!({"channel": "feed:users", "type": 3}),
            ReplyError::NotAvailable,
        ),
    ];
    for (renewal, expected) in cases {
        let effects = told(&desk.says(json!({"id": 5, "sub_refresh": renewal})));
        assert_eq!(effects, [error(5, expected)]);
    }
}

#[test]
fn a_renewal_with_a_bad_token_ends_what_the_protocol_says_it_ends() {
    for (why, code) in [
        (Disconnect::SubscriptionExpired, 3006),
        (Disconnect::InvalidToken, 3500),
    ] {
        let mut desk = Desk::holding();
        desk.says(json!({"id": 5, "sub_refresh": {"channel": "feed:users", "token": "bad"}}));
        let effects = desk.answered(5, Some(1), Err(Refusal::Close(why)));
        assert_eq!(effects, [json!({"close": code})]);
    }
}

#[test]
fn nothing_more_is_read_of_a_client_whose_commands_are_long_before_they_are_many() {
    let mut desk = Desk::holding();
    let long = "x".repeat(60_000);
    let publish = |id: u32| json!({"id": id, "publish": {"channel": "feed:users", "data": long}});
    desk.says(publish(10));
    let mut said = 10;
    while desk.client.listens() {
        said += 1;
        desk.says(publish(said));
    }
    assert_eq!(said, 15, "the first is being asked, and five wait");
    for id in 10..=said {
        assert_eq!(desk.client.listens(), id > 10, "{id}");
        desk.client.answered(id, Some(1), Ok(Answer::Published), desk.now);
    }
    assert_eq!((desk.client.waiting, desk.client.waiting_bytes), (0, 0));
}
