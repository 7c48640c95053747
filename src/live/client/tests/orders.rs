//! What happens to a client without its asking, and clients that only listen.

use super::*;
use crate::live::protocol::wire::Publication;
use bytes::Bytes;

fn of_server(slot: u32, channel: &str, followed: Followed) -> ServerFollowed {
    ServerFollowed {
        slot,
        channel: channel.to_owned(),
        recovering: Recovering::default(),
        followed,
    }
}

fn missed(from: u64, count: u64) -> Vec<Publication> {
    (from..from + count)
        .map(|offset| Publication {
            data: "1".into(),
            offset,
            ..Publication::default()
        })
        .collect()
}

/// Signed in with a channel that came with the token.
fn subscribed() -> (Desk, Vec<Value>) {
    let mut desk = Desk::new();
    desk.says(json!({"id": 1, "connect": {"token": "good"}}));
    let slot = desk.client.next_slot();
    let signed_in = SignedIn {
        subscriptions: vec![of_server(slot, "#ada", stream())],
        ..lasting(None)
    };
    desk.client.signed_in(Ok(signed_in), desk.now, 0.0);
    let effects = told(&desk.client.take_effects());
    (desk, effects)
}

#[test]
fn channels_that_come_with_the_credentials_stand_in_the_answer_to_the_connect() {
    let (desk, effects) = subscribed();
    let sub = json!({"#ada": {"recoverable": true, "positioned": true}});
    assert_eq!(effects[0]["connect"]["subs"], sub);
    assert_eq!(effects[1], json!({"release": 1, "has_base": false}));
    assert_eq!(desk.client.server_channels(), ["#ada"]);
}

#[test]
fn a_lost_place_of_such_a_channel_ends_the_connection_which_resumes_it() {
    let (mut desk, _) = subscribed();
    desk.client.lost(1);
    assert_eq!(told(&desk.client.take_effects()), [json!({"close": 3010})]);
}

#[test]
fn a_subscription_that_the_server_makes_is_pushed_before_its_publications_and_made_once() {
    let mut desk = Desk::up();
    let slot = desk.client.next_slot();
    let followed = Followed {
        epoch: "e".into(),
        offset: 4,
        recovered: true,
        missed: missed(4, 1),
        data: Bytes::from_static(b"{}"),
        ..stream()
    };
    desk.client
        .subscribed_by_server(of_server(slot, "news", followed), desk.now);
    let effects = told(&desk.client.take_effects());
    let subscribe = json!({"recoverable": true, "positioned": true, "epoch": "e", "offset": 4, "data": {}});
    assert_eq!(
        effects[0],
        json!({"push": {"channel": "news", "subscribe": subscribe}})
    );
    assert_eq!(effects[1]["push"]["pub"]["offset"], 4);
    assert_eq!(effects[2], json!({"release": 1, "has_base": true}));
    desk.client
        .subscribed_by_server(of_server(2, "news", stream()), desk.now);
    assert_eq!(told(&desk.client.take_effects()), [json!({"unfollow": 2})]);
}

#[test]
fn an_unsubscribe_by_the_server_reaches_whoever_holds_the_channel() {
    let mut desk = Desk::holding();
    desk.client
        .unsubscribed_by_server("feed:users", Unsubscribed::BY_SERVER);
    desk.client
        .unsubscribed_by_server("other", Unsubscribed::BY_SERVER);
    assert_eq!(
        told(&desk.client.take_effects()),
        [
            json!({"unfollow": 1}),
            json!({"push": {"channel": "feed:users", "unsubscribe": {"code": 2000, "reason": "server unsubscribe"}}}),
        ]
    );
}

#[test]
fn rights_that_change_what_is_seen_send_the_client_back_without_its_position() {
    let mut desk = Desk::holding();
    desk.client.invalidated(1);
    assert_eq!(
        told(&desk.client.take_effects())[1]["push"]["unsubscribe"]["code"],
        2502
    );
}

#[test]
fn what_was_missed_beyond_a_page_follows_behind_the_reply_in_order() {
    let mut desk = Desk::up();
    desk.says(json!({"id": 2, "subscribe": {"channel": "news", "recover": true, "epoch": "e", "offset": 0}}));
    let followed = Followed {
        epoch: "e".into(),
        offset: 650,
        recovered: true,
        missed: missed(1, 650),
        ..stream()
    };
    let effects = told(&desk.followed(1, Ok(followed)));
    let reply = &effects[0]["subscribe"];
    assert_eq!(
        (
            &reply["recovered"],
            reply["publications"].as_array().unwrap().len()
        ),
        (&json!(true), 300)
    );
    let offsets: Vec<_> = effects[1..351]
        .iter()
        .map(|effect| effect["push"]["pub"]["offset"].clone())
        .collect();
    assert_eq!(
        offsets,
        (301..=650).map(|offset| json!(offset)).collect::<Vec<_>>()
    );
    assert_eq!(effects[351], json!({"release": 1, "has_base": true}));
}

#[test]
fn a_client_that_answers_pings_of_its_transport_is_told_of_no_others() {
    let now = Instant::now();
    let mut desk = Desk {
        client: Client::new("client-1", line(Pulse::Frames), Arc::default(), now),
        now,
    };
    desk.says(json!({"id": 1, "connect": {}}));
    let connect = told(&desk.sign_in())[0]["connect"].clone();
    assert_eq!((connect.get("ping"), connect.get("pong")), (None, None));
    assert_eq!(told(&desk.later(13.0)), [json!("ping")]);
    desk.client.pong_of_transport(desk.now);
    assert!(desk.client.take_latency().is_some());
    // unasked ones are allowed there
    desk.client.pong_of_transport(desk.now);
    assert!(!desk.client.is_closed());
    desk.later(25.0);
    assert_eq!(told(&desk.later(9.0)), [json!({"close": 3012})]);
}

#[test]
fn a_client_that_only_listens_is_pinged_and_answers_nothing() {
    let now = Instant::now();
    let mut desk = Desk {
        client: Client::new("client-1", line(Pulse::Told), Arc::default(), now),
        now,
    };
    desk.client.connect(Box::default());
    desk.client.take_effects();
    desk.client.signed_in(Ok(lasting(None)), desk.now, 0.0);
    assert_eq!(told(&desk.client.take_effects()).len(), 1);
    for _ in 0..5 {
        assert_eq!(told(&desk.later(26.0)), [json!({})]);
    }
}

#[test]
fn the_server_may_move_the_end_of_the_credentials() {
    let mut desk = Desk::up();
    desk.client.moved(Some(desk.now + 2 * HOUR), desk.now);
    let push = told(&desk.client.take_effects());
    assert_eq!(
        push,
        [json!({"push": {"refresh": {"expires": true, "ttl": 7200}}})]
    );
}
