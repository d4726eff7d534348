//! Twenty containers on a real Engine, an operation on all of them, and whether its Update tells the truth afterwards:
//! each verdict is what the Engine says, nobody was acted on twice, and nothing is stuck. What goes wrong meanwhile is
//! the tests' own.

use std::{
    collections::BTreeMap,
    time::{SystemTime, UNIX_EPOCH},
};

use bollard::{
    models::{ContainerCreateBody, EventMessage},
    query_parameters::EventsOptions,
};
use futures_util::{TryStreamExt, future::try_join_all};
use komodo_api::{
    container::ContainerAction,
    engine::ContainerStateStatusEnum,
    plan::ReasonCode,
    server::{GetServerActionState, ServerState},
    update::{GetUpdate, ListUpdates, Update, UpdateStatus, VerdictKind},
};
use komodo_testkit::{
    engine::{Container, Engine, State},
    installation::{Agent, Core, Failure, wait_for},
};

/// Name of the one server.
pub const SERVER: &str = "host-1";
/// Containers that an operation acts on.
const TARGETS: usize = 20;

/// An Engine with its containers, a Core, and an agent that is a process of the test.
#[derive(Debug)]
pub struct Host {
    /// The Engine.
    pub engine: Engine,
    /// Core.
    pub core: Core,
    /// The agent.
    pub agent: Agent,
    /// Names of the containers, sorted.
    pub names: Vec<String>,
    container: fn(&str) -> Container,
}

/// The moment before an operation, from which on it is judged.
#[derive(Debug, Clone, Copy)]
pub struct Moment(std::time::Duration);

impl Moment {
    /// Now.
    #[expect(
        clippy::disallowed_methods,
        reason = "compared with the times of the Engine"
    )]
    pub fn now() -> Self {
        Moment(
            SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .unwrap_or_default(),
        )
    }

    fn as_the_engine_writes_it(self) -> String {
        format!("{}.{:09}", self.0.as_secs(), self.0.subsec_nanos())
    }
}

/// A container that ends at once when it is stopped, and starts quickly, because it has no network.
fn quick(name: &str) -> Container {
    Container::new(name, ["sleep", "100000"])
        .network_mode("none")
        .with(|body: &mut ContainerCreateBody| {
            body.stop_signal = Some("SIGKILL".into());
            // An agent that cannot know whether the Engine is at it still waits for as long as that may take.
            body.stop_timeout = Some(1);
        })
}

/// A container that takes two seconds to end when it is stopped, so that a stop can be canceled.
fn slow(name: &str) -> Container {
    let command = "trap 'sleep 2; exit 0' TERM; sleep 100000 & wait";
    Container::new(name, ["sh", "-c", command])
        .network_mode("none")
        .with(|body: &mut ContainerCreateBody| body.stop_timeout = Some(5))
}

impl Host {
    /// Starts all of it on an Engine; `within`: the agent runs in the network namespace of the Engine.
    ///
    /// # Errors
    /// When something does not come up.
    pub async fn start(engine: Engine, within: bool) -> Result<Self, Failure> {
        Host::start_of(engine, within, quick).await
    }

    /// As [`Host::start`], with containers that take two seconds to end.
    ///
    /// # Errors
    /// When something does not come up.
    pub async fn start_slow(engine: Engine) -> Result<Self, Failure> {
        Host::start_of(engine, false, slow).await
    }

    async fn start_of(
        engine: Engine,
        within: bool,
        container: fn(&str) -> Container,
    ) -> Result<Self, Failure> {
        let names: Vec<String> = (1..=TARGETS).map(|at| format!("c-{at:02}")).collect();
        try_join_all(names.iter().map(|name| engine.run(container(name)))).await?;
        let core = Core::start(engine.host_address().into()).await?;
        let agent = match within {
            true => core.agent_process_within(&engine, SERVER).await?,
            false => core.agent_process(&engine, SERVER).await?,
        };
        let host = Host {
            engine,
            core,
            agent,
            names,
            container,
        };
        host.wait_view(ContainerStateStatusEnum::Running).await?;
        Ok(host)
    }

    /// Kills the agent and starts it anew, for an operation at whose failpoint it dies or stops.
    ///
    /// # Errors
    /// When it does not come back.
    pub async fn arm_agent(&mut self, failpoint: &str) -> Result<(), Failure> {
        if let Some(mut program) = self.agent.program.take() {
            program.kill();
        }
        self.core.wait_server(SERVER, ServerState::NotOk).await?;
        let docker_host = self.engine.docker_host();
        self.agent.start_at(&docker_host, Some(failpoint))?;
        self.core.wait_server(SERVER, ServerState::Ok).await
    }

    /// Kills Core and starts it anew, for an operation at whose failpoint it dies or stops.
    ///
    /// # Errors
    /// When it does not come back.
    pub async fn arm_core(&mut self, failpoint: &str) -> Result<(), Failure> {
        self.core.program.kill();
        self.core.start_again_at(Some(failpoint)).await?;
        // One that has found no Core several times in a row would take its time.
        let docker_host = self.engine.docker_host();
        self.agent_program()?.kill();
        self.agent.start(&docker_host)?;
        self.core.wait_server(SERVER, ServerState::Ok).await
    }

    /// The agent's process.
    ///
    /// # Errors
    /// When it was not started.
    pub fn agent_program(&mut self) -> Result<&mut komodo_testkit::installation::Program, Failure> {
        Ok(self.agent.program.as_mut().ok_or("the agent is stopped")?)
    }

    /// Brings all containers to run, past the product, and waits until Core sees that.
    ///
    /// # Errors
    /// When they do not.
    pub async fn all_run(&self) -> Result<(), Failure> {
        try_join_all(self.names.iter().map(|name| async move {
            match self.engine.state(name).await? {
                State::Running => Ok(()),
                State::Paused => self.engine.unpause(name).await,
                _ if self.engine.start_container(name).await.is_ok() => Ok(()),
                // An Engine that was killed may have lost its hold on a container, and never starts it again.
                _ => {
                    self.engine.remove(name).await?;
                    self.engine.run((self.container)(name)).await.map(drop)
                }
            }
        }))
        .await?;
        self.core.wait_server(SERVER, ServerState::Ok).await?;
        self.wait_view(ContainerStateStatusEnum::Running).await
    }

    async fn wait_view(&self, state: ContainerStateStatusEnum) -> Result<(), Failure> {
        let seen = |list: &[komodo_api::container::ContainerListItem]| {
            self.names.iter().all(|name| {
                list.iter().any(|item| {
                    item.name == *name && item.state == state && item.stale_since.is_none()
                })
            })
        };
        let what = format!("Core to see all containers {state:?}");
        self.core
            .wait_containers(SERVER, &what, seen)
            .await
            .map(drop)
    }

    /// The Update of the operation that was ordered after a moment, where there is one.
    ///
    /// # Errors
    /// When Core does not answer.
    pub async fn ordered_since(&self, moment: Moment) -> Result<Option<String>, Failure> {
        let list = ListUpdates {
            query: None,
            page: 0,
        };
        let since = i64::try_from(moment.0.as_millis())?;
        let updates = self.core.client.call(&list).await?.updates;
        Ok(updates
            .into_iter()
            .find(|update| update.start_ts >= since)
            .map(|update| update.id))
    }

    /// Waits until an Update has ended.
    ///
    /// # Errors
    /// When it does not; the error holds it.
    pub async fn closed(&self, id: &str) -> Result<Update, Failure> {
        let get = GetUpdate { id: id.to_owned() };
        let closed = wait_for("the Update to close", || async {
            let update = self.core.client.call(&get).await.ok()?;
            (update.status == UpdateStatus::Complete).then_some(update)
        });
        match closed.await {
            Ok(update) => Ok(update),
            Err(error) => {
                let open = self.core.client.call(&get).await;
                Err(format!("{error}: {open:?}").into())
            }
        }
    }

    /// Whether an Update that has ended tells of all containers what the Engine says. With `since`, the Engine's events
    /// from there on are counted too: who was done was acted on once, and who was not, not at all.
    ///
    /// # Errors
    /// Each lie.
    pub async fn tells_the_truth(
        &self,
        update: &Update,
        action: ContainerAction,
        since: Option<Moment>,
    ) -> Result<(), Failure> {
        let mut lies = Vec::new();
        let acts = match since {
            Some(since) => Some(self.acts(action, since).await?),
            None => None,
        };
        let targets = update.targets.map_or(0, |targets| targets as usize);
        if targets != TARGETS || update.verdicts.len() != TARGETS {
            lies.push(format!(
                "{} verdicts on {targets} targets of {TARGETS}",
                update.verdicts.len()
            ));
        }
        for name in &self.names {
            let Some(verdict) = update
                .verdicts
                .iter()
                .find(|verdict| verdict.container == *name)
            else {
                lies.push(format!("no verdict on {name}"));
                continue;
            };
            let state = self.engine.state(name).await?;
            let reached = match action {
                ContainerAction::Stop => state == State::Exited,
                ContainerAction::Start | ContainerAction::Unpause => state == State::Running,
                ContainerAction::Pause => state == State::Paused,
                ContainerAction::Restart => {
                    state == State::Running
                        && acts.as_ref().is_none_or(|acts| acts.contains_key(name))
                }
                ContainerAction::Destroy | ContainerAction::Prune => state == State::Absent,
            };
            let why = verdict.reason.as_ref().map(|reason| reason.code);
            let (should_be_reached, times) = match verdict.verdict {
                VerdictKind::Done => (true, 1),
                VerdictKind::Unchanged => (true, 0),
                VerdictKind::Failed => (false, 0),
                VerdictKind::Skipped if why == Some(ReasonCode::Canceled) => (false, 0),
                // Left as it was found, whatever that was.
                VerdictKind::Skipped if why == Some(ReasonCode::ChangedSince) => (reached, 0),
                VerdictKind::Skipped | VerdictKind::Unknown => {
                    lies.push(format!("{verdict:?} although {name} is {state:?}"));
                    continue;
                }
            };
            if reached != should_be_reached {
                lies.push(format!("{verdict:?} although {name} is {state:?}"));
            }
            if verdict.after.map(|after| after.as_str().to_owned())
                != Some(format!("{state:?}").to_lowercase())
            {
                lies.push(format!(
                    "{verdict:?}, seen after, although {name} is {state:?}"
                ));
            }
            if let Some(acts) = &acts {
                let acted = acts.get(name).copied().unwrap_or(0);
                if acted != times {
                    lies.push(format!("{verdict:?}, but it was acted on {acted} times"));
                }
            }
        }
        let bad = update
            .verdicts
            .iter()
            .any(|verdict| matches!(verdict.verdict, VerdictKind::Failed | VerdictKind::Unknown));
        let success = !bad && update.canceled_by.is_none();
        if update.success != success || update.waiting_for.is_some() || update.stage.is_some() {
            lies.push(format!("the Update itself: {update:?}"));
        }
        match lies.is_empty() {
            true => Ok(()),
            false => Err(lies.join("\n").into()),
        }
    }

    /// Whether no container was stopped or started since a moment.
    ///
    /// # Errors
    /// Which were.
    pub async fn was_left_alone(&self, since: Moment) -> Result<(), Failure> {
        for action in [ContainerAction::Stop, ContainerAction::Start] {
            let acts = self.acts(action, since).await?;
            if !acts.is_empty() {
                return Err(format!("{action:?} although it was not to be: {acts:?}").into());
            }
        }
        Ok(())
    }

    /// How often the Engine did to each container, by its name, what an action does.
    ///
    /// # Errors
    /// When the Engine does not answer.
    pub async fn acts(
        &self,
        action: ContainerAction,
        since: Moment,
    ) -> Result<BTreeMap<String, usize>, Failure> {
        self.events(
            since,
            match action {
                ContainerAction::Stop => "die",
                ContainerAction::Start | ContainerAction::Restart => "start",
                ContainerAction::Pause => "pause",
                ContainerAction::Unpause => "unpause",
                ContainerAction::Destroy | ContainerAction::Prune => "destroy",
            },
        )
        .await
    }

    /// How many containers were sent a signal since a moment: a stop begins with that.
    ///
    /// # Errors
    /// When the Engine does not answer.
    pub async fn signaled(&self, since: Moment) -> Result<usize, Failure> {
        Ok(self.events(since, "kill").await?.len())
    }

    async fn events(
        &self,
        since: Moment,
        counted: &str,
    ) -> Result<BTreeMap<String, usize>, Failure> {
        let options = EventsOptions {
            since: Some(since.as_the_engine_writes_it()),
            until: Some(Moment::now().as_the_engine_writes_it()),
            filters: Some([("event".to_owned(), vec![counted.to_owned()])].into()),
        };
        let events: Vec<EventMessage> = self
            .engine
            .docker()
            .events(Some(options))
            .try_collect()
            .await?;
        let mut acts = BTreeMap::new();
        for event in events {
            let attributes = event.actor.and_then(|actor| actor.attributes);
            if let Some(name) = attributes.and_then(|mut attributes| attributes.remove("name")) {
                *acts.entry(name).or_insert(0) += 1;
            }
        }
        Ok(acts)
    }

    /// Whether nothing is left of an operation that has ended: no lease, no other open Update, nothing in the agent's
    /// journal.
    ///
    /// # Errors
    /// What is left.
    pub async fn nothing_is_stuck(&self) -> Result<(), Failure> {
        let ask = GetServerActionState {
            server: SERVER.into(),
        };
        let state = self.core.client.call(&ask).await?;
        let busy = serde_json::to_string(&state)?;
        if busy.contains("true") {
            return Err(format!("the server is busy: {busy}").into());
        }
        let list = ListUpdates {
            query: None,
            page: 0,
        };
        let updates = self.core.client.call(&list).await?.updates;
        if let Some(open) = updates
            .iter()
            .find(|update| update.status != UpdateStatus::Complete)
        {
            return Err(format!("an Update is open: {open:?}").into());
        }
        wait_for("the agent's journal to be empty", || async {
            self.journal().is_ok_and(|files| files == 0).then_some(())
        })
        .await
    }

    /// Operations in the agent's journal.
    fn journal(&self) -> Result<usize, Failure> {
        let mut files = 0;
        for entry in std::fs::read_dir(self.agent.directory().join("journal"))? {
            let path = entry?.path();
            files += usize::from(
                path.extension()
                    .is_some_and(|extension| extension == "jsonl"),
            );
        }
        Ok(files)
    }
}
