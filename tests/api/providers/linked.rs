use super::{BACK, Stage, left};
use crate::harness::{PASSWORD, SignedIn, problem};
use crate::live::identity::{Browser, returned};
use reqwest::{Method, Response};
use serde_json::{Value, json};

impl Stage {
    /// The whole way of somebody who links their account.
    async fn link(&self, who: &SignedIn, login: &str) -> Response {
        let path = format!("/me/linked_accounts/{}/start", self.id);
        let answer = self
            .hub
            .send(who, Method::POST, &path, json!({"next": "/account"}))
            .await;
        assert_eq!(answer.status(), 200);
        let (url, cookie) = left(answer).await;
        let back = Browser::new().go(&url, login, BACK).await;
        self.finish_link(who, &cookie, returned(&back)).await
    }

    async fn finish_link(&self, who: &SignedIn, cookie: &str, returned: Value) -> Response {
        let request = self
            .hub
            .ask(Method::POST, "/me/linked_accounts/finish")
            .bearer_auth(&who.token);
        request
            .header("cookie", cookie)
            .json(&returned)
            .send()
            .await
            .unwrap()
    }

    async fn linked(&self, who: &SignedIn) -> Value {
        self.hub
            .get(who, "/me/linked_accounts")
            .await
            .json()
            .await
            .unwrap()
    }

    async fn unlink(&self, who: &SignedIn, id: &Value) -> Response {
        let path = format!("/me/linked_accounts/{}", id.as_str().unwrap());
        self.hub
            .ask(Method::DELETE, &path)
            .bearer_auth(&who.token)
            .send()
            .await
            .unwrap()
    }

    /// Takes away the link by which `through` is open, with which that ends, and nothing else.
    async fn unlink_ends(&self, who: &SignedIn, through: &SignedIn) {
        assert_eq!(self.hub.get(through, "/me").await.status(), 200);
        let linked = self.linked(who).await;
        assert_eq!(self.unlink(who, &linked["items"][0]["id"]).await.status(), 204);
        assert_eq!(
            problem(self.hub.get(through, "/me").await).await,
            (401, "auth.session_ended".into())
        );
        assert_eq!(self.hub.get(who, "/me").await.status(), 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_links_their_account_signs_in_through_it_and_takes_the_link_away() {
    let stage = Stage::set(json!({})).await;
    let who = stage.hub.someone(&["viewer"]).await;
    let before = stage.linked(&who).await;
    assert_eq!(
        before,
        json!({"items": [], "available": [{"id": stage.id, "name": "Staff"}]})
    );
    let linked = stage.link(&who, "bob").await;
    assert_eq!(linked.status(), 204);
    assert_eq!(linked.headers()["x-signalbox-next"], "/account");
    let after = stage.linked(&who).await;
    assert_eq!(
        (&after["items"][0]["provider"], &after["available"]),
        (&json!("Staff"), &json!([]))
    );
    assert_eq!(after["items"][0]["may_unlink"], true);

    // its address is not verified, which does not matter to a link
    let through = stage.signed_in("bob").await;
    let ask = async || {
        stage
            .hub
            .ask(Method::GET, "/me")
            .bearer_auth(&through)
            .send()
            .await
            .unwrap()
    };
    let me: Value = ask().await.json().await.unwrap();
    assert_eq!(me["user"]["id"], who.id.to_string());

    assert_eq!(stage.unlink(&who, &after["items"][0]["id"]).await.status(), 204);
    assert_eq!(
        problem(ask().await).await,
        (401, "auth.session_ended".into()),
        "what was open through it ends"
    );
    assert_eq!(stage.hub.get(&who, "/me").await.status(), 200, "and nothing else");
    assert_eq!(
        problem(stage.sign_in("bob").await).await,
        (403, "providers.nobody".into())
    );
    let audited = stage.hub.audited().await;
    assert!(audited.iter().any(|action| action == "me.unlink"), "{audited:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_way_in_is_never_taken_away() {
    let stage = Stage::set(json!({"provision": true})).await;
    let mut who = stage.owner.clone();
    who.token = stage.signed_in("ada").await;
    let linked = stage.linked(&who).await;
    assert_eq!(linked["items"][0]["may_unlink"], false);
    let id = &linked["items"][0]["id"];
    assert_eq!(
        problem(stage.unlink(&who, id).await).await,
        (409, "providers.last_way_in".into())
    );
    stage
        .hub
        .test
        .sql("UPDATE users SET password_hash = 'x' WHERE email = 'ada@example.com'")
        .await;
    assert_eq!(stage.unlink(&who, id).await.status(), 204);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_account_goes_with_one_person_and_a_link_is_finished_in_the_session_that_began_it() {
    let stage = Stage::set(json!({"provision": true})).await;
    let (one, other) = (stage.hub.someone(&[]).await, stage.hub.someone(&[]).await);
    assert_eq!(stage.link(&one, "ada").await.status(), 204);
    let taken = problem(stage.link(&other, "ada").await).await;
    assert_eq!(taken, (409, "providers.linked_already".into()));
    let second = problem(stage.link(&one, "eve").await).await;
    assert_eq!(second, (409, "providers.linked_already".into()));

    let path = format!("/me/linked_accounts/{}/start", stage.id);
    let answer = stage.hub.send(&other, Method::POST, &path, json!({})).await;
    let (url, cookie) = left(answer).await;
    let back = Browser::new().go(&url, "eve", BACK).await;
    let again = stage.hub.sign_in(&other.email).await;
    for (who, what) in [(&one, "another person"), (&again, "another session")] {
        let (url, cookie) = {
            let answer = stage.hub.send(&other, Method::POST, &path, json!({})).await;
            left(answer).await
        };
        let back = Browser::new().go(&url, "eve", BACK).await;
        let refused = problem(stage.finish_link(who, &cookie, returned(&back)).await).await;
        assert_eq!(refused, (401, "providers.begin_anew".into()), "{what}");
    }
    // what was begun to link signs nobody in
    let refused = problem(stage.come_back(&cookie, returned(&back)).await).await;
    assert_eq!(refused, (401, "providers.begin_anew".into()));
    stage.hub.clock.advance(time::Duration::minutes(11));
    let late = problem(stage.hub.send(&other, Method::POST, &path, json!({})).await).await;
    assert_eq!(late, (403, "auth.step_up_needed".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_open_through_an_account_ends_with_the_link_after_a_new_proof_too() {
    let stage = Stage::set(json!({})).await;
    let who = stage.hub.someone(&["viewer"]).await;
    assert_eq!(stage.link(&who, "bob").await.status(), 204);
    let mut through = who.clone();
    through.token = stage.signed_in("bob").await;
    let proof = json!({"kind": "password", "password": PASSWORD});
    let proved = stage.hub.send(&through, Method::POST, "/me/prove", proof).await;
    let proved: Value = proved.json().await.unwrap();
    through.token = proved["access_token"].as_str().unwrap().to_owned();
    stage.unlink_ends(&who, &through).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_open_through_an_account_ends_with_the_link_where_a_second_factor_came_in_between_too() {
    let stage = Stage::set(json!({})).await;
    let who = stage.hub.someone(&["viewer"]).await;
    assert_eq!(stage.link(&who, "bob").await.status(), 204);
    let secret = stage.with_app(&who).await;
    let mut through = who.clone();
    through.token = stage.sign_in_with_code("bob", &secret).await;
    stage.unlink_ends(&who, &through).await;
}
