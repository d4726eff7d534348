//! Configuration files: finding, reading and merging them.

use std::{
    fs,
    io::Read,
    path::{Path, PathBuf},
};

use serde_json::{Map, Value};

use super::ConfigError;

/// Largest configuration file that is read.
pub const FILE_BYTES_MAX: u64 = 1024 * 1024;
/// Include files within include files.
const INCLUDE_DEPTH_MAX: usize = 8;
/// Names further files and folders, one a line.
const INCLUDE_FILE: &str = ".kminclude";

/// Where files are looked for.
#[derive(Debug, Clone)]
pub(super) enum Places {
    /// Named on the command line: they must exist.
    Given(Vec<PathBuf>),
    /// From the environment or by default: they may be missing.
    Known(Vec<PathBuf>),
}

impl Places {
    pub(super) fn all(&self) -> &[PathBuf] {
        match self {
            Places::Given(paths) | Places::Known(paths) => paths,
        }
    }
}

/// The configuration files, the strongest last.
pub(super) fn find(places: &Places, keywords: &[String]) -> Result<Vec<PathBuf>, ConfigError> {
    let mut files = Vec::new();
    for place in places.all() {
        match place.metadata() {
            Ok(_) => add(place, keywords, 0, &mut files)?,
            Err(error) if matches!(places, Places::Given(_)) => {
                return Err(ConfigError::File {
                    path: place.clone(),
                    why: error.to_string(),
                });
            }
            Err(_) => {}
        }
    }
    Ok(files)
}

fn add(
    place: &Path,
    keywords: &[String],
    depth: usize,
    files: &mut Vec<PathBuf>,
) -> Result<(), ConfigError> {
    if !place.is_dir() {
        if place.is_file() && !files.iter().any(|file| file == place) {
            files.push(place.to_owned());
        }
        return Ok(());
    }
    let failed = |error: std::io::Error| ConfigError::File {
        path: place.to_owned(),
        why: error.to_string(),
    };
    let mut names: Vec<String> = fs::read_dir(place)
        .map_err(failed)?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect();
    names.sort();
    for keyword in keywords {
        for name in names.iter().filter(|name| matches(keyword, name)) {
            let file = place.join(name);
            if file.is_file() && !files.contains(&file) {
                files.push(file);
            }
        }
    }
    let include = place.join(INCLUDE_FILE);
    if include.is_file() && depth < INCLUDE_DEPTH_MAX {
        for line in text(&include)?.lines() {
            let line = line
                .split_once('#')
                .map_or(line, |(before, _)| before)
                .trim();
            if !line.is_empty() {
                add(&place.join(line), keywords, depth + 1, files)?;
            }
        }
    }
    Ok(())
}

/// Whether a name matches a pattern with `*` and `?`.
pub(super) fn matches(pattern: &str, name: &str) -> bool {
    fn rest(pattern: &[char], name: &[char]) -> bool {
        match (pattern.split_first(), name.split_first()) {
            (None, None) => true,
            (Some(('*', behind)), _) => {
                (0..=name.len()).any(|skipped| rest(behind, &name[skipped..]))
            }
            (Some(('?', behind)), Some((_, name))) => rest(behind, name),
            (Some((wanted, behind)), Some((found, name))) => wanted == found && rest(behind, name),
            _ => false,
        }
    }
    rest(
        &pattern.chars().collect::<Vec<_>>(),
        &name.chars().collect::<Vec<_>>(),
    )
}

/// Reads a file by what its name ends in.
pub(super) fn read(path: &Path) -> Result<Map<String, Value>, ConfigError> {
    let failed = |why: String| ConfigError::File {
        path: path.to_owned(),
        why,
    };
    let text = text(path)?;
    let extension = path
        .extension()
        .and_then(|extension| extension.to_str())
        .unwrap_or_default();
    // Messages of parsers quote the line, and that line may hold a secret: only the place is passed on.
    let value: Value = match extension {
        "toml" => toml::from_str(&text).map_err(|error| {
            let line = error.span().map_or(0, |span| {
                text[..span.start.min(text.len())].lines().count().max(1)
            });
            failed(format!("line {line} is not TOML: {}", error.message()))
        })?,
        "json" => serde_json::from_str(&text).map_err(|error| {
            failed(format!(
                "line {} column {} is not JSON",
                error.line(),
                error.column()
            ))
        })?,
        "yaml" | "yml" => serde_yaml_ng::from_str(&text).map_err(|error| {
            failed(format!(
                "line {} is not YAML",
                error.location().map_or(0, |location| location.line())
            ))
        })?,
        _ => {
            return Err(failed(
                "its name must end in .toml, .yaml, .yml or .json".into(),
            ));
        }
    };
    match value {
        Value::Object(table) => Ok(table),
        Value::Null => Ok(Map::new()),
        _ => Err(failed("it holds no table of settings".into())),
    }
}

fn text(path: &Path) -> Result<String, ConfigError> {
    let failed = |why: String| ConfigError::File {
        path: path.to_owned(),
        why,
    };
    let mut text = String::new();
    fs::File::open(path)
        .and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text))
        .map_err(|error| failed(error.to_string()))?;
    match text.len() as u64 > FILE_BYTES_MAX {
        true => Err(failed(format!("it is larger than {FILE_BYTES_MAX} bytes"))),
        false => Ok(text),
    }
}

/// How a later file goes over an earlier one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Merging {
    /// Whether tables are merged key by key, or replaced.
    pub(super) nested: bool,
    /// Whether lists are joined, or replaced.
    pub(super) extend_arrays: bool,
}

impl Merging {
    pub(super) fn merge(self, into: &mut Map<String, Value>, from: Map<String, Value>) {
        for (key, value) in from {
            match (into.get_mut(&key), value) {
                (Some(Value::Object(old)), Value::Object(new)) if self.nested => {
                    self.merge(old, new)
                }
                (Some(Value::Array(old)), Value::Array(new)) if self.extend_arrays => {
                    old.extend(new)
                }
                (_, value) => {
                    into.insert(key, value);
                }
            }
        }
    }
}
