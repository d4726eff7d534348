//! What tests do with containers, over a client of their own (bollard), so that the product's own Engine module is
//! never what checks itself.

use std::{
    collections::HashMap,
    path::Path,
    time::{Duration, Instant},
};

use bollard::{
    API_DEFAULT_VERSION, Docker, body_full,
    models::{
        ContainerCreateBody, ContainerInspectResponse, ContainerStateStatusEnum, ContainerSummary,
        HostConfig, PortBinding, RestartPolicy, RestartPolicyNameEnum,
    },
    query_parameters::{
        CreateContainerOptions, ImportImageOptions, KillContainerOptions, ListContainersOptions,
        LogsOptions, RemoveContainerOptions, StopContainerOptions,
    },
};
use futures_util::{StreamExt, TryStreamExt};

use super::{EngineError, keeper::LOOK_EVERY};

/// The image that every private Engine has: busybox under all its names, about 2 MiB.
pub const BUSYBOX: &str = "komodo-test/busybox:1";

/// Does nothing for ever, and ends at once with exit code 0 on SIGTERM.
pub const IDLE_COMMAND: [&str; 3] = [
    "sh",
    "-c",
    "trap 'exit 0' TERM; while :; do sleep 3600 & wait $!; done",
];

/// Longest wait for one answer of the Engine.
const REQUEST_SECONDS: u64 = 60;

/// Longest wait for a state, where the caller gives none.
const STATE_DEADLINE: Duration = Duration::from_secs(30);

/// Most that is kept of a log.
const LOG_BYTES_MAX: usize = 16 * 1024 * 1024;

/// A container as a test describes it.
#[derive(Clone, Debug)]
pub struct Container {
    name: String,
    body: ContainerCreateBody,
}

/// When the Engine starts a container again by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restart {
    /// Whatever happens, also after a restart of the Engine.
    Always,
    /// As `Always`, save when somebody stopped it.
    UnlessStopped,
    /// After an exit code other than 0, at most this many times.
    OnFailure(i64),
}

/// The state of a container, as the Engine reports it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Never started.
    Created,
    /// Its process runs.
    Running,
    /// Its processes are frozen.
    Paused,
    /// Between an end and the next start.
    Restarting,
    /// Being removed.
    Removing,
    /// Its process has ended.
    Exited,
    /// Half removed.
    Dead,
    /// Being stopped (newest Engines only).
    Stopping,
    /// The Engine knows no such container.
    Absent,
}

impl Container {
    /// A container from [`BUSYBOX`] that runs `command`.
    pub fn new<S: Into<String>>(
        name: impl Into<String>,
        command: impl IntoIterator<Item = S>,
    ) -> Self {
        let body = ContainerCreateBody {
            image: Some(BUSYBOX.to_owned()),
            cmd: Some(command.into_iter().map(Into::into).collect()),
            host_config: Some(HostConfig::default()),
            ..ContainerCreateBody::default()
        };
        Self {
            name: name.into(),
            body,
        }
    }

    /// A container from [`BUSYBOX`] that runs until it is stopped, which it then does at once.
    pub fn idle(name: impl Into<String>) -> Self {
        Self::new(name, IDLE_COMMAND)
    }

    /// A container from `image` with the command that the image itself names.
    pub fn from_image(name: impl Into<String>, image: impl Into<String>) -> Self {
        let mut container = Self::new(name, Vec::<String>::new()).image(image);
        container.body.cmd = None;
        container
    }

    /// Runs from another image.
    pub fn image(mut self, image: impl Into<String>) -> Self {
        self.body.image = Some(image.into());
        self
    }

    /// Arguments for the image's entry point (or the command, where there is none).
    pub fn command<S: Into<String>>(mut self, command: impl IntoIterator<Item = S>) -> Self {
        self.body.cmd = Some(command.into_iter().map(Into::into).collect());
        self
    }

    /// Adds a label.
    pub fn label(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.body
            .labels
            .get_or_insert_default()
            .insert(name.into(), value.into());
        self
    }

    /// Adds an environment variable.
    pub fn env(mut self, name: &str, value: impl AsRef<str>) -> Self {
        self.body
            .env
            .get_or_insert_default()
            .push(format!("{name}={}", value.as_ref()));
        self
    }

    /// Sets the host name.
    pub fn hostname(mut self, hostname: impl Into<String>) -> Self {
        self.body.hostname = Some(hostname.into());
        self
    }

    /// Sets the network mode: `bridge`, `host`, `none`, `container:NAME`, or a network's name.
    pub fn network_mode(self, mode: impl Into<String>) -> Self {
        self.host(|host| host.network_mode = Some(mode.into()))
    }

    /// Shares the PID namespace: `host` or `container:NAME`.
    pub fn pid_mode(self, mode: impl Into<String>) -> Self {
        self.host(|host| host.pid_mode = Some(mode.into()))
    }

    /// Puts the Engine's init in front of the command.
    pub fn init(self) -> Self {
        self.host(|host| host.init = Some(true))
    }

    /// Sets the restart policy.
    pub fn restart(self, restart: Restart) -> Self {
        let (name, maximum_retry_count) = match restart {
            Restart::Always => (RestartPolicyNameEnum::ALWAYS, None),
            Restart::UnlessStopped => (RestartPolicyNameEnum::UNLESS_STOPPED, None),
            Restart::OnFailure(times) => (RestartPolicyNameEnum::ON_FAILURE, Some(times)),
        };
        self.host(|host| {
            host.restart_policy = Some(RestartPolicy {
                name: Some(name),
                maximum_retry_count,
            })
        })
    }

    /// Mounts a file or folder of the Engine's host, as `-v` does.
    pub fn bind(self, source: impl AsRef<Path>, target: &str) -> Self {
        let bind = format!("{}:{target}", source.as_ref().display());
        self.host(|host| host.binds.get_or_insert_default().push(bind))
    }

    /// Publishes a TCP port under the same number on [`super::Engine::address`].
    pub fn publish(mut self, port: u16) -> Self {
        let name = format!("{port}/tcp");
        self.body
            .exposed_ports
            .get_or_insert_default()
            .push(name.clone());
        let binding = PortBinding {
            host_ip: None,
            host_port: Some(port.to_string()),
        };
        self.host(|host| {
            host.port_bindings
                .get_or_insert_default()
                .insert(name, Some(vec![binding]));
        })
    }

    /// Runs with all privileges.
    pub fn privileged(self) -> Self {
        self.host(|host| host.privileged = Some(true))
    }

    /// Anything else, by the Engine's own words.
    pub fn with(mut self, change: impl FnOnce(&mut ContainerCreateBody)) -> Self {
        change(&mut self.body);
        self
    }

    fn host(mut self, change: impl FnOnce(&mut HostConfig)) -> Self {
        change(self.body.host_config.get_or_insert_default());
        self
    }
}

/// A client of one Engine that is independent of the product's.
#[derive(Clone, Debug)]
pub struct Observer {
    docker: Docker,
}

impl Observer {
    /// Connects with the Engine at `socket` and agrees on a version with it. The machine's own Engine is refused.
    pub async fn connect(socket: &Path) -> Result<Self, EngineError> {
        refuse_default_socket(socket)?;
        let docker = Docker::connect_with_unix(
            &socket.to_string_lossy(),
            REQUEST_SECONDS,
            API_DEFAULT_VERSION,
        )?
        .negotiate_version()
        .await?;
        Ok(Self { docker })
    }

    /// The client itself, for what has no convenience here.
    pub fn docker(&self) -> &Docker {
        &self.docker
    }

    /// Creates and starts a container and returns its id.
    pub async fn run(&self, container: Container) -> Result<String, EngineError> {
        let id = self.create(container).await?;
        self.start_container(&id).await?;
        Ok(id)
    }

    /// Creates a container without starting it and returns its id.
    pub async fn create(&self, container: Container) -> Result<String, EngineError> {
        let options = CreateContainerOptions {
            name: Some(container.name),
            ..CreateContainerOptions::default()
        };
        Ok(self
            .docker
            .create_container(Some(options), container.body)
            .await?
            .id)
    }

    /// Starts a container that exists.
    pub async fn start_container(&self, name: &str) -> Result<(), EngineError> {
        Ok(self.docker.start_container(name, None).await?)
    }

    /// Stops a container in order (SIGTERM, after 10 s SIGKILL).
    pub async fn stop(&self, name: &str) -> Result<(), EngineError> {
        Ok(self
            .docker
            .stop_container(name, None::<StopContainerOptions>)
            .await?)
    }

    /// Sends a signal (`SIGKILL`, `SIGUSR1`, ...) to a container's first process.
    pub async fn signal(&self, name: &str, signal: &str) -> Result<(), EngineError> {
        Ok(self
            .docker
            .kill_container(
                name,
                Some(KillContainerOptions {
                    signal: signal.to_owned(),
                }),
            )
            .await?)
    }

    /// Restarts a container.
    pub async fn restart_container(&self, name: &str) -> Result<(), EngineError> {
        Ok(self.docker.restart_container(name, None).await?)
    }

    /// Freezes a container.
    pub async fn pause(&self, name: &str) -> Result<(), EngineError> {
        Ok(self.docker.pause_container(name).await?)
    }

    /// Thaws a container.
    pub async fn unpause(&self, name: &str) -> Result<(), EngineError> {
        Ok(self.docker.unpause_container(name).await?)
    }

    /// Removes a container, running or not, with its anonymous volumes.
    pub async fn remove(&self, name: &str) -> Result<(), EngineError> {
        let options = RemoveContainerOptions {
            v: true,
            force: true,
            link: false,
        };
        Ok(self.docker.remove_container(name, Some(options)).await?)
    }

    /// Everything the Engine knows about a container.
    pub async fn inspect(&self, name: &str) -> Result<ContainerInspectResponse, EngineError> {
        Ok(self.docker.inspect_container(name, None).await?)
    }

    /// The state of a container; [`State::Absent`] when there is none of that name or id.
    pub async fn state(&self, name: &str) -> Result<State, EngineError> {
        match self.docker.inspect_container(name, None).await {
            Ok(container) => Ok(State::of(container.state.and_then(|state| state.status))),
            Err(bollard::errors::Error::DockerResponseServerError {
                status_code: 404, ..
            }) => Ok(State::Absent),
            Err(error) => Err(error.into()),
        }
    }

    /// All containers, running or not.
    pub async fn list(&self) -> Result<Vec<ContainerSummary>, EngineError> {
        let options = ListContainersOptions {
            all: true,
            ..ListContainersOptions::default()
        };
        Ok(self.docker.list_containers(Some(options)).await?)
    }

    /// The names of all running containers, paused ones included, sorted.
    pub async fn running(&self) -> Result<Vec<String>, EngineError> {
        let containers = self.docker.list_containers(None).await?;
        let mut names: Vec<String> = containers
            .into_iter()
            .flat_map(|container| container.names.unwrap_or_default())
            .map(|name| name.trim_start_matches('/').to_owned())
            .collect();
        names.sort();
        Ok(names)
    }

    /// Waits up to 30 s until a container has the state.
    pub async fn wait_state(&self, name: &str, state: State) -> Result<(), EngineError> {
        self.wait_state_within(name, state, STATE_DEADLINE).await
    }

    /// Waits until a container has the state.
    pub async fn wait_state_within(
        &self,
        name: &str,
        state: State,
        deadline: Duration,
    ) -> Result<(), EngineError> {
        let end = Instant::now() + deadline;
        loop {
            let seen = self.state(name).await?;
            if seen == state {
                return Ok(());
            }
            if Instant::now() > end {
                let (what, seen) = (format!("{name} becoming {state:?}"), format!("{seen:?}"));
                return Err(EngineError::Deadline {
                    what,
                    after: deadline,
                    seen,
                });
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Waits up to 30 s until a container has ended and returns its exit code.
    pub async fn wait_exit(&self, name: &str) -> Result<i64, EngineError> {
        self.wait_state(name, State::Exited).await?;
        let state = self.inspect(name).await?.state.unwrap_or_default();
        Ok(state.exit_code.unwrap_or_default())
    }

    /// What a container has written so far, both streams in order, up to 16 MiB.
    pub async fn logs(&self, name: &str) -> Result<String, EngineError> {
        let options = LogsOptions {
            stdout: true,
            stderr: true,
            ..LogsOptions::default()
        };
        let mut log = Vec::new();
        let mut stream = std::pin::pin!(self.docker.logs(name, Some(options)));
        while let Some(piece) = stream.next().await {
            log.extend_from_slice(&piece?.into_bytes());
            if log.len() > LOG_BYTES_MAX {
                break;
            }
        }
        Ok(String::from_utf8_lossy(&log).into_owned())
    }

    /// Labels of a container.
    pub async fn labels(&self, name: &str) -> Result<HashMap<String, String>, EngineError> {
        Ok(self
            .inspect(name)
            .await?
            .config
            .and_then(|config| config.labels)
            .unwrap_or_default())
    }

    /// Creates a bridge network.
    pub async fn create_network(&self, name: &str) -> Result<(), EngineError> {
        let request = bollard::models::NetworkCreateRequest {
            name: name.to_owned(),
            ..Default::default()
        };
        self.docker.create_network(request).await?;
        Ok(())
    }

    pub(super) async fn load_image(&self, archive: &Path) -> Result<(), EngineError> {
        let bytes = std::fs::read(archive).map_err(|source| EngineError::File {
            path: archive.to_owned(),
            source,
        })?;
        let options = ImportImageOptions {
            quiet: true,
            ..ImportImageOptions::default()
        };
        self.docker
            .import_image(options, body_full(bytes.into()), None)
            .try_collect::<Vec<_>>()
            .await?;
        Ok(())
    }

    pub(super) async fn image_id(&self, tag: &str) -> Result<String, EngineError> {
        Ok(self.docker.inspect_image(tag).await?.id.unwrap_or_default())
    }
}

impl State {
    fn of(status: Option<ContainerStateStatusEnum>) -> Self {
        match status {
            Some(ContainerStateStatusEnum::CREATED) => Self::Created,
            Some(ContainerStateStatusEnum::RUNNING) => Self::Running,
            Some(ContainerStateStatusEnum::PAUSED) => Self::Paused,
            Some(ContainerStateStatusEnum::RESTARTING) => Self::Restarting,
            Some(ContainerStateStatusEnum::REMOVING) => Self::Removing,
            Some(ContainerStateStatusEnum::EXITED) => Self::Exited,
            Some(ContainerStateStatusEnum::DEAD) => Self::Dead,
            Some(ContainerStateStatusEnum::STOPPING) => Self::Stopping,
            Some(ContainerStateStatusEnum::EMPTY) | None => Self::Absent,
        }
    }
}

/// The machine's own Engine is not ours to touch, under whatever name it is asked for.
fn refuse_default_socket(socket: &Path) -> Result<(), EngineError> {
    let real = socket.canonicalize().unwrap_or_else(|_| socket.to_owned());
    match [socket, &real]
        .into_iter()
        .any(|path| path.ends_with("run/docker.sock") || path.ends_with("podman.sock"))
    {
        true => Err(EngineError::NotPrivate {
            what: socket.display().to_string(),
        }),
        false => Ok(()),
    }
}
