//! What goes wrong with an Engine.

use std::{io, path::PathBuf, time::Duration};

/// Text of an Engine's refusal that is kept.
pub(crate) const MESSAGE_CHARS_MAX: usize = 1000;

/// Why no connection to the Engine comes about.
#[derive(Debug, thiserror::Error)]
pub enum UnreachableWhy {
    /// There is no socket.
    #[error("the socket {0} does not exist")]
    Absent(PathBuf),
    /// The socket is not for this user.
    #[error("no permission to use the socket {0}")]
    Forbidden(PathBuf),
    /// Nobody listens.
    #[error("connection to {0} refused")]
    Refused(String),
    /// The name of a TCP endpoint cannot be resolved, or the connection fails otherwise.
    #[error("cannot connect to {0}")]
    Other(String, #[source] io::Error),
}

/// What goes wrong with an Engine.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// No connection.
    #[error(transparent)]
    Unreachable(#[from] UnreachableWhy),
    /// No answer within the deadline. A mutation may have been carried out all the same.
    #[error("no answer from the Engine within {} s", .0.as_secs_f32())]
    NoAnswer(Duration),
    /// It was there for one request of an act and not for the next: the first may have changed something.
    #[error("the Engine went away halfway: {0}")]
    Halfway(#[source] UnreachableWhy),
    /// The connection broke. A mutation may have been carried out all the same.
    #[error("the Engine closed the connection")]
    Broken(#[source] hyper::Error),
    /// The Engine refused.
    #[error("{message}")]
    Status {
        /// HTTP status.
        status: u16,
        /// The Engine's words.
        message: String,
    },
    /// The answer is larger than what is read.
    #[error("the Engine's answer is larger than {0} bytes")]
    TooLarge(usize),
    /// The answer is not what the Engine's API says.
    #[error("the Engine's answer to {0} is malformed")]
    Malformed(&'static str, #[source] serde_json::Error),
    /// The archive that the Engine made of a container's file cannot be read.
    #[error("the archive of a container's file cannot be read")]
    Archive(#[source] std::io::Error),
    /// The image cannot be fetched; the Engine's words.
    #[error("the image cannot be pulled: {0}")]
    Pull(String),
    /// What stands before the Engine does not let a request through.
    #[error("the Engine, or the proxy before it, does not allow to {what}: {message}")]
    Barred {
        /// What was asked.
        what: &'static str,
        /// The words of the refusal.
        message: String,
    },
    /// The Engine speaks no API version that is understood here.
    #[error("the Engine's API version {0} is older than 1.{min}, the oldest supported", min = crate::engine::API_MINOR_MIN)]
    TooOld(String),
    /// No container can have such a name.
    #[error("'{0}' is neither a name nor an id of a container")]
    BadReference(String),
}

impl EngineError {
    /// Whether the Engine said that there is no such container.
    pub fn is_not_found(&self) -> bool {
        matches!(
            self,
            EngineError::Status { status: 404, .. } | EngineError::BadReference(_)
        )
    }

    /// Whether the Engine itself cannot be reached or does not answer, as opposed to refusing.
    pub fn is_unreachable(&self) -> bool {
        matches!(
            self,
            EngineError::Unreachable(_)
                | EngineError::Halfway(_)
                | EngineError::NoAnswer(_)
                | EngineError::Broken(_)
        )
    }

    /// Whether it is certain that the Engine never got the request.
    pub fn never_sent(&self) -> bool {
        matches!(
            self,
            EngineError::Unreachable(_) | EngineError::BadReference(_)
        )
    }

    /// The error of a request that was not the first of an act.
    pub(crate) fn after_another(self) -> Self {
        match self {
            EngineError::Unreachable(why) => EngineError::Halfway(why),
            other => other,
        }
    }

    /// The error with its causes, one clause after the other.
    pub fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            let clause = error.to_string();
            if !text.contains(&clause) {
                text.push_str(": ");
                text.push_str(&clause);
            }
            cause = error.source();
        }
        text
    }
}
