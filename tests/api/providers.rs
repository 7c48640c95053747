//! Sign-in through a real OpenID provider, and tokens of an issuer that the hub trusts.

mod confusion;
pub(super) mod external;
mod linked;
mod logout;
mod manage;

use crate::harness::{Hub, SignedIn, hub_with, problem};
use crate::live::identity::{Browser, CLIENT, Identity, SECRET, returned};
use reqwest::{Method, Response};
use serde_json::{Value, json};
use signalbox_core::kernel::clock::Clock;
use signalbox_core::testing::code;

pub(super) const PUBLIC: &str = "https://hub.example.com";
pub(super) const BACK: &str = "https://hub.example.com/sign-in/callback";

/// A hub and a provider that know each other.
pub(super) struct Stage {
    pub(super) hub: Hub,
    pub(super) identity: Identity,
    pub(super) owner: SignedIn,
    /// The provider's id at the hub.
    pub(super) id: String,
}

pub(super) fn people() -> Value {
    json!({
        "ada": {"email": "Ada@Example.com", "email_verified": true, "name": "Ada", "groups": ["staff", "hub-moderators"]},
        "bob": {"email": "bob@example.com", "email_verified": false, "name": "Bob"},
        "eve": {"email": "eve@elsewhere.example", "email_verified": true, "name": "Eve"},
    })
}

impl Stage {
    /// With a provider set up as `with` says beside what it needs.
    pub(super) async fn set(with: Value) -> Self {
        let hub = hub_with(&[("SIGNALBOX__SERVER__PUBLIC_URL", PUBLIC)]).await;
        let mut identity = Identity::start().await;
        identity.configure(BACK, None, people()).await;
        let owner = hub.owner().await;
        let mut stage = Self {
            hub,
            identity,
            owner,
            id: String::new(),
        };
        stage.id = stage.add(with).await["id"].as_str().unwrap().to_owned();
        stage
    }

    /// Adds the provider to the hub.
    pub(super) async fn add(&self, with: Value) -> Value {
        let mut body = json!({
            "kind": "oidc", "name": "Staff", "issuer": self.identity.issuer, "client_id": CLIENT, "client_secret": SECRET,
            "scopes": ["openid", "email", "profile", "groups"],
        });
        let all = body.as_object_mut().unwrap();
        all.extend(with.as_object().unwrap().clone());
        let answer = self.hub.send(&self.owner, Method::POST, "/providers", body).await;
        assert_eq!(answer.status(), 201);
        answer.json().await.unwrap()
    }

    async fn role(&self, name: &str) -> Value {
        let roles: Value = self.hub.get(&self.owner, "/roles").await.json().await.unwrap();
        let mut roles = roles["items"].as_array().unwrap().iter();
        roles.find(|role| role["name"] == name).unwrap()["id"].clone()
    }

    /// Leaves for the provider: where to, and the cookie for the way back. The hub's clock catches up with the provider's.
    pub(super) async fn leave(&self) -> (String, String) {
        let behind = Clock::system().now() - self.hub.clock.now();
        if behind.is_positive() {
            self.hub.clock.advance(behind);
        }
        let path = format!("/auth/providers/{}/start", self.id);
        let answer = self.hub.post(&path, json!({"next": "/users?q=a"})).await;
        assert_eq!(answer.status(), 200);
        left(answer).await
    }

    /// Comes back with what the provider gave.
    pub(super) async fn come_back(&self, cookie: &str, returned: Value) -> Response {
        let request = self.hub.ask(Method::POST, "/auth/providers/finish");
        request
            .header("cookie", cookie)
            .json(&returned)
            .send()
            .await
            .unwrap()
    }

    /// The whole way of somebody.
    pub(super) async fn sign_in(&self, login: &str) -> Response {
        let (url, cookie) = self.leave().await;
        let back = Browser::new().go(&url, login, BACK).await;
        self.come_back(&cookie, returned(&back)).await
    }

    /// As [`Stage::sign_in`] of somebody who is let in; their token.
    pub(in crate::api) async fn signed_in(&self, login: &str) -> String {
        let tokens: Value = self.sign_in(login).await.json().await.unwrap();
        tokens["access_token"].as_str().unwrap().to_owned()
    }

    /// Sets an authenticator app up for `who`; its secret.
    async fn with_app(&self, who: &SignedIn) -> String {
        let wanted = json!({"kind": "totp"});
        let begun = self.hub.send(who, Method::POST, "/me/factors", wanted).await;
        let begun: Value = begun.json().await.unwrap();
        let secret = begun["secret"].as_str().unwrap().to_owned();
        let code = code(&secret, self.hub.clock.now());
        let shown = json!({"enrollment": begun["enrollment"], "name": "App", "code": code});
        let kept = self
            .hub
            .send(who, Method::POST, "/me/factors/confirm", shown)
            .await;
        assert_eq!(kept.status(), 201);
        secret
    }

    /// The whole way of somebody who has such an app; their token.
    async fn sign_in_with_code(&self, login: &str, secret: &str) -> String {
        let owed = self.sign_in(login).await;
        assert_eq!(owed.status(), 202);
        let owed: Value = owed.json().await.unwrap();
        // a code counts once
        self.hub.clock.advance(time::Duration::minutes(1));
        let proof = json!({"kind": "totp", "code": code(secret, self.hub.clock.now())});
        let ticket = &owed["factor_needed"]["ticket"];
        let shown = self
            .hub
            .post("/auth/factor", json!({"ticket": ticket, "proof": proof}))
            .await;
        assert_eq!(shown.status(), 200);
        let tokens: Value = shown.json().await.unwrap();
        tokens["access_token"].as_str().unwrap().to_owned()
    }

    pub(super) async fn me(&self, answer: Response) -> Value {
        assert_eq!(answer.status(), 200);
        let tokens: Value = answer.json().await.unwrap();
        let me = self
            .hub
            .ask(Method::GET, "/me")
            .bearer_auth(tokens["access_token"].as_str().unwrap());
        me.send().await.unwrap().json().await.unwrap()
    }
}

/// Where a browser was sent, and the cookie that it keeps.
pub(super) async fn left(answer: Response) -> (String, String) {
    let set = answer.headers()["set-cookie"].to_str().unwrap().to_owned();
    assert!(set.starts_with("__Host-signalbox_away="), "{set}");
    for part in ["HttpOnly", "Secure", "SameSite=Strict", "Path=/"] {
        assert!(set.contains(part), "{set}");
    }
    let told: Value = answer.json().await.unwrap();
    let url = told["authorization_url"].as_str().unwrap().to_owned();
    (url, set.split(';').next().unwrap().to_owned())
}

fn roles(me: &Value) -> Vec<&str> {
    let roles = me["roles"].as_array().unwrap().iter();
    roles.map(|role| role["name"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_new_signs_in_through_a_provider_and_holds_the_roles_that_its_claims_give_for_as_long() {
    let mut stage = Stage::set(json!({"provision": true})).await;
    let moderator = stage.role("moderator").await;
    let mapping = json!({"mappings": [{"claim": "groups", "value": "hub-moderators", "role": moderator}]});
    let path = format!("/providers/{}", stage.id);
    let mapped = stage.hub.send(&stage.owner, Method::PATCH, &path, mapping).await;
    assert_eq!(mapped.status(), 200);

    let answer = stage.sign_in("ada").await;
    assert_eq!(answer.headers()["x-signalbox-next"], "/users?q=a");
    let me = stage.me(answer).await;
    assert_eq!(
        (&me["user"]["email"], &me["user"]["name"]),
        (&json!("ada@example.com"), &json!("Ada"))
    );
    assert_eq!(roles(&me), ["moderator"]);
    let again = stage.me(stage.sign_in("ada").await).await;
    assert_eq!(again["user"]["id"], me["user"]["id"]);

    let mut others = people();
    others["ada"]["groups"] = json!(["staff"]);
    stage.identity.people(others).await;
    assert!(roles(&stage.me(stage.sign_in("ada").await).await).is_empty());
    let audited = stage.hub.audited().await;
    for action in [
        "providers.create",
        "providers.update",
        "users.create",
        "me.link",
        "auth.login",
        "roles.assign",
    ] {
        assert!(audited.iter().any(|one| one == action), "{action}: {audited:?}");
    }
    let methods = stage
        .hub
        .test
        .texts("SELECT methods::text FROM user_sessions WHERE '{fed}' && methods")
        .await;
    assert_eq!(methods.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_somebody_was_given_here_is_not_taken_with_a_claim() {
    let mut stage = Stage::set(json!({"provision": true})).await;
    let moderator = stage.role("moderator").await;
    let id = stage.me(stage.sign_in("ada").await).await["user"]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let path = format!("/users/{id}/roles");
    let given = stage
        .hub
        .send(&stage.owner, Method::PUT, &path, json!({"roles": [&moderator]}))
        .await;
    assert_eq!(given.status(), 200);
    let mapping = json!({"mappings": [{"claim": "groups", "value": "hub-moderators", "role": moderator}]});
    let path = format!("/providers/{}", stage.id);
    stage.hub.send(&stage.owner, Method::PATCH, &path, mapping).await;
    assert_eq!(roles(&stage.me(stage.sign_in("ada").await).await), ["moderator"]);
    let mut others = people();
    others["ada"]["groups"] = json!([]);
    stage.identity.people(others).await;
    assert_eq!(roles(&stage.me(stage.sign_in("ada").await).await), ["moderator"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_added_without_a_verified_address_of_an_allowed_domain_nor_where_adding_is_off() {
    let stage = Stage::set(json!({"provision": true, "email_domains": ["example.com"]})).await;
    for login in ["bob", "eve"] {
        let refused = problem(stage.sign_in(login).await).await;
        assert_eq!(refused, (403, "providers.nobody".into()), "{login}");
    }
    assert_eq!(stage.sign_in("ada").await.status(), 200);
    let path = format!("/providers/{}", stage.id);
    stage
        .hub
        .send(
            &stage.owner,
            Method::PATCH,
            &path,
            json!({"provision": false, "email_domains": []}),
        )
        .await;
    assert_eq!(
        problem(stage.sign_in("eve").await).await,
        (403, "providers.nobody".into())
    );
    assert_eq!(stage.sign_in("ada").await.status(), 200, "who is linked stays so");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_links_only_where_the_provider_is_trusted_for_that() {
    let stage = Stage::set(json!({"provision": true})).await;
    stage
        .hub
        .send(
            &stage.owner,
            Method::POST,
            "/users",
            json!({"email": "ada@example.com", "name": "Ada here", "roles": []}),
        )
        .await;
    assert_eq!(
        problem(stage.sign_in("ada").await).await,
        (403, "providers.not_linked".into())
    );
    let path = format!("/providers/{}", stage.id);
    stage
        .hub
        .send(&stage.owner, Method::PATCH, &path, json!({"link_by_email": true}))
        .await;
    let me = stage.me(stage.sign_in("ada").await).await;
    assert_eq!(me["user"]["name"], "Ada here");
    // once linked, the subject counts, whatever its address is said to be
    stage
        .hub
        .test
        .sql("UPDATE users SET email = 'other@example.com' WHERE email = 'ada@example.com'")
        .await;
    assert_eq!(
        stage.me(stage.sign_in("ada").await).await["user"]["id"],
        me["user"]["id"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_belongs_to_no_sign_in_of_this_browser_opens_nothing() {
    let stage = Stage::set(json!({"provision": true})).await;
    let (url, cookie) = stage.leave().await;
    let (_, of_another) = stage.leave().await;
    let back = Browser::new().go(&url, "ada", BACK).await;
    let good = returned(&back);
    assert_eq!(good["iss"], stage.identity.issuer.as_str());
    let with = |field: &str, value: Value| {
        let mut changed = good.clone();
        changed[field] = value;
        changed
    };
    let at = cookie.len() / 2;
    let other = if cookie[at..].starts_with('A') { "B" } else { "A" };
    let sealed = [&cookie[..at], other, &cookie[at + 1..]].concat();
    for (what, cookie, said) in [
        ("another browser's cookie", of_another.as_str(), good.clone()),
        ("no cookie", "a=b", good.clone()),
        ("a cookie that was changed", sealed.as_str(), good.clone()),
        ("another state", cookie.as_str(), with("state", json!("s.x"))),
        (
            "another issuer",
            cookie.as_str(),
            with("iss", json!("https://evil.example.com")),
        ),
        (
            "no issuer, where the provider says that it names itself",
            cookie.as_str(),
            with("iss", Value::Null),
        ),
        ("no code", cookie.as_str(), with("code", Value::Null)),
    ] {
        let refused = problem(stage.come_back(cookie, said).await).await;
        assert_eq!(refused, (401, "providers.begin_anew".into()), "{what}");
    }
    let declined = stage
        .come_back(&cookie, with("error", json!("access_denied")))
        .await;
    assert_eq!(problem(declined).await, (401, "providers.declined".into()));
    let wrong = stage.come_back(&cookie, with("code", json!("guessed"))).await;
    assert_eq!(problem(wrong).await, (401, "providers.sign_in_failed".into()));
    assert_eq!(stage.come_back(&cookie, good.clone()).await.status(), 200);
    let again = stage.come_back(&cookie, good).await;
    assert_eq!(
        problem(again).await,
        (401, "providers.sign_in_failed".into()),
        "a code is good once"
    );
    let sessions = stage
        .hub
        .test
        .count("SELECT count(*) FROM user_sessions WHERE '{fed}' && methods")
        .await;
    assert_eq!(sessions, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_away_for_more_than_ten_minutes_begins_anew() {
    let stage = Stage::set(json!({"provision": true})).await;
    let (url, cookie) = stage.leave().await;
    let back = Browser::new().go(&url, "ada", BACK).await;
    stage.hub.clock.advance(time::Duration::minutes(11));
    let late = problem(stage.come_back(&cookie, returned(&back)).await).await;
    assert_eq!(late, (401, "providers.begin_anew".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_changes_its_keys_is_believed_at_the_next_sign_in() {
    let mut stage = Stage::set(json!({"provision": true})).await;
    stage.me(stage.sign_in("ada").await).await;
    stage.identity.rotate(BACK, people()).await;
    // a token's unknown key makes the hub ask once in five seconds
    let mut answer = stage.sign_in("ada").await;
    for _ in 0..10 {
        if answer.status() == 200 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        answer = stage.sign_in("ada").await;
    }
    stage.me(answer).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_way_goes_to_the_providers_own_page_with_pkce_and_comes_back_to_the_configured_address_alone() {
    let stage = Stage::set(json!({})).await;
    let path = format!("/auth/providers/{}/start", stage.id);
    let request = stage
        .hub
        .ask(Method::POST, &path)
        .header("host", "evil.example.com");
    let answer = request
        .header("x-forwarded-host", "evil.example.com")
        .json(&json!({}))
        .send();
    let (url, _) = left(answer.await.unwrap()).await;
    assert!(url.starts_with(&stage.identity.issuer), "{url}");
    let url = reqwest::Url::parse(&url).unwrap();
    let pairs: std::collections::HashMap<_, _> = url.query_pairs().into_owned().collect();
    assert_eq!(pairs["redirect_uri"], BACK);
    assert_eq!(
        (
            pairs["response_type"].as_str(),
            pairs["code_challenge_method"].as_str()
        ),
        ("code", "S256")
    );
    assert!(pairs["state"].len() > 40 && pairs["nonce"].len() > 40 && pairs["code_challenge"].len() == 43);
    for next in [
        "https://evil.example.com",
        "//evil.example.com",
        "/\\evil.example.com",
        "users",
        "/a b",
        "/\u{e9}",
    ] {
        let refused = stage.hub.post(&path, json!({"next": next})).await;
        assert_eq!(problem(refused).await, (422, "request.invalid".into()), "{next}");
    }
    let bare = crate::harness::hub().await;
    let owner = bare.owner().await;
    let body = json!({"kind": "oidc", "name": "X", "issuer": stage.identity.issuer, "client_id": CLIENT});
    let made: Value = bare
        .send(&owner, Method::POST, "/providers", body)
        .await
        .json()
        .await
        .unwrap();
    assert_eq!(made["redirect_uri"], Value::Null);
    let path = format!("/auth/providers/{}/start", made["id"].as_str().unwrap());
    let refused = problem(bare.post(&path, json!({})).await).await;
    assert_eq!(refused, (409, "providers.public_url_needed".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_banned_person_is_let_in_by_no_provider_and_a_provider_that_is_off_by_nobody() {
    let stage = Stage::set(json!({"provision": true})).await;
    let me = stage.me(stage.sign_in("ada").await).await;
    let id = me["user"]["id"].as_str().unwrap();
    let ban = json!({"reason": "test"});
    stage
        .hub
        .send(&stage.owner, Method::POST, &format!("/users/{id}/ban"), ban)
        .await;
    assert_eq!(
        problem(stage.sign_in("ada").await).await,
        (403, "auth.banned".into())
    );
    let listed = async || -> Value {
        let asked = stage.hub.ask(Method::GET, "/auth/providers");
        asked.send().await.unwrap().json().await.unwrap()
    };
    assert_eq!(
        listed().await,
        json!({"items": [{"id": stage.id, "name": "Staff"}]})
    );
    let path = format!("/providers/{}", stage.id);
    stage
        .hub
        .send(&stage.owner, Method::PATCH, &path, json!({"enabled": false}))
        .await;
    let path = format!("/auth/providers/{}/start", stage.id);
    assert_eq!(
        problem(stage.hub.post(&path, json!({})).await).await,
        (404, "provider.not_found".into())
    );
    assert_eq!(listed().await, json!({"items": []}));
}
