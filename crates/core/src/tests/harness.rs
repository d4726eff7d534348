//! A Core to test with: users by role, servers with simulated agents, requests without HTTP.

use std::{
    net::{IpAddr, Ipv4Addr},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use http::HeaderMap;
use komodo_agent_api::AgentApi;
use komodo_api::{
    Error, Module, UnixMs,
    id::{Id, Oid},
    permission::{Permission, PermissionLevel, SpecificPermission, UserTarget},
    resource::ResourceTarget,
    server::{Server, ServerConfig, ServerInfo},
    update::{Update, UpdateStatus, VerdictKind},
};
use komodo_sim::{AgentOptions, SimAgent, SimHost, World, parse_container};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    task::JoinSet,
    time::{Instant, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{
    App,
    app::{Surroundings, first_administrator, local_user},
    clock::Clock,
    config::Config,
    desired::Account,
    dispatch::Cx,
    fleet::{LinkHandle, NewLink, ServerView},
    store::Change,
};

/// How long a test waits for a state, by a clock that stands still unless everybody waits.
const DEADLINE: Duration = Duration::from_secs(1_800);
const STEP: Duration = Duration::from_millis(1);

/// 2026-11-23 12:00:00 UTC, as simulated hosts begin.
pub(super) const BEGINNING_MS: UnixMs = 1_795_435_200_000;

/// tokio's clock from a fixed beginning.
#[derive(Debug)]
struct TestClock(Instant);

impl Clock for TestClock {
    fn now(&self) -> UnixMs {
        BEGINNING_MS + UnixMs::try_from(self.0.elapsed().as_millis()).expect("tests are short")
    }
}

/// A Core.
pub(super) struct Core {
    pub(super) app: Arc<App>,
    pub(super) admin: Id,
    clock: Arc<dyn Clock>,
    directory: TempDir,
    links: JoinSet<()>,
}

/// A server of a Core with a simulated host behind it.
pub(super) struct Host {
    pub(super) id: Id,
    pub(super) name: String,
    pub(super) world: World,
    pub(super) host: SimHost,
    pub(super) agent: SimAgent,
    pub(super) link: Arc<SimLink>,
}

/// The link to a simulated agent.
pub(super) struct SimLink {
    closed: CancellationToken,
    pub(super) answers: AtomicBool,
}

#[async_trait]
impl LinkHandle for SimLink {
    async fn closed(&self) -> String {
        self.closed.cancelled().await;
        "connection to the agent lost".into()
    }

    fn close(&self) {
        self.closed.cancel();
    }

    async fn ping(&self, within: Duration) -> bool {
        if !self.answers.load(Ordering::Relaxed) {
            tokio::time::sleep(within).await;
        }
        self.answers.load(Ordering::Relaxed)
    }

    fn silent_for(&self) -> Duration {
        Duration::ZERO
    }
}

async fn open(directory: &TempDir, clock: &Arc<dyn Clock>) -> Arc<App> {
    let surroundings = Surroundings {
        clock: Arc::clone(clock),
        inline_sql: true,
        ..Surroundings::default()
    };
    App::start(Config::for_directory(directory.path()), surroundings)
        .await
        .expect("it starts")
}

impl Core {
    /// A Core on a fresh database, with an administrator.
    pub(super) async fn start() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let clock: Arc<dyn Clock> = Arc::new(TestClock(Instant::now()));
        let app = open(&directory, &clock).await;
        let admin = app.new_id();
        let account = Account {
            id: admin,
            user: local_user("admin"),
            password_hash: None,
        };
        let core = Core {
            app,
            admin,
            clock,
            directory,
            links: JoinSet::new(),
        };
        core.put(Change::PutAccount(Arc::new(first_administrator(
            account,
            BEGINNING_MS,
        ))))
        .await;
        core
    }

    /// Ends Core in order, and starts another one on the same database.
    pub(super) async fn restart(self) -> Self {
        self.restart_after(Duration::ZERO).await
    }

    /// Ends Core in order, and starts another one on the same database later.
    pub(super) async fn restart_after(self, down: Duration) -> Self {
        self.restart_over(down, |_| {}).await
    }

    /// Ends Core in order, and starts another one on the same database later, to which somebody did something meanwhile.
    pub(super) async fn restart_over(
        mut self,
        down: Duration,
        meanwhile: impl FnOnce(&Path),
    ) -> Self {
        self.app.shut_down().await;
        tokio::time::advance(down).await;
        self.links.shutdown().await;
        let Core {
            app,
            admin,
            clock,
            directory,
            ..
        } = self;
        assert_eq!(
            Arc::strong_count(&app),
            1,
            "something of the old Core still runs"
        );
        drop(app);
        meanwhile(directory.path());
        let app = open(&directory, &clock).await;
        Core {
            app,
            admin,
            clock,
            directory,
            links: JoinSet::new(),
        }
    }

    /// Waits until no snapshot of the database may be put back any more.
    pub(super) async fn until_settled(&self) {
        let snapshots = self.directory.path().join("snapshots");
        wait("no snapshot is open", || {
            let taken = std::fs::read_dir(&snapshots).expect("one was taken");
            let open = |one: std::io::Result<std::fs::DirEntry>| {
                one.is_ok_and(|one| one.path().join("open").exists())
            };
            !taken.into_iter().any(open)
        })
        .await;
    }

    pub(super) fn now(&self) -> UnixMs {
        self.clock.now()
    }

    pub(super) async fn put(&self, change: Change) {
        self.app
            .desired
            .commit(move |_| Ok((vec![change], ())))
            .await
            .expect("it is stored");
        self.app.background.reconcile(&self.app.desired);
    }

    /// A server without an agent.
    pub(super) async fn server(&self, name: &str) -> Id {
        let id = self.app.new_id();
        let server = Server {
            id: Some(Oid(id)),
            name: name.to_owned(),
            description: String::new(),
            template: false,
            tags: Vec::new(),
            info: ServerInfo::default(),
            config: ServerConfig {
                enabled: true,
                ..ServerConfig::default()
            },
            base_permission: PermissionLevel::None.into(),
            updated_at: BEGINNING_MS,
        };
        self.put(Change::PutServer(id, Arc::new(server))).await;
        id
    }

    /// A server with an agent in a container called `periphery`, if one of `containers` is, and connected.
    pub(super) async fn host(&mut self, name: &str, containers: &[&str]) -> Host {
        let id = self.server(name).await;
        let world = World::beginning_at(name.len() as u64, self.now());
        for line in containers {
            world.create(parse_container(line).expect("a container"));
        }
        let container = world.container("periphery").map(|container| container.name);
        let host = SimHost::new(
            world.clone(),
            AgentOptions {
                container,
                host_name: name.to_owned(),
            },
        );
        self.connected(id, name, world, host).await
    }

    /// A server with an agent that is started, and connected.
    pub(super) async fn connected(
        &mut self,
        id: Id,
        name: &str,
        world: World,
        host: SimHost,
    ) -> Host {
        let agent = host.start();
        let link = self.attach(id, &agent);
        let connected = Host {
            id,
            name: name.to_owned(),
            world,
            host,
            agent,
            link,
        };
        self.until(&connected, "it is connected", |view| view.is_live())
            .await;
        connected
    }

    /// Brings up a link.
    pub(super) fn attach(&mut self, server: Id, agent: &SimAgent) -> Arc<SimLink> {
        self.attach_as(server, agent, Arc::new(agent.clone()))
    }

    /// Brings up a link on which the agent answers through something else.
    pub(super) fn attach_as(
        &mut self,
        server: Id,
        agent: &SimAgent,
        api: Arc<dyn AgentApi>,
    ) -> Arc<SimLink> {
        let link = Arc::new(SimLink {
            closed: CancellationToken::new(),
            answers: AtomicBool::new(true),
        });
        let (watched, link_of) = (agent.clone(), Arc::clone(&link));
        self.links.spawn(async move {
            tokio::select! { () = watched.closed() => link_of.close(), () = link_of.closed.cancelled() => {} }
        });
        let new = NewLink {
            agent: api,
            link: Arc::clone(&link) as Arc<dyn LinkHandle>,
            hello: None,
            address: None,
        };
        self.app
            .background
            .fleet
            .attach(server, new)
            .expect("the server is known");
        link
    }

    /// Links each agent that runs on a host from now on, as agents do that dial by themselves.
    pub(super) fn keep_linked(&mut self, host: &Host) {
        let (fleet, server) = (Arc::clone(&self.app.background.fleet), host.id);
        let mut agents = host.host.agents();
        self.links.spawn(async move {
            loop {
                let agent = agents.borrow_and_update().clone();
                let linked = fleet.agent(server).is_some();
                if let Some(agent) = agent.filter(|agent| agent.is_alive() && !linked) {
                    let link = Arc::new(SimLink {
                        closed: CancellationToken::new(),
                        answers: AtomicBool::new(true),
                    });
                    let new = NewLink {
                        agent: Arc::new(agent.clone()),
                        link: Arc::clone(&link) as Arc<dyn LinkHandle>,
                        hello: None,
                        address: None,
                    };
                    if fleet.attach(server, new).is_err() {
                        return;
                    }
                    tokio::select! {
                        () = agent.closed() => {}
                        () = link.closed.cancelled() => {}
                    }
                    link.close();
                }
                if agents.changed().await.is_err() {
                    return;
                }
            }
        });
    }

    /// Cuts the link of a host; returns when Core noticed.
    pub(super) async fn cut(&mut self, host: &Host) -> UnixMs {
        host.agent.cut();
        host.link.close();
        self.until(host, "it is lost", |view| !view.is_live()).await;
        self.view(host).stale_since.expect("it is stale")
    }

    /// Brings the link of a host up again.
    pub(super) async fn reconnect(&mut self, host: &mut Host) {
        host.link = self.attach(host.id, &host.agent);
        self.until(host, "it is connected again", |view| view.is_live())
            .await;
    }

    /// Waits until an agent holds no operation any more.
    pub(super) async fn until_forgotten(&self, host: &Host) {
        let end = Instant::now() + DEADLINE;
        loop {
            let core = self.app.background.fleet.hello(host.id);
            let said = host.agent.hello(core.expect("the server is known")).await;
            let held = said.expect("it answers").open_operations;
            if held.is_empty() {
                return;
            }
            assert!(Instant::now() < end, "it still holds {held:?}");
            tokio::time::sleep(STEP).await;
        }
    }

    pub(super) fn view(&self, host: &Host) -> Arc<ServerView> {
        self.app
            .background
            .fleet
            .view(host.id)
            .expect("the server is known")
    }

    /// Waits until the view of a server is as wanted.
    pub(super) async fn until(
        &self,
        host: &Host,
        what: &str,
        wanted: impl Fn(&ServerView) -> bool,
    ) {
        wait(what, || wanted(&self.view(host))).await;
    }

    /// A user with rights on one server.
    pub(super) async fn user(
        &self,
        name: &str,
        server: Id,
        level: PermissionLevel,
        specific: &[SpecificPermission],
    ) -> Id {
        let id = self.app.new_id();
        let mut user = local_user(name);
        user.id = Some(Oid(id));
        user.enabled = true;
        self.put(Change::PutAccount(Arc::new(Account {
            id,
            user,
            password_hash: None,
        })))
        .await;
        self.grant(id, server, level, specific).await;
        id
    }

    /// Gives a user rights on a server.
    pub(super) async fn grant(
        &self,
        user: Id,
        server: Id,
        level: PermissionLevel,
        specific: &[SpecificPermission],
    ) {
        let permission = Permission {
            id: None,
            user_target: UserTarget::User(user.to_string()),
            resource_target: ResourceTarget::Server(server.to_string()),
            level,
            specific: specific.iter().copied().collect(),
        };
        self.put(Change::PutPermission(
            self.app.new_id(),
            Arc::new(permission),
        ))
        .await;
    }

    /// What a user gets for a request, with the headers of the answer.
    pub(super) async fn ask(
        &self,
        user: Id,
        module: Module,
        name: &str,
        params: Value,
    ) -> Result<(Value, HeaderMap), Error> {
        let state = self.app.desired.snapshot();
        let cx = Cx {
            request_id: "test".into(),
            caller: state.accounts.get(&user).cloned(),
            peer: IpAddr::V4(Ipv4Addr::LOCALHOST),
            state,
        };
        let run = self.app.table.find(module, name)?.run;
        let (body, headers) =
            run(Arc::clone(&self.app), cx, Bytes::from(params.to_string())).await?;
        Ok((
            serde_json::from_slice(&body).expect("an answer is JSON"),
            headers,
        ))
    }

    /// What the administrator reads.
    pub(super) async fn read(&self, name: &str, params: Value) -> Value {
        self.ask(self.admin, Module::Read, name, params)
            .await
            .expect("it is answered")
            .0
    }

    /// What the administrator's execute request answers.
    pub(super) async fn execute(&self, name: &str, params: Value) -> Result<Update, Error> {
        self.execute_as(self.admin, name, params).await
    }

    /// What an execute request answers.
    pub(super) async fn execute_as(
        &self,
        user: Id,
        name: &str,
        params: Value,
    ) -> Result<Update, Error> {
        let (update, _) = self.ask(user, Module::Execute, name, params).await?;
        Ok(serde_json::from_value(update).expect("it answers an Update"))
    }

    /// The Update as it is now.
    pub(super) async fn update(&self, update: &Update) -> Update {
        let id = update.id.expect("it has an id").0;
        serde_json::from_value(self.read("GetUpdate", json!({ "id": id })).await)
            .expect("an Update")
    }

    /// Waits until an Update is as wanted.
    pub(super) async fn until_update(
        &self,
        update: &Update,
        what: &str,
        wanted: impl Fn(&Update) -> bool,
    ) -> Update {
        let end = Instant::now() + DEADLINE;
        loop {
            let now = self.update(update).await;
            if wanted(&now) {
                return now;
            }
            assert!(
                Instant::now() < end,
                "waited in vain until {what}: {now:#?}"
            );
            tokio::time::sleep(STEP).await;
        }
    }

    /// Waits for the end of an operation.
    pub(super) async fn end(&self, update: &Update) -> Update {
        let id = update.id.expect("it has an id").0;
        if let Some(mut watch) = self.app.background.tasks.watch(id) {
            let ended = timeout(DEADLINE, async { while watch.changed().await.is_ok() {} });
            if ended.await.is_err() {
                panic!("it does not end: {:#?}", self.update(update).await);
            }
        }
        let update = self.update(update).await;
        assert_eq!(update.status, UpdateStatus::Complete, "{update:#?}");
        assert!(
            update.end_ts.is_some() && update.waiting_for.is_none(),
            "{update:#?}"
        );
        update
    }
}

impl Host {
    /// Names and states of all containers, as the Engine has them.
    pub(super) fn states(&self) -> String {
        let mut states: Vec<_> = self
            .world
            .containers()
            .iter()
            .map(|one| format!("{} {}", one.name, one.state.as_str()))
            .collect();
        states.sort();
        states.join(", ")
    }
}

/// Lets time go on in a test whose clock is paused: what is due meanwhile happens, and nobody waits.
pub(super) async fn pass(time: Duration) {
    tokio::time::sleep(time).await;
}

/// Waits until something is so.
pub(super) async fn wait(what: &str, is: impl Fn() -> bool) {
    let end = Instant::now() + DEADLINE;
    while !is() {
        assert!(Instant::now() < end, "waited in vain until {what}");
        tokio::time::sleep(STEP).await;
    }
}

/// Names and verdicts, by name.
pub(super) fn verdicts(update: &Update) -> String {
    let mut verdicts: Vec<_> = update
        .verdicts
        .iter()
        .map(|verdict| {
            let kind = match verdict.verdict {
                VerdictKind::Done => "done",
                VerdictKind::Unchanged => "unchanged",
                VerdictKind::Skipped => "skipped",
                VerdictKind::Failed => "failed",
                VerdictKind::Unknown => "unknown",
            };
            let reason = verdict
                .reason
                .as_ref()
                .map(|reason| format!(" ({:?})", reason.code))
                .unwrap_or_default();
            format!("{} {kind}{reason}", verdict.container)
        })
        .collect();
    verdicts.sort();
    verdicts.join(", ")
}
