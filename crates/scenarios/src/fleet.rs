//! A Core with servers behind which simulated hosts stand.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use anyhow::{Context, ensure};
use async_trait::async_trait;
use bytes::Bytes;
use komodo_agent_api::AgentApi;
use komodo_api::{
    Error, Module, UnixMs,
    id::{Id, Oid},
    permission::{Permission, PermissionLevel, UserTarget},
    resource::ResourceTarget,
    server::{Server, ServerConfig, ServerInfo},
    update::{Update, UpdateStatus},
};
use komodo_core::{
    App,
    app::{Surroundings, first_administrator, local_user},
    clock::Clock,
    config::Config,
    desired::Account,
    dispatch::Cx,
    fleet::{LinkHandle, NewLink, ServerView},
    store::Change,
};
use komodo_sim::{AgentOptions, SimAgent, SimHost, World, parse_container};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    task::JoinSet,
    time::{Instant, timeout},
};
use tokio_util::sync::CancellationToken;

/// How long a story waits for a state, by a clock that stands still unless everybody waits.
const PATIENCE: Duration = Duration::from_secs(8 * 24 * 60 * 60);
/// Pause between two looks, at first; it grows.
const STEP: Duration = Duration::from_millis(1);
const STEP_MAX: Duration = Duration::from_millis(500);
/// 2026-11-23 12:00:00 UTC, as simulated hosts begin.
const BEGINNING_MS: UnixMs = 1_795_435_200_000;

/// tokio's clock from a fixed beginning.
#[derive(Debug)]
struct StoryClock(Instant);

impl Clock for StoryClock {
    fn now(&self) -> UnixMs {
        BEGINNING_MS
            .saturating_add(UnixMs::try_from(self.0.elapsed().as_millis()).unwrap_or(UnixMs::MAX))
    }
}

/// A Core with its servers and users.
pub struct Fleet {
    /// There is none only between two.
    core: Option<Arc<App>>,
    clock: Arc<dyn Clock>,
    directory: TempDir,
    hosts: BTreeMap<String, Host>,
    users: BTreeMap<String, Id>,
    links: JoinSet<()>,
}

/// A server with a simulated host behind it.
pub struct Host {
    /// Id of the server.
    pub id: Id,
    /// Its host, with its Engine.
    pub host: SimHost,
    link: Current,
}

/// The link that was attached last.
#[derive(Clone)]
struct Current(Arc<Mutex<Arc<Link>>>);

impl Current {
    fn link(&self) -> MutexGuard<'_, Arc<Link>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Host {
    /// Its Engine.
    pub fn world(&self) -> &World {
        &self.host.world
    }

    /// The agent that runs there, or ran last.
    pub fn agent(&self) -> SimAgent {
        self.host.agent().expect("it was started with the host")
    }
}

struct Link {
    closed: CancellationToken,
    agent: SimAgent,
}

#[async_trait]
impl LinkHandle for Link {
    async fn closed(&self) -> String {
        self.closed.cancelled().await;
        "the connection to the agent was lost".to_owned()
    }

    fn close(&self) {
        self.closed.cancel();
    }

    async fn ping(&self, within: Duration) -> bool {
        let answers = self.agent.is_alive() && !self.closed.is_cancelled();
        if !answers {
            tokio::time::sleep(within).await;
        }
        answers
    }

    fn silent_for(&self) -> Duration {
        Duration::ZERO
    }
}

impl Fleet {
    /// A Core on a fresh database, with the administrator `admin`.
    ///
    /// # Errors
    /// What keeps Core from starting.
    pub async fn start() -> anyhow::Result<Fleet> {
        let directory = tempfile::tempdir().context("cannot make a directory")?;
        let clock: Arc<dyn Clock> = Arc::new(StoryClock(Instant::now()));
        let app = open(&directory, &clock).await?;
        let id = app.new_id();
        let admin = first_administrator(
            Account {
                id,
                user: local_user("admin"),
                password_hash: None,
            },
            BEGINNING_MS,
        );
        let users = BTreeMap::from([("admin".to_owned(), id)]);
        let fleet = Fleet {
            core: Some(app),
            clock,
            directory,
            hosts: BTreeMap::new(),
            users,
            links: JoinSet::new(),
        };
        fleet.put(Change::PutAccount(Arc::new(admin))).await?;
        Ok(fleet)
    }

    /// Ends Core in order, and starts another one on the same database. Agents that run dial it again at once.
    ///
    /// # Errors
    /// What keeps Core from starting.
    pub async fn restart_core(&mut self) -> anyhow::Result<()> {
        self.app().shut_down().await;
        self.links.shutdown().await;
        // The database is free once nothing of the old Core is left.
        self.core = None;
        self.core = Some(open(&self.directory, &self.clock).await?);
        for name in self.names() {
            let agent = self.host(&name)?.agent();
            if agent.is_alive() && agent.reaches_core() {
                agent.cut();
                self.dial(&name)?;
            }
            self.follow(&name)?;
        }
        Ok(())
    }

    fn app(&self) -> &Arc<App> {
        self.core
            .as_ref()
            .expect("one runs except while it is restarted")
    }

    async fn put(&self, change: Change) -> anyhow::Result<()> {
        let stored = self
            .app()
            .desired
            .commit(move |_| Ok((vec![change], ())))
            .await;
        stored.map_err(|error| anyhow::anyhow!("it is not stored: {error}"))?;
        self.app().background.reconcile(&self.app().desired);
        Ok(())
    }

    /// Adds a server with containers, one a line, and waits until it is connected. The agent runs in the container
    /// `periphery`, where there is one.
    ///
    /// # Errors
    /// A line that is not understood, or a server that does not come up.
    pub async fn add_host(
        &mut self,
        name: &str,
        seed: u64,
        containers: &[&str],
    ) -> anyhow::Result<()> {
        let id = self.app().new_id();
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
            updated_at: self.clock.now(),
        };
        self.put(Change::PutServer(id, Arc::new(server))).await?;
        let world = World::beginning_at(seed, self.clock.now());
        for line in containers {
            let container =
                parse_container(line).map_err(|why| anyhow::anyhow!("'{line}': {why}"))?;
            world.create(container);
        }
        let container = world.container("periphery").map(|container| container.name);
        let host = SimHost::new(
            world,
            AgentOptions {
                container,
                host_name: name.to_owned(),
            },
        );
        let agent = host.start();
        let link = Current(Arc::new(Mutex::new(self.attach(id, &agent)?)));
        self.hosts.insert(name.to_owned(), Host { id, host, link });
        self.follow(name)?;
        self.until(name, "it is connected", ServerView::is_live)
            .await
    }

    /// Adds a user who may do so much on a server.
    ///
    /// # Errors
    /// A server that there is not.
    pub async fn add_user(
        &mut self,
        name: &str,
        level: PermissionLevel,
        server: &str,
    ) -> anyhow::Result<()> {
        let server = self.host(server)?.id;
        let id = self.app().new_id();
        let mut user = local_user(name);
        user.id = Some(Oid(id));
        user.enabled = true;
        self.put(Change::PutAccount(Arc::new(Account {
            id,
            user,
            password_hash: None,
        })))
        .await?;
        let permission = Permission {
            id: None,
            user_target: UserTarget::User(id.to_string()),
            resource_target: ResourceTarget::Server(server.to_string()),
            level,
            specific: std::iter::empty().collect(),
        };
        self.put(Change::PutPermission(
            self.app().new_id(),
            Arc::new(permission),
        ))
        .await?;
        self.users.insert(name.to_owned(), id);
        Ok(())
    }

    /// A host by the name of its server.
    ///
    /// # Errors
    /// None of that name.
    pub fn host(&self, name: &str) -> anyhow::Result<&Host> {
        self.hosts
            .get(name)
            .with_context(|| format!("there is no host '{name}'"))
    }

    /// Names of the hosts.
    pub fn names(&self) -> Vec<String> {
        self.hosts.keys().cloned().collect()
    }

    fn attach(&mut self, server: Id, agent: &SimAgent) -> anyhow::Result<Arc<Link>> {
        let link = attach(self.app(), server, agent)?;
        let (watched, link_of) = (agent.clone(), Arc::clone(&link));
        self.links.spawn(until_closed(watched, link_of));
        Ok(link)
    }

    /// From here on each agent that comes to run on a host by itself dials, as a real one does.
    fn follow(&mut self, name: &str) -> anyhow::Result<()> {
        let host = self.host(name)?;
        let (server, mut agents) = (host.id, host.host.agents());
        let (current, app) = (host.link.clone(), Arc::clone(self.app()));
        self.links.spawn(async move {
            while agents.changed().await.is_ok() {
                let now = agents.borrow_and_update().clone();
                let attached = |agent: &SimAgent| current.link().agent.is(agent);
                let Some(agent) = now.filter(|agent| !attached(agent) && agent.reaches_core())
                else {
                    continue;
                };
                if let Ok(link) = attach(&app, server, &agent) {
                    *current.link() = Arc::clone(&link);
                    until_closed(agent, link).await;
                }
            }
        });
        Ok(())
    }

    /// Cuts the link of a host; its agent goes on.
    ///
    /// # Errors
    /// None of that name.
    pub async fn cut(&mut self, name: &str) -> anyhow::Result<()> {
        let host = self.host(name)?;
        host.agent().cut();
        host.link.link().close();
        self.until(name, "it is lost", |view| !view.is_live()).await
    }

    /// Starts the agent of a host again, as its container's restart would, where it does not run.
    ///
    /// # Errors
    /// None of that name.
    pub fn start_agent(&self, name: &str) -> anyhow::Result<()> {
        let host = self.host(name)?;
        if !host.agent().is_alive() {
            host.host.start();
        }
        Ok(())
    }

    /// Brings the link of a host up again, and waits until Core has what it needs.
    ///
    /// # Errors
    /// None of that name, or an agent that does not run.
    pub async fn connect(&mut self, name: &str) -> anyhow::Result<()> {
        self.dial(name)?;
        self.until(name, "it is connected", ServerView::is_live)
            .await
    }

    /// Brings the link of a host up again.
    ///
    /// # Errors
    /// None of that name, or an agent that does not run.
    pub fn dial(&mut self, name: &str) -> anyhow::Result<()> {
        let (id, agent) = {
            let host = self.host(name)?;
            let agent = host.agent();
            ensure!(agent.is_alive(), "the agent of '{name}' does not run");
            (host.id, agent)
        };
        let link = self.attach(id, &agent)?;
        *self.host(name)?.link.link() = link;
        Ok(())
    }

    /// Whether Core has a link to a host and all that it needs from it.
    ///
    /// # Errors
    /// None of that name.
    pub fn is_live(&self, name: &str) -> anyhow::Result<bool> {
        let id = self.host(name)?.id;
        Ok(self
            .app()
            .background
            .fleet
            .view(id)
            .is_some_and(|view| view.is_live()))
    }

    /// Waits until what Core knows of a server is as wanted.
    ///
    /// # Errors
    /// It does not come to be.
    pub async fn until(
        &self,
        name: &str,
        what: &str,
        wanted: impl Fn(&ServerView) -> bool,
    ) -> anyhow::Result<()> {
        let id = self.host(name)?.id;
        let wait = async {
            let mut step = STEP;
            while !self
                .app()
                .background
                .fleet
                .view(id)
                .is_some_and(|view| wanted(&view))
            {
                tokio::time::sleep(step).await;
                step = (step * 2).min(STEP_MAX);
            }
        };
        timeout(PATIENCE, wait)
            .await
            .with_context(|| format!("waited in vain until {what} ({name})"))
    }

    /// Waits until Core has seen everything that there is to see of a server.
    ///
    /// # Errors
    /// It does not come to be.
    pub async fn until_seen(&self, name: &str) -> anyhow::Result<()> {
        let world = self.host(name)?.world().clone();
        self.until(name, "Core has seen all", |view| {
            let truth = world.containers();
            view.containers.len() == truth.len()
                && truth.iter().all(|container| {
                    view.container(&container.id).is_some_and(|seen| {
                        seen.state == container.state && seen.state_at_ns == container.state_at_ns
                    })
                })
        })
        .await
    }

    /// Asks Core as a user.
    ///
    /// # Errors
    /// What Core answers.
    pub async fn ask(
        &self,
        user: &str,
        module: Module,
        name: &str,
        params: &Value,
    ) -> Result<Value, Error> {
        let state = self.app().desired.snapshot();
        let cx = Cx {
            request_id: "story".into(),
            caller: self
                .users
                .get(user)
                .and_then(|id| state.accounts.get(id).cloned()),
            peer: IpAddr::V4(Ipv4Addr::LOCALHOST),
            state,
        };
        let run = self.app().table.find(module, name)?.run;
        let (body, _) = run(Arc::clone(self.app()), cx, Bytes::from(params.to_string())).await?;
        serde_json::from_slice(&body).map_err(|error| {
            Error::new(
                komodo_api::Code::Internal,
                format!("the answer is no JSON: {error}"),
            )
        })
    }

    /// The Update as it is now.
    ///
    /// # Errors
    /// What Core answers.
    pub async fn update(&self, id: &str) -> anyhow::Result<Update> {
        let update = self
            .ask("admin", Module::Read, "GetUpdate", &json!({ "id": id }))
            .await?;
        serde_json::from_value(update).context("it is no Update")
    }

    /// Waits until an Update is as wanted.
    ///
    /// # Errors
    /// It does not come to be.
    pub async fn until_update(
        &self,
        id: &str,
        wanted: impl Fn(&Update) -> bool,
    ) -> anyhow::Result<Update> {
        let wait = async {
            let mut step = STEP;
            loop {
                let update = self.update(id).await?;
                if wanted(&update) {
                    return anyhow::Ok(update);
                }
                tokio::time::sleep(step).await;
                step = (step * 2).min(STEP_MAX);
            }
        };
        timeout(PATIENCE, wait)
            .await
            .context("waited in vain for the Update")?
    }

    /// Waits for the end of an Update.
    ///
    /// # Errors
    /// It does not end.
    pub async fn end(&self, id: &str) -> anyhow::Result<Update> {
        let watched = id
            .parse()
            .ok()
            .and_then(|id: Id| self.app().background.tasks.watch(id));
        if let Some(mut watch) = watched {
            let ended = timeout(PATIENCE, async { while watch.changed().await.is_ok() {} }).await;
            ended.context("waited in vain for the end of the Update")?;
        }
        self.until_update(id, |update| update.status == UpdateStatus::Complete)
            .await
    }
}

fn attach(app: &Arc<App>, server: Id, agent: &SimAgent) -> anyhow::Result<Arc<Link>> {
    let link = Arc::new(Link {
        closed: CancellationToken::new(),
        agent: agent.clone(),
    });
    let handle = Arc::clone(&link) as Arc<dyn LinkHandle>;
    let new = NewLink {
        agent: Arc::new(agent.clone()) as Arc<dyn AgentApi>,
        link: handle,
        hello: None,
        address: None,
    };
    let attached = app.background.fleet.attach(server, new);
    ensure!(attached.is_ok(), "the server does not take the link");
    Ok(link)
}

async fn until_closed(agent: SimAgent, link: Arc<Link>) {
    tokio::select! { () = agent.closed() => link.close(), () = link.closed.cancelled() => {} }
}

async fn open(directory: &TempDir, clock: &Arc<dyn Clock>) -> anyhow::Result<Arc<App>> {
    let surroundings = Surroundings {
        clock: Arc::clone(clock),
        inline_sql: true,
        ..Surroundings::default()
    };
    App::start(Config::for_directory(directory.path()), surroundings)
        .await
        .context("Core does not start")
}
