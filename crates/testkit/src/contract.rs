//! The contract of `AgentApi`: what every agent has to do, told through the trait alone, and checked against the
//! Engine. It runs against the simulated agent and against the real one on a real Engine, which keeps the simulation
//! honest.
//!
//! Each case is a plain function that begins on an empty world; [`contract_tests!`](crate::contract_tests) makes a
//! test of each. A case that only the simulation could pass does not belong here.

mod cancel;
mod events;
mod hand_over;
mod labels;
mod logs;
mod operations;
mod undo;
mod verbs;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use futures_util::StreamExt;
use komodo_agent_api::{
    AgentApi, AgentError, AgentEvent, AgentHello, AgentOperation, AgentStream, CoreHello, LEVEL,
    OperationEvent, OperationEventBody,
};
use komodo_api::{
    container::{ContainerAction, ContainerQuery, Scope},
    engine::ContainerStateStatusEnum,
    live::LogStream,
    plan::{PlanItem, ReasonCode},
    resource::ContainerRef,
    update::{Verdict, VerdictKind},
};
use komodo_plan::View;
use tokio::time::timeout;

pub use cancel::*;
pub use events::*;
pub use hand_over::*;
pub use labels::*;
pub use logs::*;
pub use operations::*;
pub use undo::*;
pub use verbs::*;

/// Time within which anything that is waited for has to come.
const SOON: Duration = Duration::from_secs(60);
/// Epoch of the Core that the cases play.
const EPOCH: u64 = 7;

/// An Engine and an agent on it. The world does what a person with `docker` would, past the agent.
#[async_trait]
pub trait ContractWorld: Send + Sync {
    /// The agent of now. Nobody has said hello to it yet.
    fn agent(&self) -> Arc<dyn AgentApi>;

    /// Creates a container and brings it into the state that is asked for; answers its id.
    async fn create(&self, container: Spec) -> String;

    /// Kills the agent and starts another one on the same disk.
    async fn restart(&self);

    /// Does something to a container.
    async fn docker(&self, action: ContainerAction, name: &str);

    /// Run state of a container as the Engine has it; `None` is gone.
    async fn state_of(&self, name: &str) -> Option<ContainerStateStatusEnum>;

    /// A running container writes a line.
    async fn write(&self, name: &str, stream: LogStream, line: &str);

    /// How many read the log of a container at the Engine now.
    async fn log_readers(&self, name: &str) -> usize;

    /// Makes more changes than an agent holds for a reader of events that does not read.
    async fn flood(&self);
}

/// A container as a case wants it. Its process runs until it is stopped, and ends at once on a stop where it is not slow.
#[derive(Debug, Clone)]
pub struct Spec {
    /// Name.
    pub name: String,
    /// `Running`, `Exited`, `Created` or `Paused`.
    pub state: ContainerStateStatusEnum,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Whether it ends only when the time that the operations of the cases leave it is over: a second.
    pub slow: bool,
}

/// A container in a state.
pub fn spec(name: &str, state: ContainerStateStatusEnum) -> Spec {
    Spec {
        name: name.to_owned(),
        state,
        labels: BTreeMap::new(),
        slow: false,
    }
}

impl Spec {
    /// The same, but it does not end by itself when it is to be stopped.
    #[must_use]
    pub fn slow(mut self) -> Self {
        self.slow = true;
        self
    }

    /// The same with a label.
    #[must_use]
    pub fn label(mut self, key: &str, value: &str) -> Self {
        self.labels.insert(key.to_owned(), value.to_owned());
        self
    }
}

/// What a Core says of itself, with containers that it depends on.
pub fn core_hello(depends_on: &[&str]) -> CoreHello {
    CoreHello {
        level: LEVEL,
        version: "0.0.0".to_owned(),
        core_id: "contract".to_owned(),
        epoch: EPOCH,
        server_id: "server".to_owned(),
        server_name: "server".to_owned(),
        core_container: None,
        core_depends_on: depends_on.iter().map(|&name| name.to_owned()).collect(),
        agents_on_engine: Vec::new(),
        depended_on: Vec::new(),
    }
}

/// An operation of that Core.
pub fn operation(id: &str, action: ContainerAction, scope: Scope) -> AgentOperation {
    AgentOperation {
        id: id.to_owned(),
        epoch: EPOCH,
        action,
        scope,
        exclude: Vec::new(),
        signal: None,
        time: Some(1),
        override_reason: None,
        detach: false,
        recreate: None,
        probation_s: None,
        core_id: None,
        expected: Default::default(),
        bound: false,
        concurrency: 8,
        operator: "tester".to_owned(),
    }
}

/// One container by name.
pub fn one(name: &str) -> Scope {
    Scope::One(ContainerRef(name.to_owned()))
}

/// Several containers by name.
pub fn listed(names: &[&str]) -> Scope {
    Scope::Listed(
        names
            .iter()
            .map(|&name| ContainerRef(name.to_owned()))
            .collect(),
    )
}

/// Those with a label.
pub fn with_label(label: &str) -> Scope {
    Scope::Matching(ContainerQuery {
        labels: vec![label.to_owned()],
        ..ContainerQuery::default()
    })
}

/// A Core's side of the conversation. Every step has a deadline.
struct Talk {
    agent: Arc<dyn AgentApi>,
}

impl Talk {
    /// Says hello as a Core that depends on some containers.
    async fn begin(world: &dyn ContractWorld, depends_on: &[&str]) -> Talk {
        let talk = Talk {
            agent: world.agent(),
        };
        talk.hello(core_hello(depends_on))
            .await
            .expect("a hello of this level and epoch is answered");
        talk
    }

    async fn hello(&self, core: CoreHello) -> Result<AgentHello, AgentError> {
        soon("the answer to hello", self.agent.hello(core)).await
    }

    async fn operate(&self, operation: AgentOperation) -> Result<Told, AgentError> {
        let events = soon("operate to be accepted", self.agent.operate(operation)).await?;
        Ok(Told::to_the_end(events).await)
    }

    /// Carries an operation out to its end.
    async fn run(&self, id: &str, action: ContainerAction, scope: Scope) -> Told {
        self.operate(operation(id, action, scope))
            .await
            .expect("the operation is accepted")
    }

    async fn follow(&self, id: &str, seq: u64) -> Result<Told, AgentError> {
        let events = soon("follow", self.agent.follow(id.to_owned(), seq)).await?;
        Ok(Told::to_the_end(events).await)
    }

    async fn watch(&self) -> Watch {
        let events = soon("events", self.agent.events())
            .await
            .expect("events are given");
        let mut watch = Watch {
            events,
            view: View::default(),
        };
        watch.next().await.expect("the first event");
        watch
    }
}

/// What an operation told.
struct Told {
    events: Vec<OperationEvent>,
}

impl Told {
    async fn to_the_end(mut events: AgentStream<OperationEvent>) -> Told {
        let mut told = Vec::new();
        while let Some(event) = soon("the next event of an operation", events.next()).await {
            told.push(event.expect("the operation is told without an error"));
        }
        Told { events: told }
    }

    /// What was planned.
    fn items(&self) -> &[PlanItem] {
        match self.events.first().map(|event| &event.body) {
            Some(OperationEventBody::Planned { items, .. }) => items,
            other => panic!("the first event has to be the plan, not {other:?}"),
        }
    }

    fn verdicts(&self) -> Vec<&Verdict> {
        let verdicts = self.events.iter().filter_map(|event| match &event.body {
            OperationEventBody::Verdict(verdict) => Some(verdict),
            _ => None,
        });
        verdicts.collect()
    }

    fn verdict(&self, name: &str) -> &Verdict {
        let found: Vec<&Verdict> = self
            .verdicts()
            .into_iter()
            .filter(|verdict| verdict.container == name)
            .collect();
        match found[..] {
            [one] => one,
            _ => panic!(
                "'{name}' has to have one verdict, not {}: {:?}",
                found.len(),
                self.verdicts()
            ),
        }
    }

    /// `name verdict reason` of each, by name.
    fn summary(&self) -> String {
        let mut lines: Vec<String> = self.verdicts().into_iter().map(short).collect();
        lines.sort();
        lines.join(", ")
    }

    /// That the events are what they have to be of any operation: numbered without gaps from `first`, the plan first,
    /// the end last, each target begun before it is acted on and acted on before its verdict.
    fn assert_whole(&self, first: u64) {
        for (at, event) in self.events.iter().enumerate() {
            assert_eq!(
                event.seq,
                first + at as u64,
                "steps are numbered without gaps: {:?}",
                self.events
            );
        }
        let last = self.events.last().map(|event| &event.body);
        assert!(
            matches!(last, Some(OperationEventBody::Ended { .. })),
            "the end comes last, not {last:?}"
        );
        let place = |wanted: &dyn Fn(&OperationEventBody) -> bool| {
            self.events.iter().position(|event| wanted(&event.body))
        };
        for verdict in self.verdicts() {
            let settled =
                place(&|body| matches!(body, OperationEventBody::Verdict(it) if it == verdict));
            let begun = place(
                &|body| matches!(body, OperationEventBody::Started { id, .. } if *id == verdict.id),
            );
            let acted = place(
                &|body| matches!(body, OperationEventBody::Acted { id, .. } if *id == verdict.id),
            );
            assert!(
                begun <= acted && acted <= settled,
                "{}: begun, acted, settled in this order",
                verdict.container
            );
            if verdict.verdict == VerdictKind::Done && first == 1 {
                assert!(
                    begun.is_some() && acted.is_some(),
                    "'{}' is done without having been begun",
                    verdict.container
                );
            }
        }
    }
}

fn short(verdict: &Verdict) -> String {
    let kind = match verdict.verdict {
        VerdictKind::Done => "done",
        VerdictKind::Unchanged => "unchanged",
        VerdictKind::Skipped => "skipped",
        VerdictKind::Failed => "failed",
        VerdictKind::Unknown => "unknown",
    };
    let reason = verdict.reason.as_ref().map(|reason| match reason.code {
        ReasonCode::Agent => " agent",
        ReasonCode::AgentDependency => " agent-dependency",
        ReasonCode::Core => " core",
        ReasonCode::CoreDependency => " core-dependency",
        ReasonCode::Declared => " declared",
        ReasonCode::Label => " label",
        ReasonCode::Already => " already",
        ReasonCode::NotApplicable => " not-applicable",
        ReasonCode::Excluded => " excluded",
        ReasonCode::Gone => " gone",
        ReasonCode::Canceled => " canceled",
        ReasonCode::ChangedSince => " changed-since",
    });
    format!("{} {kind}{}", verdict.container, reason.unwrap_or_default())
}

/// A reader of events that keeps a view, and finds gaps.
struct Watch {
    events: AgentStream<AgentEvent>,
    view: View,
}

impl Watch {
    /// Takes in the next event; `None` is the end of the stream.
    async fn next(&mut self) -> Option<()> {
        let event = soon("the next event", self.events.next()).await?.ok()?;
        self.view.apply(event).expect("events come without a gap");
        Some(())
    }

    /// Reads on until the view is as wanted.
    async fn until(&mut self, what: &str, wanted: impl Fn(&View) -> bool) {
        let read = async {
            while !wanted(&self.view) {
                self.next().await.expect("the stream of events goes on");
            }
        };
        if timeout(SOON, read).await.is_err() {
            panic!("{what} did not come to be: {:?}", self.view);
        }
    }

    fn state(&self, name: &str) -> Option<ContainerStateStatusEnum> {
        self.view.container(name).map(|container| container.state)
    }
}

/// Waits for something with the deadline that everything has.
async fn soon<T>(what: &str, work: impl Future<Output = T>) -> T {
    match timeout(SOON, work).await {
        Ok(done) => done,
        Err(_) => panic!("{what} did not come within {SOON:?}"),
    }
}

/// Waits until something at the Engine is as wanted.
async fn eventually<F: Future<Output = bool>>(what: &str, mut is_so: impl FnMut() -> F) {
    let wait = async {
        let mut pause = Duration::from_millis(1);
        while !is_so().await {
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_millis(100));
        }
    };
    if timeout(SOON, wait).await.is_err() {
        panic!("{what} did not come to be within {SOON:?}");
    }
}

/// Waits until the Engine has a container in a state. Engine 20.10 hears of a pause from containerd once more behind the
/// call that asked for it, and shows a container that was resumed at once as paused for a moment.
async fn comes_to_be(world: &dyn ContractWorld, name: &str, state: ContainerStateStatusEnum) {
    eventually(&format!("{name} {state:?}"), || async {
        world.state_of(name).await == Some(state)
    })
    .await;
}

/// Makes a test of each case; the argument is an expression that gives a future of an empty [`ContractWorld`].
#[macro_export]
macro_rules! contract_tests {
    ($world:expr) => {
        $crate::contract_tests!($world;
            hello_level_and_epoch
            snapshot_then_deltas_without_a_gap
            external_changes_are_told
            protected_set_is_told
            reader_that_lags_is_cut_off
            every_verb_in_bulk
            every_verb_by_name
            dependants_first
            labels_in_bulk
            labels_by_name
            protected_by_name_is_refused
            query_and_exclude
            one_id_is_carried_out_once
            followed_from_any_place
            acknowledged_is_forgotten
            stale_epoch_does_nothing
            unknown_and_gone
            goes_on_without_a_reader
            canceled_while_it_runs
            canceled_before_and_after
            canceled_stays_canceled_after_a_restart
            undo_of_a_stop
            undo_of_each_verb
            changed_while_it_is_undone
            another_core_does_nothing
            confirmed_is_only_what_was_handed_over
            recreated_is_only_the_branch
            detach_of_an_ordinary_container
            only_its_own_service_is_handed_over
            hand_over_and_detach_are_planned_by_name_only
            log_lines
            log_followed
            inspected
        );
    };
    ($world:expr; $($case:ident)*) => { $(
        #[tokio::test]
        async fn $case() {
            let world = $world.await;
            $crate::contract::$case(&world).await;
        }
    )* };
}
