use super::message::one_line;
use super::namespaces::is_name;
use super::*;
use bytes::Bytes;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::time::Duration;

fn namespaces() -> Namespaces {
    let named = ["chat", "feed", "job"].map(|name| (name.to_owned(), Options::default()));
    Namespaces::new(None, BTreeMap::from(named), Duration::from_secs(720 * 3_600))
}

fn name(channel: &str) -> Name<'_> {
    Name::parse(channel).unwrap()
}

#[test]
fn a_name_is_taken_apart_into_privacy_namespace_and_rest() {
    let cases = [
        ("news", (false, "", "news")),
        ("chat:1", (false, "chat", "1")),
        ("chat:a:b", (false, "chat", "a:b")),
        ("$chat:1", (true, "chat", "1")),
        ("$1", (true, "", "1")),
        ("#u:1", (false, "", "#u:1")),
        ("chat:#u:1", (false, "chat", "#u:1")),
        (":x", (false, "", "x")),
    ];
    for (channel, (private, namespace, rest)) in cases {
        assert_eq!(
            name(channel),
            Name {
                private,
                namespace,
                rest
            },
            "{channel}"
        );
    }
}

#[test]
fn what_is_empty_too_long_or_not_printable_is_no_channels_name() {
    for channel in [
        "",
        "chat:a\nb",
        "chat:\0",
        "chat:é\u{85}",
        &"x".repeat(256),
        &"é".repeat(128),
    ] {
        assert_eq!(Name::parse(channel), None, "{channel:?}");
    }
    assert!(Name::parse(&"x".repeat(255)).is_some() && Name::parse(&"é".repeat(127)).is_some());
}

#[test]
fn a_channel_without_its_namespace_configured_is_unknown() {
    let some = namespaces();
    assert!(some.of("chat:1").is_some() && some.of("$chat:1").is_some());
    for unknown in ["news", "$news", "other:1", "#7", "chat", "Chat:1"] {
        assert!(some.of(unknown).is_none(), "{unknown}");
    }
    let open = Namespaces::new(Some(Options::default()), BTreeMap::new(), Duration::ZERO);
    assert!(open.of("news").is_some() && open.of("#7").is_some() && open.of("other:1").is_none());
}

#[test]
fn the_hubs_own_namespaces_cannot_be_taken_even_if_configured() {
    for own in ["feed:users", "$feed:users", "job:1", "feed:#1", "inbox:1"] {
        assert!(namespaces().of(own).is_none(), "{own}");
    }
}

#[test]
fn a_personal_channel_is_its_users_alone() {
    let personal = namespaces().with_personal_channels("chat");
    assert_eq!(personal.personal_channel("42").as_deref(), Some("chat:#42"));
    assert_eq!(personal.personal_channel("a:b").as_deref(), Some("chat:#a:b"));
    assert_eq!(
        personal.personal_channel("zoë 🦊").as_deref(),
        Some("chat:#zoë 🦊")
    );
    for nobody in ["", "1,2", "a#b", "a\nb", &"é".repeat(125)] {
        assert_eq!(personal.personal_channel(nobody), None, "{nobody}");
    }
    assert_eq!(namespaces().personal_channel("42"), None);
    assert_eq!(
        namespaces().with_personal_channels("").personal_channel("42"),
        None,
        "#42 is no channel here"
    );
}

#[test]
fn where_nothing_is_said_nobody_may_do_anything() {
    let closed = Options::default();
    for user in ["", "7"] {
        assert!(
            !closed.may_subscribe(&name("chat:1"), user) && !closed.may_subscribe(&name("chat:1#7"), user)
        );
        for subscribed in [false, true] {
            assert!(!closed.may_publish(user, subscribed));
            assert!(!closed.may_see_presence(user, subscribed) && !closed.may_read_history(user, subscribed));
        }
        assert!(
            !closed.may_recover(user)
                && !closed.may_be_positioned(user)
                && !closed.pushes_join_leave(user, true)
        );
    }
}

#[test]
fn a_private_channel_needs_a_token_whatever_is_allowed() {
    let open = Options {
        allow_subscribe_for_client: true,
        allow_subscribe_for_anonymous: true,
        allow_user_limited_channels: true,
        ..Options::default()
    };
    for channel in ["$chat:1", "$chat:#7"] {
        assert!(!open.may_subscribe(&name(channel), "7"), "{channel}");
    }
}

#[test]
fn a_channel_that_names_users_is_for_those_and_for_nobody_else() {
    let limited = Options {
        allow_subscribe_for_client: true,
        allow_subscribe_for_anonymous: true,
        allow_user_limited_channels: true,
        ..Options::default()
    };
    let channel = name("chat:room#7,8");
    assert!(limited.may_subscribe(&channel, "7") && limited.may_subscribe(&channel, "8"));
    assert!(!limited.may_subscribe(&channel, "9") && !limited.may_subscribe(&channel, "7,8"));
    assert!(!limited.may_subscribe(&channel, "") && !limited.may_subscribe(&name("chat:room#"), ""));
    assert!(limited.may_subscribe(&name("chat:room"), "9"));
}

#[test]
fn anonymous_connections_get_what_is_given_and_said_to_hold_for_them() {
    let subscribers = Options {
        allow_publish_for_subscriber: true,
        ..Options::default()
    };
    assert!(subscribers.may_publish("7", true) && !subscribers.may_publish("7", false));
    assert!(!subscribers.may_publish("", true));
    let with_anonymous = Options {
        allow_publish_for_anonymous: true,
        ..subscribers
    };
    assert!(with_anonymous.may_publish("", true) && !with_anonymous.may_publish("", false));
    let only_anonymous = Options {
        allow_publish_for_anonymous: true,
        ..Options::default()
    };
    assert!(only_anonymous.may_publish("", false) && !only_anonymous.may_publish("7", true));
    let only_anonymous = Options {
        allow_subscribe_for_anonymous: true,
        ..Options::default()
    };
    assert!(
        only_anonymous.may_subscribe(&name("chat:1"), "")
            && !only_anonymous.may_subscribe(&name("chat:1"), "7")
    );
}

#[test]
fn what_cannot_be_meant_is_said_with_its_option() {
    let named = |options: Options| {
        options
            .complaints(Duration::from_hours(1))
            .into_iter()
            .map(|(key, _)| key)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        named(Options {
            history_size: 1,
            ..Options::default()
        }),
        ["history_ttl"]
    );
    assert_eq!(
        named(Options {
            history_ttl: Duration::from_secs(1),
            ..Options::default()
        }),
        ["history_size"]
    );
    assert_eq!(
        named(Options {
            force_recovery: true,
            ..Options::default()
        }),
        ["force_recovery"]
    );
    let long = Options {
        history_size: 1,
        history_ttl: Duration::from_hours(2),
        ..Options::default()
    };
    assert_eq!(named(long), ["history_ttl"]);
    assert_eq!(
        named(Options {
            force_push_join_leave: true,
            ..Options::default()
        }),
        ["force_push_join_leave"]
    );
    assert!(named(Options::default()).is_empty());
}

#[test]
fn data_is_held_to_the_format_of_its_namespace() {
    let cases: [(Format, &[u8], bool); 9] = [
        (Format::Any, b"\x01\xff", true),
        (Format::Any, b"", false),
        (Format::Json, b"[1]", true),
        (Format::Json, b"{", false),
        (Format::Json, b"", false),
        (Format::JsonObject, b" {\"a\":1}", true),
        (Format::JsonObject, b"[1]", false),
        (Format::Binary, b"", true),
        (Format::Binary, b"\xff", true),
    ];
    for (format, data, taken) in cases {
        assert_eq!(format.takes(data), taken, "{format:?} {data:?}");
    }
    assert!(
        is_name("a-b_c.9") && !is_name("") && !is_name("a:b") && !is_name("a b") && !is_name(&"a".repeat(65))
    );
}

#[test]
fn json_stands_in_a_message_as_it_is_and_shares_its_memory() {
    let data = Bytes::from_static(br#"{"n":1.50, "s":"\u00e9\n"}"#);
    let message = Message::Publication(Publication {
        data: data.clone(),
        ..Publication::default()
    });
    let line = Bytes::from(message.encode());
    assert_eq!(line, br#"{"p":{"d":{"n":1.50, "s":"\u00e9\n"}}}"#.as_slice());
    let Some(Message::Publication(read)) = Message::parse(&line) else {
        panic!("not read")
    };
    assert_eq!(read.data, data);
    assert!(line.as_ptr_range().contains(&read.data.as_ptr()), "copied");
}

#[test]
fn null_is_data_like_any_other() {
    let data = Bytes::from_static(b"null");
    let message = Message::Publication(Publication {
        data,
        ..Publication::default()
    });
    assert_eq!(Message::parse(&message.encode().into()), Some(message));
}

#[test]
fn line_breaks_between_tokens_go_and_nothing_else_does() {
    let data = Bytes::from_static(b"{\r\n \"a\": \"x\\ny\"\n}");
    assert_eq!(one_line(&data), b"{ \"a\": \"x\\ny\"}".as_slice());
    let message = Message::Publication(Publication {
        data,
        ..Publication::default()
    });
    assert!(!message.encode().contains(&b'\n'));
}

fn info() -> impl Strategy<Value = ClientInfo> {
    let json =
        proptest::option::of(any::<Vec<i32>>().prop_map(|list| Bytes::from(format!("{{\"l\":{list:?}}}"))));
    (any::<String>(), any::<String>(), json.clone(), json).prop_map(|(user, client, conn_info, chan_info)| {
        ClientInfo {
            user,
            client,
            conn_info,
            chan_info,
        }
    })
}

fn message() -> impl Strategy<Value = Message> {
    let json = any::<String>().prop_map(|text| serde_json::to_vec(&text).unwrap());
    let data = prop_oneof![any::<Vec<u8>>(), json].prop_map(Bytes::from);
    let tags = proptest::collection::btree_map(any::<String>(), any::<String>(), 0..3);
    let publication = (
        data,
        proptest::option::of(info()),
        tags,
        any::<i64>(),
        any::<bool>(),
        any::<Option<String>>(),
        any::<bool>(),
        any::<i64>(),
    );
    prop_oneof![
        publication.prop_map(|(data, info, tags, time_ms, delta, key, removed, score)| {
            Message::Publication(Publication {
                data,
                info,
                tags,
                time_ms,
                delta,
                key,
                removed,
                score,
            })
        }),
        info().prop_map(Message::Join),
        info().prop_map(Message::Leave),
    ]
}

proptest! {
    #[test]
    fn what_is_written_on_one_line_is_read_again(message in message()) {
        let line = Bytes::from(message.encode());
        prop_assert!(!line.contains(&b'\n'));
        prop_assert_eq!(Message::parse(&line), Some(message));
    }

    #[test]
    fn any_bytes_are_read_or_refused_and_never_panic(bytes: Vec<u8>, text in "\\PC{0,300}") {
        let _ = Message::parse(&bytes.into());
        let _ = Message::parse(&format!("{{\"p\":{text}}}").into());
        if let Some(name) = Name::parse(&text) {
            let _ = name.users().map(Iterator::count);
        }
    }
}
