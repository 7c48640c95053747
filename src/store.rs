//! Opens what every floor above works with.

use anyhow::Context;
use secrecy::ExposeSecret;
use signalbox_core::bus::Bus;
use signalbox_core::db::{self, Db};
use signalbox_core::kernel::clock::Clock;
use signalbox_core::kernel::error::Result;
use signalbox_core::kernel::password::Passwords;
use signalbox_core::kernel::password_policy::Breached;
use signalbox_core::kernel::seal::Sealer;
use signalbox_core::outbound::Outside;
use signalbox_core::outbound::mail::Mailer;
use signalbox_core::outbound::sms::{Account, Texter};
use signalbox_core::{Signals, Store};

use crate::config::Settings;
use crate::secrets;
use crate::servers::{BUS_PREFIX, Servers};

/// Brings the database to this version, then opens database, bus and keys.
///
/// # Errors
/// A server cannot be reached, or the secret of the data folder cannot be read.
pub async fn open(settings: &Settings, servers: &Servers) -> anyhow::Result<Store> {
    let secret = secrets::load_or_create(&settings.data_dir()?)?;
    db::migrate(servers.owner_url.expose_secret())
        .await
        .context("the database cannot be brought to this version; `signalbox doctor` says what is wrong")?;
    let options = db::Options {
        url: servers.app_url.expose_secret().to_owned(),
        replica_url: None,
        max_connections: settings.database.max_connections,
    };
    let unreachable = |server| format!("{server} cannot be reached; `signalbox doctor` says what is wrong");
    Ok(Store {
        db: Db::connect(&options)
            .await
            .with_context(|| unreachable("PostgreSQL"))?,
        bus: Bus::connect(servers.redis_url.expose_secret(), BUS_PREFIX)
            .await
            .with_context(|| unreachable("Redis"))?,
        sealer: Sealer::new(&secret),
        passwords: passwords(settings)?,
        clock: Clock::system(),
        signals: Signals::default(),
        outside: outside(settings)?,
    })
}

/// Whom the settings let this installation reach.
///
/// # Errors
/// An address that cannot be read; its source names the setting and nothing of its value.
pub fn outside(settings: &Settings) -> Result<Outside> {
    let mut outside = Outside::default();
    if let (Some(url), Some(from)) = (&settings.mail.url, &settings.mail.from) {
        outside.mail = Some(Mailer::new(url.expose_secret(), from)?);
    }
    let sms = &settings.sms;
    if let (Some(account), Some(token), Some(from)) = (&sms.account, &sms.token, &sms.from) {
        outside.sms = Some(Texter::new(Account {
            url: sms.url.clone(),
            account: account.clone(),
            token: token.clone(),
            from: from.clone(),
        })?);
    }
    if let Some(url) = &settings.server.public_url {
        outside.console_is_at(url);
    }
    Ok(outside)
}

fn passwords(settings: &Settings) -> anyhow::Result<Passwords> {
    let auth = &settings.auth;
    let passwords = Passwords::new(auth.argon2_memory_kib, auth.argon2_passes)?;
    let Some(path) = &auth.breached_passwords else {
        return Ok(passwords);
    };
    let breached = Breached::open(path)
        .with_context(|| format!("`auth.breached_passwords`: {} cannot be used", path.display()))?;
    Ok(passwords.with_breached(breached))
}
