//! `GET /metrics`: Prometheus text. Names are `signalbox_<feature>_<what>_<unit>`; labels are bounded sets of ours, never
//! ids, addresses or anything that a person typed.

use std::time::Duration;

use actix_web::http::header::AUTHORIZATION;
use actix_web::{HttpRequest, HttpResponse, web};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use signalbox_core::kernel::error::{Error, Kind};
use subtle::ConstantTimeEq;

use crate::http::{Answer, State};

/// Seconds; from a cached read to a slow import chunk.
const SECONDS: &[f64] = &[
    0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

/// Installs the recorder; call once, before anything counts.
///
/// # Errors
/// When a recorder is there already.
#[expect(
    clippy::disallowed_methods,
    reason = "ends with the process, and owns nothing but samples"
)]
pub fn install() -> Result<PrometheusHandle, BuildError> {
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), SECONDS)?
        .install_recorder()?;
    let upkeep = handle.clone();
    // samples wait in memory until they are folded into their buckets, whether or not somebody scrapes
    std::thread::spawn(move || {
        loop {
            std::thread::sleep(Duration::from_secs(5));
            upkeep.run_upkeep();
        }
    });
    Ok(handle)
}

/// Adds the route.
pub fn routes(config: &mut web::ServiceConfig) {
    config.route("/metrics", web::get().to(render));
}

async fn render(
    request: HttpRequest,
    state: web::Data<State>,
    handle: web::Data<PrometheusHandle>,
) -> Answer<HttpResponse> {
    if let Some(token) = &state.settings.server.metrics_token
        && !brings(&request, token)
    {
        return Err(Error::new(
            Kind::Unauthenticated,
            "metrics.token_needed",
            "Send server.metrics_token of the hub's configuration as Authorization: Bearer.",
        )
        .into());
    }
    Ok(HttpResponse::Ok()
        .content_type("text/plain; version=0.0.4; charset=utf-8")
        .body(handle.render()))
}

/// Whether `request` brings `token` (RFC 6750 §2.1). How long it takes says nothing about it.
fn brings(request: &HttpRequest, token: &SecretString) -> bool {
    let header = request
        .headers()
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    let brought = header.and_then(|value| value.split_once(' '));
    let brought = brought.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    brought.is_some_and(|(_, brought)| {
        Sha256::digest(brought.trim())
            .ct_eq(&Sha256::digest(token.expose_secret()))
            .into()
    })
}
