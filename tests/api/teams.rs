use crate::harness::{Hub, SignedIn, hub, problem};
use reqwest::Method;
use serde_json::{Value, json};

async fn json(answer: reqwest::Response) -> Value {
    let (status, text) = (answer.status(), answer.text().await.unwrap());
    assert!(status.is_success(), "{status} {text}");
    serde_json::from_str(&text).unwrap_or_default()
}

async fn team(hub: &Hub, who: &SignedIn, name: &str) -> String {
    let made = hub.send(who, Method::POST, "/teams", json!({"name": name})).await;
    assert_eq!(
        (made.status().as_u16(), &made.headers()["etag"]),
        (201, &"\"1\"".parse().unwrap())
    );
    json(made).await["id"].as_str().unwrap().to_owned()
}

async fn put(hub: &Hub, who: &SignedIn, team: &str, whom: &SignedIn) -> reqwest::Response {
    let path = format!("/teams/{team}/members/{}", whom.id);
    hub.send(who, Method::PUT, &path, json!({})).await
}

/// Grants it to them on the rows of their teams, on their own, on one row, or denies it on one row.
async fn grant(hub: &Hub, whom: &SignedIn, permission: &str, on: &str) {
    let (granted, only_on, row) = match on.split_once(' ') {
        Some((how, id)) => ((how == "row").to_string(), "NULL".to_owned(), Some(id)),
        None => ("false".to_owned(), format!("'{on}'"), None),
    };
    let row = row.map_or("NULL, NULL".to_owned(), |id| format!("'user', '{id}'"));
    hub.test
        .sql(format!(
            "INSERT INTO user_permissions (organization_id, user_id, permission, granted, only_on, resource_kind, resource_id)
             VALUES ('{}', '{}', '{permission}', {granted}, {only_on}, {row})",
            hub.test.organization, whom.id
        ))
        .await;
}

#[tokio::test]
async fn teams_are_made_changed_and_deleted_by_whoever_may_and_seen_by_more() {
    let hub = hub().await;
    let (owner, viewer, user) = (
        hub.owner().await,
        hub.someone(&["viewer"]).await,
        hub.someone(&["user"]).await,
    );
    let one = team(&hub, &owner, "Support").await;
    let listed = json(hub.get(&viewer, "/teams").await).await;
    assert_eq!(listed["items"][0]["name"], "Support");
    assert_eq!(
        (&listed["items"][0]["can"], &listed["items"][0]["members"]),
        (&json!([]), &json!(0))
    );
    assert!(listed["epoch"].is_string() && listed["offset"].is_number());
    assert_eq!(problem(hub.get(&user, "/teams").await).await.0, 403);
    let path = format!("/teams/{one}");
    for (method, path) in [
        (Method::POST, "/teams"),
        (Method::PATCH, &*path),
        (Method::DELETE, &path),
    ] {
        let refused = hub
            .send(&viewer, method.clone(), path, json!({"name": "X"}))
            .await;
        assert_eq!(
            problem(refused).await,
            (403, "permission.missing".into()),
            "{method}"
        );
    }
    let renamed = hub
        .send(
            &owner,
            Method::PATCH,
            &path,
            json!({"name": "Help", "description": "Helps"}),
        )
        .await;
    assert_eq!(renamed.headers()["etag"], "\"2\"");
    let stale = hub
        .ask(Method::DELETE, &path)
        .bearer_auth(&owner.token)
        .header("if-match", "\"1\"");
    assert_eq!(
        problem(stale.send().await.unwrap()).await,
        (412, "team.stale".into())
    );
    assert_eq!(json(hub.get(&viewer, &path).await).await["description"], "Helps");
    assert_eq!(put(&hub, &owner, &one, &user).await.status(), 200);
    let members = json(hub.get(&viewer, &format!("/users?team={one}")).await).await;
    assert_eq!(
        (&members["total"]["value"], &members["items"][0]["id"]),
        (&json!(1), &json!(user.id))
    );
    assert_eq!(
        members["items"][0]["teams"],
        json!([{"id": one, "role": "member"}])
    );
    let gone = hub.send(&owner, Method::DELETE, &path, Value::Null).await;
    assert_eq!(gone.status(), 204);
    assert_eq!(
        problem(hub.get(&owner, &path).await).await,
        (404, "team.not_found".into())
    );
    let acts: Vec<String> = hub
        .audited()
        .await
        .into_iter()
        .filter(|act| act.starts_with("teams."))
        .collect();
    assert_eq!(
        acts,
        [
            "teams.create",
            "teams.update",
            "teams.add_member",
            "teams.remove_member",
            "teams.delete"
        ]
    );
}

#[tokio::test]
async fn people_out_of_reach_are_in_no_list_no_answer_and_no_search() {
    let hub = hub().await;
    let owner = hub.owner().await;
    let (viewer, colleague, stranger) = (
        hub.someone(&[]).await,
        hub.someone(&[]).await,
        hub.someone(&[]).await,
    );
    let one = team(&hub, &owner, "One").await;
    for whom in [&viewer, &colleague] {
        assert_eq!(put(&hub, &owner, &one, whom).await.status(), 200);
    }
    grant(&hub, &viewer, "users:read", "team").await;
    grant(&hub, &viewer, "users:read_pii", "own").await;
    let list = json(hub.get(&viewer, "/users").await).await;
    assert_eq!(list["total"]["value"], 2);
    let item = |id: String| {
        let items = list["items"].as_array().unwrap();
        items.iter().find(|item| item["id"] == *id).unwrap().clone()
    };
    assert_eq!(item(viewer.id.to_string())["email"], *viewer.email);
    assert_eq!(
        item(colleague.id.to_string())["masked"],
        json!(["email", "phone", "employment_equity"])
    );
    let path = |whom: &SignedIn| format!("/users/{}", whom.id);
    assert_eq!(hub.get(&viewer, &path(&colleague)).await.status(), 200);
    for path in [path(&stranger), path(&stranger) + "/activity"] {
        assert_eq!(
            problem(hub.get(&viewer, &path).await).await,
            (404, "user.not_found".into())
        );
    }
    let found = json(hub.get(&viewer, &format!("/find?q={}", stranger.id)).await).await;
    assert!(!found.to_string().contains(&stranger.id.to_string()), "{found}");
    let sought = json(hub.get(&viewer, "/users?q=person").await).await;
    assert!(!sought.to_string().contains(&stranger.id.to_string()));
    // what was done is seen, and not by whom where they are out of sight
    let lines = json(hub.get(&viewer, &(path(&colleague) + "/activity")).await).await;
    assert!(!lines["items"].as_array().unwrap().is_empty());
    assert!(!lines.to_string().contains(&owner.id.to_string()), "{lines}");
    let whole = json(hub.get(&owner, &(path(&colleague) + "/activity")).await).await;
    assert!(whole.to_string().contains(&owner.id.to_string()));
}

#[tokio::test]
async fn what_may_be_done_to_some_people_is_shown_and_done_to_those_alone() {
    let hub = hub().await;
    let owner = hub.owner().await;
    let (lead, colleague, stranger) = (
        hub.someone(&["viewer"]).await,
        hub.someone(&[]).await,
        hub.someone(&[]).await,
    );
    let one = team(&hub, &owner, "One").await;
    for whom in [&lead, &colleague] {
        put(&hub, &owner, &one, whom).await;
    }
    grant(&hub, &lead, "users:update", "team").await;
    let may = async |whom: &SignedIn| {
        let item = json(hub.get(&lead, &format!("/users/{}", whom.id)).await).await;
        item["can"].to_string().contains("users.update")
    };
    assert!(may(&colleague).await && !may(&stranger).await);
    let update = async |whom: &SignedIn| {
        let path = format!("/users/{}", whom.id);
        let answer = hub
            .send(&lead, Method::PATCH, &path, json!({"department": "Ops"}))
            .await;
        answer.status().as_u16()
    };
    assert_eq!((update(&colleague).await, update(&stranger).await), (200, 403));
    // a row denied is not there, whatever else is granted
    grant(&hub, &lead, "users:read", &format!("not {}", colleague.id)).await;
    let path = format!("/users/{}", colleague.id);
    assert_eq!(problem(hub.get(&lead, &path).await).await.0, 404);
    assert_eq!(
        hub.get(&lead, &format!("/users/{}", stranger.id)).await.status(),
        200
    );
}
