//! What passes passes unchanged: negotiation, streams in both directions, ends of one direction, and the end of a client.

use std::{io::Write, os::unix::fs::PermissionsExt};

use komodo_testkit::engine::{BUSYBOX, Container, Engine, State};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::UnixStream,
    time::{Instant, sleep, timeout},
};

use super::{client, docker, docker_with, socket};
use crate::{
    harness::{Harness, PATIENCE, folder, options},
    proxy::Proxy,
};

#[tokio::test]
async fn clients_agree_with_the_engine_as_without_it() {
    let harness = Harness::start().await;
    let socket = socket(&harness);
    let mode = |path: &std::path::Path| {
        let mode = std::fs::metadata(path).unwrap().permissions().mode();
        mode & 0o777
    };
    assert_eq!(mode(socket), 0o600);
    assert_eq!(mode(socket.parent().unwrap()), 0o700);
    let version = [
        "version",
        "--format",
        "{{json .Server}} {{.Client.APIVersion}}",
    ];
    let direct = docker(&harness.engine.socket(), &version).await.ok();
    let guarded = docker(socket, &version).await.ok();
    assert_eq!(guarded.text(), direct.text());
    assert!(guarded.text().contains("ApiVersion"));
}

#[tokio::test]
async fn output_input_and_exit_codes_of_containers_pass() {
    let harness = Harness::start().await;
    let socket = socket(&harness);
    let run = docker(
        socket,
        &[
            "run",
            "--rm",
            BUSYBOX,
            "sh",
            "-c",
            "echo out; echo err >&2; exit 7",
        ],
    )
    .await;
    assert_eq!((run.code, run.text()), (7, "out".to_owned()), "{}", run.err);
    assert_eq!(run.err.trim(), "err");

    // More than all buffers on the way hold, there and back; `cat` ends only because the end of the input arrives, and
    // what it says after that arrives too.
    let much: Vec<u8> = (0..6_000_000_u32).map(|n| (n % 251) as u8).collect();
    let expected = [&much[..], b"end"].concat();
    let attached = docker_with(
        socket,
        &["run", "-i", "--rm", BUSYBOX, "sh", "-c", "cat; printf end"],
        much.clone(),
    )
    .await
    .ok();
    assert!(attached.out == expected, "{} bytes", attached.out.len());
    harness.engine.run(Container::idle("web")).await.unwrap();
    let exec = ["exec", "-i", "web", "sh", "-c", "cat; printf end"];
    let exec = docker_with(socket, &exec, much).await.ok();
    assert!(exec.out == expected, "{} bytes", exec.out.len());
    let exec = docker(socket, &["exec", "web", "sh", "-c", "exit 9"]).await;
    assert_eq!(exec.code, 9);
    let inspected = docker(socket, &["inspect", "-f", "{{.State.Status}}", "web"]).await;
    assert_eq!(inspected.ok().text(), "running");
}

#[tokio::test]
async fn builds_copies_and_archives_pass() {
    let harness = Harness::start().await;
    let socket = socket(&harness);
    let context = folder();
    let blob: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 253) as u8).collect();
    std::fs::write(context.join("blob"), &blob).unwrap();
    std::fs::write(
        context.join("Dockerfile"),
        format!("FROM {BUSYBOX}\nCOPY blob /blob\nRUN wc -c < /blob > /count\nCMD [\"cat\", \"/count\"]\n"),
    )
    .unwrap();
    let context = context.to_str().unwrap();
    let built = docker(socket, &["build", "-t", "built:1", context])
        .await
        .ok();
    assert!(
        built.text().contains("Successfully tagged"),
        "{}",
        built.text()
    );
    let run = docker(socket, &["run", "--name", "built", "built:1"]).await;
    assert_eq!(run.ok().text(), "3000000");

    let copy = format!("{context}/copy");
    docker(socket, &["cp", "built:/blob", &copy]).await.ok();
    assert!(std::fs::read(&copy).unwrap() == blob);
    docker(socket, &["cp", &copy, "built:/again"]).await.ok();
    let saved = docker(socket, &["save", "built:1"]).await.ok();
    docker(socket, &["rm", "built"]).await.ok();
    docker(socket, &["rmi", "built:1"]).await.ok();
    let loaded = docker_with(socket, &["load"], saved.out).await.ok();
    assert!(loaded.text().contains("built:1"), "{}", loaded.text());
    std::fs::remove_dir_all(context).unwrap();
}

/// Asks to leave HTTP, and reads what the other side then says first.
async fn upgraded(socket: &std::path::Path, path: &str, first: &[u8]) -> (String, Vec<u8>) {
    let mut stream = UnixStream::connect(socket).await.unwrap();
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\
         X-Docker-Expose-Session-Uuid: abc\r\nX-Docker-Expose-Session-Name: test\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let (mut head, mut said) = (Vec::new(), Vec::new());
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    stream.write_all(first).await.unwrap();
    while said.len() < 9 {
        assert_ne!(stream.read_buf(&mut said).await.unwrap(), 0, "{path}");
    }
    (String::from_utf8(head).unwrap(), said)
}

#[tokio::test]
async fn sessions_of_builds_leave_http() {
    let harness = Harness::start().await;
    let socket = socket(&harness);
    // HTTP/2 on what was a request: here the Engine serves, there it asks.
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    let first = [&preface[..], &settings].concat();
    let asking = upgraded(socket, "/v1.41/grpc", &first);
    let (head, said) = timeout(PATIENCE, asking).await.unwrap();
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    assert!(head.to_lowercase().contains("upgrade: h2c"), "{head}");
    assert_eq!(said[3], 4, "a frame of settings: {said:?}");
    let (head, said) = timeout(PATIENCE, upgraded(socket, "/session", &[]))
        .await
        .unwrap();
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    assert!(said.starts_with(&preface[..9]), "{said:?}");
}

#[tokio::test]
async fn what_follows_comes_as_it_happens_and_ends_with_the_client() {
    let engine = Engine::start().await.unwrap();
    let root = folder();
    let proxy = Proxy::start(&engine.socket(), &root).unwrap();
    let agent = komodo_periphery::Agent::start(options(&proxy.docker_host(), &root))
        .await
        .unwrap();
    agent.observatory().ready().await;
    let socket = agent.children().unwrap().path();
    let pipe = "mkfifo /pipe; while :; do cat /pipe; done";
    engine
        .run(Container::new("web", ["sh", "-c", pipe]).init())
        .await
        .unwrap();

    let mut following = client(socket, &["logs", "-f", "web"]).spawn().unwrap();
    let mut lines = BufReader::new(following.stdout.take().unwrap()).lines();
    // Each line is said only after the one before it has come.
    for text in ["one", "two", "three"] {
        let say = format!("echo {text} > /pipe");
        docker(&engine.socket(), &["exec", "web", "sh", "-c", &say])
            .await
            .ok();
        let line = timeout(PATIENCE, lines.next_line()).await;
        assert_eq!(line.expect("it comes").unwrap().as_deref(), Some(text));
    }
    assert_eq!(proxy.log_readers(), 1);
    following.kill().await.unwrap();
    let until = Instant::now() + PATIENCE;
    while proxy.log_readers() > 0 {
        assert!(
            Instant::now() < until,
            "the Engine goes on reading for nobody"
        );
        sleep(std::time::Duration::from_millis(5)).await;
    }

    let mut watching = client(
        socket,
        &[
            "events",
            "--format",
            "{{.Action}} {{.Actor.Attributes.name}}",
        ],
    )
    .spawn()
    .unwrap();
    let mut lines = BufReader::new(watching.stdout.take().unwrap()).lines();
    // Nothing says when the client has subscribed: it is told until it hears.
    let heard = async {
        loop {
            docker(&engine.socket(), &["rename", "web", "site"])
                .await
                .ok();
            docker(&engine.socket(), &["rename", "site", "web"])
                .await
                .ok();
            let wait = std::time::Duration::from_millis(300);
            if let Ok(line) = timeout(wait, lines.next_line()).await {
                return line.unwrap();
            }
        }
    };
    let heard = timeout(PATIENCE, heard).await.expect("it hears");
    assert!(
        heard
            .as_deref()
            .is_some_and(|line| line.starts_with("rename ")),
        "{heard:?}"
    );
    watching.kill().await.unwrap();
    drop(agent);
    std::fs::remove_dir_all(root).unwrap();
}

#[tokio::test]
async fn an_agent_that_was_killed_leaves_a_socket_that_the_next_one_replaces() {
    let engine = Engine::start().await.unwrap();
    let root = folder();
    let children = root.join("children");
    std::fs::create_dir(&children).unwrap();
    let path = children.join("docker.sock");
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let start = || komodo_periphery::Agent::start(options(&engine.docker_host(), &root));
    let agent = start().await.unwrap();
    agent.observatory().ready().await;
    docker(
        &path,
        &["run", "-d", "--name", "web", BUSYBOX, "sleep", "1000"],
    )
    .await
    .ok();
    assert_eq!(engine.state("web").await.unwrap(), State::Running);
    drop(agent);
    assert!(!path.exists());
    // What is no socket is not ours to remove.
    std::fs::File::create(&path)
        .unwrap()
        .write_all(b"mine")
        .unwrap();
    let agent = start().await.unwrap();
    assert!(agent.children().is_none() && agent.compose().is_none());
    assert_eq!(std::fs::read(&path).unwrap(), b"mine");
    drop(agent);
    std::fs::remove_dir_all(root).unwrap();
}
