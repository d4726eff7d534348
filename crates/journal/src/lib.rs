//! The journal of operations on disk: what was planned, what was begun, what came of it, durable before it counts.
//!
//! One append-only file per operation. One thread does all writing: it takes everything that waits, writes it, and
//! makes it durable at once; what nothing depends on waits a moment for company. So fifty containers do not cost a
//! hundred and fifty waits for the disk. Files are
//! kept until Core has acknowledged the end of their operation; a journal that is full takes no new operation.
//!
//! [`InlineJournal`] does the same work, one job at a time, on the thread of its caller: for an agent in virtual time,
//! whose clock must not run while another thread writes.
//!
//! Only what is on disk, and how it gets there, belongs here. What a journal means to an agent that comes back is the
//! agent's to say.

mod inline;
mod record;
mod writer;

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    thread::JoinHandle,
};

use komodo_agent_api::{AgentOperation, OperationEvent, OperationEventBody};
use tokio::sync::{mpsc, oneshot};

pub use inline::InlineJournal;
pub use record::Recorded;
use writer::{Done, Job, OpenFile, Shared};

/// Bytes of all files of the journal.
pub const JOURNAL_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Operations in the journal.
pub const JOURNAL_OPERATIONS_MAX: usize = 1024;
/// Jobs that wait for the disk.
const JOBS_MAX: usize = 8192;
/// Bytes that are set aside for each target besides its plan: that it began, was asked, and what became of it.
const TARGET_BYTES: u64 = 1024;
const FILE_BYTES: u64 = 4096;
const SUFFIX: &str = "jsonl";
/// Whether anything is kept at all; only the program that measures what the journal costs is built without.
pub const KEEPS: bool = !cfg!(feature = "null-journal");

/// Why something is not in the journal.
#[derive(Debug, Clone, thiserror::Error)]
pub enum JournalError {
    /// The limits of the journal.
    #[error(
        "the journal is full: {operations} operations, {bytes} bytes wait for Core to acknowledge their end"
    )]
    Full {
        /// Operations in it.
        operations: usize,
        /// Bytes in it.
        bytes: u64,
    },
    /// The disk.
    #[error("the journal cannot be written: {0}")]
    Disk(Arc<io::Error>),
    /// It cannot be opened.
    #[error("the journal in {path} cannot be read")]
    Open {
        /// Where it is.
        path: PathBuf,
        /// Why.
        #[source]
        source: Arc<io::Error>,
    },
    /// More waits for the disk than can be held.
    #[error("the journal does not keep up")]
    Busy,
}

/// Reads what a file of a journal holds, as far as it is whole, without opening that journal: for whoever follows the
/// one of another process. `None` where not even the operation is there.
pub fn read_recorded(bytes: &[u8]) -> Option<Recorded> {
    record::read(bytes)
}

/// An operation's file.
#[derive(Debug, Clone)]
pub struct JournalFile {
    file: Arc<Mutex<OpenFile>>,
}

/// The journal.
#[derive(Debug)]
pub struct Journal {
    books: Books,
    jobs: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

/// Where the files are, and how much of what may be is set aside for which of them.
#[derive(Debug)]
struct Books {
    directory: PathBuf,
    reserved: Mutex<BTreeMap<String, u64>>,
    bytes_max: u64,
}

/// What came of a job.
type Answer<T> = oneshot::Receiver<Result<T, JournalError>>;

impl Drop for Journal {
    /// What was handed over is written before the end.
    fn drop(&mut self) {
        self.jobs.take();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Journal {
    /// Opens the journal in a directory, and reads what is in it; all of it may take `bytes_max` (usually
    /// [`JOURNAL_BYTES_MAX`]). Damaged files are set aside, not deleted.
    ///
    /// # Errors
    /// [`JournalError::Open`] where the directory cannot be made or read.
    pub fn open(directory: &Path, bytes_max: u64) -> Result<(Self, Vec<Recorded>), JournalError> {
        let (books, recorded) = Books::open(directory, bytes_max)?;
        let (jobs, waiting) = mpsc::channel(JOBS_MAX);
        let thread = std::thread::Builder::new()
            .name("journal".into())
            .stack_size(256 * 1024)
            .spawn(move || writer::run(waiting))
            .map_err(|error| JournalError::Open {
                path: directory.into(),
                source: Arc::new(error),
            })?;
        let journal = Journal {
            books,
            jobs: Some(jobs),
            thread: Some(thread),
        };
        Ok((journal, recorded))
    }

    /// Puts a new operation with its first events on disk, and sets aside what the rest of it will need.
    ///
    /// # Errors
    /// [`JournalError`]; then nothing of it is in the journal.
    pub async fn create(
        &self,
        operation: &AgentOperation,
        first: &OperationEvent,
        targets: usize,
    ) -> Result<JournalFile, JournalError> {
        let (job, created) = self.books.create(operation, first, targets)?;
        let created = match self.send(job) {
            Ok(()) => created.await.unwrap_or(Err(JournalError::Busy)),
            Err(error) => Err(error),
        };
        self.books.created(&operation.id, created)
    }

    /// Opens the file of an operation that was found at the start, to go on with it.
    ///
    /// # Errors
    /// [`JournalError::Disk`].
    pub async fn reopen(&self, recorded: &Recorded) -> Result<JournalFile, JournalError> {
        let (job, opened) = self.books.reopen(recorded);
        self.send(job)?;
        let file = opened.await.unwrap_or(Err(JournalError::Busy))?;
        Ok(JournalFile { file })
    }

    /// Hands events over to be written, in order; `done` is called when they are durable, or are not.
    pub fn append(
        &self,
        file: &JournalFile,
        events: &[OperationEvent],
        done: impl FnOnce(Result<(), JournalError>) + Send + 'static,
    ) {
        if !KEEPS {
            return done(Ok(()));
        }
        let job = append_job(file, events, Box::new(done));
        if let Err((error, Job::Append { done, .. })) = self.try_send(job) {
            done(Err(error));
        }
    }

    /// Reads an operation's file.
    ///
    /// # Errors
    /// [`JournalError::Disk`].
    pub async fn read(&self, id: &str) -> Result<Option<Recorded>, JournalError> {
        let (done, read) = oneshot::channel();
        self.send(Job::Read {
            path: self.books.path(id),
            done,
        })?;
        read.await.unwrap_or(Err(JournalError::Busy))
    }

    /// Removes an operation's file; Core has stored its end.
    ///
    /// # Errors
    /// [`JournalError::Disk`].
    pub async fn remove(&self, id: &str) -> Result<(), JournalError> {
        let (job, removed) = self.books.remove(id);
        self.send(job)?;
        removed.await.unwrap_or(Err(JournalError::Busy))?;
        self.books.release(id);
        Ok(())
    }

    fn send(&self, job: Job) -> Result<(), JournalError> {
        self.try_send(job).map_err(|(error, _)| error)
    }

    fn try_send(&self, job: Job) -> Result<(), (JournalError, Job)> {
        let (Some(jobs), Some(thread)) = (&self.jobs, &self.thread) else {
            return Err((JournalError::Busy, job));
        };
        let awaited = job.is_awaited();
        jobs.try_send(job)
            .map_err(|error| (JournalError::Busy, error.into_inner()))?;
        if awaited {
            thread.thread().unpark();
        }
        Ok(())
    }
}

impl Books {
    /// Reads what is in a directory.
    fn open(directory: &Path, bytes_max: u64) -> Result<(Self, Vec<Recorded>), JournalError> {
        let open = || -> io::Result<Vec<Recorded>> {
            std::fs::create_dir_all(directory)?;
            let mut found = Vec::new();
            for entry in std::fs::read_dir(directory)? {
                let path = entry?.path();
                if path.extension().is_none_or(|extension| extension != SUFFIX) {
                    continue;
                }
                match record::read(&std::fs::read(&path)?) {
                    Some(recorded)
                        if path
                            .file_stem()
                            .is_some_and(|stem| stem == recorded.operation.id.as_str()) =>
                    {
                        found.push(recorded);
                    }
                    // Nothing was durable, so nothing was done; or it is not ours.
                    _ => {
                        tracing::warn!(file = %path.display(), "a file of the journal is damaged; it is set aside");
                        std::fs::rename(&path, path.with_extension("damaged"))?;
                    }
                }
            }
            Ok(found)
        };
        let recorded = open().map_err(|error| JournalError::Open {
            path: directory.into(),
            source: Arc::new(error),
        })?;
        let reserved = recorded
            .iter()
            .map(|file| (file.operation.id.clone(), file.bytes))
            .collect();
        let books = Books {
            directory: directory.into(),
            reserved: Mutex::new(reserved),
            bytes_max,
        };
        Ok((books, recorded))
    }

    /// Sets aside what an operation needs.
    fn create(
        &self,
        operation: &AgentOperation,
        first: &OperationEvent,
        targets: usize,
    ) -> Result<(Job, Answer<Shared>), JournalError> {
        let mut lines = record::operation_line(operation);
        lines.extend(record::event_line(first));
        let size = lines.len() as u64 + FILE_BYTES + TARGET_BYTES * targets as u64;
        self.reserve(&operation.id, size)?;
        let (done, created) = oneshot::channel();
        let path = self.path(&operation.id);
        let job = Job::Create {
            path,
            lines,
            size,
            done,
        };
        Ok((job, created))
    }

    /// Gives back what was set aside for an operation that could not be created.
    fn created(
        &self,
        id: &str,
        created: Result<Shared, JournalError>,
    ) -> Result<JournalFile, JournalError> {
        if created.is_err() {
            self.release(id);
        }
        created.map(|file| JournalFile { file })
    }

    fn reopen(&self, recorded: &Recorded) -> (Job, Answer<Shared>) {
        let (done, opened) = oneshot::channel();
        let job = Job::Reopen {
            path: self.path(&recorded.operation.id),
            bytes: recorded.bytes,
            done,
        };
        (job, opened)
    }

    fn remove(&self, id: &str) -> (Job, Answer<()>) {
        let (done, removed) = oneshot::channel();
        let path = self.path(id);
        (Job::Remove { path, done }, removed)
    }

    fn path(&self, id: &str) -> PathBuf {
        self.directory.join(format!("{id}.{SUFFIX}"))
    }

    fn reserve(&self, id: &str, size: u64) -> Result<(), JournalError> {
        let mut reserved = self.reserved.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes: u64 = reserved.values().sum();
        if reserved.len() >= JOURNAL_OPERATIONS_MAX || bytes + size > self.bytes_max {
            return Err(JournalError::Full {
                operations: reserved.len(),
                bytes,
            });
        }
        reserved.insert(id.to_owned(), size);
        Ok(())
    }

    fn release(&self, id: &str) {
        self.reserved
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(id);
    }
}

/// Whether something may only happen once this is durable. What the Engine answered and what came of it is looked at
/// anew where it is lost.
fn is_awaited(event: &OperationEvent) -> bool {
    !matches!(
        event.body,
        OperationEventBody::Acted { .. } | OperationEventBody::Verdict(_)
    )
}

fn append_job(file: &JournalFile, events: &[OperationEvent], done: Done) -> Job {
    Job::Append {
        file: Arc::clone(&file.file),
        lines: events.iter().flat_map(record::event_line).collect(),
        awaited: events.iter().any(is_awaited),
        done,
    }
}

#[cfg(test)]
mod tests;
