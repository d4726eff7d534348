//! What is seen of a target at the Engine, and the verdict that follows from it.

use std::time::Duration;

use komodo_agent_api::{AgentOperation, Container, OperationEventBody};
use komodo_api::{
    UnixMs,
    container::ContainerAction,
    engine::ContainerStateStatusEnum,
    plan::{PlanItem, Reason, ReasonCode},
    update::{Run, Verdict, VerdictKind},
};
use komodo_plan::{Settled, reached, restarted, settle_back};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::{log::OperationLog, run::Means, target::Turn};
use crate::{clock, observe::Observatory, redact::redact};

/// Time after which nobody waits any more for an Engine that would tell what became of a container.
const OBSERVE_MAX: Duration = Duration::from_secs(24 * 3600);
/// Looks at a container that is not as the Engine has said that it is: Engine 20.10 hears of a pause from containerd once
/// more behind the call that asked for it, and shows one that was resumed at once as paused for a moment.
const DOUBTS_MAX: u32 = 4;
/// Looks at a container that the Engine does not answer, while it answers otherwise.
const LOOKS_MAX: u32 = 3;
pub(super) const LOOK_PAUSE: Duration = Duration::from_millis(300);
/// What the Engine waits for the end of a container that says nothing itself.
const STOP_TIMEOUT_S_DEFAULT: i64 = 10;
/// Wait for the end of a container at most.
const STOP_TIMEOUT_S_MAX: u64 = 3_600;
/// What the Engine needs beyond that wait.
const AT_IT_MARGIN_MS: u64 = 5_000;

/// How long an event may come behind the answer to the call that it tells of, before the container is looked at: an
/// inspect costs the Engine more than most calls.
pub(super) const EVENT_PATIENCE: Duration = Duration::from_millis(25);

/// What is seen of a container.
pub(super) enum Seen {
    There(Box<Container>),
    Gone,
    /// Nobody can tell, and why.
    Nothing(String),
}

/// What came of asking the Engine to act on a target.
#[derive(Clone, Copy)]
pub(super) struct Ask<'a> {
    /// Its state before.
    pub(super) before: ContainerStateStatusEnum,
    /// Whether the Engine did something, or may have.
    pub(super) acted: bool,
    /// Time at which it was asked, where no answer came: it may be at it still.
    pub(super) unanswered_since: Option<UnixMs>,
    /// What went wrong.
    pub(super) error: Option<&'a str>,
    /// The run before, where the Engine has dated it.
    pub(super) run: Option<Run>,
}

/// Looks at a container until the Engine tells. A turn is given back as soon as that takes longer.
pub(super) async fn observe(means: &Means, id: &str, turn: &mut Option<Turn>) -> Seen {
    let until = Instant::now() + OBSERVE_MAX;
    let mut looks = 0;
    loop {
        let error = match means.observatory.look(&means.engine, id).await {
            Ok(Some(container)) => return Seen::There(Box::new(container)),
            Ok(None) => return Seen::Gone,
            Err(error) => error,
        };
        *turn = None;
        // An Engine that is away does not count; it is waited for.
        let away = !means.observatory.read(crate::observe::View::is_ready);
        looks += u32::from(!away);
        if looks >= LOOKS_MAX {
            return Seen::Nothing(redact(&error.chain()));
        }
        sleep(LOOK_PAUSE).await;
        if timeout_at(until, means.observatory.ready()).await.is_err() {
            return Seen::Nothing(redact(&error.chain()));
        }
    }
}

/// What the Engine's events have told since, or tell within `patience`, where that is the asked state: they are its own
/// account of what happened, come from another road than the answer, and before it or right behind it. What starts is
/// looked at all the same, since it may have ended already, and so is what the Engine itself has not dated yet.
pub(super) async fn told_by_events(
    observatory: &Observatory,
    action: ContainerAction,
    before: &Container,
    patience: Duration,
) -> Option<Seen> {
    let told = observatory.wait_for(|view| {
        let now = view.by_id(&before.id).map(|now| &**now);
        match event_tells(action, before, now, view.is_dated(&before.id)) {
            Told::Reached => {
                Some(Some(now.map_or(Seen::Gone, |now| {
                    Seen::There(Box::new(now.clone()))
                })))
            }
            Told::Never => Some(None),
            Told::NotYet => None,
        }
    });
    timeout(patience, told).await.ok().flatten()
}

/// What events tell of a target that the Engine was asked for.
#[derive(Debug, PartialEq, Eq)]
enum Told {
    /// It is in the asked state, and not since before.
    Reached,
    NotYet,
    /// Nothing that would be enough.
    Never,
}

/// What is told by a container as events have made it, absent where they have told its end.
fn event_tells(
    action: ContainerAction,
    before: &Container,
    now: Option<&Container>,
    dated: bool,
) -> Told {
    use ContainerAction::{Destroy, Pause, Prune, Restart, Start, Stop, Unpause};
    match (action, now) {
        (Start | Restart, _) | (Stop | Pause | Unpause, None) => Told::Never,
        (Destroy | Prune, None) => Told::Reached,
        (Destroy | Prune, Some(_)) => Told::NotYet,
        (Stop | Pause | Unpause, Some(_)) if !dated => Told::Never,
        (Stop | Pause | Unpause, Some(now)) => {
            match now.state_at_ns > before.state_at_ns && reached(action, now.state) {
                true => Told::Reached,
                false => Told::NotYet,
            }
        }
    }
}

/// Looks at a target until its verdict is certain: an Engine that was asked and has not answered may be at it still, also
/// when whoever asked it is gone.
pub(super) async fn settle_by_look(
    means: &Means,
    operation: &AgentOperation,
    item: &PlanItem,
    ask: Ask<'_>,
    turn: &mut Option<Turn>,
) -> (Verdict, Seen) {
    let said_done = ask.acted && ask.error.is_none();
    let mut doubts = 0;
    loop {
        let seen = observe(means, &item.id, turn).await;
        let verdict = judge(item, operation.action, ask, &seen);
        let at_it = match (&seen, ask.unanswered_since) {
            (Seen::There(container), Some(since)) => {
                clock::now_ms() < at_it_until(since, container, operation)
            }
            (Seen::There(_), None) => {
                doubts += 1;
                said_done && doubts < DOUBTS_MAX
            }
            _ => false,
        };
        if verdict.verdict != VerdictKind::Failed || !at_it {
            return (verdict, seen);
        }
        sleep(LOOK_PAUSE).await;
    }
}

/// Until when the Engine may still be at what it was asked: a stop goes on without its caller.
fn at_it_until(asked: UnixMs, container: &Container, operation: &AgentOperation) -> UnixMs {
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
    asked.saturating_add_unsigned(stop_s * 1000 + AT_IT_MARGIN_MS)
}

/// The verdict on a target that was to be acted on.
pub(super) fn judge(
    item: &PlanItem,
    action: ContainerAction,
    ask: Ask<'_>,
    seen: &Seen,
) -> Verdict {
    let by = |observed: Option<&Container>| {
        settle_back(
            item.back_to,
            action,
            ask.before,
            observed,
            ask.acted,
            ask.error,
            observed.and_then(|now| restarted(ask.run, now)),
        )
    };
    match seen {
        Seen::There(container) => verdict(item, ask.before, by(Some(container)), Some(container)),
        Seen::Gone => verdict(item, ask.before, by(None), None),
        Seen::Nothing(why) => {
            let error = ask
                .error
                .map_or_else(|| why.clone(), |error| format!("{error}; {why}"));
            let settled = (VerdictKind::Unknown, None, Some(error));
            verdict(item, ask.before, settled, None)
        }
    }
}

/// The verdict on a target as it is told; `after` is the container as it was seen.
pub(super) fn verdict(
    item: &PlanItem,
    before: ContainerStateStatusEnum,
    settled: Settled,
    after: Option<&Container>,
) -> Verdict {
    told(
        item,
        before,
        settled,
        after.map(|after| after.state),
        after.map(Container::run),
    )
}

/// The verdict on a target that is left as the plan found it.
pub(super) fn left_alone(item: &PlanItem, settled: Settled) -> Verdict {
    told(item, item.state, settled, Some(item.state), None)
}

/// The verdict on the agent's own service, which runs as long as there is somebody to tell it.
pub(super) fn of_service(item: &PlanItem, settled: Settled) -> Verdict {
    let runs = ContainerStateStatusEnum::Running;
    told(item, runs, settled, Some(runs), None)
}

/// The verdict on a target whose turn did not come before the operation was canceled.
pub(super) fn canceled(item: &PlanItem, now: Option<&Container>) -> Verdict {
    let reason = Reason::new(ReasonCode::Canceled);
    let settled = (VerdictKind::Skipped, Some(reason), None);
    verdict(item, item.state, settled, now)
}

fn told(
    item: &PlanItem,
    before: ContainerStateStatusEnum,
    (kind, reason, error): Settled,
    after: Option<ContainerStateStatusEnum>,
    run: Option<Run>,
) -> Verdict {
    let known = !item.id.is_empty()
        && reason
            .as_ref()
            .is_none_or(|reason| reason.code != ReasonCode::Gone);
    Verdict {
        container: item.container.clone(),
        id: item.id.clone(),
        verdict: kind,
        reason,
        error: error.map(|error| redact(&error)),
        before: known.then_some(before),
        after: after.filter(|_| known),
        run: run.filter(|_| known),
        at: clock::now_ms(),
    }
}

/// Puts a verdict into the journal and waits for the disk; where that fails the verdict is told all the same.
pub(super) async fn tell(means: &Means, log: &std::sync::Arc<OperationLog>, verdict: Verdict) {
    let _ = log
        .append(&means.journal, [OperationEventBody::Verdict(verdict)])
        .await;
}

#[cfg(test)]
mod tests;
