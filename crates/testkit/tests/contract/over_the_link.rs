//! The simulated agent at the far end of a link in memory: router, HTTP/2, inner TLS, WebSocket, client.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use komodo_agent_api::{AgentApi, CoreHello, LEVEL};
use komodo_agent_http::{AgentClient, Deadlines, router};
use komodo_api::{container::ContainerAction, engine::ContainerStateStatusEnum, live::LogStream};
use komodo_link::{
    Acceptor, CoreTimings, Identity, JoinToken, Link, Origin, Peer, Policy, Recognition, Refusal,
    agent::{self, AgentLinkConfig, AgentTimings, Dial, Dialled, LinkState, SessionError},
};
use komodo_testkit::contract::{ContractWorld, Spec};
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::Simulated;

/// A Core that knows everybody, and says of itself what comes before everything that the cases say.
struct Known;

impl Policy for Known {
    type Identity = ();

    async fn recognise(&self, _: &Peer) -> Recognition<()> {
        Recognition::Known(())
    }

    async fn join(&self, _: &Peer, _: Option<JoinToken>) -> Result<(), Refusal> {
        Err(Refusal::new("unknown_key", "everybody is known"))
    }

    async fn hello(&self, _: &Peer, _: &()) -> Result<Bytes, Refusal> {
        let hello = CoreHello {
            level: LEVEL,
            version: "0.0.0".to_owned(),
            core_id: "contract".to_owned(),
            epoch: 1,
            server_id: "server".to_owned(),
            server_name: "server".to_owned(),
            core_container: None,
            core_depends_on: Vec::new(),
            agents_on_engine: Vec::new(),
            depended_on: Vec::new(),
        };
        serde_json::to_vec(&hello)
            .map(Bytes::from)
            .map_err(|error| Refusal::new("hello", error.to_string()))
    }
}

struct Memory {
    acceptor: Acceptor<Known>,
    links: mpsc::Sender<Link<()>>,
    tasks: Mutex<JoinSet<()>>,
}

impl Dial for Memory {
    async fn dial(&self) -> Result<Dialled, SessionError> {
        let (near, far) = tokio::io::duplex(64 * 1024);
        let (acceptor, links) = (self.acceptor.clone(), self.links.clone());
        self.tasks
            .lock()
            .expect("nobody panics with it")
            .spawn(async move {
                let link = acceptor
                    .establish(far, Origin::default())
                    .await
                    .expect("it is established");
                links.send(link).await.expect("somebody waits for it");
            });
        Ok(Dialled {
            io: Box::new(near),
            core_address: None,
            local_address: None,
        })
    }
}

/// A simulated host whose agent is reached over a link.
pub struct Linked {
    simulated: Simulated,
    client: AgentClient,
    _stop: DropGuard,
    _tasks: JoinSet<()>,
}

impl Linked {
    /// An empty host with a link that is up.
    pub async fn start() -> Self {
        let simulated = Simulated::start().await;
        let core = Identity::generate().expect("a key");
        let (links, mut linked) = mpsc::channel(1);
        let acceptor = Acceptor::new(&core, Known, CoreTimings::default()).expect("an acceptor");
        let dialler = Memory {
            acceptor,
            links,
            tasks: Mutex::default(),
        };
        let config = AgentLinkConfig {
            identity: Identity::generate().expect("a key"),
            connect_as: "one".to_owned(),
            core_keys: vec![core.public_key()],
            join_token: None,
            known_cores: None,
            timings: AgentTimings::default(),
        };
        let service = router(simulated.agent());
        let cancel = CancellationToken::new();
        let stop = cancel.clone();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let (state, _) = watch::channel(LinkState::Connecting);
            agent::run(config, dialler, service, state, stop)
                .await
                .expect("the settings are right");
        });
        let link = linked.recv().await.expect("the dialler lives");
        Linked {
            simulated,
            client: AgentClient::new(link.client, Deadlines::default()),
            _stop: cancel.drop_guard(),
            _tasks: tasks,
        }
    }
}

#[async_trait]
impl ContractWorld for Linked {
    fn agent(&self) -> Arc<dyn AgentApi> {
        Arc::new(self.client.clone())
    }

    async fn create(&self, container: Spec) -> String {
        self.simulated.create(container).await
    }

    async fn restart(&self) {
        self.simulated.restart().await;
    }

    async fn docker(&self, action: ContainerAction, name: &str) {
        self.simulated.docker(action, name).await;
    }

    async fn state_of(&self, name: &str) -> Option<ContainerStateStatusEnum> {
        self.simulated.state_of(name).await
    }

    async fn write(&self, name: &str, stream: LogStream, line: &str) {
        self.simulated.write(name, stream, line).await;
    }

    async fn log_readers(&self, name: &str) -> usize {
        self.simulated.log_readers(name).await
    }

    async fn flood(&self) {
        self.simulated.flood().await;
    }
}
