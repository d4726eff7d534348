//! `deploy/` as its readers use it: the images are built by `scripts/images` on a private Engine and started by the
//! compose files and by the `docker run` lines of the guide; the units are ones that systemd takes.

use std::{fs, path::PathBuf, process::Command};

use bollard::models::HealthStatusEnum;
use komodo_api::{
    auth::{JwtOrTwoFactor, LoginLocalUser},
    container::RestartContainer,
    onboarding_key::CreateOnboardingKey,
    periphery::UpdatePeriphery,
    plan::{Effect, PlanOperation, ReasonCode},
    resource::ServerRef,
    server::{GetServerState, ServerState},
};
use komodo_client::{Client, Credentials};
use komodo_testkit::{
    engine::{Container, Engine, State},
    installation::{Failure, program, wait_for},
};
use serde_json::json;

const ADMIN: &str = "admin";
const SKIP: &str = "komodo.skip";

fn project() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A host with the images, and a folder for what its containers mount.
struct Host {
    engine: Engine,
    directory: tempfile::TempDir,
}

impl Host {
    async fn new() -> Result<Self, Failure> {
        let host = Host {
            engine: Engine::start().await?,
            directory: tempfile::TempDir::new()?,
        };
        program("komodo-periphery")?;
        let core = program("komodo-core")?;
        let programs = core.parent().ok_or("no folder")?.to_owned();
        let mut images = Command::new(project().join("scripts/images"));
        host.run(images.arg("--programs").arg(programs))?;
        Ok(host)
    }

    /// Runs a program that speaks with this Engine. Blocks, which nothing else here minds.
    fn run(&self, command: &mut Command) -> Result<String, Failure> {
        let output = command
            .env("DOCKER_HOST", self.engine.docker_host())
            .output()?;
        let text = format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        match output.status.success() {
            true => Ok(text),
            false => Err(format!("{command:?} failed:\n{text}").into()),
        }
    }

    /// `docker compose` with a file of `deploy/compose`. Its containers are looked at each second instead of each half
    /// minute, and what is handed over is watched for less long: how long is not what is tested.
    fn compose(
        &self,
        file: &str,
        environment: &[(&str, &str)],
        arguments: &[&str],
    ) -> Result<String, Failure> {
        let file = project().join("deploy/compose").join(file);
        let text = fs::read_to_string(&file)?;
        let mut faster = String::from("services:\n");
        for (service, more) in [
            ("core", ", environment: { KOMODO_PROBATION_SECONDS: \"2\" }"),
            ("periphery", ""),
        ] {
            if text.contains(&format!("\n  {service}:\n")) {
                faster.push_str(&format!(
                    "  {service}: {{ healthcheck: {{ interval: 1s }}{more} }}\n"
                ));
            }
        }
        let quick = self.directory.path().join("quick.yaml");
        fs::write(&quick, faster)?;
        let mut command = Command::new("docker");
        command.args(["compose", "-f"]).arg(file);
        command.arg("-f").arg(quick).args(arguments);
        self.run(command.envs(environment.iter().copied()))
    }

    async fn wait_healthy(&self, container: &str) -> Result<(), Failure> {
        let seen = wait_for(&format!("{container} to be healthy"), || async {
            let inspected = self.engine.inspect(container).await.ok()?;
            let health = inspected.state?.health?.status?;
            (health == HealthStatusEnum::HEALTHY).then_some(())
        })
        .await;
        match seen {
            Ok(()) => Ok(()),
            Err(error) => Err(format!("{error}\n{}", self.engine.logs(container).await?).into()),
        }
    }

    /// A client of the administrator, whose password is `password`.
    async fn sign_in(&self, password: &str) -> Result<Client, Failure> {
        let address = format!("http://{}:9120", self.engine.address());
        let nobody = Client::new(&address, Credentials::None)?;
        let login = LoginLocalUser {
            username: ADMIN.into(),
            password: password.into(),
        };
        let answer = wait_for("Core to answer", || async {
            nobody.call(&login).await.ok()
        })
        .await?;
        let JwtOrTwoFactor::Jwt(answer) = answer else {
            return Err("no token".into());
        };
        Ok(Client::new(&address, Credentials::Jwt(answer.jwt))?)
    }
}

async fn wait_server(client: &Client, server: &str) -> Result<(), Failure> {
    let ask = GetServerState {
        server: ServerRef(server.into()),
    };
    wait_for(&format!("server {server} to be Ok"), || async {
        let answer = client.call(&ask).await.ok()?;
        (answer.status == ServerState::Ok).then_some(())
    })
    .await
}

/// Who is spared when all containers of a server are stopped, and why.
async fn spared(client: &Client, server: &str) -> Result<Vec<(String, ReasonCode)>, Failure> {
    let operation = PlanOperation {
        operation: "StopAllContainers".into(),
        params: serde_json::from_value(json!({ "server": server }))?,
    };
    let plan = client.call(&operation).await?;
    let skipped = plan
        .items
        .into_iter()
        .filter(|item| item.effect == Effect::Skip);
    Ok(skipped
        .filter_map(|item| Some((item.container, item.reason?.code)))
        .collect())
}

#[tokio::test]
async fn all_in_one_starts_by_one_command_and_the_agent_joins_by_itself() -> Result<(), Failure> {
    let host = Host::new().await?;
    host.engine.run(Container::idle("web")).await?;
    let environment = [
        ("KOMODO_PUBLISH", "0.0.0.0:9120"),
        ("KOMODO_ADMIN_PASSWORD", "correct horse battery staple"),
        ("KOMODO_SERVER", "nas"),
    ];
    host.compose("all-in-one.yaml", &environment, &["up", "-d"])?;
    let client = host.sign_in("correct horse battery staple").await?;
    wait_server(&client, "nas").await?;
    for container in ["komodo-core-1", "komodo-periphery-1"] {
        host.wait_healthy(container).await?;
        let labels = host.engine.labels(container).await?;
        assert_eq!(labels.get(SKIP).map(String::as_str), Some("true"));
    }
    let inspected = host.engine.inspect("komodo-periphery-1").await?;
    let init = inspected.host_config.and_then(|host| host.init);
    assert_eq!(init, Some(true));

    // Known by identity, the label apart.
    let spared = wait_for("both to be known", || async {
        let spared = spared(&client, "nas").await.ok()?;
        (spared.len() == 2).then_some(spared)
    })
    .await?;
    assert!(
        spared.contains(&("komodo-core-1".into(), ReasonCode::Core))
            && spared.contains(&("komodo-periphery-1".into(), ReasonCode::Agent)),
        "{spared:?}"
    );

    // Again, and nothing happens: the same containers, the same server.
    let before = host.engine.inspect("komodo-core-1").await?.id;
    host.compose("all-in-one.yaml", &environment, &["up", "-d"])?;
    assert_eq!(host.engine.inspect("komodo-core-1").await?.id, before);
    wait_server(&client, "nas").await?;

    // Made anew, the agent keeps who it is: no second join string is needed.
    host.compose(
        "all-in-one.yaml",
        &environment,
        &["up", "-d", "--force-recreate", "periphery"],
    )?;
    wait_server(&client, "nas").await?;
    host.wait_healthy("komodo-periphery-1").await?;

    // Both are operated through themselves, and compose finds nothing to do afterwards.
    handed_over(&host, &client).await?;
    let containers = ["komodo-core-1", "komodo-periphery-1"];
    let mut before = Vec::new();
    for container in containers {
        before.push(host.engine.inspect(container).await?.id);
    }
    host.compose("all-in-one.yaml", &environment, &["up", "-d"])?;
    for (container, before) in containers.into_iter().zip(before) {
        let after = host.engine.inspect(container).await?.id;
        assert_eq!(after, before, "compose made {container} anew");
    }

    // With its watchdog, nothing that somebody stops on the host stays stopped.
    let watched = ["--profile", "watchdog"];
    host.compose(
        "all-in-one.yaml",
        &environment,
        &[watched[0], watched[1], "up", "-d"],
    )?;
    stopped_and_brought_back(&host, "komodo-periphery-1", "komodo-watchdog-1").await?;
    wait_server(&client, "nas").await?;

    host.compose(
        "all-in-one.yaml",
        &environment,
        &[watched[0], watched[1], "down"],
    )?;
    assert_eq!(host.engine.state("komodo-core-1").await?, State::Absent);
    assert_eq!(host.engine.state("web").await?, State::Running);
    Ok(())
}

/// Gives the agent a new container and restarts Core, by Core.
async fn handed_over(host: &Host, client: &Client) -> Result<(), Failure> {
    let before = host.engine.inspect("komodo-periphery-1").await?.id;
    let renew = UpdatePeriphery {
        server: "nas".into(),
        image: None,
        version: None,
        plan: None,
    };
    let update = client.execute_and_wait(&renew, |_| ()).await?;
    assert!(update.success, "{update:?}");
    wait_server(client, "nas").await?;
    let after = host.engine.inspect("komodo-periphery-1").await?.id;
    assert_ne!(after, before, "a new container");
    let labels = host.engine.labels("komodo-periphery-1").await?;
    assert_eq!(labels.get(SKIP).map(String::as_str), Some("true"));
    host.wait_healthy("komodo-periphery-1").await?;

    let again = RestartContainer::of("nas", "komodo-core-1");
    let update = client.execute_and_wait(&again, |_| ()).await?;
    assert!(update.success, "{update:?}");
    wait_server(client, "nas").await?;
    wait_for("no helper to be left", || async {
        let running = host.engine.list().await.ok()?;
        let names = running
            .into_iter()
            .flat_map(|it| it.names.unwrap_or_default());
        let mut left =
            names.filter(|name| name.contains("hand-over") || name.contains("komodo-old"));
        left.next().is_none().then_some(())
    })
    .await
}

#[tokio::test]
async fn the_commands_of_the_guide_and_the_agent_alone_start() -> Result<(), Failure> {
    let host = Host::new().await?;
    let lines = docker_run_lines("docs/guide/install.md")?;
    assert_eq!(
        lines,
        docker_run_lines("docs/guide/install.zh-CN.md")?,
        "both languages"
    );
    let [core, agent] = &lines[..] else {
        return Err(format!("a line for Core and one for the agent: {lines:?}").into());
    };
    let started = core.replace("127.0.0.1:9120:9120", "9120:9120");
    assert_ne!(started, *core);
    host.run(Command::new("sh").args(["-c", &started]))?;
    let password = wait_for("the password in the log", || async {
        let log = host.engine.logs("komodo-core").await.ok()?;
        let (_, after) = log.split_once("with the password ")?;
        Some(after.split_once(',')?.0.to_owned())
    })
    .await?;
    let client = host.sign_in(&password).await?;

    let alone = [("line", agent.clone()), ("compose", String::new())];
    for (server, line) in alone {
        let state = host.directory.path().join(server);
        fs::create_dir(&state)?;
        let key = CreateOnboardingKey {
            name: server.into(),
            ..CreateOnboardingKey::default()
        };
        let join = client.call(&key).await?.private_key;
        fs::write(state.join("onboarding_key"), join)?;
        let state = state.display().to_string();
        if line.is_empty() {
            let environment = [
                ("PERIPHERY_CORE_ADDRESS", "ws://127.0.0.1:9120"),
                ("PERIPHERY_CONNECT_AS", server),
                ("PERIPHERY_STATE", &state),
            ];
            host.compose("periphery.yaml", &environment, &["up", "-d"])?;
        } else {
            let line = line
                .replace("/etc/komodo:", &format!("{state}:"))
                .replace("wss://komodo.example.com", "ws://127.0.0.1:9120")
                .replace("AS=nas", &format!("AS={server}"));
            host.run(Command::new("sh").args(["-c", &line]))?;
        }
        wait_server(&client, server).await?;
    }
    for name in [
        "komodo-core",
        "komodo-periphery",
        "komodo-agent-periphery-1",
    ] {
        let labels = host.engine.labels(name).await?;
        assert_eq!(labels.get(SKIP).map(String::as_str), Some("true"), "{name}");
    }
    host.wait_healthy("komodo-agent-periphery-1").await?;

    let mut watchdogs = docker_run_lines("docs/guide/hand-over.md")?;
    assert_eq!(
        watchdogs,
        docker_run_lines("docs/guide/hand-over.zh-CN.md")?,
        "both languages"
    );
    watchdogs.retain(|line| line.contains(" watchdog"));
    let [watchdog] = &watchdogs[..] else {
        return Err(format!("a line for the watchdog: {watchdogs:?}").into());
    };
    host.run(Command::new("sh").args(["-c", watchdog]))?;
    stopped_and_brought_back(&host, "komodo-periphery", "komodo-watchdog").await
}

/// Stops the agent from outside and waits until its watchdog has started it again.
async fn stopped_and_brought_back(host: &Host, agent: &str, watchdog: &str) -> Result<(), Failure> {
    wait_for("the watchdog to watch", || async {
        let log = host.engine.logs(watchdog).await.ok()?;
        log.contains("the agent is watched").then_some(())
    })
    .await?;
    host.engine.stop(agent).await?;
    assert_eq!(host.engine.state(agent).await?, State::Exited);
    host.engine.wait_state(agent, State::Running).await?;
    let labels = host.engine.labels(watchdog).await?;
    let value = |name: &str| labels.get(name).map(String::as_str);
    assert_eq!(
        (value(SKIP), value("komodo.watchdog")),
        (Some("true"), Some("true"))
    );
    Ok(())
}

/// The commands of a page that start containers of ours, as somebody copies them.
fn docker_run_lines(page: &str) -> Result<Vec<String>, Failure> {
    let text = fs::read_to_string(project().join(page))?;
    let mut lines = Vec::new();
    let mut command: Option<String> = None;
    for line in text.lines() {
        if line.starts_with("docker run ") {
            command = Some(String::new());
        }
        let Some(so_far) = &mut command else { continue };
        so_far.push_str(line);
        so_far.push('\n');
        if !line.ends_with('\\') {
            lines.extend(command.take());
        }
    }
    Ok(lines)
}

/// Files of `deploy/systemd`, and of `deploy/systemd/user`.
fn units(folder: &str) -> Result<Vec<PathBuf>, Failure> {
    let mut found = Vec::new();
    for entry in fs::read_dir(project().join("deploy/systemd").join(folder))? {
        let path = entry?.path();
        let unit = |ending: &str| path.extension().is_some_and(|it| it == ending);
        if unit("service") || unit("timer") {
            found.push(path);
        }
    }
    Ok(found)
}

/// What systemd says about units, once their programs are where this test finds them.
fn verify(units: &[PathBuf], user: bool) -> Result<String, Failure> {
    let directory = tempfile::TempDir::new()?;
    let core = program("komodo-core")?;
    let programs = core.parent().ok_or("no folder")?.display().to_string();
    let mut command = Command::new("systemd-analyze");
    command.env("XDG_RUNTIME_DIR", directory.path());
    command.args(user.then_some("--user"));
    command.args(["verify", "--man=no"]);
    for unit in units {
        let text = fs::read_to_string(unit)?
            .replace("/usr/local/bin", &programs)
            .replace("%h/.local/bin", &programs);
        let copy = directory.path().join(unit.file_name().ok_or("no name")?);
        fs::write(&copy, text)?;
        command.arg(copy);
    }
    let output = command.output()?;
    Ok(format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    ))
}

#[test]
fn systemd_takes_the_units_as_they_are() -> Result<(), Failure> {
    for (folder, user, at_least) in [("", false, 2), ("user", true, 2)] {
        let units = units(folder)?;
        assert!(units.len() >= at_least, "{units:?}");
        let said = verify(&units, user)?;
        assert_eq!(said, "", "deploy/systemd/{folder}");
    }
    Ok(())
}

#[test]
fn a_mistake_in_a_unit_is_found() -> Result<(), Failure> {
    let directory = tempfile::TempDir::new()?;
    let unit = directory.path().join("komodo-core.service");
    let whole = fs::read_to_string(project().join("deploy/systemd/komodo-core.service"))?;
    for (right, wrong) in [
        ("Restart=always", "Restart=ever"),
        ("/usr/local/bin/komodo-core", "/usr/local/bin/komodo-coro"),
        ("DynamicUser=yes", "DynamicUsers=yes"),
    ] {
        fs::write(&unit, whole.replace(right, wrong))?;
        let said = verify(std::slice::from_ref(&unit), false)?;
        assert_ne!(said, "", "{wrong}");
    }
    Ok(())
}
