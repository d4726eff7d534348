//! A machine that systemd runs: a container with this machine's systemd as its first process, and in it the agent as the
//! unit that we ship.

use std::{
    fs::{self, Permissions},
    os::unix::fs::{PermissionsExt, chown, symlink},
    path::{Path, PathBuf},
    process::Command,
};

use komodo_api::server::ServerState;

use super::{Access, Core, Failure, JOIN_FILE, PERIPHERY, program, secret_file, wait_for};
use crate::engine::{Container, Ended, Engine, EngineOptions, State};

/// Name of the container.
const MACHINE: &str = "machine";
/// The agent's unit.
pub const AGENT_UNIT: &str = "komodo-periphery.service";
/// The user whose systemd runs in the machine too, as `scripts/lib/images.sh` makes it, and those numbers.
const USER: u32 = 1000;
const USER_HOME: &str = "/home/ann";
/// What stands for the sessions that the machine does not have: a folder for the user's sockets, and no login.
const USER_RUNTIME: &str = "[Service]\nType=oneshot\nRemainAfterExit=yes\n\
    ExecStart=/usr/bin/install -d -m 700 -o %i -g %i /run/user/%i\n";
const USER_MANAGER: &str = "[Service]\nPAMName=\nEnvironment=XDG_RUNTIME_DIR=/run/user/%i\n";
/// Units of Debian that a container has no use for.
const MASKED: [&str; 8] = [
    "getty.target",
    "systemd-logind.service",
    "systemd-sysusers.service",
    "systemd-tmpfiles-setup-dev.service",
    "systemd-udevd.service",
    "systemd-update-utmp.service",
    "systemd-update-utmp-runlevel.service",
    "dev-hugepages.mount",
];

/// Whose systemd runs the agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    /// The system's.
    System,
    /// A user's, as for a rootless Engine.
    User,
}

/// A container that systemd runs, on an Engine of its own.
#[derive(Debug)]
pub struct Machine {
    /// The Engine that the machine is a container of.
    pub host: Engine,
    whose: Whose,
    files: tempfile::TempDir,
}

impl Machine {
    /// Starts it, in the network of its host, and waits until systemd has started everything; `mounted`, and the folder of
    /// its own Engine, are to be found in it under the same path.
    ///
    /// # Errors
    /// When it does not come up; the error holds what was printed.
    pub async fn start(whose: Whose, mounted: &[&Path]) -> Result<Self, Failure> {
        let options = EngineOptions {
            cgroup_v2: true,
            ..EngineOptions::default()
        };
        let host = Engine::start_with(options).await?;
        let image = host.systemd_image().await?;
        let machine = Machine {
            host,
            whose,
            files: tempfile::TempDir::new()?,
        };
        for folder in [machine.units(), machine.programs(), machine.komodo()] {
            fs::create_dir_all(folder)?;
        }
        let target = "/usr/lib/systemd/system/multi-user.target";
        symlink(target, machine.units().join("default.target"))?;
        for unit in MASKED {
            symlink("/dev/null", machine.units().join(unit))?;
        }
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/systemd");
        copy_units(&shipped, &machine.units())?;
        if whose == Whose::User {
            machine.with_user(&shipped.join("user"))?;
        }
        let container = Container::from_image(MACHINE, image)
            .network_mode("host")
            .bind("/usr", "/usr:ro")
            .bind(machine.units(), "/etc/systemd/system");
        let container = match whose {
            Whose::System => container
                .bind(machine.programs(), &machine.programs_within())
                .bind(machine.komodo(), &machine.komodo_within()),
            Whose::User => container.bind(machine.files.path().join("home"), USER_HOME),
        };
        let mounted = mounted.iter().copied().chain([machine.host.directory()]);
        let container = mounted.fold(container, |container, path| {
            container.bind(path, &path.display().to_string())
        });
        machine.host.run(container.with(of_systemd)).await?;
        machine.wait_booted().await?;
        Ok(machine)
    }

    /// Its folder of units, as this process sees it.
    pub fn units(&self) -> PathBuf {
        self.files.path().join("units")
    }

    /// The folder of the agent's program, as this process sees it.
    pub fn programs(&self) -> PathBuf {
        self.files.path().join(match self.whose {
            Whose::System => "programs",
            Whose::User => "home/.local/bin",
        })
    }

    /// The folder of the agent's program, as it is called in the machine.
    pub fn programs_within(&self) -> String {
        match self.whose {
            Whose::System => "/usr/local/bin".to_owned(),
            Whose::User => format!("{USER_HOME}/.local/bin"),
        }
    }

    /// The agent's root directory, as this process sees it.
    pub fn komodo(&self) -> PathBuf {
        self.files.path().join(match self.whose {
            Whose::System => "komodo",
            Whose::User => "home/.config/komodo",
        })
    }

    /// The agent's root directory, as it is called in the machine.
    pub fn komodo_within(&self) -> String {
        match self.whose {
            Whose::System => "/etc/komodo".to_owned(),
            Whose::User => format!("{USER_HOME}/.config/komodo"),
        }
    }

    /// Gives it a user with a systemd that runs from the boot on, and the units that are shipped for that.
    fn with_user(&self, shipped: &Path) -> Result<(), Failure> {
        let units = self.files.path().join("home/.config/systemd/user");
        fs::create_dir_all(&units)?;
        copy_units(shipped, &units)?;
        for folder in ["user@.service.d", "multi-user.target.wants"] {
            fs::create_dir(self.units().join(folder))?;
        }
        fs::write(self.units().join("user-runtime-dir@.service"), USER_RUNTIME)?;
        let changed = self.units().join("user@.service.d/machine.conf");
        fs::write(changed, USER_MANAGER)?;
        let wanted = format!("multi-user.target.wants/user@{USER}.service");
        symlink(
            "/usr/lib/systemd/system/user@.service",
            self.units().join(wanted),
        )?;
        self.owned()
    }

    /// Gives all files of the user to the user, where there is one.
    fn owned(&self) -> Result<(), Failure> {
        let home = self.files.path().join("home");
        if self.whose == Whose::System {
            return Ok(());
        }
        let mut folders = vec![home];
        while let Some(folder) = folders.pop() {
            chown(&folder, Some(USER), Some(USER))?;
            for entry in fs::read_dir(&folder)? {
                let entry = entry?;
                match entry.file_type()?.is_dir() {
                    true => folders.push(entry.path()),
                    false => chown(entry.path(), Some(USER), Some(USER))?,
                }
            }
        }
        Ok(())
    }

    /// Runs a command in it to its end.
    ///
    /// # Errors
    /// When it does not run.
    pub async fn run(&self, command: &[&str]) -> Result<Ended, Failure> {
        Ok(self.host.exec(MACHINE, command.iter().copied()).await?)
    }

    /// Runs `systemctl`, and returns what it prints.
    ///
    /// # Errors
    /// When it fails, with what it prints.
    pub async fn systemctl(&self, arguments: &[&str]) -> Result<String, Failure> {
        let ended = self.run(&[&["systemctl"], arguments].concat()).await?;
        match ended.code {
            0 => Ok(ended.output.trim().to_owned()),
            code => Err(format!(
                "systemctl {arguments:?}: exit code {code}: {}",
                ended.output
            )
            .into()),
        }
    }

    /// As [`Machine::systemctl`], of the systemd that runs the agent.
    ///
    /// # Errors
    /// As [`Machine::systemctl`].
    pub async fn agents_systemctl(&self, arguments: &[&str]) -> Result<String, Failure> {
        if self.whose == Whose::System {
            return self.systemctl(arguments).await;
        }
        let user = format!("--reuid={USER}");
        let group = format!("--regid={USER}");
        let runtime = format!("XDG_RUNTIME_DIR=/run/user/{USER}");
        let as_user = ["setpriv", &user, &group, "--clear-groups", "env", &runtime];
        let systemctl = ["systemctl", "--user"];
        let ended = self
            .run(&[&as_user[..], &systemctl, arguments].concat())
            .await?;
        match ended.code {
            0 => Ok(ended.output.trim().to_owned()),
            _ => Err(format!("systemctl --user {arguments:?}: {}", ended.output).into()),
        }
    }

    /// A property of a unit of the systemd that runs the agent.
    ///
    /// # Errors
    /// When systemd does not answer.
    pub async fn property(&self, unit: &str, name: &str) -> Result<String, Failure> {
        self.agents_systemctl(&["show", "--value", "--property", name, unit])
            .await
    }

    /// What a unit, or all where its name is empty, has printed, and what systemd says of it.
    pub async fn journal(&self, unit: &str) -> String {
        let mut command = vec!["journalctl", "--no-pager", "-o", "cat"];
        if !unit.is_empty() {
            command.extend(["-u", unit]);
        }
        match self.run(&command).await {
            Ok(ended) => ended.output,
            Err(error) => error.to_string(),
        }
    }

    /// Stops it as a machine that is shut down, and starts it again.
    ///
    /// # Errors
    /// When it does not come back.
    pub async fn reboot(&self) -> Result<(), Failure> {
        self.host.restart_container(MACHINE).await?;
        self.wait_booted().await
    }

    /// Ends it as a power failure does, and starts it again.
    ///
    /// # Errors
    /// When it does not come back.
    pub async fn crash(&self) -> Result<(), Failure> {
        self.host.signal(MACHINE, "SIGKILL").await?;
        self.host.wait_state(MACHINE, State::Exited).await?;
        self.host.start_container(MACHINE).await?;
        self.wait_booted().await
    }

    /// When its container was started.
    ///
    /// # Errors
    /// When its Engine does not answer.
    pub async fn began(&self) -> Result<Option<String>, Failure> {
        let seen = self.host.inspect(MACHINE).await?;
        Ok(seen.state.and_then(|state| state.started_at))
    }

    async fn wait_booted(&self) -> Result<(), Failure> {
        let booted = wait_for("systemd to have started everything", || async {
            let ended = self.run(&["systemctl", "is-system-running"]).await.ok()?;
            matches!(ended.output.trim(), "running" | "degraded").then_some(())
        });
        if let Err(error) = booted.await {
            let printed = self.host.logs(MACHINE).await.unwrap_or_default();
            return Err(format!("{error}\n{printed}\n{}", self.journal("").await).into());
        }
        Ok(())
    }
}

/// What systemd needs as the first process of a container, and no more.
fn of_systemd(body: &mut bollard::models::ContainerCreateBody) {
    body.hostname = Some(MACHINE.into());
    let host = body.host_config.get_or_insert_default();
    host.cgroupns_mode = Some(bollard::models::HostConfigCgroupnsModeEnum::PRIVATE);
    host.cap_add = Some(vec!["SYS_ADMIN".into(), "SYS_PTRACE".into()]);
    host.security_opt = Some(vec![
        "seccomp=unconfined".into(),
        "apparmor=unconfined".into(),
    ]);
    host.tmpfs = Some(
        [
            ("/run", "exec,mode=755"),
            ("/run/lock", "mode=755"),
            ("/tmp", "exec,mode=1777"),
        ]
        .map(|(path, options)| (path.to_owned(), options.to_owned()))
        .into(),
    );
}

fn copy_units(from: &Path, to: &Path) -> Result<(), Failure> {
    for shipped in fs::read_dir(from)? {
        let path = shipped?.path();
        if let (true, Some(name)) = (path.is_file(), path.file_name()) {
            fs::copy(&path, to.join(name))?;
        }
    }
    Ok(())
}

impl Core {
    /// Installs the agent in a machine, for an Engine that is mounted there, as its guide says, and starts it.
    ///
    /// # Errors
    /// When it does not connect; the error holds what it printed.
    pub async fn agent_service(
        &self,
        machine: &Machine,
        engine: &Engine,
        server: &str,
        environment: &[(&str, &str)],
    ) -> Result<(), Failure> {
        AgentProgram::Same.write(&machine.programs().join(PERIPHERY))?;
        secret_file(&machine.komodo(), &self.join_string().await?)?;
        let mut settings = format!(
            "DOCKER_HOST={}\nPERIPHERY_CORE_ADDRESS=ws://{}\nPERIPHERY_CONNECT_AS={server}\n\
             PERIPHERY_ONBOARDING_KEY_FILE={}/{JOIN_FILE}\n",
            engine.docker_host(),
            self.address,
            machine.komodo_within()
        );
        for (name, value) in environment.iter().chain(&FLAWS) {
            settings.push_str(&format!("{name}={value}\n"));
        }
        fs::write(machine.komodo().join("periphery.env"), settings)?;
        machine.owned()?;
        if machine.whose == Whose::User {
            // As an Engine of that user would be.
            for (path, mode) in [(engine.directory(), 0o755), (&engine.socket(), 0o666)] {
                fs::set_permissions(path, Permissions::from_mode(mode))?;
            }
        }
        machine.agents_systemctl(&["daemon-reload"]).await?;
        let enable = ["enable", "--now", AGENT_UNIT];
        machine.agents_systemctl(&enable).await?;
        if let Err(error) = self.wait_server(server, ServerState::Ok).await {
            return Err(format!("{error}\n{}", machine.journal("").await).into());
        }
        Ok(())
    }
}

/// A program of the agent as a later version may be. Each is the real one with words in it changed for others of the same
/// length, so that it is another file that says another version, and reads another variable in place of a usual one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AgentProgram {
    /// The one that was built.
    Same,
    /// It works.
    Good,
    /// It works too, and is another one.
    Better,
    /// It ends at once.
    EndsAtOnce,
    /// It runs, and looks for Core where there is none.
    CannotReachCore,
    /// It connects, and dies when it is to be confirmed.
    DiesWhenConfirmed,
}

/// What the changed programs read. The name of a setting is `PERIPHERY_` and its key, in capitals.
const FLAWS: [(&str, &str); 3] = [
    ("PERIPHERY_CORE_ADDRES1", "no address at all"),
    // A port that nobody listens on.
    ("PERIPHERY_CORE_ADDRES2", "ws://127.0.0.1:9"),
    ("KOMODO_FAILPOIN3", "hand-over.confirming"),
];

impl AgentProgram {
    /// What it says its version is: that of this build, with another last digit.
    pub fn version(self) -> String {
        let built = env!("CARGO_PKG_VERSION");
        let place = match self {
            AgentProgram::Same => return built.to_owned(),
            AgentProgram::Good => 0,
            AgentProgram::Better => 1,
            AgentProgram::EndsAtOnce => 2,
            AgentProgram::CannotReachCore => 3,
            AgentProgram::DiesWhenConfirmed => 4,
        };
        let (front, last) = built.split_at(built.len() - 1);
        let others = ["1", "2", "3", "4", "5", "6"];
        let digit = others.into_iter().filter(|digit| *digit != last).nth(place);
        format!("{front}{}", digit.unwrap_or("9"))
    }

    /// Writes it to `path`.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn write(self, path: &Path) -> Result<(), Failure> {
        let copy = Command::new("strip")
            .arg("--strip-all")
            .arg("-o")
            .arg(path)
            .arg(program(PERIPHERY)?)
            .output()?;
        if !copy.status.success() {
            return Err(format!("strip: {}", String::from_utf8_lossy(&copy.stderr)).into());
        }
        let built = AgentProgram::Same.version().replace('.', r"\.");
        let mut changes = match self {
            AgentProgram::Same => return Ok(()),
            _ => vec![format!("s/{built}/{}/g", self.version())],
        };
        let flaw = match self {
            AgentProgram::EndsAtOnce => Some(("core_address", "core_addres1")),
            AgentProgram::CannotReachCore => Some(("core_address", "core_addres2")),
            AgentProgram::DiesWhenConfirmed => Some(("KOMODO_FAILPOINT", "KOMODO_FAILPOIN3")),
            AgentProgram::Same | AgentProgram::Good | AgentProgram::Better => None,
        };
        changes.extend(flaw.map(|(was, is)| format!("s/{was}/{is}/g")));
        let changed = Command::new("sed")
            .env("LC_ALL", "C")
            .arg("--in-place")
            .arg(changes.join(";"))
            .arg(path)
            .output()?;
        if !changed.status.success() {
            return Err(format!("sed: {}", String::from_utf8_lossy(&changed.stderr)).into());
        }
        let says = Command::new(path).arg("--version").output()?;
        let says = String::from_utf8_lossy(&says.stdout).into_owned();
        match says.trim().ends_with(&self.version()) {
            true => Ok(()),
            false => Err(format!("{self:?} says '{says}' and not {}", self.version()).into()),
        }
    }
}

impl Access {
    /// Gives Core a program to serve, by its own command.
    ///
    /// # Errors
    /// When Core refuses.
    pub fn add_program(&self, program: AgentProgram) -> Result<(), Failure> {
        let folder = tempfile::TempDir::new()?;
        let path = folder.path().join(PERIPHERY);
        program.write(&path)?;
        let output = super::command("komodo-core", self.directory(), self.address)?
            .args(["agents", "add"])
            .arg(&path)
            .output()?;
        match output.status.success() {
            true => Ok(()),
            false => Err(format!(
                "agents add: {}{}",
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&output.stderr)
            )
            .into()),
        }
    }
}
