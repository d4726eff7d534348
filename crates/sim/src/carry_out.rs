//! Carries an accepted operation out: in order, so many at a time, each target within its own deadline, every step
//! written down before and after, every verdict from what is observed.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use futures_util::future::join_all;
use komodo_agent_api::{Container, EngineState, Expected, OperationEventBody};
use komodo_api::{
    container::{ContainerAction, Recreate},
    engine::ContainerStateStatusEnum,
    periphery::AgentService,
    plan::{Effect, PlanItem, Reason, ReasonCode},
    update::{Run, Verdict, VerdictKind},
};
use komodo_plan::{
    Decision, Form, Lift, UNIT_PREFIX, changed_since, guard, reached, second_step, settle,
    settle_skip, state_effect, target_deadline_ms,
};
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::{Instant, timeout_at},
};
use tokio_util::sync::CancellationToken;

mod detach;
mod hand_over;
mod look;
mod read;
mod service;

use crate::{engine::ActError, journal::Killed, process::Process};
pub(crate) use hand_over::{confirm, tidy};
use look::{judge, look, observe};
use read::read;

/// What a target may take where nobody wrote down what it does: only an agent that is broken on purpose goes on with
/// such a one.
const DEADLINE_MS_DEFAULT: u64 = 60_000;

/// What a target is told of its operation.
struct Operation {
    id: String,
    action: ContainerAction,
    form: Form,
    lift: Lift,
    /// Seconds that a container gets to end, where the order says.
    time: Option<i32>,
    /// Where a new container is made.
    recreate: Option<Recreate>,
    /// The agent's own service, where it is about that.
    service: Option<AgentService>,
    /// Seconds that what is handed over is watched.
    probation_s: u32,
    operator: String,
    canceled: CancellationToken,
}

struct Target {
    item: PlanItem,
    deadline: Duration,
    /// As what it is to be found, where the order says.
    expected: Option<Expected>,
    /// Whether the journal says that the Engine was about to be asked, and what came of it.
    begun: Option<Begun>,
}

#[derive(Default)]
struct Begun {
    at: i64,
    /// The run that it was in before.
    run: Option<Run>,
    times: u32,
    answered: bool,
    error: Option<String>,
    /// A helper was to do it.
    handed_over: bool,
}

/// What is done to a target, of which an undo may take two.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    /// What the operation is.
    First,
    /// What brings it back to the state that an undo found before.
    Second,
}

/// That the Engine was asked, and how that ended.
struct Asked {
    /// The container as it was right before.
    before: Container,
    answered: bool,
    error: Option<String>,
}

/// Why the Engine is not asked.
enum Kept {
    /// Because of how things are; the container as it is, where it is there.
    Settled(Settled, Option<Box<Container>>),
    /// It does not answer.
    Away(String),
}

/// Why there is no answer of the Engine.
enum NotAsked {
    Settled(Settled, Option<Box<Container>>),
    Killed(Killed),
}

impl From<Killed> for NotAsked {
    fn from(killed: Killed) -> Self {
        NotAsked::Killed(killed)
    }
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
    if settle_all(&process, &operation, skips, targets)
        .await
        .is_ok()
    {
        tidy(&process);
    }
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
        let turn = async {
            for before in &target.item.after {
                // Every target settles by its own deadline, so that one that hangs holds this up no longer than that.
                if let Some(before) = settled.get(before.as_str()) {
                    before.cancelled().await;
                }
            }
            permits.acquire().await
        };
        let turn = tokio::select! {
            biased;
            () = operation.canceled.cancelled() => None,
            permit = turn => Some(permit),
        };
        let done = match turn {
            Some(turn) => match target.item.effect {
                Effect::HandOver if is_unit(&target.item) => {
                    service::carry_out(process, operation, target).await
                }
                Effect::HandOver => hand_over::carry_out(process, operation, target).await,
                Effect::Detach => detach::carry_out(process, operation, target).await,
                _ => act(process, operation, target, turn.ok()).await,
            },
            None => cancel(process, operation, &target.item),
        };
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

async fn act(
    process: &Process,
    operation: &Operation,
    target: &Target,
    mut turn: Option<SemaphorePermit<'_>>,
) -> Result<(), Killed> {
    let item = &target.item;
    let ends = Instant::now() + target.deadline;
    let action = operation.action;
    let asked = match ask(process, operation, target, action, Step::First, ends).await {
        Ok(asked) => asked,
        Err(NotAsked::Killed(killed)) => return Err(killed),
        Err(NotAsked::Settled(settled, now)) => {
            let before = now.as_ref().map_or(item.state, |now| now.state);
            return write_verdict(process, operation, item, before, settled, now.as_deref());
        }
    };
    let before = asked.before.state;
    let run = Some(asked.before.run());
    let mut answered = asked.answered;
    if !answered && matches!(process.world.engine(), EngineState::Unreachable { .. }) {
        // While it waits for an Engine that would tell, the next ones may.
        drop(turn.take());
    }
    let mut error = asked.error;
    if process.broken.settlement() {
        let settled = match error {
            None => (VerdictKind::Done, None, None),
            Some(error) => failed(error),
        };
        let now = process.world.container(&item.id);
        return write_verdict(process, operation, item, before, settled, now.as_ref());
    }
    if let Some(second) = second_step(action, item.back_to) {
        let seen = look(process, operation, target, run, !answered, true, ends).await;
        if let Some(Some(now)) = &seen
            && reached(action, now.state)
        {
            (answered, error) =
                match ask(process, operation, target, second, Step::Second, ends).await {
                    Ok(asked) => (asked.answered, asked.error),
                    Err(NotAsked::Killed(killed)) => return Err(killed),
                    Err(NotAsked::Settled((_, reason, error), _)) => {
                        let reason = reason.map(|reason| reason.sentence());
                        (true, error.or(reason))
                    }
                };
        }
    }
    let seen = look(process, operation, target, run, !answered, false, ends).await;
    let (settled, now) = judge(operation, item, before, run, seen, true, error.as_deref());
    write_verdict(process, operation, item, before, settled, now.as_ref())
}

/// Asks the Engine for one step of a target. The facts are looked at before the step is written down and again right
/// before the Engine is asked; an Engine that is away is waited for.
async fn ask(
    process: &Process,
    operation: &Operation,
    target: &Target,
    action: ContainerAction,
    step: Step,
    ends: Instant,
) -> Result<Asked, NotAsked> {
    let item = &target.item;
    let acted = |error: Option<String>| {
        let id = item.id.clone();
        write(process, operation, OperationEventBody::Acted { id, error })
    };
    let mut begun = false;
    loop {
        let mut changes = process.world.subscribe().changes;
        let why = match permit(process, operation, target, action, step) {
            Err(Kept::Away(why)) => why,
            Err(Kept::Settled(settled, now)) => {
                if begun {
                    let reason = settled.1.as_ref().map(Reason::sentence);
                    let why = settled.2.clone().or(reason).unwrap_or_default();
                    acted(Some(format!("it was not asked: {why}")))?;
                }
                return Err(NotAsked::Settled(settled, now));
            }
            Ok(before) if !begun => {
                let run = Some(before.run());
                if process.disk.is_full() {
                    let why = "the journal cannot be written: its disk is full; it was not tried";
                    return Err(NotAsked::Settled(failed(why.to_owned()), None));
                }
                begun = match step {
                    Step::First => process.disk.begin(
                        &operation.id,
                        &item.id,
                        run,
                        process.world.now(),
                        &process.alive,
                    )?,
                    Step::Second => {
                        let id = item.id.clone();
                        write(process, operation, OperationEventBody::Started { id, run })?;
                        true
                    }
                };
                if !begun {
                    return Err(canceled(process, item));
                }
                continue;
            }
            Ok(before) => {
                let call = process.world.act(&operation.id, &item.id, action);
                let (answered, error) = match timeout_at(ends, call).await {
                    Ok(Ok(())) => (true, None),
                    Ok(Err(ActError::Said(error))) => (true, Some(error)),
                    Ok(Err(ActError::Lost(error))) => (false, Some(error)),
                    Ok(Err(ActError::NotAsked(_))) => continue,
                    Err(_) => {
                        let seconds = target.deadline.as_secs();
                        let why = format!("the Engine did not answer within {seconds} s");
                        (false, Some(why))
                    }
                };
                acted(error.clone())?;
                return Ok(Asked {
                    before,
                    answered,
                    error,
                });
            }
        };
        tokio::select! {
            biased;
            () = operation.canceled.cancelled(), if step == Step::First => {
                if begun {
                    acted(Some(why))?;
                }
                return Err(canceled(process, item));
            }
            back = timeout_at(ends, changes.recv()) => if back.is_err() {
                let seconds = target.deadline.as_secs();
                let why = format!("the Engine could not be asked within {seconds} s: {why}");
                if begun {
                    acted(Some(why.clone()))?;
                }
                return Err(NotAsked::Settled(failed(why), None));
            }
        }
    }
}

/// The choke point: whatever was planned, nothing reaches the Engine that the guard keeps now, or that is not now as it
/// has to be. The container as it is where it may be acted on.
fn permit(
    process: &Process,
    operation: &Operation,
    target: &Target,
    action: ContainerAction,
    step: Step,
) -> Result<Container, Kept> {
    let item = &target.item;
    if let EngineState::Unreachable { why, .. } = process.world.engine() {
        return Err(Kept::Away(why));
    }
    let Some(now) = process.world.container(&item.id) else {
        let gone = settle(action, item.state, None, false, None, None);
        return Err(Kept::Settled(gone, None));
    };
    let protected = process.protected(&process.world.containers());
    let reasons = protected
        .iter()
        .find(|entry| entry.id == item.id)
        .map_or(&[][..], |entry| &entry.reasons);
    let decision = guard(reasons, action, operation.form, operation.lift);
    let (effect, reason) = match decision {
        Decision::Skip(reason) => (Effect::Skip, reason),
        Decision::HandOver(reason) if item.effect != Effect::HandOver => (Effect::Refuse, reason),
        Decision::Detach(reason) if item.effect != Effect::Detach => (Effect::Refuse, reason),
        Decision::Refuse(reason) => (Effect::Refuse, reason),
        Decision::Act | Decision::HandOver(_) | Decision::Detach(_) => {
            let changed = match (step, &target.expected) {
                (Step::First, Some(expected)) => changed_since(expected, &now),
                _ => None,
            };
            let state = || state_effect(action, now.state, operation.form).reason();
            match changed.or_else(|| state().map(Reason::new)) {
                Some(reason) => (Effect::Skip, reason),
                None => return Ok(now),
            }
        }
    };
    let item = PlanItem {
        effect,
        reason: Some(reason),
        state: now.state,
        ..item.clone()
    };
    let settled = settle_skip(&item, action, operation.form);
    Err(Kept::Settled(settled, Some(Box::new(now))))
}

/// Whether it is no container but the agent's own service.
fn is_unit(item: &PlanItem) -> bool {
    item.id.starts_with(UNIT_PREFIX)
}

fn failed(why: String) -> Settled {
    (VerdictKind::Failed, None, Some(why))
}

fn canceled(process: &Process, item: &PlanItem) -> NotAsked {
    let reason = Reason::new(ReasonCode::Canceled);
    let settled = (VerdictKind::Skipped, Some(reason), None);
    let now = process.world.container(&item.id);
    NotAsked::Settled(settled, now.map(Box::new))
}

fn cancel(process: &Process, operation: &Operation, item: &PlanItem) -> Result<(), Killed> {
    let reason = Reason::new(ReasonCode::Canceled);
    let settled = (VerdictKind::Skipped, Some(reason), None);
    let now = process.world.container(&item.id);
    write_verdict(process, operation, item, item.state, settled, now.as_ref())
}

async fn settle_all(
    process: &Process,
    operation: &Operation,
    skips: Vec<PlanItem>,
    targets: Vec<Target>,
) -> Result<(), Killed> {
    write_skips(process, operation, skips)?;
    let work = targets.iter().map(|target| async {
        let item = &target.item;
        if is_unit(item) {
            let begun = target.begun.as_ref();
            return service::settle_left_open(process, operation, item, begun).await;
        }
        let Some(begun) = &target.begun else {
            if operation.canceled.is_cancelled() {
                return cancel(process, operation, item);
            }
            let error = "the agent was stopped before it was tried";
            let seen = observe(process, &item.id).await;
            let (settled, now) = judge(operation, item, item.state, None, seen, false, Some(error));
            return write_verdict(process, operation, item, item.state, settled, now.as_ref());
        };
        match item.effect {
            Effect::HandOver => {
                return hand_over::settle_left_open(process, operation, item, begun).await;
            }
            Effect::Detach => {
                return detach::settle_left_open(process, operation, item, begun).await;
            }
            _ => {}
        }
        // How long the Engine may be at it depends on the container, which no journal describes.
        let now = observe(process, &item.id).await.flatten();
        let may_take = now.map_or(Duration::ZERO, |now| may_take(operation, item, &now));
        let passed = u64::try_from(process.world.now() - begun.at).unwrap_or(0);
        let left = may_take.saturating_sub(Duration::from_millis(passed));
        let ends = Instant::now() + left;
        let halfway = second_step(operation.action, item.back_to).is_some() && begun.times == 1;
        let error = match &begun.error {
            Some(error) => Some(error.as_str()),
            None if !begun.answered => Some("the agent was stopped before the Engine had answered"),
            None if halfway => Some("the agent was stopped before it came to that"),
            None => None,
        };
        // What was asked for may yet come about: the Engine did not stop with the agent.
        let waits = !begun.answered;
        let run = begun.run;
        let seen = look(process, operation, target, run, waits, halfway, ends).await;
        let (settled, now) = judge(operation, item, item.state, run, seen, true, error);
        write_verdict(process, operation, item, item.state, settled, now.as_ref())
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

/// Time that acting on a target may take.
fn may_take(operation: &Operation, item: &PlanItem, now: &Container) -> Duration {
    let step_ms = |action| target_deadline_ms(action, now.stop_timeout_s, operation.time);
    let second_ms = second_step(operation.action, item.back_to).map_or(0, step_ms);
    Duration::from_millis(step_ms(operation.action) + second_ms)
}

type Settled = (VerdictKind, Option<Reason>, Option<String>);

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
        write_verdict(
            process,
            operation,
            &item,
            item.state,
            settled,
            after.as_ref(),
        )?;
    }
    Ok(())
}

fn write_verdict(
    process: &Process,
    operation: &Operation,
    item: &PlanItem,
    before: ContainerStateStatusEnum,
    (verdict, reason, error): Settled,
    after: Option<&Container>,
) -> Result<(), Killed> {
    let verdict = Verdict {
        container: item.container.clone(),
        id: item.id.clone(),
        verdict,
        reason,
        error,
        before: Some(before).filter(|state| !state.as_str().is_empty()),
        run: after.map(Container::run),
        after: after.map(|container| container.state),
        at: process.world.now(),
    };
    write(process, operation, OperationEventBody::Verdict(verdict))
}
