//! Sign-in, refresh, ping and end of a connection.

use super::*;

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
    desk.client.signed_in(Ok(lasting(None)), desk.now, 0.0);
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
        desk.now,
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
        (SignInError::Address, 4502),
    ];
    for (refusal, code) in cases {
        let mut desk = Desk::new();
        desk.says(json!({"id": 1, "connect": {"token": "bad"}}));
        desk.client.signed_in(Err(refusal.clone()), desk.now, 0.0);
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
    desk.client
        .refreshed(9, Ok(Expiry::at(Some(desk.now + 2 * HOUR))), desk.now);
    assert_eq!(told(&desk.client.take_effects())[0]["refresh"]["ttl"], 7200);
}

#[test]
fn tokens_that_a_client_brings_are_judged_one_at_a_time_and_those_that_wait_are_counted() {
    let mut desk = Desk::up();
    for id in 2..=1 + LISTENS_BELOW as u32 {
        let effects = told(&desk.says(json!({"id": id, "refresh": {"token": id.to_string()}})));
        assert_eq!(effects.len(), usize::from(id == 2), "{id}: {effects:?}");
    }
    assert!(desk.client.listens());
    desk.says(json!({"id": 999, "refresh": {"token": "one more"}}));
    assert!(!desk.client.listens(), "it is not listened to any more");
    let later = desk.now + 2 * HOUR;
    desk.client.refreshed(2, Ok(Expiry::at(Some(later))), desk.now);
    let effects = told(&desk.client.take_effects());
    assert_eq!(effects[0]["refresh"]["ttl"], 7200);
    assert_eq!(effects[1], json!({"check": "3"}));
    assert!(desk.client.listens());
}

#[test]
fn a_client_goes_on_renewing_its_credentials_after_the_server_has_said_that_they_last() {
    let mut desk = Desk::up();
    desk.client.moved(None, desk.now);
    desk.client.take_effects();
    assert_eq!(
        told(&desk.says(json!({"id": 9, "refresh": {"token": "new"}}))),
        [json!({"check": "new"})]
    );
    let mut desk = Desk::new();
    desk.says(json!({"id": 1, "connect": {}}));
    desk.client.signed_in(Ok(lasting(None)), desk.now, 0.0);
    desk.client.moved(Some(desk.now + HOUR), desk.now);
    desk.client.take_effects();
    assert_eq!(
        told(&desk.says(json!({"id": 9, "refresh": {"token": "first"}}))),
        [json!({"check": "first"})]
    );
}

#[test]
fn credentials_that_run_out_end_the_connection_after_the_grace() {
    let mut desk = Desk::new();
    Arc::make_mut(&mut desk.client.timing).ping = 4 * HOUR;
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
fn a_client_whose_credentials_the_hub_cannot_judge_in_time_is_to_come_back() {
    let mut desk = Desk::new();
    desk.says(json!({"id": 1, "connect": {"token": "t"}}));
    assert_eq!(told(&desk.later(9.9)), [] as [Value; 0]);
    assert_eq!(told(&desk.later(0.2)), [json!({"close": 3004})]);
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
