//! What agents still hold of operations that are over for Core: they end it and forget it.

use std::{sync::Arc, time::Duration};

use futures_util::StreamExt;
use komodo_agent_api::{AgentError, AgentErrorCode, OperationEventBody, OperationState};
use komodo_api::{UnixMs, id::Id, update::UpdateStatus};
use komodo_plan::LinkState;
use tokio::{
    sync::mpsc,
    time::{sleep, timeout},
};

use super::{
    Inner,
    detach::{BACK, DETACH},
    lease::Held,
    run::note,
};
use crate::fleet::Agent;

/// How long an agent that was told to cancel may take to end what is under way.
const END: Duration = Duration::from_secs(15 * 60);
/// Longest pause before an agent that did not answer is told again.
const RETRY_MAX: Duration = Duration::from_secs(10);
/// Who cancels what nobody waits for any more.
const CORE: &str = "Core";

impl Inner {
    /// Lets agents that connect end and forget operations whose end is stored: a cancel or an acknowledgement can get
    /// lost.
    pub(super) async fn tidy(self: Arc<Self>, mut connected: mpsc::Receiver<Arc<Agent>>) {
        loop {
            let agent = tokio::select! {
                biased;
                () = self.end.cancelled() => return,
                agent = connected.recv() => match agent {
                    Some(agent) => agent,
                    None => return,
                },
            };
            if agent.hello().open_operations.is_empty() {
                continue;
            }
            // In a task of its own: an agent that hangs must not hold up the others.
            let inner = Arc::clone(&self);
            self.running.spawn(async move {
                let all = async {
                    for held in &agent.hello().open_operations {
                        inner.tidy_one(&agent, held).await;
                    }
                };
                tokio::select! {
                    biased;
                    () = inner.end.cancelled() => {}
                    _ = agent.closed() => {}
                    () = all => {}
                }
            });
        }
    }

    async fn tidy_one(&self, agent: &Agent, held: &OperationState) {
        let Ok(id) = held.id.parse::<Id>() else {
            return;
        };
        if self.open.contains(id) {
            return;
        }
        let (by, was_detached) = match self.store.updates().get(id).await {
            // An operation of a database that was restored from a backup is nobody's any more; it may go on.
            Ok(None) => match held.ended {
                true => (None, false),
                false => return,
            },
            Ok(Some(update)) if update.status == UpdateStatus::Complete => {
                let was_detached = update.logs.iter().any(|log| log.stage == DETACH);
                (update.canceled_by, was_detached)
            }
            Ok(Some(_)) | Err(_) => return,
        };
        let ended = match (was_detached, held.ended) {
            (true, _) => {
                self.is_back(id, agent).await;
                // It settles by itself what it finds done.
                ended_at(agent, &held.id).await
            }
            (false, true) => end_at(agent, &held.id, None).await,
            (false, false) => end_at(agent, &held.id, Some(by.as_deref().unwrap_or(CORE))).await,
        };
        if let Err(error) = ended {
            tracing::info!(update.id = %id, %error, "an agent could not be told to forget an operation");
        }
    }

    /// An agent that had gone on purpose is back: the Update by which it went says so.
    async fn is_back(&self, id: Id, agent: &Agent) {
        let view = self.fleet.view(agent.server());
        let since = match view.as_deref().map(|view| &view.link) {
            Some(LinkState::Up { since }) => *since,
            _ => self.clock.now(),
        };
        let text = format!("back since {}", at(since));
        match self
            .store
            .updates()
            .add_step(id, note(BACK, &text, since))
            .await
        {
            Ok(Some(update)) => self.publish(&update),
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(update.id = %id, %error, "that an agent is back could not be recorded");
            }
        }
    }

    /// Lets the agent of a server end and forget an operation that was closed while it was away. Until then nobody else
    /// works on what it held.
    pub(super) async fn reap(
        self: Arc<Self>,
        server: Id,
        operation: String,
        by: String,
        held: Option<Held>,
    ) {
        let _held = held;
        let Some((mut agents, deleted)) = self.fleet.watch_agent(server) else {
            return;
        };
        let mut pause = self.settings.retry;
        loop {
            let agent = agents.borrow_and_update().clone();
            let Some(agent) = agent else {
                tokio::select! {
                    biased;
                    () = self.end.cancelled() => return,
                    () = deleted.cancelled() => return,
                    changed = agents.changed() => if changed.is_err() { return },
                }
                continue;
            };
            let ended = tokio::select! {
                biased;
                () = self.end.cancelled() => return,
                () = deleted.cancelled() => return,
                ended = end_at(&agent, &operation, Some(&by)) => ended,
            };
            match ended {
                Ok(()) => return,
                Err(error) => {
                    tracing::info!(update.id = operation, %error, "an agent could not be told to cancel yet");
                }
            }
            tokio::select! {
                biased;
                () = self.end.cancelled() => return,
                () = deleted.cancelled() => return,
                () = sleep(pause) => {}
            }
            pause = (pause * 2).min(RETRY_MAX);
        }
    }
}

/// A time for people.
fn at(at: UnixMs) -> String {
    jiff::Timestamp::from_millisecond(at).map_or_else(
        |_| "an unknown time".to_owned(),
        |time| time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
    )
}

/// Waits for the end of an operation that nobody has to end, and lets the agent forget it.
async fn ended_at(agent: &Agent, operation: &str) -> Result<(), AgentError> {
    await_end(agent, operation).await?;
    agent.acknowledge(operation).await
}

async fn await_end(agent: &Agent, operation: &str) -> Result<(), AgentError> {
    let mut events = agent.follow(operation, 0).await?;
    let end = async {
        while let Some(event) = events.next().await {
            if matches!(event?.body, OperationEventBody::Ended { .. }) {
                return Ok(());
            }
        }
        Err(AgentError::new(
            AgentErrorCode::Link,
            "the agent stopped telling",
        ))
    };
    timeout(END, end).await.unwrap_or_else(|_| {
        Err(AgentError::new(
            AgentErrorCode::DeadlineExceeded,
            "what was canceled does not end",
        ))
    })
}

/// Cancels an operation where somebody says so, waits for its end, and lets the agent forget it. One that the agent does
/// not know is over.
async fn end_at(agent: &Agent, operation: &str, cancel_by: Option<&str>) -> Result<(), AgentError> {
    let known = |result: Result<(), AgentError>| match result {
        Err(error) if error.code == AgentErrorCode::NotFound => Ok(false),
        Err(error) => Err(error),
        Ok(()) => Ok(true),
    };
    if let Some(by) = cancel_by {
        if !known(agent.cancel(operation, by).await)? {
            return Ok(());
        }
        await_end(agent, operation).await?;
    }
    known(agent.acknowledge(operation).await).map(drop)
}
