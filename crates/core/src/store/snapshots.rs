//! Copies of both files from right before Core itself is replaced. A Core that finds a file newer than it knows, and the
//! copy that was made for a hand over which nobody has settled, puts the copy back, and keeps the newer files beside it.
//!
//! `snapshots/<operation>/` holds a file of each name, and a mark of what is true of them: `open` until the hand over is
//! settled, `restoring` while they are put back, `restored` after. Every step can be done once more from its beginning.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use komodo_failpoint::failpoint;
use rusqlite::{Connection, OpenFlags, params};

use super::{Store, StoreError, schema};

#[cfg(test)]
mod tests;

/// Copies that are kept.
const KEPT: usize = 3;
/// Longest time for a copy.
const WITHIN: Duration = Duration::from_secs(120);
/// Steps of SQLite's machine between two looks at the clock.
const PROGRESS_STEPS: i32 = 20_000;
const DIRECTORY: &str = "snapshots";
const OPEN: &str = "open";
const RESTORING: &str = "restoring";
const RESTORED: &str = "restored";

/// A file of the store.
#[derive(Debug, Clone)]
pub(super) struct Held {
    /// Where it is.
    pub(super) path: PathBuf,
    /// Its name in a copy.
    pub(super) name: &'static str,
    /// Newest schema that this build knows of it.
    pub(super) known: usize,
}

/// That a copy was put back when Core started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// The hand over that it was made for.
    pub operation: String,
    /// Names of the newer files, which are kept beside the ones in use.
    pub kept: Vec<String>,
}

/// One that is being put back.
#[derive(Debug)]
pub(super) struct Restoring {
    snapshot: PathBuf,
    pub(super) restored: Restored,
    /// Epoch of the newest Core that ran on the newer files; absent where nobody can tell.
    pub(super) epoch: Option<u64>,
}

impl Store {
    /// Copies both files for a hand over of Core itself; done when the copy is on disk. One that is there is kept.
    ///
    /// # Errors
    /// `Full` where the disk is; anything else that SQLite refuses.
    pub async fn snapshot(&self, operation: &str) -> Result<(), StoreError> {
        let (directory, files) = (self.inner.directory.clone(), self.inner.files.clone());
        let operation = operation.to_owned();
        self.blocking(move || take(&directory, &operation, &files))
            .await
    }

    /// Lets no copy be put back but those for these operations: the others are over.
    ///
    /// # Errors
    /// Where that cannot be written down.
    pub async fn settle_snapshots(
        &self,
        still_open: impl Fn(&str) -> bool + Send + 'static,
    ) -> Result<(), StoreError> {
        let directory = self.inner.directory.join(DIRECTORY);
        self.blocking(move || {
            for (operation, snapshot) in all(&directory)? {
                if !still_open(&operation) && snapshot.join(OPEN).exists() {
                    fs::remove_file(snapshot.join(OPEN)).map_err(failed(&snapshot))?;
                    sync(&snapshot)?;
                }
            }
            Ok(())
        })
        .await
    }

    /// What was put back when this Core started, where that was needed.
    pub fn restored(&self) -> Option<&Restored> {
        self.inner.restored.as_ref()
    }

    async fn blocking(
        &self,
        work: impl FnOnce() -> Result<(), StoreError> + Send + 'static,
    ) -> Result<(), StoreError> {
        match self.inner.inline {
            true => work(),
            false => tokio::task::spawn_blocking(work)
                .await
                .unwrap_or(Err(StoreError::Busy)),
        }
    }
}

fn failed(path: &Path) -> impl Fn(io::Error) -> StoreError {
    move |source| match source.kind() {
        io::ErrorKind::StorageFull => StoreError::Full(None),
        _ => StoreError::Open {
            path: path.to_owned(),
            source: Arc::new(source),
        },
    }
}

/// What is in a directory, or its content, is on disk.
fn sync(path: &Path) -> Result<(), StoreError> {
    File::open(path)
        .and_then(|file| file.sync_all())
        .map_err(failed(path))
}

fn write(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    options.open(path)
}

/// All copies, the newest first: their names grow with time.
fn all(directory: &Path) -> Result<Vec<(String, PathBuf)>, StoreError> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(failed(directory))?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.map_err(failed(directory))?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        if let Some(name) = name.filter(|name| !name.starts_with('.')) {
            found.push((name.to_owned(), path.clone()));
        }
    }
    found.sort();
    found.reverse();
    Ok(found)
}

fn take(directory: &Path, operation: &str, files: &[Held]) -> Result<(), StoreError> {
    let directory = directory.join(DIRECTORY);
    let snapshot = directory.join(operation);
    if snapshot.join(OPEN).exists() {
        return Ok(());
    }
    let unfinished = directory.join(format!(".{operation}"));
    for old in [&snapshot, &unfinished] {
        if old.exists() {
            fs::remove_dir_all(old).map_err(failed(old))?;
        }
    }
    let mut make = DirBuilder::new();
    make.recursive(true).mode(0o700);
    make.create(&unfinished).map_err(failed(&unfinished))?;
    for file in files {
        let copy = unfinished.join(file.name);
        // SQLite fills an empty file, and leaves its mode as it is.
        write(&copy).map_err(failed(&copy))?;
        copy_database(&file.path, &copy)?;
        sync(&copy)?;
        failpoint!("snapshot.copied");
    }
    write(&unfinished.join(OPEN)).map_err(failed(&unfinished))?;
    sync(&unfinished)?;
    fs::rename(&unfinished, &snapshot).map_err(failed(&snapshot))?;
    sync(&directory)?;
    failpoint!("snapshot.taken");
    for (_, old) in all(&directory)?.into_iter().skip(KEPT) {
        fs::remove_dir_all(&old).map_err(failed(&old))?;
    }
    Ok(())
}

fn copy_database(from: &Path, to: &Path) -> Result<(), StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(from, flags)?;
    let until = Instant::now() + WITHIN;
    // Without the handler a slow copy would only not be interrupted.
    let _ = connection.progress_handler(PROGRESS_STEPS, Some(move || Instant::now() > until));
    let to = to.to_str().ok_or(StoreError::NotFound)?;
    connection.execute("VACUUM INTO ?1", params![to])?;
    Ok(())
}

/// Puts the copy back that was made for a hand over which is not settled, where a file is newer than this build knows;
/// goes on with one that an earlier start was about to put back.
pub(super) fn restore(directory: &Path, files: &[Held]) -> Result<Option<Restoring>, StoreError> {
    let all = all(&directory.join(DIRECTORY))?;
    let begun = all.iter().find(|(_, one)| one.join(RESTORING).exists());
    let (operation, snapshot) = match begun {
        Some(begun) => begun,
        None => {
            let newer = |file: &Held| {
                let found = schema::version(&file.path);
                found.is_some_and(|found| found > file.known)
            };
            if !files.iter().any(newer) {
                return Ok(None);
            }
            let fits = |snapshot: &Path| {
                files.iter().all(|file| {
                    let found = schema::version(&snapshot.join(file.name));
                    found.is_some_and(|found| found > 0 && found <= file.known)
                })
            };
            let open = |(_, one): &&(String, PathBuf)| one.join(OPEN).exists() && fits(one);
            let Some(open) = all.iter().find(open) else {
                return Ok(None);
            };
            fs::rename(open.1.join(OPEN), open.1.join(RESTORING)).map_err(failed(&open.1))?;
            sync(&open.1)?;
            open
        }
    };
    failpoint!("restore.begun");
    let mut kept = Vec::new();
    let mut epoch = None;
    for file in files {
        let newer = beside(&file.path, &format!(".newer-{operation}"));
        put_back(&file.path, &newer, &snapshot.join(file.name))?;
        failpoint!("restore.put");
        epoch = epoch.max(epoch_of(&newer));
        let name = newer.file_name().and_then(|name| name.to_str());
        kept.extend(name.map(str::to_owned));
    }
    tracing::warn!(
        operation,
        kept = kept.join(", "),
        "a newer Core that was not confirmed had changed the database: the snapshot from before was put back, the newer \
         files are kept"
    );
    Ok(Some(Restoring {
        snapshot: snapshot.clone(),
        restored: Restored {
            operation: operation.clone(),
            kept,
        },
        epoch,
    }))
}

impl Restoring {
    /// It is in use from here on, and not put back again.
    pub(super) fn finish(self) -> Result<Restored, StoreError> {
        let (from, to) = (self.snapshot.join(RESTORING), self.snapshot.join(RESTORED));
        fs::rename(from, to).map_err(failed(&self.snapshot))?;
        sync(&self.snapshot)?;
        Ok(self.restored)
    }
}

/// A file whose name is that of another and more.
fn beside(path: &Path, more: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(more);
    name.into()
}

fn put_back(path: &Path, newer: &Path, copy: &Path) -> Result<(), StoreError> {
    let wal = beside(path, "-wal");
    if newer.exists() || !path.exists() {
        // What is there now was put back by an earlier start that did not come to its end.
        remove(&wal)?;
    } else {
        // The log before its file: without the file it is known that both are still to be moved.
        if wal.exists() {
            fs::rename(&wal, beside(newer, "-wal")).map_err(failed(&wal))?;
        }
        fs::rename(path, newer).map_err(failed(path))?;
    }
    // Its content follows from the log.
    remove(&beside(path, "-shm"))?;
    let unfinished = beside(path, ".restoring");
    let mut from = File::open(copy).map_err(failed(copy))?;
    let mut to = write(&unfinished).map_err(failed(&unfinished))?;
    io::copy(&mut from, &mut to)
        .and_then(|_| to.sync_all())
        .map_err(failed(&unfinished))?;
    fs::rename(&unfinished, path).map_err(failed(path))?;
    sync(path.parent().unwrap_or(Path::new(".")))
}

fn remove(path: &Path) -> Result<(), StoreError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(path)(error)),
        _ => Ok(()),
    }
}

/// Epoch of the last Core that ran on a file, where it has one.
fn epoch_of(path: &Path) -> Option<u64> {
    let connection = Connection::open(path).ok()?;
    let read = |row: &rusqlite::Row<'_>| row.get::<_, String>(0);
    let epoch = connection.query_row("SELECT value FROM setting WHERE key = 'epoch'", [], read);
    epoch.ok()?.parse().ok()
}
