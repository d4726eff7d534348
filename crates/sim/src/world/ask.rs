//! How the Engine is asked to act for an operation.

use std::sync::PoisonError;

use komodo_api::container::ContainerAction;
use tokio::sync::oneshot;

use super::World;
use crate::{
    engine::{ActError, Quirk},
    history::{Act, Hand},
};

impl World {
    /// Asks the Engine to act for an operation, and waits for its answer. It goes on when nobody waits any more.
    pub(crate) async fn act(
        &self,
        operation: &str,
        id: &str,
        action: ContainerAction,
    ) -> Result<(), ActError> {
        self.ask(operation, id, action, Hand::Agent).await
    }

    /// As [`World::act`], for the helper of an operation.
    pub(crate) async fn help(
        &self,
        operation: &str,
        id: &str,
        action: ContainerAction,
    ) -> Result<(), ActError> {
        self.ask(operation, id, action, Hand::Helper).await
    }

    async fn ask(
        &self,
        operation: &str,
        id: &str,
        action: ContainerAction,
        by: Hand,
    ) -> Result<(), ActError> {
        let at = self.shared.clock.true_ms();
        let (latency, quirk) = {
            let mut state = self.state();
            state.reachable().map_err(ActError::NotAsked)?;
            state.history.asked(Act {
                operation: operation.to_owned(),
                id: id.to_owned(),
                action,
                by,
                at,
            });
            let quirk = state
                .containers
                .get(id)
                .map_or(Quirk::None, |entry| entry.quirk);
            (state.latency.of(action), quirk)
        };
        let (sender, answer) = oneshot::channel();
        let world = self.clone();
        let target = id.to_owned();
        let work = async move {
            tokio::time::sleep(latency).await;
            if let Some(result) = world.finish(&target, action, quirk) {
                // Whoever asked may have gone; the Engine does not mind.
                let _gone = sender.send(result);
            } else {
                std::future::pending::<()>().await;
            }
        };
        {
            let mut tasks = self
                .shared
                .tasks
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            while tasks.try_join_next().is_some() {}
            tasks.spawn(work);
        }
        match answer.await {
            Ok(result) => result,
            Err(_) => Err(ActError::Lost(
                "the connection to the Engine was lost".to_owned(),
            )),
        }
    }

    /// What the Engine does and says after its time; `None` is that it never answers.
    fn finish(
        &self,
        id: &str,
        action: ContainerAction,
        quirk: Quirk,
    ) -> Option<Result<(), ActError>> {
        let at = self.moment();
        let mut state = self.state();
        if let Err(away) = state.reachable() {
            return Some(Err(ActError::Lost(away)));
        }
        let mut act = || state.act(id, action, at).map_err(ActError::Said);
        match quirk {
            Quirk::Hangs => None,
            Quirk::Ignores => Some(Ok(())),
            Quirk::Vanishes => {
                state.remove(id, at);
                Some(state.act(id, action, at).map_err(ActError::Said))
            }
            Quirk::LosesAnswer => Some(act().and(Err(ActError::Lost(
                "the Engine closed the connection before it answered".to_owned(),
            )))),
            Quirk::None | Quirk::FailsToStop | Quirk::ExitsAtStart(_) => Some(act()),
        }
    }

    /// The containers that helpers made, with their operations, in order, but for the first so many.
    pub fn made_since(&self, seen: usize) -> Vec<(String, String)> {
        self.state().history.made_since(seen)
    }

    /// A helper made a container for an operation.
    pub(crate) fn made(&self, operation: &str, id: &str) {
        self.state().history.made(operation, id);
    }
}
