//! What an idle connection weighs: authenticated, subscribed to one channel, nothing to say.

use crate::client::{Crowd, Door};
use crate::hub::Hub;
use crate::machine;
use crate::peers::{PLAIN, Peer, Programs, hub_configuration, hub_door, member_door};
use crate::report::Report;
use std::time::Duration;

/// Connections that come and go first, so that what the first one builds for all counts for none.
const BEFORE: usize = 200;

/// Runs it with `connections` of each kind.
pub async fn run(programs: &Programs, connections: usize) -> anyhow::Result<Report> {
    let mut report = Report::new("idle");
    report.add("connections", connections as f64, "");
    let bare = Peer::Bare.start(programs).await?;
    weigh(&mut report, "bare loop", bare.pid, &bare.door, connections)?;
    drop(bare);
    let hub = Hub::start_with(&programs.hub, &hub_configuration()).await?;
    report.tell("hub", hub.version());
    let door = hub_door(&hub, PLAIN)?;
    weigh(
        &mut report,
        "hub, application user",
        hub.pid(),
        &door,
        connections,
    )?;
    drop(hub);
    let hub = Hub::start_with(&programs.hub, &hub_configuration()).await?;
    let door = member_door(&hub, &hub.token, "feed:users");
    weigh(
        &mut report,
        "hub, member on feed:users",
        hub.pid(),
        &door,
        connections,
    )?;
    Ok(report)
}

fn weigh(report: &mut Report, name: &str, pid: u32, door: &Door, connections: usize) -> anyhow::Result<()> {
    drop(Crowd::gather(door, BEFORE.min(connections), 1)?);
    let before = settled(pid)?;
    let crowd = Crowd::gather(door, connections, 1)?;
    let after = settled(pid)?;
    crowd.tally.check()?;
    report.add(format!("{name}: resident before"), before / 1024.0, "MiB");
    report.add(format!("{name}: resident with all"), after / 1024.0, "MiB");
    report.add(
        format!("{name}: a connection"),
        (after - before) / connections as f64,
        "KiB",
    );
    Ok(())
}

/// Resident memory, once it has not moved for two seconds; after half a minute as it is.
fn settled(pid: u32) -> anyhow::Result<f64> {
    let (mut last, mut still) = (machine::resident(pid)?, 0);
    for _ in 0..60 {
        std::thread::sleep(Duration::from_millis(500));
        let now = machine::resident(pid)?;
        still = if (now - last).abs() < 64.0 { still + 1 } else { 0 };
        last = now;
        if still == 4 {
            break;
        }
    }
    Ok(last)
}
