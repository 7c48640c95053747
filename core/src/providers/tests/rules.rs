//! Claims, discovery, the cookie and what may be set.

use super::super::claims::{Told, at};
use super::super::envelope::{Envelope, Purpose};
use super::super::model::{ClaimNames, Mapping, Provider};
use super::super::{check, discovery, input::NewProvider};
use super::claims;
use crate::kernel::id::{OrganizationId, ProviderId, RoleId, SessionId, UserId};
use crate::kernel::seal::Sealer;
use proptest::prelude::*;
use serde_json::{Value, json};
use time::OffsetDateTime;

const NOW: i64 = 1_800_000_000;

fn provider(mappings: Vec<Mapping>, names: ClaimNames) -> Provider {
    let new = json!({"kind": "oidc", "name": "A", "issuer": "https://id.example.com", "client_id": "hub"});
    let mut new: NewProvider = serde_json::from_value(new).unwrap();
    (new.mappings, new.claims) = (mappings, names);
    new.provider(
        &Sealer::new(&[7; 32]),
        OrganizationId::new(),
        None,
        OffsetDateTime::UNIX_EPOCH,
    )
    .unwrap()
}

#[test]
fn a_claim_is_found_by_its_name_or_where_a_pointer_leads() {
    let claims = claims(json!({
        "groups": ["a"], "https://example.com/roles": "b", "realm": {"roles": ["c"]}, "a/b": {"c~d": 1},
    }));
    for (name, value) in [
        ("groups", json!(["a"])),
        ("https://example.com/roles", json!("b")),
        ("/realm/roles", json!(["c"])),
        ("/realm/roles/0", json!("c")),
        ("/a~1b/c~0d", json!(1)),
        ("/groups", json!(["a"])),
    ] {
        assert_eq!(at(&claims, name), Some(&value), "{name}");
    }
    for name in ["", "/", "realm.roles", "/realm/nothing", "/groups/7"] {
        assert_eq!(at(&claims, name), None, "{name}");
    }
}

#[test]
fn a_mapping_gives_its_role_while_the_claim_is_or_holds_the_value() {
    let (staff, lead, paid) = (RoleId::new(), RoleId::new(), RoleId::new());
    let mapping = |claim: &str, value: &str, role| Mapping {
        claim: claim.to_owned(),
        value: value.to_owned(),
        role,
    };
    let provider = provider(
        vec![
            mapping("groups", "staff", staff),
            mapping("/org/rank", "lead", lead),
            mapping("paid", "true", paid),
        ],
        ClaimNames::default(),
    );
    let given = |said: Value| {
        let mut all = claims(said);
        all.insert("sub".to_owned(), json!("u"));
        Told::read(&provider, &all).unwrap().roles
    };
    let mut all = vec![staff, lead, paid];
    all.sort_unstable();
    assert_eq!(
        given(json!({"groups": ["x", "staff"], "org": {"rank": "lead"}, "paid": true})),
        all
    );
    assert_eq!(given(json!({"groups": "staff"})), [staff]);
    for nothing in [
        json!({}),
        json!({"groups": ["staff2", "Staff"]}),
        json!({"groups": "staff other"}),
        json!({"groups": {"staff": true}}),
        json!({"groups": [["staff"]]}),
        json!({"paid": "yes"}),
    ] {
        assert_eq!(given(nothing.clone()), [], "{nothing}");
    }
}

#[test]
fn an_address_counts_only_when_it_is_said_to_be_verified() {
    let provider = provider(Vec::new(), ClaimNames::default());
    let email = |verified: Value| {
        let said = claims(json!({"sub": "u", "email": " Ada@Example.com ", "email_verified": verified}));
        Told::read(&provider, &said).unwrap().verified_email
    };
    assert_eq!(email(json!(true)).as_deref(), Some("ada@example.com"));
    assert_eq!(email(json!("true")).as_deref(), Some("ada@example.com"));
    for verified in [json!(false), json!("false"), json!(1), Value::Null, json!("yes")] {
        assert_eq!(email(verified.clone()), None, "{verified}");
    }
    for subject in [json!(""), Value::Null, json!("x".repeat(256)), json!({})] {
        assert_eq!(Told::read(&provider, &claims(json!({"sub": subject}))), None);
    }
    assert_eq!(
        Told::read(&provider, &claims(json!({"sub": 42})))
            .unwrap()
            .subject,
        "42"
    );
}

fn configuration() -> Value {
    json!({
        "issuer": "https://id.example.com", "authorization_endpoint": "https://id.example.com/auth",
        "token_endpoint": "https://id.example.com/token", "jwks_uri": "https://id.example.com/keys",
        "userinfo_endpoint": "https://id.example.com/me", "code_challenge_methods_supported": ["S256"],
    })
}

#[test]
fn what_no_column_can_keep_is_no_subject_no_address_and_in_no_name() {
    let provider = provider(Vec::new(), ClaimNames::default());
    let told = |sub: &str| {
        let said =
            json!({"sub": sub, "email": "a\0@example.com", "email_verified": true, "name": " A\r\nB\0 "});
        Told::read(&provider, &claims(said))
    };
    for sub in ["", "a\0b", "a\r\nb", &"x".repeat(256)] {
        assert_eq!(told(sub), None, "{sub:?}");
    }
    let told = told("u-1").unwrap();
    assert_eq!((told.verified_email, told.name.as_deref()), (None, Some("AB")));
}

#[test]
fn a_configuration_is_taken_only_of_the_very_issuer_with_safe_addresses_and_pkce() {
    let read = |said: &Value| discovery::read("https://id.example.com", said.to_string().as_bytes());
    read(&configuration()).unwrap();
    for (field, value) in [
        ("issuer", json!("https://id.example.com/")),
        ("issuer", json!("https://evil.example.com")),
        ("token_endpoint", json!("http://id.example.com/token")),
        ("authorization_endpoint", json!("javascript:alert(1)")),
        ("jwks_uri", json!("file:///etc/passwd")),
        ("userinfo_endpoint", json!("http://169.254.169.254/")),
        ("code_challenge_methods_supported", json!(["plain"])),
        ("token_endpoint", Value::Null),
    ] {
        let mut changed = configuration();
        changed[field] = value.clone();
        assert!(read(&changed).is_err(), "{field} {value}");
    }
    assert_eq!(
        discovery::place("https://id.example.com/realms/a/"),
        "https://id.example.com/realms/a/.well-known/openid-configuration"
    );
    let mut post = configuration();
    assert!(!read(&post).unwrap().takes_secret_in_form());
    post["token_endpoint_auth_methods_supported"] = json!(["client_secret_post"]);
    assert!(read(&post).unwrap().takes_secret_in_form());
}

#[test]
fn what_a_browser_keeps_is_opened_by_this_hub_alone_and_for_ten_minutes() {
    let sealer = Sealer::new(&[7; 32]);
    let purpose = Purpose::Link {
        user: UserId::new(),
        session: SessionId::new(),
    };
    let envelope = Envelope::new(ProviderId::new(), purpose, Some("/users".to_owned()), NOW).unwrap();
    let another = Envelope::new(envelope.provider, Purpose::SignIn, None, NOW).unwrap();
    assert!(envelope.state.starts_with("l.") && another.state.starts_with("s."));
    let secrets = [
        &envelope.state,
        &envelope.nonce,
        &envelope.verifier,
        &another.nonce,
        &another.verifier,
    ];
    let different: std::collections::BTreeSet<_> = secrets.into_iter().collect();
    assert_eq!(different.len(), 5);
    let cookie = envelope.seal(&sealer).unwrap();
    let opened = Envelope::open(&sealer, &cookie, NOW - 1).unwrap();
    assert_eq!((&opened.state, opened.purpose), (&envelope.state, purpose));
    assert!(Envelope::open(&sealer, &cookie, NOW).is_none(), "too old");
    assert!(
        Envelope::open(&Sealer::new(&[8; 32]), &cookie, NOW - 1).is_none(),
        "another hub's"
    );
    assert!(cookie.len() < 1_500, "a cookie has 4096 bytes at most");
    // RFC 7636, appendix B
    let known = Envelope {
        verifier: "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk".to_owned(),
        ..another
    };
    assert_eq!(known.challenge(), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
}

#[test]
fn the_way_goes_on_at_a_path_of_the_console_and_nowhere_else() {
    for path in ["/", "/users?q=a%20b", "/account#x", "/%2F%2Fevil"] {
        assert_eq!(check::next(Some(path)).unwrap().as_deref(), Some(path));
    }
    assert_eq!(check::next(None).unwrap(), None);
    assert_eq!(check::next(Some("")).unwrap(), None);
    for path in [
        "//evil",
        "/\\evil",
        "https://evil",
        "evil",
        "javascript:alert(1)",
        "/a\nb",
        "/\tb",
        "/é",
    ] {
        assert!(check::next(Some(path)).is_err(), "{path}");
    }
}

proptest! {
    #[test]
    fn nothing_that_comes_from_outside_makes_a_reader_panic(text in "\\PC{0,120}", bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let provider = provider(Vec::new(), ClaimNames::default());
        let said = claims(json!({"sub": text, "email": text, "email_verified": true, "name": text}));
        let _ = Told::read(&provider, &said);
        let _ = at(&said, &text);
        let _ = discovery::read(&text, &bytes);
        let _ = discovery::read("https://id.example.com", text.as_bytes());
        prop_assert!(Envelope::open(&Sealer::new(&[7; 32]), &text, NOW).is_none());
        let _ = check::next(Some(&text));
        let _ = check::issuer(&text);
        let _ = check::scopes(vec![text.clone()]);
        let _ = check::domains(vec![text]);
    }
}
