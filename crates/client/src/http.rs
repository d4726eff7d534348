//! The connection: addresses, TLS, one request and its bounded answer.
//!
//! hyper's pooled client with rustls, since both are in the agent link anyway; a larger HTTP library would add redirects,
//! cookies and decoding that this API does not use.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode, Uri, header, uri::PathAndQuery};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::{
    client::legacy::{Client as Pool, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo},
};
use tokio::{net::TcpStream, time::timeout};
use tower::Service;

use crate::error::{Cause, ClientError};

/// Time to connect, per address that the name resolves to.
pub const CONNECT_MS_MAX: u64 = 10_000;
/// Largest body that is read.
pub const RESPONSE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// The bytes of a connection, with or without TLS.
pub(crate) type Stream = TokioIo<MaybeHttpsStream<TokioIo<TcpStream>>>;

/// A Core at an address.
#[derive(Clone)]
pub(crate) struct Http {
    address: String,
    base: Uri,
    prefix: String,
    connector: HttpsConnector<HttpConnector>,
    pool: Pool<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

/// An answer, read whole.
pub(crate) struct Response {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Http {
    pub(crate) fn new(address: &str) -> Result<Self, ClientError> {
        let wrong = |why| ClientError::Address {
            address: address.to_owned(),
            why,
        };
        let base: Uri = address
            .trim()
            .trim_end_matches('/')
            .parse()
            .map_err(|_| wrong("it cannot be read; write it like http://localhost:9120"))?;
        let encrypted = match base.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(wrong("it must start with http:// or https://")),
        };
        let authority = base.authority().ok_or_else(|| wrong("it names no host"))?;
        if authority.as_str().contains('@') {
            return Err(wrong("it must not hold credentials"));
        }
        if base.query().is_some() {
            return Err(wrong("it must not hold a query"));
        }
        let prefix = base.path().trim_end_matches('/').to_owned();
        let address = format!(
            "{}://{}{}",
            if encrypted { "https" } else { "http" },
            authority,
            prefix
        );
        let connector = connector(encrypted)?;
        let pool = Pool::builder(TokioExecutor::new()).build(connector.clone());
        Ok(Http {
            address,
            base,
            prefix,
            connector,
            pool,
        })
    }

    /// The address, without a slash at the end.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// The URI of a path under the address.
    pub(crate) fn uri(&self, path: &str) -> Result<Uri, ClientError> {
        let path = format!("{}{path}", self.prefix);
        let mut parts = self.base.clone().into_parts();
        parts.path_and_query =
            Some(
                PathAndQuery::try_from(path).map_err(|_| ClientError::Address {
                    address: self.address.clone(),
                    why: "the path cannot be read",
                })?,
            );
        Uri::from_parts(parts).map_err(|_| ClientError::Address {
            address: self.address.clone(),
            why: "it cannot be read",
        })
    }

    /// Sends a request and reads the answer whole, within the deadline. `None` as body is a GET.
    pub(crate) async fn send(
        &self,
        path: &str,
        headers: &HeaderMap,
        body: Option<Bytes>,
        deadline: Duration,
    ) -> Result<Response, ClientError> {
        let mut request = Request::builder().uri(self.uri(path)?);
        if let Some(map) = request.headers_mut() {
            map.clone_from(headers);
        }
        let request = match body {
            Some(body) => request
                .method(http::Method::POST)
                .header(header::CONTENT_TYPE, "application/json")
                .body(Full::new(body)),
            None => request.body(Full::new(Bytes::new())),
        }
        .map_err(|source| self.broken(source))?;
        match timeout(deadline, self.exchange(request)).await {
            Ok(result) => result,
            Err(_) => Err(ClientError::Deadline {
                address: self.address.clone(),
                after: deadline,
            }),
        }
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> Result<Response, ClientError> {
        let response =
            self.pool
                .request(request)
                .await
                .map_err(|error| match error.is_connect() {
                    true => self.unreachable(error),
                    false => self.broken(error),
                })?;
        let (parts, body) = response.into_parts();
        let body = Limited::new(body, RESPONSE_BYTES_MAX)
            .collect()
            .await
            .map_err(|error| match error.downcast_ref::<LengthLimitError>() {
                Some(_) => ClientError::TooLarge {
                    address: self.address.clone(),
                    bytes_max: RESPONSE_BYTES_MAX,
                },
                None => self.broken(error),
            })?;
        Ok(Response {
            status: parts.status,
            headers: parts.headers,
            body: body.to_bytes(),
        })
    }

    /// A connection of its own, for a websocket.
    pub(crate) async fn connect(&self, deadline: Duration) -> Result<Stream, ClientError> {
        let uri = self.uri("/")?;
        match timeout(deadline, self.connector.clone().call(uri)).await {
            Ok(Ok(stream)) => Ok(TokioIo::new(stream)),
            Ok(Err(source)) => Err(self.unreachable(source)),
            Err(_) => Err(ClientError::Deadline {
                address: self.address.clone(),
                after: deadline,
            }),
        }
    }

    pub(crate) fn broken(&self, source: impl Into<Cause>) -> ClientError {
        ClientError::Broken {
            address: self.address.clone(),
            source: source.into(),
        }
    }

    fn unreachable(&self, source: impl Into<Cause>) -> ClientError {
        ClientError::Connect {
            address: self.address.clone(),
            source: source.into(),
        }
    }
}

fn connector(encrypted: bool) -> Result<HttpsConnector<HttpConnector>, ClientError> {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(Duration::from_millis(CONNECT_MS_MAX)));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider offers TLS 1.2 and 1.3")
        .with_root_certificates(roots(encrypted))
        .with_no_client_auth();
    Ok(HttpsConnectorBuilder::new()
        .with_tls_config(tls)
        .https_or_http()
        .enable_http1()
        .wrap_connector(tcp))
}

/// The system's roots (or those that `SSL_CERT_FILE` names), else Mozilla's. Reading them takes milliseconds that a
/// plain connection need not wait for.
fn roots(encrypted: bool) -> rustls::RootCertStore {
    let mut roots = rustls::RootCertStore::empty();
    if encrypted {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if roots.is_empty() {
            roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        }
    }
    roots
}
