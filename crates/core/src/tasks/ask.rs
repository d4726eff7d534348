//! How an agent is asked for an operation, so that it is carried out once, whatever was lost before.

use std::sync::Arc;

use komodo_agent_api::{AgentError, AgentErrorCode, AgentOperation, AgentStream, OperationEvent};
use komodo_api::UnixMs;
use komodo_failpoint::failpoint;

use super::send::{NotSent, Sending};
use crate::fleet::Agent;

/// What is known of an operation when its agent is asked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known {
    /// Place of the last event that the agent told.
    pub(super) seq: u64,
    /// Whether the agent may be asked to begin it, where it does not know it.
    pub(super) orderable: bool,
    /// Whether the agent cannot know it yet.
    pub(super) first: bool,
    /// Start of the agent that it was ordered of.
    pub(super) agent_started_at: Option<UnixMs>,
}

/// What comes of it.
pub(super) enum Asked {
    /// The agent has it and tells.
    Accepted(AgentStream<OperationEvent>),
    /// The agent does not know it, and must not be asked again.
    Forgotten,
    /// The agent did nothing, and says why.
    Refused(String),
    /// It did not answer, or only that it does not know.
    Away(String),
}

/// Asks the agent, or follows what it has. What it needs for it is sent before.
pub(super) async fn ask(
    agent: Arc<Agent>,
    operation: AgentOperation,
    known: Known,
    sending: Option<Sending>,
) -> Asked {
    if !known.first {
        match agent.follow(&operation.id, known.seq).await {
            Ok(events) => return Asked::Accepted(events),
            // An agent that was started since may have lost its journal, and with it the knowledge that it acted.
            Err(error) if error.code == AgentErrorCode::NotFound => {
                let started_at = Some(agent.hello().agent.started_at);
                if !known.orderable || known.agent_started_at != started_at {
                    return Asked::Forgotten;
                }
            }
            Err(error) => return Asked::Away(error.message),
        }
    }
    if let Some(sending) = sending {
        match sending.send(&agent).await {
            Ok(()) => {}
            Err(NotSent::Refused(why)) => return Asked::Refused(why),
            Err(NotSent::Away(why)) => return Asked::Away(why),
        }
    }
    failpoint!("agent.asking");
    match agent.operate(operation).await {
        Ok(events) => {
            failpoint!("agent.accepted");
            Asked::Accepted(events)
        }
        Err(error) if is_uncertain(&error) => Asked::Away(error.message),
        Err(error) => Asked::Refused(error.message),
    }
}

/// Whether an agent may have accepted an operation although it answered this.
fn is_uncertain(error: &AgentError) -> bool {
    matches!(
        error.code,
        AgentErrorCode::Link | AgentErrorCode::DeadlineExceeded
    )
}
