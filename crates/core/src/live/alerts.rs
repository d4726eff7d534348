//! The newest alerts.

use std::{convert::Infallible, sync::Arc};

use super::{
    items,
    subscription::{End, Subscription},
    updates::Eyes,
};
use crate::store::UpdateFilter;

pub(super) async fn serve(to: &Subscription, after: Option<u64>) -> Result<Infallible, End> {
    items::serve(to, after, to.app.background.alerts.feed(), snapshot).await
}

async fn snapshot(to: &Subscription) -> Result<u64, End> {
    let (state, account) = to.look()?;
    let rev = to.app.background.alerts.feed().rev();
    let eyes = Arc::new(Eyes { state, account });
    let stored = to.app.store.alerts();
    let (alerts, _) = stored.list(UpdateFilter::all(), 0, eyes).await?;
    to.snapshot(rev, &alerts).await?;
    Ok(rev)
}
