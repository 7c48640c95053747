//! V11, cryptography.

use super::json_of;
use crate::harness::{PASSWORD, hub};
use reqwest::Method;
use serde_json::json;
use std::collections::BTreeSet;

#[tokio::test]
async fn v5_0_0_11_3_3_what_is_sealed_and_changed_afterwards_is_not_opened() {
    let hub = hub().await;
    let owner = hub.owner().await;
    let sealed = "SELECT encode(private_key, 'hex') FROM signing_keys";
    let sealed = hex::decode(&hub.test.texts(sealed).await[0]).unwrap();
    let opener = &hub.test.store.sealer;
    assert!(opener.open_bytes(b"signing key", &sealed).is_some());
    assert!(opener.open_bytes(b"another purpose", &sealed).is_none());
    for at in 0..sealed.len() {
        let mut changed = sealed.clone();
        changed[at] ^= 1;
        assert!(opener.open_bytes(b"signing key", &changed).is_none(), "byte {at}");
    }
    assert_eq!(hub.get(&owner, "/me").await.status(), 200);
}

#[tokio::test]
async fn v5_0_0_11_4_2_passwords_are_kept_by_argon2id_with_a_salt_each() {
    let hub = hub().await;
    for n in 0..2 {
        let owner = hub.owner().await;
        let person = json!({"email": format!("{n}@example.com"), "name": "A", "password": PASSWORD});
        assert_eq!(
            hub.send(&owner, Method::POST, "/users", person).await.status(),
            201
        );
    }
    let kept = hub
        .test
        .texts("SELECT password_hash FROM users WHERE password_hash IS NOT NULL")
        .await;
    assert_eq!(
        (kept.len(), kept.iter().collect::<BTreeSet<_>>().len()),
        (3, 3),
        "the same password three times"
    );
    assert!(kept.iter().all(|hash| hash.starts_with("$argon2id$")));
    let settings = include_str!("../../../src/config/default.toml");
    let number = |name: &str| -> u32 {
        let line = settings.lines().find(|line| line.starts_with(name)).unwrap();
        line.split('=')
            .nth(1)
            .unwrap()
            .trim()
            .replace('_', "")
            .parse()
            .unwrap()
    };
    // the least that OWASP's cheat sheet on password storage names
    assert!(number("argon2_memory_kib") >= 19_456 && number("argon2_passes") >= 2);
}

#[tokio::test]
async fn v5_0_0_11_5_1_secrets_are_random_and_long() {
    let hub = hub().await;
    let owner = hub.owner().await;
    let mut secrets = BTreeSet::new();
    for n in 0..4 {
        let new = json!({"name": format!("Key {n}"), "scopes": ["users:read"]});
        let key = json_of(hub.send(&owner, Method::POST, "/api_keys", new).await).await;
        let secret = key["secret"]
            .as_str()
            .unwrap()
            .rsplit('_')
            .next()
            .unwrap()
            .to_owned();
        assert!(secret.len() >= 43, "256 bits in base 62 are 43 characters");
        assert!(secrets.insert(secret));
    }
    let kept = hub
        .test
        .texts("SELECT row_to_json(k)::text FROM api_keys k")
        .await;
    assert!(
        secrets
            .iter()
            .all(|secret| kept.iter().all(|row| !row.contains(secret.as_str()))),
        "only a hash is kept"
    );
}
