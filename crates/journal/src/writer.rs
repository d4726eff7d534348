//! What writes the journal: a thread of its own, or whoever has a job, at once; and the only place that touches its files
//! after the start.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use komodo_failpoint::failpoint;
use rustix::fs::{FallocateFlags, fallocate};
use tokio::sync::{mpsc, oneshot};

use super::{JournalError, KEEPS, Recorded, record};

/// Jobs that are made durable together at most.
const BATCH_JOBS_MAX: usize = 512;

/// How long what nobody waits for may wait for company: each wait for the disk is one that the Engine's own have to share.
const PATIENCE: Duration = Duration::from_millis(10);

pub(super) type Done = Box<dyn FnOnce(Result<(), JournalError>) + Send>;
pub(super) type Shared = Arc<Mutex<OpenFile>>;

/// A file and how much of it is whole.
#[derive(Debug)]
pub(super) struct OpenFile {
    file: File,
    bytes: u64,
}

pub(super) enum Job {
    Create {
        path: PathBuf,
        lines: Vec<u8>,
        size: u64,
        done: oneshot::Sender<Result<Shared, JournalError>>,
    },
    Reopen {
        path: PathBuf,
        bytes: u64,
        done: oneshot::Sender<Result<Shared, JournalError>>,
    },
    Append {
        file: Shared,
        lines: Vec<u8>,
        /// Whether somebody waits until it is durable.
        awaited: bool,
        done: Done,
    },
    Read {
        path: PathBuf,
        done: oneshot::Sender<Result<Option<Recorded>, JournalError>>,
    },
    Remove {
        path: PathBuf,
        done: oneshot::Sender<Result<(), JournalError>>,
    },
}

/// What is told once a batch is durable.
enum Outcome {
    Created(
        Shared,
        PathBuf,
        oneshot::Sender<Result<Shared, JournalError>>,
    ),
    Appended(Shared, Done),
}

impl Job {
    /// Whether somebody waits for it.
    pub(super) fn is_awaited(&self) -> bool {
        !matches!(self, Job::Append { awaited: false, .. })
    }
}

/// Works until nobody can hand anything over any more. Whoever hands over what is awaited unparks the thread.
pub(super) fn run(mut jobs: mpsc::Receiver<Job>) {
    while let Some(first) = jobs.blocking_recv() {
        let until = Instant::now() + PATIENCE;
        let mut outcomes = Vec::new();
        let mut awaited = first.is_awaited();
        take(first, &mut outcomes);
        while outcomes.len() < BATCH_JOBS_MAX {
            match jobs.try_recv() {
                Ok(job) => {
                    awaited |= job.is_awaited();
                    take(job, &mut outcomes);
                }
                Err(mpsc::error::TryRecvError::Empty) if !awaited && Instant::now() < until => {
                    std::thread::park_timeout(until.saturating_duration_since(Instant::now()));
                }
                Err(_) => break,
            }
        }
        commit(outcomes);
    }
}

/// Does one job, to its end: its answer is there when this returns.
pub(super) fn work(job: Job) {
    let mut outcomes = Vec::new();
    take(job, &mut outcomes);
    commit(outcomes);
}

/// Does a job, as far as it needs no waiting for the disk.
fn take(job: Job, outcomes: &mut Vec<Outcome>) {
    match job {
        Job::Create {
            path,
            lines,
            size,
            done,
        } => match create(&path, &lines, size) {
            Ok(file) => outcomes.push(Outcome::Created(Arc::new(Mutex::new(file)), path, done)),
            Err(error) => {
                if error.kind() != io::ErrorKind::AlreadyExists {
                    let _ = std::fs::remove_file(&path);
                }
                answer(done, Err(disk(error)));
            }
        },
        Job::Reopen { path, bytes, done } => {
            let opened = OpenOptions::new().write(true).open(&path).and_then(|file| {
                file.set_len(bytes)?;
                Ok(Arc::new(Mutex::new(OpenFile { file, bytes })))
            });
            answer(done, opened.map_err(disk));
        }
        Job::Append {
            file, lines, done, ..
        } => match append(&file, &lines) {
            Ok(()) => outcomes.push(Outcome::Appended(file, done)),
            Err(error) => done(Err(disk(error))),
        },
        Job::Read { path, done } => {
            let read = match std::fs::read(&path) {
                Ok(bytes) => Ok(record::read(&bytes)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                Err(error) => Err(disk(error)),
            };
            answer(done, read);
        }
        Job::Remove { path, done } => {
            let removed = match std::fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(disk(error)),
                _ => Ok(()),
            };
            answer(done, removed);
        }
    }
}

/// Makes a batch durable, each file once, and tells.
fn commit(outcomes: Vec<Outcome>) {
    if outcomes.is_empty() {
        return;
    }
    failpoint!("journal.written");
    let begun = Instant::now();
    let mut synced: Vec<(*const Mutex<OpenFile>, Result<(), JournalError>)> = Vec::new();
    let mut sync = |file: &Shared| {
        let address = Arc::as_ptr(file);
        if let Some((_, result)) = synced.iter().find(|(known, _)| *known == address) {
            return result.clone();
        }
        let file = &file.lock().unwrap_or_else(PoisonError::into_inner).file;
        let result = if KEEPS { file.sync_data() } else { Ok(()) }.map_err(disk);
        synced.push((address, result.clone()));
        result
    };
    let results: Vec<Result<(), JournalError>> = outcomes
        .iter()
        .map(|outcome| match outcome {
            Outcome::Created(file, ..) | Outcome::Appended(file, _) => sync(file),
        })
        .collect();
    let mut directories = outcomes.iter().filter_map(|outcome| match outcome {
        Outcome::Created(_, path, _) if KEEPS => path.parent(),
        Outcome::Created(..) | Outcome::Appended(..) => None,
    });
    let listed = match directories.next_back() {
        Some(directory) => File::open(directory)
            .and_then(|directory| directory.sync_all())
            .map_err(disk),
        None => Ok(()),
    };
    failpoint!("journal.durable");
    tracing::debug!(
        jobs = outcomes.len(),
        sync_us = begun.elapsed().as_micros(),
        "the journal is durable"
    );
    for (outcome, result) in outcomes.into_iter().zip(results) {
        match outcome {
            Outcome::Created(file, path, done) => match result.and(listed.clone()) {
                Ok(()) => answer(done, Ok(file)),
                Err(error) => {
                    let _ = std::fs::remove_file(&path);
                    answer(done, Err(error));
                }
            },
            Outcome::Appended(_, done) => done(result),
        }
    }
}

/// A file that keeps nothing.
fn nowhere() -> io::Result<OpenFile> {
    let file = OpenOptions::new().write(true).open("/dev/null")?;
    Ok(OpenFile { file, bytes: 0 })
}

fn create(path: &Path, lines: &[u8], size: u64) -> io::Result<OpenFile> {
    if !KEEPS {
        return nowhere();
    }
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    match fallocate(&file, FallocateFlags::KEEP_SIZE, 0, size) {
        // Where space cannot be set aside, it is seen at the write.
        Ok(())
        | Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS | rustix::io::Errno::INVAL) =>
            {}
        Err(error) => return Err(error.into()),
    }
    failpoint!("journal.created");
    file.write_all_at(lines, 0)?;
    Ok(OpenFile {
        file,
        bytes: lines.len() as u64,
    })
}

fn append(file: &Shared, lines: &[u8]) -> io::Result<()> {
    let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
    match file.file.write_all_at(lines, file.bytes) {
        Ok(()) => {
            file.bytes += lines.len() as u64;
            Ok(())
        }
        Err(error) => {
            // Half a line would hide all that comes after it.
            let _ = file.file.set_len(file.bytes);
            Err(error)
        }
    }
}

fn disk(error: io::Error) -> JournalError {
    JournalError::Disk(Arc::new(error))
}

/// Whoever asked may have gone; then nobody needs the answer.
fn answer<T>(done: oneshot::Sender<T>, value: T) {
    let _ = done.send(value);
}
