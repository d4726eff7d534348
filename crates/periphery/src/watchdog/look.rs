//! What the watchdog reads of the Engine, and what it remembers between two looks. Nothing here changes anything.

use std::{
    collections::VecDeque,
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use komodo_api::{UnixMs, engine::ContainerStateStatusEnum};
use komodo_docker::{Engine, EngineError, EngineEvent, Inspected, Listed};
use komodo_plan::{
    hand_over::{HELPER_LABEL, HandOverPlan, OLD_SUFFIX, PLAN_VARIABLE},
    watchdog::{AgentContainer, Candidate, Facts, FindError, Helper, STARTS_MAX, find, find_again},
};
use serde::Deserialize;

use super::WatchdogError;
use crate::{
    clock,
    hand_over::{DETACHED, Detached},
};

/// Where an agent keeps its state unless something else is said.
const ROOT_DEFAULT: &str = "/etc/komodo";
const ROOT_VARIABLE: &str = "PERIPHERY_ROOT_DIRECTORY";
/// Bytes of the mark of a detach.
const MARK_BYTES_MAX: usize = 64 * 1024;
/// Helpers that are inspected at most.
const HELPERS_MAX: usize = 16;

/// The agent's container, as it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) id: String,
    pub(super) name: String,
}

/// What one look found.
#[derive(Debug)]
pub(super) struct Look {
    pub(super) facts: Facts,
    pub(super) agent: Option<Known>,
    /// Exit code of its last run.
    pub(super) exit_code: i64,
    /// The mark of a detach, where there is one that could be read.
    pub(super) mark: Option<Detached>,
}

/// Since when the agent is in a state, as far as the watchdog has seen.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Since {
    id: String,
    state: ContainerStateStatusEnum,
    at: UnixMs,
}

/// How the watchdog looks, and what it remembers.
#[derive(Debug)]
pub(super) struct Memory {
    named: Option<String>,
    root: Option<PathBuf>,
    grace_ms: i64,
    /// The agent's container.
    pub(super) known: Option<Known>,
    since: Option<Since>,
    /// When which container was thawed last.
    thawed: Option<(String, UnixMs)>,
    acted: VecDeque<UnixMs>,
}

impl Memory {
    pub(super) fn new(named: Option<String>, root: Option<PathBuf>, grace_ms: i64) -> Self {
        Memory {
            named,
            root,
            grace_ms,
            known: None,
            since: None,
            thawed: None,
            acted: VecDeque::new(),
        }
    }

    /// Takes note that something was done.
    pub(super) fn acted(&mut self) {
        if self.acted.len() == STARTS_MAX {
            self.acted.pop_front();
        }
        self.acted.push_back(clock::now_ms());
    }

    /// Whether an event may matter, and what it tells of the agent.
    pub(super) fn note(&mut self, event: &EngineEvent) -> bool {
        if event.kind != "container" {
            return false;
        }
        let Some(known) = &self.known else {
            return true;
        };
        let name = event.attribute("name").unwrap_or_default();
        if event.actor.id == known.id {
            match event.action.as_str() {
                "unpause" => {
                    self.thawed = Some((known.id.clone(), event.time_ns / 1_000_000));
                    self.since = None;
                }
                "start" | "pause" | "die" => self.since = None,
                _ => {}
            }
            return true;
        }
        name == known.name || event.attribute(HELPER_LABEL).is_some()
    }

    /// Looks.
    ///
    /// # Errors
    /// [`WatchdogError::Find`] only while no agent was found before.
    pub(super) async fn look(&mut self, engine: &Engine) -> Result<Look, WatchdogError> {
        let listed = engine.containers().await?;
        let first = self.known.is_none();
        let agent = self.agent(&listed)?;
        let mut look = Look {
            facts: Facts {
                agent: None,
                helpers: Vec::new(),
                acted: self.acted.iter().copied().collect(),
                grace_ms: self.grace_ms,
                now: clock::now_ms(),
            },
            agent: None,
            exit_code: 0,
            mark: None,
        };
        let Some(agent) = agent else { return Ok(look) };
        let Some((inspected, environment)) = inspect(engine, &agent.id).await? else {
            return Ok(look);
        };
        use ContainerStateStatusEnum::{Exited, Paused, Running};
        let state = inspected.state.status;
        let down = matches!(state, Exited | Paused);
        let mut detached_at = None;
        // The first time in any case: whoever may not read it is to know that before it matters.
        if down || first {
            let named = environment.iter().find_map(|(name, value)| {
                (name == ROOT_VARIABLE && !value.is_empty()).then_some(value)
            });
            let root = self.root.as_deref().or(named.map(Path::new));
            let root = root.unwrap_or(Path::new(ROOT_DEFAULT));
            (detached_at, look.mark) = mark(engine, &agent.id, root).await?;
        }
        if state != Running {
            look.facts.helpers = helpers(engine, &listed, &agent).await?;
        }
        // After all else was read, so that it is not later than what was seen.
        look.facts.now = clock::now_ms();
        look.exit_code = inspected.state.exit_code;
        look.facts.agent = Some(AgentContainer {
            state,
            since: self.since(&agent.id, &inspected, look.facts.now),
            began: self.began(&agent.id, &inspected),
            detached_at,
        });
        look.agent = Some(agent);
        Ok(look)
    }

    fn agent(&mut self, listed: &[Listed]) -> Result<Option<Known>, FindError> {
        let candidates: Vec<Candidate> = listed.iter().map(candidate).collect();
        let found = match &self.known {
            None => Some(find(&candidates, self.named.as_deref())?),
            Some(known) => find_again(&candidates, &known.name, &known.id)
                .or_else(|| find(&candidates, self.named.as_deref()).ok()),
        };
        let Some(found) = found else { return Ok(None) };
        let agent = Known {
            id: found.id.clone(),
            name: found.name.clone(),
        };
        // What a hand over calls the old one for its time is not what the agent goes by.
        let name = agent.name.strip_suffix(OLD_SUFFIX).unwrap_or(&agent.name);
        self.known = Some(Known {
            id: agent.id.clone(),
            name: name.to_owned(),
        });
        Ok(Some(agent))
    }

    fn since(&mut self, id: &str, inspected: &Inspected, now: UnixMs) -> UnixMs {
        let state = inspected.state.status;
        if state == ContainerStateStatusEnum::Exited
            && let Some(finished) = time_ms(&inspected.state.finished_at)
        {
            return finished;
        }
        let known = self
            .since
            .as_ref()
            .filter(|since| since.id == id && since.state == state);
        if let Some(since) = known {
            return since.at;
        }
        self.since = Some(Since {
            id: id.to_owned(),
            state,
            at: now,
        });
        now
    }

    fn began(&self, id: &str, inspected: &Inspected) -> UnixMs {
        let started = time_ms(&inspected.state.started_at).unwrap_or(0);
        let thawed = self.thawed.as_ref().filter(|(thawed, _)| thawed == id);
        thawed.map_or(started, |(_, at)| started.max(*at))
    }
}

fn candidate(listed: &Listed) -> Candidate {
    // The other names are links.
    let name = listed
        .names
        .iter()
        .map(|name| name.trim_start_matches('/'))
        .find(|name| !name.contains('/'))
        .unwrap_or_default();
    Candidate {
        id: listed.id.clone(),
        name: name.to_owned(),
        labels: listed.labels.clone(),
    }
}

/// When the agent was detached, and what its mark says. One that cannot be understood is one all the same: only an agent
/// that starts takes it away.
async fn mark(
    engine: &Engine,
    container: &str,
    root: &Path,
) -> Result<(Option<UnixMs>, Option<Detached>), WatchdogError> {
    let path = root.join(DETACHED);
    let file = path.to_string_lossy();
    let bytes = match engine.read_file(container, &file, MARK_BYTES_MAX).await {
        Ok(Some(bytes)) => bytes,
        Ok(None) => return Ok((None, None)),
        Err(
            source @ EngineError::Status {
                status: 401 | 403 | 405 | 501,
                ..
            },
        ) => return Err(WatchdogError::Barred(source)),
        Err(error) => return Err(error.into()),
    };
    match serde_json::from_slice::<Detached>(&bytes) {
        Ok(mark) => Ok((Some(mark.at), Some(mark))),
        Err(error) => {
            tracing::warn!(path = %path.display(), %error, "the mark of a detach is not understood; it counts all the same");
            Ok((Some(UnixMs::MAX), None))
        }
    }
}

/// The helpers of this agent that are not done.
async fn helpers(
    engine: &Engine,
    listed: &[Listed],
    agent: &Known,
) -> Result<Vec<Helper>, EngineError> {
    let mut found = Vec::new();
    let all = listed
        .iter()
        .filter(|container| container.labels.contains_key(HELPER_LABEL));
    for listed in all.take(HELPERS_MAX) {
        let Some((inspected, environment)) = inspect(engine, &listed.id).await? else {
            continue;
        };
        let plan = environment
            .iter()
            .find(|(name, _)| name == PLAN_VARIABLE)
            .and_then(|(_, plan)| serde_json::from_str::<HandOverPlan>(plan).ok());
        // A plan that is not understood may well be of this agent.
        let concerns = plan.as_ref().is_none_or(|plan| {
            plan.container == agent.id
                || plan.name == agent.name
                || plan.old_name() == agent.name
                || plan.new_name() == agent.name
        });
        if concerns {
            found.push(Helper {
                id: inspected.id,
                state: inspected.state.status,
                done: matches!(
                    inspected.host_config.restart_policy.name.as_str(),
                    "" | "no"
                ),
                until: plan.map(|plan| plan.until),
            });
        }
    }
    Ok(found)
}

/// A container, with its environment.
async fn inspect(
    engine: &Engine,
    id: &str,
) -> Result<Option<(Inspected, Vec<(String, String)>)>, EngineError> {
    #[derive(Default, Deserialize)]
    #[serde(rename_all = "PascalCase", default)]
    struct Document {
        config: Option<Config>,
    }
    #[derive(Default, Deserialize)]
    #[serde(rename_all = "PascalCase", default)]
    struct Config {
        env: Option<Vec<String>>,
    }
    let document = match engine.inspect_document(id).await {
        Ok(document) => document,
        Err(error) if error.is_not_found() => return Ok(None),
        Err(error) => return Err(error),
    };
    let malformed = |error| EngineError::Malformed("inspect", error);
    let environment = Document::deserialize(&document).map_err(malformed)?;
    let inspected = Inspected::deserialize(document).map_err(malformed)?;
    let variables = environment
        .config
        .and_then(|config| config.env)
        .unwrap_or_default();
    let variables = variables.iter().filter_map(|variable| {
        let (name, value) = variable.split_once('=')?;
        Some((name.to_owned(), value.to_owned()))
    });
    Ok(Some((inspected, variables.collect())))
}

/// RFC 3339 to unix time, ms; the Engine writes "never" as a time in the year 1.
fn time_ms(text: &str) -> Option<UnixMs> {
    let time: Timestamp = text.parse().ok()?;
    Some(time.as_millisecond()).filter(|ms| *ms > 0)
}
