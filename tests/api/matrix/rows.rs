//! Rows to ask for: of every kind that an operation of the API is about, made as their people make them.

use futures::future::LocalBoxFuture;
use futures::{FutureExt, SinkExt, StreamExt};
use reqwest::Method;
use serde_json::{Value, json};
use signalbox_core::kernel::id::{FactorId, LinkedAccountId, SessionId, UserId};
use tokio_tungstenite::tungstenite::Message;

use super::spec::Operation;
use super::special;
use super::values::{Ids, kinds, number};
use super::wire::{Answer, Asked};
use super::world::{Side, Socket, World};
use crate::faults::relay::cluster::until;

impl World {
    /// New rows of an organization, for everything that an operation names.
    pub async fn fresh(&self, side: &Side, operation: &Operation, whole: bool) -> Ids {
        let mut ids = Ids::new();
        for kind in self.wanted(operation, whole) {
            let id = self.row(side, &kind, &ids).await;
            ids.insert(kind, id);
        }
        ids
    }

    /// Rows of an organization that stay, for whoever only looks.
    pub async fn kept(&self, side: &Side, operation: &Operation, whole: bool) -> Ids {
        for kind in self.wanted(operation, whole) {
            if !side.kept.lock().contains_key(&kind) {
                let known = side.kept.lock().clone();
                let id = self.row(side, &kind, &known).await;
                side.kept.lock().insert(kind, id);
            }
        }
        side.kept.lock().clone()
    }

    fn wanted(&self, operation: &Operation, whole: bool) -> Vec<String> {
        let mut wanted = kinds(&self.spec, operation, whole);
        wanted.extend(
            operation
                .in_path()
                .map(|parameter| special::kind(operation, parameter)),
        );
        wanted.sort();
        wanted.dedup();
        wanted
    }

    /// One new row; its id. `known`: of those that it belongs to.
    pub fn row<'a>(&'a self, side: &'a Side, kind: &'a str, known: &'a Ids) -> LocalBoxFuture<'a, String> {
        async move {
            match kind {
                "session" => self.session(side).await,
                "api_key" => {
                    self.key(&side.keeper, &["api_keys:manage".to_owned()].into())
                        .await
                        .0
                }
                "job" => self.import(side, "commit").await.1,
                "import" => self.import(side, "dry_run").await.0,
                "wallet" => self.wallet(side, known).await,
                "provider" => self.provider(side).await,
                "linked_account" => self.linked_account(side).await,
                "factor" => self.factor(side).await,
                "refusal" => self.refusal(side).await,
                "export" => self.export(side).await,
                "bulk" => self.bulk(side).await,
                "client" => self.client(side).await,
                "channel" => "feed:users".to_owned(),
                "application_channel" => "board:1".to_owned(),
                _ => self.made(side, kind).await,
            }
        }
        .boxed_local()
    }

    /// By the operation that makes one, as the owner.
    async fn made(&self, side: &Side, kind: &str) -> String {
        let places = [
            format!("/api/v1/{kind}s"),
            format!("/api/v1/{}ies", kind.trim_end_matches('y')),
        ];
        let makes =
            |operation: &&Operation| operation.method == Method::POST && places.contains(&operation.path);
        let Some(operation) = self.spec.operations.iter().find(makes) else {
            panic!(
                "no POST makes a {kind}: say in World::row (tests/api/matrix/rows.rs) how one comes about"
            );
        };
        let ids = self.fresh(side, operation, false).await;
        let mut asked = Asked::of(&self.spec, operation, &ids, false);
        if let Some(name) = asked.body.as_mut().and_then(|body| body.get_mut("name")) {
            *name = json!(format!("{} {}", side.mark, name.as_str().unwrap_or_default()));
        }
        let answer = self.ask_as(operation, &asked, &side.owner).await;
        let made = answer.json();
        let id = made["id"].as_str().or_else(|| made[kind]["id"].as_str());
        let id = id.unwrap_or_else(|| {
            panic!(
                "{} with {:?} makes no {kind} but {} {}: name its fields in `word` in tests/api/matrix/special.rs, or say in \
                 World::row how one comes about",
                operation.id, asked.body, answer.status, answer.text
            )
        });
        id.to_owned()
    }

    /// A session of somebody without rights.
    async fn session(&self, side: &Side) -> String {
        let (id, user, organization) = (SessionId::new(), side.bare.id, side.organization);
        let made = format!(
            "INSERT INTO user_sessions (id, organization_id, user_id, expires_at)
             VALUES ('{id}', '{organization}', '{user}', now() + interval '1 hour')"
        );
        self.cluster.test.sql(made).await;
        id.to_string()
    }

    /// A wallet of the person who is known, or of somebody without rights.
    async fn wallet(&self, side: &Side, known: &Ids) -> String {
        let bare = side.bare.id.to_string();
        let path = format!("/users/{}/wallets", known.get("user").unwrap_or(&bare));
        let address = special::word("address").unwrap();
        let new = json!({"chain": "ethereum", "address": address});
        let made = self.act(&side.owner, Method::POST, &path, new).await;
        let wallets = made["wallets"].as_array().unwrap();
        let wallet = wallets.iter().find(|wallet| {
            wallet["address"].as_str().map(str::to_lowercase) == address.as_str().map(str::to_lowercase)
        });
        text(&wallet.unwrap_or_else(|| panic!("{made}"))["id"])
    }

    /// A provider that nobody signs in through.
    async fn provider(&self, side: &Side) -> String {
        let new = json!({
            "kind": "oidc", "name": format!("{} {}", side.mark, number()), "issuer": "https://id.example.com", "client_id": "hub",
            "listed": false,
        });
        text(&self.act(&side.owner, Method::POST, "/providers", new).await["id"])
    }

    /// An account that somebody without rights has at a provider.
    async fn linked_account(&self, side: &Side) -> String {
        let (provider, id) = (self.provider(side).await, LinkedAccountId::new());
        let (organization, user) = (side.organization, side.bare.id);
        let made = format!(
            "INSERT INTO linked_accounts (id, organization_id, provider_id, user_id, subject)
             VALUES ('{id}', '{organization}', '{provider}', '{user}', 'subject {id}')"
        );
        self.cluster.test.sql(made).await;
        id.to_string()
    }

    /// The phone of somebody new, who never signs in.
    async fn factor(&self, side: &Side) -> String {
        let (id, user, organization) = (FactorId::new(), UserId::new(), side.organization);
        let made = format!(
            "INSERT INTO users (id, organization_id, email, name)
             VALUES ('{user}', '{organization}', '{user}@example.com', 'Made');
             INSERT INTO user_factors (id, organization_id, user_id, kind, name, fingerprint)
             VALUES ('{id}', '{organization}', '{user}', 'sms', 'Made', '\\x01')"
        );
        self.cluster.test.sql(made).await;
        id.to_string()
    }

    /// An import that has ended, with one line that was rejected; its id and its job's.
    async fn import(&self, side: &Side, mode: &str) -> (String, String) {
        let operation = self.spec.operation("imports.create").unwrap();
        let mut asked = Asked::of(&self.spec, operation, &Ids::new(), false);
        asked.body.as_mut().unwrap()["mode"] = json!(mode);
        let answer = self.ask_as(operation, &asked, &side.owner).await;
        assert_eq!(answer.status, 202, "{}", answer.text);
        let submitted = answer.json();
        let (id, job) = (text(&submitted["id"]), text(&submitted["job_id"]));
        let path = format!("/imports/{id}");
        until("an import has ended", async || {
            let now = self.act(&side.owner, Method::GET, &path, json!({})).await;
            now["state"] == "succeeded"
        })
        .await;
        (id, job)
    }

    /// What is held on the owner, gathered for themselves.
    async fn export(&self, side: &Side) -> String {
        let path = "/me/personal_data/export";
        let asked = self.act(&side.owner, Method::POST, path, json!({})).await;
        let id = text(&asked["id"]);
        until("an export has ended", async || {
            let now = self
                .act(&side.owner, Method::GET, "/personal_data/exports", json!({}))
                .await;
            let mut items = now["items"].as_array().unwrap().iter();
            items.any(|item| item["id"] == id.as_str() && item["state"] == "ready")
        })
        .await;
        id
    }

    /// An act on all whom a search finds, of whom nobody is banned.
    async fn bulk(&self, side: &Side) -> String {
        let mut asked = json!({"action": "unban", "filter": {"status": "active"}, "dry_run": true});
        let counted = self
            .act(&side.owner, Method::POST, "/users/bulk", asked.clone())
            .await;
        asked["dry_run"] = json!(false);
        asked["expected"] = counted["count"].clone();
        let made = self.act(&side.owner, Method::POST, "/users/bulk", asked).await;
        text(&made["bulk_id"])
    }

    /// What somebody without rights was told when they were refused.
    async fn refusal(&self, side: &Side) -> String {
        let asked = self.http.get(format!("{}/api/v1/users", self.url));
        let answer = Answer::to(asked.bearer_auth(side.bare.token())).await;
        assert_eq!(answer.status, 403, "{}", answer.text);
        text(&answer.json()["explain_id"])
    }

    /// A live connection of somebody without rights.
    async fn client(&self, side: &Side) -> String {
        let (socket, connected) = self.connected(&side.bare.token()).await;
        let client = text(&connected["connect"]["client"]);
        side.open.lock().push(socket);
        client
    }

    /// A WebSocket, and what its connect is answered.
    pub async fn connected(&self, token: &str) -> (Socket, Value) {
        let url = format!("{}/connection/websocket", self.url.replacen("http", "ws", 1));
        let (mut socket, _) = tokio_tungstenite::connect_async(url).await.unwrap();
        let connect = json!({"id": 1, "connect": {"token": token}});
        socket.send(Message::text(connect.to_string())).await.unwrap();
        let answer = socket.next().await.unwrap().unwrap();
        let answer = match &answer {
            Message::Close(Some(frame)) => json!({"closed": u16::from(frame.code)}),
            other => serde_json::from_str(other.to_text().unwrap()).unwrap(),
        };
        (socket, answer)
    }
}

fn text(value: &Value) -> String {
    value
        .as_str()
        .unwrap_or_else(|| panic!("{value} is no text"))
        .to_owned()
}
