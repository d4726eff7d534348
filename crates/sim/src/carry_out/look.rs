//! What is seen of a target at the Engine, and the verdict that follows from it.

use std::time::Duration;

use komodo_agent_api::{Container, EngineState};
use komodo_api::{
    container::ContainerAction,
    engine::ContainerStateStatusEnum,
    plan::PlanItem,
    update::{Run, VerdictKind},
};
use komodo_plan::{reached, restarted, second_step, settle_back};
use tokio::time::{Instant, timeout, timeout_at};

use super::{Operation, Settled, Target};
use crate::process::Process;

/// Time after which nobody waits any more for an Engine that would tell what became of a container.
const OBSERVE_MAX: Duration = Duration::from_secs(24 * 3600);

/// Looks at a container; where the Engine may be at it still, until it is as wanted. `first` asks for what the operation
/// is, and not for the state that it is brought back to.
pub(super) async fn look(
    process: &Process,
    operation: &Operation,
    target: &Target,
    run: Option<Run>,
    waits: bool,
    first: bool,
    ends: Instant,
) -> Option<Option<Container>> {
    loop {
        let mut changes = process.world.subscribe().changes;
        let observed = observe(process, &target.item.id).await?;
        let there = match &observed {
            None => true,
            Some(container) => {
                let back_to = target.item.back_to.filter(|_| !first);
                let wanted = second_step(operation.action, back_to).unwrap_or(operation.action);
                reached(wanted, container.state)
                    && (operation.action != ContainerAction::Restart
                        || restarted(run, container) == Some(true))
            }
        };
        if there || !waits || timeout_at(ends, changes.recv()).await.is_err() {
            return Some(observed);
        }
    }
}

/// The verdict on what was seen; `None` is that the Engine does not answer.
pub(super) fn judge(
    operation: &Operation,
    item: &PlanItem,
    before: ContainerStateStatusEnum,
    run: Option<Run>,
    seen: Option<Option<Container>>,
    acted: bool,
    error: Option<&str>,
) -> (Settled, Option<Container>) {
    let Some(observed) = seen else {
        let why = "the Engine does not answer, so that nobody can tell".to_owned();
        return ((VerdictKind::Unknown, None, Some(why)), None);
    };
    let restarted = observed.as_ref().and_then(|now| restarted(run, now));
    let settled = settle_back(
        item.back_to,
        operation.action,
        before,
        observed.as_ref(),
        acted,
        error,
        restarted,
    );
    (settled, observed)
}

/// The container as the Engine has it, once the Engine answers; `None` if it does not for very long.
pub(super) async fn observe(process: &Process, id: &str) -> Option<Option<Container>> {
    let look = async {
        loop {
            let mut changes = process.world.subscribe().changes;
            if matches!(process.world.engine(), EngineState::Connected { .. }) {
                return process.world.container(id);
            }
            _ = changes.recv().await;
        }
    };
    timeout(OBSERVE_MAX, look).await.ok()
}
