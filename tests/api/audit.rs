use crate::harness::hub;
use reqwest::Method;
use serde_json::{Value, json};

#[tokio::test]
async fn the_audit_log_says_who_did_what_to_whom_from_where_and_filters_narrow_it() {
    let hub = hub().await;
    let (owner, bob) = (hub.owner().await, hub.someone(&["user"]).await);
    let ban = format!("/users/{}/ban", bob.id);
    let answer = hub
        .send(&owner, Method::POST, &ban, json!({"reason": "spam"}))
        .await;
    assert_eq!(answer.status(), 200);
    for filter in [
        format!("subject={}&action=users.ban", bob.id),
        format!("actor={}&action=users.ban", owner.id),
    ] {
        let list: Value = hub
            .get(&owner, &format!("/audit?{filter}"))
            .await
            .json()
            .await
            .unwrap();
        assert_eq!(list["items"].as_array().unwrap().len(), 1, "{filter}: {list}");
        let entry = &list["items"][0];
        assert_eq!(
            entry["actor"],
            json!({"kind": "user", "id": owner.id, "name": "Owner"})
        );
        assert_eq!(
            entry["subject"],
            json!({"kind": "user", "id": bob.id, "label": "Person"})
        );
        assert_eq!(
            entry["changes"]["status"],
            json!({"before": "active", "after": "banned"})
        );
        assert_eq!(
            (&entry["reason"], &entry["ip"]),
            (&json!("spam"), &json!("127.0.0.1"))
        );
        assert_eq!(entry["details"]["sessions_ended"], 1);
        assert_eq!(entry["trace_id"].as_str().unwrap().len(), 32);
        assert!(list["epoch"].is_string() && list["offset"].is_u64());
    }
    let none: Value = hub
        .get(&owner, "/audit?action=users.nothing")
        .await
        .json()
        .await
        .unwrap();
    assert_eq!((&none["items"], &none["next_cursor"]), (&json!([]), &Value::Null));
    let lines: Value = hub
        .get(&owner, &format!("/users/{}/activity?limit=1", bob.id))
        .await
        .json()
        .await
        .unwrap();
    assert_eq!(lines["items"][0]["text"], "{actor} banned {subject}");
    assert_eq!(lines["items"][0]["actor"]["name"], "Owner");
}
