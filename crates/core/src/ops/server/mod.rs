//! Servers: lists answer from memory, changes go through [`Desired::commit`](crate::desired::Desired::commit) and leave
//! an Update.

mod change;

use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use http::HeaderMap;
use komodo_agent_api::EngineState;
use komodo_api::{
    Code, Error, UnixMs,
    id::Id,
    resource::{ResourceTarget, TagQueryBehavior, TemplatesQueryBehavior},
    server::{
        GetPeripheryInformation, GetServer, GetServerActionState, GetServerState,
        GetServerStateResponse, GetServersSummary, GetServersSummaryResponse, GetSystemInformation,
        GetSystemStats, ListFullServers, ListServers, PeripheryInformation, Server,
        ServerActionState, ServerListItem, ServerQuery, ServerSortBy, ServerState,
    },
    stats::{SystemInformation, SystemStats},
};

pub(crate) use change::{new_server, server_name, toml_of};

use super::server_item::server_item_json;
use crate::{
    App,
    auth::may_read,
    desired::{Account, DesiredState},
    dispatch::{Body, Cx, Granted, Handle, Reply},
    fleet::{ServerView, unreachable},
};

/// A server that fits a query, with what was last seen of it.
struct Row<'a> {
    server: &'a Arc<Server>,
    view: Arc<ServerView>,
}

impl Row<'_> {
    fn state(&self) -> ServerState {
        self.view.state(self.server.config.enabled).0
    }
}

/// The servers that fit a query and that the caller may read, in the order of their names.
fn rows<'a>(
    app: &App,
    state: &'a DesiredState,
    caller: &Account,
    query: &ServerQuery,
) -> Result<Vec<Row<'a>>, Error> {
    let terms: Vec<String> = query.terms.iter().map(|term| term.to_lowercase()).collect();
    let (ids, names): (Vec<&String>, Vec<&String>) =
        query.names.iter().partition(|name| Id::is_id(name));
    let tags = query
        .tags
        .iter()
        .map(|tag| {
            state
                .tag(tag)
                .map(|id| id.to_string())
                .ok_or_else(|| Error::not_found("tag", tag))
        })
        .collect::<Result<Vec<_>, _>>()?;
    let fits = |id: &Id, server: &Server| {
        let tagged = |tag: &String| server.tags.contains(tag);
        let named = || {
            let name = server.name.to_lowercase();
            terms.iter().all(|term| name.contains(term))
        };
        (terms.is_empty() || named())
            && (ids.is_empty()
                || ids
                    .iter()
                    .any(|wanted| wanted.eq_ignore_ascii_case(id.as_str())))
            && (names.is_empty() || names.contains(&&server.name))
            && match query.tag_behavior {
                TagQueryBehavior::All => tags.iter().all(tagged),
                TagQueryBehavior::Any => tags.is_empty() || tags.iter().any(tagged),
            }
            && match query.templates {
                TemplatesQueryBehavior::Include => true,
                TemplatesQueryBehavior::Exclude => !server.template,
                TemplatesQueryBehavior::Only => server.template,
            }
    };
    let everything = caller.user.admin || caller.user.super_admin;
    let mut rows = Vec::with_capacity(state.servers.len());
    for id in state.servers_by_name.values() {
        let Some(server) = state.servers.get(id) else {
            continue;
        };
        if !fits(id, server)
            || !(everything || may_read(state, caller, &ResourceTarget::Server(id.to_string())))
        {
            continue;
        }
        // A server that was made a moment ago may not be in the fleet yet.
        let view = app
            .background
            .fleet
            .view(*id)
            .unwrap_or_else(|| Arc::new(ServerView::never(*id, 0)));
        let row = Row { server, view };
        if query.specific.states.is_empty() || query.specific.states.contains(&row.state()) {
            rows.push(row);
        }
    }
    Ok(rows)
}

fn sort(rows: &mut [Row<'_>], by: ServerSortBy, descending: bool) {
    let stat =
        |row: &Row<'_>, of: fn(&SystemStats) -> f64| row.view.stats.as_deref().map_or(-1.0, of);
    let part = |used: f64, total: f64| if total > 0.0 { used / total } else { 0.0 };
    match by {
        // They come in the order of their names, and sorting is stable.
        ServerSortBy::Name => {}
        ServerSortBy::Region => {
            rows.sort_by(|a, b| a.server.config.region.cmp(&b.server.config.region))
        }
        ServerSortBy::Version => {
            rows.sort_by_key(|row| {
                row.view
                    .agent
                    .as_deref()
                    .map(|agent| agent.version.clone())
                    .unwrap_or_default()
            });
        }
        ServerSortBy::State => rows.sort_by_key(Row::state),
        ServerSortBy::Cpu => rows.sort_by(|a, b| {
            let cpu = |row| stat(row, |stats| f64::from(stats.cpu_perc));
            cpu(a).total_cmp(&cpu(b))
        }),
        ServerSortBy::Memory => rows.sort_by(|a, b| {
            let memory = |row: &Row<'_>| {
                row.view
                    .stats
                    .as_deref()
                    .map_or(-1.0, |stats| part(stats.mem_used_gb, stats.mem_total_gb))
            };
            memory(a).total_cmp(&memory(b))
        }),
        ServerSortBy::Disk => rows.sort_by(|a, b| {
            let disk = |row: &Row<'_>| {
                row.view.stats.as_deref().map_or(-1.0, |stats| {
                    let (used, total) =
                        stats.disks.iter().fold((0.0, 0.0), |(used, total), disk| {
                            (used + disk.used_gb, total + disk.total_gb)
                        });
                    part(used, total)
                })
            };
            disk(a).total_cmp(&disk(b))
        }),
        ServerSortBy::LoadAverage => rows.sort_by(|a, b| {
            let load = |row| stat(row, |stats| stats.load_average.one);
            load(a).total_cmp(&load(b))
        }),
        ServerSortBy::Network => rows.sort_by(|a, b| {
            let network = |row| {
                stat(row, |stats| {
                    stats.network_ingress_bytes + stats.network_egress_bytes
                })
            };
            network(a).total_cmp(&network(b))
        }),
    }
    if descending {
        rows.reverse();
    }
}

/// The part of a list that a page shows: null is the configured length, 0 is all.
pub(crate) fn page_of<T>(
    items: Vec<T>,
    page: u64,
    limit: Option<u64>,
    default_limit: u64,
) -> Vec<T> {
    match limit.unwrap_or(default_limit) {
        0 => items,
        limit => {
            let skip = usize::try_from(page.saturating_mul(limit)).unwrap_or(usize::MAX);
            items
                .into_iter()
                .skip(skip)
                .take(usize::try_from(limit).unwrap_or(usize::MAX))
                .collect()
        }
    }
}

/// Headers of a list: how many there are in all, and what time it tells of.
pub(crate) fn list_headers(total: usize, as_of: UnixMs) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert("x-total-count", total.into());
    headers.insert("x-as-of", as_of.into());
    headers
}

impl Handle<ListServers> for App {
    async fn handle(
        self: &Arc<Self>,
        granted: Granted<ListServers>,
        cx: &Cx,
    ) -> Result<Reply<Vec<ServerListItem>>, Error> {
        let ListServers {
            query,
            page,
            limit,
            sort_by,
            sort_desc,
        } = granted.op;
        let mut rows = rows(self, &cx.state, cx.caller()?, &query)?;
        let headers = list_headers(rows.len(), self.clock.now());
        sort(&mut rows, sort_by, sort_desc);
        let items: Vec<Bytes> = page_of(rows, page, limit, self.config.default_pagination_limit)
            .iter()
            .map(|row| server_item_json(row.server, &row.view))
            .collect();
        Ok(Reply {
            body: Body::Json(join(&items)),
            headers,
        })
    }
}

/// A JSON list of items that are written already.
fn join(items: &[Bytes]) -> Bytes {
    let mut json =
        BytesMut::with_capacity(2 + items.iter().map(|item| item.len() + 1).sum::<usize>());
    json.put_u8(b'[');
    for (number, item) in items.iter().enumerate() {
        if number > 0 {
            json.put_u8(b',');
        }
        json.extend_from_slice(item);
    }
    json.put_u8(b']');
    json.freeze()
}

impl Handle<ListFullServers> for App {
    async fn handle(
        self: &Arc<Self>,
        granted: Granted<ListFullServers>,
        cx: &Cx,
    ) -> Result<Reply<Vec<Server>>, Error> {
        let ListFullServers { query, page, limit } = granted.op;
        let rows = rows(self, &cx.state, cx.caller()?, &query)?;
        let headers = list_headers(rows.len(), self.clock.now());
        let servers = page_of(rows, page, limit, self.config.default_pagination_limit);
        let servers = servers
            .iter()
            .map(|row| Server::clone(row.server))
            .collect();
        Ok(Reply {
            body: Body::Value(servers),
            headers,
        })
    }
}

impl Handle<GetServersSummary> for App {
    async fn handle(
        self: &Arc<Self>,
        _: Granted<GetServersSummary>,
        cx: &Cx,
    ) -> Result<Reply<GetServersSummaryResponse>, Error> {
        let mut summary = GetServersSummaryResponse::default();
        let query = ServerQuery {
            templates: TemplatesQueryBehavior::Exclude,
            ..ServerQuery::default()
        };
        for row in rows(self, &cx.state, cx.caller()?, &query)? {
            let other_version = row
                .view
                .agent
                .as_deref()
                .is_some_and(|agent| agent.version != env!("CARGO_PKG_VERSION"));
            summary.total += 1;
            match row.state() {
                ServerState::Ok if other_version => summary.warning += 1,
                ServerState::Ok => summary.healthy += 1,
                ServerState::NotOk => summary.unhealthy += 1,
                ServerState::Disabled => summary.disabled += 1,
            }
        }
        Ok(summary.into())
    }
}

impl Handle<GetServer> for App {
    async fn handle(
        self: &Arc<Self>,
        granted: Granted<GetServer>,
        _: &Cx,
    ) -> Result<Reply<Server>, Error> {
        Ok(Server::clone(granted.server()?.1).into())
    }
}

impl Handle<GetServerState> for App {
    async fn handle(
        self: &Arc<Self>,
        granted: Granted<GetServerState>,
        _: &Cx,
    ) -> Result<Reply<GetServerStateResponse>, Error> {
        let (id, server) = granted.server()?;
        let view = view(self, id, server)?;
        let (status, reason) = view.state(server.config.enabled);
        Ok(GetServerStateResponse { status, reason }.into())
    }
}

impl Handle<GetServerActionState> for App {
    async fn handle(
        self: &Arc<Self>,
        granted: Granted<GetServerActionState>,
        _: &Cx,
    ) -> Result<Reply<ServerActionState>, Error> {
        Ok(self
            .background
            .tasks
            .action_state(granted.server()?.0)
            .into())
    }
}

impl Handle<GetPeripheryInformation> for App {
    async fn handle(
        self: &Arc<Self>,
        granted: Granted<GetPeripheryInformation>,
        _: &Cx,
    ) -> Result<Reply<PeripheryInformation>, Error> {
        let (id, server) = granted.server()?;
        let view = view(self, id, server)?;
        let agent = view
            .agent
            .as_deref()
            .ok_or_else(|| never_told(server, &view))?;
        let information = PeripheryInformation {
            version: agent.version.clone(),
            public_key: server.info.public_key.clone(),
            terminals_disabled: agent.terminals_disabled,
            container_terminals_disabled: agent.container_terminals_disabled,
            stats_polling_rate: agent.stats_polling_rate,
            docker_connected: view.is_live()
                && matches!(view.engine, EngineState::Connected { .. }),
            public_ip: None,
        };
        Ok(dated(self, &view, information))
    }
}

impl Handle<GetSystemInformation> for App {
    async fn handle(
        self: &Arc<Self>,
        granted: Granted<GetSystemInformation>,
        _: &Cx,
    ) -> Result<Reply<SystemInformation>, Error> {
        let (id, server) = granted.server()?;
        let view = view(self, id, server)?;
        let host = view
            .host
            .as_deref()
            .ok_or_else(|| never_told(server, &view))?;
        Ok(dated(self, &view, host.clone()))
    }
}

impl Handle<GetSystemStats> for App {
    async fn handle(
        self: &Arc<Self>,
        granted: Granted<GetSystemStats>,
        _: &Cx,
    ) -> Result<Reply<SystemStats>, Error> {
        let (id, server) = granted.server()?;
        let view = view(self, id, server)?;
        let stats = view
            .stats
            .as_deref()
            .ok_or_else(|| never_told(server, &view))?;
        Ok(dated(self, &view, stats.clone()))
    }
}

fn view(app: &App, id: Id, server: &Server) -> Result<Arc<ServerView>, Error> {
    app.background
        .fleet
        .view(id)
        .ok_or_else(|| Error::not_found("server", &server.name))
}

fn dated<T>(app: &App, view: &ServerView, value: T) -> Reply<T> {
    let reply = Reply::from(value);
    match view.as_of(app.clock.now()) {
        Some(as_of) => reply.header("x-as-of", as_of),
        None => reply,
    }
}

/// There is nothing to answer with, not even something old.
fn never_told(server: &Server, view: &ServerView) -> Error {
    unreachable(&server.name, server.config.enabled, view).unwrap_or_else(|| {
        Error::new(
            Code::ServerUnreachable,
            format!("the agent of {} has not told anything yet", server.name),
        )
    })
}
