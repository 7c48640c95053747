//! REST: every operation, asked by everybody.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::{Value, json};

use super::spec::Operation;
use super::special;
use super::values::Ids;
use super::wire::{Answer, Asked};
use super::world::{Person, Side, World, none};

/// Codes of 403 by which an operation that only a person may do refuses a program.
const PEOPLE_ONLY: &[&str] = &["auth.session_required", "auth.step_up_needed"];

/// Those who are nobody: what they show.
pub struct Nobodies(pub Vec<(&'static str, String)>);

impl Nobodies {
    pub async fn of(world: &World) -> Self {
        let ended = world.person(&world.ours, &["owner"]).await;
        world.act(&ended, Method::POST, "/auth/logout", json!({})).await;
        let revoked = world.person(&world.ours, &["owner"]).await;
        let me = world.act(&revoked, Method::GET, "/me", json!({})).await;
        let session = format!("/sessions/{}", me["session_id"].as_str().unwrap());
        let shown = revoked.token();
        world
            .act(&world.ours.owner, Method::DELETE, &session, json!({}))
            .await;
        let banned = world.person(&world.ours, &["owner"]).await;
        let ban = format!("/users/{}/ban", banned.id);
        world
            .act(&world.ours.owner, Method::POST, &ban, json!({"reason": "a test"}))
            .await;
        let all = &world.ours.owner.holds;
        let (id, secret) = world.key(&world.ours.owner, all).await;
        world
            .act(
                &world.ours.owner,
                Method::POST,
                &format!("/api_keys/{id}/revoke"),
                json!({}),
            )
            .await;
        Self(vec![
            ("without credentials", String::new()),
            ("with a session that was signed out", ended.token()),
            ("with a session that was revoked", shown),
            (
                "with a token that has run out",
                super::tokens::expired(world, &world.ours.owner).await,
            ),
            ("with the session of a banned person", banned.token()),
            ("with a key that was revoked", secret),
        ])
    }
}

/// Somebody with a role of their own, which is given what is wanted of it.
struct Gauge {
    person: Person,
    role: String,
    key: String,
    secret: String,
}

impl Gauge {
    async fn of(world: &World) -> Self {
        let role = world
            .act(
                &world.ours.owner,
                Method::POST,
                "/roles",
                json!({"name": "Gauge"}),
            )
            .await;
        let (key, secret) = world
            .key(&world.ours.owner, &["users:read".to_owned()].into())
            .await;
        Self {
            person: world.person(&world.ours, &["Gauge"]).await,
            role: role["id"].as_str().unwrap().to_owned(),
            key,
            secret,
        }
    }

    /// Has the role hold these and nothing else.
    async fn hold(&self, world: &World, permissions: &BTreeSet<String>) {
        let grant = |permission: &String| json!({"permission": permission, "effect": "grant"});
        let statements: Vec<Value> = permissions.iter().map(grant).collect();
        let path = format!("/roles/{}", self.role);
        let body = json!({"statements": statements});
        world.act(&world.ours.owner, Method::PATCH, &path, body).await;
    }

    /// Has the key hold these and nothing else.
    async fn scope(&self, world: &World, permissions: &BTreeSet<String>) {
        let path = format!("/api_keys/{}", self.key);
        let body = json!({"scopes": permissions});
        world.act(&world.ours.owner, Method::PATCH, &path, body).await;
    }
}

/// What an operation needs.
#[derive(Default)]
struct Needs {
    all: BTreeSet<String>,
    /// Of these, what is needed to see what it is about: without, that is not there (404).
    to_see: BTreeSet<String>,
}

/// One operation under the eyes of everybody.
struct Trial<'a> {
    world: &'a World,
    operation: &'a Operation,
    faults: Vec<String>,
}

impl Trial<'_> {
    fn fault(&mut self, who: &str, answer: &Answer, wanted: &str) {
        let Operation { id, method, path, .. } = self.operation;
        let text: String = answer.text.chars().take(300).collect();
        self.faults.push(format!(
            "{id} ({method} {path}) {who}: {} {text}\n    wanted: {wanted}",
            answer.status
        ));
    }

    /// Rows to ask for: new ones for what may change them.
    async fn ids(&self, side: &Side) -> Ids {
        if self.operation.writes() {
            self.world.fresh(side, self.operation, false).await
        } else {
            self.world.kept(side, self.operation, false).await
        }
    }

    async fn asked(&self) -> Asked {
        Asked::of(
            &self.world.spec,
            self.operation,
            &self.ids(&self.world.ours).await,
            false,
        )
    }

    async fn of_nobody(&mut self, nobodies: &Nobodies) {
        let asked = self.asked().await;
        for (who, token) in &nobodies.0 {
            let answer = self.world.ask(self.operation, &asked, token).await;
            if answer.status != 401 || answer.headers.get("www-authenticate").is_none() {
                self.fault(who, &answer, "401, and how to sign in");
            }
        }
    }

    /// What the operation needs: what its 403s name, one after the other, until it lets in whoever holds it. What is not there
    /// for whoever may not see it needs the permission to.
    async fn needs(&mut self, gauge: &Gauge) -> Needs {
        let mut needs = Needs::default();
        let asked = self.asked().await;
        loop {
            gauge.hold(self.world, &needs.all).await;
            let answer = self.world.ask_as(self.operation, &asked, &gauge.person).await;
            let seen = self.veil(&answer);
            needs.to_see.extend(seen.clone());
            match answer.missing().or(seen) {
                Some(permission) if needs.all.insert(permission.clone()) => {}
                _ => {
                    self.judge_let_in("with a role of just what it needs", &answer, &needs.all);
                    return needs;
                }
            }
        }
    }

    /// The permission to see what a 404 says is not there.
    fn veil(&self, answer: &Answer) -> Option<String> {
        let code = answer.code();
        let kind = code.strip_suffix(".not_found").filter(|_| answer.status == 404)?;
        let permission = format!("{kind}s:read");
        self.world.ours.owner.holds.get(&permission).cloned()
    }

    fn judge_let_in(&mut self, who: &str, answer: &Answer, needs: &BTreeSet<String>) {
        if !special::may_be(self.operation, answer) {
            let wanted = format!(
                "success: it needs {needs:?}. Where the request does not fit, name its fields in `word`; where another answer is right, \
                 list it in OTHERWISE (tests/api/matrix/special.rs)"
            );
            self.fault(who, answer, &wanted);
        }
        if needs.is_empty() && !special::is_ones_own(self.operation) {
            let wanted = "403: whoever has signed in may do this. If that is right, say why in ONES_OWN (tests/api/matrix/special.rs)";
            self.fault(who, answer, wanted);
        }
    }

    /// Whether somebody is refused as whoever lacks these must be.
    fn is_refusal(answer: &Answer, lacks: &BTreeSet<String>, needs: &Needs) -> bool {
        let hidden = answer.status == 404 && lacks.iter().any(|lacked| needs.to_see.contains(lacked));
        hidden || answer.missing().is_some_and(|missing| lacks.contains(&missing))
    }

    async fn of_roles(&mut self, people: &[(String, Person)], needs: &Needs) {
        let mut asked = self.asked().await;
        for (role, person) in people {
            let who = format!("as {role}");
            let lacks: BTreeSet<_> = needs.all.difference(&person.holds).cloned().collect();
            if lacks.is_empty() && self.operation.writes() {
                asked = self.asked().await;
            }
            let answer = self.world.ask_as(self.operation, &asked, person).await;
            if lacks.is_empty() {
                self.judge_let_in(&who, &answer, &needs.all);
            } else if !Self::is_refusal(&answer, &lacks, needs) {
                self.fault(&who, &answer, &format!("403 that names one of {lacks:?}"));
            }
        }
    }

    /// A program may do what its scopes name, and not what they do not, though its owner may.
    async fn of_keys(&mut self, gauge: &Gauge, needs: &Needs) {
        let all = &self.world.ours.owner.holds;
        let mut asked = self.asked().await;
        for lacked in &needs.all {
            let scopes = all.iter().filter(|scope| *scope != lacked).cloned().collect();
            gauge.scope(self.world, &scopes).await;
            let answer = self.world.ask(self.operation, &asked, &gauge.secret).await;
            let refused = PEOPLE_ONLY.contains(&&*answer.code());
            if !refused && !Self::is_refusal(&answer, &[lacked.clone()].into(), needs) {
                self.fault(
                    "with a key without the scope",
                    &answer,
                    &format!("403 that names {lacked}"),
                );
            }
        }
        if needs.all.is_empty() {
            return;
        }
        gauge.scope(self.world, &needs.all).await;
        if self.operation.writes() {
            asked = self.asked().await;
        }
        let answer = self.world.ask(self.operation, &asked, &gauge.secret).await;
        if !PEOPLE_ONLY.contains(&&*answer.code()) {
            self.judge_let_in("with a key of just the scopes", &answer, &needs.all);
        }
    }
}

/// Somebody with each of the predefined roles.
pub async fn predefined(world: &World) -> Vec<(String, Person)> {
    let organization = world.ours.organization;
    let names =
        format!("SELECT name FROM roles WHERE predefined AND organization_id = '{organization}' ORDER BY id");
    let mut people = Vec::new();
    for name in world.cluster.test.texts(names).await {
        let person = world.person(&world.ours, &[&name]).await;
        people.push((name, person));
    }
    people
}

#[tokio::test(flavor = "multi_thread")]
async fn every_operation_lets_in_whoever_holds_what_it_needs_and_nobody_else() {
    let world = World::start().await;
    let (nobodies, gauge) = (Nobodies::of(&world).await, Gauge::of(&world).await);
    let people = predefined(&world).await;
    assert!(people.len() >= 7, "there are too few predefined roles");
    let mut faults = special::outdated(|id| world.spec.operation(id).is_some());
    let mut named = BTreeSet::new();
    for operation in &world.spec.operations {
        let mut trial = Trial {
            world: &world,
            operation,
            faults: Vec::new(),
        };
        if operation.open {
            continue;
        }
        trial.of_nobody(&nobodies).await;
        if !special::is_judged_elsewhere(operation) {
            let needs = trial.needs(&gauge).await;
            trial.of_roles(&people, &needs).await;
            trial.of_keys(&gauge, &needs).await;
            named.extend(needs.all);
        }
        faults.append(&mut trial.faults);
    }
    // the gauge itself is one that moves
    assert!(named.len() >= 20, "next to nothing was asked for: {named:?}");
    none("Who may do what is not as the permissions say:", faults);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_asks_without_credentials_is_served_by_sign_in_and_what_is_said_to_be_open_alone() {
    let world = World::start().await;
    let mut faults = Vec::new();
    for operation in world.spec.operations.iter().filter(|operation| operation.open) {
        let ids = world.kept(&world.ours, operation, false).await;
        let asked = Asked::of(&world.spec, operation, &ids, false);
        let answer = world.ask(operation, &asked, "").await;
        let told = format!("{} {}", operation.id, answer.text);
        if answer.status >= 500 {
            faults.push(format!("{told}: fails"));
        }
        let ids = world.ids_of(&world.ours).await;
        if ids.iter().any(|id| answer.text.contains(id)) {
            faults.push(format!("{told}: tells nobody of a row"));
        }
        if !operation.path.starts_with("/api/v1/auth") && !special::is_open(operation) {
            faults.push(format!(
                "{told}: is open to whoever asks. If that is right, say why in OPEN (tests/api/matrix/special.rs)"
            ));
        }
    }
    none("What is open to whoever asks:", faults);
}
