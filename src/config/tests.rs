mod channels;

use super::{Flags, LogFormat, Role, Settings, load_from};
use secrecy::ExposeSecret;
use std::io::Write;
use std::sync::atomic::{AtomicU32, Ordering};

fn with(environment: &[(&str, &str)]) -> Result<Settings, String> {
    with_flags(&Flags::default(), environment)
}

fn with_flags(flags: &Flags, environment: &[(&str, &str)]) -> Result<Settings, String> {
    let environment = environment
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    load_from(flags, environment).map_err(|error| error.to_string())
}

/// A configuration file that removes itself.
struct File(std::path::PathBuf);

impl File {
    fn new(text: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "signalbox-config-{}-{}.toml",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        );
        let path = std::env::temp_dir().join(name);
        std::fs::File::create(&path)
            .unwrap()
            .write_all(text.as_bytes())
            .unwrap();
        Self(path)
    }

    fn flags(&self) -> Flags {
        Flags {
            config: Some(self.0.clone()),
            ..Flags::default()
        }
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[test]
fn the_default_alone_is_a_working_configuration() {
    let settings = with(&[]).unwrap();
    assert_eq!(settings.roles, [Role::Api, Role::Actors, Role::Jobs]);
    assert_eq!(settings.server.body_max_bytes, 1 << 20);
    assert_eq!(settings.imports.max_bytes, 512 << 20);
    assert!(settings.uses_private_servers());
}

#[test]
fn each_layer_lies_over_the_one_before() {
    let file =
        File::new("[server]\nlisten = \"127.0.0.1:1\"\n[jobs]\nconcurrency = 7\n[log]\nformat = \"json\"\n");
    let environment = [
        ("SIGNALBOX__SERVER__LISTEN", "127.0.0.1:2"),
        ("SIGNALBOX__JOBS__CONCURRENCY", "8"),
    ];
    let mut flags = file.flags();
    flags.listen = Some("127.0.0.1:3".parse().unwrap());
    let settings = with_flags(&flags, &environment).unwrap();
    assert_eq!(settings.log.format, LogFormat::Json);
    assert_eq!(settings.jobs.concurrency, 8);
    assert_eq!(settings.server.listen.port(), 3);
    assert_eq!(with_flags(&file.flags(), &[]).unwrap().server.listen.port(), 1);
}

#[test]
fn lists_are_written_with_commas_in_the_environment_and_in_flags() {
    let settings = with(&[
        ("SIGNALBOX__ROLES", "api, jobs"),
        ("SIGNALBOX__SERVER__TRUSTED_PROXIES", "10.0.0.0/8"),
    ]);
    let settings = settings.unwrap();
    assert_eq!(settings.roles, [Role::Api, Role::Jobs]);
    assert_eq!(settings.server.trusted_proxies.len(), 1);
    let flags = Flags {
        roles: Some("jobs".into()),
        ..Flags::default()
    };
    assert_eq!(
        with_flags(&flags, &[("SIGNALBOX__ROLES", "api")]).unwrap().roles,
        [Role::Jobs]
    );
}

#[test]
fn a_password_of_digits_stays_a_password() {
    let environment = [
        ("SIGNALBOX__BOOTSTRAP__EMAIL", "a@b.example"),
        ("SIGNALBOX__BOOTSTRAP__PASSWORD", "12345678"),
    ];
    let settings = with(&environment).unwrap();
    assert_eq!(settings.bootstrap.password.unwrap().expose_secret(), "12345678");
}

#[test]
fn an_unknown_key_is_refused_by_name_in_every_layer() {
    let file = File::new("[jobs]\nconcurency = 7\n");
    let refused = with_flags(&file.flags(), &[]).unwrap_err();
    assert!(
        refused.contains("`jobs.concurency`") && refused.contains("no such setting"),
        "{refused}"
    );
    let file = File::new("[job]\nconcurrency = 7\n");
    let refused = with_flags(&file.flags(), &[]).unwrap_err();
    assert!(refused.contains("`job`"), "{refused}");
    let refused = with(&[("SIGNALBOX__JOBS__CONCURENCY", "7")]).unwrap_err();
    assert!(refused.contains("SIGNALBOX__JOBS__CONCURENCY"), "{refused}");
    let refused = with(&[("SIGNALBOX__JOBS", "7")]).unwrap_err();
    assert!(refused.contains("SIGNALBOX__JOBS"), "{refused}");
}

#[test]
fn a_value_of_the_wrong_type_is_refused_with_key_and_expectation() {
    let refused = with(&[("SIGNALBOX__JOBS__CONCURRENCY", "many")]).unwrap_err();
    assert!(
        refused.contains("`jobs.concurrency` in the environment"),
        "{refused}"
    );
    let refused = with(&[("SIGNALBOX__ROLES", "api,cook")]).unwrap_err();
    assert!(
        refused.contains("roles") && refused.contains("api, actors, jobs"),
        "{refused}"
    );
    let refused = with(&[("SIGNALBOX__SERVER__LISTEN", "everywhere")]).unwrap_err();
    assert!(refused.contains("`server.listen`"), "{refused}");
}

#[test]
fn impossible_combinations_are_refused_with_the_key() {
    let cases: [(&[(&str, &str)], &str); 13] = [
        (&[("SIGNALBOX__DATABASE__URL", "postgres://h/d")], "`redis.url`"),
        (&[("SIGNALBOX__REDIS__URL", "redis://h")], "`database.url`"),
        (
            &[("SIGNALBOX__DATABASE__OWNER_URL", "postgres://h/d")],
            "`database.owner_url`",
        ),
        (
            &[
                ("SIGNALBOX__DATABASE__URL", "mysql://h/d"),
                ("SIGNALBOX__REDIS__URL", "redis://h"),
            ],
            "`database.url`",
        ),
        (
            &[("SIGNALBOX__BOOTSTRAP__PASSWORD", "long enough")],
            "`bootstrap.email`",
        ),
        (&[("SIGNALBOX__ROLES", "")], "`roles`"),
        (
            &[("SIGNALBOX__SERVER__PUBLIC_URL", "http://hub.example")],
            "`server.public_url`",
        ),
        (
            &[("SIGNALBOX__AUTH__REFRESH_TOKEN_SECONDS", "60")],
            "`auth.refresh_token_seconds`",
        ),
        (&[("SIGNALBOX__JOBS__LEASE_SECONDS", "0")], "`jobs.lease_seconds`"),
        (&[("SIGNALBOX__MAIL__URL", "smtp://h")], "`mail.from`"),
        (
            &[
                ("SIGNALBOX__MAIL__URL", "http://h"),
                ("SIGNALBOX__MAIL__FROM", "a@b.example"),
            ],
            "`mail.url`",
        ),
        (
            &[
                ("SIGNALBOX__MAIL__URL", "smtp://h"),
                ("SIGNALBOX__MAIL__FROM", "nobody"),
            ],
            "`mail.from`",
        ),
        (&[("SIGNALBOX__SMS__ACCOUNT", "AC1")], "`sms`"),
    ];
    for (environment, key) in cases {
        let refused = with(environment).unwrap_err();
        assert!(
            refused.contains(key),
            "{environment:?} was refused without naming {key}: {refused}"
        );
    }
}

#[test]
fn no_output_and_no_error_shows_a_secret() {
    let canary = "c4n4ry-secret";
    let url = format!("postgres://u:{canary}@h/d");
    let environment = [
        ("SIGNALBOX__DATABASE__URL", url.as_str()),
        ("SIGNALBOX__REDIS__URL", "redis://:c4n4ry-secret@h"),
        ("SIGNALBOX__BOOTSTRAP__EMAIL", "a@b.example"),
        ("SIGNALBOX__BOOTSTRAP__PASSWORD", canary),
        ("SIGNALBOX__MAIL__URL", "smtp://u:c4n4ry-secret@h"),
        ("SIGNALBOX__MAIL__FROM", "a@b.example"),
        ("SIGNALBOX__SMS__ACCOUNT", "AC1"),
        ("SIGNALBOX__SMS__TOKEN", canary),
        ("SIGNALBOX__SMS__FROM", "+15005550006"),
    ];
    let settings = with(&environment).unwrap();
    let printed = format!("{settings:?}{}", toml::to_string(&settings).unwrap());
    assert!(!printed.contains(canary), "{printed}");
    let mistakes = [
        "[bootstrap]\npassword = [\"c4n4ry-secret\"]\n".to_owned(),
        "[bootstrap]\npassword = c4n4ry-secret\n".to_owned(),
        "[jobs]\nconcurrency = \"c4n4ry-secret\"\n".to_owned(),
        "[database]\nurl = \"mysql://c4n4ry-secret\"\n".to_owned(),
        "[mail]\nurl = \"ftp://c4n4ry-secret@h\"\nfrom = \"a@b.example\"\n".to_owned(),
    ];
    for mistake in mistakes {
        let file = File::new(&mistake);
        let refused = with_flags(&file.flags(), &[]).unwrap_err();
        assert!(!refused.contains(canary), "{refused}");
    }
}

#[test]
fn a_file_that_is_not_toml_is_refused_with_its_line() {
    let file = File::new("[jobs]\nconcurrency =\n");
    let refused = with_flags(&file.flags(), &[]).unwrap_err();
    assert!(refused.contains("line 2"), "{refused}");
    let missing = Flags {
        config: Some("/nowhere/signalbox.toml".into()),
        ..Flags::default()
    };
    assert!(
        with_flags(&missing, &[])
            .unwrap_err()
            .contains("/nowhere/signalbox.toml")
    );
}

#[test]
fn how_long_runs_may_take_and_ended_jobs_are_kept_comes_from_the_settings_within_reason() {
    let set = [
        ("SIGNALBOX__JOBS__LONGEST_RUN_SECONDS__MAIL", "90"),
        ("SIGNALBOX__JOBS__KEPT_DAYS__FAILED", "7"),
    ];
    let jobs = with(&set).unwrap().jobs;
    assert_eq!((jobs.longest_run_seconds.mail, jobs.kept_days.failed), (90, 7));
    assert_eq!(
        (jobs.longest_run_seconds.imports, jobs.kept_days.succeeded),
        (21_600, 30)
    );
    let short = [
        ("SIGNALBOX__JOBS__LONGEST_RUN_SECONDS__MAIL", "89"),
        ("SIGNALBOX__JOBS__KEPT_DAYS__FAILED", "0"),
    ];
    let refused = with(&short).unwrap_err();
    for key in ["jobs.longest_run_seconds.mail", "jobs.kept_days.failed"] {
        assert!(refused.contains(key), "{refused}");
    }
}

mod live {
    use super::{File, with, with_flags};
    use secrecy::ExposeSecret;
    use std::time::Duration;

    const CHAT: &str =
        "[live.namespaces.chat]\nhistory_size = 100\nhistory_ttl = \"5m\"\nforce_recovery = true\n";

    #[test]
    fn by_default_no_application_has_a_channel_here() {
        let live = with(&[]).unwrap().live;
        assert!(live.namespaces().is_empty() && live.namespaces().of("news").is_none());
        assert!(!live.anonymous.connect && live.api.keys.is_empty() && !live.token.has_keys());
        assert!(!live.transports.sse && !live.transports.uni_websocket);
    }

    #[test]
    fn a_namespace_is_a_section_of_the_file_and_its_options_can_come_from_the_environment() {
        let file = File::new(CHAT);
        let environment = [
            ("SIGNALBOX__LIVE__NAMESPACES__CHAT__HISTORY_SIZE", "10"),
            ("SIGNALBOX__LIVE__NAMESPACES__CHAT__PRESENCE", "true"),
            ("SIGNALBOX__LIVE__NAMESPACES__CHAT__ALLOWED_DELTA_TYPES", "fossil"),
            ("SIGNALBOX__LIVE__NAMESPACES__NEWS__HISTORY_SIZE", "3"),
            ("SIGNALBOX__LIVE__NAMESPACES__NEWS__HISTORY_TTL", "60"),
            (
                "SIGNALBOX__LIVE__WITHOUT_NAMESPACE__ALLOW_SUBSCRIBE_FOR_CLIENT",
                "true",
            ),
        ];
        let namespaces = with_flags(&file.flags(), &environment).unwrap().live.namespaces();
        let chat = namespaces.of("chat:1").unwrap();
        assert_eq!(
            (chat.history_size, chat.history_ttl),
            (10, Duration::from_secs(300))
        );
        assert!(chat.presence && chat.force_recovery && chat.allowed_delta_types.len() == 1);
        assert_eq!(chat.history_meta_ttl, Duration::from_secs(720 * 3_600));
        assert_eq!(
            namespaces.of("news:1").unwrap().history_ttl,
            Duration::from_secs(60)
        );
        assert!(namespaces.of("anything").unwrap().allow_subscribe_for_client);
    }

    #[test]
    fn an_empty_section_opens_channels_without_a_namespace_and_allows_nothing() {
        let file = File::new("[live.without_namespace]\n");
        let namespaces = with_flags(&file.flags(), &[]).unwrap().live.namespaces();
        assert!(!namespaces.of("news").unwrap().allow_subscribe_for_client);
    }

    #[test]
    fn what_is_printed_is_read_again_as_the_same() {
        let file = File::new(&format!("{CHAT}[live.without_namespace]\npresence = true\n"));
        let printed = toml::to_string(&with_flags(&file.flags(), &[]).unwrap()).unwrap();
        let again = with_flags(&File::new(&printed).flags(), &[]).unwrap();
        assert_eq!(toml::to_string(&again).unwrap(), printed);
        assert_eq!(
            again.live.namespaces["chat"].history_ttl,
            Duration::from_secs(300)
        );
    }

    #[test]
    fn a_mistake_in_a_namespace_is_refused_with_its_key_and_what_would_do() {
        let cases = [
            (
                "[live.namespaces.chat]\nhistory_sise = 1\n",
                "`live.namespaces.chat.history_sise`",
            ),
            (
                "[live.namespaces.chat]\nhistory_ttl = \"soon\"\n",
                "`live.namespaces.chat.history_ttl`",
            ),
            (
                "[live.namespaces.chat]\nhistory_ttl = \"soon\"\n",
                "\"5m\" or \"24h\"",
            ),
            (
                "[live.namespaces.chat]\nhistory_size = 10\n",
                "`live.namespaces.chat.history_ttl`",
            ),
            (
                "[live.namespaces.chat]\nforce_recovery = true\n",
                "`live.namespaces.chat.force_recovery`",
            ),
            (
                "[live.namespaces.chat]\nallowed_delta_types = [\"zip\"]\n",
                "fossil",
            ),
            (
                "[live.namespaces.chat]\nforce_recovery_mode = \"all\"\n",
                "stream, cache",
            ),
            (
                "[live.namespaces.feed]\npresence = true\n",
                "`live.namespaces.feed`",
            ),
            (
                "[live.namespaces.\"a b\"]\npresence = true\n",
                "`live.namespaces.a b`",
            ),
            (
                "[live.personal_channel]\nenabled = true\n",
                "`live.personal_channel.namespace`",
            ),
            (
                "[live.personal_channel]\nenabled = true\nnamespace = \"u\"\n",
                "`live.personal_channel.namespace`",
            ),
            (
                "[live.token]\nhmac_previous_secret = \"x\"\n",
                "`live.token.hmac_secret`",
            ),
            ("[live.token]\naudience = \"x\"\n", "`live.token`"),
            (
                "[live.subscription_token]\njwks_url = \"ftp://x\"\n",
                "`live.subscription_token.jwks_url`",
            ),
            (
                "[live]\nallowed_origins = [\"example.com\"]\n",
                "`live.allowed_origins`",
            ),
            ("[live]\npong_seconds = 25\n", "`live.pong_seconds`"),
        ];
        for (text, named) in cases {
            let refused = with_flags(&File::new(text).flags(), &[]).unwrap_err();
            assert!(
                refused.contains(named),
                "{text} was refused without naming {named}: {refused}"
            );
        }
        for name in [
            "SIGNALBOX__LIVE__NAMESPACES__CHAT",
            "SIGNALBOX__LIVE__NAMESPACES__CHAT__SIZE",
        ] {
            let refused = with(&[(name, "1")]).unwrap_err();
            assert!(refused.contains(name), "{refused}");
        }
        let refused = with(&[("SIGNALBOX__LIVE__NAMESPACES__CHAT__HISTORY_SIZE", "many")]).unwrap_err();
        assert!(
            refused.contains("`live.namespaces.chat.history_size` in the environment"),
            "{refused}"
        );
    }

    #[test]
    fn keys_and_secrets_of_the_application_are_never_shown() {
        let canary = "c4n4ry-secret";
        let settings = with(&[
            ("SIGNALBOX__LIVE__API__KEYS", "c4n4ry-secret, 12345678"),
            ("SIGNALBOX__LIVE__TOKEN__HMAC_SECRET", canary),
            ("SIGNALBOX__LIVE__TOKEN__HMAC_PREVIOUS_SECRET", canary),
            ("SIGNALBOX__LIVE__SUBSCRIPTION_TOKEN__HMAC_SECRET", canary),
        ]);
        let settings = settings.unwrap();
        assert_eq!(settings.live.api.keys[1].expose_secret(), "12345678");
        let printed = format!("{settings:?}{}", toml::to_string(&settings).unwrap());
        assert!(
            !printed.contains(canary) && !printed.contains("12345678"),
            "{printed}"
        );
    }

    #[test]
    fn an_empty_api_key_is_none() {
        let file = File::new("[live.api]\nkeys = [\"\", \"k\"]\n");
        assert_eq!(with_flags(&file.flags(), &[]).unwrap().live.api.keys.len(), 1);
    }

    #[test]
    fn a_public_key_that_is_none_is_refused_with_its_setting() {
        let environment = [("SIGNALBOX__LIVE__SUBSCRIPTION_TOKEN__RSA_PUBLIC_KEY", "c4n4ry")];
        let refused = with(&environment).unwrap_err();
        assert!(
            refused.contains("`live.subscription_token.rsa_public_key`"),
            "{refused}"
        );
        assert!(!refused.contains("c4n4ry"), "{refused}");
    }
}
