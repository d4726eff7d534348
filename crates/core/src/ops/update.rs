//! Updates: lists and single ones, with what is still running as it is now.

use std::sync::Arc;

use komodo_api::{
    Code, Error,
    id::{Id, Oid},
    update::{
        CancelUpdate, GetUpdate, ListUpdates, ListUpdatesResponse, UndoUpdate, Update, UpdateStatus,
    },
};

use super::execute::by;
use crate::{
    App,
    dispatch::{Cx, Granted, Handle, Reply},
    live::Eyes,
    store::UpdateFilter,
    tasks::By,
};

impl Handle<ListUpdates> for App {
    async fn handle(
        self: &Arc<Self>,
        granted: Granted<ListUpdates>,
        cx: &Cx,
    ) -> Result<Reply<ListUpdatesResponse>, Error> {
        let ListUpdates { query, page } = granted.op;
        let filter = match &query {
            Some(query) => {
                UpdateFilter::parse(query).map_err(|error| Error::invalid(error.to_string()))?
            }
            None => UpdateFilter::all(),
        };
        let eyes = Eyes {
            state: Arc::clone(&cx.state),
            account: Arc::clone(cx.caller()?),
        };
        let (mut updates, next_page) = self
            .store
            .updates()
            .list(filter, page, Arc::new(eyes))
            .await?;
        self.background.tasks.freshen(&mut updates).await?;
        Ok(ListUpdatesResponse { updates, next_page }.into())
    }
}

impl Handle<GetUpdate> for App {
    async fn handle(
        self: &Arc<Self>,
        granted: Granted<GetUpdate>,
        _: &Cx,
    ) -> Result<Reply<Update>, Error> {
        let stored = granted.into_update()?;
        let Some(Oid(id)) = stored.id else {
            return Ok(stored.into());
        };
        if let Some(open) = self.background.tasks.open(id) {
            return Ok(Update::clone(&open).into());
        }
        if stored.status != UpdateStatus::Complete {
            // It ended after it was read: what is stored now is its end.
            let ended = self.store.updates().get(id).await?;
            return Ok(ended.unwrap_or(stored).into());
        }
        Ok(stored.into())
    }
}

impl Handle<UndoUpdate> for App {
    async fn handle(
        self: &Arc<Self>,
        granted: Granted<UndoUpdate>,
        cx: &Cx,
    ) -> Result<Reply<Update>, Error> {
        let plan = granted.op.plan.clone();
        let (id, by) = aimed_at(granted.into_update()?, cx)?;
        Ok(self.background.tasks.undo(id, by, plan).await?.into())
    }
}

impl Handle<CancelUpdate> for App {
    async fn handle(
        self: &Arc<Self>,
        granted: Granted<CancelUpdate>,
        cx: &Cx,
    ) -> Result<Reply<Update>, Error> {
        let (id, by) = aimed_at(granted.into_update()?, cx)?;
        let update = self.background.tasks.cancel(id, &by).await?;
        Ok(Update::clone(&update).into())
    }
}

/// Id of an Update, and what the caller may do to it.
fn aimed_at(update: Update, cx: &Cx) -> Result<(Id, By), Error> {
    let by = by(cx, &update.target)?;
    let Some(Oid(id)) = update.id else {
        return Err(Error::new(Code::Internal, "an Update without an id"));
    };
    Ok((id, by))
}
