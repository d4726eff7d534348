//! The operation's side of a hand over: prepared while nothing has been touched, begun with a helper, and followed to
//! the helper's end, by the agent that began it or by the one that comes after.

use std::{sync::Arc, time::Duration};

use komodo_agent_api::{
    AgentError, AgentErrorCode, AgentOperation, Container, GoodbyeReason, OperationEventBody,
    PROBATION_S_DEFAULT,
};
use komodo_api::{
    plan::PlanItem,
    update::{Run, Verdict},
};
use komodo_failpoint::failpoint;
use komodo_journal::JournalError;
use komodo_plan::hand_over::{HandOverPlan, Outcome, may_confirm};
use tokio::time::{Instant, sleep, timeout};

use super::{
    Operations, journal_error,
    log::OperationLog,
    look::{LOOK_PAUSE, Seen, canceled, observe, verdict},
    run::Means,
    service::check_confirm,
    target::{Cx, Kept, Step, failed},
};
use crate::{
    clock,
    hand_over::{
        follow::{Helper, calls, helper},
        prepare::{Order, Prepared, prepare},
    },
    observe::View,
    redact::redact,
};

/// Helpers that are started for one operation, one after the other has gone without a word.
const HELPERS_MAX: u32 = 5;
/// Time after which a helper that still runs is told again that it is confirmed.
const TELL_EVERY: Duration = Duration::from_secs(1);
/// Pause after a helper that could not be started.
const AGAIN_PAUSE: Duration = Duration::from_secs(5);
/// Time after the end of the plan's at which a helper that still runs is not waited for any more.
const OVERDUE: Duration = Duration::from_secs(900);

impl Cx<'_> {
    /// Hands a container over.
    pub(super) async fn hand_over(&self, item: &PlanItem) -> Verdict {
        let (before, run) = match self.permit(item, self.operation.action, Step::First).await {
            Err(Kept::HandOver(before, run)) => (*before, run),
            Ok(permit) => {
                let why = "it ran the agent, or Core, when that was planned, and does not any more; ask again";
                let now = Some(&permit.before);
                return verdict(item, item.state, failed(why.to_owned()), now);
            }
            Err(Kept::Settled(settled, now)) => {
                return verdict(item, item.state, settled, now.as_deref());
            }
            Err(Kept::Away(why)) => {
                let why = format!("the Engine could not be asked: {why}");
                return verdict(item, item.state, failed(why), None);
            }
        };
        let refused = |why: String| verdict(item, before.state, failed(why), Some(&before));
        failpoint!("hand-over.preparing");
        let prepared = tokio::select! {
            biased;
            () = self.log.canceled() => return self.canceled(item),
            // A pull takes its time.
            prepared = self.prepared(&before, run) => prepared,
        };
        let prepared = match prepared {
            Ok(prepared) => prepared,
            Err(why) => return refused(why),
        };
        let Some(durable) = self.log.begin(&self.means.journal, &item.id, run) else {
            return self.canceled(item);
        };
        if let Err(error) = durable.await.unwrap_or(Err(JournalError::Busy)) {
            return refused(error.to_string());
        }
        failpoint!("hand-over.prepared");
        if let Err(why) = self.begin(item, &prepared).await {
            self.acted(item, Some(why.clone()));
            self.means.observatory.set_going(None);
            tidy(self.means, &prepared.plan).await;
            return refused(format!("nothing was changed: {why}"));
        }
        tracing::info!(
            operation.id = self.operation.id,
            container = item.container,
            "it is handed over to a helper"
        );
        follow(self.means, item, self.log, &prepared.plan, self.operation).await
    }

    async fn prepared(&self, before: &Container, run: Option<Run>) -> Result<Prepared, String> {
        let (own, protected) = self.means.observatory.read(|view: &View| {
            let mut entries = view.protected().iter();
            let protected = entries.find(|entry| entry.id == before.id);
            let own = view.control_path().own_container.clone();
            (
                own,
                protected.map_or_else(Vec::new, |entry| entry.reasons.clone()),
            )
        });
        let order = Order {
            operation: self.operation,
            own,
            target: before,
            protected: &protected,
            run: run.unwrap_or_default(),
            probation_s: probation_s(self.operation),
        };
        prepare(&self.means.engine, &self.means.kept, order).await
    }

    /// Makes the helper, notes that it acts from here on, and only then starts it.
    async fn begin(&self, item: &PlanItem, prepared: &Prepared) -> Result<(), String> {
        let Means { journal, kept, .. } = self.means;
        kept.keep_plan(&prepared.plan)
            .await
            .map_err(|error| format!("its plan cannot be kept: {error}"))?;
        let calls = &prepared.calls;
        calls
            .create_helper(&prepared.helper)
            .await
            .map_err(|error| format!("the helper cannot be made: {}", redact(&error.chain())))?;
        failpoint!("hand-over.made");
        let handed = OperationEventBody::HandedOver {
            id: item.id.clone(),
            helper: prepared.plan.helper_name(),
            until: prepared.plan.until,
            probation_s: probation_s(self.operation),
        };
        let durable = self.log.append(journal, [handed]);
        let durable = durable.await.unwrap_or(Err(JournalError::Busy));
        durable.map_err(|error| error.to_string())?;
        failpoint!("hand-over.handed");
        going(self.means, &prepared.plan);
        calls
            .start(&prepared.plan.helper_name())
            .await
            .map_err(|error| format!("the helper cannot be started: {}", redact(&error.chain())))
    }
}

fn probation_s(operation: &AgentOperation) -> u32 {
    operation.probation_s.unwrap_or(PROBATION_S_DEFAULT)
}

/// Notes that a signal to the agent comes from the helper, where the agent itself is handed over.
fn going(means: &Means, plan: &HandOverPlan) {
    if plan.journal.container.is_none() {
        let operation = plan.operation.clone();
        let reason = GoodbyeReason::HandedOver { operation };
        means.observatory.set_going(Some(reason));
    }
}

/// Follows what was handed over to its end, and tells the verdict. A helper that has gone without a word is started
/// again with the same plan: it goes on from what it finds.
pub(super) async fn follow(
    means: &Means,
    item: &PlanItem,
    log: &Arc<OperationLog>,
    plan: &HandOverPlan,
    operation: &AgentOperation,
) -> Verdict {
    let mut helpers = 0;
    going(means, plan);
    let outcome = loop {
        means.observatory.ready().await;
        match helper(means, plan).await {
            Helper::Ended(outcome) => break Some(outcome),
            Helper::Runs if clock::now_ms() > overdue(plan) => {
                tracing::error!(
                    operation.id = plan.operation,
                    "the helper does not come to its end"
                );
                give_up(means, plan).await;
                break None;
            }
            Helper::Runs => wait(means, plan, tell_confirmed(means, log, plan).await).await,
            Helper::Away => sleep(LOOK_PAUSE).await,
            Helper::Lost if helpers >= HELPERS_MAX => break None,
            Helper::Lost => {
                tracing::warn!(
                    operation.id = plan.operation,
                    "the helper is gone without a word; it is started again"
                );
                match again(means, plan).await {
                    Ok(()) => helpers += 1,
                    Err(why) if clock::now_ms() > overdue(plan) => {
                        tracing::error!(
                            operation.id = plan.operation,
                            "no helper can be started: {why}"
                        );
                        break None;
                    }
                    Err(why) => {
                        tracing::warn!(
                            operation.id = plan.operation,
                            "no helper can be started: {why}"
                        );
                        sleep(AGAIN_PAUSE).await;
                    }
                }
            }
        }
    };
    means.observatory.set_going(None);
    failpoint!("hand-over.ended");
    settled(means, item, log, plan, outcome.as_ref(), operation).await
}

/// The verdict, from what the helper told and from what is seen.
async fn settled(
    means: &Means,
    item: &PlanItem,
    log: &Arc<OperationLog>,
    plan: &HandOverPlan,
    outcome: Option<&Outcome>,
    operation: &AgentOperation,
) -> Verdict {
    let named = match observe(means, &plan.name, &mut None).await {
        Seen::There(named) => Some(*named),
        Seen::Gone => None,
        Seen::Nothing(why) => {
            let settled = (komodo_api::update::VerdictKind::Unknown, None, Some(why));
            return verdict(item, item.state, settled, None);
        }
    };
    let confirmed = log.is_confirmed();
    let settled = komodo_plan::hand_over::verdict(plan, outcome, confirmed, named.as_ref());
    tracing::info!(
        operation.id = operation.id,
        ?outcome,
        confirmed,
        "what was handed over is settled"
    );
    verdict(item, item.state, settled, named.as_ref())
}

/// Tells the helper that what it did is confirmed, where it is; the time after which it is told again.
async fn tell_confirmed(
    means: &Means,
    log: &OperationLog,
    plan: &HandOverPlan,
) -> Option<Duration> {
    if !log.is_confirmed() {
        return None;
    }
    if let Ok(calls) = calls(means, plan).await {
        // One that is being started again does not hear it.
        let _ = calls.tell_confirmed().await;
    }
    Some(TELL_EVERY)
}

/// Waits until something may have become of the helper.
async fn wait(means: &Means, plan: &HandOverPlan, again: Option<Duration>) {
    use komodo_api::engine::ContainerStateStatusEnum::Exited;
    let name = plan.helper_name();
    let began = Instant::now();
    let over = |view: &View| {
        let helper = view.containers().find(|container| container.name == name);
        let runs = helper.is_some_and(|helper| helper.state != Exited);
        (!runs && view.is_ready()).then_some(())
    };
    let left = u64::try_from(overdue(plan) - clock::now_ms()).unwrap_or(0);
    let left = Duration::from_millis(left);
    let left = again.map_or(left, |again| again.min(left));
    let _ = timeout(left, means.observatory.wait_for(over)).await;
    // One that the Engine starts again and again is not looked at all the time.
    sleep(LOOK_PAUSE.saturating_sub(began.elapsed())).await;
}

fn overdue(plan: &HandOverPlan) -> i64 {
    let overdue = i64::try_from(OVERDUE.as_millis()).unwrap_or(i64::MAX);
    plan.until.saturating_add(overdue)
}

/// A new helper with the same plan, from the image of the agent that is here now.
async fn again(means: &Means, plan: &HandOverPlan) -> Result<(), String> {
    let own = |view: &View| view.control_path().own_container.clone();
    let own = means.observatory.read(own);
    let body =
        crate::hand_over::prepare::helper(&means.engine, own.as_deref(), plan, false).await?;
    let calls = calls(means, plan).await?;
    let told = |error: komodo_docker::EngineError| redact(&error.chain());
    calls.remove(&plan.helper_name()).await.map_err(told)?;
    calls.create_helper(&body).await.map_err(told)?;
    calls.start(&plan.helper_name()).await.map_err(told)
}

/// Takes away what an operation that is settled has left behind.
pub(super) async fn tidy(means: &Means, plan: &HandOverPlan) {
    let removed = match calls(means, plan).await {
        Ok(calls) => {
            let removed = calls.remove(&plan.helper_name()).await;
            removed.map_err(|error| redact(&error.chain()))
        }
        Err(error) => Err(error),
    };
    if let Err(error) = removed {
        tracing::warn!(
            operation.id = plan.operation,
            error,
            "the helper cannot be removed"
        );
    }
    means.kept.forget_plan(&plan.operation).await;
}

/// Ends a helper that must not act any more.
async fn give_up(means: &Means, plan: &HandOverPlan) {
    let stopped = match calls(means, plan).await {
        Ok(calls) => {
            let stopped = calls.stop(&plan.helper_name(), Some(1)).await;
            stopped.map_err(|error| redact(&error.chain()))
        }
        Err(error) => Err(error),
    };
    if let Err(error) = stopped {
        tracing::error!(
            operation.id = plan.operation,
            error,
            "the helper cannot be stopped"
        );
    }
}

/// The verdict on what was open when the agent ended, and the plan that is left behind.
pub(super) async fn recover(
    means: &Means,
    operation: &AgentOperation,
    item: &PlanItem,
    log: &Arc<OperationLog>,
) -> (Verdict, Option<HandOverPlan>) {
    let plan = means.kept.plan(&operation.id);
    let handed = log.handed_over();
    match (plan, handed) {
        (Some(plan), Some(_)) => {
            let verdict = follow(means, item, log, &plan, operation).await;
            (verdict, Some(plan))
        }
        // The helper was not started yet.
        (plan, None) => {
            let now = match observe(means, &item.id, &mut None).await {
                Seen::There(now) => Some(*now),
                Seen::Gone | Seen::Nothing(_) => None,
            };
            let verdict = match log.is_canceled() {
                true => canceled(item, now.as_ref()),
                false => {
                    let why = "the agent ended before it had handed over; nothing was changed";
                    verdict(item, item.state, failed(why.to_owned()), now.as_ref())
                }
            };
            (verdict, plan)
        }
        (None, Some(handed)) => {
            tracing::error!(
                operation.id = operation.id,
                "the plan of what was handed over is gone"
            );
            let seen = observe(means, &item.container, &mut None).await;
            let (settled, now) = match seen {
                Seen::There(now) => {
                    let why = format!(
                        "the plan of the hand over is gone, so that nobody can tell whether it was confirmed; it had \
                         until {} (unix ms)",
                        handed.until
                    );
                    let kind = komodo_api::update::VerdictKind::Unknown;
                    ((kind, None, Some(why)), Some(*now))
                }
                Seen::Gone => (failed("the container is gone".to_owned()), None),
                Seen::Nothing(why) => {
                    let kind = komodo_api::update::VerdictKind::Unknown;
                    ((kind, None, Some(why)), None)
                }
            };
            (verdict(item, item.state, settled, now.as_ref()), None)
        }
    }
}

impl Operations {
    /// Confirms what an operation handed over: Core has watched it for the whole probation.
    ///
    /// # Errors
    /// `not_found`; `invalid` where nothing was handed over, or what runs is not what was asked for, or its time is
    /// over; `engine_unreachable`; those of the journal.
    pub async fn confirm(&self, id: &str) -> Result<(), AgentError> {
        let log = self.shared.logs().get(id).cloned();
        let Some(log) = log else {
            let error = AgentError::new(AgentErrorCode::NotFound, "no such operation");
            return Err(error);
        };
        if log.state().ended || log.is_confirmed() {
            return Ok(());
        }
        let invalid = |text: &str| AgentError::new(AgentErrorCode::Invalid, text);
        let means = &self.shared.means;
        let nothing = || invalid("nothing was handed over");
        log.handed_over().ok_or_else(nothing)?;
        if let Some(plan) = means.kept.unit_plan(id) {
            check_confirm(means, &plan).await?;
            return self.keep_confirmed(id, &log).await;
        }
        let plan = means.kept.plan(id).ok_or_else(nothing)?;
        let looked = means.observatory.look(&means.engine, &plan.name).await;
        let named = looked.map_err(|error| {
            AgentError::new(AgentErrorCode::EngineUnreachable, redact(&error.chain()))
        })?;
        if !may_confirm(&plan, named.as_ref(), clock::now_ms()) {
            return Err(invalid(
                "what runs is not what was asked for, or its time is over",
            ));
        }
        self.keep_confirmed(id, &log).await?;
        tell_confirmed(means, &log, &plan).await;
        Ok(())
    }

    /// From here on a helper finds the confirmation in the journal.
    async fn keep_confirmed(&self, id: &str, log: &Arc<OperationLog>) -> Result<(), AgentError> {
        failpoint!("hand-over.confirming");
        let durable = log.append(&self.shared.means.journal, [OperationEventBody::Confirmed]);
        let durable = durable.await.unwrap_or(Err(JournalError::Busy));
        durable.map_err(journal_error)?;
        failpoint!("hand-over.confirmed");
        tracing::info!(operation.id = id, "what was handed over is confirmed");
        Ok(())
    }
}
