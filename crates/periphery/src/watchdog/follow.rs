//! The watchdog at an Engine: it looks when the Engine tells that something happened to the agent, does what is decided,
//! and says so once. Between two events it waits, and asks the Engine nothing.

use std::{convert::Infallible, path::PathBuf, time::Duration};

use komodo_api::{
    UnixMs,
    container::ContainerAction,
    engine::ContainerStateStatusEnum,
    plan::{Reason, ReasonCode},
};
use komodo_docker::{ActOptions, Endpoint, Engine, EngineError, Outcome, Refused, grant};
use komodo_plan::{
    Form, Lift,
    watchdog::{Decide, STARTS_MAX, WINDOW_MS, Why, decide},
};
use tokio::time::{Instant, sleep, sleep_until};

use super::{
    WatchdogError,
    look::{Look, Memory},
};
use crate::{clock, observe::jitter};

/// Between an event and the look after it, in which further events add nothing.
const COALESCE: Duration = Duration::from_millis(50);
/// Time to start a container.
const ACT_DEADLINE: Duration = Duration::from_secs(60);
/// The first wait before the Engine is tried again; doubles up to [`RETRY_MAX`], jittered.
const RETRY: Duration = Duration::from_millis(200);
const RETRY_MAX: Duration = Duration::from_secs(5);
/// Looks after each other with `--once`: each ends in a wait that it was told, or in an act.
const LOOKS_ONCE_MAX: usize = 5;
/// The longest wait before a look that nothing asks for: clocks may be set.
const WAIT_MAX: Duration = Duration::from_secs(600);

/// What was told last, so that it is told once.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Told {
    container: Option<String>,
    state: Option<ContainerStateStatusEnum>,
    began: UnixMs,
    detached_at: Option<UnixMs>,
    why: Why,
}

/// A watchdog at an Engine.
#[derive(Debug)]
pub(super) struct Watch {
    engine: Engine,
    memory: Memory,
    told: Option<Told>,
}

impl Watch {
    pub(super) fn new(
        endpoint: Endpoint,
        named: Option<String>,
        root: Option<PathBuf>,
        grace: Duration,
    ) -> Self {
        let grace_ms = i64::try_from(grace.as_millis()).unwrap_or(i64::MAX);
        Watch {
            engine: Engine::new(endpoint),
            memory: Memory::new(named, root, grace_ms),
            told: None,
        }
    }

    /// Looks, and acts where that is due; waits out a grace.
    pub(super) async fn once(&mut self) -> Result<(), WatchdogError> {
        self.engine.negotiate().await?;
        for _ in 0..LOOKS_ONCE_MAX {
            let look = self.memory.look(&self.engine).await?;
            match decide(&look.facts) {
                Decide::Wait {
                    until,
                    why: Why::Grace,
                } => sleep(wait(until)).await,
                Decide::Leave(why) | Decide::Wait { why, .. } => {
                    self.tell(&look, why);
                    return Ok(());
                }
                due => return self.act(&look, due).await,
            }
        }
        Ok(())
    }

    /// Follows the Engine for ever. Ends only where the agent's container cannot be told at the beginning, or whether it
    /// was detached cannot be read.
    pub(super) async fn follow(&mut self) -> Result<Infallible, WatchdogError> {
        let mut retry = RETRY;
        let mut complained = None;
        loop {
            let mut connected = None;
            let ended = self.follow_events(&mut connected).await;
            let lasted = connected.is_some_and(|at: Instant| at.elapsed() >= RETRY_MAX);
            if lasted {
                (retry, complained) = (RETRY, None);
            }
            let error = match ended {
                // A socket proxy does that whenever nothing has happened for a while.
                Ok(()) | Err(WatchdogError::Engine(EngineError::Broken(_))) if lasted => continue,
                Ok(()) => "it ended the stream of its events".to_owned(),
                Err(WatchdogError::Engine(error)) => error.chain(),
                Err(error) => return Err(error),
            };
            if complained.as_ref() != Some(&error) {
                tracing::warn!(error, endpoint = %self.engine.endpoint(), "the Engine cannot be followed; trying again and again");
                complained = Some(error);
            }
            sleep(jitter(retry)).await;
            retry = (retry * 2).min(RETRY_MAX);
        }
    }

    async fn follow_events(
        &mut self,
        connected: &mut Option<Instant>,
    ) -> Result<(), WatchdogError> {
        self.engine.negotiate().await?;
        let mut events = self.engine.events().await?;
        let mut look_at = self.look_and_act().await?;
        if let Some(known) = &self.memory.known
            && connected.is_none()
        {
            tracing::info!(container.name = known.name, container.id = known.id, endpoint = %self.engine.endpoint(), "the agent is watched");
        }
        *connected = Some(Instant::now());
        loop {
            tokio::select! {
                biased;
                event = events.next() => {
                    let Some(event) = event? else { return Ok(()) };
                    if self.memory.note(&event) {
                        let soon = Instant::now() + COALESCE;
                        look_at = Some(look_at.map_or(soon, |at| at.min(soon)));
                    }
                }
                () = sleep_until(look_at.unwrap_or_else(Instant::now)), if look_at.is_some() => {
                    look_at = self.look_and_act().await?;
                }
            }
        }
    }

    /// Looks, does what is due, and says when to look again though nothing happened.
    async fn look_and_act(&mut self) -> Result<Option<Instant>, WatchdogError> {
        let look = self.memory.look(&self.engine).await?;
        match decide(&look.facts) {
            Decide::Leave(why) => {
                self.tell(&look, why);
                Ok(None)
            }
            Decide::Wait { until, why } => {
                self.tell(&look, why);
                Ok(Some(Instant::now() + wait(until)))
            }
            due => {
                match self.act(&look, due).await {
                    Ok(()) => {}
                    Err(error @ WatchdogError::Act { .. }) => {
                        let why = chain(&error);
                        tracing::warn!(
                            error = why,
                            "the agent could not be brought back; it will be tried again"
                        );
                    }
                    Err(error) => return Err(error),
                }
                // What came of it is told by an event, or not at all.
                Ok(Some(Instant::now() + COALESCE))
            }
        }
    }

    async fn act(&mut self, look: &Look, due: Decide) -> Result<(), WatchdogError> {
        let Some(agent) = &look.agent else {
            return Ok(());
        };
        let (container, action, code) = match due {
            Decide::Start => (agent.id.clone(), ContainerAction::Start, ReasonCode::Agent),
            Decide::Unpause => (
                agent.id.clone(),
                ContainerAction::Unpause,
                ReasonCode::Agent,
            ),
            Decide::Resume { helper, paused } => {
                let action = match paused {
                    true => ContainerAction::Unpause,
                    false => ContainerAction::Start,
                };
                (helper, action, ReasonCode::AgentDependency)
            }
            Decide::Leave(_) | Decide::Wait { .. } => return Ok(()),
        };
        let says = match (code, action) {
            (ReasonCode::AgentDependency, _) => {
                "the helper of a hand over was ended midway: sending it back to its work"
            }
            (_, ContainerAction::Unpause) => "the agent was paused from outside: unpausing it",
            _ => "the agent does not run: starting it",
        };
        tracing::warn!(
            container.name = agent.name,
            container.id = container,
            exit_code = look.exit_code,
            "{says}"
        );
        self.told = None;
        self.memory.acted();
        let granted = grant(
            &container,
            action,
            Form::Named,
            Lift::default(),
            &[Reason::new(code)],
        );
        let result = match granted {
            Ok(granted) => {
                let acting = self
                    .engine
                    .act(granted, ActOptions::default(), ACT_DEADLINE);
                acting.await
            }
            Err(Refused::Skip(reason) | Refused::Refuse(reason) | Refused::HandOver(reason)) => {
                Err(EngineError::Status {
                    status: 409,
                    message: reason.sentence(),
                })
            }
        };
        match result {
            Ok(Outcome::Acted | Outcome::NotModified) => {
                tracing::info!(container.name = agent.name, "brought back");
                Ok(())
            }
            // Also where nothing is found: that may be a network or another container that it needs.
            Err(source) => Err(WatchdogError::Act {
                name: agent.name.clone(),
                source,
            }),
        }
    }

    /// Says why nothing is done, once for each state of each run.
    fn tell(&mut self, look: &Look, why: Why) {
        let found = look.facts.agent.as_ref();
        let told = Told {
            container: look.agent.as_ref().map(|agent| agent.id.clone()),
            state: found.map(|found| found.state),
            began: found.map_or(0, |found| found.began),
            detached_at: found.and_then(|found| found.detached_at),
            why,
        };
        if self.told.as_ref() == Some(&told) {
            return;
        }
        self.told = Some(told);
        let name = look.agent.as_ref().map_or("", |agent| &agent.name);
        match why {
            Why::Runs => tracing::info!(container.name = name, "the agent runs"),
            Why::Detached => match &look.mark {
                Some(mark) => tracing::info!(
                    container.name = name,
                    by = mark.by,
                    bring_back = mark.bring_back,
                    "left alone: detached on purpose"
                ),
                None => {
                    tracing::info!(container.name = name, "left alone: detached on purpose");
                }
            },
            Why::HandOver => {
                tracing::info!(container.name = name, "left alone: a hand over is at work");
            }
            Why::EngineStarts => {
                tracing::info!(container.name = name, "left alone: the Engine starts it");
            }
            Why::NeverStarted => {
                tracing::info!(
                    container.name = name,
                    "left alone: it has never been started"
                );
            }
            Why::Stops => tracing::info!(container.name = name, "left alone: it is being stopped"),
            Why::Gone => {
                tracing::warn!(
                    "the agent's container is gone; it is watched again when it is back"
                );
            }
            Why::Grace => tracing::info!(
                container.name = name,
                "the agent does not run; whoever stopped it may start it again for a moment"
            ),
            Why::GivenUp => tracing::warn!(
                container.name = name,
                exit_code = look.exit_code,
                "given up for a while: brought back {STARTS_MAX} times within {} min, and it did not stay; see its log",
                WINDOW_MS / 60_000
            ),
        }
    }
}

/// How long it is until a time.
fn wait(until: UnixMs) -> Duration {
    let left = until.saturating_sub(clock::now_ms()).max(0);
    Duration::from_millis(left.unsigned_abs()).min(WAIT_MAX)
}

/// An error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
