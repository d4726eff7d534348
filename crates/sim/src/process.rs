//! The process of a simulated agent: its life, and what stands between its answers and Core.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::{Stream, StreamExt, stream};
use komodo_agent_api::{
    AgentError, AgentErrorCode, AgentOperation, AgentProperties, AgentStream, Container,
    EngineState, GoodbyeReason, OperationEvent, ProtectedContainer,
};
use komodo_api::{container::Scope, engine::ContainerStateStatusEnum, stats::SystemInformation};
use komodo_plan::{
    ControlPath, Observed, PlanError, PlanInput, UNIT_PREFIX, operation_deadline_ms,
    plan_containers, protected_set,
};
use serde::Serialize;
use tokio::{sync::watch, task::JoinSet};
use tokio_util::sync::CancellationToken;

use crate::{
    fault::{Broken, Fault},
    host::House,
    journal::{Disk, Next},
    world::World,
};

pub(crate) struct Process {
    pub(crate) house: Arc<House>,
    pub(crate) world: World,
    pub(crate) disk: Disk,
    pub(crate) broken: Arc<Broken>,
    pub(crate) properties: AgentProperties,
    /// `InvocationID` of the run of its service; empty where it is none.
    pub(crate) invocation: String,
    pub(crate) host: SystemInformation,
    /// Whether it finds its way to Core.
    pub(crate) reaches_core: bool,
    /// Cancelled when the process has ended.
    pub(crate) alive: CancellationToken,
    /// Cancelled when the link is cut; what is under way goes on.
    pub(crate) link: Mutex<CancellationToken>,
    pub(crate) control: watch::Sender<ControlPath>,
    pub(crate) goodbye: watch::Sender<Option<GoodbyeReason>>,
    pub(crate) fault: watch::Sender<Fault>,
    /// Frozen, as when its container is paused.
    pub(crate) frozen: watch::Sender<bool>,
    pub(crate) tasks: Mutex<JoinSet<()>>,
}

/// The link as a call sees it from beginning to end.
pub(crate) struct Link {
    alive: CancellationToken,
    link: CancellationToken,
}

impl Link {
    pub(crate) async fn closed(&self) {
        tokio::select! {
            () = self.alive.cancelled() => {}
            () = self.link.cancelled() => {}
        }
    }
}

pub(crate) fn lost() -> AgentError {
    AgentError::new(AgentErrorCode::Link, "the link to the agent was lost")
}

impl Process {
    pub(crate) fn link(&self) -> Link {
        let link = self
            .link
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        Link {
            alive: self.alive.clone(),
            link,
        }
    }

    pub(crate) fn die(&self) {
        self.alive.cancel();
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        tasks.abort_all();
    }

    pub(crate) fn say_goodbye(&self, reason: GoodbyeReason) {
        self.goodbye.send_if_modified(|said| {
            let first = said.is_none();
            said.get_or_insert(reason);
            first
        });
    }

    /// What it says when it is stopped.
    pub(crate) fn last_word(&self) -> GoodbyeReason {
        let unit = self.properties.unit.as_ref();
        let unit = unit.map(|unit| format!("{UNIT_PREFIX}{}", unit.name));
        let own = self.properties.container.clone().or(unit);
        match own.and_then(|own| self.disk.hands_over(&own)) {
            Some(operation) => GoodbyeReason::HandedOver { operation },
            None => GoodbyeReason::Signal {
                signal: "SIGTERM".to_owned(),
            },
        }
    }

    /// Whether an operation was accepted before.
    pub(crate) fn knows(&self, operation: &str) -> bool {
        !self.broken.journal() && self.disk.knows(operation)
    }

    /// What the guard keeps.
    pub(crate) fn protected(&self, containers: &[Container]) -> Vec<ProtectedContainer> {
        if self.broken.guard() {
            return Vec::new();
        }
        protected_set(containers, &self.control.borrow())
    }

    /// Stands still while the process hangs or is frozen.
    async fn while_it_moves(&self) {
        let mut fault = self.fault.subscribe();
        let mut frozen = self.frozen.subscribe();
        loop {
            let hangs = *fault.borrow_and_update() == Fault::Hang;
            let is_frozen = *frozen.borrow_and_update();
            if !hangs && !is_frozen {
                return;
            }
            // The senders live as long as the process, and this is it.
            tokio::select! {
                _ = fault.changed() => {}
                _ = frozen.changed() => {}
            }
        }
    }

    /// Takes as long as the answer needs on a slow line.
    async fn pass(&self, answer: &(impl Serialize + Sync)) {
        let Fault::Slow(per_byte) = *self.fault.borrow() else {
            return;
        };
        let bytes = serde_json::to_vec(answer).map_or(0, |bytes| bytes.len());
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        tokio::time::sleep(
            per_byte
                .saturating_mul(bytes)
                .min(Duration::from_secs(365 * 24 * 3600)),
        )
        .await;
    }

    /// One call: stands still, is slow, or is cut, as the process is.
    pub(crate) async fn call<T>(
        &self,
        work: impl Future<Output = Result<T, AgentError>>,
    ) -> Result<T, AgentError> {
        let link = self.link();
        let answer = async {
            if !self.reaches_core {
                return Err(lost());
            }
            self.while_it_moves().await;
            let answer = work.await;
            self.while_it_moves().await;
            answer
        };
        tokio::select! {
            biased;
            () = link.closed() => Err(lost()),
            answer = answer => answer,
        }
    }

    /// One answer on a slow line.
    pub(crate) async fn answer<T: Serialize + Sync>(
        &self,
        work: impl Future<Output = Result<T, AgentError>>,
    ) -> Result<T, AgentError> {
        self.call(async {
            let answer = work.await?;
            self.pass(&answer).await;
            Ok(answer)
        })
        .await
    }

    /// A stream that stands still, is slow, or is cut, as the process is.
    pub(crate) fn flow<T: Serialize + Send + Sync + 'static>(
        self: &Arc<Self>,
        items: impl Stream<Item = Result<T, AgentError>> + Send + 'static,
    ) -> AgentStream<T> {
        let state = (self.clone(), self.link(), items.boxed(), false);
        stream::unfold(state, |(process, link, mut items, ended)| async move {
            if ended {
                return None;
            }
            let next = async {
                process.while_it_moves().await;
                let item = items.next().await;
                if let Some(Ok(item)) = &item {
                    process.pass(item).await;
                }
                process.while_it_moves().await;
                item
            };
            // What is ready goes first, so that a goodbye is heard before the end that it announces.
            tokio::select! {
                biased;
                item = next => item.map(|item| {
                    let ended = item.is_err();
                    (item, (process, link, items, ended))
                }),
                () = link.closed() => Some((Err(lost()), (process, link, items, true))),
            }
        })
        .boxed()
    }

    pub(crate) fn follow_from(
        self: &Arc<Self>,
        id: String,
        seq: u64,
    ) -> AgentStream<OperationEvent> {
        let disk = self.disk.clone();
        let events = stream::unfold(seq, move |seq| {
            let (disk, id) = (disk.clone(), id.clone());
            async move {
                loop {
                    match disk.next(&id, seq) {
                        Next::Event(event) => {
                            let seq = event.seq;
                            return Some((Ok(event), seq));
                        }
                        // An error is that the record was dropped; the next look finds the end.
                        Next::Wait(mut changed) => _ = changed.changed().await,
                        Next::End => return None,
                    }
                }
            }
        });
        self.flow(events)
    }

    /// Plans an operation against what is there now, and writes it down.
    pub(crate) fn accept(&self, operation: AgentOperation) -> Result<(), AgentError> {
        self.disk
            .see_order(operation.core_id.as_deref(), operation.epoch)?;
        if let EngineState::Unreachable { why, .. } = self.world.engine()
            // The Engine has no part in a service.
            && !matches!(operation.scope, Scope::Agent(_))
        {
            return Err(AgentError::new(
                AgentErrorCode::EngineUnreachable,
                format!("the Docker Engine does not answer: {why}; nothing was done"),
            ));
        }
        let containers = self.world.containers();
        let protected = self.protected(&containers);
        let plan = plan_containers(
            &PlanInput::from(&operation),
            Observed::new(&containers, &protected),
        );
        let plan = plan.map_err(|error| {
            let code = match error {
                PlanError::NotFound { .. } => AgentErrorCode::NotFound,
                PlanError::Ambiguous { .. } | PlanError::Empty => AgentErrorCode::Invalid,
            };
            AgentError::new(code, error.to_string())
        })?;
        if let Some(why) = plan.not_recreated(&operation) {
            return Err(AgentError::new(AgentErrorCode::Invalid, why));
        }
        let now = self.world.now();
        let deadline_ms = operation_deadline_ms(&plan, operation.concurrency);
        let deadline = now.saturating_add(i64::try_from(deadline_ms).unwrap_or(i64::MAX));
        self.disk.accept(operation, plan, deadline, now)
    }
}

/// What happens to the agent's own container happens to the agent.
pub(crate) async fn share_fate(process: Arc<Process>, own: Container) {
    use ContainerStateStatusEnum::*;
    loop {
        let mut subscription = process.world.subscribe();
        loop {
            match process.world.container(&own.id) {
                // Another run is another process.
                Some(now) if now.started_at != own.started_at => {
                    process.say_goodbye(process.last_word());
                    return process.die();
                }
                Some(now) => match now.state {
                    Paused => {
                        process.say_goodbye(GoodbyeReason::EngineEvent {
                            action: "pause".to_owned(),
                        });
                        process.frozen.send_replace(true);
                    }
                    Running | Created | Restarting | Empty => {
                        // It goes on as if nothing had been: what it announced did not come, or is over.
                        if process.frozen.send_replace(false) {
                            process.goodbye.send_replace(None);
                            process.disk.set_detached(false);
                        }
                    }
                    Exited | Dead | Stopping | Removing => {
                        process.say_goodbye(process.last_word());
                        return process.die();
                    }
                },
                None => return process.die(),
            }
            if subscription.changes.recv().await.is_none() {
                // Cut off for lagging: look again, from a new beginning.
                break;
            }
        }
    }
}
