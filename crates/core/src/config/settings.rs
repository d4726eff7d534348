//! Where settings come from: environment, files that the environment names, configuration files. Knows no setting.
//!
//! `KEY_FILE` beats `KEY`, which beats configuration files; of those a later one beats an earlier one.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    str::FromStr,
};

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// Largest file that is read, in bytes.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// Why the configuration cannot be used. Says where the mistake is.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file cannot be read.
    #[error("cannot read {path}, which {named_by} names", path = path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// What names it.
        named_by: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file is not what its name says.
    #[error("cannot understand {path}: {why}", path = path.display())]
    Parse {
        /// Which file.
        path: PathBuf,
        /// Where and why.
        why: String,
    },
    /// A value is out of its rules.
    #[error("{source_name} is {found}, but must be {expected}")]
    Value {
        /// Environment variable or file and key.
        source_name: String,
        /// What is there.
        found: String,
        /// What must be there.
        expected: String,
    },
}

/// All settings as they were found.
#[derive(Debug, Default)]
pub struct Settings {
    prefix: &'static str,
    environment: BTreeMap<String, String>,
    files: BTreeMap<String, (Value, PathBuf)>,
}

struct Found {
    value: Value,
    source: String,
    secret: bool,
}

impl Settings {
    /// Settings of an environment and of the files that `<prefix>CONFIG_PATHS` names in it (`default_paths` where it is
    /// absent, and then only those that exist).
    pub fn read(
        prefix: &'static str,
        environment: impl IntoIterator<Item = (String, String)>,
        default_paths: &[&str],
    ) -> Result<Self, ConfigError> {
        let environment = environment
            .into_iter()
            .map(|(name, value)| (name.to_ascii_uppercase(), value))
            .filter(|(name, _)| name.starts_with(prefix) || name == "TZ")
            .collect();
        let mut settings = Settings {
            prefix,
            environment,
            files: BTreeMap::new(),
        };
        let named = ["CONFIG_PATHS", "CONFIG_PATH"].map(|key| format!("{prefix}{key}"));
        let given = named
            .iter()
            .find_map(|name| Some((name.clone(), settings.environment.get(name)?.clone())));
        match given {
            Some((name, list)) => {
                for path in split_list(&list) {
                    settings.read_path(Path::new(&path), &name)?;
                }
            }
            None => {
                for path in default_paths
                    .iter()
                    .map(Path::new)
                    .filter(|path| path.exists())
                {
                    settings.read_path(path, "the default")?;
                }
            }
        }
        Ok(settings)
    }

    fn read_path(&mut self, path: &Path, named_by: &str) -> Result<(), ConfigError> {
        let read = |source| ConfigError::Read {
            path: path.to_owned(),
            named_by: named_by.to_owned(),
            source,
        };
        if !fs::metadata(path).map_err(read)?.is_dir() {
            return self.read_file(path, named_by);
        }
        let mut inside = Vec::new();
        for entry in fs::read_dir(path).map_err(read)? {
            let name = entry
                .map_err(read)?
                .file_name()
                .to_string_lossy()
                .into_owned();
            if name.contains("config.") && (name.ends_with(".toml") || name.ends_with(".json")) {
                inside.push(path.join(name));
            }
        }
        inside.sort();
        inside
            .iter()
            .try_for_each(|file| self.read_file(file, named_by))
    }

    fn read_file(&mut self, path: &Path, named_by: &str) -> Result<(), ConfigError> {
        let text = read_text(path).map_err(|source| ConfigError::Read {
            path: path.to_owned(),
            named_by: named_by.to_owned(),
            source,
        })?;
        let parse = |why: String| ConfigError::Parse {
            path: path.to_owned(),
            why,
        };
        let document: Value = match path.extension().and_then(|extension| extension.to_str()) {
            Some("json") => {
                serde_json::from_str(&text).map_err(|error| parse(error.to_string()))?
            }
            Some("toml") => toml::from_str(&text).map_err(|error| parse(error.to_string()))?,
            _ => return Err(parse("configuration files are .toml or .json".into())),
        };
        let Value::Object(document) = document else {
            return Err(parse("it is not a table of settings".into()));
        };
        self.flatten("", document, path);
        Ok(())
    }

    fn flatten(&mut self, before: &str, table: Map<String, Value>, path: &Path) {
        for (key, value) in table {
            let key = if before.is_empty() {
                key
            } else {
                format!("{before}.{key}")
            };
            match value {
                Value::Object(inner) => self.flatten(&key, inner, path),
                value => {
                    self.files.insert(key, (value, path.to_owned()));
                }
            }
        }
    }

    fn find(&self, key: &str) -> Result<Option<Found>, ConfigError> {
        let name = format!(
            "{}{}",
            self.prefix,
            key.replace('.', "_").to_ascii_uppercase()
        );
        let file_name = format!("{name}_FILE");
        if let Some(path) = self.environment.get(&file_name) {
            let path = PathBuf::from(path);
            let text = read_text(&path).map_err(|source| ConfigError::Read {
                path,
                named_by: file_name.clone(),
                source,
            })?;
            let value = Value::String(text.trim_end_matches(['\n', '\r']).to_owned());
            return Ok(Some(Found {
                value,
                source: file_name,
                secret: true,
            }));
        }
        if let Some(text) = self.environment.get(&name) {
            return Ok(Some(Found {
                value: Value::String(text.clone()),
                source: name,
                secret: false,
            }));
        }
        Ok(self.files.get(key).map(|(value, path)| Found {
            value: value.clone(),
            source: format!("'{key}' in {}", path.display()),
            secret: false,
        }))
    }

    /// A text.
    pub fn text(&self, key: &str) -> Result<Option<String>, ConfigError> {
        self.parsed(key, "a text", |text| Some(text.to_owned()))
    }

    /// A text that is empty where it is not set.
    pub fn text_or_empty(&self, key: &str) -> Result<String, ConfigError> {
        Ok(self.text(key)?.unwrap_or_default())
    }

    /// A secret: its value appears in no error.
    pub fn secret(&self, key: &str) -> Result<Option<String>, ConfigError> {
        Ok(self.text(key)?.filter(|text| !text.is_empty()))
    }

    /// `true` or `false`.
    pub fn flag(&self, key: &str, default: bool) -> Result<bool, ConfigError> {
        let read = |text: &str| match text.trim().to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" | "on" => Some(true),
            "false" | "0" | "no" | "off" => Some(false),
            _ => None,
        };
        Ok(self.parsed(key, "true or false", read)?.unwrap_or(default))
    }

    /// A number, or anything else that is written as one word.
    pub fn number<T: FromStr>(
        &self,
        key: &str,
        default: T,
        expected: &str,
    ) -> Result<T, ConfigError> {
        Ok(self
            .parsed(key, expected, |text| text.trim().parse().ok())?
            .unwrap_or(default))
    }

    /// One of the words that a type of the API is written with.
    pub fn word<T: DeserializeOwned>(
        &self,
        key: &str,
        default: T,
        expected: &str,
    ) -> Result<T, ConfigError> {
        let read = |text: &str| serde_json::from_value(Value::String(text.trim().to_owned())).ok();
        Ok(self.parsed(key, expected, read)?.unwrap_or(default))
    }

    /// A list; with commas between its items where it is a text.
    pub fn list(&self, key: &str) -> Result<Vec<String>, ConfigError> {
        let Some(found) = self.find(key)? else {
            return Ok(Vec::new());
        };
        let items = match &found.value {
            Value::String(text) => Some(split_list(text)),
            Value::Array(items) => items
                .iter()
                .map(|item| item.as_str().map(str::to_owned))
                .collect(),
            _ => None,
        };
        items.ok_or_else(|| found.wrong("a list of texts"))
    }

    fn parsed<T>(
        &self,
        key: &str,
        expected: &str,
        read: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<T>, ConfigError> {
        let Some(found) = self.find(key)? else {
            return Ok(None);
        };
        let text = match &found.value {
            Value::String(text) => Some(text.clone()),
            Value::Bool(_) | Value::Number(_) => Some(found.value.to_string()),
            _ => None,
        };
        match text.as_deref().and_then(read) {
            Some(value) => Ok(Some(value)),
            None => Err(found.wrong(expected)),
        }
    }
}

impl Found {
    fn wrong(&self, expected: &str) -> ConfigError {
        let found = if self.secret {
            "something else".to_owned()
        } else {
            self.value.to_string()
        };
        ConfigError::Value {
            source_name: self.source.clone(),
            found,
            expected: expected.to_owned(),
        }
    }
}

fn read_text(path: &Path) -> io::Result<String> {
    if fs::metadata(path)?.len() > FILE_BYTES_MAX {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            "larger than 1 MiB",
        ));
    }
    fs::read_to_string(path)
}

fn split_list(text: &str) -> Vec<String> {
    text.split(',')
        .map(str::trim)
        .filter(|item| !item.is_empty())
        .map(str::to_owned)
        .collect()
}
