use proptest::prelude::*;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::*;

const HOUR: Duration = Duration::from_hours(1);

/// A client with its clock: what a driver is, without sockets.
struct Desk {
    client: Client,
    now: Instant,
}

impl Desk {
    fn new() -> Self {
        let now = Instant::now();
        Self {
            client: Client::new("client-1".into(), Timing::default(), now),
            now,
        }
    }

    /// Signed in with a token that lasts an hour.
    fn up() -> Self {
        let mut desk = Self::new();
        desk.says(json!({"id": 1, "connect": {"token": "good"}}));
        desk.sign_in();
        desk
    }

    /// Signed in and holding slot 1, "feed:users".
    fn holding() -> Self {
        let mut desk = Self::up();
        desk.says(json!({"id": 2, "subscribe": {"channel": "feed:users"}}));
        desk.followed(1, Ok(Followed::default()));
        desk
    }

    fn says(&mut self, command: Value) -> Vec<Effect> {
        self.client.frame(command.to_string().as_bytes());
        self.client.take_effects()
    }

    fn sign_in(&mut self) -> Vec<Effect> {
        let expires_at = Some(self.now + HOUR);
        self.client.signed_in(Ok(SignedIn { expires_at }), self.now, 0.0);
        self.client.take_effects()
    }

    fn followed(&mut self, slot: u32, result: Result<Followed, ReplyError>) -> Vec<Effect> {
        self.client.followed(slot, result);
        self.client.take_effects()
    }

    fn later(&mut self, seconds: f64) -> Vec<Effect> {
        self.now += Duration::from_secs_f64(seconds);
        self.client.tick(self.now);
        self.client.take_effects()
    }
}

/// The effects, with written messages read back.
fn told(effects: &[Effect]) -> Vec<Value> {
    effects
        .iter()
        .map(|effect| match effect {
            Effect::Write(line) => serde_json::from_slice(line).unwrap(),
            Effect::SignIn(token) => json!({"sign_in": token}),
            Effect::Refresh(_, token) => json!({"check": token}),
            Effect::Follow { slot, wish } => json!({"follow": slot, "channel": wish.channel}),
            Effect::Release(slot) => json!({"release": slot}),
            Effect::Unfollow(slot) => json!({"unfollow": slot}),
            Effect::Close(why) => json!({"close": why.code()}),
        })
        .collect()
}

fn error(id: u32, error: ReplyError) -> Value {
    let mut body = json!({"code": error.code(), "message": error.message()});
    if error.temporary() {
        body["temporary"] = json!(true);
    }
    json!({"id": id, "error": body})
}

#[test]
fn a_connect_is_answered_with_id_ping_and_time_to_live() {
    let mut desk = Desk::new();
    assert_eq!(
        told(&desk.says(json!({"id": 1, "connect": {"token": "t"}}))),
        [json!({"sign_in": "t"})]
    );
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(
        told(&desk.sign_in()),
        [json!({"id": 1, "connect": {
            "client": "client-1", "version": version, "expires": true, "ttl": 3600, "ping": 25, "pong": true,
        }})]
    );
}

#[test]
fn a_connection_of_a_cookie_session_has_nothing_to_refresh() {
    let mut desk = Desk::new();
    desk.says(json!({"id": 1, "connect": {}}));
    desk.client
        .signed_in(Ok(SignedIn { expires_at: None }), desk.now, 0.0);
    let reply = &told(&desk.client.take_effects())[0];
    assert_eq!(reply["connect"].get("expires"), None);
    assert_eq!(
        told(&desk.says(json!({"id": 2, "refresh": {"token": "t"}}))),
        [json!({"close": 3501})]
    );
}

#[test]
fn subscribes_sent_with_the_connect_wait_for_it_and_keep_their_order() {
    let mut desk = Desk::new();
    desk.client.frame(
        br#"{"id":1,"connect":{"token":"t"}}
{"id":2,"subscribe":{"channel":"feed:users"}}
{"id":3,"subscribe":{"channel":"feed:jobs"}}
"#,
    );
    assert_eq!(told(&desk.client.take_effects()), [json!({"sign_in": "t"})]);
    let effects = told(&desk.sign_in());
    assert_eq!(effects[0]["id"], 1);
    assert_eq!(effects[1], json!({"follow": 1, "channel": "feed:users"}));
    assert_eq!(effects[2], json!({"follow": 2, "channel": "feed:jobs"}));
}

#[test]
fn nothing_but_a_connect_may_come_first_and_only_one_may_come() {
    for command in [
        json!({"id": 1, "subscribe": {"channel": "c"}}),
        json!({"id": 1, "rpc": {}}),
        json!({"send": {}}),
        json!({}),
    ] {
        assert_eq!(
            told(&Desk::new().says(command.clone())),
            [json!({"close": 3501})],
            "{command}"
        );
    }
    let again = json!({"id": 2, "connect": {"token": "t"}});
    assert_eq!(told(&Desk::up().says(again.clone())), [json!({"close": 3501})]);
    let mut desk = Desk::new();
    desk.says(json!({"id": 1, "connect": {"token": "t"}}));
    assert_eq!(told(&desk.says(again)), [json!({"close": 3501})]);
}

#[test]
fn an_expired_token_is_answered_with_109_and_the_connection_is_then_useless() {
    let mut desk = Desk::new();
    desk.says(json!({"id": 1, "connect": {"token": "old"}}));
    desk.client.signed_in(Err(SignInError::Expired), desk.now, 0.0);
    assert_eq!(
        told(&desk.client.take_effects()),
        [error(1, ReplyError::TokenExpired)]
    );
    assert_eq!(
        told(&desk.says(json!({"id": 2, "connect": {}}))),
        [json!({"close": 3501})]
    );
}

#[test]
fn each_bad_credential_has_its_own_end() {
    let cases = [
        (SignInError::Missing, 3501),
        (SignInError::Invalid, 3500),
        (SignInError::SignedOut, 4500),
        (SignInError::AccessEnded, 4501),
    ];
    for (refusal, code) in cases {
        let mut desk = Desk::new();
        desk.says(json!({"id": 1, "connect": {"token": "bad"}}));
        desk.client.signed_in(Err(refusal), desk.now, 0.0);
        assert_eq!(told(&desk.client.take_effects()), [json!({"close": code})]);

        let mut desk = Desk::up();
        desk.client.refreshed(5, Err(refusal), desk.now);
        assert_eq!(told(&desk.client.take_effects()), [json!({"close": code})]);
    }
}

#[test]
fn a_hub_that_cannot_tell_answers_with_a_temporary_error() {
    let mut desk = Desk::new();
    desk.says(json!({"id": 1, "connect": {"token": "t"}}));
    desk.client
        .signed_in(Err(SignInError::Unavailable), desk.now, 0.0);
    assert_eq!(
        told(&desk.client.take_effects()),
        [error(1, ReplyError::Internal)]
    );
}

#[test]
fn a_refresh_moves_the_end_of_the_credentials() {
    let mut desk = Desk::up();
    assert_eq!(
        told(&desk.says(json!({"id": 9, "refresh": {"token": "new"}}))),
        [json!({"check": "new"})]
    );
    desk.client.refreshed(
        9,
        Ok(SignedIn {
            expires_at: Some(desk.now + 2 * HOUR),
        }),
        desk.now,
    );
    assert_eq!(told(&desk.client.take_effects())[0]["refresh"]["ttl"], 7200);
}

#[test]
fn credentials_that_run_out_end_the_connection_after_the_grace() {
    let mut desk = Desk::new();
    desk.client.timing.ping = 4 * HOUR;
    desk.says(json!({"id": 1, "connect": {"token": "t"}}));
    desk.sign_in();
    assert_eq!(
        desk.client.deadline(),
        Some(desk.now + HOUR + Duration::from_secs(25))
    );
    assert_eq!(told(&desk.later(3600.0 + 24.0)), [] as [Value; 0]);
    assert_eq!(told(&desk.later(1.0)), [json!({"close": 3005})]);
}

#[test]
fn a_refresh_with_an_expired_token_ends_the_connection_so_that_the_client_comes_back() {
    let mut desk = Desk::up();
    desk.client.refreshed(9, Err(SignInError::Expired), desk.now);
    assert_eq!(told(&desk.client.take_effects()), [json!({"close": 3005})]);
}

#[test]
fn a_connection_that_does_not_sign_in_is_stale_after_ten_seconds() {
    let mut desk = Desk::new();
    assert_eq!(desk.client.deadline(), Some(desk.now + Duration::from_secs(10)));
    assert_eq!(told(&desk.later(9.9)), [] as [Value; 0]);
    assert_eq!(told(&desk.later(0.2)), [json!({"close": 3502})]);
    assert_eq!(desk.client.deadline(), None);
}

#[test]
fn pings_go_out_and_a_missing_pong_ends_the_connection() {
    let mut desk = Desk::up();
    assert_eq!(
        told(&desk.later(12.4)),
        [] as [Value; 0],
        "the first ping comes in the second half"
    );
    assert_eq!(told(&desk.later(0.1)), [json!({})]);
    assert_eq!(told(&desk.says(json!({}))), [] as [Value; 0]);
    assert_eq!(told(&desk.later(25.0)), [json!({})]);
    assert_eq!(told(&desk.later(8.0)), [json!({"close": 3012})]);
}

#[test]
fn a_second_pong_for_one_ping_is_a_bad_request() {
    let mut desk = Desk::up();
    desk.later(12.5);
    desk.says(json!({}));
    assert_eq!(told(&desk.says(json!({}))), [json!({"close": 3501})]);
}

#[test]
fn a_subscribe_is_answered_before_its_publications_flow() {
    let mut desk = Desk::up();
    let effects = desk.says(json!({"id": 2, "subscribe": {"channel": "feed:users", "flag": 1}}));
    assert_eq!(told(&effects), [json!({"follow": 1, "channel": "feed:users"})]);
    let followed = Followed {
        epoch: "e".into(),
        offset: 7,
        ..Followed::default()
    };
    assert_eq!(
        told(&desk.followed(1, Ok(followed))),
        [
            json!({"id": 2, "subscribe": {"recoverable": true, "positioned": true, "epoch": "e", "offset": 7}}),
            json!({"release": 1}),
        ]
    );
}

fn missed(offset: u64) -> (Box<RawValue>, u64) {
    (
        RawValue::from_string(json!({"n": offset}).to_string()).unwrap(),
        offset,
    )
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
    };
    assert_eq!(recovering(0, followed)[0]["subscribe"]["offset"], 7);
}

#[test]
fn a_position_out_of_reach_is_told_or_refused_as_the_client_wants() {
    let lost = || Followed {
        epoch: "new".into(),
        offset: 9,
        ..Followed::default()
    };
    assert_eq!(
        recovering(0, lost()),
        [
            json!({"id": 2, "subscribe": {
                "recoverable": true, "positioned": true, "was_recovering": true, "epoch": "new", "offset": 9,
            }}),
            json!({"release": 1}),
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
    let effects = told(&desk.followed(1, Ok(Followed::default())));
    assert_eq!(effects[0]["id"], 2);
    assert_eq!(
        effects[1..],
        [
            json!({"release": 1}),
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
    let effects = told(&desk.followed(1, Ok(Followed::default())));
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
        (
            json!({"presence": {"channel": "feed:users"}}),
            ReplyError::NotAvailable,
        ),
        (
            json!({"presence_stats": {"channel": "feed:users"}}),
            ReplyError::NotAvailable,
        ),
        (
            json!({"history": {"channel": "feed:users", "limit": 1}}),
            ReplyError::NotAvailable,
        ),
        (
            json!({"sub_refresh": {"channel": "feed:users", "token": "t"}}),
            ReplyError::NotAvailable,
        ),
        (
            json!({"sub_refresh": {"channel": "feed:jobs", "token": "t"}}),
            ReplyError::PermissionDenied,
        ),
        (
            json!({"publish": {"channel": "feed:users", "data": 1}}),
            ReplyError::PermissionDenied,
        ),
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
    for n in 0..MAX_WAITING {
        assert!(
            desk.says(json!({"id": 2 + n, "unsubscribe": {"channel": "c"}}))
                .is_empty()
        );
    }
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
    assert!(desk.followed(1, Ok(Followed::default())).is_empty());
    assert!(desk.later(1000.0).is_empty());
}

#[derive(Debug, Clone)]
enum Step {
    Say(u8, u8),
    Judge(bool),
    Lose(u32),
    Later(u32),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..7u8, 0..3u8).prop_map(|(kind, channel)| Step::Say(kind, channel)),
        4 => any::<bool>().prop_map(Step::Judge),
        1 => (1..9u32).prop_map(Step::Lose),
        1 => (0..20u32).prop_map(Step::Later),
    ]
}

fn command(kind: u8, channel: u8, id: u32) -> Value {
    let channel = format!("job:{channel}");
    match kind {
        0..=2 => json!({"id": id, "subscribe": {"channel": channel}}),
        3 | 4 => json!({"id": id, "unsubscribe": {"channel": channel}}),
        5 => json!({"id": id, "presence": {"channel": channel}}),
        _ => json!({}),
    }
}

proptest! {
    /// Whatever comes in whatever order: each command is answered once, each slot is released at most once, after
    /// its follow, and dropped at most once, and nothing comes after a close.
    #[test]
    fn every_command_is_answered_once_and_every_slot_lives_one_life(steps in prop::collection::vec(step(), 0..60)) {
        let mut desk = Desk::up();
        let (mut asked, mut answered, mut open) = (Vec::new(), Vec::new(), VecDeque::new());
        let (mut released, mut dropped, mut closed) = (Vec::new(), Vec::new(), false);
        let settle = (0..60).map(|_| Step::Judge(true));
        for (n, step) in steps.into_iter().chain(settle).enumerate() {
            let effects = match step {
                Step::Say(kind, channel) => {
                    let command = command(kind, channel, n as u32 + 10);
                    if !closed && command != json!({}) {
                        asked.push(n as u64 + 10);
                    }
                    desk.says(command)
                }
                Step::Judge(granted) => match open.pop_front() {
                    Some(slot) if granted => desk.followed(slot, Ok(Followed::default())),
                    Some(slot) => desk.followed(slot, Err(ReplyError::UnknownChannel)),
                    None => vec![],
                },
                Step::Lose(slot) => {
                    desk.client.lost(slot);
                    desk.client.take_effects()
                }
                Step::Later(seconds) => desk.later(f64::from(seconds)),
            };
            for effect in effects {
                prop_assert!(!closed, "{effect:?} after a close");
                match effect {
                    Effect::Follow { slot, .. } => open.push_back(slot),
                    Effect::Release(slot) => {
                        prop_assert!(!released.contains(&slot));
                        released.push(slot);
                    }
                    Effect::Unfollow(slot) => {
                        prop_assert!(released.contains(&slot) && !dropped.contains(&slot));
                        dropped.push(slot);
                    }
                    Effect::Write(line) => {
                        let message: Value = serde_json::from_slice(&line).unwrap();
                        answered.extend(message["id"].as_u64());
                    }
                    Effect::Close(_) => closed = true,
                    Effect::SignIn(_) | Effect::Refresh(..) => prop_assert!(false),
                }
            }
        }
        answered.sort_unstable();
        if !closed {
            prop_assert_eq!(asked, answered);
        }
    }
}
