//! What the Engine does when it is asked: the state machine of a container, with the Engine's own refusals.

use std::time::Duration;

use komodo_agent_api::{Container, EngineState};
use komodo_api::{UnixMs, container::ContainerAction, engine::ContainerStateStatusEnum};

/// How a container, or the Engine's answer about it, misbehaves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Quirk {
    /// It does not.
    #[default]
    None,
    /// It cannot be stopped.
    FailsToStop,
    /// Asked to act on it, the Engine never answers and does nothing.
    Hangs,
    /// It is removed by somebody else the moment the Engine is asked to act on it.
    Vanishes,
    /// The Engine acts, and its answer is lost.
    LosesAnswer,
    /// The Engine says yes and does nothing.
    Ignores,
    /// Its process ends as soon as it is started, with this exit code.
    ExitsAtStart(i64),
}

/// What became of a container.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It is as before: it was in that state already.
    Unchanged,
    /// It changed.
    Changed,
    /// It is gone.
    Removed,
}

/// Time at which something happens.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    /// By the clock of the host.
    pub(crate) ms: i64,
    /// By a clock that was never set.
    pub(crate) true_ms: i64,
    pub(crate) ns: i64,
}

/// Does to a container what the Engine does, or says what the Engine says.
pub(crate) fn apply(
    container: &mut Container,
    action: ContainerAction,
    quirk: Quirk,
    at: Moment,
) -> Result<Outcome, String> {
    use ContainerAction as A;
    use ContainerStateStatusEnum::*;
    let name = container.name.clone();
    let id = container.id.clone();
    match (action, container.state) {
        (_, Removing) => return Err(format!("container {id} is marked for removal")),
        (A::Start, Running | Restarting) => return Ok(Outcome::Unchanged),
        (A::Start, Paused) => {
            return Err("cannot start a paused container, try unpause instead".to_owned());
        }
        (A::Start | A::Restart, Dead) => {
            return Err("container is marked for removal and cannot be started".to_owned());
        }
        (A::Start, _) => run(container, quirk, at),
        (A::Stop, Created | Exited | Dead) => return Ok(Outcome::Unchanged),
        (A::Stop | A::Restart, Running | Restarting | Paused) if quirk == Quirk::FailsToStop => {
            return Err(format!(
                "cannot stop container: {id}: tried to kill container, but did not receive an exit event"
            ));
        }
        (A::Stop, _) => {
            end(container, 143, at);
            if container.auto_remove {
                return Ok(Outcome::Removed);
            }
        }
        (A::Restart, state) => {
            if matches!(state, Running | Restarting | Paused) {
                end(container, 143, at);
            }
            run(container, quirk, at);
        }
        (A::Pause, Running) => container.state = Paused,
        (A::Pause, Paused) => return Err(format!("container {name} is already paused")),
        (A::Pause, Restarting) => {
            return Err(format!(
                "container {name} is restarting, wait until the container is running"
            ));
        }
        (A::Pause, _) => return Err(format!("container {name} is not running")),
        (A::Unpause, Paused) => container.state = Running,
        (A::Unpause, _) => return Err(format!("container {name} is not paused")),
        (A::Destroy, _) => return Ok(Outcome::Removed),
        (A::Prune, Created | Exited | Dead) => return Ok(Outcome::Removed),
        (A::Prune, state) => {
            return Err(format!(
                "cannot remove container \"/{name}\": container is {}",
                state.as_str()
            ));
        }
    }
    container.state_at_ns = at.ns;
    Ok(Outcome::Changed)
}

fn run(container: &mut Container, quirk: Quirk, at: Moment) {
    // A run is told from the one before by its start, so that two in the same millisecond must differ.
    let after_last = container
        .started_at
        .map_or(at.ms, |last| at.ms.max(last + 1));
    container.started_at = Some(after_last);
    container.finished_at = None;
    container.exit_code = None;
    container.state = ContainerStateStatusEnum::Running;
    if let Quirk::ExitsAtStart(code) = quirk {
        end(container, code, at);
    }
}

/// The process of a container ends.
pub(crate) fn end(container: &mut Container, code: i64, at: Moment) {
    container.state = ContainerStateStatusEnum::Exited;
    container.exit_code = Some(code);
    container.finished_at = Some(at.ms);
    container.state_at_ns = at.ns;
}

/// How long the Engine takes, by action.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Latency {
    by_action: [Duration; 7],
}

impl Latency {
    pub(crate) fn of(&self, action: ContainerAction) -> Duration {
        self.by_action[Self::place(action)]
    }

    pub(crate) fn set(&mut self, action: ContainerAction, latency: Duration) {
        self.by_action[Self::place(action)] = latency;
    }

    const fn place(action: ContainerAction) -> usize {
        match action {
            ContainerAction::Start => 0,
            ContainerAction::Restart => 1,
            ContainerAction::Pause => 2,
            ContainerAction::Unpause => 3,
            ContainerAction::Stop => 4,
            ContainerAction::Destroy => 5,
            ContainerAction::Prune => 6,
        }
    }
}

/// How asking the Engine failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ActError {
    /// It was never asked.
    NotAsked(String),
    /// It said so.
    Said(String),
    /// Its answer did not come.
    Lost(String),
}

/// An Engine that answers.
pub(crate) fn connected(engine_id: &str, since: UnixMs) -> EngineState {
    EngineState::Connected {
        engine_id: engine_id.to_owned(),
        version: "28.5.2".to_owned(),
        api_version: "1.51".to_owned(),
        since,
    }
}
