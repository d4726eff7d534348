//! An operation that was open when the agent ended: each open step is settled by looking at the container.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use komodo_agent_api::{AgentOperation, OperationEvent, OperationEventBody};
use komodo_api::{
    UnixMs,
    plan::{Effect, PlanItem},
    update::{Run, Verdict},
};
use komodo_failpoint::failpoint;
use komodo_journal::Recorded;
use komodo_plan::{Form, second_step, settle_skip};

use super::{
    detach::settle_return,
    hand_over,
    log::OperationLog,
    look::{Ask, canceled, left_alone, observe, settle_by_look, tell},
    run::Means,
    service::{self, is_unit},
};

/// How far a target had come.
#[derive(Default)]
struct Step {
    /// The run that it was in before the Engine was asked first.
    run: Option<Run>,
    /// When it was about to be asked last: an undo may ask it twice.
    last_started: Option<UnixMs>,
    times: u32,
    error: Option<String>,
    answered: bool,
    /// Whether the agent announced that it goes.
    detaching: bool,
}

const NOT_TRIED: &str = "the agent ended before it came to this container";
const NO_ANSWER: &str = "the agent ended before the Engine had answered";
const NO_SECOND: &str = "the agent ended before it came to that";

/// Settles what is open, and ends the operation. Nothing is acted on any more.
pub(super) async fn recover(means: Means, recorded: Recorded, log: Arc<OperationLog>) {
    let (items, steps, settled) = replay(&recorded.events);
    let operation = &recorded.operation;
    let form = Form::from(&operation.scope);
    for item in items {
        if is_unit(item) {
            recover_service(&means, operation, item, &log, &settled).await;
            continue;
        }
        means.observatory.ready().await;
        if settled.contains(&key(item)) {
            if let Some(plan) = means.kept.plan(&operation.id) {
                hand_over::tidy(&means, &plan).await;
            }
            continue;
        }
        if item.effect == Effect::HandOver {
            let (verdict, plan) = hand_over::recover(&means, operation, item, &log).await;
            tell(&means, &log, verdict).await;
            failpoint!("hand-over.settled");
            if let Some(plan) = plan {
                hand_over::tidy(&means, &plan).await;
            }
            continue;
        }
        let verdict = match (item.effect, steps.get(item.id.as_str())) {
            (Effect::Skip | Effect::Refuse, _) => {
                left_alone(item, settle_skip(item, operation.action, form))
            }
            (Effect::Act | Effect::HandOver | Effect::Detach, None) if log.is_canceled() => {
                let now = means
                    .observatory
                    .read(|view| view.by_id(&item.id).map(|now| (**now).clone()));
                canceled(item, now.as_ref())
            }
            (Effect::Act | Effect::HandOver | Effect::Detach, step) => {
                look(&means, operation, item, step).await
            }
        };
        tell(&means, &log, verdict).await;
        failpoint!("recover.settled");
    }
    let begun = !steps.is_empty() || !settled.is_empty() || items.is_empty() || log.is_canceled();
    let error = (!begun).then(|| "the agent ended before it began".to_owned());
    let _ = log
        .append(&means.journal, [OperationEventBody::Ended { error }])
        .await;
}

/// As with all else, but the Engine is not asked.
async fn recover_service(
    means: &Means,
    operation: &AgentOperation,
    item: &PlanItem,
    log: &Arc<OperationLog>,
    settled: &Settled<'_>,
) {
    let plan = match (item.effect, settled.contains(&key(item))) {
        (_, true) => means.kept.unit_plan(&operation.id),
        (Effect::HandOver, false) => {
            let (verdict, plan) = service::recover(means, operation, item, log).await;
            tell(means, log, verdict).await;
            failpoint!("hand-over.settled");
            plan
        }
        (_, false) => {
            let form = Form::from(&operation.scope);
            let verdict = left_alone(item, settle_skip(item, operation.action, form));
            tell(means, log, verdict).await;
            None
        }
    };
    if let Some(plan) = plan {
        service::tidy(means, &plan).await;
    }
}

/// The verdict on a target that was to be acted on.
async fn look(
    means: &Means,
    operation: &AgentOperation,
    item: &PlanItem,
    step: Option<&Step>,
) -> Verdict {
    if let Some(step) = step.filter(|step| step.detaching && !step.answered)
        && !restarted_by_itself(means, item).await
    {
        let seen = observe(means, &item.id, &mut None).await;
        if let Some(verdict) = settle_return(operation, item, step.run, &seen) {
            return verdict;
        }
    }
    let halfway = second_step(operation.action, item.back_to).is_some();
    let error = match step {
        None => Some(NOT_TRIED),
        Some(step) if !step.answered => Some(NO_ANSWER),
        Some(step) if halfway && step.times == 1 && step.error.is_none() => Some(NO_SECOND),
        Some(step) => step.error.as_deref(),
    };
    let ask = Ask {
        before: item.state,
        acted: step.is_some(),
        unanswered_since: step
            .filter(|step| !step.answered)
            .and_then(|step| step.last_started),
        error,
        run: step.and_then(|step| step.run),
    };
    settle_by_look(means, operation, item, ask, &mut None)
        .await
        .0
}

/// Whether the Engine has started it again because it had ended, and not somebody after it was stopped.
async fn restarted_by_itself(means: &Means, item: &PlanItem) -> bool {
    let seen = means.engine.inspect(&item.id).await;
    seen.is_ok_and(|seen| seen.restart_count > 0)
}

/// What was planned, how far each target had come by its id, and which were settled by id and name: what was named and
/// is not there has no id.
type Replayed<'a> = (&'a [PlanItem], BTreeMap<&'a str, Step>, Settled<'a>);
type Settled<'a> = BTreeSet<(&'a str, &'a str)>;

fn key(item: &PlanItem) -> (&str, &str) {
    (&item.id, &item.container)
}

fn replay(events: &[OperationEvent]) -> Replayed<'_> {
    let mut items: &[_] = &[];
    let mut steps: BTreeMap<&str, Step> = BTreeMap::new();
    let mut settled = BTreeSet::new();
    for event in events {
        match &event.body {
            OperationEventBody::Planned { items: planned, .. } => items = planned,
            OperationEventBody::Started { id, run } => {
                let step = steps.entry(id).or_default();
                *step = Step {
                    run: if step.times == 0 { *run } else { step.run },
                    last_started: Some(event.at),
                    times: step.times + 1,
                    ..Step::default()
                };
            }
            OperationEventBody::Acted { id, error } => {
                let step = steps.entry(id).or_default();
                step.answered = true;
                step.error.clone_from(error);
            }
            OperationEventBody::Verdict(verdict) => {
                settled.insert((verdict.id.as_str(), verdict.container.as_str()));
            }
            // It is of one container, which is the one that was begun.
            OperationEventBody::Detaching { .. } => {
                for step in steps.values_mut() {
                    step.detaching = true;
                }
            }
            OperationEventBody::HandedOver { .. }
            | OperationEventBody::Confirmed
            | OperationEventBody::Canceled { .. }
            | OperationEventBody::Ended { .. } => {}
        }
    }
    (items, steps, settled)
}
