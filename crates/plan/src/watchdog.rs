//! The watchdog: which container runs the agent, and whether it is to be brought back. Looking and acting are the
//! program's; nothing here knows an Engine.

use std::collections::BTreeMap;

use komodo_api::{UnixMs, engine::ContainerStateStatusEnum};

use crate::hand_over::{HELPER_LABEL, NEW_SUFFIX, OLD_SUFFIX};

#[cfg(test)]
mod tests;

/// Label of the container that runs the agent, for a watchdog that is told no name. Any value but `false`.
pub const AGENT_LABEL: &str = "komodo.agent";
/// Label of a watchdog's container.
pub const WATCHDOG_LABEL: &str = "komodo.watchdog";
/// The compose service that is the agent where no container has the label.
pub const AGENT_SERVICE: &str = "periphery";
/// Starts within [`WINDOW_MS`] at most.
pub const STARTS_MAX: usize = 5;
/// The time in which starts are counted, ms.
pub const WINDOW_MS: i64 = 10 * 60 * 1000;
/// How long after its deadline a helper that is at work is waited for, ms; then the agent is brought back without it. A
/// helper itself tries no longer to bring an old container back.
pub const HELPER_OVERDUE_MS: i64 = 10 * 60 * 1000;

const COMPOSE_SERVICE_LABEL: &str = "com.docker.compose.service";

/// A container, as a list of the Engine shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Id.
    pub id: String,
    /// Name, without the slash.
    pub name: String,
    /// Labels.
    pub labels: BTreeMap<String, String>,
}

/// The agent's container cannot be told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FindError {
    /// None has the name or id.
    #[error("no container has the name or id '{0}'; say which one is the agent's with --agent")]
    NotNamed(String),
    /// It is a watchdog, or the helper of a hand over.
    #[error("the container '{0}' is not an agent's: it has the label {1}")]
    NotAnAgent(String, &'static str),
    /// None has the label.
    #[error(
        "no container has the label {AGENT_LABEL}, and none is the compose service '{AGENT_SERVICE}'; label the agent's \
         container, or say which one it is with --agent"
    )]
    None,
    /// Several have it.
    #[error("several containers may be the agent's ({0}); say which one it is with --agent")]
    Several(String),
}

/// The container that is meant by a name, an id or the beginning of one; or, without, the only one with [`AGENT_LABEL`];
/// or, where there is none, the only one that is the compose service [`AGENT_SERVICE`].
///
/// # Errors
/// [`FindError`] where none fits, or several do.
pub fn find<'a>(
    containers: &'a [Candidate],
    named: Option<&str>,
) -> Result<&'a Candidate, FindError> {
    if let Some(named) = named {
        let found = named_exactly(containers, named)
            .ok_or_else(|| FindError::NotNamed(named.chars().take(80).collect()))?;
        return match not_an_agent(found) {
            Some(label) => Err(FindError::NotAnAgent(found.name.clone(), label)),
            None => Ok(found),
        };
    }
    let labelled = |container: &&Candidate| {
        container
            .labels
            .get(AGENT_LABEL)
            .is_some_and(|value| value != "false")
    };
    let service = |container: &&Candidate| {
        container
            .labels
            .get(COMPOSE_SERVICE_LABEL)
            .is_some_and(|service| service == AGENT_SERVICE)
    };
    let agents = || {
        containers.iter().filter(|container| {
            not_an_agent(container).is_none() && !replaced(containers, &container.name)
        })
    };
    let mut fit: Vec<&Candidate> = agents().filter(labelled).collect();
    if fit.is_empty() {
        fit = agents().filter(service).collect();
    }
    match fit[..] {
        [] => Err(FindError::None),
        [only] => Ok(only),
        _ => {
            let mut names: Vec<&str> = fit.iter().map(|found| found.name.as_str()).collect();
            names.sort_unstable();
            names.truncate(5);
            Err(FindError::Several(names.join(", ")))
        }
    }
}

/// The container that was found before, by its name, its id, or the name under which a hand over keeps the old one.
pub fn find_again<'a>(containers: &'a [Candidate], name: &str, id: &str) -> Option<&'a Candidate> {
    let by_name = |name: &str| containers.iter().find(|container| container.name == name);
    by_name(name)
        .or_else(|| containers.iter().find(|container| container.id == id))
        .or_else(|| by_name(&format!("{name}{OLD_SUFFIX}")))
        .filter(|found| not_an_agent(found).is_none())
}

fn named_exactly<'a>(containers: &'a [Candidate], named: &str) -> Option<&'a Candidate> {
    let name = named.trim_start_matches('/');
    let exact = containers
        .iter()
        .find(|container| container.name == name || container.id == name);
    exact.or_else(|| {
        let mut begins = containers
            .iter()
            .filter(|container| name.len() >= 12 && container.id.starts_with(name));
        begins.next().filter(|_| begins.next().is_none())
    })
}

fn not_an_agent(container: &Candidate) -> Option<&'static str> {
    [WATCHDOG_LABEL, HELPER_LABEL]
        .into_iter()
        .find(|label| container.labels.contains_key(*label))
}

/// Whether a name is one that a hand over gives for its time, next to a container that counts instead.
fn replaced(containers: &[Candidate], name: &str) -> bool {
    let has = |name: &str| containers.iter().any(|container| container.name == name);
    match (name.strip_suffix(NEW_SUFFIX), name.strip_suffix(OLD_SUFFIX)) {
        (Some(base), _) => has(base) || has(&format!("{base}{OLD_SUFFIX}")),
        (_, Some(base)) => has(base),
        _ => false,
    }
}

/// The agent's container, as it is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentContainer {
    /// Run state.
    pub state: ContainerStateStatusEnum,
    /// Since when it is in that state, as far as is known.
    pub since: UnixMs,
    /// When its run began, or was thawed last.
    pub began: UnixMs,
    /// Time of the mark in its root directory that says that it was detached, where there is one.
    pub detached_at: Option<UnixMs>,
}

/// A helper of a hand over of this agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Helper {
    /// Id of its container.
    pub id: String,
    /// Run state.
    pub state: ContainerStateStatusEnum,
    /// Whether it has said that it is done: its restart policy is `no`.
    pub done: bool,
    /// Its own deadline, where it is known.
    pub until: Option<UnixMs>,
}

/// What the watchdog knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// The agent's container; `None` where there is none.
    pub agent: Option<AgentContainer>,
    /// Helpers that hand this agent over.
    pub helpers: Vec<Helper>,
    /// When the watchdog acted, oldest first; those older than [`WINDOW_MS`] do not matter.
    pub acted: Vec<UnixMs>,
    /// Time in which whoever stopped it may start it again, ms.
    pub grace_ms: i64,
    /// Time at the host.
    pub now: UnixMs,
}

/// Why nothing is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// It runs.
    Runs,
    /// The Engine starts it by itself.
    EngineStarts,
    /// It has never been started.
    NeverStarted,
    /// It is being stopped.
    Stops,
    /// There is none, or it is being removed.
    Gone,
    /// Somebody detached it on purpose.
    Detached,
    /// A helper hands it over.
    HandOver,
    /// Whoever stopped it may yet start it again, and the last attempts are given some time.
    Grace,
    /// It was brought back [`STARTS_MAX`] times in a short time, and did not stay.
    GivenUp,
}

/// What is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decide {
    /// Nothing, until something happens.
    Leave(Why),
    /// Nothing before a time; then it is looked at again.
    Wait {
        /// When, by the host's clock.
        until: UnixMs,
        /// Why.
        why: Why,
    },
    /// Starts the agent's container.
    Start,
    /// Unpauses it.
    Unpause,
    /// Starts a helper that was killed midway, or unpauses one that was paused: it goes on from what it finds.
    Resume {
        /// Id of the helper's container.
        helper: String,
        /// Whether it was paused.
        paused: bool,
    },
}

/// Decides what is done about an agent's container.
///
/// While a helper is at work it decides; one that was killed midway is sent back to it whatever it left behind, be that a
/// container that was never started or one that the Engine starts again and again. Only an agent that runs settles that
/// by itself.
pub fn decide(facts: &Facts) -> Decide {
    use ContainerStateStatusEnum::*;
    let Some(agent) = &facts.agent else {
        return Decide::Leave(Why::Gone);
    };
    if agent.state == Running {
        return Decide::Leave(Why::Runs);
    }
    let remedy = match (helper(facts), agent.state) {
        (Some(remedy @ Decide::Resume { .. }), _) => remedy,
        (Some(left), _) => return left,
        (None, Exited | Paused) if agent.detached_at.is_some_and(|at| at >= agent.began) => {
            return Decide::Leave(Why::Detached);
        }
        (None, Exited) => Decide::Start,
        (None, Paused) => Decide::Unpause,
        (None, Running) => return Decide::Leave(Why::Runs),
        (None, Restarting) => return Decide::Leave(Why::EngineStarts),
        (None, Created) => return Decide::Leave(Why::NeverStarted),
        (None, Stopping) => return Decide::Leave(Why::Stops),
        (None, Removing | Dead | Empty) => return Decide::Leave(Why::Gone),
    };
    let recent: Vec<UnixMs> = facts
        .acted
        .iter()
        .copied()
        .filter(|at| *at > facts.now - WINDOW_MS)
        .collect();
    if recent.len() >= STARTS_MAX {
        let oldest = recent[recent.len() - STARTS_MAX];
        return Decide::Wait {
            until: oldest + WINDOW_MS,
            why: Why::GivenUp,
        };
    }
    // A clock that was set back must not hold it up.
    let from = recent
        .last()
        .map_or(agent.since, |last| agent.since.max(*last))
        .min(facts.now);
    let until = from.saturating_add(facts.grace_ms.saturating_mul(1 << recent.len()));
    if facts.now < until {
        return Decide::Wait {
            until,
            why: Why::Grace,
        };
    }
    remedy
}

/// What a helper has to say, where one is at work or was killed at it.
fn helper(facts: &Facts) -> Option<Decide> {
    use ContainerStateStatusEnum::*;
    let overdue_at = |helper: &Helper| helper.until.map(|until| until + HELPER_OVERDUE_MS);
    let mut killed = None;
    for helper in &facts.helpers {
        match helper.state {
            Running | Restarting | Stopping => match overdue_at(helper) {
                Some(until) if facts.now >= until => {}
                Some(until) => {
                    let why = Why::HandOver;
                    return Some(Decide::Wait { until, why });
                }
                None => return Some(Decide::Leave(Why::HandOver)),
            },
            Exited | Paused if !helper.done => killed = killed.or(Some(helper)),
            // One that was never started has touched nothing.
            Exited | Paused | Created | Removing | Dead | Empty => {}
        }
    }
    killed.map(|helper| Decide::Resume {
        helper: helper.id.clone(),
        paused: helper.state == Paused,
    })
}
