//! How an agent is told that an operation is canceled, while it is there.

use std::{sync::Arc, time::Duration};

use futures_util::{FutureExt, future::BoxFuture};
use komodo_agent_api::{AgentError, AgentErrorCode};
use komodo_failpoint::failpoint;
use tokio::time::Instant;

use super::{run::RETRY_MAX, until::due};
use crate::fleet::Agent;

/// That the agent is told to cancel: once, and again where it did not answer.
pub(super) struct Tell {
    call: Option<BoxFuture<'static, Result<(), AgentError>>>,
    at: Option<Instant>,
    pause: Duration,
}

impl Tell {
    pub(super) fn new(now: bool) -> Self {
        Tell {
            call: None,
            at: now.then(Instant::now),
            pause: Duration::from_millis(200),
        }
    }

    pub(super) fn again(&mut self) {
        if self.call.is_none() {
            self.at = Some(Instant::now());
        }
    }

    /// Returns when the agent has answered; never where there is nothing to tell it. Can be dropped and called again.
    pub(super) async fn told(&mut self, agent: &Arc<Agent>, operation: &str, by: Option<&str>) {
        if self.call.is_none() {
            due(self.at).await;
            let (agent, operation) = (Arc::clone(agent), operation.to_owned());
            let by = by.unwrap_or_default().to_owned();
            self.at = None;
            failpoint!("agent.canceling");
            self.call = Some(async move { agent.cancel(&operation, &by).await }.boxed());
        }
        let Some(call) = &mut self.call else { return };
        let told = call.await;
        self.call = None;
        match told {
            Ok(()) => {}
            // It has ended, and tells so.
            Err(error) if error.code == AgentErrorCode::NotFound => {}
            Err(error) => {
                tracing::info!(%operation, %error, "an agent could not be told to cancel; it is told again");
                self.at = Some(Instant::now() + self.pause);
                self.pause = (self.pause * 2).min(RETRY_MAX);
            }
        }
    }
}
