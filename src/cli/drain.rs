//! `signalbox drain`: has the hub that runs on the data folder move its clients to other nodes.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, bail};
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use secrecy::{ExposeSecret, SecretString};

use super::say;
use crate::config::Settings;
use crate::running::Running;

/// How often it is looked whether anybody is left.
const LOOK_AGAIN: Duration = Duration::from_millis(500);
/// A hub that does not answer by then is asked again.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

pub(super) fn run(settings: &Settings, wait: bool) -> anyhow::Result<()> {
    let dir = settings.data_dir()?;
    let Some(hub) = Running::find(&dir) else {
        bail!(
            "no hub runs on {}. Name the data folder of the node that is to be drained with --data",
            dir.display()
        );
    };
    match kill(hub.process, Signal::SIGUSR1) {
        Ok(()) => {}
        Err(Errno::EPERM) => bail!("the hub runs as somebody else: start this as the same user, or as root"),
        Err(error) => return Err(error).context("the hub cannot be told"),
    }
    say(
        "The node is not ready from now on, and its clients are moved to other nodes; it goes on serving requests until it is stopped.",
    );
    if wait {
        wait_until_empty(hub, settings.server.metrics_token.as_ref())?;
        say("No client is left: the node can be stopped.");
    }
    Ok(())
}

fn wait_until_empty(hub: Running, token: Option<&SecretString>) -> anyhow::Result<()> {
    let mut last = None;
    loop {
        // before it has begun to drain, none may only mean that none has come
        let begun = matches!(get(hub.address, "/readyz", None), Ok((503, _)));
        let left = match get(hub.address, "/metrics", token) {
            Ok((200, text)) => Some(connections(&text)),
            Ok((401, _)) => bail!(
                "the hub does not say who is left: this command does not have its server.metrics_token. Give it the \
                 configuration that the hub has"
            ),
            _ => None,
        };
        match left {
            Some(0) if begun => return Ok(()),
            Some(left) if last != Some(left) => {
                say(format_args!("{left} left"));
                last = Some(left);
            }
            _ => {}
        }
        if kill(hub.process, None).is_err() {
            bail!("the hub has ended");
        }
        std::thread::sleep(LOOK_AGAIN);
    }
}

/// The sum of the gauges of all transports.
fn connections(metrics: &str) -> u64 {
    let gauges = metrics.lines().filter_map(|line| {
        let (name, value) = line.rsplit_once(' ')?;
        name.starts_with("signalbox_live_connections{").then_some(value)
    });
    gauges.filter_map(|value| value.parse::<f64>().ok()).sum::<f64>() as u64
}

/// Status and body of a GET on this machine.
fn get(listening: SocketAddr, path: &str, token: Option<&SecretString>) -> std::io::Result<(u16, String)> {
    let mut address = listening;
    if address.ip().is_unspecified() {
        address.set_ip(match address.ip() {
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    let mut stream = TcpStream::connect_timeout(&address, ANSWER_WITHIN)?;
    stream.set_read_timeout(Some(ANSWER_WITHIN))?;
    write!(
        stream,
        "GET {path} HTTP/1.0\r\nHost: {address}\r\nConnection: close\r\n"
    )?;
    if let Some(token) = token {
        write!(stream, "Authorization: Bearer {}\r\n", token.expose_secret())?;
    }
    write!(stream, "\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    let body = answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned());
    Ok((status.unwrap_or_default(), body.unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::connections;

    #[test]
    fn connections_of_all_transports_are_counted_and_nothing_else() {
        let metrics = "# TYPE signalbox_live_connections gauge\n\
            signalbox_live_connections{transport=\"websocket\"} 12\n\
            signalbox_live_connections{transport=\"sse\"} 3\n\
            signalbox_live_subscriptions 40\n";
        assert_eq!(connections(metrics), 15);
        assert_eq!(connections("nonsense"), 0);
    }
}
