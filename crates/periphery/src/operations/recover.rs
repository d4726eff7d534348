//! An operation that was open when the agent ended: each open step is settled by looking at the container.

use std::collections::{BTreeMap, BTreeSet};

use komodo_agent_api::{AgentOperation, Container, OperationEvent, OperationEventBody};
use komodo_api::{UnixMs, container::ContainerAction, plan::Effect, update::VerdictKind};
use komodo_failpoint::failpoint;
use komodo_plan::{Form, settle_skip};
use tokio::time::sleep;

use super::{
    log::OperationLog,
    run::{LOOK_PAUSE, Means, Seen, judge, observe, verdict},
};
use crate::{clock, journal::Recorded};
use std::sync::Arc;

/// How far a target had come.
#[derive(Default)]
struct Step {
    started: Option<UnixMs>,
    error: Option<String>,
    answered: bool,
}

/// What the Engine waits for the end of a container that says nothing itself.
const STOP_TIMEOUT_S_DEFAULT: i64 = 10;
/// Wait for the end of a container at most.
const STOP_TIMEOUT_S_MAX: u64 = 3_600;
/// What the Engine needs beyond that wait.
const AT_IT_MARGIN_MS: u64 = 5_000;

const NOT_TRIED: &str = "the agent ended before it came to this container";
const NO_ANSWER: &str = "the agent ended before the Engine had answered";

/// Settles what is open, and ends the operation. Nothing is acted on any more.
pub(super) async fn recover(means: Means, recorded: Recorded, log: Arc<OperationLog>) {
    let (items, steps, settled) = replay(&recorded.events);
    let operation = &recorded.operation;
    let action = operation.action;
    let form = Form::from(&operation.scope);
    means.observatory.ready().await;
    for item in items {
        if settled.contains(&(item.id.as_str(), item.container.as_str())) {
            continue;
        }
        let verdict = match item.effect {
            Effect::Skip | Effect::Refuse => {
                verdict(item, settle_skip(item, action, form), Some(item.state))
            }
            Effect::Act => {
                let step = steps.get(item.id.as_str());
                let started = step.and_then(|step| step.started);
                let error = match step {
                    None => Some(NOT_TRIED),
                    Some(step) if step.answered => step.error.as_deref(),
                    Some(_) => Some(NO_ANSWER),
                };
                loop {
                    let seen = observe(&means, &item.id, &mut None).await;
                    let restarted = match (&seen, started) {
                        (Seen::There(container), Some(at)) => {
                            container.started_at.map(|started| started >= at)
                        }
                        _ => None,
                    };
                    let verdict = judge(
                        item,
                        action,
                        item.state,
                        &seen,
                        started.is_some(),
                        error,
                        restarted,
                    );
                    let at_it = match (&seen, step) {
                        (Seen::There(container), Some(step)) if !step.answered => {
                            step.started.is_some_and(|at| {
                                clock::now_ms() < at_it_until(at, container, operation)
                            })
                        }
                        _ => false,
                    };
                    if verdict.verdict != VerdictKind::Failed || !at_it {
                        break verdict;
                    }
                    sleep(LOOK_PAUSE).await;
                }
            }
        };
        let _ = log
            .append(&means.journal, [OperationEventBody::Verdict(verdict)])
            .await;
        failpoint!("recover.settled");
    }
    let error = (steps.is_empty() && settled.is_empty() && !items.is_empty())
        .then(|| "the agent ended before it began".to_owned());
    let _ = log
        .append(&means.journal, [OperationEventBody::Ended { error }])
        .await;
}

/// Until when the Engine may still be at what it was asked before the agent ended: a stop goes on without its caller.
fn at_it_until(started: UnixMs, container: &Container, operation: &AgentOperation) -> UnixMs {
    let stop_s = match operation.action {
        ContainerAction::Stop | ContainerAction::Restart | ContainerAction::Destroy => operation
            .time
            .map(i64::from)
            .or(container.stop_timeout_s)
            .unwrap_or(STOP_TIMEOUT_S_DEFAULT),
        _ => 0,
    };
    let stop_s = match u64::try_from(stop_s) {
        Ok(seconds) => seconds.min(STOP_TIMEOUT_S_MAX),
        Err(_) => STOP_TIMEOUT_S_MAX,
    };
    started.saturating_add_unsigned(stop_s * 1000 + AT_IT_MARGIN_MS)
}

/// What was planned, how far each target had come by its id, and which were settled by id and name: what was named and
/// is not there has no id.
type Replayed<'a> = (
    &'a [komodo_api::plan::PlanItem],
    BTreeMap<&'a str, Step>,
    BTreeSet<(&'a str, &'a str)>,
);

fn replay(events: &[OperationEvent]) -> Replayed<'_> {
    let mut items: &[_] = &[];
    let mut steps: BTreeMap<&str, Step> = BTreeMap::new();
    let mut settled = BTreeSet::new();
    for event in events {
        match &event.body {
            OperationEventBody::Planned { items: planned, .. } => items = planned,
            OperationEventBody::Started { id } => {
                steps.entry(id).or_default().started = Some(event.at)
            }
            OperationEventBody::Acted { id, error } => {
                let step = steps.entry(id).or_default();
                step.answered = true;
                step.error.clone_from(error);
            }
            OperationEventBody::Verdict(verdict) => {
                settled.insert((verdict.id.as_str(), verdict.container.as_str()));
            }
            OperationEventBody::Canceled { .. } | OperationEventBody::Ended { .. } => {}
        }
    }
    (items, steps, settled)
}
