//! The newest Updates, and one Update whole.

use std::{convert::Infallible, sync::Arc, time::Duration};

use komodo_api::{
    Error,
    id::Id,
    resource::ResourceTarget,
    update::{Update, UpdateStatus},
};
use serde_json::value::RawValue;
use tokio::time::sleep;

use super::{
    access::may_see,
    items,
    ring::first_revision,
    subscription::{End, Subscription},
};
use crate::{
    App,
    desired::{Account, DesiredState},
    store::{StoreError, UpdateFilter, Visible},
};

/// Time after which an open Update that nobody runs is looked at again.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Looks at Updates with the eyes of an account.
pub(crate) struct Eyes {
    pub(crate) state: Arc<DesiredState>,
    pub(crate) account: Arc<Account>,
}

impl Visible for Eyes {
    fn may_read(&self, target: &ResourceTarget) -> bool {
        may_see(&self.state, &self.account, target)
    }

    fn username(&self, operator: &str) -> String {
        self.state.username(operator)
    }
}

/// The newest Updates that an account may see, as JSON.
pub(super) async fn newest(app: &App, account: &Arc<Account>) -> Result<Vec<String>, StoreError> {
    let eyes = Eyes {
        state: app.desired.snapshot(),
        account: Arc::clone(account),
    };
    let (mut items, _) = app
        .store
        .updates()
        .list(UpdateFilter::all(), 0, Arc::new(eyes))
        .await?;
    app.background.tasks.freshen(&mut items).await?;
    // Lists are the newest first, changes the newest last.
    Ok(items
        .iter()
        .rev()
        .filter_map(|item| serde_json::to_string(item).ok())
        .collect())
}

pub(super) async fn serve(to: &Subscription, after: Option<u64>) -> Result<Infallible, End> {
    items::serve(to, after, to.app.background.tasks.feed(), snapshot).await
}

async fn snapshot(to: &Subscription) -> Result<u64, End> {
    let (_, account) = to.look()?;
    let rev = to.app.background.tasks.feed().rev();
    let mut items = newest(&to.app, &account).await?;
    items.reverse();
    let items: Vec<Box<RawValue>> = items
        .into_iter()
        .filter_map(|item| RawValue::from_string(item).ok())
        .collect();
    to.snapshot(rev, &items).await?;
    Ok(rev)
}

/// One Update, whole, until it has ended.
pub(super) async fn serve_one(to: &Subscription, reference: &str) -> Result<Infallible, End> {
    let not_found = || Error::not_found("update", &reference.chars().take(200).collect::<String>());
    let id: Id = reference.parse().map_err(|_| not_found())?;
    let tasks = &to.app.background.tasks;
    let mut rev = first_revision(to.app.clock.now());
    let mut shown: Option<Arc<Update>> = None;
    loop {
        // First listen, then look: what changes in between is looked at once more.
        let mut listed = tasks.feed().watch();
        let mut watch = tasks.watch(id);
        let update = match &mut watch {
            Some(watch) => Arc::clone(&watch.borrow_and_update()),
            None => tasks.get(id).await?.ok_or_else(not_found)?,
        };
        let (state, account) = to.look()?;
        if !may_see(&state, &account, &update.target) {
            return Err(not_found().into());
        }
        if shown.as_ref().is_none_or(|shown| **shown != *update) {
            rev += 1;
            to.snapshot(rev, &*update).await?;
            shown = Some(Arc::clone(&update));
        }
        match &mut watch {
            None if update.status == UpdateStatus::Complete => return Err(End::Over),
            // It is between two states: nobody runs it yet, or its end is about to be stored.
            None => {
                tokio::select! {
                    changed = listed.changed() => changed.map_err(|_| End::Over)?,
                    () = sleep(LOOK_AGAIN) => {}
                }
            }
            Some(changes) => {
                if changes.changed().await.is_err() && update.status == UpdateStatus::Complete {
                    return Err(End::Over);
                }
            }
        }
    }
}
