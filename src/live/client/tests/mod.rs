//! The protocol's rules, without sockets: what one says and what it is told.

mod any_order;
mod asks;
mod channels;
mod connection;
mod maps;
mod orders;

use serde_json::{Value, json};

use super::*;
use crate::live::protocol::Unsubscribed;

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
            client: Client::new("client-1", line(Pulse::Asked), Arc::default(), now),
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
        self.client.frame(command.to_string().as_bytes(), self.now);
        self.client.take_effects()
    }

    fn sign_in(&mut self) -> Vec<Effect> {
        self.client
            .signed_in(Ok(lasting(Some(self.now + HOUR))), self.now, 0.0);
        self.client.take_effects()
    }

    fn followed(&mut self, slot: u32, result: Result<Followed, ReplyError>) -> Vec<Effect> {
        self.client
            .followed(slot, result.map_err(Refusal::from), self.now);
        self.client.take_effects()
    }

    fn later(&mut self, seconds: f64) -> Vec<Effect> {
        self.now += Duration::from_secs_f64(seconds);
        self.client.tick(self.now);
        self.client.take_effects()
    }
}

fn line(pulse: Pulse) -> Line {
    Line {
        codec: Codec::Json,
        pulse,
        session: String::new(),
        node: String::new(),
    }
}

/// Good credentials, and until when.
fn lasting(at: Option<Instant>) -> SignedIn {
    SignedIn {
        expires: Expiry::at(at),
        ..SignedIn::default()
    }
}

/// A subscription to a channel that is followed as a stream.
fn stream() -> Followed {
    Followed {
        recoverable: true,
        positioned: true,
        ..Followed::default()
    }
}

/// The effects, with written messages read back.
fn told(effects: &[Effect]) -> Vec<Value> {
    effects
        .iter()
        .map(|effect| match effect {
            Effect::Write(reply) => read(reply),
            Effect::Deliver { slot, push } => {
                json!({"deliver": slot, "push": serde_json::to_value(push).unwrap()})
            }
            Effect::Ping => json!("ping"),
            Effect::SignIn(request) => json!({"sign_in": request.token}),
            Effect::Refresh(_, token) => json!({"check": token}),
            Effect::Follow { slot, wish } => json!({"follow": slot, "channel": wish.channel}),
            Effect::Ask { id, ask, slot } => json!({"ask": id, "channel": ask.channel(), "slot": slot}),
            Effect::Release { slot, has_base } => json!({"release": slot, "has_base": has_base}),
            Effect::Unfollow(slot) => json!({"unfollow": slot}),
            Effect::Close(why) => json!({"close": why.code()}),
        })
        .collect()
}

fn read(reply: &Reply) -> Value {
    serde_json::from_slice(&Codec::Json.reply(reply)).unwrap()
}

fn error(id: u32, error: ReplyError) -> Value {
    let mut body = json!({"code": error.code(), "message": error.message()});
    if error.temporary() {
        body["temporary"] = json!(true);
    }
    json!({"id": id, "error": body})
}
