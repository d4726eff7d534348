//! `scripts/up` and `scripts/down`, as a newcomer uses them: all containers of a host are stopped from a Core on that same
//! host whose agent runs as a container, the agent is spared, and `scripts/down` takes away what `scripts/up` started.
//!
//! The scripts run in the network namespace of a private Engine, where `127.0.0.1` is the host of that Engine.

use std::{
    path::PathBuf,
    process::{Command, Output},
};

use komodo_testkit::{
    engine::{Container, Engine, State},
    installation::{Failure, program, wait_for},
};

struct Host {
    engine: Engine,
    directory: tempfile::TempDir,
    /// A process of the Engine that lives as long as its namespaces.
    first_process: u32,
}

impl Host {
    async fn new() -> Result<Self, Failure> {
        let engine = Engine::start().await?;
        let first_process = engine
            .namespace_process()
            .ok_or("the Engine has no process")?;
        Ok(Host {
            engine,
            directory: tempfile::TempDir::new()?,
            first_process,
        })
    }

    /// Runs a program on the Engine's host. Blocks, which nothing else here minds.
    fn run(&self, program: impl Into<PathBuf>, arguments: &[&str]) -> Result<Output, Failure> {
        Ok(Command::new("nsenter")
            .arg(format!("--net=/proc/{}/ns/net", self.first_process))
            .arg(program.into())
            .args(arguments)
            .env("DOCKER_HOST", self.engine.docker_host())
            .env("KOMODO_UP_DATA", self.directory.path().join("data"))
            .env(
                "KOMODO_CLI_CONFIG_PATHS",
                self.directory.path().join("data/km.toml"),
            )
            // How long is not what is tested.
            .env("KOMODO_PROBATION_SECONDS", "1")
            .env_remove("KOMODO_DATA_DIRECTORY")
            .output()?)
    }

    fn script(&self, name: &str, arguments: &[&str]) -> Result<String, Failure> {
        let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
        let output = self.run(root.join("scripts").join(name), arguments)?;
        let text = format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        if !output.status.success() {
            return Err(format!("scripts/{name} {arguments:?} failed:\n{text}").into());
        }
        Ok(text)
    }

    fn km(&self, arguments: &[&str]) -> Result<(i32, String), Failure> {
        let output = self.run(program("km")?, arguments)?;
        let text = format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        Ok((output.status.code().unwrap_or(-1), text))
    }
}

fn programs() -> Result<String, Failure> {
    let folder = program("komodo-core")?
        .parent()
        .ok_or("no folder")?
        .to_owned();
    program("komodo-periphery")?;
    Ok(folder.display().to_string())
}

#[tokio::test]
async fn a_newcomer_stops_all_containers_of_the_host_of_an_agent_in_a_container()
-> Result<(), Failure> {
    let host = Host::new().await?;
    let programs = programs()?;
    for name in ["web", "db"] {
        host.engine.run(Container::idle(name)).await?;
    }
    let arguments = ["--agent", "container", "--detach", "--programs", &programs];
    let told = host.script("up", &arguments)?;
    assert!(told.contains("http://localhost:9120"), "{told}");
    let password = told
        .lines()
        .find_map(|line| line.trim().strip_prefix("password:"))
        .ok_or("no password is shown")?;
    let password = password
        .split_whitespace()
        .next()
        .ok_or("the password is empty")?;
    assert!(password.len() >= 16, "{told}");

    let server = std::fs::read_to_string(host.directory.path().join("data/server-name"))?;
    let server = server.trim();
    let (code, listed) = host.km(&["ps"])?;
    assert_eq!(code, 0, "{listed}");
    assert!(
        listed.contains("web") && listed.contains("komodo-periphery"),
        "{listed}"
    );
    let (code, plan) = host.km(&["plan", "stop-all-containers", server])?;
    assert_eq!(code, 0, "{plan}");
    assert!(
        plan.contains("komodo-periphery") && plan.contains("web"),
        "{plan}"
    );
    let (code, stopped) = host.km(&["x", "stop-all-containers", server, "-y"])?;
    assert_eq!(code, 0, "{stopped}");
    assert_eq!(host.engine.state("web").await?, State::Exited);
    assert_eq!(host.engine.state("db").await?, State::Exited);
    assert_eq!(host.engine.state("komodo-periphery").await?, State::Running);
    let (code, started) = host.km(&["x", "start-all-containers", server, "-y"])?;
    assert_eq!(code, 0, "{started}");
    assert_eq!(host.engine.state("web").await?, State::Running);
    let (code, refused) = host.km(&["x", "stop-container", server, "komodo-periphery", "-y"])?;
    assert_eq!(code, 3, "{refused}");
    assert!(refused.contains("protected"), "{refused}");

    // Stopped by hand on the host: said as it is, and refused at once.
    host.engine.stop("komodo-periphery").await?;
    let (code, away) = host.km(&["x", "stop-all-containers", server, "-y"])?;
    assert_eq!(code, 3, "{away}");
    assert!(away.contains("server_unreachable"), "{away}");
    let (code, stale) = host.km(&["ps"])?;
    assert_eq!(code, 0, "{stale}");
    assert!(stale.contains("web"), "the last view stays: {stale}");

    // Its state is all that the agent needs to come back, as after a restart of the host.
    host.engine.start_container("komodo-periphery").await?;
    wait_for("the agent to be back", || async {
        host.km(&["x", "start-all-containers", server, "-y"])
            .ok()
            .filter(|(code, _)| *code == 0)
    })
    .await?;

    // Running it again is harmless, brings the agent back, and shows no password.
    let again = host.script("up", &arguments)?;
    assert!(!again.contains("password:  "), "{again}");
    assert_eq!(host.engine.state("web").await?, State::Running);
    let reset = host.script(
        "up",
        &[
            "--agent",
            "container",
            "--detach",
            "--programs",
            &programs,
            "--reset-password",
        ],
    )?;
    assert!(
        reset.contains("password:") && !reset.contains(password),
        "{reset}"
    );

    // Given a new container through Komodo, it is still the one that scripts/up started.
    let before = host.engine.inspect("komodo-periphery").await?.id;
    let (code, told) = host.km(&["x", "update-periphery", server, "-y"])?;
    assert_eq!(code, 0, "{told}");
    let after = host.engine.inspect("komodo-periphery").await?.id;
    assert_ne!(after, before);
    host.script("up", &arguments)?;
    assert_eq!(host.engine.inspect("komodo-periphery").await?.id, after);

    host.script("down", &[])?;
    assert_eq!(host.engine.state("komodo-periphery").await?, State::Absent);
    assert_eq!(
        host.engine.state("web").await?,
        State::Running,
        "scripts/down stops nothing else"
    );
    let answer = host.run("curl", &["-s", "-m", "2", "http://127.0.0.1:9120/version"])?;
    assert!(!answer.status.success(), "Core has ended");
    Ok(())
}

#[tokio::test]
async fn up_with_a_native_agent_and_down_again() -> Result<(), Failure> {
    let host = Host::new().await?;
    let programs = programs()?;
    host.engine.run(Container::idle("web")).await?;
    let arguments = ["--detach", "--port", "9333", "--programs", &programs];
    host.script("up", &arguments)?;
    let (code, listed) = host.km(&["ps"])?;
    assert_eq!(code, 0, "{listed}");
    assert!(listed.contains("web"), "{listed}");
    host.script("down", &[])?;
    host.script("down", &[])?;
    // What was there is there again: the same Core, the same server, no new password.
    let again = host.script("up", &arguments)?;
    assert!(!again.contains("password:  "), "{again}");
    let (code, listed) = host.km(&["ls"])?;
    assert_eq!(code, 0, "{listed}");
    host.script("down", &[])?;
    assert_eq!(host.engine.state("web").await?, State::Running);
    Ok(())
}

#[tokio::test]
async fn up_names_what_is_wrong_and_the_remedy() -> Result<(), Failure> {
    let mut host = Host::new().await?;
    let programs = programs()?;
    for (arguments, message) in [
        (
            vec!["--port", "70000"],
            "--port is a number from 1 to 65535",
        ),
        (
            vec!["--agent", "robot"],
            "--agent is 'native' or 'container'",
        ),
        (
            vec!["--programs", "/nonexistent", "--detach"],
            "are not in /nonexistent",
        ),
        (vec!["--nonsense"], "unknown option --nonsense"),
    ] {
        let error = host
            .script("up", &arguments)
            .err()
            .ok_or("it was accepted")?
            .to_string();
        assert!(error.contains(message), "{error}");
    }
    host.engine.terminate().await?;
    let error = host
        .script("up", &["--detach", "--programs", &programs])
        .err()
        .ok_or("it was accepted")?
        .to_string();
    assert!(
        error.contains("does not answer") && error.contains("remedy:"),
        "{error}"
    );
    Ok(())
}
