//! Which PostgreSQL and Redis to use: the ones that are set, or private ones.

use std::path::PathBuf;
use std::sync::Arc;

use secrecy::SecretString;
use signalbox_actors::private_services::{PrivateServices, Urls};

use crate::config::Settings;

/// Before every name in Redis, so that a server may be shared with others.
pub const BUS_PREFIX: &str = "signalbox";

/// Addresses of the servers, and the private servers themselves when they are ours to stop.
pub struct Servers {
    /// For the hub's work.
    pub app_url: SecretString,
    /// For migrations: owns the tables.
    pub owner_url: SecretString,
    /// For backup and restore: reads and writes everything.
    pub admin_url: SecretString,
    pub redis_url: SecretString,
    pub private: Option<Arc<PrivateServices>>,
}

impl Servers {
    /// The servers of a hub: private ones are started, and an already running hub on the folder is an error.
    ///
    /// # Errors
    /// As [`PrivateServices::start`].
    pub fn start(settings: &Settings) -> anyhow::Result<Self> {
        if let Some(set) = Self::set(settings) {
            return Ok(set);
        }
        let private = PrivateServices::start(&settings.data_dir()?, &hub_program()?)?;
        let mut servers = Self::at(private.urls());
        servers.private = Some(Arc::new(private));
        Ok(servers)
    }

    /// The servers of a command beside the hub: those of the running hub, else as [`Servers::start`].
    pub fn reach(settings: &Settings) -> anyhow::Result<Self> {
        match (Self::set(settings), Urls::of_running(&settings.data_dir()?)) {
            (None, Some(urls)) => Ok(Self::at(&urls)),
            _ => Self::start(settings),
        }
    }

    fn set(settings: &Settings) -> Option<Self> {
        let (app_url, redis_url) = (settings.database.url.clone()?, settings.redis.url.clone()?);
        let owner_url = settings
            .database
            .owner_url
            .clone()
            .unwrap_or_else(|| app_url.clone());
        Some(Self {
            app_url,
            admin_url: owner_url.clone(),
            owner_url,
            redis_url,
            private: None,
        })
    }

    fn at(urls: &Urls) -> Self {
        Self {
            app_url: urls.app.clone().into(),
            owner_url: urls.owner.clone().into(),
            admin_url: urls.superuser.clone().into(),
            redis_url: urls.redis.clone().into(),
            private: None,
        }
    }

    /// Stops the private servers, if there are any, and waits for them.
    pub fn stop(&self) {
        if let Some(private) = &self.private {
            private.stop();
        }
    }
}

/// The running program, even when its file has been replaced by an upgrade since.
fn hub_program() -> std::io::Result<PathBuf> {
    if cfg!(target_os = "linux") {
        Ok(PathBuf::from("/proc/self/exe"))
    } else {
        std::env::current_exe()
    }
}
