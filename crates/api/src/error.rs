//! The one error that leaves the API: HTTP status, stable code, safe text, parameters.
//!
//! Text here is read by users: it says what is wrong and what to do, and never holds a secret.

use std::{borrow::Cow, fmt};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Stable machine-readable codes; clients and translations key on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Code {
    /// The body is not JSON (400).
    BadJson,
    /// A value is out of its rules (400).
    Invalid,
    /// No or bad credentials (401).
    Unauthenticated,
    /// The account exists but is not enabled (401).
    AccountDisabled,
    /// The caller may know of the target but not do this (403).
    Forbidden,
    /// Unknown, or not readable by the caller (404).
    NotFound,
    /// Wrong HTTP method (405).
    MethodNotAllowed,
    /// The name is taken (409).
    Conflict,
    /// A protected container was named (409).
    Protected,
    /// Another operation holds the target (409).
    Busy,
    /// The world changed since the plan was made (409).
    PlanDrifted,
    /// The body is larger than the limit (413).
    BodyTooLarge,
    /// The body is not `application/json` (415).
    UnsupportedMediaType,
    /// The JSON has the wrong shape, or the request type is unknown (422).
    Unprocessable,
    /// Too many failed attempts (429).
    TooManyAttempts,
    /// Something went wrong inside (500).
    Internal,
    /// In the contract but not built yet (501).
    NotBuilt,
    /// The agent answered with something that cannot be understood (502).
    BadAgent,
    /// The server's agent is not connected (503).
    ServerUnreachable,
    /// The Docker Engine on the server does not answer (503).
    EngineUnreachable,
    /// The disk that holds the database or the journal is full (507).
    StorageFull,
    /// The journal of the agent is full: acknowledge or free space first (507).
    JournalFull,
    /// The agent or the Engine did not answer within the deadline (504).
    DeadlineExceeded,
    /// The server is disabled (409).
    ServerDisabled,
    /// The Update has ended, so there is nothing to cancel (409).
    NotCancelable,
    /// The Update cannot be undone: it has no undo, changed nothing that could be brought back, is still open, or was
    /// undone already (409).
    NotUndoable,
}

impl Code {
    /// HTTP status of the code.
    pub const fn status(self) -> http::StatusCode {
        use http::StatusCode as S;
        match self {
            Code::BadJson | Code::Invalid => S::BAD_REQUEST,
            Code::Unauthenticated | Code::AccountDisabled => S::UNAUTHORIZED,
            Code::Forbidden => S::FORBIDDEN,
            Code::NotFound => S::NOT_FOUND,
            Code::MethodNotAllowed => S::METHOD_NOT_ALLOWED,
            Code::Conflict
            | Code::Protected
            | Code::Busy
            | Code::PlanDrifted
            | Code::ServerDisabled
            | Code::NotCancelable
            | Code::NotUndoable => S::CONFLICT,
            Code::BodyTooLarge => S::PAYLOAD_TOO_LARGE,
            Code::UnsupportedMediaType => S::UNSUPPORTED_MEDIA_TYPE,
            Code::Unprocessable => S::UNPROCESSABLE_ENTITY,
            Code::TooManyAttempts => S::TOO_MANY_REQUESTS,
            Code::Internal => S::INTERNAL_SERVER_ERROR,
            Code::NotBuilt => S::NOT_IMPLEMENTED,
            Code::BadAgent => S::BAD_GATEWAY,
            Code::ServerUnreachable | Code::EngineUnreachable => S::SERVICE_UNAVAILABLE,
            Code::DeadlineExceeded => S::GATEWAY_TIMEOUT,
            Code::StorageFull | Code::JournalFull => S::INSUFFICIENT_STORAGE,
        }
    }
}

/// An error as the API answers it.
///
/// Serializes to the body of the contract (`error`, `trace`) with the additive fields `code`, `params` and
/// `request_id` (set at the edge).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Serror")]
pub struct Error {
    /// What is wrong and what to do about it: one or two sentences.
    pub error: String,
    /// Causes, outer to inner; never an empty string.
    pub trace: Vec<String>,
    /// Stable code.
    #[serde(default = "internal")]
    pub code: Code,
    /// Facts the text was made of (names, times, ids), for translation and for scripts.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub params: Map<String, Value>,
    /// Id of the request, as in the log of Core.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
}

fn internal() -> Code {
    Code::Internal
}

impl Error {
    /// An error with a code and a text for people.
    pub fn new(code: Code, error: impl Into<Cow<'static, str>>) -> Self {
        Error {
            error: error.into().into_owned(),
            trace: Vec::new(),
            code,
            params: Map::new(),
            request_id: None,
        }
    }

    /// Adds a fact.
    #[must_use]
    pub fn param(mut self, key: &str, value: impl Serialize) -> Self {
        self.params.insert(
            key.to_owned(),
            serde_json::to_value(value).unwrap_or(Value::Null),
        );
        self
    }

    /// Adds a cause; empty texts are left out, since clients index into each entry.
    #[must_use]
    pub fn cause(mut self, cause: impl fmt::Display) -> Self {
        let cause = cause.to_string();
        if !cause.is_empty() {
            self.trace.push(cause);
        }
        self
    }

    /// HTTP status.
    pub fn status(&self) -> http::StatusCode {
        self.code.status()
    }

    /// 404 for a thing that does not exist, or that the caller may not know of.
    pub fn not_found(kind: &str, reference: &str) -> Self {
        Error::new(
            Code::NotFound,
            format!("there is no {kind} '{reference}' that you may read"),
        )
        .param("kind", kind)
        .param("reference", reference)
    }

    /// 400 for a value out of its rules.
    pub fn invalid(error: impl Into<Cow<'static, str>>) -> Self {
        Error::new(Code::Invalid, error)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.error)
    }
}

impl std::error::Error for Error {}
