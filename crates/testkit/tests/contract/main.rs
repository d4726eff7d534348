//! The contract of `AgentApi`, against the simulated agent: called directly, and through the whole link.

mod over_the_link;

use std::sync::Arc;

use async_trait::async_trait;
use komodo_agent_api::{AgentApi, Container};
use komodo_api::{container::ContainerAction, engine::ContainerStateStatusEnum, live::LogStream};
use komodo_sim::{AgentOptions, EVENTS_BUFFER_MAX, SimAgent, SimHost, World};
use komodo_testkit::contract::{ContractWorld, Spec};

struct Simulated {
    world: World,
    agent: SimAgent,
}

impl Simulated {
    async fn start() -> Self {
        let world = World::new(1);
        let agent = SimHost::new(world.clone(), AgentOptions::default()).start();
        Simulated { world, agent }
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
        }: Spec,
    ) -> String {
        let container = Container {
            name,
            state,
            labels,
            ..Container::default()
        };
        self.world.create(container).id
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
