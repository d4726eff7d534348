//! The one road that all requests take: authenticate → read → resolve names to ids → authorize → run → answer.
//!
//! Every operation of the list has an [`Entry`] here, made from its type; an operation without a handler does not
//! compile. A handler gets a [`Granted`], which only `authorize` can make.

use std::{collections::BTreeMap, net::IpAddr, sync::Arc};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::HeaderMap;
use komodo_api::{
    Code, Error, Module, Needs, Operation, OperationSpec, Target,
    alert::Alert,
    for_each_operation,
    id::Id,
    permission::{PermissionLevel, SpecificPermission},
    resource::{ResourceTarget, ResourceTargetVariant},
    server::Server,
    update::Update,
};

use crate::{
    App,
    auth::access,
    desired::{Account, DesiredState},
};

/// Names of the contract's operations that are not built yet, one `module/Name` a line. May only shrink.
pub const NOT_BUILT: &str = include_str!("not_built.txt");

/// Who asks, and what is known of the request.
#[derive(Debug, Clone)]
pub struct Cx {
    /// Id of the request, in the log and in error bodies.
    pub request_id: Arc<str>,
    /// Who asks; absent only in operations that need no credentials.
    pub caller: Option<Arc<Account>>,
    /// Address of the client.
    pub peer: IpAddr,
    /// Desired state that the whole request looks at.
    pub state: Arc<DesiredState>,
}

impl Cx {
    /// Who asks. Fails in operations that need no credentials.
    pub fn caller(&self) -> Result<&Arc<Account>, Error> {
        self.caller
            .as_ref()
            .ok_or_else(|| Error::new(Code::Unauthenticated, "Invalid client credentials"))
    }
}

/// An operation that its caller may run, with the target it was granted for.
#[derive(Debug)]
pub struct Granted<O> {
    /// The operation.
    pub op: O,
    target: Resolved,
    // Only this module makes one.
    _made_by_authorize: (),
}

impl<O: Operation> Granted<O> {
    /// The server it aims at. Fails for an operation that aims at none.
    pub fn server(&self) -> Result<(Id, &Arc<Server>), Error> {
        match &self.target {
            Resolved::Server(id, server) => Ok((*id, server)),
            _ => Err(Error::new(
                Code::Internal,
                format!("{} aims at no server", O::NAME),
            )),
        }
    }

    /// The alert it aims at. Fails for an operation that aims at none.
    pub fn into_alert(self) -> Result<Alert, Error> {
        match self.target {
            Resolved::Alert(alert) => Ok(*alert),
            _ => Err(Error::new(
                Code::Internal,
                format!("{} aims at no alert", O::NAME),
            )),
        }
    }

    /// The Update it aims at. Fails for an operation that aims at none.
    pub fn into_update(self) -> Result<Update, Error> {
        match self.target {
            Resolved::Update(update) => Ok(*update),
            _ => Err(Error::new(
                Code::Internal,
                format!("{} aims at no Update", O::NAME),
            )),
        }
    }
}

/// What an operation aims at, found.
#[derive(Debug)]
enum Resolved {
    Nothing,
    Server(Id, Arc<Server>),
    Update(Box<Update>),
    Alert(Box<Alert>),
}

impl Resolved {
    fn resource(&self) -> Option<ResourceTarget> {
        match self {
            Resolved::Nothing => None,
            Resolved::Server(id, _) => Some(ResourceTarget::Server(id.to_string())),
            Resolved::Update(update) => Some(update.target.clone()),
            Resolved::Alert(alert) => Some(alert.target.clone()),
        }
    }
}

/// The answer of a handler: a body and additional headers.
#[derive(Debug)]
pub struct Reply<T> {
    /// The body.
    pub body: Body<T>,
    /// Headers (`x-total-count`, `x-as-of`).
    pub headers: HeaderMap,
}

/// The body of an answer.
#[derive(Debug)]
pub enum Body<T> {
    /// A value, still to be written.
    Value(T),
    /// JSON that is written already.
    Json(Bytes),
}

impl<T> From<T> for Reply<T> {
    fn from(value: T) -> Self {
        Reply {
            body: Body::Value(value),
            headers: HeaderMap::new(),
        }
    }
}

impl<T> Reply<T> {
    /// The answer with a header more.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: impl Into<http::HeaderValue>) -> Self {
        self.headers.insert(name, value.into());
        self
    }
}

/// How Core runs an operation.
pub trait Handle<O: Operation> {
    /// Runs it.
    fn handle(
        self: &Arc<Self>,
        granted: Granted<O>,
        cx: &Cx,
    ) -> impl Future<Output = Result<Reply<O::Output>, Error>> + Send;
}

/// The answer as it leaves: JSON and headers.
pub type Answer = Result<(Bytes, HeaderMap), Error>;

/// An operation in the table.
#[derive(Debug)]
pub struct Entry {
    /// What it is.
    pub spec: OperationSpec,
    /// Takes a request body down the rest of the road, after authentication.
    pub run: fn(Arc<App>, Cx, Bytes) -> BoxFuture<'static, Answer>,
}

/// All operations by module and name, aliases included.
#[derive(Debug)]
pub struct Table {
    entries: BTreeMap<Module, BTreeMap<&'static str, Arc<Entry>>>,
}

impl Default for Table {
    fn default() -> Self {
        Table::new()
    }
}

impl Table {
    /// The table of all operations.
    pub fn new() -> Self {
        let mut entries = BTreeMap::new();
        macro_rules! insert {
            ($($operation:ty),* $(,)?) => { $( insert_operation::<$operation>(&mut entries); )* };
        }
        for_each_operation!(insert);
        Table { entries }
    }

    /// The operation of that name: 501 for those of the contract that are not built yet, 422 for all others.
    pub fn find(&self, module: Module, name: &str) -> Result<&Arc<Entry>, Error> {
        if let Some(entry) = self
            .entries
            .get(&module)
            .and_then(|entries| entries.get(name))
        {
            return Ok(entry);
        }
        let shown: String = name.chars().take(100).collect();
        let path = module.path().trim_start_matches('/');
        let not_built = NOT_BUILT.lines().any(|line| {
            line.strip_prefix(path)
                .and_then(|rest| rest.strip_prefix('/'))
                .is_some_and(|rest| rest == name)
        });
        Err(match not_built {
            true => Error::new(
                Code::NotBuilt,
                format!("{shown} is not built yet in this version of Komodo"),
            ),
            false => Error::new(
                Code::Unprocessable,
                format!("there is no request '{shown}' in {}", module.path()),
            ),
        }
        .param("request", shown))
    }
}

fn insert_operation<O: Operation>(
    entries: &mut BTreeMap<Module, BTreeMap<&'static str, Arc<Entry>>>,
) where
    App: Handle<O>,
{
    let entry = Arc::new(Entry {
        spec: OperationSpec::of::<O>(),
        run: |app, cx, body| Box::pin(async move { run::<O>(&app, &cx, &body).await }),
    });
    for name in O::ALIASES.iter().chain([&O::NAME]) {
        entries
            .entry(O::MODULE)
            .or_default()
            .insert(name, Arc::clone(&entry));
    }
}

/// The rest of the road: read, resolve, authorize, run, write. Everything that changes something is audited, refusals
/// too.
async fn run<O: Operation>(app: &Arc<App>, cx: &Cx, body: &[u8]) -> Answer
where
    App: Handle<O>,
{
    let op: O = parse(body)?;
    let reply = match authorize(app, cx, op).await {
        Ok(granted) => {
            let target = granted.target.resource();
            let reply = handle(app, granted, cx).await;
            audit::<O>(cx, target.as_ref(), reply.as_ref().err());
            reply?
        }
        Err(error) => {
            audit::<O>(cx, None, Some(&error));
            return Err(error);
        }
    };
    let json = match reply.body {
        Body::Json(json) => json,
        Body::Value(value) => serde_json::to_vec(&value)
            .map_err(|error| {
                Error::new(
                    Code::Internal,
                    format!("the answer to {} cannot be written", O::NAME),
                )
                .cause(error)
            })?
            .into(),
    };
    Ok((json, reply.headers))
}

/// Runs the handler. What changes something goes on to its end when the caller goes away, so that no change is made and
/// not recorded.
async fn handle<O: Operation>(
    app: &Arc<App>,
    granted: Granted<O>,
    cx: &Cx,
) -> Result<Reply<O::Output>, Error>
where
    App: Handle<O>,
{
    match O::MODULE {
        Module::Read | Module::AuthLogin => app.handle(granted, cx).await,
        Module::Write | Module::Execute | Module::AuthManage => {
            let (owner, cx) = (Arc::clone(app), cx.clone());
            let task = app
                .running
                .spawn(async move { owner.handle(granted, &cx).await });
            task.await.map_err(|error| {
                Error::new(Code::Internal, format!("{} broke off", O::NAME)).cause(error)
            })?
        }
    }
}

/// Reads JSON; an error says where in it the mistake is.
pub fn parse<T: serde::de::DeserializeOwned>(body: &[u8]) -> Result<T, Error> {
    let mut reader = serde_json::Deserializer::from_slice(body);
    let value: T = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let path = error.path().to_string();
        json_error(error.inner(), (path != ".").then_some(path))
    })?;
    reader.end().map_err(|error| json_error(&error, None))?;
    Ok(value)
}

fn json_error(error: &serde_json::Error, path: Option<String>) -> Error {
    use serde_json::error::Category;
    match (error.classify(), path) {
        (Category::Data, Some(path)) => Error::new(
            Code::Unprocessable,
            format!("the request does not fit: {path}: {error}"),
        )
        .param("path", path),
        (Category::Data, None) => Error::new(
            Code::Unprocessable,
            format!("the request does not fit: {error}"),
        ),
        _ => Error::new(Code::BadJson, format!("the body is not JSON: {error}")),
    }
}

/// Finds what the operation aims at and checks what it needs. What the caller may not read does not exist for him.
async fn authorize<O: Operation>(app: &App, cx: &Cx, op: O) -> Result<Granted<O>, Error> {
    let target = match O::NEEDS {
        Needs::Nothing => Resolved::Nothing,
        Needs::Account => {
            cx.caller()?;
            Resolved::Nothing
        }
        Needs::User | Needs::Filter(_) => {
            enabled(cx)?;
            Resolved::Nothing
        }
        Needs::Admin => {
            let caller = enabled(cx)?;
            if !caller.user.admin && !caller.user.super_admin {
                return Err(Error::new(
                    Code::Forbidden,
                    format!("{} is for administrators only", O::NAME),
                ));
            }
            Resolved::Nothing
        }
        Needs::Create(kind) => {
            may_create(app, enabled(cx)?, kind)?;
            Resolved::Nothing
        }
        Needs::Target(level, specific) => {
            let caller = enabled(cx)?;
            let resolved = resolve(app, cx, &op.target()).await?;
            require(
                &cx.state,
                caller,
                &resolved,
                &op.target(),
                O::NAME,
                level,
                specific,
            )?;
            resolved
        }
    };
    Ok(Granted {
        op,
        target,
        _made_by_authorize: (),
    })
}

fn enabled(cx: &Cx) -> Result<&Arc<Account>, Error> {
    let caller = cx.caller()?;
    match caller.user.enabled {
        true => Ok(caller),
        false => Err(Error::new(
            Code::AccountDisabled,
            "this account is not enabled; an administrator has to enable it first",
        )),
    }
}

fn may_create(app: &App, caller: &Account, kind: ResourceTargetVariant) -> Result<(), Error> {
    let user = &caller.user;
    let granted = match kind {
        ResourceTargetVariant::Server => user.create_server_permissions,
        ResourceTargetVariant::Build => user.create_build_permissions,
        ResourceTargetVariant::Action
        | ResourceTargetVariant::Alerter
        | ResourceTargetVariant::Builder
        | ResourceTargetVariant::ResourceSync
        | ResourceTargetVariant::System => false,
        _ => true,
    };
    match user.admin || user.super_admin || (granted && !app.config.disable_non_admin_create) {
        true => Ok(()),
        false => Err(Error::new(
            Code::Forbidden,
            format!("you may not create a {kind:?}"),
        )),
    }
}

async fn resolve(app: &App, cx: &Cx, target: &Target) -> Result<Resolved, Error> {
    match target {
        Target::None => Ok(Resolved::Nothing),
        Target::Server(reference) if reference.is_empty() => Err(Error::new(
            Code::Unprocessable,
            "the request names no server",
        )),
        Target::Server(reference) => {
            let (id, server) = cx
                .state
                .server(reference)
                .ok_or_else(|| not_found(target))?;
            Ok(Resolved::Server(id, Arc::clone(server)))
        }
        Target::Update(id) => {
            let id = id.parse().map_err(|_| not_found(target))?;
            let update = app
                .store
                .updates()
                .get(id)
                .await?
                .ok_or_else(|| not_found(target))?;
            Ok(Resolved::Update(Box::new(update)))
        }
        Target::Alert(id) => {
            let id = id.parse().map_err(|_| not_found(target))?;
            let alert = app.store.alerts().get(id).await?;
            Ok(Resolved::Alert(Box::new(
                alert.ok_or_else(|| not_found(target))?,
            )))
        }
    }
}

fn not_found(target: &Target) -> Error {
    let shown = |reference: &str| reference.chars().take(200).collect::<String>();
    match target {
        Target::None => Error::not_found("target", ""),
        Target::Server(reference) => Error::not_found("server", &shown(reference)),
        Target::Update(id) => Error::not_found("update", &shown(id)),
        Target::Alert(id) => Error::not_found("alert", &shown(id)),
    }
}

fn require(
    state: &DesiredState,
    caller: &Account,
    resolved: &Resolved,
    target: &Target,
    operation: &str,
    level: PermissionLevel,
    specific: &[SpecificPermission],
) -> Result<(), Error> {
    let Some(resource) = resolved.resource() else {
        return Ok(());
    };
    let held = access(state, caller, &resource);
    if held.level < PermissionLevel::Read {
        return Err(not_found(target));
    }
    let missing: Vec<String> = specific
        .iter()
        .filter(|one| !held.specific.contains(*one))
        .map(|one| format!("{one:?}"))
        .collect();
    if held.level >= level && missing.is_empty() {
        return Ok(());
    }
    let mut needs = missing;
    if held.level < level {
        needs.insert(0, format!("{level:?}"));
    }
    Err(Error::new(
        Code::Forbidden,
        format!(
            "{operation} needs the permission {} here, which you do not have",
            needs.join(" and ")
        ),
    )
    .param("needs", needs))
}

fn audit<O: Operation>(cx: &Cx, target: Option<&ResourceTarget>, error: Option<&Error>) {
    if !matches!(
        O::MODULE,
        Module::Write | Module::Execute | Module::AuthManage
    ) {
        return;
    }
    let caller = cx.caller.as_ref();
    let (kind, id) = target.map_or(("", ""), |target| match target.parts() {
        (ResourceTargetVariant::Server, id) => ("Server", id),
        (ResourceTargetVariant::System, id) => ("System", id),
        (_, id) => ("", id),
    });
    tracing::info!(
        target: "audit",
        operation = O::NAME,
        request.id = &*cx.request_id,
        user.id = caller.map(|caller| caller.id.to_string()).unwrap_or_default(),
        user.name = caller.map(|caller| caller.user.username.as_str()).unwrap_or_default(),
        peer = %cx.peer,
        target.kind = kind,
        target.id = id,
        outcome = error.map_or("accepted", |_| "refused"),
        code = error.map(|error| tracing::field::debug(error.code)),
        "{} {}", O::NAME, error.map_or("accepted", |_| "refused"),
    );
}
