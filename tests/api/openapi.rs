use crate::harness::hub;
use serde_json::Value;
use std::collections::HashSet;

/// The committed copy, from which the console's client is generated.
fn committed() -> &'static str {
    concat!(env!("CARGO_MANIFEST_DIR"), "/docs/openapi.json")
}

#[test]
fn the_committed_document_is_the_one_the_code_makes() {
    let mut now = serde_json::to_string_pretty(&signalbox::http::document()).unwrap();
    now.push('\n');
    let kept = std::fs::read_to_string(committed()).unwrap_or_default();
    assert!(
        kept == now,
        "docs/openapi.json is out of date: signalbox openapi > docs/openapi.json"
    );
}

#[test]
fn every_operation_is_named_feature_and_verb_once() {
    let document = signalbox::http::document();
    let mut seen = HashSet::new();
    for (path, item) in &document.paths.paths {
        for (method, operation) in signalbox::http::operations::methods(item) {
            let id = operation.operation_id.clone().unwrap_or_default();
            let good = id.split_once('.').is_some_and(|(feature, verb)| {
                let word =
                    |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_lowercase() || c == '_');
                word(feature) && word(verb)
            });
            assert!(good, "{method} {path} is called {id:?}");
            assert!(seen.insert(id.clone()), "{id} twice");
            assert!(operation.summary.is_some(), "{id} says nothing of itself");
        }
    }
}

#[tokio::test]
async fn the_hub_serves_its_document_to_anybody() {
    let hub = hub().await;
    let served: Value = crate::harness::client()
        .get(format!("{}/api/openapi.json", hub.url))
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(served, serde_json::to_value(signalbox::http::document()).unwrap());
    assert!(served["openapi"].as_str().unwrap().starts_with("3.1"));
    for scheme in ["bearer", "cookie", "csrf"] {
        assert!(
            served["components"]["securitySchemes"][scheme].is_object(),
            "{scheme}"
        );
    }
}
