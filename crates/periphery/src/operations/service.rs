//! A hand over of the agent's own service: prepared while nothing has been touched, begun with a helper in a unit of its
//! own, and followed to the helper's end, by the agent that began it or by the one that comes after. The Engine has no
//! part in it.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use komodo_agent_api::{AgentError, AgentErrorCode, AgentOperation, GoodbyeReason};
use komodo_agent_api::{OperationEventBody, PROBATION_S_DEFAULT};
use komodo_api::{
    container::Scope,
    plan::{PlanItem, Reason, ReasonCode},
    update::{Verdict, VerdictKind},
};
use komodo_failpoint::failpoint;
use komodo_journal::JournalError;
use komodo_plan::{
    UNIT_PREFIX,
    hand_over::Outcome,
    unit_hand_over::{Running, UnitPlan, may_confirm, verdict},
};
use tokio::{
    task::spawn_blocking,
    time::{Instant, sleep},
};

use super::{
    log::OperationLog,
    look::{LOOK_PAUSE, of_service},
    run::Means,
    target::{Cx, failed},
};
use crate::{
    clock,
    hand_over::{
        follow::Helper,
        unit::{Handed, beside},
    },
    service::{
        OwnService, Systemd,
        prepare::{Order, Prepared, prepare},
        sha256,
    },
};

/// Helpers that are started for one operation, one after the other has gone without a word.
const HELPERS_MAX: u32 = 5;
/// Pause after a helper that could not be started.
const AGAIN_PAUSE: Duration = Duration::from_secs(5);
/// Time after which systemd is asked again what has become of a helper that runs.
const ASK_EVERY: Duration = Duration::from_secs(5);
/// Time after the end of the plan's at which a helper that still runs is not waited for any more, ms.
const OVERDUE_MS: i64 = 900_000;

/// Whether an item is no container but a unit of systemd.
pub(super) fn is_unit(item: &PlanItem) -> bool {
    item.id.starts_with(UNIT_PREFIX)
}

impl Cx<'_> {
    /// Hands the agent's service over.
    pub(super) async fn hand_over_service(&self, item: &PlanItem) -> Verdict {
        let refused = |why: String| of_service(item, failed(why));
        let Scope::Agent(asked) = &self.operation.scope else {
            return refused("only the agent's own service can be handed over".to_owned());
        };
        failpoint!("hand-over.preparing");
        let order = Order {
            operation: self.operation,
            asked,
            probation_s: probation_s(self.operation),
        };
        let prepared = tokio::select! {
            biased;
            () = self.log.canceled() => return canceled(item),
            prepared = prepare(&self.means.service, &self.means.kept, order) => prepared,
        };
        let prepared = match prepared {
            Ok(prepared) => prepared,
            Err(why) => return refused(why),
        };
        let Some(durable) = self.log.begin(&self.means.journal, &item.id, None) else {
            return canceled(item);
        };
        if let Err(error) = durable.await.unwrap_or(Err(JournalError::Busy)) {
            return refused(error.to_string());
        }
        failpoint!("hand-over.prepared");
        if let Err(why) = self.begin_service(item, &prepared).await {
            self.acted(item, Some(why.clone()));
            self.means.observatory.set_going(None);
            return refused(format!("nothing was changed: {why}"));
        }
        tracing::info!(
            operation.id = self.operation.id,
            unit = prepared.plan.unit,
            "the agent's service is handed over to a helper"
        );
        follow(self.means, item, self.log, &prepared.plan).await
    }

    /// Puts everything where the helper finds it, notes that the helper acts from here on, and only then starts it.
    async fn begin_service(&self, item: &PlanItem, prepared: &Prepared) -> Result<(), String> {
        let Prepared { plan, program, own } = prepared;
        let Means { journal, kept, .. } = self.means;
        kept.keep_unit_plan(plan)
            .await
            .map_err(|error| format!("its plan cannot be kept: {error}"))?;
        failpoint!("hand-over.kept");
        if let Some(program) = program {
            put_beside(plan, program).await?;
        }
        failpoint!("hand-over.beside");
        let systemd = self.means.service.systemd(plan.user);
        let handed = handed(self.means, &systemd, plan);
        handed.prepare(&own.running).await?;
        failpoint!("hand-over.made");
        let handing = OperationEventBody::HandedOver {
            id: item.id.clone(),
            helper: plan.helper_unit(),
            until: plan.until,
            probation_s: probation_s(self.operation),
        };
        let durable = self.log.append(journal, [handing]);
        let durable = durable.await.unwrap_or(Err(JournalError::Busy));
        durable.map_err(|error| error.to_string())?;
        failpoint!("hand-over.handed");
        going(self.means, plan);
        let Err(why) = handed.start().await else {
            failpoint!("hand-over.started");
            return Ok(());
        };
        // The answer may have been lost, and not the request.
        match handed.look().await {
            Helper::Runs | Helper::Ended(_) | Helper::Away => Ok(()),
            Helper::Lost => Err(format!("the helper cannot be started: {why}")),
        }
    }
}

/// Puts the new program beside the one that runs.
async fn put_beside(plan: &UnitPlan, new: &Path) -> Result<(), String> {
    let (place, other) = (PathBuf::from(&plan.program), PathBuf::from(plan.other()));
    let new = new.to_owned();
    let put = spawn_blocking(move || {
        beside(&place, &other, &new).map_err(|error| {
            format!(
                "the new program cannot be put to {}: {error}",
                other.display()
            )
        })
    });
    put.await.map_err(|error| error.to_string())?
}

fn probation_s(operation: &AgentOperation) -> u32 {
    operation.probation_s.unwrap_or(PROBATION_S_DEFAULT)
}

fn canceled(item: &PlanItem) -> Verdict {
    let reason = Reason::new(ReasonCode::Canceled);
    of_service(item, (VerdictKind::Skipped, Some(reason), None))
}

fn handed<'a>(means: &'a Means, systemd: &'a Systemd, plan: &'a UnitPlan) -> Handed<'a> {
    Handed {
        systemd,
        kept: &means.kept,
        plan,
    }
}

/// Notes that a signal to the agent comes from the helper.
fn going(means: &Means, plan: &UnitPlan) {
    let operation = plan.operation.clone();
    let reason = GoodbyeReason::HandedOver { operation };
    means.observatory.set_going(Some(reason));
}

/// Follows what was handed over to its end, and tells the verdict. A helper that has gone without a word is started
/// again with the same plan: it goes on from what it finds.
async fn follow(
    means: &Means,
    item: &PlanItem,
    log: &Arc<OperationLog>,
    plan: &UnitPlan,
) -> Verdict {
    let systemd = means.service.systemd(plan.user);
    let handed = handed(means, &systemd, plan);
    let mut helpers = 0;
    going(means, plan);
    let outcome = loop {
        let is_overdue = clock::now_ms() > plan.until.saturating_add(OVERDUE_MS);
        match handed.look().await {
            Helper::Ended(outcome) => break Some(outcome),
            Helper::Runs | Helper::Away if is_overdue => {
                tracing::error!(
                    operation.id = plan.operation,
                    "the helper does not come to its end"
                );
                if let Err(error) = handed.stop().await {
                    tracing::error!(
                        operation.id = plan.operation,
                        error,
                        "the helper cannot be ended"
                    );
                }
                break handed.outcome();
            }
            Helper::Runs => wait(&handed).await,
            Helper::Away => sleep(LOOK_PAUSE).await,
            Helper::Lost if helpers >= HELPERS_MAX || is_overdue => break None,
            Helper::Lost => {
                helpers += 1;
                tracing::warn!(
                    operation.id = plan.operation,
                    "the helper is gone without a word; it is started again"
                );
                if let Err(why) = handed.start_again(Path::new(&plan.program)).await {
                    tracing::warn!(
                        operation.id = plan.operation,
                        "no helper can be started: {why}"
                    );
                    sleep(AGAIN_PAUSE).await;
                }
            }
        }
    };
    means.observatory.set_going(None);
    failpoint!("hand-over.ended");
    settled(means, item, log, plan, outcome.as_ref()).await
}

/// Waits until the helper has told its outcome, or it is time to ask systemd.
async fn wait(handed: &Handed<'_>) {
    let began = Instant::now();
    while began.elapsed() < ASK_EVERY && handed.outcome().is_none() {
        sleep(LOOK_PAUSE).await;
    }
}

/// The verdict, from what the helper told and from what runs here.
async fn settled(
    means: &Means,
    item: &PlanItem,
    log: &Arc<OperationLog>,
    plan: &UnitPlan,
    outcome: Option<&Outcome>,
) -> Verdict {
    let confirmed = log.is_confirmed();
    let own = means.service.own_at_last().await;
    tracing::info!(
        operation.id = plan.operation,
        ?outcome,
        confirmed,
        "what was handed over is settled"
    );
    let settled = match (&own, outcome) {
        (None, None | Some(Outcome::Unconfirmed { .. })) => {
            let why = "it cannot be told what runs: this agent does not know which service it is";
            (VerdictKind::Unknown, None, Some(why.to_owned()))
        }
        (own, outcome) => verdict(plan, outcome, confirmed, running(own.as_deref())),
    };
    if let (Some(own), None | Some(Outcome::Stuck { .. })) = (own, outcome) {
        put_back(plan, own).await;
    }
    if settled.0 == VerdictKind::Done {
        means.service.programs().clear().await;
    }
    of_service(item, settled)
}

/// Where no helper could, and the old program still runs: so that it is what is started next time too.
async fn put_back(plan: &UnitPlan, own: Arc<OwnService>) {
    if own.unit.sha256 != plan.old_sha256 || plan.new_program().is_none() {
        return;
    }
    let (place, new) = (PathBuf::from(&plan.program), plan.new_sha256.clone());
    let back = spawn_blocking(move || match sha256(&place).ok() == new {
        true => beside(&place, &place, &own.running),
        false => Ok(()),
    });
    let back = back.await.unwrap_or_else(|error| Err(error.into()));
    if let Err(error) = back {
        tracing::error!(
            operation.id = plan.operation,
            "the old program cannot be put back to {}: {error}",
            plan.program
        );
    }
}

fn running(own: Option<&OwnService>) -> Running<'_> {
    Running {
        invocation: own.map_or("", |own| &own.invocation),
        sha256: own.map_or("", |own| &own.unit.sha256),
    }
}

/// Takes away what an operation that is settled has left behind.
pub(super) async fn tidy(means: &Means, plan: &UnitPlan) {
    let systemd = means.service.systemd(plan.user);
    handed(means, &systemd, plan).tidy().await;
}

/// The verdict on what was open when the agent ended, and the plan that is left behind.
pub(super) async fn recover(
    means: &Means,
    operation: &AgentOperation,
    item: &PlanItem,
    log: &Arc<OperationLog>,
) -> (Verdict, Option<UnitPlan>) {
    let plan = means.kept.unit_plan(&operation.id);
    match (plan, log.handed_over()) {
        (Some(plan), Some(_)) => (follow(means, item, log, &plan).await, Some(plan)),
        // The helper was not started yet.
        (plan, None) if log.is_canceled() => (canceled(item), plan),
        (plan, None) => {
            let why = "the agent ended before it had handed over; nothing was changed";
            (of_service(item, failed(why.to_owned())), plan)
        }
        (None, Some(handed)) => {
            tracing::error!(
                operation.id = operation.id,
                "the plan of what was handed over is gone"
            );
            let why = format!(
                "the plan of the hand over is gone, so that nobody can tell whether it was confirmed; it had until {} \
                 (unix ms)",
                handed.until
            );
            let settled = (VerdictKind::Unknown, None, Some(why));
            (of_service(item, settled), None)
        }
    }
}

/// Whether the agent itself is what a plan asks for, so that Core's confirmation counts.
///
/// # Errors
/// `invalid`.
pub(super) async fn check_confirm(means: &Means, plan: &UnitPlan) -> Result<(), AgentError> {
    let own = means.service.own().await;
    match may_confirm(plan, running(own.as_deref()), clock::now_ms()) && own.is_some() {
        true => Ok(()),
        false => Err(AgentError::new(
            AgentErrorCode::Invalid,
            "what runs is not what was asked for, or its time is over",
        )),
    }
}

#[cfg(test)]
mod tests;
