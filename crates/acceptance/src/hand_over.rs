//! An agent in a container of the Engine it manages, which is handed over or detached: how that is asked, and what must
//! hold afterwards. What goes wrong meanwhile is the tests' own.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use bollard::models::ContainerInspectResponse;
use komodo_api::{
    Module,
    container::{Recreate, RestartContainer},
    resource::{ContainerRef, ServerRef},
    server::{GetServerActionState, ServerState},
    update::{GetUpdate, ListUpdates, Update, UpdateStatus},
};
use komodo_testkit::{
    engine::{Container, Engine, proxy::Proxy},
    installation::{
        Access, AgentContainer, Core, Failure,
        images::{ENGINE_FOLDER, obedient_agent},
        wait_for, wait_for_within,
    },
};
use serde_json::{Map, Value, json};

/// Name of the one server.
pub const SERVER: &str = "host-1";
/// Name of the agent's container.
pub const AGENT: &str = "periphery";
/// Seconds that what is handed over is watched.
pub const PROBATION_SECONDS: &str = "2";
/// Longest wait for a hand over to end, with its roll back.
const END_SECONDS: u64 = 150;
/// Label of a helper.
const HELPER_LABEL: &str = "komodo.hand-over";

/// A Core with a short probation that listens where containers of an Engine reach it.
///
/// # Errors
/// When it does not come up.
pub async fn core_of(engine: &Engine) -> Result<Core, Failure> {
    let environment = [("KOMODO_PROBATION_SECONDS", PROBATION_SECONDS)];
    Core::start_with(engine.host_address().into(), &environment).await
}

/// An Engine with an agent in a container, and a Core outside of it.
#[derive(Debug)]
pub struct Site {
    /// The Engine.
    pub engine: Engine,
    /// Core.
    pub core: Core,
    /// The agent's root directory, where it is on a volume.
    pub state: Option<tempfile::TempDir>,
    /// All containers before the first operation.
    containers: Vec<String>,
    /// What an obedient agent has for its Engine, and the folder of that.
    obedient: Option<(tempfile::TempDir, Proxy)>,
}

impl Site {
    /// Starts all of it; `configure` adds to the agent's container what the test is about.
    ///
    /// # Errors
    /// When something does not come up.
    pub async fn start(configure: impl FnOnce(Container) -> Container) -> Result<Self, Failure> {
        let engine = Engine::start().await?;
        let core = core_of(&engine).await?;
        let AgentContainer { container, state } =
            core.agent_container(&engine, AGENT, SERVER).await?;
        Site::run(engine, core, configure(container), Some(state)).await
    }

    /// Runs an agent on an Engine that has everything else already.
    ///
    /// # Errors
    /// When it does not connect.
    pub async fn run(
        engine: Engine,
        core: Core,
        agent: Container,
        state: Option<tempfile::TempDir>,
    ) -> Result<Self, Failure> {
        engine.run(agent).await?;
        let mut site = Site {
            engine,
            core,
            state,
            containers: Vec::new(),
            obedient: None,
        };
        site.is_up().await?;
        site.containers = names(&site.engine).await?;
        Ok(site)
    }

    /// As [`Site::start`], with an agent from an image that dies where [`Site::arm`] says.
    ///
    /// # Errors
    /// When something does not come up.
    pub async fn start_obedient(
        configure: impl FnOnce(Container) -> Container,
    ) -> Result<Self, Failure> {
        let engine = Engine::start().await?;
        let core = core_of(&engine).await?;
        let AgentContainer { container, state } =
            core.agent_container(&engine, AGENT, SERVER).await?;
        let image = obedient_agent(&engine).await?;
        let folder = tempfile::TempDir::new()?;
        let proxy = Proxy::start(&engine.socket(), folder.path())?;
        let container = container
            .image(image)
            .bind(folder.path(), ENGINE_FOLDER)
            .env("DOCKER_HOST", format!("unix://{ENGINE_FOLDER}/proxy.sock"))
            .with(|body| {
                let binds = body.host_config.get_or_insert_default().binds.as_mut();
                if let Some(binds) = binds {
                    binds.retain(|bind| !bind.ends_with("/var/run/docker.sock"));
                }
            });
        let mut site = Site::run(engine, core, configure(container), Some(state)).await?;
        site.obedient = Some((folder, proxy));
        Ok(site)
    }

    fn folder(&self) -> Result<&Path, Failure> {
        let (folder, _) = self.obedient.as_ref().ok_or("it obeys nobody")?;
        Ok(folder.path())
    }

    /// Lets the next start of a program die or stop at a failpoint; `program` is `helper` or `agent`.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn arm(&self, program: &str, failpoint: &str) -> Result<(), Failure> {
        let path = self.folder()?.join(format!("failpoint-{program}"));
        Ok(std::fs::write(path, format!("{failpoint}\n"))?)
    }

    /// Whether a program was killed at the failpoint that it was armed with.
    ///
    /// # Errors
    /// When it was not.
    pub fn disarmed(&self, point: &str) -> Result<(), Failure> {
        let path = self.folder()?.join("killed");
        let killed = std::fs::read_to_string(&path).unwrap_or_default();
        let _ = std::fs::remove_file(&path);
        match killed.trim() == point {
            true => Ok(()),
            false => Err(format!("not killed at {point}, but at: '{killed}'").into()),
        }
    }

    /// Id of the newest Update.
    ///
    /// # Errors
    /// When there is none.
    pub async fn last_update(&self) -> Result<String, Failure> {
        let list = ListUpdates {
            query: None,
            page: 0,
        };
        let updates = self.core.client.call(&list).await?.updates;
        let newest = updates.into_iter().max_by_key(|update| update.start_ts);
        Ok(newest.ok_or("no Update")?.id)
    }

    /// Waits until the agent is connected and its own container is known.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn is_up(&self) -> Result<(), Failure> {
        is_up(&self.core, &self.engine).await
    }

    /// What the agent's container is now.
    ///
    /// # Errors
    /// When there is none.
    pub async fn body(&self) -> Result<Body, Failure> {
        Ok(Body(self.engine.inspect(AGENT).await?))
    }

    /// Asks for a restart of the agent as clients do that know nothing of hand over.
    ///
    /// # Errors
    /// When Core refuses.
    pub async fn ask_restart(&self) -> Result<String, Failure> {
        ask_restart(&self.core, SERVER, AGENT).await
    }

    /// Asks for a new container of the agent.
    ///
    /// # Errors
    /// When Core refuses.
    pub async fn ask_recreate(&self, image: Option<&str>) -> Result<String, Failure> {
        ask_recreate(&self.core, SERVER, AGENT, image).await
    }

    /// Waits until an Update has ended and everything it left behind is tidied up: exactly one agent runs, it is
    /// connected, it sees its Engine, and no helper, no other container and no open operation is left.
    ///
    /// # Errors
    /// What is not as it must be.
    pub async fn settled(&self, id: &str) -> Result<Update, Failure> {
        let update = closed(&self.core, id).await?;
        let settled = self.one_agent_and_nothing_else().await;
        settled.map_err(|error| format!("{error}\nthe Update: {update:#?}"))?;
        Ok(update)
    }

    async fn one_agent_and_nothing_else(&self) -> Result<(), Failure> {
        self.is_up().await?;
        let tidied = wait_for("nothing to be left of a hand over", || async {
            let same = names(&self.engine).await.ok()? == self.containers;
            same.then_some(())
        });
        if let Err(error) = tidied.await {
            let mut left = format!("{error}");
            for name in names(&self.engine).await? {
                let state = self.engine.state(&name).await?;
                left.push_str(&format!("\n--- {name}: {state:?}\n"));
                left.push_str(&self.engine.logs(&name).await.unwrap_or_default());
            }
            return Err(left.into());
        }
        let running = self.engine.running().await?;
        let agents: Vec<_> = running
            .iter()
            .filter(|name| name.starts_with(AGENT))
            .collect();
        if agents != [AGENT] {
            return Err(format!("not one agent runs: {agents:?}").into());
        }
        nothing_is_open(&self.core).await?;
        let Some(state) = &self.state else {
            return Ok(());
        };
        wait_for(
            "the agent's folder to hold nothing of it any more",
            || async {
                let journal = files(state.path().join("journal"), "jsonl");
                let plans = files(state.path().join("hand-over"), "json");
                (journal + plans == 0 && !state.path().join("detached.json").exists()).then_some(())
            },
        )
        .await
    }
}

/// Waits until the agent is connected, sees its Engine, and knows its own container.
///
/// # Errors
/// When it does not within the deadline; the error holds what it logged.
pub async fn is_up(core: &Access, engine: &Engine) -> Result<(), Failure> {
    let up = async {
        core.wait_server(SERVER, ServerState::Ok).await?;
        let marked = |list: &[komodo_api::container::ContainerListItem]| {
            list.iter().any(|item| {
                item.name == AGENT && !item.protected.is_empty() && item.stale_since.is_none()
            })
        };
        core.wait_containers(SERVER, "the agent to be marked", marked)
            .await
    };
    match up.await {
        Ok(_) => Ok(()),
        Err(error) => {
            let log = engine.logs(AGENT).await.unwrap_or_default();
            Err(format!("{error}\nagent: {log}").into())
        }
    }
}

/// Asks for a restart as clients do that know nothing of hand over, and returns the id of the Update.
///
/// # Errors
/// When Core refuses.
pub async fn ask_restart(core: &Access, server: &str, container: &str) -> Result<String, Failure> {
    let mut body = Map::new();
    body.insert("server".into(), json!(server));
    body.insert("container".into(), json!(container));
    let answer = core
        .client
        .call_by_name::<Update>(Module::Execute, "RestartContainer", &body)
        .await?;
    id_of(&answer.value)
}

/// Asks for a new container, and returns the id of the Update.
///
/// # Errors
/// When Core refuses.
pub async fn ask_recreate(
    core: &Access,
    server: &str,
    container: &str,
    image: Option<&str>,
) -> Result<String, Failure> {
    let ask = RestartContainer {
        recreate: Some(Recreate {
            image: image.map(str::to_owned),
        }),
        ..RestartContainer::of(ServerRef(server.into()), ContainerRef(container.into()))
    };
    id_of(&core.client.call(&ask).await?)
}

/// Id of an Update.
///
/// # Errors
/// When it has none.
pub fn id_of(update: &Update) -> Result<String, Failure> {
    let id = update.id.as_ref().ok_or("an Update has an id")?;
    Ok(id.0.to_string())
}

/// Waits until an Update has ended, however often Core is away meanwhile.
///
/// # Errors
/// When it does not; the error holds it.
pub async fn closed(core: &Access, id: &str) -> Result<Update, Failure> {
    let get = GetUpdate { id: id.to_owned() };
    let closed = wait_for_within(END_SECONDS, "the Update to close", || async {
        let update = core.client.call(&get).await.ok()?;
        (update.status == UpdateStatus::Complete).then_some(update)
    });
    match closed.await {
        Ok(update) => Ok(update),
        Err(error) => {
            let open = core.client.call(&get).await;
            Err(format!("{error}: {open:#?}").into())
        }
    }
}

/// Whether Core has nothing open any more.
pub(crate) async fn nothing_is_open(core: &Access) -> Result<(), Failure> {
    let ask = GetServerActionState {
        server: SERVER.into(),
    };
    let busy = serde_json::to_string(&core.client.call(&ask).await?)?;
    if busy.contains("true") {
        return Err(format!("the server is busy: {busy}").into());
    }
    let list = ListUpdates {
        query: None,
        page: 0,
    };
    let updates = core.client.call(&list).await?.updates;
    match updates
        .iter()
        .find(|update| update.status != UpdateStatus::Complete)
    {
        Some(open) => Err(format!("an Update is open: {open:?}").into()),
        None => Ok(()),
    }
}

/// Names of all containers, running or not, sorted.
///
/// # Errors
/// When the Engine does not answer.
pub async fn names(engine: &Engine) -> Result<Vec<String>, Failure> {
    let mut names: Vec<String> = engine
        .list()
        .await?
        .into_iter()
        .flat_map(|container| container.names.unwrap_or_default())
        .map(|name| name.trim_start_matches('/').to_owned())
        .collect();
    names.sort();
    Ok(names)
}

/// Waits until a helper is there that runs, and returns its name and its PID as the host sees it.
///
/// # Errors
/// When none comes.
pub async fn helper(engine: &Engine) -> Result<String, Failure> {
    wait_for("a helper", || async {
        let containers = engine.list().await.ok()?;
        let helper = containers.into_iter().find(|container| {
            let labels = container.labels.as_ref();
            labels.is_some_and(|labels| labels.contains_key(HELPER_LABEL))
        })?;
        let name = helper.names?.into_iter().next()?;
        Some(name.trim_start_matches('/').to_owned())
    })
    .await
}

fn files(folder: PathBuf, extension: &str) -> usize {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let is = |path: PathBuf| path.extension().is_some_and(|found| found == extension);
    entries.filter(|entry| is(entry.path())).count()
}

/// A container as the Engine shows it.
#[derive(Debug, Clone)]
pub struct Body(ContainerInspectResponse);

impl Body {
    /// A container of an Engine.
    ///
    /// # Errors
    /// When there is none of that name.
    pub async fn of(engine: &Engine, name: &str) -> Result<Self, Failure> {
        Ok(Body(engine.inspect(name).await?))
    }

    /// Its id.
    pub fn id(&self) -> &str {
        self.0.id.as_deref().unwrap_or_default()
    }

    /// Id of its image.
    pub fn image(&self) -> &str {
        self.0.image.as_deref().unwrap_or_default()
    }

    /// When its run began.
    pub fn started_at(&self) -> Option<&str> {
        self.0.state.as_ref()?.started_at.as_deref()
    }

    /// Everything about it but its run: where two are equal, it is the same container, configured as before.
    pub fn identity(&self) -> Value {
        let mut all = serde_json::to_value(&self.0).unwrap_or_default();
        let networks = networks(&mut all);
        if let Some(all) = all.as_object_mut() {
            all.retain(|key, _| {
                !matches!(key.as_str(), "State" | "NetworkSettings" | "RestartCount")
            });
            all.insert("Networks".into(), networks);
        }
        // Lists that have no order.
        for list in ["/Config/Env", "/Mounts", "/HostConfig/Binds"] {
            if let Some(Value::Array(items)) = all.pointer_mut(list) {
                items.sort_by_key(ToString::to_string);
            }
        }
        all
    }

    /// How it is configured, without what is of this very container and of its image.
    pub fn configuration(&self) -> Value {
        let mut all = self.identity();
        let id = self.id().to_owned();
        let short = id.get(..12).unwrap_or_default();
        let Some(top) = all.as_object_mut() else {
            return all;
        };
        top.retain(|key, _| {
            matches!(
                key.as_str(),
                "Config" | "HostConfig" | "Mounts" | "Name" | "Networks"
            )
        });
        top["Config"]["Image"].take();
        // By this one a helper finds the container that it has made.
        if let Some(labels) = top["Config"]["Labels"].as_object_mut() {
            labels.remove("komodo.handed-over");
        }
        if top["Config"]["Hostname"] == json!(short) {
            top["Config"]["Hostname"].take();
        }
        all
    }
}

/// What is configured of the networks, and not what the Engine made of that for one run.
fn networks(all: &mut Value) -> Value {
    let short = all["Id"]
        .as_str()
        .and_then(|id| id.get(..12))
        .map(str::to_owned);
    let mut networks = all["NetworkSettings"]["Networks"].take();
    let each = networks.as_object_mut().into_iter().flatten();
    for (_, endpoint) in each {
        let Some(endpoint) = endpoint.as_object_mut() else {
            continue;
        };
        endpoint.retain(|key, _| {
            matches!(
                key.as_str(),
                "IPAMConfig" | "Aliases" | "Links" | "DriverOpts"
            )
        });
        if let Some(Value::Array(aliases)) = endpoint.get_mut("Aliases") {
            aliases.retain(|alias| alias.as_str() != short.as_deref());
            aliases.sort_by_key(ToString::to_string);
        }
    }
    networks
}

/// Whether two documents are equal.
///
/// # Errors
/// Where they are not.
pub fn same(was: &Value, is: &Value) -> Result<(), Failure> {
    let mut found = Vec::new();
    differences("", was, is, &mut found);
    match found.is_empty() {
        true => Ok(()),
        false => Err(format!("it is not as it was: {}", found.join("; ")).into()),
    }
}

fn differences(path: &str, was: &Value, is: &Value, found: &mut Vec<String>) {
    match (was, is) {
        (Value::Object(was), Value::Object(is)) => {
            let keys: BTreeSet<_> = was.keys().chain(is.keys()).collect();
            for key in keys {
                let of = |object: &Map<String, Value>| object.get(key).cloned().unwrap_or_default();
                differences(&format!("{path}/{key}"), &of(was), &of(is), found);
            }
        }
        (was, is) if was == is || (is_empty(was) && is_empty(is)) => {}
        (was, is) => found.push(format!("{path}: {was} → {is}")),
    }
}

/// An Engine that starts again writes some empty lists in another way.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    }
}
