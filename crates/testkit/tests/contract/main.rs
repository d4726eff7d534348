//! The contract of `AgentApi`, against the simulated agent: called directly, and through the whole link.

mod over_the_link;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use komodo_agent_api::{
    AgentApi, AgentError, AgentEvent, AgentHello, AgentOperation, AgentStream, Container,
    CoreHello, LogRequest, OperationEvent, ProgramPart, ProgramReceived,
};
use komodo_api::{
    container::ContainerAction,
    engine::ContainerStateStatusEnum,
    live::{LogLine, LogStream},
    resource::ContainerRef,
};
use komodo_sim::{AgentOptions, EVENTS_BUFFER_MAX, SimAgent, SimHost, World};
use komodo_testkit::contract::{ContractWorld, Spec};
use serde_json::Value;

struct Simulated {
    world: World,
    host: SimHost,
    agent: Current,
}

/// The agent that runs now, whoever has it.
#[derive(Clone)]
struct Current(Arc<Mutex<SimAgent>>);

impl Current {
    fn now(&self) -> SimAgent {
        self.0.lock().expect("nobody panics with it").clone()
    }
}

#[async_trait]
impl AgentApi for Current {
    async fn hello(&self, core: CoreHello) -> Result<AgentHello, AgentError> {
        self.now().hello(core).await
    }

    async fn events(&self) -> Result<AgentStream<AgentEvent>, AgentError> {
        self.now().events().await
    }

    async fn inspect_container(&self, container: ContainerRef) -> Result<Value, AgentError> {
        self.now().inspect_container(container).await
    }

    async fn container_log(
        &self,
        request: LogRequest,
    ) -> Result<AgentStream<Vec<LogLine>>, AgentError> {
        self.now().container_log(request).await
    }

    async fn operate(
        &self,
        operation: AgentOperation,
    ) -> Result<AgentStream<OperationEvent>, AgentError> {
        self.now().operate(operation).await
    }

    async fn follow(
        &self,
        operation: String,
        seq: u64,
    ) -> Result<AgentStream<OperationEvent>, AgentError> {
        self.now().follow(operation, seq).await
    }

    async fn cancel(&self, operation: String, by: String) -> Result<(), AgentError> {
        self.now().cancel(operation, by).await
    }

    async fn receive_program(&self, part: ProgramPart) -> Result<ProgramReceived, AgentError> {
        self.now().receive_program(part).await
    }

    async fn confirm(&self, operation: String) -> Result<(), AgentError> {
        self.now().confirm(operation).await
    }

    async fn acknowledge(&self, operation: String) -> Result<(), AgentError> {
        self.now().acknowledge(operation).await
    }
}

impl Simulated {
    async fn start() -> Self {
        let world = World::new(1);
        let host = SimHost::new(world.clone(), AgentOptions::default());
        let agent = Current(Arc::new(Mutex::new(host.start())));
        Simulated { world, host, agent }
    }
}

#[async_trait]
impl ContractWorld for Simulated {
    fn agent(&self) -> Arc<dyn AgentApi> {
        Arc::new(self.agent.clone())
    }

    async fn create(
        &self,
        Spec {
            name,
            state,
            labels,
            slow,
        }: Spec,
    ) -> String {
        if slow {
            // Of all of them; the cases do them one after the other.
            let second = Duration::from_secs(1);
            self.world.set_latency(ContainerAction::Stop, second);
        }
        let container = Container {
            name,
            state,
            labels,
            ..Container::default()
        };
        self.world.create(container).id
    }

    async fn restart(&self) {
        self.agent.now().kill();
        *self.agent.0.lock().expect("nobody panics with it") = self.host.start();
    }

    async fn docker(&self, action: ContainerAction, name: &str) {
        self.world
            .docker(action, name)
            .expect("the case asks for what can be done");
    }

    async fn state_of(&self, name: &str) -> Option<ContainerStateStatusEnum> {
        self.world.state_of(name)
    }

    async fn write(&self, name: &str, stream: LogStream, line: &str) {
        self.world.log(name, stream, line);
    }

    async fn log_readers(&self, name: &str) -> usize {
        self.world.log_readers(name)
    }

    async fn flood(&self) {
        self.world.flood(2 * EVENTS_BUFFER_MAX);
    }
}

mod direct {
    komodo_testkit::contract_tests!(super::Simulated::start());
}

mod through_the_link {
    komodo_testkit::contract_tests!(crate::over_the_link::Linked::start());
}
