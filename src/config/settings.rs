//! The typed settings. Meanings and defaults stand in `default.toml`; here stand the types.

use ipnet::IpNet;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use signalbox_core::auth::Algorithm;
use signalbox_core::sessions::place::Places;
use std::net::SocketAddr;
use std::path::PathBuf;

use super::{Limits, Live, secret};

/// Everything an installation can set, checked.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// What this node does; never empty.
    pub roles: Vec<Role>,
    pub server: Server,
    pub database: Database,
    pub redis: Redis,
    pub data: Data,
    pub auth: Auth,
    pub limits: Limits,
    pub live: Live,
    pub jobs: Jobs,
    pub imports: Imports,
    pub mail: Mail,
    pub sms: Sms,
    pub geo: Geo,
    pub log: Log,
    pub bootstrap: Bootstrap,
}

/// A part of the hub's work that a node can take on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Serves REST, WebSocket and SSE.
    Api,
    /// Runs the cluster's single actors and the couriers.
    Actors,
    /// Runs the job workers and the feeder.
    Jobs,
}

#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    pub listen: SocketAddr,
    /// Without a slash at the end.
    #[serde(with = "optional_text")]
    pub public_url: Option<String>,
    pub trusted_proxies: Vec<IpNet>,
    pub forwarded_by: ForwardedBy,
    pub body_max_bytes: usize,
    pub allowed_origins: Vec<String>,
    /// `includeSubDomains` (RFC 6797 §6.1.2).
    pub hsts_subdomains: bool,
    /// What opens `/metrics`; without it everybody is answered there.
    #[serde(with = "secret")]
    pub metrics_token: Option<SecretString>,
    pub shutdown_seconds: u64,
}

/// In which headers the trusted proxies say for whom they ask. Only these are read: what a proxy does not write itself it
/// may pass on from whoever asked, and that may say anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ForwardedBy {
    /// `X-Forwarded-For`, `-Proto` and `-Host`.
    XForwardedFor,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}

#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Database {
    /// Set together with `redis.url`, or neither: then the private servers run.
    #[serde(with = "secret")]
    pub url: Option<SecretString>,
    #[serde(with = "secret")]
    pub owner_url: Option<SecretString>,
    pub max_connections: u32,
}

#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Redis {
    #[serde(with = "secret")]
    pub url: Option<SecretString>,
}

#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Data {
    /// Not set: [`Settings::data_dir`] chooses the platform's place.
    #[serde(with = "optional_path")]
    pub dir: Option<PathBuf>,
}

#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Auth {
    pub access_token_seconds: u64,
    pub refresh_token_seconds: u64,
    pub argon2_memory_kib: u32,
    pub argon2_passes: u32,
    pub failures_per_account: u32,
    pub failure_window_seconds: u64,
    pub failures_per_address_per_minute: u32,
    pub failures_of_strangers: u32,
    pub https_required: bool,
    pub api_key_environment: String,
    #[serde(with = "optional_path")]
    pub breached_passwords: Option<PathBuf>,
    pub token_algorithm: Algorithm,
}

#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Jobs {
    pub concurrency: usize,
    pub lease_seconds: u64,
    pub longest_run_seconds: LongestRuns,
    pub kept_days: KeptDays,
}

#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct KeptDays {
    pub succeeded: u16,
    pub cancelled: u16,
    pub failed: u16,
}

#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct LongestRuns {
    pub imports: u64,
    pub mail: u64,
    pub sms: u64,
    pub acts_on_many: u64,
    pub exports: u64,
    pub erasures: u64,
}

#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Imports {
    pub max_bytes: u64,
}

#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Mail {
    /// Set together with `from`, or neither: then mail lands in the development outbox.
    #[serde(with = "secret")]
    pub url: Option<SecretString>,
    #[serde(with = "optional_text")]
    pub from: Option<String>,
}

/// All of it, but for `url`, or nothing: then SMS land in the development outbox.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Sms {
    pub url: String,
    #[serde(with = "optional_text")]
    pub account: Option<String>,
    #[serde(with = "secret")]
    pub token: Option<SecretString>,
    #[serde(with = "optional_text")]
    pub from: Option<String>,
}

#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Geo {
    #[serde(with = "optional_path")]
    pub file: Option<PathBuf>,
}

impl Geo {
    /// Opens the file.
    ///
    /// # Errors
    /// It cannot be read, or is no MaxMind database.
    pub fn places(&self) -> signalbox_core::kernel::error::Result<Places> {
        self.file
            .as_deref()
            .map_or_else(|| Ok(Places::default()), Places::open)
    }
}

#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Log {
    pub format: LogFormat,
    /// A tracing filter, such as `info` or `info,signalbox_jobs=debug`.
    pub level: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One readable line an event.
    Text,
    /// One JSON object an event.
    Json,
}

#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Bootstrap {
    #[serde(with = "optional_text")]
    pub email: Option<String>,
    #[serde(with = "secret")]
    pub password: Option<SecretString>,
}

impl Settings {
    /// Whether this node takes on `role`.
    pub fn has_role(&self, role: Role) -> bool {
        self.roles.contains(&role)
    }

    /// True when no servers are named, so the hub starts its own.
    pub fn uses_private_servers(&self) -> bool {
        self.database.url.is_none() && self.redis.url.is_none()
    }

    /// The data folder: the one that is set, else `/var/lib/signalbox` as root, else the user's data place.
    /// Never the working folder: a clone is for source, and `git clean` must not cost anybody their data.
    pub fn data_dir(&self) -> anyhow::Result<PathBuf> {
        if let Some(dir) = &self.data.dir {
            return Ok(std::path::absolute(dir)?);
        }
        if nix::unistd::Uid::effective().is_root() {
            return Ok(PathBuf::from("/var/lib/signalbox"));
        }
        let set = |name: &str| {
            std::env::var_os(name)
                .map(PathBuf::from)
                .filter(|p| p.is_absolute())
        };
        set("XDG_DATA_HOME")
            .or_else(|| set("HOME").map(|home| home.join(".local/share")))
            .map(|base| base.join("signalbox"))
            .ok_or_else(|| {
                anyhow::anyhow!("there is no HOME to keep data under: name a folder with --data DIR")
            })
    }
}

/// Text where `""` means not set.
mod optional_text {
    use serde::{Deserialize, Deserializer, Serializer};

    #[expect(clippy::ref_option, reason = "the signature that serde asks for")]
    pub fn serialize<S: Serializer>(value: &Option<String>, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(value.as_deref().unwrap_or_default())
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
        let text = String::deserialize(from)?;
        let text = text.trim().trim_end_matches('/');
        Ok(if text.is_empty() {
            None
        } else {
            Some(text.to_owned())
        })
    }
}

/// A path where `""` means not set.
mod optional_path {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use std::path::PathBuf;

    #[expect(clippy::ref_option, reason = "the signature that serde asks for")]
    pub fn serialize<S: Serializer>(value: &Option<PathBuf>, to: S) -> Result<S::Ok, S::Error> {
        value.clone().unwrap_or_default().serialize(to)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<PathBuf>, D::Error> {
        let path = PathBuf::deserialize(from)?;
        Ok(if path.as_os_str().is_empty() {
            None
        } else {
            Some(path)
        })
    }
}
