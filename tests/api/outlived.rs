//! Requests that last: nobody keeps on the way what they lose meanwhile.

use std::time::Duration;

use futures::{StreamExt, stream};
use reqwest::{Body, Method};
use serde_json::{Value, json};

use super::imports::upload;
use crate::harness::{Hub, SignedIn, hub, problem};

/// Lines of a report that no socket's buffers take in whole: 60 MB.
const LINES: u32 = 200_000;

/// The address of a report of many rejected lines.
async fn long_report(hub: &Hub, owner: &SignedIn) -> String {
    let shown: Value = upload(hub, owner, b"email,name\na@x.example,A\n", "preview")
        .await
        .json()
        .await
        .unwrap();
    let (id, organization) = (shown["id"].as_str().unwrap(), hub.test.organization);
    hub.test
        .sql(format!(
            "INSERT INTO import_rejects SELECT '{organization}', '{id}', n, 'email', repeat('x', 250), 'No address.'
             FROM generate_series(2, {LINES}) n"
        ))
        .await;
    format!("/imports/{id}/rejects")
}

/// How many bytes come after `between`, and whether the file came to its end.
async fn fetched(hub: &Hub, who: &SignedIn, path: &str, between: impl Future<Output = ()>) -> (usize, bool) {
    let answer = hub.get(who, path).await;
    assert_eq!(answer.status(), 200);
    let mut pieces = answer.bytes_stream();
    let mut bytes = pieces.next().await.unwrap().unwrap().len();
    between.await;
    loop {
        match pieces.next().await {
            Some(Ok(piece)) => bytes += piece.len(),
            Some(Err(_)) => return (bytes, false),
            None => return (bytes, true),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_on_its_way_ends_with_what_its_reader_may() {
    let hub = hub().await;
    let owner = hub.owner().await;
    let path = long_report(&hub, &owner).await;
    let (whole, ended) = fetched(&hub, &owner, &path, async {}).await;
    assert!(ended && whole > 50_000_000, "{whole} bytes");
    for way in ["ban", "sign out", "less is seen", "nothing is seen"] {
        let reader = hub.someone(&["admin"]).await;
        let lost = async {
            let (id, session) = (reader.id, &reader.session);
            let answer = match way {
                "ban" => {
                    let body = json!({"reason": "enough"});
                    hub.send(&owner, Method::POST, &format!("/users/{id}/ban"), body)
                        .await
                }
                "sign out" => {
                    let path = format!("/sessions/{session}");
                    hub.send(&owner, Method::DELETE, &path, json!({})).await
                }
                _ => {
                    let denied = if way == "less is seen" {
                        "users:read_pii"
                    } else {
                        "imports:read"
                    };
                    let body = json!({"statements": [{"permission": denied, "effect": "deny"}]});
                    hub.send(&owner, Method::PUT, &format!("/users/{id}/permissions"), body)
                        .await
                }
            };
            assert!(
                answer.status().is_success(),
                "{way}: {}",
                answer.text().await.unwrap()
            );
        };
        let (bytes, ended) = fetched(&hub, &reader, &path, lost).await;
        assert!(!ended && bytes < whole / 2, "{way}: {bytes} of {whole} bytes");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_holds_a_body_back_acts_with_what_they_may_when_it_has_come() {
    let hub = hub().await;
    let owner = hub.owner().await;
    for way in ["banned", "without the permission"] {
        let sender = hub.someone(&["admin"]).await;
        let (first, rest) = (r#"{"name": "Held ba"#, format!(r#"ck {way}"}}"#));
        let (given, wanted) = tokio::sync::oneshot::channel::<()>();
        let body = stream::once(async move { Ok::<_, std::io::Error>(first.to_owned()) }).chain(
            stream::once(async move {
                wanted.await.unwrap();
                Ok(rest)
            }),
        );
        let request = hub.ask(Method::POST, "/teams").bearer_auth(&sender.token);
        let request = request
            .header("content-type", "application/json")
            .body(Body::wrap_stream(body));
        let answer = tokio::spawn(request.send());
        // long enough that the head has come, and its sender was let in: sooner proves less, and is no failure
        tokio::time::sleep(Duration::from_millis(300)).await;
        let id = sender.id;
        let changed = if way == "banned" {
            hub.send(
                &owner,
                Method::POST,
                &format!("/users/{id}/ban"),
                json!({"reason": "enough"}),
            )
            .await
        } else {
            let body = json!({"statements": [{"permission": "teams:manage", "effect": "deny"}]});
            hub.send(&owner, Method::PUT, &format!("/users/{id}/permissions"), body)
                .await
        };
        assert!(changed.status().is_success(), "{}", changed.text().await.unwrap());
        given.send(()).unwrap();
        let (status, code) = problem(answer.await.unwrap().unwrap()).await;
        let expected = if way == "banned" { 401 } else { 403 };
        assert_eq!(status, expected, "{way}: {code}");
    }
    assert_eq!(
        hub.test
            .count("SELECT count(*) FROM teams WHERE name LIKE 'Held%'")
            .await,
        0
    );
    // and whoever keeps what they may is served however slow
    let body = stream::iter([r#"{"name": "#, r#""Slow"}"#]).then(async |part| {
        tokio::time::sleep(Duration::from_millis(100)).await;
        Ok::<_, std::io::Error>(part)
    });
    let request = hub.ask(Method::POST, "/teams").bearer_auth(&owner.token);
    let request = request.header("content-type", "application/json");
    let made = request.body(Body::wrap_stream(body)).send().await.unwrap();
    assert_eq!(made.status(), 201, "{}", made.text().await.unwrap());
}
