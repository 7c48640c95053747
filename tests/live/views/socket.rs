//! A client on a WebSocket that keeps its view as an SDK and a page do: it fetches, follows, resumes, and fetches again
//! when it is told that its rights are others.

use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use super::record::{Seat, Standing};
use super::{AUDIT, Order, PEOPLE};

const CONNECT: u64 = 1;
const FOLLOW: u64 = 2;
const FOLLOW_AUDIT: u64 = 3;
const ASK: u64 = 4;

/// Lives until it is told to stop.
pub async fn run(seat: Seat, mut orders: UnboundedReceiver<Order>) {
    while let Some(()) = Socket::open(&seat).await.live(&mut orders).await {}
}

struct Socket<'a> {
    seat: &'a Seat,
    wire: WebSocketStream<MaybeTlsStream<TcpStream>>,
    people: bool,
    audit: bool,
    audit_asked: bool,
}

impl<'a> Socket<'a> {
    async fn open(seat: &'a Seat) -> Self {
        seat.stands(Standing::Busy);
        let url = format!("{}/connection/websocket", seat.url.replacen("http", "ws", 1));
        let (wire, _) = connect_async(url).await.unwrap();
        let mut socket = Self {
            seat,
            wire,
            people: false,
            audit: false,
            audit_asked: false,
        };
        socket
            .say(json!({"id": CONNECT, "connect": {"token": &*seat.token}}))
            .await;
        socket
    }

    async fn say(&mut self, command: Value) {
        // a socket that has ended says so when it is read
        let _ = self.wire.send(Message::text(command.to_string())).await;
    }

    /// `None` when it is to stop, else it connects again.
    async fn live(mut self, orders: &mut UnboundedReceiver<Order>) -> Option<()> {
        loop {
            tokio::select! {
                order = orders.recv() => match order? {
                    Order::Open => self.begin().await,
                    Order::Ask => {
                        let channels = if self.seat.audit { &[PEOPLE, AUDIT][..] } else { &[PEOPLE] };
                        for channel in channels {
                            self.say(json!({"id": ASK, "history": {"channel": channel, "limit": -1}})).await;
                        }
                    }
                    Order::Leave => {
                        drop(self.wire);
                        self.seat.stands(Standing::Away);
                        while orders.recv().await? != Order::Return {}
                        return Some(());
                    }
                    Order::Return => {}
                },
                told = self.wire.next() => match told {
                    Some(Ok(Message::Text(text))) => {
                        for line in text.lines() {
                            self.hear(line).await;
                        }
                    }
                    Some(Ok(Message::Close(_)) | Err(_)) | None => {
                        // cut off: an answer of before its rights changed was still on its way to it
                        if self.people {
                            self.seat.is_cut_off();
                        }
                        return Some(());
                    }
                    Some(Ok(_)) => {}
                },
            }
        }
    }

    /// Fetches what it does not hold, and follows from there.
    async fn begin(&mut self) {
        self.seat.stands(Standing::Busy);
        let held = self.seat.record().place.is_some();
        if !held && !self.seat.fetch().await {
            return self.seat.stands(Standing::Shut);
        }
        let place = self.seat.record().place.clone();
        if let Some((epoch, offset)) = place {
            let wish = json!({"channel": PEOPLE, "recover": true, "epoch": epoch, "offset": offset});
            self.say(json!({"id": FOLLOW, "subscribe": wish})).await;
        }
        self.follow_audit().await;
    }

    async fn follow_audit(&mut self) {
        if self.seat.audit && !std::mem::replace(&mut self.audit_asked, true) {
            self.say(json!({"id": FOLLOW_AUDIT, "subscribe": {"channel": AUDIT}}))
                .await;
        }
    }

    async fn hear(&mut self, line: &str) {
        self.seat.record().frame(line.as_bytes());
        let told: Value = serde_json::from_str(line).unwrap();
        if told == json!({}) {
            return self.say(json!({})).await;
        }
        match told["id"].as_u64() {
            Some(CONNECT) => {
                assert!(told["connect"].is_object(), "{}: {told}", self.seat.name);
                self.begin().await;
            }
            Some(FOLLOW) => self.followed(&told).await,
            Some(FOLLOW_AUDIT) => {
                self.audit = told["subscribe"].is_object();
                self.audit_asked = self.audit;
                if told["error"]["temporary"] == true {
                    self.follow_audit().await;
                }
                self.settle();
            }
            Some(_) => {}
            None => self.pushed(&told["push"]).await,
        }
    }

    async fn followed(&mut self, told: &Value) {
        match told["error"]["code"].as_u64() {
            None => {}
            Some(103) => {
                self.seat.record().drop_all();
                return self.seat.stands(Standing::Shut);
            }
            // asked while rights changed
            Some(100) => return Box::pin(self.begin()).await,
            Some(_) => panic!("{}: {told}", self.seat.name),
        }
        self.people = true;
        let result = &told["subscribe"];
        if result["recovered"] == true {
            let mut record = self.seat.record();
            let missed = result["publications"].as_array();
            record.recoveries += usize::from(missed.is_some());
            missed
                .into_iter()
                .flatten()
                .for_each(|publication| record.apply(&publication["data"]));
        } else if !self.seat.fetch().await {
            self.people = false;
            return self.seat.stands(Standing::Shut);
        }
        self.settle();
    }

    fn settle(&self) {
        if self.people && (self.audit || !self.seat.audit) {
            self.seat.stands(Standing::Following);
        }
    }

    async fn pushed(&mut self, push: &Value) {
        if push["channel"] == PEOPLE && push["pub"].is_object() {
            return self.seat.record().apply(&push["pub"]["data"]);
        }
        let Some(code) = push["unsubscribe"]["code"].as_u64() else {
            return;
        };
        if push["channel"] == AUDIT {
            (self.audit, self.audit_asked) = (false, false);
            if code >= 2500 {
                self.follow_audit().await;
            }
            return;
        }
        self.people = false;
        if code != 2500 {
            self.seat.loses_its_view(Standing::Busy);
        }
        if code >= 2500 {
            self.begin().await;
        } else {
            self.seat.stands(Standing::Shut);
        }
    }
}
