//! Hand over of the agent's own service, as the agent has part in it: it prepares, starts the helper, and tells what
//! became of it, be it the agent that was asked or one that comes after it.

use std::time::Duration;

use komodo_agent_api::{AgentError, AgentErrorCode, OperationEventBody};
use komodo_api::{
    UnixMs, engine::ContainerStateStatusEnum, periphery::Program, plan::PlanItem, update::Verdict,
};
use komodo_plan::{
    hand_over::Outcome,
    unit_hand_over::{Running, UnitPlan, may_confirm, verdict},
};
use tokio::time::timeout;

use super::{Begun, Operation, Settled, Target, cancel, failed, write};
use crate::{
    journal::Killed,
    process::{Process, lost},
    service::Service,
};

/// Time after its end in which a helper may still put the old program back, and tell.
const PATIENCE_MS: i64 = 660_000;
/// Least time between two looks at a helper that is late.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Where a real agent keeps its journal.
const JOURNAL: &str = "/var/lib/komodo-periphery/operations";

/// Hands the service over, and tells how that ended where this process lives to see it.
pub(super) async fn carry_out(
    process: &Process,
    operation: &Operation,
    target: &Target,
) -> Result<(), Killed> {
    let item = &target.item;
    if let Some(begun) = &target.begun {
        // Only one that is broken on purpose comes here twice: it would go round for ever.
        return settle_left_open(process, operation, item, Some(begun)).await;
    }
    if process.disk.is_full() {
        let why = "the journal cannot be written: its disk is full; it was not tried";
        return tell(process, operation, item, failed(why.to_owned()));
    }
    let (service, plan, program) = match prepare(process, operation, target.deadline) {
        Ok(prepared) => prepared,
        Err(why) => return tell(process, operation, item, untouched(&why)),
    };
    let at = process.world.now();
    let begun = process
        .disk
        .begin(&operation.id, &item.id, None, at, &process.alive)?;
    if !begun {
        return cancel(process, operation, item);
    }
    match program.map_or(Ok(()), |program| service.put_beside(program)) {
        Ok(()) => {
            process.disk.keep_unit_plan(&plan);
            let body = OperationEventBody::HandedOver {
                id: item.id.clone(),
                helper: plan.helper_unit(),
                until: plan.until,
                probation_s: operation.probation_s,
            };
            write(process, operation, body)?;
            service.hand_over(&process.house, plan.clone());
            conclude(process, operation, item, service, &plan).await
        }
        Err(why) => {
            let (id, error) = (item.id.clone(), Some(why.clone()));
            write(process, operation, OperationEventBody::Acted { id, error })?;
            tell(process, operation, item, untouched(&why))
        }
    }
}

fn untouched(why: &str) -> Settled {
    failed(format!("nothing was changed: {why}"))
}

/// The plan of the helper, and what it puts in place; or why it cannot work, while nothing has been touched.
fn prepare<'a>(
    process: &'a Process,
    operation: &'a Operation,
    within: Duration,
) -> Result<(&'a Service, UnitPlan, Option<&'a Program>), String> {
    let none = || "this agent runs as no service of systemd".to_owned();
    let service = process.house.service.as_ref().ok_or_else(none)?;
    let asked = operation.service.as_ref().ok_or_else(none)?;
    let own = process.properties.unit.as_ref().ok_or_else(none)?;
    if let Some(other) = process.disk.other_plan(&operation.id) {
        return Err(format!(
            "another hand over is under way on this server (operation {other}); wait for its end"
        ));
    }
    if asked.unit != own.name {
        return Err(format!(
            "this agent runs as '{}', not as '{}'",
            own.name, asked.unit
        ));
    }
    if let Some(why) = own.fixed.as_ref().filter(|_| asked.program.is_some()) {
        return Err(why.clone());
    }
    let deadline_ms = i64::try_from(within.as_millis()).unwrap_or(i64::MAX);
    let plan = UnitPlan {
        operation: operation.id.clone(),
        unit: own.name.clone(),
        user: own.user,
        program: own.program.clone(),
        old_sha256: own.sha256.clone(),
        new_sha256: asked.program.as_ref().map(|program| program.sha256.clone()),
        invocation: process.invocation.clone(),
        journal: JOURNAL.to_owned(),
        until: process.world.now().saturating_add(deadline_ms),
    };
    Ok((service, plan, asked.program.as_ref()))
}

/// Settles what an agent before this one handed over, or was about to.
pub(super) async fn settle_left_open(
    process: &Process,
    operation: &Operation,
    item: &PlanItem,
    begun: Option<&Begun>,
) -> Result<(), Killed> {
    if let Some(begun) = begun
        && begun.handed_over
        && begun.error.is_none()
        && let Some(plan) = process.disk.unit_plan(&operation.id)
        && let Some(service) = &process.house.service
    {
        if service.helper(&operation.id).is_none() {
            // The agent was killed right before it started one.
            service.hand_over(&process.house, plan.clone());
        }
        return conclude(process, operation, item, service, &plan).await;
    }
    if begun.is_none() && operation.canceled.is_cancelled() {
        return cancel(process, operation, item);
    }
    let why = match begun {
        Some(Begun {
            error: Some(error), ..
        }) => error,
        Some(_) => "the agent was stopped before its helper was ready",
        None => "the agent was stopped before it was tried",
    };
    tell(process, operation, item, untouched(why))
}

/// Waits for the helper, writes down what became of the service, and removes what is left.
async fn conclude(
    process: &Process,
    operation: &Operation,
    item: &PlanItem,
    service: &Service,
    plan: &UnitPlan,
) -> Result<(), Killed> {
    let outcome = outcome(process, service, plan).await;
    let confirmed = process.disk.is_confirmed(&operation.id);
    let settled = verdict(plan, outcome.as_ref(), confirmed, running(process));
    tell(process, operation, item, settled)?;
    service.tidy();
    Ok(())
}

/// How a helper ended; `None` where it is gone without a word.
async fn outcome(process: &Process, service: &Service, plan: &UnitPlan) -> Option<Outcome> {
    let patience: UnixMs = plan.until.saturating_add(PATIENCE_MS);
    loop {
        let mut changes = service.changes();
        if let Some(outcome) = service.helper(&plan.operation)? {
            return Some(outcome);
        }
        let left_ms = u64::try_from(patience - process.world.now()).unwrap_or_default();
        // The clock of the host may be set meanwhile.
        let left = Duration::from_millis(left_ms).clamp(LOOK_EVERY, Duration::from_secs(60));
        _ = timeout(left, changes.changed()).await;
    }
}

fn running(process: &Process) -> Running<'_> {
    let unit = process.properties.unit.as_ref();
    Running {
        invocation: &process.invocation,
        sha256: unit.map_or("", |unit| &unit.sha256),
    }
}

fn tell(
    process: &Process,
    operation: &Operation,
    item: &PlanItem,
    (verdict, reason, error): Settled,
) -> Result<(), Killed> {
    let verdict = Verdict {
        container: item.container.clone(),
        id: item.id.clone(),
        verdict,
        reason,
        error,
        before: Some(item.state),
        after: Some(ContainerStateStatusEnum::Running),
        run: None,
        at: process.world.now(),
    };
    write(process, operation, OperationEventBody::Verdict(verdict))
}

/// Confirms what was handed over, where this is what the plan asks for.
pub(super) fn confirm(process: &Process, plan: &UnitPlan) -> Result<(), AgentError> {
    let now = process.world.now();
    if !may_confirm(plan, running(process), now) {
        let why = "what was handed over is not there, or its time is over";
        return Err(AgentError::new(AgentErrorCode::Invalid, why));
    }
    if process.disk.is_full() {
        let why = "the disk of the journal is full";
        return Err(AgentError::new(AgentErrorCode::StorageFull, why));
    }
    let body = OperationEventBody::Confirmed;
    let written = process
        .disk
        .append(&plan.operation, body, now, &process.alive);
    written.map_err(|_killed| lost())
}
