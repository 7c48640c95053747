//! Imports as a program meets them: upload, progress, report, and everything that is not a CSV file.

use crate::harness::{Hub, SignedIn, hub, hub_with, problem};
use reqwest::multipart::{Form, Part};
use reqwest::{Method, Response};
use serde_json::{Value, json};
use signalbox_core::jobs::{KeptDays, Node};
use signalbox_core::kernel::id::BootId;
use signalbox_core::testing::eventually;
use signalbox_jobs::{Longest, Options, Workers, registry};
use std::time::Duration;

pub fn work(hub: &Hub) -> Workers {
    let options = Options {
        node: Node {
            name: "test".into(),
            boot: BootId::new(),
        },
        concurrency: 2,
        lease_seconds: 6.0,
        kept: KeptDays {
            succeeded: 30,
            cancelled: 30,
            failed: 90,
        },
    };
    let kinds = registry(&Longest::each(Duration::from_hours(1)));
    Workers::start(hub.test.store.clone(), kinds, options)
}

pub async fn upload(hub: &Hub, who: &SignedIn, bytes: &[u8], mode: &str) -> Response {
    let file = Part::bytes(bytes.to_vec()).file_name("people.csv");
    send(
        hub,
        who,
        Form::new()
            .part("file", file)
            .text("kind", "users")
            .text("mode", mode.to_owned()),
    )
    .await
}

async fn send(hub: &Hub, who: &SignedIn, form: Form) -> Response {
    let ask = hub.ask(Method::POST, "/imports").bearer_auth(&who.token);
    ask.multipart(form).send().await.unwrap()
}

async fn json_of(hub: &Hub, who: &SignedIn, path: &str) -> Value {
    let answer = hub.get(who, path).await;
    assert_eq!(answer.status(), 200, "{path}");
    answer.json().await.unwrap()
}

async fn finished(hub: &Hub, who: &SignedIn, submitted: &Value) -> Value {
    let path = format!("/imports/{}", submitted["id"].as_str().unwrap());
    eventually("the import ends", async || {
        !json_of(hub, who, &path).await["finished_at"].is_null()
    })
    .await;
    json_of(hub, who, &path).await
}

const FILE: &[u8] =
    b"E-mail;Full name;Phone\nann@x.example;Ann;+1\nann@x.example;Twice;\n=nobody;Bad;\nbob@x.example;Bob;\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_previewed_tried_and_committed_and_its_rejects_are_told() {
    let hub = hub().await;
    let workers = work(&hub);
    let owner = hub.owner().await;
    let shown: Value = upload(&hub, &owner, FILE, "preview").await.json().await.unwrap();
    assert!(shown["job_id"].is_null());
    let id = shown["id"].as_str().unwrap();
    let preview = json_of(&hub, &owner, &format!("/imports/{id}/preview")).await;
    assert_eq!(
        preview["mapping"],
        json!({"email": "E-mail", "name": "Full name", "phone": "Phone"})
    );
    assert_eq!(
        (&preview["delimiter"], preview["rows"].as_array().unwrap().len()),
        (&json!(";"), 4)
    );
    let mut source = id.to_owned();
    for verb in ["dry_run", "commit"] {
        let answer = hub
            .send(
                &owner,
                Method::POST,
                &format!("/imports/{source}/{verb}"),
                json!({}),
            )
            .await;
        assert_eq!(answer.status(), 202);
        let import = finished(&hub, &owner, &answer.json().await.unwrap()).await;
        assert_eq!(import["state"], "succeeded");
        let counts = json!({"total": 4, "inserted": 2, "updated": 0, "unchanged": 0, "rejected": 2});
        assert_eq!(import["counts"], counts, "{verb}");
        assert_eq!(import["source_import_id"], source);
        import["id"].as_str().unwrap().clone_into(&mut source);
    }
    let report = hub.get(&owner, &format!("/imports/{source}/rejects")).await;
    assert!(
        report.headers()["content-type"]
            .to_str()
            .unwrap()
            .starts_with("text/csv")
    );
    let report = report.text().await.unwrap();
    let lines: Vec<&str> = report.lines().collect();
    assert_eq!(lines[0], "line,column,value,reason");
    assert!(lines[1].starts_with("3,E-mail,ann@x.example,Line 2 has"));
    assert!(lines[2].starts_with("4,E-mail,'=nobody,"), "{}", lines[2]);
    let list = json_of(&hub, &owner, "/imports").await;
    assert_eq!(list["items"].as_array().unwrap().len(), 3);
    assert!(list["epoch"].is_string() && list["offset"].is_u64());
    let actions: Vec<String> = hub
        .audited()
        .await
        .into_iter()
        .filter(|a| a.starts_with("imports."))
        .collect();
    assert_eq!(
        actions,
        [
            "imports.create",
            "imports.start",
            "imports.finish",
            "imports.start",
            "imports.finish"
        ]
    );
    drop(workers);
}

#[tokio::test]
async fn every_bad_upload_gets_its_clear_error_and_leaves_nothing_behind() {
    let hub = hub_with(&[("SIGNALBOX__IMPORTS__MAX_BYTES", "100000")]).await;
    let owner = hub.owner().await;
    for (bytes, status, code) in [
        (&b""[..], 422, "import.empty_file"),
        (b"PK\x03\x04\x00\x00\x00", 422, "import.binary_file"),
        (b"name\nAnn\n", 422, "import.no_email_column"),
        (b"E-mail,\xff\na@x.example,b\n", 422, "import.not_utf8"),
        (&vec![b'x'; 100_001], 413, "file.too_large"),
    ] {
        assert_eq!(
            problem(upload(&hub, &owner, bytes, "commit").await).await,
            (status, code.to_owned())
        );
    }
    let file = || Part::bytes(FILE.to_vec()).file_name("people.csv");
    for form in [
        Form::new().text("mode", "commit"),
        Form::new().part("file", file()),
        Form::new().part("file", file()).text("mode", "at once"),
        Form::new()
            .part("file", file())
            .text("mode", "commit")
            .text("kind", "roles"),
        Form::new()
            .part("file", file())
            .text("mode", "commit")
            .text("mapping", "{"),
        Form::new()
            .part("file", file())
            .text("mode", "commit")
            .text("surprise", "1"),
    ] {
        assert_eq!(problem(send(&hub, &owner, form).await).await.0, 422);
    }
    let plain = hub
        .send(&owner, Method::POST, "/imports", json!({"mode": "commit"}))
        .await;
    assert_eq!(problem(plain).await.0, 400);
    let left = hub
        .test
        .texts("SELECT id::text FROM files UNION ALL SELECT id::text FROM imports")
        .await;
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test]
async fn only_who_may_import_uploads_and_only_who_may_see_looks() {
    let hub = hub().await;
    let viewer = hub.someone(&["viewer"]).await;
    let (status, code) = problem(upload(&hub, &viewer, FILE, "commit").await).await;
    assert_eq!((status, code.as_str()), (403, "permission.missing"));
    let nobody = hub.someone(&["user"]).await;
    assert_eq!(problem(hub.get(&nobody, "/imports").await).await.0, 403);
    let unknown = "/imports/01890000-0000-7000-8000-000000000000";
    let owner = hub.owner().await;
    for path in [
        unknown.to_owned(),
        format!("{unknown}/preview"),
        format!("{unknown}/rejects"),
    ] {
        assert_eq!(
            problem(hub.get(&owner, &path).await).await,
            (404, "import.not_found".into())
        );
    }
    for verb in ["dry_run", "commit"] {
        let answer = hub
            .send(&owner, Method::POST, &format!("{unknown}/{verb}"), json!({}))
            .await;
        assert_eq!(problem(answer).await.0, 404);
    }
}
