//! The newest Updates, and one Update whole.

use std::{collections::BTreeMap, convert::Infallible, sync::Arc};

use komodo_api::{Error, id::Id, resource::ResourceTarget, update::UpdateStatus};
use serde_json::value::RawValue;

use super::{
    access::{Rights, may_see},
    ring::first_revision,
    subscription::{End, Subscription},
};
use crate::{
    App,
    desired::{Account, DesiredState},
    store::{StoreError, UpdateFilter, Visible},
};

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
    app.background.tasks.freshen(&mut items);
    // Lists are the newest first, changes the newest last.
    Ok(items
        .iter()
        .rev()
        .filter_map(|item| serde_json::to_string(item).ok())
        .collect())
}

pub(super) async fn serve(to: &Subscription, after: Option<u64>) -> Result<Infallible, End> {
    let feed = to.app.background.tasks.feed();
    let mut revisions = feed.watch();
    let mut desired = to.app.desired.changes();
    let (state, account) = to.look()?;
    let mut rights = Rights::of(&state, &account);
    let mut rev = match after.filter(|after| feed.after(*after).is_some()) {
        Some(after) => after,
        None => snapshot(to).await?,
    };
    loop {
        revisions.borrow_and_update();
        match feed.after(rev) {
            None => {
                to.gap().await?;
                rev = snapshot(to).await?;
            }
            Some(changes) if !changes.is_empty() => {
                let (state, account) = to.look()?;
                let newest = changes.last().map_or(rev, |change| change.rev);
                let latest: BTreeMap<&str, &RawValue> = changes
                    .iter()
                    .filter(|change| may_see(&state, &account, &change.what.target))
                    .map(|change| (change.what.id.as_str(), &*change.what.json))
                    .collect();
                to.delta(
                    newest,
                    latest.into_values().map(RawValue::to_owned).collect(),
                    Vec::new(),
                )
                .await?;
                rev = newest;
            }
            Some(_) => {
                tokio::select! {
                    biased;
                    changed = revisions.changed() => changed.map_err(|_| End::Over)?,
                    changed = desired.changed() => {
                        changed.map_err(|_| End::Over)?;
                        let (state, account) = to.look()?;
                        let now = Rights::of(&state, &account);
                        if std::mem::replace(&mut rights, now) != rights {
                            rev = snapshot(to).await?;
                        }
                    }
                }
            }
        }
    }
}

async fn snapshot(to: &Subscription) -> Result<u64, End> {
    let (_, account) = to.look()?;
    // First the revision, then the list: what changes in between is told once more, never left out.
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
    let mut rev = first_revision(to.app.clock.now());
    let mut watch = to.app.background.tasks.watch(id);
    loop {
        let update = match &mut watch {
            Some(watch) => Arc::clone(&watch.borrow_and_update()),
            None => to
                .app
                .background
                .tasks
                .get(id)
                .await?
                .ok_or_else(not_found)?,
        };
        let (state, account) = to.look()?;
        if !may_see(&state, &account, &update.target) {
            return Err(not_found().into());
        }
        rev += 1;
        to.snapshot(rev, &*update).await?;
        match &mut watch {
            None if update.status == UpdateStatus::Complete => return Err(End::Over),
            // Its run ended between the two looks.
            None => watch = to.app.background.tasks.watch(id),
            Some(changes) => {
                if changes.changed().await.is_err() {
                    match update.status {
                        UpdateStatus::Complete => return Err(End::Over),
                        _ => watch = None,
                    }
                }
            }
        }
    }
}
