//! The servers live exactly as long as their hub, and come back when they die before it.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::hub::{Folder, Hub, eventually, server, servers_are_gone, signalbox, sql};

#[test]
fn no_server_is_left_after_sigterm_or_sigint() {
    let data = Folder::new();
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let mut hub = Hub::start(data.path());
        hub.signal(signal);
        assert!(hub.ended().success());
        assert!(servers_are_gone(data.path()), "a server outlived {signal}");
    }
}

#[test]
fn no_server_is_left_after_kill_nine_and_the_next_start_needs_no_help() {
    let data = Folder::new();
    let mut hub = Hub::start(data.path());
    sql(data.path(), "CREATE TABLE kept AS SELECT 42 AS answer");
    hub.signal(Signal::SIGKILL);
    hub.ended();
    // At once, while the servers may still be stopping.
    let mut hub = Hub::start(data.path());
    assert_eq!(sql(data.path(), "SELECT answer FROM kept"), "42");
    hub.signal(Signal::SIGKILL);
    hub.ended();
    eventually("the servers of a killed hub are gone", || {
        servers_are_gone(data.path())
    });
}

#[test]
fn a_hub_killed_while_it_makes_its_first_data_starts_anew() {
    let unfinished = |data: &Folder, number| {
        let version = format!("servers/pg.unfinished.{number}/PG_VERSION");
        data.path().join(version).exists()
    };
    // Once more where the data was made before the test had its turn.
    let mut late = 0;
    let data = loop {
        let data = Folder::new();
        let mut hub = Hub::launch(signalbox(), data.path());
        let made = || data.path().join("servers/pg/PG_VERSION").exists();
        eventually("the data is being made", || unfinished(&data, 0) || made());
        hub.signal(Signal::SIGKILL);
        hub.ended();
        if !made() {
            break data;
        }
        eventually("the servers are gone", || servers_are_gone(data.path()));
        late += 1;
        assert!(late < 5, "nothing unfinished was ever seen");
    };
    // At once: the killed hub's initdb may still be emptying the folder it worked on.
    Hub::start(data.path()).stop();
    assert!(!unfinished(&data, 1));
}

#[test]
fn a_second_signal_ends_at_once_and_leaves_no_server() {
    let data = Folder::new();
    let mut hub = Hub::start(data.path());
    hub.signal(Signal::SIGTERM);
    hub.signal(Signal::SIGINT);
    hub.ended();
    eventually("the servers are gone", || servers_are_gone(data.path()));
}

#[test]
fn a_second_signal_ends_at_once_even_while_a_server_does_not_stop() {
    let data = Folder::new();
    let mut hub = Hub::start(data.path());
    let redis = Pid::from_raw(server(data.path(), "redis").unwrap() as i32);
    kill(redis, Signal::SIGSTOP).unwrap();
    hub.signal(Signal::SIGTERM);
    eventually("only the servers are left to stop", || {
        hub.said().contains("stopping: the actors have stopped")
    });
    hub.signal(Signal::SIGINT);
    assert_eq!(hub.ended().code(), Some(130), "it waited for the server");
    kill(redis, Signal::SIGCONT).unwrap();
    eventually("the servers are gone", || servers_are_gone(data.path()));
}

#[test]
fn a_server_that_dies_is_started_again_and_the_hub_is_ready_again() {
    let data = Folder::new();
    let hub = Hub::start(data.path());
    for name in ["postgres", "redis"] {
        let before = server(data.path(), name).unwrap();
        kill(Pid::from_raw(before as i32), Signal::SIGKILL).unwrap();
        eventually("another process serves", || {
            server(data.path(), name).is_some_and(|now| now != before)
        });
        eventually("the hub is ready again", || hub.get("/readyz") == 200);
    }
    assert_eq!(sql(data.path(), "SELECT 1"), "1");
    hub.stop();
    assert!(servers_are_gone(data.path()));
}

#[test]
fn the_servers_do_not_see_the_hubs_environment() {
    let data = Folder::new();
    let mut command = signalbox();
    command.env("A_SECRET_OF_THE_HUB", "c4n4ry");
    let mut hub = Hub::launch(command, data.path());
    hub.wait_until_ready();
    for name in ["postgres", "redis"] {
        let pid = server(data.path(), name).unwrap();
        let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap();
        assert!(
            !String::from_utf8_lossy(&environment).contains("c4n4ry"),
            "{name} sees the hub's environment"
        );
    }
    hub.stop();
}

#[test]
fn the_private_servers_keep_what_was_committed() {
    let data = Folder::new();
    let hub = Hub::start(data.path());
    for setting in ["fsync", "full_page_writes", "synchronous_commit"] {
        assert_eq!(sql(data.path(), &format!("SHOW {setting}")), "on", "{setting}");
    }
    assert_eq!(sql(data.path(), "SHOW listen_addresses"), "");
    let owner = "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = 'signalbox'";
    assert_eq!(sql(data.path(), owner), "signalbox_owner");
    hub.stop();
}
