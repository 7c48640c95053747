//! A client of the plain event stream that keeps its view: it fetches, resumes by `Last-Event-ID`, and fetches again when a
//! `reset` tells it to.

use futures::StreamExt;
use reqwest::{Response, StatusCode};
use serde_json::Value;
use tokio::sync::mpsc::UnboundedReceiver;

use super::record::{Seat, Standing};
use super::{AUDIT, Order, PEOPLE};

/// Lives until it is told to stop.
pub async fn run(seat: Seat, mut orders: UnboundedReceiver<Order>) {
    loop {
        let next = match open(&seat).await {
            Some(answer) => read(&seat, answer, &mut orders).await,
            None => Next::Wait,
        };
        match next {
            Next::Again => {}
            Next::Wait if wait(&seat, &mut orders).await => {}
            Next::Wait | Next::Stop => return,
        }
    }
}

/// Whoever is away or shut out waits for a word. False when it is to stop.
async fn wait(seat: &Seat, orders: &mut UnboundedReceiver<Order>) -> bool {
    loop {
        match orders.recv().await {
            None => return false,
            Some(Order::Open | Order::Return) => return true,
            Some(Order::Leave) => seat.stands(Standing::Away),
            Some(Order::Ask) => {}
        }
    }
}

enum Next {
    Again,
    Wait,
    Stop,
}

async fn open(seat: &Seat) -> Option<Response> {
    seat.stands(Standing::Busy);
    let held = seat.record().place.is_some();
    if !held && !seat.fetch().await {
        seat.stands(Standing::Shut);
        return None;
    }
    let (epoch, offset) = seat.record().place.clone()?;
    let audit = if seat.audit {
        format!("&channel={AUDIT}")
    } else {
        String::new()
    };
    let url = format!("{}/api/v1/stream?channel={PEOPLE}{audit}", seat.url);
    let asked = seat.http.get(url).bearer_auth(&seat.token);
    let answer = asked
        .header("last-event-id", format!("{PEOPLE}@{epoch}:{offset}"))
        .send()
        .await
        .unwrap();
    if answer.status() == StatusCode::FORBIDDEN {
        seat.record().drop_all();
        seat.stands(Standing::Shut);
        return None;
    }
    assert_eq!(answer.status(), StatusCode::OK, "{}", seat.name);
    Some(answer)
}

async fn read(seat: &Seat, answer: Response, orders: &mut UnboundedReceiver<Order>) -> Next {
    let mut chunks = answer.bytes_stream();
    let mut text = String::new();
    loop {
        tokio::select! {
            order = orders.recv() => match order {
                None => return Next::Stop,
                Some(Order::Leave) => {
                    seat.stands(Standing::Away);
                    return Next::Wait;
                }
                Some(_) => {}
            },
            chunk = chunks.next() => {
                let Some(Ok(chunk)) = chunk else {
                    return Next::Again;
                };
                text += std::str::from_utf8(&chunk).unwrap();
                while let Some((event, rest)) = text.split_once("\n\n") {
                    let (event, rest) = (event.to_owned(), rest.to_owned());
                    text = rest;
                    if !hear(seat, &event).await {
                        return Next::Wait;
                    }
                }
            }
        }
    }
}

/// False when nothing more comes.
async fn hear(seat: &Seat, event: &str) -> bool {
    seat.record().frame(event.as_bytes());
    let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name));
    let data = field("data: ").map(|data| serde_json::from_str::<Value>(data).unwrap());
    match (field("event: "), data) {
        (Some("end"), Some(why)) => {
            assert_eq!(why["code"], 3507, "{}: {why}", seat.name);
            seat.loses_its_view(Standing::Shut);
            return false;
        }
        (Some("reset"), Some(data)) if data["channels"].as_array().unwrap().contains(&PEOPLE.into()) => {
            seat.loses_its_view(Standing::Busy);
            // one that is shut out meanwhile is told so next
            seat.fetch().await;
            seat.stands(Standing::Following);
        }
        (None, Some(data)) if data["channel"] == PEOPLE => seat.record().apply(&data),
        (None, None) if event.lines().any(|line| line.starts_with(':')) => seat.stands(Standing::Following),
        _ => {}
    }
    true
}
