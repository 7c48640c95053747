//! Commands as typed: what they print, and how they refuse.

use super::hub::{Folder, Hub, run, said, servers_are_gone, signalbox, sql};

#[test]
fn a_wrong_setting_ends_with_code_2_the_key_and_the_reason() {
    let output = signalbox()
        .env("SIGNALBOX__JOBS__CONCURENCY", "7")
        .args(["config", "check"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(
        said(&output).contains("SIGNALBOX__JOBS__CONCURENCY"),
        "{}",
        said(&output)
    );
}

#[test]
fn what_config_print_prints_can_be_used_as_a_configuration_file() {
    let printed = run(["config", "print"]);
    assert!(printed.status.success());
    let folder = Folder::new();
    let file = folder.path().join("signalbox.toml");
    std::fs::write(&file, &printed.stdout).unwrap();
    let again = run(["--config", file.to_str().unwrap(), "config", "print"]);
    assert_eq!(said(&again), said(&printed));
}

#[test]
fn an_address_in_use_is_refused_with_what_to_do() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let data = Folder::new();
    let output = run([
        "serve",
        "--listen",
        &address,
        "--data",
        data.path().to_str().unwrap(),
    ]);
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("--listen"), "{}", said(&output));
    assert!(servers_are_gone(data.path()));
}

#[test]
fn the_doctor_finds_a_healthy_hub_healthy_running_or_stopped() {
    let data = Folder::new();
    let free = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .to_string();
    let doctor = || {
        let mut command = signalbox();
        command.env("SIGNALBOX__SERVER__LISTEN", &free).args([
            "doctor",
            "--data",
            data.path().to_str().unwrap(),
        ]);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", said(&output));
        said(&output)
    };
    assert!(doctor().contains("the first `signalbox serve` makes them"));
    assert!(
        !data.path().join("servers").exists(),
        "a look must not make anything"
    );
    let hub = Hub::start(data.path());
    for check in [
        "files",
        "disk",
        "port",
        "programs",
        "clock",
        "PostgreSQL",
        "migrations",
        "Redis",
    ] {
        assert!(
            doctor().contains(&format!("ok     {check}")),
            "{check} is not reported"
        );
    }
    hub.stop();
    assert!(doctor().contains("ok     migrations"));
    assert!(servers_are_gone(data.path()));
}

#[test]
fn the_doctor_says_how_to_mend_each_thing_that_is_wrong() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let mut command = signalbox();
    command
        .env(
            "SIGNALBOX__SERVER__LISTEN",
            taken.local_addr().unwrap().to_string(),
        )
        .env(
            "SIGNALBOX__DATABASE__URL",
            format!("postgres://u:c4n4ry@{nobody}/d"),
        )
        .env("SIGNALBOX__REDIS__URL", format!("redis://:c4n4ry@{nobody}"))
        .arg("doctor");
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let text = said(&output);
    for check in ["port", "PostgreSQL", "migrations", "Redis"] {
        assert!(
            text.contains(&format!("wrong  {check}")),
            "{check} is not reported: {text}"
        );
    }
    assert_eq!(
        text.matches("to mend: ").count(),
        text.matches("wrong  ").count(),
        "{text}"
    );
    assert!(!text.contains("c4n4ry"), "a password was printed: {text}");
}

#[test]
fn migrating_twice_changes_nothing_the_second_time() {
    let data = Folder::new();
    let migrate = || run(["migrate", "--data", data.path().to_str().unwrap()]);
    let (first, second) = (migrate(), migrate());
    assert!(first.status.success(), "{}", said(&first));
    assert_eq!(said(&first), said(&second));
}

#[test]
fn the_first_start_prints_a_one_time_password_once_and_admin_create_gives_another_owner() {
    let data = Folder::new();
    let mut hub = Hub::start(data.path());
    assert_eq!(
        hub.said().matches("one-time password").count(),
        1,
        "{}",
        hub.said()
    );
    let create = [
        "admin",
        "create",
        "second@example.com",
        "--data",
        data.path().to_str().unwrap(),
    ];
    let output = run(create);
    assert!(output.status.success(), "{}", said(&output));
    assert!(
        said(&output).contains("second@example.com with the one-time password "),
        "{}",
        said(&output)
    );
    assert_eq!(sql(data.path(), "SELECT count(*) FROM users"), "2");
    hub.stop();
    let mut hub = Hub::start(data.path());
    assert!(!hub.said().contains("password"), "{}", hub.said());
    hub.stop();
}

#[test]
fn a_chosen_first_owner_is_made_and_their_password_is_never_printed() {
    let data = Folder::new();
    let mut command = signalbox();
    command.env("SIGNALBOX__BOOTSTRAP__EMAIL", "Ada@Example.com");
    command.env("SIGNALBOX__BOOTSTRAP__PASSWORD", "c4n4ry-password");
    let mut hub = Hub::launch(command, data.path());
    hub.wait_until_ready();
    let told = hub.said().to_owned();
    assert!(
        told.contains("ada@example.com") && !told.contains("c4n4ry"),
        "{told}"
    );
    assert_eq!(sql(data.path(), "SELECT email FROM users"), "ada@example.com");
    hub.stop();
}

#[test]
fn the_demo_adds_people_beside_a_running_hub_and_the_audit_log_says_who_did_it() {
    let data = Folder::new();
    let demo = || run(["demo", "--data", data.path().to_str().unwrap()]);
    let too_early = demo();
    assert_eq!(too_early.status.code(), Some(1));
    assert!(
        said(&too_early).contains("signalbox serve"),
        "{}",
        said(&too_early)
    );
    let hub = Hub::start(data.path());
    let output = demo();
    assert!(output.status.success(), "{}", said(&output));
    assert_eq!(
        sql(
            data.path(),
            "SELECT count(*) FROM users WHERE email LIKE '%@demo.example'"
        ),
        "120"
    );
    assert_ne!(
        sql(data.path(), "SELECT count(*) FROM users WHERE status = 'banned'"),
        "0"
    );
    assert_eq!(
        demo().status.code(),
        Some(1),
        "the same people cannot be added twice"
    );
    hub.stop();
}

#[test]
fn openapi_prints_a_document_of_version_3_1() {
    let document: serde_json::Value = serde_json::from_slice(&run(["openapi"]).stdout).unwrap();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    assert!(document["paths"]["/api/v1/auth/login"]["post"].is_object());
}
