//! Alerts: lists and single ones.

use std::sync::Arc;

use komodo_api::{
    Error,
    alert::{Alert, GetAlert, ListAlerts, ListAlertsResponse},
};

use crate::{
    App,
    dispatch::{Cx, Granted, Handle, Reply},
    live::Eyes,
    store::UpdateFilter,
};

impl Handle<ListAlerts> for App {
    async fn handle(
        self: &Arc<Self>,
        granted: Granted<ListAlerts>,
        cx: &Cx,
    ) -> Result<Reply<ListAlertsResponse>, Error> {
        let ListAlerts { query, page } = granted.op;
        let filter = match &query {
            Some(query) => UpdateFilter::parse(query)?,
            None => UpdateFilter::all(),
        };
        let eyes = Eyes {
            state: Arc::clone(&cx.state),
            account: Arc::clone(cx.caller()?),
        };
        let (alerts, next_page) = self
            .store
            .alerts()
            .list(filter, page, Arc::new(eyes))
            .await?;
        Ok(ListAlertsResponse { alerts, next_page }.into())
    }
}

impl Handle<GetAlert> for App {
    async fn handle(
        self: &Arc<Self>,
        granted: Granted<GetAlert>,
        _: &Cx,
    ) -> Result<Reply<Alert>, Error> {
        Ok(granted.into_alert()?.into())
    }
}
