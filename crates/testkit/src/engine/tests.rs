//! The harness itself: a test that trusts it must be able to.

use std::{os::unix::fs::MetadataExt, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use super::*;

#[tokio::test]
async fn a_container_runs_ends_and_shows_its_log() {
    let engine = Engine::start().await.unwrap();
    engine
        .run(Container::new(
            "greeter",
            ["sh", "-c", "echo hello; exit 3"],
        ))
        .await
        .unwrap();
    assert_eq!(engine.wait_exit("greeter").await.unwrap(), 3);
    assert_eq!(engine.logs("greeter").await.unwrap(), "hello\n");
    engine.remove("greeter").await.unwrap();
    assert_eq!(engine.state("greeter").await.unwrap(), State::Absent);
}

#[tokio::test]
async fn stop_pause_and_signals_show_as_states() {
    let engine = Engine::start().await.unwrap();
    engine
        .run(
            Container::idle("web")
                .label("tier", "front")
                .init()
                .restart(Restart::UnlessStopped),
        )
        .await
        .unwrap();
    assert_eq!(engine.state("web").await.unwrap(), State::Running);
    engine.pause("web").await.unwrap();
    assert_eq!(engine.state("web").await.unwrap(), State::Paused);
    engine.unpause("web").await.unwrap();
    engine.stop("web").await.unwrap();
    engine.wait_state("web", State::Exited).await.unwrap();
    engine.start_container("web").await.unwrap();
    assert_eq!(engine.running().await.unwrap(), ["web"]);
    assert_eq!(engine.labels("web").await.unwrap()["tier"], "front");

    engine.create(Container::idle("spare")).await.unwrap();
    assert_eq!(engine.state("spare").await.unwrap(), State::Created);
    engine.run(Container::idle("victim")).await.unwrap();
    engine.signal("victim", "SIGKILL").await.unwrap();
    assert_eq!(engine.wait_exit("victim").await.unwrap(), 137);
}

#[tokio::test]
async fn two_engines_do_not_see_each_other() {
    let (left, right) = tokio::join!(Engine::start(), Engine::start());
    let (left, right) = (left.unwrap(), right.unwrap());
    left.run(Container::idle("web")).await.unwrap();
    right.run(Container::idle("web")).await.unwrap();
    right.run(Container::idle("more")).await.unwrap();
    assert_eq!(left.running().await.unwrap(), ["web"]);
    left.remove("web").await.unwrap();
    assert_eq!(right.running().await.unwrap(), ["more", "web"]);
    assert_ne!(left.host_address(), right.host_address());
    drop(left);
    assert_eq!(
        right.running().await.unwrap(),
        ["more", "web"],
        "one engine's end is not the other's"
    );
}

/// What a container on any network gets when it connects with a server that the test runs.
#[tokio::test]
async fn containers_reach_the_host_address_and_the_host_reaches_containers() {
    let engine = Engine::start().await.unwrap();
    let listener = TcpListener::bind((engine.host_address(), 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    engine.create_network("backend").await.unwrap();
    for network in ["bridge", "host", "backend"] {
        let host = engine.host_address().to_string();
        let call = Container::new(network, ["nc", &host, &port]).network_mode(network);
        engine.run(call).await.unwrap();
        let (mut stream, _) = within(listener.accept()).await.unwrap();
        stream.write_all(b"core\n").await.unwrap();
        drop(stream);
        assert_eq!(engine.wait_exit(network).await.unwrap(), 0);
        assert_eq!(
            engine.logs(network).await.unwrap(),
            "core\n",
            "over the network {network}"
        );
    }

    engine
        .run(Container::new("published", ["httpd", "-f", "-p", "8000", "-h", "/etc"]).publish(8000))
        .await
        .unwrap();
    let mut stream = within(async {
        loop {
            match tokio::net::TcpStream::connect((engine.address(), 8000)).await {
                Ok(stream) => break stream,
                Err(_) => tokio::task::yield_now().await,
            }
        }
    })
    .await;
    stream
        .write_all(b"GET /group HTTP/1.0\r\n\r\n")
        .await
        .unwrap();
    let mut answer = String::new();
    within(stream.read_to_string(&mut answer)).await.unwrap();
    assert!(answer.contains("nogroup"), "{answer}");
}

#[tokio::test]
async fn a_restart_of_the_engine_keeps_containers_and_applies_restart_policies() {
    let mut engine = Engine::start().await.unwrap();
    engine.run(Container::idle("plain")).await.unwrap();
    engine
        .run(Container::idle("faithful").restart(Restart::Always))
        .await
        .unwrap();
    engine.restart().await.unwrap();
    engine.wait_state("faithful", State::Running).await.unwrap();
    assert_eq!(engine.state("plain").await.unwrap(), State::Exited);
}

#[tokio::test]
async fn a_killed_engine_is_absent_until_it_is_started_again() {
    let mut engine = Engine::start().await.unwrap();
    engine
        .run(Container::idle("faithful").restart(Restart::Always))
        .await
        .unwrap();
    engine.kill().await.unwrap();
    assert!(engine.list().await.is_err());
    engine.start_again().await.unwrap();
    engine.wait_state("faithful", State::Running).await.unwrap();
}

#[tokio::test]
async fn live_restore_lets_containers_outlive_the_daemon() {
    let options = EngineOptions {
        live_restore: true,
        ..EngineOptions::default()
    };
    let mut engine = Engine::start_with(options).await.unwrap();
    engine.run(Container::idle("steady")).await.unwrap();
    let before = engine
        .inspect("steady")
        .await
        .unwrap()
        .state
        .unwrap()
        .started_at;
    engine.kill().await.unwrap();
    let names: Vec<String> = engine
        .processes()
        .into_iter()
        .map(|(_, name)| name)
        .collect();
    assert!(
        names.iter().any(|name| name == "sh"),
        "the container still runs without a daemon: {names:?}"
    );
    engine.start_again().await.unwrap();
    engine.wait_state("steady", State::Running).await.unwrap();
    assert_eq!(
        engine
            .inspect("steady")
            .await
            .unwrap()
            .state
            .unwrap()
            .started_at,
        before
    );
}

#[tokio::test]
async fn inside_the_engine_the_usual_socket_is_its_own() {
    let engine = Engine::start().await.unwrap();
    let look = Container::new("look", ["stat", "-c", "%i", "/engine.sock"])
        .bind("/var/run/docker.sock", "/engine.sock");
    engine.run(look).await.unwrap();
    assert_eq!(engine.wait_exit("look").await.unwrap(), 0);
    let seen = engine.logs("look").await.unwrap();
    assert_eq!(
        seen.trim(),
        std::fs::metadata(engine.socket())
            .unwrap()
            .ino()
            .to_string()
    );
}

#[tokio::test]
async fn an_image_is_made_from_a_program() {
    let engine = Engine::start().await.unwrap();
    let id = engine
        .image_from_binary(Path::new("/bin/echo"), "komodo-test/echo:1")
        .await
        .unwrap();
    assert!(id.starts_with("sha256:"), "{id}");
    engine
        .run(Container::from_image("echo", "komodo-test/echo:1").command(["from", "an", "image"]))
        .await
        .unwrap();
    assert_eq!(engine.wait_exit("echo").await.unwrap(), 0);
    assert_eq!(engine.logs("echo").await.unwrap(), "from an image\n");
}

#[tokio::test]
async fn an_image_is_made_from_another_one() {
    let engine = Engine::start().await.unwrap();
    let variant = Variant::entrypoint(["/bin/sh", "-c", "cat /made; echo $SAID $0", "me"])
        .env("SAID", "by the image")
        .script("echo made >/made");
    engine
        .image_variant(BUSYBOX, "komodo-test/variant:1", variant)
        .await
        .unwrap();
    let made = Container::from_image("made", "komodo-test/variant:1");
    engine.run(made).await.unwrap();
    assert_eq!(engine.wait_exit("made").await.unwrap(), 0);
    assert_eq!(
        engine.logs("made").await.unwrap(),
        "made\nby the image me\n"
    );
    assert_eq!(engine.list().await.unwrap().len(), 1, "nothing is left");

    let failing = Variant::default().script("echo no >&2; exit 3");
    let error = engine
        .image_variant(BUSYBOX, "komodo-test/variant:2", failing)
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("3: no"), "{error}");
}

#[tokio::test]
async fn the_default_socket_is_refused() {
    for socket in [
        "/var/run/docker.sock",
        "/run/docker.sock",
        "/run/../run/docker.sock",
        "/run/podman/podman.sock",
    ] {
        let refused = Observer::connect(Path::new(socket)).await;
        assert!(
            matches!(refused, Err(EngineError::NotPrivate { .. })),
            "{socket}: {refused:?}"
        );
    }
    for argument in [
        "--host=unix:///tmp/mine.sock",
        "-H",
        "unix:///var/run/docker.sock",
        "--data-root=/var/lib/docker",
    ] {
        let options = EngineOptions {
            dockerd_arguments: vec![argument.to_owned()],
            ..EngineOptions::default()
        };
        let refused = Engine::start_with(options).await;
        assert!(
            matches!(refused, Err(EngineError::NotPrivate { .. })),
            "{argument}: {refused:?}"
        );
    }
}

#[tokio::test]
async fn a_daemon_that_cannot_start_says_why() {
    let options = EngineOptions {
        dockerd_arguments: vec![String::from("--no-such-option")],
        ..EngineOptions::default()
    };
    let error = Engine::start_with(options).await.unwrap_err().to_string();
    assert!(error.contains("no-such-option"), "{error}");
}

#[tokio::test]
async fn a_dropped_engine_leaves_nothing_behind() {
    let engine = Engine::start().await.unwrap();
    let name = engine
        .directory()
        .file_name()
        .unwrap()
        .to_string_lossy()
        .into_owned();
    engine.run(Container::idle("web")).await.unwrap();
    // Under cgroup v1 a frozen process does not even die of SIGKILL.
    engine.run(Container::idle("frozen")).await.unwrap();
    engine.pause("frozen").await.unwrap();
    let (directory, processes) = (engine.directory().to_owned(), engine.processes());
    assert!(
        processes.len() >= 4,
        "init, dockerd, containerd, shim, container: {processes:?}"
    );
    drop(engine);
    assert!(!directory.exists());
    assert_eq!(cgroups_named(&name), Vec::<PathBuf>::new());
    for (pid, name) in processes {
        assert!(
            !Path::new(&format!("/proc/{pid}")).exists(),
            "{name} ({pid}) still runs"
        );
    }
}

#[tokio::test]
async fn a_panic_takes_the_engine_along() {
    let (sender, directory) = tokio::sync::oneshot::channel();
    let test = tokio::task::LocalSet::new();
    let test = test.run_until(async {
        tokio::task::spawn_local(async {
            let engine = Engine::start().await.unwrap();
            engine.run(Container::idle("web")).await.unwrap();
            sender.send(engine.directory().to_owned()).unwrap();
            panic!("as a failing test does");
        })
        .await
    });
    assert!(test.await.unwrap_err().is_panic());
    assert!(!directory.await.unwrap().exists());
}

#[tokio::test]
async fn a_start_sweeps_what_a_killed_keeper_left() {
    let mut crashed = Engine::start().await.unwrap();
    crashed.run(Container::idle("web")).await.unwrap();
    crashed.run(Container::idle("frozen")).await.unwrap();
    crashed.pause("frozen").await.unwrap();
    let (directory, processes) = (crashed.directory().to_owned(), crashed.processes());
    let name = directory
        .file_name()
        .unwrap()
        .to_string_lossy()
        .into_owned();
    let line = crashed.keeper.crash();
    assert!(
        directory.exists() && !crashed.processes().is_empty(),
        "nobody was left to clean up"
    );

    let engine = Engine::start().await.unwrap();
    assert!(!directory.exists(), "the later start sweeps");
    assert_eq!(cgroups_named(&name), Vec::<PathBuf>::new());
    for (pid, name) in processes {
        assert!(
            !Path::new(&format!("/proc/{pid}")).exists(),
            "{name} ({pid}) still runs"
        );
    }
    assert_eq!(engine.running().await.unwrap(), Vec::<String>::new());
    drop(line);
}

fn cgroups_named(name: &str) -> Vec<PathBuf> {
    let controllers = std::fs::read_dir("/sys/fs/cgroup")
        .unwrap()
        .filter_map(Result::ok)
        .map(|entry| entry.path());
    controllers
        .map(|controller| controller.join("komodo-test").join(name))
        .filter(|path| path.exists())
        .collect()
}

async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), future)
        .await
        .expect("within 20 s")
}

/// Tests must fail with the reason where no Engine can be started; here the right to make namespaces is missing.
#[test]
fn engine_that_cannot_be_had_names_the_reason() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/engine");
    let directory = keeper::engines_folder().join("without-rights");
    let output = std::process::Command::new("setpriv")
        .arg("--bounding-set=-sys_admin")
        .args([script.as_path(), Path::new("run"), &directory])
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap();
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(
        words.contains("does not let us make namespaces") && words.contains("remedy:"),
        "{words}"
    );
}
