//! A Core on loopback, users by role, and a client that hides nothing.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use komodo_api::{
    id::{Id, Oid},
    permission::{Permission, PermissionLevel, SpecificPermission, UserTarget},
    resource::ResourceTarget,
    server::Server,
    update::Update,
};
use komodo_core::{
    App,
    app::{Surroundings, first_administrator, local_user},
    config::Config,
    desired::Account,
    http as server,
    store::Change,
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinHandle,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

/// Longest wait for anything.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// A Core that serves.
pub struct Core {
    pub app: Arc<App>,
    pub address: SocketAddr,
    pub admin: Id,
    directory: Option<TempDir>,
    end: CancellationToken,
    serving: JoinHandle<()>,
}

/// An answer, whole.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub bytes: Bytes,
    pub body: Value,
}

impl Answer {
    /// The stable code of an error.
    pub fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or_default()
    }

    /// The text of an error.
    pub fn error(&self) -> &str {
        self.body["error"].as_str().unwrap_or_default()
    }

    /// Fails the test unless it is a success.
    #[track_caller]
    pub fn ok(self) -> Value {
        assert_eq!(self.status, StatusCode::OK, "{}", self.body);
        self.body
    }

    /// Fails the test unless it is a refusal of that kind.
    #[track_caller]
    pub fn refused(&self, status: u16, code: &str) {
        assert_eq!(
            (self.status.as_u16(), self.code()),
            (status, code),
            "{}",
            self.body
        );
    }
}

/// How a request proves who it is from.
#[derive(Debug, Clone, Default)]
pub struct Credentials(pub Vec<(&'static str, String)>);

impl Core {
    /// With an administrator, and nothing else.
    pub async fn start() -> Self {
        Core::start_with(|_| {}).await
    }

    /// The same with other settings.
    pub async fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let core = Core::start_in(directory, change).await;
        let account = Account {
            id: core.admin,
            user: local_user("admin"),
            password_hash: None,
        };
        let account = first_administrator(account, 1);
        core.put(Change::PutAccount(Arc::new(account))).await;
        core
    }

    /// On the files of an earlier start, without an administrator of its own.
    pub async fn start_in(directory: TempDir, change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::for_directory(directory.path().join("data"));
        config.auth_rate_limit_disabled = true;
        change(&mut config);
        let app = App::start(config, Surroundings::default())
            .await
            .expect("it starts");
        let listener = TcpListener::bind(app.config.listen())
            .await
            .expect("a port");
        let address = listener.local_addr().expect("an address");
        let end = CancellationToken::new();
        #[expect(clippy::disallowed_methods, reason = "awaited by `stop`")]
        let serving = tokio::spawn(server::serve(Arc::clone(&app), listener, end.clone()));
        let admin = app.new_id();
        Core {
            app,
            address,
            admin,
            directory: Some(directory),
            end,
            serving,
        }
    }

    /// Ends it as a signal would, and gives its files back.
    pub async fn stop(mut self) -> TempDir {
        self.end.cancel();
        timeout(DEADLINE, &mut self.serving)
            .await
            .expect("it ends in time")
            .expect("serving does not panic");
        self.app.shut_down().await;
        self.directory.take().expect("it is taken once")
    }

    /// Stores a change without asking anybody.
    pub async fn put(&self, change: Change) {
        self.app
            .desired
            .commit(move |_| Ok((vec![change], ())))
            .await
            .expect("stored");
    }

    /// A user who is not an administrator.
    pub async fn user(&self, username: &str, change: impl FnOnce(&mut Account)) -> Id {
        let id = self.app.new_id();
        let mut account = Account {
            id,
            user: local_user(username),
            password_hash: None,
        };
        account.user.id = Some(Oid(id));
        account.user.enabled = true;
        change(&mut account);
        self.put(Change::PutAccount(Arc::new(account))).await;
        id
    }

    /// Gives a user a direct grant.
    pub async fn grant(
        &self,
        user: Id,
        server: Id,
        level: PermissionLevel,
        specific: &[SpecificPermission],
    ) {
        let id = self.app.new_id();
        let permission = Permission {
            id: Some(Oid(id)),
            user_target: UserTarget::User(user.to_string()),
            resource_target: ResourceTarget::Server(server.to_string()),
            level,
            specific: specific.iter().copied().collect(),
        };
        self.put(Change::PutPermission(id, Arc::new(permission)))
            .await;
    }

    /// A server that is enabled and that no agent ever connected to.
    pub async fn server(&self, name: &str) -> Id {
        let id = self.app.new_id();
        let mut server = Server {
            id: Some(Oid(id)),
            name: name.into(),
            description: String::new(),
            template: false,
            tags: Vec::new(),
            info: Default::default(),
            config: Default::default(),
            base_permission: Default::default(),
            updated_at: 1,
        };
        server.config.enabled = true;
        self.put(Change::PutServer(id, Arc::new(server))).await;
        self.app.background.reconcile(&self.app.desired);
        id
    }

    /// A complete Update on a target.
    pub async fn update(&self, target: ResourceTarget) -> Id {
        let id = self.app.new_id();
        let update: Update = serde_json::from_value(json!({
            "_id": { "$oid": id }, "operation": "StopContainer", "start_ts": self.app.clock.now(), "success": true,
            "operator": self.admin, "target": target, "logs": [], "end_ts": 1, "status": "Complete",
        }))
        .expect("an Update");
        self.app
            .store
            .updates()
            .insert(&update, None)
            .await
            .expect("stored");
        id
    }

    /// A token of a user.
    pub fn token(&self, user: Id) -> Credentials {
        Credentials(vec![(
            "authorization",
            self.app.auth.tokens.issue(user, self.app.clock.now()),
        )])
    }

    /// Sends anything.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        credentials: &Credentials,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Answer {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "core");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        for (name, value) in &credentials.0 {
            request = request.header(*name, value);
        }
        let request = request.body(Full::new(body.into())).expect("a request");
        let exchange = async {
            let stream = TcpStream::connect(self.address).await.expect("connected");
            let (mut sender, connection) =
                hyper::client::conn::http1::handshake(TokioIo::new(stream))
                    .await
                    .expect("HTTP");
            #[expect(clippy::disallowed_methods, reason = "ends with its connection")]
            let connection = tokio::spawn(connection);
            let response = sender.send_request(request).await.expect("an answer");
            let (parts, body) = response.into_parts();
            let bytes = body.collect().await.expect("a body").to_bytes();
            connection.abort();
            let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
            Answer {
                status: parts.status,
                headers: parts.headers,
                bytes,
                body,
            }
        };
        timeout(DEADLINE, exchange)
            .await
            .expect("an answer in time")
    }

    /// Sends JSON.
    pub async fn post(&self, path: &str, credentials: &Credentials, body: &Value) -> Answer {
        self.send(
            Method::POST,
            path,
            credentials,
            &[("content-type", "application/json")],
            body.to_string(),
        )
        .await
    }

    /// Asks as the administrator; the path names module and request.
    pub async fn ask(&self, path: &str, params: Value) -> Answer {
        self.post(path, &self.token(self.admin), &params).await
    }

    /// Gets anything without credentials.
    pub async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.send(
            Method::GET,
            path,
            &Credentials::default(),
            headers,
            Bytes::new(),
        )
        .await
    }
}
