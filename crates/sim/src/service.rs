//! The agent as a service of systemd: its unit, its program and the one beside it, and what Core has sent. What outlives
//! the agent is here; what the hand over means is `komodo_plan::unit_hand_over`.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::future::BoxFuture;
use komodo_agent_api::{AgentError, AgentErrorCode, OwnUnit, ProgramPart, ProgramReceived};
use komodo_api::periphery::Program;
use komodo_link::PublicKey;
use komodo_plan::{
    hand_over::Outcome,
    program::{check, signed_text},
    unit_hand_over::{Active, Content, Service as Unit, UnitPlan},
};
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
    time::sleep,
};

use crate::{agent::SimAgent, host::House, image::Image, unit_helper::help};

/// Pause after which systemd starts a service again that ended.
const RESTART_PAUSE: Duration = Duration::from_millis(200);
/// What is under way on one host at most.
const JOBS_MAX: usize = 64;
/// Where a real agent's program is.
const PROGRAM: &str = "/usr/local/bin/komodo-periphery";

/// How the agent of a host is a service.
#[derive(Debug, Clone)]
pub struct ServiceOptions {
    /// Name of its unit.
    pub unit: String,
    /// Whose signature of a program counts.
    pub core_key: PublicKey,
    /// SHA-256 of the program that is installed, in hex.
    pub sha256: String,
    /// Why its program cannot be replaced, where that is so.
    pub fixed: Option<String>,
}

/// A program that can run.
#[derive(Debug, Clone)]
pub(crate) struct Installed {
    pub(crate) version: String,
    pub(crate) does: Image,
}

type Job = BoxFuture<'static, ()>;

/// The service of a host.
pub(crate) struct Service {
    options: ServiceOptions,
    state: Mutex<State>,
    changed: watch::Sender<u64>,
    jobs: mpsc::Sender<Job>,
    /// Until somebody looks after it.
    waiting: Mutex<Option<mpsc::Receiver<Job>>>,
}

struct State {
    /// Programs by their hash.
    known: BTreeMap<String, Installed>,
    /// What programs do, by version.
    does: BTreeMap<String, Image>,
    /// What is at the path of the program, by hash.
    program: String,
    other: Option<String>,
    received: Option<(Program, Vec<u8>)>,
    /// Bytes that were taken of programs, in all.
    taken: u64,
    active: Active,
    auto_restart: bool,
    runs: Option<String>,
    invocation: u64,
    restarts: u64,
    ended: Option<String>,
    /// Of the hand over that is under way, or was last.
    helper: Option<Helper>,
}

struct Helper {
    operation: String,
    outcome: Option<Outcome>,
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service")
            .field("unit", &self.options.unit)
            .finish_non_exhaustive()
    }
}

impl Service {
    pub(crate) fn new(options: ServiceOptions) -> Self {
        let (jobs, waiting) = mpsc::channel(JOBS_MAX);
        let program = options.sha256.clone();
        let installed = Installed {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            does: Image::Good,
        };
        Service {
            state: Mutex::new(State {
                known: [(program.clone(), installed)].into(),
                does: BTreeMap::new(),
                program,
                other: None,
                received: None,
                taken: 0,
                active: Active::Inactive,
                auto_restart: false,
                runs: None,
                invocation: 0,
                restarts: 0,
                ended: None,
                helper: None,
            }),
            options,
            changed: watch::Sender::new(0),
            jobs,
            waiting: Mutex::new(Some(waiting)),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it holds the lock, so that what is behind a poisoned one is whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let done = change(&mut self.state());
        self.changed.send_modify(|times| *times += 1);
        done
    }

    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// What goes on by itself, to be looked after by one.
    pub(crate) fn jobs(&self) -> Option<mpsc::Receiver<Job>> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.take()
    }

    fn spawn(&self, job: Job) {
        if self.jobs.try_send(job).is_err() {
            tracing::error!("too much is under way on a simulated host");
        }
    }

    /// What a program of a version does.
    pub(crate) fn set_program(&self, version: &str, does: Image) {
        self.change(|state| {
            let known = state.known.values_mut().filter(|it| it.version == version);
            known.for_each(|it| it.does = does);
            state.does.insert(version.to_owned(), does);
        });
    }

    /// Version and hash of what is at the path of the program.
    pub(crate) fn installed(&self) -> (String, String) {
        let state = self.state();
        let version = state.known.get(&state.program).map(|it| it.version.clone());
        (version.unwrap_or_default(), state.program.clone())
    }

    /// What lies on the disk besides the program: beside it, and what Core has sent.
    pub(crate) fn left(&self) -> (bool, Option<u64>) {
        let state = self.state();
        let received = state.received.as_ref().map(|(_, bytes)| bytes.len() as u64);
        (state.other.is_some(), received)
    }

    /// Bytes that were taken of programs, in all.
    pub(crate) fn taken(&self) -> u64 {
        self.state().taken
    }

    /// As the agent that runs tells it, and which run that is.
    pub(crate) fn own_unit(&self) -> (OwnUnit, String) {
        let state = self.state();
        let unit = OwnUnit {
            name: self.options.unit.clone(),
            user: false,
            program: PROGRAM.to_owned(),
            sha256: state.runs.clone().unwrap_or_default(),
            fixed: self.options.fixed.clone(),
        };
        (unit, invocation(state.invocation))
    }

    /// Takes a part of a program.
    pub(crate) fn receive(&self, part: &ProgramPart) -> Result<ProgramReceived, AgentError> {
        let invalid = |why: String| AgentError::new(AgentErrorCode::Invalid, why);
        let program = &part.program;
        check(program).map_err(invalid)?;
        let text = signed_text(program);
        let signed = self
            .options
            .core_key
            .has_signed(text.as_bytes(), &program.signature);
        self.change(|state| {
            if !signed {
                state.received = None;
                return Err(invalid("the signature of the program is wrong".to_owned()));
            }
            let sent = decoded(&part.part).ok_or_else(|| invalid("no base64".to_owned()))?;
            let had = match &state.received {
                Some((same, bytes)) if same == program => bytes.len() as u64,
                _ => 0,
            };
            if sent.is_empty() || part.offset != had {
                return Ok(ProgramReceived { bytes: had });
            }
            let mut bytes = match state.received.take() {
                Some((same, bytes)) if same == *program => bytes,
                _ => Vec::new(),
            };
            state.taken += sent.len() as u64;
            bytes.extend(sent);
            let there = bytes.len() as u64;
            if there >= program.bytes && sha256(&bytes) != program.sha256 {
                return Err(invalid("the SHA-256 of the program is wrong".to_owned()));
            }
            state.received = Some((program.clone(), bytes));
            Ok(ProgramReceived { bytes: there })
        })
    }

    /// Puts a program that has come over beside the one that runs.
    pub(crate) fn put_beside(&self, program: &Program) -> Result<(), String> {
        self.change(|state| match &state.received {
            Some((there, bytes)) if there == program && bytes.len() as u64 == program.bytes => {
                let does = state
                    .does
                    .get(&program.version)
                    .copied()
                    .unwrap_or_default();
                let version = program.version.clone();
                let installed = Installed { version, does };
                state.known.insert(program.sha256.clone(), installed);
                state.other = Some(program.sha256.clone());
                Ok(())
            }
            _ => Err("the program has not come over completely".to_owned()),
        })
    }

    /// What a helper with a plan sees.
    pub(crate) fn observe(&self, plan: &UnitPlan) -> (Content, Content, Unit) {
        let state = self.state();
        let which = |sha256: &Option<String>| match sha256 {
            Some(sha256) => plan.which(sha256),
            None => Content::Absent,
        };
        let unit = Unit {
            active: state.active,
            auto_restart: state.auto_restart,
            job: false,
            invocation: invocation(state.invocation),
            restarts: state.restarts,
            ended: state.ended.clone(),
            runs: which(&state.runs),
        };
        (plan.which(&state.program), which(&state.other), unit)
    }

    /// Starts a helper with a plan.
    pub(crate) fn hand_over(&self, house: &Arc<House>, plan: UnitPlan) {
        let operation = plan.operation.clone();
        let outcome = None;
        self.change(|state| state.helper = Some(Helper { operation, outcome }));
        self.spawn(Box::pin(help(house.clone(), plan)));
    }

    /// Whether there is a helper of an operation, and how it ended, where it has.
    pub(crate) fn helper(&self, operation: &str) -> Option<Option<Outcome>> {
        let state = self.state();
        let helper = state.helper.as_ref().filter(|it| it.operation == operation);
        helper.map(|helper| helper.outcome.clone())
    }

    pub(crate) fn tell(&self, operation: &str, outcome: Outcome) {
        self.change(|state| {
            if let Some(helper) = state.helper.as_mut().filter(|it| it.operation == operation) {
                helper.outcome = Some(outcome);
            }
        });
    }

    /// Removes what a hand over leaves that is through.
    pub(crate) fn tidy(&self) {
        self.change(|state| {
            if state.helper.take().is_some() {
                (state.other, state.received) = (None, None);
            }
        });
    }

    pub(crate) fn exchange(&self) -> Result<(), String> {
        self.change(|state| match state.other.take() {
            Some(other) => {
                state.other = Some(std::mem::replace(&mut state.program, other));
                Ok(())
            }
            None => Err("there is nothing beside the program".to_owned()),
        })
    }

    /// Puts a program to its path from the helper's own copy.
    pub(crate) fn restore(&self, sha256: &str) {
        self.change(|state| sha256.clone_into(&mut state.program));
    }

    pub(crate) fn remove_other(&self) {
        self.change(|state| state.other = None);
    }

    /// Stops what runs.
    pub(crate) fn stop(&self, house: &House) {
        let was = self.change(|state| {
            (state.active, state.auto_restart) = (Active::Inactive, false);
            state.runs.take()
        });
        if was.is_some()
            && let Some(agent) = house.programs.agent.borrow().clone()
        {
            agent.terminate_in_order();
        }
    }

    /// Starts what is at the path of the program; the agent, where that is one that comes so far.
    pub(crate) fn start(&self, house: &Arc<House>) -> Option<SimAgent> {
        self.begin(house, false)
    }

    fn begin(&self, house: &Arc<House>, by_itself: bool) -> Option<SimAgent> {
        let (run, installed) = self.change(|state| {
            state.invocation += 1;
            state.restarts = if by_itself { state.restarts + 1 } else { 0 };
            (state.active, state.auto_restart, state.ended) = (Active::Active, false, None);
            state.runs = Some(state.program.clone());
            (state.invocation, state.known.get(&state.program).cloned())
        });
        let does = installed.map_or(Image::CannotStart, |it| it.does);
        let agent = match does {
            Image::CannotStart | Image::Absent => None,
            does => Some(SimAgent::start(house.clone(), None, does)),
        };
        if let Some(agent) = &agent {
            house.programs.agent.send_replace(Some(agent.clone()));
        }
        self.spawn(Box::pin(live(house.clone(), run, agent.clone(), does)));
        agent
    }

    /// Whether a run ended by itself: it was the one of now, and nobody stopped it.
    fn ended(&self, run: u64) -> bool {
        self.change(|state| {
            let ended = state.invocation == run && state.active == Active::Active;
            if ended {
                (state.active, state.auto_restart) = (Active::Activating, true);
                (state.runs, state.ended) = (None, Some("exit code 1".to_owned()));
            }
            ended
        })
    }

    fn is_about_to_restart(&self, run: u64) -> bool {
        let state = self.state();
        state.invocation == run && state.auto_restart
    }

    /// Version of what runs.
    pub(crate) fn version(&self) -> Option<String> {
        let state = self.state();
        let installed = state.known.get(state.runs.as_ref()?)?;
        Some(installed.version.clone())
    }
}

/// The life of one run, until it ends by itself and is started again.
async fn live(house: Arc<House>, run: u64, agent: Option<SimAgent>, does: Image) {
    match (agent, does) {
        (None, _) => {}
        (Some(agent), Image::DiesAfter(life)) => {
            tokio::select! { () = agent.died() => {}, () = sleep(life) => agent.kill() }
        }
        (Some(agent), _) => agent.died().await,
    }
    let Some(service) = &house.service else {
        return;
    };
    if service.ended(run) {
        sleep(RESTART_PAUSE).await;
        if service.is_about_to_restart(run) {
            service.begin(&house, true);
        }
    }
}

/// Looks after what goes on by itself, for as long as the host is there.
pub(crate) async fn look_after(mut jobs: mpsc::Receiver<Job>) {
    let mut running = JoinSet::new();
    while let Some(job) = jobs.recv().await {
        while running.try_join_next().is_some() {}
        running.spawn(job);
    }
}

fn invocation(run: u64) -> String {
    format!("{run:032x}")
}

fn decoded(text: &str) -> Option<Vec<u8>> {
    use base64::{Engine, engine::general_purpose::STANDARD};
    STANDARD.decode(text).ok()
}

fn sha256(bytes: &[u8]) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes);
    digest
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
