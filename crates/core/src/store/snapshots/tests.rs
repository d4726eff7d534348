use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use komodo_api::update::Update;
use rusqlite::Connection;
use serde_json::json;
use tempfile::TempDir;

use super::{super::StoreOptions, *};

const OPERATION: &str = "64b0c0000000000000000001";

fn options(directory: &TempDir) -> StoreOptions {
    StoreOptions {
        directory: directory.path().join("data"),
        database: None,
        inline: true,
    }
}

fn open(directory: &TempDir) -> Result<Store, StoreError> {
    Store::open(&options(directory))
}

/// Ends a start that was replaced by a newer Core, which changes both files, and starts a few times.
fn newer_core(directory: &TempDir, epoch: Option<u64>) {
    for name in ["komodo.db", "journal.db"] {
        let file = Connection::open(directory.path().join("data").join(name)).expect("it opens");
        file.pragma_update(None, "user_version", 99)
            .expect("written");
        file.execute_batch("CREATE TABLE of_the_new_one (x)")
            .expect("written");
        if name == "komodo.db" {
            match epoch {
                Some(epoch) => file.execute(
                    "UPDATE setting SET value = ?1 WHERE key = 'epoch'",
                    [epoch.to_string()],
                ),
                None => file.execute("DROP TABLE setting", []),
            }
            .expect("written");
        }
        // Its log is left behind, as by one that was killed.
        std::mem::forget(file);
    }
}

async fn insert(store: &Store, number: i64) -> Update {
    let update: Update = serde_json::from_value(json!({
        "_id": komodo_api::id::Oid(crate::id::new_id(number * 1000)), "operation": "StopContainer", "start_ts": number,
        "success": true, "operator": "a", "target": { "type": "Server", "id": "a" }, "logs": [], "end_ts": null,
        "status": "InProgress",
    }))
    .expect("an Update");
    store.updates().insert(&update, None).await.expect("stored");
    update
}

fn data(directory: &TempDir) -> std::path::PathBuf {
    directory.path().join("data")
}

#[tokio::test]
async fn what_a_newer_core_changed_is_put_back_and_kept_beside() {
    for epoch in [Some(40), None] {
        let directory = tempfile::tempdir().expect("a directory");
        let store = open(&directory).expect("it opens");
        let (core_id, before) = (store.core_id().to_owned(), store.epoch());
        let update = insert(&store, 1).await;
        store.snapshot(OPERATION).await.expect("copied");
        let later = insert(&store, 2).await;
        drop(store);
        newer_core(&directory, epoch);

        let store = open(&directory).expect("it opens all the same");
        let restored = store.restored().expect("it was put back").clone();
        assert_eq!(restored.operation, OPERATION);
        assert_eq!(store.core_id(), core_id, "it is the same Core");
        match epoch {
            Some(epoch) => assert_eq!(store.epoch(), epoch + 1, "agents take it for the newest"),
            None => assert!(store.epoch() > before + 100),
        }
        let id = |update: &Update| update.id.expect("it has one").0;
        let found = store.updates().get(id(&update)).await.expect("read");
        assert_eq!(found, Some(update));
        let found = store.updates().get(id(&later)).await.expect("read");
        assert_eq!(found, None, "it is of after the snapshot");
        for name in &restored.kept {
            let kept = data(&directory).join(name);
            assert_eq!(schema::version(&kept), Some(99), "{name}");
            let kept = Connection::open(kept).expect("it opens");
            kept.query_row("SELECT count(*) FROM of_the_new_one", [], |_| Ok(()))
                .expect("also what was only in its log");
        }
        assert_eq!(restored.kept.len(), 2);
        drop(store);
        let store = open(&directory).expect("it opens");
        assert_eq!(store.restored(), None, "once");
    }
}

#[tokio::test]
async fn without_a_hand_over_that_is_open_a_newer_file_is_refused() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = open(&directory).expect("it opens");
    store.snapshot(OPERATION).await.expect("copied");
    store
        .settle_snapshots(|operation| operation != OPERATION)
        .await
        .expect("settled");
    drop(store);
    newer_core(&directory, Some(2));
    let error = open(&directory).expect_err("it is newer");
    assert!(
        matches!(error, StoreError::Newer { found: 99, .. }),
        "{error}"
    );
    assert_eq!(
        schema::version(&data(&directory).join("komodo.db")),
        Some(99)
    );
}

#[tokio::test]
async fn a_file_that_nobody_changed_stays_although_a_hand_over_is_open() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = open(&directory).expect("it opens");
    store.snapshot(OPERATION).await.expect("copied");
    let later = insert(&store, 2).await;
    drop(store);
    let store = open(&directory).expect("it opens");
    assert_eq!(store.restored(), None);
    let id = later.id.expect("it has one").0;
    assert!(store.updates().get(id).await.expect("read").is_some());
}

/// All files of a directory and their content.
fn files(directory: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found: Vec<_> = fs::read_dir(directory)
        .expect("readable")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.is_file())
        .map(|path| {
            (
                path.display().to_string(),
                fs::read(&path).expect("readable"),
            )
        })
        .collect();
    found.sort();
    found
}

#[tokio::test]
async fn a_restore_that_was_cut_off_at_any_step_goes_on() {
    // As a start leaves it that ends after so many steps.
    for steps in 0..6 {
        let directory = tempfile::tempdir().expect("a directory");
        let store = open(&directory).expect("it opens");
        let update = insert(&store, 1).await;
        store.snapshot(OPERATION).await.expect("copied");
        drop(store);
        newer_core(&directory, Some(9));
        let data = data(&directory);
        let snapshot = data.join(DIRECTORY).join(OPERATION);
        let newer = |name: &str| data.join(format!("{name}.newer-{OPERATION}"));
        if steps > 0 {
            fs::rename(snapshot.join(OPEN), snapshot.join(RESTORING)).expect("marked");
        }
        let wal = data.join("komodo.db-wal");
        if steps > 1 && wal.exists() {
            fs::rename(&wal, beside(&newer("komodo.db"), "-wal")).expect("moved");
        }
        if steps > 2 {
            fs::rename(data.join("komodo.db"), newer("komodo.db")).expect("moved");
        }
        if steps > 3 {
            fs::copy(snapshot.join("komodo.db"), data.join("komodo.db")).expect("put back");
        }
        if steps > 4 {
            put_back(
                &data.join("journal.db"),
                &newer("journal.db"),
                &snapshot.join("journal.db"),
            )
            .expect("put back");
        }
        let store = open(&directory).unwrap_or_else(|error| panic!("{steps}: {error}"));
        assert_eq!(store.restored().map(|it| it.kept.len()), Some(2), "{steps}");
        assert_eq!(store.epoch(), 10, "{steps}");
        let id = update.id.expect("it has one").0;
        assert!(
            store.updates().get(id).await.expect("read").is_some(),
            "{steps}"
        );
        let left = files(&data);
        assert!(
            left.iter().all(|(name, _)| !name.ends_with(".restoring")),
            "{steps}"
        );
    }
}

#[tokio::test]
async fn three_copies_are_kept_and_only_their_owner_reads_them() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = open(&directory).expect("it opens");
    for number in 1..=5 {
        let operation = format!("64b0c000000000000000000{number}");
        store.snapshot(&operation).await.expect("copied");
        // Once more is the same one.
        store.snapshot(&operation).await.expect("there");
    }
    let snapshots = data(&directory).join(DIRECTORY);
    let kept = all(&snapshots).expect("readable");
    let names: Vec<_> = kept.iter().map(|(name, _)| &name[23..]).collect();
    assert_eq!(names, ["5", "4", "3"]);
    for (_, snapshot) in kept {
        for (name, _) in files(&snapshot) {
            let mode = fs::metadata(&name).expect("there").permissions().mode();
            assert_eq!(mode & 0o077, 0, "{name}");
        }
    }
}
