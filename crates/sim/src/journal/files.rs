//! The real journal under the agent's disk, and what can happen to its files.

use std::{
    fs::{self, OpenOptions},
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use komodo_agent_api::{AgentError, AgentErrorCode, AgentOperation, OperationEvent};
use komodo_journal::{InlineJournal, JOURNAL_BYTES_MAX, JournalError, JournalFile};

use super::Record;

pub(super) struct Files {
    directory: PathBuf,
    journal: InlineJournal,
}

impl Files {
    pub(super) fn new(directory: &Path) -> Result<Self, JournalError> {
        let (journal, _) = InlineJournal::open(directory, JOURNAL_BYTES_MAX)?;
        Ok(Files {
            directory: directory.to_owned(),
            journal,
        })
    }

    /// Reads the journal as an agent that starts, and goes on with what is in it.
    pub(super) fn open(&mut self) -> Result<Vec<Record>, JournalError> {
        let (journal, recorded) = InlineJournal::open(&self.directory, JOURNAL_BYTES_MAX)?;
        self.journal = journal;
        let found = recorded.into_iter().map(|recorded| {
            let file = Some(self.journal.reopen(&recorded)?);
            Ok(Record {
                file,
                ..Record::found(recorded.operation, recorded.events)
            })
        });
        found.collect()
    }

    pub(super) fn create(
        &self,
        operation: &AgentOperation,
        planned: &OperationEvent,
        targets: usize,
    ) -> Result<JournalFile, JournalError> {
        // Only one that is broken on purpose takes again what it took before.
        self.journal.remove(&operation.id)?;
        self.journal.create(operation, planned, targets)
    }

    /// Writes a step down; only its first half where the agent is killed within the write. A disk that fails holds
    /// nobody up, as with the real agent.
    pub(super) fn append(&self, id: &str, file: &JournalFile, event: &OperationEvent, torn: bool) {
        let write = || -> Result<(), JournalError> {
            let path = self.path(id);
            let before = size(&path)?;
            self.journal.append(file, std::slice::from_ref(event))?;
            if torn {
                let half = before + (size(&path)? - before) / 2;
                cut(&path, half)?;
            }
            Ok(())
        };
        if let Err(error) = write() {
            tracing::error!(operation.id = id, %error, "a step is not in the journal");
        }
    }

    pub(super) fn remove(&self, id: &str) -> Result<(), JournalError> {
        self.journal.remove(id)
    }

    /// Cuts each file after so many events.
    pub(super) fn lose_after(&self, events: usize) -> Result<(), JournalError> {
        let files = fs::read_dir(&self.directory).map_err(disk)?;
        for file in files {
            let path = file.map_err(disk)?.path();
            let bytes = fs::read(&path).map_err(disk)?;
            // The operation comes first.
            let kept = bytes
                .split_inclusive(|byte| *byte == b'\n')
                .take(events + 1);
            cut(&path, kept.map(<[u8]>::len).sum::<usize>() as u64)?;
        }
        Ok(())
    }

    fn path(&self, id: &str) -> PathBuf {
        self.directory.join(format!("{id}.jsonl"))
    }
}

fn size(path: &Path) -> Result<u64, JournalError> {
    Ok(fs::metadata(path).map_err(disk)?.len())
}

fn cut(path: &Path, size: u64) -> Result<(), JournalError> {
    let file = OpenOptions::new().write(true).open(path).map_err(disk)?;
    file.set_len(size).map_err(disk)
}

fn disk(error: io::Error) -> JournalError {
    JournalError::Disk(Arc::new(error))
}

/// As an agent tells it.
pub(super) fn refused(error: JournalError) -> AgentError {
    let code = match error {
        JournalError::Full { .. } | JournalError::Busy => AgentErrorCode::JournalFull,
        JournalError::Disk(_) => AgentErrorCode::StorageFull,
        JournalError::Open { .. } => AgentErrorCode::Internal,
    };
    AgentError::new(code, format!("{error}; nothing was done"))
}
