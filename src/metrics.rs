//! `GET /metrics`: Prometheus text. Names are `signalbox_<feature>_<what>_<unit>`; labels are bounded sets of ours, never
//! ids, addresses or anything that a person typed.

use std::time::Duration;

use actix_web::{HttpResponse, web};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};

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

async fn render(handle: web::Data<PrometheusHandle>) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/plain; version=0.0.4; charset=utf-8")
        .body(handle.render())
}
