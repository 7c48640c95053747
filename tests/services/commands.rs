//! Commands as typed: what they print, and how they refuse.

use super::hub::{run, said, signalbox};

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
    let folder = super::hub::Folder::new();
    let file = folder.path().join("signalbox.toml");
    std::fs::write(&file, &printed.stdout).unwrap();
    let again = run(["--config", file.to_str().unwrap(), "config", "print"]);
    assert_eq!(said(&again), said(&printed));
}

#[test]
fn an_address_in_use_is_refused_with_what_to_do() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let data = super::hub::Folder::new();
    let output = run([
        "serve",
        "--listen",
        &address,
        "--data",
        data.path().to_str().unwrap(),
    ]);
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("--listen"), "{}", said(&output));
    assert!(super::hub::servers_are_gone(data.path()));
}
