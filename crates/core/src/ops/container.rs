//! Containers: lists from the views that the fleet holds, and what is asked of agents live.

use std::{cmp::Ordering, sync::Arc};

use http::HeaderValue;
use komodo_api::{
    Error, UnixMs,
    container::{
        Container, ContainerListItem, ContainerSortBy, GetContainersSummary,
        GetContainersSummaryResponse, InspectContainer, ListAllContainers, ListContainers,
        ListProtected,
    },
    engine::ContainerStateStatusEnum,
    id::Id,
    plan::Protected,
    resource::ResourceTarget,
    server::Server,
};

use super::container_document::document;
use crate::{
    App,
    auth::may_read,
    dispatch::{Cx, Granted, Handle, Reply},
    fleet::{ServerView, unreachable},
    live::container_list_item,
};

/// Time that an answer tells of, unix milliseconds.
pub(super) const AS_OF: &str = "x-as-of";
/// Time since when what an answer tells may be out of date, unix milliseconds; absent while it is live.
pub(super) const STALE_SINCE: &str = "x-stale-since";
const TOTAL: &str = "x-total-count";

impl Handle<ListContainers> for App {
    async fn handle(
        self: &Arc<Self>,
        granted: Granted<ListContainers>,
        _: &Cx,
    ) -> Result<Reply<Vec<ContainerListItem>>, Error> {
        let (id, server) = granted.server()?;
        let (view, now) = (view(self, id)?, self.clock.now());
        let mut items = items_of(server, &view, now);
        items.sort_by(|a, b| by(ContainerSortBy::Name, a, b));
        let total = items.len();
        Ok(told_of(Reply::from(items).header(TOTAL, total), &view, now))
    }
}

impl Handle<ListAllContainers> for App {
    async fn handle(
        self: &Arc<Self>,
        granted: Granted<ListAllContainers>,
        cx: &Cx,
    ) -> Result<Reply<Vec<ContainerListItem>>, Error> {
        let op = granted.op;
        let now = self.clock.now();
        let tags = op
            .tags
            .iter()
            .map(|tag| {
                cx.state
                    .tag(tag)
                    .map(|id| id.to_string())
                    .ok_or_else(|| Error::not_found("tag", tag))
            })
            .collect::<Result<Vec<_>, _>>()?;
        let terms: Vec<String> = op.terms.iter().map(|term| term.to_lowercase()).collect();
        let meant = |id: Id, server: &Server| {
            (op.servers.is_empty()
                || op
                    .servers
                    .iter()
                    .any(|one| *one == server.name || one.eq_ignore_ascii_case(id.as_str())))
                && tags.iter().all(|tag| server.tags.contains(tag))
        };
        let mut items = Vec::new();
        let mut as_of = now;
        let mut stale_since: Option<UnixMs> = None;
        for (id, server, view) in readable(self, cx)? {
            if !meant(id, &server) {
                continue;
            }
            as_of = as_of.min(view.as_of(now).unwrap_or(now));
            stale_since = [stale_since, view.stale_since].into_iter().flatten().min();
            let fits = |item: &ContainerListItem| {
                let name = item.name.to_lowercase();
                terms.iter().all(|term| name.contains(term))
                    && (op.state.is_empty() || op.state.contains(&item.state))
            };
            items.extend(items_of(&server, &view, now).into_iter().filter(fits));
        }
        items.sort_by(|a, b| {
            let order = by(op.sort_by, a, b);
            if op.sort_desc { order.reverse() } else { order }
        });
        let total = items.len();
        let limit = op.limit.unwrap_or(self.config.default_pagination_limit);
        let items = page(items, op.page, limit);
        let reply = Reply::from(items).header(TOTAL, total);
        Ok(with_times(reply, Some(as_of), stale_since))
    }
}

impl Handle<GetContainersSummary> for App {
    async fn handle(
        self: &Arc<Self>,
        _: Granted<GetContainersSummary>,
        cx: &Cx,
    ) -> Result<Reply<GetContainersSummaryResponse>, Error> {
        use ContainerStateStatusEnum::*;
        let mut summary = GetContainersSummaryResponse::default();
        let now = self.clock.now();
        let mut as_of = now;
        for (_, _, view) in readable(self, cx)? {
            as_of = as_of.min(view.as_of(now).unwrap_or(now));
            for container in view.containers.iter() {
                summary.total += 1;
                let count = match container.state {
                    Running
                        if container.health == Some(komodo_agent_api::HealthStatus::Unhealthy) =>
                    {
                        &mut summary.unhealthy
                    }
                    Running | Stopping => &mut summary.running,
                    Exited | Created | Paused => &mut summary.stopped,
                    Restarting | Dead | Removing => &mut summary.unhealthy,
                    Empty => &mut summary.unknown,
                };
                *count += 1;
            }
        }
        Ok(with_times(Reply::from(summary), Some(as_of), None))
    }
}

impl Handle<InspectContainer> for App {
    async fn handle(
        self: &Arc<Self>,
        granted: Granted<InspectContainer>,
        _: &Cx,
    ) -> Result<Reply<Container>, Error> {
        let (id, server) = granted.server()?;
        let (view, now) = (view(self, id)?, self.clock.now());
        let reference = &granted.op.container;
        let asked = match (
            unreachable(&server.name, server.config.enabled, &view),
            self.background.fleet.agent(id),
        ) {
            (None, Some(agent)) => agent.inspect(reference).await,
            (Some(error), _) => Err(error),
            (None, None) => Err(Error::not_found("server", id.as_str())),
        };
        let error = match asked {
            Ok(document) => {
                let no_document = || {
                    let text = format!(
                        "server '{}' answered an inspect with something that is no document",
                        server.name
                    );
                    Error::new(komodo_api::Code::BadAgent, text)
                };
                let mut container = Container::from_document(document).ok_or_else(no_document)?;
                container.protected = view
                    .reasons(container.id.as_deref().unwrap_or_default())
                    .to_vec();
                return Ok(told_of(container.into(), &view, now));
            }
            Err(error) => error,
        };
        use komodo_api::Code::*;
        if !matches!(
            error.code,
            ServerUnreachable | ServerDisabled | EngineUnreachable | DeadlineExceeded
        ) {
            return Err(error);
        }
        // Who cannot be asked is remembered, and the answer says how old that is.
        let Some(container) = view.find(&reference.0) else {
            return Err(error);
        };
        let since = view.stale_since.unwrap_or(now);
        let mut remembered =
            Container::from_document(document(container).into()).unwrap_or_default();
        remembered.protected = view.reasons(&container.id).to_vec();
        let reply = Reply::from(remembered);
        Ok(with_times(reply, view.as_of(now), Some(since)))
    }
}

impl Handle<ListProtected> for App {
    async fn handle(
        self: &Arc<Self>,
        granted: Granted<ListProtected>,
        _: &Cx,
    ) -> Result<Reply<Vec<Protected>>, Error> {
        let (id, _) = granted.server()?;
        let (view, now) = (view(self, id)?, self.clock.now());
        let mut protected: Vec<_> = view
            .protected
            .iter()
            .map(|container| Protected {
                container: container.name.clone(),
                id: container.id.clone(),
                protected: container.reasons.clone(),
            })
            .collect();
        protected.sort_by(|a, b| (&a.container, &a.id).cmp(&(&b.container, &b.id)));
        Ok(told_of(Reply::from(protected), &view, now))
    }
}

/// The view of a server that is known.
pub(super) fn view(app: &App, server: Id) -> Result<Arc<ServerView>, Error> {
    app.background
        .fleet
        .view(server)
        .ok_or_else(|| Error::not_found("server", server.as_str()))
}

/// A server with what is seen of it.
type Seen = (Id, Arc<Server>, Arc<ServerView>);

/// The servers that the caller may read, with their views, by name.
fn readable(app: &App, cx: &Cx) -> Result<Vec<Seen>, Error> {
    let caller = cx.caller()?;
    Ok(cx
        .state
        .servers_by_name
        .values()
        .filter(|id| may_read(&cx.state, caller, &ResourceTarget::Server(id.to_string())))
        .filter_map(|id| {
            Some((
                *id,
                Arc::clone(cx.state.servers.get(id)?),
                app.background.fleet.view(*id)?,
            ))
        })
        .collect())
}

fn items_of(server: &Server, view: &ServerView, now: UnixMs) -> Vec<ContainerListItem> {
    view.containers
        .iter()
        .map(|container| container_list_item(&server.name, view, container, now))
        .collect()
}

/// The answer with the time it tells of.
pub(super) fn told_of<T>(reply: Reply<T>, view: &ServerView, now: UnixMs) -> Reply<T> {
    with_times(reply, view.as_of(now), view.stale_since)
}

fn with_times<T>(
    mut reply: Reply<T>,
    as_of: Option<UnixMs>,
    stale_since: Option<UnixMs>,
) -> Reply<T> {
    for (name, time) in [(AS_OF, as_of), (STALE_SINCE, stale_since)] {
        if let Some(time) = time {
            reply = reply.header(name, HeaderValue::from(time));
        }
    }
    reply
}

/// Order of list items; containers that do not differ in what is asked are in the order of names.
fn by(sort: ContainerSortBy, a: &ContainerListItem, b: &ContainerListItem) -> Ordering {
    let order = match sort {
        ContainerSortBy::Name => Ordering::Equal,
        ContainerSortBy::Server => a.server_name.cmp(&b.server_name),
        ContainerSortBy::State => a.state.cmp(&b.state),
        ContainerSortBy::Image => a.image.cmp(&b.image),
        ContainerSortBy::Networks => a.networks.cmp(&b.networks),
        ContainerSortBy::Ports => ports(a).cmp(&ports(b)),
        ContainerSortBy::Volumes => a.volumes.cmp(&b.volumes),
    };
    order
        .then_with(|| a.name.cmp(&b.name))
        .then_with(|| a.server_name.cmp(&b.server_name))
        .then_with(|| a.id.cmp(&b.id))
}

fn ports(item: &ContainerListItem) -> Vec<(Option<u16>, u16)> {
    item.ports
        .iter()
        .map(|port| (port.public_port, port.private_port))
        .collect()
}

/// A page of a list; 0 items a page is all of them.
fn page<T>(items: Vec<T>, page: u64, limit: u64) -> Vec<T> {
    if limit == 0 {
        return items;
    }
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let skip = usize::try_from(page)
        .unwrap_or(usize::MAX)
        .saturating_mul(limit);
    items.into_iter().skip(skip).take(limit).collect()
}
