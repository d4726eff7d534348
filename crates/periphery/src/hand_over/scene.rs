//! What a helper sees of the two containers.

use komodo_docker::{EngineError, Inspected};
use komodo_plan::hand_over::{Body, HandOverPlan, NEW_LABEL};

use super::calls::Calls;
use crate::observe::inspected;

/// Where the new container is, once it was seen: before that it is looked for among all.
#[derive(Debug, Default)]
pub(super) struct Bodies {
    new: Option<String>,
}

impl Bodies {
    /// The new container was made.
    pub(super) fn created(&mut self, id: String) {
        self.new = Some(id);
    }
}

/// Looks at the old and the new container.
pub(super) async fn look(
    calls: &Calls,
    plan: &HandOverPlan,
    bodies: &mut Bodies,
) -> Result<(Option<Body>, Option<Body>), EngineError> {
    let old = one(calls, &plan.container).await?;
    if plan.replace.is_none() {
        return Ok((old, None));
    }
    if let Some(id) = &bodies.new {
        match one(calls, id).await? {
            Some(new) => return Ok((old, Some(new))),
            None => bodies.new = None,
        }
    }
    let made = calls.engine();
    let made = made.containers_labelled(NEW_LABEL, &plan.operation).await?;
    let new = made.iter().find(|listed| listed.id != plan.container);
    let Some(new) = new else {
        return Ok((old, None));
    };
    let body = one(calls, &new.id).await?;
    bodies.new = body.as_ref().map(|body| body.id.clone());
    Ok((old, body))
}

async fn one(calls: &Calls, id: &str) -> Result<Option<Body>, EngineError> {
    match calls.engine().inspect(id).await {
        Ok(seen) => Ok(Some(body(seen))),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

fn body(seen: Inspected) -> Body {
    let restarts = seen.restart_count;
    let seen = inspected(seen);
    Body {
        run: seen.run(),
        id: seen.id,
        name: seen.name,
        state: seen.state,
        restarts,
        exit_code: seen.exit_code,
        held: seen.restart_policy == "no",
    }
}
