//! Starts: fresh, again, twice at once, and on files that are not as they should be.

use std::{
    fs,
    io::{Read, Seek, SeekFrom, Write},
    os::unix::fs::PermissionsExt,
    path::Path,
    process::Command,
};

use komodo_core::{
    App,
    app::{StartError, Surroundings, reset_password},
    clock::SystemClock,
    config::Config,
    store::StoreError,
};
use serde_json::json;
use tempfile::TempDir;

use crate::harness::{Core, Credentials};

async fn used_directory() -> TempDir {
    let core = Core::start().await;
    core.ask("/write/CreateServer", json!({ "name": "web" }))
        .await
        .ok();
    core.stop().await
}

async fn start(directory: &Path) -> Result<(), StartError> {
    App::start(
        Config::for_directory(directory.join("data")),
        Surroundings::default(),
    )
    .await
    .map(drop)
}

#[tokio::test]
async fn what_was_stored_is_there_after_a_restart() {
    let core = Core::start_in(used_directory().await, |_| {}).await;
    let state = core.app.desired.snapshot();
    let admin = *state.accounts.keys().next().expect("the administrator");
    let server = core
        .post(
            "/read/GetServer",
            &core.token(admin),
            &json!({ "server": "web" }),
        )
        .await
        .ok();
    assert_eq!(server["name"], json!("web"));
    let updates = core
        .post("/read/ListUpdates", &core.token(admin), &json!({}))
        .await
        .ok();
    assert_eq!(updates["updates"][0]["operation"], json!("CreateServer"));
}

#[tokio::test]
async fn files_are_for_their_owner_only() {
    let directory = used_directory().await;
    let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
    let data = directory.path().join("data");
    assert_eq!(mode(&data), 0o700);
    assert_eq!(mode(&data.join("keys")), 0o700);
    for entry in fs::read_dir(&data)
        .expect("readable")
        .chain(fs::read_dir(data.join("keys")).expect("readable"))
    {
        let path = entry.expect("an entry").path();
        if path.is_file() {
            assert_eq!(mode(&path), 0o600, "{}", path.display());
        }
    }
    // What somebody opened up is closed again.
    fs::set_permissions(&data, fs::Permissions::from_mode(0o755)).expect("changed");
    start(directory.path()).await.expect("it starts");
    assert_eq!(mode(&data), 0o700);
}

#[tokio::test]
async fn two_cores_do_not_share_a_directory() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().to_owned();
    let core = Core::start_in(directory, |_| {}).await;
    let second = start(&path).await.expect_err("refused");
    assert!(
        matches!(second, StartError::Store(StoreError::InUse { .. })),
        "{second}"
    );
    let _directory = core.stop().await;
    start(&path).await.expect("free again");
}

#[tokio::test]
async fn a_damaged_database_is_refused_by_name_and_left_alone() {
    for name in ["komodo.db", "journal.db"] {
        let directory = used_directory().await;
        let path = directory.path().join("data").join(name);
        let mut file = fs::OpenOptions::new()
            .write(true)
            .open(&path)
            .expect("there");
        file.seek(SeekFrom::Start(4096)).expect("long enough");
        file.write_all(&[0xA5; 8192]).expect("written");
        drop(file);
        let before = fs::read(&path).expect("read");
        let error = start(directory.path()).await.expect_err("refused");
        assert!(
            matches!(&error, StartError::Store(StoreError::Damaged { path: named, .. }) if *named == path),
            "{error}"
        );
        assert!(error.to_string().contains("was left untouched"), "{error}");
        assert_eq!(fs::read(&path).expect("read"), before, "{name} was touched");
    }
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused_and_left_alone() {
    let directory = tempfile::tempdir().expect("a directory");
    let data = directory.path().join("data");
    fs::create_dir_all(&data).expect("made");
    let path = data.join("komodo.db");
    let text = "this is somebody's letter, and no database at all. ".repeat(100);
    fs::write(&path, &text).expect("written");
    let error = start(directory.path()).await.expect_err("refused");
    assert!(
        matches!(error, StartError::Store(StoreError::Damaged { .. })),
        "{error}"
    );
    assert_eq!(fs::read_to_string(&path).expect("read"), text);
}

#[tokio::test]
async fn a_newer_database_is_refused_and_left_alone() {
    let directory = used_directory().await;
    let path = directory.path().join("data").join("komodo.db");
    // The schema version is in the header, at byte 60.
    let mut file = fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open(&path)
        .expect("there");
    file.seek(SeekFrom::Start(60)).expect("long enough");
    file.write_all(&999_u32.to_be_bytes()).expect("written");
    let mut before = Vec::new();
    file.seek(SeekFrom::Start(0)).expect("a file");
    file.read_to_end(&mut before).expect("read");
    drop(file);
    let error = start(directory.path()).await.expect_err("refused");
    assert!(
        matches!(
            error,
            StartError::Store(StoreError::Newer { found: 999, .. })
        ),
        "{error}"
    );
    assert_eq!(fs::read(&path).expect("read"), before);
}

#[tokio::test]
async fn a_password_can_be_reset_while_core_is_not_running() {
    let directory = used_directory().await;
    let config = Config::for_directory(directory.path().join("data"));
    let unknown = reset_password(&config, &SystemClock, "nobody")
        .await
        .expect_err("refused");
    assert_eq!(unknown.to_string(), "there is no user 'nobody'");
    let password = reset_password(&config, &SystemClock, "admin")
        .await
        .expect("reset");
    let core = Core::start_in(directory, |_| {}).await;
    reset_password(&core.app.config, &SystemClock, "admin")
        .await
        .expect_err("it is running");
    let login = json!({ "username": "admin", "password": password });
    core.post(
        "/auth/login/LoginLocalUser",
        &Credentials::default(),
        &login,
    )
    .await
    .ok();
}

/// The binary itself: says what is wrong where somebody looks, and fails.
#[test]
fn the_binary_says_why_it_does_not_start() {
    let directory = tempfile::tempdir().expect("a directory");
    let data = directory.path().join("data");
    fs::create_dir_all(&data).expect("made");
    fs::write(data.join("komodo.db"), "no database ".repeat(500)).expect("written");
    let run = |variables: &[(&str, &str)]| {
        let output = Command::new(env!("CARGO_BIN_EXE_komodo-core"))
            .env_clear()
            .env("KOMODO_DATA_DIRECTORY", &data)
            .env("KOMODO_BIND_IP", "127.0.0.1")
            .env("KOMODO_PORT", "0")
            .envs(variables.iter().copied())
            .output()
            .expect("it runs");
        assert!(!output.status.success());
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let damaged = run(&[]);
    assert!(damaged.contains("komodo.db is damaged"), "{damaged}");
    let misspelt = run(&[("KOMODO_PORT", "many")]);
    assert!(
        misspelt.contains("KOMODO_PORT is \"many\", but must be a port"),
        "{misspelt}"
    );
    let version = Command::new(env!("CARGO_BIN_EXE_komodo-core"))
        .arg("--version")
        .output()
        .expect("it runs");
    assert!(String::from_utf8_lossy(&version.stdout).contains(env!("CARGO_PKG_VERSION")));
}
