//! From an address to a byte stream: TCP, outer TLS when asked for, WebSocket.

use std::{future::Future, io, net::SocketAddr, sync::Arc, time::Duration};

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use rustls::{
    ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::{
        Resumption,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, lookup_host},
    time::timeout,
};
use tokio_rustls::TlsConnector;
use tokio_websockets::ClientBuilder;

use super::{AgentTimings, CoreAddress, SessionError};
use crate::{
    Stage,
    wire::CONNECT_AS_PARAMETER,
    wsio::{self, WsIo},
};

/// Most addresses of one name that are tried.
const ADDRESSES_MAX: usize = 8;

/// Something that can open a byte stream to Core: [`CoreDialler`] over the network, a test or a simulation in memory.
pub trait Dial: Send + Sync {
    /// Opens one; every stage inside has its own timeout.
    fn dial(&self) -> impl Future<Output = Result<Dialled, SessionError>> + Send;
}

/// A byte stream to Core's [`Acceptor`](crate::Acceptor).
pub struct Dialled {
    /// The stream.
    pub io: Box<dyn ByteStream>,
    /// The other end, if it has an address.
    pub core_address: Option<SocketAddr>,
    /// Our end, if it has an address.
    pub local_address: Option<SocketAddr>,
}

/// What a link runs over.
pub trait ByteStream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> ByteStream for T {}

/// How the certificate of the outer TLS is judged. The inner TLS proves Core in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OuterTls {
    /// By the roots of the system, or by Mozilla's where the system has none.
    #[default]
    Verify,
    /// Not at all, for a proxy with a certificate of its own making.
    InsecureSkipVerify,
}

/// Dials Core over the network.
pub struct CoreDialler {
    address: CoreAddress,
    uri: http::Uri,
    tls: Option<TlsConnector>,
    timings: AgentTimings,
}

impl CoreDialler {
    /// Prepares to dial `address` under the name `connect_as`. Reads the system's roots when the address wants TLS.
    pub fn new(
        address: CoreAddress,
        connect_as: &str,
        outer_tls: OuterTls,
        timings: &AgentTimings,
    ) -> Result<Self, DiallerError> {
        let name = utf8_percent_encode(connect_as, NON_ALPHANUMERIC);
        let uri = address
            .upgrade_uri(&format!("{CONNECT_AS_PARAMETER}={name}"))
            .map_err(DiallerError::Uri)?;
        let tls = match address.tls {
            true => Some(TlsConnector::from(Arc::new(outer_config(outer_tls)?))),
            false => None,
        };
        Ok(Self {
            address,
            uri,
            tls,
            timings: timings.clone(),
        })
    }

    async fn connect(&self) -> Result<TcpStream, SessionError> {
        let after = self.timings.dial;
        let failed = |source| SessionError::Dial {
            address: self.address.to_string(),
            source,
        };
        let connect = async {
            let found = lookup_host((self.address.host.as_str(), self.address.port))
                .await
                .map_err(failed)?;
            let found: Vec<SocketAddr> = found.take(ADDRESSES_MAX).collect();
            // One address that swallows packets must not use up the time of the others.
            let share = after / u32::try_from(found.len().max(1)).unwrap_or(1);
            let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
            for address in found {
                match timeout(share, TcpStream::connect(address)).await {
                    Ok(Ok(stream)) => return Ok(stream),
                    Ok(Err(error)) => last = error,
                    Err(_) => last = io::ErrorKind::TimedOut.into(),
                }
            }
            Err(failed(last))
        };
        staged(Stage::Dial, after, connect).await
    }

    async fn upgrade<IO>(&self, io: IO) -> Result<WsIo<IO>, SessionError>
    where
        IO: AsyncRead + AsyncWrite + Unpin + Send,
    {
        let upgrade = async {
            let (socket, _) = ClientBuilder::from_uri(self.uri.clone())
                .config(wsio::config())
                .limits(wsio::limits())
                .connect_on(io)
                .await
                .map_err(|source| SessionError::Upgrade {
                    address: self.address.to_string(),
                    source: Box::new(source),
                })?;
            Ok(WsIo::new(socket))
        };
        staged(Stage::Upgrade, self.timings.upgrade, upgrade).await
    }
}

impl Dial for CoreDialler {
    async fn dial(&self) -> Result<Dialled, SessionError> {
        let stream = self.connect().await?;
        // Both are conveniences; a link works without them.
        let _ = stream.set_nodelay(true);
        let (core_address, local_address) = (stream.peer_addr().ok(), stream.local_addr().ok());
        let io: Box<dyn ByteStream> = match &self.tls {
            None => Box::new(self.upgrade(stream).await?),
            Some(connector) => {
                let failed = |source| SessionError::OuterTls {
                    address: self.address.to_string(),
                    source,
                };
                let name = ServerName::try_from(self.address.host.clone())
                    .map_err(|error| failed(io::Error::new(io::ErrorKind::InvalidInput, error)))?;
                let handshake = async { connector.connect(name, stream).await.map_err(failed) };
                let stream = staged(Stage::OuterTls, self.timings.outer_tls, handshake).await?;
                Box::new(self.upgrade(stream).await?)
            }
        };
        Ok(Dialled {
            io,
            core_address,
            local_address,
        })
    }
}

pub(super) async fn staged<T>(
    stage: Stage,
    after: Duration,
    work: impl Future<Output = Result<T, SessionError>>,
) -> Result<T, SessionError> {
    timeout(after, work)
        .await
        .unwrap_or(Err(SessionError::Timeout { stage, after }))
}

/// Why a dialler cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum DiallerError {
    /// Address and name do not make a URI.
    #[error("core address cannot be dialled")]
    Uri(#[source] http::Error),
    /// The crypto library refused its settings.
    #[error("outer tls cannot be set up")]
    Tls(#[source] rustls::Error),
}

fn outer_config(outer_tls: OuterTls) -> Result<ClientConfig, DiallerError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(DiallerError::Tls)?;
    let mut config = match outer_tls {
        OuterTls::Verify => builder
            .with_root_certificates(roots())
            .with_no_client_auth(),
        OuterTls::InsecureSkipVerify => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AnyCertificate { provider }))
            .with_no_client_auth(),
    };
    // HTTP/2 has no upgrade.
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config.resumption = Resumption::disabled();
    Ok(config)
}

fn roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    let native = rustls_native_certs::load_native_certs();
    for error in &native.errors {
        tracing::warn!(error = %error, "some root certificates of the system cannot be read");
    }
    roots.add_parsable_certificates(native.certs);
    if roots.is_empty() {
        tracing::info!("the system has no root certificates, Mozilla's are used");
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    roots
}

#[derive(Debug)]
struct AnyCertificate {
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for AnyCertificate {
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
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(
            message,
            certificate,
            signature,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(
            message,
            certificate,
            signature,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}
