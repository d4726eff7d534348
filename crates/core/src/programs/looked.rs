//! What is remembered of files that were read, so that a file is hashed again only where it changed.

use std::{
    collections::BTreeMap,
    fs::Metadata,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::Unfit;

/// Files that are remembered beyond those that are there, at most.
const GONE_MAX: usize = 50;

/// By what a file is known to be the same as before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp([i128; 5]);

impl Stamp {
    pub(super) fn of(metadata: &Metadata) -> Self {
        let ns = |seconds: i64, ns: i64| i128::from(seconds) * 1_000_000_000 + i128::from(ns);
        Stamp([
            metadata.dev().into(),
            metadata.ino().into(),
            metadata.len().into(),
            ns(metadata.mtime(), metadata.mtime_nsec()),
            ns(metadata.ctime(), metadata.ctime_nsec()),
        ])
    }
}

#[derive(Debug, Default)]
struct Seen {
    sha256: Option<(Stamp, String)>,
    /// What was said of it last.
    unfit: Option<Unfit>,
}

#[derive(Debug, Default)]
pub(super) struct Looked(Mutex<BTreeMap<PathBuf, Seen>>);

impl Looked {
    fn seen(&self) -> MutexGuard<'_, BTreeMap<PathBuf, Seen>> {
        // Nothing panics while it holds the lock, so that what is behind a poisoned one is whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The hash of a file, made anew where it is not the same as before.
    pub(super) fn sha256(
        &self,
        path: &Path,
        stamp: Stamp,
        hash: impl FnOnce() -> Result<String, Unfit>,
    ) -> Result<String, Unfit> {
        if let Some(Seen {
            sha256: Some((before, sha256)),
            ..
        }) = self.seen().get(path)
            && *before == stamp
        {
            return Ok(sha256.clone());
        }
        let sha256 = hash()?;
        let mut seen = self.seen();
        let entry = seen.entry(path.to_owned()).or_default();
        entry.sha256 = Some((stamp, sha256.clone()));
        Ok(sha256)
    }

    /// Whether something else is said of a file than before.
    pub(super) fn is_news(&self, path: &Path, unfit: Option<&Unfit>) -> bool {
        let mut seen = self.seen();
        let entry = seen.entry(path.to_owned()).or_default();
        let news = entry.unfit.as_ref() != unfit;
        entry.unfit = unfit.cloned();
        news
    }

    /// Forgets all where it has come to hold many that are gone.
    pub(super) fn keep_only(&self, there: usize) {
        let mut seen = self.seen();
        if seen.len() > there + GONE_MAX {
            seen.clear();
        }
    }
}
