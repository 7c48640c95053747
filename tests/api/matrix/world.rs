//! A running hub with two organizations, and everybody who could ask.

use std::collections::BTreeSet;
use std::sync::Arc;

use parking_lot::Mutex;
use reqwest::{Client, Method};
use serde_json::{Value, json};
use signalbox_core::kernel::id::{OrganizationId, UserId};
use signalbox_core::roles;
use tokio::net::TcpStream;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use super::spec::{Operation, Spec};
use super::values::{Ids, number};
use super::wire::{Answer, Asked};
use crate::faults::relay::cluster::{Cluster, until};

/// Everybody's password.
pub const PASSWORD: &str = "correct horse battery";

/// An application's channel, every transport, passwords that are quick to check, and nobody slowed down.
const SETTINGS: &[(&str, &str)] = &[
    ("SIGNALBOX__AUTH__ARGON2_MEMORY_KIB", "8"),
    ("SIGNALBOX__AUTH__ARGON2_PASSES", "1"),
    // every operation is asked with bad keys and tokens, from one address
    ("SIGNALBOX__AUTH__FAILURES_PER_ADDRESS_PER_MINUTE", "10000"),
    ("SIGNALBOX__LIVE__NAMESPACES__BOARD__HISTORY_SIZE", "10"),
    ("SIGNALBOX__LIVE__NAMESPACES__BOARD__HISTORY_TTL", "5m"),
    ("SIGNALBOX__LIVE__TRANSPORTS__HTTP_STREAM", "true"),
    ("SIGNALBOX__LIVE__TRANSPORTS__SSE", "true"),
    ("SIGNALBOX__LIVE__TRANSPORTS__UNI_SSE", "true"),
    ("SIGNALBOX__LIVE__TRANSPORTS__UNI_HTTP_STREAM", "true"),
    ("SIGNALBOX__LIVE__TRANSPORTS__UNI_WEBSOCKET", "true"),
    ("SIGNALBOX__LIVE__ALLOWED_ORIGINS", "https://app.example.com"),
];

/// A client's connection.
pub type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// See the module.
pub struct World {
    pub cluster: Cluster,
    pub spec: Spec,
    pub http: Client,
    pub url: String,
    /// The organization that is looked at.
    pub ours: Side,
    /// Another one of the same hub.
    pub theirs: Side,
    password_hash: String,
}

/// One organization.
pub struct Side {
    pub organization: OrganizationId,
    /// Words that stand in its rows.
    pub mark: &'static str,
    /// Holds every permission.
    pub owner: Person,
    /// Holds none.
    pub bare: Person,
    /// May make keys, and nothing else.
    pub keeper: Person,
    /// Rows for whoever only looks.
    pub kept: Mutex<Ids>,
    /// Connections that stay open.
    pub open: Mutex<Vec<Socket>>,
}

/// Somebody who signs in, again where their session was ended.
#[derive(Clone)]
pub struct Person {
    pub id: UserId,
    pub email: String,
    /// What their role holds.
    pub holds: BTreeSet<String>,
    token: Arc<Mutex<String>>,
}

impl Person {
    pub fn token(&self) -> String {
        self.token.lock().clone()
    }
}

impl World {
    pub async fn start() -> Self {
        Self::start_with(SETTINGS).await
    }

    async fn start_with(settings: &'static [(&'static str, &'static str)]) -> Self {
        let cluster = Cluster::start_with(1, settings).await;
        let passwords = &cluster.store.passwords;
        let turn = passwords.turn().await.unwrap();
        let password_hash = passwords.hash(turn, PASSWORD.into()).await.unwrap();
        let another = OrganizationId::new();
        let made = format!("INSERT INTO organizations (id, name) VALUES ('{another}', 'Another')");
        cluster.test.sql(made).await;
        let mut tx = cluster.store.db.bookkeeping().await.unwrap();
        roles::predefine(&mut tx, another, cluster.store.clock.now())
            .await
            .unwrap();
        tx.commit().await.unwrap();
        let url = cluster.nodes[0].url.clone();
        let nobody = || Person {
            id: UserId::new(),
            email: String::new(),
            holds: BTreeSet::new(),
            token: Arc::default(),
        };
        let side = |organization, mark| Side {
            organization,
            mark,
            owner: nobody(),
            bare: nobody(),
            keeper: nobody(),
            kept: Mutex::default(),
            open: Mutex::default(),
        };
        let mut world = Self {
            ours: side(cluster.test.organization, "Ourmark"),
            theirs: side(another, "Theirmark"),
            cluster,
            spec: Spec::of_program(),
            http: crate::harness::client(),
            url,
            password_hash,
        };
        world.ours.owner = world.person(&world.ours, &["owner"]).await;
        world.ours.bare = world.person(&world.ours, &[]).await;
        world.theirs.owner = world.person(&world.theirs, &["owner"]).await;
        world.theirs.bare = world.person(&world.theirs, &[]).await;
        for side in [&world.ours, &world.theirs] {
            // where the tests come from stays allowed, whatever rules are made
            let here = json!({"cidr": "127.0.0.0/8"});
            world.act(&side.owner, Method::POST, "/ip_rules", here).await;
            let statement = json!({"permission": "api_keys:manage", "effect": "grant"});
            let keeper = json!({"name": "Keeper", "statements": [statement]});
            world.act(&side.owner, Method::POST, "/roles", keeper).await;
        }
        world.ours.keeper = world.person(&world.ours, &["Keeper"]).await;
        world.theirs.keeper = world.person(&world.theirs, &["Keeper"]).await;
        world
    }

    /// Somebody new who holds roles of these names, signed in.
    pub async fn person(&self, side: &Side, roles: &[&str]) -> Person {
        let (id, organization, mark) = (UserId::new(), side.organization, side.mark);
        let email = format!("{mark}-{}@example.com", number()).to_lowercase();
        let names: Vec<String> = roles.iter().map(|name| format!("'{name}'")).collect();
        let names = if names.is_empty() {
            "NULL".to_owned()
        } else {
            names.join(",")
        };
        let hash = &self.password_hash;
        let made = format!(
            "INSERT INTO users (id, organization_id, email, name, phone, password_hash)
             VALUES ('{id}', '{organization}', '{email}', '{mark} person', '{mark} phone', '{hash}');
             INSERT INTO user_roles (organization_id, user_id, role_id)
             SELECT '{organization}', '{id}', id FROM roles WHERE organization_id = '{organization}' AND name IN ({names})"
        );
        self.cluster.test.sql(made).await;
        let held = format!(
            "SELECT p.permission FROM role_permissions p JOIN roles r ON r.id = p.role_id
             WHERE r.organization_id = '{organization}' AND r.name IN ({names}) AND p.granted"
        );
        let person = Person {
            id,
            email,
            holds: self.cluster.test.texts(held).await.into_iter().collect(),
            token: Arc::default(),
        };
        self.sign_in(&person).await;
        person
    }

    /// Gives them another session.
    pub async fn sign_in(&self, person: &Person) {
        let body = json!({"email": person.email, "password": PASSWORD});
        let asked = self.http.post(format!("{}/api/v1/auth/login", self.url));
        let answer = Answer::to(asked.json(&body)).await;
        assert_eq!(answer.status, 200, "signing in: {}", answer.text);
        let token = answer.json()["access_token"].as_str().unwrap().to_owned();
        *person.token.lock() = token;
    }

    /// What whoever shows this is answered.
    pub async fn ask(&self, operation: &Operation, asked: &Asked, token: &str) -> Answer {
        let request = asked.request(&self.http, &self.url, operation);
        Answer::to(if token.is_empty() {
            request
        } else {
            request.bearer_auth(token)
        })
        .await
    }

    /// What somebody is answered whose session an earlier request may have ended: then they sign in and ask again.
    pub async fn ask_as(&self, operation: &Operation, asked: &Asked, who: &Person) -> Answer {
        let answer = self.ask(operation, asked, &who.token()).await;
        if answer.status != 401 && answer.code() != "auth.step_up_needed" {
            return answer;
        }
        self.sign_in(who).await;
        self.ask(operation, asked, &who.token()).await
    }

    /// What somebody is answered to a request that must succeed.
    pub async fn act(&self, who: &Person, method: Method, path: &str, body: Value) -> Value {
        let send = || {
            let request = self
                .http
                .request(method.clone(), format!("{}/api/v1{path}", self.url));
            let request = if method == Method::GET {
                request
            } else {
                request.json(&body)
            };
            Answer::to(request.bearer_auth(who.token()))
        };
        let mut answer = send().await;
        if answer.status == 401 || answer.code() == "auth.step_up_needed" {
            self.sign_in(who).await;
            answer = send().await;
        }
        assert!(
            (200..300).contains(&answer.status),
            "{method} {path}: {} {}",
            answer.status,
            answer.text
        );
        answer.json()
    }

    /// A key of somebody's, with these scopes: its id and secret.
    pub async fn key(&self, who: &Person, scopes: &BTreeSet<String>) -> (String, String) {
        let name = format!("{} key", number());
        let made = self
            .act(
                who,
                Method::POST,
                "/api_keys",
                json!({"name": name, "scopes": scopes}),
            )
            .await;
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        (text(&made["id"]), text(&made["secret"]))
    }

    /// Every row of an organization, by table, as a digest: what requests of others must leave alone. What the machine notes
    /// about itself is left out, and so are the lines of imports, which it sweeps away, and the signatures
    /// that it puts to the audit log by the clock, and the list of whose rows memory must let go.
    pub async fn digests(&self, side: &Side) -> Vec<String> {
        self.settled().await;
        let organization = side.organization;
        let tables = self
            .cluster
            .test
            .texts(
                "SELECT c.relname::text FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'organization_id'
                 WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relnamespace = 'public'::regnamespace
                   AND c.relname NOT IN ('import_rows', 'audit_checkpoints', 'users_touched') ORDER BY 1",
            )
            .await;
        assert!(tables.len() > 20, "{tables:?}");
        let one = |table: &String| {
            format!(
                "SELECT '{table} ' || count(*) || ' ' || md5(coalesce(string_agg(row, '|' ORDER BY row), '')) FROM
                 (SELECT (to_jsonb(t) - ARRAY['last_seen_at', 'last_used_at', 'last_used_ip', 'published_at', 'ordered_at',
                  'updated_at', 'dispatched_at', 'until', 'version', 'phase', 'staged'])::text AS row FROM {table} t WHERE organization_id = '{organization}') AS rows"
            )
        };
        let all: Vec<_> = tables.iter().map(one).collect();
        self.cluster.test.texts(all.join(" UNION ALL ")).await
    }

    /// Waits until nothing is on its way: no job, no event, no entry that is not chained.
    pub async fn settled(&self) {
        self.cluster.settled().await;
        let left = "SELECT (SELECT count(*) FROM jobs WHERE finished_at IS NULL AND run_at <= now()) + (SELECT count(*) FROM audit_unchained)";
        until("nothing is on its way", async || {
            self.cluster.test.count(left).await == 0
        })
        .await;
    }

    /// Every id of an organization's rows.
    pub async fn ids_of(&self, side: &Side) -> BTreeSet<String> {
        let organization = side.organization;
        let tables = self
            .cluster
            .test
            .texts(
                "SELECT c.relname::text FROM pg_class c
                 JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'organization_id'
                 JOIN pg_attribute i ON i.attrelid = c.oid AND i.attname = 'id' AND i.atttypid = 'uuid'::regtype
                 WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relnamespace = 'public'::regnamespace",
            )
            .await;
        let one =
            |table: &String| format!("SELECT id::text FROM {table} WHERE organization_id = '{organization}'");
        let all: Vec<_> = tables.iter().map(one).collect();
        let mut ids: BTreeSet<String> = self
            .cluster
            .test
            .texts(all.join(" UNION ALL "))
            .await
            .into_iter()
            .collect();
        ids.insert(organization.to_string());
        ids
    }
}

/// What goes wrong, all at once: one run tells everything.
pub fn none(what: &str, faults: Vec<String>) {
    assert!(faults.is_empty(), "{what}\n  {}", faults.join("\n  "));
}
