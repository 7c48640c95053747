//! `signalbox doctor`: looks at everything the hub needs, and says how to mend what is wrong.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit};
use nix::sys::statvfs::statvfs;
use secrecy::ExposeSecret;
use signalbox_actors::private_services::{PostgresBinaries, RedisBinary, Urls};
use signalbox_core::bus::Bus;
use signalbox_core::db;
use signalbox_core::kernel::clock::Clock;

use super::{block_on, say};
use crate::config::Settings;
use crate::servers::{BUS_PREFIX, Servers};

/// A node with fewer open files turns people away: each connection is one.
const FILES_NEEDED: u64 = 4_096;
/// Below this an import of a million rows may not fit.
const DISK_NEEDED_MB: u64 = 2_048;
/// Tokens and leases compare clocks of nodes and database.
const CLOCK_MAY_DIFFER: Duration = Duration::from_secs(2);
const POSTGRES_NEEDED: u32 = 150_000;
const REDIS_NEEDED: u32 = 7;

/// What a check found: fine with a detail, or wrong with the way to mend it.
type Finding = Result<String, Wrong>;

struct Wrong {
    what: String,
    mend: String,
}

fn wrong(what: impl ToString, mend: impl Into<String>) -> Wrong {
    Wrong {
        what: what.to_string(),
        mend: mend.into(),
    }
}

/// Runs every check and prints a line for each; fails when one of them does.
pub(super) fn run(settings: &Settings) -> anyhow::Result<()> {
    let dir = settings.data_dir()?;
    let running = settings.uses_private_servers() && Urls::of_running(&dir).is_some();
    let mut bad = 0;
    let mut show = |name: &str, finding: Finding| match finding {
        Ok(detail) => say(format_args!("ok     {name:<12} {detail}")),
        Err(wrong) => {
            bad += 1;
            say(format_args!(
                "wrong  {name:<12} {}\n       {:<12} to mend: {}",
                wrong.what, "", wrong.mend
            ));
        }
    };
    show("files", files());
    show("disk", disk(&dir));
    show("port", port(settings.server.listen, running));
    let fresh = settings.uses_private_servers() && !dir.join("servers").exists();
    if settings.uses_private_servers() {
        show("programs", programs());
    }
    if fresh {
        show(
            "servers",
            Ok(format!(
                "private; the first `signalbox serve` makes them in {}",
                dir.display()
            )),
        );
    } else {
        servers(settings, &mut show);
    }
    anyhow::ensure!(bad == 0, "{bad} of the checks above need mending");
    Ok(())
}

fn servers(settings: &Settings, show: &mut impl FnMut(&str, Finding)) {
    let servers = match Servers::reach(settings) {
        Ok(servers) => servers,
        Err(error) => return show("servers", Err(wrong(error, "see the message"))),
    };
    let found = block_on(async {
        let url = servers.app_url.expose_secret();
        let facts = db::server_facts(url).await;
        show("clock", clock(facts.as_ref().ok().map(|facts| facts.now)));
        show("PostgreSQL", postgres(facts));
        let state = db::migration_state(url).await;
        let is_current = state.as_ref().is_ok_and(|state| state.pending == 0);
        show("migrations", migrations(state));
        if is_current {
            let used = db::default_partitions_used(servers.owner_url.expose_secret()).await;
            show("partitions", partitions(used));
        }
        show("Redis", redis(servers.redis_url.expose_secret()).await);
    });
    if let Err(error) = found {
        show("servers", Err(wrong(error, "start `signalbox doctor` again")));
    }
    servers.stop();
}

fn files() -> Finding {
    let (_, most) =
        getrlimit(Resource::RLIMIT_NOFILE).map_err(|e| wrong(e, "ask who set this machine's limits"))?;
    if most >= FILES_NEEDED {
        return Ok(format!("up to {most} open files"));
    }
    Err(wrong(
        format!("only {most} open files are allowed, and each connection is one"),
        "raise the hard limit: `ulimit -Hn 65536` in the shell, LimitNOFILE=65536 in a systemd unit",
    ))
}

fn disk(dir: &Path) -> Finding {
    let existing = dir.ancestors().find(|folder| folder.exists()).unwrap_or(dir);
    let room = statvfs(existing).map_err(|e| wrong(e, "choose a data folder on a local disk with --data"))?;
    let free_mb = room.blocks_available() as u64 * room.fragment_size() as u64 / (1024 * 1024);
    if free_mb >= DISK_NEEDED_MB {
        return Ok(format!("{free_mb} MB free at {}", existing.display()));
    }
    Err(wrong(
        format!("only {free_mb} MB free at {}", existing.display()),
        "free some space, or choose a data folder elsewhere with --data",
    ))
}

fn port(listen: SocketAddr, running: bool) -> Finding {
    if TcpListener::bind(listen).is_ok() {
        return Ok(format!("{listen} is free"));
    }
    if running && TcpStream::connect_timeout(&listen, Duration::from_secs(1)).is_ok() {
        return Ok(format!("{listen} is answered by the hub that runs here"));
    }
    Err(wrong(
        format!("{listen} cannot be listened on"),
        format!(
            "see who has it with `ss -ltnp 'sport = :{}'`, or choose another with --listen",
            listen.port()
        ),
    ))
}

fn programs() -> Finding {
    let mend = "run bin/run, which installs what is missing, or set database.url and redis.url";
    let postgres = PostgresBinaries::find(None).map_err(|e| wrong(e, mend))?;
    let redis = RedisBinary::find().map_err(|e| wrong(e, mend))?;
    Ok(format!(
        "PostgreSQL {} in {}, {}",
        postgres.major,
        postgres.folder.display(),
        redis.program.display()
    ))
}

fn postgres(facts: signalbox_core::kernel::error::Result<db::ServerFacts>) -> Finding {
    let facts = facts.map_err(|error| {
        wrong(
            cause(&error),
            "check database.url, that the server runs, and that its role may sign in from here",
        )
    })?;
    if facts.version_number < POSTGRES_NEEDED {
        return Err(wrong(
            format!("version {}", facts.version),
            "Signalbox needs PostgreSQL 15 or newer: upgrade it",
        ));
    }
    Ok(format!("version {}", facts.version))
}

fn migrations(state: signalbox_core::kernel::error::Result<db::MigrationState>) -> Finding {
    let state = state.map_err(|error| wrong(cause(&error), "mend PostgreSQL first"))?;
    if state.pending > 0 {
        return Err(wrong(
            format!(
                "{} of {} are not applied",
                state.pending,
                state.pending + state.applied
            ),
            "run `signalbox migrate`, or start the hub, which does so",
        ));
    }
    Ok(format!("all {} applied", state.applied))
}

fn partitions(used: signalbox_core::kernel::error::Result<Vec<String>>) -> Finding {
    let used = used.map_err(|error| {
        wrong(
            cause(&error),
            "give database.owner_url, whose role owns the tables",
        )
    })?;
    if used.is_empty() {
        return Ok("every entry of the logs stands in its month".to_owned());
    }
    Err(wrong(
        format!(
            "{} holds entries whose month was not made in time",
            used.join(" and ")
        ),
        "nothing is lost, and they are read as ever; give them a month of their own as docs/OPERATION.md says, under Partitions",
    ))
}

fn clock(database: Option<time::OffsetDateTime>) -> Finding {
    let now = Clock::system().now();
    let apart = database.map_or(Duration::ZERO, |theirs| (now - theirs).unsigned_abs());
    if apart > CLOCK_MAY_DIFFER {
        return Err(wrong(
            format!(
                "this machine's clock is {:.1} s away from the database's",
                apart.as_secs_f64()
            ),
            "switch time synchronisation on, on both machines: `timedatectl set-ntp true`",
        ));
    }
    Ok(format!(
        "{} UTC, {} ms from the database's",
        now.time().truncate_to_second(),
        apart.as_millis()
    ))
}

async fn redis(url: &str) -> Finding {
    let mend = "check redis.url, that the server runs, and its password";
    let asked = tokio::time::timeout(Duration::from_secs(5), async {
        Bus::connect(url, BUS_PREFIX).await?.server_version().await
    });
    let version = asked
        .await
        .map_err(|_| wrong("no answer within 5 s", mend))?
        .map_err(|e| wrong(cause(&e), mend))?;
    let major = version
        .split('.')
        .next()
        .and_then(|major| major.parse().ok())
        .unwrap_or(0);
    if major < REDIS_NEEDED {
        return Err(wrong(
            format!("version {version}"),
            "Signalbox needs Redis 7.0 or newer: upgrade it",
        ));
    }
    Ok(format!("version {version}"))
}

/// The innermost cause: what the server said, which is what helps here.
fn cause(error: &signalbox_core::kernel::error::Error) -> String {
    let mut inner: &dyn std::error::Error = error;
    while let Some(next) = inner.source() {
        inner = next;
    }
    inner.to_string()
}
