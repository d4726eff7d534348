//! Updates of agents: one, or many in waves.

use std::sync::Arc;

use komodo_api::{
    Code, Error,
    periphery::{RollPeriphery, UpdatePeriphery},
    resource::ResourceTarget,
    update::Update,
};

use super::execute::by;
use crate::{
    App,
    dispatch::{Cx, Granted, Handle, Reply},
};

impl Handle<UpdatePeriphery> for App {
    async fn handle(
        self: &Arc<Self>,
        granted: Granted<UpdatePeriphery>,
        cx: &Cx,
    ) -> Result<Reply<Update>, Error> {
        let (server, _) = granted.server()?;
        let by = by(cx, &ResourceTarget::Server(server.to_string()))?;
        let UpdatePeriphery {
            image,
            version,
            plan,
            ..
        } = granted.op;
        by_image(version.as_deref())?;
        let tasks = &self.background.tasks;
        let update = tasks.update_periphery(server, by, image, plan).await?;
        Ok(update.into())
    }
}

impl Handle<RollPeriphery> for App {
    async fn handle(
        self: &Arc<Self>,
        granted: Granted<RollPeriphery>,
        cx: &Cx,
    ) -> Result<Reply<Update>, Error> {
        let by = by(cx, &ResourceTarget::system())?;
        Ok(self.background.tasks.roll(granted.op, by).await?.into())
    }
}

/// Agents are updated by image only.
pub(super) fn by_image(version: Option<&str>) -> Result<(), Error> {
    match version {
        None => Ok(()),
        Some(_) => Err(Error::new(
            Code::Unprocessable,
            "`version` is for agents that run natively, and updating those through Komodo is not built yet: give `image` \
             for an agent in a container; else install the new komodo-periphery on its host and restart its service",
        )
        .param("path", "version")),
    }
}
