//! All SQL, and nothing but: desired state in one SQLite file, what happened in a second, so that a busy journal never
//! holds up a change of configuration.
//!
//! Every file has one writer. Calls are answered when what they wrote is on disk, and within a deadline.

mod alerts;
mod desired;
mod error;
mod filter;
mod schema;
mod snapshots;
#[cfg(test)]
mod tests;
mod updates;
mod views;
mod worker;

use std::{
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use rusqlite::{Connection, OptionalExtension, params};

pub use alerts::{ALERTS_PER_PAGE, StoredAlerts};
pub use desired::Change;
pub use error::StoreError;
pub use filter::{BadFilter, UpdateFilter};
pub use snapshots::Restored;
use snapshots::{Held, Restoring};
pub(crate) use updates::list_item;
pub use updates::{OpenUpdate, UPDATES_PER_PAGE, Updates, Visible};
use worker::{Role, Worker};

/// Connections that read the journal side by side.
const JOURNAL_READERS: usize = 2;

/// Where the files are, and how they are worked on.
#[derive(Debug, Clone)]
pub struct StoreOptions {
    /// Directory of the journal, the lock, and (unless given) the database. Made with mode 0700 where it is missing.
    pub directory: PathBuf,
    /// Database file; absent is `komodo.db` in the directory.
    pub database: Option<PathBuf>,
    /// Whether SQL runs in the calling task, for tests with a paused clock.
    pub inline: bool,
}

/// Both files, open. Cheap to clone; the last clone closes them.
#[derive(Debug, Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    // Closed in this order: the last connection of a file folds its log into it, which a reader cannot.
    journal_readers: Vec<Worker>,
    desired: Worker,
    journal: Worker,
    next_reader: AtomicUsize,
    core_id: String,
    epoch: u64,
    directory: PathBuf,
    files: Vec<Held>,
    inline: bool,
    restored: Option<Restored>,
    // Held, not used: it is free again when the process ends, however it ends.
    _lock: File,
}

impl Store {
    /// Opens both files, makes them where they are missing, and brings their schema up to date.
    ///
    /// Fails when another Core has the directory open, and when a file is damaged, newer than this build, or not ours;
    /// such a file is left as it is. Blocks: call it before serving.
    pub fn open(options: &StoreOptions) -> Result<Self, StoreError> {
        let directory = &options.directory;
        make_private(directory)?;
        let lock = lock(directory)?;
        let database = options
            .database
            .clone()
            .unwrap_or_else(|| directory.join("komodo.db"));
        let journal = directory.join("journal.db");
        let files = vec![
            Held {
                path: database.clone(),
                name: "komodo.db",
                known: schema::DESIRED.len(),
            },
            Held {
                path: journal.clone(),
                name: "journal.db",
                known: schema::JOURNAL.len(),
            },
        ];
        let restoring = snapshots::restore(directory, &files)?;
        let mut connection = schema::open(&database, schema::DESIRED)?;
        let journal_writer = schema::open(&journal, schema::JOURNAL)?;
        let after = restoring.as_ref().map(|restoring| restoring.epoch);
        let (core_id, epoch) = begin(&mut connection, after)?;
        let restored = restoring.map(Restoring::finish).transpose()?;
        let start = |name: &str, connection: Connection, role: Role| match options.inline {
            true => Ok(Worker::inline(connection, role)),
            false => Worker::thread(name, connection, role).map_err(|source| StoreError::Open {
                path: database.clone(),
                source: Arc::new(source),
            }),
        };
        Ok(Store {
            inner: Arc::new(Inner {
                desired: start("store-desired", connection, Role::Writer)?,
                journal: start("store-journal", journal_writer, Role::GroupWriter)?,
                journal_readers: (0..JOURNAL_READERS)
                    .map(|_| start("store-reader", schema::open_reader(&journal)?, Role::Reader))
                    .collect::<Result<_, _>>()?,
                next_reader: AtomicUsize::new(0),
                core_id,
                epoch,
                directory: directory.clone(),
                files,
                inline: options.inline,
                restored,
                _lock: lock,
            }),
        })
    }

    /// Id of this Core, made with the database.
    pub fn core_id(&self) -> &str {
        &self.inner.core_id
    }

    /// Grows with each start on this database.
    pub fn epoch(&self) -> u64 {
        self.inner.epoch
    }

    /// The record of what happened.
    pub fn updates(&self) -> Updates<'_> {
        Updates { store: self }
    }

    /// The record of alerts.
    pub fn alerts(&self) -> StoredAlerts<'_> {
        StoredAlerts { store: self }
    }

    /// Fails when the database does not answer.
    pub async fn ping(&self) -> Result<(), StoreError> {
        let one = |connection: &Connection| {
            Ok::<_, StoreError>((connection.query_row("SELECT 1", [], |_| Ok(()))?, None))
        };
        self.reader().call(one).await
    }

    /// A value kept under a name, made the first time it is asked for.
    pub async fn setting(
        &self,
        key: &'static str,
        make: impl FnOnce() -> String + Send + 'static,
    ) -> Result<String, StoreError> {
        self.inner
            .desired
            .call(move |connection| Ok((setting(connection, key, make)?, None)))
            .await
    }

    fn journal(&self) -> &Worker {
        &self.inner.journal
    }

    fn reader(&self) -> &Worker {
        let next = self.inner.next_reader.fetch_add(1, Ordering::Relaxed);
        &self.inner.journal_readers[next % JOURNAL_READERS]
    }
}

fn make_private(directory: &Path) -> Result<(), StoreError> {
    let failed = |source| StoreError::Open {
        path: directory.to_owned(),
        source: Arc::new(source),
    };
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
        .map_err(failed)?;
    let mode = fs::metadata(directory)
        .map_err(failed)?
        .permissions()
        .mode();
    match mode & 0o077 {
        0 => Ok(()),
        _ => fs::set_permissions(directory, fs::Permissions::from_mode(0o700)).map_err(failed),
    }
}

fn lock(directory: &Path) -> Result<File, StoreError> {
    let path = directory.join("core.lock");
    let failed = |source| StoreError::Open {
        path: path.clone(),
        source: Arc::new(source),
    };
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(&path)
        .map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::InUse {
            directory: directory.to_owned(),
        }),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}

/// Starts of a newer Core that are allowed for where nobody can tell how many there were.
const STARTS_UNKNOWN: u64 = 1_000;

/// The id of this Core and the number of this start. `after` is of a newer Core, where a snapshot was put back: its last
/// start, if that can be told. Agents that spoke with it must not take this one for one that was replaced.
fn begin(
    connection: &mut Connection,
    after: Option<Option<u64>>,
) -> Result<(String, u64), StoreError> {
    let transaction = connection.transaction()?;
    let core_id = setting(&transaction, "core_id", crate::id::random_hex::<12>)?;
    let epoch = setting(&transaction, "epoch", || "0".into())?
        .parse()
        .unwrap_or(0_u64);
    let last = match after {
        None => epoch,
        Some(Some(newer)) => newer.max(epoch),
        Some(None) => epoch.saturating_add(STARTS_UNKNOWN),
    };
    let epoch = last + 1;
    transaction.execute(
        "UPDATE setting SET value = ?1 WHERE key = 'epoch'",
        params![epoch.to_string()],
    )?;
    transaction.commit()?;
    Ok((core_id, epoch))
}

fn setting(
    connection: &Connection,
    key: &str,
    make: impl FnOnce() -> String,
) -> Result<String, StoreError> {
    let found = connection
        .query_row(
            "SELECT value FROM setting WHERE key = ?1",
            params![key],
            |row| row.get(0),
        )
        .optional()?;
    match found {
        Some(value) => Ok(value),
        None => {
            let value = make();
            connection.execute(
                "INSERT INTO setting (key, value) VALUES (?1, ?2)",
                params![key, value],
            )?;
            Ok(value)
        }
    }
}
