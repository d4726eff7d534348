//! What a deployment in containers asks of Core: a join string for the agent beside it, and whether it is healthy.

use std::{fs, os::unix::fs::PermissionsExt};

use komodo_core::{
    bootstrap::{BootstrapError, first_server},
    fleet::Onboard,
    http::probe::healthy,
};
use komodo_link::{Identity, JoinString};
use serde_json::json;

use crate::harness::Core;

#[tokio::test]
async fn the_first_server_gets_a_join_string_once() {
    let outside = tempfile::tempdir().expect("a directory");
    let path = outside.path().join("join/onboarding_key");
    let core = Core::start_with(|config| {
        config.first_server_name = Some("local".into());
        config.first_server_join_path = Some(path.clone());
    })
    .await;
    first_server(&core.app).await.expect("it is made");
    let text = fs::read_to_string(&path).expect("it is kept");
    let mode = fs::metadata(&path).expect("there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let join: JoinString = text.parse().expect("a join string");
    assert_eq!(join.core_key, core.app.identity.public_key());

    first_server(&core.app)
        .await
        .expect("again, and nothing happens");
    assert_eq!(fs::read_to_string(&path).expect("still there"), text);
    let agent = Identity::generate()
        .expect("a key")
        .public_key()
        .to_string();
    core.app
        .onboard(&agent, Some(&join.token), "local")
        .await
        .expect("the agent is let in");
    let other = Identity::generate()
        .expect("a key")
        .public_key()
        .to_string();
    core.app
        .onboard(&other, Some(&join.token), "local")
        .await
        .expect_err("it was good once");

    // Whoever deletes that server does not get it back.
    core.ask("/write/DeleteServer", json!({ "id": "local" }))
        .await
        .ok();
    first_server(&core.app)
        .await
        .expect("again, and nothing happens");
    core.ask("/read/GetServer", json!({ "server": "local" }))
        .await
        .refused(404, "not_found");
}

#[tokio::test]
async fn without_an_administrator_there_is_no_first_server() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("onboarding_key");
    let core = Core::start_in(directory, |config| {
        config.first_server_name = Some("local".into());
        config.first_server_join_path = Some(path.clone());
    })
    .await;
    let refused = first_server(&core.app).await.expect_err("nobody asks");
    assert!(
        matches!(refused, BootstrapError::NoAdministrator),
        "{refused}"
    );
    assert!(!path.exists());
}

#[tokio::test]
async fn health_is_asked_without_another_program() {
    let core = Core::start().await;
    let address = core.address;
    let ask = move || healthy(address);
    let answer = tokio::task::spawn_blocking(ask).await.expect("it ends");
    assert_eq!(answer.expect("healthy"), "HTTP/1.1 200 OK");
    core.stop().await;
    let answer = tokio::task::spawn_blocking(ask).await.expect("it ends");
    answer.expect_err("nobody listens");
}
