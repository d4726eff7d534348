//! The helper: `komodo-periphery hand-over`, in a container next to the one that it restarts or replaces. It looks, asks
//! what is next, does that, and looks again; it remembers nothing that the containers do not hold, so that one that dies
//! anywhere goes on when it is started again. One line of its log for each step, the outcome in the last.

use std::{collections::BTreeMap, time::Duration};

use futures_util::FutureExt;
use komodo_docker::{Endpoint, Engine, EngineError, EventStream, HandOverGrant, NotOfHandOver};
use komodo_failpoint::failpoint;
use komodo_plan::hand_over::{
    Failure, HandOverPlan, Outcome, PLAN_VARIABLE, Scene, Step, Which, next, reason,
};
use serde_json::{Value, json};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    time::{Instant, sleep, timeout},
};

use super::{
    calls::{Calls, is_confirmed, journal_file},
    scene::{Bodies, look},
};
use crate::{clock, redact::redact};

/// Times that a step is tried before it counts as failed.
const TRIES_MAX: u32 = 3;
/// Pause before a step is tried again.
const RETRY_PAUSE: Duration = Duration::from_millis(300);
/// Pause before a step that counts as failed is tried once more.
const FAILED_PAUSE: Duration = Duration::from_secs(2);
/// Time between two looks while nothing happens.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Time between two looks into the journal. The agent tells of the confirmation by a signal; this is for one that died
/// right after it. Less than the time before the end in which no agent confirms any more.
const JOURNAL_EVERY: Duration = Duration::from_secs(2);
/// Pause after a look at an Engine that does not answer.
const AWAY_PAUSE: Duration = Duration::from_millis(500);
/// Time after the end of the plan's at which a helper gives up that cannot even look.
const AWAY_MAX_MS: i64 = 900_000;
/// Time that the Engine has to note that the helper is through.
const LAST_DEADLINE: Duration = Duration::from_secs(10);

/// Why a helper cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum HelperError {
    /// It was not given a plan.
    #[error("{PLAN_VARIABLE} is not set; this program is started by an agent, not by hand")]
    NoPlan,
    /// What it was given is none.
    #[error("{PLAN_VARIABLE} holds no plan")]
    BadPlan(#[source] serde_json::Error),
    /// Signals cannot be handled.
    #[error("signals cannot be handled")]
    Signal(#[source] std::io::Error),
    /// It is not what it was started as.
    #[error(transparent)]
    Another(#[from] NotOfHandOver),
}

/// A helper that has begun.
#[derive(Debug)]
pub struct Helper {
    calls: Calls,
    plan: HandOverPlan,
    restarts: u64,
    told: Signal,
}

impl Helper {
    /// Reads its plan, and finds itself at the Engine, which is waited for.
    ///
    /// # Errors
    /// [`HelperError`]: no plan, or not its own.
    pub async fn begin(endpoint: Endpoint, plan: Option<&str>) -> Result<Self, HelperError> {
        // First of all, since a signal may come at once.
        let told = signal(SignalKind::user_defined1()).map_err(HelperError::Signal)?;
        let plan = plan.ok_or(HelperError::NoPlan)?;
        let plan: HandOverPlan = serde_json::from_str(plan).map_err(HelperError::BadPlan)?;
        let engine = Engine::new(endpoint);
        let own = loop {
            let looking = async {
                engine.negotiate().await?;
                engine.inspect(&plan.helper_name()).await
            };
            match looking.await {
                Ok(own) => break own,
                // The Engine starts us again where it does not come back.
                Err(_) => sleep(AWAY_PAUSE).await,
            }
        };
        Ok(Helper {
            restarts: own.restart_count,
            calls: Calls::new(engine, HandOverGrant::of_helper(plan.clone(), &own)?),
            plan,
            told,
        })
    }

    /// How often the Engine has started this helper again.
    pub fn restarts(&self) -> u64 {
        self.restarts
    }

    /// Carries the plan out, and tells each step.
    pub async fn run(mut self, tell: impl Fn(&Value)) -> Outcome {
        let outcome = self.carry_out(&tell).await;
        failpoint!("hand-over.finish");
        let name = self.plan.helper_name();
        let last = self.calls.keep_stopped(&name);
        match timeout(LAST_DEADLINE, last).await {
            Ok(Ok(())) => {}
            // It is started again then, finds everything done, and tries this once more.
            Ok(Err(error)) => tell(&json!({ "step": "finish", "error": redact(&error.chain()) })),
            Err(_) => tell(&json!({ "step": "finish", "error": "no answer" })),
        }
        failpoint!("hand-over.finish.done");
        tell(&serde_json::to_value(&outcome).unwrap_or_default());
        outcome
    }

    async fn carry_out(&mut self, tell: &impl Fn(&Value)) -> Outcome {
        let mut events = None;
        let mut bodies = Bodies::default();
        let mut confirmed = false;
        let mut read_at: Option<Instant> = None;
        let mut failed: BTreeMap<String, Failure> = BTreeMap::new();
        let mut why: Option<String> = None;
        let mut tries: BTreeMap<String, u32> = BTreeMap::new();
        loop {
            // Before the look, so that nothing happens unseen in between.
            if events.is_none() {
                events = self.calls.engine().events().await.ok();
            }
            confirmed |= self.told.recv().now_or_never().is_some();
            let (old, new) = match look(&self.calls, &self.plan, &mut bodies).await {
                Ok(seen) => seen,
                Err(error) => {
                    let error = redact(&error.chain());
                    if clock::now_ms() > self.plan.until.saturating_add(AWAY_MAX_MS) {
                        let why = format!("the Engine does not answer: {error}");
                        return Outcome::Stuck { why };
                    }
                    tell(&json!({ "step": "look", "error": error }));
                    sleep(AWAY_PAUSE).await;
                    continue;
                }
            };
            if !confirmed && read_at.is_none_or(|at| at.elapsed() >= JOURNAL_EVERY) {
                confirmed = self.is_confirmed().await;
                read_at = Some(Instant::now());
            }
            let mut scene = Scene {
                old,
                new,
                confirmed,
                now: clock::now_ms(),
                failed: failed.values().cloned().collect(),
                why: why.clone(),
            };
            if why.is_none() {
                why = reason(&self.plan, &scene);
                scene.why.clone_from(&why);
            }
            let step = next(&self.plan, &scene);
            match step {
                Step::Finish(outcome) => return outcome,
                Step::Await => confirmed |= self.wait(&mut events).await,
                step => {
                    let key = format!("{step:?}");
                    if failed.contains_key(&key) {
                        sleep(FAILED_PAUSE).await;
                    }
                    let began = Instant::now();
                    let done = self.act(&step, &scene, &mut bodies).await;
                    let ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
                    let error = done.err().map(|error| redact(&error.chain()));
                    tell(&line(&step, ms, error.as_deref()));
                    match error {
                        None => {
                            tries.remove(&key);
                            failed.remove(&key);
                        }
                        Some(error) => {
                            let tried = tries.entry(key.clone()).or_default();
                            *tried += 1;
                            if *tried >= TRIES_MAX {
                                failed.insert(key, Failure { step, why: error });
                            } else {
                                sleep(RETRY_PAUSE).await;
                            }
                        }
                    }
                }
            }
        }
    }

    /// Does a step, between the points at which a test lets us die.
    async fn act(
        &self,
        step: &Step,
        scene: &Scene,
        bodies: &mut Bodies,
    ) -> Result<(), EngineError> {
        macro_rules! between {
            ($before:literal, $after:literal, $call:expr) => {{
                failpoint!($before);
                let done = $call.await?;
                failpoint!($after);
                done
            }};
        }
        let calls = &self.calls;
        let id = |which: &Which| match which {
            Which::Old => self.plan.container.as_str(),
            Which::New => scene.new.as_ref().map_or("", |new| new.id.as_str()),
        };
        match step {
            Step::Create => {
                let created = calls.create_new();
                let id = between!("hand-over.create", "hand-over.create.done", created);
                bodies.created(id);
            }
            Step::Hold => {
                let held = calls.keep_stopped(id(&Which::Old));
                between!("hand-over.hold", "hand-over.hold.done", held);
            }
            Step::Release => {
                let policy = self.plan.replace.as_ref();
                let policy = policy.map_or(&Value::Null, |replace| &replace.restart_policy);
                let released = calls.restart_policy(id(&Which::Old), policy);
                between!("hand-over.release", "hand-over.release.done", released);
            }
            Step::Stop(which) => {
                let stopped = calls.stop(id(which), self.plan.stop_timeout_s);
                between!("hand-over.stop", "hand-over.stop.done", stopped);
            }
            Step::Rename(which, name) => {
                let renamed = calls.rename(id(which), name);
                between!("hand-over.rename", "hand-over.rename.done", renamed);
            }
            Step::Begin => {
                let begun = self.begin_new(id(&Which::New), scene.old.is_some());
                between!("hand-over.begin", "hand-over.begin.done", begun);
            }
            Step::Start(which) => {
                let started = calls.start(id(which));
                between!("hand-over.start", "hand-over.start.done", started);
            }
            Step::Remove(which) => {
                let removed = calls.remove(id(which));
                between!("hand-over.remove", "hand-over.remove.done", removed);
            }
            Step::Await | Step::Finish(_) => {}
        }
        Ok(())
    }

    /// Gives the new container what the old one has, as long as that is there, and starts it.
    async fn begin_new(&self, new: &str, old_is_there: bool) -> Result<(), EngineError> {
        if let Some(replace) = &self.plan.replace
            && old_is_there
        {
            let old = &self.plan.container;
            self.calls.connect(new).await?;
            self.calls.carry(old, new, &replace.carry).await?;
            failpoint!("hand-over.carried");
        }
        self.calls.start(new).await
    }

    /// Whether the journal holds the confirmation. One that cannot be read does not.
    async fn is_confirmed(&self) -> bool {
        let place = &self.plan.journal;
        let container = place.container.as_deref().unwrap_or(&self.plan.name);
        match journal_file(self.calls.engine(), container, &place.path).await {
            Ok(Some(file)) => is_confirmed(&file),
            Ok(None) | Err(_) => false,
        }
    }

    /// Waits until something happens to a container, or it is time for a look; whether the confirmation was told.
    async fn wait(&mut self, events: &mut Option<EventStream>) -> bool {
        let happens = async {
            match events {
                Some(stream) => stream.next().await.ok().flatten().is_some(),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            told = self.told.recv() => return told.is_some(),
            happened = happens => if happened {
                return false;
            },
            () = sleep(LOOK_EVERY) => return false,
        }
        *events = None;
        sleep(AWAY_PAUSE).await;
        false
    }
}

/// A step as the log has it.
fn line(step: &Step, ms: u64, error: Option<&str>) -> Value {
    let (name, which) = match step {
        Step::Create => ("create", None),
        Step::Hold => ("hold", None),
        Step::Release => ("release", None),
        Step::Stop(which) => ("stop", Some(which)),
        Step::Rename(which, _) => ("rename", Some(which)),
        Step::Begin => ("begin", None),
        Step::Start(which) => ("start", Some(which)),
        Step::Remove(which) => ("remove", Some(which)),
        Step::Await => ("await", None),
        Step::Finish(_) => ("finish", None),
    };
    let which = which.map(|which| match which {
        Which::Old => "old",
        Which::New => "new",
    });
    let mut line = json!({ "at": clock::now_ms(), "step": name, "ms": ms });
    if let Some(which) = which {
        line["container"] = which.into();
    }
    if let Some(error) = error {
        line["error"] = error.into();
    }
    line
}
