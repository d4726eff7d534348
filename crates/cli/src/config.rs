//! Where `km` finds Core and with what it signs in: files, environment and profiles, by the known names.
//!
//! From weak to strong: files (later ones over earlier ones), the profile that the files choose as default, environment,
//! the profile that the command line names, arguments. Secrets stay in [`Secret`] and are never printed.

mod files;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value};

pub use files::FILE_BYTES_MAX;

/// Environment variables by name in upper case.
pub type Environment = BTreeMap<String, String>;

/// A text that is never shown.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("########")
    }
}

/// Lines of tables.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Borders {
    /// None.
    #[default]
    None,
    /// Under each row.
    Horizontal,
    /// Between columns.
    Vertical,
    /// Between rows and columns.
    Inside,
    /// Around the table.
    Outside,
    /// Everywhere.
    All,
}

/// What `km` works with.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Settings {
    /// Profile in use; nothing is the root of the files.
    pub profile: Option<String>,
    /// Address of Core; empty where none is known.
    pub host: String,
    /// API key.
    pub cli_key: Option<String>,
    /// Secret of the API key.
    pub cli_secret: Option<Secret>,
    /// Lines of tables.
    pub table_borders: Borders,
    /// Files that were read, the strongest last.
    pub files: Vec<PathBuf>,
    /// File that a sign-in is stored in.
    pub login_file: PathBuf,
}

/// What the command line says about settings.
#[derive(Debug, Clone, Default)]
pub struct Given {
    /// `--profile`.
    pub profile: Option<String>,
    /// `--config-path`, in place of the known places.
    pub paths: Vec<PathBuf>,
    /// `--config-keyword`, in place of the known patterns.
    pub keywords: Vec<String>,
    /// `--host`.
    pub host: Option<String>,
    /// `--key`.
    pub key: Option<String>,
    /// `--secret`.
    pub secret: Option<String>,
}

/// Why the settings cannot be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A file cannot be read.
    #[error("cannot read {path}: {why}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why, with the line where it is known.
        why: String,
    },
    /// The files hold something that is no setting.
    #[error("the configuration cannot be used: {0}")]
    Shape(String),
    /// No such profile.
    #[error("there is no profile '{name}'; there {}", known(profiles))]
    NoProfile {
        /// As it was asked for.
        name: String,
        /// Those there are.
        profiles: Vec<String>,
    },
    /// A text refers to a variable that is not set.
    #[error("the configuration refers to ${{{0}}}, which is not set")]
    Unset(String),
}

fn known(profiles: &[String]) -> String {
    match profiles {
        [] => "are none".to_owned(),
        names => format!("is {}", names.join(", ")),
    }
}

/// The part that files and profiles share.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Layer {
    host: Option<String>,
    cli_key: Option<String>,
    cli_secret: Option<Secret>,
    table_borders: Option<Borders>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Root {
    #[serde(flatten)]
    layer: Layer,
    default_profile: Option<String>,
    profile: Vec<Profile>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Profile {
    #[serde(flatten)]
    layer: Layer,
    config_profile: String,
    config_aliases: Vec<String>,
}

/// Reads the settings.
///
/// # Errors
/// When a file cannot be read or holds no settings, or the profile does not exist.
pub fn load(given: &Given, environment: &Environment) -> Result<Settings, ConfigError> {
    let env = |name: &str| {
        environment
            .get(name)
            .filter(|value| !value.is_empty())
            .cloned()
    };
    let list = |names: [&str; 2]| -> Option<Vec<String>> {
        let value = names.into_iter().find_map(env)?;
        Some(
            value
                .split(',')
                .map(str::trim)
                .filter(|item| !item.is_empty())
                .map(str::to_owned)
                .collect(),
        )
    };
    let switch = |name: &str| env(name).is_none_or(|value| value != "false");

    let places = if !given.paths.is_empty() {
        files::Places::Given(given.paths.clone())
    } else if let Some(paths) = list(["KOMODO_CLI_CONFIG_PATHS", "KOMODO_CLI_CONFIG_PATH"]) {
        files::Places::Known(paths.into_iter().map(PathBuf::from).collect())
    } else {
        files::Places::Known(vec![match env("HOME") {
            Some(home) => Path::new(&home).join(".config/komodo"),
            None => PathBuf::from("."),
        }])
    };
    let keywords = match given.keywords.is_empty() {
        false => given.keywords.clone(),
        true => list(["KOMODO_CLI_CONFIG_KEYWORDS", "KOMODO_CLI_CONFIG_KEYWORD"])
            .unwrap_or_else(|| vec!["*komodo.cli*.*".to_owned()]),
    };
    let merging = files::Merging {
        nested: switch("KOMODO_CLI_MERGE_NESTED_CONFIG"),
        extend_arrays: switch("KOMODO_CLI_EXTEND_CONFIG_ARRAYS"),
    };
    let files = files::find(&places, &keywords)?;
    let mut merged = Map::new();
    for file in &files {
        merging.merge(&mut merged, canonical(files::read(file)?));
    }
    let mut merged = Value::Object(merged);
    interpolate(&mut merged, environment)?;
    let root: Root =
        serde_json::from_value(merged).map_err(|error| ConfigError::Shape(error.to_string()))?;

    let mut settings = Settings {
        login_file: login_file(&places, &files),
        files,
        ..Settings::default()
    };
    settings.overlay(root.layer);
    let default_profile = env("KOMODO_CLI_DEFAULT_PROFILE")
        .or(root.default_profile)
        .filter(|name| !name.is_empty());
    let (chosen, named) = match &given.profile {
        Some(name) => (Some(name.clone()), true),
        None => (default_profile, false),
    };
    let mut profile = None;
    if let Some(name) = &chosen {
        let profiles: Vec<String> = root
            .profile
            .iter()
            .map(|profile| profile.config_profile.clone())
            .collect();
        let found = root
            .profile
            .into_iter()
            .find(|profile| {
                profile.config_profile == *name || profile.config_aliases.contains(name)
            })
            .ok_or_else(|| ConfigError::NoProfile {
                name: name.clone(),
                profiles,
            })?;
        settings.profile = Some(found.config_profile);
        profile = Some(found.layer);
    }
    let from_environment = Layer {
        host: ["KOMODO_CLI_HOST", "KOMODO_HOST", "KOMODO_ADDRESS"]
            .into_iter()
            .find_map(env),
        cli_key: ["KOMODO_CLI_KEY", "KOMODO_API_KEY"]
            .into_iter()
            .find_map(env),
        cli_secret: ["KOMODO_CLI_SECRET", "KOMODO_API_SECRET"]
            .into_iter()
            .find_map(env)
            .map(Secret),
        table_borders: match env("KOMODO_CLI_TABLE_BORDERS") {
            Some(value) => Some(
                serde_json::from_value(Value::from(value.to_lowercase())).map_err(|error| {
                    ConfigError::Shape(format!("KOMODO_CLI_TABLE_BORDERS: {error}"))
                })?,
            ),
            None => None,
        },
    };
    let layers = match named {
        true => [Some(from_environment), profile],
        false => [profile, Some(from_environment)],
    };
    for layer in layers.into_iter().flatten() {
        settings.overlay(layer);
    }
    settings.overlay(Layer {
        host: given.host.clone(),
        cli_key: given.key.clone(),
        cli_secret: given.secret.clone().map(Secret),
        table_borders: None,
    });
    Ok(settings)
}

impl Settings {
    fn overlay(&mut self, layer: Layer) {
        let given = |text: &String| !text.is_empty();
        if let Some(host) = layer.host.filter(given) {
            self.host = host;
        }
        if let Some(key) = layer.cli_key.filter(given) {
            self.cli_key = Some(key);
        }
        if let Some(secret) = layer.cli_secret.filter(|secret| !secret.0.is_empty()) {
            self.cli_secret = Some(secret);
        }
        if let Some(borders) = layer.table_borders {
            self.table_borders = borders;
        }
    }
}

/// The table with each key under its one name, so that files that use different names merge.
fn canonical(table: Map<String, Value>) -> Map<String, Value> {
    let canonical_key = |key: String| match key.as_str() {
        "default" => "default_profile".to_owned(),
        "name" => "config_profile".to_owned(),
        "aliases" | "alias" => "config_aliases".to_owned(),
        "key" => "cli_key".to_owned(),
        "secret" => "cli_secret".to_owned(),
        "profiles" => "profile".to_owned(),
        _ => key,
    };
    table
        .into_iter()
        .map(|(key, value)| {
            let value = match value {
                Value::Array(items) => Value::Array(
                    items
                        .into_iter()
                        .map(|item| match item {
                            Value::Object(table) => Value::Object(canonical(table)),
                            other => other,
                        })
                        .collect(),
                ),
                other => other,
            };
            (canonical_key(key), value)
        })
        .collect()
}

/// Replaces `${NAME}` in every text, twice, so that a variable may refer to another one.
fn interpolate(value: &mut Value, environment: &Environment) -> Result<(), ConfigError> {
    match value {
        Value::String(text) if text.contains("${") => {
            for _ in 0..2 {
                *text = replaced(text, environment)?;
            }
        }
        Value::Array(items) => {
            for item in items {
                interpolate(item, environment)?;
            }
        }
        Value::Object(table) => {
            for (_, item) in table.iter_mut() {
                interpolate(item, environment)?;
            }
        }
        _ => {}
    }
    Ok(())
}

fn replaced(text: &str, environment: &Environment) -> Result<String, ConfigError> {
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let Some((name, behind)) = after.split_once('}') else {
            break;
        };
        let value = environment
            .get(&name.to_uppercase())
            .ok_or_else(|| ConfigError::Unset(name.to_owned()))?;
        result.push_str(before);
        result.push_str(value);
        rest = behind;
    }
    result.push_str(rest);
    Ok(result)
}

/// The strongest TOML file that was read, else a new one in the strongest place.
fn login_file(places: &files::Places, files: &[PathBuf]) -> PathBuf {
    let toml = files.iter().rev().find(|file| {
        file.extension()
            .is_some_and(|extension| extension == "toml")
    });
    match toml {
        Some(file) => file.clone(),
        None => match places.all().last() {
            Some(place)
                if place
                    .extension()
                    .is_some_and(|extension| extension == "toml") =>
            {
                place.clone()
            }
            Some(place) => place.join("komodo.cli.toml"),
            None => PathBuf::from("komodo.cli.toml"),
        },
    }
}
