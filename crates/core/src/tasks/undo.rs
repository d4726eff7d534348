//! Undo: which operation can be undone, and by which one.

use std::time::Duration;

use komodo_agent_api::AgentOperation;
use komodo_api::{
    Code, Error,
    container::{ContainerOperation, WhenAway},
    id::Id,
    plan::Plan,
    resource::ResourceTarget,
    update::{Update, UpdateStatus},
};
use komodo_plan::{has_undo, undo};
use tokio::time::timeout;

use super::{
    Tasks,
    order::{By, Ordered, Wish},
};

/// Name of the request.
const REQUEST: &str = "UndoUpdate";
/// How long an undo waits for the end of what it undoes to be on disk.
const STORED: Duration = Duration::from_secs(5);

impl Tasks {
    /// What undoing an Update would do now.
    ///
    /// # Errors
    /// As [`Tasks::undo`], but for containers that refuse: the plan shows those.
    pub async fn plan_undo(&self, id: Id) -> Result<Plan, Error> {
        let (server, operation, _) = self.undoing(id, "").await?;
        self.inner.plan(REQUEST, server, &operation, Some(id))
    }

    /// Brings the containers that an operation changed back to what it found, but those that others changed since.
    ///
    /// # Errors
    /// 409 `not_undoable` where it has no undo, changed nothing, is still open, was undone already, or where nothing is
    /// left to undo; 403 where it had an override and the caller does not hold Write; else as [`Tasks::order`].
    pub async fn undo(&self, id: Id, by: By, plan: Option<String>) -> Result<Update, Error> {
        let (server, operation, overridden) = self.undoing(id, &by.username).await?;
        if overridden && !by.may_write {
            return Err(Error::new(
                Code::Forbidden,
                "what was done with an override needs Write on the server to be undone",
            ));
        }
        let wish = Wish {
            request: REQUEST,
            server,
            by,
            operation,
            plan,
            when_away: WhenAway::Refuse,
            undoes: Some(id),
            id: None,
        };
        self.wish(wish).await
    }

    /// The operation that undoes an Update, on which server, and whether what it undoes had an override.
    async fn undoing(&self, id: Id, username: &str) -> Result<(Id, AgentOperation, bool), Error> {
        let inner = &self.inner;
        if let Some(open) = inner.open.get(id) {
            if open.update().status != UpdateStatus::Complete {
                return Err(refused(
                    "it has not ended yet; wait for its end, or cancel it",
                ));
            }
            let mut shown = open.watch();
            drop(open);
            // It has ended, and is about to be on disk.
            let stored =
                async { while inner.open.contains(id) && shown.changed().await.is_ok() {} };
            timeout(STORED, stored)
                .await
                .map_err(|_| refused("its end is not stored yet; try again in a moment"))?;
        }
        let (update, ordered) = inner
            .store
            .updates()
            .get_ordered(id)
            .await?
            .ok_or_else(|| Error::not_found("update", id.as_str()))?;
        if update.status != UpdateStatus::Complete {
            return Err(refused(
                "it has not ended yet; wait for its end, or cancel it",
            ));
        }
        let ordered = ordered
            .and_then(|ordered| serde_json::from_value::<Ordered>(ordered).ok())
            .ok_or_else(|| refused("it did nothing to containers that could be brought back"))?;
        let Ordered { operation, .. } = ordered;
        if !has_undo(operation.action) {
            return Err(refused(
                "only a stop, start, pause or unpause can be undone; a restart has no state to go back to, and what is \
                 removed is gone",
            ));
        }
        if let Some(by) = update.undone_by.as_ref().filter(|_| !update.undoable) {
            let running = by.parse().is_ok_and(|id| inner.open.contains(id));
            return Err(refused(match running {
                true => "it is being undone right now",
                false => "it was undone already; an undo can be undone itself",
            })
            .param("undone_by", by));
        }
        let undo = undo(operation.action, &operation.scope, &update.verdicts)
            .ok_or_else(|| refused("it changed nothing that could be brought back"))?;
        let ResourceTarget::Server(server) = &update.target else {
            return Err(refused("it was not done on a server"));
        };
        let server = server
            .parse()
            .map_err(|_| Error::not_found("server", server))?;
        let order = ContainerOperation {
            action: undo.action,
            scope: undo.scope,
            exclude: Vec::new(),
            signal: None,
            time: None,
            plan: None,
            override_reason: None,
            detach: false,
            recreate: None,
            when_away: WhenAway::Refuse,
        };
        let overridden = operation.override_reason.is_some();
        let operation = AgentOperation {
            expected: undo.expected,
            ..inner.agent_operation(order, username)
        };
        Ok((server, operation, overridden))
    }
}

fn refused(why: &str) -> Error {
    Error::new(Code::NotUndoable, format!("this cannot be undone: {why}"))
}
