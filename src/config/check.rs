//! Combinations and ranges that cannot work, refused before anything is started.

use secrecy::ExposeSecret;

use super::Settings;

/// Every reason not to start, each naming its key.
pub(super) fn complaints(settings: &Settings) -> Vec<String> {
    let mut found = Vec::new();
    servers(settings, &mut found);
    addresses(settings, &mut found);
    origins(settings, &mut found);
    bootstrap(settings, &mut found);
    ranges(settings, &mut found);
    let environment = &settings.auth.api_key_environment;
    if !(1..=12).contains(&environment.len()) || !environment.bytes().all(|b| b.is_ascii_lowercase()) {
        found.push("`auth.api_key_environment`: must be one to twelve small letters, such as live".into());
    }
    if let Some(file) = settings.geo.file.as_ref().filter(|file| !file.is_file()) {
        found.push(format!("`geo.file`: there is no file {}", file.display()));
    }
    settings.live.complaints(&mut found);
    messages(settings, &mut found);
    crate::http::limits::complaints(&settings.limits, &mut found);
    found
}

/// The clients themselves are made, so that what they would refuse later stops the start.
fn messages(settings: &Settings, found: &mut Vec<String>) {
    let mail = &settings.mail;
    if mail.url.is_some() != mail.from.is_some() {
        found.push("`mail.from`: must be set with mail.url; set both to send mail, or neither for the development outbox".into());
    }
    let sms = &settings.sms;
    let set = [sms.account.is_some(), sms.token.is_some(), sms.from.is_some()];
    if set.contains(&true) && set.contains(&false) {
        found.push(
            "`sms`: account, token and from must be set together; without them SMS land in the development outbox".into(),
        );
    }
    if let Err(error) = crate::store::outside(settings) {
        // of the error only what we wrote ourselves: the rest may hold a password
        let why = error.source.map(|source| source.to_string()).unwrap_or_default();
        found.push(why);
    }
}

fn servers(settings: &Settings, found: &mut Vec<String>) {
    let (database, redis) = (&settings.database.url, &settings.redis.url);
    match (database.is_some(), redis.is_some()) {
        (true, false) => found.push(
            "`redis.url`: must be set when database.url is; set both to use your own servers, or neither for private ones"
                .into(),
        ),
        (false, true) => found.push(
            "`database.url`: must be set when redis.url is; set both to use your own servers, or neither for private ones"
                .into(),
        ),
        _ => {}
    }
    if settings.database.owner_url.is_some() && database.is_none() {
        found.push("`database.owner_url`: needs database.url, the address the hub itself works with".into());
    }
    let forms = [
        ("database.url", database, &["postgres://", "postgresql://"][..]),
        (
            "database.owner_url",
            &settings.database.owner_url,
            &["postgres://", "postgresql://"][..],
        ),
        (
            "redis.url",
            redis,
            &[
                "redis://",
                "rediss://",
                "redis+unix://",
                "unix://",
                "redis+cluster://",
                "rediss+cluster://",
            ][..],
        ),
    ];
    for (key, url, schemes) in forms {
        if url
            .as_ref()
            .is_some_and(|url| !schemes.iter().any(|s| url.expose_secret().starts_with(s)))
        {
            found.push(format!("`{key}`: must begin with {}", schemes.join(" or ")));
        }
    }
}

fn addresses(settings: &Settings, found: &mut Vec<String>) {
    if let Some(url) = &settings.server.public_url {
        let secure = url.starts_with("https://");
        let local = ["http://localhost", "http://127.0.0.1", "http://[::1]"]
            .iter()
            .any(|l| url.starts_with(l));
        if !secure && !url.starts_with("http://") {
            found.push("`server.public_url`: must begin with https:// or http://".into());
        } else if !secure && !local && settings.auth.https_required {
            found.push(
                "`server.public_url`: is plain http while auth.https_required is true, so nobody could sign in; use https:// or set auth.https_required = false"
                    .into(),
            );
        }
    }
}

/// Browsers compare an origin letter by letter, so nothing may stand behind it; and nobody lets every page in by mistake.
fn origins(settings: &Settings, found: &mut Vec<String>) {
    for origin in &settings.server.allowed_origins {
        let host = origin
            .strip_prefix("https://")
            .or_else(|| origin.strip_prefix("http://"));
        let good = host.is_some_and(|host| {
            !host.is_empty()
                && host
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b".-:[]".contains(&b))
        });
        if !good {
            found.push(format!(
                "`server.allowed_origins`: {origin} is no origin; name each page's scheme and host, such as https://app.example.com"
            ));
        }
    }
}

fn bootstrap(settings: &Settings, found: &mut Vec<String>) {
    let (email, password) = (&settings.bootstrap.email, &settings.bootstrap.password);
    if email.is_none() && password.is_some() {
        found.push("`bootstrap.email`: must be set when bootstrap.password is".into());
    }
    if email.as_ref().is_some_and(|email| !email.contains('@')) {
        found.push("`bootstrap.email`: is not an e-mail address".into());
    }
    if password
        .as_ref()
        .is_some_and(|password| password.expose_secret().chars().count() < 8)
    {
        found.push("`bootstrap.password`: must have at least 8 characters".into());
    }
}

fn ranges(settings: &Settings, found: &mut Vec<String>) {
    if settings.roles.is_empty() {
        found.push("`roles`: must name at least one of api, actors, jobs".into());
    }
    let s = settings;
    let (runs, days) = (&s.jobs.longest_run_seconds, &s.jobs.kept_days);
    let at_least = [
        ("server.body_max_bytes", s.server.body_max_bytes as u64, 1_024),
        ("server.shutdown_seconds", s.server.shutdown_seconds, 1),
        ("database.max_connections", s.database.max_connections.into(), 4),
        ("auth.access_token_seconds", s.auth.access_token_seconds, 10),
        ("auth.argon2_memory_kib", s.auth.argon2_memory_kib.into(), 8),
        ("auth.argon2_passes", s.auth.argon2_passes.into(), 1),
        ("auth.failures_per_account", s.auth.failures_per_account.into(), 1),
        ("auth.failure_window_seconds", s.auth.failure_window_seconds, 1),
        (
            "auth.failures_per_address_per_minute",
            s.auth.failures_per_address_per_minute.into(),
            1,
        ),
        (
            "auth.failures_of_strangers",
            s.auth.failures_of_strangers.into(),
            1,
        ),
        ("jobs.concurrency", s.jobs.concurrency as u64, 1),
        // A lease is renewed every third of its life; below 3 s a pause of the machine would cost it.
        ("jobs.lease_seconds", s.jobs.lease_seconds, 3),
        ("jobs.kept_days.succeeded", days.succeeded.into(), 1),
        ("jobs.kept_days.cancelled", days.cancelled.into(), 1),
        ("jobs.kept_days.failed", days.failed.into(), 1),
        // a server that is slow to answer is no reason to send a mail twice
        ("jobs.longest_run_seconds.imports", runs.imports, 60),
        ("jobs.longest_run_seconds.mail", runs.mail, 90),
        ("jobs.longest_run_seconds.sms", runs.sms, 90),
        ("jobs.longest_run_seconds.acts_on_many", runs.acts_on_many, 60),
        ("jobs.longest_run_seconds.exports", runs.exports, 60),
        ("jobs.longest_run_seconds.erasures", runs.erasures, 60),
        ("imports.max_bytes", s.imports.max_bytes, 1_024),
    ];
    for (key, value, least) in at_least {
        if value < least {
            found.push(format!("`{key}`: is {value}, must be at least {least}"));
        }
    }
    if s.auth.refresh_token_seconds < s.auth.access_token_seconds {
        found.push("`auth.refresh_token_seconds`: is shorter than auth.access_token_seconds, so nothing could be refreshed".into());
    }
    if s.log.level.parse::<tracing_subscriber::EnvFilter>().is_err() {
        found.push("`log.level`: must be error, warn, info, debug or trace, or such per part: info,signalbox_jobs=debug".into());
    }
}
