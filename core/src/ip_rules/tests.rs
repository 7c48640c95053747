use super::*;
use crate::kernel::ctx::{Actor, Credential, Ctx};
use crate::kernel::id::{ApiKeyId, RoleId, SessionId, UserId};
use crate::testing::{self, TestStore};
use std::net::IpAddr;

async fn person(test: &TestStore, from: &str) -> (UserId, Ctx) {
    let user = test.person().await;
    let mut ctx = Ctx::system(test.organization, "test");
    ctx.actor = Actor::User(user);
    ctx.credential = Credential::Session(SessionId::new());
    ctx.authenticated_at = Some(test.store.clock.now());
    ctx.ip = from.parse().ok();
    ctx.permissions = ["ip_rules:read", "ip_rules:manage"].into_iter().collect();
    (user, ctx)
}

async fn role(test: &TestStore, holder: UserId) -> RoleId {
    let (role, organization) = (RoleId::new(), test.organization);
    test.sql(format!(
        "INSERT INTO roles (id, organization_id, name) VALUES ('{role}', '{organization}', '{role}');
         INSERT INTO user_roles (organization_id, user_id, role_id) VALUES ('{organization}', '{holder}', '{role}')"
    ))
    .await;
    role
}

fn new(role: Option<RoleId>, cidr: &str) -> NewIpRule {
    NewIpRule {
        role,
        cidr: cidr.to_owned(),
        note: "the office".to_owned(),
    }
}

fn ip(text: &str) -> Option<IpAddr> {
    text.parse().ok()
}

#[test]
fn without_rules_all_come_in_and_with_them_only_whom_every_list_that_is_for_them_allows() {
    let (role, other) = (RoleId::new(), RoleId::new());
    let mut rules = Rules::default();
    assert!(rules.admit(&[role], None) && rules.admit(&[], ip("203.0.113.9")));
    rules.add("role", role.0, "10.1.0.0/16".parse().unwrap());
    assert!(rules.admit(&[other], None), "it is for holders of the role");
    assert!(rules.admit(&[role], ip("10.1.2.3")) && !rules.admit(&[role], ip("10.2.0.1")));
    assert!(
        !rules.admit(&[role], None),
        "an unknown address is none that is allowed"
    );
    rules.add("organization", uuid::Uuid::nil(), "10.0.0.0/8".parse().unwrap());
    rules.add(
        "organization",
        uuid::Uuid::nil(),
        "2001:db8::/32".parse().unwrap(),
    );
    assert!(rules.admit(&[], ip("2001:db8::9")) && rules.admit(&[], ip("::ffff:10.2.0.1")));
    assert!(
        !rules.admit(&[role], ip("2001:db8::9")),
        "the role's list holds as well"
    );
    assert!(!rules.admit(&[], ip("203.0.113.9")));
}

#[tokio::test]
async fn nobody_shuts_themselves_out_whether_by_a_new_rule_or_by_taking_one_away() {
    let test = testing::store().await;
    let store = &test.store;
    let (user, ctx) = person(&test, "192.0.2.7").await;
    let shut_out = create(store, &ctx, &new(None, "10.0.0.0/8")).await.unwrap_err();
    assert_eq!(shut_out.code, "ip_rules.would_shut_you_out");
    assert!(shut_out.detail.contains("192.0.2.7"), "{}", shut_out.detail);
    let own = create(store, &ctx, &new(None, "192.0.2.0/24")).await.unwrap();
    create(store, &ctx, &new(None, "10.0.0.0/8")).await.unwrap();
    assert_eq!(
        delete(store, &ctx, own.id).await.unwrap_err().code,
        "ip_rules.would_shut_you_out"
    );
    let mine = role(&test, user).await;
    let refused = create(store, &ctx, &new(Some(mine), "10.0.0.0/8"))
        .await
        .unwrap_err();
    assert_eq!(refused.code, "ip_rules.would_shut_you_out");
    let theirs = role(&test, test.person().await).await;
    create(store, &ctx, &new(Some(theirs), "10.0.0.0/8"))
        .await
        .unwrap();
    let (_, elsewhere) = person(&test, "10.0.0.9").await;
    delete(store, &elsewhere, own.id).await.unwrap();
    assert!(!admits(&store.db, test.organization, user, ctx.ip).await.unwrap());
    assert_eq!(clear(store, test.organization).await.unwrap(), 2);
    assert!(admits(&store.db, test.organization, user, ctx.ip).await.unwrap());
    let told = "SELECT count(*) FROM revocations WHERE kind = 'ip_rule'";
    assert_eq!(
        test.count(told).await,
        5,
        "each change has everybody looked at again"
    );
}

#[tokio::test]
async fn rules_are_listed_with_whom_they_are_for_and_slips_are_named() {
    let test = testing::store().await;
    let store = &test.store;
    let (_, ctx) = person(&test, "::ffff:192.0.2.7").await;
    create(store, &ctx, &new(None, "192.0.2.7")).await.unwrap();
    let twice = create(store, &ctx, &new(None, "192.0.2.7/32")).await.unwrap_err();
    assert_eq!(twice.code, "ip_rules.exists");
    let listed = list(store, &ctx).await.unwrap();
    assert_eq!(listed.your_address, ip("192.0.2.7"));
    let rule = &listed.items[0];
    assert_eq!(
        (rule.cidr.as_str(), rule.applies_to.name.as_deref()),
        ("192.0.2.7/32", Some("Test"))
    );
    assert_eq!(rule.created_by.name.as_deref(), Some("Test Person"));
    assert_eq!(rule.can, ["ip_rules.delete"]);
    for (wrong, field) in [("192.0.2.7/24", "cidr"), ("office", "cidr")] {
        let error = create(store, &ctx, &new(None, wrong)).await.unwrap_err();
        assert_eq!(error.errors[0].field, field);
    }
    let no_role = create(store, &ctx, &new(Some(RoleId::new()), "192.0.2.7"))
        .await
        .unwrap_err();
    assert_eq!(no_role.errors[0].field, "role");
    let mut by_key = ctx.clone();
    by_key.credential = Credential::ApiKey(ApiKeyId::new());
    let refused = create(store, &by_key, &new(None, "192.0.2.8")).await.unwrap_err();
    assert_eq!(refused.code, "auth.session_required");
    let mut without = ctx.clone();
    without.permissions = [""; 0].into_iter().collect();
    assert_eq!(
        list(store, &without).await.unwrap_err().code,
        "permission.missing"
    );
    assert_eq!(
        delete(store, &without, rule.id).await.unwrap_err().code,
        "permission.missing"
    );
}
