//! Peers of another kind, and peers that say nothing: whom either side turns down, and when it stops waiting.

use std::{sync::Arc, time::Duration};

use http::{Request, StatusCode};
use komodo_link::{
    ALPN, Acceptor, CoreTimings, EstablishError, Identity, Origin, PublicKey, Stage,
    agent::{CoreDialler, Dial, Dialled, OuterTls, SessionError},
};
use rustls::{
    ClientConfig, DigitallySignedStruct, ServerConfig, SignatureScheme,
    client::{
        AlwaysResolvesClientRawPublicKeys,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime},
    sign::CertifiedKey,
};
use tokio::{
    io::{AsyncReadExt, DuplexStream},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    task::JoinSet,
};
use tokio_rustls::{TlsAcceptor, TlsConnector, client::TlsStream};
use tokio_websockets::ClientBuilder;

use crate::harness::*;

pub fn server_builder() -> rustls::ConfigBuilder<ServerConfig, rustls::WantsVerifier> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
}

/// What a stranger speaks instead of our inner TLS.
#[derive(Clone, Copy, PartialEq)]
enum Stranger {
    OtherAlpn,
    NoAlpn,
    X509,
}

/// A raw Ed25519 key in the form that rustls wants.
fn raw_key() -> (PublicKey, Arc<CertifiedKey>) {
    use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
    let pair = Ed25519KeyPair::generate().unwrap();
    let public = PublicKey::from_raw(pair.public_key().as_ref().try_into().unwrap());
    let der = PrivatePkcs8KeyDer::from(pair.to_pkcs8v1().unwrap().as_ref().to_vec());
    let signer = rustls::crypto::aws_lc_rs::sign::any_eddsa_type(&der).unwrap();
    (
        public,
        Arc::new(CertifiedKey::new(
            vec![CertificateDer::from(public.to_spki())],
            signer,
        )),
    )
}

#[derive(Debug)]
struct TrustAll {
    raw: bool,
}

impl ServerCertVerifier for TrustAll {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![
            SignatureScheme::ED25519,
            SignatureScheme::ECDSA_NISTP256_SHA256,
        ]
    }

    fn requires_raw_public_keys(&self) -> bool {
        self.raw
    }
}

/// A TLS client in Core's place.
fn core_like(key: &Arc<CertifiedKey>, stranger: Option<Stranger>) -> TlsConnector {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let x509 = stranger == Some(Stranger::X509);
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(TrustAll { raw: !x509 }));
    let mut config = match x509 {
        true => builder.with_no_client_auth(),
        false => builder.with_client_cert_resolver(Arc::new(
            AlwaysResolvesClientRawPublicKeys::new(Arc::clone(key)),
        )),
    };
    config.alpn_protocols = match stranger {
        Some(Stranger::OtherAlpn) => vec![b"komodo-link/0".to_vec()],
        Some(Stranger::NoAlpn) => vec![],
        Some(Stranger::X509) | None => vec![ALPN.to_vec()],
    };
    TlsConnector::from(Arc::new(config))
}

/// Hands the other end of every dial to the test.
struct HandOver(mpsc::Sender<DuplexStream>);

impl Dial for HandOver {
    async fn dial(&self) -> Result<Dialled, SessionError> {
        let (near, far) = tokio::io::duplex(64 * 1024);
        self.0.send(far).await.unwrap();
        Ok(Dialled {
            io: Box::new(near),
            core_address: None,
            local_address: None,
        })
    }
}

fn agent_for(core: PublicKey, hello: Duration) -> (TestAgent, mpsc::Receiver<DuplexStream>) {
    let (sender, dials) = mpsc::channel(1);
    let mut config = config(&Identity::generate().unwrap(), core, Some("secret-token"));
    config.timings.hello = hello;
    config.timings.inner_tls = Duration::from_millis(300);
    // Long enough for a test to see why an attempt failed.
    config.timings.reconnect_floor = SOON;
    let dialler = HandOver(sender);
    (TestAgent::start(config, dialler, service()), dials)
}

async fn connect(
    connector: &TlsConnector,
    far: DuplexStream,
) -> std::io::Result<TlsStream<DuplexStream>> {
    soon(
        "the handshake",
        connector.connect("agent".try_into().unwrap(), far),
    )
    .await
}

#[tokio::test(start_paused = true)]
async fn agent_turns_down_cores_of_another_kind() {
    for (stranger, reason) in [
        (
            Stranger::OtherAlpn,
            "peer doesn't support any known protocol",
        ),
        (Stranger::NoAlpn, "does not speak komodo-link/1"),
        (Stranger::X509, "inner tls handshake with core failed"),
    ] {
        let (core_key, certified) = raw_key();
        let (mut agent, mut dials) = agent_for(core_key, Duration::from_secs(10));
        let connector = core_like(&certified, Some(stranger));
        let far = soon("a dial", dials.recv()).await.unwrap();
        let mut ended = connect(&connector, far).await;
        if let Ok(stream) = &mut ended {
            // As a TLS 1.3 client we are through before the agent has judged us.
            let read = soon("the end", stream.read(&mut [0; 1])).await;
            assert!(!matches!(read, Ok(length) if length > 0));
        }
        agent.until_waiting(reason).await;
    }
}

#[tokio::test]
async fn core_turns_down_agents_of_another_kind() {
    for stranger in [Stranger::OtherAlpn, Stranger::NoAlpn, Stranger::X509] {
        let acceptor = Acceptor::new(
            &Identity::generate().unwrap(),
            TestPolicy::knowing(&[]),
            CoreTimings::default(),
        )
        .unwrap();
        let mut config = match stranger {
            Stranger::X509 => {
                let certified = rcgen::generate_simple_self_signed(["agent".to_owned()]).unwrap();
                let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(
                    certified.signing_key.serialize_der(),
                ));
                server_builder()
                    .with_no_client_auth()
                    .with_single_cert(vec![certified.cert.der().clone()], key)
                    .unwrap()
            }
            Stranger::OtherAlpn | Stranger::NoAlpn => {
                let (_, certified) = raw_key();
                let resolver = rustls::server::AlwaysResolvesServerRawPublicKeys::new(certified);
                server_builder()
                    .with_no_client_auth()
                    .with_cert_resolver(Arc::new(resolver))
            }
        };
        if stranger == Stranger::OtherAlpn {
            config.alpn_protocols = vec![b"komodo-link/0".to_vec()];
        }
        let (near, far) = tokio::io::duplex(64 * 1024);
        let server = TlsAcceptor::from(Arc::new(config));
        let (outcome, _) = tokio::join!(
            soon("core's end", acceptor.establish(near, Origin::default())),
            async {
                // Kept until Core has decided.
                server.accept(far).await
            }
        );
        assert!(
            matches!(outcome, Err(EstablishError::Tls(_))),
            "{outcome:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_but_the_hello_is_served_before_it_and_a_core_without_one_is_left() {
    let (core_key, certified) = raw_key();
    let (mut agent, mut dials) = agent_for(core_key, Duration::from_millis(400));
    let far = soon("a dial", dials.recv()).await.unwrap();
    let stream = connect(&core_like(&certified, None), far).await.unwrap();
    let (mut requests, connection) = h2::client::handshake(stream).await.unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let _ = connection.await;
    });
    let request = Request::post("http://agent/echo").body(()).unwrap();
    let (answer, _) = requests.send_request(request, true).unwrap();
    assert_eq!(
        soon("an answer", answer).await.unwrap().status(),
        StatusCode::FORBIDDEN
    );
    let said = agent.until_waiting("hello took longer than 400ms").await;
    assert!(!said.contains("secret-token"));
}

#[tokio::test(start_paused = true)]
async fn core_that_never_begins_the_inner_tls_is_left() {
    let (core_key, _) = raw_key();
    let (mut agent, mut dials) = agent_for(core_key, Duration::from_secs(10));
    let _silent = soon("a dial", dials.recv()).await.unwrap();
    agent
        .until_waiting("inner tls handshake took longer than 300ms")
        .await;
}

#[tokio::test]
async fn silent_address_is_left_after_the_limit_of_each_stage() {
    let (core_key, _) = raw_key();
    let deaf = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut config = config(&Identity::generate().unwrap(), core_key, None);
    config.timings.upgrade = Duration::from_millis(100);
    config.timings.outer_tls = Duration::from_millis(100);
    for (scheme, stage) in [
        ("http", "websocket upgrade"),
        ("https", "outer tls handshake"),
    ] {
        let address = format!("{scheme}://{}", deaf.local_addr().unwrap())
            .parse()
            .unwrap();
        let dialler = CoreDialler::new(
            address,
            "one",
            OuterTls::InsecureSkipVerify,
            &config.timings,
        )
        .unwrap();
        let mut agent = TestAgent::start(config.clone(), dialler, service());
        agent
            .until_waiting(&format!("{stage} took longer than 100ms"))
            .await;
    }
}

#[tokio::test]
async fn silent_agent_is_left_after_the_limit_of_each_stage() {
    let limit = Duration::from_millis(200);
    let timings = CoreTimings {
        inner_tls: limit,
        request: limit,
        ..CoreTimings::default()
    };
    let core_id = Identity::generate().unwrap();
    let mut core = TestCore::start(&core_id, &TestPolicy::knowing(&[]), timings.clone()).await;
    let uri = format!("ws://{}/link", core.address).parse().unwrap();
    let stream = TcpStream::connect(core.address).await.unwrap();
    let (_socket, _) = ClientBuilder::from_uri(uri)
        .connect_on(stream)
        .await
        .unwrap();
    match core.outcome().await {
        Err(EstablishError::Timeout {
            stage: Stage::InnerTls,
            after,
        }) => assert_eq!(after, limit),
        other => panic!("{other:?}"),
    }

    let agent_id = Identity::generate().unwrap();
    let policy = TestPolicy::knowing(&[(agent_id.public_key(), "one")]);
    let mut core = TestCore::start(&core_id, &policy, timings).await;
    let config = config(&agent_id, core_id.public_key(), None);
    let mute = axum::Router::new().route(
        "/hello",
        axum::routing::post(async || std::future::pending::<()>().await),
    );
    let _agent = TestAgent::start(config.clone(), dialler(core.address, &config), mute);
    loop {
        match core.outcome().await {
            // A busy machine may not manage the handshake in time; the agent tries again.
            Err(EstablishError::Timeout { .. }) => continue,
            Err(EstablishError::Request {
                stage: Stage::Hello,
                source,
            }) => {
                assert!(source.to_string().contains("within 200ms"), "{source}");
            }
            other => panic!("{other:?}"),
        }
        break;
    }
}
