use super::*;
use crate::kernel::id::RoleId;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

fn object(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

#[test]
fn what_is_not_set_has_its_default() {
    let settings: Settings = serde_json::from_value(json!({"sign_up": {"open": true}})).unwrap();
    assert_eq!((settings.sign_up.open, settings.invitations.days), (true, 7));
    assert!(settings.sign_up.role.is_none());
}

#[test]
fn a_change_writes_what_it_names_keeps_what_a_newer_version_wrote_and_null_takes_back() {
    let role = RoleId::new();
    let rows = object(json!({
        "sign_up": {"open": true, "role": role, "later": [1]},
        "api_keys": {"max_days": 3},
        "of_a_newer_version": {"x": 1},
    }));
    let done = patched(
        &rows,
        &object(json!({"sign_up": {"domains": ["example.com"], "role": null}})),
    )
    .unwrap();
    assert!(done.settings.sign_up.open && done.settings.sign_up.role.is_none());
    assert_eq!(
        done.sections,
        [(
            "sign_up".to_owned(),
            json!({"open": true, "later": [1], "domains": ["example.com"]})
        )]
    );
    let fields: Vec<&str> = done.changes.iter().map(|(field, _, _)| field.as_str()).collect();
    assert_eq!(fields, ["sign_up.domains", "sign_up.role"]);
    let same = patched(&rows, &object(json!({"sign_up": {"open": true}}))).unwrap();
    assert!(same.changes.is_empty() && same.sections.is_empty());
}

#[test]
fn what_is_no_setting_or_does_not_fit_is_refused_by_name() {
    let refused = |patch: Value| patched(&Map::new(), &object(patch)).unwrap_err().errors[0].clone();
    for (patch, field, code) in [
        (json!({"sign_ups": {}}), "sign_ups", "unknown_field"),
        (json!({"keys": {"max_days": 1}}), "keys", "unknown_field"),
        (
            json!({"sign_up": {"opened": true}}),
            "sign_up.opened",
            "unknown_field",
        ),
        (json!({"sign_up": true}), "sign_up", "unknown_field"),
        (json!({"sign_up": {"open": "yes"}}), "settings", "wrong_type"),
        (
            json!({"invitations": {"days": 0}}),
            "invitations.days",
            "out_of_range",
        ),
        (
            json!({"sign_up": {"domains": ["Example.com"]}}),
            "sign_up.domains.0",
            "not_a_domain",
        ),
        (
            json!({"general": {"public_address": "https://x.example/path"}}),
            "general.public_address",
            "not_an_address",
        ),
        (
            json!({"general": {"public_address": "javascript:alert(1)"}}),
            "general.public_address",
            "not_an_address",
        ),
        (
            json!({"general": {"public_address": "http://hub.example.com"}}),
            "general.public_address",
            "not_an_address",
        ),
        (
            json!({"general": {"public_address": "http://localhost.evil.example"}}),
            "general.public_address",
            "not_an_address",
        ),
    ] {
        let error = refused(patch);
        assert_eq!((error.field.as_str(), error.code.as_ref()), (field, code));
    }
}

#[test]
fn a_domain_is_let_in_whole_and_only_where_sign_up_is_open() {
    let mut sign_up = SignUp {
        open: true,
        domains: vec!["example.com".into()],
        role: None,
    };
    assert!(sign_up.admits("ada@example.com"));
    for email in [
        "ada@a.example.com",
        "ada@notexample.com",
        "ada@example.com.evil.io",
        "ada",
    ] {
        assert!(!sign_up.admits(email), "{email}");
    }
    sign_up.domains.clear();
    assert!(sign_up.admits("ada@anywhere.io"));
    sign_up.open = false;
    assert!(!sign_up.admits("ada@anywhere.io"));
}

proptest! {
    #[test]
    fn whatever_is_sent_is_a_change_or_refused(section in "(sign_up|general|invitations|x)", field in "(open|days|domains|role|public_address|y)",
        value in prop_oneof![Just(json!(null)), any::<bool>().prop_map(Value::from), any::<i64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from), prop::collection::vec(any::<String>(), 0..3).prop_map(Value::from)]) {
        let patch = object(json!({section: {field: value}}));
        if let Ok(done) = patched(&Map::new(), &patch) {
            prop_assert!(done.settings.check().is_ok());
        }
    }
}
