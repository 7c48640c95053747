//! V16, security logging and error handling.

use super::{json_of, login};
use crate::harness::{PASSWORD, client, hub, problem_in_full};
use crate::services::hub::{Folder, Hub, eventually, signalbox, sql};
use reqwest::Method;
use serde_json::json;
use signalbox_core::kernel::id::UserId;

#[tokio::test]
async fn v5_0_0_16_2_1_an_entry_says_who_did_what_to_whom_when_from_where_and_through_what() {
    let hub = hub().await;
    let (owner, who) = (hub.owner().await, hub.someone(&[]).await);
    hub.send(
        &owner,
        Method::POST,
        &format!("/users/{}/ban", who.id),
        json!({"reason": "a test"}),
    )
    .await;
    let log = json_of(hub.get(&owner, "/audit?action=users.ban").await).await;
    let entry = &log["items"][0];
    assert_eq!(
        (&entry["actor"]["id"], &entry["subject"]["id"]),
        (&json!(owner.id), &json!(who.id)),
        "{entry}"
    );
    for field in ["at", "ip", "trace_id", "credential"] {
        assert!(!entry[field].is_null(), "{field}: {entry}");
    }
}

#[tokio::test]
async fn v5_0_0_16_2_2_times_are_in_utc() {
    let hub = hub().await;
    let owner = hub.owner().await;
    let log = json_of(hub.get(&owner, "/audit").await).await;
    for entry in log["items"].as_array().unwrap() {
        assert!(entry["at"].as_str().unwrap().ends_with('Z'), "{entry}");
    }
}

#[tokio::test]
async fn v5_0_0_16_3_1_signing_in_and_failing_to_is_on_record() {
    let hub = hub().await;
    assert_eq!(login(&hub, "owner@example.com", "a guess").await.status(), 401);
    assert_eq!(login(&hub, "owner@example.com", PASSWORD).await.status(), 200);
    let actions = hub.audited().await;
    assert!(
        actions.contains(&"auth.login_failed".to_owned()) && actions.contains(&"auth.login".to_owned()),
        "{actions:?}"
    );
}

/// A hub in a process of its own, which logs as JSON, and its owner's access token.
async fn talkative(folder: &Folder) -> (Hub, String) {
    let mut command = signalbox();
    command
        .env("SIGNALBOX__BOOTSTRAP__EMAIL", "owner@example.com")
        .env("SIGNALBOX__BOOTSTRAP__PASSWORD", PASSWORD)
        .env("SIGNALBOX__LOG__LEVEL", "debug")
        .env("SIGNALBOX__LOG__FORMAT", "json");
    let mut hub = Hub::launch(command, folder.path());
    hub.wait_until_ready();
    let body = json!({"email": "owner@example.com", "password": PASSWORD});
    let login = client().post(format!("http://{}/api/v1/auth/login", hub.address));
    let tokens = json_of(login.json(&body).send().await.unwrap()).await;
    (hub, tokens["access_token"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn v5_0_0_16_3_4_what_fails_in_the_hub_is_logged_with_its_cause_under_the_id_that_was_told() {
    let folder = Folder::new();
    let (mut hub, token) = talkative(&folder).await;
    sql(folder.path(), "ALTER TABLE teams RENAME TO teams_gone");
    let asked = client()
        .get(format!("http://{}/api/v1/teams", hub.address))
        .bearer_auth(token);
    let (status, _, body) = problem_in_full(asked.send().await.unwrap()).await;
    assert_eq!(status, 500);
    let id = body["trace_id"].as_str().unwrap();
    eventually("the failure is logged", || {
        hub.said()
            .lines()
            .any(|line| line.contains(id) && line.contains("ERROR") && line.contains("teams"))
    });
}

#[tokio::test]
async fn v5_0_0_16_4_1_what_somebody_wrote_makes_no_entry_of_its_own() {
    let folder = Folder::new();
    let (mut hub, token) = talkative(&folder).await;
    // in whatever reaches a log: an address, a header, a name
    let forged = "%0A%7B%22level%22:%22ERROR%22,%22message%22:%22forged-canary%22%7D%0D%0A";
    let url = format!("http://{}/api/v1", hub.address);
    for path in [
        format!("/{forged}"),
        format!("/users/{forged}"),
        format!("/users?q={forged}"),
    ] {
        let asked = client().get(format!("{url}{path}")).bearer_auth(&token);
        let asked = asked.header("user-agent", "a\tb \"} {\"message\": \"forged-canary\"}");
        asked
            .header("traceparent", "00-forged-canary\t-00")
            .send()
            .await
            .unwrap();
    }
    let name = "A\n{\"level\": \"ERROR\", \"message\": \"forged-canary\"}\r\n";
    let made = client()
        .post(format!("{url}/teams"))
        .bearer_auth(&token)
        .json(&json!({"name": name}));
    let status = made.send().await.unwrap().status();
    assert!(status.is_success() || status == 422, "{status}");
    eventually("the requests are logged", || {
        hub.said().matches("answered").count() >= 4
    });
    let lines: Vec<String> = hub.said().lines().map(str::to_owned).collect();
    for line in lines.iter().filter(|line| line.contains("forged-canary")) {
        let entry: serde_json::Value = serde_json::from_str(line).expect("each entry is one line");
        assert_ne!(entry["level"], "ERROR", "{line}");
        assert_ne!(entry["message"], "forged-canary", "{line}");
    }
    let entries = lines.iter().filter(|line| line.starts_with('{'));
    assert!(entries.count() > 10 && !hub.said().contains("\n{\"level\": \"ERROR\""));
}

#[tokio::test]
async fn v5_0_0_16_4_2_no_entry_of_the_log_is_changed_or_deleted_by_the_hubs_own_role_or_any() {
    let hub = hub().await;
    hub.owner().await;
    for statement in [
        "UPDATE audit_logs SET action = 'nothing'",
        "DELETE FROM audit_logs",
        "TRUNCATE audit_logs",
    ] {
        let tried = format!(
            "DO $$ BEGIN SET LOCAL ROLE signalbox_app; {statement}; RAISE EXCEPTION 'it was done' USING ERRCODE = 'P0001';
             EXCEPTION WHEN insufficient_privilege THEN NULL; END $$"
        );
        hub.test.sql(tried).await;
    }
    // and even whoever may do anything there is stopped by a trigger
    let tried = "DO $$ BEGIN UPDATE audit_logs SET action = 'nothing'; RAISE EXCEPTION 'it was done' USING ERRCODE = 'ZZ999';
                 EXCEPTION WHEN SQLSTATE 'ZZ999' THEN RAISE; WHEN OTHERS THEN NULL; END $$";
    hub.test.sql(tried).await;
    assert!(!hub.audited().await.contains(&"nothing".to_owned()));
}

#[tokio::test]
async fn v5_0_0_16_5_1_an_error_of_ours_tells_nothing_of_the_inside() {
    let hub = hub().await;
    let owner = hub.owner().await;
    hub.test.sql("ALTER TABLE teams RENAME TO teams_gone").await;
    let (status, code, body) = problem_in_full(hub.get(&owner, "/teams").await).await;
    assert_eq!((status, &*code), (500, "internal"));
    for word in ["teams", "relation", "SELECT", "sqlx", "panicked", "src/"] {
        assert!(!body["detail"].to_string().contains(word), "{body}");
    }
}

#[tokio::test]
async fn v5_0_0_16_5_2_what_cannot_be_reached_is_said_to_be_and_when_to_come_back() {
    let hub = hub().await;
    let owner = hub.owner().await;
    hub.test.store.db.close().await;
    let answer = hub.get(&owner, "/users").await;
    assert!(answer.headers().contains_key("retry-after"));
    assert_eq!(problem_in_full(answer).await.0, 503);
}

#[tokio::test]
async fn v5_0_0_16_5_3_where_rights_cannot_be_read_nobody_is_let_in() {
    let hub = hub().await;
    let owner = hub.owner().await;
    hub.test
        .sql("ALTER TABLE role_permissions RENAME TO role_permissions_gone")
        .await;
    let asked = hub.get(&owner, &format!("/users/{}", UserId::new())).await;
    assert!(asked.status().is_server_error(), "{}", asked.status());
    let made = hub
        .send(&owner, Method::POST, "/teams", json!({"name": "Team"}))
        .await;
    assert!(made.status().is_server_error());
    assert_eq!(hub.test.count("SELECT count(*) FROM teams").await, 0);
}
