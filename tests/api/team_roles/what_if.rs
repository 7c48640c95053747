//! What would become of a change, told without making it.

use reqwest::Method;
use serde_json::Value;
use signalbox_core::kernel::id::{RoleId, TeamId, UserId};

use super::{give, join, json, predefined, read, role, team};
use crate::harness::{SignedIn, hub, problem};

#[tokio::test]
async fn a_preview_tells_what_giving_a_role_to_a_team_and_coming_into_it_would_do_and_writes_nothing() {
    let hub = hub().await;
    let (owner, who, other) = (hub.owner().await, hub.someone(&[]).await, hub.someone(&[]).await);
    let (team, role) = (
        team(&hub, &owner, "Support").await,
        role(&hub, &owner, "Banner", &["users:ban"]).await,
    );
    json(join(&hub, &owner, &team, who.id).await).await;
    let what_if = async |asked: Value| {
        let preview = json(hub.send(&owner, Method::POST, "/roles/what_if", asked).await).await;
        let told = |pair: &Value| {
            let sign = if pair["gained"] == true { "+" } else { "-" };
            format!(
                "{sign}{} {}",
                pair["permission"].as_str().unwrap(),
                pair["user"].as_str().unwrap()
            )
        };
        let pairs = preview["items"].as_array().unwrap().iter();
        (pairs.map(told).collect::<Vec<_>>(), preview["people"].clone())
    };
    let carrying = |roles: Value| json!({"kind": "team_roles", "team": team, "roles": roles});
    let in_teams = |teams: Value| json!({"kind": "teams", "user": other.id, "teams": teams});
    let gain = |whom: &SignedIn| vec![format!("+users:ban {}", whom.id)];
    assert_eq!(what_if(carrying(json!([role]))).await, (gain(&who), json!(1)));
    assert_eq!(what_if(in_teams(json!([team]))).await.0, Vec::<String>::new());
    assert_eq!(
        read(&hub, &owner, &format!("/teams/{team}")).await["roles"],
        json!([])
    );
    json(give(&hub, &owner, &team, &role).await).await;
    let loss = vec![format!("-users:ban {}", who.id)];
    assert_eq!(what_if(carrying(json!([]))).await, (loss.clone(), json!(1)));
    assert_eq!(what_if(in_teams(json!([team]))).await.0, gain(&other));
    // a change of the role itself is one for whoever holds it through a team
    let emptied = json!({"kind": "role", "role": role, "statements": []});
    assert_eq!(what_if(emptied).await, (loss, json!(1)));

    let refused =
        async |asked: Value| problem(hub.send(&owner, Method::POST, "/roles/what_if", asked).await).await;
    let owners = predefined(&hub, &owner, "owner").await["id"].clone();
    assert_eq!(
        refused(carrying(json!([owners]))).await,
        (409, "team.owner_role".into())
    );
    assert_eq!(
        refused(carrying(json!([RoleId::new()]))).await,
        (422, "request.invalid".into())
    );
    assert_eq!(
        refused(in_teams(json!([TeamId::new()]))).await,
        (404, "team.not_found".into())
    );
    let strange = json!({"kind": "teams", "user": UserId::new(), "teams": []});
    assert_eq!(refused(strange).await, (404, "user.not_found".into()));
}
