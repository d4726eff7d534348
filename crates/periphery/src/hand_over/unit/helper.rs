//! The helper: `komodo-periphery hand-over` in a unit of its own next to the agent's. It looks, asks what is next, does
//! that, and looks again; it needs nothing that files and systemd do not hold, so that one that dies anywhere goes on
//! when it is started again. One line of its log for each step, the outcome in a file.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use komodo_agent_api::OperationEventBody;
use komodo_failpoint::failpoint;
use komodo_plan::{
    hand_over::Outcome,
    unit_hand_over::{
        Content, UNIT_PLAN_VARIABLE, UnitFailure, UnitPlan, UnitScene, UnitStep, next, reason,
    },
};
use serde_json::{Value, json};
use tokio::{
    task::spawn_blocking,
    time::{Instant, sleep},
};

use super::{
    super::kept,
    WHY,
    files::{self, Contents},
    outcome_path, systemd,
};
use crate::{
    clock,
    redact::redact,
    service::{Systemd, SystemdPrograms},
};

/// Exit code of a helper whose plan is none: there is no use in starting it again.
pub(super) const EXIT_BAD_PLAN: u8 = 2;
/// Times that a step is tried before it counts as failed.
const TRIES_MAX: u32 = 3;
/// Pause before a step is tried again.
const RETRY_PAUSE: Duration = Duration::from_millis(300);
/// Pause before a step that counts as failed is tried once more.
const FAILED_PAUSE: Duration = Duration::from_secs(2);
/// Time between two starts of a service that does not stay.
const START_EVERY: Duration = Duration::from_secs(5);
/// Times that a service is started that does not stay, before that counts as failed.
const STARTS_MAX: u32 = 3;
/// Time without a change after which waiting counts as failed.
const AWAIT_MAX: Duration = Duration::from_secs(120);
/// Time between two looks while nothing happens.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Pause after a look that came to nothing.
const AWAY_PAUSE: Duration = Duration::from_millis(500);
/// Time after the end of the plan's at which a helper gives up that cannot even look.
const AWAY_MAX_MS: i64 = 900_000;
/// Bytes of the journal of one operation.
const JOURNAL_FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// Why a helper cannot begin, or not end.
#[derive(Debug, thiserror::Error)]
pub enum UnitHelperError {
    /// What it was given is no plan.
    #[error("{UNIT_PLAN_VARIABLE} names no plan: {path}", path = path.display())]
    BadPlan {
        /// The file.
        path: PathBuf,
    },
    /// What came of it cannot be told.
    #[error("the outcome cannot be written to {path}", path = path.display())]
    Outcome {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

impl UnitHelperError {
    /// The exit code by which systemd knows whether there is use in another try.
    pub fn exit_code(&self) -> u8 {
        match self {
            UnitHelperError::BadPlan { .. } => EXIT_BAD_PLAN,
            UnitHelperError::Outcome { .. } => 1,
        }
    }
}

/// A helper that has begun.
#[derive(Debug)]
pub struct UnitHelper {
    systemd: Systemd,
    plan: UnitPlan,
    outcome: PathBuf,
    /// Where it is kept why it is rolled back: only for the words of whoever begins anew, who would go on rightly without.
    why: PathBuf,
    contents: Contents,
}

impl UnitHelper {
    /// Reads its plan from a file. None where there is nothing to do any more: the plan is gone, or the outcome is told.
    ///
    /// # Errors
    /// [`UnitHelperError::BadPlan`].
    pub fn begin(path: &Path, programs: SystemdPrograms) -> Result<Option<Self>, UnitHelperError> {
        let outcome = outcome_path(path);
        if !path.exists() || kept::read::<Outcome>(&outcome).is_some() {
            return Ok(None);
        }
        let plan: UnitPlan = match kept::read(path) {
            Some(plan) => plan,
            // It was taken away just now.
            None if !path.exists() => return Ok(None),
            None => {
                let path = path.to_owned();
                return Err(UnitHelperError::BadPlan { path });
            }
        };
        Ok(Some(UnitHelper {
            systemd: Systemd::new(programs, plan.user),
            plan,
            outcome,
            why: path.with_extension(WHY),
            contents: Contents::default(),
        }))
    }

    /// Whether systemd has started this helper again, as far as that can be told.
    pub async fn is_again(&self) -> bool {
        let restarts = systemd::restarts(&self.systemd, &self.plan.helper_unit()).await;
        restarts.is_ok_and(|restarts| restarts > 0)
    }

    /// Carries the plan out, tells each step, and keeps the outcome where the agent finds it.
    ///
    /// # Errors
    /// [`UnitHelperError::Outcome`]: it is over, but nobody would know; it is to be started again.
    pub async fn run(mut self, tell: impl Fn(&Value)) -> Result<Outcome, UnitHelperError> {
        let outcome = self.carry_out(&tell).await;
        tell(&serde_json::to_value(&outcome).unwrap_or_default());
        failpoint!("hand-over.unit.finish");
        let bytes = serde_json::to_vec(&outcome).unwrap_or_default();
        let written = kept::write(self.outcome.clone(), bytes).await;
        written.map_err(|source| UnitHelperError::Outcome {
            path: self.outcome.clone(),
            source,
        })?;
        failpoint!("hand-over.unit.finish.done");
        Ok(outcome)
    }

    async fn carry_out(&mut self, tell: &impl Fn(&Value)) -> Outcome {
        let mut failed: BTreeMap<String, UnitFailure> = BTreeMap::new();
        let mut tries: BTreeMap<String, u32> = BTreeMap::new();
        let mut why: Option<String> = kept::read(&self.why);
        let mut confirmed = false;
        let mut started: Option<Instant> = None;
        let mut last = None;
        let mut starts = 0;
        let mut seen: Option<(UnitScene, Instant)> = None;
        loop {
            let looked = self.look(confirmed).await;
            let mut scene = match looked {
                Ok(scene) => scene,
                Err(error) => {
                    let error = redact(&error);
                    if clock::now_ms() > self.plan.until.saturating_add(AWAY_MAX_MS) {
                        let why = format!("what is the case cannot be told: {error}");
                        return Outcome::Stuck { why };
                    }
                    tell(&json!({ "at": clock::now_ms(), "step": "look", "error": error }));
                    sleep(AWAY_PAUSE).await;
                    continue;
                }
            };
            confirmed = scene.confirmed;
            // The time, which changes all the time, and what is ours are not filled in yet.
            let since = match &seen {
                Some((before, since)) if is_same(before, &scene) => *since,
                _ => Instant::now(),
            };
            seen = Some((scene.clone(), since));
            let waiting = format!("{:?}", UnitStep::Await);
            match since.elapsed() >= AWAIT_MAX {
                true => {
                    let why = format!("nothing has changed for {} s", AWAIT_MAX.as_secs());
                    let step = UnitStep::Await;
                    failed.insert(waiting, UnitFailure { step, why });
                }
                false => _ = failed.remove(&waiting),
            }
            scene.failed = failed.values().cloned().collect();
            scene.why.clone_from(&why);
            if why.is_none() {
                why = reason(&self.plan, &scene);
                scene.why.clone_from(&why);
                if let Some(why) = &why {
                    tell(&json!({ "at": scene.now, "given_up": why }));
                    let bytes = serde_json::to_vec(why).unwrap_or_default();
                    if let Err(error) = kept::write(self.why.clone(), bytes).await {
                        tell(
                            &json!({ "at": scene.now, "step": "note", "error": error.to_string() }),
                        );
                    }
                    failpoint!("hand-over.unit.given-up");
                }
            }
            let step = next(&self.plan, &scene);
            match step {
                UnitStep::Finish(outcome) => return outcome,
                UnitStep::Await => sleep(LOOK_EVERY).await,
                step => {
                    let key = format!("{step:?}");
                    if failed.contains_key(&key) {
                        sleep(FAILED_PAUSE).await;
                    }
                    let is_start = matches!(step, UnitStep::Restart | UnitStep::Start);
                    if is_start && last.as_ref() == Some(&step) {
                        let since = started.map_or(START_EVERY, |at| at.elapsed());
                        sleep(START_EVERY.saturating_sub(since)).await;
                    }
                    let began = Instant::now();
                    let done = self.act(&step).await;
                    let ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
                    let error = done.err().map(|error| redact(&error));
                    tell(&line(&step, ms, error.as_deref()));
                    if is_start {
                        started = Some(Instant::now());
                        starts += u32::from(step == UnitStep::Start);
                    }
                    last = Some(step.clone());
                    match error {
                        None if starts >= STARTS_MAX && step == UnitStep::Start => {
                            let why = format!("it was started {starts} times and did not stay");
                            failed.insert(key, UnitFailure { step, why });
                        }
                        None => {
                            tries.remove(&key);
                            failed.remove(&key);
                        }
                        Some(error) => {
                            let tried = tries.entry(key.clone()).or_default();
                            *tried += 1;
                            if *tried >= TRIES_MAX {
                                failed.insert(key, UnitFailure { step, why: error });
                            } else {
                                sleep(RETRY_PAUSE).await;
                            }
                        }
                    }
                }
            }
        }
    }

    /// What is the case; what was tried before is for the caller to add.
    async fn look(&mut self, confirmed: bool) -> Result<UnitScene, String> {
        let asked = systemd::service(&self.systemd, &self.plan.unit).await;
        let (mut service, runs) = asked.map_err(|error| error.chain())?;
        let plan = self.plan.clone();
        let mut contents = std::mem::take(&mut self.contents);
        let looked = spawn_blocking(move || {
            let found = (|| {
                let runs = match &runs {
                    // One that has ended by now, or cannot be looked into, is none of the two.
                    Some(path) => contents.at(&plan, path).unwrap_or(Content::Else),
                    None => Content::Absent,
                };
                let program = contents.at(&plan, Path::new(&plan.program))?;
                let other = contents.at(&plan, Path::new(&plan.other()))?;
                Ok::<_, io::Error>((runs, program, other))
            })();
            let confirmed = confirmed || journal_holds(Path::new(&plan.journal), is_confirmed);
            (contents, found, confirmed)
        });
        let (contents, found, confirmed) = looked.await.map_err(|error| error.to_string())?;
        self.contents = contents;
        let (runs, program, other) =
            found.map_err(|error| format!("the programs cannot be read: {error}"))?;
        service.runs = runs;
        Ok(UnitScene {
            program,
            other,
            service,
            confirmed,
            now: clock::now_ms(),
            failed: Vec::new(),
            why: None,
        })
    }

    /// Does a step, between the points at which a test lets us die.
    async fn act(&self, step: &UnitStep) -> Result<(), String> {
        macro_rules! between {
            ($before:literal, $after:literal, $call:expr) => {{
                failpoint!($before);
                $call.await?;
                failpoint!($after);
            }};
        }
        match step {
            UnitStep::Exchange => {
                let (program, other) = (self.plan.program.clone(), self.plan.other());
                let exchange = on_disk(move || files::exchange(program.as_ref(), other.as_ref()));
                between!(
                    "hand-over.unit.exchange",
                    "hand-over.unit.exchange.done",
                    exchange
                );
            }
            UnitStep::Restore => {
                let plan = self.plan.clone();
                let restore = on_disk(move || files::restore(&plan));
                between!(
                    "hand-over.unit.restore",
                    "hand-over.unit.restore.done",
                    restore
                );
            }
            UnitStep::Restart => {
                between!(
                    "hand-over.unit.restart",
                    "hand-over.unit.restart.done",
                    self.restart()
                );
            }
            UnitStep::Start => {
                between!(
                    "hand-over.unit.start",
                    "hand-over.unit.start.done",
                    self.restart()
                );
            }
            UnitStep::RemoveOther => {
                let other = self.plan.other();
                let remove = on_disk(move || files::remove(other.as_ref()));
                between!(
                    "hand-over.unit.remove",
                    "hand-over.unit.remove.done",
                    remove
                );
            }
            UnitStep::Await | UnitStep::Finish(_) => {}
        }
        Ok(())
    }

    async fn restart(&self) -> Result<(), String> {
        let restarted = systemd::restart(&self.systemd, &self.plan.unit).await;
        restarted.map_err(|error| error.chain())
    }
}

/// Whether a journal's file holds an event. One that cannot be read holds none.
pub(super) fn journal_holds(path: &Path, is: impl Fn(&OperationEventBody) -> bool) -> bool {
    let length = fs::metadata(path).map_or(0, |metadata| metadata.len());
    if length > JOURNAL_FILE_BYTES_MAX {
        return false;
    }
    let recorded = fs::read(path)
        .ok()
        .and_then(|file| komodo_journal::read_recorded(&file));
    recorded.is_some_and(|recorded| recorded.events.iter().any(|event| is(&event.body)))
}

fn is_confirmed(event: &OperationEventBody) -> bool {
    *event == OperationEventBody::Confirmed
}

async fn on_disk(work: impl FnOnce() -> io::Result<()> + Send + 'static) -> Result<(), String> {
    let done = spawn_blocking(work).await;
    let done = done.unwrap_or_else(|error| Err(io::Error::other(error)));
    done.map_err(|error| error.to_string())
}

/// Whether nothing has changed but the time.
fn is_same(before: &UnitScene, now: &UnitScene) -> bool {
    (before.program, before.other, before.confirmed) == (now.program, now.other, now.confirmed)
        && before.service == now.service
}

/// A step as the log has it.
fn line(step: &UnitStep, ms: u64, error: Option<&str>) -> Value {
    let name = match step {
        UnitStep::Exchange => "exchange",
        UnitStep::Restore => "restore",
        UnitStep::Restart => "restart",
        UnitStep::Start => "start",
        UnitStep::RemoveOther => "remove",
        UnitStep::Await => "await",
        UnitStep::Finish(_) => "finish",
    };
    let mut line = json!({ "at": clock::now_ms(), "step": name, "ms": ms });
    if let Some(error) = error {
        line["error"] = error.into();
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_directory::TestDirectory;

    const PLAN: &str = r#"{"operation":"op","unit":"a.service","program":"/bin/a","old_sha256":"0","invocation":"b",
        "journal":"/j","until":7}"#;

    fn begin(path: &Path) -> Result<bool, u8> {
        let begun = UnitHelper::begin(path, SystemdPrograms::default());
        let begun = begun.map_err(|error| error.exit_code())?;
        Ok(begun.is_some())
    }

    /// Otherwise systemd would start it again and again.
    #[test]
    fn a_helper_only_begins_what_is_not_over() {
        let folder = TestDirectory::new();
        let path = folder.path().join("op.json");
        assert_eq!(begin(&path), Ok(false), "the plan is gone");
        fs::write(&path, "{").unwrap();
        assert_eq!(begin(&path), Err(EXIT_BAD_PLAN));
        fs::write(&path, PLAN).unwrap();
        assert_eq!(begin(&path), Ok(true));
        fs::write(outcome_path(&path), r#"{"outcome":"confirmed"}"#).unwrap();
        assert_eq!(begin(&path), Ok(false), "the outcome is told");
    }

    #[test]
    fn only_a_change_of_something_else_than_the_time_is_one() {
        let service = komodo_plan::unit_hand_over::Service {
            active: komodo_plan::unit_hand_over::Active::Active,
            auto_restart: false,
            job: false,
            invocation: "a".into(),
            restarts: 0,
            ended: None,
            runs: Content::Old,
        };
        let before = UnitScene {
            program: Content::Old,
            other: Content::New,
            service,
            confirmed: false,
            now: 1,
            failed: Vec::new(),
            why: None,
        };
        let mut now = UnitScene {
            now: 2,
            ..before.clone()
        };
        assert!(is_same(&before, &now));
        now.service.restarts = 1;
        assert!(!is_same(&before, &now));
    }
}
