//! Below the link: upgrade, outer TLS, and what a link costs.

use std::{collections::HashMap, net::SocketAddr, sync::Arc, time::Duration};

use http::{Method, Request, StatusCode};
use komodo_link::{
    Acceptor, CoreTimings, EstablishError, Identity,
    agent::{CoreDialler, OuterTls},
};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::{
    io::AsyncReadExt,
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_rustls::TlsAcceptor;
use tokio_websockets::ClientBuilder;

use crate::{harness::*, relay::*, strangers::server_builder};

#[tokio::test]
async fn bytes_right_behind_the_upgrade_answer_are_not_lost() {
    let (core_id, agent_id) = (Identity::generate().unwrap(), Identity::generate().unwrap());
    let policy = TestPolicy::knowing(&[(agent_id.public_key(), "one")]);
    let mut core = TestCore::start(&core_id, &policy, CoreTimings::default()).await;
    let weather = Arc::new(Weather {
        coalesce_upgrade: true,
        ..Weather::default()
    });
    let relay = TcpRelay::start(core.address, &weather).await;
    let config = config(&agent_id, core_id.public_key(), None);
    let mut agent = TestAgent::start(config.clone(), dialler(relay.address, &config), service());
    let link = core.link().await;
    agent.until_up().await;
    assert!(link.client.ping(SOON).await.is_ok());
}

#[tokio::test]
async fn bytes_right_behind_the_upgrade_request_are_not_lost() {
    use tokio::io::AsyncWriteExt;
    let core_id = Identity::generate().unwrap();
    let mut core =
        TestCore::start(&core_id, &TestPolicy::knowing(&[]), CoreTimings::default()).await;
    let mut stream = TcpStream::connect(core.address).await.unwrap();
    let head = "GET /link HTTP/1.1\r\nhost: core\r\nconnection: keep-alive, Upgrade\r\nupgrade: WebSocket\r\n\
        sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    // A masked binary message with one byte that is no TLS: Core must see it and say so.
    let message = [0x82, 0x81, 0, 0, 0, 0, b'?'];
    stream
        .write_all(&[head.as_bytes(), &message].concat())
        .await
        .unwrap();
    let mut answer = [0; 12];
    soon("the answer", stream.read_exact(&mut answer))
        .await
        .unwrap();
    assert_eq!(&answer, b"HTTP/1.1 101");
    stream.shutdown().await.unwrap();
    match core.outcome().await {
        Err(EstablishError::Tls(error)) => {
            let text = error.to_string();
            assert!(
                text.contains("corrupt")
                    || text.contains("invalid")
                    || text.contains("InvalidContentType")
                    || text.contains("eof"),
                "{text}"
            );
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_is_no_upgrade_gets_an_answer_that_says_so() {
    let acceptor = Acceptor::new(
        &Identity::generate().unwrap(),
        TestPolicy::knowing(&[]),
        CoreTimings::default(),
    )
    .unwrap();
    let good = || {
        Request::get("/link")
            .header("connection", "Upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
            .body(())
            .unwrap()
    };
    let without = |name: &str| {
        let mut request = good();
        request.headers_mut().remove(name);
        request
    };
    let with = |name: &'static str, value: &'static str| {
        let mut request = good();
        request.headers_mut().insert(name, value.parse().unwrap());
        request
    };
    let mut post = good();
    *post.method_mut() = Method::POST;
    let mut long = good();
    *long.uri_mut() = format!("/link?connect_as={}", "x".repeat(257))
        .parse()
        .unwrap();
    let mut control = good();
    *control.uri_mut() = "/link?connect_as=a%0Ab".parse().unwrap();
    let cases = [
        (post, StatusCode::METHOD_NOT_ALLOWED),
        (without("connection"), StatusCode::UPGRADE_REQUIRED),
        (without("upgrade"), StatusCode::UPGRADE_REQUIRED),
        (with("upgrade", "h2c"), StatusCode::UPGRADE_REQUIRED),
        (with("sec-websocket-version", "8"), StatusCode::BAD_REQUEST),
        (without("sec-websocket-key"), StatusCode::BAD_REQUEST),
        (with("sec-websocket-key", "short"), StatusCode::BAD_REQUEST),
        (long, StatusCode::BAD_REQUEST),
        (control, StatusCode::BAD_REQUEST),
        // All in order, but the connection below cannot be upgraded.
        (good(), StatusCode::UPGRADE_REQUIRED),
    ];
    for (request, expected) in cases {
        let shown = format!("{request:?}");
        let answer = acceptor.accept(request, None).await;
        assert_eq!(answer.response.status(), expected, "{shown}");
        assert!(answer.link.is_none());
    }
}

#[tokio::test]
async fn core_behind_a_path_is_found() {
    let (core_id, agent_id) = (Identity::generate().unwrap(), Identity::generate().unwrap());
    let policy = TestPolicy::knowing(&[(agent_id.public_key(), "one")]);
    let core = TestCore::start(&core_id, &policy, CoreTimings::default()).await;
    let config = config(&agent_id, core_id.public_key(), None);
    let address = format!("ws://{}/behind/a/prefix/", core.address)
        .parse()
        .unwrap();
    let dialler = CoreDialler::new(address, "one", OuterTls::Verify, &config.timings).unwrap();
    let mut agent = TestAgent::start(config, dialler, service());
    agent.until_up().await;
}

#[tokio::test]
async fn address_that_is_no_core_is_named_with_its_answer() {
    let (core_id, agent_id) = (Identity::generate().unwrap(), Identity::generate().unwrap());
    let core = TestCore::start(&core_id, &TestPolicy::knowing(&[]), CoreTimings::default()).await;
    let config = config(&agent_id, core_id.public_key(), None);
    let address = format!("http://{}/elsewhere", core.address)
        .parse()
        .unwrap();
    let dialler = CoreDialler::new(address, "one", OuterTls::Verify, &config.timings).unwrap();
    let mut agent = TestAgent::start(config, dialler, service());
    let said = agent
        .until_waiting("did not accept the websocket upgrade")
        .await;
    assert!(
        said.contains("404") && said.contains("/elsewhere"),
        "{said}"
    );
}

/// Ends TLS before Core, as a proxy does.
async fn tls_proxy(core: SocketAddr, weather: &Arc<Weather>) -> (SocketAddr, JoinSet<()>) {
    let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(
        certified.signing_key.serialize_der(),
    ));
    let mut config = server_builder()
        .with_no_client_auth()
        .with_single_cert(vec![certified.cert.der().clone()], key)
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let weather = Arc::clone(weather);
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            if let Ok(stream) = acceptor.accept(stream).await {
                let core = TcpStream::connect(core).await.unwrap();
                relay(stream, core, &weather).await;
            }
        }
    });
    (address, tasks)
}

#[tokio::test]
async fn outer_tls_is_verified_unless_told_otherwise() {
    let (core_id, agent_id) = (Identity::generate().unwrap(), Identity::generate().unwrap());
    let policy = TestPolicy::knowing(&[(agent_id.public_key(), "one")]);
    let core = TestCore::start(&core_id, &policy, CoreTimings::default()).await;
    let (proxy, _tasks) = tls_proxy(core.address, &Arc::default()).await;
    let config = config(&agent_id, core_id.public_key(), None);
    let start = |outer_tls| {
        let address = format!("localhost:{}", proxy.port()).parse().unwrap();
        let dialler = CoreDialler::new(address, "one", outer_tls, &config.timings).unwrap();
        TestAgent::start(config.clone(), dialler, service())
    };
    let mut strict = start(OuterTls::Verify);
    strict.until_waiting("invalid peer certificate").await;
    drop(strict);
    start(OuterTls::InsecureSkipVerify).until_up().await;
}

#[tokio::test]
async fn core_too_busy_says_so_at_once() {
    let timings = CoreTimings {
        turn: Duration::from_millis(50),
        ..CoreTimings::default()
    };
    let core_id = Identity::generate().unwrap();
    let core = TestCore::start(&core_id, &TestPolicy::knowing(&[]), timings).await;
    let each = komodo_link::ESTABLISHING_PER_ADDRESS_MAX;
    let holding = hold_turns(core.address, [127, 0, 0, 1], each).await;
    let agent_id = Identity::generate().unwrap();
    let config = config(&agent_id, core_id.public_key(), None);
    let mut agent = TestAgent::start(config.clone(), dialler(core.address, &config), service());
    agent.until_waiting("503").await;
    drop(holding);
    agent.until_refused().await;
}

/// Turns that are held by somebody who says nothing, from an address of this host.
async fn hold_turns(core: SocketAddr, from: [u8; 4], count: usize) -> Vec<impl Sized> {
    let uri: http::Uri = format!("ws://{core}/link").parse().unwrap();
    let mut holding = Vec::new();
    for _ in 0..count {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind((from, 0).into()).unwrap();
        let stream = socket.connect(core).await.unwrap();
        let client = ClientBuilder::from_uri(uri.clone());
        holding.push(client.connect_on(stream).await.unwrap());
    }
    holding
}

#[tokio::test]
async fn one_address_that_says_nothing_holds_up_no_other() {
    let timings = CoreTimings {
        turn: Duration::from_millis(200),
        // Whoever says nothing is not let go of while this runs.
        establish: Duration::from_secs(600),
        inner_tls: Duration::from_secs(600),
        ..CoreTimings::default()
    };
    let (core_id, agent_id) = (Identity::generate().unwrap(), Identity::generate().unwrap());
    let policy = TestPolicy::knowing(&[(agent_id.public_key(), "one")]);
    let mut core = TestCore::start(&core_id, &policy, timings).await;
    let each = komodo_link::ESTABLISHING_PER_ADDRESS_MAX;
    let mut holding = hold_turns(core.address, [127, 0, 0, 2], each).await;
    let config = config(&agent_id, core_id.public_key(), None);
    let mut agent = TestAgent::start(config.clone(), dialler(core.address, &config), service());
    agent.until_up().await;
    drop(agent);
    // Where all turns are held, those that were known before still have theirs.
    for last in 3..3 + u8::try_from(komodo_link::ESTABLISHING_MAX / each - 1).unwrap() {
        holding.extend(hold_turns(core.address, [127, 0, 0, last], each).await);
    }
    let mut agent = TestAgent::start(config.clone(), dialler(core.address, &config), service());
    agent.until_up().await;
    drop((holding, core.link().await));
}

#[tokio::test]
async fn a_storm_of_agents_is_served_in_turns_and_all_come_up() {
    const AGENTS: usize = 300;
    let core_id = Identity::generate().unwrap();
    let policy = TestPolicy::knowing(&[]);
    let mut core = TestCore::start(&core_id, &policy, CoreTimings::default()).await;
    let mut agents = Vec::new();
    for n in 0..AGENTS {
        let agent_id = Identity::generate().unwrap();
        policy
            .known
            .lock()
            .unwrap()
            .insert(agent_id.public_key(), n.to_string());
        let config = config(&agent_id, core_id.public_key(), None);
        agents.push(TestAgent::start(
            config.clone(),
            dialler(core.address, &config),
            service(),
        ));
    }
    let mut links = HashMap::new();
    while links.len() < AGENTS {
        let link = core.link().await;
        links.insert(link.identity.clone(), link);
    }
    for agent in &mut agents {
        agent.until_up().await;
    }
    let pings = links.values().map(|link| link.client.ping(SOON));
    assert!(
        futures_util::future::join_all(pings)
            .await
            .iter()
            .all(Result::is_ok)
    );
}

#[tokio::test]
async fn idle_links_are_small() {
    const LINKS: usize = 100;
    let core_id = Identity::generate().unwrap();
    let mut pairs = Vec::new();
    // Allocators and thread pools are warm after these.
    for _ in 0..10 {
        pairs.push(Pair::start(service()).await);
    }
    let policy = TestPolicy::knowing(&[]);
    let mut core = TestCore::start(&core_id, &policy, CoreTimings::default()).await;
    let before = resident_bytes();
    let mut links = Vec::new();
    for n in 0..LINKS {
        let agent_id = Identity::generate().unwrap();
        policy
            .known
            .lock()
            .unwrap()
            .insert(agent_id.public_key(), n.to_string());
        let config = config(&agent_id, core_id.public_key(), None);
        let agent = TestAgent::start(config.clone(), dialler(core.address, &config), service());
        links.push((agent, core.link().await));
    }
    let each = resident_bytes().saturating_sub(before) / LINKS;
    // Both ends of a link with their sockets take 100 KiB; each end with the default buffers of a WebSocket library
    // takes 128 KiB more.
    assert!(
        each < 170 * 1024,
        "{} KiB for both ends of an idle link",
        each / 1024
    );
}

fn resident_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .unwrap();
    line.trim()
        .trim_end_matches(" kB")
        .parse::<usize>()
        .unwrap()
        * 1024
}
