//! The newest Core that was seen, so that one which has been replaced can no longer command, not even after a restart
//! of the agent.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Newest {
    core_id: String,
    epoch: u64,
}

/// The file that holds it.
#[derive(Debug)]
pub(crate) struct EpochFile {
    path: PathBuf,
    newest: Newest,
}

impl EpochFile {
    /// Reads it; one that is not there or damaged knows no Core.
    pub(crate) fn load(path: &Path) -> Self {
        let newest = fs::read(path)
            .ok()
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .unwrap_or_default();
        EpochFile {
            path: path.into(),
            newest,
        }
    }

    /// Takes note of an epoch. Another Core (a new database behind the same key) begins anew.
    ///
    /// # Errors
    /// The newer epoch that was seen before.
    pub(crate) fn see(&mut self, core_id: Option<&str>, epoch: u64) -> Result<(), u64> {
        let another = core_id.is_some_and(|id| id != self.newest.core_id);
        if !another && epoch < self.newest.epoch {
            return Err(self.newest.epoch);
        }
        let core_id = core_id.unwrap_or(&self.newest.core_id).to_owned();
        let newest = Newest { core_id, epoch };
        if newest != self.newest {
            self.newest = newest;
            if let Err(error) = self.save() {
                tracing::warn!(path = %self.path.display(), %error, "the epoch of Core cannot be kept");
            }
        }
        Ok(())
    }

    /// Whether the newest Core that was seen has this id; one without an id may be it.
    pub(crate) fn is_of(&self, core_id: Option<&str>) -> bool {
        core_id.is_none_or(|id| self.newest.core_id.is_empty() || id == self.newest.core_id)
    }

    fn save(&self) -> io::Result<()> {
        let staged = self.path.with_extension("new");
        fs::write(&staged, serde_json::to_vec(&self.newest)?)?;
        fs::rename(&staged, &self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_core_that_was_replaced_is_refused_also_after_a_restart() {
        let directory = crate::test_directory::TestDirectory::new();
        let path = directory.path().join("core.json");
        let mut file = EpochFile::load(&path);
        assert_eq!(file.see(Some("a"), 3), Ok(()));
        assert_eq!(file.see(None, 3), Ok(()));
        assert_eq!(file.see(None, 2), Err(3));
        let mut file = EpochFile::load(&path);
        assert_eq!(file.see(Some("a"), 2), Err(3));
        assert_eq!(file.see(None, 5), Ok(()));
        assert_eq!(
            file.see(Some("b"), 1),
            Ok(()),
            "another Core counts from its own beginning"
        );
        assert!(file.is_of(Some("b")) && file.is_of(None));
        assert!(!file.is_of(Some("a")), "it has been replaced");
    }
}
