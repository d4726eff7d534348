//! An operation carried out: each target in its turn, journaled before and after, its verdict from what is seen.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use futures_util::{StreamExt, stream::FuturesUnordered};
use komodo_agent_api::{AgentOperation, EventBody, GoodbyeReason, OperationEventBody};
use komodo_docker::Engine;
use komodo_failpoint::failpoint;
use komodo_journal::Journal;
use komodo_plan::{ContainersPlan, Form, settle_skip};
use tokio::{sync::Semaphore, time::Instant};
use tokio_util::sync::CancellationToken;

use super::{log::OperationLog, look::left_alone, target::Cx};
use crate::{departure::Departure, hand_over::kept::Kept, observe::Observatory, service::Service};

/// Containers acted on at the same time, where the operation does not say.
const CONCURRENCY_DEFAULT: u32 = 16;
const CONCURRENCY_MAX: u32 = 128;

/// What an operation needs of the agent.
#[derive(Debug, Clone)]
pub(crate) struct Means {
    pub(crate) engine: Engine,
    pub(crate) observatory: Observatory,
    pub(crate) journal: Arc<Journal>,
    pub(crate) kept: Kept,
    pub(crate) departure: Departure,
    /// The agent as a service of systemd.
    pub(crate) service: Service,
}

impl Means {
    /// Ends the link with Core before the agent goes, and tells why. An agent without a program only tells.
    pub(super) async fn leave(&self, reason: GoodbyeReason) {
        self.observatory.set_going(Some(reason.clone()));
        if !self.departure.leave(reason.clone()).await {
            self.observatory.tell(EventBody::Goodbye(reason));
        }
    }

    /// The agent is there after all, or again.
    pub(super) fn stay(&self) {
        self.observatory.set_going(None);
        self.departure.stay();
    }
}

/// Containers acted on at the same time.
pub(super) fn concurrency(asked: u32) -> u32 {
    if asked == 0 {
        CONCURRENCY_DEFAULT
    } else {
        asked.min(CONCURRENCY_MAX)
    }
}

/// Carries an operation out whose plan is in the journal.
pub(super) async fn run(
    means: Means,
    operation: AgentOperation,
    plan: ContainersPlan,
    deadline: Instant,
    log: Arc<OperationLog>,
) {
    let form = Form::from(&operation.scope);
    let skipped = plan.items.iter().filter(|item| !item.effect.acts());
    let verdicts: Vec<_> = skipped
        .map(|item| {
            let settled = settle_skip(item, operation.action, form);
            OperationEventBody::Verdict(left_alone(item, settled))
        })
        .collect();
    if !verdicts.is_empty() {
        // The answer tells of the disk, which changes nothing about these.
        drop(log.append(&means.journal, verdicts));
    }
    let released: BTreeMap<&str, CancellationToken> = plan
        .acts()
        .map(|(item, _)| (item.id.as_str(), CancellationToken::new()))
        .collect();
    let turns = Arc::new(Semaphore::new(concurrency(operation.concurrency) as usize));
    let cx = Cx {
        means: &means,
        operation: &operation,
        form,
        deadline,
        log: &log,
        released,
        turns,
    };
    let mut targets: FuturesUnordered<_> = plan
        .acts()
        .map(|(item, deadline_ms)| cx.target(item, Duration::from_millis(deadline_ms)))
        .collect();
    while targets.next().await.is_some() {}
    failpoint!("operation.ending");
    let _ = log
        .append(&means.journal, [OperationEventBody::Ended { error: None }])
        .await;
}
