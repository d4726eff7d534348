//! How a command ends, as a person and as a script see it.

use std::{io, process::ExitCode};

use komodo_api::Code;
use komodo_client::ClientError;

use crate::{config::ConfigError, operation_args::BadValue};

/// The end of a command that was carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// As it was asked for (exit code 0).
    Success,
    /// The operation ended without success (exit code 1).
    Failed,
    /// The person said no (exit code 1).
    Declined,
    /// The person stopped waiting (exit code 130).
    Interrupted,
}

impl Outcome {
    /// What the shell sees.
    pub fn exit_code(self) -> ExitCode {
        ExitCode::from(match self {
            Outcome::Success => 0,
            Outcome::Failed | Outcome::Declined => 1,
            Outcome::Interrupted => 130,
        })
    }
}

/// Why a command was not carried out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// It was asked for in a way that cannot be served.
    #[error("{what}")]
    Usage {
        /// What is wrong.
        what: String,
        /// What to do, one sentence.
        hint: Option<String>,
    },
    /// The settings cannot be had.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A value is not of its kind.
    #[error(transparent)]
    Value(#[from] BadValue),
    /// Core refused or was not reached.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// Core refused, and there is another way.
    #[error("{error}")]
    Refused {
        /// The refusal.
        #[source]
        error: ClientError,
        /// The other way, one sentence.
        hint: &'static str,
    },
    /// The terminal or a file failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl Failure {
    /// A mistake in what was asked, with what to do about it.
    pub fn usage(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Failure::Usage {
            what: what.into(),
            hint: Some(hint.into()),
        }
    }

    /// What the shell sees: 2 usage, 3 refused by Core, 4 Core not reached or not understood.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Failure::Refused { .. } => 3,
            Failure::Usage { .. } | Failure::Config(_) | Failure::Value(_) => 2,
            Failure::Client(ClientError::Address { .. } | ClientError::Credentials(_)) => 2,
            Failure::Client(ClientError::Api { .. } | ClientError::LiveLogin(_)) => 3,
            // The reader of a pipe went away, as `head` does; nobody is left to be told.
            Failure::Io(error) if error.kind() == io::ErrorKind::BrokenPipe => 0,
            Failure::Client(_) | Failure::Io(_) => 4,
        })
    }

    /// Lines for standard error; none where nobody needs to be told.
    pub fn lines(&self) -> Vec<String> {
        match self {
            Failure::Io(error) if error.kind() == io::ErrorKind::BrokenPipe => Vec::new(),
            Failure::Usage { what, hint } => {
                let hint = hint.iter().map(|hint| format!("hint: {hint}"));
                std::iter::once(format!("error: {what}"))
                    .chain(hint)
                    .collect()
            }
            Failure::Client(error) => client_lines(error, hint(error)),
            Failure::Refused { error, hint } => client_lines(error, Some(hint)),
            other => vec![format!("error: {other}")],
        }
    }
}

fn client_lines(error: &ClientError, hint: Option<&str>) -> Vec<String> {
    let mut lines = vec![match error.api().and_then(code_word) {
        Some(code) => format!("error: {} [{code}]", error.report()),
        None => format!("error: {}", error.report()),
    }];
    lines.extend(hint.map(|hint| format!("hint: {hint}")));
    if let Some(id) = error.api().and_then(|error| error.request_id.as_ref()) {
        lines.push(format!("request id: {id}"));
    }
    lines
}

/// The stable code, for scripts and searches; an error without one says nothing by it.
fn code_word(error: &komodo_api::Error) -> Option<String> {
    match error.code {
        Code::Internal => None,
        code => serde_json::to_value(code).ok()?.as_str().map(str::to_owned),
    }
}

fn hint(error: &ClientError) -> Option<&'static str> {
    match error {
        ClientError::Connect { .. } => {
            Some("is Core running, and is that its address? `km config` shows where it is from")
        }
        ClientError::Broken { .. } | ClientError::Deadline { .. } => Some(
            "the request may have been carried out all the same; `km update ls` shows what was done",
        ),
        ClientError::Api { error, .. } => match error.code {
            Code::Unauthenticated => Some("`km login` stores a new API key"),
            _ => None,
        },
        _ => None,
    }
}
