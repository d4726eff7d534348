//! An agent that systemd runs, how it is asked to restart or to run another program, and what must hold afterwards.

use std::{cell::RefCell, fs, path::Path};

use komodo_api::{
    periphery::{RestartPeriphery, UpdatePeriphery},
    resource::ServerRef,
    server::ServerState,
    update::{GetUpdate, Stage, Update},
};
use komodo_testkit::{
    engine::Engine,
    installation::{AGENT_UNIT, AgentProgram, Core, Failure, Machine, Whose, wait_for},
};

pub use crate::hand_over::SERVER;
use crate::hand_over::{PROBATION_SECONDS, closed, id_of, nothing_is_open};

/// File of the agent's program in its folder.
pub const PROGRAM: &str = "komodo-periphery";
/// All helpers, as systemd and drop-ins name them.
const HELPERS: &str = "komodo-hand-over-*";
const HELPER_DROP_INS: &str = "komodo-hand-over-.service.d";

/// A machine with systemd and the agent in it, an Engine that the agent manages, and a Core outside.
#[derive(Debug)]
pub struct Site {
    /// Core.
    pub core: Core,
    /// The machine.
    pub machine: Machine,
    /// The Engine that the agent manages, which knows nothing of the machine; none: that of the machine.
    pub engine: Option<Engine>,
}

/// What runs as the agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// Which run of the unit.
    pub invocation: String,
    /// The program at its path.
    pub program: Vec<u8>,
    /// Whether that is the one which runs.
    pub is_what_runs: bool,
}

impl Site {
    /// Starts all of it.
    ///
    /// # Errors
    /// When something does not come up.
    pub async fn start() -> Result<Self, Failure> {
        Site::of(Whose::System, Some(Engine::start().await?)).await
    }

    /// As [`Site::start`], on a machine that is a container of the Engine which the agent manages.
    ///
    /// # Errors
    /// When something does not come up.
    pub async fn start_in_its_own_engine() -> Result<Self, Failure> {
        Site::of(Whose::System, None).await
    }

    /// As [`Site::start`], with an agent that a user's own systemd runs.
    ///
    /// # Errors
    /// When something does not come up.
    pub async fn start_of_user() -> Result<Self, Failure> {
        Site::of(Whose::User, Some(Engine::start().await?)).await
    }

    async fn of(whose: Whose, engine: Option<Engine>) -> Result<Self, Failure> {
        let mounted: Vec<_> = engine.iter().map(Engine::directory).collect();
        let machine = Machine::start(whose, &mounted).await?;
        // What is armed is taken once, and told to have been taken by that it is gone.
        let drop_ins = [
            (HELPER_DROP_INS.to_owned(), "helper"),
            (format!("{AGENT_UNIT}.d"), "agent"),
        ];
        for (folder, who) in drop_ins {
            let path = machine.units().join(folder);
            fs::create_dir(&path)?;
            let armed = format!("/etc/komodo/failpoint-{who}");
            let text = format!(
                "[Service]\nEnvironmentFile=-{armed}\nExecStartPost=-/bin/mv -f {armed} {armed}.taken\n"
            );
            fs::write(path.join("failpoint.conf"), text)?;
        }
        let probation = [("KOMODO_PROBATION_SECONDS", PROBATION_SECONDS)];
        let core = Core::start_with(machine.host.host_address().into(), &probation).await?;
        let managed = engine.as_ref().unwrap_or(&machine.host);
        core.agent_service(&machine, managed, SERVER, &[]).await?;
        let site = Site {
            core,
            machine,
            engine,
        };
        site.is_up().await?;
        Ok(site)
    }

    /// Waits until the unit runs and the agent is connected.
    ///
    /// # Errors
    /// When it does not; the error holds what the machine says.
    pub async fn is_up(&self) -> Result<(), Failure> {
        let runs = wait_for("the agent's unit to run", || async {
            let active = self
                .machine
                .property(AGENT_UNIT, "ActiveState")
                .await
                .ok()?;
            (active == "active").then_some(())
        });
        let up = async {
            runs.await?;
            self.core.wait_server(SERVER, ServerState::Ok).await
        };
        match up.await {
            Ok(()) => Ok(()),
            Err(error) => Err(self.told(error).await),
        }
    }

    /// An error with what the machine says.
    async fn told(&self, error: Failure) -> Failure {
        let journal = self.machine.journal("").await;
        format!("{error}\nthe machine: {journal}").into()
    }

    /// What runs now.
    ///
    /// # Errors
    /// When that cannot be told.
    pub async fn run(&self) -> Result<Run, Failure> {
        let pid = self.machine.property(AGENT_UNIT, "MainPID").await?;
        let path = format!("{}/{PROGRAM}", self.machine.programs_within());
        let same = ["cmp", &format!("/proc/{pid}/exe"), &path];
        let is_what_runs = self.machine.run(&same).await?.code == 0;
        Ok(Run {
            invocation: self.machine.property(AGENT_UNIT, "InvocationID").await?,
            program: fs::read(self.machine.programs().join(PROGRAM))?,
            is_what_runs,
        })
    }

    /// Asks for a restart of the agent.
    ///
    /// # Errors
    /// When Core refuses.
    pub async fn ask_restart(&self) -> Result<String, Failure> {
        let ask = RestartPeriphery {
            server: ServerRef(SERVER.into()),
            plan: None,
        };
        id_of(&self.core.client.call(&ask).await?)
    }

    /// Asks for a program that Core serves; none is the newest.
    ///
    /// # Errors
    /// When Core refuses.
    pub async fn ask_update(&self, version: Option<&str>) -> Result<String, Failure> {
        let ask = UpdatePeriphery {
            server: ServerRef(SERVER.into()),
            image: None,
            version: version.map(str::to_owned),
            plan: None,
        };
        id_of(&self.core.client.call(&ask).await?)
    }

    /// Puts a program into Core, where it is not there yet, and asks for it.
    ///
    /// # Errors
    /// When Core refuses.
    pub async fn ask_program(&self, program: AgentProgram) -> Result<String, Failure> {
        let version = program.version();
        if !self.core.directory().join("agents").join(&version).exists() {
            self.core.add_program(program)?;
        }
        self.ask_update(Some(&version)).await
    }

    /// The one of two good programs that does not run.
    ///
    /// # Errors
    /// When what runs does not tell its version.
    pub async fn other_good(&self) -> Result<AgentProgram, Failure> {
        let path = format!("{}/{PROGRAM}", self.machine.programs_within());
        let says = self.machine.run(&[&path, "--version"]).await?;
        if says.code != 0 {
            return Err(says.output.into());
        }
        Ok(
            match says.output.trim().ends_with(&AgentProgram::Good.version()) {
                true => AgentProgram::Better,
                false => AgentProgram::Good,
            },
        )
    }

    /// Restarts the agent's unit past the product.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn restart(&self) -> Result<(), Failure> {
        let restart = ["restart", AGENT_UNIT];
        self.machine.agents_systemctl(&restart).await?;
        self.is_up().await
    }

    /// Waits until an Update is at a stage.
    ///
    /// # Errors
    /// When it does not come there.
    pub async fn stage(&self, id: &str, stage: Stage) -> Result<(), Failure> {
        let get = GetUpdate { id: id.to_owned() };
        wait_for(&format!("the Update to be at {stage:?}"), || async {
            let update = self.core.client.call(&get).await.ok()?;
            (update.stage == Some(stage)).then_some(())
        })
        .await
    }

    /// Lets the next start of a program die or stop at a failpoint; `program` is `helper` or `agent`.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn arm(&self, program: &str, failpoint: &str) -> Result<(), Failure> {
        let path = self.machine.komodo().join(format!("failpoint-{program}"));
        Ok(fs::write(path, format!("KOMODO_FAILPOINT={failpoint}\n"))?)
    }

    /// How often a `helper`, or the `agent`, was killed since the machine began.
    pub async fn kills(&self, program: &str) -> usize {
        let unit = match program {
            "helper" => HELPERS,
            _ => AGENT_UNIT,
        };
        let journal = self.machine.journal(unit).await;
        journal.matches("code=killed, status=9/KILL").count()
    }

    /// Whether a program was started with what it was armed with.
    ///
    /// # Errors
    /// When it was not.
    pub fn disarmed(&self, program: &str) -> Result<(), Failure> {
        let path = |ending: &str| {
            let name = format!("failpoint-{program}{ending}");
            self.machine.komodo().join(name)
        };
        let taken = path(".taken").exists() && !path("").exists();
        let _ = fs::remove_file(path(""));
        let _ = fs::remove_file(path(".taken"));
        match taken {
            true => Ok(()),
            false => Err(format!("the {program} took no failpoint").into()),
        }
    }

    /// As [`Site::disarmed`], for one that was to die there; `before` is what [`Site::kills`] was.
    ///
    /// # Errors
    /// When it did not.
    pub async fn killed(&self, program: &str, before: usize) -> Result<(), Failure> {
        self.disarmed(program)?;
        match self.kills(program).await > before {
            true => Ok(()),
            false => Err(format!("the {program} was not killed").into()),
        }
    }

    /// Waits until an Update has ended and nothing is left of it: the agent's unit runs the program that is at its path,
    /// it is connected, and there is no helper, no other program, no plan and no open operation.
    ///
    /// # Errors
    /// What is not as it must be.
    pub async fn settled(&self, id: &str) -> Result<Update, Failure> {
        let update = match closed(&self.core, id).await {
            Ok(update) => update,
            Err(error) => return Err(self.told(error).await),
        };
        match self.one_agent_and_nothing_else().await {
            Ok(()) => Ok(update),
            Err(error) => {
                let error = format!("{error}\nthe Update: {update:#?}").into();
                Err(self.told(error).await)
            }
        }
    }

    async fn one_agent_and_nothing_else(&self) -> Result<(), Failure> {
        self.is_up().await?;
        let helpers = ["list-units", "--all", "--plain", "--no-legend", HELPERS];
        let left = RefCell::new(String::new());
        let tidied = wait_for("nothing to be left of a hand over", || async {
            let units = self.machine.agents_systemctl(&helpers).await.ok()?;
            let mut files = others(&self.machine.programs(), &[PROGRAM]);
            files.extend(others(&self.machine.komodo().join("hand-over"), &[]));
            files.extend(
                others(&self.machine.komodo().join("journal"), &[])
                    .into_iter()
                    .filter(|name| name.ends_with(".jsonl")),
            );
            let is_tidy = units.is_empty() && files.is_empty();
            *left.borrow_mut() = format!("{units}{files:?}");
            is_tidy.then_some(())
        });
        if let Err(error) = tidied.await {
            return Err(format!("{error}: {}", left.borrow()).into());
        }
        if !self.run().await?.is_what_runs {
            return Err("what runs is not the program at its path".into());
        }
        nothing_is_open(&self.core).await
    }
}

/// Names in a folder but those that belong there.
fn others(folder: &Path, there: &[&str]) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names
        .filter(|name| !there.contains(&name.as_str()))
        .collect()
}
