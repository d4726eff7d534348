//! A Core in the simulation: started, ended, killed, and asked as users ask it.

use std::{
    fs,
    net::{IpAddr, Ipv4Addr},
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context, bail};
use bytes::Bytes;
use komodo_api::{
    Code, Error, Module, UnixMs,
    id::{Id, Oid},
    permission::PermissionLevel,
    server::{Server, ServerConfig, ServerInfo},
};
use komodo_core::{
    App,
    app::{StartError, Surroundings, first_administrator, local_user},
    clock::Clock,
    config::Config,
    desired::Account,
    dispatch::Cx,
    store::{Change, StoreError},
};
use komodo_sim::SimClock;
use serde_json::Value;
use tempfile::TempDir;
use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};

use crate::BEGINNING_MS;

/// How long an end of Core may take until nothing of it is left.
const GONE: Duration = Duration::from_secs(60);
/// Containers that Core cannot live without.
pub const CORE_NEEDS: &str = "core-db";

/// Core's clock, and what tells its ids apart.
#[derive(Debug)]
pub struct CoreClock {
    /// The clock, which can be set.
    pub clock: SimClock,
    ids: Mutex<fastrand::Rng>,
}

impl Clock for CoreClock {
    fn now(&self) -> UnixMs {
        self.clock.now_ms()
    }

    fn id_bits(&self) -> [u8; 8] {
        let mut ids = self.ids.lock().unwrap_or_else(PoisonError::into_inner);
        ids.u64(..).to_be_bytes()
    }
}

/// Where diallers find the Core of now; there is none while it is down.
#[derive(Clone, Default)]
pub struct Slot(Arc<Mutex<Option<Arc<App>>>>);

impl Slot {
    /// The Core of now.
    pub fn app(&self) -> Option<Arc<App>> {
        let slot = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        slot.clone()
    }

    fn put(&self, app: Option<Arc<App>>) -> Option<Arc<App>> {
        let mut slot = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *slot, app)
    }
}

/// A Core on its database.
pub struct Core {
    /// Where it is found.
    pub slot: Slot,
    /// Its clock.
    pub clock: Arc<CoreClock>,
    admin: Id,
    directory: Option<TempDir>,
    /// Cores that were killed and are still falling down; nothing of them reaches anybody.
    falling: JoinSet<()>,
}

impl Core {
    /// A Core on a fresh database with an administrator.
    ///
    /// # Errors
    /// What keeps it from starting.
    pub async fn start(seed: u64) -> anyhow::Result<Self> {
        let clock = Arc::new(CoreClock {
            clock: SimClock::new(BEGINNING_MS),
            ids: Mutex::new(fastrand::Rng::with_seed(seed)),
        });
        let directory = directory()?;
        let app = open(directory.path(), &clock)
            .await
            .context("Core does not start")?;
        let admin = app.new_id();
        let account = Account {
            id: admin,
            user: local_user("admin"),
            password_hash: None,
        };
        let slot = Slot::default();
        slot.put(Some(app));
        let core = Core {
            slot,
            clock,
            admin,
            directory: Some(directory),
            falling: JoinSet::new(),
        };
        core.put(Change::PutAccount(Arc::new(first_administrator(
            account,
            BEGINNING_MS,
        ))))
        .await?;
        Ok(core)
    }

    /// The running Core.
    ///
    /// # Errors
    /// None runs.
    pub fn app(&self) -> anyhow::Result<Arc<App>> {
        self.slot.app().context("Core does not run")
    }

    async fn put(&self, change: Change) -> anyhow::Result<()> {
        let app = self.app()?;
        let stored = app.desired.commit(move |_| Ok((vec![change], ()))).await;
        stored.map_err(|error| anyhow::anyhow!("it is not stored: {error}"))?;
        app.background.reconcile(&app.desired);
        Ok(())
    }

    /// Adds a server whose agent has a key.
    ///
    /// # Errors
    /// It cannot be stored.
    pub async fn add_server(&self, name: &str, public_key: &str) -> anyhow::Result<Id> {
        let id = self.app()?.new_id();
        let server = Server {
            id: Some(Oid(id)),
            name: name.to_owned(),
            description: String::new(),
            template: false,
            tags: Vec::new(),
            info: ServerInfo {
                public_key: public_key.to_owned(),
                ..ServerInfo::default()
            },
            config: ServerConfig {
                enabled: true,
                ..ServerConfig::default()
            },
            base_permission: PermissionLevel::None.into(),
            updated_at: BEGINNING_MS,
        };
        self.put(Change::PutServer(id, Arc::new(server))).await?;
        Ok(id)
    }

    /// Ends Core in order, and starts another one on the same database.
    ///
    /// # Errors
    /// What keeps it from starting.
    pub async fn restart(&mut self) -> anyhow::Result<()> {
        let old = self.slot.put(None).context("Core does not run")?;
        old.shut_down().await;
        gone(old).await?;
        self.begin().await
    }

    /// Kills Core, as by `SIGKILL`: what it had on disk at this moment is all that is left. The next one does not start
    /// by itself. Connections have to be cut by the caller at this same moment.
    ///
    /// # Errors
    /// The database cannot be kept.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        let old = self.slot.put(None).context("Core does not run")?;
        let left = directory()?;
        let before = self.directory.replace(left).context("it has a database")?;
        let left = self.directory.as_ref().context("it was put there")?;
        copy(before.path(), left.path()).context("the database cannot be kept")?;
        // What it still does it does to files that nobody reads any more, over links that are cut.
        self.falling.spawn(async move {
            old.shut_down().await;
            drop(old);
            drop(before);
        });
        Ok(())
    }

    /// Starts Core where it does not run.
    ///
    /// # Errors
    /// What keeps it from starting.
    pub async fn begin(&mut self) -> anyhow::Result<()> {
        if self.slot.app().is_some() {
            return Ok(());
        }
        let directory = self.directory.as_ref().context("it has a database")?;
        let until = Instant::now() + GONE;
        let app = loop {
            match open(directory.path(), &self.clock).await {
                // What an orderly end did not wait for any longer would have ended with its process.
                Err(StartError::Store(StoreError::InUse { .. })) if Instant::now() < until => {
                    sleep(Duration::from_millis(10)).await;
                }
                opened => break opened.context("Core does not start")?,
            }
        };
        self.slot.put(Some(app));
        Ok(())
    }

    /// Ends everything.
    ///
    /// # Errors
    /// It does not end.
    pub async fn end(mut self) -> anyhow::Result<()> {
        if let Some(app) = self.slot.put(None) {
            app.shut_down().await;
            gone(app).await?;
        }
        while self.falling.join_next().await.is_some() {}
        Ok(())
    }

    /// The administrator.
    pub fn admin(&self) -> Id {
        self.admin
    }
}

/// Asks a Core as its administrator.
///
/// # Errors
/// What Core answers.
pub async fn ask(
    app: &Arc<App>,
    user: Id,
    module: Module,
    name: &str,
    params: &Value,
) -> Result<Value, Error> {
    let state = app.desired.snapshot();
    let cx = Cx {
        request_id: "simulation".into(),
        caller: state.accounts.get(&user).cloned(),
        peer: IpAddr::V4(Ipv4Addr::LOCALHOST),
        state,
    };
    let run = app.table.find(module, name)?.run;
    let (body, _) = run(Arc::clone(app), cx, Bytes::from(params.to_string())).await?;
    serde_json::from_slice(&body)
        .map_err(|error| Error::new(Code::Internal, format!("the answer is no JSON: {error}")))
}

/// In memory where there is such a folder: what is kept here has to outlive a process, not a machine.
pub(crate) fn directory() -> anyhow::Result<TempDir> {
    let memory = Path::new("/dev/shm");
    let made = match memory.is_dir() {
        true => tempfile::tempdir_in(memory),
        false => tempfile::tempdir(),
    };
    made.context("cannot make a directory")
}

async fn open(directory: &Path, clock: &Arc<CoreClock>) -> Result<Arc<App>, StartError> {
    let surroundings = Surroundings {
        clock: Arc::clone(clock) as Arc<dyn Clock>,
        inline_sql: true,
        ..Surroundings::default()
    };
    let config = Config {
        depends_on_containers: vec![CORE_NEEDS.to_owned()],
        ..Config::for_directory(directory)
    };
    App::start(config, surroundings).await
}

/// Waits until nobody holds a Core that has ended any more: its database is free then.
async fn gone(app: Arc<App>) -> anyhow::Result<()> {
    let until = Instant::now() + GONE;
    while Arc::strong_count(&app) > 1 {
        if Instant::now() > until {
            bail!("something of a Core that has ended still runs");
        }
        sleep(Duration::from_millis(10)).await;
    }
    Ok(())
}

/// Copies what a crash leaves of a folder; SQL runs inline, so that no transaction is half written now.
fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type()?.is_dir() {
            fs::create_dir_all(&target)?;
            fs::set_permissions(&target, fs::metadata(&path)?.permissions())?;
            copy(&path, &target)?;
        // An index over the log, which only holds while a process has it mapped.
        } else if !entry.file_name().to_string_lossy().ends_with("-shm") {
            fs::copy(&path, &target)?;
        }
    }
    Ok(())
}
