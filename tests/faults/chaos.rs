//! The chaos run in its short form: nodes killed and stopped, Redis restarted and flushed, and referees that check every
//! message for gaps, doubles, order and what its receiver may not see. `bin/bench chaos` is the long form.

use std::path::Path;
use std::process::Command;

/// The load program is another package's: a whole build has laid it beside the hub.
fn load_program(hub: &Path) -> std::path::PathBuf {
    let program = hub.with_file_name("loadtests");
    assert!(
        program.exists(),
        "{} is missing: cargo build --workspace",
        program.display()
    );
    program
}

#[test]
fn whatever_is_killed_or_flushed_no_message_is_lost_doubled_swapped_or_shows_too_much() {
    let hub = Path::new(env!("CARGO_BIN_EXE_signalbox"));
    let folder = std::env::temp_dir().join(format!("sb-chaos-test-{}", std::process::id()));
    let output = Command::new(load_program(hub))
        .args(["chaos", "--seconds", "20", "--binary"])
        .arg(hub)
        .arg("--out")
        .arg(&folder)
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(output.status.success(), "{said}");
    eprintln!("{said}");
    let figures = std::fs::read_to_string(folder.join("chaos.json")).unwrap();
    let figures: serde_json::Value = serde_json::from_str(&figures).unwrap();
    let figure = |name: &str| figures["figures"][name]["value"].as_f64().unwrap();
    assert_eq!(figure("faults") as u64, 0);
    for happened in [
        "nodes killed",
        "Redis restarted",
        "Redis flushed",
        "messages delivered and judged",
    ] {
        assert!(figure(happened) > 0.0, "{happened}: never");
    }
    std::fs::remove_dir_all(folder).unwrap();
}
