//! The keys of the Cores that took this agent, in a file: one key a line, `#` starts a comment.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use crate::{
    PublicKey,
    identity::{PublicKeyError, stage, sync_folder},
};

/// Most keys in the file.
const KNOWN_CORES_MAX: usize = 64;

/// Reads the known keys; a file that is not there holds none.
pub fn load_known_cores(path: &Path) -> Result<Vec<PublicKey>, KnownCoresError> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => {
            return Err(KnownCoresError::Io {
                path: path.to_owned(),
                source,
            });
        }
    };
    text.lines()
        .enumerate()
        .map(|(index, line)| (index + 1, line.split('#').next().unwrap_or_default().trim()))
        .filter(|(_, line)| !line.is_empty())
        .take(KNOWN_CORES_MAX)
        .map(|(line, key)| {
            key.parse().map_err(|source| KnownCoresError::Line {
                path: path.to_owned(),
                line,
                source,
            })
        })
        .collect()
}

/// Adds a key to the file unless it is there. The file changes whole or not at all.
pub fn save_known_core(path: &Path, key: &PublicKey) -> Result<(), KnownCoresError> {
    let mut keys = load_known_cores(path)?;
    if keys.contains(key) {
        return Ok(());
    }
    if keys.len() == KNOWN_CORES_MAX {
        keys.remove(0);
    }
    keys.push(*key);
    let mut text = String::from("# Keys of the Komodo Cores that this agent serves, one a line.\n");
    for key in &keys {
        text.push_str(&format!("{key}\n"));
    }
    let failed = |source| KnownCoresError::Io {
        path: path.to_owned(),
        source,
    };
    let staged = stage(path, text.as_bytes()).map_err(failed)?;
    fs::rename(&staged, path)
        .and_then(|()| sync_folder(path))
        .map_err(failed)
}

/// Why the known keys cannot be read or kept.
#[derive(Debug, thiserror::Error)]
pub enum KnownCoresError {
    /// The file cannot be read or written.
    #[error("cannot use the file of known core keys {path}", path = path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A line is no key.
    #[error("{path}, line {line} is not a core key", path = path.display())]
    Line {
        /// Which file.
        path: PathBuf,
        /// Which line, from 1.
        line: usize,
        /// Why.
        #[source]
        source: PublicKeyError,
    },
}
