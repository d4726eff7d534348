//! A private Docker Engine for one test: real daemon, own data, own namespaces, gone when the handle is dropped.
//!
//! The namespaces, the network and the cleaning up belong to `scripts/engine`, which shell scripts use as well; here is
//! what tests hold in their hands. Nothing here may ever speak to the machine's own Engine, and nothing of the
//! product's own Engine module is used: what a test observes must not come from the code that it tests.
//!
//! ```no_run
//! # async fn example() -> Result<(), komodo_testkit::engine::EngineError> {
//! use komodo_testkit::engine::{Container, Engine, State};
//!
//! let engine = Engine::start().await?;
//! engine.run(Container::idle("web").label("komodo.protect", "true")).await?;
//! engine.stop("web").await?;
//! engine.wait_state("web", State::Exited).await?;
//! # Ok(())
//! # }
//! ```

mod container;
mod error;
mod exec;
mod keeper;
pub mod proxy;
#[cfg(test)]
mod tests;
mod variant;

use std::{
    io::Write,
    net::Ipv4Addr,
    ops::Deref,
    path::{Path, PathBuf},
    time::Duration,
};

pub use container::{BUSYBOX, Container, IDLE_COMMAND, Observer, Restart, State};
pub use error::EngineError;
pub use exec::Ended;
pub use variant::Variant;

use keeper::{Addresses, Keeper};

/// How long an Engine may take until it answers, once its programs are installed.
const START_SECONDS: u64 = 60;

/// How long a daemon may take to end after SIGTERM: it gives every container its own 10 s first.
const TERMINATE_SECONDS: u64 = 40;

/// The image with systemd; `scripts/lib/images.sh` knows the same.
const SYSTEMD: &str = "komodo-test/systemd:1";

/// Where the Engine keeps images and containers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EngineData {
    /// A tmpfs of its own: nothing to wait for, nothing left behind.
    #[default]
    Memory,
    /// The machine's disk, as real hosts have it (for measurements).
    Disk,
}

/// What a test may want of its Engine beyond the usual.
#[derive(Clone, Debug, Default)]
pub struct EngineOptions {
    /// Containers outlive the daemon (`--live-restore`).
    pub live_restore: bool,
    /// Where images and containers are kept.
    pub data: EngineData,
    /// Cgroup v2 alone, whatever the machine has.
    pub cgroup_v2: bool,
    /// Further arguments for `dockerd`; another `--host` is refused, because it could be the machine's own socket.
    pub dockerd_arguments: Vec<String>,
}

/// A running private Engine. Dereferences to [`Observer`], which speaks with it.
///
/// Dropping it kills every process in it and removes its files, also when the test panics; when the test process is
/// killed, the kernel ends the Engine's processes and the keeper still removes the files.
#[derive(Debug)]
pub struct Engine {
    // Dropped first, so that no connection outlives the daemon.
    observer: Observer,
    addresses: Addresses,
    keeper: Keeper,
}

impl Engine {
    /// Starts an Engine with [`BUSYBOX`] loaded and waits until it answers (about 1 s).
    ///
    /// # Errors
    /// Where no Engine can be started the error says why; a test must then fail, never skip.
    pub async fn start() -> Result<Self, EngineError> {
        Self::start_with(EngineOptions::default()).await
    }

    /// As [`Engine::start`], with options.
    pub async fn start_with(options: EngineOptions) -> Result<Self, EngineError> {
        options.check()?;
        let busybox = keeper::script(["images"]).await?;
        let mut keeper = Keeper::spawn(&options)?;
        let observer = keeper
            .wait_ready(Duration::from_secs(START_SECONDS))
            .await?;
        let addresses = keeper.addresses()?;
        observer.load_image(Path::new(busybox.trim())).await?;
        report_engine_test()?;
        Ok(Self {
            observer,
            addresses,
            keeper,
        })
    }

    /// Path of the API socket, as the host sees it; containers of this Engine may bind-mount it from the same path, or
    /// from `/var/run/docker.sock`, which inside the Engine's own mount namespace leads to it.
    pub fn socket(&self) -> PathBuf {
        self.keeper.socket()
    }

    /// The socket as `DOCKER_HOST` wants it.
    pub fn docker_host(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    /// The host's end of the link. A server of the test that listens here (or on 0.0.0.0) is reached by containers on
    /// any network, the host network included.
    pub fn host_address(&self) -> Ipv4Addr {
        self.addresses.host
    }

    /// The Engine's end of the link: published ports and programs on the Engine's host network are found here.
    pub fn address(&self) -> Ipv4Addr {
        self.addresses.engine
    }

    /// The Engine's folder: socket, log. It vanishes with the Engine.
    pub fn directory(&self) -> &Path {
        self.keeper.directory()
    }

    /// PID and name of every process in the Engine, as the host sees them (`dockerd`, `containerd`, shims, containers).
    pub fn processes(&self) -> Vec<(u32, String)> {
        self.keeper.processes()
    }

    /// PID of a process in the Engine's network namespace that lives as long as it, as the host sees it.
    pub fn namespace_process(&self) -> Option<u32> {
        let pid = std::fs::read_to_string(self.directory().join("keeper")).ok()?;
        pid.trim().parse().ok()
    }

    /// Builds an image around a program of this machine (its libraries and busybox included, the program as entry
    /// point under `/usr/local/bin`), loads it under `tag`, and returns its id. Built once per content of the program.
    pub async fn image_from_binary(&self, binary: &Path, tag: &str) -> Result<String, EngineError> {
        let binary = binary.to_string_lossy();
        let archive = keeper::script(["image", &binary, tag]).await?;
        self.observer.load_image(Path::new(archive.trim())).await?;
        self.observer.image_id(tag).await
    }

    /// Loads the image that runs this machine's systemd as its first process, and returns its name. A container of it
    /// needs this machine's `/usr`.
    pub async fn systemd_image(&self) -> Result<&'static str, EngineError> {
        let archive = keeper::script(["systemd"]).await?;
        self.observer.load_image(Path::new(archive.trim())).await?;
        Ok(SYSTEMD)
    }

    /// Restarts the daemon in order: SIGTERM, wait until it has ended, start on the same data, wait until it answers.
    pub async fn restart(&mut self) -> Result<(), EngineError> {
        self.terminate().await?;
        self.start_again().await
    }

    /// Ends the daemon in order and leaves it down: from here on the Engine is absent.
    pub async fn terminate(&mut self) -> Result<(), EngineError> {
        self.keeper
            .end_daemon("terminate", Duration::from_secs(TERMINATE_SECONDS))
            .await
    }

    /// Kills the daemon (SIGKILL) and leaves it down.
    pub async fn kill(&mut self) -> Result<(), EngineError> {
        self.keeper
            .end_daemon("kill", Duration::from_secs(TERMINATE_SECONDS))
            .await
    }

    /// Starts the daemon again on the same data, after [`Engine::kill`] or [`Engine::terminate`].
    pub async fn start_again(&mut self) -> Result<(), EngineError> {
        self.keeper.start_daemon()?;
        self.observer = self
            .keeper
            .wait_ready(Duration::from_secs(START_SECONDS))
            .await?;
        Ok(())
    }
}

impl Deref for Engine {
    type Target = Observer;

    fn deref(&self) -> &Observer {
        &self.observer
    }
}

impl EngineOptions {
    fn check(&self) -> Result<(), EngineError> {
        let forbidden = [
            "-H",
            "--host",
            "--data-root",
            "--exec-root",
            "--pidfile",
            "--config-file",
            "--cgroup-parent",
        ];
        match self.dockerd_arguments.iter().find(|argument| {
            forbidden.iter().any(|name| argument.starts_with(name))
                || argument.contains("/run/docker.sock")
        }) {
            Some(argument) => Err(EngineError::NotPrivate {
                what: argument.clone(),
            }),
            None => Ok(()),
        }
    }
}

/// The environment variable that names the file in which tests with an Engine of their own report themselves.
const REPORT_VARIABLE: &str = "KOMODO_TEST_ENGINE_LOG";

/// Adds this test to the list from which `scripts/test` counts how many tests ran against a real Engine.
fn report_engine_test() -> Result<(), EngineError> {
    let Some(path) = std::env::var_os(REPORT_VARIABLE) else {
        return Ok(());
    };
    let binary = std::env::current_exe().ok();
    let binary = binary
        .as_deref()
        .and_then(Path::file_stem)
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let line = format!("{binary} {}\n", test_name());
    std::fs::OpenOptions::new()
        .append(true)
        .create(true)
        .open(&path)
        .and_then(|mut file| file.write_all(line.as_bytes()))
        .map_err(|source| EngineError::File {
            path: path.into(),
            source,
        })
}

/// The running test: the test runner names its thread, or runs it alone and names it in the arguments.
fn test_name() -> String {
    match std::thread::current().name() {
        Some(name) if name != "main" => name.to_owned(),
        _ => std::env::args()
            .filter(|argument| !argument.starts_with('-'))
            .nth(1)
            .unwrap_or_default(),
    }
}
