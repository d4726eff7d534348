//! Undo: what brings back exactly what an operation changed, and how a container is told that others changed since.

use std::collections::BTreeMap;

use komodo_agent_api::{Container, Expected};
use komodo_api::{
    UnixMs,
    container::{ContainerAction, Scope},
    engine::ContainerStateStatusEnum,
    plan::{Reason, ReasonCode},
    resource::ContainerRef,
    update::{Verdict, VerdictKind},
};

use crate::state::{StateEffect, state_effect};

#[cfg(test)]
mod tests;

/// The operation that undoes another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undo {
    /// What is done.
    pub action: ContainerAction,
    /// To exactly the containers that were changed, by id.
    pub scope: Scope,
    /// By id: as what each was left, and what it is brought back to.
    pub expected: BTreeMap<String, Expected>,
}

/// The action that undoes an action, if one does.
pub const fn inverse(action: ContainerAction) -> Option<ContainerAction> {
    use ContainerAction::*;
    match action {
        Start => Some(Stop),
        Stop => Some(Start),
        Pause => Some(Unpause),
        Unpause => Some(Pause),
        Restart | Destroy | Prune => None,
    }
}

/// Whether `UndoUpdate` can bring back what an action changed.
pub const fn has_undo(action: ContainerAction) -> bool {
    inverse(action).is_some()
}

/// What is done to a container after `action` so that it is in the state that it is brought back to.
pub const fn second_step(
    action: ContainerAction,
    back_to: Option<ContainerStateStatusEnum>,
) -> Option<ContainerAction> {
    match (action, back_to) {
        (ContainerAction::Start, Some(ContainerStateStatusEnum::Paused)) => {
            Some(ContainerAction::Pause)
        }
        _ => None,
    }
}

/// What undoes an operation, from its verdicts; `None` where it changed nothing that can be brought back.
///
/// Of the targets it takes those that were observed to be changed, and only where the way back leads to the state that
/// was found. Who named one container gets back one container: what a name may do, a list of names may not.
pub fn undo(action: ContainerAction, scope: &Scope, verdicts: &[Verdict]) -> Option<Undo> {
    let action = inverse(action)?;
    let expected: BTreeMap<String, Expected> = verdicts
        .iter()
        .filter_map(|verdict| Some((verdict.id.clone(), changed(action, verdict)?)))
        .collect();
    let first = expected.keys().next()?;
    let scope = match scope {
        Scope::One(_) => Scope::One(ContainerRef(first.clone())),
        Scope::Listed(_) | Scope::Matching(_) | Scope::All | Scope::Agent(_) => {
            Scope::Listed(expected.keys().cloned().map(ContainerRef).collect())
        }
    };
    Some(Undo {
        action,
        scope,
        expected,
    })
}

/// As what a target was left, where it was changed and `inverse` brings it back.
fn changed(inverse: ContainerAction, verdict: &Verdict) -> Option<Expected> {
    use ContainerAction as A;
    use ContainerStateStatusEnum::*;
    if verdict.verdict != VerdictKind::Done || verdict.id.is_empty() {
        return None;
    }
    let (before, after) = (verdict.before?, verdict.after?);
    let leads_back = match inverse {
        A::Start => matches!(before, Running | Restarting | Paused),
        A::Stop => matches!(before, Created | Exited),
        A::Unpause => matches!(before, Running),
        A::Pause => matches!(before, Paused),
        A::Restart | A::Destroy | A::Prune => false,
    };
    // By its name: what is found in the state is the same for all forms of these actions.
    let applies = state_effect(inverse, after, crate::Form::Named) == StateEffect::Act;
    (leads_back && applies && before != after).then(|| Expected {
        name: verdict.container.clone(),
        state: after,
        run: verdict.run.unwrap_or_default(),
        back_to: before,
    })
}

/// Whether what is expected is undone, so that the run counts as well as the state. What is only bound to a plan is as
/// expected in any run: a plan does not show them.
pub fn is_undone(expected: &Expected) -> bool {
    expected.back_to != ContainerStateStatusEnum::Empty
}

/// Why a container is left alone by what expects it otherwise: its state is another one, or, where it is undone, its run.
/// What was not known of the run, or is not known yet, is not compared: an agent dates a run before it acts on it.
pub fn changed_since(expected: &Expected, found: &Container) -> Option<Reason> {
    let undone = is_undone(expected);
    let differs = |was: Option<UnixMs>, is: Option<UnixMs>| {
        undone && was.zip(is).is_some_and(|(was, is)| was != is)
    };
    let how = if found.state != expected.state {
        match found.state.as_str() {
            "" => "its state is not known".to_owned(),
            state => format!("it is {state}"),
        }
    } else if differs(expected.run.started_at, found.started_at) {
        "it was started again".to_owned()
    } else if differs(expected.run.finished_at, found.finished_at) {
        "it ended again".to_owned()
    } else {
        return None;
    };
    Some(Reason::with(ReasonCode::ChangedSince, how))
}
