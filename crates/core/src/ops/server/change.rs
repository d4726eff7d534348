//! Changes of servers: decided on the newest state, stored, shown to the fleet, recorded.

use std::sync::Arc;

use komodo_api::{
    Code, Error, UnixMs,
    id::{Id, Oid},
    permission::{Permission, PermissionLevel, UserTarget},
    resource::ResourceTarget,
    server::{
        CreateServer, DeleteServer, PartialServerConfig, RenameServer, Server, ServerConfig,
        UpdateServer,
    },
    update::Update,
};
use komodo_link::PublicKey;

use crate::{
    App,
    auth::permission::ALL_SPECIFIC,
    desired::DesiredState,
    dispatch::{Cx, Granted, Handle, Reply},
    store::Change,
    tasks::Outcome,
};

/// Longest name of a server, in characters.
const NAME_CHARS_MAX: usize = 200;

/// A name as it is stored, or why it cannot be one.
pub(crate) fn server_name(name: &str) -> Result<String, Error> {
    let name = name.trim().replace('\n', "_");
    if name.is_empty() {
        return Err(Error::invalid("a server needs a name"));
    }
    if name.chars().count() > NAME_CHARS_MAX {
        return Err(Error::invalid(format!(
            "the name of a server has at most {NAME_CHARS_MAX} characters"
        )));
    }
    if name.chars().any(char::is_control) {
        return Err(Error::invalid(
            "the name of a server holds no control characters",
        ));
    }
    match Id::is_id(&name) {
        true => Err(Error::invalid(
            "the name of a server must not look like an id (24 hex digits)",
        )),
        false => Ok(name),
    }
}

/// 409 where another server has the name.
pub(crate) fn require_free_name(
    state: &DesiredState,
    name: &str,
    own: Option<Id>,
) -> Result<(), Error> {
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
    async fn handle(
        self: &Arc<Self>,
        granted: Granted<CreateServer>,
        cx: &Cx,
    ) -> Result<Reply<Server>, Error> {
        let CreateServer {
            name,
            config,
            public_key,
        } = granted.op;
        let public_key = match public_key.filter(|key| !key.is_empty()) {
            None => String::new(),
            Some(key) => key
                .parse::<PublicKey>()
                .map_err(|error| {
                    Error::invalid("public_key is no public key of an agent").cause(error)
                })?
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
                let changes = [Change::PutServer(id, Arc::clone(&server))]
                    .into_iter()
                    .chain(grant)
                    .collect();
                Ok((changes, server))
            })
            .await?;
        self.background.reconcile(&self.desired);
        let outcome = Outcome {
            current_toml: toml_of(&server),
            ..done("Create Server", &server.name)
        };
        record(self, cx, "CreateServer", id, outcome).await;
        Ok(Server::clone(&server).into())
    }
}

/// A passkey is for agents of other implementations: it is not kept, so that no answer and no record can show it.
fn without_secrets(change: PartialServerConfig) -> PartialServerConfig {
    PartialServerConfig {
        passkey: None,
        ..change
    }
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
    match state
        .servers
        .values()
        .find(|server| server.info.public_key == key)
    {
        Some(server) => Err(Error::new(
            Code::Conflict,
            format!("server '{}' has that public key", server.name),
        )),
        None => Ok(()),
    }
}

impl Handle<UpdateServer> for App {
    async fn handle(
        self: &Arc<Self>,
        granted: Granted<UpdateServer>,
        cx: &Cx,
    ) -> Result<Reply<Server>, Error> {
        let (id, _) = granted.server()?;
        let (change, now) = (without_secrets(granted.op.config), self.clock.now());
        let (before, after) = self
            .desired
            .commit(move |state| {
                let before = state
                    .servers
                    .get(&id)
                    .cloned()
                    .ok_or_else(|| deleted(&id))?;
                let config = before.config.clone().merged(change);
                if config == before.config {
                    return Ok((Vec::new(), (Arc::clone(&before), before)));
                }
                let after = Arc::new(Server {
                    config,
                    updated_at: now,
                    ..Server::clone(&before)
                });
                Ok((
                    vec![Change::PutServer(id, Arc::clone(&after))],
                    (before, after),
                ))
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
    async fn handle(
        self: &Arc<Self>,
        granted: Granted<RenameServer>,
        cx: &Cx,
    ) -> Result<Reply<Update>, Error> {
        let (id, _) = granted.server()?;
        let (name, now) = (server_name(&granted.op.name)?, self.clock.now());
        let (before, after) = self
            .desired
            .commit(move |state| {
                let before = state
                    .servers
                    .get(&id)
                    .cloned()
                    .ok_or_else(|| deleted(&id))?;
                require_free_name(state, &name, Some(id))?;
                if before.name == name {
                    return Ok((Vec::new(), (Arc::clone(&before), before)));
                }
                let after = Arc::new(Server {
                    name,
                    updated_at: now,
                    ..Server::clone(&before)
                });
                Ok((
                    vec![Change::PutServer(id, Arc::clone(&after))],
                    (before, after),
                ))
            })
            .await?;
        self.background.reconcile(&self.desired);
        let text = match before.name == after.name {
            true => format!("{} has that name already", after.name),
            false => format!("renamed {} to {}", before.name, after.name),
        };
        let operator = cx.caller()?.id.to_string();
        let target = ResourceTarget::Server(id.to_string());
        let update = self
            .background
            .tasks
            .record(
                &operator,
                "RenameServer",
                target,
                Outcome::done("Rename Server", text),
            )
            .await?;
        Ok(update.into())
    }
}

impl Handle<DeleteServer> for App {
    async fn handle(
        self: &Arc<Self>,
        granted: Granted<DeleteServer>,
        cx: &Cx,
    ) -> Result<Reply<Server>, Error> {
        let (id, _) = granted.server()?;
        let target = ResourceTarget::Server(id.to_string());
        let server = self
            .desired
            .commit(move |state| {
                let server = state
                    .servers
                    .get(&id)
                    .cloned()
                    .ok_or_else(|| deleted(&id))?;
                let grants = state.permissions_on(&target).map(Change::DeletePermission);
                Ok((grants.chain([Change::DeleteServer(id)]).collect(), server))
            })
            .await?;
        self.background.reconcile(&self.desired);
        let outcome = Outcome {
            prev_toml: toml_of(&server),
            ..done("Delete Server", &server.name)
        };
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
    let operator = cx
        .caller
        .as_ref()
        .map(|caller| caller.id.to_string())
        .unwrap_or_default();
    let target = ResourceTarget::Server(server.to_string());
    if let Err(error) = app
        .background
        .tasks
        .record(&operator, request, target, outcome)
        .await
    {
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
