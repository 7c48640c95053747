//! Where events go: standard error, as text for people or as JSON for machines.

use std::io::{IsTerminal, stderr};

use tracing_subscriber::EnvFilter;

use crate::config::{Log, LogFormat};

/// Installs the subscriber. Call once, before anything logs.
pub fn install(log: &Log) {
    // The level was checked with the settings; a filter that does not parse is the default one.
    let mut filter = EnvFilter::try_new(&log.level).unwrap_or_else(|_| EnvFilter::new("info"));
    // these would log the path of a request that cannot be read, and whatever somebody typed into it
    if let Ok(silent) = "actix_web::types=off".parse() {
        filter = filter.add_directive(silent);
    }
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(stderr);
    // A second subscriber in one process is a test's; the first one stays.
    let _ = match log.format {
        LogFormat::Text => builder.with_ansi(stderr().is_terminal()).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
}
