//! Where Core is, as a person writes it.

use std::{fmt, str::FromStr};

use http::Uri;

use crate::wire::UPGRADE_PATH;

/// Address of Core: `https://host[:port][/prefix]`, with `http`, `https`, `ws`, `wss` or no scheme (then `https`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoreAddress {
    pub(super) tls: bool,
    pub(super) host: String,
    pub(super) port: u16,
    prefix: String,
}

impl CoreAddress {
    /// The URI of the upgrade, with an encoded query.
    pub(super) fn upgrade_uri(&self, query: &str) -> Result<Uri, http::Error> {
        let scheme = if self.tls { "wss" } else { "ws" };
        Uri::builder()
            .scheme(scheme)
            .authority(self.authority())
            .path_and_query(format!("{}{UPGRADE_PATH}?{query}", self.prefix))
            .build()
    }

    /// Whether the outer connection is encrypted.
    pub fn is_tls(&self) -> bool {
        self.tls
    }

    fn authority(&self) -> String {
        let bracketed = self.host.contains(':');
        match (bracketed, self.port == default_port(self.tls)) {
            (false, true) => self.host.clone(),
            (false, false) => format!("{}:{}", self.host, self.port),
            (true, true) => format!("[{}]", self.host),
            (true, false) => format!("[{}]:{}", self.host, self.port),
        }
    }
}

impl fmt::Display for CoreAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "https" } else { "http" };
        write!(formatter, "{scheme}://{}{}", self.authority(), self.prefix)
    }
}

fn default_port(tls: bool) -> u16 {
    if tls { 443 } else { 80 }
}

impl FromStr for CoreAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let text = text.trim();
        let with_scheme = match text.contains("://") {
            true => text.to_owned(),
            false => format!("https://{text}"),
        };
        let uri: Uri = with_scheme
            .parse()
            .map_err(|source| AddressError::Malformed { source })?;
        let tls = match uri.scheme_str() {
            Some("https" | "wss") => true,
            Some("http" | "ws") => false,
            _ => return Err(AddressError::Scheme),
        };
        let authority = uri.authority().ok_or(AddressError::NoHost)?;
        if authority.as_str().contains('@') || uri.query().is_some() {
            return Err(AddressError::Extra);
        }
        let host = authority
            .host()
            .trim_start_matches('[')
            .trim_end_matches(']');
        if host.is_empty() {
            return Err(AddressError::NoHost);
        }
        Ok(Self {
            tls,
            host: host.to_owned(),
            port: authority.port_u16().unwrap_or_else(|| default_port(tls)),
            prefix: uri.path().trim_end_matches('/').to_owned(),
        })
    }
}

/// Why a text is not an address of Core.
#[derive(Debug, thiserror::Error)]
pub enum AddressError {
    /// Not a URI at all.
    #[error("core address is malformed")]
    Malformed {
        /// What the parser found.
        #[source]
        source: http::uri::InvalidUri,
    },
    /// A scheme that the link does not speak.
    #[error("core address must start with https://, http://, wss:// or ws://")]
    Scheme,
    /// No host.
    #[error("core address has no host")]
    NoHost,
    /// User, password or query.
    #[error("core address may not hold a user, a password or a query")]
    Extra,
}
