//! Who gets a link and who does not, and that both sides say why.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use komodo_link::{
    CoreTimings, EstablishError, Identity, JoinString, JoinToken, LinkClient, Peer, Policy,
    Recognition, Refusal,
    agent::{LinkState, load_known_cores},
};
use tokio::sync::Mutex;

use crate::{harness::*, relay::*};

fn keys() -> (Identity, Identity) {
    (Identity::generate().unwrap(), Identity::generate().unwrap())
}

fn refusal_of(outcome: Outcome) -> Refusal {
    match outcome {
        Err(EstablishError::Refused { refusal, .. }) => refusal,
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test]
async fn known_agent_is_up_after_the_hello() {
    let (core_id, agent_id) = keys();
    let policy = TestPolicy::knowing(&[(agent_id.public_key(), "db-1")]);
    let mut core = TestCore::start(&core_id, &policy, CoreTimings::default()).await;
    let config = config(&agent_id, core_id.public_key(), None);
    let dialler = dialler(core.address, &config);
    let mut agent = TestAgent::start(config, dialler, service());

    let link = core.link().await;
    assert_eq!(link.identity, "db-1");
    assert_eq!(link.hello, "heard {\"you\":\"db-1\"}");
    assert_eq!(link.client.peer().key, agent_id.public_key());
    assert_eq!(link.client.peer().connect_as, "web 1/ä");
    assert!(
        link.client
            .peer()
            .address
            .is_some_and(|address| address.ip().is_loopback())
    );
    match agent.until_up().await {
        LinkState::Up {
            core_key,
            core_address,
            local_address,
            ..
        } => {
            assert_eq!(core_key, core_id.public_key());
            assert_eq!(core_address, Some(core.address));
            assert_eq!(local_address, link.client.peer().address);
        }
        other => panic!("not up: {other:?}"),
    }
    let echo = Request::post("/echo?x=1")
        .body(Full::new(Bytes::from_static(b"over the link")))
        .unwrap();
    let answer = link.client.request_whole(echo, SOON, 1024).await.unwrap();
    assert_eq!(answer.body(), "over the link");
}

#[tokio::test]
async fn new_agent_joins_once_with_its_token_and_needs_none_later() {
    let (core_id, agent_id) = keys();
    let policy = TestPolicy::knowing(&[]);
    let token = JoinToken::generate().unwrap();
    policy
        .tokens
        .lock()
        .unwrap()
        .insert(token.reveal().to_owned());
    let text = JoinString {
        core_key: core_id.public_key(),
        token,
    }
    .reveal();
    let join: JoinString = text.parse().unwrap();
    let mut core = TestCore::start(&core_id, &policy, CoreTimings::default()).await;

    let folder = tempfile::tempdir().unwrap();
    let known_cores = folder.path().join("core.pub");
    let mut first = config(&agent_id, join.core_key, Some(join.token.reveal()));
    first.known_cores = Some(known_cores.clone());
    let mut agent = TestAgent::start(first.clone(), dialler(core.address, &first), service());
    let first_link = core.link().await;
    assert_eq!(first_link.identity, "web 1/ä");
    agent.until_up().await;
    assert_eq!(policy.joins.lock().unwrap().len(), 1);
    assert_eq!(policy.joins.lock().unwrap()[0].connect_as, "web 1/ä");
    agent.cancel.cancel();
    soon("the agent stops", agent.tasks.join_all()).await;

    let pinned = load_known_cores(&known_cores).unwrap();
    assert_eq!(pinned, [core_id.public_key()]);
    let again = config(&agent_id, pinned[0], None);
    let mut agent = TestAgent::start(again.clone(), dialler(core.address, &again), service());
    let second_link = core.link().await;
    assert_eq!(second_link.identity, "web 1/ä");
    agent.until_up().await;

    let (_, other) = keys();
    let thief = config(&other, join.core_key, Some(join.token.reveal()));
    let mut agent = TestAgent::start(thief.clone(), dialler(core.address, &thief), service());
    assert_eq!(
        refusal_of(core.outcome().await).code,
        "onboarding_key_invalid"
    );
    let told = agent.until_refused().await;
    assert_eq!(told.code, "onboarding_key_invalid");
    assert_eq!(told.reason, "the onboarding key is spent or unknown");
}

#[tokio::test]
async fn unknown_agent_without_token_is_refused_and_told_so() {
    let (core_id, agent_id) = keys();
    let mut core =
        TestCore::start(&core_id, &TestPolicy::knowing(&[]), CoreTimings::default()).await;
    let config = config(&agent_id, core_id.public_key(), None);
    let mut agent = TestAgent::start(config.clone(), dialler(core.address, &config), service());
    let outcome = core.outcome().await;
    match &outcome {
        Err(EstablishError::Refused { peer, .. }) => assert_eq!(peer.key, agent_id.public_key()),
        other => panic!("not refused: {other:?}"),
    }
    assert_eq!(refusal_of(outcome).code, "unknown_key");
    assert_eq!(agent.until_refused().await.code, "unknown_key");
}

#[tokio::test]
async fn refused_agent_shows_that_without_flicker_and_is_up_when_core_changes_its_mind() {
    let (core_id, agent_id) = keys();
    let policy = TestPolicy::knowing(&[(agent_id.public_key(), "one")]);
    *policy.refusal.lock().unwrap() =
        Some(Refusal::new("server_disabled", "enable the server first"));
    let mut core = TestCore::start(&core_id, &policy, CoreTimings::default()).await;
    let config = config(&agent_id, core_id.public_key(), None);
    let mut agent = TestAgent::start(config.clone(), dialler(core.address, &config), service());
    assert_eq!(agent.until_refused().await.code, "server_disabled");
    for _ in 0..3 {
        assert_eq!(refusal_of(core.outcome().await).code, "server_disabled");
        let state = agent.state.borrow_and_update().clone();
        assert!(matches!(state, LinkState::Refused { .. }), "{state:?}");
    }
    *policy.refusal.lock().unwrap() = None;
    agent.until_up().await;
    assert_eq!(core.link().await.identity, "one");
}

#[tokio::test]
async fn agent_with_another_core_key_refuses_and_both_say_so() {
    let (core_id, agent_id) = keys();
    let (other_core, _) = keys();
    let policy = TestPolicy::knowing(&[(agent_id.public_key(), "one")]);
    let mut core = TestCore::start(&core_id, &policy, CoreTimings::default()).await;
    let config = config(&agent_id, other_core.public_key(), Some("never-shown"));
    let mut agent = TestAgent::start(config.clone(), dialler(core.address, &config), service());
    let said = agent.until_waiting("not trusted here").await;
    assert!(said.contains(&core_id.public_key().to_string()), "{said}");
    for _ in 0..5 {
        match core.outcome().await {
            Err(error) => assert!(error.is_core_key_refused(), "{error:?}"),
            Ok(link) => panic!("linked: {link:?}"),
        }
    }
}

#[tokio::test]
async fn any_of_several_pinned_core_keys_will_do() {
    let (core_id, agent_id) = keys();
    let (old_core, _) = keys();
    let policy = TestPolicy::knowing(&[(agent_id.public_key(), "one")]);
    let core = TestCore::start(&core_id, &policy, CoreTimings::default()).await;
    let mut config = config(&agent_id, old_core.public_key(), None);
    config.core_keys.push(core_id.public_key());
    let mut agent = TestAgent::start(config.clone(), dialler(core.address, &config), service());
    match agent.until_up().await {
        LinkState::Up { core_key, .. } => assert_eq!(core_key, core_id.public_key()),
        other => panic!("not up: {other:?}"),
    }
}

#[tokio::test]
async fn hello_that_the_agent_refuses_brings_no_link_up() {
    let (core_id, agent_id) = keys();
    let policy = TestPolicy::knowing(&[(agent_id.public_key(), "one")]);
    let mut core = TestCore::start(&core_id, &policy, CoreTimings::default()).await;
    let config = config(&agent_id, core_id.public_key(), None);
    let too_old = axum::Router::new().route(
        "/hello",
        axum::routing::post(async || (http::StatusCode::NOT_IMPLEMENTED, "level 7 at least")),
    );
    let mut agent = TestAgent::start(config.clone(), dialler(core.address, &config), too_old);
    match core.outcome().await {
        Err(EstablishError::Answer { status, text, .. }) => {
            assert_eq!((status.as_u16(), text.as_str()), (501, "level 7 at least"));
        }
        other => panic!("{other:?}"),
    }
    agent.until_waiting("core closed the link").await;
}

/// What Core does about a second link of an identity: it asks the first for a sign of life.
#[derive(Default)]
struct OneLinkEach {
    current: Mutex<Option<LinkClient>>,
}

impl Policy for OneLinkEach {
    type Identity = ();

    async fn recognise(&self, _: &Peer) -> Recognition<()> {
        let current = self.current.lock().await.clone();
        if let Some(link) = current {
            if link.ping(Duration::from_secs(2)).await.is_ok() {
                return Recognition::Refused(Refusal::new(
                    "duplicate_identity",
                    "another agent is linked with this key",
                ));
            }
            link.close();
        }
        Recognition::Known(())
    }

    async fn join(&self, _: &Peer, _: Option<JoinToken>) -> Result<(), Refusal> {
        Err(Refusal::new("unknown_key", "never asked"))
    }

    async fn hello(&self, _: &Peer, (): &()) -> Result<Bytes, Refusal> {
        Ok(Bytes::from_static(b"{}"))
    }
}

#[tokio::test(start_paused = true)]
async fn second_dial_of_an_identity_is_refused_while_the_first_lives_and_replaces_it_when_dead() {
    let (core_id, agent_id) = keys();
    let policy = Arc::new(OneLinkEach::default());
    let weather = Arc::new(Weather::default());
    let acceptor =
        komodo_link::Acceptor::new(&core_id, Arc::clone(&policy), CoreTimings::default()).unwrap();
    let (first, mut first_links) = PolicyDialler::new(&acceptor, &weather);
    let config = config(&agent_id, core_id.public_key(), None);
    let mut original = TestAgent::start(config.clone(), first, service());
    let link = soon("first link", first_links.recv())
        .await
        .unwrap()
        .unwrap();
    *policy.current.lock().await = Some(link.client.clone());
    original.until_up().await;

    let clear = Arc::new(Weather::default());
    let (second, mut second_links) = PolicyDialler::new(&acceptor, &clear);
    let mut copy = TestAgent::start(config, second, service());
    assert_eq!(copy.until_refused().await.code, "duplicate_identity");
    assert!(matches!(
        second_links.recv().await,
        Some(Err(EstablishError::Refused { refusal, .. })) if refusal.code == "duplicate_identity"
    ));
    assert!(original.state.borrow().is_up());

    weather.swallow();
    copy.until_up().await;
    soon("the dead link is closed", link.client.closed()).await;
}

#[tokio::test]
async fn the_same_refusal_is_logged_once() {
    let (core_id, agent_id) = keys();
    let policy = TestPolicy::knowing(&[(agent_id.public_key(), "one")]);
    *policy.refusal.lock().unwrap() = Some(Refusal::new("server_disabled", "enable the server"));
    let mut core = TestCore::start(&core_id, &policy, CoreTimings::default()).await;
    let config = config(&agent_id, core_id.public_key(), Some("very-secret"));
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::INFO)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let mut agent = TestAgent::start(config.clone(), dialler(core.address, &config), service());
    agent.until_refused().await;
    for _ in 0..5 {
        assert_eq!(refusal_of(core.outcome().await).code, "server_disabled");
    }
    assert_eq!(log.count("core refuses this agent"), 1, "{}", log.text());
    *policy.refusal.lock().unwrap() = Some(Refusal::new("server_deleted", "create it again"));
    agent
        .until("told the new reason", |state| {
            matches!(state, LinkState::Refused { refusal, .. } if refusal.code == "server_deleted")
        })
        .await;
    assert_eq!(log.count("core refuses this agent"), 2, "{}", log.text());
    assert_eq!(log.count("server_deleted"), 1, "{}", log.text());
    assert_eq!(log.count("very-secret"), 0);
}

#[derive(Clone, Default)]
struct Log(Arc<std::sync::Mutex<Vec<u8>>>);

impl Log {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    fn count(&self, part: &str) -> usize {
        self.text().matches(part).count()
    }
}

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn agent_without_any_core_key_does_not_start() {
    use komodo_link::agent::{self, ConfigError};
    let (core_id, agent_id) = keys();
    let (state, _) = tokio::sync::watch::channel(LinkState::Connecting);
    let mut nobody = config(&agent_id, core_id.public_key(), None);
    let dialler = dialler("127.0.0.1:1".parse().unwrap(), &nobody);
    nobody.core_keys.clear();
    let stopped = agent::run(
        nobody,
        dialler,
        service(),
        state,
        tokio_util::sync::CancellationToken::new(),
    );
    assert_eq!(soon("the end", stopped).await, Err(ConfigError::NoCoreKey));
}
