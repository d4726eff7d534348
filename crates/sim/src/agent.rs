//! A simulated agent: a process on a simulated host, which can be killed and started again.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use futures_util::stream;
use komodo_agent_api::{
    AgentApi, AgentError, AgentErrorCode, AgentEvent, AgentHello, AgentOperation, AgentProperties,
    AgentStream, Container, CoreHello, EngineState, GoodbyeReason, LEVEL, LEVEL_MIN, LogRequest,
    OperationEvent, ProgramPart, ProgramReceived,
};
use komodo_api::{
    engine::ContainerStateStatusEnum,
    live::LogLine,
    resource::ContainerRef,
    stats::{SystemInformation, Timelength},
};
use komodo_plan::ControlPath;
use tokio::{sync::watch, task::JoinSet};
use tokio_util::sync::CancellationToken;

use crate::{
    carry_out,
    events::Reader,
    fault::Fault,
    host::House,
    image::Image,
    inspect,
    process::{Process, lost, share_fate},
    service::Service,
    world::World,
};

/// A running agent. A clone is the same process.
#[derive(Clone)]
pub struct SimAgent(Arc<Process>);

impl SimAgent {
    pub(crate) fn start(house: Arc<House>, container: Option<Container>, image: Image) -> Self {
        let (world, disk) = (house.world.clone(), house.disk.clone());
        let own = container.as_ref().map(|own| own.id.clone());
        let (unit, invocation) = house.service.as_ref().map(Service::own_unit).unzip();
        let version = house.service.as_ref().and_then(Service::version);
        let properties = AgentProperties {
            unit,
            architecture: std::env::consts::ARCH.to_owned(),
            version: version.unwrap_or_else(|| env!("CARGO_PKG_VERSION").to_owned()),
            container: own.clone(),
            terminals_disabled: true,
            container_terminals_disabled: true,
            stats_polling_rate: Timelength::ThirtySeconds,
            started_at: world.now(),
        };
        let host = SystemInformation {
            name: Some("Simulated".to_owned()),
            os: Some("Linux (simulated)".to_owned()),
            kernel: Some("6.1.0-sim".to_owned()),
            core_count: Some(2),
            logical_core_count: Some(4),
            host_name: Some(house.options.host_name.clone()),
            cpu_brand: "Simulated CPU".to_owned(),
            cpu_arch: "x86_64".to_owned(),
            boot_ts: Some(world.now()),
        };
        let agent = SimAgent(Arc::new(Process {
            world,
            disk,
            broken: house.broken.clone(),
            house,
            reaches_core: image != Image::NeverConnects,
            properties,
            invocation: invocation.unwrap_or_default(),
            host,
            alive: CancellationToken::new(),
            link: Mutex::new(CancellationToken::new()),
            control: watch::Sender::new(House::control_path(own)),
            goodbye: watch::Sender::new(None),
            fault: watch::Sender::new(Fault::None),
            frozen: watch::Sender::new(false),
            tasks: Mutex::new(JoinSet::new()),
        }));
        if let Err(error) = agent.0.disk.open_anew() {
            tracing::error!(%error, "the agent cannot start");
            agent.0.die();
            return agent;
        }
        agent.0.disk.set_detached(false);
        carry_out::tidy(&agent.0);
        for id in agent.0.disk.open() {
            match agent.0.broken.journal() {
                false => agent.spawn(carry_out::settle_left_open(agent.0.clone(), id)),
                true => agent.spawn(carry_out::carry_out(agent.0.clone(), id)),
            }
        }
        if let Some(own) = container {
            agent.spawn(share_fate(agent.0.clone(), own));
        }
        agent
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = self.0.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        while tasks.try_join_next().is_some() {}
        let alive = self.0.alive.clone();
        tasks.spawn(async move { alive.run_until_cancelled(task).await.unwrap_or(()) });
    }

    /// Ends the process at once, as `SIGKILL` does. Every call and stream ends.
    pub fn kill(&self) {
        self.0.die();
    }

    /// Says goodbye and ends, as on `SIGTERM`.
    pub fn terminate(&self) {
        self.0.say_goodbye(GoodbyeReason::Signal {
            signal: "SIGTERM".to_owned(),
        });
        self.0.die();
    }

    /// As [`SimAgent::terminate`]; where that is a part of a hand over, it says so.
    pub(crate) fn terminate_in_order(&self) {
        self.0.say_goodbye(self.0.last_word());
        self.0.die();
    }

    /// Waits until the process has ended.
    pub(crate) async fn died(&self) {
        self.0.alive.cancelled().await;
    }

    /// Says goodbye and goes on, as when the Engine tells that the own container is being paused.
    pub fn goodbye(&self, reason: GoodbyeReason) {
        self.0.say_goodbye(reason);
    }

    /// Cuts the link: every call and stream of now ends with an error. What is under way goes on, and the agent takes
    /// new calls.
    pub fn cut(&self) {
        let mut link = self.0.link.lock().unwrap_or_else(PoisonError::into_inner);
        link.cancel();
        *link = CancellationToken::new();
        self.0.goodbye.send_replace(None);
    }

    /// Has the agent reach its Engine through a container, by name, or directly.
    pub fn reach_engine_through(&self, container: Option<&str>) {
        self.0.control.send_modify(|control| {
            control.socket_proxy = container.map(str::to_owned);
        });
    }

    /// Changes what is wrong with the agent.
    pub fn set_fault(&self, fault: Fault) {
        self.0.fault.send_replace(fault);
    }

    /// Whether this is the same process as another one.
    pub fn is(&self, other: &SimAgent) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Whether it finds its way to Core.
    pub fn reaches_core(&self) -> bool {
        self.0.reaches_core
    }

    /// Whether the process runs.
    pub fn is_alive(&self) -> bool {
        !self.0.alive.is_cancelled()
    }

    /// Waits until the link of now is gone: cut, or ended with the process.
    pub async fn closed(&self) {
        let link = self.0.link();
        link.closed().await;
    }
}

#[async_trait]
impl AgentApi for SimAgent {
    async fn hello(&self, core: CoreHello) -> Result<AgentHello, AgentError> {
        let process = &self.0;
        process
            .answer(async {
                if core.level < LEVEL_MIN {
                    return Err(AgentError::new(
                        AgentErrorCode::Level,
                        format!(
                            "this agent speaks levels {LEVEL_MIN} to {LEVEL}, Core has {}",
                            core.level
                        ),
                    ));
                }
                process.disk.see_core(&core.core_id, core.epoch)?;
                process.control.send_if_modified(|control| {
                    let next = ControlPath {
                        core_container: core.core_container,
                        core_depends_on: core.core_depends_on,
                        agents_on_engine: core.agents_on_engine,
                        depended_on: core.depended_on,
                        ..control.clone()
                    };
                    let changed = *control != next;
                    *control = next;
                    changed
                });
                Ok(AgentHello {
                    level: LEVEL,
                    agent: process.properties.clone(),
                    open_operations: process.disk.operations(),
                })
            })
            .await
    }

    async fn events(&self) -> Result<AgentStream<AgentEvent>, AgentError> {
        let process = &self.0;
        process
            .call(async {
                let reader = Reader::new(
                    process.world.clone(),
                    process.host.clone(),
                    process.control.subscribe(),
                    process.goodbye.subscribe(),
                );
                let events = stream::unfold(reader, |mut reader| async move {
                    reader.next().await.map(|event| (event, reader))
                });
                Ok(process.flow(events))
            })
            .await
    }

    async fn inspect_container(
        &self,
        container: ContainerRef,
    ) -> Result<serde_json::Value, AgentError> {
        let process = &self.0;
        process
            .answer(async {
                self.engine_answers()?;
                let found = process
                    .world
                    .container(&container.0)
                    .ok_or_else(|| not_found(&container))?;
                Ok(inspect::document(&found))
            })
            .await
    }

    async fn container_log(
        &self,
        request: LogRequest,
    ) -> Result<AgentStream<Vec<LogLine>>, AgentError> {
        let process = &self.0;
        process
            .call(async {
                self.engine_answers()?;
                let opened = process.world.with_entry(&request.container.0, |entry| {
                    let from = entry.log.tail(request.tail);
                    (
                        entry.container.id.clone(),
                        from,
                        entry.log.end(),
                        entry.log.readers.clone(),
                    )
                });
                let (id, from, end, reader) =
                    opened.ok_or_else(|| not_found(&request.container))?;
                let until = if request.follow { u64::MAX } else { end };
                let world = process.world.clone();
                let chunks = stream::unfold((from, reader), move |(from, reader)| {
                    let (world, id, request) = (world.clone(), id.clone(), request.clone());
                    async move {
                        let (chunk, from) = next_chunk(&world, &id, &request, from, until).await?;
                        Some((Ok(chunk), (from, reader)))
                    }
                });
                Ok(process.flow(chunks))
            })
            .await
    }

    async fn operate(
        &self,
        operation: AgentOperation,
    ) -> Result<AgentStream<OperationEvent>, AgentError> {
        let process = &self.0;
        process
            .call(async {
                let id = operation.id.clone();
                if !is_id(&id) {
                    return Err(AgentError::new(
                        AgentErrorCode::Invalid,
                        "an operation's id has 1 to 64 letters, digits, - or _",
                    ));
                }
                if !process.knows(&id) {
                    process.accept(operation)?;
                    self.spawn(carry_out::carry_out(process.clone(), id.clone()));
                }
                if *process.fault.borrow() == Fault::LosesAnswers {
                    return Err(lost());
                }
                Ok(process.follow_from(id, 0))
            })
            .await
    }

    async fn follow(
        &self,
        operation: String,
        seq: u64,
    ) -> Result<AgentStream<OperationEvent>, AgentError> {
        let process = &self.0;
        process
            .call(async {
                if !process.knows(&operation) {
                    return Err(AgentError::new(
                        AgentErrorCode::NotFound,
                        format!("there is no operation '{operation}'"),
                    ));
                }
                Ok(process.follow_from(operation, seq))
            })
            .await
    }

    async fn cancel(&self, operation: String, by: String) -> Result<(), AgentError> {
        let process = &self.0;
        process
            .answer(async {
                let now = process.world.now();
                let known = process.disk.cancel(&operation, &by, now, &process.alive);
                match known {
                    Ok(true) => Ok(()),
                    Ok(false) => Err(AgentError::new(
                        AgentErrorCode::NotFound,
                        format!("there is no operation '{operation}'"),
                    )),
                    Err(_killed) => Err(lost()),
                }
            })
            .await
    }

    async fn receive_program(&self, part: ProgramPart) -> Result<ProgramReceived, AgentError> {
        let take = async {
            match &self.0.house.service {
                Some(service) => service.receive(&part),
                None => Err(AgentError::new(
                    AgentErrorCode::Invalid,
                    "this agent is no service of systemd",
                )),
            }
        };
        self.0.answer(take).await
    }

    async fn confirm(&self, operation: String) -> Result<(), AgentError> {
        self.0
            .answer(async { carry_out::confirm(&self.0, &operation) })
            .await
    }

    async fn acknowledge(&self, operation: String) -> Result<(), AgentError> {
        self.0
            .answer(async { self.0.disk.acknowledge(&operation) })
            .await
    }
}

impl SimAgent {
    fn engine_answers(&self) -> Result<(), AgentError> {
        match self.0.world.engine() {
            EngineState::Connected { .. } => Ok(()),
            EngineState::Unreachable { why, .. } => Err(AgentError::new(
                AgentErrorCode::EngineUnreachable,
                format!("the Docker Engine does not answer: {why}"),
            )),
        }
    }
}

fn is_id(id: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    (1..=64).contains(&id.len()) && id.bytes().all(plain)
}

fn not_found(container: &ContainerRef) -> AgentError {
    AgentError::new(
        AgentErrorCode::NotFound,
        format!("there is no container '{container}'"),
    )
}

/// The next lines that are wanted and the place after them; `None` is the end.
async fn next_chunk(
    world: &World,
    id: &str,
    request: &LogRequest,
    mut from: u64,
    until: u64,
) -> Option<(Vec<LogLine>, u64)> {
    use ContainerStateStatusEnum::{Paused, Restarting, Running};
    loop {
        let looked = world.with_entry(id, |entry| {
            let changed = entry.log.changed.subscribe();
            let (chunk, next) = entry.log.read(from, until, |ns, line| {
                request.stream.is_none_or(|stream| stream == line.stream)
                    && request
                        .since
                        .is_none_or(|since| ns >= since.saturating_mul(1_000_000))
            });
            let done = next >= until.min(entry.log.end());
            let more_may_come =
                request.follow && matches!(entry.container.state, Running | Paused | Restarting);
            (chunk, next, done, more_may_come, changed)
        });
        let (chunk, next, done, more_may_come, mut changed) = looked?;
        from = next;
        if !chunk.is_empty() {
            return Some((chunk, from));
        }
        if done && !more_may_come {
            return None;
        }
        if done {
            // An error is that the container is gone; the next look finds that.
            _ = changed.changed().await;
        }
    }
}
