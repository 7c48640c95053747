//! The example in docs/ACCESS.md.

use reqwest::Method;

use super::{give, join, json, leave, made, predefined, read, team};
use crate::harness::{SignedIn, hub, problem};

/// What docs/ACCESS.md says of Helpdesk and Trainees.
#[tokio::test]
async fn the_example_of_the_documentation_is_true() {
    let hub = hub().await;
    let owner = hub.owner().await;
    let on_team = json!({"permission": "users:update", "effect": "grant", "on": "team"});
    let read_all = json!({"permission": "users:read", "effect": "grant"});
    let support = json!({"name": "support", "statements": [read_all, on_team]});
    let support = made(&hub, &owner, "/roles", support).await;
    let deny = json!({"permission": "users:ban", "effect": "deny"});
    let calm = made(
        &hub,
        &owner,
        "/roles",
        json!({"name": "calm", "statements": [deny]}),
    )
    .await;
    let helpdesk = team(&hub, &owner, "Helpdesk").await;
    let trainees = team(&hub, &owner, "Trainees").await;
    json(give(&hub, &owner, &helpdesk, &support).await).await;
    json(give(&hub, &owner, &trainees, &calm).await).await;
    let (ada, bob, tom) = (
        hub.someone(&[]).await,
        hub.someone(&[]).await,
        hub.someone(&[]).await,
    );
    let (eve, max) = (hub.someone(&[]).await, hub.someone(&["manager"]).await);
    let direct = json!({"statements": [{"permission": "users:ban", "effect": "grant"}]});
    let path = format!("/users/{}/permissions", tom.id);
    json(hub.send(&owner, Method::PUT, &path, direct).await).await;
    for (team, whom) in [(&helpdesk, &ada), (&helpdesk, &bob), (&trainees, &tom)] {
        json(join(&hub, &owner, team, whom.id).await).await;
    }
    let update = async |whom: &SignedIn| {
        let path = format!("/users/{}", whom.id);
        let change = json!({"department": "Desk"});
        hub.send(&ada, Method::PATCH, &path, change)
            .await
            .status()
            .as_u16()
    };
    assert_eq!((update(&bob).await, update(&tom).await), (200, 403));
    let why = read(
        &hub,
        &owner,
        &format!("/users/{}/explain?permission=users:ban", tom.id),
    )
    .await;
    assert_eq!(
        (&why["allowed"], &why["decision"]),
        (&json!(false), &json!("denial"))
    );
    let denied = why["lines"]
        .as_array()
        .unwrap()
        .iter()
        .find(|line| line["effect"] == "deny");
    assert_eq!(denied.unwrap()["team"]["name"], "Trainees");
    json(join(&hub, &max, &helpdesk, eve.id).await).await;
    let moderator = predefined(&hub, &owner, "moderator").await["id"].clone();
    let refused = give(&hub, &max, &helpdesk, moderator.as_str().unwrap()).await;
    assert_eq!(problem(refused).await, (403, "roles.out_of_reach".into()));
    let refused = leave(&hub, &max, &trainees, tom.id).await;
    assert_eq!(problem(refused).await, (403, "permission.outranked".into()));
    json(join(&hub, &owner, &helpdesk, max.id).await).await;
    assert_eq!(
        problem(leave(&hub, &max, &helpdesk, max.id).await).await,
        (409, "roles.own".into())
    );
    let second = hub.someone(&["owner"]).await;
    assert_eq!(
        problem(join(&hub, &owner, &trainees, second.id).await).await,
        (409, "roles.owner_limited".into())
    );
    assert_eq!(leave(&hub, &owner, &helpdesk, ada.id).await.status(), 204);
    assert_eq!(update(&bob).await, 403);
}
