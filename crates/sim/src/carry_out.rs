//! Carries an accepted operation out: in order, so many at a time, each target within its own deadline, every step
//! written down before and after, every verdict from what is observed.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use futures_util::future::join_all;
use komodo_agent_api::{Container, EngineState, OperationEventBody};
use komodo_api::{
    container::ContainerAction,
    plan::{Effect, PlanItem, Reason},
    update::{Verdict, VerdictKind},
};
use komodo_plan::{Decision, Form, guard, reached, refusal, settle, settle_skip};
use tokio::{
    sync::Semaphore,
    time::{Instant, timeout, timeout_at},
};
use tokio_util::sync::CancellationToken;

use crate::{engine::ActError, journal::Killed, process::Process};

/// What a target is told of its operation.
struct Operation {
    id: String,
    action: ContainerAction,
    form: Form,
    overridden: bool,
}

struct Target {
    item: PlanItem,
    deadline: Duration,
    /// Start of its run when it was planned.
    run: Option<i64>,
    /// Whether the journal says that the Engine was about to be asked, and what came of it.
    begun: Option<Begun>,
}

#[derive(Default)]
struct Begun {
    at: i64,
    error: Option<String>,
}

/// Carries out an operation that was just accepted.
pub(crate) async fn carry_out(process: Arc<Process>, id: String) {
    let Some((operation, concurrency, skips, targets)) = read(&process, &id) else {
        return;
    };
    // `Killed` is the end of this process; what is left is settled by the next one.
    let _killed = run(&process, &operation, concurrency, skips, targets).await;
}

/// Settles what an agent before this one left open: by looking, without asking the Engine for anything.
pub(crate) async fn settle_left_open(process: Arc<Process>, id: String) {
    let Some((operation, _, skips, targets)) = read(&process, &id) else {
        return;
    };
    let _killed = settle_all(&process, &operation, skips, targets).await;
}

async fn run(
    process: &Process,
    operation: &Operation,
    concurrency: u32,
    skips: Vec<PlanItem>,
    targets: Vec<Target>,
) -> Result<(), Killed> {
    write_skips(process, operation, skips)?;
    let permits =
        Semaphore::new(usize::try_from(concurrency.max(1)).unwrap_or(Semaphore::MAX_PERMITS));
    let settled: BTreeMap<&str, CancellationToken> = targets
        .iter()
        .map(|target| (target.item.id.as_str(), CancellationToken::new()))
        .collect();
    let work = targets.iter().map(|target| async {
        for before in &target.item.after {
            // Every target settles by its own deadline, so that one that hangs holds this up no longer than that.
            if let Some(before) = settled.get(before.as_str()) {
                before.cancelled().await;
            }
        }
        let _permit = permits.acquire().await;
        let done = act(process, operation, target).await;
        if let Some(token) = settled.get(target.item.id.as_str()) {
            token.cancel();
        }
        done
    });
    for done in join_all(work).await {
        done?;
    }
    write(
        process,
        operation,
        OperationEventBody::Ended { error: None },
    )
}

async fn act(process: &Process, operation: &Operation, target: &Target) -> Result<(), Killed> {
    let item = &target.item;
    // The choke point: whatever was planned, nothing reaches the Engine that the guard keeps now.
    if let Some((verdict, reason, error)) = kept(process, operation, item) {
        return write_verdict(
            process,
            operation,
            item,
            (verdict, Some(reason), error),
            None,
        );
    }
    if process.disk.is_full() {
        let why = "the journal cannot be written: its disk is full; it was not tried".to_owned();
        return write_verdict(
            process,
            operation,
            item,
            (VerdictKind::Failed, None, Some(why)),
            None,
        );
    }
    write(
        process,
        operation,
        OperationEventBody::Started {
            id: item.id.clone(),
        },
    )?;
    let ends = Instant::now() + target.deadline;
    let (acted, error) = match timeout(
        target.deadline,
        process.world.act(&operation.id, &item.id, operation.action),
    )
    .await
    {
        Ok(Ok(())) => (true, None),
        Ok(Err(ActError::NotAsked(error))) => (false, Some(error)),
        Ok(Err(ActError::Said(error))) => (true, Some(error)),
        Err(_) => (
            true,
            Some(format!(
                "the Engine did not answer within {} s",
                target.deadline.as_secs()
            )),
        ),
    };
    write(
        process,
        operation,
        OperationEventBody::Acted {
            id: item.id.clone(),
            error: error.clone(),
        },
    )?;
    let verdict = match observe(process, &item.id, ends).await {
        Some(observed) => judge(operation, target, observed, acted, error.as_deref()),
        None => (unobserved(), None),
    };
    write_verdict(process, operation, item, verdict.0, verdict.1)
}

async fn settle_all(
    process: &Process,
    operation: &Operation,
    skips: Vec<PlanItem>,
    targets: Vec<Target>,
) -> Result<(), Killed> {
    write_skips(process, operation, skips)?;
    let work = targets.iter().map(|target| async {
        let (acted, error, ends) = match &target.begun {
            None => (
                false,
                Some("the agent was stopped before it was tried".to_owned()),
                Instant::now(),
            ),
            Some(begun) => {
                let passed = u64::try_from(process.world.now() - begun.at).unwrap_or(0);
                let left = target
                    .deadline
                    .saturating_sub(Duration::from_millis(passed));
                let error = begun.error.clone();
                let error = error.or_else(|| {
                    Some("the agent was stopped before the Engine had answered".to_owned())
                });
                (true, error, Instant::now() + left)
            }
        };
        // What was asked for may yet come about: the Engine did not stop with the agent.
        let verdict = loop {
            let mut changes = process.world.subscribe().changes;
            let Some(observed) = observe(process, &target.item.id, ends).await else {
                break (unobserved(), None);
            };
            let there = match &observed {
                None => true,
                Some(container) => !acted || is_there(operation, target, container),
            };
            if there || timeout_at(ends, changes.recv()).await.is_err() {
                break judge(operation, target, observed, acted, error.as_deref());
            }
        };
        write_verdict(process, operation, &target.item, verdict.0, verdict.1)
    });
    for done in join_all(work).await {
        done?;
    }
    write(
        process,
        operation,
        OperationEventBody::Ended { error: None },
    )
}

fn is_there(operation: &Operation, target: &Target, container: &Container) -> bool {
    reached(operation.action, container.state)
        && (operation.action != ContainerAction::Restart || container.started_at != target.run)
}

type Settled = (VerdictKind, Option<Reason>, Option<String>);

fn judge(
    operation: &Operation,
    target: &Target,
    observed: Option<Container>,
    acted: bool,
    error: Option<&str>,
) -> (Settled, Option<Container>) {
    let restarted = observed
        .as_ref()
        .map(|container| container.started_at != target.run);
    let verdict = settle(
        operation.action,
        target.item.state,
        observed.as_ref(),
        acted,
        error,
        restarted,
    );
    (verdict, observed)
}

fn unobserved() -> Settled {
    (
        VerdictKind::Unknown,
        None,
        Some("the Engine does not answer, so that nobody can tell".to_owned()),
    )
}

/// The container as the Engine has it, once the Engine answers; `None` if it does not by then.
async fn observe(process: &Process, id: &str, ends: Instant) -> Option<Option<Container>> {
    let look = async {
        loop {
            let mut changes = process.world.subscribe().changes;
            if matches!(process.world.engine(), EngineState::Connected { .. }) {
                return process.world.container(id);
            }
            _ = changes.recv().await;
        }
    };
    timeout_at(ends, look).await.ok()
}

/// Why the guard keeps a container now, if it does.
fn kept(
    process: &Process,
    operation: &Operation,
    item: &PlanItem,
) -> Option<(VerdictKind, Reason, Option<String>)> {
    let protected = process.protected(&process.world.containers());
    let reasons = protected
        .iter()
        .find(|entry| entry.id == item.id)
        .map_or(&[][..], |entry| &entry.reasons);
    match guard(
        reasons,
        operation.action,
        operation.form,
        operation.overridden,
    ) {
        Decision::Act => None,
        Decision::Skip(reason) => Some((VerdictKind::Skipped, reason, None)),
        Decision::Refuse(reason) => {
            let why = refusal(&item.container, operation.action, &reason);
            Some((VerdictKind::Failed, reason, Some(why)))
        }
    }
}

/// What the journal holds of an operation and what of it is still to be done.
fn read(process: &Process, id: &str) -> Option<(Operation, u32, Vec<PlanItem>, Vec<Target>)> {
    process.disk.with(id, |record| {
        let mut begun: BTreeMap<&str, Begun> = BTreeMap::new();
        let mut settled: Vec<(&str, &str)> = Vec::new();
        for event in &record.events {
            match &event.body {
                OperationEventBody::Started { id } => {
                    begun.insert(
                        id,
                        Begun {
                            at: event.at,
                            error: None,
                        },
                    );
                }
                OperationEventBody::Acted { id, error } => {
                    begun.entry(id).or_default().error.clone_from(error);
                }
                OperationEventBody::Verdict(verdict) => {
                    settled.push((&verdict.id, &verdict.container))
                }
                OperationEventBody::Planned { .. }
                | OperationEventBody::Canceled { .. }
                | OperationEventBody::Ended { .. } => {}
            }
        }
        settled.sort_unstable();
        let open = |item: &PlanItem| {
            settled
                .binary_search(&(item.id.as_str(), item.container.as_str()))
                .is_err()
        };
        let skips = record
            .plan
            .items
            .iter()
            .filter(|item| item.effect != Effect::Act && open(item))
            .cloned();
        let targets =
            record
                .plan
                .acts()
                .filter(|(item, _)| open(item))
                .map(|(item, deadline_ms)| Target {
                    item: item.clone(),
                    deadline: Duration::from_millis(deadline_ms),
                    run: record.runs.get(&item.id).copied().flatten(),
                    begun: begun.remove(item.id.as_str()),
                });
        let asked = &record.operation;
        let operation = Operation {
            id: asked.id.clone(),
            action: asked.action,
            form: Form::from(&asked.scope),
            overridden: asked.override_reason.is_some(),
        };
        (
            operation,
            asked.concurrency,
            skips.collect(),
            targets.collect(),
        )
    })
}

fn write(process: &Process, operation: &Operation, body: OperationEventBody) -> Result<(), Killed> {
    process
        .disk
        .append(&operation.id, body, process.world.now(), &process.alive)
}

fn write_skips(
    process: &Process,
    operation: &Operation,
    skips: Vec<PlanItem>,
) -> Result<(), Killed> {
    for item in skips {
        let settled = settle_skip(&item, operation.action, operation.form);
        let after = process.world.container(&item.id);
        write_verdict(process, operation, &item, settled, after)?;
    }
    Ok(())
}

fn write_verdict(
    process: &Process,
    operation: &Operation,
    item: &PlanItem,
    (verdict, reason, error): Settled,
    after: Option<Container>,
) -> Result<(), Killed> {
    let verdict = Verdict {
        container: item.container.clone(),
        id: item.id.clone(),
        verdict,
        reason,
        error,
        before: Some(item.state).filter(|state| !state.as_str().is_empty()),
        run: after.as_ref().map(Container::run),
        after: after.map(|container| container.state),
        at: process.world.now(),
    };
    write(process, operation, OperationEventBody::Verdict(verdict))
}
