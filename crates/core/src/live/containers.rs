//! The containers of one server. Changes go out as they come in; only what waits for a slow reader is put together.

use std::{collections::BTreeMap, convert::Infallible, sync::Arc};

use komodo_agent_api::{Container, HealthStatus};
use komodo_api::{Error, UnixMs, container::ContainerListItem, live::LiveMessage};
use komodo_plan::container_status;

use super::{
    access::require,
    subscription::{End, Subscription, raw},
};
use crate::fleet::{ContainersChange, ContainersRing, ServerView};

pub(super) async fn serve(
    to: &Subscription,
    server: &str,
    after: Option<u64>,
) -> Result<Infallible, End> {
    let (state, account) = to.look()?;
    let not_found = || Error::not_found("server", &server.chars().take(200).collect::<String>());
    let (id, _) = state.server(server).ok_or_else(not_found)?;
    require(&state, &account, id, None).map_err(|_| not_found())?;
    let containers = to
        .app
        .background
        .fleet
        .containers(id)
        .ok_or_else(not_found)?;
    let mut revisions = containers.ring().watch();
    let mut desired = to.app.desired.changes();
    let mut rev = match after.filter(|after| containers.ring().after(*after).is_some()) {
        Some(after) => after,
        None => snapshot(to, &containers).await?,
    };
    loop {
        revisions.borrow_and_update();
        match containers.ring().after(rev) {
            None => {
                to.gap().await?;
                rev = snapshot(to, &containers).await?;
            }
            Some(changes) if !changes.is_empty() => {
                let (state, account) = to.look()?;
                require(&state, &account, id, None).map_err(|_| not_found())?;
                let newest = changes.last().map_or(rev, |change| change.rev);
                let mut latest: BTreeMap<&str, Option<&Arc<Container>>> = BTreeMap::new();
                let mut reset = false;
                for change in &changes {
                    match &change.what {
                        ContainersChange::Reset => reset = true,
                        ContainersChange::Delta { upsert, remove } => {
                            latest.extend(
                                upsert
                                    .iter()
                                    .map(|container| (container.id.as_str(), Some(container))),
                            );
                            latest.extend(remove.iter().map(|id| (id.as_str(), None)));
                        }
                    }
                }
                if reset {
                    rev = snapshot(to, &containers).await?;
                    continue;
                }
                let (view, now) = (containers.view(), to.app.clock.now());
                let server = containers.server();
                let (mut upsert, mut remove) = (Vec::new(), Vec::new());
                for (id, container) in latest {
                    match container {
                        Some(container) => {
                            upsert.push(raw(&list_item(server.name(), &view, container, now))?)
                        }
                        None => remove.push(id.to_owned()),
                    }
                }
                to.delta(newest, upsert, remove).await?;
                rev = newest;
            }
            Some(_) => {
                tokio::select! {
                    biased;
                    changed = revisions.changed() => changed.map_err(|_| End::Over)?,
                    changed = desired.changed() => {
                        changed.map_err(|_| End::Over)?;
                        let (state, account) = to.look()?;
                        require(&state, &account, id, None).map_err(|_| not_found())?;
                    }
                }
            }
        }
    }
}

async fn snapshot(to: &Subscription, containers: &ContainersRing) -> Result<u64, End> {
    // Before the view: a view is swapped in before the ring tells of it, so what the ring tells up to here is in the view.
    // The view's own revision will not do, since it also grows with changes that touch no container.
    let rev = containers.ring().rev();
    let (view, now) = (containers.view(), to.app.clock.now());
    let server = containers.server();
    let mut items: Vec<_> = view
        .containers
        .iter()
        .map(|container| list_item(server.name(), &view, container, now))
        .collect();
    items.sort_by(|a, b| (&a.name, &a.id).cmp(&(&b.name, &b.id)));
    let data = raw(&items)?;
    to.send(&LiveMessage::Snapshot {
        id: to.id,
        rev,
        data,
    })
    .await?;
    Ok(rev)
}

/// A container as lists carry it.
pub(crate) fn list_item(
    server_name: &str,
    view: &ServerView,
    container: &Container,
    now: UnixMs,
) -> ContainerListItem {
    // A text that grows (`Up 5 minutes`) stands still where nobody looks any more.
    let now = view.as_of(now).unwrap_or(now);
    let status = container_status(container, now);
    ContainerListItem {
        server_id: Some(view.server.to_string()),
        server_name: Some(server_name.to_owned()),
        name: container.name.clone(),
        id: Some(container.id.clone()),
        image: Some(container.image.clone()),
        image_id: Some(container.image_id.clone()),
        created: Some(container.created),
        size_rw: container
            .size_rw
            .and_then(|bytes| i64::try_from(bytes).ok()),
        size_root_fs: None,
        state: container.state,
        status: (!status.is_empty()).then_some(status),
        network_mode: Some(container.network_mode.clone()).filter(|mode| !mode.is_empty()),
        networks: container.networks.clone(),
        ports: container.ports.clone(),
        volumes: container.volumes.clone(),
        stats: container.stats.clone(),
        labels: container.labels.clone(),
        protected: view.reasons(&container.id).to_vec(),
        project: container.project().map(str::to_owned),
        health: container.health.map(|health| {
            match health {
                HealthStatus::Starting => "starting",
                HealthStatus::Healthy => "healthy",
                HealthStatus::Unhealthy => "unhealthy",
            }
            .to_owned()
        }),
        started_at: container.started_at,
        stale_since: view.stale_since,
    }
}
