//! Who may give a team a role, take it, and let people in and out: whoever may do the same to those people themselves.

use reqwest::Method;
use serde_json::Value;

use super::{give, join, json, leave, made, predefined, role, take, team};
use crate::harness::{hub, problem};

#[tokio::test]
async fn giving_a_team_a_role_and_coming_into_one_that_carries_roles_ask_for_what_giving_it_to_a_person_does()
{
    let hub = hub().await;
    let owner = hub.owner().await;
    // may assign roles and manage teams, but bans nobody; manages teams and may assign nothing; sees teams
    let (manager, viewer) = (hub.someone(&["manager"]).await, hub.someone(&["viewer"]).await);
    role(
        &hub,
        &owner,
        "Keeper",
        &["teams:manage", "teams:read", "users:read"],
    )
    .await;
    let keeper = hub.someone(&["Keeper"]).await;
    let (who, plain) = (hub.someone(&[]).await, hub.someone(&[]).await);
    let (bans, reads) = (
        role(&hub, &owner, "Banner", &["users:ban"]).await,
        role(&hub, &owner, "Reader", &["users:read"]).await,
    );
    let one = team(&hub, &owner, "One").await;
    let missing = (403, "permission.missing".to_owned());
    for somebody in [&viewer, &keeper] {
        assert_eq!(problem(give(&hub, somebody, &one, &reads).await).await, missing);
        assert_eq!(problem(take(&hub, somebody, &one, &reads).await).await, missing);
    }
    let out_of_reach = (403, "roles.out_of_reach".to_owned());
    assert_eq!(
        problem(give(&hub, &manager, &one, &bans).await).await,
        out_of_reach
    );
    json(give(&hub, &owner, &one, &bans).await).await;
    // by way of the team neither
    assert_eq!(
        problem(join(&hub, &manager, &one, who.id).await).await,
        out_of_reach
    );
    assert_eq!(problem(join(&hub, &keeper, &one, who.id).await).await, missing);
    assert_eq!(
        problem(take(&hub, &manager, &one, &bans).await).await,
        out_of_reach
    );
    let own = (409, "roles.own".to_owned());
    assert_eq!(problem(join(&hub, &owner, &one, owner.id).await).await, own);
    json(join(&hub, &owner, &one, who.id).await).await;
    // whoever holds more through a team stands above
    let outranked = (403, "permission.outranked".to_owned());
    let path = format!("/users/{}/roles", who.id);
    let refused = hub
        .send(&manager, Method::PUT, &path, json!({"roles": [reads]}))
        .await;
    assert_eq!(problem(refused).await, outranked);
    assert_eq!(
        problem(leave(&hub, &manager, &one, who.id).await).await,
        outranked
    );
    assert_eq!(problem(give(&hub, &manager, &one, &reads).await).await, outranked);
    let deleted = hub
        .send(&manager, Method::DELETE, &format!("/teams/{one}"), Value::Null)
        .await;
    assert_eq!(problem(deleted).await, outranked);
    assert_eq!(
        problem(leave(&hub, &keeper, &one, who.id).await).await.0,
        403,
        "who may assign nothing takes nothing"
    );

    // a team within the manager's reach
    let two = team(&hub, &owner, "Two").await;
    json(give(&hub, &manager, &two, &reads).await).await;
    json(join(&hub, &manager, &two, plain.id).await).await;
    assert_eq!(problem(leave(&hub, &keeper, &two, plain.id).await).await, missing);
    let refused = hub
        .send(&keeper, Method::DELETE, &format!("/teams/{two}"), Value::Null)
        .await;
    assert_eq!(problem(refused).await, missing);
    assert_eq!(leave(&hub, &manager, &two, plain.id).await.status(), 204);
    // one's own: neither what the team one is in carries, nor oneself out of it
    json(join(&hub, &owner, &two, manager.id).await).await;
    assert_eq!(problem(take(&hub, &manager, &two, &reads).await).await, own);
    assert_eq!(problem(leave(&hub, &manager, &two, manager.id).await).await, own);
    let refused = hub
        .send(&manager, Method::DELETE, &format!("/teams/{two}"), Value::Null)
        .await;
    assert_eq!(problem(refused).await, own);
}

#[tokio::test]
async fn a_team_carries_no_owner_role_denies_nothing_to_an_owner_and_keeps_its_roles_from_being_deleted() {
    let hub = hub().await;
    let owner = hub.owner().await;
    let second = hub.someone(&["owner"]).await;
    let who = hub.someone(&["manager"]).await;
    let one = team(&hub, &owner, "One").await;
    let owners = predefined(&hub, &owner, "owner").await;
    let refused = give(&hub, &owner, &one, owners["id"].as_str().unwrap()).await;
    assert_eq!(problem(refused).await, (409, "team.owner_role".into()));
    let deny = json!({"permission": "audit:read", "effect": "deny"});
    let blind = made(
        &hub,
        &owner,
        "/roles",
        json!({"name": "Blind", "statements": [deny]}),
    )
    .await;
    json(give(&hub, &owner, &one, &blind).await).await;
    let limited = (409, "roles.owner_limited".to_owned());
    assert_eq!(problem(join(&hub, &owner, &one, second.id).await).await, limited);
    assert_eq!(hub.get(&who, "/audit").await.status(), 200);
    json(join(&hub, &owner, &one, who.id).await).await;
    assert_eq!(
        hub.get(&who, "/audit").await.status(),
        403,
        "a denial counts through a team"
    );
    let two = team(&hub, &owner, "Two").await;
    json(join(&hub, &owner, &two, second.id).await).await;
    assert_eq!(problem(give(&hub, &owner, &two, &blind).await).await, limited);

    let delete = async || {
        hub.send(&owner, Method::DELETE, &format!("/roles/{blind}"), Value::Null)
            .await
    };
    assert_eq!(problem(delete().await).await, (409, "role.in_use".into()));
    // to lift the denial is to give what it denied: who does not hold that does not
    let looking = json!({"name": "Assigning", "statements": [
        {"permission": "roles:assign", "effect": "grant"}, {"permission": "teams:manage", "effect": "grant"},
        {"permission": "teams:read", "effect": "grant"}, {"permission": "users:read", "effect": "grant"}]});
    made(&hub, &owner, "/roles", looking).await;
    let assigning = hub.someone(&["Assigning"]).await;
    let nobody = hub.someone(&[]).await;
    hub.test
        .sql(format!(
            "INSERT INTO user_permissions (organization_id, user_id, permission) VALUES ('{}', '{}', 'audit:read')",
            hub.test.organization, nobody.id
        ))
        .await;
    let three = team(&hub, &owner, "Three").await;
    json(give(&hub, &owner, &three, &blind).await).await;
    json(join(&hub, &owner, &three, nobody.id).await).await;
    assert_eq!(
        problem(take(&hub, &assigning, &three, &blind).await).await,
        (403, "permission.beyond".into())
    );
    assert_eq!(
        problem(leave(&hub, &assigning, &three, nobody.id).await).await.0,
        403
    );
    for team in [&one, &three] {
        assert_eq!(take(&hub, &owner, team, &blind).await.status(), 204);
    }
    assert_eq!(delete().await.status(), 204);
}

#[tokio::test]
async fn whoever_has_somebody_give_rights_further_by_way_of_a_team_proves_who_they_are() {
    let hub = hub().await;
    let (owner, who) = (hub.owner().await, hub.someone(&[]).await);
    let (giver, reader) = (
        role(&hub, &owner, "Giver", &["roles:assign"]).await,
        role(&hub, &owner, "Reader", &["users:read"]).await,
    );
    let (one, two) = (team(&hub, &owner, "One").await, team(&hub, &owner, "Two").await);
    json(give(&hub, &owner, &one, &giver).await).await;
    hub.clock.advance(time::Duration::minutes(11));
    let wanted = (403, "auth.step_up_needed".to_owned());
    assert_eq!(
        problem(give(&hub, &owner, &two, &giver).await).await,
        wanted,
        "of a team that nobody is in yet, too"
    );
    assert_eq!(problem(join(&hub, &owner, &one, who.id).await).await, wanted);
    json(give(&hub, &owner, &two, &reader).await).await;
    json(join(&hub, &owner, &two, who.id).await).await;
    let proved = hub.owner().await;
    json(join(&hub, &proved, &one, who.id).await).await;
    json(give(&hub, &proved, &two, &giver).await).await;
    hub.clock.advance(time::Duration::minutes(11));
    // taking waits for nothing
    assert_eq!(leave(&hub, &proved, &one, who.id).await.status(), 204);
    assert_eq!(take(&hub, &proved, &two, &giver).await.status(), 204);
}
