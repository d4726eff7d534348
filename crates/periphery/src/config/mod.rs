//! Configuration: files, over them the environment, over that `<NAME>_FILE` for secrets, all by the names that users of
//! this ecosystem know. Parsed whole at the start; a bad value is an error that names where it stands and what is right.

mod keys;
mod sources;

use std::{fmt, path::PathBuf};

use komodo_api::stats::Timelength;
use serde::Deserialize;

pub use sources::{ConfigError, Environment};

/// A text that is never shown.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// The text.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// What users configure of an agent. Keys of what is not built yet are read and checked as unknown ones are: with a
/// warning.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Own key, PEM or `file:<path>`; absent is a file in the root directory, made at the first start.
    pub private_key: Option<Secret>,
    /// What Core shows to let an agent join.
    pub onboarding_key: Option<Secret>,
    /// Keys of Core that are trusted, or `file:<path>`.
    pub core_public_keys: Vec<String>,
    /// Addresses of Core.
    pub core_addresses: Vec<String>,
    /// Whether the certificate of the outer TLS is not looked at.
    pub core_tls_insecure_skip_verify: bool,
    /// Name of the server at Core; empty is the name of the host.
    pub connect_as: String,
    /// Where the agent keeps its state.
    pub root_directory: PathBuf,
    /// Time between samples of host figures.
    pub stats_polling_rate: Timelength,
    /// Mount points that are shown; empty is all.
    pub include_disk_mounts: Vec<PathBuf>,
    /// Mount points that are not shown.
    pub exclude_disk_mounts: Vec<PathBuf>,
    /// Logging.
    pub logging: Logging,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            private_key: None,
            onboarding_key: None,
            core_public_keys: Vec::new(),
            core_addresses: Vec::new(),
            core_tls_insecure_skip_verify: false,
            connect_as: String::new(),
            root_directory: "/etc/komodo".into(),
            stats_polling_rate: Timelength::FiveSeconds,
            include_disk_mounts: Vec::new(),
            exclude_disk_mounts: Vec::new(),
            logging: Logging::default(),
        }
    }
}

/// How the agent logs, to standard error.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Logging {
    /// From which level on.
    pub level: LogLevel,
    /// In which form.
    pub stdio: LogForm,
    /// Whether with colours.
    pub ansi: bool,
    /// Whether with the place in the source.
    pub location: bool,
    /// Whether with times.
    pub timestamps: bool,
}

impl Default for Logging {
    fn default() -> Self {
        Logging {
            level: LogLevel::Info,
            stdio: LogForm::Standard,
            ansi: true,
            location: false,
            timestamps: true,
        }
    }
}

/// Level of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs, reason = "the variants say it")]
pub enum LogLevel {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
}

/// Form of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogForm {
    /// Lines for people.
    Standard,
    /// A JSON document a line.
    Json,
    /// Nothing.
    None,
}

/// A configuration, and what is odd about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// One sentence each.
    pub warnings: Vec<String>,
}

/// Reads the configuration.
///
/// # Errors
/// [`ConfigError`], which names the file or variable.
pub fn load(paths: &[PathBuf], environment: &Environment) -> Result<Loaded, ConfigError> {
    let (table, mut warnings) = sources::merge(paths, environment)?;
    let config: Config =
        toml::Value::Table(table)
            .try_into()
            .map_err(|error: toml::de::Error| ConfigError::Value {
                what: error.to_string().trim().replace('\n', " "),
            })?;
    if config.core_addresses.len() > 1 {
        warnings.push("several addresses of Core are given; only the first is used".to_owned());
    }
    Ok(Loaded { config, warnings })
}

#[cfg(test)]
mod tests;
