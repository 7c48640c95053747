use crate::harness::{hub, problem, problem_in_full};
use reqwest::Method;
use serde_json::{Value, json};

#[tokio::test]
async fn settings_are_seen_with_their_defaults_changed_in_part_and_refused_by_field() {
    let hub = hub().await;
    let owner = hub.owner().await;
    let answer = hub.get(&owner, "/settings").await;
    assert_eq!(answer.headers()["etag"], "\"0\"");
    let seen: Value = answer.json().await.unwrap();
    assert_eq!(
        (&seen["invitations"]["days"], &seen["sign_up"]["open"]),
        (&json!(7), &json!(false))
    );
    assert!(seen["epoch"].is_string() && seen["offset"].is_u64(), "{seen}");
    let changed = hub
        .patch(
            &owner,
            "/settings",
            "\"0\"",
            json!({"sign_up": {"open": true, "domains": ["example.com"]}}),
        )
        .await;
    assert_eq!(changed.headers()["etag"], "\"1\"");
    let changed: Value = changed.json().await.unwrap();
    assert_eq!(
        (&changed["sign_up"]["open"], &changed["invitations"]["days"]),
        (&json!(true), &json!(7))
    );
    let stale = hub
        .patch(&owner, "/settings", "\"0\"", json!({"invitations": {"days": 3}}))
        .await;
    let (status, code, body) = problem_in_full(stale).await;
    assert_eq!((status, code.as_str()), (412, "settings.stale"));
    assert_eq!(body["current"]["sign_up"]["domains"], json!(["example.com"]));
    for (wrong, field) in [
        (json!({"invitations": {"days": 0}}), "invitations.days"),
        (json!({"invitation": {"days": 3}}), "invitation"),
        (json!({"sign_up": {"opened": true}}), "sign_up.opened"),
    ] {
        let refused = hub.patch(&owner, "/settings", "*", wrong).await;
        let (status, _, body) = problem_in_full(refused).await;
        assert_eq!((status, &body["errors"][0]["field"]), (422, &json!(field)));
    }
    assert!(hub.audited().await.contains(&"settings.update".to_owned()));
}

#[tokio::test]
async fn whoever_may_see_settings_does_not_change_them_and_whoever_may_not_does_not_see_them() {
    let hub = hub().await;
    let (admin, nobody) = (hub.someone(&["admin"]).await, hub.someone(&["user"]).await);
    assert_eq!(hub.get(&admin, "/settings").await.status(), 200);
    for (path, body) in [
        ("/settings", json!({"sign_up": {"open": true}})),
        ("/organization", json!({"name": "Other"})),
    ] {
        let refused = hub.send(&admin, Method::PATCH, path, body).await;
        assert_eq!(problem(refused).await, (403, "permission.missing".into()));
        assert_eq!(problem(hub.get(&nobody, path).await).await.0, 403, "{path}");
    }
}

#[tokio::test]
async fn an_organization_is_renamed_by_whoever_saw_its_present_name() {
    let hub = hub().await;
    let owner = hub.owner().await;
    let seen = hub.get(&owner, "/organization").await;
    let version = seen.headers()["etag"].to_str().unwrap().to_owned();
    let renamed = hub
        .patch(&owner, "/organization", &version, json!({"name": " Acme "}))
        .await;
    assert_eq!(renamed.status(), 200);
    let me: Value = hub.get(&owner, "/me").await.json().await.unwrap();
    assert_eq!(me["organization"]["name"], "Acme");
    let stale = hub
        .patch(&owner, "/organization", &version, json!({"name": "Other"}))
        .await;
    assert_eq!(problem(stale).await, (412, "organization.stale".into()));
}

#[tokio::test]
async fn the_development_outbox_says_whether_messages_go_out_to_whoever_may_see_settings() {
    let hub = hub().await;
    let (owner, nobody) = (hub.owner().await, hub.someone(&["user"]).await);
    let seen: Value = hub.get(&owner, "/development_outbox").await.json().await.unwrap();
    assert_eq!(
        seen,
        json!({"items": [], "next_cursor": null, "mail_configured": false, "sms_configured": false})
    );
    let refused = hub.get(&nobody, "/development_outbox").await;
    assert_eq!(problem(refused).await, (403, "permission.missing".into()));
    let wrong = hub.get(&owner, "/development_outbox?cursor=x").await;
    assert_eq!(problem(wrong).await.0, 422);
}
