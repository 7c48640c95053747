//! Where a data folder may lie, and who may use it.

use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;

use super::hub::{Folder, Hub, is_root, run, said, server, servers_are_gone, signalbox_as_nobody, sql};

/// What must hold wherever the folder is: it serves, only its user can reach the sockets, a second start finds
/// the data of the first.
fn serves_twice_on_the_same_data(data: &Path, mut start: impl FnMut() -> Hub) {
    let hub = start();
    assert_eq!(hub.get("/livez"), 200);
    assert_eq!(hub.get("/readyz"), 200);
    let sockets = data.join("servers/run").canonicalize().unwrap();
    assert_eq!(
        std::fs::metadata(&sockets).unwrap().mode() & 0o777,
        0o700,
        "others can reach {}",
        sockets.display()
    );
    sql(data, "CREATE TABLE kept AS SELECT 42 AS answer");
    hub.stop();
    assert!(servers_are_gone(data));
    let hub = start();
    assert_eq!(sql(data, "SELECT answer FROM kept"), "42");
    hub.stop();
}

#[test]
fn a_folder_made_by_mktemp_works_for_whoever_runs_the_tests() {
    let data = Folder::new();
    // Whoever makes such a folder may well let the hub's output go there too.
    std::fs::write(data.path().join("out"), "").unwrap();
    serves_twice_on_the_same_data(data.path(), || Hub::start(data.path()));
    assert!(
        !data.path().join("servers").is_symlink(),
        "the data is not where it was asked for"
    );
    let mode = std::fs::metadata(data.path()).unwrap().mode();
    assert_eq!(mode & 0o007, 0, "everybody can pass through the folder");
}

#[test]
fn as_root_the_servers_run_as_somebody_else() {
    if !is_root() {
        return;
    }
    let data = Folder::new();
    let hub = Hub::start(data.path());
    for name in ["postgres", "redis"] {
        let pid = server(data.path(), name).unwrap();
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        for line in status
            .lines()
            .filter(|line| line.starts_with("Uid:") || line.starts_with("Gid:"))
        {
            assert!(
                line.split_whitespace().skip(1).all(|id| id != "0"),
                "{name} has root's rights: {line}"
            );
        }
    }
    hub.stop();
}

#[test]
fn below_the_root_users_home_the_data_goes_where_its_user_can_reach_it_and_one_line_says_so() {
    if !is_root() {
        return;
    }
    let home = std::env::home_dir().unwrap();
    let closed = Folder::below(&home);
    let data = closed.path().join("data");
    let mut notices = 0;
    serves_twice_on_the_same_data(&data, || {
        let mut hub = Hub::start(&data);
        notices += hub
            .said()
            .matches("servers' data is in /var/lib/signalbox/")
            .count();
        hub
    });
    assert_eq!(notices, 2, "each start says once where the data is");
    let real = std::fs::read_link(data.join("servers")).unwrap();
    assert_eq!(
        std::fs::read_to_string(real.join("data-folder")).unwrap(),
        data.display().to_string()
    );
    std::fs::remove_dir_all(real).unwrap();
}

#[test]
fn an_ordinary_user_needs_nothing_from_root() {
    if !is_root() {
        // Whoever runs this is one, and the first test has shown it.
        return;
    }
    let (place, data) = (Folder::new(), Folder::new());
    chown(data.path(), Some(65534), Some(65534)).unwrap();
    serves_twice_on_the_same_data(data.path(), || {
        let mut hub = Hub::launch(signalbox_as_nobody(place.path()), data.path());
        hub.wait_until_ready();
        hub
    });
}

#[test]
fn a_path_of_120_characters_works_though_sockets_allow_107() {
    let outer = Folder::new();
    let missing = 120 - outer.path().as_os_str().len() - 1;
    let data = outer.path().join("d".repeat(missing));
    assert_eq!(data.as_os_str().len(), 120);
    std::fs::set_permissions(outer.path(), PermissionsExt::from_mode(0o711)).unwrap();
    serves_twice_on_the_same_data(&data, || Hub::start(&data));
    let short = std::fs::read_link(data.join("servers/run")).unwrap();
    assert!(short.join(".s.PGSQL.5432").as_os_str().len() <= 107);
    std::fs::remove_dir_all(short).unwrap();
}

#[test]
fn a_path_with_blanks_and_other_letters_works() {
    let outer = Folder::new();
    let data = outer.path().join("Bücher & more?");
    std::fs::set_permissions(outer.path(), PermissionsExt::from_mode(0o711)).unwrap();
    serves_twice_on_the_same_data(&data, || Hub::start(&data));
    std::fs::remove_dir_all(std::fs::read_link(data.join("servers/run")).unwrap()).unwrap();
}

/// What a hub says that may not begin on this folder.
fn refused(data: &Path) -> String {
    let refused = run([
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--data",
        data.to_str().unwrap(),
    ]);
    assert_eq!(refused.status.code(), Some(1));
    said(&refused)
}

#[test]
fn data_of_another_postgresql_version_is_refused_with_the_way_out() {
    let data = Folder::new();
    Hub::start(data.path()).stop();
    std::fs::write(data.path().join("servers/pg/PG_VERSION"), "13\n").unwrap();
    let text = refused(data.path());
    for word in ["PostgreSQL 13", "signalbox backup", "signalbox restore"] {
        assert!(text.contains(word), "the refusal does not say {word}: {text}");
    }
}

#[test]
fn a_second_hub_on_the_folder_is_refused_and_the_first_stays() {
    let data = Folder::new();
    let hub = Hub::start(data.path());
    let text = refused(data.path());
    assert!(
        text.contains("another hub") && text.contains(&hub.id().to_string()),
        "{text}"
    );
    assert_eq!(hub.get("/readyz"), 200);
    hub.stop();
}

#[test]
fn a_socket_folder_that_somebody_else_prepared_is_refused() {
    if !is_root() {
        return;
    }
    let data = Folder::new();
    Hub::start(data.path()).stop();
    let sockets = data.path().join("servers/run");
    chown(&sockets, Some(1), Some(1)).unwrap();
    let text = refused(data.path());
    assert!(text.contains("belongs to user 1"), "{text}");
}
