//! Options of the application's channels that cannot be meant.

use super::with;

type Setting = (&'static str, &'static str);

const MAP: Setting = ("M__SUBSCRIPTION_TYPE", "map");
const USERS: Setting = ("M__SUBSCRIPTION_TYPE", "map_users");
const LASTS: Setting = ("M__MAP__MODE", "persistent");
const LAPSES: Setting = ("M__MAP__MODE", "ephemeral");
const POLLED: Setting = ("P__SUBSCRIPTION_TYPE", "shared_poll");
const ENDPOINT: Setting = ("P__SHARED_POLL__ENDPOINT", "http://127.0.0.1/");

/// What these options of namespaces give.
fn of(options: &[Setting]) -> Result<(), String> {
    let named: Vec<_> = options
        .iter()
        .map(|(key, value)| (format!("SIGNALBOX__LIVE__NAMESPACES__{key}"), *value))
        .collect();
    let named: Vec<_> = named.iter().map(|(key, value)| (key.as_str(), *value)).collect();
    with(&named).map(|_| ())
}

/// Each is refused, and says so of this option.
fn are_refused(cases: &[(&[Setting], &str)]) {
    for (options, key) in cases {
        let error = of(options).unwrap_err();
        assert!(error.contains(&format!("live.{key}")), "{options:?}: {error}");
    }
}

#[test]
fn maps_that_cannot_be_meant_are_named_with_their_option() {
    let (lives, kept) = (("M__MAP__KEY_TTL", "5s"), ("M__MAP__STREAM_TTL", "60s"));
    are_refused(&[
        (&[MAP], "namespaces.m.map.mode"),
        (&[MAP, LAPSES], "namespaces.m.map.key_ttl"),
        (&[MAP, LASTS, lives], "namespaces.m.map.key_ttl"),
        (
            &[MAP, LAPSES, lives, ("M__MAP__STREAM_SIZE", "5")],
            "namespaces.m.map.stream_size",
        ),
        (
            &[MAP, LASTS, ("M__MAP__MIN_PAGE_SIZE", "2000")],
            "namespaces.m.map.max_page_size",
        ),
        (
            &[MAP, LASTS, ("M__MAP__MAX_PAGE_SIZE", "2000")],
            "namespaces.m.map.max_page_size",
        ),
        (
            &[MAP, LASTS, kept, ("M__MAP__META_TTL", "5s")],
            "namespaces.m.map.meta_ttl",
        ),
    ]);
    of(&[MAP, LASTS, ("M__MAP__ORDERED", "true")]).unwrap();
}

#[test]
fn maps_of_who_is_there_are_the_hubs_own_to_write_and_stand_where_they_are_looked_for() {
    let (clients, u) = (
        ("U__SUBSCRIPTION_TYPE", "map_clients"),
        ("U__MAP__MODE", "ephemeral"),
    );
    are_refused(&[
        (&[USERS, LASTS], "namespaces.m.map.mode"),
        (
            &[USERS, LAPSES, ("M__MAP__ORDERED", "true")],
            "namespaces.m.map.ordered",
        ),
        (&[USERS, LAPSES, ("M__MAP__MAX_KEYS", "5")], "namespaces.m.map`"),
        (
            &[USERS, LAPSES, ("M__PRESENCE", "true")],
            "namespaces.m.subscription_type",
        ),
        (
            &[("M__MAP_CLIENTS_PRESENCE_CHANNEL_PREFIX", "m:")],
            "namespaces.m.map_clients_presence_channel_prefix",
        ),
        (
            &[
                MAP,
                LASTS,
                ("M__MAP_USERS_PRESENCE_CHANNEL_PREFIX", "u:"),
                clients,
                u,
            ],
            "namespaces.m.map_users_presence_channel_prefix",
        ),
    ]);
    of(&[("M__SUBSCRIPTION_TYPE", "map_clients"), LAPSES]).unwrap();
}

#[test]
fn a_page_of_a_map_must_fit_into_what_may_wait_for_a_client() {
    let narrow = ("SIGNALBOX__LIVE__QUEUE_BYTES", "65536");
    with(&[narrow]).unwrap();
    let map = [
        narrow,
        ("SIGNALBOX__LIVE__NAMESPACES__M__SUBSCRIPTION_TYPE", "map"),
        ("SIGNALBOX__LIVE__NAMESPACES__M__MAP__MODE", "ephemeral"),
    ];
    let error = with(&map).unwrap_err();
    assert!(
        error.contains("`live.queue_bytes`: must be at least 524288"),
        "{error}"
    );
}

#[test]
fn what_means_nothing_for_the_kind_of_channel_is_refused() {
    are_refused(&[
        (&[LASTS], "namespaces.m.map`"),
        (
            &[MAP, LASTS, ("M__HISTORY_SIZE", "5"), ("M__HISTORY_TTL", "5s")],
            "namespaces.m.subscription_type",
        ),
        (
            &[MAP, LASTS, ("M__ALLOW_RECOVERY", "true")],
            "namespaces.m.subscription_type",
        ),
        (
            &[MAP, LASTS, ("M__ALLOW_PUBLISH_FOR_CLIENT", "true")],
            "namespaces.m.subscription_type",
        ),
        (
            &[("P__SHARED_POLL__MODE", "versioned")],
            "namespaces.p.shared_poll`",
        ),
        (
            &[POLLED, ENDPOINT, ("P__FORCE_POSITIONING", "true")],
            "namespaces.p.subscription_type",
        ),
        (
            &[POLLED, ENDPOINT, ("P__PUBLICATION_DATA_FORMAT", "json")],
            "namespaces.p.subscription_type",
        ),
        (
            &[POLLED, ENDPOINT, ("P__ALLOW_TAGS_FILTER", "true")],
            "namespaces.p.allow_tags_filter",
        ),
    ]);
}

#[test]
fn whoever_is_polled_has_an_address_and_a_secret_and_says_versions_where_it_publishes() {
    are_refused(&[
        (&[POLLED], "namespaces.p.shared_poll.endpoint"),
        (&[POLLED, ENDPOINT], "shared_poll.hmac_secret_key"),
        (
            &[POLLED, ENDPOINT, ("P__SHARED_POLL__PUBLISH_ENABLED", "true")],
            "namespaces.p.shared_poll.publish_enabled",
        ),
    ]);
}
