//! Verdicts: from what is observed on the host, never from how a call or a connection ended. And how long acting may
//! take before one looks.

use komodo_agent_api::{Container, PROBATION_S_DEFAULT};
use komodo_api::{
    container::ContainerAction,
    engine::ContainerStateStatusEnum,
    plan::{Effect, PlanItem, Reason, ReasonCode},
    update::{Run, VerdictKind},
};

use crate::{
    ContainersPlan, Form, containers::not_applicable, guard::refusal, guard::verb, state::reached,
    undo::second_step,
};

#[cfg(test)]
mod tests;

/// What the Engine waits for the end of a container that says nothing itself.
const STOP_TIMEOUT_S_DEFAULT: u64 = 10;
/// What a container, or a request, may ask to be waited for at most.
const STOP_TIMEOUT_S_MAX: u64 = 3_600;
/// What the Engine may need beyond waiting: to kill, to unmount, to take down a network.
const MARGIN_STOP_MS: u64 = 20_000;
/// To set up a container and start its process.
const MARGIN_START_MS: u64 = 60_000;
/// To freeze or thaw.
const MARGIN_PAUSE_MS: u64 = 20_000;
/// To remove what it wrote.
const MARGIN_REMOVE_MS: u64 = 120_000;
/// To make a container, to name it, to start it, and to put the old one back where that fails.
const MARGIN_HAND_OVER_MS: u64 = 90_000;
/// To fetch an image.
const MARGIN_PULL_MS: u64 = 600_000;
/// Seconds that what is handed over may be watched at most.
const PROBATION_S_MAX: u32 = 3_600;
/// What an operation takes besides its targets.
const MARGIN_OPERATION_MS: u64 = 10_000;

/// Time within which the Engine has to answer for one container, ms. `time` is what the request says, and wins over
/// the stop timeout of the container; both in seconds, negative is forever (bounded all the same).
pub fn target_deadline_ms(
    action: ContainerAction,
    stop_timeout_s: Option<i64>,
    time: Option<i32>,
) -> u64 {
    use ContainerAction::*;
    let stop_s = stop_s(stop_timeout_s, time);
    match action {
        Start => MARGIN_START_MS,
        Pause | Unpause => MARGIN_PAUSE_MS,
        Stop => stop_s * 1000 + MARGIN_STOP_MS,
        Restart => stop_s * 1000 + MARGIN_STOP_MS + MARGIN_START_MS,
        Destroy => stop_s * 1000 + MARGIN_STOP_MS + MARGIN_REMOVE_MS,
        Prune => MARGIN_REMOVE_MS,
    }
}

/// Time within which what is handed over has to be confirmed, ms, from the time it is prepared on: an image that is
/// fetched for it has a time of its own. `probation_s` absent is the default.
pub(crate) fn hand_over_deadline_ms(
    stop_timeout_s: Option<i64>,
    time: Option<i32>,
    probation_s: Option<u32>,
    recreate: bool,
) -> u64 {
    let probation_s = probation_s.unwrap_or(PROBATION_S_DEFAULT);
    let pull_ms = if recreate { MARGIN_PULL_MS } else { 0 };
    (stop_s(stop_timeout_s, time) + u64::from(probation_s.min(PROBATION_S_MAX))) * 1000
        + MARGIN_HAND_OVER_MS
        + pull_ms
}

/// Seconds that the Engine waits for the end of a container.
fn stop_s(stop_timeout_s: Option<i64>, time: Option<i32>) -> u64 {
    match time.map(i64::from).or(stop_timeout_s) {
        None => STOP_TIMEOUT_S_DEFAULT,
        Some(seconds) => u64::try_from(seconds)
            .unwrap_or(STOP_TIMEOUT_S_MAX)
            .min(STOP_TIMEOUT_S_MAX),
    }
}

/// Time within which a plan is through even if every target needs all of its own, ms: the sum shared by the
/// `concurrency` that works on it, and the longest chain of those that wait for each other.
pub fn operation_deadline_ms(plan: &ContainersPlan, concurrency: u32) -> u64 {
    let mut ends = std::collections::BTreeMap::new();
    let (mut sum, mut longest) = (0_u64, 0_u64);
    // Items come in order, so that what one waits for is known already.
    for (item, deadline) in plan.acts() {
        let begins = item
            .after
            .iter()
            .filter_map(|id| ends.get(id.as_str()))
            .max()
            .copied()
            .unwrap_or(0);
        let end = deadline.saturating_add(begins);
        ends.insert(item.id.as_str(), end);
        longest = longest.max(end);
        sum = sum.saturating_add(deadline);
    }
    (sum / u64::from(concurrency.max(1)))
        .saturating_add(longest)
        .saturating_add(MARGIN_OPERATION_MS)
}

/// Whether a container is in another run than before; `None` where one of the two is not known. Times are compared for
/// being the same only: the clocks of agent and Engine may be set meanwhile.
pub fn restarted(before: Option<Run>, now: &Container) -> Option<bool> {
    let before = before?;
    now.started_at
        .map(|started_at| before.started_at != Some(started_at))
}

/// Kind of the verdict, its reason, and what went wrong.
pub type Settled = (VerdictKind, Option<Reason>, Option<String>);

/// The verdict on a target that was to be acted on.
///
/// - `before`: its state when it was planned.
/// - `observed`: the container as it is after the call, or after the agent came back; `None` is gone.
/// - `acted`: whether the ask reached the Engine, or may have (a step that was begun and never recorded as answered).
/// - `error`: what the Engine said, or why it was not asked or did not answer.
/// - `restarted`: whether its run is another one than before, where that can be told.
pub fn settle(
    action: ContainerAction,
    before: ContainerStateStatusEnum,
    observed: Option<&Container>,
    acted: bool,
    error: Option<&str>,
    restarted: Option<bool>,
) -> Settled {
    use ContainerAction::*;
    use ContainerStateStatusEnum::{Created, Empty, Exited, Removing};
    let failed = |why: String| (VerdictKind::Failed, None, Some(why));
    let done = (VerdictKind::Done, None, None);
    let Some(container) = observed else {
        let never_there =
            error.is_some_and(|error| error.to_ascii_lowercase().contains("no such container"));
        return match action {
            // A stopped container with `--rm` goes by itself.
            Destroy | Prune | Stop if acted && !never_there => done,
            _ => (
                VerdictKind::Skipped,
                Some(Reason::new(ReasonCode::Gone)),
                None,
            ),
        };
    };
    let state = container.state;
    if state == Empty {
        return (
            VerdictKind::Unknown,
            None,
            Some(error.unwrap_or("its state is not known").to_owned()),
        );
    }
    if !acted {
        return match reached(action, state) && action != Restart {
            true => (
                VerdictKind::Unchanged,
                Some(Reason::new(ReasonCode::Already)),
                None,
            ),
            false => failed(error.unwrap_or("it was not tried").to_owned()),
        };
    }
    // A short job may have ended before anybody looked.
    let ran_and_ended = matches!(action, Start | Restart)
        && state == Exited
        && (restarted == Some(true) || (action == Start && before == Created));
    match action {
        _ if ran_and_ended => match container.exit_code {
            Some(0) => done,
            Some(code) => failed(format!("it started and ended with exit code {code}")),
            None => failed("it started and ended".to_owned()),
        },
        Restart if reached(action, state) => match (restarted, error) {
            (Some(true), _) | (None, None) => done,
            (Some(false), error) => failed(error.unwrap_or("it still runs as before").to_owned()),
            (None, Some(error)) => (VerdictKind::Unknown, None, Some(error.to_owned())),
        },
        _ if reached(action, state) => done,
        // A stopped container with `--rm` goes by itself, and is seen going.
        Stop if state == Removing => done,
        _ => failed(match error {
            Some(error) => error.to_owned(),
            None => format!(
                "the Engine was asked to {} it, but it is {}",
                verb(action),
                state.as_str()
            ),
        }),
    }
}

/// As [`settle`], for a target of an undo that is brought back to a state ([`PlanItem::back_to`]): one that is started
/// and then paused again is there only when it is paused. `error` is that of the last step that was tried.
pub fn settle_back(
    back_to: Option<ContainerStateStatusEnum>,
    action: ContainerAction,
    before: ContainerStateStatusEnum,
    observed: Option<&Container>,
    acted: bool,
    error: Option<&str>,
    restarted: Option<bool>,
) -> Settled {
    use ContainerStateStatusEnum::{Exited, Paused, Restarting, Running};
    let settled = settle(action, before, observed, acted, error, restarted);
    let state = observed.map(|container| container.state);
    if second_step(action, back_to).is_none() || !acted {
        return settled;
    }
    let failed = |what: &str| {
        let why = match error {
            Some(error) => format!("{what}: {error}"),
            None => what.to_owned(),
        };
        (VerdictKind::Failed, None, Some(why))
    };
    match (state, settled.0) {
        (Some(Paused), _) => (VerdictKind::Done, None, None),
        (Some(Running | Restarting), _) => failed("it was started, but it is not paused again"),
        (Some(Exited), VerdictKind::Done) => {
            failed("it was started, but ended before it was paused")
        }
        _ => settled,
    }
}

/// The verdict on an item that the plan leaves alone.
///
/// What nobody named is left as it is (`unchanged`) where the action does not apply to it; whoever names a container
/// is told that it cannot be done. One that the plan acts on was not tried, if it comes here.
pub fn settle_skip(item: &PlanItem, action: ContainerAction, form: Form) -> Settled {
    let reason = item.reason.clone();
    match (item.effect, reason.as_ref().map(|reason| reason.code)) {
        (Effect::Refuse, _) => {
            let why = reason
                .as_ref()
                .map(|reason| refusal(&item.container, action, reason));
            (VerdictKind::Failed, reason, why)
        }
        (effect, _) if effect.acts() => {
            let why = "it was not tried".to_owned();
            (VerdictKind::Failed, None, Some(why))
        }
        (_, Some(ReasonCode::NotApplicable)) if form == Form::Named => {
            // What hinders it besides its state is told with the reason.
            let hindrance = reason.as_ref().and_then(|reason| reason.detail.as_ref());
            let why = match hindrance {
                Some(hindrance) => format!("cannot {} it: {hindrance}", verb(action)),
                None => not_applicable(action, item.state),
            };
            (VerdictKind::Failed, reason, Some(why))
        }
        (_, Some(ReasonCode::Already | ReasonCode::NotApplicable)) => {
            (VerdictKind::Unchanged, reason, None)
        }
        _ => (VerdictKind::Skipped, reason, None),
    }
}
