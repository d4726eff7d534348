//! A Core and an agent in one process, with a policy that a test can steer.

use std::{
    collections::{HashMap, HashSet},
    future::Future,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    extract::{ConnectInfo, State},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use bytes::Bytes;
use http::Request;
use komodo_link::{
    Acceptor, CoreTimings, EstablishError, Identity, JoinToken, Link, Origin, Peer, Policy,
    PublicKey, Recognition, Refusal,
    agent::{
        self, AgentLinkConfig, AgentTimings, CoreDialler, Dial, Dialled, LinkState, OuterTls,
        SessionError,
    },
};
use tokio::{
    net::TcpListener,
    sync::{mpsc, watch},
    task::JoinSet,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use crate::relay::{Weather, relay};

/// Longest wait for anything that must happen.
pub const SOON: Duration = Duration::from_secs(20);

pub async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    timeout(SOON, future)
        .await
        .unwrap_or_else(|_| panic!("{what} did not happen within {SOON:?}"))
}

/// Known keys by name, valid tokens, and an answer for the hello.
#[derive(Default)]
pub struct TestPolicy {
    pub known: Mutex<HashMap<PublicKey, String>>,
    pub tokens: Mutex<HashSet<String>>,
    pub refusal: Mutex<Option<Refusal>>,
    pub joins: Mutex<Vec<Peer>>,
}

impl TestPolicy {
    pub fn knowing(keys: &[(PublicKey, &str)]) -> Arc<Self> {
        let known = keys
            .iter()
            .map(|(key, name)| (*key, (*name).to_owned()))
            .collect();
        Arc::new(Self {
            known: Mutex::new(known),
            ..Self::default()
        })
    }
}

impl Policy for TestPolicy {
    type Identity = String;

    async fn recognise(&self, peer: &Peer) -> Recognition<String> {
        if let Some(refusal) = self.refusal.lock().unwrap().clone() {
            return Recognition::Refused(refusal);
        }
        match self.known.lock().unwrap().get(&peer.key) {
            Some(name) => Recognition::Known(name.clone()),
            None => Recognition::Unknown,
        }
    }

    async fn join(&self, peer: &Peer, token: Option<JoinToken>) -> Result<String, Refusal> {
        let Some(token) = token else {
            return Err(Refusal::new(
                "unknown_key",
                "core does not know this agent, and it has no onboarding key",
            ));
        };
        if !self.tokens.lock().unwrap().remove(token.reveal()) {
            return Err(Refusal::new(
                "onboarding_key_invalid",
                "the onboarding key is spent or unknown",
            ));
        }
        self.known
            .lock()
            .unwrap()
            .insert(peer.key, peer.connect_as.clone());
        self.joins.lock().unwrap().push(peer.clone());
        Ok(peer.connect_as.clone())
    }

    async fn hello(&self, _: &Peer, identity: &String) -> Result<Bytes, Refusal> {
        Ok(Bytes::from(format!("{{\"you\":\"{identity}\"}}")))
    }
}

pub type Outcome = Result<Link<String>, EstablishError>;

/// A Core on a loopback socket.
pub struct TestCore {
    pub address: SocketAddr,
    pub outcomes: mpsc::Receiver<Outcome>,
    tasks: JoinSet<()>,
}

impl TestCore {
    pub async fn start(
        identity: &Identity,
        policy: &Arc<TestPolicy>,
        timings: CoreTimings,
    ) -> Self {
        Self::start_at("127.0.0.1:0".parse().unwrap(), identity, policy, timings).await
    }

    pub async fn start_at(
        address: SocketAddr,
        identity: &Identity,
        policy: &Arc<TestPolicy>,
        timings: CoreTimings,
    ) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let acceptor = Acceptor::new(identity, Arc::clone(policy), timings).unwrap();
        let (sender, outcomes) = mpsc::channel(64);
        let links: Arc<Mutex<JoinSet<()>>> = Arc::default();
        let router = Router::new()
            .route("/link", get(upgrade))
            .route("/behind/a/prefix/link", get(upgrade))
            .with_state((acceptor, sender, links));
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let service = router.into_make_service_with_connect_info::<SocketAddr>();
            axum::serve(listener, service).await.unwrap();
        });
        Self {
            address,
            outcomes,
            tasks,
        }
    }

    /// The next link that comes up.
    pub async fn link(&mut self) -> Link<String> {
        loop {
            if let Ok(link) = self.outcome().await {
                return link;
            }
        }
    }

    /// How the next attempt ends.
    pub async fn outcome(&mut self) -> Outcome {
        soon("an attempt to link", self.outcomes.recv())
            .await
            .expect("core runs")
    }

    /// Stops listening and drops what is being established.
    pub async fn stop(mut self) {
        self.tasks.shutdown().await;
    }
}

type CoreState = (
    Acceptor<Arc<TestPolicy>>,
    mpsc::Sender<Outcome>,
    Arc<Mutex<JoinSet<()>>>,
);

async fn upgrade(
    State((acceptor, outcomes, links)): State<CoreState>,
    ConnectInfo(address): ConnectInfo<SocketAddr>,
    request: Request<Body>,
) -> Response {
    let answer = acceptor.accept(request, Some(address)).await;
    if let Some(link) = answer.link {
        links.lock().unwrap().spawn(async move {
            let _ = outcomes.send(link.establish().await).await;
        });
    }
    answer.response.into_response()
}

/// An agent that runs until dropped.
pub struct TestAgent {
    pub state: watch::Receiver<LinkState>,
    pub cancel: CancellationToken,
    pub tasks: JoinSet<()>,
}

impl TestAgent {
    pub fn start(config: AgentLinkConfig, dialler: impl Dial + 'static, service: Router) -> Self {
        let (sender, state) = watch::channel(LinkState::Connecting);
        let cancel = CancellationToken::new();
        let mut tasks = JoinSet::new();
        let stop = cancel.clone();
        tasks.spawn(async move {
            agent::run(config, dialler, service, sender, stop)
                .await
                .unwrap();
        });
        Self {
            state,
            cancel,
            tasks,
        }
    }

    /// Waits until the state fits and returns it.
    pub async fn until(&mut self, what: &str, fits: impl FnMut(&LinkState) -> bool) -> LinkState {
        let mut state = self.state.clone();
        match timeout(SOON, state.wait_for(fits)).await {
            Ok(found) => found.expect("agent runs").clone(),
            Err(_) => panic!(
                "not within {SOON:?}: {what}; last: {:?}",
                *self.state.borrow()
            ),
        }
    }

    pub async fn until_up(&mut self) -> LinkState {
        self.until("the link is up", LinkState::is_up).await
    }

    /// Waits for a failed attempt whose text holds `part`.
    pub async fn until_waiting(&mut self, part: &str) -> String {
        let what = format!("the agent waits because of \"{part}\"");
        let fits = |state: &LinkState| matches!(state, LinkState::Waiting { last_error, .. } if last_error.contains(part));
        match self.until(&what, fits).await {
            LinkState::Waiting { last_error, .. } => last_error,
            other => panic!("not waiting: {other:?}"),
        }
    }

    pub async fn until_refused(&mut self) -> Refusal {
        match self
            .until("the agent is refused", |state| {
                matches!(state, LinkState::Refused { .. })
            })
            .await
        {
            LinkState::Refused { refusal, .. } => refusal,
            other => panic!("not refused: {other:?}"),
        }
    }
}

pub fn fast_agent() -> AgentTimings {
    AgentTimings {
        reconnect_floor: Duration::from_millis(5),
        reconnect_base: Duration::from_millis(20),
        reconnect_cap: Duration::from_millis(200),
        goodbye: Duration::from_millis(500),
        ..AgentTimings::default()
    }
}

pub fn config(identity: &Identity, core: PublicKey, token: Option<&str>) -> AgentLinkConfig {
    AgentLinkConfig {
        identity: identity.clone(),
        connect_as: "web 1/ä".to_owned(),
        core_keys: vec![core],
        join_token: token.map(|token| token.parse().unwrap()),
        known_cores: None,
        timings: fast_agent(),
    }
}

pub fn dialler(core: SocketAddr, config: &AgentLinkConfig) -> CoreDialler {
    let address = format!("http://{core}").parse().unwrap();
    CoreDialler::new(
        address,
        &config.connect_as,
        OuterTls::Verify,
        &config.timings,
    )
    .unwrap()
}

/// The least service: answers the hello and echoes.
pub fn service() -> Router {
    Router::new()
        .route(
            "/hello",
            post(async |body: Bytes| format!("heard {}", String::from_utf8_lossy(&body))),
        )
        .route("/echo", post(async |body: Body| body))
}

/// Dials into an acceptor in the same process, without sockets.
pub struct PolicyDialler<P: Policy> {
    acceptor: Acceptor<P>,
    outcomes: mpsc::Sender<Result<Link<P::Identity>, EstablishError>>,
    weather: Arc<Weather>,
    tasks: Mutex<JoinSet<()>>,
}

pub type Outcomes<I> = mpsc::Receiver<Result<Link<I>, EstablishError>>;

impl<P: Policy> PolicyDialler<P> {
    pub fn new(acceptor: &Acceptor<P>, weather: &Arc<Weather>) -> (Self, Outcomes<P::Identity>) {
        let (outcomes, receiver) = mpsc::channel(64);
        let (acceptor, weather) = (acceptor.clone(), Arc::clone(weather));
        (
            Self {
                acceptor,
                outcomes,
                weather,
                tasks: Mutex::default(),
            },
            receiver,
        )
    }
}

impl<P: Policy> Dial for PolicyDialler<P> {
    async fn dial(&self) -> Result<Dialled, SessionError> {
        let (agent, agent_side) = tokio::io::duplex(64 * 1024);
        let (core, core_side) = tokio::io::duplex(64 * 1024);
        let (acceptor, outcomes) = (self.acceptor.clone(), self.outcomes.clone());
        let weather = Arc::clone(&self.weather);
        let mut tasks = self.tasks.lock().unwrap();
        tasks.spawn(async move { relay(agent_side, core_side, &weather).await });
        tasks.spawn(async move {
            let outcome = acceptor.establish(core, Origin::default()).await;
            let _ = outcomes.send(outcome).await;
        });
        Ok(Dialled {
            io: Box::new(agent),
            core_address: None,
            local_address: None,
        })
    }
}

/// A Core and an agent that it knows, linked in memory.
pub struct MemoryPair {
    /// Later links of the same agent.
    pub outcomes: Outcomes<String>,
    pub agent: TestAgent,
    pub link: Link<String>,
}

impl MemoryPair {
    pub async fn start(service: Router, weather: &Arc<Weather>) -> Self {
        Self::start_with(service, weather, CoreTimings::default(), fast_agent()).await
    }

    pub async fn start_with(
        service: Router,
        weather: &Arc<Weather>,
        core_timings: CoreTimings,
        agent_timings: AgentTimings,
    ) -> Self {
        let (core_id, agent_id) = (Identity::generate().unwrap(), Identity::generate().unwrap());
        let policy = TestPolicy::knowing(&[(agent_id.public_key(), "one")]);
        let acceptor = Acceptor::new(&core_id, policy, core_timings).unwrap();
        let (dialler, mut outcomes) = PolicyDialler::new(&acceptor, weather);
        let config = AgentLinkConfig {
            timings: agent_timings,
            ..config(&agent_id, core_id.public_key(), None)
        };
        let mut agent = TestAgent::start(config, dialler, service);
        let link = soon("a link", outcomes.recv()).await.unwrap().unwrap();
        agent.until_up().await;
        Self {
            outcomes,
            agent,
            link,
        }
    }
}

/// A Core that knows one agent, linked over a socket.
pub struct Pair {
    pub core: TestCore,
    pub agent: TestAgent,
    pub link: Link<String>,
}

impl Pair {
    pub async fn start(service: Router) -> Self {
        Self::start_with(service, CoreTimings::default()).await
    }

    pub async fn start_with(service: Router, timings: CoreTimings) -> Self {
        let (core_id, agent_id) = (Identity::generate().unwrap(), Identity::generate().unwrap());
        let policy = TestPolicy::knowing(&[(agent_id.public_key(), "one")]);
        let mut core = TestCore::start(&core_id, &policy, timings).await;
        let config = config(&agent_id, core_id.public_key(), None);
        let dialler = dialler(core.address, &config);
        let agent = TestAgent::start(config, dialler, service);
        let link = core.link().await;
        Self { core, agent, link }
    }
}
