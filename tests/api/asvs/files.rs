//! V5, files: what is uploaded to be imported, and what is handed out.

use super::super::imports::{upload, work};
use super::json_of;
use crate::harness::{hub, hub_with, problem};
use reqwest::Method;
use reqwest::multipart::{Form, Part};
use serde_json::Value;
use signalbox_core::testing::eventually;

const PEOPLE: &[u8] = b"email,name\nann@example.com,Ann\n=nobody,Bad\n";

#[tokio::test]
async fn v5_0_0_5_2_1_a_file_is_as_large_as_is_allowed_and_leaves_nothing_where_it_is_larger() {
    let hub = hub_with(&[("SIGNALBOX__IMPORTS__MAX_BYTES", "100000")]).await;
    let owner = hub.owner().await;
    let mut file = b"email,name\n".to_vec();
    file.resize(100_001, b'x');
    let refused = upload(&hub, &owner, &file, "preview").await;
    assert_eq!(problem(refused).await, (413, "file.too_large".into()));
    assert_eq!(hub.test.count("SELECT count(*) FROM files").await, 0);
    assert_eq!(hub.test.count("SELECT count(*) FROM file_chunks").await, 0);
}

#[tokio::test]
async fn v5_0_0_5_2_2_a_file_is_judged_by_what_is_in_it_whatever_it_is_called() {
    let hub = hub().await;
    let owner = hub.owner().await;
    for (what, bytes) in [
        ("an archive", &b"PK\x03\x04\x14\x00\x00\x00"[..]),
        ("a program", b"\x7fELF\x02\x01\x01\x00\x00"),
        ("a picture", b"\x89PNG\r\n\x1a\n\x00\x00"),
        ("what is packed", b"\x1f\x8b\x08\x00\x00\x00"),
        ("other letters", b"email,na\xff\xfeme\na@example.com,a\n"),
    ] {
        // upload calls each of them people.csv
        let refused = upload(&hub, &owner, bytes, "preview").await;
        assert_eq!(problem(refused).await.0, 422, "{what}");
    }
    assert_eq!(hub.test.count("SELECT count(*) FROM files").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn v5_0_0_5_4_1_what_is_handed_out_has_a_name_of_the_hubs_and_is_no_page() {
    let hub = hub().await;
    let (owner, workers) = (hub.owner().await, work(&hub));
    let name = "../../etc/passwd; filename=evil.html";
    let part = Part::bytes(PEOPLE.to_vec()).file_name(name);
    let form = Form::new()
        .part("file", part)
        .text("kind", "users")
        .text("mode", "commit");
    let asked = hub.ask(Method::POST, "/imports").bearer_auth(&owner.token);
    let import = json_of(asked.multipart(form).send().await.unwrap()).await;
    let path = format!("/imports/{}", import["id"].as_str().unwrap());
    eventually("the import ends", async || {
        !json_of(hub.get(&owner, &path).await).await["finished_at"].is_null()
    })
    .await;
    let report = hub.get(&owner, &format!("{path}/rejects")).await;
    assert!(report.headers().get("x-injected").is_none());
    let said = report.headers()["content-disposition"].to_str().unwrap();
    let own = format!(
        "attachment; filename=\"rejects-{}.csv\"",
        import["id"].as_str().unwrap()
    );
    assert_eq!(said, own);
    assert_eq!(report.headers()["content-type"], "text/csv; charset=utf-8");
    // what begins like a formula is none in a spreadsheet
    assert!(report.text().await.unwrap().contains("'=nobody"));
    drop(workers);
}

#[tokio::test]
async fn v5_0_0_5_4_2_what_somebody_calls_a_file_is_a_text_and_ends_nothing() {
    let hub = hub().await;
    let owner = hub.owner().await;
    let mut taken = 0;
    for name in [
        "\u{202e}<script>alert(1)</script>.csv".to_owned(),
        "..\\..\\people.csv".to_owned(),
        "people.csv; filename=evil.html".to_owned(),
        "people\"; filename=\"evil.html".to_owned(),
        "people\r\nX-Injected: yes\0".to_owned(),
        "x".repeat(5_000),
    ] {
        let part = Part::bytes(PEOPLE.to_vec()).file_name(name.clone());
        let form = Form::new()
            .part("file", part)
            .text("kind", "users")
            .text("mode", "preview");
        let asked = hub.ask(Method::POST, "/imports").bearer_auth(&owner.token);
        let answer = asked.multipart(form).send().await.unwrap();
        assert!(answer.headers().get("x-injected").is_none());
        let status = answer.status();
        assert!(
            status.is_success() || status.is_client_error(),
            "{name:?}: {status}"
        );
        taken += usize::from(status.is_success());
    }
    let list: Value = json_of(hub.get(&owner, "/imports").await).await;
    let kept = hub.test.texts("SELECT name FROM files").await;
    for name in &kept {
        assert!(
            name.chars().count() <= 200 && !name.chars().any(char::is_control),
            "{name:?}"
        );
    }
    assert!(taken >= 3, "{kept:?}");
    assert_eq!(
        (list["items"].as_array().unwrap().len(), kept.len()),
        (taken, taken)
    );
}
