//! What an agent says of a hand over: whether it may be confirmed, and the verdict on it once its helper is through.

use komodo_agent_api::Container;
use komodo_api::{UnixMs, engine::ContainerStateStatusEnum, update::VerdictKind};

use super::{HandOverPlan, Outcome};
use crate::settle::Settled;

/// Time before the end of the plan's in which nothing is confirmed any more: a helper may be about to roll back.
pub(crate) const CONFIRM_MARGIN_MS: i64 = 3_000;

/// Whether an agent may journal the confirmation of a hand over. `named` is the container that bears the plan's name.
///
/// It has to run, and to be what the plan asks for: the same container in another run, or another one in its place. Not
/// an old one that was put back, and not shortly before the time is over.
pub fn may_confirm(plan: &HandOverPlan, named: Option<&Container>, now: UnixMs) -> bool {
    now < plan.until.saturating_sub(CONFIRM_MARGIN_MS)
        && named.is_some_and(|named| {
            named.name == plan.name
                && named.state == ContainerStateStatusEnum::Running
                && is_through(plan, named)
        })
}

/// The verdict on what was handed over.
///
/// - `outcome`: what the helper told; `None` where it is gone, or ended by something else.
/// - `confirmed`: whether the journal holds the confirmation.
/// - `named`: the container that bears the plan's name now.
pub fn verdict(
    plan: &HandOverPlan,
    outcome: Option<&Outcome>,
    confirmed: bool,
    named: Option<&Container>,
) -> Settled {
    let failed = |why: String| (VerdictKind::Failed, None, Some(why));
    match outcome {
        Some(Outcome::Confirmed) => (VerdictKind::Done, None, None),
        Some(Outcome::RolledBack { why }) => failed(format!("rolled back: {why}")),
        Some(Outcome::Untouched { why }) => failed(format!("nothing was changed: {why}")),
        Some(Outcome::Stuck { why }) => {
            failed(format!("the hand over could not be finished: {why}"))
        }
        Some(Outcome::Unconfirmed { why }) => match named {
            Some(named) if runs(named) && is_through(plan, named) => {
                (VerdictKind::Done, None, Some(why.clone()))
            }
            _ => failed(why.clone()),
        },
        None => observed(plan, confirmed, named),
    }
}

/// By what the containers are.
fn observed(plan: &HandOverPlan, confirmed: bool, named: Option<&Container>) -> Settled {
    const GONE: &str = "the helper is gone without having told";
    let failed = |what: &str| (VerdictKind::Failed, None, Some(format!("{GONE}: {what}")));
    let Some(named) = named else {
        return failed("there is no container of that name");
    };
    if !runs(named) {
        let code = named
            .exit_code
            .map_or_else(String::new, |code| format!(" (exit code {code})"));
        return failed(&format!("the container is {}{code}", named.state.as_str()));
    }
    match (is_through(plan, named), is_old(plan, named)) {
        (true, _) if confirmed => (VerdictKind::Done, None, None),
        (true, true) => {
            let why = format!("{GONE}; it runs again, but was not confirmed");
            (VerdictKind::Done, None, Some(why))
        }
        (true, false) => {
            let why = format!("{GONE}; the new container runs, but was not confirmed");
            (VerdictKind::Done, None, Some(why))
        }
        (false, _) if again(plan, named) => failed("the old container was put back"),
        (false, _) => failed("the container still runs as before"),
    }
}

/// Whether what was asked for is there: another run, or another container in its place.
fn is_through(plan: &HandOverPlan, named: &Container) -> bool {
    match plan.replace {
        Some(_) => !is_old(plan, named),
        None => is_old(plan, named) && again(plan, named),
    }
}

fn is_old(plan: &HandOverPlan, named: &Container) -> bool {
    named.id == plan.container
}

/// Whether it is in another run than the plan's.
fn again(plan: &HandOverPlan, named: &Container) -> bool {
    let both = named.started_at.zip(plan.run.started_at);
    both.is_some_and(|(now, then)| now != then)
}

fn runs(container: &Container) -> bool {
    use ContainerStateStatusEnum::{Paused, Running};
    matches!(container.state, Running | Paused)
}
