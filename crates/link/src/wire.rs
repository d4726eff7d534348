//! What both ends must agree on: protocol name, paths, limits and the bodies of the link's own requests.
//!
//! Whatever the agent's service answers does not belong here; only `/link/*` and the path of the hello do.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::JoinToken;

/// ALPN name of the inner TLS. It is the protocol version: a peer of another version fails the handshake.
pub const ALPN: &[u8] = b"komodo-link/1";

/// Path of the HTTP upgrade on Core.
pub const UPGRADE_PATH: &str = "/link";

/// First request of Core on a link; a 2xx answer makes the link up.
pub const HELLO_PATH: &str = "/hello";

/// Core asks an agent that it does not know for its onboarding token.
pub(crate) const JOIN_PATH: &str = "/link/join";

/// Core tells an agent why it will not have it.
pub(crate) const REFUSED_PATH: &str = "/link/refused";

/// Prefix of all requests that the link answers by itself.
#[cfg(feature = "agent")]
pub(crate) const LINK_PREFIX: &str = "/link/";

/// Query parameter of the upgrade that carries the name the agent wants to have, percent-encoded.
pub(crate) const CONNECT_AS_PARAMETER: &str = "connect_as";

/// Longest name that an agent may ask for, in bytes.
pub const CONNECT_AS_BYTES_MAX: usize = 256;

/// Largest body of the link's own requests and answers, in bytes.
pub(crate) const LINK_BODY_BYTES_MAX: usize = 8 * 1024;

/// Largest hello and largest answer to it, in bytes.
pub const HELLO_BYTES_MAX: usize = 1024 * 1024;

/// Longest refusal reason that is kept, in bytes; the rest is cut.
const REASON_BYTES_MAX: usize = 2 * 1024;

/// Longest refusal code that is kept, in bytes.
const CODE_BYTES_MAX: usize = 64;

/// Largest HTTP/2 frame and WebSocket message that is sent, in bytes.
pub const FRAME_BYTES_MAX: usize = 16 * 1024;

/// How long a link that is closed on purpose may take to say goodbye before it is cut.
pub(crate) const CLOSE_GRACE: Duration = Duration::from_millis(500);

/// Body of the answer to `GET /link/join`.
#[derive(Serialize, Deserialize)]
pub(crate) struct JoinAnswer {
    pub(crate) token: JoinToken,
    pub(crate) connect_as: String,
}

/// Why Core will not have an agent, in a form that both sides show.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{reason} ({code})")]
pub struct Refusal {
    /// Stable code, such as `unknown_key`.
    pub code: String,
    /// What happened and what to do about it, for a person.
    pub reason: String,
}

impl Refusal {
    /// A refusal with a stable code and a reason for a person.
    pub fn new(code: impl Into<String>, reason: impl Into<String>) -> Self {
        Self {
            code: code.into(),
            reason: reason.into(),
        }
        .bounded()
    }

    /// The same with both texts cut to what a peer may make us keep and without control characters.
    pub(crate) fn bounded(mut self) -> Self {
        for (text, bytes_max) in [
            (&mut self.code, CODE_BYTES_MAX),
            (&mut self.reason, REASON_BYTES_MAX),
        ] {
            if text.contains(char::is_control) {
                *text = text.replace(char::is_control, " ");
            }
            if text.len() > bytes_max {
                let cut = (0..=bytes_max)
                    .rev()
                    .find(|&index| text.is_char_boundary(index));
                text.truncate(cut.unwrap_or(0));
            }
        }
        self
    }
}

/// A stage of bringing a link up; each has its own timeout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    /// Name lookup and TCP connect.
    Dial,
    /// TLS of the outer connection, when the address asks for it.
    OuterTls,
    /// HTTP upgrade to a WebSocket.
    Upgrade,
    /// TLS with raw public keys between agent and Core.
    InnerTls,
    /// HTTP/2 preface.
    Http,
    /// Core decides who the agent is.
    Trust,
    /// The agent is asked for its onboarding token.
    Join,
    /// First request and answer.
    Hello,
}

impl std::fmt::Display for Stage {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Dial => "dial",
            Self::OuterTls => "outer tls handshake",
            Self::Upgrade => "websocket upgrade",
            Self::InnerTls => "inner tls handshake",
            Self::Http => "http/2 preface",
            Self::Trust => "decision on the key",
            Self::Join => "onboarding",
            Self::Hello => "hello",
        })
    }
}

/// The text for a connection that just ended. The TLS library's own is about its interface.
pub(crate) const ENDED_WITHOUT_GOODBYE: &str = "the connection ended without a goodbye";

/// An error with its causes in one line, for a log or a state that a person reads.
pub(crate) fn with_causes(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}

/// Any error that may cross a thread.
#[cfg(feature = "agent")]
pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;
