//! A simulated host: its Engine, the disk of its agent, and what runs in the containers of the agent's own image: the
//! agent itself, and the helpers that hand it over.

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use komodo_api::{engine::ContainerStateStatusEnum, update::Run};
use komodo_journal::JournalError;
use komodo_plan::ControlPath;
use tokio::{sync::watch, task::JoinSet, time::sleep};

use crate::{
    agent::SimAgent,
    fault::Broken,
    helper::help,
    image::{HelperDies, Image},
    journal::{Disk, KillAt},
    programs::Programs,
    service::{self, Service, ServiceOptions},
    world::World,
};

/// Pause after which the Engine starts a container again that ended by itself.
const RESTART_PAUSE: Duration = Duration::from_millis(200);

/// What a simulated agent is.
#[derive(Debug, Clone, Default)]
pub struct AgentOptions {
    /// Name of the container that it runs in; `None` runs on the host itself.
    pub container: Option<String>,
    /// Name of the host.
    pub host_name: String,
}

/// A simulated host: its Engine and the disk of its agent.
///
/// Where the agent runs in a container, another run of that container is another agent, which starts by itself, as does
/// the one in a container that a helper puts in its place.
#[derive(Clone)]
pub struct SimHost {
    /// Its Engine.
    pub world: World,
    house: Arc<House>,
    /// What starts processes in containers. It goes with the last owner of this host.
    tasks: Arc<Mutex<JoinSet<()>>>,
}

/// What the processes on a host share.
pub(crate) struct House {
    pub(crate) world: World,
    pub(crate) disk: Disk,
    pub(crate) options: AgentOptions,
    pub(crate) broken: Arc<Broken>,
    pub(crate) programs: Programs,
    /// Where the agent is a service of systemd.
    pub(crate) service: Option<Service>,
}

impl SimHost {
    /// A host whose disk is empty, and whose agent keeps its journal in memory.
    pub fn new(world: World, options: AgentOptions) -> Self {
        SimHost::made(world, options, None)
    }

    /// One whose agent is a service of systemd, which starts it again whenever it ends.
    pub fn with_service(world: World, options: AgentOptions, service: ServiceOptions) -> Self {
        SimHost::made(world, options, Some(Service::new(service)))
    }

    fn made(world: World, options: AgentOptions, service: Option<Service>) -> Self {
        SimHost {
            world: world.clone(),
            house: Arc::new(House {
                world,
                disk: Disk::default(),
                options,
                broken: Arc::default(),
                programs: Programs::default(),
                service,
            }),
            tasks: Arc::default(),
        }
    }

    /// Lets the agent keep the real journal in a directory: each step is written there before it counts, and an agent
    /// that starts knows what it reads there. Writing is done at once, on the thread of whoever is at it.
    ///
    /// # Errors
    /// [`JournalError`] where the directory cannot be made or read.
    pub fn with_journal_in(self, directory: &Path) -> Result<Self, JournalError> {
        self.house.disk.keep_in(directory)?;
        Ok(self)
    }

    /// Starts the agent. Operations that the one before it left open are settled. Only one may run at a time: where it
    /// runs in a container, and was started with that already, this is the one. One whose journal cannot be read ends
    /// at once. Must be called within a tokio runtime.
    pub fn start(&self) -> SimAgent {
        if let Some(service) = &self.house.service {
            let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(jobs) = service.jobs() {
                tasks.spawn(service::look_after(jobs));
            }
            drop(tasks);
            let now = self.agent().filter(SimAgent::is_alive);
            let begin = || SimAgent::start(self.house.clone(), None, Image::Good);
            return now
                .or_else(|| service.start(&self.house))
                .unwrap_or_else(begin);
        }
        let own = self.house.own_container();
        let agent = self.house.begin_agent(own.as_deref());
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        if self.house.options.container.is_some() && tasks.is_empty() {
            tasks.spawn(look_after(self.house.clone()));
        }
        agent
    }

    /// The agent of now, and each that follows it; none before the first was started.
    pub fn agents(&self) -> watch::Receiver<Option<SimAgent>> {
        self.house.programs.agent.subscribe()
    }

    /// The agent that runs, or ran last.
    pub fn agent(&self) -> Option<SimAgent> {
        self.house.programs.agent.borrow().clone()
    }

    /// Id of the container that the agent runs in, or would run in when it is started.
    pub fn agent_container(&self) -> Option<String> {
        self.house.own_container()
    }

    /// Whether the agent is away because it was asked to be: the mark of a detach is on its disk.
    pub fn is_detached(&self) -> bool {
        self.house.disk.is_detached()
    }

    /// What an agent does that is made from an image; an image of which nothing is said is good.
    pub fn set_image(&self, name: &str, image: Image) {
        self.house.programs.set_image(name, image);
    }

    /// What a program of a version does that an agent as a service is to run; one of which nothing is said is good.
    pub fn set_program(&self, version: &str, does: Image) {
        if let Some(service) = &self.house.service {
            service.set_program(version, does);
        }
    }

    /// Version and SHA-256 of the program that is installed, where the agent is a service.
    pub fn installed(&self) -> Option<(String, String)> {
        self.house.service.as_ref().map(Service::installed)
    }

    /// What a hand over has left on the disk: a program beside the installed one, and the bytes of one that was sent.
    pub fn left(&self) -> (bool, Option<u64>) {
        self.house
            .service
            .as_ref()
            .map(Service::left)
            .unwrap_or_default()
    }

    /// Bytes that the agent has taken of programs, in all.
    pub fn taken(&self) -> u64 {
        self.house.service.as_ref().map_or(0, Service::taken)
    }

    /// At which of its next steps a helper dies, once. Its Engine starts it again.
    pub fn helper_dies(&self, at: Option<HelperDies>) {
        self.house.programs.helper_dies(at);
    }

    /// Makes agents on this host act on what is protected: for tests that have to find that out.
    pub fn break_guard(&self) {
        self.house.broken.break_guard();
    }

    /// Makes agents on this host forget that they took an operation and began it: for tests that have to find that out.
    pub fn break_journal(&self) {
        self.house.broken.break_journal();
    }

    /// Makes agents on this host believe what the Engine answers: for tests that have to find that out.
    pub fn break_settlement(&self) {
        self.house.broken.break_settlement();
    }

    /// Makes helpers on this host take what they have started for well: for tests that have to find that out.
    pub fn break_probation(&self) {
        self.house.broken.break_probation();
    }

    /// Whether the disk of the journal is full.
    pub fn set_disk_full(&self, full: bool) {
        self.house.disk.set_full(full);
    }

    /// The journal loses all but the first so many events of each operation. For a host whose agent does not run.
    ///
    /// # Errors
    /// [`JournalError`] where the files of the journal cannot be cut.
    pub fn lose_journal_after(&self, events: usize) -> Result<(), JournalError> {
        self.house.disk.lose_after(events)
    }

    /// Kills the agent, as by `SIGKILL`, when its journal is written next.
    pub fn kill_at(&self, kill: Option<KillAt>) {
        self.house.disk.kill_at(kill);
    }
}

impl House {
    /// Id of the container that the agent runs in, or would run in. The one that was named is the first; what a helper
    /// makes follows.
    pub(crate) fn own_container(&self) -> Option<String> {
        let name = self.options.container.as_deref()?;
        let runs = |id: &String| {
            use ContainerStateStatusEnum::{Paused, Running};
            matches!(self.world.state_of(id), Some(Running | Paused))
        };
        let known = self.programs.agents();
        let running = known.into_iter().find(runs);
        running.or_else(|| self.world.container(name).map(|container| container.id))
    }

    /// Starts the agent in a container, or on the host itself, unless it was started with that run of it already.
    pub(crate) fn begin_agent(self: &Arc<Self>, own: Option<&str>) -> SimAgent {
        let container = own.and_then(|own| self.world.container(own));
        if let Some(container) = &container {
            let same = self.programs.begun(&container.id) == Some(container.run());
            let now = self.programs.agent.borrow().clone();
            if let Some(agent) = now.filter(|agent| same && agent.is_alive()) {
                return agent;
            }
            self.programs.run_agent(&container.id);
            self.programs.begin(&container.id, container.run());
        }
        let image = container.as_ref().map_or(Image::Good, |container| {
            self.programs.image(&container.image)
        });
        let agent = SimAgent::start(self.clone(), container, image);
        self.programs.agent.send_replace(Some(agent.clone()));
        agent
    }

    /// Starts what is to run in containers that have come to run.
    fn attend(self: &Arc<Self>, processes: &mut JoinSet<()>) {
        use ContainerStateStatusEnum::{Exited, Running};
        for id in self.programs.agents() {
            let Some(container) = self.world.container(&id) else {
                self.programs.forget_agent(&id);
                continue;
            };
            if container.state != Running {
                continue;
            }
            let run = container.run();
            if self.programs.begun(&id) != Some(run) {
                self.begin_agent(Some(&id));
            }
            if let Image::DiesAfter(life) = self.programs.image(&container.image)
                && self.programs.give_time(&id, run)
            {
                processes.spawn(self.clone().live(id, run, life));
            }
        }
        for id in self.programs.helpers() {
            let Some(container) = self.world.container(&id) else {
                continue;
            };
            let run = container.run();
            let begun = self.programs.begun(&id);
            if container.state == Running && begun != Some(run) {
                self.programs.begin(&id, run);
                processes.spawn(help(self.clone(), id, run));
            } else if container.state == Exited && self.programs.died(&id) {
                processes.spawn(self.clone().start_again(id));
            }
        }
    }

    /// The life of an agent that dies by itself.
    async fn live(self: Arc<Self>, id: String, run: Run, life: Duration) {
        sleep(life).await;
        if self.runs(&id, run) {
            self.world.exit(&id, 1);
            self.start_again(id).await;
        }
    }

    /// The Engine starts a container again that ended by itself, where its policy says so.
    async fn start_again(self: Arc<Self>, id: String) {
        sleep(RESTART_PAUSE).await;
        let Some(container) = self.world.container(&id) else {
            return;
        };
        let restarts = matches!(&*container.restart_policy, "always" | "unless-stopped");
        if restarts
            && container.state == ContainerStateStatusEnum::Exited
            && self.world.start(&id).is_ok()
        {
            self.programs.started_again(&id);
        }
    }

    /// Whether a container is in a run.
    pub(crate) fn runs(&self, id: &str, run: Run) -> bool {
        let container = self.world.container(id);
        container.is_some_and(|container| {
            container.state == ContainerStateStatusEnum::Running && container.run() == run
        })
    }

    /// What an agent knows of the path on which it is controlled, when it starts.
    pub(crate) fn control_path(own: Option<String>) -> ControlPath {
        ControlPath {
            own_container: own,
            ..ControlPath::default()
        }
    }
}

/// Starts processes for as long as the host is there.
async fn look_after(house: Arc<House>) {
    let mut processes = JoinSet::new();
    loop {
        let mut changes = house.world.subscribe().changes;
        loop {
            while processes.try_join_next().is_some() {}
            house.attend(&mut processes);
            if changes.recv().await.is_none() {
                // Cut off for lagging: look again, from a new beginning.
                break;
            }
            while changes.try_recv().is_ok() {}
        }
    }
}
