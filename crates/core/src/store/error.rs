//! What can go wrong with the database, told apart by what a caller or an owner can do about it.

use std::{path::PathBuf, sync::Arc};

use komodo_api::{Code, Error};
use rusqlite::ffi::ErrorCode;

/// Why the store did not do what was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// The disk (or a quota on it) is full. Nothing was written; reads go on.
    #[error("the disk that holds the database is full")]
    Full(#[source] Option<Arc<rusqlite::Error>>),
    /// The file is damaged, or is no database of Komodo.
    #[error("database {path} is damaged: {found}; it was left untouched: restore it from a backup, or move it away to start anew", path = path.display())]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What was found.
        found: String,
    },
    /// A newer Komodo wrote the file.
    #[error("database {path} has schema {found}, this Komodo knows schemas up to {known}; it was left untouched: run the newer Komodo that wrote it", path = path.display())]
    Newer {
        /// Which file.
        path: PathBuf,
        /// Schema of the file.
        found: usize,
        /// Newest schema that this build knows.
        known: usize,
    },
    /// Another Core has the same data directory open.
    #[error("data directory {directory} is in use by another Komodo Core", directory = directory.display())]
    InUse {
        /// Which directory.
        directory: PathBuf,
    },
    /// Too much waits already, or an answer did not come within the deadline.
    #[error("the database did not answer in time")]
    Busy,
    /// No such row.
    #[error("not in the database")]
    NotFound,
    /// A row with the same key or name exists.
    #[error("the name or key is taken")]
    Conflict,
    /// A file or directory cannot be opened, made or read.
    #[error("cannot open {path}", path = path.display())]
    Open {
        /// Which file or directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: Arc<std::io::Error>,
    },
    /// Anything else that SQLite refuses.
    #[error("the database refuses")]
    Sqlite(#[source] Arc<rusqlite::Error>),
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        let code = match &error {
            rusqlite::Error::SqliteFailure(failure, _) => Some(failure.code),
            rusqlite::Error::QueryReturnedNoRows => return StoreError::NotFound,
            _ => None,
        };
        match code {
            Some(ErrorCode::DiskFull) => StoreError::Full(Some(Arc::new(error))),
            Some(ErrorCode::ConstraintViolation) => StoreError::Conflict,
            Some(
                ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::OperationInterrupted,
            ) => StoreError::Busy,
            _ => StoreError::Sqlite(Arc::new(error)),
        }
    }
}

impl From<StoreError> for Error {
    /// What a caller of the API gets to see: no paths, no SQL.
    fn from(error: StoreError) -> Self {
        match &error {
            StoreError::Full(_) => Error::new(
                Code::StorageFull,
                "the disk that holds Komodo's database is full, so nothing can be changed; reading goes on. Free some space and try again",
            ),
            StoreError::NotFound => Error::new(Code::NotFound, "there is no such thing"),
            StoreError::Conflict => Error::new(Code::Conflict, "the name is taken"),
            StoreError::Busy => Error::new(
                Code::DeadlineExceeded,
                "the database did not answer in time; try again in a moment",
            ),
            _ => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "the database failed"
                );
                Error::new(
                    Code::Internal,
                    "the database failed; the log of Core says more",
                )
            }
        }
    }
}
