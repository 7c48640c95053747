//! `[live]`: limits of delivery, and what the operator's own application may do here.

use std::collections::BTreeMap;
use std::time::Duration;

use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use signalbox_core::live::application::map::PAGE_BYTES;
use signalbox_core::live::application::namespaces::{RESERVED, is_name};
use signalbox_core::live::application::shared_poll::Signatures;
use signalbox_core::live::application::token::{Keys, Sources, Tokens};
use signalbox_core::live::application::{Namespaces, Options, SubscriptionType, span};

use super::secret;

#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Live {
    pub queue_bytes: usize,
    pub allowed_origins: Vec<String>,
    pub ping_seconds: u64,
    pub pong_seconds: u64,
    pub stale_seconds: u64,
    pub expired_close_seconds: u64,
    pub client_channel_limit: usize,
    /// 0: as many as they like, as for the two below.
    pub user_connection_limit: usize,
    pub address_connection_limit: usize,
    pub connection_rate: u32,
    pub drain_per_second: u32,
    pub history_limit: usize,
    #[serde(with = "span")]
    pub history_meta_ttl: Duration,
    pub transports: Transports,
    pub anonymous: Anonymous,
    pub token: Token,
    /// Where no key is set in it, `token` holds: [`Live::tokens`].
    pub subscription_token: Token,
    pub shared_poll: SharedPoll,
    pub api: Api,
    pub personal_channel: PersonalChannel,
    /// Not there: channels without a namespace are unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub without_namespace: Option<Options>,
    pub namespaces: BTreeMap<String, Options>,
}

/// Which endpoints are open beside the WebSocket.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a setting of its own, named by the operator"
)]
pub struct Transports {
    pub http_stream: bool,
    pub sse: bool,
    pub uni_sse: bool,
    pub uni_http_stream: bool,
    pub uni_websocket: bool,
}

#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Anonymous {
    pub connect: bool,
}

/// Whose tokens are believed. Every text is empty where it is not set.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Token {
    #[serde(with = "secret")]
    pub hmac_secret: Option<SecretString>,
    #[serde(with = "secret")]
    pub hmac_previous_secret: Option<SecretString>,
    pub rsa_public_key: String,
    pub ecdsa_public_key: String,
    pub eddsa_public_key: String,
    pub jwks_url: String,
    pub audience: String,
    pub issuer: String,
}

/// What the application's server signs keys with.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SharedPoll {
    #[serde(with = "secret")]
    pub hmac_secret_key: Option<SecretString>,
    #[serde(with = "secret")]
    pub hmac_previous_secret_key: Option<SecretString>,
}

#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Api {
    #[serde(with = "secret::list")]
    pub keys: Vec<SecretString>,
}

#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct PersonalChannel {
    pub enabled: bool,
    /// Empty: without a namespace.
    pub namespace: String,
}

impl Token {
    /// Whether any key is set.
    pub fn has_keys(&self) -> bool {
        let texts = [
            &self.rsa_public_key,
            &self.ecdsa_public_key,
            &self.eddsa_public_key,
            &self.jwks_url,
        ];
        self.hmac_secret.is_some() || texts.iter().any(|text| !text.is_empty())
    }
}

impl From<&Token> for Sources {
    fn from(token: &Token) -> Self {
        let secrets = [&token.hmac_secret, &token.hmac_previous_secret];
        Self {
            hmac_secrets: secrets.into_iter().flatten().cloned().collect(),
            rsa_public_key: token.rsa_public_key.clone(),
            ecdsa_public_key: token.ecdsa_public_key.clone(),
            eddsa_public_key: token.eddsa_public_key.clone(),
            jwks_url: token.jwks_url.clone(),
            audience: token.audience.clone(),
            issuer: token.issuer.clone(),
        }
    }
}

impl Live {
    /// What checks the application's tokens.
    ///
    /// # Errors
    /// The setting that holds no such key; settings that were loaded have been looked at.
    pub fn tokens(&self) -> Result<Tokens, String> {
        let read = |section, token| {
            Keys::read(&Sources::from(token)).map_err(|key| {
                let kind = if key == "jwks_url" {
                    "cannot be asked: this machine has no usable certificates"
                } else {
                    "is not such a key in PEM form"
                };
                format!("`live.{section}.{key}`: {kind}")
            })
        };
        let own = self.subscription_token.has_keys();
        let own = own.then(|| read("subscription_token", &self.subscription_token));
        Ok(Tokens::new(read("token", &self.token)?, own.transpose()?))
    }

    /// What checks which keys a client may have polled.
    pub fn signatures(&self) -> Signatures {
        let secrets = [
            &self.shared_poll.hmac_secret_key,
            &self.shared_poll.hmac_previous_secret_key,
        ];
        Signatures::new(secrets.into_iter().flatten().cloned().collect())
    }

    /// The application's namespaces.
    pub fn namespaces(&self) -> Namespaces {
        let without = self.without_namespace.clone();
        let all = Namespaces::new(without, self.namespaces.clone(), self.history_meta_ttl);
        if self.personal_channel.enabled {
            all.with_personal_channels(&self.personal_channel.namespace)
        } else {
            all
        }
    }

    /// Every reason not to start, each naming its key.
    pub(super) fn complaints(&self, found: &mut Vec<String>) {
        self.limits(found);
        self.channels(found);
        found.extend(self.tokens().err());
        for (section, token) in [
            ("token", &self.token),
            ("subscription_token", &self.subscription_token),
        ] {
            if token.hmac_previous_secret.is_some() && token.hmac_secret.is_none() {
                found.push(format!(
                    "`live.{section}.hmac_secret`: must be set when hmac_previous_secret is"
                ));
            }
            if !token.jwks_url.is_empty() && !is_http(&token.jwks_url) {
                found.push(format!(
                    "`live.{section}.jwks_url`: must begin with https:// or http://"
                ));
            }
            let narrowed = !token.audience.is_empty() || !token.issuer.is_empty();
            if narrowed && !token.has_keys() {
                found.push(format!(
                    "`live.{section}`: audience or issuer is set, but no key that a token could be checked with"
                ));
            }
        }
    }

    fn limits(&self, found: &mut Vec<String>) {
        let at_least = [
            ("queue_bytes", self.queue_bytes as u64, 65_536),
            ("ping_seconds", self.ping_seconds, 2),
            ("pong_seconds", self.pong_seconds, 1),
            ("stale_seconds", self.stale_seconds, 1),
            ("drain_per_second", self.drain_per_second.into(), 1),
            ("client_channel_limit", self.client_channel_limit as u64, 1),
            ("history_limit", self.history_limit as u64, 1),
        ];
        for (key, value, least) in at_least {
            if value < least {
                found.push(format!("`live.{key}`: is {value}, must be at least {least}"));
            }
        }
        if self.pong_seconds >= self.ping_seconds {
            found.push("`live.pong_seconds`: must be shorter than live.ping_seconds".into());
        }
        for origin in &self.allowed_origins {
            if origin != "*" && !is_http(origin) {
                found.push(
                    "`live.allowed_origins`: each must be \"*\" or begin with https:// or http://".into(),
                );
            }
        }
    }

    fn channels(&self, found: &mut Vec<String>) {
        let named = self
            .namespaces
            .iter()
            .map(|(name, options)| (format!("live.namespaces.{name}"), options));
        let without = self
            .without_namespace
            .iter()
            .map(|options| ("live.without_namespace".to_owned(), options));
        for (section, options) in named.chain(without) {
            let complaints = options.complaints(self.history_meta_ttl).into_iter();
            found.extend(complaints.map(|(key, reason)| format!("`{section}.{key}`: {reason}")));
        }
        self.presence_maps(found);
        if self.namespaces().have_maps() && self.queue_bytes < 2 * PAGE_BYTES {
            let least = 2 * PAGE_BYTES;
            found.push(format!(
                "`live.queue_bytes`: must be at least {least} where a namespace is a map, whose pages would not fit"
            ));
        }
        if self.namespaces().have_polls() && self.shared_poll.hmac_secret_key.is_none() {
            found.push("`live.shared_poll.hmac_secret_key`: must be set where a namespace is polled".into());
        }
        for name in self.namespaces.keys() {
            if RESERVED.contains(&name.as_str()) {
                found.push(format!(
                    "`live.namespaces.{name}`: is the hub's own and cannot be configured; {} are",
                    RESERVED.join(", ")
                ));
            } else if !is_name(name) {
                found.push(format!(
                    "`live.namespaces.{name}`: a namespace is called by letters, digits, -, _ and ., at most 64"
                ));
            }
        }
        let personal = &self.personal_channel;
        let known = match personal.namespace.as_str() {
            "" => self.without_namespace.is_some(),
            name => self.namespaces.contains_key(name),
        };
        if personal.enabled && !known {
            found.push(
                "`live.personal_channel.namespace`: is not configured; give it a section under live.namespaces, or leave it \
                 empty and add [live.without_namespace]"
                    .into(),
            );
        }
    }
}

impl Live {
    /// The maps that show who is in a channel must be such.
    fn presence_maps(&self, found: &mut Vec<String>) {
        let all = self.namespaces();
        for (name, options) in &self.namespaces {
            let prefixes = [
                (
                    "map_clients_presence_channel_prefix",
                    &options.map_clients_presence_channel_prefix,
                    SubscriptionType::MapClients,
                ),
                (
                    "map_users_presence_channel_prefix",
                    &options.map_users_presence_channel_prefix,
                    SubscriptionType::MapUsers,
                ),
            ];
            for (key, prefix, kind) in prefixes {
                let map = all.of(&format!("{prefix}x")).map(|map| map.subscription_type);
                if !prefix.is_empty() && map != Some(kind) {
                    found.push(format!(
                        "`live.namespaces.{name}.{key}`: must begin the names of a namespace whose subscription_type is such a map"
                    ));
                }
            }
        }
    }
}

fn is_http(url: &str) -> bool {
    url.starts_with("https://") || url.starts_with("http://")
}
