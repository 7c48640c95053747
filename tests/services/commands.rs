//! Commands as typed: what they print, and how they refuse.

use super::hub::{Folder, Hub, run, said, servers_are_gone, signalbox, sql};
use crate::harness::client;
use std::process::Command;

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
        "partitions",
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

#[tokio::test(flavor = "multi_thread")]
async fn keys_rotate_has_tokens_signed_with_a_new_key_beside_a_running_hub_and_signs_nobody_out() {
    let data = Folder::new();
    let mut command = signalbox();
    command.env("SIGNALBOX__BOOTSTRAP__EMAIL", "ada@example.com");
    command.env("SIGNALBOX__BOOTSTRAP__PASSWORD", "correct horse battery");
    let mut hub = Hub::launch(command, data.path());
    hub.wait_until_ready();
    let hub_of = Keyed(format!("http://{}", hub.address));
    let rotate = || run(["keys", "rotate", "--data", data.path().to_str().unwrap()]);
    let (first, before) = (hub_of.kids().await, hub_of.token().await);
    assert_eq!(first, [kid(&before)], "one key, which signs");

    let output = rotate();
    assert!(output.status.success(), "{}", said(&output));
    let audited =
        "SELECT count(*) FROM audit_logs WHERE action = 'signing_keys.rotate' AND actor_kind = 'system'";
    assert_eq!(sql(data.path(), audited), "1");
    hub_of.until(async |hub| hub.kids().await.len() == 2).await;
    let new = hub_of
        .kids()
        .await
        .into_iter()
        .find(|kid| !first.contains(kid))
        .unwrap();
    assert!(
        said(&output).contains(&format!("The key {new} (EdDSA) signs tokens from ")),
        "{}",
        said(&output)
    );
    assert_eq!(
        kid(&hub_of.token().await),
        first[0],
        "not before every node knows the new one"
    );
    let again = rotate();
    assert_eq!(again.status.code(), Some(1), "one rotation after the other");
    assert!(said(&again).contains("does not sign yet"), "{}", said(&again));

    // its minute is over
    sql(
        data.path(),
        "UPDATE signing_keys SET active_from = now() WHERE active_from IS NOT NULL",
    );
    hub_of.until(async |hub| kid(&hub.token().await) == new).await;
    assert_eq!(hub_of.me(&before).await, 200, "what was signed before is good");
    assert_eq!(hub_of.me(&hub_of.token().await).await, 200);
    assert_eq!(
        hub_of.kids().await.len(),
        2,
        "whoever checks tokens finds both keys"
    );
    hub.stop();
}

/// The key that a token names.
fn kid(token: &str) -> String {
    jsonwebtoken::decode_header(token).unwrap().kid.unwrap()
}

/// A hub whose keys are looked at.
struct Keyed(String);

impl Keyed {
    /// The ids of its JWKS.
    async fn kids(&self) -> Vec<String> {
        let url = format!("{}/.well-known/jwks.json", self.0);
        let keys: serde_json::Value = client().get(url).send().await.unwrap().json().await.unwrap();
        let keys = keys["keys"].as_array().unwrap().iter();
        keys.map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
    }

    async fn token(&self) -> String {
        let body = serde_json::json!({"email": "ada@example.com", "password": "correct horse battery"});
        let asked = client().post(format!("{}/api/v1/auth/login", self.0)).json(&body);
        let tokens: serde_json::Value = asked.send().await.unwrap().json().await.unwrap();
        tokens["access_token"].as_str().unwrap().to_owned()
    }

    async fn me(&self, token: &str) -> u16 {
        let asked = client().get(format!("{}/api/v1/me", self.0)).bearer_auth(token);
        asked.send().await.unwrap().status().as_u16()
    }

    async fn until(&self, holds: impl AsyncFn(&Self) -> bool) {
        let waiting = async {
            while !holds(self).await {
                tokio::time::sleep(std::time::Duration::from_millis(200)).await;
            }
        };
        let waited = tokio::time::timeout(std::time::Duration::from_mins(1), waiting);
        waited.await.expect("waited a minute in vain");
    }
}

/// What watches is open to whoever reaches the port only where nothing else was said, and the hub's own command brings the token.
#[tokio::test]
async fn v5_0_0_13_4_5_what_watches_is_shut_to_whoever_does_not_bring_the_token_that_was_set() {
    let folder = Folder::new();
    let with_token = |mut command: Command| {
        command.env("SIGNALBOX__SERVER__METRICS_TOKEN", "a token for scrapes");
        command
    };
    let mut hub = Hub::launch(with_token(signalbox()), folder.path());
    hub.wait_until_ready();
    let asked = || client().get(format!("http://{}/metrics", hub.address));
    for (brought, status) in [
        (None, 401),
        (Some("another"), 401),
        (Some(""), 401),
        (Some("a token for scrapes"), 200),
    ] {
        let asked = brought
            .into_iter()
            .fold(asked(), reqwest::RequestBuilder::bearer_auth);
        let answer = asked.send().await.unwrap();
        assert_eq!(answer.status(), status, "{brought:?}");
        assert_eq!(answer.text().await.unwrap().contains("signalbox_"), status == 200);
    }
    let drain = |command: Command| {
        let mut command = command;
        let output = command
            .args(["drain", "--wait", "--data"])
            .arg(folder.path())
            .output();
        output.unwrap()
    };
    let refused = drain(signalbox());
    assert!(
        !refused.status.success() && said(&refused).contains("metrics_token"),
        "{}",
        said(&refused)
    );
    let drained = drain(with_token(signalbox()));
    assert!(drained.status.success(), "{}", said(&drained));
    let printed = with_token(signalbox())
        .args(["config", "print"])
        .output()
        .unwrap();
    assert!(
        !said(&printed).contains("a token for scrapes"),
        "it is never printed"
    );
}

#[test]
fn audit_verify_says_whether_the_log_is_as_the_hub_wrote_it() {
    let data = Folder::new();
    let hub = Hub::start(data.path());
    let verify = || run(["audit", "verify", "--data", data.path().to_str().unwrap()]);
    let output = verify();
    assert!(output.status.success(), "{}", said(&output));
    assert!(
        said(&output).contains("signed checkpoints hold"),
        "{}",
        said(&output)
    );
    sql(
        data.path(),
        "INSERT INTO audit_logs (id, organization_id, at, actor_kind, action, subject_kind)
         SELECT gen_random_uuid(), id, now(), 'system', 'x.y', 'x' FROM organizations",
    );
    let output = verify();
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    for word in ["stands in no place of the chain", "is not as the hub wrote it"] {
        assert!(said(&output).contains(word), "{}", said(&output));
    }
    hub.stop();
}

#[test]
fn the_doctor_finds_entries_whose_month_was_not_made() {
    let data = Folder::new();
    let hub = Hub::start(data.path());
    sql(
        data.path(),
        "INSERT INTO activity_logs (id, organization_id, at, action, subject_kind, subject_id, text)
         SELECT gen_random_uuid(), id, now() + interval '10 years', 'x.y', 'user', id, 'x' FROM organizations LIMIT 1",
    );
    let output = run(["doctor", "--data", data.path().to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(
        said(&output).contains("activity_logs_default holds entries"),
        "{}",
        said(&output)
    );
    hub.stop();
}
