//! An installation as users have it: the real Core and the real agent as processes or containers, on loopback and on
//! private Engines.
//!
//! Programs are taken from the folder that the test itself was built into (or `KOMODO_TEST_PROGRAMS`), so
//! `cargo build --workspace --bins` comes before the tests.

mod access;
mod containers;
pub mod images;
mod machine;

use std::{
    fs,
    io::Write,
    net::{IpAddr, SocketAddr, TcpListener},
    ops::Deref,
    os::unix::{fs::PermissionsExt, process::ExitStatusExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use komodo_api::server::ServerState;

pub use access::Access;
pub use containers::{
    AGENT_IMAGE, AgentContainer, CORE_IMAGE, CoreContainer, agent_image, forwarder,
};
pub use machine::{AGENT_UNIT, AgentProgram, Machine, Whose};

use crate::engine::Engine;

/// Longest wait for a program to come up or for a server to reach a state.
const STATE_SECONDS: u64 = 60;
/// Time between two looks at a state.
const LOOK_EVERY: Duration = Duration::from_millis(20);

const SIGKILL: i32 = 9;
/// Tells a program of a build with debug assertions where to die (`POINT:TIME`) or to stop (`POINT:TIME:stop`).
const FAILPOINT: &str = "KOMODO_FAILPOINT";

/// Why an installation did not come about.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Path of one of our programs.
///
/// # Errors
/// When it has not been built.
pub fn program(name: &str) -> Result<PathBuf, Failure> {
    let folder = match std::env::var_os("KOMODO_TEST_PROGRAMS") {
        Some(folder) => PathBuf::from(folder),
        None => {
            let test = std::env::current_exe()?;
            let folder = test.parent().ok_or("the test has no folder")?;
            match folder.file_name() {
                Some(name) if name == "deps" => {
                    folder.parent().ok_or("deps has no parent")?.to_owned()
                }
                _ => folder.to_owned(),
            }
        }
    };
    let path = folder.join(name);
    if !path.is_file() {
        return Err(format!(
            "{} is not there; first: cargo build --workspace --bins",
            path.display()
        )
        .into());
    }
    Ok(path)
}

/// Waits until `look` finds something.
///
/// # Errors
/// When it does not within the deadline; `what` then says what was waited for.
pub async fn wait_for<T, F: Future<Output = Option<T>>>(
    what: &str,
    look: impl FnMut() -> F,
) -> Result<T, Failure> {
    wait_for_within(STATE_SECONDS, what, look).await
}

/// As [`wait_for`], for what may take another number of seconds.
///
/// # Errors
/// As [`wait_for`].
pub async fn wait_for_within<T, F: Future<Output = Option<T>>>(
    seconds: u64,
    what: &str,
    mut look: impl FnMut() -> F,
) -> Result<T, Failure> {
    let end = Instant::now() + Duration::from_secs(seconds);
    loop {
        if let Some(found) = look().await {
            return Ok(found);
        }
        if Instant::now() > end {
            return Err(format!("waited {seconds} s in vain for: {what}").into());
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// A program that is killed when the test ends, however it ends.
#[derive(Debug)]
pub struct Program {
    child: Child,
    log: PathBuf,
}

impl Program {
    fn start(command: &mut Command, log: PathBuf) -> Result<Self, Failure> {
        let output = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&log)?;
        let child = command
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()?;
        Ok(Program { child, log })
    }

    /// Its PID.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has printed.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Waits until it has died of `SIGKILL`.
    ///
    /// # Errors
    /// When it does not within the deadline, or ended in another way; the error holds what it printed.
    pub async fn wait_killed(&mut self) -> Result<(), Failure> {
        let end = Instant::now() + Duration::from_secs(STATE_SECONDS);
        loop {
            match self.child.try_wait()? {
                Some(status) if status.signal() == Some(SIGKILL) => return Ok(()),
                Some(status) => return Err(format!("it ended: {status}\n{}", self.log()).into()),
                None if Instant::now() > end => {
                    return Err(format!("it was not killed\n{}", self.log()).into());
                }
                None => tokio::time::sleep(LOOK_EVERY).await,
            }
        }
    }

    /// Waits until it was stopped by `SIGSTOP`; [`Program::resume`] lets it go on.
    ///
    /// # Errors
    /// When it is not within the deadline; the error holds what it printed.
    pub async fn wait_stopped(&self) -> Result<(), Failure> {
        let path = format!("/proc/{}/stat", self.pid());
        wait_for("a program to be stopped", || async {
            let stat = fs::read_to_string(&path).ok()?;
            // PID (NAME) STATE ...
            let state = stat.rsplit_once(')')?.1.trim_start().chars().next()?;
            (state == 'T').then_some(())
        })
        .await
        .map_err(|error| format!("{error}\n{}", self.log()).into())
    }

    /// Lets it go on after `SIGSTOP`.
    ///
    /// # Errors
    /// When the signal cannot be sent.
    pub fn resume(&self) -> Result<(), Failure> {
        Command::new("kill")
            .args(["-CONT", &self.pid().to_string()])
            .status()?;
        Ok(())
    }

    /// Kills it (`SIGKILL`) and waits for its end.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Asks it to end (`SIGTERM`) and waits for that.
    ///
    /// # Errors
    /// When the signal cannot be sent.
    pub fn terminate(&mut self) -> Result<(), Failure> {
        Command::new("kill")
            .args(["-TERM", &self.child.id().to_string()])
            .status()?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A running Core with an empty database, an administrator, and a client with an API key. Dereferences to [`Access`], by
/// which it is asked.
#[derive(Debug)]
pub struct Core {
    /// The process.
    pub program: Program,
    access: Access,
    environment: Vec<(String, String)>,
}

impl Deref for Core {
    type Target = Access;

    fn deref(&self) -> &Access {
        &self.access
    }
}

impl Core {
    /// Starts a Core that listens on `at` and waits until it answers.
    ///
    /// # Errors
    /// When it cannot be started or does not answer; the error holds what it printed.
    pub async fn start(at: IpAddr) -> Result<Self, Failure> {
        Core::start_with(at, &[]).await
    }

    /// As [`Core::start`], with more in its environment.
    ///
    /// # Errors
    /// As [`Core::start`].
    pub async fn start_with(at: IpAddr, environment: &[(&str, &str)]) -> Result<Self, Failure> {
        // The port is free for as long as nobody else takes it; tests ask the kernel for theirs the same way.
        let address = TcpListener::bind((at, 0))?.local_addr()?;
        let access = Access::bootstrap(address)?;
        let program = Program::start(
            command("komodo-core", access.directory(), address)?.envs(environment.iter().copied()),
            access.core_log(),
        )?;
        let core = Core {
            program,
            access,
            environment: owned(environment),
        };
        core.wait_ready().await?;
        Ok(core)
    }

    /// Starts it again on the same database and the same address, after it was killed.
    ///
    /// # Errors
    /// As [`Core::start`].
    pub async fn start_again(&mut self) -> Result<(), Failure> {
        self.start_again_at(None).await
    }

    /// As [`Core::start_again`]; it dies or stops at a failpoint.
    ///
    /// # Errors
    /// As [`Core::start`].
    pub async fn start_again_at(&mut self, failpoint: Option<&str>) -> Result<(), Failure> {
        self.spawn_at(failpoint)?;
        self.wait_ready().await
    }

    /// As [`Core::start_again_at`]; it dies at the failpoint before it answers anything.
    ///
    /// # Errors
    /// When it cannot be started, or does not die there.
    pub async fn dies_in_start(&mut self, failpoint: &str) -> Result<(), Failure> {
        self.spawn_at(Some(failpoint))?;
        self.program.wait_killed().await
    }

    fn spawn_at(&mut self, failpoint: Option<&str>) -> Result<(), Failure> {
        let log = self.core_log();
        let mut command = command("komodo-core", self.directory(), self.address)?;
        command.envs(self.environment.iter().cloned());
        if let Some(failpoint) = failpoint {
            command.env(FAILPOINT, failpoint);
        }
        self.program = Program::start(&mut command, log)?;
        Ok(())
    }

    /// Starts an agent as a process on the host of the test, for an Engine.
    ///
    /// # Errors
    /// When it does not connect within the deadline.
    pub async fn agent_process(&self, engine: &Engine, server: &str) -> Result<Agent, Failure> {
        self.agent(engine, server, None, PERIPHERY, &[]).await
    }

    /// As [`Core::agent_process`], with another program that is an agent, and more in its environment.
    ///
    /// # Errors
    /// As [`Core::agent_process`].
    pub async fn agent_program(
        &self,
        engine: &Engine,
        server: &str,
        binary: &'static str,
        environment: &[(&str, &str)],
    ) -> Result<Agent, Failure> {
        self.agent(engine, server, None, binary, environment).await
    }

    /// Starts an agent as a process in the network namespace of an Engine, from where it reaches Core over a link that
    /// belongs to the test alone.
    ///
    /// # Errors
    /// As [`Core::agent_process`].
    pub async fn agent_process_within(
        &self,
        engine: &Engine,
        server: &str,
    ) -> Result<Agent, Failure> {
        let within = engine
            .namespace_process()
            .ok_or("the Engine has no process")?;
        self.agent(engine, server, Some(within), PERIPHERY, &[])
            .await
    }

    async fn agent(
        &self,
        engine: &Engine,
        server: &str,
        within: Option<u32>,
        binary: &'static str,
        environment: &[(&str, &str)],
    ) -> Result<Agent, Failure> {
        let directory = tempfile::TempDir::new()?;
        let join = secret_file(directory.path(), &self.join_string().await?)?;
        let mut agent = Agent {
            program: None,
            server: server.to_owned(),
            address: self.address,
            within,
            binary,
            environment: owned(environment),
            directory,
            join,
        };
        agent.start(&engine.docker_host())?;
        self.wait_server(server, ServerState::Ok)
            .await
            .map_err(|error| {
                format!(
                    "{error}\n{}",
                    agent.program.as_ref().map(Program::log).unwrap_or_default()
                )
            })?;
        Ok(agent)
    }
}

const PERIPHERY: &str = "komodo-periphery";
const JOIN_FILE: &str = "onboarding_key";

/// An agent as a process.
#[derive(Debug)]
pub struct Agent {
    /// The process; none while it is stopped.
    pub program: Option<Program>,
    server: String,
    address: SocketAddr,
    /// A process in whose network namespace it runs.
    within: Option<u32>,
    binary: &'static str,
    environment: Vec<(String, String)>,
    directory: tempfile::TempDir,
    join: PathBuf,
}

impl Agent {
    /// Starts it (again) for the Engine at `docker_host`.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(&mut self, docker_host: &str) -> Result<(), Failure> {
        self.start_at(docker_host, None)
    }

    /// As [`Agent::start`]; it dies or stops at a failpoint.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start_at(&mut self, docker_host: &str, failpoint: Option<&str>) -> Result<(), Failure> {
        let program = program(self.binary)?;
        let mut command = match self.within {
            None => Command::new(program),
            Some(pid) => {
                let mut command = Command::new("nsenter");
                command
                    .arg(format!("--net=/proc/{pid}/ns/net"))
                    .arg(program);
                command
            }
        };
        if let Some(failpoint) = failpoint {
            command.env(FAILPOINT, failpoint);
        }
        command
            .envs(self.environment.iter().cloned())
            .env("DOCKER_HOST", docker_host)
            .env("PERIPHERY_ROOT_DIRECTORY", self.directory.path())
            .env("PERIPHERY_CORE_ADDRESS", format!("ws://{}", self.address))
            .env("PERIPHERY_ONBOARDING_KEY_FILE", &self.join)
            .env("PERIPHERY_CONNECT_AS", &self.server);
        self.program = Some(Program::start(
            &mut command,
            self.directory.path().join("periphery.log"),
        )?);
        Ok(())
    }

    /// Its root directory.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }
}

fn owned(environment: &[(&str, &str)]) -> Vec<(String, String)> {
    environment
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

fn secret_file(folder: &Path, text: &str) -> Result<PathBuf, Failure> {
    let path = folder.join(JOIN_FILE);
    let mut file = fs::File::create(&path)?;
    file.set_permissions(fs::Permissions::from_mode(0o600))?;
    file.write_all(text.as_bytes())?;
    Ok(path)
}

fn command(name: &str, directory: &Path, address: SocketAddr) -> Result<Command, Failure> {
    let mut command = Command::new(program(name)?);
    command.envs(environment(directory, address));
    Ok(command)
}

/// Settings of a Core.
fn environment(directory: &Path, address: SocketAddr) -> [(&'static str, String); 5] {
    [
        ("KOMODO_DATA_DIRECTORY", directory.display().to_string()),
        ("KOMODO_BIND_IP", address.ip().to_string()),
        ("KOMODO_PORT", address.port().to_string()),
        ("KOMODO_HOST", format!("http://{address}")),
        ("KOMODO_LOCAL_AUTH", "true".to_owned()),
    ]
}
