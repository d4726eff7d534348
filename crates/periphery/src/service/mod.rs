//! The agent as a service of systemd: which one it is, and the programs that Core sends for it. What is done to it is in
//! `hand_over::unit`, and the operation that it is part of in `operations`.

mod digest;
pub(crate) mod prepare;
mod programs;
mod systemd;
#[cfg(test)]
mod tests;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use komodo_agent_api::{AgentError, AgentErrorCode, OwnUnit, ProgramPart, ProgramReceived};
use komodo_link::PublicKey;
use komodo_plan::unit_hand_over::OTHER_SUFFIX;
use rustix::{
    fs::{Access, access},
    process::geteuid,
};
use tokio::{
    sync::watch,
    task::spawn_blocking,
    time::{sleep, timeout},
};

pub(crate) use digest::sha256;
pub(crate) use programs::Programs;
pub use systemd::SystemdPrograms;
pub(crate) use systemd::{Systemd, SystemdError};

/// Time that somebody waits until it is known whether there is a service.
const KNOWN_DEADLINE: Duration = Duration::from_secs(4);
/// Times that systemd is asked which one it is, where it does not answer.
const TRIES_MAX: u32 = 20;
/// Pause before it is asked again.
const TRY_PAUSE: Duration = Duration::from_secs(3);
/// What the kernel adds to the path of a program whose file is gone.
const DELETED: &str = " (deleted)";
/// What is asked about the own unit.
const PROPERTIES: &str = "LoadState,MainPID,InvocationID,RootDirectory,RootImage";

/// By what an agent knows which service it is.
#[derive(Debug, Clone)]
pub struct ServiceOptions {
    /// The invocation that systemd has told this process, where it has started it.
    pub invocation: Option<String>,
    /// The file that tells in which control group this process is.
    pub cgroup: PathBuf,
    /// The program that this process runs, as a link.
    pub program: PathBuf,
    /// The programs of systemd.
    pub systemd: SystemdPrograms,
    /// The keys of the Cores whose signatures on programs count.
    pub core_keys: Vec<PublicKey>,
}

impl Default for ServiceOptions {
    /// Of this process; without a key of a Core.
    fn default() -> Self {
        ServiceOptions {
            invocation: std::env::var("INVOCATION_ID").ok(),
            cgroup: "/proc/self/cgroup".into(),
            program: "/proc/self/exe".into(),
            systemd: SystemdPrograms::default(),
            core_keys: Vec::new(),
        }
    }
}

/// The service that the agent is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OwnService {
    /// As Core is told.
    pub(crate) unit: OwnUnit,
    /// The run that it is in.
    pub(crate) invocation: String,
    /// The file of the program that runs, also when its name is another one's.
    pub(crate) running: PathBuf,
}

impl OwnService {
    /// Why nothing can be done to it at all.
    pub(crate) fn out_of_reach(&self) -> Option<String> {
        let uid = geteuid();
        (!self.unit.user && !uid.is_root()).then(|| {
            format!(
                "the agent runs as user {uid}, who may not ask the system's systemd to restart it; run it as root, or as a \
                 service of that user's own systemd",
                uid = uid.as_raw()
            )
        })
    }

    /// Why its program cannot be replaced.
    pub(crate) fn fixed(&self) -> Option<String> {
        self.out_of_reach()
            .or_else(|| cannot_replace(Path::new(&self.unit.program)))
    }
}

/// What is known of it.
#[derive(Debug, Clone)]
enum Found {
    Looking,
    None,
    Is(Arc<OwnService>),
}

/// The service that the agent is, if it is one.
#[derive(Debug, Clone)]
pub(crate) struct Service {
    found: watch::Receiver<Found>,
    programs: Programs,
    systemd: SystemdPrograms,
}

/// Finds out which service the agent is; to be run beside the agent.
pub(crate) struct Detection {
    found: watch::Sender<Found>,
    options: ServiceOptions,
}

impl Service {
    /// Not known before the detection has run.
    pub(crate) fn new(root: &Path, options: ServiceOptions) -> (Self, Detection) {
        let named = options.invocation.is_some();
        let (sender, found) = watch::channel(match named {
            true => Found::Looking,
            false => Found::None,
        });
        let service = Service {
            found,
            programs: Programs::new(root, options.core_keys.clone()),
            systemd: options.systemd.clone(),
        };
        let detection = Detection {
            found: sender,
            options,
        };
        (service, detection)
    }

    /// The service, as soon as it is known, for a bounded time.
    pub(crate) async fn own(&self) -> Option<Arc<OwnService>> {
        let mut found = self.found.clone();
        let known = found.wait_for(|found| !matches!(found, Found::Looking));
        match timeout(KNOWN_DEADLINE, known).await {
            Ok(Ok(found)) => match &*found {
                Found::Is(own) => Some(Arc::clone(own)),
                Found::None | Found::Looking => None,
            },
            Ok(Err(_)) | Err(_) => None,
        }
    }

    /// The service, when it is known at last: systemd is asked for some minutes where it does not answer.
    pub(crate) async fn own_at_last(&self) -> Option<Arc<OwnService>> {
        let mut found = self.found.clone();
        // It only fails with the detection, which ends with the agent.
        let _ = found
            .wait_for(|found| !matches!(found, Found::Looking))
            .await;
        self.own().await
    }

    /// What Core is told.
    pub(crate) async fn told(&self) -> Option<OwnUnit> {
        let own = self.own().await?;
        let mut unit = own.unit.clone();
        let fixed = spawn_blocking(move || own.fixed());
        unit.fixed = fixed.await.ok().flatten();
        Some(unit)
    }

    /// Takes a part of a program that Core sends.
    ///
    /// # Errors
    /// As [`komodo_agent_api::AgentApi::receive_program`].
    pub(crate) async fn receive(&self, part: ProgramPart) -> Result<ProgramReceived, AgentError> {
        let invalid = |why: String| AgentError::new(AgentErrorCode::Invalid, why);
        let unit = self.told().await.ok_or_else(|| {
            invalid("this agent runs as no service of systemd, and takes no program".to_owned())
        })?;
        match unit.fixed {
            Some(why) => Err(invalid(format!("its program cannot be replaced: {why}"))),
            None => self.programs.receive(part).await,
        }
    }

    /// The programs that Core has sent.
    pub(crate) fn programs(&self) -> &Programs {
        &self.programs
    }

    /// The system's systemd, or the user's.
    pub(crate) fn systemd(&self, user: bool) -> Systemd {
        Systemd::new(self.systemd.clone(), user)
    }
}

impl Detection {
    /// Finds out, and tells those who wait.
    pub(crate) async fn run(self) {
        let Some(invocation) = self.options.invocation.clone() else {
            return;
        };
        let mut found = None;
        for attempt in 1..=TRIES_MAX {
            match self.look(&invocation).await {
                Ok(own) => {
                    found = own;
                    break;
                }
                Err(why) if attempt == TRIES_MAX => {
                    tracing::error!("which service this agent is cannot be found out: {why}");
                }
                Err(why) => {
                    tracing::warn!("which service this agent is cannot be found out yet: {why}");
                    sleep(TRY_PAUSE).await;
                }
            }
        }
        if let Some(own) = &found {
            let OwnUnit {
                name,
                program,
                sha256,
                ..
            } = &own.unit;
            tracing::info!(unit = name, program, sha256, "the agent is a service");
        }
        let found = found.map_or(Found::None, |own| Found::Is(Arc::new(own)));
        self.found.send_replace(found);
    }

    async fn look(&self, invocation: &str) -> Result<Option<OwnService>, String> {
        let options = self.options.clone();
        let looked = spawn_blocking(move || {
            let cgroup = fs::read_to_string(&options.cgroup);
            let unit = unit_of(&cgroup.map_err(|error| error.to_string())?);
            let Some(unit) = unit else {
                return Ok(None);
            };
            let program = fs::read_link(&options.program).map_err(|error| error.to_string())?;
            let sha256 = sha256(&options.program).map_err(|error| error.to_string())?;
            Ok::<_, String>(Some((unit, own_path(&program), sha256)))
        });
        let looked = looked.await.map_err(|error| error.to_string())??;
        let Some(((name, user), program, sha256)) = looked else {
            return Ok(None);
        };
        // In a container of a user's Engine the path begins with that user's systemd, and ends with the container's.
        for of_user in [user, !user] {
            let systemd = Systemd::new(self.options.systemd.clone(), of_user);
            let shown = match systemd.show(&name, PROPERTIES).await {
                Ok(shown) => shown,
                Err(error) if of_user == user => return Err(error.chain()),
                Err(_) => continue,
            };
            let says = |name: &str| shown.get(name).map_or("", String::as_str);
            if says("MainPID") != std::process::id().to_string()
                || says("InvocationID") != invocation
            {
                continue;
            }
            if !says("RootDirectory").is_empty() || !says("RootImage").is_empty() {
                tracing::warn!(
                    unit = name,
                    "the service has a root of its own, in which no helper finds it"
                );
                return Ok(None);
            }
            return Ok(Some(OwnService {
                unit: OwnUnit {
                    name,
                    user: of_user,
                    program,
                    sha256,
                    fixed: None,
                },
                invocation: invocation.to_owned(),
                running: self.options.program.clone(),
            }));
        }
        tracing::warn!(
            unit = name,
            "the agent is in a service of systemd, but is not its main process; it cannot be handed over"
        );
        Ok(None)
    }
}

/// The service that a process is in, by what the kernel says of its control groups, and whether it is of a user's
/// systemd.
fn unit_of(cgroup: &str) -> Option<(String, bool)> {
    let paths = cgroup.lines().filter_map(|line| {
        let mut parts = line.splitn(3, ':');
        let (number, controllers) = (parts.next()?, parts.next()?);
        let path = parts.next()?;
        (number == "0" || controllers == "name=systemd").then_some(path)
    });
    paths.into_iter().find_map(|path| {
        let is_manager = |name: &&str| name.starts_with("user@");
        let services = path.split('/').filter(|name| name.ends_with(".service"));
        let services: Vec<&str> = services.collect();
        let name = services.last().filter(|name| !is_manager(name))?;
        Some(((*name).to_owned(), services.iter().any(is_manager)))
    })
}

/// The path of the own program by the kernel's link: without what a helper, or the kernel, adds to the name.
fn own_path(link: &Path) -> String {
    let path = link.to_string_lossy();
    let path = path.strip_suffix(DELETED).unwrap_or(&path);
    path.strip_suffix(OTHER_SUFFIX).unwrap_or(path).to_owned()
}

/// Why a program cannot be replaced where it is. Blocks while it is looked at.
fn cannot_replace(program: &Path) -> Option<String> {
    let folder = program.parent().unwrap_or(Path::new("/"));
    if let Err(error) = access(folder, Access::WRITE_OK | Access::EXEC_OK) {
        return Some(format!(
            "the agent may not write to {}, where its program is: {error}",
            folder.display()
        ));
    }
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let mounted = |line: &str| line.split(' ').nth(4) == program.to_str();
    mounts.lines().any(mounted).then(|| {
        format!(
            "its program, {}, is mounted there by itself",
            program.display()
        )
    })
}
