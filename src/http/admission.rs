//! The doors of live delivery: how many come in at a time, and that nobody does while the node is drained.
//!
//! After a node has gone, or the bus has come back, everybody returns within a second or two. Let in at a set rate they
//! cost the node a little of its time for a while; let in at once they cost everybody all of it. Whoever is early waits a
//! moment at the door, in the order they came; whoever would wait too long is sent away with a time to come back.

use std::time::{Duration, Instant};

use super::Problem;
use super::origin::Origin;
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::RETRY_AFTER;
use actix_web::middleware::Next;
use actix_web::web;
use parking_lot::Mutex;
use signalbox_actors::live_hub::LiveHub;
use signalbox_core::kernel::error::{Error, Kind};

/// Nobody waits at the door for longer. Whoever is sent away waits by the SDK's own growing delays, up to 20 s: with two seconds at
/// the door the last of 15,000 was back after 20 s, not 8 (`loadtests/RESULTS.md`). Some SDKs give a handshake ten seconds.
const PATIENCE: Duration = Duration::from_secs(5);
/// So much of a second's number may come in at once when the door was quiet before.
const BURST: Duration = Duration::from_millis(100);

/// One for all workers.
pub struct Admission {
    hub: LiveHub,
    rate: Option<Rate>,
}

impl Admission {
    /// To `hub`, `per_second` at most; 0 is no limit.
    pub fn to(hub: LiveHub, per_second: u32) -> Self {
        Self {
            hub,
            rate: (per_second > 0).then(|| Rate::of(per_second)),
        }
    }

    /// How long to wait before coming in.
    fn ask(&self) -> Result<Duration, Problem> {
        if self.hub.is_draining() {
            metrics::counter!("signalbox_live_turned_away_total", "why" => "draining").increment(1);
            return Err(come_back(
                "live.draining",
                "This node is being emptied. Another one takes you.",
                1,
            ));
        }
        let Some(rate) = &self.rate else {
            return Ok(Duration::ZERO);
        };
        rate.turn(Instant::now()).map_err(|wait| {
            metrics::counter!("signalbox_live_turned_away_total", "why" => "rate").increment(1);
            let seconds = wait.as_secs() + 1;
            come_back(
                "live.too_many_at_once",
                "Too many connect at this moment.",
                seconds,
            )
        })
    }
}

fn come_back(code: &'static str, detail: &'static str, seconds: u64) -> Problem {
    let error = Error::new(Kind::Unavailable, code, detail);
    Problem::WithHeaders(Box::new(error), vec![(RETRY_AFTER, seconds.to_string())])
}

/// Turns, one after the other.
struct Rate {
    each: Duration,
    next: Mutex<Option<Instant>>,
}

impl Rate {
    fn of(per_second: u32) -> Self {
        Self {
            each: Duration::from_secs(1) / per_second,
            next: Mutex::new(None),
        }
    }

    /// Takes the next turn and says how long it is until then; or, where that is too long, takes none.
    fn turn(&self, now: Instant) -> Result<Duration, Duration> {
        let mut next = self.next.lock();
        let turn = next.map_or(now, |next| next.max(now.checked_sub(BURST).unwrap_or(now)));
        let wait = turn.saturating_duration_since(now);
        if wait > PATIENCE {
            return Err(wait);
        }
        *next = Some(turn + self.each);
        Ok(wait)
    }
}

/// Middleware for the whole application: it looks at the doors alone. Whoever is turned away is counted and not logged,
/// for it is a storm that they come with.
pub async fn admit(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let door = is_door(request.method(), request.path());
    let admission = request.app_data::<web::Data<Admission>>().filter(|_| door);
    match admission.map_or(Ok(Duration::ZERO), |admission| admission.ask()) {
        Ok(wait) => {
            if !wait.is_zero() {
                tokio::time::sleep(wait).await;
            }
            next.call(request).await.map(ServiceResponse::map_into_boxed_body)
        }
        Err(problem) => {
            let origin = Origin::noted(request.request());
            let answer = problem.answer(&origin.map(|origin| origin.trace_id.clone()).unwrap_or_default());
            Ok(request.into_response(answer))
        }
    }
}

fn is_door(method: &Method, path: &str) -> bool {
    let opens = matches!(*method, Method::GET | Method::POST);
    opens && (path.starts_with("/connection/") || path == "/api/v1/stream")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_storm_is_let_in_at_the_rate_and_the_rest_sent_away_with_a_time() {
        let rate = Rate::of(1_000);
        let now = Instant::now();
        let turns: Vec<_> = (0..10_000).map(|_| rate.turn(now)).collect();
        let waits: Vec<_> = turns.iter().filter_map(|turn| turn.ok()).collect();
        assert_eq!(waits.len(), 5_001, "five seconds' worth");
        assert!(waits.is_sorted() && waits[0].is_zero());
        assert!(
            turns[5_001..]
                .iter()
                .all(|turn| turn.is_err_and(|wait| wait > PATIENCE))
        );
        let later = now + Duration::from_secs(1);
        let more = (0..5_000).filter(|_| rate.turn(later).is_ok()).count();
        assert_eq!(more, 1_000, "as many as have gone in");
    }

    #[test]
    fn after_a_quiet_time_a_few_may_come_at_once() {
        let rate = Rate::of(1_000);
        let now = Instant::now();
        assert!(rate.turn(now).unwrap().is_zero());
        let later = now + Duration::from_secs(10);
        let at_once = (0..1_000).filter(|_| rate.turn(later).unwrap().is_zero()).count();
        assert_eq!(at_once, 101);
    }

    #[test]
    fn the_doors_are_what_opens_a_connection() {
        for (method, path, door) in [
            (Method::GET, "/connection/websocket", true),
            (Method::POST, "/connection/http_stream", true),
            (Method::GET, "/api/v1/stream", true),
            (Method::OPTIONS, "/connection/sse", false),
            (Method::POST, "/emulation", false),
            (Method::GET, "/api/v1/users", false),
        ] {
            assert_eq!(is_door(&method, path), door, "{method} {path}");
        }
    }
}
