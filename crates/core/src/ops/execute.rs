//! All execute requests on containers: one handler, which [`ExecuteContainers`] gives the common form.

use std::sync::Arc;

use komodo_api::{
    Error,
    container::{self, ExecuteContainers},
    permission::PermissionLevel,
    resource::ResourceTarget,
    update::Update,
};

use crate::{
    App,
    auth::access,
    dispatch::{Cx, Granted, Handle, Reply},
    tasks::{Ask, By},
};

async fn execute<O: ExecuteContainers>(
    app: &App,
    granted: Granted<O>,
    cx: &Cx,
) -> Result<Reply<Update>, Error> {
    let (server, _) = granted.server()?;
    let ask = Ask {
        request: O::NAME,
        server,
        by: by(cx, &ResourceTarget::Server(server.to_string()))?,
        operation: granted.op.containers(),
    };
    Ok(app.background.tasks.order(ask).await?.into())
}

/// Who asks for something on a target.
pub(super) fn by(cx: &Cx, target: &ResourceTarget) -> Result<By, Error> {
    let caller = cx.caller()?;
    Ok(By {
        operator: caller.id.to_string(),
        username: caller.user.username.clone(),
        may_write: access(&cx.state, caller, target).level >= PermissionLevel::Write,
    })
}

// One that is missing here does not compile: the table of operations asks for it.
macro_rules! handle {
    ($($operation:ident),* $(,)?) => { $(
        impl Handle<container::$operation> for App {
            async fn handle(
                self: &Arc<Self>,
                granted: Granted<container::$operation>,
                cx: &Cx,
            ) -> Result<Reply<Update>, Error> {
                execute(self, granted, cx).await
            }
        }
    )* };
}
handle! {
    StartContainer, RestartContainer, PauseContainer, UnpauseContainer, StopContainer, DestroyContainer,
    StartAllContainers, RestartAllContainers, PauseAllContainers, UnpauseAllContainers, StopAllContainers,
    PruneContainers, BatchContainers,
}
