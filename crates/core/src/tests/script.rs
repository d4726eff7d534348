//! An agent whose operation goes as a test says, event by event, over lost links and restarts; all else is simulated.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use futures_util::{StreamExt, stream};
use komodo_agent_api::{
    AgentApi, AgentError, AgentErrorCode, AgentEvent, AgentHello, AgentOperation, AgentStream,
    Container, CoreHello, EventBody, LogRequest, OperationEvent, OperationEventBody,
    OperationState, ProgramPart, ProgramReceived, ProtectedContainer,
};
use komodo_api::{
    UnixMs,
    container::ContainerAction,
    live::LogLine,
    plan::{Effect, PlanItem, Reason, ReasonCode},
    resource::ContainerRef,
    update::{Stage, Update, Verdict, VerdictKind},
};
use komodo_plan::{Observed, PlanInput, plan_containers};
use komodo_sim::SimAgent;
use serde_json::Value;
use tokio::{sync::watch, time::Instant};
use tokio_util::sync::CancellationToken;

use super::harness::{Core, Host, wait};

/// What the agent keeps over its restarts.
#[derive(Default)]
pub(super) struct Kept {
    pub(super) operation: Option<AgentOperation>,
    pub(super) events: Vec<OperationEvent>,
    /// When it was asked to confirm, and what it answers.
    pub(super) confirms: Vec<Instant>,
    pub(super) refuses_confirm: bool,
    pub(super) canceled: u32,
    pub(super) acknowledged: bool,
    /// Level that it says it speaks, where not the present one.
    pub(super) level: Option<u32>,
    /// Name of the container that runs Core.
    pub(super) core: Option<String>,
}

/// The agent on one link.
#[derive(Clone)]
pub(super) struct Script {
    kept: Arc<Mutex<Kept>>,
    more: watch::Sender<u64>,
    sim: SimAgent,
    link: CancellationToken,
}

impl Script {
    /// On the host, in place of its agent.
    pub(super) async fn of(core: &mut Core, host: &mut Host) -> Self {
        let script = Script {
            kept: Arc::default(),
            more: watch::Sender::new(0),
            sim: host.agent.clone(),
            link: CancellationToken::new(),
        };
        core.cut(host).await;
        script.back(core, host).await
    }

    /// Connects once more; as a new process of the agent.
    pub(super) async fn back(&self, core: &mut Core, host: &mut Host) -> Self {
        let script = self.linked(core, host);
        core.until(host, "it is connected again", |view| view.is_live())
            .await;
        script
    }

    /// Connects, whether or not Core takes it in.
    pub(super) fn linked(&self, core: &mut Core, host: &mut Host) -> Self {
        let script = Script {
            link: CancellationToken::new(),
            ..self.clone()
        };
        host.link = core.attach_as(host.id, &host.agent, Arc::new(script.clone()));
        script
    }

    /// Its link ends.
    pub(super) async fn cut(&self, core: &mut Core, host: &Host) {
        self.link.cancel();
        core.cut(host).await;
    }

    pub(super) fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next step of its operation.
    pub(super) fn tell(&self, at: UnixMs, body: OperationEventBody) {
        let mut kept = self.kept();
        let seq = kept.events.len() as u64 + 1;
        kept.events.push(OperationEvent { seq, at, body });
        drop(kept);
        self.more.send_modify(|more| *more += 1);
    }

    /// It settles a target.
    pub(super) fn settle(&self, at: UnixMs, verdict: VerdictKind, error: Option<&str>) {
        let item = self.item();
        self.tell(
            at,
            OperationEventBody::Verdict(Verdict {
                container: item.container,
                id: item.id,
                verdict,
                reason: None,
                error: error.map(str::to_owned),
                before: Some(item.state),
                after: Some(item.state),
                run: None,
                at,
            }),
        );
        self.tell(at, OperationEventBody::Ended { error: None });
    }

    /// What it plans to do to its own container.
    pub(super) fn item(&self) -> PlanItem {
        let kept = self.kept();
        let planned = kept.events.iter().find_map(|event| match &event.body {
            OperationEventBody::Planned { items, .. } => Some(items.clone()),
            _ => None,
        });
        let items = planned.expect("it was planned");
        let mut acted = items.into_iter().filter(|item| item.effect != Effect::Skip);
        acted.next().expect("it does something")
    }

    /// It hands its operation over.
    pub(super) fn hand_over(&self, at: UnixMs, until: UnixMs, probation_s: u32) {
        let id = self.item().id;
        self.tell(
            at,
            OperationEventBody::HandedOver {
                id,
                helper: "komodo-hand-over-1".into(),
                until,
                probation_s,
            },
        );
    }

    /// Orders something of it, and waits until it has planned that.
    pub(super) async fn begun(&self, core: &Core, request: &str, params: Value) -> Update {
        let update = core.execute(request, params).await.expect("it begins");
        wait("the agent has planned it", || {
            !self.kept().events.is_empty()
        })
        .await;
        update
    }

    /// It hands its operation over, to be back `within_ms`, and Core has heard that.
    pub(super) async fn handed_over(
        &self,
        core: &Core,
        update: &Update,
        within_ms: UnixMs,
    ) -> Update {
        self.hand_over(core.now(), core.now() + within_ms, 30);
        core.until_update(update, "it is handed over", |update| {
            update.stage == Some(Stage::HandedOver)
        })
        .await
    }

    fn told(&self, seq: u64) -> AgentStream<OperationEvent> {
        let told = stream::unfold(
            (self.clone(), self.more.subscribe(), seq),
            |state| async move {
                let (script, mut more, seq) = state;
                loop {
                    more.borrow_and_update();
                    let at = usize::try_from(seq).expect("tests are short");
                    let next = script.kept().events.get(at).cloned();
                    if let Some(event) = next {
                        return Some((Ok(event), (script, more, seq + 1)));
                    }
                    more.changed().await.ok()?;
                }
            },
        );
        let link = self.link.clone().cancelled_owned();
        let lost =
            stream::once(async { Err(AgentError::new(AgentErrorCode::Link, "the link was lost")) });
        told.take_until(link).chain(lost).boxed()
    }
}

#[async_trait]
impl AgentApi for Script {
    async fn hello(&self, core: CoreHello) -> Result<AgentHello, AgentError> {
        let mut hello = self.sim.hello(core).await?;
        let kept = self.kept();
        hello.level = kept.level.unwrap_or(hello.level);
        hello.open_operations = kept
            .operation
            .iter()
            .filter(|_| !kept.acknowledged)
            .map(|operation| OperationState {
                id: operation.id.clone(),
                seq: kept.events.len() as u64,
                ended: matches!(
                    kept.events.last().map(|event| &event.body),
                    Some(OperationEventBody::Ended { .. })
                ),
            })
            .collect();
        Ok(hello)
    }

    async fn events(&self) -> Result<AgentStream<AgentEvent>, AgentError> {
        let core = self.kept().core.clone();
        let events = self.sim.events().await?.map(move |event| {
            let mut event = event?;
            if let EventBody::Snapshot(snapshot) = &mut event.body {
                let runs = |it: &&Container| Some(&it.name) == core.as_ref();
                let container = snapshot.containers.iter().find(runs);
                let protected = container.map(|container| ProtectedContainer {
                    id: container.id.clone(),
                    name: container.name.clone(),
                    reasons: vec![Reason::new(ReasonCode::Core)],
                });
                snapshot.protected.extend(protected);
            }
            Ok(event)
        });
        Ok(events.boxed())
    }

    async fn inspect_container(&self, container: ContainerRef) -> Result<Value, AgentError> {
        self.sim.inspect_container(container).await
    }

    async fn container_log(
        &self,
        request: LogRequest,
    ) -> Result<AgentStream<Vec<LogLine>>, AgentError> {
        self.sim.container_log(request).await
    }

    /// Plans it; what comes of it is up to the test.
    async fn operate(
        &self,
        operation: AgentOperation,
    ) -> Result<AgentStream<OperationEvent>, AgentError> {
        if self.kept().operation.is_none() {
            let first = self.events().await?.next().await;
            let Some(Ok(AgentEvent {
                body: EventBody::Snapshot(snapshot),
                at,
                ..
            })) = first
            else {
                panic!("the first event is a snapshot: {first:?}");
            };
            let observed = Observed::new(&snapshot.containers, &snapshot.protected);
            let plan = plan_containers(&PlanInput::from(&operation), observed).expect("it fits");
            assert!(matches!(
                operation.action,
                ContainerAction::Restart | ContainerAction::Stop | ContainerAction::Pause
            ));
            self.kept().operation = Some(operation);
            self.tell(
                at,
                OperationEventBody::Planned {
                    items: plan.items,
                    deadline: at + 20_000,
                },
            );
        }
        Ok(self.told(0))
    }

    async fn follow(
        &self,
        operation: String,
        seq: u64,
    ) -> Result<AgentStream<OperationEvent>, AgentError> {
        let kept = self.kept();
        let known = kept.operation.as_ref().is_some_and(|it| it.id == operation);
        if !known || kept.acknowledged {
            return Err(AgentError::new(
                AgentErrorCode::NotFound,
                "no such operation",
            ));
        }
        drop(kept);
        Ok(self.told(seq))
    }

    async fn cancel(&self, _: String, _: String) -> Result<(), AgentError> {
        self.kept().canceled += 1;
        Ok(())
    }

    async fn receive_program(&self, part: ProgramPart) -> Result<ProgramReceived, AgentError> {
        let why = format!("nobody is to send {}", part.program.version);
        Err(AgentError::new(AgentErrorCode::Invalid, why))
    }

    async fn confirm(&self, operation: String) -> Result<(), AgentError> {
        let mut kept = self.kept();
        assert!(kept.operation.as_ref().is_some_and(|it| it.id == operation));
        kept.confirms.push(Instant::now());
        if kept.refuses_confirm {
            return Err(AgentError::new(
                AgentErrorCode::Invalid,
                "nothing was handed over yet",
            ));
        }
        drop(kept);
        self.tell(0, OperationEventBody::Confirmed);
        Ok(())
    }

    async fn acknowledge(&self, _: String) -> Result<(), AgentError> {
        self.kept().acknowledged = true;
        Ok(())
    }
}
