use super::*;

fn refused(password: &str, own: &[&str]) -> Option<String> {
    let error = plain(&password.into(), "password", own).err()?;
    Some(error.errors[0].code.to_string())
}

#[test]
fn length_is_all_that_is_asked_and_64_characters_and_more_are_welcome() {
    assert_eq!(refused("sieben7", &[]).as_deref(), Some("too_short"));
    assert_eq!(
        refused("wortlose", &[]),
        None,
        "no digits, capitals or signs are asked for"
    );
    assert_eq!(refused("ÄÖÜß äöü", &[]), None, "characters count, not bytes");
    let long: String = ('a'..='z').cycle().take(64).collect();
    assert_eq!(refused(&format!("{long} and so on"), &[]), None);
    assert_eq!(refused(&format!("{long}{long}"), &[]), None);
    assert_eq!(
        refused(&format!("{long}{long}!"), &[]).as_deref(),
        Some("too_long")
    );
}

#[test]
fn what_guessers_try_first_is_refused_whatever_its_case() {
    for common in [
        "password1",
        "PassWord123",
        "qwertyuiop",
        "12345678",
        "letmein123",
        "Summer2024",
        "iloveyou",
        "aaaaaaaaaaaa",
        "abababababababab",
    ] {
        assert_eq!(refused(common, &[]).as_deref(), Some("common"), "{common}");
    }
    assert!(COMMON.len() > 3_000, "{}", COMMON.len());
    assert!(
        COMMON
            .iter()
            .all(|word| word.chars().count() >= SHORTEST && *word == word.to_lowercase())
    );
}

#[test]
fn ones_own_name_and_address_and_the_products_are_no_password() {
    let ada = ["ada.lovelace@analytical-engines.example", "Ada Lovelace"];
    for own in [
        "lovelace1815",
        "LoveLace!!",
        "analytical1",
        "engines-lovelace",
        "signalbox-hub7",
        "SignalBox+hub",
    ] {
        assert_eq!(refused(own, &ada).as_deref(), Some("own"), "{own}");
    }
    assert_eq!(
        refused("lovelace plays the hornpipe", &ada),
        None,
        "enough is left"
    );
    assert_eq!(
        refused("lovelace1815", &["grace@example.com", "Grace Hopper"]),
        None,
        "another's name"
    );
    assert_eq!(
        refused("adamantine", &ada),
        None,
        "three letters stand in many words"
    );
}

#[tokio::test]
async fn a_breached_password_is_refused_where_the_operator_has_a_file() {
    let path = std::env::temp_dir().join(format!("breached-{}", uuid::Uuid::new_v4()));
    // SHA-1 of "not a common one"
    let hash = hex::encode_upper(ring::digest::digest(
        &ring::digest::SHA1_FOR_LEGACY_USE_ONLY,
        b"not a common one",
    ));
    std::fs::write(
        &path,
        format!("{}:1\n{hash}:7\n{}:2\n", "0".repeat(40), "F".repeat(40)),
    )
    .unwrap();
    let without = Passwords::new(8, 1).unwrap();
    let with = without.clone().with_breached(Breached::open(&path).unwrap());
    std::fs::remove_file(path).unwrap();
    let word = SecretString::from("not a common one");
    check(&without, &word, "password", &[]).await.unwrap();
    let refused = check(&with, &word, "password", &[]).await.unwrap_err();
    assert_eq!(refused.errors[0].code, "breached");
    check(&with, &SecretString::from("a fresh and new one"), "password", &[])
        .await
        .unwrap();
}
