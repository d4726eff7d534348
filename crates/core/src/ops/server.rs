//! Servers: lists answer from memory, changes go through [`Desired::commit`](crate::desired::Desired::commit) and leave
//! an Update.

use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use http::HeaderMap;
use komodo_api::{
    Code, Error, UnixMs,
    id::{Id, Oid},
    permission::{Permission, PermissionLevel, UserTarget},
    resource::{ResourceTarget, TagQueryBehavior, TemplatesQueryBehavior},
    server::{
        CreateServer, DeleteServer, GetPeripheryInformation, GetServer, GetServerActionState, GetServerState,
        GetServerStateResponse, GetServersSummary, GetServersSummaryResponse, GetSystemInformation, GetSystemStats,
        ListFullServers, ListServers, PartialServerConfig, PeripheryInformation, RenameServer, Server, ServerActionState, ServerConfig,
        ServerListItem, ServerQuery, ServerSortBy, ServerState, UpdateServer,
    },
    stats::{SystemInformation, SystemStats},
    update::Update,
};
use komodo_agent_api::EngineState;
use komodo_link::PublicKey;

use super::server_item::server_item_json;
use crate::{
    App,
    auth::{may_read, permission::ALL_SPECIFIC},
    desired::{Account, DesiredState},
    dispatch::{Body, Cx, Granted, Handle, Reply},
    fleet::{ServerView, unreachable},
    store::Change,
    tasks::Outcome,
};

/// Longest name of a server, in characters.
const NAME_CHARS_MAX: usize = 200;

// -- lists -----------------------------------------------------------------------------------------------------------

/// A server that fits a query, with what was last seen of it.
struct Row<'a> {
    server: &'a Arc<Server>,
    view: Arc<ServerView>,
}

impl Row<'_> {
    fn state(&self) -> ServerState {
        komodo_plan::server_state(self.server.config.enabled, &self.view.link, &self.view.engine).0
    }
}

/// The servers that fit a query and that the caller may read, in the order of their names.
fn rows<'a>(app: &App, state: &'a DesiredState, caller: &Account, query: &ServerQuery) -> Result<Vec<Row<'a>>, Error> {
    let terms: Vec<String> = query.terms.iter().map(|term| term.to_lowercase()).collect();
    let (ids, names): (Vec<&String>, Vec<&String>) = query.names.iter().partition(|name| Id::is_id(name));
    let tags = query
        .tags
        .iter()
        .map(|tag| state.tag(tag).map(|id| id.to_string()).ok_or_else(|| Error::not_found("tag", tag)))
        .collect::<Result<Vec<_>, _>>()?;
    let fits = |id: &Id, server: &Server| {
        let tagged = |tag: &String| server.tags.contains(tag);
        let named = || {
            let name = server.name.to_lowercase();
            terms.iter().all(|term| name.contains(term))
        };
        (terms.is_empty() || named())
            && (ids.is_empty() || ids.iter().any(|wanted| wanted.eq_ignore_ascii_case(id.as_str())))
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
        let Some(server) = state.servers.get(id) else { continue };
        if !fits(id, server) || !(everything || may_read(state, caller, &ResourceTarget::Server(id.to_string()))) {
            continue;
        }
        // A server that was made a moment ago may not be in the fleet yet.
        let view = app.background.fleet.view(*id).unwrap_or_else(|| Arc::new(ServerView::never(*id, 0)));
        let row = Row { server, view };
        if query.specific.states.is_empty() || query.specific.states.contains(&row.state()) {
            rows.push(row);
        }
    }
    Ok(rows)
}

fn sort(rows: &mut [Row<'_>], by: ServerSortBy, descending: bool) {
    let stat = |row: &Row<'_>, of: fn(&SystemStats) -> f64| row.view.stats.as_deref().map_or(-1.0, of);
    let part = |used: f64, total: f64| if total > 0.0 { used / total } else { 0.0 };
    match by {
        // They come in the order of their names, and sorting is stable.
        ServerSortBy::Name => {}
        ServerSortBy::Region => rows.sort_by(|a, b| a.server.config.region.cmp(&b.server.config.region)),
        ServerSortBy::Version => {
            rows.sort_by_key(|row| row.view.agent.as_deref().map(|agent| agent.version.clone()).unwrap_or_default());
        }
        ServerSortBy::State => rows.sort_by_key(Row::state),
        ServerSortBy::Cpu => rows.sort_by(|a, b| {
            let cpu = |row| stat(row, |stats| f64::from(stats.cpu_perc));
            cpu(a).total_cmp(&cpu(b))
        }),
        ServerSortBy::Memory => rows.sort_by(|a, b| {
            let memory = |row: &Row<'_>| {
                row.view.stats.as_deref().map_or(-1.0, |stats| part(stats.mem_used_gb, stats.mem_total_gb))
            };
            memory(a).total_cmp(&memory(b))
        }),
        ServerSortBy::Disk => rows.sort_by(|a, b| {
            let disk = |row: &Row<'_>| {
                row.view.stats.as_deref().map_or(-1.0, |stats| {
                    let (used, total) = stats
                        .disks
                        .iter()
                        .fold((0.0, 0.0), |(used, total), disk| (used + disk.used_gb, total + disk.total_gb));
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
            let network = |row| stat(row, |stats| stats.network_ingress_bytes + stats.network_egress_bytes);
            network(a).total_cmp(&network(b))
        }),
    }
    if descending {
        rows.reverse();
    }
}

/// The part of a list that a page shows: null is the configured length, 0 is all.
pub(crate) fn page_of<T>(items: Vec<T>, page: u64, limit: Option<u64>, default_limit: u64) -> Vec<T> {
    match limit.unwrap_or(default_limit) {
        0 => items,
        limit => {
            let skip = usize::try_from(page.saturating_mul(limit)).unwrap_or(usize::MAX);
            items.into_iter().skip(skip).take(usize::try_from(limit).unwrap_or(usize::MAX)).collect()
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
        let ListServers { query, page, limit, sort_by, sort_desc } = granted.op;
        let mut rows = rows(self, &cx.state, cx.caller()?, &query)?;
        let headers = list_headers(rows.len(), self.clock.now());
        sort(&mut rows, sort_by, sort_desc);
        let items: Vec<Bytes> = page_of(rows, page, limit, self.config.default_pagination_limit)
            .iter()
            .map(|row| server_item_json(row.server, &row.view))
            .collect();
        Ok(Reply { body: Body::Json(join(&items)), headers })
    }
}

/// A JSON list of items that are written already.
fn join(items: &[Bytes]) -> Bytes {
    let mut json = BytesMut::with_capacity(2 + items.iter().map(|item| item.len() + 1).sum::<usize>());
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
    async fn handle(self: &Arc<Self>, granted: Granted<ListFullServers>, cx: &Cx) -> Result<Reply<Vec<Server>>, Error> {
        let ListFullServers { query, page, limit } = granted.op;
        let rows = rows(self, &cx.state, cx.caller()?, &query)?;
        let headers = list_headers(rows.len(), self.clock.now());
        let servers = page_of(rows, page, limit, self.config.default_pagination_limit);
        let servers = servers.iter().map(|row| Server::clone(row.server)).collect();
        Ok(Reply { body: Body::Value(servers), headers })
    }
}

impl Handle<GetServersSummary> for App {
    async fn handle(
        self: &Arc<Self>,
        _: Granted<GetServersSummary>,
        cx: &Cx,
    ) -> Result<Reply<GetServersSummaryResponse>, Error> {
        let mut summary = GetServersSummaryResponse::default();
        let query = ServerQuery { templates: TemplatesQueryBehavior::Exclude, ..ServerQuery::default() };
        for row in rows(self, &cx.state, cx.caller()?, &query)? {
            let other_version = row.view.agent.as_deref().is_some_and(|agent| agent.version != env!("CARGO_PKG_VERSION"));
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

// -- one server ------------------------------------------------------------------------------------------------------

impl Handle<GetServer> for App {
    async fn handle(self: &Arc<Self>, granted: Granted<GetServer>, _: &Cx) -> Result<Reply<Server>, Error> {
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
        let (status, reason) = komodo_plan::server_state(server.config.enabled, &view.link, &view.engine);
        Ok(GetServerStateResponse { status, reason }.into())
    }
}

impl Handle<GetServerActionState> for App {
    async fn handle(
        self: &Arc<Self>,
        granted: Granted<GetServerActionState>,
        _: &Cx,
    ) -> Result<Reply<ServerActionState>, Error> {
        Ok(self.background.tasks.action_state(granted.server()?.0).into())
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
        let agent = view.agent.as_deref().ok_or_else(|| never_told(server, &view))?;
        let information = PeripheryInformation {
            version: agent.version.clone(),
            public_key: server.info.public_key.clone(),
            terminals_disabled: agent.terminals_disabled,
            container_terminals_disabled: agent.container_terminals_disabled,
            stats_polling_rate: agent.stats_polling_rate,
            docker_connected: view.is_live() && matches!(view.engine, EngineState::Connected { .. }),
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
        let host = view.host.as_deref().ok_or_else(|| never_told(server, &view))?;
        Ok(dated(self, &view, host.clone()))
    }
}

impl Handle<GetSystemStats> for App {
    async fn handle(self: &Arc<Self>, granted: Granted<GetSystemStats>, _: &Cx) -> Result<Reply<SystemStats>, Error> {
        let (id, server) = granted.server()?;
        let view = view(self, id, server)?;
        let stats = view.stats.as_deref().ok_or_else(|| never_told(server, &view))?;
        Ok(dated(self, &view, stats.clone()))
    }
}

fn view(app: &App, id: Id, server: &Server) -> Result<Arc<ServerView>, Error> {
    app.background.fleet.view(id).ok_or_else(|| Error::not_found("server", &server.name))
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
        Error::new(Code::ServerUnreachable, format!("the agent of {} has not told anything yet", server.name))
    })
}

// -- changes ---------------------------------------------------------------------------------------------------------

/// A name as it is stored, or why it cannot be one.
pub(crate) fn server_name(name: &str) -> Result<String, Error> {
    let name = name.trim().replace('\n', "_");
    if name.is_empty() {
        return Err(Error::invalid("a server needs a name"));
    }
    if name.chars().count() > NAME_CHARS_MAX {
        return Err(Error::invalid(format!("the name of a server has at most {NAME_CHARS_MAX} characters")));
    }
    if name.chars().any(char::is_control) {
        return Err(Error::invalid("the name of a server holds no control characters"));
    }
    match Id::is_id(&name) {
        true => Err(Error::invalid("the name of a server must not look like an id (24 hex digits)")),
        false => Ok(name),
    }
}

/// 409 where another server has the name.
pub(crate) fn require_free_name(state: &DesiredState, name: &str, own: Option<Id>) -> Result<(), Error> {
    match state.servers_by_name.get(name) {
        Some(id) if Some(*id) != own => Err(Error::new(
            Code::Conflict,
            format!("there is a server '{name}' already; choose another name"),
        )
        .param("name", name)),
        _ => Ok(()),
    }
}

impl Handle<CreateServer> for App {
    async fn handle(self: &Arc<Self>, granted: Granted<CreateServer>, cx: &Cx) -> Result<Reply<Server>, Error> {
        let CreateServer { name, config, public_key } = granted.op;
        let public_key = match public_key.filter(|key| !key.is_empty()) {
            None => String::new(),
            Some(key) => key
                .parse::<PublicKey>()
                .map_err(|error| Error::invalid("public_key is no public key of an agent").cause(error))?
                .to_string(),
        };
        let caller = cx.caller()?;
        let (id, now) = (self.new_id(), self.clock.now());
        let mut server = new_server(id, server_name(&name)?, now);
        server.config = server.config.merged(without_secrets(config));
        server.info.public_key = public_key;
        let grant = (!caller.user.admin).then(|| {
            let permission_id = self.new_id();
            let permission = Permission {
                id: Some(Oid(permission_id)),
                user_target: UserTarget::User(caller.id.to_string()),
                resource_target: ResourceTarget::Server(id.to_string()),
                level: PermissionLevel::Write,
                specific: ALL_SPECIFIC.into_iter().collect(),
            };
            Change::PutPermission(permission_id, Arc::new(permission))
        });
        let server = self
            .desired
            .commit(move |state| {
                require_free_name(state, &server.name, None)?;
                if !server.info.public_key.is_empty() {
                    require_free_key(state, &server.info.public_key)?;
                }
                let server = Arc::new(server);
                let changes = [Change::PutServer(id, Arc::clone(&server))].into_iter().chain(grant).collect();
                Ok((changes, server))
            })
            .await?;
        self.background.reconcile(&self.desired);
        let outcome = Outcome { current_toml: toml_of(&server), ..done("Create Server", &server.name) };
        record(self, cx, "CreateServer", id, outcome).await;
        Ok(Server::clone(&server).into())
    }
}

/// A passkey is for agents of other implementations: it is not kept, so that no answer and no record can show it.
fn without_secrets(change: PartialServerConfig) -> PartialServerConfig {
    PartialServerConfig { passkey: None, ..change }
}

/// A server with all defaults.
pub(crate) fn new_server(id: Id, name: String, now: UnixMs) -> Server {
    Server {
        id: Some(Oid(id)),
        name,
        description: String::new(),
        template: false,
        tags: Vec::new(),
        info: Default::default(),
        config: ServerConfig::default(),
        base_permission: Default::default(),
        updated_at: now,
    }
}

fn require_free_key(state: &DesiredState, key: &str) -> Result<(), Error> {
    match state.servers.values().find(|server| server.info.public_key == key) {
        Some(server) => Err(Error::new(Code::Conflict, format!("server '{}' has that public key", server.name))),
        None => Ok(()),
    }
}

impl Handle<UpdateServer> for App {
    async fn handle(self: &Arc<Self>, granted: Granted<UpdateServer>, cx: &Cx) -> Result<Reply<Server>, Error> {
        let (id, _) = granted.server()?;
        let (change, now) = (without_secrets(granted.op.config), self.clock.now());
        let (before, after) = self
            .desired
            .commit(move |state| {
                let before = state.servers.get(&id).cloned().ok_or_else(|| deleted(&id))?;
                let config = before.config.clone().merged(change);
                if config == before.config {
                    return Ok((Vec::new(), (Arc::clone(&before), before)));
                }
                let after = Arc::new(Server { config, updated_at: now, ..Server::clone(&before) });
                Ok((vec![Change::PutServer(id, Arc::clone(&after))], (before, after)))
            })
            .await?;
        if !Arc::ptr_eq(&before, &after) {
            self.background.reconcile(&self.desired);
            let outcome = Outcome {
                prev_toml: toml_of(&before),
                current_toml: toml_of(&after),
                ..done("Update Server", &after.name)
            };
            record(self, cx, "UpdateServer", id, outcome).await;
        }
        Ok(Server::clone(&after).into())
    }
}

impl Handle<RenameServer> for App {
    async fn handle(self: &Arc<Self>, granted: Granted<RenameServer>, cx: &Cx) -> Result<Reply<Update>, Error> {
        let (id, _) = granted.server()?;
        let (name, now) = (server_name(&granted.op.name)?, self.clock.now());
        let (before, after) = self
            .desired
            .commit(move |state| {
                let before = state.servers.get(&id).cloned().ok_or_else(|| deleted(&id))?;
                require_free_name(state, &name, Some(id))?;
                if before.name == name {
                    return Ok((Vec::new(), (Arc::clone(&before), before)));
                }
                let after = Arc::new(Server { name, updated_at: now, ..Server::clone(&before) });
                Ok((vec![Change::PutServer(id, Arc::clone(&after))], (before, after)))
            })
            .await?;
        self.background.reconcile(&self.desired);
        let text = match before.name == after.name {
            true => format!("{} has that name already", after.name),
            false => format!("renamed {} to {}", before.name, after.name),
        };
        let operator = cx.caller()?.id.to_string();
        let target = ResourceTarget::Server(id.to_string());
        let update = self.background.tasks.record(&operator, "RenameServer", target, Outcome::done("Rename Server", text)).await?;
        Ok(update.into())
    }
}

impl Handle<DeleteServer> for App {
    async fn handle(self: &Arc<Self>, granted: Granted<DeleteServer>, cx: &Cx) -> Result<Reply<Server>, Error> {
        let (id, _) = granted.server()?;
        let target = ResourceTarget::Server(id.to_string());
        let server = self
            .desired
            .commit(move |state| {
                let server = state.servers.get(&id).cloned().ok_or_else(|| deleted(&id))?;
                let grants = state.permissions_on(&target).map(Change::DeletePermission);
                Ok((grants.chain([Change::DeleteServer(id)]).collect(), server))
            })
            .await?;
        self.background.reconcile(&self.desired);
        let outcome = Outcome { prev_toml: toml_of(&server), ..done("Delete Server", &server.name) };
        record(self, cx, "DeleteServer", id, outcome).await;
        Ok(Server::clone(&server).into())
    }
}

fn deleted(id: &Id) -> Error {
    Error::not_found("server", id.as_str())
}

fn done(stage: &str, name: &str) -> Outcome {
    Outcome::done(stage, format!("{}: {name}", stage.to_lowercase()))
}

/// Records a change that is made already: it stays made when the record cannot be kept.
async fn record(app: &App, cx: &Cx, request: &str, server: Id, outcome: Outcome) {
    let operator = cx.caller.as_ref().map(|caller| caller.id.to_string()).unwrap_or_default();
    let target = ResourceTarget::Server(server.to_string());
    if let Err(error) = app.background.tasks.record(&operator, request, target, outcome).await {
        tracing::error!(request.id = &*cx.request_id, server.id = %server, %error, "{request} is done but not recorded");
    }
}

/// A server as it is written in resource files: what has its default is left out.
pub(crate) fn toml_of(server: &Server) -> String {
    let as_map = |config: &ServerConfig| match serde_json::to_value(config) {
        Ok(serde_json::Value::Object(map)) => map,
        _ => serde_json::Map::new(),
    };
    let defaults = as_map(&ServerConfig::default());
    let mut config = as_map(&server.config);
    config.retain(|key, value| defaults.get(key) != Some(value));
    let mut table = serde_json::Map::new();
    table.insert("name".into(), server.name.clone().into());
    if !server.description.is_empty() {
        table.insert("description".into(), server.description.clone().into());
    }
    if server.template {
        table.insert("template".into(), true.into());
    }
    if !server.tags.is_empty() {
        table.insert("tags".into(), server.tags.clone().into());
    }
    table.insert("config".into(), config.into());
    toml::to_string(&serde_json::json!({ "server": [table] })).unwrap_or_default()
}

