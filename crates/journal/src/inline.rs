//! The journal on its caller's thread.

use std::path::Path;

use komodo_agent_api::{AgentOperation, OperationEvent};

use super::{
    Answer, Books, JournalError, JournalFile, KEEPS, Recorded, append_job,
    writer::{Job, work},
};

/// A [`Journal`](super::Journal) without a thread: the same files, the same bounds, and each call is through, and what
/// it wrote is durable, when it returns.
#[derive(Debug)]
pub struct InlineJournal {
    books: Books,
}

impl InlineJournal {
    /// As [`Journal::open`](super::Journal::open).
    ///
    /// # Errors
    /// [`JournalError::Open`] where the directory cannot be made or read.
    pub fn open(directory: &Path, bytes_max: u64) -> Result<(Self, Vec<Recorded>), JournalError> {
        let (books, recorded) = Books::open(directory, bytes_max)?;
        Ok((InlineJournal { books }, recorded))
    }

    /// As [`Journal::create`](super::Journal::create).
    ///
    /// # Errors
    /// [`JournalError`]; then nothing of it is in the journal.
    pub fn create(
        &self,
        operation: &AgentOperation,
        first: &OperationEvent,
        targets: usize,
    ) -> Result<JournalFile, JournalError> {
        let (job, created) = self.books.create(operation, first, targets)?;
        self.books.created(&operation.id, now(job, created))
    }

    /// As [`Journal::reopen`](super::Journal::reopen).
    ///
    /// # Errors
    /// [`JournalError::Disk`].
    pub fn reopen(&self, recorded: &Recorded) -> Result<JournalFile, JournalError> {
        let (job, opened) = self.books.reopen(recorded);
        let file = now(job, opened)?;
        Ok(JournalFile { file })
    }

    /// As [`Journal::append`](super::Journal::append).
    ///
    /// # Errors
    /// [`JournalError::Disk`]; then nothing of them is in the file.
    pub fn append(
        &self,
        file: &JournalFile,
        events: &[OperationEvent],
    ) -> Result<(), JournalError> {
        if !KEEPS {
            return Ok(());
        }
        let (done, appended) = tokio::sync::oneshot::channel();
        let done = Box::new(|result| _ = done.send(result));
        now(append_job(file, events, done), appended)
    }

    /// As [`Journal::remove`](super::Journal::remove).
    ///
    /// # Errors
    /// [`JournalError::Disk`].
    pub fn remove(&self, id: &str) -> Result<(), JournalError> {
        let (job, removed) = self.books.remove(id);
        now(job, removed)?;
        self.books.release(id);
        Ok(())
    }
}

/// Does a job at once.
fn now<T>(job: Job, mut answer: Answer<T>) -> Result<T, JournalError> {
    work(job);
    answer.try_recv().unwrap_or(Err(JournalError::Busy))
}
