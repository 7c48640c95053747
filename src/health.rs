//! `GET /livez` and `GET /readyz`: is the process alive, and may traffic be sent to it.
//!
//! Alive means only that it answers. Ready means that every probe holds and that no stop has begun.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actix_web::{HttpRequest, HttpResponse, web};
use futures::future::{BoxFuture, join_all};
use parking_lot::RwLock;
use serde::Serialize;

/// A probe that takes longer counts as failed: whoever asks has a time limit too.
const PROBE_WITHIN: Duration = Duration::from_secs(2);

type Probe = Box<dyn Fn() -> BoxFuture<'static, Result<String, String>> + Send + Sync>;

/// What readiness depends on; each part of the hub adds its probe when it starts.
#[derive(Default)]
pub struct Health {
    draining: AtomicBool,
    probes: RwLock<Vec<(&'static str, Probe)>>,
}

#[derive(Serialize)]
struct Check {
    name: &'static str,
    ready: bool,
    detail: String,
}

#[derive(Serialize)]
struct Report {
    ready: bool,
    checks: Vec<Check>,
}

impl Health {
    /// Adds a probe: `Ok` with a detail for people, or `Err` with what is wrong.
    pub fn add<F>(&self, name: &'static str, probe: impl Fn() -> F + Send + Sync + 'static)
    where
        F: Future<Output = Result<String, String>> + Send + 'static,
    {
        self.probes
            .write()
            .push((name, Box::new(move || Box::pin(probe()))));
    }

    /// Not ready from now on: the balancer shall send people elsewhere before this node stops.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Release);
    }

    async fn report(&self) -> Report {
        // The probes are started under the lock and awaited without it.
        let started: Vec<_> = self
            .probes
            .read()
            .iter()
            .map(|(name, probe)| (*name, tokio::time::timeout(PROBE_WITHIN, probe())))
            .collect();
        let mut checks = join_all(started.into_iter().map(async |(name, answer)| {
            let answer = answer
                .await
                .unwrap_or_else(|_| Err("no answer within 2 s".into()));
            Check {
                name,
                ready: answer.is_ok(),
                detail: answer.unwrap_or_else(|wrong| wrong),
            }
        }))
        .await;
        let draining = self.draining.load(Ordering::Acquire);
        checks.push(Check {
            name: "serving",
            ready: !draining,
            detail: if draining {
                "this node is being emptied or stopped".into()
            } else {
                "yes".into()
            },
        });
        Report {
            ready: checks.iter().all(|check| check.ready),
            checks,
        }
    }
}

/// Adds both routes.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/livez", web::get().to(live))
        .route("/readyz", web::get().to(ready));
}

async fn live() -> &'static str {
    "alive"
}

/// `?verbose` adds the single checks.
async fn ready(request: HttpRequest, health: web::Data<Health>) -> HttpResponse {
    let report = health.report().await;
    let mut answer = if report.ready {
        HttpResponse::Ok()
    } else {
        HttpResponse::ServiceUnavailable()
    };
    let verbose = request
        .query_string()
        .split('&')
        .any(|part| part.split('=').next() == Some("verbose"));
    if verbose {
        answer.json(report)
    } else {
        answer.json(serde_json::json!({ "ready": report.ready }))
    }
}
