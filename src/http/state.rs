//! What every handler may reach.

use super::access::{Access, FromPrimary};
use super::api_keys::KeyPace;
use super::limits::{KeyLimit, Limits, LoginLimits};
use crate::config::Settings;
use signalbox_actors::user_cache::UserCache;
use signalbox_core::Store;
use signalbox_core::auth::{Auth, Lives};
use signalbox_core::kernel::error::Result;
use signalbox_core::providers::Directory;
use signalbox_core::sessions::place::Places;
use std::sync::Arc;
use time::Duration;

/// Shared by all workers of the process.
pub struct State {
    /// Core.
    pub store: Store,
    /// As they were at the start.
    pub settings: Arc<Settings>,
    /// Issues and checks tokens.
    pub auth: Auth,
    /// Where addresses are.
    pub places: Places,
    /// Through whom people sign in.
    pub providers: Arc<Directory>,
    /// Who may get in, and what they may do.
    pub access: Arc<dyn Access>,
    /// People's rows in memory; without, each is read from the primary.
    pub users: Option<UserCache>,
    /// How many requests anybody may make.
    pub limits: Limits,
    /// How often signing in may fail.
    pub logins: LoginLimits,
    /// How often an API key may be wrong.
    pub wrong_keys: KeyLimit,
    /// How often a link in mail may be wrong.
    pub wrong_links: KeyLimit,
    /// How often links in mail may be asked for.
    pub links_asked: LoginLimits,
    /// How many requests an API key may make.
    pub key_pace: KeyPace,
}

/// Lives of tokens, as they are set.
pub fn lives(settings: &Settings) -> Lives {
    let seconds = |n: u64| Duration::seconds(i64::try_from(n).unwrap_or(i64::MAX));
    Lives {
        access: seconds(settings.auth.access_token_seconds),
        refresh: seconds(settings.auth.refresh_token_seconds),
    }
}

impl State {
    /// Reads the signing keys, or makes the first. Access is checked in PostgreSQL for each request.
    pub async fn start(store: Store, settings: Arc<Settings>) -> Result<Self> {
        let lives = lives(&settings);
        Ok(Self {
            auth: Auth::start_with(&store, lives, settings.auth.token_algorithm).await?,
            places: settings.geo.places()?,
            providers: Arc::new(Directory::start(&store)?),
            access: Arc::new(FromPrimary {
                store: store.clone(),
                idle: lives.refresh,
            }),
            users: None,
            limits: Limits::of(&settings.limits),
            logins: LoginLimits::of(&settings.auth),
            wrong_keys: KeyLimit::of(&settings.auth),
            wrong_links: KeyLimit::of(&settings.auth),
            links_asked: LoginLimits::of_links(&settings.auth),
            key_pace: KeyPace::default(),
            store,
            settings,
        })
    }

    /// With another keeper of access: one that remembers what it has checked.
    pub fn with_access(mut self, access: Arc<dyn Access>) -> Self {
        self.access = access;
        self
    }

    /// With people's rows kept in memory.
    pub fn with_users(mut self, users: UserCache) -> Self {
        self.users = Some(users);
        self
    }
}
