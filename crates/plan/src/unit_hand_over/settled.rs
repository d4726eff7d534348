//! What an agent that is a service says of a hand over: whether it may be confirmed, and the verdict on it once its
//! helper is through.

use komodo_api::{UnixMs, update::VerdictKind};

use super::UnitPlan;
use crate::{
    hand_over::{CONFIRM_MARGIN_MS, Outcome},
    settle::Settled,
};

/// The run of an agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Running<'a> {
    /// Its `InvocationID`.
    pub invocation: &'a str,
    /// SHA-256 of the program that runs, in hex.
    pub sha256: &'a str,
}

/// Whether an agent may journal the confirmation of a hand over: it is what the plan asks for, in another run, and not
/// shortly before the time is over.
pub fn may_confirm(plan: &UnitPlan, running: Running<'_>, now: UnixMs) -> bool {
    now < plan.until.saturating_sub(CONFIRM_MARGIN_MS) && is_through(plan, running)
}

/// The verdict on what was handed over, by the agent that runs now.
///
/// - `outcome`: what the helper told; `None` where it is gone without a word.
/// - `confirmed`: whether the journal holds the confirmation.
pub fn verdict(
    plan: &UnitPlan,
    outcome: Option<&Outcome>,
    confirmed: bool,
    running: Running<'_>,
) -> Settled {
    let failed = |why: String| (VerdictKind::Failed, None, Some(why));
    match outcome {
        Some(Outcome::Confirmed) => (VerdictKind::Done, None, None),
        Some(Outcome::RolledBack { why }) => failed(format!("rolled back: {why}")),
        Some(Outcome::Untouched { why }) => failed(format!("nothing was changed: {why}")),
        Some(Outcome::Stuck { why }) => {
            failed(format!("the hand over could not be finished: {why}"))
        }
        Some(Outcome::Unconfirmed { why }) => match is_through(plan, running) {
            true => (VerdictKind::Done, None, Some(why.clone())),
            false => failed(why.clone()),
        },
        None => observed(plan, confirmed, running),
    }
}

/// By what runs.
fn observed(plan: &UnitPlan, confirmed: bool, running: Running<'_>) -> Settled {
    const GONE: &str = "the helper is gone without having told";
    let failed = |what: &str| (VerdictKind::Failed, None, Some(format!("{GONE}: {what}")));
    match (is_through(plan, running), plan.new_program()) {
        (true, _) if confirmed => (VerdictKind::Done, None, None),
        (true, None) => {
            let why = format!("{GONE}; it runs again, but was not confirmed");
            (VerdictKind::Done, None, Some(why))
        }
        (true, Some(_)) => failed("the new program runs, but was not confirmed"),
        (false, _) if running.invocation == plan.invocation => {
            failed("the service still runs as before")
        }
        (false, _) if running.sha256 == plan.old_sha256 => failed("the old program runs again"),
        (false, _) => failed("neither the old nor the new program runs"),
    }
}

/// Whether what was asked for is there: another run, of the new program where there is one.
fn is_through(plan: &UnitPlan, running: Running<'_>) -> bool {
    let is_asked_for = plan.new_program().is_none_or(|new| new == running.sha256);
    running.invocation != plan.invocation && is_asked_for
}
