//! What a plan says of the container that runs the agent or Core: what a hand over does, what is lost by a detach, and
//! when neither is possible.

use komodo_agent_api::{Container, PROBATION_S_DEFAULT};
use komodo_api::{
    container::ContainerAction,
    engine::ContainerStateStatusEnum,
    plan::{Effect, Reason, ReasonCode},
};

use super::PlanInput;
use crate::hand_over::HELPER_LABEL;

/// Why an ordinary container is not made anew.
pub(super) const ONLY_BRANCH: &str = "only what runs the agent or Core is made anew by `recreate`";
/// Why a hand over is refused where it could not be undone.
const AUTO_REMOVE: &str = "the Engine removes it as soon as it stops, since it was started with --rm: it could not be put \
                           back; start it without --rm";

/// Why an ordinary container is left alone, if it is.
pub(super) fn ordinary(op: &PlanInput<'_>) -> Option<Reason> {
    op.recreate
        .then(|| Reason::with(ReasonCode::NotApplicable, ONLY_BRANCH))
}

/// Why nothing is begun with the branch while a helper is at work: two would undo each other's steps, and one who goes
/// on purpose would be brought back.
pub(super) fn under_way(containers: &[&Container]) -> Option<Reason> {
    use ContainerStateStatusEnum::{Restarting, Running};
    let helper = containers.iter().find(|container| {
        container.labels.contains_key(HELPER_LABEL)
            && matches!(container.state, Running | Restarting)
    })?;
    let why = format!(
        "another hand over is under way on this server, by '{}'; wait for its end",
        helper.name
    );
    Some(Reason::with(ReasonCode::NotApplicable, why))
}

/// Why a hand over is refused, if it is.
pub(super) fn hindrance(container: &Container) -> Option<Reason> {
    container
        .auto_remove
        .then(|| Reason::with(ReasonCode::NotApplicable, AUTO_REMOVE))
}

/// The command that brings back what goes on purpose.
pub(super) fn bring_back(action: ContainerAction, container: &Container) -> String {
    let name = &container.name;
    match action {
        ContainerAction::Pause => format!("docker unpause {name}"),
        ContainerAction::Stop if !container.auto_remove => format!("docker start {name}"),
        _ => format!("the command or compose file that made {name}, once more"),
    }
}

/// What is to be known of it, in a sentence.
pub(super) fn warning(
    op: &PlanInput<'_>,
    container: &Container,
    effect: Effect,
    branch: ReasonCode,
) -> Option<String> {
    let name = &container.name;
    let (what, lost) = match branch {
        ReasonCode::Core => ("Komodo Core", "Komodo does not answer"),
        _ => ("the agent", "nothing can be asked of this server"),
    };
    match effect {
        Effect::HandOver if op.recreate => {
            let probation_s = op.probation_s.unwrap_or(PROBATION_S_DEFAULT);
            Some(format!(
                "'{name}' runs {what}: a helper puts a new container in its place, and {lost} meanwhile; the old one is \
                 kept until the new one was watched for {probation_s} s, and put back if that goes wrong"
            ))
        }
        Effect::HandOver => Some(format!(
            "'{name}' runs {what}: a helper restarts it, and {lost} meanwhile"
        )),
        Effect::Detach => Some(format!(
            "'{name}' runs {what}: {lost} until somebody brings it back on its host, with: {}",
            bring_back(op.action, container)
        )),
        Effect::Act | Effect::Skip | Effect::Refuse => None,
    }
}
