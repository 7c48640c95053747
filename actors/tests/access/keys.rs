//! API keys and IP rules in the SessionKeeper: as good and as quickly gone as sessions.

use std::net::IpAddr;
use std::time::Duration;

use signalbox_actors::session_keeper::{ACCESS_ENDED, Denied, Options, SIGNED_OUT};
use signalbox_core::api_keys::{self, NewApiKey, Revealed, Rotation, secret};
use signalbox_core::bus::control::RevocationKind::{IpRule, User};
use signalbox_core::kernel::ctx::{Actor, Credential, Ctx};
use signalbox_core::kernel::id::{SessionId, UserId};
use signalbox_core::sessions::standing::{Evidence, Refused};
use signalbox_core::testing::{TestStore, eventually};

use crate::stage::*;

/// Nothing but hearing and the table: what is kept is kept until then.
fn patient() -> Options {
    Options {
        trust: Duration::from_mins(10),
        refresh: Duration::from_mins(10),
        ..Options::default()
    }
}

fn ctx(test: &TestStore, person: UserId) -> Ctx {
    let mut ctx = Ctx::system(test.organization, "test");
    ctx.actor = Actor::User(person);
    ctx.credential = Credential::Session(SessionId::new());
    ctx.authenticated_at = Some(test.store.clock.now());
    ctx.permissions = ["api_keys:read", "api_keys:manage", "users:read"]
        .into_iter()
        .collect();
    ctx
}

async fn key(test: &TestStore, person: UserId, addresses: &[&str]) -> Revealed {
    let new = NewApiKey {
        name: "Test".to_owned(),
        scopes: vec!["users:read".to_owned()],
        addresses: addresses.iter().map(|address| (*address).to_owned()).collect(),
        requests_per_minute: None,
        resource_limits: std::collections::BTreeMap::new(),
        expires_at: None,
    };
    // commits elsewhere: the node under test hears of it only as it hears of another's
    api_keys::create(&test.store, &ctx(test, person), "live", &new)
        .await
        .unwrap()
}

fn hash(revealed: &Revealed) -> secret::Hash {
    secret::read(&revealed.secret, "live").unwrap()
}

fn ip(text: &str) -> Option<IpAddr> {
    text.parse().ok()
}

/// Waits until the node has read revocations once, before which it keeps nothing.
async fn until_kept(node: &Node, hash: &secret::Hash) {
    eventually("it is kept", async || {
        node.keeper.key(hash, None).await.is_ok() && node.keeper.sessions() == 1
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_good_key_is_answered_from_memory_and_an_unknown_one_never() {
    let test = test().await;
    let node = Node::on(&test, patient()).await;
    let person = test.person().await;
    let (made, other) = (key(&test, person, &[]).await, key(&test, person, &[]).await);
    until_kept(&node, &hash(&made)).await;
    let from = ip("::ffff:192.0.2.9");
    let (known, generation) = node.keeper.key(&hash(&made), from).await.unwrap();
    assert_eq!(
        (known.user, known.credential, generation),
        (person, made.key.id.into(), 1)
    );
    assert_eq!(
        node.keeper.key(&[7; 32], None).await,
        Err(Refused::Unknown.into())
    );
    node.keeper.flush().await;
    let used = "SELECT count(*) FROM api_keys WHERE last_used_at > created_at AND last_used_ip = '192.0.2.9'";
    assert_eq!(
        test.count(used).await,
        1,
        "when and from where it was used is written"
    );
    node.store.db.close().await;
    assert!(node.keeper.key(&hash(&made), None).await.is_ok());
    assert_eq!(
        node.keeper.key(&hash(&other), None).await,
        Err(Denied::Unavailable)
    );
    node.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_key_ends_what_is_open_and_a_banned_owners_is_looked_at_again_and_nothing_comes_back() {
    let test = test().await;
    let node = Node::on(&test, patient()).await;
    let person = test.person().await;
    let (made, other) = (key(&test, person, &[]).await, key(&test, person, &[]).await);
    until_kept(&node, &hash(&made)).await;
    let (one, two) = (wire(), wire());
    let _one = node.keeper.attach(made.key.id, one.clone()).await.unwrap();
    let _two = node.keeper.attach(other.key.id, two.clone()).await.unwrap();
    api_keys::revoke(&test.store, &ctx(&test, person), made.key.id, "leaked")
        .await
        .unwrap();
    until("the stream of the key ends", || one.ended().is_some()).await;
    assert_eq!(
        one.ended().unwrap(),
        (SIGNED_OUT, "signed out: API key revoked".to_owned())
    );
    assert_eq!(two.ended(), None, "the other key is as good as before");
    assert!(matches!(
        node.keeper.key(&hash(&made), None).await,
        Err(Denied::Refused(Refused::Revoked(_)))
    ));
    assert!(node.keeper.attach(made.key.id, wire()).await.is_err());
    let ban = format!("UPDATE users SET status = 'banned' WHERE id = '{person}'");
    revoke_elsewhere(&test, User, person.0, None, &ban).await;
    until("what is open by the owner's other key is judged anew", || {
        *two.rights_changed.lock() == 1
    })
    .await;
    assert_eq!(
        node.keeper.key(&hash(&other), None).await,
        Err(Refused::Banned.into())
    );
    node.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_password_of_its_owner_ends_their_sessions_and_not_their_keys() {
    let test = test().await;
    let node = Node::on(&test, patient()).await;
    let person = test.person().await;
    let made = key(&test, person, &[]).await;
    until_kept(&node, &hash(&made)).await;
    let session = test.session(person).await;
    let (by_key, by_session) = (wire(), wire());
    let _one = node.keeper.attach(made.key.id, by_key.clone()).await.unwrap();
    let _two = node.keeper.attach(session, by_session.clone()).await.unwrap();
    let reset = format!("UPDATE user_sessions SET revoked_at = now() WHERE id = '{session}'");
    revoke_elsewhere(&test, User, person.0, None, &reset).await;
    until("the session ends", || by_session.ended().is_some()).await;
    assert_eq!(by_session.ended().unwrap().0, ACCESS_ENDED);
    until("the key is asked about", || *by_key.rights_changed.lock() == 1).await;
    assert!(by_key.ended().is_none());
    assert!(node.keeper.key(&hash(&made), None).await.is_ok());
    node.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_rule_for_a_role_binds_those_who_were_given_it_before_anybody_asked_for_roles() {
    let test = test().await;
    // with the first owner come the roles that every organization has
    test.with_owner().await;
    let node = Node::on(&test, patient()).await;
    let person = test.person().await;
    let session = test.session(person).await;
    let here = ip("192.0.2.1");
    eventually("it is kept", async || {
        let known = node.keeper.known(session).await.unwrap();
        node.keeper.allowed(&known, here).await.is_ok() && node.keeper.sessions() == 1
    })
    .await;
    let (organization, viewer) = (test.organization, "(SELECT id FROM roles WHERE name = 'viewer')");
    // which is of no interest to what is kept, while no rule is for a role
    test.sql(format!(
        "INSERT INTO user_roles (organization_id, user_id, role_id) VALUES ('{organization}', '{person}', {viewer})"
    ))
    .await;
    let rule = format!(
        "INSERT INTO ip_rules (id, organization_id, subject_kind, subject_id, cidr)
         VALUES (gen_random_uuid(), '{organization}', 'role', {viewer}, '10.0.0.0/8')"
    );
    revoke_elsewhere(&test, IpRule, organization.0, None, &rule).await;
    eventually("they are not let in from there", async || {
        let known = node.keeper.known(session).await.unwrap();
        node.keeper.allowed(&known, here).await == Err(Denied::from(Refused::Address))
    })
    .await;
    node.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replaced_secret_is_refused_and_what_is_open_by_it_is_looked_at_again() {
    let test = test().await;
    let node = Node::on(&test, patient()).await;
    let person = test.person().await;
    let made = key(&test, person, &[]).await;
    until_kept(&node, &hash(&made)).await;
    let open = wire();
    let _held = node.keeper.attach(made.key.id, open.clone()).await.unwrap();
    let rotate = async |grace_seconds| {
        let rotation = Rotation { grace_seconds };
        api_keys::rotate(&test.store, &ctx(&test, person), "live", made.key.id, rotation)
            .await
            .unwrap()
    };
    let next = rotate(8).await;
    // the new secret is good at once, before this node has heard of anything
    assert_eq!(node.keeper.key(&hash(&next), None).await.unwrap().1, 2);
    until("the change is heard", || *open.rights_changed.lock() >= 1).await;
    assert_eq!(
        node.keeper.key(&hash(&made), None).await.unwrap().1,
        1,
        "it has its grace"
    );
    let told = *open.rights_changed.lock();
    until("the end of the grace is told", || {
        *open.rights_changed.lock() > told
    })
    .await;
    assert_eq!(
        node.keeper.key(&hash(&made), None).await,
        Err(Refused::Replaced.into())
    );
    let now = node.store.clock.now();
    let known = node.keeper.known(made.key.id).await.unwrap();
    assert_eq!(
        known.check_evidence(Evidence::Secret(1), now),
        Err(Refused::Replaced)
    );
    assert_eq!(
        open.ended(),
        None,
        "whoever has it open asks with their own generation"
    );
    node.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn addresses_are_asked_of_memory_and_a_changed_rule_is_heard_like_a_ban() {
    let test = test().await;
    let node = Node::on(&test, patient()).await;
    let person = test.person().await;
    let made = key(&test, person, &["10.0.0.0/8"]).await;
    eventually("it is kept", async || {
        node.keeper.key(&hash(&made), ip("10.1.2.3")).await.is_ok() && node.keeper.sessions() == 1
    })
    .await;
    let denied = Err(Denied::from(Refused::Address));
    assert_eq!(
        node.keeper.key(&hash(&made), ip("192.0.2.1")).await.map(drop),
        denied
    );
    assert_eq!(node.keeper.key(&hash(&made), None).await.map(drop), denied);
    let session = test.session(person).await;
    let known = node.keeper.known(session).await.unwrap();
    assert!(
        node.keeper.allowed(&known, None).await.is_ok(),
        "there is no rule for sessions yet"
    );
    let open = wire();
    let _held = node.keeper.attach(session, open.clone()).await.unwrap();
    let organization = test.organization;
    let rule = format!(
        "INSERT INTO ip_rules (id, organization_id, subject_kind, subject_id, cidr)
         VALUES (gen_random_uuid(), '{organization}', 'organization', '{organization}', '10.0.0.0/8')"
    );
    revoke_elsewhere(&test, IpRule, organization.0, None, &rule).await;
    until("open connections are told", || *open.rights_changed.lock() >= 1).await;
    assert_eq!(node.keeper.allowed(&known, ip("192.0.2.1")).await, denied);
    assert_eq!(node.keeper.allowed(&known, None).await, denied);
    assert!(node.keeper.allowed(&known, ip("10.9.9.9")).await.is_ok());
    // many at once are answered by few reads, and the database gone, memory answers
    let asked = futures::future::join_all((0..100).map(|_| node.keeper.allowed(&known, ip("10.9.9.9"))));
    assert!(asked.await.iter().all(Result::is_ok));
    node.store.db.close().await;
    assert!(node.keeper.allowed(&known, ip("10.9.9.9")).await.is_ok());
    assert_eq!(node.keeper.allowed(&known, ip("192.0.2.1")).await, denied);
    node.end().await;
}
