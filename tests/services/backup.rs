//! An installation in one file, and back.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::hub::{Folder, Hub, run, said, signalbox, sql, sql_in};

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn secret(data: &Path) -> String {
    std::fs::read_to_string(data.join("secrets.hex")).unwrap()
}

#[test]
fn a_backup_of_a_running_hub_restores_rows_and_secret_into_another() {
    let (from, to, place) = (Folder::new(), Folder::new(), Folder::new());
    let file = place.path().join("hub.tar");
    let hub = Hub::start(from.path());
    sql(
        from.path(),
        "CREATE TABLE kept AS SELECT generate_series(1, 1000) AS n",
    );
    let output = run(["backup", text(&file), "--data", text(from.path())]);
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(
        std::fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o600
    );
    assert_eq!(
        std::fs::read_dir(place.path()).unwrap().count(),
        1,
        "parts were left beside the backup"
    );
    hub.stop();

    let output = run(["restore", text(&file), "--data", text(to.path())]);
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(secret(to.path()), secret(from.path()));
    let hub = Hub::start(to.path());
    assert_eq!(
        sql(to.path(), "SELECT count(*) || ' ' || sum(n) FROM kept"),
        "1000 500500"
    );
    hub.stop();
}

#[test]
fn a_stopped_hub_is_backed_up_too_and_the_file_is_never_overwritten() {
    let (data, place) = (Folder::new(), Folder::new());
    let file = place.path().join("hub.tar");
    Hub::start(data.path()).stop();
    assert!(
        run(["backup", text(&file), "--data", text(data.path())])
            .status
            .success()
    );
    let before = std::fs::read(&file).unwrap();
    let again = run(["backup", text(&file), "--data", text(data.path())]);
    assert_eq!(again.status.code(), Some(1));
    assert!(said(&again).contains("never overwritten"), "{}", said(&again));
    assert!(std::fs::read(&file).unwrap() == before);
}

#[test]
fn a_restore_over_data_is_refused_unless_told_and_then_it_replaces_all() {
    let (data, place) = (Folder::new(), Folder::new());
    let file = place.path().join("hub.tar");
    let hub = Hub::start(data.path());
    sql(data.path(), "CREATE TABLE kept AS SELECT 'old' AS state");
    assert!(
        run(["backup", text(&file), "--data", text(data.path())])
            .status
            .success()
    );
    sql(
        data.path(),
        "UPDATE kept SET state = 'new'; CREATE TABLE later AS SELECT 1",
    );
    let restore = ["restore", text(&file), "--data", text(data.path())];

    let refused = run(restore);
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        said(&refused).contains("another hub"),
        "a running hub must be stopped first: {}",
        said(&refused)
    );
    hub.stop();
    let refused = run(restore);
    assert_eq!(refused.status.code(), Some(1));
    assert!(said(&refused).contains("--replace"), "{}", said(&refused));

    let done = run(restore.into_iter().chain(["--replace"]));
    assert!(done.status.success(), "{}", said(&done));
    let hub = Hub::start(data.path());
    assert_eq!(sql(data.path(), "SELECT state FROM kept"), "old");
    assert_eq!(sql(data.path(), "SELECT to_regclass('later') IS NULL"), "t");
    hub.stop();
}

#[test]
fn servers_of_ones_own_are_backed_up_and_restored_by_their_address_but_not_under_a_hub_that_runs() {
    let (ours, theirs, data, place) = (Folder::new(), Folder::new(), Folder::new(), Folder::new());
    let file = place.path().join("hub.tar");
    let (hub, other) = (Hub::start(ours.path()), Hub::start(theirs.path()));
    sql(
        ours.path(),
        "CREATE TABLE kept AS SELECT 42 AS answer; ALTER TABLE kept OWNER TO signalbox_owner",
    );
    std::fs::copy(ours.path().join("secrets.hex"), data.path().join("secrets.hex")).unwrap();
    let on = |server: &Path, database: &str, arguments: &[&str]| {
        let sockets = server.join("servers/run");
        let url = format!(
            "postgres://signalbox_owner:p%40ss@localhost/{database}?host={}",
            sockets.display()
        );
        let redis = format!("redis+unix://{}/redis.sock", sockets.display());
        let mut command = signalbox();
        command
            .env("SIGNALBOX__DATABASE__URL", url)
            .env("SIGNALBOX__REDIS__URL", redis);
        command
            .args(arguments)
            .args(["--data", text(data.path())])
            .output()
            .unwrap()
    };
    let output = on(ours.path(), "signalbox", &["backup", text(&file)]);
    assert!(output.status.success(), "{}", said(&output));
    // its own hub runs there, which only the server knows
    let refused = on(theirs.path(), "signalbox", &["restore", text(&file), "--replace"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        said(&refused).contains("a hub works in this database"),
        "{}",
        said(&refused)
    );
    assert_eq!(sql(theirs.path(), "SELECT count(*) > 0 FROM users"), "t");
    sql(theirs.path(), "CREATE DATABASE other OWNER signalbox_owner");
    sql_in(
        "other",
        theirs.path(),
        "CREATE TABLE old (); ALTER TABLE old OWNER TO signalbox_owner",
    );
    let output = on(theirs.path(), "other", &["restore", text(&file), "--replace"]);
    assert!(output.status.success(), "{}", said(&output));
    assert!(said(&output).contains("FLUSHDB"), "{}", said(&output));
    assert_eq!(sql_in("other", theirs.path(), "SELECT answer FROM kept"), "42");
    assert_eq!(
        sql_in("other", theirs.path(), "SELECT to_regclass('old') IS NULL"),
        "t"
    );
    hub.stop();
    other.stop();
}

#[test]
fn a_damaged_or_foreign_file_changes_nothing() {
    let (data, place) = (Folder::new(), Folder::new());
    let file = place.path().join("hub.tar");
    let hub = Hub::start(data.path());
    sql(data.path(), "CREATE TABLE kept AS SELECT 42 AS answer");
    assert!(
        run(["backup", text(&file), "--data", text(data.path())])
            .status
            .success()
    );
    hub.stop();
    let good = std::fs::read(&file).unwrap();
    let mut flipped = good.clone();
    let middle = flipped.len() * 3 / 4;
    flipped[middle] ^= 0xff;
    // one digit of the secret
    let mut other_secret = good.clone();
    let whole = std::fs::read(data.path().join("secrets.hex")).unwrap();
    let at = good.windows(whole.len()).position(|part| part == whole).unwrap();
    other_secret[at] = if other_secret[at] == b'0' { b'1' } else { b'0' };
    for bad in [
        &good[..good.len() / 2],
        b"not a tar file",
        &flipped,
        &other_secret,
    ] {
        std::fs::write(&file, bad).unwrap();
        let refused = run(["restore", text(&file), "--data", text(data.path()), "--replace"]);
        assert_eq!(refused.status.code(), Some(1), "{}", said(&refused));
    }
    let hub = Hub::start(data.path());
    assert_eq!(sql(data.path(), "SELECT answer FROM kept"), "42");
    hub.stop();
}

#[test]
fn a_hub_that_brings_another_secret_than_its_data_is_refused() {
    let data = Folder::new();
    Hub::start(data.path()).stop();
    std::fs::write(data.path().join("secrets.hex"), "ab".repeat(32)).unwrap();
    let refused = run(["serve", "--listen", "127.0.0.1:0", "--data", text(data.path())]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(said(&refused).contains("not the secret"), "{}", said(&refused));
}
