//! What is left of hand overs that are settled: an agent that was killed right after the end could not take it away.

use std::collections::BTreeSet;

use komodo_agent_api::Container;
use komodo_api::engine::ContainerStateStatusEnum::{Created, Dead, Exited};
use komodo_plan::hand_over::{HELPER_LABEL, HandOverPlan, PLAN_VARIABLE};

use super::{follow::calls, kept::Kept, unit};
use crate::{clock, operations::Means, redact::redact};

/// Age from which on the helper of another agent on this Engine is nobody's any more, ms.
const FORGOTTEN_MS: i64 = 24 * 3600 * 1000;

/// Takes away the plans of operations that are not open any more. Before any is accepted.
pub(crate) async fn forget_plans(kept: &Kept, open: &BTreeSet<String>) {
    for operation in kept.plans() {
        if open.contains(&operation) {
            continue;
        }
        match kept.unit_plan(&operation) {
            Some(plan) => unit::forget(kept, &plan).await,
            None => kept.forget_plan(&operation).await,
        }
    }
}

/// Takes away the helpers of operations that were not open any more when the agent began.
pub(crate) async fn sweep(means: Means, open: BTreeSet<String>) {
    let began = clock::now_ms();
    means.observatory.ready().await;
    let (own, helpers) = means.observatory.read(|view| {
        let helpers = view.containers().filter(|container| {
            let operation = container.labels.get(HELPER_LABEL);
            operation.is_some_and(|operation| !open.contains(operation))
                && matches!(container.state, Exited | Dead | Created)
                && container.created * 1000 < began
        });
        let own = view.control_path().own_container.as_deref();
        let own = own.and_then(|own| view.by_id(own));
        (own.cloned(), helpers.cloned().collect::<Vec<_>>())
    });
    for helper in helpers {
        let Some(plan) = plan_of(&means, &helper.id).await else {
            continue;
        };
        if !is_ours(&plan, own.as_deref()) && !is_forgotten(&helper) {
            continue;
        }
        let operation = helper.labels.get(HELPER_LABEL).map_or("", String::as_str);
        tracing::info!(
            operation.id = operation,
            "a helper that is through is removed"
        );
        let removed = match calls(&means, &plan).await {
            Ok(calls) => {
                let removed = calls.remove(&helper.id).await;
                removed.map_err(|error| redact(&error.chain()))
            }
            Err(error) => Err(error),
        };
        if let Err(error) = removed {
            tracing::warn!(
                operation.id = operation,
                error,
                "the helper cannot be removed"
            );
        }
    }
}

async fn plan_of(means: &Means, helper: &str) -> Option<HandOverPlan> {
    let document = means.engine.inspect_document(helper).await.ok()?;
    let variables = document["Config"]["Env"].as_array()?;
    variables.iter().find_map(|variable| {
        let text = variable.as_str()?.strip_prefix(PLAN_VARIABLE)?;
        serde_json::from_str(text.strip_prefix('=')?).ok()
    })
}

/// Whether it acted for this agent: on its own container, or on its word.
fn is_ours(plan: &HandOverPlan, own: Option<&Container>) -> bool {
    let Some(own) = own else { return false };
    match &plan.journal.container {
        None => plan.name == own.name,
        Some(agent) => *agent == own.id,
    }
}

fn is_forgotten(helper: &Container) -> bool {
    let at = helper.finished_at.unwrap_or(helper.created * 1000);
    clock::now_ms() - at > FORGOTTEN_MS
}
