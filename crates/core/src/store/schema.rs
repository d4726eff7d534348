//! The two files, how they are opened, and how their schema goes forward.
//!
//! Migrations only ever go forward: append to a list, never change an entry. A file that is damaged, newer, or not ours
//! is refused before anything is written to it.

use std::{
    fs::{self, OpenOptions},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::Path,
    sync::Arc,
    time::Duration,
};

use rusqlite::{Connection, OpenFlags, config::DbConfig};

use super::StoreError;

/// What a file of ours carries in its header, "KMDO".
const APPLICATION_ID: i32 = 0x4B4D_444F;
/// How long SQLite waits for a lock, in milliseconds. Nobody else should hold one.
const LOCK_WAIT_MS: u64 = 5_000;
/// Page cache of a connection, in KiB.
const CACHE_KIB: i32 = 1024;

/// Desired state: resources, users, permissions, keys. Documents are JSON of the API's entities; what is looked up or
/// must be unique has a column.
pub(super) const DESIRED: &[&str] = &["
    CREATE TABLE setting (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE account (
        id TEXT PRIMARY KEY, username TEXT NOT NULL UNIQUE, password_hash TEXT, document TEXT NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE user_group (id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, document TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE permission (id TEXT PRIMARY KEY, document TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE api_key (
        key TEXT PRIMARY KEY, account TEXT NOT NULL REFERENCES account(id) ON DELETE CASCADE, name TEXT NOT NULL,
        secret_hash BLOB NOT NULL, created_at INTEGER NOT NULL, expires INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE tag (id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, document TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE server (id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, document TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE onboarding_key (
        public_key TEXT PRIMARY KEY, secret_hash BLOB NOT NULL UNIQUE, document TEXT NOT NULL
    ) WITHOUT ROWID;
"];

/// What happened: Updates and alerts now, time series later.
pub(super) const JOURNAL: &[&str] = &["
    CREATE TABLE entry (
        id TEXT PRIMARY KEY, start_ts INTEGER NOT NULL, open INTEGER NOT NULL, operation TEXT NOT NULL,
        target_type TEXT NOT NULL, target_id TEXT NOT NULL, head TEXT NOT NULL, document TEXT NOT NULL, ordered TEXT
    ) WITHOUT ROWID;
    CREATE INDEX entry_by_start ON entry (start_ts DESC, id DESC);
    CREATE INDEX entry_by_target ON entry (target_type, target_id, start_ts DESC, id DESC);
    CREATE INDEX entry_open ON entry (id) WHERE open;
    CREATE TABLE last_view (server TEXT PRIMARY KEY, document BLOB NOT NULL) WITHOUT ROWID;
", "
    CREATE TABLE alert (
        id TEXT PRIMARY KEY, ts INTEGER NOT NULL, resolved INTEGER NOT NULL, about TEXT NOT NULL UNIQUE, document TEXT NOT NULL
    ) WITHOUT ROWID;
    CREATE INDEX alert_by_ts ON alert (ts DESC, id DESC);
    CREATE INDEX alert_open ON alert (about) WHERE NOT resolved;
"];

/// Opens a file for writing and brings its schema up to date. The file is made with mode 0600 where it is missing.
pub(super) fn open(path: &Path, migrations: &[&str]) -> Result<Connection, StoreError> {
    let open_error = |source| StoreError::Open {
        path: path.to_owned(),
        source: Arc::new(source),
    };
    // SQLite gives its side files the mode of the main one.
    let file = OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(path)
        .map_err(open_error)?;
    let metadata = file.metadata().map_err(open_error)?;
    if metadata.permissions().mode() & 0o077 != 0 {
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).map_err(open_error)?;
    }
    drop(file);
    let mut connection =
        connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(|error| damaged(path, &error))?;
    if metadata.len() > 0 {
        check(&connection, path, migrations.len())?;
    }
    configure(&connection).map_err(|error| damaged(path, &error))?;
    migrate(&mut connection, migrations)?;
    Ok(connection)
}

/// Schema of a file, as far as it can be told without a change to it.
pub(super) fn version(path: &Path) -> Option<usize> {
    if !path.exists() {
        return None;
    }
    let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE).ok()?;
    connection
        .set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)
        .ok()?;
    let version: i64 = connection
        .query_row("PRAGMA user_version", [], |row| row.get(0))
        .ok()?;
    usize::try_from(version).ok()
}

/// Opens a file once more for reading only, after [`open`].
pub(super) fn open_reader(path: &Path) -> Result<Connection, StoreError> {
    let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
    Ok(connection)
}

fn connect(path: &Path, mode: OpenFlags) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(path, mode | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(Duration::from_millis(LOCK_WAIT_MS))?;
    Ok(connection)
}

/// Looks at a file before anything is written to it.
fn check(connection: &Connection, path: &Path, known: usize) -> Result<(), StoreError> {
    let looked = (|| {
        // Otherwise closing a refused file would still fold its log into it.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        let application: i32 =
            connection.query_row("PRAGMA application_id", [], |row| row.get(0))?;
        let version: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
        let found: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
        rusqlite::Result::Ok((application, version, found))
    })();
    let (application, version, found) = looked.map_err(|error| damaged(path, &error))?;
    let not_ours = |found: String| StoreError::Damaged {
        path: path.to_owned(),
        found,
    };
    if found != "ok" {
        return Err(not_ours(found));
    }
    // A first start that was cut off leaves an empty database behind, which is as good as none.
    let empty = application == 0 && version == 0 && is_empty(connection)?;
    if application != APPLICATION_ID && !empty {
        return Err(not_ours("it is not a database of Komodo".into()));
    }
    let version = usize::try_from(version)
        .map_err(|_| not_ours(format!("its schema version is {version}")))?;
    if version > known {
        return Err(StoreError::Newer {
            path: path.to_owned(),
            found: version,
            known,
        });
    }
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false)?;
    Ok(())
}

fn is_empty(connection: &Connection) -> rusqlite::Result<bool> {
    connection.query_row("SELECT count(*) = 0 FROM sqlite_schema", [], |row| {
        row.get(0)
    })
}

fn damaged(path: &Path, error: &rusqlite::Error) -> StoreError {
    StoreError::Damaged {
        path: path.to_owned(),
        found: error.to_string(),
    }
}

fn configure(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "journal_mode", "wal")?;
    // An answer means that it is on disk, for the journal too: an Update that an agent carries out must not be forgotten
    // by a power cut. Saves are committed in groups, so the fsync is shared.
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
    connection.pragma_update(None, "journal_size_limit", 8 * 1024 * 1024)?;
    Ok(())
}

fn migrate(connection: &mut Connection, migrations: &[&str]) -> Result<(), StoreError> {
    let version: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    for (number, sql) in migrations
        .iter()
        .enumerate()
        .skip(usize::try_from(version).unwrap_or(0))
    {
        let transaction = connection.transaction()?;
        transaction.execute_batch(sql)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(
            None,
            "user_version",
            i64::try_from(number + 1).unwrap_or(i64::MAX),
        )?;
        transaction.commit()?;
    }
    Ok(())
}
