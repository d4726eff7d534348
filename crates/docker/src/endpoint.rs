//! Where the Engine listens, as `DOCKER_HOST` says it.

use std::{fmt, path::PathBuf};

/// Where an Engine listens unless something else is said.
pub const DEFAULT_SOCKET: &str = "/var/run/docker.sock";
const DEFAULT_TCP_PORT: u16 = 2375;

/// Where the Engine listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// A Unix socket.
    Unix(PathBuf),
    /// A TCP port without TLS, as that of a socket proxy.
    Tcp {
        /// Name or address, without brackets.
        host: String,
        /// Port.
        port: u16,
    },
}

/// `DOCKER_HOST` cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("DOCKER_HOST '{0}' is neither unix:///path/to/docker.sock nor tcp://host:port")]
pub struct EndpointError(String);

impl Endpoint {
    /// Reads a `DOCKER_HOST`; an empty one is the default socket.
    pub fn parse(docker_host: &str) -> Result<Self, EndpointError> {
        let bad = || EndpointError(docker_host.chars().take(200).collect());
        if docker_host.is_empty() {
            return Ok(Endpoint::Unix(DEFAULT_SOCKET.into()));
        }
        if let Some(path) = docker_host.strip_prefix("unix://") {
            return if path.starts_with('/') {
                Ok(Endpoint::Unix(path.into()))
            } else {
                Err(bad())
            };
        }
        let rest = docker_host
            .strip_prefix("tcp://")
            .or_else(|| docker_host.strip_prefix("http://"))
            .ok_or_else(bad)?;
        let authority: http::uri::Authority =
            rest.trim_end_matches('/').parse().map_err(|_| bad())?;
        let host = authority
            .host()
            .trim_start_matches('[')
            .trim_end_matches(']')
            .to_owned();
        if host.is_empty() || authority.as_str().contains('@') || authority.as_str().ends_with(':')
        {
            return Err(bad());
        }
        let port = match authority
            .as_str()
            .strip_prefix(authority.host())
            .unwrap_or_default()
        {
            "" => DEFAULT_TCP_PORT,
            port => port
                .strip_prefix(':')
                .and_then(|port| port.parse().ok())
                .ok_or_else(bad)?,
        };
        Ok(Endpoint::Tcp { host, port })
    }

    /// Host of a TCP endpoint.
    pub fn tcp_host(&self) -> Option<&str> {
        match self {
            Endpoint::Unix(_) => None,
            Endpoint::Tcp { host, .. } => Some(host),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Endpoint::Unix(path) => write!(f, "unix://{}", path.display()),
            Endpoint::Tcp { host, port } if host.contains(':') => {
                write!(f, "tcp://[{host}]:{port}")
            }
            Endpoint::Tcp { host, port } => write!(f, "tcp://{host}:{port}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn docker_host_is_read_as_the_docker_client_reads_it() {
        let tcp = |host: &str, port| Endpoint::Tcp {
            host: host.into(),
            port,
        };
        let cases = [
            ("", Some(Endpoint::Unix(DEFAULT_SOCKET.into()))),
            (
                "unix:///run/user/1000/docker.sock",
                Some(Endpoint::Unix("/run/user/1000/docker.sock".into())),
            ),
            ("tcp://proxy:2375", Some(tcp("proxy", 2375))),
            ("tcp://proxy", Some(tcp("proxy", 2375))),
            ("http://10.0.0.2:1234/", Some(tcp("10.0.0.2", 1234))),
            ("tcp://[fd00::1]:2375", Some(tcp("fd00::1", 2375))),
            ("unix://relative.sock", None),
            ("ssh://root@host", None),
            ("tcp://", None),
            ("tcp://proxy:99999", None),
            ("tcp://user:secret@proxy:2375", None),
            ("/var/run/x.sock", None),
        ];
        for (text, expected) in cases {
            assert_eq!(Endpoint::parse(text).ok(), expected, "{text}");
        }
    }
}
