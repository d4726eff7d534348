//! What can go wrong between a caller and Core: Core refused, or Core was not reached.

use std::{error::Error as StdError, time::Duration};

use http::StatusCode;
use komodo_api::Error;
use serde::Deserialize;
use serde_json::Value;

/// A cause of any kind.
pub(crate) type Cause = Box<dyn StdError + Send + Sync>;

/// Why a call has no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The address is none of Core.
    #[error("'{address}' is not an address of Core: {why}")]
    Address {
        /// As it was given.
        address: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The credentials cannot be sent.
    #[error("the credentials hold characters that cannot be sent; check the key and the secret")]
    Credentials(#[source] http::header::InvalidHeaderValue),
    /// Core answered, and the answer is no.
    #[error("{error}")]
    Api {
        /// HTTP status.
        status: StatusCode,
        /// What Core says.
        error: Box<Error>,
    },
    /// No connection came about.
    #[error("cannot connect to {address}")]
    Connect {
        /// Address of Core.
        address: String,
        /// Why.
        #[source]
        source: Cause,
    },
    /// The connection broke before the answer was complete. The operation may have been started all the same.
    #[error("the connection with {address} broke before the answer was complete")]
    Broken {
        /// Address of Core.
        address: String,
        /// Why.
        #[source]
        source: Cause,
    },
    /// No answer within the deadline. The operation may have been started all the same.
    #[error("no answer from {address} within {} s", after.as_secs())]
    Deadline {
        /// Address of Core.
        address: String,
        /// The deadline.
        after: Duration,
    },
    /// The answer is larger than the client takes.
    #[error("the answer of {address} is larger than {bytes_max} bytes")]
    TooLarge {
        /// Address of Core.
        address: String,
        /// The limit.
        bytes_max: usize,
    },
    /// The answer is not one of this API.
    #[error("the answer of {address} (HTTP {}) cannot be understood; is that the address of Komodo Core?", status.as_u16())]
    Answer {
        /// Address of Core.
        address: String,
        /// HTTP status.
        status: StatusCode,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// The request cannot be written as JSON.
    #[error("the request cannot be written as JSON")]
    Request(#[source] serde_json::Error),
    /// Core offers no live feed at this address.
    #[error("{address} offers no live feed{}", status.map(|status| format!(" (HTTP {status})")).unwrap_or_default())]
    NoLiveFeed {
        /// Address of Core.
        address: String,
        /// HTTP status that it answered with.
        status: Option<u16>,
    },
    /// The live feed refused the credentials.
    #[error("the live feed refused the login: {0}")]
    LiveLogin(String),
    /// The operation was accepted without an Update to watch.
    #[error("the operation was accepted, and there is no Update to watch")]
    NoUpdate,
}

impl ClientError {
    /// Whether another try may succeed without anybody changing anything: Core was not reached, or not in time.
    pub fn is_transport(&self) -> bool {
        match self {
            ClientError::Connect { .. }
            | ClientError::Broken { .. }
            | ClientError::Deadline { .. } => true,
            // A proxy speaks for a Core that is away.
            ClientError::Answer { status, .. } => matches!(status.as_u16(), 502..=504),
            _ => false,
        }
    }

    /// What Core said, where it answered.
    pub fn api(&self) -> Option<&Error> {
        match self {
            ClientError::Api { error, .. } => Some(error),
            _ => None,
        }
    }

    /// The text with all its causes, outer to inner, for people.
    pub fn report(&self) -> String {
        let mut report = self.to_string();
        if let ClientError::Api { error, .. } = self {
            for cause in &error.trace {
                report = format!("{report}: {cause}");
            }
        }
        let mut source = self.source();
        while let Some(cause) = source {
            let text = cause.to_string();
            // Wrappers of HTTP libraries repeat the text of what they wrap, or say nothing of their own.
            if !report.ends_with(&text) && !text.starts_with("client error (") {
                report = format!("{report}: {text}");
            }
            source = cause.source();
        }
        report
    }

    /// The error that a body of Core stands for.
    pub(crate) fn from_body(address: &str, status: StatusCode, body: &[u8]) -> ClientError {
        match read_error(body) {
            Ok(error) => ClientError::Api {
                status,
                error: Box::new(error),
            },
            Err(source) => ClientError::Answer {
                address: address.to_owned(),
                status,
                source,
            },
        }
    }
}

/// Reads an error body; a code that this client does not know yet must not hide the text.
fn read_error(body: &[u8]) -> Result<Error, serde_json::Error> {
    let mut value: Value = serde_json::from_slice(body)?;
    match Error::deserialize(&value) {
        Ok(error) => Ok(error),
        Err(_) => {
            if let Some(fields) = value.as_object_mut() {
                fields.remove("code");
            }
            serde_json::from_value(value)
        }
    }
}
