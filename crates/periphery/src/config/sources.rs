//! Files and the environment, merged into one table of known keys.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use toml::{Table, Value};

use super::keys::{ABOUT_FILES, KEYS, Key, Kind};

const PREFIX: &str = "PERIPHERY_";
const CONFIG_BYTES_MAX: u64 = 1024 * 1024;

/// The environment, by name.
pub type Environment = BTreeMap<String, String>;

/// What is wrong with the configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file is not TOML.
    #[error("{path} is not valid TOML: {why}")]
    Toml {
        /// Which.
        path: PathBuf,
        /// What the parser says, with the line.
        why: String,
    },
    /// A file is of a kind that is not read.
    #[error("{0} is not a .toml file; other kinds of files are not read")]
    Kind(PathBuf),
    /// A variable cannot be read as what it is.
    #[error("{name} must be {expected}")]
    Variable {
        /// Name of the variable.
        name: String,
        /// What it must be.
        expected: &'static str,
    },
    /// A value is not what it must be.
    #[error("the configuration is not valid: {what}")]
    Value {
        /// What is wrong, with the key.
        what: String,
    },
}

/// Merges files in order, then the environment, and says what is odd.
pub(super) fn merge(
    paths: &[PathBuf],
    environment: &Environment,
) -> Result<(Table, Vec<String>), ConfigError> {
    let mut warnings = Vec::new();
    let environment: BTreeMap<String, &str> = environment
        .iter()
        .map(|(name, value)| (name.to_ascii_uppercase(), value.as_str()))
        .collect();
    let listed = ["CONFIG_PATHS", "CONFIG_PATH"]
        .iter()
        .find_map(|name| environment.get(&format!("{PREFIX}{name}")));
    let from_environment: Vec<PathBuf> = match listed {
        Some(list) if paths.is_empty() => items(list).map(PathBuf::from).collect(),
        _ => Vec::new(),
    };
    let mut merged = Table::new();
    for path in paths.iter().chain(&from_environment) {
        for file in files(path)? {
            let table = read(&file, &environment)?;
            for (name, value) in table {
                take(&mut merged, &file, "", name, value, &mut warnings);
            }
        }
    }
    variables(&mut merged, &environment, &mut warnings)?;
    Ok((merged, warnings))
}

/// A file, or those of a folder whose names say that they are configuration, in order.
fn files(path: &Path) -> Result<Vec<PathBuf>, ConfigError> {
    let unreadable = |source| ConfigError::Read {
        path: path.into(),
        source,
    };
    if !fs::metadata(path).map_err(unreadable)?.is_dir() {
        let toml = path
            .extension()
            .is_some_and(|extension| extension.eq_ignore_ascii_case("toml"));
        return if toml {
            Ok(vec![path.into()])
        } else {
            Err(ConfigError::Kind(path.into()))
        };
    }
    let mut found = Vec::new();
    for entry in fs::read_dir(path).map_err(unreadable)? {
        let file = entry.map_err(unreadable)?.path();
        let name = file
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .to_ascii_lowercase();
        if name.contains("config") && name.ends_with(".toml") {
            found.push(file);
        }
    }
    found.sort();
    Ok(found)
}

fn read(path: &Path, environment: &BTreeMap<String, &str>) -> Result<Table, ConfigError> {
    let unreadable = |source| ConfigError::Read {
        path: path.into(),
        source,
    };
    if fs::metadata(path).map_err(unreadable)?.len() > CONFIG_BYTES_MAX {
        return Err(unreadable(io::Error::other("it is larger than 1 MiB")));
    }
    let text = fs::read_to_string(path).map_err(unreadable)?;
    let mut table: Table = text
        .parse()
        .map_err(|error: toml::de::Error| ConfigError::Toml {
            path: path.into(),
            why: error.to_string().replace('\n', " "),
        })?;
    for (_, value) in table.iter_mut() {
        interpolate(value, environment);
    }
    Ok(table)
}

/// Replaces `${NAME}` in texts; a name that is not set stays as it is.
fn interpolate(value: &mut Value, environment: &BTreeMap<String, &str>) {
    match value {
        Value::String(text) if text.contains("${") => {
            for (name, replacement) in environment {
                let pattern = format!("${{{name}}}");
                if text.contains(&pattern) {
                    *text = text.replace(&pattern, replacement);
                }
            }
        }
        Value::Array(values) => values
            .iter_mut()
            .for_each(|value| interpolate(value, environment)),
        Value::Table(table) => table
            .iter_mut()
            .for_each(|(_, value)| interpolate(value, environment)),
        _ => {}
    }
}

/// Takes a key of a file into the table, under its one name.
fn take(
    merged: &mut Table,
    file: &Path,
    within: &str,
    name: String,
    value: Value,
    warnings: &mut Vec<String>,
) {
    let full = format!("{within}{name}");
    let table_of_keys = KEYS
        .iter()
        .any(|key| key.name.starts_with(&format!("{full}.")));
    match value {
        Value::Table(inner) if table_of_keys => {
            for (name, value) in inner {
                take(merged, file, &format!("{full}."), name, value, warnings);
            }
        }
        value => match KEYS
            .iter()
            .find(|key| key.name == full || key.alias == Some(&full))
        {
            None => warnings.push(format!("{}: unknown key '{full}'", file.display())),
            Some(key) => {
                if !key.used {
                    warnings.push(format!(
                        "{}: '{full}' is not used by this version",
                        file.display()
                    ));
                    return;
                }
                // A list may be written as one text.
                let value = match (key.kind, value) {
                    (Kind::List, Value::String(text)) => list(&text),
                    (_, value) => value,
                };
                put(merged, key, value, true);
            }
        },
    }
}

/// The one secret that is needed at first only.
const ONBOARDING_KEY: &str = "onboarding_key";

fn variables(
    merged: &mut Table,
    environment: &BTreeMap<String, &str>,
    warnings: &mut Vec<String>,
) -> Result<(), ConfigError> {
    for (name, text) in environment {
        let Some(short) = name.strip_prefix(PREFIX) else {
            continue;
        };
        if ABOUT_FILES.contains(&short) {
            continue;
        }
        let named = |short: &str| {
            let is = |name: &str| name.replace('.', "_").eq_ignore_ascii_case(short);
            KEYS.iter()
                .find(|key| key.kind != Kind::Table && (is(key.name) || key.alias.is_some_and(is)))
        };
        let (key, value) = match named(short) {
            Some(key) => (key, variable(name, key, text)?),
            None => match short
                .strip_suffix("_FILE")
                .and_then(named)
                .filter(|key| key.from_file)
            {
                Some(key) => {
                    let path = PathBuf::from(text);
                    match fs::read_to_string(&path) {
                        Ok(text) => (key, variable(name, key, text.trim())?),
                        // An agent that has joined needs none any more, and must start when its file was deleted.
                        Err(error)
                            if error.kind() == io::ErrorKind::NotFound
                                && key.name == ONBOARDING_KEY =>
                        {
                            warnings.push(format!(
                                "{name}: there is no file {}; it is needed to join only",
                                path.display()
                            ));
                            continue;
                        }
                        Err(source) => return Err(ConfigError::Read { path, source }),
                    }
                }
                None => {
                    warnings.push(format!("unknown variable {name}"));
                    continue;
                }
            },
        };
        if !key.used {
            warnings.push(format!("{name} is not used by this version"));
            continue;
        }
        // In the order of names, what comes from a file comes after what stands in the variable itself, and wins.
        put(merged, key, value, false);
    }
    Ok(())
}

fn variable(name: &str, key: &Key, text: &str) -> Result<Value, ConfigError> {
    let bad = |expected| ConfigError::Variable {
        name: name.to_owned(),
        expected,
    };
    Ok(match key.kind {
        Kind::Text => Value::String(text.to_owned()),
        Kind::List => list(text),
        Kind::Bool => match text.trim().to_ascii_lowercase().as_str() {
            "true" | "1" => Value::Boolean(true),
            "false" | "0" => Value::Boolean(false),
            _ => return Err(bad("true or false")),
        },
        Kind::Number => Value::Integer(text.trim().parse().map_err(|_| bad("a number"))?),
        Kind::Table => return Err(bad("set in a file")),
    })
}

fn items(text: &str) -> impl Iterator<Item = &str> {
    text.split(',')
        .map(str::trim)
        .filter(|item| !item.is_empty())
}

fn list(text: &str) -> Value {
    Value::Array(
        items(text)
            .map(|item| Value::String(item.to_owned()))
            .collect(),
    )
}

/// Sets a key. Lists of several files add up.
fn put(merged: &mut Table, key: &Key, value: Value, extend: bool) {
    let (table, name) = match key.name.split_once('.') {
        None => (merged, key.name),
        Some((table, name)) => {
            let table = merged
                .entry(table)
                .or_insert_with(|| Value::Table(Table::new()));
            match table {
                Value::Table(table) => (table, name),
                _ => return,
            }
        }
    };
    match (table.get_mut(name), value) {
        (Some(Value::Array(known)), Value::Array(more)) if extend => known.extend(more),
        (_, value) => {
            table.insert(name.to_owned(), value);
        }
    }
}
