//! Hand over as the agent has part in it: it prepares, starts the helper, and tells what became of it, be it the agent
//! that was asked or one that comes after it.

use std::time::Duration;

use komodo_agent_api::{AgentError, AgentErrorCode, Container, EngineState, OperationEventBody};
use komodo_api::{UnixMs, engine::ContainerStateStatusEnum, plan::PlanItem};
use komodo_plan::hand_over::{
    HELPER_LABEL, HandOverPlan, JournalPlace, Outcome, Replace, may_confirm, verdict,
};
use serde_json::json;
use tokio::time::timeout;

use super::{
    Begun, Kept, NotAsked, Operation, Settled, Step, Target, canceled, failed, observe, permit,
    service, write, write_verdict,
};
use crate::{
    image::Image,
    journal::{Killed, Record},
    process::{Process, lost},
};

/// Time after its end in which a helper may still put the old container back, and tell.
const PATIENCE_MS: i64 = 660_000;
/// Least time between two looks at a helper that is late.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Where a real agent keeps its journal.
const JOURNAL: &str = "/config/operations";

/// Hands a target over, and tells how that ended where this process lives to see it.
pub(super) async fn carry_out(
    process: &Process,
    operation: &Operation,
    target: &Target,
) -> Result<(), Killed> {
    let item = &target.item;
    if let Some(begun) = &target.begun {
        // Only one that is broken on purpose comes here twice: it would go round for ever.
        return settle_left_open(process, operation, item, begun).await;
    }
    let tell = |settled: Settled, now: Option<&Container>| {
        let before = now.map_or(item.state, |now| now.state);
        write_verdict(process, operation, item, before, settled, now)
    };
    let now = match permit(process, operation, target, operation.action, Step::First) {
        Ok(now) => now,
        Err(Kept::Settled(settled, now)) => return tell(settled, now.as_deref()),
        Err(Kept::Away(why)) => {
            let why = format!("nothing was changed: the Engine could not be asked: {why}");
            return tell(failed(why), None);
        }
    };
    if process.disk.is_full() {
        let why = "the journal cannot be written: its disk is full; it was not tried";
        return tell(failed(why.to_owned()), Some(&now));
    }
    let (run, at) = (Some(now.run()), process.world.now());
    let begun = process
        .disk
        .begin(&operation.id, &item.id, run, at, &process.alive)?;
    if !begun {
        return match canceled(process, item) {
            NotAsked::Settled(settled, now) => tell(settled, now.as_deref()),
            NotAsked::Killed(killed) => Err(killed),
        };
    }
    let plan = match prepare(process, operation, &now, target.deadline) {
        Ok((helper, plan)) => {
            process.disk.keep_plan(&plan);
            let body = OperationEventBody::HandedOver {
                id: now.id.clone(),
                helper: helper.name.clone(),
                until: plan.until,
                probation_s: operation.probation_s,
            };
            write(process, operation, body)?;
            match process.world.start(&helper.id) {
                Ok(()) => Ok(plan),
                Err(why) => Err(format!("its helper cannot be started: {why}")),
            }
        }
        Err(why) => Err(why),
    };
    match plan {
        Ok(plan) => conclude(process, operation, item, &plan).await,
        Err(why) => {
            remove_helper(process, &operation.id);
            let (id, error) = (item.id.clone(), Some(why.clone()));
            write(process, operation, OperationEventBody::Acted { id, error })?;
            tell(failed(format!("nothing was changed: {why}")), Some(&now))
        }
    }
}

/// Makes the helper, not started, and its plan; or why it cannot work, while nothing has been touched.
fn prepare(
    process: &Process,
    operation: &Operation,
    now: &Container,
    within: Duration,
) -> Result<(Container, HandOverPlan), String> {
    let (world, programs) = (&process.world, &process.house.programs);
    if let Some(other) = process.disk.other_plan(&operation.id) {
        return Err(format!(
            "another hand over is under way on this server (operation {other}); wait for its end"
        ));
    }
    if now.auto_remove {
        return Err(format!(
            "{} was started with --rm: the Engine would remove it",
            now.name
        ));
    }
    let replace = operation.recreate.as_ref().map(|recreate| Replace {
        image: recreate.image.clone().unwrap_or_else(|| now.image.clone()),
        restart_policy: json!({ "Name": now.restart_policy, "MaximumRetryCount": 0 }),
        carry: Vec::new(),
    });
    if let Some(replace) = &replace
        && programs.image(&replace.image) == Image::Absent
    {
        return Err(format!(
            "the image {} cannot be pulled: it is not there",
            replace.image
        ));
    }
    if let EngineState::Unreachable { why, .. } = world.engine() {
        return Err(why);
    }
    let own = process.properties.container.as_ref();
    let deadline_ms = i64::try_from(within.as_millis()).unwrap_or(i64::MAX);
    let until = world.now().saturating_add(deadline_ms);
    let plan = HandOverPlan {
        operation: operation.id.clone(),
        container: now.id.clone(),
        name: now.name.clone(),
        run: now.run(),
        stop_timeout_s: operation.time.map(i64::from),
        replace,
        journal: JournalPlace {
            container: own.filter(|own| **own != now.id).cloned(),
            path: JOURNAL.to_owned(),
        },
        until,
    };
    let image = own.and_then(|own| world.container(own));
    let helper = world.create(Container {
        name: plan.helper_name(),
        image: image.map_or_else(|| now.image.clone(), |own| own.image),
        state: ContainerStateStatusEnum::Created,
        network_mode: "none".to_owned(),
        restart_policy: "always".to_owned(),
        labels: [
            (HELPER_LABEL.to_owned(), operation.id.clone()),
            ("komodo.skip".to_owned(), "true".to_owned()),
        ]
        .into_iter()
        .collect(),
        ..Container::default()
    });
    programs.run_helper(&helper.id, plan.clone());
    Ok((helper, plan))
}

/// Settles what an agent before this one handed over, or was about to.
pub(super) async fn settle_left_open(
    process: &Process,
    operation: &Operation,
    item: &PlanItem,
    begun: &Begun,
) -> Result<(), Killed> {
    if begun.handed_over
        && begun.error.is_none()
        && let Some(plan) = process.disk.plan(&operation.id)
    {
        return conclude(process, operation, item, &plan).await;
    }
    let now = observe(process, &item.id).await.flatten();
    // One that was made and is not in the journal was never started.
    remove_helper(process, &operation.id);
    let why = match &begun.error {
        Some(error) => error.clone(),
        None => "the agent was stopped before its helper was ready".to_owned(),
    };
    let settled = failed(format!("nothing was changed: {why}"));
    write_verdict(process, operation, item, item.state, settled, now.as_ref())
}

/// Waits for the helper, writes down what became of the target, and removes the helper.
async fn conclude(
    process: &Process,
    operation: &Operation,
    item: &PlanItem,
    plan: &HandOverPlan,
) -> Result<(), Killed> {
    let outcome = outcome(process, &operation.id, plan.until).await;
    // By its name: where it was replaced, another one bears it.
    let now = observe(process, &plan.name).await.flatten();
    let confirmed = process.disk.is_confirmed(&operation.id);
    let settled = verdict(plan, outcome.as_ref(), confirmed, now.as_ref());
    write_verdict(process, operation, item, item.state, settled, now.as_ref())?;
    remove_helper(process, &operation.id);
    Ok(())
}

/// How a helper ended; `None` where it is gone without a word.
async fn outcome(process: &Process, operation: &str, until: UnixMs) -> Option<Outcome> {
    let world = &process.world;
    let patience = until.saturating_add(PATIENCE_MS);
    loop {
        let mut changes = world.subscribe().changes;
        let mut works = true;
        if matches!(world.engine(), EngineState::Connected { .. }) {
            let helper = helper(process, operation)?;
            // However late it is: it tells when it is through.
            works = helper.state == ContainerStateStatusEnum::Running;
            if let Some(outcome) = process.house.programs.outcome(&helper.id) {
                return Some(outcome);
            }
            if helper.state == ContainerStateStatusEnum::Created {
                let why = "the agent was stopped before its helper was started".to_owned();
                return Some(Outcome::Untouched { why });
            }
        }
        let left_ms = u64::try_from(patience - world.now()).unwrap_or_default();
        if left_ms == 0 && !works {
            return None;
        }
        // The clock of the host may be set meanwhile.
        let left = Duration::from_millis(left_ms).clamp(LOOK_EVERY, Duration::from_secs(60));
        _ = timeout(left, changes.recv()).await;
    }
}

fn helper(process: &Process, operation: &str) -> Option<Container> {
    let is_it = |container: &Container| {
        container
            .labels
            .get(HELPER_LABEL)
            .is_some_and(|of| of == operation)
    };
    process.world.containers().into_iter().find(is_it)
}

fn remove_helper(process: &Process, operation: &str) {
    if let Some(helper) = helper(process, operation)
        && process.world.remove(&helper.id).is_ok()
    {
        process.house.programs.forget_helper(&helper.id);
    }
}

/// Removes helpers that are through, or never began, and whose operation has ended.
pub(crate) fn tidy(process: &Process) {
    let open = process.disk.open();
    if open.is_empty()
        && let Some(service) = &process.house.service
    {
        service.tidy();
    }
    for id in process.house.programs.helpers() {
        let plan = process.house.programs.plan(&id);
        if let Some(plan) = plan
            && process.world.state_of(&id) != Some(ContainerStateStatusEnum::Running)
            && !open.contains(&plan.operation)
        {
            remove_helper(process, &plan.operation);
        }
    }
}

/// Confirms what an operation handed over, where it has been.
pub(crate) fn confirm(process: &Process, id: &str) -> Result<(), AgentError> {
    let known = process.disk.with(id, |record: &Record| {
        let settled = record.ended() || record.confirmed();
        (settled, record.handed_over().is_some())
    });
    let invalid = |why: &str| Err(AgentError::new(AgentErrorCode::Invalid, why));
    match known {
        None => {
            return Err(AgentError::new(
                AgentErrorCode::NotFound,
                format!("there is no operation '{id}'"),
            ));
        }
        Some((true, _)) => return Ok(()),
        Some((false, true)) => {}
        Some((false, false)) => return invalid("nothing was handed over"),
    }
    if let Some(plan) = process.disk.unit_plan(id) {
        return service::confirm(process, &plan);
    }
    let Some(plan) = process.disk.plan(id) else {
        return invalid("nothing was handed over");
    };
    if let EngineState::Unreachable { why, .. } = process.world.engine() {
        return Err(AgentError::new(
            AgentErrorCode::EngineUnreachable,
            format!("the Docker Engine does not answer: {why}"),
        ));
    }
    let named = process.world.container(&plan.name);
    if !may_confirm(&plan, named.as_ref(), process.world.now()) {
        return invalid("what was handed over is not there, or its time is over");
    }
    if process.disk.is_full() {
        return Err(AgentError::new(
            AgentErrorCode::StorageFull,
            "the disk of the journal is full",
        ));
    }
    let (body, at) = (OperationEventBody::Confirmed, process.world.now());
    let written = process.disk.append(id, body, at, &process.alive);
    written.map_err(|_killed| lost())
}
