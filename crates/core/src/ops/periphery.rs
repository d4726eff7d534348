//! The agents themselves: restarts, updates, one or many, and the programs that Core serves to them.

use std::sync::Arc;

use komodo_api::{
    Error,
    periphery::{ListPeripheryPrograms, Program, RestartPeriphery, RollPeriphery, UpdatePeriphery},
    resource::ResourceTarget,
    update::Update,
};

use super::execute::by;
use crate::{
    App,
    dispatch::{Cx, Granted, Handle, Reply},
    tasks::Renewal,
};

impl Handle<ListPeripheryPrograms> for App {
    async fn handle(
        self: &Arc<Self>,
        _: Granted<ListPeripheryPrograms>,
        _: &Cx,
    ) -> Result<Reply<Vec<Program>>, Error> {
        Ok(self.programs.served().await?.into())
    }
}

impl Handle<RestartPeriphery> for App {
    async fn handle(
        self: &Arc<Self>,
        granted: Granted<RestartPeriphery>,
        cx: &Cx,
    ) -> Result<Reply<Update>, Error> {
        let (server, _) = granted.server()?;
        let by = by(cx, &ResourceTarget::Server(server.to_string()))?;
        let (tasks, plan) = (&self.background.tasks, granted.op.plan);
        let update = tasks.renew_periphery(server, by, &Renewal::Restart, plan);
        Ok(update.await?.into())
    }
}

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
        let renewal = Renewal::Update { image, version };
        let tasks = &self.background.tasks;
        let update = tasks.renew_periphery(server, by, &renewal, plan).await?;
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
