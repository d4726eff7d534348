//! The `scripts/engine run` process behind an Engine: spawning it, commanding it, ending it. No Docker API here.

use std::{
    fs,
    hash::{BuildHasher, RandomState},
    io::{self, Read, Write},
    net::Ipv4Addr,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use super::{EngineData, EngineError, EngineOptions, container::Observer};

/// How often a state that nobody announces is looked at.
pub(super) const LOOK_EVERY: Duration = Duration::from_millis(10);

/// How long `scripts/engine` may take for a verb that ends: installing an Engine is the longest.
const SCRIPT_SECONDS: u64 = 900;

/// How long the keeper may take to remove an Engine's files after its processes were killed.
const REMOVE_SECONDS: u64 = 20;

/// How much of the daemon's log an error shows.
const LOG_TAIL_BYTES: usize = 2_000;

/// The addresses of the two ends of an Engine's link with the host.
#[derive(Clone, Copy, Debug)]
pub(super) struct Addresses {
    pub(super) host: Ipv4Addr,
    pub(super) engine: Ipv4Addr,
}

/// Owner of the keeper process. Its standard input is the line of command: when that closes, for whatever reason, the
/// Engine ends.
#[derive(Debug)]
pub(super) struct Keeper {
    child: Child,
    directory: PathBuf,
}

impl Keeper {
    pub(super) fn spawn(options: &EngineOptions) -> Result<Self, EngineError> {
        let random = RandomState::new().hash_one(std::process::id()) as u32;
        let directory = engines_folder().join(format!("t-{}-{random:08x}", std::process::id()));
        let mut command = script_command();
        command.arg("run").arg(&directory);
        if options.live_restore {
            command.arg("--live-restore");
        }
        if options.data == EngineData::Disk {
            command.args(["--data", "disk"]);
        }
        if options.cgroup_v2 {
            command.arg("--cgroup-v2");
        }
        command.arg("--").args(&options.dockerd_arguments);
        // A process group of its own: what kills the test run must not kill the one that cleans up.
        let child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .map_err(|error| script_error("run", error.to_string()))?;
        Ok(Self { child, directory })
    }

    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    pub(super) fn socket(&self) -> PathBuf {
        self.directory.join("docker.sock")
    }

    pub(super) fn addresses(&self) -> Result<Addresses, EngineError> {
        let path = self.directory.join("network");
        let text = fs::read_to_string(&path).map_err(|source| EngineError::File {
            path: path.clone(),
            source,
        })?;
        let address = |name: &str| {
            text.lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix('=')?.parse().ok())
                .ok_or_else(|| {
                    script_error("run", format!("no address '{name}' in {}", path.display()))
                })
        };
        Ok(Addresses {
            host: address("host")?,
            engine: address("engine")?,
        })
    }

    /// Waits until the daemon answers.
    pub(super) async fn wait_ready(&mut self, deadline: Duration) -> Result<Observer, EngineError> {
        let end = Instant::now() + deadline;
        let mut seen = String::from("no socket");
        while Instant::now() < end {
            if let Some(status) = self
                .child
                .try_wait()
                .map_err(|error| script_error("run", error.to_string()))?
            {
                return Err(script_error("run", format!("{status}: {}", self.words())));
            }
            if self.socket().exists() {
                match tokio::time::timeout_at(end.into(), Observer::connect(&self.socket())).await {
                    Ok(Ok(observer)) => return Ok(observer),
                    Ok(Err(error)) => seen = error.to_string(),
                    Err(_) => seen = String::from("no answer"),
                }
            }
            if self.daemon_ended() {
                return Err(EngineError::DaemonEnded {
                    log: self.log_tail(),
                });
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Err(EngineError::Deadline {
            what: String::from("an answer of the engine"),
            after: deadline,
            seen: format!("{seen}; its log ends: {}", self.log_tail()),
        })
    }

    fn command(&mut self, command: &str) -> Result<(), EngineError> {
        let pipe = self
            .child
            .stdin
            .as_mut()
            .expect("spawned with a pipe and only taken in drop");
        writeln!(pipe, "{command}").map_err(|error| script_error("run", error.to_string()))
    }

    /// Ends the daemon by `command` and waits until its process is gone.
    pub(super) async fn end_daemon(
        &mut self,
        command: &str,
        deadline: Duration,
    ) -> Result<(), EngineError> {
        self.command(command)?;
        let end = Instant::now() + deadline;
        while Instant::now() < end {
            if self.daemon_ended() {
                return Ok(());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Err(EngineError::Deadline {
            what: format!("the end of the daemon after '{command}'"),
            after: deadline,
            seen: self.log_tail(),
        })
    }

    /// Starts a daemon that was ended; [`Keeper::wait_ready`] then waits for it.
    pub(super) fn start_daemon(&mut self) -> Result<(), EngineError> {
        let path = self.ended_mark();
        // The mark of the last one must not be taken for the next one's.
        fs::remove_file(&path).map_err(|source| EngineError::File { path, source })?;
        self.command("start")
    }

    fn daemon_ended(&self) -> bool {
        self.ended_mark().exists()
    }

    /// The file that `scripts/engine` leaves when the daemon has ended.
    fn ended_mark(&self) -> PathBuf {
        self.directory.join("ended")
    }

    /// Every live process in the Engine: those in its own PID namespace, and those of its containers, which have
    /// namespaces of their own and are known by their cgroup.
    pub(super) fn processes(&self) -> Vec<(u32, String)> {
        let Some(namespace) = fs::read_to_string(self.directory.join("keeper"))
            .ok()
            .and_then(|pid| {
                fs::read_link(format!("/proc/{}/ns/pid_for_children", pid.trim())).ok()
            })
        else {
            return Vec::new();
        };
        let name = self
            .directory
            .file_name()
            .unwrap_or_default()
            .to_string_lossy();
        let cgroup = format!("/komodo-test-{name}/");
        let Ok(entries) = fs::read_dir("/proc") else {
            return Vec::new();
        };
        entries
            .filter_map(|entry| {
                let pid: u32 = entry.ok()?.file_name().to_str()?.parse().ok()?;
                // A zombie has no namespaces any more, so it does not count.
                let inside = fs::read_link(format!("/proc/{pid}/ns/pid")).ok()? == namespace
                    || fs::read_to_string(format!("/proc/{pid}/cgroup"))
                        .ok()?
                        .contains(&cgroup);
                inside.then_some(())?;
                let name = fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
                Some((pid, name.trim_end().to_owned()))
            })
            .collect()
    }

    /// What an ended keeper said.
    fn words(&mut self) -> String {
        let mut words = String::new();
        if let Some(mut pipe) = self.child.stderr.take() {
            // Whatever could be read is better than nothing.
            let _ = pipe.read_to_string(&mut words);
        }
        words.trim().to_owned()
    }

    /// Kills the keeper as a crash would: nobody cleans up, and the Engine's processes run on while the line is held.
    #[cfg(test)]
    pub(super) fn crash(&mut self) -> Option<std::process::ChildStdin> {
        self.child.kill().expect("the keeper is our child");
        // Waiting would close the line of command, at whose end the Engine's processes end by themselves.
        let line = self.child.stdin.take();
        self.child.wait().expect("the keeper is our child");
        line
    }

    fn log_tail(&self) -> String {
        let log = fs::read(self.directory.join("dockerd.log")).unwrap_or_default();
        String::from_utf8_lossy(&log[log.len().saturating_sub(LOG_TAIL_BYTES)..]).into_owned()
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let end = Instant::now() + Duration::from_secs(REMOVE_SECONDS);
        while Instant::now() < end {
            if matches!(self.child.try_wait(), Ok(Some(_)) | Err(_)) {
                return;
            }
            std::thread::sleep(LOOK_EVERY);
        }
        // The next start sweeps what is left.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a verb of `scripts/engine` to its end and returns what it printed.
pub(super) async fn script<const N: usize>(arguments: [&str; N]) -> Result<String, EngineError> {
    let name = arguments.join(" ");
    let mut child = script_command()
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| script_error(&name, error.to_string()))?;
    let end = Instant::now() + Duration::from_secs(SCRIPT_SECONDS);
    let reader = child.stderr.take().map(|mut pipe| {
        // Read beside the waiting: an installation prints more than a pipe holds.
        std::thread::spawn(move || {
            let mut words = String::new();
            let _ = pipe.read_to_string(&mut words);
            words
        })
    });
    loop {
        let status = child
            .try_wait()
            .map_err(|error| script_error(&name, error.to_string()))?;
        let words = |reader: Option<std::thread::JoinHandle<String>>| {
            reader
                .and_then(|reader| reader.join().ok())
                .unwrap_or_default()
                .trim()
                .to_owned()
        };
        match status {
            Some(status) if status.success() => {
                let output = child.stdout.take().map(io::read_to_string).transpose();
                return output
                    .map(Option::unwrap_or_default)
                    .map_err(|error| script_error(&name, error.to_string()));
            }
            Some(status) => {
                return Err(script_error(&name, format!("{status}: {}", words(reader))));
            }
            None if Instant::now() > end => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(script_error(
                    &name,
                    format!("not done after {SCRIPT_SECONDS} s: {}", words(reader)),
                ));
            }
            None => tokio::time::sleep(LOOK_EVERY).await,
        }
    }
}

/// Where all private Engines live; `scripts/engine` knows the same.
pub(super) fn engines_folder() -> PathBuf {
    std::env::var_os("KOMODO_ENGINES")
        .map_or_else(|| PathBuf::from("/tmp/komodo-engines"), PathBuf::from)
}

fn script_command() -> Command {
    Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/engine"))
}

fn script_error(arguments: &str, message: String) -> EngineError {
    EngineError::Script {
        arguments: arguments.to_owned(),
        message,
    }
}
