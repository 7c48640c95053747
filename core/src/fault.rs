//! Places where a fault test stops the hub, and mistakes it has the hub make.
//!
//! Off unless the process is started with `SIGNALBOX_FAULTS`, a comma-separated list; then a check of a constant. A
//! build of its own would prove another program than the one people run, so the hook is in every build: whoever may set
//! the hub's environment may replace the hub anyway.
//!
//! * `points=<folder>`: a task that comes to a point whose file `<folder>/<point>.stop` exists makes
//!   `<folder>/<point>.here` and waits until the first is gone. Meanwhile the test stops or kills the process there, by
//!   signal, as the world does.
//! * `silence=<seconds>`: so long, and not as long as always, may a node's own words be missing on the bus before it ends what
//!   is open: a test that is about something else then outlives a machine that stands still for some seconds.
//! * any other word is a mistake to make, once: see [`mistake`].

use std::path::PathBuf;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

#[derive(Default)]
struct Faults {
    points: Option<PathBuf>,
    silence: Option<Duration>,
    mistakes: Vec<(String, AtomicBool)>,
}

static FAULTS: LazyLock<Faults> = LazyLock::new(|| {
    let mut faults = Faults::default();
    for word in std::env::var("SIGNALBOX_FAULTS").unwrap_or_default().split(',') {
        match word.trim().split_once('=') {
            Some(("points", folder)) => faults.points = Some(folder.into()),
            Some(("silence", seconds)) => faults.silence = seconds.parse().ok().map(Duration::from_secs),
            _ => faults
                .mistakes
                .push((word.trim().to_owned(), AtomicBool::new(false))),
        }
    }
    faults
});

/// Waits here while a fault test wants it.
pub async fn point(name: &str) {
    let Some(folder) = &FAULTS.points else { return };
    let stop = folder.join(format!("{name}.stop"));
    if stop.exists() && std::fs::write(folder.join(format!("{name}.here")), "").is_ok() {
        while stop.exists() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

/// How long a node's own words may be missing on the bus: `usual`, unless a fault test wants another time.
pub fn silence(usual: Duration) -> Duration {
    FAULTS.silence.unwrap_or(usual)
}

/// True once, when a fault test wants this mistake made: the test then proves that its referee sees it.
pub fn mistake(name: &str) -> bool {
    FAULTS
        .mistakes
        .iter()
        .any(|(mistake, made)| mistake == name && !made.swap(true, Ordering::Relaxed))
}
