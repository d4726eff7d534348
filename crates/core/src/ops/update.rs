//! Updates: lists and single ones, with what is still running as it is now.

use std::sync::Arc;

use komodo_api::{
    Error,
    update::{GetUpdate, ListUpdates, ListUpdatesResponse, Update},
};

use crate::{
    App,
    dispatch::{Cx, Granted, Handle, Reply},
    live::Eyes,
    store::UpdateFilter,
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
        self.background.tasks.freshen(&mut updates);
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
        let open = stored.id.and_then(|id| self.background.tasks.open(id.0));
        Ok(open.map_or(stored, |open| Update::clone(&open)).into())
    }
}
