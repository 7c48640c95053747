//! Lays the default, the file, the environment and the flags over each other.

use figment::error::Kind;
use figment::providers::{Format, Toml};
use figment::value::{Dict, Map, Value};
use figment::{Figment, Metadata, Profile, Provider};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use signalbox_core::live::application::Options;

use super::{Settings, check};

pub(super) const DEFAULT: &str = include_str!("default.toml");
const PREFIX: &str = "SIGNALBOX__";

/// Why the settings cannot be used. Each message names the key, where it was set, and what would do.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file of `--config` cannot be read.
    #[error("cannot read the configuration file {path}: {reason}. Check the path given with --config")]
    File { path: PathBuf, reason: std::io::Error },
    /// The file of `--config` is not TOML.
    #[error("{path}, line {line}: not valid TOML: {reason}")]
    Syntax {
        path: PathBuf,
        line: usize,
        reason: String,
    },
    /// One or more keys are unknown, of the wrong type, out of range or cannot stand together.
    #[error("{}", .0.join("\n"))]
    Keys(Vec<String>),
}

/// What the command line can set: the last and strongest layer.
#[derive(Debug, Default, Clone)]
pub struct Flags {
    pub config: Option<PathBuf>,
    pub data: Option<PathBuf>,
    pub listen: Option<SocketAddr>,
    /// As typed: `api,actors,jobs`.
    pub roles: Option<String>,
}

/// Reads all layers, the environment being this process's.
pub fn load(flags: &Flags) -> Result<Settings, ConfigError> {
    let environment = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    load_from(flags, environment)
}

/// Reads all layers with the given environment.
pub fn load_from(
    flags: &Flags,
    environment: impl Iterator<Item = (String, String)>,
) -> Result<Settings, ConfigError> {
    let defaults = Figment::from(Toml::string(DEFAULT));
    let known: Value = defaults.extract().map_err(|error| explain(&error))?;
    let mut layers = defaults;
    if let Some(path) = &flags.config {
        readable(path)?;
        layers = layers.merge(Toml::file_exact(path));
    }
    let settings: Settings = layers
        .merge(environment_layer(&known, environment)?)
        .merge(flags_layer(&known, flags))
        .extract()
        .map_err(|error| explain(&error))?;
    let complaints = check::complaints(&settings);
    if complaints.is_empty() {
        Ok(settings)
    } else {
        Err(ConfigError::Keys(complaints))
    }
}

/// Parses the file once by ourselves: figment's own message would quote the line, which may hold a password.
fn readable(path: &Path) -> Result<(), ConfigError> {
    let text = std::fs::read_to_string(path).map_err(|reason| ConfigError::File {
        path: path.to_owned(),
        reason,
    })?;
    toml::from_str::<toml::Table>(&text)
        .map(drop)
        .map_err(|error| ConfigError::Syntax {
            path: path.to_owned(),
            line: 1 + error
                .span()
                .map_or(0, |span| text[..span.start].matches('\n').count()),
            reason: error.message().to_owned(),
        })
}

/// One layer under its own name, so that an error can say where a value came from.
struct Layer {
    name: &'static str,
    values: Dict,
}

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.name)
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        Ok(Map::from([(Profile::Default, self.values.clone())]))
    }
}

/// `SIGNALBOX__SECTION__KEY` for each key. The default's type decides how the text is read, so that a
/// password of digits stays a password and a list may be written with commas.
fn environment_layer(
    known: &Value,
    environment: impl Iterator<Item = (String, String)>,
) -> Result<Layer, ConfigError> {
    let mut values = Dict::new();
    let mut complaints = Vec::new();
    for (name, text) in environment {
        let Some(key) = name.strip_prefix(PREFIX) else {
            continue;
        };
        let key = key.to_lowercase().replace("__", ".");
        match default_of(known, &key) {
            Some(default) => put(&mut values, &key, typed(&default, &text)),
            None => complaints.push(format!(
                "{name} in the environment: there is no setting `{key}`{}",
                hint()
            )),
        }
    }
    complaints.sort();
    if complaints.is_empty() {
        Ok(Layer {
            name: "the environment",
            values,
        })
    } else {
        Err(ConfigError::Keys(complaints))
    }
}

/// What stands at `key` if nobody sets it; `None` when there is no such setting. Sections that an operator names, which
/// the default cannot have, take theirs from the options that every namespace has, or every limit.
fn default_of(known: &Value, key: &str) -> Option<Value> {
    if let Some(default) = known.find_ref(key) {
        return default.as_dict().is_none().then(|| default.clone());
    }
    if let Some(number) = key
        .strip_prefix("limits.")
        .and_then(|entry| entry.splitn(3, '.').nth(2))
    {
        return known.find_ref(&format!("limits.default.read.{number}")).cloned();
    }
    let option = key.strip_prefix("live.without_namespace.").or_else(|| {
        let (_, option) = key.strip_prefix("live.namespaces.")?.split_once('.')?;
        Some(option)
    })?;
    Value::serialize(Options::default()).ok()?.find(option)
}

fn flags_layer(known: &Value, flags: &Flags) -> Layer {
    let mut values = Dict::new();
    if let Some(data) = &flags.data {
        put(&mut values, "data.dir", Value::from(data.display().to_string()));
    }
    if let Some(listen) = flags.listen {
        put(&mut values, "server.listen", Value::from(listen.to_string()));
    }
    if let (Some(roles), Some(default)) = (&flags.roles, known.find_ref("roles")) {
        put(&mut values, "roles", typed(default, roles));
    }
    Layer {
        name: "the command line",
        values,
    }
}

fn typed(default: &Value, text: &str) -> Value {
    match default {
        Value::Array(..) => {
            let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
            Value::from(parts.map(Value::from).collect::<Vec<_>>())
        }
        Value::Num(..) => text
            .trim()
            .parse::<u64>()
            .map_or_else(|_| Value::from(text), Value::from),
        Value::Bool(..) => text
            .trim()
            .parse::<bool>()
            .map_or_else(|_| Value::from(text), Value::from),
        _ => Value::from(text),
    }
}

fn put(values: &mut Dict, key: &str, value: Value) {
    let Some((section, key)) = key.split_once('.') else {
        values.insert(key.to_owned(), value);
        return;
    };
    let entry = values
        .entry(section.to_owned())
        .or_insert_with(|| Value::from(Dict::new()));
    if let Value::Dict(_, section) = entry {
        put(section, key, value);
    }
}

fn hint() -> &'static str {
    "; `signalbox config print` shows every key"
}

/// Turns figment's errors into ours. The offending value is left out on purpose: it may be a secret in the
/// wrong place.
fn explain(error: &figment::Error) -> ConfigError {
    ConfigError::Keys(error.clone().into_iter().map(|one| explain_one(&one)).collect())
}

fn explain_one(error: &figment::Error) -> String {
    let key = error.path.join(".");
    let place = error.metadata.as_ref().map_or_else(String::new, |metadata| {
        let source = metadata
            .source
            .as_ref()
            .map_or_else(|| metadata.name.to_string(), ToString::to_string);
        format!(" in {source}")
    });
    match &error.kind {
        Kind::UnknownField(field, _) => {
            let full = if key.is_empty() || key.ends_with(field.as_str()) {
                if key.is_empty() { field.clone() } else { key }
            } else {
                format!("{key}.{field}")
            };
            format!("`{full}`{place}: there is no such setting{}", hint())
        }
        Kind::UnknownVariant(_, choices) => format!("`{key}`{place}: must be one of {}", choices.join(", ")),
        Kind::InvalidType(_, expected) | Kind::InvalidValue(_, expected) => {
            format!("`{key}`{place}: must be {expected}")
        }
        Kind::MissingField(field) => format!("`{key}{field}`{place}: is missing"),
        _ => format!("`{key}`{place}: does not have the form that `signalbox config print` shows"),
    }
}
