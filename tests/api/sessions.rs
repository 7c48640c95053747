//! Sessions, tokens, keys and tickets, as a program meets them.

use crate::harness::{Hub, SignedIn, client, hub, hub_as_node, problem};
use futures::future::join_all;
use reqwest::{Method, Response};
use serde_json::{Value, json};
use signalbox_actors::nodes::Local;
use signalbox_core::bus::orders::Order;
use signalbox_core::bus::questions::{Answer, NodeState, Question, SocketRow};
use signalbox_core::kernel::id::{SessionId, UserId};
use std::collections::HashSet;
use std::sync::Arc;

async fn body(answer: Response) -> Value {
    assert!(answer.status().is_success(), "{}", answer.status());
    answer.json().await.unwrap()
}

async fn is_in(hub: &Hub, who: &SignedIn) -> bool {
    hub.get(who, "/me").await.status() == 200
}

/// The same person once more, with another session.
async fn again(hub: &Hub, who: &SignedIn) -> SignedIn {
    hub.sign_in(&who.email).await
}

#[tokio::test]
async fn two_hundred_tabs_that_refresh_at_once_get_one_successor_and_nobody_is_signed_out() {
    let hub = hub().await;
    let who = hub.owner().await;
    let http = client();
    let refresh = |token: String| {
        let asked = http.post(format!("{}/api/v1/auth/refresh", hub.url));
        asked.json(&json!({"refresh_token": token})).send()
    };
    let mut token = who.refresh.clone();
    for round in 0..2 {
        let answers = join_all((0..200).map(|_| refresh(token.clone()))).await;
        let mut successors = HashSet::new();
        for answer in answers {
            let answer = answer.unwrap();
            assert_eq!(answer.status(), 200, "round {round}");
            let tokens: Value = answer.json().await.unwrap();
            assert_eq!(tokens["session_id"], who.session);
            successors.insert(tokens["refresh_token"].as_str().unwrap().to_owned());
        }
        assert_eq!(successors.len(), 1, "round {round}");
        token = successors.into_iter().next().unwrap();
    }
    assert!(is_in(&hub, &who).await);
}

#[tokio::test]
async fn a_reused_refresh_token_alerts_its_person() {
    let hub = hub().await;
    let who = hub.owner().await;
    let refresh = async |token: &str| hub.post("/auth/refresh", json!({"refresh_token": token})).await;
    assert_eq!(refresh(&who.refresh).await.status(), 200);
    hub.clock.advance(time::Duration::seconds(11));
    assert_eq!(
        problem(refresh(&who.refresh).await).await.1,
        "auth.refresh_reused"
    );
    let told = hub
        .test
        .texts(format!(
            "SELECT o.type FROM outbox o WHERE o.subject_id = '{}' AND o.event ->> 'severity' = 'bad'",
            who.id
        ))
        .await;
    assert_eq!(told, ["auth.refresh_reused"]);
    let mails = "SELECT count(*) FROM jobs WHERE queue = 'messages.mail'";
    assert_eq!(hub.test.count(mails).await, 1, "and by mail");
}

#[tokio::test]
async fn ones_own_sessions_are_listed_with_device_and_network_and_the_others_ended() {
    let hub = hub().await;
    let who = hub.someone(&[]).await;
    let phone = "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/19.0 Mobile/15E148 Safari/604.1";
    let login = json!({"email": who.email, "password": crate::harness::PASSWORD});
    let other = hub.ask(Method::POST, "/auth/login").header("user-agent", phone);
    let other = body(other.json(&login).send().await.unwrap()).await;
    let listed = body(hub.get(&who, "/me/sessions").await).await;
    let items = listed["items"].as_array().unwrap();
    assert_eq!(items.len(), 2);
    assert_eq!(
        items[0]["device"],
        json!({"kind": "phone", "program": "Safari", "system": "iOS"})
    );
    assert_eq!(items[0]["place"]["network"], "loopback");
    assert_eq!(
        (&items[0]["current"], &items[1]["current"]),
        (&json!(false), &json!(true))
    );
    assert_eq!(items[0]["user"]["id"], who.id.to_string());
    let ended = hub
        .ask(Method::DELETE, "/me/sessions")
        .bearer_auth(&who.token)
        .send()
        .await
        .unwrap();
    assert_eq!(body(ended).await, json!({"sessions": 1, "people": 1}));
    let stale = SignedIn {
        token: other["access_token"].as_str().unwrap().to_owned(),
        ..who.clone()
    };
    assert!(is_in(&hub, &who).await && !is_in(&hub, &stale).await);
    let other = hub.someone(&[]).await;
    let refused = hub.get(&other, &format!("/users/{}/sessions", who.id)).await;
    assert_eq!(problem(refused).await.1, "permission.missing");
    let refused = hub.get(&other, "/sessions").await;
    assert_eq!(problem(refused).await.1, "permission.missing");
}

#[tokio::test]
async fn sessions_of_a_person_a_role_and_everybody_end_in_one_act_each() {
    let hub = hub().await;
    let owner = hub.owner().await;
    let moderator = hub.someone(&["moderator"]).await;
    let viewers = [hub.someone(&["viewer"]).await, hub.someone(&["viewer"]).await];
    let second = again(&hub, &viewers[0]).await;
    hub.clock.advance(time::Duration::minutes(1));
    let of_one = format!("/users/{}/sessions/revoke", viewers[0].id);
    let refused = hub.send(&viewers[1], Method::POST, &of_one, json!({})).await;
    assert_eq!(problem(refused).await.1, "permission.missing");
    let ended = hub
        .send(&owner, Method::POST, &of_one, json!({"reason": "lost laptop"}))
        .await;
    assert_eq!(body(ended).await, json!({"sessions": 2, "people": 1}));
    assert!(!is_in(&hub, &viewers[0]).await && !is_in(&hub, &second).await && is_in(&hub, &viewers[1]).await);
    // whoever signs in afterwards is in
    assert!(is_in(&hub, &again(&hub, &viewers[0]).await).await);

    let roles = body(hub.get(&owner, "/roles").await).await;
    let id = |name: &str| {
        let role = roles["items"]
            .as_array()
            .unwrap()
            .iter()
            .find(|role| role["name"] == name);
        role.unwrap()["id"].as_str().unwrap().to_owned()
    };
    hub.clock.advance(time::Duration::minutes(1));
    let of_role = format!("/roles/{}/sessions/revoke", id("viewer"));
    let ended = hub.send(&owner, Method::POST, &of_role, json!({})).await;
    assert_eq!(body(ended).await, json!({"sessions": 2, "people": 2}));
    assert!(!is_in(&hub, &viewers[1]).await && is_in(&hub, &moderator).await);
    let of_owners = format!("/roles/{}/sessions/revoke", id("owner"));
    let refused = hub.send(&moderator, Method::POST, &of_owners, json!({})).await;
    assert_eq!(problem(refused).await.1, "permission.outranked");

    let refused = hub
        .send(&moderator, Method::POST, "/sessions/revoke", json!({}))
        .await;
    assert_eq!(problem(refused).await.1, "permission.missing");
    let future = json!({"not_before": "2999-01-01T00:00:00Z"});
    let refused = hub.send(&owner, Method::POST, "/sessions/revoke", future).await;
    assert_eq!(problem(refused).await.0, 422);
    let ended = hub
        .send(&owner, Method::POST, "/sessions/revoke", json!({}))
        .await;
    assert_eq!(body(ended).await, json!({"sessions": 2, "people": 2}));
    assert!(!is_in(&hub, &owner).await && !is_in(&hub, &moderator).await);
    let refused = hub
        .post("/auth/refresh", json!({"refresh_token": moderator.refresh}))
        .await;
    assert_eq!(problem(refused).await, (401, "auth.session_ended".into()));
    let acts = hub.audited().await;
    for act in [
        "sessions.revoke_of_user",
        "sessions.revoke_of_role",
        "sessions.revoke_all",
    ] {
        assert_eq!(acts.iter().filter(|done| *done == act).count(), 1, "{act}");
    }
}

/// Two nodes' worth of sockets, made up.
#[derive(Default)]
struct Made(parking_lot::Mutex<Vec<SocketRow>>);

impl Local for Made {
    fn carry_out(&self, _: Order) {}

    fn answer(&self, question: &Question) -> Answer {
        match question {
            Question::Sockets { organizations } => Answer::Sockets {
                rows: self
                    .0
                    .lock()
                    .iter()
                    .filter(|row| organizations.contains(&row.organization))
                    .copied()
                    .collect(),
            },
            _ => Answer::Node(NodeState::default()),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_of_everybodys_counts_the_open_sockets_of_each() {
    let made = Arc::new(Made::default());
    let hub = hub_as_node(&[], made.clone()).await;
    let owner = hub.owner().await;
    let someone = hub.someone(&["viewer"]).await;
    let row = |who: &SignedIn, sockets| SocketRow {
        organization: hub.test.organization,
        user: who.id,
        session: who.session.parse().unwrap(),
        sockets,
    };
    let stranger = SocketRow {
        session: SessionId::new(),
        user: UserId::new(),
        ..row(&owner, 9)
    };
    *made.0.lock() = vec![row(&someone, 2), row(&someone, 1), stranger];
    let list = body(hub.get(&owner, &format!("/sessions?user={}", someone.id)).await).await;
    assert_eq!((&list["total"], &list["people"]), (&json!(1), &json!(1)));
    assert_eq!(list["items"][0]["sockets"], 3);
    assert!(list["epoch"].is_string() && list["offset"].is_number());
    let own = body(hub.get(&owner, "/me/sessions").await).await;
    assert_eq!(own["items"][0]["sockets"], 0);
    let malformed = hub.get(&owner, "/sessions?nonsense=1").await;
    assert!(malformed.status().is_client_error());
}

#[tokio::test]
async fn how_long_sessions_last_is_an_organizations_to_say_and_bites_at_once() {
    let hub = hub().await;
    let owner = hub.owner().await;
    let viewer = hub.someone(&["viewer"]).await;
    let times = async |who: &SignedIn, idle: Value, absolute: Value| {
        let wanted = json!({"sessions": {"idle_seconds": idle, "absolute_seconds": absolute}});
        hub.send(who, Method::PATCH, "/settings", wanted).await
    };
    assert_eq!(
        problem(times(&viewer, json!(600), Value::Null).await).await.1,
        "permission.missing"
    );
    assert_eq!(problem(times(&owner, json!(1), Value::Null).await).await.0, 422);
    let none = body(hub.get(&owner, "/settings").await).await;
    assert_eq!(
        none["sessions"],
        json!({"idle_seconds": null, "absolute_seconds": null})
    );
    hub.clock.advance(time::Duration::minutes(20));
    let busy = again(&hub, &viewer).await;
    let owner = again(&hub, &owner).await;
    body(times(&owner, json!(600), Value::Null).await).await;
    assert_eq!(
        problem(hub.get(&viewer, "/me").await).await,
        (401, "auth.session_expired".into())
    );
    assert!(is_in(&hub, &busy).await);
    let owner = again(&hub, &owner).await;
    body(times(&owner, Value::Null, json!(3600)).await).await;
    hub.clock.advance(time::Duration::minutes(59));
    assert!(is_in(&hub, &busy).await, "within its hour");
    hub.clock.advance(time::Duration::minutes(1));
    let over = hub
        .post("/auth/refresh", json!({"refresh_token": busy.refresh}))
        .await;
    assert_eq!(problem(over).await.0, 401);
}

#[tokio::test]
async fn keys_are_rotated_over_rest_and_the_public_halves_are_anybodys() {
    let hub = hub().await;
    let owner = hub.owner().await;
    let admin = hub.someone(&["admin"]).await;
    let public = async || {
        let asked = client()
            .get(format!("{}/.well-known/jwks.json", hub.url))
            .send()
            .await
            .unwrap();
        let kind = asked.headers()["content-type"].to_str().unwrap().to_owned();
        assert_eq!(kind, "application/jwk-set+json");
        body(asked).await
    };
    let first = public().await;
    let key = &first["keys"][0];
    assert_eq!(
        (&key["kty"], &key["crv"], &key["alg"], &key["use"]),
        (&json!("OKP"), &json!("Ed25519"), &json!("EdDSA"), &json!("sig"))
    );
    assert!(key.get("d").is_none(), "{key}");
    let refused = hub
        .send(&admin, Method::POST, "/signing-keys/rotate", json!({}))
        .await;
    assert_eq!(problem(refused).await.1, "permission.missing");
    let made = hub
        .send(&owner, Method::POST, "/signing-keys/rotate", json!({}))
        .await;
    assert_eq!(made.status(), 201);
    let made = body(made).await;
    let soon = hub
        .send(&owner, Method::POST, "/signing-keys/rotate", json!({}))
        .await;
    assert_eq!(problem(soon).await, (409, "signing_key.rotating".into()));
    hub.clock.advance(time::Duration::seconds(61));
    assert!(is_in(&hub, &owner).await, "the old key verifies on");
    let newer = again(&hub, &owner).await;
    assert!(is_in(&hub, &newer).await);
    assert_eq!(public().await["keys"].as_array().unwrap().len(), 2);
    let keys = body(hub.get(&admin, "/signing-keys").await).await;
    assert_eq!(keys["items"][0]["kid"], made["kid"]);
    assert_eq!(
        (&keys["items"][0]["state"], &keys["items"][1]["state"]),
        (&json!("signs"), &json!("verifies"))
    );
    assert_eq!(
        hub.audited()
            .await
            .iter()
            .filter(|act| *act == "signing_keys.rotate")
            .count(),
        1
    );
}

#[tokio::test]
async fn a_ticket_is_made_for_a_session_and_not_for_a_program() {
    let hub = hub().await;
    let owner = hub.owner().await;
    let made = hub
        .send(
            &owner,
            Method::POST,
            "/auth/tickets",
            json!({"purpose": "stream"}),
        )
        .await;
    assert_eq!(made.status(), 201);
    let made = body(made).await;
    assert!(made["ticket"].as_str().unwrap().starts_with("sbt_"));
    assert_eq!(made["expires_in"], 30);
    let wrong = hub
        .send(&owner, Method::POST, "/auth/tickets", json!({"purpose": "api"}))
        .await;
    assert!(wrong.status().is_client_error());
    assert_eq!(
        hub.post("/auth/tickets", json!({"purpose": "stream"}))
            .await
            .status(),
        401
    );
    // no request takes it for a token, wherever it stands
    let ticket = made["ticket"].as_str().unwrap();
    let asked = hub
        .ask(Method::GET, "/me")
        .bearer_auth(ticket)
        .send()
        .await
        .unwrap();
    assert_eq!(asked.status(), 401);
    let asked = hub
        .ask(Method::GET, &format!("/me?ticket={ticket}"))
        .send()
        .await
        .unwrap();
    assert_eq!(asked.status(), 401);
}
