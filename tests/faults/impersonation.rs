//! What an operator has open as somebody else ends with that, on every node and by every transport, and what both have open as
//! themselves stays.

use std::time::Instant;

use futures::FutureExt;
use reqwest::Method;
use serde_json::json;

use super::keys::{Caller, ended, measured, owner};
use super::relay::cluster::Cluster;

const SETTINGS: &[(&str, &str)] = &[
    ("SIGNALBOX__LIVE__TRANSPORTS__HTTP_STREAM", "true"),
    // nobody here answers pings
    ("SIGNALBOX__LIVE__PING_SECONDS", "600"),
];
const EMAIL: &str = "member@example.com";
const PASSWORD: &str = "a password of a member 42";
const SIGNED_OUT: u16 = 4500;

/// Two nodes, the operator, and the person they act as.
struct Stage {
    cluster: Cluster,
    operator: Caller,
    person: Caller,
    id: String,
}

impl Stage {
    async fn set() -> Self {
        let cluster = Cluster::start_with(2, SETTINGS).await;
        let operator = owner(&cluster).await;
        let (_, roles) = operator.ask(&cluster, 0, Method::GET, "/roles", json!({})).await;
        let mut roles = roles["items"].as_array().unwrap().iter();
        let viewer = roles.find(|role| role["name"] == "viewer").unwrap();
        let new = json!({"email": EMAIL, "name": "Member", "password": PASSWORD, "roles": [viewer["id"]]});
        let made = cluster.post(0, &operator.token, "/users", new).await;
        let person = Caller {
            token: cluster.sign_in_as(EMAIL, PASSWORD).await,
            from: None,
        };
        Self {
            id: made["id"].as_str().unwrap().to_owned(),
            cluster,
            operator,
            person,
        }
    }

    /// The operator as the person, by node 0.
    async fn acting(&self) -> Caller {
        let path = format!("/users/{}/impersonate", self.id);
        let why = json!({"reason": "They report an error"});
        let begun = self.cluster.post(0, &self.operator.token, &path, why).await;
        Caller {
            token: begun["access_token"].as_str().unwrap().to_owned(),
            from: None,
        }
    }

    async fn is_out(&self, acting: &Caller, code: &str) {
        for node in 0..self.cluster.nodes.len() {
            assert_eq!(acting.look(&self.cluster, node).await, (401, code.to_owned()));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn acting_as_somebody_that_is_ended_on_one_node_ends_what_is_open_by_it_on_the_other() {
    let stage = Stage::set().await;
    let cluster = &stage.cluster;
    let acting = stage.acting().await;
    let open = acting.open(cluster).await;
    assert_eq!(open.len(), 6, "three transports on two nodes");
    let own = stage.operator.open(cluster).await;
    let theirs = stage.person.open(cluster).await;
    let end = acting.ask(cluster, 0, Method::POST, "/me/impersonation/end", json!({}));
    let (codes, (status, answer)) = tokio::join!(ended(open), end);
    assert_eq!(status, 204, "{answer}");
    assert!(codes.iter().all(|code| *code == SIGNED_OUT), "{codes:?}");
    measured(cluster, 1).await;
    stage.is_out(&acting, "auth.session_ended").await;
    for who in [&stage.operator, &stage.person] {
        assert_eq!(who.look(cluster, 1).await.0, 200);
    }
    for stream in own.into_iter().chain(theirs) {
        assert!(stream.now_or_never().is_none(), "who is themselves stays");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn when_its_time_is_over_what_is_open_by_acting_as_somebody_ends_on_every_node() {
    let stage = Stage::set().await;
    let cluster = &stage.cluster;
    let acting = stage.acting().await;
    let began = Instant::now();
    // no node has read it yet: the last seconds of its hour, of which its token knows nothing
    cluster
        .test
        .sql("UPDATE user_sessions SET expires_at = now() + interval '25 seconds' WHERE impersonated_by IS NOT NULL")
        .await;
    let open = acting.open(cluster).await;
    let own = stage.operator.open(cluster).await;
    assert_eq!(acting.look(cluster, 1).await.0, 200, "not before");
    let codes = ended(open).await;
    assert!(codes.iter().all(|code| *code == SIGNED_OUT), "{codes:?}");
    assert!(began.elapsed().as_secs() >= 20, "{:?}", began.elapsed());
    stage.is_out(&acting, "auth.session_expired").await;
    for stream in own {
        assert!(stream.now_or_never().is_none(), "the operator stays");
    }
}
